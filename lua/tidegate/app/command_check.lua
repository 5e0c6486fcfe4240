--- tidegate check: is everything that `serve` would read good?

local core     = require "tidegate.core"
local load     = require "tidegate.app.load"
local misspelt = require "tidegate.catalog.misspelt"

local command = {
  summary = "check configuration and catalogues",
  arguments = { "[CONFIG]" },
  options = {},
  doc = [[
Reads CONFIG (by default what `tidegate serve` would) and its catalogues and
says file:line of the first mistake of each; exit status 1 when there is one.
What is good and yet looks odd is noted on standard error.]],
}

local function note(text)
  io.stderr:write("note: ", text, "\n")
end

function command.run(given)
  local settings, mistakes = load.all(given[1])
  if not settings then return load.complain(mistakes) end
  for _, text in ipairs(settings.notes) do note(text) end
  for _, catalog in ipairs(settings.catalogs) do
    local text = not catalog.is_shipped and core.read_file(catalog.path)
    for _, odd in ipairs(text and misspelt(text, catalog.path) or {}) do note(odd) end
  end
  io.stdout:write(settings.what, ": good; ", load.counts(settings), "\n")
end

return command
