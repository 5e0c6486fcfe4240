/* Any bytes as a policy: whatever it says, it comes back in time and within its
 * memory, what it was given is as it was, and the sandbox can be used again.
 *
 * A byte below 128 stands for itself and one above for a phrase of the list. What
 * a phrase leaves open is closed, so phrases alone are always a program. */
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/buf.h"
#include "lua/sandbox.h"
#include "lua/tgl.h"

#define MUST(cond) ((cond) ? (void)0 : abort())

enum { TURN_MS = 5, OVER_MS = 100, MEMORY = 1 << 20 };

/* Of s a string, p a pattern, n a number, t a table, f a function, v anything
 * and e what was given. */
static const struct { const char *text, *close; } PHRASES[] = {
    { "do ", "end " }, { "if v then ", "end " }, { "while v do ", "end " },
    { "repeat ", "until n " }, { "for i=1,n do ", "end " }, { "for k,w in pairs(v) do ", "end " },
    { "for k,w in ipairs(v) do ", "end " }, { "for k,w in next,t do ", "end " },
    { "for a in s:gmatch(p) do ", "end " }, { "pcall(function() ", "end) " },
    { "f=function(...) ", "end " }, { "local function f(s,...) ", "end " },
    { "table.sort(t,function(a,b) ", "end) " }, { "v=s:gsub(p,function(s,...) ", "end) " },
    { "v={ function() ", "end } " }, { "end ", "" }, { "end ", "" }, { "end ", "" },
    { "do return v end ", 0 }, { "do return f(...) end ", 0 }, { "do break end ", 0 },
    { "goto a ", 0 }, { "::a:: ", 0 },

    { "s='' ", 0 }, { "s=s..s ", 0 }, { "s=tostring(v) ", 0 }, { "s=s:rep(n) ", 0 },
    { "s=s:rep(99,p) ", 0 }, { "s=p ", 0 }, { "s='1'..s ", 0 }, { "s='\\0'..s ", 0 },
    { "s=s:upper():reverse() ", 0 }, { "p='' ", 0 }, { "p=s ", 0 }, { "p=p..'a-' ", 0 },
    { "p=p..'.*' ", 0 }, { "p=p..'(' ", 0 }, { "p=p..')' ", 0 }, { "p=p..'%1' ", 0 },
    { "p=p..'[^' ", 0 }, { "p=p..']' ", 0 }, { "p=p..'%b()' ", 0 }, { "p=p..'%f' ", 0 },
    { "p=p..'()' ", 0 }, { "p='^'..p ", 0 }, { "p=p..'%9.9s' ", 0 }, { "p=p..'%99.99f' ", 0 },
    { "p=p..'%-#x' ", 0 }, { "p=p..'%q%c' ", 0 }, { "p=p..'%' ", 0 }, { "n=0 ", 0 },
    { "n=n+1 ", 0 }, { "n=-n ", 0 }, { "n=n*n ", 0 }, { "n=n/0 ", 0 }, { "n=2^31 ", 0 },
    { "n=2^53 ", 0 }, { "n=1e300 ", 0 }, { "n=#t ", 0 }, { "n=#s ", 0 }, { "n=1LL ", 0 },
    { "t={} ", 0 }, { "t={1,2,3,x=4} ", 0 }, { "t={...} ", 0 }, { "t[n]=v ", 0 },
    { "t[#t+1]=s ", 0 }, { "t[v]=t ", 0 }, { "t[k]=nil ", 0 }, { "t[s]=e ", 0 }, { "t={t} ", 0 },
    { "v=nil ", 0 }, { "v=true ", 0 }, { "v=n ", 0 }, { "v=s ", 0 }, { "v=t ", 0 }, { "v=f ", 0 },
    { "v=e ", 0 }, { "v=e.list ", 0 }, { "v=v.n ", 0 }, { "v=v[1] ", 0 }, { "v=#v ", 0 },
    { "v=-v ", 0 }, { "v=v..s ", 0 }, { "v=v<s ", 0 }, { "v=v==e ", 0 }, { "v=f(v,...) ", 0 },
    { "v=f(f,f,...) ", 0 }, { "v.n=v ", 0 }, { "e.n=8 ", 0 }, { "e.list[1]=8 ", 0 },
    { "e.deep.n=v ", 0 },

    { "v=assert(v,s) ", 0 }, { "error(v) ", 0 }, { "error(v,n) ", 0 }, { "v=next(v,k) ", 0 },
    { "v=pcall(f,v,...) ", 0 }, { "v=pcall(v) ", 0 }, { "v=rawequal(v,e) ", 0 },
    { "v=select(n,...) ", 0 }, { "v=select('#',...) ", 0 }, { "v=tonumber(s) ", 0 },
    { "v=tonumber(s,n) ", 0 }, { "v=type(v) ", 0 }, { "v={unpack(v,n)} ", 0 },
    { "v=f(unpack(v)) ", 0 }, { "v=require(s) ", 0 }, { "v=s:byte(n,-1) ", 0 },
    { "v=string.char(n) ", 0 }, { "v=s:find(p,n) ", 0 }, { "v=s:find(s,1,true) ", 0 },
    { "v=p:format(s,n,v,e) ", 0 }, { "v={s:match(p)} ", 0 }, { "v=s:gsub(p,s) ", 0 },
    { "v=s:gsub(p,v) ", 0 }, { "v=s:sub(n) ", 0 }, { "v=table.concat(v,s,n) ", 0 },
    { "table.insert(v,n,s) ", 0 }, { "table.insert(t,1,v) ", 0 }, { "v=table.remove(t,n) ", 0 },
    { "table.sort(v) ", 0 }, { "table.sort(t,f) ", 0 }, { "v=math.random(n) ", 0 },
    { "v=math.fmod(n,v) ", 0 }, { "v=math.ldexp(n,n) ", 0 },
    { "v=io or os or debug or _G or load or getmetatable ", 0 }, { "v=string.dump(f) ", 0 },
};

enum { COUNT = sizeof PHRASES / sizeof *PHRASES };

static double cpu_ms(void)
{
    struct timespec t;

    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
    return (double)t.tv_sec * 1e3 + (double)t.tv_nsec / 1e6;
}

/* { n = 7, list = { "x", "y" }, deep = { n = 7 } } */
static void push_given(lua_State *L)
{
    lua_createtable(L, 0, 3);
    lua_pushnumber(L, 7);
    lua_setfield(L, -2, "n");
    lua_createtable(L, 2, 0);
    lua_pushliteral(L, "x");
    lua_rawseti(L, -2, 1);
    lua_pushliteral(L, "y");
    lua_rawseti(L, -2, 2);
    lua_setfield(L, -2, "list");
    lua_createtable(L, 0, 1);
    lua_pushnumber(L, 7);
    lua_setfield(L, -2, "n");
    lua_setfield(L, -2, "deep");
}

/* Of the view on top. */
static void must_be_as_given(lua_State *L)
{
    lua_getfield(L, -1, "n");
    MUST(lua_tonumber(L, -1) == 7);
    lua_getfield(L, -2, "list");
    MUST(lua_type(L, -1) == LUA_TUSERDATA && tg_sandbox_thaw(L, -1));
    MUST(lua_rawlen(L, -1) == 2);
    lua_getfield(L, -4, "deep");
    MUST(lua_type(L, -1) == LUA_TUSERDATA);
    lua_getfield(L, -1, "n");
    MUST(lua_tonumber(L, -1) == 7);
    lua_pop(L, 5);
}

/* Call what was loaded, if it is a function. */
static int call(lua_State *L, void *arg)
{
    int *given = arg;

    push_given(L);
    tg_sandbox_freeze(L, -1);
    lua_pushvalue(L, -1);
    *given = luaL_ref(L, LUA_REGISTRYINDEX);
    tg_sandbox_push_value(L);
    lua_insert(L, -2);
    if (lua_isfunction(L, -2))
        lua_call(L, 1, 0);
    return 0;
}

static int check_given(lua_State *L, void *arg)
{
    int *given = arg;

    lua_rawgeti(L, LUA_REGISTRYINDEX, *given);
    must_be_as_given(L);
    luaL_unref(L, LUA_REGISTRYINDEX, *given);
    return 0;
}

/* Its time may be given to it twice, see tg_sandbox_run(). */
static tg_err check(struct tg_sandbox *sb, tg_err err, double since)
{
    MUST(cpu_ms() - since < 2 * TURN_MS + OVER_MS);
    MUST(tg_sandbox_bytes(sb) <= MEMORY + 1024);   /* collecting between turns takes some */
    MUST(!err || err == TG_EINVAL || err == TG_ETIMEOUT || err == TG_ENOMEM || err == TG_ETOOBIG);
    MUST(!err == !tg_sandbox_why(sb).len);
    return err;
}

static tg_err load(struct tg_sandbox *sb, struct tg_str text)
{
    double since = cpu_ms();

    return check(sb, tg_sandbox_load(sb, text, "p.lua"), since);
}

static tg_err run(struct tg_sandbox *sb, tg_sandbox_fn *fn, void *arg)
{
    double since = cpu_ms();

    return check(sb, tg_sandbox_run(sb, fn, arg), since);
}

static void try(struct tg_sandbox *sb, struct tg_str text)
{
    int given = LUA_NOREF;
    tg_err err = load(sb, text);

    if (!err) {
        run(sb, call, &given);
        if (given != LUA_NOREF)
            run(sb, check_given, &given);
    }
    err = load(sb, TG_STR("return 1"));
    MUST(!err || err == TG_ENOMEM || tg_sandbox_is_worn(sb));
}

enum { OPEN_MAX = 64 };

static void write_text(struct tg_buf *out, const uint8_t *data, size_t size)
{
    const char *open[OPEN_MAX];
    int n = 0;

    for (size_t i = 0; i < size; i++) {
        char c = (char)data[i];
        if (data[i] < 128) {
            tg_buf_add(out, &c, 1);
            continue;
        }
        size_t which = data[i] - 128u < COUNT ? data[i] - 128u : 0;
        const char *close = PHRASES[which].close;
        if (close && !*close) {
            if (n)
                tg_buf_str(out, tg_str_of(open[--n]));
        } else if (!close || n < OPEN_MAX) {
            tg_buf_str(out, tg_str_of(PHRASES[which].text));
            if (close)
                open[n++] = close;
        }
    }
    while (n)
        tg_buf_str(out, tg_str_of(open[--n]));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* Every module is the text once more. */
static tg_err find_module(void *owner, struct tg_str name, struct tg_buf *text,
                          struct tg_buf *called)
{
    tg_buf_str(text, tg_buf_view(owner));
    tg_buf_str(called, name);
    return TG_OK;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct tg_sandbox_limits limits = { .memory_bytes = MEMORY, .turn_us = TURN_MS * 1000,
                                       .load_us = TURN_MS * 1000 };
    struct tg_sandbox *sb = tg_sandbox_new(&limits);
    struct tg_buf text = { 0 }, wrapped = { 0 };

    MUST(sb);
    write_text(&text, data, size);
    tg_sandbox_set_loader(sb, find_module, &text);
    try(sb, tg_buf_view(&text));
    tg_buf_str(&wrapped, TG_STR("local s,p,n,t,f,v='abc','',1,{},type return function(e,...) "));
    tg_buf_str(&wrapped, tg_buf_view(&text));
    tg_buf_str(&wrapped, TG_STR("\nend"));
    try(sb, tg_buf_view(&wrapped));
    tg_sandbox_free(sb);
    tg_buf_done(&text);
    tg_buf_done(&wrapped);
    return 0;
}
