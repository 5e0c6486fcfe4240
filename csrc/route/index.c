#include "route/index.h"

#include <assert.h>

#include "base/hash.h"
#include "base/mem.h"

enum { SMALLEST = 64 };

void tg_index_done(struct tg_index *x)
{
    tg_free(x->slots);
    *x = (struct tg_index){ 0 };
}

/* Where the name is, or where it would go. */
static struct tg_index_slot *slot_of(const struct tg_index *x, struct tg_str name)
{
    size_t at = tg_hash_stable(name) & (x->size - 1);

    while (x->slots[at].name.at && !tg_str_eq(x->slots[at].name, name))
        at = (at + 1) & (x->size - 1);
    return &x->slots[at];
}

tg_err tg_index_reserve(struct tg_index *x, size_t more)
{
    struct tg_index larger = { .size = x->size ? x->size : SMALLEST, .taken = x->taken };

    while (larger.size / 2 < x->taken + more)
        larger.size *= 2;
    if (larger.size == x->size)
        return TG_OK;
    larger.slots = tg_zalloc(larger.size * sizeof *larger.slots);
    if (!larger.slots)
        return TG_ENOMEM;
    for (size_t i = 0; i < x->size; i++)
        if (x->slots[i].name.at)
            *slot_of(&larger, x->slots[i].name) = x->slots[i];
    tg_free(x->slots);
    *x = larger;
    return TG_OK;
}

bool tg_index_put(struct tg_index *x, struct tg_str name, uint32_t number)
{
    assert(x->taken < x->size / 2);

    struct tg_index_slot *slot = slot_of(x, name);
    if (slot->name.at)
        return false;
    *slot = (struct tg_index_slot){ name, number };
    x->taken++;
    return true;
}

bool tg_index_find(const struct tg_index *x, struct tg_str name, uint32_t *number)
{
    if (!x->size)
        return false;
    const struct tg_index_slot *slot = slot_of(x, name);
    if (!slot->name.at)
        return false;
    *number = slot->number;
    return true;
}
