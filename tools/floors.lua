--- Fail when a file leans on a floor above its own.
-- The path is the floor: csrc/<floor>/x.c, lua/tidegate/<floor>/x.lua.

local C   = { "base", "os", "wire", "route", "peer", "flow", "lua", "abi" }
local LUA = { "base", "loop", "wire", "convert", "catalog", "providers", "policy", "flow", "api", "app", "resty" }

local bad = 0

local function complain(...)
  print(string.format(...))
  bad = bad + 1
end

local function check(root, suffix, floors, pattern)
  local height = {}
  for i, name in ipairs(floors) do height[name] = i end

  for path in io.popen("find " .. root .. " -name '" .. suffix .. "'"):lines() do
    local here = path:match("^" .. root .. "/([%w_]+)/")
    if here and not height[here] then
      complain("%s: %s is no floor", path, here)
    elseif here then
      for line in io.lines(path) do
        local there = line:match(pattern)
        if (height[there] or 0) > height[here] then
          complain("%s: %s may not use %s", path, here, there)
        end
        -- A grep tells the truth about the architecture: who knows Lua.
        if root == "csrc" and here ~= "lua" and here ~= "abi" and line:match('^#include [<"]lua') then
          complain("%s: only csrc/lua and csrc/abi may include Lua's headers", path)
        end
      end
    end
  end
end

check("csrc", "*.[ch]", C, '^#include "([%w_]+)/')
check("lua/tidegate", "*.lua", LUA, 'require[ (]*"tidegate%.([%w_]+)%.')
os.exit(bad == 0 and 0 or 1)
