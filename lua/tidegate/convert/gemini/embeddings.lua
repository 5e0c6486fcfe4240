--- Embeddings: OpenAI's request and answer, and Google's (batchEmbedContents; predict on Vertex). Pure.

local json    = require("tidegate.core").json
local chat    = require "tidegate.convert.chat"
local parts   = require "tidegate.convert.gemini.parts"
local shape   = require "tidegate.convert.shape"
local vectors = require "tidegate.convert.vectors"

local embeddings = {}

-- ---- to Google ----

local TASKS = {
  search_query = "RETRIEVAL_QUERY", query = "RETRIEVAL_QUERY", search_document = "RETRIEVAL_DOCUMENT",
  document = "RETRIEVAL_DOCUMENT", passage = "RETRIEVAL_DOCUMENT", similarity = "SEMANTIC_SIMILARITY",
  code_query = "CODE_RETRIEVAL_QUERY",
}

-- Google's own words pass.
local function task_of(kind)
  return type(kind) == "string" and (TASKS[kind:lower()] or kind:upper()) or nil
end

local CARRIED = chat.carried { "input", "dimensions", "input_type", "encoding_format", "requests" }

-- Members of single requests, as a client of Google's had them (gemini/embedded.lua).
local function own_members(body, i)
  local own = type(body.requests) == "table" and body.requests[i]
  return type(own) == "table" and own or {}
end

-- The inputs as lists of Google's parts.
local function inputs_of(input, how)
  if type(input) == "string" then input = { input } end
  if type(input) ~= "table" or input[1] == nil then return nil, "input must be a text or a list of texts" end
  local out = {}
  for i, one in ipairs(input) do
    if type(one) == "string" then
      out[i] = { { text = one } }
    elseif type(one) == "table" and one.content then
      local ok, why = shape.check_content(one.content, "input[" .. i - 1 .. "].content")
      if not ok then return nil, why end
      out[i] = parts.of_content(one.content, how)
    else
      return nil, "input must be text: Google embeds no lists of token numbers"
    end
  end
  return out
end

local function batch(inputs, body, about)
  local model = "models/" .. tostring(about.model):gsub("^models/", "")
  local requests = json.array {}
  for i, input in ipairs(inputs) do
    requests[i] = { taskType = task_of(body.input_type), outputDimensionality = body.dimensions }
    for name, value in pairs(own_members(body, i)) do requests[i][name] = value end
    requests[i].model, requests[i].content = model, { parts = json.array(input) }
  end
  return { requests = requests }
end

local function predict(inputs, body, about)
  local instances = json.array {}
  for i, input in ipairs(inputs) do
    if input[2] or not (input[1] and input[1].text) then
      return nil, tostring(about.model) .. " embeds text only on Vertex"
    end
    local own = own_members(body, i)
    instances[i] = { content = input[1].text, task_type = own.taskType or task_of(body.input_type), title = own.title }
  end
  return { instances = instances,
           parameters = body.dimensions and { outputDimensionality = body.dimensions } or nil }
end

--- @tparam string text  OpenAI's request
-- @tparam table about  { wire, model }
-- @treturn ?string  Google's; or nil and a sentence
-- @treturn table  what was lost
function embeddings.request(text, about)
  local body = json.read(text)
  if type(body) ~= "table" then return nil, "the request must be a JSON object" end
  local lost = {}
  local inputs, why = inputs_of(body.input, { wire = about.wire, lost = lost })
  if not inputs then return nil, why end
  local made
  made, why = (about.wire == "vertex" and predict or batch)(inputs, body, about)
  if not made then return nil, why end
  for _, name in ipairs(chat.lost(body, CARRIED)) do lost[name] = true end
  return json.encode(made), chat.sorted(lost)
end

-- ---- to OpenAI ----

-- The vectors of an answer, and the tokens that it tells.
local function vectors_of(answer)
  local out, tokens = {}, nil
  for i, one in ipairs(answer.embeddings or answer.embedding and { answer.embedding } or {}) do
    out[i] = tostring(one.values or "[]")
  end
  for i, one in ipairs(answer.predictions or {}) do
    local it = one.embeddings or {}
    out[i] = tostring(it.values or "[]")
    tokens = (tokens or 0) + (it.statistics and it.statistics.token_count or 0)
  end
  return out, tokens or answer.usageMetadata and answer.usageMetadata.promptTokenCount
end

local KEEP = { values = true, error = true }

--- @tparam string text  Google's answer
-- @tparam table about  { model, encoding_format: of the request }
-- @treturn ?string  OpenAI's; or nil and words
function embeddings.answer(text, about)
  local answer = json.read(text, KEEP)
  if type(answer) ~= "table" then return nil, "malformed" end
  if answer.error then return '{"error":' .. tostring(answer.error) .. "}" end
  local list, tokens = vectors_of(answer)
  if not list[1] then return nil, "the answer has no embeddings" end
  for i, raw in ipairs(list) do
    list[i] = '{"object":"embedding","index":' .. i - 1 .. ',"embedding":'
      .. vectors.encode(raw, about and about.encoding_format) .. "}"
  end
  return '{"object":"list","model":' .. json.encode(about and about.model or "") .. ',"data":['
    .. table.concat(list, ",") .. "]" .. (tokens and ',"usage":' .. json.encode { prompt_tokens = tokens,
    total_tokens = tokens } or "") .. "}"
end

return embeddings
