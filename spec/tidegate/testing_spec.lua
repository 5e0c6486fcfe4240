local t = require "tidegate.testing"

local function load(text)
  return t.load("p.lua", { text = text })
end

local function refusal(fn, ...)
  local ok, why = pcall(fn, ...)
  assert.is_false(ok)
  return why
end

describe("tidegate.testing", function()
  before_each(t.reset)

  describe("runs hooks in plain Lua:", function()
    local stories = dofile "spec/tidegate/policy/stories.lua"
    for _, story in ipairs(stories) do
      it(story[1], function() stories.tell(story, t) end)
    end
  end)

  describe("tells file and line of", function()
    for _, case in ipairs {
      { "an unknown key", "return {\n filtr = function() end }", "p.lua:2: unknown key filtr, did you mean filter?" },
      { "a hook inside data", "return {\n data = {\n  filter = function() end } }",
        "p.lua:3: data.filter: a hook belongs beside data, not in it" },
      { "a wrong value further in", "return { data = {\n max_price = {\n  prompt = -1 } } }", "p.lua:3: data.max_price.prompt:" },
      { "a hook that is only a global function", "local x\n\nfunction filter() end\nreturn {}",
        "p.lua:3: the global function filter is not in the table, did you mean filter = filter?" },
      { "a file that returns nothing", "local x", "p.lua:1: a policy returns a table, this one a nil" },
      { "a syntax error", "return {\n x = = 1 }", "p.lua:2: unexpected symbol near '='" },
      { "an error of its own", "local x\nerror 'no'", "p.lua:2: no" },
      { "an absent module", "\nrequire 'nothing'", "p.lua:2: module 'nothing': no such thing" },
      { "a module by its path", "require '../secret'", "p.lua:1: bad argument #1 to 'require' (letters, digits and '_'" },
      { "an absent function", "local x = os.time()", "p.lua:1: attempt to index" },
    } do
      it(case[1], function()
        assert.equal(case[3], refusal(load, case[2]):sub(1, #case[3]))
      end)
    end

    it("bytecode", function()
      assert.equal("p.lua: not text: bytecode is refused", refusal(load, string.dump(function() return {} end)))
    end)

    it("a file that there is not", function()
      assert.equal("there is no file no/such.lua", refusal(t.load, "no/such.lua"))
    end)
  end)

  it("loads a file, under its path", function()
    local path = os.tmpname()
    local file = assert(io.open(path, "w"))
    file:write("return {\n name = 'mine', score = function() end }")
    file:close()
    local p = t.load(path)
    os.remove(path)
    assert.equal("mine", p.name)
    assert.equal(path .. ":2: score: a finite number expected, got nothing for endpoint a",
      refusal(p.rank, p, {}, { t.endpoint { id = "a" } }))
  end)

  describe("an endpoint", function()
    it("has everything that a hook sees, and nothing wrong", function()
      local e = t.endpoint { id = "deepinfra/turbo", price = { prompt = 2 }, latency = { p90 = 3 }, throughput = 10 }
      assert.equal("deepinfra", e.provider)
      assert.same({ prompt = 2, completion = 4, cache_read = 2, cache_write = 2, request = 0, image = 0 }, e.price)
      assert.same({ p50 = 3, p75 = 3, p90 = 3, p99 = 3 }, e.latency)
      assert.same({ p50 = 10, p75 = 10, p90 = 10, p99 = 10 }, e.throughput)
      assert.equal("closed", e.breaker)
      assert.is_true(e.supports.tools)
      assert.same(e, t.endpoint(e))
    end)

    it("takes a missing percentile from the one below it, else from the one above", function()
      assert.same({ p50 = 1, p75 = 1, p90 = 5, p99 = 5 }, t.endpoint({ latency = { p50 = 1, p90 = 5 } }).latency)
      assert.same({ p50 = 7, p75 = 7, p90 = 7, p99 = 9 }, t.endpoint({ latency = { p75 = 7, p99 = 9 } }).latency)
    end)

    for _, case in ipairs {
      { { prize = 1 }, "unknown key prize, did you mean price?" },
      { { price = { promt = 1 } }, "unknown key price.promt, did you mean prompt?" },
      { { latency = { p95 = 1 } }, "unknown key latency.p95" },
      { { supports = { tool = true } }, "unknown key supports.tool, did you mean tools?" },
      { { breaker = "opened" }, 'breaker: one of "closed", "half_open", "open" expected, got "opened", did you mean "open"?' },
      { { uptime_5m = 99 }, "uptime_5m: a number from 0 to 1 expected" },
      { { price = { prompt = 0 / 0 } }, "price.prompt: a number from 0 on expected" },
      { { price = 3 }, "price: table expected, got number" },
      { { latency = "fast" }, "latency: table expected, got string" },
      { { id = 7 }, "id: string expected, got number" },
      { "a", "table expected, got string" },
    } do
      it("is refused: " .. case[2], function()
        local why = refusal(function() local e = t.endpoint(case[1]) return e end)
        assert.truthy(why:find("testing_spec.lua:%d+: endpoint: "), why)
        assert.truthy(why:find(case[2], 1, true), why)
      end)
    end
  end)

  describe("a request", function()
    it("has everything that a hook sees", function()
      local r = t.request { headers = { ["X-A"] = "b", Cookie = "c", ["X-Api-Key"] = "d" } }
      assert.is_false(r.stream)
      assert.equal(100, r.prompt_tokens)
      assert.equal(t.now(), r.now)
      assert.same({ ["x-a"] = "b" }, r.headers)
    end)

    for _, case in ipairs {
      { { steam = true }, "unknown key steam, did you mean stream?" },
      { { tools = {} }, "tools: boolean expected, got table" },
      { { max_tokens = 0 }, "max_tokens: a number from 1 on expected" },
      { { provider = { sort = "prise" } }, 'provider.sort: one of "price"' },
      { { parameters = { "seeds" } }, "parameters[1]: one of" },
      { { hash = function() end }, "unknown key hash" },
    } do
      it("is refused: " .. case[2], function()
        local why = refusal(function() local r = t.request(case[1]) return r end)
        assert.truthy(why:find("request: " .. case[2], 1, true), why)
      end)
    end
  end)

  describe("rank", function()
    local p = load "return { data = { sort = 'price' } }"

    it("takes plain tables", function()
      assert.same({ "b", "a" }, (p:rank({ stream = true }, { { id = "a" }, { id = "b", price = { prompt = 0.1 } } })))
    end)

    it("takes no endpoints", function()
      assert.same({}, (p:rank({}, {})))
    end)

    it("refuses two endpoints of one id", function()
      assert.truthy(refusal(p.rank, p, {}, { { id = "a" }, { id = "a" } }):find("rank: there are two endpoints with the id a", 1, true))
    end)

    it("refuses endpoints of a model that nobody names", function()
      assert.truthy(refusal(p.rank, p, { model = "a/b" }, { { id = "a", model = "c/d" } })
        :find("endpoint a is of the model c/d, which neither the request nor the policy names", 1, true))
    end)

    it("tells which endpoint is wrong", function()
      assert.truthy(refusal(p.rank, p, {}, { { id = "a" }, { id = "b", prize = 1 } })
        :find("endpoint 2: unknown key prize, did you mean price?", 1, true))
    end)

    it("changes nothing that it is given", function()
      local request, endpoint = { model = "a/b:nitro" }, { id = "a" }
      p:rank(request, { endpoint })
      assert.same({ model = "a/b:nitro" }, request)
      assert.same({ id = "a" }, endpoint)
    end)

    it("tries the models of the policy behind those of the request", function()
      local further = load "return { models = { 'big/model' }, data = { sort = 'price' } }"
      local ids, dropped = further:rank({ model = "small/model", max_tokens = 5000 }, {
        { id = "a", model = "big/model", price = { prompt = 0 } },
        { id = "b", model = "small/model" },
        { id = "c", model = "small/model", max_completion_tokens = 4096 },
      })
      assert.same({ "b", "a" }, ids)
      assert.same({ c = "max_tokens" }, dropped)
    end)

    it("takes the models of the endpoints when the request names none", function()
      assert.same({ "b", "a" }, (p:rank({}, { { id = "b", model = "x/1" }, { id = "a", model = "x/2", price = { prompt = 0 } } })))
    end)
  end)

  describe("on_error", function()
    local p = load "return { on_error = function(err, attempt) tidegate.log(err.status, err.type, attempt.provider, attempt.endpoint) end }"

    for _, case in ipairs {
      { nil, nil, "500\tserver_error\tendpoint\tendpoint" },
      { { status = 429 }, nil, "429\trate_limited\tendpoint\tendpoint" },
      { { status = 502 }, nil, "502\tserver_error\tendpoint\tendpoint" },
      { { status = 418 }, nil, "418\tbad_request\tendpoint\tendpoint" },
      { { type = "overloaded" }, nil, "503\toverloaded\tendpoint\tendpoint" },
      { { type = "connect" }, { endpoint = "a/b" }, "0\tconnect\ta\ta/b" },
      { { type = "rate_limited", status = 503 }, { provider = "a" }, "503\trate_limited\ta\ta" },
    } do
      it("is told " .. case[3]:gsub("\t", " "), function()
        p:on_error(case[1], case[2])
        assert.same({ case[3] }, t.logged())
      end)
    end

    it("refuses what is no outcome", function()
      local why = refusal(p.on_error, p, { type = "rate_limitted" })
      assert.truthy(why:find('did you mean "rate_limited"?', 1, true), why)
    end)

    it("refuses a misspelt field of an attempt", function()
      assert.truthy(refusal(p.on_error, p, {}, { nmber = 1 }):find("attempt: unknown key nmber, did you mean number?", 1, true))
    end)
  end)

  describe("the world", function()
    it("begins anew after reset()", function()
      t.kv.set("a", 1)
      t.now(5)
      load("tidegate.log('loaded') return {}")
      assert.same({ "loaded" }, t.logged())
      t.reset()
      assert.is_nil(t.kv.get "a")
      assert.same({}, t.logged())
      assert.equal(1767225600, t.now())
    end)

    it("is one for all policies", function()
      local first = load "return { on_response = function() tidegate.kv.incr('n', 2) end }"
      local second = load "return { filter = function() return tidegate.kv.get('n') == 4 end }"
      first:on_response()
      first:on_response()
      assert.same({ "a" }, (second:rank({}, { { id = "a" } })))
    end)

    it("has a time that requests come at unless they say so", function()
      local p = load "return { filter = function(e, r) return r.now > 100 end }"
      t.now(50)
      assert.same({}, (p:rank({}, { { id = "a" } })))
      assert.same({ "a" }, (p:rank({ now = 101 }, { { id = "a" } })))
    end)
  end)

  describe("docs/lua/testing.md", function()
    local file = assert(io.open("docs/lua/testing.md"))
    local page = file:read "*a"
    file:close()
    local policy, spec = page:match("```lua\n(.-)```.-```lua\n(.-)```")

    it("has every function", function()
      for _, part in ipairs { { testing = t, prefix = "t." }, { testing = t.kv, prefix = "t.kv." } } do
        for name, value in pairs(part.testing) do
          if type(value) == "function" then assert.truthy(page:find("`" .. part.prefix .. name .. "(", 1, true), name) end
        end
      end
    end)

    -- Its synopsis runs here, as it stands there.
    local shown = setmetatable({ load = function(path) return t.load(path, { text = policy }) end }, { __index = t })
    local env = { require = function() return shown end, describe = describe, it = it, before_each = before_each,
                  assert = assert }
    local chunk
    if rawget(_G, "setfenv") then
      chunk = setfenv(assert(loadstring(spec)), env)
    else
      chunk = assert(rawget(_G, "load")(spec, "=testing.md", "t", env))
    end
    chunk()
  end)

  it("leaves the strings of the test as they are", function()
    local p = load "return { filter = function() return true end }"
    p:rank({}, { { id = "a" } })
    pcall(p.rank, load "return { filter = function() error 'x' end }", {}, { { id = "a" } })
    assert.equal(string, getmetatable("").__index)
    assert.is_function(("").dump)
  end)
end)
