/* policy_parts.h -- what the files of the policy evaluator share; nobody else's. */
#ifndef TG_POLICY_PARTS_H
#define TG_POLICY_PARTS_H

#include "base/arena.h"
#include "lua/policy.h"
#include "lua/sandbox.h"
#include "lua/tgl.h"

struct tgp_module {
    struct tg_str name, called, text;
};

struct tgp_box;

struct tgp_policy {
    struct tg_policy base;                 /* first: the core knows no more */
    struct tg_arena arena;                 /* owns every view */
    struct tg_str text;
    struct tgp_module modules[TG_SANDBOX_MODULES_MAX];
    size_t  modules_count;
    size_t  endpoints_count;               /* of the snapshot's catalogue */
    struct tgp_box *boxes[TG_POLICY_ENGINES_MAX];
    uint64_t paid_ns[TG_POLICY_ENGINES_MAX];   /* until then its share is spent */
    _Atomic uint64_t complained_ms;
};

/* Rows are made for endpoints that are candidates, a page of neighbours at once. */
enum { TGP_PAGE_ROWS = 64 };

/* An endpoint as one sandbox has it: references into its registry, LUA_NOREF
 * (or 0, of a row that was never used) for none. */
struct tgp_row {
    int      view;                         /* what hooks are given */
    int      fields, price, latency, throughput, tool_calls;   /* behind the views */
    int32_t  in_flight;                    /* as last written */
    uint8_t  breaker;
    uint64_t figures_ms;                   /* when figures were read last */
};

/* A policy in one engine. */
struct tgp_box {
    struct tgp_policy *policy;
    struct tg_sandbox *sb;
    int      hooks[TG_HOOKS], begins[TG_HOOKS];    /* and the lines where they begin */
    int      request, request_fields;      /* the view; the table behind it */
    int      supports;                     /* views by set of parameters */
    struct tgp_row **pages;                /* by tg_endpoint.index / TGP_PAGE_ROWS, or NULL */
    uint32_t filled;                       /* request fields that were asked for */
    const struct tg_policy_request *about; /* while a turn runs, else NULL */
    uint64_t now_ms;
    unsigned lines;                        /* logged in this turn */
    bool     has_new_rows;                 /* made in this turn */
};

/* ---- policy_views.c: what hooks are given ---- */

/* In a turn: make the request's view. */
void tgp_make_request(lua_State *L, struct tgp_box *box);

/* A request's turn begins and ends. */
void tgp_begin_request(lua_State *L, struct tgp_box *box);

/* In a turn: push the view of a candidate's endpoint, up to date. */
void tgp_push_endpoint(lua_State *L, struct tgp_box *box, const struct tg_candidate *c);

/* In a turn: push read-only tables about an attempt. */
void tgp_push_attempt(lua_State *L, const struct tg_policy_attempt *a);
void tgp_push_error(lua_State *L, const struct tg_policy_error *e);
void tgp_push_response(lua_State *L, const struct tg_policy_response *r);

/* ---- policy_globals.c: tidegate.kv, tidegate.log ---- */

/* In a turn: add the global `tidegate`. */
void tgp_add_globals(lua_State *L, struct tgp_box *box);

#endif
