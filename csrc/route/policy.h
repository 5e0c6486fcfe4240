/* policy.h -- a routing policy, as a decision sees it.
 *
 *     data     what it says in the provider object's words: applied here, in C
 *     models   further models, behind the request's own
 *     hooks    functions of a script; somebody above runs them (struct tg_policy_code)
 *
 * A policy belongs to one snapshot of the configuration and is shared by its
 * engines; it does not change but for its counters. One without hooks costs a
 * request a few comparisons.
 *
 * What a hook does wrong costs the caller nothing: the decision is made again
 * without hooks. `data` holds in any case. A policy that fails again and again
 * is not asked for a while (the breaker of route/health.h). */
#ifndef TG_POLICY_H
#define TG_POLICY_H

#include <stdatomic.h>
#include "route/plan.h"

enum { TG_POLICY_NAME_MAX = TG_NEEDS_POLICY_MAX, TG_POLICY_REASON_MAX = 256 };

enum tg_hook {
    TG_HOOK_FILTER, TG_HOOK_SCORE, TG_HOOK_ORDER, TG_HOOK_ON_ERROR, TG_HOOK_ON_RESPONSE, TG_HOOKS
};
enum { TG_HOOKS_DECIDE = 1 << TG_HOOK_FILTER | 1 << TG_HOOK_SCORE | 1 << TG_HOOK_ORDER,
       TG_HOOKS_LATER = 1 << TG_HOOK_ON_ERROR | 1 << TG_HOOK_ON_RESPONSE };

const char *tg_hook_name(enum tg_hook hook);           /* "on_error" */
/* TG_HOOKS when there is none of that name. */
enum tg_hook tg_hook_of(struct tg_str name);

/* ---- what hooks are told ---- */

/* The request, small enough to be kept while an exchange runs. */
struct tg_policy_request {
    struct tg_str models[TG_NEEDS_MODELS_MAX];         /* without suffixes */
    size_t        models_count;
    bool          stream, has_tools;
    int64_t       messages_count, prompt_tokens, max_tokens;   /* max_tokens -1: absent */
    struct tg_str session, user;                       /* may be empty */
    struct tg_str key_name, key_label;                 /* empty: nobody is known */
    struct tg_str metadata;                            /* JSON object, or empty */
    const struct tg_http1_field *headers;
    size_t        headers_count;
    uint64_t      wall_ms, seed;
    struct tg_str id;                                  /* for logs; may be empty */
};

/* Views into needs and head; id, key_name, key_label and wall_ms are the
 * caller's to set. */
void tg_policy_request_of(struct tg_policy_request *r, const struct tg_needs *n,
                          const struct tg_http1_head *head);

/* A copy in one block of memory, to be freed with tg_free(); NULL when there is
 * none. */
struct tg_policy_request *tg_policy_request_copy(const struct tg_policy_request *r);

/* May a policy see a header of that name? Not the caller's secrets. */
bool tg_policy_sees_header(struct tg_str name);

struct tg_policy_attempt {
    unsigned number;                                   /* from 1 */
    const struct tg_endpoint *endpoint;
    int64_t  elapsed_ms;
};

struct tg_policy_error {
    int           status;                              /* the provider's; 0: it never answered */
    const char   *type;                                /* "rate_limited": flow/outcome.h */
    struct tg_str message;                             /* the provider's words, may be empty */
    int64_t       retry_after_ms;                      /* -1: it said nothing */
};

struct tg_policy_response {
    int     status;
    bool    stream;
    int64_t ttft_ms, total_ms;                         /* -1 unknown */
    int64_t prompt_tokens, completion_tokens, cached_tokens;
    int64_t cost_nano;                                 /* nano-dollars */
};

/* ---- what they answer ---- */

enum tg_verdict { TG_VERDICT_NONE, TG_VERDICT_NEXT, TG_VERDICT_RETRY, TG_VERDICT_STOP };

/* Everything a decision is made of. */
struct tg_decision {
    struct tg_plan  *plan;                             /* the result */
    struct tg_needs *needs;
    const struct tg_policy_request *request;
    struct tg_live_region *region;                     /* may be NULL */
    uint64_t         now_ms;
    struct tg_arena *arena;
    struct tg_fault *fault;
    unsigned         without;                          /* hooks that are left out, as bits */
    struct tg_str    why;                              /* of a failure, in the arena: "file:line: ..." */
};

struct tg_policy;

/* Who runs the hooks. All but `free` are called by the thread of that engine
 * only, 0 <= engine < TG_POLICY_ENGINES_MAX. A failure is TG_EINVAL,
 * TG_ETIMEOUT or TG_ENOMEM and has been logged. *slow: it succeeded, and took
 * so long that it had better not do so again. */
enum { TG_POLICY_ENGINES_MAX = 64 };

struct tg_policy_code {
    /* tg_plan_make() with the policy's hooks. */
    tg_err (*decide)(struct tg_policy *p, unsigned engine, struct tg_decision *d, bool *slow);
    tg_err (*on_error)(struct tg_policy *p, unsigned engine, const struct tg_policy_request *r,
                       const struct tg_policy_attempt *a, const struct tg_policy_error *e,
                       enum tg_verdict *verdict, bool *slow);
    tg_err (*on_response)(struct tg_policy *p, unsigned engine, const struct tg_policy_request *r,
                          const struct tg_policy_attempt *a, const struct tg_policy_response *is,
                          bool *slow);
    void   (*free)(struct tg_policy *p);
};

struct tg_policy {
    atomic_uint   references;
    struct tg_str name;                                /* by which requests and keys choose it */
    struct tg_str file;                                /* as errors call it */
    unsigned      hooks;                               /* bits 1 << enum tg_hook */
    bool          has_data;
    struct tg_wishes data;
    bool          admits_priority, admits_flex;        /* tiers that need not be asked for */
    bool          refuses;                             /* on_failure "refuse": no built-in order */
    struct tg_str    *models;                          /* as written */
    struct tg_target *targets;                         /* what they mean in the snapshot */
    size_t        models_count;
    const struct tg_policy_code *code;

    /* counted by all engines */
    struct tg_health  health;                          /* its breaker */
    _Atomic uint64_t  decisions, failures;             /* with hooks; of hooks of any kind */
};

void tg_policy_hold(struct tg_policy *p);
/* The last drop calls code->free. */
void tg_policy_drop(struct tg_policy *p);

/* Make the plan under this policy (NULL: none) as tg_plan_make() does, whose
 * errors these are; also TG_EINVAL with a 503 when a policy that refuses on
 * failure has failed. The needs are narrowed by what `data` says. */
tg_err tg_policy_decide(struct tg_policy *p, unsigned engine, struct tg_decision *d);

/* Ask on_error; TG_VERDICT_NONE when there is no such hook, or it failed. */
enum tg_verdict tg_policy_on_error(struct tg_policy *p, unsigned engine,
                                   const struct tg_policy_request *r,
                                   const struct tg_policy_attempt *a,
                                   const struct tg_policy_error *e, uint64_t now_ms);
void tg_policy_on_response(struct tg_policy *p, unsigned engine, const struct tg_policy_request *r,
                           const struct tg_policy_attempt *a, const struct tg_policy_response *is,
                           uint64_t now_ms);

#endif
