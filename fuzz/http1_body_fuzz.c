/* http1_body_fuzz.c -- a chunked body gives the same bytes, end and error
 * however it is cut, and the bytes are views into the input. The first byte
 * says where to cut. */
#include "wire/http1.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

struct result {
    tg_err err;
    bool   done, whole;
    size_t used;
    struct tg_buf bytes;
};

static struct result unchunk(struct tg_str in, size_t step)
{
    static struct tg_http1_head head;
    struct tg_http1_body b;
    struct result r = { .err = TG_AGAIN };

    head.framing = TG_HTTP1_CHUNKED;
    tg_http1_body_init(&b, &head);
    while (r.used < in.len && r.err == TG_AGAIN) {
        size_t given = in.len - r.used < step ? in.len - r.used : step;
        struct tg_str feed = { in.at + r.used, given }, run;
        const char *from = feed.at, *before = feed.at;
        while ((r.err = tg_http1_body_next(&b, &feed, &run)) == TG_OK && !b.done) {
            assert(run.len > 0);
            assert(run.at >= before && run.at + run.len == feed.at);
            before = feed.at;
            tg_buf_str(&r.bytes, run);
        }
        assert(r.err != TG_AGAIN || feed.len == 0);
        assert(feed.at + feed.len == from + given);
        r.used += given - feed.len;
    }
    r.done = b.done;
    r.whole = tg_http1_body_whole_at_close(&b);
    assert(r.done == r.whole);
    return r;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size < 2)
        return 0;
    struct tg_str in = { (const char *)data + 1, size - 1 };
    struct result all = unchunk(in, in.len), cut = unchunk(in, 1 + data[0]);

    assert(all.err == cut.err && all.done == cut.done && all.used == cut.used);
    assert(tg_str_eq(tg_buf_view(&all.bytes), tg_buf_view(&cut.bytes)));
    assert(all.bytes.len <= in.len);
    assert(!all.done || memcmp(in.at + all.used - 2, "\r\n", 2) == 0);
    tg_buf_done(&all.bytes);
    tg_buf_done(&cut.bytes);
    return 0;
}
