/* word.h -- a fixed list of words: find one, or the one that was meant.
 *
 *     static const struct tg_word verbs[] = { TG_WORD("get", GET), TG_WORD("put", PUT) };
 *     switch (tg_word_find(verbs, TG_WORDS(verbs), key)) { ...
 *
 * Lists are sorted by their bytes. */
#ifndef TG_WORD_H
#define TG_WORD_H

#include <stdbool.h>
#include "base/str.h"

enum {
    TG_WORD_NEAR_EDITS = 2,        /* a misspelling is at most so many edits away */
    TG_WORD_NEAR_BYTES = 128       /* longer words are nobody's misspelling */
};

struct tg_word {
    struct tg_str text;
    int           means;           /* >= 0 */
};

#define TG_WORD(text, means) { { (text), sizeof(text) - 1 }, (means) }
#define TG_WORDS(list)       (sizeof(list) / sizeof *(list))

/* What the word means; -1 when it is not in the list. */
int tg_word_find(const struct tg_word *sorted, size_t count, struct tg_str word);

/* How many letters must be put in, left out or changed to make one of the
 * other, case aside; TG_WORD_NEAR_EDITS + 1 for "more than that". */
unsigned tg_word_edits(struct tg_str a, struct tg_str b);

/* Is `known` what somebody who wrote `word` may have meant: few enough edits,
 * and fewer than half of the word? */
bool tg_word_is_near(struct tg_str known, struct tg_str word, unsigned *edits);

/* The word of the list that was meant; empty when none is near. */
struct tg_str tg_word_near(const struct tg_word *list, size_t count, struct tg_str word);

#endif
