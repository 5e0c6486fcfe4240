--- Put endpoints together under the models they serve.
--
--     local g = gather.new()
--     g:add({ id = "openai/gpt-4o", name = "GPT-4o" }, { provider = "openai", ... })
--     g:catalog()   --> { data = { ... } }, sorted by id

local gather = {}

local mt = {}
mt.__index = mt

function gather.new()
  return setmetatable({ models = {}, ids = {} }, mt)
end

--- Add an endpoint (may be nil) to a model; the first to name a model describes
-- it. A second endpoint of the same tag is left out.
function mt:add(model, endpoint)
  local known = self.models[model.id]
  if not known then
    known = model
    known.endpoints = known.endpoints or {}
    self.models[model.id] = known
    self.ids[#self.ids + 1] = model.id
  end
  if not endpoint then return end
  local tag = endpoint.tag or endpoint.provider
  for _, other in ipairs(known.endpoints) do
    if (other.tag or other.provider) == tag then return end
  end
  known.endpoints[#known.endpoints + 1] = endpoint
end

function mt:catalog()
  table.sort(self.ids)
  local data = {}
  for i, id in ipairs(self.ids) do
    local model = self.models[id]
    table.sort(model.endpoints, function(a, b)
      return (a.tag or a.provider) < (b.tag or b.provider)
    end)
    data[i] = model
  end
  return { data = data }
end

--- A model id that a catalogue takes: author/slug, in lower case. Names that are
-- paths ("accounts/fireworks/models/x") keep their last part.
function gather.id(author, name)
  local id = name:match("^[^/]+/[^/]+$") or author .. "/" .. name:match("[^/]*$")
  return (id:lower():gsub("[%s%c\"\\]", "-"))
end

return gather
