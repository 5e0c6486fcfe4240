--- tidegate serve: run the gateway.

local core   = require "tidegate.core"
local demo   = require "tidegate.app.demo"
local hello  = require "tidegate.app.hello"
local load   = require "tidegate.app.load"
local watch  = require "tidegate.app.watch"

local command = {
  summary = "run the gateway",
  arguments = { "[CONFIG]" },
  options = {
    { name = "listen", value = "HOST:PORT", doc = "instead of the configuration's; or unix:/PATH" },
    { name = "workers", value = "N", doc = "engines, a thread each; default one per core" },
  },
  doc = [[
Runs the gateway under CONFIG, by default ./tidegate.lua. Without either it
serves the providers whose keys are in the environment (OPENAI_API_KEY,
GROQ_API_KEY, ...), and without keys a demo with simulated providers.

SIGTERM lets running answers end and stops; a second one stops at once. SIGHUP
reads configuration and catalogues again; when one of them is wrong everything
stays as it was. `tidegate reload` checks them first, then sends it; with
watch = true in CONFIG the gateway reloads by itself when a file changes.]],
}

--- What the options say instead of the configuration.
function command.overrides_of(given)
  local workers = given.workers and tonumber(given.workers)
  if given.workers and not (workers and workers >= 1 and workers <= 64 and workers % 1 == 0) then
    return nil, "--workers: a number from 1 to 64 expected, got " .. given.workers
  end
  if given.listen and not given.listen:find(":%d+$") and not given.listen:find("^unix:/") then
    return nil, "--listen: HOST:PORT or unix:/PATH expected, got " .. given.listen
  end
  return { listen = given.listen, workers = workers }
end

-- ---- reload ----

-- The core's side of a snapshot need not wait for the collector: nobody else asks it here.
local function close(settings)
  settings.snapshot:close()
  settings.catalog:close()
end

local function tick(watched)
  return function()
    local changed = watched:look()
    if not changed then return false end
    core.log.say("info", "watch", table.concat(changed, ", ") .. (changed[2] and " have changed" or " has changed"))
    return true
  end
end

-- Look after the files, or do so no more, as the configuration says.
local function watch_as(running, events, before)
  if not running.settings.watch then
    running.watched, events.tick = nil, nil
    return
  end
  running.watched = running.watched or watch.new(core.file_stamp)
  running.watched:took(running.settings.files, before)
  events.tick = events.tick or tick(running.watched)
end

-- What is called when a reload is due. A gateway that has begun under ./tidegate.lua
-- stays under it: were the file gone for a moment, it would turn into the demo.
local function reloader(running, events, overrides)
  return function(swap)
    local before = running.watched and running.watched:stamps()
    local settings, mistakes, files = load.all(running.path, overrides)
    if not settings then
      for _, mistake in ipairs(mistakes) do
        core.log.say("error", "reload", tostring(mistake) .. "; everything stays as it was")
      end
      if running.watched then running.watched:took_also(files, before) end
      return false
    end
    swap(settings.snapshot)
    close(running.settings)
    running.settings, running.path = settings, load.path(running.path)
    watch_as(running, events, before)
    core.log.level(settings.log)
    load.tell(settings)
    core.log.say("info", "reload", load.counts(settings))
    return true
  end
end

-- ---- start ----

-- What to paste: for a person, so not into the log of a service; the demo always.
local function welcome(settings, address)
  if not settings.is_demo and not core.is_terminal(1) then return "" end
  local chat, clients = hello.chat(settings, address), hello.clients(address)
  if settings.is_demo then
    return demo.greeting(chat, hello.curl(settings, address, "/models/demo/tide-large/endpoints"), clients)
  end
  return (chat and "\n  " .. chat .. "\n" or "") .. (clients and "\n" .. clients or "") .. "\n"
end

function command.run(given)
  local overrides, why = command.overrides_of(given)
  if not overrides then
    io.stderr:write("tidegate serve: ", why, "\n")
    return 2
  end
  local path = load.path(given[1])
  local before = path and { [path] = core.file_stamp(path) }
  local settings, mistakes = load.all(path, overrides)
  if not settings then return load.complain(mistakes) end
  core.log.level(settings.log)
  load.tell(settings)

  local events = {}
  function events.ready(address)
    io.stdout:write("tidegate: listening on ", hello.url(address), "\n")
    io.stdout:write(welcome(settings, address))
    io.stdout:flush()
    core.log.say("info", "ready", hello.summary(settings))
  end
  local running = { path = path, settings = settings }
  events.reload = reloader(running, events, overrides)
  watch_as(running, events, before)
  local ok, err = core.serve(settings.snapshot, events)
  if not ok then
    io.stderr:write("tidegate: ", tostring(err), "\n")
    return 1
  end
end

return command
