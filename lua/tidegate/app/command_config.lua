--- tidegate config: what a configuration may hold.

local schema = require "tidegate.app.schema"

local command = {
  summary = "print every key a configuration may have",
  arguments = {},
  options = { { name = "luacats", doc = "as types for an editor, instead of a Markdown table" } },
  doc = "Prints the reference of the configuration: the table that is checked against.",
}

function command.run(given)
  io.stdout:write(given.luacats and schema.luacats() or schema.markdown())
end

return command
