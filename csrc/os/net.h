/* net.h -- sockets: listen, accept, connect, read, write; all non-blocking. */
#ifndef TG_NET_H
#define TG_NET_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "base/err.h"
#include "base/str.h"

enum {
    TG_ADDR_TEXT_MAX = 128,      /* with the NUL */
    TG_NET_PATH_MAX  = 107       /* of a socket file */
};

struct tg_addr {                 /* an IPv4 or IPv6 address with port, or a socket file */
    unsigned char bytes[112];    /* a sockaddr_in, sockaddr_in6 or sockaddr_un */
    unsigned      len;
};

/* "127.0.0.1:8080", "[::1]:0", "localhost:8080", ":8080" (all addresses),
 * "unix:/run/tidegate.sock". Numbers, localhost and absolute paths only.
 * TG_EINVAL. */
tg_err tg_addr_parse(struct tg_str text, struct tg_addr *out);
/* From the text of an IPv4 or IPv6 address, without brackets. TG_EINVAL. */
tg_err tg_addr_make(struct tg_str ip, uint16_t port, struct tg_addr *out);
/* "127.0.0.1:80", "[::1]:80", "unix:/run/tidegate.sock" */
void   tg_addr_put(const struct tg_addr *a, char text[TG_ADDR_TEXT_MAX]);
/* Can nobody but this machine reach it? A socket file always. */
bool   tg_addr_is_loopback(const struct tg_addr *a);
/* The path of a socket file; NULL of others. Holds as long as the address. */
const char *tg_addr_path(const struct tg_addr *a);
/* The 4 or 16 address bytes, for tg_url_is_public(); empty for a socket file. */
struct tg_str tg_addr_ip(const struct tg_addr *a);
uint16_t tg_addr_port(const struct tg_addr *a);          /* 0 for a socket file */

/* A listening socket (SO_REUSEADDR, and SO_REUSEPORT so that every engine has
 * its own); *bound gets the address with the port the kernel chose. A socket
 * file is of mode 0600, and takes the place of one at which nobody listens any
 * more. TG_ESYSTEM with errno: EADDRINUSE when somebody does, EEXIST when what
 * is there is no socket. */
tg_err tg_net_listen(const struct tg_addr *a, int backlog, int *fd, struct tg_addr *bound);

/* One more descriptor of the same listening socket: a socket file has one, which
 * several loops may watch. TG_ESYSTEM. */
tg_err tg_net_share(int fd, int *another);

/* Which socket file it is, so that the end of one server does not take away
 * another's: both do nothing for other addresses. */
struct tg_net_file {
    uint64_t device, inode;
};
void tg_net_remember(const struct tg_addr *a, struct tg_net_file *out);
void tg_net_remove(const struct tg_addr *a, const struct tg_net_file *file);

/* Remove the socket files of a directory at which nobody listens. */
void tg_net_sweep(const char *directory);

/* Does somebody listen there already? SO_REUSEPORT alone would let two servers
 * share a port without either knowing. */
bool tg_net_is_taken(const struct tg_addr *a);

/* A connection that waits, or TG_AGAIN. Non-blocking, close-on-exec,
 * TCP_NODELAY. TG_ESYSTEM with errno when out of files: try later. */
tg_err tg_net_accept(int from_fd, int *fd, struct tg_addr *from);

/* A socket for connections to that kind of address: non-blocking,
 * close-on-exec, TCP_NODELAY. TG_ESYSTEM. */
tg_err tg_net_socket(const struct tg_addr *a, int *fd);

/* Begin to connect: TG_OK (connected or under way: wait for TG_LOOP_WRITE,
 * then ask tg_net_connected()) or TG_ECONNECT. */
tg_err tg_net_connect(const struct tg_addr *a, int *fd);
tg_err tg_net_connected(int fd);

/* Read what is there: TG_OK with n > 0, TG_AGAIN, TG_EPEER at the end of the
 * stream (errno 0) or on an error (errno says which). */
tg_err tg_net_read(int fd, void *at, size_t cap, size_t *n);

/* Write pieces: TG_OK with how much went (maybe not all), TG_AGAIN, TG_EPEER.
 * Never raises SIGPIPE. */
tg_err tg_net_write(int fd, const struct tg_str *pieces, size_t count, size_t *n);

/* What could be done at once; both when there is an error to learn of. */
void tg_net_poll(int fd, bool *readable, bool *writable);

/* Has the peer closed or reset, without taking bytes away? */
bool tg_net_peer_gone(int fd);

/* Throw away what waits to be read and end both directions; the descriptor
 * stays: for sockets that belong to another library. */
void tg_net_spoil(int fd);

/* Say that nothing more will be written; reading goes on. */
void tg_net_end(int fd);

void tg_net_close(int fd);
/* Close so that the peer sees a reset. */
void tg_net_reset(int fd);

#endif
