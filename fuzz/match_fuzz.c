/* match_fuzz.c -- a pattern never looks outside its subject, never outlives
 * its budget, and plain text is found where a naive search finds it.
 *
 * The first byte is the pattern's length, the second the budget in hundreds. */
#include "wire/match.h"

#include <assert.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static bool is_inside(struct tg_str s, const char *at, size_t len)
{
    return at >= s.at && at <= s.at + s.len && len <= (size_t)(s.at + s.len - at);
}

static void check_captures(struct tg_match *m, struct tg_str subject)
{
    struct tg_match_capture c;

    assert(m->from <= m->to && m->to <= subject.len);
    assert(m->captures >= 0 && m->captures <= TG_MATCH_CAPTURES_MAX);
    for (int i = 0; i < m->captures; i++) {
        tg_err err = tg_match_capture(m, i, &c);
        assert(err == TG_OK ? is_inside(subject, c.at, c.len) : err == TG_EINVAL && m->why);
    }
    assert(tg_match_capture(m, m->captures ? m->captures : 1, &c) == TG_EINVAL);
}

static void check_plain(struct tg_str subject, struct tg_str needle)
{
    size_t at = 0, want = 0;
    bool is = tg_match_plain(subject, needle, 0, &at), wants = false;

    for (; !wants && want + needle.len <= subject.len; want += !wants)
        wants = needle.len == 0 || memcmp(subject.at + want, needle.at, needle.len) == 0;
    assert(is == wants && (!is || at == want));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct tg_match m;

    if (size < 2)
        return 0;
    size_t len = data[0] < size - 2 ? data[0] : size - 2;
    struct tg_str pattern = { (const char *)data + 2, len };
    struct tg_str subject = { pattern.at + len, size - 2 - len };
    uint64_t steps = 100u * (uint64_t)(data[1] + 1);

    tg_match_init(&m, subject, pattern, data[1] & 1 ? TG_MATCH_ANCHOR : TG_MATCH_LITERAL, steps);
    for (size_t at = 0; at <= subject.len;) {
        tg_err err = tg_match_at_or_after(&m, at);
        assert(m.steps <= steps);
        assert((m.why != NULL) == (err && err != TG_ENOTFOUND));
        if (err)
            break;
        assert(m.from >= at);
        check_captures(&m, subject);
        m.why = NULL;
        at = m.to > m.from ? m.to : m.to + 1;
    }
    check_plain(subject, pattern);
    return 0;
}
