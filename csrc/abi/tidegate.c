#include <tidegate.h>

#include <pthread.h>
#include <stdio.h>
#include "abi/handle.h"
#include "abi/settings.h"
#include "base/log.h"
#include "base/mem.h"
#include "lua/tgl.h"

enum { SCRATCH_BYTES = 4096 };

const char *tidegate_version(void)
{
    return TG_VERSION;
}

int tidegate_version_number(void)
{
    return TIDEGATE_VERSION_NUMBER;
}

/* ---- open ---- */

static void tell(const struct tg_buf *words, char *why, size_t why_size)
{
    struct tg_str s = words->len ? tg_buf_view(words) : tg_str_of(tg_err_text(TG_ENOMEM));

    if (why && why_size)
        snprintf(why, why_size, "%.*s", (int)s.len, s.at);
}

/* stderr is the host's: it stays clean until somebody wants a log. */
static void be_quiet(void)
{
    tg_log_setup(TG_LOG_OFF, 2);
}

/* NULL, or what is wrong with the options. */
static const char *take_options(const struct tidegate_options *theirs, struct tidegate_options *o)
{
    static pthread_once_t once = PTHREAD_ONCE_INIT;
    enum tg_log_level level;
    const char *wrong = tga_take(o, sizeof *o, theirs, sizeof *o);

    if (wrong)
        return wrong;
    if (!o->config && !o->config_text)
        return "config or config_text must be given";
    if (o->log && !tg_log_level_of(tg_str_of(o->log), &level))
        return "log: debug, info, warn, error or off expected";
    pthread_once(&once, be_quiet);
    if (o->log)
        tg_log_setup(level, 2);
    return NULL;
}

/* Read what the handle's path and text say. */
static struct tg_config *read_settings(struct tidegate *t, struct tg_buf *why)
{
    struct tga_settings s = { tg_buf_view(&t->path), tg_buf_view(&t->text), t->has_text };

    return t->path.bad || t->text.bad ? NULL : tga_settings_read(&s, why);
}

static bool open_handle(struct tidegate *t, const struct tidegate_options *theirs,
                        struct tg_buf *why)
{
    struct tidegate_options o;
    const char *wrong = take_options(theirs, &o);

    if (wrong) {
        tg_buf_z(why, wrong);
        return false;
    }
    tg_buf_z(&t->path, o.config ? o.config : "configuration");
    tg_buf_z(&t->text, o.config_text ? o.config_text : "");
    t->has_text = o.config_text != NULL;
    t->config = read_settings(t, why);
    if (!t->config)
        return false;
    t->embed = tg_embed_new(t->config, why);
    return t->embed != NULL;
}

struct tidegate *tidegate_open(const struct tidegate_options *options, char *why, size_t why_size)
{
    struct tidegate *t = tg_zalloc(sizeof *t);
    struct tg_buf words = { 0 };

    if (t)
        tg_arena_init(&t->scratch, SCRATCH_BYTES);
    if (!t || !open_handle(t, options, &words)) {
        tell(&words, why, why_size);
        tidegate_close(t);
        t = NULL;
    }
    tg_buf_done(&words);
    return t;
}

static bool is_forked(const struct tidegate *t)
{
    return tg_embed_fd(t->embed) < 0;
}

int tidegate_reload(struct tidegate *t, char *why, size_t why_size)
{
    struct tg_buf words = { 0 };
    struct tg_config *config = NULL;

    if (!t)
        tg_buf_z(&words, "the handle is NULL");
    else if (is_forked(t))
        tg_buf_z(&words, tg_err_text(TG_EFORK));
    else
        config = read_settings(t, &words);
    if (config) {
        tg_embed_swap(t->embed, config);
        tg_config_drop(t->config);
        t->config = config;
    } else {
        tell(&words, why, why_size);
    }
    tg_buf_done(&words);
    return config ? 0 : -1;
}

/* ---- answers, by id ---- */

static struct tga_answer **slot_of(struct tidegate *t, uint64_t id)
{
    struct tga_answer **slot = &t->running[id & (TGA_BUCKETS - 1)];

    while (*slot && (*slot)->id != id)
        slot = &(*slot)->next;
    return slot;
}

static void add_answer(struct tidegate *t, struct tga_answer *a)
{
    struct tga_answer **bucket = &t->running[a->id & (TGA_BUCKETS - 1)];

    a->next = *bucket;
    *bucket = a;
    t->running_count++;
}

/* No event of it comes any more; it is freed at the next turn. */
static void end_answer(struct tidegate *t, struct tga_answer **slot)
{
    struct tga_answer *a = *slot;

    *slot = a->next;
    t->running_count--;
    a->next = t->over;
    t->over = a;
    if (t->fed == a)
        t->fed = NULL;
}

static void free_answers(struct tga_answer **list)
{
    while (*list) {
        struct tga_answer *a = *list;
        *list = a->next;
        tga_answer_free(a);
    }
}

void tidegate_close(struct tidegate *t)
{
    if (!t)
        return;
    /* In a child the policies' states may be as a thread left them that is not there. */
    bool keeps_config = t->embed && is_forked(t);
    tg_embed_free(t->embed);
    if (t->config && !keeps_config)
        tg_config_drop(t->config);
    for (size_t i = 0; i < TGA_BUCKETS; i++)
        free_answers(&t->running[i]);
    free_answers(&t->over);
    tg_arena_done(&t->scratch);
    tg_buf_done(&t->path);
    tg_buf_done(&t->text);
    tg_buf_done(&t->failure_words);
    tg_free(t);
}

/* ---- ask ---- */

static uint64_t ask(struct tidegate *t, const struct tga_question *q)
{
    struct tg_embed_ask asked = { .api = q->api, .body = q->body, .fields = q->head.fields,
                                  .fields_count = q->head.fields_count };
    struct tga_answer *a = tga_answer_new(q->is.user, q->is.flags & TIDEGATE_RAW);
    tg_err err = a ? tg_embed_ask(t->embed, &asked, &a->id) : TG_ENOMEM;

    if (err) {
        tga_answer_free(a);
        tga_fail(t, err, NULL);
        return 0;
    }
    add_answer(t, a);
    return a->id;
}

uint64_t tidegate_ask(struct tidegate *t, const struct tidegate_request *request)
{
    struct tga_question q;

    return t && tga_take_request(t, request, &q) ? ask(t, &q) : 0;
}

void tidegate_cancel(struct tidegate *t, uint64_t id)
{
    struct tga_answer **slot = t ? slot_of(t, id) : NULL;

    if (!slot || !*slot)
        return;
    tg_embed_cancel(t->embed, id);
    end_answer(t, slot);
}

/* ---- hear ---- */

int tidegate_poll(struct tidegate *t, int timeout_ms)
{
    if (!t)
        return -1;
    if (is_forked(t)) {
        tga_fail(t, TG_EFORK, NULL);
        return -1;
    }
    if (t->fed)
        return 1;
    if (!t->running_count)
        return -1;
    return tg_embed_wait(t->embed, timeout_ms < 0 ? -1 : timeout_ms) == TG_OK;
}

int tidegate_fd(const struct tidegate *t)
{
    return t ? tg_embed_fd(t->embed) : -1;
}

/* What came, as an event; false when it makes none for the host. */
static bool read_event(struct tidegate *t, struct tga_answer *a, const struct tg_embed_event *came)
{
    struct tidegate_event *ev = &t->event;
    struct tg_str bytes = came->bytes;

    switch (came->kind) {
    case TG_EMBED_HEAD:
        tga_answer_head(a, came->status, bytes);
        tga_answer_event(a, TIDEGATE_HEAD, ev);
        break;
    case TG_EMBED_BYTES:
        if (!a->is_raw) {
            tga_answer_feed(a, bytes);
            t->fed = a;
            return false;
        }
        tga_answer_event(a, TIDEGATE_BYTES, ev);
        break;
    case TG_EMBED_END:
        tga_answer_end(a, came->is_whole, ev);
        end_answer(t, slot_of(t, a->id));
        return true;
    }
    bytes = tg_arena_copy(&t->scratch, bytes);
    if (bytes.at)
        ev->data = (struct tidegate_str){ bytes.at, bytes.len };
    else
        tga_answer_break(a);
    return true;
}

const struct tidegate_event *tidegate_next(struct tidegate *t)
{
    struct tg_embed_event came;

    if (!t || is_forked(t))
        return NULL;
    free_answers(&t->over);
    tg_arena_reset(&t->scratch);
    for (;;) {
        if (t->fed && tga_answer_next(t->fed, &t->scratch, &t->event))
            return &t->event;
        t->fed = NULL;
        if (!tg_embed_next(t->embed, &came))
            return NULL;
        struct tga_answer *a = *slot_of(t, came.id);
        if (a && read_event(t, a, &came))
            return &t->event;
    }
}

const struct tidegate_fault *tidegate_error(const struct tidegate *t)
{
    return t && t->failure.code ? &t->failure : NULL;
}
