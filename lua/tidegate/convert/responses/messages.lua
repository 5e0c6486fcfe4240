--- Chat messages as the items of a Responses request.
--
-- Reasoning goes back as the item it came from, between the texts and calls where it stood (responses_items). That
-- of other providers means nothing here, and OpenAI's without its encrypted content neither, for nothing is kept
-- on the server. Pure.

local json      = require("tidegate.core").json
local call_ids  = require "tidegate.convert.call_ids"
local chat      = require "tidegate.convert.chat"
local citations = require "tidegate.convert.responses.citations"
local items     = require "tidegate.convert.responses.items"

local messages = {}

local LONGEST_ID = 64

-- ---- parts of a content ----

local PARTS = {}

function PARTS.text(part) return { type = "input_text", text = part.text } end
function PARTS.refusal(part) return { type = "input_text", text = part.refusal } end
PARTS.input_text = PARTS.text

function PARTS.image_url(part)
  local image = part.image_url
  if type(image) ~= "table" then image = { url = image } end
  return { type = "input_image", image_url = image.url, detail = image.detail or "auto" }
end

-- Bytes must have a name, from which their kind is told.
local function file_name(file)
  if file.filename or not file.file_data then return file.filename end
  local media = chat.media { type = "file", file = file }.media
  return "file." .. (media and media:match "/([%w]+)$" or "pdf")
end

function PARTS.file(part)
  local file = type(part.file) == "table" and part.file or {}
  return { type = "input_file", filename = file_name(file), file_data = file.file_data, file_url = file.file_url,
           file_id = file.file_id }
end

function PARTS.input_audio(part) return { type = "input_audio", input_audio = part.input_audio } end

local writer = {}
writer.__index = writer

-- What one kind of part is called where it is told as lost.
local function name_of(part) return "messages." .. tostring(part.type):gsub("_url$", "") end

--- A content of a user's, an instruction's or a tool's.
function writer:content(content)
  if type(content) ~= "table" then return content or "" end
  local out = json.array {}
  for _, part in ipairs(items.objects(content)) do
    local write = PARTS[part.type]
    if not write then
      self.lost[name_of(part)] = true
    else
      local one = write(part)
      if part.cache_control and self.breakpoints then one.prompt_cache_breakpoint = { mode = "explicit" } end
      out[#out + 1] = one
    end
  end
  return out
end

-- ---- reasoning that comes back ----

local NATIVE = { ["openai-responses-v1"] = true, ["xai-responses-v1"] = true }

-- Where a fragment of a detail belongs: fragments of one have its index.
local function part_at(item, list, detail)
  local last = list[#list]
  if last and detail.index ~= nil and item.index == detail.index then return last end
  last = { text = "" }
  list[#list + 1] = last
  item.index = detail.index
  return last
end

local FOLD = {}

FOLD["reasoning.summary"] = function(item, detail)
  local part = part_at(item, item.summary, detail)
  part.type, part.text = "summary_text", part.text .. tostring(detail.summary or "")
end

FOLD["reasoning.text"] = function(item, detail)
  item.content = item.content or {}
  local part = part_at(item, item.content, detail)
  part.type, part.text = "reasoning_text", part.text .. tostring(detail.text or "")
end

FOLD["reasoning.encrypted"] = function(item, detail) item.data = detail.data end

-- Does a detail belong to this item? An item has one encrypted content, and it comes last.
local function is_of(item, detail)
  if not item or item.raw then return false end
  if item.id and detail.id then return item.id == detail.id end
  return not item.data
end

-- Details of one format folded into the items they are of: { id, summary, content, data, after } or { raw, after }.
local function fold(details)
  local out = {}
  for _, detail in ipairs(details) do
    local item, into = out[#out], FOLD[detail.type]
    if detail.type == "reasoning.server_tool_call" and type(detail.data) == "string" and json.check(detail.data) then
      out[#out + 1] = { raw = detail.data, after = detail.after }
    elseif into then
      if not is_of(item, detail) then
        item = { summary = json.array {}, after = detail.after }
        out[#out + 1] = item
      end
      item.id = item.id or detail.id
      into(item, detail)
    end
  end
  return out
end

--- The reasoning items of an assistant message; each with `after`, and `item`, what to write.
function writer:reasoning(message)
  local details = items.objects(message.reasoning_details)
  local own, out = {}, {}
  for _, detail in ipairs(details) do
    if NATIVE[detail.format] then own[#own + 1] = detail else self.lost["messages.reasoning_details"] = true end
  end
  if not details[1] and (message.reasoning or message.reasoning_content) then self.lost["messages.reasoning"] = true end
  for _, item in ipairs(fold(own)) do
    if item.raw then
      out[#out + 1] = { after = item.after, item = json.raw(item.raw) }
    elseif item.data or item.content then
      out[#out + 1] = { after = item.after, item = {
        type = "reasoning", id = item.id, summary = item.summary, content = item.content,
        encrypted_content = item.data } }
    else
      self.lost["messages.reasoning_details"] = true
    end
  end
  return out
end

-- ---- the assistant's texts and calls ----

local function annotations_of(message)
  local out = json.array {}
  for i, annotation in ipairs(items.objects(message.annotations)) do
    out[i] = json.raw(citations.from_chat(json.encode(annotation)))
  end
  return out[1] and out
end

local TEXTS = { text = true, input_text = true, refusal = true }

local function refusal_of(message)
  return message.refusal ~= "" and message.refusal or nil
end

-- A text without more is a string, which every server understands. Nothing for a message without words.
function writer:text_item(message)
  for _, part in ipairs(items.objects(message.content)) do
    if not TEXTS[part.type] then self.lost[name_of(part)] = true end
  end
  local text, annotations, refusal = chat.text(message.content), annotations_of(message), refusal_of(message)
  if text == "" and not refusal then return nil end
  if not annotations and not refusal then return { role = "assistant", content = text, phase = message.phase } end
  local parts = {}
  if text ~= "" then parts[1] = { type = "output_text", text = text, annotations = annotations } end
  if refusal then parts[#parts + 1] = { type = "refusal", refusal = refusal } end
  return { role = "assistant", content = json.array(parts), phase = message.phase }
end

function writer:call_item(call)
  local f, custom = call["function"], call.custom
  local id = self.ids.call(call.id)
  if type(custom) == "table" then
    self.customs[id] = true
    return { type = "custom_tool_call", call_id = id, name = custom.name, input = custom.input or "",
             namespace = call.namespace }
  end
  f = type(f) == "table" and f or {}
  local arguments = f.arguments
  if type(arguments) ~= "string" then arguments = arguments and json.encode(arguments) or "" end
  return { type = "function_call", call_id = id, name = f.name, namespace = call.namespace,
           arguments = arguments ~= "" and arguments or "{}" }
end

-- An image that was made here before has the id of the item that made it.
function writer:image_item(image)
  local media = chat.media(image)
  if not image.id or not media or not media.data then
    self.lost["messages.images"] = true
    return nil
  end
  return { type = "image_generation_call", id = image.id, status = "completed", result = media.data }
end

function writer:assistant(message)
  local own, calls = {}, items.objects(message.tool_calls)
  local reasoning = self:reasoning(message)
  local said = self:text_item(message)
  if said then own[1] = { item = said } end
  for _, call in ipairs(calls) do own[#own + 1] = { item = self:call_item(call) } end
  for _, step in ipairs(items.merge(reasoning, own)) do self:put(step.item) end
  for _, image in ipairs(items.objects(message.images)) do self:put(self:image_item(image)) end
  if message.audio then self.lost["messages.audio"] = true end
end

-- ---- messages ----

function writer:put(item) self.items[#self.items + 1] = item end

function writer:instruction(message)
  self:put { role = message.role, content = self:content(message.content) }
end

function writer:user(message)
  self:put { role = "user", content = self:content(chat.named(message)) }
end

function writer:tool(message)
  local content, id = self:content(message.content), self.ids.result(message.tool_call_id)
  if type(content) == "table" and #content == 1 and content[1].type == "input_text" then content = content[1].text end
  if message.is_error then self.lost["messages.is_error"] = true end
  self:put { type = self.customs[id] and "custom_tool_call_output" or "function_call_output", call_id = id,
             output = content }
end

writer.system, writer.developer = writer.instruction, writer.instruction

local ROLES = { user = true, assistant = true, tool = true, system = true, developer = true }

--- @tparam table list  a chat request's `messages`
-- @tparam table how  `lost`, a set that gains names; `breakpoints`, whether the model takes marks of where to cache
-- @treturn table  items
function messages.items(list, how)
  local self = setmetatable({ items = json.array {}, customs = {}, lost = how.lost, breakpoints = how.breakpoints,
                              ids = call_ids.new { longest = LONGEST_ID } }, writer)
  for _, message in ipairs(items.objects(list)) do
    if ROLES[message.role] then
      self[message.role](self, message)
    else
      self.lost["messages." .. tostring(message.role)] = true
    end
  end
  return self.items
end

return messages
