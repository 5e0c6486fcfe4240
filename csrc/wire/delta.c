#include "wire/delta.h"

#include "wire/names.h"

bool tg_delta_says(struct tg_json value)
{
    switch (value.kind) {
    case TG_JSON_NONE:
    case TG_JSON_NULL:   return false;
    case TG_JSON_STRING: return value.raw.len > 2;
    case TG_JSON_ARRAY:
    case TG_JSON_OBJECT: return value.raw.len > 2 && tg_json_count(value) > 0;
    default:             return true;
    }
}

/* ---- parts ---- */

enum which { TEXT, THINKING };

/* The string of one part of a list that holds text, or thinking; kind NONE
 * when it holds something else. A thinking part may hold a list again. */
static struct tg_json string_of(struct tg_json part, enum which which)
{
    struct tg_json type = tg_json_get(part, "type"), text = { 0 };
    bool is_thinking = tg_json_is(type, "thinking") || tg_json_is(type, "reasoning");

    if (part.kind == TG_JSON_STRING)
        return which == TEXT ? part : text;
    if (which == TEXT && !is_thinking)
        text = tg_json_get(part, "text");
    if (which == THINKING && is_thinking) {
        text = tg_json_get(part, "thinking");
        if (text.kind == TG_JSON_NONE)
            text = tg_json_get(part, "text");
        if (text.kind == TG_JSON_NONE)
            text = tg_json_get(part, "reasoning");
    }
    return text;
}

/* Append what is between the quotes of all strings in a value that is one, or
 * a list of parts; their escapes stay as they are. Returns how many bytes
 * that is; `out` may be NULL. */
static size_t put_inside(struct tg_json value, enum which which, struct tg_buf *out)
{
    struct tg_json_iter it, inner;
    struct tg_str key;
    struct tg_json part, text;
    size_t bytes = 0;

    if (value.kind == TG_JSON_STRING && value.raw.len > 2) {
        if (out)
            tg_buf_add(out, value.raw.at + 1, value.raw.len - 2);
        return value.raw.len - 2;
    }
    if (value.kind != TG_JSON_ARRAY)
        return 0;
    tg_json_iter_init(&it, value);
    while (tg_json_next(&it, &key, &part)) {
        text = string_of(part, which);
        if (text.kind == TG_JSON_STRING) {
            bytes += put_inside(text, which, out);
            continue;
        }
        tg_json_iter_init(&inner, text);
        while (text.kind == TG_JSON_ARRAY && tg_json_next(&inner, &key, &part)) {
            struct tg_json leaf = string_of(part, TEXT);
            if (leaf.kind == TG_JSON_STRING)
                bytes += put_inside(leaf, TEXT, out);
        }
    }
    return bytes;
}

/* Is there a part that is neither text nor thinking: an image, a reference? */
static bool has_odd_parts(struct tg_json content)
{
    struct tg_json_iter it;
    struct tg_str key;
    struct tg_json part;

    tg_json_iter_init(&it, content);
    while (content.kind == TG_JSON_ARRAY && tg_json_next(&it, &key, &part))
        if (string_of(part, TEXT).kind == TG_JSON_NONE &&
            string_of(part, THINKING).kind == TG_JSON_NONE)
            return true;
    return false;
}

/* ---- read ---- */

/* Does this member go on as it came? Those that the contract gives a type go
 * on only when they hold something: null is not among the types. */
static bool is_passed(enum tg_name name, struct tg_json value)
{
    switch (name) {
    case TG_NAME_ROLE:
    case TG_NAME_CONTENT:
    case TG_NAME_REASONING:
    case TG_NAME_REFUSAL:
    case TG_NAME_TOOL_CALLS:
        return false;
    case TG_NAME_REASONING_CONTENT:
    case TG_NAME_THINKING:
    case TG_NAME_REASONING_DETAILS:
    case TG_NAME_FUNCTION_CALL:
    case TG_NAME_AUDIO:
    case TG_NAME_IMAGES:
    case TG_NAME_ANNOTATIONS:
    case TG_NAME_NAME:
        return tg_delta_says(value);
    default:
        return true;
    }
}

static void read_other(struct tg_delta *d, enum tg_name name, struct tg_json value)
{
    if (!is_passed(name, value))
        return;
    bool says = tg_delta_says(value);
    d->passed++;
    d->is_worth_a_chunk |= says;
    if (name == TG_NAME_AUDIO || name == TG_NAME_IMAGES)
        d->has_content |= says;
    if (name == TG_NAME_FUNCTION_CALL) {
        d->has_content |= says;
        d->has_function_call |= says;
    }
}

static void read_reasoning(struct tg_delta *d, struct tg_json value)
{
    bool is_text = value.kind == TG_JSON_STRING ? value.raw.len > 2 : value.kind == TG_JSON_ARRAY;

    if (is_text && d->reasoning.kind == TG_JSON_NONE)
        d->reasoning = value;
}

void tg_delta_read(struct tg_delta *d, struct tg_json object)
{
    struct tg_json_iter it;
    struct tg_str key;
    struct tg_json value;

    *d = (struct tg_delta){ .object = object };
    tg_json_iter_init(&it, object);
    while (object.kind == TG_JSON_OBJECT && tg_json_next(&it, &key, &value)) {
        enum tg_name name = tg_name_of(key);
        switch (name) {
        case TG_NAME_ROLE:       break;
        case TG_NAME_CONTENT:    d->content = value; break;
        case TG_NAME_TOOL_CALLS: d->tool_calls = value; break;
        case TG_NAME_REFUSAL:    d->refusal = value; break;
        case TG_NAME_REASONING:
        case TG_NAME_REASONING_CONTENT:
        case TG_NAME_THINKING:
            read_reasoning(d, value);
            /* fall through */
        default:
            read_other(d, name, value);
        }
    }
    if (d->content.kind == TG_JSON_STRING)
        d->text_bytes = (uint32_t)(d->content.raw.len - 2);
    else if (d->content.kind == TG_JSON_ARRAY)
        d->text_bytes = (uint32_t)(put_inside(d->content, TEXT, NULL) +
                                   put_inside(d->content, THINKING, NULL));
    else if (d->content.kind > TG_JSON_NULL)
        d->text_bytes = (uint32_t)d->content.raw.len;
    if (d->reasoning.kind != TG_JSON_NONE)
        d->text_bytes += (uint32_t)put_inside(d->reasoning, TEXT, NULL);
    if (d->refusal.kind == TG_JSON_STRING)
        d->text_bytes += (uint32_t)(d->refusal.raw.len - 2);
    d->has_content |= d->text_bytes > 0;
    d->is_text_only = d->content.kind == TG_JSON_STRING && d->content.raw.len > 2 &&
                      d->text_bytes == d->content.raw.len - 2 && !d->is_worth_a_chunk &&
                      d->tool_calls.kind <= TG_JSON_NULL;
    d->is_worth_a_chunk |= d->text_bytes > 0 || tg_delta_says(d->tool_calls);
}

/* ---- write ---- */

static void put_content(const struct tg_delta *d, enum tg_delta_as as, struct tg_buf *out)
{
    switch (d->content.kind) {
    case TG_JSON_STRING:
        tg_buf_str(out, d->content.raw);
        break;
    case TG_JSON_NONE:
    case TG_JSON_NULL:
        tg_buf_z(out, as == TG_DELTA_MESSAGE ? "null" : "\"\"");
        break;
    case TG_JSON_ARRAY:
        tg_buf_char(out, '"');
        put_inside(d->content, TEXT, out);
        tg_buf_char(out, '"');
        if (has_odd_parts(d->content)) {
            tg_buf_z(out, ",\"content_parts\":");
            tg_buf_str(out, d->content.raw);
        }
        break;
    default:       /* an object in JSON mode: the text it stands for */
        tg_json_put_text(out, d->content.raw);
    }
}

static void put_reasoning(const struct tg_delta *d, enum tg_delta_as as, struct tg_buf *out)
{
    bool in_parts = d->reasoning.kind == TG_JSON_NONE && d->content.kind == TG_JSON_ARRAY &&
                    put_inside(d->content, THINKING, NULL) > 0;

    if (d->reasoning.kind == TG_JSON_NONE && !in_parts) {
        if (as == TG_DELTA_MESSAGE)
            tg_buf_z(out, ",\"reasoning\":null");
        return;
    }
    tg_buf_z(out, ",\"reasoning\":\"");
    put_inside(in_parts ? d->content : d->reasoning, in_parts ? THINKING : TEXT, out);
    tg_buf_char(out, '"');
}

static void put_refusal(const struct tg_delta *d, enum tg_delta_as as, struct tg_buf *out)
{
    bool is_text = d->refusal.kind == TG_JSON_STRING;

    if (as != TG_DELTA_MESSAGE && (!is_text || d->refusal.raw.len == 2))
        return;
    tg_buf_z(out, ",\"refusal\":");
    if (is_text)
        tg_buf_str(out, d->refusal.raw);
    else
        tg_buf_z(out, "null");
}

static void put_passed(const struct tg_delta *d, struct tg_buf *out)
{
    struct tg_json_iter it;
    struct tg_str key;
    struct tg_json value;

    tg_json_iter_init(&it, d->object);
    while (tg_json_next(&it, &key, &value))
        if (is_passed(tg_name_of(key), value))
            tg_name_pass(out, key, value);
}

tg_err tg_delta_put(const struct tg_delta *d, enum tg_delta_as as, struct tg_tool_calls *calls,
                    const struct tg_tool_setting *setting, struct tg_buf *out, uint64_t *bytes)
{
    static const char list[] = ",\"tool_calls\":";

    tg_buf_add(out, "\"role\":\"assistant\",\"content\":", TG_DELTA_CONTENT_AT);
    put_content(d, as, out);
    put_refusal(d, as, out);
    put_reasoning(d, as, out);
    if (d->tool_calls.kind == TG_JSON_ARRAY) {
        size_t from = out->len;
        tg_buf_add(out, list, sizeof list - 1);
        tg_err err = tg_tool_calls_put(calls, setting, d->tool_calls, as != TG_DELTA_PIECE, out,
                                       bytes);
        if (err)
            return err;
        if (out->len == from + sizeof list - 1)
            out->len = from;
    }
    if (d->passed)
        put_passed(d, out);
    return out->bad ? TG_ENOMEM : TG_OK;
}
