/* client.h -- the lower end of exchanges: whoever asked.
 *
 * Most are connections (client_h1.c); a program that has the gateway inside is one
 * without (caller.h). Answers go through the same functions.
 *
 * A set of connections accepts, reads whole requests within its limits and hands them up; the
 * answer goes back through the same client. One request at a time a connection;
 * what a client pipelines waits in the kernel.
 *
 *     on_head       the head came, the body has not been read: look at the
 *                   key and the path, answer at once (401, 404, 413) or go on
 *     on_request    the whole request is here: answer now, or tg_client_attach()
 *                   something and answer later
 *     on_gone       the client left while something was attached
 *     on_drained    what was queued has gone: more may be sent
 *
 * Handlers run in the loop. A client pointer is good until its answer was
 * ended or on_gone was called. Malformed framing never reaches the handlers: it is
 * answered here (4xx) and the connection closed. */
#ifndef TG_CLIENT_H
#define TG_CLIENT_H

#include <stdbool.h>
#include <stdint.h>
#include "base/buf.h"
#include "os/loop.h"
#include "os/net.h"
#include "wire/http1.h"

enum {
    TG_CLIENT_HEAD_MS      = 15 * 1000,    /* for a whole head, once its first byte came */
    TG_CLIENT_BODY_IDLE_MS = 20 * 1000,    /* between two reads of a body */
    TG_CLIENT_BODY_LEAST   = 256,          /* bytes a second a body must average after that */
    TG_CLIENT_IDLE_MS      = 75 * 1000,    /* between two requests */
    TG_CLIENT_WRITE_MS     = 60 * 1000,    /* without taking one byte of its answer */
    TG_CLIENT_SKIP_BYTES   = 64 * 1024,    /* of a body behind an early answer: read over, and
                                              the connection lives on */
    TG_CLIENT_LINGER_MS    = 3 * 1000,     /* reading on after an early answer ... */
    TG_CLIENT_LINGER_BYTES = 64 << 20,     /* ... and at most this much */
    TG_CLIENT_QUEUE_FULL   = 64 * 1024,    /* queued answer bytes: stop the provider */
    TG_CLIENT_QUEUE_DRAINED = 16 * 1024    /* and go on again below this */
};

struct tg_client;
struct tg_clients;

struct tg_client_handler {
    /* True: read the body. False: an answer has been given. */
    bool (*on_head)(void *arg, struct tg_client *c, const struct tg_http1_head *head);
    /* `head` and `body` hold during the call; see tg_client_take_body(). */
    void (*on_request)(void *arg, struct tg_client *c, const struct tg_http1_head *head,
                       struct tg_str body);
    void (*on_gone)(void *attached);
    void (*on_drained)(void *attached);
    /* Malformed framing or a limit: write the body that the answer carries. `head` is NULL
     * where there is none. */
    void (*on_fault)(void *arg, const struct tg_http1_head *head, int status, const char *why,
                     struct tg_buf *fields, struct tg_buf *body);
    void *arg;
};

/* Limits may be changed between requests; the rest is fixed. */
struct tg_clients_limits {
    uint64_t body_bytes;
    uint32_t connections;          /* further ones wait in the listen queue */
};

/* Listen on `fd`, which it owns from now on. NULL when out of memory. */
struct tg_clients *tg_clients_new(struct tg_loop *loop, int fd,
                                  const struct tg_clients_limits *limits,
                                  const struct tg_client_handler *handler);
void tg_clients_limit_body(struct tg_clients *s, uint64_t body_bytes);

/* Close the listener and every connection that serves nobody; others close
 * when their answer is over. */
void tg_clients_drain(struct tg_clients *s);
size_t tg_clients_count(const struct tg_clients *s);

/* Closes everything; on_gone is called for what is attached. */
void tg_clients_free(struct tg_clients *s);

/* Tie something to the request, given back in on_gone and on_drained. */
void tg_client_attach(struct tg_client *c, void *what);

/* Inside on_request: own the body. Moved when it is in a buffer of its own,
 * else copied; `bad` when out of memory. */
struct tg_buf tg_client_take_body(struct tg_client *c, struct tg_str body);

/* ---- answers ---- */

/* A whole answer: head (with Content-Length, Date, Connection) and body.
 * `fields` are "Name: value\r\n" lines. The pointer is dead afterwards. */
void tg_client_reply(struct tg_client *c, int status, struct tg_str fields, struct tg_str body);

/* The head of an answer whose length is not known (chunked, or until close for
 * HTTP/1.0); goes out with the first bytes. */
void tg_client_begin(struct tg_client *c, int status, struct tg_str fields);

/* Send a piece now. False once more than TG_CLIENT_QUEUE_FULL bytes wait:
 * stop sending until on_drained. Nothing is lost either way. The client
 * may be found gone; on_gone is then called from the loop, not from here. */
bool tg_client_send(struct tg_client *c, struct tg_str bytes);

/* The answer is over; `last` (may be empty) goes out with it. The pointer is
 * dead afterwards. */
void tg_client_end(struct tg_client *c, struct tg_str last);

/* The answer cannot be finished: close without its terminating chunk. The
 * pointer is dead afterwards. */
void tg_client_abort(struct tg_client *c);

#endif
