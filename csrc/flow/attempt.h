/* attempt.h -- what one attempt asks of its provider: target, fields, body and
 * signature, and the answer that it is read into. Private to flow/. */
#ifndef TG_ATTEMPT_H
#define TG_ATTEMPT_H

#include "flow/exchange.h"

/* Have x->answer ready for x->endpoint. False when out of memory. */
bool tg_attempt_prepare(struct tg_exchange *x);

/* Make the request; its views are on the desk. x->attempt is told what was left
 * out. TG_EINVAL, with x->told, when the provider's format cannot say it;
 * TG_EPEER, with x->why, when its keys cannot sign; TG_AGAIN while a token is
 * fetched: x->try->wait is told then, and all of this is to be done again. */
tg_err tg_attempt_request(struct tg_exchange *x, struct tg_upstream_request *request);

#endif
