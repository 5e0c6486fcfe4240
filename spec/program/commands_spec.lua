--- The command line: what `check` says, what `serve` refuses and how it ends,
-- listings and imports.

local json     = require "cjson.safe"
local net      = require("tidegate.core").net
local gateway  = require "gateway"
local http     = require "http"
local process  = require "process"
local provider = require "provider"
local scene    = require "scene"

local dir

local function run(args, env, seconds)
  local argv = { gateway.program() }
  for i, a in ipairs(args) do argv[i + 1] = a end
  return process.run(argv, env, seconds)
end

local function write(name, text)
  return gateway.write(dir .. "/" .. name, text)
end

local CATALOG = '{"data":[{"id":"t/m","name":"M","created":1,"context_length":1000,\n'
  .. '"pricing":{"prompt":"0.000001","completion":"0.000002"},\n"endpoints":[{"provider":"a","upstream_model":"u"}]}]}\n'

local PROVIDERS = '  providers = { { slug = "a", base_url = "http://127.0.0.1:9/v1", key = "key-of-a" } },\n'
local GOOD = 'return {\n  listen = "127.0.0.1:0", workers = 1, auth = "none",\n  catalog = { "catalog.json" },\n'
  .. PROVIDERS .. "}\n"

describe("the command line", function()
  before_each(function()
    dir = gateway.temp_dir()
    write("catalog.json", CATALOG)
    write("good.lua", GOOD)
  end)
  after_each(function() os.execute("rm -rf " .. dir) end)

  -- ---- check, and serve which refuses the same ----

  local function good_with(line) return (GOOD:gsub("}\n$", "  " .. line .. "\n}\n")) end

  -- Each has a file's text and how the complaint about it begins.
  local WRONG = {
    ["an unknown key"] = { good_with "timeuots = {},", "bad.lua:5: unknown key timeuots, did you mean timeouts?" },
    ["an unknown key far inside"] = { 'return {\n providers = {\n  { slug = "a",\n    base_urll = "http://a" } } }',
      "bad.lua:4: unknown key providers[1].base_urll, did you mean base_url?" },
    ["a syntax error"] = { 'return {\n  listen = "127.0.0.1:0"\n  workers = 1 }', "bad.lua:3: " },
    ["an error that it raises"] = { "local x\n\nreturn { listen = x.y }", "bad.lua:3: " },
    ["an endless loop"] = { "local n = 0\nwhile true do n = n + 1 end", "bad.lua:2: does not come to an end" },
    ["an endless loop that catches errors"] = { "local n = 0\nrepeat\n pcall = pcall\n n = n + 1\nuntil false",
      "bad.lua:" },
    ["endless recursion"] = { "local function f() return 1 + f() end\nreturn f()", "bad.lua:1: " },
    ["bytecode"] = { string.dump(function() return {} end), "bad.lua:1: this is bytecode" },
    ["nothing returned"] = { "local x = 1", "bad.lua:1: a configuration returns a table" },
    ["reading files"] = { "local f = io.open('/etc/passwd')\nreturn {}", "bad.lua:1: " },
    ["starting programs"] = { "\nos.execute 'true'\nreturn {}", "bad.lua:2: " },
    ["a wrong type"] = { good_with "workers = 'two',", "bad.lua:5: workers: whole number expected" },
    ["a number out of bounds"] = { good_with "timeouts = { idle = -1 },", "bad.lua:5: timeouts.idle: " },
    ["a wire that nobody speaks"] = { 'return { providers = {\n { slug = "a", base_url = "http://a",\n wire = "openai-chatt" } } }',
      "bad.lua:3: providers[1].wire: there is no wire openai-chatt, did you mean openai-chat?" },
    ["two providers of one name"] = { 'return { auth = "none", providers = {\n { slug = "a", base_url = "http://a" },\n'
      .. ' { slug = "a", base_url = "http://b" } } }', "bad.lua:3: providers[2]: there are two providers a" },
    ["a provider without address"] = { 'return { auth = "none", providers = {\n { slug = "mine" } } }',
      "bad.lua:2: providers[1]: missing key base_url" },
    ["an address that is none"] = { 'return { auth = "none", providers = {\n\n { slug = "a", base_url = "a.example/v1" } } }',
      "bad.lua:3: providers: base_url of a: " },
    ["an open door to the world"] = { good_with 'listen = "0.0.0.0:0",', "bad.lua:2: auth = \"none\"" },
    ["a catalogue that is not there"] = { 'return {\n catalog = {\n  "none.json" } }', "bad.lua:3: catalog: there is no file " },
    ["a catalogue that is broken"] = { good_with 'catalog = { "broken.json" },', "broken.json:3: " },
  }

  local function bad_file(case)
    write("broken.json", '{"data":[\n  {"id":"t/m",\n   "name": }\n]}')
    return write("bad.lua", case[1])
  end

  for what, case in pairs(WRONG) do
    it("check tells file and line of " .. what .. ", and serve refuses it the same", function()
      local path = bad_file(case)
      local began = os.time()
      local status, said = run({ "check", path }, nil, 20)
      assert.equal(1, status, said)
      assert.is_truthy(said:find(case[2], 1, true), said)
      assert.is_true(os.time() - began < 15)
      local served, words = run({ "serve", path }, nil, 20)
      assert.equal(1, served, words)
      assert.is_truthy(words:find(case[2], 1, true), words)
      assert.is_nil(words:find("listening", 1, true))
    end)
  end

  it("check says the first mistake of every catalogue", function()
    write("one.json", '{"data":[{"id":7}]}')
    write("two.json", "\n\n{")
    local status, said = run { "check", write("bad.lua", good_with 'catalog = { "one.json", "two.json" },') }
    assert.equal(1, status)
    assert.is_truthy(said:find("one.json:1: ", 1, true), said)
    assert.is_truthy(said:find("two.json:3: ", 1, true), said)
  end)

  it("check is content with what is good, and says what it read", function()
    local status, said = run { "check", dir .. "/good.lua" }
    assert.equal(0, status, said)
    assert.matches("good; 1 provider, 1 model, 1 endpoint\n", said)
  end)

  it("check of a file that is not there says its name", function()
    local status, said = run { "check", dir .. "/none.lua" }
    assert.equal(1, status)
    assert.is_truthy(said:find("none.lua", 1, true))
  end)

  it("never shows a key", function()
    local status, said = run { "check", write("bad.lua", GOOD:gsub("base_url", "bas_url")) }
    assert.equal(1, status)
    assert.is_nil(said:find("key-of-a", 1, true), said)
  end)

  for _, example in ipairs { "closed-by-keys.lua", "demo.lua", "formats.lua", "local-models.lua", "two-providers.lua" } do
    it("check finds nothing wrong in examples/" .. example, function()
      local status, said = run({ "check", "examples/" .. example }, { OPENAI_API_KEY = "sk-0123456789",
        GROQ_API_KEY = "gsk-0123456789", APP_KEY = "sk-tg-0123456789abcdef", TEAM_KEY = "sk-tg-fedcba9876543210" })
      assert.equal(0, status, said)
    end)
  end

  -- ---- serve ----

  local function serve(args, env)
    local argv = { gateway.program(), "serve" }
    for _, a in ipairs(args) do argv[#argv + 1] = a end
    return process.start(argv, env)
  end

  it("serve says where it listens, and --listen beats the file", function()
    local p = serve { write("a.lua", (GOOD:gsub("127.0.0.1:0", "127.0.0.1:1"))), "--listen", "127.0.0.1:0" }
    local port = p:expect("tidegate: listening on http://127%.0%.0%.1:(%d+)\n", 15)
    assert.not_equal("1", port)
    net.run(function() assert.equal(200, http.get(tonumber(port), "/health").status) end)
    assert.equal(0, p:stop())
  end)

  it("serve says who joined, after where it listens", function()
    for _, case in ipairs { { "a.lua", GOOD, "none" },
        { "b.lua", (GOOD:gsub('auth = "none"', 'keys = { { name = "k", key = "0123456789" } }')), "keys" } } do
      local p = serve { write(case[1], case[2]) }
      p:expect("ready", 15)
      assert.equal(0, p:stop())
      local rest = p.printed:match "^tidegate: listening on http://127%.0%.0%.1:%d+\n(.*)$"
      assert.is_truthy(rest:find('"event":"ready","message":"1 provider, 1 model, 1 endpoint (a); auth is ' .. case[3] .. '"',
        1, true), p.printed)
      assert.is_nil(rest:find "curl")         -- that is for terminals
    end
  end)

  it("serve --listen beyond loopback refuses auth none as the file would", function()
    local status, said = run { "serve", dir .. "/good.lua", "--listen", "0.0.0.0:0" }
    assert.equal(1, status)
    assert.is_truthy(said:find('auth = "none"', 1, true), said)
  end)

  it("serve leaves a provider without its key out, with one line of log", function()
    write("catalog.json", (CATALOG:gsub('{"provider":"a"', '{"provider":"b","upstream_model":"u"},%0')))
    local path = write("a.lua", (GOOD:gsub("providers = {", '%0 { slug = "b", base_url = "http://127.0.0.1:9", key = env "NO_SUCH_KEY" },')))
    local p = serve({ path }, { NO_SUCH_KEY = false })
    local port = tonumber((p:expect("listening on http://127%.0%.0%.1:(%d+)", 15)))
    net.run(function()
      local list = json.decode(http.get(port, "/api/v1/providers").body).data
      assert.equal(1, #list)
      assert.equal("a", list[1].slug)
    end)
    assert.equal(0, p:stop())
    local _, count = p.printed:gsub("provider b is left out", "")
    assert.equal(1, count, p.printed)
  end)

  it("serve on a port that is taken says so and ends with 1", function()
    net.run(function()
      local taken = assert(net.listen "127.0.0.1:0")
      local status, said = run { "serve", dir .. "/good.lua", "--listen", "127.0.0.1:" .. taken:port() }
      taken:close()
      assert.equal(1, status, said)
      assert.is_truthy(said:find("in use", 1, true) or said:find("another program", 1, true), said)
    end)
  end)

  for name, signal in pairs { TERM = process.TERM, INT = process.INT } do
    it("SIG" .. name .. " ends it with 0", function()
      local p = serve { dir .. "/good.lua" }
      p:expect("listening", 15)
      p:signal(signal)
      assert.equal(0, p:wait(10), p.printed)
    end)
  end

  it("SIGTERM lets a running stream end whole, and takes no new connection", scene.with({
    a = function(conn)
      provider.stream(conn, { "one ", "two ", "three ", "four ", "five" }, 0.2)
    end,
  }, nil, function(s)
    local got
    net.spawn(function() got = s:chat { stream = true } end)
    net.sleep(0.35)
    s.gateway.process:signal(process.TERM)
    net.sleep(0.2)
    assert.is_nil((net.connect("127.0.0.1", s.port)))
    assert.is_true(scene.eventually(5, function() return got ~= nil end))
    assert.equal("one two three four five", got.text)
    assert.is_true(got.done)
  end))

  it("R-38: a log that nobody reads stops no request, and tells later what is missing",
    scene.with({ a = provider.good() }, nil, function(s)
      local fifo = dir .. "/log"
      local p = process.start { "sh", "-c", ("mkfifo %s && exec %s serve %s 2<>%s"):format(fifo, gateway.program(),
        s.gateway.config_path, fifo) }
      local quiet = { port = tonumber((p:expect("listening on http://127%.0%.0%.1:(%d+)", 15))) }
      local function ask() return s.chat(quiet).status end
      -- a pipe holds some 250 lines, the gateway as many more
      local ten = {}
      for i = 1, 10 do ten[i] = ask end
      for _ = 1, 80 do
        for _, status in ipairs(scene.together(ten)) do assert.equal(200, status) end
      end
      local text = ""
      for _ = 1, 4 do
        local reader = io.popen("timeout 0.3 cat " .. fifo)
        text = text .. reader:read "*a"
        reader:close()
        assert.equal(200, ask())
      end
      p:signal(process.TERM)
      assert.equal(0, p:wait(10))
      local missing = tonumber(text:match '"message":"(%d+) lines were dropped: nobody read them"')
      local _, lines = text:gsub('"event":"request"', "")
      assert.is_true(missing and missing > 100, text:sub(-300))
      assert.is_true(missing + lines >= 800 and missing + lines <= 804, missing .. " and " .. lines)
    end))

  -- The simulated providers run in a thread that ends with the process: what it
  -- holds then is no leak.
  it("without a configuration and without keys serves the demo", function()
    local p = process.start({ "sh", "-c", "cd " .. dir .. "/ && exec env -i PATH=$PATH ASAN_OPTIONS=detect_leaks=0 " .. gateway.program()
      .. " serve --listen 127.0.0.1:0 --workers 1" })
    local port = tonumber((p:expect("tidegate: listening on http://127%.0%.0%.1:(%d+)", 20)))
    p:expect("curl", 5)
    net.run(function()
      local models = json.decode(http.get(port, "/api/v1/models").body).data
      assert.is_true(#models > 0)
      local r = http.post(port, "/api/v1/chat/completions", ('{"model":%q,"messages":[{"role":"user","content":"hi"}]}'):format(
        models[1].id))
      assert.equal(200, r.status, r.body)
    end)
    assert.equal(0, p:stop(), p.printed)
  end)

  -- ---- listings ----

  it("models lists ids and prices, and those that contain a word", function()
    write("catalog.json", (CATALOG:gsub("%]}\n$", ',{"id":"other/thing","name":"O","created":1,"context_length":5,'
      .. '"pricing":{"prompt":"0","completion":"0"},"endpoints":[]}%0')))
    local status, said = run { "models", dir .. "/good.lua" }
    assert.equal(0, status)
    assert.matches("t/m +1000 +1 +2 +a", said)
    assert.matches("other/thing", said)
    status, said = run { "models", dir .. "/good.lua", "other", "--endpoints" }
    assert.equal(0, status)
    assert.is_nil(said:find("t/m", 1, true))
    assert.matches("other/thing", said)
  end)

  it("config prints every key, for people and for editors", function()
    local status, said = run { "config" }
    assert.equal(0, status)
    for _, key in ipairs { "listen", "providers[].base_url", "timeouts.first_token" } do
      assert.is_truthy(said:find("`" .. key .. "`", 1, true), key)
    end
    status, said = run { "config", "--luacats" }
    assert.equal(0, status)
    assert.matches("%-%-%-@class tidegate.Config", said)
  end)

  it("version prints one line", function()
    local status, said = run { "--version" }
    assert.equal(0, status)
    assert.matches("^tidegate %d+%.%d+%.%d+[^\n]*\n$", said)
  end)

  for _, name in ipairs { "serve", "check", "reload", "explain", "models", "catalog", "mock", "config", "version" } do
    it(name .. " --help says how it is used", function()
      local status, said = run { name, "--help" }
      assert.equal(0, status)
      assert.is_truthy(said:find("Usage: tidegate " .. name, 1, true), said)
      assert.is_true(#said > 40, said)
      local _, all = run { "--help" }
      assert.matches("\n  " .. name .. " +%w", all)
    end)
  end

  for _, case in ipairs {
    { {}, "Usage" }, { { "serv" }, "did you mean serve?" }, { { "frobnicate" }, "no command frobnicate" },
    { { "serve", "--listne", "x" }, "did you mean --listen?" }, { { "serve", "--listen" }, "--listen needs a value" },
    { { "serve", "--workers", "0" }, "--workers" }, { { "serve", "--listen", "nowhere" }, "HOST:PORT" },
    { { "check", "a", "b" }, "one argument too many" }, { { "catalog" }, "missing" },
    { { "catalog", "import", "csv", "x" }, "openrouter, litellm and models.dev" }, { { "explain" }, "--request" },
  } do
    it("a command line that is wrong ends with 2: tidegate " .. table.concat(case[1], " "), function()
      local status, said = run(case[1])
      assert.equal(2, status, said)
      assert.is_truthy(said:find(case[2], 1, true), said)
    end)
  end

  -- ---- catalog import ----

  local IMPORTS = {
    { "openrouter", "openrouter/models.2026-08.rig-cassette.json" },
    { "openrouter", "openrouter/models.2025-12-31.chatlas-cassette.json" },
    { "litellm", "litellm/model_prices_and_context_window.json" },
    { "litellm", "litellm/model_prices.2025-09-01.json" },
    { "models.dev", "models.dev/provider_models.jsonl" },
  }
  for _, case in ipairs(IMPORTS) do
    it("imports a real list: " .. case[2], function()
      local file = scene.data("catalogs/" .. case[2])
      if not file then return end
      local status = process.run { "sh", "-c", ("%s catalog import %s %s > %s/imported.json"):format(gateway.program(),
        case[1], file, dir) }
      assert.equal(0, status)
      local imported = assert(json.decode(scene.read_file(dir .. "/imported.json")))
      assert.is_true(#imported.data > 3, #imported.data .. " models")
      local slugs, providers = {}, {}
      for _, m in ipairs(imported.data) do
        assert.is_string(m.id)
        for _, e in ipairs(m.endpoints) do slugs[e.provider] = true end
      end
      for slug in pairs(slugs) do
        providers[#providers + 1] = ('{ slug = %q, base_url = "http://127.0.0.1:9" }'):format(slug)
      end
      table.sort(providers)
      local path = write("imported.lua", 'return { listen = "127.0.0.1:0", auth = "none", catalog = "imported.json", providers = {\n'
        .. table.concat(providers, ",\n") .. "} }")
      local checked, said = run({ "check", path }, nil, 60)
      assert.equal(0, checked, said:sub(1, 500))
      local models, endpoints = said:match "(%d+) models, (%d+) endpoints"
      assert.equal(#imported.data, tonumber(models))
      -- a router's price of -1 is none that could be charged
      local count = 0
      for _, m in ipairs(imported.data) do
        count = count + (m.pricing and m.pricing.prompt == "-1" and 0 or #m.endpoints)
      end
      assert.equal(count, tonumber(endpoints), said)
    end)
  end

  it("imports the endpoints of --only these providers", function()
    local file = scene.data "catalogs/litellm/model_prices_and_context_window.json"
    if not file then return end
    local status, said = run({ "catalog", "import", "litellm", file, "--only", "groq" }, nil, 60)
    assert.equal(0, status)
    local imported = assert(json.decode(said))
    assert.is_true(#imported.data > 3)
    for _, m in ipairs(imported.data) do
      for _, e in ipairs(m.endpoints) do assert.equal("groq", e.provider) end
    end
  end)

  it("says file and line of a list that is broken", function()
    local status, said = run { "catalog", "import", "litellm", write("list.json", '{\n "a": {,\n}') }
    assert.equal(1, status)
    assert.is_truthy(said:find("list.json:2: ", 1, true), said)
    status, said = run { "catalog", "import", "openrouter", dir .. "/none.json" }
    assert.equal(1, status)
    assert.is_truthy(said:find("none.json", 1, true), said)
    status, said = run { "catalog", "import", "openrouter", write("list.json", '{"models":[]}') }
    assert.equal(1, status, said)
  end)
end)
