/* hash.h -- 64 bits of a byte string, for tables and for stickiness.
 *
 * SipHash-1-3 (Aumasson and Bernstein): with a secret key nobody outside can
 * make keys collide; with key {0, 0} the value is the same in every process
 * and may be stored. */
#ifndef TG_HASH_H
#define TG_HASH_H

#include <stdint.h>
#include "base/str.h"

struct tg_hash_key {
    uint64_t k0, k1;
};

uint64_t tg_hash(struct tg_hash_key key, struct tg_str s);

/* The same with key {0, 0}. */
uint64_t tg_hash_stable(struct tg_str s);

/* Mix a further value into a hash: order matters. */
uint64_t tg_hash_join(uint64_t a, uint64_t b);

#endif
