#include "os/wake.h"

#include <errno.h>
#include <poll.h>
#include <stdint.h>
#include <sys/eventfd.h>
#include <unistd.h>

tg_err tg_wake_open(struct tg_wake *w)
{
    w->fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
    return w->fd < 0 ? TG_ESYSTEM : TG_OK;
}

void tg_wake_close(struct tg_wake *w)
{
    if (w->fd >= 0)
        close(w->fd);
    w->fd = -1;
}

/* Its counter cannot be full: each ring is one, and there are 2^64. */
void tg_wake_ring(struct tg_wake *w)
{
    uint64_t one = 1;
    ssize_t n = write(w->fd, &one, sizeof one);

    (void)n;
}

void tg_wake_clear(struct tg_wake *w)
{
    uint64_t count;
    ssize_t n = read(w->fd, &count, sizeof count);

    (void)n;
}

tg_err tg_wake_wait(const struct tg_wake *w, int timeout_ms)
{
    struct pollfd p = { .fd = w->fd, .events = POLLIN };
    int n = poll(&p, 1, timeout_ms);

    if (n > 0)
        return TG_OK;
    return n == 0 ? TG_ETIMEOUT : errno == EINTR ? TG_AGAIN : TG_ESYSTEM;
}
