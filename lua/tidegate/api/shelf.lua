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

-- A price of a pricing object in dollars per million tokens, as filters have it.
local function per_million(pricing, name)
  local text = tostring(pricing[name] or 0):gsub('"', "")
  return (tonumber(text) or 0) * 1e6
end

-- The largest of the endpoints' limits; nil when none is known.
local function most_of(endpoints, name)
  local most = 0
  for _, endpoint in ipairs(endpoints) do most = math.max(most, endpoint[name]) end
  return most > 0 and most or nil
end

local function entry(catalog, i)
  local model = catalog:model(i)
  local shape = shapes.model(model)
  local architecture = json.decode(json.encode(shape.architecture))
  return {
    index = i, model = model,
    -- Written once: a listing puts texts together.
    shape = json.raw(json.encode(shape)),
    id = model.id, author = model.id:match("^([^/]*)/") or "",
    words = (model.id .. "\n" .. model.name):lower(),
    created = model.created,
    context = tonumber(tostring(shape.context_length)) or 0,
    max_completion_tokens = most_of(model.endpoints, "max_completion_tokens"),
    description = shape.description,
    arch = tostring(architecture.tokenizer):lower(),
    inputs = set_of(architecture.input_modalities),
    outputs = set_of(architecture.output_modalities),
    parameters = set_of(model.parameters),
    prompt = per_million(shape.pricing, "prompt"),
    completion = per_million(shape.pricing, "completion"),
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
