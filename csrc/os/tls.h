/* tls.h -- TLS 1.2 and 1.3 to providers, over non-blocking sockets, with
 * verification and SNI always on. Sessions are resumed per context and host. */
#ifndef TG_TLS_H
#define TG_TLS_H

#include <stdbool.h>
#include "base/err.h"
#include "base/str.h"

struct tg_tls_context;           /* one an engine: trust and session cache */
struct tg_tls;                   /* one a connection */

/* Trust the CA bundle in `ca_file` (NULL: $SSL_CERT_FILE, else the system's).
 * NULL, with a sentence in why[], when that cannot be read. */
struct tg_tls_context *tg_tls_context_new(const char *ca_file, char why[256]);
void tg_tls_context_free(struct tg_tls_context *c);

/* Begin on a connected socket; `host` is verified against the certificate
 * (names and addresses). NULL when out of memory. */
struct tg_tls *tg_tls_new(struct tg_tls_context *c, int fd, struct tg_str host);

/* Also sends close_notify if that can be done without waiting. */
void tg_tls_free(struct tg_tls *t);

/* Go on with the handshake: TG_OK when done, TG_AGAIN, TG_ETLS (see why). */
tg_err tg_tls_handshake(struct tg_tls *t);

/* As tg_net_read() and tg_net_write(). An end of the stream without
 * close_notify is TG_EPEER with *cut set. */
tg_err tg_tls_read(struct tg_tls *t, void *at, size_t cap, size_t *n, bool *cut);
tg_err tg_tls_write(struct tg_tls *t, const struct tg_str *pieces, size_t count, size_t *n);

/* Why it failed, one line; never holds secrets. */
const char *tg_tls_why(const struct tg_tls *t);

#endif
