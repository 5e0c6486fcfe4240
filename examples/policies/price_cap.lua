-- A hard cap on prices, and models to fall back on when nothing below it is left.
--
-- There is no function here: the gateway itself compares the prices, nothing in this file can
-- fail, and a request can only lower the cap.
local CAP      = { prompt = 1, completion = 4 }     -- $ per million tokens
local FALLBACK = { "demo/large", "demo/small" }     -- tried in this order, behind what was asked for

---@type tidegate.Policy
return {
  name = "price_cap",
  models = FALLBACK,
  data = { max_price = CAP },
}
