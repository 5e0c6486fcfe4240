--- Members of a catalogue that look like a known one written wrongly.
--
-- A catalogue may hold anything, so an unknown member is no mistake; one that is
-- a letter or two away from a known one probably is.

local core = require "tidegate.core"
local near = require "tidegate.base.near"
local set  = require "tidegate.base.set"

local MOST = 20        -- notes for one file

-- What is read here, and what OpenRouter lists beside it.
local MODEL = {
  "id", "canonical_slug", "name", "created", "description", "context_length", "architecture", "pricing",
  "top_provider", "supported_parameters", "per_request_limits", "default_parameters", "hugging_face_id",
  "knowledge_cutoff", "expiration_date", "supported_voices", "links", "reasoning", "benchmarks",
  "alias_target", "distillable", "endpoints",
}

local ENDPOINT = {
  "provider", "provider_name", "upstream_model", "tag", "name", "model_id", "model_name", "pricing",
  "context_length", "max_prompt_tokens", "max_completion_tokens", "supported_parameters",
  "supports_tool_choice", "supports_implicit_caching", "architecture", "quantization", "status",
  "data_collection", "zdr", "distillable", "uptime_last_30m", "uptime_last_5m", "uptime_last_1d",
  "latency_last_30m", "throughput_last_30m",
}

local PRICING = {
  "prompt", "completion", "request", "image", "image_token", "image_output", "web_search",
  "internal_reasoning", "input_cache_read", "input_cache_write", "input_cache_write_1h",
  "input_audio_cache", "audio", "audio_output", "discount", "overrides",
}

local KNOWN = { [MODEL] = set(MODEL), [ENDPOINT] = set(ENDPOINT), [PRICING] = set(PRICING) }

local function is_table(value)
  return type(value) == "table"
end

-- Each suspicious member once: { name = meant }.
local function look(found, names, object)
  if not is_table(object) then return end
  for name in pairs(object) do
    if type(name) == "string" and not KNOWN[names][name] and found[name] == nil then
      found[name] = near(names, name) or false
    end
  end
end

local function look_at_model(found, model)
  look(found, MODEL, model)
  look(found, PRICING, model.pricing)
  for _, endpoint in ipairs(is_table(model.endpoints) and model.endpoints or {}) do
    look(found, ENDPOINT, endpoint)
    look(found, PRICING, is_table(endpoint) and endpoint.pricing)
  end
end

-- The line where a member's name first stands as one.
local function line_of(text, name)
  local quoted = '"' .. name:gsub("%p", "%%%0") .. '"%s*:'
  return select(2, text:sub(1, text:find(quoted) or 1):gsub("\n", "")) + 1
end

--- @tparam string text  a catalogue that was read without a mistake
-- @tparam string path  as it is told to people
-- @treturn table  notes, in the order of their lines
return function(text, path)
  local decoded, found, notes = core.json.decode(text), {}, {}
  local data = decoded.data
  for _, model in ipairs(data[1] and data or { data }) do look_at_model(found, model) end
  for name, meant in pairs(found) do
    if meant then notes[#notes + 1] = { line = line_of(text, name), name = name, meant = meant } end
  end
  table.sort(notes, function(a, b)
    if a.line ~= b.line then return a.line < b.line end
    return a.name < b.name
  end)
  local out = {}
  for i = 1, math.min(#notes, MOST) do
    out[i] = ('%s:%d: "%s" is not read, did you mean "%s"?'):format(path, notes[i].line, notes[i].name, notes[i].meant)
  end
  return out
end
