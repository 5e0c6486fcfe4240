--- GET /providers

local core   = require "tidegate.core"
local shapes = require "tidegate.api.shapes"

local providers = {}

function providers.answer(request)
  local data = core.json.array()
  for i = 1, (select(3, request.catalog:count())) do
    data[i] = shapes.provider(request.catalog:provider(i))
  end
  return { data = data }
end

return providers
