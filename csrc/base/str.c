#include "base/str.h"

#include <string.h>

bool tg_str_starts(struct tg_str s, const char *z)
{
    size_t n = strlen(z);
    return s.len >= n && memcmp(s.at, z, n) == 0;
}

bool tg_str_ends(struct tg_str s, const char *z)
{
    size_t n = strlen(z);
    return s.len >= n && memcmp(s.at + s.len - n, z, n) == 0;
}

static char lower(char c)
{
    return c >= 'A' && c <= 'Z' ? (char)(c + 32) : c;
}

bool tg_str_ieq(struct tg_str a, struct tg_str b)
{
    if (a.len != b.len)
        return false;
    for (size_t i = 0; i < a.len; i++)
        if (lower(a.at[i]) != lower(b.at[i]))
            return false;
    return true;
}

int tg_str_cmp(struct tg_str a, struct tg_str b)
{
    size_t n = a.len < b.len ? a.len : b.len;
    int c = n ? memcmp(a.at, b.at, n) : 0;
    return c ? c : (a.len > b.len) - (a.len < b.len);
}

bool tg_str_cut(struct tg_str s, char c, struct tg_str *head, struct tg_str *tail)
{
    const char *p = s.len ? memchr(s.at, c, s.len) : NULL;
    if (!p) {
        *head = s;
        *tail = (struct tg_str){ s.len ? s.at + s.len : s.at, 0 };
        return false;
    }
    *head = (struct tg_str){ s.at, (size_t)(p - s.at) };
    *tail = (struct tg_str){ p + 1, s.len - head->len - 1 };
    return true;
}

struct tg_str tg_str_trim(struct tg_str s)
{
    while (s.len && (*s.at == ' ' || *s.at == '\t'))
        s.at++, s.len--;
    while (s.len && (s.at[s.len - 1] == ' ' || s.at[s.len - 1] == '\t'))
        s.len--;
    return s;
}

bool tg_str_u64(struct tg_str s, uint64_t *out)
{
    uint64_t n = 0;

    if (s.len == 0)
        return false;
    for (size_t i = 0; i < s.len; i++) {
        unsigned d = (unsigned)(s.at[i] - '0');
        if (d > 9 || n > (UINT64_MAX - d) / 10)
            return false;
        n = n * 10 + d;
    }
    *out = n;
    return true;
}

bool tg_str_same_secret(struct tg_str a, struct tg_str b)
{
    unsigned char diff = a.len != b.len;

    for (size_t i = 0; i < a.len; i++)
        diff |= (unsigned char)(a.at[i] ^ (b.len ? b.at[i % b.len] : 0));
    return diff == 0;
}
