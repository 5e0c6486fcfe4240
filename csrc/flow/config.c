#include "flow/config.h"

#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "os/digest.h"
#include "route/refuse.h"

enum { ARENA_BYTES = 16 * 1024 };

struct tg_config *tg_config_new(void)
{
    struct tg_config *c = tg_zalloc(sizeof *c);

    if (!c)
        return NULL;
    atomic_init(&c->references, 1);
    tg_arena_init(&c->arena, ARENA_BYTES);
    c->listen = TG_STR("127.0.0.1:8080");
    c->workers = 1;
    c->auth = TG_AUTH_KEYS;
    c->timeouts = (struct tg_relay_limits){
        .connect_ms = 3000, .first_byte_ms = 30000, .first_token_ms = 30000,
        .idle_ms = 60000, .total_ms = 600000,
    };
    c->body_bytes = TG_CONFIG_BODY_BYTES;
    c->answer_bytes = TG_CONFIG_ANSWER_BYTES;
    c->event_bytes = TG_CONFIG_EVENT_BYTES;
    c->connections = TG_CONFIG_CONNECTIONS;
    c->log_requests = true;
    return c;
}

void tg_config_hold(struct tg_config *c)
{
    atomic_fetch_add(&c->references, 1);
}

void tg_config_drop(struct tg_config *c)
{
    if (!c || atomic_fetch_sub(&c->references, 1) != 1)
        return;
    for (size_t i = 0; i < c->policies_count; i++)
        tg_policy_drop(c->policies[i]);
    if (c->catalog)
        tg_catalog_drop(c->catalog);
    tg_arena_done(&c->arena);
    tg_free(c);
}

static int by_digest(const void *a, const void *b)
{
    return memcmp(((const struct tg_key *)a)->digest, ((const struct tg_key *)b)->digest, 32);
}

static void put_fields(struct tg_buf *b, const struct tg_provider *p)
{
    tg_buf_z(b, "Host: ");
    tg_url_put_host(&p->url, b);
    tg_buf_z(b, "\r\n");
    if (p->key.len) {
        tg_buf_str(b, p->auth_header);
        tg_buf_z(b, ": ");
        tg_buf_str(b, p->auth_prefix);
        tg_buf_str(b, p->key);
        tg_buf_z(b, "\r\n");
    }
    tg_buf_z(b, "Content-Type: application/json\r\nUser-Agent: tidegate\r\n");
    tg_buf_str(b, p->headers);
}

/* base_url may have a query of its own. */
static void put_target(struct tg_buf *b, const struct tg_provider *p, struct tg_str target)
{
    tg_buf_str(b, p->url.path);
    tg_buf_str(b, target);
    if (p->url.query.len) {
        tg_buf_char(b, memchr(target.at, '?', target.len) ? '&' : '?');
        tg_buf_str(b, p->url.query);
    }
}

/* What was put into `b`, kept; `b` is empty again. */
static tg_err keep(struct tg_config *c, struct tg_buf *b, struct tg_str *kept)
{
    if (b->bad)
        return TG_ENOMEM;
    *kept = tg_arena_copy(&c->arena, tg_buf_view(b));
    tg_buf_reset(b);
    return kept->at ? TG_OK : TG_ENOMEM;
}

static tg_err make_targets(struct tg_config *c, const struct tg_provider *p, struct tg_buf *b,
                           struct tg_lane *lane)
{
    size_t wires = p->wires_count ? p->wires_count : 1;
    tg_err err = TG_OK;

    for (size_t w = 0; w < wires; w++) {
        const struct tg_wire *wire = p->wires_count ? &p->wires[w] : &tg_wire_chat;
        for (int job = 0; !err && job < TG_JOBS; job++) {
            lane->targets[w][job] = (struct tg_str){ 0 };
            if (!wire->targets[job].len)
                continue;
            put_target(b, p, wire->targets[job]);
            err = keep(c, b, &lane->targets[w][job]);
        }
    }
    return err;
}

static tg_err make_lane(struct tg_config *c, const struct tg_provider *p, struct tg_lane *lane)
{
    struct tg_buf b = { 0 };

    lane->origin = (struct tg_origin){ .url = p->url, .proxy = p->proxy,
                                       .wants_http2 = p->wants_http2 };
    put_fields(&b, p);
    tg_err err = keep(c, &b, &lane->fields);
    if (!err)
        err = make_targets(c, p, &b, lane);
    tg_buf_done(&b);
    return err;
}

const struct tg_lane *tg_config_lane(const struct tg_config *c, const struct tg_endpoint *e)
{
    return &c->lanes[e->provider->index];
}

struct tg_str tg_config_target(const struct tg_config *c, const struct tg_endpoint *e,
                               const struct tg_wire *wire, enum tg_job job)
{
    size_t w = e->provider->wires_count ? (size_t)(wire - e->provider->wires) : 0;

    return tg_config_lane(c, e)->targets[w][job];
}

static tg_err find_policies_of_keys(struct tg_config *c)
{
    for (size_t i = 0; i < c->keys_count; i++) {
        struct tg_key *k = &c->keys[i];
        if (k->policy_name.len && !(k->policy = tg_config_policy(c, k->policy_name)))
            return TG_ENOTFOUND;
    }
    return TG_OK;
}

tg_err tg_config_seal(struct tg_config *c)
{
    size_t n = c->catalog->providers_count;

    if (c->keys_count)
        qsort(c->keys, c->keys_count, sizeof *c->keys, by_digest);
    for (size_t i = 1; i < c->keys_count; i++)
        if (!by_digest(&c->keys[i - 1], &c->keys[i]))
            return TG_EINVAL;
    c->lanes = tg_arena_get(&c->arena, n * sizeof *c->lanes + 1);
    if (!c->lanes)
        return TG_ENOMEM;
    for (size_t i = 0; i < n; i++) {
        tg_err err = make_lane(c, &c->catalog->providers[i], &c->lanes[i]);
        if (err)
            return err;
    }
    return find_policies_of_keys(c);
}

struct tg_policy *tg_config_policy(const struct tg_config *c, struct tg_str name)
{
    for (size_t i = 0; i < c->policies_count; i++)
        if (tg_str_eq(c->policies[i]->name, name))
            return c->policies[i];
    return NULL;
}

static tg_err refuse_policy(const struct tg_config *c, struct tg_str named, struct tg_arena *arena,
                            struct tg_fault *fault)
{
    struct tg_refusal no = { fault, arena };
    struct tg_str names[TG_CONFIG_POLICIES_MAX];

    for (size_t i = 0; i < c->policies_count; i++)
        names[i] = c->policies[i]->name;
    struct tg_str near = tg_catalog_near(names, c->policies_count, named);
    if (near.len)
        return tg_refuse(&no, "There is no policy '%.*s', did you mean '%.*s'?", TG_SHOWN(named),
                         TG_SHOWN(near));
    return tg_refuse(&no, "There is no policy '%.*s'", TG_SHOWN(named));
}

tg_err tg_config_choose(const struct tg_config *c, const struct tg_key *key, struct tg_str named,
                        struct tg_policy **chosen, struct tg_arena *arena, struct tg_fault *fault)
{
    struct tg_policy *asked = named.len ? tg_config_policy(c, named) : c->policy;

    if (named.len && !asked)
        return refuse_policy(c, named, arena, fault);
    *chosen = key && key->policy ? key->policy : asked;
    return TG_OK;
}

/* The digest hides the key from timing: what a caller can steer by is the
 * SHA-256 of a guess, not the guess. The last comparison is constant-time. */
const struct tg_key *tg_config_key(const struct tg_config *c, struct tg_str text)
{
    struct tg_key wanted;

    if (!c->keys_count || tg_sha256(text, wanted.digest))
        return NULL;
    const struct tg_key *k = bsearch(&wanted, c->keys, c->keys_count, sizeof *k, by_digest);
    if (!k || !tg_str_same_secret((struct tg_str){ (const char *)k->digest, 32 },
                                  (struct tg_str){ (const char *)wanted.digest, 32 }))
        return NULL;
    return k;
}
