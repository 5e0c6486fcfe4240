--- Chat requests as Mistral takes them. Its answers are a dialect of OpenAI's, which the core reads.
--
-- Mistral answers 422 to every member that it does not know, so what is not in its list goes. What stays keeps its
-- bytes, and a request that is Mistral's already is the same text. Pure.

local json     = require("tidegate.core").json
local chat     = require "tidegate.convert.chat"
local edit     = require "tidegate.convert.edit"
local messages = require "tidegate.convert.mistral.messages"
local set      = require "tidegate.base.set"
local shape    = require "tidegate.convert.shape"

local chat_to_mistral = { from = "chat", to = "mistral" }

-- Mistral's own members: the ChatCompletionRequest of its SDK, and what its API is known to take besides.
local KNOWN = set { "model", "messages", "temperature", "top_p", "max_tokens", "min_tokens", "stream", "stop",
  "random_seed", "metadata", "response_format", "tools", "tool_choice", "presence_penalty", "frequency_penalty", "n",
  "prediction", "parallel_tool_calls", "reasoning_effort", "prompt_mode", "guardrails", "prompt_cache_key",
  "safe_prompt", "logprobs", "top_logprobs", "document_image_limit", "document_page_limit" }

local RENAMED = { seed = "random_seed", max_completion_tokens = "max_tokens" }

-- Members that are no loss: the gateway's own, those that are told otherwise, and what Mistral does by itself.
local SILENT = chat.carried { "seed", "max_completion_tokens", "reasoning", "structured_outputs", "cache_control" }

-- ---- reasoning ----

-- Which words of reasoning_effort a model takes, by what its name begins with; the first that fits. Magistral always
-- reasons and takes none.
local ADJUSTABLE = { "none", "high" }
local EFFORTS = {
  { "mistral-large-4", { "none", "low", "medium", "high" } },
  { "magistral-small-latest", ADJUSTABLE },      -- by now another name of Mistral Small 4
  { "magistral", {} },
}

local function efforts_of(model)
  for _, known in ipairs(EFFORTS) do
    if model:sub(1, #known[1]) == known[1] then return known[2] end
  end
  return ADJUSTABLE
end

local RANKS = { none = 0, minimal = 1, low = 2, medium = 3, high = 4, xhigh = 4, max = 4 }

-- The nearest of `words`; the greater of two, and none only for none.
local function nearest(effort, words)
  local wanted, best, best_far = RANKS[effort] or RANKS.high, nil, nil
  for _, word in ipairs(words) do
    local far = math.abs(RANKS[word] - wanted)
    if (word == "none") == (wanted == 0) and (not best or far <= best_far) then best, best_far = word, far end
  end
  return best
end

local function value_of(member)
  local value = member and json.read(tostring(member))
  if value ~= json.null then return value end
end

-- What is asked of reasoning: the word for reasoning_effort, if any, and whether the model thinks.
local function reasoning_of(body, model, lost)
  local asked = chat.reasoning(body)
  local words = efforts_of(model)
  local always = #words == 0
  if not asked or not (asked.off or asked.effort or asked.max_tokens) then return nil, always end
  local limit = chat.max_tokens(body) or asked.max_tokens or 1
  local word = nearest(asked.off and "none" or chat.effort(asked, limit), words)
  if always and asked.off then lost.reasoning = true end
  return word, always or word ~= nil and word ~= "none"
end

-- ---- tools ----

local TOOL, FUNCTION = set { "type", "function" }, set { "name", "description", "parameters", "strict" }

local function tools_of(raw, lost)
  local function gone(name)
    if not SILENT[name] then lost["tools." .. name] = true end
  end
  return edit.list(raw, function(tool)
    local kind = json.pick(tool, "type")
    if kind and kind:find '^"openrouter:' then
      lost["tools." .. json.decode(kind)] = true
      return nil
    end
    if not json.pick(tool, "function") then return tool end
    return edit.object(edit.only(tool, TOOL, gone), function(name, value)
      return name, name == "function" and edit.only(value, FUNCTION, gone) or value
    end)
  end)
end

-- ---- members ----

local FORMATS = set { "text", "json_object", "json_schema" }

-- What a member becomes, by its name: JSON text, or nothing. `r`: { about, members, lost, effort, thinks }
local write = {}

function write.model(value, r)
  if not r.about.model or json.decode(value) == r.about.model then return value end
  return json.encode(r.about.model)
end

function write.messages(value, r)
  return messages.rewrite(value, r.thinks, r.lost)
end

function write.tools(value, r)
  local tools = tools_of(value, r.lost)
  return (tools ~= "[]" or value == tools) and tools or nil
end

local CHOICES = { auto = '"auto"', none = '"none"', any = '"any"', required = '"any"' }

-- A word, or a function's name. Some tools among all of them cannot be told: all of them may be called.
function write.tool_choice(value, r)
  local kind, mode, called = json.pick(value, "type", "allowed_tools.mode", "function")
  if called or value == "null" then return value end
  r.lost.tool_choice = mode ~= nil or r.lost.tool_choice
  local word = mode or kind or value
  word = word:sub(1, 1) == '"' and json.decode(word)
  if not CHOICES[word] then r.lost.tool_choice = true end
  return CHOICES[word] ~= value and CHOICES[word] or CHOICES[word] and value
end

function write.response_format(value, r)
  local kind = json.pick(value, "type")
  if not kind or FORMATS[json.decode(kind)] then return value end
  r.lost.response_format = true
end

function write.reasoning_effort(value, r)
  if not r.effort then return nil end
  return json.decode(value) == r.effort and value or json.encode(r.effort)
end

-- An old name's value is sent under the new one, unless that stands there too; of two limits max_completion_tokens
-- is the one that counts.
local function renamed(name, value, r)
  local new = RENAMED[name]
  if value == "null" or name == "seed" and r.members[new] then return nil end
  return new, value
end

local function is_said(member) return member ~= nil and tostring(member) ~= "null" end

local function member_of(name, value, r)
  if RENAMED[name] then return renamed(name, value, r) end
  if name == "max_tokens" and is_said(r.members.max_completion_tokens) then return nil end
  if KNOWN[name] then
    if write[name] then value = write[name](value, r) end
    if value then return name, value end
  elseif not SILENT[name] and edit.says(value) then
    r.lost[name] = true
  end
end

-- ---- requests ----

local READ = { "reasoning", "reasoning_effort", "max_tokens", "max_completion_tokens" }

--- @treturn ?string  the body of POST /v1/chat/completions; nil and a sentence when there is none
-- @treturn table  what could not be carried
function chat_to_mistral.request(text, about)
  local members, err = json.split(text)
  if not members then return nil, tostring(err) end
  local r = { about = about, members = members, lost = {} }
  local body = { messages = json.array {} }      -- as much of it as has to be read
  for _, name in ipairs(READ) do body[name] = value_of(members[name]) end
  local ok, why = shape.check(body)
  if not ok then return nil, why end
  r.effort, r.thinks = reasoning_of(body, tostring(about.model or value_of(members.model)), r.lost)

  local added = {}
  if not members.model and about.model then added[1] = '"model":' .. json.encode(about.model) end
  if r.effort and not members.reasoning_effort then
    added[#added + 1] = '"reasoning_effort":' .. json.encode(r.effort)
  end
  return edit.object(text, function(name, value) return member_of(name, value, r) end, added), chat.sorted(r.lost)
end

-- ---- embeddings ----

local EMBEDDED = set { "model", "input", "metadata", "output_dimension", "output_dtype", "encoding_format" }

--- @treturn ?string  the body of POST /v1/embeddings; nil and a sentence when there is none
function chat_to_mistral.embeddings(text, about)
  local first = json.pick(text, "input.0") or json.pick(text, "input")
  if not first or first:sub(1, 1) ~= '"' then
    return nil, "Mistral embeds text: `input` must be a string or a list of strings, not tokens."
  end
  local r = { about = about, members = json.split(text), lost = {} }
  local body = edit.object(text, function(name, value)
    if name == "model" then return name, write.model(value, r) end
    if name == "dimensions" then return "output_dimension", value end
    if EMBEDDED[name] then return name, value end
    if not SILENT[name] and edit.says(value) then r.lost[name] = true end
  end, not r.members.model and about.model and { '"model":' .. json.encode(about.model) } or nil)
  return body, chat.sorted(r.lost)
end

return chat_to_mistral
