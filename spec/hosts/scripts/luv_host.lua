-- luajit spec/hosts/scripts/luv_host.lua: the battery in luv.
local uv = require "luv"

local function go_on_after(seconds, co)
  local timer = uv.new_timer()
  timer:start(math.floor(seconds * 1000), 0, function()
    timer:close()
    local ok, why = coroutine.resume(co)
    if not ok then error(debug.traceback(co, why), 0) end
  end)
end

local host = {
  name = "luv", loop = require "tidegate.loop.luv",
  spawn = function(fn) assert(coroutine.resume(coroutine.create(fn))) end,
  sleep = function(seconds)
    go_on_after(seconds, coroutine.running())
    coroutine.yield()
  end,
}

-- Outside of a coroutine: the loop runs until it has what it waits for.
local tidegate = require "tidegate"
local c = assert(tidegate.client { config = "examples/embedded.lua", loop = host.loop })
local ticks = 0
local timer = uv.new_timer()
timer:start(10, 10, function() ticks = ticks + 1 end)
local r = assert(c:chat { model = "demo/tide-large", messages = { { role = "user", content = "hi" } } })
assert(r.text:find "^You said" and ticks >= 5)
-- Inside a callback, where nothing can yield and the loop cannot be run.
local inside
local once = uv.new_timer()
once:start(1, 0, function()
  once:close()
  inside = c:chat { model = "demo/tide-large", messages = { { role = "user", content = "hi" } } }.text
  timer:close()
end)
uv.run()                                 -- ends: a client that waits for nothing keeps no loop alive
assert(inside == r.text)
c:close()

local is_good = false
host.spawn(function()
  require "battery"(host, function() is_good = true end)
end)
uv.run()
os.exit(is_good and 0 or 1)
