#include "route/constrain.h"

#include <inttypes.h>

enum {
    STATUS_OFF = -5,               /* of a catalogue's endpoint: this and below is off; -1 to -3
                                      were seen on endpoints that answered */
    TEXT_BIT       = 1 << TG_MODE_TEXT,
    EMBEDDINGS_BIT = 1 << TG_MODE_EMBEDDINGS,
    OTHER_BIT = 1 << TG_MODE_OTHER,        /* "rerank" is one of them */
    FORCED_CALLS   = 1 << TG_CHOICE_REQUIRED | 1 << TG_CHOICE_FUNCTION,
    POLICY_REASONS_MAX = 4,        /* that a client is told */
    MAX_TOKENS_BITS = TG_PARAM_BIT(MAX_TOKENS) | TG_PARAM_BIT(MAX_COMPLETION_TOKENS)
};

/* What is asked of every endpoint, made out once a request. */
struct asks {
    const struct tg_needs  *needs;
    const struct tg_wishes *wishes;
    bool     has_prices, has_tools;
    bool     wants_priority, wants_flex;   /* service_tier */
    bool     refuses_suffix_tiers;         /* :nitro and :floor admit nothing */
    int64_t  prompt_at_least, output;      /* tokens */
    uint32_t hard_params;                  /* require_parameters */
};

/* Where it was not the request that said so. */
#define BY_POLICY "by the routing policy"

static const uint8_t CAPPED[5] = { TG_PRICE_PROMPT, TG_PRICE_COMPLETION, TG_PRICE_REQUEST,
                                   TG_PRICE_IMAGE, TG_PRICE_AUDIO };

static struct asks asks_of(const struct tg_needs *n)
{
    const struct tg_wishes *w = &n->wishes;
    struct asks a = { .needs = n, .wishes = w };

    for (size_t i = 0; i < 5; i++)
        a.has_prices |= w->max_price[i] >= 0;
    a.has_tools = n->tools.kind != TG_JSON_NONE;
    a.wants_priority = tg_str_is(n->service_tier, "priority") || tg_str_is(n->service_tier, "fast");
    a.wants_flex = tg_str_is(n->service_tier, "flex");
    a.refuses_suffix_tiers = w->order_count || tg_str_is(n->service_tier, "default");
    /* Bytes / 4 may be a fifth too high: a request that may fit is tried. */
    a.prompt_at_least = n->prompt_tokens - n->prompt_tokens / 5;
    a.output = n->max_tokens > 0 ? n->max_tokens : 0;
    a.hard_params = w->require_parameters ? n->params : 0;
    return a;
}

/* ---- one endpoint ---- */

static bool is_among(const struct tg_endpoint *e, const struct tg_str *words, size_t count)
{
    for (size_t i = 0; i < count; i++)
        if (tg_endpoint_matches(e, words[i]))
            return true;
    return false;
}

static bool supports(const struct tg_endpoint *e, uint32_t params)
{
    uint32_t has = e->params;
    if (has & MAX_TOKENS_BITS)     /* two spellings of one parameter */
        has |= MAX_TOKENS_BITS;
    return (params & ~has) == 0;
}

static bool lacks_hard(const struct asks *a, const struct tg_endpoint *e)
{
    return a->hard_params && !supports(e, a->hard_params & tg_needs_unsupported(a->needs, e));
}

static bool speaks_api(const struct tg_endpoint *e, enum tg_api api)
{
    if (!tg_wire_offers(tg_endpoint_wire(e, api), api))
        return false;
    if (api == TG_API_EMBEDDINGS)
        return e->outputs & EMBEDDINGS_BIT;
    if (api == TG_API_RERANK)
        return e->outputs & OTHER_BIT;
    return e->outputs & ~EMBEDDINGS_BIT;
}

static bool is_priority(const struct tg_endpoint *e)
{
    struct tg_str end = TG_STR("/priority");
    if (!e->is_tier || e->tag.len < end.len)
        return false;
    return tg_str_ieq((struct tg_str){ e->tag.at + e->tag.len - end.len, end.len }, end);
}

static bool is_flex(const struct tg_endpoint *e)
{
    return e->is_tier && !is_priority(e);
}

static bool admits_tier(const struct asks *a, const struct tg_target *t,
                        const struct tg_endpoint *e)
{
    const struct tg_wishes *w = a->wishes;
    const struct tg_wishes *d = a->needs->data;
    if (is_among(e, w->only, w->only_count) || is_among(e, w->order, w->order_count)
        || (d && is_among(e, d->only, d->only_count)))
        return true;
    if (is_priority(e) ? a->wants_priority : a->wants_flex)
        return true;
    if (a->refuses_suffix_tiers)
        return false;
    if (is_priority(e))
        return t->admits_priority || a->needs->admits_priority;
    return t->admits_flex || a->needs->admits_flex;
}

static bool is_too_dear(const struct tg_wishes *w, const struct tg_price_set *prices)
{
    for (size_t i = 0; i < 5; i++) {
        bool has = prices->has & 1u << CAPPED[i];
        if (w->max_price[i] >= 0 && has && prices->femto[CAPPED[i]] > w->max_price[i])
            return true;
    }
    return false;
}

/* The most tokens that a request may have here; 0 unknown. */
static int64_t room(const struct asks *a, const struct tg_endpoint *e)
{
    if (e->max_prompt_tokens && a->prompt_at_least > e->max_prompt_tokens)
        return e->max_prompt_tokens;
    return e->context_length;
}

static bool overflows(const struct asks *a, const struct tg_endpoint *e)
{
    if (e->max_prompt_tokens && a->prompt_at_least > e->max_prompt_tokens)
        return true;
    return e->context_length && a->prompt_at_least > e->context_length - a->output;
}

static bool lacks_modality(const struct tg_needs *n, const struct tg_endpoint *e)
{
    return n->inputs & ~(e->inputs | TEXT_BIT) || n->outputs & ~e->outputs;
}

/* Only a choice that forces a call is a hard need; an endpoint that does not
 * know "auto" or "none" is served by leaving the word out. */
static bool lacks_tool_choice(const struct asks *a, const struct tg_endpoint *e)
{
    uint32_t choice = a->needs->tool_choice & FORCED_CALLS;
    if (!choice)
        return false;
    return !(e->tool_choices & choice) || !supports(e, TG_PARAM_BIT(TOOL_CHOICE));
}

/* The lists of a request, or of a policy. */
static enum tg_drop not_listed(const struct tg_wishes *w, const struct tg_endpoint *e)
{
    if (w->has_only && !is_among(e, w->only, w->only_count))
        return TG_DROP_ONLY;
    if (is_among(e, w->ignore, w->ignore_count))
        return TG_DROP_IGNORE;
    if (w->quantizations && !(w->quantizations & 1u << e->quantization))
        return TG_DROP_QUANTIZATION;
    return TG_DROP_NONE;
}

static enum tg_drop refusal(const struct asks *a, struct tg_candidate *c)
{
    const struct tg_endpoint *e = c->endpoint;
    const struct tg_needs *n = a->needs;
    const struct tg_wishes *w = a->wishes;

    if (e->status <= STATUS_OFF)
        return TG_DROP_DISABLED;
    if (!speaks_api(e, n->api))
        return TG_DROP_API;
    if (e->is_tier && !admits_tier(a, &n->targets[c->target], e))
        return TG_DROP_TIER;
    if (w->deny_data_collection && !e->denies_data_collection)
        return TG_DROP_DATA_COLLECTION;
    if (w->zdr && !e->zdr)
        return TG_DROP_ZDR;
    if (w->distillable && !e->distillable)
        return TG_DROP_DISTILLABLE;
    enum tg_drop drop = not_listed(w, e);
    if (drop)
        return drop;
    if (n->data && (drop = not_listed(n->data, e))) {
        c->detail = TG_STR(BY_POLICY);
        return drop;
    }
    if (a->has_prices && is_too_dear(w, &c->prices))
        return TG_DROP_MAX_PRICE;
    if (overflows(a, e))
        return TG_DROP_CONTEXT;
    if (e->max_completion_tokens && a->output > e->max_completion_tokens)
        return TG_DROP_OUTPUT;
    if (lacks_modality(n, e))
        return TG_DROP_MODALITY;
    if (lacks_hard(a, e))
        return TG_DROP_PARAMETERS;
    if (a->has_tools && !supports(e, TG_PARAM_BIT(TOOLS)))
        return TG_DROP_TOOLS;
    if (lacks_tool_choice(a, e))
        return TG_DROP_TOOL_CHOICE;
    return TG_DROP_NONE;
}

/* ---- the endpoints of one model against one another ---- */

/* Where some support it, those that do not are dropped; where none does, the
 * parameter is (contract 2.2). */
static void prefer(struct tg_candidate *of, size_t count, enum tg_param param)
{
    size_t with = 0;
    for (size_t i = 0; i < count; i++)
        with += !of[i].drop && supports(of[i].endpoint, 1u << param);
    for (size_t i = 0; with && i < count; i++)
        if (!of[i].drop && !supports(of[i].endpoint, 1u << param))
            of[i].drop = TG_DROP_PARAMETERS;
}

/* service_tier "flex" never falls back to the default tier where flex exists
 * (contract 6.9). */
static void keep_flex(struct tg_candidate *of, size_t count)
{
    size_t flex = 0;
    for (size_t i = 0; i < count; i++)
        flex += !of[i].drop && is_flex(of[i].endpoint);
    for (size_t i = 0; flex && i < count; i++)
        if (!of[i].drop && !is_flex(of[i].endpoint))
            of[i].drop = TG_DROP_TIER;
}

static void compare(const struct asks *a, struct tg_candidate *of, size_t count)
{
    if (a->needs->params & TG_PARAM_BIT(RESPONSE_FORMAT))
        prefer(of, count, TG_PARAM_RESPONSE_FORMAT);
    if (a->needs->params & TG_PARAM_BIT(VERBOSITY))
        prefer(of, count, TG_PARAM_VERBOSITY);
    if (a->wants_flex && !a->wishes->order_count)
        keep_flex(of, count);
}

/* ---- all ---- */

/* Is this model an earlier target already? An endpoint is tried once. */
static bool is_repeated(const struct tg_needs *n, size_t target)
{
    for (size_t i = 0; i < target; i++)
        if (n->targets[i].model == n->targets[target].model)
            return true;
    return false;
}

static size_t count_candidates(const struct tg_needs *n)
{
    size_t count = 0;
    for (size_t t = 0; t < n->targets_count; t++)
        if (!is_repeated(n, t))
            count += n->targets[t].model->endpoints_count;
    return count;
}

tg_err tg_constrain(struct tg_plan *p, struct tg_arena *arena)
{
    const struct tg_needs *n = p->needs;
    size_t room_for = count_candidates(n);
    if (room_for > TG_PLAN_CANDIDATES_MAX)
        return TG_ETOOBIG;
    struct tg_candidate *all = tg_arena_get(arena, room_for * sizeof *all);
    if (!all)
        return TG_ENOMEM;

    struct asks a = asks_of(n);
    p->all = all;
    p->count = 0;
    for (size_t t = 0; t < n->targets_count; t++) {
        const struct tg_model *m = n->targets[t].model;
        struct tg_candidate *first = all + p->count, *c = first;
        if (is_repeated(n, t))
            continue;
        for (size_t i = 0; i < m->endpoints_count; i++, c++) {
            c->endpoint = &m->endpoints[i];
            c->target = (uint16_t)t;
            tg_price_at(&c->endpoint->price, n->prompt_tokens, n->asked_wall_s, &c->prices);
            c->drop = refusal(&a, c);
        }
        compare(&a, first, m->endpoints_count);
        p->count += m->endpoints_count;
    }
    tg_plan_sweep(p);
    return TG_OK;
}

/* ---- what the client is told ---- */

#define ROUTING_DOCS " To learn more about provider routing, visit: " \
                     "https://openrouter.ai/docs/guides/routing/provider-selection"
#define PRIVACY_PAGE "Configure: https://openrouter.ai/settings/privacy"

static const char *const EXCLUDED_BY[TG_DROPS] = {         /* contract 5.6 */
    [TG_DROP_DATA_COLLECTION] = "data_policy:training",
    [TG_DROP_ZDR]             = "data_policy:zdr",
    [TG_DROP_ONLY]            = "allowed_providers",
    [TG_DROP_IGNORE]          = "allowed_providers",
    [TG_DROP_QUANTIZATION]    = "quantization",
    [TG_DROP_MAX_PRICE]       = "max_price",
    [TG_DROP_CONTEXT]         = "context_length",
    [TG_DROP_OUTPUT]          = "context_length",
    [TG_DROP_MODALITY]        = "require_parameters",
    [TG_DROP_PARAMETERS]      = "require_parameters",
    [TG_DROP_TOOLS]           = "require_parameters",
    [TG_DROP_TOOL_CHOICE]     = "require_parameters",
    [TG_DROP_POLICY]          = "allowed_providers",
    [TG_DROP_FALLBACKS]       = "allowed_providers",
};

static const char *const FIELDS[TG_DROPS] = {              /* of the request */
    [TG_DROP_DATA_COLLECTION] = "provider.data_collection",
    [TG_DROP_ZDR]             = "provider.zdr",
    [TG_DROP_DISTILLABLE]     = "provider.enforce_distillable_text",
    [TG_DROP_ONLY]            = "provider.only",
    [TG_DROP_IGNORE]          = "provider.ignore",
    [TG_DROP_QUANTIZATION]    = "provider.quantizations",
    [TG_DROP_MAX_PRICE]       = "provider.max_price",
    [TG_DROP_OUTPUT]          = "max_tokens",
    [TG_DROP_MODALITY]        = "messages",
    [TG_DROP_PARAMETERS]      = "provider.require_parameters",
    [TG_DROP_TOOLS]           = "tools",
    [TG_DROP_TOOL_CHOICE]     = "tool_choice",
    [TG_DROP_FALLBACKS]       = "provider.allow_fallbacks",
};

/* Add a name to a list that ends at an empty view, once. */
static void note(struct tg_str *list, struct tg_str name)
{
    for (size_t i = 0; i < TG_FAULT_NAMES_MAX; i++) {
        if (tg_str_eq(list[i], name))
            return;
        if (list[i].len)
            continue;
        list[i] = name;
        return;
    }
}

static void put_list(struct tg_buf *b, const struct tg_str *names, size_t count)
{
    for (size_t i = 0; i < count && names[i].len; i++) {
        if (i)
            tg_buf_z(b, ", ");
        tg_buf_str(b, names[i]);
    }
}

static void put_per_million(struct tg_buf *b, int64_t femto)
{
    tg_buf_printf(b, "$%.10g", (double)femto * 1e-9);
}

static void say_only(struct tg_buf *b, const struct tg_plan *p, enum tg_drop last)
{
    const struct tg_wishes *w = &p->needs->wishes;
    const struct tg_model *m = p->needs->targets[0].model;
    struct tg_str serving[TG_FAULT_NAMES_MAX] = { { 0 } };

    for (size_t i = 0; i < m->endpoints_count; i++)
        note(serving, m->endpoints[i].provider->slug);
    tg_buf_z(b, "No allowed providers are available for the selected model. Providers serving ");
    tg_buf_str(b, m->id);
    tg_buf_z(b, ": ");
    put_list(b, serving, TG_FAULT_NAMES_MAX);
    if (last == TG_DROP_ONLY) {
        tg_buf_z(b, ", but your request's provider.only preference permits only: ");
        put_list(b, w->only, w->only_count);
    } else if (last == TG_DROP_IGNORE) {
        tg_buf_z(b, ", but your request's provider.ignore preference excludes: ");
        put_list(b, w->ignore, w->ignore_count);
    } else {
        tg_buf_z(b, ", but your request's provider.order preference, without fallbacks, "
                    "permits only: ");
        put_list(b, w->order, w->order_count);
    }
    tg_buf_char(b, '.');
}

static void say_overflow(struct tg_buf *b, const struct tg_plan *p)
{
    struct asks a = asks_of(p->needs);
    int64_t most = 0;

    for (size_t i = 0; i < p->count; i++)
        if (p->all[i].drop == TG_DROP_CONTEXT && room(&a, p->all[i].endpoint) > most)
            most = room(&a, p->all[i].endpoint);
    uint64_t prompt = (uint64_t)p->needs->prompt_tokens, output = (uint64_t)a.output;
    tg_buf_printf(b, "This endpoint's maximum context length is %" PRId64 " tokens. However, you "
                  "requested about %" PRIu64 " tokens (%" PRIu64 " of text input, %" PRIu64
                  " in the output). Please reduce the length of either one, or use the "
                  "context-compression plugin to compress your prompt automatically.",
                  most, prompt + output, prompt, output);
}

static void say_output(struct tg_buf *b, const struct tg_plan *p)
{
    int64_t most = 0;
    for (size_t i = 0; i < p->count; i++)
        if (p->all[i].drop == TG_DROP_OUTPUT && p->all[i].endpoint->max_completion_tokens > most)
            most = p->all[i].endpoint->max_completion_tokens;
    tg_buf_printf(b, "No endpoints found matching the requested output length: max_tokens is %"
                  PRId64 ", the longest possible answer has %" PRId64 " tokens.",
                  p->needs->max_tokens, most);
}

static void say_price(struct tg_buf *b, const struct tg_plan *p)
{
    const struct tg_price_set *least = NULL;
    double lowest = 0;

    for (size_t i = 0; i < p->count; i++) {
        const struct tg_price_set *of = &p->all[i].prices;
        double price = tg_price_blend(of, p->needs->prompt_tokens, p->needs->max_tokens);
        if (p->all[i].drop != TG_DROP_MAX_PRICE || (least && price >= lowest))
            continue;
        least = of;
        lowest = price;
    }
    tg_buf_z(b, p->needs->data ? "No endpoints found matching the max_price of your request or of the "
                                 "gateway's routing policy."
                               : "No endpoints found matching your request's provider.max_price.");
    if (!least)
        return;
    tg_buf_z(b, " The cheapest that fits otherwise costs ");
    put_per_million(b, least->femto[TG_PRICE_PROMPT]);
    tg_buf_z(b, " per million prompt tokens and ");
    put_per_million(b, least->femto[TG_PRICE_COMPLETION]);
    tg_buf_z(b, " per million completion tokens.");
}

static const char *const MODES[TG_MODES] = { "text", "image", "file", "audio", "video",
                                             "embeddings", "other" };

static void put_modes(struct tg_buf *b, uint8_t modes)
{
    const char *between = "";
    for (size_t i = 0; i < TG_MODES; i++) {
        if (!(modes & 1u << i))
            continue;
        tg_buf_z(b, between);
        tg_buf_z(b, MODES[i]);
        between = ", ";
    }
}

static void say_modality(struct tg_buf *b, const struct tg_plan *p)
{
    uint8_t known = 0;
    for (size_t i = 0; i < p->count; i++)
        if (p->all[i].drop == TG_DROP_MODALITY)
            known |= p->all[i].endpoint->inputs;
    uint8_t missing = p->needs->inputs & (uint8_t)~(known | TEXT_BIT);
    if (missing || !p->needs->outputs) {
        tg_buf_z(b, "No endpoints found that support ");
        put_modes(b, missing ? missing : p->needs->inputs & (uint8_t)~TEXT_BIT);
        tg_buf_z(b, " input");
        return;
    }
    tg_buf_z(b, "No endpoints found that support the requested output modalities: ");
    put_modes(b, p->needs->outputs);
}

static void say_quantization(struct tg_buf *b, const struct tg_plan *p)
{
    const char *between = "";
    tg_buf_z(b, "No endpoints found matching the requested quantizations: ");
    for (int q = 0; q < TG_QUANTS; q++) {
        if (!(p->needs->wishes.quantizations & 1u << q))
            continue;
        tg_buf_z(b, between);
        tg_buf_z(b, tg_quantization_name(q));
        between = ", ";
    }
    tg_buf_char(b, '.');
}

static void say_api(struct tg_buf *b, const struct tg_plan *p)
{
    tg_buf_str(b, p->needs->targets[0].asked);
    switch (p->needs->api) {
    case TG_API_EMBEDDINGS:
        tg_buf_z(b, " is not an embedding model. Use it with /chat/completions.");
        return;
    case TG_API_RERANK:
        tg_buf_z(b, " is not a rerank model, or none of its providers offers reranking.");
        return;
    case TG_API_COUNT:
        tg_buf_z(b, " has no provider that counts tokens.");
        return;
    default:
        tg_buf_z(b, " is an embedding model. Use it with /embeddings.");
    }
}

static void say_none(struct tg_buf *b, const struct tg_plan *p)
{
    tg_buf_z(b, "No endpoints found for ");
    tg_buf_str(b, p->needs->targets[0].asked);
    tg_buf_char(b, '.');
}

/* Was it the policy's lists alone that left nobody? */
static bool is_policys(const struct tg_plan *p, enum tg_drop last)
{
    for (size_t i = 0; i < p->count; i++)
        if (p->all[i].drop == last && !tg_str_is(p->all[i].detail, BY_POLICY))
            return false;
    return p->count && p->needs->data;
}

/* In the filter's own words, each once: its author knows why. */
static void say_policy(struct tg_buf *b, const struct tg_plan *p)
{
    struct tg_str reasons[TG_FAULT_NAMES_MAX] = { { 0 } };

    for (size_t i = 0; i < p->count; i++)
        if (p->all[i].drop == TG_DROP_POLICY && p->all[i].detail.len)
            note(reasons, p->all[i].detail);
    tg_buf_z(b, "No endpoints found matching the gateway's routing policy");
    if (reasons[0].len)
        tg_buf_z(b, ": ");
    put_list(b, reasons, POLICY_REASONS_MAX);
    tg_buf_char(b, '.');
}

static void say(struct tg_buf *b, const struct tg_plan *p, enum tg_drop last)
{
    switch (last) {
    case TG_DROP_NONE: case TG_DROP_DISABLED: case TG_DROP_TIER: case TG_DROPS:
        say_none(b, p);
        return;
    case TG_DROP_API:
        say_api(b, p);
        return;
    case TG_DROP_DATA_COLLECTION:
        tg_buf_z(b, "No endpoints found matching your data policy (Paid model training). "
                    PRIVACY_PAGE);
        return;
    case TG_DROP_ZDR:
        tg_buf_z(b, "No endpoints found matching your data policy (Zero data retention). "
                    PRIVACY_PAGE);
        return;
    case TG_DROP_DISTILLABLE:
        tg_buf_z(b, "No endpoints found matching your request's "
                    "provider.enforce_distillable_text preference.");
        return;
    case TG_DROP_ONLY: case TG_DROP_IGNORE: case TG_DROP_FALLBACKS:
        say_only(b, p, last);
        return;
    case TG_DROP_QUANTIZATION:
        say_quantization(b, p);
        return;
    case TG_DROP_MAX_PRICE:
        say_price(b, p);
        return;
    case TG_DROP_CONTEXT:
        say_overflow(b, p);
        return;
    case TG_DROP_OUTPUT:
        say_output(b, p);
        return;
    case TG_DROP_MODALITY:
        say_modality(b, p);
        return;
    case TG_DROP_PARAMETERS:
        tg_buf_z(b, "No endpoints found that can handle the requested parameters." ROUTING_DOCS);
        return;
    case TG_DROP_TOOLS:
        tg_buf_z(b, "No endpoints found that support tool use." ROUTING_DOCS);
        return;
    case TG_DROP_TOOL_CHOICE:
        tg_buf_z(b, "No endpoints found that support the provided 'tool_choice' value."
                    ROUTING_DOCS);
        return;
    case TG_DROP_POLICY:
        say_policy(b, p);
        return;
    }
}

static enum tg_availability availability(enum tg_drop last)
{
    switch (last) {
    case TG_DROP_NONE: case TG_DROP_TIER:
        return TG_AVAIL_NO_ENDPOINTS;
    case TG_DROP_DISABLED:
        return TG_AVAIL_MODEL_UNAVAILABLE_UPSTREAM;
    case TG_DROP_API:
        return TG_AVAIL_WRONG_ENDPOINT;
    case TG_DROP_DATA_COLLECTION: case TG_DROP_ZDR:
        return TG_AVAIL_PRIVACY_RESTRICTED;
    case TG_DROP_CONTEXT:
        return TG_AVAILABLE;       /* a 400 about the request; the contract has no code for it */
    default:
        return TG_AVAIL_CONSTRAINT_FILTERED;
    }
}

static enum tg_fault_type fault_type(enum tg_drop last)
{
    if (last == TG_DROP_CONTEXT)
        return TG_FAULT_CONTEXT_LENGTH_EXCEEDED;
    return last == TG_DROP_API ? TG_FAULT_INVALID_REQUEST : TG_FAULT_NOT_FOUND;
}

static void note_exclusions(const struct tg_plan *p, struct tg_fault *f)
{
    for (size_t i = 0; i < p->count; i++) {
        const struct tg_candidate *c = &p->all[i];
        if (c->drop == TG_DROP_TIER || c->drop == TG_DROP_API)
            continue;              /* of no interest to who did not ask for it */
        note(f->affected_providers, c->endpoint->provider->slug);
        if (EXCLUDED_BY[c->drop])
            note(f->excluded_by, tg_str_of(EXCLUDED_BY[c->drop]));
    }
}

void tg_constrain_fault(const struct tg_plan *p, struct tg_arena *arena, struct tg_fault *fault)
{
    enum tg_drop last = TG_DROP_NONE;
    for (size_t i = 0; i < p->count; i++)
        if (p->all[i].drop > last)
            last = p->all[i].drop;
    if (is_policys(p, last))
        last = TG_DROP_POLICY;

    *fault = (struct tg_fault){ .type = fault_type(last), .availability = availability(last) };
    for (size_t t = 0; t < p->needs->targets_count; t++)
        note(fault->requested_models, p->needs->targets[t].asked);
    note_exclusions(p, fault);
    if (fault->availability == TG_AVAIL_CONSTRAINT_FILTERED && FIELDS[last]) {
        fault->constraint_field = tg_str_of(FIELDS[last]);
        fault->constraint_detail = tg_str_of(tg_drop_sentence(last));
    }

    struct tg_buf words;
    tg_buf_init(&words);
    say(&words, p, last);
    if (!words.bad)                /* else the type's own words have to do */
        fault->message = tg_arena_copy(arena, tg_buf_view(&words));
    tg_buf_done(&words);
}
