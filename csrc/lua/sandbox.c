#include "lua/sandbox.h"

#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <lualib.h>
#include "base/clock.h"
#include "base/mem.h"
#include "lua/sandbox_parts.h"

enum {
    MEMORY = 8 << 20, MEMORY_LEAST = 256 << 10, TURN_US = 2000, LOAD_US = 100 * 1000,
    HOOK_COUNT = 100,                  /* instructions between looks at the clock */
    HOOK_COUNT_BIG = 5,                /* where an instruction may move a megabyte */
    BIG_SHARE = 32,                    /* of the largest block: what such an instruction makes */
    REST_LEAST = 16 * 1024,            /* bytes that are not worth a collection */
    NEWBORN = 64 * 1024,               /* more than a new state takes */
    STEPS = 10 * 1000,                 /* of C functions between looks */
    PIECE = 128,                       /* bytes of a text between looks */
    BYTES_A_STEP = 16,
    LOOKS_LEAST = 50                   /* fewer in a turn: it was kept from running */
};

struct tg_sandbox *tgs_of(lua_State *L)
{
    void *sb;

    lua_getallocf(L, &sb);
    return sb;
}

/* ---- time ---- */

static void on_count(lua_State *L, lua_Debug *ar);

static void watch(struct tg_sandbox *sb, int count)
{
    lua_sethook(sb->L, on_count, LUA_MASKCOUNT, count);
}

/* May be called where nothing may be raised: it then lets the next instruction
 * raise. */
static bool is_late(struct tg_sandbox *sb)
{
    uint64_t now_ns;

    if (sb->is_over || !sb->is_armed)
        return sb->is_over;
    /* Many little instructions or a few big ones: either way it has been busy. */
    sb->looks += sb->has_big ? HOOK_COUNT / HOOK_COUNT_BIG : 1;
    now_ns = tg_clock_ns();
    if (now_ns < sb->deadline_ns)
        return false;
    /* A thread that the kernel let wait is not a policy that runs away. */
    if (sb->looks < LOOKS_LEAST && !sb->is_extended) {
        sb->is_extended = true;
        sb->deadline_ns = now_ns + sb->now_us * 1000ull;
        return false;
    }
    sb->is_over = true;
    watch(sb, 1);
    return true;
}

/* Raised as text that is not formatted where memory may be short. */
static void raise_late(lua_State *L, const char *source, int line)
{
    struct tg_sandbox *sb = tgs_of(L);

    if (line > 0)
        snprintf(sb->why, sizeof sb->why, "%s:%d: ran longer than %g ms", source, line,
                 sb->now_us / 1e3);
    else
        snprintf(sb->why, sizeof sb->why, "%s: ran longer than %g ms", sb->called,
                 sb->now_us / 1e3);
    lua_checkstack(L, 1);              /* the reader of a text may have no room */
    lua_pushnil(L);
    lua_error(L);
}

static void on_count(lua_State *L, lua_Debug *ar)
{
    if (!is_late(tgs_of(L)))
        return;
    lua_getinfo(L, "Sl", ar);
    raise_late(L, ar->short_src, ar->currentline);
}

void tgs_spend(lua_State *L, size_t steps)
{
    struct tg_sandbox *sb = tgs_of(L);
    lua_Debug ar;

    sb->unspent -= (int64_t)steps;
    if (sb->unspent > 0)
        return;
    sb->looks += (uint32_t)(-sb->unspent / STEPS);
    sb->unspent = STEPS;
    if (!is_late(sb))
        return;
    ar.currentline = -1;
    if (lua_getstack(L, 1, &ar))
        lua_getinfo(L, "Sl", &ar);
    raise_late(L, ar.short_src, ar.currentline);
}

static void arm(struct tg_sandbox *sb, uint32_t us)
{
    sb->now_us = us;
    sb->deadline_ns = tg_clock_ns() + us * 1000ull;
    sb->is_armed = true;
    sb->is_over = sb->is_extended = false;
    sb->looks = 0;
    sb->unspent = STEPS;
    sb->nested = 0;
    sb->why[0] = '\0';
    watch(sb, sb->has_big ? HOOK_COUNT_BIG : HOOK_COUNT);
}

static void disarm(struct tg_sandbox *sb)
{
    sb->was_slow = sb->looks >= LOOKS_LEAST
                && tg_clock_ns() + sb->now_us * 500ull > sb->deadline_ns;
    sb->is_armed = false;
    lua_sethook(sb->L, NULL, 0, 0);
}

/* ---- memory ---- */

/* A table's keys, those of its list aside, are one block. Numbers can be chosen
 * that all fall on the same place in it, and then moving N of them to another
 * block takes N * N / 2 steps of one instruction: 0.5 s for 32,768. */
static bool has_too_many_keys(const struct tg_sandbox *sb, size_t n)
{
    size_t keys = n / sb->key_bytes;

    return keys > sb->keys_max && n % sb->key_bytes == 0 && (keys & (keys - 1)) == 0;
}

/* Is that too much? Only in a turn, where Lua may raise: outside one an error
 * has nowhere to go, and Lua ends the process. */
static bool is_refused(const struct tg_sandbox *sb, size_t old, size_t n)
{
    if (!sb->is_armed || n <= old)
        return false;
    return n > sb->block_max || sb->bytes - old + n > sb->bytes_max ||
           (old == 0 && has_too_many_keys(sb, n));
}

static size_t big_of(const struct tg_sandbox *sb)
{
    return sb->block_max / BIG_SHARE;
}

static void *reallocate(struct tg_sandbox *sb, void *p, size_t old, size_t n)
{
    if (sb->lua_alloc)
        return sb->lua_alloc(sb->lua_memory, p, old, n);
    if (n)
        return tg_realloc(p, n);
    tg_free(p);
    return NULL;
}

static void *allocate(void *ud, void *p, size_t was, size_t n)
{
    struct tg_sandbox *sb = ud;
    size_t old = p ? was : 0;
    void *q;

    if (n == 0) {
        sb->bytes -= old;
        return reallocate(sb, p, old, 0);
    }
    if (is_refused(sb, old, n))
        return NULL;
    q = reallocate(sb, p, old, n);
    if (!q)
        return n <= old ? p : NULL;    /* Lua counts on it that less is always there */
    sb->bytes += n - old;
    sb->newest = n;
    if (sb->is_armed && n > old) {
        if (n >= big_of(sb) && !sb->has_big && !sb->is_over) {
            sb->has_big = true;
            watch(sb, HOOK_COUNT_BIG);
        }
        sb->unspent -= (int64_t)(n / BYTES_A_STEP);
        if (sb->unspent <= 0) {
            sb->unspent = STEPS;
            is_late(sb);
        }
    }
    return q;
}

/* fn with no arguments and one result (5.1: none), protected from the first
 * allocation on. */
static int protect(lua_State *L, lua_CFunction fn)
{
#if LUA_VERSION_NUM < 502
    return lua_cpcall(L, fn, NULL);
#else
    lua_pushcfunction(L, fn);                            /* allocates nothing from 5.2 on */
    return lua_pcall(L, 0, 1, 0);
#endif
}

static int l_collect(lua_State *L)
{
    lua_gc(L, LUA_GCCOLLECT, 0);
    return 0;
}

/* Between turns: what a turn left behind goes once it is as much as all that
 * stays. Collecting makes tables smaller, which takes memory first. */
static void tidy(struct tg_sandbox *sb)
{
    if (sb->bytes < 2 * sb->bytes_at_rest)
        return;
    int top = lua_gettop(sb->L);
    protect(sb->L, l_collect);
    lua_settop(sb->L, top);
    sb->bytes_at_rest = sb->bytes < REST_LEAST ? REST_LEAST : sb->bytes;
    if (sb->bytes < big_of(sb))
        sb->has_big = false;
}

/* ---- the state ---- */

static void open_library(lua_State *L, const char *name, lua_CFunction open)
{
    lua_pushcfunction(L, open);
    lua_pushstring(L, name);
    lua_call(L, 1, 1);
}

/* Replace the library on top by a table of what the sandbox has of it, and
 * make that known by its name. Keeps the table on top. */
static void reduce(lua_State *L, const char *name, void (*open)(lua_State *L))
{
    lua_newtable(L);                                     /* Stack: library table */
    open(L);
    lua_remove(L, -2);
    lua_pushvalue(L, -1);
    lua_setfield(L, 1, name);
}

static void seal_strings(lua_State *L)                   /* Stack: ... string */
{
    lua_pushliteral(L, "");
    lua_getmetatable(L, -1);
    lua_pushvalue(L, -3);
    lua_setfield(L, -2, "__index");
    lua_pushboolean(L, 0);
    lua_setfield(L, -2, "__metatable");
    lua_pop(L, 2);
}

/* Into the table on top. */
static void copy_all(lua_State *L, int from)
{
    for (lua_pushnil(L); lua_next(L, from);) {
        lua_pushvalue(L, -2);
        lua_insert(L, -2);                               /* Stack: table key key value */
        lua_rawset(L, -4);
    }
}

/* The globals become what is in the table at 1, and nothing else. */
static void replace_globals(lua_State *L)
{
    tgs_push_globals(L);
    for (lua_pushnil(L); lua_next(L, -2);) {             /* Stack: globals key value */
        lua_pop(L, 1);
        lua_pushvalue(L, -1);
        lua_pushnil(L);
        lua_rawset(L, -4);
    }
    copy_all(L, 1);
    lua_newtable(L);
    lua_setfield(L, LUA_REGISTRYINDEX, "_LOADED");
}

void tg_sandbox_widen(lua_State *L)
{
    int own = lua_gettop(L) + 1;

    lua_newtable(L);
    tgs_push_globals(L);
    lua_insert(L, own);                                  /* Stack: globals own */
    copy_all(L, own);
    lua_insert(L, own);                                  /* Stack: own globals */
    open_library(L, "", luaopen_base);
    lua_pop(L, 1);
    copy_all(L, own);
    open_library(L, "package", luaopen_package);
    lua_setglobal(L, "package");
    lua_settop(L, own - 1);
}

/* What one key takes differs between Luas; a table's keys are what is made last
 * of it, if the collector makes nothing of its own. */
static void measure_keys(lua_State *L, struct tg_sandbox *sb)
{
    lua_gc(L, LUA_GCSTOP, 0);
    lua_createtable(L, 0, 64);
    sb->key_bytes = sb->newest / 64;
    lua_gc(L, LUA_GCRESTART, 0);
    lua_pop(L, 1);
}

static int l_trampoline(lua_State *L)
{
    struct tg_sandbox *sb = tgs_of(L);

    return sb->fn(L, sb->arg);
}

static int set_up(lua_State *L)
{
    struct tg_sandbox *sb = tgs_of(L);

    lua_settop(L, 0);
    measure_keys(L, sb);
    lua_newtable(L);                                     /* Stack: environment */
    open_library(L, "", luaopen_base);
    lua_pushvalue(L, 1);
    tgs_open_base(L);
    lua_settop(L, 1);
    open_library(L, "table", luaopen_table);
    reduce(L, "table", tgs_open_table);
    open_library(L, "math", luaopen_math);
    reduce(L, "math", tgs_open_math);
    open_library(L, "string", luaopen_string);
    reduce(L, "string", tgs_open_string);
    seal_strings(L);
    replace_globals(L);

    lua_newtable(L);
    sb->modules = luaL_ref(L, LUA_REGISTRYINDEX);
    lua_pushboolean(L, 0);
    sb->value = luaL_ref(L, LUA_REGISTRYINDEX);
    lua_pushcfunction(L, l_trampoline);
    return 1;
}

#if LUA_VERSION_NUM < 502
static const char TRAMPOLINE;

/* lua_cpcall() gives no results: by way of the registry. */
static int set_up_51(lua_State *L)
{
    lua_settop(L, 0);
    set_up(L);
    lua_pushlightuserdata(L, (void *)&TRAMPOLINE);
    lua_insert(L, -2);
    lua_rawset(L, LUA_REGISTRYINDEX);
    return 0;
}

static int fetch_trampoline(struct tg_sandbox *sb)
{
    int err = protect(sb->L, set_up_51);
    if (err)
        return err;
    lua_settop(sb->L, 0);
    lua_pushlightuserdata(sb->L, (void *)&TRAMPOLINE);
    lua_rawget(sb->L, LUA_REGISTRYINDEX);
    return 0;
}
#else
static int fetch_trampoline(struct tg_sandbox *sb)
{
    return protect(sb->L, set_up);
}
#endif

#if LUA_VERSION_NUM >= 505
static lua_State *new_state(struct tg_sandbox *sb)
{
    return lua_newstate(allocate, sb, luaL_makeseed(NULL));
}
#elif LUA_VERSION_NUM >= 502
static lua_State *new_state(struct tg_sandbox *sb)
{
    return lua_newstate(allocate, sb);
}
#else
/* A LuaJIT without GC64, as Tarantool has, takes memory of the lowest 2 GiB alone,
 * from its own allocator: lua_newstate() complains on stderr and gives nothing.
 * Where a state of its own lies tells it apart; ours then counts in front of it. */
static lua_State *new_state(struct tg_sandbox *sb)
{
    static atomic_bool takes_any;
    lua_State *L = atomic_load(&takes_any) ? NULL : luaL_newstate();

    if (L && (uintptr_t)L >> 31) {
        atomic_store(&takes_any, true);
        lua_close(L);
        L = NULL;
    }
    if (!L)
        return lua_newstate(allocate, sb);
    sb->lua_alloc = lua_getallocf(L, &sb->lua_memory);
    sb->bytes = (size_t)lua_gc(L, LUA_GCCOUNT, 0) * 1024 + (size_t)lua_gc(L, LUA_GCCOUNTB, 0);
    lua_setallocf(L, allocate, sb);
    return L;
}
#endif

static void close_state(struct tg_sandbox *sb)
{
    /* Only its own allocator gives everything back. */
    if (sb->lua_alloc)
        lua_setallocf(sb->L, sb->lua_alloc, sb->lua_memory);
    lua_close(sb->L);
}

struct tg_sandbox *tg_sandbox_new(const struct tg_sandbox_limits *limits)
{
    struct tg_sandbox_limits none = { 0 };
    struct tg_sandbox *sb = tg_zalloc(sizeof *sb);

    if (!sb)
        return NULL;
    if (!limits)
        limits = &none;
    sb->bytes_max = limits->memory_bytes ? limits->memory_bytes : MEMORY;
    if (sb->bytes_max < MEMORY_LEAST)
        sb->bytes_max = MEMORY_LEAST;
    sb->string_max = limits->string_bytes ? limits->string_bytes : TG_SANDBOX_STRING_MAX;
    sb->block_max = limits->block_bytes ? limits->block_bytes : TG_SANDBOX_BLOCK_MAX;
    sb->keys_max = limits->keys ? limits->keys : TG_SANDBOX_KEYS_MAX;
    sb->steps_max = limits->steps ? limits->steps : TG_SANDBOX_STEPS_MAX;
    sb->turn_us = limits->turn_us ? limits->turn_us : TURN_US;
    sb->load_us = limits->load_us ? limits->load_us : LOAD_US;
    snprintf(sb->called, sizeof sb->called, "?");
    /* LuaJIT crashes when it is refused memory as it makes a state, so ask first. */
    void *newborn = tg_alloc(NEWBORN);
    tg_free(newborn);
    if (!newborn) {
        tg_sandbox_free(sb);
        return NULL;
    }
    sb->L = new_state(sb);
    if (!sb->L || fetch_trampoline(sb)) {
        tg_sandbox_free(sb);
        return NULL;
    }
    lua_gc(sb->L, LUA_GCCOLLECT, 0);
    sb->bytes_at_rest = sb->bytes;
    return sb;
}

void tg_sandbox_free(struct tg_sandbox *sb)
{
    if (!sb)
        return;
    if (sb->L)
        close_state(sb);
    tg_free(sb);
}

/* ---- turns ---- */

/* Does it begin with file:line: ? */
static bool has_place(const char *words)
{
    const char *colon = strchr(words, ':');

    return colon && strspn(colon + 1, "0123456789") > 0 &&
           colon[1 + strspn(colon + 1, "0123456789")] == ':';
}

/* An error that a tail call raised has no line, but there is always the file. */
static void keep_words(struct tg_sandbox *sb)
{
    const char *words = lua_type(sb->L, -1) == LUA_TSTRING ? lua_tostring(sb->L, -1) : NULL;
    size_t len = strlen(sb->called);

    if (!words)
        snprintf(sb->why, sizeof sb->why, "%s: raised a %s", sb->called, luaL_typename(sb->L, -1));
    else if (has_place(words) || strncmp(words, sb->called, len) == 0)
        snprintf(sb->why, sizeof sb->why, "%s", words);
    else
        snprintf(sb->why, sizeof sb->why, "%s: %s", sb->called, words);
}

/* From 5.3 on a library's buffer that gets no memory raises words instead. */
static bool is_out_of_memory(lua_State *L, int status)
{
    return status == LUA_ERRMEM
        || (lua_type(L, -1) == LUA_TSTRING && strstr(lua_tostring(L, -1), "not enough memory"));
}

static tg_err outcome(struct tg_sandbox *sb, int status)
{
    if (status == 0)
        return TG_OK;
    if (sb->is_over) {
        if (!sb->why[0])
            snprintf(sb->why, sizeof sb->why, "%s: ran longer than %g ms", sb->called,
                     sb->now_us / 1e3);
        return TG_ETIMEOUT;
    }
    if (is_out_of_memory(sb->L, status)) {
        snprintf(sb->why, sizeof sb->why,
                 "%s: not enough memory (%zu KiB, %zu KiB in one piece, %zu keys in one table)",
                 sb->called, sb->bytes_max / 1024, sb->block_max / 1024, sb->keys_max);
        return TG_ENOMEM;
    }
    keep_words(sb);
    return TG_EINVAL;
}

static tg_err turn(struct tg_sandbox *sb, tg_sandbox_fn *fn, void *arg, uint32_t us)
{
    lua_State *L = sb->L;
    tg_err err;

    lua_settop(L, 1);
    sb->fn = fn;
    sb->arg = arg;
    lua_pushvalue(L, 1);
    arm(sb, us);
    err = outcome(sb, lua_pcall(L, 0, LUA_MULTRET, 0));
    disarm(sb);
    if (err)
        lua_settop(L, 1);
    tidy(sb);
    return err;
}

tg_err tg_sandbox_run(struct tg_sandbox *sb, tg_sandbox_fn *fn, void *arg)
{
    return turn(sb, fn, arg, sb->turn_us);
}

tg_err tg_sandbox_run_for(struct tg_sandbox *sb, uint32_t us, tg_sandbox_fn *fn, void *arg)
{
    return turn(sb, fn, arg, us);
}

bool tg_sandbox_was_slow(const struct tg_sandbox *sb)
{
    return sb->was_slow;
}

struct tg_str tg_sandbox_why(const struct tg_sandbox *sb)
{
    return tg_str_of(sb->why);
}

lua_State *tg_sandbox_state(struct tg_sandbox *sb)
{
    return sb->L;
}

void tg_sandbox_push_value(lua_State *L)
{
    lua_rawgeti(L, LUA_REGISTRYINDEX, tgs_of(L)->value);
}

void tg_sandbox_seed(struct tg_sandbox *sb, uint64_t seed)
{
    tg_rand_seed(&sb->random, seed);
}

size_t tg_sandbox_bytes(const struct tg_sandbox *sb)
{
    return sb->bytes;
}

bool tg_sandbox_is_worn(const struct tg_sandbox *sb)
{
    return sb->is_odd || sb->bytes_at_rest > sb->bytes_max / 2;
}

/* ---- loading ---- */

struct source {
    struct tg_str text;
    const char   *called;
};

/* LuaJIT opens its ffi library by itself when it reads a 64-bit literal (1LL),
 * and leaves it here. */
static bool has_opened_ffi(lua_State *L)
{
    lua_getfield(L, LUA_REGISTRYINDEX, "_LOADED");
    lua_pushliteral(L, "ffi");
    lua_rawget(L, -2);
    bool has = !lua_isnil(L, -1);
    lua_pop(L, 2);
    return has;
}

/* No hook runs while Lua reads a text, and one of 64 KiB can be made to take
 * 0.2 s; so it gets it in pieces, and the clock is looked at before each. */
static const char *next_piece(lua_State *L, void *arg, size_t *len)
{
    struct tg_str *left = arg;
    const char *piece = left->at;

    tgs_spend(L, STEPS);
    *len = left->len < PIECE ? left->len : PIECE;
    left->at += *len;
    left->len -= *len;
    return *len ? piece : NULL;
}

/* Push the function that the text is; raises with file:line. */
static void compile(lua_State *L, const struct source *s)
{
    if (s->text.len > TG_SANDBOX_SOURCE_MAX)
        luaL_error(L, "%s: longer than %d KiB", s->called, TG_SANDBOX_SOURCE_MAX / 1024);
    if (s->text.len && memchr(s->text.at, LUA_SIGNATURE[0], s->text.len))
        luaL_error(L, "%s: not text: bytecode is refused", s->called);
    const char *name = lua_pushfstring(L, "@%s", s->called);
    struct tg_str left = s->text.len ? s->text : TG_STR("");
#if LUA_VERSION_NUM < 502
    int err = lua_load(L, next_piece, &left, name);
#else
    int err = lua_load(L, next_piece, &left, name, "t");
#endif
    if (has_opened_ffi(L)) {
        tgs_of(L)->is_odd = true;
        luaL_error(L, "%s: 64-bit and complex literals (1LL, 1i) are refused", s->called);
    }
    if (err)
        lua_error(L);
    lua_remove(L, -2);
}

static int load_value(lua_State *L, void *arg)
{
    struct tg_sandbox *sb = tgs_of(L);

    compile(L, arg);
    lua_call(L, 0, 1);
    lua_rawseti(L, LUA_REGISTRYINDEX, sb->value);
    return 0;
}

tg_err tg_sandbox_load(struct tg_sandbox *sb, struct tg_str text, const char *called)
{
    struct source s = { text, sb->called };
    tg_err err;

    snprintf(sb->called, sizeof sb->called, "%s", called);
    sb->is_loading = true;
    err = turn(sb, load_value, &s, sb->load_us);
    sb->is_loading = false;
    return err && text.len > TG_SANDBOX_SOURCE_MAX ? TG_ETOOBIG : err;
}

/* ---- require ---- */

static bool is_module_name(struct tg_str name)
{
    char before = '.';

    for (size_t i = 0; i < name.len; i++) {
        char c = name.at[i];
        bool is_letter = (c | 0x20) >= 'a' && (c | 0x20) <= 'z';
        if (!is_letter && !(c >= '0' && c <= '9') && c != '_' && (c != '.' || before == '.'))
            return false;
        before = c;
    }
    return before != '.' && name.len <= 64;
}

/* Push what the module returns; its name is at 1, the modules at 2. */
static void load_module(lua_State *L, struct tg_sandbox *sb, struct tg_str name)
{
    if (!sb->is_loading)
        luaL_error(L, "require works while a policy is loaded, not while it decides");
    if (sb->module_count == TG_SANDBOX_MODULES_MAX)
        luaL_error(L, "more than %d modules", TG_SANDBOX_MODULES_MAX);
    sb->module_count++;
    struct tg_buf *text = tgl_buf(L), *called = tgl_buf(L);
    tg_err err = sb->loader(sb->owner, name, text, called);
    if (err)
        luaL_error(L, "module '%s': %s", name.at, tg_err_text(err));
    if (text->bad || !tg_buf_cstr(called))
        luaL_error(L, "%s", tg_err_text(TG_ENOMEM));
    struct source s = { tg_buf_view(text), called->at };
    compile(L, &s);
    tg_buf_done(text);
    tgs_call(L, 0, 1);
}

static int l_require(lua_State *L)
{
    struct tg_sandbox *sb = tgs_of(L);
    struct tg_str name = tgl_check_str(L, 1);

    lua_settop(L, 1);
    luaL_argcheck(L, is_module_name(name), 1, "letters, digits and '_', with dots between");
    lua_rawgeti(L, LUA_REGISTRYINDEX, sb->modules);
    lua_pushvalue(L, 1);
    lua_rawget(L, 2);                                    /* Stack: name modules module */
    if (lua_islightuserdata(L, 3))
        return luaL_error(L, "module '%s' requires itself", name.at);
    if (!lua_isnil(L, 3))
        return 1;
    lua_pushvalue(L, 1);
    lua_pushlightuserdata(L, sb);
    lua_rawset(L, 2);
    load_module(L, sb, name);
    if (lua_isnil(L, -1)) {
        lua_pop(L, 1);
        lua_pushboolean(L, 1);
    }
    lua_pushvalue(L, 1);
    lua_pushvalue(L, -2);
    lua_rawset(L, 2);
    return 1;
}

static int add_require(lua_State *L, void *arg)
{
    (void)arg;
    lua_pushcfunction(L, l_require);
    lua_setglobal(L, "require");
    return 0;
}

tg_err tg_sandbox_set_loader(struct tg_sandbox *sb, tg_sandbox_loader *loader, void *owner)
{
    sb->loader = loader;
    sb->owner = owner;
    return turn(sb, add_require, NULL, sb->load_us);
}
