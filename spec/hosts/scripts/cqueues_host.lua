-- luajit spec/hosts/scripts/cqueues_host.lua: the battery in cqueues.
local cqueues = require "cqueues"

local cq = cqueues.new()
local host = {
  name = "cqueues", loop = require "tidegate.loop.cqueues",
  spawn = function(fn) cq:wrap(fn) end,
  sleep = cqueues.sleep,
}

-- Outside of a controller it blocks.
local c = assert(require "tidegate".client { config = "examples/embedded.lua", loop = host.loop })
assert(c:chat { model = "demo/tide-large", messages = { { role = "user", content = "hi" } } })
c:close()

local is_good = false
cq:wrap(function() require "battery"(host, function() is_good = true end) end)
repeat
  local ok, why = cq:loop()
  if not ok and not tostring(why):find "meant:" then error(why) end
until ok
os.exit(is_good and 0 or 1)
