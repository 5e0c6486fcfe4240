#include "os/resolve.h"

#include <netdb.h>
#include <netinet/in.h>
#include <pthread.h>
#include <signal.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/hash.h"
#include "base/mem.h"

enum { BUCKETS = 256, STACK_BYTES = 1024 * 1024, NAP_US = 1000 };

/* Somebody who waits for a name. Owned by the name while `name` is set, by the
 * queue of the loop afterwards. */
struct waiter {
    struct waiter     *next;
    struct name       *name;
    struct tg_loop    *loop;
    struct tg_resolve *who;
    uint16_t           port;
    struct tg_resolve_answer answer;
};

struct name {
    struct name   *next;              /* in its bucket */
    struct name   *next_asked;
    struct waiter *waiters;
    struct tg_resolve_answer answer;  /* ports are 0 */
    uint64_t answered_ms, used_ms, retry_ms;
    bool     has_answer;
    bool     failing;                 /* the last question got no answer at all */
    bool     is_asked;                /* queued or under way: must not be freed */
    char     host[];
};

static tg_err ask_system(const char *host, struct tg_resolve_answer *out);

static const struct tg_resolve_source the_system = { ask_system, tg_clock_ms };

/* One for the process: engines ask for the same names. */
static struct {
    pthread_mutex_t lock;
    pthread_cond_t  work;
    struct name    *buckets[BUCKETS];
    size_t          names_count;
    struct name    *first_asked, **last_asked;
    unsigned        threads, idle, asked_count;
    struct tg_resolve_source source;
} all = { .lock = PTHREAD_MUTEX_INITIALIZER, .work = PTHREAD_COND_INITIALIZER };

/* ---- asking the system ---- */

static tg_err ask_system(const char *host, struct tg_resolve_answer *out)
{
    struct addrinfo hints = { .ai_socktype = SOCK_STREAM, .ai_protocol = IPPROTO_TCP };
    struct addrinfo *list = NULL;

    switch (getaddrinfo(host, NULL, &hints, &list)) {
    case 0:
        break;
    case EAI_NONAME:
    case EAI_NODATA:
    case EAI_ADDRFAMILY:
        return TG_ENOTFOUND;
    default:
        return TG_ESYSTEM;
    }
    for (struct addrinfo *i = list; i && out->count < TG_RESOLVE_ADDRS_MAX; i = i->ai_next) {
        struct tg_addr *a = &out->addrs[out->count];
        if (i->ai_addrlen > sizeof a->bytes)
            continue;
        memcpy(a->bytes, i->ai_addr, i->ai_addrlen);
        a->len = i->ai_addrlen;
        out->count++;
    }
    freeaddrinfo(list);
    return out->count ? TG_OK : TG_ENOTFOUND;
}

/* ---- names ---- */

static struct name **bucket(struct tg_str host)
{
    return &all.buckets[tg_hash_stable(host) % BUCKETS];
}

static struct name *find(struct tg_str host)
{
    for (struct name *n = *bucket(host); n; n = n->next)
        if (tg_str_is(host, n->host))
            return n;
    return NULL;
}

static void forget(struct name *n)
{
    struct name **at = bucket(tg_str_of(n->host));

    while (*at != n)
        at = &(*at)->next;
    *at = n->next;
    all.names_count--;
    tg_free(n);
}

static bool forget_oldest(void)
{
    struct name *oldest = NULL;

    for (size_t i = 0; i < BUCKETS; i++)
        for (struct name *n = all.buckets[i]; n; n = n->next)
            if (!n->is_asked && (!oldest || n->used_ms < oldest->used_ms))
                oldest = n;
    if (oldest)
        forget(oldest);
    return oldest != NULL;
}

static struct name *find_or_make(struct tg_str host)
{
    struct name *n = find(host);

    if (n)
        return n;
    if (all.names_count >= TG_RESOLVE_NAMES_MAX && !forget_oldest())
        return NULL;
    n = tg_zalloc(sizeof *n + host.len + 1);
    if (!n)
        return NULL;
    memcpy(n->host, host.at, host.len);
    n->next = *bucket(host);
    *bucket(host) = n;
    all.names_count++;
    return n;
}

static bool is_usable(const struct name *n, uint64_t now)
{
    uint64_t keep = TG_RESOLVE_KEEP_MS;

    if (!n->has_answer)
        return false;
    if (n->answer.err)
        keep = TG_RESOLVE_DENIED_MS;
    else if (n->failing)
        keep += TG_RESOLVE_STALE_MS;
    return now - n->answered_ms < keep;
}

static void give_out(const struct tg_resolve_answer *from, uint16_t port,
                     struct tg_resolve_answer *to)
{
    *to = *from;
    for (size_t i = 0; i < to->count; i++) {
        uint16_t there = htons(port);
        memcpy(to->addrs[i].bytes + offsetof(struct sockaddr_in, sin_port), &there, sizeof there);
    }
}

/* ---- the threads ---- */

static void deliver(void *arg)
{
    struct waiter *w = arg;
    struct tg_resolve *r = w->who;
    struct tg_resolve_answer answer = w->answer;

    tg_free(w);
    r->job = NULL;
    r->on(r, &answer);
}

/* A waiter belongs to its loop, and may be gone, as soon as it is posted.
 * Nothing but patience helps where there is no memory for that. */
static void answer_waiters(struct name *n)
{
    while (n->waiters) {
        struct waiter *w = n->waiters;
        n->waiters = w->next;
        w->name = NULL;
        give_out(&n->answer, w->port, &w->answer);
        if (!tg_loop_post(w->loop, deliver, w))
            continue;
        w->name = n;
        w->next = n->waiters;
        n->waiters = w;
        pthread_mutex_unlock(&all.lock);
        usleep(NAP_US);
        pthread_mutex_lock(&all.lock);
    }
}

static void take_answer(struct name *n, tg_err err, const struct tg_resolve_answer *answer)
{
    uint64_t now = all.source.now_ms();

    n->failing = err && err != TG_ENOTFOUND;
    n->retry_ms = now + TG_RESOLVE_RETRY_MS;
    if (n->failing && is_usable(n, now) && !n->answer.err)
        return;
    n->answer = *answer;
    n->answer.err = err ? TG_ENOTFOUND : TG_OK;
    n->answer.count = err ? 0 : answer->count;
    n->answered_ms = now;
    n->has_answer = true;
}

static void *work(void *nothing)
{
    pthread_mutex_lock(&all.lock);
    for (;;) {
        all.idle++;
        while (!all.first_asked)
            pthread_cond_wait(&all.work, &all.lock);
        all.idle--;
        struct name *n = all.first_asked;
        all.first_asked = n->next_asked;
        all.asked_count--;
        tg_err (*lookup)(const char *, struct tg_resolve_answer *) = all.source.lookup;
        pthread_mutex_unlock(&all.lock);

        struct tg_resolve_answer answer = { 0 };
        tg_err err = lookup(n->host, &answer);

        pthread_mutex_lock(&all.lock);
        take_answer(n, err, &answer);
        answer_waiters(n);
        n->is_asked = false;
    }
    return nothing;
}

/* Signals are for the main thread. */
static void start_thread(void)
{
    pthread_attr_t attr;
    pthread_t thread;
    sigset_t every, was;

    sigfillset(&every);
    pthread_attr_init(&attr);
    pthread_attr_setdetachstate(&attr, PTHREAD_CREATE_DETACHED);
    pthread_attr_setstacksize(&attr, STACK_BYTES);
    pthread_sigmask(SIG_SETMASK, &every, &was);
    int failed = pthread_create(&thread, &attr, work, NULL);
    pthread_sigmask(SIG_SETMASK, &was, NULL);
    pthread_attr_destroy(&attr);
    all.threads += !failed;
}

/* A child has no threads, and nobody in it waits for the parent's names. */
static void begin_anew_in_child(void)
{
    pthread_mutex_init(&all.lock, NULL);
    pthread_cond_init(&all.work, NULL);
    memset(all.buckets, 0, sizeof all.buckets);
    all.names_count = 0;
    all.first_asked = NULL;
    all.threads = all.idle = all.asked_count = 0;
}

static void get_ready(void)
{
    all.source = the_system;
    pthread_atfork(NULL, NULL, begin_anew_in_child);
}

static void lock(void)
{
    static pthread_once_t once = PTHREAD_ONCE_INIT;

    pthread_once(&once, get_ready);
    pthread_mutex_lock(&all.lock);
}

static tg_err ask(struct name *n)
{
    if (n->is_asked)
        return TG_OK;
    if (all.asked_count >= all.idle && all.threads < TG_RESOLVE_THREADS)
        start_thread();
    if (!all.threads)
        return TG_ESYSTEM;
    n->is_asked = true;
    n->next_asked = NULL;
    if (all.first_asked)
        *all.last_asked = n;
    else
        all.first_asked = n;
    all.last_asked = &n->next_asked;
    all.asked_count++;
    pthread_cond_signal(&all.work);
    return TG_OK;
}

/* ---- for the loops ---- */

static tg_err wait_for(struct name *n, struct tg_resolve *r, struct tg_loop *l, uint16_t port)
{
    struct waiter *w = tg_zalloc(sizeof *w);

    if (!w)
        return TG_ENOMEM;
    tg_err err = ask(n);
    if (err) {
        tg_free(w);
        return err;
    }
    *w = (struct waiter){ .next = n->waiters, .name = n, .loop = l, .who = r, .port = port };
    n->waiters = w;
    r->job = w;
    return TG_AGAIN;
}

static tg_err start_locked(struct tg_resolve *r, struct tg_loop *l, struct tg_str host,
                           uint16_t port, struct tg_resolve_answer *answer)
{
    struct name *n = find_or_make(host);

    if (!n)
        return TG_ENOMEM;
    uint64_t now = n->used_ms = all.source.now_ms();
    if (!is_usable(n, now))
        return wait_for(n, r, l, port);
    if (now - n->answered_ms >= TG_RESOLVE_KEEP_MS / 2 && now >= n->retry_ms)
        ask(n);
    give_out(&n->answer, port, answer);
    return TG_OK;
}

tg_err tg_resolve_start(struct tg_resolve *r, struct tg_loop *l, struct tg_str host, uint16_t port,
                        struct tg_resolve_answer *answer)
{
    struct tg_addr literal;

    r->job = NULL;
    if (tg_addr_make(host, port, &literal) == TG_OK) {
        *answer = (struct tg_resolve_answer){ .count = 1, .addrs = { literal } };
        return TG_OK;
    }
    if (!host.len || host.len > TG_RESOLVE_HOST_MAX || memchr(host.at, '\0', host.len)) {
        *answer = (struct tg_resolve_answer){ .err = TG_ENOTFOUND };
        return TG_OK;
    }
    lock();
    tg_err err = start_locked(r, l, host, port, answer);
    pthread_mutex_unlock(&all.lock);
    return err;
}

void tg_resolve_cancel(struct tg_resolve *r)
{
    struct waiter *w = r->job;

    if (!w)
        return;
    r->job = NULL;
    lock();
    if (w->name) {
        struct waiter **at = &w->name->waiters;
        while (*at != w)
            at = &(*at)->next;
        *at = w->next;
        pthread_mutex_unlock(&all.lock);
        tg_free(w);
        return;
    }
    pthread_mutex_unlock(&all.lock);
    tg_loop_unpost(w->loop, deliver, w);
    tg_free(w);
}

void tg_resolve_from(const struct tg_resolve_source *source)
{
    lock();
    all.source = source ? *source : the_system;
    for (size_t i = 0; i < BUCKETS; i++) {
        struct name *next;
        for (struct name *n = all.buckets[i]; n; n = next) {
            next = n->next;
            n->has_answer = false;
            if (!n->is_asked)
                forget(n);
        }
    }
    pthread_mutex_unlock(&all.lock);
}
