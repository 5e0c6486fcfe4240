--- "data:image/png;base64,iVBOR...": bytes inside a URL (RFC 2397).

local data_url = {}

--- @treturn ?string  the media type; nil when the text is no base64 data URL
-- @treturn ?string  the bytes, still in base64
function data_url.read(url)
  local head, bytes = url:match "^[Dd][Aa][Tt][Aa]:([^,]*),(.*)$"
  if not head then return nil end
  local media = head:match "^(.-);[Bb][Aa][Ss][Ee]64$" or head:match "^(.-);.*;[Bb][Aa][Ss][Ee]64$"
  if not media then return nil end
  return media ~= "" and media or "text/plain", bytes
end

function data_url.write(media, base64)
  return "data:" .. media .. ";base64," .. base64
end

return data_url
