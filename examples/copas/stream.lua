-- Two answers in two threads of Copas, while a third one counts.
--
--     tidegate mock & sleep 1; luajit examples/copas/stream.lua
local copas    = require "copas"
local socket   = require "socket"
local tidegate = require "tidegate"

local c = assert(tidegate.client { config = "examples/embedded.lua", loop = require "tidegate.loop.copas" })
local running, ticks = 2, 0

for i = 1, running do
  copas.addthread(function()
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

-- Copas's own business: a server that is asked all the time.
local server = socket.udp()
server:setsockname("127.0.0.1", 0)
local asker = socket.udp()
asker:setpeername(server:getsockname())
copas.addserver(server, function(request)
  while copas.receivefrom(request, 1) do ticks = ticks + 1 end
end)

while running > 0 do
  asker:send "?"
  copas.step(0.01)
end
print(ticks .. " ticks meanwhile")
c:close()
