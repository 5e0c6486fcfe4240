/* l_within.c -- core.within(bytes, fn) --> true, results... | false, message
 *
 * pcall() with a limit: while fn runs, the state's memory may grow by so many
 * bytes, and then it is "not enough memory". What is freed may be used again. */
#include "lua/tgl.h"

struct budget {
    lua_Alloc alloc;                   /* the state's own */
    void     *owner;
    size_t    left;
};

static void *within_budget(void *owner, void *at, size_t before, size_t after)
{
    struct budget *b = owner;
    size_t had = at ? before : 0;      /* without `at`, `before` is a kind of object */

    if (after > had && after - had > b->left)
        return NULL;
    void *moved = b->alloc(b->owner, at, before, after);
    if (moved || !after)
        b->left += had - after;        /* either way round: modulo 2^n */
    return moved;
}

int tgl_within(lua_State *L)
{
    struct budget b = { .left = (size_t)luaL_checknumber(L, 1) };
    luaL_checktype(L, 2, LUA_TFUNCTION);
    lua_settop(L, 2);
    b.alloc = lua_getallocf(L, &b.owner);
    lua_setallocf(L, within_budget, &b);
    int status = lua_pcall(L, 0, LUA_MULTRET, 0);
    lua_setallocf(L, b.alloc, b.owner);
    lua_pushboolean(L, status == 0);
    lua_replace(L, 1);                                   /* Stack: ok results... */
    return lua_gettop(L);
}
