local prelude = require "tidegate.policy.prelude"

describe("tidegate.kv under test", function()
  local world, kv

  before_each(function()
    world = { now = 100, entries = {}, lines = {} }
    kv = prelude.kv(world)
  end)

  it("keeps numbers and strings, and gives nil for what is not there", function()
    kv.set("n", 1.5)
    kv.set("s", "")
    assert.equal(1.5, kv.get "n")
    assert.equal("", kv.get "s")
    assert.is_nil(kv.get "x")
  end)

  it("takes numbers for keys", function()
    kv.set(7, 1)
    assert.equal(1, kv.get "7")
  end)

  it("deletes what is set to nil", function()
    kv.set("n", 1)
    kv.set("n", nil)
    assert.is_nil(kv.get "n")
  end)

  it("forgets at the end of the time, not before", function()
    kv.set("n", 1, 10)
    world.now = 109.99
    assert.equal(1, kv.get "n")
    world.now = 110
    assert.is_nil(kv.get "n")
  end)

  it("gives a value that is set anew a new end", function()
    kv.set("n", 1, 10)
    kv.set("n", 2)
    world.now = 1e6
    assert.equal(2, kv.get "n")
  end)

  it("counts from nothing, by one or by what is said", function()
    assert.equal(1, kv.incr "n")
    assert.equal(1.5, kv.incr("n", 0.5))
    assert.equal(0, kv.incr("n", -1.5))
  end)

  it("lets a counter's time count from the first", function()
    kv.incr("n", 1, 10)
    world.now = 109
    assert.equal(2, kv.incr("n", 1, 10))
    world.now = 110
    assert.equal(1, kv.incr("n", 1, 10))
  end)

  describe("refuses", function()
    for _, case in ipairs {
      { "an empty key", function() kv.get "" end, "kv.get: a key that is not empty" },
      { "a key that is no string", function() kv.set({}, 1) end, "kv.set: a key that is not empty" },
      { "a long key", function() kv.incr(("k"):rep(129)) end, "kv.incr: a key has 128 bytes at most" },
      { "a long string", function() kv.set("k", ("v"):rep(257)) end, "kv.set: a string has 256 bytes at most" },
      { "a table", function() kv.set("k", {}) end, "kv.set: a finite number, a string or nil expected" },
      { "NaN", function() kv.set("k", 0 / 0) end, "kv.set: a finite number, a string or nil expected" },
      { "an infinity", function() kv.incr("k", math.huge) end, "kv.incr: a finite number expected" },
      { "no time at all", function() kv.set("k", 1, 0) end, "kv.set: seconds above 0 expected" },
      { "a time that is a string", function() kv.incr("k", 1, "x") end, "kv.incr: seconds above 0 expected" },
      { "to count a string", function() kv.set("k", "v") kv.incr("k") end, "kv.incr: 'k' is not a number" },
      { "a sum that is not finite", function() kv.set("k", 1.7e308) kv.incr("k", 1.7e308) end, "kv.incr: 'k' is not a number, or" },
    } do
      it(case[1], function()
        local ok, why = pcall(case[2])
        assert.is_false(ok)
        assert.truthy(why:find("prelude_spec.lua:%d+: tidegate%." .. case[3]:gsub("%.", "%%.")), why)
      end)
    end

    it("nothing that just fits", function()
      kv.set(("k"):rep(128), ("v"):rep(256), 1e9)
      assert.equal(("v"):rep(256), kv.get(("k"):rep(128)))
    end)
  end)
end)

describe("request.hash under test", function()
  local hash = prelude.request({}, math.random).hash

  it("is a whole number from 0 to 2^53 - 1", function()
    for i = 1, 2000 do
      local h = hash(("x"):rep(i % 70) .. i)
      assert.is_true(h >= 0 and h < 2 ^ 53 and h % 1 == 0)
    end
  end)

  it("is the same everywhere and always", function()
    -- Written down once, so that no Lua and no change gives another.
    assert.equal("6515531281608576", ("%.0f"):format(hash "alice"))
    assert.equal(hash "7", hash(7))
    assert.are_not.equal(hash "", hash "\0")
  end)

  it("does not collide, and spreads over any number of groups", function()
    local seen, groups = {}, { {}, {} }
    for i = 1, 20000 do
      local h = hash("user-" .. i)
      assert.is_nil(seen[h])
      seen[h] = true
      for g, n in ipairs { 2, 100 } do groups[g][h % n] = (groups[g][h % n] or 0) + 1 end
    end
    for k = 0, 1 do assert.is_true(math.abs(groups[1][k] - 10000) < 400) end
    for k = 0, 99 do assert.is_true(math.abs(groups[2][k] - 200) < 70, groups[2][k]) end
  end)

  it("says nothing about the hash of a text with another end", function()
    local same = 0
    for i = 1, 8000 do
      local x, y = hash("user-" .. i .. " a") / 2 ^ 53, hash("user-" .. i .. " b") / 2 ^ 53
      if (x < 0.5) == (y < 0.5) then same = same + 1 end
    end
    assert.is_true(math.abs(same - 4000) < 250, same)
  end)

  it("refuses what is no string", function()
    assert.is_false((pcall(hash, {})))
  end)
end)
