--- What Cohere's API, version 2, answers: /v2/chat as chat completions, /v2/embed and /v2/rerank.
--
-- Thinking, and the plan that goes before tool calls, are reasoning. Both stand in `reasoning_details` once more, so
-- that they can go back as what they were: thinking as reasoning.text, a plan as reasoning.summary. Citations are
-- annotations with the provider's object inside. Pure.

local json  = require("tidegate.core").json
local chunk = require "tidegate.convert.chunk"

local cohere_to_chat = { from = "cohere", to = "chat" }

local FORMAT = '"cohere-v2"'         -- of what chat_to_cohere knows again

-- Is it a text, and not an empty one?
local function says(raw) return raw and raw ~= '""' and raw:byte() == 34 end

-- One string of several, all as JSON text.
local function joined(raws)
  for i, raw in ipairs(raws) do raws[i] = raw:sub(2, -2) end
  return '"' .. table.concat(raws) .. '"'
end

local function detail(kind, member, raw, index)
  return '{"type":"' .. kind .. '","' .. member .. '":' .. raw .. ',"format":' .. FORMAT .. ',"index":' .. index .. "}"
end

local function thinking_detail(raw, index) return detail("reasoning.text", "text", raw, index) end
local function plan_detail(raw, index)     return detail("reasoning.summary", "summary", raw, index) end

local function annotation(raw)
  return '{"type":"citation","format":' .. FORMAT .. ',"citation":' .. raw .. "}"
end

-- ---- counts and probabilities ----

local function number(raw)
  local value = raw and tonumber(raw)
  return value and math.abs(value) < math.huge and value or nil
end

--- Cohere counts twice: `tokens` are what the model saw and said, `billed_units` what is charged. The former are
-- the counts; the latter go along.
local function usage_of(raw)
  local tokens, billed, cached = json.pick(raw, "tokens", "billed_units", "cached_tokens")
  local input, output, thought =
    json.pick(tokens or billed or "{}", "input_tokens", "output_tokens", "reasoning_tokens")
  return json.encode {
    prompt_tokens = number(input), completion_tokens = number(output),
    prompt_tokens_details = cached and { cached_tokens = number(cached) },
    completion_tokens_details = thought and { reasoning_tokens = number(thought) },
    billed_units = billed and json.raw(billed),
  }
end

-- Cohere's { text, token_ids, logprobs }, one or a list, as OpenAI has them. Where one text stands for several
-- tokens, the logarithms of their probabilities add up to the text's.
local function logprobs_of(raw)
  local content = json.array {}
  for i, item in ipairs(json.elements(raw) or { raw }) do
    local text, logprobs = json.pick(tostring(item), "text", "logprobs")
    local sum = 0
    for _, logprob in ipairs(logprobs and json.elements(logprobs) or {}) do
      sum = sum + (number(tostring(logprob)) or 0)
    end
    content[i] = { token = says(text) and json.raw(text) or "", logprob = sum, top_logprobs = json.array {} }
  end
  return json.encode { content = content }
end

-- ---- whole answers ----

-- The texts and the thoughts of a message, in their order, as JSON text of strings.
local function read_content(content)
  local texts, thoughts = {}, {}
  if content and content:sub(1, 1) == '"' then return { content }, thoughts end
  for _, block in ipairs(content and json.elements(content) or {}) do
    local text, thought = json.pick(tostring(block), "text", "thinking")
    if says(text) then texts[#texts + 1] = text end
    if says(thought) then thoughts[#thoughts + 1] = thought end
  end
  return texts, thoughts
end

local function annotations_of(citations)
  local out = {}
  for i, citation in ipairs(json.elements(citations) or {}) do out[i] = annotation(tostring(citation)) end
  return "[" .. table.concat(out, ",") .. "]"
end

local function message_of(message)
  local content, plan, calls, citations = json.pick(message, "content", "tool_plan", "tool_calls", "citations")
  local texts, thoughts = read_content(content)
  local details, out = {}, { '"role":"assistant"' }
  local function add(name, raw) out[#out + 1] = '"' .. name .. '":' .. raw end

  for i, thought in ipairs(thoughts) do details[i] = thinking_detail(thought, i - 1) end
  if says(plan) then
    details[#details + 1] = plan_detail(plan, #details)
    thoughts[#thoughts + 1] = plan
  end
  add("content", texts[1] and joined(texts) or "null")
  if details[1] then
    add("reasoning", joined(thoughts))
    add("reasoning_details", "[" .. table.concat(details, ",") .. "]")
  end
  if calls then add("tool_calls", calls) end
  if citations then add("annotations", annotations_of(citations)) end
  return "{" .. table.concat(out, ",") .. "}"
end

--- @treturn ?string  a chat completion, or an error that stood in a 200; nil and words when it is neither
function cohere_to_chat.answer(text)
  local id, message, reason, used, logprobs = json.pick(text, "id", "message", "finish_reason", "usage", "logprobs")
  if not message then return nil, "the answer has no message" end
  if message:sub(1, 1) == '"' then return '{"error":' .. text .. "}" end
  if message:sub(1, 1) ~= "{" then return nil, "the answer's message is no object" end
  local reasons = reason and ',"finish_reason":' .. reason .. ',"native_finish_reason":' .. reason or ""
  return '{"object":"chat.completion"' .. (id and ',"id":' .. id or "")
    .. ',"choices":[{"index":0,"message":' .. message_of(message)
    .. (logprobs and ',"logprobs":' .. logprobs_of(logprobs) or "") .. reasons .. "}]"
    .. (used and ',"usage":' .. usage_of(used) or "") .. "}"
end

-- ---- streams ----

-- What each event does, by its type. `s`: { out, block, index (of the current detail), is_over }
local on = {}

-- A piece of reasoning: for who reads it, and once more as what it was. A new block is a new detail.
local function think(s, block, of, raw)
  if block ~= s.block then s.block, s.index = block, s.index + 1 end
  s.out:details(of(raw, s.index), raw)
end

local function on_content(s, data)
  local text, thought, block, logprobs =
    json.pick(data, "delta.message.content.text", "delta.message.content.thinking", "index", "logprobs")
  if says(thought) then think(s, block or "", thinking_detail, thought) end
  if not says(text) then return end
  if logprobs then return s.out:scored('"content":' .. text, logprobs_of(logprobs)) end
  s.out:text(text)
end

on["content-start"] = on_content
on["content-delta"] = on_content

on["tool-plan-delta"] = function(s, data)
  local plan = json.pick(data, "delta.message.tool_plan")
  if says(plan) then think(s, "plan", plan_detail, plan) end
end

on["tool-call-start"] = function(s, data)
  local call = "delta.message.tool_calls."
  local index, id, name, arguments =
    json.pick(data, "index", call .. "id", call .. "function.name", call .. "function.arguments")
  s.out:call(index or 0, id, name or '""', arguments)
end

on["tool-call-delta"] = function(s, data)
  local index, arguments = json.pick(data, "index", "delta.message.tool_calls.function.arguments")
  if says(arguments) then s.out:arguments(index or 0, arguments) end
end

on["citation-start"] = function(s, data)
  local citation = json.pick(data, "delta.message.citations")
  if citation then s.out:delta('"annotations":[' .. annotation(citation) .. "]") end
end

-- The end. What failed in between is told here, with or without words.
on["message-end"] = function(s, data)
  local reason, used, words = json.pick(data, "delta.finish_reason", "delta.usage", "delta.error")
  s.is_over = true
  if used then s.out:usage(usage_of(used)) end
  if words then return s.out:error(words) end
  if reason then s.out:finish(nil, json.decode(reason)) end
  s.out:done()
end

-- Events of no known type carry nothing for a client, unless they tell an error.
local function on_other(s, data)
  local words, message = json.pick(data, "error", "message")
  if not words and not (message and message:sub(1, 1) == '"') then return end
  s.is_over = true
  s.out:error(words or data)
end

--- Behind message-end comes `[DONE]` all the same; it says nothing.
function cohere_to_chat.stream(emit)
  local s = { out = chunk.writer(emit), index = -1 }
  return function(name, data)
    if s.is_over or data == "[DONE]" then return end
    if not json.check(data) then return nil, "malformed" end
    if not on[name] then name = json.decode(json.pick(data, "type") or '""') end
    local handle = on[name] or on_other
    handle(s, data)
  end
end

-- ---- embeddings ----

local TYPES = { "float", "base64", "int8", "uint8", "binary", "ubinary" }

-- The vectors, whichever type was asked for; Cohere's first version had no types.
local function vectors_of(embeddings)
  if embeddings:sub(1, 1) == "[" then return json.elements(embeddings) end
  for _, kind in ipairs(TYPES) do
    local vectors = json.elements(json.pick(embeddings, kind) or "[]")
    if vectors and vectors[1] then return vectors end
  end
end

local function embedding_usage(answer)
  local units = "meta.billed_units"
  local tokens, texts, images, billed = json.pick(answer, "meta.tokens.input_tokens", units .. ".input_tokens",
    units .. ".image_tokens", units)
  local count = number(tokens) or (number(texts) or 0) + (number(images) or 0)
  return json.encode { prompt_tokens = count, total_tokens = count, billed_units = billed and json.raw(billed) }
end

--- @treturn ?string  a list of embeddings; their numbers as they came
function cohere_to_chat.embeddings(text)
  local id, embeddings = json.pick(text, "id", "embeddings")
  local vectors = embeddings and vectors_of(embeddings)
  if not vectors then return nil, "the answer has no embeddings" end
  for i, vector in ipairs(vectors) do
    vectors[i] = '{"object":"embedding","index":' .. i - 1 .. ',"embedding":' .. tostring(vector) .. "}"
  end
  return '{"object":"list"' .. (id and ',"id":' .. id or "") .. ',"data":[' .. table.concat(vectors, ",")
    .. '],"usage":' .. embedding_usage(text) .. "}"
end

-- ---- rerank ----

-- A document, where the provider says it again: its text, or the object that it is.
local function result_of(raw)
  local index, score, document = json.pick(raw, "index", "relevance_score", "document")
  if document and document:sub(1, 1) == '"' then document = '{"text":' .. document .. "}" end
  return '{"index":' .. (index or "0") .. ',"relevance_score":' .. (score or "0")
    .. (document and ',"document":' .. document or "") .. "}"
end

--- @treturn ?string  { id, results: [{ index, relevance_score, document }], usage: { search_units, total_tokens } }
function cohere_to_chat.rerank(text)
  local id, list, units, tokens =
    json.pick(text, "id", "results", "meta.billed_units.search_units", "meta.tokens.input_tokens")
  local results = list and json.elements(list)
  if not results then return nil, "the answer has no results" end
  for i, result in ipairs(results) do results[i] = result_of(tostring(result)) end
  local counts = {}
  if units then counts[1] = '"search_units":' .. units end
  if tokens then counts[#counts + 1] = '"total_tokens":' .. tokens end
  return "{" .. (id and '"id":' .. id .. "," or "") .. '"results":[' .. table.concat(results, ",")
    .. '],"usage":{' .. table.concat(counts, ",") .. "}}"
end

return cohere_to_chat
