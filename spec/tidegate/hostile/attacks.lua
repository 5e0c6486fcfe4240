-- Ways to take time or memory without end: the name, the text, and how each has
-- to end: "timeout", "no_memory", or a part of the error it is refused with; one
-- "or" another. `here` lists the Luas in which it is one; without it it is in all.

local NOT_5_1, WITH_INTEGERS = "LuaJIT, Lua 5.3, Lua 5.4", "Lua 5.3, Lua 5.4"
local TOO_DEEP = "too many syntax levels or too many C levels or C stack overflow"

local BIG = "local s = ('1'):rep(65536) s = s..s s = s..s s = s..s "       -- 512 KiB
local SET = "'[' .. ('b'):rep(60000) .. ']'"

-- The i-th of 65,536 numbers whose hashes in LuaJIT end alike.
local COLLIDING = [[
local function xor(a, b)
  local r, p = 0, 1
  while a > 0 or b > 0 do
    local x, y = a % 2, b % 2
    if x ~= y then r = r + p end
    a, b, p = (a - x) / 2, (b - y) / 2, p * 2
  end
  return r
end
local function rotate(a, n) local low = a % 2 ^ (32 - n) return low * 2 ^ n + (a - low) / 2 ^ (32 - n) end
local function colliding(i)
  local high = i % 4096 * 2 + math.floor(i / 4096) % 16 * 2 ^ 28
  local low = xor((12345 + rotate(high, 14)) % 2 ^ 32, high)
  local exponent, rest = math.floor(high / 2 ^ 21), high % 2 ^ 21 * 2 ^ 31 + low
  return exponent == 0 and rest * 2 ^ -1074 or (1 + rest / 2 ^ 52) * 2 ^ (exponent - 1023)
end
]]

-- A function inside `depth` others of 199 local variables each.
local function inside(depth, text)
  return ("function f() local a" .. (",a"):rep(198) .. " "):rep(depth) .. text .. ("end "):rep(depth)
end

return {
  { "loops", "while true do end", "timeout" },
  { "counts for ever", "for i = 1, math.huge do end", "timeout" },
  { "jumps back for ever", "::again:: goto again", "timeout", here = NOT_5_1 },
  { "calls itself for ever, in the tail", "local function f() return f() end f()", "timeout" },
  { "calls itself for ever", "local function f() return 1 + f() end f()", "stack overflow or no_memory" },
  { "loops inside pcall", "pcall(function() while true do end end)", "timeout" },
  { "catches its end in a loop", "while true do pcall(function() while true do end end) end", "timeout" },
  { "catches its end at every level", "local function f() pcall(f) while true do end end f()", "timeout" },
  { "grows a tree of pcalls", "local function f() pcall(f) pcall(f) end f()", "timeout" },
  { "catches every error in a loop", "while true do pcall(error, 'x') end", "timeout" },
  { "loops in an order for sort", "table.sort({ 3, 2, 1 }, function() while true do end end)", "timeout" },
  { "loops in a replacement for gsub", "('x'):gsub('.', function() while true do end end)", "timeout" },
  { "nests gsub in gsub", "local function f() return ('xx'):gsub('.', f) end f()", "calls nested more than" },
  { "loops in a walk of pairs", "for k in pairs({ 1 }) do while true do end end", "timeout" },
  { "loops in the order of a sort inside pcall", "while true do pcall(table.sort, { 2, 1 }, function() while true do end end) end",
    "timeout" },
  { "matches forty lazy repetitions", "(('a'):rep(40)):find(('a-'):rep(40) .. 'b')", "too many steps" },
  { "matches thirty greedy ones", "(('a'):rep(30000)):find(('a*'):rep(30) .. 'b')", "too many steps" },
  { "matches lazily over 30 KB", "(('a'):rep(30000)):match('.-b')", "too many steps" },
  { "goes through lazy matches", "for _ in (('a'):rep(30000)):gmatch('.-b') do end", "too many steps" },
  { "substitutes lazily", "(('a'):rep(30000)):gsub('.-b', '')", "too many steps" },
  { "balances nothing but openings", "(('('):rep(30000)):find('%b()')", "too many steps" },
  { "matches in a loop and catches the error", "while true do pcall(string.find, ('a'):rep(30000), '.-b') end", "timeout" },
  { "nests a pattern too deep", "('a'):find(('a?'):rep(500))", "pattern too complex" },
  { "searches plainly for half of what it searches in",
    "local s, n = ('a'):rep(60000), ('a'):rep(30000) .. 'b' while true do s:find(n, 1, true) end", "timeout" },
  { "repeats a string a billion times", "('x'):rep(1e9)", "too large" },
  { "repeats a string for ever, without end", "('x'):rep(math.huge)", "too large" },
  { "formats to a huge width", "('%999999999d'):format(1)", "width or precision too long" },
  { "formats a string of strings", "local s = ('x'):rep(60000) return ('%s%s'):format(s, s)", "too large" },
  { "substitutes every letter by 60 KB", "(('x'):rep(60000)):gsub('.', ('y'):rep(60000))", "too large" },
  { "doubles a string", "local s = 'x' while true do s = s .. s end", "no_memory" },
  { "joins half a megabyte again and again", BIG .. "while true do local t = s .. 'x' end", "timeout" },
  { "makes numbers of half a megabyte of digits", BIG .. "while true do " .. ("s = s + s - s "):rep(1) .. "s = ('1'):rep(60000) end",
    "timeout" },
  { "makes many numbers of it at once", BIG .. "local x while true do " .. ("x = s + s "):rep(100) .. "end", "timeout" },
  { "reads many numbers from it", BIG .. "while true do " .. ("tonumber(s) "):rep(30) .. "end", "timeout" },
  { "compares strings that are equal to the last byte",
    BIG .. "local t, x = s .. '1' while true do " .. ("x = s < t "):rep(100) .. "end", "timeout" },
  { "lowers half a megabyte", BIG .. "while true do local t = s:lower() end", "timeout or no_memory" },
  { "reverses half a megabyte", BIG .. "while true do " .. ("s:reverse() "):rep(30) .. "end", "timeout or no_memory" },
  { "fills tables", "local t = {} for i = 1, 1e9 do t[i] = { i, {}, {} } end", "timeout or no_memory" },
  { "fills a table with keys", "local t = {} for i = 1, 1e9 do t['key' .. i] = i end", "timeout or no_memory" },
  { "makes strings that hash alike",
    "local t, a = {}, ('a'):rep(40) for i = 1, 1e9 do t[i] = a .. string.char(i % 256, math.floor(i / 256) % 256, math.floor(i / 65536) % 256) .. a end",
    "timeout or no_memory" },
  { "makes keys that hash alike", COLLIDING .. "local t = {} for i = 0, 4000 do t[colliding(i)] = i end while true do local x = t[0] end",
    "timeout" },
  { "moves keys that hash alike again and again",
    COLLIDING .. "local t = {} for i = 0, 1000 do t[colliding(i)] = 1 end for i = 1, 1e9 do t[colliding(i)], t[colliding(i + 1000)] = nil, 1 end",
    "timeout" },
  { "fills a table with more keys than it may have", "local t = {} for i = 1, 5000 do t['k' .. i] = i end", "no_memory" },
  { "makes garbage", "while true do local t = {} for i = 1, 5000 do t[i] = {} end end", "timeout" },
  { "inserts in front", "local t = {} while true do table.insert(t, 1, 1) end", "timeout or no_memory" },
  { "removes from the front", "local t = {} for i = 1, 50000 do t[i] = i end while true do table.remove(t, 1) t[#t + 1] = 1 end",
    "timeout" },
  { "sorts 30,000 numbers again and again", "local t = {} for i = 1, 30000 do t[i] = -i end while true do table.sort(t) end", "timeout" },
  { "sorts strings of half a megabyte that differ at their ends",
    BIG .. "local v, t = {}, {} for i = 1, 7 do v[i] = s .. i end for i = 1, 3000 do t[i] = v[i * 5 % 7 + 1] end table.sort(t)", "timeout" },
  { "joins a list too long", "local t = {} for i = 1, 50000 do t[i] = 'xxxx' end return table.concat(t)", "too large" },
  { "joins over a range without end", "return table.concat({}, 'x', 1, 2 ^ 31 - 1)", "invalid value" },
  { "unpacks a billion", "return unpack({}, 1, 1e9)", "too many results" },
  { "unpacks over the edge of integers", "return unpack({}, -2 ^ 31, 2 ^ 31 - 1)", "too many results" },
  { "looks for a next key among holes",
    "local t = {} for i = 1, 4000 do t['k' .. i] = 1 end for k in pairs(t) do t[k] = nil end while true do next(t) end", "timeout" },
  { "makes a table of a literal again and again", "while true do local t = { " .. ("1, "):rep(16000) .. "} end", "timeout or no_memory" },

  -- Of Luas that have integers.
  { "repeats to the end of integers", "return ('x'):rep(math.maxinteger)", "too large", here = WITH_INTEGERS },
  { "unpacks all integers", "return unpack({}, math.mininteger, math.maxinteger)", "too many results", here = WITH_INTEGERS },
  { "counts to the last integer, and again", "while true do for i = math.maxinteger - 9, math.maxinteger do end end", "timeout",
    here = WITH_INTEGERS },
  { "makes integer keys that fall on one place",
    "local t = {} for i = 1, 4000 do t[4095 * 2047 * 1023 * 511 * i] = i end while true do local x = t[4095] end", "timeout or no_memory",
    here = WITH_INTEGERS },
  { "joins all integers", "return table.concat({}, '', math.maxinteger - 1, math.maxinteger)", "invalid value", here = WITH_INTEGERS },

  -- As memory ends.
  { "catches the end of memory in a loop",
    "local function double() local s = 'x' while true do s = s .. s end end while true do pcall(double) end", "timeout" },
  { "makes a list of lists of lists", "local t while true do t = { t } end", "timeout or no_memory" },
  { "makes functions that hold each other", "local f while true do local g = f f = function() return g end end", "timeout or no_memory" },
  { "makes one error a megabyte long", BIG .. "s = s .. s:sub(999) while true do pcall(error, s) end", "timeout" },

  -- Patterns, formats and what joins.
  { "reads a long set where nothing is left to match", "(('a'):rep(30)):find(('a-'):rep(30) .. '%f[%z]' .. " .. SET .. ")", "too many steps" },
  { "tries a long set at every place", "(('a'):rep(60000)):find('.-' .. " .. SET .. ")", "too many steps" },
  { "asks for the frontier of a long set", "(('a'):rep(60000)):find('%f' .. " .. SET .. ")", "too many steps" },
  { "asks for what it captured again", "(('a'):rep(60000)):find('(.-)%1b')", "too many steps" },
  { "opens more captures than there are", "('x'):find(('()'):rep(33))", "too many captures" },
  { "multiplies a capture", "(('x'):rep(60000)):gsub('(.*)', ('%1'):rep(1000))", "too large" },
  { "goes through empty matches", "local s = ('x'):rep(60000) while true do for _ in s:gmatch('') do end end", "timeout" },
  { "substitutes by a table", "local s = ('x'):rep(60000) while true do s:gsub('.', { x = 'y' }) end", "timeout" },
  { "searches plainly for what is nearly there", BIG .. "local n = '2' .. ('1'):rep(254) while true do s:find(n, 1, true) end", "timeout" },
  { "repeats nothing with something between", "(''):rep(1e9, 'x')", "too large" },
  { "joins by 60 KB", "return table.concat({ 1, 2, 3 }, ('x'):rep(60000))", "too large" },
  { "formats the longest numbers", "local f, t = ('%99.99f'):rep(150), {} for i = 1, 150 do t[i] = 1e308 end while true do f:format(unpack(t)) end",
    "timeout" },
  { "quotes what becomes four times as long", "return ('%q'):format(('\\1'):rep(60000))", "too large" },
  { "joins two hundred strings at once", "local a = ('x'):rep(5000) while true do local t = " .. ("a.."):rep(150) .. "a end", "timeout" },
  { "asks for the bytes of a string at once", "local s = ('x'):rep(60000) while true do pcall(s.byte, s, 1, -1) end", "timeout" },

  -- Calls.
  { "piles up arguments", "local function f(...) return f(1, ...) end f()", "timeout or stack overflow" },
  { "doubles its arguments", "local function f(...) local t = { ... } for i = 1, #t do t[#t + 1] = i end return f(unpack(t)) end f(1)", "too many results" },
  { "counts its arguments for ever",
    "local t = {} for i = 1, 250 do t[i] = i end local function f(...) while true do local n = select('#', ...) end end f(unpack(t))", "timeout" },
  { "nests sort in sort", "local function f() table.sort({ 2, 1 }, f) end f()", "calls nested more than" },
  { "overflows the stack in an order for sort", "local function f() return 1 + f() end table.sort({ 2, 1 }, f)",
    "stack overflow or no_memory" },
  { "overflows the stack and catches it in a loop", "local function f() return 1 + f() end while true do pcall(f) end", "timeout" },
  { "overflows the stack at every level of pcall", "local function f(n) if n > 0 then pcall(f, n - 1) end return 1 + f(n) end f(20)", "timeout" },
  { "raises from a deep level in a loop", "local function f(n) while n == 0 do pcall(error, 'x', 9e9) end return 1 + f(n - 1) end f(5000)", "timeout" },
  { "steps by nothing", "for i = 1, 2, 0 do end", "timeout or step is zero", here = "LuaJIT, Lua 5.4" },
  { "steps by next to nothing", "for i = 1, 2, 1e-300 do end", "timeout" },
  { "walks over a list that it makes longer", "local t = { 1 } for i in ipairs(t) do t[i + 1] = 1 end", "timeout or no_memory" },
  { "walks over fields that it adds to", "local t = { a = 1 } while true do for k in pairs(t) do t[k .. 1] = nil t.b = {} end end", "timeout" },
  { "unpacks at the end of integers", "return unpack({}, 2 ^ 31 - 2, 2 ^ 31 - 1)", "too many results" },
  { "unpacks from no number", "return unpack({}, 0 / 0, 1)", "too many results" },

  -- What is slow to read. No hook runs then.
  { "is a chain of 13,000 ors", "local a x=" .. ("a or "):rep(13000) .. "a", "timeout" },
  { "is a chain of 4,600 elseifs", "local a if a then " .. ("elseif a then "):rep(4600) .. "end", "timeout" },
  { "looks up names through eighty functions of 199 variables", inside(80, ("x=x "):rep(7000)), "timeout" },
  { "nests functions", ("function f() "):rep(4000), TOO_DEEP },
  { "has a comment without an end", "--[==[" .. (" "):rep(60000), "unfinished long comment" },
  { "has a string without an end", "x = [==[" .. ("]="):rep(30000), "unfinished long string" },
  { "has a number of 60,000 digits in its exponent", "x = 1e" .. ("9"):rep(60000), "malformed number", here = "LuaJIT" },
  { "nests parentheses", ("("):rep(60000), TOO_DEEP },
  { "nests tables", "return " .. ("{"):rep(60000), TOO_DEEP },
  { "declares too much", ("local a "):rep(8000), "more than 200 local variables or too many local variables" },
  { "is a file too long", ("-"):rep(64 * 1024 + 1), "longer than 64 KiB" },
}
