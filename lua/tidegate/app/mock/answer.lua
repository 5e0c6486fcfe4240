--- The mock's answers in the wire format of an OpenAI-compatible provider.
--
-- Pure: a behaviour (script.lua) and a decoded request in, JSON texts out. The
-- dialect switches are the oddities that real providers have.

local core  = require "tidegate.core"
local words = require "tidegate.app.mock.words"

local json, null = core.json, core.json.null

local answer = {}

-- Which tool is called: the script's, else one that the client insists on.
local function tool_call_of(body, b)
  if b.tool_call then return b.tool_call end
  local choice = body.tool_choice
  local first = type(body.tools) == "table" and body.tools[1]
  if not first or not first["function"] then return nil end
  if choice == "required" then return { name = first["function"].name, arguments = "{}" } end
  if type(choice) == "table" and choice["function"] then
    return { name = choice["function"].name, arguments = "{}" }
  end
end

local function limit_of(body)
  local limit = body.max_completion_tokens or body.max_tokens
  return type(limit) == "number" and limit or math.huge
end

--- Everything an answer says, before it has a format.
function answer.plan(body, b, id, now_s)
  local question, limit = words.question(body), limit_of(body)
  local count = math.max(1, math.min(b.tokens, limit))
  local plan = {
    id = id, created = now_s, model = b.answer_model or body.model or "mock", tokens = {},
    reasoning = words.reasoning(b.reasoning), tool_call = tool_call_of(body, b),
    finish = b.finish or (b.tokens > limit and "length" or "stop"),
  }
  if plan.tool_call then
    plan.finish = b.finish or "tool_calls"
  elseif type(body.response_format) == "table" and body.response_format.type ~= "text" then
    plan.tokens = { json.encode { answer = table.concat(words.tokens(question, count)) } }
  else
    plan.tokens = words.tokens(question, count)
  end
  local completion = #plan.tokens + #plan.reasoning + (plan.tool_call and 12 or 0)
  local prompt = words.prompt_tokens(body)
  plan.usage = json.ordered({
    prompt_tokens = prompt, completion_tokens = completion, total_tokens = prompt + completion,
    prompt_tokens_details = { cached_tokens = math.min(b.cached_tokens, prompt) },
    completion_tokens_details = { reasoning_tokens = #plan.reasoning },
  }, { "prompt_tokens", "completion_tokens", "total_tokens", "prompt_tokens_details", "completion_tokens_details" })
  return plan
end

local function tool_calls_of(plan, with_index)
  if not plan.tool_call then return nil end
  return json.array { {
    index = with_index and 0 or nil, id = "call_" .. plan.id, type = "function",
    ["function"] = { name = plan.tool_call.name, arguments = plan.tool_call.arguments or "{}" },
  } }
end

-- ---- whole answers ----

function answer.chat(plan, b)
  local message = {
    role = "assistant", content = plan.tokens[1] and table.concat(plan.tokens) or null,
    tool_calls = tool_calls_of(plan),
  }
  if plan.reasoning[1] then message[b.reasoning_field] = table.concat(plan.reasoning) end
  return json.encode {
    id = plan.id, object = "chat.completion", created = plan.created, model = plan.model,
    choices = json.array { { index = 0, message = message, finish_reason = plan.finish, logprobs = null } },
    usage = b.usage ~= "none" and plan.usage or nil,
  }
end

function answer.completion(plan, b)
  return json.encode {
    id = plan.id, object = "text_completion", created = plan.created, model = plan.model,
    choices = json.array {
      { index = 0, text = table.concat(plan.tokens), finish_reason = plan.finish, logprobs = null },
    },
    usage = b.usage ~= "none" and plan.usage or nil,
  }
end

-- Little-endian IEEE 754 single of a multiple of 1/128 between -1 and 1.
local function float_bytes(x)
  if x == 0 then return "\0\0\0\0" end
  local mantissa, exponent = math.abs(x), 0
  while mantissa >= 1 do mantissa, exponent = mantissa / 2, exponent + 1 end
  while mantissa < 0.5 do mantissa, exponent = mantissa * 2, exponent - 1 end
  local bits = math.floor((mantissa * 2 - 1) * 8388608) + (exponent + 126) * 8388608
  if x < 0 then bits = bits + 2147483648 end
  return string.char(bits % 256, math.floor(bits / 256) % 256, math.floor(bits / 65536) % 256,
    math.floor(bits / 16777216))
end

local DIGITS = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/"

local function base64(bytes)
  return (bytes:gsub("..?.?", function(three)
    local a, b, c = three:byte(1, 3)
    local n = a * 65536 + (b or 0) * 256 + (c or 0)
    local out = ""
    for shift = 3, 0, -1 do
      local digit = math.floor(n / 64 ^ shift) % 64 + 1
      out = out .. (3 - shift > #three and "=" or DIGITS:sub(digit, digit))
    end
    return out
  end))
end

local function encoded(vector, format)
  if format ~= "base64" then return json.array(vector) end
  local bytes = {}
  for i, x in ipairs(vector) do bytes[i] = float_bytes(x) end
  return base64(table.concat(bytes))
end

function answer.embeddings(body, b)
  local inputs = type(body.input) == "table" and body.input or { body.input }
  if type(inputs[1]) == "number" then inputs = { table.concat(inputs, " ") } end
  local data, tokens = json.array(), 0
  for i, input in ipairs(inputs) do
    local text = type(input) == "table" and table.concat(input, " ") or tostring(input)
    tokens = tokens + math.max(1, math.ceil(#text / 4))
    data[i] = { object = "embedding", index = i - 1,
      embedding = encoded(words.embedding(text, body.dimensions or b.dimensions), body.encoding_format) }
  end
  return json.encode { object = "list", data = data, model = b.answer_model or body.model,
    usage = { prompt_tokens = tokens, total_tokens = tokens } }
end

function answer.models(b, now_s)
  local data = json.array()
  for i, id in ipairs(b.models) do
    data[i] = { id = id, object = "model", created = now_s, owned_by = "mock" }
  end
  return json.encode { object = "list", data = data }
end

function answer.error(status, message)
  return json.encode { error = { message = message, type = "mock_error", code = status } }
end

-- ---- streams ----

local function chat_chunk(plan, delta, finish, usage)
  return json.encode {
    id = plan.id, object = "chat.completion.chunk", created = plan.created, model = plan.model,
    choices = json.array { { index = 0, delta = delta, finish_reason = finish or null } }, usage = usage,
  }
end

local function text_chunk(plan, text, finish, usage)
  return json.encode {
    id = plan.id, object = "text_completion", created = plan.created, model = plan.model,
    choices = json.array { { index = 0, text = text, finish_reason = finish or null } }, usage = usage,
  }
end

local function usage_chunk(plan, object)
  return json.encode { id = plan.id, object = object, created = plan.created, model = plan.model,
    choices = json.array(), usage = plan.usage }
end

-- What stands before and behind the text of a chunk: made once for a stream.
local MARK = '"\\u0001"'

local function around(chunk)
  local from, to = chunk:find(MARK, 1, true)
  return chunk:sub(1, from - 1), chunk:sub(to + 1)
end

-- Tokens are put together so that an event comes every 10 ms at most.
local function add_tokens(out, tokens, per_event, before, behind)
  for i = 1, #tokens, per_event do
    local last = math.min(#tokens, i + per_event - 1)
    out[#out + 1] = { before, json.encode(table.concat(tokens, "", i, last)), behind, tokens = last - i + 1 }
  end
end

--- The stream as a list of events, each a list of up to three pieces to write one
-- behind the other, with the number of its `tokens`: how much time it takes.
function answer.stream(plan, b, is_text, wants_usage)
  local out, stop = {}, b.crlf and "\r\n\r\n" or "\n\n"
  local per_event = math.max(1, math.ceil(b.tokens_per_s / 100))
  local function add(chunk, tokens)
    out[#out + 1] = { "data: " .. chunk .. stop, tokens = tokens or 0 }
  end
  local function add_text(tokens, chunk)
    local before, behind = around(chunk)
    add_tokens(out, tokens, per_event, "data: " .. before, behind .. stop)
  end

  if not is_text and b.role_first then add(chat_chunk(plan, { role = "assistant", content = "" })) end
  if not is_text then add_text(plan.reasoning, chat_chunk(plan, { [b.reasoning_field] = "\1" })) end
  add_text(plan.tokens, is_text and text_chunk(plan, "\1") or chat_chunk(plan, { content = "\1" }))
  if plan.tool_call then add(chat_chunk(plan, { tool_calls = tool_calls_of(plan, true) }), 12) end

  local in_finish = b.usage == "finish" and plan.usage or nil
  add(is_text and text_chunk(plan, "", plan.finish, in_finish)
    or chat_chunk(plan, json.ordered({}, {}), plan.finish, in_finish))
  if b.usage == "always" or b.usage == "chunk" and wants_usage then
    add(usage_chunk(plan, is_text and "text_completion" or "chat.completion.chunk"))
  end
  if b.done then add "[DONE]" end
  return out
end

return answer
