/* native.h -- answers that are passed on in the format they came in.
 *
 * Where a client speaks the provider's own format, its answer is the
 * provider's bytes: nothing is taken apart and put together again. Only what
 * is ours is spliced in: id, model, what it costs, openrouter_metadata. On the
 * way the facts are gathered that the gateway lives on.
 *
 * An answer must not end before it is known to be whole and what it costs: its
 * last events are kept back, from the one that tells why it ended.
 *
 * Private to wire/answer: the functions there that have the same names come
 * here, and say what they do. */
#ifndef TG_NATIVE_H
#define TG_NATIVE_H

#include "wire/answer.h"

struct tg_native;              /* what an answer of a native format needs besides */

/* Does it have a format of its own? */
bool tg_native_is(enum tg_api api);

/* NULL when out of memory. */
struct tg_native *tg_native_new(enum tg_api api);
void tg_native_free(struct tg_native *n);

/* Nothing has come yet. */
void tg_native_forget(struct tg_native *n);

/* `data` is the event's, without the white space around it; not empty. */
tg_err tg_native_event(struct tg_answer *a, const struct tg_sse_event *ev, struct tg_str data,
                       struct tg_buf *out);
tg_err tg_native_finish(struct tg_answer *a, const struct tg_cost *cost, struct tg_str metadata,
                        struct tg_buf *out);
tg_err tg_native_fail(struct tg_answer *a, struct tg_str error, struct tg_str metadata,
                      struct tg_buf *out);

/* `root` passed the check; it is an object. */
tg_err tg_native_read(struct tg_answer *a, struct tg_json root);
tg_err tg_native_write(struct tg_answer *a, struct tg_str body, const struct tg_cost *cost,
                       struct tg_str metadata, struct tg_buf *out);

#endif
