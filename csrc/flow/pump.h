/* pump.h -- perform what the relay says: the only place where the two ends of
 * an exchange meet. */
#ifndef TG_PUMP_H
#define TG_PUMP_H

#include "flow/exchange.h"

/* Begin: the needs and the plan lie on x->desk, the client is attached. `x`
 * frees itself when it is over. */
void tg_pump_start(struct tg_exchange *x);

/* Send what was translated in this turn of the loop: one write for however many
 * pieces a provider's read brought. */
void tg_pump_flush(struct tg_exchange *x);

/* From the client's side. */
void tg_pump_down_gone(struct tg_exchange *x);
void tg_pump_down_drained(struct tg_exchange *x);

/* Stop reading the end of an answer that is over. */
void tg_try_cancel(struct tg_try *t);

#endif
