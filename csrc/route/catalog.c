#include "route/catalog.h"

#include <assert.h>
#include <string.h>

#include "base/hash.h"
#include "base/mem.h"
#include "route/bare.h"
#include "route/catalog_read.h"
#include "route/index.h"
#include "route/word.h"

enum { BLOCK_BYTES = 64 * 1024 };

/* Slots of endpoints for which the shared region had no room. */
struct own_live {
    struct own_live *next;
    struct tg_live   live;
};

struct tg_catalog_tables {
    struct tg_index  models;       /* ids; once sealed canonical slugs too */
    struct tg_index  providers;    /* slugs */
    struct tg_bare   bare;         /* once sealed */
    size_t           models_cap;
    bool             is_sealed;
    struct own_live *own;
};

/* ---- life ---- */

/* The view that `part` is of `whole`, in the copy of `whole`; a copy of its own
 * when it is no part of it. */
static struct tg_str copy_part(struct tg_arena *arena, struct tg_str part, struct tg_str whole,
                               struct tg_str copy)
{
    bool is_part = part.len && whole.len && part.at >= whole.at
                && part.at + part.len <= whole.at + whole.len;

    return is_part ? (struct tg_str){ copy.at + (part.at - whole.at), part.len }
                   : tg_arena_copy(arena, part);
}

/* The url was read in `whole`; now it is in the copy of it. */
static bool copy_url(struct tg_arena *arena, struct tg_url *url, struct tg_str whole,
                     struct tg_str copy)
{
    struct tg_str *parts[] = { &url->host, &url->path, &url->query };

    for (size_t i = 0; i < sizeof parts / sizeof *parts; i++) {
        *parts[i] = copy_part(arena, *parts[i], whole, copy);
        if (!parts[i]->at)
            return false;
    }
    return true;
}

static bool copy_provider(struct tg_arena *arena, struct tg_provider *to,
                          const struct tg_provider *from, uint32_t index)
{
    struct tg_signer *s = &to->signer;
    struct tg_str *views[] = { &to->slug, &to->name, &to->base_url, &to->key, &to->auth_header,
                               &to->auth_prefix, &to->headers, &to->proxy, &to->region, &to->about,
                               &s->access_key, &s->secret_key, &s->session_token, &s->region,
                               &s->email, &s->private_key, &s->token_url };

    *to = *from;
    to->index = index;
    for (size_t i = 0; i < sizeof views / sizeof *views; i++) {
        *views[i] = tg_arena_copy(arena, *views[i]);
        if (!views[i]->at)
            return false;
    }
    for (size_t i = 0; i < to->wires_count; i++)
        if (tg_wire_copy(&to->wires[i], arena))
            return false;
    return copy_url(arena, &to->url, from->base_url, to->base_url)
        && copy_url(arena, &s->token_at, from->signer.token_url, s->token_url);
}

static bool copy_providers(struct tg_catalog *c, const struct tg_provider *providers, size_t count)
{
    c->providers = tg_arena_get(&c->arena, count * sizeof *c->providers);
    if (!c->providers || tg_index_reserve(&c->tables->providers, count))
        return false;
    for (uint32_t i = 0; i < count; i++) {
        if (!copy_provider(&c->arena, &c->providers[i], &providers[i], i))
            return false;
        if (c->providers[i].slug.len)
            tg_index_put(&c->tables->providers, c->providers[i].slug, i);
    }
    c->providers_count = count;
    return true;
}

struct tg_catalog *tg_catalog_new(const struct tg_provider *providers, size_t count)
{
    assert(count <= TG_CATALOG_PROVIDERS_MAX);

    struct tg_catalog *c = tg_zalloc(sizeof *c);
    if (!c)
        return NULL;
    atomic_init(&c->references, 1);
    tg_arena_init(&c->arena, BLOCK_BYTES);
    c->tables = tg_zalloc(sizeof *c->tables);
    if (!c->tables || !copy_providers(c, providers, count)) {
        tg_catalog_drop(c);
        return NULL;
    }
    return c;
}

void tg_catalog_hold(struct tg_catalog *c)
{
    atomic_fetch_add_explicit(&c->references, 1, memory_order_relaxed);
}

static void free_tables(struct tg_catalog_tables *t)
{
    if (!t)
        return;
    tg_index_done(&t->models);
    tg_index_done(&t->providers);
    tg_bare_done(&t->bare);
    while (t->own) {
        struct own_live *next = t->own->next;
        tg_free(t->own);
        t->own = next;
    }
    tg_free(t);
}

void tg_catalog_drop(struct tg_catalog *c)
{
    if (!c || atomic_fetch_sub_explicit(&c->references, 1, memory_order_acq_rel) != 1)
        return;
    free_tables(c->tables);
    tg_free(c->models);
    tg_arena_done(&c->arena);
    tg_free(c);
}

/* ---- filling ---- */

static tg_err reserve_models(struct tg_catalog *c, size_t more)
{
    struct tg_catalog_tables *t = c->tables;
    size_t cap = t->models_cap ? t->models_cap : 64;

    while (cap < c->models_count + more)
        cap *= 2;
    if (cap > t->models_cap) {
        struct tg_model *models = tg_realloc(c->models, cap * sizeof *models);
        if (!models)
            return TG_ENOMEM;
        c->models = models;
        t->models_cap = cap;
    }
    return tg_index_reserve(&t->models, more);
}

/* There is room: cannot fail. */
static void put_model(struct tg_catalog *c, const struct tg_model *m)
{
    uint32_t at;

    if (!tg_index_find(&c->tables->models, m->id, &at)) {
        at = (uint32_t)c->models_count++;
        tg_index_put(&c->tables->models, m->id, at);
    }
    c->models[at] = *m;
}

static size_t new_ids(const struct tg_catalog *c, const struct tg_catalog_batch *batch)
{
    uint32_t at;
    size_t n = 0;

    for (size_t i = 0; i < batch->count; i++)
        n += !tg_index_find(&c->tables->models, batch->models[i].id, &at);
    return n;
}

static tg_err put_batch(struct tg_catalog *c, const struct tg_catalog_batch *batch,
                        const char *name, struct tg_buf *why)
{
    size_t more = new_ids(c, batch);

    if (c->models_count + more > TG_CATALOG_MODELS_MAX) {
        tg_buf_printf(why, "%s:1: with this file there are more than %d models", name,
                      TG_CATALOG_MODELS_MAX);
        return TG_ETOOBIG;
    }
    tg_err err = reserve_models(c, more);
    for (size_t i = 0; !err && i < batch->count; i++)
        put_model(c, &batch->models[i]);
    return err;
}

tg_err tg_catalog_add(struct tg_catalog *c, struct tg_str text, const char *name,
                      struct tg_buf *why, size_t *skipped)
{
    struct tg_catalog_batch batch = { 0 };

    assert(!c->tables->is_sealed);
    if (text.len > TG_CATALOG_TEXT_MAX) {
        tg_buf_printf(why, "%s:1: the file is larger than %d bytes", name, TG_CATALOG_TEXT_MAX);
        return TG_ETOOBIG;
    }
    text = tg_arena_copy(&c->arena, text);
    if (!text.at)
        return TG_ENOMEM;
    tg_err err = tg_catalog_read(c, text, name, why, &batch);
    if (!err)
        err = put_batch(c, &batch, name, why);
    tg_free(batch.models);
    if (!err && skipped)
        *skipped = batch.skipped;
    return err;
}

/* ---- sealing ---- */

static struct tg_str variant_of(struct tg_str id)
{
    struct tg_str base, variant;

    if (!tg_str_cut(id, ':', &base, &variant))
        return variant;
    return (struct tg_str){ variant.at - 1, variant.len + 1 };
}

/* The canonical slug with the id's variant behind it: of "a/b" and "a/b:free",
 * which have one slug, each has a name of its own. */
static struct tg_str canonical_name(struct tg_arena *arena, const struct tg_model *m)
{
    struct tg_str variant = variant_of(m->id), slug = m->canonical_slug;

    if (!variant.len || variant_of(slug).len)
        return slug;
    char *p = tg_arena_get(arena, slug.len + variant.len);
    if (!p)
        return (struct tg_str){ 0 };
    memcpy(p, slug.at, slug.len);
    memcpy(p + slug.len, variant.at, variant.len);
    return (struct tg_str){ p, slug.len + variant.len };
}

static uint64_t identity_of(const struct tg_endpoint *e)
{
    uint64_t h = tg_hash_join(tg_hash_stable(e->model->id), tg_hash_stable(e->provider->slug));

    h = tg_hash_join(h, tg_hash_stable(e->tag));
    return h ? h : 1;              /* 0 is a free slot's */
}

static void number_endpoints(struct tg_catalog *c, struct tg_model *m)
{
    for (size_t i = 0; i < m->endpoints_count; i++) {
        struct tg_endpoint *e = &m->endpoints[i];
        e->index = (uint32_t)c->endpoints_count++;
        e->model = m;
        e->identity = identity_of(e);
    }
}

tg_err tg_catalog_seal(struct tg_catalog *c)
{
    tg_err err = tg_index_reserve(&c->tables->models, c->models_count);

    if (err)
        return err;
    c->endpoints_count = 0;
    for (uint32_t i = 0; i < c->models_count; i++) {
        struct tg_model *m = &c->models[i];
        m->index = i;
        number_endpoints(c, m);
        if (!m->canonical_slug.len)
            continue;
        struct tg_str name = canonical_name(&c->arena, m);
        if (!name.at)
            return TG_ENOMEM;
        tg_index_put(&c->tables->models, name, i);
    }
    c->tables->is_sealed = true;
    return tg_bare_build(&c->tables->bare, c);
}

static struct tg_live *own_slot(struct tg_catalog *c, uint64_t identity)
{
    struct own_live *own = tg_zalloc(sizeof *own);

    if (!own)
        return NULL;
    own->next = c->tables->own;
    c->tables->own = own;
    atomic_store(&own->live.identity, identity);
    return &own->live;
}

tg_err tg_catalog_join(struct tg_catalog *c, struct tg_live_region *region)
{
    for (size_t i = 0; i < c->models_count; i++)
        for (size_t k = 0; k < c->models[i].endpoints_count; k++) {
            struct tg_endpoint *e = &c->models[i].endpoints[k];
            e->live = region ? tg_live_slot(region, e->identity) : NULL;
            if (!e->live)
                e->live = own_slot(c, e->identity);
            if (!e->live)
                return TG_ENOMEM;
        }
    return TG_OK;
}

/* ---- finding ---- */

const struct tg_model *tg_catalog_find(const struct tg_catalog *c, struct tg_str id)
{
    uint32_t at;

    return tg_index_find(&c->tables->models, id, &at) ? &c->models[at] : NULL;
}

const struct tg_model *tg_catalog_find_bare(const struct tg_catalog *c, struct tg_str name)
{
    return tg_bare_find(&c->tables->bare, c, name);
}

const struct tg_provider *tg_catalog_provider(const struct tg_catalog *c, struct tg_str slug)
{
    uint32_t at;

    return tg_index_find(&c->tables->providers, slug, &at) ? &c->providers[at] : NULL;
}

bool tg_endpoint_matches(const struct tg_endpoint *e, struct tg_str word)
{
    struct tg_str base, rest;

    if (tg_str_ieq(word, e->tag))
        return true;
    if (e->is_tier)
        return false;
    tg_str_cut(e->tag, '/', &base, &rest);
    return tg_str_ieq(word, e->provider->slug) || tg_str_ieq(word, e->provider->name)
        || tg_str_ieq(word, base);
}

/* The first wire spoken to all models of that provider for which this holds. */
static const struct tg_wire *find_wire(const struct tg_provider *p, enum tg_api api,
                                       bool (*holds)(const struct tg_wire *w, enum tg_api api))
{
    for (size_t i = 0; i < p->wires_count; i++)
        if (!p->wires[i].models.len && holds(&p->wires[i], api))
            return &p->wires[i];
    return NULL;
}

const struct tg_wire *tg_endpoint_wire(const struct tg_endpoint *e, enum tg_api api)
{
    const struct tg_wire *found = NULL;

    if (e->wire->models.len || tg_wire_passes(e->wire, api))
        return e->wire;
    found = find_wire(e->provider, api, tg_wire_passes);
    if (!found)
        found = find_wire(e->provider, api, tg_wire_offers);
    return found ? found : e->wire;
}

struct tg_str tg_catalog_near(const struct tg_str *names, size_t count, struct tg_str word)
{
    struct tg_str best = { 0 };
    unsigned edits, least = TG_WORD_NEAR_EDITS + 1;

    for (size_t i = 0; i < count; i++)
        if (tg_word_is_near(names[i], word, &edits) && edits < least) {
            best = names[i];
            least = edits;
        }
    return best;
}

/* How far an id is from one that was asked for; the lower, the likelier it was
 * meant. */
enum { SAME_BUT_CASE, SAME_SLUG, OTHER_VARIANT, MISSPELT, UNLIKE = MISSPELT + TG_WORD_NEAR_EDITS };

static struct tg_str without_variant(struct tg_str id)
{
    struct tg_str base, variant;

    tg_str_cut(id, ':', &base, &variant);
    return base;
}

static unsigned unlikeness(struct tg_str id, struct tg_str asked)
{
    unsigned edits;

    if (tg_str_ieq(id, asked))
        return SAME_BUT_CASE;
    if (tg_str_ieq(tg_bare_of(id), tg_bare_of(asked)))
        return SAME_SLUG;
    if (tg_str_ieq(without_variant(id), without_variant(asked)))
        return OTHER_VARIANT;
    return tg_word_is_near(id, asked, &edits) ? MISSPELT + edits - 1 : UNLIKE;
}

size_t tg_catalog_suggest(const struct tg_catalog *c, struct tg_str id, struct tg_str *out,
                          size_t cap)
{
    unsigned ranks[16];
    size_t n = 0;

    if (cap > sizeof ranks / sizeof *ranks)
        cap = sizeof ranks / sizeof *ranks;
    for (size_t i = 0; i < c->models_count; i++) {
        unsigned rank = unlikeness(c->models[i].id, id);
        size_t at = n;
        while (at > 0 && ranks[at - 1] > rank)
            at--;
        if (rank >= UNLIKE || at >= cap)
            continue;
        n += n < cap;
        for (size_t k = n - 1; k > at; k--) {
            ranks[k] = ranks[k - 1];
            out[k] = out[k - 1];
        }
        ranks[at] = rank;
        out[at] = c->models[i].id;
    }
    return n;
}
