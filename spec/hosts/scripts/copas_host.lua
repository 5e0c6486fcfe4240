-- luajit spec/hosts/scripts/copas_host.lua: the battery in Copas.
local copas  = require "copas"
local socket = require "socket"

-- Debian's Copas has no sleep(): be always ready, and look at the clock.
local function sleep(seconds)
  local by = socket.gettime() + seconds
  copas.receive {
    getfd = function() return 0 end,
    dirty = function()
      if socket.gettime() < by then socket.sleep(0.0005) end
      return true
    end,
    receive = function()
      if socket.gettime() >= by then return "" end
      return nil, "timeout"
    end,
    close = function() end,
  }
end

local host = {
  name = "copas", loop = require "tidegate.loop.copas",
  spawn = function(fn) copas.addthread(fn) end,
  sleep = sleep,
}

copas.addthread(function()
  copas.setErrorHandler(function(why)
    print(why)
    os.exit(1)
  end)
  require "battery"(host, function() os.exit(0) end)
end)
copas.loop()
