#include "route_world.h"

#include <math.h>

#include "route/rank.h"

#define CACHED ",'pricing':{'prompt':'0.000001','completion':'0.000001'," \
               "'input_cache_read':'0.0000001'}"

/* $1, $2 and $3 per million, not in that order. */
static const char *const THREE = MODEL("m/one", AT("middle", "0.000002", "") ","
                                       AT("dear", "0.000003", "") "," AT("cheap", "0.000001", ""));
static const char *const TWO_MODELS =
    MODEL("m/one", AT("dear", "0.000009", "") "," AT("middle", "0.000008", "")) ","
    MODEL("m/two", AT("cheap", "0.000001", "") "," AT("groq", "0.000002", ""));

static struct tg_str after(struct world *w, const char *wishes)
{
    char body[1024];
    snprintf(body, sizeof body, "{'model':'m/one'," HELLO "%s}", wishes);
    CHECK_INT(world_ask(w, body), TG_OK);
    return world_order(w);
}

/* How often each of the kept endpoints comes first, by its place in the
 * catalogue, in so many requests. */
static void count_firsts(struct world *w, const char *wishes, int times, int firsts[8])
{
    memset(firsts, 0, 8 * sizeof *firsts);
    after(w, wishes);
    for (int i = 0; i < times; i++) {
        w->seed = (uint64_t)i;
        CHECK(!world_plan(w));
        firsts[w->plan.all[0].endpoint->index]++;
    }
}

static bool is_about(int got, int times, double share)
{
    double sd = sqrt(times * share * (1 - share));
    if (fabs(got - times * share) <= 4.5 * sd + 1)
        return true;
    printf("    %d of %d, not %.4f\n", got, times, share);
    return false;
}

/* ---- the default ---- */

TEST("the contract's example: $1 is drawn nine times as often as $3, $2 with outages is last")
{
    enum { TIMES = 100000 };
    struct world w;
    int firsts[8];
    world_open(&w, THREE);
    world_serves(&w, "middle", 4, 100, 100);
    world_fails(&w, "middle", 2);
    w.seed = 0;

    after(&w, "");
    int seen = 0, nine = 0, last = 0;
    for (int i = 0; i < TIMES; i++) {
        w.seed = (uint64_t)i;
        CHECK(!world_plan(&w));
        if (w.plan.all[2].place != TG_PLACE_OUTAGE)
            continue;              /* the probe: 5 % */
        seen++;
        nine += tg_str_is(w.plan.all[0].endpoint->tag, "cheap");
        last += tg_str_is(w.plan.all[2].endpoint->tag, "middle");
    }
    CHECK(is_about(seen, TIMES, 0.95));
    CHECK(is_about(nine, seen, 0.9));
    CHECK_INT(last, seen);

    count_firsts(&w, "", TIMES, firsts);
    CHECK(firsts[0] > 0 && firsts[0] <= TIMES / 10);       /* the probe at most */
    world_close(&w);
}

TEST("shares go with one over the square of the price")
{
    enum { TIMES = 100000 };
    struct world w;
    int firsts[8];
    double sum = 1 / 4.0 + 1 / 9.0 + 1;
    world_open(&w, THREE);
    count_firsts(&w, "", TIMES, firsts);
    CHECK(is_about(firsts[0], TIMES, 1 / 4.0 / sum));
    CHECK(is_about(firsts[1], TIMES, 1 / 9.0 / sum));
    CHECK(is_about(firsts[2], TIMES, 1 / sum));
    world_close(&w);
}

TEST("behind the drawn one the others follow by price")
{
    struct world w;
    world_open(&w, THREE);
    after(&w, "");
    for (uint64_t seed = 0; seed < 50; seed++) {
        w.seed = seed;
        CHECK(!world_plan(&w));
        CHECK_INT(w.plan.all[0].place, TG_PLACE_DRAWN);
        CHECK_INT(w.plan.all[1].place, TG_PLACE_FALLBACK);
        CHECK(w.plan.all[1].score < w.plan.all[2].score);
    }
    world_close(&w);
}

TEST("free endpoints share evenly and beat paid ones")
{
    enum { TIMES = 20000 };
    struct world w;
    int firsts[8];
    world_open(&w, MODEL("m/one", AT("cheap", "0.000000000001", "") "," AT("free", "0", "") ","
                         AT("groq", "0", "")));
    count_firsts(&w, "", TIMES, firsts);
    CHECK_INT(firsts[0], 0);
    CHECK(is_about(firsts[1], TIMES, 0.5));
    CHECK(is_about(firsts[2], TIMES, 0.5));
    world_close(&w);
}

TEST("the draw is made for the request's own mix of tokens")
{
    enum { TIMES = 20000 };
    struct world w;
    int firsts[8];
    world_open(&w, MODEL("m/one",
        "{'provider':'cheap','pricing':{'prompt':'0.000001','completion':'0.00001'}},"
        "{'provider':'dear','pricing':{'prompt':'0.000004','completion':'0.000004'}}"));
    /* Hardly any prompt, a long answer: about $10 against $4. */
    count_firsts(&w, ",'max_tokens':50000", TIMES, firsts);
    CHECK(firsts[1] > firsts[0] * 5);
    world_close(&w);
}

TEST("an endpoint that comes back sees its share grow")
{
    enum { TIMES = 20000 };
    struct world w;
    int firsts[8], before = -1;
    world_open(&w, MODEL("m/one", AT("cheap", "0.000001", "") "," AT("groq", "0.000001", "")));
    world_fails(&w, "cheap", 3);
    w.now_ms += TG_HEALTH_RECOVERED_MS + 1;
    for (int i = 0; i < 3; i++) {
        CHECK(tg_health_take_probe(&world_endpoint(&w, "cheap")->live->health, w.now_ms));
        world_serves(&w, "cheap", 1, 100, 100);
    }
    for (int step = 0; step < 4; step++) {
        count_firsts(&w, "", TIMES, firsts);
        CHECK(firsts[0] > before);
        before = firsts[0];
        w.now_ms += 10 * 1000;
    }
    CHECK(is_about(firsts[0], TIMES, 0.5));
    world_close(&w);
}

/* ---- what goes to the end ---- */

TEST("outages, then 429 holds, then open breakers go to the end, whatever was asked")
{
    static const char *const wishes[] = {
        "", ",'provider':{'sort':'price'}", ",'provider':{'sort':'latency'}",
        ",'provider':{'order':['azure','cheap','middle','dear']}",
    };
    struct world w;
    world_open(&w, MODEL("m/one", AT("azure", "0.0000001", "") "," AT("middle", "0.000002", "") ","
                         AT("cheap", "0.000001", "") "," AT("dear", "0.000003", "")));
    world_fails(&w, "azure", 3);                    /* opens its breaker */
    world_serves(&w, "middle", 5, 100, 100);
    world_fails(&w, "middle", 2);                   /* an outage, not enough to open */
    world_limits(&w, "cheap", 5000);
    for (size_t i = 0; i < sizeof wishes / sizeof *wishes; i++) {
        check_context = wishes[i];
        for (w.seed = 0; w.seed < 5; w.seed++)
            after(&w, wishes[i]);
        do
            w.seed++, world_plan(&w);
        while (w.plan.all[1].place != TG_PLACE_OUTAGE && w.seed < 1000);
        CHECK_STR(world_order(&w), "dear middle cheap azure");
        CHECK_INT(w.plan.all[1].place, TG_PLACE_OUTAGE);
        CHECK_INT(w.plan.all[2].place, TG_PLACE_HELD);
        CHECK_INT(w.plan.all[3].place, TG_PLACE_OPEN);
    }
    world_close(&w);
}

TEST("one request in twenty looks past an outage, and the outage is over after 34 seconds")
{
    enum { TIMES = 20000 };
    struct world w;
    int firsts[8];
    world_open(&w, THREE);
    world_serves(&w, "cheap", 5, 100, 100);
    world_fails(&w, "cheap", 2);
    count_firsts(&w, ",'provider':{'sort':'price'}", TIMES, firsts);
    CHECK(is_about(firsts[2], TIMES, 0.05));

    bool seen = false;
    for (w.seed = 0; w.seed < 100; w.seed++) {
        CHECK(!world_plan(&w));
        CHECK_INT(w.plan.all[0].is_probe, tg_str_is(w.plan.all[0].endpoint->tag, "cheap"));
        seen |= w.plan.all[0].is_probe;
    }
    CHECK(seen);

    w.now_ms += TG_HEALTH_RECOVERED_MS + 1;
    count_firsts(&w, ",'provider':{'sort':'price'}", 100, firsts);
    CHECK_INT(firsts[2], 100);
    world_close(&w);
}

TEST("a half-open breaker is a probe where it stands")
{
    struct world w;
    world_open(&w, THREE);
    world_fails(&w, "cheap", 3);
    w.now_ms += 40 * 1000;         /* neither hold nor outage any more */
    CHECK_STR(after(&w, ",'provider':{'sort':'price'}"), "cheap middle dear");
    CHECK(w.plan.all[0].is_probe);
    CHECK(!w.plan.all[1].is_probe);
    world_close(&w);
}

TEST("when most breakers are open they count for nothing")
{
    struct world w;
    world_open(&w, THREE);
    world_fails(&w, "cheap", 3);
    CHECK_STR(after(&w, ",'provider':{'sort':'price'}"), "middle dear cheap");
    CHECK_INT(w.plan.all[2].place, TG_PLACE_OPEN);
    world_fails(&w, "middle", 3);
    for (w.seed = 0; w.seed < 20; w.seed++) {
        CHECK_STR(after(&w, ",'provider':{'sort':'price'}"), "dear cheap middle");
        CHECK_INT(w.plan.all[1].place, TG_PLACE_OUTAGE);
    }
    world_close(&w);
}

TEST("an endpoint at its learned cap is held")
{
    struct world w;
    world_open(&w, THREE);
    struct tg_live *l = world_endpoint(&w, "cheap")->live;
    atomic_store(&l->in_flight, 5);
    world_limits(&w, "cheap", 500);
    w.now_ms += 10 * 1000;         /* the hold is over, the cap stays */
    CHECK_STR(after(&w, ",'provider':{'sort':'price'}"), "middle dear cheap");
    CHECK_INT(w.plan.all[2].place, TG_PLACE_HELD);
    atomic_store(&l->in_flight, 2);
    CHECK_STR(after(&w, ",'provider':{'sort':'price'}"), "cheap middle dear");
    world_close(&w);
}

/* ---- order ---- */

TEST("order is tried first, the rest stays behind it by price")
{
    struct world w;
    world_open(&w, THREE);
    CHECK_STR(after(&w, ",'provider':{'order':['dear']}"), "dear cheap middle");
    CHECK_STR(world_places(&w), "dear:order cheap:fallback middle:fallback");
    CHECK_STR(after(&w, ",'provider':{'order':['Middle & Sons','dear']}"), "middle dear cheap");
    CHECK_STR(after(&w, ",'provider':{'order':['nobody']}"), "cheap middle dear");
    world_close(&w);
}

TEST("order beats sort, suffixes and stickiness")
{
    struct world w;
    world_open(&w, MODEL("m/one", "{'provider':'cheap'" CACHED "}," AT("dear", "0.000003", "")));
    CHECK_STR(after(&w, ",'provider':{'order':['dear'],'sort':'price'}"), "dear cheap");
    CHECK_INT(world_ask(&w, "{'model':'m/one:floor'," HELLO ",'provider':{'order':['dear']}}"),
        TG_OK);
    CHECK_STR(world_order(&w), "dear cheap");
    after(&w, ",'session_id':'s'");
    CHECK(w.plan.sticky_key != 0);
    tg_live_sticky_set(w.region, w.plan.sticky_key, world_endpoint(&w, "cheap")->identity,
        w.now_ms);
    CHECK_STR(after(&w, ",'session_id':'s','provider':{'order':['dear']}"), "dear cheap");
    CHECK(w.plan.sticky_key == 0);
    world_close(&w);
}

TEST("endpoints of one word of order are sorted as asked, else by price")
{
    struct world w;
    world_open(&w, MODEL("m/one", AT("google-vertex", "0.000003", ",'tag':'google-vertex/us'") ","
                         AT("google-vertex", "0.000002", ",'tag':'google-vertex/eu'") ","
                         AT("cheap", "0.000001", "")));
    world_serves(&w, "google-vertex/us", 5, 100, 100);
    world_serves(&w, "google-vertex/eu", 5, 200, 100);
    CHECK_STR(after(&w, ",'provider':{'order':['google-vertex']}"),
              "google-vertex/eu google-vertex/us cheap");
    CHECK_STR(after(&w, ",'provider':{'order':['google-vertex'],'sort':'latency'}"),
              "google-vertex/us google-vertex/eu cheap");
    world_close(&w);
}

TEST("without fallbacks order is all there is, and without order the first one is")
{
    struct world w;
    world_open(&w, THREE);
    CHECK_STR(after(&w, ",'provider':{'order':['dear','middle'],'allow_fallbacks':false}"),
              "dear middle");
    CHECK_STR(world_dropped(&w), "cheap:allow_fallbacks");
    CHECK_STR(after(&w, ",'provider':{'sort':'price','allow_fallbacks':false}"), "cheap");
    after(&w, ",'provider':{'allow_fallbacks':false}");
    CHECK_INT(w.plan.kept, 1);
    CHECK_INT(w.plan.count, 3);
    world_close(&w);
}

/* ---- sort ---- */

TEST("sorted is strictly sorted, and equal ones stay by price and then as in the catalogue")
{
    struct world w;
    world_open(&w, MODEL("m/one", AT("dear", "0.000003", "") "," AT("azure", "0.000001", "") ","
                         AT("cheap", "0.000001", "") "," AT("middle", "0.000002", "")));
    for (w.seed = 0; w.seed < 20; w.seed++)
        CHECK_STR(after(&w, ",'provider':{'sort':'price'}"), "azure cheap middle dear");
    world_serves(&w, "dear", 5, 100, 50);
    world_serves(&w, "middle", 5, 300, 80);
    CHECK_STR(after(&w, ",'provider':{'sort':'latency'}"), "dear middle azure cheap");
    CHECK_STR(after(&w, ",'provider':{'sort':'throughput'}"), "middle dear azure cheap");
    CHECK_STR(world_places(&w), "middle:sorted dear:sorted azure:sorted cheap:sorted");
    for (size_t i = 1; i < w.plan.kept; i++)
        CHECK(w.plan.all[i - 1].score <= w.plan.all[i].score && isfinite(w.plan.all[i].score));
    world_close(&w);
}

TEST("scores are in units that people read")
{
    struct world w;
    world_open(&w, THREE);
    world_serves(&w, "middle", 5, 250, 100);
    after(&w, ",'provider':{'sort':'price'}");
    CHECK(fabs(w.plan.all[0].score - 1) < 1e-9);                   /* $ per million */
    after(&w, ",'provider':{'sort':'latency'}");
    CHECK(fabs(w.plan.all[0].score - 0.25) < 0.25 * 0.02);         /* s */
    after(&w, ",'provider':{'sort':'throughput'}");
    CHECK(fabs(w.plan.all[0].score - 10) < 10 * 0.03);             /* ms per token */
    world_close(&w);
}

TEST("a suffix sorts like the provider object, which goes before it")
{
    struct world w;
    world_open(&w, THREE);
    world_serves(&w, "dear", 5, 900, 500);
    world_serves(&w, "middle", 5, 100, 50);
    CHECK_INT(world_ask(&w, "{'model':'m/one:nitro'," HELLO "}"), TG_OK);
    CHECK_STR(world_order(&w), "dear middle cheap");
    CHECK_INT(world_ask(&w, "{'model':'m/one:floor'," HELLO "}"), TG_OK);
    CHECK_STR(world_order(&w), "cheap middle dear");
    CHECK_INT(world_ask(&w, "{'model':'m/one:floor'," HELLO ",'provider':{'sort':'latency'}}"),
        TG_OK);
    CHECK_STR(world_order(&w), "middle dear cheap");
    world_close(&w);
}

TEST("exacto puts proven tool callers first, the unproven next and the proven bad last")
{
    struct world w;
    world_open(&w, MODEL("m/one", AT("cheap", "0.000001", "") "," AT("azure", "0.000001", "") ","
                         AT("middle", "0.000001", "") "," AT("dear", "0.000001", "")));
    world_calls_tools(&w, "cheap", 25, 15);
    world_calls_tools(&w, "azure", 19, 0);
    world_calls_tools(&w, "middle", 30, 2);
    world_calls_tools(&w, "dear", 40, 0);
    CHECK_INT(world_ask(&w, "{'model':'m/one:exacto'," HELLO "}"), TG_OK);
    CHECK_STR(world_order(&w), "dear middle azure cheap");
    world_close(&w);
}

TEST("equally good tool callers are told apart by throughput")
{
    struct world w;
    world_open(&w, MODEL("m/one", AT("cheap", "0.000001", "") "," AT("dear", "0.000009", "")));
    world_calls_tools(&w, "cheap", 40, 0);
    world_calls_tools(&w, "dear", 40, 0);
    world_serves(&w, "cheap", 5, 100, 50);
    world_serves(&w, "dear", 5, 100, 90);
    CHECK_STR(after(&w, ",'provider':{'sort':'exacto'}"), "dear cheap");
    world_close(&w);
}

TEST("requests with tools avoid endpoints that break them, others do not mind")
{
    struct world w;
    world_open(&w, THREE);
    world_calls_tools(&w, "cheap", 15, 15);
    world_calls_tools(&w, "middle", 5, 5);                  /* too few to say */
    for (w.seed = 0; w.seed < 50; w.seed++) {
        after(&w, ",'tools':[{'type':'function','function':{'name':'f'}}]");
        CHECK_INT(w.plan.all[2].place, TG_PLACE_DEMOTED);
        CHECK_STR(w.plan.all[2].endpoint->tag, "cheap");
        after(&w, "");
        CHECK(w.plan.all[2].place != TG_PLACE_DEMOTED);
    }
    CHECK_STR(after(&w, ",'tools':[{'type':'function','function':{'name':'f'}}],"
                    "'provider':{'sort':'price'}"), "cheap middle dear");
    world_close(&w);
}

/* ---- several models ---- */

TEST("models are tried one after the other, each by its own rules")
{
    struct world w;
    world_open(&w, TWO_MODELS);
    for (w.seed = 0; w.seed < 20; w.seed++) {
        CHECK_INT(world_ask(&w, "{'models':['m/one','m/two:floor']," HELLO "}"), TG_OK);
        CHECK_INT(w.plan.all[0].target, 0);
        CHECK_INT(w.plan.all[1].target, 0);
        CHECK_STR(w.plan.all[2].endpoint->tag, "cheap");
        CHECK_STR(w.plan.all[3].endpoint->tag, "groq");
    }
    CHECK(tg_str_is(tg_str_of(w.plan.strategy), "fallback"));
    world_close(&w);
}

TEST("partition none makes one list of all models")
{
    struct world w;
    world_open(&w, TWO_MODELS);
    CHECK_STR(after(&w, ",'models':['m/two'],'provider':{'sort':{'by':'price',"
                        "'partition':'none'}}"),
              "cheap groq middle dear");
    CHECK_STR(after(&w, ",'models':['m/two'],'provider':{'sort':{'by':'price',"
                        "'partition':'model'}}"),
              "middle dear cheap groq");
    world_close(&w);
}

TEST("an outage stays before the next model, what is held or open does not")
{
    struct world w;
    world_open(&w, TWO_MODELS);
    world_serves(&w, "dear", 5, 100, 100);
    world_fails(&w, "dear", 2);
    do
        after(&w, ",'models':['m/two'],'provider':{'sort':'price'}");
    while (w.plan.all[1].place != TG_PLACE_OUTAGE && w.seed++ < 1000);
    CHECK_STR(world_order(&w), "middle dear cheap groq");
    world_limits(&w, "middle", 5000);
    do
        after(&w, ",'models':['m/two'],'provider':{'sort':'price'}");
    while (w.plan.all[0].place != TG_PLACE_OUTAGE && w.seed++ < 1000);
    CHECK_STR(world_order(&w), "dear cheap groq middle");
    world_fails(&w, "dear", 3);    /* 5 of 10 */
    CHECK_STR(after(&w, ",'models':['m/two'],'provider':{'sort':'price'}"),
        "cheap groq middle dear");
    world_close(&w);
}

/* ---- thresholds ---- */

static const struct {
    int samples;
    const char *wish;
    bool is_demoted;
} evidence[] = {
    { 4, "'preferred_max_latency':1", false },          /* too few to say anything */
    { 5, "'preferred_max_latency':1", true },
    { 5, "'preferred_max_latency':2", false },          /* exactly met */
    { 5, "'preferred_max_latency':3", false },
    { 5, "'preferred_max_latency':{'p90':1}", true },   /* p50 misses it, so p90 does */
    { 4, "'preferred_max_latency':{'p99':1}", false },
    { 20, "'preferred_max_latency':{'p99':1}", true },
    { 5, "'preferred_min_throughput':50", true },
    { 5, "'preferred_min_throughput':40", false },
    { 5, "'preferred_min_throughput':30", false },
    { 5, "'preferred_min_throughput':{'p50':30,'p90':50}", true },
    { 5, "'preferred_min_throughput':30,'preferred_max_latency':1", true },    /* all must hold */
    { 0, "'preferred_min_throughput':30,'preferred_max_latency':1", false },
};

TEST("a threshold demotes where the samples are evidence, and never drops")
{
    for (size_t i = 0; i < sizeof evidence / sizeof *evidence; i++) {
        struct world w;
        char wish[256];
        check_context = evidence[i].wish;
        world_open(&w, THREE);
        world_serves(&w, "cheap", evidence[i].samples, 2000, 40);
        snprintf(wish, sizeof wish, ",'provider':{'sort':'price',%s}", evidence[i].wish);
        CHECK_STR(after(&w, wish),
            evidence[i].is_demoted ? "middle dear cheap" : "cheap middle dear");
        CHECK_INT(w.plan.all[2].place, evidence[i].is_demoted ? TG_PLACE_DEMOTED : TG_PLACE_SORTED);
        world_close(&w);
    }
}

TEST("percentiles of latency count from below and those of throughput from above")
{
    struct world w;
    world_open(&w, THREE);
    world_serves(&w, "cheap", 34, 100, 100);
    world_serves(&w, "cheap", 6, 5000, 10);     /* 15 % are slow */
    CHECK_STR(after(&w, ",'provider':{'sort':'price','preferred_max_latency':{'p75':1}}"),
              "cheap middle dear");
    CHECK_STR(after(&w, ",'provider':{'sort':'price','preferred_max_latency':{'p90':1}}"),
              "middle dear cheap");
    CHECK_STR(after(&w, ",'provider':{'sort':'price','preferred_min_throughput':{'p75':50}}"),
              "cheap middle dear");
    CHECK_STR(after(&w, ",'provider':{'sort':'price','preferred_min_throughput':{'p90':50}}"),
              "middle dear cheap");
    world_close(&w);
}

TEST("with thresholds a preferred endpoint of the next model goes before a slow one of the first")
{
    struct world w;
    world_open(&w, TWO_MODELS);
    world_serves(&w, "middle", 5, 5000, 100);
    CHECK_STR(after(&w, ",'models':['m/two'],'provider':{'sort':'price',"
                        "'preferred_max_latency':1}"),
              "dear cheap groq middle");
    CHECK_STR(after(&w, ",'models':['m/two'],'provider':{'sort':'price'}"),
        "middle dear cheap groq");
    world_close(&w);
}

/* ---- service tiers ---- */

TEST("asked for priority, its endpoints are first by throughput and the others follow")
{
    struct world w;
    world_open(&w, MODEL("m/one", AT("openai", "0.000001", "") ","
                         AT("google-vertex", "0.000009", ",'tag':'google-vertex/priority'") ","
                         AT("openai", "0.000008", ",'tag':'openai/priority'")));
    world_serves(&w, "openai/priority", 5, 100, 50);
    world_serves(&w, "google-vertex/priority", 5, 100, 90);
    CHECK_STR(after(&w, ",'service_tier':'priority'"),
        "google-vertex/priority openai/priority openai");
    CHECK_STR(after(&w, ""), "openai");
    world_close(&w);
}

/* ---- sessions ---- */

static const char *const CACHING =
    MODEL("m/one", AT("dear", "0.000001", "") ",{'provider':'cheap'" CACHED "},"
          "{'provider':'groq'" CACHED "}") "," MODEL("m/two", "{'provider':'azure'" CACHED "}");

static void remember(struct world *w, const char *tag)
{
    tg_live_sticky_set(w->region, w->plan.sticky_key, world_endpoint(w, tag)->identity, w->now_ms);
}

TEST("a session stays where it was, where cached reads are cheaper")
{
    struct world w;
    world_open(&w, CACHING);
    after(&w, ",'session_id':'s'");
    CHECK(w.plan.sticky_key != 0 && !w.plan.is_sticky);
    remember(&w, "groq");
    for (w.seed = 0; w.seed < 50; w.seed++) {
        after(&w, ",'session_id':'s'");
        CHECK_STR(w.plan.all[0].endpoint->tag, "groq");
        CHECK_INT(w.plan.all[0].place, TG_PLACE_STICKY);
        CHECK(w.plan.is_sticky);
    }
    bool moved = false;
    for (w.seed = 0; w.seed < 50; w.seed++) {
        after(&w, ",'session_id':'another'");
        moved |= !tg_str_is(w.plan.all[0].endpoint->tag, "groq");
    }
    CHECK(moved);

    after(&w, ",'session_id':'s'");
    remember(&w, "dear");          /* its cached reads cost what fresh ones do */
    for (w.seed = 0; w.seed < 50; w.seed++) {
        after(&w, ",'session_id':'s'");
        CHECK(!w.plan.is_sticky);
    }
    world_close(&w);
}

TEST("a session leaves an endpoint that fails, is held or too slow, and is forgotten when idle")
{
    struct world w;
    for (int why = 0; why < 4; why++) {
        world_open(&w, CACHING);
        after(&w, ",'session_id':'s'");
        remember(&w, "groq");
        if (why == 0)
            world_fails(&w, "groq", 3);
        if (why == 1)
            world_limits(&w, "groq", 5000);
        if (why == 2)
            world_serves(&w, "groq", 10, 9000, 100);
        if (why == 3)
            w.now_ms += TG_RANK_STICKY_IDLE_MS + 1000;
        after(&w, ",'session_id':'s','provider':{'preferred_max_latency':1}");
        CHECK(!w.plan.is_sticky);
        CHECK(w.plan.sticky_key != 0);
        world_close(&w);
    }
}

TEST("a session is remembered at once when it has an id, else once a cache was used")
{
    struct world w;
    world_open(&w, CACHING);
    after(&w, ",'session_id':'s','models':['m/two'],'provider':{'ignore':[]}");
    for (size_t i = 0; i < w.plan.kept; i++) {
        struct tg_str tag = w.plan.all[i].endpoint->tag;
        bool can = tg_str_is(tag, "cheap") || tg_str_is(tag, "groq");
        CHECK_INT(tg_rank_remembers(&w.plan, i, 0), can);
    }
    CHECK_INT(world_ask(&w, "{'model':'m/one','messages':[{'role':'user','content':'a longer first "
                            "message'}],'provider':{'only':['groq']}}"), TG_OK);
    CHECK(!tg_rank_remembers(&w.plan, 0, 0));
    CHECK(tg_rank_remembers(&w.plan, 0, 1000));
    after(&w, ",'session_id':'s','provider':{'sort':'price'}");
    CHECK(!tg_rank_remembers(&w.plan, 0, 1000));
    world_close(&w);
}

/* ---- scores that somebody changed ---- */

TEST("changed scores order again within what works and within a model")
{
    struct world w;
    world_open(&w, TWO_MODELS);
    world_limits(&w, "groq", 5000);
    after(&w, ",'models':['m/two'],'provider':{'sort':'price'}");
    CHECK_STR(world_order(&w), "middle dear cheap groq");
    for (size_t i = 0; i < w.plan.kept; i++)
        w.plan.all[i].score = -w.plan.all[i].score;
    CHECK_INT(tg_rank_by_score(&w.plan), TG_OK);
    CHECK_STR(world_order(&w), "dear middle cheap groq");
    CHECK_STR(world_places(&w), "dear:sorted middle:sorted cheap:sorted groq:held");
    world_close(&w);
}

/* ---- many ---- */

TEST("thousands of candidates are ordered like three, stable and without leaks")
{
    enum { EACH = 200, MODELS = 16 };
    struct world w;
    struct tg_buf models = { 0 }, body = { 0 };
    for (int m = 0; m < MODELS; m++) {
        tg_buf_printf(&models, "%s{'id':'m/%d','endpoints':[", m ? "," : "", m);
        for (int i = 0; i < EACH; i++)
            tg_buf_printf(&models, "%s{'provider':'openai','tag':'openai/r%d','pricing':"
                          "{'prompt':'0.%06d','completion':'0'}}", i ? "," : "", i,
                          (i * 7919 + m) % 97);
        tg_buf_z(&models, "]}");
        if (m)
            tg_buf_printf(&body, "%s'm/%d'", m > 1 ? "," : "", m);
    }
    world_open(&w, tg_buf_cstr(&models));
    struct tg_buf request = { 0 };
    tg_buf_printf(&request, "{'model':'m/0','models':[%s]," HELLO ","
                            "'provider':{'sort':{'by':'price','partition':"
                  "'none'}}}", tg_buf_cstr(&body));
    CHECK_INT(world_ask(&w, tg_buf_cstr(&request)), TG_OK);
    CHECK_INT(w.plan.kept, EACH * MODELS);
    for (size_t i = 1; i < w.plan.kept; i++) {
        const struct tg_candidate *a = &w.plan.all[i - 1], *b = &w.plan.all[i];
        CHECK(a->score <= b->score);
        CHECK(a->score < b->score || a->endpoint->index < b->endpoint->index);
    }
    tg_buf_done(&models);
    tg_buf_done(&body);
    tg_buf_done(&request);
    world_close(&w);
}

TEST_MAIN
