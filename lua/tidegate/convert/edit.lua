--- Change some members of a JSON text and leave the bytes of all others alone.
--
-- Numbers keep their digits, schemas the order of their members, and a text in which nothing changes is the
-- same text. Pure.

local json = require("tidegate.core").json

local edit = {}

-- A name as JSON text. Most need no escape.
local function quoted(name)
  return name:find "^[%w_]*$" and '"' .. name .. '"' or json.encode(name)
end

--- A member of an object, as JSON text.
function edit.member(name, value) return quoted(name) .. ":" .. value end

--- The members of an object.
-- @tparam string text  an object; anything else comes back as it is
-- @tparam function change  called with each member's name and JSON text; gives the name and text that it becomes,
--   or nothing when it goes
-- @tparam ?table added  further members, `'"name":value'` each
function edit.object(text, change, added)
  local members, names = json.members(text)
  if not members then return text end
  local out, seen, is_same = {}, {}, not (added and added[1])
  for _, name in ipairs(names) do
    local value = members[name]
    local new_name, new_value
    if not seen[name] then new_name, new_value = change(name, value) end
    seen[name] = true
    is_same = is_same and new_name == name and new_value == value
    if new_name then out[#out + 1] = quoted(new_name) .. ":" .. new_value end
  end
  if is_same then return text end
  for _, member in ipairs(added or {}) do out[#out + 1] = member end
  return "{" .. table.concat(out, ",") .. "}"
end

--- The elements of a list.
-- @tparam string text  a list; anything else comes back as it is
-- @tparam function change  called with each element's JSON text and place; gives the text that it becomes, or nothing
function edit.list(text, change)
  local elements = json.texts(text)
  if not elements then return text end
  local out, is_same = {}, true
  for i, value in ipairs(elements) do
    local new_value = change(value, i)
    is_same = is_same and new_value == value
    out[#out + 1] = new_value
  end
  return is_same and text or "[" .. table.concat(out, ",") .. "]"
end

--- Does a JSON text say anything: not null, not empty?
function edit.says(text)
  return text ~= "null" and text ~= '""' and not text:match "^%[%s*%]$" and not text:match "^{%s*}$"
end

--- Keep the members of these names; `gone` is called with the name of each other one that says something.
function edit.only(text, names, gone)
  return edit.object(text, function(name, value)
    if names[name] then return name, value end
    if edit.says(value) then gone(name) end
  end)
end

return edit
