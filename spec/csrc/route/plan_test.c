#include "route_world.h"

#include "base/rand.h"
#include "route/constrain.h"
#include "route/rank.h"

static const char *const THREE = MODEL("m/one", AT("middle", "0.000002", "") ","
                                       AT("dear", "0.000003", "") "," AT("cheap", "0.000001", ""));

TEST("every drop and every place has a name of its own, and every drop a sentence")
{
    for (int a = 0; a < TG_DROPS; a++) {
        CHECK(strlen(tg_drop_sentence((enum tg_drop)a)) > 5);
        for (int b = 0; b < a; b++)
            CHECK(strcmp(tg_drop_name((enum tg_drop)a), tg_drop_name((enum tg_drop)b)) != 0);
    }
    for (int a = 0; a <= TG_PLACE_OPEN; a++)
        for (int b = 0; b < a; b++)
            CHECK(strcmp(tg_place_name((enum tg_place)a), tg_place_name((enum tg_place)b)) != 0);
}

TEST("the same request, traffic and seed give the same plan to the byte")
{
    struct world w;
    struct tg_buf first = { 0 }, second = { 0 };
    world_open(&w, THREE);
    world_serves(&w, "cheap", 30, 120, 80);
    world_serves(&w, "middle", 12, 450, 30);
    world_fails(&w, "middle", 2);
    CHECK_INT(world_ask(&w, "{'model':'m/one'," HELLO ",'session_id':'s'}"), TG_OK);
    for (w.seed = 0; w.seed < 200; w.seed++) {
        tg_buf_reset(&first);
        tg_buf_reset(&second);
        CHECK_INT(world_plan(&w), TG_OK);
        CHECK_INT(tg_explain_text(&first, &w.plan, w.now_ms), TG_OK);
        CHECK_INT(tg_explain_metadata(&first, &w.plan, NULL, 0, -1, -1), TG_OK);
        CHECK_INT(world_plan(&w), TG_OK);
        CHECK_INT(tg_explain_text(&second, &w.plan, w.now_ms), TG_OK);
        CHECK_INT(tg_explain_metadata(&second, &w.plan, NULL, 0, -1, -1), TG_OK);
        CHECK(tg_str_eq(tg_buf_view(&first), tg_buf_view(&second)));
    }
    tg_buf_done(&first);
    tg_buf_done(&second);
    world_close(&w);
}

TEST("seeds differ in what is drawn and in nothing else")
{
    struct world w;
    world_open(&w, THREE);
    CHECK_INT(world_ask(&w, "{'model':'m/one'," HELLO "}"), TG_OK);
    int firsts[3] = { 0 };
    for (w.seed = 0; w.seed < 300; w.seed++) {
        CHECK_INT(world_plan(&w), TG_OK);
        CHECK_INT(w.plan.kept, 3);
        firsts[w.plan.all[0].endpoint->index]++;
    }
    CHECK(firsts[0] && firsts[1] && firsts[2]);
    world_close(&w);
}

TEST("a plan can be made without a region and without anything known about endpoints")
{
    struct world w;
    world_open(&w, THREE);
    CHECK_INT(world_ask(&w, "{'model':'m/one'," HELLO ",'session_id':'s',"
                            "'provider':{'sort':'latency',"
                            "'preferred_max_latency':1,'preferred_min_throughput':{'p99':1}}}"),
                            TG_OK);
    for (size_t i = 0; i < 3; i++)
        w.catalog->models[0].endpoints[i].live = NULL;
    tg_arena_reset(&w.plans);
    CHECK_INT(tg_plan_make(&w.plan, &w.needs, NULL, NULL, w.now_ms, &w.plans, &w.fault), TG_OK);
    CHECK_STR(world_order(&w), "cheap middle dear");
    CHECK(w.plan.sticky_key == 0);
    world_close(&w);
}

TEST("one model is tried directly, several are fallbacks of one another")
{
    struct world w;
    world_open(&w, THREE);
    tg_plan_begin(&w.plan, &w.needs);
    CHECK_INT(world_ask(&w, "{'model':'m/one'," HELLO "}"), TG_OK);
    CHECK(tg_str_is(tg_str_of(w.plan.strategy), "direct"));
    world_close(&w);
}

TEST("what a policy drops is swept behind the others, which keep their order")
{
    struct world w;
    world_open(&w, THREE);
    CHECK_INT(world_ask(&w, "{'model':'m/one'," HELLO "}"), TG_OK);
    tg_plan_begin(&w.plan, &w.needs);
    tg_arena_reset(&w.plans);
    CHECK_INT(tg_constrain(&w.plan, &w.plans), TG_OK);
    w.plan.all[1].drop = TG_DROP_POLICY;
    w.plan.all[1].detail = TG_STR("too many failures lately");
    tg_plan_sweep(&w.plan);
    CHECK_STR(world_order(&w), "middle cheap");
    CHECK_STR(world_dropped(&w), "dear:policy");
    w.plan.all[0].drop = w.plan.all[1].drop = TG_DROP_POLICY;
    tg_plan_sweep(&w.plan);
    CHECK_INT(w.plan.kept, 0);
    tg_constrain_fault(&w.plan, &w.plans, &w.fault);
    CHECK_STR(w.fault.message, "No endpoints found matching the gateway's routing policy: "
                               "too many failures lately.");
    world_close(&w);
}

TEST("a permutation puts every candidate where it says")
{
    enum { MANY = 60 };
    struct tg_candidate all[MANY];
    struct tg_plan p = { .all = all, .kept = MANY, .count = MANY };
    struct tg_rand rand;
    tg_rand_seed(&rand, 7);
    for (int round = 0; round < 200; round++) {
        uint16_t from[MANY], wanted[MANY];
        for (uint16_t i = 0; i < MANY; i++) {
            from[i] = i;
            all[i] = (struct tg_candidate){ .target = i };
        }
        for (uint32_t i = MANY - 1; i > 0; i--) {
            uint32_t k = tg_rand_below(&rand, i + 1);
            uint16_t was = from[i];
            from[i] = from[k];
            from[k] = was;
        }
        memcpy(wanted, from, sizeof wanted);
        tg_plan_reorder(&p, from, MANY);
        for (size_t i = 0; i < MANY; i++)
            CHECK_INT(all[i].target, wanted[i]);
    }
}

/* ---- whatever happens ---- */

static const char *const WISHES[] = {
    "", ",'provider':{'sort':'price'}", ",'provider':{'sort':'latency'}",
    ",'provider':{'sort':{'by':'throughput','partition':'none'}}", ",'provider':{'sort':'exacto'}",
    ",'provider':{'order':['dear','openai']}", ",'provider':{'order':['azure'],"
    "'allow_fallbacks':false}",
    ",'provider':{'allow_fallbacks':false}", ",'provider':{'only':['cheap','openai','azure']}",
    ",'provider':{'preferred_max_latency':{'p90':1},'preferred_min_throughput':40}",
    ",'provider':{'max_price':{'prompt':2}}", ",'session_id':'s'", ",'service_tier':'flex'",
    ",'service_tier':'priority','provider':{'preferred_max_latency':0.2}",
    ",'tools':[{'type':'function','function':{'name':'f'}}]",
};

static void let_something_happen(struct world *w, struct tg_rand *rand)
{
    static const char *const tags[] = { "cheap", "middle", "dear", "openai", "openai/flex",
        "azure" };
    const char *tag = tags[tg_rand_below(rand, 6)];

    switch (tg_rand_below(rand, 6)) {
    case 0: world_fails(w, tag, 1 + (int)tg_rand_below(rand, 3)); break;
    case 1: world_limits(w, tag, tg_rand_below(rand, 4000)); break;
    case 2: world_calls_tools(w, tag, 10, (int)tg_rand_below(rand, 10)); break;
    case 3: w->now_ms += tg_rand_below(rand, 60 * 1000); break;
    default: world_serves(w, tag, 10, 50 + tg_rand_below(rand, 3000), 10 + tg_rand_below(rand,
        200));
    }
}

static void check_whole(const struct world *w)
{
    const struct tg_plan *p = &w->plan;
    uint64_t seen = 0;

    for (size_t i = 0; i < p->count; i++) {
        const struct tg_candidate *c = &p->all[i];
        CHECK(!(seen & 1ull << c->endpoint->index));       /* once each */
        seen |= 1ull << c->endpoint->index;
        CHECK_INT(c->drop == TG_DROP_NONE, i < p->kept);
        CHECK(c->place <= TG_PLACE_OPEN && c->score == c->score);
        CHECK(w->needs.targets[c->target].model == c->endpoint->model);
    }
    for (size_t i = 1; i < p->kept; i++) {
        enum tg_place before = p->all[i - 1].place, is = p->all[i].place;
        CHECK(before < TG_PLACE_HELD || is >= before);     /* the very end stays the end */
        if (p->all[i - 1].target == p->all[i].target && before >= TG_PLACE_DEMOTED)
            CHECK(is >= before);
        CHECK(is != TG_PLACE_DRAWN || i == 0 || before >= TG_PLACE_DEMOTED);
    }
}

TEST("whatever was wished and happened, everybody is there once and trouble stands behind")
{
    struct world w;
    struct tg_rand rand;
    world_open(&w, MODEL("m/one", AT("cheap", "0.000001", "") "," AT("middle", "0.000002", "") ","
                         AT("dear", "0.000003", "") "," AT("openai", "0.000002", "") ","
                         AT("openai", "0.000001", ",'tag':'openai/flex'")) ","
               MODEL("m/two", AT("azure", "0.000004", "") "," AT("groq", "0", "")));
    tg_rand_seed(&rand, 42);
    for (int round = 0; round < 3000; round++) {
        char body[512];
        let_something_happen(&w, &rand);
        w.seed = tg_rand_u64(&rand);
        snprintf(body, sizeof body, "{'model':'m/one'%s," HELLO "%s}",
                 round % 2 ? ",'models':['m/two']" : "",
                 WISHES[tg_rand_below(&rand, sizeof WISHES / sizeof *WISHES)]);
        check_context = body;
        tg_err err = world_ask(&w, body);
        CHECK_INT(err == TG_OK, w.plan.kept > 0);
        CHECK(err == TG_OK || w.fault.message.len);
        check_whole(&w);
    }
    world_close(&w);
}

/* Made from scratch, so that each allocation is one of the plan's own. */
static tg_err make_once(struct world *w, bool is_error)
{
    struct tg_arena arena;
    struct tg_plan p;
    struct tg_fault fault = { 0 };
    tg_arena_init(&arena, 256);
    tg_err err = tg_plan_make(&p, &w->needs, NULL, w->region, w->now_ms, &arena, &fault);
    /* Words that there was no memory for are left to the fault's type. */
    if (is_error && err == TG_ENOTFOUND && fault.message.len)
        err = TG_OK;
    tg_arena_done(&arena);
    return err;
}

TEST("running out of memory is told, and nothing leaks")
{
    struct world w;
    struct tg_buf models = { 0 };
    tg_buf_z(&models, "{'id':'m/one','endpoints':[");
    for (int i = 0; i < 100; i++)
        tg_buf_printf(&models, "%s{'provider':'openai','tag':'openai/r%d',"
                               "'pricing':{'prompt':'1'}}",
                      i ? "," : "", i);
    tg_buf_z(&models, "]}");
    world_open(&w, tg_buf_cstr(&models));
    CHECK_INT(world_ask(&w, "{'model':'m/one'," HELLO "}"), TG_OK);
    CHECK_EVERY_ALLOCATION(make_once(&w, false));
    CHECK_INT(world_ask(&w, "{'model':'m/one'," HELLO ",'provider':{'only':['azure']}}"),
        TG_ENOTFOUND);
    CHECK_EVERY_ALLOCATION(make_once(&w, true));
    tg_buf_done(&models);
    world_close(&w);
}

TEST_MAIN
