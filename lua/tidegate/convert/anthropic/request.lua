--- A chat request as one of Anthropic's Messages API, or of Claude on Vertex.

local json     = require("tidegate.core").json
local betas    = require "tidegate.convert.anthropic.betas"
local chat     = require "tidegate.convert.chat"
local models   = require "tidegate.convert.anthropic.models"
local thinking = require "tidegate.convert.anthropic.thinking"
local tools    = require "tidegate.convert.anthropic.tools"
local turns    = require "tidegate.convert.anthropic.turns"

local anthropic_request = {}

local ORDER = { "model", "anthropic_version", "max_tokens", "stream", "system", "messages", "tools", "tool_choice",
  "thinking", "output_config", "temperature", "top_p", "top_k", "stop_sequences", "cache_control", "service_tier",
  "speed", "metadata", "container", "context_management", "mcp_servers", "inference_geo" }

-- Anthropic's own members, as they are.
local OWN = { "cache_control", "container", "context_management", "mcp_servers", "inference_geo" }

local CARRIED = chat.carried { "max_tokens", "max_completion_tokens", "temperature", "top_p", "top_k", "stop", "tools",
  "tool_choice", "parallel_tool_calls", "response_format", "structured_outputs", "reasoning", "reasoning_effort",
  "verbosity", "service_tier", "speed", "thinking", "output_config", "web_search_options", "cache_control",
  "container", "context_management", "mcp_servers", "inference_geo" }

-- What changes nothing is nothing lost.
local NEUTRAL = { n = 1, frequency_penalty = 0, presence_penalty = 0, repetition_penalty = 1, min_p = 0, top_a = 0,
                  logprobs = false, store = false }

local function is_neutral(name, value)
  if name == "modalities" then return type(value) == "table" and #value == 1 and value[1] == "text" end
  return NEUTRAL[name] == value
end

local function lost_names(body, lost)
  for _, name in ipairs(chat.lost(body, CARRIED)) do
    if not is_neutral(name, body[name]) then lost[name] = true end
  end
  return chat.sorted(lost)
end

local function is_vertex(about) return about.wire == "vertex-anthropic" end

-- ---- smaller members ----

local TIERS = { auto = "auto", priority = "auto", default = "standard_only" }

local function put_tier(out, body, about, lost)
  local tier = body.service_tier
  out.speed = body.speed or tier == "fast" and "fast" or nil
  if tier == nil or tier == "fast" then return end
  out.service_tier = not is_vertex(about) and TIERS[tier] or nil
  if not out.service_tier and tier ~= "auto" and tier ~= "default" then lost.service_tier = true end
end

local function put_user(out, body)
  local user = body.user or type(body.metadata) == "table" and body.metadata.user_id
  if type(user) == "string" and user ~= "" then out.metadata = { user_id = user } end
end

-- A sequence of nothing but white space is refused.
local function put_stop(out, body, lost)
  local list = json.array {}
  for _, sequence in ipairs(chat.stop(body) or {}) do
    if type(sequence) == "string" and sequence:find "%S" then
      list[#list + 1] = sequence
    else
      lost.stop = true
    end
  end
  out.stop_sequences = list[1] and list or nil
end

-- Vertex knows no caching by itself: the mark stands where Anthropic would set it.
local function put_cache(out, about)
  local last = out.messages[#out.messages]
  if not out.cache_control or not is_vertex(about) or not last then return end
  if type(last.content) == "string" then last.content = { { type = "text", text = last.content } } end
  local block = last.content[#last.content]
  if not json.is_raw(block) then block.cache_control = block.cache_control or out.cache_control end
  out.cache_control = nil
end

-- An instruction of ours stands behind the others, where it disturbs no cache.
local function instruct(system, text)
  if not text then return system end
  if system == nil then return text end
  if type(system) == "string" then system = { { type = "text", text = system } } end
  system[#system + 1] = { type = "text", text = text }
  return system
end

-- ---- all of it ----

local function longest_of(about)
  local told = about.max_completion_tokens
  return told and told > 0 and told or nil
end

local function put_choices(out, body, traits, lost)
  out.tools = tools.write(body, traits, lost)
  local choice, is_forced = tools.write_choice(body, out.tools ~= nil, traits, lost)
  out.tool_choice = choice
  local format, words = tools.write_format(body, traits, lost)
  if format then
    out.output_config = out.output_config or {}
    out.output_config.format = format
  end
  out.system = instruct(out.system, words)
  return is_forced
end

local function build(body, about, lost)
  local traits = models.traits(about.model or body.model)
  local out = {
    model = not is_vertex(about) and (about.model or body.model) or nil,
    anthropic_version = is_vertex(about) and "vertex-2023-10-16" or nil,
    stream = body.stream or nil,
    output_config = type(body.output_config) == "table" and body.output_config or nil,
  }
  out.messages, out.system = turns.of(body.messages, traits, lost)
  for _, name in ipairs(OWN) do out[name] = body[name] end
  local is_forced = put_choices(out, body, traits, lost)
  thinking.ask(out, body, traits, {
    is_forced = is_forced, continues_thinking = turns.continues_thinking(out.messages), longest = longest_of(about),
  }, lost)
  if out.messages[1] and not thinking.is_on(out) then turns.forget_thoughts(out.messages, lost) end
  thinking.sample(out, body, traits, lost)
  put_stop(out, body, lost)
  put_tier(out, body, about, lost)
  put_user(out, body)
  put_cache(out, about)
  return out
end

--- @treturn ?string  the request
-- @treturn table|string  names of what has no place in it; or the sentence
-- @treturn ?table  header fields
function anthropic_request.write(text, about)
  local body, err = chat.read(text)
  if not body then return nil, err end
  local lost = {}
  local out = build(body, about, lost)
  if not out.messages[1] then return nil, "'messages' must hold at least one message with content." end
  local words = not is_vertex(about) and betas.of(out) or nil
  return json.encode(json.ordered(out, ORDER)), lost_names(body, lost), words and { ["anthropic-beta"] = words } or nil
end

-- What counts; a count has no answer, so nothing of how it is to be made.
local COUNTED = { "model", "anthropic_version", "system", "messages", "tools", "tool_choice", "thinking",
  "output_config", "cache_control", "context_management", "mcp_servers" }

--- The same as a request that counts its tokens. Vertex's has the model in its body: the path names none.
function anthropic_request.count(text, about)
  local body, err = chat.read(text)
  if not body then return nil, err end
  local out = build(body, about, {})
  if not out.messages[1] then return nil, "'messages' must hold at least one message with content." end
  out.model = about.model or body.model
  local words = not is_vertex(about) and betas.of(out) or nil
  return json.encode(json.ordered(out, COUNTED)), {}, words and { ["anthropic-beta"] = words } or nil
end

return anthropic_request
