-- A game that goes on while somebody in it thinks of what to say.
--
--     tidegate mock & sleep 1; love examples/love
--
-- HEADLESS=1 does without a window.
local tidegate = require "tidegate"

local c = assert(tidegate.client { config = "examples/embedded.lua" })
local said, deltas, over = "", 0, false
local frames, slowest, after = 0, 0, 0

function love.load()
  c:chat_async({
    model = "demo/tide-large", messages = { { role = "user", content = "What does the harbour master say?" } },
  }, {
    on_delta = function(delta)
      deltas = deltas + 1
      said = said .. delta.text
    end,
    on_done = function(_, err)
      over = true
      if err then said = said .. " ... " .. tostring(err) end
    end,
  })
end

function love.update(dt)
  local from = love.timer.getTime()
  c:poll(0)                                   -- once a frame
  frames = frames + 1
  slowest = math.max(slowest, love.timer.getTime() - from)
  if over then after = after + dt end
  if after > 0.5 then love.event.quit() end
end

function love.draw()
  local width, height = love.graphics.getDimensions()
  love.graphics.printf(said, 20, 20, width - 40)
  love.graphics.circle("fill", (frames * 3) % width, height - 60 - 40 * math.abs(math.sin(frames / 15)), 20)
end

function love.quit()
  c:close()
  print(said)
  print(("%d deltas in %d frames, at most %.2f ms of one"):format(deltas, frames, slowest * 1000))
end
