#include "wire/native_parts.h"

#include "base/mem.h"

enum { FRAME_BYTES = 256 };       /* what a frame has around the event's own data, at most */

/* ---- the object itself ---- */

static const struct tg_native_format *format_of(enum tg_api api)
{
    static const struct tg_native_format *const formats[] = {
        &tg_native_messages, &tg_native_responses, &tg_native_gemini
    };

    for (size_t i = 0; i < sizeof formats / sizeof *formats; i++)
        if (formats[i]->api == api)
            return formats[i];
    return NULL;
}

bool tg_native_is(enum tg_api api)
{
    return format_of(api) != NULL;
}

struct tg_native *tg_native_new(enum tg_api api)
{
    struct tg_native *n = tg_zalloc(sizeof *n);

    if (n)
        n->format = format_of(api);
    return n;
}

void tg_native_forget(struct tg_native *n)
{
    tg_buf_done(&n->kept);
    *n = (struct tg_native){ .format = n->format };
}

void tg_native_free(struct tg_native *n)
{
    if (!n)
        return;
    tg_buf_done(&n->kept);
    tg_free(n);
}

/* ---- reading ---- */

static bool is_named(struct tg_str key, struct tg_str name)
{
    if (tg_str_eq(key, name))
        return true;
    return key.len > name.len && memchr(key.at, '\\', key.len) && tg_json_key_is(key, name.at);
}

void tg_native_pick(struct tg_json object, const struct tg_str *names, struct tg_json *found,
                    size_t count)
{
    struct tg_json_iter it;
    struct tg_str key;
    struct tg_json value;

    for (size_t i = 0; i < count; i++)
        found[i] = (struct tg_json){ 0 };
    tg_json_iter_init(&it, object);
    while (object.kind == TG_JSON_OBJECT && tg_json_next(&it, &key, &value))
        for (size_t i = 0; i < count; i++)
            if (is_named(key, names[i])) {
                found[i] = value;
                break;
            }
}

tg_err tg_native_choice(struct tg_answer *a, struct tg_choice **c)
{
    unsigned index;
    return tg_choices_get(&a->choices, (struct tg_json){ 0 }, 0, &index, c);
}

void tg_native_content(struct tg_answer *a, struct tg_choice *c, uint64_t bytes)
{
    tg_answer_note_content(a, c, bytes);
    a->native->has_content = true;
}

void tg_native_calls(struct tg_answer *a, struct tg_choice *c)
{
    c->has_function_call = true;
    a->facts.has_tools = true;
}

/* The last call may be cut short by a limit: that makes it no bad one. */
tg_err tg_native_ends(struct tg_answer *a, struct tg_choice *c, struct tg_json word,
                      struct tg_json native)
{
    tg_choice_read_finish(c, word, native);
    a->facts.has_finish = tg_choices_are_finished(&a->choices);
    a->facts.has_bad_tools = a->native->has_bad_call && c->finish != TG_FINISH_LENGTH;
    return tg_answer_tell_finish(a, c);
}

/* ---- writing ---- */

static bool has_line_end(struct tg_str s)
{
    return s.len && (memchr(s.at, '\n', s.len) || memchr(s.at, '\r', s.len));
}

/* Everything before and after the first line end; false when there is none. */
static bool cut_line(struct tg_str s, struct tg_str *line, struct tg_str *rest)
{
    size_t n = 0;

    while (n < s.len && s.at[n] != '\n' && s.at[n] != '\r')
        n++;
    *line = (struct tg_str){ s.at, n };
    if (n == s.len)
        return false;
    n += tg_str_starts((struct tg_str){ s.at + n, s.len - n }, "\r\n") ? 2 : 1;
    *rest = (struct tg_str){ s.at + n, s.len - n };
    return true;
}

/* A line end inside an event's data, where it is white space, is one of the
 * event stream's as well. */
static void put_lines(const struct tg_native *n, struct tg_buf *out, size_t from)
{
    struct tg_buf text = { 0 };
    struct tg_str line, rest;

    if (out->bad || !has_line_end((struct tg_str){ out->at + from, out->len - from }))
        return;
    tg_buf_add(&text, out->at + from, out->len - from);
    out->len = from;
    rest = tg_buf_view(&text);
    while (cut_line(rest, &line, &rest)) {
        tg_buf_str(out, line);
        tg_buf_z(out, n->format->line_end);
        tg_buf_z(out, "data: ");
    }
    tg_buf_str(out, line);
    out->bad |= text.bad;
    tg_buf_done(&text);
}

tg_err tg_native_put_frame(const struct tg_native *n, struct tg_str name, struct tg_str data,
                           struct tg_splices *s, struct tg_buf *out)
{
    size_t start = out->len;

    tg_buf_reserve(out, name.len + data.len + FRAME_BYTES);
    if (name.len && !has_line_end(name)) {
        tg_buf_add(out, "event: ", 7);
        tg_buf_str(out, name);
        tg_buf_z(out, n->format->line_end);
    }
    tg_buf_add(out, "data: ", 6);
    size_t from = out->len;
    tg_err err = tg_splices_put(s, data, out);
    if (err == TG_ETOOBIG) {
        out->len = start;
        return err;
    }
    put_lines(n, out, from);
    tg_buf_z(out, n->format->line_end);
    return tg_buf_z(out, n->format->line_end);
}

/* ---- what is kept ---- */

/* An event among those that are kept: its lengths, then its texts. */
struct kept {
    size_t name_len, data_len;
};

tg_err tg_native_keep(struct tg_native *n, struct tg_str name, struct tg_str data)
{
    struct kept k = { name.len, data.len };

    tg_buf_reserve(&n->kept, sizeof k + name.len + data.len);
    tg_buf_add(&n->kept, &k, sizeof k);
    tg_buf_str(&n->kept, name);
    return tg_buf_str(&n->kept, data);
}

/* Append the frames of what is kept: with `end` those of the ending. */
static tg_err put_kept(struct tg_answer *a, const struct tg_native_end *end, struct tg_buf *out)
{
    struct tg_native *n = a->native;
    struct kept k;
    tg_err err = n->kept.bad ? TG_ENOMEM : TG_OK;

    for (size_t at = 0; !err && at < n->kept.len; at += k.name_len + k.data_len) {
        memcpy(&k, n->kept.at + at, sizeof k);
        at += sizeof k;
        struct tg_str name = { n->kept.at + at, k.name_len };
        struct tg_str data = { name.at + k.name_len, k.data_len };
        struct tg_splices s;
        tg_splices_init(&s);
        n->format->change(a, (struct tg_json){ tg_answer_trim(data), TG_JSON_OBJECT }, end, &s);
        err = tg_native_put_frame(n, name, data, &s, out);
    }
    tg_buf_reset(&n->kept);
    return err;
}

/* ---- events ---- */

static tg_err pass(struct tg_answer *a, const struct tg_native_event *e, struct tg_str data,
                   struct tg_buf *out)
{
    struct tg_splices s;

    tg_splices_init(&s);
    if (e->is_ours)
        a->native->format->change(a, e->root, NULL, &s);
    return tg_native_put_frame(a->native, e->name, data, &s, out);
}

static tg_err put_in_place(struct tg_answer *a, const struct tg_native_event *e,
                           struct tg_str data, struct tg_buf *out)
{
    struct tg_native *n = a->native;

    if (n->kept.len && e->place == TG_NATIVE_FOLLOW)
        return tg_native_keep(n, e->name, data);
    if (n->kept.len) {
        tg_err err = put_kept(a, NULL, out);
        if (err)
            return err;
    }
    return e->place == TG_NATIVE_LAST ? tg_native_keep(n, e->name, data) : pass(a, e, data, out);
}

/* Only an error comes as a list, in Google's way. */
static tg_err tell_list(struct tg_answer *a, struct tg_json root)
{
    struct tg_json_iter it;
    struct tg_str key;
    struct tg_json first;

    tg_json_iter_init(&it, root);
    if (root.kind != TG_JSON_ARRAY || !tg_json_next(&it, &key, &first) ||
        !tg_completion_tells_error(tg_json_get(first, "error")))
        return TG_EINVAL;
    return tg_answer_tell(a, root);
}

/* What an event brought beside an error goes on; after other failures nothing
 * of it does. */
tg_err tg_native_event(struct tg_answer *a, const struct tg_sse_event *ev, struct tg_str data,
                       struct tg_buf *out)
{
    struct tg_native *n = a->native;
    struct tg_native_event e = { .name = ev->name };
    size_t start = out->len;

    if (tg_str_is(data, "[DONE]")) {
        a->facts.has_terminal = a->facts.has_finish;   /* alone it is nobody's end */
        return TG_OK;
    }
    if (tg_json_check(ev->data, TG_JSON_DEPTH_MAX, &e.root, NULL))
        return tg_answer_refuse(a, ev, data);
    if (e.root.kind != TG_JSON_OBJECT)
        return tell_list(a, e.root);
    n->has_content = false;
    tg_err told = n->format->on_event(a, &e);
    a->facts.content_events += n->has_content;
    if (told && (told != TG_EPEER || !n->has_content))
        return told;
    tg_err err = told ? pass(a, &e, ev->data, out) : put_in_place(a, &e, ev->data, out);
    if (err)
        out->len = start;
    return err ? err : told;
}

/* ---- the ending ---- */

/* A usage object for a provider that has none: what was estimated, and the cost. */
static void begin_usage(struct tg_native_end *end, const struct tg_answer *a)
{
    struct tg_buf counts = { 0 };
    struct tg_splices s;

    tg_buf_char(&counts, '{');
    a->native->format->put_usage(&a->facts.usage, &counts);
    tg_buf_char(&counts, '}');
    struct tg_json object = { tg_buf_view(&counts), TG_JSON_OBJECT };
    tg_splices_init(&s);
    if (!counts.bad) {
        tg_splice_members(&s, object, end->members, end->members_count);
        tg_splices_put(&s, object.raw, &end->usage);
    }
    end->usage.bad |= counts.bad;
    tg_buf_done(&counts);
}

static void begin_cost(struct tg_native_end *end, const struct tg_native_format *f,
                       const struct tg_cost *cost)
{
    struct tg_member *m = end->members;

    tg_usage_put_dollars(&end->amount, cost->total > 0 ? cost->total : 0);
    *m++ = (struct tg_member){ "cost", tg_buf_view(&end->amount), .is_added = true };
    if (f->prompt_cost) {
        tg_usage_put_cost_details(&end->details, cost, f->prompt_cost, f->completion_cost);
        *m++ = (struct tg_member){
            "is_byok", cost->is_byok ? TG_STR("true") : TG_STR("false"), .is_added = true
        };
        *m++ = (struct tg_member){ "cost_details", tg_buf_view(&end->details), .is_added = true };
    }
    end->members_count = (unsigned)(m - end->members);
}

static void begin_end(struct tg_native_end *end, const struct tg_answer *a,
                      const struct tg_cost *cost, struct tg_str metadata)
{
    *end = (struct tg_native_end){ .metadata = metadata };
    if (cost)
        begin_cost(end, a->native->format, cost);
    begin_usage(end, a);
}

static bool end_is_bad(const struct tg_native_end *end)
{
    return end->amount.bad || end->details.bad || end->usage.bad;
}

static void done_end(struct tg_native_end *end)
{
    tg_buf_done(&end->amount);
    tg_buf_done(&end->details);
    tg_buf_done(&end->usage);
}

void tg_native_splice_usage(const struct tg_answer *a, struct tg_json owner,
                            const struct tg_native_end *end, struct tg_splices *s)
{
    const struct tg_native_format *f = a->native->format;
    struct tg_json usage = tg_json_get(owner, f->usage_name);
    struct tg_member whole = { f->usage_name, tg_buf_view(&end->usage), .is_added = true };

    if (usage.kind == TG_JSON_OBJECT)
        tg_splice_members(s, usage, end->members, end->members_count);
    else
        tg_splice_members(s, owner, &whole, 1);
}

void tg_native_splice_metadata(struct tg_json owner, const struct tg_native_end *end,
                               struct tg_splices *s)
{
    struct tg_member metadata = { "openrouter_metadata", end->metadata, .is_added = true };
    tg_splice_members(s, owner, &metadata, 1);
}

tg_err tg_native_finish(struct tg_answer *a, const struct tg_cost *cost, struct tg_str metadata,
                        struct tg_buf *out)
{
    const struct tg_native_format *f = a->native->format;
    struct tg_native_end end;

    begin_end(&end, a, cost, metadata);
    tg_err err = end_is_bad(&end) ? TG_ENOMEM : put_kept(a, &end, out);
    if (!err && f->put_tail)
        err = f->put_tail(a, &end, out);
    done_end(&end);
    if (err)
        return err;
    return out->bad ? TG_ENOMEM : TG_OK;
}

tg_err tg_native_fail(struct tg_answer *a, struct tg_str error, struct tg_str metadata,
                      struct tg_buf *out)
{
    struct tg_json object = { error, TG_JSON_OBJECT };

    tg_buf_reset(&a->native->kept);
    a->native->format->put_failure(a, object, metadata, out);
    return out->bad ? TG_ENOMEM : TG_OK;
}

/* ---- whole ---- */

tg_err tg_native_read(struct tg_answer *a, struct tg_json root)
{
    struct tg_json error = tg_json_get(root, "error");

    if (tg_completion_tells_error(error) || tg_json_is(tg_json_get(root, "type"), "error"))
        return tg_answer_tell(a, root);
    tg_err err = a->native->format->read_whole(a, root);
    if (err == TG_EINVAL)
        return tg_answer_read_words(a, root);
    return err ? err : tg_answer_settle_whole(a);
}

tg_err tg_native_write(struct tg_answer *a, struct tg_str body, const struct tg_cost *cost,
                       struct tg_str metadata, struct tg_buf *out)
{
    struct tg_json root = { tg_answer_trim(body), TG_JSON_OBJECT };
    struct tg_native_end end;
    struct tg_splices s;

    tg_splices_init(&s);
    begin_end(&end, a, cost, metadata);
    a->native->format->change_whole(a, root, &end, &s);
    tg_err err = end_is_bad(&end) ? TG_ENOMEM : tg_splices_put(&s, body, out);
    done_end(&end);
    return err;
}
