#include "wire/usage_parts.h"

/* Members of usageMetadata. The first ones are counts. */
enum { PROMPT, TOOL_PROMPT, ANSWER, THOUGHTS, CACHED, TOTAL, COUNTS,
       PROMPT_DETAILS = COUNTS, TOOL_DETAILS, CACHE_DETAILS, ANSWER_DETAILS, COST, MEMBERS };

#define NAME(text) { text, sizeof(text) - 1 }

static const struct tg_str names[MEMBERS] = {
    [PROMPT] = NAME("promptTokenCount"),
    [TOOL_PROMPT] = NAME("toolUsePromptTokenCount"),
    [ANSWER] = NAME("candidatesTokenCount"),
    [THOUGHTS] = NAME("thoughtsTokenCount"),
    [CACHED] = NAME("cachedContentTokenCount"),
    [TOTAL] = NAME("totalTokenCount"),
    [PROMPT_DETAILS] = NAME("promptTokensDetails"),
    [TOOL_DETAILS] = NAME("toolUsePromptTokensDetails"),
    [CACHE_DETAILS] = NAME("cacheTokensDetails"),
    [ANSWER_DETAILS] = NAME("candidatesTokensDetails"),
    [COST] = NAME("cost"),             /* of a gateway like this */
};

static int64_t at_least_zero(int64_t count)
{
    return count > 0 ? count : 0;
}

/* Tokens by kind of content; text is what remains. -1 as long as not said. */
struct media {
    int64_t audio, image, video;
};

static void add_modality(struct tg_usage *u, struct tg_json detail, struct media *m)
{
    struct tg_json modality = tg_json_get(detail, "modality");
    int64_t *of = tg_json_is(modality, "AUDIO")   ? &m->audio
                  : tg_json_is(modality, "IMAGE") ? &m->image
                  : tg_json_is(modality, "VIDEO") ? &m->video : NULL;
    int64_t count;

    if (of && tg_usage_count(u, tg_json_get(detail, "tokenCount"), &count))
        *of = at_least_zero(*of) + count;
}

static void add_details(struct tg_usage *u, struct tg_json list, struct media *m)
{
    struct tg_json_iter it;
    struct tg_str key;
    struct tg_json detail;

    tg_json_iter_init(&it, list);
    while (list.kind == TG_JSON_ARRAY && tg_json_next(&it, &key, &detail))
        add_modality(u, detail, m);
}

static void keep(int64_t *count, int64_t said)
{
    if (said >= 0)
        *count = said;
}

static void read_media(struct tg_usage *u, const struct tg_json *found)
{
    struct media in = { -1, -1, -1 }, cached = in, out = in;

    add_details(u, found[PROMPT_DETAILS], &in);
    add_details(u, found[TOOL_DETAILS], &in);
    add_details(u, found[CACHE_DETAILS], &cached);
    add_details(u, found[ANSWER_DETAILS], &out);
    keep(&u->prompt_audio, in.audio);
    keep(&u->prompt_image, in.image);
    keep(&u->prompt_video, in.video);
    keep(&u->cached_audio, cached.audio);
    keep(&u->cached_image, cached.image);
    keep(&u->completion_audio, out.audio);
    keep(&u->completion_image, out.image);
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
    keep(&u->cached, counts[CACHED]);
    keep(&u->total, counts[TOTAL]);
    read_media(u, found);
    if (found[COST].kind > TG_JSON_NULL)
        tg_usage_read_charge(u, found[COST]);
    tg_usage_see(u);
}
