local core     = require "tidegate.core"
local gateway  = require "gateway"
local load     = require "tidegate.app.load"
local policies = require "tidegate.app.policies"
local schema   = require "tidegate.policy.schema"
local this_lua = require "this_lua"

local unpack = this_lua.unpack

local BODY = '{"model":"test/model","messages":[{"role":"user","content":"hi"}]%s}'

local dir

local function write(name, text)
  local path = dir .. "/" .. name
  os.execute("mkdir -p '" .. path:match "^(.*)/" .. "'")
  return gateway.write(path, text)
end

-- Three endpoints, by price cheap middle dear.
local function write_catalog()
  write("catalog.json", gateway.catalog({ "cheap", "middle", "dear" }, {
    middle = { pricing = { prompt = "0.000002", completion = "0.000002" } },
    dear = { pricing = { prompt = "0.000003", completion = "0.000003" } },
  }, { gateway.model("test/other", { { provider = "cheap" } }) }))
end

local PROVIDERS = [[
  { slug = "cheap", base_url = "http://a" }, { slug = "middle", base_url = "http://a" },
  { slug = "dear", base_url = "http://a", region = "eu" },
]]

-- A configuration in one line, behind it what is to be tried.
local function write_config(members)
  write("tidegate.lua", ('return { auth = "none", catalog = { "catalog.json" }, providers = { %s },\n%s }\n')
    :format(PROVIDERS:gsub("\n", ""), members or ""))
end

-- What comes of the files that are there: settings; or the mistakes without the directory, and the
-- files that were to be read.
local function read()
  local settings, mistakes, files = load.all(dir .. "/tidegate.lua", nil, function() end)
  if settings then return settings end
  local words = {}
  for i, mistake in ipairs(mistakes) do words[i] = tostring(mistake):gsub(dir:gsub("%p", "%%%0") .. "/", "") end
  return nil, words, files
end

local function reads()
  local settings, mistakes = read()
  assert.is_nil(mistakes and mistakes[1])
  return settings
end

-- The same of one policy, p.
local function read_policy(text)
  write_config 'policies = { p = "policies/p.lua" }'
  write("policies/p.lua", text)
  return read()
end

local function explained(settings, options, more)
  options = options or {}
  options.seed = options.seed or 1
  local text, err, dropped = core.explain(settings.snapshot, BODY:format(more or ""), options)
  return text or dropped, err
end

-- The endpoints in the order to try: "cheap middle dear".
local function order(settings, options, more)
  local tags = {}
  for tag in ("\n" .. explained(settings, options, more)):gmatch "\n *%d+  ([%w_/-]+)" do tags[#tags + 1] = tag end
  return table.concat(tags, " ")
end

setup(function() core.log.level "off" end)
teardown(function() core.log.level "info" end)

before_each(function()
  dir = gateway.temp_dir()
  write_catalog()
end)

after_each(function() os.execute("rm -rf '" .. dir .. "'") end)

-- ---- what is wrong ----

describe("a policy's file is refused", function()
  for _, case in ipairs {
    { "with an unknown key", "return {\n  filtr = function() end,\n}", "p.lua:2: unknown key filtr, did you mean filter?" },
    { "with an unknown key far from every other", "return {\n\n  frobnicate = 1 }", "p.lua:3: unknown key frobnicate" },
    { "with an unknown key in data", "return { data = {\n  max_prise = { prompt = 1 } } }",
      "p.lua:2: unknown key data.max_prise, did you mean max_price?" },
    { "with an unknown key deep in data", "return {\n  data = {\n    max_price = {\n      promt = 1 } } }",
      "p.lua:4: unknown key data.max_price.promt, did you mean prompt?" },
    { "with an unknown word", 'return {\n  data = { sort = "pric" } }',
      'p.lua:2: data.sort: one of "price", "latency", "throughput", "exacto" expected, got "pric", did you mean "price"?' },
    { "with an unknown tier", 'return {\n  tiers = { "flex",\n    "priorty" } }', 'did you mean "priority"?', "p.lua:3: tiers[2]: " },
    { "with an unknown on_failure", 'return {\n  on_failure = "refused" }', 'did you mean "refuse"?', "p.lua:2: on_failure: " },
    { "with a hook that is no function", 'return {\n\n  score = "price" }', "p.lua:3: score: function expected, got string" },
    { "with data that is no table", "return {\n  data = 1 }", "p.lua:2: data: table expected, got number" },
    { "with a number out of bounds", "return {\n  data = { max_price = {\n    prompt = -1 } } }",
      "p.lua:3: data.max_price.prompt: a number from 0 on expected" },
    { "with a hook inside data", "return {\n  data = {\n    filter = function() end } }",
      "p.lua:3: data.filter: a hook belongs beside data, not in it" },
    { "with the list order beside data", 'return {\n  order = { "cheap" } }',
      "p.lua:2: order: a list belongs in data, a function here: data = { order = { ... } }" },
    { "with what belongs in data beside it", "return {\n  max_price = {} }",
      "p.lua:2: max_price: belongs in data: data = { max_price = ... }" },
    { "with a hook that is global and not in its table", "local a = 1\nfunction filter() end\nreturn {}",
      "p.lua:2: the global function filter is not in the table, did you mean filter = filter?" },
    { "with a hook that is global beside others in its table",
      "\n\nfunction on_error() end\nreturn { filter = function() end }",
      "p.lua:3: the global function on_error is not in the table, did you mean on_error = on_error?" },
    { "with a key that is no name", "return {\n  [true] = 1 }", "p.lua:1: a key of type boolean does not belong here" },
    { "that has itself in it", "local t = {}\nt.t = t\nreturn t", "unknown key t", "p.lua:" },
    { "that has itself in its data", "local t = {}\nt.data = t\nreturn t", "data.data: belongs beside data, not in it", "p.lua:" },
    { "with more in it than anybody can count", "local t = {}\nfor i = 1, 7 do\n  local u = {}\n  for k = 1, 60 do u['k' .. k] = t end\n"
      .. "  t = u\nend\nreturn t", "unknown key k", "p.lua:" },
    { "that has a list of more words than a request may have", "local l = {}\nfor i = 1, 5000 do l[i] = 'a' end\nreturn { data = { only = l } }",
      "data.only: a list of 64 items at most expected", "p.lua:3: " },
    { "that returns nothing", "local a = 1\n", "p.lua:1: a policy returns a table, this one a nil" },
    { "that returns no table", "return 5", "p.lua:1: a policy returns a table, this one a number" },
    { "with a syntax error", "return {\n  data = = {}\n}", "p.lua:2: unexpected symbol near '='" },
    { "with an error at load", "\nlocal function f()\n  error 'not today'\nend\nf()", "p.lua:3: not today" },
    { "that wants what the sandbox lacks", "local t\nt = os.time()", this_lua.words "p.lua:2: attempt to index global 'os' (a nil value)" },
    { "that never ends", "local n = 0\nwhile true do n = n + 1 end", "p.lua:2: ran longer than 100 ms" },
    { "that never ends, pcall or not", "while true do\n  pcall(function() while true do end end)\nend",
      "p.lua:2: ran longer than 100 ms" },
    { "that eats memory", "local t, x = {}, ('x'):rep(50000)\nfor i = 1, 1e7 do t[i] = i .. x end return {}", "not enough memory", "p.lua" },
    { "that is bytecode", string.dump(function() return {} end), "p.lua: not text: bytecode is refused" },
    { "that has bytecode's first byte in it", "return { name = '\27' }", "p.lua: not text: bytecode is refused" },
    { "that is too long", "--" .. ("x"):rep(64 * 1024) .. "\nreturn {}", "p.lua: longer than 64 KiB" },
    { "with a model that the catalogue lacks", 'return {\n  models = {\n    "test/other", "test/modle" } }',
      "test/modle", "p.lua:3: models" },
    { "with more models than a request may have", "local m = {}\nfor i = 1, 16 do m[i] = 'test/model' end\nreturn { models = m }",
      "models: a list of 15 items at most expected", "p.lua:3: " },
    { "that requires what there is not", "local a = 1\nlocal words = require 'words'\nreturn {}", "p.lua:2: module 'words'" },
    { "that requires a path", "local w = require '../words'\nreturn {}", "p.lua:1: bad argument #1 to 'require'" },
    { "that requires an absolute path", "local w = require '/etc/passwd'\nreturn {}", "p.lua:1: bad argument #1 to 'require'" },
    { "that requires a name with two dots", "local w = require 'a..b'\nreturn {}", "p.lua:1: bad argument #1 to 'require'" },
    { "that requires nothing", "local w = require ''\nreturn {}", "p.lua:1: bad argument #1 to 'require'" },
    { "that requires itself", "local p = require 'p'\nreturn {}", "p.lua:1: module 'p' requires itself" },
  } do
    local name, text, words, where = unpack(case)
    it(name, function()
      local settings, mistakes = read_policy(text)
      assert.is_nil(settings)
      assert.equal(1, #mistakes, table.concat(mistakes, "\n"))
      local complaint = mistakes[1]
      if not where then
        assert.equal("policies/" .. words, complaint:sub(1, #words + 9))
      else
        assert.equal("policies/" .. where, complaint:sub(1, #where + 9))
        assert.truthy(complaint:find(words, 1, true), complaint)
      end
    end)
  end

  it("and so is each other bad one, each told once", function()
    write_config 'policies = { a = "a.lua", b = "b.lua", c = "c.lua" }'
    write("a.lua", "return {\n  filtr = 1 }")
    write("b.lua", "return {}")
    write("c.lua", "return =")
    local _, mistakes = read()
    assert.same({ "a.lua:2: unknown key filtr, did you mean filter?", "c.lua:1: unexpected symbol near '='" }, mistakes)
  end)
end)

describe("a configuration is refused", function()
  for _, case in ipairs {
    { "that names a file that there is not", 'policies = {\n  cheap = "policies/none.lua" }', "tidegate.lua:3: ", "none.lua" },
    { "whose default is a file that there is not", '\n  policy = "policies/none.lua"', "tidegate.lua:3: ", "none.lua" },
    { "whose default is no policy's name", 'policies = { cheap = "cheap.lua" },\n  policy = "cheep"',
      "tidegate.lua:3: policy: there is no policy cheep, did you mean cheap?" },
    { "whose default is near a shipped one's name", 'policy = "nitr"', "tidegate.lua:2: policy: there is no policy nitr, did you mean nitro?" },
    { "whose key has no policy's name", 'keys = { { name = "a", key = "12345678" },\n { name = "b", key = "23456789",\n policy = "flor" } }',
      "tidegate.lua:4: keys[2].policy: there is no policy flor, did you mean floor?" },
    { "with a directory for a file", 'policies = { cheap = "policies" }', "tidegate.lua:2: ", "policies" },
  } do
    local name, members, where, words = unpack(case)
    it(name, function()
      write("cheap.lua", "return {}")
      write("policies/unused.lua", "return {}")
      write_config(members)
      local settings, mistakes = read()
      assert.is_nil(settings)
      assert.equal(1, #mistakes)
      assert.equal(where, mistakes[1]:sub(1, #where))
      assert.truthy(mistakes[1]:find(words or where, 1, true), mistakes[1])
    end)
  end
end)

-- ---- which there are ----

describe("the policies of a configuration", function()
  local ONLY = 'return { data = { only = { %q } } }'

  it("are chosen by name, and the default by those who choose none", function()
    write_config 'policy = "fast", policies = { fast = "fast.lua", slow = "sub/slow.lua" }'
    write("fast.lua", ONLY:format "middle")
    write("sub/slow.lua", ONLY:format "dear")
    local settings = reads()
    assert.equal("middle", order(settings))
    assert.equal("dear", order(settings, { policy = "slow" }))
    assert.equal("dear", order(settings, nil, ',"policy":"slow"'))
    assert.matches("^test/model: 1 to try, 2 left out.-\npolicy fast %(.*/fast%.lua%): data\n", explained(settings))
  end)

  it("may have a default that is a path, called by the file's name", function()
    write_config 'policy = "policies/main.lua"'
    write("policies/main.lua", ONLY:format "middle")
    local settings = reads()
    assert.equal("middle", order(settings))
    assert.equal("middle", order(settings, { policy = "main" }))
    assert.equal("cheap middle dear", order(settings, { policy = "floor" }))
  end)

  it("may name the default's path, too: it is one policy then", function()
    write_config 'policy = "policies/main.lua", policies = { first = "policies/main.lua" }'
    write("policies/main.lua", ONLY:format "middle")
    local settings = reads()
    assert.equal("middle", order(settings, { policy = "first" }))
    assert.is_nil(core.explain(settings.snapshot, BODY:format "", { policy = "main" }))
  end)

  it("may have the default's file name as another one's name", function()
    write_config 'policy = "policies/main.lua", policies = { main = "other.lua" }'
    write("policies/main.lua", ONLY:format "middle")
    write("other.lua", ONLY:format "dear")
    local settings = reads()
    assert.equal("middle", order(settings))
    assert.equal("dear", order(settings, { policy = "main" }))
  end)

  it("may be given by a key", function()
    write_config 'policies = { eu = "eu.lua" }, keys = { { name = "team", key = "12345678", policy = "eu" }, { name = "b", key = "87654321" } }'
    write("eu.lua", ONLY:format "dear")
    local settings = reads()
    assert.equal("dear", order(settings, { key = "team" }))
    assert.equal("cheap middle dear", order(settings, { key = "b", policy = "floor" }))
    assert.equal("dear", order(settings, { key = "team" }, ',"policy":"floor"'))
  end)

  it("are found from an absolute path", function()
    local path = write("elsewhere/p.lua", ONLY:format "dear")
    write_config(('policies = { p = %q }'):format(path))
    assert.equal("dear", order(reads(), { policy = "p" }))
  end)
end)

describe("the shipped policies", function()
  it("are there without being named", function()
    write_config()
    local settings = reads()
    for _, name in ipairs(policies.SHIPPED) do
      local text = explained(settings, { policy = name })
      assert.matches("3 to try, 0 left out", text)
      assert.matches("\npolicy " .. name .. " %(tidegate:" .. name .. "%)", text)
    end
    assert.same({ "default", "nitro", "floor", "exacto" }, policies.SHIPPED)
  end)

  it("are files like others: each is read without a mistake", function()
    for _, name in ipairs(policies.SHIPPED) do
      local text = assert(require("tidegate.app.shipped").policy(name))
      local policy = assert(policies.make(name, "tidegate:" .. name, text))
      assert.same({}, policy:hooks())
    end
  end)

  -- Six endpoints with tiers, of these prices in cents a million.
  local function write_tiers(prices)
    local endpoints = gateway.list {}
    for i, tag in ipairs { "cheap", "cheap/priority", "cheap/flex", "middle", "dear", "dear/flex" } do
      local price = ("%.8f"):format(prices[i] / 1e8)
      endpoints[i] = { provider = tag:match "^%l+", tag = tag, pricing = { prompt = price, completion = price } }
    end
    write("catalog.json", gateway.json { data = gateway.list { gateway.model("test/model", endpoints) } })
  end

  for name, prices in pairs {
    ["prices that cross"] = { 200, 900, 100, 300, 150, 50 },
    ["one price"] = { 100, 100, 100, 100, 100, 100 },
    ["free endpoints"] = { 0, 900, 0, 300, 100, 0 },
  } do
    it("are what the suffixes are, whatever is drawn: " .. name, function()
      write_config()
      write_tiers(prices)
      local settings = reads()
      local function decided(model, seed)
        local text = assert(core.explain(settings.snapshot, (BODY:format ',"session_id":"s"':gsub("test/model", model)), { seed = seed }))
        return (text:gsub("^[^\n]*\n", ""):gsub("^policy [^\n]*\n", ""))
      end
      for seed = 1, 40 do
        for _, suffix in ipairs { "nitro", "floor", "exacto" } do
          assert.equal(decided("test/model:" .. suffix, seed), decided("test/model@policy/" .. suffix, seed))
        end
        assert.equal(decided("test/model", seed), decided("test/model@policy/default", seed))
      end
      assert.matches("cheap/priority", decided("test/model:nitro", 1))
    end)
  end

  it("ask for nothing when nobody chooses: no request is under the shipped default", function()
    write_config()
    assert.is_nil(explained(reads()):find("\npolicy ", 1, true))
  end)

  for _, name in ipairs { "default", "nitro" } do
    it("can be replaced: " .. name, function()
      write_config(('policies = { %s = "mine.lua" }'):format(name))
      write("mine.lua", 'return { data = { only = { "dear" } } }')
      local settings = reads()
      assert.equal("dear", order(settings, { policy = name }))
      assert.equal(name == "default" and "dear" or "cheap middle dear",
        order(settings, nil, ',"provider":{"sort":"price"}'))
    end)
  end

  it("that is replaced by a bad file is not fallen back to", function()
    write_config 'policies = { nitro = "mine.lua" }'
    write("mine.lua", "return { filtr = 1 }")
    local _, mistakes = read()
    assert.same({ "mine.lua:1: unknown key filtr, did you mean filter?" }, mistakes)
  end)
end)

-- ---- files beside a policy ----

describe("require in a policy", function()
  it("gives what files beside it return, also below, each once", function()
    write("policies/words.lua", 'local n = 0\nreturn { next = function() n = n + 1 return n end, dear = require "sets.all".dear }')
    write("policies/sets/all.lua", 'return { dear = "dear" }')
    local settings = assert(read_policy [[
      local words, again = require "words", require "words"
      assert(words == again and words.next() == 1 and again.next() == 2)
      return { data = { only = { words.dear } } }]])
    assert.equal("dear", order(settings, { policy = "p" }))
  end)

  it("is told by file and line of what is required, when that is wrong", function()
    for _, case in ipairs {
      { "return {\n  a = = 1 }", "policies/sub/words.lua:2: unexpected symbol near '='" },
      { "\n\nerror 'not today'", "policies/sub/words.lua:3: not today" },
      { "local w = require 'sub.words'", "policies/sub/words.lua:1: module 'sub.words' requires itself" },
      { "while true do end", "policies/sub/words.lua:1: ran longer than 100 ms" },
      { string.dump(function() end), "policies/p.lua:1: policies/sub/words.lua: not text: bytecode is refused" },
    } do
      write("policies/sub/words.lua", case[1])
      local _, mistakes = read_policy "local w = require 'sub.words'\nreturn {}"
      assert.same({ case[2] }, mistakes)
    end
  end)

  it("works while it is loaded, and not while it decides", function()
    write("policies/words.lua", "return {}")
    local settings = assert(read_policy 'return { filter = function()\n  require "words"\nend }')
    assert.matches("^[^\n]*policies/p%.lua:2: .*require works while a policy is loaded", explained(settings, { policy = "p" }))
  end)

  it("is not led out of the directory by a link's name", function()
    write("secret.lua", 'return "secret"')
    local _, mistakes = read_policy "local w = require '...secret'\nreturn {}"
    assert.matches("^policies/p%.lua:1: bad argument", mistakes[1])
  end)
end)

describe("the files of the settings", function()
  it("are the configuration, the catalogues, the policies, and what those require", function()
    write("policies/words.lua", 'return require "sub.more"')
    write("policies/sub/more.lua", "return 1")
    write("main.lua", "return {}")
    write("policies/p.lua", 'local a, b = require "words", require "words" return { name = "p" .. a .. b }')
    write_config 'policy = "main.lua", policies = { p = "policies/p.lua" }'
    local names = {}
    for i, path in ipairs(reads().files) do names[i] = path:sub(#dir + 2) end
    table.sort(names)
    assert.same({ "catalog.json", "main.lua", "policies/p.lua", "policies/sub/more.lua", "policies/words.lua",
      "tidegate.lua" }, names)
  end)

  it("are known although a policy is wrong, or not there, so that its mending is seen", function()
    write_config 'policies = { bad = "bad.lua", gone = "gone.lua", good = "good.lua" }'
    write("bad.lua", "return =")
    write("good.lua", "return {}")
    local _, _, files = read()
    local there = {}
    for _, path in ipairs(files) do there[path:sub(#dir + 2)] = true end
    assert.same({ ["tidegate.lua"] = true, ["catalog.json"] = true, ["bad.lua"] = true, ["gone.lua"] = true,
      ["good.lua"] = true }, there)
  end)

  it("hold a required file that is wrong, so that its mending is seen", function()
    write("policies/words.lua", "return =")
    local _, _, files = read_policy "local w = require 'words'\nreturn {}"
    local there = {}
    for _, path in ipairs(files) do there[path:sub(#dir + 2)] = true end
    assert.is_true(there["policies/words.lua"])
  end)
end)

-- ---- what hooks are given ----

-- "key.name:string key:table ..." of a list of fields, those of tables in it below theirs.
local function flat(list, prefix, into, keeps)
  into = into or {}
  for _, field in ipairs(list) do
    local kind = field.type
    if kind == "integer" then kind = "number" elseif kind == "list" or kind == "map" then kind = "table" end
    if keeps(prefix .. field.name, field) then
      into[#into + 1] = prefix .. field.name .. ":" .. kind
      if field.fields then flat(field.fields, prefix .. field.name .. ".", into, keeps) end
    end
  end
  table.sort(into)
  return into
end

-- A policy that says as reasons, in pieces of 200 bytes an endpoint, what it can walk over.
local WALKS = [[
local LEAVES = { supports = true, models = true, metadata = true, headers = true }
local function walk(t, prefix, into)
  for name, value in pairs(t) do
    into[#into + 1] = prefix .. name .. ":" .. type(value)
    if type(value) == "table" and not LEAVES[name] then walk(value, prefix .. name .. ".", into) end
  end
  table.sort(into)
  return into
end
local PIECES = { cheap = 0, middle = 1, dear = 2, more1 = 3, more2 = 4 }
return { filter = function(endpoint, request)
  local all = table.concat(%s, " ")
  local from = PIECES[endpoint.id] * 200
  return false, "<" .. all:sub(from + 1, from + 200) .. ">"
end }]]

local function walked(what, options, more)
  write("catalog.json", gateway.catalog({ "cheap", "middle", "dear", "more1", "more2" }, {
    cheap = { supported_parameters = { "tools", "stop" } } }))
  write("tidegate.lua", ([[return { auth = "none", catalog = { "catalog.json" },
    providers = { { slug = "cheap", base_url = "http://a", region = %s }, { slug = "middle", base_url = "http://a" },
      { slug = "dear", base_url = "http://a" }, { slug = "more1", base_url = "http://a" }, { slug = "more2", base_url = "http://a" } },
    keys = { { name = "team", key = "12345678" } }, policies = { p = "p.lua" }, policy = "p" }]]):format(options.region or "nil"))
  write("p.lua", WALKS:format(what))
  local pieces = {}
  for tag, piece in explained(reads(), options, more):gmatch "\n%-  (%S+) .-%(<(.-)>%)" do pieces[tag] = piece end
  local words = {}
  local text = pieces.cheap .. pieces.middle .. pieces.dear .. pieces.more1 .. pieces.more2
  for word in text:gmatch "%S+" do words[#words + 1] = word end
  return words
end

-- All pieces show the endpoint of the first one.
local ENDPOINT = 'walk(endpoint, "", {})'
local REQUEST = 'walk(request, "", {})'

describe("what hooks are given is what the schema lists, no more and no less:", function()
  local function everything() return true end
  local function but(names)
    return function(name) return not names[name] end
  end

  it("an endpoint", function()
    assert.same(flat(schema.endpoint, "", nil, but { region = true }), walked(ENDPOINT, {}))
  end)

  it("a request of which everything is known", function()
    local more = ',"max_tokens":9,"user":"u","session_id":"s","metadata":{"a":"b"},"stream":true'
    assert.same(flat(schema.request, "", nil, everything), walked(REQUEST, { key = "team" }, more))
  end)

  it("a request of which nothing is known", function()
    local absent = { max_tokens = true, user = true, session_id = true, ["key.name"] = true, ["key.label"] = true }
    assert.same(flat(schema.request, "", nil, but(absent)), walked(REQUEST, {}))
  end)

  it("the parameters that an endpoint may support", function()
    local names = {}
    for i, name in ipairs(schema.parameters) do names[i] = name .. ":boolean" end
    table.sort(names)
    assert.same(names, walked('walk(endpoint.supports, "", {})', {}))
  end)

  it("the sandbox's own names", function()
    local names = {}
    for _, name in ipairs(schema.sandbox.base) do names[name] = true end
    for name in pairs(names) do
      local settings = assert(read_policy(("return { filter = function() return false, type(%s) end }"):format(name)))
      assert.is_nil(explained(settings, { policy = "p" }):find("policy %(nil%)"), name)
    end
  end)
end)

-- ---- what they can use ----

-- What a function of these lines gives in a policy, as a reason; or the error's words.
local function said(lines)
  local settings = assert(read_policy(("return { filter = function(endpoint)\n if endpoint.id ~= 'dear' then return end\n"
    .. "local kv = tidegate.kv\nlocal function f()\n%s\nend\n return false, '<' .. tostring(f()) .. '>' end }"):format(lines)))
  local text = explained(settings, { policy = "p" })
  return text:match "%(<(.-)>%)" or text:match "^[^\n]*p%.lua:%d+: ([^\n]*)"
end

describe("tidegate.kv", function()
  for _, case in ipairs {
    { "gives nothing for what it does not have", "return kv.get 'none'", "nil" },
    { "keeps a number", "kv.set('n', 1.5) return kv.get 'n'", "1.5" },
    { "keeps a string, with any bytes", "kv.set('s', 'a\\0b') return #kv.get 's' .. type(kv.get 's')", "3string" },
    { "keeps an empty string", "kv.set('e', '') return type(kv.get 'e')", "string" },
    { "forgets what is set to nil", "kv.set('x', 1) kv.set('x', nil) kv.set('x', nil) return kv.get 'x'", "nil" },
    { "adds, from nothing on", "kv.incr 'a' kv.incr('a', 2.5) return kv.incr('a', -1)", "2.5" },
    { "is the same for another policy's turn", "return kv.get 'a'", "2.5" },
    { "keeps the longest key and string", "kv.set(('k'):rep(128), ('v'):rep(256)) return #kv.get(('k'):rep(128))", "256" },
    { "refuses a longer key", "kv.set(('k'):rep(129), 1)", "tidegate.kv.set: a key has 128 bytes at most, a string 256" },
    { "refuses a longer string", "kv.set('k', ('v'):rep(257))", "tidegate.kv.set: a key has 128 bytes at most, a string 256" },
    { "refuses an empty key", "kv.get ''", "tidegate.kv.get: a key that is not empty and a finite number expected" },
    { "refuses NaN", "kv.set('k', 0 / 0)", "tidegate.kv.set: a key that is not empty and a finite number expected" },
    { "refuses to add infinity", "kv.incr('k', math.huge)", "tidegate.kv.incr: a key that is not empty and a finite number expected" },
    { "refuses to add to a string", "kv.set('w', 'word') kv.incr 'w'", "tidegate.kv.incr: 'w' is not a number, or the sum is not finite" },
    { "refuses a table", "kv.set('t', {})", "bad argument #2 to 'set' (a number, a string or nil expected)" },
    { "refuses a time that is none", "kv.set('t', 1, 0)", "bad argument #3 to 'set' (seconds above 0 expected)" },
    { "goes on behind a refusal that is caught", "pcall(kv.set, '', 1) kv.set('z', 7) return kv.get 'z'", "7" },
  } do
    it(case[1], function() assert.equal(case[3], said(case[2])) end)
  end

  it("forgets when the time is over, which the first addition sets", function()
    assert.equal("1", said "kv.set('short', 1, 0.05) kv.incr('sum', 1, 0.05) kv.incr('sum', 1, 1000) return kv.get 'short'")
    core.net.run(function() core.net.sleep(0.06) end)
    assert.equal("nilnil", said "return tostring(kv.get 'short') .. tostring(kv.get 'sum')")
  end)
end)

it("a policy that keeps too much begins anew, and does not fail for it", function()
  local settings = assert(read_policy [[
    local keep, much = {}, ("x"):rep(50000)
    return { filter = function(endpoint)
      if endpoint.id == "dear" then
        keep[#keep + 1] = much .. tidegate.kv.incr "worn"
        return false, "<" .. #keep .. ">"
      end
    end }]])
  local last, anew, most, failed = 0, 0, 0, 0
  core.net.run(function()
    while anew < 3 and failed < 100 do
      local kept = tonumber(explained(settings, { policy = "p" }):match "%(<(%d+)>%)")
      if not kept then                     -- on a machine that is busy with others
        failed = failed + 1
        core.net.sleep(0.1)
      elseif kept < last then
        anew = anew + 1
      end
      last, most = kept or last, math.max(most, kept or 0)
    end
  end)
  assert.equal(3, anew)
  assert.is_true(most > 20 and most * 50000 < 8 * 1024 * 1024, most .. " at most")
end)

describe("a field's value", function()
  local CASES = {
    { "endpoint.id", "dear" }, { "endpoint.provider", "dear" }, { "endpoint.model", "test/model" },
    { "endpoint.price.prompt", 3 }, { "endpoint.price.completion", 3 }, { "endpoint.price.cache_read", 3 },
    { "endpoint.price.cache_write", 3 }, { "endpoint.price.request", 0 }, { "endpoint.price.image", 0 },
    { "endpoint.latency.p50", 0 }, { "endpoint.throughput.p99", 0 }, { "endpoint.samples", 0 },
    { "endpoint.uptime_5m", 1 }, { "endpoint.quantization", "unknown" }, { "endpoint.context_length", 100000 },
    { "endpoint.max_completion_tokens", 10000 }, { "endpoint.supports.tools", true }, { "endpoint.supports.min_p", false },
    { "endpoint.data_collection", "allow" }, { "endpoint.zdr", false }, { "endpoint.region", "eu" },
    { "endpoint.in_flight", 0 }, { "endpoint.breaker", "closed" }, { "endpoint.tool_calls.samples", 0 },
    { "endpoint.tool_calls.valid", 1 },
    { "request.model", "test/model" }, { "#request.models", 2 }, { "request.models[2]", "test/other" },
    { "request.stream", true }, { "request.messages_count", 1 }, { "request.prompt_tokens > 0", true },
    { "request.max_tokens", 9 }, { "request.tools", true }, { "request.session_id", "s" }, { "request.user", "u" },
    { "request.key.name", "team" }, { "request.key.label", "12..." }, { "request.metadata.tier", "gold \226\130\172" },
    { "next(request.headers)", nil }, { "request.now > 1.7e9", true },
    { "request.hash('a') == request.hash('a')", true }, { "request.hash('a') == request.hash('b')", false },
    { "request.hash('x') % 1 == 0 and request.hash('x') < 2^53", true },
    { "request.random(5) <= 5", true }, { "endpoint.nothing", nil }, { "request.nothing", nil },
  }
  local MORE = ',"models":["test/other"],"stream":true,"max_tokens":9,"user":"u","session_id":"s",'
    .. '"tools":[{"type":"function","function":{"name":"f"}}],"metadata":{"tier":"gold \\u20ac"}'
  local settings

  for i, case in ipairs(CASES) do
    it(case[1] .. " is " .. tostring(case[2]), function()
      write_config 'policies = { p = "p.lua" }, keys = { { name = "team", key = "12345678", policy = "p" } }'
      write("p.lua", ("return { filter = function(endpoint, request) return endpoint.id ~= 'dear', '<' .. tostring(%s) .. '>' end }")
        :format(case[1]))
      settings = reads()
      local text = explained(settings, { key = "team" }, MORE)
      assert.equal(tostring(case[2]), text:match "%(<(.-)>%)", i .. text)
    end)
  end

  for _, case in ipairs {
    { "endpoint", "endpoint.id = 'x'" }, { "price", "endpoint.price.prompt = 0" }, { "request", "request.user = 'x'" },
    { "list of models", "request.models[1] = 'x'" },
    { "table of what an endpoint supports", "endpoint.supports.tools = false" },
    { "tidegate", "tidegate.log = nil" }, { "key-value store", "tidegate.kv.get = nil" },
  } do
    it("cannot be written: " .. case[1], function()
      settings = assert(read_policy(("return { filter = function(endpoint, request)\n %s\nend }"):format(case[2])))
      assert.matches("^[^\n]*p%.lua:2: attempt to write", explained(settings, { policy = "p" }))
    end)
  end

  it("can be written in the list that order is given: it is a copy", function()
    settings = assert(read_policy "return { order = function(endpoints) endpoints[1] = nil return { #endpoints } end }")
    assert.equal("dear cheap middle", order(settings, { policy = "p" }, ',"provider":{"sort":"price"}'))
  end)
end)
