--- A request of Anthropic's format that goes to a provider of Anthropic's format.
--
-- Its bytes pass as they are, but for blocks that only this gateway can read, from a turn that another provider
-- answered: its reasoning (anthropic_carrier.lua), and thinking without a signature. Anthropic refuses both. Pure.

local json    = require("tidegate.core").json
local carrier = require "tidegate.convert.anthropic_carrier"
local edit    = require "tidegate.convert.edit"

local anthropic_own = {}

local function is_foreign(block)
  local kind, signature, data = json.pick(block, "type", "signature", "data")
  if kind == '"thinking"' then
    return not signature or signature == '""' or carrier.is_sealed(json.decode(signature))
  end
  return kind == '"redacted_thinking"' and data ~= nil and carrier.is_sealed(json.decode(data))
end

local function cleaned(message)
  if json.pick(message, "role") ~= '"assistant"' then return message end
  local rest = edit.object(message, function(name, value)
    if name ~= "content" then return name, value end
    return name, edit.list(value, function(block) return not is_foreign(block) and block or nil end)
  end)
  local content = json.pick(rest, "content")
  return content and content:match "^%[%s*%]$" and "" or rest
end

--- Might a request hold such blocks? Cheap, and never a wrong no.
function anthropic_own.is_suspect(text)
  return text:find('"thinking"', 1, true) ~= nil or text:find(carrier.PREFIX, 1, true) ~= nil
end

--- The request without them. A turn that held nothing else goes whole.
function anthropic_own.clean(text)
  if not anthropic_own.is_suspect(text) then return text end
  return edit.object(text, function(name, value)
    if name ~= "messages" then return name, value end
    return name, edit.list(value, function(message)
      local rest = cleaned(message)
      return rest ~= "" and rest or nil
    end)
  end)
end

return anthropic_own
