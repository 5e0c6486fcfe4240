--- Chat's messages as Converse's: system blocks, and turns of user and assistant that alternate. Pure.

local json     = require("tidegate.core").json
local call_ids = require "tidegate.convert.call_ids"
local chat     = require "tidegate.convert.chat"
local data_url = require "tidegate.convert.data_url"
local layout   = require "tidegate.convert.anthropic.layout"
local content  = require "tidegate.convert.bedrock.content"

local history = {}

local ID_MAX = 64

-- The format of reasoning_details that only Bedrock can read; Claude's are Anthropic's (layout.FORMAT).
history.BEDROCK = "bedrock-converse"

-- ---- reasoning that comes back ----

-- Fragments of a stream that a client collected, as the blocks they are of: those of one index that follow each
-- other, up to the signature.
local function joined(details)
  local out = {}
  for _, detail in ipairs(details) do
    local last = out[#out]
    local goes_on = detail.type == "reasoning.text" and last and last.type == detail.type
      and last.format == detail.format and last.index == detail.index and not (last.signature and detail.text)
    if goes_on then
      last.text = (last.text or "") .. (detail.text or "")
      last.signature = last.signature or detail.signature
    else
      out[#out + 1] = { type = detail.type, format = detail.format, index = detail.index, text = detail.text,
                        signature = detail.signature, data = detail.data }
    end
  end
  return out
end

local RESTORE = {}

RESTORE["reasoning.text"] = function(detail, family)
  local replays, text = family.replays, detail.text or ""
  if replays.signed and detail.signature and detail.format == layout.FORMAT then
    return { reasoningContent = { reasoningText = { text = text, signature = detail.signature } } }
  end
  if replays.plain and text ~= "" then return { reasoningContent = { reasoningText = { text = text } } } end
end

-- Anthropic's redacted thought is a text; the blob on Bedrock's line is that text's bytes.
RESTORE["reasoning.encrypted"] = function(detail, family)
  if type(detail.data) ~= "string" then return nil end
  if detail.format == layout.FORMAT and family.replays.redacted then
    return { reasoningContent = { redactedContent = data_url.encode(detail.data) } }
  elseif detail.format == history.BEDROCK and family.replays.sealed then
    return { reasoningContent = { redactedContent = detail.data } }
  end
end

RESTORE["reasoning.server_tool_call"] = function(detail, family)
  if detail.format ~= history.BEDROCK or not family.runs_tools then return nil end
  return json.check(detail.data or "") and json.raw(detail.data) or nil
end

-- ---- turns ----

local function append(list, more)
  for _, element in ipairs(more) do list[#list + 1] = element end
end

-- Turns alternate: what follows in the same role goes on in the same turn.
local function push(turns, role, blocks)
  if not blocks[1] then return end
  local last = turns[#turns]
  if last and last.role == role then
    append(last.content, blocks)
  else
    turns[#turns + 1] = { role = role, content = json.array(blocks) }
  end
end

-- ---- the model's turns ----

-- A message of the model's, taken apart: blocks so far, and the text parts and calls that are not among them yet.
local turn = {}
turn.__index = turn

function turn:put_parts(parts)
  append(self.blocks, content.cached_blocks(parts, content.IN_ASSISTANT, "messages", self.c))
end

-- The next `chars` characters of the text.
function turn:put_chars(chars)
  while chars > 0 and self.parts[1] do
    local part = table.remove(self.parts, 1)
    local text = part.text or ""
    local has = layout.chars(text)
    if has > chars then
      local head, rest = layout.cut(text, chars)
      table.insert(self.parts, 1, { type = "text", text = rest, cache_control = part.cache_control })
      part = { type = "text", text = head }
    end
    self:put_parts { part }
    chars = chars - has
  end
end

function turn:put_call(call)
  local name, arguments = chat.called(call)
  local c = self.c
  if not name then
    c.lost["messages.tool_calls"] = true
    return
  end
  c.tools_used[#c.tools_used + 1] = name
  append(self.blocks, {
    { toolUse = { toolUseId = c.ids.call(call.id), name = name, input = json.raw(arguments) } },
    content.cache_point(call.cache_control, "messages", c),
  })
end

function turn:put_call_of(id)
  for i, call in ipairs(self.calls) do
    if call.id == id then return self:put_call(table.remove(self.calls, i)) end
  end
end

-- Where a text or a call stood among Claude's thoughts (anthropic/layout.lua). True when it was that.
function turn:put_marked(detail)
  if detail.type ~= "reasoning.server_tool_call" or detail.format ~= layout.FORMAT then return false end
  local mark = json.read(detail.data or "")
  if type(mark) ~= "table" then return false end
  if mark.type == "text" and mark.chars then
    self:put_chars(tonumber(mark.chars) or 0)
  elseif mark.type == "tool_use" then
    self:put_call_of(mark.id)
  else
    return false
  end
  return true
end

function turn:put_detail(detail)
  if self:put_marked(detail) then return end
  local restore = RESTORE[detail.type]
  local block = restore and restore(detail, self.c.family)
  self.blocks[#self.blocks + 1] = block
  -- Plain words of a thought nobody needs back.
  if not block and (detail.signature or detail.data) then self.c.lost["messages.reasoning"] = true end
end

local function list_of(value) return type(value) == "table" and value or {} end

local function assistant_blocks(message, c)
  local parts, calls = {}, {}
  append(parts, chat.parts(message.content))
  if not parts[1] then append(parts, chat.parts(message.refusal)) end
  append(calls, list_of(message.tool_calls))
  local t = setmetatable({ blocks = json.array {}, parts = parts, calls = calls, c = c }, turn)

  local details, text = joined(list_of(message.reasoning_details)), message.reasoning or message.reasoning_content
  for _, detail in ipairs(details) do t:put_detail(detail) end
  if not details[1] and type(text) == "string" and text ~= "" then
    t:put_detail { type = "reasoning.text", text = text }
  end
  t:put_parts(t.parts)
  for _, call in ipairs(t.calls) do t:put_call(call) end

  if list_of(message.images)[1] then c.lost["messages.images"] = true end
  for _, name in ipairs { "audio", "function_call" } do
    if message[name] then c.lost["messages." .. name] = true end
  end
  return t.blocks
end

-- ---- the user's turns ----

-- Results stand before all else in a turn.
local function push_results(turns, blocks)
  local last = turns[#turns]
  if not last or last.role ~= "user" then return push(turns, "user", blocks) end
  local at = 1
  while last.content[at] and (last.content[at].toolResult or last.content[at].cachePoint) do at = at + 1 end
  for i, block in ipairs(blocks) do table.insert(last.content, at + i - 1, block) end
end

-- A result has no place for a cache point inside; it stands behind. One that says nothing still has to be something.
local function tool_result(message, c)
  local blocks, controls = content.blocks(message.content, content.IN_RESULT, c)
  local _, control = next(controls)
  if not blocks[1] then blocks[1] = { json = {} } end
  local result = { toolUseId = c.ids.result(message.tool_call_id), content = blocks }
  if message.is_error and c.family.tells_status then
    result.status = "error"
  elseif message.is_error then
    c.lost["messages.is_error"] = true
  end
  c.has_results = true
  return { { toolResult = result }, content.cache_point(message.cache_control or control, "messages", c) }
end

-- A cache point behind all that was said so far.
local function push_cache_point(control, turns, c)
  local last = turns[#turns]
  if last and not last.content[#last.content].cachePoint then
    push(turns, last.role, { content.cache_point(control, "messages", c) })
  end
end

local ROLES = {}

-- What one message says, and the cache point that it asks for behind it.
local function say(role, blocks, message, turns, c)
  push(turns, role, blocks)
  if blocks[1] then push_cache_point(message.cache_control, turns, c) end
end

function ROLES.user(message, turns, c)
  say("user", content.cached_blocks(chat.named(message), content.IN_USER, "messages", c), message, turns, c)
end

function ROLES.assistant(message, turns, c) say("assistant", assistant_blocks(message, c), message, turns, c) end
function ROLES.tool(message, turns, c)      push_results(turns, tool_result(message, c)) end

-- Instructions before the first turn are the system prompt. A later one is a reminder where it stands, so that what
-- came before it stays cached.
local function instruct(message, system, turns, c)
  if not turns[1] then
    append(system, content.cached_blocks(message.content, content.IN_SYSTEM, "system", c))
    if system[1] then system[#system + 1] = content.cache_point(message.cache_control, "system", c) end
    return
  end
  local blocks = content.cached_blocks(message.content, content.IN_SYSTEM, "messages", c)
  for _, block in ipairs(blocks) do
    if block.text then block.text = "<system-reminder>\n" .. block.text .. "\n</system-reminder>" end
  end
  say("user", blocks, message, turns, c)
end

-- An answer that is begun for the model may not end in white space.
local function trim_prefill(turns)
  local last = turns[#turns]
  if not last or last.role ~= "assistant" then return end
  local block = last.content[#last.content]
  if block.text then block.text = block.text:gsub("%s+$", "") end
end

-- A conversation begins with the user, though in other formats the model may speak first.
local function begin_with_user(turns)
  if turns[1] and turns[1].role == "assistant" then
    table.insert(turns, 1, { role = "user", content = { { text = "Begin." } } })
  end
end

-- A document stands in no turn without a text.
local function put_text_to_documents(blocks)
  local at
  for i, block in ipairs(blocks) do
    if block.text then return end
    at = at or block.document and i
  end
  if at then table.insert(blocks, at, { text = "See the document." }) end
end

--- @tparam table body  a chat request
-- @tparam table c  see bedrock_content; gets `tools_used`, the names of tools called so far, and `has_results`
-- @treturn table  system blocks
-- @treturn table  turns
function history.read(body, c)
  local system, turns = json.array {}, json.array {}
  c.ids, c.tools_used = call_ids.new { longest = ID_MAX, plain = true }, {}
  for _, message in ipairs(body.messages or {}) do
    if chat.is_system(message) then
      instruct(message, system, turns, c)
    elseif ROLES[message.role] then
      ROLES[message.role](message, turns, c)
    else
      c.lost["messages." .. tostring(message.role)] = true
    end
  end
  -- Instructions alone ask for an answer, too.
  if not turns[1] and system[1] then
    push(turns, "user", system)
    system = {}
  end
  begin_with_user(turns)
  push_cache_point(body.cache_control, turns, c)
  trim_prefill(turns)
  for _, one in ipairs(turns) do put_text_to_documents(one.content) end
  return system, turns
end

--- Is the model in the middle of an answer that it began without thinking? With a budget Claude must have begun
-- with a thought.
function history.began_thoughtless(turns)
  for i = #turns, 1, -1 do
    if turns[i].role == "assistant" then return turns[i].content[1].reasoningContent == nil end
    for _, block in ipairs(turns[i].content) do
      if not block.toolResult and not block.cachePoint then return false end
    end
  end
  return false
end

return history
