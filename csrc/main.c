/* main.c -- the program `tidegate`: a Lua state, and its first function. */
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include "lua/embedded.h"
#include "lua/tgl.h"

/* require("tidegate.app.main")(arguments...) gives the exit status. */
static int run(lua_State *L)
{
    int argc = (int)lua_tointeger(L, 1);
    char **argv = lua_touserdata(L, 2);
    lua_getglobal(L, "require");
    lua_pushliteral(L, "tidegate.app.main");
    lua_call(L, 1, 1);
    luaL_checkstack(L, argc, "too many arguments");
    for (int i = 1; i < argc; i++)
        lua_pushstring(L, argv[i]);
    lua_call(L, argc > 0 ? argc - 1 : 0, 1);
    return 1;
}

int main(int argc, char **argv)
{
    signal(SIGPIPE, SIG_IGN);
    tgl_embed(tg_embedded, tg_embedded_count);
    lua_State *L = tgl_state(NULL, NULL);
    if (!L) {
        fputs("tidegate: out of memory\n", stderr);
        return EXIT_FAILURE;
    }
    lua_pushcfunction(L, run);
    lua_pushinteger(L, argc);
    lua_pushlightuserdata(L, argv);
    int status = EXIT_FAILURE;
    if (tgl_call(L, 2, 1))
        fprintf(stderr, "tidegate: %s\n", lua_tostring(L, -1) ? lua_tostring(L, -1) : "failed");
    else
        status = (int)lua_tointeger(L, -1);
    lua_close(L);
    return status;
}
