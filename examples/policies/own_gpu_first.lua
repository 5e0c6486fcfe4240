-- Our own GPU first, until it has enough to do; then the cloud, by price.
--
-- It has enough to do when so many requests are with it, or when its first tokens have become
-- slow. When it says so itself, by failing, the cloud is asked at once, and it is left alone for
-- some seconds: all engines of the gateway remember that.
local OWN    = { ["own-gpu"] = 8 }     -- providers of ours: requests that each works on at a time
local SLOW   = 3                       -- seconds to the first token, p90
local ENOUGH = 30                      -- answers in five minutes that make a p90 worth looking at
local REST   = 5                       -- seconds

local OVERLOAD = { overloaded = true, rate_limited = true, server_error = true,
                   first_byte_timeout = true, first_token_timeout = true }
local BEHIND   = 1e9                   -- more than any base score

local function has_room(endpoint)
  if endpoint.in_flight >= OWN[endpoint.provider] then return false end
  if endpoint.samples >= ENOUGH and endpoint.latency.p90 > SLOW then return false end
  return not tidegate.kv.get("own_gpu_first " .. endpoint.provider)
end

---@type tidegate.Policy
return {
  name = "own_gpu_first",
  data = { sort = "price" },

  score = function(endpoint, _, base)
    if not OWN[endpoint.provider] then return base end
    return has_room(endpoint) and endpoint.in_flight - BEHIND or base + BEHIND
  end,

  on_error = function(err, attempt)
    if not OWN[attempt.provider] or not OVERLOAD[err.type] then return nil end
    tidegate.kv.set("own_gpu_first " .. attempt.provider, 1, REST)
    return "next"
  end,
}
