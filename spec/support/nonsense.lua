--- JSON that is like a given one, but for some values that are something else.

local json = require("tidegate.core").json

local nonsense = {}

local VALUES = { "null", "true", "5", "-1.5", "1e999", '""', '"x"', "[]", "{}", "[null]", "[5]", '{"a":1}', "[{}]", "[[]]" }

local change

local function change_object(text, random)
  local members, names = json.split(text)
  local chosen, out = names[random(#names)], {}
  for i, name in ipairs(names) do
    local value = tostring(members[name])
    out[i] = json.encode(name) .. ":" .. (name == chosen and change(value, random) or value)
  end
  return "{" .. table.concat(out, ",") .. "}"
end

local function change_list(text, random)
  local out = {}
  for i, element in ipairs(json.elements(text)) do out[i] = tostring(element) end
  local chosen = random(#out)
  out[chosen] = change(out[chosen], random)
  return "[" .. table.concat(out, ",") .. "]"
end

function change(text, random)
  local is_deep = random(7) > 1 and text:find "^[%[{]%s*[^%s%]}]"
  if is_deep and text:byte() == 123 then return change_object(text, random) end
  if is_deep then return change_list(text, random) end
  return VALUES[random(#VALUES)]
end

--- @tparam function random  a number from 1 to its argument
function nonsense.of(text, random)
  for _ = 1, random(3) do text = change(text, random) end
  return text
end

return nonsense
