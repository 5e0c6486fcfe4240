--- Numbers as plain decimal text: no exponent, no noise, no needless zeros.
--
--     decimal.text(2.5e-07)                  --> "0.00000025"
--     decimal.text("4.9999999999999998e-08") --> "0.00000005"
--     decimal.shifted("0.15", -6)            --> "0.00000015"

local decimal = {}

-- A double tells 15 digits; what comes behind them is noise.
local DIGITS = 15

-- Take a number's text apart: sign, digits, and the place of the point counted
-- from the left of the digits.
local function parts(text)
  local sign, whole, fraction, exponent = text:match("^(-?)(%d*)%.?(%d*)[eE]?([-+]?%d*)$")
  if not whole or whole .. fraction == "" then return nil end
  local digits = whole .. fraction
  local point = #whole + (tonumber(exponent) or 0)
  local zeros = #digits:match("^0*")
  return sign, digits:sub(zeros + 1), point - zeros
end

-- Round a string of digits half up to at most DIGITS; a carry may make it
-- longer by one, which moves the point.
local function rounded(digits, point)
  if #digits <= DIGITS then return digits, point end
  local kept = {}
  for i = 1, DIGITS do kept[i] = digits:byte(i) - 48 end
  local carry = digits:byte(DIGITS + 1) >= 53 and 1 or 0
  for i = DIGITS, 1, -1 do
    local sum = kept[i] + carry
    kept[i], carry = sum % 10, sum >= 10 and 1 or 0
  end
  if carry == 1 then return "1" .. table.concat(kept), point + 1 end
  return table.concat(kept), point
end

local function write(sign, digits, point)
  digits, point = rounded(digits, point)
  digits = digits:gsub("0+$", "")
  if digits == "" then return "0" end
  if point <= 0 then return sign .. "0." .. ("0"):rep(-point) .. digits end
  if point >= #digits then return sign .. digits .. ("0"):rep(point - #digits) end
  return sign .. digits:sub(1, point) .. "." .. digits:sub(point + 1)
end

--- A number, or its text, times ten to the power of `by`.
-- @treturn ?string  nil when it is no finite number
function decimal.shifted(value, by)
  local text = type(value) == "number" and ("%.17g"):format(value) or tostring(value)
  local sign, digits, point = parts(text)
  if not sign or math.abs(point) > 400 then return nil end
  return write(sign, digits, point + by)
end

function decimal.text(value)
  return decimal.shifted(value, 0)
end

return decimal
