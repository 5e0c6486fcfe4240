/* tls.h -- TLS 1.2 and 1.3 to providers, over non-blocking sockets, with
 * verification and SNI always on, and HTTP/1.1 as the one protocol offered.
 * Sessions are resumed per context and host. A context and its connections
 * belong to one thread. */
#ifndef TG_TLS_H
#define TG_TLS_H

#include <stdbool.h>
#include "base/err.h"
#include "base/str.h"

struct tg_tls_context;           /* one an engine: trust and session cache */
struct tg_tls;                   /* one a connection */

enum { TG_TLS_SESSIONS_MAX = 256 };  /* hosts whose session is kept */

/* Trust the CA bundle in `ca_file` (NULL: $SSL_CERT_FILE, else the system's).
 * NULL, with a sentence in why[], when the file cannot be opened; it is read by
 * the first who speaks TLS. */
struct tg_tls_context *tg_tls_context_new(const char *ca_file, char why[256]);
void tg_tls_context_free(struct tg_tls_context *c);

/* Wake OpenSSL and read the authorities now, and not with the first connection:
 * about 30 ms. False, with a sentence in why[], when there are none. */
bool tg_tls_context_warm(struct tg_tls_context *c, char why[256]);

/* Let another library's SSL_CTX trust what this context trusts. */
void tg_tls_context_lend_trust(struct tg_tls_context *c, void *ssl_ctx);

/* Begin on a connected socket; `host` is verified against the certificate
 * (names and addresses). NULL when out of memory. */
struct tg_tls *tg_tls_new(struct tg_tls_context *c, int fd, struct tg_str host);

/* Also sends close_notify if that can be done without waiting. */
void tg_tls_free(struct tg_tls *t);

/* Say that the loop told of bytes, before going on; `closed` when it told
 * TG_LOOP_HUP too. A read that the kernel could not fill is the last until
 * then: that saves asking it once more for every answer. */
void tg_tls_arrived(struct tg_tls *t, bool closed);

/* Go on with the handshake: TG_OK when done, TG_AGAIN, TG_ETLS (see why). */
tg_err tg_tls_handshake(struct tg_tls *t);

/* As tg_net_read() and tg_net_write(). An end of the stream without
 * close_notify is TG_EPEER with *cut set. */
tg_err tg_tls_read(struct tg_tls *t, void *at, size_t cap, size_t *n, bool *cut);
tg_err tg_tls_write(struct tg_tls *t, const struct tg_str *pieces, size_t count, size_t *n);

/* Are there bytes of the peer that were received and not read? */
bool tg_tls_has_pending(const struct tg_tls *t);

/* Was the handshake a resumption? */
bool tg_tls_is_resumed(const struct tg_tls *t);

/* Why it failed, one line; never holds secrets. */
const char *tg_tls_why(const struct tg_tls *t);

#endif
