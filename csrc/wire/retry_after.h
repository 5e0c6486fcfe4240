/* retry_after.h -- how long a provider asks us to wait, in whatever form.
 *
 * Headers: Retry-After as seconds (also with a fraction) or as an HTTP date,
 * retry-after-ms, and x-ratelimit-reset* as seconds, Go durations ("6ms",
 * "1m0.052s"), RFC 3339 times or Unix times in s or ms. Bodies: Google's
 * retryDelay ("34.4s"), OpenRouter's retry_after_seconds and
 * metadata.headers, "try again in 1.2s" in a message. */
#ifndef TG_RETRY_AFTER_H
#define TG_RETRY_AFTER_H

#include <stdint.h>
#include "base/str.h"
#include "wire/http1.h"

enum { TG_RETRY_AFTER_MAX_MS = 24 * 3600 * 1000 };   /* longer is taken as this */

/* Milliseconds to wait, -1 when nothing usable was said. Negative and past
 * values are 0. A rate-limit reset counts only when nothing more direct is
 * there; the largest of several wins, without those whose "remaining" field
 * says that something is left, unless all do. Fractions of a millisecond are
 * rounded up. `wall_ms` is the time now since 1970. `body` may be anything,
 * also not JSON. */
int64_t tg_retry_after(const struct tg_http1_head *h, struct tg_str body, uint64_t wall_ms);

/* One value of a Retry-After field: delta or date. -1 when it is neither. */
int64_t tg_retry_after_value(struct tg_str value, uint64_t wall_ms);

/* An HTTP date (RFC 9110 5.6.7, all three forms) as ms since 1970, 0 for
 * earlier ones; -1 when it is none. */
int64_t tg_http_date_ms(struct tg_str value);

/* An RFC 3339 time as ms since 1970, 0 for earlier ones; -1 when it is none. */
int64_t tg_rfc3339_ms(struct tg_str value);

#endif
