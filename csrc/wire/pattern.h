/* pattern.h -- the events of a stream differ in one string: read the rest once.
 *
 * Of an event that brought text and nothing else, the pattern keeps the bytes
 * around the text and the bytes of the frame that was made of it. The next
 * event that is the same around its own text becomes the same frame around
 * it, without being read: five times as fast, and most events are such. A
 * second string may differ as well: the padding some providers add.
 *
 *     event   {"id":"x","choices":[{"delta":{"content":"_____"}}],"p":"___"}
 *     frame   data: {"id":"gen-1","p":"___","choices":[{"delta":{"content":"_____"}}]}
 */
#ifndef TG_PATTERN_H
#define TG_PATTERN_H

#include <stdbool.h>
#include <stdint.h>
#include "base/buf.h"
#include "base/str.h"

enum {
    TG_PATTERN_HOLES_MAX = 2,
    TG_PATTERN_BYTES_MAX = 512     /* of event and frame together that are kept */
};

/* A string that differs: what is between its quotes, in the event, and where
 * that stands in the frame. */
struct tg_pattern_hole {
    struct tg_str in;
    size_t        out_at;          /* offset in the frame */
};

/* Held by its owner; all zero is none, and no memory. Fields are private. */
struct tg_pattern {
    char    *bytes;
    uint16_t in[TG_PATTERN_HOLES_MAX + 1];     /* lengths of the event's pieces ... */
    uint16_t out[TG_PATTERN_HOLES_MAX + 1];    /* ... and of the frame's */
    uint8_t  holes;
    uint8_t  which[TG_PATTERN_HOLES_MAX];      /* the event's hole that each of the frame's takes */
    uint32_t asked;
};

void tg_pattern_done(struct tg_pattern *p);

/* Asked of every event that could be learned: is it time to? Seldom, where
 * they keep differing: the 1st, 2nd, 4th, 8th ... of them. */
bool tg_pattern_wants(struct tg_pattern *p);

/* Learn from an event and its frame, without the head that all frames have; holes in the event's order, at least one.
 * Forgets what it knew. What is too long, or when memory is short, is not
 * learned, and nothing is lost but time. */
void tg_pattern_learn(struct tg_pattern *p, struct tg_str event, struct tg_str frame,
                      const struct tg_pattern_hole *holes, size_t count);

/* Append the head and the frame of an event that has the pattern; `texts` are
 * its holes' strings as they came, valid JSON text, none of them empty. False
 * when it has another. A frame that could not be written is for out->bad to
 * tell. */
bool tg_pattern_put(const struct tg_pattern *p, struct tg_str event, struct tg_str head,
                    struct tg_buf *out, struct tg_str texts[TG_PATTERN_HOLES_MAX]);

#endif
