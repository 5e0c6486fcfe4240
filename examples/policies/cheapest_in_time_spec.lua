local t = require "tidegate.testing"

describe("cheapest_in_time.lua", function()
  local p = t.load "cheapest_in_time.lua"

  local function endpoint(id, dollars, p90, samples)
    return t.endpoint { id = id, price = { prompt = dollars, completion = dollars }, latency = { p50 = 0.3, p90 = p90 },
                        samples = samples or 100 }
  end

  it("takes the cheapest of those that are in time", function()
    local ranked = p:rank({}, { endpoint("dear", 5, 0.5), endpoint("cheap", 1, 1.9), endpoint("late", 0.1, 8) })
    assert.same({ "cheap", "dear", "late" }, ranked)
  end)

  it("takes who needs just as long as is allowed for one that is in time", function()
    local ranked = p:rank({}, { endpoint("dear", 5, 1), endpoint("just", 1, 2) })
    assert.same({ "just", "dear" }, ranked)
  end)

  it("puts the unknown between those in time and those that are late", function()
    local ranked = p:rank({ seed = 1 }, { endpoint("late", 1, 9), endpoint("new", 2, 0, 0), endpoint("good", 3, 1) })
    assert.same({ "good", "new", "late" }, ranked)
  end)

  it("does not believe a good p90 of a few answers", function()
    local ranked = p:rank({ seed = 1 }, { endpoint("lucky", 1, 0.1, 29), endpoint("proven", 2, 1, 30) })
    assert.same({ "proven", "lucky" }, ranked)
  end)

  it("gives an unknown endpoint a small share of the requests", function()
    local first = 0
    for seed = 1, 600 do
      local ranked = p:rank({ seed = seed }, { endpoint("new", 1, 0, 0), endpoint("known", 2, 1) })
      if ranked[1] == "new" then first = first + 1 end
    end
    assert.is_true(first > 10 and first < 60, first .. " of 600")
  end)

  it("goes by price while nobody knows anything", function()
    local ranked = p:rank({ seed = 1 }, { endpoint("b", 2, 0, 0), endpoint("a", 1, 0, 0) })
    assert.same({ "a", "b" }, ranked)
  end)

  it("does not wake up who is down, however cheap", function()
    local down = endpoint("down", 0.1, 1)
    down.breaker = "open"
    assert.same({ "a", "b", "down" }, (p:rank({}, { down, endpoint("a", 1, 1), endpoint("b", 2, 1) })))
  end)
end)
