--- The Lua that runs the specs, and what it calls differently.

local this_lua = {}

--- "LuaJIT", "Lua 5.1", "Lua 5.3", "Lua 5.4"
this_lua.name = rawget(_G, "jit") and "LuaJIT" or _VERSION

this_lua.is_luajit = this_lua.name == "LuaJIT"

--- Before 5.3 all numbers are doubles.
this_lua.has_integers = rawget(math, "type") ~= nil

this_lua.unpack = rawget(_G, "unpack") or rawget(table, "unpack")

--- A text as a function; nil and why not.
this_lua.compile = rawget(_G, "loadstring") or load

--- An interpreter's words as this one says them; they are written as LuaJIT and 5.1 say them.
--
--     this_lua.words "attempt to index global 'os'"   --> in 5.3: attempt to index a nil value (global 'os')
function this_lua.words(words)
  if not this_lua.has_integers then return words end
  words = words:gsub("(%w+) (global '[^']+')", "%1 a nil value (%2)"):gsub("(%w+) (field '[^']+')", "%1 a nil value (%2)")
  return (words:gsub(" %(a nil value%)$", ""))
end

return this_lua
