#include "wire/finish.h"

#include <stddef.h>
#include <string.h>
#include <strings.h>

/* Documented or recorded words. An abnormal end is never a stop: a client that
 * reads "stop" takes what it has for a whole answer. */
static const struct {
    const char    *word;
    enum tg_finish means;
} words[] = {
    { "stop",                          TG_FINISH_STOP },           /* OpenAI, and most */
    { "end_turn",                      TG_FINISH_STOP },           /* Anthropic */
    { "stop_sequence",                 TG_FINISH_STOP },           /* Anthropic, Cohere */
    { "pause_turn",                    TG_FINISH_STOP },           /* Anthropic, server tools */
    { "complete",                      TG_FINISH_STOP },           /* Cohere */
    { "completed",                     TG_FINISH_STOP },           /* OpenAI Responses */
    { "eos",                           TG_FINISH_STOP },           /* Together */
    { "eos_token",                     TG_FINISH_STOP },           /* text-generation-inference */
    { "finish",                        TG_FINISH_STOP },
    { "finished",                      TG_FINISH_STOP },           /* Bedrock Titan */
    { "done",                          TG_FINISH_STOP },
    { "length",                        TG_FINISH_LENGTH },
    { "max_tokens",                    TG_FINISH_LENGTH },         /* Anthropic, Gemini, Cohere */
    { "max_output_tokens",             TG_FINISH_LENGTH },         /* OpenAI Responses */
    { "model_length",                  TG_FINISH_LENGTH },         /* Mistral */
    { "model_context_window_exceeded", TG_FINISH_LENGTH },         /* Anthropic, Z.AI */
    { "incomplete",                    TG_FINISH_LENGTH },         /* OpenAI Responses */
    { "error_limit",                   TG_FINISH_LENGTH },         /* Cohere v1 */
    { "tool_calls",                    TG_FINISH_TOOL_CALLS },
    { "tool_call",                     TG_FINISH_TOOL_CALLS },     /* Azure's Mistral, Cohere */
    { "tool_use",                      TG_FINISH_TOOL_CALLS },     /* Anthropic, Bedrock */
    { "function_call",                 TG_FINISH_TOOL_CALLS },     /* OpenAI before tools */
    { "content_filter",                TG_FINISH_CONTENT_FILTER },
    { "content_filtered",              TG_FINISH_CONTENT_FILTER }, /* Bedrock */
    { "guardrail_intervened",          TG_FINISH_CONTENT_FILTER }, /* Bedrock */
    { "refusal",                       TG_FINISH_CONTENT_FILTER }, /* Anthropic */
    { "sensitive",                     TG_FINISH_CONTENT_FILTER }, /* Z.AI */
    { "error_toxic",                   TG_FINISH_CONTENT_FILTER }, /* Cohere v1 */
    { "safety",                        TG_FINISH_CONTENT_FILTER }, /* Gemini, from here ... */
    { "recitation",                    TG_FINISH_CONTENT_FILTER },
    { "language",                      TG_FINISH_CONTENT_FILTER },
    { "blocklist",                     TG_FINISH_CONTENT_FILTER },
    { "prohibited_content",            TG_FINISH_CONTENT_FILTER },
    { "spii",                          TG_FINISH_CONTENT_FILTER },
    { "model_armor",                   TG_FINISH_CONTENT_FILTER },
    { "image_safety",                  TG_FINISH_CONTENT_FILTER },
    { "other",                         TG_FINISH_ERROR },
    { "finish_reason_unspecified",     TG_FINISH_ERROR },
    { "malformed_function_call",       TG_FINISH_ERROR },
    { "unexpected_tool_call",          TG_FINISH_ERROR },
    { "too_many_tool_calls",           TG_FINISH_ERROR },
    { "missing_thought_signature",     TG_FINISH_ERROR },
    { "no_image",                      TG_FINISH_ERROR },          /* ... to here */
    { "error",                         TG_FINISH_ERROR },
    { "network_error",                 TG_FINISH_ERROR },          /* Z.AI */
    { "insufficient_system_resource",  TG_FINISH_ERROR },          /* DeepSeek */
    { "abort",                         TG_FINISH_ERROR },          /* vLLM, SGLang */
    { "cancelled",                     TG_FINISH_ERROR },
    { "failed",                        TG_FINISH_ERROR },          /* OpenAI Responses */
};

/* Words of tomorrow are judged by what they contain, the bad first: better to
 * call a good answer broken than a broken one good. What fits none of these is
 * UNKNOWN, a stop when content came. */
static const struct {
    const char    *part;
    enum tg_finish means;
} parts[] = {
    { "error", TG_FINISH_ERROR },       { "fail", TG_FINISH_ERROR },
    { "abort", TG_FINISH_ERROR },       { "cancel", TG_FINISH_ERROR },
    { "malformed", TG_FINISH_ERROR },   { "invalid", TG_FINISH_ERROR },
    { "unexpected", TG_FINISH_ERROR },  { "timeout", TG_FINISH_ERROR },
    { "interrupt", TG_FINISH_ERROR },   { "overload", TG_FINISH_ERROR },
    { "unavailable", TG_FINISH_ERROR }, { "exception", TG_FINISH_ERROR },
    { "disconnect", TG_FINISH_ERROR },  { "insufficient", TG_FINISH_ERROR },
    { "rate_limit", TG_FINISH_ERROR },
    { "filter", TG_FINISH_CONTENT_FILTER },    { "safety", TG_FINISH_CONTENT_FILTER },
    { "block", TG_FINISH_CONTENT_FILTER },     { "moderation", TG_FINISH_CONTENT_FILTER },
    { "prohibited", TG_FINISH_CONTENT_FILTER },{ "policy", TG_FINISH_CONTENT_FILTER },
    { "guardrail", TG_FINISH_CONTENT_FILTER }, { "refus", TG_FINISH_CONTENT_FILTER },
    { "length", TG_FINISH_LENGTH },     { "max_", TG_FINISH_LENGTH },
    { "limit", TG_FINISH_LENGTH },      { "truncat", TG_FINISH_LENGTH },
    { "tool", TG_FINISH_TOOL_CALLS },   { "function", TG_FINISH_TOOL_CALLS },
};

static bool contains(struct tg_str word, const char *part)
{
    size_t n = strlen(part);

    for (size_t i = 0; i + n <= word.len; i++)
        if (strncasecmp(word.at + i, part, n) == 0)
            return true;
    return false;
}

enum tg_finish tg_finish_of(struct tg_str word)
{
    if (!word.len)
        return TG_FINISH_NONE;
    for (size_t i = 0; i < sizeof words / sizeof *words; i++)
        if (tg_str_iis(word, words[i].word))
            return words[i].means;
    for (size_t i = 0; i < sizeof parts / sizeof *parts; i++)
        if (contains(word, parts[i].part))
            return parts[i].means;
    return TG_FINISH_UNKNOWN;
}

struct tg_str tg_finish_word(enum tg_finish f)
{
    switch (f) {
    case TG_FINISH_STOP:           return TG_STR("stop");
    case TG_FINISH_LENGTH:         return TG_STR("length");
    case TG_FINISH_TOOL_CALLS:     return TG_STR("tool_calls");
    case TG_FINISH_CONTENT_FILTER: return TG_STR("content_filter");
    case TG_FINISH_ERROR:          return TG_STR("error");
    case TG_FINISH_NONE:
    case TG_FINISH_UNKNOWN:        break;
    }
    return (struct tg_str){ 0 };
}

enum tg_finish tg_finish_worse(enum tg_finish a, enum tg_finish b)
{
    static const int weight[] = {
        [TG_FINISH_NONE] = 0, [TG_FINISH_UNKNOWN] = 1, [TG_FINISH_STOP] = 2,
        [TG_FINISH_TOOL_CALLS] = 3, [TG_FINISH_LENGTH] = 4, [TG_FINISH_CONTENT_FILTER] = 5,
        [TG_FINISH_ERROR] = 6,
    };
    return weight[b] > weight[a] ? b : a;
}
