--- GET /models with the header anthropic-version: the catalogue as Anthropic lists models, the newest first.

local core    = require "tidegate.core"
local filters = require "tidegate.api.filters"
local pages   = require "tidegate.api.pages"
local query   = require "tidegate.api.query"
local shelf   = require "tidegate.api.shelf"

local json, null = core.json, core.json.null

local anthropic_models = {}

local LIMIT_DEFAULT, LIMIT_MOST = 20, 1000         -- Anthropic's

local ORDER = { "type", "id", "display_name", "created_at", "max_input_tokens", "max_tokens" }

--- A model as Anthropic shows one; written once.
-- @tparam table entry  of the shelf
function anthropic_models.shape(entry)
  entry.anthropic = entry.anthropic or json.raw(json.encode(json.ordered({
    type = "model", id = entry.id, display_name = entry.model.name,
    created_at = os.date("!%Y-%m-%dT%H:%M:%SZ", entry.created),
    max_input_tokens = entry.context > 0 and entry.context or null, max_tokens = entry.max_completion_tokens or null,
  }, ORDER)))
  return entry.anthropic
end

-- The first place of the page, and its length.
local function page_of(entries, given, limit)
  local name = given.after_id and "after_id" or given.before_id and "before_id"
  if not name then return 1, limit end
  local at = pages.find(entries, given[name])
  if not at then return nil, name .. ": there is no model " .. given[name] end
  if name == "after_id" then return at + 1, limit end
  local from = math.max(1, at - limit)
  return from, at - from
end

function anthropic_models.answer(request, given)
  local limit, why = query.count(given, "limit", LIMIT_DEFAULT, LIMIT_MOST)
  if not limit then return nil, why end
  -- Those that can be talked to.
  local entries = filters.sort(filters.apply(shelf.of(request.catalog), {}, request.wall_s), "newest")
  local from, count = page_of(entries, given, limit)
  if not from then return nil, count end
  local list, data = pages.cut(entries, from, count), json.array {}
  for i, entry in ipairs(list) do data[i] = anthropic_models.shape(entry) end
  local is_backward = given.before_id and not given.after_id
  return json.ordered({
    data = data, has_more = is_backward and from > 1 or not is_backward and from + count <= #entries,
    first_id = list[1] and list[1].id or null, last_id = list[1] and list[#list].id or null,
  }, { "data", "has_more", "first_id", "last_id" })
end

return anthropic_models
