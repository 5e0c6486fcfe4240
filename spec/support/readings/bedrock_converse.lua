--- Amazon Bedrock's Converse answers, read the simplest way that can work. Knows nothing of the gateway's code, and
-- believes the frames of an event stream without looking at their checksums.
--
-- whole(text) and stream(bytes) give { text, reasoning, calls = { { id, name, arguments (decoded) } }, finish, usage =
-- { prompt, completion, cached, cache_write }, signatures, citations (a count), error, complete }.

local cjson = require "cjson"

local bedrock_converse = {}

local function new() return { text = "", reasoning = "", calls = {}, signatures = {}, citations = 0, complete = false } end

local function str(v) return type(v) == "string" and v or "" end
local function obj(v) return type(v) == "table" and v or {} end

-- ---- frames ----

local function u16(s, at) return s:byte(at) * 256 + s:byte(at + 1) end
local function u32(s, at) return u16(s, at) * 65536 + u16(s, at + 2) end

-- The headers of a frame; all of Bedrock's are strings (type 7).
local function headers_of(s)
  local out, at = {}, 1
  while at <= #s do
    local name_len = s:byte(at)
    local name = s:sub(at + 1, at + name_len)
    local value_len = u16(s, at + name_len + 2)
    out[name] = s:sub(at + name_len + 4, at + name_len + 3 + value_len)
    at = at + name_len + 4 + value_len
  end
  return out
end

--- The whole frames of a stream: { { name, data, ends (place behind it) } }.
function bedrock_converse.events(bytes)
  local out, at = {}, 1
  while at + 12 <= #bytes do
    local total, head = u32(bytes, at), u32(bytes, at + 4)
    if at + total - 1 > #bytes then break end
    local headers = headers_of(bytes:sub(at + 12, at + 11 + head))
    out[#out + 1] = { name = headers[":event-type"] or headers[":exception-type"],
                      data = bytes:sub(at + 12 + head, at + total - 5), ends = at + total }
    at = at + total
  end
  return out
end

--- A frame for tests; its checksums are zero.
function bedrock_converse.frame(name, data)
  local function number(n) return string.char(math.floor(n / 16777216), math.floor(n / 65536) % 256, math.floor(n / 256) % 256, n % 256) end
  local kind = name:find "Exception$" and ":exception-type" or ":event-type"
  local headers = string.char(#kind) .. kind .. "\7" .. string.char(0, #name) .. name
  return number(16 + #headers + #data) .. number(#headers) .. "\0\0\0\0" .. headers .. data .. "\0\0\0\0"
end

-- ---- what they say ----

local function read_usage(r, u)
  if type(u) ~= "table" then return end
  local cached, written = u.cacheReadInputTokens, u.cacheWriteInputTokens
  r.usage = { prompt = u.inputTokens + (cached or 0) + (written or 0), completion = u.outputTokens, cached = cached, cache_write = written }
  assert(u.totalTokens == r.usage.prompt + r.usage.completion, "the counts do not add up")
end

local function read_block(r, block)
  r.text = r.text .. str(block.text)
  for _, piece in ipairs(obj(obj(block.citationsContent).content)) do r.text = r.text .. str(piece.text) end
  r.citations = r.citations + #obj(obj(block.citationsContent).citations)
  local thought = obj(obj(block.reasoningContent).reasoningText)
  r.reasoning = r.reasoning .. str(thought.text)
  r.signatures[#r.signatures + 1] = thought.signature
  local use = block.toolUse
  if use and use.type ~= "server_tool_use" then
    r.calls[#r.calls + 1] = { id = use.toolUseId, name = use.name, arguments = use.input }
  end
end

function bedrock_converse.whole(text)
  local r = new()
  local ok, o = pcall(cjson.decode, text)
  if not ok or type(o) ~= "table" then return r end
  r.error = o.message
  for _, block in ipairs(obj(obj(obj(o.output).message).content)) do read_block(r, block) end
  r.finish = o.stopReason
  r.complete = o.stopReason ~= nil
  read_usage(r, o.usage)
  return r
end

local READ = {}

function READ.contentBlockStart(r, e, calls)
  local use = obj(e.start).toolUse
  if use and use.type ~= "server_tool_use" then
    local call = { id = use.toolUseId, name = use.name, arguments = "" }
    r.calls[#r.calls + 1] = call
    calls[e.contentBlockIndex] = call
  end
end

function READ.contentBlockDelta(r, e, calls)
  local thought = obj(e.delta.reasoningContent)
  r.text = r.text .. str(e.delta.text)
  r.reasoning = r.reasoning .. str(thought.text)
  r.signatures[#r.signatures + 1] = thought.signature
  r.citations = r.citations + (e.delta.citation and 1 or 0)
  local call = e.delta.toolUse and calls[e.contentBlockIndex]
  if call then call.arguments = call.arguments .. e.delta.toolUse.input end
end

function READ.messageStop(r, e) r.finish = e.stopReason end

function READ.metadata(r, e)
  read_usage(r, e.usage)
  r.complete = r.finish ~= nil
end

--- @tparam string bytes  the body of a ConverseStream answer
function bedrock_converse.stream(bytes)
  local r, calls = new(), {}
  for _, event in ipairs(bedrock_converse.events(bytes)) do
    local e = cjson.decode(event.data)
    if event.name:find "Exception$" then
      r.error = e.message
    elseif READ[event.name] then
      READ[event.name](r, e, calls)
    end
  end
  for _, call in ipairs(r.calls) do call.arguments = cjson.decode(call.arguments ~= "" and call.arguments or "{}") end
  return r
end

return bedrock_converse
