local builtin = require "tidegate.providers"
local core    = require "tidegate.core"
local shipped = require "tidegate.app.shipped"
local wires   = require "tidegate.wire.wires"

local function all_providers()
  local out = {}
  for i, slug in ipairs(builtin.slugs) do
    local p = builtin.find(slug)
    out[i] = { slug = p.slug, name = p.name, base_url = p.base_url }
  end
  return out
end

describe("the shipped catalogue", function()
  local text = shipped.text("tidegate:shipped", all_providers())
  local decoded = core.json.decode(text)

  it("loads whole: no endpoint of a provider that there is not", function()
    local c = assert(core.catalog.new(all_providers()))
    assert.equal(0, c:add(text, "shipped"))
    assert(c:seal())
    local models, endpoints, providers = c:count()
    assert.is_true(models > 120 and endpoints > 300 and providers == #builtin.slugs)
  end)

  it("has something for every built-in provider", function()
    local seen = {}
    for _, model in ipairs(decoded.data) do
      for _, endpoint in ipairs(model.endpoints) do seen[endpoint.provider] = true end
    end
    for _, slug in ipairs(builtin.slugs) do assert.is_true(seen[slug], slug) end
  end)

  it("has several providers for the open-weight models, at several prices", function()
    for _, id in ipairs { "openai/gpt-oss-120b", "meta-llama/llama-3.3-70b-instruct", "deepseek/deepseek-v4-pro",
                          "qwen/qwen3-32b", "moonshotai/kimi-k2.6", "z-ai/glm-5.2" } do
      local found
      for _, model in ipairs(decoded.data) do
        if model.id == id then found = model end
      end
      local prices, count = {}, 0
      for _, endpoint in ipairs(found.endpoints) do
        if not prices[endpoint.pricing.prompt] then count = count + 1 end
        prices[endpoint.pricing.prompt] = true
      end
      assert.is_true(#found.endpoints >= 3 and count >= 2, id)
    end
  end)

  it("has prices as decimal strings only", function()
    for _, model in ipairs(decoded.data) do
      for _, endpoint in ipairs(model.endpoints) do
        for name, price in pairs(endpoint.pricing) do
          if name ~= "overrides" then
            assert.truthy(price:find("^%d+%.?%d*$"), model.id .. " " .. endpoint.provider .. " " .. name)
          end
        end
      end
    end
  end)

  it("has what each format can carry, and what each cache costs", function()
    local params = {}
    for _, model in ipairs(decoded.data) do
      for _, e in ipairs(model.endpoints) do
        local wire = wires.find(builtin.find(e.provider).wire)
        local carried = {}
        for _, name in ipairs(wire.carries or {}) do carried[name] = true end
        for _, name in ipairs(e.supported_parameters) do
          assert.is_true(not wire.carries or carried[name] or name == "logprobs", model.id .. " " .. e.provider .. " " .. name)
        end
        params[e.provider .. " " .. e.upstream_model] = " " .. table.concat(e.supported_parameters, " ") .. " "
        if e.provider == "anthropic" then
          local p = e.pricing
          assert.is_true(math.abs(p.input_cache_read / p.prompt - 0.1) < 1e-9, model.id)
          assert.is_true(math.abs(p.input_cache_write / p.prompt - 1.25) < 1e-9, model.id)
          assert.is_true(math.abs(p.input_cache_write_1h / p.prompt - 2) < 1e-9, model.id)
        end
      end
    end
    for _, case in ipairs {
      { "anthropic claude-sonnet-4-6", "reasoning", true }, { "anthropic claude-sonnet-4-6", "temperature", true },
      { "anthropic claude-opus-4-8", "temperature", false }, { "anthropic claude-haiku-4-5", "verbosity", false },
      { "google-ai-studio gemini-2.5-pro", "reasoning", true }, { "google-ai-studio gemini-2.5-pro", "seed", true },
      { "mistral mistral-large-2512", "reasoning", false }, { "mistral magistral-small", "reasoning", true },
      { "cohere command-a-03-2025", "reasoning", false }, { "cohere command-a-reasoning-08-2025", "reasoning", true },
    } do
      assert.equal(case[3], params[case[1]]:find(" " .. case[2] .. " ", 1, true) ~= nil, case[1] .. " " .. case[2])
    end
  end)

  it("lists with one provider what that one serves, and nothing else", function()
    local few = core.json.decode(shipped.text("tidegate:shipped", { { slug = "cerebras" } }))
    assert.is_true(#few.data > 0 and #few.data < 20)
    for _, model in ipairs(few.data) do assert.equal(1, #model.endpoints) end
  end)
end)

describe("the built-in providers", function()
  it("openai's models that one path alone serves are those that LiteLLM's list says so of", function()
    local data = os.getenv "TIDEGATE_TEST_DATA"
    if not data or data == "" then return pending "TIDEGATE_TEST_DATA is not set" end
    local list = core.json.decode(assert(core.read_file(data .. "/catalogs/litellm/model_prices_and_context_window.json")))
    local function alone(model)
      for pattern, wire in pairs(builtin.find "openai".wire_of) do
        if model:find("^" .. pattern:gsub("%-", "%%-"):gsub("%*", ".*") .. "$") then return wire end
      end
    end
    local seen = {}
    for name, row in pairs(list) do
      local at = {}
      for _, path in ipairs(row.litellm_provider == "openai" and row.supported_endpoints or {}) do at[path] = true end
      local want = at["/v1/responses"] and not at["/v1/chat/completions"] and "openai-responses"
        or at["/v1/chat/completions"] and not at["/v1/responses"] and "openai-chat" or nil
      if want then
        assert.equal(want, alone(name), name)
        seen[want] = (seen[want] or 0) + 1
      end
    end
    assert.is_true(seen["openai-responses"] > 10 and seen["openai-chat"] > 0)
    for _, model in ipairs { "gpt-5", "gpt-5.5-2026-04-23", "gpt-4o", "o3", "gpt-5.4-mini" } do assert.is_nil(alone(model)) end
  end)

  for _, slug in ipairs(builtin.slugs) do
    it(slug .. " is complete", function()
      local p = builtin.find(slug)
      assert.equal(slug, p.slug)
      assert.is_string(p.name)
      assert.is_table(wires.find(p.wire))
      assert.is_true(core.is_url(p.base_url))
      for wire, address in pairs(p.addresses or {}) do
        assert.is_table(wires.find(wire))
        assert.not_equal(p.wire, wire)
        assert.is_true(core.is_url(address))
      end
      for _, wire in ipairs(p.also or {}) do assert.is_string(p.addresses[wire]) end
      for _, wire in pairs(p.wire_of or {}) do assert.is_table(wires.find(wire)) end
      assert.is_true(p.env ~= nil or p.key == false, "neither a variable nor keyless")
      assert.is_true(p.data_collection == "deny" or p.data_collection == "allow")
      assert.is_boolean(p.zdr)
      -- Whoever keeps nothing at all does not collect.
      if p.zdr then assert.equal("deny", p.data_collection) end
    end)
  end
end)
