/* convert.h -- who makes one format of another.
 *
 * The shape between all formats is the contract's chat. Converters are Lua
 * (lua/tidegate/convert/), reached through these functions; the door implements
 * them, on a state that an engine's thread has for itself. What is in a format
 * is theirs; when one is needed is translate.h's.
 *
 * All return TG_OK, TG_ENOMEM, or TG_EINVAL with a sentence in `why`: what the
 * client should change, or in what the provider's answer is none. */
#ifndef TG_CONVERT_H
#define TG_CONVERT_H

#include "base/buf.h"
#include "base/err.h"
#include "route/wires.h"

enum { TG_CONVERT_WHY_MAX = 1024 };        /* bytes of a sentence */

/* What a converter is told beside the text. */
struct tg_convert_about {
    const struct tg_wire *wire;            /* NULL: a client's format */
    enum tg_api   api;                     /* of a wire what is done, of a client its format */
    struct tg_str model;                   /* the provider's name; for clients that of the path */
    struct tg_str provider;                /* slug */
    struct tg_str betas;                   /* the client's beta words that the wire knows */
    int64_t       max_completion_tokens;   /* of the endpoint; 0 unknown */
    bool          stream;
    bool          counts;                  /* the answer is a count of tokens ... */
    bool          embeds, is_batch;        /* ... or embeddings, of several */
    bool          wants_base64;            /* embeddings: vectors as base64, not as numbers */
};

/* What goes to a provider, or is made of a client's request. */
struct tg_convert_request {
    struct tg_buf body;
    struct tg_buf lost;                    /* names of what has no place: elements of a JSON array */
    struct tg_buf fields;                  /* further "Name: value\r\n" lines */
};

/* One event of a stream. */
struct tg_convert_event {
    struct tg_str name, data;
    bool          is_error;                /* the framing says so: tg_frames_is_error() */
};

struct tg_convert {
    /* A client's request as a chat request: without fields. */
    tg_err (*read_request)(void *state, const struct tg_convert_about *about, struct tg_str text,
                           struct tg_convert_request *out, struct tg_buf *why);
    /* A chat (or completions, embeddings, rerank) request as the wire has it. */
    tg_err (*write_request)(void *state, const struct tg_convert_about *about, struct tg_str text,
                            struct tg_convert_request *out, struct tg_buf *why);
    /* A provider's whole answer as a chat completion; and that as a client's format has it. */
    tg_err (*read_answer)(void *state, const struct tg_convert_about *about, struct tg_str text,
                          struct tg_buf *out, struct tg_buf *why);
    tg_err (*write_answer)(void *state, const struct tg_convert_about *about, struct tg_str text,
                           struct tg_buf *out, struct tg_buf *why);

    /* A stream, from a wire or for a client: a handle > 0, to be ended. */
    tg_err (*open_stream)(void *state, const struct tg_convert_about *about, int *handle,
                          struct tg_buf *why);
    /* One event in; emit() is called with what comes of it. From a wire that is a chunk's JSON or
     * "[DONE]" each, for a client whole frames. */
    tg_err (*step)(void *state, int handle, const struct tg_convert_event *event,
                   void (*emit)(void *arg, struct tg_str text), void *arg, struct tg_buf *why);
    void (*close_stream)(void *state, int handle);
};

#endif
