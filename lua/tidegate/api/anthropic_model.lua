--- GET /models/{model} with the header anthropic-version: one model as Anthropic shows it.

local anthropic_models = require "tidegate.api.anthropic_models"
local model            = require "tidegate.api.model"

local anthropic_model = {}

function anthropic_model.answer(request, _, id)
  local entry = model.entry(request.catalog, id)
  if not entry then return nil, ("model: %s: GET /v1/models lists those that there are"):format(id), 404 end
  return anthropic_models.shape(entry)
end

return anthropic_model
