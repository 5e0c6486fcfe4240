--- A provider's stream of the Responses API, as chat chunks.
--
-- Items are known by their output_index, for they may overlap. Each is told from its deltas where they come; what a
-- provider leaves out (deltas, the events that begin or end a part, even whole items) is taken from the next event
-- that repeats it: the part's end, the item's, the response's. Memory: a few flags an item. Pure.

local json  = require("tidegate.core").json
local chunk = require "tidegate.convert.chunk"
local items = require "tidegate.convert.responses.items"

local events = {}

-- As they stand at the beginning of a JSON string, and as one.
local BETWEEN = json.encode(items.BETWEEN):sub(1, -2)
local FORMAT  = json.encode(items.FORMAT)

local reader = {}
reader.__index = reader

-- What is known of the item of an event: `id` (JSON text), `call` (chat's index of it), and what was told: `heard`,
-- parts by name; `text`, `annotations`, `phase`, `index` of the last detail; `done`.
function reader:item(index)
  local item = self.items[index]
  if not item then
    item = { heard = {} }
    self.items[index] = item
  end
  return item
end

-- ---- pieces of a part ----
-- Each function says one piece, JSON text of a string; false when it cannot be said yet.

local function begin_text(self, item)
  item.text = true
  if self.has_text then return end
  self.has_text = true
  self.own = self.own + 1
end

local function say_text(self, item, raw, _, logprobs)
  begin_text(self, item)
  if logprobs and logprobs ~= "[]" then
    self.out:scored('"content":' .. raw, '{"content":' .. logprobs .. "}")
  else
    self.out:text(raw)
  end
end

local function say_refusal(self, item, raw)
  begin_text(self, item)
  self.out:refusal(raw)
end

-- Each part of a reasoning item is a detail of its own, and all fragments of one have its origin.
local function say_thought(self, item, raw, part, kind, member)
  local origin, shown = item.heard[part], raw
  if not origin then
    origin = items.origin(item.id, FORMAT, self.details, self.own)
    item.heard[part], item.text, item.index = origin, true, self.details
    self.details = self.details + 1
    if self.has_thought then shown = BETWEEN .. raw:sub(2) end
  end
  self.has_thought = true
  self.out:details('{"type":"' .. kind .. '","' .. member .. '":' .. raw .. origin .. "}", shown)
end

local function say_summary(self, item, raw, part)
  say_thought(self, item, raw, part, "reasoning.summary", "summary")
end

local function say_reasoning(self, item, raw, part)
  say_thought(self, item, raw, part, "reasoning.text", "text")
end

local function say_arguments(self, item, raw)
  if not item.call then return false end
  self.out:arguments(item.call, raw)
end

local function say_input(self, item, raw)
  if not item.call then return false end
  self.out:delta('"tool_calls":[{"index":' .. item.call .. ',"custom":{"input":' .. raw .. "}}]")
end

-- ---- events of parts ----

-- By type: each reads what it wants of the event's data. False when the data lack what every such event has.
local ON = {}

local function say(self, item, say_piece, part, raw, logprobs)
  if say_piece(self, item, raw, part, logprobs) ~= false then item.heard[part] = item.heard[part] or true end
end

-- The event that brings a piece, and the one that repeats the part when it is over.
-- @tparam string kind  of the part, among its item's
-- @tparam string place  member that numbers the parts
-- @tparam string whole  member that repeats it
local function part_events(name, kind, place, whole, say_piece)
  ON[name .. ".delta"] = function(self, data)
    local raw, index, number, logprobs = json.pick(data, "delta", "output_index", place, "logprobs")
    if not raw then return false end
    say(self, self:item(index or "0"), say_piece, kind .. (number or "0"), raw, logprobs)
  end
  ON[name .. ".done"] = function(self, data)
    local raw, index, number, logprobs = json.pick(data, whole, "output_index", place, "logprobs")
    if not raw then return false end
    local item, part = self:item(index or "0"), kind .. (number or "0")
    if raw ~= '""' and not item.heard[part] then say(self, item, say_piece, part, raw, logprobs) end
  end
end

part_events("response.output_text", "text", "content_index", "text", say_text)
part_events("response.refusal", "refusal", "content_index", "refusal", say_refusal)
part_events("response.reasoning_summary_text", "summary", "summary_index", "text", say_summary)
part_events("response.reasoning_text", "reasoning", "content_index", "text", say_reasoning)
part_events("response.function_call_arguments", "arguments", "none", "arguments", say_arguments)
part_events("response.custom_tool_call_input", "arguments", "none", "input", say_input)

ON["response.output_text.annotation.added"] = function(self, data)
  local annotation, index = json.pick(data, "annotation", "output_index")
  if not annotation then return false end
  self:item(index or "0").annotations = true
  self.out:delta('"annotations":[' .. items.annotation(annotation) .. "]")
end

local function audio_event(name, member)
  ON[name] = function(self, data)
    local raw = json.pick(data, "delta")
    if not raw then return false end
    self.out:delta('"audio":{"' .. member .. '":' .. raw .. "}")
  end
end

audio_event("response.audio.delta", "data")
audio_event("response.audio.transcript.delta", "transcript")

-- ---- events of items ----

local function begin_call(self, item, kind, id, name, space)
  if kind == "custom" and self.is_ours and not self.is_ours { name = json.decode(name) } then return end
  item.call = self.calls
  self.calls, self.own = self.calls + 1, self.own + 1
  local inside = kind == "custom" and '"input":""' or '"arguments":""'
  self.out:delta('"tool_calls":[{"index":' .. item.call .. (id and ',"id":' .. id or "") .. ',"type":"' .. kind
    .. '","' .. kind .. '":{"name":' .. name .. "," .. inside .. "}" .. (space and ',"namespace":' .. space or "")
    .. "}]")
end

local CALLS = { ['"function_call"'] = "function", ['"custom_tool_call"'] = "custom" }

ON["response.output_item.added"] = function(self, data)
  local kind, id, call_id, name, space, phase, index = json.pick(data, "item.type", "item.id", "item.call_id",
    "item.name", "item.namespace", "item.phase", "output_index")
  if not kind then return false end
  index = index or "0"
  -- Who numbers all items alike means another one.
  if self.items[index] and self.items[index].done then self.items[index] = nil end
  local item = self:item(index)
  item.id = id
  if CALLS[kind] and name then begin_call(self, item, CALLS[kind], call_id or id, name, space) end
  if phase then
    item.phase = true
    self.out:delta('"phase":' .. phase)
  end
end

-- What of a whole item was not told.
local function say_rest(self, item, raw)
  local turn = items.turn({ calls = self.calls, details = self.details, own = self.own, has_text = self.has_text },
                          self.is_ours)
  turn:add(raw, item)
  self.calls, self.details = self.calls + #turn.calls, self.details + #turn.details
  self.own, self.has_text = turn.own, turn.has_text
  local message, scores = turn:message(), turn:scores()
  if message.reasoning then
    if self.has_thought then message.reasoning = items.BETWEEN .. message.reasoning end
    self.has_thought = true
  end
  if not next(message) then return end
  local members = json.encode(message):sub(2, -2)
  if scores then self.out:scored(members, scores) else self.out:delta(members) end
end

-- An item is over. Its call was begun, and perhaps no more than that.
local function finish_item(self, item, raw)
  local id, arguments, entered = json.pick(raw, "id", "arguments", "input")
  item.done = true
  self.finished = self.finished + 1
  if id then self.done[id] = true end
  if not item.call then return say_rest(self, item, raw) end
  if item.heard.arguments0 then return end
  if arguments and arguments ~= '""' then say_arguments(self, item, arguments) end
  if entered and entered ~= '""' then say_input(self, item, entered) end
end

ON["response.output_item.done"] = function(self, data)
  local raw, index = json.pick(data, "item", "output_index")
  if not raw then return false end
  local item = self:item(index or "0")
  if not item.done then finish_item(self, item, raw) end
end

-- ---- the beginning and the ends ----

ON["response.created"] = function(self, data)
  self.is_ours = items.offered((json.pick(data, "response.tools")))
end

-- Items that no event told of.
local function catch_up(self, output)
  local elements = output and json.texts(output) or {}
  if self.finished >= #elements then return end
  for i, raw in ipairs(elements) do
    local item = self:item(tostring(i - 1))
    local id = json.pick(raw, "id")
    if not item.done and not (id and self.done[id]) then finish_item(self, item, raw) end
  end
end

local function say_usage(self, usage, tier)
  if not usage and not tier then return end
  self.emit('{"object":"chat.completion.chunk","choices":[]' .. (tier and ',"service_tier":' .. tier or "")
    .. (usage and ',"usage":' .. usage or "") .. "}")
end

local function on_end(self, data)
  local status, reason, output, usage, tier = json.pick(data, "response.status",
    "response.incomplete_details.reason", "response.output", "response.usage", "response.service_tier")
  if not status then return false end
  catch_up(self, output)
  self.out:finish(nil, json.decode(status == '"incomplete"' and reason or status))
  say_usage(self, usage, tier)
  self.out:done()
  self.over = true
end

ON["response.completed"], ON["response.incomplete"] = on_end, on_end

ON["response.failed"] = function(self, data)
  local fault, usage, tier = json.pick(data, "response.error", "response.usage", "response.service_tier")
  say_usage(self, usage, tier)
  self.out:error(fault or '{"message":"The response failed.","code":"failed"}')
  self.over = true
end

-- {"type":"error","code","message"}, {"error":{...}}, or xAI's {"code":"...","error":"words"}.
local function on_error(self, data)
  local fault, code = json.pick(data, "error", "code")
  if fault and fault:sub(1, 1) == '"' then
    fault = '{"message":' .. fault .. (code and ',"code":' .. code or "") .. "}"
  end
  self.out:error(fault or data)
  self.over = true
end

ON.error, ON["response.error"] = on_error, on_error

-- ---- the stream ----

-- The type of an event that has no name. The first try spares reading it all.
local function type_of(data)
  local kind = data:match '^{"type":"([%a_.]+)"'
  if kind then return kind end
  local raw, fault = json.pick(data, "type", "error")
  return raw and json.decode(raw) or fault and "error"
end

--- @tparam function emit  called with each chunk's JSON text
-- @treturn function  step(name, data)
function events.stream(emit)
  local self = setmetatable({ out = chunk.writer(emit), emit = emit, items = {}, done = {}, finished = 0,
                              calls = 0, details = 0, own = 0 }, reader)
  return function(name, data)
    if self.over or data == "" or data == "[DONE]" then return end
    local on = ON[name]
    if not on then
      local kind = type_of(data)
      if not kind and not json.check(data) then return nil, "malformed" end
      on = ON[kind]
    end
    if on and on(self, data) == false and not json.check(data) then return nil, "malformed" end
  end
end

return events
