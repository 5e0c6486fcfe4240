/* credentials.h -- tokens that a provider wants instead of a key: fetched when
 * they are first needed, shared by all requests of an engine, and fetched again
 * before they expire.
 *
 * Google's: a service account signs a statement with its private key and gets
 * an access token for it (RFC 7523). The key goes nowhere; the statement goes
 * to the account's token_url alone, by way of the provider's proxy. */
#ifndef TG_CREDENTIALS_H
#define TG_CREDENTIALS_H

#include "os/loop.h"
#include "peer/upstream.h"
#include "route/catalog.h"

enum {
    TG_CREDENTIALS_MAX        = 1024,      /* accounts of an engine */
    TG_CREDENTIALS_TOKEN_MAX  = 16 * 1024, /* bytes of a token's answer */
    TG_CREDENTIALS_EARLY_S    = 300,       /* a token is fetched again so long before its end */
    TG_CREDENTIALS_TIMEOUT_MS = 10 * 1000  /* for one fetch */
};

struct tg_credentials;                     /* one an engine */

/* Somebody who waits for a token; held by them. */
struct tg_credentials_wait {
    struct tg_credentials_wait *next, **place;     /* place NULL: does not wait */
    /* The token is there (TG_OK: ask again), or cannot be had, with words that hold during the
     * call. Called from the loop. */
    void (*on)(struct tg_credentials_wait *w, tg_err err, struct tg_str why);
};

struct tg_credentials *tg_credentials_new(struct tg_loop *loop, struct tg_upstreams *upstreams);
void tg_credentials_free(struct tg_credentials *c);

/* The token for that provider; it holds until the next turn of the loop. TG_AGAIN
 * when it is being fetched: `w` will be told. TG_EINVAL when the private key is
 * none, TG_ENOMEM. */
tg_err tg_credentials_get(struct tg_credentials *c, const struct tg_provider *p, uint64_t wall_s,
                          struct tg_str *token, struct tg_credentials_wait *w);

/* Wait no more. */
void tg_credentials_leave(struct tg_credentials_wait *w);

/* It refused the token: fetch another one next time. */
void tg_credentials_forget(struct tg_credentials *c, const struct tg_provider *p);

#endif
