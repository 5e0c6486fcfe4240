#include "os/net.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <unistd.h>

enum { PIECES_A_WRITE = 128 };

_Static_assert(sizeof(struct sockaddr_in6) <= sizeof((struct tg_addr *)0)->bytes, "fits");

/* ---- addresses ---- */

static int family(const struct tg_addr *a)
{
    struct sockaddr s;

    memcpy(&s, a->bytes, sizeof s);
    return a->len ? s.sa_family : AF_UNSPEC;
}

tg_err tg_addr_make(struct tg_str ip, uint16_t port, struct tg_addr *out)
{
    struct sockaddr_in v4 = { .sin_family = AF_INET, .sin_port = htons(port) };
    struct sockaddr_in6 v6 = { .sin6_family = AF_INET6, .sin6_port = htons(port) };
    char z[INET6_ADDRSTRLEN];

    if (ip.len >= sizeof z || memchr(ip.at, '\0', ip.len))
        return TG_EINVAL;
    memcpy(z, ip.at, ip.len);
    z[ip.len] = '\0';

    *out = (struct tg_addr){ 0 };
    if (inet_pton(AF_INET, z, &v4.sin_addr) == 1) {
        memcpy(out->bytes, &v4, out->len = sizeof v4);
        return TG_OK;
    }
    if (inet_pton(AF_INET6, z, &v6.sin6_addr) == 1) {
        memcpy(out->bytes, &v6, out->len = sizeof v6);
        return TG_OK;
    }
    return TG_EINVAL;
}

static bool split(struct tg_str text, struct tg_str *host, struct tg_str *port)
{
    if (!tg_str_starts(text, "["))
        return tg_str_cut(text, ':', host, port) && !memchr(port->at, ':', port->len);
    text.at++, text.len--;
    if (!tg_str_cut(text, ']', host, port) || !tg_str_starts(*port, ":"))
        return false;
    port->at++, port->len--;
    return memchr(host->at, ':', host->len) != NULL;
}

tg_err tg_addr_parse(struct tg_str text, struct tg_addr *out)
{
    struct tg_str host, digits;
    uint64_t port;
    struct tg_addr a;

    if (!text.len || !split(text, &host, &digits))
        return TG_EINVAL;
    if (!tg_str_u64(digits, &port) || port > UINT16_MAX)
        return TG_EINVAL;
    if (!host.len)
        host = TG_STR("::");
    else if (tg_str_iis(host, "localhost"))
        host = TG_STR("127.0.0.1");
    tg_err err = tg_addr_make(host, (uint16_t)port, &a);
    if (!err)
        *out = a;
    return err;
}

struct tg_str tg_addr_ip(const struct tg_addr *a)
{
    const char *at = (const char *)a->bytes;

    switch (family(a)) {
    case AF_INET:
        return (struct tg_str){ at + offsetof(struct sockaddr_in, sin_addr), 4 };
    case AF_INET6:
        return (struct tg_str){ at + offsetof(struct sockaddr_in6, sin6_addr), 16 };
    }
    return (struct tg_str){ 0 };
}

/* The port stands at the same place in both families. */
uint16_t tg_addr_port(const struct tg_addr *a)
{
    uint16_t port;

    memcpy(&port, a->bytes + offsetof(struct sockaddr_in, sin_port), sizeof port);
    return ntohs(port);
}

void tg_addr_put(const struct tg_addr *a, char text[64])
{
    char ip[INET6_ADDRSTRLEN] = "?";
    struct tg_str bytes = tg_addr_ip(a);

    if (bytes.len)
        inet_ntop(family(a), bytes.at, ip, sizeof ip);
    snprintf(text, 64, bytes.len == 16 ? "[%s]:%u" : "%s:%u", ip, tg_addr_port(a));
}

bool tg_addr_is_loopback(const struct tg_addr *a)
{
    static const char one[16] = { [15] = 1 }, mapped[12] = { [10] = '\xff', '\xff' };
    struct tg_str ip = tg_addr_ip(a);

    if (ip.len == 16 && memcmp(ip.at, mapped, sizeof mapped) == 0)
        return ip.at[12] == 127;
    if (ip.len == 16)
        return memcmp(ip.at, one, sizeof one) == 0;
    return ip.len == 4 && ip.at[0] == 127;
}

/* ---- listening ---- */

static int close_failed(int fd)
{
    int why = errno;

    close(fd);
    errno = why;
    return -1;
}

/* TCP_NODELAY is handed down to accepted connections. */
static int listener(const struct tg_addr *a, int backlog)
{
    int on = 1, off = 0;
    int fd = socket(family(a), SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);

    if (fd < 0)
        return -1;
    if (setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on)
        || setsockopt(fd, SOL_SOCKET, SO_REUSEPORT, &on, sizeof on)
        || setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on))
        return close_failed(fd);
    if (family(a) == AF_INET6)
        setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &off, sizeof off);
    if (bind(fd, (const struct sockaddr *)a->bytes, a->len) || listen(fd, backlog))
        return close_failed(fd);
    return fd;
}

static bool is_any(const struct tg_addr *a)
{
    static const char zero[16];
    struct tg_str ip = tg_addr_ip(a);

    return ip.len == 16 && memcmp(ip.at, zero, 16) == 0;
}

tg_err tg_net_listen(const struct tg_addr *a, int backlog, int *fd, struct tg_addr *bound)
{
    struct sockaddr_in6 name;
    socklen_t len = sizeof name;
    int got = listener(a, backlog);

    /* "All addresses" on a machine without IPv6. */
    if (got < 0 && is_any(a) && (errno == EAFNOSUPPORT || errno == EADDRNOTAVAIL)) {
        struct tg_addr v4;
        tg_addr_make(TG_STR("0.0.0.0"), tg_addr_port(a), &v4);
        got = listener(&v4, backlog);
    }
    if (got < 0)
        return TG_ESYSTEM;
    if (bound) {
        if (getsockname(got, (struct sockaddr *)&name, &len)) {
            close_failed(got);
            return TG_ESYSTEM;
        }
        *bound = (struct tg_addr){ .len = len };
        memcpy(bound->bytes, &name, len);
    }
    *fd = got;
    return TG_OK;
}

bool tg_net_is_taken(const struct tg_addr *a)
{
    const struct sockaddr *name = (const struct sockaddr *)a->bytes;
    int one = 1, fd = socket(name->sa_family, SOCK_STREAM | SOCK_CLOEXEC, 0);
    bool taken;

    if (fd < 0)
        return false;
    setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof one);
    taken = tg_addr_port(a) && bind(fd, name, a->len) && errno == EADDRINUSE;
    close(fd);
    return taken;
}

tg_err tg_net_accept(int from_fd, int *fd, struct tg_addr *from)
{
    for (;;) {
        struct sockaddr_in6 name;
        socklen_t len = sizeof name;
        int got = accept4(from_fd, (struct sockaddr *)&name, &len, SOCK_NONBLOCK | SOCK_CLOEXEC);

        if (got >= 0) {
            *fd = got;
            if (from) {
                *from = (struct tg_addr){ .len = len };
                memcpy(from->bytes, &name, len);
            }
            return TG_OK;
        }
        switch (errno) {
        case EAGAIN:
            return TG_AGAIN;
        case EMFILE:
        case ENFILE:
        case ENOBUFS:
        case ENOMEM:
        case EBADF:
        case EINVAL:
        case ENOTSOCK:
        case EOPNOTSUPP:
        case EPERM:
            return TG_ESYSTEM;
        }
        /* The rest is about a connection that died while it waited: next. */
    }
}

/* ---- connecting ---- */

tg_err tg_net_socket(const struct tg_addr *a, int *fd)
{
    int on = 1;
    int got = socket(family(a), SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);

    if (got < 0)
        return TG_ESYSTEM;
    setsockopt(got, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    *fd = got;
    return TG_OK;
}

tg_err tg_net_connect(const struct tg_addr *a, int *fd)
{
    int got;

    if (tg_net_socket(a, &got))
        return TG_ECONNECT;
    if (connect(got, (const struct sockaddr *)a->bytes, a->len) && errno != EINPROGRESS
        && errno != EINTR) {
        close_failed(got);
        return TG_ECONNECT;
    }
    *fd = got;
    return TG_OK;
}

tg_err tg_net_connected(int fd)
{
    int why = 0;
    socklen_t len = sizeof why;

    if (getsockopt(fd, SOL_SOCKET, SO_ERROR, &why, &len))
        return TG_ECONNECT;
    errno = why;
    return why ? TG_ECONNECT : TG_OK;
}

/* ---- bytes ---- */

tg_err tg_net_read(int fd, void *at, size_t cap, size_t *n)
{
    ssize_t got;

    do
        got = recv(fd, at, cap, 0);
    while (got < 0 && errno == EINTR);
    if (got > 0) {
        *n = (size_t)got;
        return TG_OK;
    }
    *n = 0;
    if (got < 0 && errno == EAGAIN)
        return TG_AGAIN;
    if (got == 0)
        errno = 0;
    return TG_EPEER;
}

tg_err tg_net_write(int fd, const struct tg_str *pieces, size_t count, size_t *n)
{
    struct iovec io[PIECES_A_WRITE];
    struct msghdr m = { .msg_iov = io };
    ssize_t put;

    for (; m.msg_iovlen < count && m.msg_iovlen < PIECES_A_WRITE; m.msg_iovlen++) {
        const struct tg_str *p = &pieces[m.msg_iovlen];
        io[m.msg_iovlen] = (struct iovec){ (void *)(uintptr_t)p->at, p->len };
    }
    do
        put = sendmsg(fd, &m, MSG_NOSIGNAL);
    while (put < 0 && errno == EINTR);
    if (put >= 0) {
        *n = (size_t)put;
        return TG_OK;
    }
    *n = 0;
    return errno == EAGAIN ? TG_AGAIN : TG_EPEER;
}

void tg_net_poll(int fd, bool *readable, bool *writable)
{
    struct pollfd p = { .fd = fd, .events = POLLIN | POLLOUT };
    int got = poll(&p, 1, 0);

    *readable = got > 0 && p.revents & (POLLIN | POLLHUP | POLLERR | POLLNVAL);
    *writable = got > 0 && p.revents & (POLLOUT | POLLHUP | POLLERR | POLLNVAL);
}

bool tg_net_peer_gone(int fd)
{
    struct pollfd p = { .fd = fd, .events = POLLRDHUP };

    return poll(&p, 1, 0) > 0 && p.revents;
}

void tg_net_spoil(int fd)
{
    char waste[4096];
    size_t n;

    shutdown(fd, SHUT_RDWR);
    while (tg_net_read(fd, waste, sizeof waste, &n) == TG_OK)
        ;
}

void tg_net_end(int fd)
{
    shutdown(fd, SHUT_WR);
}

void tg_net_close(int fd)
{
    close(fd);
}

void tg_net_reset(int fd)
{
    struct linger now = { .l_onoff = 1 };

    setsockopt(fd, SOL_SOCKET, SO_LINGER, &now, sizeof now);
    close(fd);
}
