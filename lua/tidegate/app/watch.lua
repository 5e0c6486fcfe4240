--- Which of the files that a gateway was made from have changed since?
--
--     local w = watch.new(core.file_stamp)
--     local before = w:stamps()
--     ... read them ...
--     w:took(files, before)
--     w:look()               -- a few times a second: nil, or the changed paths
--
-- A change counts when the next look finds it as it was: nobody writes there any
-- more. A file that is gone gets longer to come back, for there are programs
-- that write one by taking the old one away first.

local watch = {}
local Watch = {}
Watch.__index = Watch

local LOOKS_STILL, LOOKS_GONE = 1, 4

--- @tparam function stamp  path -> what differs when the file does; nil without one
function watch.new(stamp)
  return setmetatable({ stamp = stamp, taken = {}, seen = {}, still = 0 }, Watch)
end

--- What they look like now, by path; for `took`.
function Watch:stamps()
  local stamps = {}
  for path in pairs(self.taken) do stamps[path] = self.stamp(path) or false end
  return stamps
end

--- These files have been read, whatever came of it.
-- @tparam table files  paths
-- @tparam ?table before  stamps from before that: what was written meanwhile has changed since
function Watch:took(files, before)
  local taken, seen = {}, {}
  for _, path in ipairs(files) do
    local stamp = before and before[path]
    if stamp == nil then stamp = self.stamp(path) or false end
    taken[path], seen[path] = stamp, stamp
  end
  self.taken, self.seen, self.still = taken, seen, 0
end

--- The same, and those that it looked at until now.
function Watch:took_also(files, before)
  local all = {}
  for path in pairs(self.taken) do all[#all + 1] = path end
  for _, path in ipairs(files) do all[#all + 1] = path end
  self:took(all, before)
end

--- Look at them once more.
-- @treturn ?table  paths, when it is time to read again
function Watch:look()
  local changed, needed, is_still = {}, LOOKS_STILL, true
  for path, taken in pairs(self.taken) do
    local now = self.stamp(path) or false
    is_still = is_still and now == self.seen[path]
    self.seen[path] = now
    if now ~= taken then changed[#changed + 1] = path end
    if now ~= taken and not now then needed = LOOKS_GONE end
  end
  self.still = is_still and self.still + 1 or 0
  if not changed[1] or self.still < needed then return nil end
  table.sort(changed)
  return changed
end

return watch
