/* fault.h -- what a client is told when there is no answer.
 *
 * Errors are named where they arise and dressed here and nowhere else: one
 * table gives each type its HTTP status and default words, one function writes
 * the contract's envelope (docs/errors.md is checked against the table). */
#ifndef TG_FAULT_H
#define TG_FAULT_H

#include <stdbool.h>
#include <stdint.h>
#include "base/buf.h"
#include "base/str.h"
#include "wire/json.h"

/* error_type: the contract's 27 values (section 5.3), in its order. */
enum tg_fault_type {
    TG_FAULT_NONE,
    TG_FAULT_CONTEXT_LENGTH_EXCEEDED, TG_FAULT_MAX_TOKENS_EXCEEDED, TG_FAULT_TOKEN_LIMIT_EXCEEDED,
    TG_FAULT_STRING_TOO_LONG, TG_FAULT_INVALID_REQUEST, TG_FAULT_INVALID_PROMPT,
    TG_FAULT_CONTENT_POLICY_VIOLATION, TG_FAULT_REFUSAL, TG_FAULT_INVALID_IMAGE,
    TG_FAULT_IMAGE_TOO_LARGE, TG_FAULT_IMAGE_TOO_SMALL, TG_FAULT_UNSUPPORTED_IMAGE_FORMAT,
    TG_FAULT_IMAGE_DOWNLOAD_FAILED,
    TG_FAULT_AUTHENTICATION, TG_FAULT_PAYMENT_REQUIRED, TG_FAULT_PERMISSION_DENIED,
    TG_FAULT_NOT_FOUND, TG_FAULT_IMAGE_NOT_FOUND, TG_FAULT_PRECONDITION_FAILED,
    TG_FAULT_PAYLOAD_TOO_LARGE, TG_FAULT_UNPROCESSABLE, TG_FAULT_RATE_LIMIT_EXCEEDED,
    TG_FAULT_SERVER, TG_FAULT_UNMAPPED, TG_FAULT_PROVIDER_UNAVAILABLE,
    TG_FAULT_PROVIDER_OVERLOADED, TG_FAULT_TIMEOUT,
    TG_FAULT_TYPES
};

/* error.availability.code (contract 5.6), in its order. */
enum tg_availability {
    TG_AVAILABLE,              /* no availability object */
    TG_AVAIL_MODEL_NOT_FOUND, TG_AVAIL_WRONG_ENDPOINT, TG_AVAIL_NO_ENDPOINTS,
    TG_AVAIL_MODEL_DEPRECATED, TG_AVAIL_MODEL_UNAVAILABLE_UPSTREAM, TG_AVAIL_PRIVACY_RESTRICTED,
    TG_AVAIL_CONSTRAINT_FILTERED, TG_AVAIL_FREE_VARIANT_ENDED, TG_AVAIL_REGION_RESTRICTED,
    TG_AVAIL_CAPACITY_EXHAUSTED, TG_AVAIL_TEMPORARILY_UNAVAILABLE,
    TG_AVAILS
};

enum {
    TG_FAULT_NAMES_MAX    = 16,
    TG_FAULT_PREVIOUS_MAX = 16,
    TG_FAULT_RAW_MAX      = 16 * 1024    /* bytes of a provider's body that are shown */
};

/* An earlier attempt of the same request, for metadata.previous_errors. */
struct tg_fault_previous {
    struct tg_str provider;    /* display name */
    struct tg_str code;        /* the provider's code or our outcome's word */
    int           status;
};

/* All views belong to the exchange the fault is about. Zero is no fault. */
struct tg_fault {
    enum tg_fault_type   type;
    int                  status;           /* 0: the type's own */
    struct tg_str        message;          /* empty: the type's default words */
    int64_t              retry_after_ms;   /* > 0: Retry-After header, rounded up to s */
    enum tg_availability availability;
    struct tg_str        constraint_field, constraint_detail;
    struct tg_str        requested_models[TG_FAULT_NAMES_MAX];
    struct tg_str        affected_providers[TG_FAULT_NAMES_MAX];
    struct tg_str        fallback_models[TG_FAULT_NAMES_MAX];
    struct tg_str        excluded_by[TG_FAULT_NAMES_MAX];   /* each list ends at an empty view */
    struct tg_str        provider_name;    /* who said it, display name */
    struct tg_str        provider_code;
    struct tg_str        raw;              /* the provider's body as text; may be cut */
    struct tg_fault_previous previous[TG_FAULT_PREVIOUS_MAX];
    size_t               previous_count;
};

/* "rate_limit_exceeded"; the type of that name, TG_FAULT_NONE when unknown. */
const char *tg_fault_type_name(enum tg_fault_type type);
enum tg_fault_type tg_fault_type_of(struct tg_str name);
const char *tg_availability_name(enum tg_availability a);

/* The HTTP status this fault is answered with. */
int tg_fault_status(const struct tg_fault *f);

/* The type that fits a provider's status (402 -> payment_required, 529 ->
 * provider_overloaded, ...); TG_FAULT_UNMAPPED for what fits none. */
enum tg_fault_type tg_fault_type_for(int status);

/* A fault of that type whose message is a static sentence. */
struct tg_fault tg_fault_make(enum tg_fault_type type, const char *message);

/* Append the contract's error object: code, message, error_type, http_status,
 * metadata{error_type, provider_name, raw, ...}, availability. Registered
 * secrets are redacted from the provider's words. */
tg_err tg_fault_put(struct tg_buf *out, const struct tg_fault *f);

/* Append the whole envelope: {"error":{...}} with `metadata` (JSON text or
 * empty) as openrouter_metadata beside it. */
tg_err tg_fault_put_body(struct tg_buf *out, const struct tg_fault *f, struct tg_str metadata);

/* How a client's format tells an error. */
enum tg_fault_shape {
    TG_SHAPE_CHAT,         /* tg_fault_put_body() */
    TG_SHAPE_MESSAGES,     /* {"type":"error","error":{"type":...},"request_id":...} */
    TG_SHAPE_RESPONSES,    /* {"error":{"code","message",...},"error_type":...} */
    TG_SHAPE_GEMINI,       /* {"error":{"code","message","status","details":[...]}} */
    TG_SHAPE_GEMINI_ARRAY  /* [that]: where a stream were an array */
};

/* The envelope in that shape, in the words that the format's SDKs know. `id`
 * is the request's, may be empty. */
tg_err tg_fault_put_body_as(struct tg_buf *out, enum tg_fault_shape shape,
                            const struct tg_fault *f, struct tg_str id, struct tg_str metadata);

/* The same of an error object that tg_fault_put() wrote. */
tg_err tg_fault_put_error_as(struct tg_buf *out, enum tg_fault_shape shape, struct tg_json error,
                             struct tg_str id, struct tg_str metadata);

/* The type that such an object names. */
enum tg_fault_type tg_fault_type_in(struct tg_json error);

/* Anthropic's word for a type ("overloaded_error"), OpenAI's code in a failed
 * response ("server_error"), Google's canonical code of an HTTP status
 * ("RESOURCE_EXHAUSTED"). Never NULL. */
const char *tg_fault_word_messages(enum tg_fault_type type);
const char *tg_fault_word_responses(enum tg_fault_type type);
const char *tg_fault_word_gemini(int status);

/* The reason phrase of an HTTP status: "Too Many Requests". Never NULL. */
const char *tg_fault_phrase(int status);

#endif
