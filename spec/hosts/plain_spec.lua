-- The gateway in programs without an event loop: poll(2) is all there is.

local host = require "host"

for _, lua in ipairs { { "luajit" }, { "lua5.1", "5.1" }, { "lua5.3", "5.3" }, { "lua5.4", "5.4" } } do
  describe("a plain program in " .. lua[1], host.with(lua[1], lua[2], function(h)
    it("streams, and asks several at once: examples/plain", function()
      local said = h.run { h.path, "examples/plain/chat.lua", "What is poll(2)?" }
      assert.is_truthy(said:find("You said: What is poll(2)?", 1, true), said)
      assert.is_truthy(said:find "\n%a+, 40 tokens, %$0%.%d+\n", said)
      for i = 1, 3 do assert.is_truthy(said:find(("You said: Number %d."):format(i), 1, true), said) end
    end)

    it("has nothing to clean up behind it: leaving in the middle is fine", function()
      local said = h.run { h.path, "-e", [[
        local c = assert(require "tidegate".client { config = "examples/embedded.lua" })
        c:chat_async({ model = "demo/tide-large", messages = { { role = "user", content = "hi" } } }, {})
        local iterator = c:stream { model = "demo/tide-large", messages = { { role = "user", content = "hi" } } }
        iterator()
        io.write "done"]] }
      assert.equal("done", said)
      said = h.run { h.path, "-e", [[
        local c = assert(require "tidegate".client { config = "examples/embedded.lua" })
        c:stream { model = "demo/tide-large", messages = { { role = "user", content = "hi" } } }()
        io.write "done"
        io.flush()
        os.exit(0)]] }
      assert.equal("done", said)
    end)
  end))
end
