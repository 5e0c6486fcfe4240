--- Google's contents as chat's messages: the other way of gemini/contents.lua.
--
-- Answers of functions find their calls by id, or, where clients leave ids out, by the function's name in the
-- order of the calls. Pure.

local json  = require("tidegate.core").json
local parts = require "tidegate.convert.gemini.parts"
local reply = require "tidegate.convert.gemini.reply"
local sinks = require "tidegate.convert.gemini.sinks"

local messages = {}

-- ---- the model's turns ----

-- Contents of the model's that follow one another are one turn: some clients keep one for each event of a stream.
local function model_message(self, contents, first, last, raw_part)
  local sink = sinks.whole(function(id, name)
    id = id or '"call_' .. self.place .. "_" .. self.made .. '"'
    self.made = self.made + 1
    local waiting = self.waiting[name] or {}
    waiting[#waiting + 1], self.waiting[name] = json.decode(id), waiting
    return id
  end)
  local turn = reply.turn(sink, 0)
  for i = first, last do
    for j, part in ipairs(contents[i].parts or {}) do
      turn:part(part, function() return raw_part(i - 1, j - 1) end)
    end
  end
  return sink:message(0)
end

-- ---- what functions answered ----

-- The call that this is the answer of; it is no longer waiting.
local function answered(self, response)
  local waiting = self.waiting[response.name or ""] or {}
  for i, id in ipairs(waiting) do
    if id == response.id then return table.remove(waiting, i) end
  end
  return table.remove(waiting, 1) or response.id or "call_" .. self.place .. "_unknown"
end

-- {"result":"text"} and {"error":"text"} are how text travels; any other object is its JSON text.
local function said(raw)
  local members, names = json.split(raw)
  local name = members and not names[2] and names[1]
  local value = (name == "result" or name == "output" or name == "error") and json.decode(tostring(members[name]))
  if name == "error" and type(value) == "table" then return tostring(members[name]), true end
  if type(value) == "string" then return value, name == "error" or nil end
  return raw
end

local function tool_message(self, response)
  local text, is_error = said(response.response and tostring(response.response) or "{}")
  local content = text
  if response.parts and response.parts[1] then
    content = json.array { { type = "text", text = text } }
    for _, part in ipairs(response.parts) do content[#content + 1] = parts.to_chat(part) end
  end
  return json.encode(json.ordered({ role = "tool", tool_call_id = answered(self, response), content = content,
    is_error = is_error }, { "role", "tool_call_id", "content", "is_error" }))
end

-- ---- the user's turns ----

-- Members of a part that say more than its content.
local KNOWN = { text = true, thought = true, thoughtSignature = true, inlineData = true, fileData = true,
                functionResponse = true, functionCall = true }

local function tell_lost(self, part)
  for name in pairs(part) do
    if not KNOWN[name] then self.lost["contents." .. name] = true end
  end
end

-- One text is a string, anything else a list.
local function content_of(list)
  if not list[2] and list[1] and list[1].type == "text" then return list[1].text end
  return json.array(list)
end

local function user_messages(self, content, out)
  local list = {}
  for _, part in ipairs(content.parts or {}) do
    tell_lost(self, part)
    if part.functionResponse then
      out[#out + 1] = tool_message(self, part.functionResponse)
    elseif part.text then
      list[#list + 1] = { type = "text", text = json.raw(tostring(part.text)) }
    else
      list[#list + 1] = parts.to_chat(part)
    end
  end
  if list[1] then out[#out + 1] = json.encode(json.ordered({ role = "user", content = content_of(list) },
    { "role", "content" })) end
end

-- ---- all of them ----

local function system_message(instruction)
  local list = {}
  for _, part in ipairs(instruction.parts or {}) do
    if part.text then list[#list + 1] = { type = "text", text = json.raw(tostring(part.text)) } end
  end
  if not list[1] then return nil end
  return json.encode(json.ordered({ role = "system", content = content_of(list) }, { "role", "content" }))
end

--- @tparam ?table instruction  systemInstruction, read with reply.KEEP, names in camel case
-- @tparam table contents  the same
-- @tparam function raw_part  gives the JSON text of part `j` of content `i`, both from 0
-- @tparam table lost  set of names to add to
-- @treturn table  JSON texts
function messages.read(instruction, contents, raw_part, lost)
  local self = { waiting = {}, made = 0, lost = lost }
  local out = { instruction and system_message(instruction) or nil }
  local i = 1
  while contents[i] do
    self.place = i - 1
    if contents[i].role == "model" then
      local last = i
      while contents[last + 1] and contents[last + 1].role == "model" do last = last + 1 end
      out[#out + 1] = model_message(self, contents, i, last, raw_part)
      i = last
    else
      user_messages(self, contents[i], out)
    end
    i = i + 1
  end
  return out
end

return messages
