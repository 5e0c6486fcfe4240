/* The fast loops: every way of looking at many bytes gives the same answer. */
#include "check.h"

#include "base/rand.h"
#include "wire/scan.h"
#include "wire/utf8.h"

enum { LONGEST = 400, ROUNDS = 30000 };

/* Random text on the heap, so that a sanitizer sees every byte read outside. */
struct sample {
    char *at;
    size_t len;
};

static struct sample sample_of(struct tg_rand *rand, const char *const *words, uint32_t n)
{
    struct sample s = { .at = malloc(LONGEST) };
    size_t len = tg_rand_below(rand, LONGEST);
    uint32_t kinds = 1 + tg_rand_below(rand, n);      /* few kinds of words: long runs */

    while (s.len < len) {
        const char *word = words[tg_rand_below(rand, kinds)];
        size_t room = len - s.len, add = strlen(word) < room ? strlen(word) : room;
        memcpy(s.at + s.len, word, add);
        s.len += add;
    }
    s.at = realloc(s.at, len ? len : 1);
    return s;
}

#define SAMPLE(words) sample_of(&rand, words, sizeof words / sizeof *words)

TEST("strings end where a look at every byte says")
{
    static const char *const words[] = {
        "plain characters ", "\\n", "\\\"", "\\\\", "\\u00e9", "\xe2\x82\xac", "x", "\"", "\\",
        "\x1f",
    };
    struct tg_rand rand = { 1 };

    for (int round = 0; round < ROUNDS; round++) {
        struct sample s = SAMPLE(words);
        const char *end = s.at + s.len;
        bool closed = false, closed_too = false;
        const char *want = tg_scan_string_by(tg_scan_mask_portable, s.at, end, &closed);
        CHECK(tg_scan_string(s.at, end, &closed_too) == want && closed_too == closed);
#if TG_SCAN_X86
        closed_too = false;
        CHECK(tg_scan_string_by(tg_scan_mask_sse2, s.at, end, &closed_too) == want);
        CHECK(closed_too == closed);
#endif
        free(s.at);
    }
}

static const char *plain_container_end(const char *p, const char *end)
{
    int depth = 0;
    bool in_string = false;

    for (; p < end; p++) {
        if (in_string && *p == '\\' && end - p > 1)
            p++;
        else if (*p == '"')
            in_string = !in_string;
        else if (!in_string && (*p == '{' || *p == '['))
            depth++;
        else if (!in_string && (*p == '}' || *p == ']') && --depth == 0)
            return p + 1;
    }
    return end;
}

TEST("containers close where a look at every byte says")
{
    static const char *const words[] = {
        "plain words ", "{", "]", "\"a]b\"", "\"\\\"}\"", "\"\\\\\"", "[[", "}", ",:1 ",
        "[{\"x\":[]}]",
    };
    struct tg_rand rand = { 2 };

    for (int round = 0; round < ROUNDS; round++) {
        struct sample s = SAMPLE(words);
        char *text = malloc(s.len + 1), *end = text + s.len + 1;
        text[0] = '{';
        memcpy(text + 1, s.at, s.len);
        const char *want = plain_container_end(text, end);
        CHECK(tg_scan_container(text, end) == want);
        CHECK(tg_scan_container_by(tg_scan_mask_portable, text, end) == want);
#if TG_SCAN_X86
        CHECK(tg_scan_container_by(tg_scan_mask_sse2, text, end) == want);
#endif
        free(s.at);
        free(text);
    }
}

TEST("the first byte that is not UTF-8 is found, whatever is before and behind it")
{
    static const char *const words[] = {
        "plain words ", "\xc3\xa9", "\xe2\x82\xac", "\xf0\x9f\x98\x80", "x", "\xed\x9f\xbf",
        "\xee\x80\x80", "\xf4\x8f\xbf\xbf", "\xef\xbf\xbf",
    };
    static const char *const bad[] = {
        "\x80", "\xc0\x80", "\xc1\xbf", "\xe0\x9f\xbf", "\xed\xa0\x80", "\xf0\x8f\xbf\xbf",
        "\xf4\x90\x80\x80", "\xf5\x80\x80\x80", "\xff", "\xc3", "\xe2\x82", "\xf0\x9f\x98",
    };
    struct tg_rand rand = { 3 };

    for (int round = 0; round < ROUNDS; round++) {
        struct sample s = SAMPLE(words);
        const char *end = s.at + s.len, *word = bad[tg_rand_below(&rand, sizeof bad / sizeof *bad)];
        const char *want = tg_utf8_bad_portable(s.at, end);
        CHECK(tg_utf8_bad(s.at, end) == want);
        if (s.len > 8) {
            size_t n = strlen(word);
            memcpy(s.at + tg_rand_below(&rand, (uint32_t)(s.len - n)), word, n);
            want = tg_utf8_bad_portable(s.at, end);
            CHECK(tg_utf8_bad(s.at, end) == want);
        }
        free(s.at);
    }
}

/* Unicode's table 3-7, written out: which two first bytes may begin a
 * character, and how many follow. */
TEST("every pair of bytes begins a character or does not, as the standard's table says")
{
    for (unsigned a = 0; a < 256; a++)
        for (unsigned b = 0; b < 256; b++) {
            char text[100];
            size_t more = a >= 0xf0 ? 2 : a >= 0xe0 ? 1 : 0;
            bool two = (a >= 0xc2 && a <= 0xdf && b >= 0x80 && b <= 0xbf) ||
                       (a == 0xe0 && b >= 0xa0 && b <= 0xbf) ||
                       (a >= 0xe1 && a <= 0xef && a != 0xed && b >= 0x80 && b <= 0xbf) ||
                       (a == 0xed && b >= 0x80 && b <= 0x9f) ||
                       (a == 0xf0 && b >= 0x90 && b <= 0xbf) ||
                       (a >= 0xf1 && a <= 0xf3 && b >= 0x80 && b <= 0xbf) ||
                       (a == 0xf4 && b >= 0x80 && b <= 0x8f);
            if (a < 0x80)
                continue;
            memset(text, 'x', sizeof text);
            text[40] = (char)a;
            text[41] = (char)b;
            memset(text + 42, '\x80', more);
            const char *want = two ? text + sizeof text : text + 40;
            CHECK(tg_utf8_bad_portable(text, text + sizeof text) == want);
            CHECK(tg_utf8_bad(text, text + sizeof text) == want);
        }
}

TEST("line ends, quotes and what must be escaped are found at every place")
{
    for (size_t len = 0; len < 80; len++)
        for (size_t at = 0; at <= len; at++) {
            char *text = malloc(len + 1), *end = text + len;
            memset(text, 'x', len);
            memset(text, '\xe9', len / 2);
            static const char marks[] = "\n\r\"\\\x1f\x01";
            for (size_t i = 0; i < sizeof marks - 1; i++) {
                char was = text[at < len ? at : 0], c = marks[i];
                if (at < len)
                    text[at] = c;
                CHECK(tg_scan_line_end(text, end) == (c == '\n' || c == '\r' ? text + at : end));
                CHECK(tg_scan_quote(text, end) == (c == '"' ? text + at : end));
                CHECK(tg_scan_special(text, end) == text + at);
                if (at < len)
                    text[at] = was;
            }
            free(text);
        }
}

TEST_MAIN
