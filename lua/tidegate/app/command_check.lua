--- tidegate check: is everything that `serve` would read good?

local load = require "tidegate.app.load"

local command = {
  summary = "check configuration and catalogues",
  arguments = { "[CONFIG]" },
  options = {},
  doc = [[
Reads CONFIG (by default what `tidegate serve` would) and its catalogues and
says file:line of the first mistake of each; exit status 1 when there is one.]],
}

function command.run(given)
  local settings, mistakes = load.all(given[1])
  if not settings then return load.complain(mistakes) end
  for _, note in ipairs(settings.notes) do io.stdout:write("note: ", note, "\n") end
  local models, endpoints, providers = settings.catalog:count()
  io.stdout:write(("%s: good; %d providers, %d models, %d endpoints\n"):format(
    settings.what, providers, models, endpoints))
end

return command
