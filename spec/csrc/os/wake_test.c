/* A file that one thread makes readable for another. */
#include "check.h"

#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <sys/resource.h>
#include <sys/time.h>
#include <unistd.h>

#include "base/clock.h"
#include "os/wake.h"

static bool is_readable(const struct tg_wake *w)
{
    struct pollfd p = { .fd = w->fd, .events = POLLIN };

    return poll(&p, 1, 0) == 1;
}

TEST("it is readable from the first ring until it is cleared, however often it was rung")
{
    struct tg_wake w;

    CHECK_INT(tg_wake_open(&w), TG_OK);
    CHECK(!is_readable(&w));
    tg_wake_clear(&w);                     /* nothing to clear: does not block */
    for (int i = 0; i < 3; i++)
        tg_wake_ring(&w);
    CHECK(is_readable(&w));
    CHECK_INT(tg_wake_wait(&w, -1), TG_OK);
    CHECK(is_readable(&w));
    tg_wake_clear(&w);
    CHECK(!is_readable(&w));
    tg_wake_close(&w);
    CHECK_INT(w.fd, -1);
    tg_wake_close(&w);                     /* closed already */
}

TEST("a wait ends when its time is over")
{
    struct tg_wake w;
    uint64_t from = tg_clock_ms();

    CHECK_INT(tg_wake_open(&w), TG_OK);
    CHECK_INT(tg_wake_wait(&w, 0), TG_ETIMEOUT);
    CHECK_INT(tg_wake_wait(&w, 20), TG_ETIMEOUT);
    CHECK(tg_clock_ms() - from >= 19);
    tg_wake_close(&w);
}

static void *ring(void *arg)
{
    tg_wake_ring(arg);
    return NULL;
}

TEST("a wait ends when another thread rings")
{
    struct tg_wake w;
    pthread_t thread;

    CHECK_INT(tg_wake_open(&w), TG_OK);
    for (int i = 0; i < 100; i++) {
        pthread_create(&thread, NULL, ring, &w);
        CHECK_INT(tg_wake_wait(&w, 10000), TG_OK);
        tg_wake_clear(&w);
        pthread_join(thread, NULL);
    }
    tg_wake_close(&w);
}

static void on_signal(int number)
{
}

TEST("a signal ends the wait, and is told as no event")
{
    struct tg_wake w;
    struct sigaction act = { .sa_handler = on_signal }, before;
    struct itimerval soon = { { 0, 10000 }, { 0, 10000 } }, never = { { 0, 0 }, { 0, 0 } };

    CHECK_INT(tg_wake_open(&w), TG_OK);
    sigaction(SIGALRM, &act, &before);
    setitimer(ITIMER_REAL, &soon, NULL);
    CHECK_INT(tg_wake_wait(&w, 10000), TG_AGAIN);
    setitimer(ITIMER_REAL, &never, NULL);
    sigaction(SIGALRM, &before, NULL);
    tg_wake_close(&w);
}

TEST("without a free descriptor it cannot be opened")
{
    struct rlimit was, none;
    struct tg_wake w;

    getrlimit(RLIMIT_NOFILE, &was);
    none = was;
    none.rlim_cur = 0;
    setrlimit(RLIMIT_NOFILE, &none);
    CHECK_INT(tg_wake_open(&w), TG_ESYSTEM);
    setrlimit(RLIMIT_NOFILE, &was);
    tg_wake_close(&w);
}

TEST_MAIN
