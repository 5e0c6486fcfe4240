--- Every key of the configuration: its type, default, unit and meaning.
--
-- The one table behind the loader's checks, the table in docs/configuration.md
-- and the LuaCATS types (`tidegate config`).
--
-- A field is { name, type, ... }: `type` is string, boolean, integer, number,
-- table (with `fields`), list (`of` a type or of `fields`), map (string to
-- string). `least`, `most`, `one_of` and `check` say more about a value.

local near  = require "tidegate.base.near"
local wires = require "tidegate.wire.wires"

local schema = {}

local function is_slug(value)
  return value:find("^[%w][%w%-_%.]*$") ~= nil, "letters, digits and -._ expected"
end

local function is_address(value)
  local port = tonumber(value:match("^%[[%x:%.]+%]:(%d+)$") or value:match("^[%w%.%-]*:(%d+)$"))
  return port ~= nil and port <= 65535, "HOST:PORT expected, as in 127.0.0.1:8080"
end

local function is_built_wire(value)
  if wires[value] and wires[value].speaks then return true end
  local built = {}
  for name, wire in pairs(wires) do
    if wire.speaks then built[#built + 1] = name end
  end
  table.sort(built)
  local names = {}
  for name in pairs(wires) do names[#names + 1] = name end
  local meant = not wires[value] and near(names, value)
  return false, ("%s; this version speaks %s%s"):format(
    wires[value] and "not built yet" or "no such wire", table.concat(built, " and "),
    meant and ", did you mean " .. meant .. "?" or "")
end

local ABOUT = {
  { name = "privacy_policy_url",   type = "string", doc = "shown by `GET /providers`" },
  { name = "terms_of_service_url", type = "string", doc = "the same" },
  { name = "status_page_url",      type = "string", doc = "the same" },
  { name = "headquarters",         type = "string", doc = "ISO country code" },
  { name = "datacenters",          type = "list", of = "string", doc = "ISO country codes" },
}

local PROVIDER = {
  { name = "slug", type = "string", required = true, check = is_slug,
    doc = "its name in catalogues and in `order`, `only`, `ignore`" },
  { name = "name", type = "string", doc = "its name for people; default the slug" },
  { name = "wire", type = "string", check = is_built_wire,
    doc = "the format it speaks; default `openai-chat`" },
  { name = "base_url", type = "string", url = true,
    doc = "requests go to `base_url .. \"/chat/completions\"`; default that of the built-in provider of this slug" },
  { name = "key", type = "string", secret = true, or_false = true,
    doc = "travels to `base_url` and nowhere else. When `env` finds nothing the provider is left out; "
      .. "without this key, or with `false`, none is sent" },
  { name = "data_collection", type = "string", one_of = { "allow", "deny" },
    doc = "`deny`: it neither trains on nor keeps prompts; default `allow`" },
  { name = "zdr", type = "boolean", doc = "it keeps nothing at all (zero data retention); default `false`" },
  { name = "region", type = "string", doc = "where it computes, as in `eu`" },
  { name = "proxy", type = "string", url = true, doc = "HTTP proxy on the way to it" },
  { name = "http2", type = "boolean", doc = "speak HTTP/2 to it; default `false`" },
  { name = "headers", type = "map", doc = "further header fields of every request" },
  { name = "stream_options", type = "boolean",
    doc = "`false` for providers that refuse `stream_options`; default `true`" },
  { name = "about", type = "table", fields = ABOUT, doc = "what `GET /providers` tells" },
}

local KEY = {
  { name = "name", type = "string", required = true, doc = "for logs" },
  { name = "key", type = "string", required = true, secret = true, least = 8,
    doc = "what the client sends as `Authorization: Bearer ...`; kept as a digest" },
}

local function seconds(name, default, doc)
  return { name = name, type = "number", default = default, unit = "s", least = 0, most = 86400, doc = doc }
end

schema.config = {
  { name = "listen", type = "string", default = "127.0.0.1:8080", check = is_address,
    doc = "where clients connect; port 0 lets the system choose" },
  { name = "workers", type = "integer", least = 1, most = 64,
    doc = "engines, a thread each; default one per core" },
  { name = "auth", type = "string", default = "keys", one_of = { "keys", "none" },
    never_guessed = "none",
    doc = "`keys`: clients need one of `keys`. `none`: nobody is asked; accepted on loopback only" },
  { name = "keys", type = "list", of = KEY, doc = "who may ask" },
  { name = "catalog", type = "list", of = "string", or_one = true, default = { "tidegate:shipped" },
    doc = "catalogue files, merged in order, relative to this file; `tidegate:shipped` is the one "
      .. "that comes with the program" },
  { name = "providers", type = "list", of = PROVIDER, or_name = true,
    doc = "providers; a string is a built-in one with its usual environment variable" },
  { name = "timeouts", type = "table", doc = "", fields = {
    seconds("connect", 3, "until a connection to a provider stands"),
    seconds("first_byte", 30, "until the provider's response head"),
    seconds("first_token", 30, "until the first content"),
    seconds("idle", 60, "between two bytes of a provider, also inside a body that is not streamed"),
    seconds("total", 600, "of the whole exchange, all attempts together"),
  } },
  { name = "limits", type = "table", doc = "", fields = {
    { name = "body", type = "integer", default = 33554432, unit = "bytes", least = 1024, most = 2147483647,
      doc = "of one request" },
    { name = "answer", type = "integer", default = 67108864, unit = "bytes", least = 1024, most = 2147483647,
      doc = "of one answer of a provider" },
    { name = "event", type = "integer", default = 8388608, unit = "bytes", least = 1024, most = 67108864,
      doc = "of one event of a stream" },
    { name = "connections", type = "integer", default = 16384, unit = "per engine", least = 1, most = 1000000,
      doc = "open connections of clients" },
  } },
  { name = "log", type = "string", default = "info", one_of = { "debug", "info", "warn", "error", "off" },
    doc = "the least level that is written; `info` has a line per request" },
  { name = "store", type = "string",
    doc = "accepted and not used yet: accounts and credits are not built" },
}

-- Names of later versions, so that today's answer is clear.
local NOT_BUILT = {
  policy   = "policies are not built yet",
  policies = "policies are not built yet",
}

-- ---- check ----

local checks = {}

-- Complaints carry the path of keys, from which the loader finds the line.
local function complain(path, ...)
  return { path = path, message = string.format(...) }
end

local function below(path, key)
  local longer = {}
  for i, step in ipairs(path) do longer[i] = step end
  longer[#longer + 1] = key
  return longer
end

local function said(path)
  local out = ""
  for _, step in ipairs(path) do
    out = out .. (type(step) == "number" and "[" .. step .. "]" or (out == "" and "" or ".") .. step)
  end
  return out
end

local function known_names(fields)
  local names = {}
  for i, field in ipairs(fields) do names[i] = field.name end
  return names
end

local function unknown_key(fields, path, key)
  if NOT_BUILT[key] and #path == 0 then
    return complain(below(path, key), "%s: %s", key, NOT_BUILT[key])
  end
  if type(key) ~= "string" then
    return complain(path, "%s: a key of type %s does not belong here", said(path), type(key))
  end
  local meant = near(known_names(fields), key)
  return complain(below(path, key), "unknown key %s%s", said(below(path, key)),
    meant and ", did you mean " .. meant .. "?" or "")
end

local function sorted_keys(t)
  local keys = {}
  for key in pairs(t) do keys[#keys + 1] = key end
  table.sort(keys, function(a, b) return tostring(a) < tostring(b) end)
  return keys
end

local function check_fields(fields, value, path)
  local by_name = {}
  for _, field in ipairs(fields) do by_name[field.name] = field end
  for _, key in ipairs(sorted_keys(value)) do
    if not by_name[key] then return unknown_key(fields, path, key) end
  end
  for _, field in ipairs(fields) do
    local given = value[field.name]
    if given == nil and field.required then
      return complain(path, "%s: missing key %s", said(path), field.name)
    end
    local bad = given ~= nil and schema.check(field, given, below(path, field.name))
    if bad then return bad end
  end
end

local function expected(field, value, path, what)
  return complain(path, "%s: %s expected, got %s", said(path), what or field.type, type(value))
end

function checks.string(field, value, path)
  if type(value) ~= "string" then return expected(field, value, path) end
  if value == "" then return complain(path, "%s: is empty", said(path)) end
  if value:find("[%c]") then return complain(path, "%s: has control characters", said(path)) end
  if #value < (field.least or 0) then
    return complain(path, "%s: shorter than %d characters", said(path), field.least)
  end
end

function checks.boolean(field, value, path)
  if type(value) ~= "boolean" then return expected(field, value, path) end
end

function checks.number(field, value, path)
  if type(value) ~= "number" then return expected(field, value, path) end
  if not (value >= (field.least or -math.huge) and value <= (field.most or math.huge)) then
    return complain(path, "%s: a number from %s to %s expected", said(path), field.least, field.most)
  end
end

function checks.integer(field, value, path)
  if type(value) ~= "number" or value % 1 ~= 0 then
    return expected(field, value, path, "whole number")
  end
  return checks.number(field, value, path)
end

function checks.table(field, value, path)
  if type(value) ~= "table" then return expected(field, value, path) end
  return check_fields(field.fields, value, path)
end

function checks.map(field, value, path)
  if type(value) ~= "table" then return expected(field, value, path, "table") end
  for _, name in ipairs(sorted_keys(value)) do
    local text = value[name]
    if type(name) ~= "string" or not name:find("^[%w!#$%%&'*+.^_`|~-]+$") then
      return complain(path, "%s: %s is no header name", said(path), tostring(name))
    end
    if type(text) ~= "string" or text:find("[%c]") then
      return complain(below(path, name), "%s: a string of one line expected", said(below(path, name)))
    end
  end
end

local function check_item(field, value, path)
  if type(value) == "string" and field.or_name then return nil end
  if type(field.of) == "string" then return schema.check({ type = field.of }, value, path) end
  if type(value) ~= "table" then return expected(field, value, path, "table") end
  return check_fields(field.of, value, path)
end

function checks.list(field, value, path)
  if field.or_one and type(value) == "string" then return nil end
  if type(value) ~= "table" then return expected(field, value, path, "list") end
  local count = 0
  for key in pairs(value) do
    count = count + 1
    if type(key) ~= "number" then
      return complain(below(path, key), "%s: a list has no key %s", said(path), tostring(key))
    end
  end
  for i = 1, count do
    if value[i] == nil then return complain(path, "%s: a list with holes (a nil in it)", said(path)) end
    local bad = check_item(field, value[i], below(path, i))
    if bad then return bad end
  end
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
  for _, allowed in ipairs(field.one_of) do
    if value == allowed then return nil end
  end
  local meant = near(guesses(field), value)
  return complain(path, '%s: one of "%s" expected, got "%s"%s', said(path),
    table.concat(field.one_of, '", "'), value, meant and (', did you mean "%s"?'):format(meant) or "")
end

--- Hold a value to its field.
-- @treturn ?table  nil when it is good, else { path, message }
function schema.check(field, value, path)
  if value == false and field.or_false then return nil end
  local bad = checks[field.type](field, value, path)
  if bad then return bad end
  if field.one_of then return one_of(field, value, path) end
  if not field.check then return nil end
  local good, why = field.check(value)
  if not good then return complain(path, "%s: %s: %s", said(path), value, why) end
end

--- Hold a whole configuration to the schema.
function schema.check_config(value)
  return check_fields(schema.config, value, {})
end

--- The path of keys as it is written: providers[2].base_url.
schema.said = said

-- ---- documentation ----

local function shown(value)
  if type(value) == "table" then return '`{ "' .. table.concat(value, '", "') .. '" }`' end
  if type(value) == "string" then return '`"' .. value .. '"`' end
  return value == nil and "" or "`" .. tostring(value) .. "`"
end

local function type_of(field)
  if field.type == "list" then
    return "list of " .. (type(field.of) == "string" and field.of .. "s" or "tables")
  end
  if field.one_of then return '"' .. table.concat(field.one_of, '", "') .. '"' end
  return field.type
end

local function put_rows(out, fields, prefix)
  for _, field in ipairs(fields) do
    local name = prefix .. field.name
    local unit = field.unit and " (" .. field.unit .. ")" or ""
    if field.fields then
      put_rows(out, field.fields, name .. ".")
    else
      out[#out + 1] = ("| `%s` | %s%s | %s | %s |"):format(name, type_of(field), unit,
        field.required and "required" or shown(field.default), field.doc)
    end
    if type(field.of) == "table" then put_rows(out, field.of, name .. "[].") end
  end
end

--- The table of docs/configuration.md.
function schema.markdown()
  local out = { "| key | type | default | meaning |", "|---|---|---|---|" }
  put_rows(out, schema.config, "")
  return table.concat(out, "\n") .. "\n"
end

local CATS = { integer = "integer", number = "number", string = "string", boolean = "boolean",
               map = "table<string, string>" }

local function cats_type(field, class)
  if field.one_of then return '"' .. table.concat(field.one_of, '"|"') .. '"' end
  local singular = field.name:gsub("s$", "")
  local name = class .. "." .. singular:gsub("^%l", string.upper)
  if field.fields then return name, field.fields, name end
  if field.type ~= "list" then
    return CATS[field.type] .. (field.or_false and "|false" or "")
  end
  if type(field.of) == "string" then
    return field.of .. "[]" .. (field.or_one and "|" .. field.of or "")
  end
  return field.or_name and ("(%s|string)[]"):format(name) or name .. "[]", field.of, name
end

local function put_class(out, fields, class)
  local later = {}
  out[#out + 1] = "---@class " .. class
  for _, field in ipairs(fields) do
    local of, more, name = cats_type(field, class)
    if more then later[#later + 1] = { more, name } end
    out[#out + 1] = ("---@field %s%s %s %s"):format(field.name, field.required and "" or "?", of, field.doc)
  end
  out[#out + 1] = ""
  for _, one in ipairs(later) do put_class(out, one[1], one[2]) end
end

--- LuaCATS classes for editors.
function schema.luacats()
  local out = { "---@meta", "" }
  put_class(out, schema.config, "tidegate.Config")
  out[#out + 1] = "---The environment variable's value; nil when it is unset or empty.\n"
    .. "---@param name string\n---@return string?\nfunction env(name) end"
  return table.concat(out, "\n") .. "\n"
end

return schema
