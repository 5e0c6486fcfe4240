--- GET /v1beta/models: the catalogue as Google lists models.

local core  = require "tidegate.core"
local pages = require "tidegate.api.pages"
local query = require "tidegate.api.query"
local shelf = require "tidegate.api.shelf"

local json = core.json

local google_models = {}

local PAGE_DEFAULT, PAGE_MOST = 50, 1000           -- Google's

-- What a model can be asked for, by what comes out of it.
local function methods_of(outputs)
  local list = json.array {}
  if outputs.embeddings then
    list[1], list[2] = "embedContent", "batchEmbedContents"
  elseif not outputs.rerank then
    list[1], list[2] = "generateContent", "streamGenerateContent"
  end
  return list
end

local ORDER = { "name", "version", "displayName", "description", "inputTokenLimit", "outputTokenLimit",
  "supportedGenerationMethods", "thinking" }

--- A model as Google shows one; written once.
-- @tparam table entry  of the shelf
function google_models.shape(entry)
  entry.google = entry.google or json.raw(json.encode(json.ordered({
    name = "models/" .. entry.id, version = entry.model.canonical_slug, displayName = entry.model.name,
    description = entry.description, inputTokenLimit = entry.context > 0 and entry.context or nil,
    outputTokenLimit = entry.max_completion_tokens, supportedGenerationMethods = methods_of(entry.outputs),
    thinking = entry.outputs.text and entry.parameters.reasoning or nil,
  }, ORDER)))
  return entry.google
end

function google_models.answer(request, given)
  local entries, from = shelf.of(request.catalog), 1
  local size, why = query.count(given, "pageSize", PAGE_DEFAULT, PAGE_MOST)
  if not size then return nil, why end
  if given.pageToken and given.pageToken ~= "" then
    local at = pages.find(entries, given.pageToken)
    if not at then return nil, "pageToken: no page of this list begins there; ask without one" end
    from = at + 1
  end
  local list, models = pages.cut(entries, from, size), json.array {}
  for i, entry in ipairs(list) do models[i] = google_models.shape(entry) end
  local is_last = from + #list > #entries
  return json.ordered({ models = models, nextPageToken = not is_last and list[#list].id or nil },
    { "models", "nextPageToken" })
end

return google_models
