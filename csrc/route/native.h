/* native.h -- the body of a request that passes in the client's own format:
 * Anthropic's Messages, OpenAI's Responses, Google's generateContent.
 *
 * What tg_needs_body() is for chats: the client's bytes, but for the model's
 * name, what is the gateway's business, and parameters that the endpoint does
 * not support. */
#ifndef TG_NATIVE_H
#define TG_NATIVE_H

#include "route/needs.h"

/* `format` is TG_API_MESSAGES, _RESPONSES or _GEMINI and `text` an object.
 * Pieces, and what *dropped gets, as for tg_needs_body(). */
tg_err tg_native_body(enum tg_api format, struct tg_str text, const struct tg_endpoint *e,
                      const struct tg_needs *n, struct tg_arena *arena, struct tg_str *pieces,
                      size_t cap, size_t *count, size_t *bytes, uint32_t *dropped);

#endif
