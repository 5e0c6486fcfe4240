--- tidegate catalog import: other people's lists of models, as a catalogue.

local core      = require "tidegate.core"
local read_file = require "tidegate.base.read_file"
local write     = require "tidegate.catalog.write"

local FORMATS = {
  ["openrouter"] = "tidegate.catalog.import_openrouter",
  ["litellm"]    = "tidegate.catalog.import_litellm",
  ["models.dev"] = "tidegate.catalog.import_models_dev",
}

local command = {
  summary = "turn other lists of models into a catalogue",
  arguments = { "import", "FORMAT", "FILE" },
  options = { { name = "only", value = "SLUGS", doc = "providers to take, as in openai,groq" } },
  doc = [[
Reads FILE and prints a catalogue (docs/catalog.md). FORMAT is

  openrouter   an answer of GET /models or GET /models/{author}/{slug}/endpoints
  litellm      model_prices_and_context_window.json
  models.dev   its api.json, or rows of provider x model, one JSON object a line]],
}

-- A JSON text, or a list when there is one JSON text a line.
local function decode(text)
  local value, err = core.json.decode(text)
  if value ~= nil then return value end
  if not text:find("^%s*{[^\n]*}%s*\n%s*{") then return nil, err end
  local rows, line = {}, 0
  for row in text:gmatch("[^\n]+") do
    line = line + 1
    value, err = core.json.decode(row)
    if value == nil then
      err.line = line
      return nil, err
    end
    rows[#rows + 1] = value
  end
  return rows
end

local function set_of(words)
  if not words then return nil end
  local set = {}
  for word in words:gmatch("[^,%s]+") do set[word] = true end
  return set
end

local function complain(...)
  io.stderr:write(string.format(...), "\n")
  return 1
end

function command.run(given)
  if given[1] ~= "import" then
    return complain("tidegate catalog: no such thing to do: %s; there is import", given[1]) + 1
  end
  local module = FORMATS[given[2]]
  if not module then
    return complain("tidegate catalog import: no format %s; there are openrouter, litellm and models.dev", given[2]) + 1
  end
  local text, err = read_file(given[3])
  if not text then return complain("%s", tostring(err)) end
  local decoded
  decoded, err = decode(text)
  if decoded == nil then return complain("%s:%d: %s", given[3], err.line, tostring(err)) end
  local catalog, why = require(module).convert(decoded, set_of(given.only))
  if not catalog then return complain("%s: %s", given[3], why) end
  io.stdout:write(write(catalog))
end

return command
