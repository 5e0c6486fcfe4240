/* Google's generateContent: a stream is a row of answers, each with what is
 * new, what was used so far, and the last one with finishReason. Nothing marks
 * its end, and lines end in \r\n. */
#include "wire/native_parts.h"

enum { CANDIDATES, USAGE, FEEDBACK, ERROR, MEMBERS };

static const struct tg_str names[MEMBERS] = {
    [CANDIDATES] = TG_NATIVE_NAME("candidates"),   [USAGE] = TG_NATIVE_NAME("usageMetadata"),
    [FEEDBACK] = TG_NATIVE_NAME("promptFeedback"), [ERROR] = TG_NATIVE_NAME("error"),
};

/* ---- content ---- */

static void read_part(struct tg_answer *a, struct tg_choice *c, struct tg_json part)
{
    struct tg_json_iter it;
    struct tg_str key;
    struct tg_json value;
    uint64_t bytes = 0;
    bool has_content = false;

    tg_json_iter_init(&it, part);
    while (part.kind == TG_JSON_OBJECT && tg_json_next(&it, &key, &value)) {
        if (tg_str_is(key, "text")) {
            bytes += tg_native_text_bytes(value);
            has_content |= tg_json_has_text(value);
        } else if (tg_str_is(key, "functionCall")) {
            bytes += tg_json_get(value, "args").raw.len;
            has_content = true;
            tg_native_calls(a, c);
        } else {                       /* inlineData, executableCode ...; a flag or a signature
                                          only says something of its part */
            has_content |= value.kind == TG_JSON_OBJECT;
        }
    }
    if (has_content)
        tg_native_content(a, c, bytes);
}

static void read_parts(struct tg_answer *a, struct tg_choice *c, struct tg_json parts)
{
    struct tg_json_iter it;
    struct tg_str key;
    struct tg_json part;

    tg_json_iter_init(&it, parts);
    while (parts.kind == TG_JSON_ARRAY && tg_json_next(&it, &key, &part))
        read_part(a, c, part);
}

/* ---- the end ---- */

/* With "enum-encoding=int" reasons are numbers of google.ai.generativelanguage. */
static struct tg_json word_of(struct tg_json reason)
{
    static const struct tg_str words[] = {
        TG_NATIVE_NAME("\"FINISH_REASON_UNSPECIFIED\""), TG_NATIVE_NAME("\"STOP\""),
        TG_NATIVE_NAME("\"MAX_TOKENS\""), TG_NATIVE_NAME("\"SAFETY\""),
        TG_NATIVE_NAME("\"RECITATION\""), TG_NATIVE_NAME("\"OTHER\""),
        TG_NATIVE_NAME("\"LANGUAGE\""), TG_NATIVE_NAME("\"BLOCKLIST\""),
        TG_NATIVE_NAME("\"PROHIBITED_CONTENT\""), TG_NATIVE_NAME("\"SPII\""),
        TG_NATIVE_NAME("\"MALFORMED_FUNCTION_CALL\""), TG_NATIVE_NAME("\"IMAGE_SAFETY\""),
    };
    int64_t number;

    if (!tg_json_i64(reason, &number) || number < 0 ||
        number >= (int64_t)(sizeof words / sizeof *words))
        return reason;
    return (struct tg_json){ words[number], TG_JSON_STRING };
}

static tg_err read_candidate(struct tg_answer *a, struct tg_json candidate, unsigned place)
{
    enum { INDEX, CONTENT, REASON, WORDS };
    static const struct tg_str words[WORDS] = {
        [INDEX] = TG_NATIVE_NAME("index"), [CONTENT] = TG_NATIVE_NAME("content"),
        [REASON] = TG_NATIVE_NAME("finishReason"),
    };
    struct tg_json found[WORDS];
    struct tg_choice *c;
    unsigned index;

    tg_native_pick(candidate, words, found, WORDS);
    tg_err err = tg_choices_get(&a->choices, found[INDEX], place, &index, &c);
    if (err)
        return err;
    read_parts(a, c, tg_json_get(found[CONTENT], "parts"));
    if (found[REASON].kind <= TG_JSON_NULL)
        return TG_OK;
    return tg_native_ends(a, c, word_of(found[REASON]), (struct tg_json){ 0 });
}

static tg_err read_candidates(struct tg_answer *a, struct tg_json candidates)
{
    struct tg_json_iter it;
    struct tg_str key;
    struct tg_json candidate;
    tg_err err = TG_OK;

    tg_json_iter_init(&it, candidates);
    for (unsigned place = 0; !err && candidates.kind == TG_JSON_ARRAY &&
                             tg_json_next(&it, &key, &candidate); place++)
        err = place < TG_CHOICES_MAX ? read_candidate(a, candidate, place) : TG_ETOOBIG;
    return err;
}

/* A prompt that is blocked has no candidates: it is all of the answer. */
static tg_err read_feedback(struct tg_answer *a, struct tg_json feedback)
{
    struct tg_json reason = tg_json_get(feedback, "blockReason");
    struct tg_choice *c;

    if (!tg_json_has_text(reason))
        return TG_OK;
    if (tg_native_choice(a, &c))
        return TG_ENOMEM;
    if (a->facts.usage.prompt < 0)         /* nothing was counted, and nothing is charged */
        a->facts.usage.prompt = a->facts.usage.completion = 0;
    if (tg_native_word_is(reason, "\"OTHER\""))     /* of a candidate it would be an accident */
        reason = (struct tg_json){ 0 };
    return tg_native_ends(a, c, (struct tg_json){ TG_STR("\"content_filter\""), TG_JSON_STRING },
                          reason);
}

static tg_err read_object(struct tg_answer *a, const struct tg_json *found)
{
    tg_usage_read_gemini(&a->facts.usage, found[USAGE]);
    tg_err err = read_candidates(a, found[CANDIDATES]);
    return err ? err : read_feedback(a, found[FEEDBACK]);
}

/* ---- usage ---- */

static void put_usage(const struct tg_usage *u, struct tg_buf *out)
{
    int64_t thoughts = u->reasoning > 0 ? u->reasoning : 0;
    int64_t answer = u->completion - thoughts;

    tg_buf_z(out, "\"promptTokenCount\":");
    tg_buf_i64(out, u->prompt > 0 ? u->prompt : 0);
    tg_buf_z(out, ",\"candidatesTokenCount\":");
    tg_buf_i64(out, answer > 0 ? answer : 0);
    if (thoughts) {
        tg_buf_z(out, ",\"thoughtsTokenCount\":");
        tg_buf_i64(out, thoughts);
    }
    tg_buf_z(out, ",\"totalTokenCount\":");
    tg_buf_i64(out, u->total > 0 ? u->total : 0);
}

/* ---- events ---- */

static tg_err on_event(struct tg_answer *a, struct tg_native_event *e)
{
    struct tg_json found[MEMBERS];

    tg_native_pick(e->root, names, found, MEMBERS);
    if (tg_completion_tells_error(found[ERROR]))
        return tg_answer_tell(a, e->root);
    e->name = (struct tg_str){ 0 };
    e->is_ours = true;
    tg_err err = read_object(a, found);
    e->place = a->facts.has_finish ? TG_NATIVE_LAST : TG_NATIVE_PASS;
    return err;
}

static void change(const struct tg_answer *a, struct tg_json root,
                   const struct tg_native_end *end, struct tg_splices *s)
{
    const struct tg_member ours[] = {
        { "responseId", a->names.id, .is_words = true },
        { "modelVersion", a->names.model, .is_words = true },
    };

    tg_splice_members(s, root, ours, sizeof ours / sizeof *ours);
    if (!end)
        return;
    tg_native_splice_usage(a, root, end, s);
    tg_native_splice_metadata(root, end, s);
}

static void put_failure(const struct tg_answer *a, struct tg_json error, struct tg_str metadata,
                        struct tg_buf *out)
{
    tg_buf_z(out, "data: ");
    tg_fault_put_error_as(out, TG_SHAPE_GEMINI, error, a->names.id, metadata);
    tg_buf_z(out, "\r\n\r\n");
}

/* ---- whole ---- */

static tg_err read_whole(struct tg_answer *a, struct tg_json root)
{
    struct tg_json found[MEMBERS];

    tg_native_pick(root, names, found, MEMBERS);
    if (found[CANDIDATES].kind != TG_JSON_ARRAY && found[FEEDBACK].kind != TG_JSON_OBJECT)
        return TG_EINVAL;
    return read_object(a, found);
}

const struct tg_native_format tg_native_gemini = {
    .api = TG_API_GEMINI,
    .line_end = "\r\n",
    .usage_name = "usageMetadata",
    .on_event = on_event, .change = change,
    .read_whole = read_whole, .change_whole = change,
    .put_usage = put_usage, .put_failure = put_failure,
};
