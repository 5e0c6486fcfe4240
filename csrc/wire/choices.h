/* choices.h -- the choices of an answer: which came, what they brought, how
 * they ended. */
#ifndef TG_CHOICES_H
#define TG_CHOICES_H

#include <stdbool.h>
#include <stdint.h>
#include "base/buf.h"
#include "base/err.h"
#include "wire/finish.h"
#include "wire/json.h"
#include "wire/tool_calls.h"

enum {
    TG_CHOICES_MAX       = 16,     /* n: more than this is refused */
    TG_CHOICE_NATIVE_MAX = 48      /* bytes of a provider's finish word that are kept */
};

struct tg_choice {
    uint8_t finish;                /* enum tg_finish, the most serious that was told */
    bool    seen, has_content, has_function_call;
    uint8_t native_len;
    char    native[TG_CHOICE_NATIVE_MAX];
    struct tg_tool_calls calls;
};

/* Held by its owner; all zero is none, and no memory. */
struct tg_choices {
    struct tg_choice *at;          /* by index; those between may be unseen */
    unsigned          count;
};

void tg_choices_done(struct tg_choices *cs);

/* The choice an element of "choices" speaks of: its index, or its place where
 * it has none. TG_ETOOBIG past TG_CHOICES_MAX, TG_ENOMEM. The pointer holds
 * until the next call. */
tg_err tg_choices_get(struct tg_choices *cs, struct tg_json index, unsigned place,
                      unsigned *out_index, struct tg_choice **out);

/* The first that came; NULL when none did. */
const struct tg_choice *tg_choices_first(const struct tg_choices *cs);

/* Did all that came tell that they ended, and did any come? An abnormal end is
 * none. */
bool tg_choices_are_finished(const struct tg_choices *cs);

/* Those that told nothing ended with a stop. */
void tg_choices_close(struct tg_choices *cs);

/* Did it call tools, in either of the two ways? */
bool tg_choice_made_calls(const struct tg_choice *c);

/* A finish reason, and the native one beside it where the provider is a
 * gateway like this. An empty or null reason is none. */
void tg_choice_read_finish(struct tg_choice *c, struct tg_json reason, struct tg_json native);

/* What the client is told: a stop beside tool calls is tool_calls. */
enum tg_finish tg_choice_finish(const struct tg_choice *c);

/* The provider's own word; empty when none came. Holds as long as the choice. */
struct tg_str tg_choice_native(const struct tg_choice *c);

/* Append `,"finish_reason":...,"native_finish_reason":...`. */
void tg_choice_put_reasons(const struct tg_choice *c, struct tg_buf *out);

#endif
