/* sketch.h -- which bucket a value falls into, and what a bucket stands for.
 *
 * The bucket of v is a cubic approximation of log2(v) scaled so that the
 * bounds of any bucket differ by at most (1 + a) / (1 - a), a = 1 %
 * (DDSketch: Masson, Rim and Lee, VLDB 2019, arXiv 1908.10693; the cubic after
 * its interpolated mapping). A bucket stands for the harmonic middle of its
 * bounds, so any value in it is within 1 %. Range: 1 to 2^20; values outside
 * count as the bound, and what is no finite number counts as 1. */
#ifndef TG_SKETCH_H
#define TG_SKETCH_H

#include <stdint.h>

enum { TG_SKETCH_BUCKETS = 704 };

/* 0 .. TG_SKETCH_BUCKETS - 1; never falls when the value rises. */
uint32_t tg_sketch_bucket(double value);

/* What the bucket stands for, and where it begins; a bucket beyond the last
 * counts as the last. */
double tg_sketch_value(uint32_t bucket);
double tg_sketch_lower_bound(uint32_t bucket);

#endif
