--- What Ollama's own API answers: /api/chat as chat completions, /api/embed.
--
-- Tool calls come whole, their arguments an object. The last line of a stream says so (`done`) and has the counts;
-- an error is a line of its own. What Ollama measures goes along in `usage`. Pure.

local json    = require("tidegate.core").json
local chunk   = require "tidegate.convert.chunk"
local vectors = require "tidegate.convert.vectors"

local ollama_to_chat = { from = "ollama", to = "chat" }

-- Is it a text, and not an empty one?
local function says(raw) return raw and raw ~= '""' and raw:byte() == 34 end

-- ---- pieces ----

-- Images come as bare base64, which begins as the format's first bytes do.
local MEDIA = { ["/9j/"] = "image/jpeg", iVBO = "image/png", R0lG = "image/gif", UklG = "image/webp" }

local function images_of(raw)
  local out = {}
  for _, image in ipairs(json.elements(raw) or {}) do
    local base64 = says(tostring(image)) and tostring(image):sub(2, -2)
    out[#out + 1] = base64 and '{"type":"image_url","image_url":{"url":"data:'
      .. (MEDIA[base64:sub(1, 4)] or "image/png") .. ";base64," .. base64 .. '"}}' or nil
  end
  return out[1] and "[" .. table.concat(out, ",") .. "]"
end

-- The parts of a call, as JSON text: id (older servers have none), name, arguments.
local function call_of(raw)
  local id, name, arguments = json.pick(raw, "id", "function.name", "function.arguments")
  if not arguments then arguments = "{}" end
  if arguments:sub(1, 1) ~= '"' then arguments = json.encode(arguments) end
  return says(id) and id or nil, name or '""', arguments
end

-- Ollama's counts and durations (nanoseconds), and what the counts are called elsewhere.
local MEASURES = {
  { "prompt_eval_count", "prompt_tokens" }, { "eval_count", "completion_tokens" }, { "total_duration" },
  { "load_duration" }, { "prompt_eval_duration" }, { "eval_duration" },
}

-- A prompt that was all in the cache has no count.
local function usage_of(text)
  local out = {}
  for _, measure in ipairs(MEASURES) do
    local value = json.pick(text, measure[1])
    if value then out[#out + 1] = '"' .. (measure[2] or measure[1]) .. '":' .. value end
  end
  return "{" .. table.concat(out, ",") .. "}"
end

-- Servers before 2024 end without a reason.
local function reason_of(raw) return says(raw) and json.decode(raw) or "stop" end

-- ---- whole answers ----

local function calls_of(raw)
  local out = {}
  for i, element in ipairs(json.elements(raw) or {}) do
    local id, name, arguments = call_of(tostring(element))
    out[i] = '{"index":' .. i - 1 .. (id and ',"id":' .. id or "") .. ',"type":"function","function":{"name":' .. name
      .. ',"arguments":' .. arguments .. "}}"
  end
  return out[1] and "[" .. table.concat(out, ",") .. "]"
end

local function message_of(message)
  local content, thinking, calls, images = json.pick(message, "content", "thinking", "tool_calls", "images")
  local out = { '"role":"assistant"' }
  local function add(name, raw)
    if raw then out[#out + 1] = '"' .. name .. '":' .. raw end
  end
  add("content", says(content) and content or "null")
  add("reasoning", says(thinking) and thinking or nil)
  add("tool_calls", calls and calls_of(calls))
  add("images", images and images_of(images))
  return "{" .. table.concat(out, ",") .. "}"
end

--- @treturn ?string  a chat completion, or an error that stood in a 200; nil and words when it is neither
function ollama_to_chat.answer(text)
  local message, done, reason, words, logprobs = json.pick(text, "message", "done", "done_reason", "error", "logprobs")
  if words then return '{"error":' .. words .. "}" end
  if not message or message:sub(1, 1) ~= "{" then return nil, "the answer has no message" end
  if done ~= "true" then return nil, "the answer is not complete" end
  local word = json.encode(reason_of(reason))
  return '{"object":"chat.completion","choices":[{"index":0,"message":' .. message_of(message)
    .. (logprobs and ',"logprobs":{"content":' .. logprobs .. "}" or "")
    .. ',"finish_reason":' .. word .. ',"native_finish_reason":' .. word .. '}],"usage":' .. usage_of(text) .. "}"
end

-- ---- streams ----

local function put_calls(s, raw)
  for _, element in ipairs(json.elements(raw) or {}) do
    s.out:call(s.calls, call_of(tostring(element)))
    s.calls = s.calls + 1
  end
end

-- A text, with what is known of its tokens; those may also stand beside no text.
local function put_text(s, content, logprobs)
  if logprobs then
    s.out:scored('"content":' .. (says(content) and content or '""'), '{"content":' .. logprobs .. "}")
  elseif says(content) then
    s.out:text(content)
  end
end

local function finish(s, data, reason)
  s.is_over = true
  s.out:usage(usage_of(data))
  s.out:finish(nil, reason_of(reason))
  s.out:done()
end

--- step(name, line): a line of the answer; lines have no names.
function ollama_to_chat.stream(emit)
  local s = { out = chunk.writer(emit), calls = 0 }
  return function(_, data)
    if s.is_over or data == "" then return end
    if data:sub(1, 1) ~= "{" or not json.check(data) then return nil, "malformed" end
    local content, thinking, calls, images, done, reason, words, logprobs = json.pick(data, "message.content",
      "message.thinking", "message.tool_calls", "message.images", "done", "done_reason", "error", "logprobs")
    if words then
      s.is_over = true
      return s.out:error(words)
    end
    if says(thinking) then s.out:reasoning(thinking) end
    put_text(s, content, logprobs)
    if calls then put_calls(s, calls) end
    local pictures = images and images_of(images)
    if pictures then s.out:delta('"images":' .. pictures) end
    if done == "true" then finish(s, data, reason) end
  end
end

-- ---- embeddings ----

--- @tparam ?table about  { encoding_format: of the request }
-- @treturn ?string  a list of embeddings; numbers as they came, or base64 where that was asked for
function ollama_to_chat.embeddings(text, about)
  local embeddings, count, words = json.pick(text, "embeddings", "prompt_eval_count", "error")
  if words then return '{"error":' .. words .. "}" end
  local out = embeddings and json.elements(embeddings)
  if not out then return nil, "the answer has no embeddings" end
  for i, vector in ipairs(out) do
    out[i] = '{"object":"embedding","index":' .. i - 1 .. ',"embedding":'
      .. vectors.encode(tostring(vector), about and about.encoding_format) .. "}"
  end
  count = count or "0"
  return '{"object":"list","data":[' .. table.concat(out, ",") .. '],"usage":{"prompt_tokens":' .. count
    .. ',"total_tokens":' .. count .. "}}"
end

return ollama_to_chat
