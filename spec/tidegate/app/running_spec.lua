local running = require "tidegate.app.running"

-- A machine: processes by number, and which paths lead to which file.
local function machine(processes, files)
  local function of(name)
    return function(pid)
      local p = processes[pid]
      if not p or p[name] == nil then return nil, { code = p and "system" or "not_found" } end
      return p[name]
    end
  end
  return {
    process = {
      self = function() return 1 end,
      user = function() return 1000 end,
      owner = function(pid) return processes[pid] and processes[pid].owner or 1000 end,
      list = function()
        local pids = {}
        for pid in pairs(processes) do pids[#pids + 1] = pid end
        return pids
      end,
      exe = of "exe", cwd = of "cwd", words = of "words",
    },
    file_stamp = function(path) return files[path] end,
    is_same_file = function(a, b) return files[a] ~= nil and files[a] == files[b] end,
  }
end

local EXE = "/usr/bin/tidegate"

describe("tidegate.app.running", function()
  it("finds gateways by their configuration, however it was named", function()
    local world = machine({
      [1] = { exe = EXE, cwd = "/srv", words = { "tidegate", "reload" } },
      [7] = { exe = EXE, cwd = "/srv", words = { "tidegate", "serve", "--workers", "2", "a.lua" } },
      [8] = { exe = EXE, cwd = "/", words = { "/usr/bin/tidegate", "serve", "/srv/a.lua", "--listen=:80" } },
      [9] = { exe = EXE, cwd = "/srv", words = { "tidegate", "serve", "b.lua" } },
    }, { ["/proc/7/cwd/a.lua"] = "A", ["/proc/8/root//srv/a.lua"] = "A", ["/proc/9/cwd/b.lua"] = "B", ["a.lua"] = "A" })
    local found = {}
    for _, gateway in ipairs(running.all(world)) do
      found[#found + 1] = gateway.pid .. " " .. gateway.shown .. (running.is_under(gateway, "a.lua", world) and " *" or "")
    end
    assert.same({ "7 /srv/a.lua *", "8 /srv/a.lua *", "9 /srv/b.lua" }, found)
    assert.equal("2", running.gateway(7, world).given.workers)
    assert.equal(":80", running.gateway(8, world).given.listen)
  end)

  it("takes tidegate.lua where one was started without CONFIG, or none", function()
    local world = machine({
      [7] = { exe = EXE, cwd = "/srv", words = { "tidegate", "serve" } },
      [8] = { exe = EXE, cwd = "/tmp", words = { "tidegate", "serve" } },
    }, { ["/proc/7/cwd/tidegate.lua"] = "A", ["/srv/tidegate.lua"] = "A" })
    local with, without = running.gateway(7, world), running.gateway(8, world)
    assert.is_true(running.is_under(with, "/srv/tidegate.lua", world))
    assert.is_false(running.is_under(with, nil, world))
    assert.is_true(running.is_under(without, nil, world))
    assert.is_false(running.is_under(without, "/srv/tidegate.lua", world))
    assert.equal("no configuration file", without.shown)
  end)

  for name, process in pairs {
    ["another command"] = { exe = EXE, cwd = "/", words = { "tidegate", "mock" } },
    ["an editor"] = { exe = "/usr/bin/vi", cwd = "/", words = { "vi", "serve", "a.lua" } },
    ["a request for help"] = { exe = EXE, cwd = "/", words = { "tidegate", "serve", "--help" } },
    ["a wrong command line"] = { exe = EXE, cwd = "/", words = { "tidegate", "serve", "--listne", "x" } },
    ["an editor of two files"] = { exe = "/usr/bin/vi", cwd = "/", words = { "vi", "tidegate", "serve" } },
    ["a script that is called serve"] = { exe = "/usr/bin/lua5.4", cwd = "/", words = { "lua5.4", "serve" } },
    ["a process that has ended"] = { exe = EXE, cwd = "/", words = {} },
  } do
    it("takes " .. name .. " for no gateway", function()
      assert.is_nil(running.gateway(7, machine({ [7] = process }, {})))
    end)
  end

  it("finds one whose program was replaced since, or has our own under another name", function()
    local world = machine({
      [7] = { exe = EXE .. " (deleted)", cwd = "/", words = { "tidegate", "serve", "/a.lua" } },
      [8] = { exe = "/opt/tg", cwd = "/", words = { "tg", "serve", "/a.lua" } },
    }, { ["/proc/8/exe"] = "us", ["/proc/self/exe"] = "us" })
    assert.is_table(running.gateway(7, world))
    assert.is_table(running.gateway(8, world))
  end)

  it("finds one that an installed Lua runs", function()
    local world = machine({
      [7] = { exe = "/usr/bin/lua5.4", cwd = "/", words = { "lua5.4", "/usr/local/bin/tidegate", "serve", "/a.lua" } },
      [8] = { exe = "/usr/bin/luajit-2.1", cwd = "/",
              words = { "/usr/bin/luajit", "-e", "package.path = 'x'", "/opt/rock/bin/tidegate", "serve", "--workers=2", "/a.lua" } },
    }, { ["/proc/7/root//a.lua"] = "A", ["/proc/8/root//a.lua"] = "A", ["/a.lua"] = "A" })
    assert.is_true(running.is_under(running.gateway(7, world), "/a.lua", world))
    assert.is_true(running.is_under(running.gateway(8, world), "/a.lua", world))
    assert.equal("2", running.gateway(8, world).given.workers)
  end)

  it("leaves those of other users alone", function()
    local world = machine({ [7] = { exe = EXE, cwd = "/", words = { "tidegate", "serve" }, owner = 0 } }, {})
    assert.same({}, running.all(world))
    assert.is_table(running.gateway(7, world))
  end)

  it("does not guess the directory of one that does not show it", function()
    local world = machine({
      [7] = { words = { "/usr/bin/tidegate", "serve", "a.lua" } },
      [8] = { words = { "/usr/bin/tidegate", "serve", "/srv/a.lua" } },
    }, { ["a.lua"] = "A", ["/srv/a.lua"] = "A" })
    local relative, absolute = running.gateway(7, world), running.gateway(8, world)
    assert.is_true(relative.is_unknown)
    assert.is_false(running.is_under(relative, "a.lua", world))
    assert.is_false(running.is_under(relative, nil, world))
    assert.is_true(running.is_under(absolute, "a.lua", world))
  end)
end)
