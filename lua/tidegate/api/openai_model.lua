--- GET /models/{model}, the whole name in one step of the path, as OpenAI's SDKs retrieve a model: the object that
-- GET /models lists.

local model = require "tidegate.api.model"

local openai_model = {}

function openai_model.answer(request, _, id)
  local entry = model.entry(request.catalog, id)
  if not entry then return nil, ("Model %s not found: GET /models lists those that there are"):format(id), 404 end
  return entry.shape
end

return openai_model
