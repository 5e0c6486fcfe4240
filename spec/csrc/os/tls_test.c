#include "check.h"

#include <fcntl.h>
#include <openssl/err.h>
#include <signal.h>
#include <sys/socket.h>

#include "certs.h"
#include "os/net.h"
#include "os/tls.h"

/* A client and a server that is OpenSSL itself, on a pair of sockets. */
struct line {
    struct tg_tls *client;
    SSL *server;
    int  fd[2];
};

static struct tg_tls_context *context(void)
{
    char why[256];

    signal(SIGPIPE, SIG_IGN);
    make_certs();
    struct tg_tls_context *c = tg_tls_context_new(certs.ca_file, why);
    CHECK(c != NULL);
    return c;
}

static void open_line(struct line *l, struct tg_tls_context *c, int cert, const char *host)
{
    CHECK(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, l->fd) == 0);
    l->client = tg_tls_new(c, l->fd[0], tg_str_of(host));
    l->server = SSL_new(certs.ctx[cert]);
    SSL_set_fd(l->server, l->fd[1]);
    CHECK(l->client != NULL);
}

static tg_err shake_hands(struct line *l)
{
    tg_err err = TG_AGAIN;

    for (int i = 0; i < 20 && err == TG_AGAIN; i++) {
        tg_tls_arrived(l->client, false);
        err = tg_tls_handshake(l->client);
        ERR_clear_error();
        SSL_accept(l->server);
    }
    return err;
}

static void close_line(struct line *l)
{
    tg_tls_free(l->client);
    SSL_free(l->server);
    close(l->fd[0]);
    close(l->fd[1]);
}

static tg_err read_client(struct line *l, char *at, size_t cap, size_t *n, bool *cut)
{
    tg_tls_arrived(l->client, false);
    return tg_tls_read(l->client, at, cap, n, cut);
}

TEST("a host is verified by its name or by its address")
{
    static const struct { const char *host; int cert; tg_err err; const char *why; } cases[] = {
        { "localhost",   GOOD,       TG_OK,   "" },
        { "localhost.",  GOOD,       TG_OK,   "" },
        { "LOCALHOST",   GOOD,       TG_OK,   "" },
        { "127.0.0.1",   GOOD,       TG_OK,   "" },
        { "127.0.0.2",   GOOD,       TG_ETLS, "certificate: IP address mismatch" },
        { "example.com", GOOD,       TG_ETLS, "certificate: hostname mismatch" },
        { "localhost",   OTHER_HOST, TG_ETLS, "certificate: hostname mismatch" },
        { "localhost",   EXPIRED,    TG_ETLS, "certificate: certificate has expired" },
        { "localhost",   STRANGER,   TG_ETLS, "certificate: certificate signature failure" },
    };

    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct tg_tls_context *c = context();
        struct line l;

        check_context = cases[i].why;
        open_line(&l, c, cases[i].cert, cases[i].host);
        CHECK_INT(shake_hands(&l), cases[i].err);
        CHECK_STR(tg_str_of(tg_tls_why(l.client)), cases[i].why);
        close_line(&l);
        tg_tls_context_free(c);
    }
}

TEST("the name is sent for the server to choose by; an address is not")
{
    static const struct { const char *host, *sent; } cases[] = {
        { "localhost", "localhost" }, { "localhost.", "localhost" }, { "127.0.0.1", NULL },
    };

    for (size_t i = 0; i < 3; i++) {
        struct tg_tls_context *c = context();
        struct line l;

        open_line(&l, c, GOOD, cases[i].host);
        shake_hands(&l);
        const char *sent = SSL_get_servername(l.server, TLSEXT_NAMETYPE_host_name);
        CHECK_STR(tg_str_of(sent), cases[i].sent ? cases[i].sent : "");
        close_line(&l);
        tg_tls_context_free(c);
    }
}

TEST("HTTP/1.1 is the one protocol offered, and TLS 1.2 the oldest")
{
    struct tg_tls_context *c = context();
    struct line l;
    const unsigned char *chosen;
    unsigned len;

    open_line(&l, c, GOOD, "localhost");
    CHECK_INT(shake_hands(&l), TG_OK);
    SSL_get0_alpn_selected(l.server, &chosen, &len);
    CHECK_STR(((struct tg_str){ (const char *)chosen, len }), "http/1.1");
    close_line(&l);

    open_line(&l, c, GOOD, "localhost");
    SSL_set_security_level(l.server, 0);
    SSL_set_max_proto_version(l.server, TLS1_1_VERSION);
    SSL_set_min_proto_version(l.server, TLS1_VERSION);
    CHECK_INT(shake_hands(&l), TG_ETLS);
    CHECK(*tg_tls_why(l.client));
    close_line(&l);
    tg_tls_context_free(c);
}

TEST("small pieces travel in one record, and arrive in order")
{
    static const struct tg_str pieces[] = { { "he", 2 }, { "", 0 }, { "ll", 2 }, { "o", 1 } };
    struct tg_tls_context *c = context();
    struct line l;
    char got[16];
    size_t n;

    open_line(&l, c, GOOD, "localhost");
    shake_hands(&l);
    CHECK_INT(tg_tls_write(l.client, pieces, 4, &n), TG_OK);
    CHECK_INT(n, 5);
    CHECK_INT(SSL_read(l.server, got, sizeof got), 5);
    CHECK(memcmp(got, "hello", 5) == 0);
    close_line(&l);
    tg_tls_context_free(c);
}

TEST("a write that had to wait goes on where it stopped, whatever the pieces")
{
    enum { SIZE = 3 << 20 };
    static char bytes[SIZE], got[SIZE];
    struct tg_str pieces[64];
    size_t count = 0, put = 0, have = 0, n, waits = 0;
    struct tg_tls_context *c = context();
    struct line l;

    for (size_t i = 0; i < SIZE; i++)
        bytes[i] = "0123456789abcdefghijklm"[i % 23];
    for (size_t at = 0, step = 1; at < SIZE; at += step, step = step * 2 + 7) {
        size_t left = SIZE - at;
        pieces[count++] = (struct tg_str){ bytes + at, step < left ? step : left };
    }
    open_line(&l, c, GOOD, "localhost");
    shake_hands(&l);
    while (have < SIZE) {
        struct tg_str rest[64];
        size_t skip = put, k = 0;
        for (size_t i = 0; i < count; i++) {
            size_t gone = skip < pieces[i].len ? skip : pieces[i].len;
            skip -= gone;
            if (gone < pieces[i].len)
                rest[k++] = (struct tg_str){ pieces[i].at + gone, pieces[i].len - gone };
        }
        tg_err err = k ? tg_tls_write(l.client, rest, k, &n) : TG_OK;
        if (k && !err)
            put += n;
        waits += err == TG_AGAIN;
        if (err && err != TG_AGAIN)
            break;
        ERR_clear_error();
        int r = SSL_read(l.server, got + have, (int)(SIZE - have < 30000 ? SIZE - have : 30000));
        have += r > 0 ? (size_t)r : 0;
    }
    CHECK(waits > 0);
    CHECK_INT(have, SIZE);
    CHECK(memcmp(got, bytes, SIZE) == 0);
    close_line(&l);
    tg_tls_context_free(c);
}

TEST("the end of a stream is told apart from one that was cut off")
{
    struct tg_tls_context *c = context();
    struct line l;
    char got[8];
    size_t n;
    bool cut;

    open_line(&l, c, GOOD, "localhost");
    shake_hands(&l);
    CHECK_INT(read_client(&l, got, sizeof got, &n, &cut), TG_AGAIN);
    SSL_write(l.server, "abc", 3);
    CHECK_INT(read_client(&l, got, sizeof got, &n, &cut), TG_OK);
    CHECK_INT(n, 3);
    SSL_shutdown(l.server);
    CHECK_INT(read_client(&l, got, sizeof got, &n, &cut), TG_EPEER);
    CHECK(!cut);
    CHECK_INT(n, 0);
    close_line(&l);

    open_line(&l, c, GOOD, "localhost");
    shake_hands(&l);
    shutdown(l.fd[1], SHUT_RDWR);
    tg_tls_arrived(l.client, true);
    CHECK_INT(tg_tls_read(l.client, got, sizeof got, &n, &cut), TG_EPEER);
    CHECK(cut);
    CHECK(*tg_tls_why(l.client));
    close_line(&l);
    tg_tls_context_free(c);
}

TEST("a read that emptied the socket asks the kernel again only when told")
{
    struct tg_tls_context *c = context();
    struct line l;
    char got[8];
    size_t n;
    bool cut;

    open_line(&l, c, GOOD, "localhost");
    shake_hands(&l);
    while (read_client(&l, got, sizeof got, &n, &cut) == TG_OK)
        ;
    SSL_write(l.server, "abc", 3);
    CHECK_INT(read_client(&l, got, sizeof got, &n, &cut), TG_OK);
    SSL_write(l.server, "def", 3);
    CHECK_INT(tg_tls_read(l.client, got, sizeof got, &n, &cut), TG_AGAIN);
    CHECK_INT(read_client(&l, got, sizeof got, &n, &cut), TG_OK);
    CHECK(n == 3 && memcmp(got, "def", 3) == 0);
    close_line(&l);
    tg_tls_context_free(c);
}

TEST("what is received and not read is pending")
{
    struct tg_tls_context *c = context();
    struct line l;
    char got[2];
    size_t n;
    bool cut;

    open_line(&l, c, GOOD, "localhost");
    shake_hands(&l);
    read_client(&l, got, sizeof got, &n, &cut);
    CHECK(!tg_tls_has_pending(l.client));
    SSL_write(l.server, "abc", 3);
    CHECK_INT(read_client(&l, got, sizeof got, &n, &cut), TG_OK);
    CHECK(tg_tls_has_pending(l.client));
    close_line(&l);
    tg_tls_context_free(c);
}

TEST("a session is resumed for its own host only, and dropped when it failed")
{
    static const struct { const char *host; bool resumed; } steps[] = {
        { "localhost", false }, { "localhost", true }, { "127.0.0.1", false },
        { "127.0.0.1", true }, { "localhost", true },
    };
    struct tg_tls_context *c = context();

    for (size_t i = 0; i < sizeof steps / sizeof *steps; i++) {
        struct line l;
        char got[8];
        size_t n;
        bool cut;

        open_line(&l, c, GOOD, steps[i].host);
        CHECK_INT(shake_hands(&l), TG_OK);
        CHECK_INT(tg_tls_is_resumed(l.client), steps[i].resumed);
        SSL_write(l.server, "x", 1);
        CHECK_INT(read_client(&l, got, sizeof got, &n, &cut), TG_OK);
        close_line(&l);
    }
    tg_tls_context_free(c);
}

TEST("a CA bundle that cannot be read is told, also the one of SSL_CERT_FILE")
{
    char why[256] = "";
    struct tg_tls_context *c;
    struct line l;

    make_certs();
    CHECK(tg_tls_context_new("/nonexistent/ca.pem", why) == NULL);
    CHECK(strstr(why, "/nonexistent/ca.pem") != NULL);

    setenv("SSL_CERT_FILE", "/nonexistent/env.pem", 1);
    CHECK(tg_tls_context_new(NULL, why) == NULL);
    CHECK(strstr(why, "/nonexistent/env.pem") != NULL);

    setenv("SSL_CERT_FILE", certs.ca_file, 1);
    c = tg_tls_context_new(NULL, why);
    CHECK(c != NULL);
    open_line(&l, c, GOOD, "localhost");
    CHECK_INT(shake_hands(&l), TG_OK);
    close_line(&l);
    tg_tls_context_free(c);

    /* An empty bundle trusts nobody. */
    c = tg_tls_context_new("/dev/null", why);
    CHECK(c != NULL);
    CHECK(!tg_tls_context_warm(c, why) && strstr(why, "/dev/null") != NULL);
    tg_tls_context_free(c);
}

TEST_MAIN
