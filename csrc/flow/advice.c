#include "flow/advice.h"

#include "base/clock.h"
#include "base/mem.h"
#include "flow/embed.h"
#include "flow/outcome.h"
#include "route/policy.h"
#include "route/rank.h"

enum { ARENA_BYTES = 16 << 10 };

static tg_err decide(struct tg_advice *a, const struct tg_advice_question *q)
{
    struct tg_policy_request request;
    struct tg_policy *policy = NULL;
    struct tg_decision decision = {
        .plan = &a->plan, .needs = &a->needs, .request = &request, .region = a->config->live,
        .now_ms = tg_clock_ms(), .arena = &a->arena, .fault = &a->fault,
    };
    struct tg_str body = tg_arena_copy(&a->arena, q->body);    /* its request is made of it */
    uint64_t wall_ms = tg_clock_wall_ms();

    if (!body.at)
        return TG_ENOMEM;
    tg_err err = tg_needs_read(&a->needs, q->api, body, q->head, a->config->catalog,
                               (int64_t)(wall_ms / 1000), q->seed, &a->arena, &a->fault);
    if (!err)
        err = tg_config_choose(a->config, NULL, q->policy.len ? q->policy : a->needs.policy,
                               &policy, &a->arena, &a->fault);
    if (err)
        return err;
    tg_policy_request_of(&request, &a->needs, q->head);
    request.wall_ms = wall_ms;
    return tg_policy_decide(policy, TG_EMBED_HOST, &decision);
}

tg_err tg_advice_make(struct tg_config *config, const struct tg_advice_question *question,
                      struct tg_advice **out)
{
    struct tg_advice *a = *out = tg_zalloc(sizeof *a);

    if (!a)
        return TG_ENOMEM;
    tg_arena_init(&a->arena, ARENA_BYTES);
    tg_config_hold(config);
    a->config = config;
    return decide(a, question);
}

void tg_advice_free(struct tg_advice *a)
{
    if (!a)
        return;
    tg_arena_done(&a->arena);
    tg_config_drop(a->config);
    tg_free(a);
}

tg_err tg_advice_request(struct tg_advice *a, size_t i, struct tg_buf *url, struct tg_str *fields,
                         struct tg_buf *body)
{
    const struct tg_endpoint *e = a->plan.all[i].endpoint;
    const struct tg_lane *lane = tg_config_lane(a->config, e);
    const struct tg_wire *wire = tg_endpoint_wire(e, a->needs.api);
    enum tg_job job = tg_job_of(a->needs.api, a->needs.stream);
    struct tg_str target = tg_config_target(a->config, e, wire, job);
    size_t cap = TG_EDIT_PIECES(a->needs.members_count), count, bytes;
    struct tg_str *pieces = tg_alloc(cap * sizeof *pieces);
    uint32_t dropped;

    if (!tg_wire_passes(wire, a->needs.api) || e->provider->signer.kind) {
        tg_free(pieces);
        return TG_EINVAL;
    }
    if (!pieces)
        return TG_ENOMEM;
    tg_err err = tg_needs_body(&a->needs, e, pieces, cap, &count, &bytes, &dropped);
    if (!err)
        err = tg_buf_reserve(body, bytes);
    for (size_t p = 0; !err && p < count; p++)
        err = tg_buf_str(body, pieces[p]);
    tg_free(pieces);
    if (err)
        return err;
    tg_buf_z(url, e->provider->url.is_tls ? "https://" : "http://");
    tg_url_put_host(&e->provider->url, url);
    *fields = lane->fields;
    return tg_wire_put_target(url, target, e->upstream_model);
}

/* What a status is to the endpoint's health. */
static enum tg_health_event event_of(int status)
{
    if (status >= 200 && status < 300)
        return TG_HEALTH_SUCCESS;
    if (status == 0)
        return TG_HEALTH_FAILURE;
    return tg_outcome_rule(tg_outcome_of_status(status, NULL))->health;
}

void tg_advice_report(const struct tg_advice *a, size_t i, const struct tg_advice_report *report)
{
    const struct tg_endpoint *e = a->plan.all[i].endpoint;
    struct tg_live_region *region = a->config->live;
    int64_t ttft = report->ttft_ms, duration = report->duration_ms;
    uint64_t now_ms = tg_clock_ms();
    struct tg_live_report r = {
        .event = event_of(report->status), .ttft_ms = ttft, .hold_ms = report->retry_after_ms,
        .output_tokens = report->tokens > 0 ? report->tokens - 1 : -1,
        .stream_ms = ttft >= 0 && duration > ttft ? duration - ttft : duration,
    };

    if (e->live)
        tg_live_tell(e->live, &r, now_ms);
    if (r.event == TG_HEALTH_SUCCESS && region
        && tg_rank_remembers(&a->plan, i, report->cached_tokens))
        tg_live_sticky_set(region, a->plan.sticky_key, e->identity, now_ms);
}
