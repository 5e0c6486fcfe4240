/* provider.h -- a provider in a thread, for programs that have the gateway inside: each path
 * answers in its own way, however often it is asked. */
#ifndef TG_SPEC_PROVIDER_H
#define TG_SPEC_PROVIDER_H

#include <arpa/inet.h>
#include <netinet/in.h>
#include <poll.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define SSE_HEAD "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nConnection: close\r\n\r\n"
#define SSE(text) "data: " text "\n\n"
#define SSE_USAGE SSE("{\"choices\":[],\"usage\":{\"prompt_tokens\":3,\"completion_tokens\":2," \
                      "\"total_tokens\":5}}")
#define SSE_DELTA(members) SSE("{\"choices\":[{\"index\":0,\"delta\":{" members "}}]}")
#define SSE_FINISH(reason) \
    SSE("{\"choices\":[{\"index\":0,\"delta\":{},\"finish_reason\":\"" reason "\"}]}")
#define JSON(status, text) \
    "HTTP/1.1 " status "\r\nContent-Type: application/json\r\nConnection: close\r\n\r\n" text

static const struct { const char *name, *answer; } ways[] = {
    { "whole", JSON("200 OK",
        "{\"choices\":[{\"index\":0,\"message\":{\"role\":\"assistant\",\"content\":\"Gr\\u00fc\\u00dfe\","
        "\"reasoning\":\"polite\"},\"finish_reason\":\"stop\"}],\"usage\":{\"prompt_tokens\":3,"
        "\"completion_tokens\":2,\"total_tokens\":5,\"prompt_tokens_details\":{\"cached_tokens\":1}}}") },
    { "stream", SSE_HEAD SSE_DELTA("\"role\":\"assistant\",\"content\":\"\"")
        SSE_DELTA("\"reasoning\":\"hm\"") SSE_DELTA("\"content\":\"Hel\"")
        SSE_DELTA("\"content\":\"l\\u00f6\\n\"") SSE_FINISH("stop") SSE_USAGE SSE("[DONE]") },
    { "tools", SSE_HEAD
        SSE_DELTA("\"tool_calls\":[{\"index\":0,\"id\":\"c1\",\"type\":\"function\",\"function\":"
                  "{\"name\":\"look\",\"arguments\":\"\"}}]")
        SSE_DELTA("\"tool_calls\":[{\"index\":0,\"function\":{\"arguments\":\"{\\\"at\\\":\"}}]")
        SSE_DELTA("\"tool_calls\":[{\"index\":0,\"function\":{\"arguments\":\"1}\"}}]")
        SSE_DELTA("\"tool_calls\":[{\"index\":1,\"id\":\"c2\",\"type\":\"function\",\"function\":"
                  "{\"name\":\"go\",\"arguments\":\"{}\"}}]")
        SSE_FINISH("tool_calls") SSE_USAGE SSE("[DONE]") },
    { "cut", SSE_HEAD SSE_DELTA("\"content\":\"Hel\"") },
    { "slow", SSE_HEAD SSE_DELTA("\"content\":\"Hel\"") },         /* and then nothing */
    { "no", JSON("500 No", "{\"error\":{\"message\":\"no\"}}") },
    { "full", "HTTP/1.1 429 Later\r\nRetry-After: 7\r\nContent-Length: 0\r\nConnection: close\r\n\r\n" },
    { "embed", JSON("200 OK", "{\"data\":[{\"index\":0,\"embedding\":[0.5,0.25]}],"
                              "\"usage\":{\"prompt_tokens\":3,\"total_tokens\":3}}") },
    { "order", JSON("200 OK", "{\"results\":[{\"index\":1,\"relevance_score\":0.75}],"
                              "\"usage\":{\"total_tokens\":3}}") },
};
enum { WAYS = sizeof ways / sizeof *ways };

static struct {
    int listener;
    unsigned port;
    pthread_t thread;
    atomic_int asked, left;                /* requests; of `slow`, who hung up */
    char last[8192];                       /* the last request, whole */
    pthread_mutex_t lock;
} provider = { .lock = PTHREAD_MUTEX_INITIALIZER };

/* One request, up to the end of its body. */
static size_t read_request(int fd, char *at, size_t cap)
{
    size_t len = 0, want = cap - 1;

    while (len < want) {
        ssize_t n = recv(fd, at + len, want - len, 0);
        if (n <= 0)
            return 0;
        len += (size_t)n;
        at[len] = '\0';
        const char *body = strstr(at, "\r\n\r\n"), *length = strcasestr(at, "\r\nContent-Length:");
        if (body && length)
            want = (size_t)(body + 4 - at) + strtoul(length + 17, NULL, 10);
    }
    return len;
}

static void *serve_one(void *arg)
{
    int fd = (int)(intptr_t)arg;
    char request[8192], byte;

    if (read_request(fd, request, sizeof request)) {
        pthread_mutex_lock(&provider.lock);
        strcpy(provider.last, request);
        pthread_mutex_unlock(&provider.lock);
        provider.asked++;
        for (int i = 0; i < WAYS; i++) {
            size_t n = strlen(ways[i].name);
            if (strncmp(request + 6, ways[i].name, n) || request[6 + n] != '/')
                continue;
            send(fd, ways[i].answer, strlen(ways[i].answer), MSG_NOSIGNAL);
            if (!strcmp(ways[i].name, "slow")) {
                recv(fd, &byte, 1, 0);
                provider.left++;
            }
        }
    }
    close(fd);
    return NULL;
}

static void *serve(void *arg)
{
    pthread_attr_t detached;

    (void)arg;
    pthread_attr_init(&detached);
    pthread_attr_setdetachstate(&detached, PTHREAD_CREATE_DETACHED);
    for (;;) {
        pthread_t thread;
        int fd = accept(provider.listener, NULL, NULL);
        if (fd < 0)
            break;
        if (pthread_create(&thread, &detached, serve_one, (void *)(intptr_t)fd))
            close(fd);
    }
    pthread_attr_destroy(&detached);
    return NULL;
}

/* It is there, and does nothing yet. */
static inline void open_provider(void)
{
    struct sockaddr_in a = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
    socklen_t len = sizeof a;

    provider.listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (bind(provider.listener, (struct sockaddr *)&a, sizeof a)
        || listen(provider.listener, 1024)
        || getsockname(provider.listener, (struct sockaddr *)&a, &len)) {
        perror("provider");
        exit(1);
    }
    provider.port = ntohs(a.sin_port);
}

static inline void start_provider(void)
{
    open_provider();
    pthread_create(&provider.thread, NULL, serve, NULL);
}

static struct {
    char path[256];
    pid_t owner;
} written;

/* Not by a child that exits. */
static void remove_catalog(void)
{
    char *slash = strrchr(written.path, '/');

    if (getpid() != written.owner)
        return;
    unlink(written.path);
    *slash = '\0';
    rmdir(written.path);
}

/* Write a catalogue of a model for each way, "t/whole" ..., and "t/any" that has all of them;
 * append its name to `path`, a directory; both are gone at exit(). */
static void write_catalog(char *path, size_t cap)
{
    snprintf(path + strlen(path), cap - strlen(path), "/catalog.json");
    FILE *f = fopen(path, "w");
    if (!f) {
        perror(path);
        exit(1);
    }
    snprintf(written.path, sizeof written.path, "%s", path);
    written.owner = getpid();
    atexit(remove_catalog);
    fprintf(f, "{\"data\":[");
    for (int m = 0; m <= WAYS; m++) {
        fprintf(f, "%s{\"id\":\"t/%s\",\"name\":\"M\",\"created\":1,\"context_length\":1000,"
                "\"pricing\":{\"prompt\":\"0.000001\",\"completion\":\"0.000002\"},\"endpoints\":[",
                m ? "," : "", m < WAYS ? ways[m].name : "any");
        for (int i = 0, n = 0; i < WAYS; i++)
            if (i == m || m == WAYS)
                fprintf(f, "%s{\"provider\":\"%s\",\"upstream_model\":\"up-%s\"}", n++ ? "," : "",
                        ways[i].name, ways[i].name);
        fprintf(f, "]}");
    }
    fprintf(f, "]}");
    fclose(f);
}

/* The configuration that has a provider for each way. */
static void put_config(char *out, size_t cap, const char *catalog)
{
    size_t n = (size_t)snprintf(out, cap, "return {\n  auth = 'none', catalog = '%s',\n"
                                "  providers = {\n", catalog);

    for (int i = 0; i < WAYS; i++)
        n += (size_t)snprintf(out + n, cap - n, "    { slug = '%s', name = 'Provider %s', "
                              "key = 'key-of-%s', base_url = 'http://127.0.0.1:%u/%s/v1' },\n",
                              ways[i].name, ways[i].name, ways[i].name, provider.port, ways[i].name);
    snprintf(out + n, cap - n, "  },\n}\n");
}

#endif
