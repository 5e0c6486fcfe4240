--- Cohere's second version: chat, embeddings and rerank.

local core    = require "tidegate.core"
local chat    = require "tidegate.app.mock.formats.openai_chat"
local events  = require "tidegate.app.mock.events"
local frames  = require "tidegate.app.mock.frames"
local plan    = require "tidegate.app.mock.plan"
local rerank  = require "tidegate.app.mock.formats.rerank"
local turns   = require "tidegate.app.mock.turns"
local vectors = require "tidegate.app.mock.vectors"

local json = core.json

local cohere = {
  name = "cohere",
  stream_type = "text/event-stream",
  routes = {
    { "/v2/chat$", "chat" },
    { "/v2/embed$", "embeddings" },
    { "/v2/rerank$", "rerank" },
  },
}

-- ---- requests ----

-- A tool's result may be documents, each with data of its own.
local function document_text(part)
  local data = type(part.document) == "table" and part.document.data
  return type(data) == "string" and data or data and json.encode(data) or part.text
end

local function turns_of(messages)
  local list = turns.of(messages)
  for i, turn in ipairs(list) do
    local content = messages[i].content
    if turn.role == "tool" and type(content) == "table" then
      local texts = {}
      for _, part in ipairs(content) do texts[#texts + 1] = document_text(part) end
      turn.text = table.concat(texts, " ")
    end
  end
  return list
end

local function json_of(format)
  if type(format) ~= "table" or format.type == "text" then return nil end
  return format.json_schema or format.schema or true
end

function cohere.asked(body)
  return {
    model = body.model, stream = body.stream == true, limit = body.max_tokens, turns = turns_of(body.messages),
    tools = chat.tools(body.tools), must = body.tool_choice == "REQUIRED" or nil,
    json = json_of(body.response_format),
  }
end

-- ---- answers ----

local FINISHES = { stop = "COMPLETE", length = "MAX_TOKENS", tool_calls = "TOOL_CALL", content_filter = "ERROR" }

-- Two counts: what is billed, and what the model saw.
local function usage_of(made, b)
  if b.usage == "none" then return nil end
  local usage = made.usage
  local counts = { input_tokens = usage.prompt, output_tokens = usage.completion }
  return { billed_units = counts, tokens = counts, cached_tokens = usage.cached }
end

-- Before a call, what the model thinks is its plan for the tools.
local function has_plan(made)
  return made.call and made.reasoning[1]
end

local function call_of(made, arguments)
  return { id = made.call.name .. "_" .. made.id, type = "function",
           ["function"] = { name = made.call.name, arguments = arguments } }
end

function cohere.whole(made, b)
  local content, message = {}, { role = "assistant" }
  if has_plan(made) then
    message.tool_plan = made.thought
  elseif made.reasoning[1] then
    content[1] = { type = "thinking", thinking = made.thought }
  end
  if made.tokens[1] then content[#content + 1] = { type = "text", text = made.text } end
  if content[1] then message.content = json.array(content) end
  if made.call then message.tool_calls = json.array { call_of(made, made.call.arguments) } end
  return { id = made.id, message = message, finish_reason = FINISHES[made.finish] or made.finish,
           usage = usage_of(made, b) }
end

function cohere.stream(made, b)
  local out, index = events.new(b, frames.sse(b.crlf)), -1
  local function add(kind, fields, tokens)
    out:add(kind, events.typed(kind, fields), tokens)
  end
  local function say(kind, message, tokens)
    add(kind, { index = index, delta = message and { message = message } }, tokens)
  end
  local function content(field, kind, tokens)
    if not tokens[1] then return end
    index = index + 1
    say("content-start", { content = { type = kind, [field] = "" } })
    out:each(tokens, function(text, count) say("content-delta", { content = { [field] = text } }, count) end)
    say "content-end"
  end

  add("message-start", { id = made.id, delta = { message = { role = "assistant", content = json.array(),
    tool_plan = "", tool_calls = json.array(), citations = json.array() } } })
  if has_plan(made) then
    out:each(made.reasoning, function(text, count)
      add("tool-plan-delta", { delta = { message = { tool_plan = text } } }, count)
    end)
  else
    content("thinking", "thinking", made.reasoning)
  end
  content("text", "text", made.tokens)
  if made.call then
    index = 0
    say("tool-call-start", { tool_calls = call_of(made, "") }, plan.CALL_TOKENS)
    for _, piece in ipairs(made.call.pieces) do
      say("tool-call-delta", { tool_calls = { ["function"] = { arguments = piece } } })
    end
    say "tool-call-end"
  end
  add("message-end", { delta = { finish_reason = FINISHES[made.finish] or made.finish, usage = usage_of(made, b) } })
  out:add(nil, "[DONE]")
  return out
end

-- ---- the rest ----

local function texts_of(body)
  local texts = {}
  for i, text in ipairs(turns.within(body.texts)) do texts[i] = tostring(text) end
  for _, input in ipairs(turns.within(body.inputs)) do texts[#texts + 1] = turns.text(input.content) end
  return texts
end

function cohere.embeddings(body, b, request)
  local texts, embeddings = texts_of(body), {}
  local types = turns.within(body.embedding_types)
  for _, kind in ipairs(types[1] and types or { "float" }) do
    embeddings[kind] = json.array()
    for i, text in ipairs(texts) do
      embeddings[kind][i] = vectors.of(text, body.output_dimension or b.dimensions, kind)
    end
  end
  return {
    id = request.id, texts = json.array(texts), embeddings = embeddings, response_type = "embeddings_by_type",
    meta = { api_version = { version = "2" }, billed_units = { input_tokens = vectors.tokens(texts) } },
  }
end

function cohere.rerank(body, _, request)
  local results = rerank.results(body)
  return { id = request.id, results = results,
           meta = { api_version = { version = "2" }, billed_units = { search_units = 1 } } }
end

function cohere.error(status, message, b, request)
  return { status = status, headers = status == 429 and { ["Retry-After"] = b.retry_after } or nil,
           body = { id = request.id, message = message } }
end

return cohere
