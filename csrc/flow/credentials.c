#include "flow/credentials.h"

#include "base/clock.h"
#include "base/hash.h"
#include "base/mem.h"
#include "os/jwt.h"
#include "wire/told.h"

#define SCOPE "https://www.googleapis.com/auth/cloud-platform"
enum { STATEMENT_S = 3600 };               /* the longest that Google takes */

/* One account. What a fetch needs is copied: the configuration may be another by then. */
struct account {
    struct account       *next;
    struct tg_credentials *set;
    uint64_t              identity;
    struct tg_arena       arena;
    struct tg_origin      origin;
    struct tg_str         target, fields;
    struct tg_buf         token;           /* empty: none */
    uint64_t              expires_s;       /* Unix time */
    struct tg_upstream   *up;              /* while it is fetched */
    struct tg_timer       timer;
    struct tg_buf         body, answer;
    struct tg_str         piece;           /* of body */
    int                   status;
    struct tg_credentials_wait *waiting;
};

struct tg_credentials {
    struct tg_loop      *loop;
    struct tg_upstreams *upstreams;
    struct account      *accounts;
    size_t               count;
};

/* ---- who waits ---- */

static void enlist(struct account *a, struct tg_credentials_wait *w)
{
    w->next = a->waiting;
    if (w->next)
        w->next->place = &w->next;
    w->place = &a->waiting;
    a->waiting = w;
}

void tg_credentials_leave(struct tg_credentials_wait *w)
{
    if (!w->place)
        return;
    *w->place = w->next;
    if (w->next)
        w->next->place = w->place;
    w->place = NULL;
}

/* Who is told may ask again, or wait again: only those who wait now are told. */
static void tell_all(struct account *a, tg_err err, struct tg_str why)
{
    struct tg_credentials_wait *told = a->waiting;

    a->waiting = NULL;
    if (told)
        told->place = &told;
    while (told) {
        struct tg_credentials_wait *w = told;
        tg_credentials_leave(w);
        w->on(w, err, why);
    }
}

/* ---- a fetch ---- */

static void end_fetch(struct account *a)
{
    tg_loop_at(a->set->loop, &a->timer, 0);
    a->up = NULL;
    tg_buf_done(&a->body);
    tg_buf_done(&a->answer);
}

static void fail(struct account *a, tg_err err, struct tg_str why)
{
    end_fetch(a);
    tell_all(a, err, why);
}

/* {"access_token":"...","expires_in":3599}. One that is over at once is none:
 * who waits would ask for it again and again. */
static bool read_token(struct account *a)
{
    struct tg_json root = { 0 }, text, time;
    struct tg_buf token = { 0 };
    int64_t seconds = STATEMENT_S;

    tg_err err = tg_json_check(tg_buf_view(&a->answer), TG_JSON_DEPTH_MAX, &root, NULL);
    text = tg_json_get(root, "access_token");
    time = tg_json_get(root, "expires_in");
    if (time.kind > TG_JSON_NULL && !tg_json_i64(time, &seconds))
        seconds = 0;
    if (!err && !tg_json_has_text(text))
        err = TG_EINVAL;
    if (!err)
        err = tg_json_text(text, &token);
    if (err || !tg_http1_is_value(tg_buf_view(&token)) || seconds <= 0) {
        tg_buf_done(&token);
        return false;
    }
    tg_buf_done(&a->token);
    a->token = token;
    a->expires_s = tg_clock_wall_ms() / 1000 + (uint64_t)seconds;
    return true;
}

static void refuse(struct account *a)
{
    struct tg_told told = { 0 };
    struct tg_buf words = { 0 };

    tg_told_read(&told, tg_buf_view(&a->answer));
    tg_buf_printf(&words, "the token endpoint answered %d: ", a->status);
    tg_buf_str(&words, tg_buf_view(&told.message));
    fail(a, TG_EPEER, tg_buf_view(&words));
    tg_told_done(&told);
    tg_buf_done(&words);
}

static void on_head(void *arg, const struct tg_http1_head *head)
{
    ((struct account *)arg)->status = head->status;
}

static void on_body(void *arg, struct tg_str bytes)
{
    struct account *a = arg;

    if (bytes.len <= TG_CREDENTIALS_TOKEN_MAX - a->answer.len) {
        tg_buf_str(&a->answer, bytes);
        return;
    }
    tg_upstream_cancel(a->up);
    fail(a, TG_ETOOBIG, TG_STR("the token endpoint's answer is too long"));
}

static void on_end(void *arg)
{
    struct account *a = arg;

    if (a->status != 200) {
        refuse(a);
    } else if (!read_token(a)) {
        fail(a, TG_EPEER, TG_STR("the token endpoint's answer holds no token that can be used"));
    } else {
        end_fetch(a);
        tell_all(a, TG_OK, TG_STR(""));
    }
}

static void on_fail(void *arg, tg_err err, const char *why)
{
    fail(arg, err, tg_str_of(why));
}

static void on_timeout(struct tg_timer *t)
{
    struct account *a = (struct account *)((char *)t - offsetof(struct account, timer));

    tg_upstream_cancel(a->up);
    fail(a, TG_ETIMEOUT, TG_STR("the token endpoint does not answer"));
}

/* The statement that the account makes about itself. */
static tg_err put_statement(struct tg_buf *out, const struct tg_signer *signer, uint64_t wall_s)
{
    struct tg_buf claims = { 0 };

    tg_buf_z(&claims, "{\"iss\":");
    tg_json_put_text(&claims, signer->email);
    tg_buf_z(&claims, ",\"scope\":\"" SCOPE "\",\"aud\":");
    tg_json_put_text(&claims, signer->token_url);
    tg_buf_printf(&claims, ",\"iat\":%llu,\"exp\":%llu}", (unsigned long long)wall_s,
                  (unsigned long long)wall_s + STATEMENT_S);
    tg_buf_z(out, "grant_type=urn%3Aietf%3Aparams%3Aoauth%3Agrant-type%3Ajwt-bearer&assertion=");
    tg_err err = claims.bad ? TG_ENOMEM : tg_jwt_put(out, tg_buf_view(&claims), signer->private_key);
    tg_buf_done(&claims);
    return err;
}

static tg_err fetch(struct account *a, const struct tg_signer *signer, uint64_t wall_s)
{
    struct tg_upstream_handler handler = { .on_head = on_head, .on_body = on_body, .on_end = on_end,
                                           .on_fail = on_fail, .arg = a };
    tg_err err = put_statement(&a->body, signer, wall_s);

    if (!err) {
        a->status = 0;
        a->piece = tg_buf_view(&a->body);
        struct tg_upstream_request request = {
            .method = TG_STR("POST"), .target = a->target, .fields = a->fields, .pieces = &a->piece,
            .pieces_count = 1, .body_bytes = a->piece.len, .has_body = true,
        };
        a->up = tg_upstream_open(a->set->upstreams, &a->origin, &request, &handler);
        a->timer.on = on_timeout;
        err = a->up ? tg_loop_at(a->set->loop, &a->timer,
                                 tg_loop_ms(a->set->loop) + TG_CREDENTIALS_TIMEOUT_MS) : TG_ENOMEM;
    }
    if (err) {
        if (a->up)
            tg_upstream_cancel(a->up);
        end_fetch(a);
    }
    return err;
}

/* ---- accounts ---- */

static uint64_t identity_of(const struct tg_provider *p)
{
    const struct tg_signer *s = &p->signer;

    return tg_hash_stable(s->email) * 31 + tg_hash_stable(s->private_key) * 7
         + tg_hash_stable(s->token_url) + tg_hash_stable(p->proxy) * 3;
}

static tg_err copy_address(struct account *a, const struct tg_provider *p)
{
    struct tg_str url = tg_arena_copy(&a->arena, p->signer.token_url);
    struct tg_buf b = { 0 };
    const char *why;

    if (!url.at || tg_url_parse(url, &a->origin.url, &why))
        return TG_EINVAL;
    a->origin.proxy = tg_arena_copy(&a->arena, p->proxy);
    tg_buf_z(&b, "Host: ");
    tg_url_put_host(&a->origin.url, &b);
    tg_buf_z(&b, "\r\nContent-Type: application/x-www-form-urlencoded\r\nUser-Agent: tidegate\r\n");
    a->fields = tg_arena_copy(&a->arena, tg_buf_view(&b));
    tg_buf_reset(&b);
    tg_buf_str(&b, a->origin.url.path.len ? a->origin.url.path : TG_STR("/"));
    if (a->origin.url.query.len)
        tg_buf_char(&b, '?');
    tg_buf_str(&b, a->origin.url.query);
    a->target = tg_arena_copy(&a->arena, tg_buf_view(&b));
    bool good = !b.bad && a->fields.at && a->target.at && a->origin.proxy.at;
    tg_buf_done(&b);
    return good ? TG_OK : TG_ENOMEM;
}

static void free_account(struct account *a)
{
    tg_arena_done(&a->arena);
    tg_buf_done(&a->token);
    tg_free(a);
}

static struct account *find(struct tg_credentials *c, const struct tg_provider *p)
{
    uint64_t identity = identity_of(p);
    struct account *a = c->accounts;

    while (a && a->identity != identity)
        a = a->next;
    return a;
}

/* Keys change, and an engine may run for years: what is over makes room. */
static void drop_old(struct tg_credentials *c, uint64_t wall_s)
{
    for (struct account **at = &c->accounts; *at;) {
        struct account *a = *at;
        if (a->up || a->waiting || (a->token.len && a->expires_s > wall_s)) {
            at = &a->next;
            continue;
        }
        *at = a->next;
        c->count--;
        free_account(a);
    }
}

static struct account *make(struct tg_credentials *c, const struct tg_provider *p, uint64_t wall_s)
{
    if (c->count == TG_CREDENTIALS_MAX)
        drop_old(c, wall_s);
    struct account *a = c->count < TG_CREDENTIALS_MAX ? tg_zalloc(sizeof *a) : NULL;

    if (!a)
        return NULL;
    a->set = c;
    a->identity = identity_of(p);
    tg_arena_init(&a->arena, 1024);
    if (copy_address(a, p)) {
        free_account(a);
        return NULL;
    }
    a->next = c->accounts;
    c->accounts = a;
    c->count++;
    return a;
}

struct tg_credentials *tg_credentials_new(struct tg_loop *loop, struct tg_upstreams *upstreams)
{
    struct tg_credentials *c = tg_zalloc(sizeof *c);

    if (c)
        *c = (struct tg_credentials){ .loop = loop, .upstreams = upstreams };
    return c;
}

void tg_credentials_free(struct tg_credentials *c)
{
    while (c && c->accounts) {
        struct account *a = c->accounts;
        c->accounts = a->next;
        while (a->waiting)
            tg_credentials_leave(a->waiting);
        if (a->up)
            tg_upstream_cancel(a->up);
        end_fetch(a);
        free_account(a);
    }
    tg_free(c);
}

tg_err tg_credentials_get(struct tg_credentials *c, const struct tg_provider *p, uint64_t wall_s,
                          struct tg_str *token, struct tg_credentials_wait *w)
{
    struct account *a = find(c, p);

    if (!a && !(a = make(c, p, wall_s)))
        return TG_ENOMEM;
    bool is_there = a->token.len && a->expires_s > wall_s;
    bool is_old = a->expires_s <= wall_s + TG_CREDENTIALS_EARLY_S;
    tg_err err = (!is_there || is_old) && !a->up ? fetch(a, &p->signer, wall_s) : TG_OK;

    /* A token that still holds is used while the next one is fetched. */
    if (is_there) {
        *token = tg_buf_view(&a->token);
        return TG_OK;
    }
    if (err)
        return err;
    enlist(a, w);
    return TG_AGAIN;
}

void tg_credentials_forget(struct tg_credentials *c, const struct tg_provider *p)
{
    struct account *a = find(c, p);

    if (a && !a->up)
        tg_buf_reset(&a->token);
}
