--- The catalogue that comes with the program, cut to the configured providers.

local core = require "tidegate.core"

local shipped = { NAME = "tidegate:shipped" }

local FILE = "tidegate/catalog/shipped.json"

-- Inside the program, or beside this file in a tree.
local function read()
  local ok, embedded = pcall(require, "tidegate.embedded")
  local text = ok and embedded.read(FILE)
  if text then return text end
  for template in package.path:gmatch("[^;]+") do
    local path = template:gsub("%?.*$", FILE)
    text = core.read_file(path)
    if text then return text end
  end
  error(FILE .. " is not installed")
end

--- The catalogue's text: models that at least one of these providers serves,
-- with the endpoints of these providers alone.
function shipped.text(providers)
  local json, configured = core.json, {}
  for _, provider in ipairs(providers) do configured[provider.slug] = true end
  local models = {}
  for _, model in ipairs(assert(json.decode(read())).data) do
    local endpoints = {}
    for _, endpoint in ipairs(model.endpoints) do
      if configured[endpoint.provider] then endpoints[#endpoints + 1] = endpoint end
    end
    if endpoints[1] then
      model.endpoints = endpoints
      models[#models + 1] = model
    end
  end
  return json.encode { data = json.array(models) }
end

return shipped
