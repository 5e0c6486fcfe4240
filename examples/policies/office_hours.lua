-- Fast while people wait for answers, cheap at night and at the weekend.
--
-- In office hours the score is the time that an answer of usual length would take: first token
-- and the tokens after it. Outside of them it is what the sort says: the price.
local UTC_OFFSET  = 1       -- hours; summer time is for you to set
local OPEN, CLOSE = 8, 18   -- o'clock, Monday to Friday
local TOKENS      = 300     -- of a usual answer

local HOUR, DAY = 3600, 86400

local function is_open(now)
  local here = now + UTC_OFFSET * HOUR
  local weekday = math.floor(here / DAY + 3) % 7     -- from Monday, 0: time began on a Thursday
  local hour = here % DAY / HOUR
  return weekday < 5 and hour >= OPEN and hour < CLOSE
end

---@type tidegate.Policy
return {
  name = "office_hours",
  data = { sort = "price" },

  score = function(endpoint, request, base)
    if not is_open(request.now) then return base end
    local speed = endpoint.throughput.p50
    return endpoint.latency.p50 + (speed > 0 and TOKENS / speed or 0)
  end,
}
