--- Programs that have Lua in them, with the gateway inside and a mock for a provider. For specs.
--
--     describe("Neovim", host.with("nvim", nil, function(h)
--       it("...", function()
--         local said = h.run { h.path, "--headless", ... }
--       end)
--     end))
--
-- What is not installed, or has no module built for its Lua, is pending with the reason.

local core    = require "tidegate.core"
local gateway = require "gateway"
local process = require "process"

local host = {}

local ABIS = { ["5.1"] = "lua51", ["5.3"] = "lua53", ["5.4"] = "lua54" }

local function output_of(command)
  local pipe = io.popen(command .. " 2>/dev/null")
  local text = pipe:read "*a"
  pipe:close()
  return text
end

local function exists(path)
  local file = io.open(path)
  if file then file:close() end
  return file ~= nil
end

--- Where the module for that Lua is found; nil and why not.
-- @tparam ?string version  nil: LuaJIT's, the one that this spec has
function host.cpath(version)
  if not version then
    return (package.searchpath("tidegate.core", package.cpath):gsub("tidegate/core%.so$", "?.so"))
  end
  local dir = "build/" .. ABIS[version] .. "/lua/"
  if not exists(dir .. "tidegate/core.so") then
    return nil, dir .. " is not there: `script/test luas` builds the module for Lua " .. version
  end
  return dir .. "?.so"
end

local function find(program)
  local path = output_of("command -v " .. program):match "[^\n]+"
  return path, program .. " is not installed"
end

-- Each program in a process of its own, with what it takes to find us and the mock.
local function runner(cpath, mock)
  return function(argv, env)
    local all = {
      LUA_PATH = "lua/?.lua;lua/?/init.lua;spec/support/?.lua;;", LUA_CPATH = cpath .. ";;",
      TIDEGATE_MOCK = "http://" .. mock.address, HEADLESS = "1", XDG_RUNTIME_DIR = "/tmp", ASAN_OPTIONS = false,
    }
    for name, value in pairs(env or {}) do all[name] = value end
    return process.start(argv, all)
  end
end

--- A mock of its own: `address`, stop().
-- @tparam ?string text  of its script
function host.mock(text)
  local mock = { script = os.tmpname() }
  gateway.write(mock.script, text or "return {}")
  mock.process = process.start { gateway.program(), "mock", mock.script, "--listen", "127.0.0.1:0" }
  mock.address = mock.process:expect("listening on http://(%S+)", 20)
  function mock:stop()
    self.process:stop()
    os.remove(self.script)
  end
  return mock
end

--- A body for describe(): fn(h), where h has `path` (of the program), start(argv, env) (a process),
-- run(argv, env) (what it printed; it must end with 0).
-- @tparam string program  that must be installed
-- @tparam ?string version  of the Lua in it; nil is LuaJIT
-- @tparam function fn
-- @tparam ?table more  `mock`: a script; `has`: modules of Lua that must be there
function host.with(program, version, fn, more)
  more = more or {}
  local busted = getfenv(fn)               -- it() and the like are known to spec files alone
  return function()
    local path, why = find(program)
    local cpath
    if path then cpath, why = host.cpath(version) end
    for _, name in ipairs(cpath and more.has or {}) do
      if output_of(("%s -e 'require \"%s\" io.write(1)'"):format(path, name)) ~= "1" then
        cpath, why = nil, "the module " .. name .. " is not installed"
      end
    end
    if not cpath then
      busted.it("is not tested", function() busted.pending(why) end)
      return
    end
    local h = { path = path }
    busted.setup(function()
      h.mock = host.mock(more.mock)
      h.start = runner(cpath, h.mock)
      function h.run(argv, env)
        local p = h.start(argv, env)
        local status = p:wait(60)
        if not status then p:stop() end
        assert(status == 0, ("%s ended with %s:\n%s"):format(argv[1], tostring(status or "nothing"), p.printed))
        return p.printed
      end
    end)
    busted.teardown(function() h.mock:stop() end)
    fn(h)
  end
end

--- Does the battery (spec/support/battery.lua) hold in it? For it().
function host.holds_the_battery(h, ...)
  local said = h.run { ... }
  assert(said:find("battery: all good", 1, true), said)
end

--- How many threads of the gateway a process has.
function host.threads(p)
  local _, count = output_of(("cat /proc/%d/task/*/comm"):format(p.pid)):gsub("tidegate\n", "")
  return count
end

--- Seconds, for waiting.
host.now = core.clock.monotonic

return host
