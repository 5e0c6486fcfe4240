local core  = require "tidegate.core"
local write = require "tidegate.catalog.write"

local json = core.json

local function import(format, value, only)
  return require("tidegate.catalog.import_" .. format).convert(value, only)
end

-- Does the core take it, all endpoints included?
local function load(catalog)
  local seen, providers = {}, {}
  for _, model in ipairs(catalog.data) do
    for _, endpoint in ipairs(model.endpoints) do
      if not seen[endpoint.provider] then
        seen[endpoint.provider] = true
        providers[#providers + 1] = { slug = endpoint.provider, base_url = "https://x.test/v1" }
      end
    end
  end
  local c = assert(core.catalog.new(providers))
  assert(c:add(write(catalog), "imported.json"))
  assert(c:seal())
  return c
end

describe("tidegate.catalog.import_litellm", function()
  local catalog = import("litellm", {
    sample_spec = { litellm_provider = "x", mode = "chat" },
    ["gpt-x"] = { litellm_provider = "openai", mode = "chat", input_cost_per_token = 2.5e-07,
      output_cost_per_token = 4.9999999999999998e-08, input_cost_per_token_above_200k_tokens = 5e-07,
      max_input_tokens = 1000, max_output_tokens = 100, supports_vision = true, supports_function_calling = true },
    ["groq/openai/gpt-oss"] = { litellm_provider = "groq", mode = "chat", input_cost_per_token = 1e-6 },
    ["together_ai/openai/gpt-oss"] = { litellm_provider = "together_ai", mode = "chat", input_cost_per_token = 2e-6 },
    ["dall-e"] = { litellm_provider = "openai", mode = "image_generation" },
  })

  it("takes models that talk, under ids with an author, and no others", function()
    assert.equal(2, #catalog.data)
    assert.equal("openai/gpt-oss", catalog.data[1].id)
    assert.equal("openai/gpt-x", catalog.data[2].id)
  end)

  it("writes the decimals that the floats meant", function()
    local pricing = catalog.data[2].endpoints[1].pricing
    assert.equal("0.00000025", pricing.prompt)
    assert.equal("0.00000005", pricing.completion)
    assert.same({ { min_prompt_tokens = 200000, prompt = "0.0000005" } }, pricing.overrides)
  end)

  it("puts providers of one model together, with their own names of it", function()
    local endpoints = catalog.data[1].endpoints
    assert.same({ "groq", "together" }, { endpoints[1].provider, endpoints[2].provider })
    assert.equal("openai/gpt-oss", endpoints[1].upstream_model)
  end)

  it("takes only the providers that are asked for", function()
    local few = import("litellm", { a = { litellm_provider = "openai", mode = "chat" },
      b = { litellm_provider = "groq", mode = "chat" } }, { groq = true })
    assert.equal(1, #few.data)
  end)

  it("loads", function() load(catalog) end)

  it("calls clouds and their models as this program does", function()
    local function e(provider) return { litellm_provider = provider, mode = "chat", max_tokens = 1,
      input_cost_per_token = 1, output_cost_per_token = 1 } end
    local seen = {}
    for _, model in ipairs(import("litellm", {
      ["anthropic.claude-x-v1:0"] = e "bedrock_converse", ["bedrock/eu-west-1/anthropic.claude-x-v1:0"] = e "bedrock",
      ["vertex_ai/claude-x@1"] = e "vertex_ai-anthropic_models", ["gemini-x"] = e "vertex_ai-language-models",
      ["gemini/gemini-y"] = e "gemini", ["azure/gpt-x"] = e "azure", ["command-x"] = e "cohere_chat",
    }).data) do
      seen[model.endpoints[1].upstream_model] = model.endpoints[1].provider
    end
    assert.same({ ["anthropic.claude-x-v1:0"] = "amazon-bedrock", ["claude-x@1"] = "google-vertex",
      ["gemini-x"] = "google-vertex", ["gemini-y"] = "google-ai-studio", ["gpt-x"] = "azure", ["command-x"] = "cohere" }, seen)
  end)

  it("refuses what is something else", function()
    assert.is_nil(import("litellm", { data = {} }))
    assert.is_nil(import("litellm", { 1, 2 }))
  end)
end)

describe("tidegate.catalog.import_models_dev", function()
  local rows = { {
    provider_id = "openai", model_id = "gpt-x", name = "GPT X", release_date = "2025-04-14", tool_call = true,
    cost = { input = 0.15, output = 0.6, cache_read = 0.075,
             tiers = { { tier = { size = 272000 }, input = 0.3, output = 1.2 } } },
    limit = { context = 1000, output = 100 }, modalities = { input = { "text", "pdf" }, output = { "text" } },
  } }

  it("turns dollars per million tokens into dollars per token", function()
    local model = import("models_dev", rows).data[1]
    assert.same({ prompt = "0.00000015", completion = "0.0000006", input_cache_read = "0.000000075",
      overrides = { { min_prompt_tokens = 272000, prompt = "0.0000003", completion = "0.0000012" } } },
      model.endpoints[1].pricing)
    assert.equal(1744588800, model.created)
    assert.equal("text+file->text", model.architecture.modality)
  end)

  it("reads api.json as well as rows", function()
    local api = { openai = { models = { ["gpt-x"] = { cost = { input = 1, output = 2 } } } } }
    assert.equal("openai/gpt-x", import("models_dev", api).data[1].id)
  end)

  it("loads", function() load(import("models_dev", rows)) end)

  it("refuses what is something else", function()
    assert.is_nil(import("models_dev", { { name = "x" } }))
    assert.is_nil(import("models_dev", { openai = 1 }))
  end)
end)

describe("tidegate.catalog.import_openrouter", function()
  it("gives each model of a list the one endpoint there is", function()
    local catalog = import("openrouter", json.decode [[{"data": [{"id": "a/b", "pricing": {"prompt": "1e-6",
      "completion": "0"}, "top_provider": {"context_length": 10, "max_completion_tokens": null}}]}]])
    assert.same({ { provider = "openrouter", upstream_model = "a/b", context_length = 10 } }, catalog.data[1].endpoints)
    load(catalog)
  end)

  it("gives the endpoints of one model their providers", function()
    local catalog = import("openrouter", json.decode [[{"data": {"id": "a/b", "name": "B", "endpoints": [
      {"tag": "deepinfra/turbo", "provider_name": "DeepInfra", "uptime_last_30m": 99.1, "pricing": {"prompt": "0.1",
       "completion": "0.1"}, "status": 0}]}}]])
    local endpoint = catalog.data[1].endpoints[1]
    assert.equal("deepinfra", endpoint.provider)
    assert.is_nil(endpoint.uptime_last_30m)
    load(catalog)
  end)

  it("refuses what is something else", function()
    assert.is_nil(import("openrouter", { models = {} }))
    assert.is_nil(import("openrouter", { data = { { id = "no-slash" } } }))
  end)
end)

describe("tidegate.catalog.write", function()
  it("gives the same text for the same catalogue, and text that reads back", function()
    local value = { data = { { id = "a/b", endpoints = {}, created = 12345678901, name = "q\"\n\\" } } }
    assert.equal(write(value), write(json.decode(write(value))))
  end)
end)

describe("real lists", function()
  local data = os.getenv "TIDEGATE_TEST_DATA"
  if data == "" then data = nil end

  local function decoded(path)
    local value = json.decode((assert(core.read_file(data .. "/catalogs/" .. path))))
    return value
  end

  for _, case in ipairs {
    { "openrouter", "openrouter/models.2026-08.rig-cassette.json", 413 },
    { "openrouter", "openrouter/models.2025-12-31.chatlas-cassette.json", 353 },
    { "litellm", "litellm/model_prices_and_context_window.json", 1000 },
    { "litellm", "litellm/model_prices.2025-09-01.json", 700 },
  } do
    it(case[2] .. " converts and loads whole", function()
      if not data then
        pending "TIDEGATE_TEST_DATA is not set"
        return
      end
      local c = load(assert(import(case[1], decoded(case[2]))))
      assert.is_true((c:count()) >= case[3])
    end)
  end

  it("models.dev's rows convert and load whole", function()
    if not data then
      pending "TIDEGATE_TEST_DATA is not set"
      return
    end
    local rows = {}
    for line in io.lines(data .. "/catalogs/models.dev/provider_models.jsonl") do
      rows[#rows + 1] = json.decode(line)
    end
    local c = load(assert(import("models_dev", rows)))
    assert.is_true(select(2, c:count()) > 4000)
  end)
end)
