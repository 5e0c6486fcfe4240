/* core.c -- require "tidegate.core": the C half, as Lua sees it. The whole
 * surface is listed in docs/lua/core.md. */
#include "lua/tgl.h"
#include "lua/l_api.h"

#include <errno.h>
#include <inttypes.h>
#include <sched.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>
#include "base/clock.h"
#include "base/hash.h"
#include "base/log.h"
#include "base/rand.h"
#include "os/file.h"
#include "os/net.h"
#include "wire/fault.h"
#include "route/vocabulary.h"
#include "wire/url.h"

enum { FILE_BYTES_MAX = 256 << 20 };       /* of a configuration, a catalogue, a request */

static int l_monotonic(lua_State *L)
{
    lua_pushnumber(L, (lua_Number)tg_clock_ns() / 1e9);
    return 1;
}

static int l_wall(lua_State *L)
{
    lua_pushnumber(L, (lua_Number)tg_clock_wall_ms() / 1e3);
    return 1;
}

static const luaL_Reg CLOCK[] = {
    { "monotonic", l_monotonic },          /* seconds, never steps back */
    { "wall",      l_wall },               /* seconds since 1970 UTC */
    { NULL, NULL }
};

/* log.say(level, event, message) */
static int l_say(lua_State *L)
{
    enum tg_log_level level;
    luaL_argcheck(L, tg_log_level_of(tgl_check_str(L, 1), &level), 1, "no level of that name");
    const char *event = luaL_checkstring(L, 2), *message = luaL_checkstring(L, 3);
    tg_log_say(level, event, "%s", message);
    return 0;
}

/* log.level(name): lines of this level and above from now on */
static int l_level(lua_State *L)
{
    enum tg_log_level level;
    luaL_argcheck(L, tg_log_level_of(tgl_check_str(L, 1), &level), 1, "no level of that name");
    tg_log_setup(level, STDERR_FILENO);
    return 0;
}

/* log.secret(text): never to be shown */
static int l_secret(lua_State *L)
{
    tg_log_secret(tgl_check_str(L, 1));
    return 0;
}

static const luaL_Reg LOG[] = {
    { "say", l_say }, { "level", l_level }, { "secret", l_secret }, { NULL, NULL }
};

/* read_file(path) -> text | nil, err */
static int l_read_file(lua_State *L)
{
    const char *path = luaL_checkstring(L, 1);
    struct tg_buf *b = tgl_buf(L);
    tg_err err = tg_file_read(path, FILE_BYTES_MAX, b);
    if (err)
        return tgl_fail(L, err);
    tgl_push_buf(L, b);
    return 1;
}

/* file_stamp(path) -> text that differs when the file does; nil without one */
static int l_file_stamp(lua_State *L)
{
    struct tg_file_stamp s;
    char text[96];
    if (tg_file_stamp(luaL_checkstring(L, 1), &s))
        return 0;
    snprintf(text, sizeof text, "%" PRIu64 ":%" PRIu64 ":%" PRIu64 ":%" PRId64, s.device, s.inode,
             s.bytes, s.written_ns);
    lua_pushstring(L, text);
    return 1;
}

/* is_same_file(path, path) */
static int l_is_same_file(lua_State *L)
{
    lua_pushboolean(L, tg_file_is_same(luaL_checkstring(L, 1), luaL_checkstring(L, 2)));
    return 1;
}

/* socket_directory(path) -> true | nil, err. Nobody else may enter it, and what the
 * dead have left in it is gone. */
static int l_socket_directory(lua_State *L)
{
    const char *path = luaL_checkstring(L, 1);
    tg_err err = tg_file_own_directory(path);
    if (err == TG_EINVAL)
        return tgl_fail_words(L, err, TG_STR("it is there, and not a directory that is ours alone"));
    if (err == TG_ESYSTEM)
        return tgl_fail_words(L, err, tg_str_of(strerror(errno)));
    if (err)
        return tgl_fail(L, err);
    tg_net_sweep(path);
    lua_pushboolean(L, 1);
    return 1;
}

/* is_parameter(name): one of the contract's 26 */
static int l_is_parameter(lua_State *L)
{
    lua_pushboolean(L, tg_param_of(tgl_check_str(L, 1)) >= 0);
    return 1;
}

/* is_url(text) -> true | nil, err with the reason */
static int l_is_url(lua_State *L)
{
    struct tg_url url;
    const char *why = NULL;
    tg_err err = tg_url_parse(tgl_check_str(L, 1), &url, &why);
    if (err)
        return tgl_fail_words(L, err, tg_str_of(why));
    lua_pushboolean(L, 1);
    return 1;
}

/* url_decode(text, plus_is_space) -> text | nil, err */
static int l_url_decode(lua_State *L)
{
    struct tg_str s = tgl_check_str(L, 1);
    struct tg_buf *b = tgl_buf(L);
    tg_err err = tg_url_decode(s, lua_toboolean(L, 2), b);
    if (err)
        return tgl_fail(L, err);
    tgl_push_buf(L, b);
    return 1;
}

const char *const tgl_shapes[] = {
    [TG_SHAPE_CHAT] = "chat", [TG_SHAPE_MESSAGES] = "messages", [TG_SHAPE_RESPONSES] = "responses",
    [TG_SHAPE_GEMINI] = "gemini", [TG_SHAPE_GEMINI_ARRAY] = "gemini_array", NULL
};

static enum tg_fault_shape check_shape(lua_State *L, int arg)
{
    struct tg_str name = tgl_check_str(L, arg);
    int i = 0;
    while (tgl_shapes[i] && !tg_str_is(name, tgl_shapes[i]))
        i++;
    luaL_argcheck(L, tgl_shapes[i], arg, "no shape of that name");
    return (enum tg_fault_shape)i;
}

/* fault(type_name, status, message [, shape [, id]]) -> status, the error's body in that shape */
static int l_fault(lua_State *L)
{
    struct tg_str name = tgl_check_str(L, 1);
    struct tg_fault f = tg_fault_make(tg_fault_type_of(name), "");
    luaL_argcheck(L, f.type != TG_FAULT_NONE, 1, "no error type of that name");
    f.status = (int)luaL_checkinteger(L, 2);
    f.message = tgl_check_str(L, 3);
    enum tg_fault_shape shape = lua_isnoneornil(L, 4) ? TG_SHAPE_CHAT : check_shape(L, 4);
    struct tg_str id = lua_isnoneornil(L, 5) ? TG_STR("") : tgl_check_str(L, 5);
    struct tg_buf *b = tgl_buf(L);
    tg_err err = tg_fault_put_body_as(b, shape, &f, id, TG_STR(""));
    if (err)
        return tgl_fail(L, err);
    lua_pushinteger(L, tg_fault_status(&f));
    tgl_push_buf(L, b);
    return 2;
}

/* is_terminal(fd) */
static int l_is_terminal(lua_State *L)
{
    lua_pushboolean(L, isatty((int)luaL_checkinteger(L, 1)));
    return 1;
}

/* cpu_count() -> how many cores this process may use */
static int l_cpu_count(lua_State *L)
{
    cpu_set_t set;
    lua_pushinteger(L, sched_getaffinity(0, sizeof set, &set) ? 1 : CPU_COUNT(&set));
    return 1;
}

/* random_seed() -> an integer nobody can guess, below 2^52 */
static int l_random_seed(lua_State *L)
{
    uint64_t seed = 0;
    if (tg_rand_secret(&seed, sizeof seed))
        return luaL_error(L, "no random numbers from the kernel");
    tgl_push_number(L, (double)(seed >> 12));
    return 1;
}

static const luaL_Reg CORE[] = {
    { "read_file",    l_read_file },
    { "file_stamp",   l_file_stamp },
    { "is_same_file", l_is_same_file },
    { "is_url",       l_is_url },
    { "is_parameter", l_is_parameter },
    { "url_decode",   l_url_decode },
    { "fault",        l_fault },
    { "is_terminal",  l_is_terminal },
    { "random_seed",  l_random_seed },
    { "cpu_count",    l_cpu_count },
    { "explain",      tgl_explain },
    { "serve",        tgl_serve },
    { "server",       tgl_server },
    { "socket_directory", l_socket_directory },
    { "thread",       tgl_thread },
    { "sandbox",      tgl_sandbox },
    { "policy",       tgl_policy },
    { "policy_bench", tgl_policy_bench },
    { "engine",       tgl_engine },
    { "route",        tgl_route },
    { "within",       tgl_within },
    { NULL, NULL }
};

__attribute__((visibility("default")))
int luaopen_tidegate_core(lua_State *L)
{
#if LUA_VERSION_NUM >= 502
    luaL_checkversion(L);
#endif
    lua_newtable(L);                                     /* Stack: core */
    tgl_functions(L, CORE);
    lua_pushliteral(L, TG_VERSION);
    lua_setfield(L, -2, "version");

    lua_newtable(L);
    tgl_functions(L, CLOCK);
    lua_setfield(L, -2, "clock");
    lua_newtable(L);
    tgl_functions(L, LOG);
    lua_setfield(L, -2, "log");

    tgl_open_json(L);
    lua_setfield(L, -2, "json");
    tgl_open_catalog(L);
    lua_setfield(L, -2, "catalog");
    tgl_open_config(L);
    lua_setfield(L, -2, "config");
    tgl_open_net(L);
    lua_setfield(L, -2, "net");
    tgl_open_process(L);
    lua_setfield(L, -2, "process");
    return 1;
}
