--- Waiting in Tarantool: other fibers run meanwhile.
--
--     local c = tidegate.client { config = ..., loop = require "tidegate.loop.tarantool" }

local fiber  = require "fiber"
local log    = require "log"
local socket = require "socket"

local loop = {}

-- A callback's error is told, and no reason not to look any more.
local function look(client)
  local ok, why = pcall(client.poll, client, 0)
  if not ok then log.error("tidegate: a callback raised: %s", tostring(why)) end
end

-- One fiber watches the file for all.
function loop.start(client)
  local watch = {}
  client.watch = watch
  watch.fiber = fiber.create(function()
    fiber.self():name "tidegate"
    fiber.yield()                                      -- nobody is called back before ask() is over
    while client.watch == watch do
      socket.iowait(client:fd(), "R")
      if client.watch == watch then look(client) end
    end
  end)
end

function loop.stop(client)
  local watch = client.watch
  client.watch = nil
  if watch and watch.fiber:status() ~= "dead" and watch.fiber:id() ~= fiber.id() then watch.fiber:wakeup() end
end

local gate_mt = {}
gate_mt.__index = gate_mt

-- A fiber that is cancelled leaves its request. (Not every version raises in wait() itself.)
function gate_mt:wait()
  if not pcall(self.condition.wait, self.condition) or not pcall(fiber.testcancel) then return false end
end

function gate_mt:open()
  self.condition:signal()
end

function loop.gate()
  return setmetatable({ condition = fiber.cond() }, gate_mt)
end

return loop
