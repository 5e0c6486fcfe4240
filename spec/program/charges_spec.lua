--- Money: charges that providers reported, told to clients as they were; and what the lists of their time make of the
-- same tokens here.

package.path = "spec/support/?.lua;" .. package.path

local cjson   = require "cjson.safe"
local answers = require "usage_answers"
local lists   = require "price_lists"
local scene   = require "scene"
local world   = require "price_world"

local dir = scene.data "catalogs"
if not dir then return end

-- ---- the lists ----

local genai = lists.genai(dir .. "/genai-prices/data.json")
local openrouter = lists.openrouter(dir)

local FREE = { prompt = "0", completion = "0" }

-- Perplexity's fee for a request with a search context of low size (https://docs.perplexity.ai/guides/pricing).
local PERPLEXITY = {
  sonar = { prompt = "1e-6", completion = "1e-6", request = "0.005" },
  ["sonar-pro"] = { prompt = "3e-6", completion = "15e-6", request = "0.006" },
  ["sonar-reasoning-pro"] = { prompt = "2e-6", completion = "8e-6", request = "0.006" },
  ["pplx-embed-v1-0.6b"] = { prompt = "0.004e-6", completion = "0" },
}

-- All prices that were ever listed for a row's model.
local LISTED = {
  openrouter = function(model)
    local all = { model:find ":free$" and FREE or nil }
    for _, name in ipairs { model, (model:gsub(":.*", "")) } do
      for _, pricing in ipairs(openrouter[name] or {}) do all[#all + 1] = pricing end
    end
    for _, slug in ipairs { "openrouter", "openai", "voyageai" } do all[#all + 1] = genai:pricing(slug, model) end
    return all
  end,
  xai = function(model) return { genai:pricing("x-ai", (model:gsub("%-high$", ""))) } end,      -- the effort is no name
  perplexity = function(model) return { PERPLEXITY[model] } end,
  ["vercel-gateway"] = function(model) return { genai:pricing(model:match "^([^/]+)/(.+)") } end,
}

-- ---- a row as its provider told it ----

local FORMATS = { chat = "chat", responses = "responses", embeddings = "embeddings", rerank = "rerank" }

local function counts_of(row)
  local function count(name) return tonumber(row[name]) or 0 end
  local c = { prompt = count "prompt_tokens", completion = count "completion_tokens", cached = count "cached_tokens",
              cache_write = count "cache_write_tokens", reasoning = count "reasoning_tokens" }
  -- Who counts thoughts beside the answer: xAI in chats, Vercel's gateway where they are more than it.
  c.is_beside = row.gateway_or_provider == "xai" and row.api == "chat" or c.reasoning > c.completion
  return c
end

local USAGES = {
  chat = function(c)
    return {
      prompt_tokens = c.prompt, completion_tokens = c.completion,
      total_tokens = c.prompt + c.completion + (c.is_beside and c.reasoning or 0),
      prompt_tokens_details = { cached_tokens = c.cached, cache_write_tokens = c.cache_write },
      completion_tokens_details = { reasoning_tokens = c.reasoning },
    }
  end,
  responses = function(c)
    return { input_tokens = c.prompt, output_tokens = c.completion, total_tokens = c.prompt + c.completion,
             input_tokens_details = { cached_tokens = c.cached }, output_tokens_details = { reasoning_tokens = c.reasoning } }
  end,
  embeddings = function(c) return { prompt_tokens = c.prompt, total_tokens = c.prompt } end,
  rerank = function(c) return { total_tokens = c.prompt } end,
}

-- The members in which a provider tells its charge.
local CHARGES = {
  openrouter = function(row)
    return { cost = row.cost_usd, is_byok = row.is_byok == "True",
             cost_details = row.upstream_cost_usd ~= "" and { upstream_inference_cost = row.upstream_cost_usd } or nil }
  end,
  xai = function(row) return { cost_in_usd_ticks = ("%.0f"):format(row.cost_usd * 1e10) } end,
  perplexity = function(row) return { cost = { total_cost = row.cost_usd, currency = "USD" } } end,
  ["vercel-gateway"] = function(row) return { cost = row.cost_usd } end,
}

-- Amounts are numbers, in the row's own digits.
local function encoded(usage)
  return (cjson.encode(usage):gsub('"([%d.]+[%d.eE+-]*)"', "%1"))
end

-- ---- does a list give the charge? ----

local ROUNDED = { perplexity = 10000 }        -- charges are told in whole 1e-5 dollars, part by part

local function is_same(row, nano) return math.abs(nano - row.nano) <= (ROUNDED[row.gateway_or_provider] or 0) end

local function billed(row, pricing)
  local c = row.counts
  return lists.nano_of(lists.bill(pricing, { prompt = c.prompt, cached = c.cached, cache_write = c.cache_write,
    completion = c.completion + (c.is_beside and c.reasoning or 0), reasoning = c.reasoning }))
end

-- The listed prices that come nearest to the charge, and how near: a share of it.
local function nearest(row)
  local best, least = nil, math.huge
  for _, pricing in ipairs(LISTED[row.gateway_or_provider](row.model)) do
    local off = math.abs(billed(row, pricing) - row.nano)
    if off < least then best, least = pricing, off end
  end
  return best, least / math.max(row.nano, 1)
end

-- Why no list's price is the charge.
local REASONS = {
  { "paid by the caller's own key: the charge is a fee", function(row) return row.is_byok == "True" end },
  { "part of the prompt was sound, and the row does not say how much", function(row) return row.image_or_audio == "True" end },
  { "a search was charged for besides, and is not counted",
    function(row)
      local beyond = row.pricing and row.nano - billed(row, row.pricing)
      return (tonumber(row.upstream_cost_usd) or math.huge) < tonumber(row.cost_usd) * 0.98
        or row.gateway_or_provider == "xai" and beyond == 5000000       -- https://docs.x.ai/docs/models, tools: $5 / 1,000
    end },
  { "told in whole thousandths of a dollar, which are too coarse",
    function(row) return row.gateway_or_provider == "perplexity" and row.nano % 1000000 == 0 end },
  { "an empty answer was free", function(row) return row.nano == 0 and row.counts.completion == 0 end },
  { "no list has the model", function(row) return not row.pricing end },
  { "less than 2 % off: an endpoint whose price is not the model's, or an older one", function(row) return row.off < 0.02 end },
  { "more than 2 % off: an endpoint whose price is not the model's, or an older one", function() return true end },
}

local function reason_of(row)
  for _, r in ipairs(REASONS) do if r[2](row) then return r[1] end end
end

-- ---- all of it ----

local DEAR = { prompt = "0.001", completion = "0.001" }       -- so that no charge is beyond what can be

local function wire_of(format) return format == "responses" and "openai-responses" or "openai-chat" end

local function plan()
  local p = { models = world.models(), listed = {}, told = {}, all = {}, reasons = {}, absent = 0, rows = 0 }
  local function add(list, row, pricing, charge)
    local usage = USAGES[row.format](row.counts)
    for k, v in pairs(charge or {}) do usage[k] = v end
    local job = { name = row.gateway_or_provider .. ", " .. row.model, row = row, usage = encoded(usage),
                  format = answers[row.format], model = p.models:id(wire_of(row.format), pricing) }
    list[#list + 1], p.all[#p.all + 1] = job, job
  end
  for _, row in ipairs(lists.csv(dir .. "/observed_costs.csv")) do
    p.rows = p.rows + 1
    row.format = FORMATS[row.api]
    if not row.format or not LISTED[row.gateway_or_provider] then
      p.absent = p.absent + 1
    else
      row.counts, row.nano = counts_of(row), lists.nano(row.cost_usd)
      row.pricing, row.off = nearest(row)
      local is_listed = row.pricing and is_same(row, billed(row, row.pricing))
      if is_listed then add(p.listed, row, row.pricing) else p.reasons[row] = reason_of(row) end
      add(p.told, row, is_listed and row.pricing or DEAR, CHARGES[row.gateway_or_provider](row))
    end
  end
  return p
end

local function tally(list, label_of)
  local counts, lines = {}, {}
  for key, value in pairs(list) do
    local label = label_of(key, value)
    counts[label] = (counts[label] or 0) + 1
  end
  for label, count in pairs(counts) do lines[#lines + 1] = ("  %4d  %s\n"):format(count, label) end
  table.sort(lines)
  return table.concat(lines)
end

describe("a charge that a provider reported", function()
  local p = plan()

  setup(function() world.ask_all(p.all, p.models) end)

  it(("is what the client is told (%d)"):format(#p.told), function()
    for _, job in ipairs(p.told) do
      local row = job.row
      local want = row.nano + (row.is_byok == "True" and lists.nano(row.upstream_cost_usd) or 0)
      assert(job.nano == want, world.says(job, want))
    end
  end)

  it(("is what the listed prices make of the same tokens, where they do (%d)"):format(#p.listed), function()
    for _, job in ipairs(p.listed) do assert(is_same(job.row, job.nano or -1), world.says(job, job.row.nano)) end
    assert.is_true(#p.listed > 0.8 * #p.told)
  end)

  teardown(function()
    io.stderr:write(("\nobserved charges: %d rows, %d passed on, %d reproduced from lists, %d not of an API served here\n"):format(
      p.rows, #p.told, #p.listed, p.absent))
    io.stderr:write(tally(p.listed, function(_, job) return job.row.gateway_or_provider .. ": reproduced" end))
    io.stderr:write(tally(p.reasons, function(row, why) return row.gateway_or_provider .. ": " .. why end))
  end)
end)
