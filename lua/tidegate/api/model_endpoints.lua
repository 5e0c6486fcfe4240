--- GET /models/{author}/{slug}/endpoints: who serves a model, and how well.

local core   = require "tidegate.core"
local model  = require "tidegate.api.model"
local shapes = require "tidegate.api.shapes"
local shelf  = require "tidegate.api.shelf"

local model_endpoints = { is_live = true }

function model_endpoints.answer(request, _, author, slug)
  local at, variant_of = model.find(request.catalog, author, slug)
  if variant_of then
    return { data = shapes.model_of_endpoints(shelf.of(request.catalog)[variant_of].model, core.json.array()) }
  end
  if not at then return nil, ("Model %s/%s not found"):format(author, slug), 404 end
  local found = shelf.of(request.catalog)[at].model
  local live, is_known = request.catalog:live(at), request.is_open or request.key ~= nil
  local endpoints = core.json.array()
  for i, endpoint in ipairs(found.endpoints) do
    endpoints[i] = shapes.public_endpoint(endpoint, found, live[i], is_known)
  end
  return { data = shapes.model_of_endpoints(found, endpoints) }
end

return model_endpoints
