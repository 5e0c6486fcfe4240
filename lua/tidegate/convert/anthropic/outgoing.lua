--- A chat completion as one of Anthropic's messages, for its clients.

local json    = require("tidegate.core").json
local ending  = require "tidegate.convert.anthropic.ending"
local message = require "tidegate.convert.anthropic.message"
local usage   = require "tidegate.convert.anthropic.usage"

local anthropic_outgoing = {}

local ORDER = { "id", "type", "role", "model", "provider", "content", "stop_reason", "stop_sequence", "stop_details",
  "container", "context_management", "usage", "openrouter_metadata" }

local function raw(text) return text and json.raw(text) end

--- The object of a message.
-- @tparam table m  members as JSON text: id, model, provider, container, context_management, stop_sequence,
--   stop_details, metadata; content and usage as values, stop_reason as text
function anthropic_outgoing.message(m)
  return json.ordered({
    id = raw(m.id) or "", type = "message", role = "assistant", model = raw(m.model) or "", provider = raw(m.provider),
    content = m.content, stop_reason = m.stop_reason or json.null, stop_sequence = raw(m.stop_sequence) or json.null,
    stop_details = raw(m.stop_details) or json.null, container = raw(m.container) or json.null,
    context_management = raw(m.context_management), usage = m.usage, openrouter_metadata = raw(m.metadata),
  }, ORDER)
end

local function text_of(raw_text)
  return raw_text and raw_text:sub(1, 1) == '"' and json.decode(raw_text) or nil
end

--- Which stop sequence was met: as Anthropic told it, or vLLM's word for it.
function anthropic_outgoing.sequence(told, stop_reason)
  if told then return told end
  return stop_reason and stop_reason:sub(1, 1) == '"' and stop_reason or nil
end

--- @tparam string text  a chat completion
-- @treturn string  a message, or an error
function anthropic_outgoing.answer(text)
  local id, model, provider, choice, used, tier, metadata, container, edits, err = json.pick(text, "id", "model",
    "provider", "choices.0", "usage", "service_tier", "openrouter_metadata", "container", "context_management", "error")
  choice = choice or "{}"
  local said, finish, native, sequence, stop, details, choice_err = json.pick(choice, "message", "finish_reason",
    "native_finish_reason", "stop_sequence", "stop_reason", "stop_details", "error")
  if err or choice_err then return ending.error(err or choice_err, id, metadata) end
  local m = said and json.read(said)
  if type(m) ~= "table" then m = {} end
  local is_refusal = type(m.refusal) == "string" and m.refusal ~= ""
  sequence = anthropic_outgoing.sequence(sequence, stop)
  return json.encode(anthropic_outgoing.message {
    id = id, model = model, provider = provider, container = container, context_management = edits,
    content = message.blocks(m, { for_client = true, has_stop_details = details ~= nil }),
    stop_reason = ending.reason(text_of(finish), text_of(native), sequence ~= nil, is_refusal),
    stop_sequence = sequence, stop_details = details, usage = usage.write(used, tier), metadata = metadata,
  })
end

return anthropic_outgoing
