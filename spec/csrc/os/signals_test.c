#include "check.h"

#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/clock.h"
#include "os/signals.h"

enum { PATIENCE_MS = 5000 };

static void sleep_ms(unsigned ms)
{
    usleep(ms * 1000);
}

/* What a child does with what it is asked, `fd` being where its signals come from. */
static pid_t start_child(void (*live)(int fd), unsigned starts_after_ms)
{
    pid_t child = fork();

    if (child == 0) {
        int fd = -1;
        sleep_ms(starts_after_ms);
        if (tg_signals_hold(&fd))
            _exit(1);
        live(fd);
        _exit(0);
    }
    return child;
}

static void end_child(pid_t child)
{
    kill(child, SIGKILL);
    waitpid(child, NULL, 0);
}

TEST("signals are taken one at a time, until the time is over")
{
    struct tg_signal s = { 7, { 7, 7 } };
    int fd = -1;

    CHECK_INT(tg_signals_hold(&fd), TG_OK);
    tg_signals_take(fd, 0, &s);
    CHECK_INT(s.number, 0);
    kill(getpid(), SIGHUP);
    kill(getpid(), SIGTERM);
    int sum = 0;
    for (int i = 0; i < 2; i++) {
        tg_signals_take(fd, -1, &s);
        sum += s.number;
        CHECK_INT(s.asker.pid, 0);
    }
    CHECK_INT(sum, SIGHUP + SIGTERM);
    uint64_t began = tg_clock_ms();
    tg_signals_take(fd, 50, &s);
    CHECK_INT(s.number, 0);
    CHECK(tg_clock_ms() - began >= 50);
    close(fd);
}

static void answer_in_turn(int fd)
{
    for (int i = TG_SIGNAL_DONE; i <= TG_SIGNAL_ENDING; i++) {
        struct tg_signal s;
        tg_signals_take(fd, -1, &s);
        tg_signals_answer(&s.asker, (enum tg_signal_answer)i);
    }
    pause();
}

TEST("who asks gets the answer")
{
    pid_t child = start_child(answer_in_turn, 0);

    for (int i = TG_SIGNAL_DONE; i <= TG_SIGNAL_ENDING; i++) {
        enum tg_signal_answer answer = TG_SIGNAL_NONE;
        CHECK_INT(tg_signals_ask(child, SIGHUP, PATIENCE_MS, &answer), TG_OK);
        CHECK_INT(answer, i);
    }
    end_child(child);
}

static void answer_done(int fd)
{
    for (;;) {
        struct tg_signal s;
        tg_signals_take(fd, -1, &s);
        tg_signals_answer(&s.asker, TG_SIGNAL_DONE);
    }
}

TEST("a process that is only starting is not ended by the question")
{
    pid_t child = start_child(answer_done, 300);
    enum tg_signal_answer answer = TG_SIGNAL_NONE;

    CHECK_INT(tg_signals_ask(child, SIGHUP, PATIENCE_MS, &answer), TG_OK);
    CHECK_INT(answer, TG_SIGNAL_DONE);
    end_child(child);
}

TEST("two who ask at once both get their answer")
{
    pid_t child = start_child(answer_done, 0), other = fork();
    enum tg_signal_answer answer = TG_SIGNAL_NONE;
    int status = -1;

    if (other == 0) {
        for (int i = 0; i < 50; i++)
            if (tg_signals_ask(child, SIGHUP, PATIENCE_MS, &answer) || answer != TG_SIGNAL_DONE)
                _exit(1);
        _exit(0);
    }
    for (int i = 0; i < 50; i++) {
        CHECK_INT(tg_signals_ask(child, SIGHUP, PATIENCE_MS, &answer), TG_OK);
        CHECK_INT(answer, TG_SIGNAL_DONE);
    }
    waitpid(other, &status, 0);
    CHECK_INT(status, 0);
    end_child(child);
}

/* A signal without a question comes first, and hides the one that waits behind it. */
static void answer_late(int fd)
{
    sleep_ms(300);
    answer_done(fd);
}

TEST("a question that was lost among other signals is asked again")
{
    pid_t child = start_child(answer_late, 0);
    enum tg_signal_answer answer = TG_SIGNAL_NONE;

    sleep_ms(100);
    kill(child, SIGHUP);
    CHECK_INT(tg_signals_ask(child, SIGHUP, PATIENCE_MS, &answer), TG_OK);
    CHECK_INT(answer, TG_SIGNAL_DONE);
    end_child(child);
}

static void say_nothing(int fd)
{
    pause();
}

TEST("the time is over when there is no answer, and nobody is harmed")
{
    pid_t child = start_child(say_nothing, 0);
    enum tg_signal_answer answer = TG_SIGNAL_NONE;
    uint64_t began = tg_clock_ms();

    CHECK_INT(tg_signals_ask(child, SIGHUP, 300, &answer), TG_ETIMEOUT);
    CHECK_INT(answer, TG_SIGNAL_NONE);
    CHECK(tg_clock_ms() - began >= 300);
    CHECK_INT(tg_signals_ask(child, SIGHUP, 0, &answer), TG_ETIMEOUT);
    CHECK_INT(kill(child, 0), 0);
    end_child(child);
}

static void leave(int fd)
{
    struct tg_signal s;
    tg_signals_take(fd, -1, &s);
}

TEST("a process that ends without a word is no riddle")
{
    enum tg_signal_answer answer = TG_SIGNAL_NONE;

    signal(SIGCHLD, SIG_IGN);          /* so that it is gone at once */
    pid_t child = start_child(leave, 0);
    CHECK_INT(tg_signals_ask(child, SIGHUP, PATIENCE_MS, &answer), TG_EPEER);
    CHECK_INT(tg_signals_ask(child, SIGHUP, PATIENCE_MS, &answer), TG_ENOTFOUND);
    signal(SIGCHLD, SIG_DFL);
}

TEST("an answer to somebody who has stopped waiting does nothing")
{
    struct tg_asker asker = { getpid(), 77 };

    tg_signals_answer(&asker, TG_SIGNAL_DONE);
    tg_signals_answer(&(struct tg_asker){ 0 }, TG_SIGNAL_DONE);
    enum tg_signal_answer answer = TG_SIGNAL_NONE;
    pid_t child = start_child(say_nothing, 0);
    CHECK_INT(tg_signals_ask(child, SIGHUP, 200, &answer), TG_ETIMEOUT);
    end_child(child);
}

TEST_MAIN
