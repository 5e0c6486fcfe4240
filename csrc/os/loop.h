/* loop.h -- wait for sockets, timers and words from other threads.
 *
 * One loop, one thread. A turn calls what was posted, then the sockets, then
 * the timers, then the one hook for the end of a turn. Sockets are watched
 * edge-triggered, once, for both directions: a handler reads or writes until
 * the kernel says "again", or remembers that it did not. Nothing is freed while
 * it is being called: tg_loop_remove() may be called from any handler, also for
 * another watch, and from then on its handler is not called again, even for
 * events that were already fetched. */
#ifndef TG_LOOP_H
#define TG_LOOP_H

#include <stdbool.h>
#include <stdint.h>
#include "base/err.h"

struct tg_loop;

enum {                           /* what happened at a socket; several at once */
    TG_LOOP_READ  = 1,           /* bytes, or the end of them */
    TG_LOOP_WRITE = 2,           /* room again, or connected */
    TG_LOOP_HUP   = 4            /* the peer closed its side, or an error: read to learn */
};

/* Embedded in its owner; tg_loop_add() fills it in. */
struct tg_watch {
    int   fd;
    void (*on)(struct tg_watch *w, unsigned what);
    uint32_t slot;               /* private */
};

/* Embedded; zero is a timer that is not set. */
struct tg_timer {
    uint64_t at_ms;              /* 0: not set */
    void   (*on)(struct tg_timer *t);
    uint32_t place, turn;        /* private */
};

/* Embedded; what tg_loop_send() brings to the loop. */
struct tg_errand {
    void (*on)(struct tg_errand *e);
    struct tg_errand *next;      /* private */
};

struct tg_loop *tg_loop_new(void);
void tg_loop_free(struct tg_loop *l);

/* Monotonic time of this turn, read once a turn. */
uint64_t tg_loop_ms(const struct tg_loop *l);

tg_err tg_loop_add(struct tg_loop *l, struct tg_watch *w);
void   tg_loop_remove(struct tg_loop *l, struct tg_watch *w);

/* Call `on` once at or after at_ms: in this turn, when that has come and timers
 * were not called yet, else in a later one. Setting again moves it; O(log n),
 * and O(1) when moved to later. at_ms 0 unsets. TG_ENOMEM, never for a timer
 * that is set. */
tg_err tg_loop_at(struct tg_loop *l, struct tg_timer *t, uint64_t at_ms);

/* Call fn(arg) in the next turn of the loop, from any thread. Order is kept
 * per caller. TG_ENOMEM. */
tg_err tg_loop_post(struct tg_loop *l, void (*fn)(void *arg), void *arg);

/* Take one such call back, from the loop's own thread; false when there is
 * none that waits. What still waits when the loop is freed is not called. */
bool tg_loop_unpost(struct tg_loop *l, void (*fn)(void *arg), const void *arg);

/* Call e->on(e) in the next turn, from any thread, in the order of sending. Takes
 * no memory, so it cannot fail; `e` may be sent again once it is being called. */
void tg_loop_send(struct tg_loop *l, struct tg_errand *e);

/* Call `on` at the end of each turn, before sleeping: for work that is best
 * done once for all events of a turn. NULL takes it away. */
void tg_loop_each_turn(struct tg_loop *l, void (*on)(void *arg), void *arg);

/* One turn: wait at most `wait_ms` (-1: until something happens), call
 * handlers. A signal ends the wait. */
tg_err tg_loop_turn(struct tg_loop *l, int wait_ms);

/* Turns until tg_loop_stop(), which any thread may call, also before. */
tg_err tg_loop_run(struct tg_loop *l);
void   tg_loop_stop(struct tg_loop *l);

#endif
