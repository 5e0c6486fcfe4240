/* answer.h -- make a provider's answer what the contract says, chunk by chunk
 * or whole.
 *
 * Of OpenAI-compatible chats there are as many dialects as providers; this
 * module knows none of them by name. It reads what is there, keeps what it does
 * not know, and always writes one shape, OpenRouter's: our id, model and
 * provider, role in every delta, finish reasons normalised with
 * native_finish_reason beside them, reasoning in `reasoning`, tool calls with
 * gapless indices, one usage chunk, [DONE].
 *
 * Where the client speaks another format (TG_API_MESSAGES, TG_API_RESPONSES,
 * TG_API_GEMINI) it is the provider's own, and its bytes go on as they came,
 * with what is ours spliced in (wire/native.h). The facts are the same.
 *
 * Pure: text in, text and facts out.
 *
 *     stream:  for each event   tg_answer_event(a, ev, out)
 *              at the end       tg_answer_settle(a) ? tg_answer_finish(...) : tg_answer_fail(...)
 *     whole:   tg_answer_read(a, body), then price it, then tg_answer_write(a, body, ...)
 */
#ifndef TG_ANSWER_H
#define TG_ANSWER_H

#include <stdbool.h>
#include <stdint.h>
#include "base/buf.h"
#include "base/err.h"
#include "wire/choices.h"
#include "wire/completion.h"
#include "wire/json.h"
#include "wire/sse.h"
#include "wire/told.h"
#include "wire/usage.h"

enum {
    TG_ANSWER_CHOICES_MAX = TG_CHOICES_MAX,       /* n: more than this is refused */
    TG_ANSWER_TOOLS_MAX   = TG_TOOL_CALLS_MAX,    /* tool calls of one choice */
    TG_ANSWER_TEXT_MAX    = TG_TOLD_TEXT_MAX      /* bytes of an error's words kept */
};

/* What the client is told instead of the provider's own words. Views hold
 * until the answer is over. */
struct tg_answer_names {
    struct tg_str id;          /* gen-... */
    struct tg_str model;       /* our slug of the model that answered */
    struct tg_str provider;    /* display name */
    uint64_t      created_s;   /* Unix time */
};

struct tg_answer;              /* opaque */

/* Facts gathered so far. Read-only for others. */
struct tg_answer_facts {
    bool     has_content;      /* text, reasoning, refusal, tool call, audio or image came */
    bool     has_finish;       /* a finish reason came, not an abnormal one (all choices) */
    bool     has_terminal;     /* [DONE], or a provider's own last object */
    bool     has_error;        /* see tg_answer_told() */
    bool     has_tools;        /* tool calls came */
    bool     has_bad_tools;    /* the arguments of a finished tool call are not JSON */
    uint32_t content_events;   /* events that carried content */
    uint64_t content_bytes;    /* of text, reasoning and arguments, for estimates */
    struct tg_usage usage;
};

/* `offered` is the request's "tools" value (for tool-call validity: an unknown
 * name counts as bad), or for reranking its "documents", which go beside the
 * results that have none; may be absent. NULL when out of memory. */
struct tg_answer *tg_answer_new(enum tg_api api, const struct tg_answer_names *names,
                                struct tg_json offered);
void tg_answer_free(struct tg_answer *a);

/* Start again for another attempt with other names: nothing of the failed one
 * remains. */
void tg_answer_restart(struct tg_answer *a, const struct tg_answer_names *names);

const struct tg_answer_facts *tg_answer_facts(const struct tg_answer *a);

/* The same usage, to be completed by whoever prices it, before the ending is
 * written. */
struct tg_usage *tg_answer_usage(struct tg_answer *a);

/* The error told; valid when has_error. */
const struct tg_told *tg_answer_told(const struct tg_answer *a);

/* The normalised and native finish reason of choice 0; empty when none. */
struct tg_str tg_answer_finish_reason(const struct tg_answer *a);
struct tg_str tg_answer_native_reason(const struct tg_answer *a);

/* ---- stream ---- */

/* Translate one event; append zero or more frames "data: {...}\n\n" to `out`.
 * The finish is held back (content may follow it; usage certainly does). TG_EINVAL for an event that is no completion chunk (malformed JSON,
 * not an object), TG_EPEER when it tells an error (see tg_answer_told()),
 * TG_ETOOBIG past a limit, TG_ENOMEM. With TG_EPEER the frames of what the
 * event brought beside the error are in `out`; with the others nothing is.
 * After the terminal, or an error, everything is ignored. */
tg_err tg_answer_event(struct tg_answer *a, const struct tg_sse_event *ev, struct tg_buf *out);

/* The upstream's body is over, or lingered too long after its finish. True
 * when the answer is whole: a finish reason came, or a terminal marker behind
 * content (then the finish is "stop", or "tool_calls" where calls were made). */
bool tg_answer_settle(struct tg_answer *a);

/* The end of a whole answer: the finish chunk, the usage chunk (with
 * `metadata`, JSON text or empty, as openrouter_metadata), "data: [DONE]". */
tg_err tg_answer_finish(struct tg_answer *a, const struct tg_cost *cost, struct tg_str metadata,
                        struct tg_buf *out);

/* The end of a broken one: a chunk with `error` (JSON text of the contract's
 * error object), finish_reason "error"; no [DONE]. In other formats their own
 * event for it. */
tg_err tg_answer_fail(struct tg_answer *a, struct tg_str error, struct tg_str metadata,
                      struct tg_buf *out);

/* ---- whole ---- */

/* Read a whole body: facts, usage, error. TG_EINVAL when it is no completion
 * (HTML, truncated, no choices), TG_EPEER when it tells an error in a 200. */
tg_err tg_answer_read(struct tg_answer *a, struct tg_str body);

/* Write what was read as the contract's object. `body` is the same text. */
tg_err tg_answer_write(struct tg_answer *a, struct tg_str body, const struct tg_cost *cost,
                       struct tg_str metadata, struct tg_buf *out);

/* The provider answered a stream request with a whole body: the same as
 * frames, without the ending (tg_answer_finish() follows). TG_EINVAL where
 * that cannot be: vectors, and formats that are passed on as they came. */
tg_err tg_answer_write_as_stream(struct tg_answer *a, struct tg_str body, struct tg_buf *out);

#endif
