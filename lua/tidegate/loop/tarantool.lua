--- Waiting in Tarantool: other fibers run meanwhile.
--
--     local c = tidegate.client { config = ..., loop = require "tidegate.loop.tarantool" }

local fiber  = require "fiber"
local socket = require "socket"

local loop = {}

-- One fiber watches the file for all.
function loop.start(client)
  client.watcher = fiber.create(function()
    fiber.self():name "tidegate"
    while client:fd() do
      socket.iowait(client:fd(), "R", 60)
      if client:fd() then client:poll(0) end
    end
  end)
end

function loop.stop(client)
  if client.watcher and client.watcher:status() ~= "dead" and client.watcher ~= fiber.self() then
    pcall(client.watcher.cancel, client.watcher)
  end
end

local gate_mt = {}
gate_mt.__index = gate_mt

function gate_mt:wait(seconds)
  self.condition:wait(seconds)
end

function gate_mt:open()
  self.condition:signal()
end

function loop.gate()
  return setmetatable({ condition = fiber.cond() }, gate_mt)
end

return loop
