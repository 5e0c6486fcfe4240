#include "flow/embed.h"

#include <pthread.h>
#include <signal.h>
#include <string.h>
#include <unistd.h>

#include "base/mem.h"
#include "flow/engine.h"
#include "os/wake.h"

/* An event on its way, with its bytes behind it. */
struct event {
    struct event *next;
    struct call  *call;
    struct tg_embed_event is;
};

/* One request. Made by the asker; what is not under the lock is the engine's. */
struct call {
    struct call *prev, *next;              /* of the handle: those that the engine has */
    struct tg_embed  *embed;
    struct tg_config *config;              /* held until it is begun */
    struct tg_client *client;              /* NULL before and after */
    uint64_t     id;
    enum tg_api  api;
    struct tg_buf body;
    struct tg_http1_head head;
    struct tg_buf texts;                   /* of its fields */

    /* under the handle's lock */
    unsigned     references;               /* the engine's, one of each event, of each message */
    size_t       waiting;                  /* bytes that nobody took yet */
    bool         is_full, is_left, is_broken;
};

struct tg_embed {
    struct tg_config *config;
    unsigned          generation;          /* of the process that made it */
    struct tg_wake    wake;
    uint64_t          ids;
    struct event     *taken;               /* its bytes are with the host */

    pthread_mutex_t   lock;
    pthread_cond_t    idle;                /* the engine has none of its calls any more */
    struct event     *first, **last;       /* the queue */
    struct call      *calls;
};

/* ---- the thread that all share ---- */

static struct {
    pthread_mutex_t   lock;
    struct tg_engine *engine;
    pthread_t         thread;
    unsigned          users;
    unsigned          generation;          /* of the process: one more after each fork */
} shared = { .lock = PTHREAD_MUTEX_INITIALIZER };

static void *run(void *arg)
{
    tg_engine_run(arg);
    return NULL;
}

/* The child has none of the parent's threads, nor their locks. */
static void on_fork(void)
{
    pthread_mutex_init(&shared.lock, NULL);
    shared.engine = NULL;                  /* it goes on in the parent; here it is only memory */
    shared.users = 0;
    shared.generation++;
}

static void watch_forks_once(void)
{
    pthread_atfork(NULL, NULL, on_fork);
}

static void watch_forks(void)
{
    static pthread_once_t once = PTHREAD_ONCE_INIT;

    pthread_once(&once, watch_forks_once);
}

static bool start(struct tg_buf *why)
{
    sigset_t all, before;

    shared.engine = tg_engine_new(-1, TG_EMBED_ENGINE, NULL, NULL, why);
    if (!shared.engine)
        return false;
    sigfillset(&all);                      /* signals are the host's */
    pthread_sigmask(SIG_SETMASK, &all, &before);
    int failed = pthread_create(&shared.thread, NULL, run, shared.engine);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    if (!failed)
        return true;
    tg_buf_z(why, "cannot start a thread");
    tg_engine_free(shared.engine);
    shared.engine = NULL;
    return false;
}

static bool join_engine(struct tg_buf *why)
{
    pthread_mutex_lock(&shared.lock);
    bool good = shared.users || start(why);
    shared.users += good;
    pthread_mutex_unlock(&shared.lock);
    return good;
}

static void leave_engine(void)
{
    pthread_mutex_lock(&shared.lock);
    if (--shared.users == 0) {
        tg_engine_stop(shared.engine);
        pthread_join(shared.thread, NULL);
        tg_engine_free(shared.engine);
        shared.engine = NULL;
    }
    pthread_mutex_unlock(&shared.lock);
}

/* ---- calls ---- */

static bool is_forked(const struct tg_embed *e)
{
    return e->generation != shared.generation;
}

static void free_call(struct call *c)
{
    if (c->config)
        tg_config_drop(c->config);
    tg_buf_done(&c->body);
    tg_buf_done(&c->texts);
    tg_free(c);
}

/* With the lock held. */
static void drop_call(struct call *c)
{
    if (--c->references == 0)
        free_call(c);
}

/* With the lock held: the engine is done with it. */
static void unlist(struct call *c)
{
    struct tg_embed *e = c->embed;

    if (c->prev)
        c->prev->next = c->next;
    else
        e->calls = c->next;
    if (c->next)
        c->next->prev = c->prev;
    drop_call(c);
    if (!e->calls)
        pthread_cond_signal(&e->idle);
}

/* ---- what the engine tells: in its thread ---- */

static bool push(struct call *c, struct tg_embed_event is)
{
    struct tg_embed *e = c->embed;
    struct event *ev = tg_alloc(sizeof *ev + is.bytes.len);
    bool has_room;

    if (ev) {
        *ev = (struct event){ .call = c, .is = is };
        ev->is.id = c->id;
        ev->is.bytes.at = (char *)(ev + 1);
        if (is.bytes.len)
            memcpy(ev + 1, is.bytes.at, is.bytes.len);
    }
    pthread_mutex_lock(&e->lock);
    if (!ev || c->is_left) {
        /* Without memory the answer has a hole, and may not pass for whole. */
        c->is_broken |= !ev;
        tg_free(ev);
    } else {
        c->references++;
        c->waiting += is.bytes.len;
        c->is_full = c->waiting > TG_CLIENT_QUEUE_FULL;
        *e->last = ev;
        e->last = &ev->next;
        if (e->first == ev)
            tg_wake_ring(&e->wake);
    }
    has_room = !c->is_full;
    pthread_mutex_unlock(&e->lock);
    return has_room;
}

static void on_head(void *arg, int status, struct tg_str fields)
{
    push(arg, (struct tg_embed_event){ .kind = TG_EMBED_HEAD, .status = status, .bytes = fields });
}

static bool on_bytes(void *arg, struct tg_str bytes)
{
    return push(arg, (struct tg_embed_event){ .kind = TG_EMBED_BYTES, .bytes = bytes });
}

static void on_end(void *arg, bool is_whole)
{
    struct call *c = arg;
    struct tg_embed *e = c->embed;

    c->client = NULL;
    push(c, (struct tg_embed_event){ .kind = TG_EMBED_END, .is_whole = is_whole && !c->is_broken });
    pthread_mutex_lock(&e->lock);
    unlist(c);
    pthread_mutex_unlock(&e->lock);
}

/* ---- what the host wants: posted to the engine's thread ---- */

static void begin(void *arg)
{
    struct call *c = arg;
    struct tg_engine_call call = {
        .config = c->config, .api = c->api, .head = &c->head, .body = &c->body,
        .sink = { on_head, on_bytes, on_end, c }, .client = &c->client,
    };
    struct tg_config *config = c->config;

    c->config = NULL;
    if (tg_engine_call(shared.engine, &call))
        on_end(c, false);
    tg_config_drop(config);
}

static void leave(void *arg)
{
    struct call *c = arg;
    struct tg_embed *e = c->embed;
    struct tg_client *client = c->client;

    c->client = NULL;
    if (client)
        tg_caller_leave(client);
    pthread_mutex_lock(&e->lock);
    if (client)
        unlist(c);                         /* else on_end() did */
    drop_call(c);
    pthread_mutex_unlock(&e->lock);
}

static void drained(void *arg)
{
    struct call *c = arg;
    struct tg_embed *e = c->embed;

    if (c->client)
        tg_caller_drained(c->client);
    pthread_mutex_lock(&e->lock);
    drop_call(c);
    pthread_mutex_unlock(&e->lock);
}

/* With the lock held. Without memory for the message nothing happens: a call that
 * is full stays so until its end. */
static void post(struct call *c, void (*fn)(void *arg))
{
    c->references++;
    if (tg_loop_post(tg_engine_loop(shared.engine), fn, c))
        drop_call(c);
}

/* ---- the handle ---- */

struct tg_embed *tg_embed_new(struct tg_config *config, struct tg_buf *why)
{
    struct tg_embed *e;

    watch_forks();
    e = tg_zalloc(sizeof *e);
    if (!e || tg_wake_open(&e->wake)) {
        tg_buf_z(why, e ? "too many open files" : tg_err_text(TG_ENOMEM));
        tg_free(e);
        return NULL;
    }
    if (!join_engine(why)) {
        tg_wake_close(&e->wake);
        tg_free(e);
        return NULL;
    }
    e->generation = shared.generation;
    e->last = &e->first;
    pthread_mutex_init(&e->lock, NULL);
    pthread_cond_init(&e->idle, NULL);
    tg_config_hold(config);
    e->config = config;
    return e;
}

static void free_event(struct event *ev)
{
    if (!ev)
        return;
    drop_call(ev->call);
    tg_free(ev);
}

/* Nobody waits for the engine of another process. */
static void wait_until_idle(struct tg_embed *e)
{
    pthread_mutex_lock(&e->lock);
    for (struct call *c = e->calls; c; c = c->next) {
        if (c->is_left)
            continue;
        c->is_left = true;
        post(c, leave);
    }
    while (e->calls)
        pthread_cond_wait(&e->idle, &e->lock);
    free_event(e->taken);
    for (struct event *ev = e->first, *next; ev; ev = next) {
        next = ev->next;
        free_event(ev);
    }
    pthread_mutex_unlock(&e->lock);
}

void tg_embed_free(struct tg_embed *e)
{
    if (!e)
        return;
    if (!is_forked(e)) {
        wait_until_idle(e);
        leave_engine();
        pthread_cond_destroy(&e->idle);
        pthread_mutex_destroy(&e->lock);
    }
    tg_wake_close(&e->wake);
    tg_config_drop(e->config);
    tg_free(e);
}

void tg_embed_swap(struct tg_embed *e, struct tg_config *config)
{
    tg_config_hold(config);
    tg_config_drop(e->config);
    e->config = config;
}

int tg_embed_fd(const struct tg_embed *e)
{
    return is_forked(e) ? -1 : e->wake.fd;
}

tg_err tg_embed_wait(struct tg_embed *e, int timeout_ms)
{
    return is_forked(e) ? TG_EFORK : tg_wake_wait(&e->wake, timeout_ms);
}

/* Its fields with texts of their own. */
static void copy_fields(struct call *c, const struct tg_embed_ask *ask)
{
    size_t n = ask->fields_count < TG_HTTP1_FIELDS_MAX ? ask->fields_count : TG_HTTP1_FIELDS_MAX;
    size_t bytes = 0;

    for (size_t i = 0; i < n; i++)
        bytes += ask->fields[i].name.len + ask->fields[i].value.len;
    if (tg_buf_reserve(&c->texts, bytes))
        return;
    for (size_t i = 0; i < n; i++) {
        const struct tg_http1_field *f = &ask->fields[i];
        struct tg_http1_field *to = &c->head.fields[c->head.fields_count++];
        to->name = (struct tg_str){ c->texts.at + c->texts.len, f->name.len };
        tg_buf_str(&c->texts, f->name);
        to->value = (struct tg_str){ c->texts.at + c->texts.len, f->value.len };
        tg_buf_str(&c->texts, f->value);
    }
}

static struct call *new_call(struct tg_embed *e, const struct tg_embed_ask *ask)
{
    struct call *c = tg_zalloc(sizeof *c);

    if (!c)
        return NULL;
    c->embed = e;
    c->api = ask->api;
    c->references = 1;
    copy_fields(c, ask);
    tg_buf_str(&c->body, ask->body);
    if (c->body.bad || c->texts.bad) {
        free_call(c);
        return NULL;
    }
    tg_config_hold(e->config);
    c->config = e->config;
    return c;
}

tg_err tg_embed_ask(struct tg_embed *e, const struct tg_embed_ask *ask, uint64_t *id)
{
    struct call *c;

    if (is_forked(e))
        return TG_EFORK;
    c = new_call(e, ask);
    if (!c)
        return TG_ENOMEM;
    c->id = ++e->ids;
    pthread_mutex_lock(&e->lock);
    c->next = e->calls;
    if (c->next)
        c->next->prev = c;
    e->calls = c;
    tg_err err = tg_loop_post(tg_engine_loop(shared.engine), begin, c);
    if (err)
        unlist(c);
    else
        *id = c->id;
    pthread_mutex_unlock(&e->lock);
    return err;
}

void tg_embed_cancel(struct tg_embed *e, uint64_t id)
{
    if (is_forked(e))
        return;
    pthread_mutex_lock(&e->lock);
    for (struct call *c = e->calls; c; c = c->next) {
        if (c->id != id || c->is_left)
            continue;
        c->is_left = true;
        post(c, leave);
        break;
    }
    for (struct event *ev = e->first; ev; ev = ev->next)
        if (ev->is.id == id)
            ev->call->is_left = true;      /* it was over, and is not to be heard of */
    pthread_mutex_unlock(&e->lock);
}

/* With the lock held: the oldest event that somebody wants. */
static struct event *pop(struct tg_embed *e)
{
    struct event *ev;

    while ((ev = e->first)) {
        e->first = ev->next;
        if (!e->first)
            e->last = &e->first;
        if (!ev->call->is_left)
            break;
        free_event(ev);
    }
    if (!e->first)
        tg_wake_clear(&e->wake);
    return ev;
}

/* With the lock held: so much less waits. */
static void took(struct call *c, size_t bytes)
{
    c->waiting -= bytes;
    if (!c->is_full || c->waiting > TG_CLIENT_QUEUE_DRAINED)
        return;
    c->is_full = false;
    post(c, drained);
}

bool tg_embed_next(struct tg_embed *e, struct tg_embed_event *out)
{
    if (is_forked(e))
        return false;
    pthread_mutex_lock(&e->lock);
    free_event(e->taken);
    e->taken = pop(e);
    if (e->taken)
        took(e->taken->call, e->taken->is.bytes.len);
    pthread_mutex_unlock(&e->lock);
    if (e->taken)
        *out = e->taken->is;
    return e->taken != NULL;
}
