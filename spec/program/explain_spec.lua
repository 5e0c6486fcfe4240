--- tidegate explain: the decision for one request, without asking anybody.

local net      = require("tidegate.core").net
local gateway  = require "gateway"
local process  = require "process"
local provider = require "provider"
local scene    = require "scene"

local list = gateway.list
local dir, asked, port

-- Six endpoints, each of which something excludes.
local function price(dollars) return { prompt = ("%.9f"):format(dollars / 1e6), completion = ("%.9f"):format(dollars / 1e6) } end

local ENDPOINTS = {
  { provider = "cheap", upstream_model = "u", pricing = price(1), quantization = "int4", context_length = 8000 },
  { provider = "dear", upstream_model = "u", pricing = price(30), quantization = "bf16", context_length = 100000 },
  { provider = "safe", upstream_model = "u", pricing = price(10), quantization = "fp8", context_length = 100000 },
  { provider = "plain", upstream_model = "u", pricing = price(5), context_length = 100000,
    supported_parameters = list { "temperature" } },
}

local function explain(body, more)
  local argv = { gateway.program(), "explain", dir .. "/c.lua", "--request", gateway.write(dir .. "/r.json", body) }
  for _, a in ipairs(more or {}) do argv[#argv + 1] = a end
  return process.run(argv)
end

local function request(members)
  local body = { model = "test/model", messages = list { { role = "user", content = "hi" } } }
  for k, v in pairs(members or {}) do body[k] = v end
  return gateway.json(body)
end

-- The slugs of those who would be tried, in order; and the reasons of the others.
local function read(text)
  local order, dropped = {}, {}
  for line in text:gmatch "[^\n]+" do
    local n, slug = line:match "^(%d+) +(%l%S*) +test/"
    if n then
      assert.equal(#order + 1, tonumber(n))
      order[#order + 1] = slug
    end
    local out, reason = line:match "^%- +(%S+) +%S+ +([%w_]+): "
    if out then dropped[out] = reason end
  end
  return table.concat(order, " "), dropped
end

describe("tidegate explain", function()
  setup(function()
    dir = gateway.temp_dir()
    net.run(function()
      local listener = assert(net.listen "127.0.0.1:0")
      port = listener:port()
      listener:close()
    end)
    gateway.write(dir .. "/catalog.json", gateway.json { data = list { {
      id = "test/model", name = "M", created = 1, context_length = 100000, pricing = price(1), endpoints = list(ENDPOINTS),
    }, { id = "test/other", name = "O", created = 1, context_length = 5000, pricing = price(1),
      endpoints = list { { provider = "safe", upstream_model = "o", pricing = price(2) } } } } })
    local providers = {}
    for i, slug in ipairs { "cheap", "dear", "safe", "plain" } do
      providers[i] = { slug = slug, base_url = ("http://127.0.0.1:%d/v1"):format(port), zdr = slug == "safe" or nil,
        data_collection = slug == "dear" and "deny" or nil }
    end
    gateway.write(dir .. "/c.lua", "return " .. gateway.show { listen = "127.0.0.1:0", auth = "none", workers = 1,
      catalog = { "catalog.json" }, providers = providers })
  end)
  teardown(function() os.execute("rm -rf " .. dir) end)

  local SORTED = { sort = "price" }

  it("prints those who would be tried in their order", function()
    local status, said = explain(request { provider = SORTED })
    assert.equal(0, status, said)
    assert.equal("cheap plain safe dear", (read(said)))
    assert.matches("4 to try, 0 left out", said)
  end)

  it("plans what other formats ask for, and notes what only a provider of the same format gets", function()
    local function said(api, body, ...)
      local status, out = explain(gateway.json(body), { "--api", api, ... })
      assert.equal(0, status, out)
      assert.matches("test/model: 4 to try, 0 left out", out)
      return out
    end
    assert.matches("note: only a provider of the same format gets container", said("messages", { model = "test/model",
      max_tokens = 5, container = "c", messages = list { { role = "user", content = "hi" } } }))
    said("responses", { model = "test/model", input = "hi" })
    said("gemini", { contents = list { { parts = list { { text = "hi" } } } } }, "--model", "test/model")
    said("chat", { model = "test/none", messages = list { { role = "user", content = "hi" } } }, "--model", "test/model")
    local status, out = explain(gateway.json { model = "test/model", input = "hi", store = true }, { "--api", "responses" })
    assert.equal(1, status)
    assert.matches("400 store: no answer is kept here", out)
    assert.matches("test/model: 4 to try", select(2, explain(gateway.json { model = "test/model",
      contents = list { { parts = list { { text = "hi" } } } } })))
    assert.matches("test/model: 4 to try",
      select(2, explain(gateway.json { model = "test/model", query = "moon", documents = list { "sun" } })))
    status, out = explain(gateway.json { model = "test/model", input = "hi" })
    assert.equal(2, status)
    assert.matches("%-%-api responses or %-%-api embeddings: say which", out)
    status, out = explain("{}", { "--api", "telepathy" })
    assert.equal(2, status)
    assert.matches("%-%-api: .- expected, got telepathy", out)
  end)

  for what, case in pairs {
    ["the order wished for"] = { { order = list { "safe", "dear" } }, "safe dear cheap plain", {} },
    ["only some"] = { { only = list { "safe", "dear" }, sort = "price" }, "safe dear", { cheap = "only", plain = "only" } },
    ["not others"] = { { ignore = list { "cheap" }, sort = "price" }, "plain safe dear", { cheap = "ignore" } },
    ["a highest price"] = { { max_price = { prompt = 6 }, sort = "price" }, "cheap plain", { dear = "max_price", safe = "max_price" } },
    ["a quantization"] = { { quantizations = list { "bf16", "fp8" }, sort = "price" }, "safe dear",
      { cheap = "quantization", plain = "quantization" } },
    ["zero retention"] = { { zdr = true }, "safe", { cheap = "zdr", dear = "zdr", plain = "zdr" } },
    ["no collection"] = { { data_collection = "deny", sort = "price" }, "safe dear",
      { cheap = "data_collection", plain = "data_collection" } },
    ["no fallbacks"] = { { allow_fallbacks = false, sort = "price" }, "cheap",
      { dear = "allow_fallbacks", safe = "allow_fallbacks", plain = "allow_fallbacks" } },
  } do
    it("tells " .. what .. ", and why the others are out", function()
      local status, said = explain(request { provider = case[1] })
      assert.equal(0, status, said)
      local order, dropped = read(said)
      assert.equal(case[2], order, said)
      assert.same(case[3], dropped, said)
    end)
  end

  it("tells required parameters, context and output length", function()
    local order, dropped = read((select(2, explain(request { top_k = 1, provider = { require_parameters = true, sort = "price" } }))))
    assert.equal("cheap safe dear", order)
    assert.same({ plain = "parameters" }, dropped)
    order, dropped = read((select(2, explain(request { max_tokens = 9000, provider = SORTED }))))
    assert.equal("plain safe dear", order)
    assert.same({ cheap = "context_length" }, dropped)
  end)

  it("tells several models after each other", function()
    local status, said = explain('{"model":"test/other","models":["test/model"],"messages":[{"role":"user","content":"hi"}],'
      .. '"provider":{"sort":"price","max_price":{"prompt":2}}}')
    assert.equal(0, status)
    assert.equal("safe cheap", (read(said)))
  end)

  it("is the same for the same seed, and draws with others", function()
    local _, one = explain(request(), { "--seed", "7" })
    local _, two = explain(request(), { "--seed", "7" })
    assert.equal(one, two)
    local seen = {}
    for seed = 1, 60 do
      local _, said = explain(request { provider = { only = list { "safe", "plain" } } }, { "--seed", tostring(seed) })
      seen[read(said)] = true
    end
    assert.same({ ["safe plain"] = true, ["plain safe"] = true }, seen)
  end)

  it("ends with 1 and the error that a client would get when nobody is left", function()
    local status, said = explain(request { provider = { zdr = true, max_price = { prompt = 1 } } })
    assert.equal(1, status)
    local order, dropped = read(said)
    assert.equal("", order)
    assert.equal("max_price", dropped.safe)
    assert.matches("\n404 No endpoints found", said)
  end)

  for body, words in pairs {
    ["{"] = "400 The body is not JSON", ['{"model":"no/such","messages":[{"role":"user","content":"x"}]}'] =
      "400 no/such is not a valid model ID",
    ['{"model":"test/model","messages":[{"role":"user","content":"x"}],"provider":{"ordre":[]}}'] = "did you mean 'order'?",
  } do
    it("tells what is wrong with " .. body, function()
      local status, said = explain(body)
      assert.equal(1, status)
      assert.is_truthy(said:find(words, 1, true), said)
    end)
  end

  it("reads the standard input", function()
    local status, said = process.run { "sh", "-c", ("printf '%%s' '%s' | %s explain %s/c.lua --request -"):format(
      request { provider = SORTED }, gateway.program(), dir) }
    assert.equal(0, status, said)
    assert.equal("cheap plain safe dear", (read(said)))
  end)

  it("asks no provider", function()
    net.run(function()
      local up = provider.start(function() asked = true end, "127.0.0.1:" .. port)
      local p = process.start { gateway.program(), "explain", dir .. "/c.lua", "--request",
        gateway.write(dir .. "/r.json", request()) }
      local status
      repeat
        net.sleep(0.02)
        status = p:wait(0)
        if not status then p:read(0); status = p:wait(0.02) end
      until status
      assert.equal(0, status, p.printed)
      up:stop()
    end)
    assert.is_nil(asked)
  end)

  it("says what the gateway then does", scene.with({
    a = function(conn) provider.json(conn, '{"error":{"message":"no"}}', 500) end, b = provider.good(), c = provider.good(),
  }, { endpoints = { a = { pricing = price(9) }, b = { pricing = price(2) }, c = { pricing = price(3) } } }, function(s)
    local body = request { provider = { order = list { "a", "c" } } }
    local status, said = process.run { gateway.program(), "explain", s.gateway.config_path, "--request",
      gateway.write(s.gateway.dir .. "/r.json", body) }
    assert.equal(0, status)
    assert.equal("a c b", (read(said)))
    assert.equal("Provider C", s:chat(body).json.provider)
    assert.same({ 1, 1, 0 }, { #s.a.requests, #s.c.requests, #s.b.requests })
  end))
end)
