--- A chat's messages by Mistral's rules, which refuse what they do not know.
--
-- Ids of tool calls have nine letters or digits; a conversation ends with the user, a tool or the beginning of the
-- answer (`prefix`); an assistant says something, and speaks between a tool and the user; instructions are text, and
-- stand neither behind the model nor last, where they become reminders of the user's; reasoning is a part of the
-- content; no message has members that Mistral does not name. A message that keeps the rules keeps its bytes. Pure.

local json     = require("tidegate.core").json
local chat     = require "tidegate.convert.chat"
local data_url = require "tidegate.convert.data_url"
local edit     = require "tidegate.convert.edit"
local ids      = require "tidegate.convert.mistral.ids"
local set      = require "tidegate.base.set"
local shape    = require "tidegate.convert.shape"

local mistral_messages = {}

-- The members of each thing.
local MESSAGE = {
  system    = set { "role", "content" },
  user      = set { "role", "content" },
  assistant = set { "role", "content", "tool_calls", "prefix" },
  tool      = set { "role", "content", "tool_call_id", "name" },
}
local PART = {
  text = set { "type", "text" }, image_url = set { "type", "image_url" }, input_audio = set { "type", "input_audio" },
  document_url = set { "type", "document_url", "document_name" }, file = set { "type", "file_id" },
  reference = set { "type", "reference_ids" }, thinking = set { "type", "thinking", "closed" },
}
local CALL, FUNCTION = set { "id", "type", "function", "index" }, set { "name", "arguments" }

-- What stands for an assistant's turn that nobody recorded.
local BRIDGE = '{"role":"assistant","content":"OK."}'

local function text_of(raw)
  local value = raw and json.decode(raw)
  return type(value) == "string" and value or nil
end

-- ---- parts ----

-- A document: where it is, or the id that it has at Mistral.
local function document_of(part)
  local read = json.read(part)
  local media = shape.check_content(json.array { read }, "content") and chat.media(read) or {}
  if media.id then return json.encode { type = "file", file_id = media.id } end
  local url = media.url or media.data and data_url.write(media.media, media.data)
  return url and json.encode { type = "document_url", document_url = url, document_name = media.name }
end

-- Parts that Mistral has under another name. Each gives JSON text, or nothing.
local OTHERS = {
  refusal = function(part) return '{"type":"text","text":' .. (json.pick(part, "refusal") or '""') .. "}" end,
  input_text = function(part) return '{"type":"text","text":' .. (json.pick(part, "text") or '""') .. "}" end,
}

function OTHERS.file(part)
  if json.pick(part, "file_id") then return nil end
  return document_of(part)
end

function OTHERS.input_audio(part)
  local data = json.pick(part, "input_audio.data")
  return data and '{"type":"input_audio","input_audio":' .. data .. "}"
end

local TEXTS = set { "text", "refusal", "input_text" }

-- A content: a string as it is, of a list the parts that Mistral knows; of an instruction its text.
local function content_of(raw, lost, is_text)
  return edit.list(raw, function(part)
    local kind = text_of(json.pick(part, "type")) or "unknown"
    if is_text and not TEXTS[kind] then
      lost["messages." .. kind:gsub("_url$", ""):gsub("^input_", "")] = true
      return nil
    end
    local other = OTHERS[kind] and OTHERS[kind](part)
    if other then return other end
    if PART[kind] then
      return edit.only(part, PART[kind], function(name)
        if name ~= "cache_control" then lost["messages." .. name] = true end
      end)
    end
    lost["messages." .. kind:gsub("_url$", "")] = true
  end)
end

-- ---- names and reasoning ----

-- Mistral's messages have no names; the text tells who speaks.
local function named(raw, name)
  local content = json.read(raw)
  if not shape.check_content(content, "content") then return raw end
  return json.encode(chat.named { name = name, content = content })
end

-- What was thought before this was said, as JSON text of a string: clients give it back under several names.
local function thought_of(message)
  local reasoning, content, details = json.pick(message, "reasoning", "reasoning_content", "reasoning_details")
  for _, raw in ipairs { reasoning or false, content or false } do
    if raw and raw:sub(1, 1) == '"' and raw ~= '""' then return raw end
  end
  local texts = {}
  for _, detail in ipairs(details and json.elements(details) or {}) do
    local text, summary = json.pick(tostring(detail), "text", "summary")
    texts[#texts + 1] = text_of(text) or text_of(summary)
  end
  return texts[1] and json.encode(table.concat(texts))
end

-- A content with the thought in front of it.
local function with_thought(content, thought)
  local parts = { '{"type":"thinking","thinking":[{"type":"text","text":' .. thought .. '}],"closed":true}' }
  if content:sub(1, 1) == "[" then
    for _, part in ipairs(json.elements(content)) do parts[#parts + 1] = tostring(part) end
  elseif edit.says(content) then
    parts[2] = '{"type":"text","text":' .. content .. "}"
  end
  return "[" .. table.concat(parts, ",") .. "]"
end

-- ---- calls ----

-- All ids of a conversation, in their order.
local function ids_of(list)
  local out = {}
  for _, message in ipairs(list) do
    local calls, id = json.pick(tostring(message), "tool_calls", "tool_call_id")
    for _, call in ipairs(calls and json.elements(calls) or {}) do
      out[#out + 1] = text_of((json.pick(tostring(call), "id")))
    end
    out[#out + 1] = text_of(id)
  end
  return out
end

-- An id's JSON text; the same bytes where nothing changes.
local function id_of(raw, s)
  local id = text_of(raw)
  if not id or s.ids[id] == id then return raw end
  return json.encode(s.ids[id])
end

-- A call of a custom tool as one of a function.
local function as_function(call)
  if not json.pick(call, "custom.name") then return call end
  local read = json.read(call)
  if type(read.custom.name) ~= "string" then return call end
  local name, arguments = chat.called(read)
  return json.encode { id = read.id, type = "function", ["function"] = { name = name, arguments = arguments } }
end

local function calls_of(raw, s)
  local function gone(name) s.lost["messages.tool_calls." .. name] = true end
  return edit.list(raw, function(call)
    call = as_function(call)
    return edit.object(edit.only(call, CALL, gone), function(name, value)
      if name == "id" then value = id_of(value, s) end
      if name == "function" then value = edit.only(value, FUNCTION, gone) end
      return name, value
    end)
  end)
end

-- ---- messages ----

local THOUGHTS = set { "reasoning", "reasoning_content", "reasoning_details" }

-- The user's words for an instruction that may not stand where it does.
local function reminder(raw)
  local content = json.read(raw)
  local text = shape.check_content(content, "content") and chat.text(content, "\n") or ""
  return json.encode("<system-reminder>\n" .. text .. "\n</system-reminder>")
end

-- What each member of a message becomes, by its name. `m`: { text, role, thought }
local write = {}

function write.role(value, m)
  return m.given == m.role and value or json.encode(m.role)
end

function write.content(value, m, s)
  local content = content_of(value, s.lost, m.is_instruction)
  if m.is_reminder then return reminder(content) end
  if m.name and edit.says(content) then content = named(content, m.name) end
  if m.refusal and not edit.says(content) then content = m.refusal end
  return m.thought and with_thought(content, m.thought) or content
end

function write.tool_calls(value, _, s)    return calls_of(value, s) end
function write.tool_call_id(value, _, s)  return id_of(value, s) end
function write.prefix(value, m)           return m.is_prefix and "true" or value end

-- A member that Mistral does not know: is it told elsewhere, or gone?
local function drop(name, value, m, s)
  if not edit.says(value) or name == "name" or name == "refusal" and m.refusal then return end
  if THOUGHTS[name] then
    if not m.thought then s.lost["messages.reasoning"] = true end
  elseif name ~= "cache_control" then       -- Mistral caches by itself
    s.lost["messages." .. name] = true
  end
end

-- An instruction behind the model or a tool, or at the end, is the user's to say.
local function look_at_instruction(m, is_last, s)
  m.role, m.is_instruction = "system", true
  if s.before ~= "assistant" and s.before ~= "tool" and not is_last then return end
  m.role, m.is_reminder = "user", s.before ~= nil and s.before ~= "system"
end

-- What there is to know of a message before it is written. `added`: members that it lacks.
local function look_at(text, is_last, s)
  local role, name, refusal, kind, calls =
    json.pick(text, "role", "name", "refusal", "content.0.type", "tool_calls")
  role = text_of(role)
  local m = { role = role, given = role, added = {} }
  if role == "system" or role == "developer" then look_at_instruction(m, is_last, s) end
  if m.role ~= "tool" and name ~= '""' then m.name = text_of(name) end
  if m.role ~= "assistant" then return m end
  m.refusal = text_of(refusal) and refusal
  m.thought = s.thinks and kind ~= '"thinking"' and thought_of(text)
  m.is_prefix = is_last and not (calls and edit.says(calls))
  local members = json.split(text)
  if not members.content and (m.thought or m.refusal) then m.added[1] = '"content":' .. write.content("null", m, s) end
  if m.is_prefix and not members.prefix then m.added[#m.added + 1] = '"prefix":true' end
  return m
end

-- Does a message of the model's say anything? Mistral refuses one that does not.
local function speaks(text, s)
  local role, content, calls, refusal = json.pick(text, "role", "content", "tool_calls", "refusal")
  if role ~= '"assistant"' then return true end
  return content and edit.says(content) or calls and edit.says(calls) or refusal and edit.says(refusal)
    or s.thinks and thought_of(text)
end

local function message_of(text, is_last, s)
  local m = look_at(text, is_last, s)
  local names = MESSAGE[m.role]
  if not names then return text, m end
  local out = edit.object(text, function(name, value)
    if not names[name] then return drop(name, value, m, s) end
    return name, write[name] and write[name](value, m, s) or value
  end, m.added)
  return speaks(out, s) and out or nil, m
end

local function last_that_speaks(list, s)
  local last = #list
  while last > 1 and not speaks(tostring(list[last]), s) do last = last - 1 end
  return last
end

--- @tparam string text  the list of messages
-- @tparam boolean thinks  does the model take thoughts back?
-- @tparam table lost  { name = true }, to be added to
-- @treturn string  the list; the same text when it keeps the rules already
function mistral_messages.rewrite(text, thinks, lost)
  local list = json.elements(text)
  if not list then return text end
  local s = { ids = ids.map(ids_of(list)), thinks = thinks, lost = lost }
  local last = last_that_speaks(list, s)
  return edit.list(text, function(message, i)
    local out, m = message_of(message, i == last, s)
    if not out then return nil end
    local is_bridged = s.before == "tool" and m.role == "user"
    s.before = m.role
    return is_bridged and BRIDGE .. "," .. out or out      -- two elements in place of one
  end)
end

return mistral_messages
