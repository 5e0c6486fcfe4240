--- Anthropic's Messages API as chat: the requests of its clients, the answers of its providers (Anthropic, Claude on
-- Vertex, and who else speaks the format).

local json     = require("tidegate.core").json
local blocks   = require "tidegate.convert.anthropic.blocks"
local events   = require "tidegate.convert.anthropic.events"
local incoming = require "tidegate.convert.anthropic.incoming"
local usage    = require "tidegate.convert.anthropic.usage"

local anthropic_messages_to_chat = { from = "anthropic-messages", to = "chat" }

--- A client's request.
-- @treturn ?string  a chat request
-- @treturn table|string  names of what chat has no place for; or what is wrong with it, a sentence
function anthropic_messages_to_chat.request(text)
  return incoming.read(text)
end

-- ---- whole answers ----

local function raw(text) return text and json.raw(text) end

local function choice_of(text)
  local content, reason, sequence, details = json.pick(text, "content", "stop_reason", "stop_sequence", "stop_details")
  local message = blocks.message(blocks.read(content))
  message.role = "assistant"
  message.content = message.content or json.null
  message.refusal = details and raw(json.pick(details, "explanation"))
  return {
    index = 0, message = message, finish_reason = raw(reason) or json.null, native_finish_reason = raw(reason),
    stop_sequence = raw(sequence), stop_details = raw(details),
  }
end

--- A provider's whole answer.
-- @treturn ?string  a chat completion, or an error
-- @treturn ?string  why it is neither
function anthropic_messages_to_chat.answer(text)
  local kind, err, content = json.pick(text, "type", "error", "content")
  if err and (kind == '"error"' or not content) then return '{"error":' .. err .. "}" end
  if not content or content:sub(1, 1) ~= "[" then return nil, "the answer is no message" end
  local id, model, used, container, edits =
    json.pick(text, "id", "model", "usage", "container", "context_management")
  return json.encode {
    id = raw(id), object = "chat.completion", created = 0, model = raw(model), choices = { choice_of(text) },
    usage = used and raw(usage.merge(used)), service_tier = used and raw(usage.tier(used)),
    container = raw(container), context_management = raw(edits),
  }
end

--- A provider's stream.
-- @tparam function emit  called with the JSON text of each chunk, and with "[DONE]"
-- @treturn function  step(name, data)
function anthropic_messages_to_chat.stream(emit)
  return events.reader(emit)
end

--- @treturn ?number  tokens
function anthropic_messages_to_chat.count_answer(text)
  local count = tonumber((json.pick(text, "input_tokens")))
  if not count then return nil, "the answer is no count of tokens" end
  return count
end

return anthropic_messages_to_chat
