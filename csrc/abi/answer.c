#include "abi/answer.h"

#include "base/mem.h"
#include "wire/completion.h"
#include "wire/fault.h"
#include "wire/tool_calls.h"

enum {
    ARENA_BYTES = 512,
    EVENT_BYTES_MAX = 256 << 20,           /* the engine has limits of its own */
    ATTEMPTS_MAX = TG_FAULT_PREVIOUS_MAX + 1
};

/* A tool call, put together from its fragments. */
struct tga_call {
    struct tg_buf id, name, arguments;
};

#define BROKEN "broken"

/* ---- make and free ---- */

struct tga_answer *tga_answer_new(void *user, bool is_raw)
{
    struct tga_answer *a = tg_zalloc(sizeof *a);

    if (!a)
        return NULL;
    a->user = user;
    a->is_raw = is_raw;
    a->generation = a->model = a->provider = a->finish_reason = "";
    tg_arena_init(&a->arena, ARENA_BYTES);
    tg_sse_init(&a->sse, EVENT_BYTES_MAX, false);
    tg_usage_init(&a->usage);
    return a;
}

void tga_answer_free(struct tga_answer *a)
{
    if (!a)
        return;
    for (size_t i = 0; i < a->calls_count; i++) {
        tg_buf_done(&a->calls[i].id);
        tg_buf_done(&a->calls[i].name);
        tg_buf_done(&a->calls[i].arguments);
    }
    tg_free(a->calls);
    tg_buf_done(&a->body);
    tg_buf_done(&a->text);
    tg_buf_done(&a->reasoning);
    tg_sse_done(&a->sse);
    tg_arena_done(&a->arena);
    tg_free(a);
}

static const struct tidegate_str none = { "", 0 };

void tga_answer_event(const struct tga_answer *a, int kind, struct tidegate_event *ev)
{
    *ev = (struct tidegate_event){
        .id = a->id, .user = a->user, .kind = kind, .status = a->status,
        .text = none, .reasoning = none, .data = none,
        .finish_reason = "", .generation = "", .model = "", .provider = "",
    };
}

/* ---- words ---- */

static void fail(struct tga_answer *a, const char *code, const char *message)
{
    if (a->has_error)
        return;
    a->has_error = true;
    a->error = (struct tidegate_fault){ .code = code, .message = message, .status = a->status,
                                        .retry_after_ms = -1 };
}

static void fail_for(struct tga_answer *a, tg_err err)
{
    fail(a, tg_err_code(err), tg_err_text(err));
}

/* The string's characters, in the arena; "" when it is none. Without memory it is "", too,
 * and the answer is broken: it may not have a hole. */
static struct tidegate_str words(struct tga_answer *a, struct tg_arena *arena,
                                 struct tg_json value)
{
    struct tg_buf b = { 0 };
    struct tg_str s;

    if (value.kind != TG_JSON_STRING)
        return none;
    if (!tg_json_plain(value, &s)) {
        tg_json_text(value, &b);
        s = b.bad ? (struct tg_str){ NULL, 0 } : tg_buf_view(&b);
    }
    if (s.len)
        s = tg_arena_copy(arena, s);
    tg_buf_done(&b);
    if (s.len && s.at)
        return (struct tidegate_str){ s.at, s.len };
    if (tg_json_has_text(value))
        fail_for(a, TG_ENOMEM);
    return none;
}

static const char *word(struct tga_answer *a, struct tg_json value)
{
    return words(a, &a->arena, value).at;
}

/* The buffer's bytes and a zero behind them. */
static struct tidegate_str held(struct tg_buf *b)
{
    const char *z = b->len && !b->bad ? tg_buf_cstr(b) : NULL;

    return z ? (struct tidegate_str){ z, b->len } : none;
}

static int small(struct tg_json value, int otherwise)
{
    int64_t n;

    return tg_json_i64(value, &n) && n >= 0 && n < 1 << 20 ? (int)n : otherwise;
}

/* ---- errors ---- */

/* Everybody who failed, the last one too. */
static void read_attempts(struct tga_answer *a, struct tg_json metadata, int status)
{
    struct tg_json previous = tg_json_get(metadata, "previous_errors"), one;
    struct tidegate_attempt *all = tg_arena_get(&a->arena, ATTEMPTS_MAX * sizeof *all);
    struct tg_json_iter it;
    struct tg_str key;
    size_t n = 0;

    if (!all)
        return;
    tg_json_iter_init(&it, previous);
    while (n < ATTEMPTS_MAX - 1 && tg_json_next(&it, &key, &one))
        all[n++] = (struct tidegate_attempt){
            .provider = word(a, tg_json_get(one, "provider")),
            .code = word(a, tg_json_get(one, "code")),
            .status = small(tg_json_get(one, "status"), 0),
        };
    if (tg_json_get(metadata, "provider_name").kind == TG_JSON_STRING)
        all[n++] = (struct tidegate_attempt){
            .provider = word(a, tg_json_get(metadata, "provider_name")),
            .code = word(a, tg_json_get(metadata, "error_type")), .status = status,
        };
    a->error.attempts = all;
    a->error.attempts_count = n;
}

/* The contract's error object. */
static void read_error(struct tga_answer *a, struct tg_json error)
{
    struct tg_json metadata = tg_json_get(error, "metadata");
    double seconds;

    if (a->has_error)
        return;
    fail(a, word(a, tg_json_get(error, "error_type")),
         word(a, tg_json_get(error, "message")));
    if (!*a->error.code)
        a->error.code = "server";
    a->error.status = small(tg_json_get(error, "http_status"), a->status);
    if (tg_json_double(tg_json_get(metadata, "retry_after_seconds_raw"), &seconds) && seconds < 1e9)
        a->error.retry_after_ms = (int64_t)(seconds * 1000);
    read_attempts(a, metadata, a->error.status);
}

/* ---- what whole answers and chunks have alike ---- */

static void read_facts(struct tga_answer *a, struct tg_json root)
{
    struct tg_json usage = tg_json_get(root, "usage");
    int64_t nano;

    if (!*a->generation)
        a->generation = word(a, tg_json_get(root, "id"));
    if (!*a->model)
        a->model = word(a, tg_json_get(root, "model"));
    if (!*a->provider)
        a->provider = word(a, tg_json_get(root, "provider"));
    if (usage.kind != TG_JSON_OBJECT)
        return;
    tg_usage_read(&a->usage, usage);
    if (tg_usage_dollars(tg_json_get(usage, "cost"), &nano))
        a->usage.cost_nano = nano;
}

static struct tga_call *call_at(struct tga_answer *a, size_t i)
{
    if (i >= TG_TOOL_CALLS_MAX)
        return NULL;
    if (i >= a->calls_cap) {
        size_t cap = i < 4 ? 4 : TG_TOOL_CALLS_MAX;
        struct tga_call *calls = tg_realloc(a->calls, cap * sizeof *calls);
        if (!calls)
            return NULL;
        memset(calls + a->calls_cap, 0, (cap - a->calls_cap) * sizeof *calls);
        a->calls = calls;
        a->calls_cap = cap;
    }
    if (i >= a->calls_count)
        a->calls_count = i + 1;
    return &a->calls[i];
}

static void add(struct tg_buf *b, struct tidegate_str s)
{
    tg_buf_add(b, s.at, s.len);
}

static void add_call(struct tga_answer *a, const struct tidegate_tool_call *piece)
{
    struct tga_call *c = call_at(a, (size_t)piece->index);

    if (!c) {
        fail_for(a, TG_ENOMEM);
        return;
    }
    if (!c->id.len)
        tg_buf_z(&c->id, piece->id);
    if (!c->name.len)
        tg_buf_z(&c->name, piece->name);
    add(&c->arguments, piece->arguments);
}

/* A delta's or message's tool calls, in the arena. */
static void read_calls(struct tga_answer *a, struct tg_json list, struct tg_arena *arena,
                       struct tidegate_event *ev)
{
    size_t count = tg_json_count(list), n = 0;
    struct tidegate_tool_call *calls;
    struct tg_json_iter it;
    struct tg_json one;
    struct tg_str key;

    if (list.kind != TG_JSON_ARRAY || !count)
        return;
    calls = tg_arena_get(arena, count * sizeof *calls);
    if (!calls) {
        fail_for(a, TG_ENOMEM);
        return;
    }
    tg_json_iter_init(&it, list);
    for (; n < count && tg_json_next(&it, &key, &one); n++) {
        struct tg_json function = tg_json_get(one, "function");
        calls[n] = (struct tidegate_tool_call){
            .index = small(tg_json_get(one, "index"), (int)n),
            .id = words(a, arena, tg_json_get(one, "id")).at,
            .name = words(a, arena, tg_json_get(function, "name")).at,
            .arguments = words(a, arena, tg_json_get(function, "arguments")),
        };
    }
    ev->tool_calls = calls;
    ev->tool_calls_count = n;
}

/* One of the choices: what it says goes into the event; of the first one, also to what
 * the end will tell. */
static void read_choice(struct tga_answer *a, struct tg_json choice, const char *inside,
                        struct tg_arena *arena, struct tidegate_event *ev)
{
    struct tg_json said = tg_json_get(choice, inside), content = tg_json_get(said, "content");

    if (content.kind == TG_JSON_NONE)
        content = tg_json_get(choice, "text");           /* of /completions */
    ev->choice = small(tg_json_get(choice, "index"), 0);
    ev->text = words(a, arena, content);
    ev->reasoning = words(a, arena, tg_json_get(said, "reasoning"));
    ev->finish_reason = words(a, arena, tg_json_get(choice, "finish_reason")).at;
    read_calls(a, tg_json_get(said, "tool_calls"), arena, ev);
    if (ev->choice)
        return;
    add(&a->text, ev->text);
    add(&a->reasoning, ev->reasoning);
    for (size_t i = 0; i < ev->tool_calls_count; i++)
        add_call(a, &ev->tool_calls[i]);
    if (*ev->finish_reason)
        a->finish_reason = word(a, tg_json_get(choice, "finish_reason"));
}

/* ---- as it comes ---- */

void tga_answer_head(struct tga_answer *a, int status, struct tg_str fields)
{
    struct tg_str line, name, value;

    a->status = status;
    while (fields.len) {
        tg_str_cut(fields, '\n', &line, &fields);
        if (tg_str_cut(line, ':', &name, &value) && tg_str_iis(name, "content-type"))
            a->is_stream = tg_str_starts(tg_str_trim(value), "text/event-stream");
    }
}

void tga_answer_feed(struct tga_answer *a, struct tg_str bytes)
{
    tg_err err = a->is_stream ? tg_sse_feed(&a->sse, bytes) : tg_buf_str(&a->body, bytes);

    if (err)
        fail_for(a, err);
}

/* Look into one event of the stream: which choices does it have? */
static void open_chunk(struct tga_answer *a, struct tg_str data)
{
    struct tg_json root;

    if (tg_str_is(data, "[DONE]")) {
        a->is_done = true;
        return;
    }
    if (tg_json_check(data, TG_JSON_DEPTH_MAX, &root, NULL) || root.kind != TG_JSON_OBJECT) {
        fail(a, BROKEN, "a piece of the stream is not JSON");
        return;
    }
    struct tg_json error = tg_json_get(root, "error");
    if (tg_completion_tells_error(error)) {
        read_error(a, error);
        return;
    }
    read_facts(a, root);
    a->chunk = data;
    tg_json_iter_init(&a->choices, tg_json_get(root, "choices"));
}

static void put_facts(const struct tga_answer *a, struct tidegate_event *ev)
{
    ev->generation = a->generation;
    ev->model = a->model;
    ev->provider = a->provider;
}

bool tga_answer_next(struct tga_answer *a, struct tg_arena *scratch, struct tidegate_event *ev)
{
    struct tg_sse_event event;
    struct tg_json choice;
    struct tg_str key;

    if (!a->is_stream)
        return false;
    for (;;) {
        if (a->chunk.len && tg_json_next(&a->choices, &key, &choice)) {
            struct tg_str data = tg_arena_copy(scratch, a->chunk);
            tga_answer_event(a, TIDEGATE_DELTA, ev);
            read_choice(a, choice, "delta", scratch, ev);
            put_facts(a, ev);
            if (data.at)
                ev->data = (struct tidegate_str){ data.at, data.len };
            else
                fail_for(a, TG_ENOMEM);
            return true;
        }
        a->chunk.len = 0;
        tg_err err = tg_sse_next(&a->sse, &event);
        if (err && err != TG_AGAIN)
            fail_for(a, err);
        if (err)
            return false;
        open_chunk(a, event.data);
    }
}

/* ---- its end ---- */

void tga_answer_break(struct tga_answer *a)
{
    fail_for(a, TG_ENOMEM);
}

static void read_whole(struct tga_answer *a, struct tidegate_event *ev)
{
    struct tg_json root = { .kind = TG_JSON_NONE }, choice;
    struct tg_json_iter it;
    struct tg_str key;

    if (tg_json_check(tg_buf_view(&a->body), TG_JSON_DEPTH_MAX, &root, NULL)
        || root.kind != TG_JSON_OBJECT) {
        fail(a, BROKEN, "the answer is not JSON");
        return;
    }
    struct tg_json error = tg_json_get(root, "error");
    if (a->status >= 300 || tg_completion_tells_error(error)) {
        read_error(a, error);
        return;
    }
    read_facts(a, root);
    tg_json_iter_init(&it, tg_json_get(root, "choices"));
    while (tg_json_next(&it, &key, &choice))
        read_choice(a, choice, "message", &a->arena, ev);
}

static void put_usage(struct tga_answer *a, struct tidegate_event *ev)
{
    const struct tg_usage *u = &a->usage;

    if (!u->seen)
        return;
    a->told_usage = (struct tidegate_usage){
        .prompt_tokens = u->prompt, .completion_tokens = u->completion, .total_tokens = u->total,
        .cached_tokens = u->cached, .reasoning_tokens = u->reasoning,
        .cost_usd = u->cost_nano < 0 ? -1 : (double)u->cost_nano / 1e9,
    };
    ev->usage = &a->told_usage;
}

static void put_calls(struct tga_answer *a, struct tidegate_event *ev)
{
    struct tidegate_tool_call *calls;

    ev->tool_calls = NULL;
    ev->tool_calls_count = 0;
    if (!a->calls_count)
        return;
    calls = tg_arena_get(&a->arena, a->calls_count * sizeof *calls);
    if (!calls) {
        fail_for(a, TG_ENOMEM);
        return;
    }
    for (size_t i = 0; i < a->calls_count; i++) {
        struct tga_call *c = &a->calls[i];
        calls[i] = (struct tidegate_tool_call){
            .index = (int)i, .id = held(&c->id).at, .name = held(&c->name).at,
            .arguments = held(&c->arguments),
        };
        if (c->id.bad || c->name.bad || c->arguments.bad)
            fail_for(a, TG_ENOMEM);
    }
    ev->tool_calls = calls;
    ev->tool_calls_count = a->calls_count;
}

/* Everything that was gathered, in place of what the last choice left in the event. */
static void put_gathered(struct tga_answer *a, struct tidegate_event *ev)
{
    ev->choice = 0;
    ev->text = held(&a->text);
    ev->reasoning = held(&a->reasoning);
    ev->finish_reason = a->finish_reason;
    ev->data = held(&a->body);
    put_calls(a, ev);
    put_facts(a, ev);
    put_usage(a, ev);
    if (a->text.bad || a->reasoning.bad || a->body.bad)
        fail_for(a, TG_ENOMEM);
}

void tga_answer_end(struct tga_answer *a, bool is_whole, struct tidegate_event *ev)
{
    tga_answer_event(a, TIDEGATE_END, ev);
    if (!a->status || !is_whole)
        fail(a, BROKEN, "the answer broke off");
    if (!a->is_raw && a->is_stream && !a->is_done)
        fail(a, BROKEN, "the stream broke off");
    if (!a->is_raw && !a->is_stream && !a->has_error)
        read_whole(a, ev);
    put_gathered(a, ev);
    if (a->has_error)
        ev->error = &a->error;
}
