local t = require "tidegate.testing"

describe("sticky_user.lua", function()
  local p = t.load "sticky_user.lua"

  local function ranked_of(user, ids)
    local endpoints = {}
    for i, id in ipairs(ids) do endpoints[i] = t.endpoint { id = id, price = { prompt = i } } end
    return (p:rank({ user = user }, endpoints))
  end

  local ALL = { "alpha", "bravo", "charlie", "delta" }

  local function user(i) return "user-" .. i end

  it("gives a user the same order each time, however the endpoints are listed", function()
    for i = 1, 50 do
      assert.same(ranked_of(user(i), ALL), ranked_of(user(i), { "charlie", "alpha", "delta", "bravo" }))
    end
  end)

  it("moves nobody but the users of an endpoint that is gone", function()
    for i = 1, 100 do
      local before, after = ranked_of(user(i), ALL), ranked_of(user(i), { "alpha", "bravo", "delta" })
      if before[1] ~= "charlie" then assert.equal(before[1], after[1]) end
    end
  end)

  it("spreads those over all that are left", function()
    local moved = {}
    for i = 1, 300 do
      local before = ranked_of(user(i), ALL)
      if before[1] == "charlie" then moved[before[2]] = (moved[before[2]] or 0) + 1 end
    end
    for _, id in ipairs { "alpha", "bravo", "delta" } do assert.is_true((moved[id] or 0) >= 10, id) end
  end)

  it("gives a provider with twice the weight about twice the users", function()
    local users = {}
    for i = 1, 400 do
      local id = ranked_of(user(i), { "us-fast", "eu-one", "own-gpu" })[1]
      users[id] = (users[id] or 0) + 1
    end
    assert.near(200, users["us-fast"], 40)
    assert.near(100, users["eu-one"], 30)
    assert.near(100, users["own-gpu"], 30)
  end)

  it("goes by price when there is no user", function()
    assert.same({ "delta", "alpha" }, ranked_of(nil, { "delta", "alpha" }))
  end)

  it("sends a user elsewhere while its endpoint is down, and back again", function()
    local before = ranked_of("ann", ALL)
    local endpoints = {}
    for i, id in ipairs(ALL) do
      endpoints[i] = t.endpoint { id = id, breaker = id == before[1] and "open" or "closed" }
    end
    assert.same({ before[2], before[3], before[4], before[1] }, (p:rank({ user = "ann" }, endpoints)))
    assert.same(before, ranked_of("ann", ALL))
  end)
end)
