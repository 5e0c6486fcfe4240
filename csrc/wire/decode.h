/* decode.h -- take gzip, deflate or brotli off a body, piece by piece. */
#ifndef TG_DECODE_H
#define TG_DECODE_H

#include <stdbool.h>
#include "base/buf.h"
#include "base/err.h"
#include "base/str.h"

enum tg_coding { TG_CODING_NONE, TG_CODING_GZIP, TG_CODING_DEFLATE, TG_CODING_BROTLI };

enum {
    TG_DECODE_RATIO_MAX = 200,                   /* output bytes per input byte ... */
    TG_DECODE_FREE_BYTES = 1 << 20               /* ... once this much came out */
};

struct tg_decode;      /* all of it opaque */

/* The coding a Content-Encoding value names; false for one we do not know and
 * for a list. An empty value and "identity" are TG_CODING_NONE. "deflate" is
 * taken with and without zlib's header. */
bool tg_coding_of(struct tg_str content_encoding, enum tg_coding *out);

/* NULL when out of memory. The caller owns it. */
struct tg_decode *tg_decode_new(enum tg_coding coding);
void tg_decode_free(struct tg_decode *d);

/* Decode `in` and append to `out`, everything that can be decoded now.
 * TG_ETOOBIG for a bomb (see the limits) or once `out` would pass `out_max`
 * bytes, TG_EINVAL for broken data and for bytes behind its end. Concatenated
 * gzip members are fine. After an error each further call says the same. */
tg_err tg_decode_feed(struct tg_decode *d, struct tg_str in, size_t out_max, struct tg_buf *out);

/* The same of *in, of which what was used goes, until `out` has at least `enough`
 * bytes. TG_AGAIN then: more can come of what is left, also when that is nothing. */
tg_err tg_decode_some(struct tg_decode *d, struct tg_str *in, size_t enough, size_t out_max,
                      struct tg_buf *out);

/* At the end of the body: was the coded stream whole? An empty one is not. */
bool tg_decode_is_whole(const struct tg_decode *d);

#endif
