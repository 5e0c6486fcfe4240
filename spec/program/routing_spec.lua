--- Who is asked, observed at the providers: section 6 of the contract, with
-- providers of different price, speed, policy and luck.

local json     = require "cjson.safe"
local net      = require("tidegate.core").net
local gateway  = require "gateway"
local provider = require "provider"
local scene    = require "scene"

local list = gateway.list
local good = provider.good()

-- Hundreds of requests are not logged: nobody reads the pipe meanwhile.
local function with(providers, options, fn)
  local o = { config = { log = "warn" } }
  for k, v in pairs(options or {}) do o[k] = v end
  return scene.with(providers, o, fn)
end

local function price(dollars, cache_read)
  return { prompt = ("%.9f"):format(dollars / 1e6), completion = ("%.9f"):format(dollars / 1e6),
    input_cache_read = cache_read and ("%.9f"):format(cache_read / 1e6) or nil }
end

local function status(code, headers, body)
  return function(conn) provider.json(conn, body or '{"error":{"message":"no luck"}}', code, headers) end
end

-- Fails the first `times` requests, or those that `says` so.
local function failing(times, fail)
  return function(conn, request, n)
    if n <= times then return fail(conn, request) end
    return good(conn, request)
  end
end

-- Who answered: a provider's slug, or the status of an error.
local function who(r)
  if r.status ~= 200 then return r.status end
  local o = r.json or r.last
  return o.provider:match "^Provider (.*)$":lower()
end

local function ask(s, wish, more, headers)
  local members = { provider = wish }
  for k, v in pairs(more or {}) do members[k] = v end
  return who(s:chat(members, headers))
end

-- How often each provider answered.
local function tally(s, times, wish, more)
  local count = {}
  for _ = 1, times / 10 do
    local ten = {}
    for i = 1, 10 do ten[i] = function() return ask(s, wish, more) end end
    for _, name in ipairs(scene.together(ten)) do count[name] = (count[name] or 0) + 1 end
  end
  return count
end

-- A further model with these endpoints: { provider, tag?, dollars?, more? }.
local function model(id, endpoints)
  local m = { id = id, canonical_slug = id, name = id, created = 1, context_length = 100000,
    architecture = { input_modalities = list { "text" }, output_modalities = list { "text" } },
    pricing = price(1), endpoints = list {} }
  for i, e in ipairs(endpoints) do
    local one = { provider = e[1], tag = e.tag, upstream_model = "up-" .. (e.tag or e[1]), pricing = price(e.dollars or i) }
    for k, v in pairs(e.more or {}) do one[k] = v end
    m.endpoints[i] = one
  end
  return m
end

local THREE = { a = good, b = good, c = good }
local PRICED = { endpoints = { a = { pricing = price(3) }, b = { pricing = price(1) }, c = { pricing = price(2) } } }

describe("6.2: without any wish", function()
  it("a third of the price is nine times the traffic, and the dearer still gets some",
    with({ a = good, c = good }, { endpoints = { a = { pricing = price(1) }, c = { pricing = price(3) } } },
      function(s)
        local count = tally(s, 300)
        assert.equal(300, (count.a or 0) + (count.c or 0))
        -- 270 expected, 5.2 a standard deviation
        assert.is_true(count.a > 244 and count.a < 293, "a: " .. tostring(count.a))
      end))

  it("three prices are drawn with weight 1/price^2", with(THREE,
    { endpoints = { a = { pricing = price(1) }, b = { pricing = price(2) }, c = { pricing = price(4) } } }, function(s)
      local count = tally(s, 300)
      local chi2 = 0
      for name, share in pairs { a = 16 / 21, b = 4 / 21, c = 1 / 21 } do
        chi2 = chi2 + ((count[name] or 0) - 300 * share) ^ 2 / (300 * share)
      end
      assert.is_true(chi2 < 20, ("chi2 %.1f: a %s b %s c %s"):format(chi2, count.a, count.b, count.c))
    end))

  it("the first is drawn, the rest follow by price", with({ a = status(500), b = good, c = good },
    { endpoints = { a = { pricing = price(0.001) }, b = { pricing = price(50) }, c = { pricing = price(60) } } },
    function(s)
      assert.equal("b", ask(s))
      assert.equal(1, #s.a.requests)
      assert.equal(0, #s.c.requests)
    end))

  it("the worked example: cheap with an outage comes last, behind the dear one",
    with({ a = good, b = failing(2, status(500)), c = good },
      { endpoints = { a = { pricing = price(1) }, b = { pricing = price(2) }, c = { pricing = price(3) } } }, function(s)
        for _ = 1, 2 do ask(s, { order = list { "b" } }) end
        -- one request in ten looks past it
        local outages = 0
        for _ = 1, 20 do
          local r = s:chat({}, { ["X-OpenRouter-Metadata"] = "enabled" })
          local candidates = r.json.openrouter_metadata.tidegate.candidates
          local last = candidates[#candidates]
          if last.endpoint == "b" and last.place == "outage" then outages = outages + 1 end
        end
        assert.is_true(outages >= 11, outages .. " of 20")
        local count = tally(s, 100)
        assert.is_true((count.b or 0) <= 25, "b: " .. tostring(count.b))
        assert.is_true(count.a > 60, "a: " .. tostring(count.a))
      end))
end)

describe("2.2, 6.1: provider preferences", function()
  it("order is walked in turn, the others behind it by price", with(
    { a = good, b = status(500), c = good }, PRICED, function(s)
      assert.equal("a", ask(s, { order = list { "a", "b" } }))
      assert.equal("c", ask(s, { order = list { "c" } }))
      assert.equal("c", ask(s, { order = list { "b" } }))
      assert.equal("a", ask(s, { order = list { "nobody", "a" } }))
      assert.equal("a", ask(s, { order = list { "a" }, sort = "price" }))
    end))

  it("order beats suffixes too", with(THREE, PRICED, function(s)
    for _ = 1, 5 do
      assert.equal("a", ask(s, { order = list { "a" } }, { model = "test/model:floor" }))
    end
  end))

  it("only and ignore hold, by slug or display name", with(THREE, PRICED, function(s)
    for _ = 1, 10 do
      assert.equal("a", ask(s, { only = list { "a" } }))
      assert.equal("a", ask(s, { only = list { "Provider A" } }))
      assert.equal("c", ask(s, { only = list { "a", "c" }, ignore = list { "a" } }))
      assert.not_equal("b", ask(s, { ignore = list { "b" } }))
    end
    assert.equal(404, ask(s, { only = list { "a" }, ignore = list { "Provider A" } }))
  end))

  it("a base slug matches its variants, a suffixed one that alone, and no base slug a tier",
    with({ a = good, b = good }, { models = { model("test/tags", {
      { "a", tag = "a/turbo", dollars = 9 }, { "a", tag = "a/slow", dollars = 5 }, { "a", tag = "a/priority", dollars = 1 },
      { "b", dollars = 2 } }) } }, function(s)
      local function tag(wish, more)
        local members = { model = "test/tags", provider = wish }
        for k, v in pairs(more or {}) do members[k] = v end
        local n = #s.a.requests
        local name = who(s:chat(members))
        return name == "a" and json.decode(s.a.requests[n + 1].body).model:sub(4) or name
      end
      for _ = 1, 5 do
        assert.equal("a/slow", tag { order = list { "a" } })
        assert.equal("a/turbo", tag { only = list { "a/turbo" } })
        assert.equal("b", tag { ignore = list { "a" } })
        assert.equal("a/priority", tag { only = list { "a/priority" } })
        assert.equal("b", tag { sort = "price" })
      end
      assert.equal("a/priority", tag(nil, { service_tier = "priority" }))
      assert.equal("a/turbo", tag { order = list { "a/turbo" } })
    end))

  it("allow_fallbacks false alone tries the first and tells its error", with(
    { a = good, b = status(503), c = good }, PRICED, function(s)
      assert.equal(503, ask(s, { allow_fallbacks = false, sort = "price" }))
      assert.equal(0, #s.a.requests + #s.c.requests)
    end))

  it("allow_fallbacks false with order walks the list and nobody else", with(
    { a = good, b = status(500), c = status(500) }, PRICED, function(s)
      assert.equal("a", ask(s, { allow_fallbacks = false, order = list { "b", "c", "a" } }))
      assert.equal(500, ask(s, { allow_fallbacks = false, order = list { "b", "c" } }))
      assert.equal(1, #s.a.requests)
      assert.equal(404, ask(s, { allow_fallbacks = false, order = list { "nobody" } }))
    end))

  it("hard limits drop: quantization, price, privacy", with(THREE, {
    endpoints = { a = { pricing = price(3), quantization = "bf16" }, b = { pricing = price(1), quantization = "int4" },
      c = { pricing = price(2), quantization = "fp8" } },
    provider_fields = { a = { zdr = true, data_collection = "deny" }, c = { data_collection = "deny" } },
  }, function(s)
    for _ = 1, 8 do
      assert.equal("a", ask(s, { quantizations = list { "bf16" } }))
      assert.not_equal("b", ask(s, { quantizations = list { "bf16", "fp8" } }))
      assert.equal("b", ask(s, { max_price = { prompt = 1 } }))
      assert.equal("b", ask(s, { max_price = { completion = "1.5" } }))
      assert.not_equal("a", ask(s, { max_price = { prompt = 2, completion = 2 } }))
      assert.equal("a", ask(s, { zdr = true }))
      assert.not_equal("b", ask(s, { data_collection = "deny" }))
      assert.equal("c", ask(s, { data_collection = "deny", max_price = { prompt = 2.5 } }))
    end
    assert.equal(404, ask(s, { zdr = true, max_price = { prompt = 1 } }))
    local any = tally(s, 40, { zdr = false, data_collection = "allow" })
    assert.is_true((any.b or 0) > 5)
  end))

  it("require_parameters is hard, tools and response_format prefer, the rest is dropped", with({ a = good, b = good }, {
    endpoints = {
      a = { pricing = price(1), supported_parameters = list { "temperature" } },
      b = { pricing = price(50), supported_parameters = list { "temperature", "top_k", "tools", "tool_choice", "response_format" } },
    },
  }, function(s)
    local tool = { type = "function", ["function"] = { name = "f" } }
    for _ = 1, 6 do
      assert.equal("b", ask(s, { require_parameters = true }, { top_k = 3 }))
      assert.equal("b", ask(s, nil, { tools = list { tool } }))
      assert.equal("b", ask(s, nil, { response_format = { type = "json_object" } }))
      assert.equal("a", ask(s, { sort = "price" }, { top_k = 3 }))
    end
    assert.is_nil(json.decode(s.a.requests[1].body).top_k)
  end))

  it("a prompt or an answer that does not fit is not sent there", with({ a = good, b = good }, {
    endpoints = { a = { pricing = price(1), context_length = 1000, max_completion_tokens = 500 },
      b = { pricing = price(50), context_length = 100000, max_completion_tokens = 50000 } },
  }, function(s)
    assert.equal("b", ask(s, nil, { max_tokens = 600 }))
    assert.equal("b", ask(s, nil, { messages = list { { role = "user", content = ("word "):rep(2000) } } }))
    assert.equal("a", ask(s, { sort = "price" }))
    assert.equal(0, #s.b.requests - 2)
  end))
end)

describe("6.4: sort", function()
  it("by price is strict: no chance, the next one on failure", with(
    { a = good, b = good, c = good }, PRICED, function(s)
      for _ = 1, 15 do assert.equal("b", ask(s, { sort = "price" })) end
      for _ = 1, 5 do
        assert.equal("b", ask(s, nil, { model = "test/model:floor" }))
        assert.equal("b", ask(s, { sort = { by = "price" } }))
      end
    end))

  -- First token after this long, then a word every so often.
  local function paced(first, pause)
    return function(conn, request)
      net.sleep(first)
      if not request.body:find '"stream":%s*true' then return provider.json(conn, provider.completion "x") end
      provider.stream(conn, { "a", "b", "c", "d", "e", "f" }, pause)
    end
  end

  local SPEEDS = { a = paced(0.12, 0.005), b = paced(0.01, 0.03), c = paced(0.06, 0.015) }

  local function warmed(fn)
    return with(SPEEDS, PRICED, function(s)
      local rounds = {}
      for _, name in ipairs { "a", "b", "c" } do
        rounds[#rounds + 1] = function()
          for _ = 1, 12 do ask(s, { only = list { name } }, { stream = true }) end
        end
      end
      scene.together(rounds)
      net.sleep(0.5)
      fn(s)
    end)
  end

  it("by latency and throughput follows the percentiles of live traffic", warmed(function(s)
    for _ = 1, 4 do
      assert.equal("b", ask(s, { sort = "latency" }))
      assert.equal("a", ask(s, { sort = "throughput" }))
      assert.equal("a", ask(s, nil, { model = "test/model:nitro" }))
      assert.equal("c", ask(s, { sort = "latency", ignore = list { "b" } }))
      assert.equal("c", ask(s, { sort = "throughput", ignore = list { "a" } }))
    end
  end))

  it("by the last of two suffixes", warmed(function(s)
    assert.equal("b", ask(s, nil, { model = "test/model:nitro:floor" }))
    assert.equal("a", ask(s, nil, { model = "test/model:floor:nitro" }))
  end))

  it("6.5: preferred_max_latency and preferred_min_throughput move back and never drop", warmed(function(s)
    for _ = 1, 4 do
      assert.equal("c", ask(s, { sort = "price", preferred_min_throughput = 50 }))
      assert.equal("a", ask(s, { sort = "price", preferred_min_throughput = { p50 = 120 } }))
      assert.equal("b", ask(s, { sort = "price", preferred_max_latency = 0.1 }))
      assert.equal("c", ask(s, { sort = "price", preferred_max_latency = { p50 = 0.1 }, preferred_min_throughput = 50 }))
      assert.equal("b", ask(s, { sort = "price", preferred_max_latency = 0.000001 }))
    end
  end))
end)

describe("6.4, 6.10: several models", function()
  local MODELS = { models = { model("test/cheap", { { "c", dollars = 0.1 } }), model("test/dear", { { "b", dollars = 70 } }) },
    endpoints = { a = { pricing = price(3) } }, order = { "a", "b", "c" } }

  local function only_a(options)
    local o = {}
    for k, v in pairs(options) do o[k] = v end
    o.catalog = gateway.json { data = list { model("test/model", { { "a", dollars = 3 } }), MODELS.models[1], MODELS.models[2] } }
    return o
  end

  it("the next model is asked when the first one fails, and named in the answer",
    with({ a = status(500), b = good, c = good }, only_a {}, function(s)
      local r = s:chat { models = list { "test/model", "test/dear" } }
      assert.same({ 200, "test/dear", "b" }, { r.status, r.json.model, who(r) })
      r = s:chat('{"model":"test/model","models":["test/cheap"],"messages":[{"role":"user","content":"hi"}]}')
      assert.same({ "test/cheap", "c" }, { r.json.model, who(r) })
      assert.equal("up-c", json.decode(s.c.requests[1].body).model)
    end))

  it("the last one's error is told when all fail", with({ a = status(500), b = status(400, nil,
    '{"error":{"message":"odd"}}'), c = good }, only_a {}, function(s)
    local r = s:chat { models = list { "test/model", "test/dear" } }
    assert.same({ 400, "odd" }, { r.status, r.json.error.message })
  end))

  it("one after the other, unless partition none makes one list of them", with(THREE, only_a {}, function(s)
    local models = list { "test/dear", "test/model", "test/cheap" }
    for _ = 1, 4 do
      assert.equal("b", ask(s, { sort = "price" }, { models = models }))
      assert.equal("c", ask(s, { sort = { by = "price", partition = "none" } }, { models = models }))
      assert.equal("c", ask(s, { sort = "price" }, { models = models, route = "sort" }))
      assert.equal("b", ask(s, nil, { models = models }))
    end
  end))

  it("a model whose endpoints were all dropped is passed over", with(THREE, only_a {}, function(s)
    assert.equal("c", ask(s, { max_price = { prompt = 1 } }, { models = list { "test/dear", "test/cheap" } }))
  end))

  local POLICY = status(400, nil, '{"error":{"message":"flagged by our content policy","code":"content_policy_violation"}}')

  it("a content-policy 400 goes to the next model and to no other endpoint of this one",
    with({ a = POLICY, b = good, c = good }, { models = MODELS.models,
      endpoints = { a = { pricing = price(0.01) }, b = { pricing = price(50) }, c = { pricing = price(50) } } }, function(s)
      local r = s:chat { provider = { sort = "price" } }
      assert.same({ 400, "flagged by our content policy", "content_policy_violation" },
        { r.status, r.json.error.message, r.json.error.error_type })
      assert.equal(0, #s.b.requests + #s.c.requests)
      r = s:chat { models = list { "test/model", "test/dear" }, provider = { sort = "price" } }
      assert.same({ "test/dear", 1, 0 }, { r.json.model, #s.b.requests, #s.c.requests })
    end))

  it("a context-length 400 goes to a larger endpoint", with({
    a = status(400, nil, '{"error":{"message":"maximum context length is 1000 tokens","code":"context_length_exceeded"}}'),
    b = good, c = good,
  }, { endpoints = { a = { pricing = price(1), context_length = 50000 }, b = { pricing = price(2), context_length = 50000 },
    c = { pricing = price(3), context_length = 90000 } } }, function(s)
    assert.equal("c", ask(s, { sort = "price" }))
    assert.equal(0, #s.b.requests)
  end))
end)

describe("6.12: a session", function()
  local CACHED = { endpoints = { a = { pricing = price(1, 0.1) }, b = { pricing = price(1, 0.1) } } }
  local TWO = { a = good, b = good }

  local function all_same(s, times, more, headers)
    local first = ask(s, nil, more, headers)
    for _ = 2, times do
      if ask(s, nil, more, headers) ~= first then return false end
    end
    return first
  end

  it("stays where it was served first, by body or header", with(TWO, CACHED, function(s)
    for i = 1, 6 do
      assert.is_truthy(all_same(s, 8, { session_id = "s" .. i }))
      assert.is_truthy(all_same(s, 8, nil, { ["x-session-id"] = "h" .. i }))
      assert.is_truthy(all_same(s, 8, { session_id = "body" }, { ["x-session-id"] = "h" .. i }))
    end
  end))

  it("and others are elsewhere", with(TWO, CACHED, function(s)
    local seen = {}
    for i = 1, 25 do seen[ask(s, nil, { session_id = "s" .. i })] = true end
    assert.same({ a = true, b = true }, seen)
  end))

  it("does not stay where cached reads are not cheaper", with(TWO,
    { endpoints = { a = { pricing = price(1) }, b = { pricing = price(1) } } }, function(s)
      assert.is_false(all_same(s, 30, { session_id = "s" }))
    end))

  it("without an id, starts when an answer showed cache use", with({
    a = function(conn) provider.json(conn, provider.completion("x", '{"prompt_tokens":10,"completion_tokens":1,"total_tokens":11,'
      .. '"prompt_tokens_details":{"cached_tokens":8}}')) end, b = good,
  }, CACHED, function(s)
    local function talk(opening) return { messages = list { { role = "user", content = opening }, { role = "user", content = "go on" } } } end
    while ask(s, nil, talk "first words") ~= "a" do end
    for _ = 1, 12 do assert.equal("a", ask(s, nil, talk "first words")) end
    local seen = {}
    for i = 1, 25 do seen[ask(s, nil, talk("other words " .. i))] = true end
    assert.same({ a = true, b = true }, seen)
  end))

  it("is ignored when order is set", with(TWO, CACHED, function(s)
    local home = ask(s, nil, { session_id = "s" })
    local other = home == "a" and "b" or "a"
    assert.equal(other, ask(s, { order = list { other } }, { session_id = "s" }))
  end))

  it("R-32: moves within the request when its endpoint fails, and stays where it went", function()
    local down = {}
    local function may_fail(name)
      return function(conn, request)
        if down[name] then return status(500)(conn) end
        return good(conn, request)
      end
    end
    scene.run({ a = may_fail "a", b = may_fail "b" }, CACHED, function(s)
      local home = ask(s, nil, { session_id = "s" })
      down[home] = true
      local away = ask(s, nil, { session_id = "s" })
      assert.not_equal(home, away)
      down[home] = nil
      for _ = 1, 8 do assert.equal(away, ask(s, nil, { session_id = "s" })) end
    end)
  end)
end)

describe("health", function()
  local BY_PRICE = { sort = "price" }
  local CHEAP_A = { endpoints = { a = { pricing = price(1) }, b = { pricing = price(50) } } }

  it("R-28: after a 429 nobody asks before the Retry-After is over", with(
    { a = failing(1, status(429, { ["Retry-After"] = "2" })), b = good }, CHEAP_A, function(s)
      local began = net.now()
      assert.equal("b", ask(s, BY_PRICE))
      for _ = 1, 10 do assert.equal("b", ask(s, BY_PRICE)) end
      assert.is_true(net.now() - began < 1.8)
      assert.equal(1, #s.a.requests)
      net.sleep(2.2 - (net.now() - began))
      assert.equal("a", ask(s, BY_PRICE))
    end))

  it("a 429 without a time holds for a second", with({ a = failing(1, status(429)), b = good }, CHEAP_A, function(s)
    local began = net.now()
    for _ = 1, 5 do assert.equal("b", ask(s, BY_PRICE)) end
    assert.is_true(net.now() - began < 0.9)
    assert.equal(1, #s.a.requests)
    net.sleep(1.2 - (net.now() - began))
    assert.equal("a", ask(s, BY_PRICE))
  end))

  it("two failures of two are an outage: last, and looked at by one request in ten", with(
    { a = failing(2, status(500)), b = good }, CHEAP_A, function(s)
      ask(s, BY_PRICE)
      ask(s, BY_PRICE)
      local count = tally(s, 100, BY_PRICE)
      assert.equal(100, (count.a or 0) + (count.b or 0))
      -- 10 expected, 3 a standard deviation
      assert.is_true((count.a or 0) <= 25, "a: " .. tostring(count.a))
    end))

  it("one failure is none", with({ a = failing(1, status(500)), b = good }, CHEAP_A, function(s)
    assert.equal("b", ask(s, BY_PRICE))
    for _ = 1, 10 do assert.equal("a", ask(s, BY_PRICE)) end
  end))

  it("failures that are the request's fault are none", with(
    { a = failing(20, status(400)), b = good }, CHEAP_A, function(s)
      for _ = 1, 20 do assert.equal(400, ask(s, BY_PRICE)) end
      assert.equal("a", ask(s, BY_PRICE))
      assert.equal(0, #s.b.requests)
    end))

  it("R-27: the breaker opens, lets nobody through for its time, and then one at a time", function()
    local running, most = 0, 0
    local function bad_then_slow(conn, request, n)
      if n <= 3 then return status(500)(conn) end
      running = running + 1
      most = math.max(most, running)
      net.sleep(0.3)
      running = running - 1
      return good(conn, request)
    end
    local endpoints = { a = { pricing = price(1) }, b = { pricing = price(50) }, c = { pricing = price(60) } }
    scene.run({ a = bad_then_slow, b = good, c = good }, { endpoints = endpoints, config = { log = "warn" } }, function(s)
      local a_first = { order = list { "a" } }
      while #s.a.requests < 3 do ask(s, a_first) end
      local opened = net.now()
      repeat
        assert.not_equal("a", ask(s, a_first))
        net.sleep(0.01)
      until net.now() - opened > 1.6
      assert.equal(3, #s.a.requests)
      -- 2 s and at most a tenth more; the outage lets one in ten look in
      net.sleep(2.3 - (net.now() - opened))
      for _ = 1, 40 do
        if #s.a.requests > 3 then break end
        local ten = {}
        for i = 1, 10 do ten[i] = function() return ask(s, a_first) end end
        scene.together(ten)
      end
      assert.equal(4, #s.a.requests)
      assert.equal(1, most)
    end)
  end)

  it("is a last resort all the same: nobody is refused while somebody might answer", with(
    { a = failing(4, status(500)) }, nil, function(s)
      for _ = 1, 4 do
        if #s.a.requests < 4 then ask(s, { allow_fallbacks = false }) end
      end
      assert.equal("a", ask(s))
    end))
end)
