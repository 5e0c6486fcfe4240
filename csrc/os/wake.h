/* wake.h -- a file that one thread makes readable for another, which may wait for
 * it beside others in whatever loop it has. */
#ifndef TG_WAKE_H
#define TG_WAKE_H

#include "base/err.h"

struct tg_wake {
    int fd;
};

/* TG_ESYSTEM when there are too many open files. */
tg_err tg_wake_open(struct tg_wake *w);
void   tg_wake_close(struct tg_wake *w);

/* Readable from now on, and no more. */
void tg_wake_ring(struct tg_wake *w);
void tg_wake_clear(struct tg_wake *w);

/* Wait until it is readable, for `timeout_ms` at most (-1: for as long as it
 * takes); TG_ETIMEOUT. A signal ends the wait: TG_AGAIN. */
tg_err tg_wake_wait(const struct tg_wake *w, int timeout_ms);

#endif
