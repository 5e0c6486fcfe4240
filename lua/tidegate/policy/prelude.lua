--- What a policy is lent as `tidegate`, and what calls its hooks.
--
-- The same text for both of its readers: policy/backend.lua requires it, and
-- app/policy_backend.lua loads it as a file into the sandbox that the gateway has. So it uses
-- nothing that a sandbox lacks. Its state is the caller's: `world` is
--
--     { now = Unix time, entries = { [key] = { value = v, ends = time or nil } }, lines = { "..." } }

local prelude = {}

-- ---- kv ----

local KEY_BYTES, TEXT_BYTES, TTL_MAX = 128, 256, 1e9

local function is_finite(n)
  return type(n) == "number" and n > -math.huge and n < math.huge
end

-- Numbers do for strings, as everywhere in Lua.
local function text_of(value)
  return type(value) == "number" and ("%.14g"):format(value) or value
end

-- The errors of these stand at the line of the policy that called kv: three levels up.
local function fail(name, why)
  error(("tidegate.kv.%s: %s"):format(name, why), 4)
end

local function checked_key(name, key)
  key = text_of(key)
  if type(key) ~= "string" or key == "" then fail(name, "a key that is not empty expected") end
  if #key > KEY_BYTES then fail(name, ("a key has %d bytes at most"):format(KEY_BYTES)) end
  return key
end

local function check_value(name, value)
  if type(value) == "string" and #value > TEXT_BYTES then
    fail(name, ("a string has %d bytes at most"):format(TEXT_BYTES))
  end
  if type(value) ~= "string" and not is_finite(value) then fail(name, "a finite number, a string or nil expected") end
end

local function check_ttl(name, ttl)
  if ttl ~= nil and not (is_finite(ttl) and ttl > 0 and ttl <= TTL_MAX) then fail(name, "seconds above 0 expected") end
end

--- What policies remember.
-- @tparam table world
function prelude.kv(world)
  local kv = {}

  local function find(key)
    local entry = world.entries[key]
    if entry and entry.ends and entry.ends <= world.now then
      world.entries[key] = nil
      return nil
    end
    return entry
  end

  local function put(key, value, ttl)
    world.entries[key] = { value = value, ends = ttl and world.now + ttl }
  end

  function kv.get(key)
    local entry = find(checked_key("get", key))
    return entry and entry.value
  end

  function kv.set(key, value, ttl)
    key = checked_key("set", key)
    check_ttl("set", ttl)
    if value == nil then
      world.entries[key] = nil
      return
    end
    check_value("set", value)
    put(key, value, ttl)
  end

  -- The time counts from the first: a counter is over when its day is.
  function kv.incr(key, n, ttl)
    key = checked_key("incr", key)
    check_ttl("incr", ttl)
    if n == nil then n = 1 end
    if not is_finite(n) then error("tidegate.kv.incr: a finite number expected", 2) end
    local entry = find(key)
    if not entry then
      put(key, n, ttl)
      return n
    end
    if type(entry.value) ~= "number" or not is_finite(entry.value + n) then
      error(("tidegate.kv.incr: '%s' is not a number, or the sum is not finite"):format(key), 2)
    end
    entry.value = entry.value + n
    return entry.value
  end

  return kv
end

--- A function that adds a line of its arguments, joined as `print` does.
-- @tparam table world
-- @tparam function told  the sandbox's tostring
function prelude.log(world, told)
  return function(...)
    local words = { ... }
    for i = 1, select("#", ...) do words[i] = told(words[i]) end
    world.lines[#world.lines + 1] = table.concat(words, "\t")
  end
end

-- ---- request ----

-- Two words modulo primes just below 2^25, so that products and quotients are exact in doubles and
-- every Lua gives the same. Bytes are taken in by sums, which squares mix at the end: a hash of
-- "user" .. "a" says nothing about that of "user" .. "b".
local P, Q = 33554393, 33554383
local ROUNDS, BITS_17, BITS_18 = 6, 131072, 262144

local function mixed(a, b, round)
  a = (b * b + a * 5555557 + round * 7654321) % P
  return a, (a * a + b * 3333331 + round * 1234567) % Q
end

-- Spread like the gateway's own hash, but not of the same value.
local function hash(text)
  text = text_of(text)
  if type(text) ~= "string" then error("hash: a string expected", 2) end
  local a, b = #text + 1, 1
  for i = 1, #text do
    a = ((a + text:byte(i)) * 5555557 + b) % P
    b = (b * 3333331 + a) % Q
  end
  for round = 1, ROUNDS do a, b = mixed(a, b, round) end
  local high = a % BITS_17
  a, b = mixed(a, b, ROUNDS + 1)
  return (high * BITS_18 + a % BITS_18) * BITS_18 + b % BITS_18
end

--- A request as hooks see it: its fields, `hash` and `random`.
function prelude.request(fields, random)
  local request = {}
  for name, value in pairs(fields) do request[name] = value end
  request.hash, request.random = hash, random
  return request
end

-- ---- hooks ----

-- The list that `order` gets is its own, to be sorted as it likes.
local function copied(list)
  local copy = {}
  for i, item in ipairs(list) do copy[i] = item end
  return copy
end

local CALLS = {
  filter      = function(hook, request, endpoint) return hook(endpoint, request) end,
  score       = function(hook, request, endpoint, base) return hook(endpoint, request, base) end,
  order       = function(hook, request, endpoints) return hook(copied(endpoints), request) end,
  on_error    = function(hook, request, err, attempt) return hook(err, attempt, request) end,
  on_response = function(hook, request, response, attempt) return hook(response, attempt, request) end,
}

local function packed(is_good, ...)
  if is_good then return true, { n = select("#", ...), ... } end
  local raised = ...
  return false, type(raised) == "string" and raised or "raised a " .. type(raised)
end

--- Call a hook.
-- @treturn bool
-- @treturn table|string  its results with their number `n`; what it raised
function prelude.call(policy, name, request, first, second)
  return packed(pcall(CALLS[name], policy[name], request, first, second))
end

-- ---- inside the gateway's sandbox ----

-- What goes in is read-only; entries change.
local function thawed(entries)
  local own = {}
  for key, entry in pairs(entries) do own[key] = { value = entry.value, ends = entry.ends } end
  return own
end

-- The request's functions make it a table of ours, which anybody can write to: tell afterwards.
local function written(request, fields)
  for name, value in pairs(request) do
    if name ~= "hash" and name ~= "random" and fields[name] ~= value then return name end
  end
  for name in pairs(fields) do
    if request[name] == nil then return name end
  end
  return (request.hash ~= hash and "hash") or (request.random ~= math.random and "random") or nil
end

--- Run a policy's text with `tidegate` in its environment.
-- @tparam function main  the text
-- @treturn table  `call`, which takes all that a call needs and gives all that comes of it
function prelude.wrap(main)
  local world = { now = 0, entries = {}, lines = {} }
  tidegate = { kv = prelude.kv(world), log = prelude.log(world, tostring) } -- luacheck: globals tidegate
  local policy = main()
  local loaded = world.lines
  local inside = {}

  function inside.lines()
    return loaded
  end

  function inside.call(name, now, entries, fields, first, second)
    world.now, world.entries, world.lines = now, thawed(entries), {}
    local request = prelude.request(fields, math.random)
    local is_good, results = prelude.call(policy, name, request, first, second)
    local changed = is_good and written(request, fields)
    if changed then
      is_good, results = false, ("attempt to write field '%s' of a read-only table"):format(tostring(changed))
    end
    return is_good, results, world.entries, world.lines
  end

  return inside
end

return prelude
