--- Everything on the gateway's port that is no relay: which file answers what.
--
--     local status, body, fields = api.answer(request)
--
-- `request` has method, prefix (/api/v1, /v1beta, ...), path (behind it), query (encoded), catalog, id,
-- key { name, label } or nil, is_open (nobody is asked for keys), wall_s, and shape: whose client asks
-- ("chat", "messages", "responses", "gemini"), and so how errors are told.
-- Called by each engine in its own state (csrc/lua/l_serve.c); never waits.

local core  = require "tidegate.core"
local query = require "tidegate.api.query"

local api = {}

-- Method, pattern of the path, who answers; captures are handed on.
local ROUTES = {
  { "GET", "^/models$",                          require "tidegate.api.models" },
  { "GET", "^/models/count$",                    require "tidegate.api.models_count" },
  { "GET", "^/models/user$",                     require "tidegate.api.models_user" },
  { "GET", "^/models/([^/]+)$",                  require "tidegate.api.openai_model" },
  { "GET", "^/models/([^/]+)/([^/]+)/endpoints$", require "tidegate.api.model_endpoints" },
  { "GET", "^/models/([^/]+)/([^/]+)$",          require "tidegate.api.model" },
  { "GET", "^/model/([^/]+)/([^/]+)$",           require "tidegate.api.model" },
  { "GET", "^/providers$",                       require "tidegate.api.providers" },
  { "GET", "^/endpoints/zdr$",                   require "tidegate.api.endpoints_zdr" },
  { "GET", "^/embeddings/models$",               require "tidegate.api.embeddings_models" },
}

-- What some clients get instead; the rest is the same for all.
local OF_CLIENT = {
  gemini = {
    { "POST", "^/models/.+:(%a+)$",              require "tidegate.api.google_method" },
    { "GET", "^/models$",                        require "tidegate.api.google_models" },
    { "GET", "^/models/([^/]+)$",                require "tidegate.api.google_model" },
    { "GET", "^/models/([^/]+/[^/]+)$",          require "tidegate.api.google_model" },
  },
  messages = {
    { "GET", "^/models$",                        require "tidegate.api.anthropic_models" },
    { "GET", "^/models/([^/]+)$",                require "tidegate.api.anthropic_model" },
    { "GET", "^/models/([^/]+/[^/]+)$",          require "tidegate.api.anthropic_model" },
  },
}
for _, routes in pairs(OF_CLIENT) do
  for _, route in ipairs(ROUTES) do routes[#routes + 1] = route end
end

local function fault(request, type_name, status, message, fields)
  local _, body = core.fault(type_name, status, message, request.shape, request.id)
  return status, body, fields
end

-- Catalogue listings may be kept for five minutes, as OpenRouter's are.
local PUBLIC = "public, max-age=300, stale-while-revalidate=3600, stale-if-error=3600"

local function answered(request, data, why, status)
  if data == nil then
    return fault(request, status == 401 and "authentication" or status == 404 and "not_found" or "invalid_request",
      status or 400, why)
  end
  return 200, core.json.encode(data)
end

local function decoded_captures(...)
  local out = {}
  for i = 1, select("#", ...) do
    out[i] = core.url_decode((select(i, ...)), false) or ""
  end
  return out
end

local unpack = rawget(_G, "unpack") or rawget(table, "unpack")

local function call(handler, request, given, ...)
  local status, body = answered(request, handler.answer(request, given, unpack(decoded_captures(...))))
  if status ~= 200 then return status, body end
  return status, body, { ["Cache-Control"] = handler.is_live and "private, no-store" or PUBLIC,
                         ["Vary"] = "Anthropic-Version" }
end

--- @treturn number status
-- @treturn string body  JSON
-- @treturn ?table fields  further header fields
function api.answer(request)
  local path = #request.path > 1 and request.path:gsub("/$", "") or request.path
  local allowed
  for _, route in ipairs(OF_CLIENT[request.shape] or ROUTES) do
    local captures = { path:match(route[2]) }
    if captures[1] then
      local wanted = request.method == "HEAD" and "GET" or request.method
      if wanted == route[1] then
        local given, why = query.read(request.query)
        if not given then return fault(request, "invalid_request", 400, why) end
        -- A pattern without captures gives the whole path.
        if not route[2]:find("(", 1, true) then captures = {} end
        return call(route[3], request, given, unpack(captures))
      end
      allowed = route[1]
    end
  end
  if allowed then
    return fault(request, "invalid_request", 405, "Method not allowed", { Allow = allowed .. ", HEAD" })
  end
  return fault(request, "not_found", 404, "Not Found")
end

return api
