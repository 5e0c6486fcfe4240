--- Answers of Amazon Bedrock's Converse API as chat completions: whole ones, and the events of ConverseStream. Pure.

local json   = require("tidegate.core").json
local chunk  = require "tidegate.convert.chunk"
local layout = require "tidegate.convert.anthropic.layout"
local models = require "tidegate.convert.bedrock.models"
local shapes = require "tidegate.convert.bedrock.shapes"
local words  = require "tidegate.convert.bedrock.words"

local bedrock_converse_to_chat = { from = "bedrock-converse", to = "chat" }

-- ---- streams ----

local reader = {}
reader.__index = reader

local function text_detail(format, index, member, raw)
  return '{"type":"reasoning.text",' .. member .. ":" .. raw .. ',"format":"' .. format .. '","index":' .. index .. "}"
end

-- Places are Anthropic's: of its models a thought may follow on text or a call, and comes back where it was.
function reader:before_detail()
  for _, marker in ipairs(self.places and self.places:flush() or {}) do self.out:details(json.encode(marker)) end
end

function reader:next_index()
  self:before_detail()
  self.details = self.details + 1
  return self.details - 1
end

-- The block that a delta belongs to; the first delta of one that nothing announced begins it.
function reader:block(index, kind)
  index = index or ""
  local block = self.blocks[index]
  if not block then
    block = { kind = kind, pieces = {} }
    self.blocks[index] = block
  end
  return block
end

-- What each kind of delta does with its JSON text.
local DELTA = {}

function DELTA.text(self, index, raw)
  if raw == '""' then return end
  self.out:text(raw)
  if not self.places then return end
  local block = self:block(index, "text")
  block.chars = (block.chars or 0) + layout.chars(words.string(raw))
end

function DELTA.thought(self, index, raw)
  local block = self:block(index, "thought")
  block.index = block.index or self:next_index()
  self.out:details(text_detail(self.format, block.index, '"text"', raw), raw)
end

function DELTA.signature(self, index, raw)
  local block = self:block(index, "thought")
  block.index = block.index or self:next_index()
  self.out:details(text_detail(self.format, block.index, '"signature"', raw))
end

local function keep(kind)
  return function(self, index, raw)
    local pieces = self:block(index, kind).pieces
    pieces[#pieces + 1] = words.string(raw)
  end
end

DELTA.redacted, DELTA.image = keep "redacted", keep "image"

function DELTA.input(self, index, raw)
  local block = self:block(index, "stray")
  if block.kind == "server_call" then
    block.pieces[#block.pieces + 1] = words.string(raw)
  elseif block.kind == "call" then
    block.has_input = block.has_input or raw ~= '""'
    self.out:arguments(block.call, raw)
  end
end

function DELTA.result(self, index, raw)
  local block = self:block(index, "stray")
  for _, piece in ipairs(json.elements(raw) or {}) do block.pieces[#block.pieces + 1] = tostring(piece) end
end

function DELTA.citation(self, _, raw)
  self.out:delta('"annotations":[' .. words.annotation(raw) .. "]")
end

local PATHS = { "delta.text", "delta.reasoningContent.text", "delta.toolUse.input", "delta.reasoningContent.signature",
  "delta.citation", "delta.reasoningContent.redactedContent", "delta.toolResult", "delta.image.source.bytes" }
local KINDS = { "text", "thought", "input", "signature", "citation", "redacted", "result", "image" }

function reader:rarer_delta(index, data)
  for i = 4, #PATHS do
    local raw = json.pick(data, PATHS[i])
    if raw then return DELTA[KINDS[i]](self, index, raw) end
  end
end

-- Nothing can be picked of what is no JSON.
local function is_json(picked, data) return picked ~= nil or json.check(data) == true end

-- What each event does. False when its data is no JSON.
local ON = {}

function ON.contentBlockDelta(self, data)
  local index, text, thought, input = json.pick(data, "contentBlockIndex", PATHS[1], PATHS[2], PATHS[3])
  if not is_json(index, data) then return false end
  if text then
    DELTA.text(self, index, text)
  elseif thought then
    DELTA.thought(self, index, thought)
  elseif input then
    DELTA.input(self, index, input)
  else
    self:rarer_delta(index, data)
  end
end

function ON.contentBlockStart(self, data)
  local index, id, name, kind, result, format = json.pick(data, "contentBlockIndex", "start.toolUse.toolUseId",
    "start.toolUse.name", "start.toolUse.type", "start.toolResult", "start.image.format")
  if not is_json(index, data) then return false end
  local block = { kind = "stray", pieces = {} }
  if kind == '"server_tool_use"' then
    block.kind, block.start = "server_call", json.pick(data, "start.toolUse")
  elseif id then
    block.kind, block.call, block.id = "call", self.calls, id
    self.calls = self.calls + 1
    self.out:call(block.call, id, name or '""')
  elseif result then
    block.kind, block.start = "server_result", result
  elseif format then
    block.kind, block.format = "image", words.string(format)
  end
  self.blocks[index or ""] = block
end

-- `members` with one more behind them.
local function with_member(members, name, raw)
  return members:gsub("}%s*$", "") .. ',"' .. name .. '":' .. raw .. "}"
end

-- What each kind of block comes to when it is over.
local END = {}

function END.text(self, block)
  self.places:text(block.chars)
end

function END.call(self, block)
  if not block.has_input then self.out:arguments(block.call, '"{}"') end
  if self.places then self.places:call(words.string(block.id), {}) end
end

function END.redacted(self, block)
  self.out:details(words.redacted(words.join(block.pieces), self.family, self:next_index()))
end

function END.server_call(self, block)
  local input = table.concat(block.pieces)
  if not json.check(input) then input = input == "" and "{}" or json.encode(input) end
  local whole = '{"toolUse":' .. with_member(block.start, "input", input) .. "}"
  self.out:details(words.server_tool(whole, self:next_index()))
end

function END.server_result(self, block)
  local whole = '{"toolResult":' .. with_member(block.start, "content", "[" .. table.concat(block.pieces, ",") .. "]")
    .. "}"
  self.out:details(words.server_tool(whole, self:next_index()))
end

local function image(format, base64)
  return json.encode { type = "image_url", image_url = { url = "data:image/" .. format .. ";base64," .. base64 } }
end

function END.image(self, block)
  self.out:delta('"images":[' .. image(block.format or "png", words.join(block.pieces)) .. "]")
end

function reader:finish_block(index)
  local block = self.blocks[index]
  self.blocks[index] = nil
  if block and END[block.kind] then END[block.kind](self, block) end
end

function ON.contentBlockStop(self, data)
  local index = json.pick(data, "contentBlockIndex")
  if not is_json(index, data) then return false end
  if index then self:finish_block(index) end
end

-- A stream may end without a stop for each block.
function reader:finish_blocks()
  local open = {}
  for index in pairs(self.blocks) do open[#open + 1] = index end
  table.sort(open, function(a, b) return (tonumber(a) or 0) < (tonumber(b) or 0) end)
  for _, index in ipairs(open) do self:finish_block(index) end
end

local function pass(self, members)
  if members ~= "" then self.out.emit('{"object":"chat.completion.chunk","choices":[]' .. members .. "}") end
end

function ON.messageStop(self, data)
  local reason = json.pick(data, "stopReason")
  if not is_json(reason, data) then return false end
  self:finish_blocks()
  pass(self, words.extras(data, { "additionalModelResponseFields" }))
  if not reason then return end
  self.has_stopped = true
  self.out:finish(nil, words.string(reason))
end

function ON.metadata(self, data)
  local usage, metrics = json.pick(data, "usage", "metrics")
  if not is_json(usage, data) then return false end
  pass(self, words.extras(data, { "trace", "performanceConfig" }))
  local counts = usage and words.usage(usage, metrics)
  if counts then self.out:usage(counts) end
  if self.has_stopped then self.out:done() end
  self.is_over = self.has_stopped
end

--- @tparam function emit  called with chunks of chat, and "[DONE]" behind the metadata of an answer that stopped
-- @tparam ?table about  { model }
-- @treturn function  step(name, data, is_error): an event's type (or its exception's) and payload, and whether the
--   framing says that it is one; gives nil and "malformed" for what is no JSON
function bedrock_converse_to_chat.stream(emit, about)
  local family = models.of(about and about.model)
  local r = setmetatable({ out = chunk.writer(emit), family = family, format = words.format_of(family), blocks = {},
                           calls = 0, details = 0 }, reader)
  if models.is_anthropic(family) then r.places = layout.new() end
  return function(name, data, is_error)
    if r.is_over then return end
    if is_error or words.is_exception(name) then
      r.is_over = true
      return r.out:error(words.exception(name, data))
    end
    local on = ON[name]
    if on and on(r, data) == false then return nil, "malformed" end
  end
end

-- ---- whole answers ----

-- A message being put together of its blocks.
local gathering = {}
gathering.__index = gathering

local function add(list, element) list[#list + 1] = element end

function gathering:detail(raw)
  if self.places then
    for _, marker in ipairs(self.places:flush()) do add(self.details, marker) end
  end
  add(self.details, json.raw(raw))
end

-- What each member of a block does, given its decoded value and JSON text.
local BLOCK = {}

function BLOCK.text(self, text)
  add(self.text, text)
  if self.places then self.places:text(layout.chars(text)) end
end

function BLOCK.reasoningContent(self, reasoning)
  if reasoning.redactedContent then
    return self:detail(words.redacted(reasoning.redactedContent, self.family, self.count))
  end
  local thought = reasoning.reasoningText or reasoning
  if thought.text ~= "" then add(self.reasoning, thought.text) end
  self:detail(json.encode { type = "reasoning.text", text = thought.text, signature = thought.signature,
                            format = self.format, index = self.count })
end

function BLOCK.toolUse(self, use, raw)
  if use.type == "server_tool_use" then return self:detail(words.server_tool(raw, self.count)) end
  add(self.calls, { id = use.toolUseId, type = "function", index = #self.calls,
                    ["function"] = { name = use.name, arguments = use.input and tostring(use.input) or "{}" } })
  if self.places then self.places:call(use.toolUseId, {}) end
end

function BLOCK.toolResult(self, _, raw) self:detail(words.server_tool(raw, self.count)) end

function BLOCK.citationsContent(self, cited)
  for _, piece in ipairs(cited.content or {}) do
    if piece.text then BLOCK.text(self, piece.text) end
  end
  for _, citation in ipairs(cited.citations or {}) do
    add(self.annotations, json.raw(words.annotation(tostring(citation))))
  end
end

function BLOCK.image(self, picture)
  local source = picture.source or {}
  if source.bytes then
    add(self.images, json.raw(image(picture.format or "png", source.bytes)))
  elseif source.s3Location then
    add(self.images, { type = "image_url", image_url = { url = source.s3Location.uri } })
  end
end

-- Arguments keep their text, citations theirs.
local KEEP = { input = true }

local function citations_of(raw)
  local list = json.pick(raw, "citationsContent.citations")
  return list and json.elements(list) or nil
end

-- A block has one member. One of an unknown kind is kept. True when it was a block at all.
local function take(g, raw)
  local block = json.read(raw, KEEP)
  if shapes.misfit(block, shapes.BLOCK, "") then return false end
  if block.citationsContent then block.citationsContent.citations = citations_of(raw) end
  local name = next(block)
  local before = #g.details
  if BLOCK[name] then BLOCK[name](g, block[name], raw) elseif name then g:detail(words.server_tool(raw, g.count)) end
  if #g.details > before then g.count = g.count + 1 end
  return true
end

local function filled(list) return list[1] and list or nil end

local function message_of(content, family)
  local g = setmetatable({ text = {}, reasoning = {}, details = {}, calls = {}, annotations = {}, images = {},
                           count = 0, family = family, format = words.format_of(family) }, gathering)
  if models.is_anthropic(family) then g.places = layout.new() end
  for _, raw in ipairs(json.elements(content) or {}) do
    if not take(g, tostring(raw)) then return nil end
  end
  return {
    role = "assistant", content = g.text[1] and table.concat(g.text) or json.null,
    reasoning = g.reasoning[1] and table.concat(g.reasoning) or nil, reasoning_details = filled(g.details),
    tool_calls = filled(g.calls), annotations = filled(g.annotations), images = filled(g.images),
  }
end

local TOLD = { "additionalModelResponseFields", "trace", "performanceConfig" }

--- @tparam string text  a whole body
-- @tparam ?table about  { model }
-- @treturn ?string  a chat completion, or {"error":...} where the body is one; nil and words when it is neither
function bedrock_converse_to_chat.answer(text, about)
  if not json.check(text) then return nil, "the answer is no JSON" end
  local content, reason, usage, metrics = json.pick(text, "output.message.content", "stopReason", "usage", "metrics")
  if not content then
    local message, kind = json.pick(text, "message", "__type")
    if message or kind then return '{"error":' .. text .. "}" end
    return nil, "the answer has no output.message"
  end
  local message = message_of(content, models.of(about and about.model))
  if not message then return nil, "the answer's content is none of Converse's" end
  local counts = usage and words.usage(usage, metrics)
  return '{"object":"chat.completion","choices":[{"index":0,"message":' .. json.encode(message)
    .. (reason and ',"finish_reason":' .. reason .. ',"native_finish_reason":' .. reason or "") .. "}]"
    .. (counts and ',"usage":' .. counts or "") .. words.extras(text, TOLD) .. "}"
end

--- The count in a CountTokens answer.
function bedrock_converse_to_chat.count_answer(text)
  local count = tonumber((json.pick(text, "inputTokens")))
  if not count then return nil, "the answer has no inputTokens" end
  return count
end

return bedrock_converse_to_chat
