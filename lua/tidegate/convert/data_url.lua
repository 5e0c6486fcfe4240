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

-- ---- base64 (RFC 4648) ----

local ALPHABET = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/"
local VALUES = {}
for i = 1, #ALPHABET do VALUES[ALPHABET:byte(i)] = i - 1 end

local function digit(n, weight)
  local i = math.floor(n / weight) % 64 + 1
  return ALPHABET:sub(i, i)
end

function data_url.encode(bytes)
  local full = #bytes - #bytes % 3
  local out = bytes:sub(1, full):gsub("(.)(.)(.)", function(a, b, c)
    local n = a:byte() * 65536 + b:byte() * 256 + c:byte()
    return digit(n, 262144) .. digit(n, 4096) .. digit(n, 64) .. digit(n, 1)
  end)
  local a, b = bytes:byte(full + 1, #bytes)
  if not a then return out end
  local n = a * 65536 + (b or 0) * 256
  return out .. digit(n, 262144) .. digit(n, 4096) .. (b and digit(n, 64) or "=") .. "="
end

--- @treturn ?string  the bytes; nil when the text is no base64
function data_url.decode(base64)
  local text, padding = base64:gsub("%s+", ""):match "^([%w+/]*)(=*)$"
  if not text or #padding > 2 or #text % 4 == 1 then return nil end
  local missing = -#text % 4
  local out = (text .. ("A"):rep(missing)):gsub("(.)(.)(.)(.)", function(a, b, c, d)
    local n = VALUES[a:byte()] * 262144 + VALUES[b:byte()] * 4096 + VALUES[c:byte()] * 64 + VALUES[d:byte()]
    return string.char(math.floor(n / 65536), math.floor(n / 256) % 256, n % 256)
  end)
  return out:sub(1, #out - missing)
end

return data_url
