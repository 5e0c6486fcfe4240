/* policy.h -- routing policies whose hooks are Lua, in a sandbox for each engine.
 *
 *     p = tgl_policy_new("cheap", "policies/cheap.lua", text, &finder, &why);
 *     ... what the file returned is looked at and found good: tgl_policy_shape() ...
 *     tgl_policy_seal(p, &said, &why);
 *     ... tgl_policy_open(p, catalog, engines, &why) as part of a snapshot ...
 *
 * The file is read once and run once for each engine, so that an engine shares
 * nothing with another but tidegate.kv. Endpoints are tables that stay; their
 * live figures are brought up to date as requests come, percentiles and uptime
 * every TGL_POLICY_FIGURES_MS. A sandbox that has grown too large is replaced. */
#ifndef TG_LUA_POLICY_H
#define TG_LUA_POLICY_H

#include <lua.h>
#include "lua/sandbox.h"
#include "route/kv.h"
#include "route/policy.h"

enum {
    TGL_POLICY_FIGURES_MS = 100,           /* how old percentiles and uptime may be */
    TGL_POLICY_LINES_MAX = 8,              /* of tidegate.log() in one turn */
    TGL_POLICY_LINE_MAX = 512              /* bytes */
};

/* Who finds the files beside a policy, while it is read for the first time; as
 * tg_sandbox_loader. */
struct tgl_policy_finder {
    tg_sandbox_loader *find;
    void              *owner;
};

/* Read a policy; one reference is the caller's. NULL with "file:line: what" in
 * `why`. */
struct tg_policy *tgl_policy_new(struct tg_str name, struct tg_str file, struct tg_str text,
                                 const struct tgl_policy_finder *finder, struct tg_buf *why);

/* In the host: push { value = what the file returned, globals = { ... } }, where a
 * function is { ["function"] = LINE }. `globals` are functions that are named
 * like hooks and stand outside of the table. */
void tgl_policy_push_shape(struct tg_policy *p, lua_State *host);

/* What the file says, once it has been checked. */
struct tgl_policy_said {
    struct tg_str data;                    /* JSON text, or empty */
    const struct tg_str *models;
    size_t models_count;
    bool admits_priority, admits_flex, refuses;
};

/* Take it over, and its hooks. TG_EINVAL with a sentence in `why`. */
tg_err tgl_policy_seal(struct tg_policy *p, const struct tgl_policy_said *said,
                       struct tg_buf *why);

/* Find the models that it names. TG_EINVAL with "models: ..." in `why`, and which
 * of them it was, from 0 on. */
tg_err tgl_policy_fits(struct tg_policy *p, const struct tg_catalog *catalog, struct tg_buf *why,
                       size_t *which);

/* Make it work for this catalogue: find its models, make sandboxes for
 * `engines` engines. Once. */
tg_err tgl_policy_open(struct tg_policy *p, const struct tg_catalog *catalog, unsigned engines,
                       struct tg_buf *why);

/* What policies remember, shared by all; made at the first call. NULL when
 * memory cannot be had. */
struct tg_kv *tgl_policy_kv(void);

#endif
