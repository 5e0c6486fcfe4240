--- Numbers of a benchmark: read, and the one that stands for many.

local figures = {}

--- What a program of ours prints: one object of numbers.
function figures.read(text)
  local out = {}
  for name, value in text:gmatch '"([%w_]+)":(-?[%d.]+)' do out[name] = tonumber(value) end
  return out
end

--- The median; nil of nothing.
function figures.median(list)
  local sorted = {}
  for _, value in ipairs(list) do sorted[#sorted + 1] = value end
  if #sorted == 0 then return nil end
  table.sort(sorted)
  local mid = math.floor((#sorted + 1) / 2)
  return #sorted % 2 == 1 and sorted[mid] or (sorted[mid] + sorted[mid + 1]) / 2
end

--- The median over repetitions of what `of` makes of a run.
function figures.over(runs, of)
  local list = {}
  for _, run in ipairs(runs or {}) do list[#list + 1] = of(run) end
  return figures.median(list)
end

--- The median of the ratios of runs that stood side by side.
function figures.ratio(cell, a, b, of)
  local list = {}
  if not cell or not cell[a] or not cell[b] then return nil end
  for rep = 1, math.min(#cell[a], #cell[b]) do
    local x, y = of(cell[a][rep]), of(cell[b][rep])
    if x and y and y ~= 0 then list[#list + 1] = x / y end
  end
  return figures.median(list)
end

-- ---- of a run ----

function figures.cpu_per_request(run) return run.cpu_us and run.requests > 0 and run.cpu_us / run.requests or nil end
function figures.cpu_per_event(run) return run.cpu_us and run.events > 0 and run.cpu_us / run.events or nil end

-- ---- as they are shown ----

--- Three digits that mean something.
function figures.shown(value)
  if not value then return "-" end
  local digits = math.abs(value) >= 100 and 0 or math.abs(value) >= 10 and 1 or 2
  local text = ("%." .. digits .. "f"):format(value)
  local whole, rest = text:match "^(-?%d+)(.*)$"
  whole = whole:reverse():gsub("(%d%d%d)", "%1,"):reverse():gsub("^,", ""):gsub("^-,", "-")
  return whole .. rest
end

function figures.times(value) return value and ("%.2f"):format(value) or "-" end

--- Is it within the limit, and by how much is it not?
function figures.verdict(value, limit, at_least)
  if not value then return "-" end
  local good = at_least and value >= limit or not at_least and value <= limit
  return good and "pass" or ("MISS by %s"):format(figures.shown(math.abs(value - limit)))
end

return figures
