--- Decisions for programs that ask the provider themselves, and what they tell of it afterwards.

local core = require "tidegate.core"

local plans = {}

-- Of each endpoint that was given out, in which plan it stands and where.
local places = setmetatable({}, { __mode = "k" })

--- The decision for a request, without asking anybody.
-- @tparam snapshot snapshot
-- @tparam string text  the request's body
-- @tparam ?table options  `seed`, `policy`, `api`
-- @treturn ?table  the endpoints in the order to try, `dropped` with the reasons, and request(i):
--   url, headers and body of what the i-th would be sent
-- @treturn ?error
function plans.route(snapshot, text, options)
  local plan, err, rest = core.route(snapshot, text, options)
  if not plan then
    err.dropped = rest and rest:dropped()
    return nil, err
  end
  local list = plan:list()
  for i, endpoint in ipairs(list) do places[endpoint] = { plan = plan, at = i } end
  list.dropped = plan:dropped()
  function list.request(i) return plan:request(i) end
  return list
end

--- Tell how it went.
-- @tparam table endpoint  one of a plan's
-- @tparam table report  { status, ttft_ms, tokens, duration_ms, retry_after_ms, cached_tokens }; without
--   a status it never answered
-- @tparam number level  where the caller's mistake is
function plans.report(endpoint, report, level)
  local place = places[endpoint]
  if not place then error("report: one of a plan's endpoints expected", level + 1) end
  if type(report) ~= "table" then error("report: a table expected, got " .. type(report), level + 1) end
  place.plan:report(place.at, report)
end

return plans
