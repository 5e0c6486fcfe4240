--- Google's generateContent, on Google AI and on Vertex, as chat: what clients ask, and what providers answer.
--
-- docs/wires/gemini.md says what becomes of what. Pure.

local json       = require("tidegate.core").json
local chat       = require "tidegate.convert.chat"
local chunk      = require "tidegate.convert.chunk"
local config     = require "tidegate.convert.gemini.config"
local embedded   = require "tidegate.convert.gemini.embedded"
local embeddings = require "tidegate.convert.gemini.embeddings"
local messages   = require "tidegate.convert.gemini.messages"
local reply      = require "tidegate.convert.gemini.reply"
local shape      = require "tidegate.convert.gemini.shape"
local sinks      = require "tidegate.convert.gemini.sinks"
local tools      = require "tidegate.convert.gemini.tools"
local words      = require "tidegate.convert.gemini.words"

local gemini_to_chat = { from = "gemini", to = "chat" }

-- ---- requests ----

local READ = { contents = true, systemInstruction = true, generationConfig = true, tools = true, toolConfig = true,
               serviceTier = true, model = true }

local ORDER = { "model", "messages", "stream" }

-- A chat request's members, the messages first.
local function written(body, texts, stream)
  body.messages = json.raw("[" .. table.concat(texts, ",") .. "]")
  body.stream = stream or nil
  local names, rest = {}, {}
  for i, name in ipairs(ORDER) do names[i] = name end
  for name in pairs(body) do
    if name ~= "model" and name ~= "messages" and name ~= "stream" then rest[#rest + 1] = name end
  end
  table.sort(rest)
  for _, name in ipairs(rest) do names[#names + 1] = name end
  return json.encode(json.ordered(body, names))
end

--- A generateContent request, or one to count tokens.
-- @tparam table about  { model: of the path, stream }
-- @treturn ?string  a chat request; or nil and a sentence
-- @treturn table  what was lost
function gemini_to_chat.request(text, about)
  local given, body = shape.read(text)
  if not given then return nil, body end
  local model = about and about.model ~= "" and about.model or given.model
  local out, lost = { model = model and tostring(model):gsub("^models/", "") or nil }, {}
  local texts = messages.read(given.systemInstruction, given.contents, function(i, j)
    return shape.raw_part(body, i, j)
  end, lost)
  config.to_chat(given.generationConfig or {}, out)
  tools.to_chat(given.tools, given.toolConfig, out, lost)
  out.service_tier = given.serviceTier and words.tier(given.serviceTier)
  for name, value in pairs(given) do
    if not READ[name] then out[words.snake(name)] = value end
  end
  return written(out, texts, about and about.stream), chat.sorted(lost)
end

gemini_to_chat.embeddings_request = embedded.request

-- ---- answers ----

--- A whole answer: one GenerateContentResponse, or the array of them that a stream is without alt=sse.
-- @tparam table about  { wire }
-- @treturn ?string  a chat completion, or the error that it tells; nil and words when it is neither
function gemini_to_chat.answer(text, about)
  local sink = sinks.whole()
  local ok, why = reply.reader(sink, about and about.wire)(text)
  if not ok then return nil, why end
  if sink.failure then return '{"error":' .. sink.failure .. "}" end
  local first = text:match "^%s*%[" and "0." or ""
  local id, model = json.pick(text, first .. "responseId", first .. "modelVersion")
  local completion = sink:completion(id, model)
  if not completion then return nil, "the answer has no candidates" end
  return completion
end

--- A stream, one GenerateContentResponse a step. It has no terminal of its own: the core takes finish reasons.
-- @tparam table about  { wire }
function gemini_to_chat.stream(emit, about)
  local read = reply.reader(sinks.streaming(chunk.writer(emit)), about and about.wire)
  return function(_, data) return read(data) end
end

gemini_to_chat.embeddings = embeddings.answer

--- @treturn ?number  tokens; nil and words when the answer tells none
function gemini_to_chat.count_answer(text)
  local total = json.pick(text, "totalTokens")
  if not total then return nil, "the answer has no totalTokens" end
  return tonumber(total)
end

return gemini_to_chat
