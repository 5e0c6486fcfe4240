/* refuse.h -- say no to a request: a 400 with one sentence. */
#ifndef TG_REFUSE_H
#define TG_REFUSE_H

#include "base/arena.h"
#include "wire/fault.h"
#include "wire/json.h"

enum { TG_REFUSE_SHOWN_MAX = 128 };        /* bytes of a client's words that are shown */

struct tg_refusal {
    struct tg_fault *fault;
    struct tg_arena *arena;                /* the sentence is kept in it */
};

/* Fill the fault with invalid_request and this sentence. Returns TG_EINVAL,
 * or TG_ENOMEM. */
tg_err tg_refuse(const struct tg_refusal *r, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

/* For "%.*s": a value's text, not too much of it. */
#define TG_SHOWN(str) \
    (int)((str).len < TG_REFUSE_SHOWN_MAX ? (str).len : TG_REFUSE_SHOWN_MAX), (str).at

#endif
