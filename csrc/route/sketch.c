#include "route/sketch.h"

#include <float.h>
#include <string.h>

enum {
    PER_OCTAVE = 35,              /* the fewest for which no bucket is wider than 1 % allows */
    OCTAVES    = 20,
    TOP        = OCTAVES * PER_OCTAVE,
    EXPONENT_BIAS = 1023,
    MANTISSA_BITS = 52
};

#define LARGEST ((double)(1u << OCTAVES))

/* Where the cubic reaches 0/35, 1/35 ... 34/35: the lower bounds of the
 * buckets of the octave 1 to 2. The others are these times a power of two. */
static const double BOUND[PER_OCTAVE + 1] = {
    1.0, 1.020169881458269, 1.0406872057904077, 1.0615638449130511, 1.0828121481785067,
    1.1044449503845672, 1.1264755765293524, 1.148917842378309, 1.1717860497171875,
    1.1950949749381117, 1.21885984934209, 1.243096329237083, 1.2678204535638382,
    1.2930485863916341, 1.3187973411953493, 1.3450834833609764, 1.3719238068825228,
    1.3993349807323523, 1.4273333599453815, 1.4559347561081535, 1.4851541617610704,
    1.5150054233065966, 1.5455008574982712, 1.5766508076262293, 1.608463137303424,
    1.6409426624980763, 1.6740905263505919, 1.707903526510727, 1.742373411284275,
    1.7774861686617354, 1.8132213409240774, 1.849551406247532, 1.886441276432368,
    1.9238479650647826, 1.9617204813639164, 2.0
};

uint32_t tg_sketch_bucket(double value)
{
    if (!(value > 1) || value > DBL_MAX)           /* not a number, and infinity */
        return 0;
    if (value >= LARGEST)
        return TOP;

    uint64_t bits;
    memcpy(&bits, &value, sizeof bits);
    double exponent = (double)((int)(bits >> MANTISSA_BITS) - EXPONENT_BIAS);
    bits = (bits & ((1ull << MANTISSA_BITS) - 1)) | (uint64_t)EXPONENT_BIAS << MANTISSA_BITS;
    double m;
    memcpy(&m, &bits, sizeof m);
    m -= 1;

    double log2 = exponent + ((6.0 / 35 * m - 3.0 / 5) * m + 10.0 / 7) * m;
    return (uint32_t)(log2 * PER_OCTAVE);
}

double tg_sketch_lower_bound(uint32_t bucket)
{
    if (bucket >= TG_SKETCH_BUCKETS)
        bucket = TG_SKETCH_BUCKETS - 1;
    return BOUND[bucket % PER_OCTAVE] * (double)(1u << bucket / PER_OCTAVE);
}

double tg_sketch_value(uint32_t bucket)
{
    if (bucket >= TG_SKETCH_BUCKETS)
        bucket = TG_SKETCH_BUCKETS - 1;
    double low = BOUND[bucket % PER_OCTAVE], high = BOUND[bucket % PER_OCTAVE + 1];
    return 2 * low * high / (low + high) * (double)(1u << bucket / PER_OCTAVE);
}
