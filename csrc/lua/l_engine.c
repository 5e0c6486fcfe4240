/* l_engine.c -- core.engine: the gateway inside this program.
 *
 *     local e = core.engine(snapshot)          --> engine | nil, err
 *     e:ask(api, body, fields)                 --> id | nil, err
 *     e:next()                                 --> id, "head", status, fields
 *                                                | id, "bytes", text
 *                                                | id, "end", is_whole | nothing
 *     e:cancel(id)   e:hold(id, is_held)   e:fd()   e:wait(seconds)
 *     e:swap(snapshot)   e:close()
 *
 * Nothing here waits for the network but wait(). */
#include "lua/l_config.h"
#include "lua/tgl.h"

#include <math.h>
#include <string.h>
#include "flow/embed.h"
#include "lua/answerer.h"
#include "lua/l_api.h"

#define TYPE "tidegate.core.engine"

static struct tg_embed *check(lua_State *L)
{
    return tgl_check(L, 1, TYPE);
}

/* The table of header fields at that index, as views into it; NULL for none. */
static const struct tg_http1_field *push_fields(lua_State *L, int at, size_t *count)
{
    size_t n = 0;

    *count = 0;
    if (lua_isnoneornil(L, at))
        return NULL;
    luaL_checktype(L, at, LUA_TTABLE);
    for (lua_pushnil(L); lua_next(L, at); lua_pop(L, 1))
        n++;
    luaL_argcheck(L, n <= TG_HTTP1_FIELDS_MAX, at, "too many header fields");
    struct tg_http1_field *fields = lua_newuserdata(L, (n + 1) * sizeof *fields);
    for (lua_pushnil(L); lua_next(L, at); lua_pop(L, 1)) {
        if (lua_type(L, -2) != LUA_TSTRING || lua_type(L, -1) != LUA_TSTRING)
            luaL_error(L, "header fields: names and values are strings");
        struct tg_http1_field *f = &fields[(*count)++];
        f->name.at = lua_tolstring(L, -2, &f->name.len);
        f->value.at = lua_tolstring(L, -1, &f->value.len);
        if (!tg_http1_is_token(f->name) || !tg_http1_is_value(f->value))
            luaL_error(L, "header fields: '%s' cannot be sent", f->name.at);
    }
    return fields;
}

static int l_ask(lua_State *L)
{
    struct tg_embed *e = check(L);
    struct tg_embed_ask ask = { .api = tgl_api_of(L, tgl_check_str(L, 2)),
                                .body = tgl_check_str(L, 3) };
    uint64_t id;
    ask.fields = push_fields(L, 4, &ask.fields_count);
    tg_err err = tg_embed_ask(e, &ask, &id);
    if (err)
        return tgl_fail(L, err);
    tgl_push_number(L, (double)id);
    return 1;
}

static int l_next(lua_State *L)
{
    static const char *const KINDS[] = { [TG_EMBED_HEAD] = "head", [TG_EMBED_BYTES] = "bytes",
                                         [TG_EMBED_END] = "end" };
    struct tg_embed_event ev;
    if (!tg_embed_next(check(L), &ev))
        return 0;
    tgl_push_number(L, (double)ev.id);
    lua_pushstring(L, KINDS[ev.kind]);
    if (ev.kind == TG_EMBED_END)
        lua_pushboolean(L, ev.is_whole);
    else if (ev.kind == TG_EMBED_HEAD)
        lua_pushinteger(L, ev.status);
    if (ev.kind != TG_EMBED_END)
        tgl_push_str(L, ev.bytes);
    return ev.kind == TG_EMBED_HEAD ? 4 : 3;
}

static uint64_t check_id(lua_State *L, int arg)
{
    double id = luaL_checknumber(L, arg);
    luaL_argcheck(L, id >= 1 && id < 9007199254740992.0, arg, "no id");
    return (uint64_t)id;
}

static int l_cancel(lua_State *L)
{
    tg_embed_cancel(check(L), check_id(L, 2));
    return 0;
}

/* hold(id, is_held): next() gives nothing of it meanwhile */
static int l_hold(lua_State *L)
{
    tg_embed_hold(check(L), check_id(L, 2), lua_toboolean(L, 3));
    return 0;
}

/* fd() -> a number | nil, err after a fork */
static int l_fd(lua_State *L)
{
    int fd = tg_embed_fd(check(L));
    if (fd < 0)
        return tgl_fail(L, TG_EFORK);
    lua_pushinteger(L, fd);
    return 1;
}

/* wait([seconds]) -> is there something | nil, err */
static int l_wait(lua_State *L)
{
    struct tg_embed *e = check(L);
    double seconds = luaL_optnumber(L, 2, -1);
    luaL_argcheck(L, seconds == seconds, 2, "not a number");
    double ms = seconds < 0 ? -1 : ceil(seconds * 1000);
    tg_err err = tg_embed_wait(e, ms > 1e9 ? -1 : (int)ms);
    if (err && err != TG_ETIMEOUT && err != TG_AGAIN)
        return tgl_fail(L, err);
    lua_pushboolean(L, err == TG_OK);
    return 1;
}

static int l_swap(lua_State *L)
{
    tg_embed_swap(check(L), tgl_check_config(L, 2));
    return 0;
}

/* Who converts formats finds the Lua half where this state finds it. */
static void lend_answerer(lua_State *L)
{
    lua_getglobal(L, "package");
    lua_getfield(L, -1, "path");
    lua_getfield(L, -2, "cpath");
    tgl_lend_answerer(lua_tostring(L, -2), lua_tostring(L, -1));
    lua_pop(L, 3);
}

static int l_finish(lua_State *L)
{
    void **box = tgl_box(L, 1, TYPE);
    struct tg_embed *e = *box;
    *box = NULL;
    tg_embed_free(e);
    return 0;
}

static const luaL_Reg METHODS[] = {
    { "ask", l_ask }, { "next", l_next }, { "cancel", l_cancel }, { "hold", l_hold },
    { "fd", l_fd }, { "wait", l_wait }, { "swap", l_swap }, { NULL, NULL }
};

int tgl_engine(lua_State *L)
{
    struct tg_config *config = tgl_check_config(L, 1);
    lua_settop(L, 1);
    tgl_type(L, TYPE, METHODS, l_finish);
    void **box = tgl_new(L, TYPE);
    struct tg_buf *why = tgl_buf(L);
    lend_answerer(L);
    *box = tg_embed_new(config, why);
    if (!*box)
        return tgl_fail_words(L, TG_ESYSTEM, tg_buf_view(why));
    lua_settop(L, 2);
    return 1;
}
