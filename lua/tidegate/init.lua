--- What `require "tidegate"` gives: the gateway inside a Lua program.
--
--     local tidegate = require "tidegate"
--     local c = tidegate.client { config = "tidegate.lua" }     -- docs/lua/client.md
--     tidegate.version                                          -- "0.1.0"

local version = require "tidegate.base.same_version"

local tidegate = { version = version }

-- The client is loaded by the first who asks for it.
return setmetatable(tidegate, { __index = function(_, name)
  if name ~= "client" then return nil end
  tidegate.client = require "tidegate.client"
  return tidegate.client
end })
