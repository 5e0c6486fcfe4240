/* settle.h -- what an exchange cost and what was learned from it: the one place
 * where accounts, windows, health and the request log are fed. */
#ifndef TG_SETTLE_H
#define TG_SETTLE_H

#include "flow/exchange.h"

/* An attempt is over: tell the endpoint's health and windows, and the list of
 * attempts. */
void tg_settle_attempt(struct tg_exchange *x, enum tg_outcome outcome, uint64_t now_ms);

/* The attempt that has just been settled, as a policy's hooks are told. */
struct tg_policy_attempt tg_settle_attempt_facts(const struct tg_exchange *x);

/* The answer is whole: complete its usage (estimated where the provider said
 * nothing true), price it into x->cost. Before the ending is written. */
void tg_settle_price(struct tg_exchange *x);

/* The request came to nothing before its first attempt: write its log line. */
void tg_settle_refused(const struct tg_exchange *x, const struct tg_fault *fault);

/* The exchange is over, however: remember stickiness, write the log line. */
void tg_settle_exchange(struct tg_exchange *x, uint64_t now_ms);

#endif
