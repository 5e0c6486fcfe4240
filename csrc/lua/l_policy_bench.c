/* l_policy_bench.c -- core.policy_bench(config, body, { policy = NAME, seconds = 0.3 })
 *   --> { built_in, data, filter, score, order, first, candidates, kept, decisions } | nil, err
 *
 * Nanoseconds of one decision, in one process and one thread: `built_in`
 * without the policy, `data` under the policy without its hooks, then with one
 * hook more each (the same number where the policy has no such hook). `first` is
 * the first decision with hooks, which makes the endpoints' tables. Batches of
 * all kinds take turns and each kind's median counts, so that a machine whose
 * speed drifts does not favour one. Endpoints that nobody has used get a little
 * traffic first: figures of nothing would be cheaper than real ones. */
#include <stdlib.h>
#include <string.h>
#include "base/clock.h"
#include "lua/l_config.h"
#include "lua/tgl.h"
#include "route/policy.h"

enum {
    BATCH = 64,                        /* decisions between two looks at the clock */
    BATCHES_LEAST = 20, BATCHES_MAX = 2000,
    TRAFFIC = 40                       /* requests to an endpoint */
};

enum kind { BUILT_IN, DATA, FILTER, SCORE, ORDER, KINDS };

static const char *const NAMES[KINDS] = { "built_in", "data", "filter", "score", "order" };

/* Hooks left out in each. */
static const unsigned WITHOUT[KINDS] = {
    [DATA]   = TG_HOOKS_DECIDE,
    [FILTER] = 1 << TG_HOOK_SCORE | 1 << TG_HOOK_ORDER,
    [SCORE]  = 1 << TG_HOOK_ORDER,
};

struct bench {
    struct tg_config *config;
    struct tg_policy *policy;
    struct tg_arena  body, plans;
    struct tg_needs  read, needs;      /* as read; as a policy narrows it */
    struct tg_plan   plan;
    struct tg_fault  fault;
    struct tg_policy_request request;
    struct tg_str    why;
    size_t           batches;
    uint32_t         ns[KINDS][BATCHES_MAX];   /* of one decision */
};

static int l_bench_finish(lua_State *L)
{
    struct bench *b = lua_touserdata(L, 1);
    tg_arena_done(&b->body);
    tg_arena_done(&b->plans);
    return 0;
}

static struct bench *new_bench(lua_State *L)
{
    struct bench *b = lua_newuserdata(L, sizeof *b);
    memset(b, 0, sizeof *b);
    tg_arena_init(&b->body, 64 << 10);
    tg_arena_init(&b->plans, 64 << 10);
    if (luaL_newmetatable(L, "tidegate.core.policy_bench")) {
        lua_pushcfunction(L, l_bench_finish);
        lua_setfield(L, -2, "__gc");
    }
    lua_setmetatable(L, -2);
    return b;
}

static void give_traffic(const struct tg_endpoint *e, uint64_t now_ms)
{
    struct tg_quantiles q;

    if (!e->live)
        return;
    tg_window_read(&e->live->ttft, false, now_ms, &q);
    for (int i = 0; !q.samples && i < TRAFFIC; i++) {
        struct tg_live_report r = {
            .event = TG_HEALTH_SUCCESS, .ttft_ms = 150 + 37 * i % 400, .output_tokens = 200 + i,
            .stream_ms = 2000 + 53 * i % 1500, .hold_ms = -1,
        };
        tg_live_tell(e->live, &r, now_ms);
    }
}

static tg_err decide(struct bench *b, enum kind kind, uint64_t now_ms)
{
    struct tg_decision d = {
        .plan = &b->plan, .needs = &b->needs, .request = &b->request, .region = b->config->live,
        .now_ms = now_ms, .arena = &b->plans, .fault = &b->fault, .without = WITHOUT[kind],
    };

    /* What a policy works into the needs lies before the members. */
    memcpy(&b->needs, &b->read, offsetof(struct tg_needs, fields));
    tg_arena_reset(&b->plans);
    tg_err err = tg_policy_decide(kind == BUILT_IN ? NULL : b->policy, 0, &d);
    b->why = d.why;
    return b->plan.policy_failed ? TG_EINVAL : err == TG_ENOTFOUND ? TG_OK : err;
}

static tg_err time_batch(struct bench *b, enum kind kind)
{
    uint64_t now_ms = tg_clock_ms(), began = tg_clock_ns();

    for (int i = 0; i < BATCH; i++) {
        tg_err err = decide(b, kind, now_ms);
        if (err)
            return err;
    }
    b->ns[kind][b->batches] = (uint32_t)((tg_clock_ns() - began) / BATCH);
    return TG_OK;
}

static tg_err time_all(struct bench *b, double seconds)
{
    uint64_t until = tg_clock_ns() + (uint64_t)(seconds * 1e9);
    tg_err err = TG_OK;

    while (!err && b->batches < BATCHES_MAX
           && (b->batches < BATCHES_LEAST || tg_clock_ns() < until)) {
        for (int kind = 0; !err && kind < KINDS; kind++)
            err = time_batch(b, (enum kind)kind);
        b->batches++;
    }
    return err;
}

static int by_value(const void *a, const void *b)
{
    uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;
    return (x > y) - (x < y);
}

static void push_results(lua_State *L, struct bench *b, uint64_t first_ns)
{
    lua_createtable(L, 0, KINDS + 4);
    for (int kind = 0; kind < KINDS; kind++) {
        qsort(b->ns[kind], b->batches, sizeof **b->ns, by_value);
        tgl_set_number(L, NAMES[kind], b->ns[kind][b->batches / 2]);
    }
    tgl_set_number(L, "first", (double)first_ns);
    tgl_set_number(L, "candidates", (double)b->plan.count);
    tgl_set_number(L, "kept", (double)b->plan.kept);
    tgl_set_number(L, "decisions", (double)(b->batches * BATCH));
}

static int fail(lua_State *L, tg_err err, const struct bench *b)
{
    struct tg_str words = b->why.len ? b->why : b->fault.message;
    return tgl_fail_words(L, err, words.len ? words : tg_str_of(tg_err_text(err)));
}

int tgl_policy_bench(lua_State *L)
{
    struct tg_config *config = tgl_check_config(L, 1);
    struct tg_str body = tgl_check_str(L, 2);
    luaL_checktype(L, 3, LUA_TTABLE);
    struct tg_str name = tgl_field_str(L, 3, "policy");
    double seconds = tgl_field_number(L, 3, "seconds", 0.3);
    struct bench *b = new_bench(L);
    b->config = config;
    b->policy = tg_config_policy(config, name);
    luaL_argcheck(L, b->policy != NULL, 3, "no policy of that name");

    tg_err err = tg_needs_read(&b->read, TG_API_CHAT, body, NULL, config->catalog,
                               (int64_t)(tg_clock_wall_ms() / 1000), 1, &b->body, &b->fault);
    if (err)
        return fail(L, err, b);
    b->needs = b->read;
    tg_policy_request_of(&b->request, &b->read, NULL);
    for (size_t t = 0; t < b->read.targets_count; t++)
        for (size_t i = 0; i < b->read.targets[t].model->endpoints_count; i++)
            give_traffic(&b->read.targets[t].model->endpoints[i], tg_clock_ms());

    uint64_t began = tg_clock_ns();
    err = decide(b, ORDER, tg_clock_ms());
    uint64_t first_ns = tg_clock_ns() - began;
    if (!err)
        err = time_all(b, seconds);
    if (err)
        return fail(L, err, b);
    push_results(L, b, first_ns);
    return 1;
}
