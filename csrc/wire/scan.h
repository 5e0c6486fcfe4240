/* scan.h -- find bytes fast: the inner loops of json and sse.
 *
 * Every function looks through [p, end), reads nothing outside it and gives
 * the first byte it looks for, or `end`. SSE2 is what every x86-64 has; AVX2
 * is asked of the processor; elsewhere, and with TG_SCAN_PORTABLE defined,
 * eight bytes at a time are looked at in an ordinary register. All of them
 * give the same answers. For those two and wire/utf8.h, and for nothing else. */
#ifndef TG_SCAN_H
#define TG_SCAN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#if defined(__x86_64__) && !defined(TG_SCAN_PORTABLE)
#define TG_SCAN_X86 1
#include <immintrin.h>
#else
#define TG_SCAN_X86 0
#endif

/* ---- eight bytes in a register ---- */

#define TG_SCAN_ONES  UINT64_C(0x0101010101010101)
#define TG_SCAN_HIGHS UINT64_C(0x8080808080808080)

static inline uint64_t tg_scan_load8(const char *p)
{
    uint64_t x;
    memcpy(&x, p, sizeof x);
    return x;
}

/* Not zero when a byte of x is below n (n <= 128). */
static inline uint64_t tg_scan_below8(uint64_t x, unsigned char n)
{
    return (x - TG_SCAN_ONES * n) & ~x & TG_SCAN_HIGHS;
}

/* Not zero when a byte of x is c. */
static inline uint64_t tg_scan_is8(uint64_t x, char c)
{
    return tg_scan_below8(x ^ TG_SCAN_ONES * (unsigned char)c, 1);
}

/* ---- sixteen with SSE2 ---- */

#if TG_SCAN_X86
static inline __m128i tg_scan_load16(const char *p)
{
    return _mm_loadu_si128((const __m128i *)(const void *)p);
}

static inline __m128i tg_scan_is16(__m128i b, char c)
{
    return _mm_cmpeq_epi8(b, _mm_set1_epi8(c));
}

static inline __m128i tg_scan_control16(__m128i b)
{
    return _mm_cmpeq_epi8(_mm_min_epu8(b, _mm_set1_epi8(0x1f)), b);
}
#endif

/* ---- '\n' or '\r' ---- */

static inline const char *tg_scan_line_end(const char *p, const char *end)
{
#if TG_SCAN_X86
    for (; end - p >= 16; p += 16) {
        __m128i b = tg_scan_load16(p);
        __m128i hits = _mm_or_si128(tg_scan_is16(b, '\n'), tg_scan_is16(b, '\r'));
        unsigned mask = (unsigned)_mm_movemask_epi8(hits);
        if (mask)
            return p + __builtin_ctz(mask);
    }
#else
    for (; end - p >= 8; p += 8) {
        uint64_t x = tg_scan_load8(p);
        if (tg_scan_is8(x, '\n') | tg_scan_is8(x, '\r'))
            break;
    }
#endif
    while (p < end && *p != '\n' && *p != '\r')
        p++;
    return p;
}

/* ---- a quote ---- */

static inline const char *tg_scan_quote(const char *p, const char *end)
{
#if TG_SCAN_X86
    if (end - p >= 16) {       /* most keys and names end here, without a call */
        unsigned mask = (unsigned)_mm_movemask_epi8(tg_scan_is16(tg_scan_load16(p), '"'));
        if (mask)
            return p + __builtin_ctz(mask);
        p += 16;
    }
#endif
    const char *found = p < end ? memchr(p, '"', (size_t)(end - p)) : NULL;
    return found ? found : end;
}

/* ---- what a JSON string must not show as it is: a quote, a backslash or a
 *      control character ---- */

static inline const char *tg_scan_special(const char *p, const char *end)
{
#if TG_SCAN_X86
    for (; end - p >= 16; p += 16) {
        __m128i b = tg_scan_load16(p);
        __m128i quoting = _mm_or_si128(tg_scan_is16(b, '"'), tg_scan_is16(b, '\\'));
        __m128i hits = _mm_or_si128(quoting, tg_scan_control16(b));
        unsigned mask = (unsigned)_mm_movemask_epi8(hits);
        if (mask)
            return p + __builtin_ctz(mask);
    }
#else
    for (; end - p >= 8; p += 8) {
        uint64_t x = tg_scan_load8(p);
        if (tg_scan_is8(x, '"') | tg_scan_is8(x, '\\') | tg_scan_below8(x, 0x20))
            break;
    }
#endif
    while (p < end && *p != '"' && *p != '\\' && (unsigned char)*p >= 0x20)
        p++;
    return p;
}

/* ---- sixty-four as bits ---- */

enum tg_scan_set {
    TG_SCAN_QUOTE,
    TG_SCAN_BACKSLASH,
    TG_SCAN_SPECIAL,           /* quote, backslash or control character */
    TG_SCAN_NRT,               /* n, r or t: with the first two, nearly all that is escaped */
    TG_SCAN_OPEN,              /* { or [ */
    TG_SCAN_CLOSE              /* } or ] */
};

/* A bit for each of the 64 bytes at `block` that is in the set, the lowest for
 * the first. One for each kind of processor; the compiler puts them into the
 * loops below. */
typedef uint64_t tg_scan_mask(const char *block, enum tg_scan_set set);

enum { TG_SCAN_BLOCK = 64 };

/* 0x80 in each byte that is zero, and 0 in the others. */
static inline uint64_t tg_scan_zero8(uint64_t x)
{
    return ~(((x & ~TG_SCAN_HIGHS) + ~TG_SCAN_HIGHS) | x) & TG_SCAN_HIGHS;
}

/* The same where a byte is in the set. */
static inline uint64_t tg_scan_in8(uint64_t x, enum tg_scan_set set)
{
    uint64_t quote = tg_scan_zero8(x ^ TG_SCAN_ONES * '"');
    uint64_t backslash = tg_scan_zero8(x ^ TG_SCAN_ONES * '\\');
    uint64_t folded = x | TG_SCAN_ONES * 0x20;        /* [ and ] become { and } */

    switch (set) {
    case TG_SCAN_QUOTE:     return quote;
    case TG_SCAN_BACKSLASH: return backslash;
    case TG_SCAN_SPECIAL:   return quote | backslash | tg_scan_zero8(x & TG_SCAN_ONES * 0xe0);
    case TG_SCAN_NRT:
        return tg_scan_zero8(x ^ TG_SCAN_ONES * 'n') | tg_scan_zero8(x ^ TG_SCAN_ONES * 'r') |
               tg_scan_zero8(x ^ TG_SCAN_ONES * 't');
    case TG_SCAN_OPEN:      return tg_scan_zero8(folded ^ TG_SCAN_ONES * '{');
    case TG_SCAN_CLOSE:     return tg_scan_zero8(folded ^ TG_SCAN_ONES * '}');
    }
    return 0;
}

static inline uint64_t tg_scan_mask_portable(const char *block, enum tg_scan_set set)
{
    uint64_t mask = 0;

    for (int i = 0; i < TG_SCAN_BLOCK; i += 8) {
        uint64_t hits = tg_scan_in8(tg_scan_load8(block + i), set);
#if __BYTE_ORDER__ == __ORDER_BIG_ENDIAN__
        hits = __builtin_bswap64(hits);
#endif
        mask |= ((hits >> 7) * UINT64_C(0x0102040810204080) >> 56) << i;
    }
    return mask;
}

#if TG_SCAN_X86
static inline __m128i tg_scan_in16(__m128i b, enum tg_scan_set set)
{
    __m128i quoting = _mm_or_si128(tg_scan_is16(b, '"'), tg_scan_is16(b, '\\'));
    __m128i folded = _mm_or_si128(b, _mm_set1_epi8(0x20));

    switch (set) {
    case TG_SCAN_QUOTE:     return tg_scan_is16(b, '"');
    case TG_SCAN_BACKSLASH: return tg_scan_is16(b, '\\');
    case TG_SCAN_SPECIAL:   return _mm_or_si128(quoting, tg_scan_control16(b));
    case TG_SCAN_NRT:
        return _mm_or_si128(_mm_or_si128(tg_scan_is16(b, 'n'), tg_scan_is16(b, 'r')),
                            tg_scan_is16(b, 't'));
    case TG_SCAN_OPEN:      return tg_scan_is16(folded, '{');
    case TG_SCAN_CLOSE:     return tg_scan_is16(folded, '}');
    }
    return b;
}

static inline uint64_t tg_scan_mask_sse2(const char *block, enum tg_scan_set set)
{
    uint64_t mask = 0;

    for (int i = 0; i < TG_SCAN_BLOCK; i += 16) {
        __m128i hits = tg_scan_in16(tg_scan_load16(block + i), set);
        mask |= (uint64_t)_mm_movemask_epi8(hits) << i;
    }
    return mask;
}

__attribute__((target("avx2")))
static inline __m256i tg_scan_is32(__m256i b, char c)
{
    return _mm256_cmpeq_epi8(b, _mm256_set1_epi8(c));
}

__attribute__((target("avx2")))
static inline __m256i tg_scan_in32(__m256i b, enum tg_scan_set set)
{
    __m256i quoting = _mm256_or_si256(tg_scan_is32(b, '"'), tg_scan_is32(b, '\\'));
    __m256i control = _mm256_cmpeq_epi8(_mm256_min_epu8(b, _mm256_set1_epi8(0x1f)), b);
    __m256i folded = _mm256_or_si256(b, _mm256_set1_epi8(0x20));

    switch (set) {
    case TG_SCAN_QUOTE:     return tg_scan_is32(b, '"');
    case TG_SCAN_BACKSLASH: return tg_scan_is32(b, '\\');
    case TG_SCAN_SPECIAL:   return _mm256_or_si256(quoting, control);
    case TG_SCAN_NRT:
        return _mm256_or_si256(_mm256_or_si256(tg_scan_is32(b, 'n'), tg_scan_is32(b, 'r')),
                            tg_scan_is32(b, 't'));
    case TG_SCAN_OPEN:      return tg_scan_is32(folded, '{');
    case TG_SCAN_CLOSE:     return tg_scan_is32(folded, '}');
    }
    return b;
}

__attribute__((target("avx2")))
static inline uint64_t tg_scan_mask_avx2(const char *block, enum tg_scan_set set)
{
    const __m256i *b = (const __m256i *)(const void *)block;
    __m256i low = tg_scan_in32(_mm256_loadu_si256(b), set);
    __m256i high = tg_scan_in32(_mm256_loadu_si256(b + 1), set);

    return (uint64_t)(uint32_t)_mm256_movemask_epi8(high) << 32 |
           (uint32_t)_mm256_movemask_epi8(low);
}
#endif

/* The 64 bytes at p, filled up with spaces in `room` when there are fewer. */
static inline const char *tg_scan_block(const char *p, const char *end, char room[TG_SCAN_BLOCK])
{
    if (end - p >= TG_SCAN_BLOCK)
        return p;
    memset(room, ' ', TG_SCAN_BLOCK);
    memcpy(room, p, (size_t)(end - p));
    return room;
}

/* The characters that stand behind an odd run of backslashes. *carry is 1
 * when the one behind the block does. */
static inline uint64_t tg_scan_escaped(uint64_t backslash, uint64_t *carry)
{
    const uint64_t even = UINT64_C(0x5555555555555555);
    uint64_t run = backslash & ~*carry, behind = run << 1 | *carry, sum;

    /* Adding its first bit to a run moves a bit to where the run ends: to a
     * place of the other parity when the run is odd. */
    uint64_t odd_starts = run & ~even & ~behind;
    *carry = __builtin_add_overflow(odd_starts, run, &sum);
    return (even ^ sum << 1) & behind;
}

/* Does p stand behind an odd run of backslashes, not looking before `from`? */
static inline bool tg_scan_is_escaped(const char *p, const char *from)
{
    const char *run = p;

    while (run > from && run[-1] == '\\')
        run--;
    return (p - run) % 2;
}

/* Each bit becomes the sum modulo 2 of itself and all lower ones. */
static inline uint64_t tg_scan_prefix_xor(uint64_t x)
{
    x ^= x << 1;
    x ^= x << 2;
    x ^= x << 4;
    x ^= x << 8;
    x ^= x << 16;
    return x ^ x << 32;
}

/* ---- a JSON string, checked but for its UTF-8 ---- */

enum { TG_SCAN_NAMED = 1, TG_SCAN_HEX = 2 };

/* May stand behind a backslash, is a hexadecimal digit, or both. */
static const unsigned char tg_scan_class[256] = {
    ['"'] = TG_SCAN_NAMED, ['\\'] = TG_SCAN_NAMED, ['/'] = TG_SCAN_NAMED, ['n'] = TG_SCAN_NAMED,
    ['r'] = TG_SCAN_NAMED, ['t'] = TG_SCAN_NAMED, ['0' ... '9'] = TG_SCAN_HEX,
    ['A' ... 'F'] = TG_SCAN_HEX, ['a'] = TG_SCAN_HEX, ['b'] = TG_SCAN_NAMED | TG_SCAN_HEX,
    ['c' ... 'e'] = TG_SCAN_HEX, ['f'] = TG_SCAN_NAMED | TG_SCAN_HEX,
};

/* The first of the four bytes at p that is no hexadecimal digit; NULL when
 * all are. */
static inline const char *tg_scan_bad_hex(const char *p, const char *end)
{
    const unsigned char *of = tg_scan_class, *at = (const unsigned char *)p;

    if (end - p >= 4 && of[at[0]] & of[at[1]] & of[at[2]] & of[at[3]] & TG_SCAN_HEX)
        return NULL;
    while (p < end && of[(unsigned char)*p] & TG_SCAN_HEX)
        p++;
    return p;
}

/* The first wrong byte of the escapes whose second characters are marked;
 * NULL when they are good. */
static inline const char *tg_scan_bad_escape(const char *block, uint64_t escaped, const char *end)
{
    for (; escaped; escaped &= escaped - 1) {
        const char *p = block + __builtin_ctzll(escaped);
        if (p >= end)
            return end;
        if (tg_scan_class[(unsigned char)*p] & TG_SCAN_NAMED)
            continue;
        const char *bad = *p == 'u' ? tg_scan_bad_hex(p + 1, end) : p;
        if (bad)
            return bad;
    }
    return NULL;
}

__attribute__((always_inline))
static inline const char *tg_scan_string_by(tg_scan_mask *mask, const char *p, const char *end,
                                            bool *is_closed)
{
    uint64_t carry = 0;
    char room[TG_SCAN_BLOCK];

    for (; p < end; p += TG_SCAN_BLOCK) {
        const char *block = tg_scan_block(p, end, room);
        uint64_t special = mask(block, TG_SCAN_SPECIAL);
        if (!(special | carry))
            continue;
        uint64_t backslash = mask(block, TG_SCAN_BACKSLASH), quote = mask(block, TG_SCAN_QUOTE);
        uint64_t escaped = tg_scan_escaped(backslash, &carry);
        uint64_t stop = special & ~backslash & ~(escaped & quote);
        escaped &= (stop & -stop) - 1;     /* those before the stop; all without one */
        escaped &= ~(quote | backslash | mask(block, TG_SCAN_NRT));
        const char *bad = escaped ? tg_scan_bad_escape(p, escaped, end) : NULL;
        if (bad)
            return bad;
        if (stop) {
            p += __builtin_ctzll(stop);
            *is_closed = *p == '"';
            return p;
        }
    }
    return end;
}

#if TG_SCAN_X86
__attribute__((target("avx2")))
static inline const char *tg_scan_string_avx2(const char *p, const char *end, bool *is_closed)
{
    return tg_scan_string_by(tg_scan_mask_avx2, p, end, is_closed);
}
#endif

static const char *tg_scan_long_string(const char *p, const char *end, bool *is_closed)
{
#if TG_SCAN_X86
    if (__builtin_cpu_supports("avx2"))
        return tg_scan_string_avx2(p, end, is_closed);
    return tg_scan_string_by(tg_scan_mask_sse2, p, end, is_closed);
#else
    return tg_scan_string_by(tg_scan_mask_portable, p, end, is_closed);
#endif
}

/* From behind the opening quote to the closing one, *is_closed true; or, with
 * *is_closed left alone, to the first byte that may not stand where it does,
 * or `end`. */
__attribute__((always_inline))
static inline const char *tg_scan_string(const char *p, const char *end, bool *is_closed)
{
#if TG_SCAN_X86
    if (end - p >= 16) {       /* most keys and names end here, without a call */
        __m128i b = tg_scan_load16(p);
        unsigned special = (unsigned)_mm_movemask_epi8(tg_scan_in16(b, TG_SCAN_SPECIAL));
        const char *first = p + (special ? __builtin_ctz(special) : 0);
        if (*first == '"') {
            *is_closed = true;
            return first;
        }
    }
#else
    const char *stop = end - p < 16 ? end : p + 16, *first = p;
    while (first < stop && *first != '\\' && *first != '"' && (unsigned char)*first >= 0x20)
        first++;
    if (first < stop && *first == '"') {
        *is_closed = true;
        return first;
    }
#endif
    bool closed = false;       /* of its own, so that the caller's stays in a register */
    p = tg_scan_long_string(p, end, &closed);
    *is_closed = closed;
    return p;
}

/* ---- the quote that closes the string whose characters begin at p, or `end` ---- */

__attribute__((always_inline))
static inline const char *tg_scan_close_by(tg_scan_mask *mask, const char *p, const char *end)
{
    uint64_t carry = 0;
    char room[TG_SCAN_BLOCK];

    for (; p < end; p += TG_SCAN_BLOCK) {
        const char *block = tg_scan_block(p, end, room);
        uint64_t quote = mask(block, TG_SCAN_QUOTE), backslash = mask(block, TG_SCAN_BACKSLASH);
        if (backslash | carry)
            quote &= ~tg_scan_escaped(backslash, &carry);
        if (quote)
            return p + __builtin_ctzll(quote);
    }
    return end;
}

#if TG_SCAN_X86
__attribute__((target("avx2")))
static inline const char *tg_scan_close_avx2(const char *p, const char *end)
{
    return tg_scan_close_by(tg_scan_mask_avx2, p, end);
}
#endif

static inline const char *tg_scan_close(const char *p, const char *end)
{
#if TG_SCAN_X86
    if (__builtin_cpu_supports("avx2"))
        return tg_scan_close_avx2(p, end);
    return tg_scan_close_by(tg_scan_mask_sse2, p, end);
#else
    return tg_scan_close_by(tg_scan_mask_portable, p, end);
#endif
}

/* ---- behind the container that opens at p; `end` when it does not close ---- */

/* Where the last of `depth` open containers closes; NULL when it does not. */
static inline const char *tg_scan_closing(const char *block, uint64_t open, uint64_t close,
                                          uint64_t depth)
{
    for (uint64_t closed = 1; close; close &= close - 1, closed++) {
        uint64_t before = (close & -close) - 1;
        if (depth + (uint64_t)__builtin_popcountll(open & before) == closed)
            return block + __builtin_ctzll(close);
    }
    return NULL;
}

__attribute__((always_inline))
static inline const char *tg_scan_container_by(tg_scan_mask *mask, const char *p, const char *end)
{
    uint64_t in_string = 0, depth = 1;
    char room[TG_SCAN_BLOCK];

    for (const char *from = p++; p < end; p += TG_SCAN_BLOCK) {
        const char *block = tg_scan_block(p, end, room);
        uint64_t quote = mask(block, TG_SCAN_QUOTE);
        if (in_string && !quote)           /* most of a long text */
            continue;
        uint64_t carry = tg_scan_is_escaped(p, from);
        quote &= ~tg_scan_escaped(mask(block, TG_SCAN_BACKSLASH), &carry);
        uint64_t inside = tg_scan_prefix_xor(quote) ^ in_string;
        in_string = inside >> 63 ? UINT64_MAX : 0;
        uint64_t open = mask(block, TG_SCAN_OPEN) & ~inside;
        uint64_t close = mask(block, TG_SCAN_CLOSE) & ~inside;
        if ((uint64_t)__builtin_popcountll(close) >= depth) {
            const char *closing = tg_scan_closing(p, open, close, depth);
            if (closing)
                return closing + 1;
        }
        depth += (uint64_t)__builtin_popcountll(open) - (uint64_t)__builtin_popcountll(close);
    }
    return end;
}

#if TG_SCAN_X86
__attribute__((target("avx2,popcnt")))
static inline const char *tg_scan_container_avx2(const char *p, const char *end)
{
    return tg_scan_container_by(tg_scan_mask_avx2, p, end);
}
#endif

static inline const char *tg_scan_container(const char *p, const char *end)
{
#if TG_SCAN_X86
    if (__builtin_cpu_supports("avx2"))
        return tg_scan_container_avx2(p, end);
    return tg_scan_container_by(tg_scan_mask_sse2, p, end);
#else
    return tg_scan_container_by(tg_scan_mask_portable, p, end);
#endif
}

#endif
