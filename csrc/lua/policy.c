#include "lua/policy.h"

#include <math.h>
#include <stdio.h>
#include <string.h>
#include "base/clock.h"
#include "base/log.h"
#include "base/mem.h"
#include "lua/policy_parts.h"
#include "route/rank.h"

enum {
    ARENA_BYTES = 4 * 1024, SHAPE_DEPTH_MAX = 8, SHAPE_VALUES_MAX = 4096,
    FREE_NS = 50 * 1000,               /* of a turn: others hardly notice */
    TURN_NS = 1000 * 1000,             /* the most that one counts */
    SHARE = 8,                         /* longer turns get this part of an engine's time ... */
    CREDIT_NS = 2 * 1000 * 1000        /* ... and so much at once */
};

#define SLOW TG_STR("takes too much time")

static const struct tg_policy_code CODE;

static struct tgp_policy *of(struct tg_policy *p)
{
    return (struct tgp_policy *)p;
}

/* ---- one engine's sandbox ---- */

static size_t pages_of(const struct tgp_policy *p)
{
    return (p->endpoints_count + TGP_PAGE_ROWS - 1) / TGP_PAGE_ROWS;
}

static void free_box(struct tgp_box *box)
{
    if (!box)
        return;
    tg_sandbox_free(box->sb);
    for (size_t i = 0; box->pages && i < pages_of(box->policy); i++)
        tg_free(box->pages[i]);
    tg_free(box->pages);
    tg_free(box);
}

/* Files that the first box required are there for all others. */
static tg_err find_again(void *owner, struct tg_str name, struct tg_buf *text,
                         struct tg_buf *called)
{
    struct tgp_policy *p = owner;

    for (size_t i = 0; i < p->modules_count; i++) {
        if (!tg_str_eq(p->modules[i].name, name))
            continue;
        tg_buf_str(text, p->modules[i].text);
        tg_buf_str(called, p->modules[i].called);
        return TG_OK;
    }
    return TG_ENOTFOUND;
}

static int prepare(lua_State *L, void *arg)
{
    struct tgp_box *box = arg;

    lua_newtable(L);
    box->supports = luaL_ref(L, LUA_REGISTRYINDEX);
    tgp_make_request(L, box);                            /* with the sandbox's own math.random */
    tgp_add_globals(L, box);
    return 0;
}

/* Keep the hooks that the file defines, and where they begin. */
static int take_hooks(lua_State *L, void *arg)
{
    struct tgp_box *box = arg;
    lua_Debug ar;

    tg_sandbox_push_value(L);
    for (int i = 0; i < TG_HOOKS; i++) {
        box->hooks[i] = LUA_NOREF;
        if (!lua_istable(L, -1))
            continue;
        lua_pushstring(L, tg_hook_name((enum tg_hook)i));
        lua_rawget(L, -2);
        if (!lua_isfunction(L, -1)) {
            lua_pop(L, 1);
            continue;
        }
        lua_pushvalue(L, -1);
        box->begins[i] = lua_getinfo(L, ">S", &ar) ? ar.linedefined : 0;
        box->hooks[i] = luaL_ref(L, LUA_REGISTRYINDEX);
    }
    return 0;
}

static tg_err fill_box(struct tgp_box *box, const struct tgl_policy_finder *finder)
{
    struct tgp_policy *p = box->policy;
    struct tgl_policy_finder again = { find_again, p };

    finder = finder ? finder : &again;
    tg_err err = tg_sandbox_run(box->sb, prepare, box);
    if (!err)
        err = tg_sandbox_set_loader(box->sb, finder->find, finder->owner);
    if (!err)
        err = tg_sandbox_load(box->sb, p->text, p->base.file.at);
    if (!err)
        err = tg_sandbox_run(box->sb, take_hooks, box);
    return err;
}

/* Append why there is no box: what is wrong with the file, else the error itself. */
static void say_why(const struct tgp_box *box, tg_err err, struct tg_buf *why)
{
    struct tg_str words = box && box->sb ? tg_sandbox_why(box->sb) : (struct tg_str){ 0 };

    if (err == TG_ETOOBIG && !words.len)
        tg_buf_printf(why, "%s:1: keeps %zu KiB once it is loaded, more than half of what there is",
                      box->policy->base.file.at, tg_sandbox_bytes(box->sb) / 1024);
    else
        tg_buf_str(why, words.len ? words : tg_str_of(tg_err_text(err)));
}

/* NULL with the reason in `why`, which may be NULL. */
static struct tgp_box *new_box(struct tgp_policy *p, const struct tgl_policy_finder *finder,
                               struct tg_buf *why)
{
    struct tgp_box *box = tg_zalloc(sizeof *box);
    tg_err err = TG_ENOMEM;

    if (box && (box->sb = tg_sandbox_new(NULL))) {
        box->policy = p;
        err = fill_box(box, finder);
    }
    if (!err && tg_sandbox_is_worn(box->sb))
        err = TG_ETOOBIG;                  /* it would be replaced before each decision */
    if (!err && p->endpoints_count) {
        box->pages = tg_zalloc(pages_of(p) * sizeof *box->pages);
        err = box->pages ? TG_OK : TG_ENOMEM;
    }
    if (!err)
        return box;
    if (why)
        say_why(box, err, why);
    free_box(box);
    return NULL;
}

/* This engine's box; one that has grown too large is replaced. NULL when there is
 * no memory for it. */
static struct tgp_box *box_of(struct tgp_policy *p, unsigned engine)
{
    struct tgp_box *box = p->boxes[engine];

    if (box && !tg_sandbox_is_worn(box->sb))
        return box;
    box = new_box(p, NULL, NULL);
    if (!box)
        return p->boxes[engine];
    free_box(p->boxes[engine]);
    p->boxes[engine] = box;
    return box;
}

/* An engine does nothing else while a policy runs. Short turns are free; longer
 * ones may now and then be, but not on each request: those of others would wait.
 * It takes several to spend the share, for in one the kernel may have let the
 * thread wait, and those that make endpoints' tables are our own doing.
 * `began_ns` lies before box_of(), which may load the file anew. */
static bool takes_too_much(struct tgp_policy *p, unsigned engine, uint64_t began_ns)
{
    uint64_t took_ns = tg_clock_ns() - began_ns, *paid_ns = &p->paid_ns[engine];
    bool is_spent = *paid_ns > began_ns + CREDIT_NS * SHARE;

    if (took_ns <= FREE_NS || p->boxes[engine]->has_new_rows)
        return false;
    if (took_ns > TURN_NS)
        took_ns = TURN_NS;
    *paid_ns = (*paid_ns > began_ns ? *paid_ns : began_ns) + took_ns * SHARE;
    return is_spent;
}

/* ---- failures ---- */

/* One line a second at most; the count tells of the others. */
static void complain(struct tgp_policy *p, enum tg_hook hook, const struct tg_policy_request *r,
                     struct tg_str why, uint64_t now_ms)
{
    struct tg_log l;

    if (!tg_log_is_due(&p->complained_ms, now_ms) || !tg_log_open(&l, TG_LOG_WARN, "policy"))
        return;
    tg_log_own(&l, "policy", p->base.name);
    if (r->id.len)
        tg_log_own(&l, "id", r->id);
    tg_log_z(&l, "hook", hook == TG_HOOKS ? "decision" : tg_hook_name(hook));
    tg_log_str(&l, "error", why);
    tg_log_int(&l, "failures", (int64_t)atomic_load(&p->base.failures) + 1);
    tg_log_close(&l);
}

/* Raise "file:line: hook: words", where the hook stands. */
static int nonsense(lua_State *L, struct tgp_box *box, enum tg_hook hook, const char *words)
{
    return luaL_error(L, "%s:%d: %s: %s", box->policy->base.file.at, box->begins[hook],
                      tg_hook_name(hook), words);
}

/* The type of a value, or the number that it is. */
static const char *shown(lua_State *L, int at, char text[64])
{
    if (lua_type(L, at) == LUA_TNUMBER)
        snprintf(text, 64, "%.14g", lua_tonumber(L, at));
    else
        snprintf(text, 64, "%s", lua_isnoneornil(L, at) ? "nothing" : luaL_typename(L, at));
    return text;
}

/* ---- the decision ---- */

struct decision {
    struct tgp_box *box;
    struct tg_decision *d;
    lua_State *L;
    enum tg_hook hook;                 /* that runs */
    tg_err err;                        /* of tg_plan_make() */
};

static void begin_hook(struct decision *c, enum tg_hook hook)
{
    c->hook = hook;
    lua_settop(c->L, 0);
    lua_rawgeti(c->L, LUA_REGISTRYINDEX, c->box->hooks[hook]);
    lua_rawgeti(c->L, LUA_REGISTRYINDEX, c->box->request);   /* Stack: hook request */
}

/* A reason is the policy's own words, and may be long. */
static struct tg_str reason_of(struct decision *c, int at)
{
    struct tg_str s;

    if (lua_type(c->L, at) != LUA_TSTRING)
        return (struct tg_str){ 0 };
    s.at = lua_tolstring(c->L, at, &s.len);
    if (s.len > TG_POLICY_REASON_MAX)
        s.len = TG_POLICY_REASON_MAX;
    return tg_arena_copy(c->d->arena, s);
}

/* A filter that gives nothing at all had nothing against it; nil is what an
 * absent field is, as in `return endpoint.supports.tools`. */
static void judge(struct decision *c, struct tg_candidate *candidate)
{
    lua_State *L = c->L;
    char text[64], words[128];

    if (lua_gettop(L) < 3 || (lua_isboolean(L, 3) && lua_toboolean(L, 3)))
        return;
    if (!lua_isboolean(L, 3) && !lua_isnil(L, 3)) {
        snprintf(words, sizeof words, "true or false expected, got %s", shown(L, 3, text));
        nonsense(L, c->box, TG_HOOK_FILTER, words);
    }
    candidate->drop = TG_DROP_POLICY;
    candidate->detail = reason_of(c, 4);
}

static tg_err filter(void *arg, struct tg_plan *p)
{
    struct decision *c = arg;
    lua_State *L = c->L;

    begin_hook(c, TG_HOOK_FILTER);
    for (size_t i = 0; i < p->kept; i++) {
        lua_pushvalue(L, 1);
        tgp_push_endpoint(L, c->box, &p->all[i]);
        lua_pushvalue(L, 2);
        lua_call(L, 2, LUA_MULTRET);
        judge(c, &p->all[i]);
        lua_settop(L, 2);
    }
    return TG_OK;
}

static tg_err score(void *arg, struct tg_plan *p)
{
    struct decision *c = arg;
    lua_State *L = c->L;
    char text[64], words[192];

    begin_hook(c, TG_HOOK_SCORE);
    for (size_t i = 0; i < p->kept; i++) {
        lua_pushvalue(L, 1);
        tgp_push_endpoint(L, c->box, &p->all[i]);
        lua_pushvalue(L, 2);
        tgl_push_number(L, p->all[i].base);
        lua_call(L, 3, 1);
        double score = lua_tonumber(L, -1);
        if (lua_type(L, -1) != LUA_TNUMBER || !isfinite(score)) {
            snprintf(words, sizeof words, "a finite number expected, got %s for endpoint %.64s",
                     shown(L, -1, text), p->all[i].endpoint->tag.at);
            nonsense(L, c->box, TG_HOOK_SCORE, words);
        }
        p->all[i].score = score;
        lua_pop(L, 1);
    }
    return TG_OK;
}

/* Read the list at 3: places from 1 on, each once. */
static size_t read_order(struct decision *c, const struct tg_plan *p, uint16_t *places)
{
    lua_State *L = c->L;
    uint8_t seen[TG_PLAN_CANDIDATES_MAX] = { 0 };
    char text[64], words[128];
    size_t n = 0, len;

    lua_settop(L, 3);
    if (lua_isnil(L, 3))
        return 0;
    if (!lua_istable(L, 3)) {
        snprintf(words, sizeof words, "a list of indices or nil expected, got %s",
                 shown(L, 3, text));
        nonsense(L, c->box, TG_HOOK_ORDER, words);
    }
    len = lua_rawlen(L, 3);
    if (len > p->kept)
        nonsense(L, c->box, TG_HOOK_ORDER, "more indices than endpoints");
    for (; n < len; n++) {
        lua_rawgeti(L, 3, (int)n + 1);
        double place = lua_type(L, -1) == LUA_TNUMBER ? lua_tonumber(L, -1) : -1;
        if (!(place >= 1 && place <= (double)p->kept) || place != floor(place)
            || seen[(size_t)place - 1]++) {
            snprintf(words, sizeof words, "indices from 1 to %zu, each once, expected; got %s at %zu",
                     p->kept, shown(L, -1, text), n + 1);
            nonsense(L, c->box, TG_HOOK_ORDER, words);
        }
        places[n] = (uint16_t)(place - 1);
        lua_pop(L, 1);
    }
    return n;
}

static tg_err order(void *arg, struct tg_plan *p)
{
    struct decision *c = arg;
    lua_State *L = c->L;
    uint16_t places[TG_PLAN_CANDIDATES_MAX];

    begin_hook(c, TG_HOOK_ORDER);
    lua_pushvalue(L, 1);
    lua_createtable(L, (int)p->kept, 0);
    for (size_t i = 0; i < p->kept; i++) {
        tgp_push_endpoint(L, c->box, &p->all[i]);
        lua_rawseti(L, -2, (int)i + 1);
    }
    lua_pushvalue(L, 2);
    lua_call(L, 2, 1);
    tg_plan_put_first(p, places, read_order(c, p, places));
    return TG_OK;
}

/* The turn: everything from the catalogue's endpoints to the plan. */
static int make_plan(lua_State *L, void *arg)
{
    struct decision *c = arg;
    struct tg_decision *d = c->d;
    unsigned has = c->box->policy->base.hooks & ~d->without;
    struct tg_plan_hooks hooks = {
        .arg = c,
        .filter = has & 1 << TG_HOOK_FILTER ? filter : NULL,
        .score = has & 1 << TG_HOOK_SCORE ? score : NULL,
        .order = has & 1 << TG_HOOK_ORDER ? order : NULL,
    };

    c->L = L;
    tgp_begin_request(L, c->box);
    c->err = tg_plan_make(d->plan, d->needs, &hooks, d->region, d->now_ms, d->arena, d->fault);
    return 0;
}

static tg_err run(struct tgp_box *box, tg_sandbox_fn *fn, void *arg,
                  const struct tg_policy_request *r, uint64_t turn, uint64_t now_ms)
{
    box->about = r;
    box->now_ms = now_ms;
    box->lines = 0;
    box->has_new_rows = false;
    tg_sandbox_seed(box->sb, r->seed + turn);
    tg_err err = tg_sandbox_run(box->sb, fn, arg);
    box->about = NULL;
    return err;
}

static tg_err no_box(struct tgp_policy *p, enum tg_hook hook, const struct tg_policy_request *r,
                     uint64_t now_ms)
{
    complain(p, hook, r, tg_str_of(tg_err_text(TG_ENOMEM)), now_ms);
    return TG_ENOMEM;
}

static tg_err decide(struct tg_policy *base, unsigned engine, struct tg_decision *d, bool *slow)
{
    struct tgp_policy *p = of(base);
    uint64_t began_ns = tg_clock_ns();
    struct tgp_box *box = box_of(p, engine);
    struct decision c = { .box = box, .d = d, .hook = TG_HOOKS };

    if (!box)
        return no_box(p, TG_HOOKS, d->request, d->now_ms);
    tg_err err = run(box, make_plan, &c, d->request, 0, d->now_ms);
    *slow = takes_too_much(p, engine, began_ns) || tg_sandbox_was_slow(box->sb);
    if (err) {
        d->why = tg_arena_copy(d->arena, tg_sandbox_why(box->sb));
        complain(p, c.hook, d->request, d->why, d->now_ms);
    } else if (*slow)
        complain(p, c.hook, d->request, SLOW, d->now_ms);
    return err ? err : c.err;
}

/* ---- the other hooks ---- */

struct later {
    struct tgp_box *box;
    const struct tg_policy_attempt  *attempt;
    const struct tg_policy_error    *error;
    const struct tg_policy_response *response;
    enum tg_verdict *verdict;
};

static enum tg_verdict verdict_of(lua_State *L, struct tgp_box *box)
{
    static const char *const WORDS[] = { [TG_VERDICT_NEXT] = "next", [TG_VERDICT_RETRY] = "retry",
                                         [TG_VERDICT_STOP] = "stop" };
    const char *word = lua_type(L, -1) == LUA_TSTRING ? lua_tostring(L, -1) : "";
    char text[64], words[128];

    if (lua_isnil(L, -1))
        return TG_VERDICT_NONE;
    for (int i = TG_VERDICT_NEXT; i <= TG_VERDICT_STOP; i++)
        if (strcmp(word, WORDS[i]) == 0)
            return (enum tg_verdict)i;
    snprintf(words, sizeof words, "\"next\", \"retry\", \"stop\" or nil expected, got %.60s",
             word[0] ? word : shown(L, -1, text));
    nonsense(L, box, TG_HOOK_ON_ERROR, words);
    return TG_VERDICT_NONE;
}

static int ask_on_error(lua_State *L, void *arg)
{
    struct later *c = arg;

    tgp_begin_request(L, c->box);
    lua_rawgeti(L, LUA_REGISTRYINDEX, c->box->hooks[TG_HOOK_ON_ERROR]);
    tgp_push_error(L, c->error);
    tgp_push_attempt(L, c->attempt);
    lua_rawgeti(L, LUA_REGISTRYINDEX, c->box->request);
    lua_call(L, 3, 1);
    *c->verdict = verdict_of(L, c->box);
    return 0;
}

static int tell_on_response(lua_State *L, void *arg)
{
    struct later *c = arg;

    tgp_begin_request(L, c->box);
    lua_rawgeti(L, LUA_REGISTRYINDEX, c->box->hooks[TG_HOOK_ON_RESPONSE]);
    tgp_push_response(L, c->response);
    tgp_push_attempt(L, c->attempt);
    lua_rawgeti(L, LUA_REGISTRYINDEX, c->box->request);
    lua_call(L, 3, 0);
    return 0;
}

static tg_err run_later(struct tg_policy *base, unsigned engine, enum tg_hook hook,
                        tg_sandbox_fn *fn, struct later *c, const struct tg_policy_request *r,
                        bool *slow)
{
    struct tgp_policy *p = of(base);
    uint64_t began_ns = tg_clock_ns(), now_ms = began_ns / 1000000;

    c->box = box_of(p, engine);
    if (!c->box)
        return no_box(p, hook, r, now_ms);
    tg_err err = run(c->box, fn, c, r, (uint64_t)hook << 32 | c->attempt->number, now_ms);
    *slow = takes_too_much(p, engine, began_ns) || tg_sandbox_was_slow(c->box->sb);
    if (err)
        complain(p, hook, r, tg_sandbox_why(c->box->sb), now_ms);
    else if (*slow)
        complain(p, hook, r, SLOW, now_ms);
    return err;
}

static tg_err on_error(struct tg_policy *base, unsigned engine, const struct tg_policy_request *r,
                       const struct tg_policy_attempt *a, const struct tg_policy_error *e,
                       enum tg_verdict *verdict, bool *slow)
{
    struct later c = { .attempt = a, .error = e, .verdict = verdict };

    return run_later(base, engine, TG_HOOK_ON_ERROR, ask_on_error, &c, r, slow);
}

static tg_err on_response(struct tg_policy *base, unsigned engine,
                          const struct tg_policy_request *r, const struct tg_policy_attempt *a,
                          const struct tg_policy_response *is, bool *slow)
{
    struct later c = { .attempt = a, .response = is };

    return run_later(base, engine, TG_HOOK_ON_RESPONSE, tell_on_response, &c, r, slow);
}

static void free_policy(struct tg_policy *base)
{
    struct tgp_policy *p = of(base);

    for (unsigned i = 0; i < TG_POLICY_ENGINES_MAX; i++)
        free_box(p->boxes[i]);
    tg_arena_done(&p->arena);
    tg_free(p);
}

static const struct tg_policy_code CODE = {
    .decide = decide, .on_error = on_error, .on_response = on_response, .free = free_policy,
};

/* ---- making one ---- */

/* A copy with a NUL behind it. */
static struct tg_str keep(struct tgp_policy *p, struct tg_str s)
{
    char *at = tg_arena_get(&p->arena, s.len + 1);

    if (!at)
        return (struct tg_str){ 0 };
    if (s.len)
        memcpy(at, s.at, s.len);
    return (struct tg_str){ at, s.len };
}

struct recorder {
    struct tgp_policy *policy;
    const struct tgl_policy_finder *finder;
};

/* Files beside the policy are found once; other engines get what was found. */
static tg_err find_and_keep(void *owner, struct tg_str name, struct tg_buf *text,
                            struct tg_buf *called)
{
    struct recorder *r = owner;
    struct tgp_policy *p = r->policy;
    tg_err err = r->finder->find(r->finder->owner, name, text, called);

    if (err)
        return err;
    if (p->modules_count == TG_SANDBOX_MODULES_MAX)
        return TG_ETOOBIG;
    struct tgp_module m = { keep(p, name), keep(p, tg_buf_view(called)),
                            keep(p, tg_buf_view(text)) };
    if (!m.name.at || !m.called.at || !m.text.at)
        return TG_ENOMEM;
    p->modules[p->modules_count++] = m;
    return TG_OK;
}

struct tg_policy *tgl_policy_new(struct tg_str name, struct tg_str file, struct tg_str text,
                                 const struct tgl_policy_finder *finder, struct tg_buf *why)
{
    struct tgp_policy *p = tg_zalloc(sizeof *p);
    struct recorder recorder = { p, finder };
    struct tgl_policy_finder recording = { find_and_keep, &recorder };

    if (!p) {
        tg_buf_z(why, tg_err_text(TG_ENOMEM));
        return NULL;
    }
    tg_arena_init(&p->arena, ARENA_BYTES);
    p->base.code = &CODE;
    atomic_init(&p->base.references, 1);
    p->base.name = keep(p, name);
    p->base.file = keep(p, file);
    p->text = keep(p, text);
    if (p->base.name.at && p->base.file.at && p->text.at)
        p->boxes[0] = new_box(p, &recording, why);
    else
        tg_buf_z(why, tg_err_text(TG_ENOMEM));
    if (p->boxes[0])
        return &p->base;
    free_policy(&p->base);
    return NULL;
}

/* ---- what it says ---- */

/* Push a copy of a value of the sandbox onto the host; a function as where it
 * begins. No policy is as deep, nor has as many values, as is copied at most:
 * what is left out stands in a table that will be refused anyway. Raises in the
 * host only. */
static void push_copy(lua_State *from, int at, lua_State *to, int depth, int *left)
{
    struct tg_str s;
    lua_Debug ar;

    at = at > 0 ? at : lua_gettop(from) + at + 1;
    switch (lua_type(from, at)) {
    case LUA_TBOOLEAN: lua_pushboolean(to, lua_toboolean(from, at)); return;
    case LUA_TNUMBER:  tgl_push_number(to, lua_tonumber(from, at)); return;
    case LUA_TSTRING:
        s.at = lua_tolstring(from, at, &s.len);
        tgl_push_str(to, s);
        return;
    case LUA_TFUNCTION:
        lua_createtable(to, 0, 1);
        lua_pushvalue(from, at);
        lua_pushinteger(to, lua_getinfo(from, ">S", &ar) ? ar.linedefined : 0);
        lua_setfield(to, -2, "function");
        return;
    case LUA_TTABLE: break;
    default: lua_pushnil(to); return;
    }
    if (depth == SHAPE_DEPTH_MAX) {
        lua_pushnil(to);
        return;
    }
    luaL_checkstack(to, 4, "nested too deep");
    lua_newtable(to);
    for (lua_pushnil(from); lua_next(from, at); lua_pop(from, 1)) {
        int key = lua_type(from, -2);
        if ((key != LUA_TSTRING && key != LUA_TNUMBER && key != LUA_TBOOLEAN) || *left <= 0)
            continue;
        --*left;
        push_copy(from, -2, to, depth + 1, left);
        push_copy(from, -1, to, depth + 1, left);
        lua_rawset(to, -3);
    }
}

static int put_value_and_globals(lua_State *L, void *arg)
{
    (void)arg;
    luaL_checkstack(L, 1 + TG_HOOKS, "too many hooks");
    tg_sandbox_push_value(L);
    for (int i = 0; i < TG_HOOKS; i++)
        lua_getglobal(L, tg_hook_name((enum tg_hook)i));
    return 1 + TG_HOOKS;
}

void tgl_policy_push_shape(struct tg_policy *base, lua_State *host)
{
    struct tgp_policy *p = of(base);
    struct tg_sandbox *sb = p->boxes[0]->sb;
    int left = SHAPE_VALUES_MAX;

    if (tg_sandbox_run(sb, put_value_and_globals, NULL))
        luaL_error(host, "%s", tg_sandbox_why(sb).at);
    lua_State *from = tg_sandbox_state(sb);              /* Stack: trampoline value globals */
    if (!lua_checkstack(from, 4 * SHAPE_DEPTH_MAX))
        luaL_error(host, "%s", tg_err_text(TG_ENOMEM));
    lua_createtable(host, 0, 2);
    push_copy(from, 2, host, 0, &left);
    lua_setfield(host, -2, "value");
    lua_createtable(host, 0, TG_HOOKS);
    for (int i = 0; i < TG_HOOKS; i++) {
        if (!lua_isfunction(from, 3 + i))
            continue;
        push_copy(from, 3 + i, host, 0, &left);
        lua_setfield(host, -2, tg_hook_name((enum tg_hook)i));
    }
    lua_setfield(host, -2, "globals");
}

static tg_err read_data(struct tgp_policy *p, struct tg_str text, struct tg_buf *why)
{
    struct tg_fault fault = { 0 };
    struct tg_json data;
    size_t where;

    if (!text.len)
        return TG_OK;
    text = keep(p, text);
    if (!text.at)
        return TG_ENOMEM;
    tg_err err = tg_json_check(text, TG_JSON_DEPTH_MAX, &data, &where);
    if (!err)
        err = tg_needs_wishes(&p->base.data, data, &p->arena, &fault);
    if (fault.type)
        tg_buf_str(why, fault.message);
    p->base.has_data = !err;
    return err;
}

static tg_err read_models(struct tgp_policy *p, const struct tgl_policy_said *said)
{
    if (!said->models_count)
        return TG_OK;
    p->base.models = tg_arena_get(&p->arena, said->models_count * sizeof *p->base.models);
    p->base.targets = tg_arena_get(&p->arena, said->models_count * sizeof *p->base.targets);
    if (!p->base.models || !p->base.targets)
        return TG_ENOMEM;
    for (size_t i = 0; i < said->models_count; i++) {
        p->base.models[i] = keep(p, said->models[i]);
        if (!p->base.models[i].at)
            return TG_ENOMEM;
    }
    p->base.models_count = said->models_count;
    return TG_OK;
}

tg_err tgl_policy_seal(struct tg_policy *base, const struct tgl_policy_said *said,
                       struct tg_buf *why)
{
    struct tgp_policy *p = of(base);

    base->admits_priority = said->admits_priority;
    base->admits_flex = said->admits_flex;
    base->refuses = said->refuses;
    for (int i = 0; i < TG_HOOKS; i++)
        if (p->boxes[0]->hooks[i] != LUA_NOREF)
            base->hooks |= 1u << i;
    tg_err err = read_models(p, said);
    if (!err)
        err = read_data(p, said->data, why);
    if (err && !why->len)
        tg_buf_z(why, tg_err_text(err));
    return err;
}

/* ---- use ---- */

tg_err tgl_policy_fits(struct tg_policy *base, const struct tg_catalog *catalog,
                       struct tg_buf *why, size_t *which)
{
    struct tgp_policy *p = of(base);

    for (size_t i = 0; i < p->base.models_count; i++) {
        struct tg_fault fault = { 0 };
        tg_err err = tg_needs_target(&p->base.targets[i], p->base.models[i], catalog, &p->arena,
                                     &fault);
        if (err) {
            *which = i;
            tg_buf_z(why, "models: ");
            tg_buf_str(why, fault.message.len ? fault.message : tg_str_of(tg_err_text(err)));
            return err;
        }
    }
    return TG_OK;
}

tg_err tgl_policy_open(struct tg_policy *base, const struct tg_catalog *catalog, unsigned engines,
                       struct tg_buf *why)
{
    struct tgp_policy *p = of(base);
    size_t which;
    tg_err err = tgl_policy_fits(base, catalog, why, &which);

    p->endpoints_count = catalog->endpoints_count;
    free_box(p->boxes[0]);                 /* it has no rows for endpoints */
    p->boxes[0] = NULL;
    if (engines > TG_POLICY_ENGINES_MAX)
        engines = TG_POLICY_ENGINES_MAX;
    for (unsigned i = 0; !err && base->hooks && i < engines; i++) {
        p->boxes[i] = new_box(p, NULL, why);
        if (!p->boxes[i])
            err = TG_EINVAL;
    }
    return err;
}
