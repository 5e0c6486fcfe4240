/* l_explain.c -- require("tidegate.core").explain(config, body, options)
 *   --> text | nil, err, text
 *
 * The decision for one request body, without asking anybody: the code that
 * decides in production, with the time and the seed of `options`: `api`
 * ("chat", "completions", "embeddings", "rerank"), `seed`, `wall_s`, `key` (the
 * name of the key that asks), `policy` (instead of the one that would be chosen). When
 * nothing is left the text still lists what was dropped and why. */
#include "lua/l_api.h"
#include "lua/l_config.h"

#include <string.h>
#include "base/clock.h"
#include "base/mem.h"
#include "route/explain.h"

/* Everything one explanation needs, in a userdata that the collector frees. */
struct work {
    struct tg_arena arena;
    struct tg_needs needs;
    struct tg_plan  plan;
    struct tg_fault fault;
};

static int l_work_finish(lua_State *L)
{
    struct work *w = lua_touserdata(L, 1);
    tg_arena_done(&w->arena);
    return 0;
}

static struct work *new_work(lua_State *L)
{
    struct work *w = lua_newuserdata(L, sizeof *w);
    memset(w, 0, sizeof *w);
    tg_arena_init(&w->arena, 64 << 10);
    if (luaL_newmetatable(L, "tidegate.core.explain")) {
        lua_pushcfunction(L, l_work_finish);
        lua_setfield(L, -2, "__gc");
    }
    lua_setmetatable(L, -2);
    return w;
}

enum tg_api tgl_api_of(lua_State *L, struct tg_str name)
{
    if (!name.len || tg_str_is(name, "chat"))
        return TG_API_CHAT;
    if (tg_str_is(name, "completions"))
        return TG_API_COMPLETIONS;
    if (tg_str_is(name, "embeddings"))
        return TG_API_EMBEDDINGS;
    if (tg_str_is(name, "rerank"))
        return TG_API_RERANK;
    return (enum tg_api)luaL_error(L, "api: chat, completions, embeddings or rerank expected");
}

/* nil, the error in the client's words, and the text where there is one */
static int fail(lua_State *L, tg_err err, const struct tg_fault *f, const struct tg_buf *text)
{
    tgl_fail_words(L, err, f->message.len ? f->message : tg_str_of(tg_err_text(err)));
    lua_pushinteger(L, f->type == TG_FAULT_NONE ? 500 : tg_fault_status(f));
    lua_setfield(L, -2, "status");
    tgl_push_buf(L, text);
    return 3;
}

/* The key of that name; NULL without one. */
static const struct tg_key *key_named(lua_State *L, const struct tg_config *c, struct tg_str name)
{
    for (size_t i = 0; i < c->keys_count; i++)
        if (tg_str_eq(c->keys[i].name, name))
            return &c->keys[i];
    if (name.len)
        luaL_error(L, "key: the configuration has no key of that name");
    return NULL;
}

static tg_err decide(lua_State *L, struct work *w, const struct tg_config *c, struct tg_buf *text)
{
    const struct tg_key *key = key_named(L, c, tgl_field_str(L, 3, "key"));
    struct tg_str asked = tgl_field_str(L, 3, "policy");
    struct tg_policy_request request;
    struct tg_policy *policy = NULL;
    struct tg_decision d = {
        .plan = &w->plan, .needs = &w->needs, .request = &request, .region = c->live,
        .now_ms = tg_clock_ms(), .arena = &w->arena, .fault = &w->fault,
    };

    tg_err err = tg_config_choose(c, asked.len ? NULL : key, asked.len ? asked : w->needs.policy,
                                  &policy, &w->arena, &w->fault);
    if (err)
        return err;
    tg_policy_request_of(&request, &w->needs, NULL);
    if (key) {
        request.key_name = key->name;
        request.key_label = key->label;
    }
    err = tg_policy_decide(policy, 0, &d);
    if (d.why.len)
        tg_buf_printf(text, "%.*s\n", (int)d.why.len, d.why.at);
    if (err && err != TG_ENOTFOUND)
        return err;
    tg_explain_text(text, &w->plan, d.now_ms);
    return err;
}

int tgl_explain(lua_State *L)
{
    struct tg_config *config = tgl_check_config(L, 1);
    struct tg_str body = tgl_check_str(L, 2);
    luaL_checktype(L, 3, LUA_TTABLE);
    enum tg_api api = tgl_api_of(L, tgl_field_str(L, 3, "api"));
    uint64_t seed = (uint64_t)tgl_field_number(L, 3, "seed", 1);
    int64_t wall_s = (int64_t)tgl_field_number(L, 3, "wall_s", (double)(tg_clock_wall_ms() / 1000));

    struct work *w = new_work(L);
    struct tg_buf *text = tgl_buf(L);
    tg_err err = tg_needs_read(&w->needs, api, body, NULL, config->catalog, wall_s, seed, &w->arena,
                               &w->fault);
    if (!err)
        err = decide(L, w, config, text);
    if (err)
        return fail(L, err, &w->fault, text);
    tgl_push_buf(L, text);
    return 1;
}
