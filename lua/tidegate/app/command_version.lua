--- tidegate version

local version = require "tidegate.base.version"

local command = { summary = "print the version", arguments = {}, options = {}, doc = "Prints the version." }

function command.run()
  local jit = rawget(_G, "jit")
  io.stdout:write("tidegate ", version, " (", jit and jit.version or _VERSION, ")\n")
end

return command
