#include "flow/translate.h"

#include <string.h>

#include "flow/engine.h"
#include "route/native.h"

/* ---- which way ---- */

static bool is_clients_own(enum tg_api api)
{
    return api == TG_API_MESSAGES || api == TG_API_RESPONSES || api == TG_API_GEMINI;
}

const struct tg_wire *tg_translate_wire(const struct tg_exchange *x)
{
    return tg_endpoint_wire(x->endpoint, x->api);
}

bool tg_translate_passes(const struct tg_exchange *x)
{
    return tg_wire_passes(tg_translate_wire(x), x->api) &&
           (x->format == TG_API_CHAT || (x->format == x->api && !x->is_marked));
}

enum tg_api tg_translate_answer_api(const struct tg_exchange *x)
{
    if (tg_translate_passes(x))
        return x->api;
    return tg_api_streams(x->api) ? TG_API_CHAT : x->api;
}

static struct tg_convert_about about_wire(const struct tg_exchange *x)
{
    const struct tg_endpoint *e = x->endpoint;

    return (struct tg_convert_about){
        .wire = tg_translate_wire(x), .api = tg_api_streams(x->api) ? TG_API_CHAT : x->api,
        .model = e->upstream_model, .provider = e->provider->slug, .stream = x->is_stream,
        .max_completion_tokens = e->max_completion_tokens, .wants_base64 = x->wants_base64,
    };
}

/* Counts and embeddings are told as the client's format tells them. */
static struct tg_convert_about about_client(const struct tg_exchange *x)
{
    return (struct tg_convert_about){
        .api = x->format == TG_API_CHAT ? x->api : x->format, .stream = x->is_stream,
        .counts = x->api == TG_API_COUNT, .embeds = x->api == TG_API_EMBEDDINGS,
        .is_batch = x->is_batch,
    };
}

/* ---- what the client asked ---- */

static tg_err read_as_chat(struct tg_exchange *x, const struct tg_convert_about *about,
                           struct tg_str text, struct tg_buf *out, struct tg_buf *why)
{
    struct tg_convert_request chat = { 0 };
    void *state;
    const struct tg_convert *convert = tg_engine_convert(x->engine, &state);
    tg_err err = convert ? convert->read_request(state, about, text, &chat, why) : TG_ENOMEM;

    *out = chat.body;
    if (!err)
        x->desk->lost = tg_arena_copy(&x->desk->arena, tg_buf_view(&chat.lost));
    tg_buf_done(&chat.lost);
    tg_buf_done(&chat.fields);
    return err ? err : x->desk->lost.at ? TG_OK : TG_ENOMEM;
}

/* What another provider's reasoning is carried in, as it is and in base64, and
 * thoughts that nobody signed: the converters put it there, and they alone can
 * take it out again. */
static bool is_marked(struct tg_str body)
{
    static const char *const marks[] = { "\"tidegate:", "\"dGlkZWdhdGU6", "\"signature\":\"\"",
                                         "\"signature\": \"\"" };

    for (size_t i = 0; i < sizeof marks / sizeof *marks; i++)
        if (memmem(body.at, body.len, marks[i], strlen(marks[i])))
            return true;
    return false;
}

tg_err tg_translate_in(struct tg_exchange *x, struct tg_str model, bool stream, struct tg_buf *why)
{
    struct tg_convert_about about = { .api = x->format, .model = model, .stream = stream,
                                      .embeds = x->api == TG_API_EMBEDDINGS,
                                      .is_batch = x->is_batch };

    x->is_marked = is_marked(tg_buf_view(&x->original));
    return read_as_chat(x, &about, tg_buf_view(&x->original), &x->body, why);
}

/* ---- what the provider is asked ---- */

static void close_stream(struct tg_exchange *x, int *handle)
{
    void *state;

    if (*handle)
        tg_engine_convert(x->engine, &state)->close_stream(state, *handle);
    *handle = 0;
}

static void forget_request(struct tg_convert_request *r)
{
    tg_buf_done(&r->body);
    tg_buf_done(&r->lost);
    tg_buf_done(&r->fields);
}

/* A chat that we made, for a provider that knows OpenAI's members alone. */
static bool wants_plain(const struct tg_exchange *x)
{
    const struct tg_wire *wire = tg_translate_wire(x);

    return !wire->converts.len && x->format != TG_API_CHAT && !wire->takes_extensions;
}

/* The chat request with this endpoint's edits, in one piece. */
static tg_err join_chat(struct tg_exchange *x, struct tg_translated *t, struct tg_buf *out)
{
    tg_err err = tg_needs_body(&x->desk->needs, x->endpoint, t->pieces, t->cap, &t->count, &t->bytes,
                               &t->dropped);

    if (!err)
        err = tg_buf_reserve(out, t->bytes);
    for (size_t i = 0; !err && i < t->count; i++)
        err = tg_buf_str(out, t->pieces[i]);
    return err;
}

/* A prompt for a provider that knows only chats. */
static tg_err prompt_to_chat(struct tg_exchange *x, struct tg_buf *text, struct tg_buf *why)
{
    struct tg_convert_about about = { .api = TG_API_COMPLETIONS, .stream = x->is_stream };
    struct tg_buf chat = { 0 };

    tg_err err = read_as_chat(x, &about, tg_buf_view(text), &chat, why);
    tg_buf_done(text);
    *text = chat;
    return err;
}

/* A parameter that the format has no place for is not supported. What stands in
 * the messages is none. */
static tg_err refuse_lost(const struct tg_exchange *x, struct tg_str rest, struct tg_buf *why)
{
    struct tg_str name;

    for (bool more = x->desk->needs.wishes.require_parameters && rest.len; more;) {
        more = tg_str_cut(rest, ',', &name, &rest);
        if (tg_str_starts(name, "\"messages."))
            continue;
        tg_buf_z(why, "The provider's format has no place for ");
        tg_buf_str(why, name);
        return TG_EINVAL;
    }
    return TG_OK;
}

static tg_err make_request(struct tg_exchange *x, struct tg_str chat, struct tg_buf *why)
{
    struct tg_convert_request *sent = &x->translation.sent;
    struct tg_convert_about about = about_wire(x);
    struct tg_buf betas = { 0 };
    void *state;
    const struct tg_convert *convert = tg_engine_convert(x->engine, &state);

    tg_wire_put_betas(&betas, tg_translate_wire(x), x->desk->betas);
    about.betas = tg_buf_view(&betas);
    tg_err err = !convert || betas.bad ? TG_ENOMEM
                                       : convert->write_request(state, &about, chat, sent, why);
    tg_buf_done(&betas);
    if (!err)
        err = refuse_lost(x, tg_buf_view(&sent->lost), why);
    return err ? err : refuse_lost(x, x->desk->lost, why);
}

tg_err tg_translate_put_lost(const struct tg_exchange *x, struct tg_buf *out)
{
    const struct tg_buf *here = &x->translation.sent.lost;

    if (tg_translate_passes(x))
        return TG_OK;
    tg_buf_str(out, x->desk->lost);
    if (out->len && here->len)
        tg_buf_char(out, ',');
    return tg_buf_str(out, tg_buf_view(here));
}

static tg_err convert_request(struct tg_exchange *x, struct tg_translated *t, struct tg_buf *why)
{
    struct tg_convert_request *sent = &x->translation.sent;
    struct tg_buf text = { 0 };

    tg_err err = join_chat(x, t, &text);
    if (!err && x->api == TG_API_COMPLETIONS)
        err = prompt_to_chat(x, &text, why);
    if (!err && (tg_translate_wire(x)->converts.len || wants_plain(x))) {
        err = make_request(x, tg_buf_view(&text), why);
        tg_buf_done(&text);
    } else {
        sent->body = text;
    }
    if (err)
        return err;
    t->pieces[0] = tg_buf_view(&sent->body);
    t->bytes = sent->body.len;
    t->count = 1;
    return tg_buf_str(&t->fields, tg_buf_view(&sent->fields));
}

static tg_err pass_native(struct tg_exchange *x, struct tg_translated *t, struct tg_buf *why)
{
    struct tg_buf betas = { 0 };

    tg_wire_put_betas(&betas, tg_translate_wire(x), x->desk->betas);
    if (betas.len) {
        tg_buf_z(&t->fields, "anthropic-beta: ");
        tg_buf_str(&t->fields, tg_buf_view(&betas));
        tg_buf_z(&t->fields, "\r\n");
    }
    tg_buf_done(&betas);
    tg_err err = tg_native_body(x->format, tg_buf_view(&x->original), x->endpoint, &x->desk->needs,
                                &x->desk->arena, t->pieces, t->cap, &t->count, &t->bytes,
                                &t->dropped);
    if (err != TG_ETOOBIG)
        return err;
    tg_buf_printf(why, "The body has more than %d members", TG_NEEDS_MEMBERS_MAX);
    return TG_EINVAL;
}

void tg_translate_begin(struct tg_exchange *x)
{
    struct tg_translation *of = &x->translation;
    const struct tg_wire *wire = tg_translate_wire(x);
    bool passes = tg_translate_passes(x);

    close_stream(x, &of->up);
    forget_request(&of->sent);
    of->from_wire = !passes && wire->converts.len && !wire->answers_are_chat;
    of->to_client = !passes && (x->format != TG_API_CHAT || x->api == TG_API_COMPLETIONS);
}

tg_err tg_translate_request(struct tg_exchange *x, struct tg_translated *t)
{
    const struct tg_wire *wire = tg_translate_wire(x);
    bool passes = tg_translate_passes(x);
    struct tg_buf why = { 0 };
    tg_err err;

    forget_request(&x->translation.sent);
    if (passes && is_clients_own(x->api))
        err = pass_native(x, t, &why);
    else if (passes || (!wire->converts.len && !wants_plain(x) && x->api != TG_API_COMPLETIONS))
        err = tg_needs_body(&x->desk->needs, x->endpoint, t->pieces, t->cap, &t->count, &t->bytes,
                            &t->dropped);
    else
        err = convert_request(x, t, &why);
    if (err == TG_EINVAL) {
        x->told.status = 400;
        tg_buf_str(&x->told.message, tg_buf_view(&why));
    }
    tg_buf_done(&why);
    return t->fields.bad ? TG_ENOMEM : err;
}

void tg_translate_sent(struct tg_exchange *x)
{
    tg_buf_done(&x->translation.sent.body);
}

/* ---- what the provider says ---- */

struct reading {
    struct tg_exchange *x;
    tg_err err;                    /* the first of tg_answer_event() */
};

static void on_chunk(void *arg, struct tg_str text)
{
    struct reading *r = arg;
    struct tg_sse_event ev = { .data = text };

    if (!r->err)
        r->err = tg_answer_event(r->x->answer, &ev, &r->x->out);
}

tg_err tg_translate_event(struct tg_exchange *x, const struct tg_sse_event *ev)
{
    struct tg_translation *t = &x->translation;
    struct tg_convert_event event = { ev->name, ev->data, tg_frames_is_error(&x->frames) };
    struct reading r = { .x = x };
    struct tg_buf why = { 0 };
    void *state;

    if (!t->from_wire)
        return tg_answer_event(x->answer, ev, &x->out);
    const struct tg_convert *convert = tg_engine_convert(x->engine, &state);
    struct tg_convert_about about = about_wire(x);
    tg_err err = !convert ? TG_ENOMEM : t->up ? TG_OK
                                              : convert->open_stream(state, &about, &t->up, &why);
    if (!err)
        err = convert->step(state, t->up, &event, on_chunk, &r, &why);
    tg_buf_done(&why);
    return r.err ? r.err : err;
}

tg_err tg_translate_whole(struct tg_exchange *x, struct tg_str body)
{
    struct tg_buf chat = { 0 }, why = { 0 };
    struct tg_convert_about about = about_wire(x);
    void *state;

    if (!x->translation.from_wire)
        return TG_OK;
    const struct tg_convert *convert = tg_engine_convert(x->engine, &state);
    tg_err err = convert ? convert->read_answer(state, &about, body, &chat, &why) : TG_ENOMEM;
    tg_buf_done(&why);
    if (err) {
        tg_buf_done(&chat);
        return err;
    }
    tg_buf_done(&x->whole);
    x->whole = chat;
    return TG_OK;
}

/* ---- what the client is told ---- */

static void on_frames(void *arg, struct tg_str text)
{
    tg_buf_str(arg, text);
}

/* One frame of ours: "data: " and JSON text or [DONE]. Comments pass. */
static tg_err put_frame(struct tg_exchange *x, const struct tg_convert *convert, void *state,
                        struct tg_str frame)
{
    struct tg_translation *t = &x->translation;
    struct tg_convert_event event = { .data = frame };
    struct tg_buf why = { 0 };
    static const char data[] = "data: ";

    if (!tg_str_starts(frame, data))
        return TG_OK;
    event.data.at += sizeof data - 1;
    event.data.len -= sizeof data - 1;
    tg_err err = convert->step(state, t->down, &event, on_frames, &t->out, &why);
    tg_buf_done(&why);
    return err;
}

static tg_err put_frames(struct tg_exchange *x, struct tg_str chunks)
{
    struct tg_translation *t = &x->translation;
    struct tg_convert_about about = about_client(x);
    struct tg_buf why = { 0 };
    void *state;
    const struct tg_convert *convert = tg_engine_convert(x->engine, &state);
    tg_err err = !convert ? TG_ENOMEM : t->down ? TG_OK
                                                : convert->open_stream(state, &about, &t->down, &why);

    tg_buf_done(&why);
    while (!err && chunks.len) {
        const char *end = memmem(chunks.at, chunks.len, "\n\n", 2);
        size_t len = end ? (size_t)(end - chunks.at) : chunks.len;
        err = put_frame(x, convert, state, (struct tg_str){ chunks.at, len });
        len += end ? 2 : 0;
        chunks.at += len;
        chunks.len -= len;
    }
    return t->out.bad ? TG_ENOMEM : err;
}

/* Its frames become elements; false when out of memory. */
static bool put_array(struct tg_exchange *x, struct tg_buf *frames, bool is_last)
{
    tg_array_fold(&x->translation.array, frames);
    return !is_last || !tg_array_close(&x->translation.array, frames);
}

struct tg_str tg_translate_out(struct tg_exchange *x, struct tg_buf *chunks, bool is_last)
{
    struct tg_translation *t = &x->translation;
    struct tg_buf *out = t->to_client ? &t->out : chunks;

    if (t->to_client && chunks->len)
        t->is_broken = t->is_broken || put_frames(x, tg_buf_view(chunks)) != TG_OK;
    if (x->wants_array)
        t->is_broken = t->is_broken || !put_array(x, out, is_last);
    return t->is_broken ? (struct tg_str){ 0 } : tg_buf_view(out);
}

void tg_translate_told(struct tg_exchange *x)
{
    tg_buf_done(&x->translation.out);
}

tg_err tg_translate_reply(struct tg_exchange *x, struct tg_buf *completion)
{
    struct tg_convert_about about = about_client(x);
    struct tg_buf reply = { 0 }, why = { 0 };
    void *state;

    if (!x->translation.to_client)
        return TG_OK;
    const struct tg_convert *convert = tg_engine_convert(x->engine, &state);
    tg_err err = convert ? convert->write_answer(state, &about, tg_buf_view(completion), &reply, &why)
                         : TG_ENOMEM;
    tg_buf_done(&why);
    tg_buf_done(completion);
    *completion = reply;
    return err;
}

void tg_translate_done(struct tg_exchange *x)
{
    close_stream(x, &x->translation.up);
    close_stream(x, &x->translation.down);
    forget_request(&x->translation.sent);
    tg_buf_done(&x->translation.out);
}
