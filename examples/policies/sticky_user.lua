-- Each user stays with one endpoint, and moves only when it is gone.
--
-- Rendezvous hashing: every endpoint draws a number for the user, and the lowest is tried first.
-- The numbers of the others do not change when an endpoint comes or goes, so that its users alone
-- are moved, and spread over all that are left. Without a user the cheapest is first.
local WEIGHTS = { ["us-fast"] = 2 }     -- by the provider's slug, above 0: 2 has twice as many users

---@type tidegate.Policy
return {
  name = "sticky_user",
  data = { sort = "price" },

  score = function(endpoint, request, base)
    if not request.user then return base end
    local drawn = (request.hash(request.user .. " " .. endpoint.id) + 1) / 2 ^ 53     -- never 0
    return -math.log(drawn) / (WEIGHTS[endpoint.provider] or 1)
  end,
}
