-- A budget for each key and day. Who has spent it is left with what costs next to nothing.
--
-- on_response adds up what answers cost; the day is that of UTC. At WARN of the budget the log has
-- one line, once a day for each key. Requests without a key share one budget.
local BUDGET  = 20              -- dollars a day
local BUDGETS = { ci = 5 }      -- for the keys of these names
local CHEAP   = 0.2             -- $ per million tokens, in and out: what may be used all the same
local WARN    = 0.8

local DAY = 86400

local function budget_of(request)
  return BUDGETS[request.key.name or ""] or BUDGET
end

-- Names of its own for each day: the next one begins at nothing.
local function counter(what, request)
  local name = (request.key.name or ""):sub(1, 64)
  return ("daily_budget %s %d %s"):format(what, math.floor(request.now / DAY), name)
end

---@type tidegate.Policy
return {
  name = "daily_budget",

  filter = function(endpoint, request)
    local spent, budget = tidegate.kv.get(counter("spent", request)) or 0, budget_of(request)
    if spent < budget then return true end
    local is_cheap = endpoint.price.prompt <= CHEAP and endpoint.price.completion <= CHEAP
    return is_cheap, ("today's budget of $%.2f is spent"):format(budget)
  end,

  on_response = function(response, _, request)
    local budget = budget_of(request)
    local spent = tidegate.kv.incr(counter("spent", request), response.cost, 2 * DAY)
    if spent < WARN * budget then return end
    if tidegate.kv.incr(counter("warned", request), 1, 2 * DAY) > 1 then return end
    tidegate.log(("warning: key %s has spent $%.2f of today's $%.2f"):format(
      request.key.name or "(none)", spent, budget))
  end,
}
