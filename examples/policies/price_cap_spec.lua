local t = require "tidegate.testing"

describe("price_cap.lua", function()
  local p = t.load "price_cap.lua"

  local function endpoint(id, model, prompt, completion)
    return t.endpoint { id = id, model = model, price = { prompt = prompt, completion = completion } }
  end

  it("drops what costs more than the cap, in or out", function()
    local ranked, dropped = p:rank({ model = "demo/huge" }, {
      endpoint("fair", "demo/huge", 0.5, 2),
      endpoint("dear in", "demo/huge", 1.01, 2),
      endpoint("dear out", "demo/huge", 0.5, 4.01),
    })
    assert.same({ "fair" }, ranked)
    assert.same({ ["dear in"] = "max_price", ["dear out"] = "max_price" }, dropped)
  end)

  it("keeps what costs just as much as the cap", function()
    assert.same({ "just" }, (p:rank({ model = "demo/huge" }, { endpoint("just", "demo/huge", 1, 4) })))
  end)

  it("goes to the next model when nothing of the first is left", function()
    local ranked = p:rank({ model = "demo/huge" }, {
      endpoint("huge", "demo/huge", 15, 60),
      endpoint("small", "demo/small", 0.1, 0.2),
      endpoint("large", "demo/large", 0.5, 2),
    })
    assert.same({ "large", "small" }, ranked)
  end)

  it("tries the model that was asked for before cheaper ones", function()
    local ranked = p:rank({ model = "demo/huge" }, {
      endpoint("small", "demo/small", 0, 0), endpoint("huge", "demo/huge", 1, 4),
    })
    assert.same({ "huge", "small" }, ranked)
  end)

  it("does not let a request raise the cap", function()
    local ranked = p:rank({ model = "demo/huge", provider = { max_price = { prompt = 100, completion = 100 } } },
      { endpoint("dear", "demo/huge", 2, 2) })
    assert.same({}, ranked)
  end)

  it("lets a request lower it", function()
    local ranked = p:rank({ model = "demo/huge", provider = { max_price = { prompt = 0.2 } } },
      { endpoint("a", "demo/huge", 0.3, 1), endpoint("b", "demo/large", 0.2, 1) })
    assert.same({ "b" }, ranked)
  end)

  it("leaves nobody rather than somebody who is too dear", function()
    assert.same({}, (p:rank({ model = "demo/huge" }, { endpoint("a", "demo/huge", 9, 9), endpoint("b", "demo/small", 2, 2) })))
  end)
end)
