/* l_serve.c -- require("tidegate.core").serve(config, events) --> true | nil, err
 *
 * Runs the server until a signal ends it: SIGTERM and SIGINT drain (a second
 * one ends at once).
 *
 *     events.ready(address)    it listens
 *     events.reload(swap)      after a SIGHUP: calls swap(config) to put another
 *                              configuration in force, and returns true if it did
 *     events.tick()            while there is one, called every TICK_MS; true
 *                              means that it is time to reload
 *
 * Every engine has a Lua state of its own for what is no relay (catalogue,
 * listings): it is asked through require("tidegate.api").answer(request). */
#include "lua/tgl.h"

#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include "base/log.h"
#include "base/mem.h"
#include "flow/server.h"
#include "lua/l_catalog.h"
#include "lua/l_config.h"
#include "os/signals.h"

enum { TICK_MS = 250 };

/* ---- the API's state, one an engine ---- */

struct api {
    lua_State *L;
    int answer;                            /* registry: the function */
    int catalog;                           /* registry: the object of the newest one */
    struct tg_catalog *newest;             /* held by that object */
};

/* Where the Lua half is found when it is not inside the program. */
struct paths {
    const char *path, *cpath;
};

static int l_require_api(lua_State *L)
{
    lua_getglobal(L, "require");
    lua_pushliteral(L, "tidegate.api");
    lua_call(L, 1, 1);
    lua_getfield(L, -1, "answer");
    return 1;
}

static void api_close(void *state)
{
    struct api *api = state;
    if (!api)
        return;
    if (api->L)
        lua_close(api->L);
    tg_free(api);
}

static void *api_open(void *arg, struct tg_buf *why)
{
    struct paths *paths = arg;
    struct api *api = tg_zalloc(sizeof *api);
    if (!api)
        return NULL;
    api->catalog = LUA_NOREF;
    api->L = tgl_state(paths->path, paths->cpath);
    if (!api->L) {
        api_close(api);
        return NULL;
    }
    lua_pushcfunction(api->L, l_require_api);
    if (tgl_call(api->L, 0, 1)) {
        tg_buf_z(why, lua_tostring(api->L, -1));
        api_close(api);
        return NULL;
    }
    api->answer = luaL_ref(api->L, LUA_REGISTRYINDEX);
    return api;
}

/* Push the catalogue's object: the same one until another is in use, so that
 * Lua can keep what it made of it. */
static void push_catalog(struct api *api, struct tg_catalog *c)
{
    lua_State *L = api->L;
    if (api->newest != c) {
        tgl_push_catalog(L, c);
        luaL_unref(L, LUA_REGISTRYINDEX, api->catalog);
        api->catalog = luaL_ref(L, LUA_REGISTRYINDEX);
        api->newest = c;
    }
    lua_rawgeti(L, LUA_REGISTRYINDEX, api->catalog);
}

struct call {
    struct api *api;
    const struct tg_api_request *request;
    struct tg_api_reply *reply;
};

static void set_str(lua_State *L, const char *name, struct tg_str s)
{
    tgl_push_str(L, s);
    lua_setfield(L, -2, name);
}

/* What stands before the path: "/api/v1" or "/v1". Empty when the path is no
 * piece of the target. */
static struct tg_str prefix_of(const struct tg_api_request *r)
{
    struct tg_str whole = tg_http1_path(r->head);
    if (r->path.at < whole.at || r->path.at > whole.at + whole.len)
        return (struct tg_str){ NULL, 0 };
    return (struct tg_str){ whole.at, (size_t)(r->path.at - whole.at) };
}

static void push_request(struct api *api, const struct tg_api_request *r)
{
    lua_State *L = api->L;
    lua_createtable(L, 0, 8);
    set_str(L, "method", r->method);
    set_str(L, "prefix", prefix_of(r));
    set_str(L, "path", r->path);
    set_str(L, "query", r->query);
    push_catalog(api, r->config->catalog);
    lua_setfield(L, -2, "catalog");
    lua_pushboolean(L, r->config->auth == TG_AUTH_NONE);
    lua_setfield(L, -2, "is_open");
    tgl_push_number(L, (double)(r->wall_ms / 1000));
    lua_setfield(L, -2, "wall_s");
    if (!r->key)
        return;
    lua_createtable(L, 0, 2);
    set_str(L, "name", r->key->name);
    set_str(L, "label", r->key->label);
    lua_setfield(L, -2, "key");
}

/* The reply: status, body, { name = value }. */
static int l_answer(lua_State *L)
{
    struct call *call = lua_touserdata(L, 1);
    lua_rawgeti(L, LUA_REGISTRYINDEX, call->api->answer);
    push_request(call->api, call->request);
    lua_call(L, 1, 3);                                   /* Stack: call status body fields */
    call->reply->status = (int)luaL_checkinteger(L, 2);
    tg_buf_str(&call->reply->body, tgl_check_str(L, 3));
    if (lua_isnil(L, 4))
        return 0;
    for (lua_pushnil(L); lua_next(L, 4); lua_pop(L, 1)) {
        tg_buf_str(&call->reply->fields, tgl_check_str(L, -2));
        tg_buf_z(&call->reply->fields, ": ");
        tg_buf_str(&call->reply->fields, tgl_check_str(L, -1));
        tg_buf_z(&call->reply->fields, "\r\n");
    }
    return 0;
}

static tg_err api_answer(void *state, const struct tg_api_request *request,
                         struct tg_api_reply *reply)
{
    struct call call = { state, request, reply };
    lua_State *L = call.api->L;
    lua_pushcfunction(L, l_answer);
    lua_pushlightuserdata(L, &call);
    if (tgl_call(L, 1, 0)) {
        const char *message = lua_tostring(L, -1);
        tg_log_say(TG_LOG_ERROR, "api", "%s", message ? message : "an error without a message");
        lua_pop(L, 1);
        return TG_EINVAL;
    }
    return reply->body.bad || reply->fields.bad ? TG_ENOMEM : TG_OK;
}

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
    lua_getglobal(L, "package");
    lua_getfield(L, -1, "path");
    lua_getfield(L, -2, "cpath");
    struct paths *paths = lua_newuserdata(L, sizeof *paths);
    *paths = (struct paths){ lua_tostring(L, -3), lua_tostring(L, -2) };
    struct tg_buf *why = tgl_buf(L);

    /* Before the first thread is made: nobody but this one takes signals. */
    struct waiter waiter = { .main = pthread_self() };
    signal(SIGPIPE, SIG_IGN);
    tg_err err = tg_signals_hold(&waiter.signals);
    if (err)
        return tgl_fail(L, err);

    struct tg_server_hooks hooks = { api_open, api_answer, api_close, paths };
    waiter.server = tg_server_start(config, &hooks, why);
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
