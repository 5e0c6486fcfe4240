--- In which order endpoints are tried, before a policy's own hooks have a say and after.
--
-- The gateway does this in C (csrc/route/rank.c); here are the same rules over the tables that
-- hooks see, for tests. What chance decides there is left out: without a sort or an order the
-- cheapest is first and none is drawn, and no outage is looked past. Nor are sessions known. Pure.
--
-- A candidate is { endpoint, target, place, base, score, price }: `target` says which of the
-- models it serves, `place` why it stands where it stands.

local data = require "tidegate.policy.data"

local rank = {}

-- Places in the order of the gateway's list; from the first of these on, at the end.
local TROUBLE = { demoted = 1, outage = 2, held = 3, open = 4 }

local NO_DATA, EXACTO_BUCKET = 1e6, 1e7                  -- as scores: behind all that is known
local SKETCH_ERROR = 1.01                                -- of a percentile: no cut-off is missed by less
local TOOLS_LEAST, TOOLS_BROKEN = 20, 0.1
local TYPICAL_TOKENS = 1000

-- ---- scores ----

-- The gateway counts in femto-dollars a unit: so its ties are ties here.
local function femto(dollars, unit)
  return math.floor(dollars * unit + 0.5)
end

-- Dollars per million tokens, for the request's own mix; 3:1 where it does not say.
local function blended(price, request)
  local prompt, output = request.prompt_tokens, request.max_tokens or 0
  if prompt <= 0 and output <= 0 then
    prompt = TYPICAL_TOKENS * 0.75
  elseif prompt <= 0 then
    prompt = output * 3
  end
  if output <= 0 then output = prompt / 3 end
  return (prompt * femto(price.prompt, 1e9) + output * femto(price.completion, 1e9) + femto(price.request, 1e15))
    / (prompt + output) * 1e-9
end

local function ms_per_token(endpoint)
  local speed = endpoint.throughput.p50
  return endpoint.samples > 0 and speed > 0 and 1000 / speed or NO_DATA
end

local function broken_share(endpoint)
  local calls = endpoint.tool_calls
  return calls.samples >= TOOLS_LEAST and 1 - calls.valid or nil
end

-- The proven good in three steps, then the unproven, then the proven bad.
local function exacto_bucket(endpoint)
  local broken = broken_share(endpoint)
  if not broken then return 3 end
  return broken <= 0.01 and 0 or broken <= 0.05 and 1 or broken <= TOOLS_BROKEN and 2 or 4
end

local SCORES = {
  price      = function(candidate) return candidate.price end,
  latency    = function(candidate)
    return candidate.endpoint.samples > 0 and candidate.endpoint.latency.p50 or NO_DATA
  end,
  throughput = function(candidate) return ms_per_token(candidate.endpoint) end,
  exacto     = function(candidate)
    return exacto_bucket(candidate.endpoint) * EXACTO_BUCKET + ms_per_token(candidate.endpoint)
  end,
}

-- The sort in force: the request's, its model's suffix, the policy's; nil: none.
local function sort_for(candidate, asks)
  local suffix = asks.suffixes[asks.wishes.across_models and 1 or candidate.target]
  return asks.wishes.own_sort or suffix.sort or asks.wishes.policys_sort or (asks.wishes.order[1] and "price") or nil
end

-- ---- places ----

-- With fewer samples than this a percentile says nothing sure.
local CUTS = { { "p50", 5 }, { "p75", 11 }, { "p90", 29 }, { "p99", 99 } }

-- A cut-off is held against the highest percentile up to its own for which samples suffice.
local function misses(cutoffs, figures, samples, is_least)
  for i, cut in ipairs(CUTS) do
    local limit, j = cutoffs[cut[1]], i
    while j > 0 and samples < CUTS[j][2] do j = j - 1 end
    local got = limit and j > 0 and figures[CUTS[j][1]]
    if got and is_least and got * SKETCH_ERROR < limit then return true end
    if got and not is_least and got > limit * SKETCH_ERROR then return true end
  end
  return false
end

local function misses_cutoffs(endpoint, w)
  return (w.max_latency and misses(w.max_latency, endpoint.latency, endpoint.samples, false))
    or (w.min_throughput and misses(w.min_throughput, endpoint.throughput, endpoint.samples, true)) or false
end

local function place_of(candidate, asks)
  local endpoint, w = candidate.endpoint, asks.wishes
  if endpoint.held then return "held" end
  if endpoint.outage then return "outage" end
  if misses_cutoffs(endpoint, w) then return "demoted" end
  local breaks_tools = asks.request.tools and not w.order[1] and not candidate.sort
    and (broken_share(endpoint) or 0) > TOOLS_BROKEN
  return breaks_tools and "demoted" or "fallback"
end

-- With more than half of them open, breakers say more about us than about them.
local function judge_breakers(candidates)
  local open = 0
  for _, candidate in ipairs(candidates) do
    if candidate.endpoint.breaker == "open" then open = open + 1 end
  end
  if open * 2 > #candidates then return end
  for _, candidate in ipairs(candidates) do
    if candidate.endpoint.breaker == "open" then candidate.place = "open" end
  end
end

-- ---- order ----

-- What is compared first: to the very end or not, model, behind its model or not, word of `order`.
local function major_of(candidate, asks)
  local w, trouble = asks.wishes, TROUBLE[candidate.place] or 0
  local is_last = trouble >= TROUBLE.held or (trouble > 0 and (w.max_latency or w.min_throughput))
  local word = data.place_in(w.order, candidate.endpoint)
  candidate.is_listed = word <= #w.order
  return { is_last and trouble or 0, w.across_models and 0 or candidate.target, is_last and 0 or trouble, word }
end

local function sort(candidates, asks, ties)
  local keys = {}
  for i, candidate in ipairs(candidates) do
    local key = major_of(candidate, asks)
    key[5], key[6], key[7] = candidate.score, ties and candidate.price or 0, i
    keys[candidate] = key
  end
  table.sort(candidates, function(a, b)
    local x, y = keys[a], keys[b]
    for i = 1, 7 do
      if x[i] ~= y[i] then return x[i] < y[i] end
    end
    return false
  end)
end

--- Give candidates their places and base scores, and bring them into order.
-- @tparam table candidates  { endpoint, target } each
-- @tparam table asks  { request, wishes, suffixes }: see decide.lua
function rank.by_data(candidates, asks)
  for _, candidate in ipairs(candidates) do
    candidate.price = blended(candidate.endpoint.price, asks.request)
    candidate.sort = sort_for(candidate, asks)
    candidate.place = place_of(candidate, asks)
    candidate.base = SCORES[candidate.sort or "price"](candidate)
    candidate.score = candidate.base
  end
  judge_breakers(candidates)
  sort(candidates, asks, true)
  for _, candidate in ipairs(candidates) do
    if candidate.place == "fallback" and candidate.is_listed then
      candidate.place = "order"
    elseif candidate.place == "fallback" and candidate.sort and not asks.wishes.order[1] then
      candidate.place = "sorted"
    end
  end
end

--- Bring candidates into order again after their scores changed: models and what goes to the end
-- stay; equal ones keep their order.
function rank.by_score(candidates, asks)
  for _, candidate in ipairs(candidates) do
    if not TROUBLE[candidate.place] then candidate.place = "sorted" end
  end
  sort(candidates, asks, false)
  for _, candidate in ipairs(candidates) do
    if candidate.place == "sorted" and candidate.is_listed then candidate.place = "order" end
  end
end

--- Put those at these places first; the others stay behind them as they were.
-- @treturn table  a new list
function rank.with_first(candidates, places)
  local list, taken = {}, {}
  for _, place in ipairs(places) do
    local candidate = candidates[place]
    candidate.place, taken[candidate] = "policy", true
    list[#list + 1] = candidate
  end
  for _, candidate in ipairs(candidates) do
    if not taken[candidate] then list[#list + 1] = candidate end
  end
  return list
end

--- Without fallbacks the words of `order` are all there is; without them the first one is.
-- @treturn table  those that stay
-- @treturn table  the others
function rank.without_fallbacks(candidates, order)
  local kept, dropped = {}, {}
  for i, candidate in ipairs(candidates) do
    local stays = order[1] and data.place_in(order, candidate.endpoint) <= #order or not order[1] and i == 1
    local list = stays and kept or dropped
    list[#list + 1] = candidate
  end
  return kept, dropped
end

return rank
