# Which Lua the module is for, and whether there is one for the program.
#
#   TG_LUA_INCDIR    the directory of lua.h
#   TG_LUA_ABI       5.1, 5.3, 5.4: as in share/lua/5.1; LuaJIT's is 5.1
#   TG_INTERPRETER   a Lua program, to make files with
#   TG_SHEBANG       the name of the module's own one
#   TG_NATIVE        build the program; LUAJIT_INCLUDE_DIRS and LUAJIT_LINK_LIBRARIES
#
# LuaRocks keeps its build directory from one Lua to the next: what was found
# then is no longer true.

foreach(prefix LUAJIT LUA51 LUA53 LUA54 LUAANY)
  unset(${prefix}_FOUND CACHE)
endforeach()
unset(TG_INTERPRETER CACHE)

pkg_check_modules(LUAJIT luajit)

# The directories that may be meant, those of `-I` first: it is left out where it
# is the compiler's own.
if(LUA_INCDIR)
  set(dirs ${LUA_INCDIR})
elseif(TG_LUA STREQUAL "luajit" OR (NOT TG_LUA AND LUAJIT_FOUND))
  set(dirs ${LUAJIT_INCLUDE_DIRS} ${LUAJIT_INCLUDEDIR})
elseif(TG_LUA)
  string(REPLACE "." "" digits ${TG_LUA})
  pkg_search_module(LUA${digits} lua${TG_LUA} lua-${TG_LUA} lua${digits})
  set(dirs ${LUA${digits}_INCLUDE_DIRS} ${LUA${digits}_INCLUDEDIR})
else()
  pkg_search_module(LUAANY lua5.4 lua-5.4 lua54 lua5.3 lua-5.3 lua53 lua5.1 lua-5.1 lua51 lua)
  set(dirs ${LUAANY_INCLUDE_DIRS} ${LUAANY_INCLUDEDIR})
endif()

set(version "")
foreach(dir ${dirs})
  if(EXISTS "${dir}/lua.h")
    set(TG_LUA_INCDIR ${dir})
    file(STRINGS ${dir}/lua.h version REGEX "define[ \t]+LUA_VERSION_NUM[ \t]+50[0-9]")
    break()
  endif()
endforeach()
if(NOT version MATCHES "50([134])")
  message(FATAL_ERROR "No lua.h of LuaJIT or Lua 5.1, 5.3 or 5.4 in \"${dirs}\". "
    "Install its headers (Debian: libluajit2-5.1-dev, liblua5.4-dev), or name their directory: "
    "-DLUA_INCDIR=DIR")
endif()
set(TG_LUA_ABI 5.${CMAKE_MATCH_1})

set(TG_SHEBANG lua${TG_LUA_ABI})
if(EXISTS "${TG_LUA_INCDIR}/luajit.h")
  set(TG_SHEBANG luajit)
endif()
find_program(TG_INTERPRETER NAMES luajit lua5.1 lua5.4 lua5.3 lua NAMES_PER_DIR)

set(TG_NATIVE OFF)
if(TG_PROGRAM AND LUAJIT_FOUND AND TG_INTERPRETER)
  set(TG_NATIVE ON)
endif()
message(STATUS "Module for Lua ${TG_LUA_ABI} of ${TG_LUA_INCDIR}, native program: ${TG_NATIVE}")
