#include "route/live.h"

#include <stdatomic.h>

#include "base/hash.h"

/*  region:  | layout | identities[4096] | sticky[16384][4] | owners[128] | seats[128] |
 *           | slot 0 | slot 1 | ...
 *
 * Identities are apart from the slots, so that looking one up, or taking it,
 * touches no slot: one is 90 KiB of zero pages until somebody sends a request
 * to its endpoint. Owners are apart from the seats for the same reason. */
enum {
    VERSION = 2,                       /* raise it with every change of the layout */
    ALIGNMENT = 64,
    WAYS = 4,
    STICKY_BUCKETS = TG_LIVE_STICKY_MAX / WAYS
};

struct tg_live_seat {
    _Atomic int32_t in_flight[TG_LIVE_SLOTS_MAX];  /* by slot */
};

struct tg_live_region {
    _Alignas(ALIGNMENT) _Atomic uint64_t layout;
    _Alignas(ALIGNMENT) _Atomic uint64_t identities[TG_LIVE_SLOTS_MAX];
    _Alignas(ALIGNMENT) _Atomic uint64_t sticky[STICKY_BUCKETS][WAYS];
    _Alignas(ALIGNMENT) _Atomic uint64_t owners[TG_LIVE_SEATS];    /* 0: free */
    _Alignas(ALIGNMENT) struct tg_live_seat seats[TG_LIVE_SEATS];
    _Alignas(ALIGNMENT) struct tg_live slots[];
};

_Static_assert(sizeof(struct tg_live) == 92432, "the layout has changed: raise VERSION");

/* ---- the region ---- */

static uint64_t layout_of(size_t slots)
{
    const uint64_t magic = 'T' << 16 | 'G' << 8 | 'L';

    return magic << 40 | (uint64_t)VERSION << 32 | slots;
}

static size_t slots_of(struct tg_live_region *r)
{
    return (uint32_t)atomic_load_explicit(&r->layout, memory_order_relaxed);
}

size_t tg_live_bytes(size_t slots)
{
    return sizeof(struct tg_live_region) + slots * sizeof(struct tg_live);
}

tg_err tg_live_attach(void *memory, size_t bytes, size_t slots, struct tg_live_region **out)
{
    struct tg_live_region *r = memory;
    uint64_t was = 0;

    if (slots == 0 || slots > TG_LIVE_SLOTS_MAX || bytes < tg_live_bytes(slots))
        return TG_EINVAL;
    if (!memory || (uintptr_t)memory % ALIGNMENT)
        return TG_EINVAL;
    /* One word says it all, so two that lay it out at once do not meet. */
    if (!atomic_compare_exchange_strong(&r->layout, &was, layout_of(slots)) &&
        was != layout_of(slots))
        return TG_EINVAL;
    *out = r;
    return TG_OK;
}

/* ---- slots ---- */

enum { NONE = -1 };

/* Where that identity is, or where it is now put; NONE when all are taken. */
static int place_of(struct tg_live_region *r, uint64_t identity)
{
    size_t slots = slots_of(r), first = tg_hash_join(identity, 0) % slots;

    for (size_t i = 0; i < slots; i++) {
        size_t at = (first + i) % slots;
        uint64_t is = atomic_load(&r->identities[at]);
        if (is == 0 && atomic_compare_exchange_strong(&r->identities[at], &is, identity))
            return (int)at;
        if (is == identity)
            return (int)at;
    }
    return NONE;
}

struct tg_live *tg_live_slot(struct tg_live_region *r, uint64_t identity)
{
    int at = identity ? place_of(r, identity) : NONE;

    return at == NONE ? NULL : &r->slots[at];
}

/* ---- what an attempt tells ---- */

enum { HALF_DAY_MS = 12 * 3600 * 1000 };

static void halve(_Atomic uint64_t *counter, uint64_t times)
{
    uint64_t was = atomic_load(counter);

    while (!atomic_compare_exchange_weak(counter, &was, times < 64 ? was >> times : 0))
        ;
}

static void age_tools(struct tg_live *l, uint64_t now_ms)
{
    uint64_t now = now_ms / HALF_DAY_MS + 1, was = atomic_load(&l->tool_half_day);

    if (was >= now && was - now <= 1)
        return;
    if (!atomic_compare_exchange_strong(&l->tool_half_day, &was, now))
        return;
    halve(&l->tool_answers, now - was);
    halve(&l->tool_bad, now - was);
}

static void tell_tools(struct tg_live *l, bool is_bad, uint64_t now_ms)
{
    age_tools(l, now_ms);
    atomic_fetch_add(&l->tool_answers, 1);
    if (is_bad)
        atomic_fetch_add(&l->tool_bad, 1);
}

static void tell_throughput(struct tg_live *l, int64_t tokens, int64_t stream_ms, uint64_t now_ms)
{
    if (tokens < TG_LIVE_TOKENS_LEAST || stream_ms < TG_LIVE_STREAM_LEAST_MS)
        return;
    if (atomic_load_explicit(&l->throughput.unit, memory_order_relaxed) != TG_LIVE_THROUGHPUT_UNIT)
        atomic_store(&l->throughput.unit, TG_LIVE_THROUGHPUT_UNIT);
    tg_window_add(&l->throughput, (double)tokens * 1e6 / (double)stream_ms, now_ms);
}

void tg_live_tell(struct tg_live *l, const struct tg_live_report *r, uint64_t now_ms)
{
    int32_t others = atomic_load_explicit(&l->in_flight, memory_order_relaxed) - 1;

    atomic_fetch_add_explicit(&l->told[r->event], 1, memory_order_relaxed);
    tg_health_tell(&l->health, r->event, r->hold_ms, others, now_ms);
    if (r->ttft_ms >= 0)
        tg_window_add(&l->ttft, (double)r->ttft_ms, now_ms);
    tell_throughput(l, r->output_tokens, r->stream_ms, now_ms);
    if (r->tools)
        tell_tools(l, r->tools_bad, now_ms);
}

/* ---- in flight ---- */

/* The seat's count is the later of the two to rise and the first to fall: who is
 * killed in between leaves one too many, and never one too few. */
void tg_live_enter(struct tg_live *l, struct tg_live_region *r, struct tg_live_seat *seat)
{
    atomic_fetch_add(&l->in_flight, 1);
    if (seat)
        atomic_fetch_add_explicit(&seat->in_flight[l - r->slots], 1, memory_order_relaxed);
}

void tg_live_leave(struct tg_live *l, struct tg_live_region *r, struct tg_live_seat *seat)
{
    if (seat)
        atomic_fetch_sub_explicit(&seat->in_flight[l - r->slots], 1, memory_order_relaxed);
    atomic_fetch_sub(&l->in_flight, 1);
}

/* Slots that nobody uses stay untouched. */
static void take_back(struct tg_live_region *r, struct tg_live_seat *seat)
{
    for (size_t i = 0; i < slots_of(r); i++) {
        int32_t left = atomic_load(&r->identities[i]) ? atomic_exchange(&seat->in_flight[i], 0) : 0;
        if (left)
            atomic_fetch_sub(&r->slots[i].in_flight, left);
    }
}

/* Several may sit down at once, and whoever clears may be killed, too: so a seat
 * is owned while it is cleared. */
static void clear_seats(struct tg_live_region *r, uint64_t owner, bool (*is_gone)(uint64_t owner))
{
    for (size_t i = 0; i < TG_LIVE_SEATS; i++) {
        uint64_t was = atomic_load(&r->owners[i]);
        if (!was || !is_gone(was) || !atomic_compare_exchange_strong(&r->owners[i], &was, owner))
            continue;
        take_back(r, &r->seats[i]);
        atomic_store(&r->owners[i], 0);
    }
}

struct tg_live_seat *tg_live_sit(struct tg_live_region *r, uint64_t owner,
                                 bool (*is_gone)(uint64_t owner))
{
    clear_seats(r, owner, is_gone);
    for (size_t i = 0; i < TG_LIVE_SEATS; i++) {
        uint64_t nobody = 0;
        if (atomic_compare_exchange_strong(&r->owners[i], &nobody, owner))
            return &r->seats[i];
    }
    return NULL;
}

void tg_live_stand_up(struct tg_live_region *r, struct tg_live_seat *seat)
{
    if (!seat)
        return;
    take_back(r, seat);
    atomic_store(&r->owners[seat - r->seats], 0);
}

/* ---- stickiness ---- */

/* An entry:  | of the key: 32 | last use, in steps: 19 | slot + 1: 13 |
 * Being one word it cannot be read half old and half new. */
enum { SLOT_BITS = 13, USED_BITS = 19, SLIGHTLY_AHEAD = 64 };

#define USED_MASK ((1u << USED_BITS) - 1)

_Static_assert(TG_LIVE_SLOTS_MAX < 1 << SLOT_BITS, "a slot's number fits");

static uint64_t entry_of(uint64_t mixed, size_t slot, uint64_t now_ms)
{
    uint64_t used = now_ms / TG_LIVE_STICKY_STEP_MS & USED_MASK;

    return mixed >> 32 << 32 | used << SLOT_BITS | (slot + 1);
}

static bool is_for(uint64_t entry, uint64_t mixed)
{
    return entry && entry >> 32 == mixed >> 32;
}

/* Steps since its last use. One that was used a little after now, by a clock
 * that was read later, is fresh and not half a day old. */
static uint32_t age_of(uint64_t entry, uint64_t now_ms)
{
    uint32_t used = entry >> SLOT_BITS & USED_MASK;
    uint32_t age = ((uint32_t)(now_ms / TG_LIVE_STICKY_STEP_MS) - used) & USED_MASK;

    return age > USED_MASK - SLIGHTLY_AHEAD ? 0 : age;
}

static _Atomic uint64_t *bucket_of(struct tg_live_region *r, uint64_t mixed)
{
    return r->sticky[mixed % STICKY_BUCKETS];
}

static uint64_t identity_of(struct tg_live_region *r, uint64_t entry)
{
    size_t slot = (entry & ((1u << SLOT_BITS) - 1)) - 1;

    return slot < slots_of(r) ? atomic_load(&r->identities[slot]) : 0;
}

uint64_t tg_live_sticky_get(struct tg_live_region *r, uint64_t key, uint64_t now_ms,
                            uint64_t idle_ms)
{
    uint64_t mixed = tg_hash_join(key, 0), best = 0;
    _Atomic uint64_t *bucket = bucket_of(r, mixed);

    for (int i = 0; i < WAYS; i++) {
        uint64_t entry = atomic_load(&bucket[i]);
        if (is_for(entry, mixed) && (!best || age_of(entry, now_ms) < age_of(best, now_ms)))
            best = entry;
    }
    if (!best || (uint64_t)age_of(best, now_ms) * TG_LIVE_STICKY_STEP_MS >= idle_ms)
        return 0;
    return identity_of(r, best);
}

/* The way to write to: the key's own, a free one, the oldest. */
static int victim(const uint64_t entries[WAYS], uint64_t mixed, uint64_t now_ms)
{
    int oldest = 0;

    for (int i = 0; i < WAYS; i++)
        if (is_for(entries[i], mixed))
            return i;
    for (int i = 0; i < WAYS; i++) {
        if (!entries[i])
            return i;
        if (age_of(entries[i], now_ms) > age_of(entries[oldest], now_ms))
            oldest = i;
    }
    return oldest;
}

void tg_live_sticky_set(struct tg_live_region *r, uint64_t key, uint64_t identity, uint64_t now_ms)
{
    uint64_t mixed = tg_hash_join(key, 0), entries[WAYS];
    _Atomic uint64_t *bucket = bucket_of(r, mixed);
    int slot = identity ? place_of(r, identity) : NONE, at;

    if (slot == NONE)
        return;
    do {
        for (int i = 0; i < WAYS; i++)
            entries[i] = atomic_load(&bucket[i]);
        at = victim(entries, mixed, now_ms);
    } while (!atomic_compare_exchange_strong(&bucket[at], &entries[at],
                                             entry_of(mixed, (size_t)slot, now_ms)));
}
