--- OpenRouter's answers to catalogues: GET /models, and GET
-- /models/{author}/{slug}/endpoints.
--
-- The shape is ours already. Of a list of models each gets one endpoint, served
-- by the provider `openrouter`; of an endpoints listing each endpoint gets its
-- provider from its tag, and the operator fills in the provider's own name of
-- the model where it is another.

local import = {}

local function is_absent(value)
  return value == nil or type(value) == "userdata"
end

-- "deepinfra/turbo" is of the provider deepinfra.
local function provider_of(endpoint)
  local tag = endpoint.tag or endpoint.provider_name or "openrouter"
  return (tag:lower():gsub("/.*$", ""):gsub("%s", "-"))
end

local ENDPOINT_DROPPED = {
  "model_id", "model_name", "provider_name", "uptime_last_5m", "uptime_last_30m", "uptime_last_1d",
  "latency_last_30m", "throughput_last_30m", "name", "perf_last_30m_by_workload",
}

local function with_endpoints(model)
  for _, endpoint in ipairs(model.endpoints) do
    endpoint.provider = endpoint.provider or provider_of(endpoint)
    endpoint.upstream_model = endpoint.upstream_model or model.id
    for _, name in ipairs(ENDPOINT_DROPPED) do endpoint[name] = nil end
  end
  return model
end

local function from_listing(model)
  if type(model.endpoints) == "table" then return with_endpoints(model) end
  local top = type(model.top_provider) == "table" and model.top_provider or {}
  model.endpoints = { {
    provider = "openrouter", upstream_model = model.id,
    context_length = not is_absent(top.context_length) and top.context_length or nil,
    max_completion_tokens = not is_absent(top.max_completion_tokens) and top.max_completion_tokens or nil,
  } }
  return model
end

--- @tparam table decoded  the answer
-- @treturn ?table  a catalogue
-- @treturn ?string  why it is none
function import.convert(decoded)
  local data = type(decoded) == "table" and decoded.data
  if type(data) ~= "table" then return nil, "no \"data\": this is no answer of OpenRouter's API" end
  local models = data.id and { data } or data
  local out = {}
  for i, model in ipairs(models) do
    if type(model) ~= "table" or type(model.id) ~= "string" or not model.id:find("/", 1, true) then
      return nil, ("entry %d is no model of the public API: its \"id\" is no author/slug"):format(i)
    end
    out[i] = from_listing(model)
  end
  return { data = out }
end

return import
