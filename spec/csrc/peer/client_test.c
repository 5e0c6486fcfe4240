/* Connections that clients open, over real sockets on one loop: requests cut at
 * every byte, pipelined, malformed, too large, too slow, and clients that leave. */
#include "check.h"

#include <errno.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/mem.h"
#include "os/net.h"
#include "peer/client.h"

static struct {
    struct tg_loop *loop;
    struct tg_clients *set;
    struct tg_addr at;
    struct tg_client *held;        /* a request whose answer is given later */
    int gone, drained, heads, requests;
} world;

/* ---- a small service: what is asked decides how it is answered ---- */

static bool on_head(void *arg, struct tg_client *c, const struct tg_http1_head *head)
{
    world.heads++;
    if (!tg_str_is(head->target, "/refuse"))
        return true;
    tg_client_reply(c, 401, TG_STR(""), TG_STR("who are you"));
    return false;
}

static void on_request(void *arg, struct tg_client *c, const struct tg_http1_head *head,
                       struct tg_str body)
{
    struct tg_buf out = { 0 };

    world.requests++;
    if (tg_str_is(head->target, "/hold")) {
        world.held = c;
        tg_client_attach(c, &world);
        return;
    }
    if (tg_str_is(head->target, "/stream")) {
        tg_client_begin(c, 200, TG_STR("Content-Type: text/plain\r\n"));
        tg_client_send(c, TG_STR("one,"));
        tg_client_send(c, TG_STR("two,"));
        tg_client_end(c, TG_STR("three"));
        return;
    }
    tg_buf_str(&out, head->method);
    tg_buf_char(&out, ' ');
    tg_buf_str(&out, head->target);
    tg_buf_char(&out, ' ');
    tg_buf_str(&out, body);
    tg_client_reply(c, 200, TG_STR(""), tg_buf_view(&out));
    tg_buf_done(&out);
}

static void on_gone(void *attached)
{
    world.gone++;
    world.held = NULL;
}

static void on_drained(void *attached)
{
    world.drained++;
}

static void on_fault(void *arg, const struct tg_http1_head *head, int status, const char *why,
                     struct tg_buf *fields, struct tg_buf *body)
{
    if (head) {
        tg_buf_str(body, head->target);
        tg_buf_z(body, ": ");
    }
    tg_buf_z(body, why);
}

static void open_world(uint64_t body_bytes)
{
    struct tg_client_handler h = { on_head, on_request, on_gone, on_drained, on_fault, NULL };
    struct tg_clients_limits limits = { body_bytes, 100 };
    int fd = -1;

    memset(&world, 0, sizeof world);
    world.loop = tg_loop_new();
    tg_addr_parse(TG_STR("127.0.0.1:0"), &world.at);
    CHECK(tg_net_listen(&world.at, 16, &fd, &world.at) == TG_OK);
    world.set = tg_clients_new(world.loop, fd, &limits, &h);
    CHECK(world.set != NULL);
}

static void close_world(void)
{
    tg_clients_free(world.set);
    tg_loop_free(world.loop);
}

/* ---- the client's end ---- */

static int dial(void)
{
    int fd = -1;

    tg_net_connect(&world.at, &fd);
    for (int i = 0; i < 20; i++)
        tg_loop_turn(world.loop, 1);
    return fd;
}

static void turn(void)
{
    tg_loop_turn(world.loop, 0);
}

/* Everything that comes until the other side closes or nothing more does. */
static struct tg_str hear(int fd, char *at, size_t cap, bool *closed)
{
    size_t len = 0;
    int idle = 0;

    *closed = false;
    while (idle < 30 && len < cap) {
        ssize_t n = recv(fd, at + len, cap - len, MSG_DONTWAIT);
        if (n == 0) {
            *closed = true;
            break;
        }
        if (n > 0) {
            len += (size_t)n;
            idle = 0;
        } else if (errno != EAGAIN) {
            *closed = true;
            break;
        } else {
            tg_loop_turn(world.loop, 1);
            idle++;
        }
    }
    return (struct tg_str){ at, len };
}

static void say(int fd, struct tg_str s)
{
    CHECK(send(fd, s.at, s.len, MSG_NOSIGNAL) == (ssize_t)s.len);
}

static bool holds(struct tg_str text, const char *part)
{
    return memmem(text.at, text.len, part, strlen(part)) != NULL;
}

static size_t count_of(struct tg_str text, const char *part)
{
    size_t n = 0;
    const char *p = text.at;

    while ((p = memmem(p, text.len - (size_t)(p - text.at), part, strlen(part)))) {
        n++;
        p++;
    }
    return n;
}

static char heard[1 << 16];

TEST("a request cut into two at every byte is answered the same, and the connection lives on")
{
    static const char request[] = "POST /a HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\n\r\nhello";
    bool closed;

    open_world(1000);
    int fd = dial();
    for (size_t cut = 1; cut < sizeof request - 1; cut++) {
        say(fd, (struct tg_str){ request, cut });
        turn();
        say(fd, (struct tg_str){ request + cut, sizeof request - 1 - cut });
        struct tg_str got = hear(fd, heard, sizeof heard, &closed);
        if (!CHECK(!closed && holds(got, "HTTP/1.1 200 OK\r\n") && holds(got, "POST /a hello")))
            break;
    }
    tg_net_close(fd);
    close_world();
}

TEST("a chunked request one byte at a time is put together")
{
    static const char request[] = "POST /c HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n"
                                  "3\r\nabc\r\n2;x=y\r\nde\r\n0\r\n\r\n";
    bool closed;

    open_world(1000);
    int fd = dial();
    for (size_t i = 0; i < sizeof request - 1; i++) {
        say(fd, (struct tg_str){ request + i, 1 });
        turn();
    }
    struct tg_str got = hear(fd, heard, sizeof heard, &closed);
    CHECK(!closed && holds(got, "POST /c abcde"));
    tg_net_close(fd);
    close_world();
}

TEST("pipelined requests are answered in order, one at a time")
{
    static const char three[] = "GET /1 HTTP/1.1\r\nHost: x\r\n\r\nPOST /2 HTTP/1.1\r\nHost: x\r\n"
                                "Content-Length: 2\r\n\r\nhiGET /3 HTTP/1.1\r\nHost: x\r\n\r\n";
    bool closed;

    open_world(1000);
    for (size_t cut = 1; cut < sizeof three - 1; cut++) {
        int fd = dial();
        say(fd, (struct tg_str){ three, cut });
        turn();
        say(fd, (struct tg_str){ three + cut, sizeof three - 1 - cut });
        struct tg_str got = hear(fd, heard, sizeof heard, &closed);
        const char *a = memmem(got.at, got.len, "GET /1", 6), *b = memmem(got.at, got.len, "POST /2 hi", 10),
                   *c = memmem(got.at, got.len, "GET /3", 6);
        tg_net_close(fd);
        if (!CHECK(a && b && c && a < b && b < c))
            break;
    }
    close_world();
}

TEST("a stream is chunked for HTTP/1.1 and ends with the connection for HTTP/1.0")
{
    bool closed;

    open_world(1000);
    int fd = dial();
    say(fd, TG_STR("GET /stream HTTP/1.1\r\nHost: x\r\n\r\n"));
    struct tg_str got = hear(fd, heard, sizeof heard, &closed);
    CHECK(!closed && holds(got, "Transfer-Encoding: chunked\r\n"));
    CHECK(holds(got, "4\r\none,\r\n4\r\ntwo,\r\n5\r\nthree\r\n0\r\n\r\n"));
    tg_net_close(fd);

    fd = dial();
    say(fd, TG_STR("GET /stream HTTP/1.0\r\n\r\n"));
    got = hear(fd, heard, sizeof heard, &closed);
    CHECK(closed && holds(got, "\r\n\r\none,two,three") && !holds(got, "chunked"));
    tg_net_close(fd);
    close_world();
}

TEST("HEAD gets the head of the answer and no body")
{
    bool closed;

    open_world(1000);
    int fd = dial();
    say(fd, TG_STR("HEAD /x HTTP/1.1\r\nHost: x\r\n\r\n"));
    struct tg_str got = hear(fd, heard, sizeof heard, &closed);
    CHECK(!closed && holds(got, "Content-Length: 8\r\n") && !holds(got, "HEAD /x"));
    tg_net_close(fd);
    close_world();
}

TEST("malformed framing is answered with a 4xx and the connection is closed")
{
    static const char *const cases[] = {
        "GET / HTTP/1.1\r\n\r\n",                                        /* no Host */
        "GET / HTTP/1.1\r\nHost: a\r\nX: a\rb\r\n\r\n",
        "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
        "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: x\r\n\r\n",
        "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n",
        "nonsense\r\n\r\n",
    };
    bool closed;

    open_world(1000);
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        check_context = cases[i];
        int fd = dial();
        say(fd, tg_str_of(cases[i]));
        shutdown(fd, SHUT_WR);
        struct tg_str got = hear(fd, heard, sizeof heard, &closed);
        CHECK(tg_str_starts(got, "HTTP/1.1 4") || tg_str_starts(got, "HTTP/1.1 505"));
        CHECK(closed && holds(got, "Connection: close\r\n"));
        tg_net_close(fd);
    }
    CHECK_INT(world.requests, 0);
    close_world();
}

TEST("a body announced too large is refused from its head, readable while the client still sends")
{
    char block[4096];
    bool closed;

    memset(block, 'x', sizeof block);
    open_world(1000);
    int fd = dial();
    say(fd, TG_STR("POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 1000000\r\n\r\n"));
    for (int i = 0; i < 100; i++) {
        send(fd, block, sizeof block, MSG_NOSIGNAL | MSG_DONTWAIT);
        turn();
    }
    struct tg_str got = hear(fd, heard, sizeof heard, &closed);
    CHECK(tg_str_starts(got, "HTTP/1.1 413 "));
    CHECK(memmem(got.at, got.len, "/: the body", 11));      /* whose head is told */
    tg_net_close(fd);
    close_world();
}

TEST("a chunked body is cut off at the limit")
{
    char block[600];
    bool closed;

    memset(block, 'x', sizeof block);
    open_world(1000);
    int fd = dial();
    say(fd, TG_STR("POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n"));
    for (int i = 0; i < 2; i++) {
        say(fd, TG_STR("258\r\n"));
        say(fd, (struct tg_str){ block, sizeof block });
        say(fd, TG_STR("\r\n"));
        turn();
    }
    struct tg_str got = hear(fd, heard, sizeof heard, &closed);
    CHECK(tg_str_starts(got, "HTTP/1.1 413 "));
    CHECK(memmem(got.at, got.len, "/: the body", 11));      /* whose head is told */
    tg_net_close(fd);
    close_world();
}

TEST("an answer given at the head leaves the body unread and closes, with nothing unread in the way")
{
    bool closed;

    open_world(100000);
    int fd = dial();
    say(fd, TG_STR("POST /refuse HTTP/1.1\r\nHost: x\r\nContent-Length: 90000\r\n\r\npart"));
    struct tg_str got = hear(fd, heard, sizeof heard, &closed);
    CHECK(tg_str_starts(got, "HTTP/1.1 401 ") && holds(got, "who are you"));
    CHECK_INT(world.requests, 0);
    tg_net_close(fd);

    fd = dial();                   /* a short rest: it is read over, the connection lives on */
    say(fd, TG_STR("POST /refuse HTTP/1.1\r\nHost: x\r\nContent-Length: 8\r\n\r\npart"));
    hear(fd, heard, sizeof heard, &closed);
    CHECK(!closed);
    say(fd, TG_STR("restGET /next HTTP/1.1\r\nHost: x\r\n\r\n"));
    got = hear(fd, heard, sizeof heard, &closed);
    CHECK(holds(got, "GET /next"));
    tg_net_close(fd);

    fd = dial();                   /* whole: the connection may live on */
    say(fd, TG_STR("POST /refuse HTTP/1.1\r\nHost: x\r\nContent-Length: 4\r\n\r\npart"
                   "GET /next HTTP/1.1\r\nHost: x\r\n\r\n"));
    got = hear(fd, heard, sizeof heard, &closed);
    CHECK(count_of(got, "HTTP/1.1 401 ") == 1);
    CHECK(closed || holds(got, "GET /next"));
    tg_net_close(fd);
    close_world();
}

TEST("Expect: 100-continue is answered before the body is read")
{
    bool closed;

    open_world(1000);
    int fd = dial();
    say(fd, TG_STR("POST /e HTTP/1.1\r\nHost: x\r\nExpect: 100-continue\r\nContent-Length: 2\r\n\r\n"));
    struct tg_str got = hear(fd, heard, sizeof heard, &closed);
    CHECK_STR(got, "HTTP/1.1 100 Continue\r\n\r\n");
    say(fd, TG_STR("ok"));
    got = hear(fd, heard, sizeof heard, &closed);
    CHECK(holds(got, "POST /e ok"));
    tg_net_close(fd);
    close_world();
}

TEST("R-34 a client that leaves while its answer is made is noticed, by FIN and by reset")
{
    open_world(1000);
    for (int how = 0; how < 2; how++) {
        int fd = dial();
        world.gone = 0;
        say(fd, TG_STR("GET /hold HTTP/1.1\r\nHost: x\r\n\r\n"));
        for (int i = 0; i < 10; i++)
            tg_loop_turn(world.loop, 1);
        CHECK(world.held != NULL);
        if (how)
            tg_net_reset(fd);
        else
            tg_net_close(fd);
        for (int i = 0; i < 10; i++)
            tg_loop_turn(world.loop, 1);
        CHECK_INT(world.gone, 1);
    }
    CHECK_INT(tg_clients_count(world.set), 0);
    close_world();
}

TEST("a client that does not read makes send say so, and is told drained when it reads again")
{
    static char block[32768];
    bool closed, room = true;
    size_t sent = 0, got = 0;

    open_world(1000);
    int fd = dial();
    say(fd, TG_STR("GET /hold HTTP/1.1\r\nHost: x\r\n\r\n"));
    for (int i = 0; i < 10; i++)
        tg_loop_turn(world.loop, 1);
    tg_client_begin(world.held, 200, TG_STR(""));
    while (room && sent < 64 << 20) {
        room = tg_client_send(world.held, (struct tg_str){ block, sizeof block });
        sent += sizeof block;
    }
    CHECK(!room);
    for (int i = 0; i < 2000 && !world.drained; i++)
        got += hear(fd, heard, sizeof heard, &closed).len;
    CHECK_INT(world.drained, 1);
    tg_client_end(world.held, TG_STR("end"));
    bool ended = false;
    for (int i = 0; i < 2000 && !ended; i++) {
        struct tg_str piece = hear(fd, heard, sizeof heard, &closed);
        got += piece.len;
        ended = holds(piece, "end\r\n0\r\n\r\n");
    }
    CHECK(ended && got > sent);
    CHECK(!closed);
    tg_net_close(fd);
    close_world();
}

TEST("draining closes idle connections, ends busy ones after their answer, accepts nobody")
{
    bool closed;

    open_world(1000);
    int idle = dial(), busy = dial();
    say(busy, TG_STR("GET /hold HTTP/1.1\r\nHost: x\r\n\r\n"));
    for (int i = 0; i < 10; i++)
        tg_loop_turn(world.loop, 1);
    tg_clients_drain(world.set);
    hear(idle, heard, sizeof heard, &closed);
    CHECK(closed);
    tg_client_reply(world.held, 200, TG_STR(""), TG_STR("late"));
    struct tg_str got = hear(busy, heard, sizeof heard, &closed);
    CHECK(closed && holds(got, "late") && holds(got, "Connection: close"));
    CHECK_INT(tg_clients_count(world.set), 0);
    tg_net_close(idle);
    tg_net_close(busy);
    close_world();
}

TEST("freeing the set tells whoever is attached, and leaves nothing behind")
{
    open_world(1000);
    int fd = dial();
    say(fd, TG_STR("GET /hold HTTP/1.1\r\nHost: x\r\n\r\n"));
    for (int i = 0; i < 10; i++)
        tg_loop_turn(world.loop, 1);
    close_world();
    CHECK_INT(world.gone, 1);
    tg_net_close(fd);
}

TEST("an allocation that fails costs one connection and nothing else")
{
    static const char request[] = "POST /a HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\n\r\nhello";
    bool closed;

    open_world(1000);
    for (size_t nth = 1; nth < 12; nth++) {
        int fd = dial();
        say(fd, (struct tg_str){ request, 30 });
        tg_mem_fail_at(nth);
        turn();
        send(fd, request + 30, sizeof request - 31, MSG_NOSIGNAL);
        for (int i = 0; i < 10; i++)
            tg_loop_turn(world.loop, 1);
        tg_mem_fail_at(0);
        tg_net_close(fd);
        for (int i = 0; i < 10; i++)
            tg_loop_turn(world.loop, 1);
    }
    int fd = dial();
    say(fd, TG_STR(request));
    struct tg_str got = hear(fd, heard, sizeof heard, &closed);
    CHECK(holds(got, "POST /a hello"));
    tg_net_close(fd);
    close_world();
}

TEST_MAIN
