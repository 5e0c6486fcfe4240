/* start.c -- how long a server takes from exec to its first 200.
 *
 *     start PORT PATH BODY-FILE [--header LINE]... COMMAND [ARGUMENT]...
 *
 * Runs the command, asks every 200 us until it answers, prints the milliseconds
 * that went by and ends it again with SIGTERM (SIGKILL after 2 s). Its output
 * goes to stderr. */
#include <arpa/inet.h>
#include <netinet/in.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

enum { ASK_EVERY_US = 200, LIMIT_S = 20 };

static char request[64 * 1024];
static size_t request_len;

static uint64_t now_ns(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

static void make_request(const char *path, const char *body_file, const char *headers)
{
    static char body[32 * 1024];
    FILE *f = fopen(body_file, "rb");

    if (!f) {
        perror(body_file);
        exit(2);
    }
    size_t n = fread(body, 1, sizeof body, f);
    fclose(f);
    request_len = (size_t)snprintf(request, sizeof request,
        "POST %s HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: application/json\r\n"
        "Connection: close\r\n%sContent-Length: %zu\r\n\r\n%.*s", path, headers, n, (int)n, body);
}

static bool answers(int port)
{
    struct sockaddr_in a = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK),
                             .sin_port = htons((uint16_t)port) };
    char head[16] = "";
    int fd = socket(AF_INET, SOCK_STREAM, 0);
    bool ok = !connect(fd, (struct sockaddr *)&a, sizeof a)
           && send(fd, request, request_len, MSG_NOSIGNAL) == (ssize_t)request_len
           && recv(fd, head, sizeof head - 1, 0) > 0 && strstr(head, " 200");
    close(fd);
    return ok;
}

static void end(pid_t pid)
{
    kill(-pid, SIGTERM);
    for (int i = 0; i < 200; i++) {
        if (waitpid(pid, NULL, WNOHANG) == pid)
            return;
        usleep(10000);
    }
    kill(-pid, SIGKILL);
    waitpid(pid, NULL, 0);
}

int main(int argc, char **argv)
{
    char headers[4096] = "";
    int at = 4;

    if (argc < 5)
        return 2;
    for (; at + 2 < argc && !strcmp(argv[at], "--header"); at += 2) {
        size_t n = strlen(headers);
        snprintf(headers + n, sizeof headers - n, "%s\r\n", argv[at + 1]);
    }
    int port = atoi(argv[1]);
    make_request(argv[2], argv[3], headers);

    uint64_t began = now_ns();
    pid_t pid = fork();
    if (!pid) {
        setpgid(0, 0);
        dup2(2, 1);
        execvp(argv[at], argv + at);
        perror(argv[at]);
        _exit(127);
    }
    bool ok = false;
    while (!(ok = answers(port)) && now_ns() - began < LIMIT_S * 1000000000ull)
        usleep(ASK_EVERY_US);
    double ms = (double)(now_ns() - began) / 1e6;
    end(pid);
    if (!ok) {
        fprintf(stderr, "start: no 200 from %s within %d s\n", argv[at], LIMIT_S);
        return 1;
    }
    printf("{\"ready_ms\":%.2f}\n", ms);
    return 0;
}
