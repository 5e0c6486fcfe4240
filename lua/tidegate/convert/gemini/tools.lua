--- Functions and built-in tools, and how they may be called, both ways.
--
-- A function's schema goes to Google as it is, in parametersJsonSchema: the older `parameters` takes a subset of
-- OpenAPI. Google's built-in tools stand in chat's `tools` as Google writes them, {"googleSearch":{}}. Pure.

local json   = require("tidegate.core").json
local chat   = require "tidegate.convert.chat"
local schema = require "tidegate.convert.gemini.schema"
local words  = require "tidegate.convert.gemini.words"

local tools = {}

--- Chat's members that to_gemini() takes care of.
tools.CARRIED = { "tools", "tool_choice", "tool_config", "web_search_options" }

-- ---- to Google ----

local function declared(f)
  return json.ordered({ name = f.name, description = f.description, parametersJsonSchema = f.parameters },
    { "name", "description", "parametersJsonSchema" })
end

-- Tools in one list: all functions in one element, each built-in tool in its own.
local function list_of(body, text, lost)
  local functions, out = json.array {}, json.array {}
  local raw = body.tools and json.elements(json.pick(text, "tools")) or {}
  for i, tool in ipairs(body.tools or {}) do
    local f = tool["function"]
    if tool.type == "function" and f then
      functions[#functions + 1] = declared(f)
      if f.strict then lost["tools.strict"] = true end
    elseif tool.type == nil then
      out[#out + 1] = raw[i]
    else
      lost["tools." .. tostring(tool.type)] = true
    end
  end
  if body.web_search_options then out[#out + 1] = json.raw '{"googleSearch":{}}' end
  if functions[1] then out[#out + 1] = { functionDeclarations = functions } end
  return out[1] and out or nil, functions[1] ~= nil
end

-- Where there is no function Google refuses these.
local FORCING = { ANY = true, VALIDATED = true }

local MODES = { auto = "AUTO", none = "NONE", required = "ANY" }

local function object(value) return type(value) == "table" and value or {} end

-- Names go with ANY and with VALIDATED, which is AUTO that keeps to the schemas.
local function allowed(choice)
  local among = object(choice.allowed_tools or choice)
  local names = json.array {}
  for _, tool in ipairs(object(among.tools)) do
    tool = object(tool)
    names[#names + 1] = object(tool["function"] or tool).name
  end
  return { mode = among.mode == "required" and "ANY" or "VALIDATED", allowedFunctionNames = names }
end

local function calling_of(body)
  local kind, name = chat.tool_choice(body)
  if kind == "function" then return { mode = "ANY", allowedFunctionNames = json.array { name } } end
  if kind == "allowed_tools" then return allowed(body.tool_choice) end
  return MODES[kind] and { mode = MODES[kind] } or nil
end

--- @tparam table body  a chat request
-- @tparam string text  the JSON text it was read from
-- @tparam table lost  set of names to add to
-- @treturn ?table  Google's tools
-- @treturn ?table  toolConfig
function tools.to_gemini(body, text, lost)
  local setting = {}
  local given = body.tool_config
  for name, value in pairs(type(given) == "table" and not json.is_array(given) and given or {}) do
    setting[words.camel(name)] = value
  end
  local list, has_functions = list_of(body, text, lost)
  local calling = calling_of(body)
  if calling and FORCING[calling.mode] and not has_functions then
    calling, lost.tool_choice = nil, true
  end
  setting.functionCallingConfig = calling or setting.functionCallingConfig
  return list, next(setting) and setting or nil
end

-- ---- to chat ----

local function function_of(declaration, lost)
  local parameters = declaration.parametersJsonSchema
    or declaration.parameters and json.raw(schema.to_json(tostring(declaration.parameters)))
  if declaration.response or declaration.responseJsonSchema then lost["tools.response"] = true end
  if declaration.behavior then lost["tools.behavior"] = true end
  return json.ordered({ type = "function", ["function"] = json.ordered({
    name = declaration.name, description = declaration.description, parameters = parameters,
  }, { "name", "description", "parameters" }) }, { "type", "function" })
end

local CHOICES = { AUTO = "auto", NONE = "none", ANY = "required", VALIDATED = "auto" }

local function choice_of(calling)
  local mode, names = tostring(calling.mode or "AUTO"):upper(), calling.allowedFunctionNames or {}
  if not names[1] then return CHOICES[mode] end
  if mode == "ANY" and not names[2] then return { type = "function", ["function"] = { name = names[1] } } end
  local among = json.array {}
  for i, name in ipairs(names) do among[i] = { type = "function", ["function"] = { name = name } } end
  return { type = "allowed_tools",
           allowed_tools = { mode = mode == "ANY" and "required" or "auto", tools = among } }
end

local function without(members, name)
  local out = {}
  for key, value in pairs(members) do
    if key ~= name then out[key] = value end
  end
  return next(out) and out or nil
end

--- Set a chat request's members from Google's tools and toolConfig, names in camel case and schemas as json.raw.
function tools.to_chat(given, setting, body, lost)
  local out = json.array {}
  for _, tool in ipairs(given or {}) do
    for name, value in pairs(tool) do
      if name == "functionDeclarations" then
        for _, declaration in ipairs(value) do out[#out + 1] = function_of(declaration, lost) end
      else
        out[#out + 1] = { [name] = value }
      end
    end
  end
  body.tools = out[1] and out or nil
  if not setting then return end
  local calling = setting.functionCallingConfig
  body.tool_choice = calling and out[1] and choice_of(calling) or nil
  if calling and calling.mode == "VALIDATED" then lost["toolConfig.functionCallingConfig.mode"] = true end
  if calling and calling.streamFunctionCallArguments then
    lost["toolConfig.functionCallingConfig.streamFunctionCallArguments"] = true
  end
  body.tool_config = without(setting, "functionCallingConfig")
end

return tools
