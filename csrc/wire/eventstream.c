#include "wire/eventstream.h"

#include <zlib.h>

#include "wire/json.h"

enum {
    LENGTHS_BYTES = 8,
    PRELUDE_BYTES = 12,
    CHECKSUM_BYTES = 4
};

void tg_eventstream_init(struct tg_eventstream *r, size_t limit)
{
    *r = (struct tg_eventstream){ .limit = limit };
}

void tg_eventstream_done(struct tg_eventstream *r)
{
    tg_carry_done(&r->carry);
    tg_buf_done(&r->told);
}

static tg_err fail(struct tg_eventstream *r, tg_err err)
{
    tg_eventstream_done(r);
    tg_eventstream_init(r, r->limit);
    r->err = err;
    return err;
}

tg_err tg_eventstream_feed(struct tg_eventstream *r, struct tg_str bytes)
{
    if (!r->err)
        tg_carry_feed(&r->carry, bytes);
    return r->err;
}

static bool cut(struct tg_str *from, size_t n, struct tg_str *out)
{
    if (n > from->len)
        return false;
    *out = (struct tg_str){ from->at, n };
    *from = (struct tg_str){ from->at + n, from->len - n };
    return true;
}

static uint32_t number(const char *at, size_t bytes)
{
    uint32_t n = 0;

    for (size_t i = 0; i < bytes; i++)
        n = n << 8 | (unsigned char)at[i];
    return n;
}

/* Do n bytes have the checksum that stands behind them? */
static bool is_sound(const char *at, size_t n)
{
    return crc32(0, (const Bytef *)at, (uInt)n) == number(at + n, CHECKSUM_BYTES);
}

/* ---- headers ---- */

enum { TYPE_BYTES = 6, TYPE_STRING = 7 };

struct header {
    struct tg_str name, value;
    unsigned      type;
};

static tg_err take_header(struct tg_str *rest, struct header *h)
{
    static const unsigned char sizes[] = {
        [2] = 1, [3] = 2, [4] = 4, [5] = 8,      /* integers; 0 and 1 are true and false */
        [TYPE_BYTES] = 0, [TYPE_STRING] = 0,     /* their lengths are told */
        [8] = 8, [9] = 16                        /* a time, a UUID */
    };
    struct tg_str part;

    if (!cut(rest, 1, &part) || !cut(rest, number(part.at, 1), &h->name) || !h->name.len)
        return TG_EINVAL;
    if (!cut(rest, 1, &part) || number(part.at, 1) >= sizeof sizes)
        return TG_EINVAL;
    h->type = number(part.at, 1);
    size_t n = sizes[h->type];
    if (h->type == TYPE_BYTES || h->type == TYPE_STRING) {
        if (!cut(rest, 2, &part))
            return TG_EINVAL;
        n = number(part.at, 2);
    }
    return cut(rest, n, &h->value) ? TG_OK : TG_EINVAL;
}

/* The headers that say what a message is; empty where absent. */
struct labels {
    struct tg_str message_type, event_type, exception_type, error_code, error_message;
};

static struct tg_str *label_named(struct labels *l, struct tg_str name)
{
    if (tg_str_is(name, ":message-type"))
        return &l->message_type;
    if (tg_str_is(name, ":event-type"))
        return &l->event_type;
    if (tg_str_is(name, ":exception-type"))
        return &l->exception_type;
    if (tg_str_is(name, ":error-code"))
        return &l->error_code;
    if (tg_str_is(name, ":error-message"))
        return &l->error_message;
    return NULL;
}

static tg_err read_headers(struct tg_str headers, struct labels *l)
{
    while (headers.len) {
        struct header h;
        tg_err err = take_header(&headers, &h);
        if (err)
            return err;
        struct tg_str *label = h.type == TYPE_STRING ? label_named(l, h.name) : NULL;
        if (label)
            *label = h.value;
    }
    return TG_OK;
}

/* ---- messages ---- */

static tg_err read_lengths(struct tg_eventstream *r)
{
    struct tg_str prelude;
    tg_err err = tg_carry_peek(&r->carry, PRELUDE_BYTES, &prelude);

    if (err)
        return err;
    if (!is_sound(prelude.at, LENGTHS_BYTES))
        return TG_EINVAL;
    uint32_t total = number(prelude.at, 4), headers = number(prelude.at + 4, 4);
    if (total < PRELUDE_BYTES + CHECKSUM_BYTES ||
        headers > total - PRELUDE_BYTES - CHECKSUM_BYTES)
        return TG_EINVAL;
    if (total > r->limit || headers > TG_EVENTSTREAM_HEADERS_MAX)
        return TG_ETOOBIG;
    r->total_bytes = total;
    r->headers_bytes = headers;
    return TG_OK;
}

static tg_err put_message(struct tg_buf *out, struct tg_str message)
{
    tg_buf_z(out, "{\"message\":");
    tg_json_put_text(out, message);
    return tg_buf_char(out, '}');
}

static tg_err tell(struct tg_eventstream *r, const struct labels *l, struct tg_str payload,
                   struct tg_eventstream_event *ev)
{
    bool is_exception = tg_str_is(l->message_type, "exception");
    bool is_error = is_exception || tg_str_is(l->message_type, "error");

    if (is_error && !payload.len) {
        if (put_message(&r->told, l->error_message))
            return TG_ENOMEM;
        payload = tg_buf_view(&r->told);
    }
    *ev = (struct tg_eventstream_event){
        .name = is_exception ? l->exception_type : is_error ? l->error_code : l->event_type,
        .data = payload,
        .is_error = is_error,
    };
    return TG_OK;
}

static tg_err take_message(struct tg_eventstream *r, struct tg_eventstream_event *ev)
{
    struct tg_str message, headers;
    struct labels labels = { 0 };
    tg_err err = tg_carry_take(&r->carry, r->total_bytes, &message);

    if (err)
        return err;
    message.len -= CHECKSUM_BYTES;
    if (!is_sound(message.at, message.len))
        return TG_EINVAL;
    cut(&message, PRELUDE_BYTES, &headers);
    cut(&message, r->headers_bytes, &headers);
    err = read_headers(headers, &labels);
    r->total_bytes = 0;
    return err ? err : tell(r, &labels, message, ev);
}

tg_err tg_eventstream_next(struct tg_eventstream *r, struct tg_eventstream_event *ev)
{
    tg_err err = r->err;

    tg_buf_done(&r->told);
    tg_carry_begin(&r->carry);
    if (!err && !r->total_bytes)
        err = read_lengths(r);
    if (!err)
        err = take_message(r, ev);
    return !err || err == TG_AGAIN ? err : fail(r, err);
}

bool tg_eventstream_is_cut(const struct tg_eventstream *r)
{
    return tg_carry_is_cut(&r->carry);
}
