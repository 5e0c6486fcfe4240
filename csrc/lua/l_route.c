/* l_route.c -- core.route: a decision, for who does the rest.
 *
 *     local plan, err = core.route(snapshot, body, options)      options of core.explain()
 *     plan:list()               --> { { endpoint, provider, model, url, score, place, ... }, ... }
 *     plan:dropped()            --> { { endpoint, provider, model, reason, why, detail }, ... }
 *     plan:request(i)           --> url, { name = value }, body: what the i-th would be sent
 *     plan:report(i, report)    { status, ttft_ms, tokens, duration_ms, retry_after_ms,
 *                               cached_tokens }
 *
 * No I/O. What is reported counts in the windows and breakers that all engines
 * share, and a conversation is remembered with who served it. */
#include "lua/l_config.h"
#include "lua/tgl.h"

#include "base/rand.h"
#include "flow/advice.h"
#include "lua/l_api.h"
#include "route/explain.h"

#define TYPE "tidegate.core.plan"

static int l_finish(lua_State *L)
{
    void **box = tgl_box(L, 1, TYPE);
    tg_advice_free(*box);
    *box = NULL;
    return 0;
}

static void push_candidate(lua_State *L, const struct tg_candidate *c)
{
    lua_createtable(L, 0, 10);
    tgl_set_str(L, "endpoint", c->endpoint->tag);
    tgl_set_str(L, "provider", c->endpoint->provider->slug);
    tgl_set_str(L, "model", c->endpoint->model->id);
}

static int l_list(lua_State *L)
{
    struct tg_advice *d = tgl_check(L, 1, TYPE);
    lua_createtable(L, (int)d->plan.kept, 0);
    for (size_t i = 0; i < d->plan.kept; i++) {
        const struct tg_candidate *c = &d->plan.all[i];
        push_candidate(L, c);
        tgl_set_str(L, "name", c->endpoint->provider->name);
        tgl_set_str(L, "upstream_model", c->endpoint->upstream_model);
        tgl_set_str(L, "url", c->endpoint->provider->base_url);
        tgl_set_str(L, "place", tg_str_of(tg_place_name(c->place)));
        tgl_push_number(L, c->score);
        lua_setfield(L, -2, "score");
        lua_rawseti(L, -2, (int)i + 1);
    }
    return 1;
}

static int l_dropped(lua_State *L)
{
    struct tg_advice *d = tgl_check(L, 1, TYPE);
    struct tg_buf *b = tgl_buf(L);
    lua_createtable(L, (int)(d->plan.count - d->plan.kept), 0);
    for (size_t i = d->plan.kept; i < d->plan.count; i++) {
        const struct tg_candidate *c = &d->plan.all[i];
        push_candidate(L, c);
        tgl_set_str(L, "reason", tg_str_of(tg_drop_name(c->drop)));
        tgl_set_str(L, "why", tg_str_of(tg_drop_sentence(c->drop)));
        tg_buf_reset(b);
        tg_explain_drop(b, &d->plan, c);
        tgl_set_str(L, "detail", tg_buf_view(b));
        lua_rawseti(L, -2, (int)(i - d->plan.kept) + 1);
    }
    return 1;
}

/* The place in argument 2, from 0 on. */
static size_t check_place(lua_State *L, const struct tg_advice *d)
{
    lua_Integer i = luaL_checkinteger(L, 2);
    luaL_argcheck(L, i >= 1 && (size_t)i <= d->plan.kept, 2, "no such place in the plan");
    return (size_t)i - 1;
}

/* "Name: value\r\n" lines as a table on top. */
static void push_fields(lua_State *L, struct tg_str lines)
{
    struct tg_str line, name, value;

    lua_newtable(L);
    while (lines.len) {
        tg_str_cut(lines, '\n', &line, &lines);
        if (line.len && line.at[line.len - 1] == '\r')
            line.len--;
        if (!tg_str_cut(line, ':', &name, &value))
            continue;
        tgl_push_str(L, name);
        tgl_push_str(L, tg_str_trim(value));
        lua_rawset(L, -3);
    }
}

static int l_request(lua_State *L)
{
    struct tg_advice *d = tgl_check(L, 1, TYPE);
    struct tg_buf *url = tgl_buf(L), *body = tgl_buf(L);
    struct tg_str fields;
    tg_err err = tg_advice_request(d, check_place(L, d), url, &fields, body);
    if (err == TG_EINVAL)
        return tgl_fail_words(L, err, TG_STR("this provider is spoken to in another format, or its requests "
                                             "are signed: ask through the client"));
    if (err)
        return tgl_fail(L, err);
    tgl_push_buf(L, url);
    push_fields(L, fields);
    tgl_push_buf(L, body);
    return 3;
}

/* A count in the report at 3; -1 when it is not there, or is none. */
static int64_t count_in(lua_State *L, const char *name)
{
    double n = tgl_field_number(L, 3, name, -1);

    return n >= 0 && n < 1e12 ? (int64_t)n : -1;
}

static int l_report(lua_State *L)
{
    struct tg_advice *d = tgl_check(L, 1, TYPE);
    size_t place = check_place(L, d);
    luaL_checktype(L, 3, LUA_TTABLE);
    int64_t status = count_in(L, "status");
    struct tg_advice_report report = {
        .status = status > 0 && status < 1000 ? (int)status : 0,
        .ttft_ms = count_in(L, "ttft_ms"), .tokens = count_in(L, "tokens"),
        .cached_tokens = count_in(L, "cached_tokens"), .duration_ms = count_in(L, "duration_ms"),
        .retry_after_ms = count_in(L, "retry_after_ms"),
    };
    tg_advice_report(d, place, &report);
    return 0;
}

static const luaL_Reg METHODS[] = {
    { "list", l_list }, { "dropped", l_dropped }, { "request", l_request },
    { "report", l_report }, { NULL, NULL }
};

static uint64_t seed_in(lua_State *L)
{
    double given = tgl_field_number(L, 3, "seed", -1);
    uint64_t seed = (uint64_t)given;
    if (given < 0 && tg_rand_secret(&seed, sizeof seed))
        luaL_error(L, "no random numbers from the kernel");
    return seed;
}

int tgl_route(lua_State *L)
{
    struct tg_config *config = tgl_check_config(L, 1);
    struct tg_advice_question question = { .body = tgl_check_str(L, 2) };
    lua_settop(L, 3);
    if (lua_isnil(L, 3)) {
        lua_newtable(L);
        lua_replace(L, 3);
    }
    luaL_checktype(L, 3, LUA_TTABLE);
    question.api = tgl_api_of(L, tgl_field_str(L, 3, "api"));
    question.policy = tgl_field_str(L, 3, "policy");
    question.seed = seed_in(L);
    tgl_type(L, TYPE, METHODS, l_finish);
    void **box = tgl_new(L, TYPE);
    struct tg_advice *d = NULL;
    tg_err err = tg_advice_make(config, &question, &d);
    *box = d;
    if (!err)
        return 1;
    if (!d)
        return tgl_fail(L, err);
    tgl_fail_words(L, err, d->fault.message.len ? d->fault.message : tg_str_of(tg_err_text(err)));
    lua_pushinteger(L, d->fault.type == TG_FAULT_NONE ? 500 : tg_fault_status(&d->fault));
    lua_setfield(L, -2, "status");
    lua_pushvalue(L, 4);                                 /* the plan still tells what was dropped */
    return 3;
}
