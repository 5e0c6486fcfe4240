/* A stream as one JSON array. */
#include "check.h"

#include "wire/array.h"

/* What becomes of frames that are folded together, piece by piece; a NULL ends them. */
static void check_array(const char *const *pieces, const char *expected)
{
    struct tg_array a = { 0 };
    struct tg_buf piece = { 0 }, all = { 0 };

    for (; *pieces; pieces++) {
        tg_buf_reset(&piece);
        tg_buf_z(&piece, *pieces);
        tg_array_fold(&a, &piece);
        tg_buf_str(&all, tg_buf_view(&piece));
    }
    CHECK_INT(tg_array_close(&a, &all), TG_OK);
    CHECK_STR(tg_buf_view(&all), expected);
    tg_buf_done(&piece);
    tg_buf_done(&all);
}

TEST("frames become elements, however many come together")
{
    static const char *const apart[] = { "data: {\"a\":1}\r\n\r\n", "data: {\"b\":2}\r\n\r\n", NULL };
    static const char *const together[] = { "data: {\"a\":1}\r\n\r\ndata: {\"b\":2}\r\n\r\n", NULL };
    static const char expected[] = "[{\"a\":1}\n,\r\n{\"b\":2}\n]\n";

    check_array(apart, expected);
    check_array(together, expected);
}

TEST("data on several lines is one element")
{
    static const char *const lines[] = { "data: {\r\ndata:  \"a\": 1\r\ndata: }\r\n\r\n",
                                         "data: {}\n\n", NULL };

    check_array(lines, "[{\n \"a\": 1\n}\n,\r\n{}\n]\n");
}

TEST("what is no data is dropped, and nothing at all is an empty array")
{
    static const char *const comments[] = { ": ping\n\n", "data: {}\r\n\r\n", "", NULL };
    static const char *const nothing[] = { "", NULL };

    check_array(comments, "[{}\n]\n");
    check_array(nothing, "[]\n");
}

TEST_MAIN
