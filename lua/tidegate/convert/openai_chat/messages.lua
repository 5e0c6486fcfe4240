--- The messages of a chat that was made of another format, by OpenAI's rules.
--
-- No member that OpenAI does not name; text alone but from the user; ids of calls of at most 40 characters; no turn
-- of the model's without words or calls. What a tool's result shows beside text, the user shows behind the results.
-- A message that keeps the rules keeps its bytes. Pure.

local json     = require("tidegate.core").json
local call_ids = require "tidegate.convert.call_ids"
local edit     = require "tidegate.convert.edit"
local set      = require "tidegate.base.set"

local openai_messages = {}

local LONGEST_ID = 40

-- The members of each thing.
local MESSAGE = {
  system    = set { "role", "content", "name" },
  developer = set { "role", "content", "name" },
  user      = set { "role", "content", "name" },
  assistant = set { "role", "content", "name", "refusal", "audio", "tool_calls", "function_call" },
  tool      = set { "role", "content", "tool_call_id" },
}
local CALL, CALLED = set { "id", "type", "function", "custom" }, set { "name", "arguments", "input" }

-- The kinds of parts, and their members inside the one of their name.
local PART = {
  text = {}, refusal = {}, image_url = set { "url", "detail" }, input_audio = set { "data", "format" },
  file = set { "filename", "file_data", "file_url", "file_id" }, video_url = set { "url" },
}

local SHOWN = '{"type":"text","text":"Shown by the tools:"}'
local BELOW = '"The result is shown in the next message."'

local function ignore() end

local function text_of(raw)
  local value = raw and json.decode(raw)
  return type(value) == "string" and value or nil
end

-- ---- parts ----

local function inside(raw, names)
  return raw:find "^%s*{" and edit.only(raw, names, ignore) or raw
end

local function part_of(raw, kind)
  return edit.object(raw, function(name, value)
    if name == "type" then return name, value end
    if name == kind then return name, inside(value, PART[kind]) end
  end)
end

-- May this role say it?
local function is_for(role, kind)
  return kind == "text" or kind == "refusal" and role == "assistant" or role == "user" and PART[kind] ~= nil
end

-- A content; the parts that a tool may not show go into `shown`.
local function content_of(raw, role, s)
  if not raw:find "^%s*%[" then return raw end
  return edit.list(raw, function(part)
    local kind = text_of((json.pick(part, "type"))) or "unknown"
    if is_for(role, kind) then return part_of(part, kind) end
    if role == "tool" and is_for("user", kind) then
      s.shown[#s.shown + 1] = part_of(part, kind)
    else
      s.lost["messages." .. kind:gsub("_url$", ""):gsub("^input_", "")] = true
    end
  end)
end

-- ---- calls ----

local function id_of(raw, give)
  local id = text_of(raw)
  if not id then return raw end
  local own = give(id)
  return own == id and raw or json.encode(own)
end

local function calls_of(raw, s)
  return edit.list(raw, function(call)
    return edit.object(call, function(name, value)
      if name == "id" then return name, id_of(value, s.ids.call) end
      if not CALL[name] then return nil end
      return name, inside(value, CALLED)
    end)
  end)
end

-- ---- messages ----

-- Members of a message whose value may change, by name: JSON text, or nothing.
local write = {}

function write.content(value, role, s)
  local content = content_of(value, role, s)
  if content ~= "[]" or content == value then return content end
  return role == "tool" and (s.shown[1] and BELOW or '""') or nil
end

function write.tool_calls(value, _, s)   return edit.says(value) and calls_of(value, s) or nil end
function write.tool_call_id(value, _, s) return id_of(value, s.ids.result) end

-- What was heard before is named by its id.
function write.audio(value, _, s)
  local id = value:find "^%s*{" and json.pick(value, "id")
  if id then return '{"id":' .. id .. "}" end
  s.lost["messages.audio"] = s.lost["messages.audio"] or value ~= "null" or nil
end

local function says(text, role)
  local content, calls, refusal, audio, called =
    json.pick(text, "content", "tool_calls", "refusal", "audio", "function_call")
  if role ~= "assistant" then return content ~= nil end
  return content and content ~= "null" or calls or audio or called or refusal and edit.says(refusal)
end

local function message_of(raw, role, s)
  local known = MESSAGE[role]
  if not known then return raw end
  local text = edit.object(raw, function(name, value)
    if not known[name] then return nil end
    if write[name] then value = write[name](value, role, s) end
    return value and name, value
  end)
  return says(text, role) and text or nil
end

-- The user's message with what the tools before it showed.
local function show(out, s)
  if not s.shown[1] then return end
  out[#out + 1] = json.raw('{"role":"user","content":[' .. SHOWN .. "," .. table.concat(s.shown, ",") .. "]}")
  s.shown = {}
end

--- @tparam string text  the list of messages
-- @tparam table lost  a set, to which the kinds of content that have no place are added
-- @treturn table  the messages, json.raw each
function openai_messages.rewrite(text, lost)
  local s = { ids = call_ids.new { longest = LONGEST_ID }, shown = {}, lost = lost }
  local out = json.array {}
  for _, raw in ipairs(json.texts(text) or {}) do
    local role = text_of((json.pick(raw, "role")))
    if role ~= "tool" then show(out, s) end
    local message = message_of(raw, role, s)
    out[#out + 1] = message and json.raw(message)
  end
  show(out, s)
  return out
end

return openai_messages
