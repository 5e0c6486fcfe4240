--- GET /models/user: the catalogue as this key may use it. Keys have no rules of
-- their own yet: it is the whole one, for those who are known.

local models = require "tidegate.api.models"

local models_user = { is_live = true }

function models_user.answer(request, given)
  if not request.key and not request.is_open then
    return nil, "Missing Authentication header", 401
  end
  return models.list(request, given, "/models/user")
end

return models_user
