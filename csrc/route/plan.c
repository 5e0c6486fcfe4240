#include "route/plan.h"

#include <assert.h>

#include "route/constrain.h"
#include "route/policy.h"
#include "route/rank.h"

enum { PUT = 1 << 15 };            /* in tg_candidate.was, for a moment */
_Static_assert((int)TG_PLAN_CANDIDATES_MAX <= (int)PUT, "a place and a mark fit into 16 bits");

static const struct {
    const char *name, *sentence;
} DROPS[TG_DROPS] = {
    [TG_DROP_NONE]            = { "none", "is tried" },
    [TG_DROP_DISABLED]        = { "disabled", "is switched off in the catalogue" },
    [TG_DROP_API]             = { "wrong_api", "does not speak this API" },
    [TG_DROP_TIER]            = { "service_tier", "serves a service tier that was not asked for" },
    [TG_DROP_DATA_COLLECTION] = { "data_collection", "may keep or train on prompts" },
    [TG_DROP_ZDR]             = { "zdr", "does not promise zero data retention" },
    [TG_DROP_DISTILLABLE]     = { "distillable", "does not allow distillation" },
    [TG_DROP_ONLY]            = { "only", "is not in provider.only" },
    [TG_DROP_IGNORE]          = { "ignore", "is in provider.ignore" },
    [TG_DROP_QUANTIZATION]    = { "quantization", "has another quantization" },
    [TG_DROP_MAX_PRICE]       = { "max_price", "costs more than max_price allows" },
    [TG_DROP_CONTEXT]         = { "context_length", "has too small a context" },
    [TG_DROP_OUTPUT]          = { "max_tokens", "cannot answer at that length" },
    [TG_DROP_MODALITY]        = { "modality", "does not take or give that kind of content" },
    [TG_DROP_PARAMETERS]      = { "parameters", "does not support every parameter" },
    [TG_DROP_TOOLS]           = { "tools", "does not support tools" },
    [TG_DROP_TOOL_CHOICE]     = { "tool_choice", "does not support this tool_choice" },
    [TG_DROP_POLICY]          = { "policy", "was refused by the policy" },
    [TG_DROP_FALLBACKS]       = { "allow_fallbacks", "would be a fallback, and none is allowed" },
};

static const char *const PLACES[] = {
    [TG_PLACE_DRAWN]    = "drawn",
    [TG_PLACE_STICKY]   = "sticky",
    [TG_PLACE_ORDER]    = "order",
    [TG_PLACE_SORTED]   = "sorted",
    [TG_PLACE_FALLBACK] = "fallback",
    [TG_PLACE_POLICY]   = "policy",
    [TG_PLACE_DEMOTED]  = "demoted",
    [TG_PLACE_OUTAGE]   = "outage",
    [TG_PLACE_HELD]     = "held",
    [TG_PLACE_OPEN]     = "open",
};

const char *tg_drop_name(enum tg_drop drop)
{
    assert(drop < TG_DROPS);
    return DROPS[drop].name;
}

const char *tg_drop_sentence(enum tg_drop drop)
{
    assert(drop < TG_DROPS);
    return DROPS[drop].sentence;
}

const char *tg_place_name(enum tg_place place)
{
    assert(place <= TG_PLACE_OPEN);
    return PLACES[place];
}

void tg_plan_begin(struct tg_plan *p, const struct tg_needs *n)
{
    *p = (struct tg_plan){ .needs = n,
                           .strategy = n->targets_count > 1 ? "fallback" : "direct" };
}

/* Follow each cycle of the permutation, so that every candidate moves once. */
void tg_plan_reorder(struct tg_plan *p, uint16_t *from, size_t count)
{
    for (size_t start = 0; start < count; start++) {
        if (from[start] == start)
            continue;
        struct tg_candidate first = p->all[start];
        size_t to = start;
        while (from[to] != start) {
            size_t next = from[to];
            p->all[to] = p->all[next];
            from[to] = (uint16_t)to;
            to = next;
        }
        p->all[to] = first;
        from[to] = (uint16_t)to;
    }
}

void tg_plan_sweep(struct tg_plan *p)
{
    uint16_t from[TG_PLAN_CANDIDATES_MAX];
    size_t kept = 0, place;

    for (size_t i = 0; i < p->count; i++)
        if (!p->all[i].drop)
            from[kept++] = (uint16_t)i;
    p->kept = kept;
    if (kept == p->count)
        return;

    place = kept;
    for (size_t i = 0; i < p->count; i++)
        if (p->all[i].drop)
            from[place++] = (uint16_t)i;
    tg_plan_reorder(p, from, p->count);
}

void tg_plan_put_first(struct tg_plan *p, const uint16_t *places, size_t count)
{
    uint16_t from[TG_PLAN_CANDIDATES_MAX];
    size_t n = count;

    for (size_t i = 0; i < p->kept; i++)
        p->all[i].was = (uint16_t)i;
    for (size_t i = 0; i < count; i++) {
        from[i] = places[i];
        p->all[places[i]].place = TG_PLACE_POLICY;
        p->all[places[i]].was |= PUT;
    }
    for (size_t i = 0; i < p->kept; i++) {
        if (!(p->all[i].was & PUT))
            from[n++] = (uint16_t)i;
        p->all[i].was &= PUT - 1;
    }
    tg_plan_reorder(p, from, p->kept);
    p->is_sticky = false;
}

/* ---- all of it ---- */

static tg_err run(struct tg_plan *p, enum tg_hook hook, tg_err (*fn)(void *, struct tg_plan *),
                  void *arg)
{
    if (!fn || !p->kept)
        return TG_OK;
    p->ran |= 1u << hook;
    return fn(arg, p);
}

static tg_err filter(struct tg_plan *p, const struct tg_plan_hooks *hooks)
{
    tg_err err = run(p, TG_HOOK_FILTER, hooks->filter, hooks->arg);
    tg_plan_sweep(p);
    return err;
}

static tg_err score(struct tg_plan *p, const struct tg_plan_hooks *hooks)
{
    tg_err err = run(p, TG_HOOK_SCORE, hooks->score, hooks->arg);
    return err || !hooks->score ? err : tg_rank_by_score(p);
}

tg_err tg_plan_make(struct tg_plan *p, const struct tg_needs *n, const struct tg_plan_hooks *hooks,
                    struct tg_live_region *region, uint64_t now_ms, struct tg_arena *arena,
                    struct tg_fault *fault)
{
    static const struct tg_plan_hooks none;

    hooks = hooks ? hooks : &none;
    tg_plan_begin(p, n);
    tg_err err = tg_constrain(p, arena);
    if (!err && hooks->filter)
        err = filter(p, hooks);
    if (!err && p->kept)
        err = tg_rank(p, region, now_ms);
    if (!err)
        err = score(p, hooks);
    if (!err)
        err = run(p, TG_HOOK_ORDER, hooks->order, hooks->arg);
    if (err)
        return err;
    if (n->wishes.no_fallbacks)
        tg_rank_drop_fallbacks(p);
    if (p->kept)
        return TG_OK;
    tg_constrain_fault(p, arena, fault);
    return TG_ENOTFOUND;
}
