local places = require "tidegate.convert.gemini.places"

local unpack = rawget(_G, "unpack") or rawget(table, "unpack")

-- A map of these pieces.
local function map_of(...)
  local map = places.new()
  for _, raw in ipairs { ... } do map:add(raw) end
  return map
end

describe("gemini_places", function()
  -- Bytes:      0 é 2 ü 4 a 5 b 6 \n 7 € 10 c 11
  local pieces = { '"é\\u00fc"', '"a"', '"b\\n"', '"€c"' }
  local bytes = { 0, 2, 4, 5, 6, 7, 10, 11 }

  it("tells the characters before a byte, and the bytes before a character", function()
    local map = map_of(unpack(pieces))
    for char, byte in ipairs(bytes) do
      assert.equal(char - 1, map:char_at(byte))
      assert.equal(byte, map:byte_at(char - 1))
    end
    assert.equal(11, map.bytes)
  end)

  it("tells the same however the text is cut", function()
    local map = map_of '"éüab\\n€c"'
    for char, byte in ipairs(bytes) do
      assert.equal(char - 1, map:char_at(byte))
      assert.equal(byte, map:byte_at(char - 1))
    end
  end)

  it("keeps nothing of ASCII", function()
    local map = map_of('"' .. ("x"):rep(1000) .. '"', '"y"')
    assert.same({ 1001, 1001, 0 }, { map.bytes, map:char_at(1001), #map.wide })
  end)

  it("tells no place rather than a wrong one when it can keep no more", function()
    local map = places.new()
    for _ = 1, 10 do map:add('"' .. ("é"):rep(20000) .. '"') end
    assert.is_nil(map:char_at(5))
    assert.is_nil(map:byte_at(5))
    assert.equal(400000, map.bytes)
    assert.is_true(#map.wide < 8)
  end)
end)
