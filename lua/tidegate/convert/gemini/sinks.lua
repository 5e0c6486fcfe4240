--- Where what gemini/reply.lua reads goes: chunks of a stream, or whole messages.
--
-- Both are made of the JSON text that came, put together and not decoded. Pure.

local json = require("tidegate.core").json

local sinks = {}

-- ---- a stream ----

local streaming = {}
streaming.__index = streaming

--- @tparam table out  from chunk.writer()
function sinks.streaming(out) return setmetatable({ out = out }, streaming) end

function streaming:text(choice, raw)          self.out:text(raw, choice) end
function streaming:detail(choice, item)       self.out:details(item, nil, choice) end
function streaming:image(choice, item)        self.out:delta('"images":[' .. item .. "]", choice) end
function streaming:annotations(choice, items) self.out:delta('"annotations":[' .. items .. "]", choice) end
function streaming:logprobs(choice, raw)      self.out:scored("", raw, choice) end
function streaming:refusal(choice, raw)       self.out:refusal(raw, choice) end
function streaming:error(raw)                 self.out:error(raw) end

function streaming:thought(choice, raw, item)
  self.out:details(item.head .. raw .. item.tail, raw ~= '""' and raw or nil, choice)
end

function streaming:bundle(choice, details)
  for _, detail in ipairs(details) do self:detail(choice, json.encode(detail)) end
end

function streaming:call(choice, index, id, name, arguments)
  self.out:call(index, id or nil, json.encode(name), json.encode(arguments), choice)
end

function streaming:audio(choice, object)
  self.out:delta('"audio":' .. object, choice)
  return true
end

function streaming:finish(choice, reason, native, details)
  if not details then return self.out:finish(reason, native, choice) end
  self.out.emit('{"object":"chat.completion.chunk","choices":[{"index":' .. choice .. ',"delta":{},"finish_reason":'
    .. json.encode(reason or native) .. (native and ',"native_finish_reason":' .. json.encode(native) or "")
    .. ',"native_details":' .. details .. "}]}")
end

function streaming:usage(raw, tier)
  if not tier then return self.out:usage(raw) end
  self.out.emit('{"object":"chat.completion.chunk","choices":[],"service_tier":' .. json.encode(tier) .. ',"usage":'
    .. raw .. "}")
end

-- ---- whole messages ----

local whole = {}
whole.__index = whole

--- @tparam ?function call_id  called with a call's id (JSON text, or nil) and name; gives the id to write
function sinks.whole(call_id) return setmetatable({ choices = {}, call_id = call_id }, whole) end

local function at(self, choice)
  local it = self.choices[choice]
  if not it then
    it = { content = {}, reasoning = {}, details = {}, calls = {}, images = {}, annotations = {}, refusal = {} }
    self.choices[choice] = it
  end
  return it
end

local function add(list, value) list[#list + 1] = value end

-- JSON strings as one.
local function join(raws)
  if not raws[2] then return raws[1] end
  local out = {}
  for i, raw in ipairs(raws) do out[i] = raw:sub(2, -2) end
  return '"' .. table.concat(out) .. '"'
end

function whole:text(choice, raw)          add(at(self, choice).content, raw) end
function whole:image(choice, item)        add(at(self, choice).images, item) end
function whole:annotations(choice, items) add(at(self, choice).annotations, items) end
function whole:refusal(choice, raw)       add(at(self, choice).refusal, raw) end
function whole:detail(choice, item)       add(at(self, choice).details, item) end
function whole:error(raw)                 self.failure = self.failure or raw end

-- Pieces of one thought are one detail.
function whole:thought(choice, raw, item)
  local it = at(self, choice)
  if raw ~= '""' then add(it.reasoning, raw) end
  local last = it.details[#it.details]
  if type(last) == "table" and last.index == item.index then return add(last, raw) end
  add(it.details, { raw, index = item.index, head = item.head, tail = item.tail })
end

-- What another provider thought, its texts among it: they are no thoughts of a Gemini's.
function whole:bundle(choice, details)
  local it = at(self, choice)
  local kept = {}
  for _, item in ipairs(it.details) do
    if type(item) == "string" then add(kept, item) end
  end
  it.details = kept
  for _, detail in ipairs(details) do add(kept, json.encode(detail)) end
end

function whole:call(choice, index, id, name, arguments)
  if self.call_id then id = self.call_id(id, name) end
  add(at(self, choice).calls, '{"index":' .. index .. (id and ',"id":' .. id or "")
    .. ',"type":"function","function":{"name":' .. json.encode(name) .. ',"arguments":' .. json.encode(arguments)
    .. "}}")
end

-- Base64 cannot be joined: a second recording has no place here.
function whole:audio(choice, object)
  local it = at(self, choice)
  if it.audio then return false end
  it.audio = object
  return true
end

function whole:logprobs(choice, raw)
  local it = at(self, choice)
  local more = json.pick(raw, "content"):match "^%[(.*)%]$"
  if more ~= "" then it.logprobs = it.logprobs and it.logprobs .. "," .. more or more end
end

function whole:finish(choice, reason, native, details)
  local it = at(self, choice)
  it.reason, it.native, it.native_details = reason or native, native, details or it.native_details
end

function whole:usage(raw, tier) self.counts, self.tier = raw, tier or self.tier end

local function list(name, items)
  return items[1] and ',"' .. name .. '":[' .. table.concat(items, ",") .. "]" or ""
end

--- What came for a choice, as a message; nil when nothing did.
-- @treturn ?string  JSON text
function whole:message(choice)
  local it = self.choices[choice]
  if not it then return nil end
  local details = {}
  for i, item in ipairs(it.details) do
    details[i] = type(item) == "table" and item.head .. join(item) .. item.tail or item
  end
  return '{"role":"assistant","content":' .. (join(it.content) or "null")
    .. (it.refusal[1] and ',"refusal":' .. join(it.refusal) or "")
    .. (it.reasoning[1] and ',"reasoning":' .. join(it.reasoning) or "")
    .. list("reasoning_details", details) .. list("tool_calls", it.calls) .. list("annotations", it.annotations)
    .. list("images", it.images) .. (it.audio and ',"audio":' .. it.audio or "") .. "}"
end

--- All of it as a chat completion.
-- @tparam ?string id  of the answer, JSON text
-- @tparam ?string model  that gave it, JSON text
-- @treturn ?string  JSON text; nil when no choice came
function whole:completion(id, model)
  local numbers, out = {}, {}
  for choice in pairs(self.choices) do add(numbers, choice) end
  if not numbers[1] then return nil end
  table.sort(numbers)
  for _, choice in ipairs(numbers) do
    local it = self.choices[choice]
    add(out, '{"index":' .. choice .. ',"message":' .. self:message(choice)
      .. (it.logprobs and ',"logprobs":{"content":[' .. it.logprobs .. "]}" or "")
      .. ',"finish_reason":' .. (it.reason and json.encode(it.reason) or "null")
      .. (it.native and ',"native_finish_reason":' .. json.encode(it.native) or "")
      .. (it.native_details and ',"native_details":' .. it.native_details or "") .. "}")
  end
  return '{"id":' .. (id or '""') .. ',"object":"chat.completion","created":0,"model":' .. (model or '""')
    .. (self.tier and ',"service_tier":' .. json.encode(self.tier) or "")
    .. ',"choices":[' .. table.concat(out, ",") .. "]" .. (self.counts and ',"usage":' .. self.counts or "") .. "}"
end

return sinks
