#include "route_world.h"

#include <math.h>

static const char *const TWO =
    MODEL("m/one", AT("cheap", "0.000001", ",'tag':'cheap/turbo'") ","
          AT("dear", "0.0000035", ",'supported_parameters':['max_tokens']") ","
          AT("middle", "0.000009", ""));

static struct tg_json metadata(struct world *w, struct tg_buf *out,
                               const struct tg_attempt *attempts,
                               size_t count, int selected, int64_t ms)
{
    struct tg_json root = { 0 };
    size_t where = 0;
    tg_buf_reset(out);
    CHECK_INT(tg_explain_metadata(out, &w->plan, attempts, count, selected, ms), TG_OK);
    if (!CHECK(!tg_json_check(tg_buf_view(out), TG_JSON_DEPTH_MAX, &root, &where)))
        printf("    %.*s\n", (int)out->len, out->at);
    return root;
}

static void ask(struct world *w, const char *wishes)
{
    char body[512];
    snprintf(body, sizeof body, "{'model':'m/one:floor'," HELLO "%s}", wishes);
    world_ask(w, body);
}

TEST("the metadata is the contract's object, member by member")
{
    struct world w;
    struct tg_buf out = { 0 };
    world_open(&w, TWO);
    ask(&w, ",'provider':{'max_price':{'prompt':8}}");
    const struct tg_attempt attempts[] = {
        { .candidate = 0, .status = 503, .outcome = "overloaded", .ttft_ms = -1, .total_ms = 40 },
        { .candidate = 1, .status = 200, .outcome = "ok", .ttft_ms = 120, .total_ms = 900,
          .dropped_params = TG_PARAM_BIT(TOP_K) | TG_PARAM_BIT(SEED) },
    };
    metadata(&w, &out, attempts, 2, 1, 940);
    CHECK_STR(tg_buf_view(&out),
        "{\"requested\":\"m/one:floor\",\"strategy\":\"direct\",\"region\":null,"
        "\"summary\":\"available=2, selected=Dear \\\"Quoted\\\"\",\"attempt\":2,\"is_byok\":false,"
        "\"endpoints\":{\"total\":2,\"available\":["
        "{\"provider\":\"Cheap Inc\",\"model\":\"m/one\",\"selected\":false},"
        "{\"provider\":\"Dear \\\"Quoted\\\"\",\"model\":\"m/one\",\"selected\":true}]},"
        "\"attempts\":[{\"provider\":\"Cheap Inc\",\"model\":\"m/one\",\"status\":503},"
        "{\"provider\":\"Dear \\\"Quoted\\\"\",\"model\":\"m/one\",\"status\":200}],"
        "\"generation_time\":940,"
        "\"tidegate\":{\"sticky\":false,\"candidates\":["
        "{\"endpoint\":\"cheap/turbo\",\"provider\":\"Cheap Inc\",\"model\":\"m/one\","
        "\"place\":\"sorted\",\"score\":1},"
        "{\"endpoint\":\"dear\",\"provider\":\"Dear \\\"Quoted\\\"\",\"model\":\"m/one\","
        "\"place\":\"sorted\",\"score\":3.5}],"
        "\"dropped\":[{\"endpoint\":\"middle\",\"provider\":\"Middle & Sons\",\"model\":\"m/one\","
        "\"reason\":\"max_price\",\"why\":\"costs more than max_price allows\","
        "\"detail\":\"prompt $9 > $8 per million\"}],"
        "\"attempts\":[{\"endpoint\":\"cheap/turbo\",\"outcome\":\"overloaded\",\"total_ms\":40,"
        "\"dropped_parameters\":[]},"
        "{\"endpoint\":\"dear\",\"outcome\":\"ok\",\"ttft_ms\":120,\"total_ms\":900,"
        "\"dropped_parameters\":[\"top_k\",\"seed\"]}]}}");
    tg_buf_done(&out);
    world_close(&w);
}

TEST("when nobody was asked attempt is 0, and nothing is selected on an error")
{
    struct world w;
    struct tg_buf out = { 0 };
    int64_t number = -1;
    world_open(&w, TWO);
    ask(&w, ",'provider':{'only':['azure']}");
    struct tg_json root = metadata(&w, &out, NULL, 0, -1, -1);
    CHECK(tg_json_i64(tg_json_get(root, "attempt"), &number) && number == 0);
    CHECK(tg_json_is(tg_json_get(root, "summary"), "available=0"));
    CHECK_INT(tg_json_get(root, "attempts").kind, TG_JSON_NONE);
    CHECK_INT(tg_json_get(root, "generation_time").kind, TG_JSON_NONE);
    CHECK_INT(tg_json_count(tg_json_get(tg_json_get(root, "tidegate"), "dropped")), 3);

    ask(&w, "");
    const struct tg_attempt failed[] = { { .candidate = 0, .outcome = "reset", .ttft_ms = -1,
                                           .total_ms = -1 } };
    root = metadata(&w, &out, failed, 1, -1, 5);
    CHECK(tg_json_i64(tg_json_get(root, "attempt"), &number) && number == 1);
    CHECK(!strstr(tg_buf_cstr(&out), "\"selected\":true"));
    CHECK(tg_json_is(tg_json_get(root, "summary"), "available=3"));
    tg_buf_done(&out);
    world_close(&w);
}

TEST("a floor on throughput shows up as the contract's params")
{
    struct world w;
    struct tg_buf out = { 0 };
    double floor = 0;
    world_open(&w, TWO);
    ask(&w, ",'provider':{'preferred_min_throughput':{'p50':42.5}}");
    struct tg_json params = tg_json_get(metadata(&w, &out, NULL, 0, -1, -1), "params");
    CHECK(tg_json_double(tg_json_get(params, "throughput_floor"), &floor));
    CHECK(fabs(floor - 42.5) < 1e-9);
    ask(&w, ",'provider':{'preferred_min_throughput':{'p90':42.5}}");
    CHECK_INT(tg_json_get(metadata(&w, &out, NULL, 0, -1, -1), "params").kind, TG_JSON_NONE);
    tg_buf_done(&out);
    world_close(&w);
}

static const struct {
    const char *wishes, *tag, *detail;
} details[] = {
    { ",'provider':{'max_price':{'prompt':2,'completion':'3'}}", "dear",
      "prompt $3.5 > $2 per million, completion $3.5 > $3 per million" },
    { ",'provider':{'quantizations':['fp8']}", "dear", "unknown" },
    { ",'seed':1,'top_k':2,'max_tokens':5,'provider':{'require_parameters':true}", "dear",
        "top_k, seed" },
    { ",'provider':{'only':['cheap']}", "dear", "" },
};

TEST("a drop says what was asked and what there is")
{
    struct world w;
    struct tg_buf out = { 0 };
    world_open(&w, TWO);
    for (size_t i = 0; i < sizeof details / sizeof *details; i++) {
        check_context = details[i].wishes;
        ask(&w, details[i].wishes);
        bool found = false;
        for (size_t c = 0; c < w.plan.count; c++) {
            if (!tg_str_is(w.plan.all[c].endpoint->tag, details[i].tag))
                continue;
            tg_buf_reset(&out);
            CHECK_INT(tg_explain_drop(&out, &w.plan, &w.plan.all[c]), TG_OK);
            CHECK_STR(tg_buf_view(&out), details[i].detail);
            found = true;
        }
        CHECK(found);
    }
    tg_buf_done(&out);
    world_close(&w);
}

TEST("the text has a line per candidate, aligned, and the reasons of the others")
{
    struct world w;
    struct tg_buf out = { 0 };
    world_open(&w, TWO);
    world_serves(&w, "cheap/turbo", 1, 256, 80);
    ask(&w, ",'provider':{'max_price':{'prompt':8}}");
    w.needs.prompt_tokens = 12;
    CHECK_INT(tg_explain_text(&out, &w.plan, w.now_ms), TG_OK);
    struct tg_str rest = tg_buf_view(&out), line;
    CHECK(tg_str_cut(rest, '\n', &line, &rest));
    CHECK_STR(line, "m/one:floor: 2 to try, 1 left out; about 12 prompt tokens");
    CHECK(tg_str_cut(rest, '\n', &line, &rest));
    CHECK_STR(line, "#  endpoint     model  place   score  $/M in/out  first token s p50/p90  "
                    "tokens/s p50/p90");
    CHECK(tg_str_cut(rest, '\n', &line, &rest));
    CHECK(tg_str_starts(line, "1  cheap/turbo  m/one  sorted  1      1/1         0.25"));
    CHECK(tg_str_cut(rest, '\n', &line, &rest));
    CHECK_STR(line, "2  dear         m/one  sorted  3.5    3.5/3.5     -                      -");
    CHECK(tg_str_cut(rest, '\n', &line, &rest));
    CHECK_STR(line, "-  middle  m/one  max_price: costs more than max_price allows "
                    "(prompt $9 > $8 per million)");
    CHECK_INT(rest.len, 0);
    tg_buf_done(&out);
    world_close(&w);
}

TEST("a tag that does not show its provider is shown with it")
{
    struct world w;
    struct tg_buf out = { 0 };
    world_open(&w, MODEL("m/one", AT("cheap", "0.000001", ",'tag':'eu'") ","
                         AT("openai", "0.000001", ",'tag':'us-east'")));
    ask(&w, ",'provider':{'ignore':['us-east']}");
    CHECK_INT(tg_explain_text(&out, &w.plan, w.now_ms), TG_OK);
    CHECK(strstr(tg_buf_cstr(&out), "\n1  eu (cheap)  m/one  sorted"));
    CHECK(strstr(tg_buf_cstr(&out),
        "\n-  us-east (openai)  m/one  ignore: is in provider.ignore\n"));
    tg_buf_done(&out);
    world_close(&w);
}

TEST("a long list is cut where it is shown, and counted in full")
{
    struct world w;
    struct tg_buf models = { 0 }, body = { 0 }, out = { 0 };
    int64_t total = 0;
    for (int m = 0; m < 2; m++) {
        tg_buf_printf(&models, "%s{'id':'m/%d','endpoints':[", m ? "," : "", m);
        for (int i = 0; i < 200; i++)
            tg_buf_printf(&models, "%s{'provider':'openai','tag':'openai/r%d'}", i ? "," : "", i);
        tg_buf_z(&models, "]}");
    }
    world_open(&w, tg_buf_cstr(&models));
    CHECK_INT(world_ask(&w, "{'models':['m/0','m/1']," HELLO "}"), TG_OK);
    struct tg_json endpoints = tg_json_get(metadata(&w, &out, NULL, 0, -1, -1), "endpoints");
    CHECK(tg_json_i64(tg_json_get(endpoints, "total"), &total) && total == 400);
    CHECK_INT(tg_json_count(tg_json_get(endpoints, "available")), TG_EXPLAIN_CANDIDATES_MAX);
    tg_buf_reset(&out);
    CHECK_INT(tg_explain_text(&out, &w.plan, w.now_ms), TG_OK);
    tg_buf_done(&models);
    tg_buf_done(&body);
    tg_buf_done(&out);
    world_close(&w);
}

static tg_err tell_once(struct world *w, bool as_text)
{
    struct tg_buf out = { 0 };
    tg_err err = as_text ? tg_explain_text(&out, &w->plan, w->now_ms)
                         : tg_explain_metadata(&out, &w->plan, NULL, 0, -1, -1);
    tg_buf_done(&out);
    return err;
}

TEST("running out of memory is told, and nothing leaks")
{
    struct world w;
    world_open(&w, TWO);
    ask(&w, ",'provider':{'max_price':{'prompt':8}}");
    CHECK_EVERY_ALLOCATION(tell_once(&w, true));
    CHECK_EVERY_ALLOCATION(tell_once(&w, false));
    world_close(&w);
}

TEST_MAIN
