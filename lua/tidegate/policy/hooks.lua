--- Call the hooks of a policy, and hold what they give to the rules of the gateway.
--
-- A hook that raises or gives nonsense fails the request in production (`on_failure` says what
-- then becomes of it); here it raises "file:line: hook: what".

local hooks = {}

local REASON_BYTES = 256

local function fail(policy, hook, ...)
  error(("%s:%d: %s: %s"):format(policy.called, policy:line_of_hook(hook), hook, string.format(...)), 0)
end

-- The results, or an error with what was raised: its place first, then the hook.
local function call(policy, hook, ...)
  local is_good, results = policy:call(hook, ...)
  if is_good then return results end
  local place, words = results:match("^([^\n:]+:%d+): (.*)$")
  if place then error(("%s: %s: %s"):format(place, hook, words), 0) end
  local name = policy.called .. ": "
  fail(policy, hook, "%s", results:sub(1, #name) == name and results:sub(#name + 1) or results)
end

-- The type of a value, or the number that it is, in the same words everywhere.
local function shown(value)
  if type(value) ~= "number" then return value == nil and "nothing" or type(value) end
  if value ~= value then return "nan" end
  if value == math.huge or value == -math.huge then return value > 0 and "inf" or "-inf" end
  return ("%.14g"):format(value)
end

--- @treturn boolean  does it stay?
-- @treturn ?string  why not
function hooks.filter(policy, request, endpoint)
  local results = call(policy, "filter", request, endpoint)
  if results.n == 0 or results[1] == true then return true end
  if results[1] ~= false and results[1] ~= nil then
    fail(policy, "filter", "true or false expected, got %s", shown(results[1]))
  end
  return false, type(results[2]) == "string" and results[2]:sub(1, REASON_BYTES) or nil
end

--- @treturn number
function hooks.score(policy, request, endpoint, base)
  local score = call(policy, "score", request, endpoint, base)[1]
  if type(score) == "number" and score > -math.huge and score < math.huge then return score end
  fail(policy, "score", "a finite number expected, got %s for endpoint %s", shown(score), endpoint.id)
end

--- @treturn table  places in the list, each once; empty when it has nothing to say
function hooks.order(policy, request, endpoints)
  local list = call(policy, "order", request, endpoints)[1]
  if list == nil then return {} end
  if type(list) ~= "table" then fail(policy, "order", "a list of indices or nil expected, got %s", shown(list)) end
  if #list > #endpoints then fail(policy, "order", "more indices than endpoints") end
  local seen = {}
  for i = 1, #list do
    local place = list[i]
    local is_place = type(place) == "number" and place % 1 == 0 and endpoints[place] and not seen[place]
    if not is_place then
      fail(policy, "order", "indices from 1 to %d, each once, expected; got %s at %d", #endpoints, shown(place), i)
    end
    seen[place] = true
  end
  return list
end

local VERDICTS = { next = true, retry = true, stop = true }

--- @treturn ?string
function hooks.on_error(policy, request, err, attempt)
  local verdict = call(policy, "on_error", request, err, attempt)[1]
  if verdict == nil or VERDICTS[verdict] then return verdict end
  fail(policy, "on_error", '"next", "retry", "stop" or nil expected, got %s',
    type(verdict) == "string" and verdict ~= "" and verdict or shown(verdict))
end

function hooks.on_response(policy, request, response, attempt)
  call(policy, "on_response", request, response, attempt)
end

return hooks
