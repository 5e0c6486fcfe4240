-- The gateway in a program on luv.

local host = require "host"

describe("luv", host.with("luajit", nil, function(h)
  it("waits, streams and calls back without stopping the loop", function()
    host.holds_the_battery(h, h.path, "spec/hosts/scripts/luv_host.lua")
  end)
end, { has = { "luv" } }))
