--- GET /model/{author}/{slug}: one model, by id, canonical slug or alias; routing
-- suffixes such as :nitro are taken off.

local shelf = require "tidegate.api.shelf"

local model = {}

--- The place of a model in the catalogue.
function model.find(catalog, author, slug)
  local id = author .. "/" .. slug
  return catalog:find(id) or catalog:find((id:gsub(":[^:/]*$", "")))
end

function model.answer(request, _, author, slug)
  local at = model.find(request.catalog, author, slug)
  if not at then return nil, ("Model %s/%s not found"):format(author, slug), 404 end
  return { data = shelf.of(request.catalog)[at].shape }
end

return model
