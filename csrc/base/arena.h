/* arena.h -- memory that is given back all at once.
 *
 * Everything that belongs to one exchange, or to one snapshot of the
 * configuration, comes from one arena and is freed at one place. */
#ifndef TG_ARENA_H
#define TG_ARENA_H

#include <stddef.h>
#include "base/err.h"
#include "base/str.h"

struct tg_arena_block;

struct tg_arena {
    struct tg_arena_block *blocks;    /* newest first */
    size_t block_bytes;               /* size of the next ordinary block */
    size_t used_bytes;                /* handed out so far */
};

/* `block_bytes` is how much is asked of the heap at a time; larger requests
 * get a block of their own. Nothing is allocated yet. */
void tg_arena_init(struct tg_arena *a, size_t block_bytes);
void tg_arena_done(struct tg_arena *a);

/* Forget everything handed out and keep one ordinary block for reuse. */
void tg_arena_reset(struct tg_arena *a);

/* n bytes, aligned for anything; zeroed. NULL when out of memory. They hold
 * until the arena is reset or done. */
void *tg_arena_get(struct tg_arena *a, size_t n);

/* A copy of s in the arena, with a zero behind it that is not counted.
 * `at` is NULL when out of memory. */
struct tg_str tg_arena_copy(struct tg_arena *a, struct tg_str s);

#endif
