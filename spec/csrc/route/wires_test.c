/* The format in which a provider is spoken to. */
#include "check.h"

#include "route/wires.h"

static struct tg_wire wire(enum tg_api native)
{
    return (struct tg_wire){
        .native = native,
        .targets = { [TG_JOB_WHOLE] = TG_STR("/x"), [TG_JOB_STREAM] = TG_STR("/x"),
                     [TG_JOB_EMBEDDINGS] = TG_STR("/e") },
    };
}

TEST("a request passes where the provider speaks the client's format")
{
    struct tg_wire chat = tg_wire_chat, messages = wire(TG_API_MESSAGES), other = wire(TG_APIS);
    static const struct { enum tg_api api; bool chat, messages, other; } cases[] = {
        { TG_API_CHAT,        true,  false, false },
        { TG_API_COMPLETIONS, true,  false, false },
        { TG_API_EMBEDDINGS,  true,  false, false },
        { TG_API_RERANK,      true,  false, false },
        { TG_API_MESSAGES,    false, true,  false },
        { TG_API_RESPONSES,   false, false, false },
        { TG_API_GEMINI,      false, false, false },
        { TG_API_COUNT,       false, false, false },
    };

    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        CHECK_INT(tg_wire_passes(&chat, cases[i].api), cases[i].chat);
        CHECK_INT(tg_wire_passes(&messages, cases[i].api), cases[i].messages);
        CHECK_INT(tg_wire_passes(&other, cases[i].api), cases[i].other);
    }
}

TEST("what is offered follows from the targets; a prompt may become a chat")
{
    struct tg_wire w = wire(TG_APIS), none = { .native = TG_APIS };

    CHECK(tg_wire_offers(&w, TG_API_CHAT));
    CHECK(tg_wire_offers(&w, TG_API_GEMINI));
    CHECK(tg_wire_offers(&w, TG_API_COMPLETIONS));
    CHECK(tg_wire_offers(&w, TG_API_EMBEDDINGS));
    CHECK(!tg_wire_offers(&w, TG_API_RERANK));
    CHECK(!tg_wire_offers(&w, TG_API_COUNT));
    CHECK(!tg_wire_offers(&none, TG_API_CHAT));
    CHECK(!tg_wire_offers(&none, TG_API_COMPLETIONS));
}

TEST("a model's name goes into the path percent-encoded, and nothing of it gets out")
{
    static const struct { const char *target, *model, *want; } cases[] = {
        { "/chat", "a/b", "/chat" },
        { "/model/{model}/converse", "anthropic.claude-v1:0", "/model/anthropic.claude-v1%3A0/converse" },
        { "/models/{model}:x?alt=sse", "gemini", "/models/gemini:x?alt=sse" },
        { "/m/{model}", "../../admin?x=#\r\n ", "/m/..%2F..%2Fadmin%3Fx%3D%23%0D%0A%20" },
        { "/m/{model}", "\xc3\xa9%2f", "/m/%C3%A9%252f" },
        { "/m/{model}/n", "", "/m//n" },
    };
    struct tg_buf out = { 0 };

    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        tg_buf_reset(&out);
        CHECK_INT(tg_wire_put_target(&out, tg_str_of(cases[i].target), tg_str_of(cases[i].model)), TG_OK);
        CHECK_STR(tg_buf_view(&out), cases[i].want);
    }
    tg_buf_done(&out);
}

TEST("of a client's beta words those go on that the provider knows")
{
    static const struct { const char *list, *want; } cases[] = {
        { "a-1", "a-1" }, { "a-1,b-2", "a-1,b-2" }, { " b-2 , a-1 ", "b-2,a-1" },
        { "a", "" }, { "a-1x", "" }, { "xa-1", "" }, { "", "" }, { ",,", "" },
        { "z,a-1,y", "a-1" }, { "a-1 b-2", "" }, { "-", "" },
    };
    struct tg_wire w = { .betas = TG_STR(" a-1 b-2 ") }, none = { 0 };
    struct tg_buf out = { 0 };

    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        check_context = cases[i].list;
        tg_buf_reset(&out);
        CHECK_INT(tg_wire_put_betas(&out, &w, tg_str_of(cases[i].list)), TG_OK);
        CHECK_STR(tg_buf_view(&out), cases[i].want);
        tg_buf_reset(&out);
        CHECK_INT(tg_wire_put_betas(&out, &none, tg_str_of(cases[i].list)), TG_OK);
        CHECK_INT(out.len, 0);
    }
    check_context = "";
    tg_buf_done(&out);
}

TEST_MAIN
