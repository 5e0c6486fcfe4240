#include "route/window.h"

#include <stdatomic.h>
#include <stddef.h>

#define FULL (1u << 31)

_Static_assert(TG_WINDOW_GROUPS * TG_WINDOW_GROUP == TG_SKETCH_BUCKETS, "every bucket has a group");
_Static_assert(TG_WINDOW_GROUPS < 31, "a bit for every group, and one for full");

/* Counters say nothing about other memory, so reading them asks for no order.
 * Changes keep theirs (mark, total, slice, mark): what a process leaves behind
 * when it is killed between two of them is what the rebuild expects. */
#define PEEK(p) atomic_load_explicit((p), memory_order_relaxed)

static uint64_t epoch_of(uint64_t now_ms)
{
    return now_ms / TG_WINDOW_SLICE_MS + 1;
}

/* Threads read the clock in one order and get here in another, so the newest
 * slice may lie a little ahead. One far ahead was written before the machine's
 * clock began anew: all of it is old. */
static bool is_at_least(uint64_t newest, uint64_t epoch)
{
    return newest >= epoch && newest - epoch <= TG_WINDOW_SLICES;
}

/* ---- rotation: by whoever won the claim ---- */

/* Less n, but never below zero: the total may be too low by what a rebuild
 * overlooked, and a wrapped one would be believed for a minute. */
static void subtract(_Atomic uint32_t *total, uint32_t n)
{
    uint32_t was = PEEK(total);

    while (!atomic_compare_exchange_weak(total, &was, was > n ? was - n : 0))
        ;
}

static bool has_values(struct tg_window *w, size_t s, size_t from)
{
    for (size_t b = from; b < from + TG_WINDOW_GROUP; b++)
        if (atomic_load(&w->slice[s][b]))
            return true;
    return false;
}

/* The mark goes last, so that a retirement cut short is taken up by the next.
 * It comes back when a writer that slept for five minutes added behind us. */
static void retire_group(struct tg_window *w, size_t s, size_t group)
{
    size_t from = group * TG_WINDOW_GROUP;

    for (size_t b = from; b < from + TG_WINDOW_GROUP; b++)
        if (PEEK(&w->slice[s][b]))
            subtract(&w->total[b], atomic_exchange(&w->slice[s][b], 0));
    atomic_fetch_and(&w->touched[s], ~(1u << group));
    if (has_values(w, s, from))
        atomic_fetch_or(&w->touched[s], 1u << group);
}

static void retire_slice(struct tg_window *w, size_t s)
{
    if (PEEK(&w->touched[s]) == 0)
        return;
    uint32_t groups = atomic_fetch_and(&w->touched[s], ~FULL) & ~FULL;
    for (; groups; groups &= groups - 1)
        retire_group(w, s, (size_t)__builtin_ctz(groups));
}

static uint32_t sum_of_slices(struct tg_window *w, size_t bucket)
{
    uint32_t bit = 1u << bucket / TG_WINDOW_GROUP, sum = 0;

    for (size_t s = 0; s < TG_WINDOW_SLICES; s++)
        if (PEEK(&w->touched[s]) & bit)
            sum += PEEK(&w->slice[s][bucket]);
    return sum;
}

/* A writer between its two additions looks like one that died there. When it
 * lives the total is one too low until the next rebuild; its slice is right. */
static void rebuild_total(struct tg_window *w)
{
    for (size_t b = 0; b < TG_SKETCH_BUCKETS; b++) {
        uint32_t was = atomic_load(&w->total[b]), is = sum_of_slices(w, b);
        if (was != is)
            atomic_compare_exchange_strong(&w->total[b], &was, is);
    }
}

static void rotate(struct tg_window *w, uint64_t epoch)
{
    uint64_t newest = atomic_load(&w->epoch);

    if (newest) {
        uint64_t due = epoch - newest;         /* huge when the clock began anew */
        for (uint64_t i = 0; i < due && i < TG_WINDOW_SLICES; i++)
            retire_slice(w, (size_t)((epoch + TG_WINDOW_SLICES - i) % TG_WINDOW_SLICES));
    }
    if (epoch - PEEK(&w->rebuilt) >= TG_WINDOW_REBUILD_EVERY) {
        rebuild_total(w);
        atomic_store(&w->rebuilt, epoch);
    }
    atomic_compare_exchange_strong(&w->epoch, &newest, epoch);
}

/* Only one caller sees to a rotation. A claim is for one epoch: the claim of a
 * process that died is in nobody's way when the next slice is due. */
static bool claims(struct tg_window *w, uint64_t epoch)
{
    uint64_t claimed = atomic_load(&w->claimed);

    return !is_at_least(claimed, epoch) &&
           atomic_compare_exchange_strong(&w->claimed, &claimed, epoch);
}

/* See to it that what is older than `epoch` allows is retired; the slice to
 * add to. */
static uint64_t advance(struct tg_window *w, uint64_t epoch)
{
    uint64_t newest = atomic_load(&w->epoch);

    if (is_at_least(newest, epoch))
        return newest;
    if (claims(w, epoch)) {
        rotate(w, epoch);
        return epoch;
    }
    return newest ? newest : epoch;
}

/* ---- add ---- */

static double unit_of(struct tg_window *w)
{
    uint32_t unit = PEEK(&w->unit);

    return unit ? unit : 1;
}

static void mark(struct tg_window *w, size_t s, uint32_t bits)
{
    if ((atomic_load(&w->touched[s]) & bits) != bits)
        atomic_fetch_or(&w->touched[s], bits);
}

void tg_window_add(struct tg_window *w, double value, uint64_t now_ms)
{
    size_t s = (size_t)(advance(w, epoch_of(now_ms)) % TG_WINDOW_SLICES);
    uint32_t bucket = tg_sketch_bucket(value / unit_of(w)), bits = 1u << bucket / TG_WINDOW_GROUP;

    if (PEEK(&w->touched[s]) & FULL)
        return;
    mark(w, s, bits);
    atomic_fetch_add(&w->total[bucket], 1);
    if (atomic_fetch_add(&w->slice[s][bucket], 1) >= TG_WINDOW_SLICE_FULL)
        bits |= FULL;
    mark(w, s, bits);                          /* it may have been retired meanwhile */
}

/* ---- read ---- */

struct counts {
    uint32_t groups;                           /* bits of those that are filled in */
    uint64_t samples;
    uint64_t group[TG_WINDOW_GROUPS];
    uint32_t bucket[TG_SKETCH_BUCKETS];
};

/* A copy, so that ranks and counts agree whatever is added meanwhile. */
static void copy_total(struct tg_window *w, struct counts *c)
{
    uint32_t touched = 0;

    for (size_t s = 0; s < TG_WINDOW_SLICES; s++)
        touched |= PEEK(&w->touched[s]);
    c->groups = touched & ~FULL;
    c->samples = 0;
    for (uint32_t left = c->groups; left; left &= left - 1) {
        size_t g = (size_t)__builtin_ctz(left), from = g * TG_WINDOW_GROUP;
        uint64_t sum = 0;
        for (size_t b = from; b < from + TG_WINDOW_GROUP; b++)
            sum += c->bucket[b] = PEEK(&w->total[b]);
        c->group[g] = sum;
        c->samples += sum;
    }
}

/* The value at a rank, 1 being the smallest of all. */
static double value_at(const struct counts *c, uint64_t rank)
{
    for (uint32_t left = c->groups; left; left &= left - 1) {
        size_t g = (size_t)__builtin_ctz(left);
        if (rank > c->group[g]) {
            rank -= c->group[g];
            continue;
        }
        uint32_t b = (uint32_t)g * TG_WINDOW_GROUP;
        while (rank > c->bucket[b])
            rank -= c->bucket[b++];
        return tg_sketch_value(b);
    }
    return 0;
}

static double quantile(const struct counts *c, bool lower_tail, unsigned percent)
{
    uint64_t rank = (c->samples * percent + 99) / 100;

    return value_at(c, lower_tail ? c->samples - rank + 1 : rank);
}

void tg_window_read(struct tg_window *w, bool lower_tail, uint64_t now_ms,
                    struct tg_quantiles *out)
{
    struct counts c;

    *out = (struct tg_quantiles){ 0 };
    if (PEEK(&w->epoch) == 0)
        return;
    advance(w, epoch_of(now_ms));
    copy_total(w, &c);
    if (c.samples == 0)
        return;
    out->samples = c.samples < UINT32_MAX ? (uint32_t)c.samples : UINT32_MAX;
    out->p50 = quantile(&c, lower_tail, 50) * unit_of(w);
    out->p75 = quantile(&c, lower_tail, 75) * unit_of(w);
    out->p90 = quantile(&c, lower_tail, 90) * unit_of(w);
    out->p99 = quantile(&c, lower_tail, 99) * unit_of(w);
}
