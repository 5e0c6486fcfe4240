#include "check.h"

#include "base/rand.h"
#include "wire/json.h"
#include "wire/tool_args.h"

static struct tg_tool_args feed(const char *escaped)
{
    struct tg_tool_args g = { 0 };
    tg_tool_args_feed(&g, tg_str_of(escaped));
    return g;
}

TEST("one whole JSON value is whole")
{
    static const char *const rows[] = {
        "{}", "[]", " { } ", "{\\\"a\\\":1}",
            "{\\\"a\\\":[1,2,{\\\"b\\\":null}],\\\"c\\\":\\\"x\\\"}",
        "\\\"text\\\"", "true", "false", "null", "0", "-0.5e+10", "12", "1e5", "[[[]],[]]",
        "{\\\"a\\\":\\\"q\\\\\\\"q\\\"}", "{\\\"a\\\":\\\"\\\\u0041\\\"}", "\\n{\\t}\\r",
        "\\u007b\\u007D", "{\\\"\xc3\xa9\\\":\\\"\\u00e9\\\"}", "[1 , 2]",
            "{\\\"a\\\" : 1 , \\\"b\\\":2}",
    };

    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        check_context = rows[i];
        struct tg_tool_args g = feed(rows[i]);
        CHECK(tg_tool_args_is_whole(&g) && !tg_tool_args_is_empty(&g));
    }
}

TEST("anything else is not")
{
    static const char *const rows[] = {
        "{", "[", "{\\\"a\\\"", "{\\\"a\\\":", "{\\\"a\\\":1", "{\\\"a\\\":1,}", "[1,]", "[,1]",
            "{,}", "}",
        "]", "[1}", "{]", "{a:1}", "{\\\"a\\\" 1}", "nul", "nulll", "True", "01", "1.", "-", "1e",
            "+1",
        ".5", "{}{}", "{} x", "\\\"open", "\\\"\\n\\\"", "{\\\"a\\\":1 2}", "words",
            "\\\"\\\\x\\\"",
        "\\\"\\\\u12g4\\\"", "[1 2]", "1 2", "{1:2}",
    };

    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        check_context = rows[i];
        struct tg_tool_args g = feed(rows[i]);
        CHECK(!tg_tool_args_is_whole(&g) && !tg_tool_args_is_empty(&g));
    }
}

TEST("nothing but white space is empty")
{
    static const char *const rows[] = { "", " ", "\\n\\t ", "\\u0020" };

    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct tg_tool_args g = feed(rows[i]);
        CHECK(tg_tool_args_is_empty(&g) && !tg_tool_args_is_whole(&g));
    }
}

TEST("nesting is bounded")
{
    char text[2 * TG_TOOL_ARGS_DEPTH_MAX + 3];

    for (int depth = TG_TOOL_ARGS_DEPTH_MAX - 1; depth <= TG_TOOL_ARGS_DEPTH_MAX + 1; depth++) {
        memset(text, '[', (size_t)depth);
        memset(text + depth, ']', (size_t)depth);
        text[2 * depth] = '\0';
        struct tg_tool_args g = feed(text);
        CHECK(tg_tool_args_is_whole(&g) == (depth <= TG_TOOL_ARGS_DEPTH_MAX));
    }
}

/* Between escapes: a fragment is a JSON string of its own. */
TEST("pieces come to the same as the whole, cut anywhere between characters")
{
    static const char *const rows[] = {
        "{\"a\":[1,2.5e-3,{\"b\":null}],\"c\":\"x y\"}", "[true,false,null,\"\"]", "-12.5e+7",
        "{\"a\":1", "{\"a\":tru}",
    };

    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct tg_str s = tg_str_of(rows[i]);
        struct tg_tool_args whole = { 0 };
        for (size_t n = 0; n < s.len; n++) {
            char escaped[3] = "\\\"", *c = escaped;
            if (s.at[n] != '"')
                escaped[0] = s.at[n], escaped[1] = '\0';
            tg_tool_args_feed(&whole, tg_str_of(c));
        }
        check_context = rows[i];
        CHECK(tg_tool_args_is_whole(&whole) == (i < 3));
    }
}

TEST("it agrees with the JSON reader on random texts")
{
    static const char letters[] = "{}[]{}[]:,,\"\"\"1 0-.e";
    struct tg_rand rand;
    int whole = 0;

    tg_rand_seed(&rand, 3);
    for (int i = 0; i < 200000; i++) {
        char text[12], escaped[24], *to = escaped;
        size_t n = 1 + tg_rand_below(&rand, 9);
        for (size_t k = 0; k < n; k++) {
            text[k] = letters[tg_rand_below(&rand, sizeof letters - 1)];
            if (text[k] == '"')
                *to++ = '\\';
            *to++ = text[k];
        }
        *to = '\0';
        text[n] = '\0';
        struct tg_tool_args g = feed(escaped);
        check_context = text;
        CHECK(tg_tool_args_is_whole(&g) == !tg_json_check((struct tg_str){ text, n }, 64, NULL,
                                                          NULL));
        whole += tg_tool_args_is_whole(&g);
    }
    check_context = "";
    CHECK(whole > 100);
}

TEST_MAIN
