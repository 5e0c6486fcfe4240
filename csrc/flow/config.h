/* config.h -- one snapshot of the configuration: immutable, shared, swapped whole.
 *
 * Made by whoever reads configuration files (the door, csrc/lua/), held by
 * every engine and by every exchange that began under it. */
#ifndef TG_CONFIG_H
#define TG_CONFIG_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include "base/arena.h"
#include "flow/relay.h"
#include "peer/upstream.h"
#include "route/catalog.h"
#include "route/policy.h"

enum {
    TG_CONFIG_WORKERS_MAX = 64,
    TG_CONFIG_KEYS_MAX    = 100000,
    TG_CONFIG_POLICIES_MAX = 256,
    TG_CONFIG_BODY_BYTES  = 32 << 20,      /* default of limits.body */
    TG_CONFIG_ANSWER_BYTES = 64 << 20,     /* default of limits.answer: one whole upstream body,
                                              decoded; also all bytes of one stream */
    TG_CONFIG_EVENT_BYTES = 8 << 20,       /* default of limits.event: one event of a stream */
    TG_CONFIG_CONNECTIONS = 16384          /* default of limits.connections, of one engine */
};

enum tg_auth { TG_AUTH_NONE, TG_AUTH_KEYS };

struct tg_key {
    unsigned char digest[32];              /* SHA-256 of the key's text */
    struct tg_str name;                    /* "ci", for logs */
    struct tg_str label;                   /* "sk-tg-v1-0e6...1c96" */
    struct tg_str policy_name;             /* may be empty */
    struct tg_policy *policy;              /* of that name; of the snapshot */
};

/* What a request to one provider always carries; made by tg_config_seal(). */
struct tg_lane {
    struct tg_origin origin;
    struct tg_str    fields;               /* "Host: ...\r\nAuthorization: ...\r\n..." */
    /* Path and query by wire and job, "{model}" still in it; empty: not offered. */
    struct tg_str    targets[TG_WIRES_MAX][TG_JOBS];
};

struct tg_config {
    atomic_uint      references;
    struct tg_arena  arena;                /* owns every view below */
    struct tg_catalog *catalog;            /* sealed and joined; one reference is ours */
    struct tg_live_region *live;           /* shared, outlives every snapshot; may be NULL */
    struct tg_str    listen;               /* "127.0.0.1:8080" */
    unsigned         workers;              /* engines */
    enum tg_auth     auth;
    struct tg_lane  *lanes;                /* by tg_provider.index */
    struct tg_key   *keys;                 /* sorted by digest */
    size_t           keys_count;
    struct tg_policy **policies;           /* a reference to each is ours */
    size_t           policies_count;
    struct tg_policy *policy;              /* for those who choose none; NULL: none */
    struct tg_relay_limits timeouts;
    uint64_t         body_bytes, answer_bytes, event_bytes;
    uint32_t         connections;
    bool             log_requests;         /* a line per request */
};

/* A zeroed snapshot with one reference, defaults filled in. NULL when out of
 * memory. */
struct tg_config *tg_config_new(void);
void tg_config_hold(struct tg_config *c);
/* The last drop frees it and lets go of its catalogue. */
void tg_config_drop(struct tg_config *c);

/* Sort the keys, make the lanes, find the keys' policies; once, before the
 * snapshot is used. TG_EINVAL when two keys are the same, TG_ENOTFOUND when one
 * names a policy that there is not. */
tg_err tg_config_seal(struct tg_config *c);

/* The lane to an endpoint, and the target of a job there. */
const struct tg_lane *tg_config_lane(const struct tg_config *c, const struct tg_endpoint *e);
struct tg_str tg_config_target(const struct tg_config *c, const struct tg_endpoint *e,
                               const struct tg_wire *wire, enum tg_job job);

/* The policy of that name; NULL. */
struct tg_policy *tg_config_policy(const struct tg_config *c, struct tg_str name);

/* The one for this request: its key's, else the one it names, else the
 * configured default; NULL is none. TG_EINVAL when it names one that there is
 * not, with *fault for the client. */
tg_err tg_config_choose(const struct tg_config *c, const struct tg_key *key, struct tg_str named,
                        struct tg_policy **chosen, struct tg_arena *arena, struct tg_fault *fault);

/* The key whose text this is; NULL. Looks up the digest in constant time per
 * comparison. */
const struct tg_key *tg_config_key(const struct tg_config *c, struct tg_str text);

#endif
