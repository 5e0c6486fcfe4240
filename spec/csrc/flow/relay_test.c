/* The relay, told as stories in virtual time: what happened when, what is to be
 * done, where we are now. The sixteen scenarios of the public failover
 * catalogue come first (S01 to S16), then the rest of the rules. */
#include "check.h"

#include "flow/relay.h"

enum { NONE = -1 };

struct step {
    uint64_t at_ms;
    enum tg_relay_event event;
    enum tg_outcome outcome;       /* UP_FAIL */
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

static void tell_story(const struct tg_relay_candidate *who, uint16_t count, bool stream,
                       const struct step *steps, size_t n)
{
    struct tg_relay r;
    unsigned finishes = 0;

    tg_relay_init(&r, who, count, &usual, stream);
    for (size_t i = 0; i < n; i++) {
        const struct step *s = &steps[i];
        char where[96];
        snprintf(where, sizeof where, "step %zu: %s at %llu ms", i, tg_relay_event_name(s->event),
                 (unsigned long long)s->at_ms);
        check_context = where;
        struct tg_relay_todo todo = tg_relay_on(&r, &(struct tg_relay_fact){
            .event = s->event, .now_ms = s->at_ms, .outcome = s->outcome,
            .retry_after_ms = s->retry_after_ms });
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

#define STREAM_OF(who, n, ...)                                                   \
    do {                                                                        \
        static const struct step steps[] = { __VA_ARGS__ };                     \
        tell_story(who, n, true, steps, sizeof steps / sizeof *steps);          \
    } while (0)
#define WHOLE_OF(who, n, ...)                                                    \
    do {                                                                        \
        static const struct step steps[] = { __VA_ARGS__ };                     \
        tell_story(who, n, false, steps, sizeof steps / sizeof *steps);         \
    } while (0)

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
        tell_story(abc, 3, true, steps, sizeof steps / sizeof *steps);
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
    tg_relay_on(&r, &(struct tg_relay_fact){ TG_EV_START, 0, 0, NONE });
    tg_relay_on(&r, &(struct tg_relay_fact){ TG_EV_UP_FAIL, 1, TG_OUT_RATE_LIMITED, 20000 });
    tg_relay_on(&r, &(struct tg_relay_fact){ TG_EV_UP_FAIL, 2, TG_OUT_RATE_LIMITED, 7000 });
    CHECK_INT(r.state, TG_RELAY_OVER);
    CHECK(r.all_rate_limited);
    CHECK_INT(r.retry_after_ms, 7000);
}

/* Any order of facts, also impossible ones, from outside: no assertion, one
 * FINISH, nothing after it, and never more attempts than the limit. */
TEST("no sequence of facts from outside breaks the relay")
{
    uint64_t seed = 1;

    for (int run = 0; run < 20000; run++) {
        struct tg_relay r;
        unsigned finishes = 0;
        uint64_t now = 1;

        tg_relay_init(&r, abc, 3, &usual, run & 1);
        struct tg_relay_todo todo =
            tg_relay_on(&r, &(struct tg_relay_fact){ .event = TG_EV_START, .now_ms = now });
        for (int i = 0; i < 60; i++) {
            seed = seed * 6364136223846793005u + 1442695040888963407u;
            unsigned pick = (unsigned)(seed >> 33);
            now = pick % 7 == 0 && todo.wake_at_ms ? todo.wake_at_ms : now + pick % 50;
            bool before = r.state == TG_RELAY_OVER;
            todo = tg_relay_on(&r, &(struct tg_relay_fact){
                .event = 1 + pick % TG_EV_DOWN_GONE, .now_ms = now,
                .outcome = 1 + pick / 16 % (TG_OUTS - 1), .retry_after_ms = (int)(pick % 3000) - 1 });
            if (before && !CHECK(todo.what == 0))
                return;
            finishes += (todo.what & TG_DO_FINISH) != 0;
        }
        if (!CHECK(finishes <= 1) || !CHECK(r.attempts <= TG_RELAY_ATTEMPTS_MAX))
            return;
    }
}

TEST_MAIN
