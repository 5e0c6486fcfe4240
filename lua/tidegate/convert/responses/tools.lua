--- Tools, the choice among them, and the shape of the answer: flat in the Responses API, nested in chat.
--
--     {"type":"function","name":...}       {"type":"function","function":{"name":...}}
--     {"type":"custom","name":...}         {"type":"custom","custom":{"name":...}}
--     {"type":"json_schema","schema":...}  {"type":"json_schema","json_schema":{"schema":...}}
--
-- Tools that the provider runs itself go on as they are. Pure.

local json = require("tidegate.core").json
local chat = require "tidegate.convert.chat"

local tools = {}

local KEEP = { parameters = true }

-- ---- one tool ----

local function format_to_chat(format)
  if type(format) ~= "table" or format.type ~= "grammar" or format.grammar then return format end
  return { type = "grammar", grammar = { definition = format.definition, syntax = format.syntax } }
end

local function format_from_chat(format)
  if type(format) ~= "table" or type(format.grammar) ~= "table" then return format end
  return { type = "grammar", definition = format.grammar.definition, syntax = format.grammar.syntax }
end

--- A tool of a client's, JSON text, as chat has it.
-- @tparam table lost  set that gains "tools.defer_loading" where a tool was to be loaded on demand
-- @treturn ?table  nil when it is no object
function tools.to_chat(text, lost)
  local tool = json.read(text, KEEP)
  if type(tool) ~= "table" or json.is_array(tool) then return nil end
  if tool.defer_loading and tool.type == "function" then lost["tools.defer_loading"] = true end
  if tool.type == "function" then
    -- Some clients write it as chat does, or both ways at once.
    local f = type(tool["function"]) == "table" and tool["function"] or {}
    return { type = "function", cache_control = tool.cache_control,
             ["function"] = { name = tool.name or f.name, description = tool.description or f.description,
                              parameters = tool.parameters or f.parameters, strict = tool.strict or f.strict } }
  elseif tool.type == "custom" and tool.name then
    return { type = "custom", custom = { name = tool.name, description = tool.description,
                                         format = format_to_chat(tool.format) } }
  end
  return json.raw(text)
end

-- A function without strict is strict here and is not in chat.
local function function_from_chat(f)
  return { type = "function", name = f.name, description = f.description, strict = f.strict or false,
           parameters = f.parameters or { type = "object", properties = {} } }
end

-- Anthropic's search of the web, which its clients ask for by a dated name.
local function search_from_anthropic(tool)
  local filters = tool.allowed_domains and { allowed_domains = tool.allowed_domains }
  return { type = "web_search", filters = filters, user_location = tool.user_location }
end

--- One of chat's tools that is no function.
-- @treturn ?table  nil when OpenAI has nothing of the kind
local function other_from_chat(tool)
  local kind = tostring(tool.type)
  if kind == "custom" and type(tool.custom) == "table" then
    return { type = "custom", name = tool.custom.name, description = tool.custom.description,
             format = format_from_chat(tool.custom.format) }
  elseif kind:find "^web_search_20%d%d%d%d%d%d$" then
    return search_from_anthropic(tool)
  elseif kind:find "_20%d%d%d%d%d%d$" or kind:find "^openrouter:" or not tool.type then
    return nil
  end
  return tool
end

--- A chat request's tools, decoded, as this format has them.
-- @tparam table lost  set that gains the types of tools that have no place
function tools.from_chat(list, lost)
  local out = {}
  for _, tool in ipairs(list) do
    local functions = chat.tools { tools = { tool } }
    local one = functions[1] and function_from_chat(functions[1]) or other_from_chat(tool)
    if not one then lost["tools." .. tostring(tool.type)] = true end
    out[#out + 1] = one
  end
  return out
end

--- chat's `web_search_options`: a tool here.
function tools.search(options)
  local where = type(options.user_location) == "table" and options.user_location
  local place = where and where.approximate
  if place then
    place.type = where.type or "approximate"
    where = place
  end
  return { type = "web_search", search_context_size = options.search_context_size, user_location = where or nil }
end

-- ---- the choice ----

local function each(list, change)
  local out = json.array {}
  for i, tool in ipairs(type(list) == "table" and list or {}) do out[i] = change(tool) end
  return out
end

--- `tool_choice`, decoded, as chat has it. What names neither a function nor a custom tool stays as it is.
function tools.choice_to_chat(choice)
  if type(choice) ~= "table" then return choice end
  if (choice.type == "function" or choice.type == "custom") and choice.name then
    return { type = choice.type, [choice.type] = { name = choice.name } }
  elseif choice.type == "allowed_tools" and choice.tools then
    return { type = "allowed_tools",
             allowed_tools = { mode = choice.mode, tools = each(choice.tools, tools.choice_to_chat) } }
  end
  return choice
end

local WORDS = { auto = "auto", none = "none", required = "required", any = "required" }

function tools.choice_from_chat(choice)
  if type(choice) ~= "table" then return choice end
  if WORDS[choice.type] then return WORDS[choice.type] end
  local inside = choice["function"] or choice.custom
  if type(inside) == "table" then return { type = choice.type or "function", name = inside.name } end
  local allowed = choice.allowed_tools
  if type(allowed) == "table" then
    return { type = "allowed_tools", mode = allowed.mode, tools = each(allowed.tools, tools.choice_from_chat) }
  end
  return choice
end

-- ---- the shape of the answer ----

--- `text.format` as chat's `response_format`.
function tools.format_to_chat(format)
  if type(format) ~= "table" or format.type ~= "json_schema" or format.json_schema then return format end
  return { type = "json_schema", json_schema = { name = format.name, description = format.description,
                                                 schema = format.schema, strict = format.strict } }
end

-- Names that the format knows; chat has more, which servers of one's own understand.
local SHAPES = { text = true, json_object = true, json_schema = true }

--- chat.format() as `text.format`; nil when nothing was asked, or nothing that has a place.
function tools.format_from_chat(kind, schema, lost)
  if kind and not SHAPES[kind] then lost.response_format = true end
  if not SHAPES[kind] then return nil end
  if kind ~= "json_schema" then return { type = kind } end
  schema = type(schema) == "table" and schema or {}
  return { type = kind, name = schema.name or "response", description = schema.description, strict = schema.strict,
           schema = schema.schema or { type = "object" } }
end

return tools
