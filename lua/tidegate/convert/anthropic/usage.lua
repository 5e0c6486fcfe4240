--- What was used, as Anthropic tells it: in its answers, and in ours to its clients.

local json  = require("tidegate.core").json
local usage = require "tidegate.convert.usage"

local anthropic_usage = {}

-- ---- an answer's counts, for chat ----

--- The usage of message_start under that of message_delta: the later count holds, unless it is null, and nothing that
-- only one of them told is lost.
-- @tparam ?string first  JSON text
-- @tparam ?string last
-- @treturn string  the same names, which csrc/wire/usage.h knows, and the thinking among the output tokens
function anthropic_usage.merge(first, last)
  local out, order = {}, {}
  for _, text in ipairs { first or "{}", last or "{}" } do
    local members, names = json.split(text)
    for _, name in ipairs(names or {}) do
      if tostring(members[name]) ~= "null" then
        if not out[name] then order[#order + 1] = name end
        out[name] = members[name]
      end
    end
  end
  local thought = out.output_tokens_details and json.pick(tostring(out.output_tokens_details), "thinking_tokens")
  if thought and not out.completion_tokens_details then
    out.completion_tokens_details = json.raw('{"reasoning_tokens":' .. thought .. "}")
    order[#order + 1] = "completion_tokens_details"
  end
  return json.encode(json.ordered(out, order))
end

local TIERS = { ['"standard"'] = '"default"' }

--- The tier that served it, in chat's word; JSON text or nil.
function anthropic_usage.tier(text)
  local tier = json.pick(text, "service_tier")
  return TIERS[tier] or tier
end

-- ---- chat's counts, for Anthropic's clients ----

-- What is handed on as it came.
local KEEP = { cost = true, cost_details = true, iterations = true, server_tool_use = true }

local ORDER = { "input_tokens", "cache_creation_input_tokens", "cache_read_input_tokens", "cache_creation",
  "output_tokens", "output_tokens_details", "server_tool_use", "service_tier", "inference_geo", "speed", "iterations",
  "cost", "cost_details", "is_byok" }

local function searches(u)
  if u.server_tool_use then return u.server_tool_use end
  local told = type(u.server_tool_use_details) == "table" and u.server_tool_use_details.web_search_requests
  return told and { web_search_requests = told, web_fetch_requests = 0 } or json.null
end

--- The `usage` of a message.
-- @tparam ?string text  the contract's usage, JSON text
-- @tparam ?string tier  chat's service_tier, JSON text
function anthropic_usage.write(text, tier)
  local u = text and json.read(text, KEEP)
  if type(u) ~= "table" then u = {} end
  local b = usage.buckets(u)
  local spoken = tier and (tier == '"default"' and "standard" or json.raw(tier))
  return json.ordered({
    input_tokens = b.input, cache_creation_input_tokens = b.cache_write, cache_read_input_tokens = b.cache_read,
    cache_creation = { ephemeral_5m_input_tokens = math.max(b.cache_write - b.cache_write_1h, 0),
                       ephemeral_1h_input_tokens = b.cache_write_1h },
    output_tokens = b.output, output_tokens_details = { thinking_tokens = b.reasoning },
    server_tool_use = searches(u), service_tier = u.service_tier or spoken or json.null,
    inference_geo = u.inference_geo or json.null, speed = u.speed, iterations = u.iterations,
    cost = u.cost, cost_details = u.cost_details, is_byok = u.is_byok,
  }, ORDER)
end

return anthropic_usage
