#include "base/arena.h"

#include <stdalign.h>
#include <string.h>

#include "base/mem.h"

struct tg_arena_block {
    struct tg_arena_block *older;
    size_t size, used;                /* of `bytes` */
    alignas(max_align_t) char bytes[];
};

void tg_arena_init(struct tg_arena *a, size_t block_bytes)
{
    *a = (struct tg_arena){ .block_bytes = block_bytes };
}

static void free_from(struct tg_arena_block *b)
{
    while (b) {
        struct tg_arena_block *older = b->older;
        tg_free(b);
        b = older;
    }
}

void tg_arena_done(struct tg_arena *a)
{
    free_from(a->blocks);
    a->blocks = NULL;
    a->used_bytes = 0;
}

void tg_arena_reset(struct tg_arena *a)
{
    struct tg_arena_block *keep = NULL, *b = a->blocks;

    while (b) {
        struct tg_arena_block *older = b->older;
        if (!keep && b->size == a->block_bytes)
            keep = b;
        else
            tg_free(b);
        b = older;
    }
    if (keep) {
        keep->older = NULL;
        keep->used = 0;
    }
    a->blocks = keep;
    a->used_bytes = 0;
}

static struct tg_arena_block *add_block(struct tg_arena *a, size_t n)
{
    size_t size = n > a->block_bytes ? n : a->block_bytes;
    if (size > SIZE_MAX - sizeof(struct tg_arena_block))
        return NULL;
    struct tg_arena_block *b = tg_alloc(sizeof *b + size);
    if (!b)
        return NULL;
    b->size = size;
    b->used = 0;
    b->older = a->blocks;
    a->blocks = b;
    return b;
}

void *tg_arena_get(struct tg_arena *a, size_t n)
{
    enum { UNIT = alignof(max_align_t) };

    if (n > SIZE_MAX - UNIT)
        return NULL;
    n = (n + UNIT - 1) / UNIT * UNIT;

    struct tg_arena_block *b = a->blocks;
    if (!b || b->size - b->used < n) {
        b = add_block(a, n);
        if (!b)
            return NULL;
    }
    void *p = b->bytes + b->used;
    b->used += n;
    a->used_bytes += n;
    return memset(p, 0, n);
}

struct tg_str tg_arena_copy(struct tg_arena *a, struct tg_str s)
{
    char *p = tg_arena_get(a, s.len + 1);
    if (!p)
        return (struct tg_str){ 0 };
    if (s.len)
        memcpy(p, s.at, s.len);
    return (struct tg_str){ p, s.len };
}
