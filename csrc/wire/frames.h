/* frames.h -- cut a provider's byte stream into events, however it frames them.
 *
 *     framing      an event is                        name      data
 *     SSE          a server-sent event                event:    data:
 *     LINES        a line                             ""        the line
 *     EVENTSTREAM  a message of AWS's event stream    its type  the payload
 *     ELEMENTS     an element of one JSON array       ""        its text
 *
 * The usage is that of wire/sse.h, and the same events come out however the
 * input is cut:
 *
 *     if ((err = tg_frames_feed(f, bytes)))
 *         return err;
 *     while ((err = tg_frames_next(f, &ev)) == TG_OK)
 *         use(&ev, tg_frames_is_error(f));
 *     return err == TG_AGAIN ? TG_OK : err;
 */
#ifndef TG_FRAMES_H
#define TG_FRAMES_H

#include "wire/elements.h"
#include "wire/eventstream.h"
#include "wire/lines.h"
#include "wire/sse.h"

enum tg_framing {
    TG_FRAMES_SSE,             /* text/event-stream */
    TG_FRAMES_LINES,           /* application/x-ndjson */
    TG_FRAMES_EVENTSTREAM,     /* application/vnd.amazon.eventstream */
    TG_FRAMES_ELEMENTS         /* application/json, streamed */
};

/* Held by its owner; fields are private. Holds no memory between whole events
 * but for an SSE stream's last id: an idle stream costs the struct. */
struct tg_frames {
    enum tg_framing framing;
    bool            is_error;  /* the event last given */
    union {
        struct tg_sse         sse;
        struct tg_lines       lines;
        struct tg_eventstream eventstream;
        struct tg_elements    elements;
    };
};

/* A reader that refuses events of more than `limit` bytes; what counts is said
 * where each framing is. Comments of an SSE stream are dropped. */
void tg_frames_init(struct tg_frames *f, enum tg_framing framing, size_t limit);
void tg_frames_done(struct tg_frames *f);

/* Lend it bytes; they must stay in place until tg_frames_next() said TG_AGAIN,
 * which copies what is left over. Not before it said so may more be fed. An
 * error that tg_frames_next() gave is given again. */
tg_err tg_frames_feed(struct tg_frames *f, struct tg_str bytes);

/* Take the next whole event; its views hold until the next call on `f`.
 * TG_AGAIN when none is complete yet. TG_ETOOBIG once an event passes the
 * limit, TG_EDEPTH once an element is nested too deep, TG_EINVAL where the
 * bytes are not what the framing says, TG_ENOMEM: after one of these nothing
 * more comes. An event that lies whole in the bytes fed is not copied (of an
 * SSE stream, one with a single data line). */
tg_err tg_frames_next(struct tg_frames *f, struct tg_sse_event *ev);

/* Does the framing itself call the event last given an error? Only event
 * streams have such: then the event's name is the kind of error. What an
 * event's data says is another matter. */
bool tg_frames_is_error(const struct tg_frames *f);

/* The stream is over, after TG_AGAIN: an event of SSE or LINES that lacks only
 * its end counts as whole, and tg_frames_next() gives it. Those of the other
 * framings know their own end, and a part of one is never given. An error is
 * given again. Nothing may be fed afterwards. */
tg_err tg_frames_finish(struct tg_frames *f);

/* Did the stream stop inside an event, or before the end of the array? After
 * TG_AGAIN. What tg_frames_finish() makes whole is cut until it is taken. */
bool tg_frames_is_cut(const struct tg_frames *f);

#endif
