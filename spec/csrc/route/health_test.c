#include "route/health.h"

#include <math.h>
#include <pthread.h>
#include <stdatomic.h>

#include "base/rand.h"
#include "check.h"

enum { SECOND = 1000, MINUTE = 60 * SECOND, HOUR = 60 * MINUTE };

static const uint64_t START = 1000ull * HOUR;

static void succeed(struct tg_health *h, uint64_t now_ms)
{
    tg_health_tell(h, TG_HEALTH_SUCCESS, -1, 0, now_ms);
}

static void fail(struct tg_health *h, uint64_t now_ms)
{
    tg_health_tell(h, TG_HEALTH_FAILURE, -1, 0, now_ms);
}

static void limit(struct tg_health *h, int64_t hold_ms, int32_t in_flight, uint64_t now_ms)
{
    tg_health_tell(h, TG_HEALTH_RATE_LIMITED, hold_ms, in_flight, now_ms);
}

static enum tg_breaker state(struct tg_health *h, uint64_t now_ms)
{
    return tg_health_breaker(h, now_ms);
}

static bool is_near(double got, double want)
{
    return fabs(got - want) < 1e-9;
}

/* ---- outages ---- */

TEST("an endpoint nobody has used is well")
{
    struct tg_health h = { 0 };
    CHECK(!tg_health_has_outage(&h, START));
    CHECK_INT(state(&h, START), TG_BREAKER_CLOSED);
    CHECK(tg_health_take_probe(&h, START));
    CHECK(is_near(tg_health_share(&h, START), 1));
    CHECK_INT(tg_health_hold_ms(&h, START), 0);
    CHECK_INT(tg_health_cap(&h), INT32_MAX);
    CHECK(is_near(tg_health_uptime_5m(&h, START), -1));
}

TEST("an outage is two failures that are 10 % of the requests of the last 30 s")
{
    static const struct { int failures, successes; bool outage; } cases[] = {
        { 0, 50, false }, { 1, 0, false }, { 1, 3, false }, { 2, 0, true }, { 2, 17, true },
        { 2, 18, true },  { 2, 19, false }, { 3, 27, true }, { 3, 28, false }, { 100, 900, true },
        { 100, 901, false },
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct tg_health h = { 0 };
        for (int k = 0; k < cases[i].successes; k++)
            succeed(&h, START);
        for (int k = 0; k < cases[i].failures; k++)
            fail(&h, START);
        CHECK_INT(tg_health_has_outage(&h, START + SECOND), cases[i].outage);
    }
}

TEST("failures further apart than 30 s are no outage")
{
    struct tg_health h = { 0 };
    for (uint64_t t = 0; t < 10; t++) {
        fail(&h, START + t * 32 * SECOND);
        CHECK(!tg_health_has_outage(&h, START + t * 32 * SECOND));
    }
    fail(&h, START + 9 * 32 * SECOND + 30 * SECOND);
    CHECK(tg_health_has_outage(&h, START + 9 * 32 * SECOND + 30 * SECOND));
}

TEST("successes that are too old to count do not hide an outage")
{
    struct tg_health h = { 0 };
    for (int i = 0; i < 100; i++)
        succeed(&h, START);
    fail(&h, START + 20 * SECOND);
    fail(&h, START + 21 * SECOND);
    CHECK(!tg_health_has_outage(&h, START + 22 * SECOND));
    CHECK(tg_health_has_outage(&h, START + 32 * SECOND));
}

TEST("34 s after its last failure it is back, and not before, however many probes succeed")
{
    struct tg_health h = { 0 };
    fail(&h, START);
    fail(&h, START + SECOND);
    for (uint64_t t = SECOND; t < 35 * SECOND; t += 100) {
        CHECK(tg_health_has_outage(&h, START + t));
        succeed(&h, START + t);
    }
    CHECK(!tg_health_has_outage(&h, START + 35 * SECOND));

    fail(&h, START + 40 * SECOND);                 /* one failure is not a new one */
    CHECK(!tg_health_has_outage(&h, START + 40 * SECOND));
}

TEST("every further failure begins the 34 s anew")
{
    struct tg_health h = { 0 };
    fail(&h, START);
    fail(&h, START);
    for (int i = 0; i < 50; i++)
        succeed(&h, START);
    fail(&h, START + 33 * SECOND);
    CHECK(tg_health_has_outage(&h, START + 33 * SECOND + 33999));
    CHECK(!tg_health_has_outage(&h, START + 33 * SECOND + 34000));
}

TEST("429s and the request's own errors are no failures")
{
    struct tg_health h = { 0 };
    for (int i = 0; i < 100; i++) {
        limit(&h, 0, 3, START);
        tg_health_tell(&h, TG_HEALTH_NEUTRAL, -1, 0, START);
    }
    CHECK(!tg_health_has_outage(&h, START));
    CHECK_INT(state(&h, START), TG_BREAKER_CLOSED);
    CHECK(is_near(tg_health_uptime_5m(&h, START), -1));
}

/* ---- when the breaker opens ---- */

/* P(p > 0.2) for p ~ Beta(0.03 + failed, 2.97 + succeeded), by Simpson's rule. */
static double doubt(int failed, int succeeded)
{
    enum { STEPS = 4000 };
    double a = 0.03 + failed, b = 2.97 + succeeded, area = 0;
    double scale = lgamma(a + b) - lgamma(a) - lgamma(b);

    for (int i = 0; i <= STEPS; i++) {
        double p = 0.2 + 0.8 * i / STEPS;
        double density = p < 1 ? exp(scale + (a - 1) * log(p) + (b - 1) * log1p(-p)) : 0;
        area += density * (i == 0 || i == STEPS ? 1 : i % 2 ? 4 : 2);
    }
    return area * 0.8 / STEPS / 3;
}

TEST("it opens when more than 20 % failing is 90 % sure, or after five in a row")
{
    struct tg_rand rand;

    tg_rand_seed(&rand, 4);
    for (int round = 0; round < 300; round++) {
        struct tg_health h = { 0 };
        int failed = 0, succeeded = 0, row = 0;
        double rate = 0.1 + 0.7 * tg_rand_unit(&rand);
        bool opens = false;

        while (!opens && failed < 60 && succeeded < 250) {
            if (tg_rand_unit(&rand) < rate) {
                fail(&h, START);
                failed++, row++;
                opens = failed >= 3 && (doubt(failed, succeeded) > 0.9 || row >= 5);
            } else {
                succeed(&h, START);
                succeeded++, row = 0;
            }
            CHECK_INT(state(&h, START), opens ? TG_BREAKER_OPEN : TG_BREAKER_CLOSED);
        }
    }
}

TEST("that is 3 in a row, 4 of 6, 5 of 10, 7 of 17, 10 of 30, 20 of 70")
{
    static const int cases[][2] = { { 3, 3 },  { 4, 6 },   { 5, 10 },
                                    { 7, 17 }, { 10, 30 }, { 20, 70 } };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        int failures = cases[i][0], between = (failures - 1) / 4;
        struct tg_health h = { 0 };
        for (int k = 0; k < cases[i][1] - failures - between; k++)
            succeed(&h, START);
        for (int k = 0; k < failures; k++) {
            if (k && k % 4 == 0)                   /* never five in a row */
                succeed(&h, START);
            CHECK_INT(state(&h, START), TG_BREAKER_CLOSED);
            fail(&h, START);
        }
        CHECK_INT(state(&h, START), TG_BREAKER_OPEN);
    }
}

TEST("beyond the table a quarter of the requests opens it")
{
    struct tg_health h = { 0 };
    for (int i = 0; i < 1000; i++)
        succeed(&h, START);
    int failures = 0;
    while (state(&h, START) == TG_BREAKER_CLOSED && failures < 2000) {
        fail(&h, START);
        failures++;
        succeed(&h, START);
    }
    CHECK_INT(failures, 500);                      /* 500 of 1999 and, one before, 499 of 1997 */
}

TEST("five in a row open it however far apart, and a success between starts anew")
{
    struct tg_health h = { 0 };
    for (uint64_t i = 0; i < 4; i++)
        fail(&h, START + i * HOUR);
    succeed(&h, START + 4 * HOUR);
    for (uint64_t i = 5; i < 9; i++)
        fail(&h, START + i * HOUR);
    CHECK_INT(state(&h, START + 8 * HOUR), TG_BREAKER_CLOSED);
    fail(&h, START + 9 * HOUR);
    CHECK_INT(state(&h, START + 9 * HOUR), TG_BREAKER_OPEN);
}

/* ---- what the breaker does then ---- */

/* When an open breaker becomes half open. */
static uint64_t opens_until(struct tg_health *h, uint64_t now_ms)
{
    uint64_t low = now_ms, high = now_ms + 10 * MINUTE;
    while (low < high) {
        uint64_t middle = (low + high) / 2;
        if (state(h, middle) == TG_BREAKER_OPEN)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

static uint64_t trip(struct tg_health *h, uint64_t now_ms)
{
    for (int i = 0; i < 3; i++)
        fail(h, now_ms);
    CHECK_INT(state(h, now_ms), TG_BREAKER_OPEN);
    return opens_until(h, now_ms);
}

TEST("holds are 2, 4, 8, 16, 32, 64, 64 s, each 10 % more or less")
{
    struct tg_health h = { 0 };
    uint64_t now = START, until = trip(&h, now);

    for (int rung = 0; rung < 8; rung++) {
        double hold = (double)(until - now), want = 2000 * pow(2, rung < 5 ? rung : 5);
        CHECK(hold >= 0.9 * want && hold <= 1.1 * want);
        CHECK(!tg_health_take_probe(&h, until - 1));
        CHECK(tg_health_take_probe(&h, until));
        now = until + 7;
        fail(&h, now);
        CHECK_INT(state(&h, now), TG_BREAKER_OPEN);
        until = opens_until(&h, now);
    }
}

TEST("what fell at different moments does not come back at the same distance")
{
    uint64_t least = UINT64_MAX, most = 0;
    for (uint64_t i = 0; i < 500; i++) {
        struct tg_health h = { 0 };
        uint64_t hold = trip(&h, START + i) - START - i;
        least = hold < least ? hold : least;
        most = hold > most ? hold : most;
    }
    CHECK(least >= 1800 && least < 1820);
    CHECK(most <= 2200 && most > 2180);
}

TEST("half open, one request at a time goes through; telling how it ended gives the place back")
{
    static const enum tg_health_event ends[] = { TG_HEALTH_SUCCESS, TG_HEALTH_NEUTRAL,
                                                 TG_HEALTH_RATE_LIMITED };
    for (size_t i = 0; i < 3; i++) {
        struct tg_health h = { 0 };
        uint64_t now = trip(&h, START);
        CHECK_INT(state(&h, now), TG_BREAKER_HALF_OPEN);
        CHECK(tg_health_take_probe(&h, now));
        CHECK(!tg_health_take_probe(&h, now));
        CHECK(!tg_health_take_probe(&h, now + 30 * SECOND));
        tg_health_tell(&h, ends[i], -1, 0, now + 30 * SECOND);
        CHECK(tg_health_take_probe(&h, now + 30 * SECOND));
    }
}

TEST("a probe nobody tells about is forgotten after 60 s")
{
    struct tg_health h = { 0 };
    uint64_t now = trip(&h, START);
    CHECK(tg_health_take_probe(&h, now));
    CHECK(!tg_health_take_probe(&h, now + 59999));
    CHECK(tg_health_take_probe(&h, now + 60000));
    CHECK(!tg_health_take_probe(&h, now + 60001));
}

TEST("three successes close it; then its share grows from 10 % to all over 30 s")
{
    struct tg_health h = { 0 };
    uint64_t now = trip(&h, START);
    CHECK(is_near(tg_health_share(&h, now - 1), 0));
    for (int i = 0; i < 3; i++) {
        CHECK_INT(state(&h, now), TG_BREAKER_HALF_OPEN);
        CHECK(is_near(tg_health_share(&h, now), 0.1));
        CHECK(tg_health_take_probe(&h, now));
        succeed(&h, now);
    }
    CHECK_INT(state(&h, now), TG_BREAKER_CLOSED);
    CHECK(is_near(tg_health_share(&h, now), 0.1));
    CHECK(is_near(tg_health_share(&h, now + 10 * SECOND), 0.4));
    CHECK(is_near(tg_health_share(&h, now + 20 * SECOND), 0.7));
    CHECK(is_near(tg_health_share(&h, now + 30 * SECOND), 1));
    CHECK(is_near(tg_health_share(&h, now + HOUR), 1));
}

static uint64_t close_again(struct tg_health *h, uint64_t now_ms)
{
    for (int i = 0; i < 3; i++)
        succeed(h, now_ms);
    CHECK_INT(state(h, now_ms), TG_BREAKER_CLOSED);
    return now_ms;
}

TEST("failures from before it closed do not open it again")
{
    struct tg_health h = { 0 };
    uint64_t now = close_again(&h, trip(&h, START));
    fail(&h, now + SECOND);
    CHECK_INT(state(&h, now + SECOND), TG_BREAKER_CLOSED);
}

TEST("opening again while it comes back holds longer; later it begins at 2 s")
{
    struct tg_health h = { 0 };
    uint64_t now = close_again(&h, trip(&h, START));
    for (int i = 0; i < 4; i++)
        fail(&h, now + 5 * SECOND);
    uint64_t hold = opens_until(&h, now + 5 * SECOND) - now - 5 * SECOND;
    CHECK(hold >= 3600 && hold <= 4400);

    now = close_again(&h, now + 5 * SECOND + hold) + 31 * SECOND;
    hold = trip(&h, now) - now;
    CHECK(hold >= 1800 && hold <= 2200);
}

/* ---- every short history, against a model that is as plain as the manual ---- */

struct model {
    enum tg_breaker state;
    int rung, successes;
    uint64_t until, probe_at;          /* OPEN; HALF-OPEN, 0: none */
};

enum step { FAILS, SUCCEEDS, LIMITED, LEAVES, PROBES, WAITS_SHORT, WAITS_HOLD, WAITS_LONG, STEPS };

static void model_settle(struct model *m, uint64_t now)
{
    if (m->state == TG_BREAKER_OPEN && now >= m->until)
        *m = (struct model){ TG_BREAKER_HALF_OPEN, m->rung, 0, 0, 0 };
}

/* What happens must not depend on a hold's exact length, so the model takes
 * its end from the breaker and checks its bounds. */
static void model_open(struct model *m, struct tg_health *h, int rung, uint64_t now)
{
    *m = (struct model){ TG_BREAKER_OPEN, rung < 5 ? rung : 5, 0, opens_until(h, now), 0 };
    double hold = (double)(m->until - now), want = 2000 * (double)(1 << m->rung);
    CHECK(hold >= 0.9 * want && hold <= 1.1 * want);
}

static void one_step(struct tg_health *h, struct model *m, enum step step, uint64_t now)
{
    static const enum tg_health_event events[] = { TG_HEALTH_FAILURE, TG_HEALTH_SUCCESS,
                                                   TG_HEALTH_RATE_LIMITED, TG_HEALTH_NEUTRAL };
    if (step == PROBES) {
        bool free = m->probe_at == 0 || now >= m->probe_at + 60 * SECOND;
        bool may = m->state == TG_BREAKER_CLOSED || (m->state == TG_BREAKER_HALF_OPEN && free);
        CHECK_INT(tg_health_take_probe(h, now), may);
        if (may)
            m->probe_at = now;
        return;
    }
    if (step > PROBES)
        return;
    tg_health_tell(h, events[step], -1, 0, now);
    if (m->state != TG_BREAKER_HALF_OPEN)
        return;
    m->probe_at = 0;
    if (step == FAILS)
        model_open(m, h, m->rung + 1, now);
    else if (step == SUCCEEDS && ++m->successes == 3)
        *m = (struct model){ TG_BREAKER_CLOSED, m->rung, 0, 0, 0 };
}

static void explore(const struct tg_health *from, struct model m, uint64_t now, int depth)
{
    if (depth == 0 || m.state == TG_BREAKER_CLOSED)    /* closed: the tests above */
        return;
    for (enum step step = 0; step < STEPS; step++) {
        struct tg_health h;
        struct model after = m;
        uint64_t then = now + (step == WAITS_SHORT ? 100 : step == WAITS_HOLD ? 2300
                             : step == WAITS_LONG ? 65000 : 0);
        memcpy(&h, from, sizeof h);
        model_settle(&after, then);
        one_step(&h, &after, step, then);
        CHECK_INT(state(&h, then), after.state);
        explore(&h, after, then, depth - 1);
    }
}

TEST("every history of six steps from an open breaker goes as drawn; no hold is ever cut short")
{
    struct tg_health h = { 0 };
    for (int i = 0; i < 3; i++)
        fail(&h, START);
    struct model m = { 0 };
    model_open(&m, &h, 0, START);
    explore(&h, m, START, 6);
}

TEST("nothing told while it is open moves the end of the hold, over random histories")
{
    struct tg_rand rand;

    tg_rand_seed(&rand, 5);
    for (int round = 0; round < 200; round++) {
        struct tg_health h = { 0 };
        uint64_t now = START, until = trip(&h, now);
        while (now < until) {
            tg_health_tell(&h, (enum tg_health_event)tg_rand_below(&rand, 4), -1, 1, now);
            CHECK(!tg_health_take_probe(&h, now));
            CHECK(is_near(tg_health_share(&h, now), 0));
            CHECK_INT(opens_until(&h, now), until);
            now += tg_rand_below(&rand, 200);
        }
        CHECK_INT(state(&h, now), TG_BREAKER_HALF_OPEN);
    }
}

/* ---- 429 ---- */

TEST("a 429 holds for what it asks, between half a second and a minute")
{
    static const struct { int64_t asked, holds; } cases[] = {
        { 0, 500 }, { 1, 500 }, { 500, 500 }, { 501, 501 }, { 5000, 5000 }, { 60000, 60000 },
        { 60001, 60000 }, { INT64_MAX, 60000 },
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct tg_health h = { 0 };
        limit(&h, cases[i].asked, 0, START);
        CHECK_INT(tg_health_hold_ms(&h, START), cases[i].holds);
        CHECK(is_near(tg_health_share(&h, START), 0));
        CHECK_INT(tg_health_hold_ms(&h, START + (uint64_t)cases[i].holds - 1), 1);
        CHECK_INT(tg_health_hold_ms(&h, START + (uint64_t)cases[i].holds), 0);
        CHECK(is_near(tg_health_share(&h, START + (uint64_t)cases[i].holds), 1));
    }
}

TEST("429s that ask for nothing hold 1, 2, 4, 8, 16, 30, 30 s; a success starts anew")
{
    static const uint64_t ladder[] = { 1000, 2000, 4000, 8000, 16000, 30000, 30000 };
    struct tg_health h = { 0 };
    uint64_t now = START;
    for (int twice = 0; twice < 2; twice++) {
        for (size_t i = 0; i < sizeof ladder / sizeof *ladder; i++) {
            limit(&h, -1, 0, now);
            CHECK_INT(tg_health_hold_ms(&h, now), ladder[i]);
            now += ladder[i];
        }
        succeed(&h, now);
    }
}

TEST("the others of a burst neither climb the ladder nor shorten what was asked")
{
    struct tg_health h = { 0 };
    for (int i = 0; i < 20; i++)
        limit(&h, -1, 0, START + 10);
    CHECK_INT(tg_health_hold_ms(&h, START + 10), 1000);
    limit(&h, 5000, 0, START + 20);
    limit(&h, 700, 0, START + 30);
    limit(&h, -1, 0, START + 40);
    CHECK_INT(tg_health_hold_ms(&h, START + 40), 4980);
    succeed(&h, START + 50);                       /* sent before the 429s */
    CHECK_INT(tg_health_hold_ms(&h, START + 50), 4970);
}

TEST("a 429 teaches a cap of 0.8 of what was in flight, once a burst, at least 1")
{
    static const struct { int32_t others, cap; } cases[] = {
        { 0, 1 }, { 1, 1 }, { 2, 2 }, { 9, 8 }, { 99, 80 }, { -5, 1 }, { 50000, 40000 },
        { INT32_MAX, INT32_MAX },
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct tg_health h = { 0 };
        limit(&h, 1000, cases[i].others, START);
        CHECK_INT(tg_health_cap(&h), cases[i].cap);
        limit(&h, 5000, cases[i].others / 2, START);
        CHECK_INT(tg_health_cap(&h), cases[i].cap);
    }
}

TEST("a 429 never raises the cap")
{
    struct tg_health h = { 0 };
    limit(&h, 500, 9, START);
    limit(&h, 500, 99, START + MINUTE);
    CHECK_INT(tg_health_cap(&h), 8);
    limit(&h, 500, 4, START + 2 * MINUTE);
    CHECK_INT(tg_health_cap(&h), 4);
}

TEST("a cap's worth of successes raises it by one")
{
    struct tg_health h = { 0 };
    limit(&h, 500, 9, START);
    for (int cap = 8; cap < 200; cap++) {
        CHECK_INT(tg_health_cap(&h), cap);
        for (int i = 0; i < cap + 1; i++)
            succeed(&h, START + SECOND);
    }
    CHECK(tg_health_cap(&h) >= 200 && tg_health_cap(&h) < 210);
}

TEST("successes without a 429 before teach no cap")
{
    struct tg_health h = { 0 };
    for (int i = 0; i < 1000; i++)
        succeed(&h, START);
    CHECK_INT(tg_health_cap(&h), INT32_MAX);
}

/* ---- uptime ---- */

TEST("uptime is successes among successes and failures, over 5 min, 30 min and a day")
{
    struct tg_health h = { 0 };
    for (int i = 0; i < 90; i++)
        succeed(&h, START);
    for (int i = 0; i < 10; i++)
        fail(&h, START);
    CHECK(is_near(tg_health_uptime_5m(&h, START + 290 * SECOND), 0.9));
    CHECK(is_near(tg_health_uptime_5m(&h, START + 300 * SECOND), -1));
    CHECK(is_near(tg_health_uptime_30m(&h, START + 29 * MINUTE), 0.9));
    CHECK(is_near(tg_health_uptime_30m(&h, START + 30 * MINUTE), -1));
    for (int i = 0; i < 100; i++)
        fail(&h, START + 10 * HOUR);
    CHECK(is_near(tg_health_uptime_30m(&h, START + 10 * HOUR), 0));
    CHECK(is_near(tg_health_uptime_1d(&h, START + 23 * HOUR), 0.45));
    CHECK(is_near(tg_health_uptime_1d(&h, START + 24 * HOUR), 0));
    CHECK(is_near(tg_health_uptime_1d(&h, START + 34 * HOUR), -1));
}

TEST("idle years cost nothing and leave nothing")
{
    struct tg_health h = { 0 };
    fail(&h, START);
    fail(&h, START);
    uint64_t later = START + 3 * 365ull * 24 * HOUR;
    CHECK(!tg_health_has_outage(&h, later));
    CHECK(is_near(tg_health_uptime_1d(&h, later), -1));
    fail(&h, later);
    CHECK(!tg_health_has_outage(&h, later));
    CHECK(is_near(tg_health_uptime_5m(&h, later), 0));
}

TEST("a clock that began anew holds nobody back for longer than a hold may be")
{
    struct tg_health h = { 0 };
    trip(&h, START);
    limit(&h, 60000, 0, START);
    CHECK_INT(tg_health_hold_ms(&h, SECOND), 0);
    CHECK_INT(state(&h, SECOND), TG_BREAKER_HALF_OPEN);
    CHECK(!tg_health_has_outage(&h, SECOND));
    close_again(&h, START + MINUTE);
    CHECK(is_near(tg_health_share(&h, 100), 1));
    for (int i = 0; i < 3; i++)
        fail(&h, 200);
    CHECK_INT(state(&h, 200), TG_BREAKER_OPEN);
}

/* ---- many at once ---- */

enum { TELLS = 20000 };

static void *tell_much(void *arg)
{
    struct tg_health *h = arg;
    for (int i = 0; i < TELLS; i++) {
        uint64_t now = START + (uint64_t)i / 100;
        tg_health_tell(h, i % 50 ? TG_HEALTH_SUCCESS : TG_HEALTH_FAILURE, -1, 3, now);
        tg_health_has_outage(h, now);
        tg_health_share(h, now);
    }
    return NULL;
}

TEST("two threads that tell lose no count")
{
    struct tg_health h = { 0 };
    pthread_t one, two;
    pthread_create(&one, NULL, tell_much, &h);
    pthread_create(&two, NULL, tell_much, &h);
    pthread_join(one, NULL);
    pthread_join(two, NULL);
    CHECK(is_near(tg_health_uptime_5m(&h, START + SECOND), 0.98));
    CHECK(is_near(tg_health_uptime_1d(&h, START + SECOND), 0.98));
    CHECK_INT(state(&h, START + SECOND), TG_BREAKER_CLOSED);
}

struct race {
    struct tg_health h;
    uint64_t now;
    _Atomic int taken, ready;
};

static void *take_once(void *arg)
{
    struct race *r = arg;
    atomic_fetch_add(&r->ready, 1);
    while (atomic_load(&r->ready) < 2)
        ;
    if (tg_health_take_probe(&r->h, r->now))
        atomic_fetch_add(&r->taken, 1);
    return NULL;
}

TEST("of two threads that ask for the probe one gets it")
{
    for (int round = 0; round < 200; round++) {
        struct race r = { 0 };
        pthread_t one, two;
        r.now = trip(&r.h, START);
        pthread_create(&one, NULL, take_once, &r);
        pthread_create(&two, NULL, take_once, &r);
        pthread_join(one, NULL);
        pthread_join(two, NULL);
        CHECK_INT(r.taken, 1);
    }
}

TEST_MAIN
