--- Google's generateContent answers, read the simplest way that can work. Knows nothing of the gateway's code.
--
-- whole(text) and stream(text) give { text, reasoning, calls = { { id, name, arguments (decoded) } }, finish, usage =
-- { prompt, completion, cached, reasoning }, signatures, blocks (built-in tools' parts), images, sources, error,
-- complete } of the first candidate. said(texts) gives the same of chat chunks, and completion(text) of a chat
-- completion, for comparison.

local cjson = require "cjson"

local gemini = {}

local function new()
  return { text = "", reasoning = "", calls = {}, signatures = {}, blocks = {}, images = {}, sources = {},
           complete = false }
end

local function obj(v) return type(v) == "table" and v or {} end
local function str(v) return type(v) == "string" and v or "" end
local function add(list, value) list[#list + 1] = value end

-- ---- Google's own ----

local function read_part(r, part)
  local built_in = part.executableCode or part.codeExecutionResult or part.toolCall or part.toolResponse
  if part.thoughtSignature then add(r.signatures, part.thoughtSignature) end
  if built_in then
    add(r.blocks, built_in)
  elseif part.functionCall then
    add(r.calls, { id = part.functionCall.id, name = part.functionCall.name,
                   arguments = obj(part.functionCall.args) })
  elseif part.inlineData then
    add(r.images, part.inlineData.mimeType .. " " .. part.inlineData.data)
  elseif part.thought then
    r.reasoning = r.reasoning .. str(part.text)
  else
    r.text = r.text .. str(part.text)
  end
end

-- What an object leaves out holds as it was said before.
local function read_usage(r, u)
  if not (u.promptTokenCount or u.totalTokenCount) then return end
  local before = r.usage or { prompt = 0, completion = 0, cached = 0, reasoning = 0 }
  local thoughts = u.thoughtsTokenCount or before.reasoning
  local said = u.candidatesTokenCount or before.completion - before.reasoning
  r.usage = { prompt = u.promptTokenCount and u.promptTokenCount + (u.toolUsePromptTokenCount or 0) or before.prompt,
              completion = said + thoughts, reasoning = thoughts,
              cached = u.cachedContentTokenCount or before.cached }
end

-- The names of the numbers that are recorded.
local FINISH = { "STOP", "MAX_TOKENS" }

local function read_answer(r, answer)
  if answer.error then
    r.error = answer.error.message
    return
  end
  for _, candidate in ipairs(obj(answer.candidates)) do
    if (candidate.index or 0) == 0 then
      for _, part in ipairs(obj(obj(candidate.content).parts)) do read_part(r, part) end
      for _, chunk in ipairs(obj(obj(candidate.groundingMetadata).groundingChunks)) do
        if chunk.web then r.sources[chunk.web.uri] = true end
      end
      if candidate.finishReason then
        r.finish, r.complete = FINISH[candidate.finishReason] or candidate.finishReason, true
      end
    end
  end
  local block = obj(answer.promptFeedback).blockReason
  if block and not answer.candidates then
    -- Nothing was used, unless it is said.
    r.finish, r.complete, r.usage = block, true, { prompt = 0, completion = 0, cached = 0, reasoning = 0 }
  end
  read_usage(r, obj(answer.usageMetadata))
end

function gemini.whole(text)
  local r = new()
  local ok, answer = pcall(cjson.decode, text)
  if not ok or type(answer) ~= "table" then return r end
  for _, one in ipairs(answer[1] and answer or { answer }) do read_answer(r, one) end
  return r
end

-- The elements of a JSON array that may be cut off: objects that are whole, by counting braces outside of strings.
local function elements(text)
  local list, depth, from, in_string, at = {}, 0, nil, false, 1
  while at <= #text do
    local c = text:sub(at, at)
    if in_string and c == "\\" then
      at = at + 1
    elseif c == '"' then
      in_string = not in_string
    elseif not in_string and c == "{" then
      if depth == 0 then from = at end
      depth = depth + 1
    elseif not in_string and c == "}" then
      depth = depth - 1
      if depth == 0 then add(list, text:sub(from, at)) end
    end
    at = at + 1
  end
  return list
end

--- The JSON texts of a stream: of events, or elements of an array. A text that is cut short is left out.
function gemini.events(text)
  if text:find "^%s*%[" then return elements(text) end
  local list = {}
  for data in (text .. "\n"):gmatch "data: ?([^\r\n]*)\r?\n" do
    if pcall(cjson.decode, data) then add(list, data) end
  end
  return list
end

function gemini.stream(text)
  local r = new()
  for _, data in ipairs(gemini.events(text)) do read_answer(r, cjson.decode(data)) end
  return r
end

-- ---- chat ----

local function read_detail(r, detail)
  if detail.type == "reasoning.server_tool_call" then
    local part = cjson.decode(detail.data)
    add(r.blocks, part.executableCode or part.codeExecutionResult or part.toolCall or part.toolResponse)
    if part.thoughtSignature then add(r.signatures, part.thoughtSignature) end
  elseif detail.type == "reasoning.encrypted" then
    add(r.signatures, detail.data)
  end
end

local function read_message(r, m)
  r.text, r.reasoning = r.text .. str(m.content), r.reasoning .. str(m.reasoning)
  for _, detail in ipairs(obj(m.reasoning_details)) do read_detail(r, detail) end
  for _, call in ipairs(obj(m.tool_calls)) do
    add(r.calls, { id = call.id, name = call["function"].name, arguments = cjson.decode(call["function"].arguments) })
  end
  for _, image in ipairs(obj(m.images)) do
    add(r.images, (image.image_url.url:gsub("^data:([^;]*);base64,", "%1 ")))
  end
  for _, one in ipairs(obj(m.annotations)) do
    if one.type == "url_citation" then r.sources[one.url_citation.url] = true end
  end
end

local function read_chat(r, o)
  if o.error then r.error = o.error.message end
  for _, choice in ipairs(obj(o.choices)) do
    if choice.index == 0 then
      read_message(r, choice.delta or choice.message)
      r.finish = choice.native_finish_reason or r.finish
      r.complete = r.finish ~= nil
      r.reason = choice.finish_reason or r.reason
    end
  end
  local u = obj(o.usage)
  if u.completion_tokens then
    local before = r.usage or { prompt = 0, cached = 0 }
    r.usage = { prompt = u.prompt_tokens or before.prompt, completion = u.completion_tokens,
                cached = obj(u.prompt_tokens_details).cached_tokens or before.cached,
                reasoning = obj(u.completion_tokens_details).reasoning_tokens or 0 }
  end
end

--- @tparam table texts  chat chunks
function gemini.said(texts)
  local r = new()
  for _, text in ipairs(texts) do
    if text ~= "[DONE]" then read_chat(r, cjson.decode(text)) end
  end
  return r
end

function gemini.completion(text) return gemini.said { text } end

return gemini
