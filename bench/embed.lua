--- What the gateway inside a program costs: time to start, memory when idle, CPU of a request.
--
--     luajit bench/embed.lua [ROUNDS [REQUESTS]]
--
-- A request through client:chat(), the same through core.engine alone, and with libcurl alone
-- (bench/embed_curl.c), in turns against bench/upstream.c. CPU is the whole process's, by
-- getrusage(): the engine's thread counts. LUA_PATH and LUA_CPATH say which module; else build/lua.

package.path = "lua/?.lua;lua/?/init.lua;./?.lua;" .. package.path
package.cpath = os.getenv "LUA_CPATH" and package.cpath or "build/lua/?.so;" .. package.cpath

local ffi    = require "ffi"
local median = require("bench.figures").median

ffi.cdef [[
struct embed_timeval { long s, us; };
struct embed_rusage { struct embed_timeval user, system; long others[14]; };
int getrusage(int who, struct embed_rusage *usage);
]]

local function cpu_us()
  local u = ffi.new "struct embed_rusage"
  ffi.C.getrusage(0, u)
  return tonumber(u.user.s + u.system.s) * 1e6 + tonumber(u.user.us + u.system.us)
end

local function rss_kib()
  for line in io.lines "/proc/self/status" do
    local kib = line:match "^VmRSS:%s*(%d+)"
    if kib then return tonumber(kib) end
  end
end

local REQUEST = { model = "bench/model", max_tokens = 64,
                  messages = { { role = "user", content = "What is the tide?" } } }

local function write(path, text)
  local file = assert(io.open(path, "wb"))
  file:write(text)
  file:close()
end

-- A catalogue of one model at one provider, in a file.
local function config(port)
  local path = os.tmpname()
  write(path, [[{"data":[{"id":"bench/model","name":"Bench","created":1,"context_length":100000,
    "pricing":{"prompt":"0.000001","completion":"0.000002"},
    "endpoints":[{"provider":"bench","upstream_model":"bench"}]}]}]])
  return { catalog = { path }, providers = {
    { slug = "bench", key = "a-key-of-some-length", base_url = ("http://127.0.0.1:%s/v1"):format(port) } } }, path
end

-- ---- what runs in a process of its own ----

local children = {}

-- Microseconds of CPU for each of so many calls, a tenth of them before to get warm.
local function cpu_of(count, fn)
  for _ = 1, count / 10 do fn() end
  local from = cpu_us()
  for _ = 1, count do fn() end
  return (cpu_us() - from) / count
end

function children.chat(port, count)
  local given, path = config(port)
  local c = assert(require "tidegate".client { config = given })
  print(("%.2f"):format(cpu_of(tonumber(count), function() assert(c:chat(REQUEST)) end)))
  c:close()
  os.remove(path)
end

function children.engine(port, count)
  local given, path = config(port)
  local core = require "tidegate.core"
  core.log.level "off"
  local settings = assert(require "tidegate.app.load".all(given, { workers = 2 }))
  local engine = assert(core.engine(settings.snapshot))
  local text = core.json.encode(REQUEST)
  print(("%.2f"):format(cpu_of(tonumber(count), function()
    assert(engine:ask("chat", text))
    while true do
      local id, kind, status = engine:next()
      if kind == "head" then assert(status == 200) end
      if kind == "end" then break end
      if not id then engine:wait() end
    end
  end)))
  engine:close()
  os.remove(path)
end

-- Milliseconds to read the configuration, and to start the engine; KiB of the module, of a client, of
-- its engine when it was idle for a while.
function children.start(port)
  local before = rss_kib()
  local tidegate = require "tidegate"
  local core = require "tidegate.core"
  local now, given, path = core.clock.monotonic, config(port)
  require "tidegate.client"
  local loaded, from = rss_kib(), now()
  local c = assert(tidegate.client { config = given })
  local configured, made = now(), rss_kib()
  assert(c:fd())
  local started = now()
  c:poll(0.3)
  local idle = rss_kib()
  assert(c:chat(REQUEST))
  c:poll(1.5)                                            -- it gives back what the request needed
  collectgarbage()
  print(("%.2f %.2f %d %d %d %d"):format((configured - from) * 1e3, (started - configured) * 1e3,
    loaded - before, made - loaded, idle - made, rss_kib() - loaded))
  c:close()
  os.remove(path)
end

-- ---- what runs them ----

local function output(command)
  local pipe = assert(io.popen(command))
  local text = pipe:read "*a"
  pipe:close()
  return text
end

local function main(rounds, count)
  local dir = output("mktemp -d"):match "%S+"
  local function build(name, more)
    assert(os.execute(("cc -O2 -D_GNU_SOURCE -o %s/%s bench/%s.c %s"):format(dir, name, name, more)) == 0)
  end
  build("upstream", "")
  build("embed_curl", "-lcurl")
  local port = 20000 + os.time() % 20000
  local pid = output(("taskset -c 1 %s/upstream %d >%s/out 2>&1 & echo $!"):format(dir, port, dir)):match "%d+"
  output(("for i in 1 2 3 4 5 6 7 8 9; do grep -q ready %s/out && break; sleep 0.1; done"):format(dir))
  local function child(name)
    return output(("taskset -c 0 luajit bench/embed.lua --child %s %d %d"):format(name, port, count))
  end

  local starts, engines, sizes = {}, {}, nil
  for i = 1, rounds do
    local config_ms, start_ms, rest = child "start":match "(%S+) (%S+) (.*)\n"
    starts[i], engines[i], sizes = tonumber(config_ms), tonumber(start_ms), rest
  end
  local module_kib, client_kib, idle_kib, after_kib = sizes:match "(%d+) (%-?%d+) (%-?%d+) (%-?%d+)"
  print(("start: %.2f ms to read the configuration, %.2f ms for the engine"):format(median(starts), median(engines)))
  print(("memory: %d KiB of code and Lua, %d KiB for a client, %d KiB for its idle engine; after a request %d KiB")
    :format(module_kib, client_kib, idle_kib, after_kib))

  local cost = { chat = {}, engine = {}, curl = {} }
  for i = 1, rounds do
    cost.curl[i] = tonumber(output(("taskset -c 0 %s/embed_curl %d %d"):format(dir, port, count)))
    cost.engine[i] = tonumber(child "engine")
    cost.chat[i] = tonumber(child "chat")
  end
  local curl, engine, chat = median(cost.curl), median(cost.engine), median(cost.chat)
  print(("CPU of a request, %d rounds of %d in turns:"):format(rounds, count))
  print(("  libcurl alone   %6.1f us"):format(curl))
  print(("  core.engine     %6.1f us  %+.1f"):format(engine, engine - curl))
  print(("  client:chat     %6.1f us  %+.1f"):format(chat, chat - curl))
  output("kill " .. pid)
  output("rm -rf " .. dir)
end

if arg[1] == "--child" then
  children[arg[2]](arg[3], arg[4])
else
  main(tonumber(arg[1]) or 5, tonumber(arg[2]) or 5000)
end
