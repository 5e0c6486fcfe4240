/* A JSON array that arrives in pieces: its elements, each as soon as it is whole. */
#include "cuts.h"

#include "base/mem.h"
#include "wire/json.h"

static const enum tg_framing ELEMENTS = TG_FRAMES_ELEMENTS;

TEST("the elements of an array come one by one, without what is around them")
{
    static const struct cut_case cases[] = {
        { "[]", "" },
        { "[{}]", "|{}\n" },
        { "[{\"a\":1},{\"b\":2}]", "|{\"a\":1}\n|{\"b\":2}\n" },
        { "[{\"a\": 1},\r\n{\"b\": 2}\r\n]\r\n", "|{\"a\": 1}\n|{\"b\": 2}\n" },
        { " \t\r\n[ \n {}\t,\r\n[1, [2]] \n ] \n", "|{}\n|[1, [2]]\n" },
        { "[{\n  \"a\": {\n    \"b\": []}\n}\n,\n{}]",
          "|{\\n  \"a\": {\\n    \"b\": []}\\n}\n|{}\n" },
    };
    CHECK_CASES(ELEMENTS, cases)
}

TEST("strings, numbers and words are elements too")
{
    static const struct cut_case cases[] = {
        { "[\"a\",\"\",\"],[\"]", "|\"a\"\n|\"\"\n|\"],[\"\n" },
        { "[0,-1.5e+3 , 12]", "|0\n|-1.5e+3\n|12\n" },
        { "[true,false\n,null]", "|true\n|false\n|null\n" },
    };
    CHECK_CASES(ELEMENTS, cases)
}

TEST("brackets and commas in strings are text, whatever is escaped before them")
{
    static const struct cut_case cases[] = {
        { "[{\"a\":\"}],{[\"},{}]", "|{\"a\":\"}],{[\"}\n|{}\n" },
        { "[{\"a\":\"\\\"}\"},{}]", "|{\"a\":\"\\\"}\"}\n|{}\n" },
        { "[{\"a\":\"\\\\\"},{}]", "|{\"a\":\"\\\\\"}\n|{}\n" },
        { "[{\"a\":\"\\\\\\\"}\"},{}]", "|{\"a\":\"\\\\\\\"}\"}\n|{}\n" },
        { "[{\"a\":\"\\\\\\\\\"},{}]", "|{\"a\":\"\\\\\\\\\"}\n|{}\n" },
        { "[{\"]\\\"\":[\"[\"]}]", "|{\"]\\\"\":[\"[\"]}\n" },
        { "[\"\\u0022\\\"\",\"\\\\\"]", "|\"\\u0022\\\"\"\n|\"\\\\\"\n" },
    };
    CHECK_CASES(ELEMENTS, cases)
}

TEST("an object in no array is one element: errors come so")
{
    static const struct limit_case cases[] = {
        { "{\"error\": {\"code\": 400}}", PLENTY, "|{\"error\": {\"code\": 400}}\n", TG_OK },
        { "\r\n{}\r\n", PLENTY, "|{}\n", TG_OK },
        { "{\"error\": {\"code\": 4", PLENTY, "<cut><lost>", TG_OK },
        { "{}{}", PLENTY, "|{}\n", TG_EINVAL },
        { "{},{}", PLENTY, "|{}\n", TG_EINVAL },
        { "{}]", PLENTY, "|{}\n", TG_EINVAL },
    };
    CHECK_LIMIT_CASES(ELEMENTS, cases)
}

TEST("an array that did not close is cut, and a part of an element is never given")
{
    static const struct cut_case cases[] = {
        { "", "" },
        { " \n", "" },
        { "[", "<cut><lost>" },
        { "[{}", "|{}\n<cut><lost>" },
        { "[{},", "|{}\n<cut><lost>" },
        { "[{},\n{\"a\":", "|{}\n<cut><lost>" },
        { "[{},\n{\"a\":\"}]", "|{}\n<cut><lost>" },
        { "[12", "<cut><lost>" },
        { "[12 ", "|12\n<cut><lost>" },
    };
    CHECK_CASES(ELEMENTS, cases)
}

TEST("what is no array of elements is refused where that shows")
{
    static const struct limit_case cases[] = {
        { "[]x", PLENTY, "", TG_EINVAL },
        { "[{}] []", PLENTY, "|{}\n", TG_EINVAL },
        { "[,{}]", PLENTY, "", TG_EINVAL },
        { "[{},]", PLENTY, "|{}\n", TG_EINVAL },
        { "[{},,{}]", PLENTY, "|{}\n", TG_EINVAL },
        { "[{} {}]", PLENTY, "|{}\n", TG_EINVAL },
        { "[{}}]", PLENTY, "|{}\n", TG_EINVAL },
        { "[1;2]", PLENTY, "|1\n", TG_EINVAL },
        { "[:1]", PLENTY, "", TG_EINVAL },
        { "}", PLENTY, "", TG_EINVAL },
        { "]", PLENTY, "", TG_EINVAL },
        { "\"text\"", PLENTY, "", TG_EINVAL },
        { "12", PLENTY, "", TG_EINVAL },
        { "data: {}\n\n", PLENTY, "", TG_EINVAL },
        { "<html>", PLENTY, "", TG_EINVAL },
        { "\xef\xbb\xbf[]", PLENTY, "", TG_EINVAL },
        { "[\x80]", PLENTY, "", TG_EINVAL },
    };
    CHECK_LIMIT_CASES(ELEMENTS, cases)
    check_every_cut(ELEMENTS, TG_STR("\0[]"), PLENTY, "", TG_EINVAL);
    check_every_cut(ELEMENTS, TG_STR("[\0]"), PLENTY, "", TG_EINVAL);
}

TEST("an element past the limit is refused at the same place however it is cut")
{
    static const struct limit_case cases[] = {
        { "[{\"a\":1}]", 7, "|{\"a\":1}\n", TG_OK },
        { "[{\"a\":1}]", 6, "", TG_ETOOBIG },
        { "[{},{\"a\":1}]", 6, "|{}\n", TG_ETOOBIG },
        { "[{},{\"a\":\"1", 6, "|{}\n", TG_ETOOBIG },
        { "[       {}        ,           {}       ]    ", 2, "|{}\n|{}\n", TG_OK },
        { "[1234567]", 7, "|1234567\n", TG_OK },
        { "[1234567]", 6, "", TG_ETOOBIG },
        { "[\"12345\"]", 7, "|\"12345\"\n", TG_OK },
        { "[\"12345\"]", 6, "", TG_ETOOBIG },
        { "{\"a\":1}", 6, "", TG_ETOOBIG },
    };
    CHECK_LIMIT_CASES(ELEMENTS, cases)
}

/* `depth` arrays in one another, in the array of the elements. */
static void put_nested(struct tg_buf *out, int depth, int closed)
{
    tg_buf_char(out, '[');
    for (int i = 0; i < depth; i++)
        tg_buf_char(out, '[');
    for (int i = 0; i < closed; i++)
        tg_buf_char(out, ']');
}

TEST("elements are nested as deep as JSON may be, and not deeper")
{
    struct tg_buf stream = { 0 }, want = { 0 };

    put_nested(&stream, TG_JSON_DEPTH_MAX, TG_JSON_DEPTH_MAX);
    struct tg_str element = { stream.at + 1, stream.len - 1 };
    CHECK_INT(tg_json_check(element, TG_JSON_DEPTH_MAX, NULL, NULL), TG_OK);
    put_event(&want, (struct tg_str){ 0 }, element, false);
    tg_buf_z(&want, "<cut><lost>");
    check_every_cut(ELEMENTS, tg_buf_view(&stream), PLENTY, tg_buf_cstr(&want), TG_OK);

    tg_buf_reset(&stream);
    put_nested(&stream, TG_JSON_DEPTH_MAX + 1, 3);
    check_every_cut(ELEMENTS, tg_buf_view(&stream), PLENTY, "", TG_EDEPTH);
    check_every_cut(ELEMENTS, tg_buf_view(&stream), TG_JSON_DEPTH_MAX + 1, "", TG_EDEPTH);
    check_every_cut(ELEMENTS, tg_buf_view(&stream), TG_JSON_DEPTH_MAX, "", TG_ETOOBIG);
    tg_buf_done(&stream);
    tg_buf_done(&want);
}

TEST("an element whole in the bytes fed is not copied")
{
    static const char stream[] = "[{\"a\":1},\r\n12]";
    struct tg_elements r;
    struct tg_str element;

    tg_elements_init(&r, PLENTY);
    tg_mem_fail_at(0);
    CHECK_INT(tg_elements_feed(&r, TG_STR(stream)), TG_OK);
    CHECK_INT(tg_elements_next(&r, &element), TG_OK);
    CHECK(element.at == stream + 1 && element.len == 7);
    CHECK_INT(tg_elements_next(&r, &element), TG_OK);
    CHECK(element.at == stream + 11 && element.len == 2);
    CHECK_INT(tg_elements_next(&r, &element), TG_AGAIN);
    CHECK_INT(tg_mem_fail_at(0), 0);
    /* nothing is held, so that nothing leaks without tg_elements_done() */
}

TEST("between elements no memory is held, however they were cut")
{
    static const char stream[] = ", {\"a\":\"b\"} \n";
    struct tg_buf out = { 0 };
    struct tg_frames f;

    tg_frames_init(&f, ELEMENTS, PLENTY);
    feed(&f, "[1", 2, &out);
    for (size_t cut = 0; cut < sizeof stream - 1; cut++) {
        feed(&f, stream, cut, &out);
        tg_buf_reset(&out);
        feed(&f, stream + cut, sizeof stream - 1 - cut, &out);
        CHECK(cut > 10 || tg_str_ends(tg_buf_view(&out), "|{\"a\":\"b\"}\n"));
        CHECK(!f.elements.carry.held.at);
    }
    tg_buf_done(&out);
}

TEST("an element of megabytes, one byte at a time, is read in linear time")
{
    enum { BYTES = 2 << 20 };
    struct tg_buf stream = { 0 };
    struct tg_elements r;
    struct tg_str element = { 0 };
    tg_err err = TG_AGAIN;

    tg_buf_z(&stream, "[{\"a\":\"");
    for (int i = 0; i < BYTES; i += 4)
        tg_buf_z(&stream, "\\\\\\\"");
    tg_buf_z(&stream, "\"}]");
    tg_elements_init(&r, 2 * BYTES);
    for (size_t i = 0; i < stream.len && err == TG_AGAIN; i++) {
        CHECK_INT(tg_elements_feed(&r, (struct tg_str){ stream.at + i, 1 }), TG_OK);
        err = tg_elements_next(&r, &element);
    }
    CHECK_INT(err, TG_OK);
    CHECK(element.len == stream.len - 2 && !memcmp(element.at, stream.at + 1, element.len));
    tg_elements_done(&r);
    tg_buf_done(&stream);
}

TEST("an element of 100 MB is refused, and held only up to the limit")
{
    enum { PIECE = 64 * 1024, LIMIT = 1 << 20 };
    char *piece = malloc(PIECE);
    struct tg_elements r;
    struct tg_str element;
    tg_err err = TG_AGAIN;
    size_t fed = 0, held = 0;

    memset(piece, '\\', PIECE);
    tg_elements_init(&r, LIMIT);
    CHECK_INT(tg_elements_feed(&r, TG_STR("[\"")), TG_OK);
    CHECK_INT(tg_elements_next(&r, &element), TG_AGAIN);
    for (; err == TG_AGAIN && fed < 100u << 20; fed += PIECE) {
        CHECK_INT(tg_elements_feed(&r, (struct tg_str){ piece, PIECE }), TG_OK);
        err = tg_elements_next(&r, &element);
        held = r.carry.held.cap > held ? r.carry.held.cap : held;
    }
    CHECK_INT(err, TG_ETOOBIG);
    CHECK_INT(fed, LIMIT);
    CHECK(held <= LIMIT);
    CHECK_INT(tg_elements_feed(&r, TG_STR("[]")), TG_ETOOBIG);
    CHECK_INT(tg_elements_next(&r, &element), TG_ETOOBIG);
    CHECK(!r.carry.held.at);
    free(piece);
}

TEST("white space without end costs nothing")
{
    static char piece[64 * 1024];
    struct tg_elements r;
    struct tg_str element;

    memset(piece, ' ', sizeof piece);
    tg_elements_init(&r, 1);
    tg_mem_fail_at(0);
    for (int i = 0; i < 160; i++) {
        tg_elements_feed(&r, (struct tg_str){ piece, sizeof piece });
        CHECK_INT(tg_elements_next(&r, &element), TG_AGAIN);
    }
    CHECK_INT(tg_mem_fail_at(0), 0);
}

TEST("any bytes, cut into random pieces, give what they give uncut")
{
    static const struct tg_str words[] = {
        { "{", 1 }, { "}", 1 }, { "[", 1 }, { "]", 1 }, { ",", 1 }, { ",", 1 }, { "{}", 2 },
        { "{}", 2 }, { "\"", 1 }, { "\\", 1 }, { "12", 2 }, { "null", 4 }, { " ", 1 },
        { "\r\n", 2 }, { "\"a\":", 4 }, { "\"long, text\"", 12 }, { "\0", 1 }, { "\xc3", 1 },
    };
    check_random_streams(ELEMENTS, words, sizeof words / sizeof *words, 25);
}

static tg_err read_in_pieces(void)
{
    static const char stream[] = "[{\"a\":\"b\"},\n\"text\\\"\" , 12 , {}]";
    struct tg_elements r;
    struct tg_str element;
    tg_err err = TG_OK;

    tg_elements_init(&r, PLENTY);
    for (size_t at = 0; at < sizeof stream - 1 && !err; at += 3) {
        size_t n = sizeof stream - 1 - at < 3 ? sizeof stream - 1 - at : 3;
        err = tg_elements_feed(&r, (struct tg_str){ stream + at, n });
        while (!err)
            err = tg_elements_next(&r, &element);
        err = err == TG_AGAIN ? TG_OK : err;
    }
    tg_elements_done(&r);
    return err;
}

TEST("every allocation may fail, and it is told")
{
    CHECK_EVERY_ALLOCATION(read_in_pieces());
}

TEST_MAIN
