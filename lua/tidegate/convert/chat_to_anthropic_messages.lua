--- Chat as Anthropic's Messages API: requests for its providers (Anthropic, Claude on Vertex), answers for its clients.

local json     = require("tidegate.core").json
local outgoing = require "tidegate.convert.anthropic.outgoing"
local request  = require "tidegate.convert.anthropic.request"
local writer   = require "tidegate.convert.anthropic.writer"

local chat_to_anthropic_messages = { from = "chat", to = "anthropic-messages" }

--- @tparam string text  a chat request
-- @tparam table about  { wire, model, stream, provider, max_completion_tokens }
-- @treturn ?string  the provider's request
-- @treturn table|string  names of what has no place in it, sorted; or a sentence
-- @treturn ?table  header fields that it needs
function chat_to_anthropic_messages.request(text, about)
  return request.write(text, about)
end

--- The same as a request that only counts its tokens.
function chat_to_anthropic_messages.count(text, about)
  return request.count(text, about)
end

--- A whole chat completion as a message.
function chat_to_anthropic_messages.answer(text)
  return outgoing.answer(text)
end

--- A stream of chat chunks as a message's events.
-- @tparam function emit  called with whole frames
-- @treturn function  step(data)
function chat_to_anthropic_messages.stream(emit)
  return writer.open(emit)
end

--- A count for a client that asked for one.
function chat_to_anthropic_messages.count_answer(count)
  return json.encode { input_tokens = count }
end

return chat_to_anthropic_messages
