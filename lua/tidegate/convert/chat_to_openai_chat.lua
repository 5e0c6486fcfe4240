--- A chat that was made of another format, for providers that take OpenAI's own members and no others: OpenAI,
-- Azure, Groq and more answer 400 to a message with `reasoning_details` or a part with `cache_control`.
--
-- What a chat client sends never comes here: it passes as it is.

local json = require("tidegate.core").json
local chat = require "tidegate.convert.chat"

local M = { from = "chat", to = "openai-chat" }

-- OpenRouter's extensions, and the converters' own.
local OF_MESSAGES = { "reasoning", "reasoning_details", "reasoning_content", "cache_control", "annotations", "images",
  "phase", "is_error" }
local OF_BODIES = { "cache_control", "reasoning", "include_reasoning", "safety_settings", "cached_content", "labels",
  "generation_config", "tool_config", "model_armor_config", "continuation_token" }

local EFFORTS = { max = "high", xhigh = "high", minimal = "minimal" }
local LIMIT = 16384           -- tokens that a budget is a share of, where no limit is given

local function without(object, names, also)
  local members, order = json.split(tostring(object))
  local changed = false
  for _, name in ipairs(names) do
    changed = changed or members[name] ~= nil
    members[name] = nil
  end
  if also then changed = also(members) or changed end
  return changed and json.ordered(members, order) or object
end

local OF_PARTS = { "cache_control", "mime_type" }

local function has(raw, word) return raw ~= nil and tostring(raw):find(word, 1, true) ~= nil end

-- The list, whose elements have none of what only others know.
local function unmarked(list, also)
  if not has(list, "cache_control") and not has(list, "mime_type") and not (also and has(list, "namespace")) then
    return list
  end
  local out = json.array {}
  for i, element in ipairs(json.elements(tostring(list)) or {}) do
    out[i] = tostring(element):find "^%s*{" and without(element, OF_PARTS, also) or element
  end
  return out
end

local NAMESPACE = { "namespace" }

local function of_message(members)
  local content, calls = members.content, members.tool_calls
  if content and tostring(content):find "^%s*%[" then members.content = unmarked(content) end
  if has(calls, "namespace") then
    members.tool_calls = unmarked(calls, function(call) call["function"] = call["function"]
      and without(call["function"], NAMESPACE) return true end)
  end
  return members.content ~= content or members.tool_calls ~= calls
end

-- `reasoning` is OpenRouter's word; OpenAI's is reasoning_effort.
local function put_effort(members)
  if members.reasoning_effort or not members.reasoning then return end
  local body = { reasoning = json.read(tostring(members.reasoning)) }
  local asked = chat.reasoning(body)
  if not asked or not (asked.off or asked.effort or asked.max_tokens) then return end
  local effort = asked.off and "none" or chat.effort(asked, LIMIT)
  members.reasoning_effort = EFFORTS[effort] or effort
end

local OWN = { ["function"] = true, custom = true }

-- Tools that are some other provider's own.
local function of_openai(tools, lost)
  local out = json.array {}
  for _, tool in ipairs(json.elements(tostring(tools)) or {}) do
    local kind = json.pick(tostring(tool), "type")
    kind = kind and json.decode(kind)
    if OWN[kind] then out[#out + 1] = tool else lost[#lost + 1] = "tools." .. tostring(kind) end
  end
  return out[1] and unmarked(json.raw(json.encode(out))) or nil
end

--- The same request with OpenAI's members alone.
-- @treturn string
-- @treturn table  the tools that had to be left out
function M.request(text)
  local lost = {}
  local members = assert(json.split(text))
  put_effort(members)
  for _, name in ipairs(OF_BODIES) do members[name] = nil end
  local messages = json.array {}
  for i, message in ipairs(json.elements(tostring(members.messages)) or {}) do
    messages[i] = without(message, OF_MESSAGES, of_message)
  end
  members.messages = messages
  if members.tools then members.tools = of_openai(members.tools, lost) end
  return json.encode(members), lost
end

return M
