local t = require "tidegate.testing"

-- The order of endpoints under data and a request; with their places where they are asked for.
local function order(data_text, request, endpoints)
  local p = t.load("p.lua", { text = "return { data = { " .. data_text .. " } }" })
  local ids, _, details = p:rank(request, endpoints)
  return table.concat(ids, " "), details
end

local function e(id, fields)
  fields.id = id
  return fields
end

describe("endpoints are ordered", function()
  for _, case in ipairs {
    { "by price, 3 to 1 where the answer's length is open", "sort = 'price'", {},
      { e("a", { price = { prompt = 1, completion = 9 } }), e("b", { price = { prompt = 2, completion = 4 } }) }, "b a" },
    { "by the price of the request's own mix", "sort = 'price'", { prompt_tokens = 1000, max_tokens = 10 },
      { e("a", { price = { prompt = 1, completion = 9 } }), e("b", { price = { prompt = 2, completion = 4 } }) }, "a b" },
    { "by a price that counts each request", "sort = 'price'", { prompt_tokens = 100, max_tokens = 100 },
      { e("a", { price = { request = 0.01 } }), e("b", { price = { prompt = 5 } }) }, "b a" },
    { "by price when nothing is said: the draw is left out", "", {}, { e("a", { price = { prompt = 2 } }), e("b", {}) }, "b a" },
    { "by the median latency", "sort = 'latency'", {}, { e("a", { latency = 2 }), e("b", { latency = { p50 = 1, p99 = 9 } }) }, "b a" },
    { "by the median throughput", "sort = 'throughput'", {}, { e("a", { throughput = 20 }), e("b", { throughput = 90 }) }, "b a" },
    { "with those of no samples last, by price", "sort = 'latency'", {},
      { e("a", { samples = 0, latency = 0 }), e("b", { samples = 0, latency = 0, price = { prompt = 0.5 } }), e("c", { latency = 9 }) }, "c b a" },
    { "by broken tool calls in steps, then throughput", "sort = 'exacto'", {},
      { e("unproven", {}), e("bad", { tool_calls = { samples = 50, valid = 0.8 } }), e("fair", { tool_calls = { samples = 50, valid = 0.96 } }),
        e("good", { tool_calls = { samples = 50, valid = 1 } }), e("fast", { throughput = 99, tool_calls = { samples = 50, valid = 0.995 } }) },
      "fast good fair unproven bad" },
    { "by the catalogue where all is equal", "sort = 'price'", {}, { e("b", {}), e("a", {}), e("c", {}) }, "b a c" },
    { "by the words of order, then by price", "order = { 'c', 'b' }", {},
      { e("a", {}), e("b", {}), e("c/two", { price = { prompt = 3 } }), e("c/one", {}) }, "c/one c/two b a" },
    { "by the sort within a word of order", "order = { 'c' }, sort = 'latency'", {},
      { e("a", {}), e("c/two", { latency = 1 }), e("c/one", { latency = 2 }) }, "c/two c/one a" },
    { "by the request's sort, not the policy's", "sort = 'price'", { provider = { sort = "latency" } },
      { e("a", { latency = 2, price = { prompt = 0 } }), e("b", { latency = 1 }) }, "b a" },
    { "by the model's suffix, not the policy's sort", "sort = 'price'", { model = "x/y:nitro" },
      { e("a", { price = { prompt = 0 } }), e("b", { throughput = 99 }) }, "b a" },
    { "by the request's sort, not the model's suffix", "", { model = "x/y:nitro", provider = { sort = "price" } },
      { e("a", { price = { prompt = 0 } }), e("b", { throughput = 99 }) }, "a b" },
    { "by the last of several suffixes", "", { model = "x/y:floor:nitro" },
      { e("a", { price = { prompt = 0 } }), e("b", { throughput = 99 }) }, "b a" },
    { "model after model", "sort = 'price'", { model = "x/1", models = { "x/2" } },
      { e("a", { model = "x/2", price = { prompt = 0 } }), e("b", { model = "x/1" }) }, "b a" },
    { "across models with partition none", "sort = { by = 'price', partition = 'none' }", { model = "x/1", models = { "x/2" } },
      { e("b", { model = "x/1" }), e("a", { model = "x/2", price = { prompt = 0 } }) }, "a b" },
    { "with what is held or open behind every model, an outage behind its own", "sort = 'price'", { model = "x/1", models = { "x/2" } },
      { e("open", { model = "x/1", breaker = "open" }), e("held", { model = "x/1", held = true }), e("outage", { model = "x/1", outage = true }),
        e("good", { model = "x/1", price = { prompt = 9 } }), e("next", { model = "x/2" }) }, "good outage next held open" },
    { "with an order's endpoint that is down behind the others", "order = { 'a' }", {}, { e("a", { breaker = "open" }), e("b", {}), e("c", {}) },
      "b c a" },
    { "with breakers that count for nothing when more than half are open", "sort = 'price'", {},
      { e("a", { breaker = "open" }), e("b", { breaker = "open", price = { prompt = 0 } }), e("c", { price = { prompt = 5 } }) }, "b a c" },
    { "with a half-open breaker where it is", "sort = 'price'", {}, { e("a", { breaker = "half_open" }), e("b", {}) }, "a b" },
    { "with who misses a cut-off last", "sort = 'price', preferred_max_latency = 1", {}, { e("a", { latency = 1.2 }), e("b", { price = { prompt = 9 } }) },
      "b a" },
    { "with a cut-off missed by less than its error met", "sort = 'price', preferred_max_latency = 1", {},
      { e("a", { latency = 1.009 }), e("b", { price = { prompt = 9 } }) }, "a b" },
    { "with a cut-off at p99", "sort = 'price', preferred_max_latency = { p99 = 3 }", {},
      { e("a", { latency = { p50 = 1, p99 = 4 } }), e("b", { price = { prompt = 9 } }) }, "b a" },
    { "with a cut-off at p99 held against p50 where samples are few", "sort = 'price', preferred_max_latency = { p99 = 3 }", {},
      { e("a", { samples = 9, latency = { p50 = 1, p99 = 4 } }), e("b", { price = { prompt = 9 } }) }, "a b" },
    { "without cut-offs where samples are too few", "sort = 'price', preferred_max_latency = 1", {},
      { e("a", { samples = 4, latency = 9 }), e("b", { price = { prompt = 9 } }) }, "a b" },
    { "with who is too slow last", "sort = 'price', preferred_min_throughput = { p90 = 30 }", {},
      { e("a", { throughput = { p50 = 90, p90 = 20 } }), e("b", { price = { prompt = 9 } }) }, "b a" },
    { "with cut-offs, a good endpoint of the next model before a slow one", "preferred_max_latency = 1", { model = "x/1", models = { "x/2" } },
      { e("a", { model = "x/1", latency = 5 }), e("b", { model = "x/2" }) }, "b a" },
    { "with who breaks tool calls last, for requests with tools and no sort", "", { tools = true },
      { e("a", { tool_calls = { samples = 20, valid = 0.85 } }), e("b", { price = { prompt = 9 } }) }, "b a" },
    { "with broken tool calls of no weight where there is a sort", "sort = 'price'", { tools = true },
      { e("a", { tool_calls = { samples = 20, valid = 0.85 } }), e("b", { price = { prompt = 9 } }) }, "a b" },
    { "to the first alone without fallbacks", "sort = 'price', allow_fallbacks = false", {}, { e("a", {}), e("b", { price = { prompt = 0 } }) }, "b" },
    { "to those of order alone without fallbacks", "order = { 'c', 'a' }, allow_fallbacks = false", {}, { e("a", {}), e("b", {}), e("c", {}) }, "c a" },
  } do
    it(case[1], function()
      assert.equal(case[5], (order(case[2], case[3], case[4])))
    end)
  end

  for _, case in ipairs {
    { "sort = 'price'", {}, "sorted" }, { "", {}, "fallback" }, { "order = { 'a' }", {}, "order" }, { "", { outage = true }, "outage" },
    { "", { held = true, outage = true }, "held" }, { "preferred_max_latency = 0.1", {}, "demoted" },
  } do
    it(("with the place %s, under { %s }"):format(case[3], case[1]), function()
      local _, details = order(case[1], {}, { e("a", case[2]), e("b", {}), e("c", {}) })
      for _, detail in ipairs(details) do
        if detail.id == "a" then assert.equal(case[3], detail.place) end
      end
    end)
  end

  for _, case in ipairs {
    { "sort = 'price'", 1.75 }, { "", 1.75 }, { "sort = 'latency'", 0.5 }, { "sort = 'throughput'", 20 }, { "sort = 'exacto'", 3e7 + 20 },
  } do
    it(("with the base %s, under { %s }"):format(case[2], case[1]), function()
      local _, details = order(case[1], {}, { e("a", {}) })
      assert.is_true(math.abs(details[1].base - case[2]) < 1e-9, details[1].base)
    end)
  end
end)

describe("scores", function()
  local p = t.load("p.lua", { text = "return { score = function(e) return e.price.prompt * -1 end, data = { sort = 'price' } }" })

  it("order within a model, and what is down stays last", function()
    local ids = p:rank({ model = "x/1", models = { "x/2" } }, {
      e("a", { model = "x/1" }), e("b", { model = "x/1", price = { prompt = 5 } }), e("c", { model = "x/2", price = { prompt = 9 } }),
      e("d", { model = "x/1", price = { prompt = 99 }, breaker = "open" }), e("f", { model = "x/1", price = { prompt = 50 }, outage = true }),
    })
    assert.same({ "b", "a", "f", "c", "d" }, ids)
  end)

  it("order within the words of order", function()
    local ids = p:rank({ provider = { order = { "a" } } }, { e("a/1", {}), e("a/2", { price = { prompt = 2 } }), e("b", { price = { prompt = 9 } }) })
    assert.same({ "a/2", "a/1", "b" }, ids)
  end)

  it("are not asked for what was dropped", function()
    local strict = t.load("p.lua", { text = "return { data = { ignore = { 'a' } }, score = function(e) if e.id == 'a' then error 'no' end return 1 end }" })
    assert.same({ "b" }, (strict:rank({}, { e("a", {}), e("b", {}) })))
  end)
end)

describe("an order of a policy", function()
  it("alone brings forward what is down, and comes before there are no fallbacks", function()
    local p = t.load("p.lua", { text = "return { data = { sort = 'price', allow_fallbacks = false }, order = function(l) return { #l } end }" })
    local ids, dropped, details = p:rank({}, { e("a", {}), e("b", { breaker = "open" }), e("c", {}) })
    assert.same({ "b" }, ids)
    assert.equal("policy", details[1].place)
    assert.same({ a = "allow_fallbacks", c = "allow_fallbacks" }, dropped)
  end)

  it("is not asked when nobody is left", function()
    local p = t.load("p.lua", { text = "return { filter = function() return false end, order = function() error 'no' end }" })
    assert.same({}, (p:rank({}, { e("a", {}) })))
  end)
end)
