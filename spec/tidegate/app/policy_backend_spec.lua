local core        = require "tidegate.core"
local config      = require "tidegate.app.config"
local policies    = require "tidegate.app.policies"
local real        = require "tidegate.app.policy_backend"
local environment = require "tidegate.policy.environment"
local t           = require "tidegate.testing"

local function load(text)
  return t.load("p.lua", { text = text, backend = real })
end

describe("a policy under test in the gateway's sandbox", function()
  before_each(t.reset)

  describe("behaves as in plain Lua:", function()
    local stories = dofile "spec/tidegate/policy/stories.lua"
    for _, story in ipairs(stories) do
      it(story[1], function() stories.tell(story, t, real) end)
    end
  end)

  describe("tells file and line of", function()
    for _, case in ipairs {
      { "an unknown key", "return {\n filtr = function() end }", "p.lua:2: unknown key filtr, did you mean filter?" },
      { "a hook that is only a global function", "local x\n\nfunction filter() end\nreturn {}",
        "p.lua:3: the global function filter is not in the table, did you mean filter = filter?" },
      { "a file that returns nothing", "local x", "p.lua:1: a policy returns a table, this one a nil" },
      { "a syntax error", "return {\n x = = 1 }", "p.lua:2: unexpected symbol near '='" },
      { "a file that does not end", "local x\nreturn function(", "p.lua:2: " },
      { "an absent module", "\nrequire 'nothing'", "p.lua:2: module 'nothing': no such thing" },
    } do
      it(case[1], function()
        local ok, why = pcall(load, case[2])
        assert.is_false(ok)
        assert.equal(case[3], why:sub(1, #case[3]))
      end)
    end
  end)

  it("has no more time than it has there", function()
    local p = load "return {\n score = function()\n while true do end\n end }"
    local ok, why = pcall(p.rank, p, {}, { { id = "a" } })
    assert.is_false(ok)
    assert.equal("p.lua:3: score: ran longer than 2 ms", why)
  end)

  it("is not disturbed by what a test's kv holds, and disturbs nothing when it fails", function()
    local p = load "return { on_response = function() tidegate.kv.incr('n') error('no') end }"
    t.kv.set("n", 1)
    t.kv.set("text", "\0\n\27")
    assert.is_false((pcall(p.on_response, p)))
    assert.equal(2, t.kv.get "n")
    assert.equal("\0\n\27", t.kv.get "text")
  end)
end)

describe("the plain environment and the gateway's sandbox", function()
  local function in_sandbox(text)
    local box = assert(core.sandbox { load_us = 1e6, turn_us = 1e6 })
    local ok, err = box:load("return function(e)\n" .. text .. "\nend", "p.lua")
    if not ok then return { tostring(err) } end
    return { box:call(nil, { id = "a", models = { "x", "y" }, price = { prompt = 0.5 } }) }
  end

  local function in_plain(text)
    local env = environment.new()
    local chunk, why = environment.load("return function(e)\n" .. text .. "\nend", "p.lua", env)
    if not chunk then return { why } end
    local _, fn = environment.run(env, chunk)
    local function told(ok, ...)
      if ok then return { ... } end
      return { nil, (...):find("^p%.lua:") and (...) or "p.lua: " .. (...) }
    end
    return told(environment.run(env, fn, environment.frozen { id = "a", models = { "x", "y" }, price = { prompt = 0.5 } }))
  end

  -- Nothing fails in a tail call: whether that has a line differs between Luas.
  for _, text in ipairs {
    "return type(e), tostring(e), #e.models, e.price.prompt, e.nothing == nil",
    "return table.concat(e.models, '+'), unpack(e.models)", "return next(e.price)", "return ('id'):gsub('%w+', e)",
    "local n = 0 for _ in pairs(e) do n = n + 1 end return n", "local s = '' for i, m in ipairs(e.models) do s = s .. i .. m end return s",
    "e.id = 1", "e.models[3] = 'z'", "table.insert(e.models, 'z')", "table.sort(e.models)", "table.remove(e.models)",
    "return select('#', 1, 2), tonumber('0x10'), tostring(nil), type(nil), rawequal(e, e)",
    "return os, io, print, load, setmetatable, getmetatable, rawget, coroutine, debug, package, _G == nil",
    "return string.dump == nil, math.randomseed == nil, ('').dump == nil, string.format('%5.1f|%-3d|%s', 2.5, 7, {})",
    "return (string.format('%p', e))", "return (('x'):rep(70000))", "return #('x'):rep(65536), ('ab'):rep(3, '-'), ('ab'):rep(-1)",
    "return math.pow(2, 3), math.log10(1000), math.atan2(0, 1), math.fmod(7, 3), math.ldexp(1, 4), math.frexp(8)",
    "local t = { 3, 1, 2 } table.sort(t, function(a, b) return a > b end) return t[1], t[2], t[3]",
    "local t = { 'bb', 'a', 'cc', 'd' } table.sort(t, function(a, b) return #a < #b end) return table.concat(t)",
    "local t = { 2, 1 } table.sort(t, function() return true end) return #t", "return (ipairs(5))", "return (('x'):find('['))",
    "local ok, why = pcall(error, 'x') return ok, why", "return pcall(function() local t = ('x')() end)", "error('no')",
    "return math.random(2, 1) == nil", "return ({ pcall(error, {}) })[1]", "local t = { 1, 2, 3 } return table.remove(t, 1), #t",
  } do
    it("agree about " .. text, function()
      local expected, got = in_sandbox(text), in_plain(text)
      if type(expected[2]) == "table" and expected[2].code then
        assert.is_nil(got[1])
        -- Arguments are told in other words by the two, places and reasons in the same.
        local words = expected[2].message:gsub("bad argument.*", "")
        assert.equal(words, tostring(got[2]):sub(1, #words))
      else
        assert.same(expected, got)
      end
    end)
  end
end)

-- ---- decisions ----

local PROVIDERS = {
  { slug = "a", name = "Alpha", base_url = "http://a", key = false, data_collection = "deny", zdr = true },
  { slug = "b", name = "Beta", base_url = "http://b", key = false, data_collection = "deny" },
  { slug = "c", base_url = "http://c", key = false }, { slug = "d", base_url = "http://d", key = false, data_collection = "deny" },
}

local HOOKS = {
  "filter = function(e, r) return e.id ~= 'a/x1' and e.price.prompt < 3.5 end",
  "score = function(e, r, base) return e.id:byte(1) * 7 % 5 + e.id:byte(4) / 100 + #e.id / 10 end",
  "score = function(e, r, base) return -e.price.prompt - (e.zdr and 10 or 0) end",
  "order = function(list, r) return { #list } end",
  "order = function(list, r) local t = {} for i = #list, 1, -1 do t[#t + 1] = i end return t end",
  "order = function(list, r) if #list > 1 then return { 2 } end end",
}

describe("a decision under test is the gateway's", function()
  local random = math.random

  local function pick(list) return list[random(#list)] end
  local function maybe(value) if random(4) == 1 then return value end end
  local function some(list)
    local out = core.json.array {}
    for _, item in ipairs(list) do if random(3) == 1 then out[#out + 1] = item end end
    return out
  end

  local NAMES = { "a", "Beta", "c", "d/x2", "a/x1/flex", "b/x1", "nobody" }

  local function wishes()
    return {
      allow_fallbacks = maybe(false), data_collection = maybe(pick { "deny", "allow" }), zdr = maybe(random(6) == 1),
      enforce_distillable_text = maybe(random(3) == 1), ignore = maybe(some(NAMES)), only = random(12) == 1 and some(NAMES) or nil,
      max_price = maybe { prompt = random(1, 8) / 2, completion = random(2) == 1 and tostring(random(2, 16) / 2) or nil },
      order = maybe(some(NAMES)), quantizations = random(10) == 1 and some { "fp8", "bf16", "int4" } or nil,
      require_parameters = maybe(random(2) == 1), preferred_max_latency = maybe(random(3)),
      sort = maybe(pick { "price", "latency", "throughput", "exacto", { by = "price", partition = "none" }, { partition = "none" },
        { by = "throughput", partition = "model" } }),
    }
  end

  -- An endpoint of the catalogue, and the same as it is in a test.
  local function endpoint(provider, model, tag)
    local price, supports = { random(1, 40) / 10, random(1, 80) / 10 }, { max_tokens = true }
    local names = core.json.array { "max_tokens" }
    for _, name in ipairs { "tools", "seed", "temperature" } do
      if random(4) > 1 then supports[name], names[#names + 1] = true, name end
    end
    local quantization, context, longest = pick { "fp8", "bf16", "unknown" }, pick { 0, 800, 100000 }, pick { 0, 500, 4000 }
    local distillable = random(4) > 1
    return {
      provider = provider.slug, tag = tag, quantization = quantization, supported_parameters = names, distillable = distillable,
      pricing = { prompt = ("%.7f"):format(price[1] / 1e6), completion = ("%.7f"):format(price[2] / 1e6) },
      context_length = context > 0 and context or core.json.null, max_completion_tokens = longest > 0 and longest or core.json.null,
    }, {
      id = tag, provider = provider.slug, name = provider.name, model = model, price = { prompt = price[1], completion = price[2] },
      quantization = quantization, supports = supports, distillable = distillable, context_length = context,
      max_completion_tokens = longest, zdr = provider.zdr == true, data_collection = provider.data_collection or "allow",
      samples = 0, latency = 0, throughput = 0,
    }
  end

  local function scene()
    local models, endpoints = core.json.array {}, {}
    for _, model in ipairs { "x/1", "x/2" } do
      local list = core.json.array {}
      for _, provider in ipairs(PROVIDERS) do
        for _, tail in ipairs { "", "/flex" } do
          if tail == "" or random(4) == 1 then
            list[#list + 1], endpoints[#endpoints + 1] = endpoint(provider, model, provider.slug .. "/x" .. model:sub(-1) .. tail)
          end
        end
      end
      models[#models + 1] = { id = model, name = model, endpoints = list }
    end
    return core.json.encode { data = models }, endpoints
  end

  -- "1  a/x1  x/1  sorted ..." and "-  b/x1  x/1  zdr: does not ..."
  local function read(text)
    local ranked, places, dropped = {}, {}, {}
    for line in text:gmatch("[^\n]+") do
      local id, place = line:match("^%s*%d+%s+(%S+)%s+%S+%s+(%l+)")
      local lost, reason = line:match("^%s*%-%s+(%S+)%s+%S+%s+([%l_]+): ")
      if id then ranked[#ranked + 1], places[#places + 1] = id, place end
      if lost then dropped[lost] = reason end
    end
    return ranked, places, dropped, tonumber(text:match("about (%d+) prompt tokens"))
  end

  local function lua(value)
    if type(value) ~= "table" then return type(value) == "string" and ("%q"):format(value) or tostring(value) end
    local out = {}
    for k, v in pairs(value) do out[#out + 1] = type(k) == "number" and lua(v) or k .. " = " .. lua(v) end
    return "{ " .. table.concat(out, ", ") .. " }"
  end

  local settings = assert(config.load({ auth = "none", providers = PROVIDERS }, { listen = "127.0.0.1:0", workers = 1 }))

  local function explain(text, catalog_text, body)
    local catalog = assert(core.catalog.new(settings.providers))
    assert(catalog:add(catalog_text, "catalog.json"))
    assert(catalog:seal())
    settings.default_policy = "test"
    local snapshot = assert(config.snapshot(settings, catalog, { (assert(policies.make("test", "p.lua", text))) }))
    local said, err, rest = core.explain(snapshot, core.json.encode(body), { seed = random(1e6) })
    return said or assert(rest, tostring(err))
  end

  it("in 400 cases out of the blue", function()
    math.randomseed(20260101)
    for case = 1, 400 do
      local catalog_text, endpoints = scene()
      local data = wishes()
      -- Without a sort the gateway draws; a score or an order settles it.
      local is_settled = data.sort and (data.sort.by or type(data.sort) == "string") or (data.order and data.order[1])
      local hook = (random(2) == 1 or not is_settled) and pick(HOOKS) or ""
      if not is_settled and not hook:find("score", 1, true) then hook = HOOKS[2] end
      local parts = { "data = " .. lua(data), hook, maybe "tiers = { 'flex' }", random(2) == 1 and "models = { 'x/2' }" or nil }
      local text = "return {\n" .. table.concat({ parts[1], parts[2] ~= "" and parts[2] or nil }, ",\n") .. ",\n"
        .. (parts[3] and parts[3] .. ",\n" or "") .. (parts[4] or "") .. "}"
      local model = pick { "x/1", "x/1:floor", "x/1:nitro", "x/1:exacto" }
      local own = wishes()
      if not hook:find("score", 1, true) and own.order and not own.order[1] then own.order = nil end
      local request = { model = model, models = not parts[4] and { "x/2" } or nil, max_tokens = maybe(pick { 100, 700, 3000 }),
                        provider = own }
      local has_tools = random(3) == 1
      local body = { model = model, models = request.models and core.json.array(request.models), max_tokens = request.max_tokens,
        provider = own, temperature = maybe(1), messages = core.json.array { { role = "user", content = ("word "):rep(random(200)) } },
        tools = has_tools and core.json.array { { type = "function", ["function"] = { name = "f" } } } or nil }
      local said = explain(text, catalog_text, body)
      local ranked, places, dropped, tokens = read(said)
      request.tools, request.prompt_tokens, request.parameters = has_tools, tokens, { body.temperature and "temperature" }
      local p = t.load("p.lua", { text = text, backend = case % 10 == 0 and real or nil })
      local ids, losses, details = p:rank(request, endpoints)
      local why = said .. "\n" .. text .. "\n" .. core.json.encode(body) .. "\ncase " .. case

      assert.same(ranked, ids, why)
      assert.same(dropped, losses, why)
      for i, detail in ipairs(details) do assert.equal(places[i], detail.place, why) end
    end
  end)
end)
