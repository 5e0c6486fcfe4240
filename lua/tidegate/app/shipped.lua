--- What comes with the program: catalogues, cut to the configured providers, and policies.

local core = require "tidegate.core"

local shipped = {}

local FILES = {
  ["tidegate:shipped"] = "tidegate/catalog/shipped.json",
  ["tidegate:demo"]    = "tidegate/catalog/demo.json",
}

-- Inside the program, where a module goes by its name, or beside the modules in a tree.
local function read(file)
  local ok, embedded = pcall(require, "tidegate.embedded")
  local text = ok and embedded.read((file:gsub("%.lua$", ""):gsub("/", file:find("%.lua$") and "." or "/")))
  if text then return text end
  for template in package.path:gmatch("[^;]+") do
    local path = template:gsub("%?.*$", "") .. file
    text = core.read_file(path)
    if text then return text end
  end
  error(file .. " is not installed")
end

--- The text of one of the program's own Lua modules.
function shipped.module(name)
  return read((name:gsub("%.", "/")) .. ".lua")
end

--- The text of a policy that comes with the program.
function shipped.policy(name)
  return read("tidegate/policy/shipped/" .. name .. ".lua")
end

--- Is this the name of such a catalogue, and no path?
function shipped.has(name)
  return FILES[name] ~= nil
end

--- The catalogue's text: models that at least one of these providers serves,
-- with the endpoints of these providers alone.
function shipped.text(name, providers)
  local json, configured = core.json, {}
  for _, provider in ipairs(providers) do configured[provider.slug] = true end
  local models = {}
  for _, model in ipairs(assert(json.decode(read(FILES[name]))).data) do
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
