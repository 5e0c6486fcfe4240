/* What providers really sent, replayed: TIDEGATE_TEST_DATA/transcripts. There
 * are no golden files. Each recording is read a second time by the simplest
 * means, and what the module made of it must agree. */
#include "check.h"

#include <zlib.h>

#include "base/rand.h"
#include "tree.h"
#include "wire/answer.h"

static const struct tg_answer_names names = {
    { "gen-1700000000-0123456789abcdefghij", 35 }, { "vendor/model", 12 }, { "Provider", 8 },
    1700000000
};
static const struct tg_cost cost = {
    .total = 1403550, .upstream = 1403550, .upstream_prompt = 1000000, .upstream_completion = 403550
};

/* ---- the material ---- */

struct bytes {
    char  *at;
    size_t len;
};

static struct bytes load(const char *dir, const char *name)
{
    struct bytes b = { 0 };
    char path[1024];

    snprintf(path, sizeof path, "%s/transcripts/%s", dir, name);
    FILE *f = fopen(path, "rb");
    if (!f)
        return b;
    fseek(f, 0, SEEK_END);
    b.len = (size_t)ftell(f);
    rewind(f);
    b.at = tree_alloc(b.len + 1);
    b.len = fread(b.at, 1, b.len, f);
    fclose(f);
    return b;
}

static struct bytes gunzip(struct bytes in)
{
    struct bytes out = { tree_alloc(in.len * 40 + 4096), in.len * 40 + 4095 };
    z_stream z = { .next_in = (Bytef *)in.at, .avail_in = (uInt)in.len,
                   .next_out = (Bytef *)out.at, .avail_out = (uInt)out.len };

    CHECK(inflateInit2(&z, 31) == Z_OK);
    CHECK(inflate(&z, Z_FINISH) == Z_STREAM_END);
    out.len = z.total_out;
    inflateEnd(&z);
    return out;
}

struct recording {
    const char *name, *kind;
    int         status;
    enum tg_api api;
    bool        is_ours;           /* of an OpenAI-compatible kind */
    struct bytes body;
};

static struct recording open_recording(const char *dir, const struct tree *row)
{
    const char *api = tree_text(tree_get(row, "api"));
    struct recording r = {
        .name = tree_text(tree_get(row, "case")), .kind = tree_text(tree_get(row, "kind")),
        .status = (int)tree_int(tree_get(row, "status"), 0),
    };
    char path[900];

    r.is_ours = true;
    if (strcmp(api, "chat") == 0)
        r.api = TG_API_CHAT;
    else if (strcmp(api, "completions") == 0)
        r.api = TG_API_COMPLETIONS;
    else if (strcmp(api, "embeddings") == 0)
        r.api = TG_API_EMBEDDINGS;
    else
        r.is_ours = false;
    snprintf(path, sizeof path, "%s/response.body", r.name);
    r.body = load(dir, path);
    if (r.body.len > 2 && memcmp(r.body.at, "\x1f\x8b", 2) == 0)
        r.body = gunzip(r.body);
    return r;
}

static bool is_stream(const struct recording *r)
{
    const char *p = r->body.at, *end = p + r->body.len;

    while (p < end && strchr("\r\n \t", *p))
        p++;
    return end - p > 6 && (*p == ':' || !memcmp(p, "data:", 5) || !memcmp(p, "event:", 6));
}

/* Call `each` for every row of the index. Returns how many rows there are. */
static int each_recording(const char *dir, void (*each)(const char *dir, struct recording *r))
{
    struct bytes index = load(dir, "index.jsonl");
    char *lines = strdup(index.at ? index.at : "");
    int rows = 0;

    tree_forget();
    for (char *line = strtok(lines, "\n"); line; line = strtok(NULL, "\n"), rows++) {
        struct tree *row = tree_read(line, strlen(line));
        struct recording r = open_recording(dir, row);
        check_context = r.name;
        each(dir, &r);
        check_context = "";
        tree_forget();
    }
    free(lines);
    return rows;
}

/* ---- the simple reading ---- */

enum { LONGEST = 1 << 20, CHOICES = 4 };

struct reading {
    struct tg_buf content[CHOICES], reasoning[CHOICES], arguments, tools;
    int  calls, finishes, errors, dones, choices;
    bool is_finished[CHOICES], is_seen[CHOICES], is_cut_short;
    const char *finish[CHOICES], *last_id;
};

static void done_reading(struct reading *r)
{
    for (int i = 0; i < CHOICES; i++) {
        tg_buf_done(&r->content[i]);
        tg_buf_done(&r->reasoning[i]);
    }
    tg_buf_done(&r->arguments);
    tg_buf_done(&r->tools);
}

static void read_parts(struct reading *r, int i, const struct tree *content)
{
    for (const struct tree *part = content->first; part; part = part->next) {
        if (strcmp(tree_text(tree_get(part, "type")), "thinking") == 0) {
            const struct tree *list = tree_get(part, "thinking");
            for (const struct tree *leaf = list ? list->first : NULL; leaf; leaf = leaf->next)
                tg_buf_z(&r->reasoning[i], tree_text(tree_get(leaf, "text")));
        } else {
            tg_buf_z(&r->content[i], tree_text(tree_get(part, "text")));
        }
    }
}

/* A delta or message, theirs or ours. */
static void read_body(struct reading *r, int i, const struct tree *body)
{
    const struct tree *content = tree_get(body, "content"), *t;

    if (tree_is(content, '['))
        read_parts(r, i, content);
    else if (tree_is(content, '"'))
        tg_buf_add(&r->content[i], content->text, content->len);
    t = tree_get(body, "reasoning");
    if (!tree_is(t, '"') || !t->len)
        t = tree_get(body, "reasoning_content");
    tg_buf_z(&r->reasoning[i], tree_text(t));

    t = tree_get(body, "tool_calls");
    for (const struct tree *call = t ? t->first : NULL; call; call = call->next) {
        const char *name = tree_text(tree_get2(call, "function", "name"));
        const char *id = tree_text(tree_get(call, "id"));
        if (*id && r->last_id && !strcmp(id, r->last_id))
            name = "";                                 /* once more the same call */
        r->last_id = *id ? id : r->last_id;
        tg_buf_z(&r->arguments, tree_text(tree_get2(call, "function", "arguments")));
        if (*name) {
            tg_buf_z(&r->tools, name);
            tg_buf_char(&r->tools, '\n');
            r->calls++;
        }
    }
}

static void read_object(struct reading *r, const struct tree *object)
{
    const struct tree *choices = tree_get(object, "choices"), *error = tree_get(object, "error");

    r->errors += error && error->kind != 'n';
    if (strcmp(tree_text(tree_get(object, "object")), "chat.completion.done") == 0)
        r->dones++;
    for (const struct tree *c = choices ? choices->first : NULL; c; c = c->next) {
        int i = (int)tree_int(tree_get(c, "index"), 0);
        const struct tree *delta = tree_get(c, "delta");
        const char *finish = tree_text(tree_get(c, "finish_reason"));
        if (!delta || !strcmp(tree_text(tree_get(object, "object")), "chat.completion"))
            delta = tree_get(c, "message");
        r->is_seen[i] = true;
        if (*finish) {
            r->finishes++;
            r->is_finished[i] = true;
            r->finish[i] = finish;
            r->is_cut_short |= !strcmp(finish, "length");
        }
        read_body(r, i, delta);
        tg_buf_z(&r->content[i], tree_text(tree_get(c, "text")));
    }
}

static bool is_together(const struct recording *r)
{
    return strncmp(r->name, "together/", 9) == 0;
}

/* Lines that begin with "data:", each a whole event; so are all recordings. */
static void read_stream(struct reading *r, const char *text, size_t len, bool skip_text)
{
    const char *end = text + len;
    bool is_error_event = false;

    while (text < end) {
        const char *stop = memchr(text, '\n', (size_t)(end - text));
        if (!stop)
            return;                                   /* cut inside a line: no event */
        size_t n = (size_t)(stop - text);
        while (n && text[n - 1] == '\r')
            n--;
        if (n > 6 && !memcmp(text, "event:", 6))
            is_error_event = n >= 12 && !memcmp(text + 7, "error", 5);
        if (n > 5 && !memcmp(text, "data:", 5)) {
            /* an event counts once its blank line has come */
            const char *next = stop + 1;
            if (next < end && *next == '\r')
                next++;
            if (next >= end || *next != '\n')
                return;
            const char *from = tree_skip(text + 5, text + n);
            size_t size = (size_t)(text + n - from);
            if (size >= 6 && !memcmp(from, "[DONE]", 6)) {
                r->dones++;
            } else {
                struct tree *object = tree_read(from, size);
                struct tree *choice = tree_get2(object, "choices", "0");
                struct tree *member = tree_get(choice, "text");
                if (skip_text && member)
                    member->kind = 'n';               /* Together repeats the delta there */
                read_object(r, object);
                r->errors += is_error_event && !tree_get(object, "error");
            }
        }
        if (!n)
            is_error_event = false;
        text = stop + 1;
    }
}

static bool is_whole_by(const struct reading *r)
{
    bool any = false, all = true, has_content = r->calls > 0;

    for (int i = 0; i < CHOICES; i++) {
        any |= r->is_seen[i];
        all &= !r->is_seen[i] || r->is_finished[i];
        has_content |= r->content[i].len > 0 || r->reasoning[i].len > 0;
    }
    return !r->errors && any && (all || (r->dones && has_content));
}

/* ---- replay ---- */

struct result {
    struct tg_buf out;
    tg_err        err;
    bool          is_whole, has_error, has_message;
};

static tg_err take_events(struct tg_answer *a, struct tg_sse *sse, struct tg_buf *out)
{
    struct tg_sse_event ev;
    tg_err err;

    while ((err = tg_sse_next(sse, &ev)) == TG_OK)
        if ((err = tg_answer_event(a, &ev, out)))
            return err;
    return err == TG_AGAIN ? TG_OK : err;
}

/* Cut sizes: a list (recorded reads), a constant, or random up to `most`. */
struct cutter {
    const struct tree *sizes;
    size_t             most;
    struct tg_rand    *rand;
};

static size_t next_cut(struct cutter *c, size_t left)
{
    size_t n = c->most;

    if (c->sizes) {
        n = (size_t)tree_int(c->sizes, 1);
        c->sizes = c->sizes->next;
    } else if (c->rand) {
        n = 1 + tg_rand_below(c->rand, (uint32_t)c->most);
    }
    return n && n < left ? n : left;
}

static struct result replay(const struct recording *r, size_t len, struct cutter cutter)
{
    struct result result = { 0 };
    struct tg_sse sse;
    struct tg_answer *a = tg_answer_new(r->api, &names, (struct tg_json){ 0 });

    tg_sse_init(&sse, LONGEST * 4, true);
    for (size_t at = 0; at < len && !result.err;) {
        size_t n = next_cut(&cutter, len - at);
        char *piece = malloc(n);                       /* so that a sanitizer sees overruns */
        memcpy(piece, r->body.at + at, n);
        result.err = tg_sse_feed(&sse, (struct tg_str){ piece, n });
        if (!result.err)
            result.err = take_events(a, &sse, &result.out);
        free(piece);
        at += n;
    }
    result.is_whole = !result.err && tg_answer_settle(a);
    result.has_error = tg_answer_facts(a)->has_error;
    result.has_message = tg_answer_told(a)->message.len > 0;
    if (result.is_whole)
        CHECK(tg_answer_finish(a, &cost, TG_STR("{\"attempt\":1}"), &result.out) == TG_OK);
    else
        CHECK(tg_answer_fail(a, TG_STR("{\"code\":502,\"message\":\"no\"}"), TG_STR(""),
                             &result.out) == TG_OK);
    tg_sse_done(&sse);
    tg_answer_free(a);
    return result;
}

static bool same(const struct tg_buf *a, const struct tg_buf *b)
{
    return a->len == b->len && (!a->len || memcmp(a->at, b->at, a->len) == 0);
}

/* ---- what must hold of every frame ---- */

struct seen_calls {
    int count;
    struct tg_buf arguments[16];
};

static void check_calls(const struct tree *calls, struct seen_calls *seen)
{
    CHECK(!calls || tree_is(calls, '['));
    for (const struct tree *call = calls ? calls->first : NULL; call; call = call->next) {
        long long index = tree_int(tree_get(call, "index"), -1);
        const struct tree *arguments = tree_get2(call, "function", "arguments");
        CHECK(index >= 0 && index <= seen->count && index < 16);
        if (index == seen->count) {
            seen->count++;
            CHECK(*tree_text(tree_get(call, "id")));
            CHECK(strcmp(tree_text(tree_get(call, "type")), "function") == 0);
            CHECK(*tree_text(tree_get2(call, "function", "name")));
        } else {
            CHECK(!tree_get(call, "id"));
        }
        CHECK(tree_is(arguments, '"'));
        if (index >= 0 && index < 16)
            tg_buf_z(&seen->arguments[index], tree_text(arguments));
    }
}

static void check_identity(const struct tree *t, const char *object)
{
    CHECK(strcmp(tree_text(tree_get(t, "id")), names.id.at) == 0);
    CHECK(strcmp(tree_text(tree_get(t, "object")), object) == 0);
    CHECK(strcmp(tree_text(tree_get(t, "model")), "vendor/model") == 0);
    CHECK(strcmp(tree_text(tree_get(t, "provider")), "Provider") == 0);
}

struct tally {
    int frames, finishes, usages, errors;
    bool is_done;
};

static void check_frame(const struct recording *r, const struct tree *t, struct seen_calls *seen,
                        struct tally *tally)
{
    const struct tree *choice = tree_get2(t, "choices", "0"), *delta = tree_get(choice, "delta");
    const struct tree *finish = tree_get(choice, "finish_reason");
    bool is_chat = r->api == TG_API_CHAT;

    check_identity(t, is_chat ? "chat.completion.chunk" : "text_completion");
    CHECK_INT(tree_int(tree_get(t, "created"), 0), 1700000000);
    CHECK_INT(tree_count(tree_get(t, "choices")), 1);
    CHECK(tree_is(tree_get(choice, "index"), '0'));
    CHECK(finish && tree_get(choice, "native_finish_reason"));
    CHECK(!tree_is(tree_get(t, "system_fingerprint"), 'n'));
    if (is_chat) {
        CHECK(strcmp(tree_text(tree_get(delta, "role")), "assistant") == 0);
        CHECK(tree_is(tree_get(delta, "content"), '"'));
        CHECK(!tree_get(delta, "reasoning") || tree_is(tree_get(delta, "reasoning"), '"'));
        check_calls(tree_get(delta, "tool_calls"), seen);
    } else {
        CHECK(tree_is(tree_get(choice, "text"), '"'));
    }
    tally->frames++;
    tally->usages += tree_is(tree_get(t, "usage"), '{');
    tally->errors += tree_is(tree_get(t, "error"), '{');
    tally->finishes += tree_is(finish, '"') && !tree_get(t, "usage") && !tree_get(t, "error");
}

/* Read our own frames: tally them, and what they say goes into `said`. */
static void check_frames(const struct recording *r, const struct tg_buf *out,
                         struct reading *said, struct tally *tally)
{
    struct seen_calls seen[CHOICES] = { 0 };
    const char *p = out->at, *end = p + out->len;

    while (p < end) {
        const char *stop = p;
        while (stop + 1 < end && memcmp(stop, "\n\n", 2) != 0)
            stop++;
        CHECK(stop + 1 < end && memcmp(p, "data: ", 6) == 0 && !tally->is_done);
        size_t n = (size_t)(stop - p) - 6;
        if (n == 6 && memcmp(p + 6, "[DONE]", 6) == 0) {
            tally->is_done = true;
        } else {
            struct tree *t = tree_read(p + 6, n);
            if (!CHECK(t && !memchr(p + 6, '\n', n) && !memchr(p + 6, '\r', n)))
                break;
            int index = (int)tree_int(tree_get(tree_get2(t, "choices", "0"), "index"), 0);
            check_frame(r, t, &seen[index], tally);
            struct tree *text = tree_get(tree_get2(t, "choices", "0"), "text");
            if (text && r->api == TG_API_CHAT)
                text->kind = 'n';
            read_object(said, t);
        }
        p = stop + 2;
    }
    for (int i = 0; i < CHOICES; i++)
        for (int k = 0; k < 16; k++) {
            struct tg_buf *b = &seen[i].arguments[k];
            if (k < seen[i].count && tally->is_done && !said->is_cut_short)
                CHECK(tree_read(b->at ? b->at : "", b->len));
            tg_buf_done(b);
        }
}

static bool only_adds_empty_objects(const struct tg_buf *ours, const struct tg_buf *theirs)
{
    if (ours->len == theirs->len)
        return same(ours, theirs);
    return ours->len == theirs->len + 2 && memcmp(ours->at + theirs->len, "{}", 2) == 0;
}

static void compare(const struct reading *ours, const struct reading *theirs)
{
    for (int i = 0; i < CHOICES; i++) {
        CHECK(same(&ours->content[i], &theirs->content[i]));
        CHECK(same(&ours->reasoning[i], &theirs->reasoning[i]));
    }
    CHECK_INT(ours->calls, theirs->calls);
    CHECK(same(&ours->tools, &theirs->tools));
    CHECK(only_adds_empty_objects(&ours->arguments, &theirs->arguments));
}

static void check_whole_stream(const struct recording *r, const struct result *result,
                               const struct reading *theirs)
{
    struct reading ours = { 0 };
    struct tally tally = { 0 };
    int choices = 0;

    check_frames(r, &result->out, &ours, &tally);
    for (int i = 0; i < CHOICES; i++)
        choices += theirs->is_seen[i];
    CHECK(result->is_whole == is_whole_by(theirs));
    compare(&ours, theirs);
    if (result->is_whole) {
        CHECK_INT(tally.finishes, choices);
        CHECK_INT(tally.usages, 1);
        CHECK_INT(tally.errors, 0);
        CHECK(tally.is_done);
    } else {
        CHECK_INT(tally.finishes, 0);
        CHECK_INT(tally.errors, 1);
        CHECK(!tally.is_done);
    }
    CHECK((theirs->errors > 0) == result->has_error);
    CHECK(!result->has_error || result->has_message);
    done_reading(&ours);
}

static void check_cuts(const char *dir, const struct recording *r, const struct result *whole)
{
    struct tg_rand rand;
    char path[900];

    tg_rand_seed(&rand, 7);
    snprintf(path, sizeof path, "%s/response.chunks.json", r->name);
    struct bytes chunks = load(dir, path);
    struct tree *sizes = chunks.at ? tree_read(chunks.at, chunks.len) : NULL;
    if (tree_is(sizes, '{'))
        sizes = sizes->first;
    struct cutter cutters[] = {
        { .most = 1 }, { .most = 7, .rand = &rand }, { .most = 300, .rand = &rand },
        { .most = 5000, .rand = &rand }, { .sizes = sizes ? sizes->first : NULL, .most = 1 << 20 },
    };
    for (size_t i = 0; i < sizeof cutters / sizeof *cutters; i++) {
        struct result again = replay(r, r->body.len, cutters[i]);
        CHECK(same(&whole->out, &again.out));
        CHECK_INT(again.err, whole->err);
        tg_buf_done(&again.out);
    }
}

static void check_cut_short(const struct recording *r)
{
    struct tg_rand rand;

    tg_rand_seed(&rand, 11);
    for (int i = 0; i < 6; i++) {
        size_t n = tg_rand_below(&rand, (uint32_t)r->body.len);
        struct reading seen = { 0 };
        struct result result = replay(r, n, (struct cutter){ .most = 1 << 20 });
        read_stream(&seen, r->body.at, n, is_together(r));
        CHECK(result.is_whole == is_whole_by(&seen));
        tg_buf_done(&result.out);
        done_reading(&seen);
    }
}

static int streams, jsons, bodies, expected_streams, expected_jsons, expected_bodies;

static void replay_stream(const char *dir, struct recording *r)
{
    struct reading theirs = { 0 };

    expected_streams += r->is_ours && r->status == 200 &&
                        (!strcmp(r->kind, "stream") || !strcmp(r->kind, "midstream"));
    if (!r->is_ours || r->status != 200 || !is_stream(r))
        return;
    streams++;
    struct result whole = replay(r, r->body.len, (struct cutter){ .most = 1 << 30 });
    read_stream(&theirs, r->body.at, r->body.len, is_together(r));
    check_whole_stream(r, &whole, &theirs);
    check_cuts(dir, r, &whole);
    check_cut_short(r);
    tg_buf_done(&whole.out);
    done_reading(&theirs);
}

/* ---- whole answers ---- */

static void check_message(const struct tree *choice)
{
    const struct tree *message = tree_get(choice, "message");
    static const char *const present[] = { "content", "refusal", "reasoning", "role" };
    static const char *const typed[] = { "audio", "images", "name", "function_call" };
    int n = 0;

    for (int i = 0; i < 4; i++) {
        CHECK(tree_get(message, present[i]));
        CHECK(!tree_is(tree_get(message, typed[i]), 'n'));
    }
    const struct tree *calls = tree_get(message, "tool_calls");
    CHECK(!calls || tree_is(calls, '['));
    for (const struct tree *call = calls ? calls->first : NULL; call; call = call->next) {
        const struct tree *arguments = tree_get2(call, "function", "arguments");
        CHECK_INT(tree_int(tree_get(call, "index"), -1), n++);
        CHECK(*tree_text(tree_get(call, "id")) && *tree_text(tree_get(call, "type")));
        CHECK(tree_is(arguments, '"') && tree_read(arguments->text, arguments->len));
    }
}

/* JSON mode may give an object where text belongs. */
static bool has_object_content(const struct tree *body)
{
    const struct tree *choice = tree_get2(body, "choices", "0");
    return tree_is(tree_get2(choice, "message", "content"), '{');
}

static void check_object(const struct recording *r, const struct tg_buf *out,
                         const struct tree *body)
{
    struct tree *t = tree_read(out->at, out->len);
    struct reading ours = { 0 }, theirs = { 0 };

    if (!CHECK(t))
        return;
    check_identity(t, r->api == TG_API_CHAT ? "chat.completion"
                      : r->api == TG_API_COMPLETIONS ? "text_completion" : "list");
    CHECK(tree_is(tree_get2(t, "usage", "cost"), '0'));
    CHECK(tree_get2(t, "openrouter_metadata", "attempt"));
    if (r->api == TG_API_EMBEDDINGS) {
        CHECK_INT(tree_count(tree_get(t, "data")), tree_count(tree_get(body, "data")));
        return;
    }
    CHECK(tree_get(t, "system_fingerprint") && tree_get(t, "service_tier"));
    struct tree *choices = tree_get(t, "choices");
    for (const struct tree *c = choices->first; c; c = c->next) {
        CHECK(tree_is(tree_get(c, "finish_reason"), '"'));
        CHECK(tree_get(c, "native_finish_reason") && tree_get(c, "logprobs"));
        if (r->api == TG_API_CHAT)
            check_message(c);
    }
    read_object(&theirs, body);
    read_object(&ours, t);
    if (has_object_content(body))
        CHECK(tree_read(ours.content[0].at, ours.content[0].len));
    else
        compare(&ours, &theirs);
    done_reading(&ours);
    done_reading(&theirs);
}

/* Every good whole answer as a stream, too. */
static void check_as_stream(const struct recording *r, struct tg_answer *a, const struct tree *body)
{
    struct tg_buf out = { 0 };
    struct reading ours = { 0 }, theirs = { 0 };
    struct tally tally = { 0 };

    struct tg_str text = { r->body.at, r->body.len };
    CHECK_INT(tg_answer_write_as_stream(a, text, &out), TG_OK);
    CHECK(tg_answer_settle(a));
    CHECK_INT(tg_answer_finish(a, &cost, TG_STR(""), &out), TG_OK);
    check_frames(r, &out, &ours, &tally);
    CHECK(tally.is_done && tally.usages == 1 && !tally.errors);
    read_object(&theirs, body);
    if (!has_object_content(body))
        compare(&ours, &theirs);
    tg_buf_done(&out);
    done_reading(&ours);
    done_reading(&theirs);
}

static bool is_good(const struct recording *r, const struct tree *body)
{
    struct reading theirs = { 0 };
    bool is_whole;

    if (r->api == TG_API_EMBEDDINGS)
        return tree_is(tree_get(body, "data"), '[');
    read_object(&theirs, body);
    theirs.dones = 1;
    is_whole = is_whole_by(&theirs);
    done_reading(&theirs);
    return is_whole || has_object_content(body);
}

static void replay_json(const char *dir, struct recording *r)
{
    struct tg_str text = { r->body.at, r->body.len };
    struct tg_buf out = { 0 };

    (void)dir;
    expected_jsons += r->is_ours && r->status == 200 && !strcmp(r->kind, "unary");
    if (!r->is_ours || r->status != 200 || is_stream(r))
        return;
    jsons++;
    struct tree *body = tree_read(text.at, text.len);
    struct tg_answer *a = tg_answer_new(r->api, &names, (struct tg_json){ 0 });
    tg_err err = tg_answer_read(a, text);
    CHECK((err == TG_OK) == is_good(r, body));
    if (tree_is(tree_get(body, "error"), '{'))
        CHECK(err == TG_EPEER && tg_answer_told(a)->message.len);
    if (!err) {
        CHECK(tg_answer_write(a, text, &cost, TG_STR("{\"attempt\":1}"), &out) == TG_OK);
        check_object(r, &out, body);
        if (r->api != TG_API_EMBEDDINGS)
            check_as_stream(r, a, body);
    }
    for (size_t n = 0; n < text.len; n += text.len / 7 + 1) {
        struct tg_str part = { text.at, n };
        CHECK(tg_answer_read(a, part) == TG_EINVAL || tree_read(part.at, n));
    }
    tg_buf_done(&out);
    tg_answer_free(a);
}

/* ---- error bodies ---- */

static void read_error(const char *dir, struct recording *r)
{
    struct tg_told told = { 0 };

    (void)dir;
    expected_bodies += r->status >= 400;
    if (r->status < 400)
        return;
    bodies++;
    struct tree *body = tree_read(r->body.at, r->body.len);
    CHECK_INT(tg_told_read(&told, (struct tg_str){ r->body.at, r->body.len }), TG_OK);
    CHECK(!tree_has_words(body) || told.message.len);
    CHECK(!told.status || (told.status >= 400 && told.status < 600));
    tg_told_done(&told);
}

TEST("recorded streams come out whole, the same however they are cut, and never whole when cut off")
{
    const char *dir = check_data_dir();
    if (!CHECK(true) || !dir)
        return;
    each_recording(dir, replay_stream);
    printf("    %d streams replayed\n", streams);
    CHECK(expected_streams > 100 && streams >= expected_streams - 1);   /* one is JSON */
}

TEST("recorded whole answers come out as the contract's object, and as a stream")
{
    const char *dir = check_data_dir();
    if (!CHECK(true) || !dir)
        return;
    each_recording(dir, replay_json);
    printf("    %d whole answers replayed\n", jsons);
    CHECK(expected_jsons > 100 && jsons >= expected_jsons);
}

TEST("the words of every recorded error are found")
{
    const char *dir = check_data_dir();
    if (!CHECK(true) || !dir)
        return;
    each_recording(dir, read_error);
    printf("    %d error bodies read\n", bodies);
    CHECK(expected_bodies > 100 && bodies == expected_bodies);
}

TEST_MAIN
