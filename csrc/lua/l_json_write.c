/* l_json_write.c -- Lua values as JSON text. */
#include "lua/l_json.h"

#include <math.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

enum { FEW = 16 };                         /* members of an object that are sorted on the stack */

/* What is written, and where. */
struct writing {
    struct tg_buf *out;
    struct tgl_json *all;
};

/* Raise, and let others have the buffer. */
static void refuse(lua_State *L, const struct writing *w, const char *format, ...)
{
    va_list args;

    va_start(args, format);
    lua_pushvfstring(L, format, args);
    va_end(args);
    tgl_json_return(w->out, &w->all->out, &w->all->is_out_taken);
    lua_error(L);
}

static void put_value(lua_State *L, int at, const struct writing *w, int depth);

static void put_array(lua_State *L, int at, const struct writing *w, int depth)
{
    size_t n = lua_rawlen(L, at);
    tg_buf_char(w->out, '[');
    for (size_t i = 1; i <= n; i++) {
        if (i > 1)
            tg_buf_char(w->out, ',');
        lua_rawgeti(L, at, (int)i);
        put_value(L, lua_gettop(L), w, depth);
        lua_pop(L, 1);
    }
    tg_buf_char(w->out, ']');
}

/* The value is at `at`. */
static void put_member(lua_State *L, struct tg_str name, int at, const struct writing *w, int depth,
                       bool first)
{
    if (!first)
        tg_buf_char(w->out, ',');
    tg_json_put_text(w->out, name);
    tg_buf_char(w->out, ':');
    put_value(L, at, w, depth);
}

/* The names of json.ordered(): a list under index 1 of its metatable. Pushes
 * it, or nothing. */
static bool push_order(lua_State *L, int at)
{
    if (!lua_getmetatable(L, at))
        return false;
    lua_pushvalue(L, lua_upvalueindex(TGL_JSON_ORDERED));
    lua_rawget(L, -2);
    lua_remove(L, -2);
    if (lua_istable(L, -1))
        return true;
    lua_pop(L, 1);
    return false;
}

static void check_key(lua_State *L, int at, const struct writing *w)
{
    if (lua_type(L, at) != LUA_TSTRING)
        refuse(L, w, "cannot write a table with keys of type %s as JSON", luaL_typename(L, at));
}

/* The members that the list on top names. */
static void put_ordered(lua_State *L, int at, const struct writing *w, int depth)
{
    int order = lua_gettop(L), n = (int)lua_rawlen(L, order);
    bool first = true;

    for (int i = 1; i <= n; i++) {
        lua_rawgeti(L, order, i);
        struct tg_str name = tgl_check_str(L, -1);
        lua_pushvalue(L, -1);
        lua_rawget(L, at);                               /* Stack: ... order name value */
        if (!lua_isnil(L, -1)) {
            put_member(L, name, order + 2, w, depth, first);
            first = false;
        }
        lua_pop(L, 2);
    }
}

/* Keys and values go onto the stack, one behind the other, and are written in the
 * order of the names. False, with nothing written, when there are many. */
static bool put_few(lua_State *L, int at, const struct writing *w, int depth)
{
    struct tg_str names[FEW];
    int values[FEW], n = 0, base = lua_gettop(L);

    luaL_checkstack(L, 2 * FEW + 8, "JSON too deep");
    for (lua_pushnil(L); lua_next(L, at); n++) {         /* Stack: ... key value */
        check_key(L, -2, w);
        if (n == FEW) {
            lua_settop(L, base);
            return false;
        }
        struct tg_str name;
        name.at = lua_tolstring(L, -2, &name.len);
        int i = n;
        for (; i && tg_str_cmp(names[i - 1], name) > 0; i--) {
            names[i] = names[i - 1];
            values[i] = values[i - 1];
        }
        names[i] = name;
        values[i] = lua_gettop(L);
        lua_pushvalue(L, -2);
    }
    for (int i = 0; i < n; i++)
        put_member(L, names[i], values[i], w, depth, i == 0);
    lua_settop(L, base);
    return true;
}

static int by_name(const void *a, const void *b)
{
    return tg_str_cmp(*(const struct tg_str *)a, *(const struct tg_str *)b);
}

/* Names in a userdata: the collector frees it, whatever raises. The table holds
 * the strings. */
static void put_many(lua_State *L, int at, const struct writing *w, int depth)
{
    size_t n = 0, i = 0;

    for (lua_pushnil(L); lua_next(L, at); lua_pop(L, 1), n++)
        check_key(L, -2, w);
    struct tg_str *names = lua_newuserdata(L, (n + 1) * sizeof *names);
    for (lua_pushnil(L); lua_next(L, at); lua_pop(L, 1), i++)
        names[i].at = lua_tolstring(L, -2, &names[i].len);
    qsort(names, n, sizeof *names, by_name);
    for (i = 0; i < n; i++) {
        tgl_push_str(L, names[i]);
        lua_rawget(L, at);
        put_member(L, names[i], lua_gettop(L), w, depth, i == 0);
        lua_pop(L, 1);
    }
    lua_pop(L, 1);
}

static void put_object(lua_State *L, int at, enum tgl_json_mark mark, const struct writing *w,
                       int depth)
{
    tg_buf_char(w->out, '{');
    if (mark == TGL_JSON_IS_OTHER && push_order(L, at)) {
        put_ordered(L, at, w, depth);
        lua_pop(L, 1);
    } else if (!put_few(L, at, w, depth)) {
        put_many(L, at, w, depth);
    }
    tg_buf_char(w->out, '}');
}

static void put_table(lua_State *L, int at, const struct writing *w, int depth)
{
    if (depth >= TGL_JSON_DEPTH_MAX)
        refuse(L, w, "cannot write tables nested deeper than %d as JSON", TGL_JSON_DEPTH_MAX);
    luaL_checkstack(L, 8, "JSON too deep");
    enum tgl_json_mark mark = tgl_json_mark_of(L, at, w->all);
    if (mark == TGL_JSON_IS_RAW) {
        lua_rawgeti(L, at, 1);
        tg_buf_str(w->out, tgl_check_str(L, -1));
        lua_pop(L, 1);
    } else if (mark == TGL_JSON_IS_ARRAY || lua_rawlen(L, at) > 0) {
        put_array(L, at, w, depth + 1);
    } else {
        put_object(L, at, mark, w, depth + 1);
    }
}

static void put_number(lua_State *L, int at, const struct writing *w)
{
    struct tg_buf *out = w->out;
    double n = lua_tonumber(L, at);
#if LUA_VERSION_NUM >= 503
    if (lua_isinteger(L, at)) {
        tg_buf_i64(out, lua_tointeger(L, at));
        return;
    }
#endif
    if (!isfinite(n))
        refuse(L, w, "cannot write %f as JSON", n);
    if (n == floor(n) && fabs(n) < 9007199254740992.0)
        tg_buf_i64(out, (int64_t)n);
    else
        tg_json_put_double(out, n);
}

static void put_value(lua_State *L, int at, const struct writing *w, int depth)
{
    switch (lua_type(L, at)) {
    case LUA_TSTRING:  tg_json_put_text(w->out, tgl_check_str(L, at)); return;
    case LUA_TNUMBER:  put_number(L, at, w); return;
    case LUA_TBOOLEAN: tg_buf_z(w->out, lua_toboolean(L, at) ? "true" : "false"); return;
    case LUA_TTABLE:   put_table(L, at, w, depth); return;
    case LUA_TLIGHTUSERDATA:
        if (!lua_touserdata(L, at)) {
            tg_buf_z(w->out, "null");
            return;
        }
        /* fall through */
    default:
        refuse(L, w, "cannot write a %s as JSON", luaL_typename(L, at));
    }
}

static int l_encode(lua_State *L)
{
    luaL_checkany(L, 1);
    lua_settop(L, 1);
    struct tgl_json *all = tgl_json_shared(L);
    struct writing w = { tgl_json_borrow(L, &all->out, &all->is_out_taken), all };
    put_value(L, 1, &w, 0);
    tgl_push_buf(L, w.out);
    tgl_json_return(w.out, &all->out, &all->is_out_taken);
    return 1;
}

const luaL_Reg tgl_json_write[] = { { "encode", l_encode }, { NULL, NULL } };
