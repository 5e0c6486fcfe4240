#include "os/jwt.h"

#include <openssl/bio.h>
#include <openssl/evp.h>
#include <openssl/pem.h>

enum { SIGNATURE_BYTES = 1024 };           /* of a key of 8192 bits */

/* Base64 with - and _ and without padding (RFC 4648, section 5). */
static void put_base64url(struct tg_buf *out, const unsigned char *at, size_t len)
{
    static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";

    for (size_t i = 0; i < len; i += 3) {
        size_t n = len - i < 3 ? len - i : 3;
        unsigned long bits = (unsigned long)at[i] << 16;
        bits |= n > 1 ? (unsigned long)at[i + 1] << 8 : 0;
        bits |= n > 2 ? (unsigned long)at[i + 2] : 0;
        for (size_t k = 0; k <= n; k++)
            tg_buf_char(out, digits[bits >> (18 - 6 * k) & 63]);
    }
}

/* Nobody is there to be asked for a password. */
static int no_password(char *out, int cap, int is_writing, void *arg)
{
    (void)out, (void)cap, (void)is_writing, (void)arg;
    return -1;
}

static EVP_PKEY *read_key(struct tg_str pem)
{
    BIO *bio = BIO_new_mem_buf(pem.at, (int)pem.len);
    EVP_PKEY *key = bio ? PEM_read_bio_PrivateKey(bio, NULL, no_password, NULL) : NULL;

    BIO_free(bio);
    return key;
}

static bool sign(EVP_PKEY *key, struct tg_str text, unsigned char *out, size_t *len)
{
    EVP_MD_CTX *md = EVP_MD_CTX_new();
    bool good = md && EVP_DigestSignInit(md, NULL, EVP_sha256(), NULL, key) == 1
             && EVP_DigestSign(md, out, len, (const unsigned char *)text.at, text.len) == 1;

    EVP_MD_CTX_free(md);
    return good;
}

tg_err tg_jwt_put(struct tg_buf *out, struct tg_str claims, struct tg_str private_key)
{
    static const char head[] = "{\"alg\":\"RS256\",\"typ\":\"JWT\"}";
    unsigned char signature[SIGNATURE_BYTES];
    size_t len = sizeof signature, from = out->len;
    EVP_PKEY *key = read_key(private_key);
    bool is_rsa = key && EVP_PKEY_base_id(key) == EVP_PKEY_RSA
               && (size_t)EVP_PKEY_size(key) <= sizeof signature;

    put_base64url(out, (const unsigned char *)head, sizeof head - 1);
    tg_buf_char(out, '.');
    put_base64url(out, (const unsigned char *)claims.at, claims.len);
    struct tg_str text = { out->at + from, out->len - from };
    bool good = is_rsa && !out->bad && sign(key, text, signature, &len);
    EVP_PKEY_free(key);
    if (good) {
        tg_buf_char(out, '.');
        put_base64url(out, signature, len);
    }
    return out->bad ? TG_ENOMEM : good ? TG_OK : TG_EINVAL;
}
