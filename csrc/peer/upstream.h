/* upstream.h -- one request to a provider: the upper end of an exchange.
 *
 * One interface, two implementations: upstream_h1 (our HTTP/1.1 client, on the
 * path of every request) and upstream_curl (libcurl, for providers behind an
 * HTTP proxy or with HTTP/2 only). Which one serves a request follows from the
 * origin; nobody above can tell.
 *
 *     up = tg_upstream_open(set, &request, &handler)     one of:
 *     on_connected   ... bytes of the request go out
 *     on_head        status and fields
 *     on_body        pieces of the body, framing and TLS taken off
 *     on_end         the body was whole: `up` is over, and freed
 *     on_fail        it was not: `up` is over, and freed
 *
 * Handlers are called from the loop, never from inside a function of this file. A
 * handler may pause, resume or cancel; after on_end, on_fail and
 * tg_upstream_cancel() nothing is called again and the pointer is dead.
 * No timers run here: the caller holds the clock and cancels. */
#ifndef TG_UPSTREAM_H
#define TG_UPSTREAM_H

#include <stdbool.h>
#include <stdint.h>
#include "base/err.h"
#include "base/str.h"
#include "os/loop.h"
#include "os/tls.h"
#include "wire/http1.h"
#include "wire/url.h"

enum {
    TG_UPSTREAM_IDLE_MS        = 55 * 1000,   /* a kept connection is closed after this */
    TG_UPSTREAM_IDLE_MAX       = 512,         /* kept connections of one origin and engine */
    TG_UPSTREAM_READ_BYTES     = 64 * 1024,   /* one read, from a buffer all connections share */
    TG_UPSTREAM_PIECES_MAX     = 600
};

struct tg_upstreams;                 /* one an engine: pools of connections by origin */
struct tg_upstream;

/* Where requests go. Held by the caller for the life of the set; the key is
 * not part of it (connections are shared by all keys of one origin). */
struct tg_origin {
    struct tg_url url;               /* scheme, host, port; views owned by the caller */
    struct tg_str proxy;             /* URL of an HTTP proxy; may be empty */
    bool          wants_http2;
    bool          public_only;       /* refuse addresses that are not tg_url_is_public() */
};

struct tg_upstream_request {
    struct tg_str method;            /* "POST" */
    struct tg_str target;            /* path and query */
    struct tg_str fields;            /* "Name: value\r\n"..., with Host, without framing fields */
    const struct tg_str *pieces;     /* the body; its bytes must hold until on_sent or the end */
    size_t        pieces_count;      /* at most TG_UPSTREAM_PIECES_MAX; the array is copied */
    size_t        body_bytes;
    bool          has_body;
};

struct tg_upstream_handler {
    void (*on_connected)(void *arg, bool reused);          /* may be NULL */
    void (*on_sent)(void *arg);                            /* may be NULL; see below */
    void (*on_head)(void *arg, const struct tg_http1_head *head);
    void (*on_body)(void *arg, struct tg_str bytes);
    void (*on_end)(void *arg);
    void (*on_fail)(void *arg, tg_err err, const char *why);
    void *arg;
};

/* on_connected is called once. on_sent: the whole request was written and will
 * not be needed again; on a kept connection that is known with the first byte
 * of the answer. An answer may come, and end, before the request was sent. */

struct tg_upstreams *tg_upstreams_new(struct tg_loop *loop, struct tg_tls_context *tls);
/* Cancels what is under way, closes what is kept. Not from a handler. */
void tg_upstreams_free(struct tg_upstreams *set);

/* Connections kept and in use, for tests and metrics. */
void tg_upstreams_count(const struct tg_upstreams *set, size_t *idle, size_t *busy);

/* Begin. The request's views other than the body's are copied. A kept
 * connection that turns out closed before any byte of the answer is replaced
 * by a fresh one, once, unseen. NULL when out of memory. */
struct tg_upstream *tg_upstream_open(struct tg_upstreams *set, const struct tg_origin *origin,
                                     const struct tg_upstream_request *request,
                                     const struct tg_upstream_handler *handler);

/* Stop and go on reading from the provider. Bytes already read are not given
 * while paused. */
void tg_upstream_pause(struct tg_upstream *up);
void tg_upstream_resume(struct tg_upstream *up);

/* Close at once. */
void tg_upstream_cancel(struct tg_upstream *up);

#endif
