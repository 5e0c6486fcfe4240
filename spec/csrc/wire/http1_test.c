#include "wire/http1.h"

#include "base/mem.h"
#include "check.h"

static struct tg_http1_head head;
static struct tg_http1_fault fault;

static tg_err request(struct tg_str in)
{
    size_t seen = 0;
    return tg_http1_request(in, &seen, &head, &fault);
}

static tg_err response(struct tg_str in)
{
    size_t seen = 0;
    return tg_http1_response(in, &seen, false, &head);
}

static struct tg_str repeat(struct tg_buf *b, const char *z, size_t times)
{
    while (times--)
        tg_buf_z(b, z);
    return tg_buf_view(b);
}

/* ---- request heads ---- */

TEST("a request is its method, target, version and fields")
{
    struct tg_str in = TG_STR("POST /api/v1/chat/completions?x=1 HTTP/1.1\r\n"
                              "Host: localhost:8080\r\n"
                              "X-Empty:\r\n"
                              "X-Blank: \t  \r\n"
                              "x-trimmed: \t a \t b \t\r\n"
                              "Content-Length: 12\r\n"
                              "\r\n{\"model\":");

    CHECK_INT(request(in), TG_OK);
    CHECK_INT(fault.status, 0);
    CHECK_STR(head.method, "POST");
    CHECK_STR(head.target, "/api/v1/chat/completions?x=1");
    CHECK_INT(head.minor, 1);
    CHECK_INT(head.framing, TG_HTTP1_LENGTH);
    CHECK_INT(head.body_bytes, 12);
    CHECK(head.keep_alive);
    CHECK(!head.expects_continue);
    CHECK_INT(head.head_bytes, in.len - 9);
    CHECK_INT(head.fields_count, 5);
    CHECK_STR(head.fields[0].name, "Host");
    CHECK_STR(head.fields[0].value, "localhost:8080");
    CHECK_STR(tg_http1_get(&head, "x-empty"), "");
    CHECK_STR(tg_http1_get(&head, "x-blank"), "");
    CHECK_STR(tg_http1_get(&head, "X-Trimmed"), "a \t b");
    CHECK(tg_http1_get(&head, "x-empty").at != NULL);
    CHECK(tg_http1_get(&head, "x-absent").at == NULL);
}

TEST("the first of several fields of a name is the one that is found")
{
    CHECK_INT(request(TG_STR("GET / HTTP/1.1\r\nHost: a\r\nX: 1\r\nx: 2\r\n\r\n")), TG_OK);
    CHECK_STR(tg_http1_get(&head, "X"), "1");
}

TEST("a request is accepted, with the framing and persistence that its fields say")
{
    static const struct {
        const char *in;
        enum tg_http1_framing framing;
        uint64_t body_bytes;
        bool keep_alive, expects_continue;
    } cases[] = {
        { "GET / HTTP/1.1\r\nHost: a\r\n\r\n", TG_HTTP1_NO_BODY, 0, true, false },
        { "\r\n\r\nGET / HTTP/1.1\r\nHost: a\r\n\r\n", TG_HTTP1_NO_BODY, 0, true, false },
        { "BREW /pot HTTP/1.1\r\nHost: a\r\n\r\n", TG_HTTP1_NO_BODY, 0, true, false },
        { "!#$%&'*+-.^_`|~09az / HTTP/1.1\r\nHost: a\r\n\r\n", TG_HTTP1_NO_BODY, 0, true, false },
        { "GET / HTTP/1.0\r\n\r\n", TG_HTTP1_NO_BODY, 0, false, false },
        { "GET / HTTP/1.0\r\nConnection: Keep-Alive\r\n\r\n", TG_HTTP1_NO_BODY, 0, true, false },
        { "GET / HTTP/1.0\r\nConnection: keep-alive, close\r\n\r\n", TG_HTTP1_NO_BODY, 0, false,
          false },
        { "GET / HTTP/1.2\r\nHost: a\r\n\r\n", TG_HTTP1_NO_BODY, 0, true, false },
        { "GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n", TG_HTTP1_NO_BODY, 0, false,
          false },
        { "GET / HTTP/1.1\r\nHost: a\r\nConnection: te , CLOSE,x\r\n\r\n", TG_HTTP1_NO_BODY, 0,
          false, false },
        { "GET / HTTP/1.1\r\nHost: a\r\nConnection: x\r\nconnection: close\r\n\r\n",
          TG_HTTP1_NO_BODY, 0, false, false },
        { "GET / HTTP/1.1\r\nHost: a\r\nConnection: closed, ,\r\n\r\n", TG_HTTP1_NO_BODY, 0, true,
          false },
        { "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 0\r\n\r\n", TG_HTTP1_LENGTH, 0, true,
          false },
        { "POST / HTTP/1.1\r\nHost: a\r\ncontent-LENGTH:\t007 \r\n\r\n", TG_HTTP1_LENGTH, 7, true,
          false },
        { "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 9223372036854775807\r\n\r\n",
          TG_HTTP1_LENGTH, INT64_MAX, true, false },
        { "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n", TG_HTTP1_CHUNKED, 0,
          true, false },
        { "POST / HTTP/1.1\r\nHost: a\r\ntransfer-encoding:CHUNKED\r\n\r\n", TG_HTTP1_CHUNKED, 0,
          true, false },
        { "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\nExpect: 100-Continue\r\n\r\n",
          TG_HTTP1_LENGTH, 2, true, true },
        /* RFC 9110, 10.1.1: to be ignored in HTTP/1.0. */
        { "POST / HTTP/1.0\r\nContent-Length: 2\r\nExpect: 100-continue\r\n\r\n", TG_HTTP1_LENGTH,
          2, false, false },
        { "GET / HTTP/1.1\r\nHost: a\r\nX: \xc3\xa9\xff\r\n\r\n", TG_HTTP1_NO_BODY, 0, true,
          false },
        /* Not the fields they resemble. */
        { "GET / HTTP/1.1\r\nHost: a\r\nContent+Length: 5\r\nX: Transfer-Encoding: chunked\r\n\r\n",
          TG_HTTP1_NO_BODY, 0, true, false },
        { "GET / HTTP/1.1\r\nHost: a\r\nUpgrade: h2c\r\nConnection: Upgrade\r\n\r\n",
          TG_HTTP1_NO_BODY, 0, true, false },
    };

    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct tg_str in = tg_str_of(check_context = cases[i].in);
        CHECK_INT(request(in), TG_OK);
        CHECK_INT(fault.status, 0);
        CHECK_INT(head.framing, cases[i].framing);
        CHECK_INT(head.body_bytes, cases[i].body_bytes);
        CHECK_INT(head.keep_alive, cases[i].keep_alive);
        CHECK_INT(head.expects_continue, cases[i].expects_continue);
        CHECK_INT(head.head_bytes, in.len);
    }
}

#define HEAD(rest) "POST / HTTP/1.1\r\nHost: a\r\n" rest "\r\n\r\n"

/* Zeros inside, hence the lengths. */
static const struct refused {
    struct tg_str in;
    int status;
} refused[] = {
#define BAD(status, literal) { { literal, sizeof(literal) - 1 }, status }
    /* the request line */
    BAD(400, "GET\r\n\r\n"),
    BAD(400, "GET /\r\n\r\n"),
    BAD(400, " GET / HTTP/1.1\r\nHost: a\r\n\r\n"),
    BAD(400, "GET  / HTTP/1.1\r\nHost: a\r\n\r\n"),
    BAD(400, "GET /  HTTP/1.1\r\nHost: a\r\n\r\n"),
    BAD(400, "GET / HTTP/1.1 \r\nHost: a\r\n\r\n"),
    BAD(400, "GET\t/ HTTP/1.1\r\nHost: a\r\n\r\n"),
    BAD(400, "GET /a b HTTP/1.1\r\nHost: a\r\n\r\n"),
    BAD(400, "G(T / HTTP/1.1\r\nHost: a\r\n\r\n"),
    BAD(400, "G\xc3\x89T / HTTP/1.1\r\nHost: a\r\n\r\n"),
    BAD(400, "GET / http/1.1\r\nHost: a\r\n\r\n"),
    BAD(400, "GET / HTTP/1.10\r\nHost: a\r\n\r\n"),
    BAD(400, "GET / HTTP/11\r\nHost: a\r\n\r\n"),
    BAD(400, "GET / HTTP/1,1\r\nHost: a\r\n\r\n"),
    BAD(400, "GET / HTTP/1.\r\nHost: a\r\n\r\n"),
    BAD(400, "GET / HTTP/1.x\r\nHost: a\r\n\r\n"),
    BAD(400, "GET / HTTQ/1.1\r\nHost: a\r\n\r\n"),
    BAD(400, "GET / HTTP/1.1\n\r\nHost: a\r\n\r\n"),
    BAD(505, "GET / HTTP/2.0\r\nHost: a\r\n\r\n"),
    BAD(505, "GET / HTTP/0.9\r\nHost: a\r\n\r\n"),
    BAD(505, "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"),
    /* the target */
    BAD(400, "GET  HTTP/1.1\r\nHost: a\r\n\r\n"),
    BAD(400, "GET a HTTP/1.1\r\nHost: a\r\n\r\n"),
    BAD(400, "GET ?a HTTP/1.1\r\nHost: a\r\n\r\n"),
    BAD(400, "GET * HTTP/1.1\r\nHost: a\r\n\r\n"),
    BAD(400, "OPTIONS ** HTTP/1.1\r\nHost: a\r\n\r\n"),
    BAD(400, "CONNECT a:443 HTTP/1.1\r\nHost: a:443\r\n\r\n"),
    BAD(400, "GET ftp://a/ HTTP/1.1\r\nHost: a\r\n\r\n"),
    BAD(400, "GET http:/a/ HTTP/1.1\r\nHost: a\r\n\r\n"),
    BAD(400, "GET http:///x HTTP/1.1\r\nHost: a\r\n\r\n"),
    BAD(400, "GET http://u@a/ HTTP/1.1\r\nHost: a\r\n\r\n"),
    BAD(400, "GET http://b/ HTTP/1.1\r\nHost: a\r\n\r\n"),
    BAD(400, "GET /#x HTTP/1.1\r\nHost: a\r\n\r\n"),
    BAD(400, "GET /\x7f HTTP/1.1\r\nHost: a\r\n\r\n"),
    BAD(400, "GET /\x01 HTTP/1.1\r\nHost: a\r\n\r\n"),
    BAD(400, "GET /\xc3\xa9 HTTP/1.1\r\nHost: a\r\n\r\n"),
    /* Host */
    BAD(400, "GET / HTTP/1.1\r\n\r\n"),
    BAD(400, "GET / HTTP/1.1\r\nHost: a\r\nhost: a\r\n\r\n"),
    BAD(400, "GET / HTTP/1.0\r\nHost: a\r\nhost: a\r\n\r\n"),
    BAD(400, "GET / HTTP/1.1\r\nHost:\r\n\r\n"),
    BAD(400, "GET / HTTP/1.1\r\nHost: a b\r\n\r\n"),
    BAD(400, "GET / HTTP/1.1\r\nHost: a,b\r\n\r\n"),
    BAD(400, "GET / HTTP/1.1\r\nHost: a/b\r\n\r\n"),
    BAD(400, "GET / HTTP/1.1\r\nHost: u@a\r\n\r\n"),
    BAD(400, "GET / HTTP/1.1\r\nHost: a:x\r\n\r\n"),
    BAD(400, "GET / HTTP/1.1\r\nHost: a:65536\r\n\r\n"),
    BAD(400, "GET / HTTP/1.1\r\nHost: a:1:2\r\n\r\n"),
    BAD(400, "GET / HTTP/1.1\r\nHost: :80\r\n\r\n"),
    BAD(400, "GET / HTTP/1.1\r\nHost: [::1\r\n\r\n"),
    BAD(400, "GET / HTTP/1.1\r\nHost: [::1]x\r\n\r\n"),
    BAD(400, "GET / HTTP/1.1\r\nHost: [::1%25lo]\r\n\r\n"),
    BAD(400, "GET / HTTP/1.1\r\nHost: []\r\n\r\n"),
    BAD(400, "GET / HTTP/1.1\r\nHost: \xc3\xa9\r\n\r\n"),
    /* fields */
    BAD(400, "GET / HTTP/1.1\r\n X: a\r\nHost: a\r\n\r\n"),
    BAD(400, HEAD("X: a\r\n b")),
    BAD(400, HEAD("X: a\r\n\tb")),
    BAD(400, HEAD("X : a")),
    BAD(400, HEAD("X\t: a")),
    BAD(400, HEAD(": a")),
    BAD(400, HEAD("Xabc")),
    BAD(400, HEAD("X Y: a")),
    BAD(400, HEAD("X(Y): a")),
    BAD(400, HEAD("\xefX: a")),
    BAD(400, HEAD("X: a\rb")),
    BAD(400, HEAD("X: a\nb: c")),
    BAD(400, HEAD("X: a\r\r")),
    BAD(400, HEAD("X: a\0b")),
    BAD(400, HEAD("X\0: b")),
    BAD(400, HEAD("X: a\x01")),
    BAD(400, HEAD("X: a\x7f")),
    BAD(400, "GET / HTTP/1.1\nHost: a\n\n"),
    /* lengths */
    BAD(400, HEAD("Content-Length:")),
    BAD(400, HEAD("Content-Length: +2")),
    BAD(400, HEAD("Content-Length: -2")),
    BAD(400, HEAD("Content-Length: 0x2")),
    BAD(400, HEAD("Content-Length: 2 2")),
    BAD(400, HEAD("Content-Length: 2,2")),
    BAD(400, HEAD("Content-Length: 2;")),
    BAD(400, HEAD("Content-Length: 2.0")),
    BAD(400, HEAD("Content-Length: 2\r\nContent-Length: 2")),
    BAD(400, HEAD("Content-Length: 2\r\ncontent-length: 3")),
    BAD(413, HEAD("Content-Length: 9223372036854775808")),
    BAD(413, HEAD("Content-Length: 18446744073709551616")),
    BAD(413, HEAD("Content-Length: 99999999999999999999999999999")),
    BAD(400, HEAD("Content_Length: 2")),
    /* codings */
    BAD(400, HEAD("transfer_ENCODING: chunked")),
    BAD(400, HEAD("Content-Length: 2\r\nTransfer_Encoding: chunked")),
    BAD(400, HEAD("Content-Length: 2\r\nTransfer-Encoding: chunked")),
    BAD(400, HEAD("Transfer-Encoding: chunked\r\nContent-Length: 2")),
    BAD(400, HEAD("Transfer-Encoding:")),
    BAD(400, HEAD("Transfer-Encoding: identity")),
    BAD(400, HEAD("Transfer-Encoding: gzip, chunked")),
    BAD(400, HEAD("Transfer-Encoding: chunked, gzip")),
    BAD(400, HEAD("Transfer-Encoding: chunked,")),
    BAD(400, HEAD("Transfer-Encoding: \"chunked\"")),
    BAD(400, HEAD("Transfer-Encoding: chunked;q=1")),
    BAD(400, HEAD("Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked")),
    BAD(400, "POST / HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n"),
    /* expectations */
    BAD(417, HEAD("Expect: 200-ok")),
    /* too many of something */
    BAD(400, "\r\n\r\n\r\n\r\n\r\n\r\n\r\n\r\n\r\nGET / HTTP/1.1\r\nHost: a\r\n\r\n"),
#undef BAD
};

TEST("a request that could be read two ways is refused with its status and a sentence")
{
    for (size_t i = 0; i < sizeof refused / sizeof *refused; i++) {
        check_context = refused[i].in.at;
        CHECK_INT(request(refused[i].in), TG_EINVAL);
        CHECK_INT(fault.status, refused[i].status);
        CHECK(fault.why && fault.why[strlen(fault.why) - 1] == '.');
    }
}

TEST("a field name is made of token characters, wherever in it each of them stands")
{
    for (size_t len = 1; len < 20; len++) {
        for (size_t at = 0; at < len; at++) {
            for (int c = 0; c < 256; c++) {
                char name[21] = "abcdefghijklmnopqrs", text[64];
                name[at] = (char)c;
                name[len] = '\0';
                size_t n = (size_t)snprintf(text, sizeof text, "GET / HTTP/1.1\r\nHost: a\r\n");
                memcpy(text + n, name, len);
                memcpy(text + n + len, ": b\r\n\r\n", 8);
                tg_err err = request((struct tg_str){ text, n + len + 7 });
                bool is_fine = c == ':' ? at > 0 : tg_http1_is_token((struct tg_str){ name, len });
                if (err != (is_fine ? TG_OK : TG_EINVAL))
                    CHECK_FAIL("byte %d at %zu of a name of %zu", c, at, len);
            }
        }
    }
    CHECK_INT(request(TG_STR("GET / HTTP/1.1\r\nHost: a\r\na!#$%&'*+-.^_`|~09AZaz: b\r\n\r\n")),
              TG_OK);
    CHECK_INT(head.fields[1].name.len, 22);
}

TEST("a hopeless line is refused before the head is complete")
{
    static const char *const cases[] = {
        "GET / HTTP/1.1\n", "GET / HTTP/1.1\r\nHost: a\n", "GET / HTTP/1.1\rX", "\x16\x03\x01",
        "\n", "\r\r",
    };

    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        CHECK_INT(request(tg_str_of(check_context = cases[i])), TG_EINVAL);
        CHECK_INT(fault.status, 400);
    }
}

TEST("the host of a request may be a name, an address or an address in brackets, with a port")
{
    static const char *const hosts[] = {
        "a", "api.example.com", "under_score:8080", "127.0.0.1:0", "a:65535", "a:", "[::1]",
        "[2001:db8::1]:443", "[::ffff:1.2.3.4]",
    };

    for (size_t i = 0; i < sizeof hosts / sizeof *hosts; i++) {
        struct tg_buf b = { 0 };
        tg_buf_printf(&b, "GET / HTTP/1.1\r\nHost: %s\r\n\r\n", check_context = hosts[i]);
        CHECK_INT(request(tg_buf_view(&b)), TG_OK);
        tg_buf_done(&b);
    }
}

TEST("the path of a request is the same in every form of target")
{
    static const struct { const char *line, *path; } cases[] = {
        { "GET /x/y?z", "/x/y?z" },
        { "GET http://a/x/y?z", "/x/y?z" },
        { "GET HTTPS://A/x", "/x" },
        { "GET http://a", "/" },
        { "GET /http://b/", "/http://b/" },
        { "GET //b/x", "//b/x" },
        { "OPTIONS *", "*" },
    };

    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct tg_buf b = { 0 };
        tg_buf_printf(&b, "%s HTTP/1.1\r\nHost: a\r\n\r\n", check_context = cases[i].line);
        CHECK_INT(request(tg_buf_view(&b)), TG_OK);
        CHECK_STR(tg_http1_path(&head), cases[i].path);
        tg_buf_done(&b);
    }
}

/* What came of reading a head whose bytes arrived in pieces. */
struct outcome {
    tg_err err;
    int status;
    size_t head_bytes, fields, took;
};

static struct outcome in_pieces(struct tg_str in, size_t first, size_t piece)
{
    size_t seen = 0, have = first;
    struct outcome o;

    for (;; have += piece) {
        if (have > in.len)
            have = in.len;
        o.err = tg_http1_request((struct tg_str){ in.at, have }, &seen, &head, &fault);
        if (o.err != TG_AGAIN || have == in.len)
            break;
    }
    o.status = fault.status;
    o.head_bytes = o.err ? 0 : head.head_bytes;
    o.fields = o.err ? 0 : head.fields_count;
    o.took = have;
    return o;
}

static void check_cuts(struct tg_str in)
{
    struct outcome whole = in_pieces(in, in.len, 1);

    for (size_t piece = 1; piece < in.len && piece < 8; piece++) {
        struct outcome cut = in_pieces(in, 0, piece);
        CHECK_INT(cut.err, whole.err);
        CHECK_INT(cut.status, whole.status);
        CHECK_INT(cut.head_bytes, whole.head_bytes);
        CHECK_INT(cut.fields, whole.fields);
    }
    for (size_t at = 0; at < in.len; at++) {
        struct outcome cut = in_pieces(in, at, in.len);
        CHECK_INT(cut.err, whole.err);
        CHECK_INT(cut.status, whole.status);
        CHECK_INT(cut.head_bytes, whole.head_bytes);
    }
}

TEST("a head gives the same result wherever it is cut, and is complete at its last byte only")
{
    struct tg_str good = TG_STR("\r\nPOST /v1 HTTP/1.1\r\nHost: a\r\nX: \r\n"
                                "Content-Length: 2\r\n\r\n{}");

    check_cuts(good);
    for (size_t n = 0; n < good.len - 2; n++)
        CHECK_INT(request((struct tg_str){ good.at, n }), TG_AGAIN);
    CHECK_INT(in_pieces(good, 0, 1).took, good.len - 2);

    for (size_t i = 0; i < sizeof refused / sizeof *refused; i++) {
        check_context = refused[i].in.at;
        check_cuts(refused[i].in);
    }
}

TEST("bytes behind a head are left for the body or for the next request")
{
    struct tg_str in = TG_STR("GET /1 HTTP/1.1\r\nHost: a\r\n\r\n"
                              "GET /2 HTTP/1.1\r\nHost: a\r\n\r\n");

    CHECK_INT(request(in), TG_OK);
    CHECK_STR(head.target, "/1");
    size_t first = head.head_bytes;
    CHECK_INT(request((struct tg_str){ in.at + first, in.len - first }), TG_OK);
    CHECK_STR(head.target, "/2");
    CHECK_INT(first + head.head_bytes, in.len);
}

TEST("one search position serves a connection: it starts anew behind each head")
{
    struct tg_str in = TG_STR("GET /1 HTTP/1.1\r\nHost: a\r\n\r\nGET /2 HTTP/1.1\r\nHost: a\r\n");
    size_t seen = 0;

    CHECK_INT(tg_http1_request((struct tg_str){ in.at, 20 }, &seen, &head, &fault), TG_AGAIN);
    CHECK(seen > 15);
    CHECK_INT(tg_http1_request(in, &seen, &head, &fault), TG_OK);
    CHECK_INT(seen, 0);
    in.at += head.head_bytes, in.len -= head.head_bytes;
    CHECK_INT(tg_http1_request(in, &seen, &head, &fault), TG_AGAIN);
    CHECK(seen > 15);
}

TEST("a target at its limit is taken, a longer one is 414 as soon as that is certain")
{
    struct tg_buf b = { 0 };

    tg_buf_z(&b, "GET /");
    repeat(&b, "a", TG_HTTP1_TARGET_MAX - 1);
    size_t line = b.len;
    tg_buf_z(&b, " HTTP/1.1\r\nHost: a\r\n\r\n");
    CHECK_INT(request(tg_buf_view(&b)), TG_OK);
    CHECK_INT(head.target.len, TG_HTTP1_TARGET_MAX);

    b.len = line;
    tg_buf_z(&b, "a HTTP/1.1\r\nHost: a\r\n\r\n");
    CHECK_INT(request(tg_buf_view(&b)), TG_EINVAL);
    CHECK_INT(fault.status, 414);

    tg_buf_reset(&b);
    tg_buf_z(&b, "GET /");
    repeat(&b, "a", TG_HTTP1_TARGET_MAX + 128);
    CHECK_INT(request(tg_buf_view(&b)), TG_EINVAL);
    CHECK_INT(fault.status, 414);
    struct outcome cut = in_pieces(tg_buf_view(&b), 0, 1);
    CHECK_INT(cut.status, 414);
    CHECK(cut.took < b.len);

    /* Which of two faults is told does not depend on the cut either. */
    tg_buf_z(&b, "\n");
    CHECK_INT(request(tg_buf_view(&b)), TG_EINVAL);
    CHECK_INT(fault.status, 414);
    tg_buf_done(&b);
}

TEST("a head at its limit is taken, a larger one or one of too many fields is 431")
{
    struct tg_buf b = { 0 };

    tg_buf_z(&b, "GET / HTTP/1.1\r\nHost: a\r\nX: ");
    repeat(&b, "a", TG_HTTP1_HEAD_MAX - b.len - 4);
    size_t value = b.len;
    tg_buf_z(&b, "\r\n\r\n");
    CHECK_INT(b.len, TG_HTTP1_HEAD_MAX);
    CHECK_INT(request(tg_buf_view(&b)), TG_OK);
    b.len = value;
    tg_buf_z(&b, "a\r\n\r\n");
    CHECK_INT(request(tg_buf_view(&b)), TG_EINVAL);
    CHECK_INT(fault.status, 431);
    CHECK_INT(in_pieces(tg_buf_view(&b), 0, 1000).status, 431);

    tg_buf_reset(&b);
    tg_buf_z(&b, "GET / HTTP/1.1\r\nHost: a\r\n");
    repeat(&b, "X: a\r\n", TG_HTTP1_FIELDS_MAX - 1);
    size_t fields = b.len;
    tg_buf_z(&b, "\r\n");
    CHECK_INT(request(tg_buf_view(&b)), TG_OK);
    CHECK_INT(head.fields_count, TG_HTTP1_FIELDS_MAX);
    b.len = fields;
    tg_buf_z(&b, "X: a\r\n\r\n");
    CHECK_INT(request(tg_buf_view(&b)), TG_EINVAL);
    CHECK_INT(fault.status, 431);
    tg_buf_done(&b);
}

/* ---- response heads ---- */

TEST("a response is taken as the servers out there write it")
{
    static const struct {
        const char *in;
        int status;
        enum tg_http1_framing framing;
        uint64_t body_bytes;
        bool keep_alive;
    } cases[] = {
        { "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n", 200, TG_HTTP1_LENGTH, 5, true },
        { "HTTP/1.1 200 \r\nContent-Length: 5\r\n\r\n", 200, TG_HTTP1_LENGTH, 5, true },
        { "HTTP/1.1 200\r\nContent-Length: 5\r\n\r\n", 200, TG_HTTP1_LENGTH, 5, true },
        { "HTTP/1.1 529 Site is  overloaded \xe9\r\ncontent-length: 0\r\n\r\n", 529,
          TG_HTTP1_LENGTH, 0, true },
        { "HTTP/1.1 999 No\r\nContent-Length: 5\r\n\r\n", 999, TG_HTTP1_LENGTH, 5, true },
        { "HTTP/1.1 200 OK\r\n\r\n", 200, TG_HTTP1_UNTIL_CLOSE, 0, false },
        { "HTTP/1.1 200 OK\r\nTRANSFER-ENCODING: Chunked\r\n\r\n", 200, TG_HTTP1_CHUNKED, 0, true },
        { "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nConnection: close\r\n\r\n", 200,
          TG_HTTP1_CHUNKED, 0, false },
        /* Somebody on the way may have counted the other way. */
        { "HTTP/1.1 200 OK\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n", 200,
          TG_HTTP1_CHUNKED, 0, false },
        { "HTTP/1.1 200 OK\r\nContent-Length: 5, 5\r\n\r\n", 200, TG_HTTP1_LENGTH, 5, true },
        { "HTTP/1.1 200 OK\r\nContent-Length: 5\r\nContent-Length: 5\r\n\r\n", 200,
          TG_HTTP1_LENGTH, 5, true },
        { "HTTP/1.0 200 OK\r\n\r\n", 200, TG_HTTP1_UNTIL_CLOSE, 0, false },
        { "HTTP/1.0 200 OK\r\nContent-Length: 5\r\n\r\n", 200, TG_HTTP1_LENGTH, 5, false },
        { "HTTP/1.0 200 OK\r\nContent-Length: 5\r\nConnection: keep-alive\r\n\r\n", 200,
          TG_HTTP1_LENGTH, 5, true },
        { "HTTP/1.0 200 OK\r\nConnection: keep-alive\r\n\r\n", 200, TG_HTTP1_UNTIL_CLOSE, 0,
          false },
        { "HTTP/1.0 200 OK\r\nTransfer-Encoding: chunked\r\nConnection: keep-alive\r\n\r\n", 200,
          TG_HTTP1_CHUNKED, 0, false },
        { "HTTP/1.1 204 No Content\r\nContent-Length: 5\r\n\r\n", 204, TG_HTTP1_NO_BODY, 0, true },
        { "HTTP/1.1 204 No Content\r\nTransfer-Encoding: chunked\r\n\r\n", 204, TG_HTTP1_NO_BODY,
          0, true },
        { "HTTP/1.1 304 Not Modified\r\nContent-Length: 5\r\n\r\n", 304, TG_HTTP1_NO_BODY, 0,
          true },
        { "HTTP/1.1 100 Continue\r\n\r\n", 100, TG_HTTP1_NO_BODY, 0, true },
        { "HTTP/1.1 103 Early Hints\r\nLink: <x>\r\n\r\n", 103, TG_HTTP1_NO_BODY, 0, true },
        { "HTTP/1.1 200 OK\r\nX: \xff\xfe\r\nContent-Length: 0\r\n\r\n", 200, TG_HTTP1_LENGTH, 0,
          true },
    };

    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct tg_str in = tg_str_of(check_context = cases[i].in);
        CHECK_INT(response(in), TG_OK);
        CHECK_INT(head.status, cases[i].status);
        CHECK_INT(head.framing, cases[i].framing);
        CHECK_INT(head.body_bytes, cases[i].body_bytes);
        CHECK_INT(head.keep_alive, cases[i].keep_alive);
        CHECK_INT(head.head_bytes, in.len);
        for (size_t n = 0; n < in.len; n++)
            CHECK_INT(response((struct tg_str){ in.at, n }), TG_AGAIN);
    }
}

TEST("the answer to HEAD has no body whatever its fields say")
{
    size_t seen = 0;

    CHECK_INT(tg_http1_response(TG_STR("HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n"), &seen, true,
                                &head), TG_OK);
    CHECK_INT(head.framing, TG_HTTP1_NO_BODY);
    CHECK(head.keep_alive);
}

TEST("a response that cannot be trusted is refused")
{
    static const struct tg_str cases[] = {
        TG_STR("HTTP/2 200 OK\r\n\r\n"),
        TG_STR("HTTP/2.0 200 OK\r\n\r\n"),
        TG_STR("http/1.1 200 OK\r\n\r\n"),
        TG_STR("ICY 200 OK\r\n\r\n"),
        TG_STR("HTTP/1.1  200 OK\r\n\r\n"),
        TG_STR("HTTP/1.1 20 OK\r\n\r\n"),
        TG_STR("HTTP/1.1 2000 OK\r\n\r\n"),
        TG_STR("HTTP/1.1 20x OK\r\n\r\n"),
        TG_STR("HTTP/1.1 200OK\r\n\r\n"),
        TG_STR("HTTP/1.1 099 No\r\n\r\n"),
        TG_STR("HTTP/1.1\r\n\r\n"),
        TG_STR("\r\nHTTP/1.1 200 OK\r\n\r\n"),
        TG_STR("\r\n\r\n"),
        TG_STR("HTTP/1.1 101 Switching Protocols\r\nUpgrade: h2c\r\n\r\n"),
        TG_STR("HTTP/1.1 200 OK\n\n"),
        TG_STR("HTTP/1.1 200 OK\r\nX: a\rb\r\n\r\n"),
        TG_STR("HTTP/1.1 200 OK\r\nX: a\0b\r\n\r\n"),
        TG_STR("HTTP/1.1 200 OK\r\nX : a\r\n\r\n"),
        TG_STR("HTTP/1.1 200 OK\r\nX: a\r\n b\r\n\r\n"),
        TG_STR("HTTP/1.1 200 OK\r\nX\r\n\r\n"),
        TG_STR("HTTP/1.1 200 OK\r\nContent-Length: 5, 6\r\n\r\n"),
        TG_STR("HTTP/1.1 200 OK\r\nContent-Length: 5,\r\n\r\n"),
        TG_STR("HTTP/1.1 200 OK\r\nContent-Length:\r\n\r\n"),
        TG_STR("HTTP/1.1 200 OK\r\nContent-Length: 5\r\nContent-Length: 6\r\n\r\n"),
        TG_STR("HTTP/1.1 200 OK\r\nContent-Length: -5\r\n\r\n"),
        TG_STR("HTTP/1.1 200 OK\r\nContent-Length: 9223372036854775808\r\n\r\n"),
        TG_STR("HTTP/1.1 200 OK\r\nContent-Length: x\r\nTransfer-Encoding: chunked\r\n\r\n"),
        TG_STR("HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip, chunked\r\n\r\n"),
        TG_STR("HTTP/1.1 200 OK\r\nTransfer-Encoding: identity\r\n\r\n"),
        TG_STR("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n"
               "Transfer-Encoding: chunked\r\n\r\n"),
    };

    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        check_context = cases[i].at;
        CHECK_INT(response(cases[i]), TG_EINVAL);
    }
}

TEST("a response head without end is refused at the limit, and one of too many fields")
{
    struct tg_buf b = { 0 };

    tg_buf_z(&b, "HTTP/1.1 200 OK\r\nX: ");
    repeat(&b, "a", TG_HTTP1_HEAD_MAX - b.len - 1);
    CHECK_INT(response(tg_buf_view(&b)), TG_AGAIN);
    tg_buf_z(&b, "a");
    CHECK_INT(response(tg_buf_view(&b)), TG_ETOOBIG);

    tg_buf_reset(&b);
    tg_buf_z(&b, "HTTP/1.1 200 OK\r\n");
    repeat(&b, "X: a\r\n", TG_HTTP1_FIELDS_MAX + 1);
    tg_buf_z(&b, "\r\n");
    CHECK_INT(response(tg_buf_view(&b)), TG_ETOOBIG);
    tg_buf_done(&b);
}

/* ---- what may be written ---- */

TEST("tokens and field values are told from what is none")
{
    CHECK(tg_http1_is_token(TG_STR("X-Api-Key_1!")));
    CHECK(!tg_http1_is_token(TG_STR("")));
    CHECK(!tg_http1_is_token(TG_STR("a b")));
    CHECK(!tg_http1_is_token(TG_STR("a:")));
    CHECK(!tg_http1_is_token(TG_STR("a\0")));
    CHECK(!tg_http1_is_token(TG_STR("\xc3\xa9")));
    CHECK(tg_http1_is_value(TG_STR("")));
    CHECK(tg_http1_is_value(TG_STR("a \t\xc3\xa9 b")));
    CHECK(!tg_http1_is_value(TG_STR("a\r\nX: b")));
    CHECK(!tg_http1_is_value(TG_STR("a\nb")));
    CHECK(!tg_http1_is_value(TG_STR("a\0b")));
    CHECK(!tg_http1_is_value(TG_STR("a\x1b[0m")));
    CHECK(!tg_http1_is_value(TG_STR("a\x7f")));
}

/* ---- bodies ---- */

/* Feed `in` in pieces of `piece` bytes; TG_OK at the end of the body, TG_AGAIN
 * when the input ran out before it. What was not used is *rest. */
static tg_err drain(struct tg_http1_body *b, struct tg_str in, size_t piece, struct tg_buf *out,
                    struct tg_str *rest)
{
    while (in.len) {
        struct tg_str feed = { in.at, in.len < piece ? in.len : piece }, run;
        size_t given = feed.len;
        tg_err err;
        while ((err = tg_http1_body_next(b, &feed, &run)) == TG_OK && !b->done) {
            CHECK(run.len > 0);
            CHECK(run.at >= in.at && run.at + run.len <= in.at + given);
            tg_buf_str(out, run);
        }
        in.at += given - feed.len;
        in.len -= given - feed.len;
        *rest = in;
        if (err != TG_AGAIN)
            return err;
        CHECK_INT(feed.len, 0);
    }
    return TG_AGAIN;
}

static void init_chunked(struct tg_http1_body *b)
{
    head.framing = TG_HTTP1_CHUNKED;
    tg_http1_body_init(b, &head);
}

TEST("chunks come out joined wherever they are cut, and what follows them is left")
{
    static const struct { const char *in, *body; } cases[] = {
        { "0\r\n\r\n", "" },
        { "5\r\nhello\r\n0\r\n\r\n", "hello" },
        { "5\r\nhello\r\n1\r\n,\r\n00006\r\n world\r\n000\r\n\r\n", "hello, world" },
        { "a\r\n0123456789\r\nA\r\n0123456789\r\n0\r\n\r\n", "01234567890123456789" },
        { "2;a=b\r\n{}\r\n0\r\n\r\n", "{}" },
        { "2 ; a = \"\xc3\xa9\"\r\n{}\r\n0;last\r\n\r\n", "{}" },
        { "2 \t ;a\r\n{}\r\n0\r\n\r\n", "{}" },
        { "2\r\n\r\n\r\n0\r\n\r\n", "\r\n" },
        { "0\r\nX: y\r\nZ:\r\n\r\n", "" },
        { "1\r\nx\r\n0\r\nContent-Length: 5\r\n\r\n", "x" },
    };

    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct tg_buf in = { 0 };
        tg_buf_z(&in, check_context = cases[i].in);
        tg_buf_z(&in, "HTTP/1.1 200 OK\r\n");
        for (size_t piece = 1; piece <= in.len; piece++) {
            struct tg_buf out = { 0 };
            struct tg_http1_body b;
            struct tg_str rest;
            init_chunked(&b);
            CHECK_INT(drain(&b, tg_buf_view(&in), piece, &out, &rest), TG_OK);
            CHECK_STR(tg_buf_view(&out), cases[i].body);
            CHECK_STR(rest, "HTTP/1.1 200 OK\r\n");
            CHECK(b.done);
            CHECK(tg_http1_body_whole_at_close(&b));
            tg_buf_done(&out);
        }
        tg_buf_done(&in);
    }
}

TEST("broken chunks are refused wherever they are cut, and stay refused")
{
    static const struct tg_str cases[] = {
        TG_STR("\r\n{}\r\n0\r\n\r\n"),
        TG_STR(" 2\r\n{}\r\n"),
        TG_STR("2 \r\n{}\r\n"),
        TG_STR("2\t\r\n{}\r\n"),
        TG_STR("-2\r\n{}\r\n"),
        TG_STR("+2\r\n{}\r\n"),
        TG_STR("0x2\r\n{}\r\n"),
        TG_STR("2h\r\n{}\r\n"),
        TG_STR("g\r\n"),
        TG_STR(";a\r\n{}\r\n"),
        TG_STR("2\n{}\r\n"),
        TG_STR("2\r{}\r\n"),
        TG_STR("2\r\r\n{}\r\n"),
        TG_STR("2\0\r\n{}\r\n"),
        TG_STR("2;a\n{}\r\n"),
        TG_STR("2;a\rb\r\n{}\r\n"),
        TG_STR("2;a\0\r\n{}\r\n"),
        TG_STR("2\r\n{}0\r\n\r\n"),
        TG_STR("2\r\n{}\n0\r\n\r\n"),
        TG_STR("2\r\n{}\r0\r\n\r\n"),
        TG_STR("2\r\n{}x\r\n0\r\n\r\n"),
        TG_STR("2\r\n{}\r\n\r\n0\r\n\r\n"),
        TG_STR("8000000000000000\r\n"),
        TG_STR("10000000000000000\r\n"),
        TG_STR("ffffffffffffffff\r\n"),
        TG_STR("fffffffffffffffffffffffffffffff2\r\n{}\r\n"),
        TG_STR("0\n\r\n"),
        TG_STR("0\r\n\n"),
        TG_STR("0\r\n\rX"),
        TG_STR("0\r\nGET / HTTP/1.1\r\n\r\n"),
        TG_STR("0\r\n X: y\r\n\r\n"),
        TG_STR("0\r\n: y\r\n\r\n"),
        TG_STR("0\r\nX : y\r\n\r\n"),
        TG_STR("0\r\nX: y\n\r\n"),
        TG_STR("0\r\nX: y\rz\r\n\r\n"),
        TG_STR("0\r\nX: y\x01\r\n\r\n"),
        TG_STR("0\r\nX\r\n\r\n"),
    };

    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        check_context = cases[i].at;
        for (size_t piece = 1; piece <= cases[i].len; piece++) {
            struct tg_buf out = { 0 };
            struct tg_http1_body b;
            struct tg_str rest, more = TG_STR("0\r\n\r\n"), run;
            init_chunked(&b);
            CHECK_INT(drain(&b, cases[i], piece, &out, &rest), TG_EINVAL);
            CHECK(!b.done);
            CHECK(!tg_http1_body_whole_at_close(&b));
            CHECK_INT(tg_http1_body_next(&b, &more, &run), TG_EINVAL);
            tg_buf_done(&out);
        }
    }
}

TEST("a chunk may be as large as a length")
{
    struct tg_str in = TG_STR("7fffffffffffffff\r\nab"), run;
    struct tg_http1_body b;

    init_chunked(&b);
    CHECK_INT(tg_http1_body_next(&b, &in, &run), TG_OK);
    CHECK_STR(run, "ab");
    CHECK_INT(b.left, INT64_MAX - 2);
}

TEST("chunk lines and trailers end at their limit")
{
    static const struct { const char *before, *fill, *after; bool is_body; } cases[] = {
        { "1;", "a", "\r\nx\r\n0\r\n\r\n", true },
        { "0", "0", "\r\n\r\n", false },
        { "0\r\nX: ", "a", "\r\n\r\n", false },
        { "0\r\n", "X: a\r\n", "\r\n", false },
    };

    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        check_context = cases[i].before;
        for (int over = 0; over < 2; over++) {
            struct tg_buf in = { 0 }, out = { 0 };
            struct tg_http1_body b;
            struct tg_str rest;
            size_t line = strncmp(cases[i].before, "0\r\n", 3) == 0 ? 3 : 0;
            tg_buf_z(&in, cases[i].before);
            size_t ends = line ? strlen(cases[i].after) : 2;
            size_t fill = strlen(cases[i].fill);
            repeat(&in, cases[i].fill,
                   (TG_HTTP1_CHUNK_LINE_MAX - ends - (in.len - line)) / fill + (size_t)over);
            tg_buf_z(&in, cases[i].after);
            init_chunked(&b);
            CHECK_INT(drain(&b, tg_buf_view(&in), in.len, &out, &rest), over ? TG_EINVAL : TG_OK);
            tg_buf_done(&in);
            tg_buf_done(&out);
        }
    }
}

static tg_err chunks_of(const char *size_line, size_t data_bytes, size_t times, size_t *got)
{
    struct tg_buf in = { 0 }, out = { 0 };
    struct tg_http1_body b;
    struct tg_str rest;

    while (times--) {
        tg_buf_z(&in, size_line);
        repeat(&in, "x", data_bytes);
        tg_buf_z(&in, "\r\n");
    }
    tg_buf_z(&in, "0\r\n\r\n");
    init_chunked(&b);
    tg_err err = drain(&b, tg_buf_view(&in), in.len, &out, &rest);
    *got = out.len;
    tg_buf_done(&in);
    tg_buf_done(&out);
    return err;
}

TEST("many small chunks are fine; extensions that outweigh what they carry are not")
{
    char line[600] = "1;";
    size_t got;

    CHECK_INT(chunks_of("1\r\n", 1, 20000, &got), TG_OK);
    CHECK_INT(got, 20000);
    /* Amazon signs chunks in an extension of this size. */
    CHECK_INT(chunks_of("100;chunk-signature="
                        "ad80c730a21e5b8d04586a2213dd63b9a0e99e0e2307b0ade35a65485a288648\r\n",
                        256, 5000, &got), TG_OK);
    memset(line + 2, 'a', 500);
    strcpy(line + 502, "\r\n");
    CHECK_INT(chunks_of(line, 1, 20, &got), TG_OK);
    CHECK_INT(chunks_of(line, 1, 100, &got), TG_EINVAL);
    CHECK(got * 500 <= TG_HTTP1_CHUNK_WASTE_MAX + 1000);
}

TEST("a body of known length ends there, and stops short when the peer hangs up")
{
    struct tg_http1_body b;
    struct tg_str in = TG_STR("hel"), run;

    head.framing = TG_HTTP1_LENGTH;
    head.body_bytes = 5;
    tg_http1_body_init(&b, &head);
    CHECK_INT(tg_http1_body_next(&b, &in, &run), TG_OK);
    CHECK_STR(run, "hel");
    CHECK_INT(tg_http1_body_next(&b, &in, &run), TG_AGAIN);
    CHECK(!tg_http1_body_whole_at_close(&b));
    in = TG_STR("loGET /");
    CHECK_INT(tg_http1_body_next(&b, &in, &run), TG_OK);
    CHECK_STR(run, "lo");
    CHECK(tg_http1_body_whole_at_close(&b));
    CHECK_INT(tg_http1_body_next(&b, &in, &run), TG_OK);
    CHECK_INT(run.len, 0);
    CHECK(b.done);
    CHECK_STR(in, "GET /");
}

TEST("no body is over at once")
{
    struct tg_http1_body b;
    struct tg_str in = TG_STR("GET /"), run;

    head.framing = TG_HTTP1_NO_BODY;
    head.body_bytes = 0;
    tg_http1_body_init(&b, &head);
    CHECK(tg_http1_body_whole_at_close(&b));
    CHECK_INT(tg_http1_body_next(&b, &in, &run), TG_OK);
    CHECK(b.done && run.len == 0);
    CHECK_STR(in, "GET /");
}

TEST("a body until close takes everything and is whole when the peer closes")
{
    struct tg_http1_body b;
    struct tg_str in = TG_STR("0\r\n\r\n"), run;

    head.framing = TG_HTTP1_UNTIL_CLOSE;
    tg_http1_body_init(&b, &head);
    for (int i = 0; i < 2; i++) {
        in = TG_STR("0\r\n\r\n");
        CHECK_INT(tg_http1_body_next(&b, &in, &run), TG_OK);
        CHECK_STR(run, "0\r\n\r\n");
        CHECK_INT(tg_http1_body_next(&b, &in, &run), TG_AGAIN);
        CHECK(!b.done);
    }
    CHECK(tg_http1_body_whole_at_close(&b));
}

TEST("a chunked body is whole only behind its last line, also when it came with the data")
{
    struct tg_str all = TG_STR("2\r\n{}\r\n0\r\n\r\n");

    for (size_t n = 0; n <= all.len; n++) {
        struct tg_http1_body b;
        struct tg_str in = { all.at, n }, run;
        init_chunked(&b);
        while (tg_http1_body_next(&b, &in, &run) == TG_OK && !b.done)
            ;
        CHECK_INT(tg_http1_body_whole_at_close(&b), n == all.len);
    }
}

/* ---- recorded attacks ---- */

static size_t unbase64(const char *z, char *out)
{
    static const char alphabet[] =
        "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    unsigned bits = 0, have = 0;
    size_t n = 0;

    for (const char *d; *z && *z != '"' && (d = strchr(alphabet, *z)); z++) {
        bits = bits << 6 | (unsigned)(d - alphabet);
        if ((have += 6) >= 8)
            out[n++] = (char)(bits >> (have -= 8));
    }
    return n;
}

/* The text behind `"name": "` in a line of JSON; NULL when there is none. */
static const char *member(const char *line, const char *name)
{
    char key[64];
    snprintf(key, sizeof key, "\"%s\": \"", name);
    const char *p = strstr(line, key);
    return p ? p + strlen(key) : NULL;
}

static FILE *open_data(const char *name)
{
    const char *dir = check_data_dir();
    char path[512];
    FILE *f = NULL;

    if (dir) {
        snprintf(path, sizeof path, "%s/abuse/smuggling/%s", dir, name);
        f = fopen(path, "r");
        if (!f)
            printf("    NOTICE: %s is not there\n", path);
    }
    return f;
}

/* Parsing and unchunking together: is it refused, whole, or still waited for? */
static enum verdict { REFUSED, WHOLE, WAITS } verdict_on(struct tg_str in)
{
    struct tg_http1_body b;
    struct tg_str run;
    tg_err err = request(in);

    if (err)
        return err == TG_AGAIN ? WAITS : REFUSED;
    in.at += head.head_bytes;
    in.len -= head.head_bytes;
    tg_http1_body_init(&b, &head);
    while ((err = tg_http1_body_next(&b, &in, &run)) == TG_OK)
        if (b.done)
            return WHOLE;
    return err == TG_AGAIN ? WAITS : REFUSED;
}

TEST("recorded smuggling attempts are refused and their honest siblings accepted")
{
    /* What only a server can decide: which methods it serves. */
    static const char *const by_server[] = { "trace" };
    FILE *f = open_data("own_cases.jsonl");
    char *line = NULL, *raw = NULL;
    size_t cap = 0, lines = 0;

    while (f && getline(&line, &cap, f) > 0) {
        const char *b64 = member(line, "request_b64"), *name = member(line, "name");
        const char *expect = member(line, "expect");
        bool skip = false;
        if (!CHECK(b64 && name && expect))
            continue;
        char title[64];
        snprintf(title, sizeof title, "%.*s", (int)strcspn(name, "\""), name);
        check_context = title;
        for (size_t i = 0; i < sizeof by_server / sizeof *by_server; i++)
            skip |= strcmp(title, by_server[i]) == 0;
        if (skip)
            continue;
        raw = realloc(raw, strlen(b64));
        struct tg_str in = { raw, unbase64(b64, raw) };
        CHECK_INT(verdict_on(in), strncmp(expect, "accept", 6) == 0 ? WHOLE : REFUSED);
        lines++;
    }
    check_context = "";
    CHECK(!f || lines > 50);
    free(line);
    free(raw);
    if (f)
        fclose(f);
}

/* Is the header nothing but Transfer-Encoding: chunked, perhaps with a whole
 * line X: X before or behind it? */
static bool is_plainly_chunked(struct tg_str raw)
{
    struct tg_str name, value;

    if (tg_str_starts(raw, "X: X\r\n"))
        raw.at += 6, raw.len -= 6;
    if (tg_str_ends(raw, "\r\nX: X"))
        raw.len -= 6;
    return tg_str_cut(raw, ':', &name, &value) && tg_str_iis(name, "transfer-encoding")
        && tg_str_iis(tg_str_trim(value), "chunked");
}

/* Mutations that left no Transfer-Encoding, in nobody's reading: the words
 * stand in the value of X, or the field is Content-Encoding. */
static bool is_another_field(const char *line)
{
    static const char *const ids[] = {
        "default/xprespace-09\"", "default/xprespace-20\"", "default/xprespace-a0\"",
        "default/xprespace-ff\"", "exhaustive/contentEnc\"",
    };

    for (size_t i = 0; i < sizeof ids / sizeof *ids; i++)
        if (strstr(line, ids[i]))
            return true;
    return false;
}

static void check_mutation(const char *line, struct tg_str header, bool with_length)
{
    struct tg_buf b = { 0 };

    tg_buf_z(&b, "POST / HTTP/1.1\r\nHost: a\r\n");
    if (with_length)
        tg_buf_z(&b, "Content-Length: 4\r\n");
    tg_buf_str(&b, header);
    tg_buf_z(&b, "\r\n\r\n");
    tg_err err = request(tg_buf_view(&b));
    if (is_another_field(line)) {
        CHECK_INT(err, TG_OK);
        CHECK_INT(head.framing, with_length ? TG_HTTP1_LENGTH : TG_HTTP1_NO_BODY);
    } else if (is_plainly_chunked(header) && !with_length) {
        CHECK_INT(err, TG_OK);
        CHECK_INT(head.framing, TG_HTTP1_CHUNKED);
    } else {
        CHECK_INT(err, TG_EINVAL);
        CHECK_INT(fault.status, 400);
    }
    tg_buf_done(&b);
}

TEST("a mutated Transfer-Encoding is plainly chunked or refused, beside a length always refused")
{
    FILE *f = open_data("te_mutations.jsonl");
    char *line = NULL, raw[4096];
    size_t cap = 0, lines = 0;

    while (f && getline(&line, &cap, f) > 0) {
        const char *b64 = member(line, "header_b64");
        if (!CHECK(b64 && strlen(b64) < sizeof raw))
            continue;
        struct tg_str header = { raw, unbase64(b64, raw) };
        check_context = line;
        check_mutation(line, header, false);
        check_mutation(line, header, true);
        lines++;
    }
    check_context = "";
    CHECK(!f || lines > 1000);
    free(line);
    if (f)
        fclose(f);
}

TEST_MAIN
