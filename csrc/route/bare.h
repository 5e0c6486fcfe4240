/* bare.h -- models by the names that makers' own clients have for them: without
 * an author, as "gpt-4o" and "claude-haiku-4-5-20251001".
 *
 * A bare name is a model's id or canonical slug without its author, or the
 * upstream_model of one of its endpoints; with a date behind it that is the
 * canonical slug's, it is the same snapshot of the same model. Names that could
 * mean two models mean none, and a variant (":free") has none of its own. */
#ifndef TG_BARE_H
#define TG_BARE_H

#include "route/catalog.h"
#include "route/index.h"

/* An id without its author; all of it where it has none. */
struct tg_str tg_bare_of(struct tg_str id);

/* All zero is empty. */
struct tg_bare {
    struct tg_index models;        /* their numbers */
    struct tg_index several;       /* names that more than one has */
};

/* Of all models of a catalogue whose names hold as long as this does. */
tg_err tg_bare_build(struct tg_bare *b, const struct tg_catalog *c);
void tg_bare_done(struct tg_bare *b);

/* NULL when nobody, or more than one, is called so. */
const struct tg_model *tg_bare_find(const struct tg_bare *b, const struct tg_catalog *c,
                                    struct tg_str name);

#endif
