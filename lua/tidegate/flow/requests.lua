--- A program's request as the bytes of a body: a table, or JSON text that stays as it is but for
-- `stream`.

local core = require "tidegate.core"

local requests = {}

local function with_stream(text, wants_stream)
  local members, names = core.json.split(text)
  if not members then return text end              -- the engine says what is wrong with it
  local is = members.stream and tostring(members.stream) == "true" or false
  if is == wants_stream then return text end
  if not members.stream then names[#names + 1] = "stream" end
  members.stream = wants_stream
  return core.json.encode(core.json.ordered(members, names))
end

--- @tparam table|string request
-- @tparam ?bool wants_stream  nil: as the request says
-- @tparam number level  where the caller's mistake is
function requests.text(request, wants_stream, level)
  if type(request) == "string" then
    return wants_stream == nil and request or with_stream(request, wants_stream)
  end
  if type(request) ~= "table" then
    error("a request is a table, or JSON text; got " .. type(request), level + 1)
  end
  local copy = {}
  for name, value in pairs(request) do copy[name] = value end
  if wants_stream ~= nil then copy.stream = wants_stream or nil end
  local ok, text = pcall(core.json.encode, copy)
  if not ok then error("request: " .. tostring(text):gsub("^.-:%d+: ", ""), level + 1) end
  return text
end

return requests
