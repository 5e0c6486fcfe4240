#include "base/hash.h"

#include <string.h>

static uint64_t rotl(uint64_t x, int b)
{
    return x << b | x >> (64 - b);
}

struct sip {
    uint64_t a, b, c, d;
};

static void sip_round(struct sip *v)
{
    v->a += v->b; v->b = rotl(v->b, 13); v->b ^= v->a; v->a = rotl(v->a, 32);
    v->c += v->d; v->d = rotl(v->d, 16); v->d ^= v->c;
    v->a += v->d; v->d = rotl(v->d, 21); v->d ^= v->a;
    v->c += v->b; v->b = rotl(v->b, 17); v->b ^= v->c; v->c = rotl(v->c, 32);
}

uint64_t tg_hash(struct tg_hash_key key, struct tg_str s)
{
    struct sip v = {
        key.k0 ^ 0x736f6d6570736575u, key.k1 ^ 0x646f72616e646f6du,
        key.k0 ^ 0x6c7967656e657261u, key.k1 ^ 0x7465646279746573u,
    };
    const char *p = s.at;
    size_t left = s.len;
    uint64_t word;

    for (; left >= 8; p += 8, left -= 8) {
        memcpy(&word, p, 8);
        v.d ^= word;
        sip_round(&v);
        v.a ^= word;
    }
    word = 0;
    if (left)
        memcpy(&word, p, left);
    word |= (uint64_t)s.len << 56;
    v.d ^= word;
    sip_round(&v);
    v.a ^= word;

    v.c ^= 0xff;
    sip_round(&v);
    sip_round(&v);
    sip_round(&v);
    return v.a ^ v.b ^ v.c ^ v.d;
}

uint64_t tg_hash_stable(struct tg_str s)
{
    return tg_hash((struct tg_hash_key){ 0, 0 }, s);
}

uint64_t tg_hash_join(uint64_t a, uint64_t b)
{
    uint64_t z = rotl(a, 23) * 0x9e3779b97f4a7c15u ^ b;

    z = (z ^ z >> 32) * 0xd6e8feb86659fd93u;
    return z ^ z >> 32;
}
