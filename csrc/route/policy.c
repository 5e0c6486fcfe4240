#include "route/policy.h"

#include <assert.h>
#include <string.h>

#include "base/mem.h"
#include "route/body.h"

static const char *const HOOKS[TG_HOOKS] = {
    [TG_HOOK_FILTER] = "filter", [TG_HOOK_SCORE] = "score", [TG_HOOK_ORDER] = "order",
    [TG_HOOK_ON_ERROR] = "on_error", [TG_HOOK_ON_RESPONSE] = "on_response",
};

const char *tg_hook_name(enum tg_hook hook)
{
    assert(hook < TG_HOOKS);
    return HOOKS[hook];
}

enum tg_hook tg_hook_of(struct tg_str name)
{
    for (int i = 0; i < TG_HOOKS; i++)
        if (tg_str_is(name, HOOKS[i]))
            return (enum tg_hook)i;
    return TG_HOOKS;
}

void tg_policy_hold(struct tg_policy *p)
{
    atomic_fetch_add(&p->references, 1);
}

void tg_policy_drop(struct tg_policy *p)
{
    if (p && atomic_fetch_sub(&p->references, 1) == 1)
        p->code->free(p);
}

/* ---- the request, as hooks are told ---- */

bool tg_policy_sees_header(struct tg_str name)
{
    static const char *const SECRET[] = { "authorization", "proxy-authorization", "cookie",
                                          "x-api-key", "x-goog-api-key", "api-key" };

    for (size_t i = 0; i < sizeof SECRET / sizeof *SECRET; i++)
        if (tg_str_iis(name, SECRET[i]))
            return false;
    return true;
}

void tg_policy_request_of(struct tg_policy_request *r, const struct tg_needs *n,
                          const struct tg_http1_head *head)
{
    *r = (struct tg_policy_request){
        .stream = n->stream, .has_tools = n->tools.kind != TG_JSON_NONE,
        .messages_count = n->messages_count, .prompt_tokens = n->prompt_tokens,
        .max_tokens = n->max_tokens, .user = n->user, .seed = n->seed,
        .wall_ms = (uint64_t)n->asked_wall_s * 1000,
        .headers = head ? head->fields : NULL, .headers_count = head ? head->fields_count : 0,
    };
    if (n->has_session_id)
        r->session = n->session;
    for (size_t i = 0; i < n->targets_count; i++)
        r->models[r->models_count++] = n->targets[i].model->id;
    for (size_t i = 0; i < n->members_count; i++)
        if (n->fields[i] == TG_FIELD_METADATA && n->members[i].value.kind == TG_JSON_OBJECT)
            r->metadata = n->members[i].value.raw;
}

/* Move a view's bytes to that place, where there is one (NULL: only measure). */
static size_t pack(struct tg_str *s, char *to)
{
    if (to && s->len)
        s->at = memcpy(to, s->at, s->len);
    return s->len;
}

/* The same with all views of a request; `headers` are its own. */
static size_t pack_all(struct tg_policy_request *r, struct tg_http1_field *headers, char *to)
{
    struct tg_str *const texts[] = { &r->session, &r->user, &r->key_name, &r->key_label,
                                     &r->metadata, &r->id };
    size_t n = 0;

#define PACK(s) (n += pack(&(s), to ? to + n : NULL))
    for (size_t i = 0; i < r->models_count; i++)
        PACK(r->models[i]);
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++)
        PACK(*texts[i]);
    for (size_t i = 0; i < r->headers_count; i++) {
        PACK(headers[i].name);
        PACK(headers[i].value);
    }
#undef PACK
    return n;
}

struct tg_policy_request *tg_policy_request_copy(const struct tg_policy_request *r)
{
    struct tg_policy_request measured = *r;
    size_t fields = r->headers_count * sizeof(struct tg_http1_field);
    size_t texts = pack_all(&measured, (struct tg_http1_field *)r->headers, NULL);
    struct tg_policy_request *copy = tg_alloc(sizeof *copy + fields + texts);

    if (!copy)
        return NULL;
    *copy = *r;
    struct tg_http1_field *headers = (struct tg_http1_field *)(copy + 1);
    if (fields)
        memcpy(headers, r->headers, fields);
    copy->headers = headers;
    pack_all(copy, headers, (char *)headers + fields);
    return copy;
}

/* ---- data ---- */

static void narrow_prices(struct tg_wishes *w, const struct tg_wishes *d)
{
    for (size_t i = 0; i < sizeof w->max_price / sizeof *w->max_price; i++)
        if (d->max_price[i] >= 0 && (w->max_price[i] < 0 || d->max_price[i] < w->max_price[i]))
            w->max_price[i] = d->max_price[i];
}

/* Limits intersect; `only`, `ignore`, `quantizations` and `sort` are looked up in
 * both (constrain.c, rank.c). Of what is a preference the request's own goes
 * first. */
static void narrow(struct tg_needs *n, const struct tg_wishes *d)
{
    struct tg_wishes *w = &n->wishes;

    n->data = d;
    w->no_fallbacks |= d->no_fallbacks;
    w->require_parameters |= d->require_parameters;
    w->deny_data_collection |= d->deny_data_collection;
    w->zdr |= d->zdr;
    w->distillable |= d->distillable;
    narrow_prices(w, d);
    if (!w->has_order && d->has_order) {
        memcpy(w->order, d->order, d->order_count * sizeof *w->order);
        w->order_count = d->order_count;
        w->has_order = true;
    }
    if (!w->has_partition && !w->sorts_across_models)
        w->sorts_across_models = d->sorts_across_models;
    if (!w->max_latency_s.any)
        w->max_latency_s = d->max_latency_s;
    if (!w->min_throughput.any)
        w->min_throughput = d->min_throughput;
}

static void add_models(struct tg_needs *n, const struct tg_policy *p)
{
    for (size_t i = 0; i < p->models_count && n->targets_count < TG_NEEDS_MODELS_MAX; i++)
        n->targets[n->targets_count++] = p->targets[i];
}

static void apply(struct tg_needs *n, const struct tg_policy *p)
{
    n->admits_priority = p->admits_priority;
    n->admits_flex = p->admits_flex;
    if (p->has_data)
        narrow(n, &p->data);
    add_models(n, p);
}

/* ---- hooks ---- */

static void note_failure(struct tg_policy *p, uint64_t now_ms)
{
    atomic_fetch_add_explicit(&p->failures, 1, memory_order_relaxed);
    tg_health_tell(&p->health, TG_HEALTH_FAILURE, -1, 0, now_ms);
}

/* A 503, in place of an order that its author did not want. */
static tg_err refuse(struct tg_decision *d)
{
    tg_plan_begin(d->plan, d->needs);
    *d->fault = tg_fault_make(TG_FAULT_SERVER, "The gateway's routing policy failed, and it is set "
                              "to refuse requests then. Its log says what is wrong.");
    d->fault->status = 503;
    return TG_EINVAL;
}

static tg_err make(struct tg_decision *d, const struct tg_plan_hooks *hooks)
{
    return tg_plan_make(d->plan, d->needs, hooks, d->region, d->now_ms, d->arena, d->fault);
}

/* With hooks; false when it is to be made without. */
static bool made_with_hooks(struct tg_policy *p, unsigned engine, struct tg_decision *d,
                            tg_err *err)
{
    bool slow = false;

    if (!tg_health_take_probe(&p->health, d->now_ms))
        return false;
    atomic_fetch_add_explicit(&p->decisions, 1, memory_order_relaxed);
    *err = p->code->decide(p, engine, d, &slow);
    if (*err && *err != TG_ENOTFOUND) {
        note_failure(p, d->now_ms);
        return false;
    }
    if (slow)
        note_failure(p, d->now_ms);
    else
        tg_health_tell(&p->health, TG_HEALTH_SUCCESS, -1, 0, d->now_ms);
    return true;
}

tg_err tg_policy_decide(struct tg_policy *p, unsigned engine, struct tg_decision *d)
{
    tg_err err;

    if (!p)
        return make(d, NULL);
    apply(d->needs, p);
    bool has_hooks = p->hooks & TG_HOOKS_DECIDE & ~d->without;
    bool failed = has_hooks && !made_with_hooks(p, engine, d, &err);
    if (failed && p->refuses)
        err = refuse(d);
    else if (!has_hooks || failed)
        err = make(d, NULL);
    d->plan->policy = p;
    d->plan->policy_failed = failed;
    return err;
}

static bool is_asked(struct tg_policy *p, enum tg_hook hook, uint64_t now_ms)
{
    return p && p->hooks & 1u << hook
        && tg_health_breaker(&p->health, now_ms) != TG_BREAKER_OPEN;
}

/* Where hooks decide, it is their successes that count: every request has one. */
static void note_later(struct tg_policy *p, bool failed, uint64_t now_ms)
{
    if (failed)
        note_failure(p, now_ms);
    else if (!(p->hooks & TG_HOOKS_DECIDE))
        tg_health_tell(&p->health, TG_HEALTH_SUCCESS, -1, 0, now_ms);
}

enum tg_verdict tg_policy_on_error(struct tg_policy *p, unsigned engine,
                                   const struct tg_policy_request *r,
                                   const struct tg_policy_attempt *a,
                                   const struct tg_policy_error *e, uint64_t now_ms)
{
    enum tg_verdict verdict = TG_VERDICT_NONE;
    bool slow = false;

    if (!is_asked(p, TG_HOOK_ON_ERROR, now_ms))
        return TG_VERDICT_NONE;
    tg_err err = p->code->on_error(p, engine, r, a, e, &verdict, &slow);
    note_later(p, err || slow, now_ms);
    return err ? TG_VERDICT_NONE : verdict;
}

void tg_policy_on_response(struct tg_policy *p, unsigned engine, const struct tg_policy_request *r,
                           const struct tg_policy_attempt *a, const struct tg_policy_response *is,
                           uint64_t now_ms)
{
    bool slow = false;

    if (!is_asked(p, TG_HOOK_ON_RESPONSE, now_ms))
        return;
    tg_err err = p->code->on_response(p, engine, r, a, is, &slow);
    note_later(p, err || slow, now_ms);
}
