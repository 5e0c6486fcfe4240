--- OpenAI's Responses: an answer is a list of items, and a stream tells of each
-- when it begins, grows and ends.

local core   = require "tidegate.core"
local chat   = require "tidegate.app.mock.formats.openai_chat"
local events = require "tidegate.app.mock.events"
local frames = require "tidegate.app.mock.frames"
local plan   = require "tidegate.app.mock.plan"
local turns  = require "tidegate.app.mock.turns"

local json, null = core.json, core.json.null

local responses = {
  name = "openai-responses",
  stream_type = "text/event-stream; charset=utf-8",
  routes = {
    { "/responses/input_tokens$", "count" },
    { "/responses$", "chat" },
  },
}

-- ---- requests ----

local function turn_of(item)
  if item.type == "function_call_output" then return { role = "tool", text = turns.text(item.output) } end
  return { role = item.role, text = turns.text(item.content) }
end

local function turns_of(body)
  local list = {}
  if body.instructions then list[1] = { role = "system", text = turns.text(body.instructions) } end
  if type(body.input) == "string" then
    list[#list + 1] = { role = "user", text = body.input }
  end
  for _, item in ipairs(turns.within(body.input)) do list[#list + 1] = turn_of(item) end
  return list
end

local function tools_of(body)
  local out = {}
  for _, tool in ipairs(turns.within(body.tools)) do
    if tool.type == "function" then out[#out + 1] = { name = tool.name, schema = tool.parameters } end
  end
  return out
end

local function must(choice)
  if choice == "required" then return true end
  return type(choice) == "table" and choice.type == "function" and choice.name or nil
end

local function json_of(body)
  local format = type(body.text) == "table" and body.text.format
  if type(format) ~= "table" or format.type == "text" then return nil end
  return type(format.schema) == "table" and format.schema or true
end

local function includes(body, what)
  for _, name in ipairs(turns.within(body.include)) do
    if name == what then return true end
  end
  return false
end

function responses.asked(body)
  return {
    model = body.model, stream = body.stream == true, limit = body.max_output_tokens, turns = turns_of(body),
    tools = tools_of(body), must = must(body.tool_choice), json = json_of(body), body = body,
    is_encrypted = includes(body, "reasoning.encrypted_content"),
  }
end

-- ---- answers ----

local function part(text)
  return { type = "output_text", text = text, annotations = json.array(), logprobs = json.array() }
end

local function summary(text)
  return { type = "summary_text", text = text }
end

-- The items of an answer, each with its tokens. Encrypted reasoning is shorter
-- when an item begins than when it ends.
local function items_of(made, asked)
  local items = {}
  if made.reasoning[1] then
    items[1] = {
      id = "rs_" .. made.id, type = "reasoning", summary = json.array { summary(made.thought) },
      encrypted_content = asked.is_encrypted and made.signature or nil,
    }
  end
  if made.tokens[1] then
    items[#items + 1] = {
      id = "msg_" .. made.id, type = "message", status = "completed", role = "assistant",
      content = json.array { part(made.text) },
    }
  end
  if made.call then
    items[#items + 1] = {
      id = "fc_" .. made.id, type = "function_call", status = "completed", call_id = "call_" .. made.id,
      name = made.call.name, arguments = made.call.arguments,
    }
  end
  return json.array(items)
end

local function usage_of(made)
  local usage = made.usage
  return json.ordered({
    input_tokens = usage.prompt, input_tokens_details = { cached_tokens = usage.cached },
    output_tokens = usage.completion, output_tokens_details = { reasoning_tokens = usage.reasoning },
    total_tokens = usage.prompt + usage.completion,
  }, { "input_tokens", "input_tokens_details", "output_tokens", "output_tokens_details", "total_tokens" })
end

-- The format has no finish reason: an answer is complete, or tells why it is not.
local function ending_of(made)
  local why = made.finish
  if why == "stop" or why == "tool_calls" then return "completed" end
  return "incomplete", { reason = why == "length" and "max_output_tokens" or why }
end

local function or_null(x)
  if x == nil then return null end
  return x
end

local function response(made, asked, fields)
  local body = asked.body
  local out = {
    id = "resp_" .. made.id, object = "response", created_at = made.created, model = made.model, error = null,
    incomplete_details = null, output = json.array(), usage = null, background = false, user = null,
    instructions = or_null(body.instructions), max_output_tokens = or_null(body.max_output_tokens),
    metadata = body.metadata or json.ordered({}, {}), parallel_tool_calls = body.parallel_tool_calls ~= false,
    previous_response_id = or_null(body.previous_response_id),
    reasoning = body.reasoning or { effort = null, summary = null }, store = body.store ~= false,
    temperature = body.temperature or 1, top_p = body.top_p or 1, truncation = body.truncation or "disabled",
    text = body.text or { format = { type = "text" } }, tool_choice = body.tool_choice or "auto",
    tools = body.tools or json.array(), service_tier = "default", completed_at = null, frequency_penalty = 0,
    presence_penalty = 0, max_tool_calls = null, top_logprobs = 0, prompt_cache_key = null, safety_identifier = null,
  }
  for name, value in pairs(fields) do out[name] = value end
  return out
end

local function ended(made, b, asked)
  local status, details = ending_of(made)
  return response(made, asked, {
    status = status, incomplete_details = details, output = items_of(made, asked),
    usage = b.usage ~= "none" and usage_of(made) or nil,
  })
end

function responses.whole(made, b, asked)
  return ended(made, b, asked)
end

-- ---- streams ----

local function copy(item, more)
  local out = {}
  for name, value in pairs(item) do out[name] = value end
  for name, value in pairs(more) do out[name] = value end
  return out
end

-- What an item is when it begins, and the events of its growth. `add` writes an
-- event of the item, `each` one for every few tokens.
local WRITE = {}

function WRITE.reasoning(item, made, add, each)
  local encrypted = item.encrypted_content
  add("response.output_item.added", { item = copy(item, { summary = json.array(),
    encrypted_content = encrypted and encrypted:sub(1, 12) }) })
  add("response.reasoning_summary_part.added", { summary_index = 0, part = summary "" })
  each(made.reasoning, "response.reasoning_summary_text.delta", { summary_index = 0 })
  add("response.reasoning_summary_text.done", { summary_index = 0, text = made.thought })
  add("response.reasoning_summary_part.done", { summary_index = 0, part = summary(made.thought) })
end

function WRITE.message(item, made, add, each)
  add("response.output_item.added", { item = copy(item, { status = "in_progress", content = json.array() }) })
  add("response.content_part.added", { content_index = 0, part = part "" })
  each(made.tokens, "response.output_text.delta", { content_index = 0, logprobs = json.array() })
  add("response.output_text.done", { content_index = 0, text = made.text, logprobs = json.array() })
  add("response.content_part.done", { content_index = 0, part = part(made.text) })
end

function WRITE.function_call(item, made, add)
  add("response.output_item.added", { item = copy(item, { status = "in_progress", arguments = "" }) },
    plan.CALL_TOKENS)
  for _, piece in ipairs(made.call.pieces) do
    add("response.function_call_arguments.delta", { delta = piece })
  end
  add("response.function_call_arguments.done", { arguments = item.arguments, name = item.name })
end

function responses.stream(made, b, asked)
  local out, number = events.new(b, frames.sse(b.crlf)), 0
  local function add(kind, fields, tokens)
    fields.sequence_number = number
    number = number + 1
    out:add(kind, events.typed(kind, fields), tokens)
  end

  local begun = { status = "in_progress" }
  add("response.created", { response = response(made, asked, begun) })
  add("response.in_progress", { response = response(made, asked, begun) })
  for i, item in ipairs(items_of(made, asked)) do
    local function add_of_item(kind, fields, tokens)
      fields.output_index, fields.item_id = i - 1, not fields.item and item.id or nil
      add(kind, fields, tokens)
    end
    local function each(tokens, kind, fields)
      out:each(tokens, function(text, count) add_of_item(kind, copy(fields, { delta = text }), count) end)
    end
    WRITE[item.type](item, made, add_of_item, each)
    add_of_item("response.output_item.done", { item = item })
  end
  local last = ended(made, b, asked)
  add("response." .. last.status, { response = last })
  return out
end

-- ---- the rest ----

function responses.count(body)
  return { object = "response.input_tokens", input_tokens = turns.tokens(turns_of(body)) }
end

local KINDS = {
  [400] = "invalid_request_error", [401] = "invalid_request_error", [404] = "invalid_request_error",
  [429] = "rate_limit_error",
}
local CODES = { [401] = "invalid_api_key", [429] = "rate_limit_exceeded", [500] = "server_error" }

function responses.error(status, message, b)
  local reply = chat.error(status, message, b)
  reply.body = { error = { message = message, type = KINDS[status] or "server_error", param = null,
                           code = CODES[status] or null } }
  return reply
end

return responses
