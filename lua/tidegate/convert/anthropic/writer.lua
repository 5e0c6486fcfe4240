--- A stream of chat chunks as the events of one of Anthropic's messages, in the order on which its SDKs insist:
--
--     message_start
--     content_block_start, content_block_delta ..., content_block_stop      for each block
--     message_delta, message_stop
--
-- One block is open at a time. A call's block stays open until its arguments are a whole JSON value; what comes
-- meanwhile and is not for it waits. Everything else is written as it comes.

local json     = require("tidegate.core").json
local carrier  = require "tidegate.convert.anthropic.carrier"
local ending   = require "tidegate.convert.anthropic.ending"
local layout   = require "tidegate.convert.anthropic.layout"
local media    = require "tidegate.convert.anthropic.media"
local message  = require "tidegate.convert.anthropic.message"
local outgoing = require "tidegate.convert.anthropic.outgoing"
local sse      = require "tidegate.convert.sse"
local usage    = require "tidegate.convert.anthropic.usage"

local anthropic_writer = {}

local writer = {}
writer.__index = writer

-- ---- the blocks ----

function writer:event(name, members)
  self.emit(sse.event(name, '{"type":"' .. name .. '"' .. members .. "}"))
end

function writer:delta(members)
  self:event("content_block_delta", ',"index":' .. self.open.index .. ',"delta":{' .. members .. "}")
end

-- A thinking block's signature comes last.
local function sign(self, open)
  local signature = open.detail and carrier.signature(open.detail) or ""
  if signature ~= "" then self:delta('"type":"signature_delta","signature":' .. json.encode(signature)) end
end

function writer:close()
  local open = self.open
  if not open then return end
  sign(self, open)
  self:event("content_block_stop", ',"index":' .. open.index)
  self.open = nil
end

-- @tparam string kind  of ours: "text", "thinking", "call", "whole"
-- @tparam string block  JSON text
function writer:begin(kind, block)
  self:close()
  self.open = { kind = kind, index = self.blocks }
  self.blocks = self.blocks + 1
  self:event("content_block_start", ',"index":' .. self.open.index .. ',"content_block":' .. block)
end

-- ---- what waits ----

-- Where the arguments of a call stand: how deep, inside a string, behind a backslash.
local function follow(call, text)
  local at = call.is_escaped and 2 or 1
  call.is_escaped = false
  while true do
    local p = text:find(call.in_string and '["\\]' or '["{}%[%]]', at)
    if not p then return end
    local c = text:sub(p, p)
    at = p + 1
    if c == "\\" then
      call.is_escaped, at = p == #text, p + 2
    elseif c == '"' then
      call.in_string = not call.in_string
    elseif c == "{" or c == "[" then
      call.depth = call.depth + 1
    else
      call.depth = call.depth - 1
      if call.depth == 0 then call.is_whole = true end
    end
  end
end

function writer:must_wait(what, key)
  local open = self.open
  return open and open.kind == "call" and not open.is_whole and not (what == "call" and key == open.key)
end

--- Do it now, or when the open call is whole.
-- @tparam string what  the name of a method below
-- @tparam any key  of a call, its index
function writer:say(what, key, value)
  if self:must_wait(what, key) then
    self.waiting[#self.waiting + 1] = { what, key, value }
    return
  end
  self[what](self, key, value)
  if not self.waiting[1] or self:must_wait() then return end
  local waiting = self.waiting
  self.waiting = {}
  for _, one in ipairs(waiting) do self:say(one[1], one[2], one[3]) end
end

-- At the end nothing waits any longer: all of one call, then the next.
function writer:say_all()
  while self.waiting[1] do
    self:close()
    local waiting, first = self.waiting, self.waiting[1]
    self.waiting = {}
    for _, one in ipairs(waiting) do
      local is_same = one == first or (one[1] == "call" and first[1] == "call" and one[2] == first[2])
      if is_same then
        self[one[1]](self, one[2], one[3])
      else
        self.waiting[#self.waiting + 1] = one
      end
    end
  end
end

-- ---- what a delta brings ----

local function says(raw) return raw and raw ~= '""' end

-- @tparam string raw  JSON text of a string
function writer:text(raw)
  if not self.open or self.open.kind ~= "text" then self:begin("text", '{"type":"text","text":""}') end
  self:delta('"type":"text_delta","text":' .. raw)
end

-- @tparam table detail  with text; a fragment
function writer:thought(detail)
  local open, member = self.open, carrier.text_in(detail)
  local key = detail.type .. " " .. tostring(detail.format) .. " " .. tostring(detail.index)
  local continues = open and open.kind == "thinking" and not open.detail.signature
    and (open.key == key or (open.key == "" and not detail[member]))
  if not continues then
    self:begin("thinking", '{"type":"thinking","thinking":"","signature":""}')
    self.open.detail, self.open.key = {}, key
  end
  open = self.open
  for name, value in pairs(detail) do
    if name ~= member then open.detail[name] = value end
  end
  local text = detail[member]
  if type(text) == "string" and text ~= "" then
    self:delta('"type":"thinking_delta","thinking":' .. json.encode(text))
  end
end

-- Reasoning that has no details: nothing of it comes back but its text.
function writer:reasoning(raw)
  local open = self.open
  if not open or open.kind ~= "thinking" or open.key ~= "" then
    self:begin("thinking", '{"type":"thinking","thinking":"","signature":""}')
    self.open.detail, self.open.key = { type = "reasoning.text" }, ""
  end
  self:delta('"type":"thinking_delta","thinking":' .. raw)
end

-- @tparam table call  a fragment as JSON texts: id, name, arguments
function writer:call(index, call)
  local open = self.open
  if not open or open.kind ~= "call" or open.key ~= index then
    if self.called[index] then return end          -- a call that was whole goes on: there is nothing more to it
    local id = call.id or json.encode("call_" .. self.blocks)
    local block = { type = "tool_use", id = json.raw(id), name = json.raw(call.name or '""'), input = json.raw "{}" }
    for name, value in pairs(self.more[id] or {}) do block[name] = block[name] or value end
    self:begin("call", json.encode(block))
    self.called[index] = true
    self.open.key, self.open.depth = index, 0
  end
  if not says(call.arguments) or call.arguments:sub(1, 1) ~= '"' then return end
  follow(self.open, json.decode(call.arguments))
  self:delta('"type":"input_json_delta","partial_json":' .. call.arguments)
end

-- A block that is whole when it comes; a tool's input is told in a delta, as Anthropic does.
function writer:whole(block)
  local input = json.pick(block, "input")
  local kind = json.pick(block, "type")
  local is_call = input and input ~= "{}" and kind and kind:match '_use"$'
  if not is_call then
    self:begin("whole", block)
  else
    local members = json.split(block)
    members.input = json.raw "{}"
    self:begin("whole", json.encode(members))
    self:delta('"type":"input_json_delta","partial_json":' .. json.encode(input))
  end
  self:close()
end

-- A block of Anthropic's own, or a marker: what a text is ends here, what a call has beside.
function writer:kept(data)
  local kind, chars, id = json.pick(data, "type", "chars", "id")
  if kind == '"text"' and chars then
    if self.open and self.open.kind == "text" then self:close() end
  elseif kind == '"tool_use"' then
    if id then self.more[id] = layout.more_of_call(data) end
  elseif kind then
    self:whole(data)
  end
end

function writer:citation(citation)
  if not self.open or self.open.kind ~= "text" then self:begin("text", '{"type":"text","text":""}') end
  self:delta('"type":"citations_delta","citation":' .. json.encode(citation))
end

-- ---- a delta ----

-- The objects in a list.
local function list(raw)
  local out, value = {}, raw and json.read(raw)
  for _, item in ipairs(type(value) == "table" and value or {}) do
    if type(item) == "table" then out[#out + 1] = item end
  end
  return out
end

function writer:details(raw)
  local is_shown = false
  for _, detail in ipairs(list(raw)) do
    local is_own = detail.format == layout.FORMAT
    if carrier.text_in(detail) then
      is_shown = is_shown or detail[carrier.text_in(detail)] ~= nil
      self:say("thought", detail)
    elseif is_own and detail.type == "reasoning.server_tool_call" then
      if type(detail.data) == "string" then self:say("kept", detail.data) end
    elseif type(detail.type) == "string" then
      self:say("whole", json.encode(carrier.redacted(detail)))
    end
  end
  return is_shown
end

local function calls_of(self, raw)
  for _, call in ipairs(json.elements(raw) or {}) do
    local index, id, name, arguments = json.pick(tostring(call), "index", "id", "function.name", "function.arguments")
    self:say("call", index or "0", { id = id, name = name, arguments = arguments })
  end
end

-- A refusal is text to who reads it, unless Anthropic's own words for it stand beside.
local function refuse(self, refusal, data)
  self.is_refusal = true
  if not json.pick(data, "choices.0.stop_details") then self:say("text", refusal) end
end

local function cite(self, annotations)
  for _, a in ipairs(list(annotations)) do
    local citation = message.citation(a, true)
    if citation then self:say("citation", citation) end
  end
end

local function show(self, images)
  for _, image in ipairs(list(images)) do
    local block = media.block(image, {})
    if block then self:say("whole", json.encode(block)) end
  end
end

-- @treturn boolean  did it bring anything?
local function read_delta(self, delta, data)
  local content, reasoning, details, calls, refusal, annotations, images =
    json.pick(delta, "content", "reasoning", "reasoning_details", "tool_calls", "refusal", "annotations", "images")
  local is_shown = details and self:details(details)
  if says(reasoning) and not is_shown then self:say("reasoning", reasoning) end
  if says(content) then self:say("text", content) end
  if says(refusal) then refuse(self, refusal, data) end
  if annotations then cite(self, annotations) end
  if images then show(self, images) end
  if calls then calls_of(self, calls) end
  return says(content) or says(reasoning) or calls ~= nil
end

-- ---- a chunk ----

function writer:start(data)
  if self.has_started then return end
  self.has_started = true
  local id, model, provider, used, tier = json.pick(data, "id", "model", "provider", "usage", "service_tier")
  self.id = id
  local start = outgoing.message { id = id, model = model, provider = provider, content = json.array {},
                                   usage = usage.write(used, tier) }
  self:event("message_start", ',"message":' .. json.encode(start))
end

-- What is told at the end, wherever it came; the last word holds.
local function note(self, data)
  local used, tier, metadata, container, edits, finish, native, sequence, stop, details = json.pick(data, "usage",
    "service_tier", "openrouter_metadata", "container", "context_management", "choices.0.finish_reason",
    "choices.0.native_finish_reason", "choices.0.stop_sequence", "choices.0.stop_reason", "choices.0.stop_details")
  self.used, self.tier, self.metadata = used or self.used, tier or self.tier, metadata or self.metadata
  self.container, self.edits = container or self.container, edits or self.edits
  self.finish, self.native = finish or self.finish, native or self.native
  self.sequence = outgoing.sequence(sequence, stop) or self.sequence
  self.stop_details = details or self.stop_details
end

local function text_of(raw) return raw and json.decode(raw) end

local function finish(self)
  self:say_all()
  self:close()
  local counts = usage.write(self.used, self.tier)
  local reason = ending.reason(text_of(self.finish), text_of(self.native), self.sequence ~= nil, self.is_refusal)
  self:event("message_delta", ',"delta":{"stop_reason":' .. json.encode(reason)
    .. ',"stop_sequence":' .. (self.sequence or "null") .. ',"stop_details":' .. (self.stop_details or "null")
    .. ',"container":' .. (self.container or "null") .. '},"usage":' .. json.encode(counts)
    .. (self.edits and ',"context_management":' .. self.edits or ""))
  self:event("message_stop", self.metadata and ',"openrouter_metadata":' .. self.metadata or "")
end

local function fail(self, err, data)
  self.is_over = true
  local id, metadata = json.pick(data, "id", "openrouter_metadata")
  self.emit(sse.event("error", ending.error(err, id, metadata)))
end

function writer:step(data)
  if data == "[DONE]" then
    self.is_over = true
    self:start "{}"
    return finish(self)
  end
  local err, index, delta, ends, used =
    json.pick(data, "error", "choices.0.index", "choices.0.delta", "choices.0.finish_reason", "usage")
  if err then return fail(self, err, data) end
  if index and index ~= "0" then return end          -- a client of this format asks for one answer
  self:start(data)
  local said = delta and read_delta(self, delta, data)
  if ends or used or not said then note(self, data) end
end

--- @tparam function emit  called with whole frames
-- @treturn function  step(data): of each chunk, and "[DONE]"
function anthropic_writer.open(emit)
  local self = setmetatable({ emit = emit, blocks = 0, waiting = {}, called = {}, more = {} }, writer)
  return function(data)
    if not self.is_over then self:step(data) end
  end
end

return anthropic_writer
