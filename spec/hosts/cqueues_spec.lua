-- The gateway in a program on cqueues.

local host = require "host"

describe("cqueues", host.with("luajit", nil, function(h)
  it("waits, streams and calls back while other coroutines run", function()
    host.holds_the_battery(h, h.path, "spec/hosts/scripts/cqueues_host.lua")
  end)

  it("streams in two coroutines while a third one counts: examples/cqueues", function()
    local said = h.run { h.path, "examples/cqueues/stream.lua" }
    local _, streams = said:gsub("%d+ deltas: You said: Number %d", "")
    assert.equal(2, streams, said)
    assert.is_true(tonumber(said:match "(%d+) ticks meanwhile") >= 10, said)
  end)
end, { has = { "cqueues" } }))

describe("cqueues with Lua 5.4", host.with("lua5.4", "5.4", function(h)
  it("waits, streams and calls back while other coroutines run", function()
    host.holds_the_battery(h, h.path, "spec/hosts/scripts/cqueues_host.lua")
  end)
end, { has = { "cqueues" } }))
