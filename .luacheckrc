std = "luajit"
max_line_length = 120
codes = true
exclude_files = { "build", "build.luarocks", "lua_modules", "node_modules", "spec/**/node_modules" }

-- A case is a line of its table, however long its words.
files["spec"] = { std = "+busted", max_line_length = 160 }
files["bench"] = { max_line_length = 160 }

-- Inside nginx.
files["lua/tidegate/resty"] = { globals = { "ngx" } }
files["lua/tidegate/resty.lua"] = { globals = { "ngx" } }

-- Configurations see this much and no more.
files["examples"] = { std = "none", read_globals = { "env", "string", "table", "math", "ipairs", "pairs",
  "tostring", "tonumber", "type", "assert", "error" } }

-- Programs with the gateway inside, and the globals of their hosts.
for host, globals in pairs {
  copas = {}, cqueues = {}, plain = {}, tarantool = {}, neovim = { "vim" }, love = { "love" }, haproxy = { "core" },
} do
  files["examples/" .. host] = { std = "luajit", globals = globals }
end
files["spec/hosts/scripts"] = { globals = { "vim" } }

-- Policies see what the sandbox has: this is what `tidegate policy luacheckrc` prints. Their specs
-- are programs like any other.
files["examples/policies"] = { std = "none", unused_args = false, read_globals = {
  "_VERSION", "assert", "error", "ipairs", "next", "pairs", "pcall", "rawequal", "require",
  "select", "tonumber", "tostring", "type", "unpack",
  string = { fields = {
    "byte", "char", "find", "format", "gmatch", "gsub", "len", "lower", "match", "rep", "reverse",
    "sub", "upper",
  } },
  table = { fields = {
    "concat", "insert", "remove", "sort", "unpack",
  } },
  math = { fields = {
    "abs", "acos", "asin", "atan", "atan2", "ceil", "cos", "cosh", "deg", "exp", "floor", "fmod",
    "frexp", "huge", "ldexp", "log", "log10", "max", "min", "modf", "pi", "pow", "rad", "random",
    "sin", "sinh", "sqrt", "tan", "tanh",
  } },
  tidegate = { fields = { "log", kv = { fields = { "get", "set", "incr" } } } },
} }
-- What a wire's file sees.
files["examples/wires"] = { std = "none", unused_args = false, read_globals = { "json", "require", "setmetatable", "pcall",
  "assert", "error", "ipairs", "next", "pairs", "select", "tonumber", "tostring", "type", "unpack",
  string = { other_fields = true }, table = { other_fields = true }, math = { other_fields = true } } }
files["examples/wires/*_spec.lua"] = { std = "luajit+busted", max_line_length = 160 }
files["examples/policies/*_spec.lua"] = { std = "luajit+busted", max_line_length = 160 }
