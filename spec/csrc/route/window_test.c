#include "route/window.h"

#include <math.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdatomic.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/mem.h"
#include "base/rand.h"
#include "check.h"

enum { SECOND = 1000, MINUTE = 60 * SECOND, HOUR = 60 * MINUTE };

static const uint64_t START = 1000ull * HOUR;     /* the beginning of a slice */

static struct tg_window *window_new(void)
{
    return tg_zalloc(sizeof(struct tg_window));
}

static struct tg_quantiles latency(struct tg_window *w, uint64_t now_ms)
{
    struct tg_quantiles q;
    tg_window_read(w, false, now_ms, &q);
    return q;
}

static bool is_near(double got, double want)
{
    return fabs(got - want) <= 0.01 * want;
}

/* Buckets whose total is not what the slices hold. */
static int wrong_totals(struct tg_window *w)
{
    int wrong = 0;
    for (size_t b = 0; b < TG_SKETCH_BUCKETS; b++) {
        uint32_t sum = 0;
        for (size_t s = 0; s < TG_WINDOW_SLICES; s++)
            sum += w->slice[s][b];
        wrong += sum != w->total[b];
    }
    return wrong;
}

/* ---- what a quantile is ---- */

TEST("without samples everything is 0")
{
    struct tg_window *w = window_new();
    struct tg_quantiles q = latency(w, START);

    CHECK_INT(q.samples, 0);
    CHECK(q.p50 == 0 && q.p75 == 0 && q.p90 == 0 && q.p99 == 0);
    tg_free(w);
}

TEST("one sample is every quantile")
{
    struct tg_window *w = window_new();
    tg_window_add(w, 250, START);
    struct tg_quantiles q = latency(w, START);

    CHECK_INT(q.samples, 1);
    CHECK(is_near(q.p50, 250) && q.p50 == q.p75 && q.p75 == q.p90 && q.p90 == q.p99);
    tg_free(w);
}

TEST("p90 of latency is what 90 % stay at or below, p90 of throughput what 90 % reach")
{
    struct tg_window *w = window_new();
    struct tg_quantiles q;

    for (int i = 0; i < 10; i++)
        tg_window_add(w, i < 9 ? 100 : 1000, START);
    CHECK(is_near(latency(w, START).p90, 100));
    CHECK(is_near(latency(w, START).p99, 1000));
    tg_window_read(w, true, START, &q);
    CHECK(is_near(q.p90, 100));
    tg_window_add(w, 5, START);
    tg_window_add(w, 5, START);
    tg_window_read(w, true, START, &q);        /* 10 of 12 reach 100: no 90 % */
    CHECK(is_near(q.p90, 5));
    CHECK(is_near(q.p75, 100));
    tg_free(w);
}

static int ascending(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

static void check_against_sorted(struct tg_rand *rand, int n, int shape)
{
    static double values[20000];
    static const unsigned percents[] = { 50, 75, 90, 99 };
    struct tg_window *w = window_new();

    for (int i = 0; i < n; i++) {
        double u = tg_rand_unit(rand);
        values[i] = shape == 0 ? exp2(20 * u)
                  : shape == 1 ? fmin(100 / pow(1 - u, 1 / 1.5), 1 << 20)      /* Pareto */
                  : shape == 2 ? (u < 0.7 ? 80 + 40 * u : 9000 + 100 * u)       /* two humps */
                               : 1 + 2000 * u;
        tg_window_add(w, values[i], START + (uint64_t)i % (290 * SECOND));
    }
    qsort(values, (size_t)n, sizeof *values, ascending);
    for (int tail = 0; tail < 2; tail++) {
        struct tg_quantiles q;
        tg_window_read(w, tail, START + 20 * SECOND, &q);
        CHECK_INT(q.samples, n);
        const double got[] = { q.p50, q.p75, q.p90, q.p99 };
        for (int k = 0; k < 4; k++) {
            int rank = (int)((percents[k] * (unsigned)n + 99) / 100);
            CHECK(is_near(got[k], values[tail ? n - rank : rank - 1]));
        }
    }
    tg_free(w);
}

TEST("quantiles are within 1 % of the sorted values' nearest rank, whatever their shape")
{
    struct tg_rand rand;

    tg_rand_seed(&rand, 2);
    for (int shape = 0; shape < 4; shape++) {
        for (int n = 1; n <= 120; n++)
            check_against_sorted(&rand, n, shape);
        check_against_sorted(&rand, 20000, shape);
    }
}

/* ---- what five minutes are ---- */

TEST("a value counts for at least 290 s and for less than 300 s and its slice")
{
    for (uint64_t at = 0; at < 10 * SECOND; at += 999) {
        for (uint64_t age = 280 * SECOND; age < 310 * SECOND; age += 499) {
            struct tg_window *w = window_new();
            tg_window_add(w, 100, START + at);
            uint32_t samples = latency(w, START + at + age).samples;
            if (age <= 290 * SECOND)
                CHECK_INT(samples, 1);
            else if (age >= 300 * SECOND)
                CHECK_INT(samples, 0);
            else
                CHECK_INT(samples, at + age < 300 * SECOND);
            tg_free(w);
        }
    }
}

TEST("of steady traffic exactly the last 30 slices are there")
{
    struct tg_window *w = window_new();

    for (uint64_t t = 0; t < HOUR; t += 100) {
        tg_window_add(w, 100 + (double)(t / 100 % 50), START + t);
        if (t % 10000 == 0 && t >= 300 * SECOND)
            CHECK_INT(latency(w, START + t).samples, 2901);
        if (t % 10000 == 9900 && t >= 300 * SECOND)
            CHECK_INT(latency(w, START + t).samples, 3000);
    }
    CHECK_INT(wrong_totals(w), 0);
    tg_free(w);
}

TEST("idle gaps of any length leave nothing old behind")
{
    static const uint64_t gaps[] = { 300 * SECOND, 301 * SECOND, 309 * SECOND, 310 * SECOND,
                                     600 * SECOND, HOUR, 24ull * HOUR, 365ull * 24 * HOUR };
    for (size_t i = 0; i < sizeof gaps / sizeof *gaps; i++) {
        for (int by_writer = 0; by_writer < 2; by_writer++) {
            struct tg_window *w = window_new();
            for (uint64_t t = 0; t < 300 * SECOND; t += 500)
                tg_window_add(w, 100, START + t);
            uint64_t now = START + 300 * SECOND + gaps[i];
            if (by_writer)
                tg_window_add(w, 700, now);
            CHECK_INT(latency(w, now).samples, by_writer);
            CHECK(is_near(latency(w, now).p50, 700) || !by_writer);
            CHECK_INT(wrong_totals(w), 0);
            tg_free(w);
        }
    }
}

TEST("an idle gap shorter than the window keeps what is still young")
{
    struct tg_window *w = window_new();
    for (uint64_t t = 0; t < 300 * SECOND; t += SECOND)
        tg_window_add(w, 100, START + t);
    CHECK_INT(latency(w, START + 299 * SECOND).samples, 300);
    CHECK_INT(latency(w, START + 399 * SECOND).samples, 200);
    CHECK_INT(latency(w, START + 580 * SECOND).samples, 10);
    CHECK_INT(latency(w, START + 590 * SECOND).samples, 0);
    tg_free(w);
}

TEST("a writer whose clock lies a little behind is counted too, and turns nothing back")
{
    struct tg_window *w = window_new();
    tg_window_add(w, 100, START + 10 * SECOND);
    uint64_t epoch = w->epoch;
    tg_window_add(w, 100, START + 9999);
    tg_window_add(w, 100, START + 5 * SECOND);
    CHECK_INT(w->epoch, epoch);
    CHECK_INT(latency(w, START + 9999).samples, 3);
    CHECK_INT(latency(w, START + 10 * SECOND).samples, 3);
    CHECK_INT(wrong_totals(w), 0);
    tg_free(w);
}

TEST("a clock that began anew empties the window instead of stopping it")
{
    struct tg_window *w = window_new();
    for (uint64_t t = 0; t < 200 * SECOND; t += SECOND)
        tg_window_add(w, 100, START + t);
    CHECK_INT(latency(w, 5 * SECOND).samples, 0);
    tg_window_add(w, 30, 6 * SECOND);
    CHECK_INT(latency(w, 6 * SECOND).samples, 1);
    CHECK_INT(latency(w, 306 * SECOND).samples, 0);
    CHECK_INT(wrong_totals(w), 0);
    tg_free(w);
}

/* ---- limits ---- */

TEST("a full bucket closes its slice to all values alike; the next slice counts again")
{
    struct tg_window *w = window_new();
    for (int i = 0; i < 200000; i++)
        tg_window_add(w, i % 10 < 9 ? 100 : 1000, START + 5 * SECOND);
    struct tg_quantiles q = latency(w, START + 5 * SECOND);
    CHECK(q.samples > TG_WINDOW_SLICE_FULL && q.samples < 72000);
    CHECK(is_near(q.p90, 100) && is_near(q.p99, 1000));     /* still nine to one */
    CHECK_INT(wrong_totals(w), 0);

    tg_window_add(w, 100, START + 15 * SECOND);
    CHECK_INT(latency(w, START + 15 * SECOND).samples, q.samples + 1);
    CHECK_INT(latency(w, START + 305 * SECOND).samples, 1);
    tg_window_add(w, 100, START + 305 * SECOND);            /* the same slice, used again */
    CHECK_INT(latency(w, START + 305 * SECOND).samples, 2);
    tg_free(w);
}

TEST("a unit moves the range: larger values are told apart, those below it are not")
{
    struct tg_window *w = window_new();
    w->unit = 16;
    tg_window_add(w, 2.5e6, START);
    CHECK(is_near(latency(w, START).p50, 2.5e6));
    for (int i = 0; i < 8; i++)
        tg_window_add(w, 3, START);
    CHECK(is_near(latency(w, START).p50, 16));
    CHECK(is_near(latency(w, START).p99, 2.5e6));
    tg_free(w);
}

/* ---- processes that die ---- */

TEST("a total left too high by a writer's death is put right within a minute")
{
    struct tg_window *w = window_new();
    for (uint64_t t = 0; t < 60 * SECOND; t += SECOND)
        tg_window_add(w, 100, START + t);
    w->total[tg_sketch_bucket(100)]++;
    w->total[5]++;
    tg_window_add(w, 100, START + 60 * SECOND);
    tg_window_add(w, 100, START + 119 * SECOND);
    tg_window_add(w, 100, START + 120 * SECOND);
    CHECK_INT(latency(w, START + 120 * SECOND).samples, 63);
    CHECK_INT(wrong_totals(w), 0);
    tg_free(w);
}

TEST("a total left too low never wraps, and is put right too")
{
    struct tg_window *w = window_new();
    for (int i = 0; i < 13; i++)
        tg_window_add(w, 100, START + (i < 10 ? 0 : 200 * SECOND));
    CHECK_INT(latency(w, START + 295 * SECOND).samples, 13);
    w->total[tg_sketch_bucket(100)] = 4;
    CHECK_INT(latency(w, START + 301 * SECOND).samples, 0);     /* ten of four retired */
    CHECK_INT(latency(w, START + 361 * SECOND).samples, 3);
    CHECK_INT(wrong_totals(w), 0);
    tg_free(w);
}

TEST("a rotation whose process died holds nobody up: values are kept, the next one makes up")
{
    struct tg_window *w = window_new();
    tg_window_add(w, 100, START);
    w->claimed = w->epoch + 1;                  /* and then it was killed */
    for (int i = 0; i < 5; i++)
        tg_window_add(w, 100, START + 11 * SECOND);
    CHECK_INT(latency(w, START + 12 * SECOND).samples, 6);
    tg_window_add(w, 100, START + 20 * SECOND);
    CHECK_INT(w->epoch, (START + 20 * SECOND) / 10000 + 1);
    CHECK_INT(latency(w, START + 20 * SECOND).samples, 7);
    CHECK_INT(latency(w, START + 320 * SECOND).samples, 0);
    CHECK_INT(wrong_totals(w), 0);
    tg_free(w);
}

/* ---- many at once ---- */

enum { ADDS = 150000 };

struct shared {
    struct tg_window w;
    _Atomic uint64_t clock_ms, added;
};

static void *hammer(void *arg)
{
    struct shared *s = arg;
    for (int i = 0; i < ADDS; i++) {
        uint64_t now = START + atomic_fetch_add(&s->clock_ms, i % 2);
        tg_window_add(&s->w, 1 + i % 3000, now);
        if (i % 1000 == 0)
            latency(&s->w, now);
    }
    return NULL;
}

TEST("two threads that add, read and rotate lose nothing")
{
    struct shared *s = tg_zalloc(sizeof *s);
    pthread_t one, two;

    pthread_create(&one, NULL, hammer, s);
    pthread_create(&two, NULL, hammer, s);
    pthread_join(one, NULL);
    pthread_join(two, NULL);
    CHECK(s->clock_ms > 100 * SECOND);
    CHECK(s->clock_ms < 200 * SECOND);          /* so a minute later all are still there */
    CHECK_INT(latency(&s->w, START + s->clock_ms + MINUTE).samples, 2 * ADDS);
    CHECK_INT(wrong_totals(&s->w), 0);
    tg_free(s);
}

static void *hammer_fast(void *arg)
{
    struct shared *s = arg;
    for (int i = 0; i < ADDS; i++)
        tg_window_add(&s->w, 1 + i % 3000, START + atomic_fetch_add(&s->clock_ms, 100));
    return NULL;
}

TEST("two threads that go through days leave totals that agree with the slices")
{
    struct shared *s = tg_zalloc(sizeof *s);
    pthread_t one, two;

    pthread_create(&one, NULL, hammer_fast, s);
    pthread_create(&two, NULL, hammer_fast, s);
    pthread_join(one, NULL);
    pthread_join(two, NULL);
    latency(&s->w, START + s->clock_ms + MINUTE);
    CHECK_INT(wrong_totals(&s->w), 0);
    CHECK_INT(latency(&s->w, START + s->clock_ms + 301 * SECOND).samples, 0);
    tg_free(s);
}

static pid_t fork_writer(struct shared *s, uint64_t seed)
{
    pid_t pid = fork();
    if (pid != 0)
        return pid;

    struct tg_rand rand;
    tg_rand_seed(&rand, seed);
    for (;;) {
        uint64_t now = START + atomic_fetch_add(&s->clock_ms, 40);
        tg_window_add(&s->w, exp2(6 + 6 * tg_rand_unit(&rand)), now);
        atomic_fetch_add(&s->added, 1);
    }
}

TEST("writers killed at random instants leave nothing that the next minute does not mend")
{
    struct shared *s = mmap(NULL, sizeof *s, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS,
                            -1, 0);
    struct tg_rand rand;
    pid_t pids[2];

    tg_rand_seed(&rand, 3);
    for (uint64_t i = 0; i < 2; i++)
        pids[i] = fork_writer(s, i);
    for (uint64_t round = 0; round < 200; round++) {
        uint64_t until = s->added + tg_rand_below(&rand, 3000), victim = round % 2;
        while (s->added < until)
            sched_yield();
        kill(pids[victim], SIGKILL);
        waitpid(pids[victim], NULL, 0);
        pids[victim] = fork_writer(s, 2 + round);
    }
    for (int i = 0; i < 2; i++) {
        kill(pids[i], SIGKILL);
        waitpid(pids[i], NULL, 0);
    }

    uint64_t now = START + s->clock_ms;
    CHECK(latency(&s->w, now).samples > 0);
    CHECK(latency(&s->w, now + 70 * SECOND).samples > 0);
    CHECK_INT(wrong_totals(&s->w), 0);
    CHECK_INT(latency(&s->w, now + 310 * SECOND).samples, 0);
    CHECK_INT(wrong_totals(&s->w), 0);
    munmap(s, sizeof *s);
}

TEST_MAIN
