/* needs.h -- what a request requires, read from its body in one pass.
 *
 * Everything later asks this struct and not the body again. Views point into
 * the body and the arena and hold as long as the exchange. */
#ifndef TG_NEEDS_H
#define TG_NEEDS_H

#include <stdbool.h>
#include <stdint.h>
#include "base/arena.h"
#include "route/catalog.h"
#include "wire/answer.h"
#include "wire/edit.h"
#include "wire/fault.h"
#include "wire/http1.h"
#include "wire/json.h"

enum {
    TG_NEEDS_MEMBERS_MAX = 256,    /* members of the body's top level */
    TG_NEEDS_MODELS_MAX  = 16,     /* model + models[] */
    TG_NEEDS_WORDS_MAX   = 64,     /* of order, only, ignore each */
    TG_NEEDS_SESSION_MAX = 256,    /* characters of a session id or a user */
    TG_NEEDS_POLICY_MAX  = 128,    /* characters of a policy's name */
    TG_NEEDS_PAIRS_MAX   = 16,     /* of metadata */
    TG_NEEDS_PAIR_KEY_MAX = 64, TG_NEEDS_PAIR_VALUE_MAX = 512,     /* characters */
    TG_NEEDS_HASHED_BYTES = 4096,  /* of a message, for session_hash: of each text the beginning
                                      and the end, a quarter of it each at most */
    TG_NEEDS_MESSAGE_TOKENS = 4,   /* that a message costs beside its text, estimated */
    TG_NEEDS_PART_TOKENS = 1000    /* of an image, a file, a recording, estimated */
};

enum tg_sort { TG_SORT_NONE, TG_SORT_PRICE, TG_SORT_THROUGHPUT, TG_SORT_LATENCY, TG_SORT_EXACTO };

/* Cut-offs at p50, p75, p90, p99; NAN where none. */
struct tg_thresholds {
    bool   any;
    double p50, p75, p90, p99;
};

/* What the request's `provider` object says, or a policy's `data`. */
struct tg_wishes {
    struct tg_str order[TG_NEEDS_WORDS_MAX], only[TG_NEEDS_WORDS_MAX], ignore[TG_NEEDS_WORDS_MAX];
    uint8_t  order_count, only_count, ignore_count;
    bool     has_order, has_only;          /* given, even if empty */
    bool     no_fallbacks;                 /* allow_fallbacks: false */
    bool     require_parameters, deny_data_collection, zdr, distillable;
    uint32_t quantizations;                /* bits; 0 any */
    enum tg_sort sort;
    bool     sorts_across_models;          /* partition "none" */
    bool     has_partition;                /* it was given */
    struct tg_thresholds max_latency_s, min_throughput;
    int64_t  max_price[5];                 /* femto-dollars a unit: prompt, completion, request,
                                              image, audio; -1 none */
};

/* One model to try: what was written and what it means. */
struct tg_target {
    struct tg_str asked;                   /* "openai/gpt-5:nitro" */
    const struct tg_model *model;
    struct tg_str policy;                  /* of "...@policy/name", may be empty */
    enum tg_sort  sort;                    /* of the last sorting suffix */
    bool          admits_priority, admits_flex;    /* :nitro, :floor */
};

struct tg_needs {
    enum tg_api   api;                     /* completions for a chat body with `prompt` */
    struct tg_json body;
    size_t        members_count;

    struct tg_target targets[TG_NEEDS_MODELS_MAX];
    size_t        targets_count;
    struct tg_wishes wishes;               /* a policy's limits are worked in: route/policy.h */
    const struct tg_wishes *data;          /* what the policy in force says; NULL: nothing */
    bool          admits_priority, admits_flex;    /* the same policy */

    bool          stream;
    bool          is_made;                 /* of a request in another format; set by who made it */
    bool          wants_base64;            /* encoding_format of embeddings */
    bool          usage_is_asked;          /* stream_options.include_usage is true already */
    struct tg_str stream_options;          /* JSON text that asks for usage as well */
    struct tg_str other_limit;             /* "max_tokens":N under its other name; empty when
                                              both or none are given */
    uint32_t      params;                  /* the vocabulary's words that are present, not null;
                                              an empty `tools` is not */
    uint32_t      tool_choice;             /* bit as in tg_endpoint.tool_choices; 0 not given */
    uint8_t       inputs;                  /* modalities of the messages; text always */
    uint8_t       outputs;                 /* `modalities`; 0 not given */
    int64_t       images;                  /* in the messages */
    int64_t       prompt_tokens;           /* estimate: bytes of text / 4, and per message and
                                              part TG_NEEDS_*_TOKENS */
    int64_t       max_tokens;              /* max_completion_tokens or max_tokens; -1 absent */
    int64_t       messages_count;
    struct tg_json tools;                  /* absent kind when none */
    struct tg_json documents;              /* to be reranked; absent kind for other requests */
    struct tg_str service_tier;            /* "", "flex", "priority", "default" ... */
    struct tg_str policy;                  /* name of a policy, may be empty */
    struct tg_str user;
    struct tg_str session;                 /* session id or cache key, may be empty */
    bool          has_session_id;          /* it was given, not derived */
    uint64_t      session_hash;            /* of session, else of the first system or developer
                                              message and the first other one */
    bool          wants_metadata;          /* X-OpenRouter-Metadata: enabled */
    int64_t       asked_wall_s;            /* when, Unix time: price windows */
    uint64_t      seed;                    /* of this request's random draws */

    /* last, because they are large and not cleared: the first members_count hold */
    uint8_t       fields[TG_NEEDS_MEMBERS_MAX];    /* what each member is: route/body.h */
    struct tg_json_member members[TG_NEEDS_MEMBERS_MAX];
};

/* Read a body. `head` may be NULL (explain). On failure *fault says what the
 * client is told (400 with the field's name; malformed JSON with its offset;
 * unknown model; a strict provider object) and TG_EINVAL returns; TG_ENOMEM
 * otherwise. The path's default api decides which fields are required:
 * messages (or prompt, which makes it a completion) for chat, prompt for
 * completions, input for embeddings. A key that stands twice at the top level
 * is refused. Views in *n and *fault point into the body, the head and the
 * arena. */
tg_err tg_needs_read(struct tg_needs *n, enum tg_api api, struct tg_str body,
                     const struct tg_http1_head *head, const struct tg_catalog *catalog,
                     int64_t wall_s, uint64_t seed, struct tg_arena *arena,
                     struct tg_fault *fault);

/* Parse "author/slug[:suffix...][@policy/name]". A name that the catalogue has
 * is taken as it is; else the routing suffixes (:nitro, :floor, :exacto) are
 * taken off, in any order and number, and what is left must be a name: a
 * catalogue variant (":free") is part of it, and so must be every other
 * suffix, ":online" included. An alias without endpoints stands for its
 * target. On failure fills *fault (400 with what may have been meant). */
tg_err tg_needs_target(struct tg_target *t, struct tg_str asked, const struct tg_catalog *catalog,
                       struct tg_arena *arena, struct tg_fault *fault);

/* Read a provider object (or a policy's `data` as JSON) strictly: no unknown
 * key, no key twice, no wrong type, no unknown word. Null and absent are an
 * empty one. On failure *w is not to be used. */
tg_err tg_needs_wishes(struct tg_wishes *w, struct tg_json object, struct tg_arena *arena,
                       struct tg_fault *fault);

/* The parameters of the request that the endpoint does not support. Where a
 * converter writes the request, the two ways to ask for reasoning are one. */
uint32_t tg_needs_unsupported(const struct tg_needs *n, const struct tg_endpoint *e);

/* The edits that make the body what this endpoint is sent: its model name,
 * stream_options, removed members. `pieces` has room for
 * TG_EDIT_PIECES(TG_NEEDS_MEMBERS_MAX). *dropped gets the bits of the
 * parameters left out because the endpoint does not support them. The two
 * spellings of the output limit are one parameter: where the endpoint knows
 * only the other one, the limit is sent under that name. */
tg_err tg_needs_body(const struct tg_needs *n, const struct tg_endpoint *e,
                     struct tg_str *pieces, size_t cap, size_t *count, size_t *bytes,
                     uint32_t *dropped);

#endif
