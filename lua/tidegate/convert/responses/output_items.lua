--- The items of an answer in the Responses API, while they grow.
--
-- Each kind is told with its own events: `new` says that it begins, `close` that it is over and gives the whole item.
-- The format repeats in the end what it said before, so texts are kept, as the pieces of JSON that they came in.
-- `answer` is the responses_output that an item is of: it has event(), place(), name(). Pure.

local json      = require("tidegate.core").json
local citations = require "tidegate.convert.responses.citations"
local edit      = require "tidegate.convert.edit"
local tag       = require "tidegate.convert.responses.tag"

local output_items = {}

-- JSON text of one string, from the JSON texts of its pieces without their quotes.
local function whole(pieces) return '"' .. table.concat(pieces) .. '"' end

local function add(pieces, raw) pieces[#pieces + 1] = raw:sub(2, -2) end

local function list(elements) return "[" .. table.concat(elements, ",") .. "]" end

-- @tparam table|string item  one that has json(), or its JSON text
local function begin(answer, index, item)
  if not answer.emit then return end
  answer:event("response.output_item.added", '"output_index":' .. index .. ',"item":',
    type(item) == "string" and item or item:json("in_progress"))
end

local function finish(answer, index, item)
  answer:event("response.output_item.done", '"output_index":' .. index, ',"item":', item)
  return item
end

-- ---- messages ----

local message = {}
message.__index = message

--- @tparam ?string phase  JSON text: "commentary" or "final_answer"
function output_items.message(answer, phase)
  local index = answer:place()
  local self = setmetatable({ kind = "message", answer = answer, index = index, id = answer:name("msg", index),
                              phase = phase, parts = {} }, message)
  begin(answer, index, self)
  return self
end

function message:json(status)
  return '{"id":' .. self.id .. ',"type":"message","status":"' .. status .. '","content":' .. list(self.parts)
    .. (self.phase and ',"phase":' .. self.phase or "") .. ',"role":"assistant"}'
end

local PART = {}

function PART.output_text(part)
  return '{"type":"output_text","annotations":' .. list(part.annotations) .. ',"logprobs":' .. list(part.logprobs)
    .. ',"text":' .. whole(part.pieces) .. "}"
end

function PART.refusal(part) return '{"type":"refusal","refusal":' .. whole(part.pieces) .. "}" end

-- The part of this kind that is being said.
function message:part(kind)
  local part = self.open
  if part and part.kind == kind then return part end
  self:close_part()
  part = { kind = kind, pieces = {}, annotations = {}, logprobs = {},
           at = '"item_id":' .. self.id .. ',"output_index":' .. self.index .. ',"content_index":' .. #self.parts }
  self.open = part
  self.answer:event("response.content_part.added", part.at, ',"part":', PART[kind](part))
  return part
end

--- @tparam ?string scores  JSON text: a list of the tokens' probabilities
function message:text(raw, scores)
  local part = self:part "output_text"
  add(part.pieces, raw)
  local inside = scores and scores:match "^%s*%[%s*(.-)%s*%]%s*$"
  if inside and inside ~= "" then part.logprobs[#part.logprobs + 1] = inside end
  self.answer:event("response.output_text.delta", part.at .. ',"logprobs":' .. (scores or "[]"), ',"delta":', raw)
end

function message:refuse(raw)
  local part = self:part "refusal"
  add(part.pieces, raw)
  self.answer:event("response.refusal.delta", part.at, ',"delta":', raw)
end

function message:annotate(annotation)
  local part = self:part "output_text"
  local number = #part.annotations
  part.annotations[number + 1] = citations.from_chat(annotation)
  self.answer:event("response.output_text.annotation.added", part.at .. ',"annotation_index":' .. number
    .. ',"annotation":' .. part.annotations[number + 1])
end

--- Sound, and what it says; pieces of either.
function message:sound(data, transcript)
  self.audio = self.audio or { data = {}, transcript = {} }
  if data then
    add(self.audio.data, data)
    self.answer:event("response.audio.delta", '"delta":' .. data)
  end
  if transcript then
    add(self.audio.transcript, transcript)
    self.answer:event("response.audio.transcript.delta", '"delta":' .. transcript)
  end
end

local DONE = { output_text = "text", refusal = "refusal" }

function message:close_part()
  local part = self.open
  if not part then return end
  self.open = nil
  local kind, json_of_part = part.kind, PART[part.kind](part)
  self.parts[#self.parts + 1] = json_of_part
  if not self.answer.emit then return end
  self.answer:event("response." .. kind .. ".done", part.at .. ',"' .. DONE[kind] .. '":', whole(part.pieces),
    kind == "output_text" and ',"logprobs":' .. list(part.logprobs) or "")
  self.answer:event("response.content_part.done", part.at, ',"part":', json_of_part)
end

function message:close(status)
  self:close_part()
  if self.audio then
    self.answer:event("response.audio.done", '"item_id":' .. self.id)
    self.answer:event("response.audio.transcript.done", '"item_id":' .. self.id)
    self.parts[#self.parts + 1] = '{"type":"output_audio","data":' .. whole(self.audio.data) .. ',"transcript":'
      .. whole(self.audio.transcript) .. "}"
  end
  return finish(self.answer, self.index, self:json(status))
end

-- ---- reasoning ----

local reasoning = {}
reasoning.__index = reasoning

--- @tparam ?string id  JSON text; without one it is made up
-- @tparam boolean is_native  is it of this format, not another provider's?
function output_items.reasoning(answer, id, is_native)
  local index = answer:place()
  local self = setmetatable({ kind = "reasoning", answer = answer, index = index, id = id or answer:name("rs", index),
                              known = id, is_native = is_native, summary = {}, content = {}, kept = {} }, reasoning)
  begin(answer, index, self)
  return self
end

--- Its id, once a detail tells it. What was streamed under a made-up one keeps that.
function reasoning:know(id)
  if id and not self.known and not self.answer.emit then self.id = id end
  self.known = self.known or id
end

function reasoning:json(status)
  local data = self.data
  if self.kept[1] then data = tag.write(self:details()) end
  return '{"id":' .. self.id .. ',"type":"reasoning","summary":' .. list(self.summary)
    .. (self.content[1] and ',"content":' .. list(self.content) or "")
    .. (data and ',"encrypted_content":' .. data or "") .. (self.format and ',"format":' .. self.format or "")
    .. ',"status":"' .. status .. '"}'
end

-- The two kinds of parts, and the names of their events and members.
local SUMMARY = { list = "summary", type = "summary_text", place = "summary_index",
  part = "response.reasoning_summary_part", text = "response.reasoning_summary_text" }
local CONTENT = { list = "content", type = "reasoning_text", place = "content_index",
  part = "response.content_part", text = "response.reasoning_text" }

local function part_json(part) return '{"type":"' .. part.names.type .. '","text":' .. whole(part.pieces) .. "}" end

function reasoning:close_part()
  local part = self.open
  if not part then return end
  self.open = nil
  self.answer:event(part.names.text .. ".done", part.at .. ',"text":' .. whole(part.pieces))
  self.answer:event(part.names.part .. ".done", part.at .. ',"part":' .. part_json(part))
  local of = self[part.names.list]
  of[#of + 1] = part_json(part)
end

-- A piece of the part with this key: another key begins another part.
function reasoning:piece(names, key, raw)
  local part = self.open
  if not part or part.key ~= key then
    self:close_part()
    part = { names = names, key = key, pieces = {}, at = '"item_id":' .. self.id .. ',"output_index":' .. self.index
      .. ',"' .. names.place .. '":' .. #self[names.list] }
    self.open = part
    self.answer:event(names.part .. ".added", part.at .. ',"part":' .. part_json(part))
  end
  add(part.pieces, raw)
  self.answer:event(names.text .. ".delta", part.at .. ',"delta":' .. raw)
end

--- Text of the reasoning, and of a summary of it; `key` tells parts apart.
function reasoning:say(raw, key)       self:piece(CONTENT, "c" .. key, raw) end
function reasoning:summarise(raw, key) self:piece(SUMMARY, "s" .. key, raw) end

--- Is this a fragment of the detail before? Then it has no more than text or a signature.
local function goes_on(last, key, raw)
  return last and last.key == key and not (last.signature and raw)
end

-- Members of a fragment that are the same in all fragments of a detail.
local FRAGMENT = { type = true, text = true, summary = true, signature = true }

local function rest_of(fragment)
  local members, names = json.members(fragment)
  local out = {}
  for _, name in ipairs(names or {}) do
    if not FRAGMENT[name] then out[#out + 1] = "," .. edit.member(name, members[name]) end
  end
  return table.concat(out)
end

--- Keep a detail that the format has no place for, until it goes into encrypted_content.
-- @tparam string fragment  the detail, or a piece of it
-- @tparam string kind  its type; `member`, the name of its text if it has such; `raw`, its text; `signature`
-- @tparam ?string key  of what fragments belong together; nil: it is whole
function reasoning:keep(fragment, kind, member, raw, signature, key)
  local last = self.kept[#self.kept]
  if not key or not goes_on(last, key, raw) then
    last = key and { key = key, kind = kind, member = member, rest = rest_of(fragment) } or { fragment = fragment }
    self.kept[#self.kept + 1] = last
  end
  if raw and key then
    last.pieces = last.pieces or {}
    add(last.pieces, raw)
  end
  last.signature = signature or last.signature
end

--- What was kept: elements of `reasoning_details`, JSON texts.
function reasoning:details()
  local out = {}
  for i, kept in ipairs(self.kept) do
    out[i] = kept.fragment or '{"type":' .. kept.kind
      .. (kept.pieces and ',"' .. kept.member .. '":' .. whole(kept.pieces) or "")
      .. (kept.signature and ',"signature":' .. kept.signature or "") .. kept.rest .. "}"
  end
  return out
end

function reasoning:close(status)
  self:close_part()
  return finish(self.answer, self.index, self:json(status))
end

-- ---- calls ----

local call = {}
call.__index = call

local CALLS = {
  ["function"] = { type = "function_call", prefix = "fc", member = "arguments",
                   event = "response.function_call_arguments" },
  custom = { type = "custom_tool_call", prefix = "ctc", member = "input", event = "response.custom_tool_call_input" },
}

--- @tparam string kind  "function" or "custom"
-- @tparam string call_id  JSON text, as are `name` and `space`
function output_items.call(answer, kind, call_id, name, space)
  local index, names = answer:place(), CALLS[kind]
  local self = setmetatable({ kind = "call", answer = answer, index = index, names = names, call_id = call_id,
                              id = answer:name(names.prefix, index), name = name, space = space, pieces = {} }, call)
  self.at = '"item_id":' .. self.id .. ',"output_index":' .. index
  begin(answer, index, self)
  return self
end

function call:json(status)
  return '{"id":' .. self.id .. ',"type":"' .. self.names.type .. '","status":"' .. status .. '","'
    .. self.names.member .. '":' .. whole(self.pieces) .. ',"call_id":' .. self.call_id .. ',"name":' .. self.name
    .. (self.space and ',"namespace":' .. self.space or "") .. "}"
end

function call:piece(raw)
  if raw == '""' then return end
  add(self.pieces, raw)
  self.answer:event(self.names.event .. ".delta", self.at .. ',"delta":' .. raw)
end

function call:close(status)
  self.answer:event(self.names.event .. ".done", self.at .. ',"name":' .. self.name .. ',"' .. self.names.member
    .. '":' .. whole(self.pieces))
  return finish(self.answer, self.index, self:json(status))
end

-- ---- what comes whole ----

--- @tparam string item  JSON text
-- @treturn number  its place
-- @treturn string  the item
function output_items.whole(answer, item)
  -- Line ends can only be white space here, and would end a frame.
  if item:find "[\r\n]" then item = item:gsub("[\r\n]", " ") end
  local index = answer:place()
  begin(answer, index, item)
  return index, finish(answer, index, item)
end

--- An image that was made: bytes in a data URL.
-- @tparam ?string id  JSON text, as is `url`
function output_items.image(answer, id, url)
  local index = answer:place()
  id = id or answer:name("ig", index)
  local bytes = url:match '^"[Dd]ata:[^,]*,(.*)"$'
  local function item(status, result)
    return '{"id":' .. id .. ',"type":"image_generation_call","status":"' .. status .. '","result":' .. result
      .. (bytes and "" or ',"image_url":' .. url) .. "}"
  end
  begin(answer, index, item("in_progress", "null"))
  return index, finish(answer, index, item("completed", bytes and '"' .. bytes .. '"' or "null"))
end

return output_items
