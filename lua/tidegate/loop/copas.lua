--- Waiting under Copas: other threads of it run meanwhile.
--
--     local c = tidegate.client { config = ..., loop = require "tidegate.loop.copas" }
--     copas.addthread(function() for delta in c:stream { ... } do ... end end)

local copas = require "copas"

local loop = {}

function loop.start() end

function loop.stop() end

-- LuaSocket's select() takes any object with these two for a socket; Copas hands it on.
local function as_socket(client)
  local fd = client:fd()
  return { getfd = function() return fd end, dirty = function() return false end }
end

local gate_mt = {}
gate_mt.__index = gate_mt

local sleep = copas.pause or copas.sleep

-- Copas waits for sockets only where it reads them itself: a look a hundredth of a second.
function gate_mt:wait()
  local ready = require("socket").select({ self.socket }, nil, 0)
  if not ready[1] then sleep(0.01) end
  self.client:poll(0)
end

function gate_mt.open() end

function loop.gate(client)
  client.socket = client.socket or as_socket(client)
  return setmetatable({ client = client, socket = client.socket }, gate_mt)
end

return loop
