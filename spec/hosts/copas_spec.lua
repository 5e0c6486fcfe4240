-- The gateway in a program on LuaSocket and Copas.

local host = require "host"

describe("Copas", host.with("luajit", nil, function(h)
  it("waits, streams and calls back while other threads of it run", function()
    host.holds_the_battery(h, h.path, "spec/hosts/scripts/copas_host.lua")
  end)

  it("streams in two threads while a server of its own answers: examples/copas", function()
    local said = h.run { h.path, "examples/copas/stream.lua" }
    local _, streams = said:gsub("%d+ deltas: You said: Number %d", "")
    assert.equal(2, streams, said)
    assert.is_true(tonumber(said:match "(%d+) ticks meanwhile") >= 10, said)
  end)

  it("does with LuaSocket's select() alone", function()
    local said = h.run { h.path, "-e", [[
      local socket = require "socket"
      local c = require "tidegate".client { config = "examples/embedded.lua" }
      local is_over, looks = false, 0
      c:chat_async({ model = "demo/tide-large", messages = { { role = "user", content = "hi" } } }, {
        on_delta = function(delta) io.write(delta.text) end, on_done = function() is_over = true end })
      while not is_over do
        socket.select({ { getfd = function() return c:fd() end, dirty = function() return false end } }, nil, 5)
        c:poll(0)
        looks = looks + 1
      end
      print("\n" .. looks)
      c:close()]] }
    assert.is_truthy(said:find("You said: hi.", 1, true), said)
    assert.is_true(tonumber(said:match "\n(%d+)\n") < 100, said)
  end)

  it("sleeps while nothing comes", function()
    local said = h.run({ h.path, "-e", [[
      local copas = require "copas"
      local c = require "tidegate".client { config = "examples/embedded.lua", loop = require "tidegate.loop.copas" }
      local done
      copas.addthread(function()
        c:chat { model = "demo/tide-large", messages = { { role = "user", content = "hi" } } }
        done = true
      end)
      local steps, from = 0, os.clock()
      while not done do
        copas.step(1)
        steps = steps + 1
      end
      print(steps, os.clock() - from)
      c:close()]] })
    local steps, seconds = said:match "(%d+)%s+([%d.]+)"
    assert.is_true(tonumber(steps) < 20, said)
    assert.is_true(tonumber(seconds) < 0.1, said)
  end)
end, { has = { "socket", "copas" } }))
