/* Attempts between two formats, in a whole engine with a converter of C: what
 * becomes of an exchange when a conversion fails, refuses, grows, or writes
 * garbage, and when any allocation fails.
 *
 * The wire's format, "words": a request is "ask", a whole answer is text, a
 * stream is lines that are a word each, "two words" twice a chunk, and "." the
 * end. The client's format is "told:" before what a chat client would get. */
#include "check.h"

#include <errno.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/mem.h"
#include "flow/engine.h"
#include "os/net.h"

/* ---- the converter ---- */

enum { READ_REQUEST, WRITE_REQUEST, READ_ANSWER, WRITE_ANSWER, OPEN_UP, OPEN_DOWN, STEP_UP,
       STEP_DOWN, POINTS };
static const char *const point_names[POINTS] = {
    "read_request", "write_request", "read_answer", "write_answer", "open a wire's stream",
    "open a client's stream", "an event of the wire", "a chunk for the client",
};
enum { STREAMS = 32 };

static struct {
    int    calls[POINTS];
    int    fails_at[POINTS];               /* that call of it; 0: none */
    tg_err fails_with;
    bool   is_open[STREAMS], is_down[STREAMS];
    int    opened, misused;                /* closed twice, or used when it was not open */
    size_t grows;                          /* bytes of each chunk's word */
    int    state;
} fake;

static tg_err may_fail(int point, struct tg_buf *why)
{
    if (++fake.calls[point] != fake.fails_at[point])
        return TG_OK;
    if (fake.fails_with == TG_EINVAL)
        tg_buf_z(why, "cannot be said");
    return fake.fails_with;
}

static tg_err fake_read_request(void *state, const struct tg_convert_about *about, struct tg_str text,
                                struct tg_convert_request *out, struct tg_buf *why)
{
    tg_err err = may_fail(READ_REQUEST, why);

    tg_buf_z(&out->body, "{\"model\":\"t/m\",\"messages\":[{\"role\":\"user\",\"content\":\"hi\"}]");
    if (text.len && memmem(text.at, text.len, "stream", 6))
        tg_buf_z(&out->body, ",\"stream\":true");
    tg_buf_char(&out->body, '}');
    tg_buf_z(&out->lost, "\"whim\"");
    return err ? err : out->body.bad || out->lost.bad ? TG_ENOMEM : TG_OK;
}

static tg_err fake_write_request(void *state, const struct tg_convert_about *about, struct tg_str text,
                                 struct tg_convert_request *out, struct tg_buf *why)
{
    tg_err err = may_fail(WRITE_REQUEST, why);

    tg_buf_z(&out->body, "ask");
    tg_buf_z(&out->fields, "X-Words: yes\r\n");
    return err ? err : out->body.bad || out->fields.bad ? TG_ENOMEM : TG_OK;
}

static tg_err fake_read_answer(void *state, const struct tg_convert_about *about, struct tg_str text,
                               struct tg_buf *out, struct tg_buf *why)
{
    tg_err err = may_fail(READ_ANSWER, why);

    if (!err && !tg_str_starts(text, "Hello"))
        err = TG_EINVAL;
    tg_buf_z(out, "{\"choices\":[{\"message\":{\"role\":\"assistant\",\"content\":\"");
    tg_buf_str(out, text);
    tg_buf_z(out, "\"},\"finish_reason\":\"stop\"}],\"usage\":{\"total_tokens\":5}}");
    return err ? err : out->bad ? TG_ENOMEM : TG_OK;
}

static tg_err fake_write_answer(void *state, const struct tg_convert_about *about, struct tg_str text,
                                struct tg_buf *out, struct tg_buf *why)
{
    tg_err err = may_fail(WRITE_ANSWER, why);

    tg_buf_z(out, "told:");
    tg_buf_str(out, text);
    return err ? err : out->bad ? TG_ENOMEM : TG_OK;
}

static tg_err fake_open(void *state, const struct tg_convert_about *about, int *handle,
                        struct tg_buf *why)
{
    bool is_down = !about->wire;
    tg_err err = may_fail(is_down ? OPEN_DOWN : OPEN_UP, why);

    if (err)
        return err;
    *handle = ++fake.opened % STREAMS;
    *handle += !*handle;
    fake.misused += fake.is_open[*handle];
    fake.is_open[*handle] = true;
    fake.is_down[*handle] = is_down;
    return TG_OK;
}

static void put_word(struct tg_buf *b, struct tg_str word)
{
    tg_buf_z(b, "{\"choices\":[{\"index\":0,\"delta\":{\"content\":\"");
    tg_buf_str(b, word);
    for (size_t i = 0; i < fake.grows; i++)
        tg_buf_char(b, 'x');
    tg_buf_z(b, "\"}}]}");
}

static tg_err emit_buf(struct tg_buf *b, void (*emit)(void *arg, struct tg_str text), void *arg)
{
    tg_err err = b->bad ? TG_ENOMEM : TG_OK;

    if (!err)
        emit(arg, tg_buf_view(b));
    tg_buf_reset(b);
    return err;
}

static tg_err step_up(const struct tg_convert_event *e, void (*emit)(void *arg, struct tg_str text),
                      void *arg)
{
    struct tg_buf b = { 0 };
    tg_err err = TG_OK;

    if (tg_str_is(e->data, ".")) {
        tg_buf_z(&b, "{\"choices\":[{\"index\":0,\"delta\":{},\"finish_reason\":\"stop\"}],"
                     "\"usage\":{\"prompt_tokens\":3,\"completion_tokens\":2}}");
        err = emit_buf(&b, emit, arg);
        if (!err)
            emit(arg, TG_STR("[DONE]"));
    } else if (tg_str_is(e->data, "garbage")) {
        emit(arg, TG_STR("{\"choices\":[{]"));
    } else {
        for (int i = 0; !err && i < 1 + tg_str_starts(e->data, "two "); i++) {
            put_word(&b, e->data);
            err = emit_buf(&b, emit, arg);
        }
    }
    tg_buf_done(&b);
    return err;
}

static tg_err step_down(const struct tg_convert_event *e, void (*emit)(void *arg, struct tg_str text),
                        void *arg)
{
    struct tg_buf b = { 0 };

    tg_buf_z(&b, "told:");
    tg_buf_str(&b, e->data);
    tg_buf_z(&b, "\n\n");
    tg_err err = emit_buf(&b, emit, arg);
    tg_buf_done(&b);
    return err;
}

static tg_err fake_step(void *state, int handle, const struct tg_convert_event *event,
                        void (*emit)(void *arg, struct tg_str text), void *arg, struct tg_buf *why)
{
    bool is_down = fake.is_down[handle];
    tg_err err = may_fail(is_down ? STEP_DOWN : STEP_UP, why);

    fake.misused += !fake.is_open[handle];
    return err ? err : is_down ? step_down(event, emit, arg) : step_up(event, emit, arg);
}

static void fake_close(void *state, int handle)
{
    fake.misused += !fake.is_open[handle];
    fake.is_open[handle] = false;
}

static const struct tg_convert fake_convert = {
    fake_read_request, fake_write_request, fake_read_answer, fake_write_answer, fake_open, fake_step,
    fake_close,
};

static void *open_fake(void *arg, struct tg_buf *why)
{
    return &fake.state;
}

static void close_fake(void *state)
{
    CHECK(state == &fake.state);
}

static int still_open(void)
{
    int n = 0;

    for (int i = 0; i < STREAMS; i++)
        n += fake.is_open[i];
    return n;
}

/* ---- the world ---- */

static const char catalog_text[] =
    "{\"data\":[{\"id\":\"t/m\",\"name\":\"M\",\"created\":1,\"context_length\":100000000,"
    "\"pricing\":{\"prompt\":\"0.000001\",\"completion\":\"0.000002\"},\"endpoints\":["
    "{\"provider\":\"a\",\"upstream_model\":\"up-a\"},{\"provider\":\"b\",\"upstream_model\":\"up-b\"}]}]}";

enum { A, B, PROVIDERS };
enum { WHO = 16, ASKED = 1 << 20 };        /* of a connection: its provider; it was asked */

static struct {
    int listeners[PROVIDERS], conns[64], count;
    int asked[PROVIDERS];
    bool is_deaf, is_slow;                 /* does not read more of a request; says no word more */
    const char *answers[PROVIDERS], *more; /* `more` is said again and again, where there is some */
    const struct tg_wire *wires[PROVIDERS];
    struct tg_config *config;
    struct tg_engine *engine;
    struct tg_addr at;
    char request[4096];                    /* the last that a provider was sent */
} world;

static const struct tg_wire words_wire = {
    .name = { "words", 5 }, .converts = { "words", 5 }, .framing = TG_FRAMES_LINES,
    .targets = { [TG_JOB_WHOLE] = { "/{model}/say", 12 }, [TG_JOB_STREAM] = { "/{model}/tell", 13 } },
    .carries = TG_PARAM_ALL, .native = TG_APIS,
};
static const struct tg_wire messages_wire = {
    .name = { "m", 1 }, .converts = { "m", 1 }, .framing = TG_FRAMES_SSE,
    .targets = { [TG_JOB_WHOLE] = { "/messages", 9 }, [TG_JOB_STREAM] = { "/messages", 9 } },
    .carries = TG_PARAM_ALL, .native = TG_API_MESSAGES,
};

static struct tg_config *make_config(void)
{
    struct tg_config *c = tg_config_new();
    struct tg_provider p[PROVIDERS] = { { .index = 0 }, { .index = 1 } };
    static const char *const slugs[] = { "a", "b" };
    static char urls[PROVIDERS][64];
    struct tg_buf why = { 0 };
    const char *sentence;

    for (int i = 0; i < PROVIDERS; i++) {
        struct tg_addr a, bound;
        tg_addr_parse(TG_STR("127.0.0.1:0"), &a);
        CHECK(tg_net_listen(&a, 16, &world.listeners[i], &bound) == TG_OK);
        snprintf(urls[i], sizeof urls[i], "http://127.0.0.1:%u/v1", tg_addr_port(&bound));
        p[i].index = (uint32_t)i;
        p[i].slug = p[i].name = tg_str_of(slugs[i]);
        p[i].base_url = tg_str_of(urls[i]);
        p[i].key = TG_STR("secret-key");
        p[i].auth_header = TG_STR("Authorization");
        p[i].auth_prefix = TG_STR("Bearer ");
        if (world.wires[i]) {
            p[i].wires[0] = *world.wires[i];
            p[i].wires_count = 1;
        }
        CHECK(tg_url_parse(p[i].base_url, &p[i].url, &sentence) == TG_OK);
    }
    c->catalog = tg_catalog_new(p, PROVIDERS);
    CHECK(tg_catalog_add(c->catalog, TG_STR(catalog_text), "catalog.json", &why, NULL) == TG_OK);
    CHECK(tg_catalog_seal(c->catalog) == TG_OK);
    c->auth = TG_AUTH_NONE;
    c->log_requests = false;
    CHECK(tg_config_seal(c) == TG_OK);
    tg_buf_done(&why);
    return c;
}

/* Providers with these wires (NULL: chat) that answer so. */
static void open_world(const struct tg_wire *wire_a, const char *a, const struct tg_wire *wire_b,
                       const char *b)
{
    static const struct tg_server_hooks hooks = { .open = open_fake, .close = close_fake,
                                                  .convert = &fake_convert };
    struct tg_buf why = { 0 };
    int fd = -1;

    memset(&world, 0, sizeof world);
    world.answers[A] = a;
    world.answers[B] = b;
    world.wires[A] = wire_a;
    world.wires[B] = wire_b;
    world.config = make_config();
    tg_addr_parse(TG_STR("127.0.0.1:0"), &world.at);
    CHECK(tg_net_listen(&world.at, 16, &fd, &world.at) == TG_OK);
    world.engine = tg_engine_new(fd, 0, world.config, &hooks, &why);
    CHECK(world.engine != NULL);
    tg_buf_done(&why);
}

static void close_world(void)
{
    tg_engine_free(world.engine);
    for (int i = 0; i < world.count; i++)
        if (world.conns[i] >= 0)
            close(world.conns[i] & 0xffff);
    for (int i = 0; i < PROVIDERS; i++)
        close(world.listeners[i]);
    tg_config_drop(world.config);
    CHECK_INT(still_open(), 0);
    CHECK_INT(fake.misused, 0);
}

static void accept_all(void)
{
    for (int i = 0; i < PROVIDERS; i++) {
        int fd = accept4(world.listeners[i], NULL, NULL, SOCK_NONBLOCK);
        if (fd >= 0 && world.count < 64)
            world.conns[world.count++] = fd | i << WHO;
    }
}

static void hang_up(int i)
{
    close(world.conns[i] & 0xffff);
    world.conns[i] = -1;
}

/* Accept, and answer once asked. */
static void run_providers(void)
{
    accept_all();
    for (int i = 0; i < world.count; i++) {
        int fd = world.conns[i] & 0xffff, who = world.conns[i] >> WHO & 1;
        bool was_asked = world.conns[i] & ASKED;
        if (world.conns[i] < 0)
            continue;
        if (world.more && was_asked && send(fd, world.more, strlen(world.more), MSG_NOSIGNAL) < 0 &&
            errno == EPIPE)
            hang_up(i);
        if (world.conns[i] < 0 || (world.is_deaf && was_asked))
            continue;
        ssize_t got = recv(fd, world.request, sizeof world.request - 1, MSG_DONTWAIT);
        if (got == 0 || (got < 0 && errno != EAGAIN))
            hang_up(i);
        if (got <= 0)
            continue;
        world.request[got] = '\0';
        world.conns[i] |= ASKED;
        if (was_asked)
            continue;
        world.asked[who]++;
        send(fd, world.answers[who], strlen(world.answers[who]), MSG_NOSIGNAL);
        if (strstr(world.answers[who], "Connection: close"))
            hang_up(i);
    }
}

static int providers_left(void)
{
    int n = 0;

    for (int i = 0; i < world.count; i++)
        n += world.conns[i] >= 0;
    return n;
}

static char heard[1 << 20];

static int begin(const char *path, const char *body, size_t len)
{
    char head[512];
    int fd = -1;

    tg_net_connect(&world.at, &fd);
    int n = snprintf(head, sizeof head,
        "POST %s HTTP/1.1\r\nHost: x\r\nConnection: close\r\nContent-Length: %zu\r\n\r\n", path, len);
    send(fd, head, (size_t)n, MSG_NOSIGNAL);
    for (size_t sent = 0; sent < len;) {
        ssize_t did = send(fd, body + sent, len - sent, MSG_NOSIGNAL | MSG_DONTWAIT);
        sent += did > 0 ? (size_t)did : 0;
        tg_loop_turn(tg_engine_loop(world.engine), 0);
    }
    return fd;
}

/* One request; what came back, all of it. */
static struct tg_str ask(const char *path, const char *body, size_t fail_at, size_t *allocations)
{
    int fd = begin(path, body, strlen(body)), quiet = 0;
    size_t len = 0;

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
    for (int i = 0; i < 10; i++) {
        tg_loop_turn(tg_engine_loop(world.engine), 1);
        run_providers();
    }
    heard[len] = '\0';
    return (struct tg_str){ heard, len };
}

static const char *say(const char *path, const char *body)
{
    size_t n;

    return ask(path, body, 0, &n).at;
}

static void reset(void)
{
    memset(&fake, 0, sizeof fake);
}

#define CHAT         "/v1/chat/completions"
#define MESSAGES     "/v1/messages"
#define WHOLE        "{\"model\":\"t/m\",\"messages\":[{\"role\":\"user\",\"content\":\"hi\"}]}"
#define STREAM       "{\"model\":\"t/m\",\"stream\":true,\"messages\":[{\"role\":\"user\",\"content\":\"hi\"}]}"
#define OK_HEAD(type) "HTTP/1.1 200 OK\r\nContent-Type: " type "\r\nConnection: close\r\n\r\n"
#define LINES        OK_HEAD("application/x-ndjson")

static const char stream_answer[] = LINES "Hel\ntwo lo\n.\n";
static const char whole_answer[] = OK_HEAD("text/plain") "Hello";
static const char broken_answer[] = "HTTP/1.1 500 No\r\nContent-Length: 0\r\n\r\n";
static const char cut_answer[] = LINES "Hel\ntwo lo\n";
static const char garbage_answer[] = LINES "garbage\n";
static const char native_answer[] = OK_HEAD("application/json")
    "{\"type\":\"message\",\"role\":\"assistant\",\"content\":[{\"type\":\"text\",\"text\":\"Hello\"}],"
    "\"stop_reason\":\"end_turn\",\"usage\":{\"input_tokens\":3,\"output_tokens\":2}}";

/* ---- what is between two formats ---- */

TEST("a chat client is answered by a provider of another format, whole and streamed")
{
    reset();
    open_world(&words_wire, whole_answer, &words_wire, whole_answer);
    CHECK(strstr(say(CHAT, WHOLE), "\"content\":\"Hello\"") != NULL);
    CHECK(strstr(world.request, "POST /v1/up-") && strstr(world.request, "/say HTTP/1.1\r\n"));
    CHECK(strstr(world.request, "X-Words: yes\r\n") && strstr(world.request, "\r\n\r\nask"));
    close_world();
    open_world(&words_wire, stream_answer, &words_wire, stream_answer);
    const char *got = say(CHAT, STREAM);
    CHECK(strstr(got, "\"content\":\"Hel\"") && strstr(got, "\"content\":\"two lo\""));
    CHECK(strstr(got, "data: [DONE]") && strstr(got, "\"cost\":0.000007"));
    CHECK_INT(fake.calls[STEP_DOWN], 0);
    close_world();
}

TEST("a client of another format is told so what a chat client would be, over any provider")
{
    reset();
    open_world(&words_wire, whole_answer, &words_wire, whole_answer);
    CHECK(strstr(say(MESSAGES, "{}"), "told:{\"id\":\"gen-") != NULL);
    close_world();
    open_world(&words_wire, stream_answer, &words_wire, stream_answer);
    const char *got = say(MESSAGES, "{\"stream\"}");
    CHECK(strstr(got, "told:{") && strstr(got, "\"content\":\"Hel\""));
    CHECK(strstr(got, "told:[DONE]") && !strstr(got, "data: "));
    CHECK_INT(fake.calls[READ_REQUEST], 2);
    close_world();
}

TEST("each attempt goes its own way: what passes, and what is converted behind it")
{
    static const char body[] = "{\"model\":\"t/m\",\"max_tokens\":5,\"messages\":[]}";

    for (int i = 0; i < 4; i++) {          /* whichever is asked first */
        reset();
        open_world(&messages_wire, broken_answer, &words_wire, whole_answer);
        CHECK(strstr(say(MESSAGES, body), "told:{\"id\":") != NULL);
        CHECK_INT(world.asked[B], 1);
        close_world();
        reset();
        open_world(&messages_wire, native_answer, &words_wire, broken_answer);
        const char *got = say(MESSAGES, body);
        CHECK(strstr(got, "\"stop_reason\":\"end_turn\"") && !strstr(got, "told:"));
        CHECK(strstr(world.request, "\"max_tokens\":5") != NULL);
        CHECK_INT(fake.calls[WRITE_ANSWER], 0);
        close_world();
    }
}

TEST("an answer that is none of its format is malformed, an empty one is empty, and a mark before it is none of it")
{
    static const char *const words[] = { OK_HEAD("text/plain") "nonsense", OK_HEAD("text/plain"),
                                         OK_HEAD("text/plain") "\xef\xbb\xbfHello" };
    static const char *const says[] = { "the answer is not a valid completion", "the answer is empty",
                                        "\"content\":\"Hello\"" };

    for (int i = 0; i < 3; i++) {
        reset();
        open_world(&words_wire, words[i], &words_wire, words[i]);
        CHECK(strstr(say(CHAT, WHOLE), says[i]) != NULL);
        close_world();
    }
}

TEST("a body with more members than may be edited is refused as the client's, where it would pass")
{
    struct tg_buf body = { 0 };
    size_t n;

    reset();
    tg_buf_z(&body, "{\"model\":\"t/m\"");
    for (int i = 0; i < TG_NEEDS_MEMBERS_MAX; i++)
        tg_buf_printf(&body, ",\"m%d\":1", i);
    tg_buf_z(&body, "}");
    open_world(&messages_wire, native_answer, &messages_wire, native_answer);
    const char *got = ask(MESSAGES, tg_buf_cstr(&body), 0, &n).at;
    CHECK(tg_str_starts(tg_str_of(got), "HTTP/1.1 400"));
    CHECK(strstr(got, "more than") != NULL);
    close_world();
    tg_buf_done(&body);
}

/* ---- conversions that fail ---- */

static const struct {
    int point;
    const char *path, *body, *answer;
    const char *told[2];                   /* for TG_EINVAL, TG_ENOMEM: the status line, or "" when
                                              the head was sent: then the answer is not whole */
    int asked;                             /* attempts, with TG_EINVAL */
} points[] = {
    { READ_REQUEST,  MESSAGES, "{}",           whole_answer,  { "HTTP/1.1 400", "HTTP/1.1 500" }, 0 },
    { WRITE_REQUEST, CHAT,     WHOLE,          whole_answer,  { "HTTP/1.1 200", "HTTP/1.1 500" }, 1 },
    { READ_ANSWER,   CHAT,     WHOLE,          whole_answer,  { "HTTP/1.1 200", "HTTP/1.1 500" }, 2 },
    { WRITE_ANSWER,  MESSAGES, "{}",           whole_answer,  { "HTTP/1.1 500", "HTTP/1.1 500" }, 1 },
    { OPEN_UP,       CHAT,     STREAM,         stream_answer, { "HTTP/1.1 200", "HTTP/1.1 500" }, 2 },
    { OPEN_DOWN,     MESSAGES, "{\"stream\"}", stream_answer, { "", "" }, 1 },
    { STEP_UP,       CHAT,     STREAM,         stream_answer, { "HTTP/1.1 200", "HTTP/1.1 500" }, 2 },
    { STEP_DOWN,     MESSAGES, "{\"stream\"}", stream_answer, { "", "" }, 1 },
};

TEST("a conversion that fails once is another attempt, or an error that says whose it is; never half an answer")
{
    static const tg_err errors[] = { TG_EINVAL, TG_ENOMEM };

    for (size_t i = 0; i < 2 * (sizeof points / sizeof *points); i++) {
        size_t p = i / 2;
        check_context = point_names[points[p].point];
        reset();
        fake.fails_at[points[p].point] = 1;
        fake.fails_with = errors[i % 2];
        open_world(&words_wire, points[p].answer, &words_wire, points[p].answer);
        const char *got = say(points[p].path, points[p].body), *want = points[p].told[i % 2];
        if (*want)
            CHECK(tg_str_starts(tg_str_of(got), want));
        else
            CHECK(!strstr(got, "[DONE]") && !strstr(got, "0\r\n\r\n"));
        if (i % 2 == 0)
            CHECK_INT(world.asked[A] + world.asked[B], points[p].asked);
        if (tg_str_starts(tg_str_of(got), "HTTP/1.1 400"))
            CHECK(strstr(got, "cannot be said") != NULL);
        close_world();
    }
}

TEST("what no provider's format can say is told in the converter's words")
{
    reset();
    fake.fails_with = TG_EINVAL;
    open_world(&words_wire, whole_answer, &words_wire, whole_answer);
    fake.fails_at[WRITE_REQUEST] = 1;
    tg_net_close(world.listeners[B]);      /* nobody behind the other one */
    world.listeners[B] = -1;
    const char *got = say(CHAT, "{\"model\":\"t/m\",\"provider\":{\"only\":[\"a\"]},"
                                "\"messages\":[{\"role\":\"user\",\"content\":\"hi\"}]}");
    CHECK(tg_str_starts(tg_str_of(got), "HTTP/1.1 400") && strstr(got, "cannot be said"));
    close_world();
}

TEST("a stream that breaks in its midst, on either side of chat, is not whole, and its provider is left")
{
    static const int broken_points[] = { STEP_UP, STEP_DOWN };
    static const char *const paths[] = { CHAT, MESSAGES };
    static const char endless[] = "HTTP/1.1 200 OK\r\nContent-Type: application/x-ndjson\r\n\r\nHel\n";

    for (int i = 0; i < 2; i++) {
        check_context = point_names[broken_points[i]];
        reset();
        fake.fails_with = TG_EINVAL;
        fake.fails_at[broken_points[i]] = 5;
        open_world(&words_wire, endless, &words_wire, endless);
        world.more = "on\n";
        const char *got = say(paths[i], i ? "{\"stream\"}" : STREAM);
        CHECK(strstr(got, "HTTP/1.1 200") && strstr(got, "Hel"));
        CHECK(!strstr(got, "told:[DONE]") && (i || strstr(got, "\"error\":{")));
        CHECK_INT(providers_left(), 0);
        if (i)
            CHECK_INT(fake.calls[STEP_DOWN], 5);       /* what is broken is not asked again */
        close_world();
    }
}

TEST("chunks that are no JSON are another attempt; with no other, an error")
{
    reset();
    open_world(&words_wire, garbage_answer, &words_wire, garbage_answer);
    const char *got = say(CHAT, STREAM);
    CHECK(strstr(got, "the answer is not a valid completion") && !strstr(got, "[DONE]"));
    CHECK(world.asked[A] && world.asked[B]);
    close_world();
}

TEST("a conversion that grows beyond what is held before the commit is another attempt")
{
    reset();
    fake.grows = 12 << 20;
    open_world(&words_wire, stream_answer, &words_wire, stream_answer);
    const char *got = say(CHAT, STREAM);
    CHECK(strstr(got, "limits.event") && !strstr(got, "xxxx"));
    CHECK_INT(world.asked[A] + world.asked[B], 2);
    close_world();
}

/* ---- memory and lives ---- */

static const struct {
    const struct tg_wire *a, *b;
    const char *path, *body, *say_a, *say_b;
} exchanges[] = {
    { &words_wire, &words_wire, CHAT, WHOLE, whole_answer, whole_answer },
    { &words_wire, &words_wire, CHAT, STREAM, stream_answer, stream_answer },
    { &words_wire, &words_wire, MESSAGES, "{}", whole_answer, whole_answer },
    { &words_wire, &words_wire, MESSAGES, "{\"stream\"}", stream_answer, stream_answer },
    { &words_wire, &words_wire, MESSAGES, "{\"stream\"}", cut_answer, cut_answer },
    { &words_wire, &words_wire, MESSAGES, "{\"stream\"}", garbage_answer, stream_answer },
    { &messages_wire, &words_wire, MESSAGES, "{\"model\":\"t/m\"}", broken_answer, whole_answer },
    { &messages_wire, &messages_wire, MESSAGES, "{\"model\":\"t/m\"}", native_answer, native_answer },
};

static bool looks_whole(struct tg_str got, const char *asked)
{
    return strstr(asked, "stream") ? strstr(got.at, "[DONE]") != NULL
                                   : tg_str_starts(got, "HTTP/1.1 200");
}

TEST("R-36 whatever allocation fails: nothing leaks, no stream of a converter stays open, and no broken answer looks whole")
{
    for (size_t i = 0; i < sizeof exchanges / sizeof *exchanges; i++) {
        char where[32];
        snprintf(where, sizeof where, "case %zu", i);
        check_context = where;
        for (size_t nth = 1, made = nth; made >= nth; nth++) {
            reset();
            open_world(exchanges[i].a, exchanges[i].say_a, exchanges[i].b, exchanges[i].say_b);
            struct tg_str got = ask(exchanges[i].path, exchanges[i].body, nth, &made);
            if (looks_whole(got, exchanges[i].body))
                CHECK(strstr(got.at, "Hel") && strstr(got.at, "lo") &&
                      exchanges[i].say_a != cut_answer);
            close_world();
        }
    }
}

TEST("a client that leaves a converted stream leaves nothing behind")
{
    static const char endless[] = "HTTP/1.1 200 OK\r\nContent-Type: application/x-ndjson\r\n\r\nHel\n";

    for (int i = 0; i < 8; i++) {
        reset();
        open_world(&words_wire, endless, &words_wire, endless);
        world.more = "on\n";
        int fd = begin(MESSAGES, "{\"stream\"}", 10);
        for (int turn = 0; turn < i * 4; turn++) {
            tg_loop_turn(tg_engine_loop(world.engine), 1);
            run_providers();
        }
        close(fd);
        for (int turn = 0; turn < 20; turn++) {
            tg_loop_turn(tg_engine_loop(world.engine), 1);
            run_providers();
        }
        CHECK_INT(still_open(), 0);
        CHECK_INT(providers_left(), 0);
        close_world();
    }
}

TEST("an engine that ends in the midst of converted streams closes them")
{
    static const char endless[] = "HTTP/1.1 200 OK\r\nContent-Type: application/x-ndjson\r\n\r\nHel\n";
    int fds[4];

    reset();
    open_world(&words_wire, endless, &words_wire, endless);
    world.more = "on\n";
    for (int i = 0; i < 4; i++)
        fds[i] = begin(MESSAGES, "{\"stream\"}", 10);
    for (int turn = 0; turn < 20; turn++) {
        tg_loop_turn(tg_engine_loop(world.engine), 1);
        run_providers();
    }
    CHECK_INT(still_open(), 8);
    close_world();
    for (int i = 0; i < 4; i++)
        close(fds[i]);
}

TEST("a configuration may be swapped in the midst of converted streams: they keep theirs")
{
    static const char endless[] = "HTTP/1.1 200 OK\r\nContent-Type: application/x-ndjson\r\n\r\nHel\n";
    size_t len = 0;

    reset();
    open_world(&words_wire, endless, &words_wire, endless);
    int fd = begin(MESSAGES, "{\"stream\"}", 10);
    for (int turn = 0; turn < 20; turn++) {
        tg_loop_turn(tg_engine_loop(world.engine), 1);
        run_providers();
    }
    int old[PROVIDERS] = { world.listeners[A], world.listeners[B] };
    struct tg_config *before = world.config;
    world.config = make_config();
    tg_engine_swap(world.engine, world.config);
    tg_config_drop(before);                /* the exchange alone holds it now */
    for (int i = 0; i < PROVIDERS; i++)
        close(old[i]);
    world.more = "on\n.\n";
    for (int turn = 0; turn < 50; turn++) {
        tg_loop_turn(tg_engine_loop(world.engine), 1);
        run_providers();
        ssize_t got = recv(fd, heard + len, sizeof heard - 1 - len, MSG_DONTWAIT);
        len += got > 0 ? (size_t)got : 0;
    }
    heard[len] = '\0';
    CHECK(strstr(heard, "told:[DONE]") != NULL);
    close(fd);
    close_world();
}

/* The answer is whole before the request has been read: what is left of the
 * request is the exchange's, and goes with it. */
TEST("a provider that answers before it has read the request is not sent what has been freed")
{
    static const char early[] = "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n\r\n"
        "data: {\"choices\":[{\"index\":0,\"delta\":{\"content\":\"Hello\"},\"finish_reason\":\"stop\"}]}\n\n"
        "data: [DONE]\n\n";
    enum { BYTES = 24 << 20 };
    static const char head[] = "{\"model\":\"t/m\",\"stream\":true,\"messages\":[{\"role\":\"user\",\"content\":\"";
    char *body = malloc(BYTES);
    size_t len = 0;

    reset();
    memset(body, 'x', BYTES);
    memcpy(body, head, sizeof head - 1);
    memcpy(body + BYTES - 4, "\"}]}", 4);
    open_world(NULL, early, NULL, early);
    world.is_deaf = true;
    int fd = begin(CHAT, body, BYTES);
    for (int turn = 0; turn < 100; turn++) {
        tg_loop_turn(tg_engine_loop(world.engine), 1);
        run_providers();
        ssize_t got = recv(fd, heard + len, sizeof heard - 1 - len, MSG_DONTWAIT);
        len += got > 0 ? (size_t)got : 0;
    }
    heard[len] = '\0';
    CHECK(strstr(heard, "data: [DONE]") != NULL);
    for (int turn = 0; turn < 200; turn++) {       /* now it reads on */
        tg_loop_turn(tg_engine_loop(world.engine), 1);
        for (int i = 0; i < world.count; i++)
            while (recv(world.conns[i] & 0xffff, heard, sizeof heard, MSG_DONTWAIT) > 0)
                ;
    }
    close(fd);
    close_world();
    free(body);
}

TEST_MAIN
