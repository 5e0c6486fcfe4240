/* load.c -- the client that benchmarks run: keeps C connections busy.
 *
 *     load PORT PATH --body FILE [--connections C] [--seconds S] [--warm S] [--ramp S]
 *          [--rate R] [--stream N [--until TEXT] | --hold | --unread S] [--header LINE]...
 *          [--watch PID,PID]
 *
 * As it is, each connection sends its next request when the answer is whole. No
 * two requests are alike where the body says so (vary.h).
 *
 *   --rate R    sends R requests a second, at times of its own: each connection
 *               leaves gaps between 0 and twice C/R. A request that could not be
 *               sent when it was due counts as late from then on
 *   --stream N  reads event streams to [DONE], holds each to N events, and takes
 *               the time that each carries ("t=<ns>") as when it was sent
 *   --until T   the event streams are of another format: they end with the event that
 *               holds T, and carry no time. Each format begins and ends streams with
 *               events of its own, so N is the least, and the first N count
 *   --hold      opens the streams, prints "open" when each has its first event,
 *               and reads on until it is killed
 *   --unread S  asks for one stream and does not read for S seconds; then reads
 *               it to the end
 *   --ramp S    dials over S seconds (a part of --warm) instead of at once
 *   --watch     the processes whose CPU time and memory are taken
 *
 * What begins or ends before --warm seconds have gone is not counted. Prints one
 * JSON object of numbers: requests, errors, events, percentiles in microseconds
 * of the latency, of the first byte of content (stream: the first whole event) and of
 * how long each event travelled; of the watched processes the CPU time in that
 * span, how long they waited for a CPU that others had, and their memory. */
#include <arpa/inet.h>
#include <dirent.h>
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
#include "vary.h"

enum { IN_BYTES = 256 * 1024, EVENTS = 512, SAMPLES = 4 << 20, WATCHED_MAX = 16 };

struct conn {
    int fd;
    bool in_body, chunked, is_bad, is_done;    /* is_done: [DONE] was seen */
    size_t len;                    /* bytes kept in `in` */
    long left;                     /* of a body with a length */
    uint64_t sent;                 /* with --rate: when it was due */
    uint64_t due;                  /* the next request waits until then; 0: it does not wait */
    long events;                   /* of this stream */
    char *in;
};

struct samples {
    uint32_t *us;
    size_t n;
};

struct cost {                      /* of the watched processes */
    uint64_t cpu_ns, wait_ns;
    long rss_kib;                  /* of the largest */
};

static char *request;
static struct vary varied;         /* of the request's body */
static const char *until_text;     /* of another format's last event; NULL: ours */
static size_t request_len;
static bool holds;
static long stream_events;         /* 0: no streams */
static uint64_t gap_ns;            /* between a connection's requests, on average; 0: none */
static int ep, port, watched[WATCHED_MAX], watched_count;
static uint64_t measure_from, until;
static long requests, errors, events_seen, first_events;
static long refused, cut, lost;     /* of the errors: not a 200, events missing, hung up on */
static struct samples latency, first_byte, event_delay;

static uint64_t now_ns(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

/* ---- the watched processes ---- */

static void add_tasks(int pid, struct cost *c)
{
    char path[320];
    struct dirent *d;

    snprintf(path, sizeof path, "/proc/%d/task", pid);
    DIR *dir = opendir(path);
    while (dir && (d = readdir(dir))) {
        unsigned long long cpu, wait;
        snprintf(path, sizeof path, "/proc/%d/task/%s/schedstat", pid, d->d_name);
        FILE *f = d->d_name[0] == '.' ? NULL : fopen(path, "r");
        if (!f)
            continue;
        if (fscanf(f, "%llu %llu", &cpu, &wait) == 2) {
            c->cpu_ns += cpu;
            c->wait_ns += wait;
        }
        fclose(f);
    }
    if (dir)
        closedir(dir);
}

static long rss_kib(int pid)
{
    char path[64], line[256];
    long kib = 0;

    snprintf(path, sizeof path, "/proc/%d/status", pid);
    FILE *f = fopen(path, "r");
    while (f && fgets(line, sizeof line, f))
        if (sscanf(line, "VmRSS: %ld", &kib) == 1)
            break;
    if (f)
        fclose(f);
    return kib;
}

static struct cost take_cost(void)
{
    struct cost c = { 0 };

    for (int i = 0; i < watched_count; i++) {
        long kib = rss_kib(watched[i]);
        add_tasks(watched[i], &c);
        if (kib > c.rss_kib)
            c.rss_kib = kib;
    }
    return c;
}

/* ---- exchanges ---- */

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

    vary(&varied);
    c->sent = c->due ? c->due : now_ns();
    c->due = 0;
    c->in_body = c->is_bad = c->is_done = false;
    c->events = 0;
    c->len = 0;
    while (at < request_len) {
        ssize_t n = send(c->fd, request + at, request_len - at, MSG_NOSIGNAL);
        if (n < 0 && errno == EAGAIN)
            continue;
        if (n < 0)
            break;
        at += (size_t)n;
    }
}

static void finished(struct conn *c)
{
    uint64_t now = now_ns();

    bool is_short = until_text ? c->events < stream_events : c->events != stream_events;
    bool is_cut = stream_events && !c->is_bad && is_short;
    if (now >= measure_from) {
        requests++;
        errors += c->is_bad || is_cut;
        refused += c->is_bad;
        cut += is_cut;
    }
    if (c->sent >= measure_from && !stream_events)
        add_sample(&latency, now - c->sent);
    if (now >= until)
        return;
    if (gap_ns)
        c->due = c->sent + (uint64_t)random() % (2 * gap_ns);
    if (c->due <= now)
        send_request(c);
}

static void dropped(struct conn *c)
{
    errors++;
    lost++;
    close(c->fd);
    dial(c);
}

static void take_event(struct conn *c, const char *at, const char *end, uint64_t now)
{
    const char *t = memmem(at, (size_t)(end - at), "t=", 2);

    if (!t || end - t < 22) {
        c->is_done |= memmem(at, (size_t)(end - at), "[DONE]", 6) != NULL;
        return;
    }
    uint64_t sent = strtoull(t + 2, NULL, 10);
    if (!c->events++) {
        first_events++;
        if (c->sent >= measure_from)
            add_sample(&first_byte, now - c->sent);
    }
    if (now < measure_from)
        return;
    events_seen++;
    if (sent >= measure_from && now > sent)
        add_sample(&event_delay, now - sent);
}

static void take_other_event(struct conn *c, const char *at, const char *end, uint64_t now)
{
    if (!memmem(at, (size_t)(end - at), "data:", 5))
        return;
    c->is_done = memmem(at, (size_t)(end - at), until_text, strlen(until_text)) != NULL;
    if (c->events++ >= stream_events)
        return;
    if (c->events == 1) {
        first_events++;
        if (c->sent >= measure_from)
            add_sample(&first_byte, now - c->sent);
    }
    events_seen += now >= measure_from;
}

/* The empty line that ends an event, with either kind of newline; what follows in *next. */
static char *find_end(char *p, char *end, char **next)
{
    for (; (p = memchr(p, '\n', (size_t)(end - p))); p++) {
        bool has_cr = end - p > 2 && p[1] == '\r';
        *next = p + has_cr + 2;
        if (*next <= end && p[1 + has_cr] == '\n')
            return p;
    }
    return NULL;
}

/* What stands behind the last event is the end of the body. */
static char *take_other_events(struct conn *c, char *p, char *end, uint64_t now)
{
    char *e, *next;

    while (!c->is_done && (e = find_end(p, end, &next))) {
        take_other_event(c, p, e, now);
        p = next;
    }
    return p;
}

static void take_events(struct conn *c, uint64_t now)
{
    char *p = c->in, *end = c->in + c->len, *e;

    if (until_text)
        p = take_other_events(c, p, end, now);
    while (!until_text && (e = memmem(p, (size_t)(end - p), "\n\n", 2))) {
        take_event(c, p, e, now);
        p = e + 2;
    }
    c->len = (size_t)(end - p);
    memmove(c->in, p, c->len);
}

/* The status and how the body ends; false until the head is whole. */
static bool take_head(struct conn *c)
{
    c->in[c->len] = '\0';
    char *end = strstr(c->in, "\r\n\r\n");
    if (!end)
        return false;
    size_t head = (size_t)(end - c->in) + 4;
    *end = '\0';
    char *length = strcasestr(c->in, "\r\ncontent-length:");
    c->chunked = strcasestr(c->in, "transfer-encoding: chunked") != NULL;
    c->left = length ? strtol(length + 17, NULL, 10) : 0;
    c->is_bad = strncmp(c->in, "HTTP/1.1 200", 12) != 0;
    c->in_body = true;
    c->len -= head;
    memmove(c->in, c->in + head, c->len);
    return true;
}

/* Bodies are known: "0\r\n\r\n" stands at the end of one and nowhere else. */
static bool is_whole(const struct conn *c)
{
    if (stream_events && !c->is_bad && !c->is_done)
        return false;
    if (c->chunked)
        return c->len >= 5 && !memcmp(c->in + c->len - 5, "0\r\n\r\n", 5);
    return (long)c->len >= c->left;
}

static void read_conn(struct conn *c)
{
    for (;;) {
        size_t room = IN_BYTES - 1 - c->len;
        ssize_t n = recv(c->fd, c->in + c->len, room, 0);
        if (n < 0 && errno == EAGAIN)
            return;
        if (n <= 0) {
            dropped(c);
            return;
        }
        c->len += (size_t)n;
        if (!c->in_body && !take_head(c))
            continue;
        if (stream_events && !c->is_bad)
            take_events(c, now_ns());
        if (is_whole(c))
            finished(c);
    }
}

static void dial(struct conn *c)
{
    struct sockaddr_in a = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK),
                             .sin_port = htons((uint16_t)port) };
    int one = 1;

    c->fd = socket(AF_INET, SOCK_STREAM, 0);
    if (connect(c->fd, (struct sockaddr *)&a, sizeof a)) {
        perror("load: connect");
        exit(1);
    }
    setsockopt(c->fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
    if (!c->in)
        c->in = malloc(IN_BYTES);
    struct epoll_event add = { .events = EPOLLIN | EPOLLET, .data.ptr = c };
    epoll_ctl(ep, EPOLL_CTL_ADD, c->fd, &add);
    fcntl(c->fd, F_SETFL, O_NONBLOCK);
    send_request(c);
}

/* ---- what is printed ---- */

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

static void print_result(const struct cost *before, const struct cost *after, double took_s)
{
    printf("{\"requests\":%ld,\"errors\":%ld,\"refused\":%ld,\"cut\":%ld,\"lost\":%ld,"
           "\"seconds\":%.3f,\"rps\":%.1f,\"events\":%ld", requests, errors, refused, cut, lost,
           took_s, (double)requests / took_s, events_seen);
    print_samples("latency", &latency);
    print_samples("first_byte", &first_byte);
    print_samples("event_delay", &event_delay);
    if (watched_count)
        printf(",\"cpu_us\":%.1f,\"wait_us\":%.1f,\"rss_before_kib\":%ld,\"rss_kib\":%ld",
               (double)(after->cpu_ns - before->cpu_ns) / 1e3,
               (double)(after->wait_ns - before->wait_ns) / 1e3, before->rss_kib, after->rss_kib);
    puts("}");
}

/* ---- the runs ---- */

static void turn(int timeout_us)
{
    struct timespec timeout = { .tv_nsec = timeout_us * 1000L };
    struct epoll_event got[EVENTS];
    int n = epoll_pwait2(ep, got, EVENTS, &timeout, NULL);
    for (int i = 0; i < n; i++)
        read_conn(got[i].data.ptr);
}

/* Send what is due; microseconds until the next, at most `most_us`. */
static int send_due(struct conn *all, int connections, int most_us)
{
    uint64_t now = now_ns(), soonest = now + (uint64_t)most_us * 1000;

    for (struct conn *c = all; c < all + connections; c++) {
        if (c->due && c->due <= now)
            send_request(c);
        else if (c->due && c->due < soonest)
            soonest = c->due;
    }
    return (int)((soonest - now) / 1000);
}

static void run(struct conn *all, int connections, double ramp, double seconds)
{
    struct cost before = { 0 }, after;
    uint64_t start = now_ns();
    int dialled = 0;
    bool measures = false, is_told = false;

    for (;;) {
        uint64_t now = now_ns();
        int due = connections;
        if (ramp > 0 && now - start < (uint64_t)(ramp * 1e9))
            due = (int)((double)(now - start) / (ramp * 1e9) * connections);
        while (dialled < due)
            dial(&all[dialled++]);
        if (holds && !is_told && first_events >= connections) {
            puts("open");
            fflush(stdout);
            is_told = true;
        }
        if (!measures && now >= measure_from) {
            before = take_cost();
            measures = true;
            measure_from = now = now_ns();     /* later than planned when connecting took long */
            until = measure_from + (uint64_t)(seconds * 1e9);
        }
        if (measures && now >= until && !holds)
            break;
        int wait_us = dialled < connections ? 1000 : 5000;
        turn(gap_ns ? send_due(all, dialled, wait_us) : wait_us);
    }
    after = take_cost();
    print_result(&before, &after, (double)(now_ns() - measure_from) / 1e9);
}

/* One client that leaves its stream unread; then everything must come. */
static void run_unread(struct conn *c, double seconds)
{
    struct cost before = take_cost(), now = before, most = before;
    uint64_t end;

    until = 0;                     /* no second request */
    measure_from = 0;
    dial(c);
    end = now_ns() + (uint64_t)(seconds * 1e9);
    while (now_ns() < end) {
        usleep(20000);
        now = take_cost();
        if (now.rss_kib > most.rss_kib)
            most = now;
    }
    end = now_ns() + 60000000000u;
    while (!requests && !errors && now_ns() < end)
        turn(100 * 1000);
    event_delay.n = 0;
    errors += !requests;
    print_result(&before, &most, seconds);
}

static void make_request(const char *path, const char *headers, const char *body, size_t body_len)
{
    request = malloc(body_len + 8192);
    request_len = (size_t)snprintf(request, 8192,
        "POST %s HTTP/1.1\r\nHost: 127.0.0.1:%d\r\nAccept: application/json\r\n"
        "Content-Type: application/json\r\nUser-Agent: OpenAI/JS 6.1.0\r\nX-Stainless-Lang: js\r\n"
        "X-Stainless-Package-Version: 6.1.0\r\nX-Stainless-OS: Linux\r\nX-Stainless-Arch: x64\r\n"
        "X-Stainless-Runtime: node\r\nX-Stainless-Runtime-Version: v20.20.2\r\n"
        "X-Stainless-Retry-Count: 0\r\nX-Stainless-Timeout: 600\r\n"
        "Accept-Language: *\r\nSec-Fetch-Mode: cors\r\n%sContent-Length: %zu\r\n\r\n",
        path, port, headers, body_len);
    memcpy(request + request_len, body, body_len);
    vary_find(&varied, request + request_len, body_len);
    request_len += body_len;
}

static size_t read_body(const char *path, char *out, size_t cap)
{
    FILE *f = fopen(path, "rb");
    if (!f) {
        perror(path);
        exit(1);
    }
    size_t n = fread(out, 1, cap, f);
    fclose(f);
    return n;
}

static void watch(char *pids)
{
    for (char *p = strtok(pids, ","); p && watched_count < WATCHED_MAX; p = strtok(NULL, ","))
        watched[watched_count++] = atoi(p);
}

int main(int argc, char **argv)
{
    static char headers[4096], body[4 << 20];
    double seconds = 3, warm = 0.5, ramp = 0, unread = 0, rate = 0;
    int connections = 1;
    size_t body_len = 0;

    if (argc < 3)
        return 2;
    port = atoi(argv[1]);
    for (int i = 3; i + 1 < argc || (i < argc && !strcmp(argv[i], "--hold")); i++) {
        if (!strcmp(argv[i], "--hold")) holds = true;
        else if (!strcmp(argv[i], "--connections")) connections = atoi(argv[++i]);
        else if (!strcmp(argv[i], "--seconds")) seconds = atof(argv[++i]);
        else if (!strcmp(argv[i], "--warm")) warm = atof(argv[++i]);
        else if (!strcmp(argv[i], "--ramp")) ramp = atof(argv[++i]);
        else if (!strcmp(argv[i], "--rate")) rate = atof(argv[++i]);
        else if (!strcmp(argv[i], "--unread")) unread = atof(argv[++i]);
        else if (!strcmp(argv[i], "--stream")) stream_events = atol(argv[++i]);
        else if (!strcmp(argv[i], "--until")) until_text = argv[++i];
        else if (!strcmp(argv[i], "--watch")) watch(argv[++i]);
        else if (!strcmp(argv[i], "--body")) body_len = read_body(argv[++i], body, sizeof body);
        else if (!strcmp(argv[i], "--header")) {
            size_t n = strlen(headers);
            snprintf(headers + n, sizeof headers - n, "%s\r\n", argv[++i]);
        } else {
            fprintf(stderr, "load: unknown option %s\n", argv[i]);
            return 2;
        }
    }
    make_request(argv[2], headers, body, body_len);
    srandom((unsigned)getpid());   /* two loads are not to move in step */
    if (rate > 0)
        gap_ns = (uint64_t)(connections / rate * 1e9);
    signal(SIGPIPE, SIG_IGN);
    ep = epoll_create1(0);
    measure_from = now_ns() + (uint64_t)(warm * 1e9);
    until = UINT64_MAX;            /* set when measuring begins */
    struct conn *all = calloc((size_t)connections, sizeof *all);
    if (unread > 0)
        run_unread(all, unread);
    else
        run(all, connections, ramp, seconds);
    return errors > 0;
}
