rockspec_format = "3.0"
package = "tidegate"
version = "scm-1"
source = {
  url = "git+https://github.com/tidegate/tidegate.git",
}
description = {
  summary = "The OpenRouter you run yourself: routing for language models, in C and Lua",
  detailed = [[
One OpenAI-compatible endpoint in front of every model provider: failover,
percentiles, prices and privacy decide where a request goes. A C core with a Lua
half, as a program and as a module.]],
  license = "MIT",
}
supported_platforms = { "linux" }
-- LuaJIT is Lua 5.1 here.
dependencies = {
  "lua >= 5.1, < 5.5",
}
-- Only the libraries: LuaRocks does not find headers in multiarch directories,
-- pkg-config does.
external_dependencies = {
  CURL = { library = "curl" },
  OPENSSL = { library = "ssl" },
  ZLIB = { library = "z" },
  BROTLI = { library = "brotlidec" },
}
build = {
  type = "cmake",
  variables = {
    CMAKE_BUILD_TYPE = "Release",
    CMAKE_C_FLAGS = "$(CFLAGS)",
    LUA_INCDIR = "$(LUA_INCDIR)",
    LUADIR = "$(LUADIR)",
    LIBDIR = "$(LIBDIR)",
    BINDIR = "$(BINDIR)",
  },
}
test_dependencies = { "busted" }
test = { type = "busted" }
