/* json.h -- read JSON where it stands, and write it.
 *
 * Nothing is decoded that nobody asked for: a value is a view of its own text,
 * so numbers keep every digit, `[]` stays `[]`, and what is passed on is the
 * bytes that came. The usual loop:
 *
 *     if ((err = tg_json_check(text, TG_JSON_DEPTH_MAX, &root, &where)))
 *         ... where is the offset of the first wrong byte
 *     tg_json_iter_init(&it, root);
 *     while (tg_json_next(&it, &key, &value))
 *         ...
 *
 * tg_json_check() holds the text to RFC 8259 to the last byte, UTF-8 included.
 * All other readers expect text that passed it; on other text they stay inside
 * its bounds and may answer nonsense. */
#ifndef TG_JSON_H
#define TG_JSON_H

#include <stdbool.h>
#include <stdint.h>
#include "base/buf.h"
#include "base/err.h"
#include "base/str.h"

enum {
    TG_JSON_DEPTH_MAX = 512        /* arrays and objects inside one another */
};

enum tg_json_kind {
    TG_JSON_NONE,      /* absent: what a failed look-up gives */
    TG_JSON_NULL,
    TG_JSON_FALSE,
    TG_JSON_TRUE,
    TG_JSON_NUMBER,
    TG_JSON_STRING,
    TG_JSON_ARRAY,
    TG_JSON_OBJECT
};

/* A value: its text, without white space around it; strings with their
 * quotes. Holds as long as the text it was found in. */
struct tg_json {
    struct tg_str     raw;
    enum tg_json_kind kind;
};

/* Is the whole text one JSON value, nested at most `depth_max` deep?
 * TG_EINVAL or TG_EDEPTH with the offset of the offending byte in *where
 * otherwise (both pointers may be NULL). Linear in the text, no allocation,
 * no recursion. */
tg_err tg_json_check(struct tg_str text, unsigned depth_max, struct tg_json *root, size_t *where);

/* ---- walk ---- */

struct tg_json_iter {
    const char *at, *end;
    bool is_object;
};

/* Over the members of an object or the elements of an array; over nothing
 * when the value is neither. */
void tg_json_iter_init(struct tg_json_iter *it, struct tg_json container);

/* The next one; false at the end. `key` is the text between the quotes, still
 * escaped (compare with tg_json_key_is()); empty for array elements. */
bool tg_json_next(struct tg_json_iter *it, struct tg_str *key, struct tg_json *value);

/* Is this key, as tg_json_next() gave it, the given name? Escapes count. */
bool tg_json_key_is(struct tg_str key, const char *name);

/* The member of that name; the last one when there are several. Kind
 * TG_JSON_NONE when there is none or the value is no object. */
struct tg_json tg_json_get(struct tg_json object, const char *name);

/* How many members or elements; 0 for anything else. */
size_t tg_json_count(struct tg_json container);

/* One member of an object, with where it starts: for edits (wire/edit.h). */
struct tg_json_member {
    struct tg_str  key;        /* between the quotes, still escaped */
    struct tg_json value;
    const char    *from;       /* the key's opening quote */
};

/* All members in the order of the text. TG_ETOOBIG when there are more than
 * `cap`, TG_EINVAL when the value is no object. */
tg_err tg_json_members(struct tg_json object, struct tg_json_member *out, size_t cap,
                       size_t *count);

/* ---- look at one value ---- */

/* Append the string's characters, unescaped, as UTF-8 (a lone surrogate
 * becomes U+FFFD). TG_EINVAL when the value is no string. */
tg_err tg_json_text(struct tg_json value, struct tg_buf *out);

/* The string's characters without copying: false when it is no string or has
 * escapes (then use tg_json_text()). */
bool tg_json_plain(struct tg_json value, struct tg_str *out);

/* Is it this string? Escapes count. */
bool tg_json_is(struct tg_json value, const char *text);

/* Does the string hold at least one character? */
bool tg_json_has_text(struct tg_json value);

/* true/false; false return when it is neither. */
bool tg_json_bool(struct tg_json value, bool *out);

/* A number that is a whole number and fits, however it is written (10, 1e1,
 * 10.0). No floating point on the way. */
bool tg_json_i64(struct tg_json value, int64_t *out);

/* A finite number, nearest double. */
bool tg_json_double(struct tg_json value, double *out);

/* ---- write ---- */

/* Append `s` as a JSON string with its quotes. Bytes that are not UTF-8
 * become U+FFFD. */
tg_err tg_json_put_text(struct tg_buf *out, struct tg_str s);

/* Append a comma unless the last byte opens a container or the buffer is empty. */
void tg_json_put_comma(struct tg_buf *out);

/* Append `,"name":` (without the comma behind an opening brace). `name` is
 * written as it is. */
void tg_json_put_name(struct tg_buf *out, const char *name);

/* Append a finite double with the fewest digits that read back the same;
 * `null` for others. */
tg_err tg_json_put_double(struct tg_buf *out, double value);

#endif
