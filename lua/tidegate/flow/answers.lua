--- What the gateway answers, as a program wants it: one answer, put together from its pieces.
--
--     local a = answers.new(true)                   a stream is wanted
--     a:head(200, "Content-Type: text/event-stream\r\n")
--     a:bytes("data: {...}\n\n", deltas)            what it brought is added to the list
--     local result, err = a:finish(true)
--
-- Reads what our own engine writes, so it knows one dialect. Pure but for core.json.

local core     = require "tidegate.core"
local error_of = require "tidegate.base.error"

local answers = {}

local answer_mt = {}
answer_mt.__index = answer_mt

function answers.new(is_stream)
  return setmetatable({ wants_stream = is_stream, pieces = {}, texts = {}, reasoning = {}, rest = "" }, answer_mt)
end

function answer_mt:head(status, fields)
  self.status = status
  self.is_stream = self.wants_stream and fields:find("text/event-stream", 1, true) ~= nil
end

local function string_or(value, otherwise)
  return type(value) == "string" and value or otherwise
end

local function table_or_nil(value)
  return type(value) == "table" and value or nil
end

-- ---- errors ----

-- Everybody who failed, the last one too.
local function attempts_of(err)
  local metadata, attempts = table_or_nil(err.metadata) or {}, {}
  for i, previous in ipairs(table_or_nil(metadata.previous_errors) or {}) do
    attempts[i] = { provider = previous.provider, code = previous.code, status = previous.status }
  end
  if metadata.provider_name then
    attempts[#attempts + 1] = { provider = metadata.provider_name, code = metadata.error_type,
                                status = err.http_status }
  end
  return attempts
end

local function error_in(self, body)
  local err = table_or_nil(body) and table_or_nil(body.error)
  if not err then
    return error_of("broken", ("the answer of status %d is not readable"):format(self.status), { status = self.status })
  end
  return error_of(string_or(err.error_type, "server"), string_or(err.message, ""), {
    status = err.http_status or self.status, attempts = attempts_of(err), body = body,
    retry_after = table_or_nil(err.metadata) and err.metadata.retry_after_seconds,
  })
end

local function broken(self, words)
  return error_of("broken", words, { status = self.status, attempts = {} })
end

--- A delta that says nothing, and that there will be no more.
function answers.failed(err)
  return { text = "", error = err }
end

-- ---- streams ----

-- One chunk, with the fields that are asked for most.
local function delta_of(chunk)
  local choice = table_or_nil(chunk.choices) and table_or_nil(chunk.choices[1]) or {}
  local delta = table_or_nil(choice.delta) or {}
  return {
    text = string_or(delta.content, string_or(choice.text, "")), reasoning = string_or(delta.reasoning, nil),
    tool_calls = table_or_nil(delta.tool_calls), finish_reason = string_or(choice.finish_reason, nil),
    usage = table_or_nil(chunk.usage), index = choice.index or 0, raw = chunk,
  }
end

-- The pieces of one tool call are one call.
local function add_tool_calls(calls, pieces)
  for _, piece in ipairs(pieces) do
    local at = (piece.index or 0) + 1
    local fn = table_or_nil(piece["function"]) or {}
    calls[at] = calls[at] or { id = piece.id, type = "function", ["function"] = { name = "", arguments = {} } }
    local whole = calls[at]["function"]
    whole.name = whole.name .. string_or(fn.name, "")
    whole.arguments[#whole.arguments + 1] = string_or(fn.arguments, nil)
  end
  return calls
end

-- Of several choices the first one is put together.
local function add(self, delta)
  local last = self.last or { id = delta.raw.id, model = delta.raw.model, provider = delta.raw.provider }
  self.last = last
  last.usage = delta.usage or last.usage
  if delta.index ~= 0 then return end
  self.texts[#self.texts + 1] = delta.text
  self.reasoning[#self.reasoning + 1] = delta.reasoning
  last.finish_reason = delta.finish_reason or last.finish_reason
  if delta.tool_calls then last.tool_calls = add_tool_calls(last.tool_calls or {}, delta.tool_calls) end
end

local function take_event(self, data, deltas)
  if data == "[DONE]" then
    self.is_done = true
    return
  end
  local chunk = core.json.decode(data)
  if type(chunk) ~= "table" then
    self.err = self.err or broken(self, "a piece of the stream is not JSON")
  elseif table_or_nil(chunk.error) then
    self.err = error_in(self, chunk)
  else
    local delta = delta_of(chunk)
    add(self, delta)
    deltas[#deltas + 1] = delta
  end
end

--- Take a piece of the body.
-- @tparam string text
-- @tparam table deltas  gets a delta for each event of a stream that became whole
function answer_mt:bytes(text, deltas)
  if not self.is_stream then
    self.pieces[#self.pieces + 1] = text
    return
  end
  text = self.rest .. text
  local from = 1
  while true do
    local first, last = text:find("\n\n", from, true)
    if not first then break end
    local data = text:sub(from, first - 1):match "^data: (.*)$"
    from = last + 1
    if data then take_event(self, data, deltas) end
  end
  self.rest = text:sub(from)
end

-- ---- the end ----

local function finish_stream(self)
  if not self.err and not self.is_done then self.err = broken(self, "the stream broke off") end
  local result = self.last or {}
  result.text = table.concat(self.texts)
  result.reasoning = self.reasoning[1] and table.concat(self.reasoning) or nil
  for _, call in pairs(result.tool_calls or {}) do
    call["function"].arguments = table.concat(call["function"].arguments)
  end
  if not self.err then return result end
  self.err.partial = result
  return nil, self.err
end

-- What most want of a whole answer, where a stream's result has it.
local function with_shortcuts(body)
  local choice = table_or_nil(body.choices) and table_or_nil(body.choices[1]) or {}
  local message = table_or_nil(choice.message) or {}
  body.text = string_or(message.content, string_or(choice.text, ""))
  body.reasoning = string_or(message.reasoning, nil)
  body.tool_calls = table_or_nil(message.tool_calls)
  body.finish_reason = string_or(choice.finish_reason, nil)
  return body
end

--- The answer is over.
-- @tparam bool is_whole
-- @treturn ?table  `text`, `reasoning`, `tool_calls`, `finish_reason`, `usage`, `id`, `model`, `provider`;
--   of a whole answer all else that it has, too
-- @treturn ?error  `partial` has what came of a stream until then
function answer_mt:finish(is_whole)
  if not self.status or not is_whole then self.err = self.err or broken(self, "the answer broke off") end
  if self.is_stream then return finish_stream(self) end
  if self.err then return nil, self.err end
  local body = core.json.decode(table.concat(self.pieces))
  if self.status >= 300 or type(body) ~= "table" then return nil, error_in(self, body) end
  return with_shortcuts(body)
end

return answers
