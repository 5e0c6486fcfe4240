#include "wire/decode.h"

#include <limits.h>
#include <string.h>

#include <brotli/decode.h>
#include <zlib.h>

#include "base/mem.h"

enum {
    STEP_BYTES = 4096,         /* of output asked for at a time */
    ZLIB_OR_GZIP = 15 + 32,    /* inflateInit2(): look at the header, largest window */
    RAW_DEFLATE = -15
};

struct tg_decode {
    enum tg_coding coding;
    tg_err    failed;          /* what every further feed answers */
    bool      begun;           /* the decoder is made, and kind of deflate known */
    bool      ended;           /* the coded stream came to its end */
    unsigned char first;       /* the first byte of "deflate", until the second is there */
    bool      has_first;
    uint64_t  bytes_in, bytes_out;
    z_stream  z;
    BrotliDecoderState *brotli;
};

bool tg_coding_of(struct tg_str content_encoding, enum tg_coding *out)
{
    static const struct { const char *name; enum tg_coding coding; } known[] = {
        { "", TG_CODING_NONE },      { "identity", TG_CODING_NONE },
        { "gzip", TG_CODING_GZIP },  { "x-gzip", TG_CODING_GZIP },
        { "br", TG_CODING_BROTLI },  { "deflate", TG_CODING_DEFLATE },
    };
    struct tg_str name = tg_str_trim(content_encoding);

    for (size_t i = 0; i < sizeof known / sizeof *known; i++) {
        if (tg_str_iis(name, known[i].name)) {
            *out = known[i].coding;
            return true;
        }
    }
    return false;
}

/* ---- life ---- */

static void *alloc_z(void *none, unsigned n, unsigned size)
{
    return tg_alloc((size_t)n * size);
}

static void free_z(void *none, void *p)
{
    tg_free(p);
}

static void *alloc_brotli(void *none, size_t n)
{
    return tg_alloc(n);
}

static void free_brotli(void *none, void *p)
{
    tg_free(p);
}

static bool begin_zlib(struct tg_decode *d, int window)
{
    d->z.zalloc = alloc_z;
    d->z.zfree = free_z;
    d->begun = inflateInit2(&d->z, window) == Z_OK;
    return d->begun;
}

static bool begin_brotli(struct tg_decode *d)
{
    d->brotli = BrotliDecoderCreateInstance(alloc_brotli, free_brotli, NULL);
    d->begun = d->brotli != NULL;
    return d->begun;
}

struct tg_decode *tg_decode_new(enum tg_coding coding)
{
    struct tg_decode *d = tg_zalloc(sizeof *d);
    bool ok = true;

    if (!d)
        return NULL;
    d->coding = coding;
    if (coding == TG_CODING_GZIP)
        ok = begin_zlib(d, ZLIB_OR_GZIP);
    else if (coding == TG_CODING_BROTLI)
        ok = begin_brotli(d);
    if (ok)
        return d;
    tg_free(d);
    return NULL;
}

void tg_decode_free(struct tg_decode *d)
{
    if (!d)
        return;
    if (d->begun && d->brotli)
        BrotliDecoderDestroyInstance(d->brotli);
    else if (d->begun)
        inflateEnd(&d->z);
    tg_free(d);
}

/* ---- one step of each decoder ---- */

/* What a step did: moved *in forward and wrote *n bytes at `at`. TG_AGAIN when
 * it can do no more without input. */
static tg_err step_zlib(struct tg_decode *d, struct tg_str *in, char *at, size_t room, size_t *n)
{
    unsigned given = in->len < UINT_MAX ? (unsigned)in->len : UINT_MAX;

    d->z.next_in = (unsigned char *)in->at;
    d->z.avail_in = given;
    d->z.next_out = (unsigned char *)at;
    d->z.avail_out = (unsigned)room;
    int err = inflate(&d->z, Z_SYNC_FLUSH);
    in->at += given - d->z.avail_in;
    in->len -= given - d->z.avail_in;
    *n = room - d->z.avail_out;

    switch (err) {
    case Z_STREAM_END:
        d->ended = true;
        return TG_OK;
    case Z_OK:
        return d->z.avail_out && in->len == 0 ? TG_AGAIN : TG_OK;
    case Z_BUF_ERROR:
        return TG_AGAIN;
    case Z_MEM_ERROR:
        return TG_ENOMEM;
    }
    return TG_EINVAL;
}

static tg_err step_brotli(struct tg_decode *d, struct tg_str *in, char *at, size_t room, size_t *n)
{
    const uint8_t *next_in = (const uint8_t *)in->at;
    uint8_t *next_out = (uint8_t *)at;
    size_t left_in = in->len, left_out = room;
    BrotliDecoderResult r = BrotliDecoderDecompressStream(d->brotli, &left_in, &next_in, &left_out,
                                                          &next_out, NULL);
    in->at += in->len - left_in;
    in->len = left_in;
    *n = room - left_out;

    switch (r) {
    case BROTLI_DECODER_RESULT_SUCCESS:
        d->ended = true;
        return TG_OK;
    case BROTLI_DECODER_RESULT_NEEDS_MORE_INPUT:
        return TG_AGAIN;
    case BROTLI_DECODER_RESULT_NEEDS_MORE_OUTPUT:
        return TG_OK;
    case BROTLI_DECODER_RESULT_ERROR:
        break;
    }
    BrotliDecoderErrorCode code = BrotliDecoderGetErrorCode(d->brotli);
    return code <= BROTLI_DECODER_ERROR_ALLOC_CONTEXT_MODES
        && code >= BROTLI_DECODER_ERROR_ALLOC_BLOCK_TYPE_TREES ? TG_ENOMEM : TG_EINVAL;
}

/* ---- the loop ---- */

/* Bytes behind the end: another gzip member may begin there, nothing else. */
static tg_err begin_next_member(struct tg_decode *d)
{
    if (d->coding != TG_CODING_GZIP || inflateReset(&d->z) != Z_OK)
        return TG_EINVAL;
    d->ended = false;
    return TG_OK;
}

static bool is_bomb(const struct tg_decode *d)
{
    return d->bytes_out > TG_DECODE_FREE_BYTES
        && d->bytes_out / TG_DECODE_RATIO_MAX >= d->bytes_in;
}

/* Decode some of *in. Asks for one byte more than may come out, so that what
 * is too much shows itself. */
static tg_err decode_step(struct tg_decode *d, struct tg_str *in, size_t out_max,
                          struct tg_buf *out)
{
    size_t allowed = out->len < out_max ? out_max - out->len : 0;
    size_t room = allowed < STEP_BYTES ? allowed + 1 : STEP_BYTES;
    size_t had = in->len, n = 0;

    tg_err err = tg_buf_reserve(out, room);
    if (err)
        return err;
    err = d->brotli ? step_brotli(d, in, out->at + out->len, room, &n)
                    : step_zlib(d, in, out->at + out->len, room, &n);
    d->bytes_in += had - in->len;
    d->bytes_out += n;
    out->len += n < allowed ? n : allowed;
    if (n > allowed || is_bomb(d))
        return TG_ETOOBIG;
    return err;
}

static tg_err decode_until(struct tg_decode *d, struct tg_str *in, size_t enough, size_t out_max,
                           struct tg_buf *out)
{
    tg_err err = TG_OK;

    while (!err && (in->len || !d->ended)) {
        if (out->len >= enough)
            return TG_AGAIN;
        if (d->ended)
            err = begin_next_member(d);
        if (!err)
            err = decode_step(d, in, out_max, out);
    }
    return err == TG_AGAIN ? TG_OK : err;
}

/* "deflate" is zlib's format by the standard and raw deflate by the practice
 * of some servers; two bytes tell (RFC 1950, 2.2). */
static bool is_zlib_header(unsigned char cmf, unsigned char flg)
{
    return (cmf & 0x0f) == Z_DEFLATED && cmf >> 4 <= 7 && (cmf << 8 | flg) % 31 == 0;
}

static tg_err begin_deflate(struct tg_decode *d, struct tg_str *in, size_t out_max,
                            struct tg_buf *out)
{
    if (!d->has_first && in->len) {
        d->first = (unsigned char)*in->at;
        d->has_first = true;
        in->at++, in->len--;
    }
    if (in->len == 0)
        return TG_OK;
    bool is_zlib = is_zlib_header(d->first, (unsigned char)*in->at);
    if (!begin_zlib(d, is_zlib ? 15 : RAW_DEFLATE))
        return TG_ENOMEM;
    struct tg_str first = { (char *)&d->first, 1 };
    return decode_until(d, &first, SIZE_MAX, out_max, out);
}

static tg_err copy(struct tg_str *in, size_t out_max, struct tg_buf *out)
{
    size_t allowed = out->len < out_max ? out_max - out->len : 0;
    struct tg_str all = *in;

    if (in->len > allowed)
        return TG_ETOOBIG;
    *in = (struct tg_str){ 0 };
    return tg_buf_str(out, all);
}

tg_err tg_decode_some(struct tg_decode *d, struct tg_str *in, size_t enough, size_t out_max,
                      struct tg_buf *out)
{
    tg_err err = d->failed;

    if (!err && d->coding == TG_CODING_NONE)
        err = copy(in, out_max, out);
    else if (!err && !d->begun)
        err = begin_deflate(d, in, out_max, out);
    if (!err && d->begun)
        err = decode_until(d, in, enough, out_max, out);
    if (err != TG_AGAIN)
        d->failed = err;
    return err;
}

tg_err tg_decode_feed(struct tg_decode *d, struct tg_str in, size_t out_max, struct tg_buf *out)
{
    return in.len ? tg_decode_some(d, &in, SIZE_MAX, out_max, out) : d->failed;
}

bool tg_decode_is_whole(const struct tg_decode *d)
{
    return !d->failed && (d->coding == TG_CODING_NONE || d->ended);
}
