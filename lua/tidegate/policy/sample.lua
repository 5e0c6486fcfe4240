--- Endpoints, requests and attempts for tests: what is not said is filled in, what is wrong is told.
--
--     sample.endpoint { id = "a", price = { prompt = 0.1 } }    --> all fields that a hook sees
--     sample.endpoint { id = "a", prize = 1 }       --> nil, "unknown key prize, did you mean price?"
--
-- A sample has nothing wrong with it: it is fast, keeps no prompts, supports every parameter. So a
-- test says what it is about and nothing else.

local fields = require "tidegate.base.fields"
local schema = require "tidegate.policy.schema"

local sample = {}

-- ---- lists of fields: those of hooks, and what tests may say besides ----

local function changed(field, with)
  local copy = {}
  for name, value in pairs(field) do copy[name] = value end
  for name, value in pairs(with) do copy[name] = value end
  return copy
end

-- The fields but for functions; those in `unsure` may be absent.
local function extended(list, unsure, more)
  local longer = { is_given = true }
  for _, field in ipairs(list) do
    if field.type ~= "function" then
      longer[#longer + 1] = unsure[field.name] and changed(field, { optional = true }) or field
    end
  end
  for _, field in ipairs(more) do longer[#longer + 1] = changed(field, { optional = true }) end
  return longer
end

local ENDPOINT = extended(schema.endpoint, { model = true }, {
  { name = "name", type = "string" },                    -- the provider's, for `only` and the like
  { name = "held", type = "boolean" },                   -- it asked us to wait, or is at its cap
  { name = "outage", type = "boolean" },                 -- it failed lately
  { name = "distillable", type = "boolean" },            -- its answers may train other models
})

local REQUEST = extended(schema.request, { model = true, models = true }, {
  { name = "provider", type = "table", fields = schema.data },
  { name = "parameters", type = "list", of = { type = "string", one_of = schema.parameters } },
  { name = "seed", type = "integer", least = 0 },        -- of chance
})

-- ---- filling in ----

-- A copy with what is missing; anything but a table is for the check to refuse.
local function filled(given, defaults)
  if type(given) ~= "table" then return given end
  local copy = {}
  for name, value in pairs(given) do copy[name] = value end
  for name, value in pairs(defaults) do
    if copy[name] == nil then copy[name] = value end
  end
  return copy
end

local function checked(list, value)
  if type(value) ~= "table" then return nil, "table expected, got " .. type(value) end
  local bad = fields.check_table(list, value)
  if bad then return nil, bad.message end
  return value
end

local PERCENTILES = { "p50", "p75", "p90", "p99" }

-- One number is that of all; one that is missing is as that below it, else as the next above.
local function spread(given, usual)
  if given == nil then given = usual end
  if type(given) == "number" then given = { p50 = given } end
  if type(given) ~= "table" then return given end
  local copy, last = {}, nil
  for name, value in pairs(given) do copy[name] = value end
  for i = #PERCENTILES, 1, -1 do last = copy[PERCENTILES[i]] or last end
  for _, name in ipairs(PERCENTILES) do
    last = copy[name] or last or usual
    copy[name] = last
  end
  return copy
end

local function all_parameters()
  local supports = {}
  for _, name in ipairs(schema.parameters) do supports[name] = true end
  return supports
end

-- ---- samples ----

--- @treturn ?table  without `model` unless it is given: the request's is meant
-- @treturn ?string  what is wrong
function sample.endpoint(given)
  if type(given) ~= "table" then return checked(ENDPOINT, given) end
  local id = given.id or given.provider or "endpoint"
  local e = filled(given, {
    id = id, provider = type(id) == "string" and id:match("^[^/]+") or id, price = {}, tool_calls = {}, samples = 100,
    uptime_5m = 1, quantization = "unknown", context_length = 131072, max_completion_tokens = 0,
    data_collection = "deny", zdr = true, in_flight = 0, breaker = "closed", distillable = true,
  })
  e.supports = e.supports or all_parameters()
  e.price = filled(e.price, { prompt = 1, completion = 4, request = 0, image = 0 })
  if type(e.price) == "table" then
    e.price = filled(e.price, { cache_read = e.price.prompt, cache_write = e.price.prompt })
  end
  e.latency, e.throughput = spread(e.latency, 0.5), spread(e.throughput, 50)
  e.tool_calls = filled(e.tool_calls, { samples = 0, valid = 1 })
  return checked(ENDPOINT, e)
end

-- Never seen by a policy.
local SECRET = { authorization = true, ["proxy-authorization"] = true, cookie = true, ["x-api-key"] = true,
                 ["x-goog-api-key"] = true, ["api-key"] = true }

local function seen_headers(headers)
  if type(headers) ~= "table" then return headers end
  local seen = {}
  for name, value in pairs(headers) do
    local key = type(name) == "string" and name:lower() or name
    if not SECRET[key] then seen[key] = value end
  end
  return seen
end

--- @tparam table given
-- @tparam number now  when it came unless it says so
-- @treturn ?table  without `model` and `models` unless they are given: the endpoints' are meant
-- @treturn ?string  what is wrong
function sample.request(given, now)
  local r = filled(given, { stream = false, messages_count = 1, prompt_tokens = 100, tools = false, key = {},
                            metadata = {}, headers = {}, now = now, seed = 1, provider = {}, parameters = {} })
  if type(r) == "table" then r.headers = seen_headers(r.headers) end
  return checked(REQUEST, r)
end

-- What providers answer most, for who gives only one of the two.
local STATUS = {
  rate_limited = 429, overloaded = 503, server_error = 500, request_timeout = 408, key_refused = 401, no_credit = 402,
  not_found = 404, redirect = 302, conflict = 409, context_length = 400, content_policy = 400, too_large = 413,
  bad_request = 400, truncated = 200, malformed = 200, empty = 200,
}

local TYPE = {
  [401] = "key_refused", [402] = "no_credit", [404] = "not_found", [408] = "request_timeout", [409] = "conflict",
  [413] = "too_large", [429] = "rate_limited", [503] = "overloaded", [504] = "request_timeout", [529] = "overloaded",
}

local function type_of(status)
  if type(status) ~= "number" then return "server_error" end
  return TYPE[status] or (status >= 500 and "server_error") or (status >= 400 and "bad_request") or "malformed"
end

--- @treturn ?table
-- @treturn ?string  what is wrong
function sample.error(given)
  local e = filled(given or {}, { message = "" })
  if type(e) == "table" then
    e.type = e.type or type_of(e.status)
    e.status = e.status or STATUS[e.type] or 0
  end
  return checked(schema.error, e)
end

--- @tparam ?table given
-- @tparam string model  that it serves unless it says so
-- @treturn ?table
-- @treturn ?string  what is wrong
function sample.attempt(given, model)
  local a = filled(given or {}, { number = 1, elapsed = 1, model = model })
  if type(a) == "table" then
    a.endpoint = a.endpoint or a.provider or "endpoint"
    a.provider = a.provider or (type(a.endpoint) == "string" and a.endpoint:match("^[^/]+")) or a.endpoint
  end
  return checked(schema.attempt, a)
end

--- @tparam ?table given
-- @tparam boolean stream  unless it says so
-- @treturn ?table
-- @treturn ?string  what is wrong
function sample.response(given, stream)
  return checked(schema.response, filled(given or {}, { status = 200, ttft = 0.5, duration = 2, tokens = 100,
    prompt_tokens = 100, cached_tokens = 0, cost = 0.001, stream = stream }))
end

return sample
