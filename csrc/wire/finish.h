/* finish.h -- why an answer ended: every provider's word, the contract's five.
 *
 * The provider's word goes on beside ours as native_finish_reason; this module
 * only says which of the five it means. */
#ifndef TG_FINISH_H
#define TG_FINISH_H

#include "base/str.h"

enum tg_finish {
    TG_FINISH_NONE,            /* no reason: absent, null or the empty string */
    TG_FINISH_STOP,
    TG_FINISH_LENGTH,
    TG_FINISH_TOOL_CALLS,
    TG_FINISH_CONTENT_FILTER,
    TG_FINISH_ERROR,
    TG_FINISH_UNKNOWN          /* a word nobody has met: a stop when content came with it, an
                                  error when nothing did */
};

/* The meaning of a provider's word, in whatever case. */
enum tg_finish tg_finish_of(struct tg_str word);

/* "stop", "length", "tool_calls", "content_filter", "error"; empty for NONE
 * and UNKNOWN. */
struct tg_str tg_finish_word(enum tg_finish f);

/* Which of two reasons told for the same choice holds: the more serious one,
 * so that a late "stop" takes nothing back. */
enum tg_finish tg_finish_worse(enum tg_finish a, enum tg_finish b);

#endif
