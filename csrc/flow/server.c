#include "flow/server.h"

#include <errno.h>
#include <pthread.h>
#include <signal.h>

#include "base/mem.h"
#include "flow/engine.h"
#include "os/net.h"
#include "os/process.h"

enum { BACKLOG = 1024,
       FILE_BACKLOG = 65535 };     /* a connection to a socket file does not wait for its place */

struct worker {
    pthread_t         thread;
    struct tg_engine *engine;
    bool              runs;
};

struct tg_server {
    struct tg_addr address;
    char           address_text[TG_ADDR_TEXT_MAX];
    struct tg_net_file file;
    struct tg_live_region *region;         /* of the seat */
    struct tg_live_seat   *seat;           /* of a guest, or NULL */
    unsigned       count;
    struct worker  workers[TG_CONFIG_WORKERS_MAX];
};

static void *run_worker(void *arg)
{
    struct worker *w = arg;

    pthread_setname_np(pthread_self(), "tidegate");      /* also where the program is another's */
    tg_engine_run(w->engine);
    return NULL;
}

/* Signals belong to the thread that waits for them. */
static bool start_thread(struct worker *w)
{
    sigset_t all, before;

    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    w->runs = pthread_create(&w->thread, NULL, run_worker, w) == 0;
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    return w->runs;
}

/* ---- listening ---- */

static void say_why_not(const struct tg_server *s, struct tg_str listen, bool taken,
                        struct tg_buf *why)
{
    int number = errno;

    tg_buf_z(why, "cannot listen on ");
    tg_buf_str(why, listen);
    tg_buf_z(why, ": ");
    if (taken || number == EADDRINUSE)
        tg_buf_z(why, "another program listens there; choose another with --listen");
    else if (number == EEXIST)
        tg_buf_z(why, "there is a file of that name that is no socket");
    else if (tg_addr_path(&s->address))
        tg_buf_z(why, strerror(number));
    else
        tg_buf_z(why, "the address is not ours, or the port needs more rights");
}

/* The listening socket of one more worker: a socket file's is one for all. */
static tg_err listen_once_more(struct tg_server *s, int first, int *fd)
{
    bool is_file = tg_addr_path(&s->address) != NULL;

    if (s->count && is_file)
        return tg_net_share(first, fd);
    tg_err err = tg_net_listen(&s->address, is_file ? FILE_BACKLOG : BACKLOG, fd, &s->address);
    if (!err && !s->count)
        tg_net_remember(&s->address, &s->file);
    return err;
}

static bool add_worker(struct tg_server *s, struct tg_config *config,
                       const struct tg_server_how *how, int *first, struct tg_buf *why)
{
    bool taken = s->count == 0 && tg_net_is_taken(&s->address);
    struct tg_engine *e;
    int fd;

    if (taken || listen_once_more(s, *first, &fd)) {
        say_why_not(s, how->listen, taken, why);
        return false;
    }
    if (!s->count)
        *first = fd;
    e = tg_engine_new(fd, s->count, config, &how->hooks, why);
    if (!e)
        return false;
    s->workers[s->count++].engine = e;
    if (how->is_guest)
        tg_engine_be_guest(e, s->seat);
    return true;
}

static void sit_down(struct tg_server *s, struct tg_config *config)
{
    uint64_t me = tg_process_identity();

    s->region = config->live;
    if (me && s->region)
        s->seat = tg_live_sit(s->region, me, tg_process_is_gone);
}

struct tg_server *tg_server_start(struct tg_config *config, const struct tg_server_how *given,
                                  struct tg_buf *why)
{
    struct tg_server *s = tg_zalloc(sizeof *s);
    struct tg_server_how how = *given;
    bool good = true;
    int first = -1;

    if (!s)
        return NULL;
    if (!how.listen.len)
        how.listen = config->listen;
    if (!how.workers || how.workers > config->workers)
        how.workers = config->workers;     /* policies have a state for so many */
    if (tg_addr_parse(how.listen, &s->address)) {
        tg_buf_z(why, "listen is no address: ");
        tg_buf_str(why, how.listen);
        good = false;
    }
    if (how.is_guest)
        sit_down(s, config);
    for (unsigned i = 0; good && i < how.workers && i < TG_CONFIG_WORKERS_MAX; i++)
        good = add_worker(s, config, &how, &first, why);
    for (unsigned i = 0; good && i < s->count; i++)
        if (!start_thread(&s->workers[i])) {
            tg_buf_z(why, "cannot start a thread");
            good = false;
        }
    if (good) {
        tg_addr_put(&s->address, s->address_text);
        return s;
    }
    tg_server_stop(s);
    tg_server_wait(s);
    tg_server_free(s);
    return NULL;
}

struct tg_str tg_server_address(const struct tg_server *s)
{
    return tg_str_of(s->address_text);
}

void tg_server_swap(struct tg_server *s, struct tg_config *config)
{
    for (unsigned i = 0; i < s->count; i++)
        tg_engine_swap(s->workers[i].engine, config);
}

/* Once: the next file there may be another's, and look like ours. */
static void remove_file(struct tg_server *s)
{
    tg_net_remove(&s->address, &s->file);
    s->file = (struct tg_net_file){ 0 };
}

void tg_server_drain(struct tg_server *s)
{
    remove_file(s);
    for (unsigned i = 0; i < s->count; i++)
        tg_engine_drain(s->workers[i].engine);
}

void tg_server_stop(struct tg_server *s)
{
    remove_file(s);
    for (unsigned i = 0; i < s->count; i++)
        tg_engine_stop(s->workers[i].engine);
}

void tg_server_wait(struct tg_server *s)
{
    for (unsigned i = 0; i < s->count; i++)
        if (s->workers[i].runs)
            pthread_join(s->workers[i].thread, NULL);
}

void tg_server_free(struct tg_server *s)
{
    for (unsigned i = 0; i < s->count; i++)
        tg_engine_free(s->workers[i].engine);
    tg_live_stand_up(s->region, s->seat);
    tg_free(s);
}
