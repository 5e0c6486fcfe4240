/* health.h -- does an endpoint work: outages, the breaker, 429 holds, uptime.
 *
 *          too many failures (see TG_HEALTH_ROW), or 5 in a row
 *   CLOSED ------------------------------------------------------> OPEN
 *     ^  share ramps 10 % -> 100 % over 30 s                        |  hold over:
 *     |                                                             v  2 s x 2^rung, <= 64 s +-10 %
 *     +---------------- 3 successes ------------------------- HALF-OPEN
 *                                                   one request at a time;
 *                                                   a failure: OPEN, rung + 1
 *
 * A failure while OPEN never shortens the hold. 429 and errors of the request
 * itself do not count as failures; a 429 sets a hold of its own and teaches a
 * cap on requests in flight. Rules and figures: docs/routing.md.
 *
 * Lock-free, for shared memory: every fact that must change as one is one
 * word, so that a process killed at any instruction leaves no half of it. All
 * zero is an endpoint nobody has used. Time is an argument: monotonic ms. */
#ifndef TG_HEALTH_H
#define TG_HEALTH_H

#include <stdbool.h>
#include <stdint.h>

enum tg_health_event {
    TG_HEALTH_SUCCESS,
    TG_HEALTH_FAILURE,         /* 5xx, reset, time-out, broken answer, 401 402 404 ... */
    TG_HEALTH_RATE_LIMITED,    /* 429 */
    TG_HEALTH_NEUTRAL          /* the request's own fault, or the client left */
};

enum tg_breaker { TG_BREAKER_CLOSED, TG_BREAKER_HALF_OPEN, TG_BREAKER_OPEN };

enum {
    TG_HEALTH_OUTAGE_MS      = 30 * 1000,  /* looked back on for outages and by the breaker */
    TG_HEALTH_RECOVERED_MS   = 34 * 1000,  /* after the last failure it is back */
    TG_HEALTH_OUTAGE_LEAST   = 2,          /* failures ... */
    TG_HEALTH_OUTAGE_PERCENT = 10,         /* ... that are this share of requests */
    TG_HEALTH_ROW            = 5,          /* failures in a row that open the breaker */
    TG_HEALTH_OPEN_MS        = 2 * 1000,   /* first hold of the breaker; doubles a rung */
    TG_HEALTH_RUNG_MAX       = 5,          /* 64 s */
    TG_HEALTH_CLOSE_AFTER    = 3,          /* successes while half open */
    TG_HEALTH_RAMP_MS        = 30 * 1000,  /* from TG_HEALTH_SHARE_MIN_PERCENT to all */
    TG_HEALTH_SHARE_MIN_PERCENT = 10,
    TG_HEALTH_PROBE_MS       = 60 * 1000,  /* a probe nobody told about is forgotten */
    TG_HEALTH_HOLD_MIN_MS    = 500,        /* of a 429, whatever it says */
    TG_HEALTH_HOLD_MAX_MS    = 60 * 1000,
    TG_HEALTH_LADDER_MAX_MS  = 30 * 1000,  /* of 1, 2, 4 ... s for 429s that say nothing */
    TG_HEALTH_CAP_MAX        = 65535,      /* requests in flight; beyond it is no cap */
    TG_HEALTH_UPTIME_LEAST   = 1           /* requests for an uptime to be told */
};

/* Counters of a span of time, in a ring of slices (layout private). Each word
 * carries the number of its span, so that old ones need no clearing. */
struct tg_health_slice {
    _Atomic uint64_t epoch_and_counts[2];
};

struct tg_health {
    _Atomic uint64_t breaker;              /* state, rung, counts and a time, packed */
    _Atomic uint64_t last_failure_ms, outage_until_ms;
    _Atomic uint64_t hold;                 /* of a 429: until when, and rung of the ladder */
    _Atomic uint32_t cap_q16;              /* learned cap on requests in flight x 65536; 0 none */
    struct tg_health_slice s1[32];         /* 1 s each: outages */
    struct tg_health_slice s10[31];        /* 10 s: uptime 5 min */
    struct tg_health_slice s60[31];        /* 1 min: 30 min */
    struct tg_health_slice s3600[25];      /* 1 h: 1 day */
};

/* How a request ended. `hold_ms` is what a 429 asked for, -1 when it asked for
 * nothing; `in_flight` how many other requests are with the endpoint. */
void tg_health_tell(struct tg_health *h, enum tg_health_event e, int64_t hold_ms,
                    int32_t in_flight, uint64_t now_ms);

/* An outage is significant from two failures that are at least 10 % of the
 * requests of the last 30 s; it ends 34 s after the last failure. */
bool tg_health_has_outage(struct tg_health *h, uint64_t now_ms);

enum tg_breaker tg_health_breaker(struct tg_health *h, uint64_t now_ms);

/* May a request be sent first to it? In HALF_OPEN this takes the one probe
 * place, so ask only when about to send; tg_health_tell() gives it back, and
 * it is forgotten after 60 s. CLOSED: always, OPEN: never. */
bool tg_health_take_probe(struct tg_health *h, uint64_t now_ms);

/* Share of the traffic it should see now: 1, less while it comes back (0.1 to
 * 1 over 30 s), 0.1 in HALF_OPEN, 0 when open or held. Outages are not in it. */
double tg_health_share(struct tg_health *h, uint64_t now_ms);

/* Milliseconds until a 429's hold is over; 0 when there is none. */
uint64_t tg_health_hold_ms(struct tg_health *h, uint64_t now_ms);

/* Requests in flight it stands, learned from 429s; INT32_MAX when unknown. */
int32_t tg_health_cap(struct tg_health *h);

/* Successes / (successes + failures), 0 to 1; -1 with too little data. */
double tg_health_uptime_5m(struct tg_health *h, uint64_t now_ms);
double tg_health_uptime_30m(struct tg_health *h, uint64_t now_ms);
double tg_health_uptime_1d(struct tg_health *h, uint64_t now_ms);

#endif
