#include "lua/answerer.h"

#include <pthread.h>
#include <string.h>
#include "base/log.h"
#include "base/mem.h"
#include "flow/embed.h"
#include "lua/converter.h"
#include "lua/l_api.h"
#include "lua/l_catalog.h"

struct api {
    struct tgl_converter converter;        /* first: its functions are given the same pointer */
    lua_State *L;
    int answer;                            /* registry: the function */
    int catalog;                           /* registry: the object of the newest one */
    struct tg_catalog *newest;             /* held by that object */
    int kept_kb;                           /* what the last collection left */
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

static void close_state(void *state)
{
    struct api *api = state;
    if (!api)
        return;
    tgl_converter_done(&api->converter);
    if (api->L)
        lua_close(api->L);
    tg_free(api);
}

static void *open_state(void *arg, struct tg_buf *why)
{
    struct paths *paths = arg;
    struct api *api = tg_zalloc(sizeof *api);
    if (!api)
        return NULL;
    api->catalog = LUA_NOREF;
    api->L = tgl_state(paths->path, paths->cpath);
    if (!api->L) {
        close_state(api);
        return NULL;
    }
    api->converter.L = api->L;
    api->converter.path = paths->path;
    api->converter.cpath = paths->cpath;
    lua_pushcfunction(api->L, l_require_api);
    if (tgl_call(api->L, 0, 1)) {
        const char *message = lua_tostring(api->L, -1);
        tg_buf_z(why, message ? message : "an error without a message");
        close_state(api);
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

/* What stands before the path: "/api/v1". Empty when the path is no
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
    lua_createtable(L, 0, 10);
    tgl_set_str(L, "method", r->method);
    tgl_set_str(L, "prefix", prefix_of(r));
    tgl_set_str(L, "path", r->path);
    tgl_set_str(L, "query", r->query);
    tgl_set_str(L, "id", r->id);
    tgl_set_str(L, "shape", tg_str_of(tgl_shapes[r->shape]));
    push_catalog(api, r->config->catalog);
    lua_setfield(L, -2, "catalog");
    lua_pushboolean(L, r->config->auth == TG_AUTH_NONE);
    lua_setfield(L, -2, "is_open");
    tgl_push_number(L, (double)(r->wall_ms / 1000));
    lua_setfield(L, -2, "wall_s");
    if (!r->key)
        return;
    lua_createtable(L, 0, 2);
    tgl_set_str(L, "name", r->key->name);
    tgl_set_str(L, "label", r->key->label);
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

static tg_err answer(void *state, const struct tg_api_request *request, struct tg_api_reply *reply)
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

/* What conversions left behind may be many times the largest body. LuaJIT's own
 * buffer shrinks by half with each collection. */
static void rest(void *state)
{
    struct api *api = state;
    int before, after = lua_gc(api->L, LUA_GCCOUNT, 0);
    if (after < api->kept_kb + api->kept_kb / 2)
        return;
    do {
        before = after;
        lua_gc(api->L, LUA_GCCOLLECT, 0);
        after = lua_gc(api->L, LUA_GCCOUNT, 0);
    } while (after < before - before / 8);
    api->kept_kb = after;
}

static struct tg_server_hooks hooks_with(struct paths *paths)
{
    return (struct tg_server_hooks){ .open = open_state, .answer = answer, .close = close_state,
                                     .rest = rest, .convert = &tgl_convert, .arg = paths };
}

/* Copies that stay: engines open their state when they first need one, and the
 * state that named the places may be gone by then. */
static struct paths standing;

static void stand(const char *path, const char *cpath)
{
    standing.path = strdup(path ? path : "");
    standing.cpath = strdup(cpath ? cpath : "");
    struct tg_server_hooks hooks = hooks_with(&standing);
    tg_embed_use(&hooks);
}

void tgl_lend_answerer(const char *path, const char *cpath)
{
    static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;

    pthread_mutex_lock(&lock);
    if (!standing.path)
        stand(path, cpath);
    pthread_mutex_unlock(&lock);
}

struct tg_server_hooks tgl_push_answerer(lua_State *L)
{
    lua_getglobal(L, "package");
    int package = lua_gettop(L);
    lua_getfield(L, package, "path");
    lua_getfield(L, package, "cpath");
    struct paths *paths = lua_newuserdata(L, sizeof *paths);
    *paths = (struct paths){ lua_tostring(L, -3), lua_tostring(L, -2) };
    return hooks_with(paths);
}
