/* Server-sent events: the same events however the bytes are cut. */
#include "check.h"

#include "base/buf.h"
#include "base/mem.h"
#include "base/rand.h"
#include "wire/json.h"
#include "wire/sse.h"

enum { PLENTY = 1 << 20 };

/* What a reader said, as text: an event is a line `name|data|id`, a comment
 * `:text`; the end of the stream `<cut>` where it is cut. */
struct told {
    struct tg_buf text;
    tg_err err;
};

static void put_visible(struct tg_buf *out, struct tg_str s)
{
    for (size_t i = 0; i < s.len; i++)
        if (s.at[i] == '\n')
            tg_buf_z(out, "\\n");
        else if (s.at[i] == '\0')
            tg_buf_z(out, "\\0");
        else
            tg_buf_char(out, s.at[i]);
}

static void put_event(struct tg_buf *out, const struct tg_sse_event *ev)
{
    tg_buf_z(out, ev->is_comment ? ":" : "");
    if (!ev->is_comment) {
        put_visible(out, ev->name);
        tg_buf_char(out, '|');
    }
    put_visible(out, ev->data);
    if (!ev->is_comment) {
        tg_buf_char(out, '|');
        put_visible(out, ev->id);
    }
    tg_buf_char(out, '\n');
}

/* Feed one piece from memory of its own, that is gone afterwards. */
static tg_err feed(struct tg_sse *r, const char *bytes, size_t n, struct tg_buf *out)
{
    struct tg_sse_event ev;
    char *piece = malloc(n ? n : 1);

    memcpy(piece, bytes, n);
    tg_err err = tg_sse_feed(r, (struct tg_str){ piece, n });
    while (!err && !(err = tg_sse_next(r, &ev)))
        put_event(out, &ev);
    if (err == TG_AGAIN)
        CHECK_INT(tg_sse_next(r, &ev), TG_AGAIN);
    free(piece);
    return err == TG_AGAIN ? TG_OK : err;
}

/* Read a stream cut at `first`, and then into pieces of `size`. */
static struct told read_cut(struct tg_str stream, size_t first, size_t size, size_t limit,
                            bool wants_comments)
{
    struct told t = { 0 };
    struct tg_sse r;

    tg_sse_init(&r, limit, wants_comments);
    for (size_t at = 0, n = first; at < stream.len && !t.err; at += n, n = size) {
        n = n < stream.len - at ? n : stream.len - at;
        t.err = feed(&r, stream.at + at, n, &t.text);
    }
    tg_buf_z(&t.text, tg_sse_is_cut(&r) ? "<cut>" : "");
    tg_sse_done(&r);
    return t;
}

/* The stream gives this at every two-way cut and one byte at a time. */
static void check_every_cut(struct tg_str stream, size_t limit, bool wants_comments,
                            const char *want, tg_err err)
{
    char context[120], title[60];

    snprintf(title, sizeof title, "%s", check_context);
    for (size_t cut = 0; cut <= stream.len; cut++) {
        /* 0 stands for one byte at a time */
        struct told t = read_cut(stream, cut ? cut : 1, cut ? stream.len : 1, limit,
                                 wants_comments);
        snprintf(context, sizeof context, "%s, cut at %zu", title, cut);
        check_context = context;
        CHECK_STR(tg_buf_view(&t.text), want);
        CHECK_INT(t.err, err);
        tg_buf_done(&t.text);
    }
    check_context = "";
}

struct told_case {
    const char *stream, *want;
};

#define CHECK_CASES(cases, wants_comments)                                      \
    for (size_t i_ = 0; i_ < sizeof cases / sizeof *cases; i_++) {              \
        check_context = cases[i_].stream;                                       \
        check_every_cut(tg_str_of(cases[i_].stream), PLENTY, wants_comments,    \
                        cases[i_].want, TG_OK);                                 \
    }

TEST("lines end in \\n, \\r\\n or \\r, mixed as they come")
{
    static const struct told_case cases[] = {
        { "data: a\n\n", "|a|\n" },
        { "data: a\r\n\r\n", "|a|\n" },
        { "data: a\r\r", "|a|\n" },
        { "data: a\rdata: b\ndata: c\r\n\n", "|a\\nb\\nc|\n" },
        { "data: a\n\r\ndata: b\r\n\rdata: c\r\r\n", "|a|\n|b|\n|c|\n" },
        { "\r\n\n\r\rdata: a\n\n\n", "|a|\n" },
    };
    CHECK_CASES(cases, false)
}

TEST("a final \\r ends its line at once: an event does not wait for the next byte")
{
    struct tg_buf out = { 0 };
    struct tg_sse r;

    tg_sse_init(&r, PLENTY, false);
    CHECK_INT(feed(&r, "data: a\r\r", 9, &out), TG_OK);
    CHECK_STR(tg_buf_view(&out), "|a|\n");
    CHECK_INT(feed(&r, "\ndata: b\n\n", 10, &out), TG_OK);
    CHECK_STR(tg_buf_view(&out), "|a|\n|b|\n");
    tg_sse_done(&r);
    tg_buf_done(&out);
}

TEST("a byte-order mark is skipped once, at the very beginning")
{
    static const struct told_case cases[] = {
        { "\xef\xbb\xbf" "data: a\n\n", "|a|\n" },
        { "\xef\xbb\xbf\xef\xbb\xbf" "data: a\n\ndata: b\n\n", "|b|\n" },
        { "data: a\n\n\xef\xbb\xbf" "data: b\n\n", "|a|\n" },
        { "\xef\xbb" "data: a\n\n", "" },
        { "\xef\xbb\xbf\n\ndata: a\n\n", "|a|\n" },
        { "\xef\xbb\xbf: hello\ndata: a\n\n", "|a|\n" },
    };
    CHECK_CASES(cases, false)
}

TEST("fields: one space behind the colon, or no colon at all; unknown ones are nothing")
{
    static const struct told_case cases[] = {
        { "data:a\n\n", "|a|\n" },
        { "data:  a \n\n", "| a |\n" },
        { "data\n\n", "||\n" },
        { "data:\n\n", "||\n" },
        { "data\ndata:\n\n", "|\\n|\n" },
        { "data:\ndata: x\ndata:\n\n", "|\\nx\\n|\n" },
        { "data: {\"a\":\"b: c\"}\n\n", "|{\"a\":\"b: c\"}|\n" },
        { "foo: b\ndata: a\nDATA: b\n data: c\ndatas: d\ndat: e\n\n", "|a|\n" },
        { "retry: 10\ndata: a\n\n", "|a|\n" },
        { "event: ping\ndata: a\n\ndata: b\n\n", "ping|a|\n|b|\n" },
        { "data: a\nevent: x\nevent: y\n\n", "y|a|\n" },
        { "event: x\nevent\ndata: a\n\n", "|a|\n" },
        { "event: ping\n\ndata: a\n\n", "|a|\n" },
    };
    CHECK_CASES(cases, false)
}

TEST("an id holds until it is replaced, also by an empty one; one with a zero is nothing")
{
    static const struct told_case cases[] = {
        { "id: 1\ndata: a\n\ndata: b\n\n", "|a|1\n|b|1\n" },
        { "id: 1\n\ndata: a\n\n", "|a|1\n" },
        { "id: 1\ndata: a\n\nid\ndata: b\n\n", "|a|1\n|b|\n" },
        { "data: a\nid: 1\nid: 23\n\n", "|a|23\n" },
    };
    CHECK_CASES(cases, false)
    check_every_cut(TG_STR("id: 1\ndata: a\n\nid: x\0y\ndata: \0\n\n"), PLENTY, false,
                    "|a|1\n|\\0|1\n", TG_OK);
}

TEST("comments are told only to those who want them, even inside an event")
{
    static const struct told_case without[] = {
        { ": ping\n\ndata: a\n:x\ndata: b\n\n:", "|a\\nb|\n" },
    };
    static const struct told_case with[] = {
        { ": OPENROUTER PROCESSING\n\n", ":OPENROUTER PROCESSING\n" },
        { "event: e\ndata: a\n:x: y\ndata: b\n\n:\n", ":x: y\ne|a\\nb|\n:\n" },
        { ":  two\r\n\r\ndata: a\r\n\r\n", ": two\n|a|\n" },
    };
    CHECK_CASES(without, false)
    CHECK_CASES(with, true)
}

TEST("at the end it is known whether an event was cut off")
{
    static const struct told_case cases[] = {
        { "", "" },
        { "data: a\n\n", "|a|\n" },
        { "data: a\n\n\n", "|a|\n" },
        { "data: a\n", "<cut>" },
        { "data: a", "<cut>" },
        { "data: a\n\ndata: lo", "|a|\n<cut>" },
        { "data: a\n\nid: 7\n", "|a|\n<cut>" },
        { "event: x\n", "<cut>" },
        { "data: a\n\n: ping\n", "|a|\n" },
        { "data: a\n\n: pi", "|a|\n" },
        { "data: a\n: pi", "<cut>" },
    };
    CHECK_CASES(cases, false)
    check_every_cut(TG_STR("data: a\n\n: pi"), PLENTY, true, "|a|\n", TG_OK);
}

/* ---- the recorded cases ---- */

static int base64_digit(char c)
{
    static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    const char *p = c ? strchr(digits, c) : NULL;
    return p ? (int)(p - digits) : -1;
}

static void put_base64(struct tg_buf *out, struct tg_str s)
{
    unsigned bits = 0, have = 0;

    for (size_t i = 0; i < s.len && base64_digit(s.at[i]) >= 0; i++) {
        bits = bits << 6 | (unsigned)base64_digit(s.at[i]);
        if ((have += 6) >= 8)
            tg_buf_char(out, (char)(bits >> (have -= 8)));
    }
}

/* What the case says should come, in our words. */
static void put_expected(struct tg_buf *out, struct tg_json events)
{
    struct tg_json_iter it;
    struct tg_str key;
    struct tg_json event;

    tg_json_iter_init(&it, events);
    while (tg_json_next(&it, &key, &event)) {
        struct tg_buf data = { 0 }, name = { 0 }, id = { 0 };
        tg_json_text(tg_json_get(event, "data"), &data);
        tg_json_text(tg_json_get(event, "id"), &id);
        if (!tg_json_is(tg_json_get(event, "type"), "message"))
            tg_json_text(tg_json_get(event, "type"), &name);
        put_event(out, &(struct tg_sse_event){ tg_buf_view(&name), tg_buf_view(&data),
                                               tg_buf_view(&id), false });
        tg_buf_done(&data);
        tg_buf_done(&name);
        tg_buf_done(&id);
    }
}

typedef void case_run(struct tg_json one, struct tg_str stream);

static int run_cases(const char *data, const char *file, case_run *run)
{
    char path[1024], *line = NULL;
    size_t cap = 0;
    int n = 0;

    snprintf(path, sizeof path, "%s/abuse/sse/%s", data, file);
    FILE *f = fopen(path, "r");
    if (!CHECK(f != NULL))
        return 0;
    for (ssize_t len; (len = getline(&line, &cap, f)) > 0; n++) {
        struct tg_json one;
        struct tg_buf stream = { 0 }, name = { 0 };
        struct tg_str base64 = { 0 };
        CHECK_INT(tg_json_check((struct tg_str){ line, (size_t)len }, 8, &one, NULL), TG_OK);
        CHECK(tg_json_plain(tg_json_get(one, "stream_b64"), &base64));
        tg_json_text(tg_json_get(one, "name"), &name);
        put_base64(&stream, base64);
        check_context = tg_buf_cstr(&name);
        run(one, tg_buf_view(&stream));
        tg_buf_done(&stream);
        tg_buf_done(&name);
    }
    check_context = "";
    free(line);
    fclose(f);
    return n;
}

static bool ends_in_event(struct tg_str stream)
{
    return stream.len && stream.at[stream.len - 1] != '\n' && stream.at[stream.len - 1] != '\r';
}

static void run_expected(struct tg_json one, struct tg_str stream)
{
    struct tg_buf want = { 0 };

    put_expected(&want, tg_json_get(one, "events"));
    tg_buf_z(&want, ends_in_event(stream) ? "<cut>" : "");
    check_every_cut(stream, PLENTY, false, tg_buf_cstr(&want), TG_OK);
    tg_buf_done(&want);
}

/* Bytes that are no UTF-8 are handed on as they came: each stream is one
 * event `data: ...`, perhaps with the beginning of another. */
static void run_raw(struct tg_json one, struct tg_str stream)
{
    struct tg_buf want = { 0 };
    struct tg_str line, rest;

    CHECK(tg_str_starts(stream, "data: ") && tg_str_cut(stream, '\n', &line, &rest));
    tg_buf_printf(&want, "|%.*s|\n%s", (int)line.len - 6, line.at + 6,
                  ends_in_event(stream) ? "<cut>" : "");
    check_every_cut(stream, PLENTY, false, tg_buf_cstr(&want), TG_OK);
    tg_buf_done(&want);
}

TEST("the recorded cases, at every cut")
{
    const char *data = check_data_dir();

    if (!CHECK(true) || !data)
        return;
    CHECK(run_cases(data, "sse_cases.jsonl", run_expected) >= 25);
    CHECK(run_cases(data, "sse_invalid_utf8.jsonl", run_raw) >= 4);
}

/* ---- copies, memory, limits ---- */

TEST("an event whole in the bytes fed is not copied")
{
    static const char stream[] = ": x\nevent: e\ndata: one\n\ndata: two\r\n\r\n";
    struct tg_sse r;
    struct tg_sse_event ev;

    tg_sse_init(&r, PLENTY, false);
    tg_mem_fail_at(0);
    CHECK_INT(tg_sse_feed(&r, TG_STR(stream)), TG_OK);
    CHECK_INT(tg_sse_next(&r, &ev), TG_OK);
    CHECK(ev.data.at == stream + 19 && ev.name.at == stream + 11);
    CHECK_INT(tg_sse_next(&r, &ev), TG_OK);
    CHECK(ev.data.at == stream + 30);
    CHECK_INT(tg_sse_next(&r, &ev), TG_AGAIN);
    CHECK_INT(tg_mem_fail_at(0), 0);
    /* nothing is held, so that nothing leaks without tg_sse_done() */
}

TEST("between whole events no memory is held, however they were cut")
{
    static const char stream[] = "event: e\ndata: one\ndata: two\n\n";
    struct tg_buf out = { 0 };
    struct tg_sse r;

    tg_sse_init(&r, PLENTY, false);
    for (size_t cut = 0; cut < sizeof stream - 1; cut++) {
        tg_buf_reset(&out);
        feed(&r, stream, cut, &out);
        feed(&r, stream + cut, sizeof stream - 1 - cut, &out);
        CHECK_STR(tg_buf_view(&out), "e|one\\ntwo|\n");
        CHECK(!r.line.at && !r.data_held.at && !r.name_held.at && !r.id.at);
    }
    tg_buf_done(&out);
}

TEST("an event past the limit is refused at the same place however it is cut")
{
    static const struct {
        const char *stream;
        size_t limit;
        const char *want;
        tg_err err;
    } cases[] = {
        { "data: 12345678\n\n", 14, "|12345678|\n", TG_OK },
        { "data: 12345678\n\n", 13, "", TG_ETOOBIG },
        { "data: a\n\ndata: 12345678\n\n", 13, "|a|\n", TG_ETOOBIG },
        { "data: a\n\ndata: 12345678", 13, "|a|\n", TG_ETOOBIG },
        { "data: 1234\ndata: 1234\n\n", 14, "|1234\\n1234|\n", TG_OK },
        { "data: 1234\ndata: 1234\n\n", 13, "", TG_ETOOBIG },
        { "event: 1234\ndata: 1234\n\n", 14, "1234|1234|\n", TG_OK },
        { "event: 1234\ndata: 1234\n\n", 13, "", TG_ETOOBIG },
        { "id: 1234\ndata: 1234\n\n", 13, "", TG_ETOOBIG },
        { ": a comment that nobody wants has no limit\ndata: 1\n\n", 8, "|1|\n", TG_OK },
        { "an unknown field has one\ndata: 1\n\n", 8, "", TG_ETOOBIG },
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        check_context = cases[i].stream;
        check_every_cut(tg_str_of(cases[i].stream), cases[i].limit, false, cases[i].want,
                        cases[i].err);
    }
    check_every_cut(TG_STR("data: 1\n\n: a comment\n"), 10, true, "|1|\n", TG_ETOOBIG);
}

TEST("a line of 100 MB without an end is refused, and held only up to the limit")
{
    enum { PIECE = 64 * 1024, LIMIT = 1 << 20 };
    char *piece = malloc(PIECE);
    struct tg_sse r;
    struct tg_sse_event ev;
    tg_err err = TG_AGAIN;
    size_t fed = 0, held = 0;

    memset(piece, 'x', PIECE);
    memcpy(piece, "data: ", 6);
    tg_sse_init(&r, LIMIT, false);
    for (; err == TG_AGAIN && fed < 100u << 20; fed += PIECE) {
        CHECK_INT(tg_sse_feed(&r, (struct tg_str){ piece, PIECE }), TG_OK);
        err = tg_sse_next(&r, &ev);
        held = r.line.cap > held ? r.line.cap : held;
    }
    CHECK_INT(err, TG_ETOOBIG);
    CHECK_INT(fed, LIMIT + PIECE);
    CHECK(held <= LIMIT);
    CHECK_INT(tg_sse_feed(&r, TG_STR("data: a\n\n")), TG_ETOOBIG);
    CHECK_INT(tg_sse_next(&r, &ev), TG_ETOOBIG);
    CHECK(!r.line.at);
    free(piece);
}

TEST("an endless comment that nobody wants costs nothing")
{
    static char piece[64 * 1024];
    struct tg_buf out = { 0 };
    struct tg_sse r;

    memset(piece, ':', sizeof piece);
    tg_sse_init(&r, 100, false);
    tg_mem_fail_at(0);
    for (int i = 0; i < 1600; i++) {
        struct tg_sse_event ev;
        tg_sse_feed(&r, (struct tg_str){ piece, sizeof piece });
        CHECK_INT(tg_sse_next(&r, &ev), TG_AGAIN);
    }
    CHECK_INT(tg_mem_fail_at(0), 0);
    CHECK_INT(feed(&r, "\ndata: a\n\n", 10, &out), TG_OK);
    CHECK_STR(tg_buf_view(&out), "|a|\n");
    tg_buf_done(&out);
    tg_sse_done(&r);
}

TEST("any bytes, cut into random pieces, give what they give uncut")
{
    static const char *const words[] = {
        "data: ", "data", ":", " ", "\n", "\r", "\r\n", "\n\n", "event: x", "id: 1", "id", "a",
        "\xef\xbb\xbf", "\xc3", "longer text ", "retry: 1",
    };
    struct tg_rand rand = { 5 };

    for (int round = 0; round < 4000; round++) {
        struct tg_buf stream = { 0 };
        struct told whole, cut = { 0 };
        struct tg_sse r;
        bool wants_comments = round % 2;
        size_t limit = round % 5 ? PLENTY : 20;
        for (uint32_t n = tg_rand_below(&rand, 30); n > 0; n--)
            tg_buf_z(&stream, words[tg_rand_below(&rand, sizeof words / sizeof *words)]);
        whole = read_cut(tg_buf_view(&stream), stream.len, 1, limit, wants_comments);
        tg_sse_init(&r, limit, wants_comments);
        for (size_t at = 0, n; at < stream.len && !cut.err; at += n) {
            n = tg_rand_below(&rand, 12);
            n = n < stream.len - at ? n : stream.len - at;
            cut.err = feed(&r, stream.at + at, n, &cut.text);
        }
        tg_buf_z(&cut.text, tg_sse_is_cut(&r) ? "<cut>" : "");
        CHECK_INT(cut.err, whole.err);
        CHECK(tg_str_eq(tg_buf_view(&cut.text), tg_buf_view(&whole.text)));
        tg_sse_done(&r);
        tg_buf_done(&cut.text);
        tg_buf_done(&whole.text);
        tg_buf_done(&stream);
    }
}

static tg_err read_in_pieces(void)
{
    static const char stream[] = "event: name\nid: 7\ndata: one\ndata: two\n\n: c\n\ndata: x\n\n";
    struct tg_sse r;
    struct tg_sse_event ev;
    tg_err err = TG_OK;

    tg_sse_init(&r, PLENTY, true);
    for (size_t at = 0; at < sizeof stream - 1 && !err; at += 3) {
        size_t n = sizeof stream - 1 - at < 3 ? sizeof stream - 1 - at : 3;
        err = tg_sse_feed(&r, (struct tg_str){ stream + at, n });
        while (!err)
            err = tg_sse_next(&r, &ev);
        err = err == TG_AGAIN ? TG_OK : err;
    }
    tg_sse_done(&r);
    return err;
}

TEST("every allocation may fail, and it is told")
{
    CHECK_EVERY_ALLOCATION(read_in_pieces());
}

TEST_MAIN
