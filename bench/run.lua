--- Measure the contenders beside each other and print one table.
--
-- script/bench runs this. The proxy under test has CPU 0 to itself as far as we
-- can help it; upstream and load share CPU 1. Every cell is run for all
-- contenders in turn, in reversed order every other time; figures are medians,
-- and a ratio is the median of the ratios within each repetition.

package.path = "./?.lua;lua/?.lua;lua/?/init.lua;" .. package.path

local process    = require "bench.process"
local contenders = require "bench.contenders"
local bodies     = require "bench.bodies"
local figures    = require "bench.figures"
local formats    = require "bench.formats"
local policies   = require "bench.policies"
local report     = require "bench.report"

local BUILD = assert(os.getenv "BUILD", "run script/bench")
local WORK  = BUILD .. "/bench"
local PATH  = "/v1/chat/completions"
local ANSWERS = WORK .. "/answers"     -- what the upstream answers in other formats
local PROXY_CPU, LOAD_CPU = 0, 1

process.directory = WORK
package.cpath = BUILD .. "/lua/?.so;" .. package.cpath

-- ---- options ----

local PARTS = { "requests", "streams", "memory", "start", "decide", "policies", "formats" }

local FULL  = { reps = 5, slow_reps = 2, seconds = 2, warm = 0.4, ramp = 4, streams_s = 4, spare_s = 3,
                start_reps = 7, policy_reps = 7, burn_s = 3, format_reps = 5, format_s = 1.5 }
local QUICK = { reps = 1, slow_reps = 1, seconds = 0.8, warm = 0.2, ramp = 1.5, streams_s = 1.5, spare_s = 2,
                start_reps = 3, policy_reps = 3, burn_s = 1.5, format_reps = 2, format_s = 0.5 }

local function usage(message)
  io.stderr:write("script/bench: ", message, "; see script/bench --help\n")
  os.exit(2)
end

local function read_options(args)
  local options = { wanted = {}, effort = FULL }
  local i = 1
  while args[i] do
    if args[i] == "--quick" then
      options.effort = QUICK
    elseif args[i] == "--only" and args[i + 1] then
      i = i + 1
      options.wanted[args[i]] = true
    else
      usage("unknown option " .. args[i])
    end
    i = i + 1
  end
  for part in pairs(options.wanted) do
    if not table.concat(PARTS, " "):find(part, 1, true) then usage("no part " .. part) end
  end
  if not next(options.wanted) then
    for _, part in ipairs(PARTS) do options.wanted[part] = true end
  end
  return options
end

local options = read_options { ... }
local effort = options.effort

-- ---- bodies ----

local BODIES = {
  ["1 KB"]  = bodies.chat(130), ["20 KB"] = bodies.chat(3050),
  paced     = bodies.stream(200, 5),
  many      = bodies.stream(200, 20),
  short     = bodies.stream(20, 5),
  idle      = bodies.stream(200, 20000),
  unread    = bodies.stream(200000, 0),      -- 50 MB
}

local function body_file(name)
  return WORK .. "/" .. name:gsub(" ", "-") .. ".json"
end

-- ---- what is running ----

local base_port = 20000 + tonumber(process.output("echo $PPID")) % 500 * 20
local upstream = { port = base_port }
local running = {}

local function empty_log(c)
  for _, name in ipairs { "requests.log", "log" } do
    local path = c.place.dir .. "/" .. name
    if process.read(path) then process.write(path, "") end
  end
end

local function header_options(c)
  local out = ""
  for _, header in ipairs(c.headers(c.place)) do out = out .. (" --header '%s'"):format(header) end
  return out
end

local function load_command(c, args)
  local line = { c.ahead .. WORK .. "/load", c.place.port, ('"%s"'):format(c.path or PATH) .. header_options(c) }
  if c.pids then line[#line + 1] = "--watch " .. table.concat(c.pids, ",") end
  line[#line + 1] = args
  return table.concat(line, " ")
end

local function run_load(c, args)
  local text = process.output(("taskset -c %d %s"):format(LOAD_CPU, load_command(c, args)))
  local result = figures.read(text)
  if not result.requests then error(("no result from load for %s (%s): %s"):format(c.name, args, text), 0) end
  if result.errors > 0 then
    report.note(("%s: of %d requests %d were refused, %d cut, %d lost (%s)"):format(c.name, result.requests,
      result.refused, result.cut, result.lost, (args:gsub(WORK .. "/", ""))))
  end
  return result
end

local function answers(c)
  local text = process.output(load_command(c, ("--body %s --seconds 0 --warm 0.02"):format(c.body or body_file "1 KB")))
  return text:find '"errors":0' ~= nil and text:find '"requests":0' == nil
end

local function start(c)
  c.pid = process.start(PROXY_CPU, c.ahead .. c.prepare(c.place), c.place.dir .. "/out", c.place.dir .. "/log")
  c.pids = { c.pid }
  running[#running + 1] = c
  process.wait(c.name .. " to answer (see " .. c.place.dir .. "/log)", 20, function()
    return answers(c) or not process.is_alive(c.pid) and error(c.name .. " ended: see " .. c.place.dir .. "/log", 0)
  end)
  c.pids = process.family(c.pid)
end

local function stop(c)
  process.stop(c.pid)
  c.pid, c.pids = nil, nil
end

local function stop_all()
  for _, c in ipairs(running) do stop(c) end
  process.stop(upstream.pid)
end

local is_root = process.output "id -u" == "0"

-- Where it stands; `ahead` is what its command and that of its load begin with.
local function give_place(c, number)
  c.ahead = ""
  c.place = { dir = WORK .. "/" .. c.id, port = base_port + number, upstream = upstream.port, build = BUILD,
              is_root = is_root }
  return c
end

local function prepare()
  os.execute("mkdir -p " .. WORK)
  for name, text in pairs(BODIES) do process.write(body_file(name), text) end
  for i, c in ipairs(contenders.all) do contenders[c.id] = give_place(c, i) end
  if options.wanted.formats then formats.write(ANSWERS) end
  upstream.pid = process.start(LOAD_CPU, ("%s/upstream %d %s"):format(WORK, upstream.port, ANSWERS), WORK .. "/upstream.out")
  contenders.direct = { id = "direct", name = "direct", ahead = "", headers = function() return {} end,
                        place = { port = upstream.port, dir = WORK } }
  process.wait("upstream", 5, function() return answers(contenders.direct) end)
end

-- ---- cells ----

local function list(...)
  local out = {}
  for i, id in ipairs { ... } do out[i] = contenders[id] end
  return out
end

-- Everybody in turn, so many times (usually `effort.reps`): results[id][repetition].
local function alternate(what, who, args, reps)
  local results = {}
  for _, c in ipairs(who) do results[c.id] = {} end
  for rep = 1, reps or effort.reps do
    for i = 1, #who do
      local c = who[rep % 2 == 1 and i or #who + 1 - i]
      if c.id ~= "portkey" or rep <= effort.slow_reps then
        report.progress(what, c.name, rep)
        results[c.id][rep] = run_load(c, args)
        if c.pids then empty_log(c) end
      end
    end
  end
  return results
end

local everybody

local function requests_part(results)
  for _, size in ipairs { "1 KB", "20 KB" } do
    for _, connections in ipairs(size == "1 KB" and { 1, 16, 64, 256 } or { 1, 64, 256 }) do
      results[("%s, %d"):format(size, connections)] = alternate(("%s, %d connections"):format(size, connections),
        everybody, ("--body %s --connections %d --seconds %s --warm %s"):format(body_file(size), connections,
          effort.seconds, effort.warm))
    end
  end
end

local function streams_part(results)
  results.paced = alternate("64 streams, 5 ms", everybody,
    ("--body %s --stream 200 --connections 64 --ramp 1 --warm 1.2 --seconds %s"):format(body_file "paced",
      effort.seconds + 0.5))
  results.many = alternate("1,000 streams, 20 ms", everybody,
    ("--body %s --stream 200 --connections 1000 --ramp %s --warm %s --seconds %s"):format(body_file "many",
      effort.ramp, effort.ramp + 0.2, effort.streams_s))
  results.short = alternate("64 short streams", everybody,
    ("--body %s --stream 20 --connections 64 --ramp 0.2 --warm 0.4 --seconds %s"):format(body_file "short",
      effort.seconds + 0.5))
end

-- ---- memory, and new requests beside open streams ----

local function hold(c, connections)
  local out = WORK .. "/hold.out"
  process.write(out, "")
  local pid = process.start(LOAD_CPU, load_command(c, ("--body %s --stream 200 --hold --connections %d --ramp %s")
    :format(body_file "idle", connections, connections / 2000)), out)
  process.wait(("%d streams open through %s"):format(connections, c.name), 60, function()
    return process.read(out):find "open"
  end)
  process.sleep(0.5)
  return pid
end

local function cpu_per_request(c)
  local r = run_load(c, ("--body %s --connections 64 --seconds %s --warm 0.2"):format(body_file "1 KB", effort.seconds))
  return r.cpu_us / r.requests
end

local function memory_of(c, streams)
  local m = { streams = streams, beside = {} }
  report.progress("memory", c.name, 1)
  start(c)
  process.sleep(0.3)
  m.idle_kib = process.rss_kib(c.pids)
  local function under(body_name, connections)
    return run_load(c, ("--body %s --connections %d --seconds %s"):format(body_file(body_name), connections,
      effort.seconds)).rss_kib
  end
  under("1 KB", 64)
  m.loaded_kib = under("20 KB", 256)
  process.sleep(effort.spare_s)
  m.after_kib = process.rss_kib(c.pids)

  local before = process.rss_kib(c.pids)
  local pid = hold(c, streams)
  m.stream_kib = (process.rss_kib(c.pids) - before) / streams
  process.stop(pid)
  process.sleep(effort.spare_s)
  m.after_streams_kib = process.rss_kib(c.pids)
  if c.id == "portkey" then
    stop(c)
    return m
  end

  for rep = 1, effort.slow_reps do
    local none = cpu_per_request(c)
    local holder = hold(c, streams)
    m.beside[rep] = { none = none, open = cpu_per_request(c) }
    process.stop(holder)
    process.sleep(0.5)
    empty_log(c)
  end
  stop(c)
  start(c)
  local unread = run_load(c, ("--body %s --stream 200000 --unread 3"):format(body_file "unread"))
  m.unread_kib = unread.rss_kib - unread.rss_before_kib
  stop(c)
  return m
end

-- Over TLS: the upstream behind nginx, tidegate trusting its certificate.
local function memory_over_tls(streams)
  local end_ = { dir = WORK .. "/tls", port = base_port + 10, upstream = upstream.port,
                 is_root = is_root }
  os.execute("mkdir -p " .. end_.dir)
  os.execute(("openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 2 -subj /CN=localhost "
    .. "-addext subjectAltName=DNS:localhost -keyout %s/key.pem -out %s/cert.pem 2>/dev/null")
    :format(end_.dir, end_.dir))
  process.write(end_.dir .. "/nginx.conf", contenders.tls_config(end_))
  local nginx = process.start(LOAD_CPU, ("nginx -p %s -c %s/nginx.conf"):format(end_.dir, end_.dir), end_.dir .. "/out")
  process.family(nginx)

  local c = {}
  for key, value in pairs(contenders.tidegate) do c[key] = value end
  c.name = "tidegate over TLS"
  c.place = { dir = WORK .. "/tidegate-tls", port = base_port + 11, upstream = upstream.port, build = BUILD,
              tls = end_.port }
  local prepare_plain = c.prepare
  c.prepare = function(place)
    return ("env SSL_CERT_FILE=%s/cert.pem %s"):format(end_.dir, prepare_plain(place))
  end
  start(c)
  local before = process.rss_kib(c.pids)
  local pid = hold(c, streams)
  local kib = (process.rss_kib(c.pids) - before) / streams
  process.stop(pid)
  stop(c)
  process.stop(nginx)
  return kib
end

local function memory_part(results)
  results.memory = {}
  for _, c in ipairs(list("nginx", "lua", "portkey", "tidegate")) do
    results.memory[c.id] = memory_of(c, c.id == "portkey" and 1000 or 4000)
  end
  results.tls_stream_kib = memory_over_tls(1000)
end

-- ---- start ----

local function start_part(results)
  results.start = {}
  for _, c in ipairs(list("nginx", "lua", "portkey", "tidegate")) do results.start[c.id] = {} end
  for rep = 1, effort.start_reps do
    for _, c in ipairs(list("nginx", "lua", "portkey", "tidegate")) do
      report.progress("start", c.name, rep)
      local text = process.output(("taskset -c %d %s/start %d %s %s%s %s"):format(PROXY_CPU, WORK, c.place.port,
        PATH, body_file "1 KB", header_options(c), c.prepare(c.place)))
      results.start[c.id][rep] = { ready_ms = figures.read(text).ready_ms }
    end
  end
end

local function decide_part(results)
  report.progress("decisions", "tidegate", 1)
  results.decide = figures.read(process.output(("taskset -c %d %s/decide"):format(PROXY_CPU, WORK)))
end

-- ---- policies, formats ----

-- What these parts are given.
local function tools()
  return {
    here = process.output "pwd", work = WORK, build = BUILD, proxy_cpu = PROXY_CPU, load_cpu = LOAD_CPU,
    effort = effort, body_file = body_file, load_command = load_command,
    load = run_load, alternate = alternate, start = start, stop = stop, note = report.note,
    progress = report.progress, empty_log = empty_log,
    upstream_pid = upstream.pid, place = function(c, number) return give_place(c, #contenders.all + 6 + number) end,
  }
end

-- ---- all of it ----

local function main()
  local results, wanted = {}, options.wanted
  prepare()
  everybody = list("direct", "nginx", "lua", "portkey", "tidegate", "keys")
  report.begin(BUILD, base_port)
  if wanted.requests or wanted.streams then
    for _, c in ipairs(contenders.all) do start(c) end
    if wanted.requests then requests_part(results) end
    if wanted.streams then streams_part(results) end
    for _, c in ipairs(contenders.all) do stop(c) end
  end
  if wanted.memory then memory_part(results) end
  if wanted.start then start_part(results) end
  if wanted.decide then decide_part(results) end
  if wanted.policies then policies.measure(results, tools()) end
  if wanted.formats then formats.measure(results, tools()) end
  report.print(results, effort == QUICK)
end

-- What we raise ourselves is said plainly; a mistake in here with where it happened.
local ok, err = xpcall(main, function(e) return tostring(e):find "^bench/" and debug.traceback(e) or e end)
stop_all()
if not ok then
  io.stderr:write("\nscript/bench: ", tostring(err), "\n")
  os.exit(1)
end
