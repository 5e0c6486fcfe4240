#include "route/reading.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "route/text.h"

/* ---- complaints ---- */

static size_t line_of(struct tg_str text, const char *at)
{
    size_t line = 1;

    for (const char *p = text.at; p < at && (p = memchr(p, '\n', (size_t)(at - p))); p++)
        line++;
    return line;
}

void tg_reading_complain(struct tg_reading *r, const char *at, const char *format, ...)
{
    char sentence[512];
    va_list args;

    if (r->err)
        return;
    va_start(args, format);
    vsnprintf(sentence, sizeof sentence, format, args);
    va_end(args);
    tg_buf_printf(r->why, "%s:%zu: ", r->name, line_of(r->text, at));
    if (r->about.len)
        tg_buf_printf(r->why, "%.*s: ", (int)r->about.len, r->about.at);
    r->err = tg_buf_z(r->why, sentence) ? TG_ENOMEM : TG_EINVAL;
}

/* The value as written, on one line and not too long. */
struct shown {
    char text[TG_READING_SHOWN_MAX + 4];
};

static struct shown shown(struct tg_str raw)
{
    struct shown s;
    size_t n = raw.len < TG_READING_SHOWN_MAX ? raw.len : TG_READING_SHOWN_MAX;

    memcpy(s.text, raw.at, n);
    for (size_t i = 0; i < n; i++)
        if ((unsigned char)s.text[i] < ' ')
            s.text[i] = ' ';
    memcpy(s.text + n, raw.len > n ? "..." : "", raw.len > n ? 4 : 1);
    return s;
}

void tg_reading_complain_kind(struct tg_reading *r, struct tg_json v, const char *key,
                              const char *kind)
{
    tg_reading_complain(r, v.raw.at, "\"%s\" must be %s, not %s", key, kind, shown(v.raw).text);
}

void tg_reading_complain_json(struct tg_reading *r, tg_err err, size_t where)
{
    const char *at = r->text.at + where, *line = at;

    while (line > r->text.at && line[-1] != '\n')
        line--;
    if (err == TG_EDEPTH)
        tg_reading_complain(r, at, "nested deeper than %d levels", TG_JSON_DEPTH_MAX);
    else if (where == r->text.len)
        tg_reading_complain(r, at, "the JSON ends too early");
    else
        tg_reading_complain(r, at, "not JSON from column %zu on: %s", (size_t)(at - line) + 1,
                            shown((struct tg_str){ at, r->text.len - where }).text);
}

/* ---- values ---- */

bool tg_reading_is_given(struct tg_json v)
{
    return v.kind != TG_JSON_NONE && v.kind != TG_JSON_NULL;
}

void tg_reading_text(struct tg_reading *r, struct tg_json v, const char *key, struct tg_str *out)
{
    if (r->err || !tg_reading_is_given(v))
        return;
    if (v.kind != TG_JSON_STRING)
        tg_reading_complain_kind(r, v, key, "a string");
    else
        r->err = tg_text_of(v, r->arena, out);
}

static bool has_control(struct tg_str s)
{
    for (size_t i = 0; i < s.len; i++)
        if ((unsigned char)s.at[i] < ' ' || s.at[i] == 0x7f)
            return true;
    return false;
}

void tg_reading_name(struct tg_reading *r, struct tg_json v, const char *key, size_t max,
                     struct tg_str *out)
{
    struct tg_str name = { 0 };

    tg_reading_text(r, v, key, &name);
    if (r->err || !tg_reading_is_given(v))
        return;
    if (!name.len || name.len > max || has_control(name))
        tg_reading_complain(r, v.raw.at, "\"%s\" must have 1 to %zu bytes, none of them a "
                            "control character", key, max);
    else
        *out = name;
}

static bool is_slug(struct tg_str s)
{
    static const bool others[256] = { ['.'] = true, ['/'] = true, [':'] = true, ['@'] = true,
                                      ['_'] = true, ['~'] = true, ['+'] = true, ['-'] = true };

    for (size_t i = 0; i < s.len; i++) {
        unsigned char c = (unsigned char)s.at[i], lower = c | 0x20;
        if ((c < '0' || c > '9') && (lower < 'a' || lower > 'z') && !others[c])
            return false;
    }
    return true;
}

void tg_reading_slug(struct tg_reading *r, struct tg_json v, const char *key, size_t max,
                     struct tg_str *out)
{
    struct tg_str name = { 0 };

    tg_reading_name(r, v, key, max, &name);
    if (r->err || !tg_reading_is_given(v))
        return;
    if (is_slug(name))
        *out = name;
    else
        tg_reading_complain_kind(r, v, key, "of letters, digits and ./:@_~+- only");
}

void tg_reading_int(struct tg_reading *r, struct tg_json v, const char *key, int64_t least,
                    int64_t *out)
{
    int64_t n;

    if (r->err || !tg_reading_is_given(v))
        return;
    if (v.kind == TG_JSON_NUMBER && tg_json_i64(v, &n) && n >= least)
        *out = n;
    else
        tg_reading_complain_kind(r, v, key, least < 0 ? "a whole number"
                                                      : "a whole number from 0 on");
}

void tg_reading_bool(struct tg_reading *r, struct tg_json v, const char *key, bool *out)
{
    if (!r->err && tg_reading_is_given(v) && !tg_json_bool(v, out))
        tg_reading_complain_kind(r, v, key, "true or false");
}

void tg_reading_object(struct tg_reading *r, struct tg_json v, const char *key)
{
    if (!r->err && tg_reading_is_given(v) && v.kind != TG_JSON_OBJECT)
        tg_reading_complain_kind(r, v, key, "an object");
}

void tg_reading_bits(struct tg_reading *r, struct tg_json v, const char *key,
                     int (*of)(struct tg_str), uint32_t *out)
{
    struct tg_json_iter it;
    struct tg_str none, word;
    struct tg_json item;
    uint32_t bits = 0;

    if (r->err || !tg_reading_is_given(v))
        return;
    if (v.kind != TG_JSON_ARRAY)
        tg_reading_complain_kind(r, v, key, "an array of strings");
    tg_json_iter_init(&it, v);
    while (!r->err && tg_json_next(&it, &none, &item)) {
        if (item.kind != TG_JSON_STRING)
            tg_reading_complain_kind(r, item, key, "an array of strings");
        int bit = tg_json_plain(item, &word) ? of(word) : -1;
        if (bit >= 0)
            bits |= UINT32_C(1) << bit;
    }
    if (!r->err)
        *out = bits;
}
