/* url.h -- take an http(s) URL apart; nothing else is accepted.
 *
 * For base URLs that the operator writes. User names, fragments, white space,
 * "." and ".." in the path, names that are not plain ASCII and addresses in
 * any notation but the usual one (127.1, 0x7f000001, 0177.0.0.1, zones) are
 * refused, so that what is shown is where it goes. */
#ifndef TG_URL_H
#define TG_URL_H

#include <stdbool.h>
#include <stdint.h>
#include "base/buf.h"
#include "base/err.h"
#include "base/str.h"

enum { TG_URL_MAX = 2048 };      /* bytes of a whole URL */

struct tg_url {
    bool          is_tls;
    struct tg_str host;        /* name or address; IPv6 without brackets */
    bool          is_ipv6;
    uint16_t      port;
    struct tg_str path;        /* from the first '/', no trailing '/'; may be empty */
    struct tg_str query;       /* behind '?', may be empty */
};

/* Views hold as long as `text`. TG_EINVAL with one static sentence in *why. */
tg_err tg_url_parse(struct tg_str text, struct tg_url *out, const char **why);

/* The bytes of a host that is an address: 4 or 16 of them; 0 for a name. */
size_t tg_url_address(const struct tg_url *u, unsigned char addr[16]);

/* Append the Host field's value: brackets and port where needed. */
tg_err tg_url_put_host(const struct tg_url *u, struct tg_buf *out);

/* Is `s` a path segment or slug that may stand in a URL as it is: letters,
 * digits and -._~:@ only, not "." or ".."? */
bool tg_url_is_segment(struct tg_str s);

/* Append `s` percent-decoded; TG_EINVAL for broken escapes and for %00. A '+'
 * becomes a space when `plus_is_space`. */
tg_err tg_url_decode(struct tg_str s, bool plus_is_space, struct tg_buf *out);

/* The address check for destinations that are not the operator's own words:
 * true only for addresses of the public internet. False for loopback, private,
 * link-local, CGNAT, 0/8, multicast, reserved, and for the IPv6 forms that
 * carry such an IPv4 address (mapped, NAT64, 6to4) or always (compatible,
 * Teredo).
 * `addr` is 4 or 16 bytes in network order. */
bool tg_url_is_public(const unsigned char *addr, size_t len);

#endif
