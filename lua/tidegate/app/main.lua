--- The command line: `tidegate COMMAND ...`. Returns the exit status.
--
-- 0: done. 1: it could not be done, or something is wrong. 2: the command line
-- itself is wrong.

require "tidegate.base.same_version"     -- before anything else can go wrong

local near    = require "tidegate.base.near"
local options = require "tidegate.base.options"

-- In the order of the help text.
local COMMANDS = { "serve", "check", "reload", "explain", "policy", "models", "catalog", "mock", "config", "version" }

local function command_of(name)
  for _, known in ipairs(COMMANDS) do
    if known == name then return require("tidegate.app.command_" .. name) end
  end
end

local function help()
  local out = {
    "Tidegate: one endpoint in front of every model provider.", "",
    "Usage: tidegate COMMAND [...]", "",
  }
  for _, name in ipairs(COMMANDS) do
    out[#out + 1] = ("  %-9s %s"):format(name, command_of(name).summary)
  end
  out[#out + 1] = ""
  out[#out + 1] = "tidegate COMMAND --help says more."
  return table.concat(out, "\n") .. "\n"
end

local function hint(name)
  io.stderr:write(("Try: tidegate%s --help\n"):format(name and " " .. name or ""))
end

local function complain(name, message)
  io.stderr:write(("tidegate%s: %s\n"):format(name and " " .. name or "", message))
  hint(name)
  return 2
end

local ALIASES = { ["--help"] = "help", ["-h"] = "help", ["--version"] = "version", ["-v"] = "version" }

return function(name, ...)
  name = ALIASES[name] or name
  if name == nil or name == "help" then
    io.stdout:write(help())
    return name and 0 or 2
  end
  local command = command_of(name)
  if not command then
    local meant = near(COMMANDS, name)
    return complain(nil, ("no command %s%s"):format(name, meant and ", did you mean " .. meant .. "?" or ""))
  end
  local given, why = options.read(command, { ... })
  if not given then return complain(name, why) end
  if given.help then
    io.stdout:write(options.help(name, command))
    return 0
  end
  local status = command.run(given) or 0
  if status == 2 then hint(name) end
  return status
end
