/* A program that has a Lua of its own, whose functions everybody in the process can see. */
#include <tidegate.h>

#include <lua.h>
#include <lauxlib.h>
#include <lualib.h>

#include "check.h"

static const char policy[] = "return { score = function(e, r, base) return base + #e.id end }";

static bool is_sanitized(void)
{
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
    return true;
#else
    return false;
#endif
}

TEST("both Luas do their work, side by side; under a sanitizer it is refused")
{
    char why[512] = "", dir[] = "/tmp/tidegate-abi-XXXXXX", path[64];
    struct tidegate_options o = { .size = sizeof o, .config = path,
        .config_text = "return { auth = 'none', policy = 'p.lua', providers = { { slug = 'a', "
                       "base_url = 'http://127.0.0.1:9/v1' } } }" };
    lua_State *L = luaL_newstate();

    luaL_openlibs(L);
    CHECK(!luaL_dostring(L, "return _VERSION .. ' ' .. 7 // 2"));
    CHECK(!strcmp(lua_tostring(L, -1), "Lua 5.4 3"));

    CHECK(mkdtemp(dir) != NULL);
    snprintf(path, sizeof path, "%s/p.lua", dir);
    FILE *f = fopen(path, "w");
    fputs(policy, f);
    fclose(f);
    struct tidegate *t = tidegate_open(&o, why, sizeof why);
    if (is_sanitized()) {
        CHECK(!t && strstr(why, "cannot be kept apart") != NULL);
    } else {
        if (!CHECK(t != NULL))
            puts(why);
    }
    tidegate_close(t);
    remove(path);
    remove(dir);

    CHECK(!luaL_dostring(L, "return select('#', string.pack('i4', 7))"));
    CHECK(!luaL_dostring(L, "return pcall(error, 'x')"));
    lua_close(L);
}

TEST_MAIN
