/* upstream.c -- the provider that benchmarks run against: fast and dumb.
 *
 *     upstream PORT [--events N] [--pause-ms MS] [--event-bytes N]
 *
 * One thread, epoll, keep-alive. A POST whose body holds "stream":true gets N
 * chunked server-sent events, one a pause (0: all at once), each with the time
 * it was sent in nanoseconds ("t":...); any other gets a chat completion of
 * about 1.5 KB. Prints "ready" when it listens. */
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

enum { IN_BYTES = 256 * 1024, TICK_MS = 1, WHEEL = 4096, EVENTS = 512 };

struct conn {
    int fd;
    size_t len;
    long left;                     /* events still to send; 0: none */
    bool open;
    struct conn *next;             /* in its slot of the wheel */
    char *in;
};

static int ep, events = 200, pause_ms = 5, event_bytes = 250;
static struct conn *wheel[WHEEL];
static uint64_t wheel_ms;
static char answer[4096];
static size_t answer_len;

static uint64_t now_ns(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

static void make_answer(void)
{
    char text[1300], body[2048];
    memset(text, 'x', sizeof text - 1);
    text[sizeof text - 1] = '\0';
    int n = snprintf(body, sizeof body,
        "{\"id\":\"chatcmpl-1\",\"object\":\"chat.completion\",\"created\":1700000000,\"model\":\"up\","
        "\"choices\":[{\"index\":0,\"message\":{\"role\":\"assistant\",\"content\":\"%s\"},"
        "\"logprobs\":null,\"finish_reason\":\"stop\"}],\"usage\":{\"prompt_tokens\":200,"
        "\"completion_tokens\":300,\"total_tokens\":500}}", text);
    answer_len = (size_t)snprintf(answer, sizeof answer,
        "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n%s", n, body);
}

static void send_all(struct conn *c, const char *p, size_t n)
{
    while (n) {
        ssize_t put = send(c->fd, p, n, MSG_NOSIGNAL);
        if (put < 0 && errno == EAGAIN)
            continue;              /* loopback buffers are large; rare */
        if (put < 0)
            return;
        p += put;
        n -= (size_t)put;
    }
}

static size_t put_event(char *at, const char *data)
{
    return (size_t)sprintf(at, "%zx\r\ndata: %s\n\n\r\n", strlen(data) + 8, data);
}

static void send_event(struct conn *c)
{
    char data[4096], out[8192], pad[2048];
    int fill = event_bytes - 190;
    size_t n;

    if (fill < 1)
        fill = 1;
    if (fill > (int)sizeof pad - 1)
        fill = sizeof pad - 1;
    memset(pad, 'w', (size_t)fill);
    pad[fill] = '\0';
    snprintf(data, sizeof data,
        "{\"id\":\"chatcmpl-1\",\"object\":\"chat.completion.chunk\",\"created\":1700000000,"
        "\"model\":\"up\",\"choices\":[{\"index\":0,\"delta\":{\"content\":\"t=%020llu %s\"},"
        "\"finish_reason\":null}]}", (unsigned long long)now_ns(), pad);
    n = put_event(out, data);
    if (--c->left == 0) {
        n += put_event(out + n, "{\"id\":\"chatcmpl-1\",\"object\":\"chat.completion.chunk\","
                       "\"created\":1700000000,\"model\":\"up\",\"choices\":[{\"index\":0,\"delta\":{},"
                       "\"finish_reason\":\"stop\"}]}");
        n += put_event(out + n, "{\"id\":\"chatcmpl-1\",\"object\":\"chat.completion.chunk\","
                       "\"created\":1700000000,\"model\":\"up\",\"choices\":[],\"usage\":"
                       "{\"prompt_tokens\":200,\"completion_tokens\":200,\"total_tokens\":400}}");
        n += put_event(out + n, "[DONE]");
        n += (size_t)sprintf(out + n, "0\r\n\r\n");
    }
    send_all(c, out, n);
}

static void schedule(struct conn *c)
{
    uint64_t at = wheel_ms + (uint64_t)(pause_ms ? pause_ms : 1);
    c->next = wheel[at % WHEEL];
    wheel[at % WHEEL] = c;
}

static void free_conn(struct conn *c)
{
    free(c->in);
    free(c);
}

static void turn_wheel(void)
{
    uint64_t now = now_ns() / 1000000;
    while (wheel_ms < now) {
        wheel_ms++;
        struct conn *c = wheel[wheel_ms % WHEEL];
        wheel[wheel_ms % WHEEL] = NULL;
        while (c) {
            struct conn *next = c->next;
            if (!c->open) {
                free_conn(c);
            } else {
                send_event(c);
                if (c->left)
                    schedule(c);
            }
            c = next;
        }
    }
}

static void serve(struct conn *c, const char *body, size_t n)
{
    static const char head[] = "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n"
                               "Transfer-Encoding: chunked\r\n\r\n";
    if (!memmem(body, n, "\"stream\":true", 13) && !memmem(body, n, "\"stream\": true", 14)) {
        send_all(c, answer, answer_len);
        return;
    }
    send_all(c, head, sizeof head - 1);
    c->left = events;
    if (pause_ms)
        schedule(c);
    else
        while (c->left)
            send_event(c);
}

static void read_conn(struct conn *c)
{
    for (;;) {
        ssize_t n = recv(c->fd, c->in + c->len, IN_BYTES - c->len, 0);
        if (n < 0 && errno == EAGAIN)
            return;
        if (n <= 0) {
            close(c->fd);
            c->open = false;
            if (!c->left)
                free_conn(c);
            return;
        }
        c->len += (size_t)n;
        for (;;) {
            char *end = memmem(c->in, c->len, "\r\n\r\n", 4);
            if (!end)
                break;
            size_t head = (size_t)(end - c->in) + 4, body = 0;
            *end = '\0';
            char *length = strcasestr(c->in, "\r\ncontent-length:");
            *end = '\r';
            if (length)
                body = strtoul(length + 17, NULL, 10);
            if (c->len < head + body)
                break;
            serve(c, c->in + head, body);
            memmove(c->in, c->in + head + body, c->len - head - body);
            c->len -= head + body;
        }
    }
}

int main(int argc, char **argv)
{
    struct sockaddr_in a = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
    int one = 1, listener = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);

    if (argc < 2)
        return 2;
    a.sin_port = htons((uint16_t)atoi(argv[1]));
    for (int i = 2; i + 1 < argc; i += 2) {
        if (!strcmp(argv[i], "--events")) events = atoi(argv[i + 1]);
        if (!strcmp(argv[i], "--pause-ms")) pause_ms = atoi(argv[i + 1]);
        if (!strcmp(argv[i], "--event-bytes")) event_bytes = atoi(argv[i + 1]);
    }
    signal(SIGPIPE, SIG_IGN);
    setsockopt(listener, SOL_SOCKET, SO_REUSEADDR, &one, sizeof one);
    if (bind(listener, (struct sockaddr *)&a, sizeof a) || listen(listener, 4096)) {
        perror("upstream");
        return 1;
    }
    make_answer();
    ep = epoll_create1(0);
    struct epoll_event ev = { .events = EPOLLIN, .data.ptr = NULL };
    epoll_ctl(ep, EPOLL_CTL_ADD, listener, &ev);
    wheel_ms = now_ns() / 1000000;
    puts("ready");
    fflush(stdout);
    for (;;) {
        struct epoll_event got[EVENTS];
        int n = epoll_wait(ep, got, EVENTS, TICK_MS);
        for (int i = 0; i < n; i++) {
            if (got[i].data.ptr) {
                read_conn(got[i].data.ptr);
                continue;
            }
            int fd;
            while ((fd = accept4(listener, NULL, NULL, SOCK_NONBLOCK)) >= 0) {
                struct conn *c = calloc(1, sizeof *c);
                setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
                c->fd = fd;
                c->open = true;
                c->in = malloc(IN_BYTES);
                struct epoll_event add = { .events = EPOLLIN | EPOLLET, .data.ptr = c };
                epoll_ctl(ep, EPOLL_CTL_ADD, fd, &add);
            }
        }
        turn_wheel();
    }
}
