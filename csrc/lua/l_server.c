/* l_server.c -- core.server: what `tidegate serve` runs, inside another program.
 *
 *     local s = core.server(snapshot, { listen = "unix:/path", workers = 1 })   --> server | nil, err
 *     s:address()           "unix:/path", "127.0.0.1:8080"
 *     s:swap(snapshot)      new requests use it from now on
 *     s:drain()             no new connections; running answers end whole
 *     s:stop()              everything is cut
 *     s:close()             stop, and wait for the threads; the collector does it too
 *
 * Threads of its own, with all signals blocked, do the work: nothing here waits but
 * close(). Without options it is as the snapshot says; there cannot be more workers
 * than that. A process that was forked has none of the threads, and nothing to
 * close. */
#include "lua/tgl.h"

#include "base/mem.h"
#include "lua/answerer.h"
#include "lua/l_config.h"
#include "os/process.h"

#define TYPE "tidegate.core.server"

struct served {
    struct tg_server *server;
    int pid;                               /* of the process that has its threads */
};

static struct tg_server *check(lua_State *L)
{
    struct served *s = tgl_check(L, 1, TYPE);
    luaL_argcheck(L, s->pid == tg_process_self(), 1, "it runs in another process");
    return s->server;
}

static int l_address(lua_State *L)
{
    tgl_push_str(L, tg_server_address(check(L)));
    return 1;
}

static int l_swap(lua_State *L)
{
    tg_server_swap(check(L), tgl_check_config(L, 2));
    return 0;
}

static int l_drain(lua_State *L)
{
    tg_server_drain(check(L));
    return 0;
}

static int l_stop(lua_State *L)
{
    tg_server_stop(check(L));
    return 0;
}

static int l_finish(lua_State *L)
{
    void **box = tgl_box(L, 1, TYPE);
    struct served *s = *box;
    *box = NULL;
    if (s && s->server && s->pid == tg_process_self()) {
        tg_server_stop(s->server);
        tg_server_wait(s->server);
        tg_server_free(s->server);
    }
    tg_free(s);
    return 0;
}

static const luaL_Reg METHODS[] = {
    { "address", l_address }, { "swap", l_swap }, { "drain", l_drain }, { "stop", l_stop },
    { NULL, NULL }
};

int tgl_server(lua_State *L)
{
    struct tg_config *config = tgl_check_config(L, 1);
    lua_settop(L, 2);
    if (lua_isnil(L, 2)) {
        lua_newtable(L);
        lua_replace(L, 2);
    }
    luaL_checktype(L, 2, LUA_TTABLE);
    struct tg_server_how how = {
        .listen = tgl_field_str(L, 2, "listen"), .is_guest = true,
        .workers = (unsigned)tgl_field_number(L, 2, "workers", 0),
    };
    luaL_argcheck(L, how.workers <= config->workers, 2, "more workers than the snapshot is made for");
    how.hooks = tgl_push_answerer(L);
    tgl_type(L, TYPE, METHODS, l_finish);
    void **box = tgl_new(L, TYPE);
    struct tg_buf *why = tgl_buf(L);
    struct served *s = *box = tg_zalloc(sizeof *s);
    if (!s)
        return tgl_fail(L, TG_ENOMEM);
    s->pid = tg_process_self();
    s->server = tg_server_start(config, &how, why);
    if (!s->server)
        return tgl_fail_words(L, TG_ESYSTEM, tg_buf_view(why));
    lua_pop(L, 1);                                       /* Stack: ... box */
    return 1;
}
