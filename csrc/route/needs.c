#include "route/needs.h"

#include <string.h>

#include "base/hash.h"
#include "route/body.h"
#include "route/prompt.h"
#include "route/refuse.h"
#include "route/rules.h"
#include "route/text.h"
#include "route/word.h"
#include "wire/json_pass.h"

struct reader {
    struct tg_needs         *n;
    const struct tg_catalog *catalog;
    struct tg_refusal        no;
    struct tg_json           at[TG_FIELDS];    /* the body's members, by what they are */
};

static bool is_given(struct tg_json v)
{
    return v.kind != TG_JSON_NONE && v.kind != TG_JSON_NULL;
}

/* ---- the body's members ---- */

static const struct tg_word fields[] = {
    TG_WORD("documents", TG_FIELD_DOCUMENTS),
    TG_WORD("encoding_format", TG_FIELD_ENCODING_FORMAT),
    TG_WORD("frequency_penalty", TG_PARAM_FREQUENCY_PENALTY),
    TG_WORD("include_reasoning", TG_PARAM_INCLUDE_REASONING),
    TG_WORD("input", TG_FIELD_INPUT),
    TG_WORD("logit_bias", TG_PARAM_LOGIT_BIAS),
    TG_WORD("logprobs", TG_PARAM_LOGPROBS),
    TG_WORD("max_completion_tokens", TG_PARAM_MAX_COMPLETION_TOKENS),
    TG_WORD("max_tokens", TG_PARAM_MAX_TOKENS),
    TG_WORD("messages", TG_FIELD_MESSAGES),
    TG_WORD("metadata", TG_FIELD_METADATA),
    TG_WORD("min_p", TG_PARAM_MIN_P),
    TG_WORD("modalities", TG_FIELD_MODALITIES),
    TG_WORD("model", TG_FIELD_MODEL),
    TG_WORD("models", TG_FIELD_MODELS),
    TG_WORD("n", TG_FIELD_N),
    TG_WORD("parallel_tool_calls", TG_PARAM_PARALLEL_TOOL_CALLS),
    TG_WORD("policy", TG_FIELD_POLICY),
    TG_WORD("prediction", TG_PARAM_PREDICTION),
    TG_WORD("presence_penalty", TG_PARAM_PRESENCE_PENALTY),
    TG_WORD("prompt", TG_FIELD_PROMPT),
    TG_WORD("prompt_cache_key", TG_FIELD_PROMPT_CACHE_KEY),
    TG_WORD("provider", TG_FIELD_PROVIDER),
    TG_WORD("query", TG_FIELD_QUERY),
    TG_WORD("reasoning", TG_PARAM_REASONING),
    TG_WORD("reasoning_effort", TG_PARAM_REASONING_EFFORT),
    TG_WORD("repetition_penalty", TG_PARAM_REPETITION_PENALTY),
    TG_WORD("response_format", TG_PARAM_RESPONSE_FORMAT),
    TG_WORD("route", TG_FIELD_ROUTE),
    TG_WORD("seed", TG_PARAM_SEED),
    TG_WORD("service_tier", TG_FIELD_SERVICE_TIER),
    TG_WORD("session_id", TG_FIELD_SESSION_ID),
    TG_WORD("stop", TG_PARAM_STOP),
    TG_WORD("stream", TG_FIELD_STREAM),
    TG_WORD("stream_options", TG_FIELD_STREAM_OPTIONS),
    TG_WORD("structured_outputs", TG_PARAM_STRUCTURED_OUTPUTS),
    TG_WORD("temperature", TG_PARAM_TEMPERATURE),
    TG_WORD("tool_choice", TG_PARAM_TOOL_CHOICE),
    TG_WORD("tools", TG_PARAM_TOOLS),
    TG_WORD("top_a", TG_PARAM_TOP_A),
    TG_WORD("top_k", TG_PARAM_TOP_K),
    TG_WORD("top_logprobs", TG_PARAM_TOP_LOGPROBS),
    TG_WORD("top_p", TG_PARAM_TOP_P),
    TG_WORD("user", TG_FIELD_USER),
    TG_WORD("verbosity", TG_PARAM_VERBOSITY),
    TG_WORD("web_search_options", TG_PARAM_WEB_SEARCH_OPTIONS),
};

static tg_err read_json(struct reader *r, struct tg_str text)
{
    size_t where = 0;

    tg_err err = tg_json_check_members(text, TG_JSON_DEPTH_MAX, &r->n->body, r->n->members,
                                       TG_NEEDS_MEMBERS_MAX, &r->n->members_count, &where);
    if (err == TG_EDEPTH)
        return tg_refuse(&r->no, "The body is JSON nested deeper than %d levels",
                         TG_JSON_DEPTH_MAX);
    if (err && where == text.len)
        return tg_refuse(&r->no, "The body is not JSON: it ends too early, after %zu bytes", where);
    if (err)
        return tg_refuse(&r->no, "The body is not JSON: unexpected text at byte %zu", where);
    if (r->n->body.kind != TG_JSON_OBJECT)
        return tg_refuse(&r->no, "The body must be a JSON object");
    return TG_OK;
}

/* A known key may stand once: of two, the provider might read the other. What
 * is not read here passes as often as it came. */
static tg_err note_member(struct reader *r, size_t i)
{
    struct tg_needs *n = r->n;
    struct tg_str name;

    tg_err err = tg_text_of_key(n->members[i].key, r->no.arena, &name);
    if (err)
        return err;
    int field = tg_word_find(fields, TG_WORDS(fields), name);
    n->fields[i] = (uint8_t)(field < 0 ? TG_FIELD_OTHER : field);
    if (field < 0)
        return TG_OK;
    if (r->at[field].kind != TG_JSON_NONE)
        return tg_refuse(&r->no, "'%.*s' stands in the body twice", TG_SHOWN(name));
    r->at[field] = n->members[i].value;
    return TG_OK;
}

static tg_err read_members(struct reader *r)
{
    struct tg_needs *n = r->n;
    tg_err err = TG_OK;

    if (n->members_count > TG_NEEDS_MEMBERS_MAX)
        return tg_refuse(&r->no, "The body has more than %d members", TG_NEEDS_MEMBERS_MAX);
    for (size_t i = 0; !err && i < n->members_count; i++)
        err = note_member(r, i);
    return err;
}

/* ---- what the members say ---- */

static void read_params(struct reader *r)
{
    struct tg_needs *n = r->n;

    n->params = 0;
    for (int p = 0; p < TG_PARAMS; p++)
        if (is_given(r->at[p]))
            n->params |= UINT32_C(1) << p;
    if (tg_json_count(r->at[TG_PARAM_TOOLS]))
        n->tools = r->at[TG_PARAM_TOOLS];
    else
        n->params &= ~TG_PARAM_BIT(TOOLS);
}

static void read_tool_choice(struct reader *r)
{
    struct tg_json v = r->at[TG_PARAM_TOOL_CHOICE];
    struct tg_str word;
    int choice = -1;

    if (v.kind == TG_JSON_OBJECT)
        v = tg_json_get(v, "type");
    if (tg_json_plain(v, &word))
        choice = tg_tool_choice_of(word);
    r->n->tool_choice = choice < 0 ? 0 : UINT32_C(1) << choice;
}

/* The limit's member under the name that it was not given. */
static tg_err name_other_limit(struct reader *r, struct tg_json limit, const char *name)
{
    size_t length = strlen(name);
    char *p = tg_arena_get(r->no.arena, length + limit.raw.len);

    if (!p)
        return TG_ENOMEM;
    memcpy(p, name, length);
    memcpy(p + length, limit.raw.at, limit.raw.len);
    r->n->other_limit = (struct tg_str){ p, length + limit.raw.len };
    return TG_OK;
}

static tg_err read_limit(struct reader *r)
{
    struct tg_json preferred = r->at[TG_PARAM_MAX_COMPLETION_TOKENS];
    struct tg_json older = r->at[TG_PARAM_MAX_TOKENS];

    r->n->max_tokens = -1;
    tg_json_i64(is_given(preferred) ? preferred : older, &r->n->max_tokens);
    if (is_given(preferred) == is_given(older))
        return TG_OK;
    return is_given(preferred) ? name_other_limit(r, preferred, "\"max_tokens\":")
                               : name_other_limit(r, older, "\"max_completion_tokens\":");
}

/* {"include_usage":true} in front of the other members, whatever they say. */
static tg_err write_stream_options(struct reader *r, struct tg_json options)
{
    struct tg_buf b = { 0 };
    struct tg_json_iter it;
    struct tg_str key;
    struct tg_json value;

    tg_buf_z(&b, "{\"include_usage\":true");
    tg_json_iter_init(&it, options);
    while (tg_json_next(&it, &key, &value)) {
        if (tg_json_key_is(key, "include_usage"))
            continue;
        tg_buf_z(&b, ",\"");
        tg_buf_str(&b, key);
        tg_buf_z(&b, "\":");
        tg_buf_str(&b, value.raw);
    }
    tg_err err = tg_buf_char(&b, '}');
    if (!err)
        r->n->stream_options = tg_arena_copy(r->no.arena, tg_buf_view(&b));
    tg_buf_done(&b);
    return err || !r->n->stream_options.at ? TG_ENOMEM : TG_OK;
}

static tg_err read_stream(struct reader *r)
{
    struct tg_needs *n = r->n;
    struct tg_json options = r->at[TG_FIELD_STREAM_OPTIONS];

    n->stream = false;
    if (!tg_api_streams(n->api) || !tg_json_bool(r->at[TG_FIELD_STREAM], &n->stream)
        || !n->stream)
        return TG_OK;
    n->usage_is_asked = tg_json_get(options, "include_usage").kind == TG_JSON_TRUE;
    if (!n->usage_is_asked && options.kind != TG_JSON_NONE)
        return write_stream_options(r, options);
    return TG_OK;
}

static tg_err read_modalities(struct reader *r)
{
    struct tg_json_iter it;
    struct tg_str none, word;
    struct tg_json item;

    tg_json_iter_init(&it, r->at[TG_FIELD_MODALITIES]);
    while (tg_json_next(&it, &none, &item)) {
        int mode = tg_json_plain(item, &word) ? tg_modality_of(word) : TG_MODE_OTHER;
        if (mode == TG_MODE_OTHER)
            return tg_refuse(&r->no, "'modalities' may have 'text', 'image' and 'audio', not %.*s",
                             TG_SHOWN(item.raw));
        r->n->outputs |= (uint8_t)(1 << mode);
    }
    return TG_OK;
}

/* A short string of the body, `out` empty when it is not given. */
static tg_err take_text(struct reader *r, enum tg_field field, struct tg_str *out)
{
    return is_given(r->at[field]) ? tg_text_of(r->at[field], r->no.arena, out) : TG_OK;
}

static tg_err read_texts(struct reader *r)
{
    tg_err err = take_text(r, TG_FIELD_SERVICE_TIER, &r->n->service_tier);
    if (!err)
        err = take_text(r, TG_FIELD_POLICY, &r->n->policy);
    return err ? err : take_text(r, TG_FIELD_USER, &r->n->user);
}

/* ---- provider and route ---- */

static tg_err read_wishes(struct reader *r)
{
    struct tg_wishes *w = &r->n->wishes;
    struct tg_json route = r->at[TG_FIELD_ROUTE];
    bool sorts = tg_json_is(route, "sort");

    tg_err err = tg_needs_wishes(w, r->at[TG_FIELD_PROVIDER], r->no.arena, r->no.fault);
    if (err)
        return err;
    if (is_given(route) && !sorts && !tg_json_is(route, "fallback"))
        return tg_refuse(&r->no, "'route' must be 'fallback' or 'sort', not %.*s",
                         TG_SHOWN(route.raw));
    if (!w->has_partition)         /* the older way to say it */
        w->sorts_across_models = sorts;
    return TG_OK;
}

/* ---- the prompt ---- */

static tg_err read_rerank(struct reader *r, struct tg_prompt *p)
{
    struct tg_json query = r->at[TG_FIELD_QUERY], documents = r->at[TG_FIELD_DOCUMENTS];

    if (!is_given(query))
        return tg_refuse(&r->no, "Input required: specify 'query'");
    if (!tg_json_count(documents))
        return tg_refuse(&r->no, "Input required: specify 'documents', an array that is not empty");
    r->n->documents = documents;
    tg_err err = tg_prompt_text(p, "documents", documents, &r->no);
    if (!err)
        tg_prompt_add(p, query);
    return err;
}

static tg_err read_prompt(struct reader *r, struct tg_prompt *p)
{
    struct tg_needs *n = r->n;
    struct tg_json messages = r->at[TG_FIELD_MESSAGES], prompt = r->at[TG_FIELD_PROMPT];

    if (n->api == TG_API_EMBEDDINGS) {
        n->wants_base64 = tg_json_is(r->at[TG_FIELD_ENCODING_FORMAT], "base64");
        if (!is_given(r->at[TG_FIELD_INPUT]))
            return tg_refuse(&r->no, "Input required: specify 'input'");
        return tg_prompt_text(p, "input", r->at[TG_FIELD_INPUT], &r->no);
    }
    if (n->api == TG_API_RERANK)
        return read_rerank(r, p);
    if (n->api != TG_API_COMPLETIONS && is_given(messages))
        return tg_prompt_messages(p, messages, &r->no);
    if (!is_given(prompt) || n->api == TG_API_COUNT)
        return tg_refuse(&r->no, n->api != TG_API_COMPLETIONS
                                 ? "Input required: specify 'prompt' or 'messages'"
                                 : "Input required: specify 'prompt'");
    n->api = TG_API_COMPLETIONS;
    return tg_prompt_text(p, "prompt", prompt, &r->no);
}

static tg_err read_text_needs(struct reader *r)
{
    struct tg_needs *n = r->n;
    struct tg_prompt p;

    tg_err err = read_prompt(r, &p);
    if (err)
        return err;
    tg_prompt_add(&p, n->tools);
    n->prompt_tokens = p.tokens;
    n->messages_count = p.messages;
    n->images = p.images;
    n->inputs = p.inputs;
    n->session_hash = p.opening_hash;
    return TG_OK;
}

/* ---- the conversation ---- */

static tg_err read_session(struct reader *r, const struct tg_http1_head *head)
{
    struct tg_needs *n = r->n;

    tg_err err = take_text(r, TG_FIELD_SESSION_ID, &n->session);
    if (!n->session.len && head) {
        n->session = tg_http1_get(head, "x-session-id");
        if (n->session.len > TG_NEEDS_SESSION_MAX)
            return tg_refuse(&r->no, "'x-session-id' must have %d characters or fewer",
                             TG_NEEDS_SESSION_MAX);
    }
    n->has_session_id = n->session.len > 0;
    if (!err && !n->session.len)
        err = take_text(r, TG_FIELD_PROMPT_CACHE_KEY, &n->session);
    if (n->session.len)
        n->session_hash = tg_hash_stable(n->session);
    return err;
}

static bool wants_metadata(const struct tg_http1_head *head)
{
    return head
        && (tg_str_iis(tg_http1_get(head, "x-openrouter-metadata"), "enabled")
            || tg_str_iis(tg_http1_get(head, "x-openrouter-experimental-metadata"), "enabled"));
}

/* ---- models ---- */

static tg_err add_target(struct reader *r, struct tg_json name)
{
    struct tg_needs *n = r->n;
    struct tg_str asked;

    tg_err err = tg_text_of(name, r->no.arena, &asked);
    if (!err)
        n->targets[n->targets_count++].asked = asked;
    return err;
}

static tg_err list_targets(struct reader *r)
{
    struct tg_json model = r->at[TG_FIELD_MODEL], models = r->at[TG_FIELD_MODELS], item;
    struct tg_json_iter it;
    struct tg_str none;
    tg_err err = TG_OK;

    if (is_given(models) && models.kind != TG_JSON_ARRAY)
        return tg_refuse(&r->no, "'models' must be an array of strings, not %.*s",
                         TG_SHOWN(models.raw));
    if (tg_json_count(models) > TG_NEEDS_MODELS_MAX - 1)
        return tg_refuse(&r->no, "'models' array must have %d items or fewer.",
                         TG_NEEDS_MODELS_MAX - 1);
    if (tg_json_has_text(model))
        err = add_target(r, model);
    tg_json_iter_init(&it, models);
    while (!err && tg_json_next(&it, &none, &item))
        err = tg_json_has_text(item) ? add_target(r, item)
            : tg_refuse(&r->no, "'models' must be an array of strings that are not empty, not %.*s",
                        TG_SHOWN(item.raw));
    if (!err && !r->n->targets_count)
        err = tg_refuse(&r->no, "No models provided");
    return err;
}

static tg_err find_targets(struct reader *r)
{
    struct tg_needs *n = r->n;

    for (size_t i = 0; i < n->targets_count; i++) {
        struct tg_target *t = &n->targets[i];
        tg_err err = tg_needs_target(t, t->asked, r->catalog, r->no.arena, r->no.fault);
        for (size_t k = 0; err == TG_EINVAL && k < n->targets_count; k++)
            r->no.fault->requested_models[k] = n->targets[k].asked;
        if (err)
            return err;
        if (!n->policy.len)
            n->policy = t->policy;
    }
    return TG_OK;
}

/* ---- all of it ---- */

static tg_err read_all(struct reader *r, struct tg_str text, const struct tg_http1_head *head)
{
    tg_err err = read_json(r, text);
    if (!err)
        err = read_members(r);
    if (!err)
        err = tg_rules_check(r->at, &r->no);
    if (err)
        return err;
    read_params(r);
    read_tool_choice(r);
    if ((err = read_limit(r)) || (err = read_modalities(r)) || (err = read_texts(r))
        || (err = read_wishes(r)) || (err = read_text_needs(r)) || (err = read_stream(r))
        || (err = read_session(r, head)) || (err = list_targets(r)))
        return err;
    return find_targets(r);
}

tg_err tg_needs_read(struct tg_needs *n, enum tg_api api, struct tg_str body,
                     const struct tg_http1_head *head, const struct tg_catalog *catalog,
                     int64_t wall_s, uint64_t seed, struct tg_arena *arena,
                     struct tg_fault *fault)
{
    struct reader r = { .n = n, .catalog = catalog, .no = { fault, arena } };

    memset(n, 0, offsetof(struct tg_needs, fields));
    n->api = api;
    n->asked_wall_s = wall_s;
    n->seed = seed;
    n->wants_metadata = wants_metadata(head);
    return read_all(&r, body, head);
}
