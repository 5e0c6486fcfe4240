/* The body of a request that passes in the client's own format. */
#include "check.h"

#include "route/native.h"

static struct tg_arena arena;

/* The body as it is sent, from its pieces. */
static tg_err sent(enum tg_api format, const char *text, const struct tg_wire *wire, uint32_t asked,
                   uint32_t supported, struct tg_buf *out, uint32_t *dropped)
{
    static const struct tg_provider provider;
    static struct tg_needs n;
    struct tg_endpoint e = { .wire = wire, .provider = &provider, .params = supported,
                             .upstream_model_json = TG_STR("\"up\"") };
    struct tg_str pieces[TG_EDIT_PIECES(TG_NEEDS_MEMBERS_MAX)];
    size_t count, bytes;

    n.params = asked;
    tg_buf_reset(out);
    tg_err err = tg_native_body(format, tg_str_of(text), &e, &n, &arena, pieces,
                                sizeof pieces / sizeof *pieces, &count, &bytes, dropped);
    for (size_t i = 0; !err && i < count; i++)
        tg_buf_str(out, pieces[i]);
    if (!err)
        CHECK_INT(out->len, bytes);
    return err;
}

TEST("only the model's name, the gateway's business and what is not supported change")
{
    static const struct tg_wire plain = { .native = TG_API_MESSAGES },
        vertex = { .native = TG_API_MESSAGES, .omits_model = true,
                   .adds = { "\"anthropic_version\":\"v\"", 23 } };
    static const struct {
        enum tg_api format; const struct tg_wire *wire; const char *text, *want;
    } cases[] = {
        { TG_API_MESSAGES, &plain, "{ \"model\" : \"a/b\", \"x\":[1e400 , 9007199254740993], \"max_tokens\":5}",
          "{ \"model\" : \"up\", \"x\":[1e400 , 9007199254740993], \"max_tokens\":5}" },
        { TG_API_MESSAGES, &plain, "{\"models\":[\"a\"],\"provider\":{},\"model\":\"a\",\"user\":\"u\"}",
          "{\"model\":\"up\"}" },
        { TG_API_MESSAGES, &plain, "{\"max_tokens\":5}", "{\"max_tokens\":5,\"model\":\"up\"}" },
        { TG_API_MESSAGES, &vertex, "{\"model\":\"a\",\"max_tokens\":5}",
          "{\"max_tokens\":5,\"anthropic_version\":\"v\"}" },
        { TG_API_RESPONSES, &plain, "{\"model\":\"a\",\"user\":\"u\",\"plugins\":[],\"input\":\"hi\"}",
          "{\"model\":\"up\",\"user\":\"u\",\"input\":\"hi\",\"store\":false}" },
        { TG_API_RESPONSES, &plain, "{\"model\":\"a\",\"store\":false}", "{\"model\":\"up\",\"store\":false}" },
        { TG_API_GEMINI, &plain, "{\"contents\":[],\"provider\":{},\"generationConfig\":{\"temperature\":1}}",
          "{\"contents\":[],\"generationConfig\":{\"temperature\":1}}" },
    };
    struct tg_buf out = { 0 };
    uint32_t dropped;

    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        check_context = cases[i].text;
        CHECK_INT(sent(cases[i].format, cases[i].text, cases[i].wire, 0, TG_PARAM_ALL, &out, &dropped), TG_OK);
        CHECK_STR(tg_buf_view(&out), cases[i].want);
        CHECK_INT(dropped, 0);
    }
    check_context = "";
    tg_buf_done(&out);
    tg_arena_done(&arena);
}

TEST("a parameter that the endpoint does not support is left out and told; a limit never is")
{
    static const struct tg_wire wire = { .native = TG_API_MESSAGES };
    struct tg_buf out = { 0 };
    uint32_t dropped, asked = TG_PARAM_BIT(TEMPERATURE) | TG_PARAM_BIT(TOP_K) | TG_PARAM_BIT(MAX_TOKENS);

    CHECK_INT(sent(TG_API_MESSAGES, "{\"temperature\":1,\"model\":\"a\",\"top_k\":2,\"max_tokens\":5}", &wire,
                   asked, TG_PARAM_BIT(TOP_K), &out, &dropped), TG_OK);
    CHECK_STR(tg_buf_view(&out), "{\"model\":\"up\",\"top_k\":2,\"max_tokens\":5}");
    CHECK_INT(dropped, TG_PARAM_BIT(TEMPERATURE));
    tg_buf_done(&out);
    tg_arena_done(&arena);
}

TEST("a body that is no object, or has too many members, is refused")
{
    static const struct tg_wire wire = { .native = TG_API_MESSAGES };
    struct tg_buf out = { 0 }, many = { 0 };
    uint32_t dropped;

    CHECK_INT(sent(TG_API_MESSAGES, "{\"a\":", &wire, 0, 0, &out, &dropped), TG_EINVAL);
    tg_buf_char(&many, '{');
    for (int i = 0; i <= TG_NEEDS_MEMBERS_MAX; i++)
        tg_buf_printf(&many, "%s\"m%d\":1", i ? "," : "", i);
    tg_buf_char(&many, '}');
    CHECK_INT(sent(TG_API_MESSAGES, tg_buf_cstr(&many), &wire, 0, 0, &out, &dropped), TG_ETOOBIG);
    tg_buf_done(&out);
    tg_buf_done(&many);
    tg_arena_done(&arena);
}

TEST_MAIN
