--- Waiting under cqueues: other coroutines of the controller run meanwhile.
--
--     local cq = cqueues.new()
--     local c = tidegate.client { config = ..., loop = require "tidegate.loop.cqueues" }
--     cq:wrap(function() for delta in c:stream { ... } do ... end end)

local cqueues   = require "cqueues"
local condition = require "cqueues.condition"

local loop = {}

function loop.start() end

function loop.stop() end

local gate_mt = {}
gate_mt.__index = gate_mt

-- Whoever comes first watches the file for all; the others are woken through their conditions,
-- one of them to watch in turn when the first has what it wants.
function gate_mt:wait(seconds)
  local client = self.client
  if client.watcher and client.watcher ~= self then
    client.waiting[self] = true
    self.condition:wait(seconds)
    client.waiting[self] = nil
    return
  end
  client.watcher = self
  cqueues.poll({ pollfd = client:fd(), events = "r" }, seconds)
  client.watcher = nil
  client:poll(0)
  local other = next(client.waiting)
  if other then other.condition:signal() end
end

function gate_mt:open()
  self.condition:signal()
end

function loop.gate(client)
  client.waiting = client.waiting or {}
  return setmetatable({ client = client, condition = condition.new() }, gate_mt)
end

return loop
