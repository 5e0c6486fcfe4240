--- Signatures of reasoning in Gemini's `thoughtSignature`, whoever signed.
--
-- Google's own travel as they are. Those of other providers go to a client that speaks Gemini in one bundle: the
-- elements of `reasoning_details` behind a mark, in base64, because the field is bytes and clients decode it and
-- encode it again, some in the alphabet for URLs. Pure.

local json     = require("tidegate.core").json
local data_url = require "tidegate.convert.data_url"

local signature = {}

-- What Google documents for calls whose signature nobody has.
signature.NONE = "skip_thought_signature_validator"

local DUMMIES = {
  skip_thought_signature_validator = true, context_engineering_is_the_way_to_go = true,
}

-- The bytes of base64 in either alphabet; nil when it is none.
local function bytes_of(text)
  return data_url.decode((text:gsub("%-", "+"):gsub("_", "/")))
end

-- ---- bundles ----

local MARK = "tidegate:"

-- Nine bytes are twelve letters, whatever follows.
local MARK_IN_BASE64 = data_url.encode(MARK)

--- Details of other providers as one signature.
-- @tparam table details  decoded elements of `reasoning_details`
-- @treturn ?string  nil where nobody needs them back: text that nobody signed
function signature.bundle(details)
  for _, detail in ipairs(details) do
    if detail.signature or detail.data or detail.id then
      return data_url.encode(MARK .. json.encode(json.array(details)))
    end
  end
end

--- The details in a bundle; nil for any other signature.
function signature.unbundle(text)
  if text:sub(1, #MARK_IN_BASE64) ~= MARK_IN_BASE64 then return nil end
  local bytes = bytes_of(text)
  local details = bytes and json.read(bytes:sub(#MARK + 1))
  return json.is_array(details) and details or nil
end

--- Is it what clients send where they have none? In plain words, or as the bytes of them.
function signature.is_dummy(text)
  return DUMMIES[text] or #text < 64 and DUMMIES[bytes_of(text) or ""] or false
end

return signature
