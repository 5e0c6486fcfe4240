local near = require "tidegate.base.near"

local NAMES = { "listen", "workers", "providers", "timeouts", "zdr" }

describe("tidegate.base.near", function()
  for _, case in ipairs {
    { "lisen", "listen" }, { "listne", "listen" }, { "Workers", "workers" }, { "provider", "providers" },
    { "timeout", "timeouts" }, { "time", "timeouts" }, { "tim", nil }, { "zdr", "zdr" }, { "xyz", nil }, { "a", nil }, { "portals", nil }, { "", nil },
  } do
    it(("takes %q for %s"):format(case[1], tostring(case[2])), function()
      assert.equal(case[2], near(NAMES, case[1]))
    end)
  end

  it("does not look at words that nobody mistyped", function()
    assert.is_nil(near(NAMES, ("x"):rep(100000)))
  end)
end)
