/* usage_parts.h -- what the readings of usage share. Included by usage*.c and
 * by nothing else. */
#ifndef TG_USAGE_PARTS_H
#define TG_USAGE_PARTS_H

#include "wire/usage.h"

/* A count that can be true; otherwise false, and `u` is doubtful unless the
 * value is null or absent. */
bool tg_usage_count(struct tg_usage *u, struct tg_json value, int64_t *count);

/* After counts were changed: has enough been seen? */
void tg_usage_see(struct tg_usage *u);

#endif
