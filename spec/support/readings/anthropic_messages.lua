--- Anthropic's messages, whole and as events, read the simplest way that can work. Knows nothing of the gateway's code.
--
-- whole(text) and stream(text) give { text, reasoning, calls = { { id, name, arguments (decoded) } }, finish, sequence,
-- usage = { prompt, completion, cached, cache_write, cache_write_1h, reasoning }, signatures (and redacted data), kept
-- (types of blocks that are neither text, thinking nor a call), citations (a count), error, complete }. A stream whose
-- events come in an order that Anthropic's SDKs would not take has `disorder`, a sentence.

local cjson = require "cjson"

local anthropic_messages = {}

local function str(v) return type(v) == "string" and v or "" end
local function obj(v) return type(v) == "table" and v or {} end
local function num(v) return type(v) == "number" and v or nil end

local function new()
  return { text = "", reasoning = "", calls = {}, signatures = {}, kept = {}, citations = 0, usage = {}, complete = false }
end

--- The counts of a list of usage objects, of which each later one holds where it says anything.
function anthropic_messages.counts(list)
  local u = {}
  for _, usage in ipairs(list) do
    for name, value in pairs(obj(usage)) do
      if value ~= cjson.null then u[name] = value end
    end
  end
  local kept = obj(u.cache_creation)
  local cached, written = num(u.cache_read_input_tokens) or 0, num(u.cache_creation_input_tokens) or 0
  return {
    prompt = (num(u.input_tokens) or 0) + cached + written, completion = num(u.output_tokens), cached = cached,
    cache_write = written, cache_write_1h = num(kept.ephemeral_1h_input_tokens) or 0,
    reasoning = num(obj(u.output_tokens_details).thinking_tokens) or 0,
  }
end

local function read_block(r, block)
  local kind = block.type
  if kind == "text" then
    r.text = r.text .. str(block.text)
    for _ in ipairs(obj(block.citations)) do r.citations = r.citations + 1 end
  elseif kind == "thinking" then
    r.reasoning = r.reasoning .. str(block.thinking)
    if str(block.signature) ~= "" then r.signatures[#r.signatures + 1] = block.signature end
  elseif kind == "redacted_thinking" then
    r.signatures[#r.signatures + 1] = block.data
  elseif kind == "tool_use" then
    r.calls[#r.calls + 1] = { id = block.id, name = block.name, arguments = block.input }
  else
    r.kept[#r.kept + 1] = kind
  end
end

local function read_stop(r, o)
  r.finish = o.stop_reason ~= cjson.null and o.stop_reason or nil
  r.sequence = o.stop_sequence ~= cjson.null and o.stop_sequence or nil
end

local function note_error(r, err)
  r.error = str(obj(err).message)
end

function anthropic_messages.whole(text)
  local r, o = new(), cjson.decode(text)
  if o.type == "error" then
    note_error(r, o.error)
    return r
  end
  for _, block in ipairs(o.content) do read_block(r, block) end
  read_stop(r, o)
  r.usage, r.complete = anthropic_messages.counts { o.usage }, r.finish ~= nil
  return r
end

-- ---- streams ----

--- The events of a stream: { name, data, ends (place behind it) } each. What the last blank line leaves is none.
function anthropic_messages.events(text)
  local out, name, data, at = {}, "", nil, 1
  while true do
    local stop = text:find("\n", at, true)
    if not stop then return out end
    local line = text:sub(at, stop - 1):gsub("\r$", "")
    at = stop + 1
    if line == "" then
      if data then out[#out + 1] = { name = name, data = data, ends = at } end
      name, data = "", nil
    else
      data = line:match "^data: ?(.*)$" or data
      name = line:match "^event: ?(.*)$" or name
    end
  end
end

local DELTAS = {
  text_delta = "text", thinking_delta = "thinking", signature_delta = "signature", input_json_delta = "partial_json",
}

local function add_delta(block, delta)
  local member = DELTAS[delta.type]
  if delta.type == "citations_delta" then
    block.citations = obj(block.citations)
    block.citations[#block.citations + 1] = delta.citation
  elseif member then
    block[member] = str(block[member]) .. delta[member]
  end
end

local function close(block)
  if str(block.partial_json) ~= "" then block.input = cjson.decode(block.partial_json) end
  return block
end

local on = {}

function on.message_start(s, o)
  if s.started then s.r.disorder = "a second message_start" end
  s.started, s.usages = true, { o.message.usage }
end

function on.content_block_start(s, o)
  if not s.started then s.r.disorder = "a block before message_start" end
  if s.open then s.r.disorder = "a block inside another" end
  if o.index ~= s.blocks then s.r.disorder = ("block %d instead of %d"):format(o.index, s.blocks) end
  s.open, s.blocks = o.content_block, s.blocks + 1
end

function on.content_block_delta(s, o)
  if not s.open or o.index ~= s.blocks - 1 then
    s.r.disorder = "a delta of no open block"
  else
    add_delta(s.open, o.delta)
  end
end

function on.content_block_stop(s, o)
  if not s.open or o.index ~= s.blocks - 1 then s.r.disorder = "the end of no open block" end
  if s.open then read_block(s.r, close(s.open)) end
  s.open = nil
end

function on.message_delta(s, o)
  if s.open then s.r.disorder = "message_delta inside a block" end
  read_stop(s.r, o.delta)
  s.usages[#s.usages + 1] = o.usage
end

function on.message_stop(s)
  if not s.r.finish then s.r.disorder = "message_stop without a stop_reason" end
  s.r.complete = true
end

function on.error(s, o) note_error(s.r, o.error) end

--- @tparam string text  the bytes of an event stream; what is behind its last whole event does not count
function anthropic_messages.stream(text)
  local s = { r = new(), blocks = 0, usages = {} }
  for _, event in ipairs(anthropic_messages.events(text)) do
    if event.data ~= "[DONE]" then
      local o = cjson.decode(event.data)
      if event.name ~= o.type then s.r.disorder = "an event that is called otherwise than its data" end
      if s.r.complete then s.r.disorder = "an event behind message_stop" end
      if on[o.type] then on[o.type](s, o) end
    end
  end
  -- A block that was not ended is there all the same.
  if s.open and s.open.type ~= "tool_use" then read_block(s.r, s.open) end
  s.r.usage = anthropic_messages.counts(s.usages)
  return s.r
end

return anthropic_messages
