local t = require "tidegate.testing"

describe("rising_price.lua", function()
  local p = t.load "rising_price.lua"

  before_each(t.reset)

  local function endpoint(id, prompt, completion, more)
    more = more or {}
    more.id, more.price = id, { prompt = prompt, completion = completion }
    return t.endpoint(more)
  end

  local function answered_by(id)
    p:on_response({ cost = 0.01 }, { provider = id, endpoint = id })
  end

  it("tries the cheap before the dear, step by step", function()
    local ranked = p:rank({}, { endpoint("third", 5, 15), endpoint("second", 1, 4), endpoint("first", 0.5, 2) })
    assert.same({ "first", "second", "third" }, ranked)
  end)

  it("keeps the steps when a request wants another order, which holds within them", function()
    local ranked = p:rank({ provider = { sort = "latency" } }, {
      endpoint("slow", 0.1, 0.2, { latency = { p50 = 3 } }), endpoint("fast", 0.2, 0.4, { latency = { p50 = 1 } }),
      endpoint("fastest", 2, 8, { latency = { p50 = 0.1 } }), endpoint("unknown", 0.1, 0.1, { samples = 0 }),
    })
    assert.same({ "fast", "slow", "unknown", "fastest" }, ranked)
  end)

  it("puts what is dear in one price alone on that price's step", function()
    assert.same({ "even", "odd" }, (p:rank({}, { endpoint("odd", 0, 2.1), endpoint("even", 0.5, 2) })))
  end)

  it("drops what is above the last step, even when nothing else is left", function()
    local ranked, dropped = p:rank({}, { endpoint("above", 10.1, 30) })
    assert.same({}, ranked)
    assert.equal("max_price", dropped.above)
  end)

  it("rises when the cheap are down", function()
    local ranked = p:rank({}, { endpoint("down", 0.1, 0.2, { breaker = "open" }), endpoint("third", 5, 15), endpoint("second", 1, 4) })
    assert.same({ "second", "third", "down" }, ranked)
  end)

  it("logs which step was needed, and nothing when it was the first", function()
    p:rank({}, { endpoint("first", 0.1, 0.2), endpoint("third", 5, 15) })
    answered_by "first"
    assert.same({}, t.logged())
    answered_by "third"
    assert.same({ "step 3 of 3 was needed for test/model: third" }, t.logged())
  end)

  it("logs nothing about an endpoint that it never saw", function()
    answered_by "stranger"
    assert.same({}, t.logged())
  end)
end)
