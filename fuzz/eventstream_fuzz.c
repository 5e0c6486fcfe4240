/* eventstream_fuzz.c -- AWS event streams: messages whose lengths and checksums
 * are made right, with any headers and payloads, give what a plain reading
 * gives, whole or cut; with any other bytes among them the same comes out
 * however they are cut. The first bytes say how to cut.
 *
 * The input is a list of messages: a byte that chooses two usual headers, one
 * whose lowest bit says whether other bytes stand before the message, the
 * lengths of further headers and of the payload, then these. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <zlib.h>

#include "wire/eventstream.h"
#include "wire/json.h"

#define MUST(cond) ((cond) ? (void)0 : abort())

static void put_event(struct tg_buf *out, struct tg_str name, struct tg_str data, bool is_error)
{
    tg_buf_char(out, is_error ? '!' : 'E');
    tg_buf_u64(out, name.len);
    tg_buf_char(out, ':');
    tg_buf_str(out, name);
    tg_buf_u64(out, data.len);
    tg_buf_char(out, ':');
    tg_buf_str(out, data);
}

/* ---- what a message says, from the headers it was made of ---- */

static struct tg_str header(struct tg_str headers, const char *name, bool *is_good)
{
    static const int sizes[] = { 0, 0, 1, 2, 4, 8, -1, -1, 8, 16 };
    const uint8_t *p = (const uint8_t *)headers.at;
    size_t at = 0, len = headers.len;
    struct tg_str found = { 0 };

    *is_good = true;
    while (at < len) {
        size_t name_at = at + 1, name_len = p[at], type_at = name_at + name_len;
        if (name_len == 0 || type_at >= len || p[type_at] > 9)
            break;
        size_t value_at = type_at + 1, n = (size_t)sizes[p[type_at]];
        if (sizes[p[type_at]] < 0) {
            if (value_at + 2 > len)
                break;
            n = (size_t)p[value_at] * 256 + p[value_at + 1];
            value_at += 2;
        }
        if (value_at + n > len)
            break;
        if (p[type_at] == 7 && name_len == strlen(name) && !memcmp(p + name_at, name, name_len))
            found = (struct tg_str){ headers.at + value_at, n };
        at = value_at + n;
    }
    *is_good = at == len;
    return found;
}

static bool plain_read(struct tg_str headers, struct tg_str payload, struct tg_buf *out)
{
    struct tg_buf told = { 0 };
    bool is_good;
    struct tg_str kind = header(headers, ":message-type", &is_good);
    bool is_exception = tg_str_is(kind, "exception"), is_error = tg_str_is(kind, "error");
    const char *label = is_exception ? ":exception-type" : is_error ? ":error-code" : ":event-type";

    if (!is_good)
        return false;
    if ((is_exception || is_error) && payload.len == 0) {
        tg_buf_z(&told, "{\"message\":");
        tg_json_put_text(&told, header(headers, ":error-message", &is_good));
        tg_buf_z(&told, "}");
        payload = tg_buf_view(&told);
    }
    put_event(out, header(headers, label, &is_good), payload, is_exception || is_error);
    tg_buf_done(&told);
    return true;
}

/* ---- messages ---- */

static void put_number(struct tg_buf *out, size_t n)
{
    for (int shift = 24; shift >= 0; shift -= 8)
        tg_buf_char(out, (char)(n >> shift));
}

static void put_message(struct tg_buf *out, struct tg_str headers, struct tg_str payload)
{
    size_t from = out->len;

    put_number(out, 16 + headers.len + payload.len);
    put_number(out, headers.len);
    put_number(out, crc32(0, (const Bytef *)out->at + from, 8));
    tg_buf_str(out, headers);
    tg_buf_str(out, payload);
    put_number(out, crc32(0, (const Bytef *)out->at + from, (uInt)(out->len - from)));
}

static struct tg_str take(struct tg_str *from, size_t n)
{
    struct tg_str part = { from->at, n < from->len ? n : from->len };

    from->at += part.len;
    from->len -= part.len;
    return part;
}

static const struct tg_str usual[8] = {
    { "", 0 },
    { "\x0d:message-type\x07\0\x05" "event", 22 },
    { "\x0d:message-type\x07\0\x09" "exception", 26 },
    { "\x0d:message-type\x07\0\x05" "error", 22 },
    { "\x0b:event-type\x07\0\x01" "a", 16 },
    { "\x0f:exception-type\x07\0\x01" "b", 20 },
    { "\x0b:error-code\x07\0\x01" "c", 16 },
    { "\x0e:error-message\x07\0\x03\"d\"", 21 },
};

/* The stream, and what it says. False when not all of it is known to be good. */
static bool compose(struct tg_str in, struct tg_buf *stream, struct tg_buf *plain)
{
    struct tg_buf headers = { 0 };
    bool is_good = true;

    while (in.len >= 4) {
        struct tg_str how = take(&in, 4);
        struct tg_str more = take(&in, (uint8_t)how.at[2]), payload = take(&in, (uint8_t)how.at[3]);
        tg_buf_reset(&headers);
        tg_buf_str(&headers, usual[how.at[0] & 7]);
        tg_buf_str(&headers, usual[how.at[0] >> 3 & 7]);
        tg_buf_str(&headers, more);
        if (how.at[1] & 1) {
            tg_buf_str(stream, payload);
            is_good = is_good && payload.len == 0;
        }
        put_message(stream, tg_buf_view(&headers), payload);
        is_good = is_good && plain_read(tg_buf_view(&headers), payload, plain);
    }
    tg_buf_done(&headers);
    return is_good;
}

static tg_err read_cut(struct tg_str s, const uint8_t *cuts, size_t limit, struct tg_buf *out,
                       bool *is_cut)
{
    struct tg_eventstream r;
    struct tg_eventstream_event ev;
    tg_err err = TG_AGAIN;

    tg_eventstream_init(&r, limit);
    for (size_t at = 0, n, i = 0; at < s.len && err == TG_AGAIN; at += n, i++) {
        n = cuts ? cuts[i % 4] % 48u + (i % 8 == 7) : s.len;     /* zeros only would not end */
        n = n < s.len - at ? n : s.len - at;
        char *piece = malloc(n ? n : 1);                         /* gone after TG_AGAIN */
        memcpy(piece, s.at + at, n);
        err = tg_eventstream_feed(&r, (struct tg_str){ piece, n });
        while (!err && !(err = tg_eventstream_next(&r, &ev))) {
            put_event(out, ev.name, ev.data, ev.is_error);
            MUST(!ev.is_error || ev.data.len > 0);
        }
        MUST(r.carry.held.len <= (limit > 12 ? limit : 12) && !r.told.at);
        free(piece);
    }
    MUST(err == TG_AGAIN || err == TG_EINVAL || err == TG_ETOOBIG);
    *is_cut = tg_eventstream_is_cut(&r);
    tg_eventstream_done(&r);
    return err;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct tg_buf stream = { 0 }, plain = { 0 }, whole = { 0 }, cut = { 0 };
    bool whole_cut = false, cut_cut = false;

    if (size < 6)
        return 0;
    struct tg_str in = { (const char *)data + 5, size - 5 };
    size_t limit = data[4] & 1 ? 8 + (data[4] >> 1) : 1 << 20;

    bool is_good = compose(in, &stream, &plain);
    struct tg_str s = tg_buf_view(&stream);
    tg_err err = read_cut(s, NULL, limit, &whole, &whole_cut);
    MUST(read_cut(s, data, limit, &cut, &cut_cut) == err);
    MUST(tg_str_eq(tg_buf_view(&whole), tg_buf_view(&cut)) && whole_cut == cut_cut);
    if (is_good && err != TG_ETOOBIG) {
        MUST(err == TG_AGAIN && !whole_cut);
        MUST(tg_str_eq(tg_buf_view(&whole), tg_buf_view(&plain)));
    }
    tg_buf_done(&stream);
    tg_buf_done(&plain);
    tg_buf_done(&whole);
    tg_buf_done(&cut);
    return 0;
}
