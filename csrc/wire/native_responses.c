/* OpenAI's Responses: typed, numbered events. Those of the whole response carry
 * it as `response`; the last of these tells why it ended and what was used,
 * and all of the output once more. "[DONE]" stands behind it, as the contract
 * has it. */
#include "wire/native_parts.h"

enum { TYPE, NUMBER, DELTA, ITEM, RESPONSE, ERROR, MEMBERS };

static const struct tg_str names[MEMBERS] = {
    [TYPE] = TG_NATIVE_NAME("type"),   [NUMBER] = TG_NATIVE_NAME("sequence_number"),
    [DELTA] = TG_NATIVE_NAME("delta"), [ITEM] = TG_NATIVE_NAME("item"),
    [RESPONSE] = TG_NATIVE_NAME("response"), [ERROR] = TG_NATIVE_NAME("error"),
};

/* ---- content ---- */

/* Items that are tools of the client's, which it must answer. */
static bool is_call(struct tg_json type)
{
    return tg_native_word_is(type, "\"function_call\"") ||
           tg_native_word_is(type, "\"custom_tool_call\"");
}

/* Items that are nothing without what is in them. */
static bool is_vessel(struct tg_json type)
{
    return tg_native_word_is(type, "\"message\"") || tg_native_word_is(type, "\"reasoning\"");
}

/* Bytes of the texts in a list of parts. */
static uint64_t bytes_of_parts(struct tg_json parts)
{
    struct tg_json_iter it;
    struct tg_str key;
    struct tg_json part;
    uint64_t bytes = 0;

    tg_json_iter_init(&it, parts);
    while (parts.kind == TG_JSON_ARRAY && tg_json_next(&it, &key, &part))
        bytes += tg_native_text_bytes(tg_json_get(part, "text")) +
                 tg_native_text_bytes(tg_json_get(part, "refusal"));
    return bytes;
}

/* An item as it begins in a stream, mostly empty, or whole. */
static tg_err read_item(struct tg_answer *a, struct tg_json item)
{
    enum { KIND, CONTENT, SUMMARY, ENCRYPTED, ARGUMENTS, INPUT, WORDS };
    static const struct tg_str words[WORDS] = {
        [KIND] = TG_NATIVE_NAME("type"),
        [CONTENT] = TG_NATIVE_NAME("content"),
        [SUMMARY] = TG_NATIVE_NAME("summary"),
        [ENCRYPTED] = TG_NATIVE_NAME("encrypted_content"),
        [ARGUMENTS] = TG_NATIVE_NAME("arguments"),
        [INPUT] = TG_NATIVE_NAME("input"),
    };
    struct tg_json found[WORDS];
    struct tg_choice *c;

    if (tg_native_choice(a, &c))
        return TG_ENOMEM;
    tg_native_pick(item, words, found, WORDS);
    uint64_t bytes = bytes_of_parts(found[CONTENT]) + bytes_of_parts(found[SUMMARY]) +
                     tg_native_text_bytes(found[ARGUMENTS]) + tg_native_text_bytes(found[INPUT]);
    if (is_call(found[KIND]))
        tg_native_calls(a, c);
    if (bytes || tg_json_has_text(found[ENCRYPTED]) ||
        (found[KIND].kind == TG_JSON_STRING && !is_vessel(found[KIND])))
        tg_native_content(a, c, bytes);
    return TG_OK;
}

static tg_err read_output(struct tg_answer *a, struct tg_json output)
{
    struct tg_json_iter it;
    struct tg_str key;
    struct tg_json item;
    tg_err err = TG_OK;

    tg_json_iter_init(&it, output);
    while (!err && output.kind == TG_JSON_ARRAY && tg_json_next(&it, &key, &item))
        err = read_item(a, item);
    return err;
}

/* The arguments of a call stand once more, whole, in the item that is done. */
static void check_call(struct tg_native *n, struct tg_json item)
{
    struct tg_json arguments = tg_json_get(item, "arguments");
    struct tg_tool_args args = { 0 };

    if (!tg_native_word_is(tg_json_get(item, "type"), "\"function_call\"") ||
        !tg_json_has_text(arguments))
        return;
    tg_tool_args_feed(&args, (struct tg_str){ arguments.raw.at + 1, arguments.raw.len - 2 });
    n->has_bad_call |= !tg_tool_args_is_whole(&args);
}

/* Not all who speak this format send every delta: an item that brought nothing
 * until it is done counts then. */
static tg_err on_item(struct tg_answer *a, struct tg_json item, bool is_done)
{
    if (is_done)
        check_call(a->native, item);
    return is_done && a->facts.has_content ? TG_OK : read_item(a, item);
}

static tg_err on_delta(struct tg_answer *a, struct tg_json delta)
{
    struct tg_choice *c;

    if (!tg_json_has_text(delta))
        return TG_OK;
    if (tg_native_choice(a, &c))
        return TG_ENOMEM;
    tg_native_content(a, c, tg_native_text_bytes(delta));
    return TG_OK;
}

/* A citation, or a picture that is not done. */
static tg_err on_other_content(struct tg_answer *a)
{
    struct tg_choice *c;

    if (tg_native_choice(a, &c))
        return TG_ENOMEM;
    tg_native_content(a, c, 0);
    return TG_OK;
}

/* ---- usage ---- */

static void put_usage(const struct tg_usage *u, struct tg_buf *out)
{
    tg_buf_z(out, "\"input_tokens\":");
    tg_buf_i64(out, u->prompt > 0 ? u->prompt : 0);
    tg_buf_z(out, ",\"input_tokens_details\":{\"cached_tokens\":");
    tg_buf_i64(out, u->cached > 0 ? u->cached : 0);
    tg_buf_z(out, "},\"output_tokens\":");
    tg_buf_i64(out, u->completion > 0 ? u->completion : 0);
    tg_buf_z(out, ",\"output_tokens_details\":{\"reasoning_tokens\":");
    tg_buf_i64(out, u->reasoning > 0 ? u->reasoning : 0);
    tg_buf_z(out, "},\"total_tokens\":");
    tg_buf_i64(out, u->total > 0 ? u->total : 0);
}

/* ---- the whole response ---- */

/* Why it ended: an incomplete one has a reason besides, any other its status. */
static tg_err read_status(struct tg_answer *a, struct tg_json response)
{
    struct tg_json status = tg_json_get(response, "status"), reason = { 0 };
    struct tg_choice *c;

    if (tg_native_word_is(status, "\"incomplete\""))
        reason = tg_json_get(tg_json_get(response, "incomplete_details"), "reason");
    if (status.kind != TG_JSON_STRING)
        return TG_OK;
    if (tg_native_choice(a, &c))
        return TG_ENOMEM;
    return tg_native_ends(a, c, tg_json_has_text(reason) ? reason : status,
                          (struct tg_json){ 0 });
}

static tg_err on_end(struct tg_answer *a, struct tg_json response)
{
    a->facts.has_terminal = true;
    tg_err err = a->facts.has_content ? TG_OK : read_output(a, tg_json_get(response, "output"));
    return err ? err : read_status(a, response);
}

/* Of a failed one, too, the tokens were used. */
static void read_usage(struct tg_answer *a, struct tg_json response)
{
    tg_usage_read(&a->facts.usage, tg_json_get(response, "usage"));
}

/* ---- events ---- */

static tg_err on_response(struct tg_answer *a, struct tg_native_event *e, struct tg_json type,
                          struct tg_json response)
{
    e->is_ours = true;
    read_usage(a, response);
    if (tg_native_word_is(type, "\"response.failed\"") ||
        tg_completion_tells_error(tg_json_get(response, "error")))
        return tg_answer_tell(a, response);
    if (tg_native_word_is(type, "\"response.completed\"") ||
        tg_native_word_is(type, "\"response.incomplete\"") ||
        tg_native_word_is(type, "\"response.cancelled\"")) {
        e->place = TG_NATIVE_LAST;
        return on_end(a, response);
    }
    return TG_OK;
}

static void count(struct tg_native *n, struct tg_json number)
{
    int64_t last;

    if (tg_json_i64(number, &last) && last >= 0 && last < INT64_MAX)
        n->sequence = last + 1;
}

static bool is_error(const struct tg_native_event *e, const struct tg_json *found)
{
    return tg_native_word_is(found[TYPE], "\"error\"") ||
           tg_native_word_is(found[TYPE], "\"response.error\"") ||
           tg_str_is(e->name, "error") || tg_completion_tells_error(found[ERROR]);
}

static tg_err on_event(struct tg_answer *a, struct tg_native_event *e)
{
    struct tg_json found[MEMBERS];

    tg_native_pick(e->root, names, found, MEMBERS);
    count(a->native, found[NUMBER]);
    struct tg_json type = found[TYPE];
    if (tg_str_ends(type.raw, ".delta\""))
        return on_delta(a, found[DELTA]);
    if (found[RESPONSE].kind == TG_JSON_OBJECT)
        return on_response(a, e, type, found[RESPONSE]);
    if (is_error(e, found))
        return tg_answer_tell(a, e->root);
    if (found[ITEM].kind == TG_JSON_OBJECT)
        return on_item(a, found[ITEM], tg_str_ends(type.raw, ".done\""));
    if (tg_str_ends(type.raw, ".annotation.added\"") || tg_str_ends(type.raw, ".partial_image\""))
        return on_other_content(a);
    return TG_OK;
}

static void change_whole(const struct tg_answer *a, struct tg_json response,
                         const struct tg_native_end *end, struct tg_splices *s)
{
    struct tg_member members[] = {
        { "id", a->names.id, .is_words = true, .is_added = true },
        { "model", a->names.model, .is_words = true, .is_added = true },
    };

    tg_splice_members(s, response, members, 2);
    if (!end)
        return;
    tg_native_splice_usage(a, response, end, s);
    tg_native_splice_metadata(response, end, s);
}

static void change(const struct tg_answer *a, struct tg_json root,
                   const struct tg_native_end *end, struct tg_splices *s)
{
    change_whole(a, tg_json_get(root, "response"), end, s);
}

static tg_err put_tail(struct tg_answer *a, const struct tg_native_end *end, struct tg_buf *out)
{
    return tg_buf_z(out, "data: [DONE]\n\n");
}

/* What the format's schema wants of a response that has nothing to say. */
static const char nothing[] =
    ",\"completed_at\":null,\"incomplete_details\":null,\"instructions\":null,\"metadata\":{},"
    "\"output\":[],\"parallel_tool_calls\":true,\"frequency_penalty\":null,"
    "\"presence_penalty\":null,\"temperature\":null,\"tool_choice\":\"auto\",\"tools\":[],"
    "\"top_p\":null,\"usage\":null";

static void put_failed(const struct tg_answer *a, struct tg_json error, struct tg_buf *out)
{
    enum tg_fault_type type = tg_fault_type_in(error);
    struct tg_json message = tg_json_get(error, "message");

    tg_buf_z(out, "{\"id\":");
    tg_json_put_text(out, a->names.id);
    tg_buf_z(out, ",\"object\":\"response\",\"created_at\":");
    tg_buf_u64(out, a->names.created_s);
    tg_buf_z(out, ",\"model\":");
    tg_json_put_text(out, a->names.model);
    tg_buf_z(out, ",\"status\":\"failed\",\"error\":{\"code\":");
    tg_json_put_text(out, tg_str_of(tg_fault_word_responses(type)));
    tg_buf_z(out, ",\"message\":");
    tg_buf_str(out, message.kind == TG_JSON_STRING ? message.raw : TG_STR("\"\""));
    tg_buf_z(out, "},\"error_type\":");
    tg_json_put_text(out, tg_str_of(tg_fault_type_name(type)));
    tg_buf_z(out, nothing);
}

static void put_failure(const struct tg_answer *a, struct tg_json error, struct tg_str metadata,
                        struct tg_buf *out)
{
    tg_buf_z(out, "event: response.failed\ndata: {\"type\":\"response.failed\",\"response\":");
    put_failed(a, error, out);
    if (metadata.len) {
        tg_buf_z(out, ",\"openrouter_metadata\":");
        tg_buf_str(out, metadata);
    }
    tg_buf_z(out, "},\"sequence_number\":");
    tg_buf_i64(out, a->native->sequence);
    tg_buf_z(out, "}\n\n");
}

/* ---- whole ---- */

static tg_err read_whole(struct tg_answer *a, struct tg_json root)
{
    struct tg_json output = tg_json_get(root, "output");
    struct tg_choice *c;

    if (output.kind != TG_JSON_ARRAY)
        return TG_EINVAL;
    if (tg_native_choice(a, &c))
        return TG_ENOMEM;
    read_usage(a, root);
    tg_err err = read_output(a, output);
    return err ? err : read_status(a, root);
}

const struct tg_native_format tg_native_responses = {
    .api = TG_API_RESPONSES,
    .line_end = "\n",
    .usage_name = "usage",
    .prompt_cost = "upstream_inference_input_cost",
    .completion_cost = "upstream_inference_output_cost",
    .on_event = on_event, .change = change,
    .read_whole = read_whole, .change_whole = change_whole,
    .put_usage = put_usage, .put_tail = put_tail, .put_failure = put_failure,
};
