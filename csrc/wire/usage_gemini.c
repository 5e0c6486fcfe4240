#include "wire/usage_parts.h"

/* Members of usageMetadata. The first ones are counts. */
enum { PROMPT, TOOL_PROMPT, ANSWER, THOUGHTS, CACHED, TOTAL, COUNTS,
       PROMPT_DETAILS = COUNTS, ANSWER_DETAILS, COST, MEMBERS };

#define NAME(text) { text, sizeof(text) - 1 }

static const struct tg_str names[MEMBERS] = {
    [PROMPT] = NAME("promptTokenCount"),
    [TOOL_PROMPT] = NAME("toolUsePromptTokenCount"),
    [ANSWER] = NAME("candidatesTokenCount"),
    [THOUGHTS] = NAME("thoughtsTokenCount"),
    [CACHED] = NAME("cachedContentTokenCount"),
    [TOTAL] = NAME("totalTokenCount"),
    [PROMPT_DETAILS] = NAME("promptTokensDetails"),
    [ANSWER_DETAILS] = NAME("candidatesTokensDetails"),
    [COST] = NAME("cost"),             /* of a gateway like this */
};

/* The count of one kind of content; where it belongs is NULL for text, which
 * is what remains. */
static void read_modality(struct tg_usage *u, struct tg_json detail, int64_t *audio,
                          int64_t *image, int64_t *video)
{
    struct tg_json modality = tg_json_get(detail, "modality");
    int64_t *of = tg_json_is(modality, "AUDIO")   ? audio
                  : tg_json_is(modality, "IMAGE") ? image
                  : tg_json_is(modality, "VIDEO") ? video : NULL;

    if (of)
        tg_usage_count(u, tg_json_get(detail, "tokenCount"), of);
}

static void read_details(struct tg_usage *u, struct tg_json list, int64_t *audio, int64_t *image,
                         int64_t *video)
{
    struct tg_json_iter it;
    struct tg_str key;
    struct tg_json detail;

    tg_json_iter_init(&it, list);
    while (list.kind == TG_JSON_ARRAY && tg_json_next(&it, &key, &detail))
        read_modality(u, detail, audio, image, video);
}

static int64_t at_least_zero(int64_t count)
{
    return count > 0 ? count : 0;
}

/* Thoughts are counted beside the answer, and either may be left out of an
 * object: what was said of it before holds. */
static void count_completion(struct tg_usage *u, int64_t answer, int64_t thoughts)
{
    if (answer < 0 && thoughts < 0)
        return;
    if (answer < 0)
        answer = at_least_zero(at_least_zero(u->completion) - at_least_zero(u->reasoning));
    if (thoughts >= 0)
        u->reasoning = thoughts;
    if (answer + at_least_zero(u->reasoning) <= TG_USAGE_TOKENS_MAX)
        u->completion = answer + at_least_zero(u->reasoning);
    else
        u->doubtful = true;
}

void tg_usage_read_gemini(struct tg_usage *u, struct tg_json metadata)
{
    struct tg_json found[MEMBERS] = { 0 }, value;
    int64_t counts[COUNTS];
    struct tg_json_iter it;
    struct tg_str key;

    if (metadata.kind != TG_JSON_OBJECT)
        return;
    tg_json_iter_init(&it, metadata);
    while (tg_json_next(&it, &key, &value))
        for (int i = 0; i < MEMBERS; i++)
            if (tg_str_eq(key, names[i]))
                found[i] = value;
    for (int i = 0; i < COUNTS; i++)
        if (!tg_usage_count(u, found[i], &counts[i]))
            counts[i] = -1;

    int64_t prompt = counts[PROMPT] + at_least_zero(counts[TOOL_PROMPT]);
    if (counts[PROMPT] >= 0 && prompt <= TG_USAGE_TOKENS_MAX)
        u->prompt = prompt;
    count_completion(u, counts[ANSWER], counts[THOUGHTS]);
    if (counts[CACHED] >= 0)
        u->cached = counts[CACHED];
    if (counts[TOTAL] >= 0)
        u->total = counts[TOTAL];
    read_details(u, found[PROMPT_DETAILS], &u->prompt_audio, &u->prompt_image, &u->prompt_video);
    read_details(u, found[ANSWER_DETAILS], &u->completion_audio, &u->completion_image, NULL);
    if (found[COST].kind > TG_JSON_NULL)
        tg_usage_read_charge(u, found[COST]);
    tg_usage_see(u);
}
