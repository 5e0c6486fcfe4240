--- Waiting for programs without an event loop: the one thread sleeps in poll(2).
--
-- What a loop is to the client (lua/tidegate/client.lua):
--
--     loop.start(client)       client:fd() is to be watched: when it is readable, client:poll(0)
--     loop.stop(client)
--     loop.gate(client)        what one request waits at: gate:wait(seconds) returns when gate:open()
--                              was called, or earlier, or when the time is over

local poll = {}

function poll.start() end

function poll.stop() end

local gate_mt = {}
gate_mt.__index = gate_mt

function gate_mt:wait(seconds)
  self.client.engine:wait(seconds)
  self.client:poll(0)
end

function gate_mt.open() end

function poll.gate(client)
  return setmetatable({ client = client }, gate_mt)
end

return poll
