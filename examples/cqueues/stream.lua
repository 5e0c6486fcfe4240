-- Two answers in two coroutines of cqueues, while a third one counts.
--
--     tidegate mock & sleep 1; luajit examples/cqueues/stream.lua
local cqueues  = require "cqueues"
local tidegate = require "tidegate"

local cq = cqueues.new()
local c = assert(tidegate.client { config = "examples/embedded.lua", loop = require "tidegate.loop.cqueues" })
local running, ticks = 2, 0

for i = 1, running do
  cq:wrap(function()
    local text, deltas = {}, 0
    for delta, err in c:stream {
      model = "demo/tide-large", messages = { { role = "user", content = "Number " .. i } },
    } do
      deltas = deltas + 1
      text[#text + 1] = err and tostring(err) or delta.text
    end
    print(("%d deltas: %s"):format(deltas, table.concat(text)))
    running = running - 1
  end)
end

cq:wrap(function()
  while running > 0 do
    cqueues.sleep(0.01)
    ticks = ticks + 1
  end
end)

assert(cq:loop())
print(ticks .. " ticks meanwhile")
c:close()
