--- OpenAI's chat completions, in the dialect that the script wants: what most
-- providers speak. Embeddings and the list of models with it.

local core    = require "tidegate.core"
local events  = require "tidegate.app.mock.events"
local frames  = require "tidegate.app.mock.frames"
local plan    = require "tidegate.app.mock.plan"
local turns   = require "tidegate.app.mock.turns"
local vectors = require "tidegate.app.mock.vectors"

local json, null = core.json, core.json.null

local chat = {
  name = "openai-chat",
  stream_type = "text/event-stream",
  routes = {
    { "/chat/completions$", "chat" },
    { "/embeddings$", "embeddings" },
    { "/models$", "models", method = "GET" },
  },
}

-- ---- requests ----

--- A `response_format`: true or a schema where the answer is to be JSON.
function chat.wants_json(format)
  if type(format) ~= "table" or format.type == "text" then return nil end
  local described = format.json_schema
  return type(described) == "table" and described.schema or true
end

--- The functions that a list of tools offers.
function chat.tools(tools)
  local out = {}
  for _, tool in ipairs(turns.within(tools)) do
    local offered = type(tool) == "table" and tool["function"]
    if type(offered) == "table" then out[#out + 1] = { name = offered.name, schema = offered.parameters } end
  end
  return out
end

local function must(choice)
  if choice == "required" or choice == "any" then return true end
  local named = type(choice) == "table" and choice["function"]
  return type(named) == "table" and named.name or nil
end

function chat.asked(body)
  local options = type(body.stream_options) == "table" and body.stream_options or {}
  return {
    model = body.model, stream = body.stream == true, wants_usage = options.include_usage == true,
    limit = body.max_completion_tokens or body.max_tokens, turns = turns.of(body.messages),
    tools = chat.tools(body.tools), must = must(body.tool_choice), json = chat.wants_json(body.response_format),
  }
end

-- ---- answers ----

--- OpenAI's usage of a plan's.
function chat.usage(usage)
  return json.ordered({
    prompt_tokens = usage.prompt, completion_tokens = usage.completion,
    total_tokens = usage.prompt + usage.completion,
    prompt_tokens_details = { cached_tokens = usage.cached },
    completion_tokens_details = { reasoning_tokens = usage.reasoning },
  }, { "prompt_tokens", "completion_tokens", "total_tokens", "prompt_tokens_details", "completion_tokens_details" })
end

local function calls_of(made, with_index)
  if not made.call then return nil end
  return json.array { {
    index = with_index and 0 or nil, id = "call_" .. made.id, type = "function",
    ["function"] = { name = made.call.name, arguments = made.call.arguments },
  } }
end

--- A whole answer, as a table.
function chat.whole(made, b)
  local message = {
    role = "assistant", content = made.tokens[1] and made.text or null, tool_calls = calls_of(made),
  }
  if made.reasoning[1] then message[b.reasoning_field] = made.thought end
  return {
    id = made.id, object = "chat.completion", created = made.created, model = made.model,
    choices = json.array { { index = 0, message = message, finish_reason = made.finish, logprobs = null } },
    usage = b.usage ~= "none" and chat.usage(made.usage) or nil,
  }
end

--- A stream. `dress` is called with every choice before it is written.
function chat.stream(made, b, asked, dress)
  local out, usage = events.new(b, frames.sse(b.crlf)), chat.usage(made.usage)
  local function chunk(choices, more)
    return { id = made.id, object = "chat.completion.chunk", created = made.created, model = made.model,
             choices = json.array(choices), usage = more }
  end
  local function delta(fields, finish, more)
    local choice = { index = 0, delta = fields, finish_reason = finish or null }
    if dress then dress(choice) end
    return chunk({ choice }, more)
  end

  if b.role_first then out:add(nil, delta { role = "assistant", content = "" }) end
  out:text(made.reasoning, nil, delta { [b.reasoning_field] = events.HERE })
  out:text(made.tokens, nil, delta { content = events.HERE })
  if made.call then out:add(nil, delta { tool_calls = calls_of(made, true) }, plan.CALL_TOKENS) end
  out:add(nil, delta(json.ordered({}, {}), made.finish, b.usage == "finish" and usage or nil))
  if b.usage == "always" or b.usage == "chunk" and asked.wants_usage then out:add(nil, chunk({}, usage)) end
  out:add(nil, "[DONE]")
  return out
end

-- ---- the rest ----

function chat.embeddings(body, b)
  local data, texts = json.array(), vectors.texts(body.input)
  for i, text in ipairs(texts) do
    data[i] = { object = "embedding", index = i - 1,
      embedding = vectors.of(text, body.dimensions or b.dimensions, body.encoding_format) }
  end
  local tokens = vectors.tokens(texts)
  return { object = "list", data = data, model = b.answer_model or body.model,
    usage = { prompt_tokens = tokens, total_tokens = tokens } }
end

function chat.models(_, b, request)
  local data = json.array()
  for i, id in ipairs(b.models) do
    data[i] = { id = id, object = "model", created = request.now_s, owned_by = "mock" }
  end
  return { object = "list", data = data }
end

function chat.error(status, message, b)
  return {
    status = status, headers = status == 429 and { ["Retry-After"] = b.retry_after } or nil,
    body = { error = { message = message, type = "mock_error", code = status } },
  }
end

return chat
