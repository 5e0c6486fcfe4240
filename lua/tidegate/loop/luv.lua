--- Waiting under libuv: Neovim (vim.loop, vim.uv), luv, Luvit.
--
--     local c = tidegate.client { config = ..., loop = require "tidegate.loop.luv" }
--
-- Callbacks run in the loop, in Neovim as far as vim.schedule lets them. Inside a coroutine,
-- chat() and stream() let the loop go on; outside of one they would have to stop it, so there
-- they run it until they are done.

local editor = rawget(_G, "vim")
local uv = editor and (editor.uv or editor.loop) or require "luv"

local luv = {}

local function poller(client)
  local function poll() client:poll(0) end
  return editor and editor.schedule_wrap(poll) or poll
end

function luv.start(client)
  client.watch = uv.new_poll(assert(client:fd()))
  client.watch:start("r", poller(client))
end

function luv.stop(client)
  if client.watch and not client.watch:is_closing() then
    client.watch:stop()
    client.watch:close()
  end
end

local gate_mt = {}
gate_mt.__index = gate_mt

-- Of the thread that may not yield: one turn of the loop, which may call poll(), and then itself.
local function run_once(client)
  if editor then
    editor.wait(1000, function() return client:poll(0) > 0 end, 5)
  else
    uv.run "once"
  end
end

function gate_mt:wait()
  local co, is_main = coroutine.running()
  if not co or is_main then return run_once(self.client) end
  self.co = co
  coroutine.yield()
end

function gate_mt:open()
  local co = self.co
  self.co = nil
  if co then assert(coroutine.resume(co)) end
end

function luv.gate(client)
  return setmetatable({ client = client }, gate_mt)
end

return luv
