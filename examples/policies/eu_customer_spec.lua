local t = require "tidegate.testing"

describe("eu_customer.lua", function()
  local p = t.load "eu_customer.lua"

  local function endpoints()
    return {
      t.endpoint { id = "eu", region = "eu", zdr = true, price = { prompt = 3 } },
      t.endpoint { id = "eu-keeps", region = "eu", zdr = false, price = { prompt = 2 } },
      t.endpoint { id = "us", region = "us", zdr = true, price = { prompt = 1 } },
      t.endpoint { id = "somewhere", zdr = true, price = { prompt = 0 } },
    }
  end

  local WHY = { ["eu-keeps"] = "keeps what it is sent", us = "not in the EU", somewhere = "not in the EU" }
  local BY_PRICE = { "somewhere", "us", "eu-keeps", "eu" }

  it("keeps the customer's key in the EU, where nothing is kept", function()
    local ranked, dropped = p:rank({ key = { name = "acme" } }, endpoints())
    assert.same({ "eu" }, ranked)
    assert.same(WHY, dropped)
  end)

  it("does the same for a request whose metadata names the customer", function()
    local ranked = p:rank({ key = { name = "backend" }, metadata = { customer = "acme" } }, endpoints())
    assert.same({ "eu" }, ranked)
  end)

  it("does not let the customer's key out, whatever its metadata say", function()
    local ranked = p:rank({ key = { name = "acme" }, metadata = { customer = "somebody else" } }, endpoints())
    assert.same({ "eu" }, ranked)
  end)

  it("leaves nobody rather than somebody outside, or of whom nothing is known", function()
    local others = endpoints()
    table.remove(others, 1)
    assert.same({}, (p:rank({ key = { name = "acme" } }, others)))
  end)

  it("sends the others where it is cheapest", function()
    assert.same(BY_PRICE, (p:rank({ key = { name = "dev" }, metadata = { customer = "beta" } }, endpoints())))
  end)

  it("takes a request without key and metadata for one of the others", function()
    assert.same(BY_PRICE, (p:rank({}, endpoints())))
  end)
end)
