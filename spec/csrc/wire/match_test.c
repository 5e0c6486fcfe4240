#include "wire/match.h"

#include "base/buf.h"
#include "check.h"

enum { PLENTY = 1000000 };

#define L(literal) { literal, sizeof(literal) - 1 }

/* As string.find would say it: "from-to 'capture' @position", "no", "why!". */
static void tell(struct tg_match *m, tg_err err, struct tg_buf *out)
{
    struct tg_match_capture c;

    tg_buf_reset(out);
    if (err == TG_ENOTFOUND) {
        tg_buf_z(out, "no");
        return;
    }
    if (!err)
        tg_buf_printf(out, "%zu-%zu", m->from, m->to);
    for (int i = 0; !err && i < m->captures; i++) {
        err = tg_match_capture(m, i, &c);
        if (err)
            tg_buf_reset(out);
        else if (c.is_position)
            tg_buf_printf(out, " @%zu", (size_t)(c.at - m->subject.at));
        else
            tg_buf_printf(out, " '%.*s'", (int)c.len, c.at);
    }
    if (err)
        tg_buf_printf(out, "%s!", m->why);
}

static tg_err find(struct tg_match *m, struct tg_str subject, struct tg_str pattern, size_t init)
{
    tg_match_init(m, subject, pattern, TG_MATCH_ANCHOR, PLENTY);
    if (!tg_match_is_plain(pattern))
        return tg_match_at_or_after(m, init);
    if (!tg_match_plain(subject, pattern, init, &m->from))
        return TG_ENOTFOUND;
    m->to = m->from + pattern.len;
    return TG_OK;
}

/* ---- what a pattern means ---- */

/* Every row's last column is what string.find of LuaJIT 2.1 gives. */
TEST("a pattern means what it means to string.find")
{
    static const struct {
        struct tg_str subject, pattern;
        size_t init;
        const char *want;
    } CASES[] = {
        { L(""), L(""), 0, "0-0" },
        { L("abc"), L(""), 0, "0-0" },
        { L("abc"), L(""), 3, "3-3" },
        { L("abc"), L(""), 4, "no" },
        { L("hello world"), L("o w"), 0, "4-7" },
        { L("hello"), L("l+"), 0, "2-4" },
        { L("hello"), L("l-"), 0, "0-0" },
        { L("hello"), L("l-o"), 0, "2-5" },
        { L("hello"), L("xl*"), 0, "no" },
        { L("hello"), L("h.-o"), 0, "0-5" },
        { L("aaab"), L("a*b"), 0, "0-4" },
        { L("aaab"), L("a-b"), 0, "0-4" },
        { L("aaa"), L("a?a?a?a"), 0, "0-3" },
        { L("key = value"), L("^(%w+)%s*=%s*(%w+)$"), 0, "0-11 'key' 'value'" },
        { L("  x"), L("^%s*()"), 0, "0-2 @2" },
        { L("abc"), L("^b"), 0, "no" },
        { L("abc"), L("^b"), 1, "1-2" },
        { L("abc"), L("c$"), 0, "2-3" },
        { L("a$c"), L("$c"), 0, "1-3" },
        { L("a^c"), L("a^c"), 0, "0-3" },
        { L("abc"), L("()b()"), 0, "1-2 @1 @2" },
        { L("THE (quick) fox"), L("%((%a+)%)"), 0, "4-11 'quick'" },
        { L("f(a(b)c)d"), L("%b()"), 0, "1-8" },
        { L("f(a(b c d"), L("%b()"), 0, "no" },
        { L("(()"), L("%b()"), 0, "1-3" },
        { L("xx"), L("%bxx"), 0, "0-2" },
        { L("THE (quick) fox"), L("%f[%a]%a+"), 4, "5-10" },
        { L("THE (quick) fox"), L("%f[%z]"), 0, "15-15" },
        { L("THE"), L("%f[%A]()"), 1, "3-3 @3" },
        { L("gpt-4.1-mini"), L("^[%w%-%.]+$"), 0, "0-12" },
        { L("openai/gpt-4o:free"), L("^([^/]+)/([^:]+):?(.*)$"), 0,
          "0-18 'openai' 'gpt-4o' 'free'" },
        { L("openai/gpt-4o"), L("^([^/]+)/([^:]+):?(.*)$"), 0, "0-13 'openai' 'gpt-4o' ''" },
        { L("a]b"), L("[]]"), 0, "1-2" },
        { L("a]b"), L("[^]]+"), 0, "0-1" },
        { L("a-z"), L("[a-]+"), 0, "0-2" },
        { L("a-z"), L("[-z]+"), 0, "1-3" },
        { L("m"), L("[a-z]"), 0, "0-1" },
        { L("%"), L("%%"), 0, "0-1" },
        { L("5%"), L("[%%]"), 0, "1-2" },
        { L("[x]"), L("[%]]"), 0, "2-3" },
        { L("^a"), L("[%^]"), 0, "0-1" },
        { L("a^"), L("[a^]+"), 0, "0-2" },
        { L("x9_"), L("[%d_]+"), 0, "1-3" },
        { L("x9 "), L("[^%d]+"), 1, "2-3" },
        { L("abab"), L("(ab)%1"), 0, "0-4 'ab'" },
        { L("abac"), L("(ab)%1"), 0, "no" },
        { L("'it''s'"), L("(['\042])(.-)%1"), 0, "0-4 ''' 'it'" },
        { L("aa"), L("(a)(%1)"), 0, "0-2 'a' 'a'" },
        { L("aXb"), L("%u"), 0, "1-2" },
        { L("aXb"), L("%U+"), 0, "0-1" },
        { L("\001\002a"), L("%c+"), 0, "0-2" },
        { L("a.b,c"), L("%p"), 0, "1-2" },
        { L("deadBEEFg"), L("%x+"), 0, "0-8" },
        { L("a\000b"), L("%z"), 0, "1-2" },
        { L("a\000b"), L("a%zb"), 0, "0-3" },
        { L("a\000b"), L(".-b"), 0, "0-3" },
        { L("\011\012\013\014\015 x"), L("%s+"), 0, "0-6" },
        { L("\310\311z"), L("%a"), 0, "2-3" },
        { L("\310\311z"), L("[\310-\311]+"), 0, "0-2" },
        { L("\310"), L("%W"), 0, "0-1" },
        { L("_"), L("%w"), 0, "no" },
        { L("\303\251"), L("%a"), 0, "no" },
        { L("aaa"), L("(a*(.)%w(%s*))"), 0, "0-3 'aaa' 'a' ''" },
        { L("hello  "), L("^(.-)%s*$"), 0, "0-7 'hello'" },
        { L("abc"), L("((a)(b)(c))"), 0, "0-3 'abc' 'a' 'b' 'c'" },
        { L("abc"), L("(a(b(c)))"), 0, "0-3 'abc' 'bc' 'c'" },
        { L("abc"), L("()()()"), 0, "0-0 @0 @0 @0" },
        { L("1,2,,3"), L(",(,?)"), 0, "1-2 ''" },
        { L("2026-11-20"), L("(%d+)-(%d+)-(%d+)"), 0, "0-10 '2026' '11' '20'" },
        { L("aab"), L("a-ab"), 0, "0-3" },
        { L("abcabc"), L("b.-c$"), 0, "1-6" },
        { L("abcb"), L("a.*b"), 0, "0-4" },
        { L("abcb"), L("a.+b"), 0, "0-4" },
        { L("b"), L("a?b"), 0, "0-1" },
        { L("ab"), L("a?b"), 0, "0-2" },
        { L("a.b"), L("a%.b"), 0, "0-3" },
        { L("axb"), L("a%.b"), 0, "no" },
        { L("a"), L("[%a-z]"), 0, "0-1" },
        { L("-"), L("[%a-z]"), 0, "0-1" },
        { L("z"), L("[a-%z]"), 0, "0-1" },
        { L("abc"), L("%"), 0, "malformed pattern (ends with '%')!" },
        { L("abc"), L("a%"), 0, "malformed pattern (ends with '%')!" },
        { L("abc"), L("[a"), 0, "malformed pattern (missing ']')!" },
        { L("abc"), L("["), 0, "malformed pattern (missing ']')!" },
        { L("abc"), L("[^"), 0, "malformed pattern (missing ']')!" },
        { L("abc"), L("[]"), 0, "malformed pattern (missing ']')!" },
        { L("abc"), L("[a%"), 0, "malformed pattern (missing ']')!" },
        { L("abc"), L("(b"), 0, "unfinished capture!" },
        { L("abc"), L("b)"), 0, "no" },
        { L("abc"), L(")"), 0, "no" },
        { L("abc"), L("%1"), 0, "invalid capture index!" },
        { L("abc"), L("(%1)"), 0, "invalid capture index!" },
        { L("abc"), L("(a)%2"), 0, "invalid capture index!" },
        { L("abc"), L("%0"), 0, "invalid capture index!" },
        { L("abc"), L("%b"), 0, "unbalanced pattern!" },
        { L("abc"), L("%ba"), 0, "unbalanced pattern!" },
        { L("abc"), L("%f"), 0, "missing '[' after '%f' in pattern!" },
        { L("abc"), L("%fa"), 0, "missing '[' after '%f' in pattern!" },
        { L("abc"), L("%f[a"), 0, "malformed pattern (missing ']')!" },
        { L("abc"), L("z[a"), 0, "no" },
        { L("abc"), L("(a"), 0, "unfinished capture!" },
        { L("abc"), L("((a)"), 0, "unfinished capture!" },
        { L("a"), L("a**"), 0, "no" },
        { L("a*"), L("a**"), 0, "0-2" },
        { L("+"), L("+"), 0, "0-1" },
        { L("*a"), L("*a"), 0, "0-2" },
        { L("?"), L("^?"), 0, "0-1" },
        { L("a-"), L("a%-"), 0, "0-2" },
        { L("ab"), L("^^a"), 0, "no" },
        { L("a"), L("a$$"), 0, "no" },
        { L("a$"), L("a$$"), 0, "0-2" },
        { L("x"), L("(x)()"), 0, "0-1 'x' @1" },
        { L("%d"), L("%%d"), 0, "0-2" },
        { L("@"), L("%@"), 0, "0-1" },
        { L("]"), L("]"), 0, "0-1" },
        { L("a]"), L("[a]]"), 0, "0-2" },
        { L("\012"), L("."), 0, "0-1" },
        { L("1e5"), L("^[+-]?%d+%.?%d*[eE]?[+-]?%d*$"), 0, "0-3" },
    };
    struct tg_buf out = { 0 };

    for (size_t i = 0; i < sizeof CASES / sizeof *CASES; i++) {
        struct tg_match m;
        tg_err err = find(&m, CASES[i].subject, CASES[i].pattern, CASES[i].init);
        tell(&m, err, &out);
        check_context = CASES[i].pattern.at;
        CHECK_STR(tg_buf_view(&out), CASES[i].want);
    }
    tg_buf_done(&out);
}

TEST("there are at most as many captures as the limit says")
{
    const struct tg_str X34 = TG_STR("xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx");
    struct tg_buf b = { 0 };
    struct tg_match m;

    for (int i = 0; i < TG_MATCH_CAPTURES_MAX; i++)
        tg_buf_z(&b, "(x)");
    CHECK_INT(find(&m, X34, tg_buf_view(&b), 0), TG_OK);
    CHECK_INT(m.captures, TG_MATCH_CAPTURES_MAX);
    tg_buf_z(&b, "(x)");
    CHECK_INT(find(&m, X34, tg_buf_view(&b), 0), TG_ETOOBIG);
    CHECK_STR(tg_str_of(m.why), "too many captures");
    tg_buf_done(&b);
}

TEST("a caret is a character where matches are gone through one by one")
{
    struct tg_match m;

    tg_match_init(&m, TG_STR("a^b"), TG_STR("^b"), TG_MATCH_LITERAL, PLENTY);
    CHECK_INT(tg_match_at_or_after(&m, 0), TG_OK);
    CHECK_INT(m.from, 1);
    CHECK(!m.is_anchored);
    tg_match_init(&m, TG_STR("ab"), TG_STR("^b"), TG_MATCH_ANCHOR, PLENTY);
    CHECK(m.is_anchored);
    CHECK_INT(tg_match_at_or_after(&m, 0), TG_ENOTFOUND);
}

TEST("the whole match is capture 0 of a pattern that has none, and there is no capture 1")
{
    struct tg_match m;
    struct tg_match_capture c;

    tg_match_init(&m, TG_STR("say hello"), TG_STR("h%a+"), TG_MATCH_ANCHOR, PLENTY);
    CHECK_INT(tg_match_at_or_after(&m, 0), TG_OK);
    CHECK_INT(tg_match_capture(&m, 0, &c), TG_OK);
    CHECK_STR(((struct tg_str){ c.at, c.len }), "hello");
    CHECK_INT(tg_match_capture(&m, 1, &c), TG_EINVAL);
    CHECK_STR(tg_str_of(m.why), "invalid capture index");
}

TEST("matches are gone through from where the last one ended")
{
    static const size_t WANT[][2] = { { 0, 3 }, { 4, 7 }, { 8, 13 } };
    struct tg_match m;
    size_t at = 0, n = 0;

    tg_match_init(&m, TG_STR("one two three"), TG_STR("%a+"), TG_MATCH_LITERAL, PLENTY);
    while (tg_match_at_or_after(&m, at) == TG_OK && CHECK(n < 3)) {
        CHECK_INT(m.from, WANT[n][0]);
        CHECK_INT(m.to, WANT[n][1]);
        at = m.to;
        n++;
    }
    CHECK_INT(n, 3);
}

TEST("nothing at all is a subject and a pattern like any other")
{
    struct tg_str none = { NULL, 0 };
    struct tg_match m;
    size_t at = 7;

    tg_match_init(&m, none, none, TG_MATCH_ANCHOR, PLENTY);
    CHECK_INT(tg_match_at_or_after(&m, 0), TG_OK);
    CHECK_INT(m.to, 0);
    CHECK_INT(tg_match_at_or_after(&m, 1), TG_ENOTFOUND);
    CHECK(tg_match_plain(none, none, 0, &at));
    CHECK_INT(at, 0);
    CHECK(!tg_match_plain(none, TG_STR("a"), 0, &at));
}

/* ---- the budget ---- */

static struct tg_str times(struct tg_buf *b, const char *z, size_t n, const char *end)
{
    tg_buf_reset(b);
    while (n--)
        tg_buf_z(b, z);
    tg_buf_z(b, end);
    return tg_buf_view(b);
}

TEST("what would run for ever ends at its budget, and says so from then on")
{
    static const struct {
        const char *unit;
        size_t times;
        const char *pattern_unit;
        size_t pattern_times;
        const char *pattern_end;
    } CASES[] = {
        { "a", 40, "a-", 40, "b" },
        { "a", 30000, "a*", 30, "b" },
        { "a", 30000, ".-", 1, "b" },
        { "a", 30000, ".*", 6, "b" },
        { "a", 30000, "(.-)", 12, "b" },
        { "a", 200, "a?", 100, "b" },
        { "a", 3000, "[^b]*", 9, "b" },
        { "(", 30000, "%b()", 1, "" },
        { "ab", 15000, "(a?b?).-", 1, "%1c" },
        { "a", 30000, "(.+)%1", 1, "b" },
        { "a", 30000, "[abcdefghijklmnopqrstuvwxyz0123456789%s%p]-", 1, "b" },
    };
    struct tg_buf subject = { 0 }, pattern = { 0 };

    for (size_t i = 0; i < sizeof CASES / sizeof *CASES; i++) {
        struct tg_str s = times(&subject, CASES[i].unit, CASES[i].times, "");
        struct tg_str p = times(&pattern, CASES[i].pattern_unit, CASES[i].pattern_times,
                                CASES[i].pattern_end);
        struct tg_match m;
        tg_match_init(&m, s, p, TG_MATCH_ANCHOR, PLENTY);
        check_context = tg_buf_cstr(&pattern);
        CHECK_INT(tg_match_at_or_after(&m, 0), TG_ETOOBIG);
        CHECK_INT(m.steps, 0);
        CHECK_STR(tg_str_of(m.why), "pattern takes too many steps on this string");
        CHECK_INT(tg_match_at_or_after(&m, 0), TG_ETOOBIG);
    }
    tg_buf_done(&subject);
    tg_buf_done(&pattern);
}

TEST("one budget is for all calls together")
{
    struct tg_match m;

    tg_match_init(&m, TG_STR("aaaaaaaaaa"), TG_STR("a"), TG_MATCH_ANCHOR, 12);
    for (size_t i = 0; i < 6; i++)
        CHECK_INT(tg_match_at(&m, i), TG_OK);
    CHECK_INT(tg_match_at(&m, 6), TG_ETOOBIG);
}

TEST("an ordinary pattern takes a few steps for each byte")
{
    struct tg_buf b = { 0 };
    struct tg_match m;

    tg_match_init(&m, times(&b, "word ", 2000, "!"), TG_STR("%a+!"), TG_MATCH_ANCHOR, PLENTY);
    CHECK_INT(tg_match_at_or_after(&m, 0), TG_ENOTFOUND);
    CHECK(PLENTY - m.steps < 10 * b.len);
    tg_buf_done(&b);
}

TEST("a set takes the steps that reading it does, behind the subject's end too")
{
    struct tg_buf b = { 0 };
    struct tg_match m;

    tg_match_init(&m, TG_STR(""), times(&b, "[b", 30000, "]"), TG_MATCH_ANCHOR, PLENTY);
    CHECK_INT(tg_match_at(&m, 0), TG_ENOTFOUND);
    CHECK(PLENTY - m.steps > b.len / 8);
    tg_buf_done(&b);
}

TEST("the C stack is no deeper than the limit on open choices")
{
    struct tg_buf b = { 0 };
    struct tg_match m;

    struct tg_str most = times(&b, "a?", TG_MATCH_DEPTH_MAX - 1, "");
    tg_match_init(&m, TG_STR(""), most, TG_MATCH_ANCHOR, PLENTY);
    CHECK_INT(tg_match_at(&m, 0), TG_OK);
    struct tg_str more = times(&b, "a?", TG_MATCH_DEPTH_MAX, "");
    tg_match_init(&m, TG_STR(""), more, TG_MATCH_ANCHOR, PLENTY);
    CHECK_INT(tg_match_at(&m, 0), TG_EDEPTH);
    CHECK_STR(tg_str_of(m.why), "pattern too complex");
    tg_buf_done(&b);
}

/* ---- plain ---- */

TEST("plain text is found in a time that grows with the lengths, not with their product")
{
    struct tg_buf s = { 0 }, n = { 0 };
    size_t at = 0;

    /* The naive search makes 2.5 * 10^11 comparisons of this. */
    CHECK(!tg_match_plain(times(&s, "a", 1000000, ""), times(&n, "a", 500000, "b"), 0, &at));
    CHECK(tg_match_plain(times(&s, "a", 1000000, "b"), times(&n, "a", 500000, "b"), 0, &at));
    CHECK_INT(at, 500000);
    tg_buf_done(&s);
    tg_buf_done(&n);
}

TEST("plain text is found from the offset on")
{
    size_t at = 0;

    CHECK(tg_match_plain(TG_STR("abcabc"), TG_STR("bc"), 2, &at));
    CHECK_INT(at, 4);
    CHECK(!tg_match_plain(TG_STR("abcabc"), TG_STR("bc"), 5, &at));
    CHECK(!tg_match_plain(TG_STR("abc"), TG_STR(""), 4, &at));
    CHECK(tg_match_plain(TG_STR("abc"), TG_STR(""), 3, &at));
    CHECK_INT(at, 3);
}

TEST("a pattern is plain when nothing in it has a meaning")
{
    CHECK(tg_match_is_plain(TG_STR("gpt_4o/mini:free)]")));
    CHECK(tg_match_is_plain((struct tg_str)L("a\0b")));
    for (const char *c = "^$*+?.([%-"; *c; c++)
        CHECK(!tg_match_is_plain((struct tg_str){ c, 1 }));
}

TEST_MAIN
