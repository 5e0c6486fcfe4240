/* l_serve.c -- require("tidegate.core").serve(config, events) --> true | nil, err
 *
 * Runs the server until a signal ends it: SIGTERM and SIGINT drain (a second
 * one ends at once).
 *
 *     events.ready(address)    it listens
 *     events.reload(swap)      after a SIGHUP: calls swap(config) to put another
 *                              configuration in force, and returns true if it did
 *     events.tick()            while there is one, called every TICK_MS; true
 *                              means that it is time to reload */
#include "lua/tgl.h"

#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <unistd.h>
#include "base/log.h"
#include "flow/server.h"
#include "lua/answerer.h"
#include "lua/l_config.h"
#include "os/signals.h"

enum { TICK_MS = 250 };

/* ---- reload ---- */

/* Where things stand on the stack of tgl_serve(). */
enum { CONFIG_AT = 1, EVENTS_AT, SWAP_AT };

/* swap(config): new requests use it from now on. The server is gone when
 * serve() has returned, whoever kept the function. */
static int l_swap(lua_State *L)
{
    struct tg_server **server = lua_touserdata(L, lua_upvalueindex(1));
    luaL_argcheck(L, *server, 1, "the server has ended");
    tg_server_swap(*server, tgl_check_config(L, 1));
    return 0;
}

/* Push it; gives the place of the server that it swaps. */
static struct tg_server **push_swap(lua_State *L)
{
    struct tg_server **server = lua_newuserdata(L, sizeof *server);
    *server = NULL;
    lua_pushcclosure(L, l_swap, 1);
    return server;
}

static enum tg_signal_answer reload(lua_State *L)
{
    enum tg_signal_answer answer = TG_SIGNAL_REFUSED;
    lua_getfield(L, EVENTS_AT, "reload");
    lua_pushvalue(L, SWAP_AT);
    if (tgl_call(L, 1, 1))
        tg_log_say(TG_LOG_ERROR, "reload", "%s", lua_tostring(L, -1));
    else if (lua_toboolean(L, -1))
        answer = TG_SIGNAL_DONE;
    lua_pop(L, 1);
    return answer;
}

static bool has_tick(lua_State *L)
{
    lua_getfield(L, EVENTS_AT, "tick");
    bool has = !lua_isnil(L, -1);
    lua_pop(L, 1);
    return has;
}

/* One that fails is not called again: it would fail four times a second. */
static void tick(lua_State *L)
{
    lua_getfield(L, EVENTS_AT, "tick");
    bool failed = tgl_call(L, 0, 1), is_time = !failed && lua_toboolean(L, -1);
    if (failed) {
        tg_log_say(TG_LOG_ERROR, "tick", "%s", lua_tostring(L, -1));
        lua_pushnil(L);
        lua_setfield(L, EVENTS_AT, "tick");
    }
    lua_pop(L, 1);
    if (is_time)
        reload(L);
}

/* ---- signals ---- */

/* SIGUSR1 tells the main thread that the server is gone. */
struct waiter {
    struct tg_server *server;
    pthread_t main;
    int signals;                           /* where they are taken from */
    atomic_bool over;
};

static void *wait_for_the_end(void *arg)
{
    struct waiter *w = arg;
    tg_server_wait(w->server);
    atomic_store(&w->over, true);
    pthread_kill(w->main, SIGUSR1);
    return NULL;
}

/* The second request to end cuts what still runs, the third does not wait for
 * that either. */
static void end(struct tg_server *server, int asked, int number)
{
    if (asked == 1) {
        tg_log_say(TG_LOG_INFO, "drain", "no new connections; running answers end whole");
        tg_server_drain(server);
    } else if (asked == 2) {
        tg_log_say(TG_LOG_WARN, "stop", "running answers are cut");
        tg_server_stop(server);
    } else {
        _exit(128 + number);
    }
}

/* Until the server has ended. */
static void listen_to_signals(lua_State *L, struct waiter *w)
{
    int asked = 0;
    while (!atomic_load(&w->over)) {
        struct tg_signal s;
        tg_signals_take(w->signals, !asked && has_tick(L) ? TICK_MS : -1, &s);
        if (s.number == SIGHUP)
            tg_signals_answer(&s.asker, asked ? TG_SIGNAL_ENDING : reload(L));
        else if (s.number == SIGTERM || s.number == SIGINT)
            end(w->server, ++asked, s.number);
        else if (!s.number)
            tick(L);
    }
}

/* It listens: until all is over. */
static tg_err run(lua_State *L, struct waiter *w)
{
    lua_getfield(L, EVENTS_AT, "ready");
    tgl_push_str(L, tg_server_address(w->server));
    if (tgl_call(L, 1, 0)) {
        tg_log_say(TG_LOG_ERROR, "ready", "%s", lua_tostring(L, -1));
        lua_pop(L, 1);
    }

    pthread_t thread;
    if (pthread_create(&thread, NULL, wait_for_the_end, w)) {
        tg_server_stop(w->server);
        tg_server_wait(w->server);
        return TG_ESYSTEM;
    }
    listen_to_signals(L, w);
    pthread_join(thread, NULL);
    return TG_OK;
}

int tgl_serve(lua_State *L)
{
    struct tg_config *config = tgl_check_config(L, CONFIG_AT);
    luaL_checktype(L, EVENTS_AT, LUA_TTABLE);
    lua_settop(L, EVENTS_AT);
    struct tg_server **swapped = push_swap(L);           /* Stack: config events swap */
    struct tg_server_how how = { .hooks = tgl_push_answerer(L) };
    struct tg_buf *why = tgl_buf(L);

    /* Before the first thread is made: nobody but this one takes signals. */
    struct waiter waiter = { .main = pthread_self() };
    signal(SIGPIPE, SIG_IGN);
    tg_err err = tg_signals_hold(&waiter.signals);
    if (err)
        return tgl_fail(L, err);

    waiter.server = tg_server_start(config, &how, why);
    if (!waiter.server) {
        close(waiter.signals);
        return tgl_fail_words(L, TG_ESYSTEM, tg_buf_view(why));
    }
    *swapped = waiter.server;
    err = run(L, &waiter);
    *swapped = NULL;
    tg_server_free(waiter.server);
    close(waiter.signals);
    if (err)
        return tgl_fail(L, err);
    lua_pushboolean(L, 1);
    return 1;
}
