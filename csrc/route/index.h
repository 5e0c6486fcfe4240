/* index.h -- which number belongs to a name: open addressing, views as keys.
 *
 * All zero is an empty index that owns nothing. The names' bytes belong to
 * somebody else and must outlive it. */
#ifndef TG_INDEX_H
#define TG_INDEX_H

#include <stdbool.h>
#include <stdint.h>
#include "base/err.h"
#include "base/str.h"

struct tg_index_slot {
    struct tg_str name;            /* at NULL: free */
    uint32_t      number;
};

struct tg_index {
    struct tg_index_slot *slots;
    size_t                size;    /* a power of two, at most half of it taken */
    size_t                taken;
};

void tg_index_done(struct tg_index *x);

/* Room for so many more names: that many tg_index_put() cannot fail then. */
tg_err tg_index_reserve(struct tg_index *x, size_t more);

/* Enter a name for which there is room. False, and nothing is changed, when
 * it is there already. The name is not empty. */
bool tg_index_put(struct tg_index *x, struct tg_str name, uint32_t number);

bool tg_index_find(const struct tg_index *x, struct tg_str name, uint32_t *number);

#endif
