#include "route/explain.h"

#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "route/policy.h"

/* ---- words both tellings use ---- */

static struct tg_str provider_name(const struct tg_endpoint *e)
{
    return e->provider->name.len ? e->provider->name : e->provider->slug;
}

static void put_params(struct tg_buf *out, uint32_t params)
{
    const char *between = "";
    for (int i = 0; i < TG_PARAMS; i++) {
        if (!(params & 1u << i))
            continue;
        tg_buf_z(out, between);
        tg_buf_z(out, tg_param_name(i));
        between = ", ";
    }
}

/* ---- why one was dropped ---- */

static const struct {
    enum tg_price_key key;
    const char *name, *unit;
} CAPS[5] = {                      /* in the order of tg_wishes.max_price */
    { TG_PRICE_PROMPT, "prompt", " per million" },
    { TG_PRICE_COMPLETION, "completion", " per million" },
    { TG_PRICE_REQUEST, "request", "" },
    { TG_PRICE_IMAGE, "image", "" },
    { TG_PRICE_AUDIO, "audio", "" },
};

static void put_dollars(struct tg_buf *out, int64_t femto, bool per_million)
{
    tg_buf_printf(out, "$%.10g", (double)femto * (per_million ? 1e-9 : 1e-15));
}

static void put_price_detail(struct tg_buf *out, const struct tg_wishes *w,
                             const struct tg_price_set *prices)
{
    const char *between = "";
    for (size_t i = 0; i < 5; i++) {
        int64_t most = w->max_price[i], is = prices->femto[CAPS[i].key];
        if (most < 0 || is <= most)
            continue;
        tg_buf_printf(out, "%s%s ", between, CAPS[i].name);
        put_dollars(out, is, i < 2);
        tg_buf_z(out, " > ");
        put_dollars(out, most, i < 2);
        tg_buf_z(out, CAPS[i].unit);
        between = ", ";
    }
}

static void put_context_detail(struct tg_buf *out, const struct tg_needs *n,
                               const struct tg_endpoint *e)
{
    tg_buf_printf(out, "about %" PRId64 " tokens", n->prompt_tokens);
    if (n->max_tokens > 0)
        tg_buf_printf(out, " and %" PRId64 " to answer", n->max_tokens);
    if (e->context_length)
        tg_buf_printf(out, ", context %" PRId64, e->context_length);
    if (e->max_prompt_tokens)
        tg_buf_printf(out, ", prompt at most %" PRId64, e->max_prompt_tokens);
}

tg_err tg_explain_drop(struct tg_buf *out, const struct tg_plan *p, const struct tg_candidate *c)
{
    const struct tg_needs *n = p->needs;
    const struct tg_endpoint *e = c->endpoint;

    switch (c->drop) {
    case TG_DROP_DISABLED:
        tg_buf_printf(out, "status %d", e->status);
        break;
    case TG_DROP_QUANTIZATION:
        tg_buf_z(out, tg_quantization_name(e->quantization));
        break;
    case TG_DROP_MAX_PRICE:
        put_price_detail(out, &n->wishes, &c->prices);
        break;
    case TG_DROP_CONTEXT:
        put_context_detail(out, n, e);
        break;
    case TG_DROP_OUTPUT:
        tg_buf_printf(out, "max_tokens %" PRId64 " > %" PRId64, n->max_tokens,
                      e->max_completion_tokens);
        break;
    case TG_DROP_PARAMETERS:
        put_params(out, n->params & ~e->params);
        break;
    default:
        tg_buf_str(out, c->detail);
    }
    return out->bad ? TG_ENOMEM : TG_OK;
}

/* ---- metadata ---- */

static void put_text(struct tg_buf *out, const char *name, struct tg_str text)
{
    tg_json_put_name(out, name);
    tg_json_put_text(out, text);
}

static void put_int(struct tg_buf *out, const char *name, int64_t value)
{
    tg_json_put_name(out, name);
    tg_buf_i64(out, value);
}

static void put_bool(struct tg_buf *out, const char *name, bool value)
{
    tg_json_put_name(out, name);
    tg_buf_z(out, value ? "true" : "false");
}

static void put_provider_and_model(struct tg_buf *out, const struct tg_endpoint *e)
{
    put_text(out, "provider", provider_name(e));
    put_text(out, "model", e->model->id);
}

static void put_summary(struct tg_buf *out, const struct tg_plan *p,
                        const struct tg_endpoint *selected)
{
    char words[64];
    struct tg_buf text = { 0 };

    snprintf(words, sizeof words, "available=%zu", p->kept);
    tg_buf_z(&text, words);
    if (selected) {
        tg_buf_z(&text, ", selected=");
        tg_buf_str(&text, provider_name(selected));
    }
    if (text.bad)
        out->bad = true;
    put_text(out, "summary", tg_buf_view(&text));
    tg_buf_done(&text);
}

static size_t listed(size_t count)
{
    return count < TG_EXPLAIN_CANDIDATES_MAX ? count : TG_EXPLAIN_CANDIDATES_MAX;
}

static void put_endpoints(struct tg_buf *out, const struct tg_plan *p, int selected)
{
    tg_json_put_name(out, "endpoints");
    tg_buf_char(out, '{');
    put_int(out, "total", (int64_t)p->kept);
    tg_json_put_name(out, "available");
    tg_buf_char(out, '[');
    for (size_t i = 0; i < listed(p->kept); i++) {
        tg_json_put_comma(out);
        tg_buf_char(out, '{');
        put_provider_and_model(out, p->all[i].endpoint);
        put_bool(out, "selected", (int)i == selected);
        tg_buf_char(out, '}');
    }
    tg_buf_z(out, "]}");
}

static void put_attempts(struct tg_buf *out, const struct tg_plan *p,
                         const struct tg_attempt *attempts, size_t count)
{
    tg_json_put_name(out, "attempts");
    tg_buf_char(out, '[');
    for (size_t i = 0; i < count; i++) {
        tg_json_put_comma(out);
        tg_buf_char(out, '{');
        put_provider_and_model(out, p->all[attempts[i].candidate].endpoint);
        put_int(out, "status", attempts[i].status);
        tg_buf_char(out, '}');
    }
    tg_buf_char(out, ']');
}

static void put_floor(struct tg_buf *out, const struct tg_wishes *w)
{
    if (!w->min_throughput.any || isnan(w->min_throughput.p50))
        return;
    tg_json_put_name(out, "params");
    tg_buf_z(out, "{\"throughput_floor\":");
    tg_json_put_double(out, w->min_throughput.p50);
    tg_buf_char(out, '}');
}

/* ---- metadata: our own part ---- */

/* To nine digits: the last ones of a double are rounding. */
static void put_score(struct tg_buf *out, const char *name, double score)
{
    tg_json_put_name(out, name);
    if (isfinite(score))
        tg_buf_printf(out, "%.9g", score);
    else
        tg_buf_z(out, "null");
}

static void put_candidate(struct tg_buf *out, const struct tg_plan *p, const struct tg_candidate *c)
{
    tg_json_put_comma(out);
    tg_buf_char(out, '{');
    put_text(out, "endpoint", c->endpoint->tag);
    put_provider_and_model(out, c->endpoint);
    put_text(out, "place", tg_str_of(tg_place_name(c->place)));
    put_score(out, "score", c->score);
    if (p->ran & 1 << TG_HOOK_SCORE)
        put_score(out, "base", c->base);
    if (p->ran & 1 << TG_HOOK_ORDER)
        put_int(out, "was", c->was + 1);
    if (c->is_probe)
        put_bool(out, "probe", true);
    tg_buf_char(out, '}');
}

static void put_drop(struct tg_buf *out, const struct tg_plan *p, const struct tg_candidate *c)
{
    struct tg_buf detail = { 0 };

    tg_json_put_comma(out);
    tg_buf_char(out, '{');
    put_text(out, "endpoint", c->endpoint->tag);
    put_provider_and_model(out, c->endpoint);
    put_text(out, "reason", tg_str_of(tg_drop_name(c->drop)));
    put_text(out, "why", tg_str_of(tg_drop_sentence(c->drop)));
    if (tg_explain_drop(&detail, p, c))
        out->bad = true;
    if (detail.len)
        put_text(out, "detail", tg_buf_view(&detail));
    tg_buf_done(&detail);
    tg_buf_char(out, '}');
}

static void put_dropped_params(struct tg_buf *out, const struct tg_attempt *a)
{
    tg_json_put_name(out, "dropped_parameters");
    tg_buf_char(out, '[');
    for (int i = 0; i < TG_PARAMS; i++) {
        if (!(a->dropped_params & 1u << i))
            continue;
        tg_json_put_comma(out);
        tg_json_put_text(out, tg_str_of(tg_param_name(i)));
    }
    if (a->lost.len) {
        tg_json_put_comma(out);
        tg_buf_str(out, a->lost);
    }
    tg_buf_char(out, ']');
}

static void put_attempt(struct tg_buf *out, const struct tg_plan *p, const struct tg_attempt *a)
{
    tg_json_put_comma(out);
    tg_buf_char(out, '{');
    put_text(out, "endpoint", p->all[a->candidate].endpoint->tag);
    put_text(out, "outcome", tg_str_of(a->outcome));
    if (a->ttft_ms >= 0)
        put_int(out, "ttft_ms", a->ttft_ms);
    if (a->total_ms >= 0)
        put_int(out, "total_ms", a->total_ms);
    put_dropped_params(out, a);
    tg_buf_char(out, '}');
}

static void put_policy(struct tg_buf *out, const struct tg_plan *p)
{
    tg_json_put_name(out, "policy");
    tg_buf_char(out, '{');
    put_text(out, "name", p->policy->name);
    put_bool(out, "failed", p->policy_failed);
    tg_json_put_name(out, "hooks");
    tg_buf_char(out, '[');
    for (int i = 0; i < TG_HOOKS; i++) {
        if (!(p->ran & 1u << i))
            continue;
        tg_json_put_comma(out);
        tg_json_put_text(out, tg_str_of(tg_hook_name((enum tg_hook)i)));
    }
    tg_buf_z(out, "]}");
    put_int(out, "seed", (int64_t)p->needs->seed);
}

static void put_tidegate(struct tg_buf *out, const struct tg_plan *p,
                         const struct tg_attempt *attempts, size_t count)
{
    tg_json_put_name(out, "tidegate");
    tg_buf_char(out, '{');
    put_bool(out, "sticky", p->is_sticky);
    if (p->policy)
        put_policy(out, p);
    tg_json_put_name(out, "candidates");
    tg_buf_char(out, '[');
    for (size_t i = 0; i < listed(p->kept); i++)
        put_candidate(out, p, &p->all[i]);
    tg_buf_char(out, ']');
    tg_json_put_name(out, "dropped");
    tg_buf_char(out, '[');
    for (size_t i = p->kept; i < p->kept + listed(p->count - p->kept); i++)
        put_drop(out, p, &p->all[i]);
    tg_buf_char(out, ']');
    tg_json_put_name(out, "attempts");
    tg_buf_char(out, '[');
    for (size_t i = 0; i < count; i++)
        put_attempt(out, p, &attempts[i]);
    tg_buf_z(out, "]}");
}

tg_err tg_explain_metadata(struct tg_buf *out, const struct tg_plan *p,
                           const struct tg_attempt *attempts, size_t count, int selected,
                           int64_t generation_ms)
{
    int chosen = selected >= 0 ? attempts[selected].candidate : -1;

    tg_buf_char(out, '{');
    put_text(out, "requested", p->needs->targets[0].asked);
    put_text(out, "strategy", tg_str_of(p->strategy));
    tg_json_put_name(out, "region");
    tg_buf_z(out, "null");
    put_summary(out, p, chosen < 0 ? NULL : p->all[chosen].endpoint);
    put_int(out, "attempt", selected >= 0 ? selected + 1 : (int64_t)count);
    put_bool(out, "is_byok", false);
    put_endpoints(out, p, chosen);
    if (count)
        put_attempts(out, p, attempts, count);
    put_floor(out, &p->needs->wishes);
    if (generation_ms >= 0)
        put_int(out, "generation_time", generation_ms);
    put_tidegate(out, p, attempts, count);
    tg_buf_char(out, '}');
    return out->bad ? TG_ENOMEM : TG_OK;
}

/* ---- text ---- */

enum { COLUMNS = 8, CELL_MAX = 48 };

static const char *const HEADINGS[COLUMNS] = {
    "#", "endpoint", "model", "place", "score", "$/M in/out", "first token s p50/p90",
    "tokens/s p50/p90"
};

struct row {
    char cell[COLUMNS][CELL_MAX];
};

static void fill(char cell[CELL_MAX], struct tg_str text)
{
    snprintf(cell, CELL_MAX, "%.*s", (int)(text.len < CELL_MAX ? text.len : CELL_MAX), text.at);
}

/* Its tag; with the provider's slug when the tag does not show it. */
static void fill_endpoint(char cell[CELL_MAX], const struct tg_endpoint *e)
{
    struct tg_str tag = e->tag, slug = e->provider->slug;
    bool is_shown = tag.len >= slug.len && tg_str_ieq((struct tg_str){ tag.at, slug.len }, slug);

    fill(cell, tag);
    if (is_shown || tag.len + 4 >= CELL_MAX)
        return;
    snprintf(cell + tag.len, CELL_MAX - tag.len, " (%.*s)", (int)slug.len, slug.at);
}

static void fill_prices(char cell[CELL_MAX], const struct tg_price_set *prices)
{
    snprintf(cell, CELL_MAX, "%.6g/%.6g", (double)prices->femto[TG_PRICE_PROMPT] * 1e-9,
             (double)prices->femto[TG_PRICE_COMPLETION] * 1e-9);
}

static void fill_quantiles(char cell[CELL_MAX], struct tg_window *w, bool lower_tail, double unit,
                           uint64_t now_ms)
{
    struct tg_quantiles q;
    tg_window_read(w, lower_tail, now_ms, &q);
    if (!q.samples)
        snprintf(cell, CELL_MAX, "-");
    else
        snprintf(cell, CELL_MAX, "%.3g/%.3g", q.p50 / unit, q.p90 / unit);
}

/* What a policy made of it stands beside what it was before. */
static void fill_place(char cell[CELL_MAX], const struct tg_plan *p, size_t i)
{
    const struct tg_candidate *c = &p->all[i];
    const char *probe = c->is_probe ? " (probe)" : "";

    if (p->ran & 1 << TG_HOOK_ORDER && c->was != i)
        snprintf(cell, CELL_MAX, "%s%s, was %d", tg_place_name(c->place), probe, c->was + 1);
    else
        snprintf(cell, CELL_MAX, "%s%s", tg_place_name(c->place), probe);
}

static void fill_score(char cell[CELL_MAX], const struct tg_plan *p, const struct tg_candidate *c)
{
    if (p->ran & 1 << TG_HOOK_SCORE && c->score != c->base)
        snprintf(cell, CELL_MAX, "%.4g -> %.4g", c->base, c->score);
    else
        snprintf(cell, CELL_MAX, "%.4g", c->score);
}

static void fill_row(struct row *r, const struct tg_plan *p, size_t i, uint64_t now_ms)
{
    const struct tg_candidate *c = &p->all[i];
    struct tg_live *l = c->endpoint->live;

    snprintf(r->cell[0], CELL_MAX, "%zu", i + 1);
    fill_endpoint(r->cell[1], c->endpoint);
    fill(r->cell[2], c->endpoint->model->id);
    fill_place(r->cell[3], p, i);
    fill_score(r->cell[4], p, c);
    fill_prices(r->cell[5], &c->prices);
    snprintf(r->cell[6], CELL_MAX, "-");
    snprintf(r->cell[7], CELL_MAX, "-");
    if (!l)
        return;
    fill_quantiles(r->cell[6], &l->ttft, false, 1000, now_ms);
    fill_quantiles(r->cell[7], &l->throughput, true, 1000, now_ms);
}

static void widen(size_t width[COLUMNS], const struct row *r)
{
    for (size_t i = 0; i < COLUMNS; i++)
        if (strlen(r->cell[i]) > width[i])
            width[i] = strlen(r->cell[i]);
}

static void put_row(struct tg_buf *out, const struct row *r, const size_t width[COLUMNS])
{
    for (size_t i = 0; i + 1 < COLUMNS; i++)
        tg_buf_printf(out, i ? "  %-*s" : "%*s", (int)width[i], r->cell[i]);
    tg_buf_printf(out, "  %s\n", r->cell[COLUMNS - 1]);
}

static void put_kept(struct tg_buf *out, const struct tg_plan *p, uint64_t now_ms)
{
    size_t width[COLUMNS] = { 0 };
    struct row row, headings;

    for (size_t i = 0; i < COLUMNS; i++)
        fill(headings.cell[i], tg_str_of(HEADINGS[i]));
    widen(width, &headings);
    for (size_t i = 0; i < listed(p->kept); i++) {
        fill_row(&row, p, i, now_ms);
        widen(width, &row);
    }
    put_row(out, &headings, width);
    for (size_t i = 0; i < listed(p->kept); i++) {
        fill_row(&row, p, i, now_ms);
        put_row(out, &row, width);
    }
}

static void put_reason(struct tg_buf *out, const struct tg_plan *p, const struct tg_candidate *c)
{
    size_t before;

    tg_buf_printf(out, "%s: %s (", tg_drop_name(c->drop), tg_drop_sentence(c->drop));
    before = out->len;
    tg_explain_drop(out, p, c);
    if (out->bad)
        return;
    if (out->len == before)
        out->len -= 2;             /* nothing to put in brackets */
    else
        tg_buf_char(out, ')');
}

static void put_dropped(struct tg_buf *out, const struct tg_plan *p)
{
    size_t width[COLUMNS] = { 0 };
    size_t end = p->kept + listed(p->count - p->kept);
    struct row row = { 0 };

    for (size_t i = p->kept; i < end; i++) {
        fill_endpoint(row.cell[0], p->all[i].endpoint);
        fill(row.cell[1], p->all[i].endpoint->model->id);
        widen(width, &row);
    }
    for (size_t i = p->kept; i < end; i++) {
        fill_endpoint(row.cell[0], p->all[i].endpoint);
        fill(row.cell[1], p->all[i].endpoint->model->id);
        tg_buf_printf(out, "-  %-*s  %-*s  ", (int)width[0], row.cell[0], (int)width[1],
                      row.cell[1]);
        put_reason(out, p, &p->all[i]);
        tg_buf_char(out, '\n');
    }
}

static void put_policy_line(struct tg_buf *out, const struct tg_plan *p)
{
    const struct tg_policy *policy = p->policy;
    const char *between = ": ";

    tg_buf_z(out, "policy ");
    tg_buf_str(out, policy->name);
    tg_buf_z(out, " (");
    tg_buf_str(out, policy->file);
    tg_buf_char(out, ')');
    if (policy->has_data) {
        tg_buf_printf(out, "%sdata", between);
        between = ", ";
    }
    for (int i = 0; i < TG_HOOKS; i++) {
        if (!(p->ran & 1u << i))
            continue;
        tg_buf_printf(out, "%s%s", between, tg_hook_name((enum tg_hook)i));
        between = ", ";
    }
    tg_buf_z(out, p->policy_failed ? "; it failed, and this is the order without its hooks\n" : "\n");
}

tg_err tg_explain_text(struct tg_buf *out, const struct tg_plan *p, uint64_t now_ms)
{
    const struct tg_needs *n = p->needs;
    size_t dropped = p->count - p->kept;

    for (size_t t = 0; t < n->targets_count; t++) {
        tg_buf_z(out, t ? ", then " : "");
        tg_buf_str(out, n->targets[t].asked);
    }
    tg_buf_printf(out, ": %zu to try, %zu left out; about %" PRId64 " prompt tokens%s\n", p->kept,
                  dropped, n->prompt_tokens, p->is_sticky ? "; a session's endpoint is first" : "");
    if (p->policy)
        put_policy_line(out, p);
    if (p->kept)
        put_kept(out, p, now_ms);
    if (dropped)
        put_dropped(out, p);
    return out->bad ? TG_ENOMEM : TG_OK;
}
