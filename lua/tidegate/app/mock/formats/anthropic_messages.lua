--- Anthropic's Messages; also as Vertex has them below publishers/anthropic,
-- where the path names the model and says whether to stream.

local core   = require "tidegate.core"
local events = require "tidegate.app.mock.events"
local frames = require "tidegate.app.mock.frames"
local plan   = require "tidegate.app.mock.plan"
local turns  = require "tidegate.app.mock.turns"

local json, null, typed = core.json, core.json.null, events.typed

local messages = {
  name = "anthropic-messages",
  stream_type = "text/event-stream; charset=utf-8",
  routes = {
    { "/messages/count_tokens$", "count" },
    { "/messages$", "chat" },
    { "/publishers/anthropic/models/count%-tokens:rawPredict$", "count" },
    { "/publishers/anthropic/models/([^/]+):rawPredict$", "chat" },
    { "/publishers/anthropic/models/([^/]+):streamRawPredict$", "chat", streams = true },
  },
}

-- ---- requests ----

-- A message with a tool's result is the tool's, whatever else is in it.
local function turn_of(message)
  local texts, role = {}, message.role
  if type(message.content) == "string" then return { role = role, text = message.content } end
  for _, block in ipairs(turns.within(message.content)) do
    if block.type == "tool_result" then
      role = "tool"
      texts[#texts + 1] = turns.text(block.content)
    elseif type(block.text) == "string" then
      texts[#texts + 1] = block.text
    end
  end
  return { role = role, text = table.concat(texts, " ") }
end

local function turns_of(body)
  local list = {}
  if body.system then list[1] = { role = "system", text = turns.text(body.system) } end
  for _, message in ipairs(turns.within(body.messages)) do list[#list + 1] = turn_of(message) end
  return list
end

-- Tools with a version in their type are Anthropic's own, for its side to call.
local function tools_of(body)
  local out = {}
  for _, tool in ipairs(turns.within(body.tools)) do
    if not tool.type or tool.type == "custom" then
      out[#out + 1] = { name = tool.name, schema = tool.input_schema }
    end
  end
  return out
end

local function json_of(body)
  local config = type(body.output_config) == "table" and body.output_config or {}
  local format = config.format or body.output_format
  return type(format) == "table" and (format.schema or true) or nil
end

function messages.asked(body, request)
  local choice = type(body.tool_choice) == "table" and body.tool_choice or {}
  return {
    model = body.model or request.route.model, stream = body.stream == true or request.route.streams,
    limit = body.max_tokens, turns = turns_of(body), tools = tools_of(body),
    must = choice.type == "any" or choice.type == "tool" and choice.name or nil, json = json_of(body),
  }
end

-- ---- answers ----

local STOPS = { stop = "end_turn", length = "max_tokens", tool_calls = "tool_use" }

-- What came out of the cache is not among the input tokens.
local function usage_of(made, b, output)
  if b.usage == "none" then return nil end
  local usage = made.usage
  return json.ordered({
    input_tokens = usage.prompt - usage.cached, cache_creation_input_tokens = 0,
    cache_read_input_tokens = usage.cached, output_tokens = output,
  }, { "input_tokens", "cache_creation_input_tokens", "cache_read_input_tokens", "output_tokens" })
end

local function message(made, fields)
  fields.id, fields.role, fields.model = "msg_" .. made.id, "assistant", made.model
  fields.stop_reason, fields.stop_sequence = fields.stop_reason or null, null
  return typed("message", fields)
end

function messages.whole(made, b)
  local content = json.array()
  if made.reasoning[1] then
    content[1] = typed("thinking", { thinking = made.thought, signature = made.signature })
  end
  if made.tokens[1] then content[#content + 1] = typed("text", { text = made.text }) end
  if made.call then
    content[#content + 1] = typed("tool_use", { id = "toolu_" .. made.id, name = made.call.name,
                                                input = plan.arguments(made.call) })
  end
  return message(made, { content = content, stop_reason = STOPS[made.finish] or made.finish,
                         usage = usage_of(made, b, made.usage.completion) })
end

function messages.stream(made, b)
  local out, index = events.new(b, frames.sse(b.crlf)), -1
  local function add(kind, fields, tokens)
    out:add(kind, typed(kind, fields), tokens)
  end
  local function delta(fields, tokens)
    add("content_block_delta", { index = index, delta = fields }, tokens)
  end
  local function block(fields, write)
    index = index + 1
    add("content_block_start", { index = index, content_block = fields })
    if index == 0 then add("ping", {}) end
    write()
    add("content_block_stop", { index = index })
  end
  local function text(tokens, kind, field)
    out:text(tokens, "content_block_delta", typed("content_block_delta", { index = index,
      delta = typed(kind, { [field] = events.HERE }) }))
  end

  add("message_start", { message = message(made, { content = json.array(), usage = usage_of(made, b, 1) }) })
  if made.reasoning[1] then
    block(typed("thinking", { thinking = "", signature = "" }), function()
      text(made.reasoning, "thinking_delta", "thinking")
      delta(typed("signature_delta", { signature = made.signature }))
    end)
  end
  if made.tokens[1] then
    block(typed("text", { text = "" }), function() text(made.tokens, "text_delta", "text") end)
  end
  if made.call then
    local empty = { id = "toolu_" .. made.id, name = made.call.name, input = json.ordered({}, {}) }
    block(typed("tool_use", empty), function()
      delta(typed("input_json_delta", { partial_json = "" }), plan.CALL_TOKENS)
      for _, piece in ipairs(made.call.pieces) do delta(typed("input_json_delta", { partial_json = piece })) end
    end)
  end
  add("message_delta", { delta = { stop_reason = STOPS[made.finish] or made.finish, stop_sequence = null },
                         usage = usage_of(made, b, made.usage.completion) })
  add("message_stop", {})
  return out
end

-- ---- the rest ----

function messages.count(body)
  return { input_tokens = turns.tokens(turns_of(body)) }
end

local KINDS = {
  [400] = "invalid_request_error", [401] = "authentication_error", [403] = "permission_error",
  [404] = "not_found_error", [429] = "rate_limit_error", [503] = "overloaded_error", [529] = "overloaded_error",
}

function messages.error(status, words, b, request)
  return {
    status = status, headers = status == 429 and { ["Retry-After"] = b.retry_after } or nil,
    body = typed("error", { error = typed(KINDS[status] or "api_error", { message = words }),
                            request_id = "req_" .. request.id }),
  }
end

function messages.wrong_key(b, request)
  return messages.error(401, "invalid x-api-key", b, request)
end

return messages
