-- The gateway inside a LÖVE game, without a window: its update() calls poll(0).

local host = require "host"

describe("LÖVE", host.with("love", nil, function(h)
  it("has frames that stay short while an answer comes, and ends by itself: examples/love", function()
    local said = h.run { h.path, "examples/love" }
    local deltas, frames, slowest = said:match "(%d+) deltas in (%d+) frames, at most ([%d.]+) ms of one"
    assert.is_truthy(said:find("You said: What does the harbour master say?", 1, true), said)
    assert.is_true(tonumber(deltas) > 10, said)
    assert.is_true(tonumber(frames) > 100, said)
    assert.is_true(tonumber(slowest) < 8, said)          -- half a frame; it is 0.2 on an idle machine
  end)
end))
