/* Whatever a provider sends in Anthropic's, OpenAI's Responses or Google's format, where it passes: frames are
 * frames, JSON stays JSON, a broken answer is none. */
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
    must(tg_json_check(s, TG_JSON_DEPTH_MAX + 8, NULL, NULL) == TG_OK);
}

/* Read as an event stream, every event is JSON, or Responses' last word. */
static void must_be_frames(struct tg_str out)
{
    struct tg_sse sse;
    struct tg_sse_event ev;

    tg_sse_init(&sse, 1 << 24, false);
    must(tg_sse_feed(&sse, out) == TG_OK);
    while (tg_sse_next(&sse, &ev) == TG_OK)
        if (!tg_str_is(ev.data, "[DONE]"))
            must_be_json(ev.data);
    must(!tg_sse_is_cut(&sse));
    tg_sse_done(&sse);
}

static void stream(enum tg_api api, struct tg_str body)
{
    struct tg_answer *a = tg_answer_new(api, &names, (struct tg_json){ 0 });
    struct tg_buf out = { 0 };
    struct tg_sse sse;
    struct tg_sse_event ev;
    tg_err err;

    tg_sse_init(&sse, 1 << 20, false);
    err = tg_sse_feed(&sse, body);
    while (!err && !(err = tg_sse_next(&sse, &ev)))
        err = tg_answer_event(a, &ev, &out);
    must_be_frames(tg_buf_view(&out));
    if (err == TG_AGAIN && tg_answer_settle(a)) {
        must(!tg_answer_facts(a)->has_error);
        must(tg_answer_finish(a, &cost, TG_STR("{}"), &out) == TG_OK);
    } else {
        must(tg_answer_fail(a, TG_STR("{\"code\":502,\"message\":\"x\"}"), TG_STR(""), &out) == TG_OK);
    }
    must_be_frames(tg_buf_view(&out));
    tg_sse_done(&sse);
    tg_buf_done(&out);
    tg_answer_free(a);
}

static void whole(enum tg_api api, struct tg_str body)
{
    struct tg_answer *a = tg_answer_new(api, &names, (struct tg_json){ 0 });
    struct tg_buf out = { 0 };

    if (tg_answer_read(a, body) == TG_OK) {
        must(tg_answer_write(a, body, &cost, TG_STR("{}"), &out) == TG_OK);
        must_be_json(tg_buf_view(&out));
        must(tg_answer_read(a, tg_buf_view(&out)) == TG_OK);       /* our own answer is one */
    }
    tg_buf_done(&out);
    tg_answer_free(a);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t n);

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t n)
{
    static const enum tg_api apis[] = { TG_API_MESSAGES, TG_API_RESPONSES, TG_API_GEMINI, TG_API_RERANK };

    if (n < 2)
        return 0;
    struct tg_str body = { (const char *)bytes + 1, n - 1 };
    enum tg_api api = apis[bytes[0] >> 1 & 3];
    if (bytes[0] & 1 && tg_api_streams(api))
        stream(api, body);
    else
        whole(api, body);
    return 0;
}
