/* A program whose Lua has `require "tidegate.core"`, and which has libtidegate as well: two
 * gateways in one process that know nothing of each other. */
#include <tidegate.h>

#include <lua.h>
#include <lauxlib.h>
#include <lualib.h>

#include "check.h"
#include "provider.h"

/* Where the Lua half and core.so are, and what the client is made of. */
static const char script[] =
    "package.path, package.cpath = arg.root .. '/lua/?.lua;' .. arg.root .. '/lua/?/init.lua',\n"
    "  arg.build .. '/lua/?.so'\n"
    "local new = require 'tidegate.client'\n"
    "local c = assert(new { config = arg.config })\n"
    "local function chat() return assert(c:chat { model = 't/whole', messages =\n"
    "  { { role = 'user', content = 'hi' } } }).text end\n"
    "local function close() c:close() end\n"
    "return chat, close\n";

static void set(lua_State *L, const char *name, const char *value)
{
    lua_pushstring(L, value);
    lua_setfield(L, -2, name);
}

static bool chats(lua_State *L)
{
    lua_pushvalue(L, 1);
    bool good = CHECK(!lua_pcall(L, 0, 1, 0));
    const char *text = lua_tostring(L, -1);
    good = good && text && strstr(text, "Gr\xc3\xbc") == text;
    if (!good)
        puts(text ? text : "?");
    lua_pop(L, 1);
    return good;
}

static bool asks(struct tidegate *t)
{
    struct tidegate_request r = { .size = sizeof r, .body = "{\"model\":\"t/whole\",\"messages\":"
                                  "[{\"role\":\"user\",\"content\":\"hi\"}]}" };
    const struct tidegate_event *e;
    bool good = false;

    tidegate_ask(t, &r);
    while (tidegate_poll(t, 10000) > 0)
        while ((e = tidegate_next(t)))
            good |= e->kind == TIDEGATE_END && !e->error && strstr(e->text.at, "Gr\xc3\xbc") == e->text.at;
    return good;
}

TEST("core.so and libtidegate.so answer side by side, and end in any order")
{
    char catalog[256] = "/tmp/tidegate-abi-XXXXXX", config[4096], path[300], why[512] = "";
    struct tidegate_options o = { .size = sizeof o, .config = path };

    CHECK(mkdtemp(catalog) != NULL);
    start_provider();
    write_catalog(catalog, sizeof catalog);
    put_config(config, sizeof config, catalog);
    snprintf(path, sizeof path, "%s.lua", catalog);
    FILE *f = fopen(path, "w");
    fputs(config, f);
    fclose(f);

    struct tidegate *t = tidegate_open(&o, why, sizeof why);
    if (!CHECK(t != NULL))
        puts(why);
    lua_State *L = luaL_newstate();
    luaL_openlibs(L);
    lua_newtable(L);
    set(L, "root", TG_ROOT);
    set(L, "build", TG_BUILD);
    set(L, "config", path);
    lua_setglobal(L, "arg");
    if (!CHECK(!luaL_loadstring(L, script) && !lua_pcall(L, 0, 2, 0)))
        puts(lua_tostring(L, -1));
    CHECK(asks(t) && chats(L) && asks(t) && chats(L));
    tidegate_close(t);
    CHECK(chats(L));
    t = tidegate_open(&o, why, sizeof why);
    CHECK(asks(t));
    lua_pushvalue(L, 2);
    CHECK(!lua_pcall(L, 0, 0, 0));
    lua_close(L);
    CHECK(asks(t));
    tidegate_close(t);
    unlink(path);
}

TEST_MAIN
