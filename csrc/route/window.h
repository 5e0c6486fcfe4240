/* window.h -- percentiles over a rolling five minutes, without a lock.
 *
 * Values fall into logarithmic buckets (route/sketch.h: relative error at most
 * 1 %). 30 slices of 10 s and one running total: adding bumps the total, then
 * the slice; the first writer of a new slice wins a compare-and-swap and takes
 * the oldest slice out of the total. Queries read the total. A process killed
 * in between leaves the total one too high for a while; the retiring writer
 * rebuilds it from the slices once a minute.
 *
 * Costs: 45 KiB of zero pages an endpoint and series, of which only the touched
 * ones are real. Many writers, many readers, any process. */
#ifndef TG_WINDOW_H
#define TG_WINDOW_H

#include <stdbool.h>
#include <stdint.h>
#include "route/sketch.h"

enum { TG_WINDOW_SLICES = 30, TG_WINDOW_SLICE_MS = 10000 };

struct tg_window {
    _Atomic uint64_t epoch;            /* number of the newest slice, from 1; 0: never used */
    _Atomic uint64_t rebuilt;          /* epoch of the last rebuild */
    _Atomic uint32_t samples;          /* in the total */
    _Atomic uint32_t total[TG_SKETCH_BUCKETS];
    _Atomic uint16_t slice[TG_WINDOW_SLICES][TG_SKETCH_BUCKETS];
};

struct tg_quantiles {
    uint32_t samples;
    double   p50, p75, p90, p99;       /* 0 without samples */
};

/* Add one value (clamped to the sketch's range). */
void tg_window_add(struct tg_window *w, double value, uint64_t now_ms);

/* Quantiles of what came in the last 290 to 300 s. With `lower_tail`, p90 is
 * the value that 90 % reach or exceed (throughput); else 90 % stay below or
 * at it (latency). Nearest rank. */
void tg_window_read(struct tg_window *w, bool lower_tail, uint64_t now_ms, struct tg_quantiles *out);

#endif
