/* explain.h -- a plan and what became of it, told to people and programs.
 *
 * Every candidate is named, tried or not, with the reason; nothing is told
 * that the plan does not know. The same plan gives the same bytes. */
#ifndef TG_EXPLAIN_H
#define TG_EXPLAIN_H

#include "route/plan.h"

enum { TG_EXPLAIN_CANDIDATES_MAX = 256 };      /* that are listed one by one, of each kind */

/* Append the openrouter_metadata object (contract 3.4) as JSON: requested,
 * strategy, region, summary, attempt, is_byok, endpoints, attempts, params,
 * generation_time, and our additions under "tidegate" (drops with reasons,
 * places, scores, dropped parameters). `selected` is the index into attempts
 * of the one that answered, -1 none; `generation_ms` -1 is left out. */
tg_err tg_explain_metadata(struct tg_buf *out, const struct tg_plan *p,
                           const struct tg_attempt *attempts, size_t count, int selected,
                           int64_t generation_ms);

/* Append the decision as text for a terminal: a line per candidate, kept ones
 * numbered with tag, place, score, price, percentiles; dropped ones with the
 * reason. */
tg_err tg_explain_text(struct tg_buf *out, const struct tg_plan *p, uint64_t now_ms);

/* Append more about a drop, "prompt $3 > $2 per million": what the endpoint
 * offers and what was asked. Nothing when the reason says it all. */
tg_err tg_explain_drop(struct tg_buf *out, const struct tg_plan *p, const struct tg_candidate *c);

#endif
