/* caller.h -- a client that is no connection: the program that has us inside.
 *
 * What is answered goes into a sink as it comes; the sink's owner says when there
 * is room again, or that nobody wants the answer any more. All of it in the
 * thread of the loop. */
#ifndef TG_CALLER_H
#define TG_CALLER_H

#include "peer/client.h"

struct tg_caller_sink {
    /* The head: status and "Name: value\r\n" lines. */
    void (*on_head)(void *arg, int status, struct tg_str fields);
    /* Bytes of the body; false: it is full, and tg_caller_drained() will be called. */
    bool (*on_bytes)(void *arg, struct tg_str bytes);
    /* The answer is over, whole or not, with its last bytes, which may be none:
     * nothing more is called. */
    void (*on_end)(void *arg, struct tg_str last, bool is_whole);
    void *arg;
};

/* A caller for one request, whose body is moved into it; it frees itself at the
 * end of its answer. on_gone and on_drained are what a set of connections calls
 * too. NULL when out of memory, and then the body stays. */
struct tg_client *tg_caller_new(const struct tg_caller_sink *sink, struct tg_buf *body,
                                void (*on_gone)(void *attached), void (*on_drained)(void *attached));

/* The body, until somebody takes it. */
struct tg_str tg_caller_body(const struct tg_client *c);

/* There is room again. */
void tg_caller_drained(struct tg_client *c);

/* Nobody wants the answer: on_gone is called for what is attached, the sink never
 * again. */
void tg_caller_leave(struct tg_client *c);

#endif
