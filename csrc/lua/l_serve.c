/* l_serve.c -- require("tidegate.core").serve(config, events) --> true | nil, err
 *
 * Runs the server until a signal ends it: SIGTERM and SIGINT drain (a second
 * one ends at once), SIGHUP asks events.reload() for a new configuration, nil
 * keeping the old one. events.ready(address) is called when it listens.
 *
 * Every engine has a Lua state of its own for what is no relay (catalogue,
 * listings): it is asked through require("tidegate.api").answer(request). */
#include "lua/tgl.h"

#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include "base/log.h"
#include "base/mem.h"
#include "flow/server.h"
#include "lua/l_catalog.h"
#include "lua/l_config.h"

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
    lua_pushnumber(L, (lua_Number)(r->wall_ms / 1000));
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

/* ---- signals ---- */

/* SIGUSR1 tells the main thread that the server is gone. */
static void wanted_signals(sigset_t *set)
{
    sigemptyset(set);
    sigaddset(set, SIGTERM);
    sigaddset(set, SIGINT);
    sigaddset(set, SIGHUP);
    sigaddset(set, SIGUSR1);
}

struct waiter {
    struct tg_server *server;
    pthread_t main;
};

static void *wait_for_the_end(void *arg)
{
    struct waiter *w = arg;
    tg_server_wait(w->server);
    pthread_kill(w->main, SIGUSR1);
    return NULL;
}

/* Ask Lua for a new configuration and use it from now on. */
static void reload(lua_State *L, int events, struct tg_server *server)
{
    lua_getfield(L, events, "reload");
    if (tgl_call(L, 0, 1)) {
        tg_log_say(TG_LOG_ERROR, "reload", "%s", lua_tostring(L, -1));
    } else if (!lua_isnil(L, -1)) {
        tg_server_swap(server, tgl_check_config(L, lua_gettop(L)));
    }
    lua_pop(L, 1);
}

/* Until the server has ended. The second request to end cuts what still runs,
 * the third does not wait for that either. */
static void listen_to_signals(lua_State *L, int events, struct tg_server *server,
                              const sigset_t *set)
{
    int asked = 0;
    for (;;) {
        int number = 0;
        sigwait(set, &number);
        if (number == SIGUSR1)
            return;
        if (number == SIGHUP) {
            if (!asked)
                reload(L, events, server);
            continue;
        }
        if (++asked == 1) {
            tg_log_say(TG_LOG_INFO, "drain", "no new connections; running answers end whole");
            tg_server_drain(server);
        } else if (asked == 2) {
            tg_log_say(TG_LOG_WARN, "stop", "running answers are cut");
            tg_server_stop(server);
        } else {
            _exit(128 + number);
        }
    }
}

int tgl_serve(lua_State *L)
{
    struct tg_config *config = tgl_check_config(L, 1);
    luaL_checktype(L, 2, LUA_TTABLE);
    lua_settop(L, 2);
    lua_getglobal(L, "package");
    lua_getfield(L, 3, "path");
    lua_getfield(L, 3, "cpath");
    struct paths *paths = lua_newuserdata(L, sizeof *paths);
    *paths = (struct paths){ lua_tostring(L, 4), lua_tostring(L, 5) };
    struct tg_buf *why = tgl_buf(L);

    /* Blocked before the first thread is made, which inherits it: signals go
     * to sigwait() below and to nobody else. */
    sigset_t set;
    wanted_signals(&set);
    signal(SIGPIPE, SIG_IGN);
    pthread_sigmask(SIG_BLOCK, &set, NULL);

    struct tg_server_hooks hooks = { api_open, api_answer, api_close, paths };
    struct tg_server *server = tg_server_start(config, &hooks, why);
    if (!server)
        return tgl_fail_words(L, TG_ESYSTEM, tg_buf_view(why));

    struct waiter waiter = { server, pthread_self() };
    lua_getfield(L, 2, "ready");
    tgl_push_str(L, tg_server_address(server));
    if (tgl_call(L, 1, 0))
        tg_log_say(TG_LOG_ERROR, "ready", "%s", lua_tostring(L, -1));

    pthread_t thread;
    if (pthread_create(&thread, NULL, wait_for_the_end, &waiter)) {
        tg_server_stop(server);
        tg_server_wait(server);
        tg_server_free(server);
        return tgl_fail(L, TG_ESYSTEM);
    }
    listen_to_signals(L, 2, server, &set);
    pthread_join(thread, NULL);
    tg_server_free(server);
    lua_pushboolean(L, 1);
    return 1;
}
