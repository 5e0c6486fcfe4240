-- The gateway inside Tarantool: who waits is a fiber.

local host = require "host"

describe("Tarantool", host.with("tarantool", nil, function(h)
  it("waits, streams and calls back while other fibers run", function()
    local said = h.run { h.path, "spec/hosts/scripts/tarantool_host.lua" }
    assert.is_truthy(said:find("battery: all good", 1, true), said)
    assert.is_truthy(said:find("ok a cancelled fiber leaves its request", 1, true), said)
    -- Its LuaJIT takes no memory of ours for the sandboxes, and is not asked to.
    assert.is_nil(said:find("luaL_newstate", 1, true), said)
  end)

  it("streams in a fiber while another one counts: examples/tarantool", function()
    local said = h.run { h.path, "examples/tarantool/stream.lua" }
    assert.is_truthy(said:find "You said: What is the tide%? [%w ]+\n%d+ deltas, %d+ ticks meanwhile", said)
    assert.is_true(tonumber(said:match "(%d+) ticks") >= 10, said)
  end)
end))
