/* sse.h -- cut a byte stream into server-sent events.
 *
 * The reader does no I/O: feed it what arrived, pull events until it is dry.
 *
 *     if ((err = tg_sse_feed(r, bytes)))
 *         return err;
 *     while ((err = tg_sse_next(r, &ev)) == TG_OK)
 *         use(&ev);
 *     return err == TG_AGAIN ? TG_OK : err;
 *
 * Input may be cut anywhere, even inside "\r\n" or a UTF-8 character; the
 * events come out the same. A byte-order mark at the start is skipped, line
 * ends may be \n, \r\n or \r, the space behind the colon may be missing:
 * the event stream format of the HTML standard, section 9.2.6. */
#ifndef TG_SSE_H
#define TG_SSE_H

#include <stddef.h>
#include "base/buf.h"
#include "base/err.h"
#include "base/str.h"

/* One event. The views belong to the reader, or to the bytes last fed, and
 * hold until the next call of any tg_sse function on it. */
struct tg_sse_event {
    struct tg_str name;        /* empty when the stream gave none */
    struct tg_str data;        /* data lines joined with '\n' */
    struct tg_str id;          /* the last event id so far */
    bool          is_comment;  /* a comment line; its text is in `data` */
};

/* Held by its owner; fields are private. Holds no memory between whole
 * events: an idle stream costs the struct. */
struct tg_sse {
    size_t        limit;
    struct tg_str fed;         /* not yet consumed, borrowed from the caller */
    struct tg_buf line;        /* a line that began in an earlier feed */
    struct tg_buf data, name, id;
    bool          skip_lf, started, has_data, handed_out, wants_comments;
    unsigned      bom;         /* bytes of a byte-order mark seen so far */
    struct tg_str borrowed;    /* the single data line, when it needs no copy */
};

/* A reader that refuses to hold more than `limit` bytes of one event. */
void tg_sse_init(struct tg_sse *r, size_t limit, bool wants_comments);
void tg_sse_done(struct tg_sse *r);

/* Lend it bytes; they must stay in place until tg_sse_next() said TG_AGAIN,
 * which copies what is left over. */
tg_err tg_sse_feed(struct tg_sse *r, struct tg_str bytes);

/* Take the next whole event. TG_AGAIN when none is complete yet, TG_ETOOBIG
 * once an unfinished event passes the limit. */
tg_err tg_sse_next(struct tg_sse *r, struct tg_sse_event *ev);

/* Did the stream stop inside an event (bytes without their blank line)?
 * Asked at the end of the stream. */
bool tg_sse_is_cut(const struct tg_sse *r);

#endif
