/* prompt.h -- what the text of a request needs: how long it is, which kinds of
 * input it has, which conversation it belongs to.
 *
 * One walk over the messages; the text itself is measured, not read. */
#ifndef TG_PROMPT_H
#define TG_PROMPT_H

#include <stdint.h>
#include "route/refuse.h"
#include "wire/json.h"

struct tg_prompt {
    int64_t  tokens;           /* estimate */
    int64_t  messages, images;
    uint8_t  inputs;           /* bits of enum tg_modality; text always */
    uint64_t opening_hash;     /* of the first system or developer message and the first other
                                  one: the same in every turn of a conversation; 0 none */
};

/* Read `messages`. TG_EINVAL, with the fault, when it is no array of objects
 * or empty. */
tg_err tg_prompt_messages(struct tg_prompt *p, struct tg_json messages,
                          const struct tg_refusal *no);

/* Read a completion's `prompt` or an embedding's `input`: a string, an array
 * of strings, of tokens, of arrays of tokens, or of objects with content. */
tg_err tg_prompt_text(struct tg_prompt *p, const char *key, struct tg_json text,
                      const struct tg_refusal *no);

/* Count further text that the model is shown: tools. */
void tg_prompt_add(struct tg_prompt *p, struct tg_json value);

#endif
