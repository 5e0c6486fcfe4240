--- Processes of a benchmark: start, find, end; what the kernel says about them.

local ffi = require "ffi"

ffi.cdef [[
int kill(int pid, int signal);
int usleep(unsigned us);
struct bench_timespec { long s, ns; };
int clock_gettime(int clock, struct bench_timespec *t);
]]

local process = {}

local TERM, KILL, MONOTONIC = 15, 9, 1

function process.sleep(seconds)
  while seconds > 0 do
    ffi.C.usleep(math.min(seconds, 0.9) * 1e6)
    seconds = seconds - 0.9
  end
end

function process.now()
  local t = ffi.new "struct bench_timespec"
  ffi.C.clock_gettime(MONOTONIC, t)
  return tonumber(t.s) + tonumber(t.ns) / 1e9
end

function process.read(path)
  local f = io.open(path, "rb")
  local text = f and f:read "*a"
  if f then f:close() end
  return text
end

function process.write(path, text)
  local f = assert(io.open(path, "wb"))
  f:write(text)
  f:close()
end

--- The output of a command, without its last newline.
function process.output(command)
  local p = assert(io.popen(command .. " 2>/dev/null", "r"))
  local text = p:read "*a"
  p:close()
  return (text:gsub("%s+$", ""))
end

-- script/bench ends what stands there, should this program be interrupted.
local function remember(pid)
  local f = assert(io.open(process.directory .. "/pids", "a"))
  f:write(pid, "\n")
  f:close()
end

--- Run a command on one CPU. Output is appended, so that a log can be emptied
-- while it is written.
-- @treturn number pid
function process.start(cpu, command, out, err)
  local line = ("exec taskset -c %d %s </dev/null >>%s 2>>%s & echo $!"):format(cpu, command, out, err or out)
  local p = assert(io.popen(line, "r"))
  local pid = assert(tonumber(p:read "*l"))
  p:close()
  remember(pid)
  return pid
end

function process.is_alive(pid)
  local stat = process.read("/proc/" .. pid .. "/stat")
  return stat ~= nil and not stat:find "%) [ZX] "
end

--- The process and its children.
function process.family(pid)
  local pids = { pid }
  local children = process.read(("/proc/%d/task/%d/children"):format(pid, pid)) or ""
  for child in children:gmatch "%d+" do
    pids[#pids + 1] = tonumber(child)
    remember(child)
  end
  return pids
end

function process.stop(pid)
  if not pid or not process.is_alive(pid) then return end
  ffi.C.kill(pid, TERM)
  for _ = 1, 150 do
    if not process.is_alive(pid) then return end
    process.sleep(0.02)
  end
  for _, one in ipairs(process.family(pid)) do ffi.C.kill(one, KILL) end
end

--- Resident memory of the largest of these processes, in KiB.
function process.rss_kib(pids)
  local most = 0
  for _, pid in ipairs(pids) do
    local status = process.read("/proc/" .. pid .. "/status") or ""
    most = math.max(most, tonumber(status:match "VmRSS:%s+(%d+)") or 0)
  end
  return most
end

--- Wait until `done()`; an error that names `what` after so many seconds.
function process.wait(what, seconds, done)
  local limit = process.now() + seconds
  while not done() do
    if process.now() > limit then error(("%s: not within %d s"):format(what, seconds), 0) end
    process.sleep(0.01)
  end
end

return process
