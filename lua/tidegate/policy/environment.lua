--- The sandbox of the gateway, rebuilt in plain Lua, so that policies are tested without it.
--
--     local env, seed = environment.new(function(name) ... end)
--     local chunk, why = environment.load(text, "policies/cheap.lua", env)
--     local ok, policy = environment.run(env, chunk)
--
-- It has the names that docs/lua/sandbox.md lists and no others, read-only views of what hooks
-- are given, a stable sort, and random numbers from a seed. It has no limits of time, memory and
-- pattern steps: what never ends here never ends.

local load_text = require "tidegate.base.load_text"
local schema    = require "tidegate.policy.schema"

local environment = {}

local SOURCE_BYTES, STRING_BYTES, RESULTS = 65536, 65536, 250

local unpack = rawget(_G, "unpack") or rawget(table, "unpack")
local find, gsub, rep, format = string.find, string.gsub, string.rep, string.format

-- ---- views: what may be read and not written ----

local TABLES = setmetatable({}, { __mode = "k" })      -- what is behind each view

local function table_of(value)
  return TABLES[value] or value
end

local function refuse(_, key)
  if type(key) == "string" then error(("attempt to write field '%s' of a read-only table"):format(key), 2) end
  error("attempt to write to a read-only table", 2)
end

local function next_of(view, key)
  return next(table_of(view), key)
end

-- Only a userdata can say how long it is in Lua 5.1 and LuaJIT, only a table can be made later.
local new_userdata = rawget(_G, "newproxy")

local function view_of(t)
  local view = new_userdata and new_userdata(true) or setmetatable({}, {})
  local mt = getmetatable(view)
  mt.__index, mt.__newindex, mt.__metatable = t, refuse, false
  mt.__len = function() return #t end
  mt.__pairs = function() return next_of, view, nil end
  TABLES[view] = t
  return view
end

--- A read-only view of a copy of a table, and of the tables in it.
function environment.frozen(t)
  local copy = {}
  for key, value in pairs(t) do
    copy[key] = type(value) == "table" and environment.frozen(value) or value
  end
  return view_of(copy)
end

--- The tables behind views, as copies; other values as they are.
function environment.plain(value, depth)
  depth = depth or 0
  if type(table_of(value)) ~= "table" or depth == 8 then return value end
  local copy = {}
  for key, item in next, table_of(value) do copy[key] = environment.plain(item, depth + 1) end
  return copy
end

-- ---- errors at the policy's line ----

local function packed(...)
  return { n = select("#", ...), ... }
end

local function has_place(message)
  return find(message, "^[^\n:]+:%d+: ") ~= nil
end

-- What a library function raises names this file, or none: it is the line of its caller that
-- counts. What a function of the policy raised in between has its own.
local function told_there(fn)
  return function(...)
    local results = packed(pcall(fn, ...))
    if results[1] then return unpack(results, 2, results.n) end
    local raised = results[2]
    if type(raised) ~= "string" then error(raised, 0) end
    local bare = gsub(raised, "^[^\n:]*environment%.lua:%d+: ", "")
    error(bare, (bare ~= raised or not has_place(raised)) and 2 or 0)
  end
end

-- ---- base ----

local base = {
  _VERSION = _VERSION, assert = assert, error = error, pcall = pcall, rawequal = rawequal, select = select,
  tonumber = tonumber,
}

function base.type(...)
  if select("#", ...) == 0 then error("bad argument #1 to 'type' (value expected)", 2) end
  local value = ...
  return TABLES[value] and "table" or type(value)
end

-- Never an address.
function base.tostring(value)
  local kind = type(value)
  if kind == "string" or kind == "number" or kind == "boolean" or kind == "nil" then return tostring(value) end
  return base.type(value)
end

local function check_table(value, arg, name)
  if type(table_of(value)) == "table" then return table_of(value) end
  error(("bad argument #%d to '%s' (table expected, got %s)"):format(arg, name, base.type(value)), 0)
end

base.next = told_there(function(t, key)
  return next(check_table(t, 1, "next"), key)
end)

base.pairs = told_there(function(t)
  check_table(t, 1, "pairs")
  if TABLES[t] then return base.next, t, nil end
  return next, t, nil
end)

local function step(t, i)
  local value = table_of(t)[i + 1]
  if value ~= nil then return i + 1, value end
end

base.ipairs = told_there(function(t)
  check_table(t, 1, "ipairs")
  return step, t, 0
end)

base.unpack = told_there(function(t, first, last)
  local list = check_table(t, 1, "unpack")
  first, last = first or 1, last or #list
  if last - first >= RESULTS then error("too many results to unpack", 0) end
  return unpack(list, first, last)
end)

-- ---- string ----

local strings = {}

strings.rep = told_there(function(text, n, between)
  text, between = type(text) == "number" and tostring(text) or text, between or ""
  if type(n) == "number" and n > 1 and (#text + #between) * n - #between > STRING_BYTES then
    error("resulting string too large", 0)
  end
  if between == "" or n < 2 then return rep(text, n) end
  return rep(text .. between, n - 1) .. text
end)

-- As LuaJIT has it: whole numbers of what is none, and anything at all for %s.
local function formattable(kind, value)
  if kind == "s" and type(value) ~= "number" then return base.tostring(value) end
  if find(kind, "^[cdiuoxX]$") and type(value) == "number" and value % 1 ~= 0 and value == value then
    return value < 0 and math.ceil(value) or math.floor(value)
  end
  return value
end

strings.format = told_there(function(pattern, ...)
  local values, i = { ... }, 0
  for kind in string.gmatch(gsub(pattern, "%%%%", ""), "%%[-+ #0]*%d*%.?%d*(.)") do
    i = i + 1
    if kind == "p" then error("invalid option '%p' to 'format'", 0) end
    if i <= select("#", ...) then values[i] = formattable(kind, values[i]) end
  end
  local text = format(pattern, unpack(values, 1, select("#", ...)))
  if #text > STRING_BYTES then error("resulting string too large", 0) end
  return text
end)

strings.gsub = told_there(function(text, pattern, by, ...)
  local t = TABLES[by]
  return gsub(text, pattern, t or by, ...)
end)

-- ---- table ----

local tables = { unpack = base.unpack }

local function writable(t, name)
  if TABLES[t] then error("attempt to write to a read-only table", 0) end
  return check_table(t, 1, name)
end

for _, name in ipairs { "insert", "remove" } do
  local fn = table[name]
  tables[name] = told_there(function(t, ...)
    return fn(writable(t, name), ...)
  end)
end

tables.concat = told_there(function(t, between, first, last)
  local text = table.concat(check_table(t, 1, "concat"), between, first or 1, last or #table_of(t))
  if #text > STRING_BYTES then error("resulting string too large", 0) end
  return text
end)

local function merge(from, to, a, b, stop, is_before)
  local mid = b
  for at = a, stop - 1 do
    if a < mid and not (b < stop and is_before(from[b], from[a])) then
      to[at], a = from[a], a + 1
    else
      to[at], b = from[b], b + 1
    end
  end
end

-- Stable, and at peace with orders that are none.
tables.sort = told_there(function(t, is_before)
  local n = #writable(t, "sort")
  is_before = is_before or function(a, b) return a < b end
  local from, to = {}, {}
  for i = 1, n do from[i] = t[i] end
  local width = 1
  while width < n do
    for a = 1, n, 2 * width do
      merge(from, to, a, math.min(a + width, n + 1), math.min(a + 2 * width, n + 1), is_before)
    end
    from, to, width = to, from, 2 * width
  end
  for i = 1, n do t[i] = from[i] end
end)

-- ---- math ----

local maths = {}

-- What later versions of Lua have left out.
local LEFT_OUT = {
  atan2 = function(y, x) return math.atan(y, x) end,
  cosh  = function(x) return (math.exp(x) + math.exp(-x)) / 2 end,
  sinh  = function(x) return (math.exp(x) - math.exp(-x)) / 2 end,
  tanh  = function(x) return 1 - 2 / (math.exp(2 * x) + 1) end,
  pow   = function(x, y) return x ^ y end,
  log10 = function(x) return math.log(x, 10) end,
  ldexp = function(x, e) return x * 2 ^ e end,
  frexp = function(x)
    if x == 0 or x ~= x or x == math.huge or x == -math.huge then return x, 0 end
    local e = math.floor(math.log(math.abs(x), 2)) + 1
    local m = x / 2 ^ e
    if math.abs(m) >= 1 then return m / 2, e + 1 end
    if math.abs(m) < 0.5 then return m * 2, e - 1 end
    return m, e
  end,
}

for name, fn in pairs(LEFT_OUT) do maths[name] = math[name] or fn end

-- Park and Miller's generator: its products are exact in a double.
local MODULUS = 2147483647

local function new_random()
  local state = 1

  local function draw()
    state = state * 16807 % MODULUS
    return state - 1
  end

  local function random(...)
    local unit = (draw() + draw() / (MODULUS - 1)) / (MODULUS - 1)
    if select("#", ...) == 0 then return unit end
    local low, high = ...
    if select("#", ...) == 1 then low, high = 1, low end
    if type(low) ~= "number" or type(high) ~= "number" then error("random: numbers expected", 0) end
    if low > high or low ~= low or high ~= high then error("random: interval is empty", 0) end
    return low + math.floor(unit * (high - low + 1))
  end

  return told_there(random), function(seed)
    state = seed % (MODULUS - 1) + 1
    for _ = 1, 8 do draw() end
  end
end

-- ---- the environment ----

local LIBRARIES = {
  { "string", strings, string }, { "table", tables, table }, { "math", maths, math },
}

--- @tparam ?function require  finds files beside a policy
-- @treturn table  the globals of a policy, but for `tidegate`
-- @treturn function  given a number, makes math.random begin anew from there
function environment.new(require)
  local env = {}
  for _, name in ipairs(schema.sandbox.base) do env[name] = base[name] end
  for _, library in ipairs(LIBRARIES) do
    local own = {}
    for _, name in ipairs(schema.sandbox[library[1]]) do
      own[name] = library[2][name] or library[3][name]
    end
    env[library[1]] = own
  end
  local random, seed = new_random()
  env.math.random, env.require = random, require
  return env, seed
end

local function refusal(text)
  if #text > SOURCE_BYTES then return ("longer than %d KiB"):format(SOURCE_BYTES / 1024) end
  if find(text, "\27", 1, true) then return "not text: bytecode is refused" end
end

--- Compile a text.
-- @treturn ?function
-- @treturn ?string  file:line: what
function environment.load(text, called, env)
  local why = refusal(text)
  if why then return nil, called .. ": " .. why end
  return load_text(text, called, env)
end

local function restore(methods, ...)
  getmetatable("").__index = methods
  return ...
end

--- As pcall(fn, ...); ("x"):rep() is the environment's meanwhile.
function environment.run(env, fn, ...)
  local mt = getmetatable("")
  local methods = mt.__index
  mt.__index = env.string
  return restore(methods, pcall(fn, ...))
end

return environment
