#include "flow/embed.h"

#include <pthread.h>
#include <signal.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "flow/engine.h"
#include "os/wake.h"

/* An event on its way, with its bytes behind it. */
struct event {
    struct event *next;
    struct tg_embed_event is;
};

/* One request. Made by the asker; what is not under the lock is the engine's. */
struct call {
    struct tg_embed  *embed;
    struct tg_config *config;              /* held until it is begun */
    struct tg_client *client;              /* NULL before and after */
    struct tg_errand  errand;
    uint64_t     id;
    enum tg_api  api;
    bool         is_begun;
    struct tg_buf body;
    struct tg_http1_head *head;            /* NULL where the asker gave no fields */
    struct tg_buf texts;                   /* of its fields */

    /* under the handle's lock */
    unsigned     references;               /* the host's, the engine's, the errand's */
    struct call *prev, *next;              /* of the handle: those that the host may hear of */
    struct call *ready_next, **ready_place;   /* place NULL: is not ready */
    struct event *first, **last;           /* what the host did not take yet */
    size_t       waiting;                  /* bytes of it */
    bool         is_sent;                  /* its errand is on its way */
    bool         is_full, is_drained;      /* the engine was told to stop; it may go on */
    bool         is_held, is_left;
    bool         is_over, is_whole, is_broken;
};

struct tg_embed {
    struct tg_config *config;
    unsigned          generation;          /* of the process that made it */
    struct tg_wake    wake;
    uint64_t          ids;
    struct event     *taken;               /* its bytes are with the host */

    pthread_mutex_t   lock;
    pthread_cond_t    idle;                /* `held` is 0 */
    unsigned          held;                /* references that are not the host's */
    struct call      *calls;
    struct call      *ready, **ready_last; /* those with something to take, in turn */
    bool              is_rung;             /* the wake tells of them */
};

/* ---- the thread that all share ---- */

static struct {
    pthread_mutex_t   lock;
    struct tg_engine *engine;
    pthread_t         thread;
    unsigned          users;
    unsigned          generation;          /* of the process: one more after each fork */
    struct tg_server_hooks hooks;
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

/* The host calls exit() and has closed nothing: the thread ends before the libraries that it
 * uses clean up. To the handles it is as after a fork. */
static void stop_at_exit(void)
{
    pthread_mutex_lock(&shared.lock);
    if (shared.users) {
        tg_engine_stop(shared.engine);
        pthread_join(shared.thread, NULL);
        shared.users = 0;
        shared.generation++;
    }
    pthread_mutex_unlock(&shared.lock);
}

/* Once those libraries have registered what they do: who comes later is called earlier. */
static void watch_exit_once(void)
{
    atexit(stop_at_exit);
}

static void watch_exit(void)
{
    static pthread_once_t once = PTHREAD_ONCE_INIT;

    pthread_once(&once, watch_exit_once);
}

static bool start(struct tg_buf *why)
{
    sigset_t all, before;

    shared.engine = tg_engine_new(-1, TG_EMBED_ENGINE, NULL, &shared.hooks, why);
    if (!shared.engine)
        return false;
    sigfillset(&all);                      /* signals are the host's */
    pthread_sigmask(SIG_SETMASK, &all, &before);
    int failed = pthread_create(&shared.thread, NULL, run, shared.engine);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    if (!failed) {
        pthread_setname_np(shared.thread, "tidegate");
        watch_exit();
        return true;
    }
    tg_buf_z(why, "cannot start a thread");
    tg_engine_free(shared.engine);
    shared.engine = NULL;
    return false;
}

void tg_embed_use(const struct tg_server_hooks *hooks)
{
    pthread_mutex_lock(&shared.lock);
    shared.hooks = *hooks;
    pthread_mutex_unlock(&shared.lock);
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

static void free_events(struct call *c)
{
    while (c->first) {
        struct event *ev = c->first;
        c->first = ev->next;
        tg_free(ev);
    }
    c->last = &c->first;
    c->waiting = 0;
}

static void free_call(struct call *c)
{
    if (c->config)
        tg_config_drop(c->config);
    free_events(c);
    tg_buf_done(&c->body);
    tg_buf_done(&c->texts);
    tg_free(c->head);
    tg_free(c);
}

/* ---- with the lock held ---- */

static void hold(struct call *c)
{
    c->references++;
    c->embed->held++;
}

static void drop(struct call *c)
{
    if (--c->references == 0)
        free_call(c);
}

/* Of a reference that is not the host's. */
static void release(struct call *c)
{
    struct tg_embed *e = c->embed;

    drop(c);
    if (--e->held == 0)
        pthread_cond_signal(&e->idle);
}

/* Have the engine look at it. */
static void send(struct call *c)
{
    if (c->is_sent)
        return;
    c->is_sent = true;
    hold(c);
    tg_loop_send(tg_engine_loop(shared.engine), &c->errand);
}

/* A head alone is not worth waking somebody: what it is of follows at once. */
static bool has_news(const struct call *c)
{
    return c->is_over || (c->first && (c->first->next || c->first->is.kind != TG_EMBED_HEAD));
}

static void be_ready(struct call *c)
{
    struct tg_embed *e = c->embed;

    if (c->ready_place || c->is_held || c->is_left || !has_news(c))
        return;
    c->ready_next = NULL;
    c->ready_place = e->ready_last;
    *e->ready_last = c;
    e->ready_last = &c->ready_next;
}

static void be_unready(struct call *c)
{
    struct tg_embed *e = c->embed;

    if (!c->ready_place)
        return;
    *c->ready_place = c->ready_next;
    if (c->ready_next)
        c->ready_next->ready_place = c->ready_place;
    else
        e->ready_last = c->ready_place;
    c->ready_place = NULL;
}

/* Before the lock is given back: the file is readable while somebody is ready. */
static void settle_wake(struct tg_embed *e)
{
    bool is_ready = e->ready != NULL;

    if (is_ready == e->is_rung)
        return;
    e->is_rung = is_ready;
    if (is_ready)
        tg_wake_ring(&e->wake);
    else
        tg_wake_clear(&e->wake);
}

/* The host hears of it no more. */
static void forget(struct call *c)
{
    be_unready(c);
    free_events(c);
    if (c->prev)
        c->prev->next = c->next;
    else
        c->embed->calls = c->next;
    if (c->next)
        c->next->prev = c->prev;
    drop(c);
}

static void leave(struct call *c)
{
    c->is_left = true;
    if (!c->is_over)
        send(c);
    forget(c);
}

static struct call *find(struct tg_embed *e, uint64_t id)
{
    struct call *c = e->calls;

    while (c && c->id != id)
        c = c->next;
    return c;
}

/* ---- what the engine tells: in its thread ---- */

static struct event *new_event(const struct call *c, struct tg_embed_event is)
{
    struct event *ev = tg_alloc(sizeof *ev + is.bytes.len);

    if (!ev)
        return NULL;
    *ev = (struct event){ .is = is };
    ev->is.id = c->id;
    ev->is.bytes.at = (char *)(ev + 1);
    if (is.bytes.len)
        memcpy(ev + 1, is.bytes.at, is.bytes.len);
    return ev;
}

/* With the lock held. Without memory (NULL) the answer has a hole, and may not
 * pass for whole. */
static void add(struct call *c, struct event *ev)
{
    if (!ev || c->is_left) {
        c->is_broken |= !ev;
        tg_free(ev);
        return;
    }
    c->waiting += ev->is.bytes.len;
    c->is_full |= c->waiting > TG_CLIENT_QUEUE_FULL;
    *c->last = ev;
    c->last = &ev->next;
}

static bool push(struct call *c, struct tg_embed_event is)
{
    struct tg_embed *e = c->embed;
    struct event *ev = new_event(c, is);
    bool has_room;

    pthread_mutex_lock(&e->lock);
    add(c, ev);
    be_ready(c);
    settle_wake(e);
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

/* The end itself needs no memory: it is told whatever went wrong. */
static void on_end(void *arg, struct tg_str last, bool is_whole)
{
    struct call *c = arg;
    struct tg_embed *e = c->embed;
    struct tg_embed_event is = { .kind = TG_EMBED_BYTES, .bytes = last };
    struct event *ev = last.len ? new_event(c, is) : NULL;

    c->client = NULL;
    pthread_mutex_lock(&e->lock);
    if (last.len)
        add(c, ev);
    c->is_over = true;
    c->is_whole = is_whole && !c->is_broken;
    be_ready(c);
    settle_wake(e);
    release(c);
    pthread_mutex_unlock(&e->lock);
}

/* ---- what the host wants: in the engine's thread ---- */

static void begin(struct call *c)
{
    struct tg_config *config = c->config;
    struct tg_engine_call call = {
        .config = config, .api = c->api, .head = c->head, .body = &c->body,
        .sink = { on_head, on_bytes, on_end, c }, .client = &c->client,
    };

    c->config = NULL;
    if (tg_engine_call(shared.engine, &call))
        on_end(c, TG_STR(""), false);
    tg_config_drop(config);
}

static void end_left(struct call *c)
{
    struct tg_embed *e = c->embed;
    struct tg_client *client = c->client;

    if (c->is_begun && !client)
        return;                            /* it ended meanwhile */
    c->client = NULL;
    if (client)
        tg_caller_leave(client);
    pthread_mutex_lock(&e->lock);
    c->is_over = true;
    release(c);
    pthread_mutex_unlock(&e->lock);
}

/* However much was wanted since the last time, it is done at once. */
static void attend(struct tg_errand *errand)
{
    struct call *c = (struct call *)((char *)errand - offsetof(struct call, errand));
    struct tg_embed *e = c->embed;
    bool is_left, is_drained;

    pthread_mutex_lock(&e->lock);
    c->is_sent = false;
    is_left = c->is_left;
    is_drained = c->is_drained;
    c->is_drained = false;
    pthread_mutex_unlock(&e->lock);
    if (is_left) {
        end_left(c);
    } else if (!c->is_begun) {
        c->is_begun = true;
        begin(c);
    } else if (is_drained && c->client) {
        tg_caller_drained(c->client);
    }
    pthread_mutex_lock(&e->lock);
    release(c);
    pthread_mutex_unlock(&e->lock);
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
    e->ready_last = &e->ready;
    pthread_mutex_init(&e->lock, NULL);
    pthread_cond_init(&e->idle, NULL);
    tg_config_hold(config);
    e->config = config;
    return e;
}

/* Until the engine knows nothing of it any more. */
static void leave_all(struct tg_embed *e)
{
    pthread_mutex_lock(&e->lock);
    while (e->calls)
        leave(e->calls);
    while (e->held)
        pthread_cond_wait(&e->idle, &e->lock);
    pthread_mutex_unlock(&e->lock);
}

void tg_embed_free(struct tg_embed *e)
{
    if (!e)
        return;
    /* In a child the calls are left as they lie: who held the lock is not known. */
    if (!is_forked(e)) {
        leave_all(e);
        leave_engine();
        pthread_cond_destroy(&e->idle);
        pthread_mutex_destroy(&e->lock);
    }
    tg_free(e->taken);
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
static tg_err copy_fields(struct call *c, const struct tg_embed_ask *ask)
{
    size_t n = ask->fields_count < TG_HTTP1_FIELDS_MAX ? ask->fields_count : TG_HTTP1_FIELDS_MAX;
    size_t bytes = 0;

    if (!n)
        return TG_OK;
    for (size_t i = 0; i < n; i++)
        bytes += ask->fields[i].name.len + ask->fields[i].value.len;
    c->head = tg_zalloc(sizeof *c->head);
    if (!c->head || tg_buf_reserve(&c->texts, bytes))
        return TG_ENOMEM;
    for (size_t i = 0; i < n; i++) {
        const struct tg_http1_field *f = &ask->fields[i];
        struct tg_http1_field *to = &c->head->fields[c->head->fields_count++];
        to->name = (struct tg_str){ c->texts.at + c->texts.len, f->name.len };
        tg_buf_str(&c->texts, f->name);
        to->value = (struct tg_str){ c->texts.at + c->texts.len, f->value.len };
        tg_buf_str(&c->texts, f->value);
    }
    return TG_OK;
}

static struct call *new_call(struct tg_embed *e, const struct tg_embed_ask *ask)
{
    struct call *c = tg_zalloc(sizeof *c);

    if (!c)
        return NULL;
    c->embed = e;
    c->api = ask->api;
    c->errand.on = attend;
    c->last = &c->first;
    c->references = 1;
    if (copy_fields(c, ask) || tg_buf_str(&c->body, ask->body)) {
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
    *id = c->id = ++e->ids;
    pthread_mutex_lock(&e->lock);
    c->next = e->calls;
    if (c->next)
        c->next->prev = c;
    e->calls = c;
    hold(c);                               /* for the engine, until it is over */
    send(c);
    pthread_mutex_unlock(&e->lock);
    return TG_OK;
}

void tg_embed_cancel(struct tg_embed *e, uint64_t id)
{
    struct call *c;

    if (is_forked(e))
        return;
    pthread_mutex_lock(&e->lock);
    c = find(e, id);
    if (c)
        leave(c);
    settle_wake(e);
    pthread_mutex_unlock(&e->lock);
}

void tg_embed_hold(struct tg_embed *e, uint64_t id, bool is_held)
{
    struct call *c;

    if (is_forked(e))
        return;
    pthread_mutex_lock(&e->lock);
    c = find(e, id);
    if (c) {
        c->is_held = is_held;
        if (is_held)
            be_unready(c);
        else
            be_ready(c);
    }
    settle_wake(e);
    pthread_mutex_unlock(&e->lock);
}

size_t tg_embed_waiting(struct tg_embed *e, uint64_t id)
{
    struct call *c;
    size_t bytes;

    if (is_forked(e))
        return 0;
    pthread_mutex_lock(&e->lock);
    c = find(e, id);
    bytes = c ? c->waiting : 0;
    pthread_mutex_unlock(&e->lock);
    return bytes;
}

/* With the lock held: the first event of a call that is ready. */
static struct event *take(struct call *c)
{
    struct event *ev = c->first;

    c->first = ev->next;
    if (!c->first)
        c->last = &c->first;
    c->waiting -= ev->is.bytes.len;
    if (c->is_full && c->waiting <= TG_CLIENT_QUEUE_DRAINED) {
        c->is_full = false;
        c->is_drained = true;
        if (!c->is_over)
            send(c);
    }
    return ev;
}

bool tg_embed_next(struct tg_embed *e, struct tg_embed_event *out)
{
    struct call *c;

    if (is_forked(e))
        return false;
    tg_free(e->taken);
    e->taken = NULL;
    pthread_mutex_lock(&e->lock);
    c = e->ready;
    if (c && c->first) {
        e->taken = take(c);
        *out = e->taken->is;
        be_unready(c);                     /* it is the turn of others */
        be_ready(c);
    } else if (c) {
        *out = (struct tg_embed_event){ .id = c->id, .kind = TG_EMBED_END, .is_whole = c->is_whole };
        forget(c);
    }
    settle_wake(e);
    pthread_mutex_unlock(&e->lock);
    return c != NULL;
}
