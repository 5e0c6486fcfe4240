/* The relay, told as stories in virtual time: what happened when, what is to be
 * done, where we are now. The sixteen scenarios of the public failover
 * catalogue come first (S01 to S16), then the rest of the rules, then what a
 * policy may say. */
#include "check.h"

#include "flow/relay.h"

enum { NONE = -1 };

struct step {
    uint64_t at_ms;
    enum tg_relay_event event;
    int how;                       /* UP_FAIL: the outcome; VERDICT: the verdict */
    int64_t retry_after_ms;
    unsigned want;                 /* bits of TG_DO_* */
    enum tg_relay_state state;
    int candidate;                 /* CONNECT: whom; NONE otherwise */
};

static const struct tg_relay_limits usual = {
    .connect_ms = 3000, .first_byte_ms = 15000, .first_token_ms = 15000, .idle_ms = 30000,
    .total_ms = 120000,
};

/* a and b serve the same model; c a fallback model with more context. */
static const struct tg_relay_candidate abc[] = {
    { .target = 0, .context_length = 8000, .p50_ttft_ms = 300 },
    { .target = 0, .context_length = 8000, .p50_ttft_ms = 300 },
    { .target = 1, .context_length = 200000, .p50_ttft_ms = 300 },
};

static struct tg_relay_fact fact_of(const struct step *s)
{
    struct tg_relay_fact f = { .event = s->event, .now_ms = s->at_ms,
                               .retry_after_ms = s->retry_after_ms };
    if (s->event == TG_EV_VERDICT)
        f.verdict = (enum tg_verdict)s->how;
    else
        f.outcome = (enum tg_outcome)s->how;
    return f;
}

enum who_asks { NOBODY_ASKS, POLICY_ASKS };

static void tell_story(const struct tg_relay_candidate *who, uint16_t count, bool stream,
                       enum who_asks asks, const struct step *steps, size_t n)
{
    struct tg_relay r;
    unsigned finishes = 0;

    tg_relay_init(&r, who, count, &usual, stream);
    r.asks_policy = asks == POLICY_ASKS;
    for (size_t i = 0; i < n; i++) {
        const struct step *s = &steps[i];
        char where[96];
        snprintf(where, sizeof where, "step %zu: %s at %llu ms", i, tg_relay_event_name(s->event),
                 (unsigned long long)s->at_ms);
        check_context = where;
        struct tg_relay_fact fact = fact_of(s);
        struct tg_relay_todo todo = tg_relay_on(&r, &fact);
        CHECK_INT(todo.what, s->want);
        CHECK_INT(r.state, s->state);
        if (s->want & TG_DO_CONNECT)
            CHECK_INT(todo.candidate, s->candidate);
        finishes += (todo.what & TG_DO_FINISH) != 0;
        if (r.state == TG_RELAY_OVER)
            CHECK_INT(todo.wake_at_ms, 0);
        else
            CHECK(todo.wake_at_ms != 0);
    }
    check_context = "";
    CHECK(finishes <= 1);
    CHECK((finishes == 1) == (r.state == TG_RELAY_OVER));
}

#define STORY_OF(who, n, stream, asks, ...)                                     \
    do {                                                                        \
        static const struct step steps[] = { __VA_ARGS__ };                     \
        tell_story(who, n, stream, asks, steps, sizeof steps / sizeof *steps);  \
    } while (0)
#define STREAM_OF(who, n, ...) STORY_OF(who, n, true, NOBODY_ASKS, __VA_ARGS__)
#define WHOLE_OF(who, n, ...)  STORY_OF(who, n, false, NOBODY_ASKS, __VA_ARGS__)
#define ASKING_STREAM_OF(who, n, ...) STORY_OF(who, n, true, POLICY_ASKS, __VA_ARGS__)
#define ASKING_OF(who, n, ...)        STORY_OF(who, n, false, POLICY_ASKS, __VA_ARGS__)

/* Single facts, where a story is told by a loop. */
static struct tg_relay_todo say(struct tg_relay *r, enum tg_relay_event event, uint64_t at_ms)
{
    return tg_relay_on(r, &(struct tg_relay_fact){ .event = event, .now_ms = at_ms,
                                                   .retry_after_ms = NONE });
}

static struct tg_relay_todo fail(struct tg_relay *r, uint64_t at_ms, enum tg_outcome outcome,
                                 int64_t retry_after_ms)
{
    return tg_relay_on(r, &(struct tg_relay_fact){ .event = TG_EV_UP_FAIL, .now_ms = at_ms,
                                                   .outcome = outcome,
                                                   .retry_after_ms = retry_after_ms });
}

static struct tg_relay_todo judge(struct tg_relay *r, uint64_t at_ms, enum tg_verdict verdict,
                                  int64_t retry_after_ms)
{
    return tg_relay_on(r, &(struct tg_relay_fact){ .event = TG_EV_VERDICT, .now_ms = at_ms,
                                                   .verdict = verdict,
                                                   .retry_after_ms = retry_after_ms });
}

/* The usual beginnings and ends, from the moment `t`. */
#define START(t)        { t, TG_EV_START, 0, NONE, TG_DO_CONNECT, TG_RELAY_TRYING, 0 }
#define CONNECTED(t)    { t, TG_EV_UP_CONNECTED, 0, NONE, 0, TG_RELAY_TRYING, NONE }
#define HEAD(t)         { t, TG_EV_UP_HEAD, 0, NONE, 0, TG_RELAY_HEADED, NONE }
#define CONTENT(t)      { t, TG_EV_UP_CONTENT, 0, NONE, TG_DO_SEND_HEAD | TG_DO_FORWARD, \
                          TG_RELAY_STREAMING, NONE }
#define DONE(t)         { t, TG_EV_UP_DONE, 0, NONE, TG_DO_RECORD | TG_DO_ENDING | TG_DO_FINISH, \
                          TG_RELAY_OVER, NONE }
#define FAILS_TO(t, how, retry, who) \
                        { t, TG_EV_UP_FAIL, how, retry, TG_DO_RECORD | TG_DO_CONNECT, \
                          TG_RELAY_TRYING, who }
#define FAILS_WAITS(t, how, retry) \
                        { t, TG_EV_UP_FAIL, how, retry, TG_DO_RECORD, TG_RELAY_WAITING, NONE }
#define FAILS_REPLY(t, how) \
                        { t, TG_EV_UP_FAIL, how, NONE, \
                          TG_DO_RECORD | TG_DO_ERROR_REPLY | TG_DO_FINISH, TG_RELAY_OVER, NONE }
#define FAILS_TOLD(t, how) \
                        { t, TG_EV_UP_FAIL, how, NONE, \
                          TG_DO_RECORD | TG_DO_ERROR_EVENT | TG_DO_FINISH, TG_RELAY_OVER, NONE }
/* The same where a policy is asked, and what it says. */
#define FAILS_ASKS(t, how) \
                        { t, TG_EV_UP_FAIL, how, NONE, TG_DO_RECORD | TG_DO_ASK_POLICY, \
                          TG_RELAY_DECIDING, NONE }
#define GIVES_UP_ASKS(t) { t, TG_EV_TICK, 0, NONE, \
                          TG_DO_CANCEL_UP | TG_DO_RECORD | TG_DO_ASK_POLICY, \
                          TG_RELAY_DECIDING, NONE }
#define SAYS_TO(t, verdict, who) \
                        { t, TG_EV_VERDICT, TG_VERDICT_##verdict, NONE, TG_DO_CONNECT, \
                          TG_RELAY_TRYING, who }
#define SAYS_WAITS(t, verdict, retry) \
                        { t, TG_EV_VERDICT, TG_VERDICT_##verdict, retry, 0, TG_RELAY_WAITING, NONE }
#define SAYS_REPLY(t, verdict) \
                        { t, TG_EV_VERDICT, TG_VERDICT_##verdict, NONE, \
                          TG_DO_ERROR_REPLY | TG_DO_FINISH, TG_RELAY_OVER, NONE }
#define SAYS_TOLD(t, verdict) \
                        { t, TG_EV_VERDICT, TG_VERDICT_##verdict, NONE, \
                          TG_DO_ERROR_EVENT | TG_DO_FINISH, TG_RELAY_OVER, NONE }
#define AGAIN(t, who)   { t, TG_EV_TICK, 0, NONE, TG_DO_CONNECT, TG_RELAY_TRYING, who }
#define GIVES_UP_TO(t, who) \
                        { t, TG_EV_TICK, 0, NONE, TG_DO_CANCEL_UP | TG_DO_RECORD | TG_DO_CONNECT, \
                          TG_RELAY_TRYING, who }
#define COMMENT(t, st)  { t, TG_EV_TICK, 0, NONE, TG_DO_KEEPALIVE, TG_RELAY_##st, NONE }
#define FIRST_COMMENT(t, st) \
                        { t, TG_EV_TICK, 0, NONE, TG_DO_SEND_HEAD | TG_DO_KEEPALIVE, \
                          TG_RELAY_##st, NONE }

TEST("S01 a 429 that asks for 2 s is tried again on the only endpoint, not before 2 s are over")
{
    WHOLE_OF(abc, 1, START(0), CONNECTED(1), FAILS_WAITS(10, TG_OUT_RATE_LIMITED, 2000),
             { 2009, TG_EV_TICK, 0, NONE, 0, TG_RELAY_WAITING, NONE },
             AGAIN(2010, 0), CONNECTED(2011), HEAD(2050), DONE(2060));
}

TEST("S02 a persistent 429 is tried three times in all, and then told")
{
    WHOLE_OF(abc, 1, START(0), CONNECTED(1), FAILS_WAITS(10, TG_OUT_RATE_LIMITED, NONE),
             AGAIN(510, 0), FAILS_WAITS(520, TG_OUT_RATE_LIMITED, NONE),
             AGAIN(1520, 0), FAILS_REPLY(1530, TG_OUT_RATE_LIMITED));
}

TEST("S03 a single 500 is answered by the next endpoint at once, or again by the only one")
{
    WHOLE_OF(abc, 2, START(0), CONNECTED(1), FAILS_TO(10, TG_OUT_SERVER_ERROR, NONE, 1),
             CONNECTED(11), HEAD(40), DONE(41));
    WHOLE_OF(abc, 1, START(0), CONNECTED(1), FAILS_WAITS(10, TG_OUT_SERVER_ERROR, NONE),
             AGAIN(210, 0), CONNECTED(211), HEAD(250), DONE(251));
}

TEST("S04 a 503 goes to the next endpoint at once")
{
    STREAM_OF(abc, 2, START(0), CONNECTED(1), FAILS_TO(10, TG_OUT_OVERLOADED, 60000, 1),
              CONNECTED(11), HEAD(40), CONTENT(60), DONE(90));
}

TEST("S05 a reset before the answer goes to the next endpoint at once")
{
    STREAM_OF(abc, 2, START(0), CONNECTED(1), FAILS_TO(2, TG_OUT_RESET, NONE, 1), CONNECTED(3),
              HEAD(40), CONTENT(60), DONE(90));
}

TEST("S06 a provider that stays silent is given up at first_byte, comments keep the client")
{
    STREAM_OF(abc, 2, START(0), CONNECTED(1), FIRST_COMMENT(2500, TRYING), COMMENT(5000, TRYING),
              COMMENT(7500, TRYING), COMMENT(10000, TRYING), COMMENT(12500, TRYING),
              COMMENT(15000, TRYING), GIVES_UP_TO(15001, 1), CONNECTED(15002), HEAD(15040),
              { 15060, TG_EV_UP_CONTENT, 0, NONE, TG_DO_FORWARD, TG_RELAY_STREAMING, NONE },
              DONE(15090));
}

TEST("S07 a head without a first token is given up at first_token")
{
    WHOLE_OF(abc, 2, START(0), CONNECTED(1), HEAD(5),
             { 29999, TG_EV_TICK, 0, NONE, 0, TG_RELAY_HEADED, NONE },
             GIVES_UP_TO(30005, 1));       /* not streamed: only idle counts */
    STREAM_OF(abc, 2, START(0), CONNECTED(1), HEAD(5), FIRST_COMMENT(2500, HEADED),
              { 14000, TG_EV_UP_BYTES, 0, NONE, 0, TG_RELAY_HEADED, NONE },   /* ": ping" */
              GIVES_UP_TO(15001, 1), CONNECTED(15002), HEAD(15003),
              { 15060, TG_EV_UP_CONTENT, 0, NONE, TG_DO_FORWARD, TG_RELAY_STREAMING, NONE },
              DONE(15090));
}

TEST("S08 a cut after content is told inside the stream and is never a success")
{
    STREAM_OF(abc, 2, START(0), CONNECTED(1), HEAD(5), CONTENT(10),
              FAILS_TOLD(50, TG_OUT_TRUNCATED));
}

TEST("S09 a stall after content ends at idle, told inside the stream")
{
    STREAM_OF(abc, 2, START(0), CONNECTED(1), HEAD(5), CONTENT(10),
              { 20, TG_EV_UP_BYTES, 0, NONE, 0, TG_RELAY_STREAMING, NONE },
              COMMENT(2520, STREAMING),
              { 30020, TG_EV_TICK, 0, NONE,
                TG_DO_CANCEL_UP | TG_DO_RECORD | TG_DO_ERROR_EVENT | TG_DO_FINISH,
                TG_RELAY_OVER, NONE });
}

TEST("S10 a malformed chunk fails over before content, and is told after it")
{
    STREAM_OF(abc, 2, START(0), CONNECTED(1), HEAD(5), FAILS_TO(10, TG_OUT_MALFORMED, NONE, 1),
              CONNECTED(11), HEAD(12), CONTENT(20), FAILS_TOLD(30, TG_OUT_MALFORMED));
}

TEST("S11 after a finish reason a missing [DONE] is waited for only 2 s")
{
    STREAM_OF(abc, 2, START(0), CONNECTED(1), HEAD(5), CONTENT(10),
              { 50, TG_EV_UP_FINISH, 0, NONE, 0, TG_RELAY_STREAMING, NONE },
              { 2050, TG_EV_TICK, 0, NONE,
                TG_DO_CANCEL_UP | TG_DO_RECORD | TG_DO_ENDING | TG_DO_FINISH,
                TG_RELAY_OVER, NONE });
}

TEST("S12 a context-length error asks once and goes to a larger model, past equal endpoints")
{
    WHOLE_OF(abc, 3, START(0), CONNECTED(1), FAILS_TO(10, TG_OUT_CONTEXT_LENGTH, NONE, 2),
             CONNECTED(11), HEAD(40), DONE(41));
    WHOLE_OF(abc, 2, START(0), CONNECTED(1), FAILS_REPLY(10, TG_OUT_CONTEXT_LENGTH));
}

TEST("S13 a content refusal is told, asks nobody of the same model and moves on to the next model")
{
    WHOLE_OF(abc, 2, START(0), CONNECTED(1), FAILS_REPLY(10, TG_OUT_CONTENT_POLICY));
    WHOLE_OF(abc, 3, START(0), CONNECTED(1), FAILS_TO(10, TG_OUT_CONTENT_POLICY, NONE, 2),
             CONNECTED(11), HEAD(40), DONE(41));
}

TEST("S14 a broken answer is not continued elsewhere: no second request, a clean error")
{
    STREAM_OF(abc, 3, START(0), CONNECTED(1), HEAD(5), CONTENT(10), FAILS_TOLD(20, TG_OUT_RESET),
              { 30, TG_EV_TICK, 0, NONE, 0, TG_RELAY_OVER, NONE });
}

TEST("S15 in an outage each request asks every endpoint, backs off and ends; none asks without end")
{
    WHOLE_OF(abc, 3, START(0), FAILS_TO(1, TG_OUT_CONNECT, NONE, 1),
             FAILS_TO(2, TG_OUT_CONNECT, NONE, 2), FAILS_WAITS(3, TG_OUT_CONNECT, NONE),
             AGAIN(203, 0), FAILS_WAITS(204, TG_OUT_CONNECT, NONE), AGAIN(604, 0),
             FAILS_REPLY(605, TG_OUT_CONNECT));
}

TEST("S16 the fallback model answers when every endpoint of the first failed")
{
    STREAM_OF(abc, 3, START(0), FAILS_TO(1, TG_OUT_SERVER_ERROR, NONE, 1),
              FAILS_TO(2, TG_OUT_SERVER_ERROR, NONE, 2), CONNECTED(3), HEAD(4), CONTENT(5), DONE(9));
}

TEST("R-01 whatever breaks after content, the end is an error event and never an ending")
{
    static const enum tg_outcome broken[] = {
        TG_OUT_RESET, TG_OUT_TRUNCATED, TG_OUT_MALFORMED, TG_OUT_TOO_BIG, TG_OUT_SERVER_ERROR,
        TG_OUT_RATE_LIMITED, TG_OUT_OVERLOADED, TG_OUT_CONTENT_POLICY, TG_OUT_OUR_FAULT,
    };
    for (size_t i = 0; i < sizeof broken / sizeof *broken; i++) {
        const struct step steps[] = { START(0), CONNECTED(1), HEAD(5), CONTENT(10),
                                      FAILS_TOLD(20, broken[i]) };
        tell_story(abc, 3, true, NOBODY_ASKS, steps, sizeof steps / sizeof *steps);
    }
}

TEST("R-08 a connection that does not come up is given up at connect")
{
    WHOLE_OF(abc, 2, START(0), { 2999, TG_EV_TICK, 0, NONE, 0, TG_RELAY_TRYING, NONE },
             GIVES_UP_TO(3000, 1));
}

TEST("R-08 an endless stream ends by total, with an error event")
{
    STREAM_OF(abc, 1, START(0), CONNECTED(1), HEAD(5), CONTENT(10),
              { 119990, TG_EV_UP_BYTES, 0, NONE, 0, TG_RELAY_STREAMING, NONE },
              { 120000, TG_EV_TICK, 0, NONE,
                TG_DO_CANCEL_UP | TG_DO_RECORD | TG_DO_ERROR_EVENT | TG_DO_FINISH,
                TG_RELAY_OVER, NONE });
}

TEST("R-29 no attempt begins that has less time than its endpoint usually takes")
{
    static const struct tg_relay_candidate slow[] = {
        { .target = 0, .p50_ttft_ms = 100 }, { .target = 0, .p50_ttft_ms = 110000 },
        { .target = 0, .p50_ttft_ms = 100 },
    };
    WHOLE_OF(slow, 3, START(0), CONNECTED(1), HEAD(2),
             FAILS_TO(20000, TG_OUT_RESET, NONE, 2), CONNECTED(20001), HEAD(20002), DONE(20003));
}

TEST("R-34 a client that leaves ends every state, and the provider is closed where one is asked")
{
    STREAM_OF(abc, 2, START(0),
              { 1, TG_EV_DOWN_GONE, 0, NONE, TG_DO_CANCEL_UP | TG_DO_RECORD | TG_DO_FINISH,
                TG_RELAY_OVER, NONE },
              { 2, TG_EV_UP_HEAD, 0, NONE, 0, TG_RELAY_OVER, NONE },
              { 3, TG_EV_DOWN_GONE, 0, NONE, 0, TG_RELAY_OVER, NONE });
    STREAM_OF(abc, 2, START(0), CONNECTED(1), HEAD(2), CONTENT(3),
              { 4, TG_EV_DOWN_GONE, 0, NONE, TG_DO_CANCEL_UP | TG_DO_RECORD | TG_DO_FINISH,
                TG_RELAY_OVER, NONE });
    WHOLE_OF(abc, 1, START(0), FAILS_WAITS(1, TG_OUT_RESET, NONE),
             { 2, TG_EV_DOWN_GONE, 0, NONE, TG_DO_FINISH, TG_RELAY_OVER, NONE });
}

TEST("a slow client pauses the provider and silence is then not the provider's")
{
    STREAM_OF(abc, 1, START(0), CONNECTED(1), HEAD(2), CONTENT(3),
              { 4, TG_EV_DOWN_FULL, 0, NONE, TG_DO_PAUSE_UP, TG_RELAY_STREAMING, NONE },
              { 5, TG_EV_DOWN_FULL, 0, NONE, 0, TG_RELAY_STREAMING, NONE },
              { 60000, TG_EV_TICK, 0, NONE, 0, TG_RELAY_STREAMING, NONE },
              { 60001, TG_EV_DOWN_DRAINED, 0, NONE, TG_DO_RESUME_UP, TG_RELAY_STREAMING, NONE },
              { 60002, TG_EV_DOWN_DRAINED, 0, NONE, 0, TG_RELAY_STREAMING, NONE },
              DONE(60010));
}

TEST("while nobody is asked a client that catches up sets no deadline for a provider")
{
    ASKING_OF(abc, 1, START(0), CONNECTED(1), FAILS_ASKS(10, TG_OUT_RATE_LIMITED),
              SAYS_WAITS(10, RETRY, 60000),
              { 20, TG_EV_DOWN_FULL, 0, NONE, TG_DO_PAUSE_UP, TG_RELAY_WAITING, NONE },
              { 30, TG_EV_DOWN_DRAINED, 0, NONE, TG_DO_RESUME_UP, TG_RELAY_WAITING, NONE },
              { 30030, TG_EV_TICK, 0, NONE, 0, TG_RELAY_WAITING, NONE }, AGAIN(60010, 0));
}

TEST("a request that is wrong is told at once and nobody else is asked")
{
    WHOLE_OF(abc, 3, START(0), CONNECTED(1), FAILS_REPLY(10, TG_OUT_BAD_REQUEST));
    WHOLE_OF(abc, 3, START(0), CONNECTED(1), FAILS_REPLY(10, TG_OUT_TOO_LARGE));
}

TEST("after the first comment an error of the last endpoint is told inside the stream")
{
    STREAM_OF(abc, 1, START(0), CONNECTED(1), FIRST_COMMENT(2500, TRYING),
              FAILS_TOLD(2600, TG_OUT_KEY_REFUSED));
}

TEST("a Retry-After longer than the gateway waits is told at once")
{
    WHOLE_OF(abc, 1, START(0), CONNECTED(1),
             { 10, TG_EV_UP_FAIL, TG_OUT_RATE_LIMITED, 30000,
               TG_DO_RECORD | TG_DO_ERROR_REPLY | TG_DO_FINISH, TG_RELAY_OVER, NONE });
}

TEST("of several 429s the endpoint that is ready first is asked again")
{
    WHOLE_OF(abc, 2, START(0), FAILS_TO(10, TG_OUT_RATE_LIMITED, 1000, 1),
             FAILS_WAITS(20, TG_OUT_RATE_LIMITED, 2500), AGAIN(1010, 0), CONNECTED(1011),
             HEAD(1012), DONE(1013));
}

TEST("all 429s together tell the smallest Retry-After")
{
    struct tg_relay r;

    tg_relay_init(&r, abc, 2, &usual, false);
    say(&r, TG_EV_START, 0);
    fail(&r, 1, TG_OUT_RATE_LIMITED, 20000);
    fail(&r, 2, TG_OUT_RATE_LIMITED, 7000);
    CHECK_INT(r.state, TG_RELAY_OVER);
    CHECK(r.all_rate_limited);
    CHECK_INT(r.retry_after_ms, 7000);
}

/* ---- what a policy says ---- */

TEST("a policy is asked about a failure before anything follows from it")
{
    ASKING_OF(abc, 2, START(0), CONNECTED(1), FAILS_ASKS(10, TG_OUT_SERVER_ERROR),
              SAYS_TO(11, NONE, 1), CONNECTED(12), HEAD(40), DONE(41));
    ASKING_STREAM_OF(abc, 2, START(0), CONNECTED(1), HEAD(5), FAILS_ASKS(10, TG_OUT_TRUNCATED),
                     SAYS_TO(11, NONE, 1), CONNECTED(12), HEAD(40), CONTENT(41), DONE(42));
}

TEST("a policy is asked about every time-out of an attempt")
{
    ASKING_OF(abc, 2, START(0), GIVES_UP_ASKS(3000), SAYS_TO(3000, NONE, 1));
    ASKING_OF(abc, 2, START(0), CONNECTED(1), GIVES_UP_ASKS(15001), SAYS_TO(15001, NONE, 1));
    ASKING_OF(abc, 2, START(0), CONNECTED(1), HEAD(5), GIVES_UP_ASKS(30005),
              SAYS_TO(30005, NONE, 1));
    ASKING_STREAM_OF(abc, 2, START(0), CONNECTED(1), HEAD(5), FIRST_COMMENT(2500, HEADED),
                     GIVES_UP_ASKS(15001), SAYS_TO(15001, NONE, 1));
}

TEST("next asks the next endpoint, whatever the failure would have led to")
{
    static const enum tg_outcome failures[] = {
        TG_OUT_BAD_REQUEST, TG_OUT_TOO_LARGE, TG_OUT_CONTENT_POLICY, TG_OUT_CONTEXT_LENGTH,
        TG_OUT_RATE_LIMITED, TG_OUT_SERVER_ERROR, TG_OUT_KEY_REFUSED, TG_OUT_RESET,
    };
    for (size_t i = 0; i < sizeof failures / sizeof *failures; i++) {
        const struct step steps[] = { START(0), CONNECTED(1), FAILS_ASKS(10, failures[i]),
                                      SAYS_TO(10, NEXT, 1), CONNECTED(11),
                                      FAILS_ASKS(20, failures[i]), SAYS_TO(20, NEXT, 2),
                                      CONNECTED(21), HEAD(22), DONE(23) };
        tell_story(abc, 3, false, POLICY_ASKS, steps, sizeof steps / sizeof *steps);
    }
}

TEST("next with nobody left is told, or waits as it would without a policy")
{
    ASKING_OF(abc, 1, START(0), CONNECTED(1), FAILS_ASKS(10, TG_OUT_BAD_REQUEST),
              SAYS_REPLY(10, NEXT));
    ASKING_OF(abc, 1, START(0), CONNECTED(1), FAILS_ASKS(10, TG_OUT_KEY_REFUSED),
              SAYS_REPLY(10, NEXT));
    ASKING_OF(abc, 1, START(0), CONNECTED(1), FAILS_ASKS(10, TG_OUT_SERVER_ERROR),
              SAYS_WAITS(10, NEXT, NONE), AGAIN(210, 0), CONNECTED(211), HEAD(212), DONE(213));
}

TEST("next does not go to an endpoint that there is no time for")
{
    static const struct tg_relay_candidate slow[] = {
        { .target = 0, .p50_ttft_ms = 100 }, { .target = 0, .p50_ttft_ms = 110000 },
        { .target = 0, .p50_ttft_ms = 100 },
    };
    ASKING_OF(slow, 3, START(0), CONNECTED(1), HEAD(2), FAILS_ASKS(20000, TG_OUT_BAD_REQUEST),
              SAYS_TO(20000, NEXT, 2));
}

TEST("stop tells the client at once, though others are left")
{
    ASKING_OF(abc, 3, START(0), CONNECTED(1), FAILS_ASKS(10, TG_OUT_SERVER_ERROR),
              SAYS_REPLY(10, STOP));
    ASKING_OF(abc, 3, START(0), FAILS_ASKS(10, TG_OUT_CONNECT), SAYS_REPLY(10, STOP));
    ASKING_STREAM_OF(abc, 3, START(0), CONNECTED(1), FIRST_COMMENT(2500, TRYING),
                     FAILS_ASKS(2600, TG_OUT_OVERLOADED), SAYS_TOLD(2600, STOP));
}

TEST("what is told after stop is how the attempt ended")
{
    struct tg_relay r;

    tg_relay_init(&r, abc, 3, &usual, false);
    r.asks_policy = true;
    say(&r, TG_EV_START, 0);
    struct tg_relay_todo todo = fail(&r, 10, TG_OUT_OVERLOADED, NONE);
    CHECK_INT(todo.outcome, TG_OUT_OVERLOADED);
    todo = judge(&r, 10, TG_VERDICT_STOP, NONE);
    CHECK_INT(todo.outcome, TG_OUT_OVERLOADED);
    CHECK_INT(r.last, TG_OUT_OVERLOADED);
}

TEST("retry asks the same endpoint again after a wait, though others are left")
{
    ASKING_OF(abc, 3, START(0), CONNECTED(1), FAILS_ASKS(10, TG_OUT_BAD_REQUEST),
              SAYS_WAITS(10, RETRY, NONE), { 109, TG_EV_TICK, 0, NONE, 0, TG_RELAY_WAITING, NONE },
              AGAIN(110, 0), CONNECTED(111), HEAD(112), DONE(113));
    ASKING_STREAM_OF(abc, 3, START(0), CONNECTED(1), FAILS_ASKS(2450, TG_OUT_RATE_LIMITED),
                     SAYS_WAITS(2450, RETRY, NONE), FIRST_COMMENT(2500, WAITING), AGAIN(2550, 0),
                     CONNECTED(2551), HEAD(2552),
                     { 2553, TG_EV_UP_CONTENT, 0, NONE, TG_DO_FORWARD, TG_RELAY_STREAMING, NONE },
                     DONE(2600));
}

/* Fail and be told to retry, from the moment *now on; how long it waits, -1
 * when it does not. */
static int64_t wait_of_retry(struct tg_relay *r, uint64_t *now, int64_t retry_after_ms)
{
    struct tg_relay_todo todo = fail(r, *now, TG_OUT_SERVER_ERROR, retry_after_ms);

    CHECK_INT(todo.what, TG_DO_RECORD | TG_DO_ASK_POLICY);
    todo = judge(r, *now, TG_VERDICT_RETRY, retry_after_ms);
    if (r->state != TG_RELAY_WAITING)
        return -1;
    CHECK_INT(todo.what, 0);
    uint64_t waited = todo.wake_at_ms - *now;
    *now = todo.wake_at_ms;
    todo = say(r, TG_EV_TICK, *now);
    CHECK_INT(todo.what, TG_DO_CONNECT);
    return (int64_t)waited;
}

TEST("each retry waits twice as long as the one before, up to a second; twelve attempts are all")
{
    static const int64_t waits[] = { 100, 200, 400, 800, 1000, 1000, 1000, 1000, 1000, 1000, 1000 };
    struct tg_relay r;
    uint64_t now = 5;

    tg_relay_init(&r, abc, 1, &usual, false);
    r.asks_policy = true;
    say(&r, TG_EV_START, 0);
    for (size_t i = 0; i < sizeof waits / sizeof *waits; i++) {
        CHECK_INT(wait_of_retry(&r, &now, NONE), waits[i]);
        CHECK_INT(r.current, 0);
    }
    CHECK_INT(r.attempts, TG_RELAY_POLICY_ATTEMPTS);
    CHECK_INT(fail(&r, now, TG_OUT_SERVER_ERROR, NONE).what, TG_DO_RECORD | TG_DO_ASK_POLICY);
    CHECK_INT(judge(&r, now, TG_VERDICT_RETRY, NONE).what, TG_DO_ERROR_REPLY | TG_DO_FINISH);
    CHECK_INT(r.attempts, TG_RELAY_POLICY_ATTEMPTS);
}

TEST("the first retry waits shortest, however many were asked before")
{
    struct tg_relay r;
    uint64_t now = 5;

    tg_relay_init(&r, abc, 3, &usual, false);
    r.asks_policy = true;
    say(&r, TG_EV_START, 0);
    for (int i = 0; i < 2; i++) {
        fail(&r, now, TG_OUT_SERVER_ERROR, NONE);
        CHECK_INT(judge(&r, now, TG_VERDICT_NEXT, NONE).what, TG_DO_CONNECT);
    }
    CHECK_INT(wait_of_retry(&r, &now, NONE), 100);
    CHECK_INT(r.current, 2);
    CHECK_INT(wait_of_retry(&r, &now, NONE), 200);
}

TEST("after twelve attempts retry goes on to the others, each once, and then the client is told")
{
    struct tg_relay r;
    uint64_t now = 5;

    tg_relay_init(&r, abc, 3, &usual, false);
    r.asks_policy = true;
    say(&r, TG_EV_START, 0);
    while (r.attempts < TG_RELAY_POLICY_ATTEMPTS)
        CHECK(wait_of_retry(&r, &now, NONE) > 0);
    for (uint16_t other = 1; other < 3; other++) {
        fail(&r, now, TG_OUT_BAD_REQUEST, NONE);
        struct tg_relay_todo todo = judge(&r, now, TG_VERDICT_RETRY, NONE);
        CHECK_INT(todo.what, TG_DO_CONNECT);
        CHECK_INT(todo.candidate, other);
    }
    fail(&r, now, TG_OUT_SERVER_ERROR, NONE);
    CHECK_INT(judge(&r, now, TG_VERDICT_RETRY, NONE).what, TG_DO_ERROR_REPLY | TG_DO_FINISH);
    CHECK_INT(r.attempts, TG_RELAY_POLICY_ATTEMPTS + 2);
}

TEST("a retry is not before the time that the provider asked for, nor sooner than its own")
{
    static const struct { int64_t retry_after_ms, waits; } cases[] = {
        { NONE, 100 }, { 0, 100 }, { 50, 100 }, { 100, 100 }, { 101, 101 }, { 2500, 2500 },
        { 60000, 60000 },
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct tg_relay r;
        uint64_t now = 5;
        tg_relay_init(&r, abc, 2, &usual, false);
        r.asks_policy = true;
        say(&r, TG_EV_START, 0);
        CHECK_INT(wait_of_retry(&r, &now, cases[i].retry_after_ms), cases[i].waits);
    }
}

TEST("a retry that the deadline would cut off is not waited for: the client is told at once")
{
    ASKING_OF(abc, 2, START(0), CONNECTED(1), HEAD(2), FAILS_ASKS(119950, TG_OUT_RESET),
              SAYS_REPLY(119950, RETRY));
    ASKING_OF(abc, 2, START(0), CONNECTED(1), FAILS_ASKS(10, TG_OUT_RATE_LIMITED),
              { 10, TG_EV_VERDICT, TG_VERDICT_RETRY, 120000, TG_DO_ERROR_REPLY | TG_DO_FINISH,
                TG_RELAY_OVER, NONE });
}

TEST("without a deadline a policy's retries end all the same")
{
    static const struct tg_relay_limits none;
    struct tg_relay r;
    uint64_t now = 5;

    tg_relay_init(&r, abc, 1, &none, false);
    r.asks_policy = true;
    say(&r, TG_EV_START, 0);
    while (wait_of_retry(&r, &now, 3600 * 1000) >= 0)
        CHECK(r.attempts <= TG_RELAY_POLICY_ATTEMPTS);
    CHECK_INT(r.state, TG_RELAY_OVER);
    CHECK_INT(r.attempts, TG_RELAY_POLICY_ATTEMPTS);
}

TEST("the total time-out ends an attempt, a wait or a question, and the policy is not asked")
{
#define TOO_LATE(t) { t, TG_EV_TICK, 0, NONE, TG_DO_ERROR_REPLY | TG_DO_FINISH, TG_RELAY_OVER, NONE }
    ASKING_OF(abc, 2, START(0), CONNECTED(1), HEAD(2),
              { 29000, TG_EV_UP_BYTES, 0, NONE, 0, TG_RELAY_HEADED, NONE },
              { 58000, TG_EV_UP_BYTES, 0, NONE, 0, TG_RELAY_HEADED, NONE },
              { 87000, TG_EV_UP_BYTES, 0, NONE, 0, TG_RELAY_HEADED, NONE },
              { 116000, TG_EV_UP_BYTES, 0, NONE, 0, TG_RELAY_HEADED, NONE },
              { 120000, TG_EV_TICK, 0, NONE,
                TG_DO_CANCEL_UP | TG_DO_RECORD | TG_DO_ERROR_REPLY | TG_DO_FINISH,
                TG_RELAY_OVER, NONE });
    ASKING_OF(abc, 2, START(0), CONNECTED(1), FAILS_ASKS(10, TG_OUT_RESET),
              SAYS_WAITS(10, RETRY, 110000), TOO_LATE(120000));
    ASKING_OF(abc, 2, START(0), CONNECTED(1), FAILS_ASKS(10, TG_OUT_RESET),
              TOO_LATE(120000),
              { 120001, TG_EV_VERDICT, TG_VERDICT_NEXT, NONE, 0, TG_RELAY_OVER, NONE });
#undef TOO_LATE
}

TEST("once content went to the client the policy is not asked any more")
{
    static const enum tg_outcome broken[] = { TG_OUT_RESET, TG_OUT_TRUNCATED, TG_OUT_MALFORMED,
                                              TG_OUT_RATE_LIMITED, TG_OUT_BAD_REQUEST };
    for (size_t i = 0; i < sizeof broken / sizeof *broken; i++) {
        const struct step steps[] = { START(0), CONNECTED(1), HEAD(5), CONTENT(10),
                                      FAILS_TOLD(20, broken[i]) };
        tell_story(abc, 3, true, POLICY_ASKS, steps, sizeof steps / sizeof *steps);
    }
    ASKING_STREAM_OF(abc, 2, START(0), CONNECTED(1), HEAD(5), CONTENT(10),
                     { 30020, TG_EV_TICK, 0, NONE,
                       TG_DO_CANCEL_UP | TG_DO_RECORD | TG_DO_ERROR_EVENT | TG_DO_FINISH,
                       TG_RELAY_OVER, NONE });
}

TEST("a client that leaves while the policy is asked, or its retry is waited for, ends it")
{
    ASKING_OF(abc, 2, START(0), CONNECTED(1), FAILS_ASKS(10, TG_OUT_RESET),
              { 11, TG_EV_DOWN_GONE, 0, NONE, TG_DO_FINISH, TG_RELAY_OVER, NONE },
              { 12, TG_EV_VERDICT, TG_VERDICT_NEXT, NONE, 0, TG_RELAY_OVER, NONE });
    ASKING_OF(abc, 2, START(0), CONNECTED(1), FAILS_ASKS(10, TG_OUT_RESET),
              SAYS_WAITS(10, RETRY, NONE),
              { 11, TG_EV_DOWN_GONE, 0, NONE, TG_DO_FINISH, TG_RELAY_OVER, NONE },
              { 110, TG_EV_TICK, 0, NONE, 0, TG_RELAY_OVER, NONE });
}

TEST("while the policy is asked late facts about the provider are dropped, and comments go on")
{
    ASKING_STREAM_OF(abc, 2, START(0), CONNECTED(1), HEAD(2), FAILS_ASKS(10, TG_OUT_RESET),
                     { 11, TG_EV_UP_CONNECTED, 0, NONE, 0, TG_RELAY_DECIDING, NONE },
                     { 11, TG_EV_UP_HEAD, 0, NONE, 0, TG_RELAY_DECIDING, NONE },
                     { 11, TG_EV_UP_BYTES, 0, NONE, 0, TG_RELAY_DECIDING, NONE },
                     { 11, TG_EV_UP_CONTENT, 0, NONE, 0, TG_RELAY_DECIDING, NONE },
                     { 11, TG_EV_UP_FINISH, 0, NONE, 0, TG_RELAY_DECIDING, NONE },
                     { 11, TG_EV_UP_DONE, 0, NONE, 0, TG_RELAY_DECIDING, NONE },
                     { 11, TG_EV_UP_FAIL, TG_OUT_RESET, NONE, 0, TG_RELAY_DECIDING, NONE },
                     FIRST_COMMENT(2500, DECIDING), COMMENT(5000, DECIDING),
                     SAYS_TO(5001, NEXT, 1));
}

TEST("a verdict that nobody asked for is dropped in every state")
{
#define UNASKED(t, st) \
    { t, TG_EV_VERDICT, TG_VERDICT_NEXT, NONE, 0, TG_RELAY_##st, NONE }, \
    { t, TG_EV_VERDICT, TG_VERDICT_RETRY, 5, 0, TG_RELAY_##st, NONE }, \
    { t, TG_EV_VERDICT, TG_VERDICT_STOP, NONE, 0, TG_RELAY_##st, NONE }, \
    { t, TG_EV_VERDICT, TG_VERDICT_NONE, NONE, 0, TG_RELAY_##st, NONE }
    ASKING_STREAM_OF(abc, 2, START(0), UNASKED(0, TRYING), CONNECTED(1), HEAD(2),
                     UNASKED(3, HEADED), FAILS_ASKS(10, TG_OUT_RESET), SAYS_WAITS(10, RETRY, NONE),
                     UNASKED(11, WAITING), AGAIN(110, 0), CONNECTED(111), HEAD(112), CONTENT(113),
                     UNASKED(114, STREAMING), DONE(115), UNASKED(116, OVER));
#undef UNASKED
}

/* ---- any order of facts ---- */

static uint64_t random_seed = 1;

static unsigned pick_any(void)
{
    random_seed = random_seed * 6364136223846793005u + 1442695040888963407u;
    return (unsigned)(random_seed >> 33);
}

/* Any fact, at a time that may be the one that was asked for. */
static struct tg_relay_fact any_fact(const struct tg_relay_todo *last, uint64_t now)
{
    unsigned pick = pick_any(), more = pick_any();

    return (struct tg_relay_fact){
        .event = 1 + pick % TG_EV_DOWN_GONE,
        .now_ms = pick % 7 == 0 && last->wake_at_ms ? last->wake_at_ms : now + pick % 50,
        .outcome = 1 + pick / 16 % (TG_OUTS - 1),
        .verdict = more % (TG_VERDICT_STOP + 1),
        .retry_after_ms = more % 9 ? (int)(pick % 3000) - 1 : (int)(pick % 100000),
    };
}

/* Any order of facts, also impossible ones, from outside: no assertion, one
 * FINISH, nothing after it, and never more attempts than the limit. */
TEST("no sequence of facts from outside breaks the relay")
{
    for (int run = 0; run < 40000; run++) {
        struct tg_relay r;
        unsigned finishes = 0;
        uint64_t now = 1;

        tg_relay_init(&r, abc, 3, &usual, run & 1);
        r.asks_policy = run & 2;
        struct tg_relay_todo todo = say(&r, TG_EV_START, now);
        for (int i = 0; i < 60; i++) {
            struct tg_relay_fact fact = any_fact(&todo, now);
            now = fact.now_ms;
            bool before = r.state == TG_RELAY_OVER;
            todo = tg_relay_on(&r, &fact);
            if (before && !CHECK(todo.what == 0))
                return;
            bool asks = todo.what & TG_DO_ASK_POLICY;
            if (asks && (!CHECK(r.asks_policy) || !CHECK_INT(r.state, TG_RELAY_DECIDING)))
                return;
            finishes += (todo.what & TG_DO_FINISH) != 0;
        }
        if (!CHECK(finishes <= 1) || !CHECK(r.attempts <= TG_RELAY_ATTEMPTS_MAX))
            return;
    }
}

/* Whoever says nothing changes nothing: two relays that hear the same. */
TEST("a policy without a verdict is as no policy, whatever happens")
{
    for (int run = 0; run < 20000; run++) {
        struct tg_relay plain, asking;
        uint64_t now = 1;

        tg_relay_init(&plain, abc, 3, &usual, run & 1);
        tg_relay_init(&asking, abc, 3, &usual, run & 1);
        asking.asks_policy = true;
        struct tg_relay_todo want = say(&plain, TG_EV_START, now);
        say(&asking, TG_EV_START, now);
        for (int i = 0; i < 40; i++) {
            struct tg_relay_fact fact = any_fact(&want, now);
            now = fact.now_ms;
            want = tg_relay_on(&plain, &fact);
            struct tg_relay_todo got = tg_relay_on(&asking, &fact);
            if (got.what & TG_DO_ASK_POLICY) {
                bool failed = fact.event == TG_EV_UP_FAIL;
                unsigned done = got.what & ~(unsigned)TG_DO_ASK_POLICY;
                got = judge(&asking, now, TG_VERDICT_NONE, failed ? fact.retry_after_ms : NONE);
                got.what |= done;
            }
            if (!CHECK_INT(got.what, want.what) || !CHECK_INT(asking.state, plain.state)
                || !CHECK_INT(got.wake_at_ms, want.wake_at_ms)
                || !CHECK_INT(got.candidate, want.candidate)
                || !CHECK_INT(asking.last, plain.last))
                return;
        }
    }
}

TEST_MAIN
