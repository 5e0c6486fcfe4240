--- Models, endpoints and providers as the contract's JSON (section 7).
--
-- What the operator wrote is handed out byte for byte; what a catalogue lacks
-- and the contract requires is filled in. Knows nothing of requests.

local core    = require "tidegate.core"
local decimal = require "tidegate.base.decimal"

local json, null = core.json, core.json.null

local shapes = {}

-- Keys of a catalogue that are ours, or the operator's own business.
local MODEL_PRIVATE = { endpoints = true }

local MODEL_ORDER = {
  "id", "canonical_slug", "hugging_face_id", "name", "created", "description", "context_length",
  "architecture", "pricing", "top_provider", "per_request_limits", "supported_parameters",
  "default_parameters", "supported_voices", "knowledge_cutoff", "expiration_date", "links",
}

local ENDPOINT_ORDER = {
  "name", "model_id", "model_name", "context_length", "pricing", "provider_name", "tag", "quantization",
  "max_completion_tokens", "max_prompt_tokens", "supported_parameters", "status", "uptime_last_5m",
  "uptime_last_30m", "uptime_last_1d", "supports_implicit_caching", "supports_voice_cloning",
  "supports_tool_choice", "latency_last_30m", "throughput_last_30m",
}

-- A given member that is not null.
local function given_value(given, name)
  local raw = given[name]
  if raw and tostring(raw) ~= "null" then return raw end
end

-- ---- prices ----

local NUMBERS = { discount = true, min_prompt_tokens = true, utc_start = true, utc_end = true }

-- The contract's prices are strings; catalogues may have numbers.
local function price_text(name, raw)
  local text = tostring(raw)
  if NUMBERS[name] or not text:find("^%-?%d") then return raw end
  return decimal.text(text)
end

local function pricing_of(raw)
  local members, names = json.split(tostring(raw))
  if not members then return raw end
  local out = {}
  for _, name in ipairs(names) do
    if name == "overrides" then
      local list = json.array()
      for i, override in ipairs(json.elements(tostring(members[name])) or {}) do list[i] = pricing_of(override) end
      out[name] = list
    else
      out[name] = price_text(name, members[name])
    end
  end
  return json.ordered(out, names)
end

-- Of a model or endpoint without a price list: what it costs all the same.
local function pricing_from(priced)
  local own = json.split(priced.raw).pricing
  if own and tostring(own) ~= "null" then return pricing_of(own) end
  return json.ordered({ prompt = decimal.text(priced.prompt_price),
    completion = decimal.text(priced.completion_price) }, { "prompt", "completion" })
end

-- ---- models ----

local function cheapest(model)
  local best
  for _, endpoint in ipairs(model.endpoints) do
    if not best or endpoint.prompt_price + endpoint.completion_price
        < best.prompt_price + best.completion_price then
      best = endpoint
    end
  end
  return best or model
end

local function largest(model, name)
  local most = 0
  for _, endpoint in ipairs(model.endpoints) do most = math.max(most, endpoint[name]) end
  return most > 0 and most or nil
end

local ARCHITECTURE_ORDER = { "modality", "input_modalities", "output_modalities", "tokenizer", "instruct_type" }

local function modality_list(half)
  local list = json.array()
  for word in half:gmatch("[^+]+") do list[#list + 1] = word end
  return list
end

-- "text+image->text" and the two lists say the same; either may be absent.
local function architecture_of(given)
  local a = given and json.split(tostring(given)) or {}
  local arrow = a.modality and json.decode(tostring(a.modality))
  local into, out = tostring(arrow or ""):match("^(.-)%->(.*)$")
  local inputs = given_value(a, "input_modalities") or modality_list(into or "text")
  local outputs = given_value(a, "output_modalities") or modality_list(out or "text")
  local function joined(list)
    return table.concat(json.is_raw(list) and json.decode(tostring(list)) or list, "+")
  end
  return json.ordered({
    modality = given_value(a, "modality") or joined(inputs) .. "->" .. joined(outputs),
    input_modalities = inputs, output_modalities = outputs,
    tokenizer = given_value(a, "tokenizer") or "Other", instruct_type = a.instruct_type or null,
  }, ARCHITECTURE_ORDER)
end

local function top_provider_of(model)
  local first = model.endpoints[1]
  local top = {
    context_length = first and first.context_length > 0 and first.context_length or null,
    max_completion_tokens = first and first.max_completion_tokens > 0 and first.max_completion_tokens or null,
    is_moderated = false,
  }
  return json.ordered(top, { "context_length", "max_completion_tokens", "is_moderated" })
end

local function with_rest(out, order, given, names, private)
  local all, seen = {}, {}
  for _, name in ipairs(order) do
    all[#all + 1], seen[name] = name, true
  end
  for _, name in ipairs(names) do
    if not seen[name] and not private[name] then
      all[#all + 1], seen[name] = name, true
      out[name] = given[name]
    end
  end
  return json.ordered(out, all)
end

--- The Model object. `model` is what catalog:model() gives.
function shapes.model(model)
  local given, names = json.split(model.raw)
  local context = model.context_length > 0 and model.context_length or largest(model, "context_length")
  local out = {
    id = model.id, canonical_slug = model.canonical_slug, name = model.name,
    created = given_value(given, "created") or 0,
    hugging_face_id = given.hugging_face_id, description = given.description,
    context_length = given_value(given, "context_length") or context or null,
    architecture = architecture_of(given_value(given, "architecture")),
    pricing = given_value(given, "pricing") and pricing_of(given.pricing) or pricing_from(cheapest(model)),
    top_provider = given_value(given, "top_provider") or top_provider_of(model),
    per_request_limits = given.per_request_limits or null,
    supported_parameters = given_value(given, "supported_parameters") or json.array(model.parameters),
    default_parameters = given.default_parameters or null,
    supported_voices = given.supported_voices or null,
    knowledge_cutoff = given.knowledge_cutoff, expiration_date = given.expiration_date,
    links = given_value(given, "links") or { details = "/api/v1/models/" .. model.canonical_slug .. "/endpoints" },
  }
  return with_rest(out, MODEL_ORDER, given, names, MODEL_PRIVATE)
end

-- ---- endpoints ----

local function percent(share)
  return share and math.floor(share * 1e5 + 0.5) / 1e3 or null
end

local function quantiles(q)
  return q and json.ordered(q, { "p50", "p75", "p90", "p99" }) or null
end

local function positive(n)
  return n > 0 and n or null
end

--- What of an endpoint does not change with traffic.
function shapes.endpoint(endpoint, model)
  local given, names = json.split(endpoint.raw)
  local of_model = json.split(model.raw)
  local pricing = given_value(given, "pricing") or given_value(of_model, "pricing")
  local c = endpoint.tool_choices
  local out = {
    name = given_value(given, "name") or endpoint.provider_name .. " | " .. model.canonical_slug,
    model_id = model.id, model_name = model.name,
    context_length = given_value(given, "context_length") or endpoint.context_length,
    pricing = pricing and pricing_of(pricing) or pricing_from(endpoint),
    provider_name = endpoint.provider_name, tag = endpoint.tag, quantization = endpoint.quantization,
    max_completion_tokens = positive(endpoint.max_completion_tokens),
    max_prompt_tokens = positive(endpoint.max_prompt_tokens),
    supported_parameters = given_value(given, "supported_parameters") or json.array(endpoint.parameters),
    status = endpoint.status,
    supports_implicit_caching = endpoint.implicit_caching,
    supports_voice_cloning = given_value(given, "supports_voice_cloning") or false,
    supports_tool_choice = json.ordered({ auto = c.auto, ["function"] = c["function"], none = c.none,
      required = c.required }, { "auto", "function", "none", "required" }),
  }
  return out, given, names
end

-- Ours: which provider, what it calls the model, what it does with the data.
local ENDPOINT_PRIVATE = {
  provider = true, upstream_model = true, data_collection = true, zdr = true, region = true,
}

--- The PublicEndpoint object. `live` is what catalog:live() gives for it;
-- latency and throughput are shown to those who are known.
function shapes.public_endpoint(endpoint, model, live, is_known)
  local out, given, names = shapes.endpoint(endpoint, model)
  out.uptime_last_5m = percent(live.uptime_5m)
  out.uptime_last_30m = percent(live.uptime_30m)
  out.uptime_last_1d = percent(live.uptime_1d)
  out.latency_last_30m = quantiles(is_known and live.latency_ms)
  out.throughput_last_30m = quantiles(is_known and live.throughput)
  return with_rest(out, ENDPOINT_ORDER, given, names, ENDPOINT_PRIVATE)
end

--- The model around its endpoints, for GET /models/{author}/{slug}/endpoints.
function shapes.model_of_endpoints(model, endpoints)
  local given = json.split(model.raw)
  return json.ordered({
    id = model.id, name = model.name, created = given_value(given, "created") or 0,
    description = given_value(given, "description") or "",
    architecture = architecture_of(given_value(given, "architecture")),
    endpoints = endpoints,
  }, { "id", "name", "created", "description", "architecture", "endpoints" })
end

-- ---- providers ----

local PROVIDER_ORDER = {
  "name", "slug", "privacy_policy_url", "terms_of_service_url", "status_page_url", "headquarters", "datacenters",
}

function shapes.provider(provider)
  local about = provider.about ~= "" and json.decode(provider.about) or {}
  local datacenters = about.datacenters
  return json.ordered({
    name = provider.name, slug = provider.slug,
    privacy_policy_url = about.privacy_policy_url or null,
    terms_of_service_url = about.terms_of_service_url or null,
    status_page_url = about.status_page_url or null,
    headquarters = about.headquarters or null,
    datacenters = datacenters and json.array(datacenters) or null,
  }, PROVIDER_ORDER)
end

return shapes
