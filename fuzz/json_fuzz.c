/* Any bytes as JSON: the check agrees with one written the plain way, every
 * reader stays inside the text, and what passed the check reads back. */
#include <math.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "wire/json.h"
#include "wire/scan.h"
#include "wire/utf8.h"

#define MUST(cond) ((cond) ? (void)0 : abort())

/* ---- the grammar, a byte at a time ---- */

struct plain {
    const uint8_t *at, *end;
    unsigned depth_max;
    tg_err err;
};

static bool plain_value(struct plain *p, unsigned depth);

static int look(const struct plain *p)
{
    return p->at < p->end ? *p->at : -1;
}

static bool take(struct plain *p, int from, int to)
{
    if (look(p) < from || look(p) > to)
        return false;
    p->at++;
    return true;
}

static void plain_space(struct plain *p)
{
    while (take(p, ' ', ' ') || take(p, '\t', '\n') || take(p, '\r', '\r'))
        ;
}

static bool plain_hex(struct plain *p)
{
    return take(p, '0', '9') || take(p, 'a', 'f') || take(p, 'A', 'F');
}

/* One character of more than one byte; stays in front of a bad one. */
static bool plain_character(struct plain *p)
{
    static const struct { uint8_t first, last, low, high; int more; } forms[] = {
        { 0xc2, 0xdf, 0x80, 0xbf, 0 }, { 0xe0, 0xe0, 0xa0, 0xbf, 1 }, { 0xe1, 0xec, 0x80, 0xbf, 1 },
        { 0xed, 0xed, 0x80, 0x9f, 1 }, { 0xee, 0xef, 0x80, 0xbf, 1 }, { 0xf0, 0xf0, 0x90, 0xbf, 2 },
        { 0xf1, 0xf3, 0x80, 0xbf, 2 }, { 0xf4, 0xf4, 0x80, 0x8f, 2 },
    };
    const uint8_t *start = p->at;

    for (size_t i = 0; i < sizeof forms / sizeof *forms; i++) {
        if (!take(p, forms[i].first, forms[i].last))
            continue;
        bool good = take(p, forms[i].low, forms[i].high);
        for (int more = forms[i].more; good && more > 0; more--)
            good = take(p, 0x80, 0xbf);
        if (!good)
            p->at = start;
        return good;
    }
    return false;
}

static bool plain_string(struct plain *p)
{
    if (!take(p, '"', '"'))
        return false;
    while (!take(p, '"', '"')) {
        if (take(p, '\\', '\\')) {
            if (take(p, 'u', 'u')) {
                for (int i = 0; i < 4; i++)
                    if (!plain_hex(p))
                        return false;
            } else if (look(p) < 0x21 || look(p) > 0x7e || !strchr("\"\\/bfnrt", look(p))) {
                return false;
            } else {
                p->at++;
            }
        } else if (!take(p, 0x20, 0x7f) && !plain_character(p)) {
            return false;
        }
    }
    return true;
}

static bool plain_digits(struct plain *p)
{
    if (!take(p, '0', '9'))
        return false;
    while (take(p, '0', '9'))
        ;
    return true;
}

static bool plain_number(struct plain *p)
{
    take(p, '-', '-');
    if (!take(p, '0', '0') && !plain_digits(p))
        return false;
    if (take(p, '.', '.') && !plain_digits(p))
        return false;
    if (!take(p, 'e', 'e') && !take(p, 'E', 'E'))
        return true;
    if (!take(p, '+', '+'))
        take(p, '-', '-');
    return plain_digits(p);
}

static bool plain_word(struct plain *p, const char *word)
{
    for (; *word; word++)
        if (!take(p, *word, *word))
            return false;
    return true;
}

static bool plain_container(struct plain *p, int close, unsigned depth)
{
    if (depth == p->depth_max) {
        p->err = TG_EDEPTH;
        return false;
    }
    p->at++;
    plain_space(p);
    if (take(p, close, close))
        return true;
    do {
        plain_space(p);
        if (close == '}') {
            if (!plain_string(p))
                return false;
            plain_space(p);
            if (!take(p, ':', ':'))
                return false;
            plain_space(p);
        }
        if (!plain_value(p, depth + 1))
            return false;
        plain_space(p);
    } while (take(p, ',', ','));
    return take(p, close, close);
}

static bool plain_value(struct plain *p, unsigned depth)
{
    switch (look(p)) {
    case '{': return plain_container(p, '}', depth);
    case '[': return plain_container(p, ']', depth);
    case '"': return plain_string(p);
    case 't': return plain_word(p, "true");
    case 'f': return plain_word(p, "false");
    case 'n': return plain_word(p, "null");
    default:  return plain_number(p);
    }
}

static tg_err plain_check(struct tg_str text, unsigned depth_max, size_t *where)
{
    struct plain p = { (const uint8_t *)text.at, (const uint8_t *)text.at + text.len, depth_max,
                       TG_EINVAL };
    plain_space(&p);
    bool good = plain_value(&p, 0);
    if (good)
        plain_space(&p);
    *where = (size_t)(p.at - (const uint8_t *)text.at);
    return good && p.at == p.end ? TG_OK : good ? TG_EINVAL : p.err;
}

/* ---- the ways to look at many bytes ---- */

static void ways_agree(const char *p, const char *end)
{
    bool closed = false;
    const char *string = tg_scan_string_by(tg_scan_mask_portable, p, end, &closed);
    const char *container = tg_scan_container_by(tg_scan_mask_portable, p, end);
    const char *bad = tg_utf8_bad_portable(p, end);
    bool closed_too = false;

    MUST(tg_scan_string(p, end, &closed_too) == string && closed == closed_too);
    MUST(tg_scan_container(p, end) == container && tg_utf8_bad(p, end) == bad);
#if TG_SCAN_X86
    closed_too = false;
    MUST(tg_scan_string_by(tg_scan_mask_sse2, p, end, &closed_too) == string);
    MUST(closed == closed_too);
    MUST(tg_scan_container_by(tg_scan_mask_sse2, p, end) == container);
#endif
    MUST(string <= end && container <= end && bad <= end);
}

/* ---- the readers ---- */

static void read_string(struct tg_json value, bool checked)
{
    struct tg_buf text = { 0 }, written = { 0 }, back = { 0 };
    struct tg_json again;
    struct tg_str plain;

    MUST(tg_json_text(value, &text) == TG_OK);
    if (tg_json_plain(value, &plain))
        MUST(tg_str_eq(plain, tg_buf_view(&text)));
    MUST(tg_json_has_text(value) == (text.len > 0) || !checked);
    if (!memchr(text.at ? text.at : "", 0, text.len) && checked)
        MUST(tg_json_is(value, tg_buf_cstr(&text)));
    MUST(tg_json_put_text(&written, tg_buf_view(&text)) == TG_OK);
    MUST(tg_json_check(tg_buf_view(&written), 0, &again, NULL) == TG_OK);
    MUST(tg_json_text(again, &back) == TG_OK);
    if (checked)
        MUST(tg_str_eq(tg_buf_view(&back), tg_buf_view(&text)));
    tg_buf_done(&text);
    tg_buf_done(&written);
    tg_buf_done(&back);
}

static void read_number(struct tg_json value, bool checked)
{
    struct tg_buf written = { 0 };
    struct tg_json again;
    int64_t whole = 0;
    double nearest = 0, back = 1;
    bool is_whole = tg_json_i64(value, &whole), is_finite = tg_json_double(value, &nearest);

    if (is_whole && checked)
        MUST(is_finite && nearest == (double)whole);
    if (is_finite && checked) {
        char text[400];
        size_t n = value.raw.len < sizeof text - 1 ? value.raw.len : 0;
        memcpy(text, value.raw.at, n);
        text[n] = '\0';
        MUST(n == 0 || strtod(text, NULL) == nearest);
    }
    if (is_finite) {
        MUST(tg_json_put_double(&written, nearest) == TG_OK);
        MUST(tg_json_check(tg_buf_view(&written), 0, &again, NULL) == TG_OK);
        MUST(tg_json_double(again, &back) && memcmp(&back, &nearest, sizeof back) == 0);
    }
    tg_buf_done(&written);
}

/* Bounded in depth: unchecked text may be nested without end. */
static void read_value(struct tg_json value, bool checked, int depth)
{
    struct tg_json_iter it;
    struct tg_str key;
    struct tg_json child;
    size_t n = 0;

    if (value.kind == TG_JSON_STRING)
        read_string(value, checked);
    if (value.kind == TG_JSON_NUMBER)
        read_number(value, checked);
    if (depth == 0)
        return;
    const char *at = value.raw.at;
    tg_json_iter_init(&it, value);
    for (; tg_json_next(&it, &key, &child); n++) {
        MUST(child.raw.len > 0 && child.raw.at >= at);
        at = child.raw.at + child.raw.len;
        MUST(at <= value.raw.at + value.raw.len);
        MUST(!checked || tg_json_check(child.raw, 512, NULL, NULL) == TG_OK);
        tg_json_key_is(key, "model");
        read_value(child, checked, depth - 1);
    }
    MUST(n == tg_json_count(value));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const enum tg_json_kind kinds[] = {
        TG_JSON_OBJECT, TG_JSON_ARRAY, TG_JSON_STRING, TG_JSON_NUMBER,
    };
    struct tg_str text = { (const char *)data, size };
    struct tg_json root = { 0 };
    size_t where = 0, want = 0;
    unsigned depth_max = size % 2 ? TG_JSON_DEPTH_MAX : 5;

    tg_err err = tg_json_check(text, depth_max, &root, &where);
    MUST(err == plain_check(text, depth_max, &want));
    MUST(!err || where == want);
    if (size)
        ways_agree(text.at, text.at + size);
    if (!err)
        read_value(root, true, 6);
    for (size_t i = 0; size && i < sizeof kinds / sizeof *kinds; i++)
        read_value((struct tg_json){ text, kinds[i] }, false, 4);
    return 0;
}
