--- Waiting under cqueues: other coroutines of the controller run meanwhile.
--
--     local cq = cqueues.new()
--     local c = tidegate.client { config = ..., loop = require "tidegate.loop.cqueues" }
--     cq:wrap(function() for delta in c:stream { ... } do ... end end)

local cqueues   = require "cqueues"
local condition = require "cqueues.condition"
local poll      = require "tidegate.loop.poll"

local loop = {}

-- A callback's error is the controller's to tell, and no reason not to look any more.
local function look(client, controller)
  local ok, why = pcall(client.poll, client, 0)
  if not ok then controller:wrap(function() error(why, 0) end) end
end

-- One coroutine watches the file for all. Outside of a controller nobody can.
function loop.start(client)
  local controller = cqueues.running()
  if not controller then return end
  local watch = { fd = client:fd(), stopped = condition.new() }
  client.watch = watch
  controller:wrap(function()
    while client.watch == watch do
      cqueues.poll({ pollfd = watch.fd, events = "r" }, watch.stopped)
      if client.watch == watch then look(client, controller) end
    end
  end)
end

function loop.stop(client)
  local watch = client.watch
  client.watch = nil
  if not watch then return end
  cqueues.cancel(watch.fd)                             -- it may be closed soon
  watch.stopped:signal()
end

local gate_mt = {}
gate_mt.__index = gate_mt

function gate_mt:wait()
  if not self.client.watch or not cqueues.running() then return poll.gate(self.client):wait() end
  self.condition:wait()
end

function gate_mt:open()
  self.condition:signal()
end

function loop.gate(client)
  return setmetatable({ client = client, condition = condition.new() }, gate_mt)
end

return loop
