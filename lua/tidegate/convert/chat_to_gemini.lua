--- Chat as Google's generateContent, on Google AI and on Vertex: what providers are asked, and what clients get.
--
-- docs/wires/gemini.md says what becomes of what. Pure.

local json       = require("tidegate.core").json
local answers    = require "tidegate.convert.gemini.answers"
local chat       = require "tidegate.convert.chat"
local config     = require "tidegate.convert.gemini.config"
local contents   = require "tidegate.convert.gemini.contents"
local embedded   = require "tidegate.convert.gemini.embedded"
local embeddings = require "tidegate.convert.gemini.embeddings"
local tools      = require "tidegate.convert.gemini.tools"
local words      = require "tidegate.convert.gemini.words"

local chat_to_gemini = { from = "chat", to = "gemini" }

-- Members of Google's request that chat has no name for, as gemini_to_chat.lua carries them.
local OTHERS = { safety_settings = "safetySettings", cached_content = "cachedContent", labels = "labels",
                 model_armor_config = "modelArmorConfig", store = "store", continuation_token = "continuationToken" }

local CARRIED = chat.carried { "service_tier" }
for _, names in ipairs { config.CARRIED, tools.CARRIED } do
  for _, name in ipairs(names) do CARRIED[name] = true end
end
for name in pairs(OTHERS) do CARRIED[name] = true end

local ORDER = { "systemInstruction", "contents", "tools", "toolConfig", "generationConfig", "safetySettings",
  "cachedContent", "labels", "serviceTier", "modelArmorConfig", "store", "continuationToken" }

-- ---- requests ----

-- Google's request as a table, and the set of what was lost; or nil and a sentence.
local function made_of(text, about)
  local body, why = chat.read(text)
  if not body then return nil, why end
  local out, lost = {}, {}
  out.contents, out.systemInstruction =
    contents.write(body.messages or {}, { wire = about.wire, model = about.model, lost = lost })
  if not out.contents then return nil, "messages must have something to say" end
  out.tools, out.toolConfig = tools.to_gemini(body, text, lost)
  out.generationConfig = config.to_gemini(body, about.model)
  out.serviceTier = words.tier_of(body.service_tier)
  for ours, theirs in pairs(OTHERS) do out[theirs] = body[ours] end
  for _, name in ipairs(chat.lost(body, CARRIED)) do
    if not (name == "parallel_tool_calls" and body.parallel_tool_calls) then lost[name] = true end
  end
  return json.ordered(out, ORDER), chat.sorted(lost)
end

--- @tparam string text  a chat request
-- @tparam table about  { wire: "gemini" or "vertex", model: Google's name }
-- @treturn ?string  a generateContent request; or nil and a sentence
-- @treturn table  what was lost
function chat_to_gemini.request(text, about)
  local made, lost = made_of(text, about)
  if not made then return nil, lost end
  return json.encode(made), lost
end

--- A request to count the tokens of a chat request: Google AI wants it whole inside, Vertex some members of it.
function chat_to_gemini.count(text, about)
  local made, lost = made_of(text, about)
  if not made then return nil, lost end
  if about.wire == "vertex" then
    return json.encode(json.ordered(made, { "systemInstruction", "contents", "tools", "generationConfig" }))
  end
  made.model = "models/" .. tostring(about.model):gsub("^models/", "")
  local order = { "model" }
  for _, name in ipairs(ORDER) do order[#order + 1] = name end
  return json.encode { generateContentRequest = json.ordered(made, order) }
end

chat_to_gemini.embeddings = embeddings.request

-- ---- answers, for clients ----

chat_to_gemini.answer = answers.whole
chat_to_gemini.stream = answers.stream
chat_to_gemini.error  = answers.error
chat_to_gemini.embeddings_answer = embedded.answer

--- @tparam number tokens
function chat_to_gemini.count_answer(tokens)
  return json.encode { totalTokens = tokens }
end

return chat_to_gemini
