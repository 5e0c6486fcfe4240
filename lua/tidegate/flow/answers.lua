--- What the gateway answers, as a program wants it: one answer, put together from its pieces.
--
--     local a = answers.new(true)                   a stream is wanted
--     a:head(200, "Content-Type: text/event-stream\r\n")
--     a:bytes("data: {...}\n\n", on_delta)
--     local result, err = a:finish(true)
--
-- Reads what our own engine writes, so it knows one dialect. Pure but for core.json.

local core     = require "tidegate.core"
local error_of = require "tidegate.base.error"

local answers = {}

local answer_mt = {}
answer_mt.__index = answer_mt

function answers.new(is_stream)
  return setmetatable({ wants_stream = is_stream, pieces = {}, texts = {}, rest = "" }, answer_mt)
end

function answer_mt:head(status, fields)
  self.status = status
  self.is_stream = self.wants_stream and fields:find("text/event-stream", 1, true) ~= nil
end

-- ---- errors ----

-- Everybody who failed, the last one too.
local function attempts_of(err)
  local metadata, attempts = err.metadata or {}, {}
  for i, previous in ipairs(metadata.previous_errors or {}) do
    attempts[i] = { provider = previous.provider_name or previous.provider, code = previous.code,
                    status = previous.status }
  end
  if metadata.provider_name then
    attempts[#attempts + 1] = { provider = metadata.provider_name, code = metadata.error_type,
                                status = err.http_status }
  end
  return attempts
end

local function error_in(body, status)
  local err = type(body) == "table" and type(body.error) == "table" and body.error
  if not err then return error_of("broken", ("the answer of status %d is not readable"):format(status)) end
  return error_of(err.error_type or "server", err.message or "", {
    status = err.http_status or status, attempts = attempts_of(err), body = body,
  })
end

--- A delta that says nothing, and that there will be no more.
function answers.failed(err)
  return { text = "", error = err }
end

-- ---- streams ----

local function string_or(value, otherwise)
  return type(value) == "string" and value or otherwise
end

local function table_or_nil(value)
  return type(value) == "table" and value or nil
end

-- One chunk, with the fields that are asked for most.
local function delta_of(chunk)
  local choice = table_or_nil(chunk.choices) and table_or_nil(chunk.choices[1]) or {}
  local delta = table_or_nil(choice.delta) or {}
  return {
    text = string_or(delta.content, string_or(choice.text, "")), reasoning = string_or(delta.reasoning, nil),
    tool_calls = table_or_nil(delta.tool_calls), finish_reason = string_or(choice.finish_reason, nil),
    usage = table_or_nil(chunk.usage), raw = chunk,
  }
end

-- The pieces of one tool call are one call.
local function add_tool_calls(calls, pieces)
  for _, piece in ipairs(pieces) do
    local at = (piece.index or 0) + 1
    local fn = piece["function"] or {}
    calls[at] = calls[at] or { id = piece.id, type = "function", ["function"] = { name = "", arguments = "" } }
    local whole = calls[at]["function"]
    whole.name = whole.name .. string_or(fn.name, "")
    whole.arguments = whole.arguments .. string_or(fn.arguments, "")
  end
  return calls
end

function answer_mt:add(delta)
  local last = self.last or { id = delta.raw.id, model = delta.raw.model, provider = delta.raw.provider }
  self.last = last
  self.texts[#self.texts + 1] = delta.text
  last.finish_reason = delta.finish_reason or last.finish_reason
  last.usage = delta.usage or last.usage
  if delta.tool_calls then last.tool_calls = add_tool_calls(last.tool_calls or {}, delta.tool_calls) end
end

function answer_mt:event(data, on_delta)
  if data == "[DONE]" then
    self.is_done = true
    return
  end
  local chunk = core.json.decode(data)
  if type(chunk) ~= "table" then
    self.err = self.err or error_of("broken", "a piece of the stream is not JSON")
  elseif table_or_nil(chunk.error) then
    self.err = error_in(chunk, self.status)
  else
    local delta = delta_of(chunk)
    self:add(delta)
    on_delta(delta)
  end
end

--- Take a piece of the body; of a stream, each whole event goes to on_delta.
function answer_mt:bytes(text, on_delta)
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
    if data then self:event(data, on_delta) end
  end
  self.rest = text:sub(from)
end

-- ---- the end ----

local function finish_stream(self)
  if not self.err and not self.is_done then
    self.err = error_of("broken", "the stream broke off", { status = self.status })
  end
  local result = self.last or {}
  result.text = table.concat(self.texts)
  if not self.err then return result end
  self.err.partial = result
  return nil, self.err
end

local function text_of(body)
  local choice = table_or_nil(body.choices) and table_or_nil(body.choices[1])
  local message = choice and table_or_nil(choice.message)
  return message and string_or(message.content, "") or choice and string_or(choice.text, "") or ""
end

--- The answer is over.
-- @tparam bool is_whole
-- @treturn ?table  the answer as it came, decoded, and its `text`; of a stream what its pieces make:
--   id, model, provider, text, tool_calls, finish_reason, usage
-- @treturn ?error  `partial` has what came of a stream until then
function answer_mt:finish(is_whole)
  if not self.status or not is_whole then
    self.err = self.err or error_of("broken", "the answer broke off", { status = self.status })
  end
  if self.is_stream then return finish_stream(self) end
  if self.err then return nil, self.err end
  local body = core.json.decode(table.concat(self.pieces))
  if self.status >= 300 or type(body) ~= "table" then return nil, error_in(body, self.status) end
  body.text = text_of(body)
  return body
end

return answers
