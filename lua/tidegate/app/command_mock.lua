--- tidegate mock: a provider in any format, for development and chaos.

local core   = require "tidegate.core"
local script = require "tidegate.app.mock.script"
local server = require "tidegate.app.mock.server"

local command = {
  summary = "run a provider for development and chaos tests",
  arguments = { "[SCRIPT]" },
  options = { { name = "listen", value = "HOST:PORT", doc = "default 127.0.0.1:9001" } },
  doc = [[
A provider in any format: the path says which, as real providers have them
(/chat/completions, /v1/messages, /responses, /models/M:generateContent,
/model/M/converse, /v2/chat, /api/chat, ...). Always the same words. SCRIPT is a
Lua file that returns a table: how fast, how long, how often it fails and how,
or a function that answers each request itself. docs/mock.md.]],
}

local function given_script(path)
  if not path then return {} end
  local chunk, why = loadfile(path)
  if not chunk then return nil, why end
  local ok, value = pcall(chunk)
  if not ok then return nil, tostring(value) end
  return value
end

function command.run(given)
  local value, why = given_script(given[1])
  local read
  if value then
    read, why = script.read(value)
    why = why and (given[1] or "mock") .. ": " .. why
  end
  if not read then
    io.stderr:write("tidegate mock: ", why, "\n")
    return 1
  end
  if given.listen then read.listen = { given.listen } end
  local _, failed = core.net.run(function()
    return server.run(read, function(addresses)
      for _, address in ipairs(addresses) do
        io.stdout:write("tidegate mock: listening on http://", address, "\n")
      end
      io.stdout:flush()
    end)
  end)
  io.stderr:write("tidegate mock: ", tostring(failed), "\n")
  return 1
end

return command
