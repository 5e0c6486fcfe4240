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

enum { TG_PLAN_CANDIDATES_MAX = TG_CATALOG_ENDPOINTS_MAX * TG_NEEDS_MODELS_MAX };

/* Why a candidate is not tried, in the order in which it is asked: the first
 * that holds is the candidate's, and the last one among all candidates is what
 * emptied the list. The names appear in metadata and explain. */
enum tg_drop {
    TG_DROP_NONE,
    TG_DROP_DISABLED, TG_DROP_API, TG_DROP_TIER,
    TG_DROP_DATA_COLLECTION, TG_DROP_ZDR, TG_DROP_DISTILLABLE,
    TG_DROP_ONLY, TG_DROP_IGNORE, TG_DROP_QUANTIZATION, TG_DROP_MAX_PRICE,
    TG_DROP_CONTEXT, TG_DROP_OUTPUT, TG_DROP_MODALITY,
    TG_DROP_PARAMETERS, TG_DROP_TOOLS, TG_DROP_TOOL_CHOICE,
    TG_DROP_POLICY, TG_DROP_FALLBACKS,
    TG_DROPS
};
const char *tg_drop_name(enum tg_drop drop);        /* "max_price" */
const char *tg_drop_sentence(enum tg_drop drop);    /* "costs more than max_price allows" */

/* Why a candidate stands where it stands; the first that holds. */
enum tg_place {
    TG_PLACE_DRAWN,            /* by the default's weighted draw */
    TG_PLACE_STICKY, TG_PLACE_ORDER, TG_PLACE_SORTED, TG_PLACE_FALLBACK,
    TG_PLACE_POLICY,           /* a policy's `order` put it there, whatever is known of it */
    TG_PLACE_DEMOTED,          /* misses a preferred_* threshold, or breaks tool calls */
    TG_PLACE_OUTAGE,           /* failed lately */
    TG_PLACE_HELD,             /* 429 hold, or at its learned cap */
    TG_PLACE_OPEN              /* breaker open */
};
const char *tg_place_name(enum tg_place place);     /* "drawn" */

struct tg_candidate {
    const struct tg_endpoint *endpoint;
    uint16_t      target;                  /* which of the needs' models */
    enum tg_drop  drop;
    enum tg_place place;
    bool          is_probe;                /* not known to work: ask tg_health_take_probe() before
                                              sending; pass it over on a no while others are left */
    struct tg_str detail;                  /* a policy's words about the drop, may be empty */
    uint16_t      was;                     /* its place in the order before a policy's `order` */
    double        base;                    /* the score before a policy's `score` */
    double        score;                   /* lower is tried first, within its model, place and
                                              word of `order`: $ per million tokens; sorted by
                                              latency, s to the first token; by throughput, ms per
                                              token; always finite */
    struct tg_price_set prices;            /* that hold for this request */
};

struct tg_plan {
    const struct tg_needs *needs;
    struct tg_candidate *all;              /* kept ones first, in the order to try */
    size_t        kept, count;
    bool          is_sticky;               /* the first one is where the session was */
    uint64_t      sticky_key;              /* where to remember success; 0 nowhere: see
                                              tg_rank_remembers() */
    const char   *strategy;                /* "direct", "fallback": metadata */
    const struct tg_policy *policy;        /* in force; NULL: none (route/policy.h) */
    unsigned      ran;                     /* its hooks that had a part in it, bits of tg_hook */
    bool          policy_failed;           /* they failed: this is the order without them */
};

/* What a policy's script adds. Each may be NULL. They may also leave by
 * longjmp(): nothing is held while they run. Any error ends the planning. */
struct tg_plan_hooks {
    void   *arg;
    tg_err (*filter)(void *arg, struct tg_plan *p);    /* gives kept candidates a drop */
    tg_err (*score)(void *arg, struct tg_plan *p);     /* changes scores */
    tg_err (*order)(void *arg, struct tg_plan *p);     /* see tg_plan_put_first() */
};

/* Make the plan: constrain, then rank. When nothing is left `kept` is 0,
 * TG_ENOTFOUND returns and *fault tells the client why (contract 5.4 wordings,
 * availability, excluded_by). `region` may be NULL (no stickiness). The plan
 * holds as long as the needs, the catalogue and the arena. `hooks` (may be NULL)
 * run between the steps: constrain, filter, rank, score, order. */
tg_err tg_plan_make(struct tg_plan *p, const struct tg_needs *n, const struct tg_plan_hooks *hooks,
                    struct tg_live_region *region, uint64_t now_ms, struct tg_arena *arena,
                    struct tg_fault *fault);

/* An empty plan for these needs. */
void tg_plan_begin(struct tg_plan *p, const struct tg_needs *n);

/* Move kept candidates that have got a `drop` since behind the kept ones; the
 * order is otherwise unchanged. */
void tg_plan_sweep(struct tg_plan *p);

/* Put these kept candidates first, in that order: `places` are different and
 * below p->kept; the others stay behind them as they were. */
void tg_plan_put_first(struct tg_plan *p, const uint16_t *places, size_t count);

/* Put all[from[i]] at place i, for the first `count` candidates. `from` is
 * used up. */
void tg_plan_reorder(struct tg_plan *p, uint16_t *from, size_t count);

/* How one attempt went, for metadata and logs (route/explain.h). */
struct tg_attempt {
    uint16_t    candidate;                 /* index into plan.all */
    int         status;                    /* the provider's; 0: it never answered */
    const char *outcome;                   /* "ok", "rate_limited", ...: flow/outcome.h */
    int64_t     ttft_ms, total_ms;         /* -1 unknown */
    uint32_t    dropped_params;            /* bits of enum tg_param */
    struct tg_str lost;                    /* what else its format has no place for: elements of a
                                              JSON array */
};

#endif
