/* rank.h -- in which order the kept endpoints are tried.
 *
 *     order, else a sort (request, suffix), else stickiness, else the default:
 *     a draw among endpoints without an outage with weight 1/price^2, the rest
 *     behind it by price.
 *
 * Then, in this order, to the end: those that miss a preferred_* threshold,
 * outages, 429 holds, open breakers. Models are tried one after the other (but
 * for partition "none"); what is held or open goes behind every model, the
 * others behind their own, and behind every model once thresholds are given.
 * docs/routing-order.md has the reasons. */
#ifndef TG_RANK_H
#define TG_RANK_H

#include "route/plan.h"

enum {
    TG_RANK_STICKY_IDLE_MS  = 10 * 60 * 1000,  /* a session forgets its endpoint */
    TG_RANK_TOOLS_LEAST     = 20,              /* answers with tool calls that prove something */
    TG_RANK_TOOLS_PERCENT   = 10,              /* broken ones above which it is demoted */
    TG_RANK_PROBE_PERCENT   = 5                /* requests that look past one outage */
};

/* Order p->all[0 .. kept); sets place, base, score, is_probe, is_sticky and
 * sticky_key. */
tg_err tg_rank(struct tg_plan *p, struct tg_live_region *region, uint64_t now_ms);

/* Order again after somebody changed scores: models and what goes to the end
 * stay where tg_rank() put them, within that the lower score is first and
 * equal ones keep their order. A draw or a session's endpoint counts for
 * nothing any more. */
tg_err tg_rank_by_score(struct tg_plan *p);

/* For allow_fallbacks false, last of all: drop what must not be tried. With
 * `order` its words are all there is; without, the first one is. */
void tg_rank_drop_fallbacks(struct tg_plan *p);

/* Is a success of this candidate remembered under p->sticky_key? With a
 * session id always; else only once the answer's usage showed cache reads or
 * writes (`cached_tokens`). Only endpoints whose cached reads cost less than
 * fresh ones, and of the first model: a session does not settle on a model
 * that it fell back to. */
bool tg_rank_remembers(const struct tg_plan *p, size_t candidate, int64_t cached_tokens);

#endif
