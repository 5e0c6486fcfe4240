--- Embeddings in the encodings that providers have. Pure.

local core   = require "tidegate.core"
local base64 = require "tidegate.app.mock.base64"
local words  = require "tidegate.app.mock.words"

local json = core.json

local vectors = {}

-- Little-endian IEEE 754 single of a multiple of 1/128 between -1 and 1.
local function float_bytes(x)
  if x == 0 then return "\0\0\0\0" end
  local mantissa, exponent = math.abs(x), 0
  while mantissa >= 1 do mantissa, exponent = mantissa / 2, exponent + 1 end
  while mantissa < 0.5 do mantissa, exponent = mantissa * 2, exponent - 1 end
  local bits = math.floor((mantissa * 2 - 1) * 8388608) + (exponent + 126) * 8388608
  if x < 0 then bits = bits + 2147483648 end
  return string.char(bits % 256, math.floor(bits / 256) % 256, math.floor(bits / 65536) % 256,
    math.floor(bits / 16777216))
end

local function each(vector, fn)
  local out = json.array()
  for i, x in ipairs(vector) do out[i] = fn(x) end
  return out
end

local ENCODINGS = {
  float  = function(vector) return json.array(vector) end,
  int8   = function(vector) return each(vector, function(x) return math.floor(x * 128) end) end,
  uint8  = function(vector) return each(vector, function(x) return math.floor(x * 128) + 128 end) end,
  base64 = function(vector) return base64(table.concat(each(vector, float_bytes))) end,
}

--- The texts of an `input`: one, several, or tokens as numbers.
function vectors.texts(input)
  local list, texts = type(input) == "table" and input or { input }, {}
  if type(list[1]) == "number" then list = { table.concat(list, " ") } end
  for i, one in ipairs(list) do
    texts[i] = type(one) == "table" and table.concat(one, " ") or tostring(one)
  end
  return texts
end

--- The vector of a text. `encoding` is float (so too where it is unknown),
-- int8, uint8 or base64.
function vectors.of(text, dimensions, encoding)
  local encode = ENCODINGS[encoding] or ENCODINGS.float
  return encode(words.embedding(text, dimensions))
end

--- What the texts are billed: a token per four bytes.
function vectors.tokens(texts)
  local tokens = 0
  for _, text in ipairs(texts) do tokens = tokens + math.max(1, math.ceil(#text / 4)) end
  return tokens
end

return vectors
