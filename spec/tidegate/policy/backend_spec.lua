local backend = require "tidegate.policy.backend"

local function load(text, files)
  local world = { now = 0, entries = {}, lines = {} }
  local function beside(name)
    if files and files[name] then return files[name], "policies/" .. name:gsub("%.", "/") .. ".lua" end
  end
  local code, why = backend.load({ text = text, called = "policies/p.lua", beside = beside }, world)
  return code, why, world
end

describe("files beside a policy", function()
  it("are loaded once, in the same environment", function()
    local code = load("local a, b = require 'lib.n', require 'lib.n' return { same = a == b, n = a.next() + b.next(), seen = seen }",
      { ["lib.n"] = "seen = true local n = 0 return { next = function() n = n + 1 return n end }" })
    assert.same({ same = true, n = 3, seen = true }, code.value)
  end)

  for _, case in ipairs {
    { "that is not there", "require 'nothing'", "policies/p.lua:1: module 'nothing': no such thing" },
    { "by its path", "require '../secret'", "policies/p.lua:1: bad argument #1 to 'require'" },
    { "without a name", "require ''", "policies/p.lua:1: bad argument #1 to 'require'" },
    { "above its own", "require '..a'", "policies/p.lua:1: bad argument #1 to 'require'" },
    { "that is no name", "require(7)", "policies/p.lua:1: bad argument #1 to 'require'" },
    { "that requires itself", "require 'loop'", "policies/loop.lua:1: module 'loop' requires itself" },
    { "that is bytecode", "require 'code'", "policies/p.lua: policies/code.lua: not text: bytecode is refused" },
    { "with a mistake, at its line", "require 'wrong'", "policies/wrong.lua:2: unexpected symbol" },
    { "that raises, at its line", "require 'lib.bad'", "policies/lib/bad.lua:3: no" },
    { "of the host", "require 'io'", "policies/p.lua:1: module 'io': no such thing" },
  } do
    it("are refused: one " .. case[1], function()
      local code, why = load(case[2], { loop = "local x = require 'loop' return x", code = string.dump(function() end),
        wrong = "local x\nx = = 1", ["lib.bad"] = "\n\nerror 'no'" })
      assert.is_nil(code)
      assert.equal(case[3], why:sub(1, #case[3]))
    end)
  end

  it("are not looked for while a policy decides", function()
    local code = load("return { filter = function()\nlocal a = require 'a'\nreturn a end }", { a = "return 1" })
    local ok, why = code:call("filter", {}, {})
    assert.is_false(ok)
    assert.equal("policies/p.lua:2: require works while a policy is loaded, not while it decides", why)
  end)
end)

describe("the plain backend", function()
  it("shows what a file left in its environment", function()
    local code = load "function filter() end return {}"
    assert.is_function(code.globals.filter)
  end)

  it("lends a tidegate that cannot be changed", function()
    local code, why = load "tidegate.kv.get = nil"
    assert.is_nil(code)
    assert.equal("policies/p.lua:1: attempt to write field 'get' of a read-only table", why)
  end)

  it("keeps what is logged while it is loaded", function()
    local _, _, world = load "tidegate.log('hello', 1) return {}"
    assert.same({ "hello\t1" }, world.lines)
  end)

  it("names the file when what is raised names no place", function()
    local _, why = load "error('no', 0)"
    assert.equal("policies/p.lua: no", why)
    _, why = load "error({})"
    assert.equal("policies/p.lua: raised a table", why)
  end)

  it("gives plain tables of what a hook returns, and every one of its results", function()
    local code = load "return { filter = function(e, r) return r.models, nil, { e }, 4 end }"
    local ok, results = code:call("filter", { models = { "a" } }, { id = "x" })
    assert.is_true(ok)
    assert.same({ { "a" }, nil, { { id = "x" } }, 4, n = 4 }, results)
  end)
end)
