-- A highest price that rises, step by step, when nothing below it is left.
--
-- Endpoints of the first step are tried before those of the second, and so on, whatever the sort
-- is; what is above the last step is never used, even should the functions fail. When an answer
-- needed more than the first step, the log says which.
local STEPS = {                             -- $ per million tokens; each above the one before
  { prompt = 0.5, completion = 2 },
  { prompt = 2,   completion = 8 },
  { prompt = 10,  completion = 30 },
}

local BEHIND = 1e9                          -- more than any base score
local steps = {}                            -- of endpoints, as last decided, for on_response

local function step_of(price)
  for i, most in ipairs(STEPS) do
    if price.prompt <= most.prompt and price.completion <= most.completion then return i end
  end
  return #STEPS
end

---@type tidegate.Policy
return {
  name = "rising_price",
  data = { sort = "price", max_price = STEPS[#STEPS] },

  score = function(endpoint, _, base)
    local step = step_of(endpoint.price)
    steps[endpoint.model .. " " .. endpoint.id] = step
    return base + (step - 1) * BEHIND
  end,

  on_response = function(_, attempt)
    local step = steps[attempt.model .. " " .. attempt.endpoint]
    if not step or step == 1 then return end
    tidegate.log(("step %d of %d was needed for %s: %s"):format(step, #STEPS, attempt.model,
      attempt.endpoint))
  end,
}
