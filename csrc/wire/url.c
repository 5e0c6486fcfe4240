#include "wire/url.h"

#include <string.h>

enum {
    NAME_MAX_BYTES = 253,      /* RFC 1035, without the root's dot */
    LABEL_MAX_BYTES = 63
};

static bool is_digit(char c)
{
    return c >= '0' && c <= '9';
}

static bool is_alnum(char c)
{
    return is_digit(c) || ((c | 0x20) >= 'a' && (c | 0x20) <= 'z');
}

static int hex(char c)
{
    if (is_digit(c))
        return c - '0';
    c |= 0x20;
    return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

static tg_err refuse(const char **why, const char *sentence)
{
    *why = sentence;
    return TG_EINVAL;
}

/* ---- addresses ---- */

/* Four decimal octets and nothing else: no leading zeros, which some readers
 * take for octal. */
static bool read_ipv4(struct tg_str s, unsigned char addr[4])
{
    for (int i = 0; i < 4; i++) {
        struct tg_str octet;
        uint64_t n;
        if (tg_str_cut(s, '.', &octet, &s) != (i < 3))
            return false;
        if (octet.len > 3 || !tg_str_u64(octet, &n) || n > 255)
            return false;
        if (octet.len > 1 && *octet.at == '0')
            return false;
        addr[i] = (unsigned char)n;
    }
    return true;
}

static bool read_group(struct tg_str s, unsigned char out[2])
{
    unsigned n = 0;

    if (s.len == 0 || s.len > 4)
        return false;
    for (size_t i = 0; i < s.len; i++) {
        if (hex(s.at[i]) < 0)
            return false;
        n = n * 16 + (unsigned)hex(s.at[i]);
    }
    out[0] = (unsigned char)(n >> 8);
    out[1] = (unsigned char)n;
    return true;
}

/* "a:b:c", the last one perhaps as IPv4: *n bytes of 16 at most; none for no
 * text. */
static bool read_groups(struct tg_str s, bool may_end_in_ipv4, unsigned char addr[16], size_t *n)
{
    struct tg_str group;

    *n = 0;
    for (bool more = s.len > 0; more;) {
        more = tg_str_cut(s, ':', &group, &s);
        if (!more && may_end_in_ipv4 && *n <= 12 && read_ipv4(group, addr + *n)) {
            *n += 4;
            return true;
        }
        if (*n == 16 || !read_group(group, addr + *n))
            return false;
        *n += 2;
    }
    return true;
}

/* RFC 4291, 2.2: eight groups, or fewer around one "::". No zone. */
static bool read_ipv6(struct tg_str s, unsigned char addr[16])
{
    unsigned char tail[16];
    size_t before, behind;
    const char *gap = s.len ? memmem(s.at, s.len, "::", 2) : NULL;

    if (!gap)
        return read_groups(s, true, addr, &before) && before == 16;
    struct tg_str head = { s.at, (size_t)(gap - s.at) };
    struct tg_str rest = { gap + 2, s.len - head.len - 2 };
    if (!read_groups(head, false, addr, &before) || !read_groups(rest, true, tail, &behind))
        return false;
    if (before + behind > 14)
        return false;
    memset(addr + before, 0, 16 - before - behind);
    memcpy(addr + 16 - behind, tail, behind);
    return true;
}

size_t tg_url_address(const struct tg_url *u, unsigned char addr[16])
{
    if (u->is_ipv6)
        return read_ipv6(u->host, addr) ? 16 : 0;
    return read_ipv4(u->host, addr) ? 4 : 0;
}

struct net {
    unsigned char at[4];
    unsigned      bits;
};

static bool is_in(const unsigned char *addr, struct net net)
{
    for (unsigned i = 0; i < 4; i++) {
        unsigned bits = net.bits > 8 * i ? net.bits - 8 * i : 0;
        unsigned char mask = bits >= 8 ? 0xff : (unsigned char)(0xff00 >> bits);
        if ((addr[i] ^ net.at[i]) & mask)
            return false;
    }
    return true;
}

static bool is_in_any(const unsigned char *addr, const struct net *nets, size_t n)
{
    while (n--)
        if (is_in(addr, nets[n]))
            return true;
    return false;
}

/* The IANA registry of special-purpose addresses, and multicast. */
static bool is_public_ipv4(const unsigned char *addr)
{
    static const struct net special[] = {
        { { 0, 0, 0, 0 }, 8 },       { { 10, 0, 0, 0 }, 8 },      { { 100, 64, 0, 0 }, 10 },
        { { 127, 0, 0, 0 }, 8 },     { { 169, 254, 0, 0 }, 16 },  { { 172, 16, 0, 0 }, 12 },
        { { 192, 0, 0, 0 }, 24 },    { { 192, 0, 2, 0 }, 24 },    { { 192, 88, 99, 0 }, 24 },
        { { 192, 168, 0, 0 }, 16 },  { { 198, 18, 0, 0 }, 15 },   { { 198, 51, 100, 0 }, 24 },
        { { 203, 0, 113, 0 }, 24 },  { { 224, 0, 0, 0 }, 3 },
    };
    return !is_in_any(addr, special, sizeof special / sizeof *special);
}

static bool is_public_ipv6(const unsigned char *addr)
{
    static const unsigned char mapped[12] = { [10] = 0xff, [11] = 0xff };
    static const unsigned char nat64[12] = { 0x00, 0x64, 0xff, 0x9b };
    /* 2000::/3 is all that was ever given out; of it, IETF protocols with
     * Teredo, the two documentation networks. The rest (loopback, compatible,
     * unique local, link-local, multicast) lies outside. */
    static const struct net global = { { 0x20, 0, 0, 0 }, 3 };
    static const struct net special[] = {
        { { 0x20, 0x01, 0x00, 0x00 }, 23 },
        { { 0x20, 0x01, 0x0d, 0xb8 }, 32 },
        { { 0x3f, 0xff, 0x00, 0x00 }, 20 },
    };
    static const struct net sixtofour = { { 0x20, 0x02, 0, 0 }, 16 };

    if (memcmp(addr, mapped, 12) == 0 || memcmp(addr, nat64, 12) == 0)
        return is_public_ipv4(addr + 12);
    if (is_in(addr, sixtofour))
        return is_public_ipv4(addr + 2);
    return is_in(addr, global) && !is_in_any(addr, special, sizeof special / sizeof *special);
}

bool tg_url_is_public(const unsigned char *addr, size_t len)
{
    return len == 4 ? is_public_ipv4(addr) : len == 16 && is_public_ipv6(addr);
}

/* ---- parts of a URL ---- */

/* Would inet_aton() take a name that ends in this label for an address? */
static bool is_number(struct tg_str label)
{
    size_t i = 0;
    bool is_hex = label.len >= 2 && label.at[0] == '0' && (label.at[1] | 0x20) == 'x';

    for (i = is_hex ? 2 : 0; i < label.len; i++)
        if (is_hex ? hex(label.at[i]) < 0 : !is_digit(label.at[i]))
            return false;
    return true;
}

static tg_err check_name(struct tg_str host, const char **why)
{
    struct tg_str rest = host, label;
    unsigned char addr[4];

    if (host.len > NAME_MAX_BYTES)
        return refuse(why, "The host name is too long.");
    for (bool more = true; more;) {
        more = tg_str_cut(rest, '.', &label, &rest);
        if (label.len == 0)
            return refuse(why, "The host name has an empty label.");
        if (label.len > LABEL_MAX_BYTES)
            return refuse(why, "A label of the host name is too long.");
        for (size_t i = 0; i < label.len; i++)
            if (!is_alnum(label.at[i]) && label.at[i] != '-' && label.at[i] != '_')
                return refuse(why, "The host name has a character other than a-z, 0-9, -, _.");
    }
    if (is_number(label) && !read_ipv4(host, addr))
        return refuse(why, "The address is not written as four decimal numbers.");
    return TG_OK;
}

static tg_err read_port(struct tg_str s, struct tg_url *u, const char **why)
{
    uint64_t port;

    if (s.len > 5 || !tg_str_u64(s, &port) || port == 0 || port > 65535)
        return refuse(why, "The port is not a number from 1 to 65535.");
    u->port = (uint16_t)port;
    return TG_OK;
}

static tg_err read_bracketed(struct tg_str s, struct tg_url *u, const char **why)
{
    unsigned char addr[16];
    struct tg_str rest;

    s.at++, s.len--;
    if (!tg_str_cut(s, ']', &u->host, &rest) || !read_ipv6(u->host, addr))
        return refuse(why, "What stands in brackets is not an IPv6 address.");
    u->is_ipv6 = true;
    if (rest.len == 0)
        return TG_OK;
    if (*rest.at != ':')
        return refuse(why, "Only a port may follow the bracket.");
    return read_port((struct tg_str){ rest.at + 1, rest.len - 1 }, u, why);
}

static tg_err read_authority(struct tg_str s, struct tg_url *u, const char **why)
{
    struct tg_str port;

    if (s.len && memchr(s.at, '@', s.len))
        return refuse(why, "The URL has a user name.");
    if (s.len && *s.at == '[')
        return read_bracketed(s, u, why);
    bool has_port = tg_str_cut(s, ':', &u->host, &port);
    if (u->host.len == 0)
        return refuse(why, "The URL has no host.");
    tg_err err = check_name(u->host, why);
    if (err || !has_port)
        return err;
    return read_port(port, u, why);
}

/* RFC 3986, 3.3 and 3.4: what may stand in a path or a query. */
#define PATH_MARKS  "-._~!$&'()*+,;=:@/"
#define QUERY_MARKS PATH_MARKS "?"

static bool is_url_text(struct tg_str s, const char *marks)
{
    for (size_t i = 0; i < s.len; i++) {
        char c = s.at[i];
        if (c == '%') {
            if (s.len - i < 3 || hex(s.at[i + 1]) < 0 || hex(s.at[i + 2]) < 0)
                return false;
            continue;
        }
        if (!is_alnum(c) && (c == '\0' || !strchr(marks, c)))
            return false;
    }
    return true;
}

static bool is_dots(struct tg_str segment)
{
    return tg_str_is(segment, ".") || tg_str_is(segment, "..");
}

static tg_err read_path(struct tg_str s, struct tg_url *u, const char **why)
{
    struct tg_str rest, segment;

    tg_str_cut(s, '?', &u->path, &u->query);
    if (!is_url_text(u->path, PATH_MARKS) || !is_url_text(u->query, QUERY_MARKS))
        return refuse(why, "The path or query has a character that must be percent-encoded.");
    rest = u->path;
    for (bool more = true; more;) {
        more = tg_str_cut(rest, '/', &segment, &rest);
        if (is_dots(segment))
            return refuse(why, "The path has a segment \".\" or \"..\".");
    }
    while (u->path.len && u->path.at[u->path.len - 1] == '/')
        u->path.len--;
    return TG_OK;
}

static tg_err check_characters(struct tg_str s, const char **why)
{
    if (s.len > TG_URL_MAX)
        return refuse(why, "The URL is too long.");
    for (size_t i = 0; i < s.len; i++) {
        if ((unsigned char)s.at[i] <= 0x20 || s.at[i] == 0x7f)
            return refuse(why, "The URL has white space or a control character.");
        if ((unsigned char)s.at[i] > 0x7f)
            return refuse(why, "The URL has a character that is not ASCII.");
        if (s.at[i] == '\\')
            return refuse(why, "The URL has a backslash.");
        if (s.at[i] == '#')
            return refuse(why, "The URL has a fragment.");
    }
    return TG_OK;
}

/* "http://" or "https://" off the front of *s. */
static bool take_scheme(struct tg_str *s, bool *is_tls)
{
    static const char *const schemes[] = { "http://", "https://" };

    for (size_t i = 0; i < 2; i++) {
        size_t n = strlen(schemes[i]);
        if (s->len < n || !tg_str_iis((struct tg_str){ s->at, n }, schemes[i]))
            continue;
        s->at += n, s->len -= n;
        *is_tls = i == 1;
        return true;
    }
    return false;
}

tg_err tg_url_parse(struct tg_str text, struct tg_url *out, const char **why)
{
    struct tg_url u = { 0 };
    size_t n = 0;
    tg_err err = check_characters(text, why);

    if (err)
        return err;
    if (!take_scheme(&text, &u.is_tls))
        return refuse(why, "The URL does not begin with http:// or https://.");
    u.port = u.is_tls ? 443 : 80;
    while (n < text.len && text.at[n] != '/' && text.at[n] != '?')
        n++;
    if ((err = read_authority((struct tg_str){ text.at, n }, &u, why)))
        return err;
    if ((err = read_path((struct tg_str){ text.at + n, text.len - n }, &u, why)))
        return err;
    *out = u;
    return TG_OK;
}

tg_err tg_url_put_host(const struct tg_url *u, struct tg_buf *out)
{
    if (u->is_ipv6)
        tg_buf_char(out, '[');
    tg_buf_str(out, u->host);
    if (u->is_ipv6)
        tg_buf_char(out, ']');
    if (u->port != (u->is_tls ? 443 : 80)) {
        tg_buf_char(out, ':');
        tg_buf_u64(out, u->port);
    }
    return out->bad ? TG_ENOMEM : TG_OK;
}

bool tg_url_is_segment(struct tg_str s)
{
    for (size_t i = 0; i < s.len; i++)
        if (!is_alnum(s.at[i]) && (s.at[i] == '\0' || !strchr("-._~:@", s.at[i])))
            return false;
    return s.len > 0 && !is_dots(s);
}

static bool is_decodable(struct tg_str s)
{
    for (size_t i = 0; i < s.len; i++) {
        if (s.at[i] == '\0')
            return false;
        if (s.at[i] != '%')
            continue;
        if (s.len - i < 3 || hex(s.at[i + 1]) < 0 || hex(s.at[i + 2]) < 0)
            return false;
        if (s.at[i + 1] == '0' && s.at[i + 2] == '0')
            return false;
    }
    return true;
}

tg_err tg_url_decode(struct tg_str s, bool plus_is_space, struct tg_buf *out)
{
    if (!is_decodable(s))
        return TG_EINVAL;
    tg_err err = tg_buf_reserve(out, s.len);
    if (err)
        return err;
    for (size_t i = 0; i < s.len; i++) {
        char c = s.at[i];
        if (c == '%') {
            c = (char)(hex(s.at[i + 1]) << 4 | hex(s.at[i + 2]));
            i += 2;
        } else if (c == '+' && plus_is_space) {
            c = ' ';
        }
        out->at[out->len++] = c;
    }
    return TG_OK;
}
