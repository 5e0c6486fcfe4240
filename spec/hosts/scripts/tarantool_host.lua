-- tarantool spec/hosts/scripts/tarantool_host.lua: the battery in Tarantool.
local fiber = require "fiber"

local host = {
  name = "tarantool", loop = require "tidegate.loop.tarantool",
  spawn = function(fn) fiber.create(fn) end,
  sleep = fiber.sleep,
}

fiber.create(function()
  local ok, why = xpcall(require "battery", debug.traceback, host, function() end)
  if not ok then print(why) end

  -- A fiber that is cancelled leaves its request.
  local c = assert(require "tidegate".client { config = "examples/embedded.lua", loop = host.loop })
  local err
  local f = fiber.new(function()
    local _
    _, err = c:chat { model = "demo/tide-large", messages = { { role = "user", content = "hi" } } }
  end)
  fiber.sleep(0.02)
  f:cancel()
  fiber.sleep(0.02)
  ok = ok and err and err.code == "cancelled" and c.running == 0
  print(ok and "ok a cancelled fiber leaves its request" or "not ok: a cancelled fiber")
  c:close()
  os.exit(ok and 0 or 1)
end)
