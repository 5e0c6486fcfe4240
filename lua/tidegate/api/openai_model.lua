--- GET /models/{model}, the whole name in one step of the path, as OpenAI's SDKs retrieve a model: the object that
-- GET /models lists.

local model = require "tidegate.api.model"
local shelf = require "tidegate.api.shelf"

local openai_model = {}

function openai_model.answer(request, _, id)
  local at = model.find_id(request.catalog, id)
  if not at then return nil, ("Model %s not found: GET /models lists those that there are"):format(id), 404 end
  return shelf.of(request.catalog)[at].shape
end

return openai_model
