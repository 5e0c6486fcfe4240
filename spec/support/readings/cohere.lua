--- Cohere's v2 chat answers, read the simplest way that can work. Knows nothing of the gateway's code.
--
-- whole(text) and stream(text) give { text, reasoning, calls = { { id, name, arguments (decoded) } }, finish, usage =
-- { prompt, completion, cached, reasoning }, signatures = {}, citations (a count), error, complete }.

local cjson = require "cjson"

local cohere = {}

local function new() return { text = "", reasoning = "", calls = {}, signatures = {}, citations = 0, complete = false } end

local function str(v) return type(v) == "string" and v or "" end
local function obj(v) return type(v) == "table" and v or {} end
local function num(v) return type(v) == "number" and v or nil end

local function read_usage(r, usage)
  if type(usage) ~= "table" then return end
  local tokens = obj(usage.tokens)
  r.usage = { prompt = num(tokens.input_tokens), completion = num(tokens.output_tokens),
              cached = num(usage.cached_tokens), reasoning = num(tokens.reasoning_tokens) }
end

local function decode_arguments(calls)
  for _, call in ipairs(calls) do
    local ok, value = pcall(cjson.decode, call.arguments ~= "" and call.arguments or "{}")
    call.arguments = ok and value or { broken = call.arguments }
  end
end

function cohere.whole(text)
  local r = new()
  local ok, o = pcall(cjson.decode, text)
  if not ok or type(o) ~= "table" then return r end
  if type(o.message) == "string" then
    r.error = o.message
    return r
  end
  local m = obj(o.message)
  for _, block in ipairs(obj(m.content)) do
    r.text = r.text .. str(block.text)
    r.reasoning = r.reasoning .. str(block.thinking)
  end
  r.reasoning = r.reasoning .. str(m.tool_plan)
  for i, call in ipairs(obj(m.tool_calls)) do
    r.calls[i] = { id = call.id, name = call["function"].name, arguments = call["function"].arguments }
  end
  decode_arguments(r.calls)
  r.citations = #obj(m.citations)
  r.finish = o.finish_reason
  read_usage(r, o.usage)
  r.complete = o.finish_reason ~= nil
  return r
end

local function read_event(r, e)
  local delta = obj(e.delta)
  local m = obj(delta.message)
  if e.type == "content-start" or e.type == "content-delta" then
    r.text = r.text .. str(obj(m.content).text)
    r.reasoning = r.reasoning .. str(obj(m.content).thinking)
  elseif e.type == "tool-plan-delta" then
    r.reasoning = r.reasoning .. str(m.tool_plan)
  elseif e.type == "tool-call-start" then
    local f = obj(m.tool_calls["function"])
    r.calls[#r.calls + 1] = { id = m.tool_calls.id, name = f.name, arguments = str(f.arguments) }
  elseif e.type == "tool-call-delta" then
    local call = r.calls[#r.calls]
    call.arguments = call.arguments .. str(obj(obj(m.tool_calls)["function"]).arguments)
  elseif e.type == "citation-start" then
    r.citations = r.citations + 1
  elseif e.type == "message-end" then
    r.finish = delta.finish_reason
    read_usage(r, delta.usage)
    if type(delta.error) == "string" then r.error = delta.error end
    r.complete = r.error == nil
  elseif e.type == nil and type(e.message) == "string" then
    r.error = e.message
  end
end

function cohere.stream(text)
  local r = new()
  for line in text:gsub("\r\n", "\n"):gmatch "([^\n]*)\n" do
    local data = line:match "^data: ?({.*)$"
    if data then read_event(r, cjson.decode(data)) end
  end
  decode_arguments(r.calls)
  return r
end

return cohere
