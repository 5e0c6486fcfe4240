/* carry.h -- hold the beginning of an event until its end arrives.
 *
 * Readers of a byte stream differ in where an event ends. What becomes of its
 * bytes is the same for all: they are looked at where they were fed, and only
 * those of an unfinished event are copied.
 *
 *     tg_carry_begin(c);
 *     ... look for the end in c->fed; c->held.len bytes of the event lie before it
 *     if (it is not there)
 *         return tg_carry_keep(c);
 *     return tg_carry_take(c, c->held.len + n, &event);
 *
 * For lines, eventstream and elements; how much may be held is for them to say. */
#ifndef TG_CARRY_H
#define TG_CARRY_H

#include <stdbool.h>
#include <stddef.h>
#include "base/buf.h"
#include "base/err.h"
#include "base/str.h"

/* Held by its reader. All zero is an empty one; it owns nothing unless an
 * event is unfinished, or was given and may still be looked at. */
struct tg_carry {
    struct tg_str fed;         /* not yet consumed, borrowed from the caller */
    struct tg_buf held;        /* the event so far, from earlier feeds */
    bool          is_taken;    /* `held` is whole and was given out */
};

void tg_carry_done(struct tg_carry *c);

/* Lend it bytes. All that were lent before must be consumed. */
void tg_carry_feed(struct tg_carry *c, struct tg_str bytes);

/* An event that was given is over. Before each look at the bytes. */
void tg_carry_begin(struct tg_carry *c);

/* Drop n bytes (n <= fed.len) that belong to no event. */
void tg_carry_skip(struct tg_carry *c, size_t n);

/* Look at the first n bytes of the event, at least those held, in one piece.
 * TG_AGAIN when fewer have come, and then all of them are held; TG_ENOMEM.
 * The view holds until the next call. */
tg_err tg_carry_peek(struct tg_carry *c, size_t n, struct tg_str *bytes);

/* The same, and the event ends there: what follows is the next. The view
 * holds until tg_carry_begin(). */
tg_err tg_carry_take(struct tg_carry *c, size_t n, struct tg_str *event);

/* All bytes fed belong to the unfinished event: hold them. TG_AGAIN, or
 * TG_ENOMEM. Without a byte to hold no memory is kept. */
tg_err tg_carry_keep(struct tg_carry *c);

/* Is there a part of an event here? */
bool tg_carry_is_cut(const struct tg_carry *c);

#endif
