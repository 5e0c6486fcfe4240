/* Any bytes as a catalogue file: it is refused with one line that names the
 * file, or every model in it can be found, its endpoints are whole, and a
 * second time it gives the same. */
#include <stdlib.h>
#include <string.h>

#include "route/catalog.h"

#define MUST(cond) ((cond) ? (void)0 : abort())

static const struct tg_provider providers[] = {
    { .slug = { "openai", 6 } }, { .slug = { "p", 1 }, .zdr = true },
};

static void check_endpoint(const struct tg_model *m, const struct tg_endpoint *e)
{
    struct tg_buf both = { 0 };
    struct tg_json members;

    MUST(e->model == m && e->provider && e->identity && e->tag.len && e->upstream_model.len);
    MUST(e->context_length >= 0 && e->max_completion_tokens >= 0 && e->quantization < TG_QUANTS);
    MUST((e->params & ~TG_PARAM_ALL) == 0);
    MUST(tg_endpoint_matches(e, e->tag));
    tg_buf_z(&both, "{");
    tg_buf_str(&both, e->members);
    tg_buf_z(&both, "}");
    MUST(!tg_json_check(tg_buf_view(&both), TG_JSON_DEPTH_MAX, &members, NULL));
    MUST(tg_json_count(members) == 2);
    tg_buf_done(&both);
    for (size_t i = 0; &m->endpoints[i] != e; i++)
        MUST(!tg_str_ieq(m->endpoints[i].tag, e->tag));
}

static void check_model(const struct tg_catalog *c, const struct tg_model *m)
{
    MUST(tg_catalog_find(c, m->id) == m);
    MUST(m->raw.kind == TG_JSON_OBJECT && m->endpoints_count <= TG_CATALOG_ENDPOINTS_MAX);
    for (size_t i = 0; i < m->endpoints_count; i++)
        check_endpoint(m, &m->endpoints[i]);
}

static uint64_t load(struct tg_str text)
{
    struct tg_buf why = { 0 };
    struct tg_catalog *c = tg_catalog_new(providers, 2);
    uint64_t identities = 0;

    MUST(c);
    tg_err err = tg_catalog_add(c, text, "c.json", &why, NULL);
    if (err) {
        MUST(tg_str_starts(tg_buf_view(&why), "c.json:"));
        MUST(!memchr(why.at, '\n', why.len) && c->models_count == 0);
    } else {
        MUST(why.len == 0);
        MUST(!tg_catalog_seal(c));
        for (size_t i = 0; i < c->models_count; i++) {
            check_model(c, &c->models[i]);
            for (size_t k = 0; k < c->models[i].endpoints_count; k++)
                identities += c->models[i].endpoints[k].identity;
        }
    }
    tg_catalog_drop(c);
    tg_buf_done(&why);
    return identities;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct tg_str text = { (const char *)data, size };

    MUST(load(text) == load(text));
    return 0;
}
