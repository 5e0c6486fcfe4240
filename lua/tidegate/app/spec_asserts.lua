--- What specs say: the part of luassert that is used with policies.
--
--     local assert = asserts.new()
--     assert(x, "words")      assert.equal(expected, got)     assert.same { 1 } { 1 }
--     assert.is_true(x)       assert.is_not.equal(1, 2)       assert.has_error(f, "words")
--
-- `are`, `is`, `has`, `was` and `does` say nothing; `not` (and `no`) turns the next one round.

local asserts = {}

-- ---- shown ----

local function sorted_keys(t)
  local keys = {}
  for key in pairs(t) do keys[#keys + 1] = key end
  table.sort(keys, function(a, b) return tostring(a) < tostring(b) end)
  return keys
end

local function shown(value, depth)
  if type(value) == "string" then return ("%q"):format(value) end
  if type(value) ~= "table" or (depth or 0) > 4 then return tostring(value) end
  local out, listed = {}, #value
  for i = 1, listed do out[i] = shown(value[i], (depth or 0) + 1) end
  for _, key in ipairs(sorted_keys(value)) do
    if not (type(key) == "number" and key >= 1 and key <= listed) then
      local name = type(key) == "string" and key:find("^[%a_][%w_]*$") and key or "[" .. shown(key, 5) .. "]"
      out[#out + 1] = name .. " = " .. shown(value[key], (depth or 0) + 1)
    end
  end
  return out[1] and "{ " .. table.concat(out, ", ") .. " }" or "{}"
end

-- ---- compared ----

local function same(a, b)
  if type(a) ~= "table" or type(b) ~= "table" then return a == b or (a ~= a and b ~= b) end
  for key, value in pairs(a) do
    if not same(value, b[key]) then return false end
  end
  for key in pairs(b) do
    if a[key] == nil then return false end
  end
  return true
end

local function raises(fn, words)
  local ok, why = pcall(fn)
  if ok then return false, "no error" end
  if words == nil then return true end
  if type(why) == "table" or type(words) == "table" then return same(words, why), shown(why) end
  return tostring(why):find(words, 1, true) ~= nil, tostring(why)
end

-- Each gives whether it holds, and what was expected and got.
local CHECKS = {
  equal    = function(a, b) return a == b, shown(a), shown(b) end,
  same     = function(a, b) return same(a, b), shown(a), shown(b) end,
  near     = function(a, b, within)
    return math.abs(a - b) <= within, ("%s, give or take %s"):format(shown(a), shown(within)), shown(b)
  end,
  is_true  = function(a) return a == true, "true", shown(a) end,
  is_false = function(a) return a == false, "false", shown(a) end,
  is_nil   = function(a) return a == nil, "nil", shown(a) end,
  truthy   = function(a) return not not a, "something true", shown(a) end,
  falsy    = function(a) return not a, "false or nil", shown(a) end,
  matches  = function(pattern, text)
    return type(text) == "string" and text:find(pattern) ~= nil, "a match of " .. shown(pattern), shown(text)
  end,
  error    = function(fn, words)
    local holds, got = raises(fn, words)
    return holds, words == nil and "an error" or "an error with " .. shown(words), got or "an error"
  end,
}

local NAMES = {
  equals = "equal", ["true"] = "is_true", ["false"] = "is_false", ["nil"] = "is_nil", match = "matches",
  is_equal = "equal", is_same = "same", is_near = "near", is_truthy = "truthy", is_falsy = "falsy",
  has_error = "error", errors = "error", is_match = "matches", has_match = "matches",
}
for _, type_name in ipairs { "string", "number", "table", "function", "boolean" } do
  CHECKS["is_" .. type_name] = function(a) return type(a) == type_name, "a " .. type_name, "a " .. type(a) end
end

local WORDS = { are = true, is = true, has = true, was = true, does = true, have = true }
local NEGATIONS = { ["not"] = true, no = true, is_not = true, are_not = true, has_no = true, ["not_"] = true }

-- assert.is_not_nil, assert.not_equal: a negation inside the name.
local function split(name)
  local rest = name:match("^is_not_(.+)$") or name:match("^not_(.+)$") or name:match("^has_no_(.+)$")
  return rest and true or false, rest or name
end

local function check_of(name)
  return CHECKS[name] or CHECKS[NAMES[name] or ""] or CHECKS["is_" .. name]
end

local chain_mt = {}

local function new_chain(negates)
  return setmetatable({ negates = negates }, chain_mt)
end

function chain_mt.__index(chain, name)
  local negates = rawget(chain, "negates")
  if WORDS[name] then return new_chain(negates) end
  if NEGATIONS[name] then return new_chain(not negates) end
  local turns, rest = split(name)
  local check = check_of(rest)
  if not check then error("assert." .. name .. " is not known here; busted may know it", 2) end
  if turns then negates = not negates end
  return function(...)
    local holds, expected, got = check(...)
    if holds == not negates then return ... end
    error(negates and ("expected something other than %s"):format(expected)
      or ("expected %s, got %s"):format(expected, got), 2)
  end
end

function chain_mt.__call(_, ...)
  local value, message = ...
  if not value then error(message or "assertion failed!", 2) end
  return ...
end

--- A new `assert`.
function asserts.new()
  return new_chain(false)
end

return asserts
