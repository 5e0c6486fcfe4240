local environment = require "tidegate.policy.environment"
local schema      = require "tidegate.policy.schema"

local GIVEN = { id = "a", price = { prompt = 0.5 }, models = { "x", "y" }, deep = { { { "z" } } } }

-- What the text gives, or nil and what it raised.
local function run(text, given)
  local env, seed = environment.new(function() end)
  seed(7)
  local chunk, why = environment.load(text, "p.lua", env)
  if not chunk then return nil, why end
  local function told(ok, ...)
    if ok then return ... end
    return nil, (...)
  end
  return told(environment.run(env, chunk, environment.frozen(given or GIVEN)))
end

describe("the environment of a policy", function()
  it("has the names that docs/lua/sandbox.md lists, and no others", function()
    local file = assert(io.open("docs/lua/sandbox.md"))
    local page = file:read("*a"):match("## What is in it(.-)\n## ")
    file:close()
    local base = page:match("\n`([^`]*)`")
    local names = {}
    for name in base:gmatch("[%w_]+") do names[#names + 1] = name end
    names[#names + 1] = "require"
    table.sort(names)
    assert.same(schema.sandbox.base, names)
    for library, list in pairs { string = page:match("`string`: `([^`]*)`"), table = page:match("`table`: `([^`]*)`") } do
      names = {}
      for name in list:gmatch("%w+") do names[#names + 1] = name end
      assert.same(schema.sandbox[library], names, library)
    end
    local env = environment.new(function() end)
    for _, name in ipairs(schema.sandbox.base) do assert.is_not_nil(env[name], name) end
    for _, library in ipairs { "string", "table", "math" } do
      local count = 0
      for name in pairs(env[library]) do count = count + 1 assert.is_not_nil(env[library][name]) end
      assert.equal(#schema.sandbox[library], count, library)
    end
  end)

  for _, name in ipairs { "os", "io", "package", "debug", "ffi", "jit", "load", "loadstring", "loadfile", "dofile", "collectgarbage",
    "newproxy", "getfenv", "setfenv", "getmetatable", "setmetatable", "rawget", "rawset", "xpcall", "coroutine", "print", "_G",
    "string.dump", "math.randomseed", "table.move", "utf8", "bit32" } do
    it("lacks " .. name, function()
      assert.is_true(run("return " .. name .. " == nil"))
    end)
  end

  it("is a new one for each file", function()
    assert.equal(1, run("x = 1 string.sub = nil table.concat = nil return x"))
    assert.is_true(run("return x == nil and ('abc'):sub(2, 2) == 'b' and table.concat({ 1 }) == '1'"))
    assert.equal("b", ("abc"):sub(2, 2))
  end)

  for _, case in ipairs {
    { string.dump(function() end), "p.lua: not text: bytecode is refused" },
    { "return '\27'", "p.lua: not text: bytecode is refused" },
    { (" "):rep(65537), "p.lua: longer than 64 KiB" },
    { "return {\n  a = = 1\n}", "p.lua:2: unexpected symbol near '='" },
  } do
    it("refuses a text: " .. case[2], function()
      local value, why = run(case[1])
      assert.is_nil(value)
      assert.equal(case[2], why)
    end)
  end
end)

describe("what a policy is given", function()
  for _, case in ipairs {
    { "local e = ... return e.id .. e.price.prompt .. tostring(e.nothing)", "a0.5nil" },
    { "local e = ... return #e.models .. e.models[2] .. e.deep[1][1][1]", "2yz" },
    { "local e = ... return type(e) .. tostring(e) .. type(e.models)", "tabletabletable" },
    { "local e, n = ..., 0 for k, v in pairs(e) do n = n + 1 end return n", 4 },
    { "local e, s = ..., '' for i, v in ipairs(e.models) do s = s .. i .. v end return s", "1x2y" },
    { "local e = ... return next(e.price)", "prompt" }, { "local e = ... return next(e.price, 'prompt')", nil },
    { "local e = ... return table.concat(e.models, '+')", "x+y" }, { "local e = ... return select(2, unpack(e.models))", "y" },
    { "local e = ... return e == e and e ~= {}", true }, { "local e = ... return (('id'):gsub('%w+', e))", "a" },
    { "local e = ... for _, v in pairs(e.deep) do return v[1][1] end", "z" }, { "local e = ... return ('%s'):format(e)", "table" },
  } do
    it("can be read: " .. case[1], function()
      assert.equal(case[2], (run(case[1])))
    end)
  end

  for _, case in ipairs {
    { "e.id = 1", "field 'id' of " }, { "e.new = 1", "field 'new' of " }, { "e.price.prompt = 0", "field 'prompt' of " },
    { "e.models[3] = 'z'", "to " }, { "e.deep[1][1][1] = 0", "to " }, { "table.insert(e.models, 'z')", "to " },
    { "table.remove(e.models)", "to " }, { "table.sort(e.models)", "to " },
    { "for k, v in pairs(e) do if k == 'price' then v.prompt = 0 end end", "field 'prompt' of " },
    { "for _, v in ipairs(e.deep) do v[1] = 0 end", "to " }, { "select(2, next({ e })).id = 1", "field 'id' of " },
  } do
    it("cannot be written: " .. case[1], function()
      local _, why = run("local e = ...\n" .. case[1])
      assert.equal("p.lua:2: attempt to write " .. case[2] .. "a read-only table", why)
    end)
  end

  it("can be had as plain tables again", function()
    assert.same(GIVEN, environment.plain(environment.frozen(GIVEN)))
    assert.same({ 1, GIVEN }, environment.plain { 1, environment.frozen(GIVEN) })
    assert.equal(5, environment.plain(5))
  end)
end)

describe("the libraries of a policy", function()
  for _, case in ipairs {
    { "local t = { 3, 1, 2 } table.sort(t) return table.concat(t)", "123" },
    { "local t = { 'bb', 'a', 'cc', 'd' } table.sort(t, function(a, b) return #a < #b end) return table.concat(t)", "adbbcc" },
    { "local t = { 2, 1, 3 } table.sort(t, function() return true end) return #t", 3 },
    { "local t = { 1, 2 } table.insert(t, 1, 0) return table.concat(t) .. table.remove(t) .. #t", "01222" },
    { "return ('ab'):rep(3, '-') .. ('ab'):rep(0) .. ('x'):rep(-1)", "ab-ab-ab" }, { "return #('x'):rep(65536)", 65536 },
    { "return ('%d %5.1f|%-3d|%05d %x'):format(2.7, 2.5, 7, -3, 255)", "2   2.5|7  |-0003 ff" },
    { "return ('%s %s %s'):format(nil, true, {})", "nil true table" }, { "return ('100%% %s'):format('x')", "100% x" },
    { "return math.pow(2, 3) + math.log10(1000) + math.ldexp(1, 4)", 27 }, { "return (math.frexp(8))", 0.5 },
    { "return math.floor(math.atan2(1, 1) * 4e6) == math.floor(math.pi * 1e6)", true },
    { "return math.floor(math.cosh(1) * 1e6 + math.sinh(1) * 1e6 + math.tanh(1) * 1e6)", 3479875 },
    { "return tostring(print) .. tostring(pcall) .. tostring({})", "nilfunctiontable" },
    { "return select('#', pcall(error)) .. type(_VERSION)", "2string" },
  } do
    it("do as the sandbox's: " .. case[1], function()
      assert.equal(case[2], (run(case[1])))
    end)
  end

  for _, case in ipairs {
    { "local x = ('x'):rep(1e9)", "p.lua:1: resulting string too large" },
    { "local x\nx = string.rep('x', 65537)", "p.lua:2: resulting string too large" },
    { "local t = {} for i = 1, 100 do t[i] = ('x'):rep(1000) end\nlocal x = table.concat(t)", "p.lua:2: resulting string too large" },
    { "local x = ('%p'):format({})", "p.lua:1: invalid option '%p' to 'format'" },
    { "\nlocal x = math.random(2, 1)", "p.lua:2: random: interval is empty" },
    { "local x = unpack({}, 1, 251)", "p.lua:1: too many results to unpack" },
    { "local x = ('x'):find('[')", "p.lua:1: malformed pattern" },
    { "local x = { 1, 'a' }\ntable.sort(x)", "p.lua:2: attempt to compare" },
    { "local x = { 1, 2 } table.sort(x,\nfunction(a) return a.b.c end)", "p.lua:2: attempt to index" },
    { "local x = ipairs(nil)", "p.lua:1: bad argument #1 to 'ipairs' (table expected, got nil)" },
  } do
    it("tell their errors at the line that calls them: " .. case[2], function()
      local _, why = run(case[1])
      assert.equal(case[2], tostring(why):sub(1, #case[2]))
    end)
  end

  it("draw the same random numbers from the same seed, within their bounds", function()
    local env, seed = environment.new()
    local random, seen = env.math.random, {}
    for n = 1, 3 do
      seed(n == 3 and 2 or 1)
      seen[n] = {}
      for i = 1, 200 do
        local unit, die, either = random(), random(6), random(-1, 0)
        assert.is_true(unit >= 0 and unit < 1 and die >= 1 and die <= 6 and die % 1 == 0 and (either == -1 or either == 0))
        seen[n][i] = unit
      end
    end
    assert.same(seen[1], seen[2])
    assert.are_not.same(seen[1], seen[3])
  end)

  it("draw evenly", function()
    local env, seed = environment.new()
    seed(42)
    local counts = { 0, 0, 0, 0, 0, 0 }
    for _ = 1, 6000 do
      local die = env.math.random(6)
      counts[die] = counts[die] + 1
    end
    for die = 1, 6 do assert.is_true(counts[die] > 880 and counts[die] < 1120, die .. ": " .. counts[die]) end
  end)

  it("are the methods of strings while a policy runs, and no longer", function()
    assert.equal("nil", run("return type(('').dump)"))
    run("error 'x'")
    assert.equal(string, getmetatable("").__index)
  end)
end)
