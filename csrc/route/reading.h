/* reading.h -- take typed values out of a file that the operator wrote, and
 * say where it is wrong: "name:line: about: what".
 *
 * Each function leaves *out as it was when the value is absent or null, and
 * complains when it is something else than it must be. After the first
 * complaint nothing more is read and `err` stays, so that a run of values may
 * be checked once at its end. `key` is how a complaint calls the value. */
#ifndef TG_READING_H
#define TG_READING_H

#include <stdbool.h>
#include <stdint.h>
#include "base/arena.h"
#include "base/buf.h"
#include "wire/json.h"

enum {
    TG_READING_SHOWN_MAX = 60      /* bytes of an offending value that are shown */
};

struct tg_reading {
    struct tg_str    text;         /* the whole file; outlives what is read */
    const char      *name;         /* of the file */
    struct tg_str    about;        /* id of the thing being read, may be empty */
    struct tg_arena *arena;        /* for texts with escapes */
    struct tg_buf   *why;          /* gets the one line */
    tg_err           err;          /* TG_EINVAL after a complaint, TG_ENOMEM */
};

/* Neither absent nor null? */
bool tg_reading_is_given(struct tg_json v);

/* Complain about what stands at `at` in the text. */
void tg_reading_complain(struct tg_reading *r, const char *at, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

/* "key" must be <kind>, not <value>. */
void tg_reading_complain_kind(struct tg_reading *r, struct tg_json v, const char *key,
                              const char *kind);

/* What tg_json_check() found at this offset. */
void tg_reading_complain_json(struct tg_reading *r, tg_err err, size_t where);

/* A string. */
void tg_reading_text(struct tg_reading *r, struct tg_json v, const char *key,
                     struct tg_str *out);

/* A string of 1 to `max` bytes without control characters: it will stand in
 * requests and logs. */
void tg_reading_name(struct tg_reading *r, struct tg_json v, const char *key, size_t max,
                     struct tg_str *out);

/* A name that clients write, too: letters, digits and ./:@_~+- only, which mean
 * nothing else in a URL's path or a header. */
void tg_reading_slug(struct tg_reading *r, struct tg_json v, const char *key, size_t max,
                     struct tg_str *out);

/* A whole number, not below `least`. */
void tg_reading_int(struct tg_reading *r, struct tg_json v, const char *key, int64_t least,
                      int64_t *out);

void tg_reading_bool(struct tg_reading *r, struct tg_json v, const char *key, bool *out);

/* An array of strings, as bits: `of` gives each word's, -1 for one to pass over. */
void tg_reading_bits(struct tg_reading *r, struct tg_json v, const char *key,
                     int (*of)(struct tg_str), uint32_t *out);

/* Is it an object, if it is given? */
void tg_reading_object(struct tg_reading *r, struct tg_json v, const char *key);

#endif
