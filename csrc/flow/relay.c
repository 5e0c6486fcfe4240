#include "flow/relay.h"

#include <assert.h>
#include <string.h>

enum {
    BACKOFF_MS      = 200,       /* before a second try, doubled each time */
    BACKOFF_429_MS  = 500        /* the same after a 429 that named no time */
};

void tg_relay_init(struct tg_relay *r, const struct tg_relay_candidate *candidates, uint16_t count,
                   const struct tg_relay_limits *limits, bool wants_stream)
{
    *r = (struct tg_relay){
        .limits = *limits,
        .candidates = candidates,
        .count = count < TG_RELAY_CANDIDATES_MAX ? count : TG_RELAY_CANDIDATES_MAX,
        .wants_stream = wants_stream,
        .all_rate_limited = true,
        .retry_after_ms = -1,
    };
}

/* The only place that changes state. Late facts are stopped in tg_relay_on(),
 * so a move that is not in this table is a bug here and not something a peer
 * can cause. */
static void enter(struct tg_relay *r, enum tg_relay_state to)
{
#define TO(s) (1u << TG_RELAY_##s)
    static const unsigned allowed[] = {
        [TG_RELAY_IDLE]      = TO(TRYING) | TO(OVER),
        [TG_RELAY_TRYING]    = TO(HEADED) | TO(TRYING) | TO(DECIDING) | TO(WAITING) | TO(OVER),
        [TG_RELAY_HEADED]    = TO(STREAMING) | TO(TRYING) | TO(DECIDING) | TO(WAITING) | TO(OVER),
        [TG_RELAY_DECIDING]  = TO(TRYING) | TO(WAITING) | TO(OVER),
        [TG_RELAY_WAITING]   = TO(TRYING) | TO(OVER),
        [TG_RELAY_STREAMING] = TO(OVER),
        [TG_RELAY_OVER]      = 0,
    };
#undef TO
    assert(allowed[r->state] & (1u << to));
    r->state = to;
}

static uint64_t after(uint64_t now, uint32_t limit_ms)
{
    return limit_ms ? now + limit_ms : 0;
}

static bool is_due(uint64_t at_ms, uint64_t now)
{
    return at_ms && now >= at_ms;
}

static bool is_tried(const struct tg_relay *r, unsigned i)
{
    return r->tried[i / 8] >> (i % 8) & 1;
}

/* Is an attempt under way? */
static bool is_asking(const struct tg_relay *r)
{
    return r->state == TG_RELAY_TRYING || r->state == TG_RELAY_HEADED
        || r->state == TG_RELAY_STREAMING;
}

/* Deadlines of an attempt end with it; the exchange's own go on. */
static void forget_attempt(struct tg_relay *r)
{
    r->connect_by_ms = r->first_byte_by_ms = r->first_token_by_ms = 0;
    r->idle_by_ms = r->linger_by_ms = r->retry_at_ms = 0;
    r->paused = false;
}

static struct tg_relay_todo over(struct tg_relay *r, unsigned what)
{
    forget_attempt(r);
    enter(r, TG_RELAY_OVER);
    return (struct tg_relay_todo){ .what = what | TG_DO_FINISH, .outcome = r->last };
}

static struct tg_relay_todo try(struct tg_relay *r, uint16_t candidate, uint64_t now)
{
    forget_attempt(r);
    enter(r, TG_RELAY_TRYING);
    r->current = candidate;
    r->attempts++;
    r->tried[candidate / 8] |= (uint8_t)(1u << (candidate % 8));
    r->connect_by_ms = after(now, r->limits.connect_ms);
    return (struct tg_relay_todo){ .what = TG_DO_CONNECT, .candidate = candidate };
}

/* Enough time for what this candidate usually takes? An attempt that cannot
 * end well only costs the provider. */
static bool has_time_for(const struct tg_relay *r, uint16_t candidate, uint64_t now)
{
    if (!r->total_by_ms)
        return true;
    return now < r->total_by_ms &&
           r->total_by_ms - now >= r->candidates[candidate].p50_ttft_ms;
}

static bool may_follow(const struct tg_relay *r, enum tg_next next, unsigned i)
{
    const struct tg_relay_candidate *was = &r->candidates[r->current], *c = &r->candidates[i];

    switch (next) {
    case TG_NEXT_ENDPOINT: return true;
    case TG_NEXT_LARGER:   return c->context_length == 0 || c->context_length > was->context_length;
    case TG_NEXT_MODEL:    return c->target != was->target;
    case TG_NEXT_NOBODY:   return false;
    }
    return false;
}

static bool find_next(const struct tg_relay *r, enum tg_next next, uint64_t now, uint16_t *found)
{
    for (uint16_t i = 0; i < r->count; i++)
        if (!is_tried(r, i) && may_follow(r, next, i) && has_time_for(r, i, now)) {
            *found = i;
            return true;
        }
    return false;
}

/* Who failed may be asked again once nobody else is left: the one that is
 * ready first, and never before the time it asked for is over. */
static void note_repeat(struct tg_relay *r, const struct tg_outcome_rule *rule,
                        int64_t retry_after_ms, uint64_t now)
{
    uint64_t wait;

    if (!rule->again)
        return;
    wait = (uint64_t)(r->last == TG_OUT_RATE_LIMITED ? BACKOFF_429_MS : BACKOFF_MS) << r->repeats;
    if (retry_after_ms > 0)            /* 0, or a time gone by, asks for no hammering */
        wait = (uint64_t)retry_after_ms;
    if (wait > TG_RELAY_WAIT_MAX_MS)
        return;
    if (!r->retry_ready_ms || now + wait < r->retry_ready_ms || r->retry_candidate == r->current) {
        r->retry_candidate = r->current;
        r->retry_ready_ms = now + wait;
    }
}

static void note_failure(struct tg_relay *r, enum tg_outcome outcome, int64_t retry_after_ms)
{
    r->last = outcome;
    if (outcome != TG_OUT_RATE_LIMITED)
        r->all_rate_limited = false;
    if (retry_after_ms >= 0 && (r->retry_after_ms < 0 || retry_after_ms < r->retry_after_ms))
        r->retry_after_ms = retry_after_ms;
}

static struct tg_relay_todo give_up(struct tg_relay *r, unsigned done)
{
    return over(r, done | (r->head_sent ? TG_DO_ERROR_EVENT : TG_DO_ERROR_REPLY));
}

/* Ask `candidate` again at that moment. */
static struct tg_relay_todo wait_for(struct tg_relay *r, uint16_t candidate, uint64_t at_ms,
                                     unsigned done)
{
    forget_attempt(r);
    enter(r, TG_RELAY_WAITING);
    r->repeats++;
    r->retry_candidate = candidate;
    r->retry_at_ms = at_ms;
    r->retry_ready_ms = 0;
    return (struct tg_relay_todo){ .what = done, .outcome = r->last };
}

static bool has_time_until(const struct tg_relay *r, uint64_t at_ms)
{
    return !r->total_by_ms || at_ms < r->total_by_ms;
}

/* Whoever of `next` has not been tried; else somebody again; else nobody. */
static struct tg_relay_todo move_on(struct tg_relay *r, unsigned done, enum tg_next next_of,
                                    int64_t retry_after_ms, uint64_t now)
{
    const struct tg_outcome_rule *rule = tg_outcome_rule(r->last);
    uint16_t next;

    note_repeat(r, rule, retry_after_ms, now);
    if (r->attempts < TG_RELAY_ATTEMPTS_MAX && find_next(r, next_of, now, &next)) {
        struct tg_relay_todo todo = try(r, next, now);
        todo.what |= done;
        todo.outcome = r->last;
        return todo;
    }
    if (rule->next != TG_NEXT_NOBODY && r->retry_ready_ms && r->repeats < TG_RELAY_REPEATS_MAX &&
        r->attempts < TG_RELAY_ATTEMPTS_MAX && has_time_until(r, r->retry_ready_ms))
        return wait_for(r, r->retry_candidate, r->retry_ready_ms, done);
    return give_up(r, done);
}

/* The attempt is over and failed. `done` is what is to be done about it
 * besides: RECORD, and CANCEL_UP when the provider is still there. */
static struct tg_relay_todo attempt_failed(struct tg_relay *r, unsigned done,
                                           enum tg_outcome outcome, int64_t retry_after_ms,
                                           uint64_t now)
{
    note_failure(r, outcome, retry_after_ms);
    if (r->state == TG_RELAY_STREAMING)
        return over(r, done | TG_DO_ERROR_EVENT);
    if (r->asks_policy) {
        forget_attempt(r);
        enter(r, TG_RELAY_DECIDING);
        return (struct tg_relay_todo){ .what = done | TG_DO_ASK_POLICY, .outcome = outcome };
    }
    return move_on(r, done, tg_outcome_rule(outcome)->next, retry_after_ms, now);
}

/* The same endpoint, as the policy wishes: after a little while, and not before
 * the time that the provider asked for. */
static struct tg_relay_todo retry(struct tg_relay *r, int64_t retry_after_ms, uint64_t now)
{
    uint64_t wait = TG_RELAY_POLICY_WAIT_MS;

    for (unsigned i = 0; i < r->repeats && wait < TG_RELAY_POLICY_WAIT_MAX_MS; i++)
        wait *= 2;
    if (wait > TG_RELAY_POLICY_WAIT_MAX_MS)
        wait = TG_RELAY_POLICY_WAIT_MAX_MS;
    if (retry_after_ms > 0 && (uint64_t)retry_after_ms > wait)
        wait = (uint64_t)retry_after_ms;
    if (!has_time_until(r, now + wait))
        return give_up(r, 0);
    return wait_for(r, r->current, now + wait, 0);
}

static struct tg_relay_todo on_verdict(struct tg_relay *r, const struct tg_relay_fact *f)
{
    enum tg_next next = tg_outcome_rule(r->last)->next;
    uint16_t other;

    if (r->state != TG_RELAY_DECIDING)
        return (struct tg_relay_todo){ 0 };
    switch (f->verdict) {
    case TG_VERDICT_NONE:
        break;
    case TG_VERDICT_NEXT:
        next = TG_NEXT_ENDPOINT;
        break;
    case TG_VERDICT_RETRY:
        if (r->attempts < TG_RELAY_POLICY_ATTEMPTS)
            return retry(r, f->retry_after_ms, f->now_ms);
        if (!find_next(r, TG_NEXT_ENDPOINT, f->now_ms, &other))
            return give_up(r, 0);
        next = TG_NEXT_ENDPOINT;
        break;
    case TG_VERDICT_STOP:
        return give_up(r, 0);
    }
    return move_on(r, 0, next, f->retry_after_ms, f->now_ms);
}

static struct tg_relay_todo timed_out(struct tg_relay *r, enum tg_outcome outcome, uint64_t now)
{
    return attempt_failed(r, TG_DO_CANCEL_UP | TG_DO_RECORD, outcome, -1, now);
}

static struct tg_relay_todo nothing(void)
{
    return (struct tg_relay_todo){ 0 };
}

static struct tg_relay_todo on_start(struct tg_relay *r, uint64_t now)
{
    assert(r->state == TG_RELAY_IDLE && r->count > 0);
    r->total_by_ms = after(now, r->limits.total_ms);
    r->keepalive_at_ms = r->wants_stream ? now + TG_RELAY_KEEPALIVE_MS : 0;
    return try(r, 0, now);
}

static struct tg_relay_todo on_up_connected(struct tg_relay *r, uint64_t now)
{
    r->connect_by_ms = 0;
    r->first_byte_by_ms = after(now, r->limits.first_byte_ms);
    r->first_token_by_ms = r->wants_stream ? after(now, r->limits.first_token_ms) : 0;
    return nothing();
}

static struct tg_relay_todo on_up_head(struct tg_relay *r, uint64_t now)
{
    if (r->state != TG_RELAY_TRYING)
        return nothing();
    enter(r, TG_RELAY_HEADED);
    r->connect_by_ms = r->first_byte_by_ms = 0;
    r->idle_by_ms = after(now, r->limits.idle_ms);
    return nothing();
}

static struct tg_relay_todo on_up_bytes(struct tg_relay *r, uint64_t now)
{
    if (!r->paused)
        r->idle_by_ms = after(now, r->limits.idle_ms);
    if (r->state == TG_RELAY_STREAMING)
        r->keepalive_at_ms = now + TG_RELAY_KEEPALIVE_MS;
    return nothing();
}

static unsigned head_once(struct tg_relay *r)
{
    if (r->head_sent)
        return 0;
    r->head_sent = true;
    return TG_DO_SEND_HEAD;
}

/* The point of commit: from here the client knows this answer. */
static struct tg_relay_todo on_up_content(struct tg_relay *r, uint64_t now)
{
    if (r->state != TG_RELAY_HEADED)
        return nothing();
    enter(r, TG_RELAY_STREAMING);
    r->first_token_by_ms = 0;
    r->keepalive_at_ms = now + TG_RELAY_KEEPALIVE_MS;
    return (struct tg_relay_todo){ .what = head_once(r) | TG_DO_FORWARD };
}

static struct tg_relay_todo on_up_finish(struct tg_relay *r, uint64_t now)
{
    r->linger_by_ms = now + TG_RELAY_LINGER_MS;
    r->first_token_by_ms = 0;
    return nothing();
}

static struct tg_relay_todo on_up_done(struct tg_relay *r, unsigned done)
{
    unsigned head = r->wants_stream ? head_once(r) : 0;
    r->last = TG_OUT_OK;
    return over(r, done | TG_DO_RECORD | head | TG_DO_ENDING);
}

static struct tg_relay_todo on_down_gone(struct tg_relay *r)
{
    bool asks = is_asking(r);
    r->last = TG_OUT_CLIENT_GONE;
    return over(r, asks ? TG_DO_CANCEL_UP | TG_DO_RECORD : 0);
}

static struct tg_relay_todo on_total_timeout(struct tg_relay *r)
{
    bool asks = is_asking(r);

    if (asks) {
        note_failure(r, TG_OUT_TOTAL_TIMEOUT, -1);
        r->all_rate_limited = false;
    }
    return over(r, (asks ? TG_DO_CANCEL_UP | TG_DO_RECORD : 0) |
                   (r->head_sent ? TG_DO_ERROR_EVENT : TG_DO_ERROR_REPLY));
}

static struct tg_relay_todo on_tick(struct tg_relay *r, uint64_t now)
{
    if (is_due(r->linger_by_ms, now))
        return on_up_done(r, TG_DO_CANCEL_UP);
    if (is_due(r->total_by_ms, now))
        return on_total_timeout(r);
    if (is_due(r->connect_by_ms, now))
        return timed_out(r, TG_OUT_CONNECT_TIMEOUT, now);
    if (is_due(r->first_byte_by_ms, now))
        return timed_out(r, TG_OUT_FIRST_BYTE_TIMEOUT, now);
    if (is_due(r->first_token_by_ms, now))
        return timed_out(r, TG_OUT_FIRST_TOKEN_TIMEOUT, now);
    if (is_due(r->idle_by_ms, now))
        return timed_out(r, TG_OUT_IDLE_TIMEOUT, now);
    if (is_due(r->retry_at_ms, now))
        return try(r, r->retry_candidate, now);
    if (is_due(r->keepalive_at_ms, now)) {
        r->keepalive_at_ms = now + TG_RELAY_KEEPALIVE_MS;
        if (!r->paused)
            return (struct tg_relay_todo){ .what = head_once(r) | TG_DO_KEEPALIVE };
    }
    return nothing();
}

static struct tg_relay_todo on_down_full(struct tg_relay *r)
{
    if (r->paused)
        return nothing();
    r->paused = true;
    r->idle_by_ms = 0;         /* silence is now the client's doing */
    return (struct tg_relay_todo){ .what = TG_DO_PAUSE_UP };
}

static struct tg_relay_todo on_down_drained(struct tg_relay *r, uint64_t now)
{
    if (!r->paused)
        return nothing();
    r->paused = false;
    r->idle_by_ms = is_asking(r) ? after(now, r->limits.idle_ms) : 0;
    return (struct tg_relay_todo){ .what = TG_DO_RESUME_UP };
}

/* Between two attempts nobody is there to say anything. */
static bool is_about_upstream(enum tg_relay_event e)
{
    return e >= TG_EV_UP_CONNECTED && e <= TG_EV_UP_FAIL;
}

static struct tg_relay_todo hear(struct tg_relay *r, const struct tg_relay_fact *f)
{
    switch (f->event) {
    case TG_EV_START:        return on_start(r, f->now_ms);
    case TG_EV_UP_CONNECTED: return on_up_connected(r, f->now_ms);
    case TG_EV_UP_HEAD:      return on_up_head(r, f->now_ms);
    case TG_EV_UP_BYTES:     return on_up_bytes(r, f->now_ms);
    case TG_EV_UP_CONTENT:   return on_up_content(r, f->now_ms);
    case TG_EV_UP_FINISH:    return on_up_finish(r, f->now_ms);
    case TG_EV_UP_DONE:      return on_up_done(r, 0);
    case TG_EV_UP_FAIL:      return attempt_failed(r, TG_DO_RECORD, f->outcome, f->retry_after_ms,
                                                   f->now_ms);
    case TG_EV_VERDICT:      return on_verdict(r, f);
    case TG_EV_TICK:         return on_tick(r, f->now_ms);
    case TG_EV_DOWN_FULL:    return on_down_full(r);
    case TG_EV_DOWN_DRAINED: return on_down_drained(r, f->now_ms);
    case TG_EV_DOWN_GONE:    return on_down_gone(r);
    }
    return nothing();
}

static void sooner(uint64_t *at, uint64_t other)
{
    if (other && (!*at || other < *at))
        *at = other;
}

static uint64_t next_deadline(const struct tg_relay *r)
{
    uint64_t at = 0;

    if (r->state == TG_RELAY_OVER)
        return 0;
    sooner(&at, r->total_by_ms);
    sooner(&at, r->connect_by_ms);
    sooner(&at, r->first_byte_by_ms);
    sooner(&at, r->first_token_by_ms);
    sooner(&at, r->idle_by_ms);
    sooner(&at, r->linger_by_ms);
    sooner(&at, r->retry_at_ms);
    sooner(&at, r->keepalive_at_ms);
    return at;
}

struct tg_relay_todo tg_relay_on(struct tg_relay *r, const struct tg_relay_fact *fact)
{
    struct tg_relay_todo todo = nothing();

    if (r->state == TG_RELAY_OVER)
        return todo;
    if (r->state == TG_RELAY_IDLE || is_asking(r) || !is_about_upstream(fact->event))
        todo = hear(r, fact);
    todo.wake_at_ms = next_deadline(r);
    return todo;
}

const char *tg_relay_state_name(enum tg_relay_state s)
{
    static const char *const names[] = { "idle", "trying", "headed", "deciding", "waiting",
                                          "streaming", "over" };
    return (unsigned)s < sizeof names / sizeof *names ? names[s] : "?";
}

const char *tg_relay_event_name(enum tg_relay_event e)
{
    static const char *const names[] = {
        "start", "up_connected", "up_head", "up_bytes", "up_content", "up_finish", "up_done",
        "up_fail", "verdict", "tick", "down_full", "down_drained", "down_gone",
    };
    return (unsigned)e < sizeof names / sizeof *names ? names[e] : "?";
}
