/* relay.h -- what to do next in one exchange.
 *
 * One exchange carries one client request over one or more upstream attempts.
 * This module decides and does nothing else: no sockets, no clock, no memory.
 * The pump (pump.c) says what happened and performs what comes back.
 *
 *                START            UP_HEAD           UP_CONTENT
 *        IDLE ----------> TRYING ----------> HEADED ------------> STREAMING ----> OVER
 *                          ^  |                |                    |
 *   next, or wait is over  |  | UP_FAIL        | UP_FAIL            | UP_FAIL: told inside
 *                          |  v                |                    | the stream
 *                         WAITING <------------+                    v
 *                          |                                       OVER
 *                          +-- nobody left, or no time: error reply, then OVER
 *
 * Where a policy has a say (`asks_policy`), a failure before STREAMING first
 * leads to DECIDING: the pump asks (ASK_POLICY) and comes back with VERDICT.
 *
 * The line to remember: before STREAMING a failure is invisible and is tried
 * elsewhere; after it, it can only be told. Independent of the state, `head_sent`
 * says whether the client has its 200 already: a stream that waits long gets
 * its head and a comment (KEEPALIVE) while attempts go on; an error then is
 * told inside the stream although no content was.
 * DOWN_GONE ends any state. Time is an argument; deadlines come back in
 * `wake_at_ms`, and the pump says TICK when one has passed. */
#ifndef TG_RELAY_H
#define TG_RELAY_H

#include <stdbool.h>
#include <stdint.h>
#include "flow/outcome.h"
#include "route/policy.h"

enum {
    TG_RELAY_CANDIDATES_MAX = 256,     /* of a plan that are walked */
    TG_RELAY_ATTEMPTS_MAX   = 24,      /* of one request, repeats included */
    TG_RELAY_REPEATS_MAX    = 2,       /* second tries of a request, when nobody else is left */
    TG_RELAY_KEEPALIVE_MS   = 2500,    /* a silent stream's first comment, then each */
    TG_RELAY_LINGER_MS      = 2000,    /* after the finish reason, for usage and [DONE] */
    TG_RELAY_WAIT_MAX_MS    = 3000,    /* longest Retry-After that is waited for */
    TG_RELAY_POLICY_ATTEMPTS = 12,     /* after so many a policy's "retry" means "next" */
    TG_RELAY_POLICY_WAIT_MS = 100,     /* before such a retry; doubled each time ... */
    TG_RELAY_POLICY_WAIT_MAX_MS = 1000 /* ... up to this, or to what a Retry-After asks for */
};

struct tg_relay_limits {               /* milliseconds; 0: no such limit */
    uint32_t connect_ms, first_byte_ms, first_token_ms, idle_ms, total_ms;
};

/* What the relay must know of a candidate; from the plan. */
struct tg_relay_candidate {
    uint16_t target;                   /* which model: changes with models[] */
    int64_t  context_length;           /* tokens, 0 unknown */
    uint32_t p50_ttft_ms;              /* 0 unknown */
};

enum tg_relay_state {
    TG_RELAY_IDLE, TG_RELAY_TRYING, TG_RELAY_HEADED, TG_RELAY_DECIDING, TG_RELAY_WAITING,
    TG_RELAY_STREAMING, TG_RELAY_OVER
};

enum tg_relay_event {
    TG_EV_START,
    TG_EV_UP_CONNECTED,
    TG_EV_UP_HEAD,             /* the provider answered with a 2xx head */
    TG_EV_UP_BYTES,            /* body bytes came, of whatever kind */
    TG_EV_UP_CONTENT,          /* the first valid content of this attempt is at hand; for an
                                  answer that is not streamed: the whole of it */
    TG_EV_UP_FINISH,           /* a finish reason came: only usage and the terminal may follow */
    TG_EV_UP_DONE,             /* the answer is whole */
    TG_EV_UP_FAIL,             /* the attempt failed: `outcome`, `retry_after_ms` */
    TG_EV_VERDICT,             /* the policy was asked: `verdict`, `retry_after_ms` */
    TG_EV_TICK,                /* wake_at_ms has come */
    TG_EV_DOWN_FULL,           /* the client is slower than the upstream */
    TG_EV_DOWN_DRAINED,
    TG_EV_DOWN_GONE
};

struct tg_relay_fact {
    enum tg_relay_event event;
    uint64_t            now_ms;
    enum tg_outcome     outcome;           /* UP_FAIL */
    int64_t             retry_after_ms;    /* UP_FAIL, VERDICT: what the provider asked; -1 nothing */
    enum tg_verdict     verdict;           /* VERDICT */
};

/* Things to do, performed in this order when several come back at once. */
enum {
    TG_DO_RECORD      = 1 << 0,    /* note how the attempt ended: `outcome` */
    TG_DO_CANCEL_UP   = 1 << 1,
    TG_DO_ASK_POLICY  = 1 << 2,    /* then say VERDICT; nothing follows but that */
    TG_DO_CONNECT     = 1 << 3,    /* begin an attempt at `candidate` */
    TG_DO_SEND_HEAD   = 1 << 4,    /* the client's 200 */
    TG_DO_KEEPALIVE   = 1 << 5,    /* ": OPENROUTER PROCESSING" */
    TG_DO_FORWARD     = 1 << 6,    /* what has been translated goes to the client, now and
                                      from now on */
    TG_DO_ENDING      = 1 << 7,    /* the good end: finish, usage, [DONE]; or the whole answer */
    TG_DO_ERROR_REPLY = 1 << 8,    /* a whole HTTP error response */
    TG_DO_ERROR_EVENT = 1 << 9,    /* an error inside a running stream */
    TG_DO_PAUSE_UP    = 1 << 10,
    TG_DO_RESUME_UP   = 1 << 11,
    TG_DO_FINISH      = 1 << 12    /* settle, log, free; always last, exactly once */
};

struct tg_relay_todo {
    unsigned        what;              /* bits of TG_DO_* */
    uint16_t        candidate;         /* CONNECT */
    enum tg_outcome outcome;           /* RECORD, ERROR_*: how the last attempt ended */
    uint64_t        wake_at_ms;        /* always: say TICK then; 0 never */
};

/* Fields are the relay's own; the pump may read `state`, `attempts`,
 * `head_sent`, `paused` and what is under "told". Times are monotonic ms, 0 for
 * a deadline that is not set. */
struct tg_relay {
    enum tg_relay_state state;
    struct tg_relay_limits limits;
    const struct tg_relay_candidate *candidates;   /* borrowed from the exchange */
    uint16_t count, current, attempts, repeats;
    bool     wants_stream, head_sent, paused;
    bool     asks_policy;              /* set by the pump before START */
    uint64_t total_by_ms, connect_by_ms, first_byte_by_ms, first_token_by_ms, idle_by_ms,
             linger_by_ms, keepalive_at_ms, retry_at_ms;
    uint16_t retry_candidate;          /* who can be asked again first ... */
    uint64_t retry_ready_ms;           /* ... and when; 0: nobody */
    uint8_t  tried[TG_RELAY_CANDIDATES_MAX / 8];

    /* told: what the error reply is made of */
    enum tg_outcome last;              /* how the last attempt ended */
    bool     all_rate_limited;         /* every attempt ended with a 429 */
    int64_t  retry_after_ms;           /* the smallest that was asked for; -1 */
};

/* `candidates` (count <= TG_RELAY_CANDIDATES_MAX) in the plan's order; must
 * hold as long as the relay. */
void tg_relay_init(struct tg_relay *r, const struct tg_relay_candidate *candidates, uint16_t count,
                   const struct tg_relay_limits *limits, bool wants_stream);

/* Tell the relay what happened; what is to be done comes back. After FINISH
 * every fact is dropped and asks for nothing. */
struct tg_relay_todo tg_relay_on(struct tg_relay *r, const struct tg_relay_fact *fact);

const char *tg_relay_state_name(enum tg_relay_state s);
const char *tg_relay_event_name(enum tg_relay_event e);

#endif
