/* l_policy.c -- core.policy: a routing policy, read from its file's text.
 *
 *     local p = core.policy { name = "cheap", file = "policies/cheap.lua", text = text,
 *                             find = function(name) return text, "policies/name.lua" end }
 *     p:shape()     --> { value, globals }: what the file returned, to be checked
 *     p:fits(catalog)   --> true | nil, err: the models that it names are there
 *     p:seal { data = JSON, models = { ... }, refuses = false, priority = false, flex = false }
 *                   --> true | nil, err
 *
 * Sealed, it is what core.config() takes in its list of policies. */
#include "lua/l_policy.h"

#include "lua/l_catalog.h"
#include "lua/tgl.h"

#define TYPE "tidegate.core.policy"

struct tg_policy *tgl_check_policy(lua_State *L, int arg)
{
    return tgl_check(L, arg, TYPE);
}

/* Ask the host's function for a file: it is the field `find` of the table at 1. */
static int call_find(lua_State *host)
{
    struct tg_str *name = lua_touserdata(host, 1);

    lua_settop(host, 2);                                 /* Stack: name spec */
    lua_getfield(host, 2, "find");
    if (!lua_isfunction(host, -1))
        return 0;
    tgl_push_str(host, *name);
    lua_call(host, 1, 2);
    return 2;
}

/* Runs inside a turn of the sandbox, whose errors and the host's must not mix. */
static tg_err find_file(void *owner, struct tg_str name, struct tg_buf *text,
                        struct tg_buf *called)
{
    lua_State *host = owner;
    int top = lua_gettop(host);
    tg_err err = TG_ENOTFOUND;

    if (!lua_checkstack(host, 8))
        return TG_ENOMEM;
    lua_pushcfunction(host, call_find);
    lua_pushlightuserdata(host, &name);
    lua_pushvalue(host, 1);
    if (lua_pcall(host, 2, 2, 0) == 0 && lua_type(host, -2) == LUA_TSTRING
        && lua_type(host, -1) == LUA_TSTRING) {
        struct tg_str s;
        s.at = lua_tolstring(host, -2, &s.len);
        tg_buf_str(text, s);
        s.at = lua_tolstring(host, -1, &s.len);
        tg_buf_str(called, s);
        err = text->bad || called->bad ? TG_ENOMEM : TG_OK;
    }
    lua_settop(host, top);
    return err;
}

static int push_shape(lua_State *L)
{
    tgl_policy_push_shape(tgl_check_policy(L, 1), L);
    return 1;
}

/* shape() -> { value, globals } | nil, err: it is too large or too deep */
static int l_shape(lua_State *L)
{
    tgl_check_policy(L, 1);
    lua_settop(L, 1);
    lua_pushcfunction(L, push_shape);
    lua_insert(L, 1);
    if (lua_pcall(L, 1, 1, 0) == 0)
        return 1;
    struct tg_str words = { 0 };
    words.at = lua_tolstring(L, -1, &words.len);
    return tgl_fail_words(L, TG_ETOOBIG, words);
}

/* The strings of the list in that field, in a userdata that is pushed. */
static const struct tg_str *push_strings(lua_State *L, int table, const char *name, size_t *count)
{
    lua_getfield(L, table, name);
    *count = lua_istable(L, -1) ? lua_rawlen(L, -1) : 0;
    if (*count > TG_NEEDS_MODELS_MAX)
        luaL_error(L, "%s: more than %d", name, TG_NEEDS_MODELS_MAX);
    struct tg_str *list = lua_newuserdata(L, (*count + 1) * sizeof *list);
    for (size_t i = 0; i < *count; i++) {
        lua_rawgeti(L, -2, (int)i + 1);
        list[i].at = luaL_checklstring(L, -1, &list[i].len);
        lua_pop(L, 1);                                   /* the list holds it */
    }
    return list;
}

static int l_seal(lua_State *L)
{
    struct tg_policy *p = tgl_check_policy(L, 1);
    luaL_checktype(L, 2, LUA_TTABLE);
    struct tgl_policy_said said = {
        .data = tgl_field_str(L, 2, "data"),
        .admits_priority = tgl_field_bool(L, 2, "priority"),
        .admits_flex = tgl_field_bool(L, 2, "flex"),
        .refuses = tgl_field_bool(L, 2, "refuses"),
    };
    said.models = push_strings(L, 2, "models", &said.models_count);
    struct tg_buf *why = tgl_buf(L);
    tg_err err = tgl_policy_seal(p, &said, why);
    if (err)
        return tgl_fail_words(L, err, tg_buf_view(why));
    lua_pushboolean(L, 1);
    return 1;
}

/* hooks() -> { "filter", ... } in their order */
static int l_hooks(lua_State *L)
{
    struct tg_policy *p = tgl_check_policy(L, 1);
    lua_createtable(L, TG_HOOKS, 0);
    for (int i = 0, n = 0; i < TG_HOOKS; i++) {
        if (!(p->hooks & 1u << i))
            continue;
        lua_pushstring(L, tg_hook_name((enum tg_hook)i));
        lua_rawseti(L, -2, ++n);
    }
    return 1;
}

/* models() -> the further models that it names */
static int l_models(lua_State *L)
{
    struct tg_policy *p = tgl_check_policy(L, 1);
    lua_createtable(L, (int)p->models_count, 0);
    for (size_t i = 0; i < p->models_count; i++) {
        tgl_push_str(L, p->models[i]);
        lua_rawseti(L, -2, (int)i + 1);
    }
    return 1;
}

/* fits(catalog) -> true | nil, err, i: does it have the models that it names? The
 * i-th is missing. */
static int l_fits(lua_State *L)
{
    struct tg_policy *p = tgl_check_policy(L, 1);
    struct tg_catalog *catalog = tgl_check_catalog(L, 2);
    struct tg_buf *why = tgl_buf(L);
    size_t which = 0;
    tg_err err = tgl_policy_fits(p, catalog, why, &which);
    if (err) {
        tgl_fail_words(L, err, tg_buf_view(why));
        lua_pushinteger(L, (lua_Integer)which + 1);
        return 3;
    }
    lua_pushboolean(L, 1);
    return 1;
}

static int l_close(lua_State *L)
{
    void **box = tgl_box(L, 1, TYPE);
    tg_policy_drop(*box);
    *box = NULL;
    return 0;
}

static const luaL_Reg METHODS[] = {
    { "shape", l_shape }, { "seal", l_seal }, { "hooks", l_hooks },
    { "models", l_models }, { "fits", l_fits }, { NULL, NULL }
};

int tgl_policy(lua_State *L)
{
    luaL_checktype(L, 1, LUA_TTABLE);
    lua_settop(L, 1);
    struct tg_str name = tgl_field_str(L, 1, "name"), file = tgl_field_str(L, 1, "file");
    struct tg_str text = tgl_field_str(L, 1, "text");
    struct tgl_policy_finder finder = { find_file, L };
    tgl_type(L, TYPE, METHODS, l_close);
    void **box = tgl_new(L, TYPE);
    struct tg_buf *why = tgl_buf(L);
    *box = tgl_policy_new(name, file, text, &finder, why);
    if (!*box)
        return tgl_fail_words(L, TG_EINVAL, tg_buf_view(why));
    lua_settop(L, 2);
    return 1;
}
