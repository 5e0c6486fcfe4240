--- The known name that somebody probably meant.

-- Edits (insert, delete, replace, swap neighbours) that turn a into b.
local function distance(a, b)
  local rows = { [0] = {} }
  for j = 0, #b do rows[0][j] = j end
  for i = 1, #a do
    local row = { [0] = i }
    rows[i] = row
    for j = 1, #b do
      local same = a:byte(i) == b:byte(j)
      row[j] = math.min(rows[i - 1][j] + 1, row[j - 1] + 1, rows[i - 1][j - 1] + (same and 0 or 1))
      if i > 1 and j > 1 and a:byte(i) == b:byte(j - 1) and a:byte(i - 1) == b:byte(j) then
        row[j] = math.min(row[j], rows[i - 2][j - 2] + 1)
      end
    end
  end
  return rows[#a][#b]
end

-- The first name that begins with all of this word, as "bedrock" for bedrock-converse.
local function begins(names, word)
  if #word < 4 then return nil end
  for _, name in ipairs(names) do
    if name:sub(1, #word):lower() == word:lower() then return name end
  end
end

--- @tparam table names  a list of the known names
-- @tparam string word
-- @treturn ?string  the nearest, at most two edits and less than half of the
--   word away, else the first that begins with the word; nil when nothing is near
return function(names, word)
  if #word > 64 then return nil end
  local best, least = nil, math.min(2, (#word - 1) / 2)
  for _, name in ipairs(names) do
    local d = distance(word:lower(), name:lower())
    if d <= least and (not best or d < least) then
      best, least = name, d
    end
  end
  return best or begins(names, word)
end
