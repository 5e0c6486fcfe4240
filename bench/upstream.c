/* upstream.c -- the provider that benchmarks run against: fast and dumb.
 *
 *     upstream PORT [DIR]
 *
 * One thread, epoll, keep-alive. A POST whose body holds "stream":true gets
 * server-sent events, each in a chunk of its own and with the time it was sent
 * in nanoseconds ("t=..."); how many, how far apart and how large is written in
 * the request, where every proxy passes it on:
 *
 *     "max_tokens":200, "metadata":{"pause_ms":"5","event_bytes":"250"}
 *
 * The first event leaves together with the head, the others one a pause; with a
 * pause of 0 as fast as the reader takes them. Any other request gets a chat
 * completion of 1.6 KB. Prints "ready" when it listens.
 *
 * A path that begins with /f/KEY/ is answered in a format of its own, with what
 * stands in DIR (bench/formats.lua writes it): KEY.whole, or, where the path or the
 * body asks for a stream, the events of KEY.events, one a write, 5 ms apart. The
 * first line of a file is its content type; an event is its length in a line, and
 * that many bytes. Whole answers are never the same twice (vary.h). */
#include <arpa/inet.h>
#include <dirent.h>
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <signal.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>
#include "vary.h"

enum {
    IN_BYTES = 256 * 1024,         /* a request, head and body */
    BATCH_BYTES = 16 * 1024,       /* written at once when there is no pause */
    EVENT_MAX = 4096,
    WHEEL = 4096,                  /* slots of 1 ms */
    EVENTS = 512,
    FORMATS_MAX = 32,
    FORMAT_BYTES = 1 << 20,        /* a file of one */
    FORMAT_EVENTS = 1000,
    FORMAT_PAUSE_MS = 5
};

/* The answers of one format, as they go over the wire: the first event behind the head. */
struct format {
    char key[32];
    char *answer;
    size_t answer_len;
    struct vary vary;              /* of the answer */
    struct {
        char *at;
        size_t len;
    } events[FORMAT_EVENTS];
    long count;
};

struct conn {
    int fd;
    bool open, is_waiting;         /* is_waiting: in the wheel */
    size_t len;                    /* bytes in `in` */
    long left, owed;               /* events to send; of them, due already */
    uint64_t due_ms;
    int pause_ms, event_bytes;
    const struct format *format;   /* of the stream; NULL: ours */
    char *out;                     /* what the kernel did not take */
    size_t out_at, out_len;
    struct conn *next;             /* in its slot of the wheel */
    char in[IN_BYTES];
};

static struct conn *wheel[WHEEL];
static uint64_t wheel_ms;
static char answer[4096], ending[2048];
static size_t answer_len, ending_len;
static struct format formats[FORMATS_MAX];
static int format_count;

static const char sse_head[] =
    "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n";

/* Everything of an event but its padding; the time is patched in. */
#define EVENT_BEFORE "data: {\"id\":\"chatcmpl-1\",\"object\":\"chat.completion.chunk\"," \
                     "\"created\":1700000000,\"model\":\"up\",\"choices\":[{\"index\":0,\"delta\":{\"content\":\"t="
#define EVENT_AFTER  "\"},\"finish_reason\":null}]}\n\n"
enum { TIME_DIGITS = 20 };

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
        "{\"id\":\"chatcmpl-1\",\"object\":\"chat.completion\",\"created\":1700000000,"
        "\"model\":\"up\",\"choices\":[{\"index\":0,\"message\":{\"role\":\"assistant\",\"content\":\"%s\"},"
        "\"logprobs\":null,\"finish_reason\":\"stop\"}],\"usage\":{\"prompt_tokens\":200,"
        "\"completion_tokens\":300,\"total_tokens\":500}}", text);
    answer_len = (size_t)snprintf(answer, sizeof answer,
        "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n%s",
        n, body);
}

static size_t put_chunk(char *at, const char *data)
{
    return (size_t)sprintf(at, "%zx\r\n%s\r\n", strlen(data), data);
}

static void make_ending(void)
{
    char *at = ending;
    at += put_chunk(at, "data: {\"id\":\"chatcmpl-1\",\"object\":\"chat.completion.chunk\","
        "\"created\":1700000000,\"model\":\"up\",\"choices\":[{\"index\":0,\"delta\":{},"
        "\"finish_reason\":\"stop\"}]}\n\n");
    at += put_chunk(at, "data: {\"id\":\"chatcmpl-1\",\"object\":\"chat.completion.chunk\","
        "\"created\":1700000000,\"model\":\"up\",\"choices\":[],\"usage\":"
        "{\"prompt_tokens\":200,\"completion_tokens\":200,\"total_tokens\":400}}\n\n");
    at += put_chunk(at, "data: [DONE]\n\n");
    at += sprintf(at, "0\r\n\r\n");
    ending_len = (size_t)(at - ending);
}

/* ---- other formats ---- */

static char *read_file(const char *dir, const char *name, size_t *len)
{
    char path[512], *text = malloc(FORMAT_BYTES);

    snprintf(path, sizeof path, "%s/%s", dir, name);
    FILE *f = fopen(path, "rb");
    *len = f ? fread(text, 1, FORMAT_BYTES - 1, f) : 0;
    text[*len] = '\0';
    if (f)
        fclose(f);
    if (!strchr(text, '\n')) {
        fprintf(stderr, "upstream: %s has no first line\n", path);
        exit(1);
    }
    return text;
}

static void read_whole(struct format *f, const char *text, size_t len)
{
    const char *body = strchr(text, '\n') + 1;
    int n = (int)(body - text) - 1;
    size_t body_len = len - (size_t)(body - text);

    f->answer = malloc(body_len + 256);
    f->answer_len = (size_t)sprintf(f->answer,
        "HTTP/1.1 200 OK\r\nContent-Type: %.*s\r\nContent-Length: %zu\r\n\r\n", n, text, body_len);
    memcpy(f->answer + f->answer_len, body, body_len);
    f->answer_len += body_len;
    vary_find(&f->vary, f->answer, f->answer_len);
}

static void read_events(struct format *f, const char *text)
{
    const char *at = strchr(text, '\n') + 1;
    int n = (int)(at - text) - 1;

    while (*at && f->count < FORMAT_EVENTS) {
        char *data;
        size_t len = strtoul(at, &data, 10);
        char *p = malloc(len + 256), *event = p;
        if (!f->count)
            p += sprintf(p, "HTTP/1.1 200 OK\r\nContent-Type: %.*s\r\n"
                            "Transfer-Encoding: chunked\r\n\r\n", n, text);
        p += sprintf(p, "%zx\r\n", len);
        p = mempcpy(p, data + 1, len);
        at = data + 1 + len;
        p += sprintf(p, *at ? "\r\n" : "\r\n0\r\n\r\n");
        f->events[f->count].at = event;
        f->events[f->count++].len = (size_t)(p - event);
    }
}

/* The format whose key has so many bytes. */
static struct format *find_format(const char *key, size_t len)
{
    for (struct format *f = formats; f < formats + format_count; f++)
        if (strlen(f->key) == len && !memcmp(f->key, key, len))
            return f;
    return NULL;
}

static void read_formats(const char *path)
{
    struct dirent *d;
    size_t len;

    DIR *dir = opendir(path);
    while (dir && (d = readdir(dir)) && format_count < FORMATS_MAX) {
        char *dot = strrchr(d->d_name, '.');
        bool is_whole = dot && !strcmp(dot, ".whole");
        if (!dot || (!is_whole && strcmp(dot, ".events")))
            continue;
        size_t key_len = (size_t)(dot - d->d_name);
        struct format *f = find_format(d->d_name, key_len);
        if (!f) {
            f = &formats[format_count++];
            snprintf(f->key, sizeof f->key, "%.*s", (int)key_len, d->d_name);
        }
        char *text = read_file(path, d->d_name, &len);
        if (is_whole)
            read_whole(f, text, len);
        else
            read_events(f, text);
        free(text);
    }
    if (dir)
        closedir(dir);
}

/* The format that the request's path names, or NULL. */
static const struct format *format_of(const char *head)
{
    static const char before[] = " /f/";
    const char *at = strstr(head, before), *line = strchr(head, '\r');

    if (!at || !line || at > line)
        return NULL;
    at += sizeof before - 1;
    return find_format(at, strcspn(at, "/ "));
}

/* Bedrock's and Google's paths say it, the others' bodies. */
static bool wants_stream(const char *head, const char *body, size_t n)
{
    const char *line = strchr(head, '\r');

    return memmem(head, (size_t)(line - head), "-stream", 7)
        || memmem(head, (size_t)(line - head), ":stream", 7)
        || memmem(body, n, "\"stream\":true", 13);
}

/* ---- what is sent ---- */

/* One event of `bytes` as a chunk; returns its length on the wire. */
static size_t put_event(char *at, int bytes)
{
    int bare = (int)sizeof EVENT_BEFORE - 1 + TIME_DIGITS + (int)sizeof EVENT_AFTER - 1;
    int pad = bytes > bare ? bytes - bare : 0;
    char *p = at + sprintf(at, "%x\r\n", (unsigned)(bare + pad));
    uint64_t t = now_ns();

    p = mempcpy(p, EVENT_BEFORE, sizeof EVENT_BEFORE - 1);
    for (int i = TIME_DIGITS - 1; i >= 0; i--, t /= 10)
        p[i] = (char)('0' + t % 10);
    p += TIME_DIGITS;
    memset(p, 'w', (size_t)pad);
    p = mempcpy(p + pad, EVENT_AFTER, sizeof EVENT_AFTER - 1);
    p = mempcpy(p, "\r\n", 2);
    return (size_t)(p - at);
}

/* Send, and keep what does not go. False when the peer left. */
static bool put(struct conn *c, const char *p, size_t n)
{
    ssize_t sent = send(c->fd, p, n, MSG_NOSIGNAL);

    if (sent < 0 && errno != EAGAIN)
        return false;
    if (sent < 0)
        sent = 0;
    if ((size_t)sent == n)
        return true;
    c->out_len = n - (size_t)sent;
    c->out = malloc(c->out_len);
    c->out_at = 0;
    memcpy(c->out, p + sent, c->out_len);
    return true;
}

/* What was kept; true when nothing is left of it. */
static bool put_kept(struct conn *c)
{
    if (!c->out)
        return true;
    ssize_t sent = send(c->fd, c->out + c->out_at, c->out_len - c->out_at, MSG_NOSIGNAL);
    if (sent > 0)
        c->out_at += (size_t)sent;
    if (c->out_at < c->out_len)
        return false;
    free(c->out);
    c->out = NULL;
    return true;
}

/* Send the events that are owed, behind `lead`, until the kernel is full. */
static void send_owed(struct conn *c, const char *lead, size_t lead_len)
{
    char batch[BATCH_BYTES + EVENT_MAX + sizeof ending];

    if (!put_kept(c))
        return;
    memcpy(batch, lead, lead_len);
    while (c->owed && !c->out) {
        size_t n = lead_len;
        while (c->owed && n < BATCH_BYTES) {
            n += put_event(batch + n, c->event_bytes);
            c->owed--;
            c->left--;
        }
        if (!c->left)
            n += (size_t)((char *)mempcpy(batch + n, ending, ending_len) - (batch + n));
        lead_len = 0;
        if (!put(c, batch, n))
            c->owed = c->left = 0;
    }
}

/* The same of another format, where each event has its bytes and goes alone. */
static void send_format(struct conn *c)
{
    const struct format *f = c->format;

    if (!put_kept(c))
        return;
    while (c->owed && !c->out) {
        long i = f->count - c->left;
        c->owed--;
        c->left--;
        if (!put(c, f->events[i].at, f->events[i].len))
            c->owed = c->left = 0;
    }
}

static void send_more(struct conn *c)
{
    if (c->format)
        send_format(c);
    else
        send_owed(c, "", 0);
}

static void wait_for(struct conn *c, uint64_t due_ms)
{
    c->due_ms = due_ms;
    c->is_waiting = true;
    c->next = wheel[due_ms % WHEEL];
    wheel[due_ms % WHEEL] = c;
}

static void turn_slot(struct conn *c, uint64_t now_ms)
{
    while (c) {
        struct conn *next = c->next;
        c->is_waiting = false;
        if (!c->open) {
            free(c->out);
            free(c);
        } else if (c->due_ms > now_ms) {
            wait_for(c, c->due_ms);            /* a later round of the wheel */
        } else if (c->owed < c->left) {
            c->owed++;
            send_more(c);
            if (c->owed < c->left)
                wait_for(c, c->due_ms + (uint64_t)c->pause_ms);
        }
        c = next;
    }
}

static void turn_wheel(void)
{
    uint64_t now_ms = now_ns() / 1000000;
    while (wheel_ms < now_ms) {
        wheel_ms++;
        struct conn *c = wheel[wheel_ms % WHEEL];
        wheel[wheel_ms % WHEEL] = NULL;
        turn_slot(c, wheel_ms);
    }
}

/* The number behind `name` in the body, in quotes or not. */
static long number(const char *body, size_t n, const char *name, long otherwise)
{
    char *at = memmem(body, n, name, strlen(name));
    if (!at)
        return otherwise;
    at += strlen(name);
    at += strspn(at, "\": ");
    return strtol(at, NULL, 10);
}

static void serve_format(struct conn *c, bool is_stream)
{
    if (!is_stream) {
        vary(&c->format->vary);
        put(c, c->format->answer, c->format->answer_len);
        return;
    }
    c->left = c->format->count;
    c->pause_ms = FORMAT_PAUSE_MS;
    c->owed = 1;
    send_format(c);
    if (c->left && !c->is_waiting)
        wait_for(c, now_ns() / 1000000 + FORMAT_PAUSE_MS);
}

static void serve(struct conn *c, const char *head, const char *body, size_t n)
{
    c->format = format_of(head);
    if (c->format) {
        serve_format(c, wants_stream(head, body, n));
        return;
    }
    if (!memmem(body, n, "\"stream\":true", 13) && !memmem(body, n, "\"stream\": true", 14)) {
        put(c, answer, answer_len);
        return;
    }
    c->left = number(body, n, "max_tokens", 200);
    c->pause_ms = (int)number(body, n, "pause_ms", 5);
    c->event_bytes = (int)number(body, n, "event_bytes", 250);
    if (c->event_bytes > EVENT_MAX - 64)
        c->event_bytes = EVENT_MAX - 64;
    c->owed = c->pause_ms ? 1 : c->left;
    send_owed(c, sse_head, sizeof sse_head - 1);
    if (c->owed < c->left && !c->is_waiting)
        wait_for(c, now_ns() / 1000000 + (uint64_t)c->pause_ms);
}

/* Take whole requests out of what was read. */
static void take_requests(struct conn *c)
{
    char *end;

    while ((end = memmem(c->in, c->len, "\r\n\r\n", 4))) {
        size_t head = (size_t)(end - c->in) + 4, body = 0;
        *end = '\0';
        char *length = strcasestr(c->in, "\r\ncontent-length:");
        *end = '\r';
        if (length)
            body = strtoul(length + 17, NULL, 10);
        if (c->len < head + body)
            return;
        serve(c, c->in, c->in + head, body);
        memmove(c->in, c->in + head + body, c->len - head - body);
        c->len -= head + body;
    }
}

static void close_conn(struct conn *c)
{
    close(c->fd);
    c->open = false;
    if (c->is_waiting)
        return;                    /* its slot of the wheel frees it */
    free(c->out);
    free(c);
}

static void on_event(struct conn *c, uint32_t what)
{
    if (what & EPOLLOUT && c->owed)
        send_more(c);
    else if (what & EPOLLOUT)
        put_kept(c);
    for (;;) {
        size_t room = IN_BYTES - c->len;
        ssize_t n = room ? recv(c->fd, c->in + c->len, room, 0) : 0;
        if (n < 0 && errno == EAGAIN)
            return;
        if (n <= 0) {
            close_conn(c);
            return;
        }
        c->len += (size_t)n;
        take_requests(c);
        /* Edge-triggered: what comes after a short read is told anew. */
        if ((size_t)n < room && !(what & (EPOLLRDHUP | EPOLLHUP)))
            return;
    }
}

static void accept_all(int ep, int listener)
{
    int fd, one = 1;

    while ((fd = accept4(listener, NULL, NULL, SOCK_NONBLOCK)) >= 0) {
        struct conn *c = malloc(sizeof *c);
        memset(c, 0, offsetof(struct conn, in));
        setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
        c->fd = fd;
        c->open = true;
        struct epoll_event add = { .events = EPOLLIN | EPOLLOUT | EPOLLRDHUP | EPOLLET,
                                   .data.ptr = c };
        epoll_ctl(ep, EPOLL_CTL_ADD, fd, &add);
    }
}

int main(int argc, char **argv)
{
    struct sockaddr_in a = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
    int one = 1, listener = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0), ep = epoll_create1(0);

    if (argc < 2 || argc > 3)
        return 2;
    a.sin_port = htons((uint16_t)atoi(argv[1]));
    signal(SIGPIPE, SIG_IGN);
    setsockopt(listener, SOL_SOCKET, SO_REUSEADDR, &one, sizeof one);
    if (bind(listener, (struct sockaddr *)&a, sizeof a) || listen(listener, 4096)) {
        perror("upstream");
        return 1;
    }
    make_answer();
    make_ending();
    if (argc == 3)
        read_formats(argv[2]);
    struct epoll_event ev = { .events = EPOLLIN, .data.ptr = NULL };
    epoll_ctl(ep, EPOLL_CTL_ADD, listener, &ev);
    wheel_ms = now_ns() / 1000000;
    puts("ready");
    fflush(stdout);
    for (;;) {
        struct epoll_event got[EVENTS];
        int n = epoll_wait(ep, got, EVENTS, 1);
        for (int i = 0; i < n; i++) {
            if (got[i].data.ptr)
                on_event(got[i].data.ptr, got[i].events);
            else
                accept_all(ep, listener);
        }
        turn_wheel();
    }
}
