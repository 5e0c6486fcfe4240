--- models.dev to a catalogue: its api.json, or rows of provider x model, one JSON
-- object a line.

local decimal = require "tidegate.base.decimal"
local gather  = require "tidegate.catalog.gather"

local import = {}

local SLUGS = {
  togetherai = "together", ["fireworks-ai"] = "fireworks", google = "google-ai-studio",
  ["google-vertex-anthropic"] = "google-vertex",
}

-- Dollars per million tokens there, dollars per token here.
local PRICES = {
  prompt = "input", completion = "output", input_cache_read = "cache_read", input_cache_write = "cache_write",
  internal_reasoning = "reasoning", audio = "input_audio", audio_output = "output_audio",
}

local MODALITIES = { text = "text", image = "image", pdf = "file", audio = "audio", video = "video" }

local function is_table(value) return type(value) == "table" end

local function prices_of(cost, needs_all)
  local prices = {}
  for name, field in pairs(PRICES) do
    local value = cost[field]
    local price = (type(value) == "number" or type(value) == "string") and decimal.shifted(value, -6)
    if price and price:sub(1, 1) ~= "-" and (price ~= "0" or name == "prompt" or name == "completion") then
      prices[name] = price
    end
  end
  if needs_all then
    prices.prompt, prices.completion = prices.prompt or "0", prices.completion or "0"
  end
  return prices
end

local function pricing_of(cost)
  local pricing, overrides = prices_of(cost, true), {}
  for _, tier in ipairs(is_table(cost.tiers) and cost.tiers or {}) do
    local size = is_table(tier.tier) and tonumber(tier.tier.size)
    if size then
      overrides[#overrides + 1] = prices_of(tier)
      overrides[#overrides].min_prompt_tokens = size
    end
  end
  if is_table(cost.context_over_200k) then
    overrides[#overrides + 1] = prices_of(cost.context_over_200k)
    overrides[#overrides].min_prompt_tokens = 200000
  end
  pricing.overrides = overrides[1] and overrides or nil
  return pricing
end

local function modality_list(given)
  local list, seen = {}, {}
  for _, word in ipairs(is_table(given) and given or {}) do
    local known = MODALITIES[word]
    if known and not seen[known] then
      list[#list + 1], seen[known] = known, true
    end
  end
  return list[1] and list or { "text" }
end

local function architecture_of(row)
  local modalities = is_table(row.modalities) and row.modalities or {}
  local inputs, outputs = modality_list(modalities.input), modality_list(modalities.output)
  if row.model_id:find("embed", 1, true) then outputs = { "embeddings" } end
  return { modality = table.concat(inputs, "+") .. "->" .. table.concat(outputs, "+"),
           input_modalities = inputs, output_modalities = outputs }
end

local function parameters_of(row)
  local list = { "top_p", "frequency_penalty", "presence_penalty", "max_tokens", "max_completion_tokens",
                 "logit_bias", "logprobs", "top_logprobs", "seed", "stop", "response_format" }
  if row.temperature ~= false then table.insert(list, 1, "temperature") end
  if row.tool_call == true then
    for _, name in ipairs { "tools", "tool_choice", "parallel_tool_calls" } do list[#list + 1] = name end
  end
  if row.structured_output == true then list[#list + 1] = "structured_outputs" end
  if row.reasoning == true then list[#list + 1] = "reasoning_effort" end
  return list
end

-- "2025-04-14" as Unix seconds, UTC; days since 1970 by Howard Hinnant's way.
local function seconds_of(date)
  local y, m, d = tostring(date or ""):match("^(%d%d%d%d)%-(%d%d)%-?(%d?%d?)$")
  if not y then return nil end
  y, m, d = tonumber(y), tonumber(m), tonumber(d) or 1
  if m <= 2 then y = y - 1 end
  local era = math.floor(y / 400)
  local yoe = y - era * 400
  local doy = math.floor((153 * (m + (m > 2 and -3 or 9)) + 2) / 5) + d - 1
  local doe = yoe * 365 + math.floor(yoe / 4) - math.floor(yoe / 100) + doy
  return (era * 146097 + doe - 719468) * 86400
end

local function positive(value)
  local n = tonumber(value)
  return n and n > 0 and n or nil
end

local function add_row(g, row, only)
  local slug = SLUGS[row.provider_id] or row.provider_id
  if only and not only[slug] or not is_table(row.cost) or row.status == "deprecated" then return end
  local limit = is_table(row.limit) and row.limit or {}
  local context = positive(limit.context)
  local id = row.base_model or gather.id(slug, row.model_id)
  g:add({ id = gather.id(slug, id), name = type(row.name) == "string" and row.name or row.model_id,
          created = seconds_of(row.release_date), context_length = context,
          architecture = architecture_of(row) }, {
    provider = slug, upstream_model = row.model_id, pricing = pricing_of(row.cost), context_length = context,
    max_prompt_tokens = positive(limit.input),
    max_completion_tokens = positive(limit.output), supported_parameters = parameters_of(row),
  })
end

-- api.json: { provider = { models = { id = row } } }.
local function rows_of(decoded)
  if decoded[1] ~= nil then return decoded end
  local rows = {}
  for provider, about in pairs(decoded) do
    if not is_table(about) or not is_table(about.models) then return nil end
    for id, row in pairs(about.models) do
      row.provider_id, row.model_id = provider, id
      rows[#rows + 1] = row
    end
  end
  return rows
end

--- @tparam table decoded  api.json, or the list of rows
-- @tparam ?table only  slugs of the providers that are wanted, as a set
-- @treturn ?table  a catalogue
-- @treturn ?string  why it is none
function import.convert(decoded, only)
  local rows = is_table(decoded) and rows_of(decoded)
  if not rows then return nil, "not models.dev's api.json: providers with \"models\" expected" end
  for i, row in ipairs(rows) do
    if not is_table(row) or type(row.provider_id) ~= "string" or type(row.model_id) ~= "string" then
      return nil, ('row %d has no "provider_id" and "model_id": provider_models.jsonl is the file '
        .. "that says who serves a model and at what price"):format(i)
    end
  end
  table.sort(rows, function(a, b)
    if a.provider_id ~= b.provider_id then return a.provider_id < b.provider_id end
    return a.model_id < b.model_id
  end)
  local g = gather.new()
  for _, row in ipairs(rows) do add_row(g, row, only) end
  return g:catalog()
end

return import
