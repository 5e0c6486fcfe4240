/* rand.h -- reproducible random numbers: the same seed, the same sequence.
 * Not for secrets; those come from tg_rand_secret(). */
#ifndef TG_RAND_H
#define TG_RAND_H

#include <stddef.h>
#include <stdint.h>
#include "base/err.h"

struct tg_rand {
    uint64_t state;
};

void tg_rand_seed(struct tg_rand *r, uint64_t seed);

/* All 64 bits (splitmix64, Steele, Lea and Flood 2014). */
uint64_t tg_rand_u64(struct tg_rand *r);

/* Evenly from [0, 1). */
double tg_rand_unit(struct tg_rand *r);

/* Evenly from 0 .. n-1; n > 0. */
uint32_t tg_rand_below(struct tg_rand *r, uint32_t n);

/* n bytes nobody can guess, from the kernel. */
tg_err tg_rand_secret(void *bytes, size_t n);

#endif
