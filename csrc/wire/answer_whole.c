#include "wire/answer_parts.h"

#include "base/mem.h"
#include "wire/delta.h"

/* ---- read ---- */

/* What a message brings; its calls are counted by writing them where nobody
 * reads. */
static tg_err read_body(struct tg_answer *a, const struct tg_piece *p, unsigned index,
                        struct tg_choice *c)
{
    struct tg_tool_setting setting = tg_answer_setting(a, index);
    struct tg_buf nowhere = { 0 };
    struct tg_delta d;
    uint64_t bytes = 0;

    tg_delta_read(&d, p->message);
    tg_err err = tg_tool_calls_put(&c->calls, &setting, d.tool_calls, true, &nowhere, &bytes);
    tg_buf_done(&nowhere);
    c->has_function_call |= d.has_function_call;
    a->facts.has_tools |= tg_choice_made_calls(c);
    if (d.has_content || tg_choice_made_calls(c))
        tg_answer_note_content(a, c, d.text_bytes + bytes);
    return err;
}

static tg_err read_piece(struct tg_answer *a, const struct tg_piece *p, unsigned place)
{
    struct tg_choice *c;
    unsigned index;

    tg_err err = tg_choices_get(&a->choices, p->index, place, &index, &c);
    if (err)
        return err;
    tg_answer_note_piece(a, p, c);
    if (a->api == TG_API_CHAT)
        err = read_body(a, p, index, c);
    else if (tg_json_has_text(p->text))
        tg_answer_note_content(a, c, p->text.raw.len - 2);
    if (err)
        return err;
    return tg_answer_tell_piece(a, p, c);
}

static tg_err read_pieces(struct tg_answer *a, struct tg_json choices)
{
    struct tg_json_iter it;
    struct tg_str key;
    struct tg_json choice;
    struct tg_piece p;
    tg_err err = TG_OK;

    tg_json_iter_init(&it, choices);
    for (unsigned place = 0; !err && tg_json_next(&it, &key, &choice); place++) {
        tg_piece_read(&p, a->api, choice);
        err = place < TG_CHOICES_MAX ? read_piece(a, &p, place) : TG_ETOOBIG;
    }
    return err;
}

tg_err tg_answer_read_words(struct tg_answer *a, struct tg_json root)
{
    if (!tg_answer_make_told(a))
        return TG_ENOMEM;
    tg_err err = tg_told_read_json(a->told, root);
    if (err)
        return err;
    if (!a->told->message.len)
        return TG_EINVAL;
    a->facts.has_error = true;
    return TG_EPEER;
}

/* As in a stream: whole is what tells its end, or brought something. */
tg_err tg_answer_settle_whole(struct tg_answer *a)
{
    a->facts.has_terminal = true;
    a->facts.content_events = a->facts.has_content;
    if (tg_answer_settle(a))
        return TG_OK;
    return a->facts.has_error ? TG_EPEER : TG_EINVAL;
}

/* What reranking took, where Cohere tells it: what is billed holds. */
static void read_meta(struct tg_answer *a, struct tg_json meta)
{
    tg_usage_read(&a->facts.usage, tg_json_get(meta, "tokens"));
    tg_usage_read(&a->facts.usage, tg_json_get(meta, "billed_units"));
}

/* Vectors, or documents in a new order: a list, which is there or not. */
static tg_err read_list(struct tg_answer *a, struct tg_json root, struct tg_json list)
{
    if (list.kind != TG_JSON_ARRAY)
        return tg_answer_read_words(a, root);
    if (a->api == TG_API_RERANK)
        read_meta(a, tg_json_get(root, "meta"));
    a->facts.has_content = tg_json_count(list) > 0;
    a->facts.has_finish = a->facts.has_terminal = true;
    tg_usage_settle(&a->facts.usage);
    a->counts_tokens = a->facts.usage.total >= 0;
    return a->usage.bad ? TG_ENOMEM : TG_OK;
}

/* {"object":"token_count","prompt_tokens":N}: what converters make of it. */
static tg_err read_count(struct tg_answer *a, struct tg_json root)
{
    int64_t tokens;

    if (!tg_json_i64(tg_json_get(root, "prompt_tokens"), &tokens) || tokens < 0)
        return tg_answer_read_words(a, root);
    a->facts.has_content = a->facts.has_finish = a->facts.has_terminal = true;
    return TG_OK;
}

static tg_err read_completion(struct tg_answer *a, struct tg_json root, struct tg_json choices)
{
    if (choices.kind != TG_JSON_ARRAY)
        return tg_answer_read_words(a, root);
    tg_err err = read_pieces(a, choices);
    if (a->usage.bad)
        return TG_ENOMEM;
    return err ? err : tg_answer_settle_whole(a);
}

tg_err tg_answer_read(struct tg_answer *a, struct tg_str body)
{
    struct tg_buf nowhere = { 0 };
    struct tg_json root;
    struct tg_completion c;

    tg_answer_forget(a);
    if (tg_json_check(body, TG_JSON_DEPTH_MAX, &root, NULL))
        return TG_EINVAL;
    if (root.kind != TG_JSON_OBJECT)
        return root.kind == TG_JSON_ARRAY ? tg_answer_read_words(a, root) : TG_EINVAL;
    if (a->native)
        return tg_native_read(a, root);
    if (a->api == TG_API_COUNT)
        return read_count(a, root);
    tg_completion_read(&c, a->api, root, &nowhere);
    bool is_out_of_memory = nowhere.bad;
    tg_buf_done(&nowhere);
    if (is_out_of_memory)
        return TG_ENOMEM;

    tg_answer_note(a, &c);
    if (tg_completion_is_error(&c))
        return tg_answer_tell(a, c.error_in);
    return tg_api_streams(a->api) ? read_completion(a, root, c.choices)
                                  : read_list(a, root, c.data);
}

/* ---- write ---- */

static void put_or_null(struct tg_buf *out, const char *name, struct tg_json value)
{
    tg_json_put_name(out, name);
    if (value.kind > TG_JSON_NULL)
        tg_buf_str(out, value.raw);
    else
        tg_buf_z(out, "null");
}

static tg_err put_body(struct tg_answer *a, const struct tg_piece *p, unsigned index,
                       struct tg_choice *c, struct tg_buf *out)
{
    struct tg_tool_setting setting = tg_answer_setting(a, index);
    struct tg_delta d;
    uint64_t bytes = 0;

    if (a->api == TG_API_COMPLETIONS) {
        tg_buf_z(out, ",\"text\":");
        return tg_buf_str(out, p->text.kind == TG_JSON_STRING ? p->text.raw : TG_STR("\"\""));
    }
    tg_delta_read(&d, p->message);
    tg_tool_calls_done(&c->calls);         /* they were counted when they were read */
    tg_buf_z(out, ",\"message\":{");
    tg_err err = tg_delta_put(&d, TG_DELTA_MESSAGE, &c->calls, &setting, out, &bytes);
    tg_buf_char(out, '}');
    return err;
}

static tg_err put_piece(struct tg_answer *a, const struct tg_piece *p, unsigned place,
                        struct tg_buf *out)
{
    struct tg_choice *c;
    unsigned index;

    tg_err err = tg_choices_get(&a->choices, p->index, place, &index, &c);
    if (err)
        return err;
    tg_json_put_comma(out);
    tg_buf_z(out, "{\"index\":");
    tg_buf_u64(out, index);
    put_or_null(out, "logprobs", p->logprobs);
    tg_choice_put_reasons(c, out);
    err = put_body(a, p, index, c, out);
    tg_piece_pass(p, a->api, out);
    tg_buf_char(out, '}');
    return err;
}

static tg_err put_pieces(struct tg_answer *a, struct tg_json choices, struct tg_buf *out)
{
    struct tg_json_iter it;
    struct tg_str key;
    struct tg_json choice;
    struct tg_piece p;
    tg_err err = TG_OK;

    tg_buf_z(out, ",\"choices\":[");
    tg_json_iter_init(&it, choices);
    for (unsigned place = 0; !err && tg_json_next(&it, &key, &choice); place++) {
        tg_piece_read(&p, a->api, choice);
        err = put_piece(a, &p, place, out);
    }
    tg_buf_char(out, ']');
    return err;
}

/* What was asked about, by its place. Each is told once: an answer is no larger
 * than what was asked and what came. */
struct documents {
    struct tg_json *at;
    size_t          count;
};

static tg_err list_documents(struct documents *d, struct tg_json array)
{
    struct tg_json_iter it;
    struct tg_str key;
    size_t n = 0, most = tg_json_count(array);

    *d = (struct documents){ .at = most ? tg_alloc(most * sizeof *d->at) : NULL };
    if (most && !d->at)
        return TG_ENOMEM;
    tg_json_iter_init(&it, array);
    while (n < most && tg_json_next(&it, &key, &d->at[n]))
        n++;
    d->count = n;
    return TG_OK;
}

/* The document of that place, as the contract has it. */
static void put_document(struct documents *d, int64_t place, struct tg_buf *out)
{
    if (place < 0 || (uint64_t)place >= d->count || d->at[place].kind == TG_JSON_NONE)
        return;
    bool is_text = d->at[place].kind == TG_JSON_STRING;
    tg_buf_z(out, is_text ? ",\"document\":{\"text\":" : ",\"document\":");
    tg_buf_str(out, d->at[place].raw);
    tg_buf_z(out, is_text ? "}" : "");
    d->at[place] = (struct tg_json){ 0 };
}

/* One result; what the provider left to be looked up by its index is looked up. */
static void put_result(struct documents *d, struct tg_json result, struct tg_buf *out)
{
    struct tg_json document = tg_json_get(result, "document");
    int64_t place;

    if (result.kind != TG_JSON_OBJECT || document.kind > TG_JSON_NULL ||
        !tg_json_i64(tg_json_get(result, "index"), &place)) {
        tg_buf_str(out, result.raw);
        return;
    }
    tg_buf_add(out, result.raw.at, result.raw.len - 1);
    if (document.kind == TG_JSON_NONE)
        put_document(d, place, out);
    tg_buf_char(out, '}');
}

static tg_err put_list(const struct tg_answer *a, struct tg_json list, struct tg_buf *out)
{
    struct documents documents;
    struct tg_json_iter it;
    struct tg_str key;
    struct tg_json result;

    if (a->api != TG_API_RERANK) {
        tg_buf_z(out, ",\"data\":");
        return tg_buf_str(out, list.raw);
    }
    tg_err err = list_documents(&documents, a->offered);
    tg_buf_z(out, ",\"results\":[");
    tg_json_iter_init(&it, list);
    while (!err && tg_json_next(&it, &key, &result)) {
        tg_json_put_comma(out);
        put_result(&documents, result, out);
    }
    tg_buf_char(out, ']');
    tg_free(documents.at);
    return err;
}

static const char *object_of(enum tg_api api)
{
    switch (api) {
    case TG_API_CHAT:        return "chat.completion";
    case TG_API_COMPLETIONS: return "text_completion";
    case TG_API_EMBEDDINGS:  return "list";
    default:                 return NULL;      /* others have no `object` */
    }
}

tg_err tg_answer_write(struct tg_answer *a, struct tg_str body, const struct tg_cost *cost,
                       struct tg_str metadata, struct tg_buf *out)
{
    struct tg_buf passed = { 0 };
    struct tg_json root = { tg_answer_trim(body), TG_JSON_OBJECT };
    struct tg_completion c;
    tg_err err = TG_OK;

    if (a->native)
        return tg_native_write(a, body, cost, metadata, out);
    if (a->api == TG_API_COUNT)
        return tg_buf_str(out, root.raw);
    tg_answer_put_identity(a, object_of(a->api), out);
    tg_completion_read(&c, a->api, root, &passed);
    if (!tg_api_streams(a->api)) {
        err = put_list(a, c.data, out);
    } else {
        put_or_null(out, "system_fingerprint", c.system_fingerprint);
        put_or_null(out, "service_tier", c.service_tier);
        err = put_pieces(a, c.choices, out);
    }
    tg_buf_str(out, tg_buf_view(&passed));
    tg_answer_put_usage(a, cost, metadata, out);
    tg_buf_char(out, '}');
    if (passed.bad || out->bad)
        err = TG_ENOMEM;
    tg_buf_done(&passed);
    return err;
}

tg_err tg_answer_write_as_stream(struct tg_answer *a, struct tg_str body, struct tg_buf *out)
{
    struct tg_json root = { tg_answer_trim(body), TG_JSON_OBJECT };
    tg_err err = tg_answer_read(a, body);

    if (err)
        return err;
    if (a->native || !tg_api_streams(a->api))
        return TG_EINVAL;
    tg_answer_forget(a);           /* what was read comes again, this time to be written */
    err = tg_answer_put_frames(a, root, true, out);
    a->facts.has_terminal = !err;
    return err;
}
