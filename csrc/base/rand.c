#include "base/rand.h"

#include <errno.h>
#include <sys/random.h>

void tg_rand_seed(struct tg_rand *r, uint64_t seed)
{
    r->state = seed;
}

uint64_t tg_rand_u64(struct tg_rand *r)
{
    uint64_t z = r->state += 0x9e3779b97f4a7c15u;

    z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9u;
    z = (z ^ z >> 27) * 0x94d049bb133111ebu;
    return z ^ z >> 31;
}

double tg_rand_unit(struct tg_rand *r)
{
    return (double)(tg_rand_u64(r) >> 11) * 0x1p-53;
}

uint32_t tg_rand_below(struct tg_rand *r, uint32_t n)
{
    /* The bias is below n / 2^64. */
    return (uint32_t)((unsigned __int128)tg_rand_u64(r) * n >> 64);
}

tg_err tg_rand_secret(void *bytes, size_t n)
{
    char *p = bytes;

    while (n) {
        ssize_t got = getrandom(p, n, 0);
        if (got < 0 && errno == EINTR)
            continue;
        if (got < 0)
            return TG_ESYSTEM;
        p += got;
        n -= (size_t)got;
    }
    return TG_OK;
}
