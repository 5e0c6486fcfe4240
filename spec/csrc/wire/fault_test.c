/* What a client is told when there is no answer (contract, section 5). */
#include "check.h"

#include "base/log.h"
#include "base/mem.h"
#include "wire/fault.h"
#include "wire/json.h"

#define COUNT(a) (sizeof(a) / sizeof *(a))

/* The error object of a fault, and its members by a path of names. */
static struct tg_buf written;

static struct tg_json error_of(const struct tg_fault *f)
{
    struct tg_json root = { 0 };

    tg_buf_reset(&written);
    CHECK_INT(tg_fault_put(&written, f), TG_OK);
    CHECK_INT(tg_json_check(tg_buf_view(&written), TG_JSON_DEPTH_MAX, &root, NULL), TG_OK);
    return root;
}

static struct tg_str at(struct tg_json root, const char *outer, const char *inner)
{
    struct tg_json value = tg_json_get(root, outer);
    return inner ? tg_json_get(value, inner).raw : value.raw;
}

TEST("every type has the contract's name and status, and finds itself by its name")
{
    static const struct { const char *name; int status; } contract[] = {
        { "context_length_exceeded", 400 }, { "max_tokens_exceeded", 400 },
        { "token_limit_exceeded", 400 }, { "string_too_long", 400 }, { "invalid_request", 400 },
        { "invalid_prompt", 400 }, { "content_policy_violation", 400 }, { "refusal", 400 },
        { "invalid_image", 400 }, { "image_too_large", 400 }, { "image_too_small", 400 },
        { "unsupported_image_format", 400 }, { "image_download_failed", 400 },
        { "authentication", 401 }, { "payment_required", 402 }, { "permission_denied", 403 },
        { "not_found", 404 }, { "image_not_found", 404 }, { "precondition_failed", 412 },
        { "payload_too_large", 413 }, { "unprocessable", 422 }, { "rate_limit_exceeded", 429 },
        { "server", 500 }, { "unmapped", 500 }, { "provider_unavailable", 502 },
        { "provider_overloaded", 503 }, { "timeout", 504 },
    };
    CHECK_INT(COUNT(contract), 27);
    CHECK_INT(TG_FAULT_TYPES, 28);
    for (size_t i = 0; i < COUNT(contract); i++) {
        enum tg_fault_type type = tg_fault_type_of(tg_str_of(contract[i].name));
        struct tg_fault f = tg_fault_make(type, NULL);
        check_context = contract[i].name;
        CHECK_INT(type, i + 1);
        CHECK_STR(tg_str_of(tg_fault_type_name(type)), contract[i].name);
        CHECK_INT(tg_fault_status(&f), contract[i].status);
    }
    CHECK_INT(tg_fault_type_of(TG_STR("no_such_type")), TG_FAULT_NONE);
    CHECK_INT(tg_fault_type_of(TG_STR("")), TG_FAULT_NONE);
}

TEST("every error carries code, message, error_type, http_status and metadata.error_type")
{
    for (int type = TG_FAULT_NONE + 1; type < TG_FAULT_TYPES; type++) {
        struct tg_fault f = tg_fault_make((enum tg_fault_type)type, NULL);
        struct tg_json e = error_of(&f);
        char quoted[64], status[8];

        check_context = tg_fault_type_name(f.type);
        snprintf(quoted, sizeof quoted, "\"%s\"", check_context);
        snprintf(status, sizeof status, "%d", tg_fault_status(&f));
        CHECK_STR(at(e, "code", NULL), status);
        CHECK_STR(at(e, "http_status", NULL), status);
        CHECK_STR(at(e, "error_type", NULL), quoted);
        CHECK_STR(at(e, "metadata", "error_type"), quoted);
        CHECK(tg_json_has_text(tg_json_get(e, "message")));
        CHECK(tg_json_get(e, "availability").kind == TG_JSON_NONE);
    }
}

TEST("an unknown model is told in the words and members of the contract")
{
    struct tg_fault f = tg_fault_make(TG_FAULT_INVALID_REQUEST,
                                      "acme/fake-1.0 is not a valid model ID");
    f.availability = TG_AVAIL_MODEL_NOT_FOUND;
    f.requested_models[0] = TG_STR("acme/fake-1.0");
    error_of(&f);
    CHECK_STR(tg_buf_view(&written),
              "{\"code\":400,\"message\":\"acme/fake-1.0 is not a valid model ID\","
              "\"error_type\":\"invalid_request\",\"http_status\":400,"
              "\"metadata\":{\"error_type\":\"invalid_request\"},"
              "\"availability\":{\"code\":\"model_not_found\",\"retryable\":false,"
              "\"requested_models\":[\"acme/fake-1.0\"],"
              "\"docs_url\":\"https://openrouter.ai/docs/errors#model_not_found\"}}");
}

TEST("providers at capacity are told with the wait, who was asked and what each of them said")
{
    struct tg_fault f = tg_fault_make(TG_FAULT_RATE_LIMIT_EXCEEDED,
                                      "All providers are at capacity.");
    f.availability = TG_AVAIL_CAPACITY_EXHAUSTED;
    f.retry_after_ms = 39001;
    f.requested_models[0] = TG_STR("anthropic/claude-sonnet-4.5");
    f.affected_providers[0] = TG_STR("anthropic");
    f.affected_providers[1] = TG_STR("amazon-bedrock");
    f.excluded_by[0] = TG_STR("max_price");
    f.fallback_models[0] = TG_STR("anthropic/claude-haiku-4.5");
    f.constraint_field = TG_STR("max_price");
    f.constraint_detail = TG_STR("prompt costs 3");
    f.provider_name = TG_STR("Anthropic");
    f.provider_code = TG_STR("overloaded_error");
    f.raw = TG_STR("{\"error\":\"slow \\u0001 down\"}");
    f.previous[0] = (struct tg_fault_previous){ TG_STR("Anthropic"), TG_STR("rate_limited"), 429 };
    f.previous[1] = (struct tg_fault_previous){ TG_STR("Bedrock"), TG_STR("connect"), 0 };
    f.previous_count = 2;

    struct tg_json e = error_of(&f);
    CHECK_STR(at(e, "metadata", NULL),
              "{\"error_type\":\"rate_limit_exceeded\",\"provider_name\":\"Anthropic\","
              "\"provider_code\":\"overloaded_error\","
              "\"raw\":\"{\\\"error\\\":\\\"slow \\\\u0001 down\\\"}\","
              "\"retry_after_seconds\":40,\"retry_after_seconds_raw\":39.001,"
              "\"headers\":{\"Retry-After\":\"40\"},"
              "\"previous_errors\":[{\"provider\":\"Anthropic\",\"code\":\"rate_limited\","
              "\"status\":429},"
              "{\"provider\":\"Bedrock\",\"code\":\"connect\",\"status\":0}]}");
    CHECK_STR(at(e, "availability", NULL),
              "{\"code\":\"capacity_exhausted\",\"retryable\":true,\"retry_after\":40,"
              "\"requested_models\":[\"anthropic/claude-sonnet-4.5\"],"
              "\"affected_providers\":[\"anthropic\",\"amazon-bedrock\"],"
              "\"excluded_by\":[\"max_price\"],"
              "\"fallback_models\":[\"anthropic/claude-haiku-4.5\"],"
              "\"constraint\":{\"field\":\"max_price\",\"detail\":\"prompt costs 3\"},"
              "\"docs_url\":\"https://openrouter.ai/docs/errors#capacity_exhausted\"}");
}

TEST("only what may pass is called retryable, and requested_models is there even when empty")
{
    static const struct { const char *name; bool retryable; } contract[] = {
        { "model_not_found", false }, { "wrong_endpoint", false }, { "no_endpoints", false },
        { "model_deprecated", false }, { "model_unavailable_upstream", false },
        { "privacy_restricted", false }, { "constraint_filtered", false },
        { "free_variant_ended", false }, { "region_restricted", false },
        { "capacity_exhausted", true }, { "temporarily_unavailable", true },
    };
    CHECK_INT(COUNT(contract), TG_AVAILS - 1);
    for (size_t i = 0; i < COUNT(contract); i++) {
        struct tg_fault f = tg_fault_make(TG_FAULT_NOT_FOUND, NULL);
        char docs_url[128];

        check_context = contract[i].name;
        f.availability = (enum tg_availability)(i + 1);
        CHECK_STR(tg_str_of(tg_availability_name(f.availability)), contract[i].name);
        struct tg_json e = error_of(&f);
        CHECK_STR(at(e, "availability", "retryable"), contract[i].retryable ? "true" : "false");
        CHECK_STR(at(e, "availability", "requested_models"), "[]");
        CHECK(at(e, "availability", "affected_providers").len == 0);
        CHECK(at(e, "availability", "retry_after").len == 0);
        snprintf(docs_url, sizeof docs_url, "\"https://openrouter.ai/docs/errors#%s\"",
                 contract[i].name);
        CHECK_STR(at(e, "availability", "docs_url"), docs_url);
    }
}

TEST("a status of the fault's own beats the type's; one that is no error's does not")
{
    struct tg_fault f = tg_fault_make(TG_FAULT_UNMAPPED, "That is a teapot");

    f.status = 418;
    CHECK_INT(tg_fault_status(&f), 418);
    CHECK_STR(at(error_of(&f), "message", NULL), "\"That is a teapot\"");
    f.status = 200;
    CHECK_INT(tg_fault_status(&f), 500);
    f.status = 1000;
    CHECK_INT(tg_fault_status(&f), 500);
}

TEST("what went wrong inside the gateway is not told")
{
    struct tg_fault f = tg_fault_make(TG_FAULT_SERVER, "sqlite3_step: disk I/O error in ledger.db");

    CHECK_STR(at(error_of(&f), "message", NULL), "\"Internal Server Error\"");
    f.type = TG_FAULT_UNMAPPED;
    CHECK_STR(at(error_of(&f), "message", NULL), "\"Internal Server Error\"");
    f.type = TG_FAULT_PROVIDER_UNAVAILABLE;
    f.status = 500;
    f.message = TG_STR("Upstream error from Acme: boom");
    CHECK_STR(at(error_of(&f), "message", NULL), "\"Upstream error from Acme: boom\"");
}

TEST("a provider's status finds its type")
{
    static const struct { int status; enum tg_fault_type type; } cases[] = {
        { 400, TG_FAULT_INVALID_REQUEST }, { 401, TG_FAULT_AUTHENTICATION },
        { 402, TG_FAULT_PAYMENT_REQUIRED }, { 403, TG_FAULT_PERMISSION_DENIED },
        { 404, TG_FAULT_NOT_FOUND }, { 408, TG_FAULT_TIMEOUT }, { 409, TG_FAULT_UNMAPPED },
        { 412, TG_FAULT_PRECONDITION_FAILED }, { 413, TG_FAULT_PAYLOAD_TOO_LARGE },
        { 422, TG_FAULT_UNPROCESSABLE }, { 429, TG_FAULT_RATE_LIMIT_EXCEEDED },
        { 500, TG_FAULT_PROVIDER_UNAVAILABLE }, { 502, TG_FAULT_PROVIDER_UNAVAILABLE },
        { 503, TG_FAULT_PROVIDER_OVERLOADED }, { 504, TG_FAULT_TIMEOUT },
        { 520, TG_FAULT_PROVIDER_UNAVAILABLE }, { 524, TG_FAULT_TIMEOUT },
        { 529, TG_FAULT_PROVIDER_OVERLOADED }, { 0, TG_FAULT_UNMAPPED }, { 302, TG_FAULT_UNMAPPED },
        { 600, TG_FAULT_UNMAPPED }, { -1, TG_FAULT_UNMAPPED },
    };
    for (size_t i = 0; i < COUNT(cases); i++) {
        char row[16];
        snprintf(row, sizeof row, "%d", cases[i].status);
        check_context = row;
        CHECK_INT(tg_fault_type_for(cases[i].status), cases[i].type);
    }
    check_context = "";
}

TEST("registered secrets never appear, wherever in the provider's words they stand")
{
    struct tg_str secret = TG_STR("sk-canary-0123456789abcdef");
    size_t body_max = TG_FAULT_RAW_MAX + 64;
    char *body = malloc(body_max);

    tg_log_secret(secret);
    for (size_t from = TG_FAULT_RAW_MAX - 40; from < TG_FAULT_RAW_MAX + 8; from++) {
        struct tg_fault f = tg_fault_make(TG_FAULT_PROVIDER_UNAVAILABLE,
                                          "bad key sk-canary-0123456789abcdef!");
        memset(body, 'x', body_max);
        memcpy(body + from, secret.at, secret.len);
        f.raw = (struct tg_str){ body, body_max };
        f.provider_code = secret;
        f.provider_name = secret;
        f.previous[0] = (struct tg_fault_previous){ TG_STR("A"), secret, 401 };
        f.previous_count = 1;
        struct tg_json e = error_of(&f);
        CHECK_STR(at(e, "message", NULL), "\"bad key [redacted]!\"");
        CHECK(!memmem(written.at, written.len, "sk-canar", 8));
    }
    free(body);
}

TEST("a long body is cut between two characters, and bytes that are no UTF-8 stay JSON")
{
    struct tg_fault f = tg_fault_make(TG_FAULT_PROVIDER_UNAVAILABLE, "broken \xff\xc3 words");
    size_t n = TG_FAULT_RAW_MAX + 9;
    char *body = malloc(n);

    for (size_t shift = 0; shift < 3; shift++) {
        memset(body, 'x', n);
        for (size_t i = shift; i + 3 <= n; i += 3)
            memcpy(body + i, "\xe2\x82\xac", 3);
        f.raw = (struct tg_str){ body, n };
        struct tg_json e = error_of(&f);
        struct tg_str raw = at(e, "metadata", "raw");
        CHECK_STR(at(e, "message", NULL), "\"broken \xef\xbf\xbd\xef\xbf\xbd words\"");
        CHECK(raw.len <= TG_FAULT_RAW_MAX + 2 && raw.len > TG_FAULT_RAW_MAX - 2);
        CHECK(!memmem(raw.at, raw.len, "\xef\xbf\xbd", 3));
    }
    free(body);
}

TEST("the envelope holds the error, and the metadata beside it when there is some")
{
    struct tg_fault f = tg_fault_make(TG_FAULT_NOT_FOUND, "No endpoints found for a/b.");
    struct tg_buf out = { 0 };

    tg_fault_put_body(&out, &f, TG_STR(""));
    CHECK_STR(tg_buf_view(&out),
              "{\"error\":{\"code\":404,\"message\":\"No endpoints found for a/b.\","
              "\"error_type\":\"not_found\",\"http_status\":404,"
              "\"metadata\":{\"error_type\":\"not_found\"}}}");
    tg_buf_reset(&out);
    tg_fault_put_body(&out, &f, TG_STR("{\"attempt\":0}"));
    CHECK(tg_str_ends(tg_buf_view(&out), "}},\"openrouter_metadata\":{\"attempt\":0}}"));
    tg_buf_done(&out);
}

/* ---- other formats ---- */

TEST("every type has a word in each format (contract, section 5.3)")
{
    static const struct { const char *type, *messages, *responses; } contract[] = {
        { "context_length_exceeded", "invalid_request_error", "invalid_prompt" },
        { "max_tokens_exceeded", "invalid_request_error", "server_error" },
        { "token_limit_exceeded", "invalid_request_error", "server_error" },
        { "string_too_long", "invalid_request_error", "server_error" },
        { "invalid_request", "invalid_request_error", "invalid_prompt" },
        { "invalid_prompt", "invalid_request_error", "invalid_prompt" },
        { "content_policy_violation", "invalid_request_error", "image_content_policy_violation" },
        { "refusal", "invalid_request_error", "server_error" },
        { "invalid_image", "invalid_request_error", "server_error" },
        { "image_too_large", "invalid_request_error", "server_error" },
        { "image_too_small", "invalid_request_error", "server_error" },
        { "unsupported_image_format", "invalid_request_error", "server_error" },
        { "image_download_failed", "invalid_request_error", "server_error" },
        { "authentication", "authentication_error", "server_error" },
        { "payment_required", "billing_error", "server_error" },
        { "permission_denied", "permission_error", "server_error" },
        { "not_found", "not_found_error", "server_error" },
        { "image_not_found", "not_found_error", "server_error" },
        { "precondition_failed", "invalid_request_error", "server_error" },
        { "payload_too_large", "invalid_request_error", "server_error" },
        { "unprocessable", "invalid_request_error", "server_error" },
        { "rate_limit_exceeded", "rate_limit_error", "rate_limit_exceeded" },
        { "server", "api_error", "server_error" }, { "unmapped", "api_error", "server_error" },
        { "provider_unavailable", "api_error", "server_error" },
        { "provider_overloaded", "overloaded_error", "server_error" },
        { "timeout", "timeout_error", "server_error" },
    };

    CHECK_INT(COUNT(contract), TG_FAULT_TYPES - 1);
    for (size_t i = 0; i < COUNT(contract); i++) {
        enum tg_fault_type type = tg_fault_type_of(tg_str_of(contract[i].type));
        check_context = contract[i].type;
        CHECK_STR(tg_str_of(tg_fault_word_messages(type)), contract[i].messages);
        CHECK_STR(tg_str_of(tg_fault_word_responses(type)), contract[i].responses);
    }
    check_context = "";
    CHECK_STR(tg_str_of(tg_fault_word_messages(TG_FAULT_NONE)), "api_error");
}

TEST("every status has Google's canonical code")
{
    static const struct { int status; const char *word; } cases[] = {
        { 400, "INVALID_ARGUMENT" }, { 401, "UNAUTHENTICATED" }, { 402, "FAILED_PRECONDITION" },
        { 403, "PERMISSION_DENIED" }, { 404, "NOT_FOUND" }, { 408, "DEADLINE_EXCEEDED" },
        { 409, "ABORTED" }, { 412, "FAILED_PRECONDITION" }, { 413, "INVALID_ARGUMENT" },
        { 422, "INVALID_ARGUMENT" }, { 429, "RESOURCE_EXHAUSTED" }, { 500, "INTERNAL" },
        { 501, "UNIMPLEMENTED" }, { 502, "UNAVAILABLE" }, { 503, "UNAVAILABLE" },
        { 504, "DEADLINE_EXCEEDED" }, { 529, "UNAVAILABLE" }, { 599, "UNKNOWN" },
        { 0, "UNKNOWN" },
    };
    for (size_t i = 0; i < COUNT(cases); i++)
        CHECK_STR(tg_str_of(tg_fault_word_gemini(cases[i].status)), cases[i].word);
}

static void check_shape(enum tg_fault_shape shape, const struct tg_fault *f, const char *id,
                        const char *metadata, const char *want)
{
    struct tg_buf out = { 0 };

    CHECK_INT(tg_fault_put_body_as(&out, shape, f, tg_str_of(id), tg_str_of(metadata)), TG_OK);
    CHECK_INT(tg_json_check(tg_buf_view(&out), TG_JSON_DEPTH_MAX, NULL, NULL), TG_OK);
    CHECK_STR(tg_buf_view(&out), want);
    tg_buf_done(&out);
}

TEST("the envelope is the one that a format's SDKs read")
{
    struct tg_fault f = tg_fault_make(TG_FAULT_RATE_LIMIT_EXCEEDED, "Slow \"down\"");

    f.retry_after_ms = 1500;
    check_shape(TG_SHAPE_MESSAGES, &f, "gen-1", "{\"attempt\":0}",
                "{\"type\":\"error\",\"error\":{\"type\":\"rate_limit_error\","
                "\"message\":\"Slow \\\"down\\\"\",\"error_type\":\"rate_limit_exceeded\"},"
                "\"request_id\":\"gen-1\",\"openrouter_metadata\":{\"attempt\":0}}");
    check_shape(TG_SHAPE_RESPONSES, &f, "gen-1", "",
                "{\"error\":{\"code\":\"rate_limit_exceeded\",\"message\":\"Slow \\\"down\\\"\","
                "\"type\":\"rate_limit_error\",\"param\":null},"
                "\"error_type\":\"rate_limit_exceeded\",\"metadata\":{\"error_type\":"
                "\"rate_limit_exceeded\",\"retry_after_seconds\":2,\"retry_after_seconds_raw\":1.5,"
                "\"headers\":{\"Retry-After\":\"2\"}}}");
    check_shape(TG_SHAPE_GEMINI, &f, "gen-1", "",
                "{\"error\":{\"code\":429,\"message\":\"Slow \\\"down\\\"\","
                "\"status\":\"RESOURCE_EXHAUSTED\",\"details\":[{\"@type\":"
                "\"type.googleapis.com/google.rpc.ErrorInfo\",\"reason\":\"RATE_LIMIT_EXCEEDED\","
                "\"domain\":\"tidegate\"},{\"@type\":\"type.googleapis.com/google.rpc.RetryInfo\","
                "\"retryDelay\":\"1.500s\"}]}}");
    f = tg_fault_make(TG_FAULT_AUTHENTICATION, NULL);
    check_shape(TG_SHAPE_MESSAGES, &f, "", "",
                "{\"type\":\"error\",\"error\":{\"type\":\"authentication_error\","
                "\"message\":\"Missing Authentication header\",\"error_type\":\"authentication\"},"
                "\"request_id\":null}");
    check_shape(TG_SHAPE_GEMINI, &f, "", "{}",
                "{\"error\":{\"code\":401,\"message\":\"Missing Authentication header\","
                "\"status\":\"UNAUTHENTICATED\",\"details\":[{\"@type\":"
                "\"type.googleapis.com/google.rpc.ErrorInfo\",\"reason\":\"AUTHENTICATION\","
                "\"domain\":\"tidegate\"}]},\"openrouter_metadata\":{}}");
    check_shape(TG_SHAPE_GEMINI_ARRAY, &f, "", "",
                "[{\"error\":{\"code\":401,\"message\":\"Missing Authentication header\","
                "\"status\":\"UNAUTHENTICATED\",\"details\":[{\"@type\":"
                "\"type.googleapis.com/google.rpc.ErrorInfo\",\"reason\":\"AUTHENTICATION\","
                "\"domain\":\"tidegate\"}]}}]\n");
    check_shape(TG_SHAPE_CHAT, &f, "", "",
                "{\"error\":{\"code\":401,\"message\":\"Missing Authentication header\","
                "\"error_type\":\"authentication\",\"http_status\":401,"
                "\"metadata\":{\"error_type\":\"authentication\"}}}");
}

TEST("secrets and our own failures are told in no shape")
{
    struct tg_fault f = tg_fault_make(TG_FAULT_PROVIDER_UNAVAILABLE, "bad key sk-shape-0123456789!");

    tg_log_secret(TG_STR("sk-shape-0123456789"));
    f.raw = TG_STR("{\"key\":\"sk-shape-0123456789\"}");
    for (int shape = TG_SHAPE_CHAT; shape <= TG_SHAPE_GEMINI; shape++) {
        struct tg_buf out = { 0 };
        CHECK_INT(tg_fault_put_body_as(&out, (enum tg_fault_shape)shape, &f, TG_STR(""),
                                       TG_STR("")), TG_OK);
        CHECK(memmem(out.at, out.len, "bad key [redacted]!", 19));
        CHECK(!memmem(out.at, out.len, "sk-shape", 8));
        tg_buf_reset(&out);
        struct tg_fault internal = tg_fault_make(TG_FAULT_SERVER, "disk I/O error in ledger.db");
        tg_fault_put_body_as(&out, (enum tg_fault_shape)shape, &internal, TG_STR(""), TG_STR(""));
        CHECK(!memmem(out.at, out.len, "ledger", 6));
        tg_buf_done(&out);
    }
}

TEST("an error object that lacks what a shape tells is told all the same")
{
    struct tg_json nothing = { TG_STR("{}"), TG_JSON_OBJECT };
    struct tg_buf out = { 0 };

    for (int shape = TG_SHAPE_CHAT; shape <= TG_SHAPE_GEMINI; shape++) {
        tg_buf_reset(&out);
        CHECK_INT(tg_fault_put_error_as(&out, (enum tg_fault_shape)shape, nothing, TG_STR(""),
                                        TG_STR("")), TG_OK);
        CHECK_INT(tg_json_check(tg_buf_view(&out), TG_JSON_DEPTH_MAX, NULL, NULL), TG_OK);
    }
    CHECK_STR(tg_buf_view(&out),
              "{\"error\":{\"code\":500,\"message\":\"\",\"status\":\"INTERNAL\",\"details\":["
              "{\"@type\":\"type.googleapis.com/google.rpc.ErrorInfo\",\"domain\":\"tidegate\"}]}}");
    tg_buf_done(&out);
}

TEST("no fault at all is told as an internal one")
{
    struct tg_fault f = { 0 };
    struct tg_json e = error_of(&f);

    CHECK_STR(at(e, "code", NULL), "500");
    CHECK_STR(at(e, "error_type", NULL), "\"server\"");
}

TEST("more previous errors than there is room for do not read past the end")
{
    struct tg_fault f = tg_fault_make(TG_FAULT_TIMEOUT, NULL);

    f.previous_count = TG_FAULT_PREVIOUS_MAX + 5;
    CHECK_INT(tg_json_count(tg_json_get(tg_json_get(error_of(&f), "metadata"), "previous_errors")),
              TG_FAULT_PREVIOUS_MAX);
}

static tg_err put_into_fresh(const struct tg_fault *f)
{
    struct tg_buf out = { 0 };
    tg_err err = tg_fault_put_body(&out, f, TG_STR("{}"));
    tg_buf_done(&out);
    return err;
}

static tg_err put_shape_into_fresh(const struct tg_fault *f, enum tg_fault_shape shape)
{
    struct tg_buf out = { 0 };
    tg_err err = tg_fault_put_body_as(&out, shape, f, TG_STR("gen-1"), TG_STR("{}"));
    tg_buf_done(&out);
    return err;
}

TEST("running out of memory is told, and nothing leaks")
{
    struct tg_fault f = tg_fault_make(TG_FAULT_RATE_LIMIT_EXCEEDED, NULL);

    f.availability = TG_AVAIL_CAPACITY_EXHAUSTED;
    f.raw = TG_STR("slow down");
    f.retry_after_ms = 1;
    CHECK_EVERY_ALLOCATION(put_into_fresh(&f));
    for (int shape = TG_SHAPE_CHAT; shape <= TG_SHAPE_GEMINI; shape++)
        CHECK_EVERY_ALLOCATION(put_shape_into_fresh(&f, (enum tg_fault_shape)shape));
    tg_buf_done(&written);
}

TEST("every status has a reason phrase")
{
    static const struct { int status; const char *phrase; } cases[] = {
        { 200, "OK" }, { 429, "Too Many Requests" }, { 504, "Gateway Timeout" },
        { 299, "OK" }, { 399, "Redirect" }, { 418, "Bad Request" }, { 599, "Server Error" },
        { 0, "Unknown" }, { -5, "Unknown" }, { 600, "Unknown" }, { 99, "Unknown" },
    };
    for (size_t i = 0; i < COUNT(cases); i++)
        CHECK_STR(tg_str_of(tg_fault_phrase(cases[i].status)), cases[i].phrase);
}

/* The recorded and documented errors: ours says at least what they say. */
static char *read_all(const char *dir, const char *name)
{
    char path[512];
    snprintf(path, sizeof path, "%s/%s", dir, name);
    FILE *f = fopen(path, "rb");
    if (!CHECK(f != NULL))
        return NULL;
    char *text = calloc(1, 1 << 16);
    CHECK(fread(text, 1, (1 << 16) - 1, f) > 0);
    fclose(f);
    return text;
}

TEST("a documented error of each availability code has no member that ours lacks")
{
    const char *dir = check_data_dir();
    char *text = dir ? read_all(dir, "openrouter/samples/errors-collected.json") : NULL;
    struct tg_json root, sample, value;
    struct tg_json_iter it, members;
    struct tg_str key, name;
    int seen = 0;

    CHECK(!dir || text);
    if (!text)
        return;
    CHECK_INT(tg_json_check(tg_str_of(text), TG_JSON_DEPTH_MAX, &root, NULL), TG_OK);
    tg_json_iter_init(&it, tg_json_get(root, "samples"));
    while (tg_json_next(&it, &key, &sample)) {
        struct tg_json theirs = tg_json_get(tg_json_get(sample, "body"), "error");
        struct tg_json avail = tg_json_get(theirs, "availability");
        if (avail.kind != TG_JSON_OBJECT)
            continue;
        struct tg_fault f = { 0 };
        tg_json_plain(tg_json_get(theirs, "error_type"), &name);
        f.type = tg_fault_type_of(name);
        CHECK(f.type != TG_FAULT_NONE);
        for (enum tg_availability a = 1; a < TG_AVAILS; a++)
            if (tg_json_is(tg_json_get(avail, "code"), tg_availability_name(a)))
                f.availability = a;
        f.affected_providers[0] = f.excluded_by[0] = f.fallback_models[0] = TG_STR("x");
        f.retry_after_ms = 40000;
        struct tg_json ours = error_of(&f);
        CHECK(tg_str_eq(at(ours, "availability", "docs_url"), tg_json_get(avail, "docs_url").raw));
        CHECK(tg_str_eq(at(ours, "http_status", NULL), tg_json_get(theirs, "http_status").raw));
        CHECK(tg_str_eq(at(ours, "availability", "retryable"),
                        tg_json_get(avail, "retryable").raw));
        tg_json_iter_init(&members, avail);
        while (tg_json_next(&members, &key, &value)) {
            char z[64] = { 0 };
            memcpy(z, key.at, key.len < 63 ? key.len : 63);
            check_context = z;
            CHECK(at(ours, "availability", z).len > 0);
        }
        check_context = "";
        seen++;
    }
    CHECK(seen >= 3);
    free(text);
    tg_buf_done(&written);
}

TEST_MAIN
