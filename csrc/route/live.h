/* live.h -- what is known about endpoints from traffic, shared by everybody.
 *
 * One region of shared memory holds a slot per endpoint, found by a stable
 * hash of its identity, so that all engines, threads and nginx workers see
 * the same numbers and a reload keeps them. Any process may be killed at any
 * instruction: nothing here takes a lock. Time is an argument everywhere
 * (monotonic ms, the same for all processes of a machine). */
#ifndef TG_LIVE_H
#define TG_LIVE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "base/err.h"
#include "route/health.h"
#include "route/window.h"

enum {
    TG_LIVE_SLOTS_MAX = 4096,
    TG_LIVE_STICKY_MAX = 65536,
    TG_LIVE_TOKENS_LEAST = 2,          /* fewer, or in less time, tell no speed */
    TG_LIVE_STREAM_LEAST_MS = 20,
    TG_LIVE_STICKY_STEP_MS = 256,      /* what the last use is rounded to */
    TG_LIVE_SEATS = 128,               /* processes that may be killed while others go on */
    TG_LIVE_EVENTS = TG_HEALTH_NEUTRAL + 1,
    TG_LIVE_THROUGHPUT_UNIT = 16       /* tokens per 1000 s: up to 16,777 tokens/s */
};

/* One endpoint's slot; all zero is a fresh one. */
struct tg_live {
    _Atomic uint64_t  identity;        /* of a slot outside a region; the region has a list */
    struct tg_health  health;
    _Atomic int32_t   in_flight;       /* tg_live_enter() before, tg_live_leave() after telling */
    _Atomic uint64_t  told[TG_LIVE_EVENTS];  /* by enum tg_health_event: attempts that ended so */
    _Atomic uint64_t  tool_answers;    /* finished with tool calls; both halved twice a day */
    _Atomic uint64_t  tool_bad;        /* of them, with a bad call */
    _Atomic uint64_t  tool_half_day;   /* when they were halved last */
    struct tg_window  ttft;            /* ms until the first content */
    struct tg_window  throughput;      /* output tokens per second, x 1000 */
};

struct tg_live_region;                 /* laid out in live.c */

/* Bytes a region for so many endpoints needs (<= TG_LIVE_SLOTS_MAX). */
size_t tg_live_bytes(size_t slots);

/* Lay out a fresh region in zeroed memory of that size, or check that an
 * existing one fits (TG_EINVAL when it is of another version or size, or the
 * memory is not aligned to 64 bytes). Touches the first page alone. */
tg_err tg_live_attach(void *memory, size_t bytes, size_t slots, struct tg_live_region **out);

/* The slot of that identity, taken when new. NULL when all are taken, and for
 * identity 0. Slots are never given back. The slot itself is not touched. */
struct tg_live *tg_live_slot(struct tg_live_region *r, uint64_t identity);

/* How an attempt ended, in numbers: feeds both windows, health and tools. */
struct tg_live_report {
    enum tg_health_event event;
    int64_t  ttft_ms;                  /* -1: no content came */
    int64_t  output_tokens;            /* behind the first; -1 unknown */
    int64_t  stream_ms;                /* first to last content */
    int64_t  hold_ms;                  /* asked for by a 429; -1 none */
    bool     tools, tools_bad;
};

/* Tell it, while the attempt is still counted in `in_flight`. A first-token
 * time counts whatever became of the attempt; a speed only from
 * TG_LIVE_TOKENS_LEAST tokens and TG_LIVE_STREAM_LEAST_MS on. */
void tg_live_tell(struct tg_live *l, const struct tg_live_report *r, uint64_t now_ms);

/* ---- in flight ----
 *
 * A process that may be killed while others go on takes a seat. What it has in
 * flight is counted there, too, and whoever sits down next takes back what the
 * dead have left: at most one request too many for each that was killed just
 * then. Without a seat (NULL) only the endpoint counts. */
struct tg_live_seat;

/* `owner` (not 0) is told from others by is_gone(), which is asked about owners
 * of other seats. NULL when all are taken. */
struct tg_live_seat *tg_live_sit(struct tg_live_region *r, uint64_t owner,
                                 bool (*is_gone)(uint64_t owner));
/* Nothing of it is in flight any more. Fine with NULL. */
void tg_live_stand_up(struct tg_live_region *r, struct tg_live_seat *seat);

/* One request more, or less. A seat is of the region that has the slot. */
void tg_live_enter(struct tg_live *l, struct tg_live_region *r, struct tg_live_seat *seat);
void tg_live_leave(struct tg_live *l, struct tg_live_region *r, struct tg_live_seat *seat);

/* ---- stickiness: which endpoint served a conversation last ----
 *
 * A table of TG_LIVE_STICKY_MAX entries in buckets of four. An entry is one
 * word, so it is whole or it is not there. Keys are 64 bits of a hash; the
 * table keeps 46 of them, and with one chance in 10^9 takes one conversation
 * for another, which costs that one a cold cache. */

/* The identity stored for this key, 0 when none or idle for `idle_ms` (told in
 * steps of TG_LIVE_STICKY_STEP_MS, up to a day). */
uint64_t tg_live_sticky_get(struct tg_live_region *r, uint64_t key, uint64_t now_ms,
                            uint64_t idle_ms);

/* Remember an identity that has a slot, or takes one; the oldest entry of a
 * full bucket makes room. */
void tg_live_sticky_set(struct tg_live_region *r, uint64_t key, uint64_t identity, uint64_t now_ms);

#endif
