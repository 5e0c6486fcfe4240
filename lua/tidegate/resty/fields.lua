--- Header fields of requests to the engine.

local find, lower = string.find, string.lower

local fields = {}

-- What belongs to one connection, what is said anew, and what the engine has no use for.
local LEFT_OUT = {
  ["connection"] = true, ["keep-alive"] = true, ["proxy-connection"] = true, ["proxy-authorization"] = true,
  ["te"] = true, ["trailer"] = true, ["transfer-encoding"] = true, ["upgrade"] = true, ["http2-settings"] = true,
  ["content-length"] = true, ["expect"] = true, ["accept-encoding"] = true, ["cookie"] = true,
}

function fields.is_left_out(name)
  return LEFT_OUT[lower(name)] ~= nil
end

--- Add a line to a list of texts; not one that would be two.
function fields.put(out, name, value)
  if find(value, "[\r\n%z]") then return end
  local n = #out
  out[n + 1], out[n + 2], out[n + 3], out[n + 4] = name, ": ", value, "\r\n"
end

return fields
