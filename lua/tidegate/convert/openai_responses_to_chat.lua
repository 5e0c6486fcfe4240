--- OpenAI's Responses API, as chat: a client's requests, a provider's answers.
--
-- docs/wires/openai-responses.md says what becomes of what. Stateless: what would need an answer kept on the
-- server is refused with a sentence. Pure.

local json  = require("tidegate.core").json
local chat  = require "tidegate.convert.chat"
local edit  = require "tidegate.convert.edit"
local input = require "tidegate.convert.responses.input"
local items = require "tidegate.convert.responses.items"
local set   = require "tidegate.base.set"
local tools = require "tidegate.convert.responses.tools"

local converter = { from = "openai-responses", to = "chat" }

-- ---- requests ----

-- Members that mean the same in both formats; the last lines are the contract's own.
local SAME = {
  "model", "stream", "temperature", "top_p", "parallel_tool_calls", "metadata", "user", "safety_identifier",
  "prompt_cache_key", "prompt_cache_retention", "prompt_cache_options", "service_tier", "max_tool_calls",
  "top_k", "min_p", "top_a", "frequency_penalty", "presence_penalty", "repetition_penalty", "seed", "stop",
  "modalities", "image_config", "cache_control", "stop_server_tools_when",
  "models", "provider", "plugins", "route", "session_id", "trace", "preset", "debug", "policy", "transforms",
}

-- What asks the server to keep something, and what to do instead.
local KEPT = {
  { "previous_response_id", "previous_response_id: no answer is kept here; send the whole conversation in input" },
  { "conversation", "conversation: no conversation is kept here; send all of it in input" },
  { "prompt", "prompt: no prompt template is kept here; send its text in instructions or input" },
}

local function refused(body)
  if body.store == true then return "store: no answer is kept here; send store: false" end
  if body.background == true then return "background: answers are given on the spot; send background: false" end
  for _, kept in ipairs(KEPT) do
    if body[kept[1]] ~= nil then return kept[2] end
  end
  if body.input == nil and body.instructions == nil then return "input: required, a string or a list of items" end
end

-- Members that are read here, or that ask for what is so anyway.
local READ = set({ "input", "instructions", "tools", "tool_choice", "text", "reasoning", "max_output_tokens",
  "top_logprobs", "include", "truncation", "store", "background", "stream_options" }, SAME)

-- What may be asked for beside the answer: reasoning comes back in any case, probabilities are a parameter of
-- chat, and the rest is of tools that only OpenAI has.
local function read_include(body, out, lost)
  for _, what in ipairs(type(body.include) == "table" and body.include or {}) do
    if what == "message.output_text.logprobs" then
      out.logprobs = true
    elseif what ~= "reasoning.encrypted_content" then
      lost.include = true
    end
  end
  if body.top_logprobs and (body.top_logprobs ~= 0 or out.logprobs) then
    out.logprobs, out.top_logprobs = true, body.top_logprobs
  end
end

local function read_text(text, out)
  if type(text) ~= "table" then return end
  out.verbosity = text.verbosity
  out.response_format = tools.format_to_chat(text.format)
end

local function read_reasoning(reasoning, out)
  if type(reasoning) ~= "table" or not next(reasoning) then return end
  reasoning.summary, reasoning.generate_summary = reasoning.summary or reasoning.generate_summary, nil
  out.reasoning = reasoning
end

-- @treturn ?string  a sentence when one is no tool
local function read_tools(raw, out, lost)
  local list = raw and json.elements(tostring(raw))
  if raw and not list then return "tools: must be a list" end
  local all = json.array {}
  for i, tool in ipairs(list or {}) do
    all[i] = tools.to_chat(tostring(tool), lost)
    if not all[i] then return ("tools[%d]: must be an object"):format(i - 1) end
  end
  out.tools = all[1] and all
end

-- What goes by the same or another name; what does not is lost.
local function read_parameters(body, out, lost)
  for _, name in ipairs(SAME) do out[name] = body[name] end
  out.max_tokens = body.max_output_tokens
  out.tool_choice = body.tool_choice and tools.choice_to_chat(json.read(tostring(body.tool_choice)))
  if body.truncation == "auto" and not out.transforms then out.transforms = { "middle-out" } end
  local options = body.stream_options
  if type(options) == "table" and options.include_obfuscation ~= nil then
    out.stream_options = { include_obfuscation = options.include_obfuscation }
  end
  read_include(body, out, lost)
  read_text(body.text, out)
  read_reasoning(body.reasoning, out)
  for name in pairs(body) do
    if not READ[name] then lost[name] = true end
  end
end

local KEEP = { input = true, tools = true, tool_choice = true, schema = true }

--- @treturn ?string  a chat request; or nil
-- @treturn table|string  the names of what was lost; or a sentence
function converter.request(text)
  local body, err = json.read(text, KEEP)
  if not body then return nil, "the body is no JSON: " .. tostring(err) end
  if json.is_array(body) or type(body) ~= "table" then return nil, "the body must be a JSON object" end
  local why = refused(body)
  if why then return nil, why end
  local out, lost = {}, {}
  read_parameters(body, out, lost)
  why = read_tools(body.tools, out, lost)
  if why then return nil, why end
  out.messages, why = input.messages(body.input and tostring(body.input), body.instructions, {
    is_ours = items.offered(body.tools and tostring(body.tools)), lost = lost })
  if not out.messages then return nil, why end
  return json.encode(out), chat.sorted(lost)
end

-- ---- whole answers ----

-- Ends of a whole answer. Anything else (queued, in_progress) is none.
local ENDS = { completed = true, incomplete = true, failed = true, cancelled = true }

local function choice_of(body)
  local output, offered, status, reason = json.pick(body, "output", "tools", "status", "incomplete_details.reason")
  local turn = items.turn(nil, items.offered(offered))
  for _, item in ipairs(json.texts(output)) do turn:add(item) end
  local message = turn:message()
  message.role, message.content = "assistant", message.content or json.null
  local native = json.raw(status == '"incomplete"' and reason or status)
  local scores = turn:scores()
  return { index = 0, message = message, logprobs = scores and json.raw(scores), finish_reason = native,
           native_finish_reason = native }
end

-- What goes by the same or another name beside the choices.
local BESIDE = { id = "id", created = "created_at", model = "model", service_tier = "service_tier", usage = "usage" }

--- A provider's body as a chat completion.
function converter.answer(text)
  local status, output, fault = json.pick(text, "status", "output", "error")
  local words = status and json.decode(status)
  if fault and edit.says(fault) then return '{"error":' .. fault .. "}" end
  if words == "failed" then return '{"error":{"message":"The response failed.","code":"failed"}}' end
  if not ENDS[words] or not output or not json.elements(output) then return nil, "no finished response" end

  local out = { object = "chat.completion", choices = json.array { choice_of(text) } }
  for name, path in pairs(BESIDE) do
    local raw = json.pick(text, path)
    out[name] = raw and json.raw(raw)
  end
  return json.encode(out)
end

function converter.embeddings(text) return text end

--- Tokens of a prompt, from the answer to POST /responses/input_tokens.
function converter.count_answer(text)
  local count = json.pick(text, "input_tokens")
  return count and tonumber(count)
end

converter.stream = require("tidegate.convert.responses.events").stream

return converter
