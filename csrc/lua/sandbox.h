/* sandbox.h -- a Lua state for text that nobody has looked at.
 *
 * What runs in it sees base, table, string and math as far as they are listed
 * in docs/lua/sandbox.md, and nothing else: no files, no clock, no other code.
 * It ends at a deadline, `pcall` or not; its memory ends at a limit; no string
 * function runs away with it. It is interpreted: the jit library is never
 * opened, so LuaJIT's compiler, whose code no hook interrupts, stays off.
 *
 * A sandbox belongs to one thread at a time. Its turns are calls of
 * tg_sandbox_run(): a C function, inside the deadline and protected, that
 * pushes, calls and reads as it likes and may raise. Outside a turn only what
 * cannot raise may be done with the state.
 *
 *     sb = tg_sandbox_new(NULL);
 *     err = tg_sandbox_load(sb, text, "policies/cheap.lua");
 *     err = tg_sandbox_run(sb, decide, &decision);        as often as wanted
 *     if (err) log(tg_sandbox_why(sb));                   file:line: what
 *     if (tg_sandbox_is_worn(sb)) make a new one
 */
#ifndef TG_SANDBOX_H
#define TG_SANDBOX_H

#include <stdbool.h>
#include <stdint.h>
#include <lua.h>
#include "base/buf.h"
#include "base/err.h"
#include "base/str.h"

enum {
    TG_SANDBOX_SOURCE_MAX = 64 * 1024,      /* bytes of a file */
    TG_SANDBOX_STRING_MAX = 64 * 1024,      /* bytes of what a library function makes */
    TG_SANDBOX_BLOCK_MAX = 1024 * 1024,     /* bytes of any one string or table part */
    TG_SANDBOX_KEYS_MAX = 4096,             /* of one table, besides its list */
    TG_SANDBOX_STEPS_MAX = 200 * 1000,      /* of one call with a pattern: about 1 ms */
    TG_SANDBOX_NESTED_MAX = 32,             /* pcall, sort and gsub inside each other */
    TG_SANDBOX_RESULTS_MAX = 250,           /* of unpack */
    TG_SANDBOX_MODULES_MAX = 32,            /* files beside the first */
    TG_SANDBOX_FROZEN_DEPTH_MAX = 8
};

/* Zero is the usual. */
struct tg_sandbox_limits {
    size_t   memory_bytes;                  /* 8 MiB; at least 256 KiB */
    size_t   string_bytes, block_bytes;     /* TG_SANDBOX_STRING_MAX, TG_SANDBOX_BLOCK_MAX */
    size_t   keys;                          /* TG_SANDBOX_KEYS_MAX */
    uint32_t steps;                         /* TG_SANDBOX_STEPS_MAX */
    uint32_t turn_us;                       /* 2,000 */
    uint32_t load_us;                       /* 100,000 */
};

struct tg_sandbox;

/* NULL when out of memory, and on a Lua that allows no allocator of one's own
 * (LuaJIT on x86-64 without GC64): without a limit there is no sandbox. */
struct tg_sandbox *tg_sandbox_new(const struct tg_sandbox_limits *limits);
void tg_sandbox_free(struct tg_sandbox *sb);

/* Finds a file beside the first one: append its text and the name by which
 * errors call it. `name` is letters, digits and '_', with single dots between.
 * Called while loading only. Without a loader there is no `require`. */
typedef tg_err tg_sandbox_loader(void *owner, struct tg_str name, struct tg_buf *text,
                                 struct tg_buf *called);
tg_err tg_sandbox_set_loader(struct tg_sandbox *sb, tg_sandbox_loader *loader, void *owner);

/* Run a file; what it returns is kept for tg_sandbox_push_value(). Errors as
 * of tg_sandbox_run(), and TG_ETOOBIG for a text that is too long. Bytecode is
 * refused, and so is the byte it begins with, wherever it is. */
tg_err tg_sandbox_load(struct tg_sandbox *sb, struct tg_str text, const char *called);

/* One turn: fn(L, arg), like a lua_CFunction. Its results stay on the state's
 * stack, from index 2 on, until the next turn.
 * A turn that had hardly run by its deadline, because the kernel let the thread
 * wait, gets its time once more.
 * TG_EINVAL    it raised
 * TG_ETIMEOUT  it was still running at the deadline
 * TG_ENOMEM    it wanted more memory than there is */
typedef int tg_sandbox_fn(lua_State *L, void *arg);
tg_err tg_sandbox_run(struct tg_sandbox *sb, tg_sandbox_fn *fn, void *arg);

/* The same with another time. */
tg_err tg_sandbox_run_for(struct tg_sandbox *sb, uint32_t us, tg_sandbox_fn *fn, void *arg);

/* Did the last turn take more than half of its time? The kernel's waiting does
 * not count. */
bool tg_sandbox_was_slow(const struct tg_sandbox *sb);

/* What was wrong with the last turn, as "file:line: what" where there is a
 * line; until the next turn. */
struct tg_str tg_sandbox_why(const struct tg_sandbox *sb);

lua_State *tg_sandbox_state(struct tg_sandbox *sb);

/* In a turn: push what the loaded file returned. */
void tg_sandbox_push_value(lua_State *L);

/* In a turn: add the rest of Lua's base library, and `package`. For code of ours
 * that is to run within limits: what it runs in turn sees what it lends. */
void tg_sandbox_widen(lua_State *L);

/* What math.random gives from now on. */
void tg_sandbox_seed(struct tg_sandbox *sb, uint64_t seed);

/* Bytes in use, and whether it keeps so many of them, or did something so odd,
 * that a new one is better. */
size_t tg_sandbox_bytes(const struct tg_sandbox *sb);
bool   tg_sandbox_is_worn(const struct tg_sandbox *sb);

/* ---- tables that may be read and not written; in a turn ---- */

/* Put a read-only view in the place of the table at that index, and of the
 * tables in it. The sandbox takes a view for a table: type, pairs, ipairs,
 * next, #, unpack and table.concat work on it, and writing raises. */
void tg_sandbox_freeze(lua_State *L, int at);

/* Push the table behind a view, for the host to change; it must not get into
 * the sandbox's hands. Pushes nothing when it is no view. Cannot raise. */
bool tg_sandbox_thaw(lua_State *L, int at);

#endif
