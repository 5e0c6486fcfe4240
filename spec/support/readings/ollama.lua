--- Ollama's own chat answers, read the simplest way that can work. Knows nothing of the gateway's code.
--
-- whole(text) and stream(text) give { text, reasoning, calls = { { id, name, arguments } }, finish, usage = { prompt,
-- completion }, signatures = {}, error, complete }.

local cjson = require "cjson"

local ollama = {}

local function str(v) return type(v) == "string" and v or "" end

local function read_line(r, o)
  if o.error then
    r.error = o.error
    return
  end
  local m = type(o.message) == "table" and o.message or {}
  r.text = r.text .. str(m.content)
  r.reasoning = r.reasoning .. str(m.thinking)
  for _, call in ipairs(type(m.tool_calls) == "table" and m.tool_calls or {}) do
    local f = call["function"]
    r.calls[#r.calls + 1] = { id = call.id, name = f.name, arguments = f.arguments }
  end
  if o.done then
    r.complete, r.finish = true, o.done_reason or "stop"
    r.usage = { prompt = o.prompt_eval_count, completion = o.eval_count }
  end
end

--- A whole answer is a stream of one line.
function ollama.stream(text)
  local r = { text = "", reasoning = "", calls = {}, signatures = {}, complete = false }
  for line in (text .. "\n"):gmatch "([^\n]*)\n" do
    local ok, o = pcall(cjson.decode, line)
    if ok and type(o) == "table" then read_line(r, o) end
  end
  return r
end

ollama.whole = ollama.stream

return ollama
