/* load.c -- the client that benchmarks run: keeps C connections busy.
 *
 *     load PORT PATH --body FILE [--connections C] [--seconds S] [--header LINE]...
 *          [--stream] [--warm S] [--max-requests N]
 *
 * Without --stream each connection sends its next request when the answer is
 * whole; with it each reads event streams to [DONE] and takes the time that each
 * event carries ("t=<ns>") as when it was sent. Prints one JSON object: counts,
 * errors, requests a second, latency and first-byte percentiles in
 * microseconds, events and their one-way delay. */
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

enum { IN_BYTES = 128 * 1024, EVENTS = 512, SAMPLES = 4 << 20 };

struct conn {
    int fd;
    bool in_body, chunked, first;
    size_t len;                    /* bytes kept in `in` */
    long left;                     /* of a body with a length */
    uint64_t sent;
    long events;
    char *in;
};

struct samples {
    uint32_t *us;
    size_t n;
};

static char *request;
static size_t request_len;
static bool streams;
static int ep, port;
static uint64_t measure_from, until;
static long requests, errors, events_seen, max_requests;
static struct samples latency, first_byte, event_delay;

static uint64_t now_ns(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

static void add_sample(struct samples *s, uint64_t ns)
{
    if (!s->us)
        s->us = malloc(SAMPLES * sizeof *s->us);
    if (s->n < SAMPLES)
        s->us[s->n++] = (uint32_t)(ns / 1000);
}

static void dial(struct conn *c);

static void send_request(struct conn *c)
{
    size_t at = 0;

    c->sent = now_ns();
    c->in_body = false;
    c->first = true;
    c->events = 0;
    while (at < request_len) {
        ssize_t n = send(c->fd, request + at, request_len - at, MSG_NOSIGNAL);
        if (n < 0 && errno == EAGAIN)
            continue;
        if (n < 0)
            break;
        at += (size_t)n;
    }
}

static void finished(struct conn *c, bool good)
{
    uint64_t now = now_ns();

    if (c->sent >= measure_from) {
        requests++;
        errors += !good;
        add_sample(&latency, now - c->sent);
    }
    if (now < until && (!max_requests || requests < max_requests))
        send_request(c);
}

static void dropped(struct conn *c)
{
    if (now_ns() < until)
        errors++;
    close(c->fd);
    if (now_ns() < until)
        dial(c);
}

/* Whole events in what is kept: count them, take their times. */
static void take_events(struct conn *c, uint64_t now)
{
    char *p = c->in, *end = c->in + c->len, *e;

    while ((e = memmem(p, (size_t)(end - p), "\n\n", 2))) {
        char *t = memmem(p, (size_t)(e - p), "t=", 2);
        if (t && e - t > 22) {
            uint64_t sent = strtoull(t + 2, NULL, 10);
            c->events++;
            if (sent >= measure_from && now > sent) {
                events_seen++;
                add_sample(&event_delay, now - sent);
            }
        }
        p = e + 2;
    }
    memmove(c->in, p, (size_t)(end - p));
    c->len = (size_t)(end - p);
}

static void read_conn(struct conn *c)
{
    for (;;) {
        ssize_t n = recv(c->fd, c->in + c->len, IN_BYTES - 1 - c->len, 0);
        if (n < 0 && errno == EAGAIN)
            return;
        if (n <= 0) {
            dropped(c);
            return;
        }
        uint64_t now = now_ns();
        c->len += (size_t)n;
        c->in[c->len] = '\0';
        if (!c->in_body) {
            char *end = strstr(c->in, "\r\n\r\n");
            if (!end)
                continue;
            if (c->first && c->sent >= measure_from)
                add_sample(&first_byte, now - c->sent);
            c->first = false;
            size_t head = (size_t)(end - c->in) + 4;
            bool ok = !strncmp(c->in, "HTTP/1.1 200", 12);
            *end = '\0';
            char *length = strcasestr(c->in, "\r\ncontent-length:");
            c->chunked = strcasestr(c->in, "transfer-encoding: chunked") != NULL;
            c->left = length ? strtol(length + 17, NULL, 10) : 0;
            c->in_body = true;
            memmove(c->in, c->in + head, c->len - head);
            c->len -= head;
            c->in[c->len] = '\0';
            if (!ok && c->sent >= measure_from)
                errors++;
        }
        if (streams) {
            bool last = memmem(c->in, c->len, "0\r\n\r\n", 5) && memmem(c->in, c->len, "[DONE]", 6);
            take_events(c, now);
            if (last) {
                c->len = 0;
                finished(c, true);
            }
        } else if (c->chunked) {
            if (c->len >= 5 && !memcmp(c->in + c->len - 5, "0\r\n\r\n", 5)) {
                c->len = 0;
                finished(c, true);
            }
        } else if ((long)c->len >= c->left) {
            c->len = 0;
            finished(c, true);
        }
    }
}

static void dial(struct conn *c)
{
    struct sockaddr_in a = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK),
                             .sin_port = htons((uint16_t)port) };
    int one = 1;

    c->fd = socket(AF_INET, SOCK_STREAM, 0);
    if (connect(c->fd, (struct sockaddr *)&a, sizeof a)) {
        perror("connect");
        exit(1);
    }
    setsockopt(c->fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
    c->len = 0;
    struct epoll_event add = { .events = EPOLLIN | EPOLLET, .data.ptr = c };
    epoll_ctl(ep, EPOLL_CTL_ADD, c->fd, &add);
    fcntl(c->fd, F_SETFL, O_NONBLOCK);
    send_request(c);
}

static int by_size(const void *a, const void *b)
{
    uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;
    return (x > y) - (x < y);
}

static void print_samples(const char *name, struct samples *s)
{
    if (!s->n)
        return;
    qsort(s->us, s->n, sizeof *s->us, by_size);
    printf(",\"%s_p50_us\":%u,\"%s_p99_us\":%u", name, s->us[s->n / 2], name,
           s->us[s->n * 99 / 100]);
}

int main(int argc, char **argv)
{
    int connections = 1;
    double seconds = 3, warm = 0.5;
    char headers[4096] = "";
    char *body = NULL;
    size_t body_len = 0;

    if (argc < 3)
        return 2;
    port = atoi(argv[1]);
    for (int i = 3; i < argc; i++) {
        if (!strcmp(argv[i], "--connections")) connections = atoi(argv[++i]);
        else if (!strcmp(argv[i], "--seconds")) seconds = atof(argv[++i]);
        else if (!strcmp(argv[i], "--warm")) warm = atof(argv[++i]);
        else if (!strcmp(argv[i], "--stream")) streams = true;
        else if (!strcmp(argv[i], "--max-requests")) max_requests = atol(argv[++i]);
        else if (!strcmp(argv[i], "--header")) { strcat(headers, argv[++i]); strcat(headers, "\r\n"); }
        else if (!strcmp(argv[i], "--body")) {
            FILE *f = fopen(argv[++i], "rb");
            if (!f) { perror(argv[i]); return 1; }
            body = malloc(16 << 20);
            body_len = fread(body, 1, 16 << 20, f);
            fclose(f);
        }
    }
    /* What an OpenAI SDK sends. */
    request = malloc(body_len + 8192);
    request_len = (size_t)sprintf(request,
        "POST %s HTTP/1.1\r\nHost: 127.0.0.1:%d\r\nAccept: application/json\r\n"
        "Content-Type: application/json\r\nUser-Agent: OpenAI/JS 6.1.0\r\nX-Stainless-Lang: js\r\n"
        "X-Stainless-Package-Version: 6.1.0\r\nX-Stainless-OS: Linux\r\nX-Stainless-Arch: x64\r\n"
        "X-Stainless-Runtime: node\r\nX-Stainless-Runtime-Version: v20.20.2\r\n"
        "X-Stainless-Retry-Count: 0\r\nX-Stainless-Timeout: 600\r\n"
        "Accept-Language: *\r\nSec-Fetch-Mode: cors\r\n%sContent-Length: %zu\r\n\r\n",
        argv[2], port, headers, body_len);
    memcpy(request + request_len, body, body_len);
    request_len += body_len;

    signal(SIGPIPE, SIG_IGN);
    ep = epoll_create1(0);
    uint64_t start = now_ns();
    measure_from = start + (uint64_t)(warm * 1e9);
    until = measure_from + (uint64_t)(seconds * 1e9);
    struct conn *all = calloc((size_t)connections, sizeof *all);
    for (int i = 0; i < connections; i++) {
        all[i].in = malloc(IN_BYTES);
        dial(&all[i]);
    }
    while (now_ns() < until && (!max_requests || requests < max_requests)) {
        struct epoll_event got[EVENTS];
        int n = epoll_wait(ep, got, EVENTS, 20);
        for (int i = 0; i < n; i++)
            read_conn(got[i].data.ptr);
    }
    double took = (double)(now_ns() - measure_from) / 1e9;
    printf("{\"requests\":%ld,\"errors\":%ld,\"seconds\":%.3f,\"rps\":%.1f,\"events\":%ld", requests,
           errors, took, (double)requests / took, events_seen);
    print_samples("latency", &latency);
    print_samples("first_byte", &first_byte);
    print_samples("event_delay", &event_delay);
    puts("}");
    return errors > 0;
}
