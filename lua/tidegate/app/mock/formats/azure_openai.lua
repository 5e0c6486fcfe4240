--- Azure OpenAI: OpenAI's chat with a deployment for a model, and its content
-- filter's opinion on everything.

local core = require "tidegate.core"
local chat = require "tidegate.app.mock.formats.openai_chat"

local json = core.json

local azure = {
  name = "azure-openai",
  stream_type = "text/event-stream; charset=utf-8",
  routes = {
    { "/openai/deployments/([^/]+)/chat/completions$", "chat" },
    { "/openai/v1/chat/completions$", "chat" },
    { "/openai/deployments/([^/]+)/embeddings$", "embeddings" },
    { "/openai/v1/embeddings$", "embeddings" },
  },
  embeddings = chat.embeddings,
}

local WRONG_KEY = "Access denied due to invalid subscription key or wrong API endpoint. Make sure to provide a "
  .. "valid key for an active subscription and use a correct regional API endpoint for your resource."

local function opinion(on_prompt)
  local out = {}
  for _, kind in ipairs { "hate", "self_harm", "sexual", "violence" } do
    out[kind] = { filtered = false, severity = "safe" }
  end
  if on_prompt then out.jailbreak = { filtered = false, detected = false } end
  return out
end

local function on_prompt()
  return json.array { { prompt_index = 0, content_filter_results = opinion(true) } }
end

-- Only text is filtered; the rest has an empty opinion.
local function dress(choice)
  local said = choice.delta or choice.message
  local is_text = type(said.content) == "string" and said.content ~= ""
  choice.content_filter_results = is_text and opinion() or json.ordered({}, {})
end

function azure.asked(body, request)
  local asked = chat.asked(body)
  asked.model = asked.model or request.route.model
  return asked
end

function azure.whole(made, b)
  local answer = chat.whole(made, b)
  dress(answer.choices[1])
  answer.prompt_filter_results = on_prompt()
  return answer
end

function azure.stream(made, b, asked)
  local out = chat.stream(made, b, asked, dress)
  -- The opinion on the prompt comes first, in a chunk that is no answer yet.
  local first = { choices = json.array(), created = 0, id = "", model = "", object = "",
                  prompt_filter_results = on_prompt() }
  table.insert(out, 1, { out.frame(nil, json.encode(first)), tokens = 0 })
  return out
end

function azure.error(status, message, b)
  return {
    status = status,
    headers = status == 429 and { ["Retry-After"] = b.retry_after, ["retry-after-ms"] = b.retry_after * 1000 } or nil,
    body = { error = { code = tostring(status), message = message } },
  }
end

function azure.wrong_key(b)
  return azure.error(401, WRONG_KEY, b)
end

return azure
