/* Any bytes as an event stream: however they are cut they give what a reader
 * gives that has all of them, and nothing is held past the limit. The first
 * bytes say how to cut. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "wire/sse.h"

#define MUST(cond) ((cond) ? (void)0 : abort())

static void put_length(struct tg_buf *out, struct tg_str s)
{
    tg_buf_u64(out, s.len);
    tg_buf_char(out, ':');
    tg_buf_str(out, s);
}

static void put_event(struct tg_buf *out, struct tg_str name, struct tg_str data, struct tg_str id)
{
    tg_buf_char(out, 'E');
    put_length(out, name);
    put_length(out, data);
    put_length(out, id);
}

/* ---- the standard's own words, over the whole stream ---- */

struct plain {
    struct tg_buf data, name, id, *out;
    bool has_data, wants_comments, in_event;
};

static void plain_line(struct plain *p, struct tg_str line)
{
    struct tg_str field, value;

    if (line.len == 0) {
        if (p->has_data)
            put_event(p->out, tg_buf_view(&p->name), tg_buf_view(&p->data), tg_buf_view(&p->id));
        tg_buf_reset(&p->data);
        tg_buf_reset(&p->name);
        p->has_data = p->in_event = false;
        return;
    }
    tg_str_cut(line, ':', &field, &value);
    if (value.len && *value.at == ' ')
        value.at++, value.len--;
    if (*line.at == ':') {
        if (p->wants_comments)
            tg_buf_char(p->out, 'C'), put_length(p->out, value);
        return;
    }
    p->in_event = true;
    if (tg_str_is(field, "data")) {
        if (p->has_data)
            tg_buf_char(&p->data, '\n');
        tg_buf_str(&p->data, value);
        p->has_data = true;
    } else if (tg_str_is(field, "event")) {
        tg_buf_reset(&p->name);
        tg_buf_str(&p->name, value);
    } else if (tg_str_is(field, "id") && !(value.len && memchr(value.at, 0, value.len))) {
        tg_buf_reset(&p->id);
        tg_buf_str(&p->id, value);
    }
}

static bool plain_read(struct tg_str s, bool wants_comments, struct tg_buf *out)
{
    struct plain p = { .out = out, .wants_comments = wants_comments };
    bool has_mark = tg_str_starts(s, "\xef\xbb\xbf");
    size_t at = has_mark ? 3 : 0, from = at;

    for (; at < s.len; at++) {
        if (s.at[at] != '\n' && s.at[at] != '\r')
            continue;
        plain_line(&p, (struct tg_str){ s.at + from, at - from });
        if (s.at[at] == '\r' && at + 1 < s.len && s.at[at + 1] == '\n')
            at++;
        from = at + 1;
        has_mark = false;
    }
    /* The mark is part of the first line as long as that is unfinished. */
    bool cut = p.in_event || has_mark || (from < s.len && s.at[from] != ':');
    tg_buf_done(&p.data);
    tg_buf_done(&p.name);
    tg_buf_done(&p.id);
    return cut;
}

/* ---- ours ---- */

static tg_err read_cut(struct tg_str s, const uint8_t *cuts, size_t limit, bool wants_comments,
                       struct tg_buf *out, bool *is_cut)
{
    struct tg_sse r;
    struct tg_sse_event ev;
    tg_err err = TG_AGAIN;

    tg_sse_init(&r, limit, wants_comments);
    for (size_t at = 0, n, i = 0; at < s.len && err == TG_AGAIN; at += n, i++) {
        n = cuts ? cuts[i % 4] % 48u + (i % 8 == 7) : s.len;     /* zeros only would not end */
        n = n < s.len - at ? n : s.len - at;
        char *piece = malloc(n ? n : 1);           /* gone after TG_AGAIN */
        memcpy(piece, s.at + at, n);
        err = tg_sse_feed(&r, (struct tg_str){ piece, n });
        while (!err && !(err = tg_sse_next(&r, &ev))) {
            if (ev.is_comment)
                tg_buf_char(out, 'C'), put_length(out, ev.data);
            else
                put_event(out, ev.name, ev.data, ev.id);
        }
        MUST(r.line.len + r.data.len + r.name.len + r.id.len <= limit);
        free(piece);
    }
    *is_cut = tg_sse_is_cut(&r);
    tg_sse_done(&r);
    return err;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct tg_buf plain = { 0 }, whole = { 0 }, cut = { 0 };
    bool whole_cut = false, cut_cut = false;

    if (size < 6)
        return 0;
    struct tg_str s = { (const char *)data + 5, size - 5 };
    bool wants_comments = data[4] & 1;
    size_t limit = data[4] & 2 ? 8 + (data[4] >> 2) : 1 << 20;

    bool plain_cut = plain_read(s, wants_comments, &plain);
    tg_err err = read_cut(s, NULL, limit, wants_comments, &whole, &whole_cut);
    MUST(read_cut(s, data, limit, wants_comments, &cut, &cut_cut) == err);
    MUST(tg_str_eq(tg_buf_view(&whole), tg_buf_view(&cut)) && whole_cut == cut_cut);
    if (err == TG_AGAIN)
        MUST(tg_str_eq(tg_buf_view(&whole), tg_buf_view(&plain)) && whole_cut == plain_cut);
    else if (s.len)
        MUST(err == TG_ETOOBIG && whole.len <= plain.len &&
             (whole.len == 0 || memcmp(plain.at, whole.at, whole.len) == 0));
    tg_buf_done(&plain);
    tg_buf_done(&whole);
    tg_buf_done(&cut);
    return 0;
}
