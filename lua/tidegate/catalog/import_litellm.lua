--- LiteLLM's model_prices_and_context_window.json to a catalogue.
--
-- One entry there is one model at one provider. Its price is a float per token;
-- here it is the decimal that was meant. Models are put together by name, so
-- the same weights under two names stay two models.

local decimal = require "tidegate.base.decimal"
local gather  = require "tidegate.catalog.gather"

local import = {}

-- Providers that are called otherwise here; the rest with - for _.
local SLUGS = {
  together_ai = "together", fireworks_ai = "fireworks", ["fireworks_ai-embedding-models"] = "fireworks",
  ["text-completion-openai"] = "openai", cohere_chat = "cohere", azure_ai = "azure-ai",
  gemini = "google-ai-studio", bedrock = "amazon-bedrock", bedrock_converse = "amazon-bedrock",
  ["vertex_ai-language-models"] = "google-vertex", ["vertex_ai-embedding-models"] = "google-vertex",
  ["vertex_ai-anthropic_models"] = "google-vertex",
}

local MODES = { chat = "text", completion = "text", embedding = "embeddings" }

local PRICES = {
  prompt = "input_cost_per_token", completion = "output_cost_per_token",
  input_cache_read = "cache_read_input_token_cost", input_cache_write = "cache_creation_input_token_cost",
  input_cache_write_1h = "cache_creation_input_token_cost_above_1hr",
  audio = "input_cost_per_audio_token", audio_output = "output_cost_per_audio_token",
  internal_reasoning = "output_cost_per_reasoning_token", image = "input_cost_per_image",
  request = "input_cost_per_request",
}

-- Sampling words that nearly everybody takes; what is flagged comes on top.
local COMMON = {
  "temperature", "top_p", "frequency_penalty", "presence_penalty", "max_tokens", "max_completion_tokens",
  "logit_bias", "logprobs", "top_logprobs", "seed", "stop",
}

local FLAGGED = {
  { "supports_function_calling", { "tools" } },
  { "supports_tool_choice", { "tool_choice" } },
  { "supports_parallel_function_calling", { "parallel_tool_calls" } },
  { "supports_response_schema", { "response_format", "structured_outputs" } },
  { "supports_reasoning", { "reasoning_effort" } },
  { "supports_web_search", { "web_search_options" } },
}

local INPUTS = {
  { "supports_vision", "image" }, { "supports_pdf_input", "file" }, { "supports_audio_input", "audio" },
  { "supports_video_input", "video" },
}

local function price_of(value)
  if type(value) ~= "number" and type(value) ~= "string" then return nil end
  local text = decimal.text(value)
  return text and text:sub(1, 1) ~= "-" and text or nil
end

-- "..._above_200k_tokens" holds for prompts beyond 200,000 tokens.
local function overrides_of(entry)
  local by_size, sizes = {}, {}
  for key, value in pairs(entry) do
    for name, field in pairs(PRICES) do
      local size = type(key) == "string" and key:sub(1, #field) == field
        and tonumber(key:sub(#field + 1):match("^_above_(%d+)k_tokens$"))
      if size and price_of(value) then
        if not by_size[size] then
          by_size[size] = { min_prompt_tokens = size * 1000 }
          sizes[#sizes + 1] = size
        end
        by_size[size][name] = price_of(value)
      end
    end
  end
  table.sort(sizes)
  local out = {}
  for i, size in ipairs(sizes) do out[i] = by_size[size] end
  return out[1] and out or nil
end

local function pricing_of(entry)
  local pricing = {}
  for name, field in pairs(PRICES) do
    local price = price_of(entry[field])
    if price and (price ~= "0" or name == "prompt" or name == "completion") then pricing[name] = price end
  end
  local search = entry.search_context_cost_per_query
  pricing.web_search = type(search) == "table" and price_of(search.search_context_size_medium) or nil
  pricing.prompt, pricing.completion = pricing.prompt or "0", pricing.completion or "0"
  pricing.overrides = overrides_of(entry)
  return pricing
end

local function parameters_of(entry)
  local list = {}
  for i, name in ipairs(COMMON) do list[i] = name end
  for _, flag in ipairs(FLAGGED) do
    if entry[flag[1]] == true then
      for _, name in ipairs(flag[2]) do list[#list + 1] = name end
    end
  end
  return list
end

local function architecture_of(entry)
  local inputs = { "text" }
  for _, pair in ipairs(INPUTS) do
    if entry[pair[1]] == true then inputs[#inputs + 1] = pair[2] end
  end
  local output = MODES[entry.mode]
  return { modality = table.concat(inputs, "+") .. "->" .. output, input_modalities = inputs,
           output_modalities = { output } }
end

local function positive(value)
  local n = tonumber(value)
  return n and n > 0 and n % 1 == 0 and n or nil
end

-- The provider's name of "groq/llama-3.3-70b-versatile" and of "vertex_ai/claude-sonnet-4-5", whose provider is
-- "vertex_ai-anthropic_models".
local function upstream_of(name, provider)
  for _, prefix in ipairs { provider .. "/", (provider:match "^[^%-]+") .. "/" } do
    if name:sub(1, #prefix) == prefix then return name:sub(#prefix + 1) end
  end
  return name
end

--- @tparam table decoded  the file
-- @tparam ?table only  slugs of the providers that are wanted, as a set
-- @treturn ?table  a catalogue
-- @treturn ?string  why it is none
function import.convert(decoded, only)
  if type(decoded) ~= "table" or decoded[1] ~= nil or decoded.data then
    return nil, "not LiteLLM's table of models: an object of entries by name expected"
  end
  local names, g = {}, gather.new()
  for name, entry in pairs(decoded) do
    if type(entry) == "table" and name ~= "sample_spec" and MODES[entry.mode] and entry.litellm_provider then
      names[#names + 1] = name
    end
  end
  table.sort(names)
  for _, name in ipairs(names) do
    local entry = decoded[name]
    local slug = SLUGS[entry.litellm_provider] or entry.litellm_provider:gsub("_", "-")
    local upstream = upstream_of(name, entry.litellm_provider)
    -- The table has an entry for all of a provider's models that it does not list, and Bedrock's once more by region.
    local is_model = upstream:sub(-1) ~= "/" and not (slug == "amazon-bedrock" and upstream:find("/", 1, true))
    if is_model and (not only or only[slug]) then
      g:add({ id = gather.id(slug, upstream), name = upstream, architecture = architecture_of(entry),
              context_length = positive(entry.max_input_tokens) or positive(entry.max_tokens) }, {
        provider = slug, upstream_model = upstream, pricing = pricing_of(entry),
        context_length = positive(entry.max_input_tokens) or positive(entry.max_tokens),
        max_completion_tokens = MODES[entry.mode] == "text" and positive(entry.max_output_tokens) or nil,
        supported_parameters = MODES[entry.mode] == "text" and parameters_of(entry) or nil,
      })
    end
  end
  return g:catalog()
end

return import
