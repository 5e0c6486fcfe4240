-- A program without an event loop: it sleeps in poll(2) until something comes.
--
--     tidegate mock & sleep 1; luajit examples/plain/chat.lua
--
-- Lua 5.1, 5.3 and 5.4 do as well. In a checkout docs/embed.md says how they find the module.
local tidegate = require "tidegate"

local c = assert(tidegate.client { config = "examples/embedded.lua" })

local function ask(content)
  return { model = "demo/tide-large", messages = { { role = "user", content = content } } }
end

-- One answer, as it comes.
local stream, handle = c:stream(ask(arg[1] or "What is the tide?"))
for delta, err in stream do
  io.write(delta.text)
  io.flush()
  if err then io.write("\n", tostring(err)) end
end
local result = handle.result
if result then
  print(("\n%s, %d tokens, $%.6f"):format(result.provider, result.usage.completion_tokens, result.usage.cost))
end

-- Several at once; callbacks run inside poll().
local left = 3
for i = 1, left do
  c:chat_async(ask("Number " .. i), {
    on_done = function(answer, err)
      print(answer and answer.text or tostring(err))
      left = left - 1
    end,
  })
end
while left > 0 do c:poll(1) end
c:close()
