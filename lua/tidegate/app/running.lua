--- The gateways that run on this machine, as /proc shows them: which of them is
-- meant by a configuration. There are no pid files.
--
--     for _, g in ipairs(running.all()) do ... g.pid, g.config ... end
--
-- `world` is the core: its `process`, `is_same_file` and `file_stamp`.

local core    = require "tidegate.core"
local options = require "tidegate.base.options"
local serve   = require "tidegate.app.command_serve"

local running = {}

local function name_of(path)
  return (path:gsub(" %(deleted%)$", ""):match("[^/]*$"))
end

-- Where the program's own words begin: at the first, or behind those of the Lua
-- that runs it as a script. nil when no `serve` follows its name.
local function start_of(words)
  if words[2] == "serve" then return 1 end
  for i = 2, #words - 1 do
    if words[i + 1] == "serve" and name_of(words[i]) == "tidegate" then return i end
  end
end

-- This program, maybe of another version or place. Where the kernel keeps the
-- path to itself, the name that it was called by has to do.
local function is_ours(pid, words, start, world)
  local name = name_of(world.process.exe(pid) or words[1])
  if start > 1 then return name:find "^lua" ~= nil end
  if name == "tidegate" then return true end
  return not name:find "^lua" and world.is_same_file(("/proc/%d/exe"):format(pid), "/proc/self/exe")
end

-- From here to a path of that process. nil: it is in a directory that we are not
-- shown.
local function path_from_here(pid, path, world)
  local cwd = world.process.cwd(pid)
  if not cwd then return path:sub(1, 1) == "/" and path or nil end
  return ("/proc/%d/%s/%s"):format(pid, path:sub(1, 1) == "/" and "root" or "cwd", path)
end

local function shown(pid, path, world)
  local cwd = path:sub(1, 1) ~= "/" and world.process.cwd(pid)
  return cwd and cwd .. "/" .. path or path
end

local function tail(list, from)
  local out = {}
  for i = from, #list do out[#out + 1] = list[i] end
  return out
end

local function place(gateway, path, world)
  gateway.shown = shown(gateway.pid, path, world)
  gateway.config = path_from_here(gateway.pid, path, world)
  gateway.is_unknown = gateway.config == nil
end

-- Without CONFIG it is tidegate.lua, where there is one.
local function place_without(gateway, world)
  place(gateway, "tidegate.lua", world)
  if gateway.config and not world.file_stamp(gateway.config) then
    gateway.config, gateway.shown = nil, "no configuration file"
  end
end

--- The gateway with this number.
-- @treturn ?table  `config` is a path that leads to its configuration from here,
--   nil when it has none, or when that cannot be told and `is_unknown`; `shown`
--   says it for people; `given` are the options it was started with
function running.gateway(pid, world)
  world = world or core
  local words = world.process.words(pid)
  local start = words and start_of(words)
  if not start or not is_ours(pid, words, start, world) then return nil end
  local given = options.read(serve, tail(words, start + 2))
  if not given or given.help then return nil end
  local gateway = { pid = pid, given = given }
  if given[1] then place(gateway, given[1], world) else place_without(gateway, world) end
  return gateway
end

--- All of this user.
function running.all(world)
  world = world or core
  local process, found = world.process, {}
  local me, user = process.self(), process.user()
  for _, pid in ipairs(process.list() or {}) do
    local gateway = pid ~= me and running.gateway(pid, world)
    if gateway and process.owner(pid) == user then found[#found + 1] = gateway end
  end
  table.sort(found, function(a, b) return a.pid < b.pid end)
  return found
end

--- Does it run under this file (nil: under none)?
function running.is_under(gateway, path, world)
  world = world or core
  if gateway.is_unknown then return false end
  if not path or not gateway.config then return path == gateway.config end
  return world.is_same_file(gateway.config, path)
end

return running
