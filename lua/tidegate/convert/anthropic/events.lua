--- Anthropic's stream of events as chat chunks.
--
-- Blocks come one after the other, each begun, told in deltas and ended; what a chat message has no place for is held
-- until its block ends and no longer: citations, and the blocks of Anthropic's own tools. Texts, signatures and
-- arguments go through as the JSON they were.

local json   = require("tidegate.core").json
local blocks = require "tidegate.convert.anthropic.blocks"
local chunk  = require "tidegate.convert.chunk"
local layout = require "tidegate.convert.anthropic.layout"
local usage  = require "tidegate.convert.anthropic.usage"

local anthropic_events = {}

local OBJECT = '{"object":"chat.completion.chunk","choices":['

-- ---- blocks begin ----

local function put_details(s, list)
  for _, detail in ipairs(list) do s.out:details(json.encode(detail)) end
end

local begin = {}

function begin.text(s, _, block)
  s.block.chars = 0
  local text = json.pick(block, "text")
  if text and text ~= '""' then s:text(text) end
end

local function thought(s, member, raw, shown)
  s.out:details('{"type":"reasoning.text","format":"' .. layout.FORMAT .. '","index":' .. s.block.index .. ',"'
    .. member .. '":' .. raw .. "}", shown)
end

function begin.thinking(s, _, block)
  local text, signature = json.pick(block, "thinking", "signature")
  if text and text ~= '""' then thought(s, "text", text, text) end
  if signature and signature ~= '""' then thought(s, "signature", signature) end
end

function begin.redacted_thinking(s, index, block)
  local data = json.pick(block, "data")
  s.out:details('{"type":"reasoning.encrypted","format":"' .. layout.FORMAT .. '","index":' .. index .. ',"data":'
    .. (data or '""') .. "}")
end

function begin.tool_use(s, _, block)
  local id, name, input = json.pick(block, "id", "name", "input")
  s.block.call, s.calls = s.calls, s.calls + 1
  s.block.input = input
  put_details(s, s.layout:call(id and json.decode(id), layout.more_of_call(block)))
  s.out:call(s.block.call, id, name or '""')
end

-- A block that is held until it is whole.
local function hold(s, _, block)
  if block:sub(1, 1) == "{" then s.block.held, s.block.pieces = block, {} end
end

-- ---- deltas ----

local delta = {}

function delta.thinking_delta(s, data)
  local raw = json.pick(data, "delta.thinking")
  if raw and raw ~= '""' then thought(s, "text", raw, raw) end
end

function delta.signature_delta(s, data)
  local raw = json.pick(data, "delta.signature")
  if raw and raw ~= '""' then thought(s, "signature", raw) end
end

function delta.input_json_delta(s, data)
  local raw, b = json.pick(data, "delta.partial_json"), s.block
  if not raw or raw == '""' or raw:sub(1, 1) ~= '"' then return end
  if b.held then
    b.pieces[#b.pieces + 1] = json.decode(raw)
  elseif b.call then
    b.has_arguments = true
    s.out:arguments(b.call, raw)
  end
end

function delta.citations_delta(s, data)
  local raw, b = json.pick(data, "delta.citation"), s.block
  if not raw or not b.chars then return end
  b.citations = b.citations or {}
  b.citations[#b.citations + 1] = raw
end

-- Of a held block, what the delta has replaces what the block had: compaction, and kinds that nobody has met.
local function delta_of_held(s, data)
  local members = json.split(json.pick(data, "delta") or "{}")
  if not s.block.held or not members then return end
  local whole = json.split(s.block.held)
  for name, value in pairs(members) do
    if name ~= "type" then whole[name] = value end
  end
  s.block.held = json.encode(whole)
end

-- ---- blocks end ----

local function end_text(s, b)
  s.layout:text(b.chars)
  if b.citations then
    local list = blocks.annotations(b.citations, s.chars, s.chars + b.chars)
    s.out:delta('"annotations":' .. json.encode(list))
  end
  s.chars = s.chars + b.chars
end

local function end_call(s, b)
  if b.has_arguments then return end
  local input = b.input and not b.input:match "^{%s*}$" and b.input or "{}"
  s.out:arguments(b.call, json.encode(input))
end

local function end_held(s, b)
  local block, input = b.held, table.concat(b.pieces)
  if input ~= "" and json.check(input) then
    local whole = json.split(block)
    whole.input = json.raw(input)
    block = json.encode(whole)
  end
  put_details(s, { layout.detail(block, tonumber(b.index)) })
end

-- ---- events ----

local on = {}

-- Which tier served it stands beside the counts.
local function put_usage(s, raw)
  local tier = usage.tier(raw)
  s.emit(OBJECT .. '],"usage":' .. raw .. (tier and ',"service_tier":' .. tier or "") .. "}")
end

function on.message_start(s, data)
  s.usage = json.pick(data, "message.usage")
  if s.usage then put_usage(s, usage.merge(s.usage)) end
end

function on.content_block_start(s, data)
  local index, kind, block = json.pick(data, "index", "content_block.type", "content_block")
  if not block then return end
  kind = kind and json.decode(kind) or ""
  put_details(s, s.layout:before(kind))
  s.block = { index = index or "0", kind = kind }
  local start = begin[kind] or hold
  start(s, s.block.index, block)
end

function on.content_block_delta(s, data)
  local kind, text = json.pick(data, "delta.type", "delta.text")
  if kind == '"text_delta"' then return s:text(text) end
  local step = kind and delta[kind:sub(2, -2)] or delta_of_held
  if s.block then step(s, data) end
end

function on.content_block_stop(s)
  local b = s.block
  if not b then return end
  s.block = nil
  if b.chars then end_text(s, b) end
  if b.call then end_call(s, b) end
  if b.held then end_held(s, b) end
end

-- Members that stand beside the choices, or beside the finish reason, where Anthropic has them.
local function put_beside(s, data)
  local container, edits, sequence, details = json.pick(data, "delta.container", "context_management",
    "delta.stop_sequence", "delta.stop_details")
  if container then s.emit(OBJECT .. '],"container":' .. container .. "}") end
  if edits then s.emit(OBJECT .. '],"context_management":' .. edits .. "}") end
  if not sequence and not details then return end
  local words = details and json.pick(details, "explanation")
  s.emit(OBJECT .. '{"index":0,"delta":{' .. (words and '"refusal":' .. words or "") .. "}"
    .. (sequence and ',"stop_sequence":' .. sequence or "") .. (details and ',"stop_details":' .. details or "")
    .. "}]}")
end

function on.message_delta(s, data)
  local reason, used = json.pick(data, "delta.stop_reason", "usage")
  put_beside(s, data)
  if reason then s.out:finish(nil, json.decode(reason)) end
  if used then put_usage(s, usage.merge(s.usage, used)) end
end

function on.message_stop(s)
  s.is_over = true
  s.out:done()
end

function on.error(s, data)
  s.is_over = true
  s.out:error(json.pick(data, "error") or data)
end

local stream = {}
stream.__index = stream

-- Texts are counted for who must find their places again.
function stream:text(raw)
  if not raw then return end
  self.out:text(raw)
  local b = self.block
  if not b or not b.chars then return end
  local text = raw:find("\\", 1, true) and json.decode(raw) or raw:sub(2, -2)
  b.chars = b.chars + layout.chars(text)
end

-- The handler for an event: its name, or, as some servers leave the names out, the same word in its data.
local function handler_for(name, data)
  return on[name] or on[(json.pick(data, "type") or ""):sub(2, -2)]
end

--- @tparam function emit  called with each chunk's JSON text
-- @treturn function  step(name, data)
function anthropic_events.reader(emit)
  local s = setmetatable({ emit = emit, out = chunk.writer(emit), layout = layout.new(), calls = 0, chars = 0 }, stream)
  return function(name, data)
    if s.is_over then return end
    if data == "[DONE]" then return on.message_stop(s) end
    if not json.check(data) then
      if name ~= "error" then return nil, "malformed" end
      data = json.encode(data)                   -- words, without a shape
    end
    local handle = handler_for(name, data)
    if handle then handle(s, data) end
  end
end

return anthropic_events
