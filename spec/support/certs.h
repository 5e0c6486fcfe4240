/* certs.h -- certificates for tests, made when first asked for: a CA, in a file
 * that goes away with the process, and server contexts with one that is good
 * and some that are not. */
#ifndef TG_CERTS_H
#define TG_CERTS_H

#include <openssl/pem.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { GOOD, EXPIRED, OTHER_HOST, STRANGER, CERTS };

static struct {
    char     ca_file[40];
    SSL_CTX *ctx[CERTS];
} certs;

static X509 *make_cert(EVP_PKEY *key, const char *name, long from, long to, const char *san,
                       X509 *issuer, EVP_PKEY *issuer_key)
{
    X509 *x = X509_new();
    static long serial = 1;

    X509_set_version(x, 2);
    ASN1_INTEGER_set(X509_get_serialNumber(x), serial++);
    X509_gmtime_adj(X509_getm_notBefore(x), from);
    X509_gmtime_adj(X509_getm_notAfter(x), to);
    X509_set_pubkey(x, key);
    X509_NAME_add_entry_by_txt(X509_get_subject_name(x), "CN", MBSTRING_ASC,
                               (const unsigned char *)name, -1, -1, 0);
    X509_set_issuer_name(x, X509_get_subject_name(issuer ? issuer : x));
    X509_EXTENSION *e = X509V3_EXT_conf_nid(
        NULL, NULL, san ? NID_subject_alt_name : NID_basic_constraints, san ? san : "CA:TRUE");
    X509_add_ext(x, e, -1);
    X509_EXTENSION_free(e);
    X509_sign(x, issuer ? issuer_key : key, EVP_sha256());
    return x;
}

static int pick_h1(SSL *ssl, const unsigned char **out, unsigned char *out_len,
                   const unsigned char *in, unsigned in_len, void *arg)
{
    return SSL_select_next_proto((unsigned char **)(uintptr_t)out, out_len,
                                 (const unsigned char *)"\x08http/1.1", 9, in, in_len)
                   == OPENSSL_NPN_NEGOTIATED ? SSL_TLSEXT_ERR_OK : SSL_TLSEXT_ERR_ALERT_FATAL;
}

static void make_certs(void)
{
    static const struct { const char *san; long from, to; bool is_stranger; } leafs[CERTS] = {
        [GOOD]       = { "DNS:localhost,IP:127.0.0.1", -3600, 3600, false },
        [EXPIRED]    = { "DNS:localhost,IP:127.0.0.1", -7200, -3600, false },
        [OTHER_HOST] = { "DNS:example.com,IP:127.0.0.2", -3600, 3600, false },
        [STRANGER]   = { "DNS:localhost,IP:127.0.0.1", -3600, 3600, true },
    };

    if (certs.ctx[0])
        return;
    EVP_PKEY *ca_key = EVP_EC_gen("P-256"), *stranger_key = EVP_EC_gen("P-256");
    X509 *ca = make_cert(ca_key, "Test CA", -3600, 3600, NULL, NULL, NULL);
    X509 *stranger = make_cert(stranger_key, "Test CA", -3600, 3600, NULL, NULL, NULL);
    strcpy(certs.ca_file, "/tmp/tidegate-ca-XXXXXX");
    FILE *f = fdopen(mkstemp(certs.ca_file), "w");
    PEM_write_X509(f, ca);
    fclose(f);
    for (int i = 0; i < CERTS; i++) {
        EVP_PKEY *key = EVP_EC_gen("P-256");
        bool s = leafs[i].is_stranger;
        X509 *x = make_cert(key, "leaf", leafs[i].from, leafs[i].to, leafs[i].san,
                            s ? stranger : ca, s ? stranger_key : ca_key);
        SSL_CTX *c = certs.ctx[i] = SSL_CTX_new(TLS_server_method());
        SSL_CTX_use_certificate(c, x);
        SSL_CTX_use_PrivateKey(c, key);
        SSL_CTX_set_alpn_select_cb(c, pick_h1, NULL);
        SSL_CTX_set_mode(c, SSL_MODE_ENABLE_PARTIAL_WRITE | SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER);
        X509_free(x);
        EVP_PKEY_free(key);
    }
    X509_free(ca);
    X509_free(stranger);
    EVP_PKEY_free(ca_key);
    EVP_PKEY_free(stranger_key);
}

__attribute__((destructor)) static void remove_certs(void)
{
    if (*certs.ca_file)
        unlink(certs.ca_file);
    for (int i = 0; i < CERTS; i++)
        SSL_CTX_free(certs.ctx[i]);
}

#endif
