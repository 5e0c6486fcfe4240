--- GET /endpoints/zdr: the endpoints that keep nothing.

local core   = require "tidegate.core"
local shapes = require "tidegate.api.shapes"
local shelf  = require "tidegate.api.shelf"

local endpoints_zdr = { is_live = true }

function endpoints_zdr.answer(request)
  local data, is_known = core.json.array(), request.is_open or request.key ~= nil
  for _, entry in ipairs(shelf.of(request.catalog)) do
    local live
    for i, endpoint in ipairs(entry.model.endpoints) do
      if endpoint.zdr then
        live = live or request.catalog:live(entry.index)
        data[#data + 1] = shapes.public_endpoint(endpoint, entry.model, live[i], is_known)
      end
    end
  end
  return { data = data }
end

return endpoints_zdr
