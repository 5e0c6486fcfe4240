--- Published price lists, and what they make of a number of tokens: read in place, for specs that ask whether the
-- gateway's prices are the providers'.

local json = require "cjson.safe"

local lists = {}

local function read(path)
  local f = assert(io.open(path, "rb"))
  local text = f:read "*a"
  f:close()
  return assert(json.decode(text), path .. " is no JSON")
end

-- ---- amounts ----

-- A decimal's whole nano-dollars, and what is beyond them, below 1.
local function split(text)
  if text:find "[eE]" then text = ("%.18f"):format(tonumber(text)) end
  local whole, fraction = text:match "^(%d+)%.?(%d*)$"
  fraction = fraction .. ("0"):rep(9)
  return tonumber(whole) * 1e9 + tonumber(fraction:sub(1, 9)), tonumber("0." .. fraction:sub(10) .. "0")
end

--- Dollars in floating point as nano-dollars.
function lists.nano_of(dollars) return math.floor(dollars * 1e9 + 0.5 + 1e-6) end

--- The sum of these amounts in dollars, decimal text, as nano-dollars; rounded once, half up.
function lists.nano(...)
  local nano, rest = 0, 1e-7
  for i = 1, select("#", ...) do
    local n, r = split(select(i, ...))
    nano, rest = nano + n, rest + r
  end
  return nano + math.floor(rest + 0.5)
end

-- ---- genai-prices ----

-- One list has prices by day and hour: these hold at the moment for which the cases were priced.
local DATE, TIME = "2026-08-21", "12:00:00Z"

local OURS = {
  input_mtok = "prompt", output_mtok = "completion", cache_read_mtok = "input_cache_read",
  cache_write_mtok = "input_cache_write", input_audio_mtok = "audio", output_audio_mtok = "audio_output",
  cache_audio_read_mtok = "input_audio_cache", requests_kcount = "request",
}
local UNITS = { requests_kcount = "e-3" }

local matches = {}

local function is_match(rule, name)
  local how, wanted = next(rule)
  return matches[how](name, wanted)
end

matches["or"] = function(name, rules)
  for _, rule in ipairs(rules) do if is_match(rule, name) then return true end end
  return false
end

matches["and"] = function(name, rules)
  for _, rule in ipairs(rules) do if not is_match(rule, name) then return false end end
  return true
end

function matches.equals(name, wanted) return name == wanted:lower() end
function matches.contains(name, wanted) return name:find(wanted:lower(), 1, true) ~= nil end
function matches.starts_with(name, wanted) return name:sub(1, #wanted) == wanted:lower() end
function matches.ends_with(name, wanted) return name:sub(-#wanted) == wanted:lower() end

-- Of regular expressions there are a few, with digits and escaped dots.
function matches.regex(name, wanted)
  local pattern = wanted:gsub("\\d{(%d)}", function(n) return ("\\d"):rep(tonumber(n)) end)
  return name:find((pattern:gsub("%-", "%%-"):gsub("\\", "%%"))) ~= nil
end

local function holds(constraint)
  if not constraint or constraint == json.null then return true end
  if constraint.start_date then return constraint.start_date <= DATE end
  return constraint.start_time <= TIME and TIME < constraint.end_time
end

-- Of conditional prices the last that holds.
local function current(prices)
  if not prices[1] then return prices end
  local found
  for _, p in ipairs(prices) do if holds(p.constraint) then found = p.prices end end
  return found
end

local function dollars(price, key) return ("%.15g"):format(price) .. (UNITS[key] or "e-6") end

-- Prices as our catalogue has them; a step holds above its number of tokens, for the whole request.
local function pricing_of(prices)
  local out, steps = { prompt = "0", completion = "0" }, {}
  for key, price in pairs(prices) do
    local ours = assert(OURS[key], "a price for " .. key)
    out[ours] = dollars(type(price) == "table" and price.base or price, key)
    for _, tier in ipairs(type(price) == "table" and price.tiers or {}) do
      steps[tier.start] = steps[tier.start] or { min_prompt_tokens = tier.start }
      steps[tier.start][ours] = dollars(tier.price, key)
    end
  end
  local overrides = {}
  for _, step in pairs(steps) do overrides[#overrides + 1] = step end
  table.sort(overrides, function(a, b) return a.min_prompt_tokens < b.min_prompt_tokens end)
  out.overrides = overrides[1] and overrides
  return out
end

local Genai = {}
Genai.__index = Genai

--- @tparam string path  data.json of pydantic/genai-prices
function lists.genai(path)
  local self = setmetatable({ providers = {} }, Genai)
  for _, p in ipairs(read(path)) do self.providers[p.id] = p end
  return self
end

--- What a provider takes for a model: a `pricing` of our catalogue, nil when it is not in the list.
function Genai:pricing(provider, model)
  local p = self.providers[provider]
  for _, m in ipairs(p and p.models or {}) do
    if is_match(m.match, model:lower()) then return pricing_of(current(m.prices)) end
  end
  for _, other in ipairs(p and p.fallback_model_providers or {}) do
    local found = self:pricing(other, model)
    if found then return found end
  end
end

-- ---- OpenRouter ----

-- All that was ever listed for a model, newest first; each a `pricing` of our catalogue.
local Listed = {}
Listed.__index = Listed

function Listed:add(model, pricing)
  if type(model) ~= "string" then return end
  self.models[model] = self.models[model] or {}
  table.insert(self.models[model], pricing)
end

-- Prices that depend on the time of day are not what they were.
local function without_overrides(pricing)
  local out = {}
  for key, price in pairs(pricing) do if type(price) == "string" then out[key] = price end end
  return out
end

function Listed:add_models(path)
  for _, m in ipairs(read(path).data) do
    local pricing = without_overrides(m.pricing)
    if pricing.prompt:sub(1, 1) ~= "-" then                -- a router has none
      self:add(m.id, pricing)
      if m.canonical_slug ~= m.id then self:add(m.canonical_slug, pricing) end
    end
  end
end

function Listed:add_history(path)
  for line in io.lines(path) do
    local _, model, input, output = line:match "^([^,]*),([^,]*),([%d.]+),([%d.]+),"
    if model then self:add(model, { prompt = input .. "e-6", completion = output .. "e-6" }) end
  end
end

function Listed:add_litellm(path)
  for name, m in pairs(read(path)) do
    local model = name:match "^openrouter/(.+)"
    local function price(key) return type(m[key]) == "number" and ("%.15g"):format(m[key]) or nil end
    if model and price "input_cost_per_token" then
      self:add(model, {
        prompt = price "input_cost_per_token", completion = price "output_cost_per_token" or "0",
        input_cache_read = price "cache_read_input_token_cost",
        input_cache_write = price "cache_creation_input_token_cost",
      })
    end
  end
end

--- @tparam string dir  catalogs/ of the test data
-- @treturn table  model -> what was listed for it
function lists.openrouter(dir)
  local self = setmetatable({ models = {} }, Listed)
  self:add_models(dir .. "/openrouter/models.2026-08.rig-cassette.json")
  self:add_models(dir .. "/openrouter/models.2025-12-31.chatlas-cassette.json")
  self:add_history(dir .. "/openrouter/price_change_history.csv")
  self:add_litellm(dir .. "/litellm/model_prices_and_context_window.json")
  self:add_litellm(dir .. "/litellm/model_prices.2025-09-01.json")
  return self.models
end

-- The prices that hold for so long a prompt.
local function step_of(pricing, prompt)
  local step = {}
  for _, o in ipairs(pricing.overrides or {}) do if prompt > o.min_prompt_tokens then step = o end end
  return setmetatable({}, { __index = function(_, key) return step[key] or pricing[key] end })
end

--- What so many tokens cost by a list, in dollars, in floating point: arithmetic of another kind than the gateway's.
-- @tparam table pricing
-- @tparam table u  { prompt, completion, cached, cache_write, reasoning }
function lists.bill(pricing, u)
  local step = step_of(pricing, u.prompt)
  local function price(key, default) return step[key] and tonumber(step[key]) or default end
  local input, output = price("prompt", 0), price("completion", 0)
  local thought = price("internal_reasoning", 0)
  thought = thought > 0 and thought or output
  return price("request", 0) + (u.prompt - u.cached - u.cache_write) * input
    + u.cached * price("input_cache_read", input) + u.cache_write * price("input_cache_write", input)
    + (u.reasoning or 0) * thought + (u.completion - (u.reasoning or 0)) * output
end

-- ---- tables ----

local function cells_of(line)
  local cells, at = {}, 1
  line = line:gsub("\r$", "") .. ","
  while at <= #line do
    cells[#cells + 1], at = line:match(line:sub(at, at) == '"' and '^"(.-)",()' or "^([^,]*),()", at)
  end
  return cells
end

--- The rows of a CSV file, as tables by the names in its first line.
function lists.csv(path)
  local names, rows = nil, {}
  for line in io.lines(path) do
    local cells, row = cells_of(line), {}
    for i, name in ipairs(names or {}) do row[name] = cells[i] end
    if names then rows[#rows + 1] = row else names = cells end
  end
  return rows
end

return lists
