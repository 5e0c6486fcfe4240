/* l_json_read.c -- JSON text as Lua values, whole or in pieces. */
#include "lua/l_json.h"

#include <float.h>
#include <stdlib.h>
#include <string.h>

/* The root of the text at index 1. Who reads one often does so again, so the last
 * one is known; it is held, or its address could be another's. */
static tg_err root_of(lua_State *L, struct tg_str text, unsigned depth, struct tg_json *root,
                      size_t *where)
{
    struct tgl_json *all = tgl_json_shared(L);

    if (text.at == all->text.at && text.len == all->text.len) {
        *root = all->root;
        return TG_OK;
    }
    tg_err err = tg_json_check(text, depth, root, where);
    if (err || depth > TGL_JSON_DEPTH_MAX || text.len > TGL_JSON_KEPT_BYTES)
        return err;
    lua_pushvalue(L, 1);
    lua_rawseti(L, lua_upvalueindex(TGL_JSON_HELD), 1);
    all->text = text;
    all->root = *root;
    return TG_OK;
}

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

static void push_number(lua_State *L, struct tg_json value)
{
    double n;
    if (tg_json_double(value, &n) && survives(value.raw, n))
        tgl_push_number(L, n);
    else
        tgl_json_push_raw(L, value.raw);
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

    lua_createtable(L, 0, 4);              /* most have no more: no growing by ones and twos */
    tg_json_iter_init(&it, object);
    while (tg_json_next(&it, &key, &member)) {
        if (how->drops_nulls && member.kind == TG_JSON_NULL)
            continue;
        push_key(L, key, how->scratch);
        if (is_kept(L, how))
            tgl_json_push_raw(L, member.raw);
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
        lua_pushvalue(L, lua_upvalueindex(TGL_JSON_ARRAY));
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
    tg_err err = root_of(L, text, TGL_JSON_DEPTH_MAX, &root, &where);
    if (err)
        return fail_at(L, err, text, where);
    struct tgl_json *all = tgl_json_shared(L);
    how->scratch = tgl_json_borrow(L, &all->scratch, &all->is_scratch_taken);
    push_value(L, root, how);
    tgl_json_return(how->scratch, &all->scratch, &all->is_scratch_taken);
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

    if (root_of(L, text, TGL_JSON_DEPTH_MAX, &root, NULL))
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
    struct tg_json root;
    size_t where = 0;
    tg_err err = root_of(L, text, TGL_JSON_DEPTH_MAX, &root, NULL);
    if (err)
        err = tg_json_check(text, TG_JSON_DEPTH_MAX, NULL, &where);
    if (err)
        return fail_at(L, err, text, where);
    lua_pushboolean(L, 1);
    return 1;
}

/* chars(text): bytes that continue no other. */
static int l_chars(lua_State *L)
{
    struct tg_str text = tgl_check_str(L, 1);
    size_t n = 0;

    /* Eight at a time: a byte's top bit, without the bit below it. */
    size_t i = 0;
    for (uint64_t eight; i + sizeof eight <= text.len; i += sizeof eight) {
        memcpy(&eight, text.at + i, sizeof eight);
        n += sizeof eight - (size_t)__builtin_popcountll(eight & ~(eight << 1) & 0x8080808080808080u);
    }
    for (; i < text.len; i++)
        n += (text.at[i] & 0xC0) != 0x80;
    lua_pushinteger(L, (lua_Integer)n);
    return 1;
}

/* The object or array at index 1; else nil and an error, with their number in `count`. */
static bool opens(lua_State *L, enum tg_json_kind kind, struct tg_json_iter *it, int *count)
{
    struct tg_str text = tgl_check_str(L, 1);
    struct tg_json root;
    size_t where = 0;
    tg_err err = root_of(L, text, TG_JSON_DEPTH_MAX, &root, &where);

    if (!err && root.kind != kind)
        err = TG_EINVAL;
    if (err)
        *count = fail_at(L, err, text, where);
    else
        tg_json_iter_init(it, root);
    return !err;
}

static int take_apart(lua_State *L, void (*push)(lua_State *, struct tg_str))
{
    struct tgl_json *all = tgl_json_shared(L);
    struct tg_json_iter it;
    struct tg_str key;
    struct tg_json value;
    int count;

    if (!opens(L, TG_JSON_OBJECT, &it, &count))
        return count;
    struct tg_buf *scratch = tgl_json_borrow(L, &all->scratch, &all->is_scratch_taken);
    lua_newtable(L);
    lua_newtable(L);                                     /* Stack: members names */
    for (int i = 1; tg_json_next(&it, &key, &value); i++) {
        push_key(L, key, scratch);
        lua_pushvalue(L, -1);
        lua_rawseti(L, -3, i);
        push(L, value.raw);                              /* Stack: members names key value */
        lua_rawset(L, -4);
    }
    tgl_json_return(scratch, &all->scratch, &all->is_scratch_taken);
    return 2;
}

static int list_of(lua_State *L, void (*push)(lua_State *, struct tg_str))
{
    struct tg_json_iter it;
    struct tg_str key;
    struct tg_json value;
    int count;

    if (!opens(L, TG_JSON_ARRAY, &it, &count))
        return count;
    lua_newtable(L);
    for (int i = 1; tg_json_next(&it, &key, &value); i++) {
        push(L, value.raw);
        lua_rawseti(L, -2, i);
    }
    return 1;
}

/* split(object text) -> { name = json.raw }, { names in order } */
static int l_split(lua_State *L) { return take_apart(L, tgl_json_push_raw); }

/* elements(array text) -> { json.raw, ... } */
static int l_elements(lua_State *L) { return list_of(L, tgl_json_push_raw); }

/* members(object text), texts(array text): the same, as strings */
static int l_members(lua_State *L) { return take_apart(L, tgl_push_str); }

static int l_texts(lua_State *L) { return list_of(L, tgl_push_str); }

const luaL_Reg tgl_json_read[] = {
    { "decode", l_decode }, { "read", l_read }, { "pick", l_pick }, { "check", l_check },
    { "chars", l_chars }, { "split", l_split }, { "elements", l_elements }, { "members", l_members },
    { "texts", l_texts }, { NULL, NULL }
};
