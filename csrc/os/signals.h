/* signals.h -- signals as messages: one thread takes them when it has time, and
 * another process may ask by one and gets an answer.
 *
 *     tg_signals_hold(&fd);                         before the first thread is made
 *     for (;;) {
 *         tg_signals_take(fd, -1, &s);
 *         ...                                       s.number
 *         tg_signals_answer(&s.asker, TG_SIGNAL_DONE);
 *     }
 *     close(fd);
 *
 * The question carries a number that nobody can guess; the answer is a signal back
 * to the process that asked, with the same number. So there is nothing on disk,
 * nobody but a process of the same user can take part, and no answer is taken for
 * another's. */
#ifndef TG_SIGNALS_H
#define TG_SIGNALS_H

#include <stdint.h>
#include "base/err.h"

enum tg_signal_answer {
    TG_SIGNAL_NONE,
    TG_SIGNAL_DONE,
    TG_SIGNAL_REFUSED,                 /* it could not be done; all is as it was */
    TG_SIGNAL_ENDING                   /* not any more: the process is about to end */
};

/* Who wants to know what became of a signal. */
struct tg_asker {
    int      pid;                      /* 0: nobody */
    uint32_t token;
};

struct tg_signal {
    int number;                        /* 0: the time is over */
    struct tg_asker asker;
};

/* From now on SIGTERM, SIGINT, SIGHUP and SIGUSR1 wait to be taken from *fd, which
 * is the caller's to close; in this thread and in those that it makes. */
tg_err tg_signals_hold(int *fd);

/* The next one, within `timeout_ms`; -1 waits for as long as it takes. */
void tg_signals_take(int fd, int timeout_ms, struct tg_signal *out);

/* Nothing happens when nobody asked, or nobody waits any more. */
void tg_signals_answer(const struct tg_asker *asker, enum tg_signal_answer answer);

/* Send the signal `number` and wait for the answer, for `timeout_ms`; 0 does not
 * wait. A process that would be ended by the signal, because it is only starting,
 * is given as long to hold its signals. TG_AGAIN: it did not, and was not asked;
 * TG_ENOTFOUND: there is no such process; TG_ESYSTEM: it is not ours to ask;
 * TG_EPEER: it ended without a word; TG_ETIMEOUT: no word yet, and the question
 * stands. Other threads of the caller have SIGURG blocked. */
tg_err tg_signals_ask(int pid, int number, uint32_t timeout_ms, enum tg_signal_answer *out);

#endif
