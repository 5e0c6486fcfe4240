--- Asking the engine from a location's own Lua: whole answers, and streams as deltas.

local answers  = require "tidegate.flow.answers"
local error_of = require "tidegate.base.error"
local fields   = require "tidegate.resty.fields"
local http1    = require "tidegate.wire.http1"
local requests = require "tidegate.flow.requests"
local worker   = require "tidegate.resty.worker"

local concat, find, lower = table.concat, string.find, string.lower

local asking = {}

local PATHS = { chat = "/v1/chat/completions", completions = "/v1/completions", embeddings = "/v1/embeddings",
                rerank = "/v1/rerank" }

--- The key of requests that bring none; of the configuration, and known to nobody else.
asking.key = nil

-- Send a request of our own, under our own key unless the caller brings one.
local function ask_ourselves(text, options, level)
  local path = PATHS[options.api or "chat"]
  if not path then error("api: chat, completions, embeddings or rerank expected", level + 1) end
  local out = { "POST ", path, " HTTP/1.1\r\nHost: nginx\r\nContent-Type: application/json\r\n" }
  local has_key = false
  for name, value in pairs(options.headers or {}) do
    if type(name) ~= "string" or type(value) ~= "string" or find(name, "[^%w!#$%%&'*+.^_`|~-]") then
      error("headers: names and values are strings, and fit to be sent", level + 1)
    end
    has_key = has_key or lower(name) == "authorization"
    if not fields.is_left_out(name) then fields.put(out, name, value) end
  end
  if not has_key then fields.put(out, "Authorization", "Bearer " .. asking.key) end
  fields.put(out, "Content-Length", ("%d"):format(#text))
  out[#out + 1] = "\r\n"
  return worker.ask(concat(out), text)
end

-- The reader's fields as answers.lua wants them.
local function lines_of(told)
  local lines = {}
  for i = 1, #told, 2 do lines[#lines + 1] = told[i] .. ": " .. told[i + 1] .. "\r\n" end
  return concat(lines)
end

local function unreachable(why)
  return error_of("connect", "the engine does not answer: " .. tostring(why), { attempts = {} })
end

--- Ask, and wait for the whole answer; the worker serves others meanwhile.
-- @tparam table|string request  a chat request, or its JSON text
-- @tparam ?table options  `headers` (names and values, as a request's would be), `api` ("chat",
--   "completions", "embeddings", "rerank")
-- @treturn ?table  the answer as it came, and its `text`
-- @treturn ?error  code, status, message, attempts
function asking.chat(request, options)
  local text = requests.text(request, false, 2)
  local sock, block = ask_ourselves(text, options or {}, 2)
  if not sock then return nil, unreachable(block) end
  local answer = answers.new(false)
  local is_whole = worker.read(sock, block, http1.reader "POST",
    function(reader) answer:head(reader.status, lines_of(reader.fields)) end,
    function(bytes)
      answer:bytes(type(bytes) == "table" and concat(bytes) or bytes, {})
      return true
    end)
  return answer:finish(is_whole)
end

local stream_mt = {}
stream_mt.__index = stream_mt

--- Nobody wants the rest: the provider is left.
function stream_mt:cancel()
  if self.sock then self.sock:close() end
  self.sock, self.block, self.deltas, self.next_delta = nil, nil, {}, 1
  self.is_over, self.is_told = true, true
  self.err = self.err or error_of("cancelled", "it was cancelled")
end

local function take_delta(self)
  local delta = self.deltas[self.next_delta]
  if not delta then return nil end
  self.deltas[self.next_delta] = nil
  self.next_delta = self.next_delta + 1
  return delta
end

local function finish(self)
  local reader = self.reader
  if reader.is_over then worker.keep(self.sock, reader) else self.sock:close() end
  self.sock, self.is_over = nil, true
  self.result, self.err = self.answer:finish(reader.is_over)
end

-- The next block: it may bring deltas, or the end, or neither.
local function read_on(self)
  local reader, answer, block = self.reader, self.answer, self.block
  self.block = nil
  if not block then
    worker.let_others(self.turns)
    block = self.sock:receiveany(worker.BLOCK_BYTES)
  end
  local bytes = block and reader:feed(block)
  if reader.status and not answer.status then answer:head(reader.status, lines_of(reader.fields)) end
  self.deltas, self.next_delta = {}, 1
  if bytes then answer:bytes(type(bytes) == "table" and concat(bytes) or bytes, self.deltas) end
  if not block or reader.is_over or reader.is_broken then finish(self) end
end

local function next_delta(self)
  while true do
    local delta = take_delta(self)
    if delta then return delta end
    if self.is_over then break end
    read_on(self)
  end
  if not self.err or self.is_told then return nil end
  self.is_told = true
  return answers.failed(self.err), self.err
end

--- Ask for a stream, and walk over it as it comes; the worker serves others meanwhile. Whoever leaves
-- the walk early calls handle:cancel(), else the provider is left with the end of nginx's request.
-- @tparam table|string request
-- @tparam ?table options  as in chat()
-- @treturn function  gives deltas: text, reasoning, tool_calls, finish_reason, usage, raw. What went
--   wrong is the last one, with an empty text: `for delta, err in asking.stream { ... }`
-- @treturn handle  cancel(); `result` and `err` at the end
function asking.stream(request, options)
  local text = requests.text(request, true, 2)
  local sock, block = ask_ourselves(text, options or {}, 2)
  local self = setmetatable({
    sock = sock, block = sock and block, reader = http1.reader "POST", answer = answers.new(true), deltas = {},
    next_delta = 1, is_over = not sock, err = not sock and unreachable(block) or nil,
    turns = worker.turns(),
  }, stream_mt)
  return function() return next_delta(self) end, self
end

return asking
