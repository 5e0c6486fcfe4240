/* resolve.h -- names to addresses, without blocking the loop.
 *
 * getaddrinfo() runs in a few threads for all loops, so that one name whose
 * server is silent does not hold up the others. Answers are kept for
 * TG_RESOLVE_KEEP_MS and, while the name server fails, for TG_RESOLVE_STALE_MS
 * more; past half of their time they are asked for anew in the background. A
 * name that does not exist is so for TG_RESOLVE_DENIED_MS. Literal addresses
 * are answered at once. */
#ifndef TG_RESOLVE_H
#define TG_RESOLVE_H

#include "base/err.h"
#include "base/str.h"
#include "os/loop.h"
#include "os/net.h"

enum {
    TG_RESOLVE_ADDRS_MAX = 8,
    TG_RESOLVE_NAMES_MAX = 1024,         /* names kept; the longest unused goes first */
    TG_RESOLVE_HOST_MAX  = 255,          /* bytes of a name */
    TG_RESOLVE_THREADS   = 4,
    TG_RESOLVE_KEEP_MS   = 30 * 1000,
    TG_RESOLVE_STALE_MS  = 3600 * 1000,
    TG_RESOLVE_DENIED_MS = 1000,
    TG_RESOLVE_RETRY_MS  = 1000          /* between questions to a failing name server */
};

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
 * `on` is called in the loop later, unless cancelled. TG_ENOMEM; TG_ESYSTEM
 * when there is no thread to ask. */
tg_err tg_resolve_start(struct tg_resolve *r, struct tg_loop *l, struct tg_str host, uint16_t port,
                        struct tg_resolve_answer *answer);
/* From the loop's own thread; nothing happens when nothing is under way. */
void   tg_resolve_cancel(struct tg_resolve *r);

/* Where answers come from instead of the system, for tests. lookup() runs in
 * the resolver's threads: TG_OK with addrs and count, TG_ENOTFOUND when there
 * is no such name, anything else when the name server fails. NULL brings the
 * system back. All answers kept so far are forgotten. */
struct tg_resolve_source {
    tg_err   (*lookup)(const char *host, struct tg_resolve_answer *out);
    uint64_t (*now_ms)(void);
};
void tg_resolve_from(const struct tg_resolve_source *source);

#endif
