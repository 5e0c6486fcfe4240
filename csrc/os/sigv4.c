#include "os/sigv4.h"

#include <stdlib.h>
#include <time.h>
#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>

#include "os/digest.h"

enum { HASH_BYTES = 32, DAY_BYTES = 8 };

/* One signature in the making. */
struct signing {
    const struct tg_sigv4         *who;
    const struct tg_sigv4_request *what;
    char          stamp[32];            /* 20150830T123600Z */
    struct tg_buf text;                 /* what is hashed or signed next */
};

static struct tg_str stamp_of(const struct signing *s)
{
    return tg_str_of(s->stamp);
}

static struct tg_str day_of(const struct signing *s)
{
    return (struct tg_str){ s->stamp, DAY_BYTES };
}

/* ---- what may be signed ---- */

static bool is_clean(struct tg_str s)
{
    for (size_t i = 0; i < s.len; i++)
        if ((unsigned char)s.at[i] < ' ' || s.at[i] == 0x7f)
            return false;
    return true;
}

static bool is_word(struct tg_str s)
{
    return s.len && is_clean(s) && !memchr(s.at, ' ', s.len);
}

static bool may_sign(const struct tg_sigv4 *who, const struct tg_sigv4_request *what)
{
    return is_word(who->access_key) && is_word(who->secret_key) && is_word(who->region) &&
           is_word(who->service) && is_clean(who->session_token) && is_word(what->method) &&
           is_word(what->host) && is_clean(what->path) && is_clean(what->query) &&
           is_clean(what->content_type);
}

static tg_err set_moment(struct signing *s, uint64_t wall_s)
{
    time_t moment = (time_t)wall_s;
    struct tm t;

    if (!gmtime_r(&moment, &t) || t.tm_year > 9999 - 1900)
        return TG_EINVAL;
    strftime(s->stamp, sizeof s->stamp, "%Y%m%dT%H%M%SZ", &t);
    return TG_OK;
}

/* ---- hashes ---- */

static void put_hex(struct tg_buf *out, const unsigned char *bytes, size_t n)
{
    static const char digits[] = "0123456789abcdef";

    for (size_t i = 0; i < n; i++) {
        tg_buf_char(out, digits[bytes[i] >> 4]);
        tg_buf_char(out, digits[bytes[i] & 15]);
    }
}

static tg_err hash_body(const struct tg_sigv4_request *what, unsigned char out[HASH_BYTES])
{
    EVP_MD_CTX *c = EVP_MD_CTX_new();
    bool ok = c && EVP_DigestInit_ex(c, EVP_sha256(), NULL) == 1;

    for (size_t i = 0; ok && i < what->body_pieces; i++)
        ok = EVP_DigestUpdate(c, what->body[i].at, what->body[i].len) == 1;
    ok = ok && EVP_DigestFinal_ex(c, out, NULL) == 1;
    EVP_MD_CTX_free(c);
    return ok ? TG_OK : TG_ENOMEM;
}

static tg_err hmac(struct tg_str key, struct tg_str text, unsigned char out[HASH_BYTES])
{
    unsigned char code[HASH_BYTES];
    bool ok = HMAC(EVP_sha256(), key.at, (int)key.len, (const unsigned char *)text.at, text.len,
                   code, NULL);

    if (ok)
        memcpy(out, code, HASH_BYTES);
    OPENSSL_cleanse(code, sizeof code);
    return ok ? TG_OK : TG_ENOMEM;
}

/* ---- the request in the one form that both sides hash ---- */

static bool is_unreserved(char c)
{
    return (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') ||
           c == '-' || c == '.' || c == '_' || c == '~';
}

/* The path is encoded once more: a model's ":0" is sent as "%3A0" and signed
 * as "%253A0". */
static void put_path(struct tg_buf *out, struct tg_str path)
{
    static const char digits[] = "0123456789ABCDEF";

    if (!path.len)
        tg_buf_char(out, '/');
    for (size_t i = 0; i < path.len; i++) {
        unsigned char c = (unsigned char)path.at[i];
        if (is_unreserved(path.at[i]) || c == '/') {
            tg_buf_char(out, path.at[i]);
            continue;
        }
        tg_buf_char(out, '%');
        tg_buf_char(out, digits[c >> 4]);
        tg_buf_char(out, digits[c & 15]);
    }
}

struct parameter {
    struct tg_str name, value;
};

static int by_name_and_value(const void *a, const void *b)
{
    const struct parameter *p = a, *q = b;
    int order = tg_str_cmp(p->name, q->name);

    return order ? order : tg_str_cmp(p->value, q->value);
}

static tg_err put_query(struct tg_buf *out, struct tg_str query)
{
    struct parameter all[TG_SIGV4_QUERY_MAX];
    struct tg_str part, rest = query;
    size_t n = 0;

    while (rest.len) {
        tg_str_cut(rest, '&', &part, &rest);
        if (!part.len)
            continue;
        if (n == TG_SIGV4_QUERY_MAX)
            return TG_ETOOBIG;
        tg_str_cut(part, '=', &all[n].name, &all[n].value);
        n++;
    }
    qsort(all, n, sizeof *all, by_name_and_value);
    for (size_t i = 0; i < n; i++) {
        if (i)
            tg_buf_char(out, '&');
        tg_buf_str(out, all[i].name);
        tg_buf_char(out, '=');
        tg_buf_str(out, all[i].value);
    }
    return TG_OK;
}

static void put_header(struct tg_buf *out, const char *name, struct tg_str value)
{
    if (!value.len)
        return;
    tg_buf_z(out, name);
    tg_buf_char(out, ':');
    tg_buf_str(out, value);
    tg_buf_char(out, '\n');
}

static void put_names(const struct signing *s, struct tg_buf *out)
{
    if (s->what->content_type.len)
        tg_buf_z(out, "content-type;");
    tg_buf_z(out, "host;x-amz-date");
    if (s->who->session_token.len)
        tg_buf_z(out, ";x-amz-security-token");
}

static tg_err put_request(struct signing *s)
{
    struct tg_buf *out = &s->text;
    unsigned char body[HASH_BYTES];

    tg_buf_str(out, s->what->method);
    tg_buf_char(out, '\n');
    put_path(out, s->what->path);
    tg_buf_char(out, '\n');
    tg_err err = put_query(out, s->what->query);
    if (!err)
        err = hash_body(s->what, body);
    if (err)
        return err;
    tg_buf_char(out, '\n');
    put_header(out, "content-type", s->what->content_type);
    put_header(out, "host", s->what->host);
    put_header(out, "x-amz-date", stamp_of(s));
    put_header(out, "x-amz-security-token", s->who->session_token);
    tg_buf_char(out, '\n');
    put_names(s, out);
    tg_buf_char(out, '\n');
    put_hex(out, body, sizeof body);
    return out->bad ? TG_ENOMEM : TG_OK;
}

/* ---- the signature ---- */

static void put_scope(const struct signing *s, struct tg_buf *out)
{
    tg_buf_str(out, day_of(s));
    tg_buf_char(out, '/');
    tg_buf_str(out, s->who->region);
    tg_buf_char(out, '/');
    tg_buf_str(out, s->who->service);
    tg_buf_z(out, "/aws4_request");
}

/* In place of the request: what is signed of it. */
static tg_err put_string_to_sign(struct signing *s)
{
    unsigned char request[HASH_BYTES];

    tg_err err = tg_sha256(tg_buf_view(&s->text), request);
    if (err)
        return err;
    tg_buf_reset(&s->text);
    tg_buf_z(&s->text, "AWS4-HMAC-SHA256\n");
    tg_buf_str(&s->text, stamp_of(s));
    tg_buf_char(&s->text, '\n');
    put_scope(s, &s->text);
    tg_buf_char(&s->text, '\n');
    put_hex(&s->text, request, sizeof request);
    return s->text.bad ? TG_ENOMEM : TG_OK;
}

/* The first key is the secret itself; each of the others comes of the one
 * before it, and the last makes the signature. */
static tg_err sign_text(const struct signing *s, unsigned char out[HASH_BYTES])
{
    struct tg_str steps[] = {
        day_of(s), s->who->region, s->who->service, TG_STR("aws4_request"), tg_buf_view(&s->text)
    };
    struct tg_buf first = { 0 };
    struct tg_str key;

    tg_buf_z(&first, "AWS4");
    tg_err err = tg_buf_str(&first, s->who->secret_key);
    key = tg_buf_view(&first);
    for (size_t i = 0; !err && i < sizeof steps / sizeof *steps; i++) {
        err = hmac(key, steps[i], out);
        key = (struct tg_str){ (const char *)out, HASH_BYTES };
    }
    if (first.at)
        OPENSSL_cleanse(first.at, first.len);
    tg_buf_done(&first);
    return err;
}

static void put_field(struct tg_buf *out, const char *name, struct tg_str value)
{
    if (!value.len)
        return;
    tg_buf_z(out, name);
    tg_buf_str(out, value);
    tg_buf_z(out, "\r\n");
}

/* In place of what was signed: the fields. */
static tg_err put_fields(struct signing *s, const unsigned char signature[HASH_BYTES])
{
    struct tg_buf *out = &s->text;

    tg_buf_reset(out);
    put_field(out, "X-Amz-Date: ", stamp_of(s));
    put_field(out, "X-Amz-Security-Token: ", s->who->session_token);
    tg_buf_z(out, "Authorization: AWS4-HMAC-SHA256 Credential=");
    tg_buf_str(out, s->who->access_key);
    tg_buf_char(out, '/');
    put_scope(s, out);
    tg_buf_z(out, ", SignedHeaders=");
    put_names(s, out);
    tg_buf_z(out, ", Signature=");
    put_hex(out, signature, HASH_BYTES);
    return tg_buf_z(out, "\r\n");
}

tg_err tg_sigv4_sign(const struct tg_sigv4 *who, const struct tg_sigv4_request *what,
                     uint64_t wall_s, struct tg_buf *fields)
{
    struct signing s = { .who = who, .what = what };
    unsigned char signature[HASH_BYTES];

    tg_err err = may_sign(who, what) ? set_moment(&s, wall_s) : TG_EINVAL;
    if (!err)
        err = put_request(&s);
    if (!err)
        err = put_string_to_sign(&s);
    if (!err)
        err = sign_text(&s, signature);
    if (!err)
        err = put_fields(&s, signature);
    if (!err)
        err = tg_buf_str(fields, tg_buf_view(&s.text));
    tg_buf_done(&s.text);
    return err;
}
