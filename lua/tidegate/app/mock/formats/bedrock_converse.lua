--- Amazon Bedrock's Converse. Streams are in AWS's binary encoding, with a field
-- `p` of no meaning that makes the lengths of events say nothing about the text.

local core   = require "tidegate.core"
local events = require "tidegate.app.mock.events"
local frames = require "tidegate.app.mock.frames"
local plan   = require "tidegate.app.mock.plan"
local turns  = require "tidegate.app.mock.turns"

local json = core.json

local converse = {
  name = "bedrock-converse",
  stream_type = "application/vnd.amazon.eventstream",
  routes = {
    { "/model/([^/]+)/converse$", "chat" },
    { "/model/([^/]+)/converse%-stream$", "chat", streams = true },
    { "/model/([^/]+)/count%-tokens$", "count" },
  },
}

-- ---- requests ----

local function result_text(result)
  local texts = {}
  for _, part in ipairs(turns.within(result.content)) do
    texts[#texts + 1] = part.text or part.json and json.encode(part.json)
  end
  return table.concat(texts, " ")
end

local function turn_of(message)
  local texts, role = {}, message.role
  for _, block in ipairs(turns.within(message.content)) do
    if block.toolResult then
      role = "tool"
      texts[#texts + 1] = result_text(block.toolResult)
    else
      texts[#texts + 1] = block.text
    end
  end
  return { role = role, text = table.concat(texts, " ") }
end

local function turns_of(body)
  local list = {}
  if body.system then list[1] = { role = "system", text = turns.text(body.system) } end
  for _, message in ipairs(turns.within(body.messages)) do list[#list + 1] = turn_of(message) end
  return list
end

local function tools_of(config)
  local out = {}
  for _, tool in ipairs(turns.within(config.tools)) do
    local spec = tool.toolSpec
    if spec then out[#out + 1] = { name = spec.name, schema = turns.within(spec.inputSchema).json } end
  end
  return out
end

-- A schema comes as JSON inside of a string.
local function json_of(body)
  local format = turns.within(turns.within(body.outputConfig).textFormat)
  if format.type ~= "json_schema" then return nil end
  local described = turns.within(turns.within(format.structure).jsonSchema)
  return json.read(tostring(described.schema), {}) or true
end

function converse.asked(body, request)
  local config = turns.within(body.toolConfig)
  local choice = turns.within(config.toolChoice)
  return {
    model = request.route.model, stream = request.route.streams,
    limit = turns.within(body.inferenceConfig).maxTokens, turns = turns_of(body), tools = tools_of(config),
    must = choice.any and true or choice.tool and choice.tool.name or nil, json = json_of(body),
  }
end

-- ---- answers ----

local STOPS = { stop = "end_turn", length = "max_tokens", tool_calls = "tool_use",
                content_filter = "guardrail_intervened" }

-- What came out of the cache is not among the input tokens, but in the total.
local function usage_of(made, b)
  if b.usage == "none" then return nil end
  local usage = made.usage
  return {
    inputTokens = usage.prompt - usage.cached, outputTokens = usage.completion,
    totalTokens = usage.prompt + usage.completion,
    cacheReadInputTokens = usage.cached, cacheWriteInputTokens = 0,
  }
end

function converse.whole(made, b)
  local content = json.array()
  if made.reasoning[1] then
    content[1] = { reasoningContent = { reasoningText = { text = made.thought, signature = made.signature } } }
  end
  if made.tokens[1] then content[#content + 1] = { text = made.text } end
  if made.call then
    content[#content + 1] = { toolUse = { toolUseId = "tooluse_" .. made.id, name = made.call.name,
                                          input = plan.arguments(made.call) } }
  end
  return {
    output = { message = { role = "assistant", content = content } },
    stopReason = STOPS[made.finish] or made.finish, usage = usage_of(made, b),
    metrics = { latencyMs = b.ttft_ms },
  }
end

local PADDING = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789"

function converse.stream(made, b)
  local out, index = events.new(b, frames.aws()), -1
  local function add(name, fields, tokens)
    fields.p = PADDING:sub(1, 1 + #out * 37 % #PADDING)
    out:add(name, fields, tokens)
  end
  local function delta(fields, tokens)
    add("contentBlockDelta", { contentBlockIndex = index, delta = fields }, tokens)
  end
  -- Only a tool's block is announced.
  local function block(start, write)
    index = index + 1
    if start then add("contentBlockStart", { contentBlockIndex = index, start = start }) end
    write()
    add("contentBlockStop", { contentBlockIndex = index })
  end

  add("messageStart", { role = "assistant" })
  if made.reasoning[1] then
    block(nil, function()
      out:each(made.reasoning, function(text, count) delta({ reasoningContent = { text = text } }, count) end)
      delta { reasoningContent = { signature = made.signature } }
    end)
  end
  if made.tokens[1] then
    block(nil, function()
      out:each(made.tokens, function(text, count) delta({ text = text }, count) end)
    end)
  end
  if made.call then
    block({ toolUse = { toolUseId = "tooluse_" .. made.id, name = made.call.name } }, function()
      delta({ toolUse = { input = "" } }, plan.CALL_TOKENS)
      for _, piece in ipairs(made.call.pieces) do delta { toolUse = { input = piece } } end
    end)
  end
  add("messageStop", { stopReason = STOPS[made.finish] or made.finish })
  add("metadata", { usage = usage_of(made, b), metrics = { latencyMs = b.ttft_ms } })
  return out
end

-- ---- the rest ----

-- Of another model's own request only the length is known, as base64.
function converse.count(body)
  local input = turns.within(body.input)
  local foreign = turns.within(input.invokeModel).body
  local tokens = type(foreign) == "string" and math.ceil(#foreign * 3 / 16)
    or turns.tokens(turns_of(turns.within(input.converse)))
  return { inputTokens = tokens }
end

local CLASSES = {
  [400] = "ValidationException", [401] = "UnrecognizedClientException", [403] = "AccessDeniedException",
  [404] = "ResourceNotFoundException", [429] = "ThrottlingException", [500] = "InternalServerException",
  [503] = "ServiceUnavailableException",
}

--- What went wrong stands in a header; how long to wait nowhere.
function converse.error(status, message)
  return {
    status = status,
    headers = { ["x-amzn-ErrorType"] = (CLASSES[status] or "InternalServerException")
      .. ":http://internal.amazon.com/coral/com.amazon.bedrock/" },
    body = { message = message },
  }
end

function converse.wrong_key()
  return converse.error(403, "Authentication failed: Please make sure your API Key is valid.")
end

return converse
