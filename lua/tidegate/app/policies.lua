--- The policies of a configuration: their files read, run in the sandbox, checked, sealed.
--
--     local found, mistakes = policies.load(settings)
--     found.list      --> core policies, for core.config()
--     found.default   --> the name of the one for those who choose none; nil: none is needed
--
-- Every message begins with file:line.

local core      = require "tidegate.core"
local error_of  = require "tidegate.base.error"
local near      = require "tidegate.base.near"
local positions = require "tidegate.base.positions"
local read_file = require "tidegate.base.read_file"
local schema    = require "tidegate.policy.schema"
local set       = require "tidegate.base.set"
local shipped   = require "tidegate.app.shipped"

local policies = {}

--- Those that come with the program, in the order in which they are told.
policies.SHIPPED = { "default", "nitro", "floor", "exacto" }

local LISTS = { "ignore", "only", "order", "quantizations" }

-- ---- one file ----

-- Of its `data`, JSON in which an empty list is a list.
local function data_json(data)
  if not data then return nil end
  local copy = {}
  for name, value in pairs(data) do copy[name] = value end
  for _, name in ipairs(LISTS) do
    if copy[name] then copy[name] = core.json.array(copy[name]) end
  end
  return core.json.encode(copy)
end

local function has(list, word)
  for _, one in ipairs(list or {}) do
    if one == word then return true end
  end
  return false
end

-- A file beside the policy; the core has checked that the name leads nowhere else. What was looked
-- for is noted, there or not: it may come to be there.
local function finder(path, looked_for)
  local directory = path:match("^(.*/)[^/]*$") or ""
  return function(name)
    local beside = directory .. name:gsub("%.", "/") .. ".lua"
    looked_for[#looked_for + 1] = beside
    local text = core.read_file(beside)
    if text then return text, beside end
  end
end

local function complaint(path, text, bad)
  local line = bad.line or positions.line_of(positions.read(text), bad.path)
  return error_of("invalid", ("%s:%d: %s"):format(path, line, bad.message))
end

--- Make a policy of a file's text.
-- @tparam string name  by which requests and keys choose it
-- @tparam string path  as errors call it; files beside it are found from there
-- @tparam ?table options  `files` gets the paths of the files that it requires; `catalog` must have
--   the models that it names
-- @treturn ?policy  of the core, sealed
-- @treturn ?error
function policies.make(name, path, text, options)
  options = options or {}
  local policy, err = core.policy { name = name, file = path, text = text, find = finder(path, options.files or {}) }
  if not policy then return nil, err end
  local shape
  shape, err = policy:shape()
  if not shape then return nil, complaint(path, text, { path = {}, message = tostring(err) }) end
  local bad = schema.check(shape.value, shape.globals)
  if bad then return nil, complaint(path, text, bad) end
  local said, sealed = shape.value
  sealed, err = policy:seal {
    data = data_json(said.data), models = said.models, refuses = said.on_failure == "refuse",
    priority = has(said.tiers, "priority"), flex = has(said.tiers, "flex"),
  }
  if not sealed then return nil, complaint(path, text, { path = { "data" }, message = tostring(err) }) end
  if options.catalog then
    local fits, why, i = policy:fits(options.catalog)
    if not fits then return nil, complaint(path, text, { path = { "models", i }, message = tostring(why) }) end
  end
  return policy
end

--- The same, of a file.
-- @treturn ?bool  nil when there is no file to read; false when there is something wrong in it
function policies.read(name, path, options)
  local text, err = read_file(path)
  if not text then return nil, err end
  local policy
  policy, err = policies.make(name, path, text, options)
  return policy or false, err
end

-- ---- those of a configuration ----

local function directory_of(path)
  return path:match("^(.*/)[^/]*$") or ""
end

local function resolved(from, path)
  return path:sub(1, 1) == "/" and path or directory_of(from) .. path
end

-- "policies/cheap.lua" is called cheap, unless that is another one's name.
local function name_of(path, taken)
  local stem = path:match("([^/]+)%.lua$")
  return stem and stem:find("^[%w_%-]+$") and not taken[stem] and stem or path
end

--- Which files a configuration names: { name, path, complain }, by name; and the default's name.
-- @tparam table value  the configuration, checked
-- @tparam string from  its file, to which paths are relative
-- @tparam function complain  (path of keys, words) -> error
function policies.named(value, from, complain)
  local list, taken = {}, {}
  local function add(name, path, keys)
    taken[name] = resolved(from, path)
    list[#list + 1] = { name = name, path = taken[name],
                        complain = function(words) return complain(keys, words) end }
  end
  local names = {}
  for name in pairs(value.policies or {}) do names[#names + 1] = name end
  table.sort(names)
  for _, name in ipairs(names) do add(name, value.policies[name], { "policies", name }) end

  local default = value.policy
  if default and default:find("%.lua$") then
    local path = resolved(from, default)
    for _, name in ipairs(names) do
      if taken[name] == path then return list, name end
    end
    default = name_of(default, taken)
    add(default, value.policy, { "policy" })
  end
  return list, default
end

local function unknown(names, name)
  local meant = near(names, name)
  return ("there is no policy %s%s"):format(name, meant and ", did you mean " .. meant .. "?" or "")
end

-- The default and the keys' policies must be there.
local function check_names(settings, names, mistakes)
  local known = set(names)
  if settings.policy and not known[settings.policy] then
    mistakes[#mistakes + 1] = settings.complain({ "policy" }, "policy: " .. unknown(names, settings.policy))
  end
  for i, key in ipairs(settings.keys or {}) do
    if key.policy and not known[key.policy] then
      mistakes[#mistakes + 1] = settings.complain({ "keys", i, "policy" },
        ("keys[%d].policy: %s"):format(i, unknown(names, key.policy)))
    end
  end
end

--- Read the policies that the settings name, and the shipped ones that they do not replace.
-- @tparam ?catalog catalog  which must have their models
-- @treturn ?table  core policies
-- @treturn table  the first mistake of each file, when there are any
function policies.load(settings, catalog)
  local list, names, mistakes, own = {}, {}, {}, {}
  local function take(name, policy, err)
    if policy then
      list[#list + 1], names[#names + 1] = policy, name
    else
      mistakes[#mistakes + 1] = err
    end
  end
  for _, given in ipairs(settings.policies) do
    own[given.name] = true
    settings.files[#settings.files + 1] = given.path
    local policy, err = policies.read(given.name, given.path, { files = settings.files, catalog = catalog })
    if policy == nil then err = given.complain(tostring(err)) end
    take(given.name, policy, err)
  end
  for _, name in ipairs(policies.SHIPPED) do
    if not own[name] then
      take(name, policies.make(name, "tidegate:" .. name, shipped.policy(name)))
    end
  end
  if not mistakes[1] then check_names(settings, names, mistakes) end
  if mistakes[1] then return nil, mistakes end
  -- The shipped default asks for nothing: no request needs to carry it along.
  settings.default_policy = (own[settings.policy] or settings.policy ~= "default") and settings.policy or nil
  return list, mistakes
end

return policies
