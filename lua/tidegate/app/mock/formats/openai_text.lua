--- OpenAI's old completions: a prompt goes on.

local core   = require "tidegate.core"
local chat   = require "tidegate.app.mock.formats.openai_chat"
local events = require "tidegate.app.mock.events"
local frames = require "tidegate.app.mock.frames"

local json, null = core.json, core.json.null

local text = {
  name = "openai-text",
  stream_type = chat.stream_type,
  routes = { { "/completions$", "chat" } },
  error = chat.error,
}

function text.asked(body)
  local asked, prompt = chat.asked(body), body.prompt or body.input
  if type(prompt) == "table" then prompt = prompt[1] end
  asked.turns[#asked.turns + 1] = { role = "user", text = tostring(prompt or "") }
  asked.tools = {}
  return asked
end

local function completion(made, choices, usage)
  return { id = made.id, object = "text_completion", created = made.created, model = made.model,
           choices = json.array(choices), usage = usage }
end

function text.whole(made, b)
  return completion(made, { { index = 0, text = made.text, finish_reason = made.finish, logprobs = null } },
    b.usage ~= "none" and chat.usage(made.usage) or nil)
end

function text.stream(made, b, asked)
  local out, usage = events.new(b, frames.sse(b.crlf)), chat.usage(made.usage)
  local function chunk(piece, finish, more)
    return completion(made, { { index = 0, text = piece, finish_reason = finish or null } }, more)
  end
  out:text(made.tokens, nil, chunk(events.HERE))
  out:add(nil, chunk("", made.finish, b.usage == "finish" and usage or nil))
  if b.usage == "always" or b.usage == "chunk" and asked.wants_usage then
    out:add(nil, completion(made, {}, usage))
  end
  out:add(nil, "[DONE]")
  return out
end

return text
