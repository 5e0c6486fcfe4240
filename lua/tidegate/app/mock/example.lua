--- The least value that fits a JSON Schema: required members and no others.
--
-- Pure. It knows what tools and structured answers are described with, in the
-- dialects of OpenAI (JSON Schema) and Google (types in capitals): enough that a
-- client which validates is content. Patterns and formats are not looked at.

local core  = require "tidegate.core"
local turns = require "tidegate.app.mock.turns"

local json = core.json

local DEPTH_MAX = 8             -- of a schema that requires itself

local value

local function object(schema, how, depth)
  local out, names, properties = {}, {}, turns.within(schema.properties)
  for i, name in ipairs(turns.within(schema.required)) do
    names[i], out[name] = name, value(properties[name], how, depth)
  end
  return json.ordered(out, names)
end

local function array(schema, how, depth)
  local out = json.array()
  for i = 1, math.min(tonumber(schema.minItems) or 0, 10) do out[i] = value(schema.items, how, depth) end
  return out
end

local function number(schema)
  return type(schema.minimum) == "number" and math.ceil(schema.minimum) or 0
end

local BY_TYPE = {
  object = object, array = array, number = number, integer = number,
  string = function(_, how) return how.word end,
  boolean = function() return true end,
  null = function() return json.null end,
}

-- The schema that `#/$defs/Name` or `#/definitions/Name` stands for.
local function referred(schema, root)
  local place, name = tostring(schema["$ref"]):match("^#/([^/]+)/([^/]+)$")
  local found = place and type(root[place]) == "table" and root[place][name]
  return type(found) == "table" and found or {}
end

local function type_of(schema)
  local kind = schema.type
  if type(kind) == "table" then kind = kind[1] end
  return kind and tostring(kind):lower() or schema.properties and "object"
end

function value(schema, how, depth)
  if type(schema) ~= "table" or depth > DEPTH_MAX then return how.word end
  if schema["$ref"] then return value(referred(schema, how.root), how, depth + 1) end
  if schema.const ~= nil then return schema.const end
  if type(schema.enum) == "table" and schema.enum[1] ~= nil then return schema.enum[1] end
  local choices = schema.anyOf or schema.oneOf or schema.allOf
  if type(choices) == "table" and choices[1] then return value(choices[1], how, depth + 1) end
  local make = BY_TYPE[type_of(schema) or depth == 0 and "object"]
  return make and make(schema, how, depth + 1) or how.word
end

--- A value for json.encode.
-- @param schema  decoded; no schema is that of an object without members
-- @tparam string word  what stands where any string does
return function(schema, word)
  if type(schema) ~= "table" then return json.ordered({}, {}) end
  return value(schema, { root = schema, word = word }, 0)
end
