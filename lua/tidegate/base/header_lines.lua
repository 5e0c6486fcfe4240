--- Fields of a message head as its lines, sorted by name, so that the same fields are the same text.
--
--     header_lines { ["X-Title"] = "tides", Accept = "*/*" }  --> "Accept: */*\r\nX-Title: tides\r\n"

--- @tparam ?table fields  values by name
-- @treturn string  empty for none; raises where a control character would end a line
return function(fields)
  if not fields then return "" end
  local names, out = {}, {}
  for name in pairs(fields) do names[#names + 1] = name end
  table.sort(names)
  for i, name in ipairs(names) do
    local line = name .. ": " .. fields[name]
    if line:find "[\r\n%z]" then error(("header field %q has a control character"):format(name), 0) end
    out[i] = line .. "\r\n"
  end
  return table.concat(out)
end
