--- GET /model/{author}/{slug}: one model, by id, canonical slug or alias.
--
-- Routing suffixes such as :nitro say nothing about which model it is and are
-- taken off; a catalogue variant such as :free is part of its name (contract 6.7).

local shelf = require "tidegate.api.shelf"

local model = {}

local ROUTING = { nitro = true, floor = true, exacto = true }
local VARIANTS = { free = true, batch = true, thinking = true, extended = true }

--- The place of a model in the catalogue.
-- @treturn ?number
-- @treturn ?number  when a catalogue variant is missing: the place of the model
--   that it would be a variant of
function model.find(catalog, author, slug)
  local id = author .. "/" .. slug
  local at = catalog:find(id)
  if at then return at end
  local base = id:match("^[^:]*")
  local name, is_known = base, true
  for suffix in id:sub(#base + 1):gmatch(":([^:]*)") do
    if VARIANTS[suffix] then
      name = name .. ":" .. suffix
    elseif not ROUTING[suffix] then
      is_known = false
    end
  end
  if not is_known then return nil end
  return catalog:find(name), name ~= base and catalog:find(base) or nil
end

--- The entry on the shelf, by the whole name, which may have no author; nil when there is none.
function model.entry(catalog, id)
  local author, slug = id:match "^([^/]+)/(.+)$"
  local at = author and model.find(catalog, author, slug) or not author and catalog:find(id)
  return at and shelf.of(catalog)[at]
end

function model.answer(request, _, author, slug)
  local at = model.find(request.catalog, author, slug)
  if not at then return nil, ("Model %s/%s not found"):format(author, slug), 404 end
  return { data = shelf.of(request.catalog)[at].shape }
end

return model
