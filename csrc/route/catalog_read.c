#include "route/catalog_read.h"

#include <string.h>

#include "base/mem.h"
#include "route/index.h"
#include "route/reading.h"
#include "route/word.h"

enum {
    STRANGERS_MAX  = 64,       /* providers looked at for a misspelling */
    MISSPELT_BYTES = 5,        /* shorter slugs are too alike to tell ("xai", "zai") */
    ANY_MODE       = (1 << TG_MODES) - 1,
    ANY_CHOICE     = (1 << TG_CHOICES) - 1
};

struct reader {
    struct tg_reading  in;
    struct tg_catalog *c;
    struct tg_catalog_batch *batch;
    size_t             cap;        /* of batch->models */
    struct tg_index    ids;        /* of the batch */
    struct tg_model   *model;      /* being read */
    struct tg_json     model_id;   /* as written */
    bool               is_router;  /* the model's price is one's */
    struct tg_json     listed[TG_CATALOG_ENDPOINTS_MAX];     /* its endpoints */
    struct tg_str      strangers[STRANGERS_MAX];
    size_t             strangers_count;
};

static bool is_given(struct tg_json v)
{
    return tg_reading_is_given(v);
}

/* ---- members ---- */

enum member {
    ALIAS_TARGET, ARCHITECTURE, CANONICAL_SLUG, CONTEXT_LENGTH, CREATED, DATA_COLLECTION,
    DISTILLABLE, ENDPOINTS, ID, MAX_COMPLETION_TOKENS, MAX_PROMPT_TOKENS, NAME, PRICING, PROVIDER,
    QUANTIZATION, STATUS, SUPPORTED_PARAMETERS, SUPPORTS_IMPLICIT_CACHING, SUPPORTS_TOOL_CHOICE,
    TAG, TOP_PROVIDER, UPSTREAM_MODEL, ZDR, MEMBERS
};

static const struct tg_word member_names[MEMBERS] = {
    TG_WORD("alias_target", ALIAS_TARGET),
    TG_WORD("architecture", ARCHITECTURE),
    TG_WORD("canonical_slug", CANONICAL_SLUG),
    TG_WORD("context_length", CONTEXT_LENGTH),
    TG_WORD("created", CREATED),
    TG_WORD("data_collection", DATA_COLLECTION),
    TG_WORD("distillable", DISTILLABLE),
    TG_WORD("endpoints", ENDPOINTS),
    TG_WORD("id", ID),
    TG_WORD("max_completion_tokens", MAX_COMPLETION_TOKENS),
    TG_WORD("max_prompt_tokens", MAX_PROMPT_TOKENS),
    TG_WORD("name", NAME),
    TG_WORD("pricing", PRICING),
    TG_WORD("provider", PROVIDER),
    TG_WORD("quantization", QUANTIZATION),
    TG_WORD("status", STATUS),
    TG_WORD("supported_parameters", SUPPORTED_PARAMETERS),
    TG_WORD("supports_implicit_caching", SUPPORTS_IMPLICIT_CACHING),
    TG_WORD("supports_tool_choice", SUPPORTS_TOOL_CHOICE),
    TG_WORD("tag", TAG),
    TG_WORD("top_provider", TOP_PROVIDER),
    TG_WORD("upstream_model", UPSTREAM_MODEL),
    TG_WORD("zdr", ZDR),
};

/* The members of a model or endpoint that matter here, each at its place:
 * they depend on one another and stand in any order. */
static void gather(struct tg_json object, struct tg_json *members)
{
    struct tg_json_iter it;
    struct tg_str key;
    struct tg_json value;

    memset(members, 0, MEMBERS * sizeof *members);
    tg_json_iter_init(&it, object);
    while (tg_json_next(&it, &key, &value)) {
        int m = tg_word_find(member_names, MEMBERS, key);
        if (m >= 0)
            members[m] = value;
    }
}

/* ---- prices ---- */

static bool is_negative(struct tg_json v)
{
    return tg_str_starts(v.raw, "-") || tg_str_starts(v.raw, "\"-");
}

/* OpenRouter lists its routers with a price of -1 for everything: "depends". */
static bool is_router_price(struct tg_json pricing)
{
    return is_negative(tg_json_get(pricing, "prompt"));
}

/* False, and *out as it was, when the price is a router's. */
static bool read_price(struct reader *r, struct tg_json v, struct tg_price *out)
{
    struct tg_price price = { 0 };
    const char *why = "not a price";
    struct tg_str where = v.raw;

    tg_reading_object(&r->in, v, "pricing");
    if (r->in.err || !is_given(v))
        return true;
    tg_err err = tg_price_read(&price, v, &r->c->arena, &why, &where);
    if (err == TG_EINVAL && is_router_price(v))
        return false;
    if (err == TG_ENOMEM)
        r->in.err = err;
    else if (err)
        tg_reading_complain(&r->in, where.at, "\"pricing\": %s", why);
    else
        *out = price;
    return true;
}

/* ---- modalities ---- */

static uint32_t modes_of(struct tg_str words)
{
    struct tg_str word;
    uint32_t bits = 0;

    while (words.len) {
        tg_str_cut(words, '+', &word, &words);
        bits |= UINT32_C(1) << tg_modality_of(word);
    }
    return bits;
}

/* "text+image->text": what older listings have alone. */
static void split_modality(struct tg_json v, uint32_t *inputs, uint32_t *outputs)
{
    struct tg_str both, from, to;

    if (!tg_json_plain(v, &both) || !tg_str_cut(both, '>', &from, &to) || !tg_str_ends(from, "-"))
        return;
    from.len--;
    *inputs = modes_of(from);
    *outputs = modes_of(to);
}

static void read_architecture(struct reader *r, struct tg_json v, uint8_t *inputs,
                              uint8_t *outputs)
{
    struct tg_json in = tg_json_get(v, "input_modalities");
    struct tg_json out = tg_json_get(v, "output_modalities");
    uint32_t in_bits = *inputs, out_bits = *outputs;

    tg_reading_object(&r->in, v, "architecture");
    split_modality(tg_json_get(v, "modality"), &in_bits, &out_bits);
    tg_reading_bits(&r->in, in, "input_modalities", tg_modality_of, &in_bits);
    tg_reading_bits(&r->in, out, "output_modalities", tg_modality_of, &out_bits);
    *inputs = (uint8_t)in_bits;
    *outputs = (uint8_t)out_bits;
}

/* ---- whose endpoint it is ---- */

static bool has_same_digits(struct tg_str a, struct tg_str b)
{
    for (size_t i = 0, k = 0;; i++, k++) {
        while (i < a.len && (a.at[i] < '0' || a.at[i] > '9'))
            i++;
        while (k < b.len && (b.at[k] < '0' || b.at[k] > '9'))
            k++;
        if (i >= a.len || k >= b.len)
            return i >= a.len && k >= b.len;
        if (a.at[i] != b.at[k])
            return false;
    }
}

/* A catalogue may list more providers than are configured, "vllm-2" beside
 * "vllm-1" too: only what hardly can be another one counts as misspelt. */
static const struct tg_provider *misspelt(const struct tg_catalog *c, struct tg_str slug)
{
    unsigned edits;

    if (slug.len < MISSPELT_BYTES)
        return NULL;
    for (size_t i = 0; i < c->providers_count; i++)
        if (tg_word_is_near(c->providers[i].slug, slug, &edits)
            && has_same_digits(c->providers[i].slug, slug))
            return &c->providers[i];
    return NULL;
}

static void meet_stranger(struct reader *r, struct tg_json v, struct tg_str slug)
{
    for (size_t i = 0; i < r->strangers_count; i++)
        if (tg_str_eq(r->strangers[i], slug))
            return;
    if (r->strangers_count == STRANGERS_MAX)
        return;
    r->strangers[r->strangers_count++] = slug;

    const struct tg_provider *meant = misspelt(r->c, slug);
    if (meant)
        tg_reading_complain(&r->in, v.raw.at, "no provider \"%.*s\" is configured, "
                            "did you mean \"%.*s\"?", (int)slug.len, slug.at,
                            (int)meant->slug.len, meant->slug.at);
}

/* NULL when it is to be left out. */
static const struct tg_provider *read_provider(struct reader *r, struct tg_json endpoint,
                                               struct tg_json v)
{
    const struct tg_provider *provider = NULL;
    struct tg_str slug = { 0 };

    tg_reading_slug(&r->in, v, "provider", TG_CATALOG_NAME_MAX, &slug);
    if (!slug.len)
        tg_reading_complain(&r->in, endpoint.raw.at, "an endpoint without \"provider\", "
                            "the slug of a configured provider");
    if (!r->in.err)
        provider = tg_catalog_provider(r->c, slug);
    if (!r->in.err && !provider)
        meet_stranger(r, v, slug);
    return provider;
}

/* ---- endpoints ---- */

static bool is_tier(struct tg_str tag)
{
    struct tg_str base, rest;

    if (!tg_str_cut(tag, '/', &base, &rest))
        return false;
    while (tg_str_cut(rest, '/', &base, &tag))
        rest = tag;
    return tg_str_iis(rest, "priority") || tg_str_iis(rest, "flex");
}

/* What a request's body gets for this endpoint, ready to be appended. */
static void write_members(struct reader *r, struct tg_endpoint *e, struct tg_json name)
{
    static const char model[] = "\"model\":";
    static const char usage[] = ",\"stream_options\":{\"include_usage\":true}";
    size_t head = sizeof model - 1, tail = sizeof usage - 1;

    if (r->in.err)
        return;
    char *p = tg_arena_get(&r->c->arena, head + name.raw.len + tail);
    if (!p) {
        r->in.err = TG_ENOMEM;
        return;
    }
    memcpy(p, model, head);
    memcpy(p + head, name.raw.at, name.raw.len);
    memcpy(p + head + name.raw.len, usage, tail);
    e->members = (struct tg_str){ p, head + name.raw.len + tail };
    e->upstream_model_json = (struct tg_str){ p + head, name.raw.len };
}

static void read_names(struct reader *r, const struct tg_json *members, struct tg_endpoint *e)
{
    struct tg_json upstream = members[UPSTREAM_MODEL];

    e->tag = e->provider->slug;
    e->name = r->model->name;
    e->upstream_model = r->model->id;
    tg_reading_slug(&r->in, members[TAG], "tag", TG_CATALOG_NAME_MAX, &e->tag);
    tg_reading_text(&r->in, members[NAME], "name", &e->name);
    tg_reading_name(&r->in, upstream, "upstream_model", TG_CATALOG_NAME_MAX, &e->upstream_model);
    write_members(r, e, is_given(upstream) ? upstream : r->model_id);
    e->is_tier = is_tier(e->tag);
    for (size_t i = 0; i < r->model->endpoints_count; i++)
        if (tg_str_ieq(r->model->endpoints[i].tag, e->tag))
            tg_reading_complain(&r->in, e->raw.raw.at, "two endpoints with the tag \"%.*s\"; "
                                "a \"tag\" of its own tells each apart",
                                (int)e->tag.len, e->tag.at);
}

static void read_limits(struct reader *r, const struct tg_json *members, struct tg_endpoint *e)
{
    int64_t status = 0;

    e->context_length = r->model->context_length;
    e->max_completion_tokens = r->model->max_completion_tokens;
    tg_reading_int(&r->in, members[CONTEXT_LENGTH], "context_length", 0, &e->context_length);
    tg_reading_int(&r->in, members[MAX_PROMPT_TOKENS], "max_prompt_tokens", 0,
                   &e->max_prompt_tokens);
    tg_reading_int(&r->in, members[MAX_COMPLETION_TOKENS], "max_completion_tokens", 0,
                   &e->max_completion_tokens);
    tg_reading_int(&r->in, members[STATUS], "status", INT32_MIN, &status);
    e->status = status > INT32_MAX ? INT32_MAX : (int)status;
}

static void read_tool_choices(struct reader *r, struct tg_json v, uint32_t *out)
{
    struct tg_json_iter it;
    struct tg_str key;
    struct tg_json value;
    uint32_t bits = 0;

    tg_reading_object(&r->in, v, "supports_tool_choice");
    if (r->in.err || !is_given(v))
        return;
    tg_json_iter_init(&it, v);
    while (tg_json_next(&it, &key, &value)) {
        int choice = tg_tool_choice_of(key);
        bool is_supported = false;
        tg_reading_bool(&r->in, value, "supports_tool_choice", &is_supported);
        if (choice >= 0 && is_supported)
            bits |= UINT32_C(1) << choice;
    }
    *out = bits;
}

static const struct tg_wire *wire_of(const struct tg_provider *p, struct tg_str model)
{
    const struct tg_wire *usual = NULL;

    for (size_t i = 0; i < p->wires_count; i++) {
        if (tg_wire_is_for(&p->wires[i], model))
            return &p->wires[i];
        if (!usual && !p->wires[i].models.len)
            usual = &p->wires[i];
    }
    return usual ? usual : &tg_wire_chat;
}

static void read_abilities(struct reader *r, const struct tg_json *members, struct tg_endpoint *e)
{
    struct tg_str quantization = TG_STR("unknown");

    e->params = r->model->params;
    e->tool_choices = ANY_CHOICE;
    e->inputs = r->model->inputs;
    e->outputs = r->model->outputs;
    tg_reading_bits(&r->in, members[SUPPORTED_PARAMETERS], "supported_parameters", tg_param_of,
                    &e->params);
    e->params &= e->wire->carries;         /* what has no place in the format cannot be asked */
    read_tool_choices(r, members[SUPPORTS_TOOL_CHOICE], &e->tool_choices);
    read_architecture(r, members[ARCHITECTURE], &e->inputs, &e->outputs);
    tg_reading_bool(&r->in, members[SUPPORTS_IMPLICIT_CACHING], "supports_implicit_caching",
                    &e->implicit_caching);
    tg_reading_text(&r->in, members[QUANTIZATION], "quantization", &quantization);
    int q = tg_quantization_of(quantization);
    e->quantization = (uint8_t)(q < 0 ? TG_QUANT_UNKNOWN : q);
}

static void read_data_policy(struct reader *r, const struct tg_json *members,
                             struct tg_endpoint *e)
{
    struct tg_json v = members[DATA_COLLECTION];
    bool denies = tg_json_is(v, "deny");

    if (is_given(v) && !denies && !tg_json_is(v, "allow"))
        tg_reading_complain_kind(&r->in, v, "data_collection", "\"allow\" or \"deny\"");
    e->denies_data_collection = is_given(v) ? denies : e->provider->denies_data_collection;
    e->zdr = e->provider->zdr;
    e->distillable = r->model->distillable;
    tg_reading_bool(&r->in, members[ZDR], "zdr", &e->zdr);
    tg_reading_bool(&r->in, members[DISTILLABLE], "distillable", &e->distillable);
}

/* Into the model's next free place, unless it is left out. */
static void read_endpoint(struct reader *r, struct tg_json v)
{
    struct tg_endpoint *e = &r->model->endpoints[r->model->endpoints_count];
    struct tg_json members[MEMBERS];

    if (v.kind != TG_JSON_OBJECT) {
        tg_reading_complain_kind(&r->in, v, "endpoints", "an array of objects");
        return;
    }
    gather(v, members);
    *e = (struct tg_endpoint){ .raw = v, .price = r->model->price };
    e->provider = read_provider(r, v, members[PROVIDER]);
    bool has_price = is_given(members[PRICING]) ? read_price(r, members[PRICING], &e->price)
                                                : !r->is_router;
    if (!e->provider || !has_price) {
        r->batch->skipped++;
        return;
    }
    read_names(r, members, e);
    e->wire = wire_of(e->provider, e->upstream_model);
    read_limits(r, members, e);
    read_abilities(r, members, e);
    read_data_policy(r, members, e);
    r->model->has_params |= is_given(members[SUPPORTED_PARAMETERS]);
    r->model->endpoints_count++;
}

static void unite_params(struct tg_model *m)
{
    uint32_t params = 0;

    for (size_t i = 0; i < m->endpoints_count; i++)
        params |= m->endpoints[i].params;
    if (m->endpoints_count)
        m->params = params;
}

static size_t list_endpoints(struct reader *r, struct tg_json v)
{
    struct tg_json_iter it;
    struct tg_str none;
    struct tg_json endpoint;
    size_t count = 0;

    if (is_given(v) && v.kind != TG_JSON_ARRAY)
        tg_reading_complain_kind(&r->in, v, "endpoints", "an array");
    tg_json_iter_init(&it, v);
    while (!r->in.err && tg_json_next(&it, &none, &endpoint)) {
        if (count == TG_CATALOG_ENDPOINTS_MAX)
            tg_reading_complain(&r->in, endpoint.raw.at, "more than %d endpoints",
                                TG_CATALOG_ENDPOINTS_MAX);
        else
            r->listed[count++] = endpoint;
    }
    return count;
}

static void read_endpoints(struct reader *r, struct tg_json v)
{
    size_t count = list_endpoints(r, v);

    if (r->in.err || !count)
        return;
    r->model->endpoints = tg_arena_get(&r->c->arena, count * sizeof *r->model->endpoints);
    if (!r->model->endpoints)
        r->in.err = TG_ENOMEM;
    for (size_t i = 0; !r->in.err && i < count; i++)
        read_endpoint(r, r->listed[i]);
    unite_params(r->model);
}

/* ---- models ---- */

static void read_id(struct reader *r, struct tg_json model, struct tg_json v)
{
    struct tg_model *m = r->model;

    tg_reading_slug(&r->in, v, "id", TG_CATALOG_NAME_MAX, &m->id);
    if (!m->id.len)
        tg_reading_complain(&r->in, model.raw.at, "a model without \"id\"");
    if (r->in.err)
        return;
    r->model_id = v;
    r->in.about = m->name = m->id;
    if (tg_index_reserve(&r->ids, 1))
        r->in.err = TG_ENOMEM;
    else if (!tg_index_put(&r->ids, m->id, 0))
        tg_reading_complain(&r->in, v.raw.at, "stands in this file twice");
}

static void read_facts(struct reader *r, const struct tg_json *members, struct tg_model *m)
{
    struct tg_json top = members[TOP_PROVIDER], alias = members[ALIAS_TARGET];

    tg_reading_slug(&r->in, members[CANONICAL_SLUG], "canonical_slug", TG_CATALOG_NAME_MAX,
                    &m->canonical_slug);
    tg_reading_text(&r->in, members[NAME], "name", &m->name);
    tg_reading_int(&r->in, members[CREATED], "created", 0, &m->created_s);
    tg_reading_int(&r->in, members[CONTEXT_LENGTH], "context_length", 0, &m->context_length);
    read_architecture(r, members[ARCHITECTURE], &m->inputs, &m->outputs);
    tg_reading_bits(&r->in, members[SUPPORTED_PARAMETERS], "supported_parameters", tg_param_of,
                    &m->params);
    tg_reading_bool(&r->in, members[DISTILLABLE], "distillable", &m->distillable);
    tg_reading_object(&r->in, top, "top_provider");
    tg_reading_int(&r->in, tg_json_get(top, "max_completion_tokens"), "max_completion_tokens", 0,
                   &m->max_completion_tokens);
    tg_reading_object(&r->in, alias, "alias_target");
    tg_reading_slug(&r->in, tg_json_get(alias, "slug"), "slug", TG_CATALOG_NAME_MAX, &m->alias);
    r->is_router = !read_price(r, members[PRICING], &m->price);
}

static bool add_model(struct reader *r)
{
    struct tg_catalog_batch *b = r->batch;

    if (b->count == r->cap) {
        size_t cap = r->cap ? 2 * r->cap : 64;
        struct tg_model *models = tg_realloc(b->models, cap * sizeof *models);
        if (!models) {
            r->in.err = TG_ENOMEM;
            return false;
        }
        b->models = models;
        r->cap = cap;
    }
    r->model = &b->models[b->count++];
    *r->model = (struct tg_model){ .inputs = ANY_MODE, .outputs = ANY_MODE,
                                   .params = TG_PARAM_ALL };
    return true;
}

static void read_model(struct reader *r, struct tg_json v)
{
    struct tg_json members[MEMBERS];

    r->in.about = (struct tg_str){ 0 };
    if (v.kind != TG_JSON_OBJECT)
        tg_reading_complain_kind(&r->in, v, "data", "an array of models");
    if (r->batch->count == TG_CATALOG_MODELS_MAX)
        tg_reading_complain(&r->in, v.raw.at, "more than %d models", TG_CATALOG_MODELS_MAX);
    if (r->in.err || !add_model(r))
        return;
    gather(v, members);
    r->model->raw = v;
    r->model->has_params = is_given(members[SUPPORTED_PARAMETERS]);
    read_id(r, v, members[ID]);
    read_facts(r, members, r->model);
    read_endpoints(r, members[ENDPOINTS]);
}

static void read_data(struct reader *r, struct tg_json root)
{
    struct tg_json data = tg_json_get(root, "data"), model;
    struct tg_json_iter it;
    struct tg_str none;

    if (data.kind == TG_JSON_OBJECT) {
        read_model(r, data);
        return;
    }
    if (data.kind != TG_JSON_ARRAY)
        tg_reading_complain(&r->in, data.raw.at ? data.raw.at : root.raw.at,
                            "expected {\"data\": [MODEL, ...]}");
    tg_json_iter_init(&it, data);
    while (!r->in.err && tg_json_next(&it, &none, &model))
        read_model(r, model);
}

tg_err tg_catalog_read(struct tg_catalog *c, struct tg_str text, const char *name,
                       struct tg_buf *why, struct tg_catalog_batch *batch)
{
    struct reader r = { .in = { .text = text, .name = name, .arena = &c->arena, .why = why },
                        .c = c, .batch = batch };
    struct tg_json root;
    size_t where;

    *batch = (struct tg_catalog_batch){ 0 };
    tg_err err = tg_json_check(text, TG_JSON_DEPTH_MAX, &root, &where);
    if (err)
        tg_reading_complain_json(&r.in, err, where);
    else
        read_data(&r, root);
    tg_index_done(&r.ids);
    if (r.in.err) {
        tg_free(batch->models);
        *batch = (struct tg_catalog_batch){ 0 };
    }
    return r.in.err;
}
