--- GET /model/{author}/{slug}: one model, by id, canonical slug or alias; routing
-- suffixes such as :nitro are taken off.

local shelf = require "tidegate.api.shelf"

local model = {}

-- Suffixes that say how to route and not which model it is. The others are
-- part of an entry's own name, and without that entry there is no such model.
local ROUTING = { nitro = true, floor = true, exacto = true, online = true }
local CATALOG = { free = true, batch = true, thinking = true, extended = true }

--- The place of a model in the catalogue.
-- @treturn ?number
-- @treturn ?number  of the model of which this is a variant that does not exist
function model.find(catalog, author, slug)
  local name = slug:gsub(":([^:]*)", function(suffix) return ROUTING[suffix] and "" or nil end)
  local at = catalog:find(author .. "/" .. slug) or catalog:find(author .. "/" .. name)
  if at then return at end
  local base, variant = name:match("^(.+):([^:]*)$")
  return nil, CATALOG[variant] and catalog:find(author .. "/" .. base)
end

function model.answer(request, _, author, slug)
  local at = model.find(request.catalog, author, slug)
  if not at then return nil, ("Model %s/%s not found"):format(author, slug), 404 end
  return { data = shelf.of(request.catalog)[at].shape }
end

return model
