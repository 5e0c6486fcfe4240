#include "wire/elements.h"

#include <string.h>

#include "wire/json.h"

enum place {
    BEFORE_ALL,
    BEHIND_BRACKET,
    BEHIND_COMMA,
    IN_ELEMENT,
    BEHIND_ELEMENT,
    BEHIND_ALL,
    NOWHERE                    /* what stands there may not */
};

void tg_elements_init(struct tg_elements *r, size_t limit)
{
    *r = (struct tg_elements){ .limit = limit };
}

void tg_elements_done(struct tg_elements *r)
{
    tg_carry_done(&r->carry);
}

static tg_err fail(struct tg_elements *r, tg_err err)
{
    tg_elements_done(r);
    tg_elements_init(r, r->limit);
    r->err = err;
    return err;
}

tg_err tg_elements_feed(struct tg_elements *r, struct tg_str bytes)
{
    if (!r->err)
        tg_carry_feed(&r->carry, bytes);
    return r->err;
}

/* ---- between elements ---- */

static bool is_space(char c)
{
    return c == ' ' || c == '\t' || c == '\r' || c == '\n';
}

static bool begins_value(char c)
{
    return c && (strchr("{[\"-tfn", c) || (c >= '0' && c <= '9'));
}

/* Where one is behind, or with an element's first byte before, the byte c. */
static enum place place_at(enum place place, char c)
{
    switch (place) {
    case BEFORE_ALL:
        return c == '[' ? BEHIND_BRACKET : c == '{' ? IN_ELEMENT : NOWHERE;
    case BEHIND_BRACKET:
        return c == ']' ? BEHIND_ALL : begins_value(c) ? IN_ELEMENT : NOWHERE;
    case BEHIND_COMMA:
        return begins_value(c) ? IN_ELEMENT : NOWHERE;
    case BEHIND_ELEMENT:
        return c == ',' ? BEHIND_COMMA : c == ']' ? BEHIND_ALL : NOWHERE;
    default:
        return NOWHERE;
    }
}

/* Go to the first byte of the next element. */
static tg_err find_element(struct tg_elements *r)
{
    for (; r->carry.fed.len; tg_carry_skip(&r->carry, 1)) {
        char c = *r->carry.fed.at;
        if (is_space(c))
            continue;
        enum place before = r->place, here = place_at(before, c);
        if (here == NOWHERE)
            return TG_EINVAL;
        r->place = here;
        if (here == IN_ELEMENT) {
            r->is_alone = before == BEFORE_ALL;
            r->is_word = c != '{' && c != '[' && c != '"';
            return TG_OK;
        }
    }
    return tg_carry_keep(&r->carry);
}

/* ---- in an element ---- */

static const char *pass_word(const char *p, const char *end)
{
    while (p < end && ((*p >= '0' && *p <= '9') || ((*p | 0x20) >= 'a' && (*p | 0x20) <= 'z') ||
                       *p == '-' || *p == '+' || *p == '.'))
        p++;
    return p;
}

/* Behind the quote that closes the string, or `end`. */
static const char *pass_string(struct tg_elements *r, const char *p, const char *end)
{
    while (p < end) {
        const char *quote = memchr(p, '"', (size_t)(end - p)), *stop = quote ? quote : end;
        const char *run = stop;                    /* of backslashes before it */
        while (run > p && run[-1] == '\\')
            run--;
        bool goes_on = run == p && r->is_escaped;  /* its first one was before p */
        r->is_escaped = (size_t)(stop - run + goes_on) % 2;
        if (!quote)
            return end;
        p = quote + 1;
        if (!r->is_escaped) {
            r->in_string = false;
            return p;
        }
        r->is_escaped = false;
    }
    return p;
}

/* A byte outside of strings. TG_OK when the element ends with it. */
static tg_err step(struct tg_elements *r, char c)
{
    switch (c) {
    case '"':
        r->in_string = true;
        return TG_AGAIN;
    case '{':
    case '[':
        return ++r->depth > TG_JSON_DEPTH_MAX ? TG_EDEPTH : TG_AGAIN;
    case '}':
    case ']':
        return --r->depth ? TG_AGAIN : TG_OK;
    default:
        return TG_AGAIN;
    }
}

/* Look for the end of the element in the bytes fed: *n of them belong to it.
 * TG_AGAIN when all do. */
static tg_err find_end(struct tg_elements *r, size_t *n)
{
    const char *from = r->carry.fed.at, *end = from + r->carry.fed.len, *p = from;
    tg_err err = TG_AGAIN;

    if (r->is_word) {
        p = pass_word(p, end);
        err = p < end ? TG_OK : TG_AGAIN;
    }
    while (p < end && err == TG_AGAIN) {
        if (r->in_string) {
            p = pass_string(r, p, end);
            err = r->in_string || r->depth ? TG_AGAIN : TG_OK;
        } else {
            err = step(r, *p++);
        }
    }
    *n = (size_t)(p - from);
    return err;
}

static tg_err take_element(struct tg_elements *r, struct tg_str *element)
{
    size_t n = 0;
    tg_err err = r->carry.fed.len ? find_end(r, &n) : TG_AGAIN;

    if (n > r->limit - r->carry.held.len)
        return TG_ETOOBIG;
    if (err)
        return err == TG_AGAIN ? tg_carry_keep(&r->carry) : err;
    r->place = r->is_alone ? BEHIND_ALL : BEHIND_ELEMENT;
    return tg_carry_take(&r->carry, r->carry.held.len + n, element);
}

tg_err tg_elements_next(struct tg_elements *r, struct tg_str *element)
{
    tg_err err = r->err;

    tg_carry_begin(&r->carry);
    if (!err && r->place != IN_ELEMENT)
        err = find_element(r);
    if (!err)
        err = take_element(r, element);
    return !err || err == TG_AGAIN ? err : fail(r, err);
}

bool tg_elements_is_cut(const struct tg_elements *r)
{
    return r->place != BEFORE_ALL && r->place != BEHIND_ALL;
}
