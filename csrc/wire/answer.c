#include "wire/answer_parts.h"

#include <string.h>

#include "base/mem.h"
#include "wire/delta.h"

enum { FRAME_BYTES = 256 };       /* what a frame has around head and text, at most */

/* ---- the object itself ---- */

void tg_answer_put_identity(const struct tg_answer *a, const char *object, struct tg_buf *out)
{
    tg_buf_z(out, "{\"id\":");
    tg_json_put_text(out, a->names.id);
    if (object) {
        tg_buf_z(out, ",\"object\":\"");
        tg_buf_z(out, object);
        tg_buf_char(out, '"');
    }
    if (tg_api_streams(a->api)) {
        tg_buf_z(out, ",\"created\":");
        tg_buf_u64(out, a->names.created_s);
    }
    tg_buf_z(out, ",\"model\":");
    tg_json_put_text(out, a->names.model);
    tg_buf_z(out, ",\"provider\":");
    tg_json_put_text(out, a->names.provider);
}

/* The same for every chunk, so made once; exactly as long as it must be, for
 * there is one with every open stream. */
static bool make_head(struct tg_answer *a)
{
    struct tg_buf text = { 0 };
    bool is_chat = a->api == TG_API_CHAT;

    tg_buf_z(&text, "data: ");
    tg_answer_put_identity(a, is_chat ? "chat.completion.chunk" : "text_completion", &text);
    a->head = text.bad ? NULL : tg_alloc(text.len);
    if (a->head) {
        memcpy(a->head, text.at, text.len);
        a->head_len = text.len;
    }
    tg_buf_done(&text);
    return a->head;
}

static bool make_ready(struct tg_answer *a)
{
    if (!tg_native_is(a->api))
        return make_head(a);
    a->native = tg_native_new(a->api);
    return a->native;
}

void tg_answer_forget(struct tg_answer *a)
{
    tg_choices_done(&a->choices);
    tg_pattern_done(&a->pattern);
    if (a->told)
        tg_told_done(a->told);
    tg_free(a->told);
    a->told = NULL;
    tg_buf_done(&a->usage);
    if (a->native)
        tg_native_forget(a->native);
    a->tier_len = 0;
    a->counts_tokens = false;
    a->facts = (struct tg_answer_facts){ 0 };
    tg_usage_init(&a->facts.usage);
}

struct tg_answer *tg_answer_new(enum tg_api api, const struct tg_answer_names *names,
                                struct tg_json offered)
{
    struct tg_answer *a = tg_zalloc(sizeof *a);

    if (!a)
        return NULL;
    a->api = api;
    a->names = *names;
    a->offered = offered;
    tg_usage_init(&a->facts.usage);
    if (!make_ready(a)) {
        tg_free(a);
        return NULL;
    }
    return a;
}

void tg_answer_free(struct tg_answer *a)
{
    if (!a)
        return;
    tg_answer_forget(a);
    tg_native_free(a->native);
    tg_free(a->head);
    tg_free(a);
}

void tg_answer_restart(struct tg_answer *a, const struct tg_answer_names *names)
{
    tg_answer_forget(a);
    a->names = *names;
    if (a->native)
        return;
    tg_free(a->head);
    make_head(a);                  /* without one, the next event is out of memory */
}

const struct tg_answer_facts *tg_answer_facts(const struct tg_answer *a)
{
    return &a->facts;
}

struct tg_usage *tg_answer_usage(struct tg_answer *a)
{
    return &a->facts.usage;
}

const struct tg_told *tg_answer_told(const struct tg_answer *a)
{
    static const struct tg_told nothing;
    return a->told ? a->told : &nothing;
}

struct tg_str tg_answer_finish_reason(const struct tg_answer *a)
{
    const struct tg_choice *c = tg_choices_first(&a->choices);
    return c ? tg_finish_word(tg_choice_finish(c)) : (struct tg_str){ 0 };
}

struct tg_str tg_answer_native_reason(const struct tg_answer *a)
{
    const struct tg_choice *c = tg_choices_first(&a->choices);
    return c ? tg_choice_native(c) : (struct tg_str){ 0 };
}

/* ---- what was said ---- */

static void read_usage(struct tg_answer *a, struct tg_json usage)
{
    if (usage.kind != TG_JSON_OBJECT)
        return;
    tg_usage_read(&a->facts.usage, usage);
    a->usage.len = 0;              /* not a reset: a failure must stay known until it is told */
    if (usage.raw.len <= TG_ANSWER_USAGE_MAX)
        tg_buf_str(&a->usage, usage.raw);
}

void tg_answer_note(struct tg_answer *a, const struct tg_completion *c)
{
    struct tg_json tier = c->service_tier;

    read_usage(a, c->x_groq_usage);
    read_usage(a, c->usage);
    if (c->charge.kind == TG_JSON_OBJECT)
        tg_usage_read_charge(&a->facts.usage, c->charge);
    if (tier.kind == TG_JSON_STRING && tier.raw.len <= TG_ANSWER_TIER_MAX) {
        memcpy(a->tier, tier.raw.at, tier.raw.len);
        a->tier_len = (uint8_t)tier.raw.len;
    }
}

void tg_answer_note_piece(struct tg_answer *a, const struct tg_piece *p, struct tg_choice *c)
{
    read_usage(a, p->usage);
    tg_choice_read_finish(c, p->finish_reason, p->native_finish_reason);
}

struct tg_tool_setting tg_answer_setting(const struct tg_answer *a, unsigned index)
{
    return (struct tg_tool_setting){
        .answer_id = a->names.id, .choice = index, .offered = a->offered,
        .was_cut_short = a->choices.at[index].finish == TG_FINISH_LENGTH,
    };
}

void tg_answer_note_content(struct tg_answer *a, struct tg_choice *c, uint64_t bytes)
{
    a->facts.has_content = true;
    a->facts.content_bytes += bytes;
    c->has_content = true;
}

struct tg_told *tg_answer_make_told(struct tg_answer *a)
{
    if (!a->told)
        a->told = tg_zalloc(sizeof *a->told);
    return a->told;
}

tg_err tg_answer_tell(struct tg_answer *a, struct tg_json root)
{
    a->facts.has_error = true;
    if (!tg_answer_make_told(a))
        return TG_ENOMEM;
    tg_err err = tg_told_read_json(a->told, root);
    return err ? err : TG_EPEER;
}

/* A finish reason that is no end but an accident. */
static tg_err tell_bad_finish(struct tg_answer *a, const struct tg_choice *c)
{
    struct tg_str word = tg_choice_native(c);

    a->facts.has_error = true;
    if (!tg_answer_make_told(a))
        return TG_ENOMEM;
    tg_told_say(a->told, 502, "The provider broke the answer off: ", word);
    return tg_buf_str(&a->told->message, word) || a->told->code.bad ? TG_ENOMEM : TG_EPEER;
}

tg_err tg_answer_tell_finish(struct tg_answer *a, const struct tg_choice *c)
{
    return c->finish == TG_FINISH_ERROR ? tell_bad_finish(a, c) : TG_OK;
}

tg_err tg_answer_tell_piece(struct tg_answer *a, const struct tg_piece *p,
                            const struct tg_choice *c)
{
    if (tg_completion_tells_error(p->error))
        return tg_answer_tell(a, p->object);
    return tg_answer_tell_finish(a, c);
}

/* ---- the frames of a stream ---- */

/* One event being turned into frames. */
struct frames {
    struct tg_answer *a;
    struct tg_buf    *out;
    enum tg_delta_as  as;
    size_t            from;        /* where the frame being written begins */
    bool              is_headed;   /* head and the event's own members stand there, unused */
    bool              has_lines;   /* the text has line ends, which would end a frame */
    bool              has_content;
    bool              is_plain;    /* one frame so far, of one string and constant bytes */
    struct tg_json    text;        /* the string ... */
    size_t            text_at;     /* ... and where it stands in `out` */
};

static void put_head(const struct tg_answer *a, struct tg_buf *out)
{
    tg_buf_add(out, a->head, a->head_len);
}

/* Line ends can only be white space between tokens. */
static void flatten(struct tg_buf *out, size_t from)
{
    for (size_t i = from; i < out->len; i++)
        if (out->at[i] == '\n' || out->at[i] == '\r')
            out->at[i] = ' ';
}

static void end_frame(struct frames *f, const char *rest)
{
    tg_buf_z(f->out, rest);
    if (f->has_lines && !f->out->bad)
        flatten(f->out, f->from);
    tg_buf_add(f->out, "\n\n", 2);
    f->is_headed = false;
}

static void begin_choice(struct frames *f, unsigned index)
{
    static const char first[] = ",\"choices\":[{\"index\":0,";

    if (!f->is_headed) {
        f->from = f->out->len;
        put_head(f->a, f->out);
    }
    if (index == 0) {
        tg_buf_add(f->out, first, sizeof first - 1);
        return;
    }
    tg_buf_add(f->out, first, sizeof first - 3);
    tg_buf_u64(f->out, index);
    tg_buf_char(f->out, ',');
}

static void put_empty(const struct tg_answer *a, struct tg_buf *out)
{
    tg_buf_z(out, a->api == TG_API_CHAT ? "\"delta\":{\"role\":\"assistant\",\"content\":\"\"}"
                                        : "\"text\":\"\"");
}

static tg_err put_delta(struct frames *f, unsigned index, const struct tg_delta *d)
{
    struct tg_answer *a = f->a;
    struct tg_choice *c = &a->choices.at[index];
    struct tg_tool_setting setting = tg_answer_setting(a, index);
    uint64_t bytes = d->text_bytes;
    unsigned calls = c->calls.count;

    tg_buf_add(f->out, "\"delta\":{", 9);
    f->text = d->content;
    f->text_at = f->out->len + TG_DELTA_CONTENT_AT;
    tg_err err = tg_delta_put(d, f->as, &c->calls, &setting, f->out, &bytes);
    if (err)
        return err;
    tg_buf_char(f->out, '}');
    a->facts.has_tools |= tg_choice_made_calls(c);
    if (d->has_content || bytes > d->text_bytes || c->calls.count > calls) {
        tg_answer_note_content(a, c, bytes);
        f->has_content = true;
    }
    return TG_OK;
}

static void put_text(struct frames *f, unsigned index, struct tg_json text)
{
    tg_buf_z(f->out, "\"text\":");
    tg_buf_str(f->out, text.kind == TG_JSON_STRING ? text.raw : TG_STR("\"\""));
    if (tg_json_has_text(text)) {
        tg_answer_note_content(f->a, &f->a->choices.at[index], text.raw.len - 2);
        f->has_content = true;
    }
}

/* The frame of one piece. */
static tg_err put_frame(struct frames *f, const struct tg_piece *p, unsigned index,
                        const struct tg_delta *d)
{
    static const char rest[] = ",\"finish_reason\":null,\"native_finish_reason\":null";
    enum tg_api api = f->a->api;
    tg_err err = TG_OK;

    begin_choice(f, index);
    if (api == TG_API_CHAT)
        err = put_delta(f, index, d);
    else
        put_text(f, index, p->text);
    if (err)
        return err;
    if (p->logprobs.kind > TG_JSON_NULL) {
        tg_buf_z(f->out, ",\"logprobs\":");
        tg_buf_str(f->out, p->logprobs.raw);
    }
    tg_buf_add(f->out, rest, sizeof rest - 1);
    tg_piece_pass(p, api, f->out);
    end_frame(f, "}]}");
    return TG_OK;
}

/* A message beside a delta, or where deltas came before, only repeats them. */
static struct tg_json body_of(const struct frames *f, const struct tg_piece *p,
                              const struct tg_choice *c)
{
    if (f->as == TG_DELTA_ALL_AT_ONCE)
        return p->message;
    return p->delta.kind == TG_JSON_OBJECT || c->has_content ? p->delta : p->message;
}

static tg_err put_piece(struct frames *f, const struct tg_piece *p, unsigned place)
{
    struct tg_answer *a = f->a;
    struct tg_choice *c;
    struct tg_delta d = { 0 };
    bool is_worth_it = p->says_more;
    unsigned index;

    tg_err err = tg_choices_get(&a->choices, p->index, place, &index, &c);
    if (err)
        return err;
    if (a->api == TG_API_CHAT) {
        tg_delta_read(&d, body_of(f, p, c));
        c->has_function_call |= d.has_function_call;
        is_worth_it |= d.is_worth_a_chunk;
    } else {
        is_worth_it |= tg_json_has_text(p->text);
    }
    tg_answer_note_piece(a, p, c);
    if (is_worth_it)
        err = put_frame(f, p, index, &d);
    if (err)
        return err;
    f->is_plain = place == 0 && d.is_text_only && p->finish_reason.kind <= TG_JSON_NULL &&
                  p->usage.kind <= TG_JSON_NULL && p->error.kind <= TG_JSON_NULL;
    return tg_answer_tell_piece(a, p, c);
}

static tg_err put_pieces(struct frames *f, struct tg_json choices)
{
    struct tg_json_iter it;
    struct tg_str key;
    struct tg_json choice;
    struct tg_piece p;
    tg_err err = TG_OK;

    if (choices.kind != TG_JSON_ARRAY)
        return TG_OK;
    tg_json_iter_init(&it, choices);
    for (unsigned place = 0; !err && tg_json_next(&it, &key, &choice); place++) {
        tg_piece_read(&p, f->a->api, choice);
        err = place < TG_CHOICES_MAX ? put_piece(f, &p, place) : TG_ETOOBIG;
    }
    return err;
}

/* What stands beside the choices goes on with the first of them, or alone when
 * it says something. */
static void put_rest(struct frames *f, const struct tg_completion *e)
{
    bool is_chunk = e->choices.kind == TG_JSON_ARRAY || e->object.kind == TG_JSON_STRING;

    if (!f->is_headed)
        return;
    if (!e->says_more || !is_chunk) {
        f->out->len = f->from;
        return;
    }
    begin_choice(f, 0);
    put_empty(f->a, f->out);
    end_frame(f, ",\"finish_reason\":null,\"native_finish_reason\":null}]}");
}

/* Learn what an event of one string looks like, for those to come. */
static void learn(struct frames *f, struct tg_json event, const struct tg_completion *e)
{
    size_t from = f->from + f->a->head_len;
    struct tg_str frame = { f->out->at + from, f->out->len - from };
    struct tg_str text = { f->text.raw.at + 1, f->text.raw.len - 2 };
    struct tg_pattern_hole holes[TG_PATTERN_HOLES_MAX] = {
        { text, f->text_at + 1 - from }
    };
    size_t count = 1;

    if (e->usage.kind > TG_JSON_NULL || e->x_groq_usage.kind > TG_JSON_NULL ||
        e->charge.kind > TG_JSON_NULL || e->error.kind > TG_JSON_NULL || f->has_lines)
        return;
    if (e->padding.kind == TG_JSON_STRING && e->padding.raw.len > 2) {
        struct tg_pattern_hole padding = {
            { e->padding.raw.at + 1, e->padding.raw.len - 2 }, e->padding_at + 1 - from
        };
        bool is_first = padding.in.at < text.at;
        holes[1] = is_first ? holes[0] : padding;
        holes[0] = is_first ? padding : holes[0];
        count = 2;
    }
    f->a->text_hole = f->text.raw.at > holes[0].in.at;
    tg_pattern_learn(&f->a->pattern, event.raw, frame, holes, count);
}

/* The head, and behind it what the event says of itself. */
static void begin_event(struct frames *f, struct tg_json root, struct tg_completion *e)
{
    tg_buf_reserve(f->out, root.raw.len + f->a->head_len + FRAME_BYTES);
    f->from = f->out->len;
    put_head(f->a, f->out);
    tg_completion_read(e, f->a->api, root, f->out);
    if (e->system_fingerprint.kind == TG_JSON_STRING) {
        tg_buf_z(f->out, ",\"system_fingerprint\":");
        tg_buf_str(f->out, e->system_fingerprint.raw);
    }
    if (e->service_tier.kind == TG_JSON_STRING) {
        tg_buf_z(f->out, ",\"service_tier\":");
        tg_buf_str(f->out, e->service_tier.raw);
    }
    f->is_headed = true;
}

/* TG_EPEER comes behind the frames of what the same object brought; other
 * failures take them back. */
tg_err tg_answer_put_frames(struct tg_answer *a, struct tg_json object, bool is_whole,
                            struct tg_buf *out)
{
    struct frames f = { .a = a, .out = out,
                        .as = is_whole ? TG_DELTA_ALL_AT_ONCE : TG_DELTA_PIECE,
                        .has_lines = memchr(object.raw.at, '\n', object.raw.len) };
    struct tg_completion e;
    size_t start = out->len;

    if (!a->head)
        return TG_ENOMEM;
    begin_event(&f, object, &e);
    tg_answer_note(a, &e);
    tg_err err = put_pieces(&f, e.choices);
    if (!err && tg_completion_is_error(&e))
        err = tg_answer_tell(a, e.error_in);
    if (!err)
        put_rest(&f, &e);
    a->facts.content_events += f.has_content;
    a->facts.has_finish = tg_choices_are_finished(&a->choices);
    a->facts.has_terminal |= e.object.kind == TG_JSON_STRING &&
                             tg_str_ends(e.object.raw, ".done\"");
    if (out->bad || a->usage.bad)
        return TG_ENOMEM;
    if (err)
        out->len = err != TG_EPEER ? start : f.is_headed ? f.from : out->len;
    else if (f.is_plain && !a->facts.has_terminal && tg_pattern_wants(&a->pattern))
        learn(&f, object, &e);
    return err;
}

/* An event with the pattern of an earlier one: text and nothing else. */
static bool put_by_pattern(struct tg_answer *a, struct tg_str data, struct tg_buf *out)
{
    struct tg_str texts[TG_PATTERN_HOLES_MAX];
    struct tg_str head = { a->head, a->head_len };

    if (!tg_pattern_put(&a->pattern, data, head, out, texts))
        return false;
    a->facts.content_events++;
    a->facts.content_bytes += texts[a->text_hole].len;
    return true;
}

struct tg_str tg_answer_trim(struct tg_str s)
{
    while (s.len && (unsigned char)s.at[0] <= ' ')
        s.at++, s.len--;
    while (s.len && (unsigned char)s.at[s.len - 1] <= ' ')
        s.len--;
    return s;
}

tg_err tg_answer_refuse(struct tg_answer *a, const struct tg_sse_event *ev, struct tg_str data)
{
    if (!tg_str_is(ev->name, "error"))
        return TG_EINVAL;
    a->facts.has_error = true;
    if (!tg_answer_make_told(a))
        return TG_ENOMEM;
    tg_err err = tg_told_read(a->told, data);
    return err ? err : TG_EPEER;
}

tg_err tg_answer_event(struct tg_answer *a, const struct tg_sse_event *ev, struct tg_buf *out)
{
    struct tg_str data = tg_answer_trim(ev->data);
    struct tg_json root;

    if (ev->is_comment || !data.len || a->facts.has_terminal || a->facts.has_error)
        return TG_OK;
    if (a->native)
        return tg_native_event(a, ev, data, out);
    if (tg_str_is(data, "[DONE]")) {
        a->facts.has_terminal = true;
        return TG_OK;
    }
    if (!tg_str_is(ev->name, "error") && put_by_pattern(a, data, out))
        return out->bad ? TG_ENOMEM : TG_OK;
    if (tg_json_check(data, TG_JSON_DEPTH_MAX, &root, NULL))
        return tg_answer_refuse(a, ev, data);
    if (tg_str_is(ev->name, "error"))
        return tg_answer_tell(a, root);
    if (root.kind != TG_JSON_OBJECT || !tg_api_streams(a->api))
        return TG_EINVAL;
    return tg_answer_put_frames(a, root, false, out);
}

/* ---- the end of a stream ---- */

bool tg_answer_settle(struct tg_answer *a)
{
    tg_usage_settle(&a->facts.usage);
    if (a->facts.has_error)
        return false;
    if (a->facts.has_terminal && a->facts.has_content)
        tg_choices_close(&a->choices);
    a->facts.has_finish = tg_choices_are_finished(&a->choices);
    for (unsigned i = 0; i < a->choices.count; i++) {
        const struct tg_choice *c = &a->choices.at[i];
        if (c->seen && tg_choice_finish(c) == TG_FINISH_ERROR) {
            tell_bad_finish(a, c);
            return false;
        }
        a->facts.has_bad_tools |= !tg_tool_calls_are_good(&c->calls);
    }
    return a->facts.has_finish;
}

static void put_metadata(struct tg_str metadata, struct tg_buf *out)
{
    if (!metadata.len)
        return;
    tg_buf_z(out, ",\"openrouter_metadata\":");
    tg_buf_str(out, metadata);
}

static void put_last_choice(struct frames *f, unsigned index)
{
    begin_choice(f, index);
    put_empty(f->a, f->out);
    tg_choice_put_reasons(&f->a->choices.at[index], f->out);
    tg_buf_z(f->out, "}]");
}

/* A call without arguments gets "{}": an empty text is not JSON. */
static void put_missing_arguments(struct frames *f, unsigned index)
{
    size_t from = f->out->len, list;

    if (tg_choice_finish(&f->a->choices.at[index]) != TG_FINISH_TOOL_CALLS)
        return;
    begin_choice(f, index);
    tg_buf_z(f->out, "\"delta\":{\"role\":\"assistant\",\"content\":\"\",\"tool_calls\":");
    list = f->out->len;
    tg_tool_calls_put_missing(&f->a->choices.at[index].calls, f->out);
    if (f->out->len == list)
        f->out->len = from;
    else
        end_frame(f, "},\"finish_reason\":null,\"native_finish_reason\":null}]}");
}

static void put_rerank_usage(struct tg_answer *a, const struct tg_cost *cost,
                             struct tg_json original, struct tg_buf *out)
{
    struct tg_usage u = a->facts.usage;

    if (!a->counts_tokens)
        u.total = -1;                  /* an estimate, which only the price is made of */
    tg_usage_put_rerank(out, &u, cost, original);
}

/* A chat that told nothing used nothing that we know of; embeddings complete
 * nothing. */
void tg_answer_put_usage(struct tg_answer *a, const struct tg_cost *cost, struct tg_str metadata,
                         struct tg_buf *out)
{
    struct tg_usage *u = &a->facts.usage;
    struct tg_str text = tg_buf_view(&a->usage);
    struct tg_json original = { text, text.len ? TG_JSON_OBJECT : TG_JSON_NONE };

    if (!tg_api_streams(a->api))
        u->completion = -1;
    else if (u->completion < 0)
        u->completion = 0;
    tg_buf_z(out, ",\"usage\":");
    if (a->api == TG_API_RERANK)
        put_rerank_usage(a, cost, original, out);
    else
        tg_usage_put(out, u, cost, original);
    put_metadata(metadata, out);
}

/* The usage chunk repeats the finish of the first choice: many clients look at
 * choices[0] whatever the chunk is for. */
static void put_usage_chunk(struct frames *f, unsigned index, const struct tg_cost *cost,
                            struct tg_str metadata)
{
    struct tg_answer *a = f->a;

    put_last_choice(f, index);
    if (a->tier_len) {
        tg_buf_z(f->out, ",\"service_tier\":");
        tg_buf_add(f->out, a->tier, a->tier_len);
    }
    tg_answer_put_usage(a, cost, metadata, f->out);
    end_frame(f, "}");
}

tg_err tg_answer_finish(struct tg_answer *a, const struct tg_cost *cost, struct tg_str metadata,
                        struct tg_buf *out)
{
    struct frames f = { .a = a, .out = out, .has_lines = true };
    unsigned first = a->choices.count;

    if (a->native)
        return tg_native_finish(a, cost, metadata, out);
    if (!a->head)
        return TG_ENOMEM;
    for (unsigned i = a->choices.count; i-- > 0;)
        if (a->choices.at[i].seen)
            first = i;
    for (unsigned i = first; i < a->choices.count; i++) {
        if (!a->choices.at[i].seen)
            continue;
        put_missing_arguments(&f, i);
        put_last_choice(&f, i);
        end_frame(&f, "}");
    }
    if (first < a->choices.count)
        put_usage_chunk(&f, first, cost, metadata);
    return tg_buf_z(out, "data: [DONE]\n\n");
}

tg_err tg_answer_fail(struct tg_answer *a, struct tg_str error, struct tg_str metadata,
                      struct tg_buf *out)
{
    struct frames f = { .a = a, .out = out, .has_lines = true };
    struct tg_str native = tg_answer_native_reason(a);

    if (a->native)
        return tg_native_fail(a, error, metadata, out);
    if (!a->head)
        return TG_ENOMEM;
    begin_choice(&f, 0);
    put_empty(a, out);
    tg_buf_z(out, ",\"finish_reason\":\"error\",\"native_finish_reason\":");
    if (native.len)
        tg_json_put_text(out, native);
    else
        tg_buf_z(out, "null");
    tg_buf_z(out, "}],\"error\":");
    tg_buf_str(out, error);
    put_metadata(metadata, out);
    end_frame(&f, "}");
    return out->bad ? TG_ENOMEM : TG_OK;
}
