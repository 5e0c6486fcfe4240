#include "flow/settle.h"

#include "base/log.h"
#include "flow/engine.h"

enum {
    BYTES_A_TOKEN = 4,             /* rule of thumb where a provider gives no count */
    CHARGE_TIMES  = 2,             /* of what a request could cost by its list prices: a charge that is told
                                      is believed so far, and ... */
    CHARGE_MORE_NANO = 100 * 1000 * 1000   /* ... $0.10 beyond: searches that nobody counts */
};

/* Speed: the tokens behind the first over the time from first to last content.
 * An answer that came whole tells only how long all of it took. */
static void report_speed(const struct tg_exchange *x, struct tg_live_report *r, uint64_t now_ms)
{
    const struct tg_answer_facts *f = tg_answer_facts(x->answer);
    int64_t tokens = f->usage.completion > 0 ? f->usage.completion : f->content_events;

    r->output_tokens = tokens - 1;
    r->stream_ms = x->is_stream ? tg_meter_stream_ms(&x->meter)
                                : (int64_t)(now_ms - x->meter.began_ms);
}

static struct tg_live_report report_of(const struct tg_exchange *x, enum tg_outcome outcome,
                                       uint64_t now_ms)
{
    struct tg_live_report r = {
        .event = tg_outcome_rule(outcome)->health,
        .ttft_ms = tg_meter_ttft_ms(&x->meter),
        .output_tokens = -1,
        .hold_ms = outcome == TG_OUT_RATE_LIMITED ? x->retry_after_ms : -1,
    };

    if (outcome == TG_OUT_OK) {
        const struct tg_answer_facts *f = tg_answer_facts(x->answer);
        if (tg_api_streams(x->api))
            report_speed(x, &r, now_ms);
        r.tools = f->has_tools;
        r.tools_bad = f->has_bad_tools;
    }
    return r;
}

/* For the log: who failed and how, "groq:overloaded openai:connect(refused)". */
static void note_failure(struct tg_exchange *x, const struct tg_attempt *a)
{
    x->failed_at = x->endpoint->provider->name;
    if (x->failures.len)
        tg_buf_char(&x->failures, ' ');
    tg_buf_str(&x->failures, x->endpoint->tag);
    tg_buf_char(&x->failures, ':');
    tg_buf_z(&x->failures, a->outcome);
    if (x->why[0])
        tg_buf_printf(&x->failures, "(%s)", x->why);
}

void tg_settle_attempt(struct tg_exchange *x, enum tg_outcome outcome, uint64_t now_ms)
{
    struct tg_attempt *a = x->attempt;
    struct tg_live *live = x->endpoint->live;

    a->outcome = tg_outcome_rule(outcome)->name;
    a->ttft_ms = tg_meter_ttft_ms(&x->meter);
    a->total_ms = (int64_t)(now_ms - x->meter.began_ms);
    if (outcome != TG_OUT_OK)
        note_failure(x, a);
    if (live) {
        struct tg_live_report r = report_of(x, outcome, now_ms);
        tg_live_tell(live, &r, now_ms);
        tg_live_leave(live, x->config->live, tg_engine_seat(x->engine));
    }
}

/* What was filtered may say why, and costs what was counted. */
static bool is_filtered(const struct tg_exchange *x)
{
    return tg_str_is(tg_answer_finish_reason(x->answer), "content_filter");
}

/* A provider that counts nothing, or zero tokens for text that is there, is
 * counted for: by bytes, and said to be doubtful. */
static void complete_usage(struct tg_exchange *x)
{
    struct tg_usage *u = tg_answer_usage(x->answer);
    const struct tg_answer_facts *f = tg_answer_facts(x->answer);
    int64_t completion = (int64_t)((f->content_bytes + BYTES_A_TOKEN - 1) / BYTES_A_TOKEN);

    if (u->prompt < 0) {
        u->prompt = x->prompt_tokens;
        u->doubtful = true;
    }
    if (!tg_api_streams(x->api)) {
        u->completion = -1;                        /* vectors and scores are no tokens */
        u->total = u->prompt;
    } else if (u->completion < 0 || (u->completion == 0 && completion > 0 && !is_filtered(x))) {
        u->completion = completion;
        u->doubtful = true;
    }
    u->seen = true;
    if (u->completion >= 0 && u->total < u->prompt + u->completion)
        u->total = u->prompt + u->completion;
}

void tg_settle_price(struct tg_exchange *x)
{
    struct tg_usage *u = tg_answer_usage(x->answer);
    struct tg_price_set prices;
    int64_t ceiling, most;

    if (x->api == TG_API_COUNT)                    /* nobody charges for it */
        return;
    complete_usage(x);
    tg_price_at(&x->endpoint->price, u->prompt, (int64_t)(x->began_wall_ms / 1000), &prices);
    /* A reported charge is believed up to what the request could have cost. */
    most = x->max_tokens > u->completion ? x->max_tokens : u->completion;
    ceiling = tg_price_ceiling(&prices, u->prompt > x->prompt_tokens ? u->prompt : x->prompt_tokens,
                               most, x->images);
    x->cost = tg_price_cost(&prices, u, x->images, ceiling > 0 ? CHARGE_TIMES * ceiling + CHARGE_MORE_NANO : -1);
}

/* Who asked, and by which policy it was decided. */
static void log_who(struct tg_log *l, const struct tg_exchange *x)
{
    tg_log_own(l, "id", (struct tg_str){ x->id, TG_EXCHANGE_ID_LEN });
    if (x->key)
        tg_log_own(l, "key", x->key->name);
    if (!x->policy)
        return;
    tg_log_own(l, "policy", x->policy->name);
    if (x->policy_failed)
        tg_log_bool(l, "policy_failed", true);
    if (x->policy->hooks)
        tg_log_int(l, "seed", (int64_t)x->seed);
}

void tg_settle_refused(const struct tg_exchange *x, const struct tg_fault *fault)
{
    struct tg_log l;

    if (!x->config->log_requests || !tg_log_open(&l, TG_LOG_INFO, "request"))
        return;
    log_who(&l, x);
    tg_log_own(&l, "outcome", TG_STR("refused"));
    tg_log_int(&l, "status", tg_fault_status(fault));
    tg_log_str(&l, "error", fault->message.len ? fault->message
                                               : tg_str_of(tg_fault_type_name(fault->type)));
    tg_log_close(&l);
}

static void log_request(const struct tg_exchange *x, uint64_t now_ms)
{
    const struct tg_answer_facts *f = x->answer ? tg_answer_facts(x->answer) : NULL;
    const struct tg_attempt *last =
        x->relay.attempts ? &x->attempts[x->relay.attempts - 1] : NULL;
    struct tg_log l;

    enum tg_log_level level = x->status >= 500 ? TG_LOG_WARN : TG_LOG_INFO;

    if (!x->config->log_requests || !tg_log_open(&l, level, "request"))
        return;
    log_who(&l, x);
    if (x->endpoint) {
        tg_log_own(&l, "model", x->endpoint->model->id);
        tg_log_own(&l, "provider", x->endpoint->tag);
    }
    tg_log_bool(&l, "stream", x->is_stream);
    tg_log_own(&l, "outcome", tg_str_of(tg_outcome_rule(x->relay.last)->name));
    tg_log_int(&l, "status", x->status);
    tg_log_int(&l, "attempts", x->relay.attempts);
    if (last && last->status != x->status)
        tg_log_int(&l, "upstream_status", last->status);
    if (x->failures.len)
        tg_log_str(&l, "failed", tg_buf_view(&x->failures));
    if (last && x->is_stream && last->ttft_ms >= 0)
        tg_log_int(&l, "ttft_ms", last->ttft_ms);
    tg_log_int(&l, "total_ms", (int64_t)(now_ms - x->began_ms));
    if (f && f->usage.seen) {
        tg_log_int(&l, "prompt_tokens", f->usage.prompt);
        if (f->usage.completion >= 0)
            tg_log_int(&l, "completion_tokens", f->usage.completion);
        tg_log_int(&l, "cached_tokens", f->usage.cached > 0 ? f->usage.cached : 0);
        tg_log_int(&l, "cost_nano", x->cost.total);
        if (f->usage.doubtful)
            tg_log_bool(&l, "usage_estimated", true);
    }
    tg_log_close(&l);
}

struct tg_policy_attempt tg_settle_attempt_facts(const struct tg_exchange *x)
{
    return (struct tg_policy_attempt){ .number = x->relay.attempts, .endpoint = x->endpoint,
                                       .elapsed_ms = x->attempt->total_ms };
}

static void tell_policy(const struct tg_exchange *x, uint64_t now_ms)
{
    const struct tg_usage *u = &tg_answer_facts(x->answer)->usage;
    struct tg_policy_attempt a = tg_settle_attempt_facts(x);
    struct tg_policy_response r = {
        .status = x->status, .stream = x->is_stream, .ttft_ms = x->attempt->ttft_ms,
        .total_ms = x->attempt->total_ms, .prompt_tokens = u->prompt,
        .completion_tokens = u->completion, .cached_tokens = u->cached,
        .cost_nano = x->cost.total,
    };

    tg_policy_on_response(x->policy, tg_engine_index(x->engine), x->request, &a, &r, now_ms);
}

static void remember_session(const struct tg_exchange *x, uint64_t now_ms)
{
    const struct tg_usage *u = &tg_answer_facts(x->answer)->usage;
    bool cached = u->cached > 0 || u->cache_write > 0;

    if (x->config->live && (cached ? x->remembers_cached : x->remembers))
        tg_live_sticky_set(x->config->live, x->sticky_key, x->endpoint->identity, now_ms);
}

void tg_settle_exchange(struct tg_exchange *x, uint64_t now_ms)
{
    if (x->relay.last == TG_OUT_OK) {
        remember_session(x, now_ms);
        tell_policy(x, now_ms);
    }
    log_request(x, now_ms);
}
