#include "wire/lines.h"

#include <string.h>

void tg_lines_init(struct tg_lines *r, size_t limit)
{
    *r = (struct tg_lines){ .limit = limit };
}

void tg_lines_done(struct tg_lines *r)
{
    tg_carry_done(&r->carry);
}

static tg_err fail(struct tg_lines *r, tg_err err)
{
    tg_lines_done(r);
    tg_lines_init(r, r->limit);
    r->err = err;
    return err;
}

tg_err tg_lines_feed(struct tg_lines *r, struct tg_str bytes)
{
    if (!r->err)
        tg_carry_feed(&r->carry, bytes);
    return r->err;
}

void tg_lines_finish(struct tg_lines *r)
{
    r->is_over = true;
}

/* What is before the '\n', as it came. */
static tg_err take_raw(struct tg_lines *r, struct tg_str *raw)
{
    tg_carry_begin(&r->carry);
    struct tg_str fed = r->carry.fed;
    const char *end = fed.len ? memchr(fed.at, '\n', fed.len) : NULL;
    size_t n = r->carry.held.len + (end ? (size_t)(end - fed.at) : fed.len);

    if (n > r->limit)
        return TG_ETOOBIG;
    if (!end && !(r->is_over && n))
        return tg_carry_keep(&r->carry);
    tg_err err = tg_carry_take(&r->carry, n, raw);
    if (!err && end)
        tg_carry_skip(&r->carry, 1);
    return err;
}

/* The line without the marks around it; empty when only white space is left. */
static struct tg_str text_of(const struct tg_lines *r, struct tg_str raw)
{
    if (!r->started && tg_str_starts(raw, "\xef\xbb\xbf"))
        raw = (struct tg_str){ raw.at + 3, raw.len - 3 };
    if (tg_str_ends(raw, "\r"))
        raw.len--;
    return tg_str_trim(raw).len ? raw : (struct tg_str){ 0 };
}

tg_err tg_lines_next(struct tg_lines *r, struct tg_str *line)
{
    struct tg_str raw;
    tg_err err = r->err;

    while (!err && !(err = take_raw(r, &raw))) {
        struct tg_str text = text_of(r, raw);
        r->started = true;
        if (text.len) {
            *line = text;
            return TG_OK;
        }
    }
    return err == TG_AGAIN ? err : fail(r, err);
}

bool tg_lines_is_cut(const struct tg_lines *r)
{
    return tg_carry_is_cut(&r->carry) && text_of(r, tg_buf_view(&r->carry.held)).len;
}
