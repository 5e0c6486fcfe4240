/* l_route.c -- core.route: a decision, for who does the rest.
 *
 *     local plan, err = core.route(snapshot, body, options)      options of core.explain()
 *     plan:list()               --> { { endpoint, provider, model, url, score, place, ... }, ... }
 *     plan:dropped()            --> { { endpoint, provider, model, reason, why, detail }, ... }
 *     plan:request(i)           --> url, { name = value }, body: what the i-th would be sent
 *     plan:report(i, report)    { status, ttft_ms, tokens, duration_ms, retry_after_ms, error }
 *
 * No I/O. What is reported counts in the windows and breakers that all engines
 * share. */
#include "lua/l_config.h"
#include "lua/tgl.h"

#include <string.h>
#include "base/clock.h"
#include "base/mem.h"
#include "base/rand.h"
#include "flow/embed.h"
#include "flow/outcome.h"
#include "lua/l_api.h"
#include "route/explain.h"
#include "route/policy.h"

#define TYPE "tidegate.core.plan"

struct decided {
    struct tg_config *config;              /* held */
    struct tg_arena  arena;
    struct tg_needs  needs;
    struct tg_plan   plan;
    struct tg_fault  fault;
};

static int l_finish(lua_State *L)
{
    void **box = tgl_box(L, 1, TYPE);
    struct decided *d = *box;
    *box = NULL;
    if (!d)
        return 0;
    tg_arena_done(&d->arena);
    tg_config_drop(d->config);
    tg_free(d);
    return 0;
}

static void set_str(lua_State *L, const char *name, struct tg_str s)
{
    tgl_push_str(L, s);
    lua_setfield(L, -2, name);
}

static void push_candidate(lua_State *L, const struct tg_candidate *c)
{
    lua_createtable(L, 0, 10);
    set_str(L, "endpoint", c->endpoint->tag);
    set_str(L, "provider", c->endpoint->provider->slug);
    set_str(L, "model", c->endpoint->model->id);
}

static int l_list(lua_State *L)
{
    struct decided *d = tgl_check(L, 1, TYPE);
    lua_createtable(L, (int)d->plan.kept, 0);
    for (size_t i = 0; i < d->plan.kept; i++) {
        const struct tg_candidate *c = &d->plan.all[i];
        push_candidate(L, c);
        set_str(L, "name", c->endpoint->provider->name);
        set_str(L, "upstream_model", c->endpoint->upstream_model);
        set_str(L, "url", c->endpoint->provider->base_url);
        set_str(L, "place", tg_str_of(tg_place_name(c->place)));
        lua_pushnumber(L, c->score);
        lua_setfield(L, -2, "score");
        lua_rawseti(L, -2, (int)i + 1);
    }
    return 1;
}

static int l_dropped(lua_State *L)
{
    struct decided *d = tgl_check(L, 1, TYPE);
    struct tg_buf *b = tgl_buf(L);
    lua_createtable(L, (int)(d->plan.count - d->plan.kept), 0);
    for (size_t i = d->plan.kept; i < d->plan.count; i++) {
        const struct tg_candidate *c = &d->plan.all[i];
        push_candidate(L, c);
        set_str(L, "reason", tg_str_of(tg_drop_name(c->drop)));
        set_str(L, "why", tg_str_of(tg_drop_sentence(c->drop)));
        tg_buf_reset(b);
        tg_explain_drop(b, &d->plan, c);
        set_str(L, "detail", tg_buf_view(b));
        lua_rawseti(L, -2, (int)(i - d->plan.kept) + 1);
    }
    return 1;
}

static const struct tg_candidate *check_candidate(lua_State *L, struct decided *d)
{
    lua_Integer i = luaL_checkinteger(L, 2);
    luaL_argcheck(L, i >= 1 && (size_t)i <= d->plan.kept, 2, "no such place in the plan");
    return &d->plan.all[i - 1];
}

/* "Name: value\r\n" lines as a table on top. */
static void push_fields(lua_State *L, struct tg_str lines)
{
    struct tg_str line, name, value;

    lua_newtable(L);
    while (lines.len) {
        tg_str_cut(lines, '\n', &line, &lines);
        if (!tg_str_cut(line, ':', &name, &value))
            continue;
        tgl_push_str(L, name);
        tgl_push_str(L, tg_str_trim(value));
        lua_rawset(L, -3);
    }
}

static int l_request(lua_State *L)
{
    struct decided *d = tgl_check(L, 1, TYPE);
    const struct tg_candidate *c = check_candidate(L, d);
    const struct tg_provider *p = c->endpoint->provider;
    const struct tg_lane *lane = &d->config->lanes[p->index];
    size_t cap = TG_EDIT_PIECES(d->needs.members_count), count, bytes;
    uint32_t dropped;
    struct tg_buf *b = tgl_buf(L);

    struct tg_str *pieces = lua_newuserdata(L, cap * sizeof *pieces);
    tg_err err = tg_needs_body(&d->needs, c->endpoint, pieces, cap, &count, &bytes, &dropped);
    if (err)
        return tgl_fail(L, err);
    tg_buf_z(b, p->url.is_tls ? "https://" : "http://");
    tg_url_put_host(&p->url, b);
    tg_buf_str(b, lane->targets[d->needs.api]);
    tgl_push_buf(L, b);
    push_fields(L, lane->fields);
    tg_buf_reset(b);
    for (size_t i = 0; i < count; i++)
        tg_buf_str(b, pieces[i]);
    tgl_push_buf(L, b);
    return 3;
}

/* What a status is to the endpoint's health; 0: it never answered. */
static enum tg_health_event event_of(int status)
{
    if (status >= 200 && status < 300)
        return TG_HEALTH_SUCCESS;
    if (status == 0)
        return TG_HEALTH_FAILURE;
    return tg_outcome_rule(tg_outcome_of_status(status, NULL))->health;
}

static int l_report(lua_State *L)
{
    struct decided *d = tgl_check(L, 1, TYPE);
    const struct tg_candidate *c = check_candidate(L, d);
    luaL_checktype(L, 3, LUA_TTABLE);
    double tokens = tgl_field_number(L, 3, "tokens", 0);
    double ttft = tgl_field_number(L, 3, "ttft_ms", -1);
    double duration = tgl_field_number(L, 3, "duration_ms", -1);
    struct tg_live_report r = {
        .event = event_of((int)tgl_field_number(L, 3, "status", 0)),
        .ttft_ms = (int64_t)ttft,
        .output_tokens = tokens > 0 ? (int64_t)tokens - 1 : -1,
        .stream_ms = ttft >= 0 && duration > ttft ? (int64_t)(duration - ttft) : (int64_t)duration,
        .hold_ms = (int64_t)tgl_field_number(L, 3, "retry_after_ms", -1),
    };
    if (c->endpoint->live)
        tg_live_tell(c->endpoint->live, &r, tg_clock_ms());
    return 0;
}

static const luaL_Reg METHODS[] = {
    { "list", l_list }, { "dropped", l_dropped }, { "request", l_request },
    { "report", l_report }, { NULL, NULL }
};

static tg_err decide(lua_State *L, struct decided *d, struct tg_str body)
{
    struct tg_policy_request request;
    struct tg_policy *policy = NULL;
    struct tg_decision decision = {
        .plan = &d->plan, .needs = &d->needs, .request = &request, .region = d->config->live,
        .now_ms = tg_clock_ms(), .arena = &d->arena, .fault = &d->fault,
    };
    struct tg_str asked = tgl_field_str(L, 3, "policy");
    enum tg_api api = tgl_api_of(L, tgl_field_str(L, 3, "api"));
    double seed = tgl_field_number(L, 3, "seed", -1);
    uint64_t drawn = (uint64_t)seed;

    if (seed < 0 && tg_rand_secret(&drawn, sizeof drawn))
        return TG_ESYSTEM;
    body = tg_arena_copy(&d->arena, body);     /* the plan's request is made of it */
    if (!body.at)
        return TG_ENOMEM;
    tg_err err = tg_needs_read(&d->needs, api, body, NULL, d->config->catalog,
                               (int64_t)(tg_clock_wall_ms() / 1000), drawn, &d->arena, &d->fault);
    if (!err)
        err = tg_config_choose(d->config, NULL, asked.len ? asked : d->needs.policy, &policy,
                               &d->arena, &d->fault);
    if (err)
        return err;
    tg_policy_request_of(&request, &d->needs, NULL);
    return tg_policy_decide(policy, TG_EMBED_HOST, &decision);
}

int tgl_route(lua_State *L)
{
    struct tg_config *config = tgl_check_config(L, 1);
    struct tg_str body = tgl_check_str(L, 2);
    lua_settop(L, 3);
    if (lua_isnil(L, 3)) {
        lua_newtable(L);
        lua_replace(L, 3);
    }
    luaL_checktype(L, 3, LUA_TTABLE);
    tgl_type(L, TYPE, METHODS, l_finish);
    void **box = tgl_new(L, TYPE);
    struct decided *d = *box = tg_zalloc(sizeof *d);
    if (!d)
        return tgl_fail(L, TG_ENOMEM);
    tg_arena_init(&d->arena, 16 << 10);
    tg_config_hold(config);
    d->config = config;
    tg_err err = decide(L, d, body);
    if (!err)
        return 1;
    tgl_fail_words(L, err, d->fault.message.len ? d->fault.message : tg_str_of(tg_err_text(err)));
    lua_pushinteger(L, d->fault.type == TG_FAULT_NONE ? 500 : tg_fault_status(&d->fault));
    lua_setfield(L, -2, "status");
    lua_pushvalue(L, 4);                                 /* the plan still tells what was dropped */
    return 3;
}
