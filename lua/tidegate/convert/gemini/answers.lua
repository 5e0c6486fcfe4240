--- What a client that speaks Gemini gets: chat completions and chunks as GenerateContentResponses.
--
-- A function's call is one part, so calls wait until their arguments are whole and come at the end. Signatures of
-- other providers go in one bundle onto the first call, or onto the last piece of text: the two places from which
-- clients of Google's are made to send them back (gemini/signature.lua). Pure.

local json      = require("tidegate.core").json
local chat      = require "tidegate.convert.chat"
local citations = require "tidegate.convert.gemini.citations"
local contents  = require "tidegate.convert.gemini.contents"
local parts     = require "tidegate.convert.gemini.parts"
local places    = require "tidegate.convert.gemini.places"
local signature = require "tidegate.convert.gemini.signature"
local usage     = require "tidegate.convert.gemini.usage"
local words     = require "tidegate.convert.gemini.words"

local answers = {}

local GOOGLE = "google-gemini-v1"

-- Members that stay JSON text.
local KEEP = { content = true, reasoning = true, refusal = true, arguments = true, usage = true, error = true,
               citation = true, openrouter_metadata = true }

-- ---- errors ----

-- As the core writes an error for which nothing was sent yet (csrc/wire/fault_shapes.c).
local function details_of(told)
  local metadata = type(told.metadata) == "table" and told.metadata or {}
  local kind = told.error_type or metadata.error_type
  local seconds = tonumber(metadata.retry_after_seconds_raw)
  return json.array {
    json.ordered({ ["@type"] = "type.googleapis.com/google.rpc.ErrorInfo", reason = kind and tostring(kind):upper(),
                   domain = "tidegate" }, { "@type", "reason", "domain" }),
    seconds and seconds > 0 and json.ordered({
      ["@type"] = "type.googleapis.com/google.rpc.RetryInfo", retryDelay = ("%.3fs"):format(seconds),
    }, { "@type", "retryDelay" }) or nil,
  }
end

--- An error of the contract as Google tells it.
-- @tparam string raw  JSON text of the `error` object
-- @treturn string  {"error":{...}}
function answers.error(raw)
  local told = json.read(raw)
  if type(told) ~= "table" then told = { message = tostring(told) } end
  local code = tonumber(told.code) or 500
  return json.encode { error = json.ordered({
    code = code, message = told.message or "", status = words.status(code), details = details_of(told),
  }, { "code", "message", "status", "details" }) }
end

-- ---- candidates ----

-- JSON text of an object with these members; those without a value are left out.
local function object(list)
  local out = {}
  for _, pair in ipairs(list) do
    if pair[2] then out[#out + 1] = '"' .. pair[1] .. '":' .. pair[2] end
  end
  return "{" .. table.concat(out, ",") .. "}"
end

local function scores_of(logprobs)
  local chosen, top = json.array {}, json.array {}
  local scores = type(logprobs) == "table" and logprobs.content or {}
  for i, one in ipairs(json.is_raw(scores) and json.read(tostring(scores)) or scores) do
    chosen[i] = { token = one.token, logProbability = one.logprob }
    local others = json.array {}
    for j, other in ipairs(one.top_logprobs or {}) do
      others[j] = { token = other.token, logProbability = other.logprob }
    end
    top[i] = { candidates = others }
  end
  return chosen[1] and json.encode { chosenCandidates = chosen, topCandidates = top } or nil
end

-- What a choice of a Gemini's says of itself beside its reason, as members of a candidate.
local function native_members(details)
  local out = {}
  for name, value in pairs(type(details) == "table" and details or {}) do
    if name ~= "promptFeedback" then out[#out + 1] = { name, json.encode(value) } end
  end
  table.sort(out, function(a, b) return a[1] < b[1] end)
  return out
end

-- @tparam table last  of an ended choice: { reason, native, native_details, annotations, map }; nil before
local function candidate(index, texts, logprobs, last)
  local list = { { "content", '{"parts":[' .. table.concat(texts, ",") .. '],"role":"model"}' } }
  if last then
    list[#list + 1] = { "finishReason", json.encode(words.finish_of(last.reason, last.native)) }
    for _, member in ipairs(native_members(last.native_details)) do list[#list + 1] = member end
    local metadata = citations.metadata(last.annotations, last.map)
    for _, name in ipairs(chat.sorted(metadata)) do list[#list + 1] = { name, metadata[name] } end
  end
  list[#list + 1] = { "index", index }
  list[#list + 1] = { "logprobsResult", scores_of(logprobs) }
  return object(list)
end

-- Members of the whole: behind the candidates, in Google's order.
local function response(candidates, about)
  return object {
    { "candidates", candidates[1] and "[" .. table.concat(candidates, ",") .. "]" },
    { "promptFeedback", about.feedback },
    { "usageMetadata", about.usage and usage.to_gemini(json.read(about.usage)) },
    { "modelVersion", about.model and json.encode(about.model) },
    { "responseId", about.id and json.encode(about.id) },
    { "provider", about.usage and about.provider and json.encode(about.provider) },
    { "openrouter_metadata", about.metadata },
  }
end

local function feedback_of(choice)
  local details = choice.native_details
  return type(details) == "table" and details.promptFeedback and json.encode(details.promptFeedback) or nil
end

local function audio_part(audio)
  local mime = audio.mime_type or "audio/" .. (audio.format == "pcm16" and "L16;rate=24000" or audio.format or "wav")
  return { inlineData = { mimeType = mime, data = audio.data } }
end

-- ---- whole answers ----

local function foreign_of(message)
  local out = {}
  for _, detail in ipairs(type(message.reasoning_details) == "table" and message.reasoning_details or {}) do
    if detail.format ~= GOOGLE then out[#out + 1] = detail end
  end
  return out
end

-- Onto the first call without a signature, else onto the last text, else onto an empty one.
local function put_bundle(list, details)
  local bundle = signature.bundle(details)
  if not bundle then return end
  local place
  for _, part in ipairs(list) do
    if not json.is_raw(part) and not part.thoughtSignature and not part.thought then
      if part.functionCall then place = part break end
      if part.text then place = part end
    end
  end
  if not place then
    place = { text = "" }
    list[#list + 1] = place
  end
  place.thoughtSignature = bundle
end

local function message_parts(message)
  local has_thoughts = false
  for _, detail in ipairs(chat.details(message, GOOGLE)) do
    has_thoughts = has_thoughts or detail.type == "reasoning.text"
  end
  local audio = message.audio
  message.audio = nil
  local list = contents.of_assistant(message, { wire = "gemini", lost = {}, names = {}, tells_ids = true })
  if type(message.reasoning) == "string" and message.reasoning ~= "" and not has_thoughts then
    table.insert(list, 1, { text = message.reasoning, thought = true })
  end
  if audio and audio.data then list[#list + 1] = audio_part(audio) end
  put_bundle(list, foreign_of(message))
  return list
end

--- @tparam string text  a chat completion, or an error
-- @treturn string  a GenerateContentResponse, or Google's error
function answers.whole(text)
  local told = json.read(text, { usage = true, error = true, citation = true, openrouter_metadata = true })
  if told.error then return answers.error(tostring(told.error)) end
  local candidates, feedback = {}, nil
  for i, choice in ipairs(told.choices or {}) do
    local message, texts = choice.message or {}, {}
    for j, part in ipairs(message_parts(message)) do texts[j] = json.encode(part) end
    local map = places.new()
    if type(message.content) == "string" then map:add(json.encode(message.content)) end
    candidates[i] = candidate(choice.index or i - 1, texts, choice.logprobs, {
      reason = choice.finish_reason, native = choice.native_finish_reason, native_details = choice.native_details,
      annotations = message.annotations or {}, map = map,
    })
    feedback = feedback or feedback_of(choice)
  end
  return response(candidates, {
    usage = told.usage and tostring(told.usage), model = told.model, id = told.id, provider = told.provider,
    metadata = told.openrouter_metadata and tostring(told.openrouter_metadata), feedback = feedback,
  })
end

-- ---- streams ----

local function choice_at(self, index)
  local it = self.choices[index]
  if not it then
    it = { calls = {}, foreign = {}, signatures = {}, annotations = {}, map = places.new() }
    self.choices[index] = it
    self.order[#self.order + 1] = index
  end
  return it
end

local IN_PIECES = { ["reasoning.text"] = true, ["reasoning.summary"] = true }

-- One more detail of another provider's: pieces of one text are one detail again.
local function collect(list, detail)
  local last = list[#list]
  if not (last and IN_PIECES[detail.type] and last.type == detail.type and last.index == detail.index) then
    list[#list + 1] = detail
    return
  end
  for name, value in pairs(detail) do
    if name == "text" or name == "summary" then value = (last[name] or "") .. value end
    last[name] = value
  end
end

-- A detail: a part that is to be written now, or nil.
local function detail_part(it, detail)
  if detail.format ~= GOOGLE then
    collect(it.foreign, detail)
  elseif detail.type == "reasoning.encrypted" and detail.id then
    it.signatures[detail.id] = detail.data
  elseif detail.type == "reasoning.encrypted" then
    return json.encode { text = "", thoughtSignature = detail.data, thought = it.thought == detail.index or nil }
  elseif detail.type == "reasoning.server_tool_call" and json.check(detail.data or "") then
    return detail.data
  elseif detail.type == "reasoning.text" then
    it.thought = detail.index
  end
end

local function call_pieces(it, list)
  for _, piece in ipairs(list) do
    local index, f = piece.index or #it.calls, piece["function"] or {}
    local call = it.calls[index + 1] or { arguments = {} }
    it.calls[index + 1] = call
    call.id, call.name = call.id or piece.id, call.name or f.name
    if f.arguments then call.arguments[#call.arguments + 1] = tostring(f.arguments):sub(2, -2) end
  end
end

-- The parts of a delta that can be written now.
local function delta_parts(it, delta)
  local out = {}
  local reasoning, content, refusal = delta.reasoning, delta.content, delta.refusal
  if reasoning and tostring(reasoning) ~= '""' then out[1] = '{"text":' .. tostring(reasoning) .. ',"thought":true}' end
  for _, detail in ipairs(delta.reasoning_details or {}) do out[#out + 1] = detail_part(it, detail) end
  if content and tostring(content) ~= '""' then
    it.map:add(tostring(content))
    out[#out + 1] = '{"text":' .. tostring(content) .. "}"
  end
  if refusal and tostring(refusal) ~= '""' then out[#out + 1] = '{"text":' .. tostring(refusal) .. "}" end
  for _, image in ipairs(delta.images or {}) do
    local part = parts.of_media(image, "gemini")
    out[#out + 1] = part and json.encode(part)
  end
  if delta.audio and delta.audio.data then out[#out + 1] = json.encode(audio_part(delta.audio)) end
  for _, one in ipairs(delta.annotations or {}) do it.annotations[#it.annotations + 1] = one end
  if delta.tool_calls then call_pieces(it, delta.tool_calls) end
  return out
end

-- What waited for the end: the calls, and the bundle.
local function last_parts(it)
  local out = {}
  local bundle = signature.bundle(it.foreign)
  for _, call in ipairs(it.calls) do
    local signed = it.signatures[call.id or ""]
    it.signatures[call.id or ""] = nil
    if not signed then signed, bundle = bundle, nil end
    out[#out + 1] = object {
      { "functionCall", object { { "id", call.id and json.encode(call.id) }, { "name", json.encode(call.name or "") },
        { "args", chat.arguments(json.decode('"' .. table.concat(call.arguments) .. '"')) } } },
      { "thoughtSignature", signed and json.encode(signed) },
    }
  end
  if bundle then out[#out + 1] = json.encode { text = "", thoughtSignature = bundle } end
  -- Of no call: some gateways put the id of what they made of it.
  for _, id in ipairs(chat.sorted(it.signatures)) do
    out[#out + 1] = json.encode { text = "", thoughtSignature = it.signatures[id] }
  end
  if not out[1] then out[1] = '{"text":""}' end
  return out
end

-- Arguments may have been written on several lines; a frame's data is one.
local function frame(self, text)
  if text:find("\n", 1, true) or text:find("\r", 1, true) then text = text:gsub("[\r\n]+", " ") end
  self.emit("data: " .. text .. "\r\n\r\n")
end

local function finish(self)
  local candidates = {}
  if not self.order[1] then choice_at(self, 0) end
  table.sort(self.order)
  for i, index in ipairs(self.order) do
    candidates[i] = candidate(index, last_parts(self.choices[index]), nil, self.choices[index])
    self.feedback = self.feedback or feedback_of(self.choices[index])
  end
  frame(self, response(candidates, self))
end

local function read_choice(self, choice)
  local it = choice_at(self, choice.index or 0)
  local texts = delta_parts(it, choice.delta or {})
  it.reason = choice.finish_reason or it.reason
  it.native = choice.native_finish_reason or it.native
  it.native_details = choice.native_details or it.native_details
  local has_scores = type(choice.logprobs) == "table"
  if texts[1] or has_scores then return candidate(choice.index or 0, texts, choice.logprobs) end
end

-- What every frame says behind its candidates.
local function tail_of(model, id)
  local members = response({}, { model = model, id = id })
  return members == "{}" and "}" or "," .. members:sub(2)
end

local function read_chunk(self, data)
  local told = json.read(data, KEEP)
  if type(told) ~= "table" then return end
  if told.error then
    self.is_over = true
    return frame(self, answers.error(tostring(told.error)))
  end
  self.model, self.id, self.provider = self.model or told.model, self.id or told.id, self.provider or told.provider
  self.tail = self.tail or tail_of(self.model, self.id)
  self.usage = told.usage and tostring(told.usage) or self.usage
  self.metadata = told.openrouter_metadata and tostring(told.openrouter_metadata) or self.metadata
  local candidates = {}
  for _, choice in ipairs(told.choices or {}) do candidates[#candidates + 1] = read_choice(self, choice) end
  if candidates[1] then
    frame(self, '{"candidates":[' .. table.concat(candidates, ",") .. "]" .. self.tail)
  end
end

--- @tparam function emit  called with whole frames
-- @treturn function  step(data)
function answers.stream(emit)
  local self = { emit = emit, choices = {}, order = {} }
  return function(data)
    if self.is_over then return end
    if data ~= "[DONE]" then return read_chunk(self, data) end
    self.is_over = true
    finish(self)
  end
end

return answers
