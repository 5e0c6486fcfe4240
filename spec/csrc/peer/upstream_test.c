/* Both implementations of upstream.h, plain and with TLS, against a scripted
 * provider on the same loop. Nothing sleeps: the loop is turned until what is
 * waited for has happened. */
#include "check.h"

#include <openssl/err.h>
#include <signal.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/mem.h"
#include "certs.h"
#include "os/net.h"
#include "peer/upstream_impl.h"

enum { PATIENCE_MS = 10000, REQUEST_MAX = 1 << 16, PEERS_MAX = 64 };

static const struct kind {
    const char *name;
    const struct tg_upstream_impl *impl;
    bool is_tls;
} kinds[] = {
    { "h1",       &tg_upstream_h1,   false },
    { "h1 tls",   &tg_upstream_h1,   true },
    { "curl",     &tg_upstream_curl, false },
    { "curl tls", &tg_upstream_curl, true },
};

#define EACH_KIND(k)                                                           \
    for (const struct kind *k = kinds; k < kinds + sizeof kinds / sizeof *kinds; k++)

/* ---- the scripted provider ---- */

enum after { KEEP, CLOSE, RESET };

struct answer {
    const char *bytes;           /* NULL: silence */
    size_t      len;             /* 0: as strlen */
    size_t      first;           /* bytes of the first piece; 0: all at once */
    size_t      cut;             /* bytes of the pieces behind it; 0: the rest at once */
    size_t      then_fill;       /* this many 'x' behind `bytes` */
    enum after  after;
    bool        early;           /* when the head was read, not the body */
    bool        at_accept;       /* `after` happens before anything is read */
};

struct server;

struct peer {
    struct tg_watch watch;
    struct tg_timer timer;
    struct server  *server;
    SSL            *ssl;
    bool            is_used, answers, shook_hands, is_deaf;
    struct answer   answer;
    size_t          put;
    int             requests;
    size_t          in_len;
    char            in[REQUEST_MAX];
};

struct server {
    struct tg_watch watch;
    struct tg_loop *loop;
    struct tg_addr  addr;
    SSL_CTX        *tls;
    const struct answer *script;        /* one a request; the last one again and again */
    size_t          script_len;
    size_t          requests, accepted, open, filled, resumed, tunnels;
    bool            deaf;               /* read nothing */
    char            last[REQUEST_MAX];  /* the last request as it came */
    size_t          last_len;
    struct peer     peers[PEERS_MAX];
};

static void close_peer(struct peer *p, enum after how)
{
    tg_loop_at(p->server->loop, &p->timer, 0);
    tg_loop_remove(p->server->loop, &p->watch);
    if (p->ssl && how == CLOSE)
        SSL_shutdown(p->ssl);
    SSL_free(p->ssl);
    if (how == RESET)
        tg_net_reset(p->watch.fd);
    else
        tg_net_close(p->watch.fd);
    p->is_used = false;
    p->server->open--;
}

static bool put_bytes(struct peer *p, const char *at, size_t len, size_t *n)
{
    struct tg_str piece = { at, len };

    if (!p->ssl)
        return tg_net_write(p->watch.fd, &piece, 1, n) == TG_OK;
    ERR_clear_error();
    return SSL_write_ex(p->ssl, at, len, n) == 1;
}

static void answer_on(struct peer *p)
{
    static char fill[1 << 16];
    struct answer *a = &p->answer;
    size_t total = a->len + a->then_fill, n;

    memset(fill, 'x', sizeof fill);
    while (p->put < total) {
        bool is_fill = p->put >= a->len;
        size_t left = is_fill ? total - p->put : a->len - p->put, size = left;
        size_t step = p->put < a->first ? a->first - p->put : a->cut;
        if (step && step < size)
            size = step;
        if (size > sizeof fill)
            size = sizeof fill;
        if (!put_bytes(p, is_fill ? fill : a->bytes + p->put, size, &n))
            return;
        p->put += n;
        if (is_fill)
            p->server->filled += n;
        if ((step || a->cut) && p->put < total) {
            tg_loop_at(p->server->loop, &p->timer, tg_loop_ms(p->server->loop));
            return;
        }
    }
    p->answers = false;
    if (a->after != KEEP)
        close_peer(p, a->after);
}

static void on_peer_timer(struct tg_timer *t)
{
    answer_on((struct peer *)((char *)t - offsetof(struct peer, timer)));
}

/* As a proxy that is its own destination: what follows is TLS. */
static void open_tunnel(struct peer *p)
{
    static const char yes[] = "HTTP/1.1 200 Connection established\r\n"
                              "Content-Length: 9\r\n\r\n";
    size_t n;

    p->server->tunnels++;
    p->in_len = 0;
    put_bytes(p, yes, sizeof yes - 1, &n);
    p->ssl = SSL_new(certs.ctx[GOOD]);
    SSL_set_fd(p->ssl, p->watch.fd);
}

static void begin_answer(struct peer *p)
{
    struct server *s = p->server;

    if (memcmp(p->in, "CONNECT ", 8) == 0) {
        open_tunnel(p);
        return;
    }
    size_t n = s->requests < s->script_len ? s->requests : s->script_len - 1;

    s->requests++;
    p->requests++;
    memcpy(s->last, p->in, p->in_len);
    s->last_len = p->in_len;
    p->in_len = 0;
    p->answer = s->script[n];
    p->is_deaf = p->answer.early;
    if (!p->answer.bytes && p->answer.after == KEEP)
        return;
    if (!p->answer.bytes)
        p->answer.bytes = "";
    if (!p->answer.len)
        p->answer.len = strlen(p->answer.bytes);
    p->put = 0;
    p->answers = true;
    answer_on(p);
}

static bool request_is_whole(struct peer *p)
{
    p->in[p->in_len] = '\0';
    char *end = strstr(p->in, "\r\n\r\n"), *length = strstr(p->in, "Content-Length: ");
    size_t n = p->server->requests < p->server->script_len ? p->server->requests
                                                           : p->server->script_len - 1;

    if (!end)
        return false;
    if (p->server->script[n].early || !length || length > end)
        return true;
    return p->in_len >= (size_t)(end + 4 - p->in) + strtoul(length + 16, NULL, 10);
}

static bool get_bytes(struct peer *p)
{
    size_t n = 0, room = sizeof p->in - 1 - p->in_len;

    if (!p->ssl) {
        tg_err err = tg_net_read(p->watch.fd, p->in + p->in_len, room, &n);
        if (err == TG_EPEER)
            close_peer(p, CLOSE);
        p->in_len += err ? 0 : n;
        return !err;
    }
    ERR_clear_error();
    int got = SSL_read_ex(p->ssl, p->in + p->in_len, room, &n);
    if (got == 1) {
        p->in_len += n;
        return true;
    }
    int error = SSL_get_error(p->ssl, got);
    if (error != SSL_ERROR_WANT_READ && error != SSL_ERROR_WANT_WRITE)
        close_peer(p, RESET);
    return false;
}

static bool shake_hands(struct peer *p)
{
    if (!p->ssl || p->shook_hands)
        return true;
    ERR_clear_error();
    int got = SSL_accept(p->ssl);
    p->shook_hands = got == 1;
    if (p->shook_hands)
        p->server->resumed += SSL_session_reused(p->ssl);
    int error = SSL_get_error(p->ssl, got);
    if (!p->shook_hands && error != SSL_ERROR_WANT_READ && error != SSL_ERROR_WANT_WRITE)
        close_peer(p, RESET);
    return p->shook_hands;
}

static void on_peer(struct tg_watch *w, unsigned what)
{
    struct peer *p = (struct peer *)w;

    if (!shake_hands(p))
        return;
    while (!p->server->deaf && p->is_used && !p->is_deaf && (!p->ssl || p->shook_hands) && get_bytes(p))
        if (!p->answers && request_is_whole(p))
            begin_answer(p);
    if (p->is_used && p->answers && !p->answer.cut && !p->answer.first)
        answer_on(p);
}

static void on_listener(struct tg_watch *w, unsigned what)
{
    struct server *s = (struct server *)w;
    int fd;

    while (tg_net_accept(w->fd, &fd, NULL) == TG_OK) {
        struct peer *p = s->peers;
        while (p->is_used)
            p++;
        memset(p, 0, offsetof(struct peer, in));
        p->watch = (struct tg_watch){ .fd = fd, .on = on_peer };
        p->timer.on = on_peer_timer;
        p->server = s;
        p->is_used = true;
        s->accepted++;
        s->open++;
        if (s->tls) {
            p->ssl = SSL_new(s->tls);
            SSL_set_fd(p->ssl, fd);
        }
        CHECK_INT(tg_loop_add(s->loop, &p->watch), TG_OK);
        size_t n = s->requests < s->script_len ? s->requests : s->script_len - 1;
        if (s->script[n].at_accept)
            close_peer(p, s->script[n].after);
    }
}

/* ---- one who asks ---- */

enum moment { NEVER, CONNECTED, SENT, HEAD, BODY };

struct asker {
    struct tg_upstream *up;
    struct tg_upstreams *set;
    int      connected, reused, sent, heads, ends, fails, order;
    int      status;
    tg_err   err;
    char     why[400];
    char     type[64];
    char     body[1 << 16];
    size_t   body_bytes;         /* all, also what did not fit into body[] */
    bool     pauses;             /* at the next piece of the body */
    bool     is_paused;
    enum moment cancels_at;
    struct asker *cancels;       /* somebody else, with the first piece */
};

static bool leaves(struct asker *a, enum moment now)
{
    if (a->cancels_at != now)
        return false;
    tg_upstream_cancel(a->up);
    a->up = NULL;
    return true;
}

static void on_connected(void *arg, bool reused)
{
    struct asker *a = arg;

    CHECK(a->up != NULL);        /* not from inside open */
    a->connected++;
    a->reused += reused;
    leaves(a, CONNECTED);
}

static void on_sent(void *arg)
{
    struct asker *a = arg;

    CHECK_INT(a->connected, 1);
    a->sent++;
    leaves(a, SENT);
}

static void on_head(void *arg, const struct tg_http1_head *h)
{
    struct asker *a = arg;
    struct tg_str type = tg_http1_get(h, "Content-Type");

    CHECK(a->up != NULL);
    CHECK(!a->is_paused);
    a->heads++;
    a->status = h->status;
    snprintf(a->type, sizeof a->type, "%.*s", (int)type.len, type.at ? type.at : "");
    leaves(a, HEAD);
}

static void on_body(void *arg, struct tg_str bytes)
{
    struct asker *a = arg;

    CHECK(a->up != NULL);
    CHECK(!a->is_paused);
    CHECK(bytes.len > 0);
    if (a->body_bytes + bytes.len < sizeof a->body)
        memcpy(a->body + a->body_bytes, bytes.at, bytes.len);
    a->body_bytes += bytes.len;
    if (a->cancels && a->cancels->up) {
        tg_upstream_cancel(a->cancels->up);
        a->cancels->up = NULL;
    }
    if (leaves(a, BODY))
        return;
    if (a->pauses) {
        a->is_paused = true;
        tg_upstream_pause(a->up);
    }
}

static void on_end(void *arg)
{
    struct asker *a = arg;

    CHECK(a->up != NULL);
    CHECK(!a->is_paused);
    a->ends++;
    a->up = NULL;
}

static void on_fail(void *arg, tg_err err, const char *why)
{
    struct asker *a = arg;

    CHECK(a->up != NULL);
    CHECK(why && *why && !strchr(why, '\n'));
    CHECK(err != TG_OK && err != TG_AGAIN);
    a->fails++;
    a->err = err;
    snprintf(a->why, sizeof a->why, "%s", why);
    a->up = NULL;
}

static bool is_over(const struct asker *a)
{
    return a->ends + a->fails > 0;
}

/* ---- a loop with both ---- */

struct rig {
    struct tg_loop *loop;
    struct tg_tls_context *tls;
    struct tg_upstreams *set;
    struct tg_origin origin;
    struct server server;
    const char *url_host;
};

static struct rig rig;

static void start_server(const struct kind *k, int cert)
{
    struct tg_addr a;

    tg_addr_parse(TG_STR("127.0.0.1:0"), &a);
    CHECK_INT(tg_net_listen(&a, 64, &rig.server.watch.fd, &rig.server.addr), TG_OK);
    rig.server.watch.on = on_listener;
    rig.server.loop = rig.loop;
    rig.server.tls = k->is_tls ? certs.ctx[cert] : NULL;
    CHECK_INT(tg_loop_add(rig.loop, &rig.server.watch), TG_OK);
}

static void set_up_as(const struct kind *k, int cert)
{
    char why[256];

    signal(SIGPIPE, SIG_IGN);    /* for the provider: its OpenSSL writes plainly */
    make_certs();
    memset(&rig, 0, sizeof rig);
    check_context = k->name;
    rig.loop = tg_loop_new();
    rig.tls = tg_tls_context_new(certs.ca_file, why);
    CHECK(rig.tls != NULL);
    start_server(k, cert);
    rig.set = tg_upstreams_new(rig.loop, rig.tls);
    tg_upstreams_force(rig.set, k->impl);
    rig.origin = (struct tg_origin){
        .url = { .is_tls = k->is_tls, .host = TG_STR("127.0.0.1"),
                 .port = tg_addr_port(&rig.server.addr) },
    };
}

static void set_up(const struct kind *k)
{
    set_up_as(k, GOOD);
}

static void take_down(void)
{
    tg_upstreams_free(rig.set);
    for (size_t i = 0; i < PEERS_MAX; i++)
        if (rig.server.peers[i].is_used)
            close_peer(&rig.server.peers[i], CLOSE);
    tg_loop_remove(rig.loop, &rig.server.watch);
    tg_net_close(rig.server.watch.fd);
    tg_tls_context_free(rig.tls);
    tg_loop_free(rig.loop);
}

static void script_of(const struct answer *a, size_t n)
{
    rig.server.script = a;
    rig.server.script_len = n;
}

#define SCRIPT(...)                                                            \
    do {                                                                       \
        static const struct answer script_[] = { __VA_ARGS__ };                \
        script_of(script_, sizeof script_ / sizeof *script_);                  \
    } while (0)

#define TURN_UNTIL(cond)                                                       \
    do {                                                                       \
        uint64_t until_ = tg_clock_ms() + PATIENCE_MS;                         \
        while (!(cond) && tg_clock_ms() < until_)                              \
            tg_loop_turn(rig.loop, 20);                                        \
        CHECK(cond);                                                           \
    } while (0)

static const struct tg_upstream_handler handlers = {
    on_connected, on_sent, on_head, on_body, on_end, on_fail, NULL,
};

static bool open_request(struct asker *a, const char *method, const struct tg_str *pieces,
                         size_t count)
{
    struct tg_upstream_handler h = handlers;
    struct tg_upstream_request r = {
        .method = tg_str_of(method), .target = TG_STR("/v1/chat?x=1"),
        .fields = TG_STR("Host: provider.test\r\nX-Test: yes\r\n"),
        .pieces = pieces, .pieces_count = count, .has_body = pieces != NULL,
    };

    for (size_t i = 0; i < count; i++)
        r.body_bytes += pieces[i].len;
    h.arg = a;
    a->up = tg_upstream_open(rig.set, &rig.origin, &r, &h);
    return a->up != NULL;
}

static void reset_asker(struct asker *a)
{
    memset(a, 0, sizeof *a);
}

static void ask(struct asker *a, const char *method, const struct tg_str *pieces, size_t count)
{
    if (CHECK(open_request(a, method, pieces, count)))
        TURN_UNTIL(is_over(a));
}

static void get(struct asker *a)
{
    reset_asker(a);
    ask(a, "GET", NULL, 0);
}

static struct tg_str body_of(const struct asker *a)
{
    return (struct tg_str){ a->body, a->body_bytes };
}

static size_t idle_count(void)
{
    size_t idle, busy;

    tg_upstreams_count(rig.set, &idle, &busy);
    return idle;
}

static size_t busy_count(void)
{
    size_t idle, busy;

    tg_upstreams_count(rig.set, &idle, &busy);
    return busy;
}

static struct asker one, two;

#define HELLO                                                                  \
    "HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: 5\r\n\r\nhello"
#define CHUNKED                                                                \
    "HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nTransfer-Encoding: chunked\r\n\r\n" \
    "3\r\nhel\r\n2;x=y\r\nlo\r\n0\r\nTrailer: t\r\n\r\n"

/* ---- whole answers ---- */

TEST("a request goes out as it was given, and the answer comes back")
{
    static const struct tg_str pieces[] = { { "{\"a\":", 5 }, { "", 0 }, { "1}", 2 } };

    EACH_KIND(k) {
        set_up(k);
        SCRIPT({ .bytes = HELLO });
        reset_asker(&one);
        ask(&one, "POST", pieces, 3);

        CHECK_INT(one.connected, 1);
        CHECK_INT(one.reused, 0);
        CHECK_INT(one.sent, 1);
        CHECK_INT(one.status, 200);
        CHECK_STR(tg_str_of(one.type), "text/plain");
        CHECK_STR(body_of(&one), "hello");
        CHECK_INT(one.ends, 1);
        CHECK_INT(one.fails, 0);

        char *last = rig.server.last;
        last[rig.server.last_len] = '\0';
        CHECK(strstr(last, "POST /v1/chat?x=1 HTTP/1.1\r\n") == last);
        CHECK(strstr(last, "\r\nHost: provider.test\r\n"));
        CHECK(strstr(last, "\r\nX-Test: yes\r\n"));
        CHECK(strstr(last, "\r\nContent-Length: 7\r\n"));
        CHECK(strstr(last, "\r\n\r\n{\"a\":1}"));
        CHECK(!strstr(last, "User-Agent") && !strstr(last, "Accept") && !strstr(last, "Expect"));
        CHECK(!strstr(last, "Content-Type"));
        take_down();
    }
}

TEST("the framing of an answer decides where it ends and whether the connection is kept")
{
    static const struct { const char *title; struct answer answer; const char *body; bool kept; }
    cases[] = {
        { "length",      { .bytes = HELLO }, "hello", true },
        { "empty",       { .bytes = "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n" }, "", true },
        { "204",         { .bytes = "HTTP/1.1 204 No Content\r\n\r\n" }, "", true },
        { "chunked",     { .bytes = CHUNKED }, "hello", true },
        { "no body",     { .bytes = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
                                    "0\r\n\r\n" }, "", true },
        { "until close", { .bytes = "HTTP/1.1 200 OK\r\n\r\nhello", .after = CLOSE }, "hello",
          false },
        { "asks to close", { .bytes = "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n"
                                      "Connection: close\r\n\r\nhello" }, "hello", false },
        { "HTTP/1.0",    { .bytes = "HTTP/1.0 200 OK\r\nContent-Length: 5\r\n\r\nhello" },
          "hello", false },
        { "interim",     { .bytes = "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\n"
                                    "Link: x\r\n\r\n" HELLO }, "hello", true },
        { "bytes behind", { .bytes = HELLO "HTTP/1.1 200 OK\r\n\r\npoison" }, "hello", false },
        { "two lengths", { .bytes = "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n"
                                    "Transfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n" },
          "hello", false },
        { "an error",    { .bytes = "HTTP/1.1 500 Oops\r\nContent-Length: 5\r\n\r\nhello" },
          "hello", true },
        { "a redirect",  { .bytes = "HTTP/1.1 302 F\r\nLocation: http://127.0.0.1:1/\r\n"
                                    "Content-Length: 5\r\n\r\nhello" }, "hello", true },
    };

    EACH_KIND(k) {
        for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
            char title[100];

            set_up(k);
            snprintf(title, sizeof title, "%s, %s", k->name, cases[i].title);
            check_context = title;
            script_of(&cases[i].answer, 1);
            get(&one);
            CHECK_INT(one.ends, 1);
            CHECK_STR(body_of(&one), cases[i].body);
            CHECK_INT(busy_count(), 0);
            CHECK_INT(idle_count(), cases[i].kept);

            get(&two);
            CHECK_INT(two.ends, 1);
            CHECK_STR(body_of(&two), cases[i].body);
            CHECK_INT(two.reused, cases[i].kept);
            CHECK_INT(rig.server.accepted, cases[i].kept ? 1 : 2);
            take_down();
        }
    }
}

TEST("an answer is the same wherever it is cut")
{
    static const char *const answers[] = {
        HELLO, CHUNKED, "HTTP/1.1 100 Continue\r\n\r\n" CHUNKED,
    };

    EACH_KIND(k) {
        set_up(k);
        for (size_t i = 0; i < sizeof answers / sizeof *answers; i++) {
            struct answer a = { .bytes = answers[i] };
            script_of(&a, 1);
            for (a.first = 1; a.first < strlen(answers[i]); a.first++) {
                get(&one);
                CHECK_STR(body_of(&one), "hello");
                CHECK_INT(one.ends, 1);
            }
            a.first = 0;
            for (a.cut = 1; a.cut < 4; a.cut++) {
                get(&one);
                CHECK_STR(body_of(&one), "hello");
                CHECK_INT(one.ends, 1);
            }
        }
        CHECK_INT(rig.server.accepted, 1);
        CHECK_INT(rig.server.open, 1);
        take_down();
    }
}

TEST("an answer to HEAD has no body whatever its length says")
{
    EACH_KIND(k) {
        set_up(k);
        SCRIPT({ .bytes = "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n" }, { .bytes = HELLO });
        reset_asker(&one);
        ask(&one, "HEAD", NULL, 0);
        CHECK_INT(one.ends, 1);
        CHECK_INT(one.body_bytes, 0);
        CHECK(memcmp(rig.server.last, "HEAD ", 5) == 0);
        get(&two);
        CHECK_STR(body_of(&two), "hello");
        CHECK_INT(rig.server.accepted, 1);
        take_down();
    }
}

TEST("a large body in hundreds of pieces arrives whole")
{
    enum { COUNT = TG_UPSTREAM_PIECES_MAX, EACH = 97 };
    static struct tg_str pieces[COUNT];
    static char bytes[COUNT * EACH];

    for (size_t i = 0; i < sizeof bytes; i++)
        bytes[i] = "abcdefghijklm"[i % 13];
    for (size_t i = 0; i < COUNT; i++)
        pieces[i] = (struct tg_str){ bytes + i * EACH, EACH };
    EACH_KIND(k) {
        set_up(k);
        SCRIPT({ .bytes = HELLO });
        reset_asker(&one);
        ask(&one, "POST", pieces, COUNT);
        CHECK_INT(one.ends, 1);
        CHECK_INT(one.sent, 1);
        CHECK(rig.server.last_len > sizeof bytes
              && memcmp(rig.server.last + rig.server.last_len - sizeof bytes, bytes, sizeof bytes)
                     == 0);
        take_down();
    }
}

TEST("a request to a provider that reads nothing waits, and goes on when it reads")
{
    static char bytes[24 << 20];
    static const struct tg_str piece = { bytes, sizeof bytes };

    EACH_KIND(k) {
        if (k->is_tls)
            continue;    /* the provider would have to shake hands */
        set_up(k);
        SCRIPT({ .bytes = HELLO, .early = true, .after = KEEP });
        rig.server.deaf = true;
        reset_asker(&one);
        open_request(&one, "POST", &piece, 1);
        for (int i = 0; i < 50; i++)
            tg_loop_turn(rig.loop, 1);
        CHECK_INT(one.connected, 1);
        CHECK_INT(one.sent, 0);
        CHECK(!is_over(&one));
        tg_upstream_cancel(one.up);
        TURN_UNTIL(busy_count() == 0);
        take_down();
    }
}

TEST("an answer that comes before the request was sent is given, and the connection closed")
{
    static char bytes[8 << 20];
    static const struct tg_str piece = { bytes, sizeof bytes };

    EACH_KIND(k) {
        set_up(k);
        SCRIPT({ .bytes = "HTTP/1.1 413 Too Large\r\nContent-Length: 3\r\n\r\nbig",
                 .early = true });
        reset_asker(&one);
        if (CHECK(open_request(&one, "POST", &piece, 1)))
            TURN_UNTIL(is_over(&one));
        CHECK_INT(one.status, 413);
        CHECK_STR(body_of(&one), "big");
        CHECK_INT(one.ends, 1);
        CHECK_INT(one.sent, 0);
        CHECK_INT(idle_count(), 0);
        take_down();
    }
}

/* ---- kept connections ---- */

TEST("one connection serves any number of requests one after the other")
{
    EACH_KIND(k) {
        set_up(k);
        SCRIPT({ .bytes = HELLO });
        for (int i = 0; i < 20; i++) {
            get(&one);
            CHECK_INT(one.ends, 1);
            CHECK_INT(one.reused, i > 0);
            CHECK_INT(idle_count(), 1);
        }
        CHECK_INT(rig.server.accepted, 1);
        take_down();
    }
}

TEST("requests at the same time have a connection each, and all are kept")
{
    static struct asker many[8];

    EACH_KIND(k) {
        set_up(k);
        SCRIPT({ .bytes = HELLO });
        for (int round = 0; round < 3; round++) {
            for (int i = 0; i < 8; i++) {
                reset_asker(&many[i]);
                CHECK(open_request(&many[i], "GET", NULL, 0));
            }
            for (int i = 0; i < 8; i++) {
                TURN_UNTIL(is_over(&many[i]));
                CHECK_STR(body_of(&many[i]), "hello");
            }
            CHECK_INT(idle_count(), 8);
            CHECK_INT(busy_count(), 0);
        }
        CHECK_INT(rig.server.accepted, 8);
        take_down();
    }
}

TEST("connections are not shared by origins that differ in whom they may reach")
{
    set_up(&kinds[0]);
    SCRIPT({ .bytes = HELLO });
    get(&one);
    CHECK_INT(idle_count(), 1);
    rig.origin.public_only = true;
    get(&two);
    CHECK_INT(two.err, TG_ECONNECT);
    CHECK_INT(idle_count(), 1);
    take_down();
}

TEST("a kept connection that the provider closed is replaced unseen")
{
    EACH_KIND(k) {
        set_up(k);
        SCRIPT({ .bytes = HELLO }, { .bytes = NULL, .after = CLOSE }, { .bytes = HELLO },
               { .bytes = NULL, .after = RESET }, { .bytes = HELLO });
        get(&one);
        for (int i = 0; i < 2; i++) {
            static const struct tg_str piece = { "again", 5 };
            reset_asker(&two);
            ask(&two, "POST", &piece, 1);    /* closed behind the whole request */
            CHECK_INT(two.ends, 1);
            CHECK_INT(two.connected, 1);
            CHECK_INT(two.sent, 1);
            CHECK_STR(body_of(&two), "hello");
            CHECK(strstr(rig.server.last, "\r\n\r\nagain"));
        }
        CHECK_INT(rig.server.accepted, 3);
        take_down();
    }
}

TEST("the replacement is tried once")
{
    set_up(&kinds[0]);
    SCRIPT({ .bytes = HELLO }, { .bytes = NULL, .after = CLOSE });
    get(&one);
    get(&two);
    CHECK_INT(two.fails, 1);
    CHECK_INT(two.err, TG_EPEER);
    CHECK_INT(rig.server.requests, 3);
    take_down();
}

TEST("a kept connection that breaks off within the answer is not replaced")
{
    EACH_KIND(k) {
        if (k->impl != &tg_upstream_h1)
            continue;    /* libcurl counts from the first whole line */
        set_up(k);
        SCRIPT({ .bytes = HELLO }, { .bytes = "HTTP/1.1 2", .after = CLOSE });
        get(&one);
        get(&two);
        CHECK_INT(two.fails, 1);
        CHECK_INT(two.err, TG_EPEER);
        CHECK_INT(rig.server.requests, 2);
        take_down();
    }
}

static void send_unasked(const char *bytes)
{
    for (size_t i = 0; i < PEERS_MAX; i++) {
        struct peer *p = &rig.server.peers[i];
        size_t n;
        if (p->is_used)
            CHECK(put_bytes(p, bytes, strlen(bytes), &n));
    }
}

TEST("a connection on which bytes arrive that nobody asked for serves no further request")
{
    EACH_KIND(k) {
        set_up(k);
        SCRIPT({ .bytes = HELLO });
        get(&one);
        CHECK_INT(idle_count(), 1);
        send_unasked("HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\npoison");
        for (int i = 0; i < 3; i++)
            tg_loop_turn(rig.loop, 0);
        CHECK_INT(idle_count(), 0);
        get(&two);
        CHECK_STR(body_of(&two), "hello");
        CHECK_INT(two.reused, 0);
        CHECK_INT(rig.server.accepted, 2);
        take_down();
    }
}

TEST("a kept connection that the provider closes is closed at once")
{
    EACH_KIND(k) {
        set_up(k);
        SCRIPT({ .bytes = HELLO });
        get(&one);
        CHECK_INT(idle_count(), 1);
        for (size_t i = 0; i < PEERS_MAX; i++)
            if (rig.server.peers[i].is_used)
                close_peer(&rig.server.peers[i], CLOSE);
        TURN_UNTIL(idle_count() == 0);
        take_down();
    }
}

TEST("a TLS session is resumed by the next connection to the host")
{
    set_up(&kinds[1]);
    SCRIPT({ .bytes = "HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 0\r\n\r\n" });
    get(&one);
    CHECK_INT(rig.server.resumed, 0);
    get(&two);
    CHECK_INT(two.ends, 1);
    CHECK_INT(rig.server.accepted, 2);
    CHECK_INT(rig.server.resumed, 1);
    take_down();
}

/* ---- failures ---- */

TEST("every failure is told once, with its kind")
{
    static const char *const too_big = "HTTP/1.1 200 OK\r\nX: ";
    static const struct { const char *title; struct answer answer; tg_err err; int heads; }
    cases[] = {
        { "closes at once",  { .at_accept = true, .after = CLOSE }, TG_EPEER, 0 },
        { "resets at once",  { .at_accept = true, .after = RESET }, TG_ECONNECT, 0 },
        { "closes",          { .after = CLOSE }, TG_EPEER, 0 },
        { "resets",          { .after = RESET }, TG_EPEER, 0 },
        { "half a head",     { .bytes = "HTTP/1.1 200 OK\r\nConte", .after = CLOSE }, TG_EPEER, 0 },
        { "short body",      { .bytes = "HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nhello",
                               .after = CLOSE }, TG_EPEER, 1 },
        { "no last chunk",   { .bytes = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
                                        "5\r\nhello\r\n", .after = CLOSE }, TG_EPEER, 1 },
        { "reset in body",   { .bytes = "HTTP/1.1 200 OK\r\n\r\nhello", .first = 21,
                               .after = RESET }, TG_EPEER, -1 },
        { "broken chunk",    { .bytes = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
                                        "xyz\r\nhello\r\n" }, TG_EPEER, 1 },
        { "not HTTP",        { .bytes = "220 smtp.example.com ESMTP\r\n\r\n", .after = CLOSE },
          TG_EPEER, 0 },
        { "HTTP/0.9",        { .bytes = "<html></html>", .after = CLOSE }, TG_EPEER, 0 },
        { "switching",       { .bytes = "HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\n\r\n" },
          TG_EPEER, 0 },
        { "huge head",       { .bytes = too_big, .then_fill = 10 << 20 }, TG_ETOOBIG, 0 },
        { "two lengths",     { .bytes = "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n"
                                        "Content-Length: 6\r\n\r\nhello!" }, TG_EPEER, 0 },
    };

    EACH_KIND(k) {
        for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
            char title[100];

            set_up(k);
            snprintf(title, sizeof title, "%s, %s", k->name, cases[i].title);
            check_context = title;
            script_of(&cases[i].answer, 1);
            get(&one);
            CHECK_INT(one.fails, 1);
            CHECK_INT(one.ends, 0);
            /* A reset may come before or after we saw that we were connected. */
            if (cases[i].answer.at_accept && one.err != cases[i].err)
                CHECK_INT(one.err, k->is_tls ? TG_ETLS : TG_EPEER);
            else
                CHECK_INT(one.err, cases[i].err);
            if (cases[i].heads >= 0)
                CHECK_INT(one.heads, cases[i].heads);
            CHECK_INT(idle_count() + busy_count(), 0);
            take_down();
        }
    }
}

TEST("interim answers without end are refused")
{
    static char flood[26 * 5000];

    for (size_t i = 0; i + 25 < sizeof flood; i += 25)
        memcpy(flood + i, "HTTP/1.1 100 Continue\r\n\r\n", 25);
    EACH_KIND(k) {
        struct answer a = { .bytes = flood, .len = 25 * 5000 };

        set_up(k);
        script_of(&a, 1);
        get(&one);
        CHECK_INT(one.err, TG_EPEER);
        CHECK_INT(one.heads, 0);
        take_down();
    }
}

TEST("a port where nobody listens is no connection, at once")
{
    EACH_KIND(k) {
        set_up(k);
        SCRIPT({ .bytes = HELLO });
        tg_loop_remove(rig.loop, &rig.server.watch);
        tg_net_close(rig.server.watch.fd);
        uint64_t start = tg_clock_ms();
        get(&one);
        CHECK_INT(one.err, TG_ECONNECT);
        CHECK_INT(one.connected, 0);
        CHECK(tg_clock_ms() - start < 1000);
        start_server(k, GOOD);
        take_down();
    }
}

TEST("a certificate that is not good is refused and nothing is sent")
{
    EACH_KIND(k) {
        if (!k->is_tls)
            continue;
        for (int cert = EXPIRED; cert < CERTS; cert++) {
            set_up_as(k, cert);
            SCRIPT({ .bytes = HELLO });
            get(&one);
            CHECK_INT(one.err, TG_ETLS);
            CHECK_INT(one.connected, 0);
            CHECK_INT(rig.server.requests, 0);
            take_down();
        }
    }
}

TEST("plain HTTP where TLS is expected is refused")
{
    EACH_KIND(k) {
        if (!k->is_tls)
            continue;
        set_up(k);
        SCRIPT({ .bytes = HELLO });
        rig.server.tls = NULL;
        /* What a handshake looks like to an HTTP server: no end of a head. */
        reset_asker(&one);
        open_request(&one, "GET", NULL, 0);
        TURN_UNTIL(rig.server.accepted == 1);
        send_unasked("HTTP/1.1 400 Bad Request\r\n\r\n");
        TURN_UNTIL(is_over(&one));
        CHECK_INT(one.err, TG_ETLS);
        take_down();
    }
}

TEST("addresses that are not public are refused where only public ones may be reached")
{
    EACH_KIND(k) {
        set_up(k);
        SCRIPT({ .bytes = HELLO });
        rig.origin.public_only = true;
        get(&one);
        CHECK_INT(one.err, TG_ECONNECT);
        CHECK(strstr(one.why, "public") != NULL);
        CHECK_INT(rig.server.accepted, 0);
        take_down();
    }
}

TEST("names are resolved, and all their addresses tried in turn")
{
    EACH_KIND(k) {
        set_up(k);
        SCRIPT({ .bytes = HELLO });
        rig.origin.url.host = TG_STR("localhost");    /* ::1, where nobody listens, may be first */
        get(&one);
        CHECK_STR(body_of(&one), "hello");
        get(&one);
        CHECK_INT(one.reused, 1);
        rig.origin.url.host = TG_STR("no-such-name.invalid");
        get(&one);
        CHECK_INT(one.err, TG_ECONNECT);
        take_down();
    }
}

/* ---- providers that were seen to misbehave ---- */

static size_t add_base64(const char *in, char *out)
{
    return (size_t)EVP_DecodeBlock((unsigned char *)out, (const unsigned char *)in,
                                   (int)strcspn(in, "\""))
         - (in[strcspn(in, "\"") - 1] == '=') - (in[strcspn(in, "\"") - 2] == '=');
}

/* All that a script sends, as one answer with the connection closed behind. */
static size_t bytes_of_script(const char *line, char *out)
{
    size_t len = 0;

    for (const char *at = line; (at = strstr(at, "\"send_b64\": \"")); at++)
        len += add_base64(at + 13, out + len);
    return len;
}

TEST("recorded faults of providers end once each, however they are cut")
{
    static char line[1 << 18], bytes[1 << 18], path[512];
    const char *dir = check_data_dir();
    int seen = 0;

    if (!CHECK(true) || !dir)
        return;
    snprintf(path, sizeof path, "%s/abuse/provider/fault_scripts.jsonl", dir);
    FILE *f = fopen(path, "r");
    if (!CHECK(f != NULL))
        return;
    while (fgets(line, sizeof line, f)) {
        struct answer a = { .bytes = bytes, .len = bytes_of_script(line, bytes), .after = CLOSE };
        if (!a.len)
            continue;
        seen++;
        EACH_KIND(k) {
            for (a.cut = 0; a.cut < 3000; a.cut += 997) {
                char title[80];
                set_up(k);
                snprintf(title, sizeof title, "%s, %.40s", k->name, line + 9);
                check_context = title;
                script_of(&a, 1);
                get(&one);
                CHECK_INT(one.ends + one.fails, 1);
                CHECK_INT(one.heads, strstr(line, "header-10mb") == NULL);
                CHECK_INT(busy_count(), 0);
                take_down();
            }
        }
    }
    fclose(f);
    CHECK(seen > 40);
}

/* ---- pausing ---- */

TEST("while paused nothing is given, little is read, and all comes after resuming")
{
    enum { SIZE = 32 << 20, KERNEL = 20 << 20 };
    static const struct answer a = {
        .bytes = "HTTP/1.1 200 OK\r\nContent-Length: 33554432\r\n\r\n", .then_fill = SIZE,
    };

    EACH_KIND(k) {
        set_up(k);
        script_of(&a, 1);
        reset_asker(&one);
        one.pauses = true;
        CHECK(open_request(&one, "GET", NULL, 0));
        TURN_UNTIL(one.is_paused);
        size_t had = one.body_bytes, filled = 0;
        do {
            filled = rig.server.filled;
            for (int i = 0; i < 20; i++)
                tg_loop_turn(rig.loop, 1);
        } while (rig.server.filled != filled);
        CHECK_INT(one.body_bytes, had);
        CHECK(rig.server.filled < KERNEL);

        one.pauses = one.is_paused = false;
        tg_upstream_resume(one.up);
        TURN_UNTIL(is_over(&one));
        CHECK_INT(one.ends, 1);
        CHECK_INT(one.body_bytes, SIZE);
        take_down();
    }
}

TEST("pausing at every piece gives the same bytes in the same order")
{
    EACH_KIND(k) {
        set_up(k);
        SCRIPT({ .bytes = CHUNKED }, { .bytes = HELLO }, { .bytes = CHUNKED, .cut = 1 },
               { .bytes = "HTTP/1.1 200 OK\r\n\r\nhello", .after = CLOSE });
        for (int i = 0; i < 4; i++) {
            reset_asker(&one);
            one.pauses = true;
            CHECK(open_request(&one, "GET", NULL, 0));
            int pauses = 0;
            while (!is_over(&one) && pauses < 100) {
                TURN_UNTIL(one.is_paused || is_over(&one));
                if (is_over(&one))
                    break;
                for (int n = 0; n < 5; n++)
                    tg_loop_turn(rig.loop, 0);
                CHECK(!is_over(&one));    /* not even the end while paused */
                pauses++;
                one.is_paused = false;
                tg_upstream_resume(one.up);
                CHECK(!is_over(&one));    /* not from inside resume */
            }
            CHECK_STR(body_of(&one), "hello");
            CHECK_INT(one.ends, 1);
            CHECK(pauses >= 1);
        }
        take_down();
    }
}

TEST("a provider that floods leaves the loop its turns")
{
    static const struct answer a = {
        .bytes = "HTTP/1.1 200 OK\r\nContent-Length: 33554432\r\n\r\n", .then_fill = 32 << 20,
    };

    EACH_KIND(k) {
        set_up(k);
        script_of(&a, 1);
        reset_asker(&one);
        CHECK(open_request(&one, "GET", NULL, 0));
        size_t before = 0, most = 0;
        uint64_t until = tg_clock_ms() + PATIENCE_MS;
        while (!is_over(&one) && tg_clock_ms() < until) {
            tg_loop_turn(rig.loop, 20);
            if (one.body_bytes - before > most)
                most = one.body_bytes - before;
            before = one.body_bytes;
        }
        CHECK_INT(one.body_bytes, 32 << 20);
        /* libcurl reads a hundred times before it looks up. */
        CHECK(most <= (k->impl == &tg_upstream_h1 ? 512 << 10 : 8 << 20));
        take_down();
    }
}

/* ---- cancelling ---- */

TEST("a request may be cancelled after any number of turns, and its connection closes")
{
    EACH_KIND(k) {
        for (int turns = 0; turns < 25; turns++) {
            set_up(k);
            SCRIPT({ .bytes = "HTTP/1.1 200 OK\r\nContent-Length: 50\r\n\r\nhello", .cut = 4 });
            reset_asker(&one);
            CHECK(open_request(&one, "GET", NULL, 0));
            for (int i = 0; i < turns && !is_over(&one); i++)
                tg_loop_turn(rig.loop, 2);
            CHECK(!is_over(&one));
            tg_upstream_cancel(one.up);
            CHECK_INT(busy_count(), 0);
            TURN_UNTIL(rig.server.open == 0);
            CHECK(!is_over(&one));
            take_down();
        }
    }
}

TEST("a request may be cancelled from each of its handlers")
{
    EACH_KIND(k) {
        for (enum moment m = CONNECTED; m <= BODY; m++) {
            set_up(k);
            SCRIPT({ .bytes = CHUNKED, .cut = 7 });
            reset_asker(&one);
            one.cancels_at = m;
            CHECK(open_request(&one, "GET", NULL, 0));
            TURN_UNTIL(!one.up);
            TURN_UNTIL(rig.server.open == 0);
            CHECK(!is_over(&one));
            CHECK_INT(one.heads, m >= HEAD);
            CHECK_INT(busy_count(), 0);
            take_down();
        }
    }
}

TEST("a request may be cancelled from the handler of another")
{
    EACH_KIND(k) {
        set_up(k);
        SCRIPT({ .bytes = HELLO, .cut = 1 });
        reset_asker(&one);
        reset_asker(&two);
        one.cancels = &two;
        two.cancels = &one;
        CHECK(open_request(&one, "GET", NULL, 0));
        CHECK(open_request(&two, "GET", NULL, 0));
        TURN_UNTIL(one.ends || two.ends);
        for (int i = 0; i < 10; i++)
            tg_loop_turn(rig.loop, 0);
        CHECK_INT(one.ends + two.ends, 1);
        CHECK_INT(one.fails + two.fails, 0);
        take_down();
    }
}

TEST("requests cancelled within their answers leave nothing behind for later ones")
{
    static struct asker many[4];

    EACH_KIND(k) {
        set_up(k);
        SCRIPT({ .bytes = "HTTP/1.1 200 OK\r\nContent-Length: 50\r\n\r\nhello" });
        for (int round = 0; round < 3; round++) {
            for (int i = 0; i < 4; i++) {
                reset_asker(&many[i]);
                CHECK(open_request(&many[i], "GET", NULL, 0));
            }
            for (int i = 0; i < 4; i++) {
                TURN_UNTIL(many[i].body_bytes == 5);
                tg_upstream_cancel(many[i].up);
            }
        }
        SCRIPT({ .bytes = HELLO });
        get(&one);
        CHECK_STR(body_of(&one), "hello");
        TURN_UNTIL(rig.server.open == 1);
        take_down();
    }
}

TEST("a set may be freed with requests in every state")
{
    static struct asker many[12];

    EACH_KIND(k) {
        set_up(k);
        SCRIPT({ .bytes = "HTTP/1.1 200 OK\r\nContent-Length: 50\r\n\r\nhello", .cut = 4 });
        for (int i = 0; i < 12; i++) {
            reset_asker(&many[i]);
            CHECK(open_request(&many[i], "GET", NULL, 0));
            tg_loop_turn(rig.loop, 1);
        }
        take_down();
        for (int i = 0; i < 12; i++)
            CHECK(!is_over(&many[i]));
    }
}

/* ---- which implementation ---- */

static void use_proxy(bool is_tls)
{
    static char proxy[64];

    set_up(&kinds[0]);
    tg_upstreams_force(rig.set, NULL);
    snprintf(proxy, sizeof proxy, "http://127.0.0.1:%u", tg_addr_port(&rig.server.addr));
    rig.origin.proxy = tg_str_of(proxy);
    rig.origin.url.is_tls = is_tls;
    rig.origin.url.host = TG_STR("localhost");
    rig.origin.url.port = is_tls ? 443 : 80;
    SCRIPT({ .bytes = HELLO });
}

TEST("an HTTP proxy is asked for the whole URL")
{
    static const struct tg_str piece = { "body", 4 };

    use_proxy(false);
    reset_asker(&one);
    ask(&one, "POST", &piece, 1);
    CHECK_STR(body_of(&one), "hello");
    CHECK_INT(rig.server.tunnels, 0);
    rig.server.last[rig.server.last_len] = '\0';
    CHECK(strstr(rig.server.last, "POST http://localhost") == rig.server.last);
    CHECK(strstr(rig.server.last, "/v1/chat?x=1 HTTP/1.1\r\n"));
    CHECK(strstr(rig.server.last, "\r\nHost: provider.test\r\n"));
    take_down();
}

TEST("TLS goes through a proxy in a tunnel, verified end to end, and the tunnel is kept")
{
    use_proxy(true);
    get(&one);
    CHECK_STR(tg_str_of(one.why), "");
    CHECK_STR(body_of(&one), "hello");
    CHECK_INT(one.heads, 1);    /* the proxy's own answer is not one */
    get(&two);
    CHECK_STR(body_of(&two), "hello");
    CHECK_INT(two.reused, 1);
    CHECK_INT(rig.server.tunnels, 1);
    CHECK(memcmp(rig.server.last, "GET /v1/chat?x=1 HTTP/1.1\r\n", 27) == 0);

    rig.origin.url.host = TG_STR("example.com");    /* the proxy's certificate is not for it */
    get(&one);
    CHECK_INT(one.err, TG_ETLS);
    take_down();
}

TEST("a proxy that refuses, or is not there, is a failure to connect")
{
    use_proxy(false);
    rig.origin.proxy = TG_STR("http://127.0.0.1:1");
    get(&one);
    CHECK_INT(one.err, TG_ECONNECT);
    take_down();
}

TEST("a host that is said to speak HTTP/2 may turn out not to")
{
    set_up(&kinds[1]);
    tg_upstreams_force(rig.set, NULL);
    rig.origin.wants_http2 = true;
    SCRIPT({ .bytes = HELLO });
    get(&one);
    CHECK_STR(body_of(&one), "hello");
    take_down();
}

TEST("a proxy of the environment is nobody's wish")
{
    setenv("http_proxy", "http://127.0.0.1:1", 1);
    set_up(&kinds[2]);
    SCRIPT({ .bytes = HELLO });
    get(&one);
    CHECK_STR(body_of(&one), "hello");
    take_down();
    unsetenv("http_proxy");
}

/* ---- out of memory ---- */

static tg_err ask_once(void)
{
    reset_asker(&one);
    if (!open_request(&one, "GET", NULL, 0))
        return TG_ENOMEM;
    uint64_t until = tg_clock_ms() + PATIENCE_MS;
    while (!is_over(&one) && tg_clock_ms() < until)
        tg_loop_turn(rig.loop, 20);
    CHECK(is_over(&one));
    return one.err;
}

TEST("every refused allocation is told, and nothing is lost")
{
    EACH_KIND(k) {
        set_up(k);
        SCRIPT({ .bytes = "HTTP/1.1 200 OK\r\nContent-Length: 5\r\nConnection: close\r\n\r\nhello",
                 .cut = 11 });
        CHECK_INT(ask_once(), TG_OK);    /* so that the loop's own tables have grown */
        CHECK_EVERY_ALLOCATION(ask_once());
        CHECK_INT(busy_count(), 0);
        take_down();
    }
}

TEST_MAIN
