--- Have a function called when a table is collected, also where tables have no __gc (5.1, LuaJIT).
--
--     self.finalizer = finalizer(function() ... end)
--
-- Those made later are called first. What is raised is lost: it would come out wherever the
-- collector happened to be, in a place that does not expect it.

local newproxy = rawget(_G, "newproxy")

return function(fn)
  local function quietly() pcall(fn) end
  if not newproxy then return setmetatable({}, { __gc = quietly }) end
  local proxy = newproxy(true)
  getmetatable(proxy).__gc = quietly
  return proxy
end
