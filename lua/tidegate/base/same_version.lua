--- The version of both halves: requiring this raises when they are not of the same one.
--
-- They come in two files, and two installations are mixed easily: a rock in the home directory,
-- a package below /usr, a checkout in LUA_PATH.

local core    = require "tidegate.core"
local version = require "tidegate.base.version"

-- As package.searchpath(), which Lua 5.1 lacks.
local function found(name, path)
  name = name:gsub("%.", "/")
  for template in path:gmatch("[^;]+") do
    local file = template:gsub("%?", name)
    local handle = io.open(file, "rb")
    if handle then
      handle:close()
      return file
    end
  end
  return "not in a file"
end

if core.version ~= version then
  error(([[two installations of tidegate are mixed:
  C half   %s  %s
  Lua half %s  %s
Remove the one that is not meant, or put the other's directories first in LUA_PATH and LUA_CPATH.]]):format(
    core.version, found("tidegate.core", package.cpath),
    version, found("tidegate.base.version", package.path)), 0)
end

return version
