#include "route/price.h"

#include <math.h>

#include "base/mem.h"
#include "base/rand.h"
#include "check.h"

/* ---- decimal text ---- */

/* JSON with ' for ", which C can write without crutches; until the next call. */
static struct tg_json json(const char *text)
{
    static char real[4096];
    struct tg_json root = { 0 };
    size_t len = strlen(text);

    for (size_t i = 0; i < len && i < sizeof real; i++)
        real[i] = text[i] == '\'' ? '"' : text[i];
    tg_json_check((struct tg_str){ real, len }, TG_JSON_DEPTH_MAX, &root, NULL);
    return root;
}

TEST("dollars become femto-dollars exactly, however they are written")
{
    static const struct { const char *text; int64_t femto; } cases[] = {
        { "0", 0 }, { "'0'", 0 }, { "-0", 0 }, { "'-0.000'", 0 }, { "0e99", 0 },
        { "'0.000003'", 3000000000 }, { "3e-6", 3000000000 }, { "0.3E-5", 3000000000 },
        { "'1e-7'", 100000000 }, { "0.0000003", 300000000 }, { "3.0e-07", 300000000 },
        { "1", 1000000000000000 }, { "1e0", 1000000000000000 }, { "1e+3", 1000000000000000000 },
        { "0.000000000000001", 1 }, { "1e-15", 1 }, { "1000e-18", 1 },
        { "'0.0000000208333333333333'", 20833333 },
        { "0.0000000000000004", 0 }, { "0.0000000000000005", 1 }, { "5e-16", 1 },
        { "4.999e-16", 0 },
        { "0.00000000000000049999999999999999999999999", 0 }, { "1e-16", 0 }, { "9e-17", 0 },
        { "1e-400", 0 }, { "1e-99999999999999999999", 0 },
        { "9223.372036854775807", INT64_MAX }, { "9223.3720368547758074", INT64_MAX },
        { "0.0000000000000000000000000000000000000000000003e40", 3000000000 },
        { "300000000000000000000000000000000000000000000e-50", 3000000000 },
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        int64_t femto = -1;
        check_context = cases[i].text;
        CHECK_INT(tg_price_femto(json(cases[i].text), &femto), TG_OK);
        CHECK_INT(femto, cases[i].femto);
    }
}

TEST("what is no price is refused and leaves the result alone")
{
    static const struct { const char *text; tg_err err; } cases[] = {
        { "'-1'", TG_EINVAL }, { "-1", TG_EINVAL }, { "-1e-30", TG_EINVAL }, { "''", TG_EINVAL },
        { "' 1'", TG_EINVAL }, { "'1 '", TG_EINVAL }, { "'+1'", TG_EINVAL }, { "'.5'", TG_EINVAL },
        { "'1.'", TG_EINVAL }, { "'01'", TG_EINVAL }, { "'1e'", TG_EINVAL }, { "'1e+'", TG_EINVAL },
        { "'0x1'", TG_EINVAL }, { "'NaN'", TG_EINVAL }, { "'inf'", TG_EINVAL },
        { "'$1'", TG_EINVAL },
        { "'1,5'", TG_EINVAL }, { "'1.2.3'", TG_EINVAL }, { "'free'", TG_EINVAL },
        { "'-'", TG_EINVAL },
        { "true", TG_EINVAL }, { "null", TG_EINVAL }, { "{}", TG_EINVAL }, { "[1]", TG_EINVAL },
        { "'\\u0031'", TG_EINVAL },
        { "9223.372036854775808", TG_ETOOBIG }, { "9223.3720368547758075", TG_ETOOBIG },
        { "10000", TG_ETOOBIG }, { "1e308", TG_ETOOBIG }, { "1e99999999999999999999", TG_ETOOBIG },
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        int64_t femto = 42;
        check_context = cases[i].text;
        CHECK_INT(tg_price_femto(json(cases[i].text), &femto), cases[i].err);
        CHECK_INT(femto, 42);
    }
}

TEST("a price is written as the catalogue writes it")
{
    static const struct { int64_t femto; const char *text; } cases[] = {
        { 0, "0" }, { 1, "0.000000000000001" }, { 3000000000, "0.000003" },
        { 300000000, "0.0000003" },
        { 1000000000000000, "1" }, { 1500000000000000, "1.5" }, { 20000000000000000, "20" },
        { INT64_MAX, "9223.372036854775807" }, { -5, "0" },
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct tg_buf b = { 0 };
        CHECK_INT(tg_price_put(&b, cases[i].femto), TG_OK);
        CHECK_STR(tg_buf_view(&b), cases[i].text);
        tg_buf_done(&b);
    }
}

TEST("what is written reads back the same, over random prices")
{
    struct tg_rand rand;
    tg_rand_seed(&rand, 10);
    for (int i = 0; i < 100000; i++) {
        int64_t femto = (int64_t)(tg_rand_u64(&rand) >> (1 + tg_rand_below(&rand, 62))), back = -1;
        struct tg_buf b = { 0 };
        tg_price_put(&b, femto);
        struct tg_json text = { tg_buf_view(&b), TG_JSON_NUMBER };
        CHECK(tg_price_femto(text, &back) == TG_OK && back == femto);
        tg_buf_done(&b);
    }
}

/* ---- pricing objects ---- */

struct read {
    tg_err err;
    struct tg_price price;
    struct tg_arena arena;
    const char *why;
    struct tg_str where;
};

static struct read read_price(const char *text)
{
    struct read r = { 0 };
    tg_arena_init(&r.arena, 4096);
    r.err = tg_price_read(&r.price, json(text), &r.arena, &r.why, &r.where);
    return r;
}

static struct tg_price_set price_at(const char *text, int64_t prompt_tokens, int64_t wall_s)
{
    struct read r = read_price(text);
    struct tg_price_set set = { 0 };
    if (CHECK(r.err == TG_OK))
        tg_price_at(&r.price, prompt_tokens, wall_s, &set);
    tg_arena_done(&r.arena);
    return set;
}

static int64_t prompt_price(const char *text, int64_t prompt_tokens, int64_t wall_s)
{
    return price_at(text, prompt_tokens, wall_s).femto[TG_PRICE_PROMPT];
}

TEST("every key of the contract is known, and told whether it was given")
{
    static const char *const names[] = {
        "prompt", "completion", "request", "image", "image_token", "image_output", "audio",
        "audio_output", "input_audio_cache", "input_cache_read", "input_cache_write",
        "input_cache_write_1h", "internal_reasoning", "web_search"
    };
    for (int k = 0; k < TG_PRICE_KEYS; k++) {
        char text[200];
        CHECK_INT(tg_price_key_of(tg_str_of(names[k])), k);
        snprintf(text, sizeof text, "{'%s':'0.5','colour':'blue','note':null}", names[k]);
        struct tg_price_set set = price_at(text, 0, 0);
        CHECK_INT(set.has, 1u << k);
        CHECK_INT(set.femto[k], 500000000000000);
    }
    CHECK_INT(tg_price_key_of(TG_STR("discount")), -1);
    CHECK_INT(tg_price_key_of(TG_STR("")), -1);
}

TEST("null is absent, '0' is free, and of several the last one counts")
{
    CHECK_INT(price_at("{'prompt':null,'completion':'0'}", 0, 0).has, 1u << TG_PRICE_COMPLETION);
    CHECK_INT(prompt_price("{'prompt':'1','prompt':'2'}", 0, 0), 2000000000000000);
    CHECK_INT(price_at("{'prompt':'1','prompt':null}", 0, 0).has, 0);
}

static void check_where(struct tg_str got, const char *want)
{
    char spelled[100];
    size_t len = got.len < sizeof spelled ? got.len : sizeof spelled;
    for (size_t i = 0; i < len; i++)
        spelled[i] = got.at[i] == '"' ? '\'' : got.at[i];
    CHECK_STR(((struct tg_str){ spelled, len }), want);
}

TEST("a mistake is told with its place, and the price stays as it was")
{
    static const struct { const char *text, *why, *where; } cases[] = {
        { "{'prompt':'-1'}", "negative", "'-1'" },
        { "{'prompt':'1','completion':'cheap'}", "decimal", "'cheap'" },
        { "{'prompt':10000}", "9,223", "10000" },
        { "{'discount':1.5}", "discount", "1.5" },
        { "{'discount':-0.1}", "discount", "-0.1" },
        { "{'discount':'much'}", "discount", "'much'" },
        { "{'overrides':{}}", "list", "{}" },
        { "{'overrides':[7]}", "object", "7" },
        { "{'overrides':[{'prompt':[]}]}", "decimal", "[]" },
        { "{'overrides':[{'min_prompt_tokens':'x'}]}", "min_prompt_tokens", "'x'" },
        { "{'overrides':[{'min_prompt_tokens':-1}]}", "min_prompt_tokens", "-1" },
        { "{'overrides':[{'utc_start':2360,'utc_end':0}]}", "utc_start", "2360" },
        { "{'overrides':[{'utc_start':100}]}", "utc_end", "{'utc_start':100}" },
        { "{'overrides':[{'utc_end':100}]}", "utc_start", "{'utc_end':100}" },
        { "{'overrides':[{'utc_start':0,'utc_end':2401}]}", "utc_end", "2401" },
        { "{'overrides':[{'utc_days':['caturday']}]}", "day", "'caturday'" },
        { "{'overrides':[{'utc_days':[]}]}", "utc_days", "[]" },
        { "{'overrides':[{'utc_days':'monday'}]}", "utc_days", "'monday'" },
        { "[]", "pricing", "[]" },
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct read r = read_price(cases[i].text);
        check_context = cases[i].text;
        CHECK_INT(r.err, TG_EINVAL);
        CHECK(r.why && strstr(r.why, cases[i].why));
        check_where(r.where, cases[i].where);
        CHECK_INT(r.price.base.has, 0);
        tg_arena_done(&r.arena);
    }
}

TEST("32 overrides are read, 33 refused")
{
    for (int count = 32; count <= 33; count++) {
        struct tg_buf b = { 0 };
        tg_buf_z(&b, "{'overrides':[{}");
        for (int i = 1; i < count; i++)
            tg_buf_z(&b, ",{}");
        tg_buf_z(&b, "]}");
        struct read r = read_price(tg_buf_cstr(&b));
        CHECK_INT(r.err, count == 32 ? TG_OK : TG_EINVAL);
        CHECK_INT(r.price.overrides_count, count == 32 ? 32 : 0);
        tg_arena_done(&r.arena);
        tg_buf_done(&b);
    }
}

static tg_err read_and_drop(void)
{
    struct read r = read_price("{'prompt':'1','overrides':[{'prompt':'2'},{'prompt':'3'}]}");
    tg_arena_done(&r.arena);
    return r.err;
}

TEST("running out of memory is told and leaks nothing")
{
    CHECK_EVERY_ALLOCATION(read_and_drop());
}

/* ---- which prices hold ---- */

TEST("a step by prompt length holds strictly above it; what it leaves out is inherited")
{
    const char *text = "{'prompt':'1','completion':'5','overrides':["
                       "{'min_prompt_tokens':1000,'prompt':'2'},"
                       "{'min_prompt_tokens':5000,'prompt':'3','completion':'9'}]}";
    static const struct { int64_t tokens, prompt, completion; } cases[] = {
        { 0, 1, 5 }, { 1000, 1, 5 }, { 1001, 2, 5 }, { 5000, 2, 5 }, { 5001, 3, 9 },
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct tg_price_set set = price_at(text, cases[i].tokens, 0);
        CHECK_INT(set.femto[TG_PRICE_PROMPT] / 1000000000000000, cases[i].prompt);
        CHECK_INT(set.femto[TG_PRICE_COMPLETION] / 1000000000000000, cases[i].completion);
    }
}

TEST("of the entries that hold the later one wins, key by key")
{
    struct tg_price_set set = price_at("{'prompt':'1','overrides':[{'prompt':'4','request':'1'},"
                                       "{'prompt':'2','min_prompt_tokens':0}]}", 1, 0);
    CHECK_INT(set.femto[TG_PRICE_PROMPT], 2000000000000000);
    CHECK_INT(set.femto[TG_PRICE_REQUEST], 1000000000000000);
    CHECK_INT(set.has, 1u << TG_PRICE_PROMPT | 1u << TG_PRICE_REQUEST);
}

enum { HOUR = 3600, DAY = 24 * HOUR };

TEST("a window of the day is half open, in UTC, and may wrap midnight")
{
    static const struct { int start, end, hour, minute; bool holds; } cases[] = {
        { 100, 400, 0, 59, false }, { 100, 400, 1, 0, true }, { 100, 400, 3, 59, true },
        { 100, 400, 4, 0, false },  { 1030, 1031, 10, 30, true }, { 1030, 1031, 10, 31, false },
        { 2200, 600, 21, 59, false }, { 2200, 600, 22, 0, true }, { 2200, 600, 0, 0, true },
        { 2200, 600, 5, 59, true }, { 2200, 600, 6, 0, false }, { 0, 2400, 23, 59, true },
        { 1630, 30, 0, 29, true }, { 1630, 30, 0, 30, false }, { 0, 0, 12, 0, true },
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        char text[200];
        snprintf(text, sizeof text, "{'prompt':'1','overrides':[{'prompt':'2','utc_start':%d,"
                 "'utc_end':%d}]}", cases[i].start, cases[i].end);
        check_context = text;
        for (int64_t day = -3; day < 4; day++) {
            int64_t at = day * DAY + cases[i].hour * HOUR + cases[i].minute * 60;
            int64_t want = cases[i].holds ? 2000000000000000 : 1000000000000000;
            CHECK_INT(prompt_price(text, 0, at), want);
            CHECK_INT(prompt_price(text, 0, at + 59), want);
        }
    }
}

TEST("days are those of the request's own moment")
{
    const char *text = "{'prompt':'1','overrides':["
                       "{'prompt':'2','utc_days':['saturday','sunday']}]}";
    int64_t monday = 1767571200;                   /* 2026-01-05 00:00:00 UTC */
    for (int64_t day = -14; day < 14; day++) {
        bool weekend = (day % 7 + 7) % 7 >= 5;
        int64_t begins = monday + day * DAY, want = (weekend ? 2 : 1) * 1000000000000000;
        CHECK_INT(prompt_price(text, 0, begins), want);
        CHECK_INT(prompt_price(text, 0, begins + DAY - 1), want);
    }
    CHECK_INT(prompt_price(text, 0, -5 * DAY), 2000000000000000);     /* 1969-12-27, a Saturday */
}

TEST("all conditions of an entry must hold")
{
    const char *text = "{'prompt':'1','overrides':[{'prompt':'2','utc_days':['thursday'],"
                       "'utc_start':100,'utc_end':200,'min_prompt_tokens':10}]}";
    CHECK_INT(prompt_price(text, 11, HOUR), 2000000000000000);        /* 1970 began on a Thursday */
    CHECK_INT(prompt_price(text, 10, HOUR), 1000000000000000);
    CHECK_INT(prompt_price(text, 11, 0), 1000000000000000);
    CHECK_INT(prompt_price(text, 11, DAY + HOUR), 1000000000000000);
}

TEST("a discount takes its share off every price, overrides included")
{
    CHECK_INT(prompt_price("{'prompt':'0.000003','discount':0.25}", 0, 0), 2250000000);
    CHECK_INT(prompt_price("{'prompt':'1','discount':'0.1','overrides':[{'prompt':'2'}]}", 0, 0),
              1800000000000000);
    CHECK_INT(prompt_price("{'prompt':'9223.372036854775807','discount':0}", 0, 0), INT64_MAX);
    CHECK_INT(prompt_price("{'prompt':'5','discount':1}", 0, 0), 0);
    CHECK_INT(prompt_price("{'prompt':'0.000000000000001','discount':0.5}", 0, 0), 1);
}

/* ---- what an answer costs ---- */

static struct tg_usage used(int64_t prompt, int64_t completion)
{
    struct tg_usage u;
    memset(&u, 0xff, sizeof u);                    /* every count -1: not said */
    u.seen = true;
    u.doubtful = false;
    u.prompt = prompt;
    u.completion = completion;
    return u;
}

static const char SONNET[] =
    "{'prompt':'0.000003','completion':'0.000015','input_cache_read':'0.0000003',"
    "'input_cache_write':'0.00000375','input_cache_write_1h':'0.000006'}";

TEST("the contract's example costs exactly 0.00140355 dollars")
{
    struct tg_price_set p = price_at(SONNET, 3329, 0);
    struct tg_usage u = used(3329, 0);
    u.cached = 3211;
    u.cache_write = 115;
    struct tg_cost c = tg_price_cost(&p, &u, 0, -1);
    CHECK_INT(c.total, 1403550);
    CHECK_INT(c.upstream, 1403550);
    CHECK_INT(c.upstream_prompt, 1403550);
    CHECK_INT(c.upstream_completion, 0);
    CHECK(!c.is_byok);
}

TEST("an hour's cache write has its own price, and is part of what was written")
{
    struct tg_price_set p = price_at(SONNET, 0, 0);
    struct tg_usage u = used(1000, 10);
    u.cache_write = 600;
    u.cache_write_1h = 500;
    CHECK_INT(tg_price_cost(&p, &u, 0, -1).total,
              400 * 3000 + 100 * 3750 + 500 * 6000 + 10 * 15000);
    u.cache_write = -1;                            /* only the hour was said */
    CHECK_INT(tg_price_cost(&p, &u, 0, -1).total, 500 * 3000 + 500 * 6000 + 10 * 15000);
}

TEST("a search and a request's own price are added, and belong to neither side")
{
    struct tg_price_set p = price_at("{'prompt':'0.0000001','completion':'0.0000004',"
                                     "'web_search':'0.01','request':'0.005'}", 0, 0);
    struct tg_usage u = used(32696, 120);
    u.web_searches = 2;
    struct tg_cost c = tg_price_cost(&p, &u, 0, -1);
    CHECK_INT(c.upstream_prompt, 3269600);
    CHECK_INT(c.upstream_completion, 48000);
    CHECK_INT(c.total, 3269600 + 48000 + 2 * 10000000 + 5000000);
}

TEST("parts without a price of their own cost what the rest costs, caches included")
{
    struct tg_price_set p = price_at("{'prompt':'0.000001','completion':'0.000002'}", 0, 0);
    struct tg_usage u = used(100, 50);
    u.cached = 40, u.cache_write = 20, u.prompt_audio = 10, u.prompt_image = 10;
    u.reasoning = 30, u.completion_audio = 5, u.completion_image = 5;
    CHECK_INT(tg_price_cost(&p, &u, 0, -1).total, 100 * 1000 + 50 * 2000);
}

TEST("a free cache read is free, but a reasoning price of 0 is none")
{
    struct tg_price_set p = price_at("{'prompt':'0.000001','completion':'0.000002',"
                                     "'input_cache_read':'0','internal_reasoning':'0'}", 0, 0);
    struct tg_usage u = used(100, 50);
    u.cached = 40, u.reasoning = 50;
    CHECK_INT(tg_price_cost(&p, &u, 0, -1).total, 60 * 1000 + 50 * 2000);
}

TEST("every kind with a price is charged at it, once")
{
    struct tg_price_set p = price_at(
        "{'prompt':'0.000001','completion':'0.00001','internal_reasoning':'0.00003',"
        "'audio':'0.00005','audio_output':'0.00007','image_token':'0.000002',"
        "'image_output':'0.00004','image':'0.001'}", 0, 0);
    struct tg_usage u = used(100, 100);
    u.prompt_audio = 30, u.prompt_image = 20;
    u.reasoning = 40, u.completion_audio = 10, u.completion_image = 20;
    struct tg_cost c = tg_price_cost(&p, &u, 3, -1);
    CHECK_INT(c.upstream_prompt, 50 * 1000 + 30 * 50000 + 20 * 2000 + 3 * 1000000);
    CHECK_INT(c.upstream_completion, 30 * 10000 + 40 * 30000 + 10 * 70000 + 20 * 40000);
    CHECK_INT(c.total, c.upstream_prompt + c.upstream_completion);
}

TEST("audio and images that were read from the cache are no new audio and no new images")
{
    struct tg_price_set p = price_at("{'prompt':'0.000001','audio':'0.00005','image_token':'0.00002',"
                                     "'input_cache_read':'0.0000001'}", 0, 0);
    struct tg_usage u = used(1000, 0);
    u.prompt_audio = 400, u.prompt_image = 200;
    u.cached = 500, u.cached_audio = 300, u.cached_image = 150;
    int64_t fresh = 350 * 1000 + 100 * 50000 + 50 * 20000;
    CHECK_INT(tg_price_cost(&p, &u, 0, -1).total, 500 * 100 + fresh);
    p = price_at("{'prompt':'0.000001','audio':'0.00005','image_token':'0.00002',"
                 "'input_cache_read':'0.0000001','input_audio_cache':'0.000007'}", 0, 0);
    CHECK_INT(tg_price_cost(&p, &u, 0, -1).total, 200 * 100 + 300 * 7000 + fresh);
    u.cached_audio = 5000;                         /* no more than was cached at all */
    CHECK_INT(tg_price_cost(&p, &u, 0, -1).total, 500 * 7000 + 300 * 1000 + 200 * 20000);
}

TEST("where fewer tokens are billed than were counted, those cost something")
{
    struct tg_price_set p = price_at(SONNET, 0, 0);
    struct tg_usage u = used(500, 40);
    u.billed_prompt = 20, u.billed_completion = 30;
    CHECK_INT(tg_price_cost(&p, &u, 0, -1).total, 20 * 3000 + 30 * 15000);
    u.billed_prompt = 0, u.billed_completion = -1;
    CHECK_INT(tg_price_cost(&p, &u, 0, -1).total, 40 * 15000);
}

TEST("what was sampled beside an answer costs the same a token")
{
    struct tg_price_set p = price_at(SONNET, 0, 0);
    struct tg_usage u = used(180, 8);
    u.beside = (struct tg_usage_beside){ 55196, 82, 40, 55056, 1000 };
    struct tg_cost c = tg_price_cost(&p, &u, 0, -1);
    CHECK_INT(c.upstream_prompt,
              180 * 3000 + 100 * 3000 + 40 * 300 + 54056 * 3750 + 1000 * 6000);
    CHECK_INT(c.upstream_completion, (8 + 82) * 15000);
}

TEST("parts that are larger than their whole are cut down to it")
{
    struct tg_price_set p = price_at(SONNET, 0, 0);
    struct tg_usage u = used(100, 10);
    u.cached = 1000, u.cache_write = 1000, u.cache_write_1h = 5000;
    CHECK_INT(tg_price_cost(&p, &u, 0, -1).total, 100 * 300 + 10 * 15000);
    u = used(100, 10);
    u.cached = INT64_MIN, u.cache_write = INT64_MIN, u.cache_write_1h = INT64_MIN;
    u.prompt_audio = INT64_MIN, u.cached_audio = INT64_MIN, u.cached_image = INT64_MIN;
    CHECK_INT(tg_price_cost(&p, &u, 0, -1).total, 100 * 3000 + 10 * 15000);
}

TEST("nothing said costs nothing but the request")
{
    struct tg_price_set p = price_at("{'prompt':'1','completion':'1','request':'0.25'}", 0, 0);
    struct tg_usage u = used(-1, -1);
    CHECK_INT(tg_price_cost(&p, &u, -4, -1).total, 250000000);
}

TEST("it is rounded once, half up, to the nano-dollar")
{
    static const struct { int64_t tokens, nano; } cases[] = {
        { 1, 0 }, { 4, 0 }, { 5, 1 }, { 14, 1 }, { 15, 2 }, { 1000, 100 },
    };
    struct tg_price_set p = price_at("{'prompt':'0.0000000001'}", 0, 0);
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct tg_usage u = used(cases[i].tokens, 0);
        CHECK_INT(tg_price_cost(&p, &u, 0, -1).total, cases[i].nano);
    }
    p = price_at("{'prompt':'0.0000000001','completion':'0.0000000001'}", 0, 0);
    struct tg_usage u = used(4, 4);
    CHECK_INT(tg_price_cost(&p, &u, 0, -1).total, 1);
}

TEST("a charge that the provider reports is taken within 0 and the ceiling")
{
    static const struct { int64_t told, ceiling; bool taken; } cases[] = {
        { -1, -1, false }, { 0, -1, true }, { 7, -1, true }, { INT64_MAX, -1, true },
        { 7, 7, true }, { 8, 7, false }, { 0, 0, true }, { -100, 1000, false },
    };
    struct tg_price_set p = price_at(SONNET, 0, 0);
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct tg_usage u = used(10, 10);
        u.cost_nano = cases[i].told;
        struct tg_cost c = tg_price_cost(&p, &u, 0, cases[i].ceiling);
        CHECK_INT(c.total, cases[i].taken ? cases[i].told : 180000);
        CHECK_INT(c.upstream, c.total);
        CHECK_INT(c.upstream_prompt, 30000);
        CHECK_INT(c.upstream_completion, 150000);
    }
}

TEST("searches nobody foresaw raise the ceiling of what a provider may report")
{
    struct tg_price_set p = price_at("{'prompt':'0.000001','web_search':'0.01'}", 0, 0);
    struct tg_usage u = used(10, 0);
    u.web_searches = 2, u.cost_nano = 20000700;
    CHECK_INT(tg_price_cost(&p, &u, 0, 700).total, 20000700);
    CHECK_INT(tg_price_cost(&p, &u, 0, 699).total, 20010000);
    CHECK_INT(tg_price_cost(&p, &u, 0, INT64_MAX).total, 20000700);
}

/* ---- against arithmetic of another kind: limbs of 32 bits, long division ---- */

struct big {
    uint32_t limb[6];                              /* lowest first */
};

static void big_add_product(struct big *b, int64_t x, int64_t y)
{
    uint64_t ux = (uint64_t)x, uy = (uint64_t)y;
    for (int i = 0; i < 2; i++)
        for (int j = 0; j < 2; j++) {
            uint64_t product = (ux >> 32 * i & UINT32_MAX) * (uy >> 32 * j & UINT32_MAX), carry = 0;
            for (int k = i + j; k < 6; k++) {
                carry += (uint64_t)b->limb[k] + (product & UINT32_MAX);
                b->limb[k] = (uint32_t)carry;
                carry >>= 32, product >>= 32;
            }
        }
}

static int64_t big_nano(struct big b, int64_t rounding)
{
    uint64_t rest = 0;
    big_add_product(&b, rounding, 1);
    for (int k = 5; k >= 0; k--) {
        rest = rest << 32 | b.limb[k];
        b.limb[k] = (uint32_t)(rest / 1000000);
        rest %= 1000000;
    }
    if (b.limb[5] || b.limb[4] || b.limb[3] || b.limb[2] || b.limb[1] >> 31)
        return INT64_MAX;
    return (int64_t)((uint64_t)b.limb[1] << 32 | b.limb[0]);
}

/* Of any size, small ones and the largest included. */
static int64_t any_size(struct tg_rand *rand)
{
    if (tg_rand_below(rand, 20) == 0)
        return INT64_MAX;
    return (int64_t)(tg_rand_u64(rand) >> (1 + tg_rand_below(rand, 63)));
}

TEST("every cost is what long division gives, saturating and never negative, over random bills")
{
    struct tg_rand rand;
    int saturated = 0;

    tg_rand_seed(&rand, 11);
    for (int i = 0; i < 200000; i++) {
        struct tg_price_set p = { .has = (1u << TG_PRICE_KEYS) - 1 };
        for (int k = 0; k < TG_PRICE_KEYS; k++)
            p.femto[k] = any_size(&rand);
        struct tg_usage u = used(any_size(&rand), any_size(&rand));
        u.web_searches = any_size(&rand);
        u.cached = any_size(&rand) % (u.prompt + (u.prompt < INT64_MAX));
        u.reasoning = any_size(&rand) % (u.completion + (u.completion < INT64_MAX));
        int64_t images = any_size(&rand);

        struct big b = { 0 };
        big_add_product(&b, u.cached, p.femto[TG_PRICE_CACHE_READ]);
        big_add_product(&b, u.prompt - u.cached, p.femto[TG_PRICE_PROMPT]);
        int64_t spoken = p.femto[TG_PRICE_REASONING] ? u.reasoning : 0;
        big_add_product(&b, spoken, p.femto[TG_PRICE_REASONING]);
        big_add_product(&b, u.completion - spoken, p.femto[TG_PRICE_COMPLETION]);
        big_add_product(&b, u.web_searches, p.femto[TG_PRICE_WEB_SEARCH]);
        big_add_product(&b, images, p.femto[TG_PRICE_IMAGE]);
        big_add_product(&b, 1, p.femto[TG_PRICE_REQUEST]);

        struct tg_cost c = tg_price_cost(&p, &u, images, -1);
        CHECK(c.total == big_nano(b, 500000));
        CHECK(c.upstream_prompt >= 0 && c.upstream_completion >= 0);
        saturated += c.total == INT64_MAX;
    }
    CHECK(saturated > 1000 && saturated < 199000);
}

TEST("the largest bill there can be saturates")
{
    struct tg_price_set p = { .has = (1u << TG_PRICE_KEYS) - 1 };
    for (int k = 0; k < TG_PRICE_KEYS; k++)
        p.femto[k] = INT64_MAX;
    struct tg_usage u = used(INT64_MAX, INT64_MAX);
    u.web_searches = INT64_MAX;
    CHECK_INT(tg_price_cost(&p, &u, INT64_MAX, -1).total, INT64_MAX);
    CHECK_INT(tg_price_ceiling(&p, INT64_MAX, INT64_MAX, INT64_MAX), INT64_MAX);
}

/* ---- before it is sent ---- */

TEST("the ceiling is the dearest way to bill the same request, rounded up")
{
    struct tg_price_set p = price_at(SONNET, 0, 0);
    CHECK_INT(tg_price_ceiling(&p, 1000, 100, 0), 1000 * 6000 + 100 * 15000);
    p = price_at("{'prompt':'0.0000000001','request':'0.001','image':'0.002'}", 0, 0);
    CHECK_INT(tg_price_ceiling(&p, 1, 0, 2), 1 + 1000000 + 2 * 2000000);
    CHECK_INT(tg_price_ceiling(&p, -1, -1, -1), 1000000);
}

TEST("no way to spend the tokens costs more than the ceiling")
{
    struct tg_rand rand;
    tg_rand_seed(&rand, 12);
    for (int i = 0; i < 100000; i++) {
        struct tg_price_set p = { 0 };
        for (int k = 0; k < TG_PRICE_KEYS; k++)
            if (tg_rand_below(&rand, 3)) {
                p.femto[k] = (int64_t)tg_rand_below(&rand, 1u << 31) << 6;
                p.has |= 1u << k;
            }
        struct tg_usage u = used(tg_rand_below(&rand, 100000), tg_rand_below(&rand, 100000));
        u.cached = tg_rand_below(&rand, 100000);
        u.cache_write = tg_rand_below(&rand, 100000);
        u.cache_write_1h = tg_rand_below(&rand, 100000);
        u.cached_audio = tg_rand_below(&rand, 100000);
        u.cached_image = tg_rand_below(&rand, 100000);
        u.prompt_audio = tg_rand_below(&rand, 100000);
        u.prompt_image = tg_rand_below(&rand, 100000);
        u.reasoning = tg_rand_below(&rand, 100000);
        u.completion_audio = tg_rand_below(&rand, 100000);
        u.completion_image = tg_rand_below(&rand, 100000);
        int64_t most = tg_price_ceiling(&p, u.prompt, u.completion, 3);
        CHECK(tg_price_cost(&p, &u, 3, -1).total <= most);
    }
}

TEST("the price that endpoints are compared by has the request's own shape, else 3 to 1")
{
    struct tg_price_set p = price_at("{'prompt':'0.000001','completion':'0.000005'}", 0, 0);
    CHECK(fabs(tg_price_blend(&p, 0, 0) - 2e9) < 1);
    CHECK(fabs(tg_price_blend(&p, -1, -1) - 2e9) < 1);
    CHECK(fabs(tg_price_blend(&p, 500, 500) - 3e9) < 1);
    CHECK(fabs(tg_price_blend(&p, 3000, -1) - 2e9) < 1);
    CHECK(fabs(tg_price_blend(&p, -1, 50) - 2e9) < 1);
    CHECK(fabs(tg_price_blend(&p, 1000, 1) - 1e9) < 5e6);
    p = price_at("{'prompt':'0','completion':'0','request':'0.01'}", 0, 0);
    CHECK(fabs(tg_price_blend(&p, 900, 100) - 1e10) < 1);
    CHECK(fabs(tg_price_blend(&p, 0, 0) - 1e10) < 1);
}

/* ---- recorded charges ---- */

static struct tg_str load(const char *dir, const char *name)
{
    char path[4096];
    snprintf(path, sizeof path, "%s/catalogs/%s", dir, name);
    FILE *f = fopen(path, "rb");
    if (!f)
        return (struct tg_str){ 0 };
    fseek(f, 0, SEEK_END);
    size_t len = (size_t)ftell(f);
    char *at = tg_alloc(len + 1);
    rewind(f);
    len = fread(at, 1, len, f);
    fclose(f);
    return (struct tg_str){ at, len };
}

enum { COLUMNS = 17 };

static void split_row(struct tg_str row, struct tg_str cell[COLUMNS])
{
    for (int i = 0; i < COLUMNS; i++)
        tg_str_cut(row, ',', &cell[i], &row);
}

static int64_t count_in(struct tg_str cell)
{
    uint64_t n;
    return tg_str_u64(cell, &n) ? (int64_t)n : 0;
}

/* Does this catalogue's list price give the charge of the row? */
static bool reproduces(struct tg_json models, struct tg_str cell[COLUMNS], struct tg_arena *arena)
{
    struct tg_json_iter it;
    struct tg_json model;
    struct tg_str key, id, where;
    const char *why;
    struct tg_price price;
    struct tg_price_set set;
    int64_t charged;

    tg_json_iter_init(&it, models);
    while (tg_json_next(&it, &key, &model)) {
        if (!tg_json_plain(tg_json_get(model, "id"), &id) || !tg_str_eq(id, cell[2]))
            continue;
        if (tg_price_read(&price, tg_json_get(model, "pricing"), arena, &why, &where))
            continue;
        struct tg_usage u = used(count_in(cell[4]), count_in(cell[7]));
        u.cached = count_in(cell[5]);
        u.cache_write = count_in(cell[6]);
        u.reasoning = count_in(cell[8]);
        tg_price_at(&price, u.prompt, 0, &set);
        if (tg_price_femto((struct tg_json){ cell[10], TG_JSON_NUMBER }, &charged))
            return false;
        if (tg_price_cost(&set, &u, 0, -1).total == (charged + 500000) / 1000000)
            return true;
    }
    return false;
}

TEST("charges that OpenRouter took are reproduced to the nano-dollar from its list prices")
{
    static const char *const files[] = { "openrouter/models.2026-08.rig-cassette.json",
                                         "openrouter/models.2025-12-31.chatlas-cassette.json",
                                         "openrouter/models.2025-05.roo-code.json" };
    enum { FILES = sizeof files / sizeof *files };
    const char *dir = check_data_dir();
    struct tg_str text[FILES], rows, all, row, cell[COLUMNS];
    struct tg_json models[FILES] = { 0 }, root;
    struct tg_arena arena;
    int same = 0, compared = 0;

    tg_arena_init(&arena, 4096);
    split_row(TG_STR("openrouter,chat,openai/gpt-4o-mini,Azure,38,0,0,53,0,False,3.75e-05"), cell);
    CHECK(reproduces(json("[{'id':'openai/gpt-4o-mini','pricing':{'prompt':'0.00000015',"
                          "'completion':'0.0000006'}}]"), cell, &arena));
    if (!dir) {
        tg_arena_done(&arena);
        return;
    }
    all = rows = load(dir, "observed_costs.csv");
    for (int i = 0; i < FILES; i++) {
        text[i] = load(dir, files[i]);
        CHECK_INT(tg_json_check(text[i], TG_JSON_DEPTH_MAX, &root, NULL), TG_OK);
        models[i] = root.kind == TG_JSON_ARRAY ? root : tg_json_get(root, "data");
    }
    while (rows.len) {
        bool done = false;
        tg_str_cut(rows, '\n', &row, &rows);
        split_row(row, cell);
        if (!tg_str_is(cell[0], "openrouter"))
            continue;
        compared++;
        for (int i = 0; i < FILES && !done; i++)
            done = reproduces(models[i], cell, &arena);
        same += done;
    }
    printf("    %d of %d recorded charges follow from list prices\n", same, compared);
    CHECK(same >= 280);
    for (int i = 0; i < FILES; i++)
        tg_free((void *)text[i].at);
    tg_free((void *)all.at);
    tg_arena_done(&arena);
}

TEST_MAIN
