std = "luajit"
max_line_length = 120
codes = true
exclude_files = { "build", "build.luarocks", "lua_modules", "node_modules", "spec/**/node_modules" }

-- A case is a line of its table, however long its words.
files["spec"] = { std = "+busted", max_line_length = 160 }
files["bench"] = { max_line_length = 160 }

-- Configurations see this much and no more.
files["examples"] = { std = "none", read_globals = { "env", "string", "table", "math", "ipairs", "pairs",
  "tostring", "tonumber", "type", "assert", "error" } }
