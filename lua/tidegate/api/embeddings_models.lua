--- GET /embeddings/models: the models whose output is embeddings.

local models = require "tidegate.api.models"

local embeddings_models = {}

function embeddings_models.answer(request, given)
  local query = { output_modalities = "embeddings" }
  for name, value in pairs(given) do
    if name ~= "output_modalities" then query[name] = value end
  end
  return models.list(request, query, "/embeddings/models")
end

return embeddings_models
