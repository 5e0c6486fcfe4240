/* elements_fuzz.c -- any bytes as an array that arrives in pieces: they give
 * the same however they are cut; JSON gives what is in it, and the beginning
 * of JSON never looks whole. The first bytes say how to cut. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "wire/elements.h"
#include "wire/json.h"

#define MUST(cond) ((cond) ? (void)0 : abort())

static void put_element(struct tg_buf *out, struct tg_str s)
{
    tg_buf_u64(out, s.len);
    tg_buf_char(out, ':');
    tg_buf_str(out, s);
}

/* False when the text is no JSON that can be read so. */
static bool plain_read(struct tg_str s, struct tg_buf *out)
{
    struct tg_json root, element;
    struct tg_json_iter it;
    struct tg_str key;

    if (tg_json_check(s, TG_JSON_DEPTH_MAX, &root, NULL))
        return false;
    if (root.kind == TG_JSON_OBJECT)
        put_element(out, root.raw);
    tg_json_iter_init(&it, root);
    while (root.kind == TG_JSON_ARRAY && tg_json_next(&it, &key, &element))
        put_element(out, element.raw);
    return root.kind == TG_JSON_OBJECT || root.kind == TG_JSON_ARRAY;
}

static tg_err read_cut(struct tg_str s, const uint8_t *cuts, size_t limit, struct tg_buf *out,
                       bool *is_cut)
{
    struct tg_elements r;
    struct tg_str element;
    tg_err err = TG_AGAIN;

    tg_elements_init(&r, limit);
    for (size_t at = 0, n, i = 0; at < s.len && err == TG_AGAIN; at += n, i++) {
        n = cuts ? cuts[i % 4] % 48u + (i % 8 == 7) : s.len;     /* zeros only would not end */
        n = n < s.len - at ? n : s.len - at;
        char *piece = malloc(n ? n : 1);                         /* gone after TG_AGAIN */
        memcpy(piece, s.at + at, n);
        err = tg_elements_feed(&r, (struct tg_str){ piece, n });
        while (!err && !(err = tg_elements_next(&r, &element))) {
            MUST(element.len > 0 && element.len <= limit);
            put_element(out, element);
        }
        MUST(r.carry.held.len <= limit);
        free(piece);
    }
    MUST(err == TG_AGAIN || err == TG_EINVAL || err == TG_ETOOBIG || err == TG_EDEPTH);
    *is_cut = tg_elements_is_cut(&r);
    tg_elements_done(&r);
    return err;
}

static bool is_blank(struct tg_str s)
{
    while (s.len && memchr(" \t\r\n", *s.at, 4))
        s.at++, s.len--;
    return s.len == 0;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct tg_buf plain = { 0 }, whole = { 0 }, cut = { 0 }, part = { 0 };
    bool whole_cut = false, cut_cut = false, part_cut = false;

    if (size < 6)
        return 0;
    struct tg_str s = { (const char *)data + 5, size - 5 };
    size_t limit = data[4] & 1 ? 8 + (data[4] >> 1) : 1 << 20;

    tg_err err = read_cut(s, NULL, limit, &whole, &whole_cut);
    MUST(read_cut(s, data, limit, &cut, &cut_cut) == err);
    MUST(tg_str_eq(tg_buf_view(&whole), tg_buf_view(&cut)) && whole_cut == cut_cut);
    if (plain_read(s, &plain) && err != TG_ETOOBIG) {
        MUST(err == TG_AGAIN && !whole_cut);
        MUST(tg_str_eq(tg_buf_view(&whole), tg_buf_view(&plain)));
        struct tg_str rest = { s.at + data[0] % s.len, s.len - data[0] % s.len };
        struct tg_str begin = { s.at, s.len - rest.len };
        MUST(read_cut(begin, data, limit, &part, &part_cut) == TG_AGAIN);
        MUST(part_cut || is_blank(begin) || is_blank(rest));
    }
    tg_buf_done(&plain);
    tg_buf_done(&whole);
    tg_buf_done(&cut);
    tg_buf_done(&part);
    return 0;
}
