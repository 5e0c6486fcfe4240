--- A request for embeddings with OpenAI's members alone: it refuses `input_type`, which is other providers', and
-- embeds text and tokens. Pure.

local json = require("tidegate.core").json
local chat = require "tidegate.convert.chat"
local edit = require "tidegate.convert.edit"

local LEFT_OUT = { input_type = true, requests = true }

--- @treturn ?string  the request; or nil and a sentence
-- @treturn table  names of what had to be left out
return function(text, about)
  local input = json.read(text).input
  for _, one in ipairs(type(input) == "table" and input or {}) do
    if type(one) == "table" and one.content then
      return nil, "OpenAI embeds text: another kind of content is in `input`."
    end
  end
  local lost = {}
  local body = edit.object(text, function(name, value)
    if name == "model" and about.model then return name, json.encode(about.model) end
    if not LEFT_OUT[name] then return name, value end
    lost[name] = true
  end)
  return body, chat.sorted(lost)
end
