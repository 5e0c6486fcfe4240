/* names.h -- the member names a completion is made of, told apart at a glance.
 *
 * Every event of every stream has a dozen members; asking each for each name
 * it might have would cost more than the rest of the work. */
#ifndef TG_NAMES_H
#define TG_NAMES_H

#include "base/buf.h"
#include "wire/json.h"

enum tg_name {
    TG_NAME_OTHER,                 /* one this gateway does not know */
    /* of the answer */
    TG_NAME_CHOICES, TG_NAME_COST, TG_NAME_CREATED, TG_NAME_DATA, TG_NAME_ERROR, TG_NAME_ID,
    TG_NAME_MODEL, TG_NAME_OBFUSCATION, TG_NAME_OBJECT, TG_NAME_OPENROUTER_METADATA, TG_NAME_P,
    TG_NAME_PROMPT_FILTER_RESULTS, TG_NAME_PROVIDER, TG_NAME_SERVICE_TIER,
    TG_NAME_SYSTEM_FINGERPRINT, TG_NAME_USAGE, TG_NAME_USER_ID, TG_NAME_X_GROQ,
    /* of a choice */
    TG_NAME_DELTA, TG_NAME_FINISH_REASON, TG_NAME_INDEX, TG_NAME_LOGPROBS, TG_NAME_MESSAGE,
    TG_NAME_NATIVE_FINISH_REASON, TG_NAME_TEXT,
    /* of a delta or message */
    TG_NAME_ANNOTATIONS, TG_NAME_AUDIO, TG_NAME_CONTENT, TG_NAME_FUNCTION_CALL, TG_NAME_IMAGES,
    TG_NAME_NAME, TG_NAME_REASONING, TG_NAME_REASONING_CONTENT, TG_NAME_REASONING_DETAILS,
    TG_NAME_REFUSAL, TG_NAME_ROLE, TG_NAME_THINKING, TG_NAME_TOOL_CALLS,
    /* of a tool call */
    TG_NAME_ARGUMENTS, TG_NAME_CUSTOM, TG_NAME_FUNCTION, TG_NAME_TYPE
};

/* `key` as tg_json_next() gives it: still escaped, which is taken into account. */
enum tg_name tg_name_of(struct tg_str key);

/* Append a comma and the member as it came, byte for byte. Both are views
 * that tg_json_next() gave together. */
void tg_name_pass(struct tg_buf *out, struct tg_str key, struct tg_json value);

#endif
