--- A stream as a list of events, in the order and at the pace they are sent.
--
-- An event is a list of up to three pieces to write one behind the other, with
-- the number of its `tokens`: how much time it takes. Pure.
--
--     local out = events.new(b, frames.sse(b.crlf))
--     out:add("message_start", { ... })
--     out:each(plan.tokens, function(text) out:add("delta", { text = text }) end)

local core = require "tidegate.core"

local json = core.json

local events = {}
local Events = {}
Events.__index = Events

--- Stands for the text in what :text() is given.
events.HERE = "\1"

local HERE = json.encode(events.HERE)

--- An object with a `type`, which is written first, as providers do.
function events.typed(kind, fields)
  local names = {}
  for name in pairs(fields) do names[#names + 1] = name end
  table.sort(names)
  table.insert(names, 1, "type")
  fields.type = kind
  return json.ordered(fields, names)
end

--- @tparam table b  the behaviour: its speed
-- @tparam function frame  (name, data) -> bytes, of frames.lua
function events.new(b, frame)
  -- Tokens are put together so that an event comes every 10 ms at most.
  return setmetatable({ frame = frame, per_event = math.max(1, math.ceil(b.tokens_per_s / 100)) }, Events)
end

--- One event.
-- @tparam ?string name
-- @param value  a table, or its JSON
-- @tparam ?number tokens
function Events:add(name, value, tokens)
  local data = type(value) == "table" and json.encode(value) or value
  self[#self + 1] = { self.frame(name, data), tokens = tokens or 0 }
end

--- Bytes that have no frame.
function Events:bytes(bytes)
  self[#self + 1] = { bytes, tokens = 0 }
end

--- Call fn(text, count, so_far) for every so many tokens as go into one event.
function Events:each(tokens, fn)
  for i = 1, #tokens, self.per_event do
    local last = math.min(#tokens, i + self.per_event - 1)
    fn(table.concat(tokens, "", i, last), last - i + 1, last)
  end
end

--- An event for each of those texts, which stand in `value` where HERE does.
-- What is around the text is made once for the stream: streams of thousands of
-- events cost little then.
function Events:text(tokens, name, value)
  local frame = self.frame(name, json.encode(value))
  local from, to = frame:find(HERE, 1, true)
  local before, behind = frame:sub(1, from - 1), frame:sub(to + 1)
  self:each(tokens, function(text, count)
    self[#self + 1] = { before, json.encode(text), behind, tokens = count }
  end)
end

return events
