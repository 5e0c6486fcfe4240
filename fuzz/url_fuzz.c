/* url_fuzz.c -- a URL that is taken can be written down again and means the
 * same; its host holds nothing that another reader could understand
 * differently. */
#include "wire/url.h"

#include <arpa/inet.h>
#include <assert.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check_address(const struct tg_url *u)
{
    unsigned char addr[16], other[16];
    struct in_addr loose;
    char text[TG_URL_MAX + 1];
    size_t n = tg_url_address(u, addr);

    memcpy(text, u->host.at, u->host.len);
    text[u->host.len] = '\0';
    assert(u->is_ipv6 ? n == 16 : n == 4 || n == 0);
    if (n)
        assert(inet_pton(n == 16 ? AF_INET6 : AF_INET, text, other) == 1
               && memcmp(addr, other, n) == 0);
    else
        assert(!inet_aton(text, &loose));
    if (n)
        tg_url_is_public(addr, n);
}

static void check_again(const struct tg_url *u)
{
    struct tg_buf b = { 0 };
    struct tg_url again;
    const char *why;

    tg_buf_z(&b, u->is_tls ? "https://" : "http://");
    assert(tg_url_put_host(u, &b) == TG_OK);
    tg_buf_str(&b, u->path);
    tg_buf_char(&b, '?');
    tg_buf_str(&b, u->query);
    /* An added '?' can pass the limit. */
    if (b.len <= TG_URL_MAX) {
        assert(tg_url_parse(tg_buf_view(&b), &again, &why) == TG_OK);
        assert(again.is_tls == u->is_tls && again.port == u->port && again.is_ipv6 == u->is_ipv6);
        assert(tg_str_eq(again.host, u->host) && tg_str_eq(again.path, u->path));
        assert(tg_str_eq(again.query, u->query));
    }
    tg_buf_done(&b);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct tg_str s = { (const char *)data, size };
    struct tg_buf b = { 0 };
    struct tg_url u;
    const char *why = NULL;

    tg_err err = tg_url_parse(s, &u, &why);
    assert(err == TG_OK ? !why : err == TG_EINVAL && why);
    if (!err) {
        assert(u.port > 0 && u.host.len > 0);
        assert(u.path.len == 0 || (*u.path.at == '/' && u.path.at[u.path.len - 1] != '/'));
        check_address(&u);
        check_again(&u);
    }

    err = tg_url_decode(s, size & 1, &b);
    assert(err == TG_OK || (err == TG_EINVAL && b.len == 0));
    assert(b.len <= size && (b.len == 0 || !memchr(b.at, '\0', b.len)));
    tg_buf_done(&b);

    if (tg_url_is_segment(s))
        assert(size && !memchr(data, '/', size) && !memchr(data, '%', size));
    return 0;
}
