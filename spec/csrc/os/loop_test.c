#include "check.h"

#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/mem.h"
#include "base/rand.h"
#include "os/loop.h"

enum { PATIENCE_MS = 5000 };

/* Turn until `cond` holds; complain when it does not in time. */
#define TURN_UNTIL(l, cond)                                                    \
    do {                                                                       \
        uint64_t until_ = tg_clock_ms() + PATIENCE_MS;                         \
        while (!(cond) && tg_clock_ms() < until_)                              \
            tg_loop_turn((l), 10);                                             \
        CHECK(cond);                                                           \
    } while (0)

/* One end of a pair of sockets, counting what it was told. */
struct end {
    struct tg_watch watch;
    struct tg_loop *loop;
    struct tg_watch *removes;
    unsigned told;
    int calls;
};

static void on_end(struct tg_watch *w, unsigned what)
{
    struct end *e = (struct end *)w;

    e->calls++;
    e->told |= what;
    if (e->removes)
        tg_loop_remove(e->loop, e->removes);
    e->removes = NULL;
}

static void open_pair(struct tg_loop *l, struct end e[2])
{
    int fd[2] = { -1, -1 };

    CHECK(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, fd) == 0);
    for (int i = 0; i < 2; i++)
        e[i] = (struct end){ .watch = { .fd = fd[i], .on = on_end }, .loop = l };
}

static void close_pair(struct end e[2])
{
    close(e[0].watch.fd);
    close(e[1].watch.fd);
}

/* ---- sockets ---- */

TEST("a socket is told once when it can be written, and once for each arrival")
{
    struct tg_loop *l = tg_loop_new();
    struct end e[2];
    open_pair(l, e);

    CHECK_INT(tg_loop_add(l, &e[0].watch), TG_OK);
    tg_loop_turn(l, 0);
    CHECK_INT(e[0].told, TG_LOOP_WRITE);
    CHECK_INT(e[0].calls, 1);

    tg_loop_turn(l, 0);
    CHECK_INT(e[0].calls, 1);

    CHECK(write(e[1].watch.fd, "x", 1) == 1);
    tg_loop_turn(l, 0);
    CHECK_INT(e[0].calls, 2);
    CHECK(e[0].told & TG_LOOP_READ);
    CHECK(!(e[0].told & TG_LOOP_HUP));

    tg_loop_turn(l, 0);    /* not read, but told already */
    CHECK_INT(e[0].calls, 2);

    CHECK(write(e[1].watch.fd, "y", 1) == 1);
    tg_loop_turn(l, 0);
    CHECK_INT(e[0].calls, 3);

    tg_loop_remove(l, &e[0].watch);
    close_pair(e);
    tg_loop_free(l);
}

TEST("a peer that closes is told as something to read")
{
    struct tg_loop *l = tg_loop_new();
    struct end e[2];
    open_pair(l, e);
    tg_loop_add(l, &e[0].watch);
    tg_loop_turn(l, 0);

    shutdown(e[1].watch.fd, SHUT_WR);
    e[0].told = 0;
    tg_loop_turn(l, 0);
    CHECK_INT(e[0].told & (TG_LOOP_READ | TG_LOOP_HUP), TG_LOOP_READ | TG_LOOP_HUP);

    tg_loop_remove(l, &e[0].watch);
    close_pair(e);
    tg_loop_free(l);
}

TEST("a socket that cannot be watched is refused and takes no place")
{
    struct tg_loop *l = tg_loop_new();
    struct end e[2];
    struct tg_watch bad = { .fd = -1, .on = on_end };

    CHECK_INT(tg_loop_add(l, &bad), TG_ESYSTEM);
    open_pair(l, e);
    CHECK_INT(tg_loop_add(l, &e[0].watch), TG_OK);
    tg_loop_turn(l, 0);
    CHECK_INT(e[0].calls, 1);

    tg_loop_remove(l, &e[0].watch);
    close_pair(e);
    tg_loop_free(l);
}

TEST("whoever is removed by the handler of an event fetched together is not called")
{
    struct tg_loop *l = tg_loop_new();
    struct end e[2];
    open_pair(l, e);
    tg_loop_add(l, &e[0].watch);
    tg_loop_add(l, &e[1].watch);
    e[0].removes = &e[1].watch;
    e[1].removes = &e[0].watch;

    tg_loop_turn(l, 0);    /* both are writable: one turn has both events */
    CHECK_INT(e[0].calls + e[1].calls, 1);

    tg_loop_remove(l, e[0].calls ? &e[0].watch : &e[1].watch);
    close_pair(e);
    tg_loop_free(l);
}

static struct end *successor;

static void replace_other(struct tg_watch *w, unsigned what)
{
    struct end *e = (struct end *)w;

    e->calls++;
    tg_loop_remove(e->loop, e->removes);
    CHECK_INT(tg_loop_add(e->loop, &successor->watch), TG_OK);
}

TEST("who takes the place of a removed socket does not get its events")
{
    struct tg_loop *l = tg_loop_new();
    struct end e[2], later[2];
    open_pair(l, e);
    open_pair(l, later);
    successor = &later[0];

    for (int i = 0; i < 2; i++) {
        e[i].watch.on = replace_other;
        e[i].removes = &e[1 - i].watch;
        tg_loop_add(l, &e[i].watch);
    }
    tg_loop_turn(l, 0);
    CHECK_INT(e[0].calls + e[1].calls, 1);
    CHECK_INT(later[0].calls, 0);
    CHECK_INT(later[0].watch.slot, e[e[0].calls].watch.slot);

    tg_loop_turn(l, 0);
    CHECK_INT(later[0].calls, 1);    /* its own */

    tg_loop_remove(l, &later[0].watch);
    tg_loop_remove(l, e[0].calls ? &e[0].watch : &e[1].watch);
    close_pair(e);
    close_pair(later);
    tg_loop_free(l);
}

TEST("a socket may remove itself while it is called, and be freed")
{
    struct tg_loop *l = tg_loop_new();
    struct end e[2];
    open_pair(l, e);
    tg_loop_add(l, &e[0].watch);
    e[0].removes = &e[0].watch;
    tg_loop_turn(l, 0);
    CHECK(write(e[1].watch.fd, "x", 1) == 1);
    tg_loop_turn(l, 0);
    CHECK_INT(e[0].calls, 1);
    close_pair(e);
    tg_loop_free(l);
}

TEST("more sockets than one fetch takes are all told")
{
    enum { PAIRS = 300 };
    static struct end e[PAIRS][2];
    struct tg_loop *l = tg_loop_new();

    for (int i = 0; i < PAIRS; i++) {
        open_pair(l, e[i]);
        tg_loop_add(l, &e[i][0].watch);
        tg_loop_add(l, &e[i][1].watch);
    }
    for (int i = 0; i < 4; i++)
        tg_loop_turn(l, 0);
    int told = 0;
    for (int i = 0; i < PAIRS; i++) {
        told += e[i][0].calls == 1 && e[i][1].calls == 1;
        tg_loop_remove(l, &e[i][0].watch);
        tg_loop_remove(l, &e[i][1].watch);
        close_pair(e[i]);
    }
    CHECK_INT(told, PAIRS);
    tg_loop_free(l);
}

/* ---- timers ---- */

struct alarm {
    struct tg_timer timer;
    struct tg_loop *loop;
    uint64_t wanted_ms, rang_ms, again_in_ms;
    struct alarm *unsets;
    int rang, order;
};

static int alarms_rang;

static void on_alarm(struct tg_timer *t)
{
    struct alarm *a = (struct alarm *)t;

    a->rang++;
    a->rang_ms = tg_loop_ms(a->loop);
    a->order = ++alarms_rang;
    CHECK_INT(t->at_ms, 0);
    if (a->unsets)
        tg_loop_at(a->loop, &a->unsets->timer, 0);
    if (a->again_in_ms)
        tg_loop_at(a->loop, t, tg_loop_ms(a->loop) + a->again_in_ms - 1);
}

TEST("timers ring in the order of their times, never early, each once")
{
    enum { COUNT = 500 };
    static struct alarm a[COUNT];
    struct tg_loop *l = tg_loop_new();
    struct tg_rand r;
    int right = 0;

    alarms_rang = 0;
    tg_rand_seed(&r, 7);
    for (int i = 0; i < COUNT; i++) {
        a[i] = (struct alarm){ .timer.on = on_alarm, .loop = l };
        a[i].wanted_ms = tg_loop_ms(l) + 1 + tg_rand_below(&r, 20);
        CHECK_INT(tg_loop_at(l, &a[i].timer, a[i].wanted_ms), TG_OK);
    }
    TURN_UNTIL(l, alarms_rang == COUNT);
    for (int i = 0; i < COUNT; i++) {
        right += a[i].rang == 1 && a[i].rang_ms >= a[i].wanted_ms;
        for (int k = 0; k < i; k++)
            if (a[k].wanted_ms < a[i].wanted_ms)
                right -= a[k].order > a[i].order;
    }
    CHECK_INT(right, COUNT);
    tg_loop_free(l);
}

TEST("any history of setting, moving and unsetting leaves what a list would have")
{
    enum { COUNT = 60, MOVES = 20000 };
    static struct alarm a[COUNT];
    struct tg_loop *l = tg_loop_new();
    struct tg_rand r;
    uint64_t far = tg_loop_ms(l) + 3600 * 1000;
    int expected = 0, rang = 0;

    alarms_rang = 0;
    tg_rand_seed(&r, 11);
    for (int i = 0; i < COUNT; i++)
        a[i] = (struct alarm){ .timer.on = on_alarm, .loop = l };
    for (int n = 0; n < MOVES; n++) {
        struct alarm *it = &a[tg_rand_below(&r, COUNT)];
        uint64_t at = tg_rand_below(&r, 3) ? far + tg_rand_below(&r, 1000000) : 0;
        CHECK_INT(tg_loop_at(l, &it->timer, at), TG_OK);
        it->wanted_ms = at;
    }
    tg_loop_turn(l, 0);
    CHECK_INT(alarms_rang, 0);

    /* Bring half of what is set to now: exactly these ring. */
    for (int i = 0; i < COUNT; i++) {
        CHECK_INT(a[i].timer.at_ms, a[i].wanted_ms);
        if (a[i].wanted_ms && i % 2) {
            tg_loop_at(l, &a[i].timer, tg_loop_ms(l));
            expected++;
        }
    }
    tg_loop_turn(l, 0);
    for (int i = 0; i < COUNT; i++)
        rang += a[i].rang == (a[i].wanted_ms && i % 2);
    CHECK_INT(alarms_rang, expected);
    CHECK_INT(rang, COUNT);
    tg_loop_free(l);
}

TEST("a timer moved to later does not ring, nor wake the loop, at its first time")
{
    struct tg_loop *l = tg_loop_new();
    struct alarm a = { .timer.on = on_alarm, .loop = l };
    uint64_t start = tg_clock_ms();

    tg_loop_at(l, &a.timer, start + 1);
    tg_loop_at(l, &a.timer, start + 60000);
    tg_loop_turn(l, 15);
    CHECK(tg_clock_ms() >= start + 14);
    CHECK_INT(a.rang, 0);
    CHECK_INT(a.timer.at_ms, start + 60000);
    tg_loop_at(l, &a.timer, 0);
    tg_loop_free(l);
}

TEST("a timer that sets itself to now rings once a turn")
{
    struct tg_loop *l = tg_loop_new();
    struct alarm a = { .timer.on = on_alarm, .loop = l, .again_in_ms = 1 };
    struct alarm others[10];

    for (int i = 0; i < 10; i++) {
        others[i] = (struct alarm){ .timer.on = on_alarm, .loop = l };
        tg_loop_at(l, &others[i].timer, tg_loop_ms(l) + 60000);
    }
    tg_loop_at(l, &a.timer, tg_loop_ms(l));
    for (int i = 1; i <= 3; i++) {
        tg_loop_turn(l, -1);
        CHECK_INT(a.rang, i);
    }
    tg_loop_at(l, &a.timer, 0);
    tg_loop_free(l);
}

TEST("two timers that set themselves to now do not starve each other")
{
    struct tg_loop *l = tg_loop_new();
    struct alarm a[2];

    for (int i = 0; i < 2; i++) {
        a[i] = (struct alarm){ .timer.on = on_alarm, .loop = l, .again_in_ms = 1 };
        tg_loop_at(l, &a[i].timer, tg_loop_ms(l));
    }
    for (int i = 0; i < 100; i++)
        tg_loop_turn(l, -1);
    CHECK(a[0].rang > 20 && a[1].rang > 20);
    tg_loop_at(l, &a[0].timer, 0);
    tg_loop_at(l, &a[1].timer, 0);
    tg_loop_free(l);
}

TEST("a timer unset by another's handler does not ring, though both were due")
{
    struct tg_loop *l = tg_loop_new();
    struct alarm a[2];

    for (int i = 0; i < 2; i++)
        a[i] = (struct alarm){ .timer.on = on_alarm, .loop = l, .unsets = &a[1 - i] };
    tg_loop_at(l, &a[0].timer, tg_loop_ms(l));
    tg_loop_at(l, &a[1].timer, tg_loop_ms(l));
    tg_loop_turn(l, 0);
    tg_loop_turn(l, 0);
    CHECK_INT(a[0].rang + a[1].rang, 1);
    tg_loop_free(l);
}

TEST("a timer set from the handler of a socket to now rings in the same turn")
{
    struct tg_loop *l = tg_loop_new();
    struct alarm a = { .timer.on = on_alarm, .loop = l };
    struct end e[2];
    open_pair(l, e);
    tg_loop_add(l, &e[0].watch);
    tg_loop_at(l, &a.timer, tg_loop_ms(l));
    tg_loop_turn(l, -1);
    CHECK_INT(e[0].calls, 1);
    CHECK_INT(a.rang, 1);
    tg_loop_remove(l, &e[0].watch);
    close_pair(e);
    tg_loop_free(l);
}

/* ---- words from other threads ---- */

struct heard {
    struct tg_loop *loop;
    int count, again, in_order;
    intptr_t last[4];
};

static struct heard heard;

static void hear(void *arg)
{
    intptr_t word = (intptr_t)arg, who = word >> 24, number = word & 0xffffff;

    heard.in_order += number == heard.last[who] + 1;
    heard.last[who] = number;
    heard.count++;
}

static void *speak(void *arg)
{
    intptr_t who = (intptr_t)arg;

    for (intptr_t i = 1; i <= 5000; i++)
        while (tg_loop_post(heard.loop, hear, (void *)(who << 24 | i)))
            ;
    return NULL;
}

TEST("words of several threads all arrive, each thread's in its order, and wake the loop")
{
    pthread_t threads[4];

    heard = (struct heard){ .loop = tg_loop_new() };
    for (intptr_t i = 0; i < 4; i++)
        pthread_create(&threads[i], NULL, speak, (void *)i);
    uint64_t until = tg_clock_ms() + PATIENCE_MS;
    while (heard.count < 20000 && tg_clock_ms() < until)
        tg_loop_turn(heard.loop, PATIENCE_MS);
    CHECK_INT(heard.count, 20000);
    CHECK_INT(heard.in_order, 20000);
    for (int i = 0; i < 4; i++)
        pthread_join(threads[i], NULL);
    tg_loop_free(heard.loop);
}

static void hear_and_repeat(void *arg)
{
    heard.count++;
    if (heard.again-- > 0)
        tg_loop_post(heard.loop, hear_and_repeat, arg);
}

TEST("what a posted call posts is called in the next turn, without waiting")
{
    heard = (struct heard){ .loop = tg_loop_new(), .again = 2 };
    tg_loop_post(heard.loop, hear_and_repeat, NULL);
    for (int i = 1; i <= 3; i++) {
        tg_loop_turn(heard.loop, -1);
        CHECK_INT(heard.count, i);
    }
    tg_loop_free(heard.loop);
}

static void take_back_other(void *arg)
{
    heard.count++;
    CHECK(tg_loop_unpost(heard.loop, hear_and_repeat, arg));
}

TEST("a posted call can be taken back, also in the turn that would call it")
{
    heard = (struct heard){ .loop = tg_loop_new() };
    tg_loop_post(heard.loop, hear_and_repeat, &heard);
    CHECK(tg_loop_unpost(heard.loop, hear_and_repeat, &heard));
    CHECK(!tg_loop_unpost(heard.loop, hear_and_repeat, &heard));
    tg_loop_turn(heard.loop, 0);
    CHECK_INT(heard.count, 0);

    tg_loop_post(heard.loop, take_back_other, &heard);
    tg_loop_post(heard.loop, hear_and_repeat, &heard);
    tg_loop_turn(heard.loop, 0);
    CHECK_INT(heard.count, 1);
    tg_loop_free(heard.loop);
}

/* ---- errands ---- */

struct errand {
    struct tg_errand errand;
    struct tg_loop *loop;
    int calls, again;
    int *order, at;
};

static void on_errand(struct tg_errand *errand)
{
    struct errand *e = (struct errand *)errand;

    e->calls++;
    if (e->order)
        e->at = (*e->order)++;
    if (e->again-- > 0)
        tg_loop_send(e->loop, errand);
}

TEST("errands are called in the order of sending, and behind what was posted")
{
    struct tg_loop *l = tg_loop_new();
    struct errand e[3];
    int order = 0;

    heard = (struct heard){ .loop = l };
    for (int i = 0; i < 3; i++) {
        e[i] = (struct errand){ .errand = { on_errand, NULL }, .loop = l, .order = &order };
        tg_loop_send(l, &e[i].errand);
    }
    tg_loop_post(l, hear_and_repeat, NULL);
    tg_loop_turn(l, -1);                   /* does not sleep: there is something to do */
    for (int i = 0; i < 3; i++)
        CHECK_INT(e[i].at, i);
    CHECK_INT(heard.count, 1);
    tg_loop_turn(l, 0);
    CHECK_INT(order, 3);
    tg_loop_free(l);
}

TEST("an errand may be sent again when it is called, and is called in the next turn")
{
    struct tg_loop *l = tg_loop_new();
    struct errand e = { .errand = { on_errand, NULL }, .loop = l, .again = 2 };

    tg_loop_send(l, &e.errand);
    for (int i = 1; i <= 3; i++) {
        tg_loop_turn(l, -1);
        CHECK_INT(e.calls, i);
    }
    tg_loop_send(l, &e.errand);            /* not called: the loop is freed first */
    tg_loop_free(l);
    CHECK_INT(e.calls, 3);
}

static void *send_later(void *arg)
{
    struct errand *e = arg;

    tg_loop_send(e->loop, &e->errand);
    return NULL;
}

TEST("R-36 an errand of another thread wakes the loop, and needs no memory")
{
    struct tg_loop *l = tg_loop_new();
    struct errand e = { .errand = { on_errand, NULL }, .loop = l };
    pthread_t thread;

    tg_mem_fail_at(1);
    tg_loop_send(l, &e.errand);
    CHECK_INT(tg_mem_fail_at(0), 0);
    tg_loop_turn(l, -1);
    pthread_create(&thread, NULL, send_later, &e);
    TURN_UNTIL(l, e.calls == 2);
    pthread_join(thread, NULL);
    tg_loop_free(l);
}

static void *stop_it(void *arg)
{
    tg_loop_stop(arg);
    return NULL;
}

TEST("a running loop is stopped by another thread")
{
    struct tg_loop *l = tg_loop_new();
    pthread_t thread;

    pthread_create(&thread, NULL, stop_it, l);
    CHECK_INT(tg_loop_run(l), TG_OK);    /* stopped before or while it runs */
    pthread_join(thread, NULL);
    tg_loop_free(l);
}

static void count_turn(void *arg)
{
    (*(int *)arg)++;
}

TEST("the hook runs once at the end of each turn until taken away")
{
    struct tg_loop *l = tg_loop_new();
    int turns = 0;

    tg_loop_each_turn(l, count_turn, &turns);
    tg_loop_turn(l, 0);
    tg_loop_turn(l, 0);
    tg_loop_each_turn(l, NULL, NULL);
    tg_loop_turn(l, 0);
    CHECK_INT(turns, 2);
    tg_loop_free(l);
}

static void on_signal(int n)
{
}

TEST("a signal ends the wait and is no error")
{
    struct tg_loop *l = tg_loop_new();
    struct sigaction old, act = { .sa_handler = on_signal };
    struct itimerval soon = { .it_value.tv_usec = 2000, .it_interval.tv_usec = 2000 };
    struct itimerval never = { 0 };
    uint64_t start = tg_clock_ms();

    sigaction(SIGALRM, &act, &old);
    setitimer(ITIMER_REAL, &soon, NULL);
    CHECK_INT(tg_loop_turn(l, PATIENCE_MS), TG_OK);
    setitimer(ITIMER_REAL, &never, NULL);
    sigaction(SIGALRM, &old, NULL);
    CHECK(tg_clock_ms() - start < PATIENCE_MS);
    tg_loop_free(l);
}

/* ---- out of memory ---- */

static tg_err use_everything(void)
{
    struct tg_loop *l = tg_loop_new();
    struct alarm a = { .timer.on = on_alarm, .loop = l };
    struct end e[2];
    tg_err err;

    if (!l)
        return TG_ENOMEM;
    open_pair(l, e);
    err = tg_loop_add(l, &e[0].watch);
    if (!err) {
        err = tg_loop_at(l, &a.timer, tg_loop_ms(l) + 1);
        if (!err)
            err = tg_loop_post(l, hear_and_repeat, NULL);
        tg_loop_remove(l, &e[0].watch);
    }
    close_pair(e);
    tg_loop_free(l);
    return err;
}

TEST("every refused allocation is told")
{
    CHECK_EVERY_ALLOCATION(use_everything());
}

TEST("moving a timer that is set needs no memory")
{
    struct tg_loop *l = tg_loop_new();
    struct alarm a = { .timer.on = on_alarm, .loop = l };

    tg_loop_at(l, &a.timer, tg_loop_ms(l) + 1000);
    tg_mem_fail_at(1);
    CHECK_INT(tg_loop_at(l, &a.timer, tg_loop_ms(l) + 10), TG_OK);
    CHECK_INT(tg_loop_at(l, &a.timer, tg_loop_ms(l) + 9000), TG_OK);
    CHECK_INT(tg_mem_fail_at(0), 0);
    tg_loop_free(l);
}

TEST_MAIN
