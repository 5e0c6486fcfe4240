--- Has a request of Anthropic's format the shape that its converter relies on? Types alone; what the values mean is the
-- provider's affair. (chat's own is shape.lua.) Pure.

local json  = require("tidegate.core").json
local shape = require "tidegate.convert.shape"

local anthropic_shape = {}

-- Members of blocks, and of their sources, that are texts wherever they stand.
local TEXTS = { "type", "text", "thinking", "signature", "data", "id", "name", "tool_use_id", "title", "media_type",
  "url", "file_id" }

local function check_texts(object, path)
  for _, name in ipairs(TEXTS) do
    if object[name] ~= nil and type(object[name]) ~= "string" then return path .. "." .. name .. " must be a text" end
  end
end

--- @tparam any block  as json.read() gives it
-- @treturn ?string  what is wrong, a sentence
function anthropic_shape.check_block(block, path)
  if not shape.is_object(block) then return path .. " must be an object" end
  local why = check_texts(block, path)
  if why then return why end
  if block.type == nil then return path .. ".type is missing" end
  if shape.is_object(block.source) then return check_texts(block.source, path .. ".source") end
end

local OBJECTS = { "tool_choice", "thinking", "output_config", "output_format", "metadata" }

--- The members beside messages.
-- @treturn ?string  what is wrong
function anthropic_shape.check_members(body)
  for _, name in ipairs(OBJECTS) do
    if body[name] ~= nil and not shape.is_object(body[name]) then return name .. " must be an object" end
  end
  for _, name in ipairs { "tools", "stop_sequences" } do
    if body[name] ~= nil and not json.is_array(body[name]) then return name .. " must be a list" end
  end
  for i, sequence in ipairs(body.stop_sequences or {}) do
    if type(sequence) ~= "string" then return ("stop_sequences.%d must be a text"):format(i - 1) end
  end
  for i, tool in ipairs(body.tools or {}) do
    if not shape.is_object(tool) then return ("tools.%d must be an object"):format(i - 1) end
    if type(tool.name or "") ~= "string" then return ("tools.%d.name must be a text"):format(i - 1) end
  end
end

return anthropic_shape
