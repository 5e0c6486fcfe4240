/* vary.h -- texts that are never the same twice.
 *
 * Each run of ten zeros becomes ten letters of chance. A program that has strings
 * only once, as Lua does, or remembers a text would know one that is repeated. */
#include <stddef.h>
#include <stdint.h>
#include <string.h>

enum { VARY_LETTERS = 10, VARY_RUNS = 256 };

struct vary {
    char *runs[VARY_RUNS];
    int count;
};

static void vary_find(struct vary *v, char *text, size_t len)
{
    char *end = text + len;

    v->count = 0;
    while (v->count < VARY_RUNS && (text = memmem(text, (size_t)(end - text), "0000000000", VARY_LETTERS))) {
        v->runs[v->count++] = text;
        text += VARY_LETTERS;
    }
}

static void vary(const struct vary *v)
{
    static uint64_t x = 88172645463325252u;        /* Marsaglia's xorshift */

    for (int i = 0; i < v->count; i++) {
        x ^= x << 13;
        x ^= x >> 7;
        x ^= x << 17;
        for (int at = 0; at < VARY_LETTERS; at++)
            v->runs[i][at] = (char)('a' + (x >> (4 * at) & 15));
    }
}
