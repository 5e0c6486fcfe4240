/* delta.h -- one delta of a stream, or one message of a whole answer.
 *
 * Both have the same members in the same dialects: text as a string, a list
 * of parts or an object; reasoning as `reasoning`, `reasoning_content`,
 * `thinking` or a part among the text. Read once, then written as the
 * contract's: role, content (a string), reasoning (a string), tool calls, and
 * everything else as it came. */
#ifndef TG_DELTA_H
#define TG_DELTA_H

#include <stdbool.h>
#include <stdint.h>
#include "base/buf.h"
#include "wire/json.h"
#include "wire/tool_calls.h"

/* What a delta or message holds: views of its text. */
struct tg_delta {
    struct tg_json object;             /* all of it */
    struct tg_json content;
    struct tg_json reasoning;          /* whichever field held it */
    struct tg_json refusal;
    struct tg_json tool_calls;
    unsigned       passed;             /* members that go on as they came */
    unsigned       odd_parts;          /* parts of content that are neither text nor thinking */
    size_t         thinking_bytes;     /* of reasoning among the parts of content */
    size_t         text_bytes;         /* of content, reasoning and refusal */
    bool           has_content;        /* text, tool calls, audio or images */
    bool           has_function_call;  /* the call of before there were tools */
    bool           is_worth_a_chunk;   /* holds anything that a client would miss */
    bool           is_text_only;       /* content is all that differs from chunk to chunk */
};

/* Anything that is no object reads as an empty delta. */
void tg_delta_read(struct tg_delta *d, struct tg_json object);

/* Does a value say anything: not null, not empty? */
bool tg_delta_says(struct tg_json value);

enum tg_delta_as {
    TG_DELTA_PIECE,        /* a delta, with fragments of tool calls */
    TG_DELTA_ALL_AT_ONCE,  /* a whole message, written as the only delta */
    TG_DELTA_MESSAGE       /* a whole message: keeps `content: null`, and tells refusal and
                              reasoning also when they are null */
};

enum { TG_DELTA_CONTENT_AT = 29 };     /* where the content begins in what is appended */

/* Append `"role":"assistant","content":...` and so on, without braces. *bytes
 * grows by the tool arguments' length. Errors are those of tg_tool_calls_put(). */
tg_err tg_delta_put(const struct tg_delta *d, enum tg_delta_as as, struct tg_tool_calls *calls,
                    const struct tg_tool_setting *setting, struct tg_buf *out, uint64_t *bytes);

#endif
