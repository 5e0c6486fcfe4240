/* reply.h -- the words of an exchange's answers: heads, errors, metadata. */
#ifndef TG_REPLY_H
#define TG_REPLY_H

#include "flow/exchange.h"
#include "wire/fault.h"

/* Append the fields every answer carries: CORS, X-Generation-Id (when `id` is
 * not empty), and the content type. */
void tg_reply_fields(struct tg_buf *out, struct tg_str id, const char *content_type);

/* Answer with a fault as the client's format tells it, metadata beside it where
 * it was asked for (JSON text or empty). The client pointer is dead afterwards. */
void tg_reply_fault(struct tg_client *c, enum tg_fault_shape shape, const struct tg_fault *f,
                    struct tg_str id, struct tg_str metadata);

/* What the client is told about the way this exchange failed. Views hold as
 * long as the exchange; `words` gets text that has to be put together. */
struct tg_fault tg_reply_failure(const struct tg_exchange *x, struct tg_buf *words);

/* Append the openrouter_metadata object, nothing when it was not asked for.
 * `answered`: the last attempt is the one that was selected. */
void tg_reply_metadata(const struct tg_exchange *x, bool answered, uint64_t now_ms,
                       struct tg_buf *out);

#endif
