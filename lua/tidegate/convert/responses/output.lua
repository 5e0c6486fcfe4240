--- An answer in the Responses API, made of what a chat answer says.
--
--     local answer = output.new(emit)          -- without emit: only the whole response is wanted
--     answer:start(id, created, model)
--     answer:delta(delta, scores)              -- a chat delta or message, JSON text
--     answer:finish(usage, ...)                -- gives the whole response
--
-- Items come in the order in which the deltas begin them: a text after a call is another message. Calls may be
-- said in turns, so they are open until the end. Ids are made from the response's. Pure.

local json   = require("tidegate.core").json
local sse    = require "tidegate.convert.sse"
local object = require "tidegate.convert.responses.object"
local kinds  = require "tidegate.convert.responses.output_items"
local tag    = require "tidegate.convert.responses.tag"

local output = {}

local answer = {}
answer.__index = answer

--- @tparam ?function emit  called with each frame
function output.new(emit)
  return setmetatable({ emit = emit, sequence = 0, count = 0, items = {}, calls = {} }, answer)
end

-- ---- for the items ----

--- @tparam string members  JSON text without braces; up to three pieces, which are joined only when somebody hears it
function answer:event(kind, members, more, last)
  if not self.emit then return end
  self.emit(sse.event(kind, '{"type":"' .. kind .. '",' .. members .. (more or "") .. (last or "")
    .. ',"sequence_number":' .. self.sequence .. "}"))
  self.sequence = self.sequence + 1
end

--- The place of the next item.
function answer:place()
  self.count = self.count + 1
  return self.count - 1
end

--- An id, JSON text: the same item of the same answer has the same every time.
function answer:name(prefix, index)
  return ('"%s_%s%02d"'):format(prefix, self.suffix, index)
end

-- ---- the beginning ----

--- All JSON texts.
function answer:start(id, created, model)
  self.head = { id = id or '""', created = created or "0", model = model or '""' }
  self.suffix = self.head.id:gsub('^"%a+[-_]', ""):gsub("[^%w]", "")
  if not self.emit then return end
  local response = '"response":' .. object.write(self.head, "in_progress", { output = {} })
  self:event("response.created", response)
  self:event("response.in_progress", response)
end

-- ---- items in turn ----

-- What was being said is over.
function answer:close(status)
  local open = self.open
  if not open then return end
  self.open = nil
  self.items[open.index + 1] = open:close(status or "completed")
end

function answer:message()
  if self.open and self.open.kind == "message" then return self.open end
  self:close()
  self.open = kinds.message(self, self.phase)
  self.phase = nil
  return self.open
end

-- The reasoning item that a detail belongs to. One of this format has an id, and its encrypted content comes last.
function answer:reasoning(is_native, id, is_last)
  local open = self.open
  if open and open.kind == "reasoning" and open.is_native == is_native then
    if not is_native then return open end
    local same = id and open.known == id
    if (same or not (open.data or id and open.known)) and not (is_last and open.data) then
      open:know(id)
      return open
    end
  end
  self:close()
  self.open = kinds.reasoning(self, id, is_native)
  return self.open
end

-- ---- reasoning_details ----

local NATIVE = { ['"openai-responses-v1"'] = true, ['"xai-responses-v1"'] = true }

local function native_detail(self, kind, id, text, summary, data, index)
  if kind == '"reasoning.server_tool_call"' then
    local item = data and json.decode(data)
    if type(item) ~= "string" or not json.split(item) then return end
    self:close()
    local place, whole = kinds.whole(self, item)
    self.items[place + 1] = whole
    return
  end
  local item = self:reasoning(true, id, data)
  if text then item:say(text, index or "") end
  if summary then item:summarise(summary, index or "") end
  if data then item.data = data end
end

local function foreign_detail(self, detail, kind, text, summary, signature, index, format)
  local item = self:reasoning(false)
  item.format = item.format or format
  local raw, key = text or summary, nil
  if raw or signature then key = kind .. (index or "") end
  item:keep(detail, kind, text and "text" or "summary", raw, signature, key)
  if raw then item:say(raw, key) end
end

-- @treturn boolean  was any of them readable text?
function answer:details(list)
  local has_text = false
  for _, detail in ipairs(json.texts(list) or {}) do
    local kind, text, summary, data, signature, id, format, index = json.pick(detail, "type", "text", "summary", "data",
      "signature", "id", "format", "index")
    if kind and NATIVE[format] then
      native_detail(self, kind, id, text, summary, data, index)
    elseif kind then
      foreign_detail(self, detail, kind, text, summary, signature, index, format)
    end
    has_text = has_text or text ~= nil or summary ~= nil
  end
  return has_text
end

-- Reasoning of which nothing is told but its text.
function answer:thought(raw)
  local item = self:reasoning(false)
  item:keep("{}", tag.PLAIN, "text", raw, nil, "plain")
  item:say(raw, "plain")
end

-- ---- tool calls ----

function answer:call(element)
  local index, id, kind, f, custom, space = json.pick(element, "index", "id", "type", "function", "custom", "namespace")
  index = index or "n" .. self.count
  local inside = custom or f or "{}"
  local name, arguments, entered = json.pick(inside, "name", "arguments", "input")
  local open = self.calls[index]
  if not open then
    self:close()
    kind = (kind == '"custom"' or custom) and "custom" or "function"
    open = kinds.call(self, kind, id or '""', name or '""', space)
    self.calls[index] = open
  elseif name and open.name == '""' then
    open.name = name
  end
  local piece = arguments or entered
  if piece then open:piece(piece) end
end

-- ---- deltas ----

local function says(raw) return raw and raw ~= '""' end

local function each(list, say)
  for _, element in ipairs(list and json.texts(list) or {}) do say(element) end
end

-- What else may stand beside a text.
function answer:others(annotations, images, audio)
  each(annotations, function(annotation) self:message():annotate(annotation) end)
  each(images, function(image)
    local id, url = json.pick(image, "id", "image_url.url")
    if not url then return end
    self:close()
    local place, item = kinds.image(self, id, url)
    self.items[place + 1] = item
  end)
  if audio then self:message():sound(json.pick(audio, "data", "transcript")) end
end

--- What a delta, or a whole message, brings.
-- @tparam string delta  JSON text
-- @tparam ?string scores  JSON text: the list of its tokens' probabilities
function answer:delta(delta, scores)
  local content, reasoning, details, calls, refusal, annotations, images, audio, phase = json.pick(delta, "content",
    "reasoning", "reasoning_details", "tool_calls", "refusal", "annotations", "images", "audio", "phase")
  local is_told = details and self:details(details)
  if says(reasoning) and not is_told then self:thought(reasoning) end
  if phase then
    if self.open and self.open.kind == "message" then self:close() end
    self.phase = phase
  end
  if says(content) then self:message():text(content, scores) end
  if says(refusal) then self:message():refuse(refusal) end
  if annotations or images or audio then self:others(annotations, images, audio) end
  each(calls, function(call) self:call(call) end)
end

-- ---- the ends ----

-- Why an answer is not whole, by the contract's finish reasons.
local REASONS = { length = "max_output_tokens", content_filter = "content_filter" }

function answer:close_all(status)
  self:close(status)
  local calls = {}
  for _, open in pairs(self.calls) do calls[#calls + 1] = open end
  table.sort(calls, function(a, b) return a.index < b.index end)
  for _, open in ipairs(calls) do self.items[open.index + 1] = open:close(status) end
  self.calls = {}
end

function answer:done(status, more)
  more.output = self.items
  local response = object.write(self.head, status, more)
  self:event("response." .. status, '"response":', response)
  return response
end

--- The answer is over.
-- @tparam ?string reason  the contract's finish reason, a word
-- @tparam ?string usage  the contract's, JSON text; `metadata` likewise
-- @treturn string  the whole response, JSON text
function answer:finish(reason, usage, metadata)
  local why = REASONS[reason]
  self:close_all(why and "incomplete" or "completed")
  return self:done(why and "incomplete" or "completed",
                   { reason = why, usage = usage and object.usage(usage), metadata = metadata })
end

--- It broke off.
-- @tparam string fault  the contract's error, JSON text
-- @treturn string  the whole response
-- @treturn boolean  is it told as an answer that ran out of tokens, and so as whole as that?
function answer:fail(fault, usage, metadata)
  local code, kind, is_length = object.fault(fault)
  if is_length then return self:finish("length", usage, metadata), true end
  self:close_all("incomplete")
  return self:done("failed", { fault = code, kind = kind, usage = usage and object.usage(usage),
                               metadata = metadata }), false
end

return output
