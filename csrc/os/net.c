#include "os/net.h"

#include <arpa/inet.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <sys/un.h>
#include <unistd.h>

enum { PIECES_A_WRITE = 128, LOCK_TRIES = 50, LOCK_PAUSE_US = 20 * 1000 };

_Static_assert(sizeof(struct sockaddr_in6) <= sizeof((struct tg_addr *)0)->bytes, "fits");
_Static_assert(sizeof(struct sockaddr_un) <= sizeof((struct tg_addr *)0)->bytes, "fits");
_Static_assert(sizeof((struct sockaddr_un *)0)->sun_path == TG_NET_PATH_MAX + 1, "is told");

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

static tg_err of_path(struct tg_str path, struct tg_addr *out)
{
    struct sockaddr_un un = { .sun_family = AF_UNIX };

    if (!tg_str_starts(path, "/") || path.len > TG_NET_PATH_MAX || memchr(path.at, '\0', path.len))
        return TG_EINVAL;
    memcpy(un.sun_path, path.at, path.len);
    *out = (struct tg_addr){ .len = sizeof un };
    memcpy(out->bytes, &un, sizeof un);
    return TG_OK;
}

tg_err tg_addr_parse(struct tg_str text, struct tg_addr *out)
{
    struct tg_str host, digits;
    uint64_t port;
    struct tg_addr a;

    if (tg_str_starts(text, "unix:"))
        return of_path((struct tg_str){ text.at + 5, text.len - 5 }, out);
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

const char *tg_addr_path(const struct tg_addr *a)
{
    return family(a) == AF_UNIX ? (const char *)a->bytes + offsetof(struct sockaddr_un, sun_path)
                                : NULL;
}

/* The port stands at the same place in both families that have one. */
uint16_t tg_addr_port(const struct tg_addr *a)
{
    uint16_t port;

    if (tg_addr_path(a))
        return 0;
    memcpy(&port, a->bytes + offsetof(struct sockaddr_in, sin_port), sizeof port);
    return ntohs(port);
}

void tg_addr_put(const struct tg_addr *a, char text[TG_ADDR_TEXT_MAX])
{
    char ip[INET6_ADDRSTRLEN] = "?";
    struct tg_str bytes = tg_addr_ip(a);
    const char *path = tg_addr_path(a);

    if (path) {
        snprintf(text, TG_ADDR_TEXT_MAX, "unix:%s", path);
        return;
    }
    if (bytes.len)
        inet_ntop(family(a), bytes.at, ip, sizeof ip);
    snprintf(text, TG_ADDR_TEXT_MAX, bytes.len == 16 ? "[%s]:%u" : "%s:%u", ip, tg_addr_port(a));
}

bool tg_addr_is_loopback(const struct tg_addr *a)
{
    static const char one[16] = { [15] = 1 }, mapped[12] = { [10] = '\xff', '\xff' };
    struct tg_str ip = tg_addr_ip(a);

    if (tg_addr_path(a))
        return true;
    if (ip.len == 16 && memcmp(ip.at, mapped, sizeof mapped) == 0)
        return ip.at[12] == 127;
    if (ip.len == 16)
        return memcmp(ip.at, one, sizeof one) == 0;
    return ip.len == 4 && ip.at[0] == 127;
}

static int close_failed(int fd)
{
    int why = errno;

    close(fd);
    errno = why;
    return -1;
}

/* ---- socket files ---- */

/* Whoever makes or removes a socket file holds its directory meanwhile, so that
 * nobody takes one for left behind at which the other is only about to listen.
 * Somebody who never lets go costs a second. -1: it cannot be held. */
static int hold_directory(const char *path)
{
    char directory[TG_NET_PATH_MAX + 1];
    size_t len = (size_t)(strrchr(path, '/') - path);
    int fd;

    memcpy(directory, path, len);
    memcpy(directory + len, len ? "" : "/", len ? 1 : 2);
    fd = open(directory, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    for (int i = 0; fd >= 0 && i < LOCK_TRIES && flock(fd, LOCK_EX | LOCK_NB); i++)
        usleep(LOCK_PAUSE_US);
    return fd;
}

static void let_go(int directory)
{
    int why = errno;

    if (directory >= 0)
        close(directory);
    errno = why;
}

/* Nobody answers, and it is no accident: a queue that is full is somebody's. */
static bool is_left_behind(const struct tg_addr *a)
{
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    bool refused = fd >= 0 && connect(fd, (const struct sockaddr *)a->bytes, a->len)
                   && errno == ECONNREFUSED;

    if (fd >= 0)
        close(fd);
    return refused;
}

static bool is_socket(const struct tg_addr *a)
{
    struct stat st;

    return lstat(tg_addr_path(a), &st) == 0 && S_ISSOCK(st.st_mode);
}

/* Make place: TG_OK when nothing is there any more. */
static tg_err clear_path(const struct tg_addr *a)
{
    const char *path = tg_addr_path(a);

    if (access(path, F_OK) && errno == ENOENT)
        return TG_OK;
    if (!is_socket(a)) {
        errno = EEXIST;
        return TG_ESYSTEM;
    }
    if (!is_left_behind(a)) {
        errno = EADDRINUSE;
        return TG_ESYSTEM;
    }
    return unlink(path) && errno != ENOENT ? TG_ESYSTEM : TG_OK;
}

/* Its mode is set before it listens: until then nobody can connect. */
static int file_listener(const struct tg_addr *a, int backlog)
{
    const char *path = tg_addr_path(a);
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    int directory;

    if (fd < 0)
        return -1;
    directory = hold_directory(path);
    if (clear_path(a) || bind(fd, (const struct sockaddr *)a->bytes, a->len)) {
        fd = close_failed(fd);
    } else if (chmod(path, 0600) || listen(fd, backlog)) {
        fd = close_failed(fd);
        unlink(path);
    }
    let_go(directory);
    return fd;
}

tg_err tg_net_share(int fd, int *another)
{
    int got = fcntl(fd, F_DUPFD_CLOEXEC, 0);

    if (got < 0)
        return TG_ESYSTEM;
    *another = got;
    return TG_OK;
}

void tg_net_remember(const struct tg_addr *a, struct tg_net_file *out)
{
    const char *path = tg_addr_path(a);
    struct stat st;

    if (path && lstat(path, &st) == 0)
        *out = (struct tg_net_file){ st.st_dev, st.st_ino };
}

void tg_net_remove(const struct tg_addr *a, const struct tg_net_file *file)
{
    const char *path = tg_addr_path(a);
    struct tg_net_file is = { 0 };

    tg_net_remember(a, &is);
    if (path && is.inode && is.device == file->device && is.inode == file->inode)
        unlink(path);
}

void tg_net_sweep(const char *directory)
{
    DIR *dir = opendir(directory);
    char text[TG_ADDR_TEXT_MAX];
    struct tg_addr a;
    int held = -1;

    if (!dir)
        return;
    for (struct dirent *e; (e = readdir(dir));) {
        int n = snprintf(text, sizeof text, "unix:%s/%s", directory, e->d_name);
        if ((size_t)n >= sizeof text || tg_addr_parse(tg_str_of(text), &a) || !is_socket(&a))
            continue;
        if (held < 0)
            held = hold_directory(tg_addr_path(&a));
        if (is_left_behind(&a))
            unlink(tg_addr_path(&a));
    }
    let_go(held);
    closedir(dir);
}

/* ---- listening ---- */

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
    bool is_file = tg_addr_path(a) != NULL;
    int got = is_file ? file_listener(a, backlog) : listener(a, backlog);

    /* "All addresses" on a machine without IPv6. */
    if (got < 0 && is_any(a) && (errno == EAFNOSUPPORT || errno == EADDRNOTAVAIL)) {
        struct tg_addr v4;
        tg_addr_make(TG_STR("0.0.0.0"), tg_addr_port(a), &v4);
        got = listener(&v4, backlog);
    }
    if (got < 0)
        return TG_ESYSTEM;
    if (bound && is_file) {
        *bound = *a;
    } else if (bound) {
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
    int one = 1, fd = -1;
    bool taken;

    if (tg_addr_path(a))
        return access(tg_addr_path(a), F_OK) == 0 && !is_left_behind(a);
    fd = socket(name->sa_family, SOCK_STREAM | SOCK_CLOEXEC, 0);
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
        struct sockaddr_un name;                 /* the largest there is */
        socklen_t len = sizeof name;
        int got = accept4(from_fd, (struct sockaddr *)&name, &len, SOCK_NONBLOCK | SOCK_CLOEXEC);

        if (got >= 0) {
            *fd = got;
            if (from) {
                *from = (struct tg_addr){ .len = len < sizeof name ? len : sizeof name };
                memcpy(from->bytes, &name, from->len);
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
    if (!tg_addr_path(a))
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
