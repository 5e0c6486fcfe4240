/* admit.h -- may this request come in: the one place where that is decided,
 * before anything is parsed or sent. */
#ifndef TG_ADMIT_H
#define TG_ADMIT_H

#include "flow/config.h"
#include "flow/route.h"
#include "wire/fault.h"
#include "wire/http1.h"

/* Who asks. True, with *key NULL where nobody needs to be known; false with
 * what the client is told (401). Inference routes need a key, others are public. */
bool tg_admit(const struct tg_config *c, const struct tg_http1_head *head,
              const struct tg_route *route, const struct tg_key **key, struct tg_fault *fault);

#endif
