/* tgl.h -- what every file of the door shares: errors, boxes, types, states.
 *
 * The classic C API, one source for LuaJIT and Lua 5.1, 5.3 and 5.4. Rules of
 * the door: the box is made before what goes into it, and nothing that must be
 * freed is held by a C local while a call may raise. */
#ifndef TG_TGL_H
#define TG_TGL_H

#include <stdbool.h>
#include <lua.h>
#include <lauxlib.h>
#include "base/buf.h"
#include "base/err.h"
#include "base/str.h"

#define TG_VERSION "0.1.0"

/* ---- what the Lua versions call differently ---- */

#if LUA_VERSION_NUM < 502
#define lua_rawlen(L, i) lua_objlen(L, i)
#endif

/* Set the functions of `list` in the table on top. */
void tgl_functions(lua_State *L, const luaL_Reg *list);

/* Push a number. Where Lua has integers, a whole one is one, so that it looks
 * alike everywhere: 1, not 1.0. */
void tgl_push_number(lua_State *L, double n);

/* Resume `co` with n values. LUA_OK (0) at its end, LUA_YIELD, or an error. */
int tgl_resume(lua_State *co, lua_State *from, int n);

/* Before a C function raises an error: it is L that goes on. LuaJIT believes that
 * the coroutine runs which was called last, until a function returns to another,
 * and would leave compiled code in its name. */
void tgl_goes_on(lua_State *L);

/* ---- errors ---- */

/* Push nil and an error { code, message }: `return tgl_fail(L, err);`. The
 * words are the error's own, or `words` where they say more. */
int tgl_fail(lua_State *L, tg_err err);
int tgl_fail_words(lua_State *L, tg_err err, struct tg_str words);

/* ---- objects: a userdata that holds one pointer ---- */

/* Make the type known: `methods` under __index, `finish` as __gc and __close,
 * and as the method `close` where `methods` has none. */
void tgl_type(lua_State *L, const char *type, const luaL_Reg *methods, lua_CFunction finish);

/* Push a new object of that type, holding NULL so far. */
void **tgl_new(lua_State *L, const char *type);

/* The pointer inside argument `arg`, which must be an open object of `type`;
 * raises the usual argument error otherwise. */
void *tgl_check(lua_State *L, int arg, const char *type);

/* The box itself, open or closed; for close and __gc. */
void **tgl_box(lua_State *L, int arg, const char *type);

/* Push an empty buffer that the collector frees, whatever raises. */
struct tg_buf *tgl_buf(lua_State *L);

/* Push the buffer's bytes as a string, or raise when an addition failed. */
void tgl_push_buf(lua_State *L, const struct tg_buf *b);

/* ---- strings and fields ---- */

void tgl_push_str(lua_State *L, struct tg_str s);

/* Set a field of the table on top. */
void tgl_set_str(lua_State *L, const char *name, struct tg_str s);
void tgl_set_number(lua_State *L, const char *name, double n);
void tgl_set_bool(lua_State *L, const char *name, bool is);

/* A string argument as a view; holds while the argument is on the stack. */
struct tg_str tgl_check_str(lua_State *L, int arg);

/* The field of a table, as long as the table holds it; empty, 0 or false when
 * it is nil. Raise when it has another type. */
struct tg_str tgl_field_str(lua_State *L, int table, const char *name);
double        tgl_field_number(lua_State *L, int table, const char *name, double otherwise);
bool          tgl_field_bool(lua_State *L, int table, const char *name);

/* ---- states ---- */

/* A new state with the standard libraries, tidegate.core, and the modules that
 * are embedded in the program (see tgl_embed()); outside the program the Lua
 * half is found by `path` and `cpath` (may be NULL). NULL when out of memory. */
lua_State *tgl_state(const char *path, const char *cpath);

/* In a state with `package`: let require() find the same modules. Raises when out
 * of memory. */
void tgl_lend_modules(lua_State *L, const char *path, const char *cpath);

struct tg_embedded;
/* The modules inside this program; once, before any state is made. */
void tgl_embed(const struct tg_embedded *list, size_t count);

/* Call the function below n arguments with a traceback put into its error
 * message: 0, or an error code with the message on the stack. */
int tgl_call(lua_State *L, int n, int results);

/* ---- the modules of the door; each pushes its table ---- */

int luaopen_tidegate_core(lua_State *L);
int tgl_open_json(lua_State *L);
int tgl_open_catalog(lua_State *L);
int tgl_open_config(lua_State *L);
int tgl_open_net(lua_State *L);
int tgl_open_process(lua_State *L);

/* Plain functions of the core. */
int tgl_serve(lua_State *L);
int tgl_server(lua_State *L);
int tgl_thread(lua_State *L);
int tgl_sandbox(lua_State *L);
int tgl_policy(lua_State *L);
int tgl_policy_bench(lua_State *L);
int tgl_within(lua_State *L);
int tgl_explain(lua_State *L);
int tgl_engine(lua_State *L);
int tgl_route(lua_State *L);

#endif
