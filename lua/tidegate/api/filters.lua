--- Which models a listing shows, and in which order (contract 7.1).
--
-- Each filter looks at one query parameter and gives a test of an entry of the
-- shelf, or nil and what is wrong with the value.

local query = require "tidegate.api.query"

local filters = {}

local function all_in(wanted, set)
  for word in pairs(wanted) do
    if not set[word] then return false end
  end
  return true
end

local function any_in(wanted, set)
  for word in pairs(wanted) do
    if set[word] then return true end
  end
  return false
end

local function any_endpoint(entry, test)
  for _, endpoint in ipairs(entry.model.endpoints) do
    if test(endpoint) then return true end
  end
  return false
end

local function at_least(field)
  return function(value)
    local least = tonumber(value)
    if not least then return nil, "a number expected" end
    return function(entry) return entry[field] >= least end
  end
end

local function at_most(field)
  return function(value)
    local most = tonumber(value)
    if not most then return nil, "a number expected" end
    return function(entry) return entry[field] <= most end
  end
end

local function modality(field, default)
  return function(value)
    local words = query.words(value) or query.words(default)
    if not words or words.all then return function() return true end end
    return function(entry) return any_in(words, entry[field]) end
  end
end

local function days(compare)
  return function(value, now_s)
    local n = tonumber(value)
    if not n then return nil, "a number of days expected" end
    return function(entry) return compare((now_s - entry.created) / 86400, n) end
  end
end

-- Figures that nobody here measures: no model has one, so none passes.
local function unknown_figure(value)
  if not tonumber(value) then return nil, "a number expected" end
  return function() return false end
end

local FILTERS = {
  q = function(value)
    local words = value:lower()
    return function(entry) return entry.words:find(words, 1, true) ~= nil end
  end,
  supported_parameters = function(value)
    local words = query.words(value) or {}
    return function(entry) return all_in(words, entry.parameters) end
  end,
  input_modalities = modality("inputs", "all"),
  output_modalities = modality("outputs", "text"),
  context = at_least "context",
  min_price = at_least "prompt", max_price = at_most "prompt",
  min_output_price = at_least "completion", max_output_price = at_most "completion",
  arch = function(value)
    local words = query.words(value) or {}
    return function(entry) return words[entry.arch] == true end
  end,
  model_authors = function(value)
    local words = query.words(value) or {}
    return function(entry) return words[entry.author:lower()] == true end
  end,
  providers = function(value)
    local words = query.words(value) or {}
    return function(entry)
      return any_endpoint(entry, function(e)
        return words[e.provider_name:lower()] or words[e.provider:lower()] or words[e.tag:lower()]
      end)
    end
  end,
  distillable = function(value)
    if value ~= "true" and value ~= "false" then return nil, "true or false expected" end
    return function(entry)
      return any_endpoint(entry, function(e) return e.distillable end) == (value == "true")
    end
  end,
  zdr = function(value)
    if value ~= "true" then return nil, "true expected" end
    return function(entry) return any_endpoint(entry, function(e) return e.zdr end) end
  end,
  region = function(value)
    if value ~= "eu" and value ~= "us" then return nil, "eu or us expected" end
    return function(entry)
      return any_endpoint(entry, function(e) return e.region:lower():sub(1, 2) == value end)
    end
  end,
  min_age_days = days(function(age, n) return age >= n end),
  max_age_days = days(function(age, n) return age <= n end),
  -- Catalogues have no use cases: nothing is known to be in one.
  category = function() return function() return false end end,
}
for _, figure in ipairs { "intelligence_index", "coding_index", "agentic_index", "tool_success_rate" } do
  FILTERS["min_" .. figure], FILTERS["max_" .. figure] = unknown_figure, unknown_figure
end

--- The entries that pass all filters of the query, in the old order.
-- @treturn ?table
-- @treturn ?string  what is wrong with the query
function filters.apply(entries, given, now_s)
  local tests = {}
  for name, make in pairs(FILTERS) do
    local value = given[name] or (name == "output_modalities" and "")
    if value and (value ~= "" or name == "output_modalities") then
      local test, why = make(value, now_s)
      if not test then return nil, name .. ": " .. why end
      tests[#tests + 1] = test
    end
  end
  local kept = {}
  for _, entry in ipairs(entries) do
    local passes = true
    for _, test in ipairs(tests) do passes = passes and test(entry) end
    if passes then kept[#kept + 1] = entry end
  end
  return kept
end

-- ---- order ----

-- The best median of a model's endpoints; nil without traffic.
local function best_live(catalog, entry, series, better)
  local best
  for _, live in ipairs(catalog:live(entry.index)) do
    local value = live[series] and live[series].p50
    if value and (not best or better(value, best)) then best = value end
  end
  return best
end

local function smaller(a, b) return a < b end
local function larger(a, b) return a > b end

local function price(entry) return (entry.prompt + entry.completion) / 2 end
local function nothing() return nil end

-- What is compared, and which way; models without a value come last.
local SORTS = {
  ["newest"]              = { function(e) return e.created end, larger },
  ["pricing-low-to-high"] = { price, smaller },
  ["pricing-high-to-low"] = { price, larger },
  ["context-high-to-low"] = { function(e) return e.context end, larger },
  ["throughput-high-to-low"] = { function(e, c) return best_live(c, e, "throughput", larger) end, larger },
  ["latency-low-to-high"]    = { function(e, c) return best_live(c, e, "latency_ms", smaller) end, smaller },
  -- Popularity and benchmarks are OpenRouter's own figures; the order stays.
  ["most-popular"] = { nothing, larger }, ["top-weekly"] = { nothing, larger },
  ["intelligence-high-to-low"] = { nothing, larger }, ["coding-high-to-low"] = { nothing, larger },
  ["agentic-high-to-low"] = { nothing, larger }, ["design-arena-elo-high-to-low"] = { nothing, larger },
}

--- Sort by name; ties keep their order.
function filters.sort(entries, name, catalog)
  local sort = SORTS[name]
  if not sort then return nil, "sort: " .. name .. " is no order" end
  local value_of, before = sort[1], sort[2]
  local rows = {}
  for i, entry in ipairs(entries) do rows[i] = { entry = entry, value = value_of(entry, catalog), place = i } end
  table.sort(rows, function(a, b)
    if a.value == b.value then return a.place < b.place end
    if a.value == nil or b.value == nil then return b.value == nil end
    return before(a.value, b.value)
  end)
  for i, row in ipairs(rows) do rows[i] = row.entry end
  return rows
end

return filters
