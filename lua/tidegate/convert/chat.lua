--- Read a chat completion request, for those who make another format of it.
--
-- The request is the contract's: what OpenAI's clients send and OpenRouter's extensions. Null members are
-- absent, and what must not change (JSON schemas) is kept as the text it was. Pure.

local json     = require("tidegate.core").json
local data_url = require "tidegate.convert.data_url"
local set      = require "tidegate.base.set"
local shape    = require "tidegate.convert.shape"

local chat = {}

-- Schemas keep the order of their members, on which prompt caches depend.
local KEEP = { parameters = true, schema = true }

--- @tparam string text
-- @tparam ?table keep  the names of members that stay json.raw; default `parameters` and `schema`
-- @treturn ?table  the request
-- @treturn ?string  what has the wrong type
function chat.read(text, keep)
  local body, err = json.read(text, keep or KEEP)
  if not body then return nil, tostring(err) end
  local ok, why = shape.check(body)
  if not ok then return nil, why end
  return body
end

--- The members of `body` that the format has no place for, sorted: they are told to who asks for metadata.
-- @tparam table carried  { name = true }
function chat.lost(body, carried)
  local lost = {}
  for name in pairs(body) do
    if not carried[name] then lost[#lost + 1] = name end
  end
  table.sort(lost)
  return lost
end

--- The names in a set, sorted.
function chat.sorted(names_in)
  local names = {}
  for name in pairs(names_in) do names[#names + 1] = name end
  table.sort(names)
  return names
end

-- Members that every converter takes care of, or that mean something to the gateway only.
chat.OURS = { "model", "messages", "stream", "stream_options", "provider", "models", "route", "policy", "session_id",
  "usage", "plugins", "trace", "user", "metadata", "transforms", "include_reasoning", "prompt_cache_key" }

--- A set of these names and of those that are nobody's concern.
function chat.carried(...) return set(chat.OURS, ...) end

-- ---- messages ----

--- The parts of a message's content: a string is one text part; nil is none.
function chat.parts(content)
  if content == nil then return {} end
  if type(content) == "string" then return content == "" and {} or { { type = "text", text = content } } end
  return content
end

--- The text of a content, parts that are no text left out.
function chat.text(content, between)
  if type(content) == "string" then return content end
  local out = {}
  for _, part in ipairs(content or {}) do
    if part.type == "text" or part.type == "input_text" then out[#out + 1] = part.text end
    if part.type == "refusal" then out[#out + 1] = part.refusal end
  end
  return table.concat(out, between or "")
end

local TEXTS = { text = true, input_text = true, refusal = true }

--- The parts of a content that are text: instructions hold nothing else.
-- @tparam table lost  a set, to which the kinds of the others are added
function chat.texts(content, lost)
  local out = {}
  for _, part in ipairs(chat.parts(content)) do
    if TEXTS[part.type] then
      out[#out + 1] = part
    else
      local media = chat.media(part)
      lost["messages." .. (media and media.kind or tostring(part.type))] = true
    end
  end
  return out
end

--- A message's content with its author's name in front, for formats that know no names: "name: text".
function chat.named(message)
  local content, name = message.content, message.name
  if type(name) ~= "string" or name == "" or content == nil or content == "" then return content end
  if type(content) ~= "table" then return name .. ": " .. content end
  local out, is_told = {}, false
  for i, part in ipairs(content) do
    out[i] = part
    if part.type == "text" and not is_told then
      out[i] = { type = "text", text = name .. ": " .. (part.text or ""), cache_control = part.cache_control }
      is_told = true
    end
  end
  if not is_told then table.insert(out, 1, { type = "text", text = name .. ":" }) end
  return out
end

--- Is this message an instruction rather than a turn?
function chat.is_system(message)
  return message.role == "system" or message.role == "developer"
end

--- What a part of media is: its kind ("image", "audio", "video", "file"), and where it is: bytes in base64
-- with their media type, or a URL, or a provider's file id.
-- @treturn ?table  { kind, media, data | url | id, name, detail }; nil for a part that is no media
function chat.media(part)
  local function at(kind, url, more)
    local out = more or {}
    out.kind = kind
    out.media, out.data = data_url.read(url)
    if not out.data then out.url = url end
    return out
  end
  if part.type == "image_url" and part.image_url then
    local image = part.image_url
    if type(image) == "string" then return at("image", image) end
    return at("image", image.url or "", { detail = image.detail })
  elseif part.type == "input_audio" and part.input_audio then
    local audio = part.input_audio
    return { kind = "audio", media = "audio/" .. (audio.format == "mp3" and "mpeg" or audio.format or "wav"),
             format = audio.format or "wav", data = audio.data }
  elseif part.type == "video_url" and part.video_url then
    local video = part.video_url
    return at("video", type(video) == "string" and video or video.url or "")
  elseif part.type == "file" and part.file then
    local file = part.file
    if file.file_data and file.file_data ~= "" and not file.file_data:find(":", 1, true) then      -- bare base64
      return { kind = "file", media = "application/pdf", data = file.file_data, name = file.filename }
    end
    local place = file.file_data or file.file_url
    if place then return at("file", place, { name = file.filename }) end
    return { kind = "file", id = file.file_id, name = file.filename }
  end
end

-- ---- tools ----

--- The functions of `tools`: { name, description, parameters (json.raw or nil), strict, cache_control }, and
-- the other tools as they are.
function chat.tools(body)
  local functions, others = {}, {}
  for _, tool in ipairs(body.tools or {}) do
    local f = tool["function"]
    if tool.type == "function" and f then
      functions[#functions + 1] = { name = f.name, description = f.description, parameters = f.parameters,
                                    strict = f.strict, cache_control = tool.cache_control or f.cache_control }
    else
      others[#others + 1] = tool
    end
  end
  return functions, others
end

--- `tool_choice`: "auto", "none", "required", or "function" with a name; nil when it is not given.
function chat.tool_choice(body)
  local choice = body.tool_choice
  if type(choice) ~= "table" then return choice end
  local f = choice["function"]
  if f then return "function", f.name end
  return choice.type
end

--- A call's arguments as JSON text of an object: what is no object is wrapped in nothing and becomes {}.
function chat.arguments(text)
  if type(text) ~= "string" then return text ~= nil and json.encode(text) or "{}" end
  if text:match "^%s*{" and json.check(text) then return text end
  return "{}"
end

--- What a call of a message calls. A custom tool's input is any text: it becomes a function's one argument.
-- @treturn ?string  the function's name; nil when it is no call
-- @treturn string  JSON text of an object
function chat.called(call)
  local custom, f = call.custom, call["function"]
  if type(custom) == "table" then return custom.name, json.encode { input = custom.input or "" } end
  if type(f) ~= "table" then return nil, "{}" end
  return f.name, chat.arguments(f.arguments)
end

--- The messages as these writers make them, each of one role; a role that has none is lost.
-- @tparam table body
-- @tparam table writers  role -> function(message, lost, ...)
-- @tparam table lost  a set of names
function chat.write_messages(body, writers, lost, ...)
  local out = json.array {}
  for _, message in ipairs(body.messages) do
    local write = writers[message.role]
    if write then
      out[#out + 1] = write(message, lost, ...)
    else
      lost["messages." .. tostring(message.role)] = true
    end
  end
  return out
end

local NO_PARAMETERS = json.raw '{"type":"object","properties":{}}'

--- A function as a tool without what only OpenAI knows; one without parameters takes none.
-- @tparam table f  of chat.tools()
function chat.plain_tool(f)
  return { type = "function", ["function"] = { name = f.name, description = f.description,
                                               parameters = f.parameters or NO_PARAMETERS } }
end

-- ---- limits, formats, reasoning ----

function chat.max_tokens(body) return body.max_completion_tokens or body.max_tokens end

--- `stop` as a list, or nil.
function chat.stop(body)
  local stop = body.stop
  if stop == nil then return nil end
  if type(stop) == "string" then return { stop } end
  return stop[1] and stop or nil
end

--- `response_format`: nil, "text", "json_object", or "json_schema" with { name, schema (json.raw), strict }.
function chat.format(body)
  local format = body.response_format
  if type(format) ~= "table" then return nil end
  return format.type, format.json_schema
end

-- Shares of the output limit that an effort means, for who takes a budget (OpenRouter's contract).
local SHARES = { max = 0.95, xhigh = 0.95, high = 0.8, medium = 0.5, low = 0.2, minimal = 0.1 }

--- What is asked of reasoning: nil when nothing is, else { effort, max_tokens, off, exclude, summary }; `off`: none
-- is wanted. `effort` is set whenever it is on and was given or is implied.
function chat.reasoning(body)
  local r = body.reasoning
  local effort = type(r) == "table" and r.effort or body.reasoning_effort
  if type(r) ~= "table" then
    if effort == nil then return nil end
    r = {}
  end
  local off = effort == "none" or r.enabled == false
  if not off and not effort and not r.max_tokens then
    if not r.enabled then return (r.exclude or r.summary) and { exclude = r.exclude, summary = r.summary } or nil end
    effort = "medium"
  end
  return { effort = not off and effort or nil, max_tokens = r.max_tokens, off = off or nil, exclude = r.exclude,
           summary = r.summary }
end

--- Tokens to reason with: what was asked for, or the effort's share of `limit`.
-- @tparam table reasoning  from chat.reasoning(), not off
-- @tparam number limit  the output limit it is a share of
-- @tparam number least  the format's smallest budget
function chat.budget(reasoning, limit, least)
  if reasoning.max_tokens then return math.max(reasoning.max_tokens, least) end
  return math.max(math.floor(limit * (SHARES[reasoning.effort] or SHARES.medium)), least)
end

--- The effort that is nearest to a budget, for who takes words.
function chat.effort(reasoning, limit)
  if reasoning.effort then return reasoning.effort end
  local share = (reasoning.max_tokens or 0) / math.max(limit, 1)
  return share >= 0.65 and "high" or share >= 0.35 and "medium" or "low"
end

-- ---- reasoning that comes back ----

--- The elements of an assistant message's `reasoning_details` that have this format, or none.
-- @tparam string format  "anthropic-claude-v1", "google-gemini-v1", "openai-responses-v1"
function chat.details(message, format)
  local out = {}
  for _, detail in ipairs(type(message.reasoning_details) == "table" and message.reasoning_details or {}) do
    if detail.format == format then out[#out + 1] = detail end
  end
  return out
end

return chat
