--- How long decisions under a policy take, and where the time goes.
--
--     local result = policy_bench.run("policies/cheap.lua", { endpoints = 20 })
--
-- It is the code that decides in production, over a model with so many endpoints, or over a
-- configuration's own.

local core      = require "tidegate.core"
local config    = require "tidegate.app.config"
local policies  = require "tidegate.app.policies"
local read_file = require "tidegate.base.read_file"

local unpack = rawget(_G, "unpack") or rawget(table, "unpack")

local policy_bench = {}

local MODEL = "bench/model"
local BODY = '{"model":"' .. MODEL .. '","stream":true,"max_tokens":500,"user":"bench","messages":'
  .. '[{"role":"user","content":"How long does a decision take?"}]}'

-- ---- a world of its own ----

local function endpoints(count)
  local list = {}
  for i = 1, count do
    list[i] = {
      provider = "provider-" .. i, upstream_model = "model", quantization = i % 2 == 0 and "fp8" or "bf16",
      pricing = { prompt = ("%.8f"):format(i * 1e-7), completion = ("%.8f"):format(i * 4e-7) },
    }
  end
  return core.json.array(list)
end

-- A model of the policy's own list must be there, too.
local function models(count, more)
  local list = {}
  for i, id in ipairs { MODEL, unpack(more or {}) } do
    list[i] = { id = id, name = id, context_length = 131072, endpoints = endpoints(count) }
  end
  return core.json.encode { data = core.json.array(list) }
end

local function invented(count, more)
  local providers = {}
  for i = 1, count do
    providers[i] = { slug = "provider-" .. i, base_url = "http://127.0.0.1:9/v1", key = false,
                     data_collection = "deny", zdr = true, region = "eu" }
  end
  local settings, err = config.load { auth = "none", providers = providers, catalog = {} }
  if not settings then return nil, err end
  local catalog = assert(core.catalog.new(settings.providers))
  local ok
  ok, err = catalog:add(models(count, more), "bench")
  if not ok then return nil, err end
  assert(catalog:seal())
  return settings, catalog
end

-- ---- an operator's ----

local function configured(path)
  local settings, err = config.load(path)
  if not settings then return nil, err end
  local catalog, mistakes = config.catalog(settings)
  if not catalog then return nil, mistakes[1] end
  return settings, catalog
end

-- ---- one run ----

--- @tparam string path  the policy's file
-- @tparam table options  `endpoints` (how many), or `config` and `request` (paths); `seconds`
-- @treturn ?table  nanoseconds, as core.policy_bench() gives them
-- @treturn ?error
function policy_bench.run(path, options)
  local policy, err = policies.read("bench", path)
  if not policy then return nil, err end
  local body = BODY
  if options.request then
    body, err = read_file(options.request)
    if not body then return nil, err end
  end
  local settings, catalog
  if options.config then
    settings, catalog = configured(options.config)
  else
    settings, catalog = invented(options.endpoints, policy:models())
  end
  if not settings then return nil, catalog end
  settings.keys = {}                     -- theirs are other policies
  settings.default_policy = "bench"
  local snapshot
  snapshot, err = config.snapshot(settings, catalog, { policy })
  if not snapshot then return nil, err end
  return core.policy_bench(snapshot, body, { policy = "bench", seconds = options.seconds or 0.3 })
end

-- ---- told ----

local STEPS = { "data", "filter", "score", "order" }

local function us(ns)
  return ("%8.2f us"):format(ns / 1000)
end

--- The result as lines for people.
function policy_bench.told(path, result)
  local out = {
    ("%s: %.2f us a decision over %d endpoints (%d decisions timed)"):format(path, result.order / 1000,
      result.candidates, result.decisions),
    ("  %-9s %s"):format("built-in", us(result.built_in)),
  }
  local before = result.built_in
  for _, step in ipairs(STEPS) do
    out[#out + 1] = ("  + %-7s %s"):format(step, us(math.max(0, result[step] - before)))
    before = result[step]
  end
  out[#out + 1] = ("  %-9s %s, once for each endpoint"):format("first", us(result.first))
  return table.concat(out, "\n") .. "\n"
end

return policy_bench
