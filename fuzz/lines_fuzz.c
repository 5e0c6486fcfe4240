/* lines_fuzz.c -- any bytes as lines: however they are cut they give what a
 * plain reading of all of them gives, and nothing is held past the limit. The
 * first bytes say how to cut. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "wire/lines.h"

#define MUST(cond) ((cond) ? (void)0 : abort())

static void put_line(struct tg_buf *out, struct tg_str s)
{
    tg_buf_u64(out, s.len);
    tg_buf_char(out, ':');
    tg_buf_str(out, s);
}

/* All lines, the last one without its end among them. */
static tg_err plain_read(struct tg_str s, size_t limit, struct tg_buf *out)
{
    for (size_t from = 0, end; from < s.len; from = end + 1) {
        end = from;
        while (end < s.len && s.at[end] != '\n')
            end++;
        struct tg_str line = { s.at + from, end - from };
        if (line.len > limit)
            return TG_ETOOBIG;
        if (from == 0 && line.len >= 3 && memcmp(line.at, "\xef\xbb\xbf", 3) == 0)
            line.at += 3, line.len -= 3;
        if (line.len && line.at[line.len - 1] == '\r')
            line.len--;
        bool has_text = false;
        for (size_t i = 0; i < line.len; i++)
            has_text = has_text || (line.at[i] != ' ' && line.at[i] != '\t');
        if (has_text)
            put_line(out, line);
    }
    return TG_AGAIN;
}

static tg_err pull(struct tg_lines *r, struct tg_buf *out)
{
    struct tg_str line;
    tg_err err;

    while (!(err = tg_lines_next(r, &line)))
        put_line(out, line);
    return err;
}

static tg_err read_cut(struct tg_str s, const uint8_t *cuts, size_t limit, struct tg_buf *out)
{
    struct tg_lines r;
    tg_err err = TG_AGAIN;

    tg_lines_init(&r, limit);
    for (size_t at = 0, n, i = 0; at < s.len && err == TG_AGAIN; at += n, i++) {
        n = cuts[i % 4] % 48u + (i % 8 == 7);                    /* zeros only would not end */
        n = n < s.len - at ? n : s.len - at;
        char *piece = malloc(n ? n : 1);                         /* gone after TG_AGAIN */
        memcpy(piece, s.at + at, n);
        err = tg_lines_feed(&r, (struct tg_str){ piece, n });
        err = err ? err : pull(&r, out);
        MUST(r.carry.held.len <= limit);
        free(piece);
    }
    size_t before = out->len;
    bool is_cut = tg_lines_is_cut(&r);
    tg_lines_finish(&r);
    MUST(pull(&r, out) == err);
    MUST(is_cut == (out->len > before) && !tg_lines_is_cut(&r));
    tg_lines_done(&r);
    return err;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct tg_buf plain = { 0 }, cut = { 0 };

    if (size < 6)
        return 0;
    struct tg_str s = { (const char *)data + 5, size - 5 };
    size_t limit = data[4] & 1 ? 8 + (data[4] >> 1) : 1 << 20;

    tg_err err = plain_read(s, limit, &plain);
    MUST(read_cut(s, data, limit, &cut) == err);
    MUST(tg_str_eq(tg_buf_view(&plain), tg_buf_view(&cut)));
    tg_buf_done(&plain);
    tg_buf_done(&cut);
    return 0;
}
