local t = require "tidegate.testing"

describe("proven_tools.lua", function()
  local p = t.load "proven_tools.lua"

  local function endpoint(id, dollars, samples, valid)
    return t.endpoint { id = id, price = { prompt = dollars, completion = dollars },
                        tool_calls = { samples = samples, valid = valid } }
  end

  local function endpoints()
    return { endpoint("broken", 1, 100, 0.5), endpoint("new", 2, 0, 1), endpoint("proven", 3, 100, 1),
             endpoint("dearer", 4, 20, 0.98) }
  end

  it("sends requests with tools to the cheapest that is proven", function()
    assert.same({ "proven", "dearer", "new", "broken" }, (p:rank({ tools = true }, endpoints())))
  end)

  it("sends the others where they would go", function()
    assert.same({ "broken", "new", "proven", "dearer" }, (p:rank({ tools = false }, endpoints())))
  end)

  it("leaves all of them, by price, when nothing is proven yet", function()
    local ranked, dropped = p:rank({ tools = true }, { endpoint("b", 2, 19, 1), endpoint("a", 1, 0, 1) })
    assert.same({ "a", "b" }, ranked)
    assert.same({}, dropped)
  end)

  it("leaves somebody even when all are proven to be bad", function()
    assert.same({ "a", "b" }, (p:rank({ tools = true }, { endpoint("b", 2, 50, 0.9), endpoint("a", 1, 50, 0.1) })))
  end)

  it("rather tries an unknown one than a bad one", function()
    assert.same({ "new", "bad" }, (p:rank({ tools = true }, { endpoint("bad", 1, 20, 0.97), endpoint("new", 2, 19, 0.5) })))
  end)

  it("does not send tools to who does not take any", function()
    local without = endpoint("without", 1, 100, 1)
    without.supports = { temperature = true }
    local ranked, dropped = p:rank({ tools = true }, { without, endpoint("with", 2, 0, 1) })
    assert.same({ "with" }, ranked)
    assert.equal("tools", dropped.without)
  end)
end)
