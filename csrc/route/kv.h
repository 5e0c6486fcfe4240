/* kv.h -- what policies remember: a small table in shared memory.
 *
 * Keys are strings; a value is a number or a string, and may have an end. All
 * engines, threads and processes that map the region see the same table. It is
 * a cache and not a database: it is as large as it is made, and the oldest
 * entry of a full bucket makes room.
 *
 * Any process may be killed at any instruction: the entry it was writing then
 * has its old value, and nobody waits for the dead. Time is an argument
 * (monotonic ms, the same for all processes of a machine).
 *
 *     err = tg_kv_add(kv, TG_STR("spent:alice"), 0.02, DAY_MS, now_ms, &sum);
 */
#ifndef TG_KV_H
#define TG_KV_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "base/err.h"
#include "base/str.h"

enum {
    TG_KV_KEY_MAX = 128,               /* bytes */
    TG_KV_TEXT_MAX = 256,              /* bytes of a string value */
    TG_KV_ENTRIES_MAX = 1 << 20,
    TG_KV_WAYS = 7                     /* entries of a bucket */
};

/* How long an entry lives that is given no end. */
#define TG_KV_FOREVER UINT64_MAX

struct tg_kv;                          /* laid out in kv.c */

struct tg_kv_value {
    bool     is_text;
    double   number;
    size_t   len;                      /* of text */
    char     text[TG_KV_TEXT_MAX];     /* not terminated */
};

/* Bytes of a region with room for at least so many entries (at most
 * TG_KV_ENTRIES_MAX); about 1 KiB each, real only where touched. */
size_t tg_kv_bytes(size_t entries);

/* Lay out a region in zeroed memory of that size, or find the one that is
 * there: TG_EINVAL when that is of another version or size, or the memory is
 * not aligned to 64 bytes. The seed, never 0, decides which keys share a
 * bucket; whoever comes first sets it, and nobody outside should know it. */
tg_err tg_kv_attach(void *memory, size_t bytes, size_t entries, uint64_t seed,
                    struct tg_kv **out);

/* All of these: TG_ETOOBIG when key or text are longer than their limits,
 * TG_EINVAL when the key is empty, TG_AGAIN when others changed the bucket
 * thousands of times meanwhile; then nothing was done. */

/* TG_ENOTFOUND when there is none, or it is over. */
tg_err tg_kv_get(struct tg_kv *kv, struct tg_str key, uint64_t now_ms, struct tg_kv_value *out);

/* Put a value in place of what was there; it ends `ttl_ms` from now. TG_EINVAL
 * for a number that is not finite. */
tg_err tg_kv_set(struct tg_kv *kv, struct tg_str key, double number, uint64_t ttl_ms,
                 uint64_t now_ms);
tg_err tg_kv_set_text(struct tg_kv *kv, struct tg_str key, struct tg_str text, uint64_t ttl_ms,
                      uint64_t now_ms);

/* Add to a number, in one step for everybody, and tell the sum. What is not
 * there is 0 and ends `ttl_ms` from now; what is there keeps its end, so that a
 * counter is over when its day is. TG_EINVAL when the value is a string or the
 * sum would not be finite. */
tg_err tg_kv_add(struct tg_kv *kv, struct tg_str key, double n, uint64_t ttl_ms, uint64_t now_ms,
                 double *sum);

/* TG_ENOTFOUND when there is none, or it is over. */
tg_err tg_kv_delete(struct tg_kv *kv, struct tg_str key, uint64_t now_ms);

#endif
