--- Compile a text that sees the globals it is given; the same in every Lua. Bytecode is refused.
--
--     local chunk, why = load_text("return x", "policies/cheap.lua", { x = 1 })

--- @tparam string text
-- @tparam string called  its name in errors
-- @tparam table env
-- @treturn ?function
-- @treturn ?string  file:line: what
return function(text, called, env)
  local set = rawget(_G, "setfenv")
  if not set then return load(text, "@" .. called, "t", env) end
  if text:byte() == 27 then return nil, called .. ": not text: bytecode is refused" end
  local chunk, why = loadstring(text, "@" .. called)
  return chunk and set(chunk, env), why
end
