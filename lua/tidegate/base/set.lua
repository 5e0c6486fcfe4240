--- A set of names: set { "a", "b" } is { a = true, b = true }. More lists may follow.

return function(...)
  local out = {}
  for i = 1, select("#", ...) do
    for _, name in ipairs((select(i, ...))) do out[name] = true end
  end
  return out
end
