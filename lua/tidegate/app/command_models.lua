--- tidegate models: what can be asked for.

local load = require "tidegate.app.load"

local command = {
  summary = "list models, endpoints and prices",
  arguments = { "[CONFIG]", "[WORDS]" },
  options = {
    { name = "endpoints", doc = "a line for every endpoint" },
  },
  doc = [[
Lists the models of the configuration with the cheapest price in dollars per
million tokens; with WORDS, those whose id contains them. Exit status 1 when
there are none.]],
}

local function price(n)
  return ("%.3f"):format(n * 1e6):gsub("0+$", ""):gsub("%.$", "")
end

local function cheapest(model)
  local best = model
  for _, endpoint in ipairs(model.endpoints) do
    if best == model or endpoint.prompt_price + endpoint.completion_price
        < best.prompt_price + best.completion_price then
      best = endpoint
    end
  end
  return best
end

local function row(name, context, priced, rest)
  return ("%-46s %9d  %8s %8s  %s\n"):format(name, context, price(priced.prompt_price),
    price(priced.completion_price), rest)
end

local function providers_of(model)
  local names = {}
  for i, endpoint in ipairs(model.endpoints) do names[i] = endpoint.tag end
  return table.concat(names, " ")
end

local function matching(catalog, words)
  local models = {}
  for i = 1, (catalog:count()) do
    local model = catalog:model(i)
    if not words or model.id:find(words, 1, true) then models[#models + 1] = model end
  end
  return models
end

local function complain(words)
  io.stderr:write("tidegate models: ", words and "no id of a model contains " .. words or "there are no models", "\n")
  return 1
end

function command.run(given)
  local path, words = given[1], given[2]
  if path and not path:find("%.lua$") and not words then path, words = nil, path end
  local settings, mistakes = load.all(path)
  if not settings then return load.complain(mistakes) end
  local models = matching(settings.catalog, words)
  if not models[1] then return complain(words) end
  io.stdout:write(("%-46s %9s  %8s %8s  %s\n"):format("model", "context", "$ in/M", "$ out/M", "endpoints"))
  for _, model in ipairs(models) do
    io.stdout:write(row(model.id, model.context_length, cheapest(model), providers_of(model)))
    for _, endpoint in ipairs(given.endpoints and model.endpoints or {}) do
      io.stdout:write(row("  " .. endpoint.tag, endpoint.context_length, endpoint,
        endpoint.quantization ~= "unknown" and endpoint.quantization or ""))
    end
  end
end

return command
