#include <tidegate.h>

#include "abi/handle.h"
#include "base/mem.h"
#include "base/rand.h"
#include "flow/advice.h"
#include "route/explain.h"

enum { ARENA_BYTES = 2048 };

static const int64_t MUCH = 1000000000000;

struct tidegate_plan {
    struct tg_advice *advice;
    struct tg_arena   arena;               /* what is said of endpoints and drops */
    struct tidegate_endpoint *endpoints;   /* told when first asked for; NULLs before */
    struct tidegate_drop     *drops;

    struct tidegate_upstream upstream;     /* the one handed out, and its views */
    struct tg_arena          fields;
    struct tg_buf            url, body;
};

/* ---- decide ---- */

static struct tidegate_plan *new_plan(struct tg_advice *a)
{
    struct tidegate_plan *p = tg_zalloc(sizeof *p);
    size_t kept = a->plan.kept, drops = a->plan.count - kept;

    if (!p)
        return NULL;
    tg_arena_init(&p->arena, ARENA_BYTES);
    tg_arena_init(&p->fields, ARENA_BYTES);
    p->endpoints = tg_arena_get(&p->arena, (kept + 1) * sizeof *p->endpoints);
    p->drops = tg_arena_get(&p->arena, (drops + 1) * sizeof *p->drops);
    if (p->endpoints && p->drops) {
        p->advice = a;
        return p;
    }
    tidegate_plan_free(p);
    return NULL;
}

static struct tidegate_plan *decide(struct tidegate *t, const struct tga_question *q)
{
    struct tg_advice_question asked = { .api = q->api, .body = q->body, .head = &q->head,
                                        .seed = q->is.seed };
    struct tidegate_plan *p = NULL;
    struct tg_advice *a;

    tg_err err = tg_advice_make(t->config, &asked, &a);
    if (a && (!err || a->plan.count))                    /* what was dropped is worth a plan */
        p = new_plan(a);
    if (err && a && a->fault.type != TG_FAULT_NONE)
        tga_fail_fault(t, &a->fault);
    else if (err || !p)
        tga_fail(t, err ? err : TG_ENOMEM, NULL);
    if (!p)
        tg_advice_free(a);
    return p;
}

struct tidegate_plan *tidegate_route(struct tidegate *t, const struct tidegate_request *request)
{
    struct tga_question q;

    if (!t || !tga_take_request(t, request, &q))
        return NULL;
    if (tidegate_fd(t) < 0) {
        tga_fail(t, TG_EFORK, NULL);
        return NULL;
    }
    if (!q.is.seed && tg_rand_secret(&q.is.seed, sizeof q.is.seed)) {
        tga_fail(t, TG_ESYSTEM, NULL);
        return NULL;
    }
    return decide(t, &q);
}

void tidegate_plan_free(struct tidegate_plan *p)
{
    if (!p)
        return;
    tg_advice_free(p->advice);
    tg_arena_done(&p->arena);
    tg_arena_done(&p->fields);
    tg_buf_done(&p->url);
    tg_buf_done(&p->body);
    tg_free(p);
}

/* ---- what it says ---- */

/* The same text in the arena; *whole is false when there is no memory. */
static const char *say(struct tg_arena *arena, struct tg_str s, bool *whole)
{
    const char *z = s.len ? tg_arena_copy(arena, s).at : "";

    *whole = *whole && z;
    return z;
}

size_t tidegate_plan_count(const struct tidegate_plan *p)
{
    return p ? p->advice->plan.kept : 0;
}

const struct tidegate_endpoint *tidegate_plan_endpoint(struct tidegate_plan *p, size_t i)
{
    bool whole = true;

    if (i >= tidegate_plan_count(p))
        return NULL;
    if (p->endpoints[i].endpoint)
        return &p->endpoints[i];
    const struct tg_candidate *c = &p->advice->plan.all[i];
    const struct tg_endpoint *e = c->endpoint;
    struct tidegate_endpoint said = {
        .endpoint = say(&p->arena, e->tag, &whole),
        .provider = say(&p->arena, e->provider->slug, &whole),
        .provider_name = say(&p->arena, e->provider->name, &whole),
        .model = say(&p->arena, e->model->id, &whole),
        .upstream_model = say(&p->arena, e->upstream_model, &whole),
        .place = tg_place_name(c->place),
        .score = c->score,
    };
    if (!whole)
        return NULL;
    p->endpoints[i] = said;
    return &p->endpoints[i];
}

size_t tidegate_plan_drops(const struct tidegate_plan *p)
{
    return p ? p->advice->plan.count - p->advice->plan.kept : 0;
}

const struct tidegate_drop *tidegate_plan_drop(struct tidegate_plan *p, size_t i)
{
    struct tg_buf detail = { 0 };
    bool whole = true;

    if (i >= tidegate_plan_drops(p))
        return NULL;
    if (p->drops[i].endpoint)
        return &p->drops[i];
    const struct tg_plan *plan = &p->advice->plan;
    const struct tg_candidate *c = &plan->all[plan->kept + i];
    tg_explain_drop(&detail, plan, c);
    struct tidegate_drop said = {
        .endpoint = say(&p->arena, c->endpoint->tag, &whole),
        .provider = say(&p->arena, c->endpoint->provider->slug, &whole),
        .model = say(&p->arena, c->endpoint->model->id, &whole),
        .reason = tg_drop_name(c->drop),
        .why = tg_drop_sentence(c->drop),
        .detail = say(&p->arena, tg_buf_view(&detail), &whole),
    };
    whole = whole && !detail.bad;
    tg_buf_done(&detail);
    if (!whole)
        return NULL;
    p->drops[i] = said;
    return &p->drops[i];
}

/* ---- what it would send ---- */

static size_t count_lines(struct tg_str lines)
{
    size_t n = 0;

    for (size_t i = 0; i < lines.len; i++)
        n += lines.at[i] == '\n';
    return n;
}

/* "Name: value\r\n" lines as a list. */
static bool split_fields(struct tidegate_plan *p, struct tg_str lines)
{
    struct tidegate_field *all = tg_arena_get(&p->fields, (count_lines(lines) + 1) * sizeof *all);
    struct tg_str line, name, value;
    bool whole = all != NULL;
    size_t n = 0;

    while (whole && lines.len) {
        tg_str_cut(lines, '\n', &line, &lines);
        if (line.len && line.at[line.len - 1] == '\r')
            line.len--;
        if (!tg_str_cut(line, ':', &name, &value))
            continue;
        all[n].name = say(&p->fields, name, &whole);
        all[n++].value = say(&p->fields, tg_str_trim(value), &whole);
    }
    p->upstream.fields = all;
    p->upstream.fields_count = n;
    return whole;
}

const struct tidegate_upstream *tidegate_plan_request(struct tidegate_plan *p, size_t i)
{
    struct tg_str lines;

    if (i >= tidegate_plan_count(p))
        return NULL;
    tg_arena_reset(&p->fields);
    tg_buf_reset(&p->url);
    tg_buf_reset(&p->body);
    if (tg_advice_request(p->advice, i, &p->url, &lines, &p->body) || !split_fields(p, lines))
        return NULL;
    p->upstream.url = tg_buf_cstr(&p->url);
    p->upstream.body = (struct tidegate_str){ tg_buf_cstr(&p->body), p->body.len };
    return p->upstream.url && p->upstream.body.at ? &p->upstream : NULL;
}

/* ---- how it went ---- */

/* A count that can be true; -1. */
static int64_t known(int64_t n)
{
    return n > 0 && n < MUCH ? n : -1;
}

int tidegate_report(struct tidegate_plan *p, size_t i, const struct tidegate_figures *report)
{
    struct tidegate_figures r;

    if (i >= tidegate_plan_count(p) || tga_take(&r, sizeof r, report, sizeof r))
        return -1;
    struct tg_advice_report told = {
        .status = r.status > 0 && r.status < 1000 ? r.status : 0,
        .ttft_ms = known(r.ttft_ms), .tokens = known(r.tokens),
        .cached_tokens = known(r.cached_tokens), .duration_ms = known(r.duration_ms),
        .retry_after_ms = known(r.retry_after_ms),
    };
    tg_advice_report(p->advice, i, &told);
    return 0;
}
