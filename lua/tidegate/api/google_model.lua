--- GET /v1beta/models/{model}: one model as Google shows it.

local google_models = require "tidegate.api.google_models"
local model         = require "tidegate.api.model"
local shelf         = require "tidegate.api.shelf"

local google_model = {}

function google_model.answer(request, _, id)
  local at = model.find_id(request.catalog, id)
  if not at then return nil, ("models/%s: GET /v1beta/models lists those that there are"):format(id), 404 end
  return google_models.shape(shelf.of(request.catalog)[at])
end

return google_model
