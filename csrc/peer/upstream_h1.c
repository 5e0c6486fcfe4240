/* upstream_h1.c -- HTTP/1.1 to providers over kept connections.
 *
 *     set ---- pool (one an origin) ---- conn (a socket, perhaps with TLS)
 *       \                                  |
 *        +---- exchange (a request) -------+   while one serves the other
 *
 * Everything happens from three places: a socket's event, an answer of the
 * resolver, and the set's one timer, which runs whatever was made ready (new
 * requests, resumed ones, those with more to read) and closes what idled too
 * long. Each enters one exchange with enter() and ends with leave(): an
 * exchange that is over in between is freed there, so that code behind a
 * handler only has to ask is_over(). */

#include <errno.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include "base/buf.h"
#include "base/hash.h"
#include "base/mem.h"
#include "os/net.h"
#include "os/resolve.h"
#include "peer/upstream_impl.h"

enum {
    READS_A_TURN   = 4,          /* then the others get their turn */
    INTERIM_MAX    = 16,         /* 1xx answers before the real one */
    POOL_BUCKETS   = 64,
    WHY_BYTES      = 320
};

enum state {
    NEW,                         /* waits for the set's timer */
    RESOLVING,
    CONNECTING,
    HANDSHAKING,
    TALKING,
    OVER
};

struct exchange;

struct conn {
    struct tg_watch  watch;      /* first: the loop's handler gets this */
    struct set      *set;
    struct pool     *pool;
    struct exchange *exchange;   /* NULL: kept, and in both lists of idle ones */
    struct tg_tls   *tls;
    bool             readable;   /* there may be bytes that were not asked for */
    bool             closed;     /* the peer's end is in the kernel: read up to it */
    uint64_t         until_ms;
    struct conn     *pool_newer, *pool_older;
    struct conn     *set_newer, *set_older;
};

struct pool {                    /* lives while it has connections or exchanges */
    struct pool   *next;
    struct tg_url  url;          /* host is a view of `host` below */
    bool           public_only;
    size_t         users;
    size_t         idle_count;
    struct conn   *newest, *oldest;
    char           host[];
};

struct exchange {
    struct tg_upstream  up;      /* first: what the caller holds */
    struct tg_upstream_handler handler;
    struct set         *set;
    struct pool        *pool;
    struct conn        *conn;
    struct exchange    *newer, *older;             /* all of the set */
    struct exchange    *ready_next, *ready_before;
    bool                is_ready;
    enum state          state;

    bool reused;                 /* the connection served others before */
    bool replaced;               /* one that was closed has been replaced already */
    bool told_connected, told_sent;
    bool sent;                   /* all pieces are written */
    bool write_failed;
    bool answered;               /* a byte of the answer came */
    bool has_head;
    bool keep_alive;
    bool is_head;                /* the method is HEAD */
    bool paused;
    uint8_t interim;

    size_t              piece, offset;             /* what to write next */
    size_t              seen;                      /* of the answer's head */
    struct tg_http1_body body;
    struct tg_buf       held;    /* read and not used: part of a head, or paused */

    struct tg_resolve   resolve;
    size_t              next_addr, tried;
    int                 why_errno;                 /* of the last address tried */
    struct tg_addr      tried_addr;
    struct tg_resolve_answer answer;

    size_t              pieces_count;
    struct tg_str       pieces[];                  /* [0] is the head, behind the array */
};

struct set {
    struct tg_loop        *loop;
    struct tg_tls_context *tls;
    struct tg_timer        timer;                  /* always set */
    struct pool           *pools[POOL_BUCKETS];
    struct conn           *newest, *oldest;        /* idle ones */
    size_t                 idle_count, busy_count;
    struct exchange       *exchanges;
    struct exchange       *ready_first, *ready_last;
    size_t                 ready_count;
    struct exchange       *entered;
    struct tg_http1_head   head;
    char                   bytes[TG_UPSTREAM_READ_BYTES];
};

static void on_socket(struct tg_watch *w, unsigned what);
static void connect_next(struct exchange *x);

static bool is_over(const struct exchange *x)
{
    return x->state == OVER;
}

/* ---- pools ---- */

static struct pool **bucket(struct set *s, const struct tg_url *url)
{
    uint64_t h = tg_hash_stable(url->host);

    return &s->pools[(h ^ url->port) % POOL_BUCKETS];
}

static bool is_of(const struct pool *p, const struct tg_origin *o)
{
    return p->url.port == o->url.port && p->url.is_tls == o->url.is_tls
        && p->public_only == o->public_only && tg_str_eq(p->url.host, o->url.host);
}

static struct pool *pool_of(struct set *s, const struct tg_origin *o)
{
    struct pool **first = bucket(s, &o->url), *p;

    for (p = *first; p; p = p->next)
        if (is_of(p, o))
            return p;
    p = tg_zalloc(sizeof *p + o->url.host.len);
    if (!p)
        return NULL;
    memcpy(p->host, o->url.host.at, o->url.host.len);
    p->url = (struct tg_url){
        .is_tls = o->url.is_tls,
        .host = { p->host, o->url.host.len },
        .port = o->url.port,
    };
    p->public_only = o->public_only;
    p->next = *first;
    *first = p;
    return p;
}

static void leave_pool(struct set *s, struct pool *p)
{
    if (--p->users)
        return;
    struct pool **at = bucket(s, &p->url);
    while (*at != p)
        at = &(*at)->next;
    *at = p->next;
    tg_free(p);
}

/* ---- connections ---- */

static void list_idle(struct conn *c)
{
    struct pool *p = c->pool;
    struct set *s = c->set;

    c->pool_newer = c->set_newer = NULL;
    c->pool_older = p->newest;
    c->set_older = s->newest;
    *(p->newest ? &p->newest->pool_newer : &p->oldest) = c;
    *(s->newest ? &s->newest->set_newer : &s->oldest) = c;
    p->newest = s->newest = c;
    p->idle_count++;
    s->idle_count++;
}

static void unlist_idle(struct conn *c)
{
    struct pool *p = c->pool;
    struct set *s = c->set;

    *(c->pool_newer ? &c->pool_newer->pool_older : &p->newest) = c->pool_older;
    *(c->pool_older ? &c->pool_older->pool_newer : &p->oldest) = c->pool_newer;
    *(c->set_newer ? &c->set_newer->set_older : &s->newest) = c->set_older;
    *(c->set_older ? &c->set_older->set_newer : &s->oldest) = c->set_newer;
    p->idle_count--;
    s->idle_count--;
}

static void close_conn(struct conn *c)
{
    struct set *s = c->set;

    if (c->exchange) {
        c->exchange->conn = NULL;
        s->busy_count--;
    } else {
        unlist_idle(c);
    }
    tg_loop_remove(s->loop, &c->watch);
    tg_tls_free(c->tls);
    tg_net_close(c->watch.fd);
    leave_pool(s, c->pool);
    tg_free(c);
}

/* Takes the descriptor, also when it fails. */
static tg_err make_conn(struct exchange *x, int fd)
{
    struct conn *c = tg_zalloc(sizeof *c);

    if (!c) {
        tg_net_close(fd);
        return TG_ENOMEM;
    }
    c->watch = (struct tg_watch){ .fd = fd, .on = on_socket };
    tg_err err = tg_loop_add(x->set->loop, &c->watch);
    if (err) {
        tg_net_close(fd);
        tg_free(c);
        return err;
    }
    c->set = x->set;
    c->pool = x->pool;
    c->pool->users++;
    c->exchange = x;
    x->conn = c;
    x->set->busy_count++;
    return TG_OK;
}

static tg_err read_conn(struct conn *c, size_t *n, bool *cut)
{
    tg_err err;

    *cut = false;
    if (c->tls)
        err = tg_tls_read(c->tls, c->set->bytes, sizeof c->set->bytes, n, cut);
    else
        err = tg_net_read(c->watch.fd, c->set->bytes, sizeof c->set->bytes, n);
    /* Less than there was room for was all there is, but for the end. */
    if (err || (!c->tls && *n < sizeof c->set->bytes && !c->closed))
        c->readable = false;
    return err;
}

/* May it serve another request? Not with an end or with bytes nobody asked for:
 * they would be taken for the next answer. */
static bool is_quiet(struct conn *c)
{
    size_t n;
    bool cut;

    return !c->closed && (!c->readable || read_conn(c, &n, &cut) == TG_AGAIN);
}

static void keep_conn(struct conn *c)
{
    struct set *s = c->set;

    c->exchange->conn = NULL;
    c->exchange = NULL;
    s->busy_count--;
    c->until_ms = tg_loop_ms(s->loop) + TG_UPSTREAM_IDLE_MS;
    list_idle(c);
    if (c->pool->idle_count > TG_UPSTREAM_IDLE_MAX)
        close_conn(c->pool->oldest);
}

static bool take_kept(struct exchange *x)
{
    struct conn *c = x->pool->newest;

    if (!c)
        return false;
    unlist_idle(c);
    c->exchange = x;
    x->conn = c;
    x->reused = true;
    x->set->busy_count++;
    return true;
}

/* ---- the life of an exchange ---- */

static void make_ready(struct exchange *x)
{
    struct set *s = x->set;

    if (x->is_ready)
        return;
    x->is_ready = true;
    x->ready_next = NULL;
    x->ready_before = s->ready_last;
    *(s->ready_last ? &s->ready_last->ready_next : &s->ready_first) = x;
    s->ready_last = x;
    s->ready_count++;
    tg_loop_at(s->loop, &s->timer, tg_loop_ms(s->loop));
}

static void unready(struct exchange *x)
{
    struct set *s = x->set;

    if (!x->is_ready)
        return;
    x->is_ready = false;
    *(x->ready_before ? &x->ready_before->ready_next : &s->ready_first) = x->ready_next;
    *(x->ready_next ? &x->ready_next->ready_before : &s->ready_last) = x->ready_before;
    s->ready_count--;
}

/* Let go of everything but the memory. */
static void end_exchange(struct exchange *x)
{
    struct set *s = x->set;

    x->state = OVER;
    unready(x);
    tg_resolve_cancel(&x->resolve);
    if (x->conn)
        close_conn(x->conn);
    *(x->newer ? &x->newer->older : &s->exchanges) = x->older;
    if (x->older)
        x->older->newer = x->newer;
    leave_pool(s, x->pool);
    tg_buf_done(&x->held);
}

static void enter(struct exchange *x)
{
    x->set->entered = x;
}

static void leave(struct exchange *x)
{
    x->set->entered = NULL;
    if (is_over(x))
        tg_free(x);
}

static void fail(struct exchange *x, tg_err err, const char *why)
{
    end_exchange(x);
    x->handler.on_fail(x->handler.arg, err, why);
}

static void fail_errno(struct exchange *x, tg_err err, const char *what, int why)
{
    char text[WHY_BYTES];

    if (x->conn && x->conn->tls && *tg_tls_why(x->conn->tls))
        snprintf(text, sizeof text, "%s: %s", what, tg_tls_why(x->conn->tls));
    else
        snprintf(text, sizeof text, "%s: %s", what,
                 why ? strerror(why) : "the provider closed the connection");
    fail(x, err, text);
}

/* The connection that was kept had been closed meanwhile: nobody saw the
 * request, so begin anew on a fresh one. */
static bool replace(struct exchange *x)
{
    if (!x->reused || x->replaced || x->answered)
        return false;
    close_conn(x->conn);
    x->replaced = true;
    x->reused = x->sent = x->write_failed = false;
    x->piece = x->offset = 0;
    x->state = NEW;
    make_ready(x);
    return true;
}

/* ---- the answer ---- */

static void tell_sent(struct exchange *x)
{
    if (x->told_sent)
        return;
    x->told_sent = true;
    if (x->handler.on_sent)
        x->handler.on_sent(x->handler.arg);
}

/* Keep what was read and not used; `bytes` may be a part of what is held. */
static void hold(struct exchange *x, struct tg_str bytes)
{
    if (x->held.len) {
        tg_buf_eat(&x->held, x->held.len - bytes.len);
        return;
    }
    if (tg_buf_str(&x->held, bytes))
        fail(x, TG_ENOMEM, "out of memory for the answer");
}

static void finish(struct exchange *x, bool bytes_behind)
{
    struct conn *c = x->conn;

    if (x->keep_alive && x->sent && !bytes_behind && is_quiet(c))
        keep_conn(c);
    end_exchange(x);
    x->handler.on_end(x->handler.arg);
}

static void take_body(struct exchange *x, struct tg_str in)
{
    struct tg_str out;

    while (!x->paused) {
        tg_err err = tg_http1_body_next(&x->body, &in, &out);
        if (err == TG_AGAIN) {
            tg_buf_done(&x->held);
            return;
        }
        if (err) {
            fail(x, TG_EPEER, "the framing of the answer's body is broken");
            return;
        }
        if (!out.len) {
            finish(x, in.len > 0);
            return;
        }
        x->handler.on_body(x->handler.arg, out);
        if (is_over(x))
            return;
    }
    hold(x, in);
}

static void take_final_head(struct exchange *x, const struct tg_http1_head *h, struct tg_str rest)
{
    x->has_head = true;
    x->keep_alive = h->keep_alive;
    tg_http1_body_init(&x->body, h);
    x->handler.on_head(x->handler.arg, h);
    if (!is_over(x))
        take_body(x, rest);
}

/* More of a head, put together when it came in parts. */
static void take_head(struct exchange *x, struct tg_str in)
{
    struct tg_http1_head *h = &x->set->head;

    for (;;) {
        tg_err err = tg_http1_response(in, &x->seen, x->is_head, h);
        if (err == TG_AGAIN && in.len < TG_HTTP1_HEAD_MAX) {
            hold(x, in);
            return;
        }
        if (err) {
            bool big = err != TG_EINVAL;
            fail(x, big ? TG_ETOOBIG : TG_EPEER,
                 big ? "the head of the answer is too big" : "the answer is not HTTP/1.1");
            return;
        }
        struct tg_str rest = { in.at + h->head_bytes, in.len - h->head_bytes };
        if (h->status >= 200) {
            take_final_head(x, h, rest);
            return;
        }
        if (h->status == 101 || ++x->interim > INTERIM_MAX) {
            fail(x, TG_EPEER, h->status == 101 ? "the provider wants to switch protocols"
                                               : "the provider sends interim answers only");
            return;
        }
        x->seen = 0;
        in = rest;
    }
}

static void take_bytes(struct exchange *x, struct tg_str in)
{
    if (!x->answered) {
        x->answered = true;
        if (x->sent)
            tell_sent(x);
        if (is_over(x))
            return;
    }
    if (x->held.len) {
        if (tg_buf_str(&x->held, in)) {
            fail(x, TG_ENOMEM, "out of memory for the answer");
            return;
        }
        in = tg_buf_view(&x->held);
    }
    if (x->has_head)
        take_body(x, in);
    else
        take_head(x, in);
}

static void take_end(struct exchange *x, bool cut, int why)
{
    if (replace(x))
        return;
    if (x->has_head && !why && !cut && tg_http1_body_whole_at_close(&x->body)) {
        x->keep_alive = false;
        finish(x, false);
        return;
    }
    fail_errno(x, TG_EPEER, x->has_head ? "the answer broke off" : "no answer", why);
}

static void read_on(struct exchange *x)
{
    for (int i = 0; !is_over(x) && x->conn && x->conn->readable && !x->paused; i++) {
        size_t n;
        bool cut;

        if (i == READS_A_TURN) {
            make_ready(x);
            return;
        }
        tg_err err = read_conn(x->conn, &n, &cut);
        if (err == TG_AGAIN)
            return;
        if (err)
            take_end(x, cut, x->conn->tls ? 0 : errno);
        else
            take_bytes(x, (struct tg_str){ x->set->bytes, n });
    }
}

/* ---- the request ---- */

static tg_err write_conn(struct exchange *x, size_t *n)
{
    struct tg_str *first = &x->pieces[x->piece], whole = *first;
    struct conn *c = x->conn;
    size_t count = x->pieces_count - x->piece;
    tg_err err;

    first->at += x->offset, first->len -= x->offset;
    if (c->tls)
        err = tg_tls_write(c->tls, first, count, n);
    else
        err = tg_net_write(c->watch.fd, first, count, n);
    *first = whole;
    return err;
}

static void advance(struct exchange *x, size_t n)
{
    x->offset += n;
    while (x->piece < x->pieces_count && x->offset >= x->pieces[x->piece].len)
        x->offset -= x->pieces[x->piece++].len;
}

/* Whoever may have to send it again on a fresh connection does not tell that
 * it was sent. */
static void write_on(struct exchange *x)
{
    while (!x->sent && !x->write_failed) {
        size_t n;
        tg_err err = write_conn(x, &n);

        if (err == TG_AGAIN)
            return;
        if (err) {
            /* An answer may have come before the peer closed: let reading tell. */
            x->write_failed = true;
            x->conn->readable = x->conn->closed = true;
            return;
        }
        advance(x, n);
        x->sent = x->piece == x->pieces_count;
    }
    if (x->sent && (!x->reused || x->answered))
        tell_sent(x);
}

static void talk(struct exchange *x)
{
    x->state = TALKING;
    if (!x->told_connected) {
        x->told_connected = true;
        if (x->handler.on_connected)
            x->handler.on_connected(x->handler.arg, x->reused);
        if (is_over(x))
            return;
    }
    write_on(x);
    if (!is_over(x))
        read_on(x);
}

/* ---- the way there ---- */

static void shake_hands(struct exchange *x)
{
    tg_err err = tg_tls_handshake(x->conn->tls);

    if (err == TG_AGAIN)
        return;
    if (err) {
        char why[WHY_BYTES];
        snprintf(why, sizeof why, "%s", tg_tls_why(x->conn->tls));
        fail(x, err, why);
        return;
    }
    /* The peer's first bytes may have come with the end of the handshake. */
    x->conn->readable = true;
    talk(x);
}

static void connected(struct exchange *x)
{
    if (!x->pool->url.is_tls) {
        talk(x);
        return;
    }
    x->conn->tls = x->set->tls ? tg_tls_new(x->set->tls, x->conn->watch.fd, x->pool->url.host)
                               : NULL;
    if (!x->conn->tls) {
        fail(x, TG_ETLS, "TLS cannot begin");
        return;
    }
    x->state = HANDSHAKING;
    shake_hands(x);
}

static void look_if_connected(struct exchange *x)
{
    if (tg_net_connected(x->conn->watch.fd) == TG_OK) {
        connected(x);
        return;
    }
    x->why_errno = errno;
    close_conn(x->conn);
    connect_next(x);
}

static void fail_unconnected(struct exchange *x)
{
    char text[WHY_BYTES], addr[TG_ADDR_TEXT_MAX];

    if (!x->tried) {
        fail(x, TG_ECONNECT, "the host has no public address");
        return;
    }
    tg_addr_put(&x->tried_addr, addr);
    snprintf(text, sizeof text, "connect to %s: %s", addr, strerror(x->why_errno));
    fail(x, TG_ECONNECT, text);
}

static void connect_next(struct exchange *x)
{
    while (x->next_addr < x->answer.count) {
        const struct tg_addr *a = &x->answer.addrs[x->next_addr++];
        struct tg_str ip = tg_addr_ip(a);
        int fd;

        if (x->pool->public_only && !tg_url_is_public((const unsigned char *)ip.at, ip.len))
            continue;
        x->tried++;
        x->tried_addr = *a;
        if (tg_net_connect(a, &fd)) {
            x->why_errno = errno;
            continue;
        }
        tg_err err = make_conn(x, fd);
        if (err)
            fail(x, err, "the connection cannot be watched");
        else
            x->state = CONNECTING;
        return;
    }
    fail_unconnected(x);
}

static void resolved(struct exchange *x)
{
    if (x->answer.err) {
        char text[WHY_BYTES];
        struct tg_str host = x->pool->url.host;

        snprintf(text, sizeof text, "the name %.*s has no address",
                 host.len < 200 ? (int)host.len : 200, host.at);
        fail(x, TG_ECONNECT, text);
        return;
    }
    x->next_addr = x->tried = 0;
    connect_next(x);
}

static void on_resolved(struct tg_resolve *r, const struct tg_resolve_answer *a)
{
    struct exchange *x = (struct exchange *)((char *)r - offsetof(struct exchange, resolve));

    enter(x);
    x->answer = *a;
    resolved(x);
    leave(x);
}

static void resolve(struct exchange *x)
{
    x->state = RESOLVING;
    x->resolve.on = on_resolved;
    tg_err err = tg_resolve_start(&x->resolve, x->set->loop, x->pool->url.host, x->pool->url.port,
                                  &x->answer);
    if (!err)
        resolved(x);
    else if (err != TG_AGAIN)
        fail(x, err, "the resolver cannot be asked");
}

static void begin(struct exchange *x)
{
    if (!x->replaced && take_kept(x))
        talk(x);
    else
        resolve(x);
}

/* ---- what comes from the loop ---- */

static void on_idle_socket(struct conn *c)
{
    if (!is_quiet(c))
        close_conn(c);
}

static void on_socket(struct tg_watch *w, unsigned what)
{
    struct conn *c = (struct conn *)w;
    struct exchange *x = c->exchange;

    if (what & TG_LOOP_READ)
        c->readable = true;
    if (what & TG_LOOP_HUP)
        c->closed = true;
    if (c->tls && what & TG_LOOP_READ)
        tg_tls_arrived(c->tls, c->closed);
    if (!x) {
        on_idle_socket(c);
        return;
    }
    enter(x);
    if (x->state == TALKING)
        talk(x);
    else if (x->state == HANDSHAKING)
        shake_hands(x);
    else if (what & (TG_LOOP_WRITE | TG_LOOP_HUP))
        look_if_connected(x);
    leave(x);
}

static void go_on(struct exchange *x)
{
    enter(x);
    if (x->state == NEW) {
        begin(x);
    } else if (x->state == TALKING && !x->paused) {
        if (x->has_head)
            take_body(x, tg_buf_view(&x->held));
        if (!is_over(x) && x->conn)
            read_on(x);
    }
    leave(x);
}

static void close_aged(struct set *s)
{
    uint64_t now = tg_loop_ms(s->loop);

    while (s->oldest && s->oldest->until_ms <= now)
        close_conn(s->oldest);
}

/* The timer is set again before anything is called: it must never be without
 * its place in the loop, where setting it could need memory. */
static void on_timer(struct tg_timer *t)
{
    struct set *s = (struct set *)((char *)t - offsetof(struct set, timer));
    uint64_t now = tg_loop_ms(s->loop);

    close_aged(s);
    tg_loop_at(s->loop, t, s->oldest ? s->oldest->until_ms : now + TG_UPSTREAM_IDLE_MS);
    for (size_t left = s->ready_count; left && s->ready_first; left--) {
        struct exchange *x = s->ready_first;
        unready(x);
        go_on(x);
    }
}

/* ---- the interface ---- */

static void *set_new(struct tg_loop *loop, struct tg_tls_context *tls)
{
    struct set *s = tg_zalloc(sizeof *s);

    if (!s)
        return NULL;
    s->loop = loop;
    s->tls = tls;
    s->timer.on = on_timer;
    if (tg_loop_at(loop, &s->timer, tg_loop_ms(loop) + TG_UPSTREAM_IDLE_MS)) {
        tg_free(s);
        return NULL;
    }
    return s;
}

static void set_free(void *set)
{
    struct set *s = set;

    while (s->exchanges) {
        struct exchange *x = s->exchanges;
        end_exchange(x);
        tg_free(x);
    }
    while (s->oldest)
        close_conn(s->oldest);
    tg_loop_at(s->loop, &s->timer, 0);
    tg_free(s);
}

static void count(const void *set, size_t *idle, size_t *busy)
{
    const struct set *s = set;

    *idle = s->idle_count;
    *busy = s->busy_count;
}

/* One block: the exchange, its pieces, and the bytes of the head. */
static struct exchange *make_exchange(const struct tg_upstream_request *r)
{
    char length[40] = "";
    int length_len = 0;

    if (r->has_body)
        length_len = snprintf(length, sizeof length, "Content-Length: %zu\r\n", r->body_bytes);
    size_t count_all = 1 + (r->has_body ? r->pieces_count : 0);
    size_t head_len = r->method.len + 1 + r->target.len + sizeof " HTTP/1.1\r\n" - 1
                    + r->fields.len + (size_t)length_len + 2;
    struct exchange *x = tg_alloc(sizeof *x + count_all * sizeof x->pieces[0] + head_len);
    if (!x)
        return NULL;
    memset(x, 0, offsetof(struct exchange, answer));
    x->pieces_count = count_all;
    char *head = (char *)&x->pieces[count_all], *to = head;
    const struct tg_str parts[] = {
        r->method, TG_STR(" "), r->target, TG_STR(" HTTP/1.1\r\n"), r->fields,
        { length, (size_t)length_len }, TG_STR("\r\n"),
    };
    for (size_t i = 0; i < sizeof parts / sizeof *parts; i++) {
        if (parts[i].len)
            memcpy(to, parts[i].at, parts[i].len);
        to += parts[i].len;
    }
    x->pieces[0] = (struct tg_str){ head, head_len };
    if (count_all > 1)
        memcpy(x->pieces + 1, r->pieces, (count_all - 1) * sizeof x->pieces[0]);
    return x;
}

static struct tg_upstream *open_h1(void *set, const struct tg_origin *origin,
                                   const struct tg_upstream_request *request,
                                   const struct tg_upstream_handler *handler)
{
    struct set *s = set;
    struct exchange *x = make_exchange(request);

    if (!x)
        return NULL;
    x->pool = pool_of(s, origin);
    if (!x->pool) {
        tg_free(x);
        return NULL;
    }
    x->pool->users++;
    x->up.impl = &tg_upstream_h1;
    x->handler = *handler;
    x->set = s;
    x->is_head = tg_str_is(request->method, "HEAD");
    x->older = s->exchanges;
    if (x->older)
        x->older->newer = x;
    s->exchanges = x;
    make_ready(x);
    return &x->up;
}

static void pause_h1(struct tg_upstream *up)
{
    ((struct exchange *)up)->paused = true;
}

static void resume_h1(struct tg_upstream *up)
{
    struct exchange *x = (struct exchange *)up;

    if (!x->paused)
        return;
    x->paused = false;
    if (x->state == TALKING)
        make_ready(x);
}

static void cancel_h1(struct tg_upstream *up)
{
    struct exchange *x = (struct exchange *)up;

    end_exchange(x);
    if (x->set->entered != x)
        tg_free(x);
}

const struct tg_upstream_impl tg_upstream_h1 = {
    set_new, set_free, count, open_h1, pause_h1, resume_h1, cancel_h1,
};
