--- GET /models/count

local filters = require "tidegate.api.filters"
local shelf   = require "tidegate.api.shelf"

local models_count = {}

function models_count.answer(request, given)
  local entries, why = filters.apply(shelf.of(request.catalog),
    { output_modalities = given.output_modalities }, request.wall_s)
  if not entries then return nil, why end
  return { data = { count = #entries } }
end

return models_count
