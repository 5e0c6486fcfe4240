/* Lines: the same ones however the bytes are cut. */
#include "cuts.h"

#include "base/mem.h"

static const enum tg_framing LINES = TG_FRAMES_LINES;

TEST("lines end in \\n or \\r\\n, mixed as they come")
{
    static const struct cut_case cases[] = {
        { "", "" },
        { "a\n", "|a\n" },
        { "a\r\n", "|a\n" },
        { "a\nb\r\nc\n", "|a\n|b\n|c\n" },
        { "{\"a\": \"b\"}\r\n{\"c\": [1, 2]}\n", "|{\"a\": \"b\"}\n|{\"c\": [1, 2]}\n" },
    };
    CHECK_CASES(LINES, cases)
}

TEST("a \\r that does not end its line is a byte like any other")
{
    static const struct cut_case cases[] = {
        { "a\rb\n", "|a\\rb\n" },
        { "\ra\n", "|\\ra\n" },
        { "a\r\r\n", "|a\\r\n" },
    };
    CHECK_CASES(LINES, cases)
}

TEST("white space in a line stays, and a line of nothing else is none")
{
    static const struct cut_case cases[] = {
        { "  {} \t\n", "|  {} \t\n" },
        { "\n", "" },
        { "\n\n\r\na\n\n\r\n\nb\n\n", "|a\n|b\n" },
        { "  \n\t\r\na\n \n", "|a\n" },
    };
    CHECK_CASES(LINES, cases)
}

TEST("a byte-order mark is skipped once, at the very beginning")
{
    static const struct cut_case cases[] = {
        { "\xef\xbb\xbf" "a\n", "|a\n" },
        { "\xef\xbb\xbf\r\na\n", "|a\n" },
        { "\xef\xbb\xbf\xef\xbb\xbf" "a\n", "|\xef\xbb\xbf" "a\n" },
        { "a\n\xef\xbb\xbf" "b\n", "|a\n|\xef\xbb\xbf" "b\n" },
        { "\n\xef\xbb\xbf" "a\n", "|\xef\xbb\xbf" "a\n" },
        { "\xef\xbb\xbf", "" },
    };
    CHECK_CASES(LINES, cases)
}

TEST("a last line without its end is cut, and given when the stream is over")
{
    static const struct cut_case cases[] = {
        { "a", "<cut>|a\n" },
        { "a\nb", "|a\n<cut>|b\n" },
        { "a\nb\r", "|a\n<cut>|b\n" },
        { "\xef\xbb\xbf" "a", "<cut>|a\n" },
        { "a\n  ", "|a\n" },
        { "a\n\r", "|a\n" },
    };
    CHECK_CASES(LINES, cases)
}

TEST("zeros and bytes that are no UTF-8 are handed on as they came")
{
    check_every_cut(LINES, TG_STR("a\0b\n\xff\xc3\n\0\n"), PLENTY, "|a\\0b\n|\xff\xc3\n|\\0\n",
                    TG_OK);
}

TEST("a line past the limit is refused at the same place however it is cut")
{
    static const struct limit_case cases[] = {
        { "12345678\n", 8, "|12345678\n", TG_OK },
        { "12345678\n", 7, "", TG_ETOOBIG },
        { "1234567\r\n", 8, "|1234567\n", TG_OK },
        { "12345678\r\n", 8, "", TG_ETOOBIG },
        { "a\n12345678\nb\n", 7, "|a\n", TG_ETOOBIG },
        { "a\n12345678", 7, "|a\n", TG_ETOOBIG },
        { "1234\n1234\n1234\n", 4, "|1234\n|1234\n|1234\n", TG_OK },
        { "        \na\n", 7, "", TG_ETOOBIG },
    };
    CHECK_LIMIT_CASES(LINES, cases)
}

TEST("a line whole in the bytes fed is not copied")
{
    static const char stream[] = "one\n\ntwo\r\n";
    struct tg_lines r;
    struct tg_str line;

    tg_lines_init(&r, PLENTY);
    tg_mem_fail_at(0);
    CHECK_INT(tg_lines_feed(&r, TG_STR(stream)), TG_OK);
    CHECK_INT(tg_lines_next(&r, &line), TG_OK);
    CHECK(line.at == stream && line.len == 3);
    CHECK_INT(tg_lines_next(&r, &line), TG_OK);
    CHECK(line.at == stream + 5 && line.len == 3);
    CHECK_INT(tg_lines_next(&r, &line), TG_AGAIN);
    CHECK_INT(tg_mem_fail_at(0), 0);
    /* nothing is held, so that nothing leaks without tg_lines_done() */
}

TEST("between whole lines no memory is held, however they were cut")
{
    static const char stream[] = "one line\r\n";
    struct tg_buf out = { 0 };
    struct tg_frames f;

    tg_frames_init(&f, LINES, PLENTY);
    for (size_t cut = 0; cut < sizeof stream - 1; cut++) {
        tg_buf_reset(&out);
        feed(&f, stream, cut, &out);
        feed(&f, stream + cut, sizeof stream - 1 - cut, &out);
        CHECK_STR(tg_buf_view(&out), "|one line\n");
        CHECK(!f.lines.carry.held.at);
    }
    tg_buf_done(&out);
}

TEST("a line of 100 MB without an end is refused, and held only up to the limit")
{
    enum { PIECE = 64 * 1024, LIMIT = 1 << 20 };
    char *piece = malloc(PIECE);
    struct tg_lines r;
    struct tg_str line;
    tg_err err = TG_AGAIN;
    size_t fed = 0, held = 0;

    memset(piece, 'x', PIECE);
    tg_lines_init(&r, LIMIT);
    for (; err == TG_AGAIN && fed < 100u << 20; fed += PIECE) {
        CHECK_INT(tg_lines_feed(&r, (struct tg_str){ piece, PIECE }), TG_OK);
        err = tg_lines_next(&r, &line);
        held = r.carry.held.cap > held ? r.carry.held.cap : held;
    }
    CHECK_INT(err, TG_ETOOBIG);
    CHECK_INT(fed, LIMIT + PIECE);
    CHECK(held <= LIMIT);
    CHECK_INT(tg_lines_feed(&r, TG_STR("a\n")), TG_ETOOBIG);
    CHECK_INT(tg_lines_next(&r, &line), TG_ETOOBIG);
    CHECK(!r.carry.held.at);
    free(piece);
}

TEST("any bytes, cut into random pieces, give what they give uncut")
{
    static const struct tg_str words[] = {
        { "{}", 2 }, { " ", 1 }, { "\n", 1 }, { "\r", 1 }, { "\r\n", 2 }, { "\n\n", 2 },
        { "\xef\xbb\xbf", 3 }, { "\xef", 1 }, { "longer text ", 12 }, { "\0", 1 },
    };
    check_random_streams(LINES, words, sizeof words / sizeof *words, 25);
}

static tg_err read_in_pieces(void)
{
    static const char stream[] = "first\r\n\nsecond\nthird";
    struct tg_lines r;
    struct tg_str line;
    tg_err err = TG_OK;

    tg_lines_init(&r, PLENTY);
    for (size_t at = 0; at < sizeof stream - 1 && !err; at += 3) {
        size_t n = sizeof stream - 1 - at < 3 ? sizeof stream - 1 - at : 3;
        err = tg_lines_feed(&r, (struct tg_str){ stream + at, n });
        while (!err)
            err = tg_lines_next(&r, &line);
        err = err == TG_AGAIN ? TG_OK : err;
    }
    tg_lines_done(&r);
    return err;
}

TEST("every allocation may fail, and it is told")
{
    CHECK_EVERY_ALLOCATION(read_in_pieces());
}

TEST_MAIN
