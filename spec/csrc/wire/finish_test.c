#include "check.h"

#include "wire/finish.h"

TEST("every provider's word means one of the contract's five")
{
    static const struct {
        const char *word, *means;
    } rows[] = {
        { "stop", "stop" }, { "STOP", "stop" }, { "end_turn", "stop" }, { "eos", "stop" },
        { "COMPLETE", "stop" }, { "stop_sequence", "stop" }, { "completed", "stop" },
        { "length", "length" }, { "max_tokens", "length" }, { "MAX_TOKENS", "length" },
        { "model_length", "length" }, { "model_context_window_exceeded", "length" },
        { "tool_calls", "tool_calls" }, { "tool_call", "tool_calls" }, { "tool_use", "tool_calls" },
        { "TOOL_CALL", "tool_calls" }, { "function_call", "tool_calls" },
        { "content_filter", "content_filter" }, { "SAFETY", "content_filter" },
        { "RECITATION", "content_filter" }, { "MODEL_ARMOR", "content_filter" },
        { "refusal", "content_filter" }, { "BLOCKLIST", "content_filter" },
        { "PROHIBITED_CONTENT", "content_filter" }, { "sensitive", "content_filter" },
        { "guardrail_intervened", "content_filter" },
        { "MALFORMED_FUNCTION_CALL", "error" }, { "UNEXPECTED_TOOL_CALL", "error" },
        { "network_error", "error" }, { "error", "error" }, { "abort", "error" },
        { "failed", "error" }, { "cancelled", "error" }, { "insufficient_system_resource",
                                                           "error" },
        { "OTHER", "error" }, { "FINISH_REASON_UNSPECIFIED", "error" },
    };

    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        check_context = rows[i].word;
        CHECK_STR(tg_finish_word(tg_finish_of(tg_str_of(rows[i].word))), rows[i].means);
    }
}

TEST("words of tomorrow are judged by what they contain, and the bad is believed first")
{
    static const struct {
        const char *word, *means;
    } rows[] = {
        { "upstream_timeout", "error" }, { "server_overloaded", "error" },
        { "tool_call_failed", "error" }, { "MALFORMED_RESPONSE", "error" },
        { "rate_limited_rate_limit", "error" }, { "length_exception", "error" },
        { "prompt_blocked", "content_filter" }, { "input_moderation", "content_filter" },
        { "output_token_limit", "length" }, { "truncated", "length" },
        { "client_tool", "tool_calls" },
    };

    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        check_context = rows[i].word;
        CHECK_STR(tg_finish_word(tg_finish_of(tg_str_of(rows[i].word))), rows[i].means);
    }
}

TEST("a word that nobody knows is unknown, and nothing is no reason")
{
    CHECK_INT(tg_finish_of(TG_STR("satisfied")), TG_FINISH_UNKNOWN);
    CHECK_INT(tg_finish_of(TG_STR("1")), TG_FINISH_UNKNOWN);
    CHECK_INT(tg_finish_of(TG_STR("")), TG_FINISH_NONE);
    CHECK_INT(tg_finish_word(TG_FINISH_NONE).len, 0);
    CHECK_INT(tg_finish_word(TG_FINISH_UNKNOWN).len, 0);
}

TEST("of two reasons the more serious holds, in whichever order they come")
{
    static const enum tg_finish order[] = {
        TG_FINISH_NONE, TG_FINISH_UNKNOWN, TG_FINISH_STOP, TG_FINISH_TOOL_CALLS, TG_FINISH_LENGTH,
        TG_FINISH_CONTENT_FILTER, TG_FINISH_ERROR,
    };

    for (size_t i = 0; i < sizeof order / sizeof *order; i++)
        for (size_t k = i; k < sizeof order / sizeof *order; k++) {
            CHECK_INT(tg_finish_worse(order[i], order[k]), order[k]);
            CHECK_INT(tg_finish_worse(order[k], order[i]), order[k]);
        }
}

TEST_MAIN
