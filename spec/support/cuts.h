/* cuts.h -- read a stream of frames as text, cut in every way.
 *
 *     check_every_cut(TG_FRAMES_LINES, TG_STR("a\nb"), PLENTY, "|a\n<cut>|b\n", TG_OK);
 *
 * An event is a line `name|data`, with `!` before it when the framing calls it
 * an error. Behind the last one fed stands `<cut>` when the stream is cut there;
 * then what finishing gives, and `<lost>` when it is still cut. */
#ifndef TG_CUTS_H
#define TG_CUTS_H

#include "check.h"

#include "base/buf.h"
#include "base/rand.h"
#include "wire/frames.h"

enum { PLENTY = 1 << 20 };

struct told {
    struct tg_buf text;
    tg_err        err;
};

static inline void put_visible(struct tg_buf *out, struct tg_str s)
{
    for (size_t i = 0; i < s.len; i++)
        if (s.at[i] == '\n')
            tg_buf_z(out, "\\n");
        else if (s.at[i] == '\r')
            tg_buf_z(out, "\\r");
        else if (s.at[i] == '\0')
            tg_buf_z(out, "\\0");
        else
            tg_buf_char(out, s.at[i]);
}

static inline void put_event(struct tg_buf *out, struct tg_str name, struct tg_str data,
                             bool is_error)
{
    tg_buf_z(out, is_error ? "!" : "");
    put_visible(out, name);
    tg_buf_char(out, '|');
    put_visible(out, data);
    tg_buf_char(out, '\n');
}

/* Take what there is. */
static inline tg_err pull(struct tg_frames *f, struct tg_buf *out)
{
    struct tg_sse_event ev;
    tg_err err;

    while (!(err = tg_frames_next(f, &ev)))
        put_event(out, ev.name, ev.data, tg_frames_is_error(f));
    CHECK_INT(tg_frames_next(f, &ev), err);
    return err == TG_AGAIN ? TG_OK : err;
}

/* Feed one piece from memory of its own, that is gone afterwards. */
static inline tg_err feed(struct tg_frames *f, const char *bytes, size_t n, struct tg_buf *out)
{
    char *piece = malloc(n ? n : 1);

    if (n)
        memcpy(piece, bytes, n);
    tg_err err = tg_frames_feed(f, (struct tg_str){ piece, n });
    if (!err)
        err = pull(f, out);
    free(piece);
    return err;
}

/* The stream is over. */
static inline void finish(struct tg_frames *f, struct told *t)
{
    tg_buf_z(&t->text, tg_frames_is_cut(f) ? "<cut>" : "");
    CHECK_INT(tg_frames_finish(f), t->err);
    if (!t->err)
        t->err = pull(f, &t->text);
    tg_buf_z(&t->text, tg_frames_is_cut(f) ? "<lost>" : "");
    tg_frames_done(f);
}

/* Read a stream cut at `first`, and then into pieces of `size`. */
static inline struct told read_cut(enum tg_framing framing, struct tg_str stream, size_t first,
                                   size_t size, size_t limit)
{
    struct told t = { 0 };
    struct tg_frames f;

    tg_frames_init(&f, framing, limit);
    for (size_t at = 0, n = first; at < stream.len && !t.err; at += n, n = size) {
        n = n < stream.len - at ? n : stream.len - at;
        t.err = feed(&f, stream.at + at, n, &t.text);
    }
    finish(&f, &t);
    return t;
}

/* Into pieces of up to `most` bytes, some of them empty. */
static inline struct told read_random(enum tg_framing framing, struct tg_str stream,
                                      uint32_t most, size_t limit, struct tg_rand *rand)
{
    struct told t = { 0 };
    struct tg_frames f;

    tg_frames_init(&f, framing, limit);
    for (size_t at = 0, n; at < stream.len && !t.err; at += n) {
        n = tg_rand_below(rand, most + 1);
        n = n < stream.len - at ? n : stream.len - at;
        t.err = feed(&f, stream.at + at, n, &t.text);
    }
    finish(&f, &t);
    return t;
}

/* The stream gives this at every two-way cut and one byte at a time. */
static inline void check_every_cut(enum tg_framing framing, struct tg_str stream, size_t limit,
                                   const char *want, tg_err err)
{
    char context[120], title[60];

    snprintf(title, sizeof title, "%s", check_context);
    for (size_t cut = 0; cut <= stream.len; cut++) {
        /* 0 stands for one byte at a time */
        struct told t = read_cut(framing, stream, cut ? cut : 1, cut ? stream.len : 1, limit);
        snprintf(context, sizeof context, "%s, cut at %zu", title, cut);
        check_context = context;
        CHECK_STR(tg_buf_view(&t.text), want);
        CHECK_INT(t.err, err);
        tg_buf_done(&t.text);
    }
    check_context = "";
}

/* Streams put together from these words by chance give the same, with little
 * and with plenty of room, however they are cut. */
static inline void check_random_streams(enum tg_framing framing, const struct tg_str *words,
                                        uint32_t words_count, uint32_t longest)
{
    struct tg_rand rand = { 5 };

    for (int round = 0; round < 4000; round++) {
        struct tg_buf stream = { 0 };
        size_t limit = round % 5 ? PLENTY : 20;
        for (uint32_t n = tg_rand_below(&rand, longest); n > 0; n--)
            tg_buf_str(&stream, words[tg_rand_below(&rand, words_count)]);
        struct tg_str bytes = tg_buf_view(&stream);
        struct told whole = read_cut(framing, bytes, bytes.len, 1, limit);
        struct told cut = read_random(framing, bytes, 11, limit, &rand);
        CHECK_INT(cut.err, whole.err);
        CHECK(tg_str_eq(tg_buf_view(&cut.text), tg_buf_view(&whole.text)));
        tg_buf_done(&cut.text);
        tg_buf_done(&whole.text);
        tg_buf_done(&stream);
    }
}

struct cut_case {
    const char *stream, *want;
};

struct limit_case {
    const char *stream;
    size_t      limit;
    const char *want;
    tg_err      err;
};

#define CHECK_CASES(framing, cases)                                                  \
    for (size_t i_ = 0; i_ < sizeof cases / sizeof *cases; i_++) {                   \
        check_context = cases[i_].stream;                                            \
        check_every_cut(framing, tg_str_of(cases[i_].stream), PLENTY, cases[i_].want, \
                        TG_OK);                                                      \
    }

#define CHECK_LIMIT_CASES(framing, cases)                                            \
    for (size_t i_ = 0; i_ < sizeof cases / sizeof *cases; i_++) {                   \
        check_context = cases[i_].stream;                                            \
        check_every_cut(framing, tg_str_of(cases[i_].stream), cases[i_].limit,       \
                        cases[i_].want, cases[i_].err);                              \
    }

#endif
