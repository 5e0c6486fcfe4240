/* client_impl.h -- what an implementation of a client provides. Private to
 * csrc/peer. */
#ifndef TG_CLIENT_IMPL_H
#define TG_CLIENT_IMPL_H

#include "peer/client.h"

/* The words of client.h about one client. */
struct tg_client_impl {
    void (*attach)(struct tg_client *c, void *what);
    struct tg_buf (*take_body)(struct tg_client *c, struct tg_str body);
    void (*reply)(struct tg_client *c, int status, struct tg_str fields, struct tg_str body);
    void (*begin)(struct tg_client *c, int status, struct tg_str fields);
    bool (*send)(struct tg_client *c, struct tg_str bytes);
    void (*end)(struct tg_client *c, struct tg_str last);
    void (*abort)(struct tg_client *c);
};

/* First in whatever an implementation keeps of a client. */
struct tg_client {
    const struct tg_client_impl *impl;
};

extern const struct tg_client_impl tg_client_h1;       /* a connection */

#endif
