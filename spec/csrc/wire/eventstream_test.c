/* AWS's binary event stream: the same messages however the bytes are cut, and
 * none that is not sound to the last bit. */
#include "cuts.h"
#include "eventstream_message.h"

#include "base/mem.h"

static const enum tg_framing EVENTSTREAM = TG_FRAMES_EVENTSTREAM;

enum { LABELS_MAX = 6 };

/* A message as a table shows it: string headers and a payload. */
struct sent {
    const char *labels[LABELS_MAX][2], *payload;
};

static void put_labels(struct tg_buf *out, const struct sent *s)
{
    for (int i = 0; i < LABELS_MAX && s->labels[i][0]; i++)
        message_put_header(out, s->labels[i][0], 7, tg_str_of(s->labels[i][1]));
}

static void put_sent(struct tg_buf *out, const struct sent *s)
{
    struct tg_buf headers = { 0 };

    put_labels(&headers, s);
    message_put(out, tg_buf_view(&headers), tg_str_of(s->payload));
    tg_buf_done(&headers);
}

static const struct sent delta = {
    { { ":event-type", "contentBlockDelta" }, { ":content-type", "application/json" },
      { ":message-type", "event" } },
    "{\"delta\":{\"text\":\"hi\"}}"
};
#define DELTA "contentBlockDelta|{\"delta\":{\"text\":\"hi\"}}\n"

/* ---- messages ---- */

TEST("messages others wrote are read: these are in the tests of AWS's own libraries")
{
    check_every_cut(EVENTSTREAM, TG_STR("\0\0\0\x10\0\0\0\0\x05\xc2\x48\xeb\x7d\x98\xc8\xff"),
                    PLENTY, "|\n", TG_OK);
    check_every_cut(EVENTSTREAM,
                    TG_STR("\0\0\0\x1d\0\0\0\0\xfd\x52\x8c\x5a{'foo':'bar'}\xc3\x65\x39\x36"),
                    PLENTY, "|{'foo':'bar'}\n", TG_OK);
    check_every_cut(EVENTSTREAM,
                    TG_STR("\0\0\0\x3d\0\0\0\x20\x07\xfd\x83\x96\x0c" "content-type\x07\0\x10"
                           "application/json{'foo':'bar'}\x8d\x9c\x08\xb1"),
                    PLENTY, "|{'foo':'bar'}\n", TG_OK);
}

TEST("a message's headers say what it is")
{
    static const struct {
        struct sent sent;
        const char *want;
    } cases[] = {
        { { { { ":message-type", "event" }, { ":event-type", "chunk" } }, "{}" }, "chunk|{}\n" },
        { { { { ":event-type", "chunk" } }, "{}" }, "chunk|{}\n" },
        { { { { ":event-type", "metadata" }, { "other", "x" }, { ":message-type", "event" } }, "" },
          "metadata|\n" },
        { { { { "x", "y" } }, "{}" }, "|{}\n" },
        { { { { ":event-type", "" } }, "{}" }, "|{}\n" },
        { { { { ":event-type", "a" }, { ":event-type", "b" } }, "" }, "b|\n" },
        { { { { ":message-type", "exception" }, { ":exception-type", "throttlingException" } },
            "{\"message\":\"Too many\"}" },
          "!throttlingException|{\"message\":\"Too many\"}\n" },
        { { { { ":exception-type", "validationException" }, { ":event-type", "x" },
              { ":message-type", "exception" } }, "{}" },
          "!validationException|{}\n" },
        { { { { ":message-type", "exception" } }, "" }, "!|{\"message\":\"\"}\n" },
        { { { { ":message-type", "error" }, { ":error-code", "InternalError" },
              { ":error-message", "It \"broke\"\n" } }, "" },
          "!InternalError|{\"message\":\"It \\\"broke\\\"\\n\"}\n" },
        { { { { ":message-type", "error" }, { ":error-code", "InternalError" },
              { ":error-message", "not this" } }, "{\"message\":\"this\"}" },
          "!InternalError|{\"message\":\"this\"}\n" },
        { { { { ":message-type", "error" } }, "" }, "!|{\"message\":\"\"}\n" },
        { { { { ":message-type", "event" }, { ":error-code", "x" }, { ":event-type", "y" } }, "" },
          "y|\n" },
        { { { { ":message-type", "news" }, { ":event-type", "y" } }, "{}" }, "y|{}\n" },
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct tg_buf stream = { 0 };
        put_sent(&stream, &cases[i].sent);
        check_context = cases[i].want;
        check_every_cut(EVENTSTREAM, tg_buf_view(&stream), PLENTY, cases[i].want, TG_OK);
        tg_buf_done(&stream);
    }
}

TEST("messages follow one another without anything between")
{
    static const struct sent error = {
        { { ":message-type", "error" }, { ":error-code", "E" }, { ":error-message", "m" } }, ""
    };
    struct tg_buf stream = { 0 };

    put_sent(&stream, &delta);
    put_sent(&stream, &error);
    put_sent(&stream, &(struct sent){ { { NULL } }, "" });
    put_sent(&stream, &delta);
    check_every_cut(EVENTSTREAM, tg_buf_view(&stream), PLENTY,
                    DELTA "!E|{\"message\":\"m\"}\n|\n" DELTA, TG_OK);
    tg_buf_done(&stream);
}

TEST("payloads are any bytes, and the messages in them are none")
{
    struct tg_buf inner = { 0 }, stream = { 0 };

    put_sent(&inner, &(struct sent){ { { NULL } }, "a\n\n" });
    message_put(&stream, TG_STR(""), tg_buf_view(&inner));
    struct told t = read_cut(EVENTSTREAM, tg_buf_view(&stream), stream.len, 1, PLENTY);
    struct tg_buf want = { 0 };
    put_event(&want, (struct tg_str){ 0 }, tg_buf_view(&inner), false);
    CHECK_INT(t.err, TG_OK);
    CHECK(tg_str_eq(tg_buf_view(&t.text), tg_buf_view(&want)));
    tg_buf_done(&inner);
    tg_buf_done(&stream);
    tg_buf_done(&want);
    tg_buf_done(&t.text);
}

/* ---- headers ---- */

TEST("headers of every type are passed over, and only strings are read")
{
    static const struct {
        int           type;
        struct tg_str value;
    } kinds[] = {
        { 0, { "", 0 } }, { 1, { "", 0 } }, { 2, { "\x07", 1 } }, { 3, { "\x07\0", 2 } },
        { 4, { "\0\0\x07\0", 4 } }, { 5, { "12345678", 8 } }, { 6, { "bytes", 5 } },
        { 6, { "", 0 } }, { 7, { "text", 4 } }, { 7, { "", 0 } }, { 8, { "12345678", 8 } },
        { 9, { "0123456789abcdef", 16 } },
    };
    struct tg_buf all = { 0 }, stream = { 0 };

    for (size_t i = 0; i < sizeof kinds / sizeof *kinds; i++) {
        struct tg_buf headers = { 0 };
        message_put_header(&all, "any", kinds[i].type, kinds[i].value);
        message_put_header(&headers, ":event-type", 7, TG_STR("e"));
        message_put_header(&headers, ":event-type", kinds[i].type, kinds[i].value);
        message_put_header(&headers, ":message-type", kinds[i].type, kinds[i].value);
        bool is_text = kinds[i].type == 7;
        tg_buf_reset(&stream);
        message_put(&stream, tg_buf_view(&headers), TG_STR(""));
        check_every_cut(EVENTSTREAM, tg_buf_view(&stream), PLENTY,
                        !is_text ? "e|\n" : kinds[i].value.len ? "text|\n" : "|\n", TG_OK);
        tg_buf_done(&headers);
    }
    message_put_header(&all, ":event-type", 7, TG_STR("last"));
    tg_buf_reset(&stream);
    message_put(&stream, tg_buf_view(&all), TG_STR("{}"));
    check_every_cut(EVENTSTREAM, tg_buf_view(&stream), PLENTY, "last|{}\n", TG_OK);
    tg_buf_done(&all);
    tg_buf_done(&stream);
}

TEST("headers that are none are refused")
{
    static const struct tg_str cases[] = {
        { "\0\x07\0\0", 4 },               /* no name */
        { "\x01", 1 },                     /* ends in the name */
        { "\xff" "abc", 4 },
        { "\x01" "a", 2 },                 /* before the type */
        { "\x01" "a\x0a", 3 },             /* a type that is none */
        { "\x01" "a\xff", 3 },
        { "\x01" "a\x02", 3 },             /* in the value */
        { "\x01" "a\x03\0", 4 },
        { "\x01" "a\x04\0\0\0", 6 },
        { "\x01" "a\x05\0\0\0\0\0\0\0", 10 },
        { "\x01" "a\x06", 3 },
        { "\x01" "a\x06\0", 4 },
        { "\x01" "a\x06\0\x01", 5 },
        { "\x01" "a\x07\xff\xff" "b", 6 },
        { "\x01" "a\x08\0\0\0\0\0\0\0", 10 },
        { "\x01" "a\x09\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0", 18 },
        { "\x01" "a\0\x01", 4 },           /* behind a good one */
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct tg_buf stream = { 0 };
        put_sent(&stream, &delta);
        message_put(&stream, cases[i], TG_STR("a payload of some length"));
        check_every_cut(EVENTSTREAM, tg_buf_view(&stream), PLENTY, DELTA, TG_EINVAL);
        tg_buf_done(&stream);
    }
}

TEST("headers may take up to 128 KiB, and not more")
{
    struct tg_buf headers = { 0 }, stream = { 0 };
    char *value = malloc(65535);

    memset(value, 'v', 65535);
    message_put_header(&headers, ":event-type", 7, TG_STR("e"));
    message_put_header(&headers, "a", 7, (struct tg_str){ value, 65535 });
    size_t left = TG_EVENTSTREAM_HEADERS_MAX - headers.len;
    message_put_header(&headers, "b", 7, (struct tg_str){ value, left - 5 });
    CHECK_INT(headers.len, TG_EVENTSTREAM_HEADERS_MAX);
    message_put(&stream, tg_buf_view(&headers), TG_STR("{}"));
    struct told t = read_cut(EVENTSTREAM, tg_buf_view(&stream), 5000, 7000, PLENTY);
    CHECK_STR(tg_buf_view(&t.text), "e|{}\n");
    CHECK_INT(t.err, TG_OK);

    tg_buf_reset(&t.text);
    tg_buf_reset(&stream);
    message_put_header(&headers, "c", 0, TG_STR(""));
    message_put(&stream, tg_buf_view(&headers), TG_STR("{}"));
    struct told more = read_cut(EVENTSTREAM, tg_buf_view(&stream), 5000, 7000, PLENTY);
    CHECK_STR(tg_buf_view(&more.text), "");
    CHECK_INT(more.err, TG_ETOOBIG);
    tg_buf_done(&t.text);
    tg_buf_done(&more.text);
    tg_buf_done(&headers);
    tg_buf_done(&stream);
    free(value);
}

/* ---- what is not sound ---- */

TEST("lengths that lie and checksums that are wrong are refused")
{
    static const struct {
        struct message_lies by;
        const char *title;
        tg_err err;
    } cases[] = {
        { { .prelude_crc = 1 }, "the prelude's checksum", TG_EINVAL },
        { { .crc = 1 }, "the message's checksum", TG_EINVAL },
        { { .total = (uint32_t)-1 }, "one byte too short", TG_EINVAL },
        { { .headers = 1 }, "a header more than there is", TG_EINVAL },
        { { .headers = (uint32_t)-1 }, "a header less than there is", TG_EINVAL },
        { { .headers = 1000 }, "headers longer than the message", TG_EINVAL },
        { { .headers = UINT32_C(0x80000000) }, "headers of no length there is", TG_EINVAL },
        { { .total = 1 << 20 }, "longer than the limit", TG_ETOOBIG },
        { { .total = UINT32_C(0x80000000) }, "longer than half of all memory", TG_ETOOBIG },
        { { .total = 1 << 18, .headers = 1 << 17 }, "headers past their limit", TG_ETOOBIG },
    };
    struct tg_buf headers = { 0 };

    put_labels(&headers, &delta);
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct tg_buf stream = { 0 };
        put_sent(&stream, &delta);
        message_put_lying(&stream, tg_buf_view(&headers), tg_str_of(delta.payload), cases[i].by);
        put_sent(&stream, &delta);
        check_context = cases[i].title;
        check_every_cut(EVENTSTREAM, tg_buf_view(&stream), PLENTY, DELTA, cases[i].err);
        tg_buf_done(&stream);
    }
    tg_buf_done(&headers);
}

TEST("lengths that contradict each other are refused before the message came")
{
    struct tg_buf stream = { 0 };

    message_put_lying(&stream, TG_STR(""), TG_STR("x"), (struct message_lies){ .headers = 2 });
    check_every_cut(EVENTSTREAM, (struct tg_str){ stream.at, 12 }, PLENTY, "", TG_EINVAL);
    tg_buf_done(&stream);
}

TEST("a message shorter than what every message has is refused")
{
    for (uint32_t total = 0; total < 16; total++) {
        struct tg_buf stream = { 0 };
        message_put_lying(&stream, TG_STR(""), TG_STR(""),
                          (struct message_lies){ .total = total - 16 });
        check_every_cut(EVENTSTREAM, tg_buf_view(&stream), PLENTY, "", TG_EINVAL);
        tg_buf_done(&stream);
    }
}

TEST("one wrong bit, wherever it is, and the message is refused")
{
    struct tg_buf stream = { 0 };

    put_sent(&stream, &delta);
    for (size_t bit = 0; bit < stream.len * 8; bit++) {
        stream.at[bit / 8] ^= (char)(1 << bit % 8);
        struct told t = read_cut(EVENTSTREAM, tg_buf_view(&stream), 20, stream.len, PLENTY);
        CHECK_STR(tg_buf_view(&t.text), "");
        CHECK_INT(t.err, TG_EINVAL);
        stream.at[bit / 8] ^= (char)(1 << bit % 8);
        tg_buf_done(&t.text);
    }
    tg_buf_done(&stream);
}

TEST("what is another format altogether is refused")
{
    static const struct limit_case cases[] = {
        { "{\"message\":\"The security token is invalid\"}", PLENTY, "", TG_EINVAL },
        { "data: {}\n\n", PLENTY, "<cut><lost>", TG_OK },       /* ends before it could be told */
        { "data: {\"a\":1}\n\n", PLENTY, "", TG_EINVAL },
        { "<html><body></body></html>", PLENTY, "", TG_EINVAL },
    };
    CHECK_LIMIT_CASES(EVENTSTREAM, cases)
}

TEST("a stream that stopped in a message is cut, and a part of one is never given")
{
    struct tg_buf stream = { 0 };

    put_sent(&stream, &delta);
    size_t first = stream.len;
    put_sent(&stream, &delta);
    for (size_t end = 0; end <= stream.len; end++) {
        bool is_whole = end % first == 0;
        struct told t = read_cut(EVENTSTREAM, (struct tg_str){ stream.at, end }, 7, 5, PLENTY);
        struct tg_buf want = { 0 };
        for (size_t i = 0; i < end / first; i++)
            tg_buf_z(&want, DELTA);
        tg_buf_z(&want, is_whole ? "" : "<cut><lost>");
        CHECK_STR(tg_buf_view(&t.text), tg_buf_cstr(&want));
        CHECK_INT(t.err, TG_OK);
        tg_buf_done(&t.text);
        tg_buf_done(&want);
    }
    tg_buf_done(&stream);
}

/* ---- copies, memory, limits ---- */

TEST("a message past the limit is refused as soon as it says its length")
{
    struct tg_buf stream = { 0 };

    put_sent(&stream, &delta);
    check_every_cut(EVENTSTREAM, tg_buf_view(&stream), stream.len, DELTA, TG_OK);
    check_every_cut(EVENTSTREAM, tg_buf_view(&stream), stream.len - 1, "", TG_ETOOBIG);
    check_every_cut(EVENTSTREAM, (struct tg_str){ stream.at, 12 }, stream.len - 1, "", TG_ETOOBIG);
    check_every_cut(EVENTSTREAM, (struct tg_str){ stream.at, 11 }, stream.len - 1, "<cut><lost>",
                    TG_OK);
    tg_buf_done(&stream);
}

TEST("a message whole in the bytes fed is not copied")
{
    struct tg_buf stream = { 0 };
    struct tg_eventstream r;
    struct tg_eventstream_event ev;

    put_sent(&stream, &delta);
    size_t payload = stream.len - 4 - strlen(delta.payload);
    put_sent(&stream, &(struct sent){ { { NULL } }, "" });
    tg_eventstream_init(&r, PLENTY);
    tg_mem_fail_at(0);
    CHECK_INT(tg_eventstream_feed(&r, tg_buf_view(&stream)), TG_OK);
    CHECK_INT(tg_eventstream_next(&r, &ev), TG_OK);
    CHECK(ev.data.at == stream.at + payload && ev.name.at == stream.at + 12 + 15);
    CHECK_INT(tg_eventstream_next(&r, &ev), TG_OK);
    CHECK_INT(tg_eventstream_next(&r, &ev), TG_AGAIN);
    CHECK_INT(tg_mem_fail_at(0), 0);
    /* nothing is held, so that nothing leaks without tg_eventstream_done() */
    tg_buf_done(&stream);
}

TEST("between whole messages no memory is held, however they were cut")
{
    static const struct sent error = {
        { { ":message-type", "error" }, { ":error-code", "E" }, { ":error-message", "m" } }, ""
    };
    struct tg_buf stream = { 0 }, out = { 0 };
    struct tg_frames f;

    put_sent(&stream, &error);
    tg_frames_init(&f, EVENTSTREAM, PLENTY);
    for (size_t cut = 0; cut < stream.len; cut++) {
        tg_buf_reset(&out);
        feed(&f, stream.at, cut, &out);
        feed(&f, stream.at + cut, stream.len - cut, &out);
        CHECK_STR(tg_buf_view(&out), "!E|{\"message\":\"m\"}\n");
        CHECK(!f.eventstream.carry.held.at && !f.eventstream.told.at);
    }
    tg_buf_done(&stream);
    tg_buf_done(&out);
}

TEST("nothing is held for a length that only claims, and an error frees what was")
{
    struct tg_buf stream = { 0 };
    struct tg_eventstream r;
    struct tg_eventstream_event ev;

    message_put_lying(&stream, TG_STR(""), TG_STR("x"),
                      (struct message_lies){ .total = PLENTY - 16 });
    tg_eventstream_init(&r, PLENTY + 1);
    CHECK_INT(tg_eventstream_feed(&r, tg_buf_view(&stream)), TG_OK);
    CHECK_INT(tg_eventstream_next(&r, &ev), TG_AGAIN);
    CHECK(r.carry.held.len == stream.len && r.carry.held.cap <= 256);
    tg_eventstream_done(&r);

    stream.at[11] ^= 1;
    tg_eventstream_init(&r, PLENTY + 1);
    for (int i = 0; i < 11; i++) {
        CHECK_INT(tg_eventstream_feed(&r, (struct tg_str){ stream.at + i, 1 }), TG_OK);
        CHECK_INT(tg_eventstream_next(&r, &ev), TG_AGAIN);
    }
    CHECK_INT(tg_eventstream_feed(&r, (struct tg_str){ stream.at + 11, 1 }), TG_OK);
    CHECK_INT(tg_eventstream_next(&r, &ev), TG_EINVAL);
    CHECK(!r.carry.held.at && !tg_eventstream_is_cut(&r));
    CHECK_INT(tg_eventstream_feed(&r, TG_STR("x")), TG_EINVAL);
    CHECK_INT(tg_eventstream_next(&r, &ev), TG_EINVAL);
    tg_buf_done(&stream);
}

TEST("any bytes, cut into random pieces, give what they give uncut")
{
    struct tg_buf parts[6] = { 0 };
    struct tg_str words[8];
    uint32_t n = 0;

    put_sent(&parts[0], &delta);
    put_sent(&parts[1], &(struct sent){ { { ":event-type", "x" } }, "" });
    put_sent(&parts[2], &(struct sent){ { { NULL } }, "" });
    put_sent(&parts[3], &(struct sent){ { { ":message-type", "error" } }, "" });
    put_sent(&parts[4], &(struct sent){ { { NULL } }, "some bytes" });
    message_put(&parts[5], TG_STR("?"), TG_STR("no header"));
    for (; n < 6; n++)
        words[n] = tg_buf_view(&parts[n]);
    words[n++] = (struct tg_str){ parts[0].at, 40 };
    words[n++] = TG_STR("x");
    check_random_streams(EVENTSTREAM, words, n, 8);
    check_random_streams(EVENTSTREAM, words, 5, 12);
    for (n = 0; n < 6; n++)
        tg_buf_done(&parts[n]);
}

static tg_err read_in_pieces(struct tg_str stream)
{
    struct tg_eventstream r;
    struct tg_eventstream_event ev;
    tg_err err = TG_OK;

    tg_eventstream_init(&r, PLENTY);
    for (size_t at = 0; at < stream.len && !err; at += 7) {
        size_t n = stream.len - at < 7 ? stream.len - at : 7;
        err = tg_eventstream_feed(&r, (struct tg_str){ stream.at + at, n });
        while (!err)
            err = tg_eventstream_next(&r, &ev);
        err = err == TG_AGAIN ? TG_OK : err;
    }
    tg_eventstream_done(&r);
    return err;
}

TEST("every allocation may fail, and it is told")
{
    static char text[400];
    struct sent error = { { { ":message-type", "error" }, { ":error-message", text } }, "" };
    struct tg_buf stream = { 0 };

    memset(text, '"', sizeof text - 1);
    put_sent(&stream, &delta);
    put_sent(&stream, &error);
    put_sent(&stream, &delta);
    CHECK_EVERY_ALLOCATION(read_in_pieces(tg_buf_view(&stream)));
    tg_buf_done(&stream);
}

TEST_MAIN
