-- A canary: a small share of the traffic goes to a new provider, the rest to the one you know.
--
-- Who is chosen is decided by a hash of the user, or else of the session, so that nobody is moved
-- to and fro; a request with neither draws. With a greater SHARE those chosen before still are. For
-- everybody else the canary is the last resort.
local STABLE = "us-fast"        -- slugs of the two providers
local CANARY = "us-new"
local SHARE  = 0.1              -- of users, 0 to 1
local TRIAL  = "us-new, 1: "    -- other words choose other users

local function is_chosen(request)
  local who = request.user or request.session_id
  if not who then return request.random() < SHARE end
  return request.hash(TRIAL .. who) / 2 ^ 53 < SHARE
end

---@type tidegate.Policy
return {
  name = "canary",

  score = function(endpoint, request)
    if endpoint.provider == CANARY then return is_chosen(request) and 0 or 3 end
    return endpoint.provider == STABLE and 1 or 2
  end,
}
