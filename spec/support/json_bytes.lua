--- JSON texts as their bytes: is one another but for some members, and has an object a member twice?

local json_bytes = {}

-- The tokens of a text with the white space before them and the path of what they belong to: "a.b", "a[].b". Commas are
-- left out, for a member that is spliced in brings its own.
local function tokens(text)
  local out, at = {}, 1
  local function put(path, token) out[#out + 1] = { path = path, token = token } end
  local function space()
    local from = at
    at = text:find("[^ \t\r\n]", at) or #text + 1
    return text:sub(from, at - 1)
  end
  local function take(pattern)
    local from, to = text:find(pattern, at)
    if not from then error(("no JSON at byte %d: %s"):format(at, text:sub(at, at + 40)), 0) end
    at = to + 1
    return text:sub(from, to)
  end
  local function string()
    local from = at
    at = at + 1
    while true do
      local stop = text:find('[\\"]', at)
      if not stop then error("a string without an end", 0) end
      at = stop + 1
      if text:sub(stop, stop) == '"' then return text:sub(from, stop) end
      at = at + 1
    end
  end
  local value

  local function members(path, closing)
    local lead, seen = space(), {}
    while text:sub(at, at) ~= closing do
      if closing == "}" then
        local name = string()
        if seen[name] then out.twice = path .. "." .. name end
        seen[name] = true
        local inner = (path == "" and "" or path .. ".") .. name:sub(2, -2)
        put(inner, lead .. name .. space() .. take "^:")
        value(inner, space())
      else
        value(path .. "[]", lead)
      end
      lead = space()
      if text:sub(at, at) == "," then
        at = at + 1
        lead = lead .. space()
      end
    end
    put(path, lead .. take("^[" .. closing .. "]"))
  end

  function value(path, lead)
    local c = text:sub(at, at)
    if c == "{" or c == "[" then
      at = at + 1
      put(path, lead .. c)
      members(path, c == "{" and "}" or "]")
    else
      put(path, lead .. (c == '"' and string() or take "^[%w.+-]+"))
    end
  end
  value("", space())
  return out
end

local function is_masked(path, masks)
  for _, mask in ipairs(masks) do
    if path == mask or path:sub(1, #mask + 1) == mask .. "." or path:sub(1, #mask + 2) == mask .. "[]" then return true end
  end
end

local function kept(text, masks)
  local list = {}
  for _, t in ipairs(tokens(text)) do
    if not is_masked(t.path, masks) then list[#list + 1] = t end
  end
  return list
end

--- @tparam table masks  paths of members that may differ, be added or be gone
-- @treturn ?string  where the first difference is; nil when there is none
function json_bytes.differ(ours, theirs, masks)
  if ours == theirs then return nil end
  local a, b = kept(ours, masks), kept(theirs, masks)
  for i = 1, math.max(#a, #b) do
    local x, y = a[i] or { path = "", token = "nothing" }, b[i] or { path = "", token = "nothing" }
    if x.path ~= y.path or x.token ~= y.token then
      return ("%s is %s, theirs %s is %s"):format(x.path, x.token:sub(1, 100), y.path, y.token:sub(1, 100))
    end
  end
end

--- @treturn ?string  the path of a member that its object has twice
function json_bytes.twice(text) return tokens(text).twice end

return json_bytes
