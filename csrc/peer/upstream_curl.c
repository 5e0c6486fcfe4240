/* upstream_curl.c -- the same interface over libcurl: for HTTP proxies and for
 * hosts that speak HTTP/2 only.
 *
 * libcurl looks through all open connections to a host for every new request,
 * so requests are spread over SHARDS handles, the first that is not full. It
 * wants level-triggered sockets, and the loop is edge-triggered: after each
 * call a socket is looked at again (poll) until it has nothing for libcurl.
 * Sockets stay watched while libcurl keeps them for later: what arrives there
 * was asked for by nobody, and libcurl would take it for the next answer.
 *
 * No function of libcurl may be called from its callbacks, which call our
 * handlers. What a handler asks for is noted, and done behind the call. */

#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include "base/buf.h"
#include "base/mem.h"
#include "os/net.h"
#include "peer/curl_library.h"
#include "peer/upstream_impl.h"

enum {
    SHARDS          = 16,
    SHARD_FULL      = 64,        /* requests in one shard before the next is used */
    SHARD_KEEPS     = 128,       /* connections; fewer than are in use would reconnect */
    SOCKETS_EACH    = 4,         /* a request may need: two families, two of the resolver */
    SPARE_EASIES    = 16,
    INTERIM_MAX     = 16,
    FAR_MS          = 3600 * 1000
};

static const struct tg_curl_library *_Atomic lib;  /* there once a set is */

struct exchange;

struct sock {
    struct tg_watch watch;       /* first */
    struct set     *set;
    struct shard   *shard;       /* NULL until libcurl wants something of it */
    struct exchange *user;       /* NULL: kept for later */
    struct sock    *next;        /* spare, or to look at */
    int             wants;       /* CURL_POLL_IN and _OUT */
    bool            is_ours;     /* a connection; libcurl has others for itself */
    bool            is_shared;   /* HTTP/2: bytes may come at any time */
    bool            is_watched;  /* else it is looked at every turn */
    bool            looks;       /* in the list of those to look at */
    bool            is_gone;     /* given up by libcurl while in that list */
    bool            is_spoilt;
};

struct shard {
    struct tg_timer timer;       /* first; always set */
    struct set     *set;
    CURLM          *multi;
    size_t          running;
};

enum state {
    NEW,                         /* waits for the set's timer */
    RUNNING,
    DONE,                        /* but paused: the end is not told yet */
    OVER
};

struct exchange {
    struct tg_upstream up;       /* first */
    struct tg_upstream_handler handler;
    struct set        *set;
    struct shard      *shard;
    struct sock       *sock;                 /* the last one used; may be another's now */
    CURL              *easy;
    struct curl_slist *fields;
    struct exchange   *newer, *older;        /* all of the set, also dying ones */
    enum state state;
    bool       is_ready;                     /* the set's timer has something to do */
    bool       paused;
    bool       told_connected, told_sent, has_head, is_http2;
    bool       public_only;
    uint8_t    interim;
    CURLcode   code;                         /* of DONE */
    tg_err     err;                          /* ours, which libcurl's code only echoes */
    const char *err_why;
    struct tg_buf head;
    size_t     piece, offset;
    char       why[CURL_ERROR_SIZE];
    size_t     pieces_count;
    struct tg_str pieces[];
};

struct set {
    struct tg_loop        *loop;
    struct tg_tls_context *tls;
    struct tg_timer        timer;            /* always set */
    struct shard           shards[SHARDS];
    struct exchange       *exchanges;
    size_t                 exchanges_count, ready_count;
    struct sock           *spare, *to_look;
    size_t                 socks_count;      /* spare ones and others */
    struct sock          **by_fd;            /* ours only */
    size_t                 by_fd_count;
    CURL                  *easies[SPARE_EASIES];
    size_t                 easies_count;
    bool                   in_curl;
    bool                   has_dying;
    struct tg_http1_head   parsed;
};

static void after_curl(struct shard *h);

/* ---- sockets ---- */

static void wake(struct set *s)
{
    tg_loop_at(s->loop, &s->timer, tg_loop_ms(s->loop));
}

static void set_ready(struct exchange *x, bool ready)
{
    x->set->ready_count += ready - x->is_ready;
    x->is_ready = ready;
    if (ready)
        wake(x->set);
}

static void look_later(struct sock *k)
{
    struct set *s = k->set;

    if (!k->looks) {
        k->looks = true;
        k->next = s->to_look;
        s->to_look = k;
    }
    wake(s);
}

static tg_err prepare_socks(struct set *s)
{
    while (s->socks_count < SOCKETS_EACH * (s->exchanges_count + 1)) {
        struct sock *k = tg_zalloc(sizeof *k);
        if (!k)
            return TG_ENOMEM;
        k->next = s->spare;
        s->spare = k;
        s->socks_count++;
    }
    return TG_OK;
}

static void put_back(struct set *s, struct sock *k)
{
    if (s->socks_count > SOCKETS_EACH * (s->exchanges_count + 1)) {
        s->socks_count--;
        tg_free(k);
        return;
    }
    k->next = s->spare;
    s->spare = k;
}

static void act(struct sock *k, bool readable, bool writable)
{
    struct shard *h = k->shard;
    int events = (readable ? CURL_CSELECT_IN : 0) | (writable ? CURL_CSELECT_OUT : 0), running;

    h->set->in_curl = true;
    lib->multi_socket_action(h->multi, k->watch.fd, events, &running);
    h->set->in_curl = false;
    after_curl(h);
}

/* libcurl need not have used all: look again until there is nothing it wants. */
static void look(struct sock *k)
{
    bool readable, writable;

    tg_net_poll(k->watch.fd, &readable, &writable);
    if (k->is_ours && !k->user && !k->is_shared && readable && !k->is_spoilt) {
        k->is_spoilt = true;
        tg_net_spoil(k->watch.fd);
    }
    readable = readable && k->wants & CURL_POLL_IN;
    writable = writable && k->wants & CURL_POLL_OUT;
    if ((k->wants && !k->is_watched) || readable || writable)
        look_later(k);
    if (readable || writable)
        act(k, readable, writable);
}

static void on_socket(struct tg_watch *w, unsigned what)
{
    look((struct sock *)w);
}

static void look_at_all(struct set *s)
{
    struct sock *k, *list = s->to_look;

    s->to_look = NULL;
    while ((k = list)) {
        list = k->next;
        k->looks = false;
        if (k->is_gone)
            put_back(s, k);
        else
            look(k);
    }
}

static void let_go(struct sock *k)
{
    if (k->is_watched)
        tg_loop_remove(k->set->loop, &k->watch);
    if (k->user)
        k->user->sock = NULL;
    k->user = NULL;
    k->is_watched = false;
    k->is_gone = true;
    k->wants = 0;
    if (!k->looks)
        put_back(k->set, k);
}

static struct sock *take_spare(struct set *s, curl_socket_t fd)
{
    struct sock *k = s->spare;

    if (!k)
        return NULL;
    s->spare = k->next;
    *k = (struct sock){ .watch = { .fd = fd, .on = on_socket }, .set = s };
    return k;
}

static struct sock *find_sock(struct set *s, curl_socket_t fd)
{
    return (size_t)fd < s->by_fd_count ? s->by_fd[fd] : NULL;
}

/* Watched from when libcurl first wants something: before, it is not
 * connecting yet. */
static void want(struct shard *h, struct sock *k, struct exchange *x, int wants)
{
    k->shard = h;
    k->wants = wants & CURL_POLL_INOUT;
    if (k->is_ours && x) {
        if (k->user && k->user != x)
            k->user->sock = NULL;
        if (x->sock && x->sock != k)
            x->sock->user = NULL;
        k->user = x;
        k->is_shared |= x->is_http2;
        x->sock = k;
    }
    if (!k->is_watched)
        k->is_watched = tg_loop_add(h->set->loop, &k->watch) == TG_OK;
    look_later(k);
}

static int on_curl_socket(CURL *easy, curl_socket_t fd, int wants, void *user, void *socket)
{
    struct shard *h = user;
    struct sock *k = socket ? socket : find_sock(h->set, fd);
    struct exchange *x = NULL;

    if (wants == CURL_POLL_REMOVE) {
        if (k && k->is_ours)
            k->wants = 0;
        else if (k)
            let_go(k);
        return 0;
    }
    if (!k)
        k = take_spare(h->set, fd);
    if (!k)
        return -1;
    lib->easy_getinfo(easy, CURLINFO_PRIVATE, &x);
    lib->multi_assign(h->multi, fd, k);
    want(h, k, x, wants);
    return 0;
}

static tg_err list_sock(struct set *s, int fd)
{
    if ((size_t)fd >= s->by_fd_count) {
        size_t more = (size_t)fd + 64;
        struct sock **by_fd = tg_realloc(s->by_fd, more * sizeof *by_fd);
        if (!by_fd)
            return TG_ENOMEM;
        memset(by_fd + s->by_fd_count, 0, (more - s->by_fd_count) * sizeof *by_fd);
        s->by_fd = by_fd;
        s->by_fd_count = more;
    }
    struct sock *k = take_spare(s, fd);
    if (!k)
        return TG_ENOMEM;
    k->is_ours = true;
    s->by_fd[fd] = k;
    return TG_OK;
}

static curl_socket_t open_socket(void *user, curlsocktype purpose, struct curl_sockaddr *to)
{
    struct exchange *x = user;
    struct tg_addr a = { .len = to->addrlen };
    struct tg_str ip;
    int fd;

    if (to->addrlen > sizeof a.bytes)
        return CURL_SOCKET_BAD;
    memcpy(a.bytes, &to->addr, to->addrlen);
    ip = tg_addr_ip(&a);
    if (x->public_only && !tg_url_is_public((const unsigned char *)ip.at, ip.len)) {
        x->err = TG_ECONNECT;
        x->err_why = "the host has no public address";
        return CURL_SOCKET_BAD;
    }
    if (tg_net_socket(&a, &fd))
        return CURL_SOCKET_BAD;
    if (list_sock(x->set, fd)) {
        tg_net_close(fd);
        return CURL_SOCKET_BAD;
    }
    return fd;
}

static int close_socket(void *user, curl_socket_t fd)
{
    struct set *s = user;

    struct sock *k = find_sock(s, fd);

    if (k) {
        s->by_fd[fd] = NULL;
        let_go(k);
    }
    tg_net_close(fd);
    return 0;
}

/* ---- timers ---- */

static int on_curl_timer(CURLM *multi, long wait_ms, void *user)
{
    struct shard *h = user;
    uint64_t wait = wait_ms < 0 ? FAR_MS : (uint64_t)wait_ms;

    tg_loop_at(h->set->loop, &h->timer, tg_loop_ms(h->set->loop) + wait);
    return 0;
}

static void on_shard_timer(struct tg_timer *t)
{
    struct shard *h = (struct shard *)t;
    struct set *s = h->set;
    int running;

    tg_loop_at(s->loop, t, tg_loop_ms(s->loop) + FAR_MS);
    s->in_curl = true;
    lib->multi_socket_action(h->multi, CURL_SOCKET_TIMEOUT, 0, &running);
    s->in_curl = false;
    after_curl(h);
}

/* ---- the life of an exchange ---- */

static void unlink_exchange(struct exchange *x)
{
    struct set *s = x->set;

    *(x->newer ? &x->newer->older : &s->exchanges) = x->older;
    if (x->older)
        x->older->newer = x->newer;
    s->exchanges_count--;
}

/* Sockets outlive their exchange, and a record may serve another socket now. */
static void leave_socks(struct exchange *x)
{
    struct sock *k = x->sock;

    if (k && k->user == x) {
        k->user = NULL;
        look_later(k);
    }
}

/* Take it out of libcurl; the memory stays. */
static void stop(struct exchange *x)
{
    struct set *s = x->set;

    x->state = OVER;
    set_ready(x, false);
    if (x->shard) {
        lib->multi_remove_handle(x->shard->multi, x->easy);
        x->shard->running--;
        x->shard = NULL;
    }
    if (x->easy && s->easies_count < SPARE_EASIES) {
        lib->easy_reset(x->easy);
        s->easies[s->easies_count++] = x->easy;
    } else if (x->easy) {
        lib->easy_cleanup(x->easy);
    }
    x->easy = NULL;
    leave_socks(x);
    lib->slist_free_all(x->fields);
    x->fields = NULL;
    tg_buf_done(&x->head);
    unlink_exchange(x);
}

static bool is_among(CURLcode code, const CURLcode *list)
{
    for (; *list; list++)
        if (*list == code)
            return true;
    return false;
}

static tg_err meaning(const struct exchange *x, CURLcode code)
{
    static const CURLcode connecting[] = {
        CURLE_COULDNT_RESOLVE_HOST, CURLE_COULDNT_RESOLVE_PROXY, CURLE_COULDNT_CONNECT,
        CURLE_PROXY, CURLE_INTERFACE_FAILED, CURLE_OK,
    };
    static const CURLcode tls[] = {
        CURLE_SSL_CONNECT_ERROR, CURLE_PEER_FAILED_VERIFICATION, CURLE_SSL_CERTPROBLEM,
        CURLE_SSL_CIPHER, CURLE_SSL_CACERT_BADFILE, CURLE_SSL_ISSUER_ERROR,
        CURLE_SSL_ENGINE_NOTFOUND, CURLE_SSL_INVALIDCERTSTATUS, CURLE_OK,
    };

    /* libcurl has a limit of its own for a line, and says it thus. */
    if (code == CURLE_OUT_OF_MEMORY)
        return x->head.len ? TG_ETOOBIG : TG_ENOMEM;
    if (code == CURLE_OPERATION_TIMEDOUT)
        return TG_ETIMEOUT;
    if (is_among(code, connecting))
        return TG_ECONNECT;
    return is_among(code, tls) ? TG_ETLS : TG_EPEER;
}

static void finish(struct exchange *x, CURLcode code)
{
    struct tg_upstream_handler handler = x->handler;
    tg_err err = x->err ? x->err : code ? meaning(x, code) : !x->has_head ? TG_EPEER : TG_OK;

    stop(x);
    if (!err) {
        handler.on_end(handler.arg);
    } else {
        const char *why = x->err ? x->err_why : *x->why ? x->why : lib->easy_strerror(code);
        handler.on_fail(handler.arg, err, code || x->err ? why : "no answer");
    }
    tg_free(x);
}

static void drop(struct exchange *x)
{
    stop(x);
    tg_free(x);
}

static void reap(struct set *s)
{
    struct exchange *next;

    s->has_dying = false;
    for (struct exchange *x = s->exchanges; x; x = next) {
        next = x->older;
        if (x->state == OVER)
            drop(x);
    }
}

static void done(struct exchange *x, CURLcode code)
{
    if (x->state == OVER)
        return;
    if (x->paused) {
        x->state = DONE;
        x->code = code;
        return;
    }
    finish(x, code);
}

static void after_curl(struct shard *h)
{
    struct set *s = h->set;
    CURLMsg *m;
    int left;

    if (s->has_dying)
        reap(s);
    while ((m = lib->multi_info_read(h->multi, &left))) {
        struct exchange *x = NULL;
        if (m->msg != CURLMSG_DONE)
            continue;
        lib->easy_getinfo(m->easy_handle, CURLINFO_PRIVATE, &x);
        done(x, m->data.result);
    }
}

/* ---- what libcurl calls ---- */

static void tell_sent(struct exchange *x)
{
    if (x->told_sent || x->piece < x->pieces_count)
        return;
    x->told_sent = true;
    if (x->handler.on_sent)
        x->handler.on_sent(x->handler.arg);
}

static size_t refuse(struct exchange *x, tg_err err, const char *why)
{
    x->err = err;
    x->err_why = why;
    return 0;
}

static int on_before_request(void *user, char *to_ip, char *from_ip, int to_port, int from_port)
{
    struct exchange *x = user;
    long connects = 1;

    lib->easy_getinfo(x->easy, CURLINFO_NUM_CONNECTS, &connects);
    if (!x->told_connected && x->state != OVER) {
        x->told_connected = true;
        if (x->handler.on_connected)
            x->handler.on_connected(x->handler.arg, connects == 0);
    }
    return x->state == OVER ? CURL_PREREQFUNC_ABORT : CURL_PREREQFUNC_OK;
}

static size_t on_read(char *to, size_t size, size_t count, void *user)
{
    struct exchange *x = user;
    size_t cap = size * count, len = 0;

    while (len < cap && x->piece < x->pieces_count) {
        struct tg_str p = x->pieces[x->piece];
        size_t left = p.len - x->offset, n = left < cap - len ? left : cap - len;
        if (n)
            memcpy(to + len, p.at + x->offset, n);
        len += n;
        x->offset += n;
        if (x->offset == p.len)
            x->piece++, x->offset = 0;
    }
    if (x->has_head && x->state != OVER)
        tell_sent(x);
    return x->state == OVER ? CURL_READFUNC_ABORT : len;
}

/* libcurl begins anew only at the start, on a fresh connection. */
static int on_seek(void *user, curl_off_t to, int origin)
{
    struct exchange *x = user;

    if (to || origin != SEEK_SET || x->told_sent)
        return CURL_SEEKFUNC_FAIL;
    x->piece = x->offset = 0;
    return CURL_SEEKFUNC_OK;
}

/* The version is told as HTTP/1.1 whatever it was. */
static tg_err add_status_line(struct exchange *x, struct tg_str line)
{
    struct tg_str version, rest;

    tg_buf_reset(&x->head);
    if (!tg_str_cut(line, ' ', &version, &rest))
        return tg_buf_str(&x->head, line);
    bool is_1 = tg_str_starts(version, "HTTP/1.");
    tg_buf_str(&x->head, is_1 ? version : TG_STR("HTTP/1.1"));
    tg_buf_char(&x->head, ' ');
    return tg_buf_str(&x->head, rest);
}

static size_t take_head(struct exchange *x, size_t n)
{
    struct tg_http1_head *h = &x->set->parsed;
    size_t seen = 0;
    tg_err err = tg_http1_response(tg_buf_view(&x->head), &seen, false, h);

    if (err == TG_ETOOBIG)
        return refuse(x, err, "the head of the answer is too big");
    if (err)
        return refuse(x, TG_EPEER, "the answer is not HTTP/1.1");
    if (h->status == 101 || (h->status < 200 && ++x->interim > INTERIM_MAX))
        return refuse(x, TG_EPEER, h->status == 101 ? "the provider wants to switch protocols"
                                                : "the provider sends interim answers only");
    if (h->status < 200)
        return n;
    x->has_head = true;
    if (!h->keep_alive && !x->is_http2)
        lib->easy_setopt(x->easy, CURLOPT_FORBID_REUSE, 1L);
    tell_sent(x);
    if (x->state != OVER)
        x->handler.on_head(x->handler.arg, h);
    tg_buf_done(&x->head);
    return x->state == OVER ? 0 : n;
}

static size_t on_header(char *at, size_t size, size_t count, void *user)
{
    struct exchange *x = user;
    struct tg_str line = { at, size * count };

    if (x->state == OVER)
        return 0;
    if (x->has_head)
        return line.len;            /* a trailer */
    if (x->head.len + line.len > TG_HTTP1_HEAD_MAX)
        return refuse(x, TG_ETOOBIG, "the head of the answer is too big");
    tg_err err = tg_str_starts(line, "HTTP/") ? add_status_line(x, line)
                                              : tg_buf_str(&x->head, line);
    if (err)
        return refuse(x, TG_ENOMEM, "out of memory for the answer");
    bool is_last = tg_str_is(line, "\r\n") || tg_str_is(line, "\n");
    return is_last ? take_head(x, line.len) : line.len;
}

static size_t on_write(char *at, size_t size, size_t count, void *user)
{
    struct exchange *x = user;
    size_t n = size * count;

    if (x->state == OVER || !x->has_head)
        return 0;
    if (x->paused)
        return CURL_WRITEFUNC_PAUSE;
    if (n)
        x->handler.on_body(x->handler.arg, (struct tg_str){ at, n });
    return x->state == OVER ? 0 : n;
}

static CURLcode on_tls(CURL *easy, void *ssl_ctx, void *user)
{
    struct exchange *x = user;

    if (!x->set->tls)
        return CURLE_SSL_CERTPROBLEM;
    tg_tls_context_lend_trust(x->set->tls, ssl_ctx);
    return CURLE_OK;
}

/* ---- starting ---- */

static tg_err add_field(struct exchange *x, const char *z)
{
    struct curl_slist *more = lib->slist_append(x->fields, z);

    if (!more)
        return TG_ENOMEM;
    x->fields = more;
    return TG_OK;
}

/* libcurl takes "Name:" as a wish to leave a field out, "Name;" as one without
 * a value. */
static tg_err add_line(struct exchange *x, struct tg_str line, struct tg_buf *scratch)
{
    struct tg_str name, value;

    tg_buf_reset(scratch);
    if (tg_str_cut(line, ':', &name, &value) && !tg_str_trim(value).len) {
        tg_buf_str(scratch, name);
        tg_buf_char(scratch, ';');
    } else {
        tg_buf_str(scratch, line);
    }
    const char *z = tg_buf_cstr(scratch);
    return z ? add_field(x, z) : TG_ENOMEM;
}

static tg_err add_fields(struct exchange *x, struct tg_str fields)
{
    static const char *const unasked[] = { "Accept", "Content-Type", "User-Agent", "Expect" };
    bool has[4] = { false };
    struct tg_buf scratch = { 0 };
    struct tg_str line;
    tg_err err = TG_OK;

    while (!err && fields.len) {
        tg_str_cut(fields, '\n', &line, &fields);
        if (tg_str_ends(line, "\r"))
            line.len--;
        struct tg_str name = line, value;
        tg_str_cut(line, ':', &name, &value);
        for (size_t i = 0; i < 4; i++)
            has[i] |= tg_str_iis(name, unasked[i]);
        if (line.len)
            err = add_line(x, line, &scratch);
    }
    for (size_t i = 0; i < 4 && !err; i++) {
        tg_buf_reset(&scratch);
        tg_buf_printf(&scratch, "%s:", unasked[i]);
        const char *z = tg_buf_cstr(&scratch);
        if (!has[i])
            err = z ? add_field(x, z) : TG_ENOMEM;
    }
    tg_buf_done(&scratch);
    return err;
}

static const char *put_url(const struct tg_origin *o, struct tg_str target, struct tg_buf *out)
{
    tg_buf_z(out, o->url.is_tls ? "https://" : "http://");
    tg_buf_z(out, o->url.is_ipv6 ? "[" : "");
    tg_buf_str(out, o->url.host);
    tg_buf_z(out, o->url.is_ipv6 ? "]:" : ":");
    tg_buf_u64(out, o->url.port);
    tg_buf_str(out, target);
    return tg_buf_cstr(out);
}

#define SET(option, value) (bad |= lib->easy_setopt(x->easy, option, value) != CURLE_OK)

static tg_err set_places(struct exchange *x, const struct tg_origin *o,
                         const struct tg_upstream_request *r)
{
    struct tg_buf z = { 0 };
    bool bad = false;

    const char *url = put_url(o, r->target, &z);
    if (url)
        SET(CURLOPT_URL, url);
    bad |= !url;
    tg_buf_reset(&z);
    tg_buf_str(&z, o->proxy);
    const char *proxy = tg_buf_cstr(&z);
    if (proxy)
        SET(CURLOPT_PROXY, proxy);
    bad |= !proxy;
    tg_buf_reset(&z);
    tg_buf_str(&z, r->method);
    const char *method = tg_buf_cstr(&z);
    if (method && !tg_str_is(r->method, "HEAD"))
        SET(CURLOPT_CUSTOMREQUEST, method);
    bad |= !method;
    tg_buf_done(&z);
    return bad ? TG_ENOMEM : TG_OK;
}

static bool set_options(struct exchange *x, const struct tg_origin *o,
                        const struct tg_upstream_request *r)
{
    bool bad = false;

    SET(CURLOPT_PRIVATE, x);
    SET(CURLOPT_ERRORBUFFER, x->why);
    SET(CURLOPT_NOSIGNAL, 1L);
    SET(CURLOPT_NOPROXY, "");
    SET(CURLOPT_PATH_AS_IS, 1L);
    SET(CURLOPT_FOLLOWLOCATION, 0L);
    SET(CURLOPT_PROTOCOLS_STR, "http,https");
    SET(CURLOPT_SUPPRESS_CONNECT_HEADERS, 1L);
    SET(CURLOPT_HTTP09_ALLOWED, 0L);
    SET(CURLOPT_HTTP_VERSION, (long)(o->wants_http2 ? CURL_HTTP_VERSION_2TLS
                                                    : CURL_HTTP_VERSION_1_1));
    SET(CURLOPT_PIPEWAIT, (long)o->wants_http2);
    SET(CURLOPT_MAXAGE_CONN, (long)TG_UPSTREAM_IDLE_MS / 1000);
    SET(CURLOPT_TCP_NODELAY, 1L);
    SET(CURLOPT_HTTPHEADER, x->fields);
    if (r->has_body) {
        SET(CURLOPT_POST, 1L);
        SET(CURLOPT_POSTFIELDSIZE_LARGE, (curl_off_t)r->body_bytes);
        SET(CURLOPT_READFUNCTION, on_read);
        SET(CURLOPT_READDATA, x);
        SET(CURLOPT_SEEKFUNCTION, on_seek);
        SET(CURLOPT_SEEKDATA, x);
    } else if (tg_str_is(r->method, "HEAD")) {
        SET(CURLOPT_NOBODY, 1L);
    }
    SET(CURLOPT_HEADERFUNCTION, on_header);
    SET(CURLOPT_HEADERDATA, x);
    SET(CURLOPT_WRITEFUNCTION, on_write);
    SET(CURLOPT_WRITEDATA, x);
    SET(CURLOPT_PREREQFUNCTION, on_before_request);
    SET(CURLOPT_PREREQDATA, x);
    SET(CURLOPT_OPENSOCKETFUNCTION, open_socket);
    SET(CURLOPT_OPENSOCKETDATA, x);
    SET(CURLOPT_CLOSESOCKETFUNCTION, close_socket);
    SET(CURLOPT_CLOSESOCKETDATA, x->set);
    SET(CURLOPT_CAINFO, NULL);
    SET(CURLOPT_CAPATH, NULL);
    SET(CURLOPT_SSL_CTX_FUNCTION, on_tls);
    SET(CURLOPT_SSL_CTX_DATA, x);
    return !bad;
}

static struct shard *choose_shard(struct set *s)
{
    struct shard *least = &s->shards[0];

    for (size_t i = 0; i < SHARDS; i++) {
        if (s->shards[i].running < SHARD_FULL)
            return &s->shards[i];
        if (s->shards[i].running < least->running)
            least = &s->shards[i];
    }
    return least;
}

static tg_err start(struct exchange *x)
{
    struct shard *h = choose_shard(x->set);

    if (lib->multi_add_handle(h->multi, x->easy))
        return TG_ENOMEM;
    x->shard = h;
    h->running++;
    x->state = RUNNING;
    return TG_OK;
}

static void let_flow(struct exchange *x)
{
    struct shard *h = x->shard;

    h->set->in_curl = true;
    lib->easy_pause(x->easy, CURLPAUSE_CONT);
    h->set->in_curl = false;
    after_curl(h);
}

static void go_on(struct exchange *x)
{
    set_ready(x, false);
    if (x->state == NEW && start(x)) {
        x->err = TG_ENOMEM;
        x->err_why = "the request cannot be started";
        finish(x, CURLE_OUT_OF_MEMORY);
    } else if (x->state == DONE && !x->paused) {
        finish(x, x->code);
    } else if (x->state == RUNNING && !x->paused) {
        let_flow(x);
    }
}

static struct exchange *first_ready(struct set *s)
{
    if (!s->ready_count)
        return NULL;
    struct exchange *x = s->exchanges;
    while (!x->is_ready)
        x = x->older;
    return x;
}

static void on_timer(struct tg_timer *t)
{
    struct set *s = (struct set *)((char *)t - offsetof(struct set, timer));
    struct exchange *x;

    tg_loop_at(s->loop, t, tg_loop_ms(s->loop) + FAR_MS);
    while ((x = first_ready(s)))
        go_on(x);
    look_at_all(s);
}

/* ---- the interface ---- */

static tg_err open_shard(struct set *s, struct shard *h)
{
    h->set = s;
    h->timer.on = on_shard_timer;
    if (tg_loop_at(s->loop, &h->timer, tg_loop_ms(s->loop) + FAR_MS))
        return TG_ENOMEM;
    h->multi = lib->multi_init();
    if (!h->multi)
        return TG_ENOMEM;
    lib->multi_setopt(h->multi, CURLMOPT_SOCKETFUNCTION, on_curl_socket);
    lib->multi_setopt(h->multi, CURLMOPT_SOCKETDATA, h);
    lib->multi_setopt(h->multi, CURLMOPT_TIMERFUNCTION, on_curl_timer);
    lib->multi_setopt(h->multi, CURLMOPT_TIMERDATA, h);
    lib->multi_setopt(h->multi, CURLMOPT_MAXCONNECTS, (long)SHARD_KEEPS);
    return TG_OK;
}

static void free_list(struct sock *k)
{
    while (k) {
        struct sock *next = k->next;
        tg_free(k);
        k = next;
    }
}

static void set_free(void *set)
{
    struct set *s = set;

    while (s->exchanges)
        drop(s->exchanges);
    while (s->easies_count)
        lib->easy_cleanup(s->easies[--s->easies_count]);
    for (size_t i = 0; i < SHARDS; i++) {
        if (s->shards[i].multi)
            lib->multi_cleanup(s->shards[i].multi);
        tg_loop_at(s->loop, &s->shards[i].timer, 0);
    }
    free_list(s->spare);
    free_list(s->to_look);
    tg_free(s->by_fd);
    tg_loop_at(s->loop, &s->timer, 0);
    tg_free(s);
}

static void *set_new(struct tg_loop *loop, struct tg_tls_context *tls)
{
    const struct tg_curl_library *found = tg_curl_library();
    struct set *s = found ? tg_zalloc(sizeof *s) : NULL;

    if (!s)
        return NULL;
    lib = found;
    s->loop = loop;
    s->tls = tls;
    s->timer.on = on_timer;
    tg_err err = tg_loop_at(loop, &s->timer, tg_loop_ms(loop) + FAR_MS);
    for (size_t i = 0; i < SHARDS && !err; i++)
        err = open_shard(s, &s->shards[i]);
    if (err) {
        set_free(s);
        return NULL;
    }
    return s;
}

static void count(const void *set, size_t *idle, size_t *busy)
{
    const struct set *s = set;

    *idle = *busy = 0;
    for (size_t i = 0; i < s->by_fd_count; i++) {
        const struct sock *k = s->by_fd[i];
        *busy += k && k->user;
        *idle += k && !k->user && !k->is_spoilt;
    }
}

static struct exchange *make_exchange(struct set *s, const struct tg_origin *o,
                                      const struct tg_upstream_request *r)
{
    size_t pieces = r->has_body ? r->pieces_count : 0;
    struct exchange *x = tg_zalloc(sizeof *x + pieces * sizeof x->pieces[0]);

    if (!x)
        return NULL;
    x->up.impl = &tg_upstream_curl;
    x->set = s;
    x->is_http2 = o->wants_http2;
    /* Behind a proxy the sockets lead to the proxy, which the operator chose. */
    x->public_only = o->public_only && !o->proxy.len;
    x->pieces_count = pieces;
    if (pieces)
        memcpy(x->pieces, r->pieces, pieces * sizeof x->pieces[0]);
    x->older = s->exchanges;
    if (x->older)
        x->older->newer = x;
    s->exchanges = x;
    s->exchanges_count++;
    return x;
}

static struct tg_upstream *open_curl(void *set, const struct tg_origin *origin,
                                     const struct tg_upstream_request *request,
                                     const struct tg_upstream_handler *handler)
{
    struct set *s = set;
    struct exchange *x = prepare_socks(s) ? NULL : make_exchange(s, origin, request);

    if (!x)
        return NULL;
    x->handler = *handler;
    x->easy = s->easies_count ? s->easies[--s->easies_count] : lib->easy_init();
    if (!x->easy || add_fields(x, request->fields) || set_places(x, origin, request)
        || !set_options(x, origin, request)) {
        drop(x);
        return NULL;
    }
    set_ready(x, true);
    return &x->up;
}

static void pause_curl(struct tg_upstream *up)
{
    ((struct exchange *)up)->paused = true;
}

static void resume_curl(struct tg_upstream *up)
{
    struct exchange *x = (struct exchange *)up;

    if (!x->paused)
        return;
    x->paused = false;
    set_ready(x, true);
}

static void cancel_curl(struct tg_upstream *up)
{
    struct exchange *x = (struct exchange *)up;

    if (!x->set->in_curl) {
        drop(x);
        return;
    }
    x->state = OVER;
    set_ready(x, false);
    x->set->has_dying = true;
}

const struct tg_upstream_impl tg_upstream_curl = {
    set_new, set_free, count, open_curl, pause_curl, resume_curl, cancel_curl,
};
