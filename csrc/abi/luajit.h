/* luajit.h -- LuaJIT for the door inside libtidegate, kept apart from every other Lua.
 *
 * A game has a Lua of its own, an interpreter exports its one, and the dynamic linker
 * gives the first `lua_call` it finds to everybody who wants one. So libtidegate is not
 * linked to LuaJIT: it opens it at run time, in a scope of its own, and the door calls
 * it through this table. The door's files do not know: this header is included before
 * all else (-include) where they are compiled for libtidegate.
 *
 * A function that the door uses and that is missing here is an undefined symbol when
 * libtidegate is linked: add it to both lists. */
#ifndef TG_ABI_LUAJIT_H
#define TG_ABI_LUAJIT_H

#include <stdbool.h>
#include <lua.h>
#include <lauxlib.h>
#include <lualib.h>

#define TGA_LUAJIT_FUNCTIONS(X) \
    X(lua_call) X(lua_checkstack) X(lua_close) X(lua_cpcall) X(lua_createtable) X(lua_error) \
    X(lua_gc) X(lua_getallocf) X(lua_getfield) X(lua_getinfo) X(lua_getmetatable) \
    X(lua_getstack) X(lua_gettable) X(lua_gettop) X(lua_insert) X(lua_isstring) \
    X(lua_lessthan) X(lua_load) X(lua_newstate) X(lua_newthread) X(lua_newuserdata) \
    X(lua_next) X(lua_objlen) X(lua_pcall) X(lua_pushboolean) X(lua_pushcclosure) \
    X(lua_pushfstring) X(lua_pushinteger) X(lua_pushlightuserdata) X(lua_pushlstring) \
    X(lua_pushnil) X(lua_pushnumber) X(lua_pushstring) X(lua_pushthread) X(lua_pushvalue) \
    X(lua_rawequal) X(lua_rawget) X(lua_rawgeti) X(lua_rawset) X(lua_rawseti) X(lua_remove) \
    X(lua_replace) X(lua_resume) X(lua_setallocf) X(lua_setfield) X(lua_sethook) \
    X(lua_setmetatable) X(lua_settop) X(lua_toboolean) X(lua_tointeger) X(lua_tolstring) \
    X(lua_pushvfstring) X(lua_tonumber) X(lua_topointer) X(lua_touserdata) X(lua_type) X(lua_typename) X(lua_xmove) \
    X(lua_yield) \
    X(luaL_addlstring) X(luaL_addvalue) X(luaL_argerror) X(luaL_buffinit) X(luaL_callmeta) \
    X(luaL_checkany) X(luaL_checkinteger) X(luaL_checklstring) X(luaL_checknumber) \
    X(luaL_checkstack) X(luaL_checktype) X(luaL_checkudata) X(luaL_error) \
    X(luaL_getmetafield) X(luaL_loadbuffer) X(luaL_newmetatable) X(luaL_newstate) \
    X(luaL_openlibs) X(luaL_optinteger) X(luaL_optlstring) X(luaL_optnumber) \
    X(luaL_prepbuffer) X(luaL_pushresult) X(luaL_ref) X(luaL_unref) \
    X(luaopen_base) X(luaopen_math) X(luaopen_package) X(luaopen_string) X(luaopen_table)

struct tga_luajit {
#define X(name) __typeof__(name) *name;
    TGA_LUAJIT_FUNCTIONS(X)
#undef X
};

extern struct tga_luajit tga_luajit;

/* Open it, once in a process; it stays. NULL, or why there is none, static. Before
 * anything else of Lua. */
const char *tga_luajit_open(void);

#ifndef TGA_LUAJIT_ITSELF
#define lua_call              (tga_luajit.lua_call)
#define lua_checkstack        (tga_luajit.lua_checkstack)
#define lua_close             (tga_luajit.lua_close)
#define lua_cpcall            (tga_luajit.lua_cpcall)
#define lua_createtable       (tga_luajit.lua_createtable)
#define lua_error             (tga_luajit.lua_error)
#define lua_gc                (tga_luajit.lua_gc)
#define lua_getallocf         (tga_luajit.lua_getallocf)
#define lua_getfield          (tga_luajit.lua_getfield)
#define lua_getinfo           (tga_luajit.lua_getinfo)
#define lua_getmetatable      (tga_luajit.lua_getmetatable)
#define lua_getstack          (tga_luajit.lua_getstack)
#define lua_gettable          (tga_luajit.lua_gettable)
#define lua_gettop            (tga_luajit.lua_gettop)
#define lua_insert            (tga_luajit.lua_insert)
#define lua_isstring          (tga_luajit.lua_isstring)
#define lua_lessthan          (tga_luajit.lua_lessthan)
#define lua_load              (tga_luajit.lua_load)
#define lua_newstate          (tga_luajit.lua_newstate)
#define lua_newthread         (tga_luajit.lua_newthread)
#define lua_newuserdata       (tga_luajit.lua_newuserdata)
#define lua_next              (tga_luajit.lua_next)
#define lua_objlen            (tga_luajit.lua_objlen)
#define lua_pcall             (tga_luajit.lua_pcall)
#define lua_pushboolean       (tga_luajit.lua_pushboolean)
#define lua_pushcclosure      (tga_luajit.lua_pushcclosure)
#define lua_pushfstring       (tga_luajit.lua_pushfstring)
#define lua_pushinteger       (tga_luajit.lua_pushinteger)
#define lua_pushlightuserdata (tga_luajit.lua_pushlightuserdata)
#define lua_pushlstring       (tga_luajit.lua_pushlstring)
#define lua_pushnil           (tga_luajit.lua_pushnil)
#define lua_pushnumber        (tga_luajit.lua_pushnumber)
#define lua_pushstring        (tga_luajit.lua_pushstring)
#define lua_pushthread        (tga_luajit.lua_pushthread)
#define lua_pushvalue         (tga_luajit.lua_pushvalue)
#define lua_rawequal          (tga_luajit.lua_rawequal)
#define lua_rawget            (tga_luajit.lua_rawget)
#define lua_rawgeti           (tga_luajit.lua_rawgeti)
#define lua_rawset            (tga_luajit.lua_rawset)
#define lua_rawseti           (tga_luajit.lua_rawseti)
#define lua_remove            (tga_luajit.lua_remove)
#define lua_replace           (tga_luajit.lua_replace)
#define lua_resume            (tga_luajit.lua_resume)
#define lua_setallocf         (tga_luajit.lua_setallocf)
#define lua_setfield          (tga_luajit.lua_setfield)
#define lua_sethook           (tga_luajit.lua_sethook)
#define lua_setmetatable      (tga_luajit.lua_setmetatable)
#define lua_settop            (tga_luajit.lua_settop)
#define lua_toboolean         (tga_luajit.lua_toboolean)
#define lua_tointeger         (tga_luajit.lua_tointeger)
#define lua_tolstring         (tga_luajit.lua_tolstring)
#define lua_tonumber          (tga_luajit.lua_tonumber)
#define lua_pushvfstring      (tga_luajit.lua_pushvfstring)
#define lua_topointer         (tga_luajit.lua_topointer)
#define lua_touserdata        (tga_luajit.lua_touserdata)
#define lua_type              (tga_luajit.lua_type)
#define lua_typename          (tga_luajit.lua_typename)
#define lua_xmove             (tga_luajit.lua_xmove)
#define lua_yield             (tga_luajit.lua_yield)
#define luaL_addlstring       (tga_luajit.luaL_addlstring)
#define luaL_addvalue         (tga_luajit.luaL_addvalue)
#define luaL_argerror         (tga_luajit.luaL_argerror)
#define luaL_buffinit         (tga_luajit.luaL_buffinit)
#define luaL_callmeta         (tga_luajit.luaL_callmeta)
#define luaL_checkany         (tga_luajit.luaL_checkany)
#define luaL_checkinteger     (tga_luajit.luaL_checkinteger)
#define luaL_checklstring     (tga_luajit.luaL_checklstring)
#define luaL_checknumber      (tga_luajit.luaL_checknumber)
#define luaL_checkstack       (tga_luajit.luaL_checkstack)
#define luaL_checktype        (tga_luajit.luaL_checktype)
#define luaL_checkudata       (tga_luajit.luaL_checkudata)
#define luaL_error            (tga_luajit.luaL_error)
#define luaL_getmetafield     (tga_luajit.luaL_getmetafield)
#define luaL_loadbuffer       (tga_luajit.luaL_loadbuffer)
#define luaL_newmetatable     (tga_luajit.luaL_newmetatable)
#define luaL_newstate         (tga_luajit.luaL_newstate)
#define luaL_openlibs         (tga_luajit.luaL_openlibs)
#define luaL_optinteger       (tga_luajit.luaL_optinteger)
#define luaL_optlstring       (tga_luajit.luaL_optlstring)
#define luaL_optnumber        (tga_luajit.luaL_optnumber)
#define luaL_prepbuffer       (tga_luajit.luaL_prepbuffer)
#define luaL_pushresult       (tga_luajit.luaL_pushresult)
#define luaL_ref              (tga_luajit.luaL_ref)
#define luaL_unref            (tga_luajit.luaL_unref)
#define luaopen_base          (tga_luajit.luaopen_base)
#define luaopen_math          (tga_luajit.luaopen_math)
#define luaopen_package       (tga_luajit.luaopen_package)
#define luaopen_string        (tga_luajit.luaopen_string)
#define luaopen_table         (tga_luajit.luaopen_table)
#endif

#endif
