/* The provider object: what a request, or a policy's `data`, says about who
 * may serve it. Declared in needs.h. */
#include <math.h>
#include <stdio.h>

#include "route/needs.h"
#include "route/refuse.h"
#include "route/text.h"
#include "route/word.h"

struct wishing {
    struct tg_wishes *w;
    struct tg_refusal no;
};

static bool is_given(struct tg_json v)
{
    return v.kind != TG_JSON_NONE && v.kind != TG_JSON_NULL;
}

static tg_err refuse_kind(struct wishing *g, const char *key, const char *kind, struct tg_json v)
{
    return tg_refuse(&g->no, "'provider.%s' must be %s, not %.*s", key, kind, TG_SHOWN(v.raw));
}

/* `what` cannot be `word`: say what was meant, else what there is. */
static tg_err refuse_word(struct wishing *g, const char *what, struct tg_str word,
                          const struct tg_word *known, size_t count)
{
    struct tg_str near = tg_word_near(known, count, word);
    char all[256] = "";

    if (near.len)
        return tg_refuse(&g->no, "%s '%.*s', did you mean '%.*s'?", what, TG_SHOWN(word),
                         TG_SHOWN(near));
    for (size_t i = 0, at = 0; i < count && at < sizeof all; i++)
        at += (size_t)snprintf(all + at, sizeof all - at, "%s%s", i ? ", " : "", known[i].text.at);
    return tg_refuse(&g->no, "%s '%.*s', only %s", what, TG_SHOWN(word), all);
}

/* ---- kinds of values ---- */

static tg_err read_bool(struct wishing *g, const char *key, struct tg_json v, bool *out)
{
    return tg_json_bool(v, out) ? TG_OK : refuse_kind(g, key, "true or false", v);
}

/* One of some words. */
static tg_err read_word(struct wishing *g, const char *key, struct tg_json v,
                        const struct tg_word *known, size_t count, int *out)
{
    struct tg_str word;
    char what[64];

    if (v.kind != TG_JSON_STRING)
        return refuse_kind(g, key, "a string", v);
    tg_err err = tg_text_of(v, g->no.arena, &word);
    if (err)
        return err;
    *out = tg_word_find(known, count, word);
    if (*out >= 0)
        return TG_OK;
    snprintf(what, sizeof what, "'provider.%s' cannot be", key);
    return refuse_word(g, what, word, known, count);
}

static tg_err read_strings(struct wishing *g, const char *key, struct tg_json v,
                           struct tg_str *out, uint8_t *count)
{
    struct tg_json_iter it;
    struct tg_str none;
    struct tg_json item;
    tg_err err = TG_OK;

    if (v.kind != TG_JSON_ARRAY)
        return refuse_kind(g, key, "an array of strings", v);
    tg_json_iter_init(&it, v);
    while (!err && tg_json_next(&it, &none, &item)) {
        if (item.kind != TG_JSON_STRING || !tg_json_has_text(item))
            return refuse_kind(g, key, "an array of strings that are not empty", item);
        if (*count == TG_NEEDS_WORDS_MAX)
            return tg_refuse(&g->no, "'provider.%s' must have %d items or fewer", key,
                             TG_NEEDS_WORDS_MAX);
        err = tg_text_of(item, g->no.arena, &out[(*count)++]);
    }
    return err;
}

/* ---- sort ---- */

static const struct tg_word sorts[] = {
    TG_WORD("exacto", TG_SORT_EXACTO),
    TG_WORD("latency", TG_SORT_LATENCY),
    TG_WORD("price", TG_SORT_PRICE),
    TG_WORD("throughput", TG_SORT_THROUGHPUT),
};

static tg_err read_sort_word(struct wishing *g, const char *key, struct tg_json v)
{
    int sort;

    tg_err err = read_word(g, key, v, sorts, TG_WORDS(sorts), &sort);
    if (!err)
        g->w->sort = (enum tg_sort)sort;
    return err;
}

static tg_err read_partition(struct wishing *g, struct tg_json v)
{
    static const struct tg_word partitions[] = { TG_WORD("model", false), TG_WORD("none", true) };
    int across;

    tg_err err = read_word(g, "sort.partition", v, partitions, TG_WORDS(partitions), &across);
    if (err)
        return err;
    g->w->sorts_across_models = across;
    g->w->has_partition = true;
    return TG_OK;
}

static tg_err read_sort(struct wishing *g, struct tg_json v)
{
    enum { BY, PARTITION };
    static const struct tg_word keys[] = { TG_WORD("by", BY), TG_WORD("partition", PARTITION) };
    struct tg_json_iter it;
    struct tg_str key;
    struct tg_json value;
    tg_err err = TG_OK;

    if (v.kind == TG_JSON_STRING)
        return read_sort_word(g, "sort", v);
    if (v.kind != TG_JSON_OBJECT)
        return refuse_kind(g, "sort", "a string or an object", v);
    tg_json_iter_init(&it, v);
    while (!err && tg_json_next(&it, &key, &value)) {
        err = tg_text_of_key(key, g->no.arena, &key);
        int k = err ? -1 : tg_word_find(keys, TG_WORDS(keys), key);
        if (!err && k < 0)
            err = refuse_word(g, "'provider.sort' has no key", key, keys, TG_WORDS(keys));
        if (!err && is_given(value))
            err = k == BY ? read_sort_word(g, "sort.by", value) : read_partition(g, value);
    }
    return err;
}

/* ---- thresholds ---- */

static tg_err read_cutoff(struct wishing *g, const char *key, struct tg_json v, double *out)
{
    double value;

    if (v.kind != TG_JSON_NUMBER || !tg_json_double(v, &value) || value < 0)
        return refuse_kind(g, key, "a number from 0 on, or an object of such for "
                           "p50, p75, p90, p99", v);
    *out = value;
    return TG_OK;
}

static tg_err read_thresholds(struct wishing *g, const char *key, struct tg_json v,
                              struct tg_thresholds *t)
{
    enum { P50, P75, P90, P99 };
    static const struct tg_word keys[] = { TG_WORD("p50", P50), TG_WORD("p75", P75),
                                           TG_WORD("p90", P90), TG_WORD("p99", P99) };
    double *cutoffs[] = { &t->p50, &t->p75, &t->p90, &t->p99 };
    struct tg_json_iter it;
    struct tg_str name;
    struct tg_json value;
    char what[64];
    tg_err err = TG_OK;

    if (v.kind != TG_JSON_OBJECT)
        err = read_cutoff(g, key, v, &t->p50);
    tg_json_iter_init(&it, v);
    while (!err && v.kind == TG_JSON_OBJECT && tg_json_next(&it, &name, &value)) {
        err = tg_text_of_key(name, g->no.arena, &name);
        int k = err ? -1 : tg_word_find(keys, TG_WORDS(keys), name);
        snprintf(what, sizeof what, "'provider.%s' has no key", key);
        if (!err && k < 0)
            err = refuse_word(g, what, name, keys, TG_WORDS(keys));
        if (!err && is_given(value))
            err = read_cutoff(g, key, value, cutoffs[k]);
    }
    t->any = !isnan(t->p50) || !isnan(t->p75) || !isnan(t->p90) || !isnan(t->p99);
    return err;
}

/* ---- max_price ---- */

enum { PER_PROMPT, PER_COMPLETION, PER_REQUEST, PER_IMAGE, PER_AUDIO };

static const struct tg_word price_keys[] = {
    TG_WORD("audio", PER_AUDIO),
    TG_WORD("completion", PER_COMPLETION),
    TG_WORD("image", PER_IMAGE),
    TG_WORD("prompt", PER_PROMPT),
    TG_WORD("request", PER_REQUEST),
};

/* Tokens are priced by the million here and by the piece in the catalogue. */
static tg_err read_most(struct wishing *g, int per, struct tg_json v)
{
    enum { MILLION = 1000 * 1000 };
    int64_t femto;

    tg_err err = tg_price_femto(v, &femto);
    if (err == TG_ETOOBIG)
        femto = INT64_MAX;         /* no endpoint costs as much: no limit */
    else if (err)
        return refuse_kind(g, "max_price", "an object of prices that are not negative", v);
    else if (per == PER_PROMPT || per == PER_COMPLETION)
        femto /= MILLION;
    g->w->max_price[per] = femto;
    return TG_OK;
}

static tg_err read_max_price(struct wishing *g, struct tg_json v)
{
    struct tg_json_iter it;
    struct tg_str key;
    struct tg_json value;
    tg_err err = TG_OK;

    if (v.kind != TG_JSON_OBJECT)
        return refuse_kind(g, "max_price", "an object", v);
    tg_json_iter_init(&it, v);
    while (!err && tg_json_next(&it, &key, &value)) {
        err = tg_text_of_key(key, g->no.arena, &key);
        int per = err ? -1 : tg_word_find(price_keys, TG_WORDS(price_keys), key);
        if (!err && per < 0)
            err = refuse_word(g, "'provider.max_price' has no key", key, price_keys,
                              TG_WORDS(price_keys));
        if (!err && is_given(value))
            err = read_most(g, per, value);
    }
    return err;
}

/* ---- quantizations ---- */

static tg_err read_quantizations(struct wishing *g, struct tg_json v)
{
    struct tg_json_iter it;
    struct tg_str none, word;
    struct tg_json item;

    if (v.kind != TG_JSON_ARRAY)
        return refuse_kind(g, "quantizations", "an array of strings", v);
    tg_json_iter_init(&it, v);
    while (tg_json_next(&it, &none, &item)) {
        if (item.kind != TG_JSON_STRING)
            return refuse_kind(g, "quantizations", "an array of strings", item);
        tg_err err = tg_text_of(item, g->no.arena, &word);
        if (err)
            return err;
        int q = tg_quantization_of(word);
        if (q < 0)
            return tg_refuse(&g->no, "'provider.quantizations' cannot have '%.*s'; it may have "
                             "int4, int8, fp4, mxfp4, nvfp4, fp6, fp8, mxfp8, fp16, bf16, fp32, "
                             "unknown", TG_SHOWN(word));
        g->w->quantizations |= UINT32_C(1) << q;
    }
    return TG_OK;
}

/* ---- the object ---- */

enum wish { ALLOW_FALLBACKS, DATA_COLLECTION, ENFORCE_DISTILLABLE_TEXT, IGNORE, MAX_PRICE, ONLY,
            ORDER, PREFERRED_MAX_LATENCY, PREFERRED_MIN_THROUGHPUT, QUANTIZATIONS,
            REQUIRE_PARAMETERS, SORT, ZDR };

static const struct tg_word wish_names[] = {
    TG_WORD("allow_fallbacks", ALLOW_FALLBACKS),
    TG_WORD("data_collection", DATA_COLLECTION),
    TG_WORD("enforce_distillable_text", ENFORCE_DISTILLABLE_TEXT),
    TG_WORD("ignore", IGNORE),
    TG_WORD("max_price", MAX_PRICE),
    TG_WORD("only", ONLY),
    TG_WORD("order", ORDER),
    TG_WORD("preferred_max_latency", PREFERRED_MAX_LATENCY),
    TG_WORD("preferred_min_throughput", PREFERRED_MIN_THROUGHPUT),
    TG_WORD("quantizations", QUANTIZATIONS),
    TG_WORD("require_parameters", REQUIRE_PARAMETERS),
    TG_WORD("sort", SORT),
    TG_WORD("zdr", ZDR),
};

static tg_err read_allow_fallbacks(struct wishing *g, struct tg_json v)
{
    bool allows = true;

    tg_err err = read_bool(g, "allow_fallbacks", v, &allows);
    g->w->no_fallbacks = !allows;
    return err;
}

static tg_err read_data_collection(struct wishing *g, struct tg_json v)
{
    static const struct tg_word words[] = { TG_WORD("allow", false), TG_WORD("deny", true) };
    int denies = false;

    tg_err err = read_word(g, "data_collection", v, words, TG_WORDS(words), &denies);
    g->w->deny_data_collection = denies == true;
    return err;
}

static tg_err read_wish(struct wishing *g, enum wish wish, struct tg_json v)
{
    struct tg_wishes *w = g->w;

    switch (wish) {
    case ALLOW_FALLBACKS:
        return read_allow_fallbacks(g, v);
    case DATA_COLLECTION:
        return read_data_collection(g, v);
    case ENFORCE_DISTILLABLE_TEXT:
        return read_bool(g, "enforce_distillable_text", v, &w->distillable);
    case IGNORE:
        return read_strings(g, "ignore", v, w->ignore, &w->ignore_count);
    case MAX_PRICE:
        return read_max_price(g, v);
    case ONLY:
        w->has_only = true;
        return read_strings(g, "only", v, w->only, &w->only_count);
    case ORDER:
        w->has_order = true;
        return read_strings(g, "order", v, w->order, &w->order_count);
    case PREFERRED_MAX_LATENCY:
        return read_thresholds(g, "preferred_max_latency", v, &w->max_latency_s);
    case PREFERRED_MIN_THROUGHPUT:
        return read_thresholds(g, "preferred_min_throughput", v, &w->min_throughput);
    case QUANTIZATIONS:
        return read_quantizations(g, v);
    case REQUIRE_PARAMETERS:
        return read_bool(g, "require_parameters", v, &w->require_parameters);
    case SORT:
        return read_sort(g, v);
    case ZDR:
        return read_bool(g, "zdr", v, &w->zdr);
    }
    return TG_OK;
}

static void wish_nothing(struct tg_wishes *w)
{
    static const struct tg_thresholds none = { false, NAN, NAN, NAN, NAN };

    *w = (struct tg_wishes){ .max_latency_s = none, .min_throughput = none,
                             .max_price = { -1, -1, -1, -1, -1 } };
}

tg_err tg_needs_wishes(struct tg_wishes *w, struct tg_json object, struct tg_arena *arena,
                       struct tg_fault *fault)
{
    struct wishing g = { w, { fault, arena } };
    struct tg_json_iter it;
    struct tg_str key;
    struct tg_json value;
    uint32_t seen = 0;
    tg_err err = TG_OK;

    wish_nothing(w);
    if (!is_given(object))
        return TG_OK;
    if (object.kind != TG_JSON_OBJECT)
        return tg_refuse(&g.no, "'provider' must be an object, not %.*s", TG_SHOWN(object.raw));
    tg_json_iter_init(&it, object);
    while (!err && tg_json_next(&it, &key, &value)) {
        err = tg_text_of_key(key, arena, &key);
        if (err)
            break;
        int wish = tg_word_find(wish_names, TG_WORDS(wish_names), key);
        if (wish < 0)
            return refuse_word(&g, "'provider' has no key", key, wish_names, TG_WORDS(wish_names));
        if (seen & UINT32_C(1) << wish)
            return tg_refuse(&g.no, "'provider.%.*s' stands there twice", TG_SHOWN(key));
        seen |= UINT32_C(1) << wish;
        if (is_given(value))
            err = read_wish(&g, (enum wish)wish, value);
    }
    return err;
}
