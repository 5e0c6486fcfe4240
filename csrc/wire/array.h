/* array.h -- a stream as one JSON array, an element each event: what Google
 * sends to whoever asks for a stream without alt=sse.
 *
 *     [{...}
 *     ,
 *     {...}
 *     ]
 *
 * Writing it is here; reading it is wire/elements.h. */
#ifndef TG_ARRAY_H
#define TG_ARRAY_H

#include <stdbool.h>
#include "base/buf.h"

/* Held by its owner; begins zeroed. */
struct tg_array {
    bool is_open;                  /* "[" is written */
};

/* Make whole frames of an event stream, data alone, the array's next elements:
 * in place, for they are never longer. */
void tg_array_fold(struct tg_array *a, struct tg_buf *frames);

/* Append the end of the array. A stream that broke off and cannot say so has
 * none. */
tg_err tg_array_close(struct tg_array *a, struct tg_buf *out);

#endif
