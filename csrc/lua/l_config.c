/* l_config.c -- require("tidegate.core").config(settings, catalog) --> config | nil, err
 *
 * `settings` has been checked by the Lua half (app/schema.lua); units are those
 * of struct tg_config. The result is what core.serve() takes. */
#include "lua/l_config.h"

#include "os/digest.h"
#include "lua/l_catalog.h"
#include "lua/l_policy.h"

#define TYPE "tidegate.core.config"

struct tg_config *tgl_check_config(lua_State *L, int arg)
{
    return tgl_check(L, arg, TYPE);
}

static struct tg_str keep(lua_State *L, struct tg_config *c, struct tg_str s)
{
    struct tg_str kept = tg_arena_copy(&c->arena, s);
    if (!kept.at)
        luaL_error(L, "%s", tg_err_text(TG_ENOMEM));
    return kept;
}

/* Read the list of keys on top. */
static void read_keys(lua_State *L, struct tg_config *c)
{
    int list = lua_gettop(L);
    size_t n = lua_rawlen(L, list);
    if (n > TG_CONFIG_KEYS_MAX)
        luaL_error(L, "keys: more than %d", TG_CONFIG_KEYS_MAX);
    if (!n)
        return;
    c->keys = tg_arena_get(&c->arena, n * sizeof *c->keys);
    if (!c->keys)
        luaL_error(L, "%s", tg_err_text(TG_ENOMEM));
    for (size_t i = 0; i < n; i++) {
        lua_rawgeti(L, list, (int)i + 1);
        int t = lua_gettop(L);
        struct tg_str key = tgl_field_str(L, t, "key");
        if (tg_sha256(key, c->keys[i].digest))
            luaL_error(L, "keys: no SHA-256 from OpenSSL");
        c->keys[i].name   = keep(L, c, tgl_field_str(L, t, "name"));
        c->keys[i].label  = keep(L, c, tgl_field_str(L, t, "label"));
        c->keys[i].policy_name = keep(L, c, tgl_field_str(L, t, "policy"));
        lua_pop(L, 1);
    }
    c->keys_count = n;
}

/* Read the table of timeouts on top; what it lacks stays. */
static void read_timeouts(lua_State *L, struct tg_relay_limits *l)
{
    int t = lua_gettop(L);
    l->connect_ms     = (uint32_t)tgl_field_number(L, t, "connect_ms", l->connect_ms);
    l->first_byte_ms  = (uint32_t)tgl_field_number(L, t, "first_byte_ms", l->first_byte_ms);
    l->first_token_ms = (uint32_t)tgl_field_number(L, t, "first_token_ms", l->first_token_ms);
    l->idle_ms        = (uint32_t)tgl_field_number(L, t, "idle_ms", l->idle_ms);
    l->total_ms       = (uint32_t)tgl_field_number(L, t, "total_ms", l->total_ms);
}

/* Read the list of policies on top, and make them work for this catalogue.
 * A failure's words are left in `why`. */
static tg_err read_policies(lua_State *L, struct tg_config *c, struct tg_buf *why)
{
    int list = lua_gettop(L);
    size_t n = lua_rawlen(L, list);
    if (n > TG_CONFIG_POLICIES_MAX)
        luaL_error(L, "policies: more than %d", TG_CONFIG_POLICIES_MAX);
    c->policies = tg_arena_get(&c->arena, n * sizeof *c->policies + 1);
    if (!c->policies)
        return TG_ENOMEM;
    for (size_t i = 0; i < n; i++) {
        lua_rawgeti(L, list, (int)i + 1);
        struct tg_policy *p = tgl_check_policy(L, lua_gettop(L));
        tg_err err = tgl_policy_open(p, c->catalog, c->workers, why);
        if (err)
            return err;
        tg_policy_hold(p);
        c->policies[c->policies_count++] = p;
        lua_pop(L, 1);
    }
    return TG_OK;
}

static void read_settings(lua_State *L, int t, struct tg_config *c)
{
    c->listen       = keep(L, c, tgl_field_str(L, t, "listen"));
    c->workers      = (unsigned)tgl_field_number(L, t, "workers", c->workers);
    c->auth         = tgl_field_bool(L, t, "is_open") ? TG_AUTH_NONE : TG_AUTH_KEYS;
    c->log_requests = tgl_field_bool(L, t, "log_requests");
    c->body_bytes   = (uint64_t)tgl_field_number(L, t, "body_bytes", (double)c->body_bytes);
    c->answer_bytes = (uint64_t)tgl_field_number(L, t, "answer_bytes", (double)c->answer_bytes);
    c->event_bytes  = (uint64_t)tgl_field_number(L, t, "event_bytes", (double)c->event_bytes);
    c->connections  = (uint32_t)tgl_field_number(L, t, "connections", c->connections);

    lua_getfield(L, t, "timeouts");
    if (lua_istable(L, -1))
        read_timeouts(L, &c->timeouts);
    lua_pop(L, 1);
    lua_getfield(L, t, "keys");
    if (lua_istable(L, -1))
        read_keys(L, c);
    lua_pop(L, 1);
}

static int l_new(lua_State *L)
{
    luaL_checktype(L, 1, LUA_TTABLE);
    struct tg_catalog *catalog = tgl_check_catalog(L, 2);
    lua_settop(L, 2);

    void **box = tgl_new(L, TYPE);
    struct tg_config *c = tg_config_new();
    if (!c)
        return tgl_fail(L, TG_ENOMEM);
    *box = c;
    tg_catalog_hold(catalog);
    c->catalog = catalog;
    c->live = tgl_live(catalog->endpoints_count);
    tgl_policy_kv();                                     /* for processes that are forked later, too */
    read_settings(L, 1, c);
    struct tg_buf *why = tgl_buf(L);
    tg_err err = TG_OK;
    lua_getfield(L, 1, "policies");
    if (lua_istable(L, -1))
        err = read_policies(L, c, why);
    if (err)
        return tgl_fail_words(L, err, why->len ? tg_buf_view(why) : tg_str_of(tg_err_text(err)));
    c->policy = tg_config_policy(c, tgl_field_str(L, 1, "policy"));
    err = tg_config_seal(c);
    if (err)
        return tgl_fail_words(L, err, err == TG_ENOTFOUND
                                      ? TG_STR("a key names a policy that there is not")
                                      : TG_STR("two keys have the same text"));
    lua_settop(L, 3);
    return 1;
}

static int l_finish(lua_State *L)
{
    void **box = tgl_box(L, 1, TYPE);
    if (*box)
        tg_config_drop(*box);
    *box = NULL;
    return 0;
}

int tgl_open_config(lua_State *L)
{
    static const luaL_Reg METHODS[] = { { NULL, NULL } };
    tgl_type(L, TYPE, METHODS, l_finish);
    lua_pushcfunction(L, l_new);
    return 1;
}
