--- Ids of tool calls as Mistral wants them: nine letters or digits.
--
-- Any other id becomes a hash of itself, the same one in every request, so that a conversation reads the same each
-- time and prompt caches keep hitting. Pure; numbers stay below 2^53, for Lua without integers.

local mistral_ids = {}

local DIGITS = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
local BASE   = #DIGITS

-- Two hashes modulo primes below 2^31, the multipliers small enough that nothing is rounded.
local FIRST  = { prime = 2147483647, times = 48271, digits = 5 }
local SECOND = { prime = 2147483629, times = 69621, digits = 4 }

local function hash(text, by)
  local h = #text + 1
  for i = 1, #text do h = (h * by.times + text:byte(i) + 1) % by.prime end
  local out = {}
  for i = 1, by.digits do
    local digit = h % BASE
    out[i] = DIGITS:sub(digit + 1, digit + 1)
    h = (h - digit) / BASE
  end
  return table.concat(out)
end

function mistral_ids.is_valid(id)
  return #id == 9 and not id:find "[^0-9A-Za-z]"
end

--- A map that gives each id its own: those that are valid theirs, others a hash that no other id has.
-- @tparam table ids  all ids of a conversation, in their order
-- @treturn table  { [id] = id for Mistral }
function mistral_ids.map(ids)
  local map, is_taken = {}, {}
  for _, id in ipairs(ids) do
    if mistral_ids.is_valid(id) then map[id], is_taken[id] = id, true end
  end
  for _, id in ipairs(ids) do
    local seed = id
    while not map[id] do
      local candidate = hash(seed, FIRST) .. hash(seed, SECOND)
      if not is_taken[candidate] then map[id], is_taken[candidate] = candidate, true end
      seed = seed .. "+"
    end
  end
  return map
end

return mistral_ids
