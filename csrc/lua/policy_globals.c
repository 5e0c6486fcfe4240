/* What a policy has beside Lua: tidegate.kv and tidegate.log. */
#include <math.h>
#include <pthread.h>
#include "base/clock.h"
#include "base/log.h"
#include "base/rand.h"
#include "lua/policy_parts.h"
#include "lua/sandbox_parts.h"
#include "os/shm.h"

enum { KV_ENTRIES = 16384 };

/* ---- kv ---- */

static struct tg_kv *map_kv(void)
{
    void *memory;
    struct tg_kv *kv;
    uint64_t seed;
    size_t bytes = tg_kv_bytes(KV_ENTRIES);

    if (tg_rand_secret(&seed, sizeof seed) || tg_shm_map(NULL, bytes, &memory))
        return NULL;
    if (!tg_kv_attach(memory, bytes, KV_ENTRIES, seed | 1, &kv))
        return kv;
    tg_shm_unmap(memory, bytes);
    return NULL;
}

struct tg_kv *tgl_policy_kv(void)
{
    static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
    static struct tg_kv *kv;

    pthread_mutex_lock(&lock);
    if (!kv)
        kv = map_kv();
    pthread_mutex_unlock(&lock);
    return kv;
}

static struct tg_kv *check_kv(lua_State *L)
{
    struct tg_kv *kv = tgl_policy_kv();

    tgs_spend(L, 100);
    if (!kv)
        luaL_error(L, "tidegate.kv: %s", tg_err_text(TG_ENOMEM));
    return kv;
}

static int fail(lua_State *L, const char *what, tg_err err)
{
    const char *why = err == TG_ETOOBIG ? "a key has 128 bytes at most, a string 256"
                    : err == TG_EINVAL  ? "a key that is not empty and a finite number expected"
                                        : tg_err_text(err);

    return luaL_error(L, "tidegate.kv.%s: %s", what, why);
}

/* Seconds, absent for ever. */
static uint64_t ttl_ms(lua_State *L, int arg)
{
    if (lua_isnoneornil(L, arg))
        return TG_KV_FOREVER;
    double seconds = luaL_checknumber(L, arg);
    luaL_argcheck(L, seconds > 0 && seconds <= 1e9, arg, "seconds above 0 expected");
    return (uint64_t)ceil(seconds * 1000);
}

/* kv.get(key) -> number | string | nil */
static int l_get(lua_State *L)
{
    struct tg_kv_value v;
    struct tg_str key = tgl_check_str(L, 1);
    tg_err err = tg_kv_get(check_kv(L), key, tg_clock_ms(), &v);

    if (err && err != TG_ENOTFOUND)
        return fail(L, "get", err);
    if (err)
        lua_pushnil(L);
    else if (v.is_text)
        lua_pushlstring(L, v.text, v.len);
    else
        tgl_push_number(L, v.number);
    return 1;
}

/* kv.set(key, number | string | nil [, seconds]) */
static int l_set(lua_State *L)
{
    struct tg_str key = tgl_check_str(L, 1);
    uint64_t ttl = ttl_ms(L, 3), now_ms = tg_clock_ms();
    struct tg_kv *kv = check_kv(L);
    tg_err err;

    if (lua_isnoneornil(L, 2)) {
        err = tg_kv_delete(kv, key, now_ms);
        if (err == TG_ENOTFOUND)
            err = TG_OK;
    } else if (lua_type(L, 2) == LUA_TNUMBER) {
        err = tg_kv_set(kv, key, lua_tonumber(L, 2), ttl, now_ms);
    } else {
        luaL_argcheck(L, lua_type(L, 2) == LUA_TSTRING, 2, "a number, a string or nil expected");
        err = tg_kv_set_text(kv, key, tgl_check_str(L, 2), ttl, now_ms);
    }
    return err ? fail(L, "set", err) : 0;
}

/* kv.incr(key [, n [, seconds]]) -> the sum */
static int l_incr(lua_State *L)
{
    struct tg_str key = tgl_check_str(L, 1);
    double n = luaL_optnumber(L, 2, 1), sum;
    uint64_t ttl = ttl_ms(L, 3);
    tg_err err = tg_kv_add(check_kv(L), key, n, ttl, tg_clock_ms(), &sum);

    if (err == TG_EINVAL && key.len && isfinite(n))
        return luaL_error(L, "tidegate.kv.incr: '%s' is not a number, or the sum is not finite",
                          key.at);
    if (err)
        return fail(L, "incr", err);
    tgl_push_number(L, sum);
    return 1;
}

/* ---- log ---- */

/* log(...): one line, the arguments as print shows them. */
static int l_log(lua_State *L)
{
    struct tgp_box *box = lua_touserdata(L, lua_upvalueindex(1));
    char line[TGL_POLICY_LINE_MAX];
    size_t len = 0;
    struct tg_log l;

    if (box->lines++ >= TGL_POLICY_LINES_MAX)
        return 0;
    for (int i = 1, n = lua_gettop(L); i <= n && len < sizeof line - 1; i++) {
        struct tg_str s = tgs_push_text(L, i);
        if (i > 1)
            line[len++] = '\t';
        for (size_t k = 0; k < s.len && len < sizeof line; k++)
            line[len++] = s.at[k];
        lua_pop(L, 1);
    }
    tgs_spend(L, 400);
    if (!tg_log_open(&l, TG_LOG_INFO, "policy"))
        return 0;
    tg_log_own(&l, "policy", box->policy->base.name);
    if (box->about && box->about->id.len)
        tg_log_own(&l, "id", box->about->id);
    tg_log_str(&l, "message", (struct tg_str){ line, len });
    tg_log_close(&l);
    return 0;
}

void tgp_add_globals(lua_State *L, struct tgp_box *box)
{
    static const luaL_Reg KV[] = {
        { "get", l_get }, { "set", l_set }, { "incr", l_incr }, { NULL, NULL }
    };

    lua_createtable(L, 0, 2);
    lua_createtable(L, 0, 3);
    tgl_functions(L, KV);
    lua_setfield(L, -2, "kv");
    lua_pushlightuserdata(L, box);
    lua_pushcclosure(L, l_log, 1);
    lua_setfield(L, -2, "log");
    tg_sandbox_freeze(L, -1);
    lua_setglobal(L, "tidegate");
}
