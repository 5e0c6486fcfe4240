--- GET /v1beta/models/{model}: one model as Google shows it.

local google_models = require "tidegate.api.google_models"
local model         = require "tidegate.api.model"

local google_model = {}

function google_model.answer(request, _, id)
  local entry = model.entry(request.catalog, id)
  if not entry then return nil, ("models/%s: GET /v1beta/models lists those that there are"):format(id), 404 end
  return google_models.shape(entry)
end

return google_model
