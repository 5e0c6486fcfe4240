--- Chat, as OpenAI's Responses API: requests for a provider, answers for a client.
--
-- docs/wires/openai-responses.md says what becomes of what. Stateless: nothing is kept at the provider, and what
-- reasoning needs to come back is asked for in each request. Pure.

local json       = require("tidegate.core").json
local chat       = require "tidegate.convert.chat"
local edit       = require "tidegate.convert.edit"
local embeddings = require "tidegate.convert.openai_chat.embeddings"
local items      = require "tidegate.convert.responses.items"
local messages   = require "tidegate.convert.responses.messages"
local output     = require "tidegate.convert.responses.output"
local sse        = require "tidegate.convert.sse"
local tools      = require "tidegate.convert.responses.tools"

local converter = { from = "chat", to = "openai-responses" }

-- ---- requests ----

-- Members that mean the same in both formats.
local SAME = { "temperature", "top_p", "parallel_tool_calls", "metadata", "user", "safety_identifier",
  "prompt_cache_key", "prompt_cache_retention", "prompt_cache_options", "max_tool_calls" }

local CARRIED = chat.carried({ "service_tier", "max_tokens", "max_completion_tokens", "tools", "tool_choice",
  "web_search_options", "response_format", "structured_outputs", "verbosity", "reasoning", "reasoning_effort",
  "logprobs", "top_logprobs", "cache_control" }, SAME)

-- Models of OpenAI's that do not reason refuse to be asked for encrypted reasoning.
local PLAIN = { "^gpt%-4", "^gpt%-3", "^chatgpt", "^gpt%-5[%d.]*%-chat", "^openai%.gpt%-4", "^computer%-use" }

local function is_plain(name)
  local model = tostring(name):match "[^/]*$"
  for _, pattern in ipairs(PLAIN) do
    if model:find(pattern) then return true end
  end
  return false
end

-- What is to be told beside the answer.
local function include_of(body, plain)
  local include = {}
  if not plain then include[1] = "reasoning.encrypted_content" end
  if body.logprobs then include[#include + 1] = "message.output_text.logprobs" end
  return include[1] and include
end

-- Words that OpenAI does not have, and the nearest that it has.
local EFFORTS     = { max = "xhigh" }
local TIERS       = { fast = "priority" }
local VERBOSITIES = { xhigh = "high", max = "high" }

-- An output limit to measure a budget by where none is known.
local LIMIT = 20000

--- Who asks with OpenRouter's object wants to see the reasoning, of which OpenAI shows no more than a summary; who
-- only names an effort, as OpenAI's own clients do, does not.
local function reasoning_of(body, about, plain)
  local asked = chat.reasoning(body)
  if not asked or asked.off and plain then return nil end
  if asked.off then return { effort = "none" } end
  local given = type(body.reasoning) == "table" and body.reasoning or {}
  local limit = chat.max_tokens(body) or about.max_completion_tokens or LIMIT
  local effort = (asked.effort or asked.max_tokens) and chat.effort(asked, limit)
  local out = { effort = EFFORTS[effort] or effort, summary = asked.summary, context = given.context,
                mode = given.mode }
  local is_hidden = asked.exclude or body.include_reasoning == false
  if body.reasoning and not is_hidden and not out.summary then out.summary = "auto" end
  return next(out) and out
end

local function text_of(body, lost)
  local kind, schema = chat.format(body)
  local out = { format = tools.format_from_chat(kind, schema, lost),
                verbosity = VERBOSITIES[body.verbosity] or body.verbosity }
  return next(out) and out
end

local function tools_of(body, lost)
  local out = tools.from_chat(items.objects(body.tools), lost)
  if type(body.web_search_options) == "table" then out[#out + 1] = tools.search(body.web_search_options) end
  return out[1] and out
end

-- To be forced to call a tool is refused where there is none.
local function choice_of(body, list, lost)
  local choice = tools.choice_from_chat(body.tool_choice)
  if list or choice == nil or choice == "auto" or choice == "none" then return choice end
  lost.tool_choice = true
end

local function wants_compression(body)
  for _, name in ipairs(type(body.transforms) == "table" and body.transforms or {}) do
    if name == "middle-out" then return true end
  end
end

local function stream_options_of(body)
  local options = type(body.stream_options) == "table" and body.stream_options or {}
  if options.include_obfuscation ~= nil then return { include_obfuscation = options.include_obfuscation } end
end

local function write(body, about, lost)
  local out = { model = about.model or body.model, stream = body.stream, store = false }
  local plain = is_plain(out.model)
  for _, name in ipairs(SAME) do out[name] = body[name] end
  out.input = messages.items(body.messages, { lost = lost, breakpoints = body.prompt_cache_options ~= nil })
  out.max_output_tokens, out.service_tier = chat.max_tokens(body), TIERS[body.service_tier] or body.service_tier
  out.tools = tools_of(body, lost)
  out.tool_choice = choice_of(body, out.tools, lost)
  out.text, out.reasoning = text_of(body, lost), reasoning_of(body, about, plain)
  out.include, out.top_logprobs = include_of(body, plain), body.logprobs and body.top_logprobs or nil
  if wants_compression(body) then out.truncation = "auto" end
  if body.stream then out.stream_options = stream_options_of(body) end
  return out
end

local function lost_of(body, lost)
  for _, name in ipairs(chat.lost(body, CARRIED)) do lost[name] = true end
  return chat.sorted(lost)
end

--- @tparam table about  { model }
-- @treturn ?string  the provider's request; or nil and a sentence
-- @treturn table  names of what was lost
function converter.request(text, about)
  local body, err = chat.read(text)
  if not body then return nil, "the body is no JSON: " .. err end
  local lost = {}
  local out = write(body, about, lost)
  return json.encode(out), lost_of(body, lost)
end

--- Embeddings are asked for as everywhere in OpenAI's APIs.
converter.embeddings = embeddings

-- What a count is made of.
local COUNTED = { "model", "input", "tools", "tool_choice", "parallel_tool_calls", "text", "reasoning", "truncation" }

--- The same as a question for the number of its tokens: POST /responses/input_tokens.
function converter.count(text, about)
  local body, err = chat.read(text)
  if not body then return nil, "the body is no JSON: " .. err end
  local lost, out = {}, {}
  local whole = write(body, about, lost)
  for _, name in ipairs(COUNTED) do out[name] = whole[name] end
  return json.encode(out), lost_of(body, lost)
end

--- The answer to a client's question for a number of tokens.
function converter.count_answer(count)
  return json.encode { object = "response.input_tokens", input_tokens = count }
end

-- ---- whole answers ----

-- A message without its details and calls; without its reasoning, too, where details hold it.
local function rest_of(message, has_thoughts)
  return edit.object(message, function(name, value)
    if name == "reasoning_details" or name == "tool_calls" or has_thoughts and name == "reasoning" then return end
    return name, value
  end)
end

-- A whole message as the deltas that it could have come in: reasoning between the texts and calls where it stood.
local function deltas_of(message, scores)
  local list, calls, content, refusal = json.pick(message, "reasoning_details", "tool_calls", "content", "refusal")
  local details, has_thoughts = {}, false
  for i, detail in ipairs(list and json.texts(list) or {}) do
    local after, text, summary = json.pick(detail, "after", "text", "summary")
    has_thoughts = has_thoughts or text ~= nil or summary ~= nil
    details[i] = { after = after and tonumber(after), delta = '{"reasoning_details":[' .. detail .. "]}" }
  end
  local rest = { delta = rest_of(message, has_thoughts), scores = scores }
  local has_text = (content or '""') ~= '""' or refusal ~= nil
  local own = { has_text and rest or nil }
  for _, call in ipairs(calls and json.texts(calls) or {}) do
    own[#own + 1] = { delta = '{"tool_calls":[' .. call .. "]}" }
  end
  local out = items.merge(details, own)
  if not has_text then table.insert(out, 1, rest) end
  return out
end

--- @tparam string text  the contract's chat completion
-- @treturn string  a response
function converter.answer(text)
  local id, created, model, tier, usage, metadata, message, reason, scores, fault = json.pick(text, "id", "created",
    "model", "service_tier", "usage", "openrouter_metadata", "choices.0.message", "choices.0.finish_reason",
    "choices.0.logprobs.content", "choices.0.error")
  local answer = output.new()
  answer:start(id, created, model)
  answer.head.tier = tier
  for _, step in ipairs(deltas_of(message or "{}", scores)) do answer:delta(step.delta, step.scores) end
  if fault then return (answer:fail(fault, usage, metadata)) end
  return answer:finish(reason and json.decode(reason), usage, metadata)
end

-- ---- streams ----

--- @tparam function emit  called with each frame
-- @treturn function  step(data)
function converter.stream(emit)
  local answer = output.new(emit)
  local reason, usage, metadata, is_over

  local function finish()
    is_over = true
    if answer.head then answer:finish(reason and json.decode(reason), usage, metadata) end
    emit(sse.data "[DONE]")
  end

  local function fail(fault)
    is_over = true
    local _, is_whole = answer:fail(fault, usage, metadata)
    if is_whole then emit(sse.data "[DONE]") end
  end

  return function(data)
    if is_over then return end
    if data == "[DONE]" then return finish() end
    local fault, new_usage, more, tier, index, new_reason, delta, scores = json.pick(data, "error", "usage",
      "openrouter_metadata", "service_tier", "choices.0.index", "choices.0.finish_reason", "choices.0.delta",
      "choices.0.logprobs.content")
    if not answer.head then answer:start(json.pick(data, "id", "created", "model")) end
    usage, metadata, answer.head.tier = new_usage or usage, more or metadata, tier or answer.head.tier
    if delta and (index or "0") == "0" then
      reason = new_reason or reason
      answer:delta(delta, scores)
    end
    if fault then fail(fault) end
  end
end

return converter
