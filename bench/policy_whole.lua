--- The same with the other hooks, each doing a little: `policy.lua` and these.

-- luacheck: read_globals tidegate
local policy = require "policy"

function policy.order(endpoints)
  if #endpoints > 1 and endpoints[1].in_flight > 100 then return { 2 } end
end

function policy.on_error(err, attempt)
  if err.type == "server_error" and attempt.number == 1 then return "retry" end
end

function policy.on_response(response, attempt)
  tidegate.kv.incr("tokens:" .. attempt.provider, response.tokens, 3600)
end

return policy
