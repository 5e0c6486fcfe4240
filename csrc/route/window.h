/* window.h -- percentiles over a rolling five minutes, without a lock.
 *
 * Values fall into logarithmic buckets (route/sketch.h: relative error at most
 * 1 %). 30 slices of 10 s and one running total:
 *
 *     slice    [e-29] [e-28]  ...  [e-1] [ e ]     e: the newest, `epoch`
 *                 |                        ^
 *     total  = sum of all 30               values are added here, total first
 *
 * Adding bumps the total, then the newest slice. Whoever first sees that a new
 * slice is due claims the rotation with a compare-and-swap, takes the oldest
 * slice out of the total and only then moves `epoch`; until that moment others
 * go on adding to the slice before. Reading looks at the total alone.
 *
 * Any process may be killed at any instruction. Killed between its two
 * additions it leaves the total one too high: every sixth rotation rebuilds the
 * total from the slices. Killed in a rotation it leaves the claim behind: the
 * next rotation, 10 s later, makes up for both.
 *
 * Limits: a bucket of a slice counts to TG_WINDOW_SLICE_FULL; from then on that
 * slice takes no more values into any bucket, so that what it holds stays an
 * even sample of its time instead of a lopsided one.
 *
 * Costs: 45 KiB of zero pages an endpoint and series, of which only the touched
 * ones are real. Many writers, many readers, any process; all zero is empty. */
#ifndef TG_WINDOW_H
#define TG_WINDOW_H

#include <stdbool.h>
#include <stdint.h>
#include "route/sketch.h"

enum {
    TG_WINDOW_SLICES = 30,
    TG_WINDOW_SLICE_MS = 10000,
    TG_WINDOW_GROUP = 32,              /* buckets that one bit of `touched` speaks for */
    TG_WINDOW_GROUPS = TG_SKETCH_BUCKETS / TG_WINDOW_GROUP,
    TG_WINDOW_REBUILD_EVERY = 6,       /* slices: a minute */
    TG_WINDOW_SLICE_FULL = 64000       /* of 65535: the rest is for writers on their way */
};

struct tg_window {
    _Atomic uint64_t epoch;            /* number of the newest slice, from 1; 0: never used */
    _Atomic uint64_t claimed;          /* epoch of the last rotation begun */
    _Atomic uint64_t rebuilt;          /* epoch of the last rebuild */
    _Atomic uint32_t unit;             /* counted in; 0 is 1. Set before the first value */
    _Atomic uint32_t touched[TG_WINDOW_SLICES];    /* groups with values; bit 31: full */
    _Atomic uint32_t total[TG_SKETCH_BUCKETS];
    _Atomic uint16_t slice[TG_WINDOW_SLICES][TG_SKETCH_BUCKETS];
};

struct tg_quantiles {
    uint32_t samples;
    double   p50, p75, p90, p99;       /* 0 without samples */
};

/* Add one value, clamped to the sketch's range times the unit. `now_ms` may lie a little
 * before another writer's: the value then goes into the newest slice. */
void tg_window_add(struct tg_window *w, double value, uint64_t now_ms);

/* Quantiles of what came in the last 290 to 300 s. With `lower_tail`, p90 is
 * the value that 90 % reach or exceed (throughput); else 90 % stay below or
 * at it (latency). Nearest rank. */
void tg_window_read(struct tg_window *w, bool lower_tail, uint64_t now_ms,
                    struct tg_quantiles *out);

#endif
