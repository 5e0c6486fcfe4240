-- Requests with tools go to endpoints whose tool calls are proven to be well-formed; others go on
-- as they would.
--
-- Proven ones come first, then those of which too little is known, then those that are proven to
-- be bad; the cheaper first among each. Nobody is dropped: in the first minutes nothing is proven,
-- and a filter would leave nobody.
local ENOUGH = 20       -- answers with tool calls; with fewer nothing is proven
local VALID  = 0.98     -- share of them that must be well-formed

local BEHIND = 1e9      -- more than any base score

---@type tidegate.Policy
return {
  name = "proven_tools",
  data = { sort = "price" },

  score = function(endpoint, request, base)
    if not request.tools then return base end
    local calls = endpoint.tool_calls
    if calls.samples < ENOUGH then return base + BEHIND end
    return calls.valid >= VALID and base or base + 2 * BEHIND
  end,
}
