--- Routing policies under test, in plain Lua: LuaJIT, 5.1, 5.3 and 5.4, without the gateway.
--
--     local t = require "tidegate.testing"
--     local p = t.load "policies/cheap.lua"
--     local ranked, dropped = p:rank({ stream = true }, {
--       t.endpoint { id = "a", price = { prompt = 0.1 } },
--       t.endpoint { id = "b", latency = { p50 = 3 } },
--     })
--     assert.same({ "a" }, ranked)
--     assert.equal("too slow", dropped.b)
--
-- docs/lua/testing.md has it all. What the policy remembers and the time are one for all policies,
-- as in the gateway: t.reset() forgets everything.

local decide        = require "tidegate.policy.decide"
local hooks         = require "tidegate.policy.hooks"
local load          = require "tidegate.policy.load"
local plain_backend = require "tidegate.policy.backend"
local prelude       = require "tidegate.policy.prelude"
local sample        = require "tidegate.policy.sample"
local schema        = require "tidegate.policy.schema"

local testing = {}

-- ---- the world that policies share ----

local START = 1767225600                                 -- 2026-01-01 00:00 UTC, when nothing else is said
local world = { now = START, entries = {}, lines = {} }

--- The fake tidegate.kv: `get`, `set`, `incr` as policies have them, and `clear`.
testing.kv = prelude.kv(world)

function testing.kv.clear()
  world.entries = {}
end

--- Set the time of requests and of kv, Unix seconds; without an argument only tell it.
-- @treturn number
function testing.now(seconds)
  if seconds ~= nil then world.now = seconds end
  return world.now
end

--- The lines of tidegate.log() so far.
-- @treturn table
function testing.logged()
  local lines = {}
  for i, line in ipairs(world.lines) do lines[i] = line end
  return lines
end

--- Forget what kv holds and what was logged, and set the time back.
function testing.reset()
  world.now, world.entries, world.lines = START, {}, {}
end

-- ---- what policies are asked about ----

-- Called by what tests call, and never in its tail: the error is told at the test's line.
local function sure(what, value, why)
  if value == nil then error(("%s: %s"):format(what, why), 3) end
  return value
end

--- An endpoint with nothing wrong with it, but for what is given.
function testing.endpoint(given)
  local endpoint = sure("endpoint", sample.endpoint(given or {}))
  return endpoint
end

--- A request, likewise.
function testing.request(given)
  local request = sure("request", sample.request(given or {}, world.now))
  return request
end

-- ---- names of models ----

local SUFFIXES = { nitro = { "throughput", "priority" }, floor = { "price", "flex" }, exacto = { "exacto" } }

-- "a/b:nitro@policy/x" is a/b and what its suffixes ask for.
local function parsed(asked)
  local suffix = { tiers = {} }
  local name = asked:gsub("@policy/[^:]*", ""):gsub(":(%w+)", function(word)
    local means = SUFFIXES[word]
    if not means then return nil end
    suffix.sort = means[1]
    suffix.tiers[#suffix.tiers + 1] = means[2]
    return ""
  end)
  return name, suffix
end

-- All names, each once: of the request, else of the endpoints; then those of the policy.
local function asked_models(request, endpoints, policys)
  local own = { request.model }
  for _, name in ipairs(request.models or {}) do own[#own + 1] = name end
  if not own[1] then
    for _, endpoint in ipairs(endpoints) do own[#own + 1] = endpoint.model end
  end
  if not own[1] then own[1] = "test/model" end
  local models, suffixes, seen = {}, {}, {}
  local function add(asked)
    local name, suffix = parsed(asked)
    if seen[name] then return end
    seen[name] = true
    models[#models + 1], suffixes[#suffixes + 1] = name, suffix
  end
  for _, asked in ipairs(own) do add(asked) end
  local count = #models
  for _, asked in ipairs(policys or {}) do add(asked) end
  return models, suffixes, count
end

-- What decide() is told: the request that hooks see, and the rest.
local function asks_of(request, endpoints, policys)
  local models, suffixes, count = asked_models(request, endpoints, policys)
  local seen = {}
  for _, field in ipairs(schema.request) do seen[field.name] = request[field.name] end
  seen.model, seen.models = models[1], {}
  for i = 1, count do seen.models[i] = models[i] end
  local parameters = { request.tools and "tools" or nil }
  if request.max_tokens then parameters[#parameters + 1] = "max_tokens" end
  for _, name in ipairs(request.parameters) do parameters[#parameters + 1] = name end
  return { request = seen, provider = request.provider, parameters = parameters, models = models, suffixes = suffixes,
           seed = request.seed }
end

-- Endpoints without a model are of the first; names tell them apart, and every model is asked for.
local function check_endpoints(endpoints, models)
  local known, ids = {}, {}
  for _, model in ipairs(models) do known[model] = true end
  for _, endpoint in ipairs(endpoints) do
    endpoint.model = endpoint.model or models[1]
    if ids[endpoint.id] then return nil, ("there are two endpoints with the id %s"):format(endpoint.id) end
    ids[endpoint.id] = true
    if not known[endpoint.model] then
      return nil, ("endpoint %s is of the model %s, which neither the request nor the policy names"):format(
        endpoint.id, endpoint.model)
    end
  end
  return true
end

-- ---- policies ----

local policy_mt = { __name = "tidegate.testing.policy" }
policy_mt.__index = policy_mt

--- Decide.
-- @tparam ?table request  as of testing.request(); may be a plain table
-- @tparam table endpoints  a list, as of testing.endpoint(); may be plain tables
-- @treturn table  ids in the order to try
-- @treturn table  of the others, id -> why not: the gateway's word, or the filter's own
-- @treturn table  to each of the first: { id, model, place, base, score }
function policy_mt:rank(request, endpoints)
  request = sure("request", sample.request(request or {}, world.now))
  local full = {}
  for i, endpoint in ipairs(endpoints) do full[i] = sure("endpoint " .. i, sample.endpoint(endpoint)) end
  local asks = asks_of(request, full, self.policy.value.models)
  sure("rank", check_endpoints(full, asks.models))
  local ranked, dropped = decide(self.policy, asks, full)
  local ids, details = {}, {}
  for i, candidate in ipairs(ranked) do
    ids[i] = candidate.endpoint.id
    details[i] = { id = candidate.endpoint.id, model = candidate.endpoint.model, place = candidate.place,
                   base = candidate.base, score = candidate.score }
  end
  return ids, dropped, details
end

-- A hook is called for an attempt: its chance differs from that of the decision.
local function seen_by(policy, request, attempt)
  policy:seed(request.seed + attempt.number)
  return asks_of(request, {}, nil).request
end

--- Ask on_error.
-- @tparam ?table err  { status, type, message, retry_after }; what is missing is filled in
-- @tparam ?table attempt  { number, provider, endpoint, model, elapsed }
-- @tparam ?table request
-- @treturn ?string  "next", "retry", "stop"; nil when it has no opinion, or is not there
function policy_mt:on_error(err, attempt, request)
  request = sure("request", sample.request(request or {}, world.now))
  err = sure("err", sample.error(err))
  attempt = sure("attempt", sample.attempt(attempt, asked_models(request, {}, nil)[1]))
  if not self.policy:has "on_error" then return nil end
  return hooks.on_error(self.policy, seen_by(self.policy, request, attempt), err, attempt)
end

--- Tell on_response.
-- @tparam ?table response  { status, ttft, duration, tokens, ... }; what is missing is filled in
-- @tparam ?table attempt
-- @tparam ?table request
function policy_mt:on_response(response, attempt, request)
  request = sure("request", sample.request(request or {}, world.now))
  response = sure("response", sample.response(response, request.stream))
  attempt = sure("attempt", sample.attempt(attempt, asked_models(request, {}, nil)[1]))
  if not self.policy:has "on_response" then return end
  hooks.on_response(self.policy, seen_by(self.policy, request, attempt), response, attempt)
end

-- ---- loading ----

local function read(path)
  local file = io.open(path, "rb")
  if not file then return nil end
  local text = file:read("*a")
  file:close()
  return text
end

-- The directory of the file from which a function of this module was called.
local function directory_of_caller()
  local level = 3
  local caller = debug.getinfo(level, "S")
  while caller.what == "tail" do                         -- how Lua 5.1 tells of what a tail call replaced
    level = level + 1
    caller = debug.getinfo(level, "S")
  end
  return caller.source:match("^@(.*/)") or ""
end

--- Load a policy. What is wrong with it is raised as "file:line: what".
-- @tparam string path  from where the tests run, or from the spec that calls this
-- @tparam ?table options  `backend`: what runs it (policy/backend.lua); `text`: what the file holds
-- @treturn policy  with `rank`, `on_error`, `on_response`, its `name`, and the `path` where it was found
function testing.load(path, options)
  options = options or {}
  local text = options.text or read(path)
  if not text then
    local beside_spec = directory_of_caller() .. path
    text = read(beside_spec)
    if not text then error("there is no file " .. path, 0) end
    path = beside_spec
  end
  local directory = path:match("^(.*/)[^/]*$") or ""
  local function beside(name)
    local called = directory .. name:gsub("%.", "/") .. ".lua"
    return read(called), called
  end
  local policy, why = load({ text = text, called = path, beside = beside }, options.backend or plain_backend, world)
  if not policy then error(why, 0) end
  return setmetatable({ policy = policy, name = policy.value.name, path = path }, policy_mt)
end

return testing
