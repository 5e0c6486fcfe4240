-- The cheapest endpoint that answers in time: nine of ten first tokens within LIMIT seconds.
--
-- First come the endpoints that are known to be in time, then those of which too little is known,
-- then those known to be late; among each, the cheaper first. So that the unknown become known, a
-- small share of the requests takes each of them for one that is in time.
local LIMIT  = 2        -- seconds to the first token, p90
local ENOUGH = 30       -- answers in five minutes; with fewer of them a p90 says little
local CHANCE = 0.05     -- share of the requests that believe an unknown endpoint

local BEHIND = 1e9      -- more than any base score

---@type tidegate.Policy
return {
  name = "cheapest_in_time",
  data = { sort = "price" },

  score = function(endpoint, request, base)
    if endpoint.samples < ENOUGH then
      return request.random() < CHANCE and base or base + BEHIND
    end
    return endpoint.latency.p90 <= LIMIT and base or base + 2 * BEHIND
  end,
}
