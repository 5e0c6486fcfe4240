/* l_thread.c -- require("tidegate.core").thread(module, argument) --> text | nil, err
 *
 * Runs require(module)(argument, ready) in a thread and a Lua state of its own;
 * what it gives to ready(text) comes back here. The thread lives as long as the
 * process and shares nothing with the caller: it is how the demo has its
 * providers beside the gateway. */
#include "lua/tgl.h"

#include <pthread.h>
#include <signal.h>
#include "base/log.h"
#include "base/mem.h"

/* Held by both sides until ready() or the failure before it. */
struct start {
    const char *path, *cpath, *module, *argument;
    pthread_mutex_t lock;
    pthread_cond_t  told;
    bool            is_told, failed;
    struct tg_buf   text;
};

static void tell(struct start *s, bool failed, struct tg_str text)
{
    pthread_mutex_lock(&s->lock);
    tg_buf_str(&s->text, text);
    s->failed = failed;
    s->is_told = true;
    pthread_cond_signal(&s->told);
    pthread_mutex_unlock(&s->lock);
}

/* ready(text): once; from then on the starter is gone. */
static int l_ready(lua_State *L)
{
    struct tg_str text = tgl_check_str(L, 1);
    lua_getfield(L, LUA_REGISTRYINDEX, "tidegate.core.start");
    struct start *s = lua_touserdata(L, -1);
    if (!s)
        return luaL_error(L, "ready() was called before");
    lua_pushnil(L);
    lua_setfield(L, LUA_REGISTRYINDEX, "tidegate.core.start");
    tell(s, false, text);
    return 0;
}

static int run(lua_State *L)
{
    struct start *s = lua_touserdata(L, 1);
    lua_pushlightuserdata(L, s);
    lua_setfield(L, LUA_REGISTRYINDEX, "tidegate.core.start");
    lua_getglobal(L, "require");
    lua_pushstring(L, s->module);
    lua_call(L, 1, 1);
    lua_pushstring(L, s->argument);
    lua_pushcfunction(L, l_ready);
    lua_call(L, 2, 0);
    return 0;
}

static void *thread(void *arg)
{
    struct start *s = arg;
    sigset_t all;
    sigfillset(&all);
    pthread_sigmask(SIG_BLOCK, &all, NULL);

    lua_State *L = tgl_state(s->path, s->cpath);
    if (!L) {
        tell(s, true, TG_STR("out of memory"));
        return NULL;
    }
    lua_pushcfunction(L, run);
    lua_pushlightuserdata(L, s);
    int status = tgl_call(L, 1, 0);
    struct tg_str words = tg_str_of(status ? lua_tostring(L, -1) : "ended before it was ready");
    lua_getfield(L, LUA_REGISTRYINDEX, "tidegate.core.start");
    if (!lua_isnil(L, -1))
        tell(s, true, words);
    else if (status)
        tg_log_say(TG_LOG_ERROR, "thread", "%.*s", (int)words.len, words.at);
    lua_close(L);
    return NULL;
}

int tgl_thread(lua_State *L)
{
    luaL_checkstring(L, 1);
    luaL_optstring(L, 2, "");
    lua_settop(L, 2);
    lua_getglobal(L, "package");
    lua_getfield(L, 3, "path");
    lua_getfield(L, 3, "cpath");                         /* Stack: module arg package path cpath */
    struct tg_buf *text = tgl_buf(L);
    struct start s = {
        .path = lua_tostring(L, 4), .cpath = lua_tostring(L, 5),
        .module = lua_tostring(L, 1), .argument = lua_tostring(L, 2),
        .lock = PTHREAD_MUTEX_INITIALIZER, .told = PTHREAD_COND_INITIALIZER,
    };
    pthread_t id;
    if (pthread_create(&id, NULL, thread, &s))
        return tgl_fail(L, TG_ESYSTEM);
    pthread_detach(id);

    /* Nothing here may raise: the other side holds `s`. */
    pthread_mutex_lock(&s.lock);
    while (!s.is_told)
        pthread_cond_wait(&s.told, &s.lock);
    pthread_mutex_unlock(&s.lock);
    *text = s.text;
    if (s.failed)
        return tgl_fail_words(L, TG_ESYSTEM, tg_buf_view(text));
    tgl_push_buf(L, text);
    return 1;
}
