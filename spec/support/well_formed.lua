--- Is what a client got in the order and the shape that its SDK wants? One function a client format: it takes the events
-- of a stream, { name, data } each, and gives a sentence on what is wrong, or nil.
--
-- A stream that failed ends with its error in place of the ending.

local cjson = require "cjson"

local well_formed = {}

local function obj(v) return type(v) == "table" and v or {} end

-- ---- chat ----

local function chat_chunk(o, id)
  if o.object ~= "chat.completion.chunk" then return "object is " .. tostring(o.object) end
  if o.id ~= id then return "id is " .. tostring(o.id) end
  if type(o.choices) ~= "table" or #o.choices ~= 1 then return "a chunk without one choice" end
  local choice = o.choices[1]
  if type(choice.delta) ~= "table" then return "no delta" end
  if not o.error and choice.delta.role ~= "assistant" then return "no role in a delta" end
  if choice.native_finish_reason == nil then return "no native_finish_reason" end
  if o.provider == nil or o.model == nil then return "no provider or no model" end
end

local function chat_calls(seen, choice)
  for _, piece in ipairs(obj(choice.delta.tool_calls)) do
    local place = choice.index .. "/" .. piece.index
    if not seen[place] then
      if type(piece.id) ~= "string" or piece.id == "" then return "a call that begins without an id" end
      if type(piece.type) ~= "string" then return "a call that begins without a type" end
      if piece.index > 0 and not seen[choice.index .. "/" .. piece.index - 1] then return "a gap before a call's index" end
    end
    seen[place] = true
  end
end

function well_formed.chat(events, id)
  local finishes, choices, usages, failed, calls = 0, {}, 0, false, {}
  for i, event in ipairs(events) do
    if event.data == "[DONE]" then
      if i ~= #events or failed then return "something is behind the end" end
    else
      local o = cjson.decode(event.data)
      local choice = o.choices[1]
      local why = chat_chunk(o, id) or chat_calls(calls, choice)
      if why then return why end
      if failed then return "something is behind the error" end
      failed, choices[choice.index] = o.error ~= nil, true
      if o.usage and not o.error then
        usages = usages + 1
        if i ~= #events - 1 then return "usage is not in the last chunk" end
        if type(choice.finish_reason) ~= "string" then return "the usage chunk repeats no finish" end
      elseif type(choice.finish_reason) == "string" then
        finishes = finishes + 1
      end
    end
  end
  if failed then return nil end
  if events[#events].data ~= "[DONE]" then return "no [DONE] at the end" end
  if usages ~= 1 then return usages .. " usage chunks" end
  for _ in pairs(choices) do finishes = finishes - 1 end
  if finishes ~= 0 then return "not one finish a choice" end
end

-- ---- messages: the reading watches the order ----

function well_formed.messages(events)
  local last = events[#events]
  if last.name ~= "message_stop" and last.name ~= "error" then return "the last event is " .. last.name end
  local starts = 0
  for _, event in ipairs(events) do
    if event.name == "message_start" then
      starts = starts + 1
      local m = cjson.decode(event.data).message
      if type(m.usage) ~= "table" or m.role ~= "assistant" or m.type ~= "message" then return "message_start lacks something" end
    end
  end
  if last.name == "message_stop" and starts ~= 1 then return starts .. " message_starts" end
end

-- ---- responses ----

local LAST = { ["response.completed"] = true, ["response.incomplete"] = true, ["response.failed"] = true, error = true }

-- Deltas belong into a part that was begun, unless they are of a call.
local PARTS = {
  ["response.output_text.delta"] = "content_index", ["response.refusal.delta"] = "content_index",
  ["response.reasoning_text.delta"] = "content_index", ["response.reasoning_summary_text.delta"] = "summary_index",
}

local function responses_item(items, e)
  local item = items[e.output_index]
  if e.type == "response.output_item.added" then
    if item then return "an item on a taken output_index" end
    if e.output_index > 0 and not items[e.output_index - 1] then return "a gap before an output_index" end
    items[e.output_index] = { id = e.item.id, parts = {} }
    return nil
  end
  if not item then return e.type .. " of no item" end
  if item.is_done then return e.type .. " behind the item's end" end
  if e.item_id and e.item_id ~= item.id then return e.type .. " names another item" end
  if e.type == "response.output_item.done" then
    if e.item.id ~= item.id then return "an item changes its id" end
    item.is_done = true
  elseif e.type == "response.content_part.added" or e.type == "response.reasoning_summary_part.added" then
    item.parts[e.content_index or e.summary_index] = true
  elseif PARTS[e.type] and not item.parts[e[PARTS[e.type]]] then
    return e.type .. " of no part"
  end
end

function well_formed.responses(events)
  local items, number, last = {}, 0, nil
  for i, event in ipairs(events) do
    if last and not (event.data == "[DONE]" and i == #events) then return "something is behind the end" end
    if event.data ~= "[DONE]" then
      local e = cjson.decode(event.data)
      if e.type ~= event.name then return "an event that is called otherwise than its data" end
      if i == 1 and e.type ~= "response.created" and not LAST[e.type] then return "it begins with " .. e.type end
      if e.sequence_number ~= number then return ("sequence_number %s instead of %d"):format(tostring(e.sequence_number), number) end
      number = number + 1
      local why = e.output_index and responses_item(items, e)
      if why then return why end
      last = LAST[e.type] and e
    end
  end
  if not last then return "no last event" end
  if last.type == "error" or last.type == "response.failed" then return nil end
  for at, item in pairs(items) do
    if not item.is_done then return "an item has no end" end
    if obj(last.response.output[at + 1]).id ~= item.id then return "the whole response has another item" end
  end
  if #last.response.output > 0 and not items[#last.response.output - 1] then return "the whole response has more items" end
end

-- ---- gemini ----

function well_formed.gemini(events)
  local finishes, candidates = 0, {}
  for i, event in ipairs(events) do
    local o = cjson.decode(event.data)
    if o.error then return i ~= #events and "something is behind the error" or nil end
    for _, candidate in ipairs(obj(o.candidates)) do
      local index = candidate.index or 0
      if candidates[index] == "over" then return "a candidate goes on behind its finish" end
      candidates[index] = candidate.finishReason and "over" or "open"
      if candidate.finishReason then finishes = finishes + 1 end
    end
    if o.promptFeedback and obj(o.promptFeedback).blockReason then finishes = finishes + 1 end
  end
  if finishes == 0 then return "no finishReason" end
  local last = cjson.decode(events[#events].data)
  if type(last.usageMetadata) ~= "table" then return "no usageMetadata at the end" end
end

return well_formed
