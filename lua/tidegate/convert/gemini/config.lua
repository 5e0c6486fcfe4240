--- Chat's parameters and Google's generationConfig, both ways. Pure.

local json   = require("tidegate.core").json
local chat   = require "tidegate.convert.chat"
local schema = require "tidegate.convert.gemini.schema"
local words  = require "tidegate.convert.gemini.words"

local config = {}

-- The same thing under two names.
local SAME = {
  temperature = "temperature", top_p = "topP", top_k = "topK", n = "candidateCount", seed = "seed",
  presence_penalty = "presencePenalty", frequency_penalty = "frequencyPenalty", logprobs = "responseLogprobs",
  top_logprobs = "logprobs",
}

--- Chat's members that to_gemini() takes care of.
config.CARRIED = { "temperature", "top_p", "top_k", "n", "seed", "presence_penalty", "frequency_penalty", "logprobs",
  "top_logprobs", "max_tokens", "max_completion_tokens", "stop", "response_format", "structured_outputs", "modalities",
  "audio", "image_config", "reasoning", "reasoning_effort", "generation_config" }

-- ---- thinking ----

local LEVELS = { max = "HIGH", xhigh = "HIGH", high = "HIGH", medium = "MEDIUM", low = "LOW", minimal = "MINIMAL" }

-- The Pro models cannot do without; the first of generation 3 knows two levels only.
local function level_of(effort, model)
  local is_pro = model:find("-pro", 1, true)
  if effort == "none" then return is_pro and "LOW" or "MINIMAL" end
  if is_pro and effort == "minimal" then return "LOW" end
  if effort == "medium" and model:find "gemini%-3%-pro" then return "HIGH" end
  return LEVELS[effort] or "MEDIUM"
end

-- Budgets of generation 2.5: the smallest and the largest.
local function range_of(model)
  if model:find("-pro", 1, true) then return 128, 32768 end
  return model:find("flash-lite", 1, true) and 512 or 1, 24576
end

local function thinking_of(body, model)
  local asked = chat.reasoning(body)
  if not asked then
    return body.include_reasoning ~= nil and { includeThoughts = body.include_reasoning } or nil
  end
  local has_levels = words.generation(model) >= 3
  if asked.off then
    if has_levels then return { thinkingLevel = level_of("none", model) } end
    return { thinkingBudget = model:find("-pro", 1, true) and range_of(model) or 0 }
  end
  local out = { includeThoughts = not asked.exclude }
  if has_levels and asked.max_tokens then
    out.thinkingBudget = asked.max_tokens
  elseif has_levels and asked.effort then
    out.thinkingLevel = level_of(asked.effort, model)
  elseif asked.max_tokens or asked.effort then
    local least, most = range_of(model)
    out.thinkingBudget = math.min(chat.budget(asked, chat.max_tokens(body) or most, least), most)
  end
  return out
end

-- `exclude` says what Google does unless told otherwise.
local function reasoning_of(thinking)
  local budget, level = thinking.thinkingBudget, thinking.thinkingLevel
  local out = { exclude = not thinking.includeThoughts or nil }
  if budget == 0 then return { effort = "none" } end
  if budget == -1 then out.enabled = true end
  if budget and budget > 0 then out.max_tokens = budget end
  if level and not budget then out.effort = tostring(level):lower() end
  return out
end

-- ---- the form of the answer ----

local function form_of(body, out)
  local kind, wanted = chat.format(body)
  if kind == "json_object" or kind == "json_schema" then out.responseMimeType = "application/json" end
  if kind == "json_schema" and type(wanted) == "table" then out.responseJsonSchema = wanted.schema end
end

-- An empty sequence is refused.
local function stops_of(body)
  local out = json.array {}
  for _, sequence in ipairs(chat.stop(body) or {}) do
    if sequence ~= "" then out[#out + 1] = sequence end
  end
  return out[1] and out or nil
end

local function upper(list)
  if type(list) ~= "table" then return nil end
  local out = json.array {}
  for i, word in ipairs(list) do out[i] = tostring(word):upper() end
  return out
end

local function voice_of(audio)
  local name = type(audio) == "table" and audio.voice
  if type(name) ~= "string" then return nil end
  return { voiceConfig = { prebuiltVoiceConfig = { voiceName = name } } }
end

local function renamed(object, rename)
  if type(object) ~= "table" or json.is_array(object) then return nil end
  local out = {}
  for name, value in pairs(object) do out[rename(name)] = value end
  return out
end

-- ---- to Google ----

--- @tparam table body  a chat request
-- @tparam string model  Google's name
-- @treturn ?table  generationConfig; nil when nothing is asked for
function config.to_gemini(body, model)
  local out = {}
  for ours, theirs in pairs(SAME) do out[theirs] = body[ours] end
  if body.top_k == 0 then out.topK = nil end             -- all of them, which Google has no number for
  out.maxOutputTokens = chat.max_tokens(body)
  out.stopSequences = stops_of(body)
  out.responseModalities = upper(body.modalities)
  out.imageConfig = renamed(body.image_config, words.camel)
  out.speechConfig = voice_of(body.audio)
  out.thinkingConfig = thinking_of(body, tostring(model))
  form_of(body, out)
  -- What has no place in chat came along as it was.
  for name, value in pairs(renamed(body.generation_config, words.camel) or {}) do out[name] = value end
  return next(out) and out or nil
end

-- ---- to chat ----

local KINDS = { ["application/json"] = true, ["text/plain"] = true }

local function format_of(given, left)
  local mime = given.responseMimeType
  local wanted = given.responseJsonSchema or given.responseSchema
  if mime ~= nil and not KINDS[mime] then
    left.responseMimeType, left.responseSchema = mime, given.responseSchema
    return nil
  end
  if wanted then
    local text = given.responseJsonSchema and tostring(wanted) or schema.to_json(tostring(wanted))
    return { type = "json_schema", json_schema = { name = "response", schema = json.raw(text) } }
  end
  return mime == "application/json" and { type = "json_object" } or nil
end

local function audio_of(speech)
  local voice = speech.voiceConfig and speech.voiceConfig.prebuiltVoiceConfig
  local is_all = voice and voice.voiceName and not speech.languageCode and not speech.multiSpeakerVoiceConfig
  return is_all and { voice = voice.voiceName, format = "pcm16" } or nil
end

local function lower(list)
  local out = json.array {}
  for i, word in ipairs(list) do out[i] = tostring(word):lower() end
  return out
end

local READ = { maxOutputTokens = true, stopSequences = true, responseModalities = true, imageConfig = true,
               speechConfig = true, thinkingConfig = true, responseMimeType = true, responseSchema = true,
               responseJsonSchema = true }

--- Set a chat request's members from a generationConfig with names in camel case and schemas as json.raw. What
-- chat knows no name for goes under `generation_config`.
function config.to_chat(given, body)
  local left = {}
  for ours, theirs in pairs(SAME) do body[ours] = given[theirs] end
  body.max_tokens = given.maxOutputTokens
  body.stop = given.stopSequences
  body.modalities = given.responseModalities and lower(given.responseModalities)
  body.image_config = renamed(given.imageConfig, words.snake)
  if given.speechConfig then
    body.audio = audio_of(given.speechConfig)
    left.speechConfig = not body.audio and given.speechConfig or nil
  end
  if given.thinkingConfig then
    body.reasoning = reasoning_of(given.thinkingConfig)
    if given.thinkingConfig.thinkingBudget == -1 then left.thinkingConfig = given.thinkingConfig end
  end
  body.response_format = format_of(given, left)
  local known = {}
  for _, theirs in pairs(SAME) do known[theirs] = true end
  for name, value in pairs(given) do
    if not known[name] and not READ[name] then left[name] = value end
  end
  body.generation_config = next(left) and left or nil
end

return config
