#include "lua/converter.h"

#include <stdatomic.h>
#include <string.h>
#include "base/clock.h"
#include "base/log.h"
#include "wire/http1.h"

static const char *const APIS[TG_APIS] = {
    [TG_API_CHAT] = "chat", [TG_API_COMPLETIONS] = "completions", [TG_API_EMBEDDINGS] = "embeddings",
    [TG_API_RERANK] = "rerank", [TG_API_MESSAGES] = "messages", [TG_API_RESPONSES] = "responses",
    [TG_API_GEMINI] = "gemini", [TG_API_COUNT] = "count",
};

/* The collector begins anew when so many percent of what was alive are there.
 * Conversions live for a moment: of small texts twice Lua's usual 200 costs no
 * memory to speak of, and CPU per translated request falls by a tenth. */
enum { LARGE_BYTES = 256 * 1024, SMALL_PAUSE = 400, LARGE_PAUSE = 200 };

enum { OF_ADAPTER = 1 << 30 };             /* in a stream's handle: it is in their state */

static const char EMIT;                    /* its address is the emit function's place in the registry */

/* One call of the module: what goes in and where the results go. */
struct call {
    struct tgl_converter *c;
    const char *name;                      /* the module's function */
    const struct tg_convert_about *about;
    struct tg_str text;
    struct tg_buf *out, *why;
    struct tg_convert_request *request;    /* of write_request alone, instead of out */
    int handle;                            /* of streams */
    const struct tg_convert_event *event;
    bool of_adapter;
    lua_CFunction how;
    tg_err err;
};

/* ---- what the module is told ---- */

static void push_about(lua_State *L, const struct tg_convert_about *a)
{
    lua_createtable(L, 0, 10);
    lua_pushstring(L, APIS[a->api]);
    lua_setfield(L, -2, "api");
    tgl_set_str(L, "model", a->model);
    tgl_set_bool(L, "stream", a->stream);
    if (a->counts)
        tgl_set_bool(L, "counts", true);
    if (a->embeds)
        tgl_set_bool(L, "embeds", true);
    if (a->is_batch)
        tgl_set_bool(L, "is_batch", true);
    if (a->wants_base64)
        tgl_set_str(L, "encoding_format", TG_STR("base64"));
    if (!a->wire)
        return;
    tgl_set_str(L, "wire", a->wire->name);
    tgl_set_str(L, "converts", a->wire->converts);
    tgl_set_str(L, "provider", a->provider);
    tgl_set_str(L, "betas", a->betas);
    if (a->wire->source.len)
        tgl_set_str(L, "source", a->wire->source);
    if (a->max_completion_tokens > 0)
        tgl_set_number(L, "max_completion_tokens", (double)a->max_completion_tokens);
}

static int l_emit(lua_State *L)
{
    struct tgl_converter *c = lua_touserdata(L, lua_upvalueindex(1));
    struct tg_str text = tgl_check_str(L, 1);
    if (c->emit)
        c->emit(c->emit_arg, text);
    return 0;
}

/* Push the module; the first time it is required, and the emit function made. */
static void push_module(lua_State *L, struct tgl_converter *c)
{
    int *module = L == c->L ? &c->module : &c->adapters.module;
    if (!*module) {
        lua_getglobal(L, "require");
        lua_pushliteral(L, "tidegate.convert");
        lua_call(L, 1, 1);
        *module = luaL_ref(L, LUA_REGISTRYINDEX);
        lua_pushlightuserdata(L, (void *)&EMIT);
        lua_pushlightuserdata(L, c);
        lua_pushcclosure(L, l_emit, 1);
        lua_rawset(L, LUA_REGISTRYINDEX);
    }
    lua_rawgeti(L, LUA_REGISTRYINDEX, *module);
}

/* ---- what it gives ---- */

static void put_why(struct tg_buf *why, struct tg_str words)
{
    if (words.len > TG_CONVERT_WHY_MAX)
        words.len = TG_CONVERT_WHY_MAX;
    tg_buf_str(why, words);
}

/* nil and a sentence; true when that is what was given. */
static bool is_refused(lua_State *L, struct call *call, int at)
{
    if (!lua_isnil(L, at))
        return false;
    struct tg_str words = TG_STR("cannot be converted");
    if (lua_type(L, at + 1) == LUA_TSTRING)
        words = tgl_check_str(L, at + 1);
    put_why(call->why, words);
    call->err = TG_EINVAL;
    return true;
}

/* A line of a wire's own. What frames the message is not its affair. */
static bool may_be_sent(struct tg_str line)
{
    static const char *const framing[] = { "host", "content-length", "transfer-encoding", "te",
                                           "connection", "trailer", "upgrade", "expect" };
    struct tg_str name, value;

    if (!tg_str_cut(line, ':', &name, &value) || !tg_http1_is_token(name) ||
        !tg_http1_is_value(tg_str_trim(value)))
        return false;
    for (size_t i = 0; i < sizeof framing / sizeof *framing; i++)
        if (tg_str_iis(name, framing[i]))
            return false;
    return true;
}

static struct tg_str check_fields(lua_State *L, int arg)
{
    struct tg_str all = tgl_check_str(L, arg), rest = all;
    while (rest.len) {
        const char *end = memmem(rest.at, rest.len, "\r\n", 2);
        size_t len = end ? (size_t)(end - rest.at) : 0;
        if (!end || !may_be_sent((struct tg_str){ rest.at, len }))
            luaL_error(L, "the wire's converter made a header field that may not be sent");
        rest = (struct tg_str){ end + 2, rest.len - len - 2 };
    }
    return all;
}

static int l_text(lua_State *L)
{
    struct call *call = lua_touserdata(L, 1);
    push_module(L, call->c);
    lua_getfield(L, -1, call->name);
    tgl_push_str(L, call->text);
    push_about(L, call->about);
    lua_call(L, 2, 3);                                   /* Stack: call module body lost fields */
    if (is_refused(L, call, 3))
        return 0;
    struct tg_convert_request *r = call->request;
    tg_buf_str(r ? &r->body : call->out, tgl_check_str(L, 3));
    if (!r)
        return 0;
    tg_buf_str(&r->lost, tgl_check_str(L, 4));
    tg_buf_str(&r->fields, check_fields(L, 5));
    return 0;
}

static int l_open(lua_State *L)
{
    struct call *call = lua_touserdata(L, 1);
    push_module(L, call->c);
    lua_getfield(L, -1, "open_stream");
    lua_pushlightuserdata(L, (void *)&EMIT);
    lua_rawget(L, LUA_REGISTRYINDEX);
    push_about(L, call->about);
    lua_call(L, 2, 1);
    luaL_checktype(L, -1, LUA_TFUNCTION);
    call->handle = luaL_ref(L, LUA_REGISTRYINDEX);
    return 0;
}

static int l_step(lua_State *L)
{
    struct call *call = lua_touserdata(L, 1);
    lua_rawgeti(L, LUA_REGISTRYINDEX, call->handle);
    tgl_push_str(L, call->event->name);
    tgl_push_str(L, call->event->data);
    lua_pushboolean(L, call->event->is_error);
    lua_call(L, 3, 2);                                   /* Stack: call nil | nil, words */
    if (lua_type(L, 3) == LUA_TSTRING) {
        put_why(call->why, tgl_check_str(L, 3));
        call->err = TG_EINVAL;
    }
    return 0;
}

/* ---- calls ---- */

/* One line a second at most, of all engines: a request can make any converter
 * fail that has a mistake. The count tells of the others. */
static void complain(struct tg_str why)
{
    static _Atomic uint64_t said_ms, failures;
    struct tg_log l;

    uint64_t count = atomic_fetch_add_explicit(&failures, 1, memory_order_relaxed) + 1;
    if (!tg_log_is_due(&said_ms, tg_clock_ns() / 1000000) ||
        !tg_log_open(&l, TG_LOG_ERROR, "convert"))
        return;
    tg_log_str(&l, "message", why);
    tg_log_int(&l, "failures", (int64_t)count);
    tg_log_close(&l);
}

static tg_err failed(struct call *call, struct tg_str why)
{
    if (why.len)
        complain(why);
    put_why(call->why, TG_STR("the request cannot be put into the provider's format"));
    return TG_EINVAL;
}

/* An error that a converter raises on purpose is a table; words are a mistake
 * of ours. */
static tg_err run_ours(struct call *call)
{
    lua_State *L = call->c->L;
    struct tg_str why = { 0 };

    lua_gc(L, LUA_GCSETPAUSE, call->text.len > LARGE_BYTES ? LARGE_PAUSE : SMALL_PAUSE);
    lua_pushcfunction(L, call->how);
    lua_pushlightuserdata(L, call);
    int status = tgl_call(L, 1, 0);
    if (!status)
        return call->err;
    if (lua_type(L, -1) == LUA_TSTRING)
        why.at = lua_tolstring(L, -1, &why.len);
    tg_err err = status == LUA_ERRMEM ? TG_ENOMEM : failed(call, why);
    lua_pop(L, 1);
    return err;
}

static int in_turn(lua_State *L, void *arg)
{
    struct call *call = arg;

    lua_pushlightuserdata(L, call);
    return call->how(L);
}

/* Whatever ended it, its time or its memory, it is a mistake of its author. */
static tg_err run_adapter(struct call *call)
{
    struct tgl_converter *c = call->c;
    struct tg_buf why = { 0 };
    size_t bytes = call->text.len + (call->event ? call->event->data.len : 0);

    tg_err err = tgl_adapters_ready(&c->adapters, c->path, c->cpath, &why);
    if (err)
        failed(call, tg_buf_view(&why));
    else if (tgl_adapters_run(&c->adapters, bytes, in_turn, call))
        err = failed(call, tg_sandbox_why(c->adapters.sb));
    tg_buf_done(&why);
    return err ? err : call->err;
}

static tg_err run(struct call *call, lua_CFunction how)
{
    call->how = how;
    if (call->about && call->about->wire && call->about->wire->source.len)
        call->of_adapter = true;
    return call->of_adapter ? run_adapter(call) : run_ours(call);
}

static tg_err finish(tg_err err, const struct tg_buf *a, const struct tg_buf *b)
{
    return a->bad || b->bad ? TG_ENOMEM : err;
}

/* ---- the interface ---- */

static tg_err convert_text(void *state, const char *name, const struct tg_convert_about *about,
                           struct tg_str text, struct tg_buf *out, struct tg_buf *why)
{
    struct call call = { .c = state, .name = name, .about = about, .text = text, .out = out,
                         .why = why };
    return finish(run(&call, l_text), out, why);
}

static tg_err convert_request(void *state, const char *name, const struct tg_convert_about *about,
                              struct tg_str text, struct tg_convert_request *out, struct tg_buf *why)
{
    struct call call = { .c = state, .name = name, .about = about, .text = text, .request = out,
                         .why = why };
    tg_err err = finish(run(&call, l_text), &out->body, why);
    return finish(err, &out->lost, &out->fields);
}

static tg_err read_request(void *state, const struct tg_convert_about *about, struct tg_str text,
                           struct tg_convert_request *out, struct tg_buf *why)
{
    return convert_request(state, "read_request", about, text, out, why);
}

static tg_err write_request(void *state, const struct tg_convert_about *about, struct tg_str text,
                            struct tg_convert_request *out, struct tg_buf *why)
{
    return convert_request(state, "write_request", about, text, out, why);
}

static tg_err read_answer(void *state, const struct tg_convert_about *about, struct tg_str text,
                          struct tg_buf *out, struct tg_buf *why)
{
    return convert_text(state, "read_answer", about, text, out, why);
}

static tg_err write_answer(void *state, const struct tg_convert_about *about, struct tg_str text,
                           struct tg_buf *out, struct tg_buf *why)
{
    return convert_text(state, "write_answer", about, text, out, why);
}

static tg_err open_stream(void *state, const struct tg_convert_about *about, int *handle,
                          struct tg_buf *why)
{
    struct call call = { .c = state, .about = about, .why = why };
    tg_err err = run(&call, l_open);
    if (!err && call.of_adapter) {
        ((struct tgl_converter *)state)->adapters.streams++;
        call.handle |= OF_ADAPTER;
    }
    *handle = call.handle;
    return err;
}

static tg_err step(void *state, int handle, const struct tg_convert_event *event,
                   void (*emit)(void *arg, struct tg_str text), void *arg, struct tg_buf *why)
{
    struct tgl_converter *c = state;
    struct call call = { .c = c, .event = event, .handle = handle & ~OF_ADAPTER,
                         .of_adapter = handle & OF_ADAPTER, .why = why };

    c->emit = emit;
    c->emit_arg = arg;
    tg_err err = run(&call, l_step);
    c->emit = NULL;
    return why->bad ? TG_ENOMEM : err;
}

static void close_stream(void *state, int handle)
{
    struct tgl_converter *c = state;
    if (!(handle & OF_ADAPTER)) {
        luaL_unref(c->L, LUA_REGISTRYINDEX, handle);
        return;
    }
    luaL_unref(tg_sandbox_state(c->adapters.sb), LUA_REGISTRYINDEX, handle & ~OF_ADAPTER);
    c->adapters.streams--;
}

void tgl_converter_done(struct tgl_converter *c)
{
    tgl_adapters_done(&c->adapters);
}

const struct tg_convert tgl_convert = {
    read_request, write_request, read_answer, write_answer, open_stream, step, close_stream,
};
