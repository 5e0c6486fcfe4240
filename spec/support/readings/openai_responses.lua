--- What an answer of OpenAI's Responses API says, read the simplest way that can work. Knows nothing of the
-- gateway's code; JSON is lua-cjson's.
--
--     { text, refusal, reasoning (parts joined by an empty line), calls = { { id, name, arguments | input } },
--       signatures (encrypted contents, in order), others (types of items that the provider ran itself),
--       annotations (their URLs or file ids), tokens (with probabilities, how many), phase,
--       finish (native word), usage = { prompt, completion, cached, cache_write, reasoning }, error (words),
--       complete (the terminal came) }
--
-- `chat` and `chunks` read the same from chat completions and chunks in which a converter said it.

local cjson = require "cjson"

local responses = {}

local function str(v) return type(v) == "string" and v or nil end
local function list(v) return type(v) == "table" and v or {} end
local function number(v) return type(v) == "number" and v or nil end

local function new()
  return { text = "", refusal = "", thoughts = {}, calls = {}, signatures = {}, others = {}, annotations = {}, tokens = 0,
           complete = false }
end

local function finished(r)
  r.reasoning = table.concat(r.thoughts, "\n\n")
  r.thoughts = nil
  for _, call in ipairs(r.calls) do
    if call.arguments then
      local ok, value = pcall(cjson.decode, call.arguments ~= "" and call.arguments or "{}")
      call.arguments = ok and value or { broken = call.arguments }
    end
  end
  return r
end

local function usage_of(u)
  if type(u) ~= "table" then return nil end
  local inp, out = list(u.input_tokens_details), list(u.output_tokens_details)
  return { prompt = u.input_tokens, completion = u.output_tokens, cached = number(inp.cached_tokens),
           cache_write = number(inp.cache_write_tokens), reasoning = number(out.reasoning_tokens) }
end

-- ---- whole answers ----

local function note_annotation(r, a) r.annotations[#r.annotations + 1] = str(a.url) or str(a.file_id) or a.type end

local function read_message(r, item)
  for _, part in ipairs(list(item.content)) do
    r.text = r.text .. (str(part.text) or "")
    r.refusal = r.refusal .. (str(part.refusal) or "")
    r.tokens = r.tokens + #list(part.logprobs)
    for _, a in ipairs(list(part.annotations)) do note_annotation(r, a) end
  end
  r.phase = str(item.phase) or r.phase
end

local function read_reasoning(r, item)
  for _, part in ipairs(list(item.summary)) do r.thoughts[#r.thoughts + 1] = part.text end
  for _, part in ipairs(list(item.content)) do r.thoughts[#r.thoughts + 1] = part.text end
  r.signatures[#r.signatures + 1] = str(item.encrypted_content)
end

-- A custom call that is of none of the custom tools that the answer repeats was made and answered by the provider.
local function is_theirs(item, tools)
  if not tools[1] then return false end
  for _, tool in ipairs(tools) do
    if tool.type == "custom" and tool.name == item.name then return false end
  end
  return true
end

local function read_item(r, item, tools)
  if item.type == "message" then
    read_message(r, item)
  elseif item.type == "reasoning" then
    read_reasoning(r, item)
  elseif item.type == "function_call" then
    r.calls[#r.calls + 1] = { id = item.call_id, name = item.name, arguments = item.arguments }
  elseif item.type == "custom_tool_call" and not is_theirs(item, tools) then
    r.calls[#r.calls + 1] = { id = item.call_id, name = item.name, input = item.input }
  else
    r.others[#r.others + 1] = item.type
  end
end

local function read_end(r, response)
  r.finish = str(list(response.incomplete_details).reason) or response.status
  r.usage = usage_of(response.usage)
  r.complete = response.status == "completed" or response.status == "incomplete"
  if type(response.error) == "table" then r.error = response.error.message end
end

local function read_response(response)
  local r = new()
  for _, item in ipairs(list(response.output)) do read_item(r, item, list(response.tools)) end
  read_end(r, response)
  return finished(r)
end

function responses.whole(text) return read_response(cjson.decode(text)) end

-- ---- streams ----

--- The events of a stream: { name, data }; one that is cut off is none.
function responses.events(text)
  local out = {}
  for block in text:gsub("\r\n", "\n"):gmatch "(.-)\n\n" do
    local name, data = ""
    for line in (block .. "\n"):gmatch "([^\n]*)\n" do
      name = line:match "^event: ?(.*)" or name
      local more = line:match "^data: ?(.*)"
      if more then data = data and data .. "\n" .. more or more end
    end
    if data then out[#out + 1] = { name = name, data = data } end
  end
  return out
end

local function item_at(items, e)
  local at = e.output_index + 1
  items[at] = items[at] or { text = "", refusal = "", thoughts = {}, input = "", annotations = {}, tokens = 0 }
  return items[at]
end

local DELTAS = {}

DELTAS["response.output_text.delta"] = function(item, e)
  item.text, item.tokens = item.text .. e.delta, item.tokens + #list(e.logprobs)
end
DELTAS["response.refusal.delta"] = function(item, e) item.refusal = item.refusal .. e.delta end
DELTAS["response.output_text.annotation.added"] = function(item, e) item.annotations[#item.annotations + 1] = e.annotation end
DELTAS["response.function_call_arguments.delta"] = function(item, e) item.input = item.input .. e.delta end
DELTAS["response.custom_tool_call_input.delta"] = DELTAS["response.function_call_arguments.delta"]

local function thought(item, e)
  local at = (e.summary_index or e.content_index) + 1
  item.thoughts[at] = (item.thoughts[at] or "") .. e.delta
end
DELTAS["response.reasoning_summary_text.delta"], DELTAS["response.reasoning_text.delta"] = thought, thought

-- The item as its deltas told it; what they left out, as it was in the end.
local function item_of(said)
  local whole = said.done or said.added or { type = "message" }
  local out = {}
  for name, value in pairs(whole) do out[name] = value end
  if said.text ~= "" or said.refusal ~= "" then
    local annotations = said.annotations
    if not annotations[1] and whole.content and whole.content[1] then annotations = whole.content[1].annotations end
    local logprobs = {}
    for i = 1, said.tokens do logprobs[i] = {} end
    out.content = { { text = said.text, refusal = said.refusal, annotations = annotations, logprobs = logprobs } }
  elseif said.thoughts[1] then
    out.summary, out.content = {}, {}
    for i, text in ipairs(said.thoughts) do out.content[i] = { text = text } end
  elseif said.input ~= "" then
    out[whole.arguments and "arguments" or "input"] = said.input
  end
  return out
end

local function read_event(e, items, state)
  if DELTAS[e.type] then
    DELTAS[e.type](item_at(items, e), e)
  elseif e.type == "response.output_item.added" then
    item_at(items, e).added = e.item
  elseif e.type == "response.output_item.done" then
    item_at(items, e).done = e.item
  elseif e.type == "response.completed" or e.type == "response.incomplete" or e.type == "response.failed" then
    state.final = e.response
  elseif e.type == "error" then
    state.error = str(e.message) or str(list(e.error).message)
  end
end

--- @treturn table  as the deltas say it
-- @treturn ?table  as the response in the last event says it
function responses.stream(text)
  local items, state, last = {}, {}, 0
  for _, event in ipairs(responses.events(text)) do
    if event.data ~= "[DONE]" then
      local e = cjson.decode(event.data)
      read_event(e, items, state)
      if e.output_index then last = math.max(last, e.output_index + 1) end
    end
  end
  local r, tools = new(), list(state.final and state.final.tools)
  for at = 1, last do
    if items[at] then read_item(r, item_of(items[at]), tools) end
  end
  if state.final then read_end(r, state.final) end
  r.error = r.error or state.error
  return finished(r), state.final and read_response(state.final)
end

-- ---- the same in chat's words ----

local function read_said(r, said, calls)
  r.text, r.refusal = r.text .. (str(said.content) or ""), r.refusal .. (str(said.refusal) or "")
  r.thoughts[1] = (r.thoughts[1] or "") .. (str(said.reasoning) or "")
  r.phase = str(said.phase) or r.phase
  for i, piece in ipairs(list(said.tool_calls)) do
    local at = (piece.index or i - 1) + 1
    local call = calls[at] or { id = piece.id, name = (piece["function"] or piece.custom).name }
    calls[at] = call
    if piece["function"] then call.arguments = (call.arguments or "") .. (str(piece["function"].arguments) or "") end
    if piece.custom then call.input = (call.input or "") .. (str(piece.custom.input) or "") end
  end
  for _, detail in ipairs(list(said.reasoning_details)) do
    if detail.type == "reasoning.encrypted" then r.signatures[#r.signatures + 1] = detail.data end
    if detail.type == "reasoning.server_tool_call" then r.others[#r.others + 1] = cjson.decode(detail.data).type end
  end
  for _, a in ipairs(list(said.annotations)) do note_annotation(r, a.url_citation or a.citation) end
end

local function read_choice(r, choice, said)
  read_said(r, said, r.calls)
  r.tokens = r.tokens + #list(list(choice.logprobs).content)
  r.finish = str(choice.native_finish_reason) or r.finish
end

--- @tparam table texts  what was emitted: chunks, "[DONE]"
function responses.chunks(texts)
  local r = new()
  for _, text in ipairs(texts) do
    if text == "[DONE]" then
      r.complete = true
    else
      local o = cjson.decode(text)
      if o.error then r.error = o.error.message end
      r.usage = usage_of(o.usage) or r.usage
      for _, choice in ipairs(list(o.choices)) do read_choice(r, choice, choice.delta) end
    end
  end
  return finished(r)
end

function responses.chat(text)
  local r, o = new(), cjson.decode(text)
  if o.error then
    r.error = o.error.message
    return finished(r)
  end
  read_choice(r, o.choices[1], o.choices[1].message)
  r.usage, r.complete = usage_of(o.usage), r.finish ~= nil
  return finished(r)
end

return responses
