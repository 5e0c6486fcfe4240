--- A request of Anthropic's Messages API, with OpenRouter's further members, as a chat request.

local json     = require("tidegate.core").json
local blocks   = require "tidegate.convert.anthropic_blocks"
local chat     = require "tidegate.convert.chat"
local media    = require "tidegate.convert.anthropic_media"
local thinking = require "tidegate.convert.anthropic_thinking"
local tools    = require "tidegate.convert.anthropic_tools"

local anthropic_incoming = {}

-- ---- content ----

-- A content's blocks as json.raw each; a text is one block.
local function raw_blocks(content)
  local text = tostring(content)
  if text:sub(1, 1) == '"' then return { json.raw('{"type":"text","text":' .. text .. "}") } end
  return json.elements(text)
end

-- One text that nothing is marked on says as much as a list with it.
local function plain(parts)
  local only = parts[1]
  if #parts == 1 and not json.is_raw(only) and only.type == "text" and not only.cache_control then return only.text end
  return parts
end

local function parts_of(list)
  local parts = json.array {}
  for _, raw in ipairs(list) do
    local block = json.read(tostring(raw))
    if type(block) == "table" then parts[#parts + 1] = media.part(block, tostring(raw)) end
  end
  return parts
end

local function result_content(content)
  if content == nil then return "" end
  local text = tostring(content)
  if text:sub(1, 1) == '"' then return json.decode(text) end
  return plain(parts_of(json.elements(text) or {}))
end

-- ---- messages ----

local KEEP_CONTENT = { content = true }

local function tool_message(raw)
  local block = json.read(raw, KEEP_CONTENT)
  return { role = "tool", tool_call_id = block.tool_use_id, content = result_content(block.content),
           is_error = block.is_error or nil, cache_control = block.cache_control }
end

-- Results of tools are messages of their own, before what else the user says.
local function read_user(list, out)
  local rest = {}
  for _, raw in ipairs(list) do
    if json.pick(tostring(raw), "type") == '"tool_result"' then
      out[#out + 1] = tool_message(tostring(raw))
    else
      rest[#rest + 1] = raw
    end
  end
  local parts = parts_of(rest)
  if parts[1] then out[#out + 1] = { role = "user", content = plain(parts) } end
end

local function read_assistant(list, out)
  local message = blocks.message(list)
  message.role = "assistant"
  message.content = message.content or (message.tool_calls and json.null or "")
  out[#out + 1] = message
end

-- In mid-conversation: only its text is for everybody.
local function read_system(list, out, lost)
  local parts = {}
  for _, part in ipairs(parts_of(list)) do
    if json.is_raw(part) then
      lost["messages." .. (json.pick(tostring(part), "type") or '""'):sub(2, -2)] = true
    else
      parts[#parts + 1] = part
    end
  end
  if parts[1] then out[#out + 1] = { role = "system", content = plain(parts) } end
end

local ROLES = { user = read_user, assistant = read_assistant, system = read_system }

local function read_messages(messages, out, lost)
  for i, m in ipairs(messages) do
    local read = type(m) == "table" and ROLES[m.role]
    if not read then return ("messages.%d: role must be 'user', 'assistant' or 'system'."):format(i - 1) end
    local list = m.content and raw_blocks(m.content)
    if not list then return ("messages.%d: content must be a string or a list of blocks."):format(i - 1) end
    read(list, out, lost)
  end
end

local function system_of(system)
  if system == nil then return nil end
  if type(system) == "string" then return system ~= "" and { role = "system", content = system } or nil end
  local parts = json.array {}
  for _, block in ipairs(type(system) == "table" and system or {}) do
    if type(block) == "table" and block.text then
      parts[#parts + 1] = { type = "text", text = block.text, cache_control = block.cache_control }
    end
  end
  return parts[1] and { role = "system", content = plain(parts) } or nil
end

-- ---- the other members ----

-- OpenRouter's, and those that are the same in both formats.
local SAME = { "model", "models", "provider", "route", "policy", "plugins", "preset", "session_id", "trace",
  "transforms", "stop_server_tools_when", "stream", "max_tokens", "temperature", "top_p", "top_k", "cache_control" }

local TAKEN = { "messages", "system", "fallbacks", "metadata", "user", "stop_sequences", "thinking", "output_config",
  "output_format", "tools", "tool_choice", "service_tier", "speed", "anthropic_version" }

local KNOWN = chat.carried(SAME)
for _, name in ipairs(TAKEN) do KNOWN[name] = true end

-- Which models are asked when the first one fails.
local function read_fallbacks(body, out)
  local list = body.fallbacks
  if list == nil or list == "default" then return nil end
  if body.models then return "'fallbacks' cannot be combined with 'models'. Use one of them." end
  if type(list) ~= "table" then return "'fallbacks' must be a list of objects with a 'model' each." end
  if #list > 3 then return "'fallbacks' must have 3 items or fewer." end
  local models = {}
  for i, entry in ipairs(list) do
    if type(entry) ~= "table" or type(entry.model) ~= "string" then
      return ("fallbacks.%d: 'model' is required."):format(i - 1)
    end
    for name in pairs(entry) do
      if name ~= "model" then return ("fallbacks.%d: only 'model' is accepted, not '%s'."):format(i - 1, name) end
    end
    models[i] = entry.model
  end
  out.models = models[1] and models
end

local TIERS = { auto = "auto", standard_only = "default" }

local function read_members(body, raw, out, lost)
  for _, name in ipairs(SAME) do
    if body[name] ~= nil then out[name] = raw[name] end
  end
  out.user = body.user or type(body.metadata) == "table" and body.metadata.user_id or nil
  out.stop = body.stop_sequences and body.stop_sequences[1] and body.stop_sequences or nil
  out.service_tier = body.speed == "fast" and "fast" or TIERS[body.service_tier] or body.service_tier
  out.tools = tools.read(raw.tools and tostring(raw.tools), lost)
  tools.read_choice(body.tool_choice, out)
  out.response_format = tools.read_format(body)
  thinking.read(body, out, lost)
  if body.fallbacks == "default" then lost.fallbacks = true end
end

local KEEP = { content = true, input_schema = true, schema = true }

--- @treturn ?string  a chat request
-- @treturn table|string  names of what has no place in it; or a sentence
function anthropic_incoming.read(text)
  local body, err = json.read(text, KEEP)
  if type(body) ~= "table" then return nil, err and tostring(err) or "The request must be an object." end
  if type(body.messages) ~= "table" then return nil, "'messages' must be a list of messages." end
  local raw, lost = json.split(text), {}
  if not raw then return nil, "The request must be an object." end
  local out = { messages = json.array { system_of(body.system) } }
  local why = read_messages(body.messages, out.messages, lost) or read_fallbacks(body, out)
  if why then return nil, why end
  read_members(body, raw, out, lost)
  for name, value in pairs(body) do
    if not KNOWN[name] and value ~= nil then lost[name] = true end
  end
  return json.encode(out), chat.sorted(lost)
end

return anthropic_incoming
