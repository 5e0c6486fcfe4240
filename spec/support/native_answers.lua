--- What a provider's answers say, read from every format by a simple reader that
-- knows the format alone.
--
--     local told = answers.anthropic.whole(response)     -- `json` of the response
--     local told = answers.anthropic.stream(response)    -- `body`
--
-- told: text and thought (put together), calls ({ name, arguments }, decoded),
-- finish (the format's own word), usage ({ prompt, completion, cached }: prompt with
-- what was cached, completion with thoughts), signature, model; and `complete` where
-- a stream's terminal came.

local bit    = require "bit"
local json   = require "cjson.safe"
local assert = require "luassert"

local answers = {}

local function reading()
  return { text = "", thought = "", calls = {} }
end

local function call(told, name, arguments)
  told.calls[#told.calls + 1] = { name = name, arguments = arguments }
end

local function some(x) return x ~= nil and x ~= json.null and x or nil end

--- The events of an SSE body: { name, data, json }.
function answers.events(body, crlf)
  local out, eol = {}, crlf and "\r\n" or "\n"
  for block in body:gmatch("(.-)" .. eol .. eol) do
    local event = { data = block:match "data: ([^\r\n]*)$", name = block:match "^event: ([^\r\n]*)" }
    event.json = json.decode(event.data)
    assert(event.json or event.data == "[DONE]", "no event: " .. block)
    out[#out + 1] = event
  end
  return out
end

local function openai_usage(usage)
  return usage and { usage.prompt_tokens, usage.completion_tokens, usage.prompt_tokens_details.cached_tokens }
end

local openai = {}
answers.openai = openai

function openai.whole(r)
  local told, choice = reading(), r.json.choices[1]
  told.text, told.thought = some(choice.message.content) or "", choice.message.reasoning_content or ""
  for _, c in ipairs(choice.message.tool_calls or {}) do call(told, c["function"].name, json.decode(c["function"].arguments)) end
  told.finish, told.usage, told.model = choice.finish_reason, openai_usage(r.json.usage), r.json.model
  return told
end

function openai.stream(r)
  local told = reading()
  for _, event in ipairs(answers.events(r.body)) do
    if event.data == "[DONE]" then told.complete = true break end
    local choice = event.json.choices[1] or { delta = {} }
    told.text, told.thought = told.text .. (choice.delta.content or ""), told.thought .. (choice.delta.reasoning_content or "")
    for _, c in ipairs(choice.delta.tool_calls or {}) do call(told, c["function"].name, json.decode(c["function"].arguments)) end
    told.finish = some(choice.finish_reason) or told.finish
    told.usage = openai_usage(event.json.usage) or told.usage
  end
  return told
end

local anthropic = {}
answers.anthropic = anthropic

local function anthropic_usage(usage)
  return usage and { usage.input_tokens + usage.cache_read_input_tokens, usage.output_tokens, usage.cache_read_input_tokens }
end

function anthropic.whole(r)
  local told = reading()
  for _, block in ipairs(r.json.content) do
    if block.type == "tool_use" then call(told, block.name, block.input) end
    told.text, told.thought = told.text .. (block.text or ""), told.thought .. (block.thinking or "")
    told.signature = told.signature or block.signature
  end
  told.finish, told.usage, told.model = r.json.stop_reason, anthropic_usage(r.json.usage), r.json.model
  return told
end

function anthropic.stream(r)
  local told, open, argument = reading(), nil, ""
  for _, event in ipairs(answers.events(r.body)) do
    local e = event.json
    assert.equal(event.name, e.type)
    local delta = e.delta or {}
    if e.type == "content_block_start" then
      assert.is_nil(open)
      open, argument = e, ""
    elseif e.type == "content_block_delta" then
      assert.equal(open.index, e.index)
      told.text, told.thought = told.text .. (delta.text or ""), told.thought .. (delta.thinking or "")
      argument, told.signature = argument .. (delta.partial_json or ""), delta.signature or told.signature
    elseif e.type == "content_block_stop" then
      if open.content_block.type == "tool_use" then call(told, open.content_block.name, json.decode(argument)) end
      open = nil
    elseif e.type == "message_delta" then
      told.finish, told.usage = delta.stop_reason, anthropic_usage(e.usage)
    end
    told.complete = e.type == "message_stop"
  end
  return told
end

local responses = {}
answers.responses = responses

function responses.whole(r)
  local told, answer = reading(), r.json
  for _, item in ipairs(answer.output) do
    if item.type == "function_call" then call(told, item.name, json.decode(item.arguments)) end
    if item.type == "message" then told.text = told.text .. item.content[1].text end
    if item.type == "reasoning" then told.thought, told.signature = item.summary[1].text, item.encrypted_content end
  end
  local usage = some(answer.usage)
  told.usage = usage and { usage.input_tokens, usage.output_tokens, usage.input_tokens_details.cached_tokens }
  told.finish, told.model = (some(answer.incomplete_details) or {}).reason or answer.status, answer.model
  return told
end

-- The pieces must say what the response at the end says.
function responses.stream(r)
  local told, argument, last = reading(), "", nil
  for i, event in ipairs(answers.events(r.body)) do
    local e = event.json
    assert.same({ event.name, i - 1 }, { e.type, e.sequence_number })
    if e.type == "response.output_text.delta" then told.text = told.text .. e.delta end
    if e.type == "response.reasoning_summary_text.delta" then told.thought = told.thought .. e.delta end
    if e.type == "response.function_call_arguments.delta" then argument = argument .. e.delta end
    last = e
  end
  if last.type ~= "response.completed" and last.type ~= "response.incomplete" then return told end
  local whole = responses.whole { json = last.response }
  assert.same({ whole.text, whole.thought }, { told.text, told.thought })
  if whole.calls[1] then assert.same(whole.calls[1].arguments, json.decode(argument)) end
  whole.complete = true
  return whole
end

local gemini = {}
answers.gemini = gemini

local function gemini_chunk(told, e)
  local candidate, usage = e.candidates[1], e.usageMetadata
  for _, part in ipairs(candidate.content.parts) do
    if part.functionCall then call(told, part.functionCall.name, part.functionCall.args) end
    local field = part.thought and "thought" or "text"
    told[field], told.signature = told[field] .. (part.text or ""), part.thoughtSignature or told.signature
  end
  told.finish, told.model = candidate.finishReason or told.finish, e.modelVersion
  if usage and usage.promptTokenCount then
    local completion = (usage.candidatesTokenCount or 0) + (usage.thoughtsTokenCount or 0)
    assert.equal(usage.totalTokenCount, usage.promptTokenCount + completion)
    told.usage = { usage.promptTokenCount, completion, usage.cachedContentTokenCount }
  end
end

function gemini.whole(r)
  local told = reading()
  gemini_chunk(told, r.json)
  return told
end

function gemini.stream(r)
  local told = reading()
  for _, event in ipairs(answers.events(r.body, true)) do gemini_chunk(told, event.json) end
  told.complete = told.finish ~= nil
  return told
end

function gemini.array(r)
  local told, all = reading(), json.decode(r.body)
  for _, chunk in ipairs(all or {}) do gemini_chunk(told, chunk) end
  told.complete = all ~= nil and told.finish ~= nil
  return told
end

local bedrock = {}
answers.bedrock = bedrock

local function bedrock_usage(usage)
  return usage and { usage.inputTokens + usage.cacheReadInputTokens, usage.outputTokens, usage.cacheReadInputTokens }
end

function bedrock.whole(r)
  local told = reading()
  for _, block in ipairs(r.json.output.message.content) do
    if block.toolUse then call(told, block.toolUse.name, block.toolUse.input) end
    local thought = (block.reasoningContent or {}).reasoningText or {}
    told.text, told.thought = told.text .. (block.text or ""), told.thought .. (thought.text or "")
    told.signature = told.signature or thought.signature
  end
  told.finish, told.usage = r.json.stopReason, bedrock_usage(r.json.usage)
  return told
end

local function u32(bytes, at)
  local a, b, c, d = bytes:byte(at, at + 3)
  return ((a * 256 + b) * 256 + c) * 256 + d
end

local function crc32(bytes)
  local crc = -1
  for i = 1, #bytes do
    crc = bit.bxor(crc, bytes:byte(i))
    for _ = 1, 8 do crc = bit.bxor(bit.rshift(crc, 1), bit.band(0xEDB88320, -bit.band(crc, 1))) end
  end
  return bit.bnot(crc) % 4294967296
end

--- The messages of an AWS event stream that came whole: { headers, json }.
function answers.aws_messages(bytes)
  local out, at = {}, 1
  while at + 11 < #bytes do
    local length, head = u32(bytes, at), u32(bytes, at + 4)
    local message = bytes:sub(at, at + length - 1)
    if #message < length then break end
    assert.equal(u32(message, 9), crc32(message:sub(1, 8)))
    assert.equal(u32(message, length - 3), crc32(message:sub(1, -5)))
    local headers, p = {}, 13
    while p < 13 + head do
      local n = message:byte(p)
      local name, kind = message:sub(p + 1, p + n), message:byte(p + n + 1)
      local size = message:byte(p + n + 2) * 256 + message:byte(p + n + 3)
      assert.equal(7, kind)
      headers[name] = message:sub(p + n + 4, p + n + 3 + size)
      p = p + n + 4 + size
    end
    out[#out + 1] = { headers = headers, json = assert(json.decode(message:sub(13 + head, -5))) }
    at = at + length
  end
  return out
end

function bedrock.stream(r)
  local told, open, argument = reading(), nil, ""
  for _, message in ipairs(answers.aws_messages(r.body)) do
    local kind, e = message.headers[":event-type"], message.json
    assert.equal("event", message.headers[":message-type"])
    local delta = e.delta or {}
    if kind == "contentBlockStart" then
      open, argument = e.start.toolUse, ""
    elseif kind == "contentBlockDelta" then
      local thought = delta.reasoningContent or {}
      told.text, told.thought = told.text .. (delta.text or ""), told.thought .. (thought.text or "")
      told.signature = thought.signature or told.signature
      argument = argument .. (delta.toolUse and delta.toolUse.input or "")
    elseif kind == "contentBlockStop" and open then
      call(told, open.name, json.decode(argument))
      open = nil
    elseif kind == "messageStop" then
      told.finish = e.stopReason
    elseif kind == "metadata" then
      told.usage, told.complete = bedrock_usage(e.usage), told.finish ~= nil
    end
  end
  return told
end

local cohere = {}
answers.cohere = cohere

local function cohere_usage(usage)
  return usage and { usage.tokens.input_tokens, usage.tokens.output_tokens, usage.cached_tokens }
end

function cohere.whole(r)
  local told, message = reading(), r.json.message
  for _, part in ipairs(message.content or {}) do
    told.text, told.thought = told.text .. (part.text or ""), told.thought .. (part.thinking or "")
  end
  told.thought = told.thought .. (message.tool_plan or "")
  for _, c in ipairs(message.tool_calls or {}) do call(told, c["function"].name, json.decode(c["function"].arguments)) end
  told.finish, told.usage = r.json.finish_reason, cohere_usage(r.json.usage)
  return told
end

function cohere.stream(r)
  local told, name, argument = reading(), nil, ""
  for _, event in ipairs(answers.events(r.body)) do
    local e = event.json
    if not e then told.complete = true break end
    assert.equal(event.name, e.type)
    local message = e.delta and e.delta.message or {}
    if e.type == "content-delta" then
      told.text, told.thought = told.text .. (message.content.text or ""), told.thought .. (message.content.thinking or "")
    elseif e.type == "tool-plan-delta" then
      told.thought = told.thought .. message.tool_plan
    elseif e.type == "tool-call-start" then
      name = message.tool_calls["function"].name
    elseif e.type == "tool-call-delta" then
      argument = argument .. message.tool_calls["function"].arguments
    elseif e.type == "tool-call-end" then
      call(told, name, json.decode(argument))
    elseif e.type == "message-end" then
      told.finish, told.usage = e.delta.finish_reason, cohere_usage(e.delta.usage)
    end
  end
  return told
end

local ollama = {}
answers.ollama = ollama

local function ollama_line(told, e)
  told.text, told.thought = told.text .. e.message.content, told.thought .. (e.message.thinking or "")
  for _, c in ipairs(e.message.tool_calls or {}) do call(told, c["function"].name, c["function"].arguments) end
  told.finish, told.model, told.complete = e.done_reason or told.finish, e.model, e.done
  told.usage = e.eval_count and { e.prompt_eval_count, e.eval_count } or told.usage
end

function ollama.whole(r)
  local told = reading()
  ollama_line(told, r.json)
  return told
end

function ollama.stream(r)
  local told = reading()
  for text in r.body:gmatch "([^\n]*)\n" do ollama_line(told, json.decode(text)) end
  return told
end

return answers
