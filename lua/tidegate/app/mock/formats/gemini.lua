--- Google's Gemini, and the same models on Vertex AI, which say a little more.

local core    = require "tidegate.core"
local events  = require "tidegate.app.mock.events"
local frames  = require "tidegate.app.mock.frames"
local plan    = require "tidegate.app.mock.plan"
local turns   = require "tidegate.app.mock.turns"
local vectors = require "tidegate.app.mock.vectors"

local json = core.json

local gemini = {
  name = "gemini",
  whole_type = "application/json; charset=UTF-8",
  routes = {
    { "/models/([^/:]+):generateContent$", "chat" },
    { "/models/([^/:]+):streamGenerateContent$", "chat", streams = true },
    { "/models/([^/:]+):countTokens$", "count" },
    { "/models/([^/:]+):embedContent$", "embedding" },
    { "/models/([^/:]+):batchEmbedContents$", "embeddings" },
    { "/publishers/google/models/([^/:]+):predict$", "predict" },
    { "/v1beta/models$", "models", method = "GET" },
  },
}

-- ---- requests ----

local function is_vertex(request)
  return request.path:find("/publishers/google/", 1, true) ~= nil
end

-- Of a stream: server-sent events, or an array that grows.
local function is_array(request)
  return request.route.streams and not ("&" .. request.query .. "&"):find("&alt=sse&", 1, true)
end

-- Google reads a name in either spelling: maxOutputTokens, max_output_tokens.
local function member(object, name)
  local found = turns.within(object)[name]
  if found ~= nil then return found end
  return turns.within(object)[(name:gsub("%u", function(letter) return "_" .. letter:lower() end))]
end

-- What a function gave back is an object: its only text, or all of it as JSON.
local function result_text(result)
  local response = turns.within(turns.within(result).response)
  for _, name in ipairs { "output", "result", "content" } do
    if type(response[name]) == "string" then return response[name] end
  end
  return json.encode(response)
end

local function turn_of(content)
  local texts, role = {}, content.role == "model" and "assistant" or content.role or "user"
  for _, part in ipairs(turns.within(content.parts)) do
    local result = member(part, "functionResponse")
    if result then
      role = "tool"
      texts[#texts + 1] = result_text(result)
    elseif type(part.text) == "string" then
      texts[#texts + 1] = part.text
    end
  end
  return { role = role, text = table.concat(texts, " ") }
end

local function turns_of(body)
  local list, system = {}, member(body, "systemInstruction")
  if type(system) == "table" then list[1] = { role = "system", text = turn_of(system).text } end
  for _, content in ipairs(turns.within(body.contents)) do list[#list + 1] = turn_of(content) end
  return list
end

local function tools_of(body)
  local out = {}
  for _, tool in ipairs(turns.within(body.tools)) do
    for _, declared in ipairs(turns.within(member(tool, "functionDeclarations"))) do
      out[#out + 1] = { name = declared.name, schema = member(declared, "parametersJsonSchema") or declared.parameters }
    end
  end
  return out
end

local function must(body)
  local config = member(member(body, "toolConfig"), "functionCallingConfig")
  if turns.within(config).mode ~= "ANY" then return nil end
  return turns.within(member(config, "allowedFunctionNames"))[1] or true
end

function gemini.asked(body, request)
  local config = member(body, "generationConfig")
  return {
    model = request.route.model, stream = request.route.streams, is_array = is_array(request),
    is_vertex = is_vertex(request), limit = member(config, "maxOutputTokens"), turns = turns_of(body),
    tools = tools_of(body), must = must(body),
    json = member(config, "responseMimeType") == "application/json"
      and (member(config, "responseJsonSchema") or member(config, "responseSchema") or true) or nil,
  }
end

-- ---- answers ----

-- A call is no reason to finish: the model stops.
local FINISHES = { stop = "STOP", tool_calls = "STOP", length = "MAX_TOKENS", content_filter = "SAFETY" }

local NAMES = { "promptTokenCount", "candidatesTokenCount", "totalTokenCount", "cachedContentTokenCount",
                "promptTokensDetails", "thoughtsTokenCount", "trafficType" }

-- Usage after so many tokens of thought and of answer; thoughts are apart.
local function usage_of(made, asked, thoughts, candidates)
  local usage = made.usage
  return json.ordered({
    promptTokenCount = usage.prompt, candidatesTokenCount = candidates > 0 and candidates or nil,
    totalTokenCount = usage.prompt + thoughts + candidates,
    cachedContentTokenCount = usage.cached > 0 and usage.cached or nil,
    promptTokensDetails = json.array { { modality = "TEXT", tokenCount = usage.prompt } },
    thoughtsTokenCount = thoughts > 0 and thoughts or nil,
    trafficType = asked.is_vertex and "ON_DEMAND" or nil,
  }, NAMES)
end

local function final_usage(made, asked)
  local usage = made.usage
  return usage_of(made, asked, usage.reasoning, usage.completion - usage.reasoning)
end

local function answer(made, b, asked, parts, usage, finish)
  return {
    candidates = json.array { {
      content = { role = "model", parts = json.array(parts) }, index = not asked.is_vertex and 0 or nil,
      finishReason = finish and (FINISHES[finish] or finish),
      finishMessage = finish == "tool_calls" and "Model generated function call(s)." or nil,
    } },
    usageMetadata = b.usage ~= "none" and usage or nil, modelVersion = made.model, responseId = made.id,
    createTime = asked.is_vertex and os.date("!%Y-%m-%dT%H:%M:%S.000000Z", made.created) or nil,
  }
end

-- The part that ends an answer carries the signature of the thoughts before it.
local function last_part(made)
  local signature = made.reasoning[1] and made.signature or nil
  if made.call then
    return { functionCall = { name = made.call.name, args = plan.arguments(made.call) },
             thoughtSignature = signature }
  end
  return signature and { text = "", thoughtSignature = signature }
end

function gemini.whole(made, b, asked)
  local parts = {}
  if made.reasoning[1] then parts[1] = { text = made.thought, thought = true } end
  if made.tokens[1] then
    parts[#parts + 1] = { text = made.text, thoughtSignature = made.reasoning[1] and made.signature or nil }
  end
  if made.call then parts[#parts + 1] = last_part(made) end
  return answer(made, b, asked, parts, final_usage(made, asked), made.finish)
end

-- Usage grows with the answer. Vertex gives the numbers in the last chunk alone.
local function growing_usage(made, asked, thoughts, candidates)
  if asked.is_vertex then return { trafficType = "ON_DEMAND" } end
  return usage_of(made, asked, thoughts, candidates)
end

function gemini.stream(made, b, asked)
  local out = events.new(b, asked.is_array and frames.array() or frames.sse(true))
  out:each(made.reasoning, function(text, count, so_far)
    out:add(nil, answer(made, b, asked, { { text = text, thought = true } },
      growing_usage(made, asked, so_far, 0)), count)
  end)
  out:each(made.tokens, function(text, count, so_far)
    out:add(nil, answer(made, b, asked, { { text = text } },
      growing_usage(made, asked, made.usage.reasoning, so_far)), count)
  end)
  out:add(nil, answer(made, b, asked, { last_part(made) or { text = "" } }, final_usage(made, asked), made.finish),
    made.call and plan.CALL_TOKENS or 0)
  if asked.is_array then out:bytes "\n]" end
  return out
end

function gemini.stream_type(asked)
  return asked.is_array and gemini.whole_type or "text/event-stream"
end

-- ---- the rest ----

function gemini.count(body)
  local tokens = turns.tokens(turns_of(member(body, "generateContentRequest") or body))
  return { totalTokens = tokens, promptTokensDetails = json.array { { modality = "TEXT", tokenCount = tokens } } }
end

local function values(body, b)
  local text = turn_of(turns.within(body.content)).text
  local wanted = member(body, "outputDimensionality") or member(body.embedContentConfig, "outputDimensionality")
  return { values = vectors.of(text, wanted or b.dimensions) }
end

function gemini.embedding(body, b)
  return { embedding = values(body, b) }
end

function gemini.embeddings(body, b)
  local out = json.array()
  for i, request in ipairs(turns.within(body.requests)) do out[i] = values(request, b) end
  return { embeddings = out }
end

--- Vertex's embeddings.
function gemini.predict(body, b)
  local out, characters = json.array(), 0
  local wanted = member(body.parameters, "outputDimensionality") or b.dimensions
  for i, instance in ipairs(turns.within(body.instances)) do
    local text = tostring(instance.content or "")
    characters = characters + #text
    out[i] = { embeddings = { values = vectors.of(text, wanted),
      statistics = { truncated = false, token_count = vectors.tokens { text } } } }
  end
  return { predictions = out, metadata = { billableCharacterCount = characters } }
end

function gemini.models(_, b)
  local out = json.array()
  for i, id in ipairs(b.models) do
    out[i] = { name = "models/" .. id, displayName = id,
               supportedGenerationMethods = json.array { "generateContent", "countTokens" } }
  end
  return { models = out }
end

local STATUSES = {
  [400] = "INVALID_ARGUMENT", [401] = "UNAUTHENTICATED", [403] = "PERMISSION_DENIED", [404] = "NOT_FOUND",
  [429] = "RESOURCE_EXHAUSTED", [500] = "INTERNAL", [503] = "UNAVAILABLE",
}

local function failure(status, message, detail, request)
  local body = { error = { code = status, message = message, status = STATUSES[status] or "UNKNOWN",
                           details = detail and json.array { detail } } }
  -- A stream that would have been an array is one for an error, too.
  local wrapped = request.route and is_array(request)
  return { status = status, headers = { ["Content-Type"] = gemini.whole_type },
           body = wrapped and json.array { body } or body }
end

--- How long to wait stands in the body, and no header says it.
function gemini.error(status, message, b, request)
  return failure(status, message, status == 429 and {
    ["@type"] = "type.googleapis.com/google.rpc.RetryInfo", retryDelay = b.retry_after .. "s",
  } or nil, request)
end

--- Gemini's own port calls a wrong key a bad request.
function gemini.wrong_key(b, request)
  if is_vertex(request) then
    return gemini.error(401, "Request had invalid authentication credentials.", b, request)
  end
  return failure(400, "API key not valid. Please pass a valid API key.", {
    ["@type"] = "type.googleapis.com/google.rpc.ErrorInfo", reason = "API_KEY_INVALID", domain = "googleapis.com",
  }, request)
end

return gemini
