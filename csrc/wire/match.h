/* match.h -- Lua's patterns, on a matcher that counts its steps and gives up.
 *
 * What string.find, match, gmatch and gsub of Lua 5.1 understand: classes,
 * sets, the quantifiers * + - ?, %b, %f, captures, positions, anchors. A
 * backtracking matcher can be made to run for ever by forty bytes of pattern,
 * and no hook of a Lua state stops it; this one does the same work and stops
 * at its budget. A step is a byte of subject or of a set that is looked at:
 * about 5 ns.
 *
 *     struct tg_match m;
 *     tg_match_init(&m, subject, pattern, TG_MATCH_ANCHOR, budget);
 *     err = tg_match_at_or_after(&m, 0);      TG_OK: m.from, m.to, the captures
 *
 * As in Lua a malformed pattern is noticed when the matcher comes to the
 * malformed place. Letters are ASCII letters, whatever the locale, and a zero
 * byte in a pattern is a character (5.1 ended there). */
#ifndef TG_MATCH_H
#define TG_MATCH_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "base/err.h"
#include "base/str.h"

enum {
    TG_MATCH_CAPTURES_MAX = 32,
    TG_MATCH_DEPTH_MAX = 200           /* open choices; each is a frame of the C stack */
};

enum tg_match_caret {
    TG_MATCH_ANCHOR,                   /* a '^' in front ties the match to the first place */
    TG_MATCH_LITERAL                   /* it is a character (gmatch) */
};

struct tg_match_capture {
    const char *at;
    size_t      len;
    bool        is_position;           /* "()": only where it is counts */
};

/* Held by its owner; nothing to free. The subject and the pattern must outlive it. */
struct tg_match {
    size_t      from, to;              /* what matched: offsets in the subject */
    int         captures;              /* how many the pattern made */
    bool        is_anchored;
    uint64_t    steps;                 /* what is left of the budget */
    const char *why;                   /* of any other error than TG_ENOTFOUND; never freed */

    struct tg_str subject, pattern;    /* from here on private */
    tg_err      err;
    int         depth;
    struct {
        const char *at;
        ptrdiff_t   len;
    } capture[TG_MATCH_CAPTURES_MAX];
};

void tg_match_init(struct tg_match *m, struct tg_str subject, struct tg_str pattern,
                   enum tg_match_caret caret, uint64_t steps);

/* The first match that begins at that offset or behind it, with an anchor only
 * there. The budget is for all calls together.
 * TG_ENOTFOUND  none, or the offset is behind the end
 * TG_EINVAL     the pattern is malformed
 * TG_EDEPTH     it has more than TG_MATCH_DEPTH_MAX choices open at once
 * TG_ETOOBIG    it has too many captures, or the budget is used up */
tg_err tg_match_at_or_after(struct tg_match *m, size_t offset);

/* A match that begins at that offset; errors as above. */
tg_err tg_match_at(struct tg_match *m, size_t offset);

/* Capture i, from 0, of the last match. Capture 0 of a pattern without any is
 * the whole match. TG_EINVAL when there is none of that number or the pattern
 * left it open; `why` says which. */
tg_err tg_match_capture(struct tg_match *m, int i, struct tg_match_capture *out);

/* Is there nothing in it that a pattern gives a meaning to? */
bool tg_match_is_plain(struct tg_str pattern);

/* The offset of the first occurrence of `needle` at `offset` or behind it, in a
 * time that grows with the sum of the two lengths and not with their product.
 * False when there is none. */
bool tg_match_plain(struct tg_str subject, struct tg_str needle, size_t offset, size_t *at);

#endif
