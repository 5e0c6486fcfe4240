--- What the gateway inside nginx costs, beside a bare proxy_pass to the same upstream and beside
-- nginx in front of `tidegate serve`:
--
--     luajit bench/resty.lua [--quick]       after script/bootstrap test; four minutes, or one
--
-- The proxies have CPU 0, upstream and load share CPU 1. Figures are medians over the rounds, in each
-- of which all are asked in turn; CPU time is that of nginx's worker with all its threads, and of
-- `tidegate serve` where there is one. docs/openresty.md has the results.

package.path = "./?.lua;" .. package.path

local process    = require "bench.process"
local bodies     = require "bench.bodies"
local figures    = require "bench.figures"
local contenders = require "bench.contenders"

local ROOT = process.output "pwd"
local BUILD = os.getenv "BUILD" or "build"
if BUILD:sub(1, 1) ~= "/" then BUILD = ROOT .. "/" .. BUILD end
local WORK = BUILD .. "/bench-resty"
local PROXY_CPU, LOAD_CPU = 0, 1
local PORT = 21000 + tonumber(process.output "echo $PPID") % 500 * 20

local QUICK = (...) == "--quick"
local ROUNDS, SECONDS = QUICK and 1 or 5, QUICK and 1 or 3

os.execute("mkdir -p " .. WORK)
process.directory = WORK

-- ---- loads ----

local LOADS = {
  { id = "small",  title = "1 KB body, 64 connections",        body = bodies.chat(130),       args = "--connections 64" },
  { id = "one",    title = "1 KB body, 1 connection",          body = bodies.chat(130),       args = "--connections 1" },
  { id = "large",  title = "20 KB body, 64 connections",       body = bodies.chat(3050),      args = "--connections 64" },
  { id = "stream", title = "64 streams, an event each 5 ms",   body = bodies.stream(200, 5),  args = "--connections 64 --stream 200",
    is_stream = true },
  { id = "many",   title = "1,000 streams, an event each 100 ms", body = bodies.stream(50, 100), is_stream = true,
    args = "--connections 1000 --stream 50 --ramp 1", seconds = QUICK and 6 or 12, warm = 2, rounds = 1 },
}

local function body_file(load)
  return WORK .. "/" .. load.id .. ".json"
end
for _, load in ipairs(LOADS) do process.write(body_file(load), load.body) end

-- ---- the proxies ----

local WITH_LUA = { contenders.LUA_MODULES, [[
  lua_package_path "$ROOT/lua/?.lua;$ROOT/lua/?/init.lua;;";
  lua_package_cpath "$BUILD/lua/?.so;;";
  lua_check_client_abort on;
  init_by_lua_block { require("tidegate.resty").init { config = "$GATE/tidegate.lua", sockets = "$DIR/sockets" } }
  init_worker_by_lua_block { require("tidegate.resty").init_worker() }]], [[
      content_by_lua_block { require("tidegate.resty").proxy() }]] }

local WITH_BALANCER = { WITH_LUA[1], WITH_LUA[2] .. [[

  upstream providers { server 0.0.0.1; balancer_by_lua_block { require("tidegate.resty").balancer() }
    keepalive 1024; keepalive_requests 100000000; }]], contenders.PASS }

-- The configuration that script/bench has for tidegate.
local tidegate = contenders.configured("tidegate", "tidegate", "")
local gate = { dir = WORK .. "/gate", port = PORT + 9, upstream = PORT, build = BUILD }
tidegate.prepare(gate)

local PROXIES = {
  { id = "bare",  name = "proxy_pass", parts = contenders.passing "127.0.0.1:$UPSTREAM" },
  { id = "resty", name = "proxy()", parts = WITH_LUA },
  { id = "native", name = "balancer()", parts = WITH_BALANCER },
  { id = "serve", name = "proxy_pass to serve", parts = contenders.passing "unix:$DIR/tidegate.sock", has_serve = true },
}

local function answers(port)
  return process.output(("curl -s -o %s/answer -w '%%{http_code}' --data-binary @%s http://127.0.0.1:%d/v1/chat/completions")
    :format(WORK, body_file(LOADS[1]), port)) == "200"
end

local function start(p, number)
  local dir, port = WORK .. "/" .. p.id, PORT + number
  p.port = port
  local command = contenders.nginx(p.parts) { dir = dir, port = port, upstream = PORT, root = ROOT, build = BUILD,
    gate = gate.dir, is_root = process.output "id -u" == "0" }
  local pids = {}
  if p.has_serve then
    pids[1] = process.start(PROXY_CPU, ("%s/tidegate serve %s/tidegate.lua --listen unix:%s/tidegate.sock")
      :format(BUILD, gate.dir, dir), dir .. "/out")
    process.wait("the socket file", 10, function() return os.execute(("test -S %s/tidegate.sock"):format(dir)) == 0 end)
  end
  p.started = { pids[1], process.start(PROXY_CPU, command, dir .. "/out") }
  process.wait(p.name .. " to answer (see " .. dir .. ")", 20, function() return answers(port) end)
  for _, pid in ipairs(process.family(p.started[#p.started])) do pids[#pids + 1] = pid end
  p.watch = table.concat(pids, ",")
  p.pids = pids
end

local function stop(p)
  for i = #(p.started or {}), 1, -1 do process.stop(p.started[i]) end
end

-- ---- measuring ----

local function measure(p, load)
  local warm = load.warm or 0.4
  local line = ("taskset -c %d %s/load %d /v1/chat/completions --watch %s --body %s --seconds %g --warm %g %s"):format(
    LOAD_CPU, WORK, p.port, p.watch, body_file(load), load.seconds or SECONDS, warm, load.args)
  local r = figures.read(process.output(line))
  assert(r.requests, "no result: " .. line)
  r.per = r.cpu_us / (load.is_stream and r.events or r.requests)
  return r
end

local function of(results, name)
  local values = {}
  for i, r in ipairs(results) do values[i] = r[name] or 0 end
  return figures.median(values)
end

local function show(load, results)
  print(("\n%s"):format(load.title))
  print(("  %-22s %14s %10s %12s %12s %8s %10s"):format("", load.is_stream and "CPU us/event" or "CPU us/request", "to bare",
    "p50 us", "p99 us", "errors", "RSS KiB"))
  local bare = of(results.bare, "per")
  for _, p in ipairs(PROXIES) do
    local r = results[p.id]
    local kind = load.is_stream and "first_byte" or "latency"
    print(("  %-22s %14.1f %9.2fx %12.0f %12.0f %8d %10d"):format(p.name, of(r, "per"), of(r, "per") / bare,
      of(r, kind .. "_p50_us"), of(r, kind .. "_p99_us"), of(r, "errors"), of(r, "rss_kib")))
  end
end

local function build(name)
  assert(os.execute(("gcc -std=gnu11 -D_GNU_SOURCE -O2 -Wall -Wextra bench/%s.c -o %s/%s"):format(name, WORK, name)) == 0)
end

local function main()
  build "load"
  build "upstream"
  local upstream = process.start(LOAD_CPU, ("%s/upstream %d"):format(WORK, PORT), WORK .. "/upstream.out")
  local ok, why = pcall(function()
    for i, p in ipairs(PROXIES) do start(p, i) end
    print(("nginx %s, %s, %s rounds of %g s; RSS idle, KiB: %s"):format(process.output "nginx -v 2>&1 | sed s:.*/::", process.output "uname -sr",
      ROUNDS, SECONDS, (function()
        local out = {}
        for i, p in ipairs(PROXIES) do out[i] = p.name .. " " .. process.rss_kib(p.pids) end
        return table.concat(out, ", ")
      end)()))
    for _, load in ipairs(LOADS) do
      local results = {}
      for round = 1, load.rounds or ROUNDS do
        for i = 1, #PROXIES do
          local p = PROXIES[round % 2 == 1 and i or #PROXIES + 1 - i]
          results[p.id] = results[p.id] or {}
          table.insert(results[p.id], measure(p, load))
        end
      end
      show(load, results)
    end
  end)
  for _, p in ipairs(PROXIES) do stop(p) end
  process.stop(upstream)
  if not ok then error(why, 0) end
end

main()
