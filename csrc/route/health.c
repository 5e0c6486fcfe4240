#include "route/health.h"

#include <stdatomic.h>
#include <stddef.h>

#include "base/hash.h"

/* Threads read the clock in one order and get here in another: so far may a
 * time be ahead of `now_ms` and still be believed. What is further ahead was
 * written before the machine's clock began anew. */
enum { AHEAD_MS = 5000 };

#define PEEK(p)      atomic_load_explicit((p), memory_order_relaxed)
#define LENGTH(ring) (sizeof(ring) / sizeof *(ring))

/* ---- counters: a word is the number of its span of time and a count ---- */

enum { SUCCEEDED, FAILED };

struct tally {
    uint64_t succeeded, failed;
};

struct ring {
    struct tg_health_slice *slices;
    uint32_t length;
    uint32_t slice_ms;
};

static uint32_t span_of(uint64_t now_ms, uint32_t slice_ms)
{
    return (uint32_t)(now_ms / slice_ms) + 1;
}

static void count(struct ring r, int which, uint64_t now_ms)
{
    uint32_t span = span_of(now_ms, r.slice_ms);
    _Atomic uint64_t *word = &r.slices[span % r.length].epoch_and_counts[which];
    uint64_t was = atomic_load(word), is;

    do {
        is = was >> 32 != span ? (uint64_t)span << 32 | 1
           : (uint32_t)was == UINT32_MAX ? was : was + 1;
    } while (!atomic_compare_exchange_weak(word, &was, is));
}

/* Of the newest `slices` spans, none before `oldest`. */
static struct tally sum(struct ring r, uint32_t slices, uint32_t oldest, uint64_t now_ms)
{
    struct tally t = { 0, 0 };
    uint32_t newest = span_of(now_ms, r.slice_ms);

    for (uint32_t i = 0; i < slices && newest - i >= oldest && i < newest; i++) {
        struct tg_health_slice *s = &r.slices[(newest - i) % r.length];
        uint64_t succeeded = PEEK(&s->epoch_and_counts[SUCCEEDED]);
        uint64_t failed = PEEK(&s->epoch_and_counts[FAILED]);
        if (succeeded >> 32 == newest - i)
            t.succeeded += (uint32_t)succeeded;
        if (failed >> 32 == newest - i)
            t.failed += (uint32_t)failed;
    }
    return t;
}

static struct ring seconds(struct tg_health *h)
{
    return (struct ring){ h->s1, LENGTH(h->s1), 1000 };
}

static struct ring tens(struct tg_health *h)
{
    return (struct ring){ h->s10, LENGTH(h->s10), 10 * 1000 };
}

static struct ring minutes(struct tg_health *h)
{
    return (struct ring){ h->s60, LENGTH(h->s60), 60 * 1000 };
}

static struct ring hours(struct tg_health *h)
{
    return (struct ring){ h->s3600, LENGTH(h->s3600), 3600 * 1000 };
}

static void count_everywhere(struct tg_health *h, int which, uint64_t now_ms)
{
    count(seconds(h), which, now_ms);
    count(tens(h), which, now_ms);
    count(minutes(h), which, now_ms);
    count(hours(h), which, now_ms);
}

/* What the last 30 s had, and the rest of the second in which they began. */
static struct tally lately(struct tg_health *h, uint32_t oldest, uint64_t now_ms)
{
    return sum(seconds(h), TG_HEALTH_OUTAGE_MS / 1000 + 1, oldest, now_ms);
}

/* ---- outages ---- */

static bool is_significant(struct tally t)
{
    return t.failed >= TG_HEALTH_OUTAGE_LEAST &&
           t.failed * 100 >= (t.succeeded + t.failed) * TG_HEALTH_OUTAGE_PERCENT;
}

static bool is_ahead(uint64_t at_ms, uint64_t now_ms, uint64_t most_ms)
{
    return at_ms > now_ms && at_ms - now_ms <= most_ms + AHEAD_MS;
}

bool tg_health_has_outage(struct tg_health *h, uint64_t now_ms)
{
    uint64_t last = atomic_load(&h->last_failure_ms);

    if (last == 0 || !is_ahead(last + TG_HEALTH_RECOVERED_MS, now_ms, TG_HEALTH_RECOVERED_MS))
        return false;
    if (is_ahead(atomic_load(&h->outage_until_ms), now_ms, TG_HEALTH_RECOVERED_MS))
        return true;
    if (!is_significant(lately(h, 0, now_ms)))
        return false;
    /* Kept until it is over: successes of the probes alone do not end it. */
    atomic_store(&h->outage_until_ms, last + TG_HEALTH_RECOVERED_MS);
    return true;
}

static void tell_outage(struct tg_health *h, uint64_t now_ms)
{
    bool lasts = tg_health_has_outage(h, now_ms);

    atomic_store(&h->last_failure_ms, now_ms);
    if (lasts)
        atomic_store(&h->outage_until_ms, now_ms + TG_HEALTH_RECOVERED_MS);
}

/* ---- the breaker ---- */

/* Failure probability above 20 % with 90 % confidence: P(p > 0.2) > 0.9 under
 * Beta(0.03 + failed, 2.97 + succeeded). So many requests may stand beside
 * 3, 4, 5 ... failures for that to hold. */
static const uint16_t OPENS_UP_TO[] = {
    0, 0, 0,
      4,   7,  11,  14,  18,  22,  26,  30,  34,  38,  43,  47,  51,  55,  60,  64,  68,  73,
     77,  81,  86,  90,  95,  99, 103, 108, 112, 117, 121, 126, 130, 135, 139, 144, 148, 153,
    157, 162, 167, 171, 176, 180, 185, 189, 194, 199, 203, 208, 212, 217, 221, 226, 231, 235,
    240, 245, 249, 254, 258, 263, 268, 272
};

static bool is_too_bad(struct tally t)
{
    uint64_t requests = t.failed + t.succeeded;

    if (t.failed < LENGTH(OPENS_UP_TO))
        return requests <= OPENS_UP_TO[t.failed];
    return requests <= t.failed * 4;           /* 25 %: surer still */
}

/* The breaker's word:  | time, ms | row | successes | rung | state |
 *                      | 48       | ... 3 | 2       | 3    | 2     |
 * `at_ms` is when the hold ends (OPEN), when the probe was taken, 0 when there
 * is none (HALF_OPEN), or when it closed, 0 when it never opened (CLOSED). */
struct breaker {
    enum tg_breaker state;
    unsigned rung, successes, row;
    uint64_t at_ms;
};

static struct breaker unpack(uint64_t word)
{
    return (struct breaker){
        .state     = (enum tg_breaker)(word & 3),
        .rung      = word >> 2 & 7,
        .successes = word >> 5 & 3,
        .row       = word >> 7 & 7,
        .at_ms     = word >> 16,
    };
}

static uint64_t pack(struct breaker b)
{
    return (uint64_t)b.state | b.rung << 2 | b.successes << 5 | b.row << 7 | b.at_ms << 16;
}

/* 2 s x 2^rung, 10 % more or less by a hash of the moment, so that endpoints
 * and machines that fell together do not come back together. */
static uint64_t hold_of(unsigned rung, uint64_t now_ms)
{
    uint64_t per_mille = 900 + tg_hash_join(now_ms, rung) % 201;

    return ((uint64_t)TG_HEALTH_OPEN_MS << rung) * per_mille / 1000;
}

static struct breaker opened(unsigned rung, uint64_t now_ms)
{
    if (rung > TG_HEALTH_RUNG_MAX)
        rung = TG_HEALTH_RUNG_MAX;
    return (struct breaker){ .state = TG_BREAKER_OPEN, .rung = rung,
                             .at_ms = now_ms + hold_of(rung, now_ms) };
}

/* The breaker as it is now: a hold that is over leaves it half open. */
static struct breaker settled(uint64_t word, uint64_t now_ms)
{
    struct breaker b = unpack(word);
    uint64_t longest_ms = ((uint64_t)TG_HEALTH_OPEN_MS << TG_HEALTH_RUNG_MAX) * 11 / 10;

    if (b.state == TG_BREAKER_OPEN && !is_ahead(b.at_ms, now_ms, longest_ms))
        b = (struct breaker){ .state = TG_BREAKER_HALF_OPEN, .rung = b.rung };
    if (b.state == TG_BREAKER_CLOSED && b.at_ms > now_ms + AHEAD_MS)
        b.at_ms = 0;                           /* the clock began anew */
    return b;
}

static bool is_ramping(struct breaker b, uint64_t now_ms)
{
    return b.state == TG_BREAKER_CLOSED && b.at_ms &&
           is_ahead(b.at_ms + TG_HEALTH_RAMP_MS, now_ms, TG_HEALTH_RAMP_MS);
}

static struct breaker after_success(struct breaker b, uint64_t now_ms)
{
    if (b.state == TG_BREAKER_CLOSED)
        b.row = 0;
    if (b.state != TG_BREAKER_HALF_OPEN)
        return b;
    b.at_ms = 0;
    b.successes++;
    if (b.successes == TG_HEALTH_CLOSE_AFTER)
        return (struct breaker){ .state = TG_BREAKER_CLOSED, .rung = b.rung, .at_ms = now_ms };
    return b;
}

static struct breaker after_failure(struct tg_health *h, struct breaker b, uint64_t now_ms)
{
    if (b.state == TG_BREAKER_OPEN)
        return b;
    if (b.state == TG_BREAKER_HALF_OPEN)
        return opened(b.rung + 1, now_ms);

    /* What failed before it closed has been paid for. */
    struct tally t = lately(h, b.at_ms ? span_of(b.at_ms, 1000) : 0, now_ms);
    b.row += b.row < 7;
    if (b.row < TG_HEALTH_ROW && !is_too_bad(t))
        return b;
    return opened(is_ramping(b, now_ms) ? b.rung + 1 : 0, now_ms);
}

static struct breaker after(struct tg_health *h, struct breaker b, enum tg_health_event e,
                            uint64_t now_ms)
{
    if (e == TG_HEALTH_SUCCESS)
        return after_success(b, now_ms);
    if (e == TG_HEALTH_FAILURE)
        return after_failure(h, b, now_ms);
    if (b.state == TG_BREAKER_HALF_OPEN)
        b.at_ms = 0;                           /* the probe told nothing: the next one may */
    return b;
}

static void tell_breaker(struct tg_health *h, enum tg_health_event e, uint64_t now_ms)
{
    uint64_t was = atomic_load(&h->breaker), is;

    do {
        is = pack(after(h, settled(was, now_ms), e, now_ms));
        if (is == was)
            return;
    } while (!atomic_compare_exchange_weak(&h->breaker, &was, is));
}

enum tg_breaker tg_health_breaker(struct tg_health *h, uint64_t now_ms)
{
    return settled(atomic_load(&h->breaker), now_ms).state;
}

bool tg_health_take_probe(struct tg_health *h, uint64_t now_ms)
{
    uint64_t was = atomic_load(&h->breaker);
    struct breaker b;

    do {
        b = settled(was, now_ms);
        if (b.state != TG_BREAKER_HALF_OPEN)
            return b.state == TG_BREAKER_CLOSED;
        if (b.at_ms && is_ahead(b.at_ms + TG_HEALTH_PROBE_MS, now_ms, TG_HEALTH_PROBE_MS))
            return false;
        b.at_ms = now_ms;
    } while (!atomic_compare_exchange_weak(&h->breaker, &was, pack(b)));
    return true;
}

double tg_health_share(struct tg_health *h, uint64_t now_ms)
{
    struct breaker b = settled(atomic_load(&h->breaker), now_ms);
    double least = TG_HEALTH_SHARE_MIN_PERCENT / 100.0;

    if (b.state == TG_BREAKER_OPEN || tg_health_hold_ms(h, now_ms))
        return 0;
    if (b.state == TG_BREAKER_HALF_OPEN)
        return least;
    if (!is_ramping(b, now_ms))
        return 1;
    if (now_ms <= b.at_ms)
        return least;
    return least + (1 - least) * (double)(now_ms - b.at_ms) / TG_HEALTH_RAMP_MS;
}

/* ---- 429: a hold, and a cap ---- */

/* The hold's word: | until, ms: 56 | rung of the ladder: 8 | */
enum { RUNG_BITS = 8, LADDER_RUNG_MAX = 5, ONE_Q16 = 65536 };

static uint64_t left_of(uint64_t hold, uint64_t now_ms)
{
    uint64_t until_ms = hold >> RUNG_BITS;

    return is_ahead(until_ms, now_ms, TG_HEALTH_HOLD_MAX_MS) ? until_ms - now_ms : 0;
}

static uint64_t clamped(uint64_t ms)
{
    return ms < TG_HEALTH_HOLD_MIN_MS ? TG_HEALTH_HOLD_MIN_MS
         : ms > TG_HEALTH_HOLD_MAX_MS ? TG_HEALTH_HOLD_MAX_MS : ms;
}

/* A 429 that says nothing climbs the ladder, but not while a hold is on: the
 * others of the same burst tell nothing new. */
static uint64_t held(uint64_t hold, int64_t asked_ms, uint64_t now_ms)
{
    uint64_t rung = hold & 0xff, left_ms = left_of(hold, now_ms), ms;

    if (asked_ms >= 0) {
        ms = clamped((uint64_t)asked_ms);
    } else {
        if (left_ms)
            return hold;
        ms = 1000ull << rung;
        ms = ms < TG_HEALTH_LADDER_MAX_MS ? ms : TG_HEALTH_LADDER_MAX_MS;
        rung += rung < LADDER_RUNG_MAX;
    }
    return (now_ms + (ms > left_ms ? ms : left_ms)) << RUNG_BITS | rung;
}

/* To 0.8 times what was in flight when it said no, at least 1. */
static void lower_cap(struct tg_health *h, int32_t in_flight)
{
    uint64_t others = in_flight < 0 ? 0 : (uint64_t)in_flight;
    uint64_t q16 = (others + 1) * ONE_Q16 * 4 / 5;
    uint32_t was = atomic_load(&h->cap_q16);

    q16 = q16 < ONE_Q16 ? ONE_Q16 : q16 < UINT32_MAX ? q16 : UINT32_MAX;
    while ((was == 0 || was > q16) &&
           !atomic_compare_exchange_weak(&h->cap_q16, &was, (uint32_t)q16))
        ;
}

/* By 1/cap: a cap's worth of successes makes room for one more. */
static void raise_cap(struct tg_health *h)
{
    uint32_t was = atomic_load(&h->cap_q16);

    while (was && was < UINT32_MAX) {
        uint64_t is = was + (1ull << 32) / was;
        is = is < UINT32_MAX ? is : UINT32_MAX;
        if (atomic_compare_exchange_weak(&h->cap_q16, &was, (uint32_t)is))
            return;
    }
}

static void tell_rate_limited(struct tg_health *h, int64_t asked_ms, int32_t in_flight,
                              uint64_t now_ms)
{
    uint64_t was = atomic_load(&h->hold), is;

    do {
        is = held(was, asked_ms, now_ms);
        if (is == was)
            return;
    } while (!atomic_compare_exchange_weak(&h->hold, &was, is));
    if (left_of(was, now_ms) == 0)             /* the first of its burst */
        lower_cap(h, in_flight);
}

static void tell_not_limited(struct tg_health *h, uint64_t now_ms)
{
    uint64_t was = atomic_load(&h->hold);

    if (was && left_of(was, now_ms) == 0)
        atomic_compare_exchange_strong(&h->hold, &was, 0);
    raise_cap(h);
}

uint64_t tg_health_hold_ms(struct tg_health *h, uint64_t now_ms)
{
    return left_of(atomic_load(&h->hold), now_ms);
}

int32_t tg_health_cap(struct tg_health *h)
{
    uint32_t q16 = atomic_load(&h->cap_q16);

    return q16 == 0 || q16 >> 16 >= TG_HEALTH_CAP_MAX ? INT32_MAX : (int32_t)(q16 >> 16);
}

/* ---- tell ---- */

void tg_health_tell(struct tg_health *h, enum tg_health_event e, int64_t hold_ms,
                    int32_t in_flight, uint64_t now_ms)
{
    switch (e) {
    case TG_HEALTH_SUCCESS:
        count_everywhere(h, SUCCEEDED, now_ms);
        tell_not_limited(h, now_ms);
        break;
    case TG_HEALTH_FAILURE:
        count_everywhere(h, FAILED, now_ms);
        tell_outage(h, now_ms);
        break;
    case TG_HEALTH_RATE_LIMITED:
        tell_rate_limited(h, hold_ms, in_flight, now_ms);
        break;
    case TG_HEALTH_NEUTRAL:
        break;
    }
    tell_breaker(h, e, now_ms);
}

/* ---- uptime ---- */

static double uptime(struct tally t)
{
    uint64_t requests = t.succeeded + t.failed;

    return requests < TG_HEALTH_UPTIME_LEAST ? -1 : (double)t.succeeded / (double)requests;
}

double tg_health_uptime_5m(struct tg_health *h, uint64_t now_ms)
{
    return uptime(sum(tens(h), 30, 0, now_ms));
}

double tg_health_uptime_30m(struct tg_health *h, uint64_t now_ms)
{
    return uptime(sum(minutes(h), 30, 0, now_ms));
}

double tg_health_uptime_1d(struct tg_health *h, uint64_t now_ms)
{
    return uptime(sum(hours(h), 24, 0, now_ms));
}
