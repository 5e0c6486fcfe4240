--- The conversation in a Responses request, as chat messages.
--
-- Items of the assistant's that stand together are one message (responses_items); the others are a message each.
-- Pure.

local json  = require("tidegate.core").json
local items = require "tidegate.convert.responses.items"

local input = {}

-- ---- parts of a content ----

local PARTS = {}

function PARTS.input_text(part) return { type = "text", text = part.text } end
PARTS.output_text, PARTS.text, PARTS.summary_text = PARTS.input_text, PARTS.input_text, PARTS.input_text

function PARTS.refusal(part) return { type = "text", text = part.refusal } end

function PARTS.input_image(part)
  if not part.image_url and part.file_id then return { type = "file", file = { file_id = part.file_id } } end
  return { type = "image_url", image_url = { url = part.image_url, detail = part.detail } }
end

function PARTS.input_file(part)
  return { type = "file", file = { filename = part.filename, file_data = part.file_data, file_url = part.file_url,
                                   file_id = part.file_id } }
end

function PARTS.input_audio(part) return { type = "input_audio", input_audio = part.input_audio } end

-- OpenRouter's.
function PARTS.input_video(part) return { type = "video_url", video_url = { url = part.video_url } } end

--- A content as chat has it: a string stays one, parts become chat's.
-- @tparam table lost  set that gains the kinds of parts that nobody knows
local function content_of(content, lost)
  if type(content) ~= "table" then return type(content) == "string" and content or "" end
  local out = json.array {}
  for _, part in ipairs(items.objects(content)) do
    local read = PARTS[part.type]
    local one = read and read(part)
    if not one then
      lost["input." .. tostring(part.type)] = true
    else
      -- Where OpenAI's newer models are told to keep the prompt; others call it cache_control.
      one.cache_control = part.cache_control or part.prompt_cache_breakpoint and { type = "ephemeral" }
      out[#out + 1] = one
    end
  end
  return out
end

-- ---- items ----

local reader = {}
reader.__index = reader

-- The assistant's message that is being gathered is over.
function reader:flush()
  local turn = self.turn
  if not turn then return end
  self.turn = nil
  local message = turn:message()
  message.role = "assistant"
  message.content = message.content or (message.tool_calls and json.null) or ""
  for _, call in ipairs(message.tool_calls or {}) do
    call.index = nil
    self.callers[call.id or ""] = message
  end
  self.messages[#self.messages + 1] = message
end

function reader:say(message)
  self:flush()
  self.messages[#self.messages + 1] = message
end

local ROLES = { user = true, system = true, developer = true }

local READERS = {}

function READERS.message(self, item, raw, at)
  if item.role == "assistant" then
    -- Two texts are two messages; but between calls and their results there can be only one.
    if self.turn and self.turn.has_text and not self.turn.calls[1] then self:flush() end
    return self:gather(raw)
  elseif not ROLES[item.role] then
    return ("input[%d].role: %s is none; send user, assistant, system or developer, and results of tools as "
      .. "function_call_output"):format(at, tostring(item.role))
  end
  self:say { role = item.role, content = content_of(item.content, self.lost) }
end

-- In chat results stand right behind their calls; here others may speak between.
function reader:put_result(message)
  self:flush()
  local caller = self.callers[message.tool_call_id or ""]
  if not caller then return self:say(message) end
  self.results[caller] = self.results[caller] or {}
  table.insert(self.results[caller], message)
end

-- All messages, each with the results of its calls behind it.
function reader:finish()
  self:flush()
  local out = json.array {}
  for _, message in ipairs(self.messages) do
    out[#out + 1] = message
    for _, result in ipairs(self.results[message] or {}) do out[#out + 1] = result end
  end
  return out
end

function READERS.function_call_output(self, item)
  local output = item.output
  self:put_result { role = "tool", tool_call_id = item.call_id,
                    content = type(output) == "table" and not json.is_array(output) and json.encode(output)
                      or content_of(output, self.lost) }
end
READERS.custom_tool_call_output = READERS.function_call_output

function READERS.item_reference(_, _, _, at)
  return ("input[%d]: item_reference names an item that is not kept here; send the item itself"):format(at)
end

-- What is of the assistant: calls, reasoning, and what the provider ran itself with what came of it.
function reader:gather(raw)
  self.turn = self.turn or items.turn(nil, self.is_ours)
  self.turn:add(raw)
end

--- @treturn ?string  a sentence when the item is refused
function reader:read(raw, at)
  local item = json.read(raw)
  if type(item) ~= "table" or json.is_array(item) then return ("input[%d]: must be an object"):format(at) end
  local read = READERS[item.type or "message"]
  if read then return read(self, item, raw, at) end
  self:gather(raw)
end

-- A custom tool call is the client's when the client offers the tool, or answers the call.
local function whose(offered, elements)
  local answered = {}
  for _, element in ipairs(elements) do
    local kind, id = json.pick(tostring(element), "type", "call_id")
    if kind == '"custom_tool_call_output"' and id then answered[json.decode(id)] = true end
  end
  return function(call) return not offered or offered(call) or answered[call.call_id] end
end

--- @tparam ?string raw  JSON text of `input`
-- @tparam ?string instructions  stand before everything else
-- @tparam table how  `is_ours` (items.offered()), and `lost`, a set that gains names
-- @treturn ?table  chat messages; nil and a sentence when an item is refused
function input.messages(raw, instructions, how)
  local self = setmetatable({ messages = {}, callers = {}, results = {}, lost = how.lost }, reader)
  if instructions and instructions ~= "" then self:say { role = "system", content = instructions } end
  if not raw then return self:finish() end
  if raw:sub(1, 1) == '"' then
    self:say { role = "user", content = json.decode(raw) }
    return self:finish()
  end
  local elements = json.elements(raw)
  if not elements then return nil, "input: must be a string or a list of items" end
  self.is_ours = whose(how.is_ours, elements)
  for i, element in ipairs(elements) do
    local why = self:read(tostring(element), i - 1)
    if why then return nil, why end
  end
  return self:finish()
end

return input
