-- types/ has the whole Lua surface: every function that a program may call, and what the program prints.

local embedded = require "embedded"
local net      = require "tidegate.core".net

local function read(path)
  local file = assert(io.open(path, "rb"))
  local text = file:read "*a"
  file:close()
  return text
end

local TYPES = read "types/tidegate.lua"

-- The functions that are declared for a class, in a set.
local function declared(class)
  local variable = TYPES:match("%-%-%-@class " .. class:gsub("%.", "%%.") .. "[^\n]*\n.-local (%w+) = {}\n")
  local names = {}
  for name in TYPES:gmatch("\nfunction " .. assert(variable, class) .. "[.:]([%w_]+)%(") do names[name] = true end
  return names
end

-- The functions that a table has; what begins with __ is Lua's.
local function functions_of(table)
  local names = {}
  for name, value in pairs(table) do
    if type(value) == "function" and type(name) == "string" and not name:find "^__" then names[name] = true end
  end
  return names
end

-- Those that a source file gives its table: for modules that this Lua cannot load.
local function functions_in(path, variable)
  local text, names = "\n" .. read(path), {}
  for name in text:gmatch("\nfunction " .. variable .. "[.:]([%w_]+)%(") do names[name] = true end
  for left in text:gmatch("\n(" .. variable .. "%.[%w_., ]+) =") do
    for name in left:gmatch(variable .. "%.([%w_]+)") do names[name] = true end
  end
  return names
end

describe("types/tidegate.lua", function()
  it("has what require 'tidegate' gives", function()
    local tidegate = require "tidegate"
    assert.is_function(tidegate.client)                  -- loaded when it is asked for
    assert.same(declared "tidegate", functions_of(tidegate))
  end)

  it("has every method of a client and of a handle", function()
    local path
    net.run(function()
      local config
      config, path = embedded.config { nobody = 1 }
      local c = assert(require "tidegate.client" { config = config, loop = embedded.loop })
      local handle = assert(c:chat_async(embedded.request()))
      assert.same(declared "tidegate.Client", functions_of(getmetatable(c).__index))
      assert.same(declared "tidegate.client.Handle", functions_of(getmetatable(handle).__index))
      c:close()
    end)
    os.remove(path)
  end)

  it("has every option of a client", function()
    local options = read "lua/tidegate/client.lua":match "\nlocal OPTIONS = (%b{})"
    local class = TYPES:match "@class tidegate.client.Options\n(.-)\n\n"
    for name in options:gmatch "(%w+) =" do assert.matches("@field " .. name .. "%??%s", class) end
  end)

  it("has tidegate.testing and the methods of its policies", function()
    local testing = require "tidegate.testing"
    assert.same(declared "tidegate.testing", functions_of(testing))
    local p = testing.load("x.lua", { text = "return {}" })
    assert.same(declared "tidegate.testing.Policy", functions_of(getmetatable(p).__index))
  end)

  it("has tidegate.resty", function()
    assert.same(declared "tidegate.resty", functions_in("lua/tidegate/resty.lua", "resty"))
  end)

  it("is Lua that can be read", function()
    for _, name in ipairs { "tidegate", "policy", "config" } do assert(loadfile("types/" .. name .. ".lua")) end
  end)
end)

describe("the types that the program prints", function()
  it("are types/policy.lua: `tidegate policy types` makes it anew", function()
    assert.equal(read "types/policy.lua", require "tidegate.policy.schema".luacats())
  end)

  it("are types/config.lua: `tidegate config --luacats` makes it anew", function()
    assert.equal(read "types/config.lua", require "tidegate.app.schema".luacats())
  end)
end)
