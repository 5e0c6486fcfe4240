--- Signatures of reasoning in Gemini's `thoughtSignature`, whoever signed.
--
-- Google's own travel as they are. Those of other providers go to a client that speaks Gemini in one bundle: the
-- elements of `reasoning_details` behind a mark, in base64, because the field is bytes and clients decode it and
-- encode it again, some in the alphabet for URLs. Pure.

local json = require("tidegate.core").json

local signature = {}

-- What Google documents for calls whose signature nobody has.
signature.NONE = "skip_thought_signature_validator"

local DUMMIES = {
  skip_thought_signature_validator = true, context_engineering_is_the_way_to_go = true,
}

-- ---- base64 ----

local ALPHABET = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/"

local LETTER, VALUE = {}, {}
for i = 0, 63 do
  LETTER[i] = ALPHABET:sub(i + 1, i + 1)
  VALUE[ALPHABET:byte(i + 1)] = i
end
VALUE[("-"):byte()], VALUE[("_"):byte()] = 62, 63

local floor = math.floor

--- Bytes as base64, padded.
function signature.base64(bytes)
  local out = {}
  for i = 1, #bytes, 3 do
    local a, b, c = bytes:byte(i, i + 2)
    local n = a * 65536 + (b or 0) * 256 + (c or 0)
    out[#out + 1] = LETTER[floor(n / 262144)] .. LETTER[floor(n / 4096) % 64]
      .. (b and LETTER[floor(n / 64) % 64] or "=") .. (c and LETTER[n % 64] or "=")
  end
  return table.concat(out)
end

--- The bytes of a base64 text, in either alphabet, padded or not; nil when it is none.
function signature.bytes(text)
  local out, n, count = {}, 0, 0
  for i = 1, #text:gsub("=+$", "") do
    local value = VALUE[text:byte(i)]
    if not value then return nil end
    n, count = n * 64 + value, count + 1
    if count == 4 then
      out[#out + 1] = string.char(floor(n / 65536), floor(n / 256) % 256, n % 256)
      n, count = 0, 0
    end
  end
  if count == 3 then out[#out + 1] = string.char(floor(n / 1024), floor(n / 4) % 256) end
  if count == 2 then out[#out + 1] = string.char(floor(n / 16)) end
  return table.concat(out)
end

-- ---- bundles ----

local MARK = "tidegate:"

-- Nine bytes are twelve letters, whatever follows.
local MARK_IN_BASE64 = signature.base64(MARK)

--- Details of other providers as one signature.
-- @tparam table details  decoded elements of `reasoning_details`
function signature.bundle(details)
  return signature.base64(MARK .. json.encode(json.array(details)))
end

--- The details in a bundle; nil for any other signature.
function signature.unbundle(text)
  if text:sub(1, #MARK_IN_BASE64) ~= MARK_IN_BASE64 then return nil end
  local bytes = signature.bytes(text)
  local details = bytes and json.read(bytes:sub(#MARK + 1))
  return json.is_array(details) and details or nil
end

--- Is it what clients send where they have none? In plain words, or as the bytes of them.
function signature.is_dummy(text)
  return DUMMIES[text] or #text < 64 and DUMMIES[signature.bytes(text) or ""] or false
end

return signature
