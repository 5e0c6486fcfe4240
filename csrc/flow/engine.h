/* engine.h -- one thread: its loop, its clients, its connections to providers,
 * its exchanges. Everything here is called from that thread only, but for
 * tg_engine_swap() and the two below it. */
#ifndef TG_ENGINE_H
#define TG_ENGINE_H

#include "flow/exchange.h"
#include "flow/server.h"
#include "peer/caller.h"

struct tg_engine;

/* Serve on the listening socket `fd`, which it owns from now on; -1: serve callers
 * alone (tg_engine_call()). Holds `config`; NULL where each call brings its own. `index` tells the engines of a process apart (policies have a state
 * for each). `hooks` may be NULL. NULL with one line in `why`. */
struct tg_engine *tg_engine_new(int fd, unsigned index, struct tg_config *config,
                                const struct tg_server_hooks *hooks, struct tg_buf *why);

/* Before it runs: the process is somebody else's, so its memory is not ours to trim,
 * and may be killed while others go on: what is in flight counts in its seat
 * (route/live.h; NULL: it has none). */
void tg_engine_be_guest(struct tg_engine *e, struct tg_live_seat *seat);

/* Run until it was drained or stopped, then free it. */
void tg_engine_run(struct tg_engine *e);
void tg_engine_free(struct tg_engine *e);

/* A request of the program that has us inside, under that configuration. The
 * answer goes into the sink, maybe before this returns; *client is good until
 * on_end. `head` may be NULL; its fields count as a request's would. The body is
 * moved. TG_ENOMEM: nothing happened. */
struct tg_engine_call {
    struct tg_config *config;
    enum tg_api       api;
    const struct tg_http1_head *head;
    struct tg_buf    *body;
    struct tg_caller_sink sink;
    struct tg_client **client;             /* gets the client before anything is answered */
};
tg_err tg_engine_call(struct tg_engine *e, const struct tg_engine_call *call);

/* From any thread. */
void tg_engine_swap(struct tg_engine *e, struct tg_config *config);
void tg_engine_drain(struct tg_engine *e);
void tg_engine_stop(struct tg_engine *e);

/* ---- for exchanges ---- */

unsigned             tg_engine_index(const struct tg_engine *e);
struct tg_live_seat *tg_engine_seat(struct tg_engine *e);      /* may be NULL */
struct tg_loop      *tg_engine_loop(struct tg_engine *e);
struct tg_upstreams *tg_engine_upstreams(struct tg_engine *e);
struct tg_credentials *tg_engine_credentials(struct tg_engine *e);
/* The converters and their state; NULL when there are none, or no memory for them. */
const struct tg_convert *tg_engine_convert(struct tg_engine *e, void **state);
/* The buffer that streams pass on to each other; may be empty. */
struct tg_buf *tg_engine_spare(struct tg_engine *e);
void tg_engine_give_desk(struct tg_engine *e, struct tg_desk *d);
void tg_engine_forget(struct tg_engine *e, struct tg_exchange *x);
/* Call tg_pump_flush(x) at the end of this turn. */
void tg_engine_flush_soon(struct tg_engine *e, struct tg_exchange *x);
void tg_engine_remember_try(struct tg_engine *e, struct tg_try *t);
void tg_engine_forget_try(struct tg_engine *e, struct tg_try *t);

#endif
