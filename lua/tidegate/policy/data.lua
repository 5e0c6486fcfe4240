--- Who may serve a request: what a policy's `data` and the request's own `provider` object drop.
--
-- The gateway does this in C (csrc/route/constrain.c); here are the same rules over the tables
-- that hooks see, for tests. Both hold: limits intersect, and what either forbids is forbidden.
-- Of what is a preference, the request's own goes first. Pure.

local data = {}

-- ---- wishes ----

local PRICES = { "prompt", "completion", "request", "image" }

-- The lower cap of each price.
local function max_price(own, policys)
  local caps = {}
  for _, from in ipairs { own.max_price or {}, policys.max_price or {} } do
    for _, key in ipairs(PRICES) do
      local cap = tonumber(from[key])
      if cap and cap < (caps[key] or math.huge) then caps[key] = cap end
    end
  end
  return caps
end

local function sort_of(wishes)
  if type(wishes.sort) == "table" then return wishes.sort.by, wishes.sort.partition end
  return wishes.sort, nil
end

local function cutoffs(value)
  if type(value) == "number" then return { p50 = value } end
  return value and next(value) and value or nil
end

--- One object of wishes from two.
-- @tparam table own  the request's `provider` object
-- @tparam table policys  the policy's `data`
function data.wishes(own, policys)
  local own_sort, own_partition = sort_of(own)
  local sort, partition = sort_of(policys)
  return {
    no_fallbacks = own.allow_fallbacks == false or policys.allow_fallbacks == false,
    denies_data_collection = own.data_collection == "deny" or policys.data_collection == "deny",
    distillable = own.enforce_distillable_text or policys.enforce_distillable_text or false,
    requires_parameters = own.require_parameters or policys.require_parameters or false,
    zdr = own.zdr or policys.zdr or false,
    lists = { own, policys },                            -- only, ignore, quantizations: all hold
    max_price = max_price(own, policys),
    order = own.order or policys.order or {},
    own_sort = own_sort, policys_sort = sort,            -- a model's suffix goes between
    across_models = (own_partition or partition) == "none",
    max_latency = cutoffs(own.preferred_max_latency) or cutoffs(policys.preferred_max_latency),
    min_throughput = cutoffs(own.preferred_min_throughput) or cutoffs(policys.preferred_min_throughput),
  }
end

-- ---- one endpoint ----

local function is_tier(endpoint, tier)
  return endpoint.id:lower():sub(-#tier - 1) == "/" .. tier
end

--- Does a word of `order`, `only` or `ignore` mean this endpoint? By tag, or by the provider's
-- slug or name; endpoints of a service tier by their tag alone.
function data.means(word, endpoint)
  word = word:lower()
  if word == endpoint.id:lower() then return true end
  if is_tier(endpoint, "priority") or is_tier(endpoint, "flex") then return false end
  local name = endpoint.name or endpoint.provider
  return word == endpoint.provider:lower() or word == name:lower() or word == endpoint.id:lower():match("^[^/]*")
end

--- Which of the words means it; one more than there are when none does.
function data.place_in(words, endpoint)
  for i, word in ipairs(words) do
    if data.means(word, endpoint) then return i end
  end
  return #words + 1
end

local function is_among(words, endpoint)
  return data.place_in(words or {}, endpoint) <= #(words or {})
end

local function has(list, word)
  for _, one in ipairs(list or {}) do
    if one == word then return true end
  end
  return false
end

-- Endpoints of a tier are for those who ask: by name, by a model's suffix, or with the policy.
local function is_admitted(tier, endpoint, target, asks)
  local w = asks.wishes
  if is_among(w.lists[1].only, endpoint) or is_among(w.lists[2].only, endpoint) or is_among(w.order, endpoint) then
    return true
  end
  if w.order[1] then return false end
  return has(asks.tiers, tier) or has(asks.suffixes[target].tiers, tier)
end

local function not_listed(lists, endpoint)
  if lists.only and not is_among(lists.only, endpoint) then return "only" end
  if is_among(lists.ignore, endpoint) then return "ignore" end
  local quantizations = lists.quantizations or {}
  if quantizations[1] and not has(quantizations, endpoint.quantization) then return "quantization" end
end

local function is_too_dear(caps, endpoint)
  for key, cap in pairs(caps) do
    if endpoint.price[key] > cap then return true end
  end
  return false
end

-- The two spellings of one parameter.
local TWIN = { max_tokens = "max_completion_tokens", max_completion_tokens = "max_tokens" }

local function lacks_parameter(parameters, endpoint)
  for _, name in ipairs(parameters) do
    local twin = TWIN[name]
    if not endpoint.supports[name] and not (twin and endpoint.supports[twin]) then return true end
  end
  return false
end

-- Tokens are estimated from bytes, and may be a fifth too many: who may fit is tried.
local function overflows(request, endpoint)
  local prompt = request.prompt_tokens - math.floor(request.prompt_tokens / 5)
  return endpoint.context_length > 0 and prompt > endpoint.context_length - (request.max_tokens or 0)
end

--- Why an endpoint may not serve a request: the first of the gateway's reasons that holds.
-- @tparam table endpoint
-- @tparam number target  which of the models it serves
-- @tparam table asks  { request, wishes, parameters, tiers, suffixes }: see decide.lua
-- @treturn ?string  "max_price"; nil when nothing is against it
function data.drop(endpoint, target, asks)
  local w, request = asks.wishes, asks.request
  for _, tier in ipairs { "priority", "flex" } do
    if is_tier(endpoint, tier) and not is_admitted(tier, endpoint, target, asks) then return "service_tier" end
  end
  if w.denies_data_collection and endpoint.data_collection ~= "deny" then return "data_collection" end
  if w.zdr and not endpoint.zdr then return "zdr" end
  if w.distillable and not endpoint.distillable then return "distillable" end
  local listed = not_listed(w.lists[1], endpoint) or not_listed(w.lists[2], endpoint)
  if listed then return listed end
  if is_too_dear(w.max_price, endpoint) then return "max_price" end
  if overflows(request, endpoint) then return "context_length" end
  local longest = endpoint.max_completion_tokens
  if longest > 0 and (request.max_tokens or 0) > longest then return "max_tokens" end
  if w.requires_parameters and lacks_parameter(asks.parameters, endpoint) then return "parameters" end
  if request.tools and not endpoint.supports.tools then return "tools" end
end

return data
