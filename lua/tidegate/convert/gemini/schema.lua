--- Google's Schema, an OpenAPI subset with types in capitals, as JSON Schema.
--
-- Only this direction: towards Google schemas go as they are, in parametersJsonSchema and responseJsonSchema.
-- Members keep their order, and what is JSON Schema already keeps its bytes. Pure.

local json  = require("tidegate.core").json
local edit  = require "tidegate.convert.edit"
local words = require "tidegate.convert.gemini.words"

local schema = {}

local NAMES = { ref = "$ref", defs = "$defs" }

-- int64 travels as a string in Google's JSON.
local COUNTS = { minItems = true, maxItems = true, minLength = true, maxLength = true, minProperties = true,
                 maxProperties = true }

local SCHEMA  = { items = true, additionalProperties = true }
local SCHEMAS = { anyOf = true, oneOf = true, allOf = true, prefixItems = true }
local NAMED   = { properties = true, ["$defs"] = true }

-- Properties in the order that `propertyOrdering` asks for.
local function in_order(text, ordering)
  local members, names = json.split(text)
  local wanted = ordering and json.read(ordering)
  if not members or type(wanted) ~= "table" then return text end
  local order, seen = {}, {}
  for _, list in ipairs { wanted, names } do
    for _, name in ipairs(list) do
      if members[name] and not seen[name] then order[#order + 1], seen[name] = name, true end
    end
  end
  for i, name in ipairs(order) do
    if name ~= names[i] then return json.encode(json.ordered(members, order)) end
  end
  return text
end

local function type_of(raw, is_nullable)
  local name = json.decode(raw)
  if type(name) ~= "string" then return raw end
  if name == "TYPE_UNSPECIFIED" then return nil end
  if is_nullable then return json.encode { name:lower(), "null" } end
  return name == name:lower() and raw or json.encode(name:lower())
end

-- One more element in a list, as text.
local function with(list, element)
  return list:match "^%[%s*%]$" and "[" .. element .. "]" or list:gsub("%]%s*$", "," .. element .. "]")
end

local function change(name, value, parent)
  if name == "type" then
    value = type_of(value, parent.nullable)
    return value and name, value
  elseif name == "nullable" or name == "propertyOrdering" then
    return nil
  elseif name == "example" then
    return "examples", "[" .. value .. "]"
  elseif name == "enum" then
    return name, parent.nullable and with(value, "null") or value
  elseif COUNTS[name] then
    return name, value:match '^"(%d+)"$' or value
  elseif SCHEMA[name] then
    return name, schema.to_json(value)
  elseif SCHEMAS[name] then
    value = edit.list(value, schema.to_json)
    return name, parent.nullable and name == "anyOf" and not parent.type and with(value, '{"type":"null"}') or value
  elseif NAMED[name] then
    value = edit.object(value, function(key, member) return key, schema.to_json(member) end)
    return name, name == "properties" and in_order(value, parent.ordering) or value
  end
  return name, value
end

--- @tparam string text  JSON text of a schema, Google's or JSON Schema
-- @treturn string  JSON Schema
function schema.to_json(text)
  local nullable, kind, ordering, older = json.pick(text, "nullable", "type", "propertyOrdering", "property_ordering")
  local parent = { nullable = nullable == "true", type = kind, ordering = ordering or older }
  return edit.object(text, function(name, value)
    name = words.camel(name)
    return change(NAMES[name] or name, value, parent)
  end)
end

return schema
