/* tool_calls.h -- tool calls as the contract has them, however they came.
 *
 * Providers number calls from 0, from 1 or not at all, send ids late, twice,
 * empty or never, cut arguments anywhere or send an object. What goes on:
 * indices 0, 1, 2 ... in the order of arrival, id, type and name with the first
 * fragment of a call and never again, arguments as the text of a JSON value.
 *
 * A fragment belongs to a call seen before when it has the same index (or,
 * without an index, the same id, or neither) and does not tell that it is
 * another: by another id, or, where ids are not sent, by another name or by a
 * second whole value of arguments. */
#ifndef TG_TOOL_CALLS_H
#define TG_TOOL_CALLS_H

#include <stdbool.h>
#include <stdint.h>
#include "base/buf.h"
#include "wire/json.h"

enum { TG_TOOL_CALLS_MAX = 128 };      /* of one choice; more are refused */

struct tg_tool_call;                   /* what is known of one; nothing of its text */

/* The calls of one choice. Held by its owner; all zero is none, and no memory. */
struct tg_tool_calls {
    struct tg_tool_call *calls;
    uint16_t count, cap;
};

void tg_tool_calls_done(struct tg_tool_calls *t);

/* What is the same for all calls of an answer. */
struct tg_tool_setting {
    struct tg_str  answer_id;          /* ids are made up from it */
    unsigned       choice;
    struct tg_json offered;            /* the request's "tools"; may be absent */
    bool           was_cut_short;      /* by a limit: what is missing stays missing */
};

/* Append the contract's list for a delta's or message's "tool_calls" value; a
 * value that holds no call of the client's appends nothing. With `is_whole`
 * every element is a call of its own, and empty arguments become "{}": an
 * empty text is not JSON. *bytes grows by the arguments' length.
 * TG_ETOOBIG past TG_TOOL_CALLS_MAX, TG_ENOMEM. */
tg_err tg_tool_calls_put(struct tg_tool_calls *t, const struct tg_tool_setting *s,
                         struct tg_json list, bool is_whole, struct tg_buf *out, uint64_t *bytes);

/* The same at the end of a stream: append a list with "{}" for each call that
 * got no arguments. Appends nothing when there is no such call. */
tg_err tg_tool_calls_put_missing(struct tg_tool_calls *t, struct tg_buf *out);

/* Are all calls ones that the client can make: a name that was offered, JSON
 * arguments? Asked at the end. */
bool tg_tool_calls_are_good(const struct tg_tool_calls *t);

#endif
