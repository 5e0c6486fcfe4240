--- Waiting under Copas: other threads of it run meanwhile.
--
--     local c = tidegate.client { config = ..., loop = require "tidegate.loop.copas" }
--     copas.addthread(function() for delta in c:stream { ... } do ... end end)

local copas = require "copas"

local loop = {}

-- A callback's error is Copas's to tell, and no reason not to look any more.
local function look(client)
  local ok, why = pcall(client.poll, client, 0)
  if not ok then copas.addthread(function() error(why, 0) end) end
end

-- Copas waits where it reads sockets. It takes anything with these functions for one; select()
-- returns at once for who is `dirty`.
local function wait_until(client, is_true)
  local was_asked = false
  copas.receive {
    getfd = function() return client:fd() or 2 end,     -- closed: dirty, and so not looked at
    dirty = is_true,
    receive = function()
      if was_asked and not is_true() then look(client) end
      was_asked = true
      if is_true() then return "" end
      return nil, "timeout"
    end,
    settimeout = function() end,
    close = function() end,                             -- Copas does, at the end of a thread
  }
end

function loop.start(client)
  local watch = {}
  client.watch = watch
  copas.addthread(function()
    wait_until(client, function() return client.watch ~= watch end)
  end)
end

function loop.stop(client)
  client.watch = nil
end

local gate_mt = {}
gate_mt.__index = gate_mt

function gate_mt:wait()
  self.is_open = false
  wait_until(self.client, function() return self.is_open end)
end

function gate_mt:open()
  self.is_open = true
end

function loop.gate(client)
  return setmetatable({ client = client, is_open = false }, gate_mt)
end

return loop
