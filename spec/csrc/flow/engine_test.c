/* A whole engine in one thread, between a scripted client and scripted
 * providers on the same loop: what the specs over real processes cannot do is
 * to let every allocation fail in turn. */
#include "check.h"

#include <errno.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/mem.h"
#include "flow/engine.h"
#include "os/net.h"

static const char catalog_text[] =
    "{\"data\":[{\"id\":\"t/m\",\"name\":\"M\",\"created\":1,\"context_length\":1000,"
    "\"pricing\":{\"prompt\":\"0.000001\",\"completion\":\"0.000002\"},\"endpoints\":["
    "{\"provider\":\"a\",\"upstream_model\":\"up-a\"},{\"provider\":\"b\",\"upstream_model\":\"up-b\"}]}]}";

static const char stream_answer[] =
    "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nConnection: close\r\n\r\n"
    "data: {\"choices\":[{\"index\":0,\"delta\":{\"content\":\"Hel\"}}]}\n\n"
    "data: {\"choices\":[{\"index\":0,\"delta\":{\"content\":\"lo\"},\"finish_reason\":\"stop\"}],"
    "\"usage\":{\"prompt_tokens\":3,\"completion_tokens\":2,\"total_tokens\":5}}\n\n"
    "data: [DONE]\n\n";
static const char whole_answer[] =
    "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 130\r\n\r\n"
    "{\"choices\":[{\"index\":0,\"message\":{\"role\":\"assistant\",\"content\":\"Hello\"},"
    "\"finish_reason\":\"stop\"}],\"usage\":{\"total_tokens\":5      }}";
static const char broken_answer[] = "HTTP/1.1 500 No\r\nContent-Length: 0\r\n\r\n";
static const char cut_answer[] =
    "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n"
    "3b\r\ndata: {\"choices\":[{\"index\":0,\"delta\":{\"content\":\"Hel\"}}]}\n\n\r\n";

static struct {
    int listeners[2], conns[64], count;
    int asked[2];
    const char *answers[2];
    struct tg_config *config;
    struct tg_engine *engine;
    struct tg_addr at;
} world;

/* ---- a policy whose hooks are functions of C ---- */

static struct {
    bool is_there;
    enum tg_verdict verdict;
    unsigned errors, responses;            /* on_error, on_response */
    char error[256], response[256];        /* what they were told last */
} policy;

static tg_err decide(struct tg_policy *p, unsigned engine, struct tg_decision *d, bool *slow)
{
    return tg_plan_make(d->plan, d->needs, NULL, d->region, d->now_ms, d->arena, d->fault);
}

static void put_request(char *at, size_t cap, const struct tg_policy_request *r,
                        const struct tg_policy_attempt *a)
{
    size_t n = strlen(at);

    snprintf(at + n, cap - n, " attempt %u at %.*s, %.*s as %.4s of %zu headers", a->number,
             (int)a->endpoint->tag.len, a->endpoint->tag.at, (int)r->models[0].len,
             r->models[0].at, r->id.at, r->headers_count);
}

static tg_err on_error(struct tg_policy *p, unsigned engine, const struct tg_policy_request *r,
                       const struct tg_policy_attempt *a, const struct tg_policy_error *e,
                       enum tg_verdict *verdict, bool *slow)
{
    policy.errors++;
    *verdict = policy.verdict;
    snprintf(policy.error, sizeof policy.error, "%d %s '%.*s'", e->status, e->type,
             (int)e->message.len, e->message.len ? e->message.at : "");
    put_request(policy.error, sizeof policy.error, r, a);
    return TG_OK;
}

static tg_err on_response(struct tg_policy *p, unsigned engine, const struct tg_policy_request *r,
                          const struct tg_policy_attempt *a, const struct tg_policy_response *is,
                          bool *slow)
{
    policy.responses++;
    snprintf(policy.response, sizeof policy.response, "%d %d+%d tokens, %d nano-dollars%s",
             is->status, (int)is->prompt_tokens, (int)is->completion_tokens, (int)is->cost_nano,
             is->stream ? ", a stream" : "");
    put_request(policy.response, sizeof policy.response, r, a);
    return TG_OK;
}

static void free_policy(struct tg_policy *p)
{
    tg_free(p);
}

static void add_policy(struct tg_config *c)
{
    static const struct tg_policy_code code = { decide, on_error, on_response, free_policy };
    struct tg_policy *p = tg_zalloc(sizeof *p);

    CHECK(p != NULL);
    atomic_init(&p->references, 1);
    p->name = TG_STR("test");
    p->hooks = TG_HOOKS_DECIDE | TG_HOOKS_LATER;
    p->code = &code;
    c->policies = tg_arena_get(&c->arena, sizeof *c->policies);
    c->policies[c->policies_count++] = c->policy = p;
}

/* ---- the world ---- */

static struct tg_config *make_config(void)
{
    struct tg_config *c = tg_config_new();
    struct tg_provider p[2] = { { .index = 0 }, { .index = 1 } };
    static const char *const slugs[] = { "a", "b" };
    static char urls[2][64];
    struct tg_buf why = { 0 };
    const char *sentence;

    for (int i = 0; i < 2; i++) {
        struct tg_addr a, bound;
        tg_addr_parse(TG_STR("127.0.0.1:0"), &a);
        CHECK(tg_net_listen(&a, 16, &world.listeners[i], &bound) == TG_OK);
        snprintf(urls[i], sizeof urls[i], "http://127.0.0.1:%u/v1", tg_addr_port(&bound));
        p[i].index = (uint32_t)i;
        p[i].slug = p[i].name = tg_str_of(slugs[i]);
        p[i].base_url = tg_str_of(urls[i]);
        p[i].key = TG_STR("secret");
        p[i].auth_header = TG_STR("Authorization");
        p[i].auth_prefix = TG_STR("Bearer ");
        CHECK(tg_url_parse(p[i].base_url, &p[i].url, &sentence) == TG_OK);
    }
    c->catalog = tg_catalog_new(p, 2);
    CHECK(tg_catalog_add(c->catalog, TG_STR(catalog_text), "catalog.json", &why, NULL) == TG_OK);
    CHECK(tg_catalog_seal(c->catalog) == TG_OK);
    c->auth = TG_AUTH_NONE;
    c->log_requests = false;
    if (policy.is_there)
        add_policy(c);
    CHECK(tg_config_seal(c) == TG_OK);
    tg_buf_done(&why);
    return c;
}

static void open_world(const char *a, const char *b)
{
    static const struct tg_server_hooks no_hooks;
    struct tg_buf why = { 0 };
    int fd = -1;

    memset(&world, 0, sizeof world);
    world.answers[0] = a;
    world.answers[1] = b;
    world.config = make_config();
    tg_addr_parse(TG_STR("127.0.0.1:0"), &world.at);
    CHECK(tg_net_listen(&world.at, 16, &fd, &world.at) == TG_OK);
    world.engine = tg_engine_new(fd, 0, world.config, &no_hooks, &why);
    CHECK(world.engine != NULL);
    tg_buf_done(&why);
}

static void close_world(void)
{
    tg_engine_free(world.engine);
    for (int i = 0; i < world.count; i++)
        if (world.conns[i] >= 0)
            close(world.conns[i]);
    for (int i = 0; i < 2; i++)
        close(world.listeners[i]);
    tg_config_drop(world.config);
}

/* Let the providers do what they do: accept, and answer once they are asked. */
static void run_providers(void)
{
    char bytes[4096];

    for (int i = 0; i < 2; i++) {
        int fd = accept4(world.listeners[i], NULL, NULL, SOCK_NONBLOCK);
        if (fd >= 0 && world.count < 64)
            world.conns[world.count++] = fd | i << 16;
    }
    for (int i = 0; i < world.count; i++) {
        int fd = world.conns[i] & 0xffff, who = world.conns[i] >> 16;
        if (world.conns[i] < 0 || recv(fd, bytes, sizeof bytes, MSG_DONTWAIT) <= 0)
            continue;
        world.asked[who]++;
        const char *answer = world.answers[who];
        send(fd, answer, strlen(answer), MSG_NOSIGNAL);
        if (strstr(answer, "Connection: close") || answer == cut_answer) {
            close(fd);
            world.conns[i] = -1;
        }
    }
}

static char heard[65536];

/* One request; what came back, all of it. */
static struct tg_str ask(const char *body, size_t fail_at, size_t *allocations)
{
    char request[1024];
    int fd = -1, quiet = 0;
    size_t len = 0;

    tg_net_connect(&world.at, &fd);
    int n = snprintf(request, sizeof request,
        "POST /v1/chat/completions HTTP/1.1\r\nHost: x\r\nConnection: close\r\nContent-Length: %zu\r\n\r\n%s",
        strlen(body), body);
    send(fd, request, (size_t)n, MSG_NOSIGNAL);
    tg_mem_fail_at(fail_at);
    for (uint64_t until = tg_clock_ms() + 3000; quiet < 40 && tg_clock_ms() < until;) {
        tg_loop_turn(tg_engine_loop(world.engine), 1);
        run_providers();
        ssize_t got = recv(fd, heard + len, sizeof heard - 1 - len, MSG_DONTWAIT);
        if (got > 0)
            len += (size_t)got;
        if (got == 0 || (got < 0 && errno != EAGAIN))
            break;
        quiet = fail_at && got <= 0 ? quiet + 1 : 0;
    }
    *allocations = tg_mem_fail_at(0);
    close(fd);
    for (int i = 0; i < 10; i++)
        tg_loop_turn(tg_engine_loop(world.engine), 1);
    heard[len] = '\0';
    return (struct tg_str){ heard, len };
}

#define WHOLE  "{\"model\":\"t/m\",\"messages\":[{\"role\":\"user\",\"content\":\"hi\"}]}"
#define STREAM "{\"model\":\"t/m\",\"stream\":true,\"messages\":[{\"role\":\"user\",\"content\":\"hi\"}]}"

TEST("an answer is relayed, whole and streamed, from whichever endpoint works")
{
    size_t n;

    open_world(broken_answer, whole_answer);
    CHECK(strstr(ask(WHOLE, 0, &n).at, "\"content\":\"Hello\"") != NULL);
    close_world();
    open_world(stream_answer, stream_answer);
    const char *got = ask(STREAM, 0, &n).at;
    CHECK(strstr(got, "\"content\":\"Hel\"") && strstr(got, "\"content\":\"lo\""));
    CHECK(strstr(got, "data: [DONE]") && strstr(got, "\"cost\":0.000007"));
    close_world();
}

/* Let every allocation of this exchange fail in turn. */
static void check_every_allocation(const char *body, const char *a, const char *b)
{
    for (size_t nth = 1;; nth++) {
        size_t made;
        open_world(a, b);
        struct tg_str got = ask(body, nth, &made);
        if (strstr(got.at, "data: [DONE]"))
            CHECK(strstr(got.at, "\"content\":\"Hel\"") && strstr(got.at, "\"content\":\"lo\"") &&
                  a != cut_answer);
        if (tg_str_starts(got, "HTTP/1.1 200") && strstr(got.at, "application/json"))
            CHECK(strstr(got.at, "\"content\":\"Hello\"") != NULL);
        close_world();
        if (made < nth) {
            CHECK(nth > 10);
            break;
        }
    }
}

static const struct { const char *body, *a, *b; } exchanges[] = {
    { WHOLE, whole_answer, whole_answer },    { WHOLE, broken_answer, whole_answer },
    { STREAM, stream_answer, stream_answer }, { STREAM, broken_answer, stream_answer },
    { STREAM, cut_answer, cut_answer },
};

TEST("R-36 whatever allocation fails, nothing leaks, nothing is freed twice, and no broken answer looks whole")
{
    for (size_t i = 0; i < sizeof exchanges / sizeof *exchanges; i++) {
        char where[32];
        snprintf(where, sizeof where, "case %zu", i);
        check_context = where;
        check_every_allocation(exchanges[i].body, exchanges[i].a, exchanges[i].b);
    }
}

TEST("R-36 the same under a policy that is asked about failures and told of answers")
{
    policy.is_there = true;
    for (size_t i = 0; i < sizeof exchanges / sizeof *exchanges; i++) {
        char where[32];
        snprintf(where, sizeof where, "case %zu", i);
        check_context = where;
        policy.verdict = i % 2 ? TG_VERDICT_NEXT : TG_VERDICT_NONE;
        check_every_allocation(exchanges[i].body, exchanges[i].a, exchanges[i].b);
    }
    CHECK(policy.errors && policy.responses);
    policy.is_there = false;
}

TEST("a policy is asked about each failed attempt, and told of the answer that came")
{
    static const char refused[] = "HTTP/1.1 400 No\r\nContent-Length: 37\r\n\r\n"
                                  "{\"error\":{\"message\":\"not like this\"}}";
    size_t n;

    memset(&policy, 0, sizeof policy);
    policy.is_there = true;
    policy.verdict = TG_VERDICT_NEXT;
    open_world(refused, refused);
    CHECK(tg_str_starts(ask(WHOLE, 0, &n), "HTTP/1.1 400"));
    CHECK_INT(policy.errors, 2);           /* both were asked: without it one would have been */
    CHECK_INT(policy.responses, 0);
    CHECK(tg_str_starts(tg_str_of(policy.error), "400 bad_request 'not like this' attempt 2 at "));
    CHECK(strstr(policy.error, ", t/m as gen- of 3 headers") != NULL);
    close_world();

    policy.verdict = TG_VERDICT_STOP;
    policy.errors = 0;
    open_world(broken_answer, broken_answer);
    CHECK(tg_str_starts(ask(STREAM, 0, &n), "HTTP/1.1 500"));
    CHECK_INT(policy.errors, 1);
    CHECK_INT(world.asked[0] + world.asked[1], 1);
    CHECK_INT(policy.responses, 0);
    close_world();

    open_world(stream_answer, stream_answer);
    ask(STREAM, 0, &n);
    CHECK_INT(policy.responses, 1);
    CHECK(tg_str_starts(tg_str_of(policy.response),
                        "200 3+2 tokens, 7000 nano-dollars, a stream attempt 1 at "));
    close_world();
    CHECK_INT(policy.errors, 1);

    open_world(cut_answer, cut_answer);    /* broken in its midst: no answer, and no question */
    ask(STREAM, 0, &n);
    CHECK_INT(policy.responses, 1);
    CHECK_INT(policy.errors, 1);
    close_world();
    policy.is_there = false;
}

TEST("an engine that cannot start says why and leaves nothing behind")
{
    static const struct tg_server_hooks no_hooks;

    memset(&world, 0, sizeof world);
    struct tg_config *c = make_config();
    for (size_t nth = 1; nth < 200; nth++) {
        struct tg_addr at;
        struct tg_buf why = { 0 };
        int fd;
        tg_addr_parse(TG_STR("127.0.0.1:0"), &at);
        CHECK(tg_net_listen(&at, 16, &fd, &at) == TG_OK);
        tg_mem_fail_at(nth);
        struct tg_engine *e = tg_engine_new(fd, 0, c, &no_hooks, &why);
        size_t made = tg_mem_fail_at(0);
        tg_buf_done(&why);
        tg_engine_free(e);
        if (made < nth) {
            CHECK(e != NULL);
            break;
        }
    }
    for (int i = 0; i < 2; i++)
        close(world.listeners[i]);
    tg_config_drop(c);
}

TEST_MAIN
