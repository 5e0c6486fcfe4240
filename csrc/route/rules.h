/* rules.h -- which kind of value each member of a request's body may have.
 *
 * The contract's types and ranges (section 2.1), checked where a wrong value
 * would otherwise confuse somebody. What the contract does not know is nobody's
 * business here. */
#ifndef TG_RULES_H
#define TG_RULES_H

#include "route/body.h"
#include "route/refuse.h"

/* Check the body's members, each at its tg_field's place; absent and null ones
 * are good. TG_EINVAL with the fault naming the first that is not. */
tg_err tg_rules_check(const struct tg_json at[TG_FIELDS], const struct tg_refusal *no);

#endif
