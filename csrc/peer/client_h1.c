#include "peer/client_impl.h"

#include <assert.h>
#include <string.h>
#include <time.h>

#include "base/clock.h"
#include "base/mem.h"
#include "wire/fault.h"

enum { READ_BYTES = 64 * 1024, ACCEPTS_A_TURN = 64, READS_A_TURN = 16, RETRY_ACCEPT_MS = 100,
       LATE_MS = 1000 };

enum phase {
    HEAD,          /* waiting for a request, or in the middle of its head */
    BODY,
    SERVING,       /* the request is with the handler */
    FLUSHING,      /* the answer is over, bytes of it wait */
    LINGERING,     /* answered early: the rest of the request is read and dropped */
    CLOSED         /* freed at the end of the turn */
};

struct connection {
    struct tg_client client;               /* first: what others know of it */
    struct tg_watch  watch;
    struct tg_timer  timer;
    struct tg_clients *set;
    struct connection *prev, *next;         /* of all in the set, or of the dead */
    enum phase       phase;
    bool readable, fin, hup, keep_alive, chunked, is_head_request, begun, full, wrote_any;
    uint8_t          depth;                /* handlers of this client on the stack */
    size_t           seen;                 /* how far `in` was searched for the head's end */
    size_t           skip_bytes;           /* of a body that was answered without being read */
    struct tg_http1_body framing;
    struct tg_buf    in;                   /* head, when it came in several reads; else empty */
    struct tg_buf    body;
    struct tg_buf    out;                  /* queued answer */
    uint64_t         began_ms, due_ms, lingered_bytes;
    void            *attached;
};

struct tg_clients {
    struct tg_loop  *loop;
    struct tg_watch  listener;
    struct tg_timer  retry;                /* accepting again after running out of files */
    struct tg_clients_limits limits;
    struct tg_client_handler handler;
    struct connection *all, *dead;
    size_t           count;
    bool             draining, backlog_waits;
    char            *read_buffer;
    struct tg_http1_head head;             /* scratch: valid during one call */
    struct tg_buf    scratch, scratch_fields;
    time_t           date_s;
    char             date[40];
};

static void on_watch(struct tg_watch *w, unsigned what);
static void on_timer(struct tg_timer *t);
static void advance(struct connection *c);

#define FROM(ptr, member) ((struct connection *)((char *)(ptr) - offsetof(struct connection, member)))

static struct connection *of(struct tg_client *client)
{
    return (struct connection *)client;
}

static void arm(struct connection *c, uint64_t in_ms)
{
    /* A timer that cannot be set leaves a connection without a deadline;
     * closing it is the safe side. */
    c->due_ms = tg_loop_ms(c->set->loop) + in_ms;
    if (tg_loop_at(c->set->loop, &c->timer, c->due_ms) && c->phase < CLOSED)
        c->hup = true;
}

/* Let others have their turn first. The deadline stays what it was. */
static void go_on_later(struct connection *c)
{
    if (tg_loop_at(c->set->loop, &c->timer, tg_loop_ms(c->set->loop)))
        c->hup = true;
}

/* ---- life ---- */

static void unlink_client(struct connection *c)
{
    if (c->prev)
        c->prev->next = c->next;
    else
        c->set->all = c->next;
    if (c->next)
        c->next->prev = c->prev;
}

static void close_client(struct connection *c, bool reset)
{
    struct tg_clients *s = c->set;

    if (c->phase == CLOSED)
        return;
    c->phase = CLOSED;
    tg_loop_remove(s->loop, &c->watch);
    tg_loop_at(s->loop, &c->timer, 0);
    if (reset)
        tg_net_reset(c->watch.fd);
    else
        tg_net_close(c->watch.fd);
    tg_buf_done(&c->in);
    tg_buf_done(&c->body);
    tg_buf_done(&c->out);
    unlink_client(c);
    s->count--;
    c->next = s->dead;
    s->dead = c;
    if (s->backlog_waits && !s->draining)
        tg_loop_at(s->loop, &s->retry, tg_loop_ms(s->loop) + 1);
}

/* Clients are freed once nothing on the stack can hold them. */
static void bury_dead(struct tg_clients *s)
{
    struct connection **at = &s->dead;

    while (*at) {
        struct connection *c = *at;
        if (c->depth) {
            at = &c->next;
            continue;
        }
        *at = c->next;
        tg_free(c);
    }
}

static void tell_gone(struct connection *c)
{
    void *what = c->attached;

    c->attached = NULL;
    close_client(c, false);
    if (what)
        c->set->handler.on_gone(what);
}

static void add_client(struct tg_clients *s, int fd)
{
    struct connection *c = tg_zalloc(sizeof *c);

    if (!c) {
        tg_net_close(fd);
        return;
    }
    c->client.impl = &tg_client_h1;
    c->watch.fd = fd;
    c->watch.on = on_watch;
    c->timer.on = on_timer;
    c->set = s;
    if (tg_loop_add(s->loop, &c->watch)) {
        tg_net_close(fd);
        tg_free(c);
        return;
    }
    c->next = s->all;
    if (c->next)
        c->next->prev = c;
    s->all = c;
    s->count++;
    c->began_ms = tg_loop_ms(s->loop);
    arm(c, TG_CLIENT_HEAD_MS);
}

static void accept_some(struct tg_clients *s)
{
    int fd;

    s->backlog_waits = false;
    for (int i = 0; i < ACCEPTS_A_TURN; i++) {
        if (s->count >= s->limits.connections) {
            s->backlog_waits = true;
            return;
        }
        tg_err err = tg_net_accept(s->listener.fd, &fd, NULL);
        if (err == TG_AGAIN)
            return;
        if (err) {
            tg_loop_at(s->loop, &s->retry, tg_loop_ms(s->loop) + RETRY_ACCEPT_MS);
            return;
        }
        add_client(s, fd);
    }
    tg_loop_at(s->loop, &s->retry, tg_loop_ms(s->loop));
}

static void on_listener(struct tg_watch *w, unsigned what)
{
    struct tg_clients *s = (struct tg_clients *)((char *)w - offsetof(struct tg_clients, listener));

    accept_some(s);
}

static void on_retry(struct tg_timer *t)
{
    struct tg_clients *s = (struct tg_clients *)((char *)t - offsetof(struct tg_clients, retry));

    if (!s->draining)
        accept_some(s);
}

/* ---- writing ---- */

static const char *date_now(struct tg_clients *s)
{
    time_t now = (time_t)(tg_clock_wall_ms() / 1000);

    if (now != s->date_s) {
        struct tm t;
        s->date_s = now;
        gmtime_r(&now, &t);
        strftime(s->date, sizeof s->date, "%a, %d %b %Y %H:%M:%S GMT", &t);
    }
    return s->date;
}

/* The answer is out. A client that still sends can read it: a close with unread
 * bytes would reset the connection and take the answer along. */
static void linger(struct connection *c)
{
    tg_net_end(c->watch.fd);
    arm(c, TG_CLIENT_LINGER_MS);
}

static void flush(struct connection *c)
{
    bool moved = false;

    while (c->out.len) {
        struct tg_str piece = tg_buf_view(&c->out);
        size_t n = 0;
        tg_err err = tg_net_write(c->watch.fd, &piece, 1, &n);
        if (err == TG_AGAIN)
            break;
        if (err) {
            c->hup = true;
            return;
        }
        tg_buf_eat(&c->out, n);
        moved = true;
    }
    if (!c->out.len) {
        tg_buf_done(&c->out);
        if (c->phase == LINGERING)
            linger(c);
    } else if (moved || !c->timer.at_ms)
        arm(c, TG_CLIENT_WRITE_MS);
}

/* Write now what the kernel takes, queue the rest. Pieces are few. */
static void send_pieces(struct connection *c, const struct tg_str *pieces, size_t count)
{
    size_t sent = 0;

    if (c->hup)
        return;
    if (!c->out.len) {
        tg_err err = tg_net_write(c->watch.fd, pieces, count, &sent);
        if (err && err != TG_AGAIN) {
            c->hup = true;
            return;
        }
    }
    for (size_t i = 0; i < count; i++) {
        if (sent >= pieces[i].len) {
            sent -= pieces[i].len;
            continue;
        }
        tg_buf_add(&c->out, pieces[i].at + sent, pieces[i].len - sent);
        sent = 0;
    }
    if (c->out.bad)
        c->hup = true;
    if (c->out.len)
        arm(c, TG_CLIENT_WRITE_MS);
}

static void put_head(struct connection *c, struct tg_buf *out, int status, struct tg_str fields)
{
    tg_buf_z(out, "HTTP/1.1 ");
    tg_buf_u64(out, (uint64_t)status);
    tg_buf_char(out, ' ');
    tg_buf_z(out, tg_fault_phrase(status));
    tg_buf_z(out, "\r\nDate: ");
    tg_buf_z(out, date_now(c->set));
    tg_buf_z(out, "\r\n");
    tg_buf_str(out, fields);
    if (!c->keep_alive)
        tg_buf_z(out, "Connection: close\r\n");
}

/* The answer is over: the next request, or the end. */
static void answer_is_over(struct connection *c)
{
    bool early = c->phase == HEAD || c->phase == BODY;

    c->attached = NULL;
    c->begun = c->full = false;
    tg_buf_done(&c->body);
    if (c->hup) {
        close_client(c, false);
    } else if (early && !c->keep_alive) {
        c->phase = LINGERING;
        tg_buf_done(&c->in);
        if (!c->out.len)
            linger(c);
    } else {
        c->phase = FLUSHING;
    }
    if (!c->depth)
        advance(c);
}

static void reply(struct tg_client *client, int status, struct tg_str fields, struct tg_str body)
{
    struct connection *c = of(client);
    struct tg_buf *head = &c->set->scratch;

    if (c->set->draining)
        c->keep_alive = false;
    tg_buf_reset(head);
    put_head(c, head, status, fields);
    if (status != 204 && status != 304) {
        tg_buf_z(head, "Content-Length: ");
        tg_buf_u64(head, body.len);
        tg_buf_z(head, "\r\n");
    }
    tg_buf_z(head, "\r\n");
    if (head->bad)
        c->hup = true;
    struct tg_str pieces[2] = { tg_buf_view(head), body };
    send_pieces(c, pieces, c->is_head_request || !body.len ? 1 : 2);
    answer_is_over(c);
}

static void begin(struct tg_client *client, int status, struct tg_str fields)
{
    struct connection *c = of(client);
    if (c->set->draining)
        c->keep_alive = false;
    if (!c->chunked)
        c->keep_alive = false;
    put_head(c, &c->out, status, fields);
    tg_buf_z(&c->out, c->chunked ? "Transfer-Encoding: chunked\r\n\r\n" : "\r\n");
    c->begun = true;
    if (c->out.bad)
        c->hup = true;
}

static struct tg_str chunk_head(char text[24], size_t n)
{
    static const char digits[] = "0123456789abcdef";
    size_t i = 24;

    text[--i] = '\n';
    text[--i] = '\r';
    do
        text[--i] = digits[n & 15];
    while (n >>= 4);
    return (struct tg_str){ text + i, 24 - i };
}

/* The head waits in `out` for the first bytes, so that both leave together. */
static void send_chunk(struct connection *c, struct tg_str bytes, bool last)
{
    char size[24];
    struct tg_str pieces[5];
    struct tg_buf head = { 0 };
    size_t n = 0;

    if (c->begun && c->out.len && !c->wrote_any) {
        head = c->out;             /* not a queue yet */
        c->out = (struct tg_buf){ 0 };
        pieces[n++] = tg_buf_view(&head);
    }
    c->wrote_any = true;
    if (bytes.len) {
        if (c->chunked)
            pieces[n++] = chunk_head(size, bytes.len);
        pieces[n++] = bytes;
        if (c->chunked)
            pieces[n++] = last ? TG_STR("\r\n0\r\n\r\n") : TG_STR("\r\n");
    } else if (last && c->chunked) {
        pieces[n++] = TG_STR("0\r\n\r\n");
    }
    send_pieces(c, pieces, n);
    tg_buf_done(&head);
}

static bool send_piece(struct tg_client *client, struct tg_str bytes)
{
    struct connection *c = of(client);
    if (bytes.len)
        send_chunk(c, bytes, false);
    if (c->hup)
        arm(c, 0);                 /* on_gone comes from the loop */
    c->full = c->out.len > TG_CLIENT_QUEUE_FULL;
    return !c->full;
}

static void end(struct tg_client *client, struct tg_str last)
{
    struct connection *c = of(client);
    send_chunk(c, last, true);
    answer_is_over(c);
}

static void cut(struct tg_client *client)
{
    struct connection *c = of(client);
    c->attached = NULL;
    close_client(c, true);
}

/* ---- reading ---- */

/* Parse again what is kept: the head's views went with the read buffer. */
static bool restore_head(struct connection *c)
{
    struct tg_http1_fault fault;
    size_t seen = 0;

    return tg_http1_request(tg_buf_view(&c->in), &seen, &c->set->head, &fault) == TG_OK;
}

static void refuse_as(struct connection *c, const struct tg_http1_head *head, int status,
                      const char *why)
{
    struct tg_clients *s = c->set;
    struct tg_buf body = { 0 };

    c->keep_alive = false;
    tg_buf_reset(&s->scratch_fields);
    s->handler.on_fault(s->handler.arg, head, status, why, &s->scratch_fields, &body);
    reply(&c->client, status, tg_buf_view(&s->scratch_fields), tg_buf_view(&body));
    tg_buf_done(&body);
}

/* While a body is read its head is kept; before, there is none. */
static void refuse(struct connection *c, int status, const char *why)
{
    refuse_as(c, c->phase == BODY && restore_head(c) ? &c->set->head : NULL, status, why);
}

static void serve(struct connection *c, const struct tg_http1_head *head, struct tg_str body)
{
    struct tg_clients *s = c->set;

    c->phase = SERVING;
    c->wrote_any = false;
    tg_loop_at(s->loop, &c->timer, 0);
    s->handler.on_request(s->handler.arg, &c->client, head, body);
}

/* The request is whole; `rest` is what the client sent behind it. */
static void body_is_whole(struct connection *c, struct tg_str rest)
{
    bool inside = rest.at >= c->in.at && rest.at <= c->in.at + c->in.len;
    size_t before = inside ? (size_t)(rest.at - c->in.at) : 0;

    if (!restore_head(c)) {
        refuse(c, 400, "the head could not be read again");
        return;
    }
    serve(c, &c->set->head, tg_buf_view(&c->body));
    if (c->phase == CLOSED)
        return;
    if (inside) {
        tg_buf_eat(&c->in, before);
    } else {
        tg_buf_reset(&c->in);
        if (tg_buf_str(&c->in, rest))
            c->keep_alive = false;
    }
    if (!c->in.len)
        tg_buf_done(&c->in);
}

/* Take body bytes out of `in`. True when the request is whole. */
static bool take_body(struct connection *c, struct tg_str *in, const char **why, int *status)
{
    struct tg_str out;
    tg_err err;

    *status = 0;
    while ((err = tg_http1_body_next(&c->framing, in, &out)) == TG_OK && !c->framing.done) {
        if (c->body.len + out.len > c->set->limits.body_bytes) {
            *status = 413;
            *why = "the body is larger than limits.body allows";
            return false;
        }
        if (tg_buf_str(&c->body, out)) {
            *status = 500;
            *why = "out of memory";
            return false;
        }
    }
    if (err == TG_EINVAL || err == TG_ETOOBIG) {
        *status = 400;
        *why = "the chunked body is malformed";
    }
    return err == TG_OK && c->framing.done;
}

/* Does the whole body stand behind the head already, in one piece? */
static bool is_all_here(const struct tg_http1_head *h, struct tg_str in)
{
    if (h->framing == TG_HTTP1_NO_BODY)
        return true;
    return h->framing == TG_HTTP1_LENGTH && in.len - h->head_bytes >= h->body_bytes;
}

static void begin_body(struct connection *c, const struct tg_http1_head *h, struct tg_str in)
{
    const char *why;
    int status;

    c->phase = BODY;
    c->began_ms = tg_loop_ms(c->set->loop);
    tg_http1_body_init(&c->framing, h);
    bool wants_continue = h->expects_continue && h->minor > 0;
    if (in.at != c->in.at) {
        tg_buf_reset(&c->in);
        if (tg_buf_add(&c->in, in.at, h->head_bytes)) {
            close_client(c, true);
            return;
        }
    }
    struct tg_str rest = { in.at + h->head_bytes, in.len - h->head_bytes };
    if (h->framing == TG_HTTP1_LENGTH && tg_buf_reserve(&c->body, (size_t)h->body_bytes)) {
        tg_buf_reset(&c->body);
        refuse(c, 500, "out of memory");
        return;
    }
    bool whole = take_body(c, &rest, &why, &status);
    if (status) {
        refuse(c, status, why);
        return;
    }
    if (whole) {
        body_is_whole(c, rest);
        return;
    }
    c->in.len = h->head_bytes;
    if (wants_continue) {
        struct tg_str go = TG_STR("HTTP/1.1 100 Continue\r\n\r\n");
        send_pieces(c, &go, 1);
    }
    arm(c, TG_CLIENT_BODY_IDLE_MS);
}

/* Is so little of the body still to come that it can be read over? */
static bool can_skip(struct connection *c, const struct tg_http1_head *h, struct tg_str in)
{
    uint64_t all = h->head_bytes + h->body_bytes;

    if (h->framing != TG_HTTP1_LENGTH || h->expects_continue || all - in.len > TG_CLIENT_SKIP_BYTES)
        return false;
    c->skip_bytes = (size_t)(all - in.len);
    return true;
}

/* A whole head stands at the start of `in`. Returns how many bytes of it were
 * used up; the rest belongs to the next request. A body that has to be put
 * together looks after the rest itself. */
static size_t on_whole_head(struct connection *c, struct tg_str in)
{
    struct tg_clients *s = c->set;
    struct tg_http1_head *h = &s->head;

    c->keep_alive = h->keep_alive && !s->draining;
    c->chunked = h->minor > 0;
    c->is_head_request = tg_str_is(h->method, "HEAD");
    if (h->framing == TG_HTTP1_LENGTH && h->body_bytes > s->limits.body_bytes) {
        refuse_as(c, h, 413, "the body is larger than limits.body allows");
        return in.len;
    }
    /* An answer given now may leave body bytes unread: then it is the last. */
    bool keep = c->keep_alive;
    bool all_here = is_all_here(h, in);
    if (!all_here && !can_skip(c, h, in))
        c->keep_alive = false;
    if (!s->handler.on_head(s->handler.arg, &c->client, h)) {
        if (!all_here)
            return in.len;
        return h->head_bytes + (h->framing == TG_HTTP1_LENGTH ? (size_t)h->body_bytes : 0);
    }
    c->keep_alive = keep;
    c->skip_bytes = 0;
    if (!all_here) {
        bool kept = in.at == c->in.at;
        begin_body(c, h, in);
        return kept ? 0 : in.len;
    }
    size_t body_bytes = h->framing == TG_HTTP1_LENGTH ? (size_t)h->body_bytes : 0;
    size_t used = h->head_bytes + body_bytes;
    serve(c, h, (struct tg_str){ in.at + h->head_bytes, body_bytes });
    return used;
}

static bool parse_head(struct connection *c, struct tg_str in, tg_err *err)
{
    struct tg_http1_fault fault = { 0, NULL };

    *err = tg_http1_request(in, &c->seen, &c->set->head, &fault);
    if (*err == TG_OK)
        return true;
    if (*err != TG_AGAIN)
        refuse(c, fault.status ? fault.status : 400,
               fault.why ? fault.why : "the request is malformed");
    return false;
}

/* One request from the front of `in`. False when no more can be taken now. */
static bool take_request(struct connection *c, struct tg_str in, size_t *used)
{
    tg_err err;

    *used = 0;
    if (!in.len || !parse_head(c, in, &err))
        return false;
    c->seen = 0;
    *used = on_whole_head(c, in);
    if (c->phase != FLUSHING || c->out.len || !c->keep_alive || !*used || *used == in.len)
        return false;
    c->phase = HEAD;
    arm(c, TG_CLIENT_HEAD_MS);
    return true;
}

/* Requests out of what is kept in c->in: begun earlier, or pipelined. */
static void feed_kept(struct connection *c)
{
    size_t used;
    bool more = true;

    while (more) {
        more = take_request(c, tg_buf_view(&c->in), &used);
        /* A body that was begun keeps its head in `in`. */
        if (c->phase == CLOSED || c->phase == BODY || c->phase == LINGERING)
            return;
        tg_buf_eat(&c->in, used < c->in.len ? used : c->in.len);
    }
    if (!c->in.len)
        tg_buf_done(&c->in);
}

static void feed_head(struct connection *c, struct tg_str in)
{
    size_t used;
    bool more = true;

    if (c->in.len) {
        if (tg_buf_str(&c->in, in))
            close_client(c, true);
        else
            feed_kept(c);
        return;
    }
    c->began_ms = tg_loop_ms(c->set->loop);
    arm(c, TG_CLIENT_HEAD_MS);
    while (more) {
        more = take_request(c, in, &used);
        if (c->phase == CLOSED || c->phase == BODY || c->phase == LINGERING)
            return;
        in.at += used;
        in.len -= used;
    }
    /* A head in pieces, or the next request behind one that is being served. */
    if (in.len && tg_buf_str(&c->in, in))
        close_client(c, true);
}

static void feed_body(struct connection *c, struct tg_str in)
{
    const char *why;
    int status;
    uint64_t now = tg_loop_ms(c->set->loop), took = now - c->began_ms;

    bool whole = take_body(c, &in, &why, &status);
    if (status) {
        refuse(c, status, why);
    } else if (whole) {
        body_is_whole(c, in);
    } else if (took > TG_CLIENT_BODY_IDLE_MS && c->body.len / (took / 1000) < TG_CLIENT_BODY_LEAST) {
        refuse(c, 408, "the body came too slowly");
    } else {
        arm(c, TG_CLIENT_BODY_IDLE_MS);
    }
}

static void feed(struct connection *c, struct tg_str bytes)
{
    size_t skipped = bytes.len < c->skip_bytes ? bytes.len : c->skip_bytes;

    c->skip_bytes -= skipped;
    bytes.at += skipped;
    bytes.len -= skipped;
    if (!bytes.len)
        return;
    switch (c->phase) {
    case HEAD:
        feed_head(c, bytes);
        break;
    case BODY:
        feed_body(c, bytes);
        break;
    case LINGERING:
        c->lingered_bytes += bytes.len;
        if (c->lingered_bytes > TG_CLIENT_LINGER_BYTES)
            c->hup = true;
        break;
    default:
        break;
    }
}

static bool wants_bytes(const struct connection *c)
{
    return c->phase == HEAD || c->phase == BODY || (c->phase == LINGERING && !c->out.len);
}

static void read_some(struct connection *c)
{
    struct tg_clients *s = c->set;

    for (int i = 0; i < READS_A_TURN && c->readable && wants_bytes(c); i++) {
        size_t n = 0;
        tg_err err = tg_net_read(c->watch.fd, s->read_buffer, READ_BYTES, &n);
        if (err == TG_AGAIN) {
            c->readable = false;
            return;
        }
        if (err) {
            c->hup = true;
            c->readable = false;
            return;
        }
        /* A short read leaves nothing but, maybe, the end of the stream. */
        if (n < READ_BYTES)
            c->readable = c->fin;
        feed(c, (struct tg_str){ s->read_buffer, n });
    }
}

/* Do what can be done now: one place, whatever woke us. */
static void advance(struct connection *c)
{
    struct tg_clients *s = c->set;

    c->depth++;
    for (;;) {
        if (c->phase == CLOSED)
            break;
        if (c->fin && c->phase == SERVING)
            c->hup = true;         /* nobody waits for the answer any more */
        if (c->hup && !(wants_bytes(c) && c->readable)) {
            tell_gone(c);
            break;
        }
        if (c->phase == FLUSHING && !c->out.len) {
            if (!c->keep_alive || s->draining) {
                close_client(c, false);
                break;
            }
            c->phase = HEAD;
            c->wrote_any = true;
            arm(c, TG_CLIENT_IDLE_MS);
            if (c->in.len) {
                feed_kept(c);
                continue;
            }
        }
        if (c->readable && wants_bytes(c)) {
            read_some(c);
            if (c->phase == CLOSED || c->phase == FLUSHING || c->hup)
                continue;
            if (c->readable && wants_bytes(c))
                go_on_later(c);
        }
        break;
    }
    c->depth--;
    if (!c->depth)
        bury_dead(s);
}

static void on_watch(struct tg_watch *w, unsigned what)
{
    struct connection *c = FROM(w, watch);
    void *drained = NULL;

    c->depth++;
    if (what & TG_LOOP_HUP)
        c->fin = true;
    if (what & (TG_LOOP_READ | TG_LOOP_HUP))
        c->readable = true;
    if ((what & (TG_LOOP_WRITE | TG_LOOP_HUP)) && c->out.len && (c->wrote_any || !c->begun)) {
        flush(c);
        if (c->full && c->out.len <= TG_CLIENT_QUEUE_DRAINED) {
            c->full = false;
            drained = c->attached;
        }
    }
    if (drained && !c->hup)
        c->set->handler.on_drained(drained);
    c->depth--;
    advance(c);
}

static void on_timer(struct tg_timer *t)
{
    struct connection *c = FROM(t, timer);
    bool waited = c->phase == HEAD && c->in.len;
    uint64_t now = tg_loop_ms(c->set->loop);

    if (now < c->due_ms)
        arm(c, c->due_ms - now);       /* from go_on_later() */
    else if (c->readable && wants_bytes(c) && c->phase != LINGERING)
        arm(c, LATE_MS);               /* what came in time is read first */
    if (c->timer.at_ms) {
        advance(c);
        return;
    }
    if (c->phase == BODY || waited) {
        c->depth++;
        refuse(c, 408, c->phase == BODY ? "the body did not arrive in time"
                                        : "the head did not arrive in time");
        c->depth--;
    } else {
        c->hup = true;
        c->readable = false;
    }
    advance(c);
}

/* ---- the set ---- */

struct tg_clients *tg_clients_new(struct tg_loop *loop, int fd,
                                  const struct tg_clients_limits *limits,
                                  const struct tg_client_handler *handler)
{
    struct tg_clients *s = tg_zalloc(sizeof *s);

    if (!s)
        return NULL;
    s->loop = loop;
    s->limits = *limits;
    s->handler = *handler;
    s->listener = (struct tg_watch){ .fd = fd, .on = on_listener };
    s->retry.on = on_retry;
    s->read_buffer = tg_alloc(READ_BYTES);
    if (!s->read_buffer || tg_loop_add(loop, &s->listener)) {
        tg_free(s->read_buffer);
        tg_free(s);
        return NULL;
    }
    return s;
}

void tg_clients_limit_body(struct tg_clients *s, uint64_t body_bytes)
{
    s->limits.body_bytes = body_bytes;
}

static void close_listener(struct tg_clients *s)
{
    if (s->listener.fd < 0)
        return;
    tg_loop_remove(s->loop, &s->listener);
    tg_loop_at(s->loop, &s->retry, 0);
    tg_net_close(s->listener.fd);
    s->listener.fd = -1;
}

void tg_clients_drain(struct tg_clients *s)
{
    s->draining = true;
    close_listener(s);
    for (struct connection *c = s->all, *next; c; c = next) {
        next = c->next;
        if (c->phase == HEAD && !c->in.len)
            close_client(c, false);
    }
    bury_dead(s);
}

size_t tg_clients_count(const struct tg_clients *s)
{
    return s->count;
}

void tg_clients_free(struct tg_clients *s)
{
    if (!s)
        return;
    s->draining = true;
    close_listener(s);
    while (s->all)
        tell_gone(s->all);
    bury_dead(s);
    tg_buf_done(&s->scratch);
    tg_buf_done(&s->scratch_fields);
    tg_free(s->read_buffer);
    tg_free(s);
}

static void attach(struct tg_client *client, void *what)
{
    struct connection *c = of(client);
    c->attached = what;
}

static struct tg_buf give_body(struct tg_client *client, struct tg_str body)
{
    struct connection *c = of(client);
    struct tg_buf taken = { 0 };

    if (c->body.len && body.at == c->body.at) {
        taken = c->body;
        c->body = (struct tg_buf){ 0 };
    } else {
        tg_buf_str(&taken, body);
    }
    return taken;
}

const struct tg_client_impl tg_client_h1 = {
    .attach = attach, .take_body = give_body, .reply = reply, .begin = begin, .send = send_piece,
    .end = end, .abort = cut,
};
