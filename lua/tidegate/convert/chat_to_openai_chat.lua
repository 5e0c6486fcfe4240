--- A chat that was made of another format, for providers that take OpenAI's own members and no others: OpenAI,
-- Azure, Groq and more answer 400 to a message with `reasoning_details` or a part with `cache_control`.
--
-- What a chat client sends never comes here: it passes as it is.

local json       = require("tidegate.core").json
local chat       = require "tidegate.convert.chat"
local edit       = require "tidegate.convert.edit"
local embeddings = require "tidegate.convert.openai_chat.embeddings"
local messages   = require "tidegate.convert.openai_chat.messages"

local M = { from = "chat", to = "openai-chat" }

-- OpenRouter's extensions, and the converters' own.
local OF_BODIES = { "cache_control", "reasoning", "include_reasoning", "safety_settings", "cached_content", "labels",
  "generation_config", "tool_config", "model_armor_config", "continuation_token" }

local EFFORTS     = { max = "high", xhigh = "high", minimal = "minimal" }
local VERBOSITIES = { max = '"high"', xhigh = '"high"' }
local LIMIT = 16384           -- tokens that a budget is a share of, where no limit is given

-- `reasoning` is OpenRouter's word; OpenAI's is reasoning_effort.
local function put_effort(members)
  if members.reasoning_effort or not members.reasoning then return end
  local body = { reasoning = json.read(tostring(members.reasoning)) }
  local asked = chat.reasoning(body)
  if not asked or not (asked.off or asked.effort or asked.max_tokens) then return end
  local effort = asked.off and "none" or chat.effort(asked, LIMIT)
  members.reasoning_effort = EFFORTS[effort] or effort
end

local OWN = { ["function"] = { type = true, ["function"] = true }, custom = { type = true, custom = true } }

local function ignore() end

-- Without tools that are some other provider's own.
local function tools_of(tools, lost)
  return edit.list(tostring(tools), function(tool)
    local kind = json.pick(tool, "type")
    kind = kind and json.decode(kind)
    if OWN[kind] then return edit.only(tool, OWN[kind], ignore) end
    lost["tools." .. tostring(kind)] = true
  end)
end

-- What is said of tools is refused where there are none.
local function put_tools(members, lost)
  local tools = members.tools and tools_of(members.tools, lost)
  local has_tools = tools ~= nil and edit.says(tools)
  members.tools = has_tools and json.raw(tools) or nil
  if has_tools then return end
  local choice = tostring(members.tool_choice or '"auto"')
  if choice ~= '"auto"' and choice ~= '"none"' then lost.tool_choice = true end
  members.tool_choice, members.parallel_tool_calls = nil, nil
end

--- The same request with OpenAI's members alone.
-- @treturn string
-- @treturn table  names of what had to be left out
function M.request(text)
  local lost = {}
  local members = assert(json.split(text))
  put_effort(members)
  for _, name in ipairs(OF_BODIES) do members[name] = nil end
  local verbosity = members.verbosity and json.decode(tostring(members.verbosity))
  if VERBOSITIES[verbosity] then members.verbosity = json.raw(VERBOSITIES[verbosity]) end
  members.messages = messages.rewrite(tostring(members.messages), lost)
  put_tools(members, lost)
  return json.encode(members), chat.sorted(lost)
end

M.embeddings = embeddings

return M
