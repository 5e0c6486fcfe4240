--- Places in a text that comes in pieces: Google counts bytes, chat counts characters.
--
-- Where all is ASCII the two are one number and nothing is kept. Of the other pieces the text is kept, up to a
-- limit; past it no place is given rather than a wrong one. Pure.

local json = require("tidegate.core").json

local places = {}

local LIMIT_BYTES = 256 * 1024

local map = {}
map.__index = map

function places.new()
  return setmetatable({ bytes = 0, chars = 0, kept_bytes = 0, wide = {} }, map)
end

--- @tparam string raw  the next piece: JSON text of a string
function map:add(raw)
  local text = raw:find("\\", 1, true) and json.decode(raw) or raw:sub(2, -2)
  local chars = json.chars(text)
  if chars < #text then
    self.kept_bytes = self.kept_bytes + #text
    if self.kept_bytes <= LIMIT_BYTES then
      self.wide[#self.wide + 1] = { byte = self.bytes, char = self.chars, text = text, chars = chars }
    end
  end
  self.bytes, self.chars = self.bytes + #text, self.chars + chars
end

-- The last wide piece that begins at or before a place, counted as `unit` says.
local function piece_at(self, place, unit)
  local found
  for _, piece in ipairs(self.wide) do
    if piece[unit] > place then break end
    found = piece
  end
  return found
end

--- @treturn ?number  characters before a byte
function map:char_at(place)
  if self.kept_bytes > LIMIT_BYTES then return nil end
  local piece = piece_at(self, place, "byte")
  if not piece then return place end
  local inside = place - piece.byte
  if inside >= #piece.text then return piece.char + piece.chars + inside - #piece.text end
  return piece.char + json.chars(piece.text:sub(1, inside))
end

--- @treturn ?number  bytes before a character
function map:byte_at(char)
  if self.kept_bytes > LIMIT_BYTES then return nil end
  local piece = piece_at(self, char, "char")
  if not piece then return char end
  local inside = char - piece.char
  if inside >= piece.chars then return piece.byte + #piece.text + inside - piece.chars end
  local bytes = 0
  for one in piece.text:gmatch "[%z\1-\127\192-\255][\128-\191]*" do
    if inside == 0 then break end
    bytes, inside = bytes + #one, inside - 1
  end
  return piece.byte + bytes
end

return places
