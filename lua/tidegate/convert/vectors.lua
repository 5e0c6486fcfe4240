--- Embeddings' vectors in the form that a client asked for: numbers, or base64 of 32-bit floats. Pure.

local json     = require("tidegate.core").json
local data_url = require "tidegate.convert.data_url"

local vectors = {}

-- To the nearest whole number; halves to the even one.
local function round(value)
  local up = math.floor(value + 0.5)
  return up - value == 0.5 and up % 2 == 1 and up - 1 or up
end

-- A number as the four bytes of a float, the least first.
local function float32(value)
  local sign = value < 0 and 128 or 0
  local fraction, exponent = math.frexp(math.abs(value))
  local bits                                 -- exponent and mantissa, as one number
  if math.abs(value) >= 2 ^ 128 then
    bits = 0x7F800000                        -- infinity
  elseif value ~= 0 and exponent > -126 then
    bits = (exponent + 125) * 0x800000 + round(fraction * 0x1000000)
  else
    bits = round(math.abs(value) * 2 ^ 149)
  end
  return string.char(bits % 256, math.floor(bits / 0x100) % 256, math.floor(bits / 0x10000) % 256,
    sign + math.floor(bits / 0x1000000))
end

-- Newer Luas have lost math.frexp, and can pack.
local string_pack = rawget(string, "pack")
local pack = string_pack and function(value) return string_pack("<f", value) end or float32

--- @tparam string raw  a list of numbers, JSON text
-- @tparam ?string form  OpenAI's encoding_format
-- @treturn string  JSON text: the same list, or a string of base64
function vectors.encode(raw, form)
  if form ~= "base64" then return raw end
  local out = {}
  for i, number in ipairs(json.elements(raw) or {}) do out[i] = pack(tonumber(tostring(number)) or 0) end
  return '"' .. data_url.encode(table.concat(out)) .. '"'
end

return vectors
