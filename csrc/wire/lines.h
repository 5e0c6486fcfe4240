/* lines.h -- cut a byte stream into lines: a JSON value each (NDJSON).
 *
 * Lines end in \n or \r\n; those with nothing but white space are skipped, and
 * so is a byte-order mark at the start. What a line says is not looked at.
 * Input may be cut anywhere; the usage is that of wire/sse.h. */
#ifndef TG_LINES_H
#define TG_LINES_H

#include "wire/carry.h"

/* Held by its owner; fields are private. Holds no memory between whole lines. */
struct tg_lines {
    size_t          limit;
    struct tg_carry carry;
    tg_err          err;       /* it failed; nothing more comes */
    bool            started;   /* the first line, and so the byte-order mark, is over */
    bool            is_over;   /* what is left is a line */
};

/* A reader that refuses lines of more than `limit` bytes, a \r before the \n
 * among them. */
void tg_lines_init(struct tg_lines *r, size_t limit);
void tg_lines_done(struct tg_lines *r);

/* Lend it bytes; they must stay in place until tg_lines_next() said TG_AGAIN.
 * Not before it said so may more be fed. An error is given again. */
tg_err tg_lines_feed(struct tg_lines *r, struct tg_str bytes);

/* No more comes: what is left is a line too, and tg_lines_next() gives it.
 * After TG_AGAIN. */
void tg_lines_finish(struct tg_lines *r);

/* Take the next line, without its end. TG_AGAIN when none is whole, TG_ETOOBIG
 * once one passes the limit, TG_ENOMEM; after one of these two nothing more
 * comes. The view holds until the next call; a line that lies whole in the
 * bytes fed is not copied. */
tg_err tg_lines_next(struct tg_lines *r, struct tg_str *line);

/* Is there text without its line end? After TG_AGAIN. */
bool tg_lines_is_cut(const struct tg_lines *r);

#endif
