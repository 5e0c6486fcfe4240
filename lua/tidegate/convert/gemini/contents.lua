--- Chat's messages as Google's contents and systemInstruction.
--
-- Turns of one role that follow one another are one content, but for the answers of functions, which have a
-- content of their own: Google wants them right behind the calls. Of what a model thought only what a Gemini
-- made is given back, each signature at the part that it came with (gemini/reply.lua). Pure.

local json      = require("tidegate.core").json
local chat      = require "tidegate.convert.chat"
local parts     = require "tidegate.convert.gemini.parts"
local signature = require "tidegate.convert.gemini.signature"
local words     = require "tidegate.convert.gemini.words"

local contents = {}

local FORMAT = "google-gemini-v1"

-- Parts that chat.text() has put together.
local TEXT = { text = true, input_text = true, refusal = true }

-- ---- what the model said ----

-- The text of a message, given out piece by piece.
local cursor = {}
cursor.__index = cursor

-- A place that is no longer between two characters moves behind the one that it cuts: clients change texts.
local function whole_character(text, place)
  while place < #text and text:byte(place + 1) >= 128 and text:byte(place + 1) < 192 do place = place + 1 end
  return math.min(place, #text)
end

-- Give out the text up to this place, as one part; `signed` even when it is empty.
function cursor:to(place, signed)
  place = whole_character(self.text, math.max(place, self.at))
  if place > self.at or signed then
    self.out[#self.out + 1] = { text = self.text:sub(self.at + 1, place), thoughtSignature = signed }
  end
  self.at = place
end

local function thought_of(place, detail)
  local part = place.thoughts[detail.index]
  if part and part == place.out[#place.out] and not part.thoughtSignature then
    part.text = part.text .. (detail.text or "")
    return
  end
  part = { text = detail.text or "", thought = true }
  place.out[#place.out + 1] = part
  if detail.index ~= nil then place.thoughts[detail.index] = part end
end

-- A signature that names no call: of a thought, an image, a piece of text. One whose place its client lost is the
-- text's; when there are several, the last one is.
local function sign(place, detail, where)
  local thought = detail.index ~= nil and place.thoughts[detail.index]
  if thought then
    thought.thoughtSignature = detail.data
  elseif where.image then
    place.images[where.image] = detail.data
  elseif type(where.text) == "table" then
    place.text:to(tonumber(where.text[1]) or 0)
    place.text:to(tonumber(where.text[2]) or 0, detail.data)
  else
    if place.loose then place.text:to(place.text.at, place.loose) end
    place.loose = detail.data
  end
end

-- Thoughts, text and what is left as it was, in their order.
-- @treturn table  { calls = signatures by id, images = signatures by number }
local function restore(out, message, details, how)
  local place = { out = out, thoughts = {}, images = {}, calls = {}, made = {},
                  text = setmetatable({ out = out, text = chat.text(message.content) or "", at = 0 }, cursor) }
  for _, call in ipairs(message.tool_calls or {}) do place.made[call.id or ""] = true end
  for _, detail in ipairs(details) do
    local where = type(detail.part) == "table" and detail.part or {}
    if where.at then place.text:to(tonumber(where.at) or 0) end
    if detail.type == "reasoning.text" then
      thought_of(place, detail)
    elseif type(detail.data or "") ~= "string" then
      how.lost["messages.reasoning_details"] = true
    elseif detail.type == "reasoning.server_tool_call" and json.check(detail.data or "") then
      out[#out + 1] = json.raw(detail.data)
    elseif detail.type == "reasoning.encrypted" and place.made[detail.id or ""] then
      place.calls[detail.id] = detail.data
    elseif detail.type == "reasoning.encrypted" then
      sign(place, detail, where)
    end
  end
  place.text:to(#place.text.text, place.loose)
  return place
end

-- An empty text is refused, unless a signature came with it.
local function saying(list)
  local out = {}
  for _, part in ipairs(list) do
    if json.is_raw(part) or part.text ~= "" or part.thoughtSignature then out[#out + 1] = part end
  end
  return out
end

local function images_of(out, message, signatures, how)
  for i, image in ipairs(message.images or {}) do
    local part = parts.of_chat(image, how)
    if part then
      part.thoughtSignature = signatures[i - 1]
      out[#out + 1] = part
    end
  end
end

-- From Gemini 3 on the first call of a turn must be signed.
local function calls_of(out, message, signatures, how)
  local first
  for _, call in ipairs(message.tool_calls or {}) do
    local name, arguments = chat.called(call)
    if name then
      how.names[call.id or ""] = name
      local part = { functionCall = { name = name, args = json.raw(arguments),
                                      id = how.tells_ids and call.id or nil },
                     thoughtSignature = signatures[call.id or ""] }
      first = first or part
      out[#out + 1] = part
    else
      how.lost["messages.tool_calls"] = true
    end
  end
  if first and how.since_3 and not first.thoughtSignature then first.thoughtSignature = signature.NONE end
end

local function tell_lost(message, details, how)
  local all = type(message.reasoning_details) == "table" and message.reasoning_details or {}
  if #all > #details then how.lost["messages.reasoning_details"] = true end
  if not all[1] and message.reasoning and message.reasoning ~= "" then how.lost["messages.reasoning"] = true end
  if message.audio then how.lost["messages.audio"] = true end
end

--- The parts of an assistant's message.
-- @tparam table how  { wire, lost, names = {}, tells_ids, since_3 }
function contents.of_assistant(message, how)
  local out, details = {}, chat.details(message, FORMAT)
  local place = restore(out, message, details, how)
  out = saying(out)
  if type(message.content) == "table" then
    for _, part in ipairs(message.content) do
      if not TEXT[part.type] then out[#out + 1] = parts.of_chat(part, how) end
    end
  end
  if message.refusal and message.refusal ~= "" then out[#out + 1] = { text = message.refusal } end
  images_of(out, message, place.images, how)
  calls_of(out, message, place.calls, how)
  tell_lost(message, details, how)
  return out
end

-- ---- what functions answered ----

-- Google wants an object. Any other text is the result, or the error.
local function response_of(text, is_error)
  local is_object = text:match "^%s*{" and json.check(text)
  local value = is_object and json.raw(text) or text
  if is_error then return { error = value } end
  return is_object and value or { result = value }
end

-- Media stand inside the answer from Gemini 3 on, behind the answers before.
local function response_parts(message, how)
  local media = {}
  for _, part in ipairs(chat.parts(message.content)) do
    if part.type ~= "text" then media[#media + 1] = parts.of_chat(part, how) end
  end
  local id = message.tool_call_id
  local response = { name = how.names[id or ""] or message.name or "unknown", id = how.tells_ids and id or nil,
                     response = response_of(chat.text(message.content) or "", message.is_error) }
  local out = { { functionResponse = response } }
  if how.since_3 and media[1] then
    response.parts = media
    return out, {}
  end
  return out, media
end

-- ---- all of them ----

local function append(list, more)
  for _, item in ipairs(more) do list[#list + 1] = item end
end

-- A content with these parts, or more of the one before where that is the same role's.
local function add(out, role, more, kind)
  local last = out[#out]
  if not more[1] then return last end
  if not last or last.role ~= role or last.kind ~= kind then
    last = { role = role, parts = {}, kind = kind }
    out[#out + 1] = last
  end
  append(last.parts, more)
  return last
end

local function add_response(out, message, how)
  local response, media = response_parts(message, how)
  local content = add(out, "user", response, "responses")
  content.media = content.media or {}
  append(content.media, media)
end

local function add_message(out, message, how)
  if message.role == "assistant" then
    add(out, "model", contents.of_assistant(message, how))
  elseif message.role == "tool" then
    add_response(out, message, how)
  elseif message.role == "user" then
    add(out, "user", parts.of_content(chat.named(message), how))
  elseif chat.is_system(message) then
    add(out, "user", parts.of_content(chat.texts(message.content, how.lost), how))
  else
    how.lost["messages." .. tostring(message.role)] = true
  end
end

-- "kind" and "media" are ours.
local function written(out)
  local list = json.array {}
  for i, content in ipairs(out) do
    append(content.parts, content.media or {})
    list[i] = { role = content.role, parts = json.array(content.parts) }
  end
  return list
end

--- @tparam table messages
-- @tparam table how  { wire, model, lost = set of names to add to }
-- @treturn ?table  contents; nil when there is nothing to say
-- @treturn ?table  the systemInstruction: the instructions at the beginning. A later one is said by the user, in
--   its place
function contents.write(messages, how)
  how.names = {}
  -- FunctionCall has no id in Vertex's v1.
  how.tells_ids = how.wire ~= "vertex"
  how.since_3 = words.generation(how.model) >= 3
  local out, system, is_first = {}, {}, not tostring(how.model):find "^gemma%-3"
  for _, message in ipairs(messages) do
    is_first = is_first and chat.is_system(message)
    if is_first then
      append(system, parts.of_content(chat.texts(message.content, how.lost), how))
    else
      add_message(out, message, how)
    end
  end
  if not out[1] then
    out, system = { system[1] and { role = "user", parts = system } or nil }, {}
  end
  if not out[1] then return nil end
  return written(out), system[1] and { parts = json.array(system) } or nil
end

return contents
