/* embed_curl.c -- the same request as bench/embed.lua makes, with libcurl alone:
 *
 *     embed_curl PORT COUNT        prints microseconds of CPU for each request
 *
 * One connection, kept; the answer is put into one buffer. */
#include <curl/curl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>

static struct { char *at; size_t len, cap; } answer;

static size_t take(char *at, size_t size, size_t n, void *arg)
{
    n *= size;
    if (answer.len + n > answer.cap) {
        answer.cap = 2 * (answer.len + n);
        answer.at = realloc(answer.at, answer.cap);
    }
    memcpy(answer.at + answer.len, at, n);
    answer.len += n;
    return n;
}

static double cpu_us(void)
{
    struct rusage u;

    getrusage(RUSAGE_SELF, &u);
    return (double)(u.ru_utime.tv_sec + u.ru_stime.tv_sec) * 1e6
         + (double)(u.ru_utime.tv_usec + u.ru_stime.tv_usec);
}

int main(int argc, char **argv)
{
    static const char body[] = "{\"max_tokens\":64,\"messages\":[{\"content\":\"What is the tide?\","
                               "\"role\":\"user\"}],\"model\":\"bench\"}";
    int count = argc > 2 ? atoi(argv[2]) : 0;
    char url[128];
    double from = 0;

    if (!count)
        return 2;
    snprintf(url, sizeof url, "http://127.0.0.1:%s/v1/chat/completions", argv[1]);
    curl_global_init(CURL_GLOBAL_DEFAULT);
    CURL *c = curl_easy_init();
    struct curl_slist *fields = curl_slist_append(NULL, "Content-Type: application/json");
    fields = curl_slist_append(fields, "Authorization: Bearer a-key-of-some-length");
    fields = curl_slist_append(fields, "Expect:");
    curl_easy_setopt(c, CURLOPT_URL, url);
    curl_easy_setopt(c, CURLOPT_HTTPHEADER, fields);
    curl_easy_setopt(c, CURLOPT_WRITEFUNCTION, take);
    for (int i = -count / 10; i < count; i++) {            /* a tenth to get warm */
        if (i == 0)
            from = cpu_us();
        answer.len = 0;
        curl_easy_setopt(c, CURLOPT_POSTFIELDS, body);
        if (curl_easy_perform(c) || answer.len < 1000)
            return 1;
    }
    printf("%.2f\n", (cpu_us() - from) / count);
    return 0;
}
