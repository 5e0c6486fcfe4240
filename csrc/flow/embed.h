/* embed.h -- the gateway inside another program: its own thread, and a queue of
 * what it has to tell.
 *
 *     e = tg_embed_new(config, &why);
 *     tg_embed_ask(e, &ask, &id);
 *     ... when tg_embed_fd(e) is readable, or every frame:
 *     while (tg_embed_next(e, &ev))          HEAD, BYTES ..., END  of each id
 *         use(&ev);
 *     tg_embed_free(e);
 *
 * All that have one share one engine, one thread in a process, which begins with
 * the first and ends with the last. Nothing here waits for the network. A handle
 * belongs to one thread at a time.
 *
 * When TG_CLIENT_QUEUE_FULL bytes of a stream wait to be taken, its provider is no
 * longer read; what was read until then is added, and no more.
 *
 * A process that was forked has no such thread: its handles say TG_EFORK to
 * everything, and a new one begins a new thread. */
#ifndef TG_EMBED_H
#define TG_EMBED_H

#include "flow/config.h"
#include "flow/server.h"
#include "wire/http1.h"

struct tg_embed;

/* Which state of a policy the thread uses, and which is for decisions in the host's
 * own thread (`engine` of tg_policy_decide()); how many a configuration needs. */
enum { TG_EMBED_ENGINE = 0, TG_EMBED_HOST = 1, TG_EMBED_STATES = 2 };

struct tg_embed_ask {
    enum tg_api   api;
    struct tg_str body;                    /* JSON; copied */
    const struct tg_http1_field *fields;   /* as a request's header, may be NULL; copied */
    size_t        fields_count;
};

enum tg_embed_kind { TG_EMBED_HEAD, TG_EMBED_BYTES, TG_EMBED_END };

struct tg_embed_event {
    uint64_t           id;
    enum tg_embed_kind kind;
    int                status;             /* HEAD */
    struct tg_str      bytes;              /* HEAD: "Name: value\r\n" lines; BYTES: of the body;
                                              until the next call with this handle */
    bool               is_whole;           /* END: false: broken off, the answer is not whole */
};

/* Who makes one format of another, for engines that start from now on. Opened when it
 * is first needed. */
void tg_embed_use(const struct tg_server_hooks *hooks);

/* Holds the configuration. NULL with one line in `why`. */
struct tg_embed *tg_embed_new(struct tg_config *config, struct tg_buf *why);

/* Requests that run are cancelled. Fine with NULL. */
void tg_embed_free(struct tg_embed *e);

/* Requests from now on are under this one. */
void tg_embed_swap(struct tg_embed *e, struct tg_config *config);

/* Readable while there is something to take; -1 after a fork. Closed with the handle. */
int tg_embed_fd(const struct tg_embed *e);

/* Wait until there is, for `timeout_ms` at most (-1: for as long as it takes).
 * TG_ETIMEOUT, TG_AGAIN (a signal), TG_EFORK. */
tg_err tg_embed_wait(struct tg_embed *e, int timeout_ms);

/* Ask. TG_ENOMEM, TG_EFORK. Ids begin at 1 and are used once. */
tg_err tg_embed_ask(struct tg_embed *e, const struct tg_embed_ask *ask, uint64_t *id);

/* Nobody wants this answer: no event of it comes any more, its provider is left.
 * Never fails; an id that is unknown or over is fine. */
void tg_embed_cancel(struct tg_embed *e, uint64_t id);

/* While `is_held`, no event of this answer is given out: it waits, and so does its
 * provider when enough of it does. */
void tg_embed_hold(struct tg_embed *e, uint64_t id, bool is_held);

/* How many bytes of this answer wait to be taken. */
size_t tg_embed_waiting(struct tg_embed *e, uint64_t id);

/* Take the next event; false when there is none. Answers take turns; the events
 * of one keep their order. */
bool tg_embed_next(struct tg_embed *e, struct tg_embed_event *ev);

#endif
