--- tidegate reload: check everything, then have the running gateway read it again.

local core    = require "tidegate.core"
local load    = require "tidegate.app.load"
local running = require "tidegate.app.running"
local serve   = require "tidegate.app.command_serve"

local process = core.process

local command = {
  summary = "check, then have the running gateway read everything again",
  arguments = { "[CONFIG]" },
  options = {
    { name = "pid", value = "N", doc = "this process, where several run under CONFIG" },
  },
  doc = [[
Reads CONFIG (by default what `tidegate serve` would) and its catalogues; on a
mistake says file:line and disturbs nobody. Then finds your `tidegate serve` that
runs under CONFIG, sends it a SIGHUP and waits for its answer. Requests in flight
end as they began. Exit status 1 when it could not be done.]],
}

local PATIENCE_S = 5

local function complain(...)
  io.stderr:write("tidegate reload: ", string.format(...), "\n")
  return 1
end

local function pid_of(given)
  local pid = tonumber(given.pid)
  if given.pid and not (pid and pid >= 1 and pid % 1 == 0 and pid < 2 ^ 31) then
    return nil, "--pid: the number of a process expected, got " .. given.pid
  end
  return pid
end

-- ---- whom to ask ----

local function under(path)
  return path and "under " .. path or "without a configuration file"
end

-- The one with this number, if it runs under this file.
local function named(path, pid)
  local gateway = running.gateway(pid)
  if not gateway then return nil, ("process %d is no `tidegate serve`"):format(pid) end
  if gateway.is_unknown or running.is_under(gateway, path) then return gateway end
  if not gateway.config then
    return nil, ("process %d runs %s; leave CONFIG out, in a directory without tidegate.lua"):format(pid, under(nil))
  end
  return nil, ("process %d runs under %s: tidegate reload %s --pid %d"):format(pid, gateway.shown, gateway.shown, pid)
end

-- Those that run under this file, and those that do not.
local function sorted(path)
  local these, others = {}, {}
  for _, gateway in ipairs(running.all()) do
    local list = running.is_under(gateway, path) and these or others
    list[#list + 1] = gateway
  end
  return these, others
end

local function several(path, gateways)
  local pids = {}
  for i, gateway in ipairs(gateways) do pids[i] = gateway.pid end
  return ("%d processes run %s: %s\nSay which: tidegate reload %s--pid %d"):format(#pids, under(path),
    table.concat(pids, ", "), path and path .. " " or "", pids[1])
end

local function nobody(path, others)
  local out = { ("no `tidegate serve` of yours runs %s"):format(under(path)) }
  for _, gateway in ipairs(others) do
    out[#out + 1] = ("  process %d runs %s"):format(gateway.pid,
      under((gateway.config or gateway.is_unknown) and gateway.shown))
  end
  out[#out + 1] = (others[1] and "Name its CONFIG, or start one: " or "Start one: ")
    .. "tidegate serve" .. (path and " " .. path or "")
  return table.concat(out, "\n")
end

-- ---- what it would read ----

-- With its options and its environment: what they say is not what ours say.
local function read(path, gateway)
  if not gateway then return load.all(path) end
  local environment = process.environment(gateway.pid)
  return load.all(path, serve.overrides_of(gateway.given),
    environment and function(name) return environment[name] end)
end

-- ---- ask ----

local UNASKED = {
  again     = "process %d is still starting: try again",
  not_found = "process %d has ended",
  system    = "process %d belongs to another user: run this as that user",
}

local UNDONE = {
  refused = "it could not, and everything stays as it was: its log says why",
  ending  = "it is about to end, and reloads no more",
  timeout = "no answer within " .. PATIENCE_S .. " seconds: it writes the outcome to its log",
  peer    = "it has ended",
}

local function ask(gateway, settings)
  -- Who is somebody else may be told, but cannot answer.
  local can_answer = process.owner(gateway.pid) == process.user()
  local answer, err = process.ask_reload(gateway.pid, can_answer and PATIENCE_S or 0)
  local outcome = answer or err.code
  if UNASKED[outcome] then return complain(UNASKED[outcome], gateway.pid) end
  io.stdout:write(("asked process %d to reload %s\n"):format(gateway.pid, settings.what))
  if not can_answer then
    io.stdout:write("it writes the outcome to its log\n")
  elseif outcome == "done" then
    io.stdout:write("done: ", load.counts(settings), "\n")
  else
    return complain("%s", UNDONE[outcome] or tostring(err))
  end
end

function command.run(given)
  local pid, why = pid_of(given)
  if why then
    complain("%s", why)
    return 2
  end
  local path, these, others = load.path(given[1]), {}, nil
  if pid then
    these[1], why = named(path, pid)
  else
    these, others = sorted(path)
    why = these[2] and several(path, these)
  end
  if why then return complain("%s", why) end
  local settings, mistakes = read(path, these[1])
  if not settings then return load.complain(mistakes) end
  if not these[1] then return complain("%s", nobody(path, others)) end
  return ask(these[1], settings)
end

return command
