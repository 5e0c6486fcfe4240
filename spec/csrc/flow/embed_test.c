/* The gateway inside another program: a host's thread, the engine's own, and
 * providers in threads of theirs, over real sockets. Which provider a model has
 * says how it answers: whole, stream, hang, flood, cut or broken. */
#include "check.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <stdatomic.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/mem.h"
#include "flow/embed.h"
#include "os/net.h"
#include "peer/client.h"
#include "route/policy.h"

#ifdef __SANITIZE_THREAD__
enum { IS_TSAN = 1 };
#else
enum { IS_TSAN = 0 };
#endif

enum { PATIENCE_MS = 20000, FLOOD_EVENTS = 40000, HANDLES = 8 };

/* ---- providers ---- */

static const char stream_answer[] =
    "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nContent-Length: 221\r\n\r\n"
    "data: {\"choices\":[{\"index\":0,\"delta\":{\"content\":\"Hel\"}}]}\n\n"
    "data: {\"choices\":[{\"index\":0,\"delta\":{\"content\":\"lo\"},\"finish_reason\":\"stop\"}],"
    "\"usage\":{\"prompt_tokens\":3,\"completion_tokens\":2,\"total_tokens\":5}}\n\n"
    "data: [DONE]\n\n";
static const char whole_answer[] =
    "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 130\r\n\r\n"
    "{\"choices\":[{\"index\":0,\"message\":{\"role\":\"assistant\",\"content\":\"Hello\"},"
    "\"finish_reason\":\"stop\"}],\"usage\":{\"total_tokens\":5      }}";
static const char broken_answer[] = "HTTP/1.1 500 No\r\nContent-Length: 0\r\n\r\n";
static const char stream_head[] =
    "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nConnection: close\r\n\r\n";
static const char first_event[] =
    "data: {\"choices\":[{\"index\":0,\"delta\":{\"content\":\"Hel\"}}]}\n\n";

static const char *const WAYS[] = { "whole", "stream", "hang", "flood", "cut", "broken", "begun" };
enum { WAYS_COUNT = sizeof WAYS / sizeof *WAYS };

static struct {
    int listener;
    unsigned port;
    pthread_t thread;
    atomic_int asked, gone;                /* requests; connections that the gateway closed */
    atomic_bool is_stuck;                  /* the flood: nobody reads for a while */
} providers;

static bool send_all(int fd, const char *at, size_t len)
{
    while (len) {
        struct pollfd p = { .fd = fd, .events = POLLOUT };
        if (poll(&p, 1, 300) == 0) {
            atomic_store(&providers.is_stuck, true);
            poll(&p, 1, -1);
        }
        ssize_t n = send(fd, at, len, MSG_NOSIGNAL | MSG_DONTWAIT);
        if (n < 0 && errno == EAGAIN)
            continue;
        if (n < 0)
            return false;
        at += n;
        len -= (size_t)n;
    }
    return true;
}

static bool say(int fd, const char *text)
{
    return send_all(fd, text, strlen(text));
}

static void flood(int fd)
{
    char event[512];

    if (!say(fd, stream_head))
        return;
    for (int i = 0; i < FLOOD_EVENTS; i++) {
        int n = snprintf(event, sizeof event, "data: {\"choices\":[{\"index\":0,\"delta\":{\"content\":"
                         "\"<%d>%0200d\"}}]}\n\n", i, 0);
        if (!send_all(fd, event, (size_t)n))
            return;
    }
    say(fd, "data: {\"choices\":[{\"index\":0,\"delta\":{},\"finish_reason\":\"stop\"}]}\n\ndata: [DONE]\n\n");
}

/* Until the gateway closes its end. */
static void wait_for_close(int fd)
{
    char byte;

    while (recv(fd, &byte, 1, 0) > 0)
        ;
}

/* One whole request; false when the connection is over. */
static bool read_request(int fd, char *at, size_t cap)
{
    size_t len = 0, want = 0;

    for (;;) {
        ssize_t n = recv(fd, at + len, cap - 1 - len, 0);
        if (n <= 0)
            return false;
        len += (size_t)n;
        at[len] = '\0';
        const char *end = strstr(at, "\r\n\r\n"), *field = strcasestr(at, "content-length:");
        if (end && field)
            want = (size_t)(end + 4 - at) + strtoul(field + 15, NULL, 10);
        if (want && len >= want)
            return true;
    }
}

/* False: the connection is to be closed. */
static bool answer(int fd, const char *request)
{
    char way[16] = "";

    sscanf(request, "POST /%15[a-z]", way);
    if (!strcmp(way, "whole"))
        return say(fd, whole_answer);
    if (!strcmp(way, "stream"))
        return say(fd, stream_answer);
    if (!strcmp(way, "broken"))
        return say(fd, broken_answer);
    if (!strcmp(way, "flood"))
        flood(fd);
    if (!strcmp(way, "cut") || !strcmp(way, "begun")) {
        say(fd, stream_head);
        say(fd, first_event);
    }
    if (!strcmp(way, "hang") || !strcmp(way, "begun"))
        wait_for_close(fd);
    return false;
}

static void *serve(void *arg)
{
    int fd = (int)(intptr_t)arg;
    static _Thread_local char request[16384];

    while (read_request(fd, request, sizeof request)) {
        atomic_fetch_add(&providers.asked, 1);
        if (!answer(fd, request))
            break;
    }
    close(fd);
    atomic_fetch_add(&providers.gone, 1);
    return NULL;
}

static void *accept_all(void *arg)
{
    pthread_attr_t detached;
    pthread_t thread;
    int fd;

    pthread_attr_init(&detached);
    pthread_attr_setdetachstate(&detached, PTHREAD_CREATE_DETACHED);
    while ((fd = accept4(providers.listener, NULL, NULL, SOCK_CLOEXEC)) >= 0)
        if (pthread_create(&thread, &detached, serve, (void *)(intptr_t)fd))
            close(fd);
    pthread_attr_destroy(&detached);
    return NULL;
}

static void start_providers(void)
{
    struct tg_addr at, bound;
    int flags = 0;

    if (providers.port)
        return;
    tg_log_setup(TG_LOG_OFF, 2);
    tg_addr_parse(TG_STR("127.0.0.1:0"), &at);
    CHECK(tg_net_listen(&at, 64, &providers.listener, &bound) == TG_OK);
    flags = fcntl(providers.listener, F_GETFL);
    fcntl(providers.listener, F_SETFL, flags & ~O_NONBLOCK);
    providers.port = tg_addr_port(&bound);
    pthread_create(&providers.thread, NULL, accept_all, NULL);
    pthread_detach(providers.thread);
}

/* ---- configurations ---- */

/* A policy whose decision lets a later allocation of the engine's thread fail. */
static atomic_size_t fail_at;
static atomic_size_t made;

static tg_err decide(struct tg_policy *p, unsigned engine, struct tg_decision *d, bool *slow)
{
    size_t nth = atomic_exchange(&fail_at, 0), were;

    if (engine != TG_EMBED_ENGINE)         /* no CHECK: it is not this thread's to count */
        abort();
    were = tg_mem_fail_at(nth);
    if (!nth)
        atomic_store(&made, were);
    return tg_plan_make(d->plan, d->needs, NULL, d->region, d->now_ms, d->arena, d->fault);
}

static void free_policy(struct tg_policy *p)
{
    tg_free(p);
}

static void add_policy(struct tg_config *c)
{
    static const struct tg_policy_code code = { .decide = decide, .free = free_policy };
    struct tg_policy *p = tg_zalloc(sizeof *p);

    CHECK(p != NULL);
    atomic_init(&p->references, 1);
    p->name = TG_STR("test");
    p->hooks = 1 << TG_HOOK_FILTER;
    p->code = &code;
    c->policies = tg_arena_get(&c->arena, sizeof *c->policies);
    c->policies[c->policies_count++] = c->policy = p;
}

/* One with the models of those ways, `more`/way each; a way is asked at its path. */
static struct tg_config *new_config(const char *author)
{
    struct tg_config *c = tg_config_new();
    struct tg_provider p[WAYS_COUNT] = { 0 };
    char urls[WAYS_COUNT][64];
    struct tg_buf text = { 0 }, why = { 0 };
    const char *sentence;

    start_providers();
    tg_buf_z(&text, "{\"data\":[");
    for (int i = 0; i < WAYS_COUNT; i++) {
        snprintf(urls[i], sizeof urls[i], "http://127.0.0.1:%u/%s/v1", providers.port, WAYS[i]);
        p[i].index = (uint32_t)i;
        p[i].slug = p[i].name = tg_str_of(WAYS[i]);
        p[i].base_url = tg_str_of(urls[i]);
        p[i].key = TG_STR("secret");
        p[i].auth_header = TG_STR("Authorization");
        p[i].auth_prefix = TG_STR("Bearer ");
        CHECK(tg_url_parse(p[i].base_url, &p[i].url, &sentence) == TG_OK);
        tg_buf_printf(&text, "%s{\"id\":\"%s/%s\",\"name\":\"M\",\"created\":1,\"context_length\":1000,"
                      "\"pricing\":{\"prompt\":\"0\",\"completion\":\"0\"},\"endpoints\":["
                      "{\"provider\":\"%s\",\"upstream_model\":\"m\"}]}", i ? "," : "", author, WAYS[i],
                      WAYS[i]);
    }
    tg_buf_z(&text, "]}");
    c->catalog = tg_catalog_new(p, WAYS_COUNT);
    CHECK(tg_catalog_add(c->catalog, tg_buf_view(&text), "catalog.json", &why, NULL) == TG_OK);
    CHECK(tg_catalog_seal(c->catalog) == TG_OK);
    c->auth = TG_AUTH_NONE;
    add_policy(c);
    CHECK(tg_config_seal(c) == TG_OK);
    tg_buf_done(&why);
    tg_buf_done(&text);
    return c;
}

static struct tg_embed *new_embed(const char *author)
{
    struct tg_config *c = new_config(author);
    struct tg_buf why = { 0 };
    struct tg_embed *e = tg_embed_new(c, &why);

    CHECK(e != NULL);
    tg_buf_done(&why);
    tg_config_drop(c);                     /* the handle holds it */
    return e;
}

/* ---- asking ---- */

static tg_err ask_body(struct tg_embed *e, const char *model, bool is_stream, uint64_t *id)
{
    char body[256];

    snprintf(body, sizeof body, "{\"model\":\"%s\",\"stream\":%s,\"messages\":[{\"role\":\"user\","
             "\"content\":\"hi\"}]}", model, is_stream ? "true" : "false");
    struct tg_embed_ask ask = { .api = TG_API_CHAT, .body = tg_str_of(body) };
    return tg_embed_ask(e, &ask, id);
}

static uint64_t ask(struct tg_embed *e, const char *model, bool is_stream)
{
    uint64_t id = 0;

    CHECK_INT(ask_body(e, model, is_stream, &id), TG_OK);
    return id;
}

/* What came of one request. */
struct heard {
    int    heads, pieces, ends, status;
    bool   is_whole;
    struct tg_buf text;
};

static void hear(struct heard *h, const struct tg_embed_event *ev)
{
    CHECK_INT(h->ends, 0);
    if (ev->kind == TG_EMBED_HEAD) {
        CHECK_INT(h->pieces + h->heads++, 0);
        h->status = ev->status;
    } else if (ev->kind == TG_EMBED_BYTES) {
        CHECK(ev->bytes.len > 0);
        h->pieces++;
        tg_buf_str(&h->text, ev->bytes);
    } else {
        h->ends++;
        h->is_whole = ev->is_whole;
    }
}

static bool next_within(struct tg_embed *e, struct tg_embed_event *ev, int ms)
{
    for (uint64_t until = tg_clock_ms() + (uint64_t)ms;;) {
        if (tg_embed_next(e, ev))
            return true;
        uint64_t now = tg_clock_ms();
        if (now >= until)
            return false;
        tg_embed_wait(e, (int)(until - now));
    }
}

/* All of one request, when there is no other. */
static struct heard hear_all(struct tg_embed *e, uint64_t id)
{
    struct heard h = { 0 };
    struct tg_embed_event ev;

    while (!h.ends && CHECK(next_within(e, &ev, PATIENCE_MS))) {
        CHECK_INT(ev.id, id);
        hear(&h, &ev);
    }
    return h;
}

static bool has(const struct heard *h, const char *part)
{
    return h->text.len && memmem(h->text.at, h->text.len, part, strlen(part));
}

/* Wait for what another thread counts. */
#define EVENTUALLY(cond)                                                       \
    do {                                                                       \
        uint64_t until_ = tg_clock_ms() + PATIENCE_MS;                         \
        while (!(cond) && tg_clock_ms() < until_)                              \
            usleep(1000);                                                      \
        CHECK(cond);                                                           \
    } while (0)

static int count_entries(const char *path)
{
    DIR *d = opendir(path);
    int n = 0;

    for (struct dirent *e; d && (e = readdir(d));)
        n += e->d_name[0] != '.';
    closedir(d);
    return n;
}

/* Threads called "tidegate": there is one engine, or none. */
static int count_engines(void)
{
    DIR *d = opendir("/proc/self/task");
    char path[300], name[32];
    int n = 0;

    for (struct dirent *e; d && (e = readdir(d));) {
        snprintf(path, sizeof path, "/proc/self/task/%s/comm", e->d_name);
        FILE *f = e->d_name[0] == '.' ? NULL : fopen(path, "r");
        if (f && fgets(name, sizeof name, f) && !strcmp(name, "tidegate\n"))
            n++;
        if (f)
            fclose(f);
    }
    closedir(d);
    return n;
}

/* ---- answers ---- */

TEST("an answer is a head, its bytes and an end; the file is readable meanwhile and not afterwards")
{
    struct tg_embed *e = new_embed("t");
    struct heard h;

    CHECK(tg_embed_fd(e) >= 0);
    CHECK_INT(tg_embed_wait(e, 0), TG_ETIMEOUT);
    uint64_t id = ask(e, "t/whole", false);
    CHECK_INT(id, 1);
    CHECK_INT(tg_embed_wait(e, PATIENCE_MS), TG_OK);
    h = hear_all(e, id);
    CHECK_INT(h.status, 200);
    CHECK(h.is_whole && has(&h, "\"content\":\"Hello\""));
    tg_buf_done(&h.text);
    CHECK_INT(tg_embed_wait(e, 0), TG_ETIMEOUT);

    id = ask(e, "t/stream", true);
    CHECK_INT(id, 2);
    h = hear_all(e, id);
    CHECK(h.is_whole && has(&h, "\"content\":\"Hel\"") && has(&h, "\"content\":\"lo\"") && has(&h, "data: [DONE]"));
    tg_buf_done(&h.text);
    CHECK_INT(tg_embed_wait(e, 0), TG_ETIMEOUT);
    tg_embed_free(e);
}

TEST("what is refused and what fails is an answer, too; what breaks off is told inside it")
{
    struct tg_embed *e = new_embed("t");
    struct heard h;

    h = hear_all(e, ask(e, "t/none", false));
    CHECK_INT(h.status, 400);
    CHECK(h.is_whole && has(&h, "not a valid model"));
    tg_buf_done(&h.text);
    h = hear_all(e, ask(e, "t/broken", true));
    CHECK_INT(h.status, 500);
    CHECK(h.is_whole && has(&h, "\"error\":"));
    tg_buf_done(&h.text);
    h = hear_all(e, ask(e, "t/cut", true));
    CHECK_INT(h.status, 200);
    CHECK(has(&h, "\"content\":\"Hel\"") && has(&h, "\"error\":"));
    tg_buf_done(&h.text);
    tg_embed_free(e);
}

TEST("fields that are given with a request count as its header")
{
    static const struct tg_http1_field fields[] = {
        { TG_STR("X-OpenRouter-Metadata"), TG_STR("enabled") }, { TG_STR("X-Title"), TG_STR("") } };
    struct tg_embed *e = new_embed("t");
    uint64_t id;
    struct tg_embed_ask with = {
        .api = TG_API_CHAT, .fields = fields, .fields_count = 2,
        .body = TG_STR("{\"model\":\"t/whole\",\"messages\":[{\"role\":\"user\",\"content\":\"hi\"}]}"),
    };

    CHECK_INT(tg_embed_ask(e, &with, &id), TG_OK);
    struct heard h = hear_all(e, id);
    CHECK(has(&h, "openrouter_metadata"));
    tg_buf_done(&h.text);
    tg_embed_free(e);
}

TEST("many handles ask beside each other; each hears its own answers, and all of them")
{
    enum { EACH = 25 };
    struct tg_embed *e[HANDLES];
    struct heard heard[HANDLES][EACH + 1];
    struct tg_embed_event ev;

    memset(heard, 0, sizeof heard);
    for (int i = 0; i < HANDLES; i++)
        e[i] = new_embed("t");
    CHECK_INT(count_engines(), 1);
    for (int k = 1; k <= EACH; k++)
        for (int i = 0; i < HANDLES; i++)
            CHECK_INT(ask(e[i], k % 2 ? "t/stream" : "t/whole", k % 2), k);
    for (int i = 0; i < HANDLES; i++)
        for (int over = 0; over < EACH && CHECK(next_within(e[i], &ev, PATIENCE_MS));) {
            hear(&heard[i][ev.id], &ev);
            over += ev.kind == TG_EMBED_END;
        }
    for (int i = 0; i < HANDLES; i++)
        for (int k = 1; k <= EACH; k++) {
            struct heard *h = &heard[i][k];
            CHECK(h->ends == 1 && h->is_whole && h->status == 200);
            CHECK(has(h, k % 2 ? "\"content\":\"lo\"" : "\"content\":\"Hello\""));
            tg_buf_done(&h->text);
        }
    for (int i = 0; i < HANDLES; i++)
        tg_embed_free(e[(i * 3) % HANDLES]);
    CHECK_INT(count_engines(), 0);
}

TEST("two handles of different configurations share the engine, and each has its own models")
{
    struct tg_embed *a = new_embed("a"), *b = new_embed("b");
    struct heard h;

    h = hear_all(a, ask(a, "a/whole", false));
    CHECK_INT(h.status, 200);
    tg_buf_done(&h.text);
    h = hear_all(a, ask(a, "b/whole", false));
    CHECK_INT(h.status, 400);
    tg_buf_done(&h.text);
    h = hear_all(b, ask(b, "b/whole", false));
    CHECK_INT(h.status, 200);
    tg_buf_done(&h.text);
    CHECK_INT(count_engines(), 1);
    tg_embed_free(a);
    h = hear_all(b, ask(b, "b/stream", true));
    CHECK(h.is_whole);
    tg_buf_done(&h.text);
    tg_embed_free(b);
}

TEST("after a swap new requests are under the new configuration; one that runs ends under its own")
{
    struct tg_embed *e = new_embed("a");
    struct tg_config *next = new_config("b");
    struct tg_embed_event ev;
    struct heard h;

    uint64_t flooded = ask(e, "a/flood", true);
    CHECK(next_within(e, &ev, PATIENCE_MS) && ev.id == flooded && ev.kind == TG_EMBED_HEAD);
    tg_embed_hold(e, flooded, true);
    tg_embed_swap(e, next);
    tg_config_drop(next);
    h = hear_all(e, ask(e, "b/whole", false));
    CHECK_INT(h.status, 200);
    tg_buf_done(&h.text);
    h = hear_all(e, ask(e, "a/whole", false));
    CHECK_INT(h.status, 400);
    tg_buf_done(&h.text);
    tg_embed_hold(e, flooded, false);
    h = (struct heard){ .heads = 1 };
    while (!h.ends && CHECK(next_within(e, &ev, PATIENCE_MS)))
        hear(&h, &ev);
    CHECK(h.is_whole && has(&h, "\"model\":\"a/flood\""));
    tg_buf_done(&h.text);
    tg_embed_free(e);
}

/* ---- back-pressure ---- */

/* Is every piece of the flood here, in its order? */
static void check_flood(const struct heard *h)
{
    enum { NEAR = 4096 };                  /* so far may two pieces be from each other */
    const char *at = h->text.at, *end = at + h->text.len;

    CHECK(h->is_whole);
    for (int i = 0; i < FLOOD_EVENTS; i++) {
        char mark[24];
        snprintf(mark, sizeof mark, "\"<%d>0", i);
        size_t near = (size_t)(end - at) < NEAR ? (size_t)(end - at) : NEAR;
        at = memmem(at, near, mark, strlen(mark));
        if (!at) {
            CHECK_FAIL("piece %d is not there", i);
            return;
        }
    }
}

TEST("R-18 a host that takes nothing has its provider wait, and loses nothing")
{
    struct tg_embed *e = new_embed("t");
    uint64_t id;
    struct heard h;

    atomic_store(&providers.is_stuck, false);
    id = ask(e, "t/flood", true);
    EVENTUALLY(atomic_load(&providers.is_stuck));
    CHECK(tg_embed_waiting(e, id) > TG_CLIENT_QUEUE_FULL);
    CHECK(tg_embed_waiting(e, id) <= TG_CLIENT_QUEUE_FULL + 128 * 1024);
    h = hear_all(e, id);
    check_flood(&h);
    tg_buf_done(&h.text);
    tg_embed_free(e);
}

TEST("R-18 a slow one goes on and off, and never has more waiting than that")
{
    struct tg_embed *e = new_embed("t");
    struct heard h = { 0 };
    struct tg_embed_event ev;
    size_t most = 0;
    uint64_t id = ask(e, "t/flood", true);

    for (int turn = 0; !h.ends && CHECK(next_within(e, &ev, PATIENCE_MS)); turn++) {
        hear(&h, &ev);
        size_t waiting = tg_embed_waiting(e, id);
        most = waiting > most ? waiting : most;
        if (turn % 16 == 0)
            usleep(500);
    }
    CHECK(most <= TG_CLIENT_QUEUE_FULL + 128 * 1024);
    check_flood(&h);
    tg_buf_done(&h.text);
    tg_embed_free(e);
}

TEST("what is held is not given out, and does not keep others back")
{
    struct tg_embed *e = new_embed("t");
    struct tg_embed_event ev;
    struct heard h = { 0 };
    uint64_t flooded, id;

    atomic_store(&providers.is_stuck, false);
    flooded = ask(e, "t/flood", true);
    tg_embed_hold(e, flooded, true);
    EVENTUALLY(atomic_load(&providers.is_stuck));
    CHECK_INT(tg_embed_wait(e, 0), TG_ETIMEOUT);
    CHECK(!tg_embed_next(e, &ev));
    id = ask(e, "t/whole", false);
    h = hear_all(e, id);
    CHECK(h.is_whole);
    tg_buf_done(&h.text);
    tg_embed_hold(e, flooded, false);
    CHECK_INT(tg_embed_wait(e, 0), TG_OK);
    tg_embed_hold(e, 77, true);            /* unknown */
    h = hear_all(e, flooded);
    check_flood(&h);
    tg_buf_done(&h.text);
    tg_embed_free(e);
}

TEST("answers take turns: one that floods does not keep a short one waiting")
{
    struct tg_embed *e = new_embed("t");
    struct tg_embed_event ev;
    int before = 0;

    atomic_store(&providers.is_stuck, false);
    uint64_t flooded = ask(e, "t/flood", true);
    EVENTUALLY(atomic_load(&providers.is_stuck));
    uint64_t id = ask(e, "t/whole", false);
    EVENTUALLY(tg_embed_waiting(e, id) > 0);
    while (CHECK(next_within(e, &ev, PATIENCE_MS)) && !(ev.id == id && ev.kind == TG_EMBED_BYTES))
        before += ev.id == flooded;
    CHECK(before <= 2);
    tg_embed_free(e);
}

/* ---- cancel ---- */

/* Nothing more may come of it, whatever the others do. */
static void check_silent(struct tg_embed *e)
{
    struct tg_embed_event ev;

    CHECK(!next_within(e, &ev, 20));
    CHECK_INT(tg_embed_wait(e, 0), TG_ETIMEOUT);
}

TEST("R-14 a request is cancelled in every state: nothing of it comes, and its provider is left")
{
    struct tg_embed *e = new_embed("t");
    struct tg_embed_event ev;
    struct heard h;
    uint64_t id;

    check_context = "before it was begun";
    for (int i = 0; i < 50; i++)
        tg_embed_cancel(e, ask(e, i % 2 ? "t/stream" : "t/whole", i % 2));
    check_silent(e);

    check_context = "while the provider thinks";
    int asked = atomic_load(&providers.asked), gone = atomic_load(&providers.gone);
    id = ask(e, "t/hang", true);
    EVENTUALLY(atomic_load(&providers.asked) > asked);
    tg_embed_cancel(e, id);
    EVENTUALLY(atomic_load(&providers.gone) > gone);
    check_silent(e);

    check_context = "within a stream";
    gone = atomic_load(&providers.gone);
    id = ask(e, "t/begun", true);
    CHECK(next_within(e, &ev, PATIENCE_MS) && ev.kind == TG_EMBED_HEAD);
    tg_embed_cancel(e, id);
    EVENTUALLY(atomic_load(&providers.gone) > gone);
    check_silent(e);

    check_context = "while it is full";
    atomic_store(&providers.is_stuck, false);
    gone = atomic_load(&providers.gone);
    id = ask(e, "t/flood", true);
    EVENTUALLY(atomic_load(&providers.is_stuck));
    CHECK(tg_embed_next(e, &ev));
    tg_embed_cancel(e, id);
    CHECK_INT(tg_embed_waiting(e, id), 0);
    EVENTUALLY(atomic_load(&providers.gone) > gone);
    check_silent(e);

    check_context = "when it is over and was not taken";
    id = ask(e, "t/whole", false);
    CHECK(next_within(e, &ev, PATIENCE_MS));
    EVENTUALLY(tg_embed_waiting(e, id) > 0);
    tg_embed_cancel(e, id);
    check_silent(e);

    check_context = "when it was taken, unknown ones, twice";
    id = ask(e, "t/whole", false);
    h = hear_all(e, id);
    tg_buf_done(&h.text);
    tg_embed_cancel(e, id);
    tg_embed_cancel(e, 0);
    tg_embed_cancel(e, 4711);
    id = ask(e, "t/hang", true);
    tg_embed_cancel(e, id);
    tg_embed_cancel(e, id);
    check_silent(e);

    check_context = "others go on";
    h = hear_all(e, ask(e, "t/stream", true));
    CHECK(h.is_whole);
    tg_buf_done(&h.text);
    tg_embed_free(e);
}

/* A generator that anybody can repeat. */
static unsigned draw(unsigned *state, unsigned below)
{
    *state = *state * 1103515245u + 12345;
    return (*state >> 16) % below;
}

TEST("ask, take, hold, cancel and wait in any order keep each answer's own order")
{
    enum { STEPS = 4000, IDS = STEPS + 1, SOME = 3 };
    static struct { struct heard heard; bool is_cancelled, is_held, ends; } calls[SOME][IDS];
    static const char *const models[] = { "t/whole", "t/stream", "t/begun", "t/broken", "t/cut" };
    struct tg_embed *e[SOME];
    uint64_t last[SOME] = { 0 };
    struct tg_embed_event ev;
    unsigned state = 42, model;

    memset(calls, 0, sizeof calls);
    for (int i = 0; i < SOME; i++)
        e[i] = new_embed("t");
    for (int step = 0; step < STEPS; step++) {
        int who = (int)draw(&state, SOME);
        uint64_t id = last[who] ? 1 + draw(&state, (unsigned)last[who]) : 0;
        switch (draw(&state, 12)) {
        case 0: case 1:
            model = draw(&state, 5);
            last[who] = ask(e[who], models[model], draw(&state, 3) > 0);
            calls[who][last[who]].ends = model != 2;
            break;
        case 2: case 3:
            if (!id)
                break;
            tg_embed_cancel(e[who], id);
            calls[who][id].is_cancelled = true;
            break;
        case 4:
            if (!id)
                break;
            tg_embed_hold(e[who], id, calls[who][id].is_held = draw(&state, 2));
            break;
        case 5:
            tg_embed_wait(e[who], 1);
            break;
        default:
            if (!tg_embed_next(e[who], &ev))
                break;
            CHECK(!calls[who][ev.id].is_cancelled && !calls[who][ev.id].is_held);
            hear(&calls[who][ev.id].heard, &ev);
        }
    }
    for (int i = 0; i < SOME; i++) {
        int running = 0;
        for (uint64_t id = 1; id <= last[i]; id++) {
            tg_embed_hold(e[i], id, false);
            running += calls[i][id].ends && !calls[i][id].heard.ends && !calls[i][id].is_cancelled;
        }
        while (running > 0 && CHECK(next_within(e[i], &ev, PATIENCE_MS))) {
            hear(&calls[i][ev.id].heard, &ev);
            running -= ev.kind == TG_EMBED_END;
        }
        for (uint64_t id = 1; id <= last[i]; id++)
            tg_buf_done(&calls[i][id].heard.text);
    }
    for (int i = 0; i < SOME; i++)
        tg_embed_free(e[i]);
}

/* ---- the end ---- */

TEST("a handle is freed with requests in every state; the others' go on")
{
    struct tg_embed *a = new_embed("t"), *b = new_embed("t");
    struct tg_embed_event ev;
    struct heard h;

    for (int round = 0; round < 20; round++) {
        atomic_store(&providers.is_stuck, false);
        uint64_t flooded = ask(b, "t/flood", true);
        CHECK(next_within(b, &ev, PATIENCE_MS));
        for (int i = 0; i < 40; i++)
            ask(a, i % 4 == 0 ? "t/whole" : i % 4 == 1 ? "t/stream" : i % 4 == 2 ? "t/hang" : "t/begun", i % 4);
        for (int i = 0; i < round * 3; i++)
            if (!tg_embed_next(a, &ev))
                tg_embed_wait(a, 5);
        if (round == 0)
            EVENTUALLY(atomic_load(&providers.is_stuck));
        tg_embed_free(a);
        a = new_embed("t");
        if (round == 0) {
            h = (struct heard){ .heads = 1 };
            while (!h.ends && CHECK(next_within(b, &ev, PATIENCE_MS)))
                hear(&h, &ev);
            check_flood(&h);
            tg_buf_done(&h.text);
        }
        tg_embed_cancel(b, flooded);
    }
    tg_embed_free(a);
    tg_embed_free(b);
    tg_embed_free(NULL);
}

TEST("a hundred starts and ends leave no thread and no open file")
{
    struct tg_config *c = new_config("t");
    struct tg_buf why = { 0 };
    int threads = 0, files = 0;

    for (int i = 0; i < 101; i++) {
        struct tg_embed *e = tg_embed_new(c, &why);
        CHECK(e != NULL);
        if (i % 2) {
            struct heard h = hear_all(e, ask(e, "t/whole", false));
            CHECK(h.is_whole);
            tg_buf_done(&h.text);
        }
        tg_embed_free(e);
        if (i == 0) {
            EVENTUALLY(atomic_load(&providers.gone) >= 0);
            threads = count_engines();
            files = count_entries("/proc/self/fd");
        }
    }
    CHECK_INT(threads, 0);
    CHECK_INT(count_engines(), 0);
    /* The providers' ends close in threads of theirs. */
    EVENTUALLY(count_entries("/proc/self/fd") <= files);
    tg_config_drop(c);
    tg_buf_done(&why);
}

/* ---- without memory, without files ---- */

static int make_and_free(struct tg_config *c)
{
    struct tg_buf why = { 0 };
    struct tg_embed *e = tg_embed_new(c, &why);

    if (e)
        tg_embed_free(e);
    tg_buf_done(&why);
    return !e;
}

TEST("R-36 whatever allocation fails, no handle is made and nothing leaks")
{
    struct tg_config *c = new_config("t");

    CHECK_EVERY_ALLOCATION(make_and_free(c));
    CHECK_INT(count_engines(), 0);
    tg_config_drop(c);
}

TEST("R-36 whatever allocation of the asker fails, it is told, and the next request is answered")
{
    static const struct tg_http1_field field = { TG_STR("X-Title"), TG_STR("a title") };
    struct tg_embed *e = new_embed("t");
    struct heard h;
    uint64_t id = 0;
    struct tg_embed_ask with = {
        .api = TG_API_CHAT, .fields = &field, .fields_count = 1,
        .body = TG_STR("{\"model\":\"t/whole\",\"messages\":[{\"role\":\"user\",\"content\":\"hi\"}]}"),
    };

    CHECK_EVERY_ALLOCATION(tg_embed_ask(e, &with, &id));
    CHECK_INT(id, 1);
    h = hear_all(e, id);
    CHECK(h.is_whole);
    tg_buf_done(&h.text);
    id = ask(e, "t/flood", true);
    tg_mem_fail_at(1);
    tg_embed_cancel(e, id);                /* needs none */
    CHECK_INT(tg_mem_fail_at(0), 0);
    tg_embed_free(e);
}

TEST("R-36 whatever allocation of the engine fails, every request ends, and no broken answer is whole")
{
    struct tg_embed *e = new_embed("t");
    struct heard h;
    size_t most = 0;

    for (size_t nth = 1; nth <= most + 3 || nth < 40; nth++) {
        static const char *const models[] = { "t/whole", "t/stream", "t/cut" };
        for (int i = 0; i < 3; i++) {
            atomic_store(&fail_at, nth);
            h = hear_all(e, ask(e, models[i], i > 0));
            if (h.is_whole && h.status == 200 && i < 2)
                CHECK(has(&h, "Hel") || has(&h, "\"error\""));
            if (h.is_whole && h.status == 200 && i == 1)
                CHECK((has(&h, "\"lo\"") && has(&h, "[DONE]")) || has(&h, "\"error\""));
            if (i == 2)
                CHECK(!has(&h, "\"finish_reason\":\"stop\""));
            tg_buf_done(&h.text);
            atomic_store(&fail_at, 0);
            h = hear_all(e, ask(e, "t/whole", false));       /* may have the failure behind it */
            CHECK(h.ends == 1);
            tg_buf_done(&h.text);
        }
        size_t were = atomic_load(&made);
        most = were > most ? were : most;
    }
    CHECK(most > 10);
    tg_embed_free(e);
}

TEST("without files to open no handle is made, and it is said why")
{
    struct tg_config *c = new_config("t");
    struct tg_buf why = { 0 };
    struct rlimit was, none;

    getrlimit(RLIMIT_NOFILE, &was);
    none = was;
    none.rlim_cur = 0;
    setrlimit(RLIMIT_NOFILE, &none);
    CHECK(!tg_embed_new(c, &why));
    setrlimit(RLIMIT_NOFILE, &was);
    CHECK_STR(tg_buf_view(&why), "too many open files");
    tg_buf_done(&why);
    tg_config_drop(c);
}

/* ---- fork ---- */

/* In the child: 0, or the line that is wrong. */
#define OR_LINE(cond)                                                          \
    do {                                                                       \
        if (!(cond))                                                           \
            return __LINE__ % 256;                                             \
    } while (0)

static int live_in_child(struct tg_embed *e, uint64_t running, struct tg_config *c)
{
    struct tg_embed_event ev;
    struct tg_buf why = { 0 };
    uint64_t id;

    OR_LINE(ask_body(e, "t/whole", false, &id) == TG_EFORK);
    OR_LINE(tg_embed_fd(e) == -1);
    OR_LINE(tg_embed_wait(e, 0) == TG_EFORK);
    OR_LINE(!tg_embed_next(e, &ev));
    OR_LINE(tg_embed_waiting(e, running) == 0);
    tg_embed_cancel(e, running);
    tg_embed_hold(e, running, true);
    tg_embed_free(e);
    if (IS_TSAN)                           /* which allows no new threads here */
        return 0;
    OR_LINE(count_engines() == 0);
    e = tg_embed_new(c, &why);
    OR_LINE(e && count_engines() == 1);
    struct heard h = hear_all(e, ask(e, "t/stream", true));
    OR_LINE(h.is_whole && has(&h, "\"content\":\"lo\""));
    tg_buf_done(&h.text);
    tg_embed_free(e);
    OR_LINE(count_engines() == 0);
    return 0;
}

TEST("a forked child is told so, and may begin anew; the parent goes on")
{
    struct tg_config *c = new_config("t");
    struct tg_buf why = { 0 };
    struct tg_embed *e = tg_embed_new(c, &why);
    struct tg_embed_event ev;
    struct heard h = { .heads = 1 };
    int status = -1;

    uint64_t id = ask(e, "t/flood", true);
    CHECK(next_within(e, &ev, PATIENCE_MS) && ev.kind == TG_EMBED_HEAD);
    pid_t child = fork();
    if (child == 0)
        _exit(live_in_child(e, id, c));
    CHECK(waitpid(child, &status, 0) == child);
    CHECK_INT(WIFEXITED(status) ? WEXITSTATUS(status) : 1000 + status, 0);
    while (!h.ends && CHECK(next_within(e, &ev, PATIENCE_MS)))
        hear(&h, &ev);
    check_flood(&h);
    tg_buf_done(&h.text);
    h = hear_all(e, ask(e, "t/whole", false));
    CHECK(h.is_whole);
    tg_buf_done(&h.text);
    tg_embed_free(e);
    tg_config_drop(c);
    tg_buf_done(&why);
}

TEST_MAIN
