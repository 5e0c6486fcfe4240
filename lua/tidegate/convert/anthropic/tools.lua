--- Tools, the choice between them, and the shape of an answer: chat's as Anthropic's, and back.
--
-- Anthropic's own tools, whose type has a date (web_search_20250305), are the same in both formats.

local json = require("tidegate.core").json
local chat = require "tidegate.convert.chat"

local anthropic_tools = {}

-- ---- to Anthropic ----

local NO_PARAMETERS = json.raw '{"type":"object","properties":{}}'

local function custom(f, traits, lost)
  local schema = f.parameters
  -- A schema must be an object that says so.
  if not schema or not json.pick(tostring(schema), "type") then
    local inside = schema and tostring(schema):match "^%s*{%s*(.-)%s*}%s*$"
    schema = inside and inside ~= "" and json.raw('{"type":"object",' .. inside .. "}") or NO_PARAMETERS
  end
  if f.strict and not traits.has_formats then lost["tools.strict"] = true end
  return { name = f.name, description = f.description, input_schema = schema,
           strict = f.strict and traits.has_formats or nil, cache_control = f.cache_control }
end

-- Anthropic's own tools, and its way to write a client's.
local function is_own(tool)
  return tool.input_schema ~= nil or tool.type == "mcp_toolset"
    or (type(tool.type) == "string" and tool.type:match "_%d%d%d%d%d%d%d%d$" ~= nil)
end

-- OpenAI's way to ask for a search.
local function search_of(options)
  local place = type(options) == "table" and options.user_location
  local at = type(place) == "table" and (place.approximate or place) or nil
  return { type = "web_search_20250305", name = "web_search", user_location = type(at) == "table" and {
    type = "approximate", city = at.city, region = at.region, country = at.country, timezone = at.timezone } or nil }
end

--- `tools`, in the order of the request; nil for none.
function anthropic_tools.write(body, traits, lost)
  local out = json.array {}
  for _, tool in ipairs(body.tools or {}) do
    if type(tool) == "table" then
      local functions = chat.tools { tools = { tool } }
      if functions[1] then
        out[#out + 1] = custom(functions[1], traits, lost)
      elseif is_own(tool) then
        out[#out + 1] = tool
      else
        lost["tools." .. tostring(tool.type)] = true
      end
    end
  end
  if body.web_search_options then out[#out + 1] = search_of(body.web_search_options) end
  return out[1] and out or nil
end

local CHOICES = { auto = "auto", none = "none", required = "any", any = "any" }

--- `tool_choice`, with whether calls may be parallel.
-- @treturn ?table
-- @treturn boolean  must a tool be called?
function anthropic_tools.write_choice(body, has_tools, traits, lost)
  local kind, name = chat.tool_choice(body)
  local choice
  if kind == "function" then
    choice = { type = "tool", name = name }
  elseif kind == "tool" and type(body.tool_choice) == "table" then
    choice = { type = "tool", name = body.tool_choice.name }
  elseif kind then
    choice = CHOICES[kind] and { type = CHOICES[kind] }
    lost.tool_choice = not choice or nil
  end
  if not has_tools then return nil, false end
  local is_forced = choice ~= nil and (choice.type == "any" or choice.type == "tool")
  if is_forced and not traits.can_be_forced then
    choice, is_forced, lost.tool_choice = { type = "auto" }, false, true
  end
  if body.parallel_tool_calls == false and not (choice and choice.type == "none") then
    choice = choice or { type = "auto" }
    choice.disable_parallel_tool_use = true
  end
  return choice, is_forced
end

local JSON_ONLY = "Answer with one JSON object and nothing else: no words before or after it, no code fence."

--- The shape that is asked for: as output_config.format where the model has that, else as an instruction.
-- @treturn ?table  output_config.format
-- @treturn ?string  the instruction
function anthropic_tools.write_format(body, traits, lost)
  local kind, of = chat.format(body)
  local schema = kind == "json_schema" and type(of) == "table" and of.schema
  if schema and traits.has_formats then return { type = "json_schema", schema = schema } end
  if kind == nil or kind == "text" then return nil end
  if kind == "json_object" then return nil, JSON_ONLY end
  lost.response_format = true                    -- words are no guarantee
  if schema then return nil, JSON_ONLY .. " It conforms to this JSON schema:\n" .. tostring(schema) end
end

-- ---- from Anthropic's clients ----

local KNOWN = { type = true, name = true, description = true, input_schema = true, strict = true,
                cache_control = true }

local function read_tool(tool, raw, lost)
  if tool.type and tool.type ~= "custom" then return json.raw(raw) end
  for name in pairs(tool) do
    if not KNOWN[name] then lost["tools." .. name] = true end
  end
  return { type = "function", cache_control = tool.cache_control, ["function"] = {
    name = tool.name, description = tool.description, parameters = tool.input_schema, strict = tool.strict } }
end

local KEEP = { input_schema = true }

--- @tparam ?string text  Anthropic's `tools`, JSON text
function anthropic_tools.read(text, lost)
  local out = json.array {}
  for i, raw in ipairs(text and json.elements(text) or {}) do
    local tool = json.read(tostring(raw), KEEP)
    if type(tool) == "table" then out[i] = read_tool(tool, tostring(raw), lost) end
  end
  return out[1] and out or nil
end

local WORDS = { auto = "auto", any = "required", none = "none" }

--- Fill in `tool_choice` and `parallel_tool_calls` of a chat request.
function anthropic_tools.read_choice(choice, out)
  if type(choice) ~= "table" then return end
  out.tool_choice = WORDS[choice.type]
  if choice.type == "tool" then
    out.tool_choice = { type = "function", ["function"] = { name = choice.name } }
  end
  if choice.disable_parallel_tool_use then out.parallel_tool_calls = false end
end

--- `response_format` for output_config.format, or for output_format as it was called before.
function anthropic_tools.read_format(body)
  local config = type(body.output_config) == "table" and body.output_config or {}
  local format = config.format or body.output_format
  if type(format) ~= "table" or format.type ~= "json_schema" then return nil end
  return { type = "json_schema", json_schema = { name = "answer", strict = true, schema = format.schema } }
end

return anthropic_tools
