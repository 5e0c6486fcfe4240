-- An answer in one fiber, while another one counts.
--
--     tidegate mock & sleep 1; tarantool examples/tarantool/stream.lua
local fiber    = require "fiber"
local tidegate = require "tidegate"

local c = assert(tidegate.client { config = "examples/embedded.lua", loop = require "tidegate.loop.tarantool" })
local ticks = 0

fiber.create(function()
  while true do
    fiber.sleep(0.01)
    ticks = ticks + 1
  end
end)

fiber.create(function()
  local deltas = 0
  for delta, err in c:stream {
    model = "demo/tide-large", messages = { { role = "user", content = "What is the tide?" } },
  } do
    deltas = deltas + 1
    io.write(err and tostring(err) or delta.text)
    io.flush()
  end
  print(("\n%d deltas, %d ticks meanwhile"):format(deltas, ticks))
  c:close()
  os.exit(0)
end)
