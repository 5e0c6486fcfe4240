--- tidegate explain: the decision for one request, without asking anybody.

local core      = require "tidegate.core"
local load      = require "tidegate.app.load"
local read_file = require "tidegate.base.read_file"

local command = {
  summary = "show where a request would go, and why",
  arguments = { "[CONFIG]" },
  options = {
    { name = "request", value = "FILE", doc = "a request body as JSON; - is standard input" },
    { name = "seed", value = "N", doc = "of the random draws; the same seed, the same order (default 1)" },
    { name = "key", value = "NAME", doc = "as who holds this key of the configuration: its policy" },
    { name = "policy", value = "NAME", doc = "under this policy, whoever asks" },
    { name = "api", value = "NAME", doc = "chat (default), completions or embeddings" },
  },
  doc = [[
Prints the candidates in the order in which they would be tried, each with why
it stands there, and those that were dropped with the reason. It is the code
that decides in production; no provider is asked. Figures from live traffic
(latency, throughput, uptime) are those of a process that just began: none.

Exit status 1 when nothing is left to try.]],
}

local function read_body(path)
  if path ~= "-" then return read_file(path) end
  return io.stdin:read("*a")
end

function command.run(given)
  if not given.request then
    io.stderr:write("tidegate explain: --request FILE is missing\n")
    return 2
  end
  local seed = tonumber(given.seed or 1)
  if not seed then
    io.stderr:write("tidegate explain: --seed: a number expected\n")
    return 2
  end
  local settings, mistakes = load.all(given[1])
  if not settings then return load.complain(mistakes) end
  local body, err = read_body(given.request)
  if not body then
    io.stderr:write(tostring(err), "\n")
    return 1
  end
  local text, why, dropped = core.explain(settings.snapshot, body,
    { seed = seed, api = given.api, key = given.key, policy = given.policy })
  if text then
    io.stdout:write(text)
    return 0
  end
  io.stdout:write(dropped, ("%d %s\n"):format(why.status, tostring(why)))
  return 1
end

return command
