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

  it("lists with one provider what that one serves, and nothing else", function()
    local few = core.json.decode(shipped.text("tidegate:shipped", { { slug = "cerebras" } }))
    assert.is_true(#few.data > 0 and #few.data < 20)
    for _, model in ipairs(few.data) do assert.equal(1, #model.endpoints) end
  end)
end)

describe("the built-in providers", function()
  for _, slug in ipairs(builtin.slugs) do
    it(slug .. " is complete", function()
      local p = builtin.find(slug)
      assert.equal(slug, p.slug)
      assert.is_string(p.name)
      assert.is_table(wires.find(p.wire))
      assert.is_true(core.is_url(p.base_url))
      assert.is_true(p.env ~= nil or p.key == false, "neither a variable nor keyless")
      assert.is_true(p.data_collection == "deny" or p.data_collection == "allow")
      assert.is_boolean(p.zdr)
      -- Whoever keeps nothing at all does not collect.
      if p.zdr then assert.equal("deny", p.data_collection) end
    end)
  end
end)
