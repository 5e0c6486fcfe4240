--- Ollama's own interface: a line of JSON for every event, and streams unless
-- the request says no.

local core    = require "tidegate.core"
local chat    = require "tidegate.app.mock.formats.openai_chat"
local events  = require "tidegate.app.mock.events"
local frames  = require "tidegate.app.mock.frames"
local plan    = require "tidegate.app.mock.plan"
local turns   = require "tidegate.app.mock.turns"
local vectors = require "tidegate.app.mock.vectors"

local json = core.json

local ollama = {
  name = "ollama",
  stream_type = "application/x-ndjson",
  whole_type = "application/json; charset=utf-8",
  routes = {
    { "/api/chat$", "chat" },
    { "/api/embed$", "embeddings" },
    { "/api/tags$", "models", method = "GET" },
  },
}

-- `format` is "json" or a schema.
local function json_of(format)
  if type(format) == "table" then return format end
  return format == "json" or nil
end

function ollama.asked(body)
  return {
    model = body.model, stream = body.stream ~= false, limit = turns.within(body.options).num_predict,
    turns = turns.of(body.messages), tools = chat.tools(body.tools), json = json_of(body.format),
  }
end

-- A call is no reason to finish, and other reasons than these it has not.
local FINISHES = { stop = "stop", tool_calls = "stop", length = "length" }

local function line(made, message, fields)
  message.role, message.content = "assistant", message.content or ""
  local out = { model = made.model, created_at = os.date("!%Y-%m-%dT%H:%M:%SZ", made.created),
                message = message, done = false }
  for name, value in pairs(fields or {}) do out[name] = value end
  return out
end

-- What stands in the line that ends an answer; times are in nanoseconds.
local function ending(made, b)
  local fields = {
    done = true, done_reason = FINISHES[made.finish] or made.finish, load_duration = 1000000,
    total_duration = 1000000 + math.floor(b.ttft_ms) * 1000000,
  }
  if b.usage ~= "none" then
    fields.prompt_eval_count, fields.eval_count = made.usage.prompt, made.usage.completion
  end
  return fields
end

local function calls_of(made)
  if not made.call then return nil end
  return json.array { { ["function"] = { name = made.call.name, arguments = plan.arguments(made.call) } } }
end

function ollama.whole(made, b)
  return line(made, { content = made.text, thinking = made.reasoning[1] and made.thought or nil,
                      tool_calls = calls_of(made) }, ending(made, b))
end

function ollama.stream(made, b)
  local out = events.new(b, frames.lines())
  out:text(made.reasoning, nil, line(made, { thinking = events.HERE }))
  out:text(made.tokens, nil, line(made, { content = events.HERE }))
  if made.call then out:add(nil, line(made, { tool_calls = calls_of(made) }), plan.CALL_TOKENS) end
  out:add(nil, line(made, {}, ending(made, b)))
  return out
end

function ollama.embeddings(body, b)
  local embeddings, texts = json.array(), vectors.texts(body.input)
  for i, text in ipairs(texts) do embeddings[i] = vectors.of(text, body.dimensions or b.dimensions) end
  return { model = b.answer_model or body.model, embeddings = embeddings, load_duration = 1000000,
           total_duration = 2000000, prompt_eval_count = vectors.tokens(texts) }
end

function ollama.models(_, b)
  local out = json.array()
  for i, id in ipairs(b.models) do out[i] = { name = id, model = id } end
  return { models = out }
end

function ollama.error(status, message, b)
  return { status = status, headers = status == 429 and { ["Retry-After"] = b.retry_after } or nil,
           body = { error = message } }
end

return ollama
