/* sandbox_parts.h -- what the files of the sandbox share; nobody else's.
 *
 * No hook interrupts a C function, so each says what it does in steps (about
 * 5 ns) to tgs_spend(), which looks at the clock now and then. */
#ifndef TG_SANDBOX_PARTS_H
#define TG_SANDBOX_PARTS_H

#include <stdbool.h>
#include <stdint.h>
#include "base/rand.h"
#include "lua/sandbox.h"
#include "lua/tgl.h"

struct tg_sandbox {
    lua_State *L;
    lua_Alloc lua_alloc;               /* Lua's own, where it takes no other; else NULL */
    void    *lua_memory;               /* what that one works on */
    size_t   bytes, bytes_max;
    size_t   bytes_at_rest;            /* after the last whole collection */
    size_t   newest, key_bytes;        /* the last block made; what a table's key takes */
    size_t   string_max, block_max, keys_max;
    uint32_t steps_max;                /* of one call with a pattern */
    uint32_t turn_us, load_us;

    bool     is_armed, is_over, is_extended, is_loading;
    bool     was_slow;
    bool     has_big;                  /* blocks of a size that one instruction takes long with */
    bool     is_odd;                   /* ffi is open in it */
    uint32_t now_us;                   /* what the turn that runs was given */
    uint64_t deadline_ns;
    uint32_t looks;                    /* at the clock, in this turn */
    int64_t  unspent;                  /* steps until the next look */
    int      nested;

    tg_sandbox_fn *fn;
    void    *arg;
    int      value, modules, module_count;
    tg_sandbox_loader *loader;
    void    *owner;
    struct tg_rand random;
    char     called[256], why[512];
};

#if LUA_VERSION_NUM < 502
#define tgs_is_less(L, a, b) lua_lessthan(L, a, b)
#define tgs_push_globals(L)  lua_pushvalue(L, LUA_GLOBALSINDEX)
#else
#define tgs_is_less(L, a, b) lua_compare(L, a, b, LUA_OPLT)
#define tgs_push_globals(L)  lua_pushglobaltable(L)
#endif

struct tg_sandbox *tgs_of(lua_State *L);

/* Raises when it is time. */
void tgs_spend(lua_State *L, size_t steps);

/* lua_call() from a library function, at most TG_SANDBOX_NESTED_MAX deep. */
void tgs_call(lua_State *L, int args, int results);

/* The text of a value as tostring gives it: without addresses. Pushes it. */
struct tg_str tgs_push_text(lua_State *L, int at);

/* The metafield of a table behind a view that is filled when it is asked for
 * something: a function that fills it whole, before anybody walks over it. */
#define TGS_FILL "__fill"

/* The table at that argument or behind the view there is pushed; raises when
 * it is neither. */
void tgs_push_readable(lua_State *L, int arg);

/* Raises unless it is a table that may be written. */
void tgs_check_writable(lua_State *L, int arg);

/* The libraries: put their functions into the table on top. */
void tgs_open_base(lua_State *L);
void tgs_open_table(lua_State *L);
void tgs_open_string(lua_State *L);
void tgs_open_math(lua_State *L);

#endif
