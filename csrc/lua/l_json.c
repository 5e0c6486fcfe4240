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
#include "lua/tgl.h"

#include <float.h>
#include <math.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include "wire/json.h"

#define ARRAY   "tidegate.core.json.array"
#define RAW     "tidegate.core.json.raw"
#define ORDERED "tidegate.core.json.ordered"

enum {
    DEPTH_MAX  = 128,                      /* arrays and objects inside one another, in Lua */
    FEW        = 16,                       /* members of an object that are sorted on the stack */
    KEPT_BYTES = 64 * 1024                 /* of a buffer, between two calls */
};

/* What the functions of one Lua state share, so that a call makes nothing that the
 * collector must free. Marks are compared by address: tables do not move. */
struct shared {
    const void *array, *raw;               /* metatables */
    struct tg_buf out, scratch;
    bool is_out_taken, is_scratch_taken;
    struct tg_str text;                    /* the last that was checked: in the table at HELD_AT */
    struct tg_json root;
};

/* Upvalues of every function. */
enum { SHARED = 1, ARRAY_AT, RAW_AT, ORDERED_AT, HELD_AT };

static struct shared *shared_of(lua_State *L)
{
    return lua_touserdata(L, lua_upvalueindex(SHARED));
}

/* Borrow a buffer; where somebody has it, or an error let him never give it back,
 * one that the collector frees. A finalizer in Lua may call us in the middle of
 * a call of ours. */
static struct tg_buf *borrow(lua_State *L, struct tg_buf *kept, bool *is_taken)
{
    if (*is_taken)
        return tgl_buf(L);
    *is_taken = true;
    tg_buf_reset(kept);
    return kept;
}

static void give_back(struct tg_buf *b, struct tg_buf *kept, bool *is_taken)
{
    if (b != kept)
        return;
    if (b->cap > KEPT_BYTES)
        tg_buf_done(b);
    *is_taken = false;
}

/* The root of the text at index 1. Who reads one often does so again, so the last
 * one is known; it is held, or its address could be another's. */
static tg_err root_of(lua_State *L, struct tg_str text, unsigned depth, struct tg_json *root,
                      size_t *where)
{
    struct shared *all = shared_of(L);

    if (text.at == all->text.at && text.len == all->text.len) {
        *root = all->root;
        return TG_OK;
    }
    tg_err err = tg_json_check(text, depth, root, where);
    if (err || depth > DEPTH_MAX || text.len > KEPT_BYTES)
        return err;
    lua_pushvalue(L, 1);
    lua_rawseti(L, lua_upvalueindex(HELD_AT), 1);
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

static void push_raw(lua_State *L, struct tg_str text)
{
    lua_createtable(L, 1, 0);
    tgl_push_str(L, text);
    lua_rawseti(L, -2, 1);
    lua_pushvalue(L, lua_upvalueindex(RAW_AT));
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

    lua_createtable(L, 0, 4);              /* most have no more: no growing by ones and twos */
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
        lua_pushvalue(L, lua_upvalueindex(ARRAY_AT));
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
    tg_err err = root_of(L, text, DEPTH_MAX, &root, &where);
    if (err)
        return fail_at(L, err, text, where);
    struct shared *all = shared_of(L);
    how->scratch = borrow(L, &all->scratch, &all->is_scratch_taken);
    push_value(L, root, how);
    give_back(how->scratch, &all->scratch, &all->is_scratch_taken);
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

    if (root_of(L, text, DEPTH_MAX, &root, NULL))
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
    tg_err err = root_of(L, text, DEPTH_MAX, &root, NULL);
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
    struct shared *all = shared_of(L);
    struct tg_json_iter it;
    struct tg_str key;
    struct tg_json value;
    int count;

    if (!opens(L, TG_JSON_OBJECT, &it, &count))
        return count;
    struct tg_buf *scratch = borrow(L, &all->scratch, &all->is_scratch_taken);
    lua_newtable(L);
    lua_newtable(L);                                     /* Stack: members names */
    for (int i = 1; tg_json_next(&it, &key, &value); i++) {
        push_key(L, key, scratch);
        lua_pushvalue(L, -1);
        lua_rawseti(L, -3, i);
        push(L, value.raw);                              /* Stack: members names key value */
        lua_rawset(L, -4);
    }
    give_back(scratch, &all->scratch, &all->is_scratch_taken);
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
static int l_split(lua_State *L) { return take_apart(L, push_raw); }

/* elements(array text) -> { json.raw, ... } */
static int l_elements(lua_State *L) { return list_of(L, push_raw); }

/* members(object text), texts(array text): the same, as strings */
static int l_members(lua_State *L) { return take_apart(L, tgl_push_str); }

static int l_texts(lua_State *L) { return list_of(L, tgl_push_str); }

/* ---- encode ---- */

enum mark { IS_PLAIN, IS_ARRAY, IS_RAW, IS_OTHER };

static enum mark mark_of(lua_State *L, int at, const struct shared *all)
{
    if (!lua_getmetatable(L, at))
        return IS_PLAIN;
    const void *type = lua_topointer(L, -1);
    lua_pop(L, 1);
    return type == all->raw ? IS_RAW : type == all->array ? IS_ARRAY : IS_OTHER;
}

/* What is written, and where. */
struct writing {
    struct tg_buf *out;
    struct shared *all;
};

/* Raise, and let others have the buffer. */
static void refuse(lua_State *L, const struct writing *w, const char *format, ...)
{
    va_list args;

    va_start(args, format);
    lua_pushvfstring(L, format, args);
    va_end(args);
    give_back(w->out, &w->all->out, &w->all->is_out_taken);
    lua_error(L);
}

static void put_value(lua_State *L, int at, const struct writing *w, int depth);

static void put_array(lua_State *L, int at, const struct writing *w, int depth)
{
    size_t n = lua_rawlen(L, at);
    tg_buf_char(w->out, '[');
    for (size_t i = 1; i <= n; i++) {
        if (i > 1)
            tg_buf_char(w->out, ',');
        lua_rawgeti(L, at, (int)i);
        put_value(L, lua_gettop(L), w, depth);
        lua_pop(L, 1);
    }
    tg_buf_char(w->out, ']');
}

/* The value is at `at`. */
static void put_member(lua_State *L, struct tg_str name, int at, const struct writing *w, int depth,
                       bool first)
{
    if (!first)
        tg_buf_char(w->out, ',');
    tg_json_put_text(w->out, name);
    tg_buf_char(w->out, ':');
    put_value(L, at, w, depth);
}

/* The names of json.ordered(): a list under index 1 of its metatable. Pushes
 * it, or nothing. */
static bool push_order(lua_State *L, int at)
{
    if (!lua_getmetatable(L, at))
        return false;
    lua_pushvalue(L, lua_upvalueindex(ORDERED_AT));
    lua_rawget(L, -2);
    lua_remove(L, -2);
    if (lua_istable(L, -1))
        return true;
    lua_pop(L, 1);
    return false;
}

static void check_key(lua_State *L, int at, const struct writing *w)
{
    if (lua_type(L, at) != LUA_TSTRING)
        refuse(L, w, "cannot write a table with keys of type %s as JSON", luaL_typename(L, at));
}

/* The members that the list on top names. */
static void put_ordered(lua_State *L, int at, const struct writing *w, int depth)
{
    int order = lua_gettop(L), n = (int)lua_rawlen(L, order);
    bool first = true;

    for (int i = 1; i <= n; i++) {
        lua_rawgeti(L, order, i);
        struct tg_str name = tgl_check_str(L, -1);
        lua_pushvalue(L, -1);
        lua_rawget(L, at);                               /* Stack: ... order name value */
        if (!lua_isnil(L, -1)) {
            put_member(L, name, order + 2, w, depth, first);
            first = false;
        }
        lua_pop(L, 2);
    }
}

/* Keys and values go onto the stack, one behind the other, and are written in the
 * order of the names. False, with nothing written, when there are many. */
static bool put_few(lua_State *L, int at, const struct writing *w, int depth)
{
    struct tg_str names[FEW];
    int values[FEW], n = 0, base = lua_gettop(L);

    luaL_checkstack(L, 2 * FEW + 8, "JSON too deep");
    for (lua_pushnil(L); lua_next(L, at); n++) {         /* Stack: ... key value */
        check_key(L, -2, w);
        if (n == FEW) {
            lua_settop(L, base);
            return false;
        }
        struct tg_str name;
        name.at = lua_tolstring(L, -2, &name.len);
        int i = n;
        for (; i && tg_str_cmp(names[i - 1], name) > 0; i--) {
            names[i] = names[i - 1];
            values[i] = values[i - 1];
        }
        names[i] = name;
        values[i] = lua_gettop(L);
        lua_pushvalue(L, -2);
    }
    for (int i = 0; i < n; i++)
        put_member(L, names[i], values[i], w, depth, i == 0);
    lua_settop(L, base);
    return true;
}

static int by_name(const void *a, const void *b)
{
    return tg_str_cmp(*(const struct tg_str *)a, *(const struct tg_str *)b);
}

/* Names in a userdata: the collector frees it, whatever raises. The table holds
 * the strings. */
static void put_many(lua_State *L, int at, const struct writing *w, int depth)
{
    size_t n = 0, i = 0;

    for (lua_pushnil(L); lua_next(L, at); lua_pop(L, 1), n++)
        check_key(L, -2, w);
    struct tg_str *names = lua_newuserdata(L, (n + 1) * sizeof *names);
    for (lua_pushnil(L); lua_next(L, at); lua_pop(L, 1), i++)
        names[i].at = lua_tolstring(L, -2, &names[i].len);
    qsort(names, n, sizeof *names, by_name);
    for (i = 0; i < n; i++) {
        tgl_push_str(L, names[i]);
        lua_rawget(L, at);
        put_member(L, names[i], lua_gettop(L), w, depth, i == 0);
        lua_pop(L, 1);
    }
    lua_pop(L, 1);
}

static void put_object(lua_State *L, int at, enum mark mark, const struct writing *w, int depth)
{
    tg_buf_char(w->out, '{');
    if (mark == IS_OTHER && push_order(L, at)) {
        put_ordered(L, at, w, depth);
        lua_pop(L, 1);
    } else if (!put_few(L, at, w, depth)) {
        put_many(L, at, w, depth);
    }
    tg_buf_char(w->out, '}');
}

static void put_table(lua_State *L, int at, const struct writing *w, int depth)
{
    if (depth >= DEPTH_MAX)
        refuse(L, w, "cannot write tables nested deeper than %d as JSON", DEPTH_MAX);
    luaL_checkstack(L, 8, "JSON too deep");
    enum mark mark = mark_of(L, at, w->all);
    if (mark == IS_RAW) {
        lua_rawgeti(L, at, 1);
        tg_buf_str(w->out, tgl_check_str(L, -1));
        lua_pop(L, 1);
    } else if (mark == IS_ARRAY || lua_rawlen(L, at) > 0) {
        put_array(L, at, w, depth + 1);
    } else {
        put_object(L, at, mark, w, depth + 1);
    }
}

static void put_number(lua_State *L, int at, const struct writing *w)
{
    struct tg_buf *out = w->out;
    double n = lua_tonumber(L, at);
#if LUA_VERSION_NUM >= 503
    if (lua_isinteger(L, at)) {
        tg_buf_i64(out, lua_tointeger(L, at));
        return;
    }
#endif
    if (!isfinite(n))
        refuse(L, w, "cannot write %f as JSON", n);
    if (n == floor(n) && fabs(n) < 9007199254740992.0)
        tg_buf_i64(out, (int64_t)n);
    else
        tg_json_put_double(out, n);
}

static void put_value(lua_State *L, int at, const struct writing *w, int depth)
{
    switch (lua_type(L, at)) {
    case LUA_TSTRING:  tg_json_put_text(w->out, tgl_check_str(L, at)); return;
    case LUA_TNUMBER:  put_number(L, at, w); return;
    case LUA_TBOOLEAN: tg_buf_z(w->out, lua_toboolean(L, at) ? "true" : "false"); return;
    case LUA_TTABLE:   put_table(L, at, w, depth); return;
    case LUA_TLIGHTUSERDATA:
        if (!lua_touserdata(L, at)) {
            tg_buf_z(w->out, "null");
            return;
        }
        /* fall through */
    default:
        refuse(L, w, "cannot write a %s as JSON", luaL_typename(L, at));
    }
}

static int l_encode(lua_State *L)
{
    luaL_checkany(L, 1);
    lua_settop(L, 1);
    struct shared *all = shared_of(L);
    struct writing w = { borrow(L, &all->out, &all->is_out_taken), all };
    put_value(L, 1, &w, 0);
    tgl_push_buf(L, w.out);
    give_back(w.out, &all->out, &all->is_out_taken);
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
    lua_pushvalue(L, lua_upvalueindex(ARRAY_AT));
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
    lua_pushvalue(L, lua_upvalueindex(ORDERED_AT));
    lua_pushvalue(L, 2);
    lua_rawset(L, -3);
    lua_setmetatable(L, 1);
    lua_settop(L, 1);
    return 1;
}

static int l_is_raw(lua_State *L)
{
    lua_pushboolean(L, lua_istable(L, 1) && mark_of(L, 1, shared_of(L)) == IS_RAW);
    return 1;
}

static int l_is_array(lua_State *L)
{
    lua_pushboolean(L, lua_istable(L, 1) && mark_of(L, 1, shared_of(L)) == IS_ARRAY);
    return 1;
}

static const luaL_Reg JSON[] = {
    { "decode", l_decode }, { "read", l_read }, { "pick", l_pick }, { "encode", l_encode },
    { "check", l_check }, { "chars", l_chars }, { "split", l_split }, { "elements", l_elements },
    { "members", l_members }, { "texts", l_texts },
    { "raw", l_raw }, { "is_raw", l_is_raw }, { "array", l_array }, { "is_array", l_is_array },
    { "ordered", l_ordered }, { NULL, NULL }
};

static int l_finish_shared(lua_State *L)
{
    struct shared *all = lua_touserdata(L, 1);
    tg_buf_done(&all->out);
    tg_buf_done(&all->scratch);
    /* Whom a later finalizer calls makes buffers of his own. */
    all->is_out_taken = all->is_scratch_taken = true;
    return 0;
}

/* Push what the functions share: SHARED and what follows. */
static void push_shared(lua_State *L)
{
    struct shared *all = lua_newuserdata(L, sizeof *all);
    *all = (struct shared){ 0 };
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

int tgl_open_json(lua_State *L)
{
    lua_newtable(L);
    int module = lua_gettop(L);
    push_shared(L);
    for (const luaL_Reg *f = JSON; f->name; f++) {
        for (int i = SHARED; i <= HELD_AT; i++)
            lua_pushvalue(L, module + i);
        lua_pushcclosure(L, f->func, HELD_AT);
        lua_setfield(L, module, f->name);
    }
    lua_settop(L, module);
    lua_pushlightuserdata(L, NULL);
    lua_setfield(L, -2, "null");
    return 1;
}
