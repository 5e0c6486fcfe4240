#include "route/live.h"

#include <math.h>
#include <pthread.h>
#include <stdatomic.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/mem.h"
#include "base/rand.h"
#include "check.h"

enum { SECOND = 1000, MINUTE = 60 * SECOND, HOUR = 60 * MINUTE };

static const uint64_t START = 1000ull * HOUR;

static void *map(size_t bytes)
{
    void *at = mmap(NULL, bytes, PROT_READ | PROT_WRITE,
                    MAP_SHARED | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    return at == MAP_FAILED ? NULL : at;
}

static size_t mapped_slots;

static struct tg_live_region *region_new(size_t slots)
{
    struct tg_live_region *r = NULL;
    CHECK_INT(tg_live_attach(map(tg_live_bytes(slots)), tg_live_bytes(slots), slots, &r), TG_OK);
    mapped_slots = slots;
    return r;
}

static void region_free(struct tg_live_region *r)
{
    munmap(r, tg_live_bytes(mapped_slots));
}

static bool is_near(double got, double want)
{
    return fabs(got - want) <= 0.01 * want;
}

/* ---- the region ---- */

TEST("a second attachment finds what the first one left")
{
    struct tg_live_region *r = region_new(8), *again = NULL;
    struct tg_live *l = tg_live_slot(r, 77);
    l->in_flight = 3;
    CHECK_INT(tg_live_attach(r, tg_live_bytes(8), 8, &again), TG_OK);
    CHECK(again == r);
    CHECK(tg_live_slot(again, 77) == l);
    CHECK_INT(tg_live_slot(again, 77)->in_flight, 3);
    region_free(r);
}

TEST("memory of another size, of another content or badly aligned is refused")
{
    struct tg_live_region *r = region_new(8), *out = NULL;
    size_t bytes = tg_live_bytes(8);

    CHECK_INT(tg_live_attach(r, bytes, 7, &out), TG_EINVAL);
    CHECK_INT(tg_live_attach(r, bytes - 1, 8, &out), TG_EINVAL);
    CHECK_INT(tg_live_attach(r, bytes, 9, &out), TG_EINVAL);
    CHECK_INT(tg_live_attach(r, bytes, 0, &out), TG_EINVAL);
    CHECK_INT(tg_live_attach(r, SIZE_MAX, TG_LIVE_SLOTS_MAX + 1, &out), TG_EINVAL);
    CHECK_INT(tg_live_attach(NULL, bytes, 8, &out), TG_EINVAL);
    CHECK_INT(tg_live_attach((char *)r + 8, bytes, 8, &out), TG_EINVAL);
    ((char *)r)[5] ^= 1;                           /* another magic */
    CHECK_INT(tg_live_attach(r, bytes, 8, &out), TG_EINVAL);
    ((char *)r)[5] ^= 1;
    ((char *)r)[4] ^= 1;                           /* another version */
    CHECK_INT(tg_live_attach(r, bytes, 8, &out), TG_EINVAL);
    CHECK(out == NULL);
    region_free(r);
}

static size_t pages_in_use(void *at, size_t bytes)
{
    size_t page = (size_t)sysconf(_SC_PAGESIZE), pages = (bytes + page - 1) / page, in_use = 0;
    unsigned char *resident = tg_alloc(pages);
    if (mincore(at, bytes, resident))
        return SIZE_MAX;
    for (size_t i = 0; i < pages; i++)
        in_use += resident[i] & 1;
    tg_free(resident);
    return in_use;
}

TEST("a region costs memory for endpoints that are used, not for those that are known")
{
    struct tg_live_region *r = region_new(TG_LIVE_SLOTS_MAX);
    size_t bytes = tg_live_bytes(TG_LIVE_SLOTS_MAX);

    CHECK(bytes > 300u * 1024 * 1024);
    CHECK_INT(pages_in_use(r, bytes), 1);
    for (uint64_t id = 1; id <= TG_LIVE_SLOTS_MAX; id++)
        CHECK(tg_live_slot(r, id) != NULL);
    CHECK(pages_in_use(r, bytes) <= 10);           /* the list of identities */

    struct tg_live_report ok = { .event = TG_HEALTH_SUCCESS, .ttft_ms = 200, .output_tokens = 50,
                                 .stream_ms = 1000, .hold_ms = -1 };
    tg_live_tell(tg_live_slot(r, 5), &ok, START);
    CHECK(pages_in_use(r, bytes) <= 10 + 6);
    region_free(r);
}

/* ---- slots ---- */

TEST("every identity has a slot of its own, the same each time, until all are taken")
{
    enum { SLOTS = 100 };
    struct tg_live_region *r = region_new(SLOTS);
    struct tg_live *of[SLOTS + 1] = { 0 };

    for (uint64_t id = 1; id <= SLOTS; id++) {
        of[id] = tg_live_slot(r, id * 1000003);
        CHECK(of[id] != NULL);
        for (uint64_t k = 1; k < id; k++)
            CHECK(of[k] != of[id]);
    }
    CHECK(tg_live_slot(r, 999) == NULL);
    for (uint64_t id = 1; id <= SLOTS; id++)
        CHECK(tg_live_slot(r, id * 1000003) == of[id]);
    CHECK(tg_live_slot(r, 0) == NULL);
    region_free(r);
}

struct claim {
    struct tg_live_region *r;
    struct tg_live *got[256];
    uint64_t step;
};

static void *claim_all(void *arg)
{
    struct claim *c = arg;
    for (uint64_t i = 0; i < 256; i++) {
        uint64_t id = i * c->step % 256;
        c->got[id] = tg_live_slot(c->r, 1 + id);
    }
    return NULL;
}

TEST("two threads that meet new identities at once agree on the slots")
{
    struct tg_live_region *r = region_new(256);
    struct claim a = { .r = r, .step = 1 }, b = { .r = r, .step = 255 };
    pthread_t one, two;

    pthread_create(&one, NULL, claim_all, &a);
    pthread_create(&two, NULL, claim_all, &b);
    pthread_join(one, NULL);
    pthread_join(two, NULL);
    for (int i = 0; i < 256; i++)
        CHECK(a.got[i] && a.got[i] == b.got[i]);
    region_free(r);
}

TEST("another process sees what is told here")
{
    struct tg_live_region *r = region_new(4);
    struct tg_live_report bad = { .event = TG_HEALTH_FAILURE, .ttft_ms = -1, .output_tokens = -1,
                                  .hold_ms = -1 };
    pid_t child = fork();
    if (child == 0) {
        tg_live_tell(tg_live_slot(r, 9), &bad, START);
        tg_live_tell(tg_live_slot(r, 9), &bad, START);
        _exit(0);
    }
    waitpid(child, NULL, 0);
    CHECK(tg_health_has_outage(&tg_live_slot(r, 9)->health, START));
    region_free(r);
}

/* ---- what is told ---- */

static struct tg_live *live_new(void)
{
    return tg_zalloc(sizeof(struct tg_live));
}

static struct tg_quantiles latency(struct tg_live *l)
{
    struct tg_quantiles q;
    tg_window_read(&l->ttft, false, START, &q);
    return q;
}

static struct tg_quantiles throughput(struct tg_live *l)
{
    struct tg_quantiles q;
    tg_window_read(&l->throughput, true, START, &q);
    return q;
}

TEST("a stream that went well tells both its first-token time and its speed")
{
    struct tg_live *l = live_new();
    struct tg_live_report r = { .event = TG_HEALTH_SUCCESS, .ttft_ms = 321, .output_tokens = 150,
                                .stream_ms = 2000, .hold_ms = -1 };
    tg_live_tell(l, &r, START);
    CHECK(is_near(latency(l).p50, 321));
    CHECK(is_near(throughput(l).p50, 75000));      /* 75 tokens/s, x 1000 */
    CHECK(tg_health_uptime_5m(&l->health, START) == 1);
    tg_free(l);
}

TEST("speeds of the slowest and of the fastest are told apart")
{
    static const struct { int64_t tokens, ms; double per_1000_s; } cases[] = {
        { 2, 60000, 33.3 }, { 100, 100000, 1000 }, { 3000, 1000, 3e6 }, { 16000, 1000, 16e6 },
        { 1000000, 20, 16.777e6 },
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct tg_live *l = live_new();
        struct tg_live_report r = { .event = TG_HEALTH_SUCCESS, .ttft_ms = 0, .hold_ms = -1,
                                    .output_tokens = cases[i].tokens, .stream_ms = cases[i].ms };
        tg_live_tell(l, &r, START);
        CHECK(is_near(throughput(l).p90, cases[i].per_1000_s));
        tg_free(l);
    }
}

TEST("what cannot be measured is left out, and the rest is not")
{
    static const struct {
        const char *what; int64_t ttft, tokens, ms; bool timed, paced;
    } cases[] = {
        { "no content",                -1,  -1,    0, false, false },
        { "content, no count",        100,  -1, 1000, true,  false },
        { "one token behind",         100,   1, 1000, true,  false },
        { "two tokens behind",        100,   2, 1000, true,  true  },
        { "too short to measure",     100,  50,   19, true,  false },
        { "just long enough",         100,  50,   20, true,  true  },
        { "all in one piece",         100,  50,    0, true,  false },
        { "first content at once",      0,  50,  500, true,  true  },
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct tg_live *l = live_new();
        struct tg_live_report r = { .event = TG_HEALTH_SUCCESS, .ttft_ms = cases[i].ttft,
                                    .output_tokens = cases[i].tokens, .stream_ms = cases[i].ms,
                                    .hold_ms = -1 };
        check_context = cases[i].what;
        tg_live_tell(l, &r, START);
        CHECK_INT(latency(l).samples, cases[i].timed);
        CHECK_INT(throughput(l).samples, cases[i].paced);
        tg_free(l);
    }
}

TEST("a 429 teaches a cap from the others in flight, itself not counted")
{
    struct tg_live *l = live_new();
    struct tg_live_report r = { .event = TG_HEALTH_RATE_LIMITED, .ttft_ms = -1, .output_tokens = -1,
                                .hold_ms = 3000 };
    l->in_flight = 4;
    tg_live_tell(l, &r, START);
    CHECK_INT(tg_health_cap(&l->health), 3);
    CHECK_INT(tg_health_hold_ms(&l->health, START), 3000);
    tg_free(l);
}

TEST("answers with tools and bad calls are counted, and halved twice a day")
{
    struct tg_live *l = live_new();
    struct tg_live_report r = { .event = TG_HEALTH_SUCCESS, .ttft_ms = 1, .output_tokens = -1,
                                .hold_ms = -1 };
    tg_live_tell(l, &r, START);
    CHECK_INT(l->tool_answers, 0);
    r.tools = true;
    for (int i = 0; i < 100; i++) {
        r.tools_bad = i % 4 == 0;
        tg_live_tell(l, &r, START);
    }
    CHECK_INT(l->tool_answers, 100);
    CHECK_INT(l->tool_bad, 25);
    r.tools_bad = false;
    tg_live_tell(l, &r, START + 12ull * HOUR);
    CHECK_INT(l->tool_answers, 51);
    CHECK_INT(l->tool_bad, 12);
    tg_live_tell(l, &r, START + 12ull * HOUR - 1);  /* a clock slightly behind */
    CHECK_INT(l->tool_answers, 52);
    tg_live_tell(l, &r, START + 1000ull * HOUR);
    CHECK_INT(l->tool_answers, 1);
    CHECK_INT(l->tool_bad, 0);
    tg_free(l);
}

/* ---- stickiness ---- */

TEST("what was set for a key is got, until it was idle for too long")
{
    struct tg_live_region *r = region_new(8);
    CHECK_INT(tg_live_sticky_get(r, 1, START, HOUR), 0);
    tg_live_sticky_set(r, 1, 500, START);
    CHECK_INT(tg_live_sticky_get(r, 1, START, 10 * MINUTE), 500);
    CHECK_INT(tg_live_sticky_get(r, 1, START + 9 * MINUTE, 10 * MINUTE), 500);
    CHECK_INT(tg_live_sticky_get(r, 1, START + 10 * MINUTE + 256, 10 * MINUTE), 0);
    CHECK_INT(tg_live_sticky_get(r, 2, START, 10 * MINUTE), 0);
    tg_live_sticky_set(r, 1, 500, START + 9 * MINUTE);
    CHECK_INT(tg_live_sticky_get(r, 1, START + 18 * MINUTE, 10 * MINUTE), 500);
    tg_live_sticky_set(r, 1, 501, START + 18 * MINUTE);
    CHECK_INT(tg_live_sticky_get(r, 1, START + 18 * MINUTE, 10 * MINUTE), 501);
    region_free(r);
}

TEST("an entry set by a clock a little ahead is fresh, not old")
{
    struct tg_live_region *r = region_new(8);
    tg_live_sticky_set(r, 1, 500, START + 900);
    CHECK_INT(tg_live_sticky_get(r, 1, START, 10 * MINUTE), 500);
    region_free(r);
}

TEST("key 0 is a key like others; identity 0, and one for which no slot is left, is not stored")
{
    struct tg_live_region *r = region_new(1);
    tg_live_sticky_set(r, 0, 500, START);
    CHECK_INT(tg_live_sticky_get(r, 0, START, HOUR), 500);
    tg_live_sticky_set(r, 0, 501, START);
    tg_live_sticky_set(r, 0, 0, START);
    CHECK_INT(tg_live_sticky_get(r, 0, START, HOUR), 500);
    region_free(r);
}

TEST("ten thousand conversations are remembered")
{
    struct tg_live_region *r = region_new(64);
    struct tg_rand keys;
    int kept = 0, wrong = 0;

    tg_rand_seed(&keys, 6);
    for (uint64_t i = 0; i < 10000; i++)
        tg_live_sticky_set(r, tg_rand_u64(&keys), 1 + i % 50, START + i);
    tg_rand_seed(&keys, 6);
    for (uint64_t i = 0; i < 10000; i++) {
        uint64_t got = tg_live_sticky_get(r, tg_rand_u64(&keys), START + 10 * SECOND, HOUR);
        kept += got == 1 + i % 50;
        wrong += got && got != 1 + i % 50;
    }
    CHECK(kept > 9950);
    CHECK_INT(wrong, 0);
    region_free(r);
}

TEST("when there are too many the oldest make room, and no key gets another's identity")
{
    enum { KEYS = 400000 };
    struct tg_live_region *r = region_new(64);
    struct tg_rand keys;
    int kept_late = 0, kept_early = 0, wrong = 0;

    tg_rand_seed(&keys, 7);
    for (uint64_t i = 0; i < KEYS; i++)
        tg_live_sticky_set(r, tg_rand_u64(&keys), 1 + i % 50, START + i);
    tg_rand_seed(&keys, 7);
    for (uint64_t i = 0; i < KEYS; i++) {
        uint64_t got = tg_live_sticky_get(r, tg_rand_u64(&keys), START + KEYS, HOUR);
        wrong += got && got != 1 + i % 50;
        if (i < KEYS / 2)
            kept_early += got != 0;
        if (i >= KEYS - 16384)
            kept_late += got != 0;
    }
    CHECK_INT(wrong, 0);
    CHECK(kept_late > 16384 * 9 / 10);
    CHECK(kept_early < KEYS / 2 / 100);
    region_free(r);
}

struct churn {
    struct tg_live_region *r;
    _Atomic int wrong, found;
    uint64_t seed;
};

/* Key k belongs to identities k + 1 and k + 1001 in turn, and to no other. */
static void *churn(void *arg)
{
    struct churn *c = arg;
    struct tg_rand rand;
    tg_rand_seed(&rand, c->seed);
    for (int i = 0; i < 100000; i++) {
        uint64_t k = tg_rand_below(&rand, 100), now = START + (uint64_t)i / 10;
        if (i % 2) {
            tg_live_sticky_set(c->r, k, k + 1 + (i % 4 == 1) * 1000, now);
            continue;
        }
        uint64_t got = tg_live_sticky_get(c->r, k, now, HOUR);
        atomic_fetch_add(&c->found, got != 0);
        atomic_fetch_add(&c->wrong, got && got != k + 1 && got != k + 1001);
    }
    return NULL;
}

TEST("two threads that set and get at once never read an identity that was not set for the key")
{
    struct churn a = { .r = region_new(256), .seed = 8 }, b = { .r = a.r, .seed = 9 };
    pthread_t one, two;

    pthread_create(&one, NULL, churn, &a);
    pthread_create(&two, NULL, churn, &b);
    pthread_join(one, NULL);
    pthread_join(two, NULL);
    CHECK_INT(a.wrong + b.wrong, 0);
    CHECK(a.found + b.found > 90000);
    region_free(a.r);
}

/* ---- in flight ---- */

static bool is_dead(uint64_t owner)
{
    return owner >= 100;
}

TEST("what the dead had in flight is taken back when the next one sits down")
{
    struct tg_live_region *r = region_new(8);
    struct tg_live *l = tg_live_slot(r, 77), *m = tg_live_slot(r, 78);
    struct tg_live_seat *alive = tg_live_sit(r, 1, is_dead), *dead = tg_live_sit(r, 100, is_dead);

    CHECK(alive && dead && alive != dead);
    tg_live_enter(l, r, NULL);
    for (int i = 0; i < 3; i++)
        tg_live_enter(l, r, dead);
    tg_live_enter(m, r, dead);
    tg_live_enter(l, r, alive);
    tg_live_leave(l, r, dead);
    CHECK_INT(l->in_flight, 4);

    struct tg_live_seat *next = tg_live_sit(r, 2, is_dead);
    CHECK(next == dead);                   /* it is free again */
    CHECK_INT(l->in_flight, 2);
    CHECK_INT(m->in_flight, 0);

    tg_live_leave(l, r, alive);
    tg_live_enter(l, r, next);
    tg_live_stand_up(r, next);             /* with one that it forgot */
    tg_live_stand_up(r, NULL);
    CHECK_INT(l->in_flight, 1);
    CHECK(tg_live_sit(r, 3, is_dead) == next);
    region_free(r);
}

TEST("there are as many seats as there are")
{
    struct tg_live_region *r = region_new(8);

    for (int i = 0; i < TG_LIVE_SEATS; i++)
        CHECK(tg_live_sit(r, 1, is_dead) != NULL);
    CHECK(tg_live_sit(r, 1, is_dead) == NULL);
    region_free(r);
}

TEST("attempts are counted by how they ended")
{
    struct tg_live_region *r = region_new(8);
    struct tg_live *l = tg_live_slot(r, 77);
    static const enum tg_health_event events[] = { TG_HEALTH_SUCCESS, TG_HEALTH_SUCCESS,
        TG_HEALTH_FAILURE, TG_HEALTH_RATE_LIMITED, TG_HEALTH_NEUTRAL, TG_HEALTH_SUCCESS };

    for (size_t i = 0; i < sizeof events / sizeof *events; i++)
        tg_live_tell(l, &(struct tg_live_report){ .event = events[i], .ttft_ms = -1, .output_tokens = -1,
                                                  .hold_ms = -1 }, START);
    CHECK_INT(l->told[TG_HEALTH_SUCCESS], 3);
    CHECK_INT(l->told[TG_HEALTH_FAILURE], 1);
    CHECK_INT(l->told[TG_HEALTH_RATE_LIMITED], 1);
    CHECK_INT(l->told[TG_HEALTH_NEUTRAL], 1);
    region_free(r);
}

TEST_MAIN
