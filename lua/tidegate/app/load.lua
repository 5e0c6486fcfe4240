--- Which configuration a command means, read whole: file, catalogues, keys.
--
-- CONFIG, else ./tidegate.lua, else the built-in providers whose keys are in
-- the environment, else the demo.

local core    = require "tidegate.core"
local builtin = require "tidegate.providers"
local config  = require "tidegate.app.config"
local demo    = require "tidegate.app.demo"

local load = {}

local function exists(path)
  local file = io.open(path, "r")
  if file then file:close() end
  return file ~= nil
end

local function from_environment()
  local found = {}
  for _, slug in ipairs(builtin.slugs) do
    local variable = builtin.find(slug).env
    local value = variable and os.getenv(variable)
    if value and value ~= "" then found[#found + 1] = slug end
  end
  return found
end

-- "1 model", "2 models".
local function counted(n, noun)
  return ("%d %s%s"):format(n, noun, n == 1 and "" or "s")
end

-- A key in TIDEGATE_KEY closes what is otherwise open to this machine alone.
local function with_auth(value)
  local key = os.getenv "TIDEGATE_KEY"
  if key and key ~= "" then
    value.auth, value.keys = "keys", { { name = "TIDEGATE_KEY", key = key } }
  else
    value.auth = "none"
  end
  return value
end

--- What to load: a path, or a table as a file would return it.
-- @treturn string  what it is, for people
function load.source(path)
  if path then return path, path end
  if exists "tidegate.lua" then return "tidegate.lua", "tidegate.lua" end
  local found = from_environment()
  if found[1] then
    return with_auth { providers = found }, "providers found in the environment: " .. table.concat(found, ", ")
  end
  return nil, "the demo"
end

--- Read everything.
-- @treturn ?table  settings, with `catalog` in it
-- @treturn table  the first mistake of each file
function load.all(path, overrides)
  local source, what = load.source(path)
  if not source then
    local err
    source, err = demo.config()
    if not source then return nil, { err } end
    source = with_auth(source)
  end
  local settings, err = config.load(source, overrides)
  if not settings then return nil, { err } end
  local catalog, mistakes = config.catalog(settings)
  if not catalog then return nil, mistakes end
  settings.catalog, settings.what = catalog, what
  settings.is_demo = not load.source(path)
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
