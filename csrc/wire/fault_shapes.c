/* One error, told in each format's own shape. What is said, and what is not,
 * was decided by tg_fault_put(): here its object is only told again. */
#include "wire/fault.h"

enum { WAIT_MAX_S = 1000 * 1000 * 1000 };      /* longer is no hint to anybody */

/* ---- words ---- */

const char *tg_fault_word_messages(enum tg_fault_type type)
{
    switch (type) {
    case TG_FAULT_AUTHENTICATION:      return "authentication_error";
    case TG_FAULT_PERMISSION_DENIED:   return "permission_error";
    case TG_FAULT_PAYMENT_REQUIRED:    return "billing_error";
    case TG_FAULT_NOT_FOUND:
    case TG_FAULT_IMAGE_NOT_FOUND:     return "not_found_error";
    case TG_FAULT_RATE_LIMIT_EXCEEDED: return "rate_limit_error";
    case TG_FAULT_PROVIDER_OVERLOADED: return "overloaded_error";
    case TG_FAULT_TIMEOUT:             return "timeout_error";
    case TG_FAULT_NONE:
    case TG_FAULT_SERVER:
    case TG_FAULT_UNMAPPED:
    case TG_FAULT_PROVIDER_UNAVAILABLE:
    case TG_FAULT_TYPES:               return "api_error";
    default:                           return "invalid_request_error";
    }
}

const char *tg_fault_word_responses(enum tg_fault_type type)
{
    switch (type) {
    case TG_FAULT_RATE_LIMIT_EXCEEDED:      return "rate_limit_exceeded";
    case TG_FAULT_CONTEXT_LENGTH_EXCEEDED:
    case TG_FAULT_INVALID_REQUEST:
    case TG_FAULT_INVALID_PROMPT:           return "invalid_prompt";
    case TG_FAULT_CONTENT_POLICY_VIOLATION: return "image_content_policy_violation";
    default:                                return "server_error";
    }
}

/* google.rpc.Code, by the status that each has over HTTP. */
const char *tg_fault_word_gemini(int status)
{
    switch (status) {
    case 401: return "UNAUTHENTICATED";
    case 402: return "FAILED_PRECONDITION";
    case 403: return "PERMISSION_DENIED";
    case 404: return "NOT_FOUND";
    case 409: return "ABORTED";
    case 412: return "FAILED_PRECONDITION";
    case 416: return "OUT_OF_RANGE";
    case 429: return "RESOURCE_EXHAUSTED";
    case 499: return "CANCELLED";
    case 500: return "INTERNAL";
    case 501: return "UNIMPLEMENTED";
    case 408: case 504: case 524:
        return "DEADLINE_EXCEEDED";
    case 502: case 503: case 529:
        return "UNAVAILABLE";
    default:
        return status >= 400 && status <= 499 ? "INVALID_ARGUMENT" : "UNKNOWN";
    }
}

/* The kind of error that OpenAI's SDKs show beside its code. */
static const char *openai_type(int status)
{
    if (status == 429)
        return "rate_limit_error";
    return status >= 500 ? "server_error" : "invalid_request_error";
}

/* ---- the envelopes ---- */

enum tg_fault_type tg_fault_type_in(struct tg_json error)
{
    struct tg_str name;

    return tg_json_plain(tg_json_get(error, "error_type"), &name) ? tg_fault_type_of(name)
                                                                  : TG_FAULT_NONE;
}

static int status_in(struct tg_json error)
{
    int64_t status;

    return tg_json_i64(tg_json_get(error, "code"), &status) && status >= 400 && status <= 599
               ? (int)status : 500;
}

static void put_word(struct tg_buf *out, const char *name, const char *word)
{
    tg_json_put_name(out, name);
    tg_json_put_text(out, tg_str_of(word));
}

/* A member of the error as it stands there; `otherwise` when it has none. */
static void put_same(struct tg_buf *out, struct tg_json error, const char *name,
                     const char *otherwise)
{
    struct tg_json value = tg_json_get(error, name);

    tg_json_put_name(out, name);
    if (value.kind == TG_JSON_NONE)
        tg_buf_z(out, otherwise);
    else
        tg_buf_str(out, value.raw);
}

static void put_messages(struct tg_buf *out, struct tg_json error, struct tg_str id)
{
    enum tg_fault_type type = tg_fault_type_in(error);

    tg_buf_z(out, "{\"type\":\"error\",\"error\":{");
    put_word(out, "type", tg_fault_word_messages(type));
    put_same(out, error, "message", "\"\"");
    put_word(out, "error_type", tg_fault_type_name(type));
    tg_buf_z(out, "},\"request_id\":");
    if (id.len)
        tg_json_put_text(out, id);
    else
        tg_buf_z(out, "null");
}

static void put_responses(struct tg_buf *out, struct tg_json error)
{
    enum tg_fault_type type = tg_fault_type_in(error);

    tg_buf_z(out, "{\"error\":{");
    put_word(out, "code", tg_fault_word_responses(type));
    put_same(out, error, "message", "\"\"");
    put_word(out, "type", openai_type(status_in(error)));
    tg_buf_z(out, ",\"param\":null}");
    put_word(out, "error_type", tg_fault_type_name(type));
    put_same(out, error, "metadata", "null");
}

/* "rate_limit_exceeded" as google.rpc.ErrorInfo wants it. */
static void put_reason(struct tg_buf *out, const char *name)
{
    if (!*name)
        return;
    tg_buf_z(out, ",\"reason\":\"");
    for (; *name; name++)
        tg_buf_char(out, *name >= 'a' && *name <= 'z' ? (char)(*name - 'a' + 'A') : *name);
    tg_buf_char(out, '"');
}

static void put_wait(struct tg_buf *out, double seconds)
{
    int64_t ms = (int64_t)(seconds * 1000 + 0.5);

    tg_buf_z(out, ",{\"@type\":\"type.googleapis.com/google.rpc.RetryInfo\",\"retryDelay\":\"");
    tg_buf_i64(out, ms / 1000);
    tg_buf_char(out, '.');
    for (int64_t unit = 100; unit; unit /= 10)
        tg_buf_char(out, (char)('0' + ms / unit % 10));
    tg_buf_z(out, "s\"}");
}

static void put_details(struct tg_buf *out, struct tg_json error)
{
    struct tg_json wait = tg_json_get(tg_json_get(error, "metadata"), "retry_after_seconds_raw");
    double seconds;

    tg_buf_z(out, ",\"details\":[{\"@type\":\"type.googleapis.com/google.rpc.ErrorInfo\"");
    put_reason(out, tg_fault_type_name(tg_fault_type_in(error)));
    tg_buf_z(out, ",\"domain\":\"tidegate\"}");
    if (tg_json_double(wait, &seconds) && seconds > 0 && seconds < WAIT_MAX_S)
        put_wait(out, seconds);
    tg_buf_char(out, ']');
}

static void put_gemini(struct tg_buf *out, struct tg_json error)
{
    int status = status_in(error);

    tg_buf_z(out, "{\"error\":{\"code\":");
    tg_buf_i64(out, status);
    put_same(out, error, "message", "\"\"");
    put_word(out, "status", tg_fault_word_gemini(status));
    put_details(out, error);
    tg_buf_char(out, '}');
}

tg_err tg_fault_put_error_as(struct tg_buf *out, enum tg_fault_shape shape, struct tg_json error,
                             struct tg_str id, struct tg_str metadata)
{
    switch (shape) {
    case TG_SHAPE_CHAT:
        tg_buf_z(out, "{\"error\":");
        tg_buf_str(out, error.raw);
        break;
    case TG_SHAPE_MESSAGES:  put_messages(out, error, id); break;
    case TG_SHAPE_RESPONSES: put_responses(out, error); break;
    case TG_SHAPE_GEMINI_ARRAY:
        tg_buf_char(out, '[');
        /* fall through */
    case TG_SHAPE_GEMINI:    put_gemini(out, error); break;
    }
    if (metadata.len) {
        tg_buf_z(out, ",\"openrouter_metadata\":");
        tg_buf_str(out, metadata);
    }
    return tg_buf_z(out, shape == TG_SHAPE_GEMINI_ARRAY ? "}]\n" : "}");
}

tg_err tg_fault_put_body_as(struct tg_buf *out, enum tg_fault_shape shape,
                            const struct tg_fault *f, struct tg_str id, struct tg_str metadata)
{
    struct tg_buf text = { 0 };
    struct tg_json error = { .kind = TG_JSON_OBJECT };
    tg_err err = tg_fault_put(&text, f);

    error.raw = tg_buf_view(&text);
    if (!err)
        err = tg_fault_put_error_as(out, shape, error, id, metadata);
    tg_buf_done(&text);
    return err;
}
