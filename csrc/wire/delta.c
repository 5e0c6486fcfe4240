#include "wire/delta.h"

#include "wire/names.h"

/* Anything but white space between the brackets? */
static bool is_filled(struct tg_str container)
{
    size_t i = 1;

    while (i + 1 < container.len && (unsigned char)container.at[i] <= ' ')
        i++;
    return i + 1 < container.len;
}

bool tg_delta_says(struct tg_json value)
{
    switch (value.kind) {
    case TG_JSON_NONE:
    case TG_JSON_NULL:   return false;
    case TG_JSON_STRING: return value.raw.len > 2;
    case TG_JSON_ARRAY:
    case TG_JSON_OBJECT: return is_filled(value.raw);
    default:             return true;
    }
}

/* ---- parts ---- */

enum { TEXT, THINKING, ODD };      /* what a part of a list holds */

/* One part: which it is, and the string in it, or the list of further parts.
 * A bare string is text. */
static int read_part(struct tg_json part, struct tg_json *inside)
{
    struct tg_json_iter it;
    struct tg_str key;
    struct tg_json value, text = { 0 }, thinking = { 0 };
    bool is_thinking = false;

    *inside = part;
    if (part.kind == TG_JSON_STRING)
        return TEXT;
    tg_json_iter_init(&it, part);
    while (part.kind == TG_JSON_OBJECT && tg_json_next(&it, &key, &value)) {
        switch (tg_name_of(key)) {
        case TG_NAME_TYPE:
            is_thinking = tg_json_is(value, "thinking") || tg_json_is(value, "reasoning");
            break;
        case TG_NAME_TEXT:      text = value; break;
        case TG_NAME_REASONING:
        case TG_NAME_THINKING:  thinking = value; break;
        default:                break;
        }
    }
    *inside = is_thinking && thinking.kind != TG_JSON_NONE ? thinking : text;
    return inside->kind == TG_JSON_NONE ? ODD : is_thinking ? THINKING : TEXT;
}

/* Append what is between a string's quotes; its escapes stay as they are. */
static size_t put_inside(struct tg_json string, struct tg_buf *out)
{
    if (string.kind != TG_JSON_STRING || string.raw.len <= 2)
        return 0;
    if (out)
        tg_buf_add(out, string.raw.at + 1, string.raw.len - 2);
    return string.raw.len - 2;
}

/* The same for the text of all parts of a list that are `which`. Returns how
 * many bytes that is, and counts the odd ones; `out` and `odd` may be NULL. A
 * thinking part may hold a list of text again. */
static size_t put_parts(struct tg_json list, int which, struct tg_buf *out, unsigned *odd)
{
    struct tg_json_iter it, leaves;
    struct tg_str key;
    struct tg_json part, inside, leaf;
    size_t bytes = 0;

    tg_json_iter_init(&it, list);
    while (tg_json_next(&it, &key, &part)) {
        int is = read_part(part, &inside);
        if (odd)
            *odd += is == ODD;
        if (is != which)
            continue;
        bytes += put_inside(inside, out);
        tg_json_iter_init(&leaves, inside);
        while (inside.kind == TG_JSON_ARRAY && tg_json_next(&leaves, &key, &leaf))
            if (read_part(leaf, &leaf) == TEXT)
                bytes += put_inside(leaf, out);
    }
    return bytes;
}

/* Text that is a string or a list of parts. */
static size_t put_text(struct tg_json value, struct tg_buf *out)
{
    return value.kind == TG_JSON_ARRAY ? put_parts(value, TEXT, out, NULL)
                                       : put_inside(value, out);
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

static size_t content_bytes(struct tg_delta *d)
{
    switch (d->content.kind) {
    case TG_JSON_NONE:
    case TG_JSON_NULL:   return 0;
    case TG_JSON_STRING: return put_inside(d->content, NULL);
    case TG_JSON_ARRAY:  break;
    default:             return d->content.raw.len;
    }
    d->thinking_bytes = put_parts(d->content, THINKING, NULL, &d->odd_parts);
    return d->thinking_bytes + put_parts(d->content, TEXT, NULL, NULL);
}

void tg_delta_read(struct tg_delta *d, struct tg_json object)
{
    struct tg_json_iter it;
    struct tg_str key;
    struct tg_json value, details = { 0 };

    *d = (struct tg_delta){ .object = object };
    tg_json_iter_init(&it, object);
    while (object.kind == TG_JSON_OBJECT && tg_json_next(&it, &key, &value)) {
        enum tg_name name = tg_name_of(key);
        switch (name) {
        case TG_NAME_ROLE:       break;
        case TG_NAME_CONTENT:    d->content = value; break;
        case TG_NAME_TOOL_CALLS: d->tool_calls = value; break;
        case TG_NAME_REFUSAL:    d->refusal = value; break;
        case TG_NAME_REASONING_DETAILS:
            details = value;
            read_other(d, name, value);
            break;
        case TG_NAME_REASONING:
        case TG_NAME_REASONING_CONTENT:
        case TG_NAME_THINKING:
            read_reasoning(d, value);
            /* fall through */
        default:
            read_other(d, name, value);
        }
    }
    if (d->reasoning.kind == TG_JSON_NONE && put_text(details, NULL) > 0)
        d->reasoning = details;        /* MiniMax tells it nowhere else */
    d->text_bytes = content_bytes(d) + put_text(d->reasoning, NULL) + put_inside(d->refusal, NULL);
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
        put_parts(d->content, TEXT, out, NULL);
        tg_buf_char(out, '"');
        if (d->odd_parts) {
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
    bool has_field = d->reasoning.kind != TG_JSON_NONE;

    if (!has_field && !d->thinking_bytes) {
        if (as == TG_DELTA_MESSAGE)
            tg_buf_z(out, ",\"reasoning\":null");
        return;
    }
    tg_buf_z(out, ",\"reasoning\":\"");
    if (has_field)
        put_text(d->reasoning, out);
    else
        put_parts(d->content, THINKING, out, NULL);
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
