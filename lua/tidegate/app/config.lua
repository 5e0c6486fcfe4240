--- Read the configuration, its catalogues and keys, and make a snapshot of them.
--
--     local settings, err = config.load("tidegate.lua", { listen = ":80" })
--     local snapshot = config.snapshot(settings)
--
-- Every message begins with file:line. What is read here decides nothing about
-- requests; it is handed to the core whole.

local core      = require "tidegate.core"
local error_of  = require "tidegate.base.error"
local positions = require "tidegate.base.positions"
local policies  = require "tidegate.app.policies"
local providers = require "tidegate.app.providers"
local read_file = require "tidegate.base.read_file"
local sandbox   = require "tidegate.app.sandbox"
local schema    = require "tidegate.app.schema"
local shipped   = require "tidegate.app.shipped"
local spoken    = require "tidegate.app.spoken"

local unpack = rawget(_G, "unpack") or rawget(table, "unpack")

local config = {}

local DEFAULTS = {}
for _, field in ipairs(schema.config) do DEFAULTS[field.name] = field.default end

-- ---- where things stand ----

local function node_at(root, ...)
  local node = root
  for _, step in ipairs { ... } do
    local steps = type(step) == "number" and node.items or node.fields
    node = steps and steps[step]
    if not node then return nil end
  end
  return node
end

-- ---- keys ----

-- "sk-tg-v1-0e6...1c96": enough to tell keys apart.
local function label_of(text)
  if #text < 16 then return text:sub(1, 2) .. "..." end
  local from = text:match("^sk%-[%w]+%-v1%-()") or text:match("^sk%-()") or 1
  return text:sub(1, from + 2) .. "..." .. text:sub(-4)
end

local function read_keys(file, further)
  local keys, seen = {}, {}
  for i, given in ipairs(file.value.keys or {}) do
    local text = given.key
    if seen[text] then
      return nil, file:complain({ "keys", i }, ("keys[%d]: the same key as %s"):format(i, seen[text]))
    end
    seen[text] = given.name
    keys[i] = { name = given.name, key = text, label = label_of(text), policy = given.policy }
    core.log.secret(text)
  end
  for _, key in ipairs(further or {}) do
    core.log.secret(key.key)
    keys[#keys + 1] = { name = key.name, key = key.key, label = label_of(key.key) }
  end
  return keys
end

-- ---- addresses ----

-- Only for this machine; a socket file is.
local function is_loopback(listen)
  if listen:find("^unix:") then return true end
  local host = listen:match("^%[(.*)%]:%d+$") or listen:match("^(.*):%d+$")
  return host == "localhost" or host == "::1" or (host or ""):find("^127%.%d+%.%d+%.%d+$") ~= nil
end

local function check_open(file, settings)
  if settings.auth ~= "none" or is_loopback(settings.listen) then return nil end
  if file.is_builtin then
    return error_of("invalid", ("everybody who reaches %s would be let in: set TIDEGATE_KEY, "
      .. "or write a tidegate.lua (docs/configuration.md)"):format(settings.listen))
  end
  return file:complain({ "auth" }, ('auth = "none" lets everybody in who reaches %s; it is accepted '
    .. 'on loopback only. Listen on 127.0.0.1, or use auth = "keys"'):format(settings.listen))
end

-- ---- the file ----

local file_mt = {}
file_mt.__index = file_mt

function file_mt:complain(path, message)
  -- Nobody wrote a line of it, and the only key in it is this one.
  if self.is_builtin then return error_of("invalid", (message:gsub("^keys%[1%]%.key", "TIDEGATE_KEY"))) end
  return error_of("invalid", ("%s:%d: %s"):format(self.name, positions.line_of(self.root, path), message))
end

function file_mt:node(...)
  return node_at(self.root, ...)
end

-- A key whose `key = env "X"` found nothing: say so rather than "missing key".
local function explain_nil(file, bad)
  local step = bad.message:match("missing key (%w+)$")
  local node = step and node_at(file.root, unpack(bad.path))
  if node and node.fields and node.fields[step] then
    bad.path[#bad.path + 1] = step
    bad.message = schema.said(bad.path) .. ": is nil" .. (file.missing[1]
      and "; not set in the environment: " .. table.concat(file.missing, ", ") or "")
  end
  return bad
end

local function directory_of(path)
  return path:match("^(.*/)[^/]*$") or ""
end

local function new_file(name, getenv)
  local file = setmetatable({ name = name, missing = {}, root = { line = 1 } }, file_mt)
  -- A path that is written in the file, from where the program runs.
  function file.path_of(path)
    return path:sub(1, 1) == "/" and path or directory_of(name) .. path
  end
  function file.env(variable)
    if type(variable) ~= "string" then error("env: the name of a variable expected", 2) end
    local value = getenv(variable)
    if value and value ~= "" then return value end
    file.missing[#file.missing + 1] = variable
  end
  return file
end

local function run_file(file)
  local text, why = file.text, nil
  if not text then text, why = read_file(file.name) end
  if not text then return why end
  local value, bad = sandbox.run(text, file.name, { env = file.env })
  if bad then return bad end
  file.root = positions.read(text)
  if type(value) ~= "table" then
    return file:complain({}, "a configuration returns a table, this one a " .. type(value))
  end
  file.value = value
end

local function check_file(file)
  local bad = schema.check_config(file.value)
  if bad then
    bad = explain_nil(file, bad)
    return file:complain(bad.path, bad.message)
  end
end

local function scaled(given, defaults, factor, suffix)
  local out = {}
  for _, field in ipairs(defaults) do
    local value = given and given[field.name]
    if value == nil then value = field.default end
    out[field.name .. suffix] = value * factor
  end
  return out
end

local function fields_of(name)
  for _, field in ipairs(schema.config) do
    if field.name == name then return field.fields end
  end
end


local function list_of(value)
  return type(value) == "string" and { value } or value
end

-- Each with its path and where it is named, for complaints.
local function catalogs_of(file, names)
  local catalogs = {}
  for i, name in ipairs(names) do
    catalogs[i] = {
      name = name, is_shipped = shipped.has(name),
      path = file.path_of(name),
      complain = function(message) return file:complain({ "catalog", i }, "catalog: " .. message) end,
    }
  end
  return catalogs
end

-- The files that the gateway is made from: whoever reads more of them adds them.
local function files_of(file, catalogs)
  local files = {}
  if not file.is_builtin then files[1] = file.name end
  for _, path in ipairs(file.wires.files) do files[#files + 1] = path end
  for _, catalog in ipairs(catalogs) do
    if not catalog.is_shipped then files[#files + 1] = catalog.path end
  end
  return files
end

-- What the file says, with defaults, in the core's units.
local function settings_of(file, overrides)
  local v = file.value
  local function setting(name)
    if overrides[name] ~= nil then return overrides[name] end
    if v[name] ~= nil then return v[name] end
    return DEFAULTS[name]
  end
  local settings = {
    listen = setting "listen", workers = setting "workers", auth = setting "auth", log = setting "log",
    timeouts = scaled(v.timeouts, fields_of "timeouts", 1000, "_ms"),
    limits = scaled(v.limits, fields_of "limits", 1, ""),
    catalogs = catalogs_of(file, list_of(setting "catalog")), notes = {}, watch = setting "watch",
  }
  settings.files = files_of(file, settings.catalogs)
  function settings.complain(path, words) return file:complain(path, words) end
  settings.policies, settings.policy = policies.named(v, file.name, settings.complain)
  settings.policy = settings.policy or DEFAULTS.policy
  local bad = check_open(file, settings)
  if bad then return nil, bad end
  if v.store then
    settings.notes[#settings.notes + 1] = "store is accepted and not used yet: there are no accounts to keep"
  end
  return settings
end

--- Read a configuration file and check it; catalogues are read by
-- config.catalog().
-- @tparam string|table source  a path, or the table that a file would return
-- @tparam ?table overrides  `listen`, `workers` of the command line; `keys` { { name, key } }, which
--   the program that has the gateway inside uses itself; `text` is what the file says, where that
--   program knows, and `source` only its name
-- @tparam ?function getenv  default os.getenv
function config.load(source, overrides, getenv)
  local is_table = type(source) == "table"
  local file = new_file(is_table and "built-in configuration" or source, getenv or os.getenv)
  file.is_builtin, file.value = is_table, is_table and source or nil
  file.text = overrides and overrides.text
  local err = not is_table and run_file(file) or check_file(file)
  if err then return nil, err end
  file.wires, err = spoken.read(file)
  if not file.wires then return nil, err end
  local settings
  settings, err = settings_of(file, overrides or {})
  if not settings then return nil, err end
  local notes
  settings.providers, notes = providers.read(file)
  if not settings.providers then return nil, notes end
  for _, note in ipairs(notes) do settings.notes[#settings.notes + 1] = note end
  if not settings.providers[1] then
    settings.notes[#settings.notes + 1] = "no provider takes part: there is nobody to ask"
  end
  settings.keys, err = read_keys(file, overrides and overrides.keys)
  if not settings.keys then return nil, err end
  if settings.auth == "keys" and not settings.keys[1] then
    settings.notes[#settings.notes + 1] = 'auth is "keys" and there are no keys: every request will be refused'
  end
  return settings
end

-- ---- catalogues ----

local function add_catalog(catalog, settings, given)
  if given.is_shipped then
    return catalog:add(shipped.text(given.name, settings.providers), given.name)
  end
  local text, why = read_file(given.path)
  if not text then return nil, given.complain(tostring(why)) end
  return catalog:add(text, given.path)
end

-- A provider that no model names is never asked.
local function note_unnamed(catalog, settings)
  local named = {}
  for i = 1, (catalog:count()) do
    for _, endpoint in ipairs(catalog:model(i).endpoints) do named[endpoint.provider] = true end
  end
  for _, provider in ipairs(settings.providers) do
    if not named[provider.slug] then
      settings.notes[#settings.notes + 1] = ("provider %s: no catalogue has a model of it; list some in one of your "
        .. "own (docs/catalog.md)"):format(provider.slug)
    end
  end
end

--- Read the catalogues that the settings name, and seal what comes of them.
-- @treturn ?catalog
-- @treturn table  the first mistake of each file, when there are any
function config.catalog(settings)
  local catalog, err = core.catalog.new(settings.providers)
  if not catalog then return nil, { err } end
  local mistakes = {}
  for _, given in ipairs(settings.catalogs) do
    local skipped, why = add_catalog(catalog, settings, given)
    if not skipped then
      mistakes[#mistakes + 1] = why
    elseif skipped > 0 then
      settings.notes[#settings.notes + 1] = ("%s: %d endpoints are left out: "
        .. "their provider takes no part, or they have a router's price"):format(given.name, skipped)
    end
  end
  if mistakes[1] then return nil, mistakes end
  local sealed
  sealed, err = catalog:seal()
  if not sealed then return nil, { err } end
  note_unnamed(catalog, settings)
  return catalog, mistakes
end

--- The immutable snapshot that engines work under. It takes the policies over.
function config.snapshot(settings, catalog, list)
  local snapshot, err = core.config({
    policies = list, policy = settings.default_policy,
    listen = settings.listen, workers = settings.workers or core.cpu_count(),
    is_open = settings.auth == "none", keys = settings.keys, timeouts = settings.timeouts,
    body_bytes = settings.limits.body, answer_bytes = settings.limits.answer,
    event_bytes = settings.limits.event, connections = settings.limits.connections,
    log_requests = settings.log == "debug" or settings.log == "info",
  }, catalog)
  for _, policy in ipairs(list or {}) do policy:close() end
  return snapshot, err
end

return config
