/* l_net.c -- require("tidegate.core").net: sockets for coroutines, told as plain
 * loops. For the mock provider and for tests; the gateway's own traffic does
 * not come here. docs/lua/net.md is the manual.
 *
 *     net.run(fn, ...)                 runs fn as a task until it returns
 *     net.spawn(fn, ...)               another task beside it
 *     net.spawn_guarded(failed, fn, ...)   the same; if it raises, failed(message) is run
 *     net.listen("127.0.0.1:0")        --> listener: accept close port address
 *     net.connect(host, port)          --> conn: read read_line read_some read_all
 *     net.connect("unix:/path")
 *     net.sleep(s)  net.now()                    write close reset is_gone
 *
 * A function that has to wait yields its task; the loop resumes it. One task
 * may read from a connection while another writes to it. */
#include "lua/tgl.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include "base/clock.h"
#include "base/mem.h"
#include "os/loop.h"
#include "os/net.h"

#define CONN     "tidegate.core.net.conn"
#define LISTENER "tidegate.core.net.listener"

enum {
    READ_BYTES  = 16 << 10,            /* asked of the kernel at a time */
    LINE_MAX_BYTES = 64 << 10,
    IN_MAX_BYTES = 64 << 20,           /* one read(), one read_all() */
    KEEP_BYTES  = 64 << 10,            /* larger buffers are given back when empty */
    BACKLOG     = 4096
};

/* What exists while net.run() runs. */
struct net {
    struct tg_loop *loop;
    lua_State      *L;                 /* of run(); tasks are resumed from here */
    struct thing   *things;            /* everything open, newest first */
    lua_State      *main;              /* the task of run()'s function */
    bool            over;              /* it has returned, or a task has failed */
    bool            failed;
    lua_State      *scratch;           /* failed: the message stands on its stack */
};

/* A task that waits, for at most so long. */
struct wait {
    lua_State *task;                   /* NULL: nobody waits */
    int        ref;                    /* keeps it from the collector */
    struct tg_timer timer;
};

/* One open thing: connection, listener or sleeper. */
struct thing {
    struct net   *net;
    struct thing *next, **place;       /* in net->things; place NULL: not in it */
    struct tg_watch watch;             /* fd -1: closed */
    struct wait   read, write;         /* a listener's and a sleeper's wait is `read` */
    unsigned      uses;                /* by its Lua object and by calls under way */
    bool          has_object;          /* no: the wait itself keeps it */
    struct tg_buf in, out;
    size_t        in_at, out_at;       /* taken from the front so far */
    enum { WANT_SOME, WANT_BYTES, WANT_LINE, WANT_ALL } want;
    size_t        want_bytes;
    bool          ended, connecting;
    int           why;                 /* errno of the end; 0: the peer closed in order */
    struct tg_addr addr;
    struct tg_net_file file;           /* a listener's, where its address is one */
};

static char key_of_net;                /* registry: the struct net that runs */
static char key_of_guards;             /* registry: by task, what runs when it raises */

static struct net *check_net(lua_State *L)
{
    lua_pushlightuserdata(L, &key_of_net);
    lua_rawget(L, LUA_REGISTRYINDEX);
    struct net *net = lua_touserdata(L, -1);
    lua_pop(L, 1);
    if (!net)
        luaL_error(L, "only inside net.run()");
    return net;
}

/* ---- tasks ---- */

/* What the failed task says, with its traceback. A state of its own builds it:
 * the others are in the middle of something. */
static void push_failure(lua_State *scratch, lua_State *task)
{
    lua_getglobal(scratch, "debug");
    lua_getfield(scratch, -1, "traceback");
    lua_checkstack(task, 1);                             /* an error leaves no room */
    lua_pushthread(task);
    lua_xmove(task, scratch, 1);
    lua_xmove(task, scratch, 1);                         /* Stack: debug traceback task error */
    if (!lua_isstring(scratch, -1) && !luaL_callmeta(scratch, -1, "__tostring"))
        lua_pushliteral(scratch, "a task raised something that is no text");
    if (lua_gettop(scratch) == 5)
        lua_remove(scratch, -2);
    lua_call(scratch, 2, 1);
}

static void push_guards(lua_State *L)
{
    lua_pushlightuserdata(L, &key_of_guards);
    lua_rawget(L, LUA_REGISTRYINDEX);
}

static void start(struct net *net, lua_State *L, int n, bool is_main);

/* Hand the failure of a guarded task to its guard. (Not left to pcall: in Lua
 * 5.1 nothing yields from inside one.) */
static bool is_guarded(struct net *net, lua_State *task)
{
    lua_State *L = net->L;
    luaL_checkstack(L, 8, "too many tasks");
    push_guards(L);
    lua_checkstack(task, 1);                             /* an error leaves no room */
    lua_pushthread(task);
    lua_xmove(task, L, 1);
    lua_rawget(L, -2);                                   /* Stack: guards failed */
    bool is = !lua_isnil(L, -1);
    if (is) {
        lua_xmove(task, L, 1);
        start(net, L, 1, false);                         /* Stack: guards task */
    }
    lua_pop(L, 2);
    return is;
}

/* A task ended or waits again; its failure ends run() unless it is guarded. */
static void after_resume(struct net *net, lua_State *task, int status)
{
    if (status == LUA_YIELD)
        return;
    if (task == net->main)
        net->over = true;
    if (!status || net->failed || is_guarded(net, task))
        return;
    net->over = net->failed = true;
    push_failure(net->scratch, task);
}

/* Let the waiting task go on with the n values that stand on its stack. */
static void wake(struct net *net, struct wait *w, int n)
{
    lua_State *task = w->task;
    int ref = w->ref;
    w->task = NULL;
    tg_loop_at(net->loop, &w->timer, 0);
    after_resume(net, task, tgl_resume(task, net->L, n));
    luaL_unref(net->L, LUA_REGISTRYINDEX, ref);
}

/* Wait: the calling function's results come with wake(). */
static int wait_for(lua_State *L, struct thing *t, struct wait *w, double seconds)
{
    if (lua_pushthread(L) && L == t->net->L)
        return luaL_error(L, "only inside a task");
    w->ref = luaL_ref(L, LUA_REGISTRYINDEX);
    w->task = L;
    /* Rounded up from nanoseconds: nobody wakes too early. */
    if (seconds >= 0)
        tg_loop_at(t->net->loop, &w->timer,
                   (tg_clock_ns() + (uint64_t)(seconds * 1e9) + 999999) / 1000000);
    return lua_yield(L, 0);
}

static void check_free(lua_State *L, const struct wait *w)
{
    if (w->task)
        luaL_error(L, "another task waits for this already");
}

/* ---- things ---- */

static struct thing *thing_new(struct net *net)
{
    struct thing *t = tg_zalloc(sizeof *t);
    if (!t)
        return NULL;
    t->net = net;
    t->watch.fd = -1;
    t->uses = 1;
    t->next = net->things;
    t->place = &net->things;
    if (t->next)
        t->next->place = &t->next;
    net->things = t;
    return t;
}

static void forget_wait(struct net *net, struct wait *w)
{
    tg_loop_at(net->loop, &w->timer, 0);
    if (w->task)
        luaL_unref(net->L, LUA_REGISTRYINDEX, w->ref);
    w->task = NULL;
}

/* Close the socket and leave the list. Whoever waits on it waits no more: see
 * l_close(), which tells them first. */
static void thing_close(struct thing *t, bool reset)
{
    if (!t->place)
        return;
    *t->place = t->next;
    if (t->next)
        t->next->place = t->place;
    t->place = NULL;
    forget_wait(t->net, &t->read);
    forget_wait(t->net, &t->write);
    if (t->watch.fd >= 0) {
        tg_loop_remove(t->net->loop, &t->watch);
        (reset ? tg_net_reset : tg_net_close)(t->watch.fd);
        t->watch.fd = -1;
        tg_net_remove(&t->addr, &t->file);
    }
    tg_buf_done(&t->in);
    tg_buf_done(&t->out);
}

static void thing_drop(struct thing *t)
{
    if (--t->uses)
        return;
    thing_close(t, false);
    tg_free(t);
}

static struct thing *check_thing(lua_State *L, const char *type)
{
    struct thing *t = tgl_check(L, 1, type);
    luaL_argcheck(L, t->place, 1, "already closed");
    return t;
}

/* ---- results, pushed on the task's stack ---- */

static int push_end(lua_State *L, const struct thing *t)
{
    if (t->why) {
        char words[128];
        snprintf(words, sizeof words, "the connection broke: %s", strerror(t->why));
        tgl_fail_words(L, TG_EPEER, tg_str_of(words));
        lua_pushliteral(L, "reset");
    } else {
        tgl_fail_words(L, TG_EPEER, TG_STR("the other side closed the connection"));
        lua_pushliteral(L, "closed");
    }
    lua_setfield(L, -2, "code");
    return 2;
}

static size_t held(const struct thing *t)
{
    return t->in.len - t->in_at;
}

static int push_taken(lua_State *L, struct thing *t, size_t take, size_t skip)
{
    lua_pushlstring(L, take ? t->in.at + t->in_at : "", take);
    t->in_at += take + skip;
    if (t->in_at == t->in.len) {
        t->in_at = 0;
        if (t->in.cap > KEEP_BYTES)
            tg_buf_done(&t->in);
        else
            tg_buf_reset(&t->in);
    }
    return 1;
}

/* What the buffer can give to the wish: values pushed, or 0 for "not yet". */
static int push_wish(lua_State *L, struct thing *t)
{
    const char *at = t->in.at ? t->in.at + t->in_at : "";
    size_t n = held(t);
    const char *end;
    switch (t->want) {
    case WANT_SOME:
        return n ? push_taken(L, t, n, 0) : 0;
    case WANT_BYTES:
        return n >= t->want_bytes ? push_taken(L, t, t->want_bytes, 0) : 0;
    case WANT_LINE:
        end = memchr(at, '\n', n);
        if (end) {
            size_t line = (size_t)(end - at), cr = line && end[-1] == '\r';
            return push_taken(L, t, line - cr, cr + 1);
        }
        return n > LINE_MAX_BYTES ? tgl_fail(L, TG_ETOOBIG) : 0;
    case WANT_ALL:
        return t->ended ? push_taken(L, t, n, 0) : 0;
    }
    return 0;
}

/* Read until the wish can be granted, the kernel has no more, or it is over. */
static int try_read(lua_State *L, struct thing *t)
{
    for (;;) {
        int n = push_wish(L, t);
        if (n)
            return n;
        if (t->ended)
            return push_end(L, t);
        if (held(t) > IN_MAX_BYTES || tg_buf_reserve(&t->in, READ_BYTES))
            return tgl_fail(L, TG_ETOOBIG);
        size_t got = 0;
        errno = 0;
        tg_err err = tg_net_read(t->watch.fd, t->in.at + t->in.len, READ_BYTES, &got);
        if (err == TG_AGAIN)
            return 0;
        t->in.len += got;
        if (err) {
            t->ended = true;
            t->why = errno;
        }
    }
}

/* Write what is left of `out`: 0 for "not yet". */
static int try_write(lua_State *L, struct thing *t)
{
    while (t->out_at < t->out.len) {
        struct tg_str rest = { t->out.at + t->out_at, t->out.len - t->out_at };
        size_t n = 0;
        errno = 0;
        tg_err err = tg_net_write(t->watch.fd, &rest, 1, &n);
        if (err == TG_AGAIN)
            return 0;
        if (err) {
            t->ended = true;
            t->why = errno ? errno : EPIPE;
            return push_end(L, t);
        }
        t->out_at += n;
    }
    t->out_at = 0;
    if (t->out.cap > KEEP_BYTES)
        tg_buf_done(&t->out);
    else
        tg_buf_reset(&t->out);
    lua_pushboolean(L, 1);
    return 1;
}

/* ---- connections ---- */

static struct thing *thing_of_read(struct tg_timer *timer)
{
    return (struct thing *)((char *)timer - offsetof(struct thing, read.timer));
}

static struct thing *thing_of_write(struct tg_timer *timer)
{
    return (struct thing *)((char *)timer - offsetof(struct thing, write.timer));
}

static void on_read_late(struct tg_timer *timer)
{
    struct thing *t = thing_of_read(timer);
    if (t->read.task)
        wake(t->net, &t->read, tgl_fail(t->read.task, TG_ETIMEOUT));
}

static void on_write_late(struct tg_timer *timer)
{
    struct thing *t = thing_of_write(timer);
    bool connecting = t->connecting;
    if (t->write.task)
        wake(t->net, &t->write, tgl_fail(t->write.task, TG_ETIMEOUT));
    if (connecting)
        thing_drop(t);
}

/* Push a Lua object that takes over the one use thing_new() gave. */
static void push_thing(lua_State *L, struct thing *t, const char *type)
{
    void **box = tgl_new(L, type);
    t->has_object = true;
    *box = t;
}

static void on_connected(struct thing *t)
{
    lua_State *task = t->write.task;
    t->connecting = false;
    if (!tg_net_connected(t->watch.fd)) {
        push_thing(task, t, CONN);
        wake(t->net, &t->write, 1);
        return;
    }
    wake(t->net, &t->write, tgl_fail(task, TG_ECONNECT));
    thing_drop(t);
}

static void on_conn(struct tg_watch *w, unsigned what)
{
    struct thing *t = (struct thing *)((char *)w - offsetof(struct thing, watch));
    t->uses++;                         /* a task that goes on may let go of it */
    bool can_write = what & (TG_LOOP_WRITE | TG_LOOP_HUP);
    bool can_read = what & (TG_LOOP_READ | TG_LOOP_HUP);
    int n;
    if (t->write.task && can_write && t->connecting)
        on_connected(t);
    else if (t->write.task && can_write && (n = try_write(t->write.task, t)))
        wake(t->net, &t->write, n);
    if (t->place && t->read.task && can_read && (n = try_read(t->read.task, t)))
        wake(t->net, &t->read, n);
    thing_drop(t);
}

static tg_err watch(struct thing *t, int fd, void (*on)(struct tg_watch *, unsigned))
{
    t->watch.fd = fd;
    t->watch.on = on;
    t->read.timer.on = on_read_late;
    t->write.timer.on = on_write_late;
    return tg_loop_add(t->net->loop, &t->watch);
}

static double check_seconds(lua_State *L, int arg)
{
    double seconds = luaL_optnumber(L, arg, -1);
    luaL_argcheck(L, seconds <= 1e9, arg, "too long");
    return seconds;
}

static int start_read(lua_State *L, int want, size_t bytes, double seconds)
{
    struct thing *t = check_thing(L, CONN);
    check_free(L, &t->read);
    t->want = want;
    t->want_bytes = bytes;
    int n = try_read(L, t);
    return n ? n : wait_for(L, t, &t->read, seconds);
}

static int l_read(lua_State *L)
{
    lua_Number n = luaL_checknumber(L, 2);
    luaL_argcheck(L, n >= 0 && n <= IN_MAX_BYTES, 2, "a number of bytes up to 64 MiB expected");
    if (n == 0) {
        lua_pushliteral(L, "");
        return 1;
    }
    return start_read(L, WANT_BYTES, (size_t)n, check_seconds(L, 3));
}

static int l_read_line(lua_State *L)
{
    return start_read(L, WANT_LINE, 0, check_seconds(L, 2));
}

static int l_read_some(lua_State *L)
{
    return start_read(L, WANT_SOME, 0, check_seconds(L, 2));
}

static int l_read_all(lua_State *L)
{
    return start_read(L, WANT_ALL, 0, check_seconds(L, 2));
}

/* write(bytes..., [seconds]): strings one behind the other, so that the caller
 * need not put them together first. */
static int l_write(lua_State *L)
{
    struct thing *t = check_thing(L, CONN);
    int last = lua_gettop(L);
    double seconds = -1;
    if (last > 2 && lua_type(L, last) == LUA_TNUMBER)
        seconds = check_seconds(L, last--);
    for (int i = 2; i <= last; i++)
        luaL_checktype(L, i, LUA_TSTRING);
    check_free(L, &t->write);
    if (t->ended && t->why)
        return push_end(L, t);
    for (int i = 2; i <= last; i++)
        tg_buf_str(&t->out, tgl_check_str(L, i));
    if (t->out.bad)
        return tgl_fail(L, TG_ENOMEM);
    int n = try_write(L, t);
    return n ? n : wait_for(L, t, &t->write, seconds);
}

static int l_is_gone(lua_State *L)
{
    struct thing *t = check_thing(L, CONN);
    lua_pushboolean(L, t->ended || tg_net_peer_gone(t->watch.fd));
    return 1;
}

/* Tell whoever waits, then close: a task never waits on nothing. */
static int close_thing(lua_State *L, const char *type, bool reset)
{
    void **box = tgl_box(L, 1, type);
    struct thing *t = *box;
    if (!t || !t->place)
        return 0;
    struct wait waits[2] = { t->read, t->write };
    struct net *net = t->net;
    t->uses++;
    for (int i = 0; i < 2; i++) {
        struct wait *w = i ? &t->write : &t->read;
        tg_loop_at(net->loop, &w->timer, 0);
        w->task = NULL;
    }
    thing_close(t, reset);
    for (int i = 0; i < 2; i++) {
        if (!waits[i].task)
            continue;
        t->why = 0;
        int n = push_end(waits[i].task, t);
        after_resume(net, waits[i].task, tgl_resume(waits[i].task, net->L, n));
        luaL_unref(net->L, LUA_REGISTRYINDEX, waits[i].ref);
    }
    thing_drop(t);
    return 0;
}

static int l_conn_close(lua_State *L)
{
    return close_thing(L, CONN, false);
}

static int l_conn_reset(lua_State *L)
{
    return close_thing(L, CONN, true);
}

static int finish(lua_State *L)
{
    void **box = lua_touserdata(L, 1);
    if (*box)
        thing_drop(*box);
    *box = NULL;
    return 0;
}

static int l_address(lua_State *L)
{
    void **box = lua_touserdata(L, 1);
    luaL_argcheck(L, box && *box, 1, "already closed");
    struct thing *t = *box;
    char text[TG_ADDR_TEXT_MAX];
    tg_addr_put(&t->addr, text);
    lua_pushstring(L, text);
    return 1;
}

static int l_connect(lua_State *L)
{
    struct net *net = check_net(L);
    const char *host = luaL_checkstring(L, 1);
    bool is_file = strncmp(host, "unix:", 5) == 0;
    int port = is_file ? 0 : (int)luaL_checkinteger(L, 2);
    double seconds = check_seconds(L, 3);
    struct tg_addr addr;
    if (is_file)
        lua_pushvalue(L, 1);
    else
        lua_pushfstring(L, strchr(host, ':') ? "[%s]:%d" : "%s:%d", host, port);
    luaL_argcheck(L, !tg_addr_parse(tgl_check_str(L, -1), &addr), 1, "no address");

    int fd;
    tg_err err = tg_net_connect(&addr, &fd);
    if (err)
        return tgl_fail(L, err);
    struct thing *t = thing_new(net);
    if (!t || watch(t, fd, on_conn)) {
        if (t)
            thing_drop(t);
        else
            tg_net_close(fd);
        return tgl_fail(L, TG_ENOMEM);
    }
    t->addr = addr;
    t->connecting = true;
    return wait_for(L, t, &t->write, seconds);
}

/* ---- listeners ---- */

static int try_accept(lua_State *L, struct thing *listener)
{
    struct tg_addr from;
    int fd;
    tg_err err = tg_net_accept(listener->watch.fd, &fd, &from);
    if (err == TG_AGAIN)
        return 0;
    if (err)
        return tgl_fail(L, err);
    void **box = tgl_new(L, CONN);
    struct thing *t = thing_new(listener->net);
    if (!t || watch(t, fd, on_conn)) {
        if (t)
            thing_drop(t);
        else
            tg_net_close(fd);
        return tgl_fail(L, TG_ENOMEM);
    }
    t->addr = from;
    t->has_object = true;
    *box = t;
    return 1;
}

static void on_listener(struct tg_watch *w, unsigned what)
{
    struct thing *t = (struct thing *)((char *)w - offsetof(struct thing, watch));
    (void)what;
    if (!t->read.task)
        return;
    t->uses++;
    int n = try_accept(t->read.task, t);
    if (n)
        wake(t->net, &t->read, n);
    thing_drop(t);
}

static int l_listen(lua_State *L)
{
    struct net *net = check_net(L);
    struct tg_addr addr;
    luaL_argcheck(L, !tg_addr_parse(tgl_check_str(L, 1), &addr), 1, "host:port expected");

    void **box = tgl_new(L, LISTENER);
    struct thing *t = thing_new(net);
    if (!t)
        return tgl_fail(L, TG_ENOMEM);
    t->has_object = true;
    *box = t;
    if (tg_net_is_taken(&addr))
        return tgl_fail_words(L, TG_ESYSTEM, TG_STR("another program listens there already"));
    int fd;
    tg_err err = tg_net_listen(&addr, BACKLOG, &fd, &t->addr);
    if (err)
        return tgl_fail_words(L, err, tg_str_of(strerror(errno)));
    tg_net_remember(&t->addr, &t->file);
    err = watch(t, fd, on_listener);
    return err ? tgl_fail(L, err) : 1;
}

static int l_accept(lua_State *L)
{
    struct thing *t = check_thing(L, LISTENER);
    check_free(L, &t->read);
    int n = try_accept(L, t);
    return n ? n : wait_for(L, t, &t->read, check_seconds(L, 2));
}

static int l_port(lua_State *L)
{
    lua_pushinteger(L, tg_addr_port(&check_thing(L, LISTENER)->addr));
    return 1;
}

static int l_listener_close(lua_State *L)
{
    return close_thing(L, LISTENER, false);
}

/* ---- time ---- */

static void on_awake(struct tg_timer *timer)
{
    struct thing *t = thing_of_read(timer);
    wake(t->net, &t->read, 0);
    thing_drop(t);
}

static int l_sleep(lua_State *L)
{
    struct net *net = check_net(L);
    double seconds = luaL_checknumber(L, 1);
    struct thing *t = thing_new(net);
    if (!t)
        return tgl_fail(L, TG_ENOMEM);
    t->read.timer.on = on_awake;
    return wait_for(L, t, &t->read, seconds > 0 ? seconds : 0);
}

static int l_now(lua_State *L)
{
    lua_pushnumber(L, (lua_Number)tg_clock_ns() / 1e9);
    return 1;
}

/* ---- run ---- */

/* Make a task of the function below n arguments and start it. Leaves the task
 * on the stack. */
static void start(struct net *net, lua_State *L, int n, bool is_main)
{
    lua_State *task = lua_newthread(L);
    lua_insert(L, -n - 2);                               /* Stack: task fn args... */
    lua_xmove(L, task, n + 1);
    if (is_main)
        net->main = task;
    after_resume(net, task, tgl_resume(task, L, n));
}

static int l_spawn(lua_State *L)
{
    struct net *net = check_net(L);
    luaL_checktype(L, 1, LUA_TFUNCTION);
    start(net, L, lua_gettop(L) - 1, false);
    return 0;
}

static int l_spawn_guarded(lua_State *L)
{
    struct net *net = check_net(L);
    luaL_checktype(L, 1, LUA_TFUNCTION);
    luaL_checktype(L, 2, LUA_TFUNCTION);
    lua_State *task = lua_newthread(L);
    push_guards(L);
    lua_pushvalue(L, -2);
    lua_pushvalue(L, 1);
    lua_rawset(L, -3);
    lua_pop(L, 1);
    lua_replace(L, 1);                                   /* Stack: task fn args... */
    int n = lua_gettop(L) - 2;
    lua_xmove(L, task, n + 1);
    after_resume(net, task, tgl_resume(task, L, n));
    return 0;
}

/* Turn the loop until the main task is over; also when it raises, what is
 * below is closed by l_run(). */
static int turns(lua_State *L)
{
    struct net *net = lua_touserdata(L, 1);
    net->L = L;
    net->scratch = lua_newthread(L);
    lua_replace(L, 1);                                   /* Stack: scratch fn args... */
    start(net, L, lua_gettop(L) - 2, true);
    while (!net->over) {
        tg_err err = tg_loop_turn(net->loop, -1);
        if (err)
            return luaL_error(L, "%s", tg_err_text(err));
    }
    if (net->failed) {
        lua_xmove(net->scratch, L, 1);
        return lua_error(L);
    }
    int n = lua_gettop(net->main);
    luaL_checkstack(L, n, "too many results");
    lua_xmove(net->main, L, n);
    return n;
}

static int l_run(lua_State *L)
{
    luaL_checktype(L, 1, LUA_TFUNCTION);
    struct net net = { .loop = NULL };
    lua_pushlightuserdata(L, &key_of_net);
    lua_rawget(L, LUA_REGISTRYINDEX);
    if (!lua_isnil(L, -1))
        return luaL_error(L, "net.run() runs already");
    lua_pop(L, 1);
    net.loop = tg_loop_new();
    if (!net.loop)
        return tgl_fail(L, TG_ENOMEM);

    lua_pushlightuserdata(L, &key_of_net);
    lua_pushlightuserdata(L, &net);
    lua_rawset(L, LUA_REGISTRYINDEX);
    lua_pushcfunction(L, turns);
    lua_insert(L, 1);
    lua_pushlightuserdata(L, &net);
    lua_insert(L, 2);
    int status = lua_pcall(L, lua_gettop(L) - 1, LUA_MULTRET, 0);

    net.L = L;
    while (net.things) {
        struct thing *t = net.things;
        thing_close(t, false);
        if (!t->has_object)
            thing_drop(t);
    }
    tg_loop_free(net.loop);
    lua_pushlightuserdata(L, &key_of_net);
    lua_pushnil(L);
    lua_rawset(L, LUA_REGISTRYINDEX);
    if (!status)
        return lua_gettop(L);
    tgl_goes_on(L);
    return lua_error(L);
}

static const luaL_Reg NET[] = {
    { "run", l_run }, { "spawn", l_spawn }, { "spawn_guarded", l_spawn_guarded }, { "listen", l_listen }, { "connect", l_connect },
    { "sleep", l_sleep }, { "now", l_now }, { NULL, NULL }
};

static const luaL_Reg CONN_METHODS[] = {
    { "read", l_read }, { "read_line", l_read_line }, { "read_some", l_read_some },
    { "read_all", l_read_all }, { "write", l_write }, { "is_gone", l_is_gone },
    { "address", l_address }, { "reset", l_conn_reset }, { "close", l_conn_close }, { NULL, NULL }
};

static const luaL_Reg LISTENER_METHODS[] = {
    { "accept", l_accept }, { "port", l_port }, { "address", l_address },
    { "close", l_listener_close }, { NULL, NULL }
};

int tgl_open_net(lua_State *L)
{
    tgl_type(L, CONN, CONN_METHODS, finish);
    tgl_type(L, LISTENER, LISTENER_METHODS, finish);
    lua_pushlightuserdata(L, &key_of_guards);
    lua_newtable(L);
    lua_newtable(L);
    lua_pushliteral(L, "k");
    lua_setfield(L, -2, "__mode");
    lua_setmetatable(L, -2);                             /* Stack: key guards */
    lua_rawset(L, LUA_REGISTRYINDEX);
    lua_newtable(L);
    tgl_functions(L, NET);
    return 1;
}
