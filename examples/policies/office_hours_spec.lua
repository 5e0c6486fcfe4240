local t = require "tidegate.testing"

describe("office_hours.lua", function()
  local p = t.load "office_hours.lua"

  -- UTC; offices are one hour ahead. 2026-01-05 is a Monday.
  local MONDAY, HOUR, DAY = 1767571200, 3600, 86400

  local function ranked_at(day, hour, request)
    request = request or {}
    request.now = MONDAY + day * DAY + hour * HOUR
    return (p:rank(request, {
      t.endpoint { id = "cheap", price = { prompt = 1, completion = 1 }, latency = { p50 = 1 }, throughput = { p50 = 30 } },
      t.endpoint { id = "fast", price = { prompt = 9, completion = 9 }, latency = { p50 = 0.2 }, throughput = { p50 = 300 } },
    }))
  end

  local FAST, CHEAP = { "fast", "cheap" }, { "cheap", "fast" }

  it("is fast from the first minute of the day to the last", function()
    assert.same(FAST, ranked_at(0, 7))
    assert.same(FAST, ranked_at(2, 12))
    assert.same(FAST, ranked_at(4, 16.99))
  end)

  it("is cheap before and after", function()
    assert.same(CHEAP, ranked_at(0, 6.99))
    assert.same(CHEAP, ranked_at(4, 17))
    assert.same(CHEAP, ranked_at(1, 23.5))
  end)

  it("is cheap at the weekend, which is over on Monday morning", function()
    assert.same(CHEAP, ranked_at(5, 12))
    assert.same(CHEAP, ranked_at(6, 12))
    assert.same(FAST, ranked_at(7, 12))
  end)

  it("counts the whole answer and not the first token alone", function()
    local ranked = p:rank({ now = MONDAY + 12 * HOUR }, {
      t.endpoint { id = "quick to begin", latency = { p50 = 0.1 }, throughput = { p50 = 20 } },
      t.endpoint { id = "quick to end", latency = { p50 = 0.9 }, throughput = { p50 = 100 } },
    })
    assert.same({ "quick to end", "quick to begin" }, ranked)
  end)

  it("goes by price where nothing is known of anybody's speed", function()
    local ranked = p:rank({ now = MONDAY + 12 * HOUR }, {
      t.endpoint { id = "b", price = { prompt = 2 }, samples = 0, latency = 0, throughput = 0 },
      t.endpoint { id = "a", price = { prompt = 1 }, samples = 0, latency = 0, throughput = 0 },
    })
    assert.same({ "a", "b" }, ranked)
  end)

  it("leaves a request's own sort alone at night", function()
    assert.same(FAST, ranked_at(0, 22, { provider = { sort = "latency" } }))
  end)
end)
