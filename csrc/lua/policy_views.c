/* What hooks are given: endpoints, which stay and are brought up to date, the
 * request, whose fields are made when somebody asks for them, and small tables
 * about attempts. docs/policy.md lists every field; lua/tidegate/policy/schema.lua
 * is held to what is made here by a spec. */
#include <string.h>
#include "base/hash.h"
#include "base/mem.h"
#include "lua/policy_parts.h"
#include "lua/sandbox_parts.h"

/* ---- endpoints ---- */

static const char *const BREAKERS[] = {
    [TG_BREAKER_CLOSED] = "closed", [TG_BREAKER_HALF_OPEN] = "half_open",
    [TG_BREAKER_OPEN] = "open",
};

/* Push the set of these parameters; endpoints with the same share it. */
static void push_supports(lua_State *L, struct tgp_box *box, uint32_t params)
{
    lua_rawgeti(L, LUA_REGISTRYINDEX, box->supports);
    lua_rawgeti(L, -1, (int)params);
    if (lua_isnil(L, -1)) {
        lua_pop(L, 1);
        lua_createtable(L, 0, TG_PARAMS);
        for (int i = 0; i < TG_PARAMS; i++)
            tgl_set_bool(L, tg_param_name(i), params & 1u << i);
        tg_sandbox_freeze(L, -1);
        lua_pushvalue(L, -1);
        lua_rawseti(L, -3, (int)params);
    }
    lua_remove(L, -2);
}

static void new_table(lua_State *L, const char *const *names)
{
    lua_createtable(L, 0, 6);
    for (; *names; names++)
        tgl_set_number(L, *names, 0);
}

/* Push the table of what an endpoint is; figures are zero so far. */
static void push_fields(lua_State *L, struct tgp_box *box, const struct tg_endpoint *e)
{
    static const char *const PRICES[] = { "prompt", "completion", "cache_read", "cache_write",
                                          "request", "image", NULL };
    static const char *const CUTS[] = { "p50", "p75", "p90", "p99", NULL };
    static const char *const TOOLS[] = { "samples", "valid", NULL };

    lua_createtable(L, 0, 24);
    tgl_set_str(L, "id", e->tag);
    tgl_set_str(L, "provider", e->provider->slug);
    tgl_set_str(L, "model", e->model->id);
    tgl_set_str(L, "quantization", tg_str_of(tg_quantization_name(e->quantization)));
    tgl_set_number(L, "context_length", (double)e->context_length);
    tgl_set_number(L, "max_completion_tokens", (double)e->max_completion_tokens);
    tgl_set_str(L, "data_collection", e->denies_data_collection ? TG_STR("deny") : TG_STR("allow"));
    tgl_set_bool(L, "zdr", e->zdr);
    if (e->provider->region.len)
        tgl_set_str(L, "region", e->provider->region);
    tgl_set_number(L, "samples", 0);
    tgl_set_number(L, "uptime_5m", 1);
    tgl_set_number(L, "in_flight", 0);
    tgl_set_str(L, "breaker", TG_STR("closed"));
    push_supports(L, box, e->params);
    lua_setfield(L, -2, "supports");
    new_table(L, PRICES);
    lua_setfield(L, -2, "price");
    new_table(L, CUTS);
    lua_setfield(L, -2, "latency");
    new_table(L, CUTS);
    lua_setfield(L, -2, "throughput");
    new_table(L, TOOLS);
    lua_setfield(L, -2, "tool_calls");
}

/* A reference to the table behind the view in that field of the table on top. */
static int ref_behind(lua_State *L, const char *name)
{
    lua_getfield(L, -1, name);
    tg_sandbox_thaw(L, -1);
    int ref = luaL_ref(L, LUA_REGISTRYINDEX);
    lua_pop(L, 1);
    return ref;
}

static double dollars(const struct tg_price_set *p, enum tg_price_key key, double unit)
{
    return (double)p->femto[key] / 1e15 * unit;
}

/* Prices depend on the request where there are overrides, else not at all. */
static void write_price(lua_State *L, const struct tgp_row *row, const struct tg_price_set *p)
{
    enum { MILLION = 1000000 };
    uint32_t read = p->has & 1u << TG_PRICE_CACHE_READ, write = p->has & 1u << TG_PRICE_CACHE_WRITE;

    lua_rawgeti(L, LUA_REGISTRYINDEX, row->price);
    tgl_set_number(L, "prompt", dollars(p, TG_PRICE_PROMPT, MILLION));
    tgl_set_number(L, "completion", dollars(p, TG_PRICE_COMPLETION, MILLION));
    tgl_set_number(L, "cache_read", dollars(p, read ? TG_PRICE_CACHE_READ : TG_PRICE_PROMPT,
                                            MILLION));
    tgl_set_number(L, "cache_write", dollars(p, write ? TG_PRICE_CACHE_WRITE : TG_PRICE_PROMPT,
                                             MILLION));
    tgl_set_number(L, "request", dollars(p, TG_PRICE_REQUEST, 1));
    tgl_set_number(L, "image", dollars(p, TG_PRICE_IMAGE, 1));
    lua_pop(L, 1);
}

/* `view` comes last: a row that memory ran out for is made anew. */
static void make_row(lua_State *L, struct tgp_box *box, struct tgp_row *row,
                     const struct tg_candidate *c)
{
    push_fields(L, box, c->endpoint);
    tg_sandbox_freeze(L, -1);
    tg_sandbox_thaw(L, -1);                              /* Stack: view fields */
    row->price = ref_behind(L, "price");
    row->latency = ref_behind(L, "latency");
    row->throughput = ref_behind(L, "throughput");
    row->tool_calls = ref_behind(L, "tool_calls");
    row->fields = luaL_ref(L, LUA_REGISTRYINDEX);
    row->in_flight = 0;
    row->breaker = TG_BREAKER_CLOSED;
    row->figures_ms = 0;
    box->has_new_rows = true;
    write_price(L, row, &c->prices);
    row->view = luaL_ref(L, LUA_REGISTRYINDEX);
}

/* What others know of the same model stands in for an endpoint that nobody has
 * used; zeros where nobody has used any. */
static void median_of_model(const struct tg_model *m, bool of_throughput, uint64_t now_ms,
                            struct tg_quantiles *out)
{
    struct tg_quantiles known[TG_CATALOG_ENDPOINTS_MAX];
    size_t n = 0;

    *out = (struct tg_quantiles){ 0 };
    for (size_t i = 0; i < m->endpoints_count; i++) {
        struct tg_live *l = m->endpoints[i].live;
        if (!l)
            continue;
        tg_window_read(of_throughput ? &l->throughput : &l->ttft, of_throughput, now_ms, &known[n]);
        if (!known[n].samples)
            continue;
        size_t at = n++;
        for (struct tg_quantiles q = known[at]; at > 0 && q.p50 < known[at - 1].p50; at--) {
            known[at] = known[at - 1];
            known[at - 1] = q;
        }
    }
    if (n)
        *out = known[n / 2];
}

static uint32_t write_quantiles(lua_State *L, int ref, const struct tg_endpoint *e,
                                bool of_throughput, uint64_t now_ms)
{
    struct tg_quantiles q = { 0 };
    uint32_t samples;

    if (e->live)
        tg_window_read(of_throughput ? &e->live->throughput : &e->live->ttft, of_throughput, now_ms,
                       &q);
    samples = q.samples;
    if (!samples)
        median_of_model(e->model, of_throughput, now_ms, &q);
    lua_rawgeti(L, LUA_REGISTRYINDEX, ref);              /* both are kept in thousandths */
    tgl_set_number(L, "p50", q.p50 / 1000);
    tgl_set_number(L, "p75", q.p75 / 1000);
    tgl_set_number(L, "p90", q.p90 / 1000);
    tgl_set_number(L, "p99", q.p99 / 1000);
    lua_pop(L, 1);
    return samples;
}

static void write_tools(lua_State *L, const struct tgp_row *row, struct tg_live *l)
{
    uint64_t answers = 0, bad = 0;

    if (l) {
        answers = atomic_load_explicit(&l->tool_answers, memory_order_relaxed);
        bad = atomic_load_explicit(&l->tool_bad, memory_order_relaxed);
    }
    if (bad > answers)
        bad = answers;
    lua_rawgeti(L, LUA_REGISTRYINDEX, row->tool_calls);
    tgl_set_number(L, "samples", (double)answers);
    tgl_set_number(L, "valid", answers ? 1 - (double)bad / (double)answers : 1);
    lua_pop(L, 1);
}

static void write_figures(lua_State *L, struct tgp_row *row, const struct tg_endpoint *e,
                          uint64_t now_ms)
{
    double uptime = e->live ? tg_health_uptime_5m(&e->live->health, now_ms) : -1;
    uint32_t samples = write_quantiles(L, row->latency, e, false, now_ms);

    write_quantiles(L, row->throughput, e, true, now_ms);
    write_tools(L, row, e->live);
    lua_rawgeti(L, LUA_REGISTRYINDEX, row->fields);
    tgl_set_number(L, "samples", samples);
    tgl_set_number(L, "uptime_5m", uptime < 0 ? 1 : uptime);
    lua_pop(L, 1);
    row->figures_ms = now_ms;
}

/* What must be of this very moment: a queue grows within milliseconds. */
static void write_state(lua_State *L, struct tgp_row *row, struct tg_live *l, uint64_t now_ms)
{
    int32_t in_flight = atomic_load_explicit(&l->in_flight, memory_order_relaxed);
    uint8_t breaker = (uint8_t)tg_health_breaker(&l->health, now_ms);

    if (in_flight == row->in_flight && breaker == row->breaker)
        return;
    lua_rawgeti(L, LUA_REGISTRYINDEX, row->fields);
    tgl_set_number(L, "in_flight", in_flight);
    tgl_set_str(L, "breaker", tg_str_of(BREAKERS[breaker]));
    lua_pop(L, 1);
    row->in_flight = in_flight;
    row->breaker = breaker;
}

static struct tgp_row *row_of(lua_State *L, struct tgp_box *box, const struct tg_endpoint *e)
{
    struct tgp_row **page = &box->pages[e->index / TGP_PAGE_ROWS];

    if (!*page && !(*page = tg_zalloc(TGP_PAGE_ROWS * sizeof **page)))
        luaL_error(L, "%s", tg_err_text(TG_ENOMEM));
    return &(*page)[e->index % TGP_PAGE_ROWS];
}

void tgp_push_endpoint(lua_State *L, struct tgp_box *box, const struct tg_candidate *c)
{
    const struct tg_endpoint *e = c->endpoint;
    struct tgp_row *row = row_of(L, box, e);

    if (!row->view)
        make_row(L, box, row, c);
    else if (e->price.overrides_count)
        write_price(L, row, &c->prices);
    if (!row->figures_ms || box->now_ms - row->figures_ms >= TGL_POLICY_FIGURES_MS)
        write_figures(L, row, e, box->now_ms);
    if (e->live)
        write_state(L, row, e->live, box->now_ms);
    lua_rawgeti(L, LUA_REGISTRYINDEX, row->view);
}

/* ---- the request ---- */

enum field {
    F_MODEL, F_MODELS, F_STREAM, F_MESSAGES_COUNT, F_PROMPT_TOKENS, F_MAX_TOKENS, F_TOOLS,
    F_SESSION_ID, F_USER, F_KEY, F_METADATA, F_HEADERS, F_NOW, FIELDS
};

static const char *const FIELD_NAMES[FIELDS] = {
    [F_MODEL] = "model", [F_MODELS] = "models", [F_STREAM] = "stream",
    [F_MESSAGES_COUNT] = "messages_count", [F_PROMPT_TOKENS] = "prompt_tokens",
    [F_MAX_TOKENS] = "max_tokens", [F_TOOLS] = "tools", [F_SESSION_ID] = "session_id",
    [F_USER] = "user", [F_KEY] = "key", [F_METADATA] = "metadata", [F_HEADERS] = "headers",
    [F_NOW] = "now",
};

static void push_str_or_nil(lua_State *L, struct tg_str s)
{
    if (s.len)
        lua_pushlstring(L, s.at, s.len);
    else
        lua_pushnil(L);
}

static void push_models(lua_State *L, const struct tg_policy_request *r)
{
    lua_createtable(L, (int)r->models_count, 0);
    for (size_t i = 0; i < r->models_count; i++) {
        push_str_or_nil(L, r->models[i]);
        lua_rawseti(L, -2, (int)i + 1);
    }
}

static void push_key(lua_State *L, const struct tg_policy_request *r)
{
    lua_createtable(L, 0, 2);
    push_str_or_nil(L, r->key_name);
    lua_setfield(L, -2, "name");
    push_str_or_nil(L, r->key_label);
    lua_setfield(L, -2, "label");
}

static void push_lower(lua_State *L, struct tg_str s)
{
    luaL_Buffer b;

    luaL_buffinit(L, &b);
    for (size_t i = 0; i < s.len; i++)
        luaL_addchar(&b, (char)(s.at[i] >= 'A' && s.at[i] <= 'Z' ? s.at[i] | 0x20 : s.at[i]));
    luaL_pushresult(&b);
}

/* Of a name that stands twice, the first. */
static void push_headers(lua_State *L, const struct tg_policy_request *r)
{
    lua_createtable(L, 0, (int)r->headers_count);
    for (size_t i = r->headers_count; i-- > 0;) {
        if (!tg_policy_sees_header(r->headers[i].name))
            continue;
        push_lower(L, r->headers[i].name);
        tgl_push_str(L, r->headers[i].value);
        lua_rawset(L, -3);
    }
}

static void push_text(lua_State *L, struct tg_json v, struct tg_buf *b)
{
    struct tg_str plain;

    if (tg_json_plain(v, &plain)) {
        lua_pushlstring(L, plain.at, plain.len);
        return;
    }
    tg_buf_reset(b);
    tg_json_text(v, b);
    tgl_push_buf(L, b);
}

/* Strings alone: the contract has no others. */
static void push_metadata(lua_State *L, const struct tg_policy_request *r)
{
    struct tg_buf *b = tgl_buf(L);                       /* Stack: buffer */
    struct tg_json object = { .kind = TG_JSON_OBJECT, .raw = r->metadata }, value;
    struct tg_json_iter it;
    struct tg_str key;

    lua_newtable(L);
    tg_json_iter_init(&it, object);
    while (r->metadata.len && tg_json_next(&it, &key, &value)) {
        struct tg_json name = { .kind = TG_JSON_STRING, .raw = { key.at - 1, key.len + 2 } };
        if (value.kind != TG_JSON_STRING)
            continue;
        push_text(L, name, b);
        push_text(L, value, b);
        lua_rawset(L, -3);
    }
    lua_remove(L, -2);
}

static void push_field(lua_State *L, const struct tg_policy_request *r, enum field field)
{
    switch (field) {
    case F_MODEL:          push_str_or_nil(L, r->models[0]); break;
    case F_MODELS:         push_models(L, r); break;
    case F_STREAM:         lua_pushboolean(L, r->stream); break;
    case F_MESSAGES_COUNT: tgl_push_number(L, (double)r->messages_count); break;
    case F_PROMPT_TOKENS:  tgl_push_number(L, (double)r->prompt_tokens); break;
    case F_MAX_TOKENS:
        if (r->max_tokens >= 0)
            tgl_push_number(L, (double)r->max_tokens);
        else
            lua_pushnil(L);
        break;
    case F_TOOLS:          lua_pushboolean(L, r->has_tools); break;
    case F_SESSION_ID:     push_str_or_nil(L, r->session); break;
    case F_USER:           push_str_or_nil(L, r->user); break;
    case F_KEY:            push_key(L, r); break;
    case F_METADATA:       push_metadata(L, r); break;
    case F_HEADERS:        push_headers(L, r); break;
    case F_NOW:            tgl_push_number(L, (double)r->wall_ms / 1000); break;
    case FIELDS:           lua_pushnil(L); break;
    }
    if (lua_istable(L, -1))
        tg_sandbox_freeze(L, -1);
}

/* Push a field, and put it into the table at that index for the next time. */
static void keep_field(lua_State *L, int fields, struct tgp_box *box, enum field field)
{
    push_field(L, box->about, field);
    box->filled |= 1u << field;
    lua_pushstring(L, FIELD_NAMES[field]);
    lua_pushvalue(L, -2);
    lua_rawset(L, fields);
}

/* __index of the table behind the view: fields, key. Outside a turn nobody is
 * there to ask. Upvalues: the box, the fields' numbers by name. */
static int l_field(lua_State *L)
{
    struct tgp_box *box = lua_touserdata(L, lua_upvalueindex(1));

    lua_pushvalue(L, 2);
    lua_rawget(L, lua_upvalueindex(2));
    if (lua_isnil(L, -1) || !box->about)
        return 0;
    keep_field(L, 1, box, (enum field)lua_tointeger(L, -1));
    return 1;
}

/* Before somebody walks over the fields: fields. */
static int l_fill(lua_State *L)
{
    struct tgp_box *box = lua_touserdata(L, lua_upvalueindex(1));

    for (int i = 0; box->about && i < FIELDS; i++) {
        if (box->filled & 1u << i)
            continue;
        keep_field(L, 1, box, (enum field)i);
        lua_pop(L, 1);
    }
    return 0;
}

/* request.hash(s): the same number everywhere and always, 0 to 2^53 - 1. */
static int l_hash(lua_State *L)
{
    struct tg_str s = tgl_check_str(L, 1);

    tgs_spend(L, 10 + s.len / 8);
    tgl_push_number(L, (double)(tg_hash_stable(s) >> 11));
    return 1;
}

void tgp_make_request(lua_State *L, struct tgp_box *box)
{
    lua_createtable(L, 0, FIELDS + 2);                   /* Stack: fields */
    lua_pushcfunction(L, l_hash);
    lua_setfield(L, -2, "hash");
    lua_getglobal(L, "math");
    lua_getfield(L, -1, "random");
    lua_setfield(L, -3, "random");
    lua_pop(L, 1);

    lua_createtable(L, 0, 2);                            /* Stack: fields metatable */
    lua_pushlightuserdata(L, box);
    lua_createtable(L, 0, FIELDS);
    for (int i = 0; i < FIELDS; i++)
        tgl_set_number(L, FIELD_NAMES[i], i);
    lua_pushcclosure(L, l_field, 2);
    lua_setfield(L, -2, "__index");
    lua_pushlightuserdata(L, box);
    lua_pushcclosure(L, l_fill, 1);
    lua_setfield(L, -2, TGS_FILL);
    lua_setmetatable(L, -2);

    lua_pushvalue(L, -1);
    box->request_fields = luaL_ref(L, LUA_REGISTRYINDEX);
    tg_sandbox_freeze(L, -1);
    box->request = luaL_ref(L, LUA_REGISTRYINDEX);
}

void tgp_begin_request(lua_State *L, struct tgp_box *box)
{
    if (!box->filled)
        return;
    lua_rawgeti(L, LUA_REGISTRYINDEX, box->request_fields);
    for (int i = 0; i < FIELDS; i++) {
        if (!(box->filled & 1u << i))
            continue;
        lua_pushstring(L, FIELD_NAMES[i]);
        lua_pushnil(L);
        lua_rawset(L, -3);
    }
    lua_pop(L, 1);
    box->filled = 0;
}

/* ---- attempts ---- */

static void set_seconds(lua_State *L, const char *name, int64_t ms)
{
    if (ms >= 0)
        tgl_set_number(L, name, (double)ms / 1000);
}

void tgp_push_attempt(lua_State *L, const struct tg_policy_attempt *a)
{
    lua_createtable(L, 0, 5);
    tgl_set_number(L, "number", a->number);
    tgl_set_str(L, "provider", a->endpoint->provider->slug);
    tgl_set_str(L, "endpoint", a->endpoint->tag);
    tgl_set_str(L, "model", a->endpoint->model->id);
    set_seconds(L, "elapsed", a->elapsed_ms);
    tg_sandbox_freeze(L, -1);
}

void tgp_push_error(lua_State *L, const struct tg_policy_error *e)
{
    lua_createtable(L, 0, 4);
    tgl_set_number(L, "status", e->status);
    tgl_set_str(L, "type", tg_str_of(e->type));
    tgl_set_str(L, "message", e->message);
    set_seconds(L, "retry_after", e->retry_after_ms);
    tg_sandbox_freeze(L, -1);
}

void tgp_push_response(lua_State *L, const struct tg_policy_response *r)
{
    lua_createtable(L, 0, 8);
    tgl_set_number(L, "status", r->status);
    tgl_set_bool(L, "stream", r->stream);
    set_seconds(L, "ttft", r->ttft_ms);
    set_seconds(L, "duration", r->total_ms);
    tgl_set_number(L, "tokens", r->completion_tokens > 0 ? (double)r->completion_tokens : 0);
    tgl_set_number(L, "prompt_tokens", r->prompt_tokens > 0 ? (double)r->prompt_tokens : 0);
    tgl_set_number(L, "cached_tokens", r->cached_tokens > 0 ? (double)r->cached_tokens : 0);
    tgl_set_number(L, "cost", (double)r->cost_nano / 1e9);
    tg_sandbox_freeze(L, -1);
}
