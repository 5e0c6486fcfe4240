#include "wire/sse.h"

#include <assert.h>
#include <string.h>

#include "wire/scan.h"

void tg_sse_init(struct tg_sse *r, size_t limit, bool wants_comments)
{
    *r = (struct tg_sse){ .limit = limit, .wants_comments = wants_comments };
}

void tg_sse_done(struct tg_sse *r)
{
    tg_buf_done(&r->line);
    tg_buf_done(&r->data_held);
    tg_buf_done(&r->name_held);
    tg_buf_done(&r->id);
}

static tg_err fail(struct tg_sse *r, tg_err err)
{
    tg_sse_done(r);
    tg_sse_init(r, r->limit, r->wants_comments);
    r->err = err;
    return err;
}

tg_err tg_sse_feed(struct tg_sse *r, struct tg_str bytes)
{
    assert(r->fed.len == 0);
    if (!r->err)
        r->fed = bytes;
    return r->err;
}

/* ---- lines ---- */

/* See that a view is one of `held`, so that what it was of may go. */
static tg_err hold(struct tg_str *view, struct tg_buf *held)
{
    if (view->len && view->at == held->at)
        return TG_OK;
    tg_buf_reset(held);
    tg_err err = tg_buf_str(held, *view);
    *view = tg_buf_view(held);
    return err;
}

/* The bytes fed are used up, but for the unfinished line `rest`. */
static tg_err pause(struct tg_sse *r, struct tg_str rest)
{
    tg_err err = hold(&r->data, &r->data_held);

    if (!err)
        err = hold(&r->name, &r->name_held);
    if (!err)
        err = tg_buf_str(&r->line, rest);
    if (err)
        return err;
    r->fed = (struct tg_str){ 0 };
    if (r->line.len == 0)
        tg_buf_done(&r->line);
    if (r->data.len == 0)
        tg_buf_done(&r->data_held);
    if (r->name.len == 0)
        tg_buf_done(&r->name_held);
    return TG_AGAIN;
}

static void eat(struct tg_sse *r, size_t n)
{
    r->fed.at += n;
    r->fed.len -= n;
}

/* A '\r' at the end of what was fed ends its line at once; that a '\n' behind
 * it belongs to it is seen when that comes. */
static void eat_line_end(struct tg_sse *r)
{
    r->skip_lf = *r->fed.at == '\r';
    eat(r, 1);
    if (r->skip_lf && r->fed.len) {
        eat(r, *r->fed.at == '\n');
        r->skip_lf = false;
    }
}

static bool is_too_big(const struct tg_sse *r, struct tg_str part)
{
    return r->data.len + r->name.len + r->id.len + r->line.len + part.len > r->limit;
}

/* The next line, without its end. */
static tg_err take_line(struct tg_sse *r, struct tg_str *line)
{
    if (r->line_done)
        tg_buf_reset(&r->line);
    r->line_done = false;
    if (r->skip_lf && r->fed.len) {
        eat(r, *r->fed.at == '\n');
        r->skip_lf = false;
    }
    if (r->fed.len == 0)
        return pause(r, r->fed);

    const char *end = r->fed.at + r->fed.len, *stop = tg_scan_line_end(r->fed.at, end);
    struct tg_str part = { r->fed.at, (size_t)(stop - r->fed.at) };
    if (r->line.len == 0 && *part.at == ':' && !r->wants_comments)
        r->drops_line = true;
    if (r->drops_line)
        part.len = 0;
    if (is_too_big(r, part))
        return TG_ETOOBIG;
    if (stop == end)
        return pause(r, part);

    eat(r, (size_t)(stop - r->fed.at));
    eat_line_end(r);
    if (r->line.len) {
        if (tg_buf_str(&r->line, part))
            return TG_ENOMEM;
        part = tg_buf_view(&r->line);
        r->line_done = true;
    }
    if (!r->started && tg_str_starts(part, "\xef\xbb\xbf"))
        part = (struct tg_str){ part.at + 3, part.len - 3 };
    r->started = true;
    *line = part;
    return TG_OK;
}

/* ---- events ---- */

static tg_err add_data(struct tg_sse *r, struct tg_str value)
{
    if (!r->has_data) {
        r->has_data = true;
        r->data = value;
        return TG_OK;
    }
    tg_err err = hold(&r->data, &r->data_held);
    if (err)
        return err;
    tg_buf_char(&r->data_held, '\n');
    err = tg_buf_str(&r->data_held, value);
    r->data = tg_buf_view(&r->data_held);
    return err;
}

static tg_err set_id(struct tg_sse *r, struct tg_str value)
{
    if (value.len && memchr(value.at, '\0', value.len))
        return TG_OK;
    tg_buf_reset(&r->id);
    return tg_buf_str(&r->id, value);
}

static struct tg_str without_space(struct tg_str value)
{
    if (value.len && *value.at == ' ')
        return (struct tg_str){ value.at + 1, value.len - 1 };
    return value;
}

static tg_err take_field(struct tg_sse *r, struct tg_str line)
{
    struct tg_str field, value;

    tg_str_cut(line, ':', &field, &value);
    value = without_space(value);
    r->in_event = true;
    if (tg_str_is(field, "data"))
        return add_data(r, value);
    if (tg_str_is(field, "id"))
        return set_id(r, value);
    if (tg_str_is(field, "event"))
        r->name = value;
    return TG_OK;
}

/* The blank line behind an event. False when there was none. */
static bool finish_event(struct tg_sse *r, struct tg_sse_event *ev)
{
    bool has_data = r->has_data;

    if (has_data)
        *ev = (struct tg_sse_event){ r->name, r->data, tg_buf_view(&r->id), false };
    r->data = r->name = (struct tg_str){ 0 };
    r->has_data = r->in_event = false;
    return has_data;
}

tg_err tg_sse_next(struct tg_sse *r, struct tg_sse_event *ev)
{
    struct tg_str line;
    tg_err err = r->err;

    while (!err && !(err = take_line(r, &line))) {
        if (r->drops_line) {
            r->drops_line = false;
        } else if (line.len == 0) {
            if (finish_event(r, ev))
                return TG_OK;
        } else if (*line.at != ':') {
            err = take_field(r, line);
        } else if (r->wants_comments) {
            line = (struct tg_str){ line.at + 1, line.len - 1 };
            *ev = (struct tg_sse_event){ .data = without_space(line), .is_comment = true };
            return TG_OK;
        }
    }
    return err == TG_AGAIN ? err : fail(r, err);
}

bool tg_sse_is_cut(const struct tg_sse *r)
{
    return r->in_event || (r->line.len && !r->line_done && *r->line.at != ':');
}
