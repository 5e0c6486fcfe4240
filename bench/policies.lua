--- What policies cost: a decision, a request, the requests of others, memory.
--
--     policies.measure(results, run)
--
-- `run` is what run.lua offers: files, effort, and how to start and load a gateway.

local process    = require "bench.process"
local contenders = require "bench.contenders"
local bodies     = require "bench.bodies"
local figures    = require "bench.figures"

local policies = {}

local ENGINES, LOADED = 2, 50
local CONNECTIONS, RATE = 16, 2000     -- of the ordinary requests, and as much again of the others
local BURN_TRIED = 2000                -- times around a loop: far below every limit

--- By id, in the order of the table's columns.
policies.KINDS = { "none", "data", "hooks", "whole" }
policies.SIZES = { 5, 20 }

--- What stands beside the ordinary requests: a hook that burns so many milliseconds on each.
policies.BURNS = {
  { id = "none" },
  { id = "loops",   hook = "order" },
  { id = "long",    hook = "order",       ms = 1.5 },
  { id = "short",   hook = "order",       ms = 0.9 },
  { id = "tiny",    hook = "order",       ms = 0.045 },
  { id = "answers", hook = "on_response", ms = 1.5 },
}

-- ---- files ----

local function path_of(run, kind)
  if kind == "hooks" then return run.here .. "/bench/policy.lua" end
  if kind == "whole" then return run.here .. "/bench/policy_whole.lua" end
  return ("%s/policy-%s.lua"):format(run.work, kind)
end

local function bench(run, path, endpoints)
  local text = process.output(("taskset -c %d %s/tidegate policy bench %s --json --endpoints %d")
    :format(run.proxy_cpu, run.build, path, endpoints))
  local result = figures.read(text)
  if not result.decisions then error("no result from tidegate policy bench " .. path .. ": " .. text, 0) end
  return result
end

local function write_burn(run, burn, rounds)
  local loop = rounds and ("for _ = 1, %d do end"):format(rounds) or "while true do end"
  local path = path_of(run, burn.id)
  process.write(path, ("return { %s = function() %s end }\n"):format(burn.hook, loop))
  return path
end

-- How often a loop goes around in a millisecond: the sandbox has no clock.
local function rounds_in_a_ms(run)
  local path = write_burn(run, { id = "tried", hook = "order" }, BURN_TRIED)
  local result = bench(run, path, 1)
  return BURN_TRIED / (result.order - result.score) * 1e6
end

local function write_files(run)
  local rounds = rounds_in_a_ms(run)
  process.write(path_of(run, "data"), process.output(run.build .. "/tidegate policy show nitro") .. "\n")
  for _, burn in ipairs(policies.BURNS) do
    if burn.hook then write_burn(run, burn, burn.ms and math.floor(burn.ms * rounds)) end
  end
end

-- ---- decisions ----

local function decisions(results, run)
  results.policy_decisions = {}
  for rep = 1, run.effort.reps + 2 do
    for _, size in ipairs(policies.SIZES) do
      for _, kind in ipairs(policies.KINDS) do
        if kind ~= "none" then
          run.progress("decisions", kind, rep)
          local key = ("%s, %d"):format(kind, size)
          local list = results.policy_decisions[key] or {}
          results.policy_decisions[key] = list
          list[rep] = bench(run, path_of(run, kind), size)
        end
      end
    end
  end
end

-- ---- requests ----

local function requests(results, run)
  local who = {}
  for i, kind in ipairs(policies.KINDS) do
    local line = kind ~= "none" and ('policy = "%s"'):format(path_of(run, kind)) or nil
    who[i] = run.place(contenders.configured(kind, "tidegate, policy " .. kind, line), i)
    run.start(who[i])
  end
  local reps = run.effort.policy_reps
  results.policy_requests = run.alternate("1 KB, 64 connections, policies", who,
    ("--body %s --connections 64 --seconds %s --warm %s"):format(run.body_file "1 KB", run.effort.seconds,
      run.effort.warm), reps)
  for _, c in ipairs(who) do run.stop(c) end
end

-- ---- the requests of others ----

-- A millisecond more or less is told on a machine that others use only if they wait: a real-time
-- priority, where that is allowed. At this rate there is much time left for them.
local function go_ahead(run, c)
  if process.output "chrt -f 1 echo yes" ~= "yes" then
    run.note "no right to a real-time priority: p99 beside policies that burn is the machine's as much as ours"
    return
  end
  c.ahead = "chrt -f 1 "
  process.output("chrt -f -p 1 " .. run.upstream_pid)
end

local function fall_back(run)
  process.output("chrt -o -p 0 " .. run.upstream_pid)
end

local function burning(run)
  local lines = {}
  for _, burn in ipairs(policies.BURNS) do
    if burn.hook then lines[#lines + 1] = ('%s = "%s"'):format(burn.id, path_of(run, burn.id)) end
  end
  return contenders.configured("burning", "tidegate, policies that burn",
    ("policies = { %s }"):format(table.concat(lines, ", ")))
end

-- Each time in a new process, where no breaker is open yet. The others begin when the ordinary
-- requests have been measured for a moment, so that what it takes to open the breaker counts.
local function beside(run, c, burn)
  local seconds = run.effort.burn_s
  local out = run.work .. "/others.out"
  run.start(c)
  process.write(out, "")
  local pid = process.start(run.load_cpu, ("sh -c 'sleep 0.5; exec %s'"):format(run.load_command(c,
    ("--body %s --connections %d --rate %d --warm 0 --seconds %s"):format(run.body_file(burn.id), CONNECTIONS, RATE,
      seconds))), out)
  local result = run.load(c, ("--body %s --connections %d --rate %d --warm 0.4 --seconds %s")
    :format(run.body_file "none", CONNECTIONS, RATE, seconds))
  process.wait("the load beside", 20, function() return process.read(out):find "}" end)
  local others = figures.read(process.read(out))
  if others.errors > 0 then
    run.note(("beside %s: of %d requests %d failed"):format(burn.id, others.requests, others.errors))
  end
  result.others_p99_us = others.latency_p99_us
  process.stop(pid)
  run.stop(c)
  return result
end

local function requests_of_others(results, run)
  local c = run.place(burning(run), #policies.KINDS + 1)
  go_ahead(run, c)
  results.policy_burns = {}
  for _, burn in ipairs(policies.BURNS) do
    results.policy_burns[burn.id] = {}
    process.write(run.body_file(burn.id), bodies.chat(130, burn.hook and ('"policy":"%s",'):format(burn.id)))
  end
  for rep = 1, run.effort.policy_reps do
    for i = 1, #policies.BURNS do
      local burn = policies.BURNS[rep % 2 == 1 and i or #policies.BURNS + 1 - i]
      run.progress("requests beside a policy", burn.id, rep)
      results.policy_burns[burn.id][rep] = beside(run, c, burn)
    end
  end
  fall_back(run)
end

-- ---- memory ----

local function rss_kib(run, c)
  run.start(c)
  process.sleep(0.3)
  local kib = process.rss_kib(c.pids)
  run.stop(c)
  return kib
end

-- KiB of one more policy in one engine, before any request has asked it.
local function memory(results, run)
  local names = {}
  for i = 1, LOADED do names[i] = ('p%d = "%s"'):format(i, path_of(run, "hooks")) end
  local loaded = run.place(contenders.configured("loaded", "tidegate, policies loaded",
    ("policies = { %s }"):format(table.concat(names, ", ")), ENGINES), #policies.KINDS + 1)
  local bare = run.place(contenders.configured("bare", "tidegate, two engines", nil, ENGINES), #policies.KINDS + 1)
  results.policy_kib = (rss_kib(run, loaded) - rss_kib(run, bare)) / (LOADED * ENGINES)
end

--- All of it, into `results`: policy_decisions, policy_requests, policy_burns, policy_kib.
function policies.measure(results, run)
  write_files(run)
  decisions(results, run)
  requests(results, run)
  requests_of_others(results, run)
  memory(results, run)
end

return policies
