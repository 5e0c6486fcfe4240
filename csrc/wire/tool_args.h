/* tool_args.h -- are the arguments of a tool call, which come in pieces, JSON?
 *
 * Holds nothing of the text: forty bytes of state per call, however long its
 * arguments are. */
#ifndef TG_TOOL_ARGS_H
#define TG_TOOL_ARGS_H

#include <stdbool.h>
#include <stdint.h>
#include "base/str.h"

enum { TG_TOOL_ARGS_DEPTH_MAX = 128 };     /* deeper arguments count as bad */

/* Held by its owner; all zero is one that has seen nothing. Fields are private. */
struct tg_tool_args {
    uint8_t     state, after_string;
    uint8_t     depth, digits;
    const char *word;                              /* the rest of true, false or null */
    uint64_t    is_object[TG_TOOL_ARGS_DEPTH_MAX / 64];
};

/* The next piece: the inside of a JSON string, still escaped. */
void tg_tool_args_feed(struct tg_tool_args *g, struct tg_str escaped);

/* Nothing but white space so far? */
bool tg_tool_args_is_empty(const struct tg_tool_args *g);

/* One whole JSON value so far? */
bool tg_tool_args_is_whole(const struct tg_tool_args *g);

#endif
