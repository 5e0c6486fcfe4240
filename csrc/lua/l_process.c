/* l_process.c -- require("tidegate.core").process: other processes of this machine.
 *
 *     process.list()                --> numbers of all | nil, err
 *     process.self()                --> our own
 *     process.user()                --> the user we act as
 *     process.owner(pid)            --> the user it acts as | nil, err
 *     process.exe(pid)              --> path | nil, err
 *     process.cwd(pid)              --> path | nil, err
 *     process.words(pid)            --> its command line, a list | nil, err
 *     process.environment(pid)      --> when it was started: name -> value | nil, err
 *     process.ask_reload(pid, s)    --> "done", "refused", "ending" | nil, err
 */
#include "lua/tgl.h"

#include <signal.h>
#include "os/process.h"
#include "os/signals.h"

static int check_pid(lua_State *L)
{
    lua_Integer pid = luaL_checkinteger(L, 1);
    luaL_argcheck(L, pid > 0 && pid <= 0x7fffffff, 1, "no number of a process");
    return (int)pid;
}

static int l_list(lua_State *L)
{
    struct tg_buf *b = tgl_buf(L);
    tg_err err = tg_process_list(b);
    if (err)
        return tgl_fail(L, err);
    const int *pids = (const int *)b->at;
    size_t count = b->len / sizeof *pids;
    lua_createtable(L, (int)count, 0);
    for (size_t i = 0; i < count; i++) {
        lua_pushinteger(L, pids[i]);
        lua_rawseti(L, -2, (int)i + 1);
    }
    return 1;
}

static int l_self(lua_State *L)
{
    lua_pushinteger(L, tg_process_self());
    return 1;
}

static int l_user(lua_State *L)
{
    lua_pushinteger(L, (lua_Integer)tg_process_user());
    return 1;
}

static int l_owner(lua_State *L)
{
    unsigned user = 0;
    tg_err err = tg_process_owner(check_pid(L), &user);
    if (err)
        return tgl_fail(L, err);
    lua_pushinteger(L, (lua_Integer)user);
    return 1;
}

static int push_text(lua_State *L, tg_err (*read)(int pid, struct tg_buf *out))
{
    int pid = check_pid(L);
    struct tg_buf *b = tgl_buf(L);
    tg_err err = read(pid, b);
    if (err)
        return tgl_fail(L, err);
    tgl_push_buf(L, b);
    return 1;
}

static int l_exe(lua_State *L)
{
    return push_text(L, tg_process_exe);
}

static int l_cwd(lua_State *L)
{
    return push_text(L, tg_process_cwd);
}

static int l_words(lua_State *L)
{
    int pid = check_pid(L), count = 0;
    struct tg_buf *b = tgl_buf(L);
    tg_err err = tg_process_words(pid, b);
    if (err)
        return tgl_fail(L, err);
    struct tg_str rest = tg_buf_view(b), word;
    lua_newtable(L);
    while (rest.len) {
        tg_str_cut(rest, '\0', &word, &rest);
        tgl_push_str(L, word);
        lua_rawseti(L, -2, ++count);
    }
    return 1;
}

static int l_environment(lua_State *L)
{
    int pid = check_pid(L);
    struct tg_buf *b = tgl_buf(L);
    tg_err err = tg_process_environment(pid, b);
    if (err)
        return tgl_fail(L, err);
    struct tg_str rest = tg_buf_view(b), line, name, value;
    lua_newtable(L);
    while (rest.len) {
        tg_str_cut(rest, '\0', &line, &rest);
        if (!tg_str_cut(line, '=', &name, &value))
            continue;
        tgl_push_str(L, name);
        tgl_push_str(L, value);
        lua_rawset(L, -3);
    }
    return 1;
}

static int l_ask_reload(lua_State *L)
{
    static const char *const WORDS[] = {
        [TG_SIGNAL_NONE] = "unknown", [TG_SIGNAL_DONE] = "done",
        [TG_SIGNAL_REFUSED] = "refused", [TG_SIGNAL_ENDING] = "ending",
    };
    int pid = check_pid(L);
    double seconds = luaL_checknumber(L, 2);
    luaL_argcheck(L, seconds >= 0 && seconds <= 3600, 2, "seconds from 0 to 3600 expected");
    enum tg_signal_answer answer = TG_SIGNAL_NONE;
    tg_err err = tg_signals_ask(pid, SIGHUP, (uint32_t)(seconds * 1e3), &answer);
    if (err)
        return tgl_fail(L, err);
    lua_pushstring(L, WORDS[answer < sizeof WORDS / sizeof *WORDS ? answer : TG_SIGNAL_NONE]);
    return 1;
}

int tgl_open_process(lua_State *L)
{
    static const luaL_Reg PROCESS[] = {
        { "list", l_list }, { "self", l_self }, { "user", l_user }, { "owner", l_owner },
        { "exe", l_exe }, { "cwd", l_cwd }, { "words", l_words },
        { "environment", l_environment }, { "ask_reload", l_ask_reload }, { NULL, NULL }
    };
    lua_newtable(L);
    tgl_functions(L, PROCESS);
    return 1;
}
