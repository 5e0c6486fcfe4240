--- Rerank as Jina, Voyage and the servers for open models have it.

local core    = require "tidegate.core"
local chat    = require "tidegate.app.mock.formats.openai_chat"
local turns   = require "tidegate.app.mock.turns"
local vectors = require "tidegate.app.mock.vectors"
local words   = require "tidegate.app.mock.words"

local json = core.json

local rerank = {
  name = "rerank",
  routes = { { "/rerank$", "rerank" } },
  error = chat.error,
}

local function text_of(document)
  return type(document) == "table" and tostring(document.text or json.encode(document)) or tostring(document)
end

--- The results of a request: the documents that share most words with the query,
-- best first.
function rerank.results(body)
  local results = {}
  for i, document in ipairs(turns.within(body.documents)) do
    local text = text_of(document)
    results[i] = { index = i - 1, relevance_score = words.relevance(tostring(body.query or ""), text),
                   document = body.return_documents and { text = text } or nil }
  end
  table.sort(results, function(a, b)
    if a.relevance_score ~= b.relevance_score then return a.relevance_score > b.relevance_score end
    return a.index < b.index
  end)
  local wanted = tonumber(body.top_n or body.top_k) or #results
  for i = #results, wanted + 1, -1 do results[i] = nil end
  return json.array(results)
end

function rerank.rerank(body, b)
  local texts = { tostring(body.query or "") }
  for i, document in ipairs(turns.within(body.documents)) do texts[i + 1] = text_of(document) end
  return { object = "list", model = b.answer_model or body.model, results = rerank.results(body),
           usage = { total_tokens = vectors.tokens(texts) } }
end

return rerank
