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

return figures
