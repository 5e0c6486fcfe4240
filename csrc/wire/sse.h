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

#include <stdbool.h>
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
 * events but for the last event id: an idle stream costs the struct. */
struct tg_sse {
    size_t        limit;
    struct tg_str fed;         /* not yet consumed, borrowed from the caller */
    struct tg_str data, name;  /* of the event so far: in `fed`, `line` or held */
    struct tg_buf line;        /* a line that began in an earlier feed */
    struct tg_buf data_held, name_held, id;
    tg_err        err;         /* it failed; nothing more comes */
    bool          wants_comments;
    bool          started;     /* the first line, and so the byte-order mark, is over */
    bool          skip_lf;     /* a '\n' here belongs to the '\r' before it */
    bool          line_done;   /* `line` is whole and was used */
    bool          drops_line;  /* inside a comment that nobody wants */
    bool          in_event;    /* a line came since the last blank one */
    bool          has_data;
};

/* A reader that refuses events of more than `limit` bytes: name, id, data so
 * far and the line being read. What it refuses does not depend on how the
 * input is cut. Comments count only where they are wanted. */
void tg_sse_init(struct tg_sse *r, size_t limit, bool wants_comments);
void tg_sse_done(struct tg_sse *r);

/* Lend it bytes; they must stay in place until tg_sse_next() said TG_AGAIN,
 * which copies what is left over. Not before it said so may more be fed. An
 * error that tg_sse_next() gave is given again. */
tg_err tg_sse_feed(struct tg_sse *r, struct tg_str bytes);

/* Take the next whole event. TG_AGAIN when none is complete yet, TG_ETOOBIG
 * once an event passes the limit, TG_ENOMEM; after one of these two nothing
 * more comes. An event that lies whole in the bytes fed, with one data line,
 * is not copied. */
tg_err tg_sse_next(struct tg_sse *r, struct tg_sse_event *ev);

/* Did the stream stop inside an event (bytes without their blank line)? Not
 * so inside a comment. Asked at the end of the stream, after TG_AGAIN. */
bool tg_sse_is_cut(const struct tg_sse *r);

#endif
