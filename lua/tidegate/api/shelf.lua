--- A catalogue as listings need it: read once, kept as long as it is in use.

local core   = require "tidegate.core"
local shapes = require "tidegate.api.shapes"

local json = core.json

local shelf = {}

local shelves = setmetatable({}, { __mode = "k" })

local function set_of(list)
  local set = {}
  for _, word in ipairs(list) do set[tostring(word):lower()] = true end
  return set
end

local function entry(catalog, i)
  local model = catalog:model(i)
  local shape = shapes.model(model)
  local decoded = json.decode(json.encode(shape))
  return {
    index = i, model = model, shape = shape,
    id = model.id, author = model.id:match("^([^/]*)/") or "",
    words = (model.id .. "\n" .. model.name):lower(),
    created = tonumber(decoded.created) or 0,
    context = tonumber(decoded.context_length) or 0,
    arch = tostring(decoded.architecture.tokenizer):lower(),
    inputs = set_of(decoded.architecture.input_modalities),
    outputs = set_of(decoded.architecture.output_modalities),
    parameters = set_of(decoded.supported_parameters),
    -- Dollars per million tokens, as filters have them.
    prompt = (tonumber(decoded.pricing.prompt) or 0) * 1e6,
    completion = (tonumber(decoded.pricing.completion) or 0) * 1e6,
  }
end

--- All models of a catalogue, in its order.
function shelf.of(catalog)
  if not shelves[catalog] then
    local entries = {}
    for i = 1, (catalog:count()) do entries[i] = entry(catalog, i) end
    shelves[catalog] = entries
  end
  return shelves[catalog]
end

return shelf
