/* price.h -- what tokens cost, in integers.
 *
 * Prices are femto-dollars (1e-15 $) per unit, read from decimal strings
 * without floating point; amounts are nano-dollars (1e-9 $). Products are
 * 128 bits wide and rounded once, half up, per request. */
#ifndef TG_PRICE_H
#define TG_PRICE_H

#include <stdbool.h>
#include <stdint.h>
#include "base/arena.h"
#include "base/err.h"
#include "wire/json.h"
#include "wire/usage.h"

enum tg_price_key {                    /* the contract's names, section 7.2 */
    TG_PRICE_PROMPT, TG_PRICE_COMPLETION, TG_PRICE_REQUEST, TG_PRICE_IMAGE,
    TG_PRICE_IMAGE_TOKEN, TG_PRICE_IMAGE_OUTPUT, TG_PRICE_AUDIO, TG_PRICE_AUDIO_OUTPUT,
    TG_PRICE_AUDIO_CACHE, TG_PRICE_CACHE_READ, TG_PRICE_CACHE_WRITE, TG_PRICE_CACHE_WRITE_1H,
    TG_PRICE_REASONING, TG_PRICE_WEB_SEARCH, TG_PRICE_KEYS
};

enum {
    TG_PRICE_OVERRIDES_MAX = 32,
    TG_PRICE_TYPICAL_TOKENS = 1000     /* of a request whose size nobody knows */
};

struct tg_price_set {
    int64_t  femto[TG_PRICE_KEYS];     /* 0 .. 9.2e18 femto-dollars a unit */
    uint32_t has;                      /* bit per key that was given */
};

struct tg_price_override {
    struct tg_price_set set;
    int64_t min_prompt_tokens;         /* strictly above; -1 no condition */
    int     utc_start, utc_end;        /* HHMM, half open, may wrap; -1 none */
    uint8_t utc_days;                  /* bit 0 Monday; 0 none */
};

struct tg_price {
    struct tg_price_set base;
    uint32_t discount_ppm;             /* price x (1 - discount), millionths; a million: free */
    size_t   overrides_count;
    struct tg_price_override *overrides;
};

/* "prompt", ... ; -1 when unknown. */
int tg_price_key_of(struct tg_str name);

/* Decimal dollars ("0.000003", 3e-6, a JSON string or number) to femto-
 * dollars; digits beyond 1e-15 are rounded half up. TG_EINVAL when it is no
 * number or negative (a router's "-1" included), TG_ETOOBIG past int64. */
tg_err tg_price_femto(struct tg_json value, int64_t *femto);

/* Read a pricing object. `why`, on TG_EINVAL, gets a static sentence and
 * *where the offending value's text. Overrides come from the arena. Keys that
 * are null count as absent; keys that are not known are left alone. */
tg_err tg_price_read(struct tg_price *p, struct tg_json pricing, struct tg_arena *arena,
                     const char **why, struct tg_str *where);

/* The prices that hold for a request of so many prompt tokens at that time
 * (Unix seconds): base, matching overrides in order, then the discount. */
void tg_price_at(const struct tg_price *p, int64_t prompt_tokens, int64_t wall_s,
                 struct tg_price_set *out);

/* What an answer costs, and what was sampled beside it. Where not all tokens are
 * charged for, those that are count. Buckets are disjoint: cache reads, cache writes (5 min
 * and 1 h), audio, image tokens and the rest of the prompt; reasoning, audio,
 * image tokens and the rest of the completion; images and searches, the request
 * itself. None is larger than what is left of its whole, whatever was said. A
 * missing cache price is the prompt's, a missing 1 h price the 5 min one's;
 * audio, image tokens and reasoning without a price above 0 of their own are
 * ordinary tokens, audio read from the cache an ordinary cache read.
 *
 * A charge reported by the provider is taken instead when it lies between 0
 * and `ceiling_nano` (-1: no ceiling) with its searches. upstream_prompt and upstream_completion
 * always follow from the list; request and searches are in neither. Saturates
 * at INT64_MAX; never negative. That an empty answer is free is for the caller. */
struct tg_cost tg_price_cost(const struct tg_price_set *p, const struct tg_usage *u,
                             int64_t images, int64_t ceiling_nano);

/* Upper bound for a request before it is sent: prompt x dearest prompt price
 * + max_tokens x dearest completion price + request + images. Nano-dollars,
 * rounded up, saturating. Counts below 0 are 0. */
int64_t tg_price_ceiling(const struct tg_price_set *p, int64_t prompt_tokens, int64_t max_tokens,
                         int64_t images);

/* The one number that "price" means when endpoints are compared: femto-dollars
 * for a request of this shape, per token: (prompt x in + completion x out +
 * request) / tokens. A count that is not above 0 is not known, and follows from
 * the other as 3:1; without either it is TG_PRICE_TYPICAL_TOKENS in all. */
double tg_price_blend(const struct tg_price_set *p, int64_t prompt_tokens, int64_t output_tokens);

/* Femto-dollars a unit as the catalogue's decimal string without its quotes:
 * no exponent, no trailing zeros. */
tg_err tg_price_put(struct tg_buf *out, int64_t femto);

#endif
