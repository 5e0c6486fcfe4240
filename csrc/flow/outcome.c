#include "flow/outcome.h"

#include <string.h>

#define FAILS TG_HEALTH_FAILURE
#define OTHER TG_HEALTH_NEUTRAL

static const struct tg_outcome_rule rules[TG_OUTS] = {
    /*                            name                 next              again  told   health  fault */
    [TG_OUT_OK]                 = { "ok",                  TG_NEXT_NOBODY,   false, false,
                                    TG_HEALTH_SUCCESS,     TG_FAULT_NONE },
    [TG_OUT_CONNECT]            = { "connect",             TG_NEXT_ENDPOINT, true,  false, FAILS, TG_FAULT_PROVIDER_UNAVAILABLE },
    [TG_OUT_TLS]                = { "tls",                 TG_NEXT_ENDPOINT, false, false, FAILS, TG_FAULT_PROVIDER_UNAVAILABLE },
    [TG_OUT_CONNECT_TIMEOUT]    = { "connect_timeout",     TG_NEXT_ENDPOINT, false, false, FAILS, TG_FAULT_TIMEOUT },
    [TG_OUT_FIRST_BYTE_TIMEOUT] = { "first_byte_timeout",  TG_NEXT_ENDPOINT, false, false, FAILS, TG_FAULT_TIMEOUT },
    [TG_OUT_FIRST_TOKEN_TIMEOUT]= { "first_token_timeout", TG_NEXT_ENDPOINT, false, false, FAILS, TG_FAULT_TIMEOUT },
    [TG_OUT_IDLE_TIMEOUT]       = { "idle_timeout",        TG_NEXT_ENDPOINT, false, false, FAILS, TG_FAULT_TIMEOUT },
    [TG_OUT_TOTAL_TIMEOUT]      = { "total_timeout",       TG_NEXT_NOBODY,   false, false, FAILS, TG_FAULT_TIMEOUT },
    [TG_OUT_RESET]              = { "reset",               TG_NEXT_ENDPOINT, true,  false, FAILS, TG_FAULT_PROVIDER_UNAVAILABLE },
    [TG_OUT_TRUNCATED]          = { "truncated",           TG_NEXT_ENDPOINT, true,  false, FAILS, TG_FAULT_PROVIDER_UNAVAILABLE },
    [TG_OUT_MALFORMED]          = { "malformed",           TG_NEXT_ENDPOINT, true,  false, FAILS, TG_FAULT_PROVIDER_UNAVAILABLE },
    [TG_OUT_EMPTY]              = { "empty",               TG_NEXT_ENDPOINT, true,  false, FAILS, TG_FAULT_PROVIDER_UNAVAILABLE },
    [TG_OUT_TOO_BIG]            = { "too_big",             TG_NEXT_ENDPOINT, false, false, FAILS, TG_FAULT_PROVIDER_UNAVAILABLE },
    [TG_OUT_RATE_LIMITED]       = { "rate_limited",        TG_NEXT_ENDPOINT, true,  true,
                                    TG_HEALTH_RATE_LIMITED, TG_FAULT_RATE_LIMIT_EXCEEDED },
    [TG_OUT_OVERLOADED]         = { "overloaded",          TG_NEXT_ENDPOINT, true,  true,  FAILS, TG_FAULT_PROVIDER_OVERLOADED },
    [TG_OUT_SERVER_ERROR]       = { "server_error",        TG_NEXT_ENDPOINT, true,  true,  FAILS, TG_FAULT_PROVIDER_UNAVAILABLE },
    [TG_OUT_REQUEST_TIMEOUT]    = { "request_timeout",     TG_NEXT_ENDPOINT, true,  true,  FAILS, TG_FAULT_TIMEOUT },
    [TG_OUT_KEY_REFUSED]        = { "key_refused",         TG_NEXT_ENDPOINT, false, false, FAILS, TG_FAULT_PROVIDER_UNAVAILABLE },
    [TG_OUT_NO_CREDIT]          = { "no_credit",           TG_NEXT_ENDPOINT, false, false, FAILS, TG_FAULT_PROVIDER_UNAVAILABLE },
    [TG_OUT_NOT_FOUND]          = { "not_found",           TG_NEXT_ENDPOINT, false, true,  FAILS, TG_FAULT_NOT_FOUND },
    [TG_OUT_REDIRECT]           = { "redirect",            TG_NEXT_ENDPOINT, false, false, FAILS, TG_FAULT_PROVIDER_UNAVAILABLE },
    [TG_OUT_CONFLICT]           = { "conflict",            TG_NEXT_ENDPOINT, false, true,  FAILS, TG_FAULT_PROVIDER_UNAVAILABLE },
    [TG_OUT_CONTEXT_LENGTH]     = { "context_length",      TG_NEXT_LARGER,   false, true,  OTHER, TG_FAULT_CONTEXT_LENGTH_EXCEEDED },
    [TG_OUT_CONTENT_POLICY]     = { "content_policy",      TG_NEXT_MODEL,    false, true,  OTHER, TG_FAULT_CONTENT_POLICY_VIOLATION },
    [TG_OUT_TOO_LARGE]          = { "too_large",           TG_NEXT_NOBODY,   false, true,  OTHER, TG_FAULT_PAYLOAD_TOO_LARGE },
    [TG_OUT_BAD_REQUEST]        = { "bad_request",         TG_NEXT_NOBODY,   false, true,  OTHER, TG_FAULT_INVALID_REQUEST },
    [TG_OUT_UNSUITABLE]         = { "unsuitable",          TG_NEXT_ENDPOINT, false, true,  OTHER, TG_FAULT_INVALID_REQUEST },
    [TG_OUT_CLIENT_GONE]        = { "client_gone",         TG_NEXT_NOBODY,   false, false, OTHER, TG_FAULT_NONE },
    [TG_OUT_OUR_FAULT]          = { "internal",            TG_NEXT_NOBODY,   false, false, OTHER, TG_FAULT_SERVER },
};

const struct tg_outcome_rule *tg_outcome_rule(enum tg_outcome o)
{
    return &rules[(unsigned)o < TG_OUTS ? o : TG_OUT_OUR_FAULT];
}

/* ---- an error's words ---- */

static bool has_word(struct tg_str text, const char *word)
{
    size_t n = strlen(word);

    for (size_t i = 0; i + n <= text.len; i++)
        if (tg_str_ieq((struct tg_str){ text.at + i, n }, (struct tg_str){ word, n }))
            return true;
    return false;
}

static bool has_any(struct tg_str text, const char *const *words)
{
    for (; *words; words++)
        if (has_word(text, *words))
            return true;
    return false;
}

/* Words that providers use for "your prompt is too long", as code or message:
 * OpenAI, vLLM, llama.cpp, Groq, Mistral, Together, DeepSeek, Cerebras, xAI. */
static const char *const context_words[] = {
    "context_length_exceeded", "exceed_context_size", "maximum context length", "context window",
    "context size", "prompt is too long", "too many tokens", "TOO_MANY_TOKENS",
    "string_too_long", "input is too long", "maximum prompt length", "reduce the length",
    "exceeds the maximum number of tokens", "context length", NULL
};

/* ... and for "we refuse this content". */
static const char *const policy_words[] = {
    "content_policy", "content_filter", "content filter", "content policy", "moderation",
    "ResponsibleAIPolicy", "safety", "flagged", "usage policies", "usage guidelines",
    "data_inspection_failed", "inappropriate content", NULL
};

static const char *const overload_words[] = { "overloaded", "over capacity", "too busy", NULL };
static const char *const rate_words[] = { "rate_limit", "rate limit", "too many requests",
                                          "RESOURCE_EXHAUSTED", NULL };

static bool says(const struct tg_told *told, const char *const *words)
{
    return told && (has_any(tg_buf_view(&told->code), words) ||
                    has_any(tg_buf_view(&told->message), words));
}

static enum tg_outcome of_bad_request(const struct tg_told *told, enum tg_outcome otherwise)
{
    if (says(told, context_words))
        return TG_OUT_CONTEXT_LENGTH;
    if (says(told, policy_words))
        return TG_OUT_CONTENT_POLICY;
    return otherwise;
}

enum tg_outcome tg_outcome_of_status(int status, const struct tg_told *told)
{
    static const char *const limit_words[] = { "rate_limit", "tokens per minute", NULL };

    switch (status) {
    case 400: case 422:
        return of_bad_request(told, TG_OUT_BAD_REQUEST);
    case 401:
        return TG_OUT_KEY_REFUSED;
    case 402:
        return TG_OUT_NO_CREDIT;
    case 403: case 451:
        return says(told, policy_words) ? TG_OUT_CONTENT_POLICY : TG_OUT_KEY_REFUSED;
    case 404: case 405: case 410: case 501:
        return TG_OUT_NOT_FOUND;
    case 408: case 504: case 524:
        return TG_OUT_REQUEST_TIMEOUT;
    case 409: case 421: case 423: case 424: case 425: case 426: case 498:
        return TG_OUT_CONFLICT;
    case 413:
        /* Groq says 413 for a request above its tokens per minute. */
        return says(told, limit_words) ? TG_OUT_RATE_LIMITED : of_bad_request(told, TG_OUT_TOO_LARGE);
    case 429:
        return TG_OUT_RATE_LIMITED;
    case 503: case 529:
        return TG_OUT_OVERLOADED;
    }
    if (status >= 500)
        return TG_OUT_SERVER_ERROR;
    if (status >= 400)
        return TG_OUT_BAD_REQUEST;
    if (status >= 300)
        return TG_OUT_REDIRECT;
    return TG_OUT_MALFORMED;
}

enum tg_outcome tg_outcome_of_told(const struct tg_told *told)
{
    if (told->status >= 400 && told->status < 600)
        return tg_outcome_of_status(told->status, told);
    if (says(told, rate_words))
        return TG_OUT_RATE_LIMITED;
    if (says(told, overload_words))
        return TG_OUT_OVERLOADED;
    return of_bad_request(told, TG_OUT_SERVER_ERROR);
}

enum tg_outcome tg_outcome_of_err(tg_err err, bool head_seen)
{
    switch (err) {
    case TG_ECONNECT: case TG_ENOTFOUND: return TG_OUT_CONNECT;
    case TG_ETLS:     return TG_OUT_TLS;
    case TG_ETIMEOUT: return TG_OUT_CONNECT_TIMEOUT;
    case TG_ETOOBIG:  return TG_OUT_TOO_BIG;
    case TG_EINVAL: case TG_EDEPTH: return TG_OUT_MALFORMED;
    case TG_ENOMEM:   return TG_OUT_OUR_FAULT;
    default:          return head_seen ? TG_OUT_TRUNCATED : TG_OUT_RESET;
    }
}
