/* A server's life: where it listens, how it is drained and stopped, what it leaves. */
#include "check.h"

#include <stdlib.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include "flow/server.h"
#include "os/net.h"
#include "os/process.h"

static const struct tg_server_how by_config;

static struct tg_config *make_config(const char *listen, unsigned workers)
{
    struct tg_config *c = tg_config_new();

    c->catalog = tg_catalog_new(NULL, 0);
    CHECK(tg_catalog_seal(c->catalog) == TG_OK);
    c->auth = TG_AUTH_NONE;
    c->listen = tg_str_of(listen);
    c->workers = workers;
    CHECK(tg_config_seal(c) == TG_OK);
    return c;
}

/* GET /health at that address; its whole answer in `heard`. */
static char heard[4096];

static bool is_healthy(struct tg_str address)
{
    struct tg_addr a;
    int fd = -1;
    size_t n = 0, have = 0;

    CHECK_INT(tg_addr_parse(address, &a), TG_OK);
    if (tg_net_connect(&a, &fd))
        return false;
    tg_err err = TG_AGAIN;
    for (int i = 0; i < 1000 && err; i++, usleep(1000))
        err = tg_net_write(fd, &TG_STR("GET /health HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"), 1, &n);
    for (int i = 0; i < 2000 && err != TG_EPEER; i++, usleep(1000)) {
        err = tg_net_read(fd, heard + have, sizeof heard - 1 - have, &n);
        have += n;
    }
    heard[have] = '\0';
    tg_net_close(fd);
    return strstr(heard, "200 OK") && strstr(heard, "\"ok\"");
}

static void end(struct tg_server *s)
{
    tg_server_wait(s);
    tg_server_free(s);
}

TEST("it listens where the configuration says, and elsewhere when it is told to")
{
    struct tg_config *c = make_config("127.0.0.1:0", 2);
    struct tg_buf why = { 0 };
    char path[] = "/tmp/tidegate-server-XXXXXX", listen[64];

    struct tg_server *s = tg_server_start(c, &by_config, &why);
    CHECK(s != NULL);
    CHECK(is_healthy(tg_server_address(s)));
    tg_server_stop(s);
    end(s);

    CHECK(mkdtemp(path) != NULL);
    snprintf(listen, sizeof listen, "unix:%s/s", path);
    struct tg_server_how how = { .listen = tg_str_of(listen), .workers = 1, .is_guest = true };
    s = tg_server_start(c, &how, &why);
    CHECK(s != NULL);
    CHECK_STR(tg_server_address(s), listen);
    CHECK(is_healthy(tg_str_of(listen)));
    tg_server_stop(s);
    end(s);
    CHECK_INT(rmdir(path), 0);             /* the file is gone */
    tg_config_drop(c);
    tg_buf_done(&why);
}

TEST("all engines share a socket file, which goes when they drain")
{
    char path[] = "/tmp/tidegate-server-XXXXXX", listen[64];
    struct tg_buf why = { 0 };

    CHECK(mkdtemp(path) != NULL);
    snprintf(listen, sizeof listen, "unix:%s/s", path);
    struct tg_config *c = make_config(listen, 3);
    struct tg_server *s = tg_server_start(c, &by_config, &why);
    CHECK(s != NULL);
    for (int i = 0; i < 50; i++)
        CHECK(is_healthy(tg_str_of(listen)));

    /* Nobody else listens there meanwhile. */
    CHECK(tg_server_start(c, &by_config, &why) == NULL);
    CHECK(strstr(why.at, "another program listens there"));
    CHECK(is_healthy(tg_str_of(listen)));

    tg_server_drain(s);
    end(s);
    CHECK_INT(rmdir(path), 0);
    tg_config_drop(c);
    tg_buf_done(&why);
}

TEST("why it cannot listen is told")
{
    static const struct { const char *listen, *why; } cases[] = {
        { "nowhere", "listen is no address: nowhere" },
        { "unix:/nowhere/at/all", "cannot listen on unix:/nowhere/at/all: No such file or directory" },
        { "unix:/etc/passwd", "cannot listen on unix:/etc/passwd: there is a file of that name that is no socket" },
        { "192.0.2.1:0", "cannot listen on 192.0.2.1:0: the address is not ours, or the port needs more rights" },
    };

    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct tg_config *c = make_config(cases[i].listen, 1);
        struct tg_buf why = { 0 };

        CHECK(tg_server_start(c, &by_config, &why) == NULL);
        CHECK_STR(tg_buf_view(&why), cases[i].why);
        tg_config_drop(c);
        tg_buf_done(&why);
    }
}

/* Everything of the region but for one seat that is taken. */
static struct tg_live_region *make_region(void)
{
    struct tg_live_region *r = NULL;
    size_t bytes = tg_live_bytes(8);
    void *at = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);

    CHECK_INT(tg_live_attach(at, bytes, 8, &r), TG_OK);
    return r;
}

TEST("a guest takes back what a guest that was killed had in flight")
{
    struct tg_config *c = make_config("127.0.0.1:0", 1);
    struct tg_live_region *r = c->live = make_region();
    struct tg_live *l = tg_live_slot(r, 7);
    struct tg_server_how how = { .is_guest = true };
    struct tg_buf why = { 0 };

    pid_t child = fork();
    if (child == 0) {
        struct tg_live_seat *seat = tg_live_sit(r, tg_process_identity(), tg_process_is_gone);
        for (int i = 0; seat && i < 5; i++)
            tg_live_enter(l, r, seat);
        _exit(seat ? 0 : 1);
    }
    int status = -1;
    waitpid(child, &status, 0);
    CHECK_INT(status, 0);
    tg_live_enter(l, r, NULL);
    CHECK_INT(l->in_flight, 6);

    struct tg_server *s = tg_server_start(c, &how, &why);
    CHECK(s != NULL);
    CHECK_INT(l->in_flight, 1);
    tg_server_stop(s);
    end(s);
    CHECK_INT(l->in_flight, 1);
    c->live = NULL;
    tg_config_drop(c);
    munmap(r, tg_live_bytes(8));
    tg_buf_done(&why);
}

TEST_MAIN
