#include "route/rank.h"

#include <assert.h>
#include <math.h>
#include <stdatomic.h>
#include <string.h>

#include "base/hash.h"
#include "base/mem.h"
#include "base/rand.h"

enum {
    AT_HAND = 64,                  /* candidates that are ranked without asking for memory */
    RUN     = 16                   /* sorted by insertion before runs are merged */
};

/* Scores of endpoints of which nothing is known: behind all that are. */
#define NO_DATA        1e6         /* s to first token, ms per token */
#define EXACTO_BUCKET  1e7
#define SKETCH_ERROR   1.01        /* of a percentile: a cut-off is not missed by less */

/* What is known of one candidate and where that puts it. */
struct standing {
    uint64_t major;                /* compared first */
    double   score, price;         /* then these; then the catalogue's order */
    double   share, weight;        /* how much of its traffic it should see; in the draw */
    enum tg_place place;           /* FALLBACK as long as nothing is wrong */
    enum tg_sort  mode;            /* NONE: drawn */
    enum tg_breaker breaker;
    bool     is_listed;            /* in `order` */
};

/* One ranking. */
struct ranking {
    struct tg_plan *p;
    const struct tg_needs  *n;
    const struct tg_wishes *w;
    uint64_t now_ms;
    struct tg_rand rand;
    bool     across_models;        /* partition "none" */
    bool     has_thresholds;
    bool     wants_priority, wants_flex;
    struct standing *of;           /* of each kept candidate, in the plan's order */
    uint16_t *order;               /* indices into both, to be sorted */
};

static void begin(struct ranking *r, struct tg_plan *p, struct standing *of, uint16_t *order)
{
    const struct tg_needs *n = p->needs;
    const struct tg_wishes *w = &n->wishes;

    *r = (struct ranking){
        .p = p, .n = n, .w = w, .of = of, .order = order,
        .across_models  = w->sorts_across_models,
        .has_thresholds = w->max_latency_s.any || w->min_throughput.any,
        .wants_priority = tg_str_is(n->service_tier, "priority")
                       || tg_str_is(n->service_tier, "fast"),
        .wants_flex     = tg_str_is(n->service_tier, "flex"),
    };
    for (size_t i = 0; i < p->kept; i++)
        order[i] = (uint16_t)i;
}

/* ---- sort: stable, by (major, score, price) ---- */

static bool is_before(const struct standing *a, const struct standing *b)
{
    if (a->major != b->major)
        return a->major < b->major;
    if (a->score != b->score)
        return a->score < b->score;
    return a->price < b->price;
}

static void sort_run(uint16_t *at, size_t n, const struct standing *of)
{
    for (size_t i = 1; i < n; i++) {
        uint16_t moving = at[i];
        size_t to = i;
        for (; to > 0 && is_before(&of[moving], &of[at[to - 1]]); to--)
            at[to] = at[to - 1];
        at[to] = moving;
    }
}

static void merge(const uint16_t *a, size_t a_len, const uint16_t *b, size_t b_len, uint16_t *out,
                  const struct standing *of)
{
    while (a_len && b_len) {
        if (is_before(&of[*b], &of[*a]))
            *out++ = *b++, b_len--;
        else
            *out++ = *a++, a_len--;
    }
    memcpy(out, a, a_len * sizeof *a);
    memcpy(out + a_len, b, b_len * sizeof *b);
}

static void sort(uint16_t *order, size_t n, const struct standing *of)
{
    for (size_t i = 0; i < n; i += RUN)
        sort_run(order + i, n - i < RUN ? n - i : RUN, of);
    if (n <= RUN)
        return;

    uint16_t merged[TG_PLAN_CANDIDATES_MAX];
    for (size_t width = RUN; width < n; width *= 2) {
        for (size_t i = 0; i < n; i += 2 * width) {
            size_t left = n - i < width ? n - i : width;
            size_t right = n - i - left < width ? n - i - left : width;
            merge(order + i, left, order + i + left, right, merged + i, of);
        }
        memcpy(order, merged, n * sizeof *order);
    }
}

/* Bring order[from] to order[to], to <= from; those in between move back. */
static void bring_forward(uint16_t *order, size_t from, size_t to)
{
    uint16_t moving = order[from];
    memmove(order + to + 1, order + to, (from - to) * sizeof *order);
    order[to] = moving;
}

/* ---- what is compared first: does it work, which model, who was asked for ---- */

/* Which word of `order` means it; their number when none does. */
static size_t place_in_order(const struct tg_wishes *w, const struct tg_endpoint *e)
{
    size_t i = 0;
    while (i < w->order_count && !tg_endpoint_matches(e, w->order[i]))
        i++;
    return i;
}

/* | to the very end | model | behind its model | word of `order`, tier | */
static uint64_t major(const struct ranking *r, const struct tg_candidate *c, struct standing *s)
{
    bool is_last = s->place >= TG_PLACE_HELD
                || (s->place >= TG_PLACE_DEMOTED && r->has_thresholds);
    uint64_t last = is_last ? s->place : 0;
    uint64_t behind = !is_last && s->place >= TG_PLACE_DEMOTED ? s->place : 0;
    uint64_t model = r->across_models ? 0 : c->target;
    uint64_t minor = 0;

    if (r->w->order_count) {
        minor = place_in_order(r->w, c->endpoint);
        s->is_listed = minor < r->w->order_count;
    } else if (r->wants_priority) {
        minor = !c->endpoint->is_tier;
    }
    return last << 48 | model << 32 | behind << 16 | minor;
}

/* ---- what is known about an endpoint ---- */

/* Is the share of answers with broken tool calls known, and which is it? */
static bool tools_bad_percent(struct tg_live *l, double *percent)
{
    uint64_t answers, bad;
    if (!l)
        return false;
    answers = atomic_load_explicit(&l->tool_answers, memory_order_relaxed);
    bad = atomic_load_explicit(&l->tool_bad, memory_order_relaxed);
    if (answers < TG_RANK_TOOLS_LEAST)
        return false;
    *percent = 100.0 * (double)bad / (double)answers;
    return true;
}

/* Fewer samples than this say nothing sure about that percentile: with n of
 * them its upper bound at 95 % exists from ln 0.05 / ln q on. A hundredth
 * part needs 299; 99 is where its nearest rank is no longer the maximum. */
static const uint32_t SAMPLES_LEAST[4] = { 5, 11, 29, 99 };

/* A cut-off is held against the highest percentile up to its own for which
 * the samples suffice: when p50 misses it, p90 does all the more. */
static bool misses(const struct tg_thresholds *t, const struct tg_quantiles *q, double unit,
                   bool is_least)
{
    const double cuts[4] = { t->p50, t->p75, t->p90, t->p99 };
    const double got[4] = { q->p50, q->p75, q->p90, q->p99 };

    for (int i = 0; i < 4; i++) {
        int j = i;
        if (isnan(cuts[i]))
            continue;
        while (j >= 0 && q->samples < SAMPLES_LEAST[j])
            j--;
        if (j < 0)
            continue;
        double cut = cuts[i] * unit;
        if (is_least ? got[j] * SKETCH_ERROR < cut : got[j] > cut * SKETCH_ERROR)
            return true;
    }
    return false;
}

static bool misses_thresholds(const struct ranking *r, struct tg_live *l)
{
    struct tg_quantiles q;

    if (r->w->max_latency_s.any) {
        tg_window_read(&l->ttft, false, r->now_ms, &q);
        if (misses(&r->w->max_latency_s, &q, 1000, false))
            return true;
    }
    if (!r->w->min_throughput.any)
        return false;
    tg_window_read(&l->throughput, true, r->now_ms, &q);
    return misses(&r->w->min_throughput, &q, 1000, true);
}

static bool breaks_tools(const struct ranking *r, const struct standing *s, struct tg_live *l)
{
    double percent;
    if (r->n->tools.kind == TG_JSON_NONE || r->w->order_count || s->mode != TG_SORT_NONE)
        return false;
    return tools_bad_percent(l, &percent) && percent > TG_RANK_TOOLS_PERCENT;
}

/* Its place but for the breaker, which is judged by all of them together. */
static enum tg_place trouble(const struct ranking *r, const struct standing *s, struct tg_live *l)
{
    if (tg_health_hold_ms(&l->health, r->now_ms))
        return TG_PLACE_HELD;
    if (atomic_load_explicit(&l->in_flight, memory_order_relaxed) >= tg_health_cap(&l->health))
        return TG_PLACE_HELD;
    if (tg_health_has_outage(&l->health, r->now_ms))
        return TG_PLACE_OUTAGE;
    if (r->has_thresholds && misses_thresholds(r, l))
        return TG_PLACE_DEMOTED;
    return breaks_tools(r, s, l) ? TG_PLACE_DEMOTED : TG_PLACE_FALLBACK;
}

/* ---- scores ---- */

/* By the request, its model's suffix, the policy; the first that says so. */
static enum tg_sort sort_asked(const struct ranking *r, size_t target)
{
    if (r->w->sort)
        return r->w->sort;
    if (r->n->targets[target].sort)
        return r->n->targets[target].sort;
    return r->n->data ? r->n->data->sort : TG_SORT_NONE;
}

static enum tg_sort mode_of(const struct ranking *r, const struct tg_candidate *c)
{
    enum tg_sort asked = sort_asked(r, r->across_models ? 0 : c->target);
    if (asked)
        return asked;
    if (r->w->order_count)
        return TG_SORT_PRICE;
    if (c->endpoint->is_tier && r->wants_priority)
        return TG_SORT_THROUGHPUT;
    if (c->endpoint->is_tier && r->wants_flex)
        return TG_SORT_PRICE;
    return TG_SORT_NONE;
}

static double seconds_to_first(const struct ranking *r, struct tg_live *l)
{
    struct tg_quantiles q;
    if (!l)
        return NO_DATA;
    tg_window_read(&l->ttft, false, r->now_ms, &q);
    return q.samples ? q.p50 / 1000 : NO_DATA;
}

static double ms_per_token(const struct ranking *r, struct tg_live *l)
{
    struct tg_quantiles q;
    if (!l)
        return NO_DATA;
    tg_window_read(&l->throughput, true, r->now_ms, &q);
    return q.samples && q.p50 > 0 ? 1e6 / q.p50 : NO_DATA;
}

/* Proven good ones in three steps, then the unproven, then the proven bad. */
static double exacto_bucket(struct tg_live *l)
{
    double percent;
    if (!tools_bad_percent(l, &percent))
        return 3;
    return percent <= 1 ? 0 : percent <= 5 ? 1 : percent <= TG_RANK_TOOLS_PERCENT ? 2 : 4;
}

static double score_of(const struct ranking *r, const struct standing *s, struct tg_live *l)
{
    switch (s->mode) {
    case TG_SORT_LATENCY:
        return seconds_to_first(r, l);
    case TG_SORT_THROUGHPUT:
        return ms_per_token(r, l);
    case TG_SORT_EXACTO:
        return exacto_bucket(l) * EXACTO_BUCKET + ms_per_token(r, l);
    case TG_SORT_NONE: case TG_SORT_PRICE:
        break;
    }
    return s->price;
}

static void look_at(struct ranking *r, size_t i)
{
    const struct tg_candidate *c = &r->p->all[i];
    struct tg_live *l = c->endpoint->live;
    struct standing *s = &r->of[i];
    double femto = tg_price_blend(&c->prices, r->n->prompt_tokens, r->n->max_tokens);

    *s = (struct standing){ .place = TG_PLACE_FALLBACK, .share = 1, .price = femto * 1e-9,
                            .mode = mode_of(r, c), .breaker = TG_BREAKER_CLOSED };
    if (l) {
        s->breaker = tg_health_breaker(&l->health, r->now_ms);
        s->share = tg_health_share(&l->health, r->now_ms);
        s->place = trouble(r, s, l);
    }
    s->score = score_of(r, s, l);
}

/* ---- all together ---- */

/* With more than half of them open, breakers say more about us than about
 * them: they count for nothing then. */
static void judge_breakers(struct ranking *r)
{
    size_t open = 0;
    for (size_t i = 0; i < r->p->kept; i++)
        open += r->of[i].breaker == TG_BREAKER_OPEN;

    bool panics = open * 2 > r->p->kept;
    for (size_t i = 0; open && i < r->p->kept; i++) {
        struct standing *s = &r->of[i];
        if (s->breaker != TG_BREAKER_OPEN)
            continue;
        s->share = 1;
        if (!panics)
            s->place = TG_PLACE_OPEN;
    }
}

/* One request in twenty looks past one outage, so that somebody sees the end of
 * it: that endpoint stands where it would without. */
static void forgive_one(struct ranking *r)
{
    double coin = tg_rand_unit(&r->rand);
    uint64_t pick = tg_rand_u64(&r->rand);
    size_t outages = 0;

    if (coin * 100 >= TG_RANK_PROBE_PERCENT)
        return;
    for (size_t i = 0; i < r->p->kept; i++)
        outages += r->of[i].place == TG_PLACE_OUTAGE && r->of[i].breaker != TG_BREAKER_OPEN;
    if (!outages)
        return;
    pick %= outages;
    for (size_t i = 0; i < r->p->kept; i++) {
        struct standing *s = &r->of[i];
        if (s->place != TG_PLACE_OUTAGE || s->breaker == TG_BREAKER_OPEN || pick--)
            continue;
        s->place = TG_PLACE_FALLBACK;
        s->share = 1;
        r->p->all[i].is_probe = true;
        return;
    }
}

/* Weigh order[first .. end) by share / price^2; free ones weigh infinitely more
 * than others and the same among themselves. Returns the sum. */
static double weigh(struct ranking *r, size_t first, size_t end)
{
    bool has_free = false;
    double sum = 0;

    for (size_t i = first; i < end; i++)
        has_free |= r->of[r->order[i]].price <= 0;
    for (size_t i = first; i < end; i++) {
        struct standing *s = &r->of[r->order[i]];
        if (!has_free)
            s->weight = s->share / (s->price * s->price);
        else
            s->weight = s->price > 0 ? 0 : s->share;
        sum += s->weight;
    }
    return sum;
}

/* One of order[first .. end), with its weight as its chance. */
static size_t draw(struct ranking *r, size_t first, size_t end)
{
    double point = weigh(r, first, end) * tg_rand_unit(&r->rand);
    size_t last = first;

    for (size_t i = first; i < end; i++) {
        double weight = r->of[r->order[i]].weight;
        if (point < weight)
            return i;
        point -= weight;
        if (weight > 0)
            last = i;
    }
    return last;                   /* rounding left something over */
}

static bool is_cheaper_cached(const struct tg_candidate *c)
{
    return c->prices.has & 1u << TG_PRICE_CACHE_READ
        && c->prices.femto[TG_PRICE_CACHE_READ] < c->prices.femto[TG_PRICE_PROMPT];
}

/* Account 0 (there is none here), first model, conversation. */
static uint64_t sticky_key(const struct ranking *r)
{
    const struct tg_model *m = r->n->targets[0].model;
    if (!r->n->session_hash || r->w->order_count || sort_asked(r, 0))
        return 0;
    uint64_t key = tg_hash_join(tg_hash_join(0, tg_hash_stable(m->id)), r->n->session_hash);
    return key ? key : 1;
}

/* Which of order[first .. end) served this session; `end` when none. */
static size_t find_sticky(const struct ranking *r, struct tg_live_region *region, size_t first,
                          size_t end)
{
    uint64_t identity = tg_live_sticky_get(region, r->p->sticky_key, r->now_ms,
                                           TG_RANK_STICKY_IDLE_MS);
    for (size_t i = first; identity && i < end; i++) {
        const struct tg_candidate *c = &r->p->all[r->order[i]];
        if (c->endpoint->identity == identity && c->target == 0 && is_cheaper_cached(c))
            return i;
    }
    return end;
}

/* Choose who is first among the best ones, where no order is asked for. */
static void choose(struct ranking *r, struct tg_live_region *region)
{
    size_t first = 0, end, chosen;
    while (first < r->p->kept && r->of[r->order[first]].place >= TG_PLACE_DEMOTED)
        first++;
    if (first == r->p->kept || r->of[r->order[first]].mode != TG_SORT_NONE)
        return;
    for (end = first + 1; end < r->p->kept; end++)
        if (r->of[r->order[end]].major != r->of[r->order[first]].major)
            break;

    enum tg_place place = TG_PLACE_STICKY;
    chosen = r->p->sticky_key ? find_sticky(r, region, first, end) : end;
    if (chosen == end) {
        place = TG_PLACE_DRAWN;
        chosen = draw(r, first, end);
    }
    r->of[r->order[chosen]].place = place;
    bring_forward(r->order, chosen, first);
    r->p->is_sticky = place == TG_PLACE_STICKY && first == 0;
}

static void set_places(struct ranking *r)
{
    for (size_t i = 0; i < r->p->kept; i++) {
        struct tg_candidate *c = &r->p->all[i];
        struct standing *s = &r->of[i];
        if (s->place == TG_PLACE_FALLBACK && s->is_listed)
            s->place = TG_PLACE_ORDER;
        else if (s->place == TG_PLACE_FALLBACK && s->mode && !r->w->order_count)
            s->place = TG_PLACE_SORTED;
        c->place = s->place;
        c->score = c->base = s->score;
        c->is_probe |= s->breaker == TG_BREAKER_HALF_OPEN;
    }
}

void tg_rank_drop_fallbacks(struct tg_plan *p)
{
    const struct tg_wishes *w = &p->needs->wishes;

    for (size_t i = 0; i < p->kept; i++) {
        struct tg_candidate *c = &p->all[i];
        bool stays = w->order_count ? place_in_order(w, c->endpoint) < w->order_count : i == 0;
        if (!stays)
            c->drop = TG_DROP_FALLBACKS;
    }
    tg_plan_sweep(p);
}

static void rank(struct ranking *r, struct tg_live_region *region)
{
    struct tg_plan *p = r->p;

    for (size_t i = 0; i < p->kept; i++)
        look_at(r, i);
    judge_breakers(r);
    forgive_one(r);
    for (size_t i = 0; i < p->kept; i++)
        r->of[i].major = major(r, &p->all[i], &r->of[i]);
    sort(r->order, p->kept, r->of);
    p->sticky_key = region ? sticky_key(r) : 0;
    choose(r, region);
    set_places(r);
    tg_plan_reorder(p, r->order, p->kept);
}

tg_err tg_rank(struct tg_plan *p, struct tg_live_region *region, uint64_t now_ms)
{
    struct standing at_hand[AT_HAND], *of = at_hand;
    uint16_t order[TG_PLAN_CANDIDATES_MAX];
    struct ranking r;

    if (p->kept > AT_HAND && !(of = tg_alloc(p->kept * sizeof *of)))
        return TG_ENOMEM;
    begin(&r, p, of, order);
    r.now_ms = now_ms;
    tg_rand_seed(&r.rand, p->needs->seed);
    rank(&r, region);
    if (of != at_hand)
        tg_free(of);
    return TG_OK;
}

static void rank_by_score(struct ranking *r)
{
    struct tg_plan *p = r->p;

    for (size_t i = 0; i < p->kept; i++) {
        struct tg_candidate *c = &p->all[i];
        struct standing *s = &r->of[i];
        if (c->place < TG_PLACE_DEMOTED)
            c->place = TG_PLACE_SORTED;
        *s = (struct standing){ .place = c->place, .score = c->score };
        s->major = major(r, c, s);
        if (c->place == TG_PLACE_SORTED && s->is_listed)
            c->place = TG_PLACE_ORDER;
    }
    sort(r->order, p->kept, r->of);
    tg_plan_reorder(p, r->order, p->kept);
    p->is_sticky = false;
}

tg_err tg_rank_by_score(struct tg_plan *p)
{
    struct standing at_hand[AT_HAND], *of = at_hand;
    uint16_t order[TG_PLAN_CANDIDATES_MAX];
    struct ranking r;

    if (p->kept > AT_HAND && !(of = tg_alloc(p->kept * sizeof *of)))
        return TG_ENOMEM;
    begin(&r, p, of, order);
    rank_by_score(&r);
    if (of != at_hand)
        tg_free(of);
    return TG_OK;
}

bool tg_rank_remembers(const struct tg_plan *p, size_t candidate, int64_t cached_tokens)
{
    assert(candidate < p->count);
    const struct tg_candidate *c = &p->all[candidate];
    if (!p->sticky_key || c->target != 0 || !is_cheaper_cached(c))
        return false;
    return p->needs->has_session_id || cached_tokens > 0;
}
