--- Tables of fields: what a table may hold, checked and told from one list.
--
--     local LIST = { { name = "port", type = "integer", least = 0, most = 65535, doc = "where" } }
--     fields.check_table(LIST, { prot = 80 })  --> { path = { "prot" },
--                                              --    message = "unknown key prot, did you mean port?" }
--     fields.markdown(LIST)                    --> | key | type | default | meaning | ...
--     fields.luacats(LIST, "app.Config")       --> ---@class app.Config ...
--
-- A field is { name, type, ... }; `type` is one of
--
--   string              one line that is not empty; with `is_free` any text at all
--   boolean, function
--   integer, number     finite, and never NaN
--   table               with `fields`, a list of fields
--   list                `of` a type's name, a field, or a list of fields; `most` items
--   map                 names that match `names` (and are `called` that), or are among the `known`,
--                       to strings, or to values `of` a type's name or a field
--   union               the one of `any_of` (fields without a name) whose kind of value it is
--
-- `required`, `default`, `unit`, `least`, `most`, `one_of` and `check` say more; `or_false`,
-- `or_one` and `or_name` admit false, one string for a list of one, a string for an item;
-- `mistaken` has words for wrong kinds of values that are easily taken for right.
-- `class` and `cats` are what LuaCATS calls a field's table and type. A list of fields that are
-- all there, but for those that are `optional`, says `is_given`; where a key that it lacks
-- belongs, it tells in `elsewhere = { key = "words" }`.
--
-- Complaints carry the path of keys, from which a loader finds the line.

local near = require "tidegate.base.near"

local fields = {}

local function complain(path, ...)
  return { path = path, message = string.format(...) }
end

local function below(path, key)
  local longer = {}
  for i, step in ipairs(path) do longer[i] = step end
  longer[#longer + 1] = key
  return longer
end

--- The path of keys as it is written: providers[2].base_url.
function fields.said(path)
  local out = ""
  for _, step in ipairs(path) do
    out = out .. (type(step) == "number" and "[" .. step .. "]" or (out == "" and "" or ".") .. step)
  end
  return out
end

local said = fields.said

-- What a complaint begins with; the outermost table has no name.
local function at(path)
  return path[1] and said(path) .. ": " or ""
end

-- ---- check ----

local checks = {}

local function sorted_keys(t)
  local keys = {}
  for key in pairs(t) do keys[#keys + 1] = key end
  table.sort(keys, function(a, b) return tostring(a) < tostring(b) end)
  return keys
end

local function guess(names, word)
  local meant = near(names, word)
  return meant and ", did you mean " .. meant .. "?" or ""
end

local function unknown_key(list, path, key)
  if type(key) ~= "string" then
    return complain(path, "%sa key of type %s does not belong here", at(path), type(key))
  end
  local there = below(path, key)
  local elsewhere = list.elsewhere and list.elsewhere[key]
  if elsewhere then return complain(there, "%s%s", at(there), elsewhere) end
  local names = {}
  for i, field in ipairs(list) do names[i] = field.name end
  return complain(there, "unknown key %s%s", said(there), guess(names, key))
end

local function is_required(list, field)
  return field.required or list.is_given and not field.optional
end

--- Hold a table to a list of fields.
-- @tparam table list
-- @tparam table value
-- @tparam ?table path  where it stands
-- @treturn ?table  nil when it is good, else { path, message }
function fields.check_table(list, value, path)
  path = path or {}
  local by_name = {}
  for _, field in ipairs(list) do by_name[field.name] = field end
  for _, key in ipairs(sorted_keys(value)) do
    if not by_name[key] then return unknown_key(list, path, key) end
  end
  for _, field in ipairs(list) do
    local given = value[field.name]
    if given == nil and is_required(list, field) then
      return complain(path, "%smissing key %s", at(path), field.name)
    end
    local bad = given ~= nil and fields.check(field, given, below(path, field.name))
    if bad then return bad end
  end
end

-- As type(), but a function of another Lua state is shown as { ["function"] = its line }.
local function kind_of(value)
  if type(value) ~= "table" or type(value["function"]) ~= "number" then return type(value) end
  return next(value, next(value)) == nil and "function" or "table"
end

local function expected(field, value, path, what)
  local kind = kind_of(value)
  local words = field.mistaken and field.mistaken[kind]
  if words then return complain(path, "%s%s", at(path), words) end
  return complain(path, "%s%s expected, got %s", at(path), what or field.type, kind)
end

function checks.string(field, value, path)
  if type(value) ~= "string" then return expected(field, value, path) end
  if field.is_free then return nil end
  if value == "" then return complain(path, "%sis empty", at(path)) end
  if value:find("[%c]") then return complain(path, "%shas control characters", at(path)) end
  if #value < (field.least or 0) then
    return complain(path, "%sshorter than %d characters", at(path), field.least)
  end
end

function checks.boolean(field, value, path)
  if type(value) ~= "boolean" then return expected(field, value, path) end
end

-- The bounds of a number in words.
local function range(field)
  if field.least and field.most then return ("a number from %s to %s"):format(field.least, field.most) end
  if field.least then return ("a number from %s on"):format(field.least) end
  return field.most and ("a number up to %s"):format(field.most) or "a finite number"
end

function checks.number(field, value, path)
  if type(value) ~= "number" then return expected(field, value, path) end
  local is_finite = value > -math.huge and value < math.huge
  if not is_finite or value < (field.least or value) or value > (field.most or value) then
    return complain(path, "%s%s expected", at(path), range(field))
  end
end

function checks.integer(field, value, path)
  if type(value) ~= "number" or value % 1 ~= 0 then
    return expected(field, value, path, "whole number")
  end
  return checks.number(field, value, path)
end

checks["function"] = function(field, value, path)
  if kind_of(value) ~= "function" then return expected(field, value, path) end
end

function checks.table(field, value, path)
  if kind_of(value) ~= "table" then return expected(field, value, path) end
  return fields.check_table(field.fields, value, path)
end

local function is_among(word, words)
  for _, known in ipairs(words) do
    if word == known then return true end
  end
  return false
end

-- Of what may stand before the equals sign in a map.
local function check_name(field, name, path)
  if type(name) ~= "string" or not name:find(field.names or "") then
    return complain(path, "%s%s is no %s", at(path), tostring(name), field.called or "name")
  end
  if field.known and not is_among(name, field.known) then
    return complain(below(path, name), "unknown key %s%s", said(below(path, name)), guess(field.known, name))
  end
end

-- What stands behind `of`: a field, or the name of its type.
local function field_of(of)
  return type(of) == "string" and { type = of } or of
end

function checks.map(field, value, path)
  if kind_of(value) ~= "table" then return expected(field, value, path, "table") end
  for _, name in ipairs(sorted_keys(value)) do
    local item, there = value[name], below(path, name)
    local wrong = check_name(field, name, path)
    if wrong then return wrong end
    if not field.of and (type(item) ~= "string" or item:find("[%c]")) then
      return complain(there, "%sa string of one line expected", at(there))
    end
    local bad = field.of and fields.check(field_of(field.of), item, there)
    if bad then return bad end
  end
end

local function check_item(field, value, path)
  if type(value) == "string" and field.or_name then return nil end
  if field_of(field.of).type then return fields.check(field_of(field.of), value, path) end
  if kind_of(value) ~= "table" then return expected(field, value, path, "table") end
  return fields.check_table(field.of, value, path)
end

function checks.list(field, value, path)
  if field.or_one and type(value) == "string" then return nil end
  if kind_of(value) ~= "table" then return expected(field, value, path, "list") end
  local count = 0
  for key in pairs(value) do
    count = count + 1
    if type(key) ~= "number" then
      return complain(below(path, key), "%sa list has no key %s", at(below(path, key)), tostring(key))
    end
  end
  if count > (field.most or count) then
    return complain(path, "%sa list of %d items at most expected", at(path), field.most)
  end
  for i = 1, count do
    if value[i] == nil then return complain(path, "%sa list with holes (a nil in it)", at(path)) end
    local bad = check_item(field, value[i], below(path, i))
    if bad then return bad end
  end
end

local KINDS = { integer = "number", list = "table", map = "table" }

function checks.union(field, value, path)
  local kinds = {}
  for i, one in ipairs(field.any_of) do
    kinds[i] = KINDS[one.type] or one.type
    if kind_of(value) == kinds[i] then return fields.check(one, value, path) end
  end
  return expected(field, value, path, table.concat(kinds, " or "))
end

-- The words that are near enough to guess: never the one that opens a door.
local function guesses(field)
  local words = {}
  for _, word in ipairs(field.one_of) do
    if word ~= field.never_guessed then words[#words + 1] = word end
  end
  return words
end

local function one_of(field, value, path)
  if is_among(value, field.one_of) then return nil end
  local meant = near(guesses(field), value)
  return complain(path, '%sone of "%s" expected, got "%s"%s', at(path),
    table.concat(field.one_of, '", "'), value, meant and (', did you mean "%s"?'):format(meant) or "")
end

--- Hold a value to its field.
-- @treturn ?table  nil when it is good, else { path, message }
function fields.check(field, value, path)
  if value == false and field.or_false then return nil end
  local bad = checks[field.type](field, value, path)
  if bad then return bad end
  if field.one_of then return one_of(field, value, path) end
  if not field.check then return nil end
  local good, why = field.check(value)
  if not good then return complain(path, "%s%s: %s", at(path), value, why) end
end

-- ---- Markdown ----

local function shown(value)
  if type(value) == "table" then return '`{ "' .. table.concat(value, '", "') .. '" }`' end
  if type(value) == "string" then return '`"' .. value .. '"`' end
  return value == nil and "" or "`" .. tostring(value) .. "`"
end

local function type_of(field)
  if field.type == "union" then
    local types = {}
    for i, one in ipairs(field.any_of) do types[i] = type_of(one) end
    return table.concat(types, " or ")
  end
  if field.type == "list" then
    if type(field.of) == "string" then return "list of " .. field.of .. "s" end
    return "list of " .. (field.of.type and type_of(field.of) or "tables")
  end
  if field.one_of then return '"' .. table.concat(field.one_of, '", "') .. '"' end
  return field.type
end

local put_rows

-- The rows of what a field has inside it.
local function put_inside(out, field, name, row)
  if field.fields then put_rows(out, field.fields, name .. ".", row) end
  for _, one in ipairs(field.any_of or {}) do put_inside(out, one, name, row) end
  if type(field.of) == "table" and not field.of.type then put_rows(out, field.of, name .. "[].", row) end
end

function put_rows(out, list, prefix, row)
  for _, field in ipairs(list) do
    local name = prefix .. field.name
    local unit = field.unit and " (" .. field.unit .. ")" or ""
    if not field.fields then
      out[#out + 1] = row:format(name, type_of(field) .. unit,
        field.required and "required" or shown(field.default), field.doc)
    end
    put_inside(out, field, name, row)
  end
end

--- A Markdown table of all keys, those of tables below theirs. Fields that are given have no
-- defaults, and no column for them.
function fields.markdown(list)
  local out = { "| key | type | default | meaning |", "|---|---|---|---|" }
  local row = "| `%s` | %s | %s | %s |"
  if list.is_given then
    out, row = { "| field | type | meaning |", "|---|---|---|" }, "| `%s` | %s |%.0s %s |"
  end
  put_rows(out, list, "", row)
  return table.concat(out, "\n") .. "\n"
end

-- ---- LuaCATS ----

local cats_type

local function cats_union(field, class, later)
  local types = {}
  for i, one in ipairs(field.any_of) do types[i] = cats_type(one, one.class or class, later) end
  return table.concat(types, "|")
end

local function cats_list(field, class, later)
  if type(field.of) == "string" then
    return field.of .. "[]" .. (field.or_one and "|" .. field.of or "")
  end
  if field.of.type then return "(" .. cats_type(field.of, class, later) .. ")[]" end
  later[#later + 1] = { field.of, class }
  return field.or_name and ("(%s|string)[]"):format(class) or class .. "[]"
end

-- The type in LuaCATS. A table in it is of that class, and added to `later`.
function cats_type(field, class, later)
  if field.cats then return field.cats end
  if field.one_of then return '"' .. table.concat(field.one_of, '"|"') .. '"' end
  if field.type == "union" then return cats_union(field, class, later) end
  if field.type == "map" then return ("table<string, %s>"):format(field_of(field.of or "string").type) end
  if field.type == "list" then return cats_list(field, class, later) end
  if field.type ~= "table" then return field.type .. (field.or_false and "|false" or "") end
  later[#later + 1] = { field.fields, class }
  return class
end

-- tidegate.Config.Provider for `providers`.
local function class_of(field, class)
  return field.class or class .. "." .. field.name:gsub("s$", ""):gsub("^%l", string.upper)
end

local function put_class(out, list, class, seen)
  if seen[class] then return end
  seen[class] = true
  local later = {}
  out[#out + 1] = "---@class " .. class
  for _, field in ipairs(list) do
    local line = ("---@field %s%s %s %s"):format(field.name, is_required(list, field) and "" or "?",
      cats_type(field, class_of(field, class), later), field.doc)
    out[#out + 1] = line:gsub(" $", "")
  end
  out[#out + 1] = ""
  for _, one in ipairs(later) do put_class(out, one[1], one[2], seen) end
end

--- LuaCATS classes for editors: that of the list, and those of the tables in it.
-- @tparam table list
-- @tparam string class  its name
-- @tparam ?table seen  names of classes that are written already; gets the new ones
function fields.luacats(list, class, seen)
  local out = {}
  put_class(out, list, class, seen or {})
  return table.concat(out, "\n")
end

return fields
