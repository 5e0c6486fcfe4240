/* What a path asks for. */
#include "check.h"

#include "flow/route.h"

static struct tg_route route_of(const char *target)
{
    struct tg_http1_head head = { .method = TG_STR("POST"), .target = tg_str_of(target) };

    return tg_route_of(&head);
}

TEST("inference routes are known below every prefix")
{
    static const struct { const char *path; enum tg_api api, format; } cases[] = {
        { "/chat/completions",       TG_API_CHAT,        TG_API_CHAT },
        { "/completions",            TG_API_COMPLETIONS, TG_API_CHAT },
        { "/embeddings",             TG_API_EMBEDDINGS,  TG_API_CHAT },
        { "/rerank",                 TG_API_RERANK,      TG_API_CHAT },
        { "/messages",               TG_API_MESSAGES,    TG_API_MESSAGES },
        { "/messages/count_tokens",  TG_API_COUNT,       TG_API_MESSAGES },
        { "/responses",              TG_API_RESPONSES,   TG_API_RESPONSES },
        { "/responses/input_tokens", TG_API_COUNT,       TG_API_RESPONSES },
        { "/models/a/b:generateContent", TG_API_GEMINI,  TG_API_GEMINI },
        { "/models/a/b:countTokens",     TG_API_COUNT,   TG_API_GEMINI },
        { "/models/a/b:embedContent",       TG_API_EMBEDDINGS, TG_API_GEMINI },
        { "/models/a/b:batchEmbedContents", TG_API_EMBEDDINGS, TG_API_GEMINI },
    };
    static const char *const prefixes[] = { "/v1", "/api/v1", "/v1beta", "/api/v1beta" };
    char target[128];

    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
        for (size_t p = 0; p < sizeof prefixes / sizeof *prefixes; p++) {
            snprintf(target, sizeof target, "%s%s?a=b", prefixes[p], cases[i].path);
            check_context = target;
            struct tg_route r = route_of(target);
            CHECK(r.known && r.relays);
            CHECK_INT(r.api, cases[i].api);
            CHECK_INT(r.format, cases[i].format);
            CHECK_STR(r.query, "a=b");
        }
    check_context = "";
}

TEST("reranking is where Cohere's clients look for it, too")
{
    CHECK(route_of("/v2/rerank").relays && route_of("/api/v2/rerank?x").relays);
    CHECK_INT(route_of("/v2/rerank").api, TG_API_RERANK);
    CHECK(!route_of("/v2/rerank/").known && !route_of("/v2/chat").known);
}

TEST("what is no inference route relays nothing")
{
    static const struct { const char *target; bool known; } cases[] = {
        { "/v1/models", true }, { "/v1/models/a/b/endpoints", true }, { "/v1", true },
        { "/v1/models/:generateContent", true }, { "/v1/models/a:generate", true },
        { "/v1/messagesx", true }, { "/v1/chat/completions/more", true },
        { "/v1messages", false }, { "/v2/messages", false }, { "/", false }, { "", false },
    };

    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        check_context = cases[i].target;
        struct tg_route r = route_of(cases[i].target);
        CHECK_INT(r.known, cases[i].known);
        CHECK(!r.relays);
        CHECK_INT(r.format, TG_API_CHAT);
    }
    check_context = "";
}

TEST("a path or a header tells whose client makes a mistake")
{
    static const struct { const char *target; enum tg_fault_shape shape; } cases[] = {
        { "/v1beta/models", TG_SHAPE_GEMINI },     { "/api/v1beta", TG_SHAPE_GEMINI },
        { "/v1/messages/batches", TG_SHAPE_MESSAGES }, { "/v1/messages/", TG_SHAPE_MESSAGES },
        { "/v1/responses/resp_1", TG_SHAPE_RESPONSES }, { "/v1/models", TG_SHAPE_CHAT },
        { "/v1betas", TG_SHAPE_CHAT },
        { "/v1beta/models/m:generateContent", TG_SHAPE_GEMINI },
        { "/v1beta/models/m:streamGenerateContent", TG_SHAPE_GEMINI_ARRAY },
        { "/v1beta/models/m:streamGenerateContent?alt=sse", TG_SHAPE_GEMINI },
        { "/v1beta/chat/completions", TG_SHAPE_CHAT },
    };
    struct tg_http1_head head = { .method = TG_STR("GET"), .fields_count = 1 };

    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        check_context = cases[i].target;
        CHECK_INT(route_of(cases[i].target).shape, cases[i].shape);
    }
    check_context = "";
    head.fields[0].name = TG_STR("Anthropic-Version");
    head.fields[0].value = TG_STR("2023-06-01");
    head.target = TG_STR("/v1/models");
    CHECK_INT(tg_route_of(&head).format, TG_API_MESSAGES);
    head.target = TG_STR("/v1/chat/completions");
    CHECK_INT(tg_route_of(&head).format, TG_API_CHAT);
    head.target = TG_STR("/v1beta/models");
    CHECK_INT(tg_route_of(&head).format, TG_API_GEMINI);
}

TEST("a stream of Google's is asked for by its path, and as events or as an array")
{
    struct tg_route r = route_of("/v1beta/models/m:streamGenerateContent?alt=sse");
    CHECK(r.streams && !r.wants_array);
    r = route_of("/v1beta/models/m:streamGenerateContent?key=k&alt=sse");
    CHECK(r.streams && !r.wants_array);
    r = route_of("/v1beta/models/m:streamGenerateContent?alt=sse2");
    CHECK(r.streams && r.wants_array);
    r = route_of("/v1beta/models/m:streamGenerateContent");
    CHECK(r.streams && r.wants_array);
    r = route_of("/v1beta/models/m:generateContent");
    CHECK(!r.streams && !r.wants_array);
}

TEST("a model's name may have slashes, colons and percent signs in the path")
{
    static const struct { const char *target, *model; } cases[] = {
        { "/v1beta/models/google/gemini-2.5-pro:generateContent", "google/gemini-2.5-pro" },
        { "/v1beta/models/google%2Fgemini:generateContent", "google/gemini" },
        { "/v1beta/models/a/b:free:generateContent", "a/b:free" },
        { "http://host/v1beta/models/a:generateContent", "a" },
    };
    struct tg_buf out = { 0 };

    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct tg_route r = route_of(cases[i].target);
        tg_buf_reset(&out);
        CHECK_INT(tg_route_put_model(&r, &out), TG_OK);
        CHECK_STR(tg_buf_view(&out), cases[i].model);
    }
    struct tg_route bad = route_of("/v1beta/models/a%2:generateContent");
    CHECK_INT(tg_route_put_model(&bad, &out), TG_EINVAL);
    tg_buf_done(&out);
}

TEST_MAIN
