local data   = require "tidegate.policy.data"
local sample = require "tidegate.policy.sample"

-- Why an endpoint is dropped, under wishes of the request and of the policy.
local function drop(endpoint, own, policys, more)
  more = more or {}
  local request = assert(sample.request(more.request or {}, 0))
  local reason = data.drop(assert(sample.endpoint(endpoint)), 1, {
    request = request, wishes = data.wishes(own or {}, policys or {}), parameters = more.parameters or {},
    tiers = more.tiers, suffixes = { { tiers = more.suffix_tiers or {} } },
  })
  return reason
end

describe("data and the request's provider object", function()
  describe("drop", function()
    for _, case in ipairs {
      -- title, endpoint, the request's, the policy's, reason, more
      { "nothing that is good", {}, { data_collection = "deny", zdr = true, enforce_distillable_text = true }, {}, nil },
      { "who may keep prompts, when the policy denies it", { data_collection = "allow" }, {}, { data_collection = "deny" }, "data_collection" },
      { "who may keep prompts, when the request denies it", { data_collection = "allow" }, { data_collection = "deny" },
        { data_collection = "allow" }, "data_collection" },
      { "who keeps something, when nothing may be kept", { zdr = false }, {}, { zdr = true }, "zdr" },
      { "nobody whose zdr the policy does not ask for", { zdr = false }, {}, { zdr = false }, nil },
      { "who may not train others", { distillable = false }, { enforce_distillable_text = true }, {}, "distillable" },
      { "who is not in the policy's only", { id = "a" }, { only = { "a" } }, { only = { "b" } }, "only" },
      { "who is not in the request's only", { id = "a" }, { only = { "b" } }, { only = { "a" } }, "only" },
      { "nobody who is in both", { id = "a" }, { only = { "b", "a" } }, { only = { "a" } }, nil },
      { "everybody when only is empty", { id = "a" }, {}, { only = {} }, "only" },
      { "who is ignored by one of the two", { id = "a" }, {}, { ignore = { "x", "A" } }, "ignore" },
      { "another quantization", { quantization = "int4" }, {}, { quantizations = { "fp8", "bf16" } }, "quantization" },
      { "a quantization that only one of the two allows", { quantization = "fp8" }, { quantizations = { "bf16" } },
        { quantizations = { "fp8" } }, "quantization" },
      { "nothing when a list of quantizations is empty", { quantization = "fp8" }, { quantizations = {} }, {}, nil },
      { "what costs more than the policy allows", { price = { prompt = 3 } }, { max_price = { prompt = 5 } },
        { max_price = { prompt = 2 } }, "max_price" },
      { "what costs more than the request allows", { price = { completion = 3 } }, { max_price = { completion = "2.5" } },
        { max_price = { completion = 9 } }, "max_price" },
      { "nothing that costs as much as is allowed", { price = { prompt = 2 } }, {}, { max_price = { prompt = 2 } }, nil },
      { "a price of each request", { price = { request = 0.01 } }, {}, { max_price = { request = 0.005 } }, "max_price" },
      { "too small a context", { context_length = 1000 }, {}, {}, "context_length", { request = { prompt_tokens = 1500 } } },
      { "a context that the answer overflows", { context_length = 1000 }, {}, {}, "context_length",
        { request = { prompt_tokens = 100, max_tokens = 950 } } },
      { "nothing that may fit, as estimates are a fifth too high", { context_length = 1000 }, {}, {}, nil,
        { request = { prompt_tokens = 1250 } } },
      { "nothing whose context nobody knows", { context_length = 0 }, {}, {}, nil, { request = { prompt_tokens = 1e6 } } },
      { "who cannot answer at that length", { max_completion_tokens = 100 }, {}, {}, "max_tokens", { request = { max_tokens = 101 } } },
      { "who lacks a parameter", { supports = { tools = true } }, {}, { require_parameters = true }, "parameters", { parameters = { "seed" } } },
      { "nobody for a parameter that is not required", { supports = { tools = true } }, {}, {}, nil, { parameters = { "seed" } } },
      { "nobody who has the other spelling of a parameter", { supports = { max_tokens = true } }, { require_parameters = true }, {}, nil,
        { parameters = { "max_completion_tokens" } } },
      { "who has no tools", { supports = { seed = true } }, {}, {}, "tools", { request = { tools = true } } },
      { "a service tier that nobody asked for", { id = "a/flex" }, {}, {}, "service_tier" },
      { "no tier that the policy admits", { id = "a/flex" }, {}, {}, nil, { tiers = { "flex" } } },
      { "another tier than the policy admits", { id = "a/priority" }, {}, {}, "service_tier", { tiers = { "flex" } } },
      { "no tier that the model's suffix admits", { id = "a/priority" }, {}, {}, nil, { suffix_tiers = { "priority" } } },
      { "a suffix's tier when there is an order", { id = "a/priority" }, { order = { "b" } }, {}, "service_tier",
        { suffix_tiers = { "priority" } } },
      { "no tier that is named", { id = "a/flex" }, {}, { only = { "a/flex" } }, nil },
    } do
      it(case[1], function()
        assert.equal(case[5], drop(case[2], case[3], case[4], case[6]))
      end)
    end

    it("for the first reason of several, in the gateway's order", function()
      local bad = { id = "a", data_collection = "allow", zdr = false, price = { prompt = 9 }, context_length = 10 }
      assert.equal("data_collection", drop(bad, {}, { data_collection = "deny", zdr = true, ignore = { "a" }, max_price = { prompt = 1 } }))
      assert.equal("zdr", drop(bad, {}, { zdr = true, ignore = { "a" }, max_price = { prompt = 1 } }))
      assert.equal("ignore", drop(bad, {}, { ignore = { "a" }, max_price = { prompt = 1 } }))
      assert.equal("max_price", drop(bad, {}, { max_price = { prompt = 1 } }))
      assert.equal("context_length", drop(bad))
    end)
  end)

  describe("mean by a word", function()
    for _, case in ipairs {
      { "deepinfra/turbo", { id = "deepinfra/turbo" }, true }, { "DeepInfra", { id = "deepinfra/turbo" }, true },
      { "Deep Infra", { id = "deepinfra/turbo", name = "Deep Infra" }, true }, { "turbo", { id = "deepinfra/turbo" }, false },
      { "groq", { id = "fast", provider = "groq" }, true }, { "a", { id = "a/flex" }, false }, { "a/flex", { id = "a/flex" }, true },
    } do
      it(("%q the endpoint %s: %s"):format(case[1], case[2].id, tostring(case[3])), function()
        assert.equal(case[3], data.means(case[1], assert(sample.endpoint(case[2]))))
      end)
    end
  end)

  describe("agree on preferences: the request's own goes first, one by one:", function()
    local policys = { order = { "p" }, sort = { by = "latency", partition = "none" }, preferred_max_latency = 1,
                      preferred_min_throughput = { p90 = 5 } }

    for _, case in ipairs {
      { "all of the policy's without any", {}, { order = { "p" }, across_models = true, max_latency = { p50 = 1 }, min_throughput = { p90 = 5 } } },
      { "an order", { order = { "o" } }, { order = { "o" }, across_models = true } },
      { "an empty order, which is one", { order = {} }, { order = {} } },
      { "a sort, and the policy's partition", { sort = "price" }, { own_sort = "price", policys_sort = "latency", across_models = true } },
      { "a partition", { sort = { partition = "model" } }, { policys_sort = "latency", across_models = false } },
      { "a cut-off", { preferred_max_latency = { p99 = 9 } }, { max_latency = { p99 = 9 }, min_throughput = { p90 = 5 } } },
    } do
      it(case[1], function()
        local wishes = data.wishes(case[2], policys)
        for name, value in pairs(case[3]) do assert.same(value, wishes[name], name) end
      end)
    end
  end)

  it("leave no fallbacks when either says so", function()
    assert.is_true(data.wishes({ allow_fallbacks = false }, { allow_fallbacks = true }).no_fallbacks)
    assert.is_true(data.wishes({}, { allow_fallbacks = false }).no_fallbacks)
    assert.is_false(data.wishes({ allow_fallbacks = true }, {}).no_fallbacks)
  end)
end)
