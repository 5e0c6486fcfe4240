#include "os/signals.h"

#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdbool.h>
#include <sys/signalfd.h>
#include <time.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/rand.h"
#include "os/process.h"

/* Who does not expect an answer, because it took the number of one that has
 * ended, must not be harmed by it: SIGURG does nothing by default. */
enum { ANSWER_SIGNAL = SIGURG };

enum {
    LOOK_MS  = 100,                        /* between two looks whether it still lives */
    AGAIN_MS = 1000                        /* after which the question is asked again */
};

/* Token and answer in the number that travels with a signal. */
enum { ANSWER_BITS = 8, ANSWER_MASK = (1 << ANSWER_BITS) - 1 };

/* Taken from a file, and not with sigtimedwait(), which unblocks the signals while
 * it waits: so whoever asks can see that they are messages here, and no end. */
tg_err tg_signals_hold(int *fd)
{
    sigset_t set;

    sigemptyset(&set);
    sigaddset(&set, SIGTERM);
    sigaddset(&set, SIGINT);
    sigaddset(&set, SIGHUP);
    sigaddset(&set, SIGUSR1);
    int is = signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
    if (is < 0)
        return TG_ESYSTEM;
    pthread_sigmask(SIG_BLOCK, &set, NULL);
    *fd = is;
    return TG_OK;
}

/* A plain kill() asks nothing; a process that we cannot see, from within a
 * container, has the number 0. */
static struct tg_asker asker_of(int code, int pid, uint32_t value)
{
    if (code != SI_QUEUE || pid <= 0 || !(value >> ANSWER_BITS))
        return (struct tg_asker){ 0 };
    return (struct tg_asker){ pid, value >> ANSWER_BITS };
}

void tg_signals_take(int fd, int timeout_ms, struct tg_signal *out)
{
    struct pollfd p = { .fd = fd, .events = POLLIN };
    struct signalfd_siginfo info;
    int n;

    *out = (struct tg_signal){ 0 };
    do
        n = poll(&p, 1, timeout_ms);
    while (n < 0 && errno == EINTR && timeout_ms < 0);
    if (n != 1 || read(fd, &info, sizeof info) != sizeof info)
        return;
    out->number = (int)info.ssi_signo;
    out->asker = asker_of(info.ssi_code, (int)info.ssi_pid, (uint32_t)info.ssi_int);
}

static bool queue(int pid, int number, uint32_t token, unsigned answer)
{
    union sigval value = { .sival_int = (int)(token << ANSWER_BITS | answer) };

    return sigqueue(pid, number, value) == 0;
}

void tg_signals_answer(const struct tg_asker *asker, enum tg_signal_answer answer)
{
    if (asker->pid > 0)
        queue(asker->pid, ANSWER_SIGNAL, asker->token, answer);
}

/* Its answer to this question, if one comes within `ms` (< 1000). */
static enum tg_signal_answer take_answer(const sigset_t *set, struct tg_asker from, uint64_t ms)
{
    struct timespec patience = { .tv_nsec = (long)ms * 1000000 };
    siginfo_t info;

    if (sigtimedwait(set, &info, &patience) < 0)
        return TG_SIGNAL_NONE;
    uint32_t value = (uint32_t)info.si_value.sival_int;
    struct tg_asker is = asker_of(info.si_code, info.si_pid, value);
    if (is.pid != from.pid || is.token != from.token)
        return TG_SIGNAL_NONE;
    return (enum tg_signal_answer)(value & ANSWER_MASK);
}

/* Signals of one kind do not queue up: while a SIGHUP waits to be taken, another
 * is lost with its number. Asking again costs at most one reload too many. */
static tg_err wait_for_answer(const sigset_t *set, int number, struct tg_asker from,
                              uint32_t timeout_ms, enum tg_signal_answer *out)
{
    uint64_t now = tg_clock_ms(), until = now + timeout_ms, again = now + AGAIN_MS;

    for (; now < until; now = tg_clock_ms()) {
        uint64_t left = until - now;
        enum tg_signal_answer answer = take_answer(set, from, left < LOOK_MS ? left : LOOK_MS);
        bool is_gone = !answer && kill(from.pid, 0) && errno == ESRCH;
        if (is_gone)
            answer = take_answer(set, from, 0);        /* its last word, maybe */
        if (answer) {
            *out = answer;
            return TG_OK;
        }
        if (is_gone)
            return TG_EPEER;
        if (tg_clock_ms() < again)
            continue;
        queue(from.pid, number, from.token, 0);
        again += AGAIN_MS;
    }
    return TG_ETIMEOUT;
}

/* Until the signal is a message to it, and not its end. */
static tg_err wait_until_held(int pid, int number, uint32_t timeout_ms)
{
    uint64_t until = tg_clock_ms() + timeout_ms;

    for (;;) {
        bool held = false;
        tg_err err = tg_process_blocks(pid, number, &held);
        if (err || held)
            return err;
        if (tg_clock_ms() >= until)
            return TG_AGAIN;
        nanosleep(&(struct timespec){ .tv_nsec = 10 * 1000000 }, NULL);
    }
}

tg_err tg_signals_ask(int pid, int number, uint32_t timeout_ms, enum tg_signal_answer *out)
{
    struct tg_asker from = { pid, 0 };
    sigset_t set, before;
    tg_err err = wait_until_held(pid, number, timeout_ms);

    if (!err)
        err = tg_rand_secret(&from.token, sizeof from.token);
    if (err)
        return err;
    from.token = from.token >> ANSWER_BITS | 1;
    sigemptyset(&set);
    sigaddset(&set, ANSWER_SIGNAL);
    pthread_sigmask(SIG_BLOCK, &set, &before);
    if (queue(pid, number, from.token, 0))
        err = wait_for_answer(&set, number, from, timeout_ms, out);
    else
        err = errno == ESRCH ? TG_ENOTFOUND : TG_ESYSTEM;
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    return err;
}
