#include "lua/tgl.h"

#include <math.h>
#include <string.h>
#include <lualib.h>
#include "base/mem.h"
#include "lua/embedded.h"

#define ERROR_TYPE "tidegate.error"
#define BUF_TYPE   "tidegate.core.buf"

void tgl_functions(lua_State *L, const luaL_Reg *list)
{
    for (; list->name; list++) {
        lua_pushcfunction(L, list->func);
        lua_setfield(L, -2, list->name);
    }
}

void tgl_push_number(lua_State *L, double n)
{
#if LUA_VERSION_NUM >= 503
    if (n > -9007199254740992.0 && n < 9007199254740992.0 && n == (double)(int64_t)n
        && !(n == 0 && signbit(n))) {
        lua_pushinteger(L, (lua_Integer)n);
        return;
    }
#endif
    lua_pushnumber(L, n);
}

static int l_nothing(lua_State *L)
{
    (void)L;
    return 0;
}

void tgl_goes_on(lua_State *L)
{
    if (!lua_checkstack(L, 1))
        return;
    lua_pushcfunction(L, l_nothing);
    lua_call(L, 0, 0);
}

int tgl_resume(lua_State *co, lua_State *from, int n)
{
#if LUA_VERSION_NUM >= 504
    int results;
    return lua_resume(co, from, n, &results);
#elif LUA_VERSION_NUM >= 502
    return lua_resume(co, from, n);
#else
    (void)from;
    return lua_resume(co, n);
#endif
}

/* ---- errors ---- */

static int l_error_text(lua_State *L)
{
    lua_getfield(L, 1, "message");
    return 1;
}

int tgl_fail_words(lua_State *L, tg_err err, struct tg_str words)
{
    lua_pushnil(L);
    lua_createtable(L, 0, 2);
    lua_pushstring(L, tg_err_code(err));
    lua_setfield(L, -2, "code");
    if (words.len)
        tgl_push_str(L, words);
    else
        lua_pushstring(L, tg_err_text(err));
    lua_setfield(L, -2, "message");
    if (luaL_newmetatable(L, ERROR_TYPE)) {
        lua_pushcfunction(L, l_error_text);
        lua_setfield(L, -2, "__tostring");
    }
    lua_setmetatable(L, -2);
    return 2;
}

int tgl_fail(lua_State *L, tg_err err)
{
    return tgl_fail_words(L, err, (struct tg_str){ NULL, 0 });
}

/* ---- objects ---- */

static int l_object_text(lua_State *L)
{
    void **box = lua_touserdata(L, 1);
    lua_getmetatable(L, 1);
    lua_getfield(L, -1, "__name");
    if (box && *box)
        lua_pushfstring(L, "%s (%p)", lua_tostring(L, -1), *box);
    else
        lua_pushfstring(L, "%s (closed)", lua_tostring(L, -1));
    return 1;
}

void tgl_type(lua_State *L, const char *type, const luaL_Reg *methods, lua_CFunction finish)
{
    if (!luaL_newmetatable(L, type)) {
        lua_pop(L, 1);
        return;
    }
    lua_newtable(L);                                     /* Stack: mt methods */
    lua_pushcfunction(L, finish);
    lua_setfield(L, -2, "close");
    tgl_functions(L, methods);
    lua_setfield(L, -2, "__index");                      /* Stack: mt */
    lua_pushcfunction(L, finish);
    lua_setfield(L, -2, "__gc");
    lua_pushcfunction(L, finish);
    lua_setfield(L, -2, "__close");
    lua_pushcfunction(L, l_object_text);
    lua_setfield(L, -2, "__tostring");
    lua_pushstring(L, type);
    lua_setfield(L, -2, "__name");
    lua_pop(L, 1);
}

void **tgl_new(lua_State *L, const char *type)
{
    void **box = lua_newuserdata(L, sizeof *box);
    *box = NULL;
    luaL_getmetatable(L, type);
    lua_setmetatable(L, -2);
    return box;
}

void **tgl_box(lua_State *L, int arg, const char *type)
{
    return luaL_checkudata(L, arg, type);
}

void *tgl_check(lua_State *L, int arg, const char *type)
{
    void **box = tgl_box(L, arg, type);
    luaL_argcheck(L, *box, arg, "already closed");
    return *box;
}

static int l_buf_finish(lua_State *L)
{
    tg_buf_done(lua_touserdata(L, 1));
    return 0;
}

struct tg_buf *tgl_buf(lua_State *L)
{
    struct tg_buf *b = lua_newuserdata(L, sizeof *b);
    tg_buf_init(b);
    if (luaL_newmetatable(L, BUF_TYPE)) {
        lua_pushcfunction(L, l_buf_finish);
        lua_setfield(L, -2, "__gc");
    }
    lua_setmetatable(L, -2);
    return b;
}

void tgl_push_buf(lua_State *L, const struct tg_buf *b)
{
    if (b->bad)
        luaL_error(L, "%s", tg_err_text(TG_ENOMEM));
    lua_pushlstring(L, b->len ? b->at : "", b->len);
}

/* ---- strings and fields ---- */

void tgl_push_str(lua_State *L, struct tg_str s)
{
    lua_pushlstring(L, s.len ? s.at : "", s.len);
}

void tgl_set_str(lua_State *L, const char *name, struct tg_str s)
{
    tgl_push_str(L, s);
    lua_setfield(L, -2, name);
}

void tgl_set_number(lua_State *L, const char *name, double n)
{
    tgl_push_number(L, n);
    lua_setfield(L, -2, name);
}

void tgl_set_bool(lua_State *L, const char *name, bool is)
{
    lua_pushboolean(L, is);
    lua_setfield(L, -2, name);
}

struct tg_str tgl_check_str(lua_State *L, int arg)
{
    struct tg_str s;
    s.at = luaL_checklstring(L, arg, &s.len);
    return s;
}

struct tg_str tgl_field_str(lua_State *L, int table, const char *name)
{
    struct tg_str s = { NULL, 0 };
    lua_getfield(L, table, name);
    if (!lua_isnil(L, -1)) {
        if (lua_type(L, -1) != LUA_TSTRING)
            luaL_error(L, "%s: string expected, got %s", name, luaL_typename(L, -1));
        s.at = lua_tolstring(L, -1, &s.len);
    }
    lua_pop(L, 1);
    return s;
}

double tgl_field_number(lua_State *L, int table, const char *name, double otherwise)
{
    double n = otherwise;
    lua_getfield(L, table, name);
    if (!lua_isnil(L, -1)) {
        if (lua_type(L, -1) != LUA_TNUMBER)
            luaL_error(L, "%s: number expected, got %s", name, luaL_typename(L, -1));
        n = lua_tonumber(L, -1);
    }
    lua_pop(L, 1);
    return n;
}

bool tgl_field_bool(lua_State *L, int table, const char *name)
{
    lua_getfield(L, table, name);
    bool is = lua_toboolean(L, -1);
    lua_pop(L, 1);
    return is;
}

/* ---- states ---- */

static const struct tg_embedded *embedded;
static size_t embedded_count;

void tgl_embed(const struct tg_embedded *list, size_t count)
{
    embedded = list;
    embedded_count = count;
}

static const struct tg_embedded *find_embedded(const char *name)
{
    for (size_t i = 0; i < embedded_count; i++)
        if (!strcmp(embedded[i].name, name))
            return &embedded[i];
    return NULL;
}

/* A searcher for require(): the embedded module of that name. */
static int l_search(lua_State *L)
{
    const char *name = luaL_checkstring(L, 1);
    const struct tg_embedded *e = find_embedded(name);
    if (!e) {
        lua_pushfstring(L, "\n\tno module '%s' inside the program", name);
        return 1;
    }
    lua_pushfstring(L, "@%s", name);
    if (luaL_loadbuffer(L, e->bytes, e->len, lua_tostring(L, -1)))
        return lua_error(L);
    return 1;
}

/* package.preload["tidegate.embedded"]: read(name) gives an embedded file's
 * text; nil outside the program. */
static int l_read_embedded(lua_State *L)
{
    const struct tg_embedded *e = find_embedded(luaL_checkstring(L, 1));
    if (!e)
        return 0;
    lua_pushlstring(L, e->bytes, e->len);
    return 1;
}

static int l_open_embedded(lua_State *L)
{
    lua_newtable(L);
    lua_pushcfunction(L, l_read_embedded);
    lua_setfield(L, -2, "read");
    return 1;
}

static void add_searcher(lua_State *L)
{
    lua_getfield(L, -1, "loaders");                      /* 5.1, LuaJIT */
    if (lua_isnil(L, -1)) {
        lua_pop(L, 1);
        lua_getfield(L, -1, "searchers");
    }
    /* Behind package.preload, before the file system: the program is whole,
     * whatever lies in the directory it was started in. */
    for (int i = (int)lua_rawlen(L, -1); i >= 2; i--) {
        lua_rawgeti(L, -1, i);
        lua_rawseti(L, -2, i + 1);
    }
    lua_pushcfunction(L, l_search);
    lua_rawseti(L, -2, 2);
    lua_pop(L, 1);
}

void tgl_lend_modules(lua_State *L, const char *path, const char *cpath)
{
    int top = lua_gettop(L);
    lua_getglobal(L, "package");
    if (path) {
        lua_pushstring(L, path);
        lua_setfield(L, -2, "path");
    }
    if (cpath) {
        lua_pushstring(L, cpath);
        lua_setfield(L, -2, "cpath");
    }
    if (embedded_count)
        add_searcher(L);
    lua_getfield(L, -1, "preload");
    lua_pushcfunction(L, luaopen_tidegate_core);
    lua_setfield(L, -2, "tidegate.core");
    if (embedded_count) {
        lua_pushcfunction(L, l_open_embedded);
        lua_setfield(L, -2, "tidegate.embedded");
    }
    lua_settop(L, top);
}

static int prepare(lua_State *L)
{
    luaL_openlibs(L);
    tgl_lend_modules(L, lua_touserdata(L, 1), lua_touserdata(L, 2));
    return 0;
}

lua_State *tgl_state(const char *path, const char *cpath)
{
    lua_State *L = luaL_newstate();
    if (!L)
        return NULL;
    lua_pushcfunction(L, prepare);
    lua_pushlightuserdata(L, (void *)path);
    lua_pushlightuserdata(L, (void *)cpath);
    if (lua_pcall(L, 2, 0, 0)) {
        lua_close(L);
        return NULL;
    }
    return L;
}

/* Error objects with __tostring show their message. */
static int l_traceback(lua_State *L)
{
    if (!lua_isstring(L, 1)) {
        if (!luaL_callmeta(L, 1, "__tostring"))
            return 1;
        return 1;
    }
    lua_getglobal(L, "debug");
    lua_getfield(L, -1, "traceback");
    lua_pushvalue(L, 1);
    lua_pushinteger(L, 2);
    lua_call(L, 2, 1);
    return 1;
}

int tgl_call(lua_State *L, int n, int results)
{
    int at = lua_gettop(L) - n;
    lua_pushcfunction(L, l_traceback);
    lua_insert(L, at);
    int err = lua_pcall(L, n, results, at);
    lua_remove(L, at);
    return err;
}
