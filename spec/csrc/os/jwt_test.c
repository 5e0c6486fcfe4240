/* A JSON Web Token that is signed with RSA: verified by OpenSSL. */
#include "check.h"

#include <openssl/bio.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/rsa.h>

#include "base/mem.h"
#include "os/jwt.h"

static EVP_PKEY *rsa;
static struct tg_buf pem;

static void write_key(EVP_PKEY *key, const EVP_CIPHER *cipher, const char *password)
{
    BIO *bio = BIO_new(BIO_s_mem());
    char *text;

    PEM_write_bio_PrivateKey(bio, key, cipher, (const unsigned char *)password, (int)strlen(password),
                             NULL, NULL);
    long len = BIO_get_mem_data(bio, &text);
    tg_buf_reset(&pem);
    tg_buf_add(&pem, text, (size_t)len);
    BIO_free(bio);
}

static void make_key(EVP_PKEY *key)
{
    write_key(key, NULL, "");
}

static void make_sealed_key(EVP_PKEY *key)
{
    write_key(key, EVP_aes_128_cbc(), "password");
}

/* Bytes of base64url, one digit at a time. */
static size_t decode(struct tg_str s, unsigned char *out)
{
    static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
    unsigned bits = 0, held = 0;
    size_t n = 0;

    for (size_t i = 0; i < s.len; i++) {
        const char *at = strchr(digits, s.at[i]);
        if (!CHECK(at && s.at[i]))
            return 0;
        bits = bits << 6 | (unsigned)(at - digits);
        held += 6;
        if (held >= 8)
            out[n++] = (unsigned char)(bits >> (held -= 8));
    }
    return n;
}

static bool verifies(EVP_PKEY *key, struct tg_str text, const unsigned char *signature, size_t len)
{
    EVP_MD_CTX *md = EVP_MD_CTX_new();
    bool good = EVP_DigestVerifyInit(md, NULL, EVP_sha256(), NULL, key) == 1
             && EVP_DigestVerify(md, signature, len, (const unsigned char *)text.at, text.len) == 1;

    EVP_MD_CTX_free(md);
    return good;
}

TEST("a token has its head, its claims and a signature that holds")
{
    static const char *const claims[] = { "{}", "{\"a\":1}", "{\"iss\":\"x@y.iam\",\"exp\":17}", "{\"ab\":\"\xc3\xa9?>\"}" };
    unsigned char bytes[1024];

    rsa = EVP_RSA_gen(2048);
    make_key(rsa);
    for (size_t i = 0; i < sizeof claims / sizeof *claims; i++) {
        struct tg_buf out = { 0 };
        struct tg_str head, middle, rest;
        tg_buf_z(&out, "before=");
        CHECK_INT(tg_jwt_put(&out, tg_str_of(claims[i]), tg_buf_view(&pem)), TG_OK);
        struct tg_str token = { out.at + 7, out.len - 7 };
        CHECK(tg_str_cut(token, '.', &head, &rest) && tg_str_cut(rest, '.', &middle, &rest));
        size_t n = decode(head, bytes);
        CHECK_STR(((struct tg_str){ (char *)bytes, n }), "{\"alg\":\"RS256\",\"typ\":\"JWT\"}");
        n = decode(middle, bytes);
        CHECK_STR(((struct tg_str){ (char *)bytes, n }), claims[i]);
        n = decode(rest, bytes);
        CHECK(verifies(rsa, (struct tg_str){ token.at, head.len + 1 + middle.len }, bytes, n));
        tg_buf_done(&out);
    }
}

TEST("what is no RSA key signs nothing")
{
    EVP_PKEY *curve = EVP_EC_gen("P-256");
    struct tg_buf out = { 0 };
    static const char *const bad[] = { "", "no key", "-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n" };

    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
        CHECK_INT(tg_jwt_put(&out, TG_STR("{}"), tg_str_of(bad[i])), TG_EINVAL);
    make_key(curve);
    CHECK_INT(tg_jwt_put(&out, TG_STR("{}"), tg_buf_view(&pem)), TG_EINVAL);
    EVP_PKEY_free(curve);
    make_sealed_key(rsa);                  /* nobody is asked for its password */
    CHECK_INT(tg_jwt_put(&out, TG_STR("{}"), tg_buf_view(&pem)), TG_EINVAL);
    EVP_PKEY_free(rsa);
    tg_buf_done(&out);
    tg_buf_done(&pem);
}

TEST_MAIN
