--- A file's text, or words for why there is none.

local core     = require "tidegate.core"
local error_of = require "tidegate.base.error"

--- @treturn ?string
-- @treturn ?error  the message names the file
return function(path)
  local text, why = core.read_file(path)
  if text then return text end
  if why.code == "not_found" then return nil, error_of("not_found", "there is no file " .. path) end
  return nil, error_of("unreadable", ("%s cannot be read: %s"):format(path, tostring(why)))
end
