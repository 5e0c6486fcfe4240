/* What an attempt's end means: the table, and how statuses and words lead to it. */
#include "check.h"

#include "flow/outcome.h"

static enum tg_outcome of(int status, const char *body)
{
    struct tg_told told = { 0 };
    CHECK(tg_told_read(&told, tg_str_of(body)) == TG_OK);
    enum tg_outcome o = tg_outcome_of_status(status, &told);
    tg_told_done(&told);
    return o;
}

TEST("every outcome has a name, a next step, and words for the client when it was the last")
{
    for (int o = TG_OUT_OK; o < TG_OUTS; o++) {
        const struct tg_outcome_rule *r = tg_outcome_rule(o);
        char where[32];
        snprintf(where, sizeof where, "outcome %d", o);
        check_context = where;
        if (!CHECK(r->name != NULL))
            continue;
        CHECK((o == TG_OUT_OK || o == TG_OUT_CLIENT_GONE) == (r->fault == TG_FAULT_NONE));
        for (int other = 0; other < o; other++)
            CHECK(strcmp(r->name, tg_outcome_rule(other)->name) != 0);
    }
}

TEST("what is the request's own fault is nobody's outage, and 429 is a thing of its own")
{
    static const enum tg_outcome own[] = { TG_OUT_CONTEXT_LENGTH, TG_OUT_CONTENT_POLICY,
                                           TG_OUT_TOO_LARGE, TG_OUT_BAD_REQUEST };
    for (size_t i = 0; i < sizeof own / sizeof *own; i++)
        CHECK_INT(tg_outcome_rule(own[i])->health, TG_HEALTH_NEUTRAL);
    CHECK_INT(tg_outcome_rule(TG_OUT_RATE_LIMITED)->health, TG_HEALTH_RATE_LIMITED);
    CHECK_INT(tg_outcome_rule(TG_OUT_CLIENT_GONE)->health, TG_HEALTH_NEUTRAL);
}

TEST("a provider's refusal of the gateway's key is never told as the client's 401")
{
    CHECK_INT(of(401, "{\"error\":{\"message\":\"Incorrect API key\"}}"), TG_OUT_KEY_REFUSED);
    CHECK(tg_outcome_rule(TG_OUT_KEY_REFUSED)->fault == TG_FAULT_PROVIDER_UNAVAILABLE);
    CHECK(!tg_outcome_rule(TG_OUT_KEY_REFUSED)->told);
}

TEST("statuses and words lead to outcomes")
{
    static const struct { int status; const char *body; enum tg_outcome outcome; } cases[] = {
        { 301, "", TG_OUT_REDIRECT }, { 302, "", TG_OUT_REDIRECT },
        { 400, "{\"error\":{\"message\":\"bad\"}}", TG_OUT_BAD_REQUEST },
        { 400, "{\"error\":{\"message\":\"This model's maximum context length is 8192 tokens\","
               "\"code\":\"context_length_exceeded\"}}", TG_OUT_CONTEXT_LENGTH },
        { 400, "{\"error\":{\"code\":400,\"message\":\"the request exceeds the available context size\","
               "\"type\":\"exceed_context_size_error\"}}", TG_OUT_CONTEXT_LENGTH },
        { 400, "{\"error\":{\"code\":\"content_filter\",\"message\":\"The response was filtered\"}}",
          TG_OUT_CONTENT_POLICY },
        { 402, "", TG_OUT_NO_CREDIT }, { 403, "{\"error\":\"no\"}", TG_OUT_KEY_REFUSED },
        { 403, "{\"error\":{\"message\":\"Content violates usage guidelines\"}}", TG_OUT_CONTENT_POLICY },
        { 404, "", TG_OUT_NOT_FOUND }, { 405, "", TG_OUT_NOT_FOUND }, { 408, "", TG_OUT_REQUEST_TIMEOUT },
        { 409, "", TG_OUT_CONFLICT }, { 413, "", TG_OUT_TOO_LARGE },
        { 413, "{\"error\":{\"message\":\"Request too large\",\"code\":\"rate_limit_exceeded\"}}",
          TG_OUT_RATE_LIMITED },
        { 418, "", TG_OUT_BAD_REQUEST }, { 422, "{\"detail\":\"no\"}", TG_OUT_BAD_REQUEST },
        { 429, "", TG_OUT_RATE_LIMITED }, { 498, "", TG_OUT_CONFLICT }, { 500, "", TG_OUT_SERVER_ERROR },
        { 501, "", TG_OUT_NOT_FOUND }, { 502, "", TG_OUT_SERVER_ERROR }, { 503, "", TG_OUT_OVERLOADED },
        { 504, "", TG_OUT_REQUEST_TIMEOUT }, { 520, "", TG_OUT_SERVER_ERROR },
        { 524, "", TG_OUT_REQUEST_TIMEOUT }, { 529, "", TG_OUT_OVERLOADED },
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        char where[64];
        snprintf(where, sizeof where, "%d %.40s", cases[i].status, cases[i].body);
        check_context = where;
        CHECK_INT(of(cases[i].status, cases[i].body), cases[i].outcome);
    }
}

TEST("R-33 an error told inside a 200 is sorted by its code, else by its words")
{
    static const struct { const char *body; enum tg_outcome outcome; } cases[] = {
        { "{\"error\":{\"code\":502,\"message\":\"Bad gateway\"}}", TG_OUT_SERVER_ERROR },
        { "{\"error\":{\"code\":429,\"message\":\"slow down\"}}", TG_OUT_RATE_LIMITED },
        { "{\"error\":{\"type\":\"overloaded_error\",\"message\":\"Overloaded\"}}", TG_OUT_OVERLOADED },
        { "{\"error\":{\"type\":\"rate_limit_error\",\"message\":\"x\"}}", TG_OUT_RATE_LIMITED },
        { "{\"error\":{\"message\":\"something broke\"}}", TG_OUT_SERVER_ERROR },
        { "{\"error\":{\"code\":\"context_length_exceeded\",\"message\":\"long\"}}", TG_OUT_CONTEXT_LENGTH },
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct tg_told told = { 0 };
        check_context = cases[i].body;
        CHECK(tg_told_read(&told, tg_str_of(cases[i].body)) == TG_OK);
        CHECK_INT(tg_outcome_of_told(&told), cases[i].outcome);
        tg_told_done(&told);
    }
}

TEST("a connection that breaks is a reset before the head and a cut answer behind it")
{
    CHECK_INT(tg_outcome_of_err(TG_EPEER, false), TG_OUT_RESET);
    CHECK_INT(tg_outcome_of_err(TG_EPEER, true), TG_OUT_TRUNCATED);
    CHECK_INT(tg_outcome_of_err(TG_ECONNECT, false), TG_OUT_CONNECT);
    CHECK_INT(tg_outcome_of_err(TG_ETLS, false), TG_OUT_TLS);
    CHECK_INT(tg_outcome_of_err(TG_ETOOBIG, true), TG_OUT_TOO_BIG);
    CHECK_INT(tg_outcome_of_err(TG_EINVAL, true), TG_OUT_MALFORMED);
}

TEST_MAIN
