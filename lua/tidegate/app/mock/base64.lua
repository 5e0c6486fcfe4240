--- Bytes as base64, with padding. Pure.

local DIGITS = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/"

return function(bytes)
  return (bytes:gsub("..?.?", function(three)
    local a, b, c = three:byte(1, 3)
    local n = a * 65536 + (b or 0) * 256 + (c or 0)
    local out = ""
    for shift = 3, 0, -1 do
      local digit = math.floor(n / 64 ^ shift) % 64 + 1
      out = out .. (3 - shift > #three and "=" or DIGITS:sub(digit, digit))
    end
    return out
  end))
end
