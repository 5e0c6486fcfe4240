--- A listing in pages that begin behind a model, or end before one: so a page is where it was when others have come
-- or gone. Knows nothing of requests.

local pages = {}

--- The place of the model with this id.
-- @treturn ?number  nil when there is none
function pages.find(entries, id)
  for i, entry in ipairs(entries) do
    if entry.id == id then return i end
  end
end

--- `count` entries from place `from` on, or fewer.
function pages.cut(entries, from, count)
  local out = {}
  for i = from, math.min(#entries, from + count - 1) do out[#out + 1] = entries[i] end
  return out
end

return pages
