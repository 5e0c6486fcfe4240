--- Read what a Gemini said, part by part: candidates of answers, whole or in pieces, and the model's turns in a
-- request.
--
-- What is read goes to a sink (gemini/sinks.lua), strings as the JSON text they were. Where chat has no place for
-- the order of parts, the details of reasoning keep it, in a member `part` that only gemini/contents.lua reads:
--
--     "part":{"at":12}         this part stood behind 12 bytes of text
--     "part":{"text":[12,40]}  this signature is of the part of text that is bytes 12 to 40
--     "part":{"image":0}       this signature is of the first image
--
-- A signature of a thought has the thought's index; one of a call has the call's id. Pure.

local json      = require("tidegate.core").json
local citations = require "tidegate.convert.gemini.citations"
local edit      = require "tidegate.convert.edit"
local places    = require "tidegate.convert.gemini.places"
local signature = require "tidegate.convert.gemini.signature"
local usage     = require "tidegate.convert.gemini.usage"
local words     = require "tidegate.convert.gemini.words"

local reply = { FORMAT = "google-gemini-v1" }

local FORMAT = ',"format":"' .. reply.FORMAT .. '","index":'

--- Members that stay JSON text.
reply.KEEP = { text = true, args = true, data = true, thoughtSignature = true, groundingMetadata = true,
  citationMetadata = true, urlContextMetadata = true, logprobsResult = true, usageMetadata = true, error = true,
  safetyRatings = true }

-- Objects of an answer that was written for the eye, on one line: in a frame of a stream there is no other. Line
-- ends inside of strings are escaped.
local function line(raw) return (tostring(raw):gsub("[\r\n]%s*", "")) end

-- What should be an object or a list and is not says nothing.
local function object(value)
  return type(value) == "table" and not json.is_raw(value) and value or {}
end

-- JSON text of a string, or nil.
local function string_of(raw)
  local text = raw and tostring(raw)
  return text and text:byte(1) == 34 and text or nil
end

-- ---- one turn ----

local turn = {}
turn.__index = turn

--- @tparam table sink
-- @tparam number choice
function reply.turn(sink, choice)
  return setmetatable({ sink = sink, choice = choice, map = places.new(), details = 0, calls = 0, images = 0 }, turn)
end

local function next_index(self)
  self.details = self.details + 1
  return self.details - 1
end

-- `,"part":{...}`, or nothing where the part stood at the beginning.
local function at_text(self)
  return self.map.bytes > 0 and ',"part":{"at":' .. self.map.bytes .. "}" or ""
end

-- Google's own signature, or nil. Of a bundle the details that are in it go to the sink.
local function own(self, raw)
  local text = raw and json.decode(raw) or ""
  if text == "" or signature.is_dummy(text) then return nil end
  local bundle = signature.unbundle(text)
  if not bundle then return raw end
  self.sink:bundle(self.choice, bundle)
end

-- A signature as a detail with these further members.
local function sign(self, raw, index, more)
  self.sink:detail(self.choice, '{"type":"reasoning.encrypted","data":' .. raw .. FORMAT
    .. (index or next_index(self)) .. more .. "}")
end

-- Thoughts that follow one another are one, until a signature ends it.
local function think(self, raw, signed)
  if raw == '""' and not signed then return end
  self.thought = self.thought or next_index(self)
  self.sink:thought(self.choice, raw, { index = self.thought,
    head = '{"type":"reasoning.text","text":', tail = FORMAT .. self.thought .. at_text(self) .. "}" })
  if signed then
    sign(self, signed, self.thought, at_text(self))
    self.thought = nil
  end
end

local function say(self, raw, signed)
  local from = self.map.bytes
  self.thought = nil
  self.map:add(raw)
  if raw ~= '""' then self.sink:text(self.choice, raw) end
  if signed then sign(self, signed, nil, (',"part":{"text":[%d,%d]}'):format(from, self.map.bytes)) end
end

-- An id for a signature to name, where the call has none: the signature itself is like no other.
local function id_from(signed) return '"call_' .. signed:gsub("%W", ""):sub(-24) .. '"' end

local function call(self, f, signed)
  local id = type(f.id) == "string" and f.id ~= "" and json.encode(f.id) or signed and id_from(signed)
  if signed then sign(self, signed, nil, ',"id":' .. id) end
  self.sink:call(self.choice, self.calls, id, tostring(f.name or ""), f.args and line(f.args) or "{}")
  self.calls, self.thought = self.calls + 1, nil
end

-- A part that only its maker understands: code that was run, a built-in tool's call, what is yet to be invented.
local function keep(self, raw)
  self.thought = nil
  if not (raw and edit.says(raw)) then return end
  self.sink:detail(self.choice, '{"type":"reasoning.server_tool_call","data":' .. json.encode(raw) .. FORMAT
    .. next_index(self) .. at_text(self) .. "}")
end

local AUDIO = { L16 = "pcm16", mpeg = "mp3", mp3 = "mp3" }

-- Media, where chat has a place for it.
local function show(self, part, signed)
  local inline, file = object(part.inlineData), object(part.fileData)
  local mime = tostring(inline.mimeType or file.mimeType or "")
  local data, address = string_of(inline.data), file.fileUri
  if part.thought then return false end
  if mime:find "^image/" and (data or type(address) == "string") then
    local url = data and json.encode("data:" .. mime .. ";base64,"):sub(1, -2) .. data:sub(2) or json.encode(address)
    self.sink:image(self.choice, '{"type":"image_url","image_url":{"url":' .. url .. "}}")
    if signed then sign(self, signed, nil, ',"part":{"image":' .. self.images .. "}") end
    self.images = self.images + 1
    return true
  elseif mime:find "^audio/%w" and data and not signed then
    local kind = mime:match "^audio/([%w%-%.%+]+)"
    return self.sink:audio(self.choice, '{"data":' .. data .. ',"format":'
      .. json.encode(AUDIO[kind] or kind) .. ',"mime_type":' .. json.encode(mime) .. "}")
  end
  return false
end

--- Read one part.
-- @tparam table part  read with reply.KEEP
-- @tparam function raw  gives its JSON text; called only where that is wanted
function turn:part(part, raw)
  local signed, text = own(self, string_of(part.thoughtSignature)), string_of(part.text)
  if type(part.functionCall) == "table" then
    call(self, part.functionCall, signed)
  elseif text and part.thought then
    think(self, text, signed)
  elseif text then
    say(self, text, signed)
  elseif not ((part.inlineData or part.fileData) and show(self, part, signed)) then
    keep(self, raw())
  end
end

-- ---- one candidate ----

-- Members with a place of their own; what else a finished candidate says is told under `native_details`.
local PLACED = { content = true, index = true, finishReason = true, groundingMetadata = true, citationMetadata = true,
                 urlContextMetadata = true, logprobsResult = true }

local function rest_of(candidate)
  local rest = {}
  for name, value in pairs(candidate) do
    if not PLACED[name] then rest[name] = json.is_raw(value) and json.raw(line(value)) or value end
  end
  return next(rest) and json.encode(rest) or nil
end

local CITED = { groundingMetadata = citations.of_grounding, citationMetadata = citations.of_citations,
                urlContextMetadata = citations.of_urls }

-- A stream may repeat them, and has an empty one in every event.
local function cite(self, name, raw)
  if raw == "{}" or raw == self[name] then return end
  self[name] = raw
  local items = CITED[name](raw, self.map)
  if items then self.sink:annotations(self.choice, items) end
end

local function score_of(one, others)
  return json.ordered({ token = one.token or "", logprob = one.logProbability or 0, bytes = json.null,
    top_logprobs = others }, { "token", "logprob", "bytes", "top_logprobs" })
end

local function scores_of(raw)
  local result, out = object(json.read(raw)), json.array {}
  local top = object(result.topCandidates)
  for i, one in ipairs(object(result.chosenCandidates)) do
    local others = json.array {}
    for j, other in ipairs(object(object(top[i]).candidates)) do others[j] = score_of(object(other)) end
    out[i] = score_of(object(one), others)
  end
  return json.encode { content = out }
end

-- Enumerations are names or numbers.
local NAMES = { string = true, number = true }

--- Read one candidate, or the next piece of it.
-- @tparam function raw_part  gives the JSON text of its part with this place
function turn:candidate(candidate, wire, raw_part)
  for i, part in ipairs(object(object(candidate.content).parts)) do
    self:part(object(part), function() return raw_part(i - 1) end)
  end
  for name in pairs(CITED) do
    if candidate[name] then cite(self, name, line(candidate[name])) end
  end
  if candidate.logprobsResult then self.sink:logprobs(self.choice, scores_of(tostring(candidate.logprobsResult))) end
  if NAMES[type(candidate.finishReason)] then
    local name = words.finish_name(candidate.finishReason, wire)
    local reason = words.meaning(name, self.calls > 0)
    if reason == "content_filter" and candidate.finishMessage then
      self.sink:refusal(self.choice, json.encode(candidate.finishMessage))
    end
    self.sink:finish(self.choice, reason, name, rest_of(candidate))
  end
end

-- ---- an answer ----

-- A prompt that was refused has no candidates: an empty answer that a filter ended. "OTHER" would be an accident of
-- a candidate's; here it is told among the details only. Nothing was used, unless the event says so.
local function block(sink, feedback, wire)
  local name = words.block_name(feedback.blockReason, wire)
  if feedback.blockReasonMessage then sink:refusal(0, json.encode(feedback.blockReasonMessage)) end
  sink:finish(0, "content_filter", name ~= "OTHER" and name or nil,
    line(json.encode { promptFeedback = feedback }))
  sink:usage '{"prompt_tokens":0,"completion_tokens":0,"total_tokens":0}'
end

-- A number is a place in the answer, or says nothing.
local function choice_of(candidate, place)
  local index = candidate.index
  return type(index) == "number" and index >= 0 and index % 1 == 0 and index or place
end

local function read_event(self, data)
  local event = json.read(data, reply.KEEP)
  if type(event) ~= "table" then return nil, "malformed" end
  if json.is_array(event) then
    for _, element in ipairs(json.elements(data)) do
      local ok, why = read_event(self, tostring(element))
      if not ok then return nil, why end
    end
    return true
  end
  if event.error then
    self.sink:error(line(event.error))
    return true
  end
  for i, candidate in ipairs(object(event.candidates)) do
    candidate = object(candidate)
    local choice = choice_of(candidate, i - 1)
    self.turns[choice] = self.turns[choice] or reply.turn(self.sink, choice)
    self.turns[choice]:candidate(candidate, self.wire, function(place)
      return (json.pick(data, "candidates." .. (i - 1) .. ".content.parts." .. place))
    end)
  end
  local feedback = object(event.promptFeedback)
  if NAMES[type(feedback.blockReason)] and not next(self.turns) then block(self.sink, feedback, self.wire) end
  local counts = event.usageMetadata and tostring(event.usageMetadata)
  if counts and counts ~= self.counts then
    self.counts = counts
    local told, tier = usage.to_chat(counts, self.said)
    if told then self.sink:usage(told, tier) end
  end
  return true
end

--- @tparam table sink
-- @tparam string wire  "gemini" or "vertex"
-- @treturn function  read(data): one GenerateContentResponse, or an array of them; true, or nil and "malformed"
function reply.reader(sink, wire)
  local self = { sink = sink, wire = wire, turns = {}, said = {} }
  return function(data) return read_event(self, data) end
end

return reply
