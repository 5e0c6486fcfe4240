#include "wire/names.h"

#include <string.h>
#define EACH_NAME(X)                                                                          \
    X(CHOICES, "choices") X(COST, "cost") X(CREATED, "created") X(DATA, "data")               \
    X(ERROR, "error") X(ID, "id") X(MODEL, "model") X(OBFUSCATION, "obfuscation")             \
    X(OBJECT, "object")                                                                       \
    X(OPENROUTER_METADATA, "openrouter_metadata") X(P, "p")                                   \
    X(PROMPT_FILTER_RESULTS, "prompt_filter_results") X(PROVIDER, "provider")                 \
    X(SERVICE_TIER, "service_tier") X(SYSTEM_FINGERPRINT, "system_fingerprint")               \
    X(USAGE, "usage") X(USER_ID, "user_id") X(X_GROQ, "x_groq") X(DELTA, "delta")             \
    X(FINISH_REASON, "finish_reason") X(INDEX, "index") X(LOGPROBS, "logprobs")               \
    X(MESSAGE, "message") X(NATIVE_FINISH_REASON, "native_finish_reason") X(TEXT, "text")     \
    X(ANNOTATIONS, "annotations") X(AUDIO, "audio") X(CONTENT, "content")                     \
    X(FUNCTION_CALL, "function_call") X(IMAGES, "images") X(NAME, "name")                     \
    X(REASONING, "reasoning") X(REASONING_CONTENT, "reasoning_content")                       \
    X(REASONING_DETAILS, "reasoning_details") X(REFUSAL, "refusal") X(ROLE, "role")           \
    X(THINKING, "thinking") X(TOOL_CALLS, "tool_calls") X(ARGUMENTS, "arguments")             \
    X(CUSTOM, "custom") X(FUNCTION, "function") X(TYPE, "type")

/* Names are not written with escapes, but they may be. */
static enum tg_name name_of_escaped(struct tg_str key)
{
#define X(name, text)               \
    if (tg_json_key_is(key, text))  \
        return TG_NAME_##name;
    EACH_NAME(X)
#undef X
    return TG_NAME_OTHER;
}

/* A constant length makes each comparison two or three instructions. */
#define IS(name, text)                                                              \
    if (memcmp(key.at, text, sizeof(text) - 1) == 0)                                \
        return TG_NAME_##name;

enum tg_name tg_name_of(struct tg_str key)
{
    switch (key.len) {
    case 1:  IS(P, "p") break;
    case 2:  IS(ID, "id") break;
    case 4:  IS(TEXT, "text") IS(ROLE, "role") IS(TYPE, "type") IS(NAME, "name") IS(DATA, "data")
             IS(COST, "cost")
             break;
    case 5:  IS(MODEL, "model") IS(INDEX, "index") IS(DELTA, "delta") IS(USAGE, "usage")
             IS(ERROR, "error") IS(AUDIO, "audio")
             break;
    case 6:  IS(OBJECT, "object") IS(IMAGES, "images") IS(X_GROQ, "x_groq") IS(CUSTOM, "custom")
             break;
    case 7:  IS(CHOICES, "choices") IS(CREATED, "created") IS(CONTENT, "content")
             IS(MESSAGE, "message") IS(REFUSAL, "refusal") IS(USER_ID, "user_id")
             break;
    case 8:  IS(LOGPROBS, "logprobs") IS(PROVIDER, "provider") IS(THINKING, "thinking")
             IS(FUNCTION, "function")
             break;
    case 9:  IS(REASONING, "reasoning") IS(ARGUMENTS, "arguments") break;
    case 10: IS(TOOL_CALLS, "tool_calls") break;
    case 11: IS(OBFUSCATION, "obfuscation") IS(ANNOTATIONS, "annotations") break;
    case 12: IS(SERVICE_TIER, "service_tier") break;
    case 13: IS(FINISH_REASON, "finish_reason") IS(FUNCTION_CALL, "function_call") break;
    case 17: IS(REASONING_CONTENT, "reasoning_content") IS(REASONING_DETAILS, "reasoning_details")
             break;
    case 18: IS(SYSTEM_FINGERPRINT, "system_fingerprint") break;
    case 19: IS(OPENROUTER_METADATA, "openrouter_metadata") break;
    case 20: IS(NATIVE_FINISH_REASON, "native_finish_reason") break;
    case 21: IS(PROMPT_FILTER_RESULTS, "prompt_filter_results") break;
    default: break;
    }
    return key.len && memchr(key.at, '\\', key.len) ? name_of_escaped(key) : TG_NAME_OTHER;
}

void tg_name_pass(struct tg_buf *out, struct tg_str key, struct tg_json value)
{
    const char *from = key.at - 1;         /* the opening quote */

    tg_buf_char(out, ',');
    tg_buf_add(out, from, (size_t)(value.raw.at + value.raw.len - from));
}
