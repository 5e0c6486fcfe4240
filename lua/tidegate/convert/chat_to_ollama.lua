--- Chat requests as Ollama's own API takes them: /api/chat, and /api/embed.
--
-- Parameters are `options` there, tool arguments objects, images bare base64. What only Ollama knows (options,
-- keep_alive, think, truncate, shift) goes through as it is; in `options` it wins over a parameter. Ollama caches by
-- itself: cache_control is no loss. Pure.

local json  = require("tidegate.core").json
local chat  = require "tidegate.convert.chat"

local chat_to_ollama = { from = "chat", to = "ollama" }

-- Members that stay the text that they were.
local KEEP = { parameters = true, schema = true, json_schema = true, options = true, keep_alive = true }

-- The contract's names of Ollama's options.
local OPTIONS = {
  temperature = "temperature", top_p = "top_p", top_k = "top_k", min_p = "min_p", seed = "seed",
  repetition_penalty = "repeat_penalty", presence_penalty = "presence_penalty",
  frequency_penalty = "frequency_penalty",
}

local OWN = { "keep_alive", "truncate", "shift" }

local CARRIED = chat.carried { "temperature", "top_p", "top_k", "min_p", "seed", "repetition_penalty",
  "presence_penalty", "frequency_penalty", "max_tokens", "max_completion_tokens", "stop", "logprobs", "top_logprobs",
  "response_format", "structured_outputs", "tools", "tool_choice", "reasoning", "reasoning_effort", "n",
  "parallel_tool_calls", "cache_control", "options", "keep_alive", "think", "truncate", "shift" }


-- ---- messages ----

-- A content's text, its parts with `between` between them, and its images. Ollama fetches none from a URL.
local function read_content(content, lost, between)
  if type(content) ~= "table" then return content or "" end
  local texts, images = {}, {}
  for _, part in ipairs(content) do
    local media = chat.media(part)
    if part.type == "text" or part.type == "refusal" then
      texts[#texts + 1] = part.text or part.refusal
    elseif media and media.kind == "image" and media.data then
      images[#images + 1] = media.data
    else
      lost["messages." .. (media and media.kind or tostring(part.type))] = true
    end
  end
  return table.concat(texts, between or "\n"), images[1] and images or nil
end

-- A message's reasoning as one text; signatures are for those who made them.
local function thinking_of(message, lost)
  local told = message.reasoning or message.reasoning_content
  if type(told) == "string" and told ~= "" then return told end
  local details, texts = message.reasoning_details, {}
  for _, detail in ipairs(type(details) == "table" and details or {}) do
    texts[#texts + 1] = detail.text or detail.summary
  end
  if texts[1] then return table.concat(texts) end
  if type(details) == "table" and details[1] then lost["messages.reasoning"] = true end
end

local function calls_of(message, names)
  local out = {}
  for i, call in ipairs(message.tool_calls or {}) do
    local name, arguments = chat.called(call)
    if call.id then names[call.id] = name end
    out[i] = { id = call.id, ["function"] = { name = name, arguments = json.raw(arguments) } }
  end
  return out[1] and out or nil
end

-- How each role's messages are written. `names`: of the functions called so far, by the calls' ids.
local write = {}

function write.system(message, lost)
  local content, images = read_content(chat.named(message), lost)
  return { role = "system", content = content, images = images }
end

write.developer = write.system

function write.user(message, lost)
  local content, images = read_content(chat.named(message), lost)
  return { role = "user", content = content, images = images }
end

function write.assistant(message, lost, names)
  local content, images = read_content(chat.named(message), lost, "")
  if content == "" and type(message.refusal) == "string" then content = message.refusal end
  return { role = "assistant", content = content, images = images, thinking = thinking_of(message, lost),
           tool_calls = calls_of(message, names) }
end

function write.tool(message, lost, names)
  if message.is_error then lost["messages.is_error"] = true end
  local content, images = read_content(message.content, lost)
  local id = message.tool_call_id
  return { role = "tool", content = content, images = images, tool_call_id = id,
           tool_name = id and names[id] or message.name }
end

-- ---- tools, formats, options ----

-- Ollama's model chooses by itself; not to be offered a tool is the only choice that can be told.
local function tools_of(body, lost)
  local functions, others = chat.tools(body)
  local choice = chat.tool_choice(body)
  for _, tool in ipairs(others) do lost["tools." .. tostring(tool.type)] = true end
  if choice == "none" or not functions[1] then return nil end
  if choice and choice ~= "auto" then lost.tool_choice = true end
  local out = {}
  for i, f in ipairs(functions) do out[i] = chat.plain_tool(f) end
  return out
end

local function format_of(body, lost)
  local format = body.response_format
  if type(format) ~= "table" or format.type == "text" then return nil end
  if format.type == "json_object" then return "json" end
  local schema = format.type == "json_schema" and format.json_schema
    and json.pick(tostring(format.json_schema), "schema")
  if schema then return json.raw(schema) end
  if format.type == "json_schema" then return "json" end
  lost.response_format = true
end

local function options_of(body)
  local out = {}
  for name, option in pairs(OPTIONS) do out[option] = body[name] end
  out.num_predict, out.stop = chat.max_tokens(body), chat.stop(body)
  for name, value in pairs(body.options and json.split(tostring(body.options)) or {}) do out[name] = value end
  return next(out) and out or nil
end

local WORDS = { minimal = "low", low = "low", medium = "medium", high = "high", xhigh = "high", max = "high" }

-- Only gpt-oss takes a word for how much it thinks, and it takes nothing else; to the others a word is an error.
local function think_of(body, model)
  local reasoning = chat.reasoning(body)
  if not reasoning then return body.think end
  if reasoning.off then return false end
  if not reasoning.effort and not reasoning.max_tokens then return body.think end
  if not tostring(model):find("gpt-oss", 1, true) then return true end
  return WORDS[chat.effort(reasoning, chat.max_tokens(body) or reasoning.max_tokens or 1)] or "medium"
end

-- ---- requests ----

--- @treturn ?string  the body of POST /api/chat; nil and a sentence when there is none
-- @treturn table  what could not be carried
function chat_to_ollama.request(text, about)
  local body, why = chat.read(text, KEEP)
  if not body then return nil, why end
  local lost = {}
  for _, name in ipairs(chat.lost(body, CARRIED)) do lost[name] = true end
  if body.n and body.n ~= 1 then lost.n = true end
  if body.parallel_tool_calls == false then lost.parallel_tool_calls = true end

  local model = about.model or body.model
  local out = {
    -- Ollama streams unless it is told not to.
    model = model, stream = about.stream == true,
    messages = chat.write_messages(body, write, lost, {}), tools = tools_of(body, lost), format = format_of(body, lost),
    options = options_of(body), think = think_of(body, model),
    logprobs = body.logprobs, top_logprobs = body.top_logprobs,
  }
  for _, name in ipairs(OWN) do out[name] = body[name] end
  return json.encode(out), chat.sorted(lost)
end

-- ---- embeddings ----

local EMBEDDED = chat.carried { "input", "dimensions", "encoding_format", "truncate", "keep_alive", "options" }

local function is_text(input)
  if type(input) == "string" then return true end
  for _, element in ipairs(type(input) == "table" and input or { false }) do
    if type(element) ~= "string" then return false end
  end
  return true
end

--- @treturn ?string  the body of POST /api/embed; nil and a sentence when there is none
function chat_to_ollama.embeddings(text, about)
  local body, err = json.read(text, KEEP)
  if type(body) ~= "table" then return nil, tostring(err or "the request must be an object") end
  if not is_text(body.input) then
    return nil, "Ollama embeds text: `input` must be a string or a list of strings, not tokens."
  end
  return json.encode {
    model = about.model or body.model, input = body.input, dimensions = body.dimensions, truncate = body.truncate,
    keep_alive = body.keep_alive, options = body.options,
  }, chat.lost(body, EMBEDDED)
end

return chat_to_ollama
