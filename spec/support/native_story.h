/* native_story.h -- events told to an answer of a native format, and what came
 * of them. An event is written "name|data", one a line, ' for " (quote.h).
 * Include after check.h. */
#ifndef TG_NATIVE_STORY_H
#define TG_NATIVE_STORY_H

#include "quote.h"
#include "wire/answer.h"

static const struct tg_answer_names story_names = {
    { "gen-1", 5 }, { "v/m", 3 }, { "Pro V", 5 }, 7
};
static const struct tg_cost story_cost = {
    .total = 1403550, .upstream = 1403550, .upstream_prompt = 1000000, .upstream_completion = 403550
};

static inline struct tg_answer *story_begin(enum tg_api api)
{
    return tg_answer_new(api, &story_names, (struct tg_json){ 0 });
}

/* One event, "name|data" as it is. */
static inline tg_err story_event(struct tg_answer *a, struct tg_str line, struct tg_buf *out)
{
    struct tg_sse_event ev = { 0 };

    tg_str_cut(line, '|', &ev.name, &ev.data);
    return tg_answer_event(a, &ev, out);
}

/* Until one fails. */
static inline tg_err story_tell(struct tg_answer *a, const char *events, struct tg_buf *out)
{
    struct tg_str line, rest = qs(events);
    tg_err err = TG_OK;

    while (rest.len && !err) {
        tg_str_cut(rest, '\n', &line, &rest);
        err = story_event(a, line, out);
    }
    return err;
}

/* An answer that was told all this, to be freed; what it said of it is forgotten. */
static inline struct tg_answer *story_told(enum tg_api api, const char *events, tg_err want)
{
    struct tg_answer *a = story_begin(api);
    struct tg_buf out = { 0 };

    CHECK_INT(story_tell(a, events, &out), want);
    tg_buf_done(&out);
    return a;
}

/* What counts as content in these events. */
struct story_content {
    const char *events;
    bool        has_content, has_tools;
    uint64_t    bytes;
};

static inline void story_check_content(enum tg_api api, const struct story_content *rows, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        check_context = rows[i].events;
        struct tg_answer *a = story_told(api, rows[i].events, TG_OK);
        const struct tg_answer_facts *facts = tg_answer_facts(a);
        CHECK_INT(facts->has_content, rows[i].has_content);
        CHECK_INT(facts->has_tools, rows[i].has_tools);
        CHECK_INT(facts->content_bytes, rows[i].bytes);
        CHECK_INT(facts->content_events > 0, rows[i].has_content);
        tg_answer_free(a);
    }
}

/* Frames as the lines they would be told by. */
static inline void story_lines(struct tg_buf *frames)
{
    struct tg_buf lines = { 0 };
    struct tg_sse_event ev;
    struct tg_sse r;

    tg_sse_init(&r, 1 << 20, false);
    tg_sse_feed(&r, tg_buf_view(frames));
    while (!tg_sse_next(&r, &ev)) {
        tg_buf_str(&lines, ev.name);
        tg_buf_char(&lines, '|');
        tg_buf_str(&lines, ev.data);
        tg_buf_char(&lines, '\n');
    }
    CHECK(!tg_sse_is_cut(&r));
    tg_sse_done(&r);
    tg_buf_done(frames);
    *frames = lines;
}

/* What the client has got of these events before the ending, and with it. */
static inline void story_check(enum tg_api api, const char *events, const char *before,
                               const char *ending)
{
    struct tg_answer *a = story_begin(api);
    struct tg_buf out = { 0 };

    CHECK_INT(story_tell(a, events, &out), TG_OK);
    story_lines(&out);
    CHECK_STR(tg_buf_view(&out), q(before));
    tg_buf_reset(&out);
    CHECK(tg_answer_settle(a));
    CHECK_INT(tg_answer_finish(a, &story_cost, TG_STR(""), &out), TG_OK);
    story_lines(&out);
    CHECK_STR(tg_buf_view(&out), q(ending));
    tg_buf_done(&out);
    tg_answer_free(a);
}

/* The same of a whole body. */
static inline void story_check_whole(enum tg_api api, const char *body, const char *want)
{
    struct tg_answer *a = story_begin(api);
    struct tg_buf out = { 0 };
    struct tg_str text = qs(body);

    CHECK_INT(tg_answer_read(a, text), TG_OK);
    CHECK_INT(tg_answer_write(a, text, &story_cost, TG_STR("{}"), &out), TG_OK);
    CHECK_STR(tg_buf_view(&out), q(want));
    tg_buf_done(&out);
    tg_answer_free(a);
}

#endif
