/* l_sandbox.c -- core.sandbox: run text in a sandbox and see what becomes of it.
 *
 * For tools and specs. Values go in and out as copies; tables that go in are
 * read-only inside. */
#include "lua/tgl.h"

#include <string.h>
#include "lua/sandbox.h"

#define SANDBOX_TYPE "tidegate.core.sandbox"

enum { DEPTH_MAX = TG_SANDBOX_FROZEN_DEPTH_MAX, STACK_MAX = 4 * DEPTH_MAX, VALUES_MAX = 10000 };

/* Push a copy of a plain value of one state onto another; anything else as the
 * name of its type. Raises in `to` only; *left are the values that may still
 * be copied: a table that holds itself twice is a tree without end. */
static void copy(lua_State *from, int at, lua_State *to, int depth, int *left)
{
    struct tg_str s;

    if (--*left < 0)
        luaL_error(to, "more than %d values", VALUES_MAX);
    switch (lua_type(from, at)) {
    case LUA_TNIL:     lua_pushnil(to); return;
    case LUA_TBOOLEAN: lua_pushboolean(to, lua_toboolean(from, at)); return;
    case LUA_TNUMBER:  tgl_push_number(to, lua_tonumber(from, at)); return;
    case LUA_TSTRING:
        s.at = lua_tolstring(from, at, &s.len);
        tgl_push_str(to, s);
        return;
    default: break;
    }
    bool is_thawed = tg_sandbox_thaw(from, at);
    int table = is_thawed ? lua_gettop(from) : at;
    if (!lua_istable(from, table) || depth == DEPTH_MAX) {
        lua_pushstring(to, luaL_typename(from, at));
        return;
    }
    luaL_checkstack(to, 4, "nested too deep");
    lua_newtable(to);
    for (lua_pushnil(from); lua_next(from, table);) {
        int value = lua_gettop(from);
        copy(from, value - 1, to, depth + 1, left);
        copy(from, value, to, depth + 1, left);
        lua_rawset(to, -3);
        lua_settop(from, value - 1);
    }
    if (is_thawed)
        lua_pop(from, 1);
}

struct call {
    lua_State  *host;
    int         first, last;           /* arguments, in the host */
    const char *name;                  /* NULL: the value itself */
};

static int call(lua_State *L, void *arg)
{
    struct call *c = arg;
    int n = c->last < c->first ? 0 : c->last - c->first + 1, left = VALUES_MAX;

    luaL_checkstack(L, 20 + n, "too many arguments");
    tg_sandbox_push_value(L);
    if (c->name) {
        luaL_checktype(L, -1, LUA_TTABLE);
        lua_getfield(L, -1, c->name);
        lua_remove(L, -2);
    }
    for (int i = c->first; i <= c->last; i++) {
        copy(c->host, i, L, 0, &left);
        if (lua_istable(L, -1))
            tg_sandbox_freeze(L, -1);
    }
    lua_call(L, n, LUA_MULTRET);
    return lua_gettop(L);
}

static struct tg_sandbox *check(lua_State *L)
{
    return tgl_check(L, 1, SANDBOX_TYPE);
}

static int answer(lua_State *L, struct tg_sandbox *sb, tg_err err)
{
    if (err)
        return tgl_fail_words(L, err, tg_sandbox_why(sb));
    lua_State *from = tg_sandbox_state(sb);
    int last = lua_gettop(from), left = VALUES_MAX;
    luaL_checkstack(L, last + STACK_MAX, "too many results");
    if (!lua_checkstack(from, STACK_MAX))
        return tgl_fail(L, TG_ENOMEM);
    if (last < 2) {
        lua_pushboolean(L, 1);
        return 1;
    }
    for (int i = 2; i <= last; i++)
        copy(from, i, L, 0, &left);
    return last - 1;
}

/* box:load(text, called) -> true | nil, err */
static int l_load(lua_State *L)
{
    struct tg_sandbox *sb = check(L);
    struct tg_str text = tgl_check_str(L, 2);
    const char *called = luaL_checkstring(L, 3);
    return answer(L, sb, tg_sandbox_load(sb, text, called));
}

/* box:call(name, ...) -> what the field of that name of the loaded value gives,
 * true for nothing | nil, err. Without a name the value itself is called. */
static int l_call(lua_State *L)
{
    struct tg_sandbox *sb = check(L);
    struct call c = { L, 3, lua_gettop(L), luaL_optstring(L, 2, NULL) };
    luaL_checkstack(L, STACK_MAX, "too many arguments");
    return answer(L, sb, tg_sandbox_run(sb, call, &c));
}

static int l_seed(lua_State *L)
{
    tg_sandbox_seed(check(L), (uint64_t)luaL_checknumber(L, 2));
    return 0;
}

static int l_bytes(lua_State *L)
{
    tgl_push_number(L, (double)tg_sandbox_bytes(check(L)));
    return 1;
}

static int l_is_worn(lua_State *L)
{
    lua_pushboolean(L, tg_sandbox_is_worn(check(L)));
    return 1;
}

static int l_close(lua_State *L)
{
    void **box = tgl_box(L, 1, SANDBOX_TYPE);
    tg_sandbox_free(*box);
    *box = NULL;
    return 0;
}

/* The files are a table of texts by name, at 2 in the host. */
static tg_err find_file(void *owner, struct tg_str name, struct tg_buf *text, struct tg_buf *called)
{
    lua_State *host = owner;
    tg_err err = TG_ENOTFOUND;

    for (lua_pushnil(host); lua_next(host, 2); lua_pop(host, 1)) {
        struct tg_str is, found;
        if (lua_type(host, -2) != LUA_TSTRING || lua_type(host, -1) != LUA_TSTRING)
            continue;
        is.at = lua_tolstring(host, -2, &is.len);
        found.at = lua_tolstring(host, -1, &found.len);
        if (!tg_str_eq(is, name))
            continue;
        tg_buf_str(text, found);
        tg_buf_printf(called, "%.*s.lua", (int)name.len, name.at);
        err = TG_OK;
    }
    return err;
}

/* box:load_with(files, text, called): the same with `require` for those files */
static int l_load_with(lua_State *L)
{
    struct tg_sandbox *sb = check(L);
    luaL_checktype(L, 2, LUA_TTABLE);
    struct tg_str text = tgl_check_str(L, 3);
    const char *called = luaL_checkstring(L, 4);
    luaL_checkstack(L, STACK_MAX, "too many arguments");
    tg_err err = tg_sandbox_set_loader(sb, find_file, L);
    int top = lua_gettop(L);
    if (!err)
        err = tg_sandbox_load(sb, text, called);
    lua_settop(L, top);
    return answer(L, sb, err);
}

static const luaL_Reg METHODS[] = {
    { "load", l_load }, { "load_with", l_load_with }, { "call", l_call },
    { "seed", l_seed }, { "bytes", l_bytes }, { "is_worn", l_is_worn }, { NULL, NULL }
};

/* core.sandbox(limits) -> box; limits: memory_bytes, turn_us, load_us */
int tgl_sandbox(lua_State *L)
{
    struct tg_sandbox_limits limits = { 0 };

    if (!lua_isnoneornil(L, 1)) {
        luaL_checktype(L, 1, LUA_TTABLE);
        limits.memory_bytes = (size_t)tgl_field_number(L, 1, "memory_bytes", 0);
        limits.turn_us = (uint32_t)tgl_field_number(L, 1, "turn_us", 0);
        limits.load_us = (uint32_t)tgl_field_number(L, 1, "load_us", 0);
    }
    tgl_type(L, SANDBOX_TYPE, METHODS, l_close);
    void **box = tgl_new(L, SANDBOX_TYPE);
    *box = tg_sandbox_new(&limits);
    if (!*box)
        return tgl_fail(L, TG_ENOMEM);
    return 1;
}
