--- Waiting under libuv: Neovim (vim.loop, vim.uv), luv, Luvit.
--
--     local c = tidegate.client { config = ..., loop = require "tidegate.loop.luv" }
--
-- Callbacks run in the loop; in Neovim where its API may be used. Inside a coroutine, chat() and
-- stream() let the loop go on. Outside of one they run it until they have what they wait for, and
-- inside one of its callbacks, where it cannot be run, they stop it.

local poll = require "tidegate.loop.poll"

local editor = rawget(_G, "vim")
local uv = editor and (editor.uv or editor.loop) or require "luv"

local luv = {}

local FOR_EVER_MS = 2 ^ 31 - 1

-- Neovim runs what is scheduled when it gets to it: until then the file would be readable again
-- and again.
local function in_editor(client, watch, on_readable)
  return function()
    watch:stop()
    editor.schedule(function()
      if client.watch ~= watch then return end
      watch:start("r", on_readable())
      client:poll(0)
    end)
  end
end

function luv.start(client)
  local watch = assert(uv.new_poll(assert(client:fd())))
  local on_readable
  if editor then
    on_readable = in_editor(client, watch, function() return on_readable end)
  else
    on_readable = function() client:poll(0) end
  end
  client.watch = watch
  watch:start("r", on_readable)
end

function luv.stop(client)
  local watch = client.watch
  client.watch = nil
  if watch and not watch:is_closing() then
    watch:stop()
    watch:close()
  end
end

-- ---- gates ----

local gate_mt = {}
gate_mt.__index = gate_mt

-- Those whose coroutine waits: nobody else may know of it.
local asleep = {}    -- luacheck: ignore 241

local function wait_in_editor(self)
  if editor.in_fast_event() then return poll.gate(self.client):wait() end
  self.is_open = false
  local _, why = editor.wait(FOR_EVER_MS, function() return self.is_open end, 50)
  if why == -2 then return false end                    -- Ctrl-C
end

-- Where nothing can yield.
local function wait_in_place(self)
  if editor then return wait_in_editor(self) end
  if uv.loop_mode and uv.loop_mode() then return poll.gate(self.client):wait() end
  uv.run "once"
end

function gate_mt:wait()
  local co, is_main = coroutine.running()
  if not co or is_main then return wait_in_place(self) end
  self.co, asleep[self] = co, true
  coroutine.yield()
  self.co, asleep[self] = nil, nil
end

function gate_mt:open()
  local co = self.co
  self.is_open, self.co = true, nil
  if not co then return end
  local ok, why = coroutine.resume(co)
  if not ok then error(debug.traceback(co, why), 0) end
end

function luv.gate(client)
  return setmetatable({ client = client }, gate_mt)
end

return luv
