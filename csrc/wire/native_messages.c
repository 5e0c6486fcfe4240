/* Anthropic's Messages: typed events, each named once more in its event line.
 * The usage is told in two parts, the prompt's at the start and the answer's
 * in message_delta; message_stop is behind it. */
#include "wire/native_parts.h"

enum { TYPE, MESSAGE, BLOCK, DELTA, USAGE, ERROR, MEMBERS };

static const struct tg_str names[MEMBERS] = {
    [TYPE] = TG_NATIVE_NAME("type"),           [MESSAGE] = TG_NATIVE_NAME("message"),
    [BLOCK] = TG_NATIVE_NAME("content_block"), [DELTA] = TG_NATIVE_NAME("delta"),
    [USAGE] = TG_NATIVE_NAME("usage"),         [ERROR] = TG_NATIVE_NAME("error"),
};

/* ---- content ---- */

/* Calls of the client's tools are told from those that Anthropic makes itself. */
static bool is_call(struct tg_json type)
{
    return tg_native_word_is(type, "\"tool_use\"");
}

static bool is_text(struct tg_json type)
{
    return tg_native_word_is(type, "\"text\"") || tg_native_word_is(type, "\"thinking\"");
}

/* A block as it begins in a stream, mostly empty, or whole. */
static tg_err read_block(struct tg_answer *a, struct tg_json block)
{
    enum { KIND, TEXT, THINKING, INPUT, WORDS };
    static const struct tg_str words[WORDS] = {
        [KIND] = TG_NATIVE_NAME("type"),         [TEXT] = TG_NATIVE_NAME("text"),
        [THINKING] = TG_NATIVE_NAME("thinking"), [INPUT] = TG_NATIVE_NAME("input"),
    };
    struct tg_json found[WORDS];
    struct tg_choice *c;

    if (tg_native_choice(a, &c))
        return TG_ENOMEM;
    tg_native_pick(block, words, found, WORDS);
    uint64_t bytes = tg_native_text_bytes(found[TEXT]) + tg_native_text_bytes(found[THINKING]);
    if (tg_json_count(found[INPUT]))
        bytes += found[INPUT].raw.len;
    if (is_call(found[KIND]))
        tg_native_calls(a, c);
    if (bytes || (found[KIND].kind == TG_JSON_STRING && !is_text(found[KIND])))
        tg_native_content(a, c, bytes);
    return TG_OK;
}

static tg_err read_blocks(struct tg_answer *a, struct tg_json content)
{
    struct tg_json_iter it;
    struct tg_str key;
    struct tg_json block;
    tg_err err = TG_OK;

    tg_json_iter_init(&it, content);
    while (!err && content.kind == TG_JSON_ARRAY && tg_json_next(&it, &key, &block))
        err = read_block(a, block);
    return err;
}

static tg_err on_block_start(struct tg_answer *a, struct tg_json block)
{
    struct tg_native *n = a->native;

    n->is_calling = is_call(tg_json_get(block, "type"));
    n->args = (struct tg_tool_args){ 0 };
    return read_block(a, block);
}

static void on_block_stop(struct tg_native *n)
{
    if (n->is_calling && !tg_tool_args_is_empty(&n->args) && !tg_tool_args_is_whole(&n->args))
        n->has_bad_call = true;
    n->is_calling = false;
}

/* Whatever it is called: text that is not empty is content, and so is what is
 * no text, a citation for one. A signature belongs to what came before. */
static tg_err on_block_delta(struct tg_answer *a, struct tg_json delta)
{
    struct tg_choice *c;
    struct tg_json_iter it;
    struct tg_str key;
    struct tg_json value;
    uint64_t bytes = 0;
    bool has_content = false;

    tg_json_iter_init(&it, delta);
    while (delta.kind == TG_JSON_OBJECT && tg_json_next(&it, &key, &value)) {
        if (tg_str_is(key, "type") || tg_str_is(key, "signature"))
            continue;
        bytes += tg_native_text_bytes(value);
        has_content |= tg_json_has_text(value) || value.kind == TG_JSON_OBJECT ||
                       value.kind == TG_JSON_ARRAY;
        if (a->native->is_calling && value.kind == TG_JSON_STRING && value.raw.len > 2)
            tg_tool_args_feed(&a->native->args,
                              (struct tg_str){ value.raw.at + 1, value.raw.len - 2 });
    }
    if (!has_content)
        return TG_OK;
    if (tg_native_choice(a, &c))
        return TG_ENOMEM;
    tg_native_content(a, c, bytes);
    return TG_OK;
}

/* ---- usage ---- */

/* message_delta may tell the answer's part alone, and compatible servers fill
 * the prompt's with zeros then: what message_start said of it holds. */
static void read_usage(struct tg_answer *a, struct tg_json usage)
{
    struct tg_usage *u = &a->facts.usage, before = *u, said;

    tg_usage_init(&said);
    tg_usage_read(&said, usage);
    tg_usage_read(u, usage);
    if (said.prompt > 0 || before.prompt <= 0)
        return;
    u->prompt = before.prompt;
    u->cached = before.cached;
    u->cache_write = before.cache_write;
    u->cache_write_1h = before.cache_write_1h;
}

static void put_usage(const struct tg_usage *u, struct tg_buf *out)
{
    int64_t read = u->cached > 0 ? u->cached : 0, written = u->cache_write > 0 ? u->cache_write : 0;
    int64_t input = u->prompt - read - written;

    tg_buf_z(out, "\"input_tokens\":");
    tg_buf_i64(out, input > 0 ? input : 0);
    tg_buf_z(out, ",\"cache_creation_input_tokens\":");
    tg_buf_i64(out, written);
    tg_buf_z(out, ",\"cache_read_input_tokens\":");
    tg_buf_i64(out, read);
    tg_buf_z(out, ",\"output_tokens\":");
    tg_buf_i64(out, u->completion > 0 ? u->completion : 0);
}

/* ---- events ---- */

static tg_err read_stop(struct tg_answer *a, struct tg_json reason)
{
    struct tg_choice *c;

    if (reason.kind != TG_JSON_STRING)
        return TG_OK;
    if (tg_native_choice(a, &c))
        return TG_ENOMEM;
    return tg_native_ends(a, c, reason, (struct tg_json){ 0 });
}

static tg_err on_start(struct tg_answer *a, struct tg_json message)
{
    read_usage(a, tg_json_get(message, "usage"));
    return read_blocks(a, tg_json_get(message, "content"));
}

/* A client that waits for the reason to stop must find one, also where the
 * provider forgot it. */
static tg_err keep_missing_delta(struct tg_answer *a)
{
    struct tg_str word = tg_answer_native_reason(a);
    struct tg_buf data = { 0 };

    if (!word.len)
        word = a->facts.has_tools ? TG_STR("tool_use") : TG_STR("end_turn");
    tg_buf_z(&data, "{\"type\":\"message_delta\",\"delta\":{\"stop_reason\":");
    tg_json_put_text(&data, word);
    tg_buf_z(&data, ",\"stop_sequence\":null}}");
    tg_err err = data.bad ? TG_ENOMEM
                          : tg_native_keep(a->native, TG_STR("message_delta"), tg_buf_view(&data));
    tg_buf_done(&data);
    return err;
}

static tg_err on_stop(struct tg_answer *a)
{
    a->facts.has_terminal = a->native->is_closed = true;
    return a->native->kept.len ? TG_OK : keep_missing_delta(a);
}

static tg_err on_event(struct tg_answer *a, struct tg_native_event *e)
{
    struct tg_json found[MEMBERS], type;

    tg_native_pick(e->root, names, found, MEMBERS);
    type = found[TYPE];
    if (!e->name.len)                  /* SDKs look at nothing else */
        tg_json_plain(type, &e->name);
    if (tg_native_word_is(type, "\"content_block_delta\""))
        return on_block_delta(a, found[DELTA]);
    if (tg_native_word_is(type, "\"content_block_start\""))
        return on_block_start(a, found[BLOCK]);
    if (tg_native_word_is(type, "\"content_block_stop\"")) {
        on_block_stop(a->native);
        return TG_OK;
    }
    if (tg_native_word_is(type, "\"message_start\"")) {
        e->is_ours = true;
        return on_start(a, found[MESSAGE]);
    }
    if (tg_native_word_is(type, "\"message_delta\"")) {
        e->place = TG_NATIVE_LAST;
        read_usage(a, found[USAGE]);
        return read_stop(a, tg_json_get(found[DELTA], "stop_reason"));
    }
    e->place = TG_NATIVE_FOLLOW;
    if (tg_native_word_is(type, "\"message_stop\""))
        return on_stop(a);
    if (tg_native_word_is(type, "\"error\"") || tg_str_is(e->name, "error") ||
        tg_completion_tells_error(found[ERROR]))
        return tg_answer_tell(a, e->root);
    return TG_OK;
}

static void change_names(const struct tg_answer *a, struct tg_json message, struct tg_splices *s)
{
    struct tg_member members[] = {
        { "id", a->names.id, .is_words = true, .is_added = true },
        { "model", a->names.model, .is_words = true, .is_added = true },
    };
    tg_splice_members(s, message, members, 2);
}

static void change(const struct tg_answer *a, struct tg_json root,
                   const struct tg_native_end *end, struct tg_splices *s)
{
    struct tg_json type = tg_json_get(root, "type");

    if (tg_native_word_is(type, "\"message_start\""))
        change_names(a, tg_json_get(root, "message"), s);
    else if (end && tg_native_word_is(type, "\"message_delta\""))
        tg_native_splice_usage(a, root, end, s);
    else if (end && tg_native_word_is(type, "\"message_stop\""))
        tg_native_splice_metadata(root, end, s);
}

/* The connection may end right behind the reason to stop. */
static tg_err put_tail(struct tg_answer *a, const struct tg_native_end *end,
                          struct tg_buf *out)
{
    struct tg_json stop = { TG_STR("{\"type\":\"message_stop\"}"), TG_JSON_OBJECT };
    struct tg_splices s;

    if (a->native->is_closed)
        return TG_OK;
    tg_splices_init(&s);
    tg_native_splice_metadata(stop, end, &s);
    return tg_native_put_frame(a->native, TG_STR("message_stop"), stop.raw, &s, out);
}

static void put_failure(const struct tg_answer *a, struct tg_json error, struct tg_str metadata,
                        struct tg_buf *out)
{
    tg_buf_z(out, "event: error\ndata: ");
    tg_fault_put_error_as(out, TG_SHAPE_MESSAGES, error, a->names.id, metadata);
    tg_buf_z(out, "\n\n");
}

/* ---- whole ---- */

static tg_err read_whole(struct tg_answer *a, struct tg_json root)
{
    struct tg_json content = tg_json_get(root, "content");
    struct tg_choice *c;

    if (content.kind != TG_JSON_ARRAY)
        return TG_EINVAL;
    if (tg_native_choice(a, &c))
        return TG_ENOMEM;
    tg_usage_read(&a->facts.usage, tg_json_get(root, "usage"));
    tg_err err = read_blocks(a, content);
    return err ? err : read_stop(a, tg_json_get(root, "stop_reason"));
}

static void change_whole(const struct tg_answer *a, struct tg_json root,
                         const struct tg_native_end *end, struct tg_splices *s)
{
    struct tg_member provider = { "provider", a->names.provider, .is_words = true,
                                  .is_added = true };

    change_names(a, root, s);
    tg_native_splice_usage(a, root, end, s);
    tg_splice_members(s, root, &provider, 1);
    tg_native_splice_metadata(root, end, s);
}

const struct tg_native_format tg_native_messages = {
    .api = TG_API_MESSAGES,
    .line_end = "\n",
    .usage_name = "usage",
    .prompt_cost = "upstream_inference_prompt_cost",
    .completion_cost = "upstream_inference_completions_cost",
    .on_event = on_event, .change = change,
    .read_whole = read_whole, .change_whole = change_whole,
    .put_usage = put_usage, .put_tail = put_tail, .put_failure = put_failure,
};
