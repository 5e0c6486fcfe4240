#include "abi/settings.h"

#include <pthread.h>
#include "abi/luajit.h"
#include "flow/embed.h"
#include "lua/answerer.h"
#include "lua/embedded.h"
#include "lua/l_config.h"
#include "lua/tgl.h"

/* What the protected part reads and writes: nothing it holds is lost when it raises. */
struct reading {
    const struct tga_settings *settings;
    struct tg_buf    *why;
    struct tg_config *config;              /* held */
};

/* Append the list of mistakes on top, a line each. */
static void put_mistakes(lua_State *L, struct tg_buf *why)
{
    int list = lua_gettop(L);

    for (int i = 1; i <= (int)lua_objlen(L, list); i++) {
        lua_getglobal(L, "tostring");
        lua_rawgeti(L, list, i);
        lua_call(L, 1, 1);
        if (why->len)
            tg_buf_char(why, '\n');
        tg_buf_str(why, tgl_check_str(L, -1));
        lua_pop(L, 1);
    }
}

/* tidegate.app.load: all(path, { workers = ..., text = ... }), then tell(). */
static int read_all(lua_State *L)
{
    struct reading *r = lua_touserdata(L, 1);

    lua_getglobal(L, "require");
    lua_pushliteral(L, "tidegate.app.load");
    lua_call(L, 1, 1);                                   /* Stack: r load */
    lua_getfield(L, 2, "all");
    tgl_push_str(L, r->settings->path);
    lua_createtable(L, 0, 2);
    lua_pushinteger(L, TG_EMBED_STATES);
    lua_setfield(L, -2, "workers");
    if (r->settings->has_text) {
        tgl_push_str(L, r->settings->text);
        lua_setfield(L, -2, "text");
    }
    lua_call(L, 2, 2);                                   /* Stack: r load settings mistakes */
    if (lua_isnil(L, 3)) {
        put_mistakes(L, r->why);
        return 0;
    }
    lua_getfield(L, 2, "tell");
    lua_pushvalue(L, 3);
    lua_call(L, 1, 0);
    lua_getfield(L, 3, "snapshot");
    r->config = tgl_check_config(L, lua_gettop(L));
    tg_config_hold(r->config);
    return 0;
}

static void embed(void)
{
    tgl_embed(tg_embedded, tg_embedded_count);
    tgl_lend_answerer("", "");
}

static void read_in(lua_State *L, struct reading *r)
{
    lua_pushcfunction(L, read_all);
    lua_pushlightuserdata(L, r);
    if (!tgl_call(L, 1, 0))
        return;
    const char *words = lua_tostring(L, -1);
    tg_buf_z(r->why, words ? words : "the configuration cannot be read");
}

struct tg_config *tga_settings_read(const struct tga_settings *s, struct tg_buf *why)
{
    static pthread_once_t once = PTHREAD_ONCE_INIT;
    struct reading r = { .settings = s, .why = why };
    const char *failure = tga_luajit_open();

    if (failure) {
        tg_buf_z(why, failure);
        return NULL;
    }
    pthread_once(&once, embed);
    lua_State *L = tgl_state("", "");
    if (!L) {
        tg_buf_z(why, tg_err_text(TG_ENOMEM));
        return NULL;
    }
    read_in(L, &r);
    lua_close(L);
    return r.config;
}
