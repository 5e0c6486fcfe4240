/* The sandbox's base, table and math, and its read-only views. */
#include <math.h>
#include <string.h>
#include "lua/sandbox_parts.h"

/* ---- views: a userdata that stands for a table ---- */

struct view {
    const void *tag;
};

static const char VIEW;

static bool is_view(lua_State *L, int at)
{
    struct view *v = lua_type(L, at) == LUA_TUSERDATA ? lua_touserdata(L, at) : NULL;

    return v && lua_rawlen(L, at) == sizeof *v && v->tag == &VIEW;
}

bool tg_sandbox_thaw(lua_State *L, int at)
{
    if (!is_view(L, at))
        return false;
    lua_getmetatable(L, at);
    lua_pushliteral(L, "__index");                       /* every state has it: no allocation */
    lua_rawget(L, -2);
    lua_remove(L, -2);
    return true;
}

static int l_refuse(lua_State *L)
{
    if (lua_type(L, 2) == LUA_TSTRING)
        return luaL_error(L, "attempt to write field '%s' of a read-only table",
                          lua_tostring(L, 2));
    return luaL_error(L, "attempt to write to a read-only table");
}

static int l_len(lua_State *L)
{
    tg_sandbox_thaw(L, 1);
    lua_pushinteger(L, (lua_Integer)lua_rawlen(L, -1));
    return 1;
}

static void freeze(lua_State *L, int at, int depth)
{
    if (depth == TG_SANDBOX_FROZEN_DEPTH_MAX)
        luaL_error(L, "tables nested too deep");
    luaL_checkstack(L, 8, "tables nested too deep");
    for (lua_pushnil(L); lua_next(L, at);) {             /* Stack: key value */
        if (lua_istable(L, -1)) {
            freeze(L, lua_gettop(L), depth + 1);
            lua_pushvalue(L, -2);
            lua_insert(L, -2);
            lua_rawset(L, at);
        } else {
            lua_pop(L, 1);
        }
    }
    struct view *v = lua_newuserdata(L, sizeof *v);
    v->tag = &VIEW;
    lua_createtable(L, 0, 4);
    lua_pushvalue(L, at);
    lua_setfield(L, -2, "__index");
    lua_pushcfunction(L, l_refuse);
    lua_setfield(L, -2, "__newindex");
    lua_pushcfunction(L, l_len);
    lua_setfield(L, -2, "__len");
    lua_pushboolean(L, 0);
    lua_setfield(L, -2, "__metatable");
    lua_setmetatable(L, -2);
    lua_replace(L, at);
}

void tg_sandbox_freeze(lua_State *L, int at)
{
    luaL_checktype(L, at, LUA_TTABLE);
    freeze(L, at > 0 ? at : lua_gettop(L) + at + 1, 0);
}

void tgs_push_readable(lua_State *L, int arg)
{
    if (tg_sandbox_thaw(L, arg)) {
        if (luaL_getmetafield(L, -1, TGS_FILL)) {
            lua_pushvalue(L, -2);
            lua_call(L, 1, 0);
        }
        return;
    }
    luaL_checktype(L, arg, LUA_TTABLE);
    lua_pushvalue(L, arg);
}

void tgs_check_writable(lua_State *L, int arg)
{
    if (is_view(L, arg))
        luaL_error(L, "attempt to write to a read-only table");
    luaL_checktype(L, arg, LUA_TTABLE);
}

/* ---- base ---- */

static const char *type_name(lua_State *L, int at)
{
    return is_view(L, at) ? "table" : luaL_typename(L, at);
}

static int l_type(lua_State *L)
{
    luaL_checkany(L, 1);
    lua_pushstring(L, type_name(L, 1));
    return 1;
}

struct tg_str tgs_push_text(lua_State *L, int at)
{
    struct tg_str s;

    switch (lua_type(L, at)) {
    case LUA_TSTRING:
    case LUA_TNUMBER:  lua_pushvalue(L, at); break;
    case LUA_TBOOLEAN: lua_pushstring(L, lua_toboolean(L, at) ? "true" : "false"); break;
    default:           lua_pushstring(L, type_name(L, at));
    }
    s.at = lua_tolstring(L, -1, &s.len);
    return s;
}

static int l_tostring(lua_State *L)
{
    luaL_checkany(L, 1);
    tgs_push_text(L, 1);
    return 1;
}

static int l_next(lua_State *L)
{
    lua_settop(L, 2);
    tgs_push_readable(L, 1);
    lua_pushvalue(L, 2);                                 /* Stack: t key table key */
    if (lua_next(L, 3))
        return 2;
    lua_pushnil(L);
    return 1;
}

/* Of a table, the interpreter's own next, which it runs faster. */
static int l_pairs(lua_State *L)
{
    luaL_checkany(L, 1);
    if (!is_view(L, 1)) {
        luaL_checktype(L, 1, LUA_TTABLE);
        lua_pushvalue(L, lua_upvalueindex(1));
    } else {
        lua_pushcfunction(L, l_next);
    }
    lua_pushvalue(L, 1);
    lua_pushnil(L);
    return 3;
}

static int l_ipairs_step(lua_State *L)
{
    int i = (int)luaL_checkinteger(L, 2) + 1;

    tgs_push_readable(L, 1);
    lua_pushinteger(L, i);
    lua_rawgeti(L, -2, i);
    return lua_isnil(L, -1) ? 1 : 2;
}

static int l_ipairs(lua_State *L)
{
    luaL_checkany(L, 1);
    if (!is_view(L, 1)) {
        luaL_checktype(L, 1, LUA_TTABLE);
        lua_settop(L, 1);
        lua_pushvalue(L, lua_upvalueindex(1));
        lua_insert(L, 1);
        lua_call(L, 1, 3);
        return 3;
    }
    lua_pushcfunction(L, l_ipairs_step);
    lua_pushvalue(L, 1);
    lua_pushinteger(L, 0);
    return 3;
}

void tgs_call(lua_State *L, int args, int results)
{
    struct tg_sandbox *sb = tgs_of(L);

    if (sb->nested == TG_SANDBOX_NESTED_MAX)
        luaL_error(L, "calls nested more than %d deep", TG_SANDBOX_NESTED_MAX);
    sb->nested++;
    lua_call(L, args, results);
    sb->nested--;
}

/* Catches everything but the end of its time, which goes on up. */
static int l_pcall(lua_State *L)
{
    struct tg_sandbox *sb = tgs_of(L);
    int nested = sb->nested;

    luaL_checkany(L, 1);
    if (nested == TG_SANDBOX_NESTED_MAX)
        return luaL_error(L, "calls nested more than %d deep", TG_SANDBOX_NESTED_MAX);
    lua_pushboolean(L, 1);                               /* results may leave no room for it */
    lua_insert(L, 1);                                    /* Stack: true fn args... */
    sb->nested++;
    int status = lua_pcall(L, lua_gettop(L) - 2, LUA_MULTRET, 0);
    sb->nested = nested;
    if (!status)
        return lua_gettop(L);
    if (sb->is_over)
        return lua_error(L);
    lua_pushboolean(L, 0);
    lua_replace(L, 1);                                   /* Stack: false error */
    return 2;
}

static int l_unpack(lua_State *L)
{
    lua_settop(L, 3);
    tgs_push_readable(L, 1);                             /* Stack: t i j table */
    lua_Number first = luaL_optnumber(L, 2, 1);
    lua_Number last = luaL_optnumber(L, 3, (lua_Number)lua_rawlen(L, 4));
    if (first > last)
        return 0;
    if (!(last - first < TG_SANDBOX_RESULTS_MAX) || !(first > -1e6 && last < 1e9))
        return luaL_error(L, "too many results to unpack");
    luaL_checkstack(L, TG_SANDBOX_RESULTS_MAX, "too many results to unpack");
    for (int i = (int)first; i <= (int)last; i++)
        lua_rawgeti(L, 4, i);
    return (int)last - (int)first + 1;
}

static void take_over(lua_State *L, int from, const char *const *names)
{
    for (; *names; names++) {                            /* into the table on top */
        lua_getfield(L, from, *names);
        lua_setfield(L, -2, *names);
    }
}

static void add_closure(lua_State *L, int from, const char *name, lua_CFunction fn,
                        const char *upvalue)
{
    lua_getfield(L, from, upvalue);
    lua_pushcclosure(L, fn, 1);
    lua_setfield(L, -2, name);
}

void tgs_open_base(lua_State *L)                         /* Stack: ... library table */
{
    static const char *const STOCK[] = { "assert", "error", "rawequal", "select", "tonumber",
                                         "_VERSION", NULL };
    static const luaL_Reg OWN[] = {
        { "next", l_next }, { "pcall", l_pcall }, { "tostring", l_tostring }, { "type", l_type },
        { "unpack", l_unpack }, { NULL, NULL }
    };
    int library = lua_gettop(L) - 1;

    take_over(L, library, STOCK);
    tgl_functions(L, OWN);
    add_closure(L, library, "pairs", l_pairs, "next");
    add_closure(L, library, "ipairs", l_ipairs, "ipairs");
}

/* ---- table ---- */

static int l_insert(lua_State *L)
{
    tgs_check_writable(L, 1);
    int n = (int)lua_rawlen(L, 1), at = n + 1;

    if (lua_gettop(L) == 3) {
        at = (int)luaL_checkinteger(L, 2);
        luaL_argcheck(L, at >= 1 && at <= n + 1, 2, "position out of bounds");
    } else if (lua_gettop(L) != 2) {
        return luaL_error(L, "wrong number of arguments to 'insert'");
    }
    for (int i = n + 1; i > at; i--) {
        tgs_spend(L, 4);
        lua_rawgeti(L, 1, i - 1);
        lua_rawseti(L, 1, i);
    }
    lua_rawseti(L, 1, at);
    return 0;
}

static int l_remove(lua_State *L)
{
    tgs_check_writable(L, 1);
    int n = (int)lua_rawlen(L, 1), at = (int)luaL_optinteger(L, 2, n);

    if (at < 1 || at > n)
        return 0;
    lua_rawgeti(L, 1, at);
    for (int i = at; i < n; i++) {
        tgs_spend(L, 4);
        lua_rawgeti(L, 1, i + 1);
        lua_rawseti(L, 1, i);
    }
    lua_pushnil(L);
    lua_rawseti(L, 1, n);
    return 1;
}

static int l_concat(lua_State *L)
{
    struct tg_str between = { luaL_optlstring(L, 2, "", NULL), 0 }, s;
    luaL_Buffer b;
    size_t len = 0;

    luaL_optlstring(L, 2, "", &between.len);
    lua_settop(L, 4);
    tgs_push_readable(L, 1);
    int first = (int)luaL_optinteger(L, 3, 1);
    int last = (int)luaL_optinteger(L, 4, (lua_Integer)lua_rawlen(L, 5));
    luaL_buffinit(L, &b);
    for (int64_t i = first; i <= last; i++) {
        lua_rawgeti(L, 5, (int)i);
        if (!lua_isstring(L, -1))
            return luaL_error(L, "invalid value (%s) at index %d in table for 'concat'",
                              type_name(L, -1), (int)i);
        s.at = lua_tolstring(L, -1, &s.len);
        len += s.len + between.len;
        tgs_spend(L, 8 + (s.len + between.len) / 16);
        if (len > tgs_of(L)->string_max)
            return luaL_error(L, "resulting string too large");
        luaL_addvalue(&b);
        if (i < last)
            luaL_addlstring(&b, between.at, between.len);
    }
    luaL_pushresult(&b);
    return 1;
}

/* Sorting is by merging, so it is stable, and an order that is none costs no
 * more than one. At 1 the table, at 2 the order or nil, at 3 and 4 two lists. */
enum { TABLE = 1, ORDER = 2, LIST = 3, OTHER = 4 };

/* Of comparing the two values on top: strings byte by byte. */
static size_t steps_to_compare(lua_State *L)
{
    size_t a = lua_type(L, -1) == LUA_TSTRING ? lua_rawlen(L, -1) : 0;
    size_t b = lua_type(L, -2) == LUA_TSTRING ? lua_rawlen(L, -2) : 0;

    return 8 + (a < b ? a : b) / 16;
}

/* Is the second of the two values on top to come before the first? Pops none. */
static bool is_before(lua_State *L)
{
    tgs_spend(L, steps_to_compare(L));
    if (lua_isnil(L, ORDER))
        return tgs_is_less(L, -1, -2);
    lua_pushvalue(L, ORDER);
    lua_pushvalue(L, -2);
    lua_pushvalue(L, -4);
    tgs_call(L, 2, 1);
    bool is = lua_toboolean(L, -1);
    lua_pop(L, 1);
    return is;
}

/* from[a, b) and from[b, end), each in order, into `to`. */
static void merge(lua_State *L, int from, int to, int a, int b, int end)
{
    int mid = b;

    for (int at = a; at < end; at++) {
        bool takes_second = b < end;
        lua_rawgeti(L, from, a < mid ? a : b);
        if (takes_second && a < mid) {
            lua_rawgeti(L, from, b);
            takes_second = is_before(L);
            lua_remove(L, takes_second ? -2 : -1);
        }
        lua_rawseti(L, to, at);
        if (takes_second)
            b++;
        else
            a++;
    }
}

static void copy_list(lua_State *L, int from, int to, int n)
{
    for (int i = 1; i <= n; i++) {
        tgs_spend(L, 4);
        lua_rawgeti(L, from, i);
        lua_rawseti(L, to, i);
    }
}

static int l_sort(lua_State *L)
{
    tgs_check_writable(L, TABLE);
    if (!lua_isnoneornil(L, ORDER))
        luaL_checktype(L, ORDER, LUA_TFUNCTION);
    lua_settop(L, ORDER);
    int n = (int)lua_rawlen(L, TABLE), from = LIST, to = OTHER;
    lua_createtable(L, n, 0);
    lua_createtable(L, n, 0);
    copy_list(L, TABLE, from, n);
    for (int width = 1; width < n; width *= 2) {
        for (int a = 1; a <= n; a += 2 * width) {
            int mid = a + width > n + 1 ? n + 1 : a + width;
            int end = a + 2 * width > n + 1 ? n + 1 : a + 2 * width;
            merge(L, from, to, a, mid, end);
        }
        from = from == LIST ? OTHER : LIST;
        to = to == LIST ? OTHER : LIST;
    }
    copy_list(L, from, TABLE, n);
    return 0;
}

void tgs_open_table(lua_State *L)
{
    static const luaL_Reg OWN[] = {
        { "concat", l_concat }, { "insert", l_insert }, { "remove", l_remove }, { "sort", l_sort },
        { "unpack", l_unpack }, { NULL, NULL }
    };

    tgl_functions(L, OWN);
}

/* ---- math ---- */

/* From the turn's own seed: the same inputs give the same decision. */
static int l_random(lua_State *L)
{
    double unit = tg_rand_unit(&tgs_of(L)->random), low = 1, high;

    if (lua_gettop(L) == 0) {
        lua_pushnumber(L, unit);
        return 1;
    }
    high = luaL_checknumber(L, 1);
    if (lua_gettop(L) > 1) {
        low = high;
        high = luaL_checknumber(L, 2);
    }
    luaL_argcheck(L, low <= high && low > -9e15 && high < 9e15 && high - low < 9e15,
                  lua_gettop(L) > 1 ? 2 : 1, "interval is empty or too large");
    lua_pushinteger(L, (lua_Integer)(low + (double)(int64_t)(unit * (high - low + 1))));
    return 1;
}

#if LUA_VERSION_NUM >= 503
/* What Lua has left out since 5.1; hosts differ in how much of it they keep. */
static int l_atan2(lua_State *L)
{
    lua_pushnumber(L, atan2(luaL_checknumber(L, 1), luaL_checknumber(L, 2)));
    return 1;
}

static int l_cosh(lua_State *L)
{
    lua_pushnumber(L, cosh(luaL_checknumber(L, 1)));
    return 1;
}

static int l_sinh(lua_State *L)
{
    lua_pushnumber(L, sinh(luaL_checknumber(L, 1)));
    return 1;
}

static int l_tanh(lua_State *L)
{
    lua_pushnumber(L, tanh(luaL_checknumber(L, 1)));
    return 1;
}

static int l_pow(lua_State *L)
{
    lua_pushnumber(L, pow(luaL_checknumber(L, 1), luaL_checknumber(L, 2)));
    return 1;
}

static int l_log10(lua_State *L)
{
    lua_pushnumber(L, log10(luaL_checknumber(L, 1)));
    return 1;
}

static int l_ldexp(lua_State *L)
{
    lua_pushnumber(L, ldexp(luaL_checknumber(L, 1), (int)luaL_checkinteger(L, 2)));
    return 1;
}

static int l_frexp(lua_State *L)
{
    int exponent;

    lua_pushnumber(L, frexp(luaL_checknumber(L, 1), &exponent));
    lua_pushinteger(L, exponent);
    return 2;
}

static const luaL_Reg LEFT_OUT[] = {
    { "atan2", l_atan2 }, { "cosh", l_cosh }, { "frexp", l_frexp }, { "ldexp", l_ldexp },
    { "log10", l_log10 }, { "pow", l_pow }, { "sinh", l_sinh }, { "tanh", l_tanh }, { NULL, NULL }
};
#else
static const luaL_Reg LEFT_OUT[] = { { NULL, NULL } };
#endif

void tgs_open_math(lua_State *L)                         /* Stack: ... library table */
{
    static const char *const STOCK[] = {
        "abs", "acos", "asin", "atan", "atan2", "ceil", "cos", "cosh", "deg", "exp", "floor",
        "fmod", "frexp", "huge", "ldexp", "log", "log10", "max", "min", "modf", "pi", "pow", "rad", "sin",
        "sinh", "sqrt", "tan", "tanh", "maxinteger", "mininteger", "tointeger", "type", "ult", NULL
    };
    static const luaL_Reg OWN[] = { { "random", l_random }, { NULL, NULL } };

    take_over(L, lua_gettop(L) - 1, STOCK);
    tgl_functions(L, LEFT_OUT);
    tgl_functions(L, OWN);
}
