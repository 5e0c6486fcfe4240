local positions = require "tidegate.base.positions"

local SOURCE = [==[
-- { not = "this" }
local extra = {
  slug = "x",
}
--[[ nor
this = { } ]]
local function make() return { a = 1 } end
return {
  listen = "a\"b,}",
  ["workers"] = 2,
  timeouts = { connect = 3,
               idle = (1 + 2) * 4 },
  hook = function(a) if a then return { 1, 2 } end end, log = "off",
  providers = {
    { slug = "a",
      key = env "X" },
    extra, make(),
    { slug = [[
b]] ; name = "n" },
  },
}
]==]

describe("tidegate.base.positions", function()
  local root = positions.read(SOURCE)

  it("has the variables that keys are read from", function()
    local p = positions.read [[return { a = env "A", b = env("B"), c = env 'C' or "x", d = env, e = other "E" }]].fields
    assert.same({ "A", "B", "C" }, { p.a.env, p.b.env, p.c.env })
    assert.is_nil(p.d.env)
    assert.is_nil(p.e.env)
    assert.equal("X", root.fields.providers.items[1].fields.key.env)
  end)

  for _, case in ipairs {
    { "what is returned", 8, root },
    { "a field", 9, root.fields.listen },
    { "a field in brackets", 10, root.fields.workers },
    { "a nested field on a line of its own", 12, root.fields.timeouts.fields.idle },
    { "a field behind a function", 13, root.fields.log },
    { "a field of an item", 16, root.fields.providers.items[1].fields.key },
    { "an item that is made above", 3, root.fields.providers.items[2].fields.slug },
    { "an item that a call makes", 17, root.fields.providers.items[3] },
    { "a field behind a long string", 19, root.fields.providers.items[4].fields.name },
  } do
    it("knows the line of " .. case[1], function()
      assert.equal(case[2], case[3].line)
    end)
  end

  it("counts items", function()
    assert.equal(4, #root.fields.providers.items)
  end)

  it("comes to an end whatever it is given, cut at every byte", function()
    for i = 0, #SOURCE do
      assert.is_number(positions.read(SOURCE:sub(1, i)).line)
    end
  end)

  it("tells the line of a path, or of what holds it", function()
    local node = positions.read('return {\n  data = {\n    only = {\n "a",\n "b" } } }')
    for _, case in ipairs { { {}, 1 }, { { "data" }, 2 }, { { "data", "only" }, 3 }, { { "data", "only", 2 }, 5 },
                            { { "data", "nothing" }, 2 }, { { "nothing", "data" }, 1 } } do
      assert.equal(case[2], positions.line_of(node, case[1]))
    end
  end)
end)
