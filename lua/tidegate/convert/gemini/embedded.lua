--- Embeddings for a client that speaks Gemini: embedContent and batchEmbedContents as OpenAI's request, and OpenAI's
-- answer as theirs.
--
-- What OpenAI says once for all inputs is said so where it is the same for all. Else each request's own members go
-- along as `requests`, which Google gets and nobody else. Pure.

local json  = require("tidegate.core").json
local chat  = require "tidegate.convert.chat"
local parts = require "tidegate.convert.gemini.parts"
local shape = require "tidegate.convert.gemini.shape"

local embedded = {}

-- ---- requests ----

local TASKS = { RETRIEVAL_QUERY = "search_query", RETRIEVAL_DOCUMENT = "search_document",
                SEMANTIC_SIMILARITY = "similarity", CODE_RETRIEVAL_QUERY = "code_query" }

local function task_of(kind) return kind and (TASKS[kind] or kind:lower()) end

local function text_of(list)
  if not list[2] then return list[1].text end
  local out = {}
  for i, part in ipairs(list) do out[i] = json.decode(tostring(part.text)) end
  return table.concat(out)
end

-- One input: a text, or parts of several kinds; nil where one is neither text nor media.
local function input_of(content)
  local out, has_media = json.array {}, false
  for i, part in ipairs(content.parts) do
    out[i] = part.text and { type = "text", text = part.text } or parts.to_chat(part)
    if not out[i] then return nil end
    has_media = has_media or not part.text
  end
  return has_media and { content = out } or text_of(content.parts)
end

-- The members of a request that are its own affair.
local OUTSIDE = { model = true, content = true }

-- Is every one of these said by each request, in the same way?
local function is_same(requests, name)
  for _, one in ipairs(requests) do
    if one[name] ~= requests[1][name] then return false end
  end
  return true
end

local function own_members(requests)
  local out = json.array {}
  for i, one in ipairs(requests) do
    local own = {}
    for name, value in pairs(one) do
      if not OUTSIDE[name] then own[name] = value end
    end
    out[i] = json.ordered(own, chat.sorted(own))
  end
  return out
end

local SHARED = { taskType = true, outputDimensionality = true }

-- Has OpenAI's request a place for all that is said?
local function is_plain(requests)
  for _, one in ipairs(requests) do
    for name in pairs(one) do
      if not OUTSIDE[name] and not SHARED[name] then return false end
    end
  end
  return is_same(requests, "taskType") and is_same(requests, "outputDimensionality")
end

local ORDER = { "model", "input", "input_type", "dimensions", "requests" }

--- @tparam string text  an embedContent request, or a batchEmbedContents one
-- @tparam table about  { model: of the path, is_batch }
-- @treturn ?string  OpenAI's request; or nil and a sentence
function embedded.request(text, about)
  local requests, why = shape.embeddings(text, about.is_batch)
  if not requests then return nil, why end
  local inputs = json.array {}
  for i, one in ipairs(requests) do
    inputs[i] = input_of(one.content)
    if not inputs[i] then return nil, "Only text and media can be embedded." end
  end
  local first = requests[1]
  return json.encode(json.ordered({
    model = tostring(about.model):gsub("^models/", ""), input = inputs,
    input_type = is_same(requests, "taskType") and task_of(first.taskType) or nil,
    dimensions = is_same(requests, "outputDimensionality") and first.outputDimensionality or nil,
    requests = not is_plain(requests) and own_members(requests) or nil,
  }, ORDER))
end

-- ---- answers ----

local KEEP = { embedding = true, cost_details = true, openrouter_metadata = true }

local function usage_of(told)
  if type(told) ~= "table" then return nil end
  return json.ordered({ promptTokenCount = told.prompt_tokens, totalTokenCount = told.total_tokens, cost = told.cost,
                        cost_details = told.cost_details },
    { "promptTokenCount", "totalTokenCount", "cost", "cost_details" })
end

--- @tparam string text  OpenAI's answer
-- @tparam table about  { is_batch }
-- @treturn string  Google's
function embedded.answer(text, about)
  local told, list = json.read(text, KEEP), json.array {}
  for i, one in ipairs(told.data) do list[i] = { values = one.embedding } end
  return json.encode(json.ordered({
    embedding = not about.is_batch and list[1] or nil, embeddings = about.is_batch and list or nil,
    usageMetadata = usage_of(told.usage), provider = told.provider, openrouter_metadata = told.openrouter_metadata,
  }, { "embedding", "embeddings", "usageMetadata", "provider", "openrouter_metadata" }))
end

return embedded
