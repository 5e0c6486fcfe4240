#include "wire/fault.h"

#include "base/log.h"
#include "wire/json.h"

enum {
    WORDS_MAX  = 8 * 1024,     /* bytes of a message or a code that are shown */
    SECRET_MAX = 4 * 1024      /* a secret of up to this length is never shown in part */
};

static const struct {
    const char *name;
    int         status;
    const char *words;
} types[TG_FAULT_TYPES] = {
    [TG_FAULT_NONE] = { "", 500, "Internal Server Error" },
    [TG_FAULT_CONTEXT_LENGTH_EXCEEDED] = { "context_length_exceeded", 400,
        "The request is longer than the model's maximum context length." },
    [TG_FAULT_MAX_TOKENS_EXCEEDED] = { "max_tokens_exceeded", 400,
        "The request asks for more output tokens than the model gives." },
    [TG_FAULT_TOKEN_LIMIT_EXCEEDED] = { "token_limit_exceeded", 400,
        "The answer reached the token limit." },
    [TG_FAULT_STRING_TOO_LONG] = { "string_too_long", 400, "A string of the request is too long." },
    [TG_FAULT_INVALID_REQUEST] = { "invalid_request", 400, "Bad Request" },
    [TG_FAULT_INVALID_PROMPT] = { "invalid_prompt", 400, "The prompt is not valid." },
    [TG_FAULT_CONTENT_POLICY_VIOLATION] = { "content_policy_violation", 400,
        "The request was refused by the provider's content policy." },
    [TG_FAULT_REFUSAL] = { "refusal", 400, "The model refused to answer." },
    [TG_FAULT_INVALID_IMAGE] = { "invalid_image", 400, "An image of the request is not valid." },
    [TG_FAULT_IMAGE_TOO_LARGE] = { "image_too_large", 400,
        "An image of the request is too large." },
    [TG_FAULT_IMAGE_TOO_SMALL] = { "image_too_small", 400,
        "An image of the request is too small." },
    [TG_FAULT_UNSUPPORTED_IMAGE_FORMAT] = { "unsupported_image_format", 400,
        "An image of the request has a format that is not supported." },
    [TG_FAULT_IMAGE_DOWNLOAD_FAILED] = { "image_download_failed", 400,
        "An image of the request could not be fetched." },
    [TG_FAULT_AUTHENTICATION] = { "authentication", 401, "Missing Authentication header" },
    [TG_FAULT_PAYMENT_REQUIRED] = { "payment_required", 402, "Insufficient credits." },
    [TG_FAULT_PERMISSION_DENIED] = { "permission_denied", 403, "Forbidden" },
    [TG_FAULT_NOT_FOUND] = { "not_found", 404, "Resource not found" },
    [TG_FAULT_IMAGE_NOT_FOUND] = { "image_not_found", 404,
        "An image of the request was not found." },
    [TG_FAULT_PRECONDITION_FAILED] = { "precondition_failed", 412, "Precondition failed" },
    [TG_FAULT_PAYLOAD_TOO_LARGE] = { "payload_too_large", 413, "Request payload is too large" },
    [TG_FAULT_UNPROCESSABLE] = { "unprocessable", 422, "The request cannot be processed." },
    [TG_FAULT_RATE_LIMIT_EXCEEDED] = { "rate_limit_exceeded", 429, "Rate limit exceeded" },
    [TG_FAULT_SERVER] = { "server", 500, "Internal Server Error" },
    [TG_FAULT_UNMAPPED] = { "unmapped", 500, "Internal Server Error" },
    [TG_FAULT_PROVIDER_UNAVAILABLE] = { "provider_unavailable", 502, "Provider returned error" },
    [TG_FAULT_PROVIDER_OVERLOADED] = { "provider_overloaded", 503,
        "The provider is temporarily overloaded" },
    [TG_FAULT_TIMEOUT] = { "timeout", 504, "The provider did not answer in time" },
};

static const struct {
    const char *name;
    bool        retryable;
} availabilities[TG_AVAILS] = {
    [TG_AVAILABLE] = { "", false },
    [TG_AVAIL_MODEL_NOT_FOUND] = { "model_not_found", false },
    [TG_AVAIL_WRONG_ENDPOINT] = { "wrong_endpoint", false },
    [TG_AVAIL_NO_ENDPOINTS] = { "no_endpoints", false },
    [TG_AVAIL_MODEL_DEPRECATED] = { "model_deprecated", false },
    [TG_AVAIL_MODEL_UNAVAILABLE_UPSTREAM] = { "model_unavailable_upstream", false },
    [TG_AVAIL_PRIVACY_RESTRICTED] = { "privacy_restricted", false },
    [TG_AVAIL_CONSTRAINT_FILTERED] = { "constraint_filtered", false },
    [TG_AVAIL_FREE_VARIANT_ENDED] = { "free_variant_ended", false },
    [TG_AVAIL_REGION_RESTRICTED] = { "region_restricted", false },
    [TG_AVAIL_CAPACITY_EXHAUSTED] = { "capacity_exhausted", true },
    [TG_AVAIL_TEMPORARILY_UNAVAILABLE] = { "temporarily_unavailable", true },
};

/* The contract's own page about each code; clients show it as a link. */
static const char docs[] = "https://openrouter.ai/docs/errors#";

const char *tg_fault_type_name(enum tg_fault_type type)
{
    return types[type].name;
}

enum tg_fault_type tg_fault_type_of(struct tg_str name)
{
    for (int t = TG_FAULT_NONE + 1; t < TG_FAULT_TYPES; t++)
        if (tg_str_is(name, types[t].name))
            return (enum tg_fault_type)t;
    return TG_FAULT_NONE;
}

const char *tg_availability_name(enum tg_availability a)
{
    return availabilities[a].name;
}

int tg_fault_status(const struct tg_fault *f)
{
    return f->status >= 400 && f->status <= 599 ? f->status : types[f->type].status;
}

enum tg_fault_type tg_fault_type_for(int status)
{
    switch (status) {
    case 400: return TG_FAULT_INVALID_REQUEST;
    case 401: return TG_FAULT_AUTHENTICATION;
    case 402: return TG_FAULT_PAYMENT_REQUIRED;
    case 403: return TG_FAULT_PERMISSION_DENIED;
    case 404: return TG_FAULT_NOT_FOUND;
    case 412: return TG_FAULT_PRECONDITION_FAILED;
    case 413: return TG_FAULT_PAYLOAD_TOO_LARGE;
    case 422: return TG_FAULT_UNPROCESSABLE;
    case 429: return TG_FAULT_RATE_LIMIT_EXCEEDED;
    case 503: case 529:
        return TG_FAULT_PROVIDER_OVERLOADED;
    case 408: case 504: case 522: case 524:
        return TG_FAULT_TIMEOUT;
    default:
        return status >= 500 && status <= 599 ? TG_FAULT_PROVIDER_UNAVAILABLE : TG_FAULT_UNMAPPED;
    }
}

struct tg_fault tg_fault_make(enum tg_fault_type type, const char *message)
{
    return (struct tg_fault){ .type = type, .message = tg_str_of(message) };
}

/* ---- the JSON ---- */

/* At most `max` bytes, not ending inside a UTF-8 character. */
static struct tg_str cut(struct tg_str s, size_t max)
{
    if (s.len <= max)
        return s;
    s.len = max;
    while (s.len && ((unsigned char)s.at[s.len] & 0xc0) == 0x80)
        s.len--;
    return s;
}

static void put_int(struct tg_buf *out, const char *name, int64_t value)
{
    tg_json_put_name(out, name);
    tg_buf_i64(out, value);
}

static void put_z(struct tg_buf *out, const char *name, const char *value)
{
    tg_json_put_name(out, name);
    tg_json_put_text(out, tg_str_of(value));
}

/* Words from outside: secrets taken out, cut, then escaped. Redacted before
 * the cut, with room behind it, so that no secret is halved and slips by. */
static void put_words(struct tg_buf *out, const char *name, struct tg_str words, size_t max)
{
    struct tg_buf clean = { 0 };

    tg_buf_str(&clean, cut(words, max + SECRET_MAX));
    tg_log_redact(&clean, 0);
    tg_json_put_name(out, name);
    tg_json_put_text(out, cut(tg_buf_view(&clean), max));
    if (clean.bad)
        out->bad = true;
    tg_buf_done(&clean);
}

static void put_words_unless_empty(struct tg_buf *out, const char *name, struct tg_str words)
{
    if (words.len)
        put_words(out, name, words, WORDS_MAX);
}

static void put_names(struct tg_buf *out, const char *name, const struct tg_str *names)
{
    tg_json_put_name(out, name);
    tg_buf_char(out, '[');
    for (int i = 0; i < TG_FAULT_NAMES_MAX && names[i].len; i++) {
        tg_json_put_comma(out);
        tg_json_put_text(out, cut(names[i], WORDS_MAX));
    }
    tg_buf_char(out, ']');
}

static void put_names_unless_empty(struct tg_buf *out, const char *name, const struct tg_str *names)
{
    if (names[0].len)
        put_names(out, name, names);
}

static int64_t retry_after_s(const struct tg_fault *f)
{
    return f->retry_after_ms / 1000 + (f->retry_after_ms % 1000 > 0);
}

static void put_retry_after(struct tg_buf *out, const struct tg_fault *f)
{
    put_int(out, "retry_after_seconds", retry_after_s(f));
    tg_json_put_name(out, "retry_after_seconds_raw");
    tg_json_put_double(out, (double)f->retry_after_ms / 1000);
    tg_json_put_name(out, "headers");
    tg_buf_z(out, "{\"Retry-After\":\"");
    tg_buf_i64(out, retry_after_s(f));
    tg_buf_z(out, "\"}");
}

static void put_previous(struct tg_buf *out, const struct tg_fault *f)
{
    tg_json_put_name(out, "previous_errors");
    tg_buf_char(out, '[');
    for (size_t i = 0; i < f->previous_count && i < TG_FAULT_PREVIOUS_MAX; i++) {
        const struct tg_fault_previous *p = &f->previous[i];
        tg_json_put_comma(out);
        tg_buf_char(out, '{');
        put_words(out, "provider", p->provider, WORDS_MAX);
        put_words(out, "code", p->code, WORDS_MAX);
        put_int(out, "status", p->status);
        tg_buf_char(out, '}');
    }
    tg_buf_char(out, ']');
}

static void put_metadata(struct tg_buf *out, const struct tg_fault *f)
{
    tg_json_put_name(out, "metadata");
    tg_buf_char(out, '{');
    put_z(out, "error_type", types[f->type].name);
    put_words_unless_empty(out, "provider_name", f->provider_name);
    put_words_unless_empty(out, "provider_code", f->provider_code);
    if (f->raw.len)
        put_words(out, "raw", f->raw, TG_FAULT_RAW_MAX);
    if (f->retry_after_ms > 0)
        put_retry_after(out, f);
    if (f->previous_count)
        put_previous(out, f);
    tg_buf_char(out, '}');
}

static void put_availability(struct tg_buf *out, const struct tg_fault *f)
{
    const char *code = availabilities[f->availability].name;

    tg_json_put_name(out, "availability");
    tg_buf_char(out, '{');
    put_z(out, "code", code);
    tg_json_put_name(out, "retryable");
    tg_buf_z(out, availabilities[f->availability].retryable ? "true" : "false");
    if (f->retry_after_ms > 0)
        put_int(out, "retry_after", retry_after_s(f));
    put_names(out, "requested_models", f->requested_models);
    put_names_unless_empty(out, "affected_providers", f->affected_providers);
    put_names_unless_empty(out, "excluded_by", f->excluded_by);
    put_names_unless_empty(out, "fallback_models", f->fallback_models);
    if (f->constraint_field.len) {
        tg_json_put_name(out, "constraint");
        tg_buf_char(out, '{');
        put_words(out, "field", f->constraint_field, WORDS_MAX);
        put_words(out, "detail", f->constraint_detail, WORDS_MAX);
        tg_buf_char(out, '}');
    }
    tg_json_put_name(out, "docs_url");
    tg_buf_char(out, '"');
    tg_buf_z(out, docs);
    tg_buf_z(out, code);
    tg_buf_z(out, "\"}");
}

/* What went wrong inside the gateway is nobody's business but the operator's:
 * it stands in the log. */
static struct tg_str shown_message(const struct tg_fault *f)
{
    bool is_internal = tg_fault_status(f) == 500
                    && (f->type == TG_FAULT_SERVER || f->type == TG_FAULT_UNMAPPED);

    return f->message.len && !is_internal ? f->message : tg_str_of(types[f->type].words);
}

tg_err tg_fault_put(struct tg_buf *out, const struct tg_fault *f)
{
    struct tg_fault internal;

    if (f->type == TG_FAULT_NONE) {
        internal = *f;
        internal.type = TG_FAULT_SERVER;
        f = &internal;
    }
    tg_buf_char(out, '{');
    put_int(out, "code", tg_fault_status(f));
    put_words(out, "message", shown_message(f), WORDS_MAX);
    put_z(out, "error_type", types[f->type].name);
    put_int(out, "http_status", tg_fault_status(f));
    put_metadata(out, f);
    if (f->availability != TG_AVAILABLE)
        put_availability(out, f);
    return tg_buf_char(out, '}');
}

tg_err tg_fault_put_body(struct tg_buf *out, const struct tg_fault *f, struct tg_str metadata)
{
    tg_buf_z(out, "{\"error\":");
    tg_fault_put(out, f);
    if (metadata.len) {
        tg_buf_z(out, ",\"openrouter_metadata\":");
        tg_buf_str(out, metadata);
    }
    return tg_buf_char(out, '}');
}

const char *tg_fault_phrase(int status)
{
    switch (status) {
    case 100: return "Continue";
    case 200: return "OK";
    case 201: return "Created";
    case 202: return "Accepted";
    case 204: return "No Content";
    case 301: return "Moved Permanently";
    case 302: return "Found";
    case 303: return "See Other";
    case 304: return "Not Modified";
    case 307: return "Temporary Redirect";
    case 308: return "Permanent Redirect";
    case 400: return "Bad Request";
    case 401: return "Unauthorized";
    case 402: return "Payment Required";
    case 403: return "Forbidden";
    case 404: return "Not Found";
    case 405: return "Method Not Allowed";
    case 406: return "Not Acceptable";
    case 408: return "Request Timeout";
    case 409: return "Conflict";
    case 410: return "Gone";
    case 411: return "Length Required";
    case 412: return "Precondition Failed";
    case 413: return "Content Too Large";
    case 414: return "URI Too Long";
    case 415: return "Unsupported Media Type";
    case 417: return "Expectation Failed";
    case 421: return "Misdirected Request";
    case 422: return "Unprocessable Content";
    case 423: return "Locked";
    case 424: return "Failed Dependency";
    case 425: return "Too Early";
    case 426: return "Upgrade Required";
    case 428: return "Precondition Required";
    case 429: return "Too Many Requests";
    case 431: return "Request Header Fields Too Large";
    case 451: return "Unavailable For Legal Reasons";
    case 500: return "Internal Server Error";
    case 501: return "Not Implemented";
    case 502: return "Bad Gateway";
    case 503: return "Service Unavailable";
    case 504: return "Gateway Timeout";
    case 505: return "HTTP Version Not Supported";
    case 524: return "A Timeout Occurred";
    case 529: return "Site is overloaded";
    default:
        break;
    }
    static const char *const classes[] = { "Continue", "OK", "Redirect", "Bad Request",
                                           "Server Error" };
    return status >= 100 && status <= 599 ? classes[status / 100 - 1] : "Unknown";
}
