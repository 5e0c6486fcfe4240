/* text.h -- a JSON string's characters, where they stand or unescaped. */
#ifndef TG_TEXT_H
#define TG_TEXT_H

#include "base/arena.h"
#include "wire/json.h"

/* A view of the string's characters: into the text when it has no escapes,
 * else into the arena. The value is a string. TG_ENOMEM. */
tg_err tg_text_of(struct tg_json value, struct tg_arena *arena, struct tg_str *out);

/* The same for a key as tg_json_next() gives it. */
tg_err tg_text_of_key(struct tg_str key, struct tg_arena *arena, struct tg_str *out);

#endif
