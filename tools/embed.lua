--- Write a C file that holds every .lua and .json file below a directory.
--
--     luajit tools/embed.lua lua build/embedded.c
--
-- The program finds its Lua half there: lua/tidegate/app/main.lua becomes the
-- entry "tidegate.app.main", lua/tidegate/catalog/shipped.json becomes
-- "tidegate/catalog/shipped.json".

local root, out_path = arg[1], arg[2]
assert(root and out_path, "usage: embed.lua DIR OUT.c")

local function name_of(path)
  local inside = path:sub(#root + 2)
  local stem = inside:match("^(.*)%.lua$")
  if not stem then return inside end
  return (stem:gsub("/init$", ""):gsub("/", "."))
end

local BYTE = {}
for i = 0, 255 do BYTE[string.char(i)] = i .. "," end

local files = {}
for path in io.popen("find '" .. root .. "' -name '*.lua' -o -name '*.json'"):lines() do
  files[#files + 1] = path
end
table.sort(files)

local out = assert(io.open(out_path, "wb"))
out:write('/* Made by tools/embed.lua. */\n#include <stddef.h>\n#include "lua/embedded.h"\n\n')
for i, path in ipairs(files) do
  local file = assert(io.open(path, "rb"))
  local text = file:read("*a")
  file:close()
  out:write("static const unsigned char file_", i, "[] = {")
  for at = 1, #text, 512 do
    out:write((text:sub(at, at + 511):gsub(".", BYTE)), "\n")
  end
  out:write("0};\n")
  files[i] = { name = name_of(path), bytes = #text }
end
out:write("\nconst struct tg_embedded tg_embedded[] = {\n")
for i, file in ipairs(files) do
  out:write(('    { "%s", (const char *)file_%d, %d },\n'):format(file.name, i, file.bytes))
end
out:write("    { NULL, NULL, 0 }\n};\n")
out:write(("const size_t tg_embedded_count = %d;\n"):format(#files))
assert(out:close())
