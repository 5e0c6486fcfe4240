--- AWS's event stream encoding (application/vnd.amazon.eventstream). Pure.
--
--      total length │ headers' length │ CRC │ headers │ payload │ CRC
--         4 bytes         4 bytes       4                         4
--
-- Numbers are big-endian; the first CRC is of the eight bytes before it, the
-- second of everything before it. A header is a name (one byte of length), the
-- type 7 (a string) and a value (two bytes of length).

local has_bit, bit = pcall(require, "bit")

local aws_events = {}

local TWO_32 = 4294967296

-- Exclusive or of two numbers of 32 bits, for a Lua that has no `bit`.
local function xor_arithmetic(a, b)
  local out, place = 0, 1
  while a > 0 or b > 0 do
    local x, y = a % 2, b % 2
    if x ~= y then out = out + place end
    a, b, place = (a - x) / 2, (b - y) / 2, place * 2
  end
  return out
end

local xor = has_bit and function(a, b) return bit.bxor(a, b) % TWO_32 end or xor_arithmetic

local TABLE = {}
for byte = 0, 255 do
  local crc = byte
  for _ = 1, 8 do
    local odd = crc % 2
    crc = (crc - odd) / 2
    if odd == 1 then crc = xor(crc, 0xEDB88320) end
  end
  TABLE[byte] = crc
end

--- CRC-32 as zlib's (ISO 3309), as a number between 0 and 2^32 - 1.
function aws_events.crc32(bytes)
  local crc = TWO_32 - 1
  for i = 1, #bytes do
    local low = crc % 256
    crc = xor(TABLE[xor(low, bytes:byte(i))], (crc - low) / 256)
  end
  return TWO_32 - 1 - crc
end

local function big_endian(n, bytes)
  local out = {}
  for i = bytes, 1, -1 do
    out[i] = string.char(math.floor(n % 256))
    n = math.floor(n / 256)
  end
  return table.concat(out)
end

--- One message.
-- @tparam table headers  a list of { name, value }, both strings
-- @tparam string payload
function aws_events.message(headers, payload)
  local out = {}
  for i, header in ipairs(headers) do
    out[i] = big_endian(#header[1], 1) .. header[1] .. "\7" .. big_endian(#header[2], 2) .. header[2]
  end
  local head = table.concat(out)
  local prelude = big_endian(16 + #head + #payload, 4) .. big_endian(#head, 4)
  local message = prelude .. big_endian(aws_events.crc32(prelude), 4) .. head .. payload
  return message .. big_endian(aws_events.crc32(message), 4)
end

return aws_events
