/* l_catalog.c -- require("tidegate.core").catalog: models, endpoints, providers.
 *
 *     local c = catalog.new { { slug = "openai", base_url = ..., ... }, ... }
 *     c:add(text, "catalog.json")   --> endpoints left out | nil, err
 *     c:seal()                      --> true | nil, err
 *     c:count()                     --> models, endpoints, providers
 *     c:model(i)                    --> what listings need, fixed
 *     c:live(i)                     --> per endpoint: latency, throughput, uptime
 *     c:find(id)                    --> i | nil
 *     c:provider(i)                 --> slug, name, about, ...
 */
#include "lua/l_catalog.h"

#include <pthread.h>
#include "base/clock.h"
#include "base/mem.h"
#include "os/shm.h"
#include "route/live.h"

#define TYPE "tidegate.core.catalog"

enum { LIVE_SLOTS_LEAST = 512 };

/* ---- the shared region ---- */

static struct tg_live_region *map_region(size_t slots)
{
    void *memory;
    struct tg_live_region *region;
    size_t bytes = tg_live_bytes(slots);
    if (tg_shm_map(NULL, bytes, &memory))
        return NULL;
    if (!tg_live_attach(memory, bytes, slots, &region))
        return region;
    tg_shm_unmap(memory, bytes);
    return NULL;
}

struct tg_live_region *tgl_live(size_t endpoints)
{
    static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
    static struct tg_live_region *region;

    /* A reload may bring more; slots that nobody touches cost no memory. */
    size_t slots = endpoints * 2 < LIVE_SLOTS_LEAST ? LIVE_SLOTS_LEAST : endpoints * 2;
    if (slots > TG_LIVE_SLOTS_MAX)
        slots = TG_LIVE_SLOTS_MAX;
    pthread_mutex_lock(&lock);
    if (!region)
        region = map_region(slots);
    pthread_mutex_unlock(&lock);
    return region;
}

/* ---- make ---- */

void tgl_push_catalog(lua_State *L, struct tg_catalog *c)
{
    void **box = tgl_new(L, TYPE);
    tg_catalog_hold(c);
    *box = c;
}

struct tg_catalog *tgl_check_catalog(lua_State *L, int arg)
{
    return tgl_check(L, arg, TYPE);
}

/* The words of a field that are one of `names`. */
static unsigned word_of(lua_State *L, int t, const char *field, const char *const *names)
{
    struct tg_str word = tgl_field_str(L, t, field);
    for (unsigned i = 0; names[i]; i++)
        if (tg_str_is(word, names[i]))
            return i;
    luaL_error(L, "%s: unknown word", field);
    return 0;
}

/* The list of parameters under `carries`; all of them without one. */
static uint32_t read_carries(lua_State *L, int t)
{
    uint32_t bits = 0;
    lua_getfield(L, t, "carries");
    if (!lua_istable(L, -1)) {
        lua_pop(L, 1);
        return TG_PARAM_ALL;
    }
    for (int i = 1; i <= (int)lua_rawlen(L, -1); i++) {
        lua_rawgeti(L, -1, i);
        int param = tg_param_of(tgl_check_str(L, -1));
        if (param < 0)
            luaL_error(L, "carries: %s is no parameter", lua_tostring(L, -1));
        bits |= 1u << param;
        lua_pop(L, 1);
    }
    lua_pop(L, 1);
    return bits;
}

/* Read the wire on top. */
static void read_wire(lua_State *L, struct tg_wire *w)
{
    static const char *const FRAMINGS[] = { "sse", "lines", "eventstream", "elements", NULL };
    static const char *const NATIVES[] = { "chat", "completions", "embeddings", "rerank", "messages",
                                           "responses", "gemini", "count", "", NULL };
    static const char *const JOBS[TG_JOBS] = { "whole", "stream", "completions", "embeddings",
                                               "rerank", "count" };
    int t = lua_gettop(L);
    *w = (struct tg_wire){
        .name = tgl_field_str(L, t, "name"), .models = tgl_field_str(L, t, "models"),
        .converts = tgl_field_str(L, t, "converts"), .source = tgl_field_str(L, t, "source"),
        .adds = tgl_field_str(L, t, "adds"), .betas = tgl_field_str(L, t, "betas"),
        .answers_are_chat = tgl_field_bool(L, t, "answers_are_chat"),
        .omits_model = tgl_field_bool(L, t, "omits_model"),
        .takes_extensions = tgl_field_bool(L, t, "takes_extensions"),
        .framing = (enum tg_framing)word_of(L, t, "framing", FRAMINGS), .carries = read_carries(L, t),
        .native = (enum tg_api)word_of(L, t, "native", NATIVES),
    };
    lua_getfield(L, t, "targets");
    luaL_checktype(L, -1, LUA_TTABLE);
    for (int job = 0; job < TG_JOBS; job++)
        w->targets[job] = tgl_field_str(L, t + 1, JOBS[job]);
    lua_pop(L, 1);
}

static void read_wires(lua_State *L, int t, struct tg_provider *p)
{
    lua_getfield(L, t, "wires");
    if (lua_istable(L, -1)) {
        p->wires_count = lua_rawlen(L, -1);
        if (p->wires_count > TG_WIRES_MAX)
            luaL_error(L, "wires: more than %d", TG_WIRES_MAX);
        for (size_t i = 0; i < p->wires_count; i++) {
            lua_rawgeti(L, -1, (int)i + 1);
            luaL_checktype(L, -1, LUA_TTABLE);
            read_wire(L, &p->wires[i]);
            lua_pop(L, 1);
        }
    }
    lua_pop(L, 1);
}

static void read_signer(lua_State *L, int t, struct tg_signer *s)
{
    static const char *const KINDS[] = { "", "aws", "google", NULL };
    const char *why = NULL;

    lua_getfield(L, t, "signer");
    if (lua_istable(L, -1)) {
        int at = lua_gettop(L);
        *s = (struct tg_signer){
            .kind = (enum tg_signing)word_of(L, at, "kind", KINDS),
            .access_key = tgl_field_str(L, at, "access_key"),
            .secret_key = tgl_field_str(L, at, "secret_key"),
            .session_token = tgl_field_str(L, at, "session_token"),
            .region = tgl_field_str(L, at, "region"), .email = tgl_field_str(L, at, "email"),
            .private_key = tgl_field_str(L, at, "private_key"),
            .token_url = tgl_field_str(L, at, "token_url"),
        };
        if (s->token_url.len && tg_url_parse(s->token_url, &s->token_at, &why))
            luaL_error(L, "token_url: %s", why);
    }
    lua_pop(L, 1);
}

/* Read the provider table on top. Views hold as long as the table does. */
static void read_provider(lua_State *L, struct tg_provider *p)
{
    int t = lua_gettop(L);
    const char *why = NULL;
    p->slug        = tgl_field_str(L, t, "slug");
    p->name        = tgl_field_str(L, t, "name");
    p->base_url    = tgl_field_str(L, t, "base_url");
    p->key         = tgl_field_str(L, t, "key");
    p->auth_header = tgl_field_str(L, t, "auth_header");
    p->auth_prefix = tgl_field_str(L, t, "auth_prefix");
    p->headers     = tgl_field_str(L, t, "headers");
    p->proxy       = tgl_field_str(L, t, "proxy");
    p->region      = tgl_field_str(L, t, "region");
    p->about       = tgl_field_str(L, t, "about");
    p->denies_data_collection = tgl_field_bool(L, t, "denies_data_collection");
    p->zdr               = tgl_field_bool(L, t, "zdr");
    p->wants_http2       = tgl_field_bool(L, t, "http2");
    p->no_stream_options = tgl_field_bool(L, t, "no_stream_options");
    read_wires(L, t, p);
    read_signer(L, t, &p->signer);
    if (tg_url_parse(p->base_url, &p->url, &why))
        luaL_error(L, "base_url: %s", why);
}

static int l_new(lua_State *L)
{
    luaL_checktype(L, 1, LUA_TTABLE);
    size_t n = lua_rawlen(L, 1);
    luaL_argcheck(L, n <= TG_CATALOG_PROVIDERS_MAX, 1, "too many providers");

    void **box = tgl_new(L, TYPE);
    struct tg_provider *providers = lua_newuserdata(L, (n + 1) * sizeof *providers);
    for (size_t i = 0; i < n; i++) {
        providers[i] = (struct tg_provider){ .index = (uint32_t)i };
        lua_rawgeti(L, 1, (int)i + 1);
        luaL_checktype(L, -1, LUA_TTABLE);
        read_provider(L, &providers[i]);
        lua_pop(L, 1);
    }
    *box = tg_catalog_new(providers, n);
    if (!*box)
        return tgl_fail(L, TG_ENOMEM);
    lua_pop(L, 1);                                       /* Stack: providers box */
    return 1;
}

static int l_add(lua_State *L)
{
    struct tg_catalog *c = tgl_check_catalog(L, 1);
    struct tg_str text = tgl_check_str(L, 2);
    const char *name = luaL_checkstring(L, 3);
    struct tg_buf *why = tgl_buf(L);
    size_t skipped = 0;
    tg_err err = tg_catalog_add(c, text, name, why, &skipped);
    if (err)
        return tgl_fail_words(L, err, tg_buf_view(why));
    lua_pushinteger(L, (lua_Integer)skipped);
    return 1;
}

/* Sealing also joins the region of live figures: a catalogue that can be asked
 * has them. */
static int l_seal(lua_State *L)
{
    struct tg_catalog *c = tgl_check_catalog(L, 1);
    tg_err err = tg_catalog_seal(c);
    if (err)
        return tgl_fail(L, err);
    struct tg_live_region *region = tgl_live(c->endpoints_count);
    err = region ? tg_catalog_join(c, region) : TG_ENOMEM;
    if (err)
        return tgl_fail(L, err);
    lua_pushboolean(L, 1);
    return 1;
}

static int l_finish(lua_State *L)
{
    void **box = tgl_box(L, 1, TYPE);
    if (*box)
        tg_catalog_drop(*box);
    *box = NULL;
    return 0;
}

/* ---- read ---- */

static int l_count(lua_State *L)
{
    struct tg_catalog *c = tgl_check_catalog(L, 1);
    lua_pushinteger(L, (lua_Integer)c->models_count);
    lua_pushinteger(L, (lua_Integer)c->endpoints_count);
    lua_pushinteger(L, (lua_Integer)c->providers_count);
    return 3;
}

/* A list of the names of the bits that are set. */
static void set_params(lua_State *L, const char *name, uint32_t bits)
{
    lua_newtable(L);
    for (int i = 0, n = 0; i < TG_PARAMS; i++) {
        if (!(bits & 1u << i))
            continue;
        lua_pushstring(L, tg_param_name(i));
        lua_rawseti(L, -2, ++n);
    }
    lua_setfield(L, -2, name);
}

/* Dollars a unit as the catalogue's decimal string. */
static void set_prices(lua_State *L, const struct tg_price *p)
{
    struct tg_price_set now;
    tg_price_at(p, 0, (int64_t)(tg_clock_wall_ms() / 1000), &now);
    tgl_set_number(L, "prompt_price", (double)now.femto[TG_PRICE_PROMPT] / 1e15);
    tgl_set_number(L, "completion_price", (double)now.femto[TG_PRICE_COMPLETION] / 1e15);
}

static void push_tool_choices(lua_State *L, uint32_t bits)
{
    static const char *const NAMES[] = { "none", "auto", "required", "function" };
    lua_createtable(L, 0, 4);
    for (unsigned i = 0; i < 4; i++)
        tgl_set_bool(L, NAMES[i], bits & 1u << i);
}

static void push_endpoint(lua_State *L, const struct tg_endpoint *e)
{
    lua_createtable(L, 0, 18);
    tgl_set_str(L, "tag", e->tag);
    tgl_set_str(L, "name", e->name);
    tgl_set_str(L, "provider", e->provider->slug);
    tgl_set_str(L, "provider_name", e->provider->name);
    tgl_set_str(L, "region", e->provider->region);
    tgl_set_str(L, "raw", e->raw.raw);
    tgl_set_number(L, "context_length", (double)e->context_length);
    tgl_set_number(L, "max_prompt_tokens", (double)e->max_prompt_tokens);
    tgl_set_number(L, "max_completion_tokens", (double)e->max_completion_tokens);
    tgl_set_number(L, "status", e->status);
    tgl_set_bool(L, "zdr", e->zdr);
    tgl_set_bool(L, "denies_data_collection", e->denies_data_collection);
    tgl_set_bool(L, "distillable", e->distillable);
    tgl_set_bool(L, "implicit_caching", e->implicit_caching);
    set_params(L, "parameters", e->params);
    set_prices(L, &e->price);
    lua_pushstring(L, tg_quantization_name(e->quantization));
    lua_setfield(L, -2, "quantization");
    push_tool_choices(L, e->tool_choices);
    lua_setfield(L, -2, "tool_choices");
}

static void push_model(lua_State *L, const struct tg_model *m)
{
    lua_createtable(L, 0, 12);
    tgl_set_str(L, "id", m->id);
    tgl_set_str(L, "canonical_slug", m->canonical_slug.len ? m->canonical_slug : m->id);
    tgl_set_str(L, "name", m->name);
    tgl_set_str(L, "raw", m->raw.raw);
    tgl_set_number(L, "created", (double)m->created_s);
    tgl_set_number(L, "context_length", (double)m->context_length);
    tgl_set_bool(L, "distillable", m->distillable);
    set_params(L, "parameters", m->params);
    set_prices(L, &m->price);
    lua_createtable(L, (int)m->endpoints_count, 0);
    for (size_t i = 0; i < m->endpoints_count; i++) {
        push_endpoint(L, &m->endpoints[i]);
        lua_rawseti(L, -2, (int)i + 1);
    }
    lua_setfield(L, -2, "endpoints");
}

static const struct tg_model *check_model(lua_State *L, int arg)
{
    struct tg_catalog *c = tgl_check_catalog(L, 1);
    lua_Integer i = luaL_checkinteger(L, arg);
    luaL_argcheck(L, i >= 1 && (size_t)i <= c->models_count, arg, "no such model");
    return &c->models[i - 1];
}

static int l_model(lua_State *L)
{
    push_model(L, check_model(L, 2));
    return 1;
}

/* Gives how many values they are of. */
static uint32_t set_quantiles(lua_State *L, const char *name, struct tg_window *w, bool lower_tail,
                              double scale, uint64_t now_ms)
{
    struct tg_quantiles q;
    tg_window_read(w, lower_tail, now_ms, &q);
    if (!q.samples)
        return 0;
    lua_createtable(L, 0, 4);
    tgl_set_number(L, "p50", q.p50 * scale);
    tgl_set_number(L, "p75", q.p75 * scale);
    tgl_set_number(L, "p90", q.p90 * scale);
    tgl_set_number(L, "p99", q.p99 * scale);
    lua_setfield(L, -2, name);
    return q.samples;
}

/* A share of 0 to 1; nothing when there was too little traffic. */
static void set_share(lua_State *L, const char *name, double share)
{
    if (share >= 0)
        tgl_set_number(L, name, share);
}

/* Attempts that ended so, since the figures began. */
static uint64_t set_told(lua_State *L, const char *name, struct tg_live *l, enum tg_health_event e)
{
    uint64_t n = atomic_load_explicit(&l->told[e], memory_order_relaxed);
    tgl_set_number(L, name, (double)n);
    return n;
}

/* What it was told and how it stands; false when nobody has used it. Looks at the
 * first page of the slot alone. */
static bool push_counts(lua_State *L, struct tg_live *l, uint64_t now_ms)
{
    static const char *const BREAKERS[] = { [TG_BREAKER_CLOSED] = "closed",
        [TG_BREAKER_HALF_OPEN] = "half_open", [TG_BREAKER_OPEN] = "open" };
    int32_t in_flight = atomic_load_explicit(&l->in_flight, memory_order_relaxed);
    uint64_t told = 0;
    told += set_told(L, "successes", l, TG_HEALTH_SUCCESS);
    told += set_told(L, "failures", l, TG_HEALTH_FAILURE);
    told += set_told(L, "rate_limited", l, TG_HEALTH_RATE_LIMITED);
    told += set_told(L, "neutral", l, TG_HEALTH_NEUTRAL);
    tgl_set_number(L, "in_flight", in_flight);
    lua_pushstring(L, BREAKERS[tg_health_breaker(&l->health, now_ms)]);
    lua_setfield(L, -2, "breaker");
    tgl_set_bool(L, "outage", tg_health_has_outage(&l->health, now_ms));
    tgl_set_number(L, "hold_ms", (double)tg_health_hold_ms(&l->health, now_ms));
    return told || in_flight;
}

static void push_live(lua_State *L, struct tg_live *l, uint64_t now_ms)
{
    lua_newtable(L);
    if (!l || !push_counts(L, l, now_ms))
        return;
    tgl_set_number(L, "samples", set_quantiles(L, "latency_ms", &l->ttft, false, 1, now_ms));
    set_quantiles(L, "throughput", &l->throughput, true, 1e-3, now_ms);
    set_share(L, "uptime_5m", tg_health_uptime_5m(&l->health, now_ms));
    set_share(L, "uptime_30m", tg_health_uptime_30m(&l->health, now_ms));
    set_share(L, "uptime_1d", tg_health_uptime_1d(&l->health, now_ms));
}

static int l_live(lua_State *L)
{
    const struct tg_model *m = check_model(L, 2);
    uint64_t now_ms = tg_clock_ms();
    lua_createtable(L, (int)m->endpoints_count, 0);
    for (size_t i = 0; i < m->endpoints_count; i++) {
        push_live(L, m->endpoints[i].live, now_ms);
        lua_rawseti(L, -2, (int)i + 1);
    }
    return 1;
}

static int l_find(lua_State *L)
{
    struct tg_catalog *c = tgl_check_catalog(L, 1);
    struct tg_str name = tgl_check_str(L, 2);
    const struct tg_model *m = tg_catalog_find(c, name);
    if (!m)
        m = tg_catalog_find_bare(c, name);
    if (!m)
        return 0;
    lua_pushinteger(L, (lua_Integer)m->index + 1);
    return 1;
}

static int l_provider(lua_State *L)
{
    struct tg_catalog *c = tgl_check_catalog(L, 1);
    lua_Integer i = luaL_checkinteger(L, 2);
    luaL_argcheck(L, i >= 1 && (size_t)i <= c->providers_count, 2, "no such provider");
    const struct tg_provider *p = &c->providers[i - 1];
    lua_createtable(L, 0, 6);
    tgl_set_str(L, "slug", p->slug);
    tgl_set_str(L, "name", p->name);
    tgl_set_str(L, "base_url", p->base_url);
    tgl_set_str(L, "region", p->region);
    tgl_set_str(L, "about", p->about);
    return 1;
}

static const luaL_Reg METHODS[] = {
    { "add", l_add }, { "seal", l_seal }, { "count", l_count }, { "model", l_model },
    { "live", l_live }, { "find", l_find }, { "provider", l_provider }, { NULL, NULL }
};

int tgl_open_catalog(lua_State *L)
{
    tgl_type(L, TYPE, METHODS, l_finish);
    lua_newtable(L);
    lua_pushcfunction(L, l_new);
    lua_setfield(L, -2, "new");
    return 1;
}
