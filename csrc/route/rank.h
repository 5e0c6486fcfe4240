/* rank.h -- in which order the kept endpoints are tried.
 *
 * order, else a sort (request, suffix), else stickiness, else the default: a
 * draw among endpoints without an outage with weight 1/price^2, the rest
 * behind it by price. Then, in this order, to the end: those that miss a
 * preferred_* threshold, outages, 429 holds, open breakers. */
#ifndef TG_RANK_H
#define TG_RANK_H

#include "route/plan.h"

/* Order p->all[0 .. kept); sets place, score, is_sticky and sticky_key. With
 * allow_fallbacks false it also drops what must not be tried. */
tg_err tg_rank(struct tg_plan *p, struct tg_live_region *region, uint64_t now_ms);

#endif
