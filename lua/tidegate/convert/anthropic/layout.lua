--- Where the blocks of an answer stood.
--
-- Anthropic's answer is a list of blocks in an order that must come back as it was: thinking, text, a server's tool,
-- text again, a call. A chat message has one text, one list of calls and one list of reasoning details, and would
-- bring back thinking, then text, then calls. Where the order was another one, markers among the details say so:
--
--     reasoning_details: [thinking] [marker: 120 characters of text] [server tool] [result] [marker: call toolu_1] ...
--
-- A marker is an element like those of server tools, whose `data` is {"type":"text","chars":120} or
-- {"type":"tool_use","id":"toolu_1",...}. What no marker speaks of comes last, text before calls. Pure.

local json = require("tidegate.core").json

local layout = {}

layout.FORMAT = "anthropic-claude-v1"

local places = {}
places.__index = places

--- The places of one answer's blocks, told in their order.
function layout.new() return setmetatable({ unmarked = {} }, places) end

--- How many characters (code points, not bytes) a text has.
layout.chars = json.chars

--- An element of reasoning_details that holds a block.
-- @tparam string data  the block, or marker, as JSON text
-- @tparam ?number index  of the block in the answer
-- @treturn table  what the contract's schema wants of such an element is there, however empty
function layout.detail(data, index)
  local kind, id, used_id, name, input = json.pick(data, "type", "id", "tool_use_id", "name", "input")
  return {
    type = "reasoning.server_tool_call", format = layout.FORMAT, index = index, data = data,
    tool_name = json.raw(name or kind or '""'), tool_call_id = (id or used_id) and json.raw(id or used_id),
    arguments = input or "", result = "",
  }
end

--- A block of `kind` begins: the markers that it makes necessary, details each.
function places:before(kind)
  return kind == "tool_use" and {} or self:flush()
end

function places:flush()
  local out = {}
  for i, place in ipairs(self.unmarked) do out[i] = layout.detail(json.encode(place)) end
  self.unmarked = {}
  return out
end

--- A text of so many characters has ended.
function places:text(chars)
  if chars > 0 then self.unmarked[#self.unmarked + 1] = { type = "text", chars = chars } end
end

--- A call of the client's begins: the markers that it makes necessary. One that has more to tell than a chat call can
-- is marked itself, ahead of the call.
-- @tparam string id
-- @tparam table more  members of its block that a chat call has no place for: { name = json.raw }
function places:call(id, more)
  local place = { type = "tool_use", id = id }
  if not next(more) then
    self.unmarked[#self.unmarked + 1] = place
    return {}
  end
  for name, value in pairs(more) do place[name] = value end
  local markers = self:flush()
  markers[#markers + 1] = layout.detail(json.encode(place))
  return markers
end

-- The members of a call's block that a chat call has no place for. That the model called the tool itself, not
-- through a program, goes without saying.
local CALL = { type = true, id = true, name = true, input = true, cache_control = true }

function layout.more_of_call(block)
  local members, more = json.split(block), {}
  for name, value in pairs(members or {}) do
    local is_direct = name == "caller" and json.pick(tostring(value), "type") == '"direct"'
    if not CALL[name] and not is_direct and tostring(value) ~= "null" then more[name] = value end
  end
  return more
end

--- The first `chars` characters of a text, and the rest.
function layout.cut(text, chars)
  local at = 1
  while chars > 0 and at <= #text do
    at = (text:find("[^\128-\191]", at + 1)) or #text + 1
    chars = chars - 1
  end
  return text:sub(1, at - 1), text:sub(at)
end

return layout
