--- A chat message of the model's as Anthropic's blocks, in the order in which they once stood.
--
-- For the earlier turns of a request to Anthropic, and for whole answers to Anthropic's clients, who also get what
-- only comes back (anthropic/carrier.lua) and what Anthropic would refuse. The other way is anthropic/blocks.lua.

local json    = require("tidegate.core").json
local chat    = require "tidegate.convert.chat"
local carrier = require "tidegate.convert.anthropic.carrier"
local layout  = require "tidegate.convert.anthropic.layout"
local media   = require "tidegate.convert.anthropic.media"

local anthropic_message = {}

-- ---- citations ----

local function is_table(v) return type(v) == "table" end

-- Where in the text an annotation belongs; nil when it does not say.
local function place_of(a)
  local at = is_table(a.url_citation) and a.url_citation.start_index or a.start_index
  return type(at) == "number" and at or nil
end

--- A citation for an annotation; nil for those that Anthropic's format has no word for.
function anthropic_message.citation(a, for_client)
  if a.format == "anthropic-messages" and a.citation then return a.citation end
  local page = a.url_citation
  if not for_client or a.type ~= "url_citation" or not is_table(page) then return nil end
  return { type = "web_search_result_location", url = page.url or "", title = page.title or "",
           cited_text = page.content or "", encrypted_index = "" }
end

-- ---- the parts of a message, taken one by one ----

local writer = {}
writer.__index = writer

local function annotations_of(message)
  local list = {}
  for _, a in ipairs(is_table(message.annotations) and message.annotations or {}) do
    if is_table(a) then list[#list + 1] = a end
  end
  return list
end

local function texts_of(message)
  local texts = {}
  local parts = chat.parts(message.content)
  for _, part in ipairs(is_table(parts) and parts or {}) do
    if is_table(part) then texts[#texts + 1] = part end
  end
  return texts
end

-- Citations of a text that ends at `to`; all that are left when it is the last.
function writer:citations_until(to)
  local out, rest = {}, {}
  for _, a in ipairs(self.annotations) do
    local at = place_of(a)
    if to and (not at or at >= to) then
      rest[#rest + 1] = a
    else
      out[#out + 1] = anthropic_message.citation(a, self.for_client)
    end
  end
  self.annotations = rest
  return out[1] and out or nil
end

function writer:put_text(part, is_last)
  local block = media.block(part, self.lost)
  if not block then return end
  if block.type == "image" and not self.for_client then
    self.lost["messages.image"] = true         -- a model's turn may hold none
    return
  end
  if block.type == "text" then
    self.at = self.at + layout.chars(block.text)
    if not self.for_client and not block.text:find "%S" then return end      -- Anthropic refuses blank text
    block.citations = self:citations_until(not is_last and self.at or nil)
  end
  self.out[#self.out + 1] = block
end

-- The next `chars` characters, in as many blocks as they stand in parts.
function writer:put_chars(chars)
  while chars > 0 and self.texts[1] do
    local part = self.texts[1]
    local text = part.text or ""
    local has = type(text) == "string" and layout.chars(text) or 0
    if has <= chars then
      table.remove(self.texts, 1)
      self:put_text(part, not self.texts[1])
    else
      local head, rest = layout.cut(text, chars)
      self:put_text { type = "text", text = head }
      self.texts[1] = { type = "text", text = rest, cache_control = part.cache_control }
    end
    chars = chars - has
  end
end

function writer:put_call(call, more)
  local name, arguments = chat.called(call)
  if not name then
    self.lost["messages.tool_calls"] = true
    return
  end
  local block = { type = "tool_use", id = self.id(call.id), name = name,
                  input = json.raw(arguments), cache_control = call.cache_control }
  for member, value in pairs(more or {}) do block[member] = block[member] or value end
  self.out[#self.out + 1] = block
end

function writer:put_call_of(id, more)
  for i, call in ipairs(self.calls) do
    if call.id == id then
      table.remove(self.calls, i)
      return self:put_call(call, more)
    end
  end
end

-- A block of Anthropic's own, or a marker of where text or a call stood.
function writer:put_kept(detail)
  local block = type(detail.data) == "string" and json.read(detail.data)
  if not is_table(block) then return end
  if block.type == "text" and block.chars then return self:put_chars(tonumber(block.chars) or 0) end
  if block.type == "tool_use" then
    local id = block.id
    block.type, block.id = nil, nil
    return self:put_call_of(id, block)
  end
  self.out[#self.out + 1] = json.raw(detail.data)
end

-- ---- reasoning ----

-- Fragments of one text stand side by side; its signature ends it.
local function continues(text, detail)
  return text and not text.signature and text.type == detail.type and text.index == detail.index
    and text.format == detail.format
end

local function add_fragment(text, detail)
  local member = carrier.text_in(detail)
  for name, value in pairs(detail) do
    if name ~= member then
      text[name] = value
    elseif type(value) == "string" then
      text[name] = (text[name] or "") .. value
    end
  end
  return text
end

function writer:put_thought(text)
  local signature = carrier.signature(text)
  if signature == "" and not self.for_client then
    self.lost["messages.reasoning"] = true
    return
  end
  self.out[#self.out + 1] = { type = "thinking", thinking = text[carrier.text_in(text)] or "", signature = signature }
end

function writer:put_detail(detail)
  local is_own = detail.format == layout.FORMAT
  if not is_own and not self.for_client then
    self.lost["messages.reasoning"] = true
    return
  end
  if carrier.text_in(detail) then return self:put_thought(detail) end
  if is_own and detail.type == "reasoning.server_tool_call" then return self:put_kept(detail) end
  if detail.type == "reasoning.encrypted" or not is_own then
    self.out[#self.out + 1] = carrier.redacted(detail)
  end
end

local function is_shown(details)
  for _, detail in ipairs(details) do
    if carrier.text_in(detail) and (detail[carrier.text_in(detail)] or "") ~= "" then return true end
  end
end

-- The details with the fragments of each text put together.
local function whole_details(message)
  local out = {}
  for _, detail in ipairs(is_table(message.reasoning_details) and message.reasoning_details or {}) do
    if is_table(detail) then
      local text = carrier.text_in(detail)
      if text and continues(out[#out], detail) then
        add_fragment(out[#out], detail)
      else
        out[#out + 1] = text and add_fragment({}, detail) or detail
      end
    end
  end
  return out
end

-- ---- all of it ----

local function list_of(value)
  local out = {}
  for _, item in ipairs(is_table(value) and value or {}) do
    if is_table(item) then out[#out + 1] = item end
  end
  return out
end

function writer:put_images(images)
  for _, image in ipairs(images) do
    if self.for_client then
      self.out[#self.out + 1] = media.block(image, self.lost)
    else
      self.lost["messages.image"] = true
    end
  end
end

--- The blocks of a message.
-- @tparam table message
-- @tparam table options  for_client; id(id): what Anthropic may call this call; lost: a set of names
-- @treturn table  a list, perhaps empty
function anthropic_message.blocks(message, options)
  local self = setmetatable({
    out = json.array {}, texts = texts_of(message), calls = list_of(message.tool_calls), at = 0,
    annotations = annotations_of(message), for_client = options.for_client, lost = options.lost or {},
    id = options.id or function(id) return id end,
  }, writer)
  local details = whole_details(message)
  local thought = message.reasoning or message.reasoning_content
  if type(thought) == "string" and thought ~= "" and not is_shown(details) then
    self:put_thought { type = "reasoning.text", text = thought }
  end
  for _, detail in ipairs(details) do self:put_detail(detail) end
  while self.texts[1] do self:put_text(table.remove(self.texts, 1), not self.texts[1]) end
  if type(message.refusal) == "string" and message.refusal ~= "" and not options.has_stop_details then
    self:put_text({ type = "text", text = message.refusal }, true)
  end
  self:put_images(list_of(message.images))
  for _, call in ipairs(self.calls) do self:put_call(call) end
  return self.out
end

return anthropic_message
