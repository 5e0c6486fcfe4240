--- Google's token endpoint, where a signed statement of a service account is
-- exchanged for a bearer token: the script's `key`, so that Vertex's paths take it.
--
-- The statement's shape is looked at, its signature is not.

local token = {
  name = "google-token",
  routes = { { "/token$", "token", is_form = true, is_open = true } },
}

local GRANTS = {
  ["urn:ietf:params:oauth:grant-type:jwt-bearer"] = "assertion",
  refresh_token = "refresh_token",
}

local function fields_of(form)
  local fields = {}
  for name, value in form:gmatch("([^&=]+)=([^&]*)") do
    fields[name] = value:gsub("+", " "):gsub("%%(%x%x)", function(hex) return string.char(tonumber(hex, 16)) end)
  end
  return fields
end

function token.token(_, b, request)
  local fields = fields_of(request.body)
  local name = GRANTS[fields.grant_type or ""]
  if not name then return nil, 400, "unsupported_grant_type" end
  local given = fields[name] or ""
  if given == "" or name == "assertion" and not given:find("^[%w_-]+%.[%w_-]+%.[%w_-]+$") then
    return nil, 400, "invalid_grant"
  end
  return { access_token = b.key or "mock-token", expires_in = 3599, token_type = "Bearer" }
end

function token.error(status, message)
  return { status = status, body = { error = message, error_description = "Not what a token is given for." } }
end

return token
