/* exchange.h -- one client request and all its attempts: the state that pump,
 * settle and reply share. Private to flow/.
 *
 * What planning needs is large and short-lived: it lies on a desk that goes
 * back to the engine once the answer is committed. What a running stream needs
 * is this struct, the reader and the answer's few bytes. */
#ifndef TG_EXCHANGE_H
#define TG_EXCHANGE_H

#include "base/arena.h"
#include "flow/config.h"
#include "flow/credentials.h"
#include "flow/meter.h"
#include "flow/relay.h"
#include "flow/translate.h"
#include "os/loop.h"
#include "peer/client.h"
#include "peer/upstream.h"
#include "route/plan.h"
#include "wire/answer.h"
#include "wire/decode.h"
#include "wire/frames.h"

struct tg_engine;

enum {
    TG_EXCHANGE_ID_LEN     = 35,               /* gen-<10 digits>-<20 alphanumerics> */
    TG_EXCHANGE_HOLD_BYTES = 1 << 20,          /* translated bytes held back before the commit,
                                                  beside one event of the largest kind */
    TG_EXCHANGE_TURN_BYTES = 32 * 1024,        /* translated in one turn before it is sent */
    TG_EXCHANGE_SLICE_BYTES = 16 * 1024,       /* of a stream's body read in one turn of the loop */
    TG_EXCHANGE_ERROR_BYTES = 64 * 1024,       /* read of a provider's error body */
    TG_EXCHANGE_DRAIN_MS   = 1000,             /* for the end of a body behind its terminal */
    TG_EXCHANGE_DRAIN_BYTES = 64 * 1024
};

/* Planning: taken from the engine for a request, given back at the commit. */
struct tg_desk {
    struct tg_desk  *next;                     /* in the engine's list */
    struct tg_arena  arena;
    struct tg_needs  needs;
    struct tg_plan   plan;
    struct tg_str    betas;                    /* the client's anthropic-beta; on the arena */
    struct tg_str    lost;                     /* of its request on the way to a chat: the same */
};

/* How the provider's body is read. */
enum tg_reading { TG_READ_EVENTS, TG_READ_WHOLE, TG_READ_ERROR };

/* One attempt's end of the wire; outlives its exchange while the last bytes
 * of a finished body are read, so that the connection can be used again. */
struct tg_try {
    struct tg_try      *prev, *next;           /* of the engine */
    struct tg_exchange *x;                     /* NULL: drained */
    struct tg_engine   *engine;
    struct tg_upstream *up;
    struct tg_credentials_wait wait;           /* for a token, before anybody is asked */
    struct tg_timer     timer;                 /* for the next slice, or the end of draining */
    struct tg_buf       rest;                  /* of the body, as it came: for later turns */
    bool                is_behind;             /* there are slices to read; `up` is paused */
    size_t              drained_bytes;
};

struct tg_exchange {
    struct tg_engine *engine;
    struct tg_config *config;                  /* held */
    struct tg_client *client;                  /* NULL once its answer is over */
    struct tg_exchange *prev, *next;           /* of the engine */
    struct tg_exchange *flush_next, **flush_place;  /* of those to flush; place NULL: not one */
    const struct tg_key *key;
    struct tg_policy *policy;                  /* of the configuration; NULL: none */
    struct tg_policy_request *request;         /* ours; NULL where no hook asks for it later */
    struct tg_desk   *desk;                    /* NULL after the commit, mostly */
    struct tg_buf     original;                /* the client's, where its format is not chat */
    struct tg_buf     body;                    /* the client's, or the chat that was made of it;
                                                  pieces point into both */
    struct tg_relay   relay;
    struct tg_relay_candidate *candidates;     /* on the desk */
    struct tg_timer   timer;
    struct tg_try    *try;
    struct tg_answer *answer;                  /* read as ... */
    enum tg_api       answer_api;
    enum tg_reading   reading;
    struct tg_frames  frames;
    struct tg_translation translation;         /* of the current attempt */
    struct tg_decode *decode;
    struct tg_buf     whole;                   /* a body that is not streamed, or an error's */
    struct tg_buf     out;                     /* translated, not yet sent */
    struct tg_meter   meter;
    struct tg_told    told;                    /* the last error's words */
    struct tg_buf     token;                   /* the last that was fetched for a provider */
    int64_t           retry_after_ms;          /* of the last error's head; -1 */
    uint64_t          began_ms, began_wall_ms;
    char              id[TG_EXCHANGE_ID_LEN + 1];

    /* facts that outlive the desk */
    enum tg_api       api, format;             /* what is asked; in which client's format: chat,
                                                  messages, responses, gemini */
    enum tg_fault_shape shape;                 /* errors are told so */
    bool              wants_array;             /* the stream as one JSON array */
    bool              is_batch;                /* the embeddings of several, in Google's way */
    bool              is_marked;               /* the original holds what converters put there */
    bool              is_stream, wants_metadata, wants_base64, policy_failed;
    bool              remembers, remembers_cached;  /* a success of this attempt makes the
                                                       session stick: always, or if it cached */
    bool              forwards;                /* committed: what is translated is sent */
    bool              content_told, finish_told;    /* to the relay, of this attempt */
    bool              is_sent;                 /* this attempt's request needs its bytes no more */
    int64_t           prompt_tokens, images, max_tokens;
    uint64_t          seed;
    uint64_t          sticky_key;
    const struct tg_endpoint *endpoint;        /* of the current attempt */
    struct tg_attempt attempts[TG_RELAY_ATTEMPTS_MAX];
    struct tg_attempt *attempt;                /* the current one; the relay may count the next */
    struct tg_str     failed_at;               /* provider name of the last failure */
    struct tg_buf     failures;                /* every failed attempt, for the log */
    int               status;                  /* told to the client; 499: it had left */
    struct tg_cost    cost;
    char              why[128];                /* of the last broken connection */
};

#endif
