#include "route/bare.h"

#include <string.h>

enum { DATE_DIGITS = 8 };                  /* 20251001, 2025-10-01 */

struct tg_str tg_bare_of(struct tg_str id)
{
    struct tg_str author, slug;

    return tg_str_cut(id, '/', &author, &slug) ? slug : id;
}

static void put(struct tg_bare *b, struct tg_str name, uint32_t model)
{
    uint32_t other;

    if (!name.len || memchr(name.at, '/', name.len) || tg_index_put(&b->models, name, model))
        return;
    if (tg_index_find(&b->models, name, &other) && other != model)
        tg_index_put(&b->several, name, 0);
}

static void put_model(struct tg_bare *b, const struct tg_model *m)
{
    if (memchr(m->id.at, ':', m->id.len))
        return;
    put(b, tg_bare_of(m->id), m->index);
    put(b, tg_bare_of(m->canonical_slug), m->index);
    for (size_t i = 0; i < m->endpoints_count; i++)
        put(b, m->endpoints[i].upstream_model, m->index);
}

tg_err tg_bare_build(struct tg_bare *b, const struct tg_catalog *c)
{
    size_t names = c->endpoints_count + 2 * c->models_count;
    tg_err err = tg_index_reserve(&b->models, names);

    if (!err)
        err = tg_index_reserve(&b->several, names);
    for (size_t i = 0; !err && i < c->models_count; i++)
        put_model(b, &c->models[i]);
    return err;
}

void tg_bare_done(struct tg_bare *b)
{
    tg_index_done(&b->models);
    tg_index_done(&b->several);
}

static const struct tg_model *find(const struct tg_bare *b, const struct tg_catalog *c,
                                   struct tg_str name)
{
    uint32_t at;

    if (!tg_index_find(&b->models, name, &at) || tg_index_find(&b->several, name, &(uint32_t){ 0 }))
        return NULL;
    return &c->models[at];
}

/* The last DATE_DIGITS digits, whatever dashes stand between them, and how many
 * bytes they and the dash before them are; 0 when there is no date. */
static size_t read_date(struct tg_str name, char digits[DATE_DIGITS])
{
    size_t left = DATE_DIGITS, at = name.len;

    while (at && left) {
        char c = name.at[--at];
        if (c >= '0' && c <= '9')
            digits[--left] = c;
        else if (c != '-' || (left != 6 && left != 4) || name.at[at + 1] == '-')
            return 0;
    }
    if (left || !at || name.at[at - 1] != '-' || digits[0] != '2' || digits[1] != '0')
        return 0;
    return name.len - at + 1;
}

const struct tg_model *tg_bare_find(const struct tg_bare *b, const struct tg_catalog *c,
                                    struct tg_str name)
{
    char asked[DATE_DIGITS], has[DATE_DIGITS];
    const struct tg_model *m = find(b, c, name);
    size_t tail;

    if (m || !(tail = read_date(name, asked)))
        return m;
    m = find(b, c, (struct tg_str){ name.at, name.len - tail });
    return m && read_date(m->canonical_slug, has) && !memcmp(asked, has, DATE_DIGITS) ? m : NULL;
}
