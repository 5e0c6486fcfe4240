--- GET /models: the catalogue, filtered, sorted, in pages.

local core    = require "tidegate.core"
local filters = require "tidegate.api.filters"
local query   = require "tidegate.api.query"
local shelf   = require "tidegate.api.shelf"

local models = {}

local LIMIT_DEFAULT, LIMIT_MOST = 500, 1000

local function shapes_of(entries, from, count)
  local data = core.json.array()
  for i = from, math.min(#entries, from + count - 1) do data[#data + 1] = entries[i].shape end
  return data
end

-- The whole query again, with another offset.
local function next_link(prefix, path, given, offset, limit)
  local names, out = {}, {}
  for name in pairs(given) do
    if name ~= "offset" and name ~= "limit" then names[#names + 1] = name end
  end
  table.sort(names)
  for _, name in ipairs(names) do
    out[#out + 1] = name .. "=" .. given[name]:gsub("[^%w%-%._~,]", function(c)
      return ("%%%02X"):format(c:byte())
    end)
  end
  out[#out + 1] = ("offset=%d&limit=%d"):format(offset, limit)
  return prefix .. path .. "?" .. table.concat(out, "&")
end

local function paged(prefix, path, entries, given)
  local offset, why = query.number(given, "offset", 0, 1e9)
  if why then return nil, why end
  local limit
  limit, why = query.number(given, "limit", 1, LIMIT_MOST)
  if why then return nil, why end
  if not offset and not limit then
    return shapes_of(entries, 1, #entries), core.json.null
  end
  offset, limit = math.floor(offset or 0), math.floor(limit or LIMIT_DEFAULT)
  local more = offset + limit < #entries
  return shapes_of(entries, offset + 1, limit),
    more and next_link(prefix, path, given, offset + limit, limit) or core.json.null
end

--- The list of models of a request; for /models, /models/user and
-- /embeddings/models.
-- @treturn ?table
-- @treturn ?string  what is wrong with the query
function models.list(request, given, path)
  local entries, why = filters.apply(shelf.of(request.catalog), given, request.wall_s)
  if entries and given.sort and given.sort ~= "" then
    entries, why = filters.sort(entries, given.sort, request.catalog)
  end
  if not entries then return nil, why end
  local data, next_page = paged(request.prefix or "/api/v1", path, entries, given)
  if not data then return nil, next_page end
  return core.json.ordered({ data = data, total_count = #entries, links = { next = next_page } },
    { "data", "total_count", "links" })
end

function models.answer(request, given)
  return models.list(request, given, "/models")
end

return models
