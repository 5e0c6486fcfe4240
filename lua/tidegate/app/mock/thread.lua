--- A mock in a thread of its own: `core.thread("tidegate.app.mock.thread", MODULE)`
-- runs the script that is the module; the address comes back.

local core   = require "tidegate.core"
local script = require "tidegate.app.mock.script"
local server = require "tidegate.app.mock.server"

return function(module, ready)
  local read = assert(script.read(require(module)))
  core.net.run(function()
    assert(server.run(read, function(addresses) ready(addresses[1]) end))
  end)
end
