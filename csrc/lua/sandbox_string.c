/* The sandbox's strings: patterns on a matcher that gives up, results that end
 * at a limit, and no addresses in any text. */
#include <stdio.h>
#include <string.h>
#include "lua/sandbox_parts.h"
#include "wire/match.h"

/* ---- patterns ---- */

/* Steps are told to the clock once the matcher comes back: it took at most
 * so many as its limit says. False: no match. */
static bool found(lua_State *L, struct tg_match *m, uint64_t before, tg_err err)
{
    tgs_spend(L, 8 + (size_t)(before - m->steps));
    if (err && err != TG_ENOTFOUND)
        luaL_error(L, "%s", m->why);
    return !err;
}

static bool next_match(lua_State *L, struct tg_match *m, size_t at)
{
    uint64_t before = m->steps;

    return found(L, m, before, tg_match_at_or_after(m, at));
}

static void push_capture(lua_State *L, struct tg_match *m, int i)
{
    struct tg_match_capture c;

    if (tg_match_capture(m, i, &c))
        luaL_error(L, "%s", m->why);
    if (c.is_position)
        lua_pushinteger(L, (lua_Integer)(c.at - m->subject.at) + 1);
    else
        lua_pushlstring(L, c.at, c.len);
}

static int push_captures(lua_State *L, struct tg_match *m, bool whole_if_none)
{
    int n = m->captures || !whole_if_none ? m->captures : 1;

    luaL_checkstack(L, n, "too many captures");
    for (int i = 0; i < n; i++)
        push_capture(L, m, i);
    return n;
}

/* The offset that argument 3 names, from either end. */
static size_t offset_of(lua_State *L, size_t len)
{
    lua_Number n = luaL_optnumber(L, 3, 1);

    if (n < 0)
        n += (lua_Number)len + 1;
    if (!(n >= 1))
        return 0;
    return n > (lua_Number)len ? len : (size_t)n - 1;
}

static int find_plain(lua_State *L, struct tg_str s, struct tg_str needle, size_t from)
{
    size_t at = 0;

    tgs_spend(L, 4 + (s.len + needle.len) / 4);
    if (!tg_match_plain(s, needle, from, &at)) {
        lua_pushnil(L);
        return 1;
    }
    lua_pushinteger(L, (lua_Integer)at + 1);
    lua_pushinteger(L, (lua_Integer)(at + needle.len));
    return 2;
}

static int find_or_match(lua_State *L, bool is_find)
{
    struct tg_str s = tgl_check_str(L, 1), p = tgl_check_str(L, 2);
    size_t from = offset_of(L, s.len);
    struct tg_match m;

    if (is_find && (lua_toboolean(L, 4) || tg_match_is_plain(p)))
        return find_plain(L, s, p, from);
    tg_match_init(&m, s, p, TG_MATCH_ANCHOR, tgs_of(L)->steps_max);
    if (!next_match(L, &m, from)) {
        lua_pushnil(L);
        return 1;
    }
    if (!is_find)
        return push_captures(L, &m, true);
    lua_pushinteger(L, (lua_Integer)m.from + 1);
    lua_pushinteger(L, (lua_Integer)m.to);
    return push_captures(L, &m, false) + 2;
}

static int l_find(lua_State *L)  { return find_or_match(L, true); }
static int l_match(lua_State *L) { return find_or_match(L, false); }

/* Upvalues: subject, pattern, where to go on. */
static int l_gmatch_step(lua_State *L)
{
    struct tg_str s, p;
    struct tg_match m;

    s.at = lua_tolstring(L, lua_upvalueindex(1), &s.len);
    p.at = lua_tolstring(L, lua_upvalueindex(2), &p.len);
    tg_match_init(&m, s, p, TG_MATCH_LITERAL, tgs_of(L)->steps_max);
    if (!next_match(L, &m, (size_t)lua_tonumber(L, lua_upvalueindex(3))))
        return 0;
    lua_pushinteger(L, (lua_Integer)(m.to > m.from ? m.to : m.to + 1));
    lua_replace(L, lua_upvalueindex(3));
    return push_captures(L, &m, true);
}

static int l_gmatch(lua_State *L)
{
    tgl_check_str(L, 1);
    tgl_check_str(L, 2);
    lua_settop(L, 2);
    lua_pushinteger(L, 0);
    lua_pushcclosure(L, l_gmatch_step, 3);
    return 1;
}

/* ---- gsub ---- */

enum { SUBJECT = 1, REPLACEMENT = 3 };

struct substitution {
    lua_State      *L;
    struct tg_match m;
    luaL_Buffer     b;
    size_t          len;
};

static void grow(struct substitution *g, size_t n)
{
    g->len += n;
    tgs_spend(g->L, 1 + n / 16);
    if (g->len > tgs_of(g->L)->string_max)
        luaL_error(g->L, "resulting string too large");
}

static void add_bytes(struct substitution *g, const char *at, size_t n)
{
    grow(g, n);
    luaL_addlstring(&g->b, at, n);
}

/* Bytes up to the next '%'; gives where that is. */
static const char *add_plain(struct substitution *g, const char *p, const char *end)
{
    const char *next = memchr(p, '%', (size_t)(end - p));

    if (!next)
        next = end;
    if (next > p)
        add_bytes(g, p, (size_t)(next - p));
    return next;
}

static void add_text(struct substitution *g)
{
    size_t len;
    const char *p = lua_tolstring(g->L, REPLACEMENT, &len), *end = p + len;

    while ((p = add_plain(g, p, end)) < end) {
        if (++p == end) {
            add_bytes(g, "%", 1);
        } else if (*p == '0') {
            add_bytes(g, g->m.subject.at + g->m.from, g->m.to - g->m.from);
        } else if (*p >= '1' && *p <= '9') {
            push_capture(g->L, &g->m, *p - '1');
            grow(g, lua_rawlen(g->L, -1));
            luaL_addvalue(&g->b);
        } else {
            add_bytes(g, p, 1);
        }
        if (p < end)
            p++;
    }
}

/* What a function or a table says; nil and false leave the match as it is. */
static void add_answer(struct substitution *g)
{
    lua_State *L = g->L;

    if (lua_type(L, REPLACEMENT) == LUA_TFUNCTION) {
        lua_pushvalue(L, REPLACEMENT);
        tgs_call(L, push_captures(L, &g->m, true), 1);
    } else {
        push_capture(L, &g->m, 0);
        lua_gettable(L, REPLACEMENT);
    }
    if (!lua_toboolean(L, -1)) {
        lua_pop(L, 1);
        add_bytes(g, g->m.subject.at + g->m.from, g->m.to - g->m.from);
        return;
    }
    if (!lua_isstring(L, -1))
        luaL_error(L, "invalid replacement value (a %s)", luaL_typename(L, -1));
    struct tg_str s;
    s.at = lua_tolstring(L, -1, &s.len);
    grow(g, s.len);
    luaL_addvalue(&g->b);
}

static int l_gsub(lua_State *L)
{
    struct substitution g = { .L = L };
    struct tg_str s = tgl_check_str(L, SUBJECT), p = tgl_check_str(L, 2);
    int type = lua_type(L, REPLACEMENT);
    lua_Number most = luaL_optnumber(L, 4, (lua_Number)s.len + 1), n = 0;
    size_t at = 0;

    luaL_argcheck(L, type == LUA_TSTRING || type == LUA_TNUMBER || type == LUA_TTABLE ||
                  type == LUA_TUSERDATA || type == LUA_TFUNCTION, REPLACEMENT,
                  "string/function/table expected");
    lua_settop(L, 4);
    tg_match_init(&g.m, s, p, TG_MATCH_ANCHOR, tgs_of(L)->steps_max);
    luaL_buffinit(L, &g.b);
    while (n < most) {
        uint64_t before = g.m.steps;
        bool is = found(L, &g.m, before, tg_match_at(&g.m, at));
        if (is) {
            n++;
            if (type == LUA_TSTRING || type == LUA_TNUMBER)
                add_text(&g);
            else
                add_answer(&g);
        }
        if (is && g.m.to > at)
            at = g.m.to;
        else if (at < s.len)
            add_bytes(&g, s.at + at++, 1);
        else
            break;
        if (g.m.is_anchored)
            break;
    }
    if (at < s.len)
        add_bytes(&g, s.at + at, s.len - at);
    luaL_pushresult(&g.b);
    tgl_push_number(L, n);
    return 2;
}

/* ---- format ---- */

enum { FLAGS_MAX = 5, SPEC_MAX = 24, ITEM_MAX = 512 };

/* From behind the '%' to the letter: "%-5.2" goes to spec, zero-terminated. */
static const char *read_spec(lua_State *L, const char *p, const char *end, char *spec)
{
    const char *from = p;
    int flags = 0, digits;

    while (p < end && *p && strchr("-+ #0", *p))
        p++, flags++;
    for (digits = 0; p < end && *p >= '0' && *p <= '9'; p++)
        digits++;
    bool is_good = flags <= FLAGS_MAX && digits <= 2;
    if (p < end && *p == '.') {
        p++;
        for (digits = 0; p < end && *p >= '0' && *p <= '9'; p++)
            digits++;
        is_good = is_good && digits <= 2;
    }
    if (!is_good)
        luaL_error(L, "invalid format (width or precision too long)");
    spec[0] = '%';
    memcpy(spec + 1, from, (size_t)(p - from));
    spec[1 + (p - from)] = '\0';
    return p;
}

static long long integer_arg(lua_State *L, int arg)
{
    double n = (double)luaL_checknumber(L, arg);

    luaL_argcheck(L, n >= -9223372036854775808.0 && n < 9223372036854775808.0, arg,
                  "number has no integer representation");
    return (long long)n;
}

#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wformat-nonliteral"

static size_t put_integer(lua_State *L, int arg, char *spec, char letter, char *out)
{
    size_t len = strlen(spec);

    spec[len] = spec[len + 1] = 'l';
    spec[len + 2] = letter;
    spec[len + 3] = '\0';
    return (size_t)snprintf(out, ITEM_MAX, spec, integer_arg(L, arg));
}

static size_t put_number(lua_State *L, int arg, char *spec, char letter, char *out)
{
    size_t len = strlen(spec);

    spec[len] = letter;
    spec[len + 1] = '\0';
    return (size_t)snprintf(out, ITEM_MAX, spec, (double)luaL_checknumber(L, arg));
}

/* A string that has a width or a precision; those are below 100. */
static void add_padded(struct substitution *g, char *spec, struct tg_str s)
{
    char item[ITEM_MAX];
    const char *dot = strchr(spec, '.');
    size_t len = strlen(spec), most = 0;

    if (!dot && s.len >= 100) {
        add_bytes(g, s.at, s.len);
        return;
    }
    for (const char *p = dot ? dot + 1 : ""; *p; p++)
        most = most * 10 + (size_t)(*p - '0');
    if (dot && s.len > most)
        s.len = most;
    snprintf(item, sizeof item, "%.*s", (int)s.len, s.at);
    spec[len] = 's';
    spec[len + 1] = '\0';
    char out[ITEM_MAX];
    add_bytes(g, out, (size_t)snprintf(out, sizeof out, spec, item));
}

#pragma GCC diagnostic pop

static void add_quoted(struct substitution *g, struct tg_str s)
{
    add_bytes(g, "\"", 1);
    for (size_t i = 0; i < s.len; i++) {
        unsigned char c = (unsigned char)s.at[i];
        if (c == '"' || c == '\\' || c == '\n')
            add_bytes(g, "\\", 1);
        if ((c >= 0x20 && c != 0x7f) || c == '\n') {
            add_bytes(g, &s.at[i], 1);
        } else {
            bool digit_follows = i + 1 < s.len && s.at[i + 1] >= '0' && s.at[i + 1] <= '9';
            char code[8];
            int len = snprintf(code, sizeof code, digit_follows ? "\\%03d" : "\\%d", c);
            add_bytes(g, code, (size_t)len);
        }
    }
    add_bytes(g, "\"", 1);
}

static void add_string(struct substitution *g, int arg, char *spec)
{
    luaL_checkany(g->L, arg);
    struct tg_str s = tgs_push_text(g->L, arg);
    if (!spec[1]) {
        grow(g, s.len);
        luaL_addvalue(&g->b);
        return;
    }
    /* The text is below what the buffer keeps on the stack: the argument holds
     * a string, and what is made of anything else is short. */
    char copy[128];
    if (lua_type(g->L, arg) != LUA_TSTRING) {
        s.len = s.len < sizeof copy ? s.len : sizeof copy;
        memcpy(copy, s.at, s.len);
        s.at = copy;
    }
    lua_pop(g->L, 1);
    add_padded(g, spec, s);
}

static void add_item(struct substitution *g, int arg, char *spec, char letter)
{
    char item[ITEM_MAX];

    if (letter == 'c') {
        item[0] = (char)integer_arg(g->L, arg);
        add_bytes(g, item, 1);
    } else if (letter && strchr("diouxX", letter)) {
        add_bytes(g, item, put_integer(g->L, arg, spec, letter, item));
    } else if (letter && strchr("eEfgG", letter)) {
        add_bytes(g, item, put_number(g->L, arg, spec, letter, item));
    } else if (letter == 'q') {
        add_quoted(g, tgl_check_str(g->L, arg));
    } else if (letter == 's') {
        add_string(g, arg, spec);
    } else {
        luaL_error(g->L, "invalid option '%%%c' to 'format'", letter ? letter : ' ');
    }
}

static int l_format(lua_State *L)
{
    struct substitution g = { .L = L };
    struct tg_str f = tgl_check_str(L, 1);
    const char *p = f.at, *end = f.at + f.len;
    int arg = 1, args = lua_gettop(L);
    char spec[SPEC_MAX];

    luaL_buffinit(L, &g.b);
    while ((p = add_plain(&g, p, end)) < end) {
        if (p + 1 < end && p[1] == '%') {
            add_bytes(&g, p, 1);
            p += 2;
        } else {
            p = read_spec(L, p + 1, end, spec);
            if (++arg > args)
                return luaL_argerror(L, arg, "no value");
            add_item(&g, arg, spec, p < end ? *p++ : '\0');
        }
    }
    luaL_pushresult(&g.b);
    return 1;
}

/* ---- the rest ---- */

static int l_rep(lua_State *L)
{
    struct tg_str s = tgl_check_str(L, 1), between;
    lua_Number times = luaL_checknumber(L, 2);
    luaL_Buffer b;

    between.at = luaL_optlstring(L, 3, "", &between.len);
    if (!(times >= 1) || s.len + between.len == 0) {
        lua_pushliteral(L, "");
        return 1;
    }
    if (times * (lua_Number)(s.len + between.len) > (lua_Number)tgs_of(L)->string_max)
        return luaL_error(L, "resulting string too large");
    tgs_spend(L, (size_t)times + (size_t)times * (s.len + between.len) / 16);
    luaL_buffinit(L, &b);
    for (int n = (int)times; n > 0; n--) {
        luaL_addlstring(&b, s.at, s.len);
        if (n > 1)
            luaL_addlstring(&b, between.at, between.len);
    }
    luaL_pushresult(&b);
    return 1;
}

void tgs_open_string(lua_State *L)                       /* Stack: ... library table */
{
    static const char *const STOCK[] = { "byte", "char", "len", "lower", "reverse", "sub", "upper",
                                         NULL };
    static const luaL_Reg OWN[] = {
        { "find", l_find }, { "format", l_format }, { "gmatch", l_gmatch }, { "gsub", l_gsub },
        { "match", l_match }, { "rep", l_rep }, { NULL, NULL }
    };
    int library = lua_gettop(L) - 1;

    for (const char *const *name = STOCK; *name; name++) {
        lua_getfield(L, library, *name);
        lua_setfield(L, -2, *name);
    }
    tgl_functions(L, OWN);
}
