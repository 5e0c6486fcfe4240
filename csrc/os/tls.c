#include "os/tls.h"

#include <errno.h>
#include <openssl/bio.h>
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/hash.h"
#include "base/mem.h"
#include "os/net.h"

enum {
    RECORD_BYTES = 16 * 1024,
    WHY_BYTES    = 256,
    PATH_BYTES   = 1024
};

/* The newest session of a host. A slot is taken over by whoever hashes to it. */
struct session {
    uint64_t     host;
    SSL_SESSION *session;
};

struct tg_tls_context {
    SSL_CTX       *ctx;
    bool           trusts;       /* authorities are loaded */
    char           ca_file[PATH_BYTES];     /* empty: the common ones */
    BIO_METHOD    *socket;
    struct session sessions[TG_TLS_SESSIONS_MAX];
    char           record[RECORD_BYTES];    /* small pieces of one write meet here */
};

struct tg_tls {
    struct tg_tls_context *context;
    SSL     *ssl;
    uint64_t host;
    int      fd;
    bool     drained;            /* the kernel has no more until tg_tls_arrived() */
    bool     closed;             /* the end is in the kernel: go on asking */
    bool     is_broken;
    char     why[WHY_BYTES];
};

/* ---- the socket below: as OpenSSL's own, but never a signal ---- */

static int socket_read(BIO *b, char *at, int cap)
{
    struct tg_tls *t = BIO_get_data(b);
    size_t n;

    BIO_clear_retry_flags(b);
    if (t->drained) {
        BIO_set_retry_read(b);
        return -1;
    }
    tg_err err = tg_net_read(t->fd, at, (size_t)cap, &n);
    if (!err) {
        t->drained = n < (size_t)cap && !t->closed;
        return (int)n;
    }
    if (err != TG_AGAIN)
        return errno ? -1 : 0;
    BIO_set_retry_read(b);
    return -1;
}

static int socket_write(BIO *b, const char *at, int len)
{
    struct tg_tls *t = BIO_get_data(b);
    struct tg_str piece = { at, (size_t)len };
    size_t n;

    BIO_clear_retry_flags(b);
    tg_err err = tg_net_write(t->fd, &piece, 1, &n);
    if (!err)
        return (int)n;
    if (err == TG_AGAIN)
        BIO_set_retry_write(b);
    return -1;
}

static long socket_control(BIO *b, int command, long number, void *p)
{
    struct tg_tls *t = BIO_get_data(b);

    if (command == BIO_CTRL_EOF)
        return t->closed;
    return command == BIO_CTRL_FLUSH;
}

static BIO_METHOD *socket_method(void)
{
    BIO_METHOD *m = BIO_meth_new(BIO_get_new_index() | BIO_TYPE_SOURCE_SINK, "socket");

    if (!m)
        return NULL;
    BIO_meth_set_read(m, socket_read);
    BIO_meth_set_write(m, socket_write);
    BIO_meth_set_ctrl(m, socket_control);
    return m;
}

/* ---- context ---- */

static int keep_session(SSL *ssl, SSL_SESSION *session)
{
    struct tg_tls *t = SSL_get_app_data(ssl);
    struct session *s = &t->context->sessions[t->host % TG_TLS_SESSIONS_MAX];

    SSL_SESSION_free(s->session);
    *s = (struct session){ t->host, session };
    return 1;
}

static void drop_session(struct tg_tls *t)
{
    struct session *s = &t->context->sessions[t->host % TG_TLS_SESSIONS_MAX];

    if (s->host == t->host) {
        SSL_SESSION_free(s->session);
        *s = (struct session){ 0 };
    }
}

/* The authorities that $SSL_CERT_FILE or the system names: read once for all
 * engines. */
static X509_STORE *common_store;
static bool common_is_good;

static void load_common_store(void)
{
    const char *file = getenv("SSL_CERT_FILE");

    common_store = X509_STORE_new();
    if (!common_store)
        return;
    common_is_good = file && *file ? X509_STORE_load_file(common_store, file) == 1
                                   : X509_STORE_set_default_paths(common_store) == 1;
}

static bool make_ctx(struct tg_tls_context *c)
{
    static const unsigned char http1[] = "\x08http/1.1";

    if (c->ctx && c->socket)
        return true;
    if (!c->ctx)
        c->ctx = SSL_CTX_new(TLS_client_method());
    if (!c->socket)
        c->socket = socket_method();
    if (!c->ctx || !c->socket || SSL_CTX_set_min_proto_version(c->ctx, TLS1_2_VERSION) != 1)
        return false;
    if (SSL_CTX_set_alpn_protos(c->ctx, http1, sizeof http1 - 1))
        return false;
    SSL_CTX_set_verify(c->ctx, SSL_VERIFY_PEER, NULL);
    SSL_CTX_set_mode(c->ctx, SSL_MODE_RELEASE_BUFFERS | SSL_MODE_ENABLE_PARTIAL_WRITE
                                 | SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER);
    SSL_CTX_set_options(c->ctx, SSL_OP_NO_RENEGOTIATION | SSL_OP_NO_COMPRESSION);
    SSL_CTX_set_read_ahead(c->ctx, 1);
    SSL_CTX_set_session_cache_mode(c->ctx, SSL_SESS_CACHE_CLIENT
                                               | SSL_SESS_CACHE_NO_INTERNAL);
    SSL_CTX_sess_set_new_cb(c->ctx, keep_session);
    return true;
}

static bool trust_common(struct tg_tls_context *c)
{
    static pthread_once_t once = PTHREAD_ONCE_INIT;

    pthread_once(&once, load_common_store);
    if (common_store)
        SSL_CTX_set1_cert_store(c->ctx, common_store);
    return common_is_good;
}

/* OpenSSL itself takes as long to wake up as the authorities to read: both wait
 * for somebody who speaks TLS. */
bool tg_tls_context_warm(struct tg_tls_context *c, char why[256])
{
    if (c->trusts)
        return true;
    if (!make_ctx(c)) {
        snprintf(why, 256, "out of memory");
        return false;
    }
    ERR_clear_error();
    c->trusts = c->ca_file[0] ? SSL_CTX_load_verify_locations(c->ctx, c->ca_file, NULL) == 1
                              : trust_common(c);
    if (!c->trusts) {
        const char *reason = ERR_reason_error_string(ERR_peek_error());
        snprintf(why, 256, "no certificate authorities can be read from %.140s: %.60s",
                 c->ca_file[0] ? c->ca_file : "SSL_CERT_FILE", reason ? reason : "unknown reason");
    }
    return c->trusts;
}

struct tg_tls_context *tg_tls_context_new(const char *ca_file, char why[256])
{
    const char *file = ca_file ? ca_file : getenv("SSL_CERT_FILE");
    struct tg_tls_context *c;

    why[0] = '\0';
    if (file && *file && access(file, R_OK)) {
        snprintf(why, 256, "cannot read certificate authorities from %.140s: %.60s", file,
                 strerror(errno));
        return NULL;
    }
    /* Threads may speak TLS until the process ends: what OpenSSL does at exit() is registered
     * before now, or never. */
    OPENSSL_init_crypto(OPENSSL_INIT_NO_ATEXIT, NULL);
    c = tg_zalloc(sizeof *c);
    if (!c)
        snprintf(why, 256, "out of memory");
    else if (ca_file)
        snprintf(c->ca_file, sizeof c->ca_file, "%s", ca_file);
    return c;
}

void tg_tls_context_free(struct tg_tls_context *c)
{
    if (!c)
        return;
    for (size_t i = 0; i < TG_TLS_SESSIONS_MAX; i++)
        SSL_SESSION_free(c->sessions[i].session);
    SSL_CTX_free(c->ctx);
    BIO_meth_free(c->socket);
    tg_free(c);
}

void tg_tls_context_lend_trust(struct tg_tls_context *c, void *ssl_ctx)
{
    char why[WHY_BYTES];

    if (tg_tls_context_warm(c, why))
        SSL_CTX_set1_cert_store(ssl_ctx, SSL_CTX_get_cert_store(c->ctx));
}

/* ---- a connection ---- */

static bool expect_host(SSL *ssl, const char *host)
{
    struct tg_addr a;
    X509_VERIFY_PARAM *param = SSL_get0_param(ssl);

    if (tg_addr_make(tg_str_of(host), 0, &a) == TG_OK)
        return X509_VERIFY_PARAM_set1_ip_asc(param, host) == 1;
    X509_VERIFY_PARAM_set_hostflags(param, X509_CHECK_FLAG_NO_PARTIAL_WILDCARDS);
    return SSL_set1_host(ssl, host) == 1 && SSL_set_tlsext_host_name(ssl, host) == 1;
}

static bool begin(struct tg_tls *t, struct tg_str host)
{
    char name[256];
    BIO *b;

    /* The dot of an absolute name is no part of what certificates say. */
    if (tg_str_ends(host, "."))
        host.len--;
    if (!host.len || host.len >= sizeof name || memchr(host.at, '\0', host.len))
        return false;
    memcpy(name, host.at, host.len);
    name[host.len] = '\0';

    t->host = tg_hash_stable(host);
    t->ssl = SSL_new(t->context->ctx);
    if (!t->ssl || !expect_host(t->ssl, name))
        return false;
    b = BIO_new(t->context->socket);
    if (!b)
        return false;
    BIO_set_data(b, t);
    BIO_set_init(b, 1);
    SSL_set_bio(t->ssl, b, b);
    SSL_set_app_data(t->ssl, t);
    SSL_set_connect_state(t->ssl);
    struct session *s = &t->context->sessions[t->host % TG_TLS_SESSIONS_MAX];
    if (s->session && s->host == t->host)
        SSL_set_session(t->ssl, s->session);
    return true;
}

struct tg_tls *tg_tls_new(struct tg_tls_context *c, int fd, struct tg_str host)
{
    struct tg_tls *t = tg_zalloc(sizeof *t);

    if (!t)
        return NULL;
    t->context = c;
    t->fd = fd;
    if (!tg_tls_context_warm(c, t->why) || !begin(t, host)) {
        SSL_free(t->ssl);
        tg_free(t);
        return NULL;
    }
    return t;
}

void tg_tls_free(struct tg_tls *t)
{
    if (!t)
        return;
    ERR_clear_error();
    if (!t->is_broken && SSL_is_init_finished(t->ssl))
        SSL_shutdown(t->ssl);
    SSL_free(t->ssl);
    tg_free(t);
}

void tg_tls_arrived(struct tg_tls *t, bool closed)
{
    t->drained = false;
    t->closed |= closed;
}

static void explain(struct tg_tls *t, const char *doing, int error)
{
    long verdict = SSL_get_verify_result(t->ssl);
    unsigned long first = ERR_peek_error();
    const char *reason = first ? ERR_reason_error_string(first) : NULL;

    if (ERR_GET_LIB(first) == ERR_LIB_SSL
        && ERR_GET_REASON(first) == SSL_R_UNEXPECTED_EOF_WHILE_READING)
        reason = "the peer closed the connection";
    if (verdict != X509_V_OK)
        reason = X509_verify_cert_error_string(verdict);
    else if (!reason && error == SSL_ERROR_SYSCALL && errno)
        reason = strerror(errno);
    snprintf(t->why, sizeof t->why, "%s: %.160s", doing,
             reason ? reason : "the peer closed the connection");
    t->is_broken = true;
}

tg_err tg_tls_handshake(struct tg_tls *t)
{
    ERR_clear_error();
    int got = SSL_do_handshake(t->ssl);
    if (got == 1)
        return TG_OK;
    int error = SSL_get_error(t->ssl, got);
    if (error == SSL_ERROR_WANT_READ || error == SSL_ERROR_WANT_WRITE)
        return TG_AGAIN;
    explain(t, SSL_get_verify_result(t->ssl) != X509_V_OK ? "certificate" : "TLS handshake",
            error);
    drop_session(t);
    return TG_ETLS;
}

tg_err tg_tls_read(struct tg_tls *t, void *at, size_t cap, size_t *n, bool *cut)
{
    *n = 0;
    *cut = false;
    ERR_clear_error();
    int got = SSL_read_ex(t->ssl, at, cap, n);
    if (got == 1)
        return TG_OK;
    switch (SSL_get_error(t->ssl, got)) {
    case SSL_ERROR_WANT_READ:
    case SSL_ERROR_WANT_WRITE:
        return TG_AGAIN;
    case SSL_ERROR_ZERO_RETURN:
        return TG_EPEER;
    case SSL_ERROR_SYSCALL:
        explain(t, "TLS read", SSL_ERROR_SYSCALL);
        break;
    default:
        explain(t, "TLS read", SSL_ERROR_SSL);
    }
    *n = 0;
    *cut = true;
    return TG_EPEER;
}

/* What goes into the next record: a run of small pieces put together, or a
 * large one where it lies. OpenSSL wants a write that had to wait repeated with
 * the same bytes: the caller comes back with the same pieces, so it gets them. */
static struct tg_str next_record(struct tg_tls *t, const struct tg_str *pieces, size_t count,
                                 size_t skip)
{
    struct tg_tls_context *c = t->context;
    struct tg_str first = { pieces->at + skip, pieces->len - skip };

    if (count == 1 || first.len >= RECORD_BYTES)
        return first;
    memcpy(c->record, first.at, first.len);
    size_t len = first.len;
    for (size_t i = 1; i < count && len < RECORD_BYTES; i++) {
        size_t room = RECORD_BYTES - len, n = pieces[i].len < room ? pieces[i].len : room;
        if (n)
            memcpy(c->record + len, pieces[i].at, n);
        len += n;
    }
    return (struct tg_str){ c->record, len };
}

tg_err tg_tls_write(struct tg_tls *t, const struct tg_str *pieces, size_t count, size_t *n)
{
    size_t skip = 0, put;

    *n = 0;
    for (;;) {
        while (count && skip >= pieces->len) {
            skip -= pieces->len;
            pieces++, count--;
        }
        if (!count)
            return TG_OK;
        struct tg_str record = next_record(t, pieces, count, skip);
        ERR_clear_error();
        int got = SSL_write_ex(t->ssl, record.at, record.len, &put);
        if (got == 1) {
            *n += put;
            skip += put;
            continue;
        }
        int error = SSL_get_error(t->ssl, got);
        if (error == SSL_ERROR_WANT_READ || error == SSL_ERROR_WANT_WRITE)
            return *n ? TG_OK : TG_AGAIN;
        explain(t, "TLS write", error);
        return TG_EPEER;
    }
}

bool tg_tls_has_pending(const struct tg_tls *t)
{
    return SSL_has_pending(t->ssl);
}

bool tg_tls_is_resumed(const struct tg_tls *t)
{
    return SSL_session_reused(t->ssl);
}

const char *tg_tls_why(const struct tg_tls *t)
{
    return t->why;
}
