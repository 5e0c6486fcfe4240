/* What a model name in a request means. Declared in needs.h. */
#include <string.h>

#include "route/needs.h"
#include "route/refuse.h"
#include "route/word.h"

enum { SUGGESTED_MAX = 5 };

static tg_err refuse_model(struct tg_str asked, const struct tg_catalog *catalog,
                           const struct tg_refusal *no)
{
    tg_err err = tg_refuse(no, "%.*s is not a valid model ID", TG_SHOWN(asked));
    if (err != TG_EINVAL)
        return err;
    no->fault->availability = TG_AVAIL_MODEL_NOT_FOUND;
    no->fault->requested_models[0] = asked;
    tg_catalog_suggest(catalog, asked, no->fault->fallback_models, SUGGESTED_MAX);
    return err;
}

/* ---- "...@policy/name" ---- */

static const char policy_mark[] = "@policy/";

/* Take the policy's name out: "a/b@policy/cheap:nitro" is "a/b:nitro". */
static tg_err take_policy(struct tg_target *t, struct tg_str *name, const struct tg_refusal *no)
{
    enum { MARK = sizeof policy_mark - 1 };
    const char *at = memmem(name->at, name->len, policy_mark, MARK);
    struct tg_str suffixes;

    if (!at)
        return TG_OK;
    struct tg_str rest = { at + MARK, (size_t)(name->at + name->len - at) - MARK };
    bool has_suffixes = tg_str_cut(rest, ':', &t->policy, &suffixes);
    if (!t->policy.len || t->policy.len > TG_NEEDS_POLICY_MAX)
        return tg_refuse(no, "%.*s names no policy", TG_SHOWN(*name));
    name->len = (size_t)(at - name->at);
    if (!has_suffixes)
        return TG_OK;

    size_t more = suffixes.len + 1;
    char *p = tg_arena_get(no->arena, name->len + more);
    if (!p)
        return TG_ENOMEM;
    memcpy(p, name->at, name->len);
    memcpy(p + name->len, suffixes.at - 1, more);
    *name = (struct tg_str){ p, name->len + more };
    return TG_OK;
}

/* ---- routing suffixes ---- */

static bool take_suffix(struct tg_target *t, struct tg_str suffix)
{
    static const struct tg_word suffixes[] = {
        TG_WORD("exacto", TG_SORT_EXACTO),
        TG_WORD("floor", TG_SORT_PRICE),
        TG_WORD("nitro", TG_SORT_THROUGHPUT),
    };
    int sort = tg_word_find(suffixes, TG_WORDS(suffixes), suffix);

    if (sort < 0)
        return false;
    t->sort = (enum tg_sort)sort;          /* the last one wins */
    t->admits_priority |= sort == TG_SORT_THROUGHPUT;
    t->admits_flex |= sort == TG_SORT_PRICE;
    return true;
}

/* What is left of the name without its routing suffixes. */
static tg_err take_suffixes(struct tg_target *t, struct tg_str *name, struct tg_arena *arena)
{
    char *p = tg_arena_get(arena, name->len);
    struct tg_str part, rest;
    size_t length = 0;

    if (!p)
        return TG_ENOMEM;
    bool more = tg_str_cut(*name, ':', &part, &rest);
    memcpy(p, part.at, length = part.len);
    while (more) {
        more = tg_str_cut(rest, ':', &part, &rest);
        if (take_suffix(t, part))
            continue;
        p[length++] = ':';
        memcpy(p + length, part.at, part.len);
        length += part.len;
    }
    *name = (struct tg_str){ p, length };
    return TG_OK;
}

/* ---- the model ---- */

/* "~author/family-latest" has no endpoints of its own. */
static const struct tg_model *find_model(const struct tg_catalog *catalog, struct tg_str name)
{
    const struct tg_model *m = tg_catalog_find(catalog, name), *meant = NULL;

    if (!m)
        m = tg_catalog_find_bare(catalog, name);
    if (m && !m->endpoints_count && m->alias.len)
        meant = tg_catalog_find(catalog, m->alias);
    return meant ? meant : m;
}

tg_err tg_needs_target(struct tg_target *t, struct tg_str asked, const struct tg_catalog *catalog,
                       struct tg_arena *arena, struct tg_fault *fault)
{
    struct tg_refusal no = { fault, arena };
    struct tg_str name = asked;

    *t = (struct tg_target){ .asked = asked };
    if (asked.len > TG_CATALOG_NAME_MAX)
        return refuse_model(asked, catalog, &no);
    if (memmem(asked.at, asked.len, "@preset/", 8))
        return tg_refuse(&no, "%.*s is not available: this gateway has no presets",
                         TG_SHOWN(asked));
    tg_err err = take_policy(t, &name, &no);
    if (err)
        return err;
    t->model = find_model(catalog, name);
    if (t->model)
        return TG_OK;
    err = take_suffixes(t, &name, arena);
    if (err)
        return err;
    t->model = find_model(catalog, name);
    return t->model ? TG_OK : refuse_model(asked, catalog, &no);
}
