local t = require "tidegate.testing"

describe("daily_budget.lua", function()
  local p = t.load "daily_budget.lua"

  local NOON, DAY = 1767614400, 86400                    -- 2026-01-05 12:00 UTC
  local CI = { key = { name = "ci" } }

  before_each(function()
    t.reset()
    t.now(NOON)
  end)

  local function spend(dollars, request)
    p:on_response({ cost = dollars }, { provider = "a" }, request or CI)
  end

  local function left(request)
    return p:rank(request or CI, {
      t.endpoint { id = "dear", price = { prompt = 3, completion = 9 } },
      t.endpoint { id = "cheap", price = { prompt = 0.1, completion = 0.2 } },
      t.endpoint { id = "free", price = { prompt = 0, completion = 0 } },
    })
  end

  it("lets everything be used below the budget", function()
    spend(4.99)
    assert.same({ "free", "cheap", "dear" }, (left()))
  end)

  it("leaves the free and the cheap when it is spent, and says so", function()
    spend(3)
    spend(2)
    local ranked, dropped = left()
    assert.same({ "free", "cheap" }, ranked)
    assert.equal("today's budget of $5.00 is spent", dropped.dear)
  end)

  it("begins anew with the day, in UTC", function()
    spend(6)
    t.now(NOON + DAY / 2 - 1)
    assert.equal(2, #left())
    t.now(NOON + DAY / 2)
    assert.equal(3, #left())
  end)

  it("counts each key for itself, those without a budget of their own to the usual one", function()
    spend(19, { key = { name = "dev" } })
    assert.equal(3, #left { key = { name = "dev" } })
    spend(1, { key = { name = "dev" } })
    assert.equal(2, #left { key = { name = "dev" } })
    assert.equal(3, #left(CI))
  end)

  it("counts requests without a key together", function()
    spend(12, {})
    spend(8, {})
    assert.equal(2, #left {})
    assert.equal(3, #left())
  end)

  it("warns at four fifths, once a day", function()
    spend(3.99)
    assert.same({}, t.logged())
    spend(0.02)
    spend(0.5)
    assert.same({ "warning: key ci has spent $4.01 of today's $5.00" }, t.logged())
    t.now(NOON + DAY)
    spend(4.5)
    assert.equal(2, #t.logged())
  end)

  it("can count for keys with endless names", function()
    local request = { key = { name = ("long"):rep(100) } }
    spend(21, request)
    assert.equal(2, #left(request))
  end)
end)
