/* outcome.h -- how an attempt ended, and what follows from that.
 *
 * One table says for every outcome: whether somebody else is asked, whether the
 * same endpoint may be asked again, what it means for the endpoint's health, and
 * what the client is told when it was the last word. docs/outcomes.md is
 * checked against the table. */
#ifndef TG_OUTCOME_H
#define TG_OUTCOME_H

#include <stdbool.h>
#include "base/err.h"
#include "route/health.h"
#include "wire/answer.h"
#include "wire/fault.h"

enum tg_outcome {
    TG_OUT_OK,
    TG_OUT_CONNECT,            /* refused, unreachable, unknown name */
    TG_OUT_TLS,
    TG_OUT_CONNECT_TIMEOUT, TG_OUT_FIRST_BYTE_TIMEOUT, TG_OUT_FIRST_TOKEN_TIMEOUT,
    TG_OUT_IDLE_TIMEOUT, TG_OUT_TOTAL_TIMEOUT,
    TG_OUT_RESET,              /* the connection broke off */
    TG_OUT_TRUNCATED,          /* the stream ended without its terminal, the body was cut */
    TG_OUT_MALFORMED,          /* not a completion: garbage, HTML, bad framing */
    TG_OUT_EMPTY,              /* a success without any content or finish */
    TG_OUT_TOO_BIG,            /* past one of our limits */
    TG_OUT_RATE_LIMITED,       /* 429 */
    TG_OUT_OVERLOADED,         /* 503, 529, overloaded_error */
    TG_OUT_SERVER_ERROR,       /* other 5xx, 520, an error inside a 200 */
    TG_OUT_REQUEST_TIMEOUT,    /* 408, 504, 524 */
    TG_OUT_KEY_REFUSED,        /* 401, 403 about the gateway's own key */
    TG_OUT_NO_CREDIT,          /* 402 */
    TG_OUT_NOT_FOUND,          /* 404, 405, 410 ...: this provider does not have it */
    TG_OUT_REDIRECT,           /* 3xx: never followed */
    TG_OUT_CONFLICT,           /* 409, 423, 424, 425, 426, 498 and the like */
    TG_OUT_CONTEXT_LENGTH,     /* 400 of that kind: a larger endpoint may do */
    TG_OUT_CONTENT_POLICY,     /* refused for its content: the next model may do */
    TG_OUT_TOO_LARGE,          /* 413 */
    TG_OUT_BAD_REQUEST,        /* 400, 422, other 4xx: wrong everywhere */
    TG_OUT_UNSUITABLE,         /* nobody was asked: the provider's format cannot say it */
    TG_OUT_CLIENT_GONE,
    TG_OUT_OUR_FAULT,          /* out of memory and the like */
    TG_OUTS
};

enum tg_next {
    TG_NEXT_ENDPOINT,          /* the next candidate */
    TG_NEXT_LARGER,            /* the next candidate with more context */
    TG_NEXT_MODEL,             /* the next candidate of another model */
    TG_NEXT_NOBODY             /* stop: tell the client */
};

struct tg_outcome_rule {
    const char          *name;             /* "rate_limited": metadata, logs, policies' err.type */
    enum tg_next         next;
    bool                 again;            /* the same endpoint, when nobody else is left */
    bool                 told;             /* the provider's own words go to the client */
    enum tg_health_event health;
    enum tg_fault_type   fault;            /* told to the client when it was the last */
};

const struct tg_outcome_rule *tg_outcome_rule(enum tg_outcome o);

/* What an HTTP status >= 300 with these words is. `told` may be NULL. */
enum tg_outcome tg_outcome_of_status(int status, const struct tg_told *told);

/* What an error told inside a 200 is: its code, else its words. */
enum tg_outcome tg_outcome_of_told(const struct tg_told *told);

/* What a broken connection is. `head_seen`: the response head had come. */
enum tg_outcome tg_outcome_of_err(tg_err err, bool head_seen);

#endif
