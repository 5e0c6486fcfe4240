/* plan.h -- the decision: which endpoints to try, in which order, and why.
 *
 *     needs -> constrain (drops, each with its reason) -> rank (order) -> plan
 *
 * Nothing here does I/O or reads a clock; random draws come from the seed in
 * the needs: the same inputs give the same plan, which is what explain, replay
 * and simulation rest on. */
#ifndef TG_PLAN_H
#define TG_PLAN_H

#include <stdbool.h>
#include <stdint.h>
#include "base/arena.h"
#include "route/needs.h"
#include "wire/fault.h"

/* Why a candidate is not tried. The names appear in error.availability
 * (excluded_by), metadata and explain. */
enum tg_drop {
    TG_DROP_NONE,
    TG_DROP_ONLY, TG_DROP_IGNORE, TG_DROP_TIER, TG_DROP_DATA_COLLECTION, TG_DROP_ZDR,
    TG_DROP_DISTILLABLE, TG_DROP_QUANTIZATION, TG_DROP_MAX_PRICE, TG_DROP_CONTEXT,
    TG_DROP_OUTPUT, TG_DROP_MODALITY, TG_DROP_PARAMETERS, TG_DROP_TOOLS, TG_DROP_TOOL_CHOICE,
    TG_DROP_DISABLED, TG_DROP_FALLBACKS, TG_DROP_API, TG_DROP_POLICY,
    TG_DROPS
};
const char *tg_drop_name(enum tg_drop drop);        /* "max_price" */
const char *tg_drop_sentence(enum tg_drop drop);    /* "costs more than max_price allows" */

/* Why a candidate stands where it stands; the first that holds. */
enum tg_place {
    TG_PLACE_DRAWN,            /* by the default's weighted draw */
    TG_PLACE_STICKY, TG_PLACE_ORDER, TG_PLACE_SORTED, TG_PLACE_FALLBACK,
    TG_PLACE_DEMOTED,          /* misses a preferred_* threshold */
    TG_PLACE_OUTAGE,           /* failed lately */
    TG_PLACE_HELD,             /* 429 hold, or at its learned cap */
    TG_PLACE_OPEN              /* breaker open */
};
const char *tg_place_name(enum tg_place place);

struct tg_candidate {
    const struct tg_endpoint *endpoint;
    uint16_t      target;                  /* which of the needs' models */
    enum tg_drop  drop;
    enum tg_place place;
    struct tg_str detail;                  /* more about the drop, may be empty */
    double        score;                   /* lower is tried first, within its place */
    struct tg_price_set prices;            /* that hold for this request */
};

struct tg_plan {
    const struct tg_needs *needs;
    struct tg_candidate *all;              /* kept ones first, in the order to try */
    size_t        kept, count;
    bool          is_sticky;               /* the first one is where the session was */
    uint64_t      sticky_key;              /* where to remember success; 0 nowhere */
    const char   *strategy;                /* "direct", "fallback": metadata */
};

/* Make the plan. When nothing is left `kept` is 0, TG_ENOTFOUND returns and
 * *fault tells the client why (contract 5.4 wordings, availability,
 * excluded_by). `region` may be NULL (no stickiness). */
tg_err tg_plan_make(struct tg_plan *p, const struct tg_needs *n, struct tg_live_region *region,
                    uint64_t now_ms, struct tg_arena *arena, struct tg_fault *fault);

/* How one attempt went, for metadata, logs and explain. */
struct tg_attempt {
    uint16_t    candidate;                 /* index into plan.all */
    int         status;                    /* the provider's; 0: it never answered */
    const char *outcome;                   /* "ok", "rate_limited", ...: flow/outcome.h */
    int64_t     ttft_ms, total_ms;         /* -1 unknown */
    uint32_t    dropped_params;            /* bits of enum tg_param */
};

/* Append the openrouter_metadata object (contract 3.4) as JSON: requested,
 * strategy, region, summary, attempt, is_byok, endpoints, attempts, params,
 * and our additions under "tidegate" (drops with reasons, places, scores,
 * dropped parameters). `selected` is the index into attempts of the one that
 * answered, -1 none. */
tg_err tg_explain_metadata(struct tg_buf *out, const struct tg_plan *p,
                           const struct tg_attempt *attempts, size_t count, int selected,
                           int64_t generation_ms);

/* Append the decision as text for a terminal: a line per candidate, kept ones
 * numbered with slug, place, score, price, percentiles; dropped ones with the
 * reason. */
tg_err tg_explain_text(struct tg_buf *out, const struct tg_plan *p, uint64_t now_ms);

#endif
