/* advice.h -- a decision for who does the rest: which endpoints, in which order,
 * what each would be sent, and what became of it.
 *
 *     err = tg_advice_make(config, &question, &a);
 *     ... a->plan: who to ask; tg_advice_request(a, i, &url, &fields, &body)
 *     tg_advice_report(a, i, &report);
 *     tg_advice_free(a);
 *
 * No I/O. What is reported counts in the windows and breakers that all engines
 * share, and a conversation is remembered with who served it. Belongs to one thread
 * at a time; deciding uses the host's state of a policy (TG_EMBED_HOST), so one thread
 * at a time decides under one configuration. */
#ifndef TG_ADVICE_H
#define TG_ADVICE_H

#include "flow/config.h"
#include "route/plan.h"

struct tg_advice {
    struct tg_config *config;              /* held */
    struct tg_arena  arena;
    struct tg_needs  needs;
    struct tg_plan   plan;
    struct tg_fault  fault;                /* why it failed, as a client is told it */
};

struct tg_advice_question {
    enum tg_api   api;
    struct tg_str body;                    /* JSON; copied */
    const struct tg_http1_head *head;      /* may be NULL; only its fields; held by the asker
                                              until the decision is made */
    struct tg_str policy;                  /* by name, instead of the request's; may be empty */
    uint64_t      seed;
};

/* Decide. *a is there whatever is returned, to tell what was dropped and why it
 * failed, but for want of memory: then it is NULL. Errors are those of tg_needs_read(),
 * tg_config_choose() and tg_policy_decide(). */
tg_err tg_advice_make(struct tg_config *config, const struct tg_advice_question *question,
                      struct tg_advice **a);

/* Fine with NULL. */
void tg_advice_free(struct tg_advice *a);

/* What the i-th of the kept would be sent: append to `url` and `body`; *fields are
 * "Name: value\r\n" lines of the snapshot, the provider's key among them. TG_EINVAL where
 * the provider is spoken to in another format, or its requests are signed; TG_ENOMEM. */
tg_err tg_advice_request(struct tg_advice *a, size_t i, struct tg_buf *url, struct tg_str *fields,
                         struct tg_buf *body);

/* How the i-th of the kept did; -1 is: not known. */
struct tg_advice_report {
    int     status;                        /* 0: it never answered */
    int64_t ttft_ms, tokens, cached_tokens, duration_ms, retry_after_ms;
};

void tg_advice_report(const struct tg_advice *a, size_t i, const struct tg_advice_report *report);

#endif
