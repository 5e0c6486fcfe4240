--- The blocks of a model's turn as the members of a chat message.
--
-- For whole answers, and for the earlier turns in a request. Streams do the same piece by piece
-- (anthropic/events.lua). The other way is anthropic/message.lua.

local json    = require("tidegate.core").json
local carrier = require "tidegate.convert.anthropic.carrier"
local layout  = require "tidegate.convert.anthropic.layout"
local media   = require "tidegate.convert.anthropic.media"

local anthropic_blocks = {}

-- What is handed on as it is, or read later.
local KEEP = { input = true, citations = true, content = true }

-- ---- citations ----

-- A citation of a web page is chat's url_citation, of anything else a citation; both with Anthropic's own words.
local function annotation(raw, from, to)
  local kind, url, title, cited = json.pick(raw, "type", "url", "title", "cited_text")
  local out = { format = "anthropic-messages", citation = json.raw(raw) }
  if kind == '"web_search_result_location"' and url then
    out.type = "url_citation"
    out.url_citation = { url = json.raw(url), title = title and json.raw(title) or "",
                         content = cited and json.raw(cited), start_index = from, end_index = to }
  else
    out.type, out.start_index, out.end_index = "citation", from, to
  end
  return out
end

--- Annotations for the citations of a text that reaches from one character of the message's text to another.
-- @tparam table citations  JSON texts
function anthropic_blocks.annotations(citations, from, to)
  local out = {}
  for i, raw in ipairs(citations) do out[i] = annotation(tostring(raw), from, to) end
  return out
end

-- ---- blocks ----

local function append(list, more)
  for _, item in ipairs(more) do list[#list + 1] = item end
end

-- What is gathered of a turn: texts and calls in chat's order, and details in Anthropic's.
local function gathering()
  return { layout = layout.new(), texts = {}, thoughts = {}, details = {}, calls = {}, annotations = {}, images = {},
           chars = 0 }
end

local function str(v) return type(v) == "string" and v or "" end

local read = {}

function read.text(g, block)
  local text = str(block.text)
  if text == "" then return end
  local chars = layout.chars(text)
  g.texts[#g.texts + 1] = { type = "text", text = text, cache_control = block.cache_control }
  g.is_marked = g.is_marked or block.cache_control ~= nil
  g.layout:text(chars)
  local citations = block.citations and json.elements(tostring(block.citations)) or {}
  append(g.annotations, anthropic_blocks.annotations(citations, g.chars, g.chars + chars))
  g.chars = g.chars + chars
end

function read.thinking(g, block, _, index)
  local text, sealed = str(block.thinking), str(block.signature)
  g.thoughts[#g.thoughts + 1] = text
  local detail = carrier.open(sealed)
  if detail then
    detail[carrier.text_in(detail) or "text"] = text
  elseif sealed ~= "" and not carrier.is_sealed(sealed) then
    detail = { type = "reasoning.text", format = layout.FORMAT, index = index, signature = sealed,
               text = text ~= "" and text or nil }
  end
  g.details[#g.details + 1] = detail
end

function read.redacted_thinking(g, block, _, index)
  local detail = carrier.open(block.data)
  if not detail and not carrier.is_sealed(block.data) then
    detail = { type = "reasoning.encrypted", format = layout.FORMAT, index = index, data = str(block.data) }
  end
  g.details[#g.details + 1] = detail
end

function read.tool_use(g, block, raw)
  local arguments = block.input and tostring(block.input) or "{}"
  g.calls[#g.calls + 1] = {
    id = str(block.id), type = "function", cache_control = block.cache_control,
    ["function"] = { name = str(block.name), arguments = arguments },
  }
  append(g.details, g.layout:call(str(block.id), layout.more_of_call(raw)))
end

-- A picture in an answer is ours (anthropic/message.lua); Anthropic has none.
function read.image(g, block, raw)
  local part = media.part(block, raw)
  if not json.is_raw(part) then g.images[#g.images + 1] = part end
end

local function read_other(g, _, raw, index)
  g.details[#g.details + 1] = layout.detail(raw, index)
end

local function join(texts, member)
  local out = {}
  for i, text in ipairs(texts) do out[i] = member and text[member] or text end
  return table.concat(out)
end

local function some(list) return list[1] and list or nil end

--- Blocks, read.
-- @tparam string text  a content: a list of blocks, or a text, which is one block
-- @treturn ?table  { block = as json.read() gives it, text = its JSON text } each; nil when it is neither
function anthropic_blocks.read(text)
  if text:sub(1, 1) == '"' then return { { block = { type = "text", text = json.decode(text) }, text = text } } end
  local out = json.elements(text)
  for i, raw in ipairs(out or {}) do
    out[i] = { block = json.read(tostring(raw), KEEP), text = tostring(raw) }
  end
  return out
end

--- The message that these blocks make.
-- @tparam table list  from read()
-- @treturn table  { content, reasoning, reasoning_details, tool_calls, annotations, images }; absent when empty
function anthropic_blocks.message(list)
  local g = gathering()
  for i, one in ipairs(list) do
    local block = one.block
    if type(block) == "table" then
      append(g.details, g.layout:before(block.type))
      local reader = read[block.type] or read_other
      reader(g, block, one.text, i - 1)
    end
  end
  local thought = join(g.thoughts)
  return {
    content = g.is_marked and g.texts or g.texts[1] and join(g.texts, "text") or nil,
    reasoning = thought ~= "" and thought or nil,
    reasoning_details = some(g.details), tool_calls = some(g.calls), annotations = some(g.annotations),
    images = some(g.images),
  }
end

return anthropic_blocks
