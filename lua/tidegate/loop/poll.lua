--- Waiting for programs without an event loop: the one thread sleeps in poll(2).
--
-- What a loop is to the client (lua/tidegate/client.lua):
--
--     loop.start(client)    requests are on their way: when client:fd() is readable, client:poll(0)
--     loop.stop(client)     none is any more
--     loop.gate(client)     what one request waits at: gate:wait() returns when gate:open() was
--                           called, or earlier; false when the wait was interrupted

local poll = {}

function poll.start() end

function poll.stop() end

local gate_mt = {}
gate_mt.__index = gate_mt

function gate_mt:wait()
  self.client:poll(-1)
end

function gate_mt.open() end

function poll.gate(client)
  return setmetatable({ client = client }, gate_mt)
end

return poll
