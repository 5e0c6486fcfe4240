--- Other providers' reasoning inside Anthropic's blocks, so that it comes back.
--
-- A client of Anthropic's format keeps the blocks of an answer and returns them unread. An element of
-- reasoning_details that is not Anthropic's travels as one block of its own:
--
--     with text   { type = "thinking", thinking = <its text>, signature = "tidegate:" .. <the rest of it> }
--     without     { type = "redacted_thinking", data = "tidegate:" .. <all of it> }
--
-- where the rest is JSON text. Text that nobody needs back unchanged (no signature, no id) has the signature "".
-- Anthropic itself refuses all of these: they never go there (csrc/flow/translate.c). Pure.

local json   = require("tidegate.core").json
local layout = require "tidegate.convert.anthropic.layout"

local anthropic_carrier = {}

local PREFIX = "tidegate:"
anthropic_carrier.PREFIX = PREFIX

--- Which member of a detail holds text that a reader may see; nil for none.
function anthropic_carrier.text_in(detail)
  if detail.type == "reasoning.text" then return "text" end
  if detail.type == "reasoning.summary" then return "summary" end
end

local function envelope(detail, without)
  local rest = {}
  for name, value in pairs(detail) do
    if name ~= without then rest[name] = value end
  end
  return PREFIX .. json.encode(rest)
end

--- The signature for a detail whose text is shown as thinking.
function anthropic_carrier.signature(detail)
  if detail.format == layout.FORMAT then return detail.signature or "" end
  local member = anthropic_carrier.text_in(detail)
  local is_worth_it = detail.signature or detail.id or member == "summary"
  return is_worth_it and envelope(detail, member) or ""
end

--- A block for a detail without text.
function anthropic_carrier.redacted(detail)
  local is_own = detail.format == layout.FORMAT and detail.type == "reasoning.encrypted"
  return { type = "redacted_thinking", data = is_own and detail.data or envelope(detail) }
end

--- What a signature or data carries: a detail; nil when it is a provider's own, or nonsense.
function anthropic_carrier.open(sealed)
  if type(sealed) ~= "string" or sealed:sub(1, #PREFIX) ~= PREFIX then return nil end
  local detail = json.read(sealed:sub(#PREFIX + 1))
  return type(detail) == "table" and type(detail.type) == "string" and detail or nil
end

--- Is it one of ours at all?
function anthropic_carrier.is_sealed(text)
  return type(text) == "string" and text:sub(1, #PREFIX) == PREFIX
end

return anthropic_carrier
