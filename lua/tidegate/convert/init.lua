--- The converters, by the names that wires and client formats have: what the core calls.
--
-- One file a direction, `<from>_to_<to>.lua`; chat is the shape between all of them. Every function here takes and
-- gives JSON text. What cannot be converted is nil and a sentence.

local json         = require("tidegate.core").json
local adapter      = require "tidegate.convert.adapter"
local header_lines = require "tidegate.base.header_lines"

local convert = {}

-- The client formats: the two converters of each.
local CLIENTS = { messages = "anthropic_messages", responses = "openai_responses", gemini = "gemini",
                  completions = "completions" }

-- What was required, by name: this is asked several times for each request.
local readers, writers = {}, {}

local function to_chat(name)
  readers[name] = readers[name] or require("tidegate.convert." .. name .. "_to_chat")
  return readers[name]
end

local function from_chat(name)
  writers[name] = writers[name] or require("tidegate.convert.chat_to_" .. name)
  return writers[name]
end

-- Files of the operator's, by their text. Each reload may bring new ones: all go when there are so many.
local ADAPTERS_MAX = 64
local adapters, adapters_count = {}, 0

local function adapter_of(about)
  local found = adapters[about.source]
  if found then return found end
  if adapters_count == ADAPTERS_MAX then adapters, adapters_count = {}, 0 end
  found = adapter.load(about.source, about.converts)
  adapters[about.source], adapters_count = found, adapters_count + 1
  return found
end

-- The converter that makes, or reads, what goes over this wire. An adapter is both.
local function writer_for(about)
  if about.source then return adapter_of(about) end
  return from_chat(about.converts ~= "" and about.converts or "openai_chat")
end

local function reader_for(about)
  if not about.source then return to_chat(about.converts) end
  local own = adapter_of(about)
  return { answer = own.answer, stream = own.stream, embeddings = own.read_embeddings, rerank = own.read_rerank,
           count_answer = own.count_answer }
end

-- The client's beta words beside those that the body needs, each once.
local function with_betas(fields, betas)
  if betas == "" then return fields end
  local all, seen = {}, {}
  for word in ((fields and fields["anthropic-beta"] or "") .. "," .. betas):gmatch "[^,%s]+" do
    if not seen[word] then all[#all + 1] = word end
    seen[word] = true
  end
  local more = {}
  for name, value in pairs(fields or {}) do more[name] = value end
  more["anthropic-beta"] = table.concat(all, ",")
  return more
end

-- ---- requests ----

-- What is lost, as elements of a JSON array.
local function elements(lost)
  local names = {}
  for i, name in ipairs(lost or {}) do names[i] = json.encode(name) end
  return table.concat(names, ",")
end

-- Where a body is no JSON, in the words that a chat gets; else what its converter says.
local function refusal(text, why)
  local fits, fault = json.check(text)
  if fits then return tostring(why) end
  if fault.offset == #text then return ("The body is not JSON: it ends too early, after %d bytes"):format(#text) end
  return ("The body is not JSON: unexpected text at byte %d"):format(fault.offset)
end

--- A client's request as a chat request.
-- @tparam table about  { api, model (of the path, or ""), stream, embeds, is_batch }
-- @treturn ?string  the chat; or OpenAI's request for embeddings
-- @treturn string  the names of what has no place in it, as elements of a JSON array; or the sentence
-- @treturn string  empty: a chat has no header lines
function convert.read_request(text, about)
  local reader = to_chat(CLIENTS[about.api])
  local body, lost = (about.embeds and reader.embeddings_request or reader.request)(text, about)
  if not body then return nil, refusal(text, lost) end
  return body, elements(lost), ""
end

local JOBS = { embeddings = "embeddings", rerank = "rerank", count = "count" }

--- A chat request as the wire has it; or one for embeddings, a rerank, a count.
-- @treturn ?string  the body
-- @treturn string  the names of what has no place in the format, as elements of a JSON array; or the sentence
-- @treturn string  further header lines
function convert.write_request(text, about)
  local write = writer_for(about)[JOBS[about.api] or "request"]
  if not write then return nil, ("%s has no converter for this request"):format(about.wire) end
  local body, lost, fields = write(text, about)
  if not body then return nil, lost end
  return body, elements(lost), header_lines(with_betas(fields, about.betas or ""))
end

-- ---- whole answers ----

--- A provider's whole answer as a chat completion; or as embeddings, a rerank, a count.
function convert.read_answer(text, about)
  local reader = reader_for(about)
  if about.api == "count" then
    local count, why = reader.count_answer(text, about)
    if not count then return nil, why end
    return json.encode { object = "token_count", prompt_tokens = count }
  end
  return reader[JOBS[about.api] or "answer"](text, about)
end

--- A whole chat completion as a client's format has it; or a count, or embeddings.
function convert.write_answer(text, about)
  local writer = from_chat(CLIENTS[about.api])
  if about.counts then return writer.count_answer(json.read(text).prompt_tokens) end
  if about.embeds then return writer.embeddings_answer(text, about) end
  return writer.answer(text, about)
end

-- ---- streams ----

--- A converter of one stream: from a wire, or for a client.
-- @tparam function emit  called with what comes of each event
-- @treturn function  step(name, data, is_error): whether the framing calls the event an error
function convert.open_stream(emit, about)
  if about.wire then return reader_for(about).stream(emit, about) end
  local step = from_chat(CLIENTS[about.api]).stream(emit, about)
  return function(_, data) return step(data) end
end

return convert
