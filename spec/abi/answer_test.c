/* One answer, fed by hand: cut anywhere, and short of memory everywhere. */
#include "abi/answer.h"

#include "base/mem.h"
#include "check.h"

#define FIELDS(type) "X-A: b\r\nContent-Type: " type "\r\n"
#define HEADS "\"id\":\"gen-1\",\"model\":\"t/m\",\"provider\":\"P\""

static const char stream[] =
    ": a comment\n\n"
    "data: {" HEADS ",\"choices\":[{\"index\":0,\"delta\":{\"role\":\"assistant\",\"content\":\"\"}}]}\n\n"
    "data: {" HEADS ",\"choices\":[{\"index\":0,\"delta\":{\"reasoning\":\"h\\u006d\"}}]}\n\n"
    "data: {" HEADS ",\"choices\":[{\"index\":0,\"delta\":{\"content\":\"Hel\"}},"
        "{\"index\":1,\"delta\":{\"content\":\"other\"}}]}\n\n"
    "data: {" HEADS ",\"choices\":[{\"index\":0,\"delta\":{\"content\":\"l\\u00f6\",\"tool_calls\":"
        "[{\"index\":0,\"id\":\"c1\",\"type\":\"function\",\"function\":{\"name\":\"go\",\"arguments\":\"{\\\"a\"}}]}}]}\n\n"
    "data: {" HEADS ",\"choices\":[{\"index\":0,\"delta\":{\"tool_calls\":[{\"index\":0,\"function\":"
        "{\"arguments\":\"\\\":1}\"}}]},\"finish_reason\":\"tool_calls\"}],\"usage\":{\"prompt_tokens\":3,"
        "\"completion_tokens\":2,\"total_tokens\":5,\"cost\":0.000007}}\n\n"
    "data: [DONE]\n\n";

static const char whole[] =
    "{" HEADS ",\"choices\":[{\"index\":0,\"message\":{\"content\":\"Hell\\u00f6\",\"reasoning\":\"hm\",\"tool_calls\":"
    "[{\"id\":\"c1\",\"type\":\"function\",\"function\":{\"name\":\"go\",\"arguments\":\"{\\\"a\\\":1}\"}}]},"
    "\"finish_reason\":\"tool_calls\"},{\"index\":1,\"message\":{\"content\":\"other\"}}],"
    "\"usage\":{\"prompt_tokens\":3,\"completion_tokens\":2,\"total_tokens\":5,\"cost\":0.000007}}";

/* What came of one answer, as a line. */
static char told[2048];

static void put(const char *name, const char *text)
{
    size_t n = strlen(told);

    snprintf(told + n, sizeof told - n, "%s=%s ", name, text);
}

static void put_delta(const struct tidegate_event *e)
{
    put(e->choice ? "other" : "text", e->text.at);
    if (e->reasoning.len)
        put("reasoning", e->reasoning.at);
    for (size_t i = 0; i < e->tool_calls_count; i++)
        put("arguments", e->tool_calls[i].arguments.at);
}

static const struct tidegate_event *read_pieces(struct tga_answer *a, struct tg_str bytes, size_t size,
                                                bool is_whole)
{
    static struct tidegate_event e;
    struct tg_arena scratch;

    told[0] = '\0';
    tg_arena_init(&scratch, 64);
    for (size_t at = 0; at < bytes.len; at += size) {
        size_t n = bytes.len - at < size ? bytes.len - at : size;
        tga_answer_feed(a, (struct tg_str){ bytes.at + at, n });
        while (tga_answer_next(a, &scratch, &e))
            put_delta(&e);
        tg_arena_reset(&scratch);
    }
    tg_arena_done(&scratch);
    tga_answer_end(a, is_whole, &e);
    return &e;
}

static struct tga_answer *begun(const char *type)
{
    struct tga_answer *a = tga_answer_new(NULL, false);

    if (a)
        tga_answer_head(a, 200, tg_str_of(type));
    return a;
}

static bool is_all_there(const struct tidegate_event *e)
{
    return !strcmp(e->text.at, "Hell\xc3\xb6") && !strcmp(e->reasoning.at, "hm")
        && !strcmp(e->finish_reason, "tool_calls") && e->tool_calls_count == 1
        && !strcmp(e->tool_calls[0].id, "c1") && !strcmp(e->tool_calls[0].name, "go")
        && !strcmp(e->tool_calls[0].arguments.at, "{\"a\":1}")
        && !strcmp(e->generation, "gen-1") && !strcmp(e->model, "t/m") && !strcmp(e->provider, "P")
        && e->usage && e->usage->total_tokens == 5 && e->usage->cost_usd == 0.000007;
}

TEST("a stream says the same however it is cut")
{
    for (size_t size = 1; size <= sizeof stream - 1; size++) {
        struct tga_answer *a = begun(FIELDS("text/event-stream"));
        const struct tidegate_event *e = read_pieces(a, TG_STR(stream), size, true);
        CHECK(!e->error && is_all_there(e));
        CHECK(!strcmp(told, "text= text= reasoning=hm text=Hel other=other text=l\xc3\xb6 arguments={\"a "
                            "text= arguments=\":1} "));
        tga_answer_free(a);
    }
}

TEST("a whole answer has its first choice at the end")
{
    struct tga_answer *a = begun(FIELDS("application/json"));
    const struct tidegate_event *e = read_pieces(a, TG_STR(whole), 7, true);

    CHECK(!e->error && is_all_there(e) && !strcmp(e->data.at, whole) && !*told);
    tga_answer_free(a);
}

TEST("what was cut off at any byte is no success")
{
    for (size_t len = 0; len < sizeof stream - 1; len++) {
        struct tga_answer *a = begun(FIELDS("text/event-stream"));
        const struct tidegate_event *e = read_pieces(a, (struct tg_str){ stream, len }, 64, true);
        bool is_done = len >= sizeof stream - 1;
        CHECK(is_done == !e->error);
        CHECK(!e->error || !strcmp(e->error->code, "broken"));
        tga_answer_free(a);
    }
    for (size_t len = 0; len < sizeof whole - 1; len += 3) {
        struct tga_answer *a = begun(FIELDS("application/json"));
        CHECK(read_pieces(a, (struct tg_str){ whole, len }, 64, true)->error != NULL);
        tga_answer_free(a);
    }
}

TEST("an end without a head, and one that is not whole, are failures")
{
    struct tga_answer *a = tga_answer_new(NULL, false);
    struct tidegate_event e;

    tga_answer_end(a, true, &e);
    CHECK(e.error && !strcmp(e.error->code, "broken") && e.status == 0);
    tga_answer_free(a);
    a = begun(FIELDS("application/json"));
    const struct tidegate_event *end = read_pieces(a, TG_STR(whole), 64, false);
    CHECK(end->error && !strcmp(end->error->message, "the answer broke off"));
    tga_answer_free(a);
}

TEST("an error in mid-stream ends it, with the words of the contract")
{
    static const char text[] =
        "data: {" HEADS ",\"choices\":[{\"index\":0,\"delta\":{\"content\":\"Hel\"}}]}\n\n"
        "data: {" HEADS ",\"choices\":[{\"index\":0,\"delta\":{},\"finish_reason\":\"error\"}],\"error\":{\"code\":502,"
        "\"message\":\"it broke\",\"error_type\":\"provider_unavailable\",\"http_status\":502,\"metadata\":{"
        "\"error_type\":\"provider_unavailable\",\"provider_name\":\"P\",\"retry_after_seconds_raw\":1.5,"
        "\"previous_errors\":[{\"provider\":\"Q\",\"code\":\"reset\",\"status\":0}]}}}\n\n";
    struct tga_answer *a = begun(FIELDS("text/event-stream"));
    const struct tidegate_event *e = read_pieces(a, TG_STR(text), 9, true);

    CHECK(e->error && !strcmp(e->error->code, "provider_unavailable") && e->error->status == 502);
    CHECK(!strcmp(e->error->message, "it broke") && e->error->retry_after_ms == 1500);
    CHECK_INT(e->error->attempts_count, 2);
    CHECK(!strcmp(e->error->attempts[0].provider, "Q") && !strcmp(e->error->attempts[0].code, "reset"));
    CHECK(!strcmp(e->error->attempts[1].provider, "P"));
    CHECK(!strcmp(e->text.at, "Hel") && e->status == 200);
    tga_answer_free(a);
}

/* 0: the answer is whole; else it says that it is not. */
static int read_once(const char *type, struct tg_str bytes)
{
    struct tga_answer *a = begun(type);

    if (!a)
        return 1;
    const struct tidegate_event *e = read_pieces(a, bytes, 100, true);
    bool failed = e->error != NULL;
    if (!failed)
        CHECK(is_all_there(e));
    tga_answer_free(a);
    return failed;
}

TEST("without memory an answer is not whole, wherever it was wanting")
{
    CHECK_EVERY_ALLOCATION(read_once(FIELDS("text/event-stream"), TG_STR(stream)));
    CHECK_EVERY_ALLOCATION(read_once(FIELDS("application/json"), TG_STR(whole)));
}

TEST("what is no answer of ours is survived")
{
    static const char *const bodies[] = {
        "data: {}\n\n", "data: []\n\n", "data: {\"choices\":7}\n\n", "data: {\"choices\":[7,null,[]]}\n\n",
        "data: {\"choices\":[{\"delta\":7,\"index\":-1}]}\n\n", "data: nonsense\n\n",
        "data: {\"choices\":[{\"delta\":{\"content\":[1],\"tool_calls\":[7,{\"index\":1000000}]}}]}\n\n",
        "data: {\"choices\":[{\"index\":1e9,\"delta\":{\"tool_calls\":{}}}]}\n\n", "data: {\"error\":7}\n\n",
    };

    for (size_t i = 0; i < sizeof bodies / sizeof *bodies; i++)
        for (int is_stream = 0; is_stream < 2; is_stream++) {
            struct tga_answer *a = begun(is_stream ? FIELDS("text/event-stream") : FIELDS("application/json"));
            CHECK(read_pieces(a, tg_str_of(bodies[i] + (is_stream ? 0 : 6)), 3, true)->kind == TIDEGATE_END);
            tga_answer_free(a);
        }
}

TEST_MAIN
