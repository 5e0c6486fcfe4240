#include "check.h"

#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "os/net.h"

/* ---- addresses ---- */

TEST("addresses are read and shown")
{
    static const struct { const char *text, *shown; bool loopback; } cases[] = {
        { "127.0.0.1:8080",         "127.0.0.1:8080",   true },
        { "127.9.9.9:1",            "127.9.9.9:1",      true },
        { "0.0.0.0:0",              "0.0.0.0:0",        false },
        { "10.0.0.1:65535",         "10.0.0.1:65535",   false },
        { "[::1]:0",                "[::1]:0",          true },
        { "[::ffff:127.0.0.1]:80",  "[::ffff:127.0.0.1]:80", true },
        { "[::ffff:8.8.8.8]:80",    "[::ffff:8.8.8.8]:80",   false },
        { "[2001:DB8::1]:443",      "[2001:db8::1]:443", false },
        { "localhost:8080",         "127.0.0.1:8080",   true },
        { "LOCALHOST:8080",         "127.0.0.1:8080",   true },
        { ":8080",                  "[::]:8080",        false },
        { "unix:/run/tide gate:1.sock", "unix:/run/tide gate:1.sock", true },
    };

    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct tg_addr a;
        char shown[TG_ADDR_TEXT_MAX];

        check_context = cases[i].text;
        CHECK_INT(tg_addr_parse(tg_str_of(cases[i].text), &a), TG_OK);
        tg_addr_put(&a, shown);
        CHECK_STR(tg_str_of(shown), cases[i].shown);
        CHECK_INT(tg_addr_is_loopback(&a), cases[i].loopback);
    }
}

TEST("what is no address is refused and leaves the result alone")
{
    static const char *const cases[] = {
        "", ":", "8080", "127.0.0.1", "127.0.0.1:", "127.0.0.1:65536", "127.0.0.1:-1",
        "127.0.0.1:8 0", "127.0.0.1:80x", "127.1:80", "256.0.0.1:80", "[::1]", "[::1]80",
        "[::1:80", "::1:80", "[127.0.0.1]:80", "[]:80", "example.com:80", " 127.0.0.1:80",
        "unix:", "unix:relative.sock", "UNIX:/x",
        "[::1%lo]:80", "1111:2222:3333:4444:5555:6666:7777:8888:9999:0:80",
    };

    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct tg_addr a = { .len = 77 };

        check_context = cases[i];
        CHECK_INT(tg_addr_parse(tg_str_of(cases[i]), &a), TG_EINVAL);
        CHECK_INT(a.len, 77);
    }
}

TEST("the bytes of an address are in network order")
{
    struct tg_addr a;

    tg_addr_parse(TG_STR("1.2.3.4:258"), &a);
    CHECK_INT(tg_addr_ip(&a).len, 4);
    CHECK(memcmp(tg_addr_ip(&a).at, "\1\2\3\4", 4) == 0);
    CHECK_INT(tg_addr_port(&a), 258);
    tg_addr_parse(TG_STR("[102:304::5]:7"), &a);
    CHECK_INT(tg_addr_ip(&a).len, 16);
    CHECK(memcmp(tg_addr_ip(&a).at, "\1\2\3\4", 4) == 0);
    CHECK_INT(tg_addr_port(&a), 7);
    CHECK_INT(tg_addr_ip(&(struct tg_addr){ 0 }).len, 0);
}

/* ---- connections ---- */

static bool wait_for(int fd, short events)
{
    struct pollfd p = { .fd = fd, .events = events };

    return poll(&p, 1, 5000) == 1;
}

struct line {
    int listener, client, server;
    struct tg_addr at;
};

static void open_line(struct line *l, const char *where)
{
    struct tg_addr a, from;

    *l = (struct line){ -1, -1, -1, { .len = 0 } };
    CHECK_INT(tg_addr_parse(tg_str_of(where), &a), TG_OK);
    CHECK_INT(tg_net_listen(&a, 16, &l->listener, &l->at), TG_OK);
    CHECK(tg_addr_port(&l->at) != 0);
    CHECK_INT(tg_net_accept(l->listener, &l->server, &from), TG_AGAIN);
    CHECK_INT(tg_net_connect(&l->at, &l->client), TG_OK);
    CHECK(wait_for(l->client, POLLOUT));
    CHECK_INT(tg_net_connected(l->client), TG_OK);
    CHECK(wait_for(l->listener, POLLIN));
    CHECK_INT(tg_net_accept(l->listener, &l->server, &from), TG_OK);
    CHECK(tg_addr_is_loopback(&from));
}

static void close_line(struct line *l)
{
    tg_net_close(l->listener);
    if (l->client >= 0)
        tg_net_close(l->client);
    if (l->server >= 0)
        tg_net_close(l->server);
}

static bool is_quick_and_private(int fd)
{
    int on = 0;
    socklen_t len = sizeof on;

    getsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, &len);
    return on && fcntl(fd, F_GETFL) & O_NONBLOCK && fcntl(fd, F_GETFD) & FD_CLOEXEC;
}

TEST("both ends of a connection are non-blocking, close-on-exec and without delay")
{
    static const char *const where[] = { "127.0.0.1:0", "[::1]:0" };

    for (size_t i = 0; i < 2; i++) {
        struct line l;

        check_context = where[i];
        open_line(&l, where[i]);
        CHECK(is_quick_and_private(l.client));
        CHECK(is_quick_and_private(l.server));
        close_line(&l);
    }
}

TEST("all addresses means those of both families")
{
    struct tg_addr a, bound, to;
    int listener = -1, client = -1;

    tg_addr_parse(TG_STR(":0"), &a);
    CHECK_INT(tg_net_listen(&a, 16, &listener, &bound), TG_OK);
    tg_addr_make(TG_STR("127.0.0.1"), tg_addr_port(&bound), &to);
    CHECK_INT(tg_net_connect(&to, &client), TG_OK);
    CHECK(wait_for(client, POLLOUT));
    CHECK_INT(tg_net_connected(client), TG_OK);
    tg_net_close(client);
    tg_net_close(listener);
}

TEST("several engines may listen at one address")
{
    struct tg_addr a, first, second;
    int one = -1, two = -1;

    tg_addr_parse(TG_STR("127.0.0.1:0"), &a);
    CHECK_INT(tg_net_listen(&a, 16, &one, &first), TG_OK);
    CHECK_INT(tg_net_listen(&first, 16, &two, &second), TG_OK);
    CHECK_INT(tg_addr_port(&first), tg_addr_port(&second));
    tg_net_close(one);
    tg_net_close(two);
}

TEST("an address of somebody else cannot be listened at")
{
    struct tg_addr a, bound;
    int fd = -1;

    tg_addr_parse(TG_STR("192.0.2.1:0"), &a);
    CHECK_INT(tg_net_listen(&a, 16, &fd, &bound), TG_ESYSTEM);
    CHECK_INT(fd, -1);
}

TEST("a port where nobody listens refuses")
{
    struct line l;
    int fd = -1;

    open_line(&l, "127.0.0.1:0");
    close_line(&l);
    tg_err err = tg_net_connect(&l.at, &fd);
    if (!err) {
        CHECK(wait_for(fd, POLLOUT));
        err = tg_net_connected(fd);
        tg_net_close(fd);
    }
    CHECK_INT(err, TG_ECONNECT);
}

TEST("pieces arrive in order, more of them than one system call takes")
{
    enum { PIECES = 400 };
    struct tg_str pieces[PIECES];
    char got[PIECES * 2], want[PIECES * 2];
    size_t at = 0, have = 0, n;
    struct line l;
    open_line(&l, "127.0.0.1:0");

    for (int i = 0; i < PIECES; i++) {
        want[2 * i] = (char)i;
        want[2 * i + 1] = (char)(i >> 8);
        pieces[i] = (struct tg_str){ want + 2 * i, 2 };
    }
    while (at < PIECES) {
        CHECK_INT(tg_net_write(l.client, pieces + at, PIECES - at, &n), TG_OK);
        if (!n || n % 2)
            break;
        at += n / 2;
    }
    while (have < sizeof got && wait_for(l.server, POLLIN)
           && tg_net_read(l.server, got + have, sizeof got - have, &n) == TG_OK)
        have += n;
    CHECK_INT(have, sizeof got);
    CHECK(memcmp(got, want, sizeof got) == 0);
    CHECK_INT(tg_net_read(l.server, got, sizeof got, &n), TG_AGAIN);
    close_line(&l);
}

TEST("a full socket says again")
{
    static char block[1 << 16];
    struct tg_str piece = { block, sizeof block };
    struct line l;
    size_t n;
    tg_err err;
    open_line(&l, "127.0.0.1:0");

    for (int i = 0; i < 10000; i++)
        if ((err = tg_net_write(l.client, &piece, 1, &n)))
            break;
    CHECK_INT(err, TG_AGAIN);
    close_line(&l);
}

TEST("the end of a stream and a reset are told apart by errno")
{
    char byte;
    size_t n = 9;
    struct line l;

    open_line(&l, "127.0.0.1:0");
    CHECK(!tg_net_peer_gone(l.server));
    tg_net_close(l.client);
    l.client = -1;
    CHECK(wait_for(l.server, POLLIN));
    CHECK(tg_net_peer_gone(l.server));
    CHECK_INT(tg_net_read(l.server, &byte, 1, &n), TG_EPEER);
    CHECK_INT(errno, 0);
    CHECK_INT(n, 0);
    close_line(&l);

    open_line(&l, "127.0.0.1:0");
    tg_net_reset(l.client);
    l.client = -1;
    CHECK(wait_for(l.server, POLLIN));
    CHECK(tg_net_peer_gone(l.server));
    CHECK_INT(tg_net_read(l.server, &byte, 1, &n), TG_EPEER);
    CHECK_INT(errno, ECONNRESET);
    close_line(&l);
}

TEST("a peer that is gone is noticed behind bytes nobody read, which stay")
{
    struct tg_str piece = TG_STR("abc");
    char got[8];
    size_t n;
    struct line l;
    open_line(&l, "127.0.0.1:0");

    tg_net_write(l.client, &piece, 1, &n);
    CHECK(wait_for(l.server, POLLIN));
    CHECK(!tg_net_peer_gone(l.server));
    tg_net_close(l.client);
    l.client = -1;
    CHECK(wait_for(l.server, POLLRDHUP));
    CHECK(tg_net_peer_gone(l.server));
    CHECK_INT(tg_net_read(l.server, got, sizeof got, &n), TG_OK);
    CHECK_INT(n, 3);
    close_line(&l);
}

TEST("writing to a peer that is gone is an error and no signal")
{
    struct tg_str piece = TG_STR("abc");
    struct line l;
    size_t n;
    tg_err err = TG_OK;
    open_line(&l, "127.0.0.1:0");

    tg_net_reset(l.server);
    l.server = -1;
    CHECK(wait_for(l.client, POLLIN));
    for (int i = 0; i < 3 && !err; i++)
        err = tg_net_write(l.client, &piece, 1, &n);
    CHECK_INT(err, TG_EPEER);
    CHECK_INT(tg_net_write(l.client, &piece, 1, &n), TG_EPEER);
    close_line(&l);
}

TEST("out of files: accepting fails, and works again later")
{
    struct line l;
    struct rlimit was, none;
    int other = -1, fd = -1;
    open_line(&l, "127.0.0.1:0");

    CHECK_INT(tg_net_connect(&l.at, &other), TG_OK);
    CHECK(wait_for(l.listener, POLLIN));
    getrlimit(RLIMIT_NOFILE, &was);
    none = was;
    none.rlim_cur = 0;
    setrlimit(RLIMIT_NOFILE, &none);
    CHECK_INT(tg_net_accept(l.listener, &fd, NULL), TG_ESYSTEM);
    CHECK_INT(errno, EMFILE);
    setrlimit(RLIMIT_NOFILE, &was);
    CHECK_INT(tg_net_accept(l.listener, &fd, NULL), TG_OK);
    tg_net_close(fd);
    tg_net_close(other);
    close_line(&l);
}

/* ---- socket files ---- */

static char directory[] = "/tmp/tidegate-net-XXXXXX";

static void at_path(const char *name, struct tg_addr *a)
{
    char text[TG_ADDR_TEXT_MAX];

    snprintf(text, sizeof text, "unix:%s/%s", directory, name);
    CHECK_INT(tg_addr_parse(tg_str_of(text), a), TG_OK);
}

static void open_directory(void)
{
    strcpy(directory, "/tmp/tidegate-net-XXXXXX");
    CHECK(mkdtemp(directory) != NULL);
}

static void close_directory(void)
{
    CHECK_INT(rmdir(directory), 0);        /* and so nothing is left in it */
}

static bool is_there(const struct tg_addr *a)
{
    return access(tg_addr_path(a), F_OK) == 0;
}

TEST("a path has room for 107 bytes")
{
    char text[TG_ADDR_TEXT_MAX] = "unix:/";
    struct tg_addr a;

    memset(text + 6, 'x', 106);
    CHECK_INT(tg_addr_parse(tg_str_of(text), &a), TG_OK);
    CHECK_INT(strlen(tg_addr_path(&a)), TG_NET_PATH_MAX);
    text[6 + 106] = 'x';
    CHECK_INT(tg_addr_parse(tg_str_of(text), &a), TG_EINVAL);
    CHECK_INT(tg_addr_parse((struct tg_str){ "unix:/a\0b", 9 }, &a), TG_EINVAL);
}

TEST("a socket file carries bytes, is for its user alone and goes with its server")
{
    struct tg_net_file file = { 0 };
    struct tg_addr a, bound, from;
    struct stat st;
    int listener = -1, second = -1, client = -1, server = -1;
    char byte = 0;
    size_t n;

    open_directory();
    at_path("a.sock", &a);
    CHECK(!tg_net_is_taken(&a));
    CHECK_INT(tg_net_listen(&a, 16, &listener, &bound), TG_OK);
    tg_net_remember(&a, &file);
    CHECK(memcmp(&bound, &a, sizeof a) == 0);
    CHECK_INT(tg_addr_port(&bound), 0);
    CHECK_INT(tg_addr_ip(&bound).len, 0);
    CHECK_INT(stat(tg_addr_path(&a), &st), 0);
    CHECK_INT(st.st_mode & 07777, 0600);
    CHECK_INT(tg_net_share(listener, &second), TG_OK);
    tg_net_close(listener);

    CHECK_INT(tg_net_connect(&a, &client), TG_OK);
    CHECK_INT(tg_net_connected(client), TG_OK);
    CHECK_INT(tg_net_accept(second, &server, &from), TG_OK);
    CHECK(tg_addr_is_loopback(&from));
    CHECK_INT(tg_net_write(client, &TG_STR("x"), 1, &n), TG_OK);
    CHECK_INT(tg_net_read(server, &byte, 1, &n), TG_OK);
    CHECK_INT(byte, 'x');
    tg_net_close(client);
    CHECK_INT(tg_net_read(server, &byte, 1, &n), TG_EPEER);

    tg_net_close(server);
    tg_net_close(second);
    tg_net_remove(&a, &file);
    CHECK(!is_there(&a));
    close_directory();
}

TEST("who listens at a socket file keeps it; one left behind is replaced")
{
    struct tg_addr a;
    struct tg_net_file first = { 0 }, second = { 0 };
    int one = -1, two = -1;

    open_directory();
    at_path("a.sock", &a);
    CHECK_INT(tg_net_listen(&a, 0, &one, NULL), TG_OK);
    tg_net_remember(&a, &first);
    CHECK(tg_net_is_taken(&a));
    CHECK_INT(tg_net_listen(&a, 16, &two, NULL), TG_ESYSTEM);
    CHECK_INT(errno, EADDRINUSE);

    /* A queue that is full is somebody's, too. */
    int full[8], count = 0;
    while (count < 8 && tg_net_connect(&a, &full[count]) == TG_OK)
        count++;
    CHECK(count < 8);
    CHECK(tg_net_is_taken(&a));
    CHECK_INT(tg_net_listen(&a, 16, &two, NULL), TG_ESYSTEM);
    while (count)
        tg_net_close(full[--count]);

    tg_net_close(one);
    CHECK(is_there(&a));
    CHECK(!tg_net_is_taken(&a));
    CHECK_INT(tg_net_listen(&a, 16, &two, NULL), TG_OK);
    tg_net_remember(&a, &second);
    CHECK(tg_net_is_taken(&a));
    tg_net_close(two);
    tg_net_remove(&a, &second);
    CHECK(!is_there(&a));
    close_directory();
}

TEST("another server's file is not taken away")
{
    struct tg_addr a, aside;
    struct tg_net_file first = { 0 }, second = { 0 };
    int one = -1, two = -1;

    open_directory();
    at_path("a.sock", &a);
    at_path("aside.sock", &aside);
    CHECK_INT(tg_net_listen(&a, 16, &one, NULL), TG_OK);
    tg_net_remember(&a, &first);
    CHECK_INT(rename(tg_addr_path(&a), tg_addr_path(&aside)), 0);
    CHECK_INT(tg_net_listen(&a, 16, &two, NULL), TG_OK);
    tg_net_remember(&a, &second);
    tg_net_remove(&a, &first);
    CHECK(is_there(&a));
    tg_net_remove(&a, &second);
    tg_net_remove(&aside, &first);
    tg_net_close(one);
    tg_net_close(two);
    close_directory();
}

TEST("what is no socket is neither replaced nor listened at")
{
    struct tg_addr a;
    int fd = -1;

    open_directory();
    at_path("a.sock", &a);
    close(open(tg_addr_path(&a), O_CREAT | O_WRONLY, 0600));
    CHECK_INT(tg_net_listen(&a, 16, &fd, NULL), TG_ESYSTEM);
    CHECK_INT(errno, EEXIST);
    CHECK(is_there(&a));
    unlink(tg_addr_path(&a));
    close_directory();
    CHECK_INT(tg_net_listen(&a, 16, &fd, NULL), TG_ESYSTEM);
    CHECK_INT(errno, ENOENT);
    CHECK_INT(fd, -1);
}

TEST("a sweep takes the socket files of the dead and nothing else")
{
    struct tg_addr alive, dead, other;
    int one = -1, two = -1;

    open_directory();
    at_path("alive.sock", &alive);
    at_path("dead.sock", &dead);
    at_path("other", &other);
    CHECK_INT(tg_net_listen(&alive, 16, &one, NULL), TG_OK);
    CHECK_INT(tg_net_listen(&dead, 16, &two, NULL), TG_OK);
    close(open(tg_addr_path(&other), O_CREAT | O_WRONLY, 0600));
    tg_net_close(two);
    tg_net_sweep(directory);
    CHECK(is_there(&alive));
    CHECK(!is_there(&dead));
    CHECK(is_there(&other));
    tg_net_close(one);
    tg_net_sweep(directory);
    CHECK(!is_there(&alive));
    unlink(tg_addr_path(&other));
    close_directory();
    tg_net_sweep(directory);               /* not there: nothing happens */
}

TEST_MAIN
