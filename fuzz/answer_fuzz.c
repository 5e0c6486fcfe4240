/* Whatever a provider sends: frames are frames, JSON is JSON, the same bytes
 * cut otherwise or read without the stream's pattern give the same answer. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "wire/answer.h"

static const struct tg_answer_names names = {
    { "gen-1", 5 }, { "vendor/model", 12 }, { "P\"", 2 }, 1
};
static const struct tg_cost cost = { .total = 1, .upstream = 1 };

static void must(int holds)
{
    if (!holds)
        abort();
}

static void must_be_json(struct tg_str s)
{
    must(tg_json_check(s, TG_JSON_DEPTH_MAX + 8, NULL, NULL) == TG_OK || s.len == 0);
}

/* "data: {...}\n\n" again and again; "[DONE]" only as the last. */
static void must_be_frames(struct tg_str out, int may_be_done)
{
    while (out.len) {
        const char *end = memmem(out.at, out.len, "\n\n", 2);
        must(end && tg_str_starts(out, "data: "));
        struct tg_str json = { out.at + 6, (size_t)(end - out.at) - 6 };
        out.len -= (size_t)(end + 2 - out.at);
        out.at = end + 2;
        must(!memchr(json.at, '\n', json.len) && !memchr(json.at, '\r', json.len));
        if (tg_str_is(json, "[DONE]"))
            must(may_be_done && out.len == 0);
        else
            must(json.len && *json.at == '{');
        if (!tg_str_is(json, "[DONE]"))
            must_be_json(json);
    }
}

static void must_be_sound(const struct tg_answer *a)
{
    const struct tg_usage *u = &tg_answer_facts(a)->usage;
    const struct tg_told *t = tg_answer_told(a);

    must(u->total < 0 || u->total == u->prompt + (u->completion > 0 ? u->completion : 0));
    must(u->prompt < 0 || (u->cached <= u->prompt && u->cache_write <= u->prompt));
    must(t->message.len <= TG_ANSWER_TEXT_MAX);
    must_be_json(tg_buf_view(&t->raw));
}

enum how { AS_IT_IS, BYTE_BY_BYTE, WITHOUT_PATTERN };

/* One space more behind the first brace of each event: it says the same and
 * looks like none before. */
static tg_err event(struct tg_answer *a, const struct tg_sse_event *ev, enum how how, size_t nth,
                    struct tg_buf *out)
{
    struct tg_sse_event spaced = *ev;
    struct tg_str data = ev->data;
    struct tg_buf text = { 0 };

    while (data.len && (unsigned char)*data.at <= ' ')
        data.at++, data.len--;
    if (how != WITHOUT_PATTERN || ev->is_comment || !data.len || *data.at != '{')
        return tg_answer_event(a, ev, out);
    tg_buf_char(&text, '{');
    for (size_t i = 0; i < nth; i++)
        tg_buf_char(&text, ' ');
    tg_buf_add(&text, data.at + 1, data.len - 1);
    spaced.data = tg_buf_view(&text);
    tg_err err = tg_answer_event(a, &spaced, out);
    tg_buf_done(&text);
    return err;
}

static tg_err stream(enum tg_api api, struct tg_str body, enum how how, struct tg_buf *out)
{
    struct tg_answer *a = tg_answer_new(api, &names, (struct tg_json){ 0 });
    struct tg_sse sse;
    struct tg_sse_event ev;
    tg_err err = TG_AGAIN;
    size_t step = how == BYTE_BY_BYTE ? 1 : body.len, nth = 0;

    tg_sse_init(&sse, 1 << 20, true);
    for (size_t at = 0; at < body.len && err == TG_AGAIN; at += step) {
        err = tg_sse_feed(&sse, (struct tg_str){ body.at + at, step });
        while (!err) {
            err = tg_sse_next(&sse, &ev);
            if (!err)
                err = event(a, &ev, how, ++nth, out);
        }
    }
    must_be_frames(tg_buf_view(out), 0);
    if (err == TG_AGAIN && tg_answer_settle(a)) {
        must(tg_answer_facts(a)->has_finish && !tg_answer_facts(a)->has_error);
        must(tg_answer_finish(a, &cost, TG_STR("{}"), out) == TG_OK);
        must_be_sound(a);
    } else {
        must(tg_answer_fail(a, TG_STR("{}"), TG_STR(""), out) == TG_OK);
    }
    must_be_frames(tg_buf_view(out), 1);
    tg_sse_done(&sse);
    tg_answer_free(a);
    return err;
}

static void streams(enum tg_api api, struct tg_str body)
{
    struct tg_buf out[3] = { 0 };
    tg_err err[3];

    for (int how = AS_IT_IS; how <= WITHOUT_PATTERN; how++)
        err[how] = stream(api, body, (enum how)how, &out[how]);
    for (int how = BYTE_BY_BYTE; how <= WITHOUT_PATTERN; how++) {
        must(err[how] == err[0] && out[how].len == out[0].len);
        must(memcmp(out[how].at, out[0].at, out[0].len) == 0);
    }
    for (int how = AS_IT_IS; how <= WITHOUT_PATTERN; how++)
        tg_buf_done(&out[how]);
}

static void whole(enum tg_api api, struct tg_str body)
{
    struct tg_answer *a = tg_answer_new(api, &names, (struct tg_json){ 0 });
    struct tg_buf out = { 0 }, frames = { 0 };
    struct tg_told told = { 0 };

    if (tg_answer_read(a, body) == TG_OK) {
        must(tg_answer_write(a, body, &cost, TG_STR("{}"), &out) == TG_OK);
        must_be_json(tg_buf_view(&out));
        must_be_sound(a);
        if (api != TG_API_EMBEDDINGS) {
            must(tg_answer_write_as_stream(a, body, &frames) == TG_OK && tg_answer_settle(a));
            must(tg_answer_finish(a, &cost, TG_STR(""), &frames) == TG_OK);
            must_be_frames(tg_buf_view(&frames), 1);
        }
        must(tg_answer_read(a, tg_buf_view(&out)) == TG_OK);       /* our own answer is one */
    }
    must(tg_told_read(&told, body) == TG_OK);
    must(told.message.len <= TG_TOLD_TEXT_MAX);
    must_be_json(tg_buf_view(&told.raw));
    tg_told_done(&told);
    tg_buf_done(&out);
    tg_buf_done(&frames);
    tg_answer_free(a);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t n);

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t n)
{
    if (n < 2)
        return 0;
    struct tg_str body = { (const char *)bytes + 1, n - 1 };
    enum tg_api api = (enum tg_api)((bytes[0] >> 1 & 3) % 3);
    if (bytes[0] & 1 && api != TG_API_EMBEDDINGS)
        streams(api, body);
    else
        whole(api, body);
    return 0;
}
