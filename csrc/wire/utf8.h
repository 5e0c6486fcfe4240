/* utf8.h -- find the first byte that is not UTF-8 (RFC 3629).
 *
 * What is found is where the ill-formed sequence begins, or `end`. ASCII is
 * passed over at the speed of memory; AVX2, where the processor has it, looks
 * at 32 bytes of anything else at a time. */
#ifndef TG_UTF8_H
#define TG_UTF8_H

#include "wire/scan.h"

/* How many bytes the character at p has. When it is ill-formed, *good is set
 * to false and the answer is the length of the part that could have begun a
 * character, at least 1: what one U+FFFD stands for. */
static inline size_t tg_utf8_take(const char *p, const char *end, bool *good)
{
    unsigned char lead = (unsigned char)p[0], low = 0x80, high = 0xbf;
    size_t n = 0;

    if (lead < 0x80) {
        n = 1;
    } else if (lead >= 0xc2 && lead <= 0xdf) {
        n = 2;
    } else if (lead >= 0xe0 && lead <= 0xef) {
        n = 3;
        low = lead == 0xe0 ? 0xa0 : low;          /* shorter forms exist below */
        high = lead == 0xed ? 0x9f : high;        /* surrogates lie above */
    } else if (lead >= 0xf0 && lead <= 0xf4) {
        n = 4;
        low = lead == 0xf0 ? 0x90 : low;
        high = lead == 0xf4 ? 0x8f : high;        /* U+10FFFF is the last */
    }
    for (size_t i = 1; i < n; i++, low = 0x80, high = 0xbf) {
        unsigned char c = i < (size_t)(end - p) ? (unsigned char)p[i] : 0;
        if (c < low || c > high) {
            *good = false;
            return i;
        }
    }
    *good = *good && n;
    return n ? n : 1;
}

static inline const char *tg_utf8_bad_portable(const char *p, const char *end)
{
    bool good = true;

    while (p < end) {
        if (end - p >= 8 && !(tg_scan_load8(p) & TG_SCAN_HIGHS)) {
            p += 8;
            continue;
        }
        size_t n = tg_utf8_take(p, end, &good);
        if (!good)
            return p;
        p += n;
    }
    return end;
}

#if TG_SCAN_X86
/* Where the character that reaches over p begins, or p: everything before p
 * is well-formed but for that character. */
static inline const char *tg_utf8_boundary(const char *start, const char *p)
{
    for (int back = 1; back <= 3 && back <= p - start; back++) {
        unsigned char c = (unsigned char)p[-back];
        if (c >= 0xc0)
            return p - back;
        if (c < 0x80)
            return p;
    }
    return p;
}

/* The table for each of two neighbours' nibbles has a bit for each mistake
 * that this nibble may be part of; a mistake is made where all three agree.
 * After J. Keiser and D. Lemire, "Validating UTF-8 In Less Than One
 * Instruction Per Byte", 2021. */
enum {
    TG_UTF8_TOO_SHORT   = 1 << 0,      /* lead, then lead or ASCII */
    TG_UTF8_TOO_LONG    = 1 << 1,      /* ASCII, then continuation */
    TG_UTF8_OVERLONG_3  = 1 << 2,
    TG_UTF8_TOO_LARGE   = 1 << 3,
    TG_UTF8_SURROGATE   = 1 << 4,
    TG_UTF8_OVERLONG_2  = 1 << 5,
    TG_UTF8_LARGE_1000  = 1 << 6,      /* f5..ff, or f4 90; also overlong 4 */
    TG_UTF8_OVERLONG_4  = 1 << 6,
    TG_UTF8_TWO_CONTS   = 1 << 7,      /* good only as 3rd or 4th byte */
    TG_UTF8_CARRY       = TG_UTF8_TOO_SHORT | TG_UTF8_TOO_LONG | TG_UTF8_TWO_CONTS
};

#define TG_UTF8_TABLE(a, b, c, d, e, f, g, h, i, j, k, l, m, n, o, p)                     \
    _mm256_setr_epi8((char)(a), (char)(b), (char)(c), (char)(d), (char)(e), (char)(f),    \
                     (char)(g), (char)(h), (char)(i), (char)(j), (char)(k), (char)(l),    \
                     (char)(m), (char)(n), (char)(o), (char)(p), (char)(a), (char)(b),    \
                     (char)(c), (char)(d), (char)(e), (char)(f), (char)(g), (char)(h),    \
                     (char)(i), (char)(j), (char)(k), (char)(l), (char)(m), (char)(n),    \
                     (char)(o), (char)(p))

/* The bytes of `now` moved up by n, filled from the end of `before`. */
#define TG_UTF8_PREVIOUS(before, now, n) \
    _mm256_alignr_epi8(now, _mm256_permute2x128_si256(before, now, 0x21), 16 - (n))

__attribute__((target("avx2")))
static inline __m256i tg_utf8_high_nibbles(__m256i b)
{
    return _mm256_and_si256(_mm256_srli_epi16(b, 4), _mm256_set1_epi8(0x0f));
}

/* Not zero in each byte where a mistake shows, given the 32 bytes before. */
__attribute__((target("avx2")))
static inline __m256i tg_utf8_mistakes(__m256i before, __m256i now)
{
    const __m256i lead_high = TG_UTF8_TABLE(
        TG_UTF8_TOO_LONG, TG_UTF8_TOO_LONG, TG_UTF8_TOO_LONG, TG_UTF8_TOO_LONG,
        TG_UTF8_TOO_LONG, TG_UTF8_TOO_LONG, TG_UTF8_TOO_LONG, TG_UTF8_TOO_LONG,
        TG_UTF8_TWO_CONTS, TG_UTF8_TWO_CONTS, TG_UTF8_TWO_CONTS, TG_UTF8_TWO_CONTS,
        TG_UTF8_TOO_SHORT | TG_UTF8_OVERLONG_2,
        TG_UTF8_TOO_SHORT,
        TG_UTF8_TOO_SHORT | TG_UTF8_OVERLONG_3 | TG_UTF8_SURROGATE,
        TG_UTF8_TOO_SHORT | TG_UTF8_TOO_LARGE | TG_UTF8_LARGE_1000 | TG_UTF8_OVERLONG_4);
    const int large = TG_UTF8_CARRY | TG_UTF8_TOO_LARGE | TG_UTF8_LARGE_1000;
    const __m256i lead_low = TG_UTF8_TABLE(
        TG_UTF8_CARRY | TG_UTF8_OVERLONG_3 | TG_UTF8_OVERLONG_2 | TG_UTF8_OVERLONG_4,
        TG_UTF8_CARRY | TG_UTF8_OVERLONG_2,
        TG_UTF8_CARRY, TG_UTF8_CARRY,
        TG_UTF8_CARRY | TG_UTF8_TOO_LARGE,
        large, large, large, large, large, large, large, large,
        large | TG_UTF8_SURROGATE,
        large, large);
    const int cont = TG_UTF8_TOO_LONG | TG_UTF8_OVERLONG_2 | TG_UTF8_TWO_CONTS;
    const __m256i next_high = TG_UTF8_TABLE(
        TG_UTF8_TOO_SHORT, TG_UTF8_TOO_SHORT, TG_UTF8_TOO_SHORT, TG_UTF8_TOO_SHORT,
        TG_UTF8_TOO_SHORT, TG_UTF8_TOO_SHORT, TG_UTF8_TOO_SHORT, TG_UTF8_TOO_SHORT,
        cont | TG_UTF8_OVERLONG_3 | TG_UTF8_LARGE_1000 | TG_UTF8_OVERLONG_4,
        cont | TG_UTF8_OVERLONG_3 | TG_UTF8_TOO_LARGE,
        cont | TG_UTF8_SURROGATE | TG_UTF8_TOO_LARGE,
        cont | TG_UTF8_SURROGATE | TG_UTF8_TOO_LARGE,
        TG_UTF8_TOO_SHORT, TG_UTF8_TOO_SHORT, TG_UTF8_TOO_SHORT, TG_UTF8_TOO_SHORT);

    __m256i lead = TG_UTF8_PREVIOUS(before, now, 1);
    __m256i pairs = _mm256_and_si256(
        _mm256_and_si256(
            _mm256_shuffle_epi8(lead_high, tg_utf8_high_nibbles(lead)),
            _mm256_shuffle_epi8(lead_low, _mm256_and_si256(lead, _mm256_set1_epi8(0x0f)))),
        _mm256_shuffle_epi8(next_high, tg_utf8_high_nibbles(now)));

    /* A third or fourth byte must be a continuation, and only they may be the
     * second of two. */
    __m256i third = _mm256_subs_epu8(TG_UTF8_PREVIOUS(before, now, 2),
                                     _mm256_set1_epi8((char)(0xe0 - 0x80)));
    __m256i fourth = _mm256_subs_epu8(TG_UTF8_PREVIOUS(before, now, 3),
                                      _mm256_set1_epi8((char)(0xf0 - 0x80)));
    __m256i must = _mm256_and_si256(_mm256_or_si256(third, fourth),
                                    _mm256_set1_epi8((char)0x80));
    return _mm256_xor_si256(pairs, must);
}

/* The 64 bytes at p and the 32 before them. */
__attribute__((target("avx2")))
static inline bool tg_utf8_is_ascii64(__m256i before, const char *p)
{
    const __m256i *b = (const __m256i *)(const void *)p;
    __m256i all = _mm256_or_si256(_mm256_loadu_si256(b), _mm256_loadu_si256(b + 1));

    return !_mm256_movemask_epi8(_mm256_or_si256(before, all));
}

__attribute__((target("avx2")))
static inline const char *tg_utf8_bad_avx2(const char *p, const char *end)
{
    const char *start = p;
    __m256i before = _mm256_setzero_si256();

    for (; end - p >= 32; p += 32) {
        /* ASCII behind ASCII, the most of what there is, twice as fast. */
        while (end - p >= 64 && tg_utf8_is_ascii64(before, p))
            p += 64;
        if (end - p < 32)
            break;
        __m256i now = _mm256_loadu_si256((const __m256i *)(const void *)p);
        /* ASCII behind ASCII needs no tables. */
        if (_mm256_movemask_epi8(_mm256_or_si256(before, now))) {
            __m256i mistakes = tg_utf8_mistakes(before, now);
            if (!_mm256_testz_si256(mistakes, mistakes))
                break;
        }
        before = now;
    }
    return tg_utf8_bad_portable(tg_utf8_boundary(start, p), end);
}
#endif

static inline const char *tg_utf8_bad(const char *p, const char *end)
{
#if TG_SCAN_X86
    if (__builtin_cpu_supports("avx2"))
        return tg_utf8_bad_avx2(p, end);
#endif
    return tg_utf8_bad_portable(p, end);
}

#endif
