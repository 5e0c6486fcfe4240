#include "flow/server.h"

#include <pthread.h>
#include <signal.h>

#include "base/mem.h"
#include "flow/engine.h"
#include "os/net.h"

enum { BACKLOG = 1024 };

struct worker {
    pthread_t         thread;
    struct tg_engine *engine;
    bool              runs;
};

struct tg_server {
    struct tg_addr address;
    char           address_text[64];
    unsigned       count;
    struct worker  workers[TG_CONFIG_WORKERS_MAX];
};

static void *run_worker(void *arg)
{
    struct worker *w = arg;

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

static bool add_worker(struct tg_server *s, struct tg_config *config,
                       const struct tg_server_hooks *hooks, struct tg_buf *why)
{
    int fd;

    bool taken = s->count == 0 && tg_net_is_taken(&s->address);

    if (taken || tg_net_listen(&s->address, BACKLOG, &fd, &s->address)) {
        tg_buf_z(why, "cannot listen on ");
        tg_buf_str(why, config->listen);
        tg_buf_z(why, taken ? ": another program listens there; choose another with --listen"
                            : ": the address is not ours, or the port needs more rights");
        return false;
    }
    s->workers[s->count].engine = tg_engine_new(fd, s->count, config, hooks, why);
    if (!s->workers[s->count].engine)
        return false;
    s->count++;
    return true;
}

struct tg_server *tg_server_start(struct tg_config *config, const struct tg_server_hooks *hooks,
                                  struct tg_buf *why)
{
    struct tg_server *s = tg_zalloc(sizeof *s);
    bool good = true;

    if (!s)
        return NULL;
    if (tg_addr_parse(config->listen, &s->address)) {
        tg_buf_z(why, "listen is no address: ");
        tg_buf_str(why, config->listen);
        good = false;
    }
    for (unsigned i = 0; good && i < config->workers && i < TG_CONFIG_WORKERS_MAX; i++)
        good = add_worker(s, config, hooks, why);
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

void tg_server_drain(struct tg_server *s)
{
    for (unsigned i = 0; i < s->count; i++)
        tg_engine_drain(s->workers[i].engine);
}

void tg_server_stop(struct tg_server *s)
{
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
    tg_free(s);
}
