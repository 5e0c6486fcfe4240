#include "flow/engine.h"

#include <errno.h>
#include <stdatomic.h>
#include <string.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/rand.h"
#include "flow/admit.h"
#include "flow/pump.h"
#include "flow/reply.h"
#include "flow/route.h"
#include "flow/settle.h"

enum { DESK_BYTES = 16 * 1024, DESKS_KEPT = 64, REST_MS = 1000 };

struct tg_engine {
    unsigned             index;
    struct tg_loop      *loop;
    struct tg_tls_context *tls;
    struct tg_upstreams *upstreams;
    struct tg_credentials *credentials;
    struct tg_clients   *clients;
    struct tg_config    *config;
    struct tg_server_hooks hooks;
    void                *api;              /* the hooks' state */
    struct tg_rand       rand;
    struct tg_exchange  *exchanges;
    struct tg_exchange  *to_flush;         /* at the end of this turn */
    struct tg_try       *tries;
    struct tg_desk      *desks;
    struct tg_timer      rest;             /* runs while there is no exchange */
    unsigned             desks_kept;
    bool                 draining, is_guest;
    struct tg_live_seat *seat;             /* of a guest, or NULL */
    struct tg_buf        scratch;          /* fields of one answer */
    struct tg_buf        spare;            /* passed on between streams */
};

unsigned tg_engine_index(const struct tg_engine *e)
{
    return e->index;
}

struct tg_live_seat *tg_engine_seat(struct tg_engine *e)
{
    return e->seat;
}

struct tg_loop *tg_engine_loop(struct tg_engine *e)
{
    return e->loop;
}

struct tg_upstreams *tg_engine_upstreams(struct tg_engine *e)
{
    return e->upstreams;
}

struct tg_credentials *tg_engine_credentials(struct tg_engine *e)
{
    return e->credentials;
}

/* Opened when it is first needed where nobody needs it otherwise. */
static bool open_api(struct tg_engine *e, struct tg_buf *why)
{
    if (!e->api && e->hooks.open)
        e->api = e->hooks.open(e->hooks.arg, why);
    return e->api;
}

const struct tg_convert *tg_engine_convert(struct tg_engine *e, void **state)
{
    struct tg_buf why = { 0 };

    if (!e->hooks.convert)
        return NULL;
    if (!open_api(e, &why))
        tg_log_say(TG_LOG_ERROR, "convert", "%.*s", (int)why.len, why.at ? why.at : "");
    tg_buf_done(&why);
    *state = e->api;
    return e->api ? e->hooks.convert : NULL;
}

struct tg_buf *tg_engine_spare(struct tg_engine *e)
{
    return &e->spare;
}

/* ---- desks, exchanges, tries ---- */

static struct tg_desk *take_desk(struct tg_engine *e)
{
    struct tg_desk *d = e->desks;

    if (d) {
        e->desks = d->next;
        e->desks_kept--;
        d->plan = (struct tg_plan){ 0 };
        d->lost = (struct tg_str){ 0 };
        return d;
    }
    d = tg_zalloc(sizeof *d);
    if (d)
        tg_arena_init(&d->arena, DESK_BYTES);
    return d;
}

void tg_engine_give_desk(struct tg_engine *e, struct tg_desk *d)
{
    if (e->desks_kept >= DESKS_KEPT) {
        tg_arena_done(&d->arena);
        tg_free(d);
        return;
    }
    tg_arena_reset(&d->arena);
    d->next = e->desks;
    e->desks = d;
    e->desks_kept++;
}

static void end_if_drained(struct tg_engine *e)
{
    if (e->draining && !e->exchanges && (!e->clients || !tg_clients_count(e->clients)))
        tg_loop_stop(e->loop);
}

static void free_desks(struct tg_engine *e)
{
    while (e->desks) {
        struct tg_desk *d = e->desks;
        e->desks = d->next;
        tg_arena_done(&d->arena);
        tg_free(d);
    }
    e->desks_kept = 0;
}

/* Nothing to do for a while: what the last load needed goes back. */
static void on_rest(struct tg_timer *t)
{
    struct tg_engine *e = (struct tg_engine *)((char *)t - offsetof(struct tg_engine, rest));

    if (e->exchanges)
        return;
    free_desks(e);
    if (e->api && e->hooks.rest)
        e->hooks.rest(e->api);
    if (e->clients && !e->is_guest)        /* else it is somebody else's memory, too */
        tg_mem_trim();
}

void tg_engine_flush_soon(struct tg_engine *e, struct tg_exchange *x)
{
    if (x->flush_place)
        return;
    x->flush_next = e->to_flush;
    if (x->flush_next)
        x->flush_next->flush_place = &x->flush_next;
    x->flush_place = &e->to_flush;
    e->to_flush = x;
}

static void unlist_flush(struct tg_exchange *x)
{
    if (!x->flush_place)
        return;
    *x->flush_place = x->flush_next;
    if (x->flush_next)
        x->flush_next->flush_place = x->flush_place;
    x->flush_place = NULL;
}

void tg_engine_forget(struct tg_engine *e, struct tg_exchange *x)
{
    unlist_flush(x);
    if (x->prev)
        x->prev->next = x->next;
    else
        e->exchanges = x->next;
    if (x->next)
        x->next->prev = x->prev;
    if (!e->exchanges && !e->rest.at_ms)
        tg_loop_at(e->loop, &e->rest, tg_loop_ms(e->loop) + REST_MS);
}

void tg_engine_remember_try(struct tg_engine *e, struct tg_try *t)
{
    t->next = e->tries;
    if (t->next)
        t->next->prev = t;
    e->tries = t;
}

void tg_engine_forget_try(struct tg_engine *e, struct tg_try *t)
{
    if (t->prev)
        t->prev->next = t->next;
    else
        e->tries = t->next;
    if (t->next)
        t->next->prev = t->prev;
}

/* ---- one request ---- */

static void make_id(struct tg_engine *e, uint64_t wall_ms, char id[TG_EXCHANGE_ID_LEN + 1])
{
    static const char alphabet[] = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";
    uint64_t s = wall_ms / 1000 % 10000000000u;

    memcpy(id, "gen-", 4);
    for (int i = 13; i >= 4; i--, s /= 10)
        id[i] = (char)('0' + s % 10);
    id[14] = '-';
    for (int i = 15; i < TG_EXCHANGE_ID_LEN; i++)
        id[i] = alphabet[tg_rand_below(&e->rand, 62)];
    id[TG_EXCHANGE_ID_LEN] = '\0';
}

static void refuse(struct tg_engine *e, struct tg_client *c, enum tg_fault_shape shape,
                   const struct tg_fault *f)
{
    char id[TG_EXCHANGE_ID_LEN + 1];

    make_id(e, tg_clock_wall_ms(), id);
    tg_reply_fault(c, shape, f, (struct tg_str){ id, TG_EXCHANGE_ID_LEN }, TG_STR(""));
}

/* A browser asks before it sends: what OpenRouter answers. */
static void answer_preflight(struct tg_client *c, struct tg_buf *fields)
{
    tg_buf_reset(fields);
    tg_reply_fields(fields, TG_STR(""), "text/plain");
    tg_buf_z(fields, "Access-Control-Allow-Methods: GET, POST, PUT, PATCH, DELETE, OPTIONS\r\n"
                     "Access-Control-Allow-Headers: Authorization, Content-Type, HTTP-Referer, "
                     "X-Title, X-OpenRouter-Title, X-OpenRouter-Categories, X-OpenRouter-Metadata, "
                     "X-OpenRouter-Experimental-Metadata, X-OpenRouter-Cache, "
                     "X-OpenRouter-Cache-TTL, X-OpenRouter-Cache-Clear, X-Session-Id, "
                     "X-Api-Key, Anthropic-Version, Anthropic-Beta, X-Anthropic-Beta, "
                     "X-Goog-Api-Key, X-Goog-Api-Client, "
                     "User-Agent, X-Stainless-Lang, X-Stainless-Package-Version, X-Stainless-OS, "
                     "X-Stainless-Arch, X-Stainless-Runtime, X-Stainless-Runtime-Version, "
                     "X-Stainless-Retry-Count, X-Stainless-Timeout, X-Stainless-Async, "
                     "X-Stainless-Helper-Method\r\n"
                     "Access-Control-Max-Age: 86400\r\n");
    tg_client_reply(c, 204, tg_buf_view(fields), TG_STR(""));
}

static bool on_head(void *arg, struct tg_client *c, const struct tg_http1_head *head)
{
    struct tg_engine *e = arg;
    struct tg_route r = tg_route_of(head);
    const struct tg_key *key;
    struct tg_fault fault = { 0 };
    struct tg_str coding = tg_http1_get(head, "content-encoding");

    if (tg_str_is(head->method, "OPTIONS")) {
        answer_preflight(c, &e->scratch);
        return false;
    }
    if (!tg_admit(e->config, head, &r, &key, &fault)) {
        refuse(e, c, r.shape, &fault);
        return false;
    }
    if (!r.known)
        fault = tg_fault_make(TG_FAULT_NOT_FOUND, "Not found: the API lives under /api/v1 and /v1");
    else if (r.relays && !tg_str_is(head->method, "POST"))
        fault = (struct tg_fault){ .type = TG_FAULT_INVALID_REQUEST, .status = 405,
                                   .message = TG_STR("This route takes POST") };
    else if (coding.len && !tg_str_iis(coding, "identity"))
        fault = (struct tg_fault){ .type = TG_FAULT_INVALID_REQUEST, .status = 415,
                                   .message = TG_STR("Compressed request bodies are not supported: "
                                                     "send the JSON as it is") };
    if (fault.type) {
        refuse(e, c, r.shape, &fault);
        return false;
    }
    return true;
}

static void on_api(struct tg_engine *e, struct tg_client *c, const struct tg_http1_head *head,
                   const struct tg_route *r, const struct tg_key *key)
{
    char id[TG_EXCHANGE_ID_LEN + 1];
    struct tg_api_request request = {
        .method = head->method, .path = r->path, .query = r->query, .head = head, .key = key,
        .id = { id, TG_EXCHANGE_ID_LEN }, .shape = r->shape,
        .config = e->config, .now_ms = tg_loop_ms(e->loop), .wall_ms = tg_clock_wall_ms(),
    };
    struct tg_api_reply reply = { .status = 200 };

    make_id(e, request.wall_ms, id);
    if (!e->hooks.answer || e->hooks.answer(e->api, &request, &reply) || reply.body.bad) {
        struct tg_fault f = tg_fault_make(TG_FAULT_SERVER, NULL);
        refuse(e, c, r->shape, &f);
    } else {
        tg_buf_reset(&e->scratch);
        tg_reply_fields(&e->scratch, request.id, "application/json");
        tg_buf_str(&e->scratch, tg_buf_view(&reply.fields));
        tg_client_reply(c, reply.status, tg_buf_view(&e->scratch), tg_buf_view(&reply.body));
    }
    tg_buf_done(&reply.fields);
    tg_buf_done(&reply.body);
}

static void on_health(struct tg_engine *e, struct tg_client *c)
{
    char id[TG_EXCHANGE_ID_LEN + 1];

    make_id(e, tg_clock_wall_ms(), id);
    tg_buf_reset(&e->scratch);
    tg_reply_fields(&e->scratch, (struct tg_str){ id, TG_EXCHANGE_ID_LEN }, "application/json");
    tg_client_reply(c, 200, tg_buf_view(&e->scratch), TG_STR("{\"status\":\"ok\"}"));
}

/* What the exchange must know when the desk is gone. */
static void keep_facts(struct tg_exchange *x, const struct tg_needs *n, const struct tg_plan *p)
{
    if (x->format == TG_API_CHAT)
        x->api = n->api;                       /* a chat with a prompt is a completion */
    x->is_stream = n->stream;
    x->wants_metadata = n->wants_metadata;
    x->wants_base64 = n->wants_base64;
    x->prompt_tokens = n->prompt_tokens;
    x->images = n->images;
    x->max_tokens = n->max_tokens;
    x->sticky_key = p->sticky_key;
    x->policy_failed = p->policy_failed;
    x->retry_after_ms = -1;
}

static struct tg_exchange *new_exchange(struct tg_engine *e, struct tg_config *config,
                                        const struct tg_key *key)
{
    struct tg_exchange *x = tg_zalloc(sizeof *x);

    if (!x)
        return NULL;
    x->desk = take_desk(e);
    if (!x->desk) {
        tg_free(x);
        return NULL;
    }
    x->engine = e;
    x->config = config;
    tg_config_hold(config);
    x->key = key;
    x->began_ms = tg_loop_ms(e->loop);
    x->began_wall_ms = tg_clock_wall_ms();
    make_id(e, x->began_wall_ms, x->id);
    x->next = e->exchanges;
    if (x->next)
        x->next->prev = x;
    e->exchanges = x;
    return x;
}

/* An exchange that came to nothing before its first attempt. */
static void drop_exchange(struct tg_exchange *x)
{
    struct tg_engine *e = x->engine;

    tg_engine_give_desk(e, x->desk);
    tg_free(x->request);
    tg_buf_done(&x->original);
    tg_buf_done(&x->body);
    tg_engine_forget(e, x);
    tg_config_drop(x->config);
    tg_free(x);
}

/* An endpoint that is not known to work again is asked by one request at a
 * time: while another one probes it, it goes behind. */
static void yield_probes(struct tg_plan *p, uint64_t now_ms)
{
    for (size_t i = 0; i + 1 < p->kept && p->all[0].is_probe; i++) {
        struct tg_candidate first = p->all[0];
        if (!first.endpoint->live || tg_health_take_probe(&first.endpoint->live->health, now_ms))
            return;
        memmove(p->all, p->all + 1, (p->kept - 1) * sizeof *p->all);
        p->all[p->kept - 1] = first;
    }
}

/* The request as hooks see it; kept where one is asked after the decision. */
static tg_err tell_policy(struct tg_exchange *x, const struct tg_http1_head *head,
                          struct tg_policy_request *r)
{
    if (!x->policy || !x->policy->hooks)
        return TG_OK;
    tg_policy_request_of(r, &x->desk->needs, head);
    r->wall_ms = x->began_wall_ms;
    r->id = (struct tg_str){ x->id, TG_EXCHANGE_ID_LEN };
    if (x->key) {
        r->key_name = x->key->name;
        r->key_label = x->key->label;
    }
    if (!(x->policy->hooks & TG_HOOKS_LATER))
        return TG_OK;
    x->request = tg_policy_request_copy(r);
    return x->request ? TG_OK : TG_ENOMEM;
}

/* What needs and plan are made for: of a client's own format, the chat that it says. */
static enum tg_api planned_api(enum tg_api api)
{
    return api == TG_API_MESSAGES || api == TG_API_RESPONSES || api == TG_API_GEMINI ? TG_API_CHAT
                                                                                     : api;
}

/* Read the needs and make the plan; false when the client is to be told why not. */
static bool decide(struct tg_exchange *x, const struct tg_http1_head *head, struct tg_fault *fault)
{
    struct tg_desk *d = x->desk;
    struct tg_policy_request request;
    struct tg_decision decision = {
        .plan = &d->plan, .needs = &d->needs, .request = &request, .region = x->config->live,
        .now_ms = x->began_ms, .arena = &d->arena, .fault = fault,
    };

    /* 53 bits: a seed that is written as a JSON number comes back as it was. */
    x->seed = tg_rand_u64(&x->engine->rand) >> 11;
    tg_err err = tg_needs_read(&d->needs, planned_api(x->api), tg_buf_view(&x->body), head,
                               x->config->catalog, (int64_t)(x->began_wall_ms / 1000), x->seed,
                               &d->arena, fault);
    d->needs.is_made = x->format != TG_API_CHAT;
    if (!err)
        err = tg_config_choose(x->config, x->key, d->needs.policy, &x->policy, &d->arena, fault);
    if (!err)
        err = tell_policy(x, head, &request);
    if (!err) {
        x->wants_metadata = d->needs.wants_metadata;
        err = tg_policy_decide(x->policy, x->engine->index, &decision);
    }
    if (!err)
        yield_probes(&d->plan, x->began_ms);
    if (err && !fault->type)
        *fault = tg_fault_make(TG_FAULT_SERVER, NULL);
    return !err;
}

/* Take the body over; of another format than chat it is read as one. */
static bool take_body(struct tg_exchange *x, struct tg_client *c, struct tg_str body,
                      const struct tg_route *r, struct tg_fault *fault)
{
    struct tg_buf *into = x->format == TG_API_CHAT ? &x->body : &x->original;
    struct tg_buf model = { 0 }, why = { 0 };

    *into = tg_client_take_body(c, body);
    if (into->bad)
        return false;
    if (into == &x->body)
        return true;
    tg_err err = tg_route_put_model(r, &model);
    if (err == TG_EINVAL)
        tg_buf_z(&why, "The model's name in the path is not percent-encoded as it should be");
    if (!err)
        err = tg_translate_in(x, tg_buf_view(&model), r->streams, &why);
    if (err == TG_EINVAL) {
        *fault = tg_fault_make(TG_FAULT_INVALID_REQUEST, NULL);
        fault->message = tg_arena_copy(&x->desk->arena, tg_buf_view(&why));
    }
    tg_buf_done(&model);
    tg_buf_done(&why);
    return !err;
}

/* The client's anthropic-beta words; the older name goes before. */
static void take_betas(struct tg_exchange *x, const struct tg_http1_head *head)
{
    struct tg_str betas = head ? tg_http1_get(head, "x-anthropic-beta") : TG_STR("");

    if (head && !betas.len)
        betas = tg_http1_get(head, "anthropic-beta");
    x->desk->betas = betas.len ? tg_arena_copy(&x->desk->arena, betas) : betas;
}

static void on_relay(struct tg_engine *e, struct tg_config *config, struct tg_client *c,
                     const struct tg_http1_head *head, struct tg_str body,
                     const struct tg_route *r, const struct tg_key *key)
{
    struct tg_fault fault = { 0 };
    struct tg_buf metadata = { 0 };
    struct tg_exchange *x = new_exchange(e, config, key);

    if (!x) {
        fault = tg_fault_make(TG_FAULT_SERVER, NULL);
        refuse(e, c, r->shape, &fault);
        return;
    }
    x->api = r->api;
    x->format = r->format;
    x->shape = r->shape;
    x->wants_array = r->wants_array;
    x->is_batch = r->is_batch;
    take_betas(x, head);
    if (!take_body(x, c, body, r, &fault) || !decide(x, head, &fault)) {
        if (!fault.type)
            fault = tg_fault_make(TG_FAULT_SERVER, NULL);
        if (x->desk->plan.needs == &x->desk->needs && fault.availability)
            tg_reply_metadata(x, false, x->began_ms, &metadata);
        tg_reply_fault(c, r->shape, &fault, (struct tg_str){ x->id, TG_EXCHANGE_ID_LEN },
                       tg_buf_view(&metadata));
        tg_buf_done(&metadata);
        x->policy_failed = x->desk->plan.policy_failed;
        tg_settle_refused(x, &fault);
        drop_exchange(x);
        return;
    }
    keep_facts(x, &x->desk->needs, &x->desk->plan);
    x->client = c;
    tg_client_attach(c, x);
    tg_pump_start(x);
}

static void on_request(void *arg, struct tg_client *c, const struct tg_http1_head *head,
                       struct tg_str body)
{
    struct tg_engine *e = arg;
    struct tg_route r = tg_route_of(head);
    const struct tg_key *key;
    struct tg_fault fault = { 0 };

    /* A body that took its time: the keys may have changed since the head. */
    if (!tg_admit(e->config, head, &r, &key, &fault)) {
        refuse(e, c, r.shape, &fault);
        return;
    }
    if (r.relays)
        on_relay(e, e->config, c, head, body, &r, key);
    else if (r.is_health)
        on_health(e, c);
    else
        on_api(e, c, head, &r, key);
}

static void on_gone(void *attached)
{
    tg_pump_down_gone(attached);
}

static void on_drained(void *attached)
{
    tg_pump_down_drained(attached);
}

static void on_fault(void *arg, const struct tg_http1_head *head, int status, const char *why,
                     struct tg_buf *fields, struct tg_buf *body)
{
    struct tg_engine *e = arg;
    struct tg_fault f = { .type = tg_fault_type_for(status), .status = status,
                          .message = tg_str_of(why) };
    char id[TG_EXCHANGE_ID_LEN + 1];

    if (f.type == TG_FAULT_UNMAPPED)
        f.type = TG_FAULT_INVALID_REQUEST;
    make_id(e, tg_clock_wall_ms(), id);
    tg_reply_fields(fields, (struct tg_str){ id, TG_EXCHANGE_ID_LEN }, "application/json");
    tg_fault_put_body_as(body, head ? tg_route_of(head).shape : TG_SHAPE_CHAT, &f,
                         (struct tg_str){ id, TG_EXCHANGE_ID_LEN }, TG_STR(""));
}

/* ---- the engine ---- */

static void each_turn(void *arg)
{
    struct tg_engine *e = arg;

    while (e->to_flush) {
        struct tg_exchange *x = e->to_flush;
        unlist_flush(x);
        tg_pump_flush(x);
    }
    tg_log_flush();
    end_if_drained(e);
}

tg_err tg_engine_call(struct tg_engine *e, const struct tg_engine_call *call)
{
    struct tg_client *c = tg_caller_new(&call->sink, call->body, on_gone, on_drained);

    if (!c)
        return TG_ENOMEM;
    *call->client = c;
    struct tg_route r = { .known = true, .relays = true, .api = call->api, .format = TG_API_CHAT };
    on_relay(e, call->config, c, call->head, tg_caller_body(c), &r, NULL);
    return TG_OK;
}

/* So that no request waits for the certificate authorities to be read. */
static bool warm_tls(struct tg_engine *e, char why[256])
{
    const struct tg_catalog *c = e->config ? e->config->catalog : NULL;

    for (size_t i = 0; c && i < c->providers_count; i++)
        if (c->providers[i].url.is_tls)
            return tg_tls_context_warm(e->tls, why);
    return true;
}

static bool listen_on(struct tg_engine *e, int fd)
{
    const struct tg_client_handler handler = {
        .on_head = on_head, .on_request = on_request, .on_gone = on_gone,
        .on_drained = on_drained, .on_fault = on_fault, .arg = e,
    };
    struct tg_clients_limits limits = { e->config->body_bytes, e->config->connections };

    e->clients = tg_clients_new(e->loop, fd, &limits, &handler);
    return e->clients != NULL;
}

static bool make_parts(struct tg_engine *e, int fd, struct tg_buf *why)
{
    char tls_why[256] = "";
    uint64_t seed;

    if (tg_rand_secret(&seed, sizeof seed)) {
        tg_buf_z(why, "the kernel gives no random numbers");
        return false;
    }
    tg_rand_seed(&e->rand, seed);
    e->loop = tg_loop_new();
    e->tls = tg_tls_context_new(NULL, tls_why);
    if (!e->tls || !warm_tls(e, tls_why)) {
        tg_buf_z(why, tls_why);
        return false;
    }
    e->upstreams = e->loop ? tg_upstreams_new(e->loop, e->tls) : NULL;
    e->credentials = e->upstreams ? tg_credentials_new(e->loop, e->upstreams) : NULL;
    if (!e->credentials) {
        tg_buf_z(why, "out of memory");
        return false;
    }
    if (fd >= 0 && e->hooks.open && !open_api(e, why))
        return false;
    if (fd >= 0 && !listen_on(e, fd)) {
        tg_buf_z(why, "out of memory");
        return false;
    }
    e->rest.on = on_rest;
    tg_loop_each_turn(e->loop, each_turn, e);
    return true;
}

struct tg_engine *tg_engine_new(int fd, unsigned index, struct tg_config *config,
                                const struct tg_server_hooks *hooks, struct tg_buf *why)
{
    struct tg_engine *e = tg_zalloc(sizeof *e);

    if (!e) {
        if (fd >= 0)
            tg_net_close(fd);
        return NULL;
    }
    e->index = index;
    e->config = config;
    if (config)
        tg_config_hold(config);
    if (hooks)
        e->hooks = *hooks;
    if (make_parts(e, fd, why))
        return e;
    if (fd >= 0 && !e->clients)
        tg_net_close(fd);
    tg_engine_free(e);
    return NULL;
}

void tg_engine_be_guest(struct tg_engine *e, struct tg_live_seat *seat)
{
    e->is_guest = true;
    e->seat = seat;
}

void tg_engine_run(struct tg_engine *e)
{
    tg_log_hold();
    if (tg_loop_run(e->loop))
        tg_log_say(TG_LOG_ERROR, "engine", "its loop ended: %s", strerror(errno));
    tg_log_release();
}

void tg_engine_free(struct tg_engine *e)
{
    if (!e)
        return;
    if (e->clients)
        tg_clients_free(e->clients);       /* on_gone ends every exchange */
    while (e->tries)
        tg_try_cancel(e->tries);
    tg_credentials_free(e->credentials);
    tg_upstreams_free(e->upstreams);
    tg_tls_context_free(e->tls);
    if (e->api && e->hooks.close)
        e->hooks.close(e->api);
    free_desks(e);
    tg_buf_done(&e->spare);
    tg_buf_done(&e->scratch);
    tg_config_drop(e->config);
    tg_loop_free(e->loop);
    tg_free(e);
}

/* ---- words from other threads ---- */

struct swap {
    struct tg_engine *engine;
    struct tg_config *config;
};

static void on_swap(void *arg)
{
    struct swap *s = arg;
    char why[256];

    tg_config_drop(s->engine->config);
    s->engine->config = s->config;
    if (!warm_tls(s->engine, why))
        tg_log_say(TG_LOG_ERROR, "tls", "%s", why);
    if (s->engine->clients)
        tg_clients_limit_body(s->engine->clients, s->config->body_bytes);
    tg_free(s);
}

void tg_engine_swap(struct tg_engine *e, struct tg_config *config)
{
    struct swap *s = tg_alloc(sizeof *s);

    if (!s)
        return;
    *s = (struct swap){ e, config };
    tg_config_hold(config);
    if (tg_loop_post(e->loop, on_swap, s)) {
        tg_config_drop(config);
        tg_free(s);
    }
}

static void on_drain(void *arg)
{
    struct tg_engine *e = arg;

    e->draining = true;
    if (e->clients)
        tg_clients_drain(e->clients);
    end_if_drained(e);
}

void tg_engine_drain(struct tg_engine *e)
{
    tg_loop_post(e->loop, on_drain, e);
}

void tg_engine_stop(struct tg_engine *e)
{
    tg_loop_stop(e->loop);
}
