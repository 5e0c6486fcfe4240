/* completion.h -- the outermost members of a completion and of its choices,
 * whole or in pieces, in whatever dialect.
 *
 * Sorts members into those that mean something here and those that go on as
 * they came. Decides nothing, keeps nothing. */
#ifndef TG_COMPLETION_H
#define TG_COMPLETION_H

#include <stdbool.h>
#include "base/buf.h"
#include "wire/json.h"

enum tg_api {
    TG_API_CHAT,            /* /chat/completions */
    TG_API_COMPLETIONS,     /* /completions */
    TG_API_EMBEDDINGS,      /* /embeddings; never a stream */
    TG_API_RERANK,          /* /rerank; never a stream */
    TG_API_MESSAGES,        /* Anthropic's /messages */
    TG_API_RESPONSES,       /* OpenAI's /responses */
    TG_API_GEMINI,          /* Google's :generateContent and :streamGenerateContent */
    TG_API_COUNT,           /* how many tokens a chat has; never a stream */
    TG_APIS
};

static inline bool tg_api_streams(enum tg_api api)
{
    return api != TG_API_EMBEDDINGS && api != TG_API_RERANK && api != TG_API_COUNT;
}

/* Views of the text read; kind NONE is absent. */
struct tg_completion {
    struct tg_json data;           /* what is listed instead of choices: vectors, or reranked
                                      documents ("results") */
    struct tg_json choices, object, type, system_fingerprint, service_tier;
    struct tg_json error;
    struct tg_json error_in;       /* the object that has it as a member */
    struct tg_json usage;
    struct tg_json x_groq_usage;   /* a second place for it */
    struct tg_json charge;         /* what it cost, outside usage */
    struct tg_json padding;        /* a member that only makes the event longer ... */
    size_t         padding_at;     /* ... and where its value stands in `out` */
    bool           says_more;      /* a member that goes on as it came says something */
};

/* Read the object and append to `out`, each behind a comma, the members that
 * go on as they came. id, created, model, provider and what belongs to our
 * own account at the provider are left behind. */
void tg_completion_read(struct tg_completion *c, enum tg_api api, struct tg_json object,
                        struct tg_buf *out);

/* Is it an error, whatever else stands beside it? */
bool tg_completion_is_error(const struct tg_completion *c);

/* Does a value of "error" tell one? null, false and "" do not. */
bool tg_completion_tells_error(struct tg_json error);

/* One element of "choices". */
struct tg_piece {
    struct tg_json object, index, text, finish_reason, native_finish_reason, logprobs, error;
    struct tg_json usage, delta, message;
    bool           says_more;
    unsigned       passed;         /* members that go on as they came */
};

void tg_piece_read(struct tg_piece *p, enum tg_api api, struct tg_json object);

/* Append the members that go on as they came, each behind a comma. */
void tg_piece_pass(const struct tg_piece *p, enum tg_api api, struct tg_buf *out);

#endif
