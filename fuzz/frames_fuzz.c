/* frames_fuzz.c -- any bytes in any framing: cut or not they give the same
 * events, the same verdict and the same end. The first bytes say how to cut,
 * the fifth which framing. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "wire/frames.h"

#define MUST(cond) ((cond) ? (void)0 : abort())

static void put_length(struct tg_buf *out, struct tg_str s)
{
    tg_buf_u64(out, s.len);
    tg_buf_char(out, ':');
    tg_buf_str(out, s);
}

static tg_err pull(struct tg_frames *f, struct tg_buf *out)
{
    struct tg_sse_event ev;
    tg_err err;

    while (!(err = tg_frames_next(f, &ev))) {
        MUST(!ev.is_comment);
        tg_buf_char(out, tg_frames_is_error(f) ? '!' : 'E');
        put_length(out, ev.name);
        put_length(out, ev.data);
        put_length(out, ev.id);
    }
    return err;
}

static tg_err read_cut(enum tg_framing framing, struct tg_str s, const uint8_t *cuts, size_t limit,
                       struct tg_buf *out)
{
    struct tg_frames f;
    tg_err err = TG_AGAIN;

    tg_frames_init(&f, framing, limit);
    for (size_t at = 0, n, i = 0; at < s.len && err == TG_AGAIN; at += n, i++) {
        n = cuts ? cuts[i % 4] % 48u + (i % 8 == 7) : s.len;     /* zeros only would not end */
        n = n < s.len - at ? n : s.len - at;
        char *piece = malloc(n ? n : 1);                         /* gone after TG_AGAIN */
        memcpy(piece, s.at + at, n);
        err = tg_frames_feed(&f, (struct tg_str){ piece, n });
        err = err ? err : pull(&f, out);
        free(piece);
    }
    tg_buf_z(out, tg_frames_is_cut(&f) ? "<cut>" : "");
    MUST(tg_frames_finish(&f) == (err == TG_AGAIN ? TG_OK : err));
    err = pull(&f, out);
    tg_buf_z(out, tg_frames_is_cut(&f) ? "<lost>" : "");
    MUST(tg_frames_feed(&f, (struct tg_str){ 0 }) == (err == TG_AGAIN ? TG_OK : err));
    tg_frames_done(&f);
    return err;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct tg_buf whole = { 0 }, cut = { 0 };

    if (size < 6)
        return 0;
    struct tg_str s = { (const char *)data + 5, size - 5 };
    enum tg_framing framing = (enum tg_framing)(data[4] & 3);
    size_t limit = data[4] & 4 ? 8 + (data[4] >> 3) : 1 << 20;

    tg_err err = read_cut(framing, s, NULL, limit, &whole);
    MUST(read_cut(framing, s, data, limit, &cut) == err);
    MUST(tg_str_eq(tg_buf_view(&whole), tg_buf_view(&cut)));
    tg_buf_done(&whole);
    tg_buf_done(&cut);
    return 0;
}
