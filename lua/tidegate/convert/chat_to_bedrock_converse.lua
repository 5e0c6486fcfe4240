--- Chat requests as Amazon Bedrock's Converse API takes them: POST /model/{id}/converse and /converse-stream.
--
-- Members of Converse's own that stand in a chat request (guardrailConfig, performanceConfig, requestMetadata,
-- promptVariables, additionalModelRequestFields, additionalModelResponseFieldPaths) go through as they are. What the
-- model families take otherwise is in bedrock_models and bedrock_reasoning. Pure.

local json      = require("tidegate.core").json
local chat      = require "tidegate.convert.chat"
local content   = require "tidegate.convert.bedrock.content"
local history   = require "tidegate.convert.bedrock.history"
local models    = require "tidegate.convert.bedrock.models"
local reasoning = require "tidegate.convert.bedrock.reasoning"
local shapes    = require "tidegate.convert.bedrock.shapes"

local chat_to_bedrock_converse = { from = "chat", to = "bedrock-converse" }

local OWN = { "guardrailConfig", "performanceConfig", "requestMetadata", "promptVariables",
  "additionalModelResponseFieldPaths" }

local CARRIED = chat.carried({ "max_tokens", "max_completion_tokens", "temperature", "top_p", "stop", "tools",
  "tool_choice", "parallel_tool_calls", "response_format", "structured_outputs", "reasoning", "reasoning_effort",
  "verbosity", "cache_control", "service_tier", "additionalModelRequestFields" }, OWN)

-- Values that ask for nothing.
local NEUTRAL = { n = 1, logprobs = false, frequency_penalty = 0, presence_penalty = 0,
                  top_k = 0 }

-- ---- inference ----

local function stops(body)
  local out = {}
  for _, word in ipairs(chat.stop(body) or {}) do
    if word ~= "" then out[#out + 1] = word end
  end
  return out[1] and out or nil
end

-- Converse's temperatures end at 1.
local function inference(body, lost)
  local temperature = body.temperature
  if type(temperature) == "number" and temperature > 1 then
    temperature, lost.temperature = 1, true
  end
  return { maxTokens = chat.max_tokens(body), temperature = temperature, topP = body.top_p,
           stopSequences = stops(body) }
end

local function put(fields, path, value)
  for i = 1, #path - 1 do
    fields[path[i]] = fields[path[i]] or {}
    fields = fields[path[i]]
  end
  fields[path[#path]] = value
end

-- Parameters that only some families have.
local function more_fields(body, family, lost)
  local fields = {}
  for name, value in pairs(body) do
    if family.more[name] then
      if value ~= NEUTRAL[name] then put(fields, family.more[name], value) end
    elseif not CARRIED[name] and value ~= NEUTRAL[name] then
      lost[name] = true
    end
  end
  return fields
end

-- ---- tools ----

local ANYTHING = json.raw '{"type":"object","properties":{}}'

local function schema_of(parameters)
  local text = parameters and tostring(parameters)
  if not text or text:match "^{%s*}$" or not text:match "^{" then return ANYTHING end
  return parameters
end

local function tool_spec(tool, c)
  if tool.strict and not c.has_formats then c.lost["tools.strict"] = true end
  return { toolSpec = {
    name = tool.name, description = tool.description ~= "" and tool.description or nil,
    inputSchema = { json = schema_of(tool.parameters) }, strict = tool.strict and c.has_formats or nil,
  } }
end

-- Converse wants the tools defined that the conversation speaks of, also when none may be called any more.
local function former_tools(names)
  local out, seen = {}, {}
  for _, name in ipairs(names[1] and names or { "unavailable" }) do
    if not seen[name] then
      out[#out + 1] = { toolSpec = { name = name, description = "Not available any more.",
                                     inputSchema = { json = ANYTHING } } }
    end
    seen[name] = true
  end
  return out
end

local function tools_of(body, c)
  local functions, others = chat.tools(body)
  local out = {}
  for _, tool in ipairs(functions) do
    out[#out + 1] = tool_spec(tool, c)
    out[#out + 1] = content.cache_point(tool.cache_control, "tools", c)
  end
  for _, tool in ipairs(others) do
    if tool.systemTool then
      out[#out + 1] = { systemTool = tool.systemTool }
    else
      c.lost["tools." .. tostring(tool.type)] = true
    end
  end
  return out
end

local CHOICES = { required = { any = {} } }

-- "none" withholds the tools, where the conversation has not used any yet. "auto" is what happens anyway.
local function tool_config(body, c)
  local tools, choice, name = tools_of(body, c), chat.tool_choice(body)
  local has_used = c.tools_used[1] or c.has_results
  if choice == "none" and not has_used then return nil end
  if choice == "none" then c.lost.tool_choice = true end
  if not tools[1] then
    return has_used and { tools = former_tools(c.tools_used) } or nil
  end
  return { tools = tools }, choice == "function" and { tool = { name = name } } or CHOICES[choice]
end

-- One call at a time, which Converse has no word for: Anthropic's own, where no tool is forced.
local function one_call(r)
  if not r.traits or not r.traits.one_call or r.choice then
    r.lost.parallel_tool_calls = true
    return nil
  end
  return { type = "auto", disable_parallel_tool_use = true }
end

-- ---- answers in a format ----

local function output_config(body, c)
  local kind, format = chat.format(body)
  if not kind or kind == "text" then return nil end
  if kind ~= "json_schema" or not c.has_formats or not (format and format.schema) then
    c.lost.response_format = true
    return nil
  end
  return { textFormat = { type = "json_schema", structure = { jsonSchema = {
    name = format.name, description = format.description, schema = tostring(format.schema) } } } }
end

local TIERS = { priority = "priority", fast = "priority", flex = "flex", default = "default", reserved = "reserved" }

local function service_tier(body, lost)
  local tier = body.service_tier
  if tier == nil or tier == "auto" then return nil end
  if not TIERS[tier] then
    lost.service_tier = true
    return nil
  end
  return { type = TIERS[tier] }
end

-- ---- requests ----

local function says(t) return next(t) ~= nil and t or nil end

-- What the parts of a request share; see bedrock_content.
local function context(about)
  local family, traits = models.of(about.model), models.claude(about.model)
  return { family = family, traits = traits, lost = {}, names = {},
           has_formats = family.has_formats and (not traits or traits.has_formats) }
end

local function convert(body, about, c)
  local system, turns = history.read(body, c)
  if c.wrong then return nil, c.wrong end
  if not turns[1] then return nil, "Amazon Bedrock wants a message of the user that says something" end

  local tools, choice = tool_config(body, c)
  local r = { family = c.family, traits = c.traits, turns = turns, lost = c.lost, choice = choice,
              limit = about.max_completion_tokens, infer = inference(body, c.lost),
              fields = more_fields(body, c.family, c.lost) }
  reasoning.apply(body, r)
  reasoning.apply_verbosity(body, r)
  reasoning.restrain(r)
  if tools then
    tools.toolChoice = r.choice
    if body.parallel_tool_calls == false then r.fields.tool_choice = one_call(r) end
  end
  for name, value in pairs(body.additionalModelRequestFields or {}) do r.fields[name] = value end

  local out = {
    messages = turns, system = system[1] and system or nil, inferenceConfig = says(r.infer), toolConfig = tools,
    additionalModelRequestFields = says(r.fields), outputConfig = output_config(body, c),
    serviceTier = service_tier(body, c.lost),
  }
  for _, name in ipairs(OWN) do out[name] = body[name] end
  return out
end

local function prepared(text, about)
  local body, err = chat.read(text)
  if not body then return nil, err end
  local misfit = shapes.misfit(body, shapes.REQUEST, "")
  if misfit then return nil, (misfit == "" and "the request" or misfit) .. " has the wrong type" end
  local c = context(about)
  local out, why = convert(body, about, c)
  return out, why or chat.sorted(c.lost)
end

--- @tparam string text  a chat request
-- @tparam table about  { model, max_completion_tokens }
-- @treturn ?string  Converse's body; the model is in the path. nil and a sentence when Converse cannot say it
-- @treturn table  the names of what was lost
function chat_to_bedrock_converse.request(text, about)
  local out, lost = prepared(text, about)
  if not out then return nil, lost end
  return json.encode(out), lost
end

--- The body of POST /model/{id}/count-tokens.
function chat_to_bedrock_converse.count(text, about)
  local out, lost = prepared(text, about)
  if not out then return nil, lost end
  return json.encode { input = { converse = {
    messages = out.messages, system = out.system, toolConfig = out.toolConfig,
    additionalModelRequestFields = out.additionalModelRequestFields } } }, lost
end

return chat_to_bedrock_converse
