--- The decision for one request: drops, filter, base scores, score, order, as the gateway makes it.
--
--     local ranked, dropped = decide(policy, asks, endpoints)
--       --> candidates in the order to try (rank.lua); id -> the gateway's word, or the filter's own
--
-- asks.request      as hooks see it, without its functions
-- asks.provider     the request's `provider` object
-- asks.parameters   words of parameters in it, for `require_parameters`
-- asks.models       all that may be tried, in their order
-- asks.suffixes     what the name of each asked for: { sort, tiers }
-- asks.seed         of chance
--
-- Endpoints are those that hooks see and may have `name`, `held`, `outage` and `distillable`, which
-- hooks do not see. Pure but for the hooks.

local data  = require "tidegate.policy.data"
local hooks = require "tidegate.policy.hooks"
local rank  = require "tidegate.policy.rank"

local UNSEEN = { "name", "held", "outage", "distillable" }

local function seen(endpoint)
  local copy = {}
  for name, value in pairs(endpoint) do copy[name] = value end
  for _, name in ipairs(UNSEEN) do copy[name] = nil end
  return copy
end

local function targets_of(models)
  local targets = {}
  for i, model in ipairs(models) do targets[model] = targets[model] or i end
  return targets
end

local function constrain(endpoints, asks, dropped)
  local kept, targets = {}, targets_of(asks.models)
  for _, endpoint in ipairs(endpoints) do
    local target = targets[endpoint.model]
    local reason = data.drop(endpoint, target, asks)
    dropped[endpoint.id] = reason
    if not reason then kept[#kept + 1] = { endpoint = endpoint, target = target, seen = seen(endpoint) } end
  end
  return kept
end

local function filter(policy, candidates, asks, dropped)
  local kept = {}
  for _, candidate in ipairs(candidates) do
    local stays, why = hooks.filter(policy, asks.request, candidate.seen)
    if stays then
      kept[#kept + 1] = candidate
    else
      dropped[candidate.endpoint.id] = why or "policy"
    end
  end
  return kept
end

local function score(policy, candidates, asks)
  for _, candidate in ipairs(candidates) do
    candidate.score = hooks.score(policy, asks.request, candidate.seen, candidate.base)
  end
  rank.by_score(candidates, asks)
end

local function order(policy, candidates, asks)
  local endpoints = {}
  for i, candidate in ipairs(candidates) do endpoints[i] = candidate.seen end
  return rank.with_first(candidates, hooks.order(policy, asks.request, endpoints))
end

return function(policy, asks, endpoints)
  local dropped = {}
  asks.wishes, asks.tiers = data.wishes(asks.provider, policy.value.data or {}), policy.value.tiers
  policy:seed(asks.seed)
  local candidates = constrain(endpoints, asks, dropped)
  if policy:has "filter" then candidates = filter(policy, candidates, asks, dropped) end
  rank.by_data(candidates, asks)
  if candidates[1] and policy:has "score" then score(policy, candidates, asks) end
  if candidates[1] and policy:has "order" then candidates = order(policy, candidates, asks) end
  if not asks.wishes.no_fallbacks then return candidates, dropped end
  local kept, fallbacks = rank.without_fallbacks(candidates, asks.wishes.order)
  for _, candidate in ipairs(fallbacks) do dropped[candidate.endpoint.id] = "allow_fallbacks" end
  return kept, dropped
end
