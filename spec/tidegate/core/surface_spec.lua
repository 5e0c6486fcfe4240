-- Every function of the core is on its page, and the page has no others.

local core = require "tidegate.core"

local page = assert(core.read_file("docs/lua/core.md"))
local net_page = assert(core.read_file("docs/lua/net.md"))

local function functions_of(table, prefix)
  local names = {}
  for name, value in pairs(table) do
    if type(value) == "function" then names[#names + 1] = prefix .. name end
  end
  return names
end

describe("docs/lua/core.md", function()
  for _, part in ipairs { { core, "core." }, { core.clock, "core.clock." }, { core.log, "core.log." },
                          { core.json, "json." }, { core.catalog, "catalog." },
                          { core.process, "core.process." } } do
    for _, name in ipairs(functions_of(part[1], part[2])) do
      it("has " .. name, function()
        assert.truthy(page:find("`" .. name .. "(", 1, true))
      end)
    end
  end

  for _, name in ipairs(functions_of(core.net, "net.")) do
    it("sends the reader of " .. name .. " to net.md, which has it", function()
      assert.truthy(net_page:find("**" .. name .. "(", 1, true))
    end)
  end

  it("names no function that there is not", function()
    local parts = { core = core, json = core.json, catalog = core.catalog }
    for part, name in page:gmatch("`(%l+)%.([%l_%.]+)%(") do
      local value = parts[part]
      for step in name:gmatch("[%l_]+") do value = value and value[step] end
      if parts[part] then assert.is_function(value, part .. "." .. name) end
    end
  end)
end)
