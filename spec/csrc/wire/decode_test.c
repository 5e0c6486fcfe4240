#include "wire/decode.h"

#include <zlib.h>

#include "base/mem.h"
#include "check.h"

enum { NO_LIMIT = 1 << 30 };

static const char text[] =
    "{\"choices\":[{\"delta\":{\"content\":\"h\xc3\xa9llo\"}},{\"delta\":{\"content\":\" world\"}},"
    "{\"delta\":{}}]}\n";

/* `text`, and 64 MiB of zeros, as brotli -q 11 -w 22 writes them. */
static const unsigned char brotli_text[] = {
    0x1b, 0x58, 0x00, 0x80, 0x9c, 0x07, 0x76, 0x0c, 0x19, 0xd1, 0x58, 0x58, 0xb8, 0x53, 0xbd, 0x31,
    0x42, 0xa5, 0xb7, 0xc8, 0xde, 0xdb, 0xd6, 0x46, 0x63, 0x4b, 0x1d, 0x56, 0x3a, 0x7d, 0xad, 0xc0,
    0xd2, 0xd5, 0xc7, 0x29, 0x07, 0x41, 0xa0, 0xda, 0x16, 0x70, 0x92, 0x47, 0x17, 0xc1, 0xc7, 0xa5,
    0x33, 0xa2, 0x51, 0x4a, 0xd2, 0xdb, 0xb1, 0xe8, 0x3c, 0x02, 0xff, 0xc1, 0xe9, 0x5d, 0xec, 0x87,
    0x00, 0x8a, 0x36,
};
static const unsigned char brotli_zeros[] = {
    0xcb, 0xff, 0xff, 0x3f, 0xf8, 0x27, 0x00, 0xe2, 0xb1, 0x40, 0x20, 0xf7, 0xfe, 0x8f, 0xff, 0xff,
    0x7f, 0xf0, 0x4f, 0x00, 0xc4, 0x61, 0x11, 0x80, 0xee, 0xfd, 0x1f, 0xff, 0xff, 0xff, 0xe0, 0x9f,
    0x00, 0x88, 0xc3, 0x02, 0x00, 0xdd, 0xfb, 0x3f, 0xfe, 0xff, 0xff, 0xc1, 0x3f, 0x01, 0x10, 0x87,
    0x05, 0x00, 0xba, 0xf7, 0x7f, 0xfc, 0xff, 0xff, 0x83, 0x7f, 0x02, 0x20, 0x0e, 0x0b, 0x00, 0x74,
    0xef, 0xff, 0xf8, 0xff, 0xff, 0x07, 0xff, 0x04, 0x40, 0x1c, 0x16, 0x00, 0xe8, 0xde, 0xff, 0xf1,
    0xff, 0xff, 0x0f, 0xfe, 0x09, 0x80, 0x38, 0x2c, 0x00, 0xd0, 0xbd, 0xff, 0xcb, 0xff, 0xff, 0x3f,
    0xfc, 0x13, 0x00, 0x71, 0x58, 0x00, 0xa0, 0x7b, 0xff, 0x07,
};

#define BYTES(array) ((struct tg_str){ (const char *)(array), sizeof(array) })

enum { ZLIB = 15, GZIP = 15 + 16, RAW = -15 };

/* Append `n` bytes packed by zlib in the given format. */
static void pack(int format, const void *bytes, size_t n, struct tg_buf *out)
{
    z_stream z = { 0 };

    deflateInit2(&z, 6, Z_DEFLATED, format, 8, Z_DEFAULT_STRATEGY);
    tg_buf_reserve(out, deflateBound(&z, n));
    z.next_in = (unsigned char *)bytes;
    z.avail_in = (unsigned)n;
    z.next_out = (unsigned char *)out->at + out->len;
    z.avail_out = (unsigned)(out->cap - out->len);
    deflate(&z, Z_FINISH);
    out->len += z.total_out;
    deflateEnd(&z);
}

/* Every coding of `text` that there is. */
struct sample {
    const char *name;
    enum tg_coding coding;
    struct tg_buf packed;
};

enum { SAMPLES = 5 };

static void make_samples(struct sample s[SAMPLES])
{
    memset(s, 0, SAMPLES * sizeof *s);
    s[0].name = "gzip", s[0].coding = TG_CODING_GZIP;
    pack(GZIP, text, sizeof text - 1, &s[0].packed);
    s[1].name = "deflate", s[1].coding = TG_CODING_DEFLATE;
    pack(ZLIB, text, sizeof text - 1, &s[1].packed);
    s[2].name = "raw deflate", s[2].coding = TG_CODING_DEFLATE;
    pack(RAW, text, sizeof text - 1, &s[2].packed);
    s[3].name = "brotli", s[3].coding = TG_CODING_BROTLI;
    tg_buf_str(&s[3].packed, BYTES(brotli_text));
    s[4].name = "gzip in three members", s[4].coding = TG_CODING_GZIP;
    pack(GZIP, text, 10, &s[4].packed);
    pack(GZIP, text, 0, &s[4].packed);
    pack(GZIP, text + 10, sizeof text - 11, &s[4].packed);
}

static void drop_samples(struct sample s[SAMPLES])
{
    for (int i = 0; i < SAMPLES; i++)
        tg_buf_done(&s[i].packed);
}

/* Feed `in` in pieces of `piece` bytes. */
static tg_err feed(struct tg_decode *d, struct tg_str in, size_t piece, size_t out_max,
                   struct tg_buf *out)
{
    tg_err err = TG_OK;

    for (size_t i = 0; i < in.len && !err; i += piece) {
        size_t n = in.len - i < piece ? in.len - i : piece;
        err = tg_decode_feed(d, (struct tg_str){ in.at + i, n }, out_max, out);
    }
    return err;
}

static tg_err decode(enum tg_coding coding, struct tg_str in, size_t piece, size_t out_max,
                     struct tg_buf *out, bool *is_whole)
{
    struct tg_decode *d = tg_decode_new(coding);
    if (!d)
        return TG_ENOMEM;
    tg_err err = feed(d, in, piece, out_max, out);
    *is_whole = tg_decode_is_whole(d);
    tg_decode_free(d);
    return err;
}

TEST("the codings that can be taken off are known by name, others are not")
{
    static const struct { const char *value; int coding; } cases[] = {
        { "", TG_CODING_NONE },         { "identity", TG_CODING_NONE },
        { "gzip", TG_CODING_GZIP },     { "GZip", TG_CODING_GZIP },
        { " x-gzip\t", TG_CODING_GZIP }, { "deflate", TG_CODING_DEFLATE },
        { "br", TG_CODING_BROTLI },     { "zstd", -1 },
        { "compress", -1 },             { "gzip, br", -1 },
        { "gzip,", -1 },                { "gzi", -1 },
        { "chunked", -1 },
    };

    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        enum tg_coding coding = (enum tg_coding)99;
        bool known = tg_coding_of(tg_str_of(check_context = cases[i].value), &coding);
        CHECK_INT(known, cases[i].coding >= 0);
        CHECK_INT(coding, known ? cases[i].coding : 99);
    }
}

TEST("a body comes out the same however its coded bytes are cut")
{
    struct sample s[SAMPLES];

    make_samples(s);
    for (int i = 0; i < SAMPLES; i++) {
        check_context = s[i].name;
        for (size_t piece = 1; piece <= s[i].packed.len; piece++) {
            struct tg_buf out = { 0 };
            bool is_whole;
            CHECK_INT(decode(s[i].coding, tg_buf_view(&s[i].packed), piece, NO_LIMIT, &out,
                             &is_whole), TG_OK);
            CHECK_STR(tg_buf_view(&out), text);
            CHECK(is_whole);
            tg_buf_done(&out);
        }
    }
    drop_samples(s);
}

/* Take it out so many bytes at a time. */
static tg_err decode_in_slices(struct sample *s, size_t slice, struct tg_buf *out)
{
    struct tg_decode *d = tg_decode_new(s->coding);
    struct tg_str in = tg_buf_view(&s->packed);
    tg_err err = TG_AGAIN;

    while (err == TG_AGAIN) {
        struct tg_buf some = { 0 };
        err = tg_decode_some(d, &in, slice, NO_LIMIT, &some);
        CHECK(err != TG_AGAIN || some.len >= slice);
        tg_buf_str(out, tg_buf_view(&some));
        tg_buf_done(&some);
    }
    CHECK(in.len == 0 && tg_decode_is_whole(d));
    tg_decode_free(d);
    return err;
}

TEST("a body comes out the same in slices of any size")
{
    struct sample s[SAMPLES], large = { .coding = TG_CODING_GZIP };
    struct tg_buf bytes = { 0 };

    make_samples(s);
    for (int i = 0; i < SAMPLES; i++) {
        check_context = s[i].name;
        for (size_t slice = 1; slice <= sizeof text; slice++) {
            struct tg_buf out = { 0 };
            CHECK_INT(decode_in_slices(&s[i], slice, &out), TG_OK);
            CHECK_STR(tg_buf_view(&out), text);
            tg_buf_done(&out);
        }
    }
    drop_samples(s);

    for (int i = 0; i < 20000; i++)
        tg_buf_printf(&bytes, "data: %d\n", i);
    pack(GZIP, bytes.at, bytes.len, &large.packed);
    for (size_t slice = 1; slice < bytes.len; slice *= 3) {
        struct tg_buf out = { 0 };
        CHECK_INT(decode_in_slices(&large, slice, &out), TG_OK);
        CHECK(out.len == bytes.len && memcmp(out.at, bytes.at, out.len) == 0);
        tg_buf_done(&out);
    }
    tg_buf_done(&bytes);
    tg_buf_done(&large.packed);
}

TEST("a stream that stops early is not whole, and what came of it is the beginning of the text")
{
    struct sample s[SAMPLES];

    make_samples(s);
    for (int i = 0; i < SAMPLES; i++) {
        check_context = s[i].name;
        for (size_t n = 0; n < s[i].packed.len; n++) {
            struct tg_buf out = { 0 };
            bool is_whole;
            CHECK_INT(decode(s[i].coding, (struct tg_str){ s[i].packed.at, n }, n + 1, NO_LIMIT,
                             &out, &is_whole), TG_OK);
            CHECK(out.len < sizeof text && memcmp(out.at ? out.at : "", text, out.len) == 0);
            /* Three members are three whole streams. */
            if (i != 4)
                CHECK(!is_whole);
            tg_buf_done(&out);
        }
    }
    drop_samples(s);
}

TEST("deflate with and without zlib's header is told apart whatever it begins with")
{
    for (int i = 0; i < 500; i++) {
        char body[16];
        size_t n = (size_t)snprintf(body, sizeof body, "%c%d", i % 256, i * 7919);
        for (int raw = 0; raw < 2; raw++) {
            struct tg_buf packed = { 0 }, out = { 0 };
            bool is_whole;
            pack(raw ? RAW : ZLIB, body, n, &packed);
            CHECK_INT(decode(TG_CODING_DEFLATE, tg_buf_view(&packed), 1, NO_LIMIT, &out,
                             &is_whole), TG_OK);
            CHECK(is_whole && tg_str_eq(tg_buf_view(&out), (struct tg_str){ body, n }));
            tg_buf_done(&packed);
            tg_buf_done(&out);
        }
    }
}

TEST("what was flushed comes out at once, for streams")
{
    struct tg_decode *d = tg_decode_new(TG_CODING_GZIP);
    struct tg_buf out = { 0 };
    unsigned char packed[256];
    z_stream z = { 0 };

    deflateInit2(&z, 6, Z_DEFLATED, GZIP, 8, Z_DEFAULT_STRATEGY);
    static const char *const events[] = { "data: 1\n\n", "data: 2\n\n", "data: [DONE]\n\n" };
    for (int i = 0; i < 3; i++) {
        z.next_in = (unsigned char *)events[i];
        z.avail_in = (unsigned)strlen(events[i]);
        z.next_out = packed;
        z.avail_out = sizeof packed;
        deflate(&z, Z_SYNC_FLUSH);
        tg_buf_reset(&out);
        CHECK_INT(tg_decode_feed(d, (struct tg_str){ (char *)packed, sizeof packed - z.avail_out },
                                 NO_LIMIT, &out), TG_OK);
        CHECK_STR(tg_buf_view(&out), events[i]);
    }
    CHECK(!tg_decode_is_whole(d));
    deflateEnd(&z);
    tg_buf_done(&out);
    tg_decode_free(d);
}

TEST("no coding passes the bytes on, within the limit")
{
    struct tg_buf out = { 0 };
    bool is_whole;

    CHECK_INT(decode(TG_CODING_NONE, TG_STR("hello"), 2, 5, &out, &is_whole), TG_OK);
    CHECK_STR(tg_buf_view(&out), "hello");
    CHECK(is_whole);
    CHECK_INT(decode(TG_CODING_NONE, TG_STR("!"), 1, 5, &out, &is_whole), TG_ETOOBIG);
    CHECK(!is_whole);
    tg_buf_done(&out);
}

TEST("output of exactly the limit is fine, one byte more is too big")
{
    struct sample s[SAMPLES];
    const size_t n = sizeof text - 1;

    make_samples(s);
    for (int i = 0; i < SAMPLES; i++) {
        check_context = s[i].name;
        for (size_t piece = 1; piece <= s[i].packed.len; piece += 7) {
            struct tg_buf out = { 0 };
            bool is_whole;
            struct tg_str in = tg_buf_view(&s[i].packed);
            CHECK_INT(decode(s[i].coding, in, piece, n, &out, &is_whole), TG_OK);
            CHECK(is_whole);
            tg_buf_reset(&out);
            CHECK_INT(decode(s[i].coding, in, piece, n - 1, &out, &is_whole), TG_ETOOBIG);
            CHECK(out.len <= n - 1);
            CHECK(!is_whole);
            tg_buf_reset(&out);
            CHECK_INT(decode(s[i].coding, in, piece, 0, &out, &is_whole), TG_ETOOBIG);
            CHECK_INT(out.len, 0);
            tg_buf_done(&out);
        }
    }
    drop_samples(s);
}

TEST("the limit counts what is already in the buffer")
{
    struct sample s[SAMPLES];
    struct tg_buf out = { 0 };
    bool is_whole;

    make_samples(s);
    tg_buf_z(&out, "0123456789");
    CHECK_INT(decode(TG_CODING_GZIP, tg_buf_view(&s[0].packed), 1000, sizeof text + 8, &out,
                     &is_whole), TG_ETOOBIG);
    CHECK_INT(out.len, sizeof text + 8);
    tg_buf_reset(&out);
    tg_buf_z(&out, "0123456789");
    CHECK_INT(decode(TG_CODING_GZIP, tg_buf_view(&s[0].packed), 1000, 4, &out, &is_whole),
              TG_ETOOBIG);
    CHECK_STR(tg_buf_view(&out), "0123456789");
    tg_buf_done(&out);
    drop_samples(s);
}

TEST("a bomb is stopped soon after the bytes that are free")
{
    static char zeros[16 << 20];
    static const struct { const char *name; enum tg_coding coding; int format; } cases[] = {
        { "gzip", TG_CODING_GZIP, GZIP },
        { "deflate", TG_CODING_DEFLATE, ZLIB },
        { "raw deflate", TG_CODING_DEFLATE, RAW },
        { "brotli", TG_CODING_BROTLI, 0 },
    };

    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct tg_buf packed = { 0 };
        check_context = cases[i].name;
        if (cases[i].format)
            pack(cases[i].format, zeros, sizeof zeros, &packed);
        else
            tg_buf_str(&packed, BYTES(brotli_zeros));
        for (size_t piece = 1; piece <= 10000; piece += 3333) {
            struct tg_buf out = { 0 };
            bool is_whole;
            CHECK_INT(decode(cases[i].coding, tg_buf_view(&packed), piece, NO_LIMIT, &out,
                             &is_whole), TG_ETOOBIG);
            CHECK(out.len > TG_DECODE_FREE_BYTES);
            CHECK(out.len < TG_DECODE_FREE_BYTES + 2 * 1024 * 1024);
            tg_buf_done(&out);
        }
        tg_buf_done(&packed);
    }
}

TEST("a small body may pack as well as it likes, and a large one that packs usually is fine")
{
    static char zeros[TG_DECODE_FREE_BYTES];
    struct tg_buf packed = { 0 }, out = { 0 }, lines = { 0 };
    bool is_whole;

    pack(GZIP, zeros, sizeof zeros, &packed);
    CHECK(packed.len * TG_DECODE_RATIO_MAX < sizeof zeros);
    CHECK_INT(decode(TG_CODING_GZIP, tg_buf_view(&packed), 64, NO_LIMIT, &out, &is_whole), TG_OK);
    CHECK(is_whole);
    CHECK_INT(out.len, sizeof zeros);

    for (unsigned i = 0; lines.len < 4 * TG_DECODE_FREE_BYTES; i++)
        tg_buf_printf(&lines, "data: {\"choices\":[{\"delta\":{\"content\":\"%08x\"}}]}\n\n",
                      i * 2654435761u);
    tg_buf_reset(&packed);
    tg_buf_reset(&out);
    pack(GZIP, lines.at, lines.len, &packed);
    CHECK_INT(decode(TG_CODING_GZIP, tg_buf_view(&packed), 1000, NO_LIMIT, &out, &is_whole), TG_OK);
    CHECK(tg_str_eq(tg_buf_view(&out), tg_buf_view(&lines)));
    tg_buf_done(&packed);
    tg_buf_done(&out);
    tg_buf_done(&lines);
}

TEST("broken bytes, and bytes behind the end, are told and stay told")
{
    struct sample s[SAMPLES];

    make_samples(s);
    for (int i = 0; i < SAMPLES; i++) {
        struct tg_buf out = { 0 };
        check_context = s[i].name;
        struct tg_decode *d = tg_decode_new(s[i].coding);
        CHECK_INT(feed(d, tg_buf_view(&s[i].packed), 1, NO_LIMIT, &out), TG_OK);
        CHECK(tg_decode_is_whole(d));
        CHECK_INT(feed(d, TG_STR("\0rubbish"), 1, NO_LIMIT, &out), TG_EINVAL);
        CHECK_INT(tg_decode_feed(d, TG_STR("x"), NO_LIMIT, &out), TG_EINVAL);
        CHECK(!tg_decode_is_whole(d));
        CHECK_STR(tg_buf_view(&out), text);
        tg_decode_free(d);
        tg_buf_done(&out);
    }
    drop_samples(s);

    static const struct { enum tg_coding coding; struct tg_str in; } bad[] = {
        { TG_CODING_GZIP, TG_STR("{\"error\":{}}") },
        { TG_CODING_DEFLATE, TG_STR("{\"error\":{}}") },
        { TG_CODING_BROTLI, TG_STR("{\"error\":{}}") },
        { TG_CODING_GZIP, TG_STR("\x1f\x8b\x09\0") },
        { TG_CODING_DEFLATE, TG_STR("\xff\xff\xff\xff\xff") },
    };
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        struct tg_buf out = { 0 };
        bool is_whole;
        check_context = bad[i].in.at;
        CHECK_INT(decode(bad[i].coding, bad[i].in, 100, NO_LIMIT, &out, &is_whole), TG_EINVAL);
        CHECK(!is_whole);
        tg_buf_done(&out);
    }
}

TEST("a damaged gzip body never passes for whole")
{
    struct sample s[SAMPLES];

    make_samples(s);
    for (size_t at = 10; at < s[0].packed.len; at++) {
        struct tg_buf out = { 0 };
        bool is_whole;
        s[0].packed.at[at] ^= 0x10;
        tg_err err = decode(TG_CODING_GZIP, tg_buf_view(&s[0].packed), 1000, NO_LIMIT, &out,
                            &is_whole);
        CHECK(err == TG_EINVAL || (!err && !is_whole));
        s[0].packed.at[at] ^= 0x10;
        tg_buf_done(&out);
    }
    drop_samples(s);
}

static struct sample torture[SAMPLES];

static tg_err decode_sample(int i)
{
    struct tg_buf out = { 0 };
    bool is_whole;
    tg_err err = decode(torture[i].coding, tg_buf_view(&torture[i].packed), 5, NO_LIMIT, &out,
                        &is_whole);
    tg_buf_done(&out);
    return err;
}

TEST("memory that is refused is told, whoever asked for it, and nothing leaks")
{
    make_samples(torture);
    for (int i = 0; i < SAMPLES; i++) {
        check_context = torture[i].name;
        CHECK_EVERY_ALLOCATION(decode_sample(i));
    }
    drop_samples(torture);
}

TEST_MAIN
