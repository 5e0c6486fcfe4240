#include "wire/match.h"

#include <string.h>

/* A pattern is walked by the calls below, which take the place in the subject
 * and the place in the pattern and give where the match ends, NULL when there
 * is none. NULL with m->err set is the end of everything. Only a choice that
 * may have to be taken back is a call of its own, so the C stack is as deep as
 * choices are open. */

enum { OPEN = -1, POSITION = -2 };

#define ESCAPE '%'

static const char *walk(struct tg_match *m, const char *s, const char *p);

static const char *fail(struct tg_match *m, tg_err err, const char *why)
{
    if (!m->err) {
        m->err = err;
        m->why = why;
    }
    return NULL;
}

static bool spend(struct tg_match *m, uint64_t steps)
{
    if (m->steps < steps) {
        m->steps = 0;
        fail(m, TG_ETOOBIG, "pattern takes too many steps on this string");
        return false;
    }
    m->steps -= steps;
    return true;
}

static const char *subject_end(const struct tg_match *m)
{
    return m->subject.at + m->subject.len;
}

static const char *pattern_end(const struct tg_match *m)
{
    return m->pattern.at + m->pattern.len;
}

/* ---- one character ---- */

static bool is_in(unsigned char c, unsigned char least, unsigned char most)
{
    return c >= least && c <= most;
}

static bool is_alpha(unsigned char c)
{
    return is_in(c | 0x20, 'a', 'z');
}

static bool is_space(unsigned char c)
{
    return c == ' ' || is_in(c, '\t', '\r');
}

static bool is_hex(unsigned char c)
{
    return is_in(c, '0', '9') || is_in(c | 0x20, 'a', 'f');
}

static bool is_graph(unsigned char c)
{
    return is_in(c, 0x21, 0x7e);
}

static bool is_alnum(unsigned char c)
{
    return is_alpha(c) || is_in(c, '0', '9');
}

/* %a, %A, %d ...; of any other letter the letter itself. */
static bool is_of_class(unsigned char c, unsigned char class)
{
    bool is;

    switch (class | 0x20) {
    case 'a': is = is_alpha(c); break;
    case 'c': is = c < 0x20 || c == 0x7f; break;
    case 'd': is = is_in(c, '0', '9'); break;
    case 'g': is = is_graph(c); break;
    case 'l': is = is_in(c, 'a', 'z'); break;
    case 'p': is = is_graph(c) && !is_alnum(c); break;
    case 's': is = is_space(c); break;
    case 'u': is = is_in(c, 'A', 'Z'); break;
    case 'w': is = is_alnum(c); break;
    case 'x': is = is_hex(c); break;
    case 'z': is = c == 0; break;
    default:  return class == c;
    }
    return is_in(class, 'A', 'Z') ? !is : is;
}

/* Where the single-character part that begins at p ends; NULL: malformed. */
static const char *part_end(struct tg_match *m, const char *p)
{
    const char *end = pattern_end(m), *set = p;
    char c = *p++;

    if (c == ESCAPE) {
        if (p == end)
            return fail(m, TG_EINVAL, "malformed pattern (ends with '%')");
        return p + 1;
    }
    if (c != '[')
        return p;
    if (p < end && *p == '^')
        p++;
    do {                               /* a ']' in front is one of the set */
        if (p == end)
            return fail(m, TG_EINVAL, "malformed pattern (missing ']')");
        if (*p++ == ESCAPE && p < end)
            p++;
    } while (p == end || *p != ']');
    return spend(m, (uint64_t)(p - set) / 4) ? p + 1 : NULL;
}

/* Of a set from its '[' to its ']'. */
static bool is_of_set(unsigned char c, const char *p, const char *last)
{
    bool is = true;

    if (p[1] == '^') {
        is = false;
        p++;
    }
    while (++p < last) {
        if (*p == ESCAPE) {
            if (is_of_class(c, (unsigned char)*++p))
                return is;
        } else if (p[1] == '-' && p + 2 < last) {
            p += 2;
            if (is_in(c, (unsigned char)p[-2], (unsigned char)*p))
                return is;
        } else if ((unsigned char)*p == c) {
            return is;
        }
    }
    return !is;
}

/* Is the subject's character at s one of the part [p, end)? */
static bool is_one(struct tg_match *m, const char *s, const char *p, const char *end)
{
    if (s >= subject_end(m) || !spend(m, 1 + (uint64_t)(end - p) / 4))
        return false;
    switch (*p) {
    case '.':    return true;
    case ESCAPE: return is_of_class((unsigned char)*s, (unsigned char)p[1]);
    case '[':    return is_of_set((unsigned char)*s, p, end - 1);
    default:     return *p == *s;
    }
}

/* ---- what may have to be taken back ---- */

static const char *most_first(struct tg_match *m, const char *s, const char *p, const char *end)
{
    ptrdiff_t n = 0;

    while (is_one(m, s + n, p, end))
        n++;
    for (; n >= 0 && !m->err; n--) {
        const char *to = walk(m, s + n, end + 1);
        if (to)
            return to;
    }
    return NULL;
}

static const char *least_first(struct tg_match *m, const char *s, const char *p, const char *end)
{
    for (; !m->err; s++) {
        const char *to = walk(m, s, end + 1);
        if (to)
            return to;
        if (!is_one(m, s, p, end))
            return NULL;
    }
    return NULL;
}

static const char *open_capture(struct tg_match *m, const char *s, const char *p, ptrdiff_t as)
{
    const char *to;

    if (m->captures == TG_MATCH_CAPTURES_MAX)
        return fail(m, TG_ETOOBIG, "too many captures");
    m->capture[m->captures].at = s;
    m->capture[m->captures].len = as;
    m->captures++;
    to = walk(m, s, p);
    if (!to)
        m->captures--;
    return to;
}

static const char *close_capture(struct tg_match *m, const char *s, const char *p)
{
    int i = m->captures;
    const char *to;

    while (i-- > 0 && m->capture[i].len != OPEN)
        ;
    if (i < 0)
        return fail(m, TG_EINVAL, "invalid pattern capture");
    m->capture[i].len = s - m->capture[i].at;
    to = walk(m, s, p);
    if (!to)
        m->capture[i].len = OPEN;
    return to;
}

/* ---- what stands for more than one character ---- */

/* %bxy; p is at x. */
static const char *balance(struct tg_match *m, const char *s, const char *p)
{
    const char *end = subject_end(m);
    size_t open = 1;

    if (pattern_end(m) - p < 2)
        return fail(m, TG_EINVAL, "unbalanced pattern");
    if (s >= end || *s != *p)
        return NULL;
    while (++s < end && spend(m, 1)) {
        if (*s == p[1]) {
            if (--open == 0)
                return s + 1;
        } else if (*s == *p) {
            open++;
        }
    }
    return NULL;
}

/* %f[set]; [p, end) is the set. */
static bool is_frontier(struct tg_match *m, const char *s, const char *p, const char *end)
{
    unsigned char before = s == m->subject.at ? 0 : (unsigned char)s[-1];
    unsigned char here = s == subject_end(m) ? 0 : (unsigned char)*s;

    if (!spend(m, 1 + (uint64_t)(end - p) / 4))
        return false;
    return !is_of_set(before, p, end - 1) && is_of_set(here, p, end - 1);
}

/* %1: what a capture holds, once more. */
static const char *repeat(struct tg_match *m, const char *s, char digit)
{
    int i = digit - '1';
    size_t len;

    if (i < 0 || i >= m->captures || m->capture[i].len == OPEN)
        return fail(m, TG_EINVAL, "invalid capture index");
    len = m->capture[i].len == POSITION ? SIZE_MAX : (size_t)m->capture[i].len;
    if ((size_t)(subject_end(m) - s) < len || !spend(m, 1 + len / 8))
        return NULL;
    return memcmp(s, m->capture[i].at, len) == 0 ? s + len : NULL;
}

/* ---- the walk ---- */

static bool is_quantifier(const struct tg_match *m, const char *p)
{
    return p < pattern_end(m) && (*p == '*' || *p == '+' || *p == '-' || *p == '?');
}

static const char *quantified(struct tg_match *m, const char *s, const char *p, const char *end)
{
    const char *to;

    switch (*end) {
    case '*': return most_first(m, s, p, end);
    case '+': return is_one(m, s, p, end) ? most_first(m, s + 1, p, end) : NULL;
    case '-': return least_first(m, s, p, end);
    default:
        if (is_one(m, s, p, end) && (to = walk(m, s + 1, end + 1)))
            return to;
        return m->err ? NULL : walk(m, s, end + 1);
    }
}

/* Past one item without a choice: the place behind it goes to *p. NULL: no. */
static const char *step_escape(struct tg_match *m, const char *s, const char **p)
{
    const char *set;
    char c = (*p)[1];

    if (c == 'b') {
        s = balance(m, s, *p + 2);
        *p += 4;
        return s;
    }
    if (c == 'f') {
        set = *p + 2;
        if (set == pattern_end(m) || *set != '[')
            return fail(m, TG_EINVAL, "missing '[' after '%f' in pattern");
        if (!(*p = part_end(m, set)))
            return NULL;
        return is_frontier(m, s, set, *p) ? s : NULL;
    }
    *p += 2;
    return repeat(m, s, c);
}

static bool is_long_escape(const struct tg_match *m, const char *p)
{
    if (*p != ESCAPE || p + 1 == pattern_end(m))
        return false;
    return p[1] == 'b' || p[1] == 'f' || is_in((unsigned char)p[1], '0', '9');
}

static const char *walk_on(struct tg_match *m, const char *s, const char *p)
{
    const char *end, *stop = pattern_end(m);

    while (p < stop) {
        if (*p == '(' && p + 1 < stop && p[1] == ')')
            return open_capture(m, s, p + 2, POSITION);
        if (*p == '(')
            return open_capture(m, s, p + 1, OPEN);
        if (*p == ')')
            return close_capture(m, s, p + 1);
        if (*p == '$' && p + 1 == stop)
            return s == subject_end(m) ? s : NULL;
        if (is_long_escape(m, p)) {
            if (!(s = step_escape(m, s, &p)))
                return NULL;
            continue;
        }
        if (!(end = part_end(m, p)))
            return NULL;
        if (is_quantifier(m, end))
            return quantified(m, s, p, end);
        if (!is_one(m, s, p, end))
            return NULL;
        s++;
        p = end;
    }
    return s;
}

static const char *walk(struct tg_match *m, const char *s, const char *p)
{
    const char *to;

    if (m->depth == TG_MATCH_DEPTH_MAX)
        return fail(m, TG_EDEPTH, "pattern too complex");
    if (!spend(m, 1))
        return NULL;
    m->depth++;
    to = walk_on(m, s, p);
    m->depth--;
    return to;
}

/* ---- the outside ---- */

void tg_match_init(struct tg_match *m, struct tg_str subject, struct tg_str pattern,
                   enum tg_match_caret caret, uint64_t steps)
{
    if (!subject.at)
        subject = TG_STR("");
    if (!pattern.at)
        pattern = TG_STR("");
    m->from = m->to = 0;
    m->captures = m->depth = 0;
    m->steps = steps;
    m->why = NULL;
    m->err = TG_OK;
    m->subject = subject;
    m->is_anchored = caret == TG_MATCH_ANCHOR && pattern.len && *pattern.at == '^';
    if (m->is_anchored) {
        pattern.at++;
        pattern.len--;
    }
    m->pattern = pattern;
}

tg_err tg_match_at(struct tg_match *m, size_t offset)
{
    const char *to;

    if (m->err)
        return m->err;
    if (offset > m->subject.len)
        return TG_ENOTFOUND;
    m->captures = 0;
    to = walk(m, m->subject.at + offset, m->pattern.at);
    if (!to)
        return m->err ? m->err : TG_ENOTFOUND;
    m->from = offset;
    m->to = (size_t)(to - m->subject.at);
    return TG_OK;
}

tg_err tg_match_at_or_after(struct tg_match *m, size_t offset)
{
    tg_err err;

    do
        err = tg_match_at(m, offset);
    while (err == TG_ENOTFOUND && !m->is_anchored && offset++ < m->subject.len);
    return err;
}

tg_err tg_match_capture(struct tg_match *m, int i, struct tg_match_capture *out)
{
    if (i == 0 && m->captures == 0) {
        *out = (struct tg_match_capture){ m->subject.at + m->from, m->to - m->from, false };
        return TG_OK;
    }
    if (i < 0 || i >= m->captures) {
        m->why = "invalid capture index";
        return TG_EINVAL;
    }
    if (m->capture[i].len == OPEN) {
        m->why = "unfinished capture";
        return TG_EINVAL;
    }
    *out = (struct tg_match_capture){ m->capture[i].at, 0, m->capture[i].len == POSITION };
    if (!out->is_position)
        out->len = (size_t)m->capture[i].len;
    return TG_OK;
}

bool tg_match_is_plain(struct tg_str pattern)
{
    for (size_t i = 0; i < pattern.len; i++)
        if (pattern.at[i] && strchr("^$*+?.([%-", pattern.at[i]))
            return false;
    return true;
}

bool tg_match_plain(struct tg_str subject, struct tg_str needle, size_t offset, size_t *at)
{
    const char *found;

    if (offset > subject.len)
        return false;
    if (!needle.len) {
        *at = offset;
        return true;
    }
    if (subject.len - offset < needle.len)
        return false;
    /* glibc's and musl's are the two-way algorithm. */
    found = memmem(subject.at + offset, subject.len - offset, needle.at, needle.len);
    if (found)
        *at = (size_t)(found - subject.at);
    return found != NULL;
}
