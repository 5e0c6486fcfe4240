--- Items of the Responses API that are the assistant's, as one chat message.
--
--     local turn = items.turn()
--     turn:add(item)           -- JSON text, in the order in which they stand
--     turn:message()           -- { content, reasoning, reasoning_details, tool_calls, ... }
--
-- Whole answers, streams (for what they tell only at the end) and the history in a request are all read here. A
-- message has one text and its calls behind it; where reasoning stood between them its details say so in
-- `after`, the number of texts and calls before it. What the provider ran itself (a search, a call of an MCP
-- server, ...) is kept as it is in `reasoning_details`. Pure.

local json      = require("tidegate.core").json
local citations = require "tidegate.convert.responses.citations"
local tag       = require "tidegate.convert.responses.tag"

local items = {}

items.FORMAT = "openai-responses-v1"

-- What stands between two thoughts where the text of all is one string.
items.BETWEEN = "\n\n"

local KEEP = { annotations = true, logprobs = true }

local turn = {}
turn.__index = turn

--- @tparam ?table before  what a stream told already: `calls` and `details`, how many; `own`, texts and calls;
--   `has_text`
-- @tparam ?function is_ours  is a custom tool call, decoded, the client's to answer? Default: each is
function items.turn(before, is_ours)
  before = before or {}
  return setmetatable({
    texts = {}, refusals = {}, thoughts = {}, logprobs = {}, annotations = json.array {}, details = json.array {},
    calls = json.array {}, images = json.array {},
    first_call = before.calls or 0, first_detail = before.details or 0, own = before.own or 0,
    has_text = before.has_text, is_ours = is_ours,
  }, turn)
end

function turn:count(own) self.own = self.own + own end

--- The elements of a list that are objects; what is no list has none.
function items.objects(list)
  local out = {}
  for _, element in ipairs(type(list) == "table" and list or {}) do
    if type(element) == "table" then out[#out + 1] = element end
  end
  return out
end

local function put(list, text)
  if type(text) == "string" then list[#list + 1] = text end
end

-- ---- texts ----

-- The elements of a kept list, each through `change`, behind `list`.
local function append(list, raw, change)
  for _, text in ipairs(raw and json.texts(tostring(raw)) or {}) do
    list[#list + 1] = change and json.raw(change(text)) or text
  end
end

local PARTS = {}

function PARTS.output_text(t, part)
  put(t.texts, part.text)
  append(t.logprobs, part.logprobs)
end
PARTS.input_text, PARTS.text = PARTS.output_text, PARTS.output_text

function PARTS.refusal(t, part) put(t.refusals, part.refusal) end

function PARTS.output_audio(t, part) t.audio = { data = part.data, transcript = part.transcript } end

--- An annotation, JSON text, as chat has it.
items.annotation = citations.to_chat

local function add_message(t, item, said)
  local content = item.content
  if type(content) == "string" then content = { { type = "output_text", text = content } } end
  for _, part in ipairs(items.objects(content)) do
    local read = PARTS[part.type]
    if read and not said.text then read(t, part) end
    if not said.annotations then append(t.annotations, part.annotations, items.annotation) end
  end
  if not said.text then
    if not t.has_text then t:count(1) end
    t.has_text = true
  end
  if not said.phase then t.phase = t.phase or item.phase end
end

-- ---- calls ----

local function add_call(t, call)
  call.index = t.first_call + #t.calls
  t.calls[#t.calls + 1] = call
  t:count(1)
end

local function add_function(t, item)
  local arguments = item.arguments or ""
  if type(arguments) ~= "string" then arguments = json.encode(arguments) end
  add_call(t, { id = item.call_id or item.id, type = "function", namespace = item.namespace,
                ["function"] = { name = item.name or "", arguments = arguments } })
end

local function add_custom(t, item)
  add_call(t, { id = item.call_id or item.id, type = "custom", namespace = item.namespace,
                custom = { name = item.name, input = item.input or "" } })
end

-- ---- reasoning ----

--- What every detail has that was made here: JSON text of the members, begun with a comma.
-- @tparam ?string id  of the item, JSON text
-- @tparam string format  JSON text
-- @tparam number index  of the detail in its answer
-- @tparam number own  texts and calls before it
function items.origin(id, format, index, own)
  return (id and ',"id":' .. id or "") .. ',"format":' .. format .. ',"index":' .. index
    .. (own > 0 and ',"after":' .. own or "")
end

local function add_detail(t, item, detail, index)
  detail.id, detail.format = item.id, item.format or items.FORMAT
  detail.index = index or t.first_detail + #t.details
  detail.after = t.own > 0 and t.own or nil
  t.details[#t.details + 1] = detail
  return detail
end

local function add_thought(t, text)
  if text ~= "" then put(t.thoughts, text) end
end

-- What came through encrypted_content comes out as it went in.
local function add_tagged(t, elements)
  for _, element in ipairs(elements) do
    local kind, text, summary = json.pick(tostring(element), "type", "text", "summary")
    text = text or summary
    add_thought(t, text and json.decode(text))
    if kind ~= tag.PLAIN then t.details[#t.details + 1] = element end
  end
end

local function add_reasoning(t, item, said)
  local tagged, last = tag.read(item.encrypted_content)
  if tagged then return add_tagged(t, tagged) end
  for _, part in ipairs(items.objects(not said.text and item.summary)) do
    add_detail(t, item, { type = "reasoning.summary", summary = part.text })
    add_thought(t, part.text)
  end
  for _, part in ipairs(items.objects(not said.text and item.content)) do
    last = add_detail(t, item, { type = "reasoning.text", text = part.text })
    add_thought(t, part.text)
  end
  -- OpenRouter's own member for what other providers sign.
  if item.signature then
    last = last or add_detail(t, item, { type = "reasoning.text" }, said.index)
    last.signature = item.signature
  end
  if item.encrypted_content then
    add_detail(t, item, { type = "reasoning.encrypted", data = item.encrypted_content })
  end
end

-- ---- all the others ----

local function add_image(t, item)
  t.images[#t.images + 1] = { type = "image_url", id = item.id,
                              image_url = { url = "data:image/" .. tostring(item.output_format or "png") .. ";base64,"
                                                  .. item.result } }
end

local function add_other(t, raw)
  add_detail(t, {}, { type = "reasoning.server_tool_call", data = raw })
end

local READERS = { message = add_message, function_call = add_function, reasoning = add_reasoning }

--- @tparam string raw  an item, JSON text
-- @tparam ?table said  what of it was told already: `text`, `annotations`, `phase`; `index` of its last detail
function turn:add(raw, said)
  local item = json.read(raw, KEEP)
  if type(item) ~= "table" or json.is_array(item) then return end
  local kind = item.type or "message"
  if kind == "custom_tool_call" and (not self.is_ours or self.is_ours(item)) then
    add_custom(self, item)
  elseif kind == "image_generation_call" and type(item.result) == "string" then
    add_image(self, item)
  elseif READERS[kind] then
    READERS[kind](self, item, said or {})
  else
    add_other(self, raw)
  end
end

-- ---- what came of it ----

local function joined(list, between) return list[1] and table.concat(list, between) or nil end
local function filled(list) return list[1] and list or nil end

--- The members of a chat message, without its role.
function turn:message()
  return {
    content = joined(self.texts), refusal = joined(self.refusals), reasoning = joined(self.thoughts, items.BETWEEN),
    reasoning_details = filled(self.details), annotations = filled(self.annotations), images = filled(self.images),
    tool_calls = filled(self.calls), audio = self.audio, phase = self.phase,
  }
end

--- The probabilities of its tokens, JSON text of OpenAI's object; nil when there are none.
function turn:scores()
  return self.logprobs[1] and '{"content":[' .. table.concat(self.logprobs, ",") .. "]}"
end

--- Which custom tools a request offered: a custom call of another name is one that the provider runs itself, as
-- xAI's search of X is.
-- @tparam ?string tools  JSON text of `tools`, as requests have it and answers repeat it
-- @treturn ?function  is_ours, for turn(); nil when no tools are told
function items.offered(tools)
  local list = tools and json.elements(tools)
  if not list or not list[1] then return nil end
  local names = {}
  for _, tool in ipairs(list) do
    local kind, name = json.pick(tostring(tool), "type", "name")
    if kind == '"custom"' and name then names[json.decode(name)] = true end
  end
  return function(call) return names[call.name] end
end

--- Details, and a turn's own texts and calls, in the order in which they came.
-- @tparam table details  elements with `after`, or without one where nothing stood before them
-- @tparam table own  the text, if there is one, and the calls
-- @treturn table  all of them
function items.merge(details, own)
  local out, used = {}, 0
  local function take(upto)
    while used < upto and own[used + 1] ~= nil do
      used = used + 1
      out[#out + 1] = own[used]
    end
  end
  for _, detail in ipairs(details) do
    take(type(detail.after) == "number" and detail.after or 0)
    out[#out + 1] = detail
  end
  take(#own)
  return out
end

return items
