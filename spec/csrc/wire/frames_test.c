/* Every framing through one door, and what providers really sent in each. */
#include "cuts.h"
#include "eventstream_message.h"

#include <glob.h>

#include "base/mem.h"
#include "wire/json.h"

TEST("whatever the framing, an event is a name and data")
{
    struct tg_buf message = { 0 }, headers = { 0 };

    check_every_cut(TG_FRAMES_SSE, TG_STR("event: e\ndata: {}\n\n"), PLENTY, "e|{}\n", TG_OK);
    check_every_cut(TG_FRAMES_LINES, TG_STR("{}\n"), PLENTY, "|{}\n", TG_OK);
    check_every_cut(TG_FRAMES_ELEMENTS, TG_STR("[{}]"), PLENTY, "|{}\n", TG_OK);
    message_put_header(&headers, ":event-type", 7, TG_STR("e"));
    message_put(&message, tg_buf_view(&headers), TG_STR("{}"));
    check_every_cut(TG_FRAMES_EVENTSTREAM, tg_buf_view(&message), PLENTY, "e|{}\n", TG_OK);
    tg_buf_done(&message);
    tg_buf_done(&headers);
}

TEST("server-sent events are those of wire/sse, with their ids and without comments")
{
    struct tg_frames f;
    struct tg_sse_event ev;

    tg_frames_init(&f, TG_FRAMES_SSE, PLENTY);
    CHECK_INT(tg_frames_feed(&f, TG_STR(": hello\nid: 7\ndata: a\ndata: b\n\n")), TG_OK);
    CHECK_INT(tg_frames_next(&f, &ev), TG_OK);
    CHECK_STR(ev.data, "a\nb");
    CHECK_STR(ev.id, "7");
    CHECK(!ev.is_comment && !tg_frames_is_error(&f));
    CHECK_INT(tg_frames_next(&f, &ev), TG_AGAIN);
    tg_frames_done(&f);
}

TEST("a last server-sent event that lacks its blank line is given when the stream is over")
{
    static const struct cut_case cases[] = {
        { "data: a\n\n", "|a\n" },
        { "data: a\n\ndata: b\n", "|a\n<cut>|b\n" },
        { "data: a\n\ndata: b", "|a\n<cut>|b\n" },
        { "data: a\r\n\r\ndata: b\r", "|a\n<cut>|b\n" },
        { "data: a\n: pi", "<cut>|a\n" },
        { "data: a\n\n: pi", "|a\n" },
        { "event: x\n", "<cut>" },
    };
    CHECK_CASES(TG_FRAMES_SSE, cases)
}

TEST("is it an error: that is asked of the event last given")
{
    struct tg_buf stream = { 0 }, headers = { 0 };
    struct tg_frames f;
    struct tg_sse_event ev;

    message_put(&stream, TG_STR(""), TG_STR("{}"));
    message_put_header(&headers, ":message-type", 7, TG_STR("exception"));
    message_put_header(&headers, ":exception-type", 7, TG_STR("serviceUnavailableException"));
    message_put(&stream, tg_buf_view(&headers), TG_STR("{\"message\":\"no\"}"));
    message_put(&stream, TG_STR(""), TG_STR("{}"));
    tg_frames_init(&f, TG_FRAMES_EVENTSTREAM, PLENTY);
    CHECK_INT(tg_frames_feed(&f, tg_buf_view(&stream)), TG_OK);
    CHECK_INT(tg_frames_next(&f, &ev), TG_OK);
    CHECK(!tg_frames_is_error(&f));
    CHECK_INT(tg_frames_next(&f, &ev), TG_OK);
    CHECK(tg_frames_is_error(&f));
    CHECK_STR(ev.name, "serviceUnavailableException");
    CHECK_STR(ev.data, "{\"message\":\"no\"}");
    CHECK_INT(tg_frames_next(&f, &ev), TG_OK);
    CHECK(!tg_frames_is_error(&f));
    CHECK_INT(tg_frames_next(&f, &ev), TG_AGAIN);
    tg_frames_done(&f);
    tg_buf_done(&stream);
    tg_buf_done(&headers);
}

TEST("an error is given again, whatever is fed or finished")
{
    static const struct {
        enum tg_framing framing;
        const char *stream;
        tg_err err;
    } cases[] = {
        { TG_FRAMES_SSE, "data: 1234567890\n\n", TG_ETOOBIG },
        { TG_FRAMES_LINES, "123456789\n", TG_ETOOBIG },
        { TG_FRAMES_EVENTSTREAM, "what is this", TG_EINVAL },
        { TG_FRAMES_ELEMENTS, "[123456789]", TG_ETOOBIG },
        { TG_FRAMES_ELEMENTS, "what is this", TG_EINVAL },
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct tg_frames f;
        struct tg_sse_event ev;
        check_context = cases[i].stream;
        tg_frames_init(&f, cases[i].framing, 8);
        CHECK_INT(tg_frames_feed(&f, tg_str_of(cases[i].stream)), TG_OK);
        CHECK_INT(tg_frames_next(&f, &ev), cases[i].err);
        CHECK_INT(tg_frames_next(&f, &ev), cases[i].err);
        CHECK_INT(tg_frames_feed(&f, TG_STR("[]\n\n")), cases[i].err);
        CHECK_INT(tg_frames_finish(&f), cases[i].err);
        CHECK_INT(tg_frames_next(&f, &ev), cases[i].err);
        CHECK(!tg_frames_is_cut(&f));
        /* nothing is held, so that nothing leaks without tg_frames_done() */
    }
}

TEST("one that was never begun may be ended")
{
    struct tg_frames f = { 0 };

    tg_frames_done(&f);
    CHECK(!tg_frames_is_cut(&f));
}

/* ---- what providers sent, read a second time by the simplest means ---- */

static struct tg_buf load(const char *path)
{
    struct tg_buf bytes = { 0 };
    char piece[4096];
    FILE *f = fopen(path, "rb");

    for (size_t n; f && (n = fread(piece, 1, sizeof piece, f)) > 0;)
        tg_buf_add(&bytes, piece, n);
    if (f)
        fclose(f);
    return bytes;
}

static void put_lines(struct tg_buf *want, struct tg_str s)
{
    struct tg_str line;

    while (tg_str_cut(s, '\n', &line, &s))
        put_event(want, (struct tg_str){ 0 }, line, false);
    tg_buf_z(want, line.len ? "<cut>" : "");
    if (line.len)
        put_event(want, (struct tg_str){ 0 }, line, false);
}

static void put_elements(struct tg_buf *want, struct tg_str s)
{
    struct tg_json root, element;
    struct tg_json_iter it;
    struct tg_str key;

    CHECK_INT(tg_json_check(s, TG_JSON_DEPTH_MAX, &root, NULL), TG_OK);
    if (root.kind == TG_JSON_OBJECT)
        put_event(want, (struct tg_str){ 0 }, root.raw, false);
    tg_json_iter_init(&it, root);
    while (root.kind == TG_JSON_ARRAY && tg_json_next(&it, &key, &element))
        put_event(want, (struct tg_str){ 0 }, element.raw, false);
}

static size_t number_at(struct tg_str s, size_t at, int bytes)
{
    size_t n = 0;

    while (bytes-- > 0)
        n = n * 256 + (unsigned char)s.at[at++];
    return n;
}

/* Bedrock's headers are all strings, and the first one that ends in "-type"
 * and is not of the content is the name. */
static void put_messages(struct tg_buf *want, struct tg_str s)
{
    for (size_t from = 0, total; from < s.len; from += total) {
        size_t at = from + 12, end = at + number_at(s, from + 4, 4);
        struct tg_str name = { 0 };
        bool is_error = false;
        total = number_at(s, from, 4);
        while (at < end) {
            struct tg_str label = { s.at + at + 1, number_at(s, at, 1) };
            at += 1 + label.len + 1;
            struct tg_str value = { s.at + at + 2, number_at(s, at, 2) };
            at += 2 + value.len;
            if (tg_str_is(label, ":event-type") || tg_str_is(label, ":exception-type"))
                name = value;
            is_error = is_error || tg_str_is(value, "exception");
        }
        put_event(want, name, (struct tg_str){ s.at + end, from + total - 4 - end }, is_error);
    }
}

static void check_recording(enum tg_framing framing, struct tg_str s, struct tg_buf *want)
{
    struct tg_rand rand = { 7 };

    if (s.len < 3000) {
        check_every_cut(framing, s, PLENTY, tg_buf_cstr(want), TG_OK);
        return;
    }
    for (uint32_t most = 0; most < 40; most++) {
        struct told t = most ? read_random(framing, s, most * most * 2, PLENTY, &rand)
                             : read_cut(framing, s, 1, 1, PLENTY);
        CHECK_INT(t.err, TG_OK);
        CHECK(tg_str_eq(tg_buf_view(&t.text), tg_buf_view(want)));
        tg_buf_done(&t.text);
    }
}

/* Those that match `pattern` and begin with one of the bytes `first`; how many. */
static int check_recordings(const char *data, const char *pattern, const char *first,
                            enum tg_framing framing,
                            void (*put)(struct tg_buf *want, struct tg_str s))
{
    char path[1024];
    glob_t found;
    int n = 0;

    snprintf(path, sizeof path, "%s/transcripts/%s/response.body", data, pattern);
    if (glob(path, 0, NULL, &found))
        return 0;
    for (size_t i = 0; i < found.gl_pathc; i++) {
        struct tg_buf body = load(found.gl_pathv[i]), want = { 0 };
        if (body.len && strchr(first, *body.at)) {
            put(&want, tg_buf_view(&body));
            check_context = found.gl_pathv[i];
            check_recording(framing, tg_buf_view(&body), &want);
            n++;
        }
        tg_buf_done(&body);
        tg_buf_done(&want);
    }
    check_context = "";
    globfree(&found);
    return n;
}

TEST("recorded streams, cut in many ways")
{
    const char *data = check_data_dir();

    if (!CHECK(true) || !data)
        return;
    int messages = check_recordings(data, "bedrock/*-stream.*", "", TG_FRAMES_EVENTSTREAM,
                                    put_messages);
    int lines = check_recordings(data, "ollama/ollama-*.stream.*", "{", TG_FRAMES_LINES,
                                 put_lines);
    lines += check_recordings(data, "cohere/cohere-v1-*.stream.*", "{", TG_FRAMES_LINES,
                              put_lines);
    int elements = check_recordings(data, "*/gemini-stream.*", "[{", TG_FRAMES_ELEMENTS,
                                    put_elements);
    CHECK(messages >= 17);
    CHECK(lines >= 4);
    CHECK(elements >= 10);
}

TEST_MAIN
