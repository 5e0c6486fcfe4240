#include "route/sketch.h"

#include <math.h>

#include "base/rand.h"
#include "check.h"

static const double LARGEST = 1 << 20;

static double error_of(double value)
{
    return fabs(tg_sketch_value(tg_sketch_bucket(value)) - value) / value;
}

TEST("a bucket stands for every value in it within 1 %, over a million random values")
{
    struct tg_rand rand;
    double worst = 0;

    tg_rand_seed(&rand, 1);
    for (int i = 0; i < 1000000; i++) {
        double error = error_of(exp2(20 * tg_rand_unit(&rand)));
        if (error > worst)
            worst = error;
    }
    CHECK(worst <= 0.01);
    CHECK(worst > 0.0099);             /* not wider than needed, not narrower either */
}

TEST("the same at every bound, and one step to both sides of it")
{
    for (uint32_t b = 0; b <= 700; b++) {
        double at = tg_sketch_lower_bound(b);
        CHECK(error_of(at) <= 0.01);
        if (at < LARGEST)
            CHECK(error_of(nextafter(at, INFINITY)) <= 0.01);
        if (at > 1)
            CHECK(error_of(nextafter(at, 0)) <= 0.01);
    }
}

TEST("the same for every whole number, which is what milliseconds are")
{
    double worst = 0;
    for (int v = 1; v <= 1 << 20; v++)
        worst = fmax(worst, error_of(v));
    CHECK(worst <= 0.01);
}

TEST("bounds are where the bucket changes")
{
    for (uint32_t b = 1; b < 700; b++) {
        double at = tg_sketch_lower_bound(b);
        CHECK_INT(tg_sketch_bucket(at * (1 + 1e-12)), b);
        CHECK_INT(tg_sketch_bucket(at * (1 - 1e-12)), b - 1);
        CHECK(tg_sketch_value(b) > at);
        CHECK(tg_sketch_value(b) < tg_sketch_lower_bound(b + 1));
    }
}

TEST("a larger value never falls into a lower bucket")
{
    uint32_t last = 0;
    for (double v = 0.5; v < 2 * LARGEST; v *= 1.0003) {
        uint32_t b = tg_sketch_bucket(v);
        CHECK(b >= last);
        last = b;
    }
    CHECK_INT(last, 700);
}

TEST("values outside count as the bound, what is no number as 1")
{
    static const struct { const char *what; double value; uint32_t bucket; } cases[] = {
        { "one",           1,          0 },   { "zero",      0,         0 },
        { "half",          0.5,        0 },   { "negative", -7,         0 },
        { "not a number",  NAN,        0 },   { "infinity",  INFINITY,  0 },
        { "-infinity",    -INFINITY,   0 },   { "smallest",  5e-324,    0 },
        { "the largest",   1048576,  700 },   { "beyond",    1048577, 700 },
        { "far beyond",    1.7e308,  700 },   { "just in",   1048575.999, 699 },
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        check_context = cases[i].what;
        CHECK_INT(tg_sketch_bucket(cases[i].value), cases[i].bucket);
    }
}

TEST("a bucket that does not exist counts as the last one")
{
    CHECK(tg_sketch_value(UINT32_MAX) == tg_sketch_value(TG_SKETCH_BUCKETS - 1));
    CHECK(tg_sketch_lower_bound(UINT32_MAX) == tg_sketch_lower_bound(TG_SKETCH_BUCKETS - 1));
}

TEST_MAIN
