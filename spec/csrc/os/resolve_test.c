#include "check.h"

#include <pthread.h>
#include <stdatomic.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/mem.h"
#include "os/resolve.h"

enum { PATIENCE_MS = 5000 };

#define TURN_UNTIL(l, cond)                                                    \
    do {                                                                       \
        uint64_t until_ = tg_clock_ms() + PATIENCE_MS;                         \
        while (!(cond) && tg_clock_ms() < until_)                              \
            tg_loop_turn((l), 10);                                             \
        CHECK(cond);                                                           \
    } while (0)

/* ---- a name server that does as it is told ---- */

static atomic_int asked, held;           /* questions so far; silent names wait while held */
static atomic_int verdict;               /* what it answers */
static _Atomic uint64_t now_ms = 1000000;
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t released = PTHREAD_COND_INITIALIZER;

static tg_err lookup(const char *host, struct tg_resolve_answer *out)
{
    int n = atomic_fetch_add(&asked, 1) + 1;
    char ip[32];

    if (strstr(host, "silent")) {
        pthread_mutex_lock(&lock);
        while (atomic_load(&held))
            pthread_cond_wait(&released, &lock);
        pthread_mutex_unlock(&lock);
    }
    snprintf(ip, sizeof ip, "10.0.0.%d", n % 250);
    tg_addr_make(tg_str_of(ip), 0, &out->addrs[0]);
    tg_addr_make(TG_STR("2001:db8::1"), 0, &out->addrs[1]);
    out->count = 2;
    return (tg_err)atomic_load(&verdict);
}

static uint64_t told_ms(void)
{
    return atomic_load(&now_ms);
}

static const struct tg_resolve_source source = { lookup, told_ms };

static void begin(void)
{
    atomic_store(&asked, 0);
    atomic_store(&held, 0);
    atomic_store(&verdict, TG_OK);
    tg_resolve_from(&source);
}

static void hold(void)
{
    atomic_store(&held, 1);
}

static void release(void)
{
    pthread_mutex_lock(&lock);
    atomic_store(&held, 0);
    pthread_cond_broadcast(&released);
    pthread_mutex_unlock(&lock);
}

/* ---- who asks ---- */

struct asker {
    struct tg_resolve r;
    struct tg_resolve_answer answer;
    int calls;
    bool is_under_way;           /* when it was called: it must not be */
};

static void on_answer(struct tg_resolve *r, const struct tg_resolve_answer *a)
{
    struct asker *asker = (struct asker *)r;

    asker->is_under_way = r->job != NULL;
    asker->answer = *a;
    asker->calls++;
}

static tg_err ask(struct asker *a, struct tg_loop *l, const char *host)
{
    *a = (struct asker){ .r.on = on_answer };
    return tg_resolve_start(&a->r, l, tg_str_of(host), 8080, &a->answer);
}

static struct tg_str shown(const struct asker *a, size_t i)
{
    static char text[TG_ADDR_TEXT_MAX];

    tg_addr_put(&a->answer.addrs[i], text);
    return tg_str_of(text);
}

/* Ask and wait; true when the answer came at once. */
static bool ask_and_wait(struct asker *a, struct tg_loop *l, const char *host)
{
    tg_err err = ask(a, l, host);

    if (err == TG_AGAIN)
        TURN_UNTIL(l, a->calls == 1);
    else
        CHECK_INT(err, TG_OK);
    return err == TG_OK;
}

TEST("literal addresses are answered at once, without a question")
{
    struct tg_loop *l = tg_loop_new();
    struct asker a;

    begin();
    CHECK_INT(ask(&a, l, "192.0.2.7"), TG_OK);
    CHECK_INT(a.answer.count, 1);
    CHECK_STR(shown(&a, 0), "192.0.2.7:8080");
    CHECK_INT(ask(&a, l, "2001:db8::7"), TG_OK);
    CHECK_STR(shown(&a, 0), "[2001:db8::7]:8080");
    CHECK_INT(atomic_load(&asked), 0);
    tg_loop_free(l);
}

TEST("a name is asked for once, answered in the loop, and kept")
{
    struct tg_loop *l = tg_loop_new();
    struct asker a, b;

    begin();
    CHECK_INT(ask(&a, l, "one.test"), TG_AGAIN);
    CHECK_INT(a.calls, 0);
    TURN_UNTIL(l, a.calls == 1);
    CHECK(!a.is_under_way);
    CHECK_INT(a.answer.err, TG_OK);
    CHECK_INT(a.answer.count, 2);
    CHECK_STR(shown(&a, 0), "10.0.0.1:8080");
    CHECK_STR(shown(&a, 1), "[2001:db8::1]:8080");

    CHECK_INT(ask(&b, l, "one.test"), TG_OK);
    CHECK_STR(shown(&b, 0), "10.0.0.1:8080");
    CHECK_INT(atomic_load(&asked), 1);
    tg_loop_free(l);
}

TEST("many who ask for one name at the same time cause one question")
{
    struct tg_loop *l[2] = { tg_loop_new(), tg_loop_new() };
    struct asker a[10];

    begin();
    hold();
    for (int i = 0; i < 10; i++)
        CHECK_INT(ask(&a[i], l[i % 2], "silent.test"), TG_AGAIN);
    release();
    for (int i = 0; i < 10; i++)
        TURN_UNTIL(l[i % 2], a[i].calls == 1);
    CHECK_INT(atomic_load(&asked), 1);
    tg_loop_free(l[0]);
    tg_loop_free(l[1]);
}

TEST("a name whose server is silent does not hold up another")
{
    struct tg_loop *l = tg_loop_new();
    struct asker silent, quick;

    begin();
    hold();
    CHECK_INT(ask(&silent, l, "silent.test"), TG_AGAIN);
    CHECK(!ask_and_wait(&quick, l, "quick.test"));
    CHECK_INT(silent.calls, 0);
    release();
    TURN_UNTIL(l, silent.calls == 1);
    tg_loop_free(l);
}

TEST("past half of its time an answer is given at once and asked for anew meanwhile")
{
    struct tg_loop *l = tg_loop_new();
    struct asker a;

    begin();
    ask_and_wait(&a, l, "ahead.test");
    now_ms += TG_RESOLVE_KEEP_MS / 2 - 1;
    CHECK(ask_and_wait(&a, l, "ahead.test"));
    CHECK_INT(atomic_load(&asked), 1);
    now_ms += 1;
    CHECK(ask_and_wait(&a, l, "ahead.test"));
    CHECK_STR(shown(&a, 0), "10.0.0.1:8080");
    TURN_UNTIL(l, (ask(&a, l, "ahead.test"), tg_str_is(shown(&a, 0), "10.0.0.2:8080")));
    CHECK_INT(atomic_load(&asked), 2);
    tg_loop_free(l);
}

TEST("an answer that is too old is waited for")
{
    struct tg_loop *l = tg_loop_new();
    struct asker a;

    begin();
    ask_and_wait(&a, l, "old.test");
    now_ms += TG_RESOLVE_KEEP_MS;
    CHECK(!ask_and_wait(&a, l, "old.test"));
    CHECK_STR(shown(&a, 0), "10.0.0.2:8080");
    tg_loop_free(l);
}

TEST("while the name server fails the old answer serves, for an hour, without waiting")
{
    struct tg_loop *l = tg_loop_new();
    struct asker a;

    begin();
    ask_and_wait(&a, l, "stale.test");
    atomic_store(&verdict, TG_ESYSTEM);
    now_ms += TG_RESOLVE_KEEP_MS;
    CHECK(!ask_and_wait(&a, l, "stale.test"));
    CHECK_INT(a.answer.err, TG_OK);
    CHECK_STR(shown(&a, 0), "10.0.0.1:8080");
    CHECK(ask_and_wait(&a, l, "stale.test"));
    CHECK_INT(atomic_load(&asked), 2);    /* and is not asked again at once */

    now_ms += TG_RESOLVE_STALE_MS;
    CHECK(!ask_and_wait(&a, l, "stale.test"));
    CHECK_INT(a.answer.err, TG_ENOTFOUND);
    CHECK_INT(a.answer.count, 0);

    atomic_store(&verdict, TG_OK);
    now_ms += TG_RESOLVE_DENIED_MS;
    CHECK(!ask_and_wait(&a, l, "stale.test"));
    CHECK_INT(a.answer.err, TG_OK);
    tg_loop_free(l);
}

TEST("a name that is gone is gone, however good its last answer was")
{
    struct tg_loop *l = tg_loop_new();
    struct asker a;

    begin();
    ask_and_wait(&a, l, "gone.test");
    atomic_store(&verdict, TG_ENOTFOUND);
    now_ms += TG_RESOLVE_KEEP_MS;
    CHECK(!ask_and_wait(&a, l, "gone.test"));
    CHECK_INT(a.answer.err, TG_ENOTFOUND);
    CHECK(ask_and_wait(&a, l, "gone.test"));    /* remembered, for a second */
    CHECK_INT(a.answer.err, TG_ENOTFOUND);
    now_ms += TG_RESOLVE_DENIED_MS;
    CHECK(!ask_and_wait(&a, l, "gone.test"));
    tg_loop_free(l);
}

TEST("what is no name has no address")
{
    static char longest[TG_RESOLVE_HOST_MAX + 2];
    struct tg_loop *l = tg_loop_new();
    struct asker a = { .r.on = on_answer };

    begin();
    memset(longest, 'a', sizeof longest - 1);
    CHECK_INT(ask(&a, l, ""), TG_OK);
    CHECK_INT(a.answer.err, TG_ENOTFOUND);
    CHECK_INT(ask(&a, l, longest), TG_OK);
    CHECK_INT(a.answer.err, TG_ENOTFOUND);
    CHECK_INT(tg_resolve_start(&a.r, l, TG_STR("a\0b.test"), 1, &a.answer), TG_OK);
    CHECK_INT(a.answer.err, TG_ENOTFOUND);
    CHECK_INT(atomic_load(&asked), 0);
    tg_loop_free(l);
}

TEST("the system's own answer for localhost is a loopback address")
{
    struct tg_loop *l = tg_loop_new();
    struct asker a;

    tg_resolve_from(NULL);
    ask_and_wait(&a, l, "localhost");
    CHECK_INT(a.answer.err, TG_OK);
    CHECK(a.answer.count >= 1 && tg_addr_is_loopback(&a.answer.addrs[0]));
    CHECK_INT(tg_addr_port(&a.answer.addrs[0]), 8080);
    tg_loop_free(l);
}

/* ---- cancelling ---- */

TEST("a question may be cancelled before, while and after it is answered")
{
    struct tg_loop *l = tg_loop_new();
    struct asker a, b;

    begin();
    hold();
    CHECK_INT(ask(&a, l, "silent.test"), TG_AGAIN);
    CHECK_INT(ask(&b, l, "silent.test"), TG_AGAIN);
    tg_resolve_cancel(&a.r);
    tg_resolve_cancel(&a.r);
    release();
    TURN_UNTIL(l, b.calls == 1);
    CHECK_INT(a.calls, 0);
    tg_resolve_cancel(&b.r);

    /* Answered, but the loop has not been turned: the call waits there. */
    CHECK_INT(ask(&a, l, "posted.test"), TG_AGAIN);
    uint64_t until = tg_clock_ms() + PATIENCE_MS;
    struct asker probe;
    while (ask(&probe, l, "posted.test") == TG_AGAIN && tg_clock_ms() < until)
        tg_resolve_cancel(&probe.r);
    tg_resolve_cancel(&a.r);
    tg_loop_turn(l, 0);
    CHECK_INT(a.calls, 0);
    tg_loop_free(l);
}

TEST("a loop may go away as soon as its questions are cancelled")
{
    struct asker a;

    begin();
    for (int i = 0; i < 200; i++) {
        struct tg_loop *l = tg_loop_new();
        char host[32];

        snprintf(host, sizeof host, "n%d.test", i);
        CHECK_INT(ask(&a, l, host), TG_AGAIN);
        tg_resolve_cancel(&a.r);
        tg_loop_free(l);
    }
    CHECK(a.r.job == NULL);
}

static void *ask_much(void *arg)
{
    struct tg_loop *l = tg_loop_new();
    intptr_t who = (intptr_t)arg, good = 0;

    for (int i = 0; i < 300; i++) {
        struct asker a;
        char host[32];

        snprintf(host, sizeof host, "h%d.test", (i * 7 + (int)who) % 50);
        a = (struct asker){ .r.on = on_answer };
        tg_err err = tg_resolve_start(&a.r, l, tg_str_of(host), 1, &a.answer);
        if (err == TG_AGAIN && i % 3 == 0) {
            tg_resolve_cancel(&a.r);
            good++;
            continue;
        }
        while (err == TG_AGAIN && !a.calls)
            tg_loop_turn(l, 100);
        good += a.answer.err == TG_OK && a.answer.count == 2 && !a.is_under_way;
    }
    tg_loop_free(l);
    return (void *)good;
}

TEST("several loops may ask, and cancel, at the same time")
{
    pthread_t threads[4];
    intptr_t good = 0;

    begin();
    for (intptr_t i = 0; i < 4; i++)
        pthread_create(&threads[i], NULL, ask_much, (void *)i);
    for (int i = 0; i < 4; i++) {
        void *got;
        pthread_join(threads[i], &got);
        good += (intptr_t)got;
    }
    CHECK_INT(good, 4 * 300);
}

/* ---- limits ---- */

TEST("more names than are kept push out the oldest")
{
    struct tg_loop *l = tg_loop_new();
    struct asker a;
    char host[32];

    begin();
    for (int i = 0; i < TG_RESOLVE_NAMES_MAX + 10; i++) {
        snprintf(host, sizeof host, "m%d.test", i);
        now_ms++;
        ask_and_wait(&a, l, host);
    }
    CHECK(ask_and_wait(&a, l, host));
    CHECK(!ask_and_wait(&a, l, "m0.test"));
    tg_resolve_from(&source);
    tg_loop_free(l);
}

static tg_err ask_once(struct tg_loop *l)
{
    struct asker a;
    tg_err err = ask(&a, l, "memory.test");

    if (err != TG_AGAIN)
        return err;
    TURN_UNTIL(l, a.calls == 1);
    return a.answer.err;
}

TEST("every refused allocation is told")
{
    struct tg_loop *l = tg_loop_new();

    begin();
    CHECK_EVERY_ALLOCATION(ask_once(l));
    tg_loop_free(l);
}

#ifndef __SANITIZE_THREAD__    /* which cannot follow threads into a child */
TEST("a forked child resolves with threads of its own")
{
    struct tg_loop *l = tg_loop_new();
    struct asker a;
    int status = 0;

    begin();
    ask_and_wait(&a, l, "parent.test");
    pid_t child = fork();
    if (child == 0) {
        alarm(5);
        struct tg_loop *mine = tg_loop_new();
        if (ask(&a, mine, "child.test") != TG_AGAIN)
            _exit(1);
        while (!a.calls)
            tg_loop_turn(mine, 1000);
        _exit(a.answer.count == 2 ? 0 : 2);
    }
    waitpid(child, &status, 0);
    CHECK_INT(status, 0);
    CHECK(ask_and_wait(&a, l, "parent.test"));
    tg_loop_free(l);
}
#endif

TEST_MAIN
