--- What a converter made of a provider's answer, read the simplest way that can work: chat chunks, and whole chat
-- completions. Gives what the readings of the providers' formats give.

local cjson = require "cjson"

local chunks = {}

local function new() return { text = "", reasoning = "", calls = {}, signatures = {}, citations = 0, complete = false } end

local function str(v) return type(v) == "string" and v or "" end
local function list(v) return type(v) == "table" and v or {} end

-- A custom tool's input is text: it is not decoded.
local function read_calls(r, calls)
  for _, piece in ipairs(list(calls)) do
    local f, custom = piece["function"], piece.custom
    local call = r.calls[piece.index + 1]
    if not call then
      call = { id = piece.id, name = (f or custom).name, arguments = f and "", input = custom and "" }
      r.calls[piece.index + 1] = call
    end
    if f then call.arguments = call.arguments .. str(f.arguments) end
    if custom then call.input = call.input .. str(custom.input) end
  end
end

local function read_saying(r, said)
  r.text = r.text .. str(said.content)
  r.reasoning = r.reasoning .. str(said.reasoning)
  if str(said.refusal) ~= "" then r.refusal = str(r.refusal) .. said.refusal end
  read_calls(r, said.tool_calls)
  for _, detail in ipairs(list(said.reasoning_details)) do r.signatures[#r.signatures + 1] = detail.signature end
  r.citations = r.citations + #list(said.annotations)
end

-- The last count that was said wins.
local function read_usage(r, u)
  if type(u) ~= "table" then return end
  local inp, out = list(u.prompt_tokens_details), list(u.completion_tokens_details)
  r.usage = r.usage or {}
  r.usage.prompt = u.prompt_tokens or r.usage.prompt
  r.usage.completion = u.completion_tokens or r.usage.completion
  r.usage.cached = inp.cached_tokens or r.usage.cached
  r.usage.cache_write = inp.cache_write_tokens or r.usage.cache_write
  r.usage.reasoning = out.reasoning_tokens or r.usage.reasoning
end

local function note_error(r, err)
  r.error = type(err) == "table" and err.message or err
end

local function decode_arguments(r)
  for _, call in ipairs(r.calls) do
    if call.arguments then
      local ok, value = pcall(cjson.decode, call.arguments ~= "" and call.arguments or "{}")
      call.arguments = ok and value or { broken = call.arguments }
    end
  end
  return r
end

--- @tparam table texts  what was emitted, in its order
function chunks.stream(texts)
  local r = new()
  for _, text in ipairs(texts) do
    if text == "[DONE]" then
      r.complete = true
    else
      local o = cjson.decode(text)
      if o.error then note_error(r, o.error) end
      read_usage(r, o.usage)
      for _, choice in ipairs(list(o.choices)) do
        read_saying(r, choice.delta)
        r.finish = choice.native_finish_reason or r.finish
      end
    end
  end
  return decode_arguments(r)
end

function chunks.whole(text)
  local r, o = new(), cjson.decode(text)
  if o.error then
    note_error(r, o.error)
    return r
  end
  local choice = o.choices[1]
  local m = choice.message
  for i, call in ipairs(list(m.tool_calls)) do call.index = i - 1 end
  read_saying(r, m)
  r.finish, r.complete = choice.native_finish_reason, choice.native_finish_reason ~= nil
  read_usage(r, o.usage)
  return decode_arguments(r)
end

return chunks
