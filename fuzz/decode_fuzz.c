/* decode_fuzz.c -- a coded body gives the same bytes and the same verdict
 * however it is cut, and never more than was allowed. The first byte chooses
 * the coding, the second where to cut, the third how much is allowed.
 *
 * The cut may decide which of two faults is met first, and at which moment the
 * ratio of a large body is looked at. */
#include "wire/decode.h"

#include <assert.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

struct result {
    tg_err err;
    bool   is_whole;
    struct tg_buf out;
};

static struct result decode(enum tg_coding coding, struct tg_str in, size_t step, size_t out_max)
{
    struct tg_decode *d = tg_decode_new(coding);
    struct result r = { .err = TG_OK };

    assert(d);
    for (size_t i = 0; i < in.len && !r.err; i += step) {
        size_t n = in.len - i < step ? in.len - i : step;
        r.err = tg_decode_feed(d, (struct tg_str){ in.at + i, n }, out_max, &r.out);
        assert(r.out.len <= out_max);
    }
    assert(r.err == TG_OK || r.err == TG_EINVAL || r.err == TG_ETOOBIG);
    if (r.err)
        assert(tg_decode_feed(d, TG_STR("x"), out_max, &r.out) == r.err);
    r.is_whole = tg_decode_is_whole(d);
    assert(!r.is_whole || !r.err);
    tg_decode_free(d);
    return r;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size < 3)
        return 0;
    enum tg_coding coding = data[0] % 4;
    struct tg_str in = { (const char *)data + 3, size - 3 };
    size_t out_max = (size_t)data[2] * 16384;
    struct result all = decode(coding, in, in.len + 1, out_max);
    struct result cut = decode(coding, in, 1 + data[1], out_max);

    bool is_large = all.out.len > TG_DECODE_FREE_BYTES || cut.out.len > TG_DECODE_FREE_BYTES;
    if (!is_large)
        assert(!all.err == !cut.err);
    if (!all.err && !cut.err) {
        assert(all.is_whole == cut.is_whole);
        assert(tg_str_eq(tg_buf_view(&all.out), tg_buf_view(&cut.out)));
    }
    tg_buf_done(&all.out);
    tg_buf_done(&cut.out);
    return 0;
}
