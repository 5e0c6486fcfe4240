--- Which configuration a command means, read whole: file, catalogues, keys.
--
-- CONFIG, else ./tidegate.lua, else the built-in providers whose keys are in
-- the environment, else the demo.

local core    = require "tidegate.core"
local builtin = require "tidegate.providers"
local config  = require "tidegate.app.config"
local demo    = require "tidegate.app.demo"
local policies = require "tidegate.app.policies"

local load = {}

local function exists(path)
  local file = io.open(path, "r")
  if file then file:close() end
  return file ~= nil
end

local function from_environment(getenv)
  local found = {}
  for _, slug in ipairs(builtin.slugs) do
    local variable = builtin.find(slug).env
    local value = variable and getenv(variable)
    if value and value ~= "" then found[#found + 1] = slug end
  end
  return found
end

-- "1 model", "2 models".
local function counted(n, noun)
  return ("%d %s%s"):format(n, noun, n == 1 and "" or "s")
end

-- A key in TIDEGATE_KEY closes what is otherwise open to this machine alone.
local function with_auth(value, getenv)
  local key = getenv "TIDEGATE_KEY"
  if key and key ~= "" then
    value.auth, value.keys = "keys", { { name = "TIDEGATE_KEY", key = key } }
  else
    value.auth = "none"
  end
  return value
end

--- The configuration's file; nil when there is none to read.
function load.path(path)
  return path or (exists "tidegate.lua" and "tidegate.lua") or nil
end

--- What to load: a path, or a table as a file would return it.
-- @treturn string  what it is, for people
function load.source(path, getenv)
  path, getenv = load.path(path), getenv or os.getenv
  if path then return path, path end
  local found = from_environment(getenv)
  if found[1] then
    return with_auth({ providers = found }, getenv),
      "providers found in the environment: " .. table.concat(found, ", ")
  end
  return nil, "the demo"
end

local function joined(a, b)
  local all = {}
  for _, one in ipairs(a) do all[#all + 1] = one end
  for _, one in ipairs(b) do all[#all + 1] = one end
  return all
end

--- Read everything, and make the snapshot that engines work under.
-- @tparam ?string path
-- @tparam ?table overrides  `listen`, `workers` of the command line; see config.load()
-- @tparam ?function getenv  default os.getenv
-- @treturn ?table  settings, with `catalog` and `snapshot` in it
-- @treturn table  the first mistake of each file
-- @treturn table  paths of the files that were to be read, as far as they are known
function load.all(path, overrides, getenv)
  local source, what = load.source(path, getenv)
  local is_demo = not source
  if is_demo then
    local err
    source, err = demo.config()
    if not source then return nil, { err }, {} end
    source = with_auth(source, getenv or os.getenv)
  end
  local settings, err = config.load(source, overrides, getenv)
  if not settings then return nil, { err }, { load.path(path) } end
  local catalog, mistakes = config.catalog(settings)
  local list, more = policies.load(settings, catalog)
  if not catalog or not list then return nil, joined(mistakes, more), settings.files end
  settings.snapshot, err = config.snapshot(settings, catalog, list)
  if not settings.snapshot then return nil, { err }, settings.files end
  settings.catalog, settings.what, settings.is_demo = catalog, what, is_demo
  return settings
end

--- How much there is, for people.
function load.counts(settings)
  local models, endpoints, providers = settings.catalog:count()
  return ("%s, %s, %s"):format(counted(providers, "provider"), counted(models, "model"),
    counted(endpoints, "endpoint"))
end

--- Write the mistakes to stderr, a line each.
function load.complain(mistakes)
  for _, mistake in ipairs(mistakes) do io.stderr:write(tostring(mistake), "\n") end
  return 1
end

--- Write what is worth knowing although nothing is wrong.
function load.tell(settings)
  for _, note in ipairs(settings.notes) do core.log.say("info", "config", note) end
end

return load
