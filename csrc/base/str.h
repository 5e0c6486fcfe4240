/* str.h -- a borrowed view of bytes: where they are and how many.
 *
 * Views own nothing and end in nothing: no terminating zero. How long the
 * bytes hold is said by whoever hands the view out. */
#ifndef TG_STR_H
#define TG_STR_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

struct tg_str {
    const char *at;
    size_t      len;
};

#define TG_STR(literal) ((struct tg_str){ (literal), sizeof(literal) - 1 })

/* View of a zero-terminated string; of nothing when z is NULL. */
static inline struct tg_str tg_str_of(const char *z)
{
    return (struct tg_str){ z, z ? strlen(z) : 0 };
}

static inline bool tg_str_eq(struct tg_str a, struct tg_str b)
{
    return a.len == b.len && (a.len == 0 || memcmp(a.at, b.at, a.len) == 0);
}

/* In place, so that a literal's length is known when it is compiled. */
static inline bool tg_str_is(struct tg_str s, const char *z)
{
    return tg_str_eq(s, tg_str_of(z));
}

bool tg_str_starts(struct tg_str s, const char *z);
bool tg_str_ends(struct tg_str s, const char *z);

/* The same without regard to the case of ASCII letters. */
bool tg_str_ieq(struct tg_str a, struct tg_str b);
static inline bool tg_str_iis(struct tg_str s, const char *z)
{
    return tg_str_ieq(s, tg_str_of(z));
}

/* <0, 0, >0 by bytes, shorter first on a tie. */
int tg_str_cmp(struct tg_str a, struct tg_str b);

/* Everything before and after the first `c`. False, with `head` the whole
 * and `tail` empty, when there is none. */
bool tg_str_cut(struct tg_str s, char c, struct tg_str *head, struct tg_str *tail);

/* Without the spaces and tabs at both ends. */
struct tg_str tg_str_trim(struct tg_str s);

/* Decimal digits only, no sign, no overflow; false otherwise. */
bool tg_str_u64(struct tg_str s, uint64_t *out);

/* Equal, in a time that depends on the lengths alone: for secrets. */
bool tg_str_same_secret(struct tg_str a, struct tg_str b);

#endif
