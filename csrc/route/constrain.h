/* constrain.h -- which endpoints may not serve this request, and why. */
#ifndef TG_CONSTRAIN_H
#define TG_CONSTRAIN_H

#include "route/plan.h"

/* Fill p->all with every endpoint of every target, in the targets' order, and
 * give each that may not be used its `drop`. Hard limits only; the one soft
 * rule is the contract's capability preference (2.2): when some endpoints of a
 * model support tools, response_format or verbosity, those that do not are
 * dropped. Kept ones come first; the order is otherwise unchanged. */
tg_err tg_constrain(struct tg_plan *p, struct tg_arena *arena);

/* What the client is told when nothing was kept. */
void tg_constrain_fault(const struct tg_plan *p, struct tg_arena *arena, struct tg_fault *fault);

#endif
