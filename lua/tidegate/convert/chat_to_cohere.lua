--- Chat requests as Cohere's API, version 2, takes them: /v2/chat, and embeddings and reranks besides.
--
-- What only Cohere knows (documents, citation_options, safety_mode, strict_tools, thinking, priority) goes through
-- as it is. Cohere caches by itself: cache_control is no loss. Pure.

local json  = require("tidegate.core").json
local chat  = require "tidegate.convert.chat"
local shape = require "tidegate.convert.shape"

local chat_to_cohere = { from = "chat", to = "cohere" }

local FORMAT = "cohere-v2"           -- of the reasoning and citations that cohere_to_chat wrote

-- Members that stay the text that they were.
local KEEP = { parameters = true, schema = true, json_schema = true, documents = true, document = true,
               citation = true, citation_options = true }

local OWN = { "documents", "citation_options", "safety_mode", "strict_tools", "priority" }

local CARRIED = chat.carried { "max_tokens", "max_completion_tokens", "temperature", "top_p", "top_k", "seed", "stop",
  "frequency_penalty", "presence_penalty", "logprobs", "tools", "tool_choice", "response_format", "reasoning",
  "reasoning_effort", "structured_outputs", "n", "parallel_tool_calls", "cache_control",
  "documents", "citation_options", "safety_mode", "strict_tools", "thinking", "priority" }

-- ---- messages ----

-- A part of a user's content; nil when Cohere has no such kind.
local function part_of(part, lost)
  if part.type == "text" then return { type = "text", text = part.text } end
  local media = chat.media(part)
  if media and media.kind == "image" then
    local image = part.image_url
    return { type = "image_url", image_url = type(image) == "table" and image or { url = image } }
  end
  lost["messages." .. (media and media.kind or tostring(part.type))] = true
end

-- A content: a string stays one; of parts those that `read` knows.
local function content_of(content, read, lost)
  if type(content) ~= "table" then return content or "" end
  local out = json.array {}
  for _, part in ipairs(content) do out[#out + 1] = read(part, lost) end
  return out[1] and out or ""
end

local function tool_part(part, lost)
  if part.type == "document" then return { type = "document", document = part.document } end
  if part.type == "text" then return part_of(part, lost) end
  local media = chat.media(part)
  lost["messages." .. (media and media.kind or tostring(part.type))] = true
end

-- What Cohere thought, block by block, and planned, when it said this. Clients give fragments of a stream back
-- joined or as they came: those of one index are one block.
local function remembered(message)
  local blocks, plan, last = {}, nil, nil
  for _, detail in ipairs(chat.details(message, FORMAT)) do
    if detail.type == "reasoning.summary" then
      plan = (plan or "") .. (detail.summary or "")
    elseif detail.type == "reasoning.text" then
      if not blocks[1] or detail.index ~= last then blocks[#blocks + 1] = { type = "thinking", thinking = "" } end
      local block = blocks[#blocks]
      block.thinking, last = block.thinking .. (detail.text or ""), detail.index
    end
  end
  return blocks, plan
end

-- Another model's reasoning is a plan where calls follow it; elsewhere there is no place for it.
local function foreign_plan(message, lost)
  local told = message.reasoning or message.reasoning_content
  if type(told) ~= "string" or told == "" then
    if type(message.reasoning_details) == "table" and message.reasoning_details[1] then
      lost["messages.reasoning"] = true
    end
    return nil
  end
  if message.tool_calls and message.tool_calls[1] then return told end
  lost["messages.reasoning"] = true
end

local function citations_of(message)
  local out = {}
  for _, note in ipairs(type(message.annotations) == "table" and message.annotations or {}) do
    if note.format == FORMAT then out[#out + 1] = note.citation end
  end
  return out[1] and out or nil
end

local function calls_of(message)
  local out = {}
  for i, call in ipairs(message.tool_calls or {}) do
    local name, arguments = chat.called(call)
    out[i] = { id = call.id, type = "function", ["function"] = { name = name, arguments = arguments } }
  end
  return out[1] and out or nil
end

-- How each role's messages are written; nil for one that says nothing, which Cohere refuses.
local write = {}

local function said(role, content)
  return content ~= "" and { role = role, content = content } or nil
end

function write.system(message, lost)
  local content = message.content
  if type(content) == "table" then content = chat.texts(content, lost) end
  content = chat.named { name = message.name, content = content }
  return said("system", content_of(content, part_of, lost))
end

write.developer = write.system

function write.user(message, lost)
  return said("user", content_of(chat.named(message), part_of, lost))
end

function write.assistant(message, lost)
  local blocks, plan = remembered(message)
  if not blocks[1] and not plan then plan = foreign_plan(message, lost) end
  local text, calls = chat.text(chat.named(message)), calls_of(message)
  if text == "" and type(message.refusal) == "string" then text = message.refusal end
  local content = text
  if blocks[1] then
    content = blocks
    if text ~= "" then content[#content + 1] = { type = "text", text = text } end
  elseif text == "" and calls then
    content = nil
  elseif text == "" then
    return nil
  end
  return { role = "assistant", content = content, tool_plan = plan, tool_calls = calls,
           citations = citations_of(message) }
end

function write.tool(message, lost)
  if message.is_error then lost["messages.is_error"] = true end
  return { role = "tool", tool_call_id = message.tool_call_id, content = content_of(message.content, tool_part, lost) }
end

-- ---- tools and formats ----

-- Cohere cannot be told which function to call, but it can be given no other.
local function tools_of(body, lost)
  local functions, others = chat.tools(body)
  local choice, name = chat.tool_choice(body)
  local out, only, is_strict = {}, nil, functions[1] ~= nil
  for i, f in ipairs(functions) do
    out[i] = chat.plain_tool(f)
    if choice == "function" and f.name == name then only = out[i] end
    is_strict = is_strict and f.strict == true
  end
  for _, tool in ipairs(others) do lost["tools." .. tostring(tool.type)] = true end
  if not out[1] then return nil end
  return only and { only } or out, is_strict or nil
end

local CHOICES = { required = "REQUIRED", none = "NONE", ["function"] = "REQUIRED" }

-- A schema is all that Cohere asks for; its own shape has it in the same member.
local function format_of(body, lost)
  local format = body.response_format
  if type(format) ~= "table" or format.type == "text" then return nil end
  local schema = format.json_schema or format.schema
  if format.type == "json_schema" then
    schema = format.json_schema and json.pick(tostring(format.json_schema), "schema")
    schema = schema and json.raw(schema)
  elseif format.type ~= "json_object" then
    lost.response_format = true
    return nil
  end
  return { type = "json_object", json_schema = schema }
end

-- ---- sampling, reasoning ----

local function within(value, least, most)
  if type(value) ~= "number" then return value end
  return math.min(math.max(value, least), most)
end

-- Cohere's penalties go from 0 to 1.
local function penalty(body, name, lost)
  local value = body[name]
  if type(value) == "number" and (value < 0 or value > 1) then lost[name] = true end
  return within(value, 0, 1)
end

-- Output tokens of Cohere's reasoning models, of which an effort is a share where the request sets no limit.
local USUAL_LIMIT = 32000

-- How much to think. Without a limit, more than a medium effort is left to the model.
local function thinking_of(body)
  local reasoning = chat.reasoning(body)
  if not reasoning then return body.thinking end
  if reasoning.off then return { type = "disabled" } end
  if not reasoning.effort and not reasoning.max_tokens then return body.thinking end
  local limit, effort = chat.max_tokens(body), reasoning.effort
  local is_free = not limit and not reasoning.max_tokens and effort ~= "medium" and effort ~= "low"
    and effort ~= "minimal"
  return { type = "enabled", token_budget = not is_free and chat.budget(reasoning, limit or USUAL_LIMIT, 1) or nil }
end

-- ---- requests ----

--- @treturn ?string  the body of POST /v2/chat; nil and a sentence when there is none
-- @treturn table  what could not be carried
function chat_to_cohere.request(text, about)
  local body, why = chat.read(text, KEEP)
  if not body then return nil, why end
  local lost = {}
  for _, name in ipairs(chat.lost(body, CARRIED)) do lost[name] = true end
  local messages = chat.write_messages(body, write, lost)
  if not messages[1] then return nil, "Cohere wants a message that says something" end
  if body.n and body.n ~= 1 then lost.n = true end
  if body.parallel_tool_calls == false then lost.parallel_tool_calls = true end

  local tools, is_strict = tools_of(body, lost)
  local out = {
    model = about.model or body.model, stream = about.stream == true,
    messages = messages,
    tools = tools, tool_choice = tools and CHOICES[chat.tool_choice(body)], strict_tools = is_strict,
    response_format = format_of(body, lost),
    max_tokens = chat.max_tokens(body), temperature = body.temperature, seed = body.seed,
    p = within(body.top_p, 0.01, 0.99), k = within(body.top_k, 0, 500), stop_sequences = chat.stop(body),
    frequency_penalty = penalty(body, "frequency_penalty", lost),
    presence_penalty = penalty(body, "presence_penalty", lost),
    logprobs = body.logprobs,
  }
  for _, name in ipairs(OWN) do
    if body[name] ~= nil then out[name] = body[name] end
  end
  out.thinking = thinking_of(body)
  return json.encode(out), chat.sorted(lost)
end

-- ---- embeddings ----

local EMBEDDED = chat.carried { "input", "dimensions", "encoding_format", "input_type", "truncate", "images",
  "embedding_types", "max_tokens", "priority" }

local function is_list_of(value, kind)
  if type(value) ~= "table" then return false end
  for _, element in ipairs(value) do
    if type(element) ~= kind then return false end
  end
  return value[1] ~= nil
end

-- An element of several parts, text and images, that become one vector.
local function mixed(element)
  if not shape.check_content(element.content, "content") then return nil end
  local out = json.array {}
  for i, part in ipairs(chat.parts(element.content)) do
    local known = part_of(part, {})
    if not known then return nil end
    out[i] = known
  end
  return { content = out }
end

local function inputs_of(input)
  local out = {}
  for i, element in ipairs(input) do
    out[i] = mixed(element)
    if not out[i] then return nil, "Cohere embeds text and images: another kind of content is in `input`." end
  end
  return out
end

-- Puts what is to be embedded into `out`; nil and a sentence when it cannot be.
local function put_input(out, input)
  if type(input) == "string" then
    out.texts = { input }
  elseif is_list_of(input, "string") then
    out.texts = input
  elseif is_list_of(input, "table") and input[1].content ~= nil then
    local inputs, why = inputs_of(input)
    if not inputs then return nil, why end
    out.inputs = inputs
  elseif not out.images then
    return nil, "Cohere embeds text: `input` must be a string or a list of strings, not tokens."
  end
  return true
end

-- What others tell apart, in Cohere's words.
local INPUT_TYPES = { query = "search_query", code_query = "search_query", question_answering = "search_query",
                      fact_verification = "search_query", document = "search_document", passage = "search_document",
                      similarity = "clustering" }

--- @treturn ?string  the body of POST /v2/embed; nil and a sentence when there is none
function chat_to_cohere.embeddings(text, about)
  local body, err = json.read(text, KEEP)
  if type(body) ~= "table" then return nil, tostring(err or "the request must be an object") end
  local format = body.encoding_format == "base64" and "base64" or "float"
  local out = {
    model = about.model or body.model, images = body.images,
    input_type = INPUT_TYPES[body.input_type] or body.input_type or body.images and "image" or "search_document",
    embedding_types = body.embedding_types or { format }, output_dimension = body.dimensions,
    truncate = body.truncate, max_tokens = body.max_tokens, priority = body.priority,
  }
  local ok, why = put_input(out, body.input)
  if not ok then return nil, why end
  return json.encode(out), chat.lost(body, EMBEDDED)
end

-- ---- rerank ----

local RERANKED = chat.carried { "query", "documents", "top_n", "max_tokens_per_doc", "priority", "return_documents" }

-- Cohere ranks text. A document of several fields is read best as YAML, of which JSON is a part.
local function document_text(raw)
  if raw:sub(1, 1) == '"' then return json.raw(raw) end
  local text, image = json.pick(raw, "text", "image")
  if image then return nil end
  local members, names = json.split(raw)
  if not members then return nil end
  return text and not names[2] and json.raw(text) or raw
end

--- @treturn ?string  the body of POST /v2/rerank; nil and a sentence when there is none
function chat_to_cohere.rerank(text, about)
  local body, err = json.read(text, KEEP)
  if type(body) ~= "table" then return nil, tostring(err or "the request must be an object") end
  local documents = body.documents and json.elements(tostring(body.documents))
  if not documents then return nil, "`documents` must be a list of strings or of objects with `text`." end
  for i, document in ipairs(documents) do
    documents[i] = document_text(tostring(document))
    if not documents[i] then return nil, ("Cohere ranks text: documents[%d] has none."):format(i - 1) end
  end
  return json.encode {
    model = about.model or body.model, query = body.query, documents = json.array(documents), top_n = body.top_n,
    max_tokens_per_doc = body.max_tokens_per_doc, priority = body.priority,
  }, chat.lost(body, RERANKED)
end

return chat_to_cohere
