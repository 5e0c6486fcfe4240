describe("tidegate.base.same_version", function()
  local NAME = "tidegate.base.same_version"
  local core, version = require "tidegate.core", require "tidegate.base.version"

  -- Load it anew beside a C half of that version.
  local function with_core(of)
    local was = package.loaded["tidegate.core"]
    package.loaded["tidegate.core"], package.loaded[NAME] = { version = of }, nil
    local ok, value = pcall(require, NAME)
    package.loaded["tidegate.core"], package.loaded[NAME] = was, nil
    return ok, value
  end

  it("is the version of both halves", function()
    assert.equal(version, require(NAME))
    assert.equal(version, core.version)
    assert.equal(version, require("tidegate").version)
  end)

  it("raises when the C half is of another one, and names the files", function()
    local ok, why = with_core "0.0.9"
    assert.is_false(ok)
    assert.truthy(why:find("two installations of tidegate are mixed", 1, true), why)
    assert.truthy(why:find("C half   0.0.9  [^\n]*tidegate/core%.so\n"), why)
    assert.truthy(why:find("Lua half " .. version .. "  lua/tidegate/base/version.lua\n", 1, true), why)
    assert.truthy(why:find("LUA_CPATH", 1, true))
    assert.is_true((with_core(version)))
  end)
end)

describe("tidegate", function()
  it("loads the client when somebody asks for one", function()
    local was, loaded = package.loaded.tidegate, package.loaded["tidegate.client"]
    package.loaded.tidegate, package.loaded["tidegate.client"] = nil, nil
    local tidegate = require "tidegate"
    assert.is_nil(package.loaded["tidegate.client"])
    assert.is_nil(tidegate.cleint)
    assert.equal(require "tidegate.client", tidegate.client)
    package.loaded.tidegate, package.loaded["tidegate.client"] = was, loaded
  end)
end)
