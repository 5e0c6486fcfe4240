/* resolve.h -- names to addresses, without blocking the loop.
 *
 * getaddrinfo() runs in one thread of its own for all loops; answers are kept
 * for TG_RESOLVE_KEEP_MS and, when the name server fails, for
 * TG_RESOLVE_STALE_MS more. Literal addresses are answered at once. */
#ifndef TG_RESOLVE_H
#define TG_RESOLVE_H

#include "base/err.h"
#include "base/str.h"
#include "os/loop.h"
#include "os/net.h"

enum { TG_RESOLVE_ADDRS_MAX = 8, TG_RESOLVE_KEEP_MS = 30000, TG_RESOLVE_STALE_MS = 3600000 };

struct tg_resolve_answer {
    tg_err         err;              /* TG_ENOTFOUND when the name has no address */
    size_t         count;
    struct tg_addr addrs[TG_RESOLVE_ADDRS_MAX];    /* in the order to try */
};

/* Embedded by whoever asks. */
struct tg_resolve {
    void (*on)(struct tg_resolve *r, const struct tg_resolve_answer *a);
    void  *job;                      /* private; NULL when nothing is under way */
};

/* Ask. TG_OK: *answer is filled in now and `on` will not be called; TG_AGAIN:
 * `on` is called in the loop later, unless cancelled. */
tg_err tg_resolve_start(struct tg_resolve *r, struct tg_loop *l, struct tg_str host, uint16_t port,
                        struct tg_resolve_answer *answer);
void   tg_resolve_cancel(struct tg_resolve *r);

#endif
