#include "route/rules.h"

#include <stdbool.h>

#include "route/needs.h"

enum kind { NUMBER, INTEGER, FLAG, TEXT, LIST, TABLE, TEXT_OR_LIST, TEXT_OR_TABLE };

static const char *const kind_names[] = {
    [NUMBER] = "a number", [INTEGER] = "a whole number", [FLAG] = "true or false",
    [TEXT] = "a string", [LIST] = "an array", [TABLE] = "an object",
    [TEXT_OR_LIST] = "a string or an array", [TEXT_OR_TABLE] = "a string or an object",
};

#define ANY     -1e300, 1e300
#define FROM(n) (n), 1e300

/* For strings, the range is of their characters. */
static const struct rule {
    int         field;         /* enum tg_field, or a parameter */
    const char *name;
    enum kind   kind;
    double      least, most;
} rules[] = {
    { TG_FIELD_MODEL, "model", TEXT, ANY },
    { TG_FIELD_STREAM, "stream", FLAG, ANY },
    { TG_FIELD_STREAM_OPTIONS, "stream_options", TABLE, ANY },
    { TG_PARAM_MAX_TOKENS, "max_tokens", INTEGER, FROM(1) },
    { TG_PARAM_MAX_COMPLETION_TOKENS, "max_completion_tokens", INTEGER, FROM(1) },
    { TG_PARAM_TEMPERATURE, "temperature", NUMBER, 0, 2 },
    { TG_PARAM_TOP_P, "top_p", NUMBER, 0, 1 },
    { TG_PARAM_TOP_K, "top_k", INTEGER, FROM(-1) },     /* -1 is vLLM's "off" */
    { TG_PARAM_MIN_P, "min_p", NUMBER, 0, 1 },
    { TG_PARAM_TOP_A, "top_a", NUMBER, 0, 1 },
    { TG_PARAM_FREQUENCY_PENALTY, "frequency_penalty", NUMBER, -2, 2 },
    { TG_PARAM_PRESENCE_PENALTY, "presence_penalty", NUMBER, -2, 2 },
    { TG_PARAM_REPETITION_PENALTY, "repetition_penalty", NUMBER, 0, 2 },
    { TG_PARAM_SEED, "seed", INTEGER, ANY },
    { TG_PARAM_TOP_LOGPROBS, "top_logprobs", INTEGER, 0, 20 },
    { TG_PARAM_LOGIT_BIAS, "logit_bias", TABLE, ANY },
    { TG_PARAM_STOP, "stop", TEXT_OR_LIST, ANY },
    { TG_PARAM_TOOLS, "tools", LIST, ANY },
    { TG_PARAM_TOOL_CHOICE, "tool_choice", TEXT_OR_TABLE, ANY },
    { TG_PARAM_PARALLEL_TOOL_CALLS, "parallel_tool_calls", FLAG, ANY },
    { TG_PARAM_RESPONSE_FORMAT, "response_format", TABLE, ANY },
    { TG_PARAM_REASONING, "reasoning", TABLE, ANY },
    { TG_PARAM_REASONING_EFFORT, "reasoning_effort", TEXT, ANY },
    { TG_PARAM_INCLUDE_REASONING, "include_reasoning", FLAG, ANY },
    { TG_PARAM_VERBOSITY, "verbosity", TEXT, ANY },
    { TG_PARAM_PREDICTION, "prediction", TABLE, ANY },
    { TG_PARAM_WEB_SEARCH_OPTIONS, "web_search_options", TABLE, ANY },
    { TG_FIELD_N, "n", INTEGER, 1, TG_ANSWER_CHOICES_MAX },
    { TG_FIELD_MODALITIES, "modalities", LIST, ANY },
    { TG_FIELD_SERVICE_TIER, "service_tier", TEXT, ANY },
    { TG_FIELD_POLICY, "policy", TEXT, 0, TG_NEEDS_POLICY_MAX },
    { TG_FIELD_SESSION_ID, "session_id", TEXT, 0, TG_NEEDS_SESSION_MAX },
    { TG_FIELD_PROMPT_CACHE_KEY, "prompt_cache_key", TEXT, ANY },
    { TG_FIELD_USER, "user", TEXT, 0, TG_NEEDS_SESSION_MAX },
    { TG_FIELD_METADATA, "metadata", TABLE, ANY },
};

static bool is_kind(struct tg_json v, enum kind kind)
{
    bool flag;

    switch (kind) {
    case NUMBER:
    case INTEGER:       return v.kind == TG_JSON_NUMBER;
    case FLAG:          return tg_json_bool(v, &flag);
    case TEXT:          return v.kind == TG_JSON_STRING;
    case LIST:          return v.kind == TG_JSON_ARRAY;
    case TABLE:         return v.kind == TG_JSON_OBJECT;
    case TEXT_OR_LIST:  return v.kind == TG_JSON_STRING || v.kind == TG_JSON_ARRAY;
    case TEXT_OR_TABLE: return v.kind == TG_JSON_STRING || v.kind == TG_JSON_OBJECT;
    }
    return false;
}

/* Digits alone: a seed may be wider than any integer here, and only passes. */
static bool is_whole(struct tg_str number)
{
    size_t i = number.len && number.at[0] == '-';

    while (i < number.len && number.at[i] >= '0' && number.at[i] <= '9')
        i++;
    return i == number.len;
}

static bool measure(struct tg_json v, enum kind kind, double *out)
{
    int64_t whole;

    if (!tg_json_double(v, out))
        return false;
    return kind != INTEGER || is_whole(v.raw) || tg_json_i64(v, &whole);
}

/* A string's characters as UTF-8 text: those that escapes stand for count as
 * what they are. */
static size_t characters(struct tg_json v)
{
    size_t n = 0;

    for (size_t i = 1; i + 1 < v.raw.len; i++) {
        if (v.raw.at[i] == '\\')
            i += v.raw.at[i + 1] == 'u' ? 5 : 1;
        n += ((unsigned char)v.raw.at[i] & 0xc0) != 0x80;
    }
    return n;
}

static tg_err check_rule(const struct rule *rule, struct tg_json v, const struct tg_refusal *no)
{
    bool is_open = rule->least < -1e299 && rule->most > 1e299, is_half = rule->most > 1e299;
    double value = 0;

    if (!is_kind(v, rule->kind))
        return tg_refuse(no, "'%s' must be %s, not %.*s", rule->name, kind_names[rule->kind],
                         TG_SHOWN(v.raw));
    if (rule->kind == TEXT && !is_open && characters(v) > rule->most)
        return tg_refuse(no, "'%s' must have %g characters or fewer", rule->name, rule->most);
    if (rule->kind != NUMBER && rule->kind != INTEGER)
        return TG_OK;
    if (is_open && rule->kind == INTEGER && is_whole(v.raw))
        return TG_OK;
    if (measure(v, rule->kind, &value) && value >= rule->least && value <= rule->most)
        return TG_OK;
    if (is_open)
        return tg_refuse(no, "'%s' must be %s, not %.*s", rule->name, kind_names[rule->kind],
                         TG_SHOWN(v.raw));
    if (is_half)
        return tg_refuse(no, "'%s' must be %s from %g on, not %.*s", rule->name,
                         kind_names[rule->kind], rule->least, TG_SHOWN(v.raw));
    return tg_refuse(no, "'%s' must be %s from %g to %g, not %.*s", rule->name,
                     kind_names[rule->kind], rule->least, rule->most, TG_SHOWN(v.raw));
}

static tg_err check_metadata(struct tg_json metadata, const struct tg_refusal *no)
{
    struct tg_json_iter it;
    struct tg_str key;
    struct tg_json value;

    if (tg_json_count(metadata) > TG_NEEDS_PAIRS_MAX)
        return tg_refuse(no, "'metadata' must have %d pairs or fewer", TG_NEEDS_PAIRS_MAX);
    tg_json_iter_init(&it, metadata);
    while (tg_json_next(&it, &key, &value)) {
        struct tg_json quoted = { { key.at - 1, key.len + 2 }, TG_JSON_STRING };
        if (value.kind != TG_JSON_STRING)
            return tg_refuse(no, "'metadata.%.*s' must be a string, not %.*s", TG_SHOWN(key),
                             TG_SHOWN(value.raw));
        if (characters(quoted) > TG_NEEDS_PAIR_KEY_MAX)
            return tg_refuse(no, "'metadata' must have keys of %d characters or fewer",
                             TG_NEEDS_PAIR_KEY_MAX);
        if (characters(value) > TG_NEEDS_PAIR_VALUE_MAX)
            return tg_refuse(no, "'metadata.%.*s' must have %d characters or fewer",
                             TG_SHOWN(key), TG_NEEDS_PAIR_VALUE_MAX);
    }
    return TG_OK;
}

tg_err tg_rules_check(const struct tg_json at[TG_FIELDS], const struct tg_refusal *no)
{
    for (size_t i = 0; i < sizeof rules / sizeof *rules; i++) {
        struct tg_json v = at[rules[i].field];
        if (v.kind == TG_JSON_NONE || v.kind == TG_JSON_NULL)
            continue;
        tg_err err = check_rule(&rules[i], v, no);
        if (err)
            return err;
    }
    return check_metadata(at[TG_FIELD_METADATA], no);
}
