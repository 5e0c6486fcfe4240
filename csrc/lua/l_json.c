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
 *     json.raw(text)        --> a value that is written as it is
 *     json.array(t), json.ordered(t, names), json.null
 *
 * A number that a double cannot hold exactly is decoded as json.raw with its
 * digits; tostring() gives them. Members are written sorted by name, or as
 * `names` says, so that the same value always gives the same text. */
#include "lua/tgl.h"

#include <float.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include "wire/json.h"

#define ARRAY   "tidegate.core.json.array"
#define RAW     "tidegate.core.json.raw"
#define ORDERED "tidegate.core.json.ordered"

enum { DEPTH_MAX = 128 };                  /* arrays and objects inside one another, in Lua */

/* ---- decode ---- */

/* The digits of a number without sign, point, exponent and outer zeros, and
 * the exponent of the last of them. */
struct digits {
    char   at[40];
    size_t len;
    long   exponent;
    bool   cut;
};

/* The text is a view: no zero behind it for strtol(). */
static long exponent_of(struct tg_str s, size_t from)
{
    long n = 0;
    bool negative = from < s.len && s.at[from] == '-';
    for (size_t i = from; i < s.len; i++)
        if (s.at[i] >= '0' && s.at[i] <= '9' && n < 100000)
            n = n * 10 + (s.at[i] - '0');
    return negative ? -n : n;
}

static struct digits digits_of(struct tg_str s)
{
    struct digits d = { .len = 0 };
    long point = 0, exponent = 0;
    bool behind_point = false;
    for (size_t i = 0; i < s.len; i++) {
        char c = s.at[i];
        if (c == 'e' || c == 'E') {
            exponent = exponent_of(s, i + 1);
            break;
        }
        behind_point |= c == '.';
        if (c < '0' || c > '9')
            continue;
        point -= behind_point;
        if (!d.len && c == '0')
            continue;
        if (d.len < sizeof d.at)
            d.at[d.len++] = c;
        else if (c == '0')
            point++;
        else
            d.cut = true;
    }
    size_t len = d.len;
    while (len && d.at[len - 1] == '0')
        len--;
    d.exponent = len ? exponent + point + (long)(d.len - len) : 0;
    d.len = len;
    return d;
}

/* Does the double print as the same decimal number? So few digits always do. */
static bool survives(struct tg_str text, double value)
{
    char print[40];
    struct digits given = digits_of(text);

    if (given.len <= DBL_DIG && !given.cut && given.exponent > -250 && given.exponent < 250)
        return true;
    for (int precision = 15; precision <= 17; precision++) {
        snprintf(print, sizeof print, "%.*g", precision, value);
        if (strtod(print, NULL) == value)
            break;
    }
    struct digits b = digits_of(tg_str_of(print));
    return !given.cut && given.len == b.len && given.exponent == b.exponent
        && !memcmp(given.at, b.at, given.len);
}

static void push_raw(lua_State *L, struct tg_str text)
{
    lua_createtable(L, 1, 0);
    tgl_push_str(L, text);
    lua_rawseti(L, -2, 1);
    luaL_getmetatable(L, RAW);
    lua_setmetatable(L, -2);
}

static void push_number(lua_State *L, struct tg_json value)
{
    double n;
    if (tg_json_double(value, &n) && survives(value.raw, n))
        tgl_push_number(L, n);
    else
        push_raw(L, value.raw);
}

static void push_text(lua_State *L, struct tg_json value, struct tg_buf *scratch)
{
    struct tg_str plain;
    if (tg_json_plain(value, &plain)) {
        tgl_push_str(L, plain);
        return;
    }
    tg_buf_reset(scratch);
    tg_json_text(value, scratch);
    tgl_push_buf(L, scratch);
}

/* A key as tg_json_next() gives it stands between quotes: a string again. */
static void push_key(lua_State *L, struct tg_str key, struct tg_buf *scratch)
{
    struct tg_json quoted = { { key.at - 1, key.len + 2 }, TG_JSON_STRING };
    push_text(L, quoted, scratch);
}

/* How json.decode() and json.read() differ. `keep` is a place on the stack. */
struct reading {
    struct tg_buf *scratch;
    int  keep;                             /* names of members that stay raw; 0: none */
    bool drops_nulls;
};

static void push_value(lua_State *L, struct tg_json value, const struct reading *how);

static bool is_kept(lua_State *L, const struct reading *how)
{
    if (!how->keep)
        return false;
    lua_pushvalue(L, -1);
    lua_rawget(L, how->keep);
    bool is = lua_toboolean(L, -1);
    lua_pop(L, 1);
    return is;
}

static void push_object(lua_State *L, struct tg_json object, const struct reading *how)
{
    struct tg_json_iter it;
    struct tg_str key;
    struct tg_json member;

    lua_newtable(L);
    tg_json_iter_init(&it, object);
    while (tg_json_next(&it, &key, &member)) {
        if (how->drops_nulls && member.kind == TG_JSON_NULL)
            continue;
        push_key(L, key, how->scratch);
        if (is_kept(L, how))
            push_raw(L, member.raw);
        else
            push_value(L, member, how);
        lua_rawset(L, -3);
    }
}

static void push_value(lua_State *L, struct tg_json value, const struct reading *how)
{
    struct tg_json_iter it;
    struct tg_str key;
    struct tg_json member;

    luaL_checkstack(L, 4, "JSON too deep");
    switch (value.kind) {
    case TG_JSON_NONE:
    case TG_JSON_NULL:   lua_pushlightuserdata(L, NULL); return;
    case TG_JSON_FALSE:  lua_pushboolean(L, 0); return;
    case TG_JSON_TRUE:   lua_pushboolean(L, 1); return;
    case TG_JSON_NUMBER: push_number(L, value); return;
    case TG_JSON_STRING: push_text(L, value, how->scratch); return;
    case TG_JSON_ARRAY:
        lua_newtable(L);
        luaL_getmetatable(L, ARRAY);
        lua_setmetatable(L, -2);
        tg_json_iter_init(&it, value);
        for (int i = 1; tg_json_next(&it, &key, &member); i++) {
            push_value(L, member, how);
            lua_rawseti(L, -2, i);
        }
        return;
    case TG_JSON_OBJECT: push_object(L, value, how); return;
    }
}

/* The line that holds the byte at `where`, from 1. */
static int line_of(struct tg_str text, size_t where)
{
    int line = 1;
    for (size_t i = 0; i < where && i < text.len; i++)
        line += text.at[i] == '\n';
    return line;
}

/* nil and an error that knows where: err.offset (bytes, from 0), err.line. */
static int fail_at(lua_State *L, tg_err err, struct tg_str text, size_t where)
{
    tgl_fail(L, err);
    tgl_push_number(L, (double)where);
    lua_setfield(L, -2, "offset");
    lua_pushinteger(L, line_of(text, where));
    lua_setfield(L, -2, "line");
    return 2;
}

static int decode(lua_State *L, struct reading *how)
{
    struct tg_str text = tgl_check_str(L, 1);
    struct tg_json root;
    size_t where = 0;
    tg_err err = tg_json_check(text, DEPTH_MAX, &root, &where);
    if (err)
        return fail_at(L, err, text, where);
    how->scratch = tgl_buf(L);
    push_value(L, root, how);
    return 1;
}

static int l_decode(lua_State *L)
{
    lua_settop(L, 1);
    return decode(L, &(struct reading){ 0 });
}

static int l_read(lua_State *L)
{
    lua_settop(L, 2);
    bool keeps = !lua_isnil(L, 2);
    if (keeps)
        luaL_checktype(L, 2, LUA_TTABLE);
    return decode(L, &(struct reading){ .keep = keeps ? 2 : 0, .drops_nulls = true });
}

static struct tg_json element_at(struct tg_json array, struct tg_str step)
{
    struct tg_json_iter it;
    struct tg_str key;
    struct tg_json element;
    size_t wanted = 0;

    for (size_t i = 0; i < step.len; i++) {
        if (step.at[i] < '0' || step.at[i] > '9' || wanted > 100000)
            return (struct tg_json){ 0 };
        wanted = wanted * 10 + (size_t)(step.at[i] - '0');
    }
    tg_json_iter_init(&it, array);
    for (size_t i = 0; tg_json_next(&it, &key, &element); i++)
        if (i == wanted)
            return element;
    return (struct tg_json){ 0 };
}

static struct tg_json member_at(struct tg_json object, struct tg_str name)
{
    struct tg_json_iter it;
    struct tg_str key;
    struct tg_json member, found = { 0 };

    tg_json_iter_init(&it, object);
    while (tg_json_next(&it, &key, &member))
        if (tg_str_eq(key, name))
            found = member;
    return found;
}

static int l_pick(lua_State *L)
{
    struct tg_str text = tgl_check_str(L, 1);
    int n = lua_gettop(L);
    struct tg_json root;

    if (tg_json_check(text, DEPTH_MAX, &root, NULL))
        return 0;
    luaL_checkstack(L, n, "too many paths");
    for (int i = 2; i <= n; i++) {
        struct tg_str rest = tgl_check_str(L, i), step;
        struct tg_json at = root;
        for (bool more = true; more && at.kind != TG_JSON_NONE;) {
            more = tg_str_cut(rest, '.', &step, &rest);
            at = at.kind == TG_JSON_ARRAY ? element_at(at, step)
               : at.kind == TG_JSON_OBJECT ? member_at(at, step) : (struct tg_json){ 0 };
        }
        if (at.kind == TG_JSON_NONE || at.kind == TG_JSON_NULL)
            lua_pushnil(L);
        else
            tgl_push_str(L, at.raw);
    }
    return n - 1;
}

/* check(text) -> true | nil, err with offset and line */
static int l_check(lua_State *L)
{
    struct tg_str text = tgl_check_str(L, 1);
    size_t where = 0;
    tg_err err = tg_json_check(text, TG_JSON_DEPTH_MAX, NULL, &where);
    if (err)
        return fail_at(L, err, text, where);
    lua_pushboolean(L, 1);
    return 1;
}

/* split(object text) -> { name = json.raw }, { names in order } */
static int l_split(lua_State *L)
{
    struct tg_str text = tgl_check_str(L, 1);
    struct tg_json root;
    size_t where = 0;
    tg_err err = tg_json_check(text, TG_JSON_DEPTH_MAX, &root, &where);
    if (!err && root.kind != TG_JSON_OBJECT)
        err = TG_EINVAL;
    if (err)
        return fail_at(L, err, text, where);

    struct tg_buf *scratch = tgl_buf(L);
    struct tg_json_iter it;
    struct tg_str key;
    struct tg_json value;
    lua_newtable(L);
    lua_newtable(L);                                     /* Stack: members names */
    tg_json_iter_init(&it, root);
    for (int i = 1; tg_json_next(&it, &key, &value); i++) {
        push_key(L, key, scratch);
        lua_pushvalue(L, -1);
        lua_rawseti(L, -3, i);
        push_raw(L, value.raw);                          /* Stack: members names key raw */
        lua_rawset(L, -4);
    }
    return 2;
}

/* elements(array text) -> { json.raw, ... } */
static int l_elements(lua_State *L)
{
    struct tg_str text = tgl_check_str(L, 1);
    struct tg_json root;
    size_t where = 0;
    tg_err err = tg_json_check(text, TG_JSON_DEPTH_MAX, &root, &where);
    if (!err && root.kind != TG_JSON_ARRAY)
        err = TG_EINVAL;
    if (err)
        return fail_at(L, err, text, where);

    struct tg_json_iter it;
    struct tg_str key;
    struct tg_json value;
    lua_newtable(L);
    tg_json_iter_init(&it, root);
    for (int i = 1; tg_json_next(&it, &key, &value); i++) {
        push_raw(L, value.raw);
        lua_rawseti(L, -2, i);
    }
    return 1;
}

/* ---- encode ---- */

static bool has_metatable(lua_State *L, int at, const char *type)
{
    if (!lua_getmetatable(L, at))
        return false;
    luaL_getmetatable(L, type);
    bool same = lua_rawequal(L, -1, -2);
    lua_pop(L, 2);
    return same;
}

static void put_value(lua_State *L, int at, struct tg_buf *out, int depth);

static void put_array(lua_State *L, int at, struct tg_buf *out, int depth)
{
    size_t n = lua_rawlen(L, at);
    tg_buf_char(out, '[');
    for (size_t i = 1; i <= n; i++) {
        if (i > 1)
            tg_buf_char(out, ',');
        lua_rawgeti(L, at, (int)i);
        put_value(L, lua_gettop(L), out, depth);
        lua_pop(L, 1);
    }
    tg_buf_char(out, ']');
}

static int by_name(const void *a, const void *b)
{
    return tg_str_cmp(*(const struct tg_str *)a, *(const struct tg_str *)b);
}

static void put_member(lua_State *L, int at, struct tg_str name, struct tg_buf *out, int depth,
                       bool *first)
{
    tgl_push_str(L, name);
    lua_rawget(L, at);
    if (!lua_isnil(L, -1)) {
        if (!*first)
            tg_buf_char(out, ',');
        *first = false;
        tg_json_put_text(out, name);
        tg_buf_char(out, ':');
        put_value(L, lua_gettop(L), out, depth);
    }
    lua_pop(L, 1);
}

/* The names of json.ordered(): a list under index 1 of its metatable. Pushes
 * it, or nothing. */
static bool push_order(lua_State *L, int at)
{
    if (!lua_getmetatable(L, at))
        return false;
    lua_pushliteral(L, ORDERED);
    lua_rawget(L, -2);
    lua_remove(L, -2);
    if (lua_istable(L, -1))
        return true;
    lua_pop(L, 1);
    return false;
}

static void put_object(lua_State *L, int at, struct tg_buf *out, int depth)
{
    size_t n = 0;
    for (lua_pushnil(L); lua_next(L, at); lua_pop(L, 1), n++)
        if (lua_type(L, -2) != LUA_TSTRING)
            luaL_error(L, "cannot write a table with keys of type %s as JSON", luaL_typename(L, -2));

    tg_buf_char(out, '{');
    bool first = true;
    if (push_order(L, at)) {
        int order = lua_gettop(L);
        for (int i = 1; i <= (int)lua_rawlen(L, order); i++) {
            lua_rawgeti(L, order, i);
            put_member(L, at, tgl_check_str(L, -1), out, depth, &first);
            lua_pop(L, 1);
        }
        lua_pop(L, 1);
    } else {
        /* Names in a userdata: the collector frees it, whatever raises. The
         * table holds the strings. */
        struct tg_str *names = lua_newuserdata(L, (n + 1) * sizeof *names);
        size_t i = 0;
        for (lua_pushnil(L); lua_next(L, at); lua_pop(L, 1), i++)
            names[i].at = lua_tolstring(L, -2, &names[i].len);
        qsort(names, n, sizeof *names, by_name);
        for (i = 0; i < n; i++)
            put_member(L, at, names[i], out, depth, &first);
        lua_pop(L, 1);
    }
    tg_buf_char(out, '}');
}

static void put_table(lua_State *L, int at, struct tg_buf *out, int depth)
{
    if (depth >= DEPTH_MAX)
        luaL_error(L, "cannot write tables nested deeper than %d as JSON", DEPTH_MAX);
    luaL_checkstack(L, 8, "JSON too deep");
    if (has_metatable(L, at, RAW)) {
        lua_rawgeti(L, at, 1);
        tg_buf_str(out, tgl_check_str(L, -1));
        lua_pop(L, 1);
    } else if (has_metatable(L, at, ARRAY) || lua_rawlen(L, at) > 0) {
        put_array(L, at, out, depth + 1);
    } else {
        put_object(L, at, out, depth + 1);
    }
}

static void put_number(lua_State *L, int at, struct tg_buf *out)
{
    double n = lua_tonumber(L, at);
#if LUA_VERSION_NUM >= 503
    if (lua_isinteger(L, at)) {
        tg_buf_i64(out, lua_tointeger(L, at));
        return;
    }
#endif
    if (!isfinite(n))
        luaL_error(L, "cannot write %f as JSON", n);
    if (n == floor(n) && fabs(n) < 9007199254740992.0)
        tg_buf_i64(out, (int64_t)n);
    else
        tg_json_put_double(out, n);
}

static void put_value(lua_State *L, int at, struct tg_buf *out, int depth)
{
    switch (lua_type(L, at)) {
    case LUA_TSTRING:  tg_json_put_text(out, tgl_check_str(L, at)); return;
    case LUA_TNUMBER:  put_number(L, at, out); return;
    case LUA_TBOOLEAN: tg_buf_z(out, lua_toboolean(L, at) ? "true" : "false"); return;
    case LUA_TTABLE:   put_table(L, at, out, depth); return;
    case LUA_TLIGHTUSERDATA:
        if (!lua_touserdata(L, at)) {
            tg_buf_z(out, "null");
            return;
        }
        /* fall through */
    default:
        luaL_error(L, "cannot write a %s as JSON", luaL_typename(L, at));
    }
}

static int l_encode(lua_State *L)
{
    luaL_checkany(L, 1);
    lua_settop(L, 1);
    struct tg_buf *out = tgl_buf(L);
    put_value(L, 1, out, 0);
    tgl_push_buf(L, out);
    return 1;
}

/* ---- marks ---- */

static int l_raw(lua_State *L)
{
    struct tg_str text = tgl_check_str(L, 1);
    luaL_argcheck(L, !tg_json_check(text, TG_JSON_DEPTH_MAX, NULL, NULL), 1, "no JSON");
    push_raw(L, text);
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
    luaL_getmetatable(L, ARRAY);
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
    lua_pushvalue(L, 2);
    lua_setfield(L, -2, ORDERED);
    lua_setmetatable(L, 1);
    lua_settop(L, 1);
    return 1;
}

static int l_is_raw(lua_State *L)
{
    lua_pushboolean(L, lua_istable(L, 1) && has_metatable(L, 1, RAW));
    return 1;
}

static int l_is_array(lua_State *L)
{
    lua_pushboolean(L, lua_istable(L, 1) && has_metatable(L, 1, ARRAY));
    return 1;
}

static const luaL_Reg JSON[] = {
    { "decode", l_decode }, { "read", l_read }, { "pick", l_pick }, { "encode", l_encode }, { "check", l_check }, { "split", l_split },
    { "elements", l_elements }, { "raw", l_raw }, { "is_raw", l_is_raw }, { "array", l_array }, { "is_array", l_is_array },
    { "ordered", l_ordered }, { NULL, NULL }
};

int tgl_open_json(lua_State *L)
{
    luaL_newmetatable(L, ARRAY);
    luaL_newmetatable(L, RAW);
    lua_pushcfunction(L, l_raw_text);
    lua_setfield(L, -2, "__tostring");
    lua_pop(L, 2);

    lua_newtable(L);
    tgl_functions(L, JSON);
    lua_pushlightuserdata(L, NULL);
    lua_setfield(L, -2, "null");
    return 1;
}
