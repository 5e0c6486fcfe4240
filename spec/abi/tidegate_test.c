/* libtidegate, through its header alone, against a provider in a thread. */
#include <tidegate.h>

#include <signal.h>
#include <sys/wait.h>
#include <time.h>

#include "check.h"
#include "provider.h"

static char catalog[256], config[4096], why[1024];

static void be_ready(void)
{
    static bool is_ready;

    if (is_ready)
        return;
    is_ready = true;
    strcpy(catalog, "/tmp/tidegate-abi-XXXXXX");
    CHECK(mkdtemp(catalog) != NULL);
    start_provider();
    write_catalog(catalog, sizeof catalog);
    put_config(config, sizeof config, catalog);
}

static struct tidegate *open_or_say(const struct tidegate_options *o)
{
    struct tidegate *t = tidegate_open(o, why, sizeof why);

    if (!t)
        CHECK_FAIL("%s", why);
    return t;
}

static struct tidegate *opened(void)
{
    struct tidegate_options o = { .size = sizeof o };

    be_ready();
    o.config_text = config;
    return open_or_say(&o);
}

#define CHAT(model, more) "{\"model\":\"" model "\"," more \
                          "\"messages\":[{\"role\":\"user\",\"content\":\"hi\"}]}"
#define STREAM(model) CHAT(model, "\"stream\":true,")

static uint64_t ask(struct tidegate *t, const char *body)
{
    struct tidegate_request r = { .size = sizeof r, .body = body };

    return tidegate_ask(t, &r);
}

/* What was heard of one request. */
static struct {
    int heads, deltas, bytes, ends, status;
    char text[256], reasoning[256], fragments[256], headers[2048], raw[8192];
} heard;

static void hear_delta(const struct tidegate_event *e)
{
    heard.deltas++;
    strcat(heard.text, e->text.at);
    strcat(heard.reasoning, e->reasoning.at);
    for (size_t i = 0; i < e->tool_calls_count; i++)
        snprintf(heard.fragments + strlen(heard.fragments), 64, "%d:%s:%s:%s;",
                 e->tool_calls[i].index, e->tool_calls[i].id, e->tool_calls[i].name,
                 e->tool_calls[i].arguments.at);
    CHECK_INT(strlen(e->text.at), e->text.len);
    CHECK(e->data.len && e->data.at[0] == '{' && e->data.at[e->data.len] == '\0');
}

static void hear(const struct tidegate_event *e)
{
    heard.status = e->status;
    switch (e->kind) {
    case TIDEGATE_HEAD:
        heard.heads++;
        snprintf(heard.headers, sizeof heard.headers, "%s", e->data.at);
        break;
    case TIDEGATE_DELTA:
        hear_delta(e);
        break;
    case TIDEGATE_BYTES:
        heard.bytes++;
        strcat(heard.raw, e->data.at);
        break;
    case TIDEGATE_END:
        heard.ends++;
        break;
    default:
        CHECK_FAIL("an event of kind %d", e->kind);
    }
}

/* Hear all until one END; it holds as next() says. */
static const struct tidegate_event *until_end(struct tidegate *t)
{
    const struct tidegate_event *e;

    memset(&heard, 0, sizeof heard);
    while (tidegate_poll(t, 10000) >= 0)
        while ((e = tidegate_next(t))) {
            hear(e);
            if (e->kind == TIDEGATE_END)
                return e;
        }
    CHECK_FAIL("no end came");
    exit(1);
}

TEST("a whole answer is a head, and an end that has all of it")
{
    struct tidegate *t = opened();
    int mine = 0;
    struct tidegate_request r = { .size = sizeof r, .body = CHAT("t/whole", ""), .user = &mine };

    CHECK_INT(tidegate_ask(t, &r), 1);
    const struct tidegate_event *e = until_end(t);
    CHECK(e->id == 1 && e->user == &mine && e->status == 200 && !e->error);
    CHECK_INT(heard.heads, 1);
    CHECK_INT(heard.deltas, 0);
    CHECK(strstr(heard.headers, "X-Generation-Id: gen-") != NULL);
    CHECK(!strcmp(e->text.at, "Gr\xc3\xbc\xc3\x9f" "e") && e->text.len == 7);
    CHECK(!strcmp(e->reasoning.at, "polite"));
    CHECK(!strcmp(e->finish_reason, "stop"));
    CHECK(!strcmp(e->model, "t/whole") && !strcmp(e->provider, "Provider whole"));
    CHECK(!strncmp(e->generation, "gen-", 4));
    CHECK(strstr(e->data.at, "\"message\"") && e->data.at[e->data.len] == '\0');
    CHECK(e->usage != NULL);
    CHECK_INT(e->usage->prompt_tokens, 3);
    CHECK_INT(e->usage->completion_tokens, 2);
    CHECK_INT(e->usage->total_tokens, 5);
    CHECK_INT(e->usage->cached_tokens, 1);
    CHECK(e->usage->cost_usd > 6.9e-6 && e->usage->cost_usd < 7.1e-6);
    CHECK(!tidegate_next(t) && tidegate_poll(t, -1) == -1 && !tidegate_error(t));
    tidegate_close(t);
}

TEST("a stream is a head, deltas, and an end that has what they make")
{
    struct tidegate *t = opened();

    ask(t, STREAM("t/stream"));
    const struct tidegate_event *e = until_end(t);
    CHECK(!e->error && e->status == 200);
    CHECK_INT(heard.heads, 1);
    CHECK(heard.deltas >= 3);
    CHECK(!strcmp(heard.text, "Hell\xc3\xb6\n") && !strcmp(e->text.at, heard.text));
    CHECK(!strcmp(heard.reasoning, "hm") && !strcmp(e->reasoning.at, "hm"));
    CHECK(!strcmp(e->finish_reason, "stop") && !strcmp(e->provider, "Provider stream"));
    CHECK(e->usage && e->usage->total_tokens == 5 && e->usage->cost_usd > 0);
    CHECK_INT(e->data.len, 0);
    tidegate_close(t);
}

TEST("tool calls come in fragments, and whole at the end")
{
    struct tidegate *t = opened();

    ask(t, "{\"model\":\"t/tools\",\"stream\":true,\"messages\":[{\"role\":\"user\",\"content\":\"hi\"}],"
           "\"tools\":[{\"type\":\"function\",\"function\":{\"name\":\"look\"}},"
           "{\"type\":\"function\",\"function\":{\"name\":\"go\"}}]}");
    const struct tidegate_event *e = until_end(t);
    CHECK(!e->error && !strcmp(e->finish_reason, "tool_calls"));
    CHECK(strstr(heard.fragments, "0:c1:look:") && strstr(heard.fragments, "0:::1};"));
    CHECK_INT(e->tool_calls_count, 2);
    CHECK(!strcmp(e->tool_calls[0].id, "c1") && !strcmp(e->tool_calls[0].name, "look"));
    CHECK(!strcmp(e->tool_calls[0].arguments.at, "{\"at\":1}"));
    CHECK(e->tool_calls[1].index == 1 && !strcmp(e->tool_calls[1].id, "c2"));
    CHECK(!strcmp(e->tool_calls[1].name, "go") && !strcmp(e->tool_calls[1].arguments.at, "{}"));
    tidegate_close(t);
}

TEST("other APIs are asked by their number")
{
    struct tidegate *t = opened();
    struct tidegate_request r = { .size = sizeof r, .api = TIDEGATE_EMBEDDINGS,
                                  .body = "{\"model\":\"t/embed\",\"input\":\"hi\"}" };

    tidegate_ask(t, &r);
    const struct tidegate_event *e = until_end(t);
    CHECK(!e->error && strstr(e->data.at, "0.25") && strstr(provider.last, "/embeddings "));
    CHECK(e->usage && e->usage->prompt_tokens == 3);
    r.api = TIDEGATE_RERANK;
    r.body = "{\"model\":\"t/order\",\"query\":\"moon\",\"documents\":[\"sun\",\"moon\"]}";
    tidegate_ask(t, &r);
    e = until_end(t);
    CHECK(!e->error && strstr(e->data.at, "0.75") && strstr(provider.last, "/rerank "));
    r.api = (enum tidegate_api)4;
    CHECK(tidegate_ask(t, &r) == 0);
    tidegate_close(t);
}

TEST("a body may have a length, and header fields go with it")
{
    struct tidegate *t = opened();
    struct tidegate_field fields[] = { { "X-OpenRouter-Metadata", "enabled" } };
    static const char body[] = CHAT("t/whole", "") "rubbish";
    struct tidegate_request r = { .size = sizeof r, .body = body, .body_len = sizeof body - 8,
                                  .fields = fields, .fields_count = 1 };

    tidegate_ask(t, &r);
    CHECK(strstr(until_end(t)->data.at, "\"openrouter_metadata\"") != NULL);
    tidegate_close(t);
}

TEST("with RAW the bytes come as they are")
{
    struct tidegate *t = opened();
    struct tidegate_request r = { .size = sizeof r, .body = STREAM("t/stream"), .flags = TIDEGATE_RAW };

    tidegate_ask(t, &r);
    const struct tidegate_event *e = until_end(t);
    CHECK(!e->error && heard.bytes >= 1 && heard.deltas == 0);
    CHECK(strstr(heard.raw, "data: {") && strstr(heard.raw, "data: [DONE]"));
    r.body = CHAT("t/no", "");
    tidegate_ask(t, &r);
    e = until_end(t);
    CHECK(!e->error && e->status == 500 && strstr(heard.raw, "\"error\""));
    tidegate_close(t);
}

TEST("who fails is passed over, and is told when nobody is left")
{
    struct tidegate *t = opened();

    ask(t, CHAT("t/any", "\"provider\":{\"order\":[\"no\",\"whole\"]},"));
    CHECK(!strcmp(until_end(t)->provider, "Provider whole"));
    ask(t, CHAT("t/any", "\"provider\":{\"only\":[\"no\",\"cut\"],\"order\":[\"no\",\"cut\"]},"));
    const struct tidegate_event *e = until_end(t);
    CHECK(e->error && e->error->status == e->status && e->status >= 500);
    CHECK(!strcmp(e->error->code, "provider_unavailable") && *e->error->message);
    CHECK(e->error->attempts_count >= 2);
    CHECK(!strcmp(e->error->attempts[0].provider, "Provider no"));
    CHECK(!strcmp(e->error->attempts[0].code, "server_error"));
    CHECK_INT(e->error->attempts[0].status, 500);
    CHECK(!strcmp(e->error->attempts[1].provider, "Provider cut"));
    ask(t, CHAT("t/full", ""));
    e = until_end(t);
    CHECK(e->error && e->error->status == 429 && e->status == 429);
    CHECK(!strcmp(e->error->code, "rate_limit_exceeded"));
    CHECK(e->error->retry_after_ms > 5000 && e->error->retry_after_ms <= 7000);
    CHECK(!tidegate_error(t));             /* no function failed */
    tidegate_close(t);
}

TEST("a stream that breaks off is no success, and keeps what came")
{
    struct tidegate *t = opened();

    ask(t, STREAM("t/cut"));
    const struct tidegate_event *e = until_end(t);
    CHECK(e->error && e->error->attempts_count == 1 && e->status == 200);
    CHECK(!strcmp(e->error->code, "provider_unavailable"));
    CHECK(!strcmp(e->text.at, "Hel") && !strcmp(heard.text, "Hel"));
    tidegate_close(t);
}

TEST("bad requests are told by their end, as to any client")
{
    static const struct { const char *body, *code; int status; const char *words; } cases[] = {
        { "{\"model\":",                       "invalid_request", 400, "JSON" },
        { "",                                  "invalid_request", 400, "" },
        { "[]",                                "invalid_request", 400, "" },
        { CHAT("t/unknown", ""),               "invalid_request", 400, "t/unknown" },
        { CHAT("t/whole", "\"provider\":{\"sorted\":1},"), "invalid_request", 400, "sorted" },
    };
    struct tidegate *t = opened();

    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        check_context = cases[i].body;
        CHECK(ask(t, cases[i].body) != 0);
        const struct tidegate_event *e = until_end(t);
        if (!CHECK(e->error != NULL))
            continue;
        CHECK(!strcmp(e->error->code, cases[i].code));
        CHECK_INT(e->error->status, cases[i].status);
        CHECK(strstr(e->error->message, cases[i].words) != NULL);
    }
    tidegate_close(t);
}

TEST("structs that cannot be used are refused at once")
{
    struct tidegate_field bad = { "two\r\nlines", "x" }, half = { "X-A", NULL };
    struct tidegate_request good = { .size = sizeof good, .body = CHAT("t/whole", "") }, r;
    struct tidegate *t = opened();

#define REFUSED(change, words)                                                                   \
    do {                                                                                         \
        r = good;                                                                                \
        change;                                                                                  \
        CHECK_INT(tidegate_ask(t, &r), 0);                                                       \
        CHECK(tidegate_error(t) && !strcmp(tidegate_error(t)->code, "invalid"));                 \
        if (tidegate_error(t) && !strstr(tidegate_error(t)->message, words))                     \
            CHECK_FAIL("%s", tidegate_error(t)->message);                                        \
    } while (0)
    REFUSED(r.size = 0, "size");
    REFUSED(r.body = NULL, "body");
    REFUSED(r.api = 7, "api");
    REFUSED(r.api = -1, "api");
    REFUSED(r.flags = 6, "flag");
    REFUSED((r.fields = &bad, r.fields_count = 1), "field");
    REFUSED((r.fields = &half, r.fields_count = 1), "field");
    REFUSED(r.fields_count = 1, "field");
    REFUSED((r.fields = &bad, r.fields_count = 129), "128");
    CHECK_INT(tidegate_ask(t, NULL), 0);
    CHECK_INT(tidegate_ask(t, &good), 1);  /* none of it was one */
    CHECK(!until_end(t)->error);
    tidegate_close(t);
}

static bool comes_true(atomic_int *count, int least)
{
    for (int i = 0; i < 500 && *count < least; i++)
        nanosleep(&(struct timespec){ 0, 10000000 }, NULL);
    return *count >= least;
}

TEST("what is cancelled is not heard of again, and its provider is left")
{
    struct tidegate *t = opened();
    const struct tidegate_event *e;
    int left = provider.left;
    uint64_t id = ask(t, STREAM("t/slow"));

    do
        CHECK(tidegate_poll(t, 10000) == 1);
    while (!(e = tidegate_next(t)) || e->kind != TIDEGATE_DELTA);
    tidegate_cancel(t, id);
    CHECK(!strcmp(e->text.at, "Hel") || !e->text.len);     /* it holds until the next turn */
    CHECK(comes_true(&provider.left, left + 1));
    CHECK(!tidegate_next(t) && tidegate_poll(t, 100) == -1);
    tidegate_cancel(t, id);
    tidegate_cancel(t, 4711);

    id = ask(t, CHAT("t/whole", ""));      /* before anything came, and after it came */
    tidegate_cancel(t, id);
    id = ask(t, CHAT("t/whole", ""));
    CHECK(tidegate_poll(t, 10000) == 1);
    tidegate_cancel(t, id);
    CHECK(!tidegate_next(t) && tidegate_poll(t, 0) == -1);
    tidegate_close(t);
}

TEST("hundreds run at once, and each has its own answer")
{
    enum { COUNT = 400 };
    static int ends[COUNT + 1], users[COUNT + 1];
    struct tidegate *t = opened();
    const struct tidegate_event *e;
    int wrong = 0;

    for (int i = 1; i <= COUNT; i++) {
        struct tidegate_request r = { .size = sizeof r, .user = &users[i],
            .body = i % 2 ? CHAT("t/whole", "") : STREAM("t/stream") };
        if (tidegate_ask(t, &r) != (uint64_t)i)
            wrong++;
    }
    while (tidegate_poll(t, 20000) > 0)
        while ((e = tidegate_next(t))) {
            wrong += e->user != &users[e->id];
            if (e->kind != TIDEGATE_END)
                continue;
            wrong += e->error || strcmp(e->provider, e->id % 2 ? "Provider whole" : "Provider stream");
            ends[e->id]++;
        }
    for (int i = 1; i <= COUNT; i++)
        wrong += ends[i] != 1;
    CHECK_INT(wrong, 0);
    tidegate_close(t);
}

TEST("its file is readable when something came")
{
    struct tidegate *t = opened();
    struct pollfd p = { .fd = tidegate_fd(t), .events = POLLIN };

    CHECK(p.fd >= 0 && poll(&p, 1, 0) == 0);
    ask(t, CHAT("t/whole", ""));
    CHECK(poll(&p, 1, 10000) == 1);
    CHECK(tidegate_fd(t) == p.fd);
    until_end(t);
    CHECK(poll(&p, 1, 0) == 0);
    tidegate_close(t);
}

static struct tidegate *opened_at(const char *path, const char *text)
{
    FILE *f = fopen(path, "w");
    struct tidegate_options o = { .size = sizeof o, .config = path };

    fputs(text, f);
    fclose(f);
    return tidegate_open(&o, why, sizeof why);
}

TEST("a mistake is told with its file and line")
{
    struct tidegate_options o = { .size = sizeof o };

    be_ready();
    o.config = "no/such/file.lua";
    CHECK(!tidegate_open(&o, why, sizeof why) && strstr(why, "there is no file no/such/file.lua"));
    o.config = "mine.lua";
    o.config_text = "return {\n  auth = 'none',\n  provders = {},\n}";
    CHECK(!tidegate_open(&o, why, sizeof why));
    CHECK(strstr(why, "mine.lua:3: unknown key provders, did you mean providers?") != NULL);
    o.config = NULL;
    o.config_text = "return {\n  auth = ";
    CHECK(!tidegate_open(&o, why, sizeof why) && strstr(why, "configuration:2: ") == why);
    o.config_text = "while true do end";
    CHECK(!tidegate_open(&o, why, sizeof why) && strstr(why, "does not come to an end"));
    o.config_text = "";
    CHECK(!tidegate_open(&o, why, sizeof why) && strstr(why, "returns a table"));
    o.config_text = "return { auth = 'none', catalog = { '/no/a.json', '/no/b.json' }, providers = {} }";
    CHECK(!tidegate_open(&o, why, sizeof why) && strstr(why, "/no/a.json") && strstr(why, "\n")
          && strstr(why, "/no/b.json"));
    CHECK(!tidegate_open(&o, why, 5) && strlen(why) == 4);
    o.config_text = config;
    o.log = "loud";
    CHECK(!tidegate_open(&o, why, sizeof why) && strstr(why, "log:"));
}

TEST("a reload is for requests from then on, and all or nothing")
{
    char path[300];

    be_ready();
    snprintf(path, sizeof path, "%s.lua", catalog);
    struct tidegate *t = opened_at(path, config);
    CHECK(t != NULL);
    uint64_t slow = ask(t, STREAM("t/slow"));
    CHECK(!opened_at(path, "return {\n  typo = 1 }") && strstr(why, ":2: unknown key typo"));
    why[0] = '\0';
    CHECK(tidegate_reload(t, why, sizeof why) == -1 && strstr(why, ":2: unknown key typo"));
    ask(t, CHAT("t/whole", ""));
    CHECK(!until_end(t)->error);
    tidegate_close(opened_at(path, "return { auth = 'none', providers = {} }"));
    CHECK(tidegate_reload(t, why, sizeof why) == 0);
    ask(t, CHAT("t/whole", ""));
    const struct tidegate_event *e = until_end(t);
    CHECK(e->error && e->error->status == 400 && e->id != slow);
    unlink(path);
    tidegate_close(t);
}

static struct tidegate_plan *route(struct tidegate *t, const char *body)
{
    struct tidegate_request r = { .size = sizeof r, .body = body, .seed = 7 };

    return tidegate_route(t, &r);
}

TEST("a decision alone says where, what would be sent, and why not elsewhere")
{
    struct tidegate *t = opened();
    int asked = provider.asked;
    struct tidegate_plan *p = route(t, CHAT("t/any",
        "\"big\":12345678901234567890,\"provider\":{\"order\":[\"stream\",\"whole\"],"
        "\"ignore\":[\"no\"]},"));

    CHECK(p && tidegate_plan_count(p) == WAYS - 1 && tidegate_plan_drops(p) == 1);
    const struct tidegate_endpoint *e = tidegate_plan_endpoint(p, 0);
    CHECK(!strcmp(e->endpoint, "stream") && !strcmp(e->provider, "stream"));
    CHECK(!strcmp(e->provider_name, "Provider stream") && !strcmp(e->model, "t/any"));
    CHECK(!strcmp(e->upstream_model, "up-stream") && !strcmp(e->place, "order"));
    CHECK(!strcmp(tidegate_plan_endpoint(p, 1)->provider, "whole"));
    CHECK(tidegate_plan_endpoint(p, 0) == e && !tidegate_plan_endpoint(p, WAYS - 1));

    const struct tidegate_drop *d = tidegate_plan_drop(p, 0);
    CHECK(!strcmp(d->provider, "no") && !strcmp(d->reason, "ignore") && *d->why);
    CHECK(!tidegate_plan_drop(p, 1));

    tidegate_close(t);                     /* a plan may be kept longer */
    const struct tidegate_upstream *u = tidegate_plan_request(p, 0);
    bool has_key = false;
    CHECK(strstr(u->url, "/stream/v1/chat/completions") && !strncmp(u->url, "http://127.0.0.1:", 17));
    for (size_t i = 0; i < u->fields_count; i++)
        has_key |= !strcmp(u->fields[i].name, "Authorization")
                   && !strcmp(u->fields[i].value, "Bearer key-of-stream");
    CHECK(has_key);
    CHECK(strstr(u->body.at, "\"up-stream\"") && strstr(u->body.at, "12345678901234567890"));
    CHECK(!strstr(u->body.at, "\"provider\"") && strlen(u->body.at) == u->body.len);
    CHECK(!tidegate_plan_request(p, WAYS - 1));
    tidegate_plan_free(p);
    CHECK_INT(provider.asked, asked);
}

TEST("a decision without endpoints says why")
{
    struct tidegate *t = opened();
    struct tidegate_plan *p = route(t, CHAT("t/whole", "\"provider\":{\"ignore\":[\"whole\"]},"));

    CHECK(p && tidegate_plan_count(p) == 0 && tidegate_plan_drops(p) == 1);
    CHECK(!strcmp(tidegate_plan_drop(p, 0)->reason, "ignore"));
    CHECK(tidegate_error(t) && tidegate_error(t)->status == 404);
    CHECK(!strcmp(tidegate_error(t)->code, "not_found"));
    tidegate_plan_free(p);
    CHECK(!route(t, "{\"model\":") && tidegate_error(t)->status == 400);
    CHECK(strstr(tidegate_error(t)->message, "JSON") != NULL);
    CHECK(!route(t, CHAT("t/unknown", "")) && !strcmp(tidegate_error(t)->code, "invalid_request"));
    CHECK(!tidegate_route(t, NULL) && !strcmp(tidegate_error(t)->code, "invalid"));
    tidegate_close(t);
}

TEST("what is reported counts for the next decision")
{
    static const char body[] = CHAT("t/any", "\"provider\":{\"only\":[\"embed\",\"tools\"],\"sort\":\"price\"},");
    struct tidegate *t = opened();
    struct tidegate_plan *p = route(t, body);
    struct tidegate_figures bad = { .size = sizeof bad, .status = 500 },
                           good = { .size = sizeof good, .status = 200, .ttft_ms = 210, .tokens = 64,
                                    .duration_ms = 900 };
    char first[16];

    CHECK(p && tidegate_plan_count(p) == 2);
    snprintf(first, sizeof first, "%s", tidegate_plan_endpoint(p, 0)->provider);
    for (int i = 0; i < 8; i++) {
        CHECK(tidegate_report(p, 0, &bad) == 0);
        CHECK(tidegate_report(p, 1, &good) == 0);
    }
    CHECK(tidegate_report(p, 2, &good) == -1 && tidegate_report(p, 0, NULL) == -1);
    good.size = 0;
    CHECK(tidegate_report(p, 0, &good) == -1);
    tidegate_plan_free(p);
    p = route(t, body);
    CHECK(strcmp(tidegate_plan_endpoint(p, 0)->provider, first) != 0);
    CHECK(!strcmp(tidegate_plan_endpoint(p, 1)->provider, first));
    CHECK(strcmp(tidegate_plan_endpoint(p, 1)->place, "sorted") != 0);
    tidegate_plan_free(p);
    tidegate_close(t);
}

TEST("it is opened and closed a hundred times, also with requests that run")
{
    be_ready();
    for (int i = 0; i < 100; i++) {
        struct tidegate *t = opened();
        if (!CHECK(t != NULL))
            break;
        if (i % 3)
            ask(t, STREAM("t/slow"));
        if (i % 3 == 2)
            tidegate_poll(t, 5);
        if (i % 6 == 5)
            tidegate_next(t);
        tidegate_close(t);
    }
}

static void *use_one(void *arg)
{
    struct tidegate_options o = { .size = sizeof o, .config_text = config };
    const struct tidegate_event *e;
    intptr_t good = 0;

    (void)arg;
    for (int i = 0; i < 5; i++) {
        struct tidegate *t = tidegate_open(&o, NULL, 0);
        struct tidegate_plan *p = route(t, CHAT("t/any", ""));
        good += tidegate_plan_count(p) == WAYS;
        for (int k = 0; k < 4; k++)
            ask(t, STREAM("t/stream"));
        while (tidegate_poll(t, 10000) > 0)
            while ((e = tidegate_next(t)))
                good += e->kind == TIDEGATE_END && !e->error;
        tidegate_close(t);
        tidegate_plan_free(p);
    }
    return (void *)good;
}

TEST("threads have handles of their own")
{
    enum { THREADS = 6 };
    pthread_t threads[THREADS];
    intptr_t good = 0;

    be_ready();
    for (int i = 0; i < THREADS; i++)
        pthread_create(&threads[i], NULL, use_one, NULL);
    for (int i = 0; i < THREADS; i++) {
        void *one;
        pthread_join(threads[i], &one);
        good += (intptr_t)one;
    }
    CHECK_INT(good, THREADS * 5 * 5);
}

static void on_signal(int signal)
{
    (void)signal;
}

TEST("a signal ends a wait, and is the host's")
{
    struct sigaction act = { .sa_handler = on_signal }, before;
    struct tidegate *t = opened();

    sigaction(SIGALRM, &act, &before);
    ask(t, STREAM("t/slow"));
    while (tidegate_poll(t, 300) > 0)
        while (tidegate_next(t))
            ;
    alarm(1);
    CHECK_INT(tidegate_poll(t, 20000), 0);
    sigaction(SIGALRM, &before, NULL);
    tidegate_close(t);
}

/* In the child: what is wrong, as an exit status. */
static int child(struct tidegate *of_parent)
{
    struct tidegate_request r = { .size = sizeof r, .body = CHAT("t/whole", "") };
    struct tidegate_options o = { .size = sizeof o, .config_text = config };
    const struct tidegate_event *e;
    bool is_whole = false;

    if (tidegate_ask(of_parent, &r) || strcmp(tidegate_error(of_parent)->code, "forked"))
        return 1;
    if (tidegate_poll(of_parent, -1) != -1 || tidegate_next(of_parent) || tidegate_fd(of_parent) != -1)
        return 2;
    if (tidegate_route(of_parent, &r) || tidegate_reload(of_parent, NULL, 0) == 0)
        return 3;
    tidegate_cancel(of_parent, 1);
    tidegate_close(of_parent);
    struct tidegate *t = tidegate_open(&o, NULL, 0);
    if (!t || !tidegate_ask(t, &r))
        return 4;
    while (tidegate_poll(t, 10000) > 0)
        while ((e = tidegate_next(t)))
            is_whole |= e->kind == TIDEGATE_END && !e->error;
    tidegate_close(t);
    return is_whole ? 0 : 5;
}

TEST("a forked child has none of its parent's handles, and may open its own")
{
    struct tidegate *t = opened();
    int status = -1;

#ifdef __SANITIZE_THREAD__
    puts("    NOTICE: ThreadSanitizer has no threads after a fork; this is not tested");
    CHECK(t != NULL);
    tidegate_close(t);
    return;
#endif
    ask(t, STREAM("t/slow"));
    CHECK(tidegate_poll(t, 10000) == 1);
    pid_t pid = fork();
    if (!pid)
        _exit(child(t));
    waitpid(pid, &status, 0);
    CHECK(WIFEXITED(status));
    CHECK_INT(WEXITSTATUS(status), 0);
    ask(t, CHAT("t/whole", ""));
    CHECK(!until_end(t)->error);           /* the parent's goes on */
    tidegate_close(t);
}

TEST_MAIN
