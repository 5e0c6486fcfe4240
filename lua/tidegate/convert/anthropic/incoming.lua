--- A request of Anthropic's Messages API, with OpenRouter's further members, as a chat request.

local json     = require("tidegate.core").json
local blocks   = require "tidegate.convert.anthropic.blocks"
local chat     = require "tidegate.convert.chat"
local media    = require "tidegate.convert.anthropic.media"
local shape    = require "tidegate.convert.anthropic.shape"
local thinking = require "tidegate.convert.anthropic.thinking"
local tools    = require "tidegate.convert.anthropic.tools"

local anthropic_incoming = {}

-- ---- content ----

-- The blocks of a content; or nil and what is wrong with them.
local function read_content(content, path)
  local list = content and blocks.read(tostring(content))
  if not list then return nil, path .. ".content must be a text or a list of blocks" end
  for i, one in ipairs(list) do
    local why = shape.check_block(one.block, path .. ".content." .. i - 1)
    if why then return nil, why end
  end
  return list
end

-- One text that nothing is marked on says as much as a list with it.
local function plain(parts)
  local only = parts[1]
  if #parts == 1 and not json.is_raw(only) and only.type == "text" and not only.cache_control then return only.text end
  return parts
end

local function parts_of(list)
  local parts = json.array {}
  for _, one in ipairs(list) do parts[#parts + 1] = media.part(one.block, one.text) end
  return parts
end

-- ---- messages ----

local function tool_message(block, path)
  local list, why = {}, nil
  if block.content then list, why = read_content(block.content, path) end
  if why then return nil, why end
  local content = list[1] and plain(parts_of(list)) or ""
  return { role = "tool", tool_call_id = block.tool_use_id or "", content = content,
           is_error = block.is_error == true or nil, cache_control = block.cache_control }
end

-- Results of tools are messages of their own, before what else the user says.
local function read_user(list, out, _, path)
  local rest = {}
  for i, one in ipairs(list) do
    if one.block.type == "tool_result" then
      local message, why = tool_message(one.block, path .. ".content." .. i - 1)
      if not message then return why end
      out[#out + 1] = message
    else
      rest[#rest + 1] = one
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
  local parts = json.array {}
  for _, one in ipairs(list) do
    if one.block.type == "text" then
      parts[#parts + 1] = media.part(one.block, one.text)
    else
      lost["messages." .. one.block.type] = true
    end
  end
  if parts[1] then out[#out + 1] = { role = "system", content = plain(parts) } end
end

local ROLES = { user = read_user, assistant = read_assistant, system = read_system }

local function read_messages(messages, out, lost)
  for i, m in ipairs(messages) do
    local path = "messages." .. i - 1
    local read = type(m) == "table" and ROLES[m.role]
    if not read then return path .. ".role must be 'user', 'assistant' or 'system'" end
    local list, why = read_content(m.content, path)
    why = why or read(list, out, lost, path)
    if why then return why end
  end
end

local function system_of(system)
  if system == nil then return nil end
  if type(system) == "string" then return system ~= "" and { role = "system", content = system } or nil end
  local parts = json.array {}
  for _, block in ipairs(type(system) == "table" and system or {}) do
    if type(block) == "table" and type(block.text) == "string" then
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

local KNOWN = chat.carried(SAME, TAKEN)

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
  out.user = body.user or body.metadata and body.metadata.user_id
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
  local why = shape.check_members(body) or read_messages(body.messages, out.messages, lost) or read_fallbacks(body, out)
  if why then return nil, why end
  read_members(body, raw, out, lost)
  for name, value in pairs(body) do
    if not KNOWN[name] and value ~= nil then lost[name] = true end
  end
  return json.encode(out), chat.sorted(lost)
end

return anthropic_incoming
