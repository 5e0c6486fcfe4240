local t = require "tidegate.testing"

describe("canary.lua", function()
  local p = t.load "canary.lua"

  local function endpoints()
    return { t.endpoint { id = "us-new" }, t.endpoint { id = "other" }, t.endpoint { id = "us-fast" } }
  end

  local function first(request, list, policy)
    return ((policy or p):rank(request, list or endpoints()))[1]
  end

  -- How many of these requests go to the canary.
  local function share_of(requests)
    local n = 0
    for _, request in ipairs(requests) do
      if first(request) == "us-new" then n = n + 1 end
    end
    return n / #requests
  end

  local function of_each(make)
    local requests = {}
    for i = 1, 400 do requests[i] = make(i) end
    return requests
  end

  it("sends about the share of users to the canary", function()
    local share = share_of(of_each(function(i) return { user = "user-" .. i } end))
    assert.is_true(share > 0.05 and share < 0.16, "a share of " .. share)
  end)

  it("keeps a user where it is, whatever chance and session say", function()
    for i = 1, 50 do
      local user = "user-" .. i
      local one = first { user = user, seed = 1, session_id = "s1" }
      for seed = 2, 5 do assert.equal(one, first { user = user, seed = seed, session_id = "s" .. seed }) end
    end
  end)

  it("keeps a session where it is when there is no user", function()
    for i = 1, 50 do
      local session = "session-" .. i
      assert.equal(first { session_id = session, seed = 1 }, first { session_id = session, seed = 2 })
    end
    local share = share_of(of_each(function(i) return { session_id = "session-" .. i } end))
    assert.is_true(share > 0.05 and share < 0.16, "a share of " .. share)
  end)

  it("keeps those who were chosen when the share grows", function()
    local file = io.open(p.path)
    local text = file:read("*a"):gsub("(SHARE *= )0%.1", "%10.5")
    file:close()
    local wider = t.load(p.path, { text = text })
    local before, after = 0, 0
    for i = 1, 100 do
      local request = { user = "user-" .. i }
      local was, is = first(request), first(request, endpoints(), wider)
      if was == "us-new" then assert.equal("us-new", is) end
      before, after = before + (was == "us-new" and 1 or 0), after + (is == "us-new" and 1 or 0)
    end
    assert.is_true(before > 0 and after > 2 * before, before .. ", then " .. after)
  end)

  it("draws for a request with neither", function()
    local share = share_of(of_each(function(i) return { seed = i } end))
    assert.is_true(share > 0.05 and share < 0.16, "a share of " .. share)
  end)

  it("has the others stand in, and the canary last of all", function()
    local user = "user-1"
    for i = 1, 100 do
      if first { user = "user-" .. i } ~= "us-new" then user = "user-" .. i end
    end
    assert.same({ "us-fast", "other", "us-new" }, (p:rank({ user = user }, endpoints())))
  end)

  it("sends its users to the known one while the canary is down", function()
    for i = 1, 100 do
      local down = { t.endpoint { id = "us-new", breaker = "open" }, t.endpoint { id = "other" }, t.endpoint { id = "us-fast" } }
      assert.equal("us-fast", first({ user = "user-" .. i }, down))
    end
  end)

  it("works for a model that only one of the two serves", function()
    assert.equal("us-new", first({ user = "ann" }, { t.endpoint { id = "us-new" } }))
    assert.equal("other", first({ user = "ann" }, { t.endpoint { id = "other" } }))
  end)
end)
