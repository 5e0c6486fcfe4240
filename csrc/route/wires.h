/* wires.h -- the format in which a provider is spoken to: data, one file each in
 * lua/tidegate/wire/.
 *
 * Nothing here knows what a format looks like: that is the converters' affair
 * (flow/convert.h), and of wire/ for those that pass as they are. */
#ifndef TG_WIRES_H
#define TG_WIRES_H

#include <stdbool.h>
#include <stdint.h>
#include "base/arena.h"
#include "base/buf.h"
#include "route/vocabulary.h"
#include "wire/completion.h"
#include "wire/frames.h"

enum {
    TG_WIRES_MAX = 8,              /* ways to speak to one provider */
    TG_WIRE_BETAS_MAX = 4096       /* bytes of a wire's list of beta words */
};

/* What a request wants done; each has its own path. */
enum tg_job {
    TG_JOB_WHOLE, TG_JOB_STREAM,   /* an answer to a chat: whole, or as it is made */
    TG_JOB_COMPLETIONS, TG_JOB_EMBEDDINGS, TG_JOB_RERANK,
    TG_JOB_COUNT,                  /* of the tokens that a chat would have */
    TG_JOBS
};

/* All views belong to the catalogue. */
struct tg_wire {
    struct tg_str name;            /* "vertex-anthropic" */
    struct tg_str models;          /* patterns of the upstream names that it alone is for, a space
                                      between them; empty: all others */
    struct tg_str converts;        /* the converters' name; empty: it is chat */
    struct tg_str source;          /* the converters' Lua text where they are the operator's */
    struct tg_str targets[TG_JOBS];    /* path and query below base_url, with "{model}" in it;
                                          empty: not offered */
    uint32_t      carries;         /* parameters it has a place for, bits of enum tg_param */
    enum tg_framing framing;
    enum tg_api   native;          /* what passes as it is; TG_APIS: nothing */
    bool          answers_are_chat;    /* only what is asked is converted */
    bool          takes_extensions;    /* chats made of other formats keep what is not OpenAI's */
    bool          omits_model;     /* native bodies have no model */
    struct tg_str adds;            /* members of native bodies, JSON text, may be empty */
    struct tg_str betas;           /* words of anthropic-beta that go on, each with a space before
                                      and behind it; empty: there is no such header */
};

/* OpenAI's chat completions, spoken to whoever has no wire. */
extern const struct tg_wire tg_wire_chat;

enum tg_job tg_job_of(enum tg_api api, bool stream);

/* Is that model one of those that this wire alone is for? */
bool tg_wire_is_for(const struct tg_wire *w, struct tg_str model);

/* Does a request of this api pass unconverted? */
bool tg_wire_passes(const struct tg_wire *w, enum tg_api api);

/* Can it be asked at all, converted or not? */
bool tg_wire_offers(const struct tg_wire *w, enum tg_api api);

/* Append the target with the upstream's name of the model in it, percent-encoded. */
tg_err tg_wire_put_target(struct tg_buf *out, struct tg_str target, struct tg_str model);

/* Append those words of a client's comma list that the wire knows, as a comma list. */
tg_err tg_wire_put_betas(struct tg_buf *out, const struct tg_wire *w, struct tg_str list);

/* Copy all views into the arena. */
tg_err tg_wire_copy(struct tg_wire *w, struct tg_arena *arena);

#endif
