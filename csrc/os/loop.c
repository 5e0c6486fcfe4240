#include "os/loop.h"

#include <assert.h>
#include <errno.h>
#include <pthread.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/mem.h"

enum {
    EVENTS_A_TURN = 256,
    FIRST_SLOTS   = 64,
    FIRST_TIMERS  = 64,
    FIRST_POSTS   = 16,
    HEAP_ARITY    = 4
};

/* An event carries the number of a slot and the slot's generation, never a
 * pointer: after a removal the generation is another one, and an event that
 * was fetched before finds nobody. */
struct slot {
    struct tg_watch *watch;          /* NULL: free */
    uint32_t generation;
    uint32_t next_free;              /* slot + 1 */
};

/* `due_ms` may be earlier than the timer's own time, never later: a timer
 * moved to later stays where it is and is put right when it gets to the top. */
struct due {
    uint64_t due_ms;
    struct tg_timer *timer;
};

struct post {
    void (*fn)(void *arg);           /* NULL: taken back */
    void *arg;
};

struct posts {
    struct post *at;
    size_t count, cap;
};

struct tg_loop {
    int      epoll;
    uint64_t now_ms;

    struct slot *slots;
    uint32_t     slots_count, first_free;

    struct due *heap;
    size_t      heap_count, heap_cap;
    uint32_t    turn;
    bool        calls_timers;

    void (*each_turn)(void *arg);
    void  *each_turn_arg;

    struct posts    running;         /* taken from `inbox` in this turn */
    size_t          running_next;
    struct tg_errand *errands;       /* taken from `sent` in this turn */

    pthread_mutex_t lock;            /* guards what follows */
    struct posts    inbox;
    struct tg_errand *sent, **sent_last;
    bool            asleep;          /* somebody who adds work must write to `bell` */
    bool            stop;
    int             bell;

    struct epoll_event events[EVENTS_A_TURN];
};

/* ---- birth and death ---- */

/* The bell is never read: it is watched edge-triggered, and each write is an
 * edge whatever the counter says. */
static tg_err hang_bell(struct tg_loop *l)
{
    struct epoll_event e = { .events = EPOLLIN | EPOLLET, .data.u64 = UINT64_MAX };

    l->bell = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
    if (l->bell < 0)
        return TG_ESYSTEM;
    return epoll_ctl(l->epoll, EPOLL_CTL_ADD, l->bell, &e) ? TG_ESYSTEM : TG_OK;
}

struct tg_loop *tg_loop_new(void)
{
    struct tg_loop *l = tg_zalloc(sizeof *l);

    if (!l)
        return NULL;
    pthread_mutex_init(&l->lock, NULL);
    l->bell = -1;
    l->sent_last = &l->sent;
    l->now_ms = tg_clock_ms();
    l->epoll = epoll_create1(EPOLL_CLOEXEC);
    if (l->epoll < 0 || hang_bell(l)) {
        tg_loop_free(l);
        return NULL;
    }
    return l;
}

void tg_loop_free(struct tg_loop *l)
{
    if (!l)
        return;
    if (l->bell >= 0)
        close(l->bell);
    if (l->epoll >= 0)
        close(l->epoll);
    pthread_mutex_destroy(&l->lock);
    tg_free(l->slots);
    tg_free(l->heap);
    tg_free(l->running.at);
    tg_free(l->inbox.at);
    tg_free(l);
}

uint64_t tg_loop_ms(const struct tg_loop *l)
{
    return l->now_ms;
}

void tg_loop_each_turn(struct tg_loop *l, void (*on)(void *arg), void *arg)
{
    l->each_turn = on;
    l->each_turn_arg = arg;
}

/* ---- sockets ---- */

static tg_err more_slots(struct tg_loop *l)
{
    uint32_t count = l->slots_count ? l->slots_count * 2 : FIRST_SLOTS;
    struct slot *slots = tg_realloc(l->slots, count * sizeof *slots);

    if (!slots)
        return TG_ENOMEM;
    for (uint32_t i = l->slots_count; i < count; i++)
        slots[i] = (struct slot){ .next_free = i + 1 < count ? i + 2 : 0 };
    l->first_free = l->slots_count + 1;
    l->slots = slots;
    l->slots_count = count;
    return TG_OK;
}

tg_err tg_loop_add(struct tg_loop *l, struct tg_watch *w)
{
    if (!l->first_free && more_slots(l))
        return TG_ENOMEM;

    uint32_t at = l->first_free - 1;
    struct slot *s = &l->slots[at];
    struct epoll_event e = {
        .events = EPOLLIN | EPOLLOUT | EPOLLRDHUP | EPOLLET,
        .data.u64 = (uint64_t)s->generation << 32 | at,
    };
    if (epoll_ctl(l->epoll, EPOLL_CTL_ADD, w->fd, &e))
        return TG_ESYSTEM;
    l->first_free = s->next_free;
    s->watch = w;
    w->slot = at;
    return TG_OK;
}

void tg_loop_remove(struct tg_loop *l, struct tg_watch *w)
{
    struct slot *s = &l->slots[w->slot];

    assert(w->slot < l->slots_count && s->watch == w);
    /* Closing the descriptor would do as well, but not while a forked child
     * or a duplicate still holds it. */
    epoll_ctl(l->epoll, EPOLL_CTL_DEL, w->fd, &(struct epoll_event){ 0 });
    s->watch = NULL;
    s->generation++;
    s->next_free = l->first_free;
    l->first_free = w->slot + 1;
}

static unsigned meaning(uint32_t events)
{
    unsigned what = 0;

    if (events & EPOLLIN)
        what |= TG_LOOP_READ;
    if (events & EPOLLOUT)
        what |= TG_LOOP_WRITE;
    if (events & (EPOLLRDHUP | EPOLLHUP | EPOLLERR))
        what |= TG_LOOP_HUP | TG_LOOP_READ;
    return what;
}

static void call_watches(struct tg_loop *l, int count)
{
    for (int i = 0; i < count; i++) {
        uint64_t data = l->events[i].data.u64;
        uint32_t at = (uint32_t)data;

        if (data == UINT64_MAX)
            continue;
        const struct slot *s = &l->slots[at];
        if (s->watch && s->generation == (uint32_t)(data >> 32))
            s->watch->on(s->watch, meaning(l->events[i].events));
    }
}

/* ---- timers: a heap of four children a node ---- */

static void put(struct tg_loop *l, size_t at, struct due d)
{
    l->heap[at] = d;
    d.timer->place = (uint32_t)at + 1;
}

static void sift_up(struct tg_loop *l, size_t at, struct due d)
{
    while (at) {
        size_t parent = (at - 1) / HEAP_ARITY;
        if (l->heap[parent].due_ms <= d.due_ms)
            break;
        put(l, at, l->heap[parent]);
        at = parent;
    }
    put(l, at, d);
}

static void sift_down(struct tg_loop *l, size_t at, struct due d)
{
    for (;;) {
        size_t first = at * HEAP_ARITY + 1, least = first;
        if (first >= l->heap_count)
            break;
        for (size_t i = first + 1; i < first + HEAP_ARITY && i < l->heap_count; i++)
            if (l->heap[i].due_ms < l->heap[least].due_ms)
                least = i;
        if (l->heap[least].due_ms >= d.due_ms)
            break;
        put(l, at, l->heap[least]);
        at = least;
    }
    put(l, at, d);
}

static void take_out(struct tg_loop *l, struct tg_timer *t)
{
    size_t at = t->place - 1;
    struct due last = l->heap[--l->heap_count];

    t->place = 0;
    if (last.timer == t)
        return;
    if (last.due_ms < l->heap[at].due_ms)
        sift_up(l, at, last);
    else
        sift_down(l, at, last);
}

static tg_err make_place(struct tg_loop *l)
{
    if (l->heap_count == l->heap_cap) {
        size_t cap = l->heap_cap ? l->heap_cap * 2 : FIRST_TIMERS;
        struct due *heap = tg_realloc(l->heap, cap * sizeof *heap);
        if (!heap)
            return TG_ENOMEM;
        l->heap = heap;
        l->heap_cap = cap;
    }
    l->heap_count++;
    return TG_OK;
}

tg_err tg_loop_at(struct tg_loop *l, struct tg_timer *t, uint64_t at_ms)
{
    if (!at_ms) {
        if (t->place)
            take_out(l, t);
        t->at_ms = 0;
        return TG_OK;
    }
    if (at_ms < l->now_ms)
        at_ms = l->now_ms;
    if (!t->place) {
        if (make_place(l))
            return TG_ENOMEM;
        sift_up(l, l->heap_count - 1, (struct due){ at_ms, t });
    } else if (at_ms < l->heap[t->place - 1].due_ms) {
        sift_up(l, t->place - 1, (struct due){ at_ms, t });
    }
    t->at_ms = at_ms;
    t->turn = l->calls_timers ? l->turn : l->turn - 1;
    return TG_OK;
}

/* Until the top of the heap is a timer that really is due then. */
static void settle(struct tg_loop *l)
{
    while (l->heap_count && l->heap[0].due_ms < l->heap[0].timer->at_ms)
        sift_down(l, 0, (struct due){ l->heap[0].timer->at_ms, l->heap[0].timer });
}

/* A timer that a timer's handler sets to now waits for the next turn, so that
 * sockets are looked at in between. Nothing due is behind it but what has the
 * same time, and the next turn does not wait. */
static void call_timers(struct tg_loop *l)
{
    l->turn++;
    l->calls_timers = true;
    for (settle(l); l->heap_count; settle(l)) {
        struct tg_timer *t = l->heap[0].timer;
        if (l->heap[0].due_ms > l->now_ms || t->turn == l->turn)
            break;
        take_out(l, t);
        t->at_ms = 0;
        t->on(t);
    }
    l->calls_timers = false;
}

static int until_timer(struct tg_loop *l, int wait_ms)
{
    settle(l);
    if (!l->heap_count || !wait_ms)
        return wait_ms;

    uint64_t now = tg_clock_ms(), due = l->heap[0].due_ms;
    if (due <= now)
        return 0;
    uint64_t left = due - now;
    if (wait_ms > 0 && (uint64_t)wait_ms <= left)
        return wait_ms;
    return left > INT32_MAX ? INT32_MAX : (int)left;
}

/* ---- words from elsewhere ---- */

static tg_err add_post(struct posts *p, struct post one)
{
    if (p->count == p->cap) {
        size_t cap = p->cap ? p->cap * 2 : FIRST_POSTS;
        struct post *at = tg_realloc(p->at, cap * sizeof *at);
        if (!at)
            return TG_ENOMEM;
        p->at = at;
        p->cap = cap;
    }
    p->at[p->count++] = one;
    return TG_OK;
}

/* With the lock held. Whoever finds the loop awake need not ring: the loop
 * looks at the inbox before it sleeps. */
static void wake(struct tg_loop *l)
{
    uint64_t one = 1;

    if (!l->asleep)
        return;
    l->asleep = false;
    while (write(l->bell, &one, sizeof one) < 0 && errno == EINTR)
        ;
}

tg_err tg_loop_post(struct tg_loop *l, void (*fn)(void *arg), void *arg)
{
    pthread_mutex_lock(&l->lock);
    tg_err err = add_post(&l->inbox, (struct post){ fn, arg });
    if (!err)
        wake(l);
    pthread_mutex_unlock(&l->lock);
    return err;
}

void tg_loop_send(struct tg_loop *l, struct tg_errand *e)
{
    e->next = NULL;
    pthread_mutex_lock(&l->lock);
    *l->sent_last = e;
    l->sent_last = &e->next;
    wake(l);
    pthread_mutex_unlock(&l->lock);
}

static bool take_back(struct posts *p, size_t from, void (*fn)(void *arg), const void *arg)
{
    for (size_t i = from; i < p->count; i++) {
        if (p->at[i].fn == fn && p->at[i].arg == arg) {
            p->at[i].fn = NULL;
            return true;
        }
    }
    return false;
}

bool tg_loop_unpost(struct tg_loop *l, void (*fn)(void *arg), const void *arg)
{
    if (take_back(&l->running, l->running_next, fn, arg))
        return true;
    pthread_mutex_lock(&l->lock);
    bool found = take_back(&l->inbox, 0, fn, arg);
    pthread_mutex_unlock(&l->lock);
    return found;
}

void tg_loop_stop(struct tg_loop *l)
{
    pthread_mutex_lock(&l->lock);
    l->stop = true;
    wake(l);
    pthread_mutex_unlock(&l->lock);
}

/* Lie down, unless there is something to do. */
static int lie_down(struct tg_loop *l, int wait_ms)
{
    pthread_mutex_lock(&l->lock);
    if (l->inbox.count || l->sent || l->stop)
        wait_ms = 0;
    l->asleep = wait_ms != 0;
    pthread_mutex_unlock(&l->lock);
    return wait_ms;
}

static void get_up(struct tg_loop *l)
{
    struct posts empty = l->running;

    empty.count = 0;
    pthread_mutex_lock(&l->lock);
    l->asleep = false;
    l->running = l->inbox;
    l->inbox = empty;
    l->errands = l->sent;
    l->sent = NULL;
    l->sent_last = &l->sent;
    pthread_mutex_unlock(&l->lock);
}

static void call_posts(struct tg_loop *l)
{
    for (l->running_next = 0; l->running_next < l->running.count;) {
        struct post p = l->running.at[l->running_next++];
        if (p.fn)
            p.fn(p.arg);
    }
    l->running.count = l->running_next = 0;
}

static void call_errands(struct tg_loop *l)
{
    while (l->errands) {
        struct tg_errand *e = l->errands;
        l->errands = e->next;
        e->on(e);
    }
}

/* ---- turns ---- */

tg_err tg_loop_turn(struct tg_loop *l, int wait_ms)
{
    int wait = lie_down(l, until_timer(l, wait_ms));
    int count = epoll_wait(l->epoll, l->events, EVENTS_A_TURN, wait);
    int why = errno;

    get_up(l);
    l->now_ms = tg_clock_ms();
    if (count < 0 && why != EINTR) {
        errno = why;
        return TG_ESYSTEM;
    }
    call_posts(l);
    call_errands(l);
    call_watches(l, count);
    call_timers(l);
    if (l->each_turn)
        l->each_turn(l->each_turn_arg);
    return TG_OK;
}

static bool told_to_stop(struct tg_loop *l)
{
    pthread_mutex_lock(&l->lock);
    bool stop = l->stop;
    l->stop = false;
    pthread_mutex_unlock(&l->lock);
    return stop;
}

tg_err tg_loop_run(struct tg_loop *l)
{
    while (!told_to_stop(l)) {
        tg_err err = tg_loop_turn(l, -1);
        if (err)
            return err;
    }
    return TG_OK;
}
