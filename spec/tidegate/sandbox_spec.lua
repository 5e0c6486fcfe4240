local core     = require "tidegate.core"
local this_lua = require "this_lua"

local unpack = this_lua.unpack

local TURN_MS, OVER_MS, MEMORY = 5, 20, 8 * 1024 * 1024

local function new(limits)
  limits = limits or {}
  limits.turn_us = limits.turn_us or TURN_MS * 1000
  limits.load_us = limits.load_us or TURN_MS * 1000
  return assert(core.sandbox(limits))
end

-- Run `text` in a new sandbox, with time enough: what it gives, or nil and its error.
local function run(text)
  local box = new { load_us = 1e6, turn_us = 1e6 }
  local ok, err = box:load("return function() " .. text .. "\nend", "policy.lua")
  if not ok then return nil, err end
  return box:call()
end

-- Those of the cases that are for this Lua.
local function cases_here(path)
  local here = {}
  for _, case in ipairs(dofile(path)) do
    if not case.here or case.here:find(this_lua.name, 1, true) then here[#here + 1] = case end
  end
  return here
end

-- Is the error one of "this or that": codes, or parts of messages?
local function is_any_of(ends, err)
  for one in (ends .. " or "):gmatch("(.-) or ") do
    if err.code == one or err.message:find(one, 1, true) then return true end
  end
  return false
end

describe("a sandbox", function()
  describe("is not left by what", function()
    for _, case in ipairs(cases_here "spec/tidegate/hostile/escapes.lua") do
      local name, text, says = case[1], case[2], this_lua.words(case.says)

      it(name, function()
        -- They were written for LuaJIT: elsewhere there may be no such way at all.
        if not case.only and (this_lua.is_luajit or case.here) then
          assert.equal("out", assert(this_lua.compile(text))(), "it does not work at all")
        end
        local box = new { load_us = 1e6 }
        local ok, err = box:load(text, "policy.lua")
        if says == "nil" then
          assert.is_true(ok)
          assert.are_not.equal("out", run(text))
        else
          assert.is_nil(ok)
          assert.truthy(err.message:find(says, 1, true), err.message)
          assert.truthy(err.message:find("^policy%.lua:"), err.message)
        end
      end)
    end
  end)

  describe("ends in time, is small, and can be used again, when its text", function()
    for _, case in ipairs(cases_here "spec/tidegate/hostile/attacks.lua") do
      local name, text, ends = case[1], case[2], case[3]

      it(name, function()
        -- What a limit of its own ends has all the time it wants.
        local box = new { load_us = ends:find "timeout" and TURN_MS * 1000 or 1e6 }
        local before = os.clock()
        local ok, err = box:load(text, "policy.lua")
        local ms = (os.clock() - before) * 1e3
        assert.is_nil(ok)
        assert.truthy(is_any_of(ends, err), err.code .. ": " .. err.message)
        assert.truthy(err.message:find("^policy%.lua:"), err.message)
        assert.is_true(ms < TURN_MS + OVER_MS, ms .. " ms")
        assert.is_true(box:bytes() < MEMORY / 4, box:bytes() .. " bytes are kept")
        assert.is_true(box:load("return { f = function() return 6 * 7 end }", "policy.lua"))
        assert.equal(42, box:call("f"))
      end)
    end
  end)

  it("that keeps what it should not is worn", function()
    local box = new { load_us = 2e6 }
    assert.is_false(box:is_worn())
    local lists = this_lua.is_luajit and 90 or 45        -- elsewhere a value takes twice the room
    assert(box:load("local t = {} for i = 1, " .. lists .. " do t[i] = {} for k = 1, 6000 do t[i][k] = i .. 'x' .. k % 9 end end return t", "p.lua"))
    assert.is_true(box:is_worn())
    assert.is_true(box:bytes() <= MEMORY)
  end)

  -- Collecting takes memory before it gives some, and there is nobody behind a turn to catch an error.
  it("survives a turn that leaves no memory at all", function()
    local box = new { load_us = 1e6 }
    local ok, err = box:load([[
      local names = {} for i = 1, 30000 do names[i] = 'k' .. i end names = nil
      kept = {}
      local function fill(size) local t = {} for i = 1, size do t[i] = 1 end kept[#kept + 1] = t end
      for size = 13, 0, -1 do while pcall(fill, 2 ^ size) do end end
      error 'full']], "p.lua")
    assert.is_nil(ok)
    if this_lua.is_luajit then assert.equal("no_memory", err.code) end
    assert.is_true(box:is_worn())
    assert.is_true(box:bytes() <= MEMORY + 1024)
    box:close()
  end)

  it("has room for 4,096 keys in a table", function()
    local box = new { load_us = 1e6 }
    assert(box:load("local t = {} for i = 1, 4096 do t['k' .. i] = i end return function() return t.k4096 end", "p.lua"))
    assert.equal(4096, box:call())
  end)

  it("that saw a 64-bit literal is worn: ffi is open in it", function()
    if not this_lua.is_luajit then return end
    local box = new()
    assert.is_nil(box:load("return 1LL", "p.lua"))
    assert.is_true(box:is_worn())
  end)

  it("gives every call the whole of its time again", function()
    local box = new()
    assert(box:load("return { spin = function() while true do end end, ok = function() return 1 end }", "p.lua"))
    for _ = 1, 5 do
      local _, err = box:call("spin")
      assert.equal("timeout", err.code)
      assert.equal("p.lua:1: ran longer than 5 ms", err.message)
      assert.equal(1, box:call("ok"))
    end
  end)

  it("shares nothing with another, nor with the host", function()
    local one, other = new(), new()
    assert(one:load("string.upper = nil math = nil left = 1 pairs, table.sort = nil, nil return 1", "p.lua"))
    assert(other:load("return function() return ('x'):upper(), math.pi > 3, left, pairs ~= nil, table.sort ~= nil end", "p.lua"))
    assert.same({ "X", true, [4] = true, [5] = true }, { other:call() })
    assert.equal("X", ("x"):upper())
    assert.is_nil(rawget(_G, "left"))
  end)

  it("interprets: hooks run in a loop that is hot", function()
    -- The compiler would have taken over after 56 turns, and its code runs no hooks.
    local _, err = new():load("local n = 0 for i = 1, 1e12 do n = n + i end", "p.lua")
    assert.equal("timeout", err.code)
  end)
end)

describe("an error in a sandbox", function()
  for _, case in ipairs {
    { "of the syntax",  "return {\n  a = = 1\n}",                     "p.lua:2: unexpected symbol near '='" },
    { "that is raised", "local function f()\n  error 'no'\nend\nf()", "p.lua:2: no" },
    { "of a value",     "\n\nreturn nil .. 'x'",                      "p.lua:3: attempt to concatenate a nil value" },
    { "of a library",   "local x\nx = ('a'):rep(1e9)",                "p.lua:2: resulting string too large" },
    { "behind a tail call", "return ('a'):rep(1e9)",
      this_lua.is_luajit and "p.lua: resulting string too large" or "p.lua:1: resulting string too large" },
    { "that is no string", "error({})",                               "p.lua: raised a table" },
  } do
    it(case[1] .. " says where it is", function()
      local ok, err = new { load_us = 1e6 }:load(case[2], "p.lua")
      assert.is_nil(ok)
      assert.equal("invalid", err.code)
      assert.equal(case[3], err.message)
    end)
  end
end)

describe("pcall in a sandbox", function()
  it("catches what is raised, and gives what is returned", function()
    assert.same({ false, "x" }, run "return { pcall(error, 'x') }")
    assert.same({ true, 1, 2 }, run "return { pcall(function(...) return ... end, 1, 2) }")
    assert.same({ false, "policy.lua:1: attempt to call a string value" }, run "return { pcall(function() local t = ('x' .. 'y')() end) }")
  end)

  it("catches the end of memory", function()
    assert.same({ false, "not enough memory" },
      run "return { pcall(function() local s = 'x' for i = 1, 40 do s = s .. s end end) }")
  end)
end)

describe("the strings of a sandbox", function()
  local PARTS = { "a", "b", "c", ".", "%a", "%d", "%W", "%s", "[ab]", "[^a]", "[a-c]", "[]]", "[^]a]", "(", ")", "()", "%1",
    "%b()", "%f[%w]", "*", "+", "-", "?", "^", "$", "%", "[", "]", "1", " ", "(a)", "%p", "%%" }
  local CHARS = { "a", "b", "c", "1", " ", "(", ")", "]", "-", "%", "A" }
  local box = new { load_us = 1e6, turn_us = 1e6 }
  assert(box:load([[return {
    find = function(s, p) return pcall(string.find, s, p) end,
    gsub = function(s, p, r) return pcall(string.gsub, s, p, r) end,
    gmatch = function(s, p) local t = {} for a, b in s:gmatch(p) do t[#t + 1] = tostring(a) .. tostring(b) end return t end,
    format = function(...) return pcall(string.format, ...) end,
  }]], "p.lua"))

  local function any(list, most, random)
    local t = {}
    for i = 1, random(0, most) do t[i] = list[random(#list)] end
    return table.concat(t)
  end

  -- Results; of errors the text without where it was.
  local function said(ok, ...)
    if ok then return { ... } end
    return { (tostring((...)):gsub("^[^:]*:%d+: ", "")) }
  end

  it("are those of LuaJIT, on 4,000 random patterns", function()
    if not this_lua.is_luajit then return end            -- the matcher is the same, the library is another
    math.randomseed(20261120)
    for _ = 1, 4000 do
      local s, p, r = any(CHARS, 9, math.random), any(PARTS, 6, math.random), any({ "x", "%0", "%1", "%%", "y" }, 3, math.random)
      assert.same(said(pcall(string.find, s, p)), said(box:call("find", s, p)), s .. " find " .. p)
      assert.same(said(pcall(string.gsub, s, p, r)), said(box:call("gsub", s, p, r)), s .. " gsub " .. p .. " by " .. r)
      local all = {}
      if pcall(function() for a, b in s:gmatch(p) do all[#all + 1] = tostring(a) .. tostring(b) end end) then
        assert.same(all, box:call("gmatch", s, p), s .. " gmatch " .. p)
      end
    end
  end)

  for _, case in ipairs {
    { "1     2 3    | 00004 +5", "%d %5d %-5d| %05d %+d", 1, 2, 3, 4, 5 }, { "ff FF 0xff 10", "%x %X %#x %o", 255, 255, 255, 8 },
    { "-1", "%d", -1 }, { "7", "%u", 7 }, { " 3.14 1.234568e+04 1e+20 1E-10", "%5.2f %e %g %G", 3.14159, 12345.678, 1e20, 1e-10 },
    { "1." .. ("0"):rep(99), "%99.99f", 1 }, { "0.667", "%.3f", 2 / 3 }, { "Hi", "%c%c", 72, 105 },
    { "a          b c         | de", "%s %10s %-10s| %.2s", "a", "b", "c", "defg" },
    { '"a \\"quoted\\"\\\n\\\\ text\\13\\0"', "%q", 'a "quoted"\n\\ text\r\0' }, { "%", "%%" }, { "100% true", "100%% %s", true },
    { "nil", "%s", "nil" }, { "10", "%d", "10" }, { "   12", "%5s", 12 }, { ("long"):rep(200), "%s", ("long"):rep(200) },
    { ("long"):rep(50), "%20s", ("long"):rep(50) }, { "2 -2", "%d %d", 2.9, -2.9 },
  } do
    it("format " .. case[2]:gsub("%c", " ") .. " as LuaJIT does", function()
      assert.same({ true, case[1] }, { box:call("format", unpack(case, 2)) })
      if this_lua.is_luajit then assert.equal(case[1], string.format(unpack(case, 2))) end
    end)
  end

  for _, case in ipairs { { "%d" }, { "%d", "x" }, { "%y", 1 }, { "%" }, { "%123d", 1 }, { "%1.123f", 1 }, { "%d", 0 / 0 }, { "%d", 1e300 } } do
    it("refuse to format " .. case[1] .. " of " .. tostring(case[2]), function()
      assert.is_false((box:call("format", unpack(case))))
    end)
  end

  for _, case in ipairs {
    { "return ('a.b'):find('.', 1, true)", 2, 2 }, { "return ('abc'):find('b', -2)", 2, 2 }, { "return ('abc'):find('', 10)", 4, 3 },
    { "return ('abc'):match('()c')", 3 }, { "return ('k=v'):match('(%w)=(%w)')", "k", "v" }, { "return ('ab'):rep(3, '-')", "ab-ab-ab" },
    { "return ('ab'):rep(0)", "" }, { "return ('ab'):rep(-1)", "" }, { "return ('abc'):gsub('%w', '%0%0', 2)", "aabbc", 2 },
    { "return ('abc'):gsub('b', { b = 'X' })", "aXc", 1 }, { "return ('abc'):gsub('b', function() end)", "abc", 1 },
    { "return ('hello'):upper():lower():reverse():sub(2, 3)", "ll" }, { "return ('abc'):byte(1, -1)", 97, 98, 99 }, { "return #('x'):rep(65536)", 65536 },
  } do
    it("give what they should: " .. case[1], function()
      assert.same({ select(2, unpack(case)) }, { run(case[1]) })
    end)
  end
end)

describe("the tables of a sandbox", function()
  for _, case in ipairs {
    { "local t = { 3, 1, 2 } table.sort(t) return t", { 1, 2, 3 } },
    { "local t = { 3, 1, 2 } table.sort(t, function(a, b) return a > b end) return t", { 3, 2, 1 } },
    { "local t = { 'b', 'a' } table.sort(t) return t", { "a", "b" } },
    { "local t = { 'bb', 'a', 'cc', 'd', 'ee' } table.sort(t, function(a, b) return #a < #b end) return t", { "a", "d", "bb", "cc", "ee" } },
    { "local t = {} table.sort(t) return t", {} },
    { "local t = { 1, 2 } table.insert(t, 3) table.insert(t, 1, 0) return t", { 0, 1, 2, 3 } },
    { "local t = { 1, 2, 3 } local a, b = table.remove(t), table.remove(t, 1) return { a, b, t[1], #t }", { 3, 1, 2, 1 } },
    { "return { table.remove({}) }", {} },
    { "return { table.concat({ 1, 'b', 3 }, ', ') }", { "1, b, 3" } },
    { "return { table.concat({ 'a', 'b', 'c' }, '-', 2, 3), table.concat({}) }", { "b-c", "" } },
    { "return { unpack({ 1, 2, 3 }, 2) }", { 2, 3 } },
    { "local t = {} for i, v in ipairs { 'a', 'b' } do t[i] = v .. i end return t", { "a1", "b2" } },
    { "local n = 0 for _, v in pairs { a = 1, b = 2 } do n = n + v end return { n }", { 3 } },
    { "return { type({}), tostring({}), tostring(1.5), tostring(nil), type(nil) }", { "table", "table", "1.5", "nil", "nil" } },
    { "return { math.floor(2.5), math.max(1, 3), math.huge > 1, select('#', 1, 2), tonumber('0x10') }", { 2, 3, true, 2, 16 } },
  } do
    it("are as everywhere: " .. case[1], function()
      assert.same(case[2], run(case[1]))
    end)
  end

  it("are sorted as LuaJIT sorts them, and an order that is none loses nothing", function()
    local t = {}
    for i = 1, 1000 do t[i] = i * 7919 % 1000 end
    local box = new { turn_us = 1e6 }
    assert(box:load([[return function(t) local c = {} for i, v in ipairs(t) do c[i] = v end table.sort(c)
      local d = {} for i, v in ipairs(t) do d[i] = v end table.sort(d, function() return true end) table.sort(d) return c, d end]], "p.lua"))
    local sorted, twice = box:call(nil, t)
    table.sort(t)
    assert.same(t, sorted)
    assert.same(t, twice)
  end)

  it("draw the same random numbers from the same seed", function()
    local box = new()
    assert(box:load("return function() return { math.random(), math.random(6), math.random(3, 4) } end", "p.lua"))
    box:seed(7)
    local first = box:call()
    assert.are_not.same(first, box:call())
    box:seed(7)
    assert.same(first, box:call())
    assert.is_true(first[1] >= 0 and first[1] < 1 and first[2] >= 1 and first[2] <= 6 and first[3] >= 3 and first[3] <= 4)
  end)
end)

describe("what a sandbox is given", function()
  local INPUT = { id = "a", price = { prompt = 0.5 }, models = { "x", "y" }, deep = { { { "z" } } } }

  local function ask(text)
    local box = new { load_us = 1e6, turn_us = 1e6 }
    assert(box:load("return function(e) " .. text .. " end", "policy.lua"))
    return box:call(nil, INPUT)
  end

  for _, case in ipairs {
    { "return e.id, e.price.prompt, e.nothing", "a", 0.5 },
    { "return #e.models, e.models[2], e.deep[1][1][1]", 2, "y", "z" },
    { "return type(e), tostring(e), type(e.models)", "table", "table", "table" },
    { "local n = 0 for k, v in pairs(e) do n = n + 1 end return n", 4 },
    { "local s = '' for i, v in ipairs(e.models) do s = s .. i .. v end return s", "1x2y" },
    { "return next(e.price)", "prompt", 0.5 }, { "return next(e.price, 'prompt')", nil }, { "return table.concat(e.models, '+')", "x+y" },
    { "return unpack(e.models)", "x", "y" }, { "for _, m in pairs(e.deep) do return m[1][1] end", "z" }, { "return e == e, e ~= {}", true, true },
    { "return ('id'):gsub('%w+', e)", "a", 1 },
  } do
    it("can be read: " .. case[1], function()
      assert.same({ select(2, unpack(case)) }, { ask(case[1]) })
    end)
  end

  for _, case in ipairs {
    { "e.id = 1", "policy.lua:1: attempt to write field 'id' of a read-only table" },
    { "e.new = 1", "policy.lua:1: attempt to write field 'new' of a read-only table" },
    { "e.price.prompt = 0", "policy.lua:1: attempt to write field 'prompt' of a read-only table" },
    { "e.models[3] = 'z'", "policy.lua:1: attempt to write to a read-only table" },
    { "e.deep[1][1][1] = 0", "policy.lua:1: attempt to write to a read-only table" },
    { "table.insert(e.models, 'z')", "policy.lua:1: attempt to write to a read-only table" },
    { "table.remove(e.models)", "policy.lua:1: attempt to write to a read-only table" },
    { "table.sort(e.models)", "policy.lua:1: attempt to write to a read-only table" },
    { "for k, v in pairs(e) do if k == 'price' then v.prompt = 0 end end", "policy.lua:1: attempt to write field 'prompt' of a read-only table" },
    { "for t in next, e do e[t] = nil end", "policy.lua:1: attempt to write field '[%w]+' of a read-only table" },
    { "e.__index.id = 1", "policy.lua:1: attempt to index field '__index' (a nil value)" },
  } do
    it("cannot be written: " .. case[1], function()
      local ok, err = ask(case[1])
      assert.is_nil(ok)
      assert.truthy(err.message:find("^" .. case[2]:gsub("%-", "%%-") .. "$")
        or err.message == this_lua.words(case[2]), err.message)
    end)
  end
end)

describe("files beside a policy", function()
  local function load_with(files, text)
    local box = new { load_us = 1e6, turn_us = 1e6 }
    return box, box:load_with(files, text, "policy.lua")
  end

  it("are loaded once, in the same sandbox", function()
    local box, ok = load_with({ ["lib.price"] = "local n = 0 return { next = function() n = n + 1 return n end }" },
      "local a, b = require 'lib.price', require 'lib.price' return function() return a == b, a.next(), b.next() end")
    assert.is_true(ok)
    assert.same({ true, 1, 2 }, { box:call() })
  end)

  for _, case in ipairs {
    { "that is not there", "require 'nothing'", "policy.lua:1: module 'nothing': " },
    { "by its path", "require '../secret'", "letters, digits and '_', with dots between" },
    { "by an absolute path", "require '/etc/passwd'", "letters, digits and '_', with dots between" },
    { "above its own", "require '..a'", "letters, digits and '_', with dots between" },
    { "without a name", "require ''", "letters, digits and '_', with dots between" },
    { "that requires itself", "require 'loop'", "loop.lua:1: module 'loop' requires itself" },
    { "that is bytecode", "require 'code'", "code.lua: not text: bytecode is refused" },
    { "that is too long", "require 'long'", "long.lua: longer than 64 KiB" },
    { "with a mistake, at its line", "require 'wrong'", "wrong.lua:2: unexpected symbol" },
    { "of the host", "require 'io'", "module 'io': " },
  } do
    it("are refused: one " .. case[1], function()
      local _, ok, err = load_with({ loop = "local x = require 'loop' return x", code = string.dump(function() end), long = (" "):rep(65537),
        wrong = "local x\nx = = 1" }, case[2])
      assert.is_nil(ok)
      assert.truthy(err.message:find(case[3], 1, true), err.message)
    end)
  end

  it("are not looked for while a policy decides", function()
    local box, ok = load_with({ a = "return 1" }, "return function() return require 'a' end")
    assert.is_true(ok)
    local _, err = box:call()
    assert.truthy(err.message:find("works while a policy is loaded", 1, true))
  end)
end)

describe("the limits of a sandbox", function()
  it("let go of no memory when a thousand are made", function()
    for _ = 1, 1000 do
      local box = new()
      assert(box:load("return 1", "p.lua"))
      assert.is_true(box:bytes() < 48 * 1024)
      box:close()
    end
  end)

  it("raise on what is closed", function()
    local box = new()
    box:close()
    box:close()
    assert.has_error(function() box:load("return 1", "p.lua") end)
  end)
end)
