--- tidegate serve: run the gateway.

local core   = require "tidegate.core"
local config = require "tidegate.app.config"
local demo   = require "tidegate.app.demo"
local hello  = require "tidegate.app.hello"
local load   = require "tidegate.app.load"

local command = {
  summary = "run the gateway",
  arguments = { "[CONFIG]" },
  options = {
    { name = "listen", value = "HOST:PORT", doc = "instead of the configuration's" },
    { name = "workers", value = "N", doc = "engines, a thread each; default one per core" },
  },
  doc = [[
Runs the gateway under CONFIG, by default ./tidegate.lua. Without either it
serves the providers whose keys are in the environment (OPENAI_API_KEY,
GROQ_API_KEY, ...), and without keys a demo with simulated providers.

SIGTERM lets running answers end and stops; a second one stops at once. SIGHUP
reads configuration and catalogues again; when one of them is wrong everything
stays as it was.]],
}

local function overrides_of(given)
  local workers = given.workers and tonumber(given.workers)
  if given.workers and not (workers and workers >= 1 and workers <= 64 and workers % 1 == 0) then
    return nil, "--workers: a number from 1 to 64 expected, got " .. given.workers
  end
  if given.listen and not given.listen:find(":%d+$") then
    return nil, "--listen: HOST:PORT expected, got " .. given.listen
  end
  return { listen = given.listen, workers = workers }
end

local function snapshot_of(settings)
  local snapshot, err = config.snapshot(settings, settings.catalog)
  if snapshot then return snapshot end
  return nil, { err }
end

local function read(path, overrides)
  local settings, mistakes = load.all(path, overrides)
  if not settings then return nil, mistakes end
  local snapshot
  snapshot, mistakes = snapshot_of(settings)
  return snapshot, mistakes, settings
end

-- Under SIGHUP: the new snapshot, or nil and the reasons on stderr.
local function reloader(path, overrides)
  return function()
    local snapshot, mistakes, settings = read(path, overrides)
    if not snapshot then
      for _, mistake in ipairs(mistakes) do
        core.log.say("error", "reload", tostring(mistake) .. "; everything stays as it was")
      end
      return nil
    end
    core.log.level(settings.log)
    load.tell(settings)
    core.log.say("info", "reload", ("%d models, %d endpoints"):format(settings.catalog:count()))
    return snapshot
  end
end

-- What to paste: for a person, so not into the log of a service; the demo always.
local function welcome(settings, address)
  if not settings.is_demo and not core.is_terminal(1) then return "" end
  local chat = hello.chat(settings, address)
  if not settings.is_demo then return chat and "\n  " .. chat .. "\n\n" or "" end
  return demo.greeting(chat, hello.curl(settings, address, "/models/demo/tide-large/endpoints"))
end

function command.run(given)
  local overrides, why = overrides_of(given)
  if not overrides then
    io.stderr:write("tidegate serve: ", why, "\n")
    return 2
  end
  local snapshot, mistakes, settings = read(given[1], overrides)
  if not snapshot then return load.complain(mistakes) end
  core.log.level(settings.log)
  load.tell(settings)

  local ok, err = core.serve(snapshot, {
    reload = reloader(given[1], overrides),
    ready = function(address)
      io.stdout:write("tidegate: listening on http://", address, "\n")
      io.stdout:write(welcome(settings, address))
      io.stdout:flush()
      core.log.say("info", "ready", hello.summary(settings))
    end,
  })
  if not ok then
    io.stderr:write("tidegate: ", tostring(err), "\n")
    return 1
  end
end

return command
