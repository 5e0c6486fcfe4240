/* A program that ends in the middle of everything. */
#include <tidegate.h>

#include <sys/wait.h>
#include <time.h>

#include "check.h"
#include "provider.h"

static struct tidegate *late;

/* Called after what the library registered, which came later. */
static void close_late(void)
{
    tidegate_close(late);
}

/* Ask somebody who speaks TLS, or should; then end, a little later each time. */
static void end_in_between(const char *config, int nth)
{
    struct tidegate_options o = { .size = sizeof o, .config_text = config };
    struct tidegate_request r = { .size = sizeof r, .body = "{\"model\":\"t/slow\",\"messages\":"
                                  "[{\"role\":\"user\",\"content\":\"hi\"}]}" };

    alarm(20);
    if (nth % 2)
        atexit(close_late);
    late = tidegate_open(&o, NULL, 0);
    for (int i = 0; i < 10; i++)
        tidegate_ask(late, &r);
    nanosleep(&(struct timespec){ 0, nth % 16 * 500000 }, NULL);
    exit(late ? 0 : 1);
}

TEST("exit() without close is quiet, whatever runs, and close() may come after it")
{
    char catalog[256] = "/tmp/tidegate-abi-XXXXXX", config[4096];
    int bad = 0;

    CHECK(mkdtemp(catalog) != NULL);
    open_provider();                       /* who never answers, and no thread before fork() */
    write_catalog(catalog, sizeof catalog);
    put_config(config, sizeof config, catalog);
    for (char *at = config; (at = strstr(at, "http:")); at += 6) {
        memmove(at + 5, at + 4, strlen(at + 4) + 1);
        at[4] = 's';
    }
    fflush(stdout);
    for (int nth = 0; nth < 48; nth++) {
        int status;
        pid_t pid = fork();
        if (!pid)
            end_in_between(config, nth);
        waitpid(pid, &status, 0);
        if (!WIFEXITED(status) || WEXITSTATUS(status)) {
            printf("    the %d. ended with %d\n", nth, status);
            fflush(stdout);
            bad++;
        }
    }
    CHECK_INT(bad, 0);
}

TEST_MAIN
