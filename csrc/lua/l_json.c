/* l_json.c -- require("tidegate.core").json: JSON without losses.
 *
 *     json.decode(text)     --> value | nil, err       [] stays an array
 *     json.read(text, keep) --> value | nil, err       for who converts: null members are absent, and
 *                                                      members whose name is in the set `keep` stay json.raw
 *     json.pick(text, path, ...) --> JSON text | nil, ...   values by path, "delta.text", "choices.0.index";
 *                                                      nothing at all when the text is no JSON
 *     json.encode(value)    --> text                   raises on what is no JSON
 *     json.split(object)    --> { name = raw, ... } | nil, err
 *     json.elements(array)  --> { raw, ... } | nil, err
 *     json.members(object)  --> { name = JSON text, ... }, { names in order } | nil, err
 *     json.texts(array)     --> { JSON text, ... } | nil, err
 *     json.chars(text)      --> how many characters its bytes are, in UTF-8
 *     json.raw(text)        --> a value that is written as it is
 *     json.array(t), json.ordered(t, names), json.null
 *
 * A number that a double cannot hold exactly is decoded as json.raw with its
 * digits; tostring() gives them. Members are written sorted by name, or as
 * `names` says, so that the same value always gives the same text. */
#include "lua/l_json.h"

#define ARRAY   "tidegate.core.json.array"
#define RAW     "tidegate.core.json.raw"
#define ORDERED "tidegate.core.json.ordered"

struct tg_buf *tgl_json_borrow(lua_State *L, struct tg_buf *kept, bool *is_taken)
{
    if (*is_taken)
        return tgl_buf(L);
    *is_taken = true;
    tg_buf_reset(kept);
    return kept;
}

void tgl_json_return(struct tg_buf *b, struct tg_buf *kept, bool *is_taken)
{
    if (b != kept)
        return;
    if (b->cap > TGL_JSON_KEPT_BYTES)
        tg_buf_done(b);
    *is_taken = false;
}

/* ---- marks ---- */

void tgl_json_push_raw(lua_State *L, struct tg_str text)
{
    lua_createtable(L, 1, 0);
    tgl_push_str(L, text);
    lua_rawseti(L, -2, 1);
    lua_pushvalue(L, lua_upvalueindex(TGL_JSON_RAW));
    lua_setmetatable(L, -2);
}

enum tgl_json_mark tgl_json_mark_of(lua_State *L, int at, const struct tgl_json *all)
{
    if (!lua_getmetatable(L, at))
        return TGL_JSON_IS_PLAIN;
    const void *type = lua_topointer(L, -1);
    lua_pop(L, 1);
    return type == all->raw ? TGL_JSON_IS_RAW
         : type == all->array ? TGL_JSON_IS_ARRAY : TGL_JSON_IS_OTHER;
}

static int l_raw(lua_State *L)
{
    struct tg_str text = tgl_check_str(L, 1);
    luaL_argcheck(L, !tg_json_check(text, TG_JSON_DEPTH_MAX, NULL, NULL), 1, "no JSON");
    tgl_json_push_raw(L, text);
    return 1;
}

static int l_raw_text(lua_State *L)
{
    lua_rawgeti(L, 1, 1);
    return 1;
}

static int l_array(lua_State *L)
{
    if (lua_isnoneornil(L, 1))
        lua_newtable(L);
    else
        luaL_checktype(L, 1, LUA_TTABLE);
    lua_pushvalue(L, lua_upvalueindex(TGL_JSON_ARRAY));
    lua_setmetatable(L, -2);
    return 1;
}

/* ordered(t, names): write these members, in this order, and no others. */
static int l_ordered(lua_State *L)
{
    luaL_checktype(L, 1, LUA_TTABLE);
    luaL_checktype(L, 2, LUA_TTABLE);
    lua_settop(L, 2);
    lua_createtable(L, 0, 1);
    lua_pushvalue(L, lua_upvalueindex(TGL_JSON_ORDERED));
    lua_pushvalue(L, 2);
    lua_rawset(L, -3);
    lua_setmetatable(L, 1);
    lua_settop(L, 1);
    return 1;
}

static bool is_marked(lua_State *L, enum tgl_json_mark as)
{
    return lua_istable(L, 1) && tgl_json_mark_of(L, 1, tgl_json_shared(L)) == as;
}

static int l_is_raw(lua_State *L)
{
    lua_pushboolean(L, is_marked(L, TGL_JSON_IS_RAW));
    return 1;
}

static int l_is_array(lua_State *L)
{
    lua_pushboolean(L, is_marked(L, TGL_JSON_IS_ARRAY));
    return 1;
}

static const luaL_Reg MARKS[] = {
    { "raw", l_raw }, { "is_raw", l_is_raw }, { "array", l_array }, { "is_array", l_is_array },
    { "ordered", l_ordered }, { NULL, NULL }
};

/* ---- the module ---- */

static int l_finish_shared(lua_State *L)
{
    struct tgl_json *all = lua_touserdata(L, 1);
    tg_buf_done(&all->out);
    tg_buf_done(&all->scratch);
    /* Whom a later finalizer calls makes buffers of his own. */
    all->is_out_taken = all->is_scratch_taken = true;
    return 0;
}

/* Push what the functions share: TGL_JSON_SHARED and what follows. */
static void push_shared(lua_State *L)
{
    struct tgl_json *all = lua_newuserdata(L, sizeof *all);
    *all = (struct tgl_json){ 0 };
    lua_newtable(L);
    lua_pushcfunction(L, l_finish_shared);
    lua_setfield(L, -2, "__gc");
    lua_setmetatable(L, -2);

    luaL_newmetatable(L, ARRAY);
    all->array = lua_topointer(L, -1);
    luaL_newmetatable(L, RAW);
    all->raw = lua_topointer(L, -1);
    lua_pushcfunction(L, l_raw_text);
    lua_setfield(L, -2, "__tostring");
    lua_pushliteral(L, ORDERED);
    lua_newtable(L);
}

/* What they share stands behind the module on the stack. */
static void put_functions(lua_State *L, int module, const luaL_Reg *f)
{
    for (; f->name; f++) {
        for (int i = TGL_JSON_SHARED; i <= TGL_JSON_HELD; i++)
            lua_pushvalue(L, module + i);
        lua_pushcclosure(L, f->func, TGL_JSON_HELD);
        lua_setfield(L, module, f->name);
    }
}

int tgl_open_json(lua_State *L)
{
    lua_newtable(L);
    int module = lua_gettop(L);
    push_shared(L);
    put_functions(L, module, tgl_json_read);
    put_functions(L, module, tgl_json_write);
    put_functions(L, module, MARKS);
    lua_settop(L, module);
    lua_pushlightuserdata(L, NULL);
    lua_setfield(L, -2, "null");
    return 1;
}
