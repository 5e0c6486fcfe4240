/* translate.h -- one attempt between two formats.
 *
 * A request passes as it came where its provider speaks the client's format
 * (wires.h). Otherwise chat is between them:
 *
 *     client's request -> chat -> provider's          read when it comes in, and per attempt
 *     provider's answer -> chat chunks -> tg_answer    per event
 *     contract's chunks -> client's frames             as they are sent, after the commit
 *
 * Which of the three are needed is decided here, by attempt; converters do the
 * rest (convert.h). Private to flow/. */
#ifndef TG_TRANSLATE_H
#define TG_TRANSLATE_H

#include "flow/convert.h"
#include "wire/answer.h"
#include "wire/array.h"
#include "wire/edit.h"

struct tg_exchange;

struct tg_translation {
    bool from_wire;            /* the answer goes through the wire's converter */
    bool to_client;            /* it is chat and the client is told in another format */
    bool is_broken;            /* the client's converter failed: what it wrote is no answer */
    int  up, down;             /* the handles of the streams of both; 0: none yet */
    struct tg_convert_request sent;    /* what the provider is asked, where it was made for it */
    struct tg_buf out;         /* what the client gets of the chunks */
    struct tg_array array;     /* of a client that wants one */
};

/* What goes upstream for one attempt. `fields` are further header lines. */
struct tg_translated {
    struct tg_str *pieces;     /* with room for `cap` */
    size_t   cap, count, bytes;
    uint32_t dropped;          /* parameters */
    struct tg_buf fields;
};

/* The client's body, x->original, as a chat request in x->body. TG_EINVAL with
 * the sentence for the client in `why`. */
tg_err tg_translate_in(struct tg_exchange *x, struct tg_str model, bool stream, struct tg_buf *why);

/* For x->endpoint: decide, and forget what was of the attempt before. */
void tg_translate_begin(struct tg_exchange *x);

/* Make the request. TG_EINVAL, with x->told, when it cannot be said in that
 * format. */
tg_err tg_translate_request(struct tg_exchange *x, struct tg_translated *request);

/* How x->endpoint is spoken to. */
const struct tg_wire *tg_translate_wire(const struct tg_exchange *x);

/* Does the request go to x->endpoint as it came? */
bool tg_translate_passes(const struct tg_exchange *x);

/* Append the names of what has no place in the formats it goes through, as
 * elements of a JSON array. */
tg_err tg_translate_put_lost(const struct tg_exchange *x, struct tg_buf *out);

/* What the answer of this attempt is read as. */
enum tg_api tg_translate_answer_api(const struct tg_exchange *x);

/* One event of the provider, into x->answer and x->out. Errors are those of
 * tg_answer_event(). */
tg_err tg_translate_event(struct tg_exchange *x, const struct tg_sse_event *ev);

/* The whole body, of x->whole: there, as tg_answer_read() wants it. TG_EINVAL
 * leaves it as it is. */
tg_err tg_translate_whole(struct tg_exchange *x, struct tg_str body);

/* What goes to the client for these chunks, which it may change; `is_last`: and
 * for the end of the stream. Holds until tg_translate_told(). Empty from the
 * moment on that x->translation.is_broken. */
struct tg_str tg_translate_out(struct tg_exchange *x, struct tg_buf *chunks, bool is_last);

/* It went: a stream holds no memory while it has nothing to say. */
void tg_translate_told(struct tg_exchange *x);

/* ... and for a whole completion, replaced in place. */
tg_err tg_translate_reply(struct tg_exchange *x, struct tg_buf *completion);

/* The request needs its bytes no more. */
void tg_translate_sent(struct tg_exchange *x);

void tg_translate_done(struct tg_exchange *x);

#endif
