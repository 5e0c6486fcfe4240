--- What stands behind the question mark.

local core = require "tidegate.core"

local query = {}

--- "a=1&b=x+y" to { a = "1", b = "x y" }; the last of a name counts.
-- @treturn ?table  nil when an escape is broken
function query.read(text)
  local given = {}
  for pair in text:gmatch("[^&]+") do
    local name, value = pair:match("^([^=]*)=?(.*)$")
    name, value = core.url_decode(name, true), core.url_decode(value, true)
    if not name or not value then return nil, "the query string is not percent-encoded correctly" end
    given[name] = value
  end
  return given
end

--- A comma list as a set of lower-case words; nil when absent or empty.
function query.words(value)
  local words, any = {}, false
  for word in (value or ""):gmatch("[^,]+") do
    words[word:lower():match("^%s*(.-)%s*$")] = true
    any = true
  end
  return any and words or nil
end

--- A number within bounds; nil when absent.
-- @treturn ?string  what is wrong
function query.number(given, name, least, most)
  local value = given[name]
  if value == nil or value == "" then return nil end
  local n = tonumber(value)
  if not n or n ~= n or n < (least or -math.huge) or n > (most or math.huge) then
    return nil, ("%s: a number from %s to %s expected"):format(name, least or "-inf", most or "inf")
  end
  return n
end

--- A whole number within bounds; the nearest bound where it is larger than `most`.
-- @treturn ?number  nil when it is none or too small
-- @treturn ?string  what is wrong
function query.count(given, name, default, most)
  local n, why = query.number(given, name, 1)
  if why then return nil, ("%s: a number from 1 expected"):format(name) end
  return math.min(math.floor(n or default), most)
end

return query
