/* upstream_impl.h -- what an implementation of upstream.h provides. Private to
 * csrc/peer and its tests. */
#ifndef TG_UPSTREAM_IMPL_H
#define TG_UPSTREAM_IMPL_H

#include "peer/upstream.h"

/* The words of upstream.h; `set` is the implementation's own. */
struct tg_upstream_impl {
    void *(*set_new)(struct tg_loop *loop, struct tg_tls_context *tls);
    void  (*set_free)(void *set);
    void  (*count)(const void *set, size_t *idle, size_t *busy);
    struct tg_upstream *(*open)(void *set, const struct tg_origin *origin,
                                const struct tg_upstream_request *request,
                                const struct tg_upstream_handler *handler);
    void  (*pause)(struct tg_upstream *up);
    void  (*resume)(struct tg_upstream *up);
    void  (*cancel)(struct tg_upstream *up);
};

/* First in whatever an implementation keeps of a request. */
struct tg_upstream {
    const struct tg_upstream_impl *impl;
};

extern const struct tg_upstream_impl tg_upstream_h1, tg_upstream_curl;

/* Let every request of the set be served by one of them, whatever the origin
 * says; for tests. */
void tg_upstreams_force(struct tg_upstreams *set, const struct tg_upstream_impl *impl);

#endif
